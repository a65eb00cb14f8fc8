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

namespace {
/// c <- sqrt(x_t + c) by Newton's method, as many steps as each x_t takes.
constexpr st::fn<[](auto c, auto xs) {
  return sum(st::scan([](auto h, auto x) {
    return st::while_loop([](auto y, auto a) { return abs(y * y - a) > 1e-13 * a; }, [](auto y, auto a) { return 0.5 * (y + a / y); }, x + h, x + h);
  }, c, xs));
}> chain_of_roots;
/// h <- tanh(w h), n_t times, the numbers of steps in the data.
constexpr st::fn<[](auto w, auto h, auto ns) {
  auto [last, all] = st::scan([](auto c, auto n, auto weight) {
    auto [next, steps] = st::while_loop([](auto v, auto m, auto) { return std::get<1>(v) < m; },
        [](auto v, auto, auto m) { return std::tuple(tanh(matmul(m, std::get<0>(v))), std::get<1>(v) + 1.0); }, std::tuple(c, 0.0 * n), n, weight);
    return std::pair(next, sum(next) + 0 * steps);
  }, h, ns, w);
  return sum(last * last) + sum(all * all);
}> deep;
}  // namespace

TEST_CASE("a while_loop in a scan, of another number of steps each time: derivatives of first and second order") {
  const st::variable c = st::array<double>({2}), xs = st::array<double>({1, 200, 3, 0.01});
  const auto value = [&](int k, double h) {
    double y = 2;
    for (int t = 0; t < 4; ++t) y = std::sqrt(xs.value()(t) + (k == t ? h : 0) + y);
    return y;
  };
  const st::variable y = chain_of_roots(c, xs);
  CHECK(y.item() == Approx(value(0, 0)));
  const auto g = st::grad(y, xs, {.create_graph = true});
  for (int t = 0; t < 4; ++t) CHECK(g.value()(t) == Approx((value(t, 1e-6) - value(t, -1e-6)) / 2e-6).epsilon(1e-5));
  CHECK(st::gradcheck([&](auto a, auto b) { return chain_of_roots(a, b); }, std::tuple(c, xs)));
  CHECK(st::gradgradcheck([&](auto a, auto b) { return chain_of_roots(a, b); }, std::tuple(c, xs)));
  const st::variable w = 0.7 * numbers({3, 3}), h = numbers({3, 2}, 2);
  const st::tensor ns = st::array<double>({2, 0, 3, 1});
  CHECK(st::gradcheck([&](auto a, auto b) { return deep(a, b, ns); }, std::tuple(w, h)));
  CHECK(st::gradgradcheck([&](auto a, auto b) { return deep(a, b, ns); }, std::tuple(w, h)));
}

TEST_CASE("loops are statements, too") {
  const auto decay = [](auto c, auto x, auto k) { return c * x + k; };
  const st::tensor xs = st::array<double>({0.1, 0.2, 0.3, 0.5});
  double forth = 2, back = 2;
  for (int t = 0; t < 4; ++t) forth = forth * xs(t) + 1, back = back * xs(3 - t) + 1;
  const st::tensor a = st::scan(decay, 2.0, xs, 1.0);
  CHECK(a.item() == Approx(forth));
  const st::tensor b = st::scan(decay, st::full<double>({2}, 2.0), st::reversed(xs), 1.0);
  CHECK(b(1) == Approx(back));
  const st::tensor c = st::cond(xs(0), [](auto x) { return 2 * x; }, [](auto x) { return -x; }, xs);
  CHECK(c(3) == 1.0);
  const st::tensor d = st::while_loop([](auto i) { return i < 10; }, [](auto i) { return 2 * i; }, st::full<st::int64>({}, 1));
  CHECK(d.item() == 16);
}

TEST_CASE("steps in reverse order; numbers as carries take the dtype of a step") {
  const st::tensor back = st::scan([](auto c, auto t) { return 2 * c + t; }, st::full<double>({}, 0.5), st::reversed(st::steps(3)));
  CHECK(back.item() == 2 * (2 * (2 * 0.5 + 2) + 1) + 0);
  const st::tensor tenth = st::full<double>({}, 0.1);
  const st::tensor sum = st::while_loop([](auto c, auto) { return c < 1; }, [](auto c, auto d) { return c + d; }, 0.0, tenth);
  static_assert(std::is_same_v<decltype(sum)::value_type, double>);
  double want = 0;
  while (want < 1) want += 0.1;
  CHECK(sum.item() == want);
  const auto [a, b] = st::scan([](auto c, auto x) { return std::tuple(std::get<0>(c) + x, std::get<1>(c) + std::get<0>(c)); }, std::tuple(0, 0), st::array<double>({0.5, 1.5}));
  CHECK(a.item() == 2);
  CHECK(b.item() == 0.5);
}

