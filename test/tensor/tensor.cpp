// SPDX-License-Identifier: BSD-3-Clause
// The tensor handle: sizes, elements, sharing, conversions between extents.
#include "../catch.hpp"

#include <sinter/tensor/copy.hpp>

namespace st = sinter;

TEST_CASE("a default-constructed tensor is undefined") {
  st::tensor<float, st::rank<2>> t;
  CHECK_FALSE(t.defined());
  CHECK(t.use_count() == 0);
  CHECK(t.version() == 0);
  CHECK(t.numel() == 0);
  CHECK_FALSE(t.owns_all());
}
TEST_CASE("sizes and strides are read per dim, negative dims from the end") {
  auto t = st::zeros<float>({2, 3, 4});
  CHECK(t.dim() == 3);
  CHECK(t.size(0) == 2);
  CHECK(t.size(-1) == 4);
  CHECK(t.stride(0) == 12);
  CHECK(t.stride(-3) == 12);
  CHECK(t.numel() == 24);
  CHECK(t.dtype() == st::dtype::f32);
  CHECK_THROWS_AS(t.size(3), st::index_error);
  CHECK_THROWS_WITH(t.stride(-4), contains("-4") && contains("rank 3"));
}
TEST_CASE("full indices name an element, negative ones count from the end") {
  auto t = st::array<double>({{1, 2, 3}, {4, 5, 6}});
  CHECK(t(1, 2) == 6);
  CHECK(t(-1, -3) == 4);
  t(0, 1) = 20;
  CHECK(t(0, 1) == 20);
  CHECK(t(std::size_t{1}, short{0}) == 4);
}
#if SINTER_CHECKS
TEST_CASE("an element out of range is an index_error that names index, dim and size") {
  auto t = st::zeros<float>({2, 3});
  CHECK_THROWS_AS(t(0, 3), st::index_error);
  CHECK_THROWS_WITH(t(-3, 0), contains("-3") && contains("dim 0") && contains("size 2"));
  auto none = st::zeros<float>({0});
  CHECK_THROWS_AS(none(0), st::index_error);
}
#endif
TEST_CASE("a 0-d tensor is read by t() and item()") {
  auto t = st::full<int>({}, 7);
  CHECK(t() == 7);
  CHECK(t.item() == 7);
  CHECK(t.numel() == 1);
  CHECK(t.is_contiguous());
}
TEST_CASE("item needs exactly one element") {
  CHECK(st::full<float>({1, 1}, 3).item() == 3);
  CHECK_THROWS_WITH(st::zeros<float>({2, 3}).item(), contains("[2, 3]"));
  CHECK_THROWS_AS(st::zeros<float>({0}).item(), st::shape_error);
  CHECK_THROWS_AS((st::tensor<float, st::rank<0>>{}.item()), st::shape_error);
}
TEST_CASE("copying a tensor shares its elements, clone copies them") {
  auto a = st::zeros<float>({3});
  auto b = a;
  auto c = st::clone(a);
  b(1) = 5;
  CHECK(a(1) == 5);
  CHECK(c(1) == 0);
  CHECK(a.use_count() == 2);
  CHECK(c.use_count() == 1);
}
TEST_CASE("assigning a tensor rebinds the handle") {
  auto a = st::zeros<float>({3}), b = st::ones<float>({4}), old = a;
  a = b;
  CHECK(a.size(0) == 4);
  CHECK(old(0) == 0);
  CHECK(a.data() == b.data());
}
TEST_CASE("the version is shared by all handles; raw writes do not change it") {
  auto a = st::zeros<float>({4});
  auto view = a(st::slice(1, 3));
  a(0) = 1;
  CHECK(a.version() == 0);
  view.bump_version();
  CHECK(a.version() == 1);
  CHECK(st::clone(a).version() == 0);
}
TEST_CASE("a read-only tensor is made from a writable one, not the other way") {
  auto a = st::ones<float>({2});
  st::tensor<const float, st::rank<1>> r = a;
  CHECK(std::is_same_v<decltype(r(0)), const float&>);
  CHECK(std::is_same_v<decltype(r)::value_type, float>);
  CHECK_FALSE(std::is_constructible_v<decltype(a), decltype(r)>);
  CHECK(std::is_same_v<decltype(st::clone(r)), decltype(a)>);
}
TEST_CASE("static extents become dynamic silently, dynamic ones static only after a check") {
  auto s = st::ones<float>(st::shape<2, 3>);
  st::tensor<float, st::rank<2>> d = s;
  CHECK(d.data() == s.data());
  CHECK_FALSE(std::is_convertible_v<decltype(d), decltype(s)>);
  CHECK(st::tensor<float, st::extents<2, 3>>(d).data() == s.data());
  CHECK_THROWS_AS((st::tensor<float, st::extents<2, 4>>(d)), st::shape_error);
  CHECK_FALSE(std::is_constructible_v<st::tensor<float, st::extents<2, 4>>, decltype(s)>);
}
TEST_CASE("bounded extents are checked against their bound") {
  using bounded = st::tensor<float, st::extents<st::at_most<4>>>;
  CHECK(bounded(st::zeros<float>({4})).size(0) == 4);
  CHECK_THROWS_WITH(bounded(st::zeros<float>({5})), contains("[5]") && contains("4"));
  CHECK(std::is_convertible_v<st::tensor<float, st::extents<3>>, bounded>);
}
TEST_CASE("contiguous means row-major, dense means without holes in any order") {
  auto t = st::zeros<float>({2, 3});
  CHECK(t.is_contiguous());
  CHECK_FALSE(t.T().is_contiguous());
  CHECK(t.T().is_dense());
  CHECK_FALSE(t(st::full_extent, st::slice(0, 2)).is_dense());
  CHECK_FALSE(st::flip(t, 0).is_dense());
  CHECK_FALSE(st::expand(t, {4, 2, 3}).is_dense());
  CHECK(st::zeros<float>({0, 3}).T().is_contiguous());
  CHECK(st::zeros<float>({1, 3}).T().is_contiguous());
}
TEST_CASE("owns_all: the whole of a storage that the library allocated") {
  auto t = st::zeros<float>({2, 3});
  CHECK(t.owns_all());
  CHECK(t.T().owns_all());
  CHECK_FALSE(t(0).owns_all());
  CHECK_FALSE(st::narrow(t, 0, 0, 1).owns_all());
  float memory[2] = {};
  CHECK_FALSE(st::from_blob(memory, {2}).owns_all());
}
TEST_CASE("T() keeps static extents") {
  auto t = st::zeros<float>(st::shape<2, 3>);
  CHECK(std::is_same_v<decltype(t.T())::extents_type, st::extents<3, 2>>);
}
