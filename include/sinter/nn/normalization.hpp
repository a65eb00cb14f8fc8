// SPDX-License-Identifier: BSD-3-Clause
// Layer normalisation as a module. Not here: the formula (op/normalization.hpp). Next: sequential.hpp.
#pragma once
#include "../op/normalization.hpp"
#include "init.hpp"
#include "state_dict.hpp"

namespace sinter::inline v0::nn::inline SINTER_TARGET {

/// (x - mean) / sqrt(var + eps) * weight + bias over the last dim, of N elements; weight [N] starts as 1, bias [N] as 0.
/// https://pytorch.org/docs/stable/generated/torch.nn.LayerNorm.html
template <int64 N, class T = float> struct layer_norm : module<layer_norm<N, T>> {
  param<T, N> weight{ones<T>(shape<N>), true}, bias{zeros<T>(shape<N>), true};
  double eps = 1e-5;

  layer_norm() = default;
  explicit layer_norm(double epsilon) : eps(epsilon) {}
  auto members() { return nn::members("weight", weight, "bias", bias); }
  template <expression X> auto forward(X&& x) const { return sinter::layer_norm(static_cast<X&&>(x), weight, bias, eps); }
};

}  // namespace sinter::inline v0::nn::inline SINTER_TARGET
