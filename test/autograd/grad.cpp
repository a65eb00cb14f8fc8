// SPDX-License-Identifier: BSD-3-Clause
#include <sinter/autograd/grad.hpp>
#include <sinter/sinter.hpp>

#include <cmath>

#include "../catch.hpp"

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
