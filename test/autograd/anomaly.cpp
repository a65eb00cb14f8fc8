// SPDX-License-Identifier: BSD-3-Clause
#include <sinter/autograd/anomaly.hpp>
#include <sinter/sinter.hpp>

#include "../catch.hpp"

namespace st = sinter;

namespace {
/// sqrt(relu(x)) at -1: 0 * inf in backward of sqrt's statement.
auto infinite_slope(const st::variable<double, st::rank<1>>& x) {
  st::variable r = x * 0.0;
  st::variable y = st::sum(st::sqrt(r) * 0.0);
  return y;
}
}  // namespace

TEST_CASE("the statement that makes the first NaN is named") {
  st::variable x = st::array<double>({1, 2, 3});
  auto y = infinite_slope(x);
  st::detect_anomaly guard;
  CHECK_THROWS_WITH(y.backward(true), Catch::Contains("sqrt") && Catch::Contains("number 2") && Catch::Contains("operand 0 of shape [3]"));
  CHECK_THROWS_WITH(st::grad(y, x, {.create_graph = true}), Catch::Contains("sqrt"));
  CHECK(st::is_anomaly_enabled());
}

TEST_CASE("nothing is checked outside of the scope, with mode off, or without check_nan") {
  st::variable x = st::array<double>({1, 2, 3});
  const auto runs = [&] {
    x.zero_grad();
    infinite_slope(x).backward();
    return x.grad()(0) != x.grad()(0);
  };
  CHECK(runs());
  st::detect_anomaly guard;
  {
    st::set_detect_anomaly off(false);
    CHECK(runs());
    CHECK_FALSE(st::is_anomaly_enabled());
  }
  st::detect_anomaly errors_only(false);
  CHECK(runs());
}

TEST_CASE("a NaN that a leaf had collected before is not the statement's") {
  st::variable x = st::array<double>({1, 2, 3});
  infinite_slope(x).backward();
  st::detect_anomaly guard;
  st::variable y = st::sum(x * x);
  CHECK_NOTHROW(y.backward());
}

TEST_CASE("float, half and complex gradients are looked at, too") {
  st::variable x = st::array<float>({0, 1});
  st::variable y = st::sum(st::sqrt(x * 0.0f) * 0.0f);
  st::detect_anomaly guard;
  CHECK_THROWS_AS(y.backward(), st::autograd_error);
}

TEST_CASE("what is found out leaves no NaN behind") {
  const st::variable w = st::array<double>({-1, 2}), u = st::array<double>({1, 1});
  const st::variable y = st::sum(st::sqrt(w) * u);
  {
    const st::detect_anomaly guard;
    CHECK_THROWS_AS(y.backward(true), st::autograd_error);
    CHECK_FALSE(w.grad().defined());
    CHECK_FALSE(u.grad().defined());
    CHECK_THROWS_AS(y.backward(true), st::autograd_error);
  }
}
