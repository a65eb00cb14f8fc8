// SPDX-License-Identifier: BSD-3-Clause
// Matrix products against sums in higher precision: shapes, layouts, epilogues, threads.
#include <sinter/cpu/gemm.hpp>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <mutex>
#include <vector>

#include "../catch.hpp"
#include "threads.hpp"

namespace st = sinter;
using st::int64;

namespace {

template <class T> using sum_type = std::conditional_t<std::is_same_v<T, float>, double, std::conditional_t<std::is_same_v<T, double>, long double, int64>>;

/// A matrix in a buffer of its own; layouts: rows, columns, padded rows, flipped rows, every second column, one row repeated.
enum class layout { rows, columns, padded, flipped, spread, repeated };
constexpr layout layouts[] = {layout::rows, layout::columns, layout::padded, layout::flipped, layout::spread, layout::repeated};

template <class T> struct matrix {
  std::vector<T> data;
  const T* origin;
  int64 rs, cs;

  matrix(int64 m, int64 n, layout l, int seed) : data(static_cast<std::size_t>(2 * (m + 1) * (n + 5) + 8)), origin(data.data()), rs(n), cs(1) {
    unsigned state = static_cast<unsigned>(seed) * 2654435761u + 1;
    for (T& x : data) {
      state = state * 1664525u + 1013904223u;
      if constexpr (std::is_integral_v<T>) x = static_cast<T>(state >> 24) - 128;
      else x = static_cast<T>(static_cast<double>(state >> 8) / (1 << 23) - 1);
    }
    if (l == layout::columns) rs = 1, cs = m;
    if (l == layout::padded) rs = n + 3;
    if (l == layout::flipped) origin += (m > 0 ? m - 1 : 0) * n, rs = -n;
    if (l == layout::spread) rs = 2 * n, cs = 2;
    if (l == layout::repeated) rs = 0;
  }
  T operator()(int64 i, int64 j) const { return origin[i * rs + j * cs]; }
};

/// What C(i, j) should be, and how far a sum of k rounded products may be off.
template <class T> sum_type<T> dot(const matrix<T>& a, const matrix<T>& b, int64 i, int64 j, int64 k) {
  sum_type<T> s = 0;
  for (int64 p = 0; p < k; ++p) s += static_cast<sum_type<T>>(a(i, p)) * static_cast<sum_type<T>>(b(p, j));
  return s;
}
template <class T> bool close(T got, sum_type<T> want, int64 k) {
  if constexpr (std::is_integral_v<T>) return got == want;
  else return std::abs(static_cast<double>(got - want)) <= static_cast<double>(std::numeric_limits<T>::epsilon()) * (static_cast<double>(k) + 2);
}

template <class T> void check_product(int64 m, int64 n, int64 k, layout la, layout lb) {
  matrix<T> a(m, k, la, 1), b(k, n, lb, 2);
  std::vector<T> c(static_cast<std::size_t>(m * n + 1), T(7));
  st::gemm(m, n, k, a.origin, a.rs, a.cs, b.origin, b.rs, b.cs, c.data(), n, int64(1), false);
  int wrong = 0;
  for (int64 i = 0; i < m; ++i)
    for (int64 j = 0; j < n; ++j) wrong += !close(c[static_cast<std::size_t>(i * n + j)], dot(a, b, i, j, k), k);
  INFO(m << " x " << n << " x " << k << ", layouts " << static_cast<int>(la) << " and " << static_cast<int>(lb));
  CHECK(wrong == 0);
  CHECK(c.back() == T(7));
}

}  // namespace

TEMPLATE_TEST_CASE("small products of every odd size", "[gemm]", float, double, int64) {
  for (int64 m = 1; m <= 17; ++m)
    for (int64 n = 1; n <= 17; ++n)
      for (int64 k : {1, 2, 3, 5, 8, 13, 17}) check_product<TestType>(m, n, k, layout::rows, layout::rows);
}

TEMPLATE_TEST_CASE("every layout of both operands", "[gemm]", float, double, int64) {
  for (layout la : layouts)
    for (layout lb : layouts) {
      check_product<TestType>(5, 7, 3, la, lb);
      check_product<TestType>(29, 37, 41, la, lb);
      check_product<TestType>(1, 133, 50, la, lb);
      check_product<TestType>(133, 1, 50, la, lb);
      check_product<TestType>(60, 65, 1, la, lb);
      check_product<TestType>(1, 1, 129, la, lb);
      check_product<TestType>(40, 300, 33, la, lb);  // wide enough to copy A
    }
}

