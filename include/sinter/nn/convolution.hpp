// SPDX-License-Identifier: BSD-3-Clause
// Convolution layers over 1 to 3 dims, and their transposes. Not here: the formulas (op/convolution.hpp). Next: normalization.hpp.
#pragma once
#include "../op/convolution.hpp"
#include "init.hpp"
#include "linear.hpp"

namespace sinter::inline v0::nn::inline SINTER_TARGET {

/// What conv1d to conv3d and their transposes have in common. The extents of the weight are numbers of the run: layers of all sizes
/// are one program.
template <class Self, int N, int64 In, int64 Out, class Options, class T, bool Bias> struct convolution : module<Self> {
  static_assert(In > 0 && Out > 0, "sinter: the channels of a convolution layer are part of its type: `st::nn::conv2d<3, 64> conv{3};`");
  static constexpr bool transposed = std::is_same_v<Options, conv_transpose_options<N>>;
  Options options;
  variable<T, rank<N + 2>> weight;
  std::conditional_t<Bias, variable<T, rank<1>>, no_bias_t> bias;

  /// Throws shape_error for groups that do not divide both numbers of channels, and for an empty kernel.
  explicit convolution(per_dim<N> kernel, const Options& o) : options(o) {
    if (o.groups < 1 || In % o.groups || Out % o.groups) fail<shape_error>("a convolution of ", In, " to ", Out, " channels has no ", o.groups, " equal groups");
    index_list<N + 2> sizes;
    sizes[0] = transposed ? In : Out, sizes[1] = (transposed ? Out : In) / o.groups;
    for (int d = 0; d < N; ++d) {
      sizes[2 + d] = kernel.v[d];
      if (kernel.v[d] < 1) fail<shape_error>("a convolution's kernel has extents of at least 1, not ", kernel.v[d]);
    }
    weight = variable<T, rank<N + 2>>(empty<T>(sizes), true);
    if constexpr (Bias) bias = variable<T, rank<1>>(empty<T>({Out}), true);
    reset_parameters();
  }
  void reset_parameters(generator& g = default_generator()) {
    const double bound = 1 / std::sqrt(static_cast<double>(weight.numel() / weight.size(0)));  // kaiming_uniform_ with a = sqrt(5), as in PyTorch
    uniform_(weight, -bound, bound, g);
    if constexpr (Bias) uniform_(bias, -bound, bound, g);
  }
  auto members() {
    if constexpr (Bias) return nn::members("weight", weight, "bias", bias);
    else return nn::members("weight", weight);
  }
  template <expression X> auto forward(X&& x) const {
    using op = composed::convolution<N, transposed>;
    const auto parameters = sinter::detail::parameters_of(options);
    if constexpr (Bias) return sinter::apply<op>(static_cast<X&&>(x), weight, bias, parameters);
    else return sinter::apply<op>(static_cast<X&&>(x), weight, parameters);
  }
};

#define SINTER_CONVOLUTION_LAYER(name, N, options)                                                                                       \
  template <int64 In, int64 Out, class T = float, bool Bias = true>                                                                      \
  struct name : convolution<name<In, Out, T, Bias>, N, In, Out, options<N>, T, Bias> {                                                   \
    explicit name(per_dim<N> kernel, const options<N>& o = {}) : convolution<name<In, Out, T, Bias>, N, In, Out, options<N>, T, Bias>(kernel, o) {} \
  };

/// conv1d of x [N, In, L] or [In, L]: `conv1d<16, 32> c{5, {.stride = 2, .padding = "valid"}}` has kernels of 5 elements. weight
/// [Out, In / groups, K] and bias [Out] start uniform in +-1/sqrt(In / groups * K). `conv1d<16, 32, double, false>` has no bias.
/// https://pytorch.org/docs/stable/generated/torch.nn.Conv1d.html
SINTER_CONVOLUTION_LAYER(conv1d, 1, conv_options)
/// conv2d of x [N, In, H, W] or [In, H, W]: `conv2d<3, 64> c{{3, 5}, {.padding = "same"}}`.
/// https://pytorch.org/docs/stable/generated/torch.nn.Conv2d.html
SINTER_CONVOLUTION_LAYER(conv2d, 2, conv_options)
/// conv3d of x [N, In, D, H, W] or [In, D, H, W]. https://pytorch.org/docs/stable/generated/torch.nn.Conv3d.html
SINTER_CONVOLUTION_LAYER(conv3d, 3, conv_options)
/// The transpose of conv1d, from In to Out channels: weight [In, Out / groups, K] and bias [Out] start uniform in
/// +-1/sqrt(Out / groups * K). https://pytorch.org/docs/stable/generated/torch.nn.ConvTranspose1d.html
SINTER_CONVOLUTION_LAYER(conv_transpose1d, 1, conv_transpose_options)
/// The same over two dims. https://pytorch.org/docs/stable/generated/torch.nn.ConvTranspose2d.html
SINTER_CONVOLUTION_LAYER(conv_transpose2d, 2, conv_transpose_options)
/// The same over three dims. https://pytorch.org/docs/stable/generated/torch.nn.ConvTranspose3d.html
SINTER_CONVOLUTION_LAYER(conv_transpose3d, 3, conv_transpose_options)
#undef SINTER_CONVOLUTION_LAYER

}  // namespace sinter::inline v0::nn::inline SINTER_TARGET
