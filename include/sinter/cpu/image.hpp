// SPDX-License-Identifier: BSD-3-Clause
// Images as matrices: which elements a window meets at each position, and their packing into columns. Next: convolve.hpp.
#pragma once
#include "../expr/window.hpp"
#include "gemm.hpp"

namespace sinter::inline v0::detail::inline SINTER_TARGET {

/// One face of a convolution in memory: steps in elements, fewer than three dims lead with steps of 0.
template <class T> struct face_memory {
  const T* data = nullptr;
  int64 first = 0, second = 0;  ///< to the next image and channel; of w: to the next kernel and its next channel
  int64 step[3] = {};
};

/// Where a finished block lies in a result of five dims: rows along one of them, columns counted row-major over the others.
struct block_place {
  int row_dim = 1;
  int64 first_row = 0, rows = 0;
  struct { int dim; int64 extent, first, step; } columns[4] = {};
  int64 first_column = 0, last_column = 0;
};

/// Positions of the result that meet the same taps of the kernel. One for face y; for face x one for each position modulo stride, so
/// that no tap falls between two positions of y.
struct window_phase {
  int64 number = 0;
  int64 box[3] = {}, first[3] = {}, step[3] = {1, 1, 1};  ///< positions of the result: first + i * step, i < box
  int64 extent[3] = {}, stride[3] = {1, 1, 1};            ///< of the source: it is met at i * stride + offset
  int64 taps_of[3] = {};                                  ///< how many taps
  int64 first_tap[3] = {}, tap_step[3] = {1, 1, 1};       ///< their numbers in the kernel
  int64 first_offset[3] = {}, tap_offset[3] = {};         ///< offset of the first tap, from one to the next

