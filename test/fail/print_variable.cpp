// SPDX-License-Identifier: BSD-3-Clause
// What is printed of a variable is its value.
// error: print a variable's value: `std::cout << w.detach();`
#include <sinter/sinter.hpp>
#include <sinter/tensor/print.hpp>
#include <iostream>

namespace st = sinter;

int main() {
  st::variable w = st::ones<float>({3});
  std::cout << w;
}
