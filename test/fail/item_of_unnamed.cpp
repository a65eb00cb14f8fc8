// SPDX-License-Identifier: BSD-3-Clause
// item() belongs to a value.
// error: an expression has no elements yet: name its value first
#include <sinter/sinter.hpp>

namespace st = sinter;

int main() {
  auto x = st::ones<float>({2, 3});
  float total = st::sum(x).item();
}
