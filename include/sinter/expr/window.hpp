// SPDX-License-Identifier: BSD-3-Clause
// The arithmetic of a convolution's window: its parameters, the extents that follow from them, and what can be wrong.
// Extents are plain arrays: [N, C, X...], [O, C / groups, K...], [N, O, Y...]. Next: shape.hpp, cpu/convolve.hpp.
#pragma once
#include "instruction.hpp"

namespace sinter::inline v0::detail::inline SINTER_TARGET {

inline constexpr int most_window_dims = 3;

/// How a window moves; fewer than three dims have leading ones of extent 1.
struct window_numbers {
  int64 stride[most_window_dims] = {1, 1, 1}, padding[most_window_dims] = {}, dilation[most_window_dims] = {1, 1, 1};
  int64 extra[most_window_dims] = {};  ///< output_padding
  int64 groups = 1;
  bool same = false;
  int rank = 0;
  constexpr int at(int d) const { return most_window_dims - rank + d; }

  /// From the numbers of a slot: stride, padding, dilation and output_padding of each dim, then groups.
  constexpr window_numbers(const int32* v, int dims, const int64* kernel) : groups(v[4 * dims]), rank(dims) {
    for (int d = 0; d < dims; ++d) {
      stride[at(d)] = v[d], padding[at(d)] = v[dims + d], dilation[at(d)] = v[2 * dims + d], extra[at(d)] = v[3 * dims + d];
      if (v[dims + d] == same_padding) same = true, padding[at(d)] = v[2 * dims + d] * (kernel[2 + d] - 1) / 2;
    }
  }
};

enum class window_fault : uint8 { none, stride, padding, dilation, groups, divide, channels, same, output_padding, kernel, small };

/// Shape of face x or y from the other, `from`, and the kernels w.
constexpr window_fault window_extents(window_face::kind_t face, const window_numbers& n, const int64* from, const int64* w, int64* to) {
  for (int d = 0; d < most_window_dims; ++d) {
    if (n.stride[d] < 1) return window_fault::stride;
    if (n.padding[d] < 0) return window_fault::padding;
    if (n.dilation[d] < 1) return window_fault::dilation;
  }
  if (n.groups < 1) return window_fault::groups;
  if (w[0] % n.groups) return window_fault::divide;
  if (from[1] != (face == window_face::y ? w[1] * n.groups : w[0])) return window_fault::channels;
  to[0] = from[0];
  to[1] = face == window_face::y ? w[0] : w[1] * n.groups;
  for (int d = 0; d < n.rank; ++d) {
    const int k = n.at(d);
    const int64 reach = n.dilation[k] * (w[2 + d] - 1) + 1;
    if (w[2 + d] < 1) return window_fault::kernel;
    if (n.same && (n.stride[k] != 1 || face != window_face::y)) return window_fault::same;
    if (face == window_face::y) {
      const int64 room = from[2 + d] + 2 * n.padding[k] - reach;
      if (n.same) to[2 + d] = from[2 + d];
      else if (room < 0) return window_fault::kernel;
      else to[2 + d] = room / n.stride[k] + 1;
    } else {
      if (n.extra[k] < 0 || (n.extra[k] > 0 && n.extra[k] >= n.stride[k] && n.extra[k] >= n.dilation[k])) return window_fault::output_padding;
      to[2 + d] = (from[2 + d] - 1) * n.stride[k] - 2 * n.padding[k] + reach + n.extra[k];
      if (to[2 + d] < 1) return window_fault::small;
    }
  }
  return window_fault::none;
}

/// The extents of all three faces, of three window dims each.
struct window_shape {
  window_numbers n;
  int64 batch, in, out;  ///< images; channels of one group
  int64 x[most_window_dims] = {1, 1, 1}, w[most_window_dims] = {1, 1, 1}, y[most_window_dims] = {1, 1, 1};

  constexpr window_shape(const int32* v, int rank, const int64* xs, const int64* ws, const int64* ys)
      : n(v, rank - 2, ws), batch(xs[0]), in(ws[1]), out(ws[0] / n.groups) {
    for (int d = 0; d < n.rank; ++d) x[n.at(d)] = xs[2 + d], w[n.at(d)] = ws[2 + d], y[n.at(d)] = ys[2 + d];
  }
  /// One for each product of two elements that is added, those with the border's zeros too.
  constexpr int64 products() const {
    return batch * n.groups * in * out * y[0] * y[1] * y[2] * w[0] * w[1] * w[2];
  }
};

/// "conv2d", "conv_transpose2d", "conv2d_weight": a face over images of `dims` dims.
constexpr const char* face_name(window_face::kind_t face, int dims) {
  constexpr const char* names[3][3] = {{"conv1d", "conv2d", "conv3d"},
                                       {"conv_transpose1d", "conv_transpose2d", "conv_transpose3d"},
                                       {"conv1d_weight", "conv2d_weight", "conv3d_weight"}};
  return dims < 1 || dims > most_window_dims ? "convolution" : names[face][dims - 1];
}

}  // namespace sinter::inline v0::detail::inline SINTER_TARGET
