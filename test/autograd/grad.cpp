// SPDX-License-Identifier: BSD-3-Clause
#include <sinter/autograd/grad.hpp>
#include <sinter/autograd/gradcheck.hpp>
#include <sinter/sinter.hpp>

#include <cmath>

#include "../catch.hpp"
#include "vectors.hpp"

namespace st = sinter;

TEST_CASE("grad returns gradients and leaves grad() alone") {
  st::variable x = st::array<double>({1, 2}), w = st::array<double>({3, 4});
  st::variable y = st::sum(x * w);
  auto [gx, gw] = st::grad(y, std::tuple(x, w));
  CHECK(gx.detach()(1) == 4);
  CHECK(gw.detach()(1) == 2);
  CHECK_FALSE(x.grad().defined());
  CHECK_FALSE(gx.requires_grad());
}

TEST_CASE("grad keeps a gradient that backward had collected") {
  st::variable x = st::array<double>({1, 2});
  st::variable a = st::sum(5 * x);
  a.backward();
  st::variable y = st::sum(x * x);
  auto g = st::grad(y, x);
  CHECK(g.detach()(1) == 4);
  CHECK(x.grad()(1) == 5);
}

TEST_CASE("grad towards an intermediate result") {
  st::variable x = st::array<double>({1, 2});
  st::variable h = 3 * x;
  st::variable y = st::sum(h * h);
  auto g = st::grad(y, h);
  CHECK(g.detach()(1) == 12);
}

TEST_CASE("an unused input is an error unless it is allowed") {
  st::variable x = st::array<double>({1, 2}), z = st::array<double>({1, 2});
  st::variable y = st::sum(x * x);
  CHECK_THROWS_WITH(st::grad(y, z, {.retain_graph = true}), Catch::Contains("allow_unused"));
  CHECK_FALSE(st::grad(y, z, {.allow_unused = true}).defined());
}

TEST_CASE("with create_graph gradients can be differentiated to any order") {
  st::variable x = st::full<double>({}, 0.5);
  st::variable y = st::exp(2 * x);  // the n-th derivative is 2^n e^(2x)
  st::variable d = y * 1.0;
  double factor = 1;
  for (int order = 1; order <= 5; ++order) {
    auto g = st::grad(d, x, {.create_graph = true});
    factor *= 2;
    CHECK(g.item() == Approx(factor * std::exp(1.0)));
    d = g;
  }
}

TEST_CASE("a penalty on the gradient reaches the leaves through backward") {
  st::variable x = st::array<double>({1, 2}), w = st::array<double>({0.3, -0.4});
  st::variable y = st::sum(st::tanh(x * w));
  auto g = st::grad(y, x, {.create_graph = true});
  st::variable penalty = st::sum(g * g);
  penalty.backward();
  auto value = [&](int i, double e) {
    st::no_grad guard;
    double s = 0;
    for (int k = 0; k < 2; ++k) {
      const double wk = w.detach()(k) + (k == i ? e : 0), t = std::tanh(x.detach()(k) * wk);
      s += wk * (1 - t * t) * wk * (1 - t * t);
    }
    return s;
  };
  for (int i = 0; i < 2; ++i) CHECK(w.grad()(i) == Approx((value(i, 1e-6) - value(i, -1e-6)) / 2e-6).epsilon(1e-6));
}

TEST_CASE("several outputs are one walk; each has its seed, or is one element") {
  vector x = st::array<double>({1, 2}), w = st::array<double>({3, 4});
  const vector h = times(x, w);
  const number y = dot(h, h), z = dot(h, x);
  st::counters().reset();
  auto [gx, gw] = st::grad(std::tuple(y, z), std::tuple(x, w), {.retain_graph = true});
  CHECK(st::counters().launches == 3);  // the gradient of h is whole when it is passed on
  CHECK(gx.detach()(0) == 2 * 9 * 1 + 2 * 3 * 1);
  CHECK(gw.detach()(1) == 2 * 4 * 4 + 4);
  auto [seeded] = st::grad(std::tuple(h, z), std::tuple(x), std::tuple(st::array<double>({1, 10}), st::tensor<double, st::extents<>>()), {.retain_graph = true});
  CHECK(seeded.detach()(0) == 3 + 6);
  CHECK(seeded.detach()(1) == 40 + 16);
  CHECK_THROWS_WITH(st::grad(h, x), Catch::Contains("[2]"));
  CHECK_THROWS_AS(st::grad(h, x, st::ones<double>({3})), st::shape_error);
  CHECK_THROWS_AS(st::grad(h, x, st::ones<float>({2})), st::dtype_error);
  CHECK_THROWS_WITH(st::grad(std::tuple(y, z), x, std::tuple(st::ones<double>({}))), Catch::Contains("1 gradients were given for 2 outputs"));
  std::vector<vector> both{x, w};
  const std::vector<vector> found = st::grad(y, both, {.retain_graph = true});
  CHECK(found[1].detach()(0) == 6);
}

