// SPDX-License-Identifier: BSD-3-Clause
#include <sinter/sinter.hpp>

#include <vector>

#include "../catch.hpp"

namespace st = sinter;

TEST_CASE("a variable made from a tensor is a leaf that wants a gradient") {
  st::variable x = st::ones<double>({2, 3});
  CHECK(x.is_leaf());
  CHECK(x.requires_grad());
  CHECK_FALSE(x.grad().defined());
}

TEST_CASE("under no_grad a variable wants no gradient and statements are not recorded") {
  st::variable w = st::ones<double>({3});
  st::no_grad guard;
  st::variable x = st::ones<double>({3});
  st::variable y = x * w;
  CHECK_FALSE(x.requires_grad());
  CHECK_FALSE(y.requires_grad());
  CHECK(st::is_grad_enabled() == false);
  st::enable_grad inner;
  st::variable z = x * w;
  CHECK(z.requires_grad());
}

TEST_CASE("backward adds to the leaves' gradients") {
  st::variable x = st::array<double>({1, 2, 3});
  st::variable y = st::sum(x * x);
  CHECK(y.item() == 14);
  y.backward();
  CHECK(x.grad()(0) == 2);
  CHECK(x.grad()(2) == 6);
  st::variable z = st::sum(x);
  z.backward();
  CHECK(x.grad()(0) == 3);
  x.zero_grad();
  CHECK_FALSE(x.grad().defined());
}

TEST_CASE("copies of a variable share value and gradient") {
  st::variable x = st::array<double>({1, 2});
  auto other = x;
  st::variable y = st::sum(3 * x);
  y.backward();
  CHECK(other.grad()(1) == 3);
}

TEST_CASE("a tensor among variables is a constant") {
  auto c = st::array<double>({2, 5});
  st::variable x = st::array<double>({1, 1});
  st::variable y = st::sum(c * x);
  y.backward();
  CHECK(x.grad()(0) == 2);
  CHECK(x.grad()(1) == 5);
}

TEST_CASE("a variable that wants no gradient gets none, the other operand does") {
  st::variable a = st::array<double>({2, 3}), b = st::array<double>({5, 7});
  a.requires_grad_(false);
  st::variable y = st::sum(a * b);
  y.backward();
  CHECK_FALSE(a.grad().defined());
  CHECK(b.grad()(1) == 3);
}

TEST_CASE("backward from a result of several elements needs a gradient to start from") {
  st::variable x = st::array<double>({1, 2});
  st::variable y = x * x;
  CHECK_THROWS_AS(y.backward(), st::autograd_error);
  CHECK_THROWS_AS(y.backward(st::ones<double>({3})), st::shape_error);
  y.backward(st::array<double>({1, 10}));
  CHECK(x.grad()(0) == 2);
  CHECK(x.grad()(1) == 40);
}

TEST_CASE("a second backward through one statement is an error that names retain_graph") {
  st::variable x = st::array<double>({1, 2});
  st::variable y = st::sum(x * x);
  y.backward(true);
  y.backward();
  CHECK(x.grad()(1) == 8);
  CHECK_THROWS_WITH(y.backward(), Catch::Contains("retain_graph"));
}

TEST_CASE("backward without anything recorded is an error") {
  st::variable x = st::array<double>({1, 2});
  x.requires_grad_(false);
  st::variable y = st::sum(x * x);
  CHECK_THROWS_AS(y.backward(), st::autograd_error);
}

TEST_CASE("gradients of intermediate results are kept on request only") {
  st::variable x = st::array<double>({1, 2});
  st::variable h = x * 3, k = x * 5;
  h.retain_grad();
  st::variable y = st::sum(h * k);
  y.backward();
  CHECK(h.grad()(1) == 10);
  CHECK_FALSE(k.grad().defined());
  CHECK(x.grad()(1) == 60);
}

TEST_CASE("a saved value that was written in place is found out") {
  st::variable x = st::array<double>({1, 2});
  st::variable y = st::sum(x * x);
  x.detach() += 1;
  CHECK_THROWS_AS(y.backward(), st::version_error);
}

TEST_CASE("an operand that backward does not read may be written in place") {
  st::variable x = st::array<double>({1, 2});
  st::variable y = st::sum(x * 3);
  x.detach() += 1;
  y.backward();
  CHECK(x.grad()(0) == 3);
}

TEST_CASE("set_data moves the value behind all handles") {
  st::variable x = st::array<double>({1, 2});
  auto other = x;
  x.set_data(st::array<double>({5, 6}));
  CHECK(other.detach()(1) == 6);
  CHECK_THROWS_AS(x.set_data(st::ones<double>({3})), st::shape_error);
}

