// SPDX-License-Identifier: BSD-3-Clause
// exp, log, powers, roots, tanh, sigmoid. Device-clean. Next: op/activation.hpp.
#pragma once
#include "arithmetic.hpp"
#include "comparison.hpp"

namespace sinter::inline v0 {
namespace op {
struct log;
struct pow;
}  // namespace op

/// Natural logarithm.
template <expression X> constexpr applied<op::log, X> log(X&& x) { return apply<op::log>(static_cast<X&&>(x)); }
/// a^b
template <class A, class B> requires operands<A, B> constexpr applied<op::pow, A, B> pow(A&& a, B&& b) {
  return apply<op::pow>(static_cast<A&&>(a), static_cast<B&&>(b));
}

namespace op {

/// e^x
struct exp {
  static constexpr op_info info{.name = "exp", .samples = {-9, 9}, .result = result_type::floating};
  static constexpr auto value(lane auto x) {
    using math::exp;
    return exp(x);
  }
  static constexpr auto grad(auto dy, auto y, auto) { return dy * y; }
};
/// ln x
struct log {
  static constexpr op_info info{.name = "log", .samples = {0.1, 9}, .result = result_type::floating};
  static constexpr auto value(lane auto x) {
    using math::log;
    return log(x);
  }
  static constexpr auto grad(auto dy, auto, auto x) { return dy / x; }
};
/// sqrt x
struct sqrt {
  static constexpr op_info info{.name = "sqrt", .samples = {0.1, 9}, .result = result_type::floating};
  static constexpr auto value(lane auto x) {
    using math::sqrt;
    return sqrt(x);
  }
  static constexpr auto grad(auto dy, auto y, auto) { return dy / (2 * y); }
};
/// 1 / sqrt x
struct rsqrt {
  static constexpr op_info info{.name = "rsqrt", .samples = {0.1, 9}, .result = result_type::floating};
  static constexpr auto value(lane auto x) {
    using math::sqrt;
    return decltype(x)(1) / sqrt(x);
  }
  static constexpr auto grad(auto dy, auto y, auto) { return -0.5 * dy * y * y * y; }
};
/// a^b; the gradient towards b is 0 where a is 0 and b >= 0, as in PyTorch
struct pow {
  static constexpr op_info info{.name = "pow", .samples = {0.2, 3}, .result = result_type::floating};
  static constexpr auto value(lane auto a, lane auto b) {
    using math::pow;
    return pow(a, b);
  }
  static constexpr auto grad(auto dy, auto y, auto a, auto b) {
    auto da = sinter::where(b == 0, 0, dy * b * sinter::pow(a, b - 1));
    auto db = sinter::where(a == 0, sinter::where(b >= 0, 0, dy * y * sinter::log(a)), dy * y * sinter::log(a));
    return grads(da, db);
  }
};
/// tanh x
struct tanh {
  static constexpr op_info info{.name = "tanh", .samples = {-9, 9}, .result = result_type::floating};
  static constexpr auto value(lane auto x) {
    using math::tanh;
    return tanh(x);
  }
  static constexpr auto grad(auto dy, auto y, auto) { return dy * (1 - y * y); }
};
/// 1 / (1 + e^-x); a struct, not a composition, because its gradient needs the result only
struct sigmoid {
  static constexpr op_info info{.name = "sigmoid", .samples = {-9, 9}, .result = result_type::floating};
  static constexpr auto value(lane auto x) {
    using math::abs, math::exp, math::select;
    decltype(x) one(1), zero(0);
    auto e = exp(-abs(x));  // never overflows: exact down to the subnormals
    return select(x < zero, e, one) / (one + e);
  }
  static constexpr auto grad(auto dy, auto y, auto) { return dy * (y * (1 - y)); }
};

}  // namespace op

/// e^x
template <expression X> constexpr applied<op::exp, X> exp(X&& x) { return apply<op::exp>(static_cast<X&&>(x)); }
/// Square root.
template <expression X> constexpr applied<op::sqrt, X> sqrt(X&& x) { return apply<op::sqrt>(static_cast<X&&>(x)); }
/// 1 / sqrt(x)
template <expression X> constexpr applied<op::rsqrt, X> rsqrt(X&& x) { return apply<op::rsqrt>(static_cast<X&&>(x)); }
/// Hyperbolic tangent.
template <expression X> constexpr applied<op::tanh, X> tanh(X&& x) { return apply<op::tanh>(static_cast<X&&>(x)); }
/// 1 / (1 + e^-x)
template <expression X> constexpr applied<op::sigmoid, X> sigmoid(X&& x) { return apply<op::sigmoid>(static_cast<X&&>(x)); }

}  // namespace sinter::inline v0
