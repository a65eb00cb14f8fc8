// SPDX-License-Identifier: BSD-3-Clause
// softmax, log_softmax, layer_norm: stable, along any dim, in any layout.
#include "../catch.hpp"
#include "../reference.hpp"

namespace st = sinter;
using namespace reference;

TEST_CASE("softmax sums to 1 and survives large numbers") {
  auto x = tensor_of<float>(sizes<2>{4, 23}, row_major, [](auto i) { return 1000 * sample(i[0] * 23 + i[1], 0); });
  st::tensor one = st::sum(st::softmax(x, 1), 1), columns = st::sum(st::softmax(x, 0), 0);
  CHECK_ELEMENTS(one, sizes<1>{4}, [](auto) { return 1; }, 20);
  CHECK_ELEMENTS(columns, sizes<1>{23}, [](auto) { return 1; }, 20);
}
TEST_CASE("log_softmax is the logarithm of softmax without its underflow") {
  const sizes<2> n{5, 19};
  auto x = samples<double>(n, column_major);
  st::tensor p = st::softmax(x, 1), l = st::log_softmax(x, 1);
  CHECK_ELEMENTS(l, n, [&](auto i) { return std::log(at(p, i)); }, 30);
  auto far = tensor_of<float>(sizes<1>{2}, row_major, [](auto i) { return i[0] ? 0.0 : 500.0; });
  CHECK(st::tensor(st::log_softmax(far, 0))(1) == -500);
}
TEST_CASE("layer_norm over the last dim, far from 0 too") {
  const sizes<3> n{3, 4, 21};
  for (int l = 0; l < layouts; ++l) {
    auto x = tensor_of<double>(n, layout(l), [&](auto i) { return 1e4 + sample(number_of(n, i), 0); });
    auto w = samples<double>(sizes<1>{21}, row_major, 1), b = samples<double>(sizes<1>{21}, row_major, 2);
    st::tensor y = st::layer_norm(x, w, b);
    CAPTURE(l);
    CHECK_ELEMENTS(y, n, [&](auto i) {
      double mean = 0, var = 0;
      for (int64 k = 0; k < 21; ++k) mean += at(x, sizes<3>{i[0], i[1], k}) / 21;
      for (int64 k = 0; k < 21; ++k) var += std::pow(at(x, sizes<3>{i[0], i[1], k}) - mean, 2) / 21;
      return (at(x, i) - mean) / std::sqrt(var + 1e-5) * at(w, sizes<1>{i[2]}) + at(b, sizes<1>{i[2]});
    }, 1e6);
  }
}
