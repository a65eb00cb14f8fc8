// SPDX-License-Identifier: BSD-3-Clause
// Elements of one strided array into another of the same shape and element size: runs as runs, transposes by squares of
// registers, results larger than the caches past them. Bits only, no arithmetic. Next: strided.hpp for sums.
#pragma once
#include "../expr/shape.hpp"
#include "allocator.hpp"
#include "cache.hpp"
#include "gemm_tile.hpp"
#include "parallel.hpp"

namespace sinter::inline v0::detail::inline SINTER_TARGET {

/// What moves elements of `Size` bytes.
template <int Size> struct mover;
template <> struct mover<1> { using type = uint8; };
template <> struct mover<2> { using type = uint16; };
template <> struct mover<4> { using type = float; };
template <> struct mover<8> { using type = double; };

/// A copy with its dims sorted by the target's strides, neighbours that both sides cross evenly merged.
struct copy_plan {
  int rank = 0;
  int64 extent[max_rank + 1] = {}, from[max_rank + 1] = {}, to[max_rank + 1] = {};
  int64 numel = 1;

  copy_plan(const shape_value& s, const int64* from_strides, const int64* to_strides) {
    for (int d = 0; d < s.rank; ++d) {
      numel *= s[d];
      if (s[d] == 1) continue;
      int k = rank++;
      const auto size = [](int64 x) { return x < 0 ? -x : x; };
      for (; k > 0 && (size(to[k - 1]) < size(to_strides[d]) || (to[k - 1] == to_strides[d] && size(from[k - 1]) < size(from_strides[d]))); --k)
        extent[k] = extent[k - 1], from[k] = from[k - 1], to[k] = to[k - 1];
      extent[k] = s[d], from[k] = from_strides[d], to[k] = to_strides[d];
    }
    int n = 0;
    for (int k = 0; k < rank; ++k) {
      if (n && from[n - 1] == from[k] * extent[k] && to[n - 1] == to[k] * extent[k]) extent[k] *= extent[n - 1], --n;
      extent[n] = extent[k], from[n] = from[k], to[n] = to[k], ++n;
    }
    rank = n;
  }
  /// The same copy with two elements of half the size for each.
  void halve() {
    for (int k = 0; k < rank; ++k) from[k] *= 2, to[k] *= 2;
    if (rank && from[rank - 1] == 2 && to[rank - 1] == 2) extent[rank - 1] *= 2, from[rank - 1] = to[rank - 1] = 1;
    else extent[rank] = 2, from[rank] = to[rank] = 1, ++rank;
    numel *= 2;
  }
  /// f(offset in from, offset in to) for index number `first` to `last` of the dims before `inner`, row-major.
  template <class F> void for_outer(int inner, int64 first, int64 last, F f) const {
    for (int64 i = first; i < last; ++i) {
      int64 rest = i, a = 0, b = 0;
      for (int d = inner - 1; d >= 0; --d) {
        const int64 at = rest % extent[d];
        rest /= extent[d], a += at * from[d], b += at * to[d];
      }
      f(a, b);
    }
  }
  int64 outer(int inner) const {
    int64 n = 1;
    for (int d = 0; d < inner; ++d) n *= extent[d];
    return n;
  }
};

/// n elements side by side, past the caches but for the ends.
template <class T, class Arch> SINTER_KERNEL void stream_run(const T* from, T* to, int64 n) {
  constexpr int W = simd::width<T>;
  int64 i = 0;
  if constexpr (W > 1 && std::is_floating_point_v<T>) {
    constexpr int64 line = W * static_cast<int64>(sizeof(T));
    int64 head = (line - static_cast<int64>(reinterpret_cast<std::uintptr_t>(to) % line)) % line / static_cast<int64>(sizeof(T));
    for (; i < n && head > 0; --head, ++i) to[i] = from[i];
    for (; i + W <= n; i += W) simd::stream(simd::batch<T>::load_unaligned(from + i), to + i);
  }
  for (; i < n; ++i) to[i] = from[i];
}

/// to[j * to_stride + i] = from[i * from_stride + j] for i < n, j < m.
template <class T, class Arch> SINTER_KERNEL void transpose_block(const T* from, int64 from_stride, T* to, int64 to_stride, int64 n, int64 m) {
  constexpr int W = simd::width<T>;
  int64 i = 0;
  if constexpr (W > 1 && std::is_floating_point_v<T>)
    for (; i + W <= n; i += W) {
      int64 j = 0;
      for (; j + W <= m; j += W) transpose_square(from + i * from_stride + j, from_stride, to + j * to_stride + i, to_stride);
      for (; j < m; ++j)
        for (int64 k = i; k < i + W; ++k) to[j * to_stride + k] = from[k * from_stride + j];
    }
  constexpr int64 tile = 16;
  for (; i < n; i += tile)
    for (int64 j = 0; j < m; j += tile)
      for (int64 q = j; q < m && q < j + tile; ++q)
        for (int64 k = i; k < n && k < i + tile; ++k) to[q * to_stride + k] = from[k * from_stride + q];
}

template <class T, class Arch> SINTER_HIDDEN void copy_planned(const copy_plan& p, const T* from, T* to) {
  const int in = p.rank - 1;
  const int64 bytes = p.numel * static_cast<int64>(sizeof(T));
  const bool past = 2 * bytes > last_level_cache();
  if (p.rank == 0) {
    *to = *from;
    return;
  }
  int across = -1;  // the dim along which `from` lies side by side
  for (int d = 0; d < in; ++d)
    if (p.from[d] == 1) across = d;
  constexpr int64 grain = 1 << 15;
  if (p.to[in] == 1 && p.from[in] == 1) {  // runs; long ones in pieces
    const int64 n = p.extent[in], pieces = n > 2 * grain ? (n - 1) / grain + 1 : 1, piece = (n - 1) / pieces + 1;
    const int64 runs = p.outer(in) * pieces, group = grain / piece + 1;
    parallel_for<Arch>((runs - 1) / group + 1, [&](int64 g) {
      const int64 last = runs < (g + 1) * group ? runs : (g + 1) * group;
      for (int64 r = g * group; r < last; ++r) {
        const int64 first = r % pieces * piece, count = n - first < piece ? n - first : piece;
        p.for_outer(in, r / pieces, r / pieces + 1, [&](int64 a, int64 b) {
          if (past && count >= 64) stream_run<T, Arch>(from + a + first, to + b + first, count);
          else if (count > 0) __builtin_memcpy(to + b + first, from + a + first, static_cast<std::size_t>(count) * sizeof(T));
        });
      }
      if (past) simd::stream_end();
    });
  } else if (p.to[in] == 1 && across >= 0 && simd::width<T> > 1) {
    // blocks are turned into a room of their own, whose rows then leave as long runs: few rows of either side are open at a time
    copy_plan rest = p;
    const int64 n = p.extent[in], m = p.extent[across], from_stride = p.from[in], to_stride = p.to[across];
    for (int d = across; d + 1 < in; ++d) rest.extent[d] = p.extent[d + 1], rest.from[d] = p.from[d + 1], rest.to[d] = p.to[d + 1];
    constexpr int64 wide = 1024 / static_cast<int64>(sizeof(T)), high = 512 / static_cast<int64>(sizeof(T));
    const int64 columns = (m - 1) / wide + 1, rows = (n - 1) / high + 1, blocks = rest.outer(in - 1) * columns;
    const int64 work = n * (m < wide ? m : wide), group = work < grain ? grain / (work + 1) + 1 : 1;
    parallel_for<Arch>((blocks - 1) / group + 1, [&](int64 g) {
      const int64 last = blocks < (g + 1) * group ? blocks : (g + 1) * group, ld = high + 64 / static_cast<int64>(sizeof(T));
      T* const room = past ? static_cast<T*>(host_alloc<Arch>(wide * ld * static_cast<int64>(sizeof(T)))) : nullptr;
      for (int64 k = g * group; k < last; ++k)
        rest.for_outer(in - 1, k / columns, k / columns + 1, [&](int64 a, int64 b) {
          const int64 j = k % columns * wide, w = m - j < wide ? m - j : wide;
          for (int64 r = 0; r < rows; ++r) {
            const int64 i = r * high, h = n - i < high ? n - i : high;
            const T* x = from + a + i * from_stride + j;
            T* y = to + b + j * to_stride + i;
            if (!past) {
              transpose_block<T, Arch>(x, from_stride, y, to_stride, h, w);
              continue;
            }
            transpose_block<T, Arch>(x, from_stride, room, ld, h, w);
            for (int64 q = 0; q < w; ++q) stream_run<T, Arch>(room + q * ld, y + q * to_stride, h);
          }
        });
      if (past) {
        host_free<Arch>(room, wide * ld * static_cast<int64>(sizeof(T)));
        simd::stream_end();
      }
    });
  } else {
    const int64 n = p.extent[in], a_step = p.from[in], b_step = p.to[in], rows = p.outer(in), group = grain / n + 1;
    parallel_for<Arch>((rows - 1) / group + 1, [&](int64 g) {
      p.for_outer(in, g * group, rows < (g + 1) * group ? rows : (g + 1) * group, [&](int64 a, int64 b) {
        for (int64 i = 0; i < n; ++i) to[b + i * b_step] = from[a + i * a_step];
      });
    });
  }
}

/// to[i] = from[i] for every index i of shape s, each side with its own strides (in elements of `size` bytes). Sides must not overlap.
template <class Arch> SINTER_HIDDEN void copy_elements(int64 size, const shape_value& s, const void* from, const int64* from_strides, void* to, const int64* to_strides) {
  if (s.numel() == 0) return;
  copy_plan p(s, from_strides, to_strides);
  if (size == 16) {
    p.halve();
    return copy_planned<double, Arch>(p, static_cast<const double*>(from), static_cast<double*>(to));
  }
  auto run = [&]<int Size>() {
    using T = typename mover<Size>::type;
    copy_planned<T, Arch>(p, static_cast<const T*>(from), static_cast<T*>(to));
  };
  if (size == 4) run.template operator()<4>();
  else if (size == 8) run.template operator()<8>();
  else if (size == 2) run.template operator()<2>();
  else run.template operator()<1>();
}

/// Elements of `size` bytes become 0.
template <class Arch> void clear_elements(int64 size, const shape_value& s, void* to, const int64* strides) {
  static constexpr char zero[16] = {};
  static constexpr int64 still[max_rank] = {};
  copy_elements<Arch>(size, s, zero, still, to, strides);
}

}  // namespace sinter::inline v0::detail::inline SINTER_TARGET
