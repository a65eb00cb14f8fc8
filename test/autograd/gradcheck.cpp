// SPDX-License-Identifier: BSD-3-Clause
// First and second derivatives of every op, by the registry's samples where there is one operand, against differences.
#include <sinter/autograd/gradcheck.hpp>
#include <sinter/sinter.hpp>

#include "../catch.hpp"

namespace st = sinter;

namespace {
template <class F, class... V> void check(F f, const V&... x) {
  const auto first = st::gradcheck(f, std::tuple(x...));
  INFO(first.text);
  CHECK(first.ok);
  const auto second = st::gradgradcheck(f, std::tuple(x...));
  INFO(second.text);
  CHECK(second.ok);
}
st::variable<double, st::rank<2>> samples(double low, double high) {
  auto t = st::rand<double>({3, 5});
  t.copy_(low + (high - low) * t);
  return t;
}
}  // namespace

TEST_CASE("gradcheck finds a wrong gradient and says where") {
  st::variable x = samples(0.5, 1);
  const auto report = st::gradcheck([](auto a) { return st::detach(a) * a; }, x);
  CHECK_FALSE(report.ok);
  CHECK_THAT(report.text, Catch::Contains("element [0, 0]"));
}

TEST_CASE("arithmetic") {
  st::variable a = samples(0.5, 2), b = samples(0.6, 3);
  check([](auto x, auto y) { return x * y - x / y + (-y) * x; }, a, b);
  check([](auto x, auto y) { return st::maximum(x, y) * st::minimum(x, y * y); }, a, b);
  check([](auto x) { return st::abs(x - 1.1) * x; }, a);
}
TEST_CASE("powers and exponentials") {
  st::variable a = samples(0.5, 2), b = samples(0.6, 3);
  check([](auto x, auto y) { return st::pow(x, y); }, a, b);
  check([](auto x) { return st::exp(x) * st::log(x) + st::sqrt(x) * st::rsqrt(x + 1); }, a);
}
TEST_CASE("activations") {
  st::variable a = samples(-2, 2);
  check([](auto x) { return st::tanh(x) * st::sigmoid(x); }, a);
  check([](auto x) { return st::relu(x) * x; }, a);
  check([](auto x) { return st::gelu(x) + st::silu(x); }, a);
}
TEST_CASE("where and comparisons") {
  st::variable a = samples(-2, 2), b = samples(-2, 2);
  check([](auto x, auto y) { return st::where(x > y, x * x * y, st::exp(y) * x); }, a, b);
}
TEST_CASE("reductions") {
  st::variable a = samples(-2, 2);
  check([](auto x) { return st::sum(x * x, 1) * st::mean(x, 1); }, a);
  check([](auto x) { return st::var(x, 0) * st::max(x, 0); }, a);
  check([](auto x) { return st::sum(x) * st::mean(x * x); }, a);
}
TEST_CASE("normalisations and losses") {
  st::variable a = samples(-2, 2);
  st::variable w = st::randn<double>({5}), b = st::randn<double>({5});
  auto t = st::array<st::int64>({4, 0, 2});
  check([](auto x) { return st::softmax(x, 1) * st::log_softmax(x, 0); }, a);
  check([](auto x, auto u, auto v) { return st::layer_norm(x, u, v) * x; }, a, w, b);
  check([&](auto x) { return st::cross_entropy(x, t); }, a);
  check([](auto x) { return st::mse_loss(x, x * x); }, a);
}
TEST_CASE("products") {
  st::variable a = samples(-2, 2), b = samples(-1, 1);
  st::variable v = st::randn<double>({5});
  check([](auto x, auto y) { return st::matmul(st::tanh(x), y); }, a, st::variable<double, st::rank<2>>(st::randn<double>({5, 2})));
  check([](auto x, auto y) { return st::matmul(x, y); }, a, v);
  st::variable p = st::randn<double>({2, 3, 4}), q = st::randn<double>({2, 4, 2});
  check([](auto x, auto y) { return st::matmul(x, y); }, p, q);
}