TEST_CASE("a product in a loop whose operands are computed for it") {
  const auto w = numbers({24, 24}), c = numbers({24, 24}, 2);
  const auto xs = numbers({5, 24, 24}, 3);
  const st::tensor last = st::scan([](auto h, auto x, auto m) { return matmul(0.2 * tanh(h), m * x); }, c, xs, w);
  st::tensor h = c;
  for (int t = 0; t < 5; ++t) {
    const st::tensor a = st::tensor(0.2 * st::tanh(h)), b = st::tensor(w * xs(t));
    h = st::tensor(st::matmul(a, b));
  }
  CHECK(st::tensor(st::amax(st::abs(last - h))).item() < 1e-14);
}

TEST_CASE("a loop with several results as a statement: tensors by one run, variables as expressions") {
  const auto f = [](auto c, auto x) {
    auto [a, b] = c;
    return std::pair(std::tuple(a + x, a * b), std::tuple(a * x, b));
  };
  const st::tensor xs = st::array<double>({1, 2, 3}), one = st::full<double>({2}, 1.0);
  const auto [last, all] = st::scan(f, std::tuple(one, one + 1), xs);
  double a = 1, b = 2;
  for (int t = 0; t < 3; ++t) {
    CHECK(std::get<0>(all)(t, 1) == a * xs(t));
    CHECK(std::get<1>(all)(t, 0) == b);
    const double next = a + xs(t);
    b *= a, a = next;
  }
  CHECK(std::get<0>(last)(0) == a);
  CHECK(std::get<1>(last)(1) == b);
  const st::variable v = xs;
  const auto [end, kept] = st::scan([](auto c, auto x) { return std::pair(c * x, c); }, 2.0, v);
  const st::variable y = st::sum(kept) + end;
  y.backward();
  CHECK(y.item() == 2 + 2 + 4 + 12);
  CHECK(v.grad()(0) == 2 + 4 + 12);
  CHECK(v.grad()(2) == 4);
  const auto [positive, doubled] = st::cond(xs(0), [](auto x) { return std::tuple(x, 2 * x); }, [](auto x) { return std::tuple(-x, x); }, xs);
  CHECK(positive(2) == 3);
  CHECK(doubled(2) == 6);
  const auto [count, power] = st::while_loop([](auto c) { return std::get<1>(c) < 100; }, [](auto c) { return std::tuple(std::get<0>(c) + 1, std::get<1>(c) * 3); },
                                             std::tuple(st::full<st::int64>({}, 0), st::full<double>({}, 1)));
  CHECK(count.item() == 5);
  CHECK(power.item() == 243);
  // complex and real side by side
  const auto [z, r] = st::scan([](auto c, auto x) { return std::pair(c * x, st::abs(c)); }, st::complex128(0, 1), xs);
  CHECK(z.item() == st::complex128(0, 6));
  CHECK(r(2) == 2);
}

TEST_CASE("the step's number, stacked results, no steps at all, integers") {
  constexpr st::fn<[](auto x, auto n) { return st::scan([](auto c, auto i) { return c + i; }, x, n); }> add_numbers;
  const st::tensor x = st::array<double>({1, 2});
  const st::tensor y = add_numbers(x, st::steps(5));
  CHECK(y(1) == 12);
  const st::tensor none = add_numbers(x, st::steps(0));
  CHECK(none(1) == 2);
  CHECK_THROWS_WITH(st::tensor(add_numbers(x, st::steps(-1))), Catch::Contains("number of steps"));
  const st::tensor whole = add_numbers(st::array<st::int64>({1, 2}), st::steps(5));
  CHECK(whole(0) == 11);
  constexpr st::fn<[](auto c, auto xs) { return st::scan([](auto s, auto v) { return std::pair(s + v, s); }, c, xs).second; }> before;
  const st::tensor sums = before(0.5, st::array<double>({1, 2, 3}));
  CHECK(sums.sizes()[0] == 3);
  CHECK(sums(2) == 3.5);
  const st::tensor empty = before(st::ones<double>({2}), st::zeros<double>({0, 2}));
  CHECK(empty.sizes()[0] == 0);
  CHECK(empty.sizes()[1] == 2);
}

