// SPDX-License-Identifier: BSD-3-Clause
// embedding: rows by number, gradients that add up, padding.
#include "../catch.hpp"

namespace st = sinter;
namespace nn = st::nn;
using st::int64;

TEST_CASE("an embedding looks rows up, and collects their gradients") {
  nn::embedding<5, 3> table;
  const st::tensor i = st::array<int64>({{4, 0}, {4, 2}});
  st::variable y = table(i);
  CHECK(y.sizes() == st::index_list<3>(2, 2, 3));
  CHECK(y.value()(1, 0, 2) == table.weight.value()(4, 2));
  st::variable s = st::sum(y * 2);
  s.backward();
  const st::tensor g = table.weight.grad();
  CHECK(g(4, 1) == 4);
  CHECK(g(2, 1) == 2);
  CHECK(g(1, 1) == 0);
  auto [first] = st::grad(st::variable(st::sum(st::square(table(i)))), std::tie(table.weight), {.create_graph = true});
  st::variable t = st::sum(first * first);  // 4 (2 w4)^2 + ...: the derivative of (4 w)^2 is 32 w
  t.backward();
  CHECK(table.weight.grad()(4, 0) == Approx(4 + 32 * table.weight.value()(4, 0)));
  CHECK_THROWS_AS(table(st::array<int64>({5})), st::index_error);
  CHECK_THROWS_AS(table(st::array<int64>({-1})), st::index_error);
  CHECK(table(st::empty<int64>({0})).sizes() == st::index_list<2>(0, 3));
}
TEST_CASE("the padding row starts as zeros and stays") {
  nn::embedding<4, 2, double> table(1);
  CHECK(table.weight.value()(1, 0) == 0);
  st::variable y = st::sum(table(st::array<int64>({1, 1, 3})));
  y.backward();
  CHECK(table.weight.grad()(1, 0) == 0);
  CHECK(table.weight.grad()(3, 1) == 1);
  CHECK_THROWS_AS((nn::embedding<4, 2>(4)), st::index_error);
}
