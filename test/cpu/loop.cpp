// SPDX-License-Identifier: BSD-3-Clause
// Rows along and across memory, in registers side by side and in groups of them: reductions and what is composed of them along every
// dim, in every layout, for sizes around lanes, steps and groups. Against double.
#include <sinter/cpu/loop.hpp>

#include <cstring>
#include <vector>

#include "../catch.hpp"
#include "../reference.hpp"
#include "threads.hpp"

namespace st = sinter;
using namespace reference;

namespace {
using f1 = st::tensor<float, st::rank<1>>;
using f2 = st::tensor<float, st::rank<2>>;
using f3 = st::tensor<float, st::rank<3>>;
using i1 = st::tensor<int64, st::rank<1>>;

template <class X> X softmax(const X& x, int d) { return X(st::softmax(x, d)); }
f2 standardized(const f2& x, const f2& scale, int d) {
  return f2((x - st::mean(x, d, st::keepdim)) / st::sqrt(st::var(x, d, st::keepdim) + 0.25f) * scale);
}
f1 cross_entropy(const f2& x, const f2& p, int d) { return f1(-st::sum(st::log_softmax(x, d) * p, d)); }
template <class X> auto summed(const X& x, int d) { return st::tensor(st::sum(x, d)); }
f1 top(const f2& x, int d) { return f1(st::max(x, d)); }
i1 first_of_top(const f2& x, int d) { return i1(st::argmax(x, d)); }

/// The layouts of reference.hpp, and a step along the last dim only, and one row or column repeated.
enum more_layouts { stepped = layouts, one_row, one_column, all_layouts };
f2 laid_out(const sizes<2>& n, int l, auto f) {
  if (l == stepped) {
    auto wide = st::zeros<float>({n[0], 3 * n[1]});
    return tensor_of<float>(n, row_major, f).numel() ? f2(wide(st::slice(), st::slice(0, 3 * n[1], 3))).copy_(tensor_of<float>(n, row_major, f)) : f2(wide);
  }
  if (l == one_row) return st::expand(tensor_of<float>(sizes<2>{1, n[1]}, row_major, f), {n[0], n[1]});
  if (l == one_column) return st::expand(tensor_of<float>(sizes<2>{n[0], 1}, row_major, f), {n[0], n[1]});
  return tensor_of<float>(n, layout(l), f);
}
f2 laid_out(const sizes<2>& n, int l, int seed = 0) {
  return laid_out(n, l, [&](auto i) { return sample(number_of(n, i), seed); });
}
/// The elements of row `index` along dim d, in double.
template <class E> std::vector<double> row_of(const st::tensor<float, E>& x, sizes<E::rank> index, int d) {
  std::vector<double> v;
  for (index[d] = 0; index[d] < x.size(d); ++index[d]) v.push_back(at(x, index));
  return v;
}
/// Calls f(index of the first element, the row, every element's index along it) for each row along d.
template <class E, class F> void each_row(const st::tensor<float, E>& x, int d, F f) {
  sizes<E::rank> outer = x.sizes();
  outer[d] = 1;
  each(outer, [&](const auto& i) { f(i, row_of(x, i, d)); });
}
double largest(const std::vector<double>& v) { return *std::max_element(v.begin(), v.end()); }
double total(const std::vector<double>& v, auto f) {
  double s = 0;
  for (double x : v) s += f(x);
  return s;
}
bool near(double got, double want, double scale = 1) { return is_nan(want) ? is_nan(got) : got == want || std::abs(got - want) <= 1e-6 * (scale + std::abs(want)); }

template <class X> int wrong_softmax(const X& x, int d) {
  const auto y = softmax(x, d);
  int wrong = y.sizes() != x.sizes();
  each_row(x, d, [&](const auto& i, const std::vector<double>& v) {
    const double m = largest(v), s = total(v, [&](double e) { return std::exp(e - m); });
    const auto got = row_of(y, i, d);
    for (std::size_t k = 0; k < v.size(); ++k) wrong += !near(got[k], std::exp(v[k] - m) / s, 0.01);
  });
  return wrong;
}
sizes<1> beside(const sizes<2>& i, int d) { return {i[1 - d]}; }

const sizes<2> shapes[] = {{1, 1}, {3, 3}, {5, 15}, {16, 16}, {17, 17}, {63, 5}, {7, 64}, {65, 65}, {3, 1000}, {1025, 4}, {2, 1025}, {1025, 17}};
}  // namespace

