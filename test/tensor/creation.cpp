// SPDX-License-Identifier: BSD-3-Clause
// New tensors: every way to give sizes, the ranges, values from braces, memory of someone else.
#include "../catch.hpp"

#include <sinter/tensor/copy.hpp>
#include <vector>

namespace st = sinter;

template <class T> std::vector<T> values(const st::tensor<T, st::rank<1>>& t) {
  return {t.data(), t.data() + t.numel()};
}

TEST_CASE("sizes are any integers in braces") {
  const std::size_t n = 3;
  const st::int64 m = 4;
  CHECK(st::zeros<float>({3, 4}).sizes() == st::index_list<2>(3, 4));
  CHECK(st::zeros<float>({n, n}).sizes() == st::index_list<2>(3, 3));
  CHECK(st::zeros<float>({m, n, 2}).sizes() == st::index_list<3>(4, 3, 2));
  CHECK(st::zeros<float>({5}).dim() == 1);
  CHECK(st::zeros<float>(st::zeros<int>({2, 7}).sizes()).size(1) == 7);
}
TEST_CASE("empty braces are a 0-d tensor") {
  auto t = st::zeros<float>({});
  CHECK(t.dim() == 0);
  CHECK(t.item() == 0);
  CHECK(st::full<int>({}, 3).item() == 3);
}
TEST_CASE("static sizes are part of the type") {
  auto t = st::ones<double>(st::shape<3, 4>);
  CHECK(std::is_same_v<decltype(t), st::tensor<double, st::extents<3, 4>>>);
  CHECK(t.sizes() == st::index_list<2>(3, 4));
  CHECK(t(2, 3) == 1);
  CHECK(st::empty<float>(st::shape<>).dim() == 0);
}
TEST_CASE("zeros, ones and full fill every element") {
  auto z = st::zeros<double>({100}), o = st::ones<double>({100});
  auto f = st::full<st::uint8>({100}, 200);
  for (int i = 0; i < 100; ++i) REQUIRE((z(i) == 0 && o(i) == 1 && f(i) == 200));
  CHECK(st::ones<bool>({1}).item());
}
TEST_CASE("the dtype is float unless said otherwise") {
  CHECK(st::zeros({2}).dtype() == st::dtype::f32);
  CHECK(st::empty({2}).dtype() == st::dtype::f32);
}
TEST_CASE("an extent of 0 makes an empty tensor") {
  auto t = st::ones<float>({3, 0, 2});
  CHECK(t.defined());
  CHECK(t.numel() == 0);
  CHECK(st::clone(t).sizes() == t.sizes());
  CHECK(st::zeros<float>({0}).is_contiguous());
}
TEST_CASE("negative sizes are a shape_error") {
  CHECK_THROWS_WITH(st::zeros<float>({2, -1}), contains("[2, -1]"));
  CHECK_THROWS_AS(st::empty<float>({-5}), st::shape_error);
  CHECK_THROWS_AS(st::eye(-1), st::shape_error);
  CHECK_THROWS_AS(st::zeros<float>({0, -1}), st::shape_error);
}
TEST_CASE("sizes beyond memory are a memory_error") {
  const st::int64 big = st::int64{1} << 40;
  CHECK_THROWS_AS(st::empty<float>({big, big}), st::memory_error);
  CHECK_THROWS_AS(st::empty<double>({std::numeric_limits<st::int64>::max()}), st::memory_error);
  CHECK_THROWS_AS(st::empty<char signed>({big, big, big, 4}), st::memory_error);
  CHECK_THROWS_AS(st::empty<float>({0, big, big}), st::memory_error);  // its strides would not fit
}
TEST_CASE("_like keeps sizes, dtype and the order of dims") {
  auto t = st::ones<double>({2, 3}).T();
  auto z = st::zeros_like(t);
  CHECK(z.sizes() == t.sizes());
  CHECK(z.strides() == t.strides());
  CHECK(z(2, 1) == 0);
  CHECK(st::ones_like(t)(0, 0) == 1);
  CHECK(st::full_like(t, 7)(1, 1) == 7);
  CHECK(st::empty_like(t(0)).is_contiguous());
  CHECK(std::is_same_v<decltype(st::empty_like(st::zeros<int>(st::shape<2>)))::extents_type, st::extents<2>>);
}
TEST_CASE("arange leaves the end out") {
  CHECK(values(st::arange<int>(4)) == std::vector<int>{0, 1, 2, 3});
  CHECK(values(st::arange<int>(5, -1, -2)) == std::vector<int>{5, 3, 1});
  CHECK(values(st::arange<float>(1, 2, 0.25)) == std::vector<float>{1, 1.25f, 1.5f, 1.75f});
  CHECK(st::arange<double>(0, 1, 0.1).numel() == 10);
  CHECK(st::arange<int>(0).numel() == 0);
  CHECK(st::arange<st::int64>(9007199254740993, 9007199254740995)(0) == 9007199254740993);
}
TEST_CASE("arange without a way to its end is a shape_error") {
  CHECK_THROWS_AS(st::arange<int>(0, 3, 0), st::shape_error);
  CHECK_THROWS_AS(st::arange<int>(0, 3, -1), st::shape_error);
  CHECK_THROWS_AS(st::arange<float>(0, 3, -1), st::shape_error);
  CHECK_THROWS_AS(st::arange<double>(0, INFINITY), st::shape_error);
  CHECK_THROWS_AS(st::arange<double>(0, NAN), st::shape_error);
  const auto far = std::numeric_limits<st::int64>::max();
  CHECK_THROWS_AS(st::arange<st::int64>(-far, far), st::memory_error);
}
TEST_CASE("linspace meets both ends") {
  CHECK(values(st::linspace<double>(0, 1, 5)) == std::vector<double>{0, 0.25, 0.5, 0.75, 1});
  CHECK(st::linspace<float>(0, 0.3, 4)(-1) == 0.3f);
  CHECK(values(st::linspace<float>(2, 9, 1)) == std::vector<float>{2});
  CHECK(st::linspace<float>(0, 1, 0).numel() == 0);
  CHECK_THROWS_AS(st::linspace<float>(0, 1, -1), st::shape_error);
}
TEST_CASE("eye has ones on its diagonal") {
  auto t = st::eye<double>(2, 3);
  CHECK(t.sizes() == st::index_list<2>(2, 3));
  CHECK(t(0, 0) + t(1, 1) == 2);
  CHECK(t(0, 1) + t(1, 0) + t(0, 2) + t(1, 2) == 0);
  CHECK(st::eye(3, 2)(1, 1) == 1);
  CHECK(st::eye(0).numel() == 0);
}
TEST_CASE("array takes nested braces") {
  auto t = st::array<float>({{1, 2}, {3, 4}});
  CHECK(t.sizes() == st::index_list<2>(2, 2));
  CHECK(t(1, 0) == 3);
  CHECK(values(st::array({1, 2, 3})) == std::vector<int>{1, 2, 3});
  CHECK(st::array<float>({{1}, {2}}).sizes() == st::index_list<2>(2, 1));
  CHECK(st::array<double>({{{1, 2}}, {{3, 4}}}).sizes() == st::index_list<3>(2, 1, 2));
  CHECK(st::array({{{{1.f}}}}).dim() == 4);
}
TEST_CASE("from_blob shares memory") {
  double memory[6] = {0, 1, 2, 3, 4, 5};
  auto t = st::from_blob(memory, {2, 3});
  CHECK(t(1, 0) == 3);
  t(1, 0) = 30;
  CHECK(memory[3] == 30);
  auto c = st::from_blob(memory, {2, 3}, {1, 2});  // column-major
  CHECK(c(1, 2) == 5);
  CHECK_THROWS_AS(st::from_blob(memory, {-1}), st::shape_error);
}
TEST_CASE("from_blob of const memory is read-only") {
  const float memory[2] = {1, 2};
  auto t = st::from_blob(memory, {2});
  CHECK(std::is_same_v<decltype(t)::element_type, const float>);
  CHECK(t(1) == 2);
}
TEST_CASE("from_blob calls the deleter with the last handle, on the lowest address") {
  int memory[4] = {0, 1, 2, 3};
  void* dropped = nullptr;
  {
    auto t = st::from_blob(memory + 3, {4}, {-1}, [&](void* p) { dropped = p; });
    CHECK(t(0) == 3);
    CHECK(t(3) == 0);
    CHECK(t.storage_handle()->bytes == 16);
    auto view = t(st::slice(1));
    t = {};
    CHECK(dropped == nullptr);
  }
  CHECK(dropped == memory);
}
