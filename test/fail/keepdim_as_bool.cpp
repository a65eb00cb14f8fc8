// SPDX-License-Identifier: BSD-3-Clause
// Whether a dim stays is part of the type.
// error: keepdim is a word here
#include <sinter/sinter.hpp>

namespace st = sinter;

int main() {
  auto x = st::ones<float>({2, 3});
  st::tensor s = st::sum(x, 0, true);
}
