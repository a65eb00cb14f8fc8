// SPDX-License-Identifier: BSD-3-Clause
// Logical operations (anything but 0 is true), bits of integers, and the kinds of floats. Device-clean.
#pragma once
#include "comparison.hpp"

namespace sinter::inline v0 {
namespace op {

/// x == 0
struct logical_not {
  static constexpr op_info info{.name = "logical_not", .result = result_type::boolean, .discontinuous = true, .integers = true};
  static constexpr auto value(lane auto x) {
    return x == decltype(x)(0);
  }
  static constexpr auto grad(auto, auto, auto) { return no_gradient; }
};
/// a and b, neither is 0
struct logical_and {
  static constexpr op_info info{.name = "logical_and", .result = result_type::boolean, .discontinuous = true, .integers = true};
  static constexpr auto value(lane auto a, lane auto b) { return (a != decltype(a)(0)) & (b != decltype(b)(0)); }
  static constexpr auto grad(auto, auto, auto, auto) { return no_gradient; }
};
/// a or b, one of them is not 0
struct logical_or {
  static constexpr op_info info{.name = "logical_or", .result = result_type::boolean, .discontinuous = true, .integers = true};
  static constexpr auto value(lane auto a, lane auto b) { return (a != decltype(a)(0)) | (b != decltype(b)(0)); }
  static constexpr auto grad(auto, auto, auto, auto) { return no_gradient; }
};
/// a or b, but not both
struct logical_xor {
  static constexpr op_info info{.name = "logical_xor", .result = result_type::boolean, .discontinuous = true, .integers = true};
  static constexpr auto value(lane auto a, lane auto b) { return (a != decltype(a)(0)) != (b != decltype(b)(0)); }
  static constexpr auto grad(auto, auto, auto, auto) { return no_gradient; }
};
/// is x NaN?
struct isnan {
  static constexpr op_info info{.name = "isnan", .result = result_type::boolean, .discontinuous = true, .integers = true};
  static constexpr auto value(lane auto x) {
    using math::is_nan;
    return is_nan(x);
  }
  static constexpr auto grad(auto, auto, auto) { return no_gradient; }
};
/// is x infinite, of either sign?
struct isinf {
  static constexpr op_info info{.name = "isinf", .result = result_type::boolean, .discontinuous = true, .integers = true};
  static constexpr auto value(lane auto x) {
    using math::is_inf;
    return is_inf(x);
  }
  static constexpr auto grad(auto, auto, auto) { return no_gradient; }
};
/// is x neither NaN nor infinite?
struct isfinite {
  static constexpr op_info info{.name = "isfinite", .result = result_type::boolean, .discontinuous = true, .integers = true};
  static constexpr auto value(lane auto x) {
    using math::is_nan, math::is_inf;
    return !(is_nan(x) | is_inf(x));
  }
  static constexpr auto grad(auto, auto, auto) { return no_gradient; }
};
/// the bits that both have
struct bitwise_and {
  static constexpr op_info info{.name = "bitwise_and", .discontinuous = true, .whole = true};
  static constexpr auto value(lane auto a, lane auto b) { return a & b; }
  static constexpr auto grad(auto, auto, auto, auto) { return no_gradient; }
};
/// the bits that either has
struct bitwise_or {
  static constexpr op_info info{.name = "bitwise_or", .discontinuous = true, .whole = true};
  static constexpr auto value(lane auto a, lane auto b) { return a | b; }
  static constexpr auto grad(auto, auto, auto, auto) { return no_gradient; }
};
/// the bits that one of them has
struct bitwise_xor {
  static constexpr op_info info{.name = "bitwise_xor", .discontinuous = true, .whole = true};
  static constexpr auto value(lane auto a, lane auto b) { return a ^ b; }
  static constexpr auto grad(auto, auto, auto, auto) { return no_gradient; }
};
/// all bits turned; for bool, not x
struct bitwise_not {
  static constexpr op_info info{.name = "bitwise_not", .discontinuous = true, .whole = true};
  static constexpr auto value(lane auto x) { return x ^ decltype(x)(-1); }
  static constexpr auto grad(auto, auto, auto) { return no_gradient; }
};

}  // namespace op

/// x == 0, as bool.
SINTER_FUNCTION1(logical_not)
/// a != 0 and b != 0, as bool.
SINTER_FUNCTION2(logical_and)
/// a != 0 or b != 0, as bool.
SINTER_FUNCTION2(logical_or)
/// Exactly one of a and b is not 0, as bool.
SINTER_FUNCTION2(logical_xor)
/// Is it NaN? Also under -ffast-math.
SINTER_FUNCTION1(isnan)
/// Is it infinite, of either sign?
SINTER_FUNCTION1(isinf)
/// Is it neither NaN nor infinite?
SINTER_FUNCTION1(isfinite)
/// Bits of integers, or bool: `a & b`.
SINTER_FUNCTION2(bitwise_and)
/// `a | b`
SINTER_FUNCTION2(bitwise_or)
/// `a ^ b`
SINTER_FUNCTION2(bitwise_xor)
/// `~x`
SINTER_FUNCTION1(bitwise_not)

template <class A, class B> requires operands<A, B> constexpr applied<op::bitwise_and, A, B> operator&(A&& a, B&& b) {
  return apply<op::bitwise_and>(static_cast<A&&>(a), static_cast<B&&>(b));
}
template <class A, class B> requires operands<A, B> constexpr applied<op::bitwise_or, A, B> operator|(A&& a, B&& b) {
  return apply<op::bitwise_or>(static_cast<A&&>(a), static_cast<B&&>(b));
}
template <class A, class B> requires operands<A, B> constexpr applied<op::bitwise_xor, A, B> operator^(A&& a, B&& b) {
  return apply<op::bitwise_xor>(static_cast<A&&>(a), static_cast<B&&>(b));
}
template <expression X> constexpr applied<op::bitwise_not, X> operator~(X&& x) { return apply<op::bitwise_not>(static_cast<X&&>(x)); }
/// logical_not(x)
template <expression X> constexpr applied<op::logical_not, X> operator!(X&& x) { return apply<op::logical_not>(static_cast<X&&>(x)); }

}  // namespace sinter::inline v0