TEST_CASE("softmax along every dim of every layout", "[rows]") {
  for (const auto& n : shapes)
    for (int l = 0; l < all_layouts; ++l)
      for (int d : {0, 1}) {
        CAPTURE(n[0], n[1], l, d);
        CHECK(wrong_softmax(laid_out(n, l), d) == 0);
      }
  for (const auto& n : {sizes<3>{3, 17, 65}, sizes<3>{5, 2, 33}, sizes<3>{64, 3, 2}, sizes<3>{1, 129, 15}})
    for (int l = 0; l < layouts; ++l)
      for (int d : {0, 1, 2}) {
        CAPTURE(n[0], n[1], n[2], l, d);
        CHECK(wrong_softmax(samples<float>(n, layout(l)), d) == 0);
      }
}

TEST_CASE("mean, variance and a scale of each element", "[rows]") {
  for (const auto& n : shapes)
    for (int l = 0; l < all_layouts; ++l)
      for (int d : {0, 1}) {
        const f2 x = laid_out(n, l, [&](auto i) { return 10 + sample(number_of(n, i), 0); }), scale = laid_out(n, (l + 3) % all_layouts, 1);
        const f2 y = standardized(x, scale, d);
        int wrong = 0;
        each_row(x, d, [&](const sizes<2>& i, const std::vector<double>& v) {
          const double size = static_cast<double>(v.size()), m = total(v, [](double e) { return e; }) / size;
          const double s = std::sqrt(total(v, [&](double e) { return (e - m) * (e - m); }) / (size - 1) + 0.25);
          const auto got = row_of(y, i, d), by = row_of(scale, i, d);
          for (std::size_t k = 0; k < v.size(); ++k) wrong += !near(got[k], (v[k] - m) / s * by[k], (l == one_row && d == 0) || (l == one_column && d == 1) ? 1000 : 20);  // x has 24 bits of 10; equal numbers round one way
        });
        CAPTURE(n[0], n[1], l, d);
        CHECK(wrong == 0);
      }
}

TEST_CASE("the cross entropy of rows: one number from two operands", "[rows]") {
  for (const auto& n : shapes)
    for (int l = 0; l < all_layouts; ++l)
      for (int d : {0, 1}) {
        const f2 x = laid_out(n, l), p = laid_out(n, (l + 2) % all_layouts, 1);
        const f1 y = cross_entropy(x, p, d);
        int wrong = 0;
        each_row(x, d, [&](const sizes<2>& i, const std::vector<double>& v) {
          const auto q = row_of(p, i, d);
          const double m = largest(v), log_sum = std::log(total(v, [&](double e) { return std::exp(e - m); })) + m;
          double want = 0, scale = 0;
          for (std::size_t k = 0; k < v.size(); ++k) want -= (v[k] - log_sum) * q[k], scale += std::abs((v[k] - log_sum) * q[k]);
          wrong += !near(at(y, beside(i, d)), want, scale);
        });
        CAPTURE(n[0], n[1], l, d);
        CHECK(wrong == 0);
      }
}

TEST_CASE("sums, maxima and the first of equal maxima", "[rows]") {
  for (const auto& n : shapes)
    for (int l = 0; l < all_layouts; ++l)
      for (int d : {0, 1})
        for (int period : {1, 3, 40}) {  // how many elements until the same comes again
          const f2 x = laid_out(n, l, [&](auto i) { return static_cast<double>(number_of(n, i) * 7 % 11 % period); });
          const f1 s = summed(x, d), m = top(x, d);
          const i1 k = first_of_top(x, d);
          int wrong = 0;
          each_row(x, d, [&](const sizes<2>& i, const std::vector<double>& v) {
            const auto at_row = beside(i, d);
            wrong += at(s, at_row) != total(v, [](double e) { return e; });
            wrong += at(m, at_row) != largest(v);
            wrong += at(k, at_row) != std::max_element(v.begin(), v.end()) - v.begin();
          });
          CAPTURE(n[0], n[1], l, d, period);
          CHECK(wrong == 0);
        }
}

