// SPDX-License-Identifier: BSD-3-Clause
// Indices are integers or slices.
// error: an index is an integer, slice, full_extent or newaxis
#include <sinter/sinter.hpp>

namespace st = sinter;

int main() {
  auto x = st::ones<float>({3});
  float first = x(0.0);
}
