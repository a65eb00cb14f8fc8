// SPDX-License-Identifier: BSD-3-Clause
// The convolution that takes any strides, parameters and face: one thread a result. Correct first. Device-clean.
// Next: cuda/run.hpp fills the table.
#pragma once
#include "kernel.hpp"

namespace sinter::inline v0::detail::device {

/// The three faces x, w, y of a convolution (expr/window.hpp): addresses, bytes from index to index, extents.
struct window_table {
  uint64 base[3] = {};
  int64 step[3][5] = {};
  int64 batch = 0, groups = 1, in = 0, out = 0;  ///< channels of one group
  int64 extent[3][3] = {};
  int64 stride[3] = {}, dilation[3] = {}, padding[3] = {};
  int64 face = 0;   ///< window_face: 0 y, 1 x, 2 w
  int64 units = 0;  ///< results
};
static_assert(sizeof(window_table) == 336 && alignof(window_table) == 8);

template <class T> struct convolution_stage {};
template <class T, class Block, class Index> struct kernel<convolution_stage<T>, Block, Index> {
  static constexpr bool elementwise = true;
  using table = window_table;
  struct place { Index i[5]; };  ///< image or kernel, channel, position
  static SINTER_DEVICE T* at(const table& t, int face, const place& p) {
    int64 offset = 0;
    SINTER_UNROLL
    for (int d = 0; d < 5; ++d) offset += t.step[face][d] * p.i[d];
    return reinterpret_cast<T*>(t.base[face] + static_cast<uint64>(offset));
  }
  /// Index n of extents, the last of which is counted first.
  static SINTER_DEVICE void split(Index n, const int64* extent, Index* to) {
    for (int d = 2; d >= 0; --d) to[d] = n % static_cast<Index>(extent[d]), n /= static_cast<Index>(extent[d]);
  }
  static SINTER_DEVICE void map(const table& t) {
    constexpr int of_x = 0, of_w = 1, of_y = 2;
    const int face = t.face == 0 ? of_y : t.face == 1 ? of_x : of_w;
    const int64* const own = t.extent[face];
    const Index in = static_cast<Index>(t.in), out = static_cast<Index>(t.out), groups = static_cast<Index>(t.groups);
    const Index channels = face == of_x ? in * groups : face == of_w ? in : out * groups;
    const Index size = static_cast<Index>(own[0] * own[1] * own[2]);
    // what is summed over: channels or images, then taps or positions
    const int with = face == of_w ? of_y : of_w;
    const Index many = face == of_x ? out : face == of_w ? static_cast<Index>(t.batch) : in;
    const Index inner = static_cast<Index>(t.extent[with][0] * t.extent[with][1] * t.extent[with][2]);
    const Index n = static_cast<Index>(t.units), jump = static_cast<Index>(Block::count() * Block::threads());
    for (Index e = static_cast<Index>(Block::number() * Block::threads() + Block::thread()); e < n; e += jump) {
      place p[3];  // of x, w and y
      split(e % size, own, p[face].i + 2);
      const Index channel = e / size % channels, first = e / size / channels;
      p[face].i[0] = first, p[face].i[1] = channel;
      T sum(0);
      for (Index q = 0; q < many; ++q) {
        const Index group = face == of_x ? channel / in : face == of_w ? first / out : channel / out;
        const Index image = face == of_w ? q : first, o = face == of_x ? group * out + q : face == of_w ? first : channel, c = face == of_x ? channel % in : face == of_w ? channel : q;
        p[of_x].i[0] = p[of_y].i[0] = image, p[of_x].i[1] = group * in + c, p[of_y].i[1] = p[of_w].i[0] = o, p[of_w].i[1] = c;
        for (Index k = 0; k < inner; ++k) {
          split(k, t.extent[with], p[with].i + 2);
          bool meets = true;
          for (int d = 0; d < 3; ++d) {
            const Index stride = static_cast<Index>(t.stride[d]), by_w = p[of_w].i[2 + d] * static_cast<Index>(t.dilation[d]) - static_cast<Index>(t.padding[d]);
            if (face == of_x) {
              const Index y = p[of_x].i[2 + d] - by_w;
              p[of_y].i[2 + d] = y / stride;
              meets = meets && y >= 0 && y % stride == 0 && y / stride < static_cast<Index>(t.extent[of_y][d]);
            } else {
              const Index x = p[of_y].i[2 + d] * stride + by_w;
              p[of_x].i[2 + d] = x;
              meets = meets && x >= 0 && x < static_cast<Index>(t.extent[of_x][d]);
            }
          }
          if (meets) sum += *at(t, face == of_x ? of_y : of_x, p[face == of_x ? of_y : of_x]) * *at(t, with, p[with]);
        }
      }
      *at(t, face, p[face]) = sum;
    }
  }
};

}  // namespace sinter::inline v0::detail::device