TEST_CASE("NaN, infinities, zeros and subnormals in rows of any layout", "[rows]") {
  const float inf = std::numeric_limits<float>::infinity(), nan = std::numeric_limits<float>::quiet_NaN();
  for (const auto& n : {sizes<2>{7, 65}, sizes<2>{66, 7}, sizes<2>{35, 35}})
    for (int l = 0; l < layouts; ++l)
      for (int d : {0, 1})
        for (int64 where : {int64(0), n[d] / 2, n[d] - 1}) {  // along the row
          const f2 x = laid_out(n, l, [&](auto i) {
            const int64 row = i[1 - d];
            if (row == 6) return -0.0;
            if (row == 5) return 1e-42;
            if (row == 4) return -static_cast<double>(inf);
            if (i[d] != where) return 1.0;
            return static_cast<double>(row == 0 ? nan : row == 1 ? inf : row == 2 ? -inf : 1e-42f);
          });
          const double size = static_cast<double>(n[d]);
          const f1 s = summed(x, d), m = top(x, d);
          const i1 k = first_of_top(x, d);
          const f2 p = softmax(x, d);
          const auto prob = [&](int64 row, int64 along) { return at(p, d ? sizes<2>{row, along} : sizes<2>{along, row}); };
          const int64 other = where ? 0 : 1;
          CAPTURE(n[0], n[1], l, d, where);
          CHECK((is_nan(s(0)) && is_nan(m(0)) && k(0) == where && is_nan(prob(0, other))));
          CHECK((s(1) == inf && m(1) == inf && k(1) == where && is_nan(prob(1, where))));
          CHECK((s(2) == -inf && m(2) == 1 && k(2) == other && prob(2, where) == 0 && near(prob(2, other), 1 / (size - 1))));
          CHECK((s(3) == static_cast<float>(size - 1) && k(3) == other));
          CHECK((s(4) == -inf && m(4) == -inf && k(4) == 0 && is_nan(prob(4, other))));
          CHECK((s(5) == 1e-42f * static_cast<float>(n[d]) || std::abs(s(5) / 1e-42f / static_cast<float>(n[d]) - 1) < 1e-3f));
          CHECK((m(5) == 1e-42f && k(5) == 0));
          CHECK((s(6) == 0 && m(6) == 0 && near(prob(6, other), 1 / size)));
        }
}

TEST_CASE("sums of millions", "[rows]") {
  const auto filled = [](const auto& x) {  // numbers in [0, 1) without a pattern
    unsigned state = 1;
    for (int64 i = 0; i < x.numel(); ++i) state = state * 1664525u + 1013904223u, x.data()[i] = static_cast<float>(state >> 8) / (1 << 24);
    return x;
  };
  const auto off = [](const auto& sums, const auto& x, int64 stride) {  // sums of every stride-th element: the largest relative error
    double worst = 0;
    for (int64 k = 0; k < sums.numel(); ++k) {
      double want = 0;
      for (int64 i = k; i < x.numel(); i += stride) want += static_cast<double>(x.data()[i]);
      worst = std::max(worst, std::abs(static_cast<double>(sums.data()[k]) / want - 1));
    }
    return worst;
  };
  for (int64 n : {int64(1000003), int64(9000001)}) {
    const f1 x = filled(st::empty<float>({n}));
    CAPTURE(n);
    CHECK(off(summed(x, 0), x, 1) < 1e-6);
    CHECK(off(st::tensor(st::sum(x)), x, 1) < 1e-6);
  }
  for (int64 columns : {1, 3, 17, 64, 1000}) {
    const f2 x = filled(st::empty<float>({2000000 / columns, columns}));
    CAPTURE(columns);
    CHECK(off(summed(x, 0), x, columns) < 1e-5);  // added up one by one, some ten thousand rows at a time
    CHECK(off(summed(f2(x.T()), 1), x, columns) < 1e-5);
    CHECK(off(st::tensor(st::sum(x)), x, 1) < 1e-6);
  }
}

TEST_CASE("bitwise the same for every executor and number of threads", "[rows]") {
  const auto bits = [](const auto& x) {
    const auto* bytes = reinterpret_cast<const unsigned char*>(x.data());
    return std::vector<unsigned char>(bytes, bytes + x.numel() * static_cast<int64>(sizeof *x.data()));
  };
  for (const auto& n : {sizes<2>{300, 1001}, sizes<2>{1001, 300}, sizes<2>{3, 70001}, sizes<2>{70001, 3}, sizes<2>{5000, 64}})
    for (int l : {row_major, column_major})
      for (int d : {0, 1}) {
        const f2 x = laid_out(n, l);
        const auto run = [&] {
          auto all = bits(softmax(x, d));
          for (const auto& more : {bits(summed(x, d)), bits(first_of_top(x, d)), bits(st::tensor(st::sum(x))), bits(cross_entropy(x, x, d))}) all.insert(all.end(), more.begin(), more.end());
          return all;
        };
        st::executor_guard serial(st::serial_executor());
        const auto want = run();
        for (int threads : {2, 3}) {
          some_threads own{threads};
          st::executor_guard guard(own.get());
          CAPTURE(n[0], n[1], l, d, threads);
          CHECK((run() == want));
          CHECK(own.loops > 0);
        }
      }
}
