// SPDX-License-Identifier: BSD-3-Clause
// Stochastic gradient descent, plain, with momentum, with Nesterov's. Next: adam.hpp; flat.hpp for how a step runs.
#pragma once
#include "flat.hpp"

namespace sinter::inline v0::optim::inline SINTER_TARGET {

struct sgd_options {
  double lr = 1e-3, momentum = 0, dampening = 0, weight_decay = 0;
  bool nesterov = false;
};

namespace detail {
/// p <- p - lr (g + decay p)
struct sgd_rule {
  static constexpr int states = 0, numbers = 2;
  static constexpr auto next(sym p, sym g, sym lr, sym decay) { return grads(p - lr * (g + decay * p)); }
};
/// d = g + decay p; b <- keep b + add d; p <- p - lr (direct d + through b)
struct momentum_rule {
  static constexpr int states = 1, numbers = 6;
  static constexpr auto next(sym p, sym g, sym b, sym lr, sym decay, sym keep, sym add, sym direct, sym through) {
    auto d = g + decay * p;
    auto moved = keep * b + add * d;
    return grads(p - lr * (direct * d + through * moved), moved);
  }
};
}  // namespace detail

/// With momentum m: b <- m b + (1 - dampening) d (at first b <- d), p <- p - lr b; Nesterov: p <- p - lr (d + m b);
/// d is the gradient plus weight_decay p. https://pytorch.org/docs/stable/generated/torch.optim.SGD.html
template <class T> class sgd {
 public:
  sgd_options options;  ///< may be changed between steps

  /// Throws error for an empty list and, as PyTorch does, for Nesterov's without momentum or with dampening.
  explicit sgd(const parameter_list<T>& parameters, const sgd_options& o = {}) : options(o), flat_(parameters) {
    if (o.nesterov && (o.momentum <= 0 || o.dampening != 0)) fail<error>("sgd: nesterov needs a momentum and no dampening");
  }
  template <number N> sgd(const parameter_list<T>& p, N) : sgd(p) {
    static_assert(sinter::detail::never<N>, "sinter: options have names: `st::optim::sgd opt{net.parameters(), {.lr = 1e-3}}`");
  }

  /// One update of every parameter that has a gradient, in one pass over memory.
  void step() {
    const sgd_options& o = options;
    if (o.momentum == 0) return flat_.template step<detail::sgd_rule>([&](int64) { return numbers(o.lr, o.weight_decay); });
    flat_.template step<detail::momentum_rule>([&](int64 n) {
      const bool first = n == 1;
      return numbers(o.lr, o.weight_decay, first ? 0 : o.momentum, first ? 1 : 1 - o.dampening, o.nesterov ? 1 : 0, o.nesterov ? o.momentum : 1);
    });
  }
  void zero_grad() { flat_.zero_grad(); }
  nn::state_dict state_dict() const { return flat_.state_dict(names); }
  template <class D> void load_state_dict(const D& from) { flat_.load_state_dict(from, names); }

 private:
  static constexpr const char* names[] = {"momentum_buffer"};
  flat_parameters<T, 1> flat_;
};

}  // namespace sinter::inline v0::optim::inline SINTER_TARGET
