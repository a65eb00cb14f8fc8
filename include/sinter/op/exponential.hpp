// SPDX-License-Identifier: BSD-3-Clause
// exp, log, powers, roots, tanh, sigmoid. Device-clean. Next: op/activation.hpp.
#pragma once
#include "arithmetic.hpp"
#include "comparison.hpp"

namespace sinter::inline v0 {
namespace op {
struct log;
struct pow;
struct square;
}  // namespace op

/// Natural logarithm.
SINTER_FUNCTION1(log)
/// a^b
SINTER_FUNCTION2(pow)

namespace op {

/// e^x
struct exp {
  static constexpr op_info info{.name = "exp", .samples = {-9, 9}, .result = result_type::floating};
  static SINTER_INLINE constexpr auto value(lane auto x) {
    using math::exp;
    return exp(x);
  }
  static constexpr auto grad(auto dy, auto y, auto) { return dy * y; }
};
/// ln x
struct log {
  static constexpr op_info info{.name = "log", .samples = {0.1, 9}, .result = result_type::floating};
  static SINTER_INLINE constexpr auto value(lane auto x) {
    using math::log;
    return log(x);
  }
  static constexpr auto grad(auto dy, auto, auto x) { return dy / x; }
};
/// sqrt x
struct sqrt {
  static constexpr op_info info{.name = "sqrt", .samples = {0.1, 9}, .result = result_type::floating};
  static SINTER_INLINE constexpr auto value(lane auto x) {
    using math::sqrt;
    return sqrt(x);
  }
  static constexpr auto grad(auto dy, auto y, auto) { return dy / (2 * y); }
};
/// 1 / sqrt x
struct rsqrt {
  static constexpr op_info info{.name = "rsqrt", .samples = {0.1, 9}, .result = result_type::floating};
  static SINTER_INLINE constexpr auto value(lane auto x) {
    using math::sqrt;
    return decltype(x)(1) / sqrt(x);
  }
  static constexpr auto grad(auto dy, auto y, auto) { return -0.5 * dy * y * y * y; }
};
/// a^b; the gradient towards b is 0 where a is 0 and b >= 0, as in PyTorch
struct pow {
  static constexpr op_info info{.name = "pow", .samples = {0.2, 3}, .result = result_type::floating, .costly = true};
  static SINTER_INLINE constexpr auto value(lane auto a, lane auto b) {
    using math::pow;
    return pow(a, b);
  }
  static constexpr auto grad(auto dy, auto y, auto a, auto b) {
    auto da = sinter::where(b == 0, 0, dy * b * sinter::pow(a, b - 1));
    auto db = sinter::where(a == 0, sinter::where(b >= 0, 0, dy * y * sinter::log(a)), dy * y * sinter::log(a));
    return grads(da, db);
  }
};
/// 2^x
struct exp2 {
  static constexpr op_info info{.name = "exp2", .samples = {-9, 9}, .result = result_type::floating};
  static SINTER_INLINE constexpr auto value(lane auto x) {
    using math::exp2;
    return exp2(x);
  }
  static constexpr auto grad(auto dy, auto y, auto) { return dy * y * 0.6931471805599453; }
};
/// e^x - 1, accurate near 0
struct expm1 {
  static constexpr op_info info{.name = "expm1", .samples = {-9, 9}, .result = result_type::floating};
  static SINTER_INLINE constexpr auto value(lane auto x) {
    using math::expm1;
    return expm1(x);
  }
  static constexpr auto grad(auto dy, auto y, auto) { return dy * (y + 1); }
};
/// log x / log 2
struct log2 {
  static constexpr op_info info{.name = "log2", .samples = {0.1, 9}, .result = result_type::floating};
  static SINTER_INLINE constexpr auto value(lane auto x) {
    using math::log2;
    return log2(x);
  }
  static constexpr auto grad(auto dy, auto, auto x) { return dy / (x * 0.6931471805599453); }
};
/// log x / log 10
struct log10 {
  static constexpr op_info info{.name = "log10", .samples = {0.1, 9}, .result = result_type::floating};
  static SINTER_INLINE constexpr auto value(lane auto x) {
    using math::log10;
    return log10(x);
  }
  static constexpr auto grad(auto dy, auto, auto x) { return dy / (x * 2.302585092994046); }
};
/// log(1 + x), accurate near 0
struct log1p {
  static constexpr op_info info{.name = "log1p", .samples = {-0.9, 9}, .result = result_type::floating};
  static SINTER_INLINE constexpr auto value(lane auto x) {
    using math::log1p;
    return log1p(x);
  }
  static constexpr auto grad(auto dy, auto, auto x) { return dy / (x + 1); }
};
/// x^2
struct square {
  static constexpr op_info info{.name = "square", .integers = true};
  static constexpr auto value(lane auto x) { return x * x; }
  static constexpr auto grad(auto dy, auto, auto x) { return dy * 2 * x; }
};
/// 1 / x
struct reciprocal {
  static constexpr op_info info{.name = "reciprocal", .samples = {0.5, 4}, .result = result_type::floating};
  static constexpr auto value(lane auto x) { return decltype(x)(1) / x; }
  static constexpr auto grad(auto dy, auto y, auto) { return -dy * y * y; }
};
/// tanh x
struct tanh {
  static constexpr op_info info{.name = "tanh", .samples = {-9, 9}, .result = result_type::floating};
  static SINTER_INLINE constexpr auto value(lane auto x) {
    using math::tanh;
    return tanh(x);
  }
  static constexpr auto grad(auto dy, auto y, auto) { return dy * (1 - y * y); }
};
/// 1 / (1 + e^-x); a struct, not a composition, because its gradient needs the result only
struct sigmoid {
  static constexpr op_info info{.name = "sigmoid", .samples = {-9, 9}, .result = result_type::floating};
  static SINTER_INLINE constexpr auto value(lane auto x) {
    using math::sigmoid;
    return sigmoid(x);
  }
  static constexpr auto grad(auto dy, auto y, auto) { return dy * (y * (1 - y)); }
};

}  // namespace op

/// e^x
SINTER_FUNCTION1(exp)
/// 2^x
SINTER_FUNCTION1(exp2)
/// e^x - 1, accurate near 0.
SINTER_FUNCTION1(expm1)
/// Logarithm to base 2.
SINTER_FUNCTION1(log2)
/// Logarithm to base 10.
SINTER_FUNCTION1(log10)
/// log(1 + x), accurate near 0.
SINTER_FUNCTION1(log1p)
/// Square root.
SINTER_FUNCTION1(sqrt)
/// 1 / sqrt(x)
SINTER_FUNCTION1(rsqrt)
/// x^2
SINTER_FUNCTION1(square)
/// 1 / x
SINTER_FUNCTION1(reciprocal)
/// Hyperbolic tangent.
SINTER_FUNCTION1(tanh)
/// 1 / (1 + e^-x)
SINTER_FUNCTION1(sigmoid)

}  // namespace sinter::inline v0
