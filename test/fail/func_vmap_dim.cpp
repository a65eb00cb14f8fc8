// SPDX-License-Identifier: BSD-3-Clause
// A batch dim is a dim of the argument.
// error: names a dim that the argument or the result has not
#include <sinter/func/func.hpp>
#include <sinter/sinter.hpp>

namespace st = sinter;

int main() {
  auto x = st::ones<float>({3});
  st::tensor y = st::func::vmap([](auto v) { return v * 2; }, st::func::in_dims<1>)(x);
}
