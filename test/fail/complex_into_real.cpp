// SPDX-License-Identifier: BSD-3-Clause
// A complex value does not fit real elements.
// error: complex numbers where real ones are needed: take abs(z), real(z) or imag(z) first
#include <sinter/sinter.hpp>

namespace st = sinter;

int main() {
  auto x = st::zeros<float>({3});
  x.copy_(x * st::complex64(0, 1));
}
