// SPDX-License-Identifier: BSD-3-Clause
// argnums<2> of a function of two arguments.
// error: argnums names an argument that the function has not
#include <sinter/func/func.hpp>
#include <sinter/sinter.hpp>

namespace st = sinter;

int main() {
  auto x = st::ones<float>({3});
  st::tensor y = st::func::grad([](auto a, auto b) { return st::sum(a * b); }, st::func::argnums<2>)(x, x);
}
