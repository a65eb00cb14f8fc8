// SPDX-License-Identifier: BSD-3-Clause
// Elements picked by a tensor of indices.
#include "../catch.hpp"

#include <sinter/sinter.hpp>
#include <sinter/tensor/print.hpp>

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

namespace {
const st::tensor<int, st::rank<2>> table = st::reshape(st::arange<int>(12), {3, 4});
std::string text(const auto& t) {
  std::string s = st::to_string(st::eval(t * 1));
  while (s.find('\n') != std::string::npos) s.erase(s.find('\n'), 1);
  while (s.find("  ") != std::string::npos) s.erase(s.find("  "), 1);
  return s;
}
}  // namespace

TEST_CASE("t(mask) and t(index) read and write") {
  auto t = st::clone(table);
  const st::tensor odd = t % 2 == 1;
  CHECK(t(t > 9).numel() == 2);
  CHECK(text(t(odd)) == "tensor([ 1, 3, 5, 7, 9, 11], dtype=int32)");
  t(odd) = 0;
  CHECK(st::tensor(st::sum(t)).item() == 30);
  const auto version = t.version();
  t(st::array<st::int64>({2, 0})) = st::array<int>({{1, 2, 3, 4}, {5, 6, 7, 8}});
  CHECK(t(2, 1) == 2);
  CHECK(t(0, 3) == 8);
  CHECK(t.version() > version);
  t(st::array<st::int64>({0, -1}), st::array<st::int64>({1, -2})) = st::array<int>({70, 80});
  CHECK(t(0, 1) == 70);
  CHECK(t(2, 2) == 80);
  t(odd) = t(odd) + 100;
  CHECK(t(0, 1) == 170);
  t(t == 170) += 5;
  t(t == 175) *= 2;
  CHECK(t(0, 1) == 350);
  t(t == 350).copy_(170);
  CHECK(t(0, 1) == 170);
  auto view = t.T();
  view(st::array<bool>({true, false, false, true})) = -1;
  CHECK(t(1, 0) == -1);
  CHECK(t(2, 3) == -1);
  CHECK(t(st::full<bool>({3, 4}, false)).numel() == 0);
  CHECK(st::zeros<int>({0, 4})(st::zeros<bool>({0, 4})).numel() == 0);
  const st::tensor scalar = st::full<int>({}, 7);
  CHECK(scalar(st::full<bool>({}, true))(0) == 7);
  CHECK(t(st::full<st::int64>({}, 1)).sizes() == st::index_list<1>(4));
  CHECK_THROWS_AS(t(st::zeros<bool>({3, 3})), st::shape_error);
  CHECK_THROWS_AS(t(st::array<st::int64>({3})), st::index_error);
  CHECK_THROWS_AS(t(st::array<st::int64>({-4})), st::index_error);
  CHECK_THROWS_AS(t(st::array<st::int64>({0, 1}), st::array<st::int64>({0, 1, 2})), st::shape_error);
}
TEST_CASE("gather, take and scatter") {
  const st::tensor i = st::array<st::int64>({{0, 3}, {2, 2}, {1, 0}});
  CHECK(text(st::gather(table, 1, i)) == "tensor([[0, 3], [6, 6], [9, 8]], dtype=int32)");
  CHECK(text(st::take(table, st::array<st::int64>({-1, 5}))) == "tensor([11, 5], dtype=int32)");
  CHECK(text(st::take_along_dim(table, st::tensor(st::argmax(table % 5, 1, st::keepdim)), 1)) == "tensor([[3], [4], [9]], dtype=int32)");
  const auto zero = st::zeros<int>({3, 4});
  CHECK(text(st::scatter(zero, 1, i, st::array<int>({{1, 2}, {3, 4}, {5, 6}}))) == "tensor([[1, 0, 0, 2], [0, 0, 4, 0], [6, 5, 0, 0]], dtype=int32)");
  CHECK(text(st::scatter_add(zero, 1, i, st::array<int>({{1, 2}, {3, 4}, {5, 6}}))) == "tensor([[1, 0, 0, 2], [0, 0, 7, 0], [6, 5, 0, 0]], dtype=int32)");
  CHECK(text(st::scatter(zero, 1, i, 9)) == "tensor([[9, 0, 0, 9], [0, 0, 9, 0], [9, 9, 0, 0]], dtype=int32)");
  CHECK(text(st::index_add(table, 0, st::array<st::int64>({1, 1}), st::ones<int>({2, 4}))) == "tensor([[ 0, 1, 2, 3], [ 6, 7, 8, 9], [ 8, 9, 10, 11]], dtype=int32)");
  auto t = st::clone(table);
  st::scatter_(t, 0, st::array<st::int64>({{2, 0, 0, 0}}), st::full<int>({1, 4}, -5));
  CHECK(t(2, 0) == -5);
  CHECK(t(0, 3) == -5);
  st::masked_fill_(t, t < 0, 1);
  CHECK(st::tensor(st::sum(t < 0)).item() == 0);
  CHECK_THROWS_AS(st::gather(table, 1, st::full<st::int64>({3, 1}, 4)), st::index_error);
  CHECK_THROWS_AS(st::gather(table, 1, st::full<st::int64>({3, 1}, -1)), st::index_error);
  CHECK_THROWS_AS(st::gather(table, 1, st::full<st::int64>({4, 1}, 0)), st::index_error);
  CHECK_THROWS_AS(st::scatter(zero, 1, i, st::zeros<int>({3, 1})), st::shape_error);
  CHECK_THROWS_AS(st::index_add(table, 0, st::array<st::int64>({1}), st::ones<int>({2, 4})), st::shape_error);
}
TEST_CASE("triangles, repeats, rolls, one_hot, nonzero") {
  CHECK(text(st::tril(table, -1)) == "tensor([[0, 0, 0, 0], [4, 0, 0, 0], [8, 9, 0, 0]], dtype=int32)");
  CHECK(text(st::triu(table, 2)) == "tensor([[0, 0, 2, 3], [0, 0, 0, 7], [0, 0, 0, 0]], dtype=int32)");
  CHECK(st::repeat(table, {2, 1, 2}).sizes() == st::index_list<3>(2, 3, 8));
  CHECK(st::tile(table, {2}).sizes() == st::index_list<2>(3, 8));
  CHECK(st::repeat(table, {0, 1}).numel() == 0);
  CHECK_THROWS_AS(st::repeat(table, {-1, 1}), st::shape_error);
  CHECK(text(st::roll(st::arange<int>(5), 7, 0)) == "tensor([3, 4, 0, 1, 2], dtype=int32)");
  CHECK(st::roll(st::zeros<int>({0}), 1, 0).numel() == 0);
  CHECK(text(st::one_hot(st::array<st::int64>({1, 0}), 3)) == "tensor([[0, 1, 0], [1, 0, 0]])");
  CHECK_THROWS_AS(st::one_hot(st::array<st::int64>({3}), 3), st::index_error);
  CHECK_THROWS_AS(st::one_hot(st::array<st::int64>({-1})), st::index_error);
  CHECK(text(st::nonzero(table > 9)) == "tensor([[2, 2], [2, 3]])");
  CHECK(st::nonzero(st::zeros<int>({2, 0})).sizes() == st::index_list<2>(0, 2));
  CHECK(st::nonzero(st::full<int>({}, 3)).sizes() == st::index_list<2>(1, 0));
  CHECK(text(st::index_select(table + 1, 1, st::array<st::int64>({0}))) == "tensor([[1], [5], [9]], dtype=int32)");
}
TEST_CASE("cat and stack") {
  CHECK(text(st::cat({table, table(st::slice(0, 1))}, 0)(st::slice(2, 4))) == "tensor([[ 8, 9, 10, 11], [ 0, 1, 2, 3]], dtype=int32)");
  CHECK(st::cat({table, st::zeros<int>({3, 0})}, -1).sizes() == st::index_list<2>(3, 4));
  CHECK(st::stack({table, table}, 1).sizes() == st::index_list<3>(3, 2, 4));
  CHECK(st::cat(st::split(table, 3, 1), 1)(2, 3) == 11);
  CHECK_THROWS_AS(st::cat({table, st::zeros<int>({2, 3})}, 0), st::shape_error);
  CHECK_THROWS_AS(st::cat(std::vector<st::tensor<int, st::rank<2>>>{}), st::shape_error);
  CHECK_THROWS_AS(st::stack({table, st::zeros<int>({2, 4})}), st::shape_error);
  CHECK_THROWS_AS(st::cat({table, table}, 2), st::index_error);
}
TEST_CASE("split, chunk, unbind, movedim, diagonal, unfold") {
  CHECK(st::split(table, 3, 1).size() == 2);
  CHECK(st::split(table, 3, 1)[1].sizes() == st::index_list<2>(3, 1));
  CHECK(st::split(table, {1, 3}, 1)[1](0, 0) == 1);
  CHECK(st::chunk(table, 3, 1).size() == 2);
  CHECK(st::unbind(table)[2](3) == 11);
  CHECK_THROWS_AS(st::split(table, 0), st::shape_error);
  CHECK_THROWS_AS(st::split(table, {1, 1}, 1), st::shape_error);
  CHECK(st::movedim(st::zeros<int>({2, 3, 4}), 2, 0).sizes() == st::index_list<3>(4, 2, 3));
  CHECK(st::movedim(st::zeros<int>({2, 3, 4}), 0, 1).sizes() == st::index_list<3>(3, 2, 4));
  CHECK(text(st::diagonal(table, 1)) == "tensor([ 1, 6, 11], dtype=int32)");
  CHECK(st::diagonal(table, 9).numel() == 0);
  CHECK_THROWS_AS(st::diagonal(table, 0, 1, 1), st::index_error);
  CHECK(text(st::unfold(st::arange<int>(6), 0, 4, 2)) == "tensor([[0, 1, 2, 3], [2, 3, 4, 5]], dtype=int32)");
  CHECK_THROWS_AS(st::unfold(table, 0, 4, 1), st::index_error);
}

TEST_CASE("scatter_ reads its source before it writes, and refuses an expanded target") {
  auto a = st::array<float>({1, 2, 3, 4});
  st::scatter_(a, 0, st::array<st::int64>({3, 2, 1, 0}), a);
  for (int i = 0; i < 4; ++i) CHECK(a(i) == static_cast<float>(4 - i));
  const auto wide = st::expand(st::zeros<float>({1}), {4});
  CHECK_THROWS_AS(st::scatter_(wide, 0, st::array<st::int64>({0, 1}), st::array<float>({1, 2})), st::shape_error);
  CHECK_THROWS_AS(wide(st::array<st::int64>({0, 1})) = 3, st::shape_error);
}