TEST_CASE("a loop that changes its carry's shape, or whose operands have other lengths, is an error that says so") {
  const st::tensor x = st::ones<double>({2});
  CHECK_THROWS_WITH(st::tensor(st::scan([](auto c, auto v) { return c + v; }, st::ones<double>({1, 2}), st::ones<double>({4, 3, 2}))), Catch::Contains("shape"));
  constexpr st::fn<[](auto c, auto a, auto b) { return st::scan([](auto s, auto v) { return s + std::get<0>(v) * std::get<1>(v); }, c, std::tuple(a, b)); }> two;
  CHECK_THROWS_WITH(st::tensor(two(x, st::ones<double>({3, 2}), st::ones<double>({4, 2}))), Catch::Contains("one number of steps"));
  CHECK_THROWS_WITH(st::tensor(st::scan([](auto c, auto v) { return matmul(c, v); }, st::ones<double>({2, 2}), st::ones<double>({3, 4, 2}))), Catch::Contains("inner"));
  CHECK_THROWS_WITH(st::tensor(st::cond(st::ones<double>({2}), [](auto v) { return v; }, [](auto v) { return v; }, x)), Catch::Contains("one element"));
}

TEST_CASE("rolled operands: any layout, along rows, into products, further than the extent") {
  constexpr st::fn<[](auto x) { return roll(roll(x, 1, 0), -2, 1) - 3 * roll(x, 7, 1); }> stencil;
  constexpr st::fn<[](auto x) { return sum(roll(x, 1, 1) * x, 1); }> rows;
  constexpr st::fn<[](auto x) { return matmul(roll(x, 1, 0), roll(x * x, 1, 1)); }> product;
  const st::tensor x = numbers({5, 5});
  const auto at = [&](st::int64 i, st::int64 j) { return x(((i % 5) + 5) % 5, ((j % 5) + 5) % 5); };
  for (const st::tensor<double, st::rank<2>>& in : {st::tensor<double, st::rank<2>>(x), st::tensor<double, st::rank<2>>(st::clone(x.T()).T())}) {
    const st::tensor a = stencil(in);
    const st::tensor r = rows(in);
    const st::tensor p = product(in);
    for (int i = 0; i < 5; ++i) {
      double s = 0;
      for (int j = 0; j < 5; ++j) {
        CHECK(a(i, j) == Approx(at(i - 1, j + 2) - 3 * at(i, j - 7)));
        s += at(i, j - 1) * at(i, j);
        double q = 0;
        for (int k = 0; k < 5; ++k) q += at(i - 1, k) * at(k, j - 1) * at(k, j - 1);
        CHECK(p(i, j) == Approx(q));
      }
      CHECK(r(i) == Approx(s));
    }
  }
  const st::variable v = x;
  CHECK(st::gradcheck([=](auto w) { return product(w); }, v));
  CHECK(st::gradcheck([=](auto w) { return rows(w); }, v));
}

TEST_CASE("rolls by more than two fields of 14 bits hold alone") {
  constexpr st::fn<[](auto x) { return roll(x, -10000, 0) + 2 * roll(x, 60000, 0); }> far;
  const st::tensor x = st::arange<double>(70001);
  const st::tensor y = far(x);
  CHECK(y(0) == 10000 + 2 * 10001);
  CHECK(y(60000) == 70000);
}

TEST_CASE("operands of an inner loop, and what a body returns, may be values from around the outer one") {
  constexpr st::fn<[](auto x, auto k) {
    auto [last, all] = st::scan([=](auto c, auto) {
      auto inner = st::scan([](auto d, auto i, auto by) { return d + by * i; }, c, st::checkpointed<2>(st::steps(3)), k);
      auto chosen = st::cond(sum(k) > 0, [](auto a, auto b) { return a * b; }, [](auto a, auto) { return a; }, inner, k);
      return std::pair(chosen, k);
    }, x, st::steps(2));
    return last + sum(all, 0);
  }> around;
  const st::variable x = numbers({2});
  const st::variable k = st::full<double>({2}, 0.3);
  const st::variable y = around(x, k);
  for (int i = 0; i < 2; ++i) CHECK(y.value()(i) == Approx(((x.value()(i) + 0.9) * 0.3 + 0.9) * 0.3 + 0.6));
  CHECK(st::gradcheck([=](auto... v) { return around(v...); }, std::tuple(x, k)));
}

TEST_CASE("a number of steps at run time that the body of another loop alone reads") {
  constexpr st::fn<[](auto x, auto n) {
    return st::scan([=](auto c, auto) { return st::scan([](auto d, auto i) { return 0.5 * d + i; }, c, n); }, x, st::steps(3));
  }> inside;
  st::variable x = st::ones<double>({2});
  st::variable y = inside(x, st::steps(2));
  CHECK(y.value()(1) == Approx(1.0 / 64 + 1 + 1.0 / 4 + 1.0 / 16));
  y.backward(st::ones<double>({2}));
  CHECK(x.grad()(1) == Approx(1.0 / 64));
  CHECK(st::gradgradcheck([=](auto v) { return inside(v, st::steps(2)); }, x));
}

