// SPDX-License-Identifier: BSD-3-Clause
// What one recorded statement runs and saves: plans of forward and backward, and the counts that prove them.
#include <sinter/autograd/gradcheck.hpp>
#include <sinter/sinter.hpp>

#include "../catch.hpp"

namespace st = sinter;

namespace {

template <class P> constexpr int kernels(st::kernel_kind k) {
  int n = 0;
  for (int s = 0; s < st::detail::schedule_of<P>.count; ++s) n += st::detail::schedule_of<P>.stages[s].kind == k;
  return n;
}
template <class P> constexpr int all_kernels = st::detail::schedule_of<P>.count;

template <class X> struct plans_of {
  using program = st::detail::program_of<X>;
  using derived = st::detail::derived<program, typename st::detail::marks_of<X>::type>;
  using forward = typename derived::forward;
  using backward = typename derived::backward;
  static constexpr auto& tables = derived::tables;
};
constexpr auto row = st::kernel_kind::row, contract = st::kernel_kind::contract;

}  // namespace

TEST_CASE("softmax and its gradient are one row kernel each") {
  st::variable x = st::randn<double>({6, 5});
  auto e = st::softmax(x, 1);
  using p = plans_of<decltype(e)>;
  static_assert(all_kernels<p::forward> == 1 && kernels<p::forward>(row) == 1);
  static_assert(all_kernels<p::backward> == 1 && kernels<p::backward>(row) == 1);
  st::counters().reset();
  st::variable y = e;
  CHECK(st::counters().launches == 1);
  y.backward(st::ones<double>({6, 5}));
  CHECK(st::counters().launches == 2);
}

TEST_CASE("layer_norm and its whole gradient, weight and bias included, are one row kernel each") {
  st::variable x = st::randn<double>({6, 5});
  st::variable w = st::randn<double>({5}), b = st::randn<double>({5});
  auto e = st::layer_norm(x, w, b);
  using p = plans_of<decltype(e)>;
  static_assert(all_kernels<p::forward> == 1 && kernels<p::forward>(row) == 1);
  static_assert(all_kernels<p::backward> == 1 && kernels<p::backward>(row) == 1);
}

TEST_CASE("cross_entropy is one row kernel, its gradient one more") {
  st::variable x = st::randn<double>({6, 5});
  auto t = st::array<st::int64>({0, 1, 2, 3, 4, 0});
  auto e = st::cross_entropy(x, t);
  using p = plans_of<decltype(e)>;
  static_assert(all_kernels<p::forward> == 1 && kernels<p::forward>(row) == 1);
  static_assert(all_kernels<p::backward> == 1);
  st::counters().reset();
  st::variable y = e;
  y.backward();
  CHECK(st::counters().launches == 2);
}

TEST_CASE("an activation after a product is the product's epilogue") {
  st::variable x = st::randn<double>({6, 5}), w = st::randn<double>({5, 4});
  st::variable b = st::randn<double>({4});
  auto e = st::gelu(st::matmul(x, w) + b);
  using p = plans_of<decltype(e)>;
  static_assert(all_kernels<p::program> == 1 && kernels<p::program>(contract) == 1);
  static_assert(all_kernels<p::forward> == 1 && kernels<p::forward>(contract) == 1);
}

TEST_CASE("a two-layer network with cross-entropy: 2 products and 1 row forward, 3 products and 2 more backward") {
  st::tensor x = st::randn<double>({6, 5});
  st::variable w1 = st::randn<double>({5, 7}), w2 = st::randn<double>({7, 3});
  st::variable b1 = st::randn<double>({7}), b2 = st::randn<double>({3});
  auto t = st::array<st::int64>({0, 1, 2, 2, 1, 0});
  auto e = st::cross_entropy(st::matmul(st::relu(st::matmul(x, w1) + b1), w2) + b2, t);
  using p = plans_of<decltype(e)>;
  static_assert(kernels<p::forward>(contract) == 2 && kernels<p::forward>(row) == 1 && all_kernels<p::forward> == 3);
  static_assert(kernels<p::backward>(contract) == 3 && all_kernels<p::backward> <= 5);
  st::counters().reset();
  st::variable loss = e;
  CHECK(st::counters().launches == 3);
  loss.backward();
  CHECK(st::counters().launches <= 8);
  auto f = [&](auto a1, auto c1, auto a2, auto c2) {
    return st::cross_entropy(st::matmul(st::relu(st::matmul(x, a1) + c1), a2) + c2, t);
  };
  const auto report = st::gradcheck(f, std::tuple(w1, b1, w2, b2));
  INFO(report.text);
  CHECK(report.ok);
}

