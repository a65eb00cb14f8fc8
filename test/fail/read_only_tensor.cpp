// SPDX-License-Identifier: BSD-3-Clause
// Memory behind a const pointer is read-only.
// error: this tensor is read-only
#include <sinter/sinter.hpp>

namespace st = sinter;

int main() {
  const float host[3] = {1, 2, 3};
  auto x = st::from_blob(host, {3});
  x.copy_(0);
}
