// SPDX-License-Identifier: BSD-3-Clause
// Products so small that all of C's columns are a few registers: no blocks, nothing copied, narrower registers where they fit.
// Sizes of static extents are unrolled. Next: gemm.hpp for all others.
#pragma once
#include "gemm_tile.hpp"

namespace sinter::inline v0::detail::inline SINTER_TARGET {

/// The registers that hold n columns of T: `vectors` of `lanes`, 0 where they do not come out even.
struct small_columns {
  int lanes = 0, vectors = 0;
};
template <class T> constexpr small_columns columns_for(int64 n) {
  constexpr int W = simd::width<T>;
  if (W == 1 || n <= 0) return {};
  for (int lanes = W; lanes * static_cast<int>(sizeof(T)) >= 16; lanes /= 2)
    if (n % lanes == 0) return {lanes, static_cast<int>(n / lanes)};
  return {};
}

/// M rows and V registers of L lanes of C = or += A B, one after the other in memory. K: the static number of terms, or -1.
template <class T, int L, int M, int V, int K> SINTER_INLINE void small_tile(int64 k, strided<T> a, const T* b, int64 ldb, T* c, int64 ldc, bool add) {
  using R = simd::vec<T, L>;
  R sum[M * V];
  each<M * V>([&](int i) {
    sum[i] = R{};
    if (add) __builtin_memcpy(sum + i, c + i / V * ldc + i % V * L, sizeof(R));
  });
  auto term = [&](int64 p) {
    R right[V];
    each<V>([&](int j) { __builtin_memcpy(right + j, b + p * ldb + j * L, sizeof(R)); });
    each<M>([&](int i) {
      const R left = *a.at(i, p) - R{};
      each<V>([&](int j) { sum[i * V + j] = simd::fused(left, right[j], sum[i * V + j]); });
    });
  };
  if constexpr (K >= 0 && K <= 16) each<K>([&](int p) { term(p); });
  else if constexpr (K >= 0 && K % 4 == 0) for (int64 p = 0; p < K; p += 4) each<4>([&](int q) { term(p + q); });
  else for (int64 p = 0; p < (K >= 0 ? K : k); ++p) term(p);
  each<M * V>([&](int i) { __builtin_memcpy(c + i / V * ldc + i % V * L, sum + i, sizeof(R)); });
}

/// Rows of a tile of a product of static sizes: as many as registers hold, and a divisor of m if there is a fair one.
template <int m, int V> constexpr int small_rows() {
  constexpr int most = (simd::width<float> == 16 ? 24 : 12) / V;
  for (int r = most < m ? most : m; r * 2 > most && r > 0; --r)
    if (m % r == 0) return r;
  return most < m ? most : m;
}

/// C (m x n) = or += A (m x k) B (k x n), all row-major without holes, sizes static.
template <class T, class Arch, int m, int n, int k> SINTER_KERNEL void gemm_fixed(const T* a, const T* b, T* c, bool add) {
  constexpr int L = columns_for<T>(n).lanes, all = columns_for<T>(n).vectors, V = all % 2 == 0 ? 2 : all == 3 ? 3 : 1, M = small_rows<m, V>();
  for (int j = 0; j < n; j += V * L) {
    int i = 0;
    for (; i + M <= m; i += M) small_tile<T, L, M, V, k>(k, {a + i * k, k, 1}, b + j, n, c + i * n + j, n, add);
    if constexpr (m % M) small_tile<T, L, m % M, V, k>(k, {a + i * k, k, 1}, b + j, n, c + i * n + j, n, add);
  }
}

/// One of many products of one size: C (m x n) = or += A B, rows of B and C contiguous.
template <class T> struct small_product {
  int64 m, k;
  strided<T> a;
  const T* b;
  int64 ldb;
  T* c;
  int64 ldc;
};
/// `count` products, the operands' and results' beginnings `da`, `db`, `dc` elements apart; rows by M, then one by one.
template <class T, class Arch, int L, int M> SINTER_KERNEL void gemm_batch(int64 count, small_product<T> x, int64 da, int64 db, int64 dc, bool add) {
  for (int64 g = 0; g < count; ++g) {
    int64 i = 0;
    for (; i + M <= x.m; i += M) small_tile<T, L, M, 1, -1>(x.k, x.a.from(i, 0), x.b, x.ldb, x.c + i * x.ldc, x.ldc, add);
    for (; i < x.m; ++i) small_tile<T, L, 1, 1, -1>(x.k, x.a.from(i, 0), x.b, x.ldb, x.c + i * x.ldc, x.ldc, add);
    x.a.data += da, x.b += db, x.c += dc;
  }
}
/// The same for any n; false if n is none for this.
template <class T, class Arch> bool gemm_batch(int64 n, int64 count, const small_product<T>& x, int64 da, int64 db, int64 dc, bool add) {
  if constexpr (std::is_floating_point_v<T> && simd::width<T> > 1) {
    constexpr int W = simd::width<T>;
    if (n == W) return gemm_batch<T, Arch, W, 8>(count, x, da, db, dc, add), true;
    if constexpr (W * sizeof(T) >= 32)
      if (n == W / 2) return gemm_batch<T, Arch, W / 2, 8>(count, x, da, db, dc, add), true;
    if constexpr (W * sizeof(T) >= 64)
      if (n == W / 4) return gemm_batch<T, Arch, W / 4, 4>(count, x, da, db, dc, add), true;
  }
  return false;
}

}  // namespace sinter::inline v0::detail::inline SINTER_TARGET