TEST_CASE("relu and tanh save their result only") {
  st::variable x = st::randn<double>({6, 5});
  using relu = plans_of<decltype(st::relu(x))>;
  static_assert(relu::tables.saved == 1 && relu::tables.saves_results && !relu::tables.leaf_read[0]);
  using tanh = plans_of<decltype(st::tanh(x))>;
  static_assert(tanh::tables.saved == 1 && tanh::tables.saves_results && !tanh::tables.leaf_read[0]);
  CHECK(true);
}

TEST_CASE("element-wise intermediate values are not saved") {
  st::variable x = st::randn<double>({6, 5});
  using p = plans_of<decltype(st::exp(st::tanh(x) * x) * x)>;
  static_assert(p::tables.saved == 0 && p::tables.leaf_read[0]);
  CHECK(true);
}

TEST_CASE("a choice made on a computed value is saved, not made again") {
  st::variable a = st::randn<double>({6, 5}), b = st::randn<double>({6, 5});
  using p = plans_of<decltype(st::sum(st::relu(a * b + 1.0)))>;
  static_assert(p::tables.saved == 1 && p::derived::forward::result_count == 2);
  using q = plans_of<decltype(st::sum(st::relu(a)))>;  // chosen by a leaf: read again, the same bits
  static_assert(q::tables.saved <= 1);
  CHECK(true);
}

TEST_CASE("a named product used three times is computed once and passes its gradient once") {
  st::variable x = st::randn<double>({6, 5}), w = st::randn<double>({5, 4});
  st::counters().reset();
  auto h = st::matmul(x, w);
  st::variable a = st::sum(st::tanh(h)), b = st::sum(h * h);
  CHECK(st::counters().launches == 3);
  st::variable l = a + b;
  l.backward();
  auto g = st::clone(w.grad());
  w.zero_grad();
  st::variable l2 = st::sum(st::let(st::matmul(x, w), [](auto k) { return tanh(k) + k * k; }));
  l2.backward();
  st::tensor worst = st::max(st::abs(g - w.grad()));
  CHECK(worst.item() < 1e-12);
}

TEST_CASE("operands that broadcast only at run time get summed gradients") {
  st::variable x = st::randn<double>({4, 5}), r = st::randn<double>({1, 5}), c = st::randn<double>({4, 1});
  auto f = [](auto a, auto b, auto d) { return a * b + d * st::tanh(a) * b; };
  const auto report = st::gradcheck(f, std::tuple(x, r, c));
  INFO(report.text);
  CHECK(report.ok);
}

TEST_CASE("a reduction over a dim that is 1 at run time and broadcast afterwards") {
  st::variable x = st::randn<double>({4, 5}), c = st::randn<double>({4, 1});
  auto f = [](auto a, auto d) { return st::softmax(d, 1) * a + st::mean(d * d, 1, st::keepdim) * a; };
  const auto report = st::gradcheck(f, std::tuple(x, c));
  INFO(report.text);
  CHECK(report.ok);
}

TEST_CASE("one variable as several operands has one gradient") {
  st::variable x = st::randn<double>({5, 5});
  auto f = [](auto a) { return st::matmul(a, a) * a + a * a; };
  const auto report = st::gradcheck(f, x);
  INFO(report.text);
  CHECK(report.ok);
}
