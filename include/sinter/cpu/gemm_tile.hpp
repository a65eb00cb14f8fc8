// SPDX-License-Identifier: BSD-3-Clause
// The inner loops of matrix products, in registers: a tile of C, dot products of rows, a few rows of C at once; and operands
// copied to where they are read fastest. Not here: how a product is cut into them (gemm.hpp).
#pragma once
#include "pack.hpp"

namespace sinter::inline v0::detail::inline SINTER_TARGET {

/// A matrix in memory: element (i, j) is data[i * rows + j * columns]. Strides may be 0 or negative.
template <class T> struct strided {
  const T* data;
  int64 rows, columns;
  const T* at(int64 i, int64 j) const { return data + i * rows + j * columns; }
  strided from(int64 i, int64 j) const { return {at(i, j), rows, columns}; }
  strided transposed() const { return {data, columns, rows}; }
};

/// What products are sums of: a * b.
struct multiply_add {
  template <class P> static SINTER_INLINE P apply(P a, P b, P sum) { return fma(a, b, sum); }
};

/// Register blocking: C is computed in tiles of `rows` x `vectors` registers, which leave a few for A and B.
template <class T> struct gemm_shape {
  static constexpr int lanes = simd::width<T>;
#if defined(__AVX512F__) || defined(__aarch64__)  // 32 registers
  static constexpr int rows = lanes > 1 ? 12 : 2;
#else
  static constexpr int rows = lanes > 1 ? 6 : 2;
#endif
  static constexpr int vectors = lanes > 1 ? 2 : 4;
  static constexpr int columns = vectors * lanes;
  static constexpr int64 depth = 1024;  // of k per pass: a panel of B, depth x columns, stays in the second cache
};

/// C (M x V registers, row stride ldc) = or += A (M x k) B (k x V registers, row stride ldb).
/// A is read in place: its rows in threes from a pointer each, which addressing modes do for free. `keep`, if asked for, gets
/// B's rows side by side.
template <class T, class Arch, int M, int V, class Step = multiply_add, bool Keep = false>
SINTER_KERNEL void gemm_tile(int64 k, strided<T> a, const T* b, int64 ldb, T* c, int64 ldc, bool add, T* keep = nullptr) {
  constexpr int W = gemm_shape<T>::lanes, threes = (M + 2) / 3;
  using P = pack<T, W>;
  P sum[M * V];
  const T* row[threes];
  each<threes>([&](int i) { row[i] = a.data + 3 * i * a.rows; });
  each<M * V>([&](int i) { sum[i] = P(T(0)); });
  if (k >= 64) each<M>([&](int i) { __builtin_prefetch(c + i * ldc, 1), __builtin_prefetch(c + i * ldc + V * W - 1, 1); });
  for (int64 p = 0; p < k; ++p) {
    P right[V];
    each<V>([&](int j) {
      right[j] = P::load(b + j * W);
      if constexpr (W > 1) right[j].r[0] = simd::pin(right[j].r[0]);  // loaded once, not by every fma again
      __builtin_prefetch(b + 8 * ldb + j * W);
      if constexpr (Keep) right[j].store(keep + j * W);
    });
    each<M>([&](int i) {
      P left(row[i / 3][i % 3 * a.rows]);
      if constexpr (W > 1) left.r[0] = simd::pin(left.r[0]);
      each<V>([&](int j) { sum[i * V + j] = Step::apply(left, right[j], sum[i * V + j]); });
    });
    each<threes>([&](int i) { row[i] += a.columns; });
    b += ldb;
    if constexpr (Keep) keep += V * W;
  }
  each<M>([&](int i) {
    each<V>([&](int j) {
      T* y = c + i * ldc + j * W;
      (add ? P::load(y) + sum[i * V + j] : sum[i * V + j]).store(y);
    });
  });
}

/// y(i, j) = or += x_i . v_j, sums over p < k, for R x Q: both contiguous along p, x_i = x + i * ldx, v_j = v + j * ldv.
template <class T, class Arch, int R, int Q, class Step = multiply_add>
SINTER_KERNEL void gemm_dots(int64 k, const T* x, int64 ldx, const T* v, int64 ldv, T* y, int64 rows, int64 columns, bool add) {
  constexpr int W = gemm_shape<T>::lanes;
  using P = pack<T, W>;
  P sum[R * Q];
  each<R * Q>([&](int i) { sum[i] = P(T(0)); });
  auto step = [&](int64 p, auto load) {
    P right[Q];
    each<Q>([&](int j) { right[j] = load(v + j * ldv + p); });
    each<R>([&](int i) {
      const P left = load(x + i * ldx + p);
      each<Q>([&](int j) { sum[i * Q + j] = Step::apply(left, right[j], sum[i * Q + j]); });
    });
  };
  int64 p = 0;
  for (; p + W <= k; p += W) step(p, [](const T* q) { return P::load(q); });
  if (p < k) step(p, [count = static_cast<int>(k - p)](const T* q) { return P::load(q, count); });
  each<R * Q>([&](int i) {
    T& to = y[i / Q * rows + i % Q * columns];
    const T s = reduce(sum[i], [](auto a, auto b) { return a + b; });
    to = add ? to + s : s;
  });
}

/// M rows of C (row stride ldc) = or += A (M x P) B (P x n, rows contiguous): B is read along its rows, once.
template <class T, class Arch, int M, int P>
SINTER_KERNEL void gemm_rows(int64 n, strided<T> a, const T* b, int64 ldb, T* c, int64 ldc, bool add) {
  constexpr int W = gemm_shape<T>::lanes;
  using R = pack<T, W>;
  R left[M * P];
  each<M * P>([&](int i) { left[i] = R(*a.at(i / P, i % P)); });
  auto step = [&](int64 j, auto load, auto store) {
    R sum[M], right[P];
    each<M>([&](int i) { sum[i] = add ? load(c + i * ldc + j) : R(T(0)); });
    each<P>([&](int p) { right[p] = load(b + p * ldb + j), __builtin_prefetch(b + (p + P) * ldb + j); });
    each<P>([&](int p) { each<M>([&](int i) { sum[i] = fma(left[i * P + p], right[p], sum[i]); }); });
    each<M>([&](int i) { store(sum[i], c + i * ldc + j); });
  };
  int64 j = 0;
  for (; j + W <= n; j += W) step(j, [](const T* q) { return R::load(q); }, [](R v, T* q) { v.store(q); });
  if (const int rest = static_cast<int>(n - j)) step(j, [=](const T* q) { return R::load(q, rest); }, [=](R v, T* q) { v.store(q, rest); });
}

/// to[p * width + q] = from[q * stride + p] for one square of registers.
template <class T> SINTER_INLINE void transpose_square(const T* from, int64 stride, T* to, int64 width) {
  constexpr int W = simd::width<T>;
  simd::vec<T> v[W], u[W];
  each<W>([&](int q) { v[q] = simd::as_vec<T>(simd::batch<T>::load_unaligned(from + q * stride)); });
  auto stage = [](auto& x, auto& y) {
    each<W / 2>([&](int i) {
      y[2 * i] = simd::interleave<0>(x[i], x[i + W / 2]);
      y[2 * i + 1] = simd::interleave<1>(x[i], x[i + W / 2]);
    });
  };
  constexpr int stages = W == 16 ? 4 : W == 8 ? 3 : W == 4 ? 2 : 1;
  each<stages>([&](int s) { s % 2 ? stage(u, v) : stage(v, u); });
  each<W>([&](int p) { simd::as_batch<T>(stages % 2 ? u[p] : v[p]).store_unaligned(to + p * width); });
}

/// Copies up to a tile's columns of B side by side, zeros behind: what gemm_tile reads.
template <class T, class Arch> SINTER_KERNEL void gemm_pack(int64 k, int64 columns, strided<T> b, T* to) {
  constexpr int W = gemm_shape<T>::lanes, width = gemm_shape<T>::columns;
  for (int64 j = 0; j < width; j += W) {
    int count = static_cast<int>(columns - j < 0 ? 0 : columns - j < W ? columns - j : W);
    int64 p = 0;
    if constexpr (W > 1)
      if (b.rows == 1 && count == W)
        for (; p + W <= k; p += W) transpose_square(b.at(p, j), b.columns, to + p * width + j, width);
    if (b.columns == 1 || count == 0)
      for (; p < k; ++p) pack<T, W>::load(b.at(p, count ? j : 0), count).store(to + p * width + j);
    for (; p < k; ++p)
      for (int q = 0; q < W; ++q) to[p * width + j + q] = q < count ? *b.at(p, j + q) : T(0);
  }
}

/// Copies A (m x k) where its strides allow long runs: by rows, or by columns if those are contiguous.
template <class T, class Arch> strided<T> gemm_copy(int64 m, int64 k, strided<T> a, T* to) {
  bool by_columns = a.rows == 1;
  int64 runs = by_columns ? k : m, length = by_columns ? m : k;
  int64 run_stride = by_columns ? a.columns : a.rows, stride = by_columns ? 1 : a.columns, ld = length + 16;
  for (int64 r = 0; r < runs; ++r) {
    const T* from = a.data + r * run_stride;
    if (stride == 1) __builtin_memcpy(to + r * ld, from, static_cast<std::size_t>(length) * sizeof(T));
    else for (int64 i = 0; i < length; ++i) to[r * ld + i] = from[i * stride];
  }
  return by_columns ? strided<T>{to, 1, ld} : strided<T>{to, ld, 1};
}

}  // namespace sinter::inline v0::detail::inline SINTER_TARGET
