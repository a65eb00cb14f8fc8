// SPDX-License-Identifier: BSD-3-Clause
#include <sinter/autograd/gradcheck.hpp>
#include <sinter/sinter.hpp>

#include <cmath>

#include "../catch.hpp"

namespace st = sinter;

namespace {
/// Numbers that look random, in [-1, 1].
template <int R> st::tensor<double, st::rank<R>> numbers(const st::int64 (&sizes)[R], int seed = 1) {
  st::index_list<R> s;
  for (int d = 0; d < R; ++d) s[d] = sizes[d];
  auto t = st::detail::new_tensor<double, st::rank<R>>(s);
  for (st::int64 i = 0; i < t.numel(); ++i) t.data()[i] = std::sin(1.0 + 2.3 * static_cast<double>(i + 17 * seed));
  return t;
}
constexpr st::fn<[](auto h, auto xs, auto w, auto b) {
  auto [last, all] = st::scan([](auto c, auto x, auto weight, auto bias) {
    auto n = tanh(matmul(c, weight) + x * bias);
    return std::pair(n, n * n);
  }, h, xs, w, b);
  return sum(last) + mean(all);
}> rnn;
}  // namespace

TEST_CASE("a recurrent network over time is one program: its value and its derivatives of first and second order") {
  const st::variable h = numbers({2, 3});
  const st::variable xs = numbers({4, 2, 3}, 2);
  const st::variable w = numbers({3, 3}, 3);
  const st::variable b = numbers({3}, 4);
  st::variable loss = rnn(h, xs, w, b);
  double c[2][3], total = 0, squares = 0;
  for (int i = 0; i < 2; ++i)
    for (int j = 0; j < 3; ++j) c[i][j] = h.value()(i, j);
  for (int t = 0; t < 4; ++t) {
    double n[2][3];
    for (int i = 0; i < 2; ++i)
      for (int j = 0; j < 3; ++j) {
        double z = xs.value()(t, i, j) * b.value()(j);
        for (int k = 0; k < 3; ++k) z += c[i][k] * w.value()(k, j);
        n[i][j] = std::tanh(z), squares += n[i][j] * n[i][j];
      }
    for (int i = 0; i < 2; ++i)
      for (int j = 0; j < 3; ++j) c[i][j] = n[i][j];
  }
  for (auto& row : c)
    for (double v : row) total += v;
  CHECK(loss.item() == Approx(total + squares / 24));
  const auto first = st::gradcheck([](auto... v) { return rnn(v...); }, std::tuple(h, xs, w, b));
  CHECK(first);
  INFO(first.text);
  const auto second = st::gradgradcheck([](auto... v) { return rnn(v...); }, std::tuple(h, xs, w, b));
  INFO(second.text);
  CHECK(second);
}

namespace {
constexpr st::fn<[](auto x, auto w) {
  return sum(w * st::cond(sum(x) > 0, [](auto a, auto b) { return tanh(a * b); }, [](auto a, auto b) { return a * a + b; }, x, w));
}> branches;
// Newton's iteration for the square root, until the step is small
constexpr st::fn<[](auto a) {
  auto [root, step] = st::while_loop([](auto c) { return amax(abs(std::get<1>(c))) > 1e-3; },
                                     [=](auto c) {
                                       auto x = std::get<0>(c);
                                       auto next = 0.5 * (x + a / x);
                                       return std::tuple(next, next - x);
                                     },
                                     std::tuple(a + 1, a + 1));
  return sum(root * root * root) + 0 * sum(step);
}> roots;
}  // namespace

TEST_CASE("cond runs one of its branches, and the adjoint of that one") {
  for (const double sign : {1.0, -1.0}) {
    st::variable x = st::tensor(sign * (numbers({3}) * numbers({3})));
    const st::variable w = numbers({3}, 2);
    const st::variable y = branches(x, w);
    double s = 0;
    for (int i = 0; i < 3; ++i) {
      const double a = x.value()(i), b = w.value()(i);
      s += b * (sign > 0 ? std::tanh(a * b) : a * a + b);
    }
    CHECK(y.item() == Approx(s));
    CHECK(st::gradcheck([](auto... v) { return branches(v...); }, std::tuple(x, w)));
    CHECK(st::gradgradcheck([](auto... v) { return branches(v...); }, std::tuple(x, w)));
  }
}

TEST_CASE("while_loop runs as long as its condition says, and back through all its steps") {
  st::variable a = st::tensor(numbers({4}) * numbers({4}) + 0.5);
  const st::variable y = roots(a);
  double s = 0;
  for (int i = 0; i < 4; ++i) s += std::pow(a.value()(i), 1.5);
  CHECK(y.item() == Approx(s).epsilon(1e-5));
  CHECK(st::gradcheck([](auto v) { return roots(v); }, a));
  CHECK(st::gradgradcheck([](auto v) { return roots(v); }, a));
}
