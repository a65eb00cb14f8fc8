// SPDX-License-Identifier: BSD-3-Clause
// The value of an expression with variables is a variable.
// error: write `st::variable y = ...`
#include <sinter/sinter.hpp>

namespace st = sinter;

int main() {
  st::variable w = st::ones<float>({3});
  st::tensor y = st::tanh(2 * w);
}