  /// Sets up phase `number` of a face; false behind the last.
  bool find(const window_shape& s, window_face::kind_t face) {
    int64 rest = number;
    for (int d = 2; d >= 0; --d) {
      const int64 by = s.n.stride[d], dilation = s.n.dilation[d], padding = s.n.padding[d];
      if (face == window_face::y) {
        box[d] = s.y[d], extent[d] = s.x[d], stride[d] = by;
        taps_of[d] = s.w[d], tap_offset[d] = dilation, first_offset[d] = -padding;
      } else {
        const int64 phases = by < s.x[d] ? by : s.x[d] > 0 ? s.x[d] : 1;
        first[d] = rest % phases, rest /= phases;
        step[d] = by, box[d] = s.x[d] > first[d] ? (s.x[d] - first[d] + by - 1) / by : 0, extent[d] = s.y[d];
        taps_of[d] = 0;
        for (int64 k = 0; k < s.w[d]; ++k) {
          const int64 at = first[d] + padding - k * dilation;
          if (at % by) continue;
          if (taps_of[d] == 0) first_tap[d] = k, first_offset[d] = at / by;
          if (taps_of[d] == 1) tap_step[d] = k - first_tap[d], tap_offset[d] = at / by - first_offset[d];
          ++taps_of[d];
        }
      }
    }
    return rest == 0 && (face != window_face::y || number == 0);
  }
  int64 taps() const { return taps_of[0] * taps_of[1] * taps_of[2]; }
  int64 numel() const { return box[0] * box[1] * box[2]; }
  int64 offset(int d, int64 tap) const { return first_offset[d] + tap * tap_offset[d]; }
  /// The least offset, and the largest.
  int64 low(int d) const { return offset(d, tap_offset[d] < 0 ? taps_of[d] - 1 : 0); }
  int64 high(int d) const { return offset(d, tap_offset[d] < 0 ? 0 : taps_of[d] - 1); }
  /// f(numbers in the kernel) for every tap.
  template <class F> void for_taps(F f) const {
    for (int64 i = 0; i < taps_of[0]; ++i)
      for (int64 j = 0; j < taps_of[1]; ++j)
        for (int64 k = 0; k < taps_of[2]; ++k)
          f(first_tap[0] + i * tap_step[0], first_tap[1] + j * tap_step[1], first_tap[2] + k * tap_step[2]);
  }
};

/// The matrix of what a window meets: row (channel, tap), column (image, position); 0 beyond the borders.
template <class T> struct image_columns {
  const T* data;
  int64 channel;
  int64 step[4];  ///< in memory, to the next image and along each dim
  window_phase p;

  /// Is it the image itself, columns `columns_step` apart?
  bool is_matrix(int64& columns_step) const {
    int64 next = 0;
    columns_step = 1;
    for (int d = 2; d >= 0; --d) {
      if (p.taps_of[d] != 1 || p.first_offset[d] != 0 || p.stride[d] != 1 || p.box[d] != p.extent[d]) return false;
      if (p.box[d] == 1) continue;
      if (!next) columns_step = step[1 + d], next = columns_step * p.box[d];
      else if (step[1 + d] != next) return false;
      else next *= p.box[d];
    }
    return true;
  }
};
template <class T> image_columns<T> columns_of(const face_memory<T>& f, const window_phase& p) {
  return {f.data, f.second, {f.first, f.step[0], f.step[1], f.step[2]}, p};
}
/// Row (channel), column (image, position).
template <class T> image_columns<T> plain_columns(const face_memory<T>& f, const int64* extent) {
  window_phase p;
  for (int d = 0; d < 3; ++d) p.box[d] = p.extent[d] = extent[d], p.taps_of[d] = 1;
  return columns_of(f, p);
}

/// to[i] = from[i * step], i < n.
template <class T> SINTER_INLINE void copy_run(const T* from, int64 step, int64 n, T* to) {
  int64 i = 0;
  if constexpr (std::is_floating_point_v<T>) {
    constexpr int W = simd::width<T>;
    using P = pack<T, W>;
    if (step == 1) {
      for (; i + W <= n; i += W) P::load(from + i).store(to + i);
      if constexpr (W > 1)
        if (i < n) {
          P::load(from + i, static_cast<int>(n - i)).store(to + i, static_cast<int>(n - i));
          return;
        }
    } else if (step == 2) {
      for (; i + W < n; i += W) P::gather(from + 2 * i, 2).store(to + i);  // reads one element more than it takes
    }
  }
  for (; i < n; ++i) to[i] = from[i * step];
}

/// Rows p0 .. p0 + depth, columns j0 .. j0 + columns of c as to[p * width + q]; 0 up to the width.
template <class T, class Arch> SINTER_KERNEL void pack_columns(const image_columns<T>& c, int64 p0, int64 depth, int64 j0, int64 columns, T* to, int64 width) {
  const window_phase& p = c.p;
  const int64 taps = p.taps();
  for (int64 q = columns; q < width; ++q)
    for (int64 i = 0; i < depth; ++i) to[i * width + q] = T(0);
  for (int64 t = 0; t < taps; ++t) {
    const int64 first = p0 <= t ? 0 : (p0 - t + taps - 1) / taps, last = p0 + depth <= t ? 0 : (p0 + depth - t + taps - 1) / taps;  // channels
    if (first >= last) continue;
    const int64 off0 = p.offset(0, t / (p.taps_of[1] * p.taps_of[2])), off1 = p.offset(1, t / p.taps_of[2] % p.taps_of[1]), off2 = p.offset(2, t % p.taps_of[2]);
    // positions of a row that meet the image
    const int64 by = p.stride[2], from = off2 >= 0 ? 0 : (-off2 + by - 1) / by, until = p.extent[2] <= off2 ? 0 : (p.extent[2] - off2 + by - 1) / by;
    int64 rest = j0, x = rest % p.box[2];
    rest /= p.box[2];
    int64 y = rest % p.box[1];
    rest /= p.box[1];
    int64 z = rest % p.box[0], image = rest / p.box[0];
    const int64 between = taps * width;
    for (int64 q = 0; q < columns;) {
      const int64 n = p.box[2] - x < columns - q ? p.box[2] - x : columns - q;
      const int64 sz = z * p.stride[0] + off0, sy = y * p.stride[1] + off1;
      const bool inside = sz >= 0 && sz < p.extent[0] && sy >= 0 && sy < p.extent[1];
      int64 a = from < x ? x : from > x + n ? x + n : from, b = until > x + n ? x + n : until;
      if (!inside || b < a) b = a = x + n;
      const T* source = c.data + image * c.step[0] + sz * c.step[1] + sy * c.step[2] + (a * by + off2) * c.step[3];
      T* row = to + (first * taps + t - p0) * width + q;
      for (int64 k = first; k < last; ++k, row += between) {
        for (int64 i = 0; i < a - x; ++i) row[i] = T(0);
        if (b > a) copy_run(source + k * c.channel, by * c.step[3], b - a, row + (a - x));
        for (int64 i = b - x; i < n; ++i) row[i] = T(0);
      }
      q += n, x = 0;
      if (++y == p.box[1]) {
        y = 0;
        if (++z == p.box[0]) z = 0, ++image;
      }
    }
  }
}

}  // namespace sinter::inline v0::detail::inline SINTER_TARGET
