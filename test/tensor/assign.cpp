// SPDX-License-Identifier: BSD-3-Clause
// y = e rebinds, copy_ and += write through, views are written through, overlap is as if evaluated first.
#include <sinter/sinter.hpp>

#include "../catch.hpp"

namespace st = sinter;

TEST_CASE("y = e rebinds: other handles keep the old value") {
  auto y = st::ones<float>({3});
  auto other = y;
  y = y * 5;
  CHECK(y(0) == 5);
  CHECK(other(0) == 1);
}

TEST_CASE("w = w - lr * g allocates nothing and stays in place") {
  auto w = st::ones<float>({100, 7}), g = st::ones<float>({100, 7});
  float* p = w.data();
  w = w - 0.5f * g;
  st::counters().reset();
  for (int i = 0; i < 10; ++i) w = w - 0.5f * g;
  CHECK(st::counters().system_allocations == 0);
  CHECK(st::counters().allocator_misses == 0);
  CHECK(w.data() == p);
  CHECK(w(99, 6) == 1 - 0.5f * 11);
}

TEST_CASE("the memory is not reused while the expression reads it elsewhere") {
  auto y = st::array<float>({{1, 2}, {3, 4}});
  y = y + y.T();
  CHECK(y(0, 1) == 5);
  CHECK(y(1, 0) == 5);
  auto m = st::array<float>({{1, 2}, {3, 4}});
  m = st::matmul(m, m);
  CHECK(m(0, 0) == 7);
  CHECK(m(1, 1) == 22);
  auto s = st::array<float>({{1, 2}, {3, 4}});
  s = s - st::mean(s, 0, st::keepdim);
  CHECK(s(0, 0) == -1);
  CHECK(s(1, 1) == 1);
  auto r = st::array<float>({{1, 2}, {3, 4}});
  r = st::softmax(r, 1);
  CHECK(r(0, 0) + r(0, 1) == Approx(1));
}

TEST_CASE("an lvalue expression is evaluated into new memory") {
  auto y = st::ones<float>({3});
  float* p = y.data();
  auto e = y * 2;
  y = e;
  CHECK(y.data() != p);
  CHECK(y(2) == 2);
}

TEST_CASE("memory of someone else is never reused") {
  float outside[3] = {1, 2, 3};
  auto y = st::from_blob(outside, {3});
  y = y * 10;
  CHECK(outside[0] == 1);
  CHECK(y(0) == 10);
}

TEST_CASE("copy_ and += write through for all handles and bump the version") {
  auto y = st::zeros<float>({2, 2});
  auto other = y;
  const auto before = y.version();
  y.copy_(st::ones<float>({2}) * 3);
  CHECK(other(1, 1) == 3);
  CHECK(y.version() == before + 1);
  y += 1;
  y *= y;
  CHECK(other(0, 0) == 16);
  y -= st::ones<float>({2, 1});
  y /= 5;
  CHECK(other(0, 0) == 3);
}

TEST_CASE("assignment to a slice writes through") {
  auto y = st::zeros<float>({3, 4});
  y(0) = 7;
  y(1, st::slice(1, 3)) = st::array<float>({5, 6});
  y(st::slice(), 3) = y(st::slice(), 1) * 2;
  CHECK(y(0, 0) == 7);
  CHECK(y(1, 2) == 6);
  CHECK(y(1, 3) == 10);
  y(st::slice(2, 3)) += 1;
  CHECK(y(2, 0) == 1);
}

TEST_CASE("overlapping source and target are as if the source were evaluated first") {
  auto y = st::arange<float>(0, 6, 1);
  y(st::slice(1, 6)) = y(st::slice(0, 5)) * 1;
  for (int i = 1; i < 6; ++i) CHECK(y(i) == static_cast<float>(i - 1));
  auto z = st::arange<float>(0, 6, 1);
  z.copy_(st::flip(z, {0}));
  CHECK(z(0) == 5);
  CHECK(z(5) == 0);
  auto t = st::array<float>({{1, 2}, {3, 4}});
  t.copy_(t.T());
  CHECK(t(0, 1) == 3);
  CHECK(t(1, 0) == 2);
}

TEST_CASE("an expanded tensor cannot be written to") {
  auto y = st::expand(st::zeros<float>({1, 3}), {4, 3});
  CHECK_THROWS_AS(y.copy_(1), st::shape_error);
}

TEST_CASE("values that do not broadcast to the target are a shape_error and change nothing") {
  auto y = st::ones<float>({2, 3});
  CHECK_THROWS_AS(y.copy_(st::ones<float>({2})), st::shape_error);
  CHECK_THROWS_AS(y.copy_(st::ones<float>({4, 2, 3})), st::shape_error);
  CHECK(y(1, 2) == 1);
}

TEST_CASE("numbers and other dtypes are converted to the target's") {
  auto y = st::zeros<st::int64>({3});
  y.copy_(2.75);
  CHECK(y(0) == 2);
  auto f = st::zeros<float>({3});
  f.copy_(st::arange<st::int64>(0, 3, 1));
  CHECK(f(2) == 2.f);
}

TEST_CASE("update writes several tensors from their old values in one kernel") {
  auto m = st::ones<float>({5}), v = st::full<float>({5}, 3.f);
  st::counters().reset();
  st::update(st::to(m, m + v), st::to(v, v * m * 2));
  CHECK(st::counters().launches == 1);
  CHECK(m(4) == 4);
  CHECK(v(4) == 6);
}

TEST_CASE("results keep the order of their operands in memory") {
  auto a = st::zeros<float>({3, 4}).T(), b = st::ones<float>({3, 4}).T();  // column-major 4 x 3
  st::tensor y = a + b * 2;
  CHECK(y.strides() == a.strides());
  CHECK(y(3, 2) == 2);
}
