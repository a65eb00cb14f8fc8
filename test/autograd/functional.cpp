// SPDX-License-Identifier: BSD-3-Clause
#include <sinter/autograd/functional.hpp>
#include <sinter/func/func.hpp>
#include <sinter/sinter.hpp>

#include "../catch.hpp"
#include "../reference.hpp"

namespace st = sinter;
namespace fn = sinter::autograd::functional;
using reference::close;

namespace {
using line = st::tensor<double, st::rank<1>>;
using matrix = st::tensor<double, st::rank<2>>;
using line_variable = st::variable<double, st::rank<1>>;
line point() { return st::array<double>({0.5, -1, 2}); }
line direction() { return st::array<double>({1, 2, 3}); }
/// x^3 x_0, with a loop and a branch.
line_variable cubes(const line_variable& x) {
  line_variable y = x;
  for (int i = 0; i < 2; ++i) y = y * x;
  if (x.numel() > 1) y = y * x(0);
  return y;
}
const auto total = [](const line_variable& x) { return st::sum(cubes(x)); };
}  // namespace

TEST_CASE("a Jacobian has the shape of the result and that of the input") {
  const auto j = fn::jacobian(cubes, point());
  const double x0 = 0.5, x1 = -1, x2 = 2;
  CHECK(close(j.detach(), matrix(st::array<double>({{4 * x0 * x0 * x0, 0, 0}, {x1 * x1 * x1, 3 * x1 * x1 * x0, 0}, {x2 * x2 * x2, 0, 3 * x2 * x2 * x0}}))));
  CHECK_FALSE(j.requires_grad());
  line_variable x = point();
  fn::jacobian(cubes, x);
  CHECK_FALSE(x.grad().defined());
}

TEST_CASE("tuples of inputs and of results") {
  matrix w = st::array<double>({{1, 2, 3}, {4, 5, 6}});
  const auto f = [](const auto& x, const auto& m) { return std::tuple(st::matmul(m, x), st::sum(x)); };
  const auto [by_product, by_sum] = fn::jacobian(f, std::tuple(point(), w));
  CHECK(close(std::get<0>(by_product).detach(), w));
  const auto dw = std::get<1>(by_product).detach();
  static_assert(std::tuple_element_t<1, std::remove_cvref_t<decltype(by_product)>>::rank == 3);
  for (int i = 0; i < 2; ++i)
    for (int r = 0; r < 2; ++r)
      for (int c = 0; c < 3; ++c) CHECK(dw(i, r, c) == (i == r ? point()(c) : 0));
  CHECK(close(std::get<0>(by_sum).detach(), st::ones<double>({3})));
  CHECK(close(std::get<1>(by_sum).detach(), st::zeros<double>({2, 3})));  // does not depend on it
  CHECK_THROWS_WITH(fn::jacobian(f, std::tuple(point(), w), {.strict = true}), Catch::Contains("result 1 does not depend on input 1"));
}

TEST_CASE("one result by several inputs is a tuple; one of one is a tuple of one") {
  const st::variable x = st::array<double>({1, 2}), y = st::array<double>({3, 4});
  const auto both = fn::jacobian([](const auto& a, const auto& b) { return a * b; }, std::tuple(x, y));
  static_assert(std::tuple_size_v<std::remove_const_t<decltype(both)>> == 2);
  CHECK(std::get<1>(both).value()(1, 1) == 2);
  const auto one = fn::jacobian([](const auto& a) { return std::tuple(a * a); }, std::tuple(x));
  CHECK(std::get<0>(std::get<0>(one)).value()(1, 1) == 4);
  const auto h = fn::hessian([](const auto& a) { return st::sum(a * a * a); }, std::tuple(x));
  CHECK(std::get<0>(std::get<0>(h)).value()(1, 1) == 12);
}

TEST_CASE("hessian, hvp and vhp, as PyTorch has them") {
  const matrix h = st::array<double>({{3, 3, 12}, {3, -3, 0}, {12, 0, 6}});
  CHECK(close(fn::hessian(total, point()).detach(), h));
  const auto [value, product] = fn::hvp(total, point(), direction());
  CHECK(value.item() == 3.5625);
  CHECK(close(product.detach(), line(st::array<double>({45, -3, 30}))));
  CHECK(close(fn::vhp(total, point(), direction()).second.detach(), line(st::array<double>({45, -3, 30}))));
  CHECK_THROWS_WITH(fn::hessian(cubes, point()), Catch::Contains("[3]"));
  const auto both = [](const auto& x, const auto& y) { return st::sum(x * x * y); };
  const auto blocks = fn::hessian(both, std::tuple(point(), direction()));
  CHECK(std::get<0>(std::get<0>(blocks)).detach()(1, 1) == 4);   // 2 y
  CHECK(std::get<1>(std::get<0>(blocks)).detach()(2, 2) == 4);   // 2 x
  CHECK(std::get<1>(std::get<1>(blocks)).detach()(2, 2) == 0);
  CHECK_THROWS_AS(fn::hessian(both, std::tuple(point(), direction()), {.strict = true}), st::autograd_error);
}

TEST_CASE("products with vectors") {
  const auto [y, t] = fn::jvp(cubes, point(), direction());
  CHECK(close(y.detach(), line(st::array<double>({0.0625, -0.5, 4}))));
  CHECK(close(t.detach(), line(st::array<double>({0.5, 2, 26}))));
  const auto [y2, g] = fn::vjp(cubes, point(), direction());
  CHECK(close(g.detach(), line(st::array<double>({0.5 - 2 + 24, 3, 18}))));
  CHECK_FALSE(y2.requires_grad());
  CHECK(fn::vjp(total, point()).second.detach()(0) == Approx(0.5 - 1 + 8));
  CHECK_THROWS_AS(fn::vjp(cubes, point()), st::shape_error);
  CHECK_THROWS_WITH(fn::jvp(cubes, point(), st::ones<double>({2})), Catch::Contains("[2]") && Catch::Contains("[3]"));
}

TEST_CASE("with create_graph a Jacobian is differentiated again, also where nothing is recorded outside") {
  line_variable x = point();
  const auto j = fn::jacobian(cubes, x, {.create_graph = true});
  st::variable s = st::sum(j * j);
  s.backward();
  line numerical = st::zeros<double>({3});
  for (int i = 0; i < 3; ++i) {
    const auto value = [&](double e) {
      line at = point();
      at(i) += e;
      const matrix m = fn::jacobian(cubes, at).detach();
      return st::tensor<double, st::extents<>>(st::sum(m * m)).item();
    };
    numerical(i) = (value(1e-5) - value(-1e-5)) / 2e-5;
  }
  CHECK(close(x.grad(), numerical, 1e-6));
  st::no_grad guard;
  CHECK(fn::hessian(total, point()).detach()(0, 2) == Approx(12));
}

TEST_CASE("empty inputs and results") {
  const line none = st::zeros<double>({0});
  CHECK(fn::jacobian([](const auto& x) { return x * 2; }, none).detach().numel() == 0);
  CHECK(close(fn::jacobian([](const auto& x) { return st::sum(x); }, none).detach(), none));
}
