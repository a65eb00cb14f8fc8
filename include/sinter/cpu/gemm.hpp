// SPDX-License-Identifier: BSD-3-Clause
// Matrix product on one core or many: C = A B for any strides of A, B and C, with an element-wise epilogue per finished block.
// Not here: the loops in registers (gemm_tile.hpp); einsum labels and windows (contract.hpp), which come down to this.
#pragma once
#include "allocator.hpp"
#include "blas.hpp"
#include "gemm_tile.hpp"
#include "parallel.hpp"

namespace sinter::inline v0 {
namespace detail::inline SINTER_TARGET {

/// Memory of the caching allocator until the end of the scope; none for n = 0.
template <class T, class Arch> class scratch {
 public:
  explicit scratch(int64 n) : bytes_(n * static_cast<int64>(sizeof(T))), data_(n ? static_cast<T*>(host_alloc<Arch>(bytes_)) : nullptr) {}
  ~scratch() { host_free<Arch>(data_, bytes_); }
  scratch(const scratch&) = delete;
  scratch& operator=(const scratch&) = delete;
  T* get() const { return data_; }

 private:
  int64 bytes_;
  T* data_;
};

/// An operand of a product: memory, or a function that makes it block by block.
template <class T> struct gemm_operand {
  strided<T> memory;  ///< for one that is made, the strides alone: which way its blocks lie
  /// Makes the block of `rows` x `columns` at (i, j) in `room`, which has space for block_size of them, and says how it lies there.
  strided<T> (*make)(const void* context, int64 i, int64 j, int64 rows, int64 columns, T* room) = nullptr;
  /// For right operands: makes rows p to p + depth of columns j to j + columns (at most a tile's), row after row with a tile's
  /// columns each, zeros behind.
  void (*pack)(const void* context, int64 p, int64 depth, int64 j, int64 columns, T* to) = nullptr;
  const void* context = nullptr;
  bool turned = false;  ///< `make` knows the transpose

  static constexpr int64 block_size(int64 rows, int64 columns) { return (rows + 16) * (columns + 16); }
  gemm_operand transposed() const { return {memory.transposed(), make, pack, context, !turned}; }
  strided<T> block(int64 i, int64 j, int64 rows, int64 columns, T* room) const {
    return turned ? make(context, j, i, columns, rows, room).transposed() : make(context, i, j, rows, columns, room);
  }
};

/// Where C goes: to memory, or in finished blocks to a function.
template <class T> struct gemm_result {
  T* c;
  int64 rows, columns;
  bool add;
  void (*receive)(void* context, int64 i0, int64 i1, int64 j0, int64 j1, strided<T> block) = nullptr;
  void* context = nullptr;

  /// Hands finished blocks to tile(i0, i1, j0, j1, block), which must live as long.
  template <class Tile> static gemm_result receiver(Tile& tile) {
    return {nullptr, 0, 0, false, [](void* to, int64 i0, int64 i1, int64 j0, int64 j1, strided<T> block) { (*static_cast<Tile*>(to))(i0, i1, j0, j1, block); },
            const_cast<std::remove_const_t<Tile>*>(&tile)};
  }
};

/// Stores or adds a block of C.
template <class T, class Arch> SINTER_KERNEL void gemm_store(const gemm_result<T>& to, int64 i0, int64 i1, int64 j0, int64 j1, strided<T> block) {
  constexpr int W = simd::width<T>;
  for (int64 i = i0; i < i1; ++i) {
    const T* from = block.at(i - i0, 0);
    T* c = to.c + i * to.rows + j0 * to.columns;
    const int64 n = j1 - j0;
    int64 j = 0;
    if (to.columns == 1 && block.columns == 1)
      for (; j + W <= n; j += W) {
        auto x = pack<T, W>::load(from + j);
        (to.add ? pack<T, W>::load(c + j) + x : x).store(c + j);
      }
    for (; j < n; ++j) {
      T& y = c[j * to.columns];
      const T x = from[j * block.columns];
      y = to.add ? static_cast<T>(wrap(y) + wrap(x)) : x;
    }
  }
}

/// One product and how it is cut. Cutting changes no result: every C(i, j) is summed over k in the same order.
/// Step: what is done with an element of A and one of B.
template <class T, class Arch, class Step = multiply_add> class gemm_task {
 public:
  gemm_task(int64 m, int64 n, int64 k, const gemm_operand<T>& a, const gemm_operand<T>& b, const gemm_result<T>& c) : m_(m), n_(n), k_(k), a_(a), b_(b), c_(c) {
    const strided<T> left = a.memory;
    const bool few_columns = n_ < m_ && (n_ == 1 || (n_ <= few && (left.rows == 1 || left.columns == 1))), few_rows = m_ < n_ && m_ <= few;
    const bool by_columns = c_.c && c_.rows == 1 && c_.columns != 1;
    if (!b.pack && (few_columns || (by_columns && !few_rows))) turn();
    // rows that fall on one set of the caches are no place to add pass after pass
    const bool apart = c_.rows * static_cast<int64>(sizeof(T)) % 1024 != 0;
    direct_ = c_.c && (c_.columns == 1 || n_ == 1) && (apart || k_ <= shape::depth);
    how_ = std::is_floating_point_v<T> ? tiles : terms;
    if (how_ == tiles && !b_.pack) {
      if (m_ <= few && b_.memory.rows == 1 && k_ >= 2 * lanes) how_ = dots;
      else if (m_ <= few / 2 && b_.memory.columns == 1 && n_ >= lanes && !b_.make && std::is_same_v<Step, multiply_add>) how_ = streams;
    }
    if constexpr (by_library)
      if (how_ == tiles && !a_.make && !b_.make && !b_.pack && blas<T>::takes(m_, n_, k_)) how_ = library;
  }
  SINTER_HIDDEN void run() const {
    if constexpr (by_library)
      if (how_ == library) return run_library();
    how_ == tiles ? run_tiles() : run_columns();
  }

  static constexpr int64 most_columns = 2048 / static_cast<int64>(sizeof(T)) / gemm_shape<T>::columns * gemm_shape<T>::columns;  ///< of a block of C that is handed on from the cache

 private:
  using shape = gemm_shape<T>;
  static constexpr int64 M = shape::rows, width = shape::columns, lanes = shape::lanes, few = 8;
  static constexpr int64 most_rows = 16 * M;   ///< of a block of C: its share of A stays in the second cache
  static constexpr bool by_library = blas<T>::present && std::is_same_v<Step, multiply_add>;
  enum method { terms, dots, streams, tiles, library };

  int64 m_, n_, k_;
  gemm_operand<T> a_, b_;
  gemm_result<T> c_;
  bool turned_ = false;  ///< C is computed as the transpose of B^T A^T
  bool direct_;          ///< tiles store to C itself
  method how_;

  void turn() {
    turned_ = true;
    const gemm_operand<T> a = a_;
    a_ = b_.transposed(), b_ = a.transposed();
    const int64 n = n_, rows = c_.rows;
    n_ = m_, m_ = n, c_.rows = c_.columns, c_.columns = rows;
  }
  /// Hands out C(i, j) for i in [i0, i1), j in [j0, j1).
  void deliver(int64 i0, int64 i1, int64 j0, int64 j1, const T* block, int64 ld) const {
    const strided<T> s{block, ld, 1};
    if (c_.c) gemm_store<T, Arch>(c_, i0, i1, j0, j1, s);
    else if (turned_) c_.receive(c_.context, j0, j1, i0, i1, s.transposed());
    else c_.receive(c_.context, i0, i1, j0, j1, s);
  }
  /// Calls body(0) ... body(count - 1), on threads if that many multiply-adds are worth it.
  template <class Body> static void spread(int64 count, int64 work, const Body& body) {
    if (work < 1 << 16)
      for (int64 i = 0; i < count; ++i) body(i);
    else parallel_for<Arch>(count, body);
  }

  // --- few rows, or integers: columns by columns ---------------------------------------------------------------------------

  void run_columns() const {
    int64 size = how_ == terms ? n_ : how_ == dots ? b_.make ? columns_made() : 64 : 4096 / m_ / width * width;
    if (const int threads = concurrency<Arch>(); threads > 1 && how_ == streams) size = smaller(size, n_ / (2 * threads), width);
    const int64 count = (n_ - 1) / size + 1;
    strided<T> a = a_.memory;
    const bool copy = how_ == dots && a.columns != 1;  // rows that are no runs
    scratch<T, Arch> made(a_.make ? a_.block_size(m_, k_) : 0), left(copy ? m_ * k_ : 0);
    if (a_.make) a = a_.block(0, 0, m_, k_, made.get());
    if (copy) {
      for (int64 i = 0; i < m_; ++i)
        for (int64 p = 0; p < k_; ++p) left.get()[i * k_ + p] = *a.at(i, p);
      a = {left.get(), k_, 1};
    }
    spread(count, m_ * n_ * k_, [&](int64 g) {
      const int64 j0 = g * size, j1 = n_ - j0 < size ? n_ : j0 + size, ld = direct_ ? c_.rows : j1 - j0;
      scratch<T, Arch> own(direct_ ? 0 : m_ * ld), right(b_.make ? b_.block_size(k_, j1 - j0) : 0);
      const strided<T> b = b_.make ? b_.block(0, j0, k_, j1 - j0, right.get()) : b_.memory.from(0, j0);
      T* c = direct_ ? c_.c + j0 * c_.columns : own.get();
      const int64 step = direct_ ? c_.columns : 1;
      const bool add = direct_ && c_.add;
      if (how_ == terms) by_terms(a, b, j1 - j0, c, ld, step, add);
      else if (how_ == dots) by_dots(a, b, j1 - j0, c, ld, step, add);
      else by_streams(a, b, j1 - j0, c, ld, add);
      if (!direct_) deliver(0, m_, j0, j1, own.get(), ld);
    });
  }
  /// Columns of a right operand that is made for dot products: few enough to be read back from the first cache, if they fit.
  int64 columns_made() const { return k_ < 512 ? 16 : k_ < 1024 ? 8 : 4; }

  // n columns of C = or += A B
  void by_terms(strided<T> a, strided<T> b, int64 n, T* c, int64 ld, int64 step, bool add) const {
    for (int64 i = 0; i < m_; ++i, c += ld) {
      if (!add)
        for (int64 j = 0; j < n; ++j) c[j * step] = T(0);
      for (int64 p = 0; p < k_; ++p)
        for (int64 j = 0; j < n; ++j) {
          T& y = c[j * step];
          y = static_cast<T>(wrap(y) + wrap(*a.at(i, p)) * wrap(*b.at(p, j)));
        }
    }
  }
  void by_dots(strided<T> a, strided<T> b, int64 n, T* c, int64 ld, int64 step, bool add) const {
    const int64 ldb = b.columns;
    int64 i = 0;
    for (; i + 4 <= m_; i += 4) {
      int64 j = 0;
      for (; j + 4 <= n; j += 4) gemm_dots<T, Arch, 4, 4, Step>(k_, a.at(i, 0), a.rows, b.at(0, j), ldb, c + i * ld + j * step, ld, step, add);
      for (; j < n; ++j) gemm_dots<T, Arch, 4, 1, Step>(k_, a.at(i, 0), a.rows, b.at(0, j), ldb, c + i * ld + j * step, ld, step, add);
    }
    for (; i < m_; ++i) {
      int64 j = 0;
      for (; j + 4 <= n; j += 4) gemm_dots<T, Arch, 4, 1, Step>(k_, b.at(0, j), ldb, a.at(i, 0), 0, c + i * ld + j * step, step, 0, add);
      for (; j < n; ++j) gemm_dots<T, Arch, 1, 1, Step>(k_, b.at(0, j), ldb, a.at(i, 0), 0, c + i * ld + j * step, 0, 0, add);
    }
  }
  template <int R, int P> void some_rows(int64 i, strided<T> a, strided<T> b, int64 n, T* c, int64 ld, bool add) const {
    int64 p = 0;
    for (; p + P <= k_; p += P) gemm_rows<T, Arch, R, P>(n, a.from(i, p), b.at(p, 0), b.rows, c + i * ld, ld, add || p);
    for (; p < k_; ++p)
      for (int64 q = i; q < i + R; ++q) gemm_rows<T, Arch, 1, 1>(n, a.from(q, p), b.at(p, 0), b.rows, c + q * ld, ld, add || p);
  }
  void by_streams(strided<T> a, strided<T> b, int64 n, T* c, int64 ld, bool add) const {
    if (k_ == 0 && !add) by_terms(a, b, n, c, ld, 1, add);
    int64 i = 0;
    for (; i + 4 <= m_; i += 4) some_rows<4, 4>(i, a, b, n, c, ld, add);
    for (; i + 2 <= m_; i += 2) some_rows<2, 4>(i, a, b, n, c, ld, add);
    for (; i < m_; ++i) some_rows<1, 4>(i, a, b, n, c, ld, add);
  }

  // --- the program's BLAS ----------------------------------------------------------------------------------------------------

  /// An operand as cblas reads it: as it is, or copied to `to`, along its shorter stride.
  static strided<T> for_library(strided<T> a, int64 m, int64 n, T* to) {
    if (!to) return a;
    const bool turn = (a.rows < 0 ? -a.rows : a.rows) < (a.columns < 0 ? -a.columns : a.columns);
    const strided<T> from = turn ? a.transposed() : a;
    const int64 runs = turn ? n : m, length = turn ? m : n;
    spread(runs, m * n * 8, [&](int64 i) {
      for (int64 j = 0; j < length; ++j) to[i * length + j] = *from.at(i, j);
    });
    return turn ? strided<T>{to, 1, length} : strided<T>{to, length, 1};
  }
  void run_library() const {
    scratch<T, Arch> left(blas<T>::reads(a_.memory, m_, k_) ? 0 : m_ * k_), right(blas<T>::reads(b_.memory, k_, n_) ? 0 : k_ * n_);
    const strided<T> a = for_library(a_.memory, m_, k_, left.get()), b = for_library(b_.memory, k_, n_, right.get());
    if (c_.c && c_.columns == 1 && c_.rows >= n_ && blas<T>::counts(c_.rows)) return blas<T>::gemm(m_, n_, k_, a, b, c_.c, c_.rows, c_.add);
    // blocks long enough for the BLAS, handed on in pieces
    constexpr int64 most_height = 512, most_breadth = 2048, part = 32;
    const int64 height = m_ < most_height ? m_ : most_height, breadth = n_ < most_breadth ? n_ : most_breadth, ld = breadth + 16;
    scratch<T, Arch> own(height * ld);
    for (int64 j0 = 0; j0 < n_; j0 += breadth)
      for (int64 i0 = 0; i0 < m_; i0 += height) {
        const int64 rows = m_ - i0 < height ? m_ - i0 : height, columns = n_ - j0 < breadth ? n_ - j0 : breadth;
        blas<T>::gemm(rows, columns, k_, a.from(i0, 0), b.from(0, j0), own.get(), ld, false);
        spread((rows - 1) / part + 1, rows * columns * 8, [&](int64 g) {
          const int64 i = g * part, end = rows - i < part ? rows : i + part;
          deliver(i0 + i, i0 + end, j0, j0 + columns, own.get() + i * ld, ld);
        });
      }
  }

  // --- tiles -----------------------------------------------------------------------------------------------------------------

  void run_tiles() const {
    const int threads = concurrency<Arch>();
    const int64 most = direct_ ? 2 * most_columns : most_columns;
    int64 height = m_ < most_rows ? m_ : most_rows, breadth = n_ < most ? n_ : most;
    if (threads > 1) {
      if (m_ > height || m_ >= n_) height = smaller(height, m_ / (2 * threads), M);
      else breadth = smaller(breadth, n_ / (2 * threads), width);
    }
    const int64 row_blocks = (m_ - 1) / height + 1, column_blocks = (n_ - 1) / breadth + 1;
    // A is copied where tiles would read it badly: not along runs, or from rows that fall on one set of the cache
    const bool runs = a_.memory.columns == 1 && a_.memory.rows * static_cast<int64>(sizeof(T)) % 1024 != 0;
    const bool copy = a_.make || (!runs && breadth >= 4 * width && height > M);
    if (row_blocks == 1) {
      spread(column_blocks, m_ * n_ * k_, [&](int64 g) {
        const int64 j0 = g * breadth, j1 = n_ - j0 < breadth ? n_ : j0 + breadth;
        block(0, m_, j0, j1, nullptr, copy);
      });
      return;
    }
    scratch<T, Arch> slab((breadth + width - 1) / width * width * k_);
    for (int64 j0 = 0; j0 < n_; j0 += breadth) {
      const int64 j1 = n_ - j0 < breadth ? n_ : j0 + breadth;
      spread((j1 - j0 - 1) / width + 1, k_ * (j1 - j0) * 4, [&](int64 g) {
        const int64 j = j0 + g * width;
        pack_panel(0, k_, j, j1, slab.get() + g * width * k_);
      });
      spread(row_blocks, m_ * (j1 - j0) * k_, [&](int64 g) {
        const int64 i0 = g * height, i1 = m_ - i0 < height ? m_ : i0 + height;
        block(i0, i1, j0, j1, slab.get(), copy);
      });
    }
  }
  static int64 smaller(int64 size, int64 share, int64 step) {
    share = (share + step - 1) / step * step;
    return share < step ? step : share < size ? share : size;
  }
  void pack_panel(int64 p, int64 depth, int64 j, int64 j1, T* to) const {
    const int64 columns = j1 - j < width ? j1 - j : width;
    if (b_.pack) return b_.pack(b_.context, p, depth, j, columns, to);
    if (!b_.make) return gemm_pack<T, Arch>(depth, columns, b_.memory.from(p, j), to);
    constexpr int64 most = 256;
    scratch<T, Arch> room(b_.block_size(depth < most ? depth : most, columns));
    for (int64 q = 0; q < depth; q += most) {
      const int64 deep = depth - q < most ? depth - q : most;
      gemm_pack<T, Arch>(deep, columns, b_.block(p + q, j, deep, columns, room.get()), to + q * width);
    }
  }

  /// One block of C. B is read from `slab` where others share it, else in place, or packed for this block alone.
  void block(int64 i0, int64 i1, int64 j0, int64 j1, const T* slab, bool copy) const {
    const int64 passes = k_ > 0 ? (k_ - 1) / shape::depth + 1 : 1, depth = k_ > 0 ? (k_ + passes - 1) / passes : 1, rows = i1 - i0;
    const bool runs = !b_.pack && b_.memory.columns == 1, in_place = runs && rows <= 2 * M;
    int64 ld = c_.rows;
    if (!direct_) {
      ld = (j1 - j0 + width - 1) / width * width;
      if (ld * static_cast<int64>(sizeof(T)) % 4096 == 0) ld += 64 / static_cast<int64>(sizeof(T));  // rows must not fall on one set of the cache
    }
    const int64 own_c = direct_ ? 0 : rows * ld, own_a = copy ? a_.block_size(rows, depth) : 0;
    const bool whole = (j1 - j0) % width == 0;
    const int64 own_b = slab || (in_place && whole) ? 0 : depth * width, made_b = !slab && b_.make ? b_.block_size(depth, j1 - j0) : 0;
    scratch<T, Arch> own(own_c + own_a + own_b + made_b);
    T* const c = direct_ ? c_.c + i0 * c_.rows + j0 : own.get();
    T *const a_copy = own.get() + own_c, *const panel = own.get() + own_c + own_a;
    for (int64 p = 0; p == 0 || p < k_; p += depth) {
      const int64 deep = k_ - p < depth ? k_ - p : depth;
      const strided<T> left = a_.make ? a_.block(i0, p, rows, deep, a_copy)
                              : copy  ? gemm_copy<T, Arch>(rows, deep, a_.memory.from(i0, p), a_copy)
                                      : a_.memory.from(i0, p);
      const strided<T> right = made_b ? b_.block(p, j0, deep, j1 - j0, panel + own_b) : b_.memory.from(p, j0);
      for (int64 j = j0; j < j1; j += width) {
        const int64 columns = j1 - j < width ? j1 - j : width;
        piece part{left, nullptr, width, c + (j - j0), ld, columns, deep, p > 0 || (direct_ && c_.add)};
        int64 i = 0;
        if (slab) {
          part.b = slab + (j - j0) * k_ + p * width;
        } else if (in_place && columns == width) {
          part.b = right.at(0, j - j0), part.ldb = right.rows;
        } else {
          part.b = panel;
          if (runs && columns == width && rows >= M) {  // packed on the way of the first tile
            gemm_tile<T, Arch, M, shape::vectors, Step, true>(deep, left, right.at(0, j - j0), right.rows, part.c, ld, part.add, panel);
            i = M;
          } else if (made_b) {
            gemm_pack<T, Arch>(deep, columns, right.from(0, j - j0), panel);
          } else {
            pack_panel(p, deep, j, j1, panel);
          }
        }
        column(part, i, rows);
      }
    }
    if (!direct_) deliver(i0, i1, j0, j1, own.get(), ld);
  }

  /// `columns` columns of C, at most a tile's: what one panel of B gives.
  struct piece {
    strided<T> a;
    const T* b;
    int64 ldb;
    T* c;
    int64 ld, columns, k;
    bool add;
  };
  void column(const piece& x, int64 i, int64 m) const {
    if (2 * x.columns <= width) column_of<shape::vectors / 2>(x, i, m);
    else column_of<shape::vectors>(x, i, m);
  }
  template <int V> void column_of(const piece& x, int64 i, int64 m) const {
    for (; i + M <= m; i += M) tile<M, V>(x, i, i);
    if (i == m) return;
    // what is left: the smallest tile that takes it, over rows that are done already where there are enough of them
    if constexpr (M > 8)
      if (m - i > 4 && m >= 8) {
        if (m - i > 8 && m >= M) return tile<M, V>(x, m - M, i);
        if (m - i <= 8) return tile<8, V>(x, m - 8, i);
        tile<8, V>(x, i, i), i += 8;
      }
    if constexpr (M > 4) {
      for (; i + 4 <= m; i += 4) tile<4, V>(x, i, i);
      if (m - i > 1 && m >= 4) return tile<4, V>(x, m - 4, i);
    }
    for (; i < m; ++i) tile<1, V>(x, i, i);
  }
  /// Rows i to i + R; those before `first` are known.
  template <int R, int V> void tile(const piece& x, int64 i, int64 first) const {
    constexpr int64 full = V * lanes;
    const strided<T> a = x.a.from(i, 0);
    T* const c = x.c + i * x.ld;
    if (i == first && (x.columns == full || !direct_)) return gemm_tile<T, Arch, R, V, Step>(x.k, a, x.b, x.ldb, c, x.ld, x.add);
    alignas(64) T room[R * full];
    gemm_tile<T, Arch, R, V, Step>(x.k, a, x.b, x.ldb, room, full, false);
    gemm_store<T, Arch>({c, x.ld, 1, x.add}, first - i, R, 0, x.columns < full ? x.columns : full, {room + (first - i) * full, full, 1});
  }
};

}  // namespace detail::inline SINTER_TARGET

/// C (m x n) = or += A (m x k) B (k x n). Finished blocks of C are final and in cache; calls may come from several threads.
/// Bitwise the same for every executor and number of threads; with SINTER_CBLAS that is for the BLAS to promise (blas.hpp).
template <class T, class Arch = native, class Step = detail::multiply_add>
SINTER_HIDDEN void gemm(int64 m, int64 n, int64 k, detail::gemm_operand<T> a, detail::gemm_operand<T> b, const detail::gemm_result<T>& c) {
  if (m <= 0 || n <= 0) return;
  static constexpr T nothing{};
  if (k <= 0) a = b = {{&nothing, 0, 0}}, k = 0;  // operands without elements may be null
  detail::gemm_task<T, Arch, Step>(m, n, k, a, b, c).run();
}
/// Of memory, with element strides; calls tile(i0, i1, j0, j1, block) once for each block of C: C(i, j) is *block.at(i - i0, j - j0).
template <class T, class Arch = native, class Tile>
SINTER_HIDDEN void gemm(int64 m, int64 n, int64 k, const T* a, int64 a_rs, int64 a_cs, const T* b, int64 b_rs, int64 b_cs, Tile&& tile) {
  gemm<T, Arch>(m, n, k, {{a, a_rs, a_cs}}, {{b, b_rs, b_cs}}, detail::gemm_result<T>::receiver(tile));
}
/// C = A B, or C += A B. C must not overlap A or B.
template <class T, class Arch = native>
SINTER_HIDDEN void gemm(int64 m, int64 n, int64 k, const T* a, int64 a_rs, int64 a_cs, const T* b, int64 b_rs, int64 b_cs, T* c,
                        int64 c_rs, int64 c_cs, bool accumulate) {
  gemm<T, Arch>(m, n, k, {{a, a_rs, a_cs}}, {{b, b_rs, b_cs}}, {c, c_rs, c_cs, accumulate});
}

}  // namespace sinter::inline v0
