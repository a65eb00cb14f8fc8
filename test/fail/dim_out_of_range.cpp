// SPDX-License-Identifier: BSD-3-Clause
// Dims count from 0, or from -1 at the end.
// error: dim<...> is out of range
#include <sinter/sinter.hpp>

namespace st = sinter;

int main() {
  auto x = st::zeros<float>({2, 3});
  st::tensor s = st::sum(x, st::dim<2>);
}
