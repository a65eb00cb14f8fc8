// SPDX-License-Identifier: BSD-3-Clause
// What `auto` means: expressions own their operands, named results with a barrier are evaluated once, stale ones throw.
#include <sinter/sinter.hpp>

#include <cmath>
#include <string>

#include "../catch.hpp"

namespace st = sinter;

namespace {
auto escaping(const st::tensor<float, st::rank<1>>& a) {
  auto temporary = st::full<float>({4}, 2.f);
  return a + st::tanh(temporary * 2) + st::ones<float>({4});  // the temporaries live on in the expression
}
constexpr st::fn<[](auto x) { return x * sigmoid(x); }> my_silu;
}  // namespace

TEST_CASE("an expression owns its operands, temporaries included") {
  auto e = escaping(st::ones<float>({4}));
  st::tensor y = e;
  CHECK(y(3) == Approx(2 + std::tanh(4.f)));
}

TEST_CASE("nothing runs before evaluation") {
  auto x = st::ones<float>({8});
  st::counters().reset();
  auto e = st::exp(x) * 2 + x;
  CHECK(st::counters().launches == 0);
  st::tensor y = e;
  CHECK(st::counters().launches == 1);
}

TEST_CASE("a named product is computed once, however often it is used") {
  auto x = st::ones<float>({4, 3}), w = st::ones<float>({3, 5});
  st::counters().reset();
  auto h = st::matmul(x, w);
  st::tensor a = st::tanh(h), b = h + 1;
  st::tensor c = h * h;
  CHECK(st::counters().launches == 1 + 3);
  CHECK(c(0, 0) == 9);
  CHECK(b(3, 4) == 4);
}

TEST_CASE("a named product that was used becomes a tensor without computing it again") {
  auto x = st::ones<float>({4, 3}), w = st::ones<float>({3, 5});
  auto h = st::matmul(x, w);
  st::tensor a = h + 1;
  st::counters().reset();
  st::tensor b = h;
  CHECK(st::counters().launches == 0);
  CHECK(b(0, 0) == 3);
}

TEST_CASE("copies of a named product share its value") {
  auto x = st::ones<float>({4, 3}), w = st::ones<float>({3, 5});
  auto h = st::matmul(x, w);
  st::tensor a = st::tanh(h);
  auto k = h;
  st::counters().reset();
  st::tensor b = k + 1;
  CHECK(st::counters().launches == 1);
}

TEST_CASE("a product that is moved into a formula fuses with it") {
  auto x = st::ones<float>({4, 3}), w = st::ones<float>({3, 5});
  st::counters().reset();
  st::tensor a = st::tanh(st::matmul(x, w));
  CHECK(st::counters().launches == 1);
}

TEST_CASE("a leaf written in place before evaluation makes the expression stale") {
  auto x = st::ones<float>({4});
  auto e = 2 * x;
  x += 1;
  CHECK_THROWS_AS(st::tensor(e), st::stale_expression);
  st::tensor now = st::lazy(e);
  CHECK(now(0) == 4);
}

TEST_CASE("a named product keeps its value when its operands change later") {
  auto x = st::ones<float>({2, 2}), w = st::ones<float>({2, 2});
  auto h = st::matmul(x, w);
  st::tensor a = h + 0;
  x += 1;
  st::tensor b = h + 0;
  CHECK(b(0, 0) == 2);
}

TEST_CASE("fn and let name values inside a formula") {
  auto x = st::array<double>({-1, 0.5, 2});
  st::tensor a = my_silu(x + 1);
  st::tensor b = st::let(x + 1, [](auto v) { return v * sigmoid(v); });
  for (int i = 0; i < 3; ++i) {
    const double v = x(i) + 1;
    CHECK(a(i) == Approx(v / (1 + std::exp(-v))));
    CHECK(b(i) == a(i));
  }
  auto w = st::array<double>({2, 3, 4});
  st::tensor c = st::let(x * x, w, [](auto v, auto u) { return v * u + v; });
  CHECK(c(2) == 20);
}

TEST_CASE("equal formulas are one type, so one kernel") {
  auto a = st::ones<float>({3, 4}), b = st::ones<float>({5, 2});
  using one = st::detail::stage_program<st::detail::program_of<decltype(st::tanh(a * 2 + a))>, 0>;
  using two = st::detail::stage_program<st::detail::program_of<decltype(st::tanh(b * 3 + b))>, 0>;
  static_assert(std::is_same_v<one, two>);
  CHECK(true);
}

TEST_CASE("equal parts of a formula are computed once") {
  auto a = st::ones<float>({4});
  auto f = [](auto v) { return tanh(v) * tanh(v) + tanh(v); };
  using P = st::detail::program_of<decltype(st::let(a, f))>;
  int tanhs = 0;
  for (int i = 0; i < P::size; ++i) tanhs += P::at(i).is_op() && std::string(st::detail::view_of<P>.descr(i)->info.name) == "tanh";
  CHECK(tanhs == 1);
}
