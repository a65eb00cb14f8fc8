// SPDX-License-Identifier: BSD-3-Clause
// Products of bfloat16 and half tensors: every layout, odd depths, thin shapes, epilogues, threads. Terms are exact in float, so
// that only their sum is rounded, and the result once more where it is stored small.
#include <sinter/cpu/gemm_bfloat16.hpp>

#include <array>
#include <cstring>
#include <limits>

#include "../catch.hpp"
#include "../reference.hpp"
#include "threads.hpp"

namespace st = sinter;
using namespace reference;

namespace {
template <class T> using matrix = st::tensor<T, st::rank<2>>;
using f2 = matrix<float>;

template <class T> f2 in_float(const matrix<T>& a, const matrix<T>& b) { return f2(st::matmul(st::to<float>(a), st::to<float>(b))); }

template <class T> void check_product(int64 m, int64 n, int64 k, int la, int lb) {
  const auto a = samples<T>(sizes<2>{m, k}, layout(la)), b = samples<T>(sizes<2>{k, n}, layout(lb), 1);
  const auto want = [&](auto i) {
    double s = 0;
    for (int64 p = 0; p < k; ++p) s += static_cast<double>(at(a, sizes<2>{i[0], p})) * static_cast<double>(at(b, sizes<2>{p, i[1]}));
    return s;
  };
  CAPTURE(m, n, k, la, lb);
  CHECK_ELEMENTS(in_float(a, b), (sizes<2>{m, n}), want, 100 + 4 * static_cast<double>(k));
  const matrix<T> small = st::matmul(a, b);  // rounded once, from the float
  const f2 sum = in_float(a, b);
  CHECK_ELEMENTS(small, (sizes<2>{m, n}), [&](auto i) { return static_cast<double>(T(at(sum, i))); });
}
}  // namespace

TEMPLATE_TEST_CASE("products of small floats in every layout", "[gemm]", st::bfloat16, st::half) {
  for (int la = 0; la < layouts; ++la)
    for (int lb = 0; lb < layouts; ++lb) {
      check_product<TestType>(13, 37, 21, la, lb);
      check_product<TestType>(29, 18, 34, la, lb);
    }
}

TEMPLATE_TEST_CASE("thin, deep and large products of small floats", "[gemm]", st::bfloat16, st::half) {
  for (int la : {row_major, column_major})
    for (int lb : {row_major, column_major}) {
      check_product<TestType>(1, 70, 400, la, lb);
      check_product<TestType>(3, 33, 401, la, lb);
      check_product<TestType>(70, 1, 130, la, lb);
      check_product<TestType>(1, 1, 3, la, lb);
      check_product<TestType>(250, 70, 1, la, lb);
      check_product<TestType>(260, 130, 700, la, lb);
    }
  for (const auto& n : {std::array<int64, 3>{0, 3, 4}, {3, 0, 4}, {3, 4, 0}}) check_product<TestType>(n[0], n[1], n[2], row_major, row_major);
}

TEST_CASE("bfloat16 operands at odd addresses, and with NaN and infinity", "[gemm]") {
  const auto block = samples<st::bfloat16>(sizes<1>{1 + 20 * 40}, row_major);
  const matrix<st::bfloat16> a(block.storage_handle(), block.data() + 1, {20, 40}, {40, 1});
  auto b = samples<st::bfloat16>(sizes<2>{40, 17}, column_major, 1);
  const auto want = [&](auto i) {
    double s = 0;
    for (int64 p = 0; p < 40; ++p) s += static_cast<double>(at(a, sizes<2>{i[0], p})) * static_cast<double>(at(b, sizes<2>{p, i[1]}));
    return s;
  };
  CHECK_ELEMENTS(in_float(a, b), (sizes<2>{20, 17}), want, 300);
  a.data()[3 * 40 + 7] = std::numeric_limits<float>::infinity();
  a.data()[5 * 40 + 8] = std::numeric_limits<float>::quiet_NaN();
  CHECK_ELEMENTS(in_float(a, b), (sizes<2>{20, 17}), want, 300);
}

TEST_CASE("sums of bfloat16 products are bitwise the same for every executor", "[gemm]") {
  const auto a = samples<st::bfloat16>(sizes<2>{300, 330}, row_major), b = samples<st::bfloat16>(sizes<2>{330, 700}, row_major, 1);
  const f2 want = in_float(a, b);
  for (int threads : {2, 3}) {
    some_threads own{threads};
    st::executor_guard guard(own.get());
    const f2 got = in_float(a, b);
    CHECK(std::memcmp(got.data(), want.data(), sizeof(float) * 300 * 700) == 0);
    CHECK(own.loops > 0);
  }
}
