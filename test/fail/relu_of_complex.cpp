// SPDX-License-Identifier: BSD-3-Clause
// Complex numbers have no order.
// error: this operation is not defined for complex numbers
#include <sinter/sinter.hpp>

namespace st = sinter;

int main() {
  auto z = st::zeros<st::complex64>({3});
  st::tensor y = st::relu(z);
}
