// SPDX-License-Identifier: BSD-3-Clause
// A std::vector is not a tensor.
// error: an operand is a tensor, a variable, an expression or a number
#include <sinter/sinter.hpp>
#include <vector>

namespace st = sinter;

int main() {
  auto x = st::ones<float>({3});
  st::tensor y = x * std::vector<float>{1, 2, 3};
}
