// SPDX-License-Identifier: BSD-3-Clause
// Running products of variables: one statement, right at zeros, in every layout, to any order.
#include <sinter/tensor/scan.hpp>

#include "../catch.hpp"
#include "../derivatives.hpp"
#include "../reference.hpp"

namespace st = sinter;
using namespace reference;

namespace {
using line = st::tensor<double, st::rank<1>>;
/// Weights of the elements of a running product, so that no derivative cancels.
double weight(int64 k) { return 1 + 0.25 * static_cast<double>(k % 5); }
/// d/dx_i d/dx_j ... of sum_k weight(k) x_0 ... x_k, for distinct places.
double derivative(const line& x, std::vector<int64> places) {
  double sum = 0, product = 1;
  std::sort(places.begin(), places.end());
  for (int64 k = 0; k < x.numel(); ++k) {
    if (!std::binary_search(places.begin(), places.end(), k)) product *= x(k);
    if (places.empty() || k >= places.back()) sum += weight(k) * product;
  }
  return std::adjacent_find(places.begin(), places.end()) == places.end() ? sum : 0;
}
template <class X> auto weighted(const X& x) {
  auto w = st::zeros<double>({x.numel()});
  for (int64 k = 0; k < x.numel(); ++k) w(k) = weight(k);
  return st::eval(st::sum(st::cumprod(x, 0) * w));
}
}  // namespace

