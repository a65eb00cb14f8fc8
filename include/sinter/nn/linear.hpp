// SPDX-License-Identifier: BSD-3-Clause
// The linear layer. Not here: the product (op/contraction.hpp). Next: activation.hpp, sequential.hpp.
#pragma once
#include "../op/contraction.hpp"
#include "init.hpp"
#include "state_dict.hpp"

namespace sinter::inline v0::nn::inline SINTER_TARGET {

struct no_bias_t {};

/// y = x weight^T + bias for x [..., In]: y is [..., Out]. weight [Out, In] and bias [Out] start uniform in
/// +-1/sqrt(In). `linear<64, 10, double>` has parameters of another dtype, `linear<64, 10, float, false>` no bias.
/// https://pytorch.org/docs/stable/generated/torch.nn.Linear.html
template <int64 In, int64 Out, class T = float, bool Bias = true> struct linear : module<linear<In, Out, T, Bias>> {
  static_assert(In > 0 && Out > 0, "sinter: linear<In, Out> needs the number of inputs and of outputs");
  param<T, Out, In> weight{empty<T>(shape<Out, In>), true};
  std::conditional_t<Bias, param<T, Out>, no_bias_t> bias = make_bias();

  linear() { reset_parameters(); }
  explicit linear(generator& g) { reset_parameters(g); }
  void reset_parameters(generator& g = default_generator()) {
    const double bound = 1 / std::sqrt(static_cast<double>(In));  // kaiming_uniform_ with a = sqrt(5), as in PyTorch
    uniform_(weight, -bound, bound, g);
    if constexpr (Bias) uniform_(bias, -bound, bound, g);
  }

  auto members() {
    if constexpr (Bias) return nn::members("weight", weight, "bias", bias);
    else return nn::members("weight", weight);
  }
  template <expression X> auto forward(X&& x) const {
    if constexpr (Bias) return sinter::linear(static_cast<X&&>(x), weight, bias);
    else return sinter::linear(static_cast<X&&>(x), weight);
  }

 private:
  static auto make_bias() {
    if constexpr (Bias) return param<T, Out>(empty<T>(shape<Out>), true);
    else return no_bias_t{};
  }
};

}  // namespace sinter::inline v0::nn::inline SINTER_TARGET
