// SPDX-License-Identifier: BSD-3-Clause
// A gradient is of one value.
// error: the function to differentiate returns a value with dims
#include <sinter/func/func.hpp>
#include <sinter/sinter.hpp>

namespace st = sinter;

int main() {
  auto x = st::ones<float>({3});
  st::tensor y = st::func::grad([](auto v) { return v * v; })(x);
}
