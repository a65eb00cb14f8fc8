// SPDX-License-Identifier: BSD-3-Clause
// Chapter 2: fusion. What a line of tensor code runs, how to see it, and what `auto` means here.
// Before: 01_tensor.cpp. How it works inside: 06_how_fusion_works.cpp.
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <sinter/expr/plan.hpp>
#include <sinter/sinter.hpp>

namespace st = sinter;

void check(bool right, const char* what) {
  std::printf("  %s %s\n", right ? "ok" : "WRONG", what);
  if (!right) std::exit(1);
}
template <class E> void show(const char* code, const E& e) { std::cout << code << "\n" << st::plan(e) << "\n"; }

/// How many kernels f starts.
template <class F> int launches(F f) {
  st::counters().reset();
  f();
  return static_cast<int>(st::counters().launches);
}

/// A function may return a formula over its own tensors: the formula owns them.
auto scaled(const st::tensor<float, st::rank<2>>& x) {
  st::tensor scale = st::full<float>({}, 3);
  return st::tanh(x) * scale;
}

int main() {
  const auto x = st::randn<float>({64, 784}), w = st::randn<float>({784, 10});
  const auto b = st::randn<float>({10});

  std::puts("-- Plans: what an expression would run, without running it\n");
  show("tanh(2 * x + 1)", st::tanh(2 * x + 1));                        // element-wise: one loop over memory
  show("softmax(x, 1)", st::softmax(x, 1));                            // all passes over a row while it is in cache
  show("relu(matmul(x, w) + b)", st::relu(st::matmul(x, w) + b));      // bias and relu ride on the product
  show("softmax(matmul(x, w) + b, 1)", st::softmax(st::matmul(x, w) + b, 1));  // a row needs the whole product: two

  std::puts("-- The same numbers, counted while it runs");
  const auto formula = st::softmax(x, 1);
  check(launches([&] { st::tensor y = formula; }) == 1, "softmax was one kernel");
  check(st::counters().bytes == static_cast<st::uint64>(st::plan(formula).bytes()), "it moved the bytes of its plan");
  static_assert(st::plan_of<decltype(formula)>.rows == 1);  // the type knows

  std::puts("\n-- `auto` is a formula, `st::tensor` is its value");
  auto late = scaled(x);                 // nothing has run, and nothing dangles
  st::tensor now = late;                 // runs
  check(st::plan(late).launches() == 1, "a formula from a function, with the function's own tensor, is one kernel");
  check(now(0, 0) == st::tensor(st::tanh(x) * 3.0f)(0, 0), "and has the right value");

  std::puts("\n-- A named formula that holds a product or a reduction is evaluated once, at its first use");
  auto h = st::matmul(x, w) + b;
  const int products = launches([&] {
    st::tensor p = st::softmax(h, 1);
    st::tensor q = st::relu(h) * 2;
    st::tensor r = st::sum(h * h);
  });
  check(products == 4, "three lines that use h: one product, three kernels over its result");
  check(launches([&] { st::tensor p = st::relu(st::matmul(x, w) + b); }) == 1, "unnamed, it fuses into the line it stands in");
  auto z = 2 * x + 1;  // element-wise only: repeating it in registers is cheaper than writing it to memory
  check(launches([&] { st::tensor y = z * st::tanh(z); }) == 1, "a named element-wise formula still fuses");
  check(launches([&] { st::tensor y = st::let(st::sigmoid(x), [](auto s) { return s * (1 - s); }); }) == 1,
        "st::let names a value inside a formula: computed once, in registers");

  std::puts("\n-- A formula remembers what it was written about");
  auto doubled = x * 2;
  auto whatever = st::lazy(x * 2);
  x.copy_(0);  // writes x in place: `doubled` spoke of the old x
  bool stale = false;
  try {
    st::tensor y = doubled;
  } catch (const st::stale_expression& e) {
    stale = true;
    std::printf("  %s\n", e.what());
  }
  check(stale, "evaluating it after x was written is an error, not a surprise");
  st::tensor zero = whatever;
  check(zero(0, 0) == 0, "st::lazy(e) says that the new elements are wanted");
}
