// SPDX-License-Identifier: BSD-3-Clause
#include <sinter/sinter.hpp>

#include "../catch.hpp"
#include "vectors.hpp"

namespace st = sinter;

TEST_CASE("a leaf that requires a gradient is not written in place, but under no_grad") {
  vector w = st::array<double>({1, 2}), part = w(st::slice(0, 1));
  CHECK_THROWS_WITH(w += 1.0, Catch::Contains("a leaf variable of shape [2] that requires grad is being used in an in-place operation"));
  CHECK_THROWS_WITH(w.zero_(), Catch::Contains("a leaf variable"));
  CHECK_THROWS_WITH(part += 1.0, Catch::Contains("a view of shape [1] of a leaf variable"));
  CHECK_THROWS_WITH(w(0) = 5.0, Catch::Contains("a view of shape []"));
  CHECK(w.detach()(0) == 1);
  {
    st::no_grad guard;
    w -= 0.5 * w.value();
    w(1) = 7.0;
    part *= w(st::slice(1, 2));
  }
  CHECK(w.detach()(0) == 3.5);
  CHECK(w.detach()(1) == 7);
  CHECK(w.is_leaf());
  CHECK(w.requires_grad());
  CHECK(w.version() == 3);
}

TEST_CASE("what read a variable before it was written keeps its history") {
  vector x = st::array<double>({1, 2}), y = st::array<double>({3, 4});
  vector a = twice(x);
  const auto constant = st::array<double>({3, 4});
  const vector before = a * constant, other = a;  // saves the constant alone
  a *= y;
  CHECK(other.detach()(1) == 16);
  before.backward(constant, true);  // 2 x c^2
  CHECK(x.grad()(0) == 2 * 9);
  x.zero_grad();
  const number s = dot(a, y);  // 2 x y^2
  s.backward();
  CHECK(x.grad()(0) == 2 * 9);
  CHECK(y.grad()(1) == 4 * 2 * 4);
}

TEST_CASE("a value that was saved and is written in place is found out") {
  vector x = st::array<double>({1, 2}), a = twice(x);
  const vector b = times(a, a);
  a += 1.0;
  CHECK_THROWS_AS(dot(b, x).backward(), st::version_error);
  CHECK_THROWS_WITH(dot(b, x).backward(), Catch::Contains("(mul") && Catch::Contains("operand 0, of shape [2], at version 0; it is at version 1"));
}

TEST_CASE("only what the wanted gradients are made of is checked") {
  vector x = st::array<double>({1, 2}), y = st::array<double>({3, 4}), a = twice(x), b = twice(y);
  const number s = dot(a, b);
  a += 1.0;  // b's gradient is made of it, a's is not
  CHECK(st::grad(s, x, {.retain_graph = true})(0).item() == 12);
  CHECK(st::grad(s, x, {.retain_graph = true})(1).item() == 16);
  const vector first = st::grad(s, x, {.create_graph = true});
  CHECK(first(0).item() == 12);
  CHECK_THROWS_AS(st::grad(s, y, {.retain_graph = true}), st::version_error);
  CHECK_THROWS_AS(st::grad(s, y, {.create_graph = true}), st::version_error);
  CHECK_THROWS_AS(s.backward(), st::version_error);
}

TEST_CASE("copy_, fill_ and zero_ end a history") {
  vector x = st::array<double>({1, 2}), y = st::array<double>({3, 4}), a = twice(x);
  a.copy_(y);
  dot(a, a).backward();
  CHECK(y.grad()(0) == 6);
  vector b = twice(x);
  b.zero_();
  CHECK(b.requires_grad());
  x.zero_grad();
  dot(b, y).backward();
  CHECK(x.grad()(1) == 0);
  CHECK(y.grad()(0) == 6);
  b.fill_(3);
  CHECK(b.detach()(1) == 3);
  vector c(st::zeros<double>({2}), false);
  c += y;  // becomes a result
  CHECK_FALSE(c.is_leaf());
  y.zero_grad();
  dot(c, c).backward();
  CHECK(y.grad()(1) == 8);
  c.copy_(number(st::full<double>({}, 2.0)));  // broadcast
  CHECK(c.detach()(1) == 2);
  vector d = twice(y);
  d.copy_(d);
  y.zero_grad();
  dot(d, d).backward();
  CHECK(y.grad()(0) == 24);
  CHECK_THROWS_AS(d.copy_(st::ones<double>({3})), st::shape_error);
  CHECK_THROWS_AS(d.copy_(vector(st::ones<double>({3}))), st::shape_error);
}

