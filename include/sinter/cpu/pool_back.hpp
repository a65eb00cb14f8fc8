// SPDX-License-Identifier: BSD-3-Clause
// Gradients of pooled images: what each window got goes to its elements, or to the chosen one. One plane at a time, so that
// threads never meet. Not here: the windows (pool.hpp).
#pragma once
#include "pool.hpp"

namespace sinter::inline v0::detail::inline SINTER_TARGET {

/// to[i] += from[i], i < n.
template <class T> SINTER_INLINE void add_run(const computed<T>* from, T* to, int64 n) {
  using C = computed<T>;
  constexpr int W = simd::width<C>;
  int64 i = 0;
  for (; i + W <= n; i += W) packed<T, W>::store(packed<T, W>::load(to + i) + pack<C, W>::load(from + i), to + i);
  for (; i < n; ++i) to[i] = static_cast<T>(static_cast<C>(to[i]) + from[i]);
}
/// Does each element of a row collect what its windows got? (Else each window gives to its elements.)
inline bool collects(const pool_dim& d) { return !d.adaptive && (d.stride == 1 || (d.stride == 2 && d.dilation == 1)) && 8 * d.out >= d.in; }
/// As many zeros as elements reach for in front of and behind what the windows got.
inline int64 window_room(const pool_dim& d) { return collects(d) ? (d.kernel - 1) * d.dilation + 64 : 0; }
/// line[q] = the sum of g over the windows that element q of a row is in. `g` has window_room(d) zeros on either side.
template <class C> SINTER_INLINE void spread_columns(const pool_dim& d, const C* g, C* line) {
  constexpr int W = simd::width<C>;
  using P = pack<C, W>;
  const int64 n = d.in;
  if (collects(d) && d.stride == 1) {
    for (int64 q = 0; q < n; q += W) {
      const C* at = g + q + d.padding;
      P sum(C(0));
      for (int64 k = 0; k < d.kernel; ++k) sum = P::load(at - k * d.dilation) + sum;
      if (n - q >= W) sum.store(line + q);
      else sum.store(line + q, static_cast<int>(n - q));
    }
  } else if (collects(d)) {
    for (int64 part = 0; part < 2; ++part) {  // elements whose distance to the first window's start is even, odd
      const int64 first = (part + d.padding) % 2;
      for (int64 q = first; q < n; q += 2 * W) {
        const C* at = g + (q + d.padding - part) / 2;
        P sum(C(0));
        for (int64 k = part; k < d.kernel; k += 2) sum = P::load(at - (k - part) / 2) + sum;
        const int64 count = (n - q + 1) / 2;
        if (count >= W && q + 2 * W <= n) sum.scatter(line + q, 2);
        else sum.scatter(line + q, 2, static_cast<int>(count < W ? count : W));
      }
    }
  } else {
    for (int64 q = 0; q < n; ++q) line[q] = C(0);
    for (int64 o = 0; o < d.out; ++o) {
      const int64 start = d.start(o), k1 = d.last_tap(o);
      int64 k = d.first_tap(o);
      if (d.dilation == 1)
        for (; k + W <= k1; k += W) (P::load(line + start + k) + P(g[o])).store(line + start + k);
      for (; k < k1; ++k) line[start + k * d.dilation] += g[o];
    }
  }
}
/// x += what the means y of its windows got; both row-major.
template <class T, class Arch> SINTER_KERNEL void spread_plane(const pool_shape& s, const T* y, const computed<T>* column, computed<T>* g, computed<T>* line, computed<T>* x) {
  using C = computed<T>;
  const pool_dim &d0 = s.d[0], &d1 = s.d[1], &d2 = s.d[2];
  for (int64 i = 0; i < d0.out; ++i)
    for (int64 j = 0; j < d1.out; ++j, y += d2.out) {
      const C rows = static_cast<C>(s.row_count(i, j));
      for (int64 o = 0; o < d2.out; ++o) g[o] = static_cast<C>(y[o]) / (rows * column[o]);
      spread_columns(d2, g, line);
      for (int64 u = d0.first_tap(i); u < d0.last_tap(i); ++u)
        for (int64 v = d1.first_tap(j); v < d1.last_tap(j); ++v)
          add_run<C>(line, x + ((d0.start(i) + u * d0.dilation) * d1.in + d1.start(j) + v * d1.dilation) * d2.in, d2.in);
    }
}
/// f(plane number, its gradient as numbers to be added to) for all planes of x, row-major.
template <class T, class Arch, class F> void for_gradient_planes(const pool_shape& s, T* x, F f) {
  using C = computed<T>;
  const int64 size = s.plane_in();
  const chunking c = fixed_chunks(s.planes(), (1 << 15) / (size + 1) + 1);
  parallel_for<Arch>(c.count, [&](int64 k) {
    const scratch<C, Arch> wide(std::is_same_v<T, C> ? 0 : size);
    for (int64 p = k * c.size; p < (k + 1) * c.size && p < s.planes(); ++p) {
      if constexpr (std::is_same_v<T, C>) {
        f(p, x + p * size);
      } else {  // rounded once
        for (int64 i = 0; i < size; ++i) wide.get()[i] = C(0);
        f(p, wide.get());
        add_run<T>(wide.get(), x + p * size, size);
      }
    }
  });
}
template <class T, class Arch> SINTER_HIDDEN void spread(pool_shape s, const T* y, T* x) {
  using C = computed<T>;
  if (s.planes() * s.plane_out() == 0) return;
  pool_planes<T> dense{nullptr, 0, 0, {s.d[1].in * s.d[2].in, s.d[2].in}};
  merge_covered(s, dense);
  const pool_dim& d = s.d[2];
  const scratch<C, Arch> column(d.out);
  for (int64 o = 0; o < d.out; ++o) column.get()[o] = static_cast<C>(s.column_count(o));
  const int64 room = window_room(d), size = d.out + 2 * room;
  for_gradient_planes<T, Arch>(s, x, [&](int64 p, C* to) {
    const scratch<C, Arch> g(size), line(d.in + 1);
    for (int64 k = 0; k < room; ++k) g.get()[k] = g.get()[size - 1 - k] = C(0);
    spread_plane<T, Arch>(s, y + p * s.plane_out(), column.get(), g.get() + room, line.get(), to);
  });
}

/// y[k] = x[index[k]] of each plane, 0 where there is none; and its transpose, x[index[k]] += y[k].
template <class T, class Arch> SINTER_KERNEL void take_of_plane(const int32* index, int64 n, const T* x, T* y) {
  for (int64 k = 0; k < n; ++k) y[k] = index[k] < 0 ? T(computed<T>(0)) : x[index[k]];
}
template <class T, class Arch> SINTER_KERNEL void give_to_plane(const int32* index, int64 n, const T* y, computed<T>* x) {
  for (int64 k = 0; k < n; ++k)
    if (index[k] >= 0) x[index[k]] += static_cast<computed<T>>(y[k]);
}

}  // namespace sinter::inline v0::detail::inline SINTER_TARGET
