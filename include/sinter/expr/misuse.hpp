// SPDX-License-Identifier: BSD-3-Clause
// Marks in a graph for what has no meaning: lowered::check() explains them at compile time.
#pragma once
#include "sym.hpp"

namespace sinter::inline v0 {
namespace op {
/// Stands where a function has no result, because of `Why`.
template <misuse Why> struct misused {
  static constexpr op_info info{.name = "misused", .integers = true, .reason = Why};
  static constexpr auto value(lane auto x) { return x; }
  static constexpr auto grad(auto, auto, auto) { return no_gradient; }
};
}  // namespace op

namespace detail::inline SINTER_TARGET {

/// The mark of a misuse, a value without dims.
constexpr sym misused(graph& g, misuse why) {
  const sym x = g.literal(0, dtype::f32, false);
  switch (why) {
#define SINTER_MISUSE(name) case misuse::name: return apply_primitive<op::misused<misuse::name>>(x);
    SINTER_MISUSE(scalar) SINTER_MISUSE(floating) SINTER_MISUSE(rank) SINTER_MISUSE(labels) SINTER_MISUSE(run_time)
    SINTER_MISUSE(window) SINTER_MISUSE(random) SINTER_MISUSE(dim) SINTER_MISUSE(tangent)
    SINTER_MISUSE(loop) SINTER_MISUSE(step) SINTER_MISUSE(carry)
#undef SINTER_MISUSE
    default: return x;
  }
}

}  // namespace detail::inline SINTER_TARGET
}  // namespace sinter::inline v0
