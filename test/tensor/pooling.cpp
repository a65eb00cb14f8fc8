// SPDX-License-Identifier: BSD-3-Clause
// Pooling: every option against plain loops over windows, values that PyTorch gives, derivatives, layouts, dtypes, errors, threads.
#include <sinter/tensor/pooling.hpp>

#include "../cpu/threads.hpp"
#include "../derivatives.hpp"
#include "../reference.hpp"

namespace st = sinter;
using namespace reference;
using int32_t = st::int32;

namespace {

const double nan_value = std::nan(""), infinity = HUGE_VAL;

struct window { int64 first, last, step, counted; };  // elements first, first + step, ... below last; how many an average counts
struct axis {
  int64 in, out;
  std::vector<window> windows;
};
/// Windows as PyTorch defines them.
axis windows_of(int64 in, int64 k, int64 s, int64 p, int64 d, bool ceil, bool border) {
  const int64 room = in + 2 * p - d * (k - 1) - 1 + (ceil ? s - 1 : 0);
  axis a{in, room / s + 1, {}};
  if (ceil && (a.out - 1) * s >= in + p) --a.out;
  for (int64 o = 0; o < a.out; ++o) {
    int64 first = o * s - p;
    const int64 padded = std::min(first + d * (k - 1) + 1, in + p), last = std::min(padded, in);
    const int64 counted = border ? padded - first : last - std::max<int64>(first, 0);
    while (first < 0) first += d;
    a.windows.push_back({first, last, d, counted});
  }
  return a;
}
axis adaptive(int64 in, int64 out) {
  axis a{in, out, {}};
  for (int64 o = 0; o < out; ++o) {
    const int64 first = o * in / out, last = ((o + 1) * in + out - 1) / out;
    a.windows.push_back({first, last, 1, last - first});
  }
  return a;
}
struct answer { std::vector<double> largest, mean; std::vector<int64> index; };
/// Planes of x, one after the other, over three axes.
answer pooled(const std::vector<double>& x, const axis (&a)[3], double divisor = 0) {
  answer y;
  const int64 plane = a[0].in * a[1].in * a[2].in, planes = static_cast<int64>(x.size()) / plane;
  for (int64 p = 0; p < planes; ++p)
    for (const window& u : a[0].windows)
      for (const window& v : a[1].windows)
        for (const window& w : a[2].windows) {
          double best = -infinity, sum = 0;
          int64 at = -1;
          for (int64 i = u.first; i < u.last; i += u.step)
            for (int64 j = v.first; j < v.last; j += v.step)
              for (int64 k = w.first; k < w.last; k += w.step) {
                const int64 q = (i * a[1].in + j) * a[2].in + k;
                const double e = x[static_cast<std::size_t>(p * plane + q)];
                if (at < 0 || e > best || is_nan(e)) best = e, at = q;
                sum += e;
              }
          y.largest.push_back(best), y.index.push_back(at);
          y.mean.push_back(sum / (divisor != 0 ? divisor : static_cast<double>(u.counted * v.counted * w.counted)));
        }
  return y;
}
template <class T, class E> std::vector<double> elements(const st::tensor<T, E>& t) {
  std::vector<double> v;
  each(t.sizes(), [&](const sizes<E::rank>& i) { v.push_back(static_cast<double>(at(t, i))); });
  return v;
}
bool near(const std::vector<double>& a, const std::vector<double>& b, double tolerance = 1e-13) {
  if (a.size() != b.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i)
    if (!(a[i] == b[i] || std::abs(a[i] - b[i]) <= tolerance * (1 + std::abs(b[i])) || (is_nan(a[i]) && is_nan(b[i])))) return false;
  return true;
}
bool equal(const std::vector<double>& a, const std::vector<double>& b) { return near(a, b, 0); }
std::vector<double> numbers(const std::vector<int64>& v) { return {v.begin(), v.end()}; }
template <class T> using planes_2d = st::tensor<T, st::rank<4>>;
const axis one = {1, 1, {{0, 1, 1, 1}}};

/// Samples with few different values: many ties.
template <class T> planes_2d<T> ties(const sizes<4>& n, layout l = row_major) {
  return tensor_of<T>(n, l, [&](const sizes<4>& i) { return std::floor(sample(number_of(n, i), 3) * 2) / 2; });
}

}  // namespace