TEMPLATE_TEST_CASE("shapes of a network's layers and their gradients", "[gemm]", float, double) {
  check_product<TestType>(64, 128, 784, layout::rows, layout::columns);
  check_product<TestType>(64, 10, 128, layout::rows, layout::columns);
  check_product<TestType>(784, 128, 64, layout::columns, layout::rows);
  check_product<TestType>(10, 128, 64, layout::columns, layout::rows);
  check_product<TestType>(64, 784, 128, layout::rows, layout::rows);
  check_product<TestType>(200, 513, 700, layout::rows, layout::rows);
  check_product<TestType>(3, 2000, 1000, layout::rows, layout::rows);
  check_product<TestType>(2000, 3, 1000, layout::rows, layout::rows);
  check_product<TestType>(1, 2000, 1000, layout::rows, layout::columns);
  check_product<TestType>(2000, 1, 1000, layout::columns, layout::rows);
}

TEST_CASE("no terms give zeros, no rows or columns nothing", "[gemm]") {
  for (int64 n : {1, 5, 40}) {
    std::vector<float> c(static_cast<std::size_t>(3 * n), 9.f);
    st::gemm<float>(3, n, 0, nullptr, 0, 1, nullptr, n, 1, c.data(), n, int64(1), false);
    for (float x : c) CHECK(x == 0);
    c.assign(c.size(), 9.f);
    st::gemm<float>(3, n, 0, nullptr, 0, 1, nullptr, n, 1, c.data(), n, int64(1), true);
    for (float x : c) CHECK(x == 9);
  }
  st::gemm<float>(0, 5, 5, nullptr, 5, 1, nullptr, 5, 1, nullptr, int64(5), int64(1), false);
  st::gemm<float>(5, 0, 5, nullptr, 5, 1, nullptr, 0, 1, nullptr, int64(0), int64(1), false);
  int calls = 0;
  st::gemm<float>(0, 0, 5, nullptr, 5, 1, nullptr, 0, 1, [&](int64, int64, int64, int64, st::detail::strided<float>) { ++calls; });
  CHECK(calls == 0);
}

TEMPLATE_TEST_CASE("results of any strides, stored or added", "[gemm]", float, double, int64) {
  int64 m = 21, n = 35, k = 19;
  matrix<TestType> a(m, k, layout::rows, 3), b(k, n, layout::rows, 4);
  struct strides { int64 rs, cs, origin; };
  for (strides s : {strides{n, 1, 0}, strides{1, m, 0}, strides{2 * n + 1, 2, 0}, strides{-n, 1, (m - 1) * n}, strides{n, -1, n - 1}})
    for (bool accumulate : {false, true}) {
      std::vector<TestType> c(static_cast<std::size_t>(m * (2 * n + 1)), TestType(1));
      TestType* origin = c.data() + s.origin;
      st::gemm(m, n, k, a.origin, a.rs, a.cs, b.origin, b.rs, b.cs, origin, s.rs, s.cs, accumulate);
      int wrong = 0;
      for (int64 i = 0; i < m; ++i)
        for (int64 j = 0; j < n; ++j) wrong += !close<TestType>(origin[i * s.rs + j * s.cs], dot(a, b, i, j, k) + (accumulate ? 1 : 0), k);
      INFO("strides " << s.rs << ", " << s.cs << (accumulate ? ", added" : ""));
      CHECK(wrong == 0);
    }
}

TEST_CASE("the epilogue sees every element once, when it is final", "[gemm]") {
  some_threads own{3};
  for (bool threads : {false, true})
    for (int64 m : {1, 5, 12, 13, 100, 1000})
      for (int64 n : {1, 3, 10, 300, 700}) {
        st::executor_guard guard(threads ? own.get() : st::serial_executor());
        int64 k = 400;
        matrix<float> a(m, k, layout::rows, 5), b(k, n, layout::rows, 6);
        std::vector<int> seen(static_cast<std::size_t>(m * n));
        std::mutex lock;
        int wrong = 0;
        st::gemm(m, n, k, a.origin, a.rs, a.cs, b.origin, b.rs, b.cs, [&](int64 i0, int64 i1, int64 j0, int64 j1, st::detail::strided<float> block) {
          std::lock_guard hold(lock);
          for (int64 i = i0; i < i1; ++i)
            for (int64 j = j0; j < j1; ++j) {
              ++seen[static_cast<std::size_t>(i * n + j)];
              if (j == j0 || j == j1 - 1 || (i + j) % 61 == 0) wrong += !close(*block.at(i - i0, j - j0), dot(a, b, i, j, k), k);
            }
        });
        INFO(m << " x " << n);
        CHECK(wrong == 0);
        CHECK(std::count(seen.begin(), seen.end(), 1) == m * n);
      }
}

