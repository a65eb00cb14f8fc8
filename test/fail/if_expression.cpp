// SPDX-License-Identifier: BSD-3-Clause
// A comparison of tensors is a tensor of bool.
// error: an expression has no truth value
#include <sinter/sinter.hpp>

namespace st = sinter;

int main() {
  auto x = st::ones<float>({3});
  if (x > 0) return 1;
}
