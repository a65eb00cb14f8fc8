// SPDX-License-Identifier: BSD-3-Clause
// Views: slices, permuted, reversed, repeated and reshaped; and the copies that follow when strides do not do.
#include "../catch.hpp"

#include <sinter/tensor/copy.hpp>
#include <vector>

namespace st = sinter;

// Elements in row-major order of the indices.
template <class T, class E> std::vector<std::remove_const_t<T>> values(const st::tensor<T, E>& t) {
  auto c = st::contiguous(t);
  return {c.data(), c.data() + c.numel()};
}
using ints = std::vector<int>;
auto range(st::int64 n) { return st::arange<int>(n); }
auto matrix() { return st::reshape(range(12), {3, 4}); }

TEST_CASE("fewer indices give a row") {
  auto t = matrix();
  CHECK(values(t(1)) == ints{4, 5, 6, 7});
  CHECK(values(t(-1)) == ints{8, 9, 10, 11});
  CHECK(values(t()) == values(t));
  CHECK_THROWS_AS(t(3), st::index_error);
}
TEST_CASE("a view shares elements, storage and version") {
  auto t = matrix();
  auto row = t(1);
  row(0) = 40;
  CHECK(t(1, 0) == 40);
  CHECK(t.use_count() == 2);
  row.bump_version();
  CHECK(t.version() == 1);
}
TEST_CASE("slices follow Python") {
  auto t = range(6);
  CHECK(values(t(st::slice())) == ints{0, 1, 2, 3, 4, 5});
  CHECK(values(t(st::slice(2))) == ints{2, 3, 4, 5});
  CHECK(values(t(st::slice(st::none, 2))) == ints{0, 1});
  CHECK(values(t(st::slice(-2))) == ints{4, 5});
  CHECK(values(t(st::slice(1, -1))) == ints{1, 2, 3, 4});
  CHECK(values(t(st::slice(st::none, st::none, 4))) == ints{0, 4});
  CHECK(values(t(st::slice(1, 100, 2))) == ints{1, 3, 5});
  CHECK(values(t(st::slice(4, 2))).empty());
  CHECK(values(t(st::slice(-100, 1))) == ints{0});
}
TEST_CASE("a negative step walks backwards") {
  auto t = range(6);
  CHECK(values(t(st::slice(st::none, st::none, -1))) == ints{5, 4, 3, 2, 1, 0});
  CHECK(values(t(st::slice(4, 0, -2))) == ints{4, 2});
  CHECK(values(t(st::slice(1, st::none, -1))) == ints{1, 0});
  CHECK(values(t(st::slice(0, 3, -1))).empty());
  CHECK(values(t(st::slice(100, 3, -1))) == ints{5, 4});
  CHECK(values(range(0)(st::slice(st::none, st::none, -1))).empty());
}
TEST_CASE("slices of slices compose") {
  auto t = range(10)(st::slice(st::none, st::none, -1))(st::slice(1, st::none, 3));
  CHECK(values(t) == ints{8, 5, 2});
  CHECK(t.stride(0) == -3);
}
TEST_CASE("a step of 0 is an index_error") {
  CHECK_THROWS_AS(range(3)(st::slice(st::none, st::none, 0)), st::index_error);
}
TEST_CASE("integers, slices, all and newaxis mix") {
  auto t = matrix();
  CHECK(values(t(st::slice(), 0)) == ints{0, 4, 8});
  CHECK(values(t(st::slice(1), st::slice(st::none, 2))) == ints{4, 5, 8, 9});
  auto n = t(st::newaxis, 1, st::full_extent, st::newaxis);
  CHECK(n.sizes() == st::index_list<3>(1, 4, 1));
  CHECK(values(n) == ints{4, 5, 6, 7});
}
TEST_CASE("static extents survive where nothing cuts them") {
  auto t = st::zeros<float>(st::shape<3, 4>);
  CHECK(std::is_same_v<decltype(t(0))::extents_type, st::extents<4>>);
  CHECK(std::is_same_v<decltype(t(st::full_extent, 1))::extents_type, st::extents<3>>);
  CHECK(std::is_same_v<decltype(t(st::slice(1)))::extents_type, st::extents<st::dyn, 4>>);
  CHECK(std::is_same_v<decltype(t(st::newaxis))::extents_type, st::extents<1, 3, 4>>);
}
TEST_CASE("transpose and permute reorder dims") {
  auto t = st::reshape(range(24), {2, 3, 4});
  CHECK(st::transpose(t, 0, -1).sizes() == st::index_list<3>(4, 3, 2));
  CHECK(st::transpose(t, 0, -1)(3, 1, 1) == t(1, 1, 3));
  CHECK(st::permute(t, {2, 0, 1})(3, 1, 2) == t(1, 2, 3));
  CHECK(matrix().T()(3, 2) == 11);
  CHECK_THROWS_AS(st::transpose(t, 0, 3), st::index_error);
  CHECK_THROWS_WITH(st::permute(t, {0, 0, 1}), contains("twice") && contains("[0, 0, 1]"));
}
TEST_CASE("unsqueeze adds a dim of size 1, squeeze takes it away") {
  auto t = matrix();
  CHECK(st::unsqueeze(t, 0).sizes() == st::index_list<3>(1, 3, 4));
  CHECK(st::unsqueeze(t, -1).sizes() == st::index_list<3>(3, 4, 1));
  CHECK(values(st::squeeze(st::unsqueeze(t, 1), 1)) == values(t));
  CHECK_THROWS_WITH(st::squeeze(t, 0), contains("[3, 4]"));
  CHECK_THROWS_AS(st::unsqueeze(t, 3), st::index_error);
}
TEST_CASE("select and narrow take parts of a dim") {
  auto t = matrix();
  CHECK(values(st::select(t, 1, -1)) == ints{3, 7, 11});
  CHECK(values(st::narrow(t, 1, 1, 2)) == ints{1, 2, 5, 6, 9, 10});
  CHECK(st::narrow(t, 0, 3, 0).numel() == 0);
  CHECK_THROWS_AS(st::select(t, 0, 3), st::index_error);
  CHECK_THROWS_AS(st::narrow(t, 0, 2, 2), st::index_error);
  CHECK_THROWS_AS(st::narrow(t, 0, 0, -1), st::index_error);
}
TEST_CASE("flip is a view with negative strides") {
  auto t = matrix();
  auto f = st::flip(t, {0, 1});
  CHECK(values(f) == ints{11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0});
  CHECK(f.stride(0) == -4);
  f(0, 0) = 110;
  CHECK(t(2, 3) == 110);
  CHECK(values(st::flip(st::flip(t, -1), -1)) == values(t));
  CHECK(st::flip(st::zeros<int>({0, 2}), 0).numel() == 0);
  CHECK_THROWS_AS(st::flip(t, {1, -1}), st::index_error);
}
TEST_CASE("expand repeats without copying") {
  auto row = range(3);
  auto t = st::expand(row, {2, -1});
  CHECK(values(t) == ints{0, 1, 2, 0, 1, 2});
  CHECK(t.stride(0) == 0);
  CHECK(t.data() == row.data());
  CHECK(values(st::expand(st::full<int>({}, 4), {2, 2})) == ints{4, 4, 4, 4});
  CHECK(st::expand(st::zeros<int>({1}), {0}).numel() == 0);
  CHECK_THROWS_WITH(st::expand(row, {2, 4}), contains("[3]") && contains("[2, 4]"));
  CHECK_THROWS_AS(st::expand(row, {-1, 3}), st::shape_error);
  const st::int64 big = st::int64{1} << 40;
  CHECK_THROWS_AS(st::expand(st::zeros<int>({1, 1}), {big, big}), st::shape_error);
}
TEST_CASE("reshape is a view where strides allow it, else a copy") {
  auto t = matrix();
  CHECK(st::reshape(t, {2, -1}).data() == t.data());
  CHECK(values(st::reshape(t.T(), {-1})) == ints{0, 4, 8, 1, 5, 9, 2, 6, 10, 3, 7, 11});
  CHECK(st::reshape(t.T(), {12}).data() != t.data());
  CHECK(st::reshape(t(st::full_extent, st::slice(0, 2)), {3, 2, 1}).data() == t.data());
  CHECK(st::flatten(t).size(0) == 12);
  CHECK(values(st::flatten(st::full<int>({}, 3))) == ints{3});
}
TEST_CASE("view never copies") {
  auto t = matrix();
  CHECK(st::view(t, {4, 3}).data() == t.data());
  CHECK_THROWS_WITH(st::view(t.T(), {12}), contains("reshape"));
}
TEST_CASE("sizes that do not fit are a shape_error") {
  auto t = matrix();
  CHECK_THROWS_WITH(st::reshape(t, {5, -1}), contains("12") && contains("[5, -1]"));
  CHECK_THROWS_AS(st::reshape(t, {-1, -1}), st::shape_error);
  CHECK_THROWS_AS(st::reshape(t, {11}), st::shape_error);
  const st::int64 big = st::int64{1} << 40;
  CHECK_THROWS_AS(st::reshape(st::zeros<int>({0}), {0, big, big}), st::shape_error);
  CHECK_THROWS_AS(st::reshape(st::zeros<int>({0}), {0, -1}), st::shape_error);
  CHECK(st::reshape(st::zeros<int>({0, 3}), {3, -1}).sizes() == st::index_list<2>(3, 0));
}
TEST_CASE("reshape of any strided view equals reshape of its copy") {
  auto whole = st::reshape(range(4 * 6 * 2 * 3), {4, 6, 2, 3});
  const auto check = [](auto v) {
    const auto want = values(v);
    CHECK(values(st::reshape(v, {-1})) == want);
    CHECK(values(st::reshape(v, {-1, 2})) == want);
    CHECK(values(st::reshape(v, {2, 1, -1, 1})) == want);
    CHECK(values(st::reshape(v, {1, 2, 2, -1})) == want);
    CHECK(values(st::reshape(v, {-1, 3, 2, 2})) == want);
  };
  check(whole);
  check(whole(st::full_extent, st::slice(0, 6, 2)));
  check(whole(st::slice(st::none, st::none, -1)));
  check(whole(st::full_extent, st::full_extent, st::slice(1)));
  check(st::permute(whole, {1, 0, 2, 3}));
  check(st::permute(whole, {2, 3, 0, 1}));
  check(st::flip(whole, {0, 1, 2, 3}));
  check(st::unsqueeze(whole(1), 2));
  check(st::expand(whole(0, 0), {2, 2, 2, 3}));
}
TEST_CASE("clone keeps a dense order of dims, contiguous makes it row-major") {
  auto t = matrix().T();
  CHECK(st::clone(t).strides() == t.strides());
  CHECK(values(st::clone(t)) == values(t));
  CHECK(st::contiguous(t).is_contiguous());
  auto part = matrix()(st::full_extent, st::slice(st::none, st::none, -2));
  CHECK(st::clone(part).is_contiguous());
  CHECK(values(st::clone(part)) == ints{3, 1, 7, 5, 11, 9});
  CHECK_FALSE(st::clone(st::tensor<int, st::rank<1>>{}).defined());
}
TEST_CASE("contiguous of a contiguous tensor is the tensor") {
  auto t = matrix();
  CHECK(st::contiguous(t).data() == t.data());
}
