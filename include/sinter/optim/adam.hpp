// SPDX-License-Identifier: BSD-3-Clause
// Adam and AdamW. Next: sgd.hpp; flat.hpp for how a step runs.
#pragma once
#include "../op/exponential.hpp"
#include "flat.hpp"

namespace sinter::inline v0::optim::inline SINTER_TARGET {

struct adam_betas {
  double first = 0.9, second = 0.999;
};
struct adam_options {
  double lr = 1e-3;
  adam_betas betas = {};
  double eps = 1e-8, weight_decay = 0;
};
struct adamw_options {
  double lr = 1e-3;
  adam_betas betas = {};
  double eps = 1e-8, weight_decay = 1e-2;
};

namespace detail {
/// g <- g + decay p; p <- shrink p - rate m / (sqrt(v) / correction + eps), with the new m and v
struct adam_rule {
  static constexpr int states = 2, numbers = 7;
  static constexpr auto next(sym p, sym g, sym m, sym v, sym decay, sym shrink, sym one_minus_beta1, sym beta2, sym rate, sym inverse_correction, sym eps) {
    auto d = g + decay * p;
    auto mean = m + one_minus_beta1 * (d - m);
    auto square = beta2 * v + (1 - beta2) * d * d;
    return grads(shrink * p - rate * mean / (sqrt(square) * inverse_correction + eps), mean, square);
  }
};
}  // namespace detail

/// m <- b1 m + (1 - b1) g, v <- b2 v + (1 - b2) g^2, p <- p - lr m' / (sqrt(v') + eps) with m' = m / (1 - b1^t),
/// v' = v / (1 - b2^t). Weight decay adds weight_decay p to the gradient (adam) or shrinks p by lr weight_decay (adamw).
/// https://pytorch.org/docs/stable/generated/torch.optim.Adam.html
template <class T, class Options, bool Decoupled> class adam_family {
 public:
  Options options;  ///< may be changed between steps

  /// Throws error for an empty list.
  explicit adam_family(const parameter_list<T>& parameters, const Options& o) : options(o), flat_(parameters) {}

  /// One update of every parameter that has a gradient, in one pass over memory.
  void step() {
    flat_.template step<detail::adam_rule>([&](int64 n) {
      const Options& o = options;
      const double t = static_cast<double>(n), b1 = o.betas.first, b2 = o.betas.second;
      return numbers(Decoupled ? 0 : o.weight_decay, Decoupled ? 1 - o.lr * o.weight_decay : 1, 1 - b1, b2,
                     o.lr / (1 - std::pow(b1, t)), 1 / std::sqrt(1 - std::pow(b2, t)), o.eps);
    });
  }
  void zero_grad() { flat_.zero_grad(); }
  nn::state_dict state_dict() const { return flat_.state_dict(names); }
  template <class D> void load_state_dict(const D& from) { flat_.load_state_dict(from, names); }

 private:
  static constexpr const char* names[] = {"exp_avg", "exp_avg_sq"};
  flat_parameters<T, 2> flat_;
};

/// Adam: https://arxiv.org/abs/1412.6980
template <class T> struct adam : adam_family<T, adam_options, false> {
  explicit adam(const parameter_list<T>& parameters, const adam_options& o = {}) : adam_family<T, adam_options, false>(parameters, o) {}
  template <number N> adam(const parameter_list<T>& p, N) : adam(p) {
    static_assert(sinter::detail::never<N>, "sinter: options have names: `st::optim::adam opt{net.parameters(), {.lr = 1e-3}}`");
  }
};
/// AdamW: https://arxiv.org/abs/1711.05101
template <class T> struct adamw : adam_family<T, adamw_options, true> {
  explicit adamw(const parameter_list<T>& parameters, const adamw_options& o = {}) : adam_family<T, adamw_options, true>(parameters, o) {}
  template <number N> adamw(const parameter_list<T>& p, N) : adamw(p) {
    static_assert(sinter::detail::never<N>, "sinter: options have names: `st::optim::adamw opt{net.parameters(), {.lr = 1e-3}}`");
  }
};

}  // namespace sinter::inline v0::optim::inline SINTER_TARGET
