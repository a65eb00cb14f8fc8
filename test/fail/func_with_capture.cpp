// SPDX-License-Identifier: BSD-3-Clause
// A transformed function is known at compile time.
// error: func: the function must not capture
#include <sinter/func/func.hpp>
#include <sinter/sinter.hpp>

namespace st = sinter;

int main() {
  auto x = st::ones<float>({3});
  st::tensor y = st::func::grad([&](auto v) { return st::sum(v * x); })(x);
}
