// SPDX-License-Identifier: BSD-3-Clause
// The faster functions keep the errors that they state, over the float bit patterns; limits, gradients, layouts.
#include <sinter/op/fast.hpp>

#include <cstring>
#include <limits>
#include <vector>

#include "../catch.hpp"
#include "../reference.hpp"

namespace st = sinter;

namespace {

constexpr float inf = std::numeric_limits<float>::infinity(), not_a_number = std::numeric_limits<float>::quiet_NaN();

double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }
double gelu(double x) { return 0.5 * x * std::erfc(-x * 0.70710678118654752); }
double gelu_tanh(double x) { return x * sigmoid(1.5957691216057308 * (x + 0.044715 * x * x * x)); }
double one(double) { return 1; }
double magnitude(double x) { return std::abs(x); }

/// Every 1,009th float, as a tensor.
st::tensor<float, st::rank<1>> patterns() {
  std::vector<float> v;
  for (st::uint64 bits = 0; bits < (st::uint64{1} << 32); bits += 1009) {
    const auto b = static_cast<st::uint32>(bits);
    float f;
    std::memcpy(&f, &b, 4);
    if (std::isfinite(f)) v.push_back(f);
  }
  st::tensor<float, st::rank<1>> x = st::zeros<float>({static_cast<st::int64>(v.size())});
  std::memcpy(x.data(), v.data(), v.size() * sizeof(float));
  return x;
}
/// The largest |y - exact(x)| in relation to unit(x).
template <class Y, class X> double largest_error(const Y& y, const X& x, double (*exact)(double), double (*unit)(double)) {
  double worst = 0;
  for (st::int64 i = 0; i < x.numel(); ++i) {
    const auto in = static_cast<double>(x(i)), scale = unit(in);
    const double error = std::abs(static_cast<double>(y(i)) - exact(in));
    if (!(error <= 1e-37)) worst = std::max(worst, error / std::abs(scale));  // subnormal results have an absolute error
  }
  return worst;
}
template <class F, class G> double slope_difference(F fast, G accurate, double at) {
  st::variable v = st::full<double>({1}, at), w = st::full<double>({1}, at);
  st::variable y = st::sum(fast(v)), z = st::sum(accurate(w));
  y.backward(), z.backward();
  return std::abs(v.grad()(0) - w.grad()(0));
}

}  // namespace