TEST_CASE("the derivative by a seed is the product with the Jacobian matrix") {
  vector x = st::array<double>({1, 2}), v = st::array<double>({5, 7});
  const vector y = times(x, x);
  const vector g = st::grad(y, x, v, {.create_graph = true});  // 2 x v, linear in v
  CHECK(g.detach()(1) == 28);
  const vector jv = st::grad(g, v, st::array<double>({1, 10}), {.create_graph = true});
  CHECK(jv.detach()(0) == 2);
  CHECK(jv.detach()(1) == 40);
  CHECK(st::grad(jv, x, st::ones<double>({2}), {.allow_unused = true}).detach()(1) == 20);
}

TEST_CASE("outputs may be inputs, leaves, and there twice") {
  vector x = st::array<double>({1, 2});
  const vector h = times(x, x);
  const number y = dot(h, x);
  const auto ones = st::ones<double>({2});
  auto [gh, gx] = st::grad(std::tuple(h, y), std::tuple(h, x), std::tuple(ones, st::ones<double>({})), {.retain_graph = true});
  CHECK(gh.detach()(1) == 1 + 2);
  CHECK(gx.detach()(1) == 4 + 12);
  CHECK(ones(0) == 1);  // a seed is not written
  auto [a, b] = st::grad(std::tuple(y, y), std::tuple(x, x), {.retain_graph = true});
  CHECK(a.detach()(1) == 24);
  CHECK(b.detach()(1) == 24);
  const vector self = st::grad(x, x, ones);
  CHECK(self.detach()(0) == 1);
  CHECK(self.data() != ones.data());
  number s = st::full<double>({}, 2.0);
  s.backward();
  s.backward();
  CHECK(s.grad().item() == 2);
  st::backward(std::tuple(x, x, y), std::tuple(ones, ones, st::tensor<double, st::extents<>>()));
  CHECK(x.grad()(1) == 2 + 12);
}

TEST_CASE("nothing is computed that does not lead to an input") {
  vector x = st::array<double>({1, 2}), w = st::array<double>({3, 4}), other = st::array<double>({5, 6});
  const vector h = times(x, w), k = times(other, other);
  const vector m = times(h, k);
  const number y = dot(m, other);
  const auto launches = [&](auto input) {
    st::counters().reset();
    st::grad(y, input, {.retain_graph = true});
    return static_cast<int>(st::counters().launches);
  };
  CHECK(launches(h) == 2);      // y, m
  CHECK(launches(x) == 3);      // and h
  CHECK(launches(k) == 2);
  CHECK(launches(other) == 3);  // y, m, k
  y.backward({.retain_graph = true, .inputs = {h, w}});
  CHECK_FALSE(x.grad().defined());
  CHECK_FALSE(other.grad().defined());
  CHECK(w.grad()(0) == 1 * 25 * 5);
  CHECK(h.grad()(0) == 25 * 5);
  y.backward(st::full<double>({}, 2.0), {.retain_graph = true, .inputs = {h, w}});
  CHECK(h.grad()(0) == 3 * 25 * 5);
  CHECK(w.grad()(0) == 3 * 25 * 5);
  // a statement that nothing needs may have lost what it saved
  const number spent = dot(k, other);
  spent.backward();
  CHECK(st::grad(y, x).detach()(0) == 3 * 25 * 5);
}

TEST_CASE("an input that nothing depends on can be zeros") {
  vector x = st::array<double>({1, 2}), z = st::ones<double>({3});
  const number y = dot(x, x);
  auto [gx, gz] = st::grad(y, std::tuple(x, z), {.retain_graph = true, .materialize_grads = true});
  CHECK(gx.detach()(1) == 4);
  CHECK(gz.sizes() == z.sizes());
  CHECK(gz.detach()(2) == 0);
  CHECK(st::grad(y, z, {.create_graph = true, .materialize_grads = true}).detach()(2) == 0);
}

TEST_CASE("gradients towards a view that the output was computed from") {
  vector x = st::array<double>({1, 2, 3});
  const vector part = x(st::slice(0, 2));
  const number y = dot(part, part);
  CHECK(st::grad(y, part, {.retain_graph = true}).detach()(1) == 4);
  CHECK_THROWS_WITH(st::grad(y, x(st::slice(0, 2))), Catch::Contains("not used"));  // another view
}