TEST_CASE("a loop in a loop, and names from around both") {
  constexpr st::fn<[](auto u, auto k) {
    return st::scan([=](auto c, auto) {
      return st::scan([=](auto d, auto) { return d + k * (roll(d, 1, 0) - d) * c; }, c, st::steps(2));
    }, u, st::steps(3));
  }> nested;
  const st::variable u = numbers({4});
  const st::variable k = st::full<double>({}, 0.3);
  const st::variable y = nested(u, k);
  double d[4], c[4];
  for (int i = 0; i < 4; ++i) d[i] = u.value()(i);
  for (int t = 0; t < 3; ++t) {
    for (int i = 0; i < 4; ++i) c[i] = d[i];
    for (int s = 0; s < 2; ++s) {
      double e[4];
      for (int i = 0; i < 4; ++i) e[i] = d[i] + 0.3 * (d[(i + 3) % 4] - d[i]) * c[i];
      for (int i = 0; i < 4; ++i) d[i] = e[i];
    }
  }
  for (int i = 0; i < 4; ++i) CHECK(y.value()(i) == Approx(d[i]));
  CHECK(st::gradcheck([=](auto... v) { return nested(v...); }, std::tuple(u, k)));
}

namespace {
constexpr st::fn<[](auto q, auto scale) {
  auto [last, all] = st::scan([](auto u, auto i, auto s) {
    auto up = roll(u, -1, 0);
    auto flux = (exp(0.125 * log(u / up)) - 1) * s + 0.01 * i * sin(u);
    return std::pair(u + roll(flux, 1, 0) - flux, flux * up);
  }, q, st::steps(5), scale);
  return sum(last * last) + mean(all);
}> transport;
}  // namespace

TEST_CASE("steps of several kernels over vectors, with functions that are rolled, for every length") {
  for (const st::int64 n : {1, 2, 3, 9, 40}) {
    const st::variable q = st::tensor(numbers({n}) * numbers({n}) + 1);
    const st::variable s = numbers({n}, 3);
    std::vector<double> u(static_cast<std::size_t>(n)), f(u), v(u);
    for (st::int64 i = 0; i < n; ++i) u[static_cast<std::size_t>(i)] = q.value()(i);
    double slices = 0, total = 0;
    for (int t = 0; t < 5; ++t) {
      for (std::size_t i = 0; i < u.size(); ++i) {
        const double up = u[(i + 1) % u.size()];
        f[i] = (std::pow(u[i] / up, 0.125) - 1) * s.value()(static_cast<st::int64>(i)) + 0.01 * t * std::sin(u[i]);
        slices += f[i] * up;
      }
      for (std::size_t i = 0; i < u.size(); ++i) v[i] = u[i] + f[(i + u.size() - 1) % u.size()] - f[i];
      u = v;
    }
    for (const double x : u) total += x * x;
    const st::variable y = transport(q, s);
    CHECK(y.item() == Approx(total + slices / static_cast<double>(5 * n)));
    CHECK(st::gradcheck([](auto... w) { return transport(w...); }, std::tuple(q, s)));
  }
}

TEST_CASE("checkpointed steps: the same values and gradients, and fewer carries kept") {
  const auto step = [](auto c, auto i, auto k) { return c + k * sin(c + 0.1 * i); };
  const st::variable u = numbers({1000});
  const st::variable k = st::full<double>({}, 0.3);
  for (const int n : {0, 5, 16, 37, 100}) {
    const auto run = [&](auto xs) {
      u.zero_grad(), k.zero_grad();
      const st::int64 before = st::memory_allocated();
      const st::variable y = st::scan(step, u, xs, k);
      const st::int64 held = st::memory_allocated() - before;
      y.backward(st::ones<double>({1000}));
      return std::tuple(st::tensor(y.detach() + 0), st::tensor(u.grad() + 0), k.grad().defined() ? k.grad().item() : 0.0, held);
    };
    const auto [y1, g1, k1, kept] = run(st::steps(n));
    const auto [y2, g2, k2, few] = run(st::checkpointed<8>(st::steps(n)));
    CHECK(y2(7) == Approx(y1(7)));
    CHECK(g2(7) == Approx(g1(7)));
    CHECK(k2 == Approx(k1));
    if (n == 100) CHECK(few < kept / 4);
  }
}
