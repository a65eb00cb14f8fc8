// SPDX-License-Identifier: BSD-3-Clause
// Convolutions and transposed convolutions over 1 to 3 dims. Their derivatives are two more convolutions (expr/adjoint.hpp).
// Next: expr/window.hpp for the arithmetic, nn/convolution.hpp for layers.
#pragma once
#include "arithmetic.hpp"

namespace sinter::inline v0 {

/// One number for all N dims of a window, or one for each: `1`, `{1, 2}`. What an int does not hold is no valid number.
template <int N> struct per_dim {
  int32 v[N];
  template <class... I> requires((sizeof...(I) == 1 || sizeof...(I) == N) && (detail::is_number<I> && ...) && ((I(0.5) == I(0)) && ...))
  constexpr per_dim(I... each) {
    const int32 all[] = {fit(each)...};
    for (int d = 0; d < N; ++d) v[d] = all[sizeof...(I) == 1 ? 0 : d];
  }

 private:
  static constexpr int32 fit(auto n) { return static_cast<int64>(n) == static_cast<int32>(n) ? static_cast<int32>(n) : -2147483647 - 1; }
};
/// The same, or "same": as many zeros in all as keep the extents at a stride of 1, the odd one behind; or "valid": none.
template <int N> struct padding_per_dim : per_dim<N> {
  using per_dim<N>::per_dim;
  constexpr padding_per_dim(const char* name) : per_dim<N>(equal(name, "same") ? same_padding : equal(name, "valid") ? 0 : -1) {}

 private:
  static constexpr bool equal(const char* a, const char* b) {
    for (; *a && *a == *b; ++a) ++b;
    return *a == *b;
  }
};

/// `{.stride = 2, .padding = {1, 0}}`; `padding` may be "same" or "valid".
template <int N> struct conv_options {
  per_dim<N> stride = 1;
  padding_per_dim<N> padding = 0;
  per_dim<N> dilation = 1;
  int64 groups = 1;
};
template <int N> struct conv_transpose_options {
  per_dim<N> stride = 1, padding = 0, output_padding = 0;  ///< output_padding: rows more at the end of each dim of the result
  int64 groups = 1;
  per_dim<N> dilation = 1;
};

namespace detail::inline SINTER_TARGET {
template <int N> constexpr window_parameters<N> window_numbers_of(const int32* stride, const int32* padding, const int32* dilation, const int32* extra, int64 groups) {
  window_parameters<N> p{};
  const per_dim<1> g(groups);
  for (int d = 0; d < N; ++d) {
    p.v[d] = stride[d], p.v[N + d] = padding[d], p.v[2 * N + d] = dilation[d];
    p.v[3 * N + d] = extra ? extra[d] : 0;
  }
  p.v[4 * N] = g.v[0];
  return p;
}
template <int N> constexpr window_parameters<N> parameters_of(const conv_options<N>& o) {
  return window_numbers_of<N>(o.stride.v, o.padding.v, o.dilation.v, nullptr, o.groups);
}
template <int N> constexpr window_parameters<N> parameters_of(const conv_transpose_options<N>& o) {
  return window_numbers_of<N>(o.stride.v, o.padding.v, o.dilation.v, o.output_padding.v, o.groups);
}
}  // namespace detail::inline SINTER_TARGET

namespace composed {

/// A face of a convolution over N dims, plus a bias of each channel. An input without a batch dim is a batch of one.
template <int N, bool Transposed> struct convolution {
  using composition = void;
  static constexpr const char* names[2][3] = {{"conv1d", "conv2d", "conv3d"}, {"conv_transpose1d", "conv_transpose2d", "conv_transpose3d"}};
  static constexpr op_info info{.name = names[Transposed][N - 1]};
  static constexpr auto compose(auto x, auto w, auto d) {
    return single(x, [=](auto images) { return face(images, w, d); });
  }
  static constexpr auto compose(auto x, auto w, auto b, auto d) {
    return single(x, [=](auto images) { return face(images, w, d) + unsqueeze(b, axes{(1u << (N + 1)) - 2, N}); });
  }

 private:
  static constexpr auto face(auto x, auto w, auto d) {
    if constexpr (detail::same<decltype(d), axes>) {
      return convolve_images(x, w, d, Transposed);
    } else {
      static_assert(detail::never<decltype(x)>, "sinter: a convolution inside st::fn or st::let is not supported: pass its value in");
      return x;
    }
  }
  static constexpr auto single(auto x, auto f) {
    constexpr axes batch{1, 1};
    return rank_of(x) == N + 1 ? squeeze(f(unsqueeze(x, batch)), batch) : f(x);
  }
};

}  // namespace composed

#define SINTER_CONVOLUTION(name, N, transposed, options)                                                                             \
  template <expression X, expression W, expression B>                                                                                \
  constexpr applied<composed::convolution<N, transposed>, X, W, B, window_parameters<N>> name(X&& input, W&& weight, B&& bias, const options<N>& o = {}) { \
    return apply<composed::convolution<N, transposed>>(static_cast<X&&>(input), static_cast<W&&>(weight), static_cast<B&&>(bias), detail::parameters_of(o)); \
  }                                                                                                                                  \
  template <expression X, expression W>                                                                                              \
  constexpr applied<composed::convolution<N, transposed>, X, W, window_parameters<N>> name(X&& input, W&& weight, const options<N>& o = {}) { \
    return apply<composed::convolution<N, transposed>>(static_cast<X&&>(input), static_cast<W&&>(weight), detail::parameters_of(o));  \
  }

/// y[n, o, p] = bias[o] + sum over c and k of weight[o, c, k] input[n, c', p * stride + k * dilation - padding], 0 beyond the borders:
/// input [N, C, L] or [C, L], weight [O, C / groups, K], bias [O] or none; y [N, O, (L + 2 padding - dilation (K - 1) - 1) / stride + 1].
/// Channel o belongs to one of `groups` equal groups of outputs and sees the same one of inputs (c').
/// Throws shape_error for shapes and parameters that do not fit. https://pytorch.org/docs/stable/generated/torch.nn.functional.conv1d.html
SINTER_CONVOLUTION(conv1d, 1, false, conv_options)
/// conv1d over two dims: input [N, C, H, W] or [C, H, W], weight [O, C / groups, K, L], `conv2d(x, w, b, {.stride = 2, .padding = {1, 0}})`.
/// https://pytorch.org/docs/stable/generated/torch.nn.functional.conv2d.html
SINTER_CONVOLUTION(conv2d, 2, false, conv_options)
/// conv1d over three dims: input [N, C, D, H, W] or [C, D, H, W].
/// https://pytorch.org/docs/stable/generated/torch.nn.functional.conv3d.html
SINTER_CONVOLUTION(conv3d, 3, false, conv_options)
/// The transpose of conv1d as a linear map, plus a bias: input [N, C, L] or [C, L], weight [C, O / groups, K], bias [O] or none;
/// the result is [N, O, (L - 1) stride - 2 padding + dilation (K - 1) + output_padding + 1]. Throws shape_error.
/// https://pytorch.org/docs/stable/generated/torch.nn.functional.conv_transpose1d.html
SINTER_CONVOLUTION(conv_transpose1d, 1, true, conv_transpose_options)
/// The same over two dims. https://pytorch.org/docs/stable/generated/torch.nn.functional.conv_transpose2d.html
SINTER_CONVOLUTION(conv_transpose2d, 2, true, conv_transpose_options)
/// The same over three dims. https://pytorch.org/docs/stable/generated/torch.nn.functional.conv_transpose3d.html
SINTER_CONVOLUTION(conv_transpose3d, 3, true, conv_transpose_options)
#undef SINTER_CONVOLUTION

}  // namespace sinter::inline v0
