// SPDX-License-Identifier: BSD-3-Clause
// Indices are arguments.
// error: indices stand in parentheses
#include <sinter/sinter.hpp>

namespace st = sinter;

int main() {
  auto x = st::ones<float>({2, 3});
  float first = x[0][1];
}
