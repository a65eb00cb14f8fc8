// SPDX-License-Identifier: BSD-3-Clause
// Names inside formulas: st::fn makes a function of expressions that shares what it names, st::let names one value,
// st::lazy opts out of the stale check. Next: tensor/assign.hpp for names outside formulas.
#pragma once
#include "node.hpp"

namespace sinter::inline v0 {
namespace composed {

/// A captureless function of values as one operation.
template <class F> struct function {
  using composition = void;
  using complex_result = void;
  static constexpr op_info info{.name = "fn"};
  static constexpr auto compose(auto... x) { return F{}(x...); }
};

}  // namespace composed

/// `constexpr st::fn<[](auto x) { return x * sigmoid(x); }> silu;` - a function on expressions. Parameters are evaluated
/// once however often the body uses them: inside the body a name is a name, not a copy of a formula.
template <auto F> struct fn {
  constexpr fn() = default;
  template <class... X> requires((expression<X> || number<X> || detail::same<detail::bare<X>, step_count>) && ...) && (expression<X> || ...)
  constexpr applied<composed::function<std::remove_const_t<decltype(F)>>, X...> operator()(X&&... x) const {
    return apply<composed::function<std::remove_const_t<decltype(F)>>>(static_cast<X&&>(x)...);
  }
  /// y = F(x...), written into y as y.copy_(F(x...)) does, with operands that are borrowed for the call: nothing is counted,
  /// nothing is allocated. With small static extents this is the bare loop. (tensor/assign.hpp)
  template <class Y, class... X> SINTER_INLINE void into(const Y& y, const X&... x) const;
};

/// `let(e, [](auto h) { return h * f(h); })`: f of the one value h = e, fused. The function captures nothing; further
/// values are passed as further operands: `let(e, b, [](auto h, auto b) { ... })`.
template <expression X, class F> requires(!expression<F> && std::is_empty_v<F>) constexpr applied<composed::function<F>, X> let(X&& x, F) {
  return apply<composed::function<F>>(static_cast<X&&>(x));
}
template <expression X, class Y, class F> requires(operands<X, Y> && !expression<F> && std::is_empty_v<F>)
constexpr applied<composed::function<F>, X, Y> let(X&& x, Y&& y, F) {
  return apply<composed::function<F>>(static_cast<X&&>(x), static_cast<Y&&>(y));
}
template <expression X, class... More> requires(!std::is_empty_v<More> || ...) std::remove_cvref_t<X> let(X&& x, More...) {
  static_assert(detail::never<X>, "sinter: let: the function must not capture; pass what it needs as operands: let(e, b, f)");
  return x;
}

namespace detail::inline SINTER_TARGET {
template <class X> void forget_versions(X& x) {
  if constexpr (is_node<X>) std::apply([](auto&... a) { (forget_versions(a), ...); }, x.operands());
  else if constexpr (requires { x.version; }) x.version = any_version;
}
}  // namespace detail::inline SINTER_TARGET

/// e without the check that its leaves are as they were when it was built: it reads what they hold when it is evaluated.
template <class Op, class... A> node<Op, A...> lazy(node<Op, A...> e) {
  detail::forget_versions(e);
  return e;
}

}  // namespace sinter::inline v0
