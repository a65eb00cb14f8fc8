// SPDX-License-Identifier: BSD-3-Clause
// Finite differences in float are noise.
// error: gradcheck needs double or complex128 inputs
#include <sinter/sinter.hpp>
#include <sinter/autograd/gradcheck.hpp>

namespace st = sinter;

int main() {
  st::variable x = st::ones<float>({3});
  st::gradcheck([](const auto& v) { return st::sum(v * v); }, x);
}
