// SPDX-License-Identifier: BSD-3-Clause
// softmax, log_softmax, layer_norm, rms_norm, batch_norm: compositions, fused by the schedule. Device-clean. Next: op/loss.hpp.
#pragma once
#include "reduction.hpp"

namespace sinter::inline v0 {
namespace composed {

/// exp(x_i - max x) / sum_j exp(x_j - max x)
struct softmax {
  using composition = void;
  static constexpr op_info info{.name = "softmax"};
  static constexpr auto compose(auto x, axes d) {
    auto f = floating(x);
    auto e = exp(f - detach(reduce_sym<op::max>(f, d)));
    return apply<op::share>(e, reduce_sym<op::sum>(e, d));
  }
};
/// x_i - max x - log sum_j exp(x_j - max x)
struct log_softmax {
  using composition = void;
  static constexpr op_info info{.name = "log_softmax"};
  static constexpr auto compose(auto x, axes d) {
    auto f = floating(x);
    auto c = f - detach(reduce_sym<op::max>(f, d));
    return c - log(reduce_sym<op::sum>(exp(c), d));
  }
};
/// (x - mean) / sqrt(var + eps), then * weight + bias; mean and var (biased) over the dims d
struct layer_norm {
  using composition = void;
  static constexpr op_info info{.name = "layer_norm"};
  static constexpr auto compose(auto x, axes d, auto eps) {
    auto c = x - apply<mean>(x, d);
    return c * rsqrt(reduce_sym<op::sum>(c * c, d) / extent_along(x, d) + eps);
  }
  static constexpr auto compose(auto x, axes d, auto weight, auto bias, auto eps) {
    return compose(x, d, eps) * weight + bias;
  }
};

/// x / sqrt(mean(x^2) + eps), then * weight; over the dims d
struct rms_norm {
  using composition = void;
  static constexpr op_info info{.name = "rms_norm"};
  static constexpr auto compose(auto x, axes d, auto eps) { return x * rsqrt(reduce_sym<op::sum>(x * x, d) / extent_along(x, d) + eps); }
  static constexpr auto compose(auto x, axes d, auto weight, auto eps) { return compose(x, d, eps) * weight; }
};
/// (x - mean) / sqrt(var + eps), then * weight + bias, for each place c of dim 1; mean and var (biased) over all other dims, or given
struct batch_norm {
  using composition = void;
  static constexpr op_info info{.name = "batch_norm"};
  static constexpr auto compose(auto x, auto eps) {
    const axes d = all_but_channels(x);
    auto c = x - apply<mean>(x, d);
    return c * rsqrt(reduce_sym<op::sum>(c * c, d) / extent_along(x, d) + eps);
  }
  static constexpr auto compose(auto x, auto weight, auto bias, auto eps) { return compose(x, eps) * per_channel(weight, x) + per_channel(bias, x); }
  static constexpr auto compose(auto x, auto mean, auto var, auto weight, auto bias, auto eps) {
    return (x - per_channel(mean, x)) * (rsqrt(per_channel(var, x) + eps) * per_channel(weight, x)) + per_channel(bias, x);
  }

 private:
  static constexpr axes all_but_channels(auto x) {
    const int rank = rank_of(x);
    return {((1u << rank) - 1) & ~2u, rank - 1};
  }
};

}  // namespace composed

/// exp(x) / sum(exp(x)) along dim d, shifted by the maximum.
template <expression X, dims_like D> constexpr applied<composed::softmax, X, dims_of<D>> softmax(X&& x, D d) {
  return apply<composed::softmax>(static_cast<X&&>(x), dims_of<D>(d));
}
/// log(softmax(x, d)), without its underflow.
template <expression X, dims_like D> constexpr applied<composed::log_softmax, X, dims_of<D>> log_softmax(X&& x, D d) {
  return apply<composed::log_softmax>(static_cast<X&&>(x), dims_of<D>(d));
}
/// Layer normalisation over the last dim: (x - mean) / sqrt(var + eps) * weight + bias; var is biased.
/// weight and bias: [last dim]. https://arxiv.org/abs/1607.06450
template <expression X, expression W, expression B>
constexpr applied<composed::layer_norm, X, dim_t<-1>, W, B, double> layer_norm(X&& x, W&& weight, B&& bias, double eps = 1e-5) {
  return apply<composed::layer_norm>(static_cast<X&&>(x), dim_t<-1>{}, static_cast<W&&>(weight), static_cast<B&&>(bias), eps);
}
/// x / sqrt(mean(x^2) + eps) * weight over the last dim. https://arxiv.org/abs/1910.07467
template <expression X, expression W> constexpr applied<composed::rms_norm, X, dim_t<-1>, W, double> rms_norm(X&& x, W&& weight, double eps = 1e-6) {
  return apply<composed::rms_norm>(static_cast<X&&>(x), dim_t<-1>{}, static_cast<W&&>(weight), double{eps});
}
/// The same without weight.
template <expression X> constexpr applied<composed::rms_norm, X, dim_t<-1>, double> rms_norm(X&& x, double eps = 1e-6) {
  return apply<composed::rms_norm>(static_cast<X&&>(x), dim_t<-1>{}, double{eps});
}
/// Batch normalisation of x [N, C, ...] by its own mean and biased variance over all dims but C; weight, bias [C].
/// https://arxiv.org/abs/1502.03167
template <expression X, expression W, expression B>
constexpr applied<composed::batch_norm, X, W, B, double> batch_norm(X&& x, W&& weight, B&& bias, double eps = 1e-5) {
  return apply<composed::batch_norm>(static_cast<X&&>(x), static_cast<W&&>(weight), static_cast<B&&>(bias), double{eps});
}
/// The same by a given mean and variance [C], as in use.
template <expression X, expression M, expression V, expression W, expression B>
constexpr applied<composed::batch_norm, X, M, V, W, B, double> batch_norm(X&& x, M&& mean, V&& var, W&& weight, B&& bias, double eps = 1e-5) {
  return apply<composed::batch_norm>(static_cast<X&&>(x), static_cast<M&&>(mean), static_cast<V&&>(var), static_cast<W&&>(weight),
                                     static_cast<B&&>(bias), double{eps});
}
/// layer_norm without weight and bias.
template <expression X> constexpr applied<composed::layer_norm, X, dim_t<-1>, double> layer_norm(X&& x, double eps = 1e-5) {
  return apply<composed::layer_norm>(static_cast<X&&>(x), dim_t<-1>{}, eps);
}

}  // namespace sinter::inline v0
