// SPDX-License-Identifier: BSD-3-Clause
// Running sums, products, log-sums and extrema: every layout and length against plain loops, dtypes, NaN, derivatives, threads.
#include <sinter/tensor/scan.hpp>

#include "../cpu/threads.hpp"
#include "../derivatives.hpp"
#include "../reference.hpp"

namespace st = sinter;
using namespace reference;
using int8_t = st::int8;

namespace {

const double nan_value = std::nan(""), infinity = HUGE_VAL;

/// f(x_k, k, is it the first?) along dim d, in order, for every row; the results by index.
template <class X, class F> auto run_along(const X& x, int d, F f) {
  constexpr int R = X::rank;
  std::vector<double> y(static_cast<std::size_t>(x.numel()));
  auto rows = x.sizes();
  rows[d] = 1;
  each(rows, [&](sizes<R> i) {
    for (i[d] = 0; i[d] < x.sizes()[d]; ++i[d])
      y[static_cast<std::size_t>(number_of(x.sizes(), i))] = f(static_cast<double>(at(x, i)), i[d]);
  });
  return y;
}
template <class T, class E> std::vector<double> elements(const st::tensor<T, E>& t) {
  std::vector<double> v;
  each(t.sizes(), [&](const sizes<E::rank>& i) { v.push_back(static_cast<double>(at(t, i))); });
  return v;
}
bool near(const std::vector<double>& a, const std::vector<double>& b, double tolerance) {
  if (a.size() != b.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i)
    if (!(a[i] == b[i] || std::abs(a[i] - b[i]) <= tolerance * (1 + std::abs(b[i])) || (is_nan(a[i]) && is_nan(b[i])))) return false;
  return true;
}
double log_add(double a, double b) { return a == b && std::isinf(a) ? a : std::max(a, b) + std::log1p(std::exp(-std::abs(a - b))); }

enum { sums = 1, products = 2, extrema = 4, all = 7 };
/// Scans of x along d.
template <int Which = all, class X> void check_all(const X& x, int d, double tolerance) {
  double s = 0;
  if constexpr (Which & sums) CHECK(near(elements(st::cumsum(x, d)), run_along(x, d, [&](double v, int64 k) { return s = k ? s + v : v; }), tolerance));
  if constexpr (Which & products) {
    CHECK(near(elements(st::cumprod(x, d)), run_along(x, d, [&](double v, int64 k) { return s = k ? s * v : v; }), tolerance));
    CHECK(near(elements(st::logcumsumexp(x, d)), run_along(x, d, [&](double v, int64 k) { return s = k ? log_add(s, v) : v; }), tolerance));
  }
  if constexpr (!(Which & extrema)) return;
  else for (bool largest : {true, false}) {
    double best = 0, where = 0;
    const auto take = [&](double v, int64 k) {
      if (k == 0 || is_nan(v) || (largest ? v >= best : v <= best)) best = v, where = static_cast<double>(k);
    };
    const auto values = run_along(x, d, [&](double v, int64 k) { return take(v, k), best; }), places = run_along(x, d, [&](double v, int64 k) { return take(v, k), where; });
    const auto compare = [&](const auto& got) {
      CHECK(near(elements(got.values), values, 0));
      CHECK(near(elements(got.indices), places, 0));
    };
    if (largest) compare(st::cummax(x, d));
    else compare(st::cummin(x, d));
  }
}
/// Samples with ties.
template <class T, int R> auto steps(const sizes<R>& n, layout l = row_major) {
  return tensor_of<T>(n, l, [&](const sizes<R>& i) { return std::floor(sample(number_of(n, i), 3) * 4) / 4; });
}

}  // namespace

