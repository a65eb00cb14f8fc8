// SPDX-License-Identifier: BSD-3-Clause
// How many dims are reduced is part of the type.
// error: dims are an int, `{0, 2}` or `st::dim<0, 2>`
#include <sinter/sinter.hpp>
#include <vector>

namespace st = sinter;

int main() {
  auto x = st::ones<float>({2, 3});
  std::vector<int> dims{0, 1};
  st::tensor s = st::sum(x, dims);
}
