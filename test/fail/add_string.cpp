// SPDX-License-Identifier: BSD-3-Clause
// Operands are tensors, variables, expressions and numbers.
// error: an operand is a tensor, a variable, an expression or a number
#include <sinter/sinter.hpp>
#include <string>

namespace st = sinter;

int main() {
  auto x = st::ones<float>({3});
  st::tensor y = x + std::string("1");
}