TEST_CASE("a running product is one recorded statement, whatever its length") {
  st::variable x = st::full<double>({100000}, 1.0001);
  st::variable y = st::cumprod(x, 0);
  REQUIRE(y.slot()->producer);
  CHECK(y.slot()->producer->input(0) == x.slot());
  CHECK(y.slot()->producer->number == 1);
  y.backward(st::ones<double>({100000}));
  CHECK(x.grad()(99999) == Approx(std::pow(1.0001, 99999)));
  CHECK(x.grad()(0) == Approx((std::pow(1.0001, 100000) - 1) / 0.0001));
  CHECK_THROWS_AS(y.backward(st::ones<double>({100000})), st::autograd_error);
}
TEST_CASE("first, second and third derivatives of a running product with any number of zeros") {
  for (const line& at : {line(st::array<double>({2, 3, -4, 5})), line(st::array<double>({2, 0, 3, 5})), line(st::array<double>({0, 2, 3, 5})),
                         line(st::array<double>({2, 3, 5, 0})), line(st::array<double>({0, 3, 0, 5, 7})), line(st::array<double>({2, 0, 0, 5, 7})),
                         line(st::array<double>({0, 0, 2, 0, 3})), line(st::array<double>({0, 0, 0})), line(st::array<double>({0}))}) {
    CAPTURE(at.numel(), at(0));
    st::variable x = st::clone(at);
    const auto y = weighted(x);
    const auto [g] = st::grad(y, std::tuple(x), {.create_graph = true});
    const int64 n = at.numel();
    st::variable plain = st::clone(at);
    weighted(plain).backward();
    for (int64 i = 0; i < n; ++i) {
      CHECK(g.value()(i) == Approx(derivative(at, {i})).margin(1e-13));
      CHECK(plain.grad()(i) == Approx(derivative(at, {i})).margin(1e-13));
      st::variable gi = g(i);
      const auto [h] = st::grad(gi, std::tuple(x), {.create_graph = true, .allow_unused = true});
      for (int64 k = 0; k < n; ++k) {
        CAPTURE(i, k);
        CHECK((h.defined() ? h.value()(k) : 0) == Approx(derivative(at, {i, k})).margin(1e-13));
        if (!h.defined()) continue;
        st::variable hk = h(k);
        const auto [t] = st::grad(hk, std::tuple(x), {.retain_graph = true, .allow_unused = true});
        for (int64 l = 0; l < n; ++l) CHECK((t.defined() ? t.value()(l) : 0) == Approx(derivative(at, {i, k, l})).margin(1e-13));
      }
    }
  }
}
TEST_CASE("running products along every dim of every layout") {
  for (int l = 0; l < layouts; ++l) {
    auto x = samples<double>(sizes<3>{3, 4, 2}, layout(l));
    x(0, 1, 1) = x(2, 2, 0) = x(1, 0, 0) = x(1, 2, 0) = 0;
    for (int d = 0; d < 3; ++d) {
      CAPTURE(l, d);
      const st::tensor y = st::cumprod(x, d);
      CHECK_ELEMENTS(y, (sizes<3>{3, 4, 2}), [&](sizes<3> i) {
        double p = 1;
        for (int64 k = 0, last = i[d]; k <= last; ++k) i[d] = k, p *= at(x, i);
        return p;
      });
      check_derivatives([d](auto v) { return st::cumprod(v, d - 3); }, x);
      check_derivatives([d](auto v) { return st::square(st::cumprod(v, d)) + v; }, x);
    }
  }
  const auto wide = samples<double>(sizes<2>{5, 37}, column_major);  // more rows than run together
  check_derivatives([](auto v) { return st::cumprod(v, 0); }, wide);
}
TEST_CASE("a running product of a running product, and of what else depends on the same variable") {
  auto x = samples<double>(sizes<1>{5}, flipped);
  x(2) = 0;
  check_derivatives([](auto v) { return st::cumprod(st::cumprod(v, 0) + 1, 0) * v; }, x);
  check_derivatives([](auto v) { return st::cumprod(st::sin(v), 0); }, x);
}
TEST_CASE("running products in half, bfloat16 and float are rounded once an element, as in PyTorch") {
  const auto like = [](auto zero) {
    using T = decltype(zero);
    auto x = st::zeros<T>({40});
    for (int64 k = 0; k < 40; ++k) x(k) = static_cast<T>(1.0f + static_cast<float>(k % 7) / 64);
    st::variable v = st::clone(x);
    st::variable y = st::cumprod(v, 0);
    double p = 1;
    for (int64 k = 0; k < 40; ++k) {
      p *= static_cast<double>(static_cast<float>(x(k)));
      CHECK(static_cast<float>(y.value()(k)) == static_cast<float>(static_cast<T>(static_cast<float>(p))));
    }
    st::variable s = st::sum(st::cumprod(st::narrow(v, 0, 0, 3), 0));
    s.backward();
    CHECK(static_cast<float>(v.grad()(0)) == Approx(1 + static_cast<float>(x(1)) * (1 + static_cast<float>(x(2)))).epsilon(0.01));
    CHECK(static_cast<float>(v.grad()(3)) == 0);
  };
  like(st::half{}), like(st::bfloat16{}), like(0.0f);
}
TEST_CASE("running products of complex variables, with zeros among them") {
  const st::tensor z = st::complex(st::array<double>({{1.5, -0.5, 0.25}, {0.5, 2, -1}, {0, 0.75, 1}}), st::array<double>({{0.5, 1, -0.75}, {0.25, 0, 1.5}, {0, -1, 0.5}}));
  const st::tensor y = st::cumprod(z, 0);
  const st::complex128 p = z(0, 2) * z(1, 2);
  CHECK(y(1, 2) == p);
  CHECK(y(2, 0) == st::complex128(0, 0));
  for (int d = 0; d < 2; ++d) {
    check_derivatives([d](auto v) { return st::cumprod(v, d); }, z);
    check_derivatives([d](auto v) { return st::cumprod(v * v + 1, d) * v; }, z);
  }
  // the third derivative, through recurrences over conj(a), along the real and the imaginary axis
  const auto of_gradient = [](const auto& x) {
    st::variable total = st::sum(st::real(st::cumprod(x, 0)));
    const auto [g] = st::grad(total, std::tuple(x), {.create_graph = true});
    st::variable s = st::sum(st::real(g) * st::imag(x) + st::square(st::abs(g)));
    const auto [h] = st::grad(s, std::tuple(x), {.create_graph = true});
    return st::eval(st::sum(st::square(st::abs(h))));
  };
  st::variable v = st::clone(z);
  const auto [t] = st::grad(of_gradient(v), std::tuple(v));
  for (int i = 0; i < 9; ++i)
    for (const st::complex128 step : {st::complex128(1e-6, 0), st::complex128(0, 1e-6)}) {
      const auto value = [&](double sign) {
        st::variable near = st::clone(z);
        near.data()[i] += sign * step;
        return of_gradient(near).item();
      };
      CAPTURE(i, step.re);
      CHECK((step.re != 0 ? t.value()(i / 3, i % 3).re : t.value()(i / 3, i % 3).im) == Approx((value(1) - value(-1)) / 2e-6).epsilon(1e-5).margin(1e-5));
    }
}
TEST_CASE("running products of nothing, of one element, of integers, without a gradient") {
  st::variable none = st::zeros<double>({0, 3}), flat = st::zeros<double>({3, 0});
  st::variable a = st::sum(st::cumprod(none, 0)), b = st::sum(st::cumprod(flat, 0));
  a.backward(), b.backward();
  CHECK(none.grad().numel() == 0);
  check_derivatives([](auto v) { return st::cumprod(v, 1); }, samples<double>(sizes<2>{3, 1}));
  const st::variable k = st::array<int>({2, 3, 4});
  CHECK(st::cumprod(k, 0).value()(2) == 24);
  CHECK(st::cumprod(st::array<bool>({true, true, false}), 0)(2) == 0);
  st::variable x = st::array<double>({2, 3});
  {
    st::no_grad guard;
    CHECK_FALSE(st::cumprod(x, 0).requires_grad());
  }
  CHECK_FALSE(st::cumprod(st::variable(x.value(), false), 0).requires_grad());
  CHECK_THROWS_AS(st::cumprod(x, 1), st::index_error);
}
TEST_CASE("what a running product saved must not be written before backward") {
  st::variable x = st::array<double>({2, 3});
  st::variable y = st::sum(st::cumprod(x, 0));
  x.detach() += 1;
  CHECK_THROWS_AS(y.backward(), st::version_error);
  st::variable z = st::cumprod(x, 0);
  z.detach() += 1;
  CHECK_THROWS_AS(z.backward(st::ones<double>({2})), st::version_error);
}
