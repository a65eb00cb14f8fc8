// SPDX-License-Identifier: BSD-3-Clause
// [3, 4] times [3, 4] needs a transpose.
// error: matmul: the inner static extents differ
#include <sinter/sinter.hpp>

namespace st = sinter;

int main() {
  auto a = st::zeros<float>(st::shape<3, 4>);
  st::tensor c = st::matmul(a, a);
}
