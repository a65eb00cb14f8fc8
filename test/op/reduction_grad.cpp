// SPDX-License-Identifier: BSD-3-Clause
// Derivatives of prod, max, min, amax, amin where they are not obvious: at zeros, between equals, at NaN.
#include <sinter/sinter.hpp>

#include "../catch.hpp"
#include "../derivatives.hpp"
#include "../reference.hpp"

namespace st = sinter;
using namespace reference;

namespace {
using line = st::tensor<double, st::rank<1>>;

template <class F, class T> T slopes(F f, const T& at) {
  st::variable x = st::clone(at);
  st::variable y = f(x);
  y.backward();
  return x.grad();
}
/// Row i of the matrix of second derivatives of f.
template <class F> line second(F f, const line& at, int64 i) {
  st::variable x = st::clone(at);
  st::variable y = f(x);
  const auto [g] = st::grad(y, std::tuple(x), {.create_graph = true});
  st::variable part = g(i);
  const auto [h] = st::grad(part, std::tuple(x), {.allow_unused = true});
  return h.defined() ? st::contiguous(h.value()) : st::zeros<double>({at.numel()});
}
/// The product of all elements but those numbered i and k.
double product_without(const line& x, int64 i, int64 k) {
  double p = 1;
  for (int64 j = 0; j < x.numel(); ++j) p *= j == i || j == k ? 1 : x(j);
  return p;
}
}  // namespace

