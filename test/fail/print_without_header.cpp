// SPDX-License-Identifier: BSD-3-Clause
// Streams are slow to compile, so that printing is a header of its own.
// error: printing tensors takes #include <sinter/tensor/print.hpp>
#include <sinter/sinter.hpp>
#include <iostream>

namespace st = sinter;

int main() {
  auto x = st::ones<float>({3});
  std::cout << x;
}
