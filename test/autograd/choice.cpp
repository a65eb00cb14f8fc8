// SPDX-License-Identifier: BSD-3-Clause
// A discontinuous choice is made once: whatever the compiler does to a * b + c in another kernel, no gradient is lost.
#include <sinter/sinter.hpp>

#include <cmath>

#include "../catch.hpp"

namespace st = sinter;

namespace {
constexpr int rows = 1000, columns = 37;
auto random_matrix(st::uint64 seed) {
  st::generator g(seed);
  return st::randn<float>({rows, columns}, g);
}
}  // namespace

TEST_CASE("every row's maximum of a computed value passes its gradient to exactly one element") {
  st::variable a = random_matrix(1), b = random_matrix(2), c = random_matrix(3);
  st::variable y = st::sum(st::max(a * b + c, 1));
  y.backward();
  for (int i = 0; i < rows; ++i) {
    float s = 0;
    for (int j = 0; j < columns; ++j) s += c.grad()(i, j);
    CHECK(s == 1);
  }
}

TEST_CASE("relu of a computed value passes its gradient where its result was positive") {
  st::variable a = random_matrix(4), b = random_matrix(5), c = random_matrix(6);
  st::variable h = st::relu(a * b + c);
  st::variable y = st::sum(st::relu(a * b + c) * 2);
  y.backward();
  for (int i = 0; i < rows; ++i)
    for (int j = 0; j < columns; ++j) CHECK(c.grad()(i, j) == (h.detach()(i, j) > 0 ? 2 : 0));
}

TEST_CASE("where chooses in backward what it chose in forward") {
  st::variable a = random_matrix(7), b = random_matrix(8);
  st::variable y = st::sum(st::where(a * b > a * b + 0 * a, a * 3, b * 5));
  y.backward();
  for (int i = 0; i < rows; ++i)
    for (int j = 0; j < columns; ++j) CHECK((a.grad()(i, j) == 3) == (b.grad()(i, j) == 0));
}

TEST_CASE("equal maxima: the first takes the gradient") {
  st::variable x = st::array<double>({{1, 3, 3, 0}, {2, 2, 2, 2}});
  st::variable y = st::sum(st::max(x, 1));
  y.backward();
  CHECK(x.grad()(0, 1) == 1);
  CHECK(x.grad()(0, 2) == 0);
  CHECK(x.grad()(1, 0) == 1);
}

TEST_CASE("maximum and minimum: equals share the gradient, and beside a NaN both have it, as in PyTorch") {
  const double nan = std::nan("");
  st::variable a = st::array<double>({1, 2, nan, 4}), b = st::array<double>({1, 3, 3, nan});
  st::variable y = st::sum(st::maximum(a, b));
  y.backward();
  const double expected_a[] = {0.5, 0, 1, 1}, expected_b[] = {0.5, 1, 1, 1};
  for (int i = 0; i < 4; ++i) {
    CHECK(a.grad()(i) == expected_a[i]);
    CHECK(b.grad()(i) == expected_b[i]);
  }
  a.zero_grad(), b.zero_grad();
  st::variable z = st::sum(st::minimum(a, b));
  z.backward();
  CHECK(a.grad()(1) == 1);
  CHECK(b.grad()(1) == 0);
  CHECK(b.grad()(2) == 1);
}
