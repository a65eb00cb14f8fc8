// SPDX-License-Identifier: BSD-3-Clause
// Sums and maxima over the windows of images: rows of a window are joined first, side by side in registers, then the columns of
// the joined row. Not here: what may be asked for and what is recorded (tensor/pooling.hpp). Next: pool_back.hpp.
#pragma once
#include "gemm.hpp"

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
    return s < 0 ? (dilation - 1 - s) / dilation : 0;
  }
  int64 last_tap(int64 o) const {
    const int64 s = start(o), room = in - s, taps = adaptive ? stop(o) - s : kernel;
    const int64 fit = room <= 0 ? 0 : (room + dilation - 1) / dilation;
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
  int64 taps() const {
    int64 n = 1;
    for (const pool_dim& e : d) n *= e.adaptive ? e.in / (e.out ? e.out : 1) + 1 : e.kernel;
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
    else if constexpr (sizeof(C) == 8) return static_cast<C>(-0x7fffffffffffffff - 1);
    else return static_cast<C>(-0x7fffffff - 1);
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

/// to[i] = the join of element i of n0 * n1 rows, i < n.
template <class T, class Op> SINTER_INLINE void join_rows(const T* from, int64 n0, int64 step0, int64 n1, int64 step1, int64 n, computed<T>* to) {
  using C = computed<T>;
  constexpr int W = simd::width<C>;
  using P = pack<C, W>;
  const auto strip = [&]<int V>(int64 x) {
    P all[V];
    each<V>([&](int k) { all[k] = P(Op::none()); });
    for (int64 i = 0; i < n0; ++i)
      for (int64 j = 0; j < n1; ++j) {
        const T* p = from + i * step0 + j * step1 + x;
        each<V>([&](int k) { all[k] = Op::join(packed<T, W>::load(p + k * W), all[k]); });
      }
    each<V>([&](int k) { all[k].store(to + x + k * W); });
  };
  int64 x = 0;
  for (; x + 4 * W <= n; x += 4 * W) strip.template operator()<4>(x);
  for (; x + W <= n; x += W) strip.template operator()<1>(x);
  if (x == n) return;
  const int rest = static_cast<int>(n - x);
  P all(Op::none());
  for (int64 i = 0; i < n0; ++i)
    for (int64 j = 0; j < n1; ++j) all = Op::join(packed<T, W>::load(from + i * step0 + j * step1 + x, rest), all);
  all.store(to + x, rest);
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

/// Rows `first` to `last` of the results, y row-major. `column` has a divisor for each column where Op is a mean.
template <class T, class Op, class Arch>
SINTER_KERNEL void pool_rows(const pool_shape& s, const pool_planes<const T>& x, T* y, const computed<T>* column, computed<T>* line, int64 first, int64 last) {
  using C = computed<T>;
  constexpr int W = simd::width<C>;
  using P = pack<C, W>;
  const pool_dim &d0 = s.d[0], &d1 = s.d[1], &d2 = s.d[2];
  const bool by_registers = columns_by_registers(d2);
  for (int64 r = first; r < last; ++r) {
    const int64 j = r % d1.out, i = r / d1.out % d0.out;
    const int64 i0 = d0.first_tap(i), n0 = d0.last_tap(i) - i0, j0 = d1.first_tap(j), n1 = d1.last_tap(j) - j0;
    const T* from = x.at(s, r / d1.out / d0.out) + (d0.start(i) + i0 * d0.dilation) * x.step[0] + (d1.start(j) + j0 * d1.dilation) * x.step[1];
    const int64 step0 = d0.dilation * x.step[0], step1 = d1.dilation * x.step[1];
    [[maybe_unused]] const C rows = static_cast<C>(s.row_count(i, j));
    T* to = y + r * d2.out;
    if (by_registers) {
      for (int64 b = 0; b < d2.out; b += pool_block) {
        const int64 n = d2.out - b < pool_block ? d2.out - b : pool_block;
        const int64 start = d2.start(b), size = (n - 1) * d2.stride + (d2.kernel - 1) * d2.dilation + 1;
        const int64 left = start < 0 ? -start : 0, right = d2.in - start < size ? d2.in - start : size;
        for (int64 q = 0; q < left; ++q) line[q] = Op::none();
        if (right > left) join_rows<T, Op>(from + start + left, n0, step0, n1, step1, right - left, line + left);
        for (int64 q = right > left ? right : left; q < size; ++q) line[q] = Op::none();
        for (int64 o = 0; o < n; o += W) {
          const C* at = line + o * d2.stride;
          P all(Op::none());
          if (d2.stride == 1) {
            for (int64 k = 0; k < d2.kernel; ++k) all = Op::join(P::load(at + k * d2.dilation), all);
          } else {
            for (int64 k = 0; k < d2.kernel; ++k) all = Op::join(P::gather(at + k * d2.dilation, 2), all);
          }
          const int count = static_cast<int>(n - o < W ? n - o : W);
          if constexpr (Op::mean) all = all / (P(rows) * (count == W ? P::load(column + b + o) : P::load(column + b + o, count)));
          if (count == W) packed<T, W>::store(all, to + b + o);
          else packed<T, W>::store(all, to + b + o, count);
        }
      }
      continue;
    }
    const C* joined = line;
    if constexpr (std::is_same_v<T, C>) {
      if (n0 == 1 && n1 == 1) joined = from;
      else join_rows<T, Op>(from, n0, step0, n1, step1, d2.in, line);
    } else {
      join_rows<T, Op>(from, n0, step0, n1, step1, d2.in, line);
    }
    for (int64 o = 0; o < d2.out; ++o) {
      const int64 k = d2.first_tap(o);
      C all = join_run<Op>(joined + d2.start(o) + k * d2.dilation, d2.dilation, d2.last_tap(o) - k);
      if constexpr (Op::mean) all = static_cast<C>(all / static_cast<C>(rows * column[o]));
      to[o] = static_cast<T>(all);
    }
  }
}

/// pool_rows of maxima, and where in its plane each was found; -1 for windows that meet no element.
template <class T, class Arch>
SINTER_KERNEL void pool_rows_with_indices(const pool_shape& s, const pool_planes<const T>& x, T* y, int32* index, computed<T>* line, int64 first, int64 last) {
  using C = computed<T>;
  using Op = pool_max<T>;
  constexpr int N = lanes<C, int32>;
  using P = pack<C, N>;
  using I = pack<int32, N>;
  const pool_dim &d0 = s.d[0], &d1 = s.d[1], &d2 = s.d[2];
  const int64 row = d2.in, sheet = d1.in * d2.in;
  C best[pool_block + N];
  int32 place[pool_block + N];
  for (int64 r = first; r < last; ++r) {
    const int64 j = r % d1.out, i = r / d1.out % d0.out;
    const int64 i0 = d0.first_tap(i), i1 = d0.last_tap(i), j0 = d1.first_tap(j), j1 = d1.last_tap(j);
    const T* plane = x.at(s, r / d1.out / d0.out);
    const auto for_rows = [&](auto f) {
      for (int64 u = d0.start(i) + i0 * d0.dilation; u < d0.start(i) + i1 * d0.dilation; u += d0.dilation)
        for (int64 v = d1.start(j) + j0 * d1.dilation; v < d1.start(j) + j1 * d1.dilation; v += d1.dilation)
          f(plane + u * x.step[0] + v * x.step[1], u * sheet + v * row);
    };
    T* to = y + r * d2.out;
    int32* where = index + r * d2.out;
    if (!columns_by_registers(d2)) {
      for (int64 o = 0; o < d2.out; ++o) {
        const int64 k0 = d2.first_tap(o), k1 = d2.last_tap(o), start = d2.start(o);
        C all = Op::none();
        int64 at = -1;
        for_rows([&](const T* p, int64 base) {
          for (int64 k = k0; k < k1; ++k) {
            const int64 q = start + k * d2.dilation;
            const C v = static_cast<C>(p[q]);
            if (at < 0 || Op::takes(v, all)) all = v, at = base + q;
          }
        });
        to[o] = static_cast<T>(all), where[o] = static_cast<int32>(at);
      }
      continue;
    }
    for (int64 b = 0; b < d2.out; b += pool_block) {
      const int64 n = d2.out - b < pool_block ? d2.out - b : pool_block;
      const int64 start = d2.start(b), size = (n - 1) * d2.stride + (d2.kernel - 1) * d2.dilation + 1;
      const int64 left = start < 0 ? -start : 0, right = d2.in - start < size ? d2.in - start : size;
      for (int64 q = 0; q < left; ++q) line[q] = Op::none();
      for (int64 q = right > left ? right : left; q < size; ++q) line[q] = Op::none();
      // places count from the column of tap 0 of each window, and so may be below 0 by up to the border
      constexpr int32 none = -0x7fffffff;
      for (int64 o = 0; o < n; o += N) P(Op::none()).store(best + o), I(none).store(place + o);
      for_rows([&](const T* p, int64 base) {
        if (right > left) join_rows<T, Op>(p + start + left, 1, 0, 1, 0, right - left, line + left);
        for (int64 o = 0; o < n; o += N) {
          const C* at = line + o * d2.stride;
          P all = P::load(best + o);
          I place_of = I::load(place + o);
          for (int64 k = 0; k < d2.kernel; ++k) {
            const P v = d2.stride == 1 ? P::load(at + k * d2.dilation) : P::gather(at + k * d2.dilation, 2);
            const auto take = (v > all) | is_nan(v);
            all = select(take, v, all);
            place_of = select(take, I(static_cast<int32>(base + start + k * d2.dilation)), place_of);
          }
          all.store(best + o), place_of.store(place + o);
        }
      });
      const I step = I::iota(0) * I(static_cast<int32>(d2.stride));
      pack<bool, N> missing(false);
      for (int64 o = 0; o < n; o += N) {
        const I found = I::load(place + o);
        missing = missing | (found == I(none));
        const I at = found + step + I(static_cast<int32>(o * d2.stride));
        const int count = static_cast<int>(n - o < N ? n - o : N);
        if (count == N) packed<T, N>::store(P::load(best + o), to + b + o), at.store(where + b + o);
        else packed<T, N>::store(P::load(best + o), to + b + o, count), at.store(where + b + o, count);
      }
      bool any = false;
      bool lane[N];
      missing.store(lane);
      for (int k = 0; k < N; ++k) any = any || lane[k];
      if (!any) continue;
      for (int64 o = 0; o < n; ++o) {  // all elements are the smallest there is: the first
        if (place[o] != none) continue;
        const int64 k = d2.first_tap(b + o);
        const bool empty = i0 >= i1 || j0 >= j1 || k >= d2.last_tap(b + o);
        const int64 at = (d0.start(i) + i0 * d0.dilation) * sheet + (d1.start(j) + j0 * d1.dilation) * row + d2.start(b + o) + k * d2.dilation;
        where[b + o] = empty ? -1 : static_cast<int32>(at);
      }
    }
  }
}

/// f(first row, last row, room for the joined row) for all rows of the results, in pieces that threads share.
template <class T, class Arch, class F> void for_pool_rows(const pool_shape& s, F f) {
  const int64 rows = s.rows(), work = s.taps() * s.d[2].out;
  const chunking c = fixed_chunks(rows, (1 << 16) / (work + 1) + 1);
  parallel_for<Arch>(c.count, [&](int64 k) {
    const scratch<computed<T>, Arch> line(line_size<computed<T>>(s));
    f(k * c.size, (k + 1) * c.size < rows ? (k + 1) * c.size : rows, line.get());
  });
}
/// y, row-major, from x.
template <class T, class Op, class Arch> SINTER_HIDDEN void pool(pool_shape s, pool_planes<const T> x, T* y) {
  if (s.rows() * s.d[2].out == 0) return;
  merge_covered(s, x);
  const scratch<computed<T>, Arch> column(Op::mean ? s.d[2].out : 0);
  for (int64 o = 0; Op::mean && o < s.d[2].out; ++o) column.get()[o] = static_cast<computed<T>>(s.column_count(o));
  for_pool_rows<T, Arch>(s, [&](int64 first, int64 last, computed<T>* line) { pool_rows<T, Op, Arch>(s, x, y, column.get(), line, first, last); });
}
template <class T, class Arch> SINTER_HIDDEN void pool_with_indices(const pool_shape& s, const pool_planes<const T>& x, T* y, int32* index) {
  if (s.rows() * s.d[2].out == 0) return;
  for_pool_rows<T, Arch>(s, [&](int64 first, int64 last, computed<T>* line) { pool_rows_with_indices<T, Arch>(s, x, y, index, line, first, last); });
}

}  // namespace sinter::inline v0::detail::inline SINTER_TARGET
