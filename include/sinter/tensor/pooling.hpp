// SPDX-License-Identifier: BSD-3-Clause
// Pooling over 1 to 3 dims: the largest element or the mean of windows, of tensors, variables and expressions. Each is a linear map
// once the largest are chosen, so all are differentiable to any order. Not here: layers (nn/pooling.hpp), kernels (cpu/pool.hpp).
#pragma once
#include "../autograd/linear.hpp"
#include "../cpu/pool_back.hpp"
#include "../op/convolution.hpp"

namespace sinter::inline v0 {

/// A stride for each dim; without one it is that of the kernel.
template <int N> struct pool_stride : per_dim<N> {
  bool given = true;
  using per_dim<N>::per_dim;
  constexpr pool_stride() : per_dim<N>(1), given(false) {}
};
/// `{.stride = 2, .padding = {1, 0}}`; ceil_mode: a last window may reach beyond the border.
template <int N> struct max_pool_options {
  pool_stride<N> stride = {};
  per_dim<N> padding = 0, dilation = 1;
  bool ceil_mode = false;
};
/// No divisor of its own: an average divides by how many elements its window has.
inline constexpr int64 window_size = -9223372036854775807 - 1;
/// `count_include_pad`: do elements of the border count? `divisor_override`: what all sums are divided by instead.
template <int N> struct avg_pool_options {
  pool_stride<N> stride = {};
  per_dim<N> padding = 0;
  bool ceil_mode = false, count_include_pad = true;
  int64 divisor_override = window_size;
};
/// As an extent of an adaptive result: that of the input.
inline constexpr int32 keep_size = -2147483647;

#pragma GCC visibility push(hidden)
inline namespace SINTER_TARGET {
/// What max_pool2d_with_indices and its like return: the largest elements, and their row-major number in their image's plane.
template <class V, class I> struct pooled {
  V values;
  I indices;
};
}  // namespace SINTER_TARGET

namespace detail::inline SINTER_TARGET {

/// Batch and channels of sizes [N, C, ...] or [C, ...]; extents of the last N dims. Throws shape_error for empty dims behind the batch.
template <int N, int R> pool_shape pool_shape_of(const index_list<R>& sizes, const char* who, bool channels_needed = true) {
  static_assert(R == N + 1 || R == N + 2, "sinter: pooling takes inputs [N, C, ...] or [C, ...]: a batch dim or none, channels, then the dims of the windows");
  pool_shape s;
  for (int d = R == N + 1 ? 0 : 1; d < R; ++d)
    if (sizes[d] == 0 && (channels_needed || d >= R - N)) fail<shape_error>(who, ": an input of sizes ", shape_text{sizes.data(), R}, " is empty in dim ", d);
  if (R == N + 2) s.batch = sizes[0];
  s.channels = sizes[R - N - 1];
  for (int d = 0; d < N; ++d) s.d[3 - N + d].in = sizes[R - N + d];
  return s;
}
/// Windows of one dim. Throws shape_error for parameters that no window has.
inline void set_window(pool_dim& d, int64 kernel, int64 stride, int64 padding, int64 dilation, bool ceil_mode, const char* who) {
  if (kernel < 1) fail<shape_error>(who, ": kernel_size should be greater than zero, but is ", kernel);
  if (stride < 1) fail<shape_error>(who, ": stride should be greater than zero, but is ", stride);
  if (dilation < 1) fail<shape_error>(who, ": dilation should be greater than zero, but is ", dilation);
  if (padding < 0) fail<shape_error>(who, ": padding must not be negative, but is ", padding);
  if (2 * padding > kernel) fail<shape_error>(who, ": padding should be at most half of kernel_size, but is ", padding, " for a kernel_size of ", kernel);
  const int64 room = d.in + 2 * padding - dilation * (kernel - 1) - 1 + (ceil_mode ? stride - 1 : 0);
  d.kernel = kernel, d.stride = stride, d.padding = padding, d.dilation = dilation;
  d.out = room < 0 ? 0 : room / stride + 1;
  if (ceil_mode && (d.out - 1) * stride >= d.in + padding) --d.out;  // the last window starts in the image or in front of it
  if (d.out < 1) fail<shape_error>(who, ": windows of ", kernel, " elements, dilation ", dilation, ", do not fit in a dim of ", d.in, " with padding ", padding);
}
template <int N, class O> pool_shape windowed(pool_shape s, const per_dim<N>& kernel, const O& o, const char* who) {
  for (int d = 0; d < N; ++d) {
    int32 dilation = 1;
    if constexpr (requires { o.dilation; }) dilation = o.dilation.v[d];
    set_window(s.d[3 - N + d], kernel.v[d], o.stride.given ? o.stride.v[d] : kernel.v[d], o.padding.v[d], dilation, o.ceil_mode, who);
  }
  if constexpr (requires { o.divisor_override; }) {
    s.count_border = o.count_include_pad;
    if (o.divisor_override == 0) fail<shape_error>(who, ": divisor_override must not be zero");
    if (o.divisor_override != window_size) s.divisor = o.divisor_override;
  }
  return s;
}
template <int N> pool_shape adapted(pool_shape s, const per_dim<N>& size, const char* who) {
  for (int d = 0; d < N; ++d) {
    pool_dim& e = s.d[3 - N + d];
    e.out = size.v[d] == keep_size ? e.in : size.v[d];
    if (e.out < 0) fail<shape_error>(who, ": output sizes must not be negative, but one is ", size.v[d]);
    e.adaptive = e.out == 0 || e.in % e.out != 0;
    if (!e.adaptive) e.kernel = e.stride = e.in / e.out;
  }
  return s;
}
template <int N, int R> index_list<R> pooled_sizes(index_list<R> sizes, const pool_shape& s) {
  for (int d = 0; d < N; ++d) sizes[R - N + d] = s.d[3 - N + d].out;
  return sizes;
}
/// x's planes; columns lie side by side.
template <int N, class T, int R> pool_planes<const T> planes_of(const T* data, const index_list<R>& strides) {
  pool_planes<const T> p{data, R == N + 2 ? strides[0] : 0, strides[R - N - 1], {}};
  for (int d = 0; d + 1 < N; ++d) p.step[3 - N + d] = strides[R - N + d];
  return p;
}
/// x itself where columns lie side by side, else a copy.
template <class X> auto with_columns(const X& x) {
  constexpr int R = X::rank;
  using V = tensor<typename X::value_type, rank<R>>;
  return x.sizes()[R - 1] == 1 || x.strides()[R - 1] == 1 ? V(x) : V(contiguous(x));
}
/// Means of windows. T is the dtype of what it is run on.
template <class T> struct pool_mean_map final : linear_map {
  pool_shape s;
  pool_mean_map(const shape_value& x, const shape_value& y, const pool_shape& windows) : linear_map(x, y), s(windows) {}
  void forward(dtype, const operand& x, const operand& y) const override {
    const row_major_copy<T> from(x);
    const scratch<T, native> means(y.shape.numel());
    const int64 row = s.d[2].in, sheet = s.d[1].in * row, plane = s.plane_in();
    pool<T, pool_mean<T>, native>(s, {from.get(), s.channels * plane, plane, {sheet, row}}, means.get());
    add_from_row_major<T>(means.get(), y);
  }
  void adjoint(dtype, const operand& y, const operand& x) const override {
    const row_major_copy<T> from(y);
    add_row_major<T>(x, [&](T* to) { spread<T, native>(s, from.get(), to); });
  }
};
/// One element of each window: element index[k] of its plane.
template <class T> struct pool_choice_map final : linear_map {
  pool_shape s;
  scratch_memory room;
  pool_choice_map(const shape_value& x, const shape_value& y, const pool_shape& windows)
      : linear_map(x, y), s(windows), room((y.numel() + 1) * static_cast<int64>(sizeof(int32))) {}
  int32* index() const { return reinterpret_cast<int32*>(room.data()); }

  void forward(dtype, const operand& x, const operand& y) const override {
    const row_major_copy<T> from(x);
    const scratch<T, native> chosen(y.shape.numel());
    const int64 n = s.plane_out(), size = s.plane_in();
    for (int64 p = 0; p < s.planes(); ++p) take_of_plane<T, native>(index() + p * n, n, from.get() + p * size, chosen.get() + p * n);
    add_from_row_major<T>(chosen.get(), y);
  }
  void adjoint(dtype, const operand& y, const operand& x) const override {
    const row_major_copy<T> from(y);
    const int64 n = s.plane_out();
    add_row_major<T>(x, [&](T* to) {
      for_gradient_planes<T, native>(s, to, [&](int64 p, computed<T>* plane) { give_to_plane<T, native>(index() + p * n, n, from.get() + p * n, plane); });
    });
  }
};

/// What is pooled: a tensor or a variable on the CPU.
template <class X> constexpr void check_pooled() {
  using T = typename X::value_type;
  static_assert(!is_complex_element<T> && !std::is_same_v<T, bool>, "sinter: pooling takes real numbers, not bool or complex ones");
}
template <int N, class X> auto mean_pooled(const X& x, const pool_shape& s) {
  check_pooled<X>();
  using T = typename X::value_type;
  constexpr int R = X::rank;
  static_assert(is_floating_element<T> || std::is_same_v<T, int64>, "sinter: means of windows are those of floating-point numbers, or of int64, truncated: x.to<float>() first");
  const auto from = with_columns(tensor_of(x));
  const index_list<R> sizes = pooled_sizes<N>(index_list<R>(x.sizes()), s);
  auto y = new_tensor<T, rank<R>>(sizes);
  pool<T, pool_mean<T>, native>(s, planes_of<N>(from.data(), from.strides()), y.data());
  if constexpr (is_variable<X>) {
    vec<linear_term> terms;
    if (x.requires_grad() && is_grad_enabled()) terms.push({new_map<pool_mean_map<T>>(shape_of(index_list<R>(x.sizes())), shape_of(sizes), s), false, x.slot()});
    return linear_variable<T, rank<R>>(y, terms);
  } else {
    return y;
  }
}
template <int N, bool Indices, class X> auto max_pooled(const X& x, const pool_shape& s, const char* who) {
  check_pooled<X>();
  using T = typename X::value_type;
  constexpr int R = X::rank;
  const auto from = with_columns(tensor_of(x));
  const index_list<R> sizes = pooled_sizes<N>(index_list<R>(x.sizes()), s);
  auto y = new_tensor<T, rank<R>>(sizes);
  const auto planes = planes_of<N>(from.data(), from.strides());
  bool recorded = false;
  if constexpr (is_variable<X>) recorded = is_differentiable(dtype_of<T>) && x.requires_grad() && is_grad_enabled();
  if (!Indices && !recorded) {
    pool<T, pool_max<T>, native>(s, planes, y.data());
    if constexpr (!Indices && is_variable<X>) return variable<T, rank<R>>(y, false);
    else if constexpr (!Indices) return y;
  }
  if (s.plane_in() > 0x7fffffff - 64) fail<shape_error>(who, ": a plane of ", s.plane_in(), " elements has more than an int32 counts");
  const auto choice = new_map<pool_choice_map<T>>(shape_of(index_list<R>(x.sizes())), shape_of(sizes), s);
  pool_with_indices<T, native>(s, planes, y.data(), choice->index());
  const auto values = [&] {
    if constexpr (is_variable<X>) {
      vec<linear_term> terms;
      if (recorded) terms.push({choice, false, x.slot()});
      return linear_variable<T, rank<R>>(y, terms);
    } else {
      return y;
    }
  };
  if constexpr (Indices) {
    auto index = new_tensor<int64, rank<R>>(sizes);
    for (int64 k = 0; k < index.numel(); ++k) index.data()[k] = choice->index()[k];
    return pooled<decltype(values()), decltype(index)>{values(), index};
  } else {
    return values();
  }
}
inline constexpr const char* pool_names[4][3] = {{"max_pool1d", "max_pool2d", "max_pool3d"},
                                                 {"avg_pool1d", "avg_pool2d", "avg_pool3d"},
                                                 {"adaptive_max_pool1d", "adaptive_max_pool2d", "adaptive_max_pool3d"},
                                                 {"adaptive_avg_pool1d", "adaptive_avg_pool2d", "adaptive_avg_pool3d"}};
template <int N, bool Indices, class X> auto max_pool(const X& x, const per_dim<N>& kernel, const max_pool_options<N>& o) {
  return with_value_on_cpu(x, [&](const auto& v) {
    const char* who = pool_names[0][N - 1];
    return max_pooled<N, Indices>(v, windowed(pool_shape_of<N>(v.sizes(), who), kernel, o, who), who);
  });
}
template <int N, class X> auto avg_pool(const X& x, const per_dim<N>& kernel, const avg_pool_options<N>& o) {
  return with_value_on_cpu(x, [&](const auto& v) {
    const char* who = pool_names[1][N - 1];
    return mean_pooled<N>(v, windowed(pool_shape_of<N>(v.sizes(), who), kernel, o, who));
  });
}
template <int N, bool Indices, class X> auto adaptive_max_pool(const X& x, const per_dim<N>& size) {
  return with_value_on_cpu(x, [&](const auto& v) {
    const char* who = pool_names[2][N - 1];
    return max_pooled<N, Indices>(v, adapted(pool_shape_of<N>(v.sizes(), who), size, who), who);
  });
}
template <int N, class X> auto adaptive_avg_pool(const X& x, const per_dim<N>& size) {
  return with_value_on_cpu(x, [&](const auto& v) {
    const char* who = pool_names[3][N - 1];
    return mean_pooled<N>(v, adapted(pool_shape_of<N>(v.sizes(), who, false), size, who));
  });
}
}  // namespace detail::inline SINTER_TARGET

inline namespace SINTER_TARGET {

#define SINTER_POOLING(N)                                                                                                                           \
  template <expression X> auto max_pool##N##d(const X& x, per_dim<N> kernel_size, const max_pool_options<N>& o = {}) { return detail::max_pool<N, false>(x, kernel_size, o); } \
  template <expression X> auto max_pool##N##d_with_indices(const X& x, per_dim<N> kernel_size, const max_pool_options<N>& o = {}) { return detail::max_pool<N, true>(x, kernel_size, o); } \
  template <expression X> auto avg_pool##N##d(const X& x, per_dim<N> kernel_size, const avg_pool_options<N>& o = {}) { return detail::avg_pool<N>(x, kernel_size, o); } \
  template <expression X> auto adaptive_max_pool##N##d(const X& x, per_dim<N> output_size) { return detail::adaptive_max_pool<N, false>(x, output_size); } \
  template <expression X> auto adaptive_max_pool##N##d_with_indices(const X& x, per_dim<N> output_size) { return detail::adaptive_max_pool<N, true>(x, output_size); } \
  template <expression X> auto adaptive_avg_pool##N##d(const X& x, per_dim<N> output_size) { return detail::adaptive_avg_pool<N>(x, output_size); }

/// The largest element of windows of `kernel_size` elements: y[n, c, p] = max over k of x[n, c, p * stride + k * dilation - padding], where
/// that is inside. x [N, C, L] or [C, L] gives [.., (L + 2 padding - dilation (kernel_size - 1) - 1) / stride + 1], rounded down, or up with
/// ceil_mode. NaN is larger than all. The gradient goes to the first of equal elements. Throws shape_error for windows that do not fit.
/// max_pool1d_with_indices: also where each was, as `auto [values, indices]`.
/// https://pytorch.org/docs/stable/generated/torch.nn.functional.max_pool1d.html
///
/// avg_pool1d: the mean of windows, with the border's zeros unless `.count_include_pad = false`; of floats, or of int64, truncated.
/// https://pytorch.org/docs/stable/generated/torch.nn.functional.avg_pool1d.html
///
/// adaptive_max_pool1d, adaptive_avg_pool1d: of `output_size` windows [floor(i L / size), ceil((i + 1) L / size)); `keep_size` is L.
/// https://pytorch.org/docs/stable/generated/torch.nn.functional.adaptive_avg_pool1d.html
SINTER_POOLING(1)
/// The same over two dims: x [N, C, H, W] or [C, H, W], `max_pool2d(x, 3, {.stride = 2, .padding = 1})`, `avg_pool2d(x, {2, 3})`.
/// https://pytorch.org/docs/stable/generated/torch.nn.functional.max_pool2d.html
SINTER_POOLING(2)
/// The same over three dims: x [N, C, D, H, W] or [C, D, H, W]. https://pytorch.org/docs/stable/generated/torch.nn.functional.max_pool3d.html
SINTER_POOLING(3)
#undef SINTER_POOLING

}  // namespace SINTER_TARGET
}  // namespace sinter::inline v0
#pragma GCC visibility pop
