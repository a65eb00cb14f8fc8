// SPDX-License-Identifier: BSD-3-Clause
// Sizes are one argument, as other arguments may follow.
// error: sizes are a list, `st::zeros<float>({2, 3})`
#include <sinter/sinter.hpp>

namespace st = sinter;

int main() {
  auto x = st::zeros<float>(2, 3);
}
