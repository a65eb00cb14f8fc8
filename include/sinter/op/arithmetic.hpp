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
/// a (1 / b), within 1.5 ulp of a / b for b from 1 to 2^126: parts of a whole, for which kernels divide once a row. Not among the ops
/// of registry.hpp: it is no division for other b.
struct share {
  static constexpr op_info info{.name = "share", .samples = {0.5, 4}, .result = result_type::floating};
  static constexpr auto value(lane auto a, lane auto b) { return a * (1 / b); }
  static constexpr auto grad(auto dy, auto y, auto, auto b) {
    auto d = apply<share>(dy, b);
    return grads(d, -(d * y));
  }
};
/// -x
struct neg {
  static constexpr op_info info{.name = "neg", .integers = true};
  static constexpr auto value(lane auto x) { return -x; }
  static constexpr auto grad(auto dy, auto, auto) { return -dy; }
};
/// max(a, b), NaN if either is; equal operands share the gradient, and beside a NaN both have it, as in PyTorch
struct maximum {
  static constexpr op_info info{.name = "maximum", .integers = true};
  static constexpr auto value(lane auto a, lane auto b) {
    using math::max;
    return max(a, b);
  }
  static constexpr auto grad(auto dy, auto, auto a, auto b) {
    auto share = sinter::where(a == b, dy * 0.5, dy);
    return grads(sinter::where(a < b, 0, share), sinter::where(a > b, 0, share));
  }
};
/// min(a, b), NaN if either is; equal operands share the gradient, and beside a NaN both have it, as in PyTorch
struct minimum {
  static constexpr op_info info{.name = "minimum", .integers = true};
  static constexpr auto value(lane auto a, lane auto b) {
    using math::min;
    return min(a, b);
  }
  static constexpr auto grad(auto dy, auto, auto a, auto b) {
    auto share = sinter::where(a == b, dy * 0.5, dy);
    return grads(sinter::where(a > b, 0, share), sinter::where(a < b, 0, share));
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
/// min(max(x, low), high); NaN stays. A bound that holds x takes its gradient, as in PyTorch
struct clamp {
  static constexpr op_info info{.name = "clamp", .integers = true};
  static constexpr auto value(lane auto x, lane auto low, lane auto high) {
    using math::max, math::min;
    return min(max(x, low), high);
  }
  static constexpr auto grad(auto dy, auto, auto x, auto low, auto high) {
    auto above = sinter::where(x > high, dy, sinter::where(low > high, dy, 0));
    return grads(sinter::where(x >= low, sinter::where(x <= high, dy, 0), 0), sinter::where(x < low, sinter::where(low < high, dy, 0), 0), above);
  }
};
/// max(x, low); NaN stays
struct clamp_min {
  static constexpr op_info info{.name = "clamp_min", .integers = true};
  static constexpr auto value(lane auto x, lane auto low) {
    using math::max;
    return max(x, low);
  }
  static constexpr auto grad(auto dy, auto, auto x, auto low) { return grads(sinter::where(x >= low, dy, 0), sinter::where(x < low, dy, 0)); }
};
/// min(x, high); NaN stays
struct clamp_max {
  static constexpr op_info info{.name = "clamp_max", .integers = true};
  static constexpr auto value(lane auto x, lane auto high) {
    using math::min;
    return min(x, high);
  }
  static constexpr auto grad(auto dy, auto, auto x, auto high) { return grads(sinter::where(x <= high, dy, 0), sinter::where(x > high, dy, 0)); }
};
/// a b + c, rounded once where the target can
struct fma {
  static constexpr op_info info{.name = "fma", .integers = true};
  static constexpr auto value(lane auto a, lane auto b, lane auto c) {
    using math::fma;
    return fma(a, b, c);
  }
  static constexpr auto grad(auto dy, auto, auto a, auto b, auto) { return grads(dy * b, dy * a, dy); }
};
/// sqrt(a^2 + b^2), without overflow on the way
struct hypot {
  static constexpr op_info info{.name = "hypot", .samples = {0.3, 4}, .result = result_type::floating};
  static constexpr auto value(lane auto a, lane auto b) {
    using math::hypot;
    return hypot(a, b);
  }
  static constexpr auto grad(auto dy, auto y, auto a, auto b) { return grads(dy * a / y, dy * b / y); }
};

}  // namespace op

namespace composed {
/// v [C] as [C, 1, ...], to meet x [N, C, ...] along its dim 1.
constexpr auto per_channel(auto v, auto x) {
  const int more = rank_of(x) > 2 ? rank_of(x) - 2 : 0;
  return unsqueeze(v, axes{((1u << more) - 1) << 1, more});
}
/// a + w (b - a), from b's side where w >= 1/2: exact at both ends
struct lerp {
  using composition = void;
  static constexpr op_info info{.name = "lerp"};
  static constexpr auto compose(auto a, auto b, auto w) {
    auto d = b - a;
    return sinter::where(abs(w) < 0.5, a + w * d, b - d * (1 - w));
  }
};
}  // namespace composed

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

/// `a + b` and so on by name, as torch.add. `neg(x)` is -x.
SINTER_FUNCTION2(add)
SINTER_FUNCTION2(sub)
SINTER_FUNCTION2(mul)
SINTER_FUNCTION2(div)
SINTER_FUNCTION1(neg)
/// Element-wise maximum; NaN wins. https://pytorch.org/docs/stable/generated/torch.maximum.html
SINTER_FUNCTION2(maximum)
/// Element-wise minimum; NaN wins.
SINTER_FUNCTION2(minimum)
/// Element-wise absolute value.
SINTER_FUNCTION1(abs)
/// min(max(x, low), high), with numbers or tensors as bounds. https://pytorch.org/docs/stable/generated/torch.clamp.html
SINTER_FUNCTION3(clamp)
/// max(x, low)
SINTER_FUNCTION2(clamp_min)
/// min(x, high)
SINTER_FUNCTION2(clamp_max)
/// a * b + c, rounded once where the target can.
SINTER_FUNCTION3(fma)
/// sqrt(a^2 + b^2)
SINTER_FUNCTION2(hypot)
/// a + weight (b - a). https://pytorch.org/docs/stable/generated/torch.lerp.html
template <class A, class B, class W> requires operands<A, B, W> constexpr applied<composed::lerp, A, B, W> lerp(A&& a, B&& b, W&& weight) {
  return apply<composed::lerp>(static_cast<A&&>(a), static_cast<B&&>(b), static_cast<W&&>(weight));
}

}  // namespace sinter::inline v0
