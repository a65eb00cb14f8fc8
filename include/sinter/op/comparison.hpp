// SPDX-License-Identifier: BSD-3-Clause
// Comparisons, where. A comparison is a choice: backward reads the one that forward made. Device-clean.
#pragma once
#include "math.hpp"

namespace sinter::inline v0 {
namespace composed {
/// x in another dtype
template <dtype To> struct to {
  using composition = void;
  using complex_result = void;
  static constexpr op_info info{.name = "to"};
  static constexpr auto compose(auto x) { return cast_to<To>(x); }
};
}  // namespace composed

/// x converted to elements of T: integers wrap, floats lose their fraction, what is not 0 is true. `to<half>(x)`
/// https://pytorch.org/docs/stable/generated/torch.Tensor.to.html
template <element T, expression X> constexpr applied<composed::to<dtype_of<T>>, X> to(X&& x) {
  return apply<composed::to<dtype_of<T>>>(static_cast<X&&>(x));
}
namespace op {
struct where;
}

/// condition ? a : b, element by element; `condition` is a bool expression, all three broadcast.
template <class C, class A, class B> requires operands<C, A, B> constexpr applied<op::where, C, A, B> where(C&& c, A&& a, B&& b) {
  return apply<op::where>(static_cast<C&&>(c), static_cast<A&&>(a), static_cast<B&&>(b));
}

namespace op {

#define SINTER_COMPARISON(name_, sign)                                                              \
  struct name_ {                                                                                    \
    static constexpr op_info info{                                                                  \
        .name = #name_, .result = result_type::boolean, .discontinuous = true, .integers = true};   \
    static constexpr auto value(lane auto a, lane auto b) { return a sign b; }                      \
    static constexpr auto grad(auto, auto, auto, auto) { return no_gradient; }    \
  };
SINTER_COMPARISON(eq, ==)
SINTER_COMPARISON(ne, !=)
SINTER_COMPARISON(lt, <)
SINTER_COMPARISON(le, <=)
SINTER_COMPARISON(gt, >)
SINTER_COMPARISON(ge, >=)
#undef SINTER_COMPARISON

/// condition ? a : b
struct where {
  static constexpr op_info info{.name = "where", .result = result_type::second, .integers = true};
  static constexpr auto value(lane auto c, lane auto a, lane auto b) {
    using math::select;
    return select(c, a, b);
  }
  static constexpr auto grad(auto dy, auto, auto c, auto, auto) {
    return grads(no_gradient, sinter::where(c, dy, 0), sinter::where(c, 0, dy));
  }
};

}  // namespace op

template <class A, class B> requires operands<A, B> constexpr applied<op::eq, A, B> operator==(A&& a, B&& b) {
  return apply<op::eq>(static_cast<A&&>(a), static_cast<B&&>(b));
}
template <class A, class B> requires operands<A, B> constexpr applied<op::ne, A, B> operator!=(A&& a, B&& b) {
  return apply<op::ne>(static_cast<A&&>(a), static_cast<B&&>(b));
}
template <class A, class B> requires operands<A, B> constexpr applied<op::lt, A, B> operator<(A&& a, B&& b) {
  return apply<op::lt>(static_cast<A&&>(a), static_cast<B&&>(b));
}
template <class A, class B> requires operands<A, B> constexpr applied<op::le, A, B> operator<=(A&& a, B&& b) {
  return apply<op::le>(static_cast<A&&>(a), static_cast<B&&>(b));
}
template <class A, class B> requires operands<A, B> constexpr applied<op::gt, A, B> operator>(A&& a, B&& b) {
  return apply<op::gt>(static_cast<A&&>(a), static_cast<B&&>(b));
}
template <class A, class B> requires operands<A, B> constexpr applied<op::ge, A, B> operator>=(A&& a, B&& b) {
  return apply<op::ge>(static_cast<A&&>(a), static_cast<B&&>(b));
}

}  // namespace sinter::inline v0
