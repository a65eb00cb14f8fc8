// SPDX-License-Identifier: BSD-3-Clause
// Stochastic gradient descent, plain, with momentum, with Nesterov's. Next: adam.hpp; flat.hpp for how a step runs.
#pragma once
#include "optimizer.hpp"

namespace sinter::inline v0::optim::inline SINTER_TARGET {

struct sgd_options {
  double lr = 1e-3, momentum = 0, dampening = 0, weight_decay = 0;
  bool nesterov = false;
  bool maximize = false;  ///< climbs instead
};

namespace detail {
// The formulas below with their numbers multiplied out: lr, decay and the sign of the gradient cost nothing per element. The
// change is summed first: 1 - lr decay, as one float, would be 1 for a small lr.
/// p <- p - (rate g + shrink p)
struct sgd_rule {
  static constexpr int states = 0, numbers = 2;
  static constexpr auto next(sym p, sym g, sym shrink, sym rate) { return grads(p - (rate * g + shrink * p)); }
};
/// b <- keep b + add g + decay p; p <- p - (through b + direct g + shrink p)
struct momentum_rule {
  static constexpr int states = 1, numbers = 6;
  static constexpr auto next(sym p, sym g, sym b, sym keep, sym add, sym decay, sym shrink, sym direct, sym through) {
    auto moved = keep * b + (add * g + decay * p);
    return grads(p - (through * moved + direct * g + shrink * p), moved);
  }
};
struct sgd_method {
  using options = sgd_options;
  static constexpr int states = 1, always = 0;
  static constexpr const char* names[] = {"momentum_buffer"};
  template <class O, class F> static void each(O& o, F f) {
    f("lr", o.lr), f("momentum", o.momentum), f("dampening", o.dampening), f("weight_decay", o.weight_decay);
    f("nesterov", o.nesterov), f("maximize", o.maximize);
  }
  static void check(const sgd_options& o) {
    not_negative("sgd", "lr", o.lr), not_negative("sgd", "momentum", o.momentum), not_negative("sgd", "weight_decay", o.weight_decay);
    if (o.nesterov && (o.momentum <= 0 || o.dampening != 0)) fail<error>("sgd: nesterov needs a momentum and no dampening");
  }
  template <class P> static void start(P&, const sgd_options&) {}
  template <class P> static void step(P& parameters, const sgd_options& o) {
    const double sign = o.maximize ? -1 : 1, shrink = o.lr * o.weight_decay;
    if (o.momentum == 0) return parameters.template step<sgd_rule>(uses(), [&](int64) { return numbers(shrink, sign * o.lr); });
    const bool fresh = !parameters.has_state(0);
    parameters.template step<momentum_rule>(uses(0), [&](int64 n) {
      const bool first = fresh || n == 1;
      const double keep = first ? 0 : o.momentum, add = first ? 1 : 1 - o.dampening;
      if (o.nesterov) return numbers(keep, sign * add, add * o.weight_decay, shrink, sign * o.lr, o.lr * o.momentum);
      return numbers(keep, sign * add, add * o.weight_decay, 0.0, 0.0, o.lr);
    });
  }
};
}  // namespace detail

/// With momentum m: b <- m b + (1 - dampening) d (at first b <- d), p <- p - lr b; Nesterov: p <- p - lr (d + m b);
/// d is the gradient (its negative with maximize) plus weight_decay p. Throws error for a negative lr, momentum or
/// weight_decay, and for Nesterov's without momentum or with dampening.
/// https://pytorch.org/docs/stable/generated/torch.optim.SGD.html
template <class T> struct sgd : optimizer<T, detail::sgd_method> {
  using optimizer<T, detail::sgd_method>::optimizer;
};
template <class T> sgd(const parameter_list<T>&, const sgd_options& = {}) -> sgd<T>;
template <class T> sgd(const std::vector<param_group<T, sgd_options>>&, const sgd_options& = {}) -> sgd<T>;

}  // namespace sinter::inline v0::optim::inline SINTER_TARGET