TEST_CASE("a write through a view changes what the base is") {
  vector x = st::array<double>({1, 2, 3}), w = st::array<double>({10, 20});
  vector a = twice(x);
  vector head = a(st::slice(0, 2)), tail = a(st::slice(1, 3));
  head *= w;  // a = 20 x0, 40 x1, 2 x2
  CHECK(a.detach()(1) == 80);
  dot(a, a).backward({.retain_graph = true});
  CHECK(x.grad()(0) == 2 * 20 * 20);
  CHECK(x.grad()(2) == 2 * 2 * 6);
  CHECK(w.grad()(1) == 2 * 80 * 4);
  x.zero_grad(), w.zero_grad();
  dot(tail, tail).backward();  // another view sees it, too
  CHECK(x.grad()(0) == 0);
  CHECK(x.grad()(1) == 2 * 80 * 40);
  CHECK(w.grad()(1) == 2 * 80 * 4);
}

TEST_CASE("a write of the base is seen by its views") {
  vector x = st::array<double>({1, 2, 3}), a = twice(x), head = a(st::slice(0, 2));
  a *= x;  // 2 x^2
  const auto ones = vector(st::ones<double>({2}), false);
  dot(head, ones).backward();
  CHECK(x.grad()(1) == 8);
  CHECK(x.grad()(2) == 0);
  vector same = x(st::slice(0, 3));  // views of views, and of leaves
  CHECK(st::grad(dot(same(st::slice(1, 2)), x(st::slice(0, 1))), x).detach()(0) == 2);
}

TEST_CASE("a result that is filled row by row") {
  const st::int64 n = 50, m = 4;
  vector x = st::ones<double>({m});
  matrix rows(st::zeros<double>({n, m}), false);
  for (st::int64 i = 0; i < n; ++i) rows(i) = twice(x);
  rows(0) += x;
  rows(1) = 5.0;
  rows(2) = rows(3);
  const number y = total(rows);
  y.backward();
  CHECK(y.item() == (n - 2) * m * 4 + m * 9 + m * 25);
  CHECK(x.grad()(3) == 2 * ((n - 2) * 4 + 9));
}

TEST_CASE("the cost of a row does not grow with the number of rows") {
  const auto bytes = [](st::int64 n) {
    vector x = st::ones<double>({4});
    matrix rows(st::zeros<double>({n, 4}), false);
    for (st::int64 i = 0; i < n; ++i) rows(i) = x;
    const number y = total(rows);
    st::reset_accumulated_memory_stats();
    const auto before = st::memory_stats().allocations;
    y.backward();
    CHECK(x.grad()(1) == 2 * static_cast<double>(n));
    return st::memory_stats().allocations - before;
  };
  CHECK(bytes(400) - bytes(300) == bytes(200) - bytes(100));
}

TEST_CASE("transposed, flipped and strided parts are written in place") {
  matrix x = st::array<double>({{1, 2, 3}, {4, 5, 6}});
  const auto ones = st::ones<double>({2, 3});
  vector w = st::array<double>({10, 20});
  matrix a = x * 1.0;
  matrix turned = a.T();
  turned(1) = w;  // column 1
  a(0, st::slice(0, 3, 2)) = w;
  st::flip(a, {1})(1, 0) = w(1);
  CHECK(a.detach()(0, 0) == 10);
  CHECK(a.detach()(1, 1) == 20);
  CHECK(a.detach()(1, 2) == 20);
  a.backward(ones);
  CHECK(x.grad()(0, 0) == 0);
  CHECK(x.grad()(1, 0) == 1);
  CHECK(x.grad()(1, 2) == 0);
  CHECK(w.grad()(0) == 2);
  CHECK(w.grad()(1) == 3);
  // from a gradient that lies otherwise in memory than the base
  matrix b = x * 1.0;
  b(0) = 0.0;
  x.zero_grad();
  b.backward(st::clone(ones.T()).T());
  CHECK(x.grad()(0, 1) == 0);
  CHECK(x.grad()(1, 1) == 1);
}

TEST_CASE("masks and indices") {
  vector x = st::array<double>({1, 2, 3}), w = st::array<double>({10, 20});
  const auto ones = vector(st::ones<double>({3}), false);
  const auto mask = st::array<bool>({true, false, true});
  vector a = twice(x);
  a(mask) = w;
  a(st::array<st::int64>({1})) += 5.0;
  CHECK(a.detach()(0) == 10);
  CHECK(a.detach()(1) == 9);
  dot(a, ones).backward();
  CHECK(x.grad()(0) == 0);
  CHECK(x.grad()(1) == 2);
  CHECK(w.grad()(1) == 1);
  vector b = twice(x);
  masked_fill_(b, mask, -1.0);
  CHECK(b.detach()(2) == -1);
  x.zero_grad();
  dot(b, ones).backward();
  CHECK(x.grad()(0) == 0);
  CHECK(x.grad()(1) == 2);
}

