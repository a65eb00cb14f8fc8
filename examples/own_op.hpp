// SPDX-License-Identifier: BSD-3-Clause
// An op of one's own, for 04_own_op.cpp. Device-clean: it includes op/ headers only, so that the same text also
// compiles for a GPU, by nvcc or at run time.
#pragma once
#include <sinter/op/activation.hpp>
#include <sinter/op/header.hpp>

SINTER_OP_HEADER(own_op)

namespace own {

/// sign(x) log(1 + |x|): linear near 0, logarithmic far away. Its slope is 1 / (1 + |x|).
struct symlog {
  SINTER_OP(own::symlog, own_op)
  static constexpr sinter::op_info info{.name = "symlog", .result = sinter::result_type::floating};
  /// One element, whatever it is computed in: a number, a SIMD register, a GPU thread.
  static constexpr auto value(sinter::lane auto x) {
    using sinter::math::abs, sinter::math::log, sinter::math::select;
    decltype(x) zero(0), one(1);
    auto size = log(one + abs(x));
    return select(x < zero, -size, size);
  }
  /// dy times the slope at x: read like a formula. The result y is at hand, too, where it helps.
  static constexpr auto grad(auto dy, auto, auto x) { return dy / (1 + sinter::abs(x)); }
};

}  // namespace own

/// The function that users call: it builds a formula, as all of sinter's do.
template <sinter::expression X> constexpr auto symlog(X&& x) { return sinter::apply<own::symlog>(static_cast<X&&>(x)); }
