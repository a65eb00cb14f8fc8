// SPDX-License-Identifier: BSD-3-Clause
// Matrix product on one core or many: C = A B for any strides of A and B, with an element-wise epilogue per finished
// block of rows. Not here: einsum labels and windows (contract.hpp), which come down to this.
#pragma once
#include "allocator.hpp"
#include "pack.hpp"
#include "parallel.hpp"

namespace sinter::inline v0 {
namespace detail::inline SINTER_TARGET {

/// A matrix in memory: element (i, j) is data[i * rows + j * columns]. Strides may be 0 or negative.
template <class T> struct strided {
  const T* data;
  int64 rows, columns;
  const T* at(int64 i, int64 j) const { return data + i * rows + j * columns; }
};

/// Register blocking: C is computed in tiles of `rows` x `vectors` registers, which leave a few for A and B.
template <class T> struct gemm_shape {
  static constexpr int lanes = simd::width<T>;
  static constexpr int rows = sizeof(T) * lanes == 64 ? 12 : lanes > 1 ? 6 : 2;
  static constexpr int vectors = lanes > 1 ? 2 : 4;  // at least four columns: gemm_dots writes fours
  static constexpr int columns = vectors * lanes;
  static constexpr int64 depth = 320;  // of k per pass: a panel of B, depth x columns, stays in L1
};

/// C (M x V registers, row stride ldc) = or += A (M x k) B (k x V registers, row stride ldb).
/// A is read in place: its rows in threes from a pointer each, which addressing modes do for free.
template <class T, class Arch, int M, int V>
SINTER_KERNEL void gemm_tile(int64 k, strided<T> a, const T* b, int64 ldb, T* c, int64 ldc, bool add) {
  constexpr int W = gemm_shape<T>::lanes, threes = (M + 2) / 3;
  using P = pack<T, W>;
  P sum[M * V];
  const T* row[threes];
  each<threes>([&](int i) { row[i] = a.data + 3 * i * a.rows; });
  each<M * V>([&](int i) { sum[i] = P(T(0)); });
  for (int64 p = 0; p < k; ++p) {
    P right[V];
    each<V>([&](int j) {
      right[j] = P::load(b + j * W);
      if constexpr (W > 1) right[j].r[0] = simd::pin(right[j].r[0]);  // loaded once, not by every fma again
      __builtin_prefetch(b + (j + V) * W);                           // read in place: the next tile's columns
    });
    each<M>([&](int i) {
      P left(row[i / 3][i % 3 * a.rows]);
      if constexpr (W > 1) left.r[0] = simd::pin(left.r[0]);
      each<V>([&](int j) { sum[i * V + j] = fma(left, right[j], sum[i * V + j]); });
    });
    each<threes>([&](int i) { row[i] += a.columns; });
    b += ldb;
  }
  each<M>([&](int i) {
    each<V>([&](int j) {
      T* y = c + i * ldc + j * W;
      (add ? P::load(y) + sum[i * V + j] : sum[i * V + j]).store(y);
    });
  });
}

/// m rows of one tile's columns: full tiles, half as wide where that is enough, then tiles of 4 rows, then of 1.
template <class T, class Arch>
void gemm_column(int64 m, int64 k, strided<T> a, const T* b, int64 ldb, T* c, int64 ldc, bool add, bool narrow) {
  constexpr int M = gemm_shape<T>::rows, V = gemm_shape<T>::vectors;
  int64 i = 0;
  auto rest = [&] { return strided<T>{a.at(i, 0), a.rows, a.columns}; };
  if (narrow) for (; i + M <= m; i += M) gemm_tile<T, Arch, M, V / 2>(k, rest(), b, ldb, c + i * ldc, ldc, add);
  else for (; i + M <= m; i += M) gemm_tile<T, Arch, M, V>(k, rest(), b, ldb, c + i * ldc, ldc, add);
  if constexpr (M > 4)
    for (; i + 4 <= m; i += 4) gemm_tile<T, Arch, 4, V>(k, rest(), b, ldb, c + i * ldc, ldc, add);
  for (; i < m; ++i) gemm_tile<T, Arch, 1, V>(k, rest(), b, ldb, c + i * ldc, ldc, add);
}

/// y[i] = x[i * ldx + p] v[p], summed over p < k, for four i: contiguous rows that meet one vector only.
template <class T, class Arch> SINTER_KERNEL void gemm_dots(int64 k, const T* x, int64 ldx, const T* v, T* y) {
  constexpr int W = gemm_shape<T>::lanes, R = 4;
  using P = pack<T, W>;
  P sum[R];
  each<R>([&](int i) { sum[i] = P(T(0)); });
  for (int64 p = 0; p < k; p += W) {
    int rest = static_cast<int>(k - p < W ? k - p : W);
    P right = rest == W ? P::load(v + p) : P::load(v + p, rest);
    each<R>([&](int i) {
      const T* q = x + i * ldx + p;
      sum[i] = fma(rest == W ? P::load(q) : P::load(q, rest), right, sum[i]);
    });
  }
  each<R>([&](int i) { y[i] = reduce(sum[i], [](auto s, auto t) { return s + t; }); });
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

/// Memory of the caching allocator until the end of the scope.
template <class T, class Arch> class scratch {
 public:
  explicit scratch(int64 n) : bytes_(n * static_cast<int64>(sizeof(T))), data_(static_cast<T*>(host_alloc<Arch>(bytes_))) {}
  ~scratch() { host_free<Arch>(data_, bytes_); }
  scratch(const scratch&) = delete;
  scratch& operator=(const scratch&) = delete;
  T* get() const { return data_; }

 private:
  int64 bytes_;
  T* data_;
};

/// One product and how it is cut. Cutting changes no result: every C(i, j) is summed over k in the same order.
template <class T, class Arch> struct gemm_task {
  using shape = gemm_shape<T>;
  static constexpr int64 M = shape::rows, width = shape::columns;
  static constexpr bool simple = !std::is_floating_point_v<T>;
  using receiver = void (*)(void*, int64, int64, const T*, int64);

  int64 m, n, k;
  strided<T> a, b;
  bool column;       // a column of C is computed as the row that it is in scratch
  bool dots;         // one row of A, and B by contiguous columns
  bool copy_a;
  int64 direct;      // columns of B below this are read in place, the others from the packed copy
  int64 ld, height;  // of a block of C: row stride, rows
  T* packed = nullptr;

  gemm_task(int64 m_, int64 n_, int64 k_, strided<T> a_, strided<T> b_) : m(m_), n(n_), k(k_), a(a_), b(b_), column(n_ == 1) {
    if (column) n = m, m = 1, a = {b_.data, b_.columns, b_.rows}, b = {a_.data, a_.columns, a_.rows};
    constexpr int64 size = sizeof(T);
    ld = (n + width - 1) / width * width;
    if (ld * size % 4096 == 0) ld += 64 / size;  // rows of C must not fall on one set of the cache
    int64 cached = (1 << 19) / (ld * size), worth = (1 << 20) / (n * (k ? k : 1)) + 1;
    int64 share = m / (4 * concurrency<Arch>());
    height = ((share > worth ? share : worth) + M - 1) / M * M;
    if (height > cached) height = cached / M * M > M ? cached / M * M : M;
    if (height > m) height = m;
    dots = !simple && m == 1 && a.columns == 1 && b.rows == 1 && b.columns != 1;
    direct = simple || dots ? n : b.columns == 1 && m <= 2 * M ? n / width * width : 0;
    copy_a = n >= 8 * width && m > M;
  }
  int64 packed_size() const { return (n - direct + width - 1) / width * width * k; }
  int64 scratch_size() const { return height * ld + 4 + (copy_a ? (height + 16) * (shape::depth + 16) : 0); }
  /// How many columns are worth a thread's while, if one costs `work`.
  static int64 grain(int64 budget, int64 work) {
    int64 tiles = budget / (work ? work : 1) / width;
    return (tiles ? tiles : 1) * width;
  }

  /// C(i, j) for rows [i0, i1), columns [j0, j1) at c[(i - i0) * ld + j].
  void block(int64 i0, int64 i1, int64 j0, int64 j1, T* c) const {
    if constexpr (simple) {
      for (int64 i = i0; i < i1; ++i, c += ld) {
        for (int64 j = j0; j < j1; ++j) c[j] = T(0);
        for (int64 p = 0; p < k; ++p)
          for (int64 j = j0; j < j1; ++j) c[j] = static_cast<T>(wrap(c[j]) + wrap(*a.at(i, p)) * wrap(*b.at(p, j)));
      }
    } else if (dots) {  // the last three, one at a time, overwrite what is computed next or never read
      for (int64 j = j0, four; j < j1; j += four ? 4 : 1) {
        four = j + 4 <= j1;
        gemm_dots<T, Arch>(k, b.at(0, j), four ? b.columns : 0, a.data, c + j);
      }
    } else {
      int64 passes = k > 0 ? (k - 1) / shape::depth + 1 : 1, depth = k > 0 ? (k + passes - 1) / passes : 1;
      for (int64 p = 0; p == 0 || p < k; p += depth) {
        int64 deep = k - p < depth ? k - p : depth;
        strided<T> left{a.at(i0, p), a.rows, a.columns};
        if (copy_a) left = gemm_copy<T, Arch>(i1 - i0, deep, left, c + height * ld + 4);
        for (int64 j = j0; j < j1;) {
          bool in_place = j < direct, row = m == 1 && j + 4 * width <= (direct < j1 ? direct : j1);
          const T* right = in_place ? b.at(p, j) : packed + (j - direct) * k + p * width;
          int64 ldb = in_place ? b.rows : width;
          if (row) gemm_tile<T, Arch, 1, 4 * shape::vectors>(deep, left, right, ldb, c + j, ld, p > 0);
          else gemm_column<T, Arch>(i1 - i0, deep, left, right, ldb, c + j, ld, p > 0, !in_place && 2 * (n - j) <= width);
          j += row ? 4 * width : width;
        }
      }
    }
  }

  /// Computes all and hands out blocks.
  SINTER_HIDDEN void run(void* context, receiver tile) {
    scratch<T, Arch> copy(packed_size());
    packed = copy.get();
    chunking packs = fixed_chunks(n - direct, grain(1 << 16, k));
    if (packs.count)
      parallel_for<Arch>(packs.count, [&](int64 g) {
        int64 end = direct + (g + 1) * packs.size;
        for (int64 j = direct + g * packs.size; j < end && j < n; j += width)
          gemm_pack<T, Arch>(k, n - j < width ? n - j : width, {b.at(0, j), b.rows, b.columns}, packed + (j - direct) * k);
      });
    bool few_rows = m <= height && !copy_a;  // then threads share their columns
    chunking rows{(m - 1) / height + 1, height}, columns = fixed_chunks(n, grain(1 << 20, m * k));
    scratch<T, Arch> shared(few_rows ? scratch_size() : 0);
    parallel_for<Arch>(few_rows ? columns.count : rows.count, [&](int64 g) {
      if (few_rows) {
        int64 j0 = g * columns.size, j1 = n - j0 < columns.size ? n : j0 + columns.size;
        block(0, m, j0, j1, shared.get());
        if (column) tile(context, j0, j1, shared.get() + j0, 1);
      } else {
        scratch<T, Arch> c(scratch_size());
        int64 i0 = g * height, i1 = m - i0 < height ? m : i0 + height;
        block(i0, i1, 0, n, c.get());
        tile(context, i0, i1, c.get(), ld);
      }
    });
    if (few_rows && !column) tile(context, 0, m, shared.get(), ld);
  }
};

/// C = or += a finished block.
template <class T> struct gemm_target {
  int64 n;
  T* c;
  int64 rows, columns;
  bool add;
};
template <class T, class Arch> SINTER_KERNEL void gemm_store(const gemm_target<T>& to, int64 i0, int64 i1, const T* block, int64 ld) {
  constexpr int W = simd::width<T>;
  for (int64 i = i0; i < i1; ++i, block += ld) {
    T* c = to.c + i * to.rows;
    int64 j = 0;
    if (to.columns == 1)
      for (; j + W <= to.n; j += W) {
        auto x = pack<T, W>::load(block + j);
        (to.add ? pack<T, W>::load(c + j) + x : x).store(c + j);
      }
    for (; j < to.n; ++j) {
      T& y = c[j * to.columns];
      y = to.add ? static_cast<T>(wrap(y) + wrap(block[j])) : block[j];
    }
  }
}

}  // namespace detail::inline SINTER_TARGET

/// C (m x n) = A (m x k) B (k x n), element strides. Calls tile(i0, i1, block, ld) once for each block of rows [i0, i1)
/// when it is final: C(i, j) is block[(i - i0) * ld + j], in cache. Calls may come from several threads.
/// Bitwise the same for every executor and number of threads.
template <class T, class Arch = native, class Tile>
SINTER_HIDDEN void gemm(int64 m, int64 n, int64 k, const T* a, int64 a_rs, int64 a_cs, const T* b, int64 b_rs, int64 b_cs, Tile&& tile) {
  if (m <= 0 || n <= 0) return;
  static constexpr T nothing{};
  if (k <= 0) a = b = &nothing, a_rs = a_cs = b_rs = b_cs = k = 0;  // operands without elements may be null
  using callable = std::remove_reference_t<Tile>;
  detail::gemm_task<T, Arch>(m, n, k, {a, a_rs, a_cs}, {b, b_rs, b_cs})
      .run(const_cast<std::remove_const_t<callable>*>(&tile), [](void* context, int64 i0, int64 i1, const T* block, int64 ld) {
        (*static_cast<callable*>(context))(i0, i1, block, ld);
      });
}

/// C = A B, or C += A B. C must not overlap A or B.
template <class T, class Arch = native>
SINTER_HIDDEN void gemm(int64 m, int64 n, int64 k, const T* a, int64 a_rs, int64 a_cs, const T* b, int64 b_rs, int64 b_cs, T* c,
                        int64 c_rs, int64 c_cs, bool accumulate) {
  if (c_rs == 1 && c_cs != 1) return gemm<T, Arch>(n, m, k, b, b_cs, b_rs, a, a_cs, a_rs, c, c_cs, c_rs, accumulate);
  detail::gemm_target<T> to{n, c, c_rs, c_cs, accumulate};
  gemm<T, Arch>(m, n, k, a, a_rs, a_cs, b, b_rs, b_cs, [&to](int64 i0, int64 i1, const T* block, int64 ld) {
    detail::gemm_store<T, Arch>(to, i0, i1, block, ld);
  });
}

}  // namespace sinter::inline v0
