// SPDX-License-Identifier: BSD-3-Clause
// Trigonometric and hyperbolic functions and their inverses (tanh is in exponential.hpp). Device-clean.
#pragma once
#include "exponential.hpp"

namespace sinter::inline v0 {
namespace op {
struct detach;
struct sin;
struct cos;
struct sinh;
struct cosh;
}  // namespace op

/// Sine of x in radians.
SINTER_FUNCTION1(sin)
/// Cosine of x in radians.
SINTER_FUNCTION1(cos)
/// (e^x - e^-x) / 2
SINTER_FUNCTION1(sinh)
/// (e^x + e^-x) / 2
SINTER_FUNCTION1(cosh)

namespace op {

/// sin x
struct sin {
  static constexpr op_info info{.name = "sin", .samples = {-9, 9}, .result = result_type::floating};
  static constexpr auto value(lane auto x) {
    using math::sin;
    return sin(x);
  }
  static constexpr auto grad(auto dy, auto, auto x) { return dy * sinter::cos(x); }
};
/// cos x
struct cos {
  static constexpr op_info info{.name = "cos", .samples = {-9, 9}, .result = result_type::floating};
  static constexpr auto value(lane auto x) {
    using math::cos;
    return cos(x);
  }
  static constexpr auto grad(auto dy, auto, auto x) { return -dy * sinter::sin(x); }
};
/// tan x
struct tan {
  static constexpr op_info info{.name = "tan", .samples = {-1.4, 1.4}, .result = result_type::floating};
  static constexpr auto value(lane auto x) {
    using math::tan;
    return tan(x);
  }
  static constexpr auto grad(auto dy, auto y, auto) { return dy * (1 + y * y); }
};
/// asin x; NaN outside [-1, 1]
struct asin {
  static constexpr op_info info{.name = "asin", .samples = {-0.9, 0.9}, .result = result_type::floating};
  static constexpr auto value(lane auto x) {
    using math::asin;
    return asin(x);
  }
  static constexpr auto grad(auto dy, auto, auto x) { return dy * sinter::rsqrt(1 - x * x); }
};
/// acos x; NaN outside [-1, 1]
struct acos {
  static constexpr op_info info{.name = "acos", .samples = {-0.9, 0.9}, .result = result_type::floating};
  static constexpr auto value(lane auto x) {
    using math::acos;
    return acos(x);
  }
  static constexpr auto grad(auto dy, auto, auto x) { return -dy * sinter::rsqrt(1 - x * x); }
};
/// atan x
struct atan {
  static constexpr op_info info{.name = "atan", .samples = {-9, 9}, .result = result_type::floating};
  static constexpr auto value(lane auto x) {
    using math::atan;
    return atan(x);
  }
  static constexpr auto grad(auto dy, auto, auto x) { return dy / (1 + x * x); }
};
/// sinh x
struct sinh {
  static constexpr op_info info{.name = "sinh", .samples = {-4, 4}, .result = result_type::floating};
  static SINTER_INLINE constexpr auto value(lane auto x) {
    using math::sinh;
    return sinh(x);
  }
  static constexpr auto grad(auto dy, auto, auto x) { return dy * sinter::cosh(x); }
};
/// cosh x
struct cosh {
  static constexpr op_info info{.name = "cosh", .samples = {-4, 4}, .result = result_type::floating};
  static SINTER_INLINE constexpr auto value(lane auto x) {
    using math::cosh;
    return cosh(x);
  }
  static constexpr auto grad(auto dy, auto, auto x) { return dy * sinter::sinh(x); }
};
/// asinh x
struct asinh {
  static constexpr op_info info{.name = "asinh", .samples = {-9, 9}, .result = result_type::floating};
  static constexpr auto value(lane auto x) {
    using math::asinh;
    return asinh(x);
  }
  static constexpr auto grad(auto dy, auto, auto x) { return dy * sinter::rsqrt(x * x + 1); }
};
/// acosh x; NaN below 1
struct acosh {
  static constexpr op_info info{.name = "acosh", .samples = {1.1, 9}, .result = result_type::floating};
  static constexpr auto value(lane auto x) {
    using math::acosh;
    return acosh(x);
  }
  static constexpr auto grad(auto dy, auto, auto x) { return dy * sinter::rsqrt(x * x - 1); }
};
/// atanh x; NaN outside [-1, 1]
struct atanh {
  static constexpr op_info info{.name = "atanh", .samples = {-0.9, 0.9}, .result = result_type::floating};
  static constexpr auto value(lane auto x) {
    using math::atanh;
    return atanh(x);
  }
  static constexpr auto grad(auto dy, auto, auto x) { return dy / (1 - x * x); }
};
/// The angle of the point (b, a), in [-pi, pi]; the gradient at the origin is 0, as in PyTorch
struct atan2 {
  static constexpr op_info info{.name = "atan2", .samples = {0.3, 4}, .result = result_type::floating};
  static constexpr auto value(lane auto a, lane auto b) {
    using math::atan2;
    return atan2(a, b);
  }
  static constexpr auto grad(auto dy, auto, auto a, auto b) {
    auto m = apply<detach>(sinter::maximum(sinter::abs(a), sinter::abs(b)));  // by the larger: a square may be too large or small
    auto by = sinter::where(m == 0, 1, m);
    auto u = a / by, v = b / by;
    auto d = sinter::where(m == 0, 0, dy / (u * u + v * v)) / by;
    return grads(d * v, -d * u);
  }
};

}  // namespace op

/// Tangent of x in radians.
SINTER_FUNCTION1(tan)
/// Inverse sine, in [-pi/2, pi/2].
SINTER_FUNCTION1(asin)
/// Inverse cosine, in [0, pi].
SINTER_FUNCTION1(acos)
/// Inverse tangent, in [-pi/2, pi/2].
SINTER_FUNCTION1(atan)
/// Inverse hyperbolic sine.
SINTER_FUNCTION1(asinh)
/// Inverse hyperbolic cosine, >= 0.
SINTER_FUNCTION1(acosh)
/// Inverse hyperbolic tangent.
SINTER_FUNCTION1(atanh)
/// atan(a / b) in the quadrant of (b, a). https://pytorch.org/docs/stable/generated/torch.atan2.html
SINTER_FUNCTION2(atan2)

}  // namespace sinter::inline v0
