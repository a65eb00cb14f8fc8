// SPDX-License-Identifier: BSD-3-Clause
// exp, log, roots, powers, tanh, sigmoid, and the activations made of them, against double arithmetic.
#include "../catch.hpp"
#include "../reference.hpp"

namespace st = sinter;
using namespace reference;

namespace {
template <class T> void check(double ulps) {
  const sizes<1> n{301};
  auto x = tensor_of<T>(n, row_major, [](auto i) { return (static_cast<double>(i[0]) - 150) / 16; });
  auto p = tensor_of<T>(n, row_major, [](auto i) { return (static_cast<double>(i[0]) + 1) / 16; });
  auto v = [&](auto i) { return static_cast<double>(at(x, i)); };
  auto w = [&](auto i) { return static_cast<double>(at(p, i)); };
  CHECK_ELEMENTS(st::tensor(st::exp(x)), n, [&](auto i) { return std::exp(v(i)); }, ulps);
  CHECK_ELEMENTS(st::tensor(st::log(p)), n, [&](auto i) { return std::log(w(i)); }, ulps);
  CHECK_ELEMENTS(st::tensor(st::sqrt(p)), n, [&](auto i) { return std::sqrt(w(i)); }, ulps);
  CHECK_ELEMENTS(st::tensor(st::rsqrt(p)), n, [&](auto i) { return 1 / std::sqrt(w(i)); }, ulps);
  CHECK_ELEMENTS(st::tensor(st::tanh(x)), n, [&](auto i) { return std::tanh(v(i)); }, ulps);
  CHECK_ELEMENTS(st::tensor(st::sigmoid(x)), n, [&](auto i) { return 1 / (1 + std::exp(-v(i))); }, ulps);
  CHECK_ELEMENTS(st::tensor(st::pow(p, x / 8)), n, [&](auto i) { return std::pow(w(i), static_cast<double>(static_cast<T>(v(i) / 8))); }, 2 * ulps);
}
}  // namespace

TEST_CASE("float") { check<float>(4); }
TEST_CASE("double") { check<double>(4); }
TEST_CASE("integers become float32") {
  auto k = samples<st::int64>(sizes<1>{19});
  st::tensor y = st::exp(k);
  static_assert(std::is_same_v<decltype(y)::value_type, float>);
  CHECK_ELEMENTS(y, sizes<1>{19}, [&](auto i) { return std::exp(static_cast<double>(at(k, i))); }, 8);
}
