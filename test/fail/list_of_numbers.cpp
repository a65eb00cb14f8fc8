// SPDX-License-Identifier: BSD-3-Clause
// A list has no element type to rely on: array<float> says it.
// error: numbers become a tensor by st::array<float>({1, 2, 3})
#include <sinter/sinter.hpp>

namespace st = sinter;

int main() {
  st::tensor x = {1, 2, 3};
}
