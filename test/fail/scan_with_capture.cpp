// SPDX-License-Identifier: BSD-3-Clause
// The function of a loop is part of the type and holds no values.
// error: scan: the function must not capture
#include <sinter/sinter.hpp>

namespace st = sinter;

int main() {
  auto x = st::ones<float>({3});
  float rate = 2;
  st::tensor y = st::scan([rate](auto c, auto) { return c * rate; }, x, st::steps(3));
}
