// SPDX-License-Identifier: BSD-3-Clause
// Activations: values against plain formulas, gradients where the formula changes, as PyTorch has them.
#include "../catch.hpp"
#include "../reference.hpp"

namespace st = sinter;
using namespace reference;

namespace {
template <class E> void check_values(const char* name, const E& formula, const st::tensor<double, st::rank<2>>& x, double (*f)(double)) {
  INFO(name);
  CHECK_ELEMENTS(st::tensor(formula), x.sizes(), [&](auto i) { return f(at(x, i)); }, 8);
}
/// The gradient of f at x.
template <class F> double slope(F f, double x) {
  st::variable v = st::full<double>({1}, x);
  st::variable y = st::sum(f(v));
  y.backward();
  return v.grad()(0);
}
}  // namespace

TEST_CASE("activations") {
  const sizes<2> n{6, 19};
  const st::tensor x = 3 * samples<double>(n, strided);
  check_values("relu", st::relu(x), x, [](double v) { return std::max(v, 0.0); });
  check_values("silu", st::silu(x), x, [](double v) { return v / (1 + std::exp(-v)); });
  check_values("gelu", st::gelu(x), x, [](double v) { return 0.5 * v * (1 + std::erf(v / std::sqrt(2.0))); });
  check_values("gelu tanh", st::gelu(x, st::approximate_tanh), x, [](double v) { return 0.5 * v * (1 + std::tanh(0.7978845608028654 * (v + 0.044715 * v * v * v))); });
  check_values("softplus", st::softplus(x), x, [](double v) { return std::log1p(std::exp(v)); });
  check_values("softplus 2, 3", st::softplus(x, 2, 3), x, [](double v) { return 2 * v > 3 ? v : std::log1p(std::exp(2 * v)) / 2; });
  check_values("logsigmoid", st::logsigmoid(x), x, [](double v) { return -std::log1p(std::exp(-v)); });
  check_values("mish", st::mish(x), x, [](double v) { return v * std::tanh(std::log1p(std::exp(v))); });
  check_values("leaky_relu", st::leaky_relu(x, 0.2), x, [](double v) { return v > 0 ? v : 0.2 * v; });
  check_values("elu", st::elu(x, 1.5), x, [](double v) { return v > 0 ? v : 1.5 * std::expm1(v); });
  check_values("celu", st::celu(x, 1.5), x, [](double v) { return v > 0 ? v : 1.5 * std::expm1(v / 1.5); });
  check_values("selu", st::selu(x), x, [](double v) { return 1.0507009873554805 * (v > 0 ? v : 1.6732632423543772 * std::expm1(v)); });
  check_values("hardtanh", st::hardtanh(x, -2, 1.5), x, [](double v) { return std::min(std::max(v, -2.0), 1.5); });
  check_values("relu6", st::relu6(4 * x), x, [](double v) { return std::min(std::max(4 * v, 0.0), 6.0); });
  check_values("hardsigmoid", st::hardsigmoid(x), x, [](double v) { return std::min(std::max(v / 6 + 0.5, 0.0), 1.0); });
  check_values("hardswish", st::hardswish(x), x, [](double v) { return v * std::min(std::max(v + 3, 0.0), 6.0) / 6; });
  check_values("softsign", st::softsign(x), x, [](double v) { return v / (1 + std::abs(v)); });
}
TEST_CASE("prelu has one slope, or one a channel") {
  const sizes<3> n{2, 3, 4};
  const auto x = samples<double>(n, rotated);
  const st::tensor one = st::array<double>({0.3}), each_channel = st::array<double>({0.1, 0.2, 0.4});
  CHECK_ELEMENTS(st::tensor(st::prelu(x, one)), n, [&](auto i) { return at(x, i) > 0 ? at(x, i) : 0.3 * at(x, i); }, 2);
  CHECK_ELEMENTS(st::tensor(st::prelu(x, each_channel)), n, [&](auto i) { return at(x, i) > 0 ? at(x, i) : each_channel(i[1]) * at(x, i); }, 2);
  st::variable w = each_channel;
  st::variable y = st::sum(st::prelu(x, w));
  y.backward();
  CHECK_ELEMENTS(w.grad(), (sizes<1>{3}), [&](auto c) {
    double s = 0;
    each(n, [&](auto i) { s += i[1] == c[0] && at(x, i) < 0 ? at(x, i) : 0; });
    return s;
  }, 8);
}
TEST_CASE("where activations change their formula, they have PyTorch's gradients") {
  CHECK(slope([](auto x) { return st::relu(x); }, 0) == 0);
  CHECK(slope([](auto x) { return st::softplus(x); }, 0) == 0.5);
  CHECK(slope([](auto x) { return st::softplus(x); }, 1000) == 1);
  CHECK(slope([](auto x) { return st::softplus(x); }, -1000) == 0);
  CHECK(slope([](auto x) { return st::leaky_relu(x); }, 0) == 0.01);
  CHECK(slope([](auto x) { return st::elu(x, 2); }, 0) == 2);
  CHECK(slope([](auto x) { return st::elu(x); }, 800) == 1);
  CHECK(slope([](auto x) { return st::hardtanh(x); }, 1) == 0);
  CHECK(slope([](auto x) { return st::hardtanh(x); }, -1) == 0);
  CHECK(slope([](auto x) { return st::clamp(x, -1, 1); }, 1) == 1);
  CHECK(slope([](auto x) { return st::hardsigmoid(x); }, 3) == 0);
  CHECK(slope([](auto x) { return st::hardswish(x); }, 3) == 1.5);
  CHECK(slope([](auto x) { return st::hardswish(x); }, 4) == 1);
  CHECK(slope([](auto x) { return st::abs(x); }, 0) == 0);
  CHECK(slope([](auto x) { return st::floor(x) + 0 * x; }, 1.5) == 0);
}
