// SPDX-License-Identifier: BSD-3-Clause
// Matrix products by the program's BLAS: where SINTER_CBLAS is defined, float and double products that are worth a call go to
// cblas_sgemm and cblas_dgemm (link with -lopenblas, MKL, BLIS, ...). Not here: which blocks of a product (gemm.hpp).
//
// Complex products are four real ones, and go there like those. What stays with sinter's own loops: few rows or columns, few
// multiply-adds, operands that are computed on the way (x in matmul(exp(x), y), columns of a convolution), and sizes that the
// BLAS's integers cannot hold. Operands with strides that cblas cannot say are copied first. A fused epilogue runs on blocks of
// up to 512 x 2048. Threads are the BLAS's affair (OPENBLAS_NUM_THREADS, mkl_set_num_threads), and so is whether results depend
// on their number; batches call it from the library's threads, one product each.
#pragma once
#include "../op/dtype.hpp"

#ifdef SINTER_CBLAS
#include <limits>
#include <string_view>
#ifdef SINTER_CBLAS_HEADER  // of a BLAS that is not among these: -DSINTER_CBLAS_HEADER='<its/cblas.h>'
#include SINTER_CBLAS_HEADER
#elif __has_include(<cblas.h>)
#include <cblas.h>
#elif __has_include(<mkl_cblas.h>)
#include <mkl_cblas.h>
#elif __has_include(<Accelerate/Accelerate.h>)
#include <Accelerate/Accelerate.h>
#else
#error "sinter: SINTER_CBLAS needs cblas.h (Debian: libopenblas-dev), and -lopenblas when linking"
#endif
#endif

namespace sinter::inline v0::detail::inline SINTER_TARGET {

/// What the program's BLAS does for products of T.
template <class T> struct blas {
  static constexpr bool present = false;
};

#ifdef SINTER_CBLAS

// int, or 64 bits where the BLAS is built so (ILP64).
template <class L, class X, class I, class... R> I blas_index_of(void (*)(L, X, X, I, I, I, R...));
using blas_index = decltype(blas_index_of(&cblas_sgemm));

// As its header says.
constexpr std::string_view blas_name() {
#if defined(OPENBLAS_VERSION)  // " OpenBLAS 0.3.21 "
  std::string_view name = OPENBLAS_VERSION;
  while (name.starts_with(' ')) name.remove_prefix(1);
  while (name.ends_with(' ')) name.remove_suffix(1);
  return name;
#elif defined(INTEL_MKL_VERSION) || defined(_MKL_CBLAS_H_)
  return "MKL";
#elif defined(BLIS_H) || defined(BLIS_CBLAS_H)
  return "BLIS";
#else
  return "a BLAS";
#endif
}

template <class T> requires std::is_same_v<T, float> || std::is_same_v<T, double> struct blas<T> {
  static constexpr bool present = true;

  static constexpr bool counts(int64 n) { return n <= std::numeric_limits<blas_index>::max(); }
  /// Whether a BLAS is faster at it, call included, and takes these sizes.
  static constexpr bool takes(int64 m, int64 n, int64 k) {
    constexpr int64 few = 32, small_work = 1 << 14;
    return m > few && n > few && k > 0 && m * n > small_work / k && counts(m) && counts(n) && counts(k);
  }
  /// Whether cblas reads an m x n matrix, a strided<T>, as it is: one stride 1, the other as long as a row or column at least.
  template <class Matrix> static bool reads(const Matrix& a, int64 m, int64 n) {
    return (a.columns == 1 && a.rows >= n && counts(a.rows)) || (a.rows == 1 && a.columns >= m && counts(a.columns));
  }
  /// C (m x n, rows ldc apart) = A B or += A B; A and B as reads() says.
  template <class Matrix> SINTER_HIDDEN static void gemm(int64 m, int64 n, int64 k, const Matrix& a, const Matrix& b, T* c, int64 ldc, bool add) {
    const auto order = [](const Matrix& x) { return x.columns == 1 ? CblasNoTrans : CblasTrans; };
    const auto count = [](int64 x) { return static_cast<blas_index>(x); };
    const auto ld = [](const Matrix& x) { return static_cast<blas_index>(x.columns == 1 ? x.rows : x.columns); };
    const auto call = [&](auto* f) { f(CblasRowMajor, order(a), order(b), count(m), count(n), count(k), T(1), a.data, ld(a), b.data, ld(b), T(add), c, count(ldc)); };
    if constexpr (std::is_same_v<T, float>) call(&cblas_sgemm);
    else call(&cblas_dgemm);
  }
};

#endif

}  // namespace sinter::inline v0::detail::inline SINTER_TARGET
