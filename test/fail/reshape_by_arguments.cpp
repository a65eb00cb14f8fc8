// SPDX-License-Identifier: BSD-3-Clause
// New sizes are one argument.
// error: new sizes are a list: `st::reshape(x, {2, 3})`
#include <sinter/sinter.hpp>

namespace st = sinter;

int main() {
  auto x = st::ones<float>({2, 3});
  auto y = st::reshape(x, 3, 2);
}
