// SPDX-License-Identifier: BSD-3-Clause
#include "../catch.hpp"

#include <sinter/sinter.hpp>

namespace st = sinter;
namespace nn = sinter::nn;

namespace {
struct range {
  double low = 1e9, high = -1e9, mean = 0, square = 0;
  template <class X> explicit range(const X& x) {
    const double n = static_cast<double>(x.numel());
    for (st::int64 i = 0; i < x.numel(); ++i) {
      const double v = x.data()[i];
      low = std::min(low, v), high = std::max(high, v), mean += v / n, square += v * v / n;
    }
  }
};
}  // namespace

TEST_CASE("uniform_ and normal_ fill in place, for all handles, and count as a write") {
  st::variable w = st::zeros({100, 100});
  const auto handle = w.detach();
  const auto before = w.version();
  nn::uniform_(w, 2, 3);
  const range u(handle);
  CHECK(u.low >= 2);
  CHECK(u.high < 3);
  CHECK(u.mean == Approx(2.5).epsilon(0.01));
  nn::normal_(handle, 1, 0.5);
  const range n(w);
  CHECK(n.mean == Approx(1).epsilon(0.03));
  CHECK(n.square == Approx(1.25).epsilon(0.03));
  CHECK(w.version() == before + 2);
}

TEST_CASE("uniform_ stays below its upper bound, rounded, too") {
  auto t = st::zeros<float>({1000});
  nn::uniform_(t, 1e6, 1e6 + 0.0625);  // no float lies between the two
  CHECK(range(t).high == 1e6);
  nn::uniform_(t, 3, 3);
  CHECK(range(t).low == 3);
}

TEST_CASE("views are filled where they lie") {
  auto t = st::zeros({4, 3});
  nn::ones_(t(st::full_extent, 1));
  CHECK(t(2, 1) == 1);
  CHECK(t(2, 0) == 0);
}

TEST_CASE("calculate_gain has PyTorch's values") {
  using f = nn::nonlinearity;
  CHECK(nn::calculate_gain(f::linear) == 1);
  CHECK(nn::calculate_gain(f::sigmoid) == 1);
  CHECK(nn::calculate_gain(f::tanh) == Approx(1.6666666666666667));
  CHECK(nn::calculate_gain(f::relu) == Approx(1.4142135623730951));
  CHECK(nn::calculate_gain(f::leaky_relu) == Approx(1.4141428569978354));
  CHECK(nn::calculate_gain(f::leaky_relu, 0.2) == Approx(1.3867504905630728));
  CHECK(nn::calculate_gain(f::selu) == 0.75);
}

TEST_CASE("kaiming and xavier bounds follow the fans") {
  st::variable w = st::zeros({50, 200});
  nn::kaiming_uniform_(w);
  CHECK(range(w).high == Approx(std::sqrt(6.0 / 200)).epsilon(0.01));
  nn::kaiming_uniform_(w, std::sqrt(5.0));
  CHECK(range(w).low == Approx(-1 / std::sqrt(200.0)).epsilon(0.01));
  nn::xavier_uniform_(w);
  CHECK(range(w).high == Approx(std::sqrt(6.0 / 250)).epsilon(0.01));
  nn::xavier_uniform_(w, 2);
  CHECK(range(w).high == Approx(2 * std::sqrt(6.0 / 250)).epsilon(0.01));
  nn::kaiming_uniform_(w, 0, nn::fan_mode::fan_out, nn::nonlinearity::relu);
  CHECK(range(w).high == Approx(std::sqrt(6.0 / 50)).epsilon(0.01));
  nn::kaiming_uniform_(w, 0, nn::fan_mode::fan_in, nn::nonlinearity::tanh);
  CHECK(range(w).high == Approx(5.0 / 3 * std::sqrt(3.0 / 200)).epsilon(0.01));
}

TEST_CASE("kaiming and xavier deviations follow the fans, the kernel's size included") {
  st::variable w = st::zeros<double>({40, 20, 3, 3});
  nn::kaiming_normal_(w);
  CHECK(range(w).square == Approx(2.0 / 180).epsilon(0.05));
  CHECK(std::abs(range(w).mean) < 0.01);
  nn::kaiming_normal_(w, 0, nn::fan_mode::fan_out, nn::nonlinearity::linear);
  CHECK(range(w).square == Approx(1.0 / 360).epsilon(0.05));
  nn::xavier_normal_(w, 3);
  CHECK(range(w).square == Approx(9 * 2.0 / 540).epsilon(0.05));
}

TEST_CASE("trunc_normal_ has the moments of the truncated distribution") {
  auto t = st::zeros<double>({200000});
  nn::trunc_normal_(t);
  range r(t);
  CHECK(r.low >= -2);
  CHECK(r.high <= 2);
  CHECK(r.low < -1.99);
  CHECK(std::abs(r.mean) < 0.01);
  CHECK(r.square == Approx(0.7737413).epsilon(0.01));  // 1 - 2 * 2 phi(2) / (Phi(2) - Phi(-2))
  nn::trunc_normal_(t, 1, 2, 0.5, 10);
  r = range(t);
  CHECK(r.low >= 0.5);
  CHECK(r.high <= 10);
  CHECK(r.mean == Approx(2.2916327).epsilon(0.01));  // mean + std phi(-1/4) / Phi(1/4)
}

TEST_CASE("trunc_normal_ is right far out in a tail, on both sides") {
  auto t = st::zeros<double>({100000});
  nn::trunc_normal_(t, 0, 1, 6, 100);
  const range up(t);
  CHECK(up.low >= 6);
  CHECK(up.high < 9);
  CHECK(up.mean == Approx(6.1584827).epsilon(0.001));  // phi(6) / Phi(-6)
  nn::trunc_normal_(t, 0, 1, -100, -6);
  CHECK(range(t).mean == Approx(-6.1584827).epsilon(0.001));
  nn::trunc_normal_(t, 0, 1, 50, 51);  // more than double can tell apart: the nearest bound
  CHECK(range(t).low == 50);
}

TEST_CASE("seeds repeat, and generators are separate") {
  st::generator g(7), h(7);
  auto a = st::zeros({50}), b = st::zeros({50});
  nn::trunc_normal_(a, 0, 1, -2, 2, g);
  nn::trunc_normal_(b, 0, 1, -2, 2, h);
  CHECK(std::memcmp(a.data(), b.data(), 50 * sizeof(float)) == 0);
  nn::trunc_normal_(b, 0, 1, -2, 2, h);
  CHECK(std::memcmp(a.data(), b.data(), 50 * sizeof(float)) != 0);
}

TEST_CASE("nothing to fill is no error, and what cannot be drawn is one") {
  auto none = st::zeros({0, 3}), t = st::full<float>({3, 3}, 7);
  nn::kaiming_uniform_(none);
  nn::xavier_normal_(none);
  CHECK_THROWS_AS(nn::uniform_(t, 1, 0), st::error);
  CHECK_THROWS_AS(nn::normal_(t, 0, -1), st::error);
  CHECK_THROWS_AS(nn::trunc_normal_(t, 0, 1, 2, 2), st::error);
  CHECK_THROWS_AS(nn::trunc_normal_(t, 0, 0), st::error);
  CHECK(t(1, 1) == 7);
}
