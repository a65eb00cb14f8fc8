// SPDX-License-Identifier: BSD-3-Clause
// One channel of an image with its border of zeros, laid out so that a window at neighbouring positions meets neighbouring
// elements whatever its stride: what groups of one channel are convolved from. Next: convolve.hpp.
#pragma once
#include "image.hpp"

namespace sinter::inline v0::detail::inline SINTER_TARGET {

template <class T> struct padded_plane {
  static constexpr int lanes = std::is_floating_point_v<T> ? simd::width<T> : 1;
  window_phase p;
  int64 span[3], strip, row;  ///< positions; elements of every stride-th position of a row, and of a row; both with room behind
  int64 length;               ///< of a row of other images, whole registers

  explicit padded_plane(const window_phase& phase) : p(phase) {
    for (int d = 0; d < 3; ++d) span[d] = p.taps_of[d] ? (p.box[d] - 1) * p.stride[d] + p.high(d) - p.low(d) + 1 : 1;
    strip = (span[2] + p.stride[2] - 1) / p.stride[2] + lanes;
    row = strip * p.stride[2];
    length = (p.box[2] + lanes - 1) / lanes * lanes;
  }
  int64 size() const { return span[0] * span[1] * row + 4 * lanes; }
  int64 rows_size() const { return p.box[0] * p.box[1] * length; }
  /// Where the element lies that position 0 meets by this tap.
  int64 tap_at(int64 k0, int64 k1, int64 k2) const {
    const int64 x = p.offset(2, k2) - p.low(2);
    return ((p.offset(0, k0) - p.low(0)) * span[1] + p.offset(1, k1) - p.low(1)) * row + x % p.stride[2] * strip + x / p.stride[2];
  }
  void taps_at(int64* to) const {
    for (int64 i = 0; i < p.taps_of[0]; ++i)
      for (int64 j = 0; j < p.taps_of[1]; ++j)
        for (int64 k = 0; k < p.taps_of[2]; ++k) *to++ = tap_at(i, j, k);
  }
  int64 row_at(int64 z, int64 y) const { return (z * p.stride[0] * span[1] + y * p.stride[1]) * row; }

  /// A channel, its elements `step` apart.
  SINTER_KERNEL void fill(const T* from, const int64* step, T* to) const {
    __builtin_memset(to, 0, static_cast<std::size_t>(size()) * sizeof(T));
    if (p.taps() == 0) return;
    const int64 low[3] = {p.low(0), p.low(1), p.low(2)};
    const auto begin = [&](int d) { return low[d] < 0 ? -low[d] : int64{0}; };
    const auto end = [&](int d) { return span[d] < p.extent[d] - low[d] ? span[d] : p.extent[d] - low[d]; };
    for (int64 z = begin(0); z < end(0); ++z)
      for (int64 y = begin(1); y < end(1); ++y) {
        T* line = to + (z * span[1] + y) * row;
        const T* source = from + (z + low[0]) * step[0] + (y + low[1]) * step[1] + low[2] * step[2];
        const int64 by = p.stride[2];
        for (int64 r = 0; r < by; ++r) {  // positions r, r + stride, ...
          const int64 first = begin(2) <= r ? 0 : (begin(2) - r + by - 1) / by, last = end(2) <= r ? 0 : (end(2) - r + by - 1) / by;
          if (first < last) copy_run(source + (first * by + r) * step[2], by * step[2], last - first, line + r * strip + first);
        }
      }
  }
  /// Rows of other images, of the extents of the box, with zeros up to whole registers.
  SINTER_KERNEL void copy_rows(const T* from, const int64* step, T* to) const {
    for (int64 z = 0; z < p.box[0]; ++z)
      for (int64 y = 0; y < p.box[1]; ++y, to += length) {
        copy_run(from + z * step[0] + y * step[1], step[2], p.box[2], to);
        for (int64 x = p.box[2]; x < length; ++x) to[x] = T(0);
      }
  }
};

/// plane_sums for V registers of positions of one row, of which `count` are written.
template <class T, int V> SINTER_INLINE void plane_strip(const T* from, int64 taps, const int64* tap_at, const T* w, T* to, int64 count, bool add) {
  constexpr int W = simd::width<T>;
  using P = pack<T, W>;
  P sum[V];
  const auto rest = [&](int i) { return static_cast<int>(count - i * W < 0 ? 0 : count - i * W < W ? count - i * W : W); };
  each<V>([&](int i) { sum[i] = !add || rest(i) == 0 ? P(T(0)) : P::load(to + i * W, rest(i)); });
  for (int64 t = 0; t < taps; ++t) {
    const P left(w[t]);
    const T* right = from + tap_at[t];
    each<V>([&](int i) { sum[i] = fma(left, P::load(right + i * W), sum[i]); });
  }
  each<V>([&](int i) {
    if (rest(i) == W) sum[i].store(to + i * W);
    else if (rest(i)) sum[i].store(to + i * W, rest(i));
  });
}
/// to[position] = or += sum over taps of w[tap] * what the tap meets.
template <class T, class Arch> SINTER_KERNEL void plane_sums(const padded_plane<T>& s, const T* plane, const int64* tap_at, const T* w, T* to, bool add) {
  const window_phase& p = s.p;
  const int64 taps = p.taps();
  for (int64 z = 0; z < p.box[0]; ++z)
    for (int64 y = 0; y < p.box[1]; ++y, to += p.box[2]) {
      const T* from = plane + s.row_at(z, y);
      if constexpr (std::is_floating_point_v<T>) {
        constexpr int W = simd::width<T>;
        int64 x = 0;
        for (; p.box[2] - x > 2 * W; x += 4 * W) plane_strip<T, 4>(from + x, taps, tap_at, w, to + x, p.box[2] - x, add);
        for (; x < p.box[2]; x += 2 * W) plane_strip<T, 2>(from + x, taps, tap_at, w, to + x, p.box[2] - x, add);
      } else {
        for (int64 x = 0; x < p.box[2]; ++x) {
          T sum = add ? to[x] : T(0);
          for (int64 t = 0; t < taps; ++t) sum = static_cast<T>(wrap(sum) + wrap(w[t]) * wrap(from[tap_at[t] + x]));
          to[x] = sum;
        }
      }
    }
}
/// to[tap] += sum over positions of dy * what the tap meets; dy by copy_rows.
template <class T, class Arch> SINTER_KERNEL void plane_dots(const padded_plane<T>& s, const T* plane, const int64* tap_at, const T* dy, T* to) {
  const window_phase& p = s.p;
  for (int64 t = 0, taps = p.taps(); t < taps; ++t) {
    const T* row = dy;
    if constexpr (std::is_floating_point_v<T>) {
      constexpr int W = simd::width<T>;
      using P = pack<T, W>;
      P sum(T(0));
      for (int64 z = 0; z < p.box[0]; ++z)
        for (int64 y = 0; y < p.box[1]; ++y, row += s.length) {
          const T* from = plane + s.row_at(z, y) + tap_at[t];
          for (int64 x = 0; x < s.length; x += W) sum = fma(P::load(row + x), P::load(from + x), sum);
        }
      to[t] += reduce(sum, [](auto a, auto b) { return a + b; });
    } else {
      for (int64 z = 0; z < p.box[0]; ++z)
        for (int64 y = 0; y < p.box[1]; ++y, row += s.length) {
          const T* from = plane + s.row_at(z, y) + tap_at[t];
          for (int64 x = 0; x < p.box[2]; ++x) to[t] = static_cast<T>(wrap(to[t]) + wrap(row[x]) * wrap(from[x]));
        }
    }
  }
}

}  // namespace sinter::inline v0::detail::inline SINTER_TARGET
