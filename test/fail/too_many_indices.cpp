// SPDX-License-Identifier: BSD-3-Clause
// One index a dim.
// error: more indices than the tensor has dims
#include <sinter/sinter.hpp>

namespace st = sinter;

int main() {
  auto x = st::ones<float>({2, 3});
  float first = x(0, 0, 0);
}
