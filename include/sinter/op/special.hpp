// SPDX-License-Identifier: BSD-3-Clause
// Special functions: erf, erfc. Device-clean.
#pragma once
#include "exponential.hpp"

namespace sinter::inline v0 {
namespace op {

/// 2/sqrt(pi) times the integral of e^(-t^2) from 0 to x
struct erf {
  static constexpr op_info info{.name = "erf", .samples = {-3, 3}, .result = result_type::floating};
  static SINTER_INLINE constexpr auto value(lane auto x) {
    using math::erf;
    return erf(x);
  }
  static constexpr auto grad(auto dy, auto, auto x) { return dy * 1.1283791670955126 * sinter::exp(-x * x); }
};
/// 1 - erf x, accurate in the tail
struct erfc {
  static constexpr op_info info{.name = "erfc", .samples = {-3, 3}, .result = result_type::floating};
  static SINTER_INLINE constexpr auto value(lane auto x) {
    using math::erfc;
    return erfc(x);
  }
  static constexpr auto grad(auto dy, auto, auto x) { return -dy * 1.1283791670955126 * sinter::exp(-x * x); }
};

}  // namespace op

/// The error function.
SINTER_FUNCTION1(erf)
/// 1 - erf(x), accurate where that is small.
SINTER_FUNCTION1(erfc)

}  // namespace sinter::inline v0
