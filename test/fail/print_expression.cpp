// SPDX-License-Identifier: BSD-3-Clause
// A formula is printed by its value.
// error: an expression has no value to print yet
#include <sinter/sinter.hpp>
#include <sinter/tensor/print.hpp>
#include <iostream>

namespace st = sinter;

int main() {
  auto x = st::ones<float>({3});
  std::cout << x + 1;
}
