// SPDX-License-Identifier: BSD-3-Clause
// Ops defined in one header under test/ only: values, gradients, second gradients, plans. (NVRTC: test/cuda/nvrtc.cpp.)
#include <sinter/sinter.hpp>

#include <cmath>

#include "../catch.hpp"
#include "../derivatives.hpp"
#include "../cuda/my_ops.hpp"

namespace st = sinter;

namespace {
auto inputs() { return st::array<double>({{0.5, -1.25, 2.5, 0.1}, {-3.5, 1.75, 0.25, -0.75}}); }
template <class X> constexpr int kernels = st::detail::schedule_of<st::detail::program_of<X>>.count;
}  // namespace

TEST_CASE("a new op has values") {
  auto x = inputs();
  st::tensor y = my::smoothed(x);
  for (int i = 0; i < 8; ++i) CHECK(y.data()[i] == Approx(x.data()[i] / (1 + std::abs(x.data()[i]))));
  st::tensor f = my::smoothed(st::array<float>({1.f, -3.f}));
  CHECK(f(1) == Approx(-0.75f));
}

TEST_CASE("a new op has first and second gradients") {
  st::variable x = inputs();
  auto f = [](auto a) { return my::smoothed(a * a) * a; };
  check_derivatives(f, x);
}

TEST_CASE("a new op fuses") {
  auto x = inputs();
  auto e = st::softmax(my::smoothed(x) * 2, 1);
  static_assert(kernels<decltype(e)> == 1);
  st::counters().reset();
  st::tensor y = e;
  CHECK(st::counters().launches == 1);
}

TEST_CASE("a new reduction has values over every axis, fuses and differentiates") {
  auto x = inputs();
  st::tensor a = my::largest(x, 1);
  CHECK(a(0, 0) == 2.5);
  CHECK(a(1, 0) == 3.5);
  st::tensor b = my::largest(x, 0);
  CHECK(b(0, 3) == 0.75);
  auto e = st::let(x, [](auto v) { return v / my::largest(v, 1); });
  static_assert(kernels<decltype(e)> == 1);
  st::tensor y = e;
  CHECK(y(1, 0) == -1);
  st::variable v = x;
  auto f = [](auto z) { return z / my::largest(z * z, 1); };
  check_derivatives(f, v);
}

TEST_CASE("a new discontinuous op: backward reads the value that forward chose") {
  st::variable a = inputs(), b = inputs();
  using P = st::detail::program_of<decltype(st::sum(my::stepped(a * b + 0.3) * a))>;
  using D = st::detail::derived<P, st::detail::marks_of<decltype(st::sum(my::stepped(a * b + 0.3) * a))>::type>;
  static_assert(D::tables.saved == 1);  // the steps themselves: they are not made again from a * b + 0.3
  st::variable y = st::sum(my::stepped(a * b + 0.3) * a);
  y.backward();
  for (int i = 0; i < 8; ++i) {
    const double p = a.data()[i], q = b.data()[i];
    CHECK(a.grad().data()[i] == Approx(std::floor(p * q + 0.3) + p * q));
    CHECK(b.grad().data()[i] == Approx(p * p));
  }
}
