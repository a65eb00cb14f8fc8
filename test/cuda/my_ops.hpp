// SPDX-License-Identifier: BSD-3-Clause
// Three ops that sinter does not know: the proof that an op is one place. Used by test/op/own_op.cpp and test/cuda/nvrtc.cpp.
#pragma once
#include <sinter/op/header.hpp>
#include <sinter/op/reduction.hpp>

SINTER_OP_HEADER(my_ops)

namespace my {

/// x / (1 + |x|)
struct smooth {
  SINTER_OP(my::smooth, my_ops)
  static constexpr sinter::op_info info{.name = "smooth", .result = sinter::result_type::floating};
  static constexpr auto value(sinter::lane auto x) {
    using sinter::math::abs;
    return x / (decltype(x)(1) + abs(x));
  }
  static constexpr auto grad(auto dy, auto, auto x) {
    auto d = 1 + sinter::abs(x);
    return dy / (d * d);
  }
};

/// The largest |x|; 0 over nothing
struct norm_max {
  using reduction = void;
  SINTER_OP(my::norm_max, my_ops)
  static constexpr sinter::op_info info{.name = "norm_max"};
  static constexpr auto init(sinter::lane auto like) { return decltype(like)(0); }
  static constexpr auto push(sinter::lane auto s, sinter::lane auto x, auto) {
    using sinter::math::abs, sinter::math::max;
    return max(s, abs(x));
  }
  static constexpr auto merge(sinter::lane auto a, sinter::lane auto b) {
    using sinter::math::max;
    return max(a, b);
  }
  static constexpr auto result(sinter::lane auto s) { return s; }
  static constexpr auto grad(auto dy, auto y, auto x, sinter::axes) {
    auto sign = sinter::where(x > 0, 1.0, sinter::where(x < 0, -1.0, 0 * x));
    return sinter::where(sinter::abs(x) == y, dy * sign, 0);
  }
};

/// The largest whole number <= x, with the gradient of x (a straight-through estimate)
struct stairs {
  SINTER_OP(my::stairs, my_ops)
  static constexpr sinter::op_info info{.name = "stairs", .result = sinter::result_type::floating, .discontinuous = true};
  static constexpr auto value(sinter::lane auto x) {
    using sinter::math::floor;
    return floor(x);
  }
  static constexpr auto grad(auto dy, auto, auto) { return dy; }
};

template <sinter::expression X> constexpr auto stepped(X&& x) { return sinter::apply<stairs>(static_cast<X&&>(x)); }
template <sinter::expression X> constexpr auto smoothed(X&& x) { return sinter::apply<smooth>(static_cast<X&&>(x)); }
template <sinter::expression X> constexpr auto largest(X&& x, int d) {
  return sinter::apply<sinter::composed::kept<norm_max>>(static_cast<X&&>(x), sinter::dims<1>(d));
}

}  // namespace my
