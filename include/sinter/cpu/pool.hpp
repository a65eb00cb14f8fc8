// SPDX-License-Identifier: BSD-3-Clause
// Sums and maxima over the windows of images: rows of a window are joined first, side by side in registers, then the columns of
// the joined row. Not here: what may be asked for and what is recorded (tensor/pooling.hpp). Next: pool_back.hpp.
#pragma once
#include "gemm.hpp"
#include "pack_narrow.hpp"

namespace sinter::inline v0::detail::inline SINTER_TARGET {

/// Windows along one dim: `kernel` elements that are `dilation` apart and start at every `stride`-th one; or, adaptive, `out` windows
/// that cut `in` elements as evenly as they can.
struct pool_dim {
  int64 in = 1, out = 1, kernel = 1, stride = 1, padding = 0, dilation = 1;
  bool adaptive = false;

  int64 start(int64 o) const { return adaptive ? o * in / out : o * stride - padding; }
  int64 stop(int64 o) const { return adaptive ? ((o + 1) * in + out - 1) / out : start(o) + (kernel - 1) * dilation + 1; }
  /// Taps of window o that meet elements: first_tap to last_tap, the last not among them.
  int64 first_tap(int64 o) const {
    const int64 s = start(o);
    return s < 0 ? reach(-s) : 0;
  }
  int64 last_tap(int64 o) const {
    const int64 s = start(o), taps = adaptive ? stop(o) - s : kernel, fit = in > s ? reach(in - s) : 0;
    return taps < fit ? taps : fit;
  }
  /// How many elements an average divides by, those of the border among them or not.
  int64 count(int64 o, bool border) const {
    const int64 s = start(o), e = stop(o), last = border ? in + padding : in;
    const int64 n = (e < last ? e : last) - (border || s > 0 ? s : 0);
    return n > 0 ? n : 1;
  }
  /// One window over all there is.
  bool covers() const { return out == 1 && padding == 0 && dilation == 1 && stop(0) >= in; }

 private:
  /// Taps in n elements.
  int64 reach(int64 n) const { return dilation == 1 ? n : (n + dilation - 1) / dilation; }
};

/// Images of up to three dims, fewer have leading ones of extent 1, in planes: one for each image of a batch and each channel.
struct pool_shape {
  int64 batch = 1, channels = 1;
  pool_dim d[3];
  bool count_border = false;
  int64 divisor = 0;  ///< of all sums; 0: how many elements there are

