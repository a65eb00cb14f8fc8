// SPDX-License-Identifier: BSD-3-Clause
// What a consumer's first file looks like; built by every way of embedding the library.
#include <sinter/sinter.hpp>

#include <cstdio>

namespace st = sinter;

int main() {
  st::tensor x = st::ones<float>({4, 3});
  st::tensor y = 2 * x + 1;
  std::printf("sinter %s: %g\n", SINTER_VERSION, static_cast<double>(y(3, 2)));
  return y(3, 2) == 3.f ? 0 : 1;
}
