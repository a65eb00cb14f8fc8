// SPDX-License-Identifier: BSD-3-Clause
// Products by the program's BLAS: which ones it gets, every layout of A, B and C, stored, added and handed on. Against double.
// Compiled with SINTER_CBLAS where there is a BLAS.
#include <cblas.h>

#include <atomic>

namespace {
std::atomic<int> calls{0};
template <auto F> struct counted;
template <class... A, void (*F)(A...)> struct counted<F> {
  static void call(A... a) {
    ++calls;
    F(a...);
  }
};
}  // namespace
#define cblas_sgemm counted<&cblas_sgemm>::call
#define cblas_dgemm counted<&cblas_dgemm>::call

#include <sinter/sinter.hpp>

#include "../catch.hpp"
#include "../reference.hpp"
#include "threads.hpp"

namespace st = sinter;
using namespace reference;

namespace {
/// How often the BLAS is called by body().
template <class F> int calls_of(F body) {
  const int before = calls;
  body();
  return calls - before;
}
template <class T> using matrix = st::tensor<T, st::rank<2>>;
template <class T> auto product(const matrix<T>& a, const matrix<T>& b) {
  return [&a, &b](auto i) {
    double s = 0;
    for (int64 p = 0; p < a.size(1); ++p) s += static_cast<double>(at(a, sizes<2>{i[0], p})) * static_cast<double>(at(b, sizes<2>{p, i[1]}));
    return s;
  };
}
/// C = A B, C += A B, and the blocks of A B: each element once.
template <class T> void check(int64 m, int64 n, int64 k, int la, int lb, int lc, bool by_blas) {
  const auto a = samples<T>(sizes<2>{m, k}, layout(la)), b = samples<T>(sizes<2>{k, n}, layout(lb), 1);
  const auto c = tensor_of<T>(sizes<2>{m, n}, layout(lc), [](auto) { return 100; });
  const double ulps = 8 * static_cast<double>(k);
  const auto multiply = [&](bool add) {
    st::gemm<T>(m, n, k, a.data(), a.stride(0), a.stride(1), b.data(), b.stride(0), b.stride(1), c.data(), c.stride(0), c.stride(1), add);
  };
  CAPTURE(m, n, k, la, lb, lc);
  c.data()[0] = static_cast<T>(NAN);  // what is overwritten does not count
  CHECK((calls_of([&] { multiply(false); }) > 0) == by_blas);
  CHECK_ELEMENTS(c, (sizes<2>{m, n}), product(a, b), ulps);
  multiply(true);
  CHECK_ELEMENTS(c, (sizes<2>{m, n}), [&](auto i) { return 2 * product(a, b)(i); }, 2 * ulps);
  for (int64 i = 0; i < m; ++i)
    for (int64 j = 0; j < n; ++j) c.data()[i * c.stride(0) + j * c.stride(1)] = 0;
  some_threads three{3};
  const st::executor_guard guard(three.get());
  const auto receive = [&](int64 i0, int64 i1, int64 j0, int64 j1, auto block) {
    for (int64 i = i0; i < i1; ++i)
      for (int64 j = j0; j < j1; ++j) c.data()[i * c.stride(0) + j * c.stride(1)] += *block.at(i - i0, j - j0);
  };
  const int threads_calls = calls_of([&] { st::gemm<T>(m, n, k, a.data(), a.stride(0), a.stride(1), b.data(), b.stride(0), b.stride(1), receive); });
  CHECK((threads_calls > 0) == by_blas);
  CHECK_ELEMENTS(c, (sizes<2>{m, n}), product(a, b), ulps);
}
}  // namespace