TEST_CASE("scans along every dim of every layout") {
  for (int l = 0; l < layouts; ++l)
    for (int d = 0; d < 3; ++d) {
      CAPTURE(l, d);
      check_all(steps<double>(sizes<3>{3, 37, 21}, layout(l)), d, 1e-12);
    }
}
TEST_CASE("rows of all lengths around a register and a block, many rows side by side") {
  for (int64 n : {1, 2, 15, 16, 17, 31, 33, 64, 100}) {
    CAPTURE(n);
    check_all(steps<float>(sizes<2>{2, n}), 1, 2e-6);
    check_all(steps<float>(sizes<2>{3, n}), 0, 2e-6);
  }
  check_all(tensor_of<float>(sizes<2>{1, 140000}, row_major, [](const auto& i) { return 1e-5 * sample(i[1], 1); }), 1, 2e-6);
  check_all(steps<float>(sizes<2>{2, 1100}), 0, 2e-6);
}
TEST_CASE("dtypes: halves run in double and are rounded once, integers and bool as int64") {
  check_all<sums>(tensor_of<st::half>(sizes<2>{3, 70}, row_major, [](const auto& i) { return sample(i[1], 1) / 8; }), 1, 1e-3);
  check_all<extrema>(steps<int8_t>(sizes<2>{3, 70}), 1, 0);
  check_all<sums>(steps<int64>(sizes<2>{3, 40}), 0, 0);
  check_all<sums | extrema>(steps<bool>(sizes<2>{3, 40}), 1, 0);
  CHECK(st::cumsum(st::full<st::half>({4000}, st::half(1.f)), 0)(3999).bits == st::half(4000.f).bits);
  CHECK(st::cumsum(steps<bool>(sizes<1>{3}), 0).dtype() == st::dtype::i64);
  const auto high = st::cumprod(st::full<int64>({64}, int64{3}), 0);
  CHECK(static_cast<unsigned long long>(high(63)) == 8733086111712066817ull);  // 3^64 modulo 2^64
  const auto z = st::cumsum(st::full<st::complex64>({2, 3}, st::complex64(1, -2)), 1);
  CHECK(z(1, 2) == st::complex64(3, -6));
}
TEST_CASE("NaN and infinities run on") {
  const st::tensor x = st::array<float>({static_cast<float>(-infinity), 1, static_cast<float>(nan_value), 3, static_cast<float>(nan_value), 2});
  CHECK(near(elements(st::cummax(x, 0).indices), {0, 1, 2, 2, 4, 4}, 0));
  CHECK(near(elements(st::cummin(x, 0).values), {-infinity, -infinity, nan_value, nan_value, nan_value, nan_value}, 0));
  const st::tensor y = st::array<double>({-infinity, -infinity, 0, 0, infinity, 1});
  for (int64 rows : {1, 40}) {
    const st::tensor wide = st::expand(st::unsqueeze(y, 0), {rows, 6}) + 0;
    const auto got = elements(st::logcumsumexp(wide, 1));
    CHECK(near({got.begin(), got.begin() + 6}, {-infinity, -infinity, 0, std::log(2.0), infinity, infinity}, 1e-15));
    const auto across = elements(st::logcumsumexp(st::contiguous(wide.T()), 0));
    CHECK(near({across[0], across[static_cast<std::size_t>(rows)], across[static_cast<std::size_t>(3 * rows)]}, {-infinity, -infinity, std::log(2.0)}, 1e-15));
  }
  const st::tensor far = st::array<double>({-1000, 0, 1000, 1000});
  CHECK(near(elements(st::logcumsumexp(far, 0)), {-1000, 0, 1000, 1000 + std::log(2.0)}, 1e-15));
}
TEST_CASE("products are those of one number after the other where some of them, joined on their own, would leave the range") {
  for (int64 n : {1, 9, 40, 140000}) {
    CAPTURE(n);
    const auto zeros = tensor_of<double>(sizes<2>{1, 2 + n}, row_major, [](const auto& i) { return i[1] == 0 ? 0 : 1e160; });
    CHECK(elements(st::cumprod(zeros, 1)) == std::vector<double>(static_cast<std::size_t>(2 + n), 0.0));
    // up twice, down twice: 2^600, 1, 2^-600, 1 and so on, where neighbours' products are 2^1200 and 2^-1200
    const auto waves = tensor_of<double>(sizes<2>{1, 2 + n}, row_major, [](const auto& i) { return (i[1] + 3) / 2 % 2 == 0 ? 0x1p-600 : 0x1p600; });
    CHECK(elements(st::cumprod(waves, 1)) == run_along(waves, 1, [s = 1.0](double v, int64) mutable { return s *= v; }));
  }
}
TEST_CASE("first and second derivatives of scans") {
  for (int which = 0; which < 4; ++which)
    for (int d = 0; d < 2; ++d) {
      const auto f = [which, d](const auto& v) {
        const auto y = which == 0 ? st::cumsum(v, d) : which == 1 ? st::logcumsumexp(v, d) : which == 2 ? st::cummax(v, d).values : st::cummin(v, d).values;
        return y * st::square(y);
      };
      CAPTURE(which, d);
      check_derivatives(f, samples<double>(sizes<2>{3, 5}, rotated));
    }
}
TEST_CASE("the gradient of log-sums: weights of softmax, where nothing overflows") {
  st::variable v = st::array<double>({{800, 1000, -infinity, 999}, {-infinity, -infinity, 1, 2}});
  st::variable y = st::logcumsumexp(v, 1);
  const double e = std::exp(-1.0), two = 2 + std::log1p(e);
  CHECK(near(elements(y.value()), {800, 1000, 1000, 1000 + std::log1p(e), -infinity, -infinity, 1, two}, 1e-15));
  y.backward(st::array<double>({{0, 0, 0, 1}, {0, 0, 1, 1}}));
  CHECK(near(elements(v.grad()), {0, 1 / (1 + e), 0, e / (1 + e), 0, 0, 1 + e / (1 + e), 1 / (1 + e)}, 1e-14));
}
TEST_CASE("empty and single, expressions, wrong dims") {
  CHECK(st::cumsum(st::zeros<float>({0, 2}), 0).numel() == 0);
  CHECK(st::cummax(st::zeros<float>({2, 0}), 1).indices.numel() == 0);
  st::variable none = st::zeros<double>({2, 0});
  st::variable s = st::sum(st::logcumsumexp(none, 1)) + st::sum(st::cumsum(none, 0)) + st::sum(st::cummax(none, 1).values);
  s.backward();
  CHECK(none.grad().numel() == 0);
  CHECK(st::cumsum(st::ones<float>({3}) * 2, -1)(2) == 6);
  CHECK_THROWS_AS(st::cumsum(st::ones<float>({3}), 1), st::index_error);
  CHECK_THROWS_AS(st::cummin(st::ones<float>({3}), -2), st::index_error);
}
TEST_CASE("scans are bitwise the same on any number of threads, long rows too") {
  const auto line = samples<float>(sizes<2>{1, 300000});
  const auto table = samples<double>(sizes<2>{300, 1500});
  const auto run = [&] {
    st::variable v = line;
    st::variable s = st::cumsum(v, 1);
    s.backward(line);
    return std::array{elements(s.value()), elements(v.grad()), elements(st::cumprod(line, 1)), elements(st::cumsum(table, 0)), elements(st::cumsum(table, 1)), elements(st::logcumsumexp(table, 1)), elements(st::cummax(table, 0).indices)};
  };
  const auto want = [&] { const st::executor_guard guard(st::serial_executor()); return run(); }();
  for (int count : {2, 3}) {
    some_threads threads{count};
    const st::executor_guard guard(threads.get());
    CHECK(run() == want);
    CHECK(threads.loops > 0);
  }
}
