// SPDX-License-Identifier: BSD-3-Clause
// Adagrad. Next: lr_scheduler.hpp; flat.hpp for how a step runs.
#pragma once
#include "../op/exponential.hpp"
#include "optimizer.hpp"

namespace sinter::inline v0::optim::inline SINTER_TARGET {

struct adagrad_options {
  double lr = 1e-2, lr_decay = 0, weight_decay = 0, initial_accumulator_value = 0, eps = 1e-10;
  bool maximize = false;  ///< climbs instead
};

namespace detail {
/// d = sign g + decay p; s <- s + d^2; p <- p - rate d / (sqrt(s) + eps)
struct adagrad_rule {
  static constexpr int states = 1, numbers = 4;
  static constexpr auto next(sym p, sym g, sym s, sym sign, sym rate, sym decay, sym eps) {
    const sym d = sign * g + decay * p, sum = s + d * d;
    return grads(p - rate * d / (sqrt(sum) + eps), sum);
  }
};
struct adagrad_method {
  using options = adagrad_options;
  static constexpr int states = 1, always = 1;
  static constexpr const char* names[] = {"sum"};
  template <class O, class F> static void each(O& o, F f) {
    f("lr", o.lr), f("lr_decay", o.lr_decay), f("weight_decay", o.weight_decay);
    f("initial_accumulator_value", o.initial_accumulator_value), f("eps", o.eps), f("maximize", o.maximize);
  }
  static void check(const adagrad_options& o) {
    not_negative("adagrad", "lr", o.lr), not_negative("adagrad", "lr_decay", o.lr_decay), not_negative("adagrad", "weight_decay", o.weight_decay);
    not_negative("adagrad", "initial_accumulator_value", o.initial_accumulator_value), not_negative("adagrad", "eps", o.eps);
  }
  template <class P> static void start(P& parameters, const adagrad_options& o) { parameters.fill_state(0, o.initial_accumulator_value); }
  template <class P> static void step(P& parameters, const adagrad_options& o) {
    parameters.template step<adagrad_rule>(uses(0), [&](int64 n) {
      return numbers(o.maximize ? -1 : 1, o.lr / (1 + static_cast<double>(n - 1) * o.lr_decay), o.weight_decay, o.eps);
    });
  }
};
}  // namespace detail

/// s <- s + g^2, p <- p - lr / (1 + (t - 1) lr_decay) g / (sqrt(s) + eps); s starts at initial_accumulator_value, t counts the
/// steps of each parameter; g is the gradient (its negative with maximize) plus weight_decay p. Throws error for a negative
/// option. https://jmlr.org/papers/v12/duchi11a.html, https://pytorch.org/docs/stable/generated/torch.optim.Adagrad.html
template <class T> struct adagrad : optimizer<T, detail::adagrad_method> {
  using optimizer<T, detail::adagrad_method>::optimizer;
};
template <class T> adagrad(const parameter_list<T>&, const adagrad_options& = {}) -> adagrad<T>;
template <class T> adagrad(const std::vector<param_group<T, adagrad_options>>&, const adagrad_options& = {}) -> adagrad<T>;

}  // namespace sinter::inline v0::optim::inline SINTER_TARGET