TEST_CASE("maxima of windows and where they are: kernels, strides, padding, dilation, ceil_mode") {
  struct option { int32_t k[2], s[2], p[2], d[2]; bool ceil; };
  const option options[] = {{{2, 2}, {2, 2}, {0, 0}, {1, 1}, false}, {{3, 3}, {2, 2}, {1, 1}, {1, 1}, false}, {{3, 3}, {1, 1}, {1, 1}, {1, 1}, false},
                            {{3, 2}, {2, 1}, {1, 1}, {2, 3}, false}, {{2, 3}, {3, 2}, {1, 0}, {1, 2}, true}, {{3, 3}, {2, 2}, {0, 1}, {1, 1}, true},
                            {{1, 5}, {1, 3}, {0, 2}, {1, 1}, true}, {{4, 4}, {5, 5}, {2, 2}, {1, 1}, true}};
  for (const auto& o : options)
    for (auto n : {sizes<4>{2, 3, 9, 11}, sizes<4>{1, 1, 7, 45}, sizes<4>{1, 2, 6, 130}}) {
      const auto x = ties<float>(n);
      const axis a[3] = {one, windows_of(n[2], o.k[0], o.s[0], o.p[0], o.d[0], o.ceil, true), windows_of(n[3], o.k[1], o.s[1], o.p[1], o.d[1], o.ceil, true)};
      const answer want = pooled(elements(x), a);
      const st::max_pool_options<2> with{.stride = {o.s[0], o.s[1]}, .padding = {o.p[0], o.p[1]}, .dilation = {o.d[0], o.d[1]}, .ceil_mode = o.ceil};
      CAPTURE(n[3], o.k[0], o.k[1], o.s[0], o.s[1], o.p[1], o.d[1], o.ceil);
      const auto y = st::max_pool2d(x, {o.k[0], o.k[1]}, with);
      CHECK(y.sizes() == sizes<4>{n[0], n[1], a[1].out, a[2].out});
      CHECK(equal(elements(y), want.largest));
      const auto both = st::max_pool2d_with_indices(x, {o.k[0], o.k[1]}, with);
      CHECK(equal(elements(both.values), want.largest));
      CHECK(equal(elements(both.indices), numbers(want.index)));
    }
}
TEST_CASE("means of windows: borders that count or do not, divisors") {
  for (int32_t k : {2, 3, 5})
    for (int32_t s : {1, 2, 3})
      for (int32_t p : {0, k / 2})
        for (bool ceil : {false, true})
          for (bool border : {false, true}) {
            const sizes<4> n{2, 2, 8, 37};
            const auto x = samples<double>(n);
            const axis a[3] = {one, windows_of(8, 2, s, 1, 1, ceil, border), windows_of(37, k, s, p, 1, ceil, border)};
            CAPTURE(k, s, p, ceil, border);
            const auto y = st::avg_pool2d(x, {2, k}, {.stride = s, .padding = {1, p}, .ceil_mode = ceil, .count_include_pad = border});
            CHECK(y.sizes() == sizes<4>{2, 2, a[1].out, a[2].out});
            CHECK(near(elements(y), pooled(elements(x), a).mean));
            const auto z = st::avg_pool2d(x, {2, k}, {.stride = s, .padding = {1, p}, .ceil_mode = ceil, .divisor_override = -3});
            CHECK(near(elements(z), pooled(elements(x), a, -3).mean));
          }
}
TEST_CASE("adaptive windows cut an image as evenly as they can") {
  for (int32_t out : {1, 2, 3, 5, 7, 56, 60}) {
    const auto x = ties<double>({2, 2, 14, 56});
    const int32_t rows = std::min(out, 14);
    const axis a[3] = {one, adaptive(14, rows), adaptive(56, out)};
    const answer want = pooled(elements(x), a);
    CAPTURE(out);
    CHECK(near(elements(st::adaptive_avg_pool2d(x, {rows, out})), want.mean));
    CHECK(equal(elements(st::adaptive_max_pool2d(x, {rows, out})), want.largest));
    CHECK(equal(elements(st::adaptive_max_pool2d_with_indices(x, {rows, out}).indices), numbers(want.index)));
  }
  const auto x = samples<float>(sizes<3>{2, 3, 100000});
  const axis a[3] = {one, one, adaptive(100000, 1)};
  CHECK(near(elements(st::adaptive_avg_pool1d(x, 1)), pooled(elements(x), a).mean, 1e-7));
  CHECK(st::adaptive_avg_pool2d(samples<float>(sizes<3>{2, 4, 6}), {st::keep_size, 3}).sizes() == sizes<3>{2, 4, 3});
}
TEST_CASE("one and three dims, without a batch dim, long rows in blocks") {
  const auto line = ties<float>({1, 1, 3, 5000});
  const auto flat = st::reshape(line, {3, 5000});
  const axis a[3] = {one, one, windows_of(5000, 4, 2, 2, 3, false, true)};
  const answer want = pooled(elements(flat), a);
  const auto both = st::max_pool1d_with_indices(flat, 4, {.stride = 2, .padding = 2, .dilation = 3});
  CHECK(both.values.sizes() == sizes<2>{3, a[2].out});
  CHECK(equal(elements(st::max_pool1d(flat, 4, {.stride = 2, .padding = 2, .dilation = 3})), want.largest));
  CHECK(equal(elements(both.indices), numbers(want.index)));
  const axis m[3] = {one, one, windows_of(5000, 25, 1, 12, 1, false, true)};
  CHECK(near(elements(st::avg_pool1d(flat, 25, {.stride = 1, .padding = 12})), pooled(elements(flat), m).mean, 1e-6));

  const auto cube = samples<double>(sizes<5>{2, 2, 5, 6, 7});
  const axis c[3] = {windows_of(5, 2, 1, 1, 2, false, true), windows_of(6, 3, 2, 1, 1, false, true), windows_of(7, 2, 2, 0, 1, false, true)};
  const answer best = pooled(elements(cube), c);
  const auto y = st::max_pool3d_with_indices(cube, {2, 3, 2}, {.stride = {1, 2, 2}, .padding = {1, 1, 0}, .dilation = {2, 1, 1}});
  CHECK(equal(elements(y.values), best.largest));
  CHECK(equal(elements(y.indices), numbers(best.index)));
  const axis d[3] = {windows_of(5, 2, 2, 0, 1, true, false), windows_of(6, 3, 1, 1, 1, true, false), windows_of(7, 2, 3, 1, 1, true, false)};
  CHECK(near(elements(st::avg_pool3d(cube, {2, 3, 2}, {.stride = {2, 1, 3}, .padding = {0, 1, 1}, .ceil_mode = true, .count_include_pad = false})), pooled(elements(cube), d).mean));
  const axis e[3] = {adaptive(5, 2), adaptive(6, 4), adaptive(7, 3)};
  CHECK(near(elements(st::adaptive_avg_pool3d(cube, {2, 4, 3})), pooled(elements(cube), e).mean));
  CHECK(equal(elements(st::adaptive_max_pool3d(cube, {2, 4, 3})), pooled(elements(cube), e).largest));
}
TEST_CASE("NaN is larger than all, the last of several is chosen; of equal elements the first; of nothing but -inf the first inside") {
  const st::tensor x = st::array<float>({{1, static_cast<float>(nan_value), 3, static_cast<float>(nan_value), 2, 2}});
  const auto y = st::max_pool1d_with_indices(x, 3, {.stride = 1});
  CHECK(equal(elements(y.values), {nan_value, nan_value, nan_value, nan_value}));
  CHECK(equal(elements(y.indices), {1, 3, 3, 3}));
  CHECK(equal(elements(st::max_pool1d(x, 2)), {nan_value, nan_value, 2}));
  const st::tensor low = st::full<float>({1, 3}, static_cast<float>(-infinity));
  CHECK(equal(elements(st::max_pool1d_with_indices(low, 3, {.stride = 1, .padding = 1}).indices), {0, 0, 1}));
  CHECK(equal(elements(st::adaptive_max_pool1d_with_indices(x, 2).indices), {1, 3}));
  const st::tensor smallest = st::full<int>({1, 2, 4}, -2147483647 - 1);
  CHECK(equal(elements(st::max_pool2d_with_indices(smallest, 2, {.stride = {1, 2}, .padding = 1}).indices), {0, 1, 3, 0, 1, 3, 4, 5, 7}));
  // a window that steps over all there is: PyTorch's value, and no element
  const auto none = st::max_pool1d_with_indices(st::ones<float>({1, 2}), 2, {.stride = 1, .padding = 1, .dilation = 3});
  CHECK(equal(elements(none.values), {-infinity}));
  CHECK(none.indices.data()[0] == -1);
  CHECK(st::detail::pool_max<st::int8>::none() == -128);
  const auto rows = st::max_pool2d_with_indices(st::ones<float>({1, 2, 40}), {2, 1}, {.stride = 1, .padding = {1, 0}, .dilation = {3, 1}});
  CHECK(equal(elements(rows.values), std::vector<double>(40, -infinity)));
  CHECK(equal(elements(rows.indices), std::vector<double>(40, -1)));
}
TEST_CASE("values as PyTorch gives them") {
  const st::tensor x = st::reshape(st::arange<float>(7), {1, 7});
  CHECK(equal(elements(st::max_pool1d(x, 2, {.ceil_mode = true})), {1, 3, 5, 6}));
  CHECK(near(elements(st::avg_pool1d(x, 3, {.stride = 2, .padding = 1, .ceil_mode = true})), {1.0 / 3, 2, 4, 11.0 / 3}, 1e-6));
  CHECK(near(elements(st::avg_pool1d(x, 3, {.stride = 2, .padding = 1, .ceil_mode = true, .count_include_pad = false})), {0.5, 2, 4, 5.5}, 1e-6));
  const st::tensor k = st::reshape(-st::arange<int64>(16) - 1, {1, 4, 4});
  CHECK(equal(elements(st::avg_pool2d(k, 2)), {-3, -5, -11, -13}));
  const st::tensor lowest = st::full<int64>({1, 2}, std::numeric_limits<int64>::min());
  CHECK(st::avg_pool1d(lowest, 1, {.stride = 3, .divisor_override = -1})(0, 0) == lowest(0, 0));  // wraps, as elsewhere
}
TEST_CASE("dtypes: halves are computed in float and rounded once, integers are exact") {
  const auto run = []<class T>(T, double tolerance) {
    const auto x = samples<T>(sizes<4>{1, 3, 9, 21});
    const axis a[3] = {one, windows_of(9, 3, 2, 1, 1, false, true), windows_of(21, 3, 2, 1, 1, false, true)};
    const answer want = pooled(elements(x), a);
    const auto y = st::max_pool2d_with_indices(x, 3, {.stride = 2, .padding = 1});
    CHECK(equal(elements(y.values), want.largest));
    CHECK(equal(elements(y.indices), numbers(want.index)));
    CHECK(equal(elements(st::max_pool2d(x, 3, {.stride = 2, .padding = 1})), want.largest));
    if constexpr (st::is_floating_element<T>) CHECK(near(elements(st::avg_pool2d(x, 3, {.stride = 2, .padding = 1})), want.mean, tolerance));
  };
  run(st::half(1.0f), 5e-4), run(int64{1}, 0);
}
TEST_CASE("operands of any layout, expressions, empty batches") {
  const sizes<4> n{2, 3, 7, 10};
  const axis a[3] = {one, windows_of(7, 3, 2, 1, 1, false, true), windows_of(10, 3, 2, 1, 1, false, true)};
  const answer want = pooled(elements(samples<double>(n)), a);
  for (int l = 0; l < layouts; ++l) {
    CAPTURE(l);
    CHECK(equal(elements(st::max_pool2d(samples<double>(n, layout(l)), 3, {.stride = 2, .padding = 1})), want.largest));
    CHECK(near(elements(st::avg_pool2d(samples<double>(n, layout(l)), 3, {.stride = 2, .padding = 1})), want.mean));
  }
  auto doubled = want.largest;
  for (double& v : doubled) v *= 2;
  CHECK(equal(elements(st::max_pool2d(samples<double>(n) * 2, 3, {.stride = 2, .padding = 1})), doubled));
  st::variable none = st::zeros<double>({0, 3, 4, 4});
  st::variable s = st::sum(st::max_pool2d(none, 2)) + st::sum(st::avg_pool2d(none, 2)) + st::sum(st::adaptive_avg_pool2d(none, 3));
  s.backward();
  CHECK(none.grad().sizes() == sizes<4>{0, 3, 4, 4});
  CHECK(st::adaptive_avg_pool2d(st::zeros<float>({1, 0, 4, 4}), 2).sizes() == sizes<4>{1, 0, 2, 2});
  CHECK(st::adaptive_max_pool2d(st::zeros<float>({1, 4, 4}), 0).sizes() == sizes<3>{1, 0, 0});
}
TEST_CASE("first and second derivatives of pooling") {
  for (int which = 0; which < 7; ++which) {
    const auto f = [which](const auto& v) {
      const auto y = which == 0   ? st::max_pool2d(v, 3, {.stride = {2, 1}, .padding = 1})
                     : which == 1 ? st::max_pool2d(v, 2, {.dilation = {1, 2}, .ceil_mode = true})
                     : which == 2 ? st::avg_pool2d(v, 3, {.stride = 1, .padding = 1})
                     : which == 3 ? st::avg_pool2d(v, {3, 2}, {.padding = {1, 0}, .ceil_mode = true, .count_include_pad = false})
                     : which == 4 ? st::avg_pool2d(v, {2, 3}, {.stride = {3, 2}, .divisor_override = 5})
                     : which == 5 ? st::adaptive_max_pool2d(v, {2, 4})
                                  : st::adaptive_avg_pool2d(v, {3, 1});
      return y * st::square(y);
    };
    CAPTURE(which);
    check_derivatives(f, samples<double>(sizes<4>{2, 2, 5, 6}, flipped));
  }
}
TEST_CASE("gradients of wide images: what each window got goes to its elements, or to the largest") {
  const sizes<4> n{2, 2, 9, 75};
  for (int32_t s : {1, 2, 3})
    for (int32_t k : {2, 3, 4}) {
      const int32_t p = k / 2;
      const axis a[3] = {one, windows_of(9, k, s, p, 1, false, true), windows_of(75, k, s, p, 1, false, true)};
      st::variable v = ties<double>(n);
      const answer want = pooled(elements(v.value()), a);
      const auto dy = samples<double>(sizes<4>{2, 2, a[1].out, a[2].out}, column_major, 5);
      std::vector<double> to_mean(static_cast<std::size_t>(v.numel()), 0), to_max = to_mean;
      const auto g = elements(dy);
      std::size_t at = 0;
      for (int64 plane = 0; plane < 4; ++plane)
        for (const window& u : a[1].windows)
          for (const window& w : a[2].windows) {
            to_max[static_cast<std::size_t>(plane * 675 + want.index[at])] += g[at];
            for (int64 i = u.first; i < u.last; ++i)
              for (int64 j = w.first; j < w.last; ++j) to_mean[static_cast<std::size_t>(plane * 675 + i * 75 + j)] += g[at] / static_cast<double>(u.counted * w.counted);
            ++at;
          }
      CAPTURE(s, k);
      st::variable y = st::max_pool2d(v, k, {.stride = s, .padding = p});
      y.backward(dy);
      CHECK(near(elements(v.grad()), to_max));
      v.zero_grad();
      st::variable z = st::avg_pool2d(v, k, {.stride = s, .padding = p});
      z.backward(dy);
      CHECK(near(elements(v.grad()), to_mean));
    }
}
TEST_CASE("gradients of halves are rounded once, without a gradient nothing is recorded") {
  st::variable v = tensor_of<st::half>(sizes<3>{1, 4, 4}, row_major, [](auto) { return 1.0; });
  st::variable y = st::avg_pool2d(v, 3, {.stride = 1});
  y.backward(tensor_of<st::half>(sizes<3>{1, 2, 2}, row_major, [](auto) { return 1.0; }));
  CHECK(static_cast<float>(v.grad().data()[5]) == static_cast<float>(st::half(4.0f / 9)));
  {
    const st::no_grad off;
    CHECK_FALSE(st::max_pool2d(v, 2).requires_grad());
  }
  CHECK_FALSE(st::max_pool2d(st::variable(st::ones<int>({1, 2, 2}), false), 2).requires_grad());
}
TEST_CASE("bitwise the same on any number of threads") {
  const auto x = samples<float>(sizes<4>{3, 7, 60, 61});
  const auto run = [&] {
    st::variable v = x;
    st::variable a = st::max_pool2d(v, 3, {.stride = 2, .padding = 1}), b = st::avg_pool2d(v, 3, {.stride = 1}), c = st::adaptive_avg_pool2d(v, 1);
    st::variable loss = st::sum(a * a) + st::sum(b * b) + st::sum(c * c);
    loss.backward();
    return std::array{elements(a.value()), elements(b.value()), elements(c.value()), elements(v.grad())};
  };
  const auto want = [&] { const st::executor_guard guard(st::serial_executor()); return run(); }();
  some_threads three{3};
  const st::executor_guard guard(three.get());
  CHECK(run() == want);
  CHECK(three.loops > 0);
}
TEST_CASE("windows that do not fit, and images that are none, are errors") {
  const auto x = st::ones<float>({1, 1, 4, 4});
  CHECK_THROWS_AS(st::max_pool2d(x, 0), st::shape_error);
  CHECK_THROWS_AS(st::max_pool2d(x, 2, {.stride = 0}), st::shape_error);
  CHECK_THROWS_AS(st::max_pool2d(x, 2, {.dilation = 0}), st::shape_error);
  CHECK_THROWS_AS(st::max_pool2d(x, 2, {.padding = -1}), st::shape_error);
  CHECK_THROWS_AS(st::max_pool2d(x, 3, {.padding = 2, .dilation = 2}), st::shape_error);
  CHECK_THROWS_AS(st::avg_pool2d(x, {1, 5}), st::shape_error);
  CHECK_THROWS_AS(st::avg_pool2d(x, 5, {.stride = 1, .ceil_mode = true}), st::shape_error);
  CHECK_THROWS_AS(st::avg_pool2d(x, 2, {.divisor_override = 0}), st::shape_error);
  CHECK_THROWS_AS(st::max_pool2d(st::ones<float>({1, 0, 4, 4}), 2), st::shape_error);
  CHECK_THROWS_AS(st::max_pool2d(st::ones<float>({0, 4, 4}), 2), st::shape_error);
  CHECK_THROWS_AS(st::adaptive_avg_pool2d(x, -1), st::shape_error);
  CHECK_THROWS_AS(st::adaptive_avg_pool2d(st::ones<float>({1, 1, 0, 4}), 1), st::shape_error);
  CHECK_THROWS_AS(st::adaptive_max_pool2d(st::ones<float>({1, 0, 4, 4}), 1), st::shape_error);
}