  int64 planes() const { return batch * channels; }
  int64 plane_in() const { return d[0].in * d[1].in * d[2].in; }
  int64 plane_out() const { return d[0].out * d[1].out * d[2].out; }
  int64 rows() const { return planes() * d[0].out * d[1].out; }
  /// Elements of a window, about.
  int64 taps() const {
    int64 n = 1;
    for (const pool_dim& e : d) n *= e.adaptive ? e.in / (e.out ? e.out : 1) + 1 : e.kernel < e.in ? e.kernel : e.in;
    return n;
  }
  /// As many elements as the windows of row (i, j) have in dims 0 and 1; 1 for sums with a divisor of their own.
  int64 row_count(int64 i, int64 j) const { return divisor ? divisor : d[0].count(i, count_border) * d[1].count(j, count_border); }
  int64 column_count(int64 o) const { return divisor ? 1 : d[2].count(o, count_border); }
};

/// Where the elements of planes lie: `data` + batch * first + channel * second + positions * step, columns side by side.
template <class T> struct pool_planes {
  T* data = nullptr;
  int64 first = 0, second = 0, step[2] = {};
  T* at(const pool_shape& s, int64 plane) const { return data + plane / s.channels * first + plane % s.channels * second; }
};
/// Windows over whole dims are windows over one: what is left is as few and as long rows as possible.
template <class T> void merge_covered(pool_shape& s, pool_planes<T>& x) {
  for (int k = 1; k >= 0; --k) {
    pool_dim &a = s.d[k], &b = s.d[2];
    if (!(a.covers() && b.covers()) || (a.in != 1 && x.step[k] != b.in)) return;
    b = pool_dim{.in = a.in * b.in, .kernel = a.in * b.in};
    a = pool_dim{};
  }
}

/// The largest element, the first of equal ones; NaN is larger than all, the last of several.
template <class T> struct pool_max {
  using C = computed<T>;
  static constexpr bool mean = false;
  static constexpr C none() {
    if constexpr (is_floating_element<T>) return -static_cast<C>(__builtin_inf());
    else return static_cast<C>(lowest(T{}));
  }
  template <int N> static SINTER_INLINE pack<C, N> join(pack<C, N> v, pack<C, N> best) { return max(v, best); }
  static SINTER_INLINE C join(C v, C best) { return takes(v, best) ? v : best; }
  static SINTER_INLINE bool takes(C v, C best) { return v > best || math::is_nan(v); }
};
template <class T> struct pool_mean {
  using C = computed<T>;
  static constexpr bool mean = true;
  static constexpr C none() { return C(0); }
  template <int N> static SINTER_INLINE pack<C, N> join(pack<C, N> v, pack<C, N> sum) { return v + sum; }
  static SINTER_INLINE C join(C v, C sum) { return static_cast<C>(wrap(v) + wrap(sum)); }
};

/// f<V>(where each of V packs starts) until n elements, at least one pack of W, are met: the last pack meets some a second time.
template <int W, class F> SINTER_INLINE void for_packs(int64 n, F f) {
  const int64 last = n - W;
  int64 x = 0;
  const auto take = [&]<int V>() {
    int64 at[V];
    each<V>([&](int k) { at[k] = x + k * W < last ? x + k * W : last; });
    f.template operator()<V>(at);
    x += V * W;
  };
  while (x + 2 * W < n) take.template operator()<4>();
  if (x + W < n) take.template operator()<2>();
  else if (x < n) take.template operator()<1>();
}
/// to[i] = the join of element i of n0 * n1 rows, i < n.
template <class T, class Op> SINTER_INLINE void join_rows(const T* from, int64 n0, int64 step0, int64 n1, int64 step1, int64 n, computed<T>* to) {
  using C = computed<T>;
  constexpr int W = simd::width<C>;
  using P = pack<C, W>;
  if (n >= W) {
    for_packs<W>(n, [&]<int V>(const int64 (&x)[V]) {
      P all[V];
      each<V>([&](int k) { all[k] = P(Op::none()); });
      for (int64 i = 0; i < n0; ++i)
        for (int64 j = 0; j < n1; ++j) {
          const T* p = from + i * step0 + j * step1;
          each<V>([&](int k) { all[k] = Op::join(packed<T, W>::load(p + x[k]), all[k]); });
        }
      each<V>([&](int k) { all[k].store(to + x[k]); });
    });
  } else {
    const int few = static_cast<int>(n);
    P all(Op::none());
    for (int64 i = 0; i < n0; ++i)
      for (int64 j = 0; j < n1; ++j) all = Op::join(packed<T, W>::load(from + i * step0 + j * step1, few), all);
    all.store(to, few);
  }
}
/// to[o] = finish(the join of the elements of window o of a joined row, o), o < n; windows are 1 or 2 elements apart.
template <class T, class Op, class F> SINTER_INLINE void join_columns(const pool_dim& d, const computed<T>* line, int64 n, T* to, F finish) {
  using C = computed<T>;
  constexpr int W = simd::width<C>;
  using P = pack<C, W>;
  const int64 kernel = d.kernel, dilation = d.dilation;
  const auto joined = [&]<int V, int Stride>(const int64 (&o)[V], P (&all)[V]) {
    each<V>([&](int k) { all[k] = P(Op::none()); });
    for (int64 q = 0; q < kernel; ++q)
      each<V>([&](int k) {
        const C* p = line + o[k] * Stride + q * dilation;
        if constexpr (Stride == 1) all[k] = Op::join(P::load(p), all[k]);
        else all[k] = Op::join(P::gather(p, 2), all[k]);
      });
  };
  const auto windows = [&]<int Stride>() {
    if (n >= W) {
      for_packs<W>(n, [&]<int V>(const int64 (&o)[V]) {
        P all[V];
        joined.template operator()<V, Stride>(o, all);
        each<V>([&](int k) { packed<T, W>::store(finish(all[k], o[k]), to + o[k]); });
      });
    } else {
      const int64 o[1] = {0};
      P all[1];
      joined.template operator()<1, Stride>(o, all);
      packed<T, W>::store(finish(all[0], 0), to, static_cast<int>(n));
    }
  };
  if (d.stride == 1) windows.template operator()<1>();
  else windows.template operator()<2>();
}
/// The join of n elements that are `step` apart. Long sums are sums of short ones in double.
template <class Op, class C> SINTER_INLINE C join_run(const C* p, int64 step, int64 n) {
  constexpr int W = simd::width<C>;
  using P = pack<C, W>;
  C all = Op::none();
  if (step != 1 || n < 2 * W || W == 1) {
    for (int64 i = 0; i < n; ++i) all = Op::join(p[i * step], all);
    return all;
  }
  constexpr bool in_double = Op::mean && std::is_same_v<C, float>;
  [[maybe_unused]] double wide = 0;
  while (n > 0) {
    const int64 piece = n < 4096 ? n : 4096;
    P one(Op::none()), more[3] = {one, one, one};
    int64 i = 0;
    for (; i + 4 * W <= piece; i += 4 * W) {
      one = Op::join(P::load(p + i), one);
      each<3>([&](int k) { more[k] = Op::join(P::load(p + i + (k + 1) * W), more[k]); });
    }
    for (; i + W <= piece; i += W) one = Op::join(P::load(p + i), one);
    const P both = Op::join(Op::join(one, more[0]), Op::join(more[1], more[2]));
    C part = reduce(both, [](auto a, auto b) { return Op::join(a, b); });
    for (; i < piece; ++i) part = Op::join(p[i], part);
    if constexpr (in_double) wide += static_cast<double>(part);
    else all = Op::join(part, all);
    p += piece, n -= piece;
  }
  if constexpr (in_double) return static_cast<C>(wide);
  else return all;
}

/// Joined columns that lie side by side or two apart are joined in registers.
inline bool columns_by_registers(const pool_dim& d) { return !d.adaptive && d.stride <= 2 && (d.out > 4 || d.kernel <= 8); }
inline constexpr int64 pool_block = 1024;  ///< columns at a time, about
/// Elements of the joined row that a block of columns needs, with room behind it.
template <class C> int64 line_size(const pool_shape& s) {
  const pool_dim& d = s.d[2];
  if (!columns_by_registers(d)) return d.in + 1;
  const int64 columns = d.out < pool_block ? d.out : pool_block;
  return (columns - 1) * d.stride + (d.kernel - 1) * d.dilation + 1 + 4 * lanes<C, int32>;
}
/// The rows of the results one after the other: plane, row of dim 0, row of dim 1, and which rows of the image their windows meet.
template <class T> struct pool_walk {
  const pool_shape& s;
  const pool_planes<const T>& x;
  int64 plane, i, j;
  const T* base = nullptr;
  int64 row0 = 0, row1 = 0, n0 = 0, n1 = 0;  ///< the first row of the windows that is inside, and how many

  SINTER_INLINE pool_walk(const pool_shape& shape, const pool_planes<const T>& from, int64 row)
      : s(shape), x(from), plane(row / shape.d[1].out / shape.d[0].out), i(row / shape.d[1].out % shape.d[0].out), j(row % shape.d[1].out) {
    find_plane();
  }
  SINTER_INLINE void next() {
    if (++j < s.d[1].out) return find(s.d[1], j, row1, n1);
    j = 0;
    if (++i < s.d[0].out) return find_rows();
    i = 0, ++plane;
    find_plane();
  }
  SINTER_INLINE const T* first_row() const { return base + row0 * x.step[0] + row1 * x.step[1]; }
  int64 step0() const { return s.d[0].dilation * x.step[0]; }
  int64 step1() const { return s.d[1].dilation * x.step[1]; }

 private:
  static SINTER_INLINE void find(const pool_dim& d, int64 o, int64& row, int64& n) {
    const int64 k = d.first_tap(o);
    row = d.start(o) + k * d.dilation, n = d.last_tap(o) - k;
  }
  SINTER_INLINE void find_rows() { find(s.d[0], i, row0, n0), find(s.d[1], j, row1, n1); }
  SINTER_INLINE void find_plane() {
    if (plane < s.planes()) base = x.at(s, plane);
    find_rows();
  }
};
/// The part of a joined row that columns `b` to `b` + n need.
struct pool_span {
  int64 start, size, left, right;  ///< its first element is number `start` of the row; left to right are inside
  SINTER_INLINE pool_span(const pool_dim& d, int64 b, int64 n) : start(d.start(b)), size((n - 1) * d.stride + (d.kernel - 1) * d.dilation + 1) {
    left = start < 0 ? -start : 0, right = d.in - start < size ? d.in - start : size;
    if (left > size) left = size;
    if (right < left) right = left;
  }
  template <class C> SINTER_INLINE void fill_border(C* line, C v) const {
    for (int64 q = 0; q < left; ++q) line[q] = v;
    for (int64 q = right; q < size; ++q) line[q] = v;
  }
};

/// Rows `first` to `last` of the results, y row-major. `column` has a divisor for each column where Op is a mean; `line` has room for
/// two joined rows: the columns of one are joined after the next one is written, when it can be read back without waiting.
template <class T, class Op, class Arch>
SINTER_KERNEL void pool_rows(const pool_shape& s, const pool_planes<const T>& x, T* y, const computed<T>* column, computed<T>* line, int64 first, int64 last) {
  using C = computed<T>;
  constexpr int W = simd::width<C>;
  using P = pack<C, W>;
  const pool_dim& d = s.d[2];
  const bool by_registers = columns_by_registers(d);
  const int64 size = line_size<C>(s);
  C* next_line = line + size;
  struct { int64 b, n; T* to; C rows; } ready{0, 0, nullptr, C(1)};  // what is in next_line
  const auto join_ready = [&] {
    if (ready.n == 0) return;
    join_columns<T, Op>(d, next_line, ready.n, ready.to, [&](P all, [[maybe_unused]] int64 o) {
      if constexpr (Op::mean) return all / (P(ready.rows) * P::load(column + ready.b + o));
      else return all;
    });
  };
  pool_walk<T> w(s, x, first);
  for (int64 r = first; r < last; ++r, w.next()) {
    const T* from = w.first_row();
    const C rows = static_cast<C>(Op::mean ? s.row_count(w.i, w.j) : 1);
    T* to = y + r * d.out;
    if (by_registers) {
      for (int64 b = 0; b < d.out; b += pool_block) {
        const int64 n = d.out - b < pool_block ? d.out - b : pool_block;
        const pool_span part(d, b, n);
        part.fill_border(line, Op::none());
        if (part.right > part.left) join_rows<T, Op>(from + part.start + part.left, w.n0, w.step0(), w.n1, w.step1(), part.right - part.left, line + part.left);
        join_ready();
        ready = {b, n, to + b, rows};
        C* const written = line;
        line = next_line, next_line = written;
      }
      continue;
    }
    const C* joined = line;
    if constexpr (std::is_same_v<T, C>) {
      if (w.n0 == 1 && w.n1 == 1) joined = from;
      else join_rows<T, Op>(from, w.n0, w.step0(), w.n1, w.step1(), d.in, line);
    } else {
      join_rows<T, Op>(from, w.n0, w.step0(), w.n1, w.step1(), d.in, line);
    }
    for (int64 o = 0; o < d.out; ++o) {
      const int64 k = d.first_tap(o);
      C all = join_run<Op>(joined + d.start(o) + k * d.dilation, d.dilation, d.last_tap(o) - k);
      if constexpr (Op::mean) all = (pack<C, 1>(all) / pack<C, 1>(static_cast<C>(rows * column[o]))).r;
      to[o] = static_cast<T>(all);
    }
  }
  join_ready();
}

/// pool_rows of maxima, and where in its plane each was found; -1 for windows that meet no element.
template <class T, class Arch>
SINTER_KERNEL void pool_rows_with_indices(const pool_shape& s, const pool_planes<const T>& x, T* y, int32* index, int64 first, int64 last) {
  using C = computed<T>;
  using Op = pool_max<T>;
  constexpr int N = lanes<C, int32>;
  using P = pack<C, N>;
  using I = pack<int32, N>;
  const pool_dim& d = s.d[2];
  const int64 row = d.in, sheet = s.d[1].in * d.in, kernel = d.kernel, dilation = d.dilation;
  // columns lo to hi meet all of their taps: many at a time
  int64 lo = 0, hi = 0;
  if (!d.adaptive && d.stride <= 2) {
    for (lo = 0; lo < d.out && d.start(lo) < 0;) ++lo;
    for (hi = d.out; hi > lo && d.stop(hi - 1) > d.in;) --hi;
  }
  if (hi - lo < N) lo = hi = 0;
  const I step = I::iota(0) * I(static_cast<int32>(d.stride));
  pool_walk<T> w(s, x, first);
  for (int64 r = first; r < last; ++r, w.next()) {
    const T* const from = w.first_row();
    const int64 at0 = w.row0 * sheet + w.row1 * row, step0 = s.d[0].dilation * sheet, step1 = s.d[1].dilation * row;
    T* to = y + r * d.out;
    int32* where = index + r * d.out;
    const auto one = [&](int64 o) {
      const int64 k0 = d.first_tap(o), k1 = d.last_tap(o), start = d.start(o);
      C all = Op::none();
      int64 at = -1;
      for (int64 u = 0; u < w.n0; ++u)
        for (int64 v = 0; v < w.n1; ++v) {
          const T* p = from + u * w.step0() + v * w.step1() + start;
          for (int64 k = k0; k < k1; ++k) {
            const C e = static_cast<C>(p[k * dilation]);
            if (at < 0 || Op::takes(e, all)) all = e, at = at0 + u * step0 + v * step1 + start + k * dilation;
          }
        }
      to[o] = static_cast<T>(all), where[o] = static_cast<int32>(at);
    };
    const bool none = hi == lo || w.n0 < 1 || w.n1 < 1;
    for (int64 o = 0; o < (none ? 0 : lo); ++o) one(o);
    for (int64 o = none ? 0 : hi; o < d.out; ++o) one(o);
    if (none) continue;
    const auto strips = [&]<int Stride>() {
      for_packs<N>(hi - lo, [&]<int V>(const int64 (&at)[V]) {
        P all[V];
        I found[V];
        each<V>([&](int k) { all[k] = P(Op::none()), found[k] = I(0); });
        const int64 start = d.start(lo);
        for (int64 u = 0; u < w.n0; ++u)
          for (int64 v = 0; v < w.n1; ++v) {
            const T* p = from + u * w.step0() + v * w.step1() + start;
            const int64 here = u * step0 + v * step1;
            for (int64 q = 0; q < kernel; ++q) {
              const I place(static_cast<int32>(here + q * dilation));
              each<V>([&](int k) {
                P e;
                if constexpr (Stride == 1) e = packed<T, N>::load(p + at[k] + q * dilation);
                else e = packed<T, N>::gather(p + at[k] * Stride + q * dilation, Stride);
                const auto take = (e > all[k]) | is_nan(e);
                all[k] = select(take, e, all[k]), found[k] = select(take, place, found[k]);
              });
            }
          }
        each<V>([&](int k) {
          packed<T, N>::store(all[k], to + lo + at[k]);
          (found[k] + step + I(static_cast<int32>(at0 + start + at[k] * Stride))).store(where + lo + at[k]);
        });
      });
    };
    if (d.stride == 1) strips.template operator()<1>();
    else strips.template operator()<2>();
  }
}

/// f(first row, last row) for all rows of the results, in pieces that threads share.
template <class Arch, class F> void for_pool_rows(const pool_shape& s, F f) {
  const int64 rows = s.rows(), work = s.taps() * s.d[2].out;
  const chunking c = fixed_chunks(rows, (1 << 16) / (work + 1) + 1);
  parallel_for<Arch>(c.count, [&](int64 k) {
    f(k * c.size, (k + 1) * c.size < rows ? (k + 1) * c.size : rows);
  });
}
/// y, row-major, from x.
template <class T, class Op, class Arch> SINTER_HIDDEN void pool(pool_shape s, pool_planes<const T> x, T* y) {
  if (s.rows() * s.d[2].out == 0) return;
  merge_covered(s, x);
  const scratch<computed<T>, Arch> column(Op::mean ? s.d[2].out + simd::width<computed<T>> : 0);
  for (int64 o = 0; Op::mean && o < s.d[2].out; ++o) column.get()[o] = static_cast<computed<T>>(s.column_count(o));
  for_pool_rows<Arch>(s, [&](int64 first, int64 last) {
    const scratch<computed<T>, Arch> lines(2 * line_size<computed<T>>(s));
    pool_rows<T, Op, Arch>(s, x, y, column.get(), lines.get(), first, last);
  });
}
template <class T, class Arch> SINTER_HIDDEN void pool_with_indices(const pool_shape& s, const pool_planes<const T>& x, T* y, int32* index) {
  if (s.rows() * s.d[2].out == 0) return;
  for_pool_rows<Arch>(s, [&](int64 first, int64 last) { pool_rows_with_indices<T, Arch>(s, x, y, index, first, last); });
}

}  // namespace sinter::inline v0::detail::inline SINTER_TARGET
