// SPDX-License-Identifier: BSD-3-Clause
// Adam and AdamW. Next: rmsprop.hpp; flat.hpp for how a step runs.
#pragma once
#include "../op/exponential.hpp"
#include "optimizer.hpp"

namespace sinter::inline v0::optim::inline SINTER_TARGET {

struct adam_options {
  double lr = 1e-3;
  adam_betas betas = {};
  double eps = 1e-8, weight_decay = 0;
  bool amsgrad = false;   ///< divides by the root of the largest v so far
  bool maximize = false;  ///< climbs instead
};
struct adamw_options {
  double lr = 1e-3;
  adam_betas betas = {};
  double eps = 1e-8, weight_decay = 1e-2;
  bool amsgrad = false, maximize = false;
};

namespace detail {
/// g <- sign g + decay p; p <- shrink p - rate m / (sqrt(v) / correction + eps), with the new m and v.
struct adam_rule {
  static constexpr int states = 2, numbers = 9;
  static constexpr auto next(sym p, sym g, sym m, sym v, sym sign, sym decay, sym shrink, sym one_minus_beta1, sym beta2, sym one_minus_beta2, sym rate,
                             sym inverse_correction, sym eps) {
    auto d = sign * g + decay * p;
    auto mean = m + one_minus_beta1 * (d - m);
    auto square = beta2 * v + one_minus_beta2 * d * d;
    return grads(shrink * p - rate * mean / (sqrt(square) * inverse_correction + eps), mean, square);
  }
};
/// The same with the largest v so far in v's place.
struct amsgrad_rule {
  static constexpr int states = 3, numbers = 9;
  static constexpr auto next(sym p, sym g, sym m, sym v, sym largest, sym sign, sym decay, sym shrink, sym one_minus_beta1, sym beta2,
                             sym one_minus_beta2, sym rate, sym inverse_correction, sym eps) {
    auto d = sign * g + decay * p;
    auto mean = m + one_minus_beta1 * (d - m);
    auto square = beta2 * v + one_minus_beta2 * d * d;
    auto most = maximum(largest, square);
    return grads(shrink * p - rate * mean / (sqrt(most) * inverse_correction + eps), mean, square, most);
  }
};
template <class Options, bool Decoupled> struct adam_method {
  using options = Options;
  static constexpr int states = 3, always = 2;
  static constexpr const char* names[] = {"exp_avg", "exp_avg_sq", "max_exp_avg_sq"};
  template <class O, class F> static void each(O& o, F f) {
    f("lr", o.lr), f("betas", o.betas), f("eps", o.eps), f("weight_decay", o.weight_decay), f("amsgrad", o.amsgrad), f("maximize", o.maximize);
  }
  static void check(const Options& o) {
    not_negative("adam", "lr", o.lr), not_negative("adam", "eps", o.eps), not_negative("adam", "weight_decay", o.weight_decay);
    const auto beta = [](double b) {
      if (!(b >= 0 && b < 1)) fail<error>("adam: a beta is ", b, ", but has to be in [0, 1)");
    };
    beta(o.betas.first), beta(o.betas.second);
  }
  template <class P> static void start(P&, const Options&) {}
  template <class P> static void step(P& parameters, const Options& o) {
    const auto numbers_at = [&](int64 n) {
      const double t = static_cast<double>(n), b1 = o.betas.first, b2 = o.betas.second;
      return numbers(o.maximize ? -1 : 1, Decoupled ? 0 : o.weight_decay, Decoupled ? 1 - o.lr * o.weight_decay : 1, 1 - b1, b2, 1 - b2,
                     o.lr / (1 - std::pow(b1, t)), 1 / std::sqrt(1 - std::pow(b2, t)), o.eps);
    };
    if (o.amsgrad) parameters.template step<amsgrad_rule>(uses(0, 1, 2), numbers_at);
    else parameters.template step<adam_rule>(uses(0, 1), numbers_at);
  }
};
}  // namespace detail

/// Adam: m <- b1 m + (1 - b1) g, v <- b2 v + (1 - b2) g^2, p <- p - lr m' / (sqrt(v') + eps) with m' = m / (1 - b1^t),
/// v' = v / (1 - b2^t); g is the gradient (its negative with maximize) plus weight_decay p. With amsgrad the largest v so
/// far stands in v'. Throws error for a negative lr, eps or weight_decay and for betas outside [0, 1).
/// https://arxiv.org/abs/1412.6980, https://pytorch.org/docs/stable/generated/torch.optim.Adam.html
template <class T> struct adam : optimizer<T, detail::adam_method<adam_options, false>> {
  using optimizer<T, detail::adam_method<adam_options, false>>::optimizer;
};
template <class T> adam(const parameter_list<T>&, const adam_options& = {}) -> adam<T>;
template <class T, number N> adam(const parameter_list<T>&, N) -> adam<T>;
template <class T> adam(const std::vector<param_group<T, adam_options>>&, const adam_options& = {}) -> adam<T>;

/// AdamW: Adam whose weight decay shrinks p by lr weight_decay instead of adding to the gradient.
/// https://arxiv.org/abs/1711.05101, https://pytorch.org/docs/stable/generated/torch.optim.AdamW.html
template <class T> struct adamw : optimizer<T, detail::adam_method<adamw_options, true>> {
  using optimizer<T, detail::adam_method<adamw_options, true>>::optimizer;
};
template <class T> adamw(const parameter_list<T>&, const adamw_options& = {}) -> adamw<T>;
template <class T, number N> adamw(const parameter_list<T>&, N) -> adamw<T>;
template <class T> adamw(const std::vector<param_group<T, adamw_options>>&, const adamw_options& = {}) -> adamw<T>;

}  // namespace sinter::inline v0::optim::inline SINTER_TARGET
