// SPDX-License-Identifier: BSD-3-Clause
// The linear layer. Not here: the product (op/contraction.hpp). Next: activation.hpp, sequential.hpp.
#pragma once
#include "../op/contraction.hpp"
#include "../autograd/views.hpp"
#include "init.hpp"
#include "state_dict.hpp"

namespace sinter::inline v0::nn::inline SINTER_TARGET {

struct no_bias_t {};

/// y = x weight^T + bias for x [..., In]: y is [..., Out]. weight [Out, In] and bias [Out] start uniform in
/// +-1/sqrt(In). `linear<64, 10, double>` has parameters of another dtype, `linear<64, 10, float, false>` no bias.
/// https://pytorch.org/docs/stable/generated/torch.nn.Linear.html
template <int64 In, int64 Out, class T = float, bool Bias = true> struct linear : module<linear<In, Out, T, Bias>> {
  static_assert(In > 0 && Out > 0, "sinter: the sizes of a linear layer are part of its type: `st::nn::linear<784, 10> fc;`");
  param<T, Out, In> weight{empty<T>(shape<Out, In>), true};
  std::conditional_t<Bias, param<T, Out>, no_bias_t> bias = make_bias();

  linear() { reset_parameters(); }
  linear(int64, int64) requires(In == 0) {}  // only to say what is meant instead
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

/// Only to say what is meant instead.
linear(int64, int64) -> linear<0, 0, float, false>;

/// y_o = a^T W_o b + bias_o for a [N, In1] and b [N, In2]; weight [Out, In1, In2] and bias [Out] start as U(-k, k), k = 1 / sqrt(In1).
/// https://pytorch.org/docs/stable/generated/torch.nn.Bilinear.html
template <int64 In1, int64 In2, int64 Out, class T = float> struct bilinear : module<bilinear<In1, In2, Out, T>> {
  param<T, Out, In1, In2> weight{empty<T>(shape<Out, In1, In2>), true};
  param<T, Out> bias{empty<T>(shape<Out>), true};

  bilinear() { reset_parameters(); }
  void reset_parameters(generator& g = default_generator()) {
    const double bound = 1 / std::sqrt(static_cast<double>(In1));
    uniform_(weight, -bound, bound, g);
    uniform_(bias, -bound, bound, g);
  }
  auto members() { return nn::members("weight", weight, "bias", bias); }
  template <expression A, expression B> auto forward(const A& a, const B& b) const {
    const auto rows = sinter::eval(sinter::linear(b, reshape(weight, index_list<2>(Out * In1, In2))));  // [N, Out In1]
    const auto each = reshape(rows, index_list<3>(rows.size(0), Out, In1));
    return sinter::eval(squeeze(sinter::eval(matmul(each, unsqueeze(sinter::detail::evaluated(a), 2))), 2) + bias);
  }
};

}  // namespace sinter::inline v0::nn::inline SINTER_TARGET