TEST_CASE("fast functions of float keep their errors") {
  const auto x = patterns();
  CHECK(largest_error(st::tensor(st::fast::tanh(x)), x, std::tanh, std::tanh) < 1.6e-6);
  CHECK(largest_error(st::tensor(st::fast::erf(x)), x, std::erf, std::erf) < 2.8e-6);
  CHECK(largest_error(st::tensor(st::fast::sigmoid(x)), x, sigmoid, one) < 8e-7);
  CHECK(largest_error(st::tensor(st::fast::silu(x)), x, [](double v) { return v * sigmoid(v); }, magnitude) < 9e-7);
  CHECK(largest_error(st::tensor(st::fast::gelu(x)), x, gelu, magnitude) < 1.5e-6);
  CHECK(largest_error(st::tensor(st::fast::gelu(x, st::approximate_tanh)), x, gelu_tanh, magnitude) < 1e-6);
}
TEST_CASE("fast functions of double keep their errors") {
  const auto x = st::linspace<double>(-30, 30, 100001);
  CHECK(largest_error(st::tensor(st::fast::tanh(x)), x, std::tanh, std::tanh) < 1.6e-6);
  CHECK(largest_error(st::tensor(st::fast::erf(x)), x, std::erf, std::erf) < 2.8e-6);
  CHECK(largest_error(st::tensor(st::fast::sigmoid(x)), x, sigmoid, one) < 8e-7);
  CHECK(largest_error(st::tensor(st::fast::gelu(x)), x, gelu, magnitude) < 1.5e-6);
  CHECK(largest_error(st::tensor(st::fast::gelu(x, st::approximate_tanh)), x, gelu_tanh, magnitude) < 1e-6);
}
TEST_CASE("fast functions stay within their limits and keep NaN") {
  const st::tensor x = st::array<float>({inf, -inf, 1e30f, -1e30f, 7.f, -7.f, 0.f, -0.f, not_a_number});
  const st::tensor t = st::fast::tanh(x), e = st::fast::erf(x), s = st::fast::sigmoid(x);
  for (int i = 0; i < 6; ++i) {
    CHECK(std::abs(t(i)) <= 1);
    CHECK(std::abs(e(i)) <= 1);
    CHECK(std::abs(t(i) - (i % 2 ? -1 : 1)) < 2e-6);
    CHECK(std::abs(e(i) - (i % 2 ? -1 : 1)) < 3e-6);
    CHECK(s(i) >= 0);
    CHECK(s(i) <= 1);
  }
  for (int i = 6; i < 8; ++i) {
    CHECK(t(i) == 0);
    CHECK(std::signbit(t(i)) == (i == 7));
    CHECK(std::signbit(e(i)) == (i == 7));
    CHECK(s(i) == 0.5f);
  }
  CHECK(std::isnan(t(8)));
  CHECK(std::isnan(e(8)));
  CHECK(std::isnan(s(8)));
  CHECK(std::isnan(st::tensor(st::fast::gelu(x))(8)));
}
TEST_CASE("an element of a fast function does not depend on its place") {
  const auto x = st::linspace<float>(-5, 5, 101);
  const st::tensor t = st::fast::tanh(x), g = st::fast::gelu(x, st::approximate_tanh);
  for (int i = 0; i < 101; i += 7) {
    CHECK(st::tensor(st::fast::tanh(x(st::slice(i, i + 1))))(0) == t(i));
    CHECK(st::tensor(st::fast::gelu(x(st::slice(i, i + 1)), st::approximate_tanh))(0) == g(i));
  }
  const st::tensor empty = st::fast::erf(x(st::slice(0, 0)));
  CHECK(empty.numel() == 0);
}
TEST_CASE("fast functions have the accurate ones' derivatives") {
  for (double v : {-3.0, -0.4, 0.0, 1.1}) {
    CHECK(slope_difference([](auto x) { return st::fast::tanh(x); }, [](auto x) { return st::tanh(x); }, v) < 1e-5);
    CHECK(slope_difference([](auto x) { return st::fast::erf(x); }, [](auto x) { return st::erf(x); }, v) < 1e-5);
    CHECK(slope_difference([](auto x) { return st::fast::sigmoid(x); }, [](auto x) { return st::sigmoid(x); }, v) < 1e-5);
    CHECK(slope_difference([](auto x) { return st::fast::silu(x); }, [](auto x) { return st::silu(x); }, v) < 1e-5);
    CHECK(slope_difference([](auto x) { return st::fast::gelu(x); }, [](auto x) { return st::gelu(x); }, v) < 1e-5);
    CHECK(slope_difference([](auto x) { return st::fast::gelu(x, st::approximate_tanh); }, [](auto x) { return st::gelu(x, st::approximate_tanh); }, v) < 1e-5);
  }
}
TEST_CASE("gelu's tanh form has the formula's derivative and no cancellation below 0") {
  const auto x = st::linspace<float>(-5, 6, 4001);
  CHECK(largest_error(st::tensor(st::gelu(x, st::approximate_tanh)), x, gelu_tanh, gelu_tanh) < 4e-6);
  for (double at : {-4.0, -0.3, 0.0, 2.5}) {
    st::variable v = st::full<double>({1}, at);
    st::variable y = st::sum(st::gelu(v, st::approximate_tanh));
    y.backward();
    CHECK(std::abs(v.grad()(0) - (gelu_tanh(at + 1e-5) - gelu_tanh(at - 1e-5)) / 2e-5) < 1e-9);
  }
}
