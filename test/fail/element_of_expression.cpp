// SPDX-License-Identifier: BSD-3-Clause
// A formula has a value once it is a tensor.
// error: an expression has no elements yet: name its value first
#include <sinter/sinter.hpp>

namespace st = sinter;

int main() {
  auto x = st::ones<float>({2, 3});
  auto y = x + 1;
  float first = y(0, 0);
}