TEST_CASE("prod's first and second derivatives with any number of zeros") {
  const auto f = [](auto x) { return st::prod(x, 0); };
  for (const line& x : {line(st::array<double>({2, 3, 4, 5})), line(st::array<double>({2, 0, 3, 5})), line(st::array<double>({0, 0, 3, 5})),
                        line(st::array<double>({0, 2, -0.0, 5})), line(st::array<double>({0, 0, 0, 5})), line(st::array<double>({0, 0, 0, 0})),
                        line(st::array<double>({0}))}) {
    CAPTURE(x(0), x(x.numel() - 1));
    const int64 n = x.numel();
    CHECK_ELEMENTS(slopes(f, x), (sizes<1>{n}), [&](auto i) { return product_without(x, i[0], i[0]); });
    for (int64 i = 0; i < n; ++i) {
      const line row = second(f, x, i);
      for (int64 k = 0; k < n; ++k) CHECK(row(k) == Approx(k == i ? 0 : product_without(x, i, k)).margin(1e-13));
    }
    check_derivatives(f, x);
  }
}
TEST_CASE("prod's derivatives along every dim, of views and of expressions with zeros") {
  auto x = samples<double>(sizes<2>{5, 4}, column_major);
  x(1, 2) = x(1, 3) = x(2, 0) = x(4, 2) = 0;
  for (int64 i = 0; i < 3; ++i) x(3, i) = 0;
  check_derivatives([](auto v) { return st::square(st::prod(v, 0)); }, x);
  check_rules([](auto v) { return st::square(1 + st::prod(v, 1)); }, x);
  check_rules([](auto v) { return st::prod(v, 1, st::keepdim) * v; }, x);
  check_rules([](auto v) { return st::prod(st::sin(v) * v, -1); }, x);
  auto y = samples<double>(sizes<1>{6}, flipped);
  y(4) = 0;
  check_derivatives([](auto v) { return st::prod(v); }, y);
  y(1) = 0;
  check_derivatives([](auto v) { return st::prod(v); }, y);
}
TEST_CASE("prod's third derivative at one zero") {
  const auto third = [](const line& at, int64 i, int64 k, int64 l) {
    st::variable x = st::clone(at);
    st::variable y = st::prod(x, 0);
    const auto [g] = st::grad(y, std::tuple(x), {.create_graph = true});
    st::variable gi = g(i);
    const auto [h] = st::grad(gi, std::tuple(x), {.create_graph = true});
    st::variable hk = h(k);
    const auto [t] = st::grad(hk, std::tuple(x));
    return t.value()(l);
  };
  CHECK(third(st::array<double>({0, 2, 3, 5}), 0, 1, 2) == 5);
  CHECK(third(st::array<double>({0, 2, 3, 5}), 2, 1, 0) == 5);
}
TEST_CASE("prod's gradient of a row without zeros is dy prod / x, and a large product beside a zero is no NaN") {
  const auto x = st::array<float>({1e-40f, 1e20f, 3});
  const auto g = slopes([](auto v) { return st::prod(v, 0); }, st::tensor(x));
  CHECK(g(0) == 3e20f);  // 1 / x alone would be inf
  const auto big = slopes([](auto v) { return st::prod(v, 0); }, st::tensor(st::array<double>({1e200, 1e200, 0})));
  CHECK(big(0) == 0);
  CHECK(big(2) == std::numeric_limits<double>::infinity());
}
TEST_CASE("equals share the gradient of amax and amin, and of max and min over all elements; along a dim the first has it") {
  // the numbers are PyTorch 2.15's
  const line x = st::array<double>({5, 1, 5, 1}), nans = st::array<double>({5, std::nan(""), 5, std::nan(""), 1});
  const auto is = [](const line& a, const std::vector<double>& b) {
    REQUIRE(a.numel() == static_cast<int64>(b.size()));
    for (int64 i = 0; i < a.numel(); ++i) {
      CAPTURE(i);
      const double want = b[static_cast<std::size_t>(i)];
      if (std::isnan(want)) CHECK(std::isnan(a(i)));
      else CHECK(a(i) == want);
    }
  };
  const auto amax = [](auto v) { return st::amax(v, 0); };
  const auto amin = [](auto v) { return st::amin(v, 0); };
  const auto max_all = [](auto v) { return st::max(v); };
  const auto min_all = [](auto v) { return st::min(v); };
  const auto max_dim = [](auto v) { return st::max(v, 0); };
  const auto min_dim = [](auto v) { return st::min(v, 0); };
  is(slopes(amax, x), {0.5, 0, 0.5, 0});
  is(slopes(amin, x), {0, 0.5, 0, 0.5});
  is(slopes(max_all, x), {0.5, 0, 0.5, 0});
  is(slopes(min_all, x), {0, 0.5, 0, 0.5});
  is(slopes(max_dim, x), {1, 0, 0, 0});
  is(slopes(min_dim, x), {0, 1, 0, 0});
  const double nan = std::nan("");
  is(slopes(amax, nans), {nan, nan, nan, nan, nan});
  is(slopes(amin, nans), {nan, nan, nan, nan, nan});
  is(slopes(max_all, nans), {0, 0.5, 0, 0.5, 0});
  is(slopes(min_all, nans), {0, 0.5, 0, 0.5, 0});
  is(slopes(max_dim, nans), {0, 1, 0, 0, 0});
  is(slopes(min_dim, nans), {0, 1, 0, 0, 0});
  const auto cube = [](auto f) {
    return [f](auto v) { return f(v) * f(v) * f(v); };
  };
  is(second(cube(amax), x, 0), {7.5, 0, 7.5, 0});
  is(second(cube(amax), x, 1), {0, 0, 0, 0});
  is(second(cube(amin), x, 3), {0, 1.5, 0, 1.5});
  is(second(cube(max_all), x, 2), {7.5, 0, 7.5, 0});
  is(second(cube(min_all), x, 1), {0, 1.5, 0, 1.5});
  is(second(cube(max_dim), x, 0), {30, 0, 0, 0});
  is(second(cube(max_dim), x, 2), {0, 0, 0, 0});
  is(second(cube(min_dim), x, 1), {0, 6, 0, 0});
  // several dims, and equals of which some are in other rows
  const auto m = st::array<double>({{2, 7, 7}, {7, 1, 0}});
  const auto g = slopes([](auto v) { return st::sum(st::amax(v, {0, 1})); }, st::tensor(m)), h = slopes([](auto v) { return st::sum(st::amax(v, 1)); }, st::tensor(m));
  CHECK(g(1, 0) == Approx(1.0 / 3));
  CHECK(h(0, 1) == 0.5);
  CHECK(h(1, 0) == 1);
}
