// SPDX-License-Identifier: BSD-3-Clause
// Elements picked by a tensor of indices.
#include "../catch.hpp"

#include <sinter/tensor/index.hpp>

namespace st = sinter;

TEST_CASE("index_select copies the named indices of a dim, in order, with repeats") {
  auto t = st::reshape(st::arange<float>(6), {2, 3});
  auto cols = st::index_select(t, -1, st::array({2, 0, 2}));
  CHECK(cols.sizes() == st::index_list<2>(2, 3));
  CHECK(cols(1, 0) == 5);
  CHECK(cols(1, 1) == 3);
  CHECK(cols(0, 2) == 2);
  cols(0, 0) = 9;
  CHECK(t(0, 2) == 2);
  CHECK(st::index_select(t, 0, st::array<st::int64>({1}))(0, 2) == 5);
}
TEST_CASE("index_select reads any strides") {
  auto t = st::flip(st::reshape(st::arange<int>(6), {2, 3}).T(), {0, 1});
  auto index = st::arange<st::int64>(6)(st::slice(2, st::none, -2));
  auto rows = st::index_select(t, 0, index);
  CHECK(rows.sizes() == st::index_list<2>(2, 2));
  CHECK(rows(0, 0) == t(2, 0));
  CHECK(rows(1, 1) == t(0, 1));
}
TEST_CASE("index_select with no index gives an empty dim") {
  CHECK(st::index_select(st::zeros<float>({2, 3}), 1, st::empty<int>({0})).sizes() == st::index_list<2>(2, 0));
}
TEST_CASE("an index out of range is an index_error that names it") {
  auto t = st::zeros<float>({2, 3});
  CHECK_THROWS_WITH(st::index_select(t, 1, st::array({0, 3})),
                    contains("index 3") && contains("dim 1") && contains("size 3"));
  CHECK_THROWS_AS(st::index_select(t, 0, st::array({-1})), st::index_error);
  CHECK_THROWS_AS(st::index_select(t, 2, st::array({0})), st::index_error);
}