TEST_CASE("an error in a walk leaves no gradient behind") {
  vector x = st::array<double>({1, 2}), w = st::array<double>({3, 4}), v = st::array<double>({5, 6});
  const vector h = times(x, w), k = times(h, v);
  const number y = dot(k, h);
  v.detach() += 1;
  CHECK_THROWS_AS(y.backward(), st::version_error);
  CHECK_FALSE(x.grad().defined());
  const number z = dot(h, h);  // h had collected a part of its gradient
  z.backward();
  CHECK(x.grad()(1) == 2 * 2 * 16);
}

TEST_CASE("a variable that is several operands collects all of its gradients, at every order") {
  st::variable x = st::array<double>({1, 2}), w = st::array<double>({3, -4});
  st::variable y = st::sum(x * w * (x * x + w));  // x^3 w + x w^2
  auto [gx, gw] = st::grad(y, std::tuple(x, w), {.create_graph = true});
  CHECK(gx.detach()(1) == 3 * 4 * -4 + 16);
  CHECK(gw.detach()(1) == 8 + 2 * 2 * -4);
  st::variable mixed = st::sum(gx * gx * gw);
  mixed.backward();
  // g = (3 x^2 w + w^2)^2 (x^3 + 2 x w)
  const auto by_x = [](double a, double b) {
    const double g = 3 * a * a * b + b * b, h = a * a * a + 2 * a * b;
    return 2 * g * 6 * a * b * h + g * g * (3 * a * a + 2 * b);
  };
  const auto by_w = [](double a, double b) {
    const double g = 3 * a * a * b + b * b, h = a * a * a + 2 * a * b;
    return 2 * g * (3 * a * a + 2 * b) * h + g * g * 2 * a;
  };
  for (int i = 0; i < 2; ++i) {
    CHECK(x.grad()(i) == Approx(by_x(x.detach()(i), w.detach()(i))));
    CHECK(w.grad()(i) == Approx(by_w(x.detach()(i), w.detach()(i))));
  }
}

TEST_CASE("second derivatives through extents of 1 that only the run knows") {
  using matrix_of = st::variable<double, st::rank<2>>;
  const matrix_of a = st::ones<double>({4, 3}), b = st::ones<double>({1, 3});
  const matrix_of y = a + b * 0.5;
  const st::variable loss = st::sum(y * y);
  const auto gb = st::grad(loss, b, {.create_graph = true});
  const st::variable s = st::sum(gb);
  const auto found = st::grad(s, a);  // d/da of sum over rows of y
  for (int i = 0; i < 4; ++i)
    for (int j = 0; j < 3; ++j) CHECK(found.value()(i, j) == 1);
  const st::int64 shapes[][4] = {{4, 3, 1, 3}, {1, 3, 4, 3}, {4, 1, 1, 3}, {1, 1, 4, 3}, {4, 3, 1, 1}, {1, 3, 1, 3}, {4, 1, 4, 3}};
  for (const auto& e : shapes) {
    matrix_of p = st::tensor(st::rand<double>({e[0], e[1]}) + 0.5), q = st::tensor(st::rand<double>({e[2], e[3]}) + 0.5);
    CHECK(st::gradgradcheck([](const auto& u, const auto& v) { return u + v * 0.5; }, std::tuple(p, q)));
    CHECK(st::gradgradcheck([](const auto& u, const auto& v) { return u * v / (u + v); }, std::tuple(p, q)));
    CHECK(st::gradgradcheck([](const auto& u, const auto& v) { return st::eval(st::eval(u + v) * st::eval(u - v)); }, std::tuple(p, q)));
  }
}

TEST_CASE("a recorded walk finds out what was written, also where only second derivatives read it") {
  const st::variable a = st::full<double>({2}, 0.5), x = a * 1.0;
  const st::variable y = st::sin(st::sum(x));
  x.fill_(2.0);
  CHECK(st::grad(y, a, {.retain_graph = true}).value()(0) == Approx(std::cos(1.0)));
  CHECK_THROWS_AS(st::grad(y, a, {.create_graph = true}), st::version_error);
}

TEST_CASE("what requires no gradient is no input") {
  const st::variable w = st::ones<double>({2});
  const st::variable<double, st::rank<1>> c(st::ones<double>({2}), false);
  const st::variable loss = st::sum(w * c);
  CHECK_THROWS_WITH(st::grad(loss, c), "grad: input 0 does not require a gradient");
  CHECK_THROWS_WITH(loss.backward({.inputs = {c}}), "backward: one of the inputs does not require a gradient");
}
