// SPDX-License-Identifier: BSD-3-Clause
// relu, silu, gelu.
#include "../catch.hpp"
#include "../reference.hpp"

namespace st = sinter;
using namespace reference;

TEST_CASE("activations") {
  const sizes<2> n{6, 19};
  auto x = samples<double>(n, strided);
  auto v = [&](auto i) { return 3 * at(x, i); };
  CHECK_ELEMENTS(st::tensor(st::relu(3 * x)), n, [&](auto i) { return std::max(v(i), 0.0); }, 1);
  CHECK_ELEMENTS(st::tensor(st::silu(3 * x)), n, [&](auto i) { return v(i) / (1 + std::exp(-v(i))); }, 8);
  CHECK_ELEMENTS(st::tensor(st::gelu(3 * x)), n, [&](auto i) {
    const double u = v(i);
    return 0.5 * u * (1 + std::tanh(0.7978845608028654 * (u + 0.044715 * u * u * u)));
  }, 8);
}
