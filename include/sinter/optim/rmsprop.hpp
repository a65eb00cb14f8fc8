// SPDX-License-Identifier: BSD-3-Clause
// RMSprop, plain, centered, with momentum. Next: adagrad.hpp; flat.hpp for how a step runs.
#pragma once
#include "../op/exponential.hpp"
#include "optimizer.hpp"

namespace sinter::inline v0::optim::inline SINTER_TARGET {

struct rmsprop_options {
  double lr = 1e-2, alpha = 0.99, eps = 1e-8, weight_decay = 0, momentum = 0;
  bool centered = false;  ///< divides by the deviation of the gradient, not by its root mean square
  bool maximize = false;  ///< climbs instead
};

namespace detail {
// The states: v, the mean square; b, the momentum; m, the mean. alpha and rest are two numbers: 1 - alpha in float is not exact.
constexpr sym moving(sym mean, sym d, sym rest) { return mean + rest * (d - mean); }
constexpr sym moving_square(sym v, sym d, sym alpha, sym rest) { return alpha * v + rest * d * d; }
constexpr sym deviation(sym v, sym m) { return sqrt(maximum(v - m * m, 0)); }  // rounding may leave less than 0

/// d = sign g + decay p; v <- alpha v + rest d^2; p <- p - lr d / (sqrt(v) + eps)
struct rmsprop_rule {
  static constexpr int states = 1, numbers = 6;
  static constexpr auto next(sym p, sym g, sym v, sym sign, sym lr, sym decay, sym alpha, sym rest, sym eps) {
    const sym d = sign * g + decay * p, square = moving_square(v, d, alpha, rest);
    return grads(p - lr * d / (sqrt(square) + eps), square);
  }
};
/// The same with b <- keep b + d / (sqrt(v) + eps); p <- p - lr b
struct rmsprop_momentum_rule {
  static constexpr int states = 2, numbers = 7;
  static constexpr auto next(sym p, sym g, sym v, sym b, sym sign, sym lr, sym decay, sym alpha, sym rest, sym eps, sym keep) {
    const sym d = sign * g + decay * p, square = moving_square(v, d, alpha, rest), moved = keep * b + d / (sqrt(square) + eps);
    return grads(p - lr * moved, square, moved);
  }
};
/// Both with m <- m + rest (d - m), and sqrt(v - m^2) for sqrt(v)
struct rmsprop_centered_rule {
  static constexpr int states = 2, numbers = 6;
  static constexpr auto next(sym p, sym g, sym v, sym m, sym sign, sym lr, sym decay, sym alpha, sym rest, sym eps) {
    const sym d = sign * g + decay * p, square = moving_square(v, d, alpha, rest), mean = moving(m, d, rest);
    return grads(p - lr * d / (deviation(square, mean) + eps), square, mean);
  }
};
struct rmsprop_centered_momentum_rule {
  static constexpr int states = 3, numbers = 7;
  static constexpr auto next(sym p, sym g, sym v, sym b, sym m, sym sign, sym lr, sym decay, sym alpha, sym rest, sym eps, sym keep) {
    const sym d = sign * g + decay * p, square = moving_square(v, d, alpha, rest), mean = moving(m, d, rest);
    const sym moved = keep * b + d / (deviation(square, mean) + eps);
    return grads(p - lr * moved, square, moved, mean);
  }
};
struct rmsprop_method {
  using options = rmsprop_options;
  static constexpr int states = 3, always = 1;
  static constexpr const char* names[] = {"square_avg", "momentum_buffer", "grad_avg"};
  template <class O, class F> static void each(O& o, F f) {
    f("lr", o.lr), f("alpha", o.alpha), f("eps", o.eps), f("weight_decay", o.weight_decay), f("momentum", o.momentum);
    f("centered", o.centered), f("maximize", o.maximize);
  }
  static void check(const rmsprop_options& o) {
    not_negative("rmsprop", "lr", o.lr), not_negative("rmsprop", "alpha", o.alpha), not_negative("rmsprop", "eps", o.eps);
    not_negative("rmsprop", "weight_decay", o.weight_decay), not_negative("rmsprop", "momentum", o.momentum);
  }
  template <class P> static void start(P&, const rmsprop_options&) {}
  template <class P> static void step(P& parameters, const rmsprop_options& o) {
    const double sign = o.maximize ? -1 : 1;
    if (o.momentum > 0) {
      const auto at = [&](int64) { return numbers(sign, o.lr, o.weight_decay, o.alpha, 1 - o.alpha, o.eps, o.momentum); };
      if (o.centered) parameters.template step<rmsprop_centered_momentum_rule>(uses(0, 1, 2), at);
      else parameters.template step<rmsprop_momentum_rule>(uses(0, 1), at);
    } else {
      const auto at = [&](int64) { return numbers(sign, o.lr, o.weight_decay, o.alpha, 1 - o.alpha, o.eps); };
      if (o.centered) parameters.template step<rmsprop_centered_rule>(uses(0, 2), at);
      else parameters.template step<rmsprop_rule>(uses(0), at);
    }
  }
};
}  // namespace detail

/// v <- alpha v + (1 - alpha) g^2, p <- p - lr g / (sqrt(v) + eps); centered: sqrt(v - m^2) with m <- alpha m + (1 - alpha) g.
/// With momentum: b <- momentum b + g / (sqrt(v) + eps), p <- p - lr b. g is the gradient (its negative with maximize) plus
/// weight_decay p. Throws error for a negative option.
/// https://www.cs.toronto.edu/~tijmen/csc321/slides/lecture_slides_lec6.pdf, https://arxiv.org/abs/1308.0850 (centered),
/// https://pytorch.org/docs/stable/generated/torch.optim.RMSprop.html
template <class T> struct rmsprop : optimizer<T, detail::rmsprop_method> {
  using optimizer<T, detail::rmsprop_method>::optimizer;
};
template <class T> rmsprop(const parameter_list<T>&, const rmsprop_options& = {}) -> rmsprop<T>;
template <class T> rmsprop(const std::vector<param_group<T, rmsprop_options>>&, const rmsprop_options& = {}) -> rmsprop<T>;

}  // namespace sinter::inline v0::optim::inline SINTER_TARGET
