// SPDX-License-Identifier: BSD-3-Clause
// + - * / and their kin, with the operators. Device-clean. Next: op/comparison.hpp.
#pragma once
#include "comparison.hpp"

namespace sinter::inline v0 {
namespace op {

/// a + b
struct add {
  static constexpr op_info info{.name = "add", .integers = true};
  static constexpr auto value(lane auto a, lane auto b) { return a + b; }
  static constexpr auto grad(auto dy, auto, auto, auto) { return grads(dy, dy); }
};
/// a - b
struct sub {
  static constexpr op_info info{.name = "sub", .integers = true};
  static constexpr auto value(lane auto a, lane auto b) { return a - b; }
  static constexpr auto grad(auto dy, auto, auto, auto) { return grads(dy, -dy); }
};
/// a * b
struct mul {
  static constexpr op_info info{.name = "mul", .integers = true};
  static constexpr auto value(lane auto a, lane auto b) { return a * b; }
  static constexpr auto grad(auto dy, auto, auto a, auto b) { return grads(dy * b, dy * a); }
};
/// a / b; integers divide as floats, as torch.div does
struct div {
  static constexpr op_info info{.name = "div", .samples = {0.5, 4}, .result = result_type::floating};
  static constexpr auto value(lane auto a, lane auto b) { return a / b; }
  static constexpr auto grad(auto dy, auto y, auto, auto b) { return grads(dy / b, -(dy * y / b)); }
};
/// -x
struct neg {
  static constexpr op_info info{.name = "neg", .integers = true};
  static constexpr auto value(lane auto x) { return -x; }
  static constexpr auto grad(auto dy, auto, auto) { return -dy; }
};
/// max(a, b), NaN if either is; equal operands share the gradient, as in PyTorch
struct maximum {
  static constexpr op_info info{.name = "maximum", .integers = true};
  static constexpr auto value(lane auto a, lane auto b) {
    using math::max;
    return max(a, b);
  }
  static constexpr auto grad(auto dy, auto, auto a, auto b) {
    auto half = sinter::where(a == b, dy * 0.5, 0);
    return grads(sinter::where(a > b, dy, half), sinter::where(a < b, dy, half));
  }
};
/// min(a, b), NaN if either is; equal operands share the gradient, as in PyTorch
struct minimum {
  static constexpr op_info info{.name = "minimum", .integers = true};
  static constexpr auto value(lane auto a, lane auto b) {
    using math::min;
    return min(a, b);
  }
  static constexpr auto grad(auto dy, auto, auto a, auto b) {
    auto half = sinter::where(a == b, dy * 0.5, 0);
    return grads(sinter::where(a < b, dy, half), sinter::where(a > b, dy, half));
  }
};
/// |x|; the gradient at 0 is 0
struct abs {
  static constexpr op_info info{.name = "abs", .integers = true};
  static constexpr auto value(lane auto x) {
    using math::abs;
    return abs(x);
  }
  static constexpr auto grad(auto dy, auto, auto x) { return sinter::where(x > 0, dy, sinter::where(x < 0, -dy, 0)); }
};

}  // namespace op

template <class A, class B> requires operands<A, B> constexpr applied<op::add, A, B> operator+(A&& a, B&& b) {
  return apply<op::add>(static_cast<A&&>(a), static_cast<B&&>(b));
}
template <class A, class B> requires operands<A, B> constexpr applied<op::sub, A, B> operator-(A&& a, B&& b) {
  return apply<op::sub>(static_cast<A&&>(a), static_cast<B&&>(b));
}
template <class A, class B> requires operands<A, B> constexpr applied<op::mul, A, B> operator*(A&& a, B&& b) {
  return apply<op::mul>(static_cast<A&&>(a), static_cast<B&&>(b));
}
template <class A, class B> requires operands<A, B> constexpr applied<op::div, A, B> operator/(A&& a, B&& b) {
  return apply<op::div>(static_cast<A&&>(a), static_cast<B&&>(b));
}
template <expression A> constexpr applied<op::neg, A> operator-(A&& a) { return apply<op::neg>(static_cast<A&&>(a)); }

namespace detail::inline SINTER_TARGET {
// Texts, containers and pointers beside a tensor: a mistake that deserves one sentence instead of all candidates.
template <class X> concept not_a_number = !expression<X> && !number<X> && (requires(X& x) { x.begin(); } || requires(X& x) { *x; });
template <class A, class B> concept mistaken = (expression<A> && not_a_number<B>) || (not_a_number<A> && expression<B>);
template <class A, class B> constexpr auto explain_operands(A& a, B& b) {
  static_assert(never<A>, "sinter: an operand is a tensor, a variable, an expression or a number; of a container, make a tensor first: st::from_blob");
  if constexpr (expression<A>) return a;
  else return b;
}
}  // namespace detail::inline SINTER_TARGET
template <class A, class B> requires detail::mistaken<A, B> constexpr auto operator+(A&& a, B&& b) { return detail::explain_operands(a, b); }
template <class A, class B> requires detail::mistaken<A, B> constexpr auto operator-(A&& a, B&& b) { return detail::explain_operands(a, b); }
template <class A, class B> requires detail::mistaken<A, B> constexpr auto operator*(A&& a, B&& b) { return detail::explain_operands(a, b); }
template <class A, class B> requires detail::mistaken<A, B> constexpr auto operator/(A&& a, B&& b) { return detail::explain_operands(a, b); }

/// Element-wise maximum; NaN wins. https://pytorch.org/docs/stable/generated/torch.maximum.html
template <class A, class B> requires operands<A, B> constexpr applied<op::maximum, A, B> maximum(A&& a, B&& b) {
  return apply<op::maximum>(static_cast<A&&>(a), static_cast<B&&>(b));
}
/// Element-wise minimum; NaN wins.
template <class A, class B> requires operands<A, B> constexpr applied<op::minimum, A, B> minimum(A&& a, B&& b) {
  return apply<op::minimum>(static_cast<A&&>(a), static_cast<B&&>(b));
}
/// Element-wise absolute value.
template <expression A> constexpr applied<op::abs, A> abs(A&& a) { return apply<op::abs>(static_cast<A&&>(a)); }

}  // namespace sinter::inline v0
