// SPDX-License-Identifier: BSD-3-Clause
// A complex value does not fit real elements.
// error: a complex value as real numbers: say which, real(z), imag(z) or abs(z)
#include <sinter/sinter.hpp>

namespace st = sinter;

int main() {
  auto x = st::zeros<float>({3});
  x.copy_(x * st::complex64(0, 1));
}