TEST_CASE("columns that are made while they are packed", "[gemm]") {
  const int64 m = 37, n = 75, k = 700;
  matrix<float> a(m, k, layout::rows, 11);
  struct source { int64 seed; } square{3};
  const auto element = [](int64 p, int64 j) { return static_cast<float>((p * 7 + j * 3) % 11 - 5); };
  const st::detail::gemm_operand<float> right{{}, nullptr, [](const void* context, int64 p0, int64 depth, int64 j0, int64 columns, float* to) {
    constexpr int64 width = st::detail::gemm_shape<float>::columns;
    const bool known = static_cast<const source*>(context)->seed == 3;
    for (int64 p = 0; p < depth; ++p)
      for (int64 j = 0; j < width; ++j) to[p * width + j] = known && j < columns ? static_cast<float>(((p0 + p) * 7 + (j0 + j) * 3) % 11 - 5) : 0;
  }, &square};
  std::atomic<int> wrong = 0, seen = 0;  // blocks come from several threads
  auto check = [&](int64 i0, int64 i1, int64 j0, int64 j1, st::detail::strided<float> block) {
    for (int64 i = i0; i < i1; ++i)
      for (int64 j = j0; j < j1; ++j, ++seen) {
        double want = 0;
        for (int64 p = 0; p < k; ++p) want += static_cast<double>(a(i, p)) * element(p, j);
        wrong += !(std::abs(*block.at(i - i0, j - j0) - want) <= 5 * 1.2e-7 * (k + 2));
      }
  };
  st::gemm<float>(m, n, k, {{a.origin, a.rs, a.cs}}, right, st::detail::gemm_result<float>::receiver(check));
  CHECK(wrong.load() == 0);
  CHECK(seen.load() == m * n);
}

TEST_CASE("NaN and infinity stay where they are, subnormal terms count", "[gemm]") {
  const float inf = std::numeric_limits<float>::infinity();
  for (auto [m, n, k] : {std::array<int64, 3>{2, 40, 50}, {13, 33, 50}, {40, 3, 64}, {5, 5, 100}}) {
    matrix<float> a(m, k, layout::rows, 12), b(k, n, layout::columns, 13);
    a.data[static_cast<std::size_t>(k + 2)] = inf;  // row 1
    a.data[0] = std::numeric_limits<float>::quiet_NaN();  // row 0
    std::vector<float> c(static_cast<std::size_t>(m * n));
    st::gemm(m, n, k, a.origin, a.rs, a.cs, b.origin, b.rs, b.cs, c.data(), n, int64(1), false);
    int wrong = 0;
    for (int64 i = 0; i < m; ++i)
      for (int64 j = 0; j < n; ++j) {
        const float y = c[static_cast<std::size_t>(i * n + j)];
        wrong += i == 0 ? !std::isnan(y) : i == 1 ? !std::isinf(y) : !std::isfinite(y);
      }
    CHECK(wrong == 0);
    std::fill(a.data.begin(), a.data.end(), 1e-30f), std::fill(b.data.begin(), b.data.end(), 1e-12f);
    st::gemm(m, n, k, a.origin, a.rs, a.cs, b.origin, b.rs, b.cs, c.data(), n, int64(1), false);
    for (float y : c) wrong += !(std::abs(y / (1e-42f * static_cast<float>(k)) - 1) < 0.01f);
    CHECK(wrong == 0);
  }
}

TEMPLATE_TEST_CASE("bitwise the same for every number of threads", "[gemm]", float, double) {
  for (auto [m, n, k] : {std::array<int64, 3>{300, 200, 700}, {7, 3000, 500}, {1, 4000, 600}, {4000, 1, 600}, {64, 128, 784}, {1024, 512, 400}, {3, 2000, 700}, {2000, 3, 700}}) {
    for (layout lb : {layout::rows, layout::columns}) {
      matrix<TestType> a(m, k, layout::rows, 7), b(k, n, lb, 8);
      auto product = [&, m = m, n = n, k = k] {
        std::vector<TestType> c(static_cast<std::size_t>(m * n));
        st::gemm(m, n, k, a.origin, a.rs, a.cs, b.origin, b.rs, b.cs, c.data(), n, int64(1), false);
        return c;
      };
      st::executor_guard serial(st::serial_executor());
      auto expected = product();
      for (int threads : {2, 3, 4}) {
        some_threads own{threads};
        st::executor_guard guard(own.get());
        CHECK(product() == expected);
#ifndef SINTER_CBLAS  // a BLAS has threads of its own
        CHECK(own.loops > 0);
#endif
      }
    }
  }
}

TEST_CASE("steady state takes no memory from the system", "[gemm]") {
  st::executor_guard serial(st::serial_executor());  // several threads may need their rooms at one time now, one after the other then
  matrix<float> a(200, 300, layout::rows, 9), b(300, 400, layout::rows, 10);
  std::vector<float> c(200 * 400);
  auto product = [&] { st::gemm(200, 400, 300, a.origin, a.rs, a.cs, b.origin, b.rs, b.cs, c.data(), int64(400), int64(1), false); };
  product();
  st::uint64 before = st::counters().system_allocations;
  for (int i = 0; i < 3; ++i) product();
  CHECK(st::counters().system_allocations == before);
}