TEST_CASE("derivatives of any order through writes in place") {
  vector x = st::array<double>({1, 2}), a = times(x, x);
  a(st::slice(0, 1)) *= x(st::slice(1, 2));  // x0^2 x1, x1^2
  const number y = dot(a, a);
  const vector g = st::grad(y, x, {.create_graph = true});  // 4 x0^3 x1^2, 2 x0^4 x1 + 4 x1^3
  CHECK(g.detach()(0) == 16);
  CHECK(g.detach()(1) == 36);
  const vector h = st::grad(g, x, st::array<double>({1, 0}));
  CHECK(h.detach()(0) == 48);
  CHECK(h.detach()(1) == 16);
}

TEST_CASE("retained gradients are those of the value as it is") {
  vector x = st::array<double>({1, 2}), a = twice(x);
  a.retain_grad();
  a *= x;
  dot(a, x).backward();
  CHECK(a.grad()(1) == 2);
  CHECK(x.grad()(1) == 24);
}

TEST_CASE("a view that was made where nothing is recorded is not written where statements are") {
  vector x = st::array<double>({1, 2}), a = twice(x), part;
  {
    st::no_grad guard;
    part = a(st::slice(0, 1));
  }
  CHECK_THROWS_WITH(part *= x(st::slice(0, 1)), Catch::Contains("made where nothing is recorded"));
  part += 1.0;  // records nothing: neither side requires a gradient
  CHECK(a.detach()(0) == 3);
}

TEST_CASE("complex variables are written in place") {
  using st::complex128;
  auto z = st::zeros<complex128>({2});
  z(0) = complex128(1, 2), z(1) = complex128(3, -1);
  st::variable x = z;
  st::variable a = x * 2.0;
  a(st::slice(0, 1)) = x(st::slice(1, 2));
  a.backward(st::full<complex128>({2}, complex128(1, 1)));
  CHECK(x.grad()(0) == complex128(0, 0));
  CHECK(x.grad()(1) == complex128(3, 3));
}

TEST_CASE("what is made in inference mode is never recorded") {
  vector x = st::array<double>({1, 2}), made, view;
  {
    st::inference_mode guard;
    CHECK_FALSE(st::is_grad_enabled());
    made = times(x, x);
    made += 1.0;
    view = x(st::slice(0, 1));
    st::enable_grad inner;
    CHECK_FALSE(vector(x * 2.0).requires_grad());
    st::inference_mode outside(false);
    CHECK(vector(x * 2.0).requires_grad());
    CHECK_FALSE(st::is_inference_mode_enabled());
  }
  CHECK(st::is_grad_enabled());
  CHECK(made.is_inference());
  CHECK_FALSE(view.is_inference());
  CHECK_THROWS_WITH(times(x, made), Catch::Contains("inference mode"));
  CHECK_THROWS_WITH(made += 1.0, Catch::Contains("inference mode"));
  CHECK_THROWS_WITH(made.requires_grad_(), Catch::Contains("inference mode"));
  const vector sum = x + made;  // saves neither
  CHECK(sum.requires_grad());
  CHECK(made.detach()(1) == 5);
  {
    st::set_grad_enabled off(false);
    CHECK_FALSE(times(x, x).requires_grad());
    st::set_grad_enabled on(true);
    CHECK(times(x, x).requires_grad());
  }
}

TEST_CASE("what is copied from stays a variable of its own") {
  vector a = st::array<double>({1, 2}), x = twice(a), y = twice(a);
  x.copy_(y);
  x.retain_grad();
  const number l = dot(x, st::variable(st::full<double>({2}, 2.0), false)), k = dot(y, st::variable(st::full<double>({2}, 3.0), false));
  const st::variable both = l + k;
  both.backward();
  CHECK(x.grad()(0) == 2);
  CHECK_FALSE(y.grad().defined());
  CHECK(a.grad()(0) == 10);
  vector z = twice(a);
  z.copy_(z);
  dot(z, z).backward();
  CHECK(z.value()(1) == 4);
}

TEST_CASE("a retained gradient stays when the variable is written, and goes on") {
  const vector w = st::array<double>({1, 1}), five = st::variable(st::full<double>({2}, 5.0), false), one = st::variable(st::full<double>({2}, 1.0), false);
  vector x = twice(w);
  x.retain_grad();
  dot(x, five).backward(true);
  CHECK(x.grad()(0) == 5);
  x *= 2.0;
  CHECK(x.grad()(0) == 5);
  dot(x, one).backward(true);
  CHECK(x.grad()(0) == 6);
}
