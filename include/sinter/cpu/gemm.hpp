// SPDX-License-Identifier: BSD-3-Clause
// Matrix product on one core or many: C = A B for any strides of A and B, with an element-wise epilogue per finished
// block of rows. Not here: einsum labels and windows (contract.hpp), which come down to this.
#pragma once
#include "allocator.hpp"
#include "pack.hpp"
#include "parallel.hpp"

namespace sinter::inline v0 {
namespace detail {

/// A matrix in memory: element (i, j) is data[i * rows + j * columns]. Strides may be 0 or negative.
template <class T> struct strided {
  const T* data;
  int64 rows, columns;
  const T* at(int64 i, int64 j) const { return data + i * rows + j * columns; }
};

/// Register blocking: C is computed in tiles of `rows` x `vectors` registers, which leave a few for A and B.
template <class T> struct gemm_shape {
  static constexpr int lanes = simd::width<T>;
  static constexpr int rows = sizeof(T) * lanes == 64 ? 12 : lanes > 1 ? 6 : 4;
  static constexpr int vectors = 2;
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

/// m rows of V registers of C: full tiles, then tiles of 4 rows, then of 1.
template <class T, class Arch, int V>
void gemm_column(int64 m, int64 k, strided<T> a, const T* b, int64 ldb, T* c, int64 ldc, bool add) {
  constexpr int M = gemm_shape<T>::rows;
  int64 i = 0;
  auto rest = [&] { return strided<T>{a.at(i, 0), a.rows, a.columns}; };
  for (; i + M <= m; i += M) gemm_tile<T, Arch, M, V>(k, rest(), b, ldb, c + i * ldc, ldc, add);
  if constexpr (M > 4)
    for (; i + 4 <= m; i += 4) gemm_tile<T, Arch, 4, V>(k, rest(), b, ldb, c + i * ldc, ldc, add);
  for (; i < m; ++i) gemm_tile<T, Arch, 1, V>(k, rest(), b, ldb, c + i * ldc, ldc, add);
}

/// y[i] = x[i * ldx + p] v[p], summed over p < k: for rows that are contiguous and meet one vector only.
template <class T, class Arch, int R> SINTER_KERNEL void gemm_dots(int64 k, const T* x, int64 ldx, const T* v, T* y) {
  constexpr int W = gemm_shape<T>::lanes;
  using P = pack<T, W>;
  P sum[R];
  each<R>([&](int i) { sum[i] = P(T(0)); });
  int64 p = 0;
  for (; p + W <= k; p += W) {
    P right = P::load(v + p);
    each<R>([&](int i) { sum[i] = fma(P::load(x + i * ldx + p), right, sum[i]); });
  }
  if (int rest = static_cast<int>(k - p)) {
    P right = P::load(v + p, rest);
    each<R>([&](int i) { sum[i] = fma(P::load(x + i * ldx + p, rest), right, sum[i]); });
  }
  each<R>([&](int i) { y[i] = reduce(sum[i], [](T s, T t) { return s + t; }); });
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

/// Copies `columns` columns of B side by side, `width` elements a row, zeros behind: what gemm_tile reads.
template <class T, class Arch> SINTER_KERNEL void gemm_pack(int64 k, int64 columns, strided<T> b, T* to, int64 width) {
  constexpr int W = gemm_shape<T>::lanes;
  for (int64 j = 0; j < width; j += W) {
    int count = static_cast<int>(columns - j < W ? columns - j : W);
    int64 p = 0;
    if constexpr (W > 1)
      if (b.rows == 1 && count == W)
        for (; p + W <= k; p += W) transpose_square(b.at(p, j), b.columns, to + p * width + j, width);
    if (b.columns == 1)
      for (; p < k; ++p) pack<T, W>::load(b.at(p, j), count).store(to + p * width + j);
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
  static constexpr int64 W = shape::lanes, M = shape::rows;
  static constexpr bool simple = !std::is_floating_point_v<T>;

  int64 m, n, k;
  strided<T> a, b;
  int64 ld, height;  // of a block of C: row stride, rows
  int64 direct;      // columns of B below this are read in place, the others from the packed copy
  bool copy_a;
  bool dots;         // one row of A, and B by contiguous columns
  const T* packed = nullptr;

  gemm_task(int64 m_, int64 n_, int64 k_, strided<T> a_, strided<T> b_) : m(m_), n(n_), k(k_), a(a_), b(b_) {
    auto up = [](int64 x, int64 unit) { return (x + unit - 1) / unit * unit; };
    constexpr int64 size = sizeof(T);
    ld = up(n, W);
    if (ld * size % 4096 == 0) ld += 64 / size;  // rows of C must not fall on one set of the cache
    int64 cached = (1 << 19) / (ld * size), worth = (1 << 20) / (n * (k ? k : 1)) + 1;
    height = up(m / 16 > worth ? m / 16 : worth, M);
    if (height > cached) height = cached / M * M > M ? cached / M * M : M;
    if (height > m) height = m;
    dots = !simple && m == 1 && a.columns == 1 && b.rows == 1 && b.columns != 1;
    direct = simple || dots ? n : b.columns == 1 && m <= 2 * M ? n / W * W : 0;
    copy_a = n >= 8 * shape::columns && m > M;
  }
  int64 packed_size() const { return ((n - direct) + W - 1) / W * W * k; }
  /// Columns [j0, j1) of the packed copy; j0 - direct is a multiple of a tile's columns.
  void pack_columns(int64 j0, int64 j1, T* to) const {
    for (int64 j = j0; j < j1; j += shape::columns) {
      int64 count = j1 - j < shape::columns ? j1 - j : shape::columns;
      gemm_pack<T, Arch>(k, count, {b.at(0, j), b.rows, b.columns}, to + (j - direct) * k, count > W ? shape::columns : W);
    }
  }
  int64 scratch_size() const { return height * ld + (copy_a ? (height + 16) * (shape::depth + 16) : 0); }

  /// C(i, j) for rows [i0, i1), columns [j0, j1) at c[(i - i0) * ld + j].
  void block(int64 i0, int64 i1, int64 j0, int64 j1, T* c) const {
    if constexpr (simple) {
      for (int64 i = i0; i < i1; ++i, c += ld) {
        for (int64 j = j0; j < j1; ++j) c[j] = T(0);
        for (int64 p = 0; p < k; ++p)
          for (int64 j = j0; j < j1; ++j) c[j] = static_cast<T>(wrap(c[j]) + wrap(*a.at(i, p)) * wrap(*b.at(p, j)));
      }
    } else if (dots) {
      int64 j = j0;
      for (; j + 4 <= j1; j += 4) gemm_dots<T, Arch, 4>(k, b.at(0, j), b.columns, a.data, c + j);
      for (; j < j1; ++j) gemm_dots<T, Arch, 1>(k, b.at(0, j), b.columns, a.data, c + j);
    } else {
      int64 passes = k > 0 ? (k - 1) / shape::depth + 1 : 1, depth = k > 0 ? (k + passes - 1) / passes : 1;
      for (int64 p = 0; p == 0 || p < k; p += depth) {
        int64 deep = k - p < depth ? k - p : depth;
        strided<T> left{a.at(i0, p), a.rows, a.columns};
        if (copy_a) left = gemm_copy<T, Arch>(i1 - i0, deep, left, c + height * ld);
        for (int64 j = j0, width; j < j1; j += width) {
          bool in_place = j + W <= direct;
          bool narrow = in_place ? j + shape::columns > direct : n - j <= W;
          bool row = m == 1 && j + 4 * shape::columns <= (direct < j1 ? direct : j1);
          width = row ? 4 * shape::columns : narrow ? W : shape::columns;
          const T* right = in_place ? b.at(p, j) : packed + (j - direct) * k + p * width;
          int64 ldb = in_place ? b.rows : width;
          if (row) gemm_tile<T, Arch, 1, 4 * shape::vectors>(deep, left, right, ldb, c + j, ld, p > 0);
          else if (narrow) gemm_column<T, Arch, 1>(i1 - i0, deep, left, right, ldb, c + j, ld, p > 0);
          else gemm_column<T, Arch, shape::vectors>(i1 - i0, deep, left, right, ldb, c + j, ld, p > 0);
        }
      }
    }
  }
};

/// C = or += a finished block.
template <class T, class Arch>
SINTER_KERNEL void gemm_store(int64 m, int64 n, const T* block, int64 ld, T* c, int64 c_rs, int64 c_cs, bool add) {
  constexpr int W = simd::width<T>;
  for (int64 i = 0; i < m; ++i, block += ld, c += c_rs) {
    int64 j = 0;
    if (c_cs == 1)
      for (; j + W <= n; j += W) {
        auto x = pack<T, W>::load(block + j);
        (add ? pack<T, W>::load(c + j) + x : x).store(c + j);
      }
    for (; j < n; ++j) c[j * c_cs] = add ? static_cast<T>(wrap(c[j * c_cs]) + wrap(block[j])) : block[j];
  }
}

}  // namespace detail

/// C (m x n) = A (m x k) B (k x n), element strides. Calls tile(i0, i1, block, ld) once for each block of rows [i0, i1)
/// when it is final: C(i, j) is block[(i - i0) * ld + j], in cache. Calls may come from several threads.
/// Bitwise the same for every executor and number of threads.
template <class T, class Arch = native, class Tile>
SINTER_HIDDEN void gemm(int64 m, int64 n, int64 k, const T* a, int64 a_rs, int64 a_cs, const T* b, int64 b_rs, int64 b_cs, Tile&& tile) {
  if (m <= 0 || n <= 0) return;
  using shape = detail::gemm_shape<T>;
  detail::strided<T> left{a, a_rs, a_cs}, right{b, b_rs, b_cs};
  bool column = n == 1;  // a column of C is computed as the row that it is in scratch
  if (column) left = {b, b_cs, b_rs}, right = {a, a_cs, a_rs}, n = m, m = 1;
  detail::gemm_task<T, Arch> task(m, n, k, left, right);
  auto grain = [&](int64 work, int64 rows) {  // columns that are worth a chunk
    int64 columns = work / (rows * (k ? k : 1)) / shape::columns;
    return (columns ? columns : 1) * shape::columns;
  };
  detail::scratch<T, Arch> packed(task.packed_size());
  task.packed = packed.get();
  chunking packs = fixed_chunks(n - task.direct, grain(1 << 16, 1));
  parallel_for<Arch>(packs.count, [&](int64 g) {
    int64 j = task.direct + g * packs.size;
    task.pack_columns(j, n - j < packs.size ? n : j + packs.size, packed.get());
  });
  if (m <= task.height && !task.copy_a) {  // few rows: threads share their columns
    detail::scratch<T, Arch> c(task.scratch_size());
    chunking groups = fixed_chunks(n, grain(1 << 20, m));
    parallel_for<Arch>(groups.count, [&](int64 g) {
      int64 j0 = g * groups.size, j1 = n - j0 < groups.size ? n : j0 + groups.size;
      task.block(0, m, j0, j1, c.get());
      if (column) tile(j0, j1, static_cast<const T*>(c.get() + j0), int64(1));
    });
    if (!column) tile(int64(0), m, static_cast<const T*>(c.get()), task.ld);
    return;
  }
  parallel_for<Arch>((m - 1) / task.height + 1, [&](int64 i) {
    detail::scratch<T, Arch> c(task.scratch_size());
    int64 i0 = i * task.height, i1 = m - i0 < task.height ? m : i0 + task.height;
    task.block(i0, i1, 0, n, c.get());
    tile(i0, i1, static_cast<const T*>(c.get()), task.ld);
  });
}

/// C = A B, or C += A B. C must not overlap A or B.
template <class T, class Arch = native>
SINTER_HIDDEN void gemm(int64 m, int64 n, int64 k, const T* a, int64 a_rs, int64 a_cs, const T* b, int64 b_rs, int64 b_cs, T* c,
                        int64 c_rs, int64 c_cs, bool accumulate) {
  if (c_rs == 1 && c_cs != 1) return gemm<T, Arch>(n, m, k, b, b_cs, b_rs, a, a_cs, a_rs, c, c_cs, c_rs, accumulate);
  gemm<T, Arch>(m, n, k, a, a_rs, a_cs, b, b_rs, b_cs, [=](int64 i0, int64 i1, const T* block, int64 ld) {
    detail::gemm_store<T, Arch>(i1 - i0, n, block, ld, c + i0 * c_rs, c_rs, c_cs, accumulate);
  });
}

}  // namespace sinter::inline v0
