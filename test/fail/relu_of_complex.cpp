// SPDX-License-Identifier: BSD-3-Clause
// Complex numbers have no order.
// error: complex numbers where real ones are needed: take abs(z), real(z) or imag(z) first
#include <sinter/sinter.hpp>

namespace st = sinter;

int main() {
  auto z = st::zeros<st::complex64>({3});
  st::tensor y = st::relu(z);
}