TEST_CASE("products in every layout", "[blas]") {
  for (int la = 0; la < layouts; ++la)
    for (int lb = 0; lb < layouts; ++lb)
      for (int lc = 0; lc < layouts; ++lc) {
        check<float>(40, 35, 50, la, lb, lc, true);
        check<double>(33, 47, 20, la, lb, lc, true);
      }
}
TEST_CASE("products that are handed on in several blocks", "[blas]") {
  for (int l : {row_major, column_major, strided}) {
    check<float>(1100, 40, 12, l, row_major, l, true);
    check<double>(40, 4200, 12, row_major, l, l, true);
  }
}
TEST_CASE("small, narrow and empty products stay here", "[blas]") {
  check<float>(8, 700, 60, row_major, row_major, row_major, false);
  check<double>(700, 32, 60, column_major, row_major, row_major, false);
  check<float>(34, 34, 5, row_major, row_major, row_major, false);
  check<float>(100, 100, 0, row_major, row_major, row_major, false);
  check<double>(100, 1, 100, row_major, row_major, row_major, false);
  using f2 = matrix<float>;
  CHECK(f2(st::matmul(st::zeros<float>({0, 50}), st::zeros<float>({50, 60}))).numel() == 0);
  CHECK(f2(st::matmul(st::zeros<float>({50, 60}), st::zeros<float>({60, 0}))).numel() == 0);
  const f2 zeros = st::matmul(st::zeros<float>({50, 0}), st::zeros<float>({0, 60}));
  CHECK_ELEMENTS(zeros, (sizes<2>{50, 60}), [](auto) { return 0; });
}
TEST_CASE("one row or column of an operand for all, and sizes that the BLAS cannot count", "[blas]") {
  const auto x = samples<float>(sizes<1>{50}), y = samples<float>(sizes<1>{50}, row_major, 1);
  const matrix<float> a(x.storage_handle(), x.data(), {50, 60}, {1, 0}), b(y.storage_handle(), y.data(), {60, 50}, {0, 1});
  CHECK(calls_of([&] { CHECK_ELEMENTS(matrix<float>(st::matmul(a, b)), (sizes<2>{50, 50}), product(a, b), 500); }) == 1);
  using lib = st::detail::blas<float>;
  const int64 far = sizeof(st::detail::blas_index) == 4 ? int64{1} << 31 : 0;
  CHECK(lib::takes(100, 100, 100));
  CHECK(lib::takes(far + 100, 100, 100) == (far == 0));
  CHECK(lib::reads(st::detail::strided<float>{nullptr, far + 100, 1}, 100, 100) == (far == 0));
}
TEST_CASE("statements: epilogues, batches and their gradients", "[blas]") {
  const auto a = samples<float>(sizes<3>{3, 40, 64}), b = samples<float>(sizes<3>{3, 64, 50}, strided, 1);
  const auto bias = samples<float>(sizes<1>{50}, row_major, 2);
  st::tensor<float, st::rank<3>> y;
  const auto want = [&](auto i) {
    double s = at(bias, sizes<1>{i[2]});
    for (int64 p = 0; p < 64; ++p) s += static_cast<double>(at(a, sizes<3>{i[0], i[1], p})) * static_cast<double>(at(b, sizes<3>{i[0], p, i[2]}));
    return std::max(s, 0.0);
  };
  CHECK(calls_of([&] { y = st::relu(st::matmul(a, b) + bias); }) == 3);
  CHECK_ELEMENTS(y, (sizes<3>{3, 40, 50}), want, 1000);
  some_threads three{3};
  const st::executor_guard guard(three.get());
  CHECK(calls_of([&] { y = st::relu(st::matmul(a, b) + bias); }) == 3);
  CHECK_ELEMENTS(y, (sizes<3>{3, 40, 50}), want, 1000);
}
TEST_CASE("complex products are four real ones", "[blas]") {
  using c = st::complex64;
  const auto parts = [](int seed) {
    auto x = st::zeros<c>({60, 60});
    for (int64 i = 0; i < 3600; ++i) x.data()[i] = c(static_cast<float>(sample(i, seed)), static_cast<float>(sample(i, seed + 1)));
    return x;
  };
  const auto a = parts(0), b = parts(2);
  matrix<c> y;
  CHECK(calls_of([&] { y = st::matmul(a, b); }) == 4);
  for (int64 i = 0; i < 60; i += 7)
    for (int64 j = 0; j < 60; ++j) {
      double re = 0, im = 0;
      for (int64 p = 0; p < 60; ++p) {
        const c u = at(a, sizes<2>{i, p}), v = at(b, sizes<2>{p, j});
        re += double(u.real()) * v.real() - double(u.imag()) * v.imag(), im += double(u.real()) * v.imag() + double(u.imag()) * v.real();
      }
      REQUIRE(std::abs(at(y, sizes<2>{i, j}).real() - re) < 1e-4);
      REQUIRE(std::abs(at(y, sizes<2>{i, j}).imag() - im) < 1e-4);
    }
}
TEST_CASE("config says which BLAS, and the target has a letter for it", "[blas]") {
  CHECK_THAT(st::config(), contains(", through cblas") && contains("b\n  lanes"));
}
