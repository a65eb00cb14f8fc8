// SPDX-License-Identifier: BSD-3-Clause
// A function inside a formula is part of the type and holds no values.
// error: the function must not capture
#include <sinter/sinter.hpp>

namespace st = sinter;

int main() {
  auto x = st::ones<float>({3});
  float scale = 2;
  st::tensor y = st::let(st::exp(x), [scale](auto e) { return e * scale; });
}
