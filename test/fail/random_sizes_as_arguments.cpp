// SPDX-License-Identifier: BSD-3-Clause
// Sizes are one argument, of random tensors, too.
// error: sizes are a list
#include <sinter/sinter.hpp>

namespace st = sinter;

int main() {
  auto x = st::randn<float>(64, 784);
}
