// SPDX-License-Identifier: BSD-3-Clause
// A view is made of an address and sizes.
// error: from_blob takes the address of the memory
#include <sinter/sinter.hpp>
#include <vector>

namespace st = sinter;

int main() {
  std::vector<float> v{1, 2, 3};
  auto x = st::from_blob(v, {3});
}
