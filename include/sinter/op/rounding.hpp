// SPDX-License-Identifier: BSD-3-Clause
// To whole numbers and what is left: floor, round, frac, remainder, sign. Device-clean.
#pragma once
#include "arithmetic.hpp"

namespace sinter::inline v0 {
namespace op {
struct floor;
struct trunc;
}  // namespace op

/// The largest whole number <= x.
SINTER_FUNCTION1(floor)
/// x without its fraction.
SINTER_FUNCTION1(trunc)

namespace op {

/// the largest whole number <= x
struct floor {
  static constexpr op_info info{.name = "floor", .discontinuous = true, .integers = true};
  static constexpr auto value(lane auto x) {
    using math::floor;
    return floor(x);
  }
  static constexpr auto grad(auto, auto, auto x) { return zero_as(x); }
};
/// the smallest whole number >= x
struct ceil {
  static constexpr op_info info{.name = "ceil", .discontinuous = true, .integers = true};
  static constexpr auto value(lane auto x) {
    using math::ceil;
    return ceil(x);
  }
  static constexpr auto grad(auto, auto, auto x) { return zero_as(x); }
};
/// x without its fraction
struct trunc {
  static constexpr op_info info{.name = "trunc", .discontinuous = true, .integers = true};
  static constexpr auto value(lane auto x) {
    using math::trunc;
    return trunc(x);
  }
  static constexpr auto grad(auto, auto, auto x) { return zero_as(x); }
};
/// the nearest whole number; halves go to the even one
struct round {
  static constexpr op_info info{.name = "round", .discontinuous = true, .integers = true};
  static constexpr auto value(lane auto x) {
    using math::round;
    return round(x);
  }
  static constexpr auto grad(auto, auto, auto x) { return zero_as(x); }
};
/// -1, 0 or 1; 0 for NaN, as in PyTorch
struct sign {
  static constexpr op_info info{.name = "sign", .discontinuous = true, .integers = true};
  static constexpr auto value(lane auto x) {
    using math::select;
    decltype(x) zero(0), one(1);
    return select(x > zero, one, select(x < zero, decltype(x)(-one), zero));
  }
  static constexpr auto grad(auto, auto, auto x) { return zero_as(x); }
};
/// x - trunc(x)
struct frac {
  static constexpr op_info info{.name = "frac", .samples = {0.1, 0.9}, .discontinuous = true};
  static constexpr auto value(lane auto x) {
    using math::trunc;
    return x - trunc(x);
  }
  static constexpr auto grad(auto dy, auto, auto) { return dy; }
};
/// a - b trunc(a / b), exact; NaN, for integers 0, where b is 0
struct fmod {
  static constexpr op_info info{.name = "fmod", .samples = {2.1, 2.9}, .discontinuous = true, .integers = true};
  static constexpr auto value(lane auto a, lane auto b) {
    using math::fmod;
    return fmod(a, b);
  }
  static constexpr auto grad(auto dy, auto, auto a, auto b) { return grads(dy, -dy * sinter::trunc(a / b)); }
};
/// a - b floor(a / b): it has the sign of b; NaN, for integers 0, where b is 0
struct remainder {
  static constexpr op_info info{.name = "remainder", .samples = {2.1, 2.9}, .discontinuous = true, .integers = true};
  static constexpr auto value(lane auto a, lane auto b) {
    using math::remainder;
    return remainder(a, b);
  }
  static constexpr auto grad(auto dy, auto, auto a, auto b) { return grads(dy, -dy * sinter::floor(a / b)); }
};

}  // namespace op

/// The smallest whole number >= x.
SINTER_FUNCTION1(ceil)
/// The nearest whole number; halves go to the even one, as torch.round.
SINTER_FUNCTION1(round)
/// -1, 0 or 1.
SINTER_FUNCTION1(sign)
/// The fraction of x, with its sign.
SINTER_FUNCTION1(frac)
/// The remainder with the sign of a. https://pytorch.org/docs/stable/generated/torch.fmod.html
SINTER_FUNCTION2(fmod)
/// The remainder with the sign of b, Python's `%`. https://pytorch.org/docs/stable/generated/torch.remainder.html
SINTER_FUNCTION2(remainder)
/// remainder(a, b)
template <class A, class B> requires operands<A, B> constexpr applied<op::remainder, A, B> operator%(A&& a, B&& b) {
  return apply<op::remainder>(static_cast<A&&>(a), static_cast<B&&>(b));
}

}  // namespace sinter::inline v0
