// SPDX-License-Identifier: BSD-3-Clause
#include <sinter/sinter.hpp>

#include <cmath>

#include "../catch.hpp"
#include "vectors.hpp"

namespace st = sinter;

TEST_CASE("hooks see the gradient in their order, and may exchange it") {
  vector x = st::array<double>({1, 2}), three = st::array<double>({3, 3});
  const vector h = times(x, three);
  std::vector<double> seen;
  h.register_hook([](const auto& g) { return 10 * g; });
  h.retain_grad();
  h.register_hook([&](const st::tensor<double, st::rank<1>>& g) { seen.push_back(g(1)); });
  const auto last = h.register_hook([](const st::tensor<double, st::rank<1>>& g) -> st::tensor<double, st::rank<1>> { return g + 1; });
  const number y = dot(h, h);
  y.backward(true);
  CHECK(seen == std::vector<double>{120});
  CHECK(h.grad()(0) == 61);  // after all hooks
  CHECK(x.grad()(0) == 183);
  last.remove();
  last.remove();
  x.zero_grad();
  y.backward();
  CHECK(x.grad()(0) == 180);
  CHECK(h.grad()(0) == 61 + 60);
  CHECK(seen.size() == 2);
}

TEST_CASE("a hook of a leaf sees the whole gradient of a walk, not what was there before") {
  vector x = st::array<double>({1, 2}), w = st::array<double>({3, 4});
  int calls = 0;
  x.register_hook([&](const auto& g) {
    ++calls;
    return -1 * g;
  });
  const number y = dot(times(x, w), x);  // x twice
  y.backward(true);
  CHECK(calls == 1);
  CHECK(x.grad()(1) == -16);
  y.backward(true);
  CHECK(x.grad()(1) == -32);
  CHECK(st::grad(y, x, {.retain_graph = true}).detach()(1) == -16);
  CHECK(calls == 3);
  y.backward({.retain_graph = true, .inputs = {w}});
  CHECK(calls == 3);  // nothing led to x
  y.backward({.retain_graph = true, .inputs = {x}});
  CHECK(x.grad()(1) == -48);
}

TEST_CASE("hooks after accumulation are given the leaf") {
  vector w = st::array<double>({3, 4});
  const auto step = w.register_post_accumulate_grad_hook([](const vector& v) {
    v.value() -= 0.5 * v.grad();
    v.zero_grad();
  });
  const auto go = [&] { dot(w, w).backward(); };
  go();
  CHECK(w.detach()(1) == 0);
  CHECK_FALSE(w.grad().defined());
  step.remove();
  go();
  CHECK(w.grad().defined());
  const vector h = times(w, w);
  CHECK_THROWS_WITH(h.register_post_accumulate_grad_hook([](const vector&) {}), Catch::Contains("only leaves"));
}

TEST_CASE("with create_graph a hook that takes a variable is part of the record") {
  vector x = st::array<double>({1, 2}), w = st::array<double>({3, 4});
  const vector h = times(x, w);
  const auto mine = h.register_hook([](const vector& g) { return g * g; });
  const number y = dot(h, h);  // dy/dx = (2 h)^2 w = 4 w^3 x^2
  const vector g = st::grad(y, x, {.create_graph = true});
  CHECK(g.detach()(1) == 4 * 64 * 4);
  mine.remove();
  CHECK(st::grad(g, x, st::ones<double>({2}), {.retain_graph = true}).detach()(1) == 8 * 64 * 2);
  double seen = 0;
  h.register_hook([&](const st::tensor<double, st::rank<1>>& t) { seen = t(0); });
  st::grad(y, x, {.create_graph = true});
  CHECK(seen == 6);
  h.register_hook([](const st::tensor<double, st::rank<1>>& t) { return t; });
  CHECK_THROWS_WITH(st::grad(y, x, {.create_graph = true}), Catch::Contains("create_graph"));
  CHECK(st::grad(y, x).detach()(0) == 18);
}

TEST_CASE("mistakes with hooks") {
  vector x = st::array<double>({1, 2});
  vector constant(st::ones<double>({2}), false);
  CHECK_THROWS_AS(constant.register_hook([](const auto&) {}), st::autograd_error);
  CHECK_THROWS_AS(constant.retain_grad(), st::autograd_error);
  const vector h = times(x, x);
  h.register_hook([](const st::tensor<double, st::rank<1>>&) { return st::tensor<double, st::rank<1>>(st::ones<double>({3})); });
  const number y = dot(h, x);
  CHECK_THROWS_WITH(y.backward(), Catch::Contains("[3]") && Catch::Contains("[2]"));
  const vector k = times(x, x);
  k.register_hook([](const auto&) { throw 5; });
  x.zero_grad();
  const number z = dot(k, x);
  CHECK_THROWS_AS(z.backward(), int);
  const auto left = k.register_hook([](const auto&) {});
  const number again = dot(k, k);
  CHECK_THROWS_AS(again.backward(), int);
}

TEST_CASE("a hook lives until it is removed or its variable goes") {
  struct life {
    int* count;
    explicit life(int* c) : count(c) { ++*count; }
    life(const life& o) : count(o.count) { ++*count; }
    ~life() { --*count; }
  };
  int alive = 0;
  st::hook_handle handle;
  {
    vector x = st::array<double>({1, 2});
    const life mine(&alive);
    x.register_hook([mine](const auto&) {}).remove();
    CHECK(alive == 1);
    handle = x.register_hook([mine](const auto&) {});
    x.register_hook([mine, h = handle](const auto&) { h.remove(); });  // removes another one while hooks run
    CHECK(alive == 3);
    dot(x, x).backward();
    CHECK(alive == 3);  // the handle still names it
    handle = {};
    CHECK(alive == 3);  // and so does the other hook
  }
  CHECK(alive == 0);
}

TEST_CASE("a hook may let go of what the walk came from") {
  const vector w = st::array<double>({0.5, 0.25});
  vector h1 = times(w, w), h2 = times(h1, h1), h3 = times(h2, h2);
  st::variable<double, st::extents<>> loss = dot(h3, h3);
  h3.register_hook([&](const auto&) { loss = {}, h1 = {}, h2 = {}, h3 = {}; });
  loss.backward();
  CHECK(w.grad()(0) == Approx(16 * std::pow(0.5, 15)));
}

TEST_CASE("a hook may return a tensor whose elements share a place") {
  const vector w = st::array<double>({1, 2});
  w.register_hook([](const st::tensor<double, st::rank<1>>&) { return st::expand(st::ones<double>({1}), {2}); });
  for (int i = 1; i <= 3; ++i) {
    dot(w, w).backward();
    CHECK(w.grad()(0) == i);
    CHECK(w.grad()(1) == i);
  }
}