TEST_CASE("empty and 0-d variables differentiate") {
  st::variable e = st::zeros<double>({0, 3});
  st::variable s = st::sum(e * e);
  s.backward();
  CHECK(e.grad().numel() == 0);
  st::variable z = st::full<double>({}, 3.0);
  st::variable y = z * z;
  y.backward();
  CHECK(z.grad().item() == 6);
}

TEST_CASE("a gradient may seed the backward that adds to it") {
  const st::int64 n = 60;
  const auto x = st::zeros<double>({n, n});
  for (st::int64 i = 0; i < n * n; ++i) x.data()[i] = static_cast<double>(i * 7 % 5);
  st::variable w = st::clone(x);
  st::variable y = st::linear(x, w);
  const auto seed = st::clone(x);
  y.backward(seed, true);
  const auto g = st::clone(w.grad());
  y.backward(w.grad());
  bool same = true;  // w.grad() = g + g^T x, exactly
  for (st::int64 i = 0; i < n; ++i)
    for (st::int64 j = 0; j < n; ++j) {
      double want = g(i, j);
      for (st::int64 p = 0; p < n; ++p) want += g(p, i) * x(p, j);
      same = same && w.grad()(i, j) == want;
    }
  CHECK(same);
  st::variable v = st::clone(x);
  st::variable turned = v.T();
  turned.backward(x, true);
  turned.backward(v.grad());
  CHECK(v.grad()(1, 2) == x(2, 1) + x(1, 2));
  CHECK(v.grad()(2, 1) == x(1, 2) + x(2, 1));
}

TEST_CASE("a long chain of statements is walked and destroyed without recursion") {
  st::variable x = st::full<double>({}, 1.0);
  st::variable h = x * 1.0;
  for (int i = 0; i < 200000; ++i) {
    st::variable next = h * 1.0;
    h = next;
  }
  h.backward();
  CHECK(x.grad().item() == 1);
  st::variable g = x * 1.0;
  for (int i = 0; i < 200000; ++i) {
    st::variable next = g * 1.0;
    g = next;
  }
}

TEST_CASE("integers and bools never require a gradient") {
  st::variable i = st::zeros<int>({1});
  CHECK_FALSE(i.requires_grad());
  i += 1;
  CHECK(i.value()(0) == 1);
  CHECK_THROWS_AS(i.requires_grad_(), st::dtype_error);
  CHECK_THROWS_AS(i.backward(), st::autograd_error);
  const st::variable f = st::to<float>(i);
  CHECK_FALSE(f.requires_grad());
  st::variable<float, st::rank<1>> none;
  CHECK_THROWS_AS(none.requires_grad_(), st::autograd_error);
}

TEST_CASE("an expression that was named under no_grad is a constant; one that was only looked at there is not") {
  const st::variable x = st::ones<double>({2, 2}), w = st::full<double>({2, 2}, 0.5);
  const auto target = [&] {
    const st::no_grad off;
    return st::tanh(x + w);
  }();
  const st::variable t = target;
  CHECK_FALSE(t.requires_grad());
  const auto h = st::matmul(x, w);
  {
    const st::no_grad off;
    const st::variable seen = h + 0.0;
    CHECK_FALSE(seen.requires_grad());
  }
  const st::variable loss = st::sum(h * h);
  loss.backward();
  CHECK(w.grad()(0, 0) == 4);
}

TEST_CASE("a walk backward frees what it has passed, statement by statement") {
  constexpr int statements = 200;
  constexpr st::int64 elements = 4096;
  const st::variable a = st::full<double>({elements}, 1.001);
  st::variable y = st::ones<double>({elements});
  const st::int64 before = st::memory_allocated();
  std::vector<st::int64> held;  // as the walk comes to every 20th statement
  for (int i = 0; i < statements; ++i) {
    y = st::eval(a * y);
    if (i % 20 == 0) y.register_hook([&](const st::tensor<double, st::rank<1>>&) { held.push_back(st::memory_allocated()); });
  }
  const st::int64 full = st::memory_allocated() - before;
  CHECK(full >= statements * elements * 8);
  y.backward(st::ones<double>({elements}));
  REQUIRE(held.size() == 10);
  for (std::size_t k = 0; k < held.size(); ++k) {
    const auto left = static_cast<double>(held[k] - before) / static_cast<double>(full), expected = static_cast<double>(181 - 20 * static_cast<int>(k)) / statements;
    CHECK(left < expected + 0.03);
  }
}
