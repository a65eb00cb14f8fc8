// SPDX-License-Identifier: BSD-3-Clause
// st::scan over tensors, variables and expressions: a loop as one statement. Inside st::fn, where a loop is a part of a larger
// program, the same names work on symbols (expr/loop.hpp).
#pragma once
#include "../expr/loop.hpp"
#include "several.hpp"

namespace sinter::inline v0 {
namespace detail::inline SINTER_TARGET {

/// How many operands a structure takes, and the structure made of symbols.
struct one_operand {
  static constexpr int count = 1;
  template <int At, class All> static constexpr auto of(const All& all) { return std::get<At>(all); }
};
template <int N> struct many_operands {
  static constexpr int count = N;
  template <int At, class All> static constexpr auto of(const All& all) {
    return [&]<std::size_t... I>(std::index_sequence<I...>) { return std::tuple{std::get<static_cast<std::size_t>(At) + I>(all)...}; }(std::make_index_sequence<N>());
  }
};
template <class S> struct backward_operands {
  static constexpr int count = S::count;
  template <int At, class All> static constexpr auto of(const All& all) { return reversed(S::template of<At>(all)); }
};
template <int Every> struct checkpointed_operands {
  static constexpr int count = 1;
  template <int At, class All> static constexpr auto of(const All& all) { return checkpointed<Every>(std::get<At>(all)); }
};
template <class X> struct structure_of_ { using type = one_operand; };
template <int Every, class X> struct structure_of_<checkpointed_steps<Every, X>> { using type = checkpointed_operands<Every>; };
template <class... A> struct structure_of_<std::tuple<A...>> { using type = many_operands<sizeof...(A)>; };
template <class X> struct structure_of_<reversed_operands<X>> { using type = backward_operands<typename structure_of_<X>::type>; };
template <class X> using structure_of = typename structure_of_<std::remove_cvref_t<X>>::type;

/// A structure's operands as a tuple.
template <class X> auto operands_of_structure(const X& x) { return std::tuple<X>(x); }
template <class... A> auto operands_of_structure(const std::tuple<A...>& x) { return x; }
template <class X> auto operands_of_structure(const reversed_operands<X>& x) { return operands_of_structure(x.value); }
template <int Every, class X> auto operands_of_structure(const checkpointed_steps<Every, X>& x) { return std::tuple<X>(x.steps); }

/// The part of a result that numbers lead to: `part_at<1, 0>(r)` is the first of the second.
template <std::size_t... I, class R> constexpr auto part_at(const R& r) {
  if constexpr (sizeof...(I) == 0) return r;
  else return [&]<std::size_t First, std::size_t... Rest>(std::index_sequence<First, Rest...>) { return part_at<Rest...>(std::get<First>(r)); }(std::index_sequence<I...>());
}

}  // namespace detail::inline SINTER_TARGET

namespace composed {

/// A scan of F over operands of structures C (carried) and X (stacked), and constants.
template <class F, class C, class X> struct scan {
  using complex_result = void;
  using composition = void;
  static constexpr op_info info{.name = "scan"};
  static constexpr auto compose(auto... s) {
    const std::tuple given{s...};
    return [&]<std::size_t... K>(std::index_sequence<K...>) {
      const auto init = C::template of<0>(given);
      const auto xs = X::template of<C::count>(given);
      return detail::scan_symbols(detail::common_graph(s...), F{}, init, xs, std::get<K + C::count + X::count>(given)...);
    }(std::make_index_sequence<sizeof...(s) - C::count - X::count>());
  }
};
/// A branch between F and G.
template <class F, class G> struct cond {
  using complex_result = void;
  using composition = void;
  static constexpr op_info info{.name = "cond"};
  static constexpr auto compose(auto truth, auto... s) { return detail::cond_symbols(detail::common_graph(truth, s...), truth, F{}, G{}, s...); }
};
/// A loop of F while W, over operands of structure C (carried), and constants.
template <class W, class F, class C> struct while_loop {
  using complex_result = void;
  using composition = void;
  static constexpr op_info info{.name = "while_loop"};
  static constexpr auto compose(auto... s) {
    const std::tuple given{s...};
    return [&]<std::size_t... K>(std::index_sequence<K...>) {
      return detail::while_symbols(detail::common_graph(s...), W{}, F{}, C::template of<0>(given), std::get<K + C::count>(given)...);
    }(std::make_index_sequence<sizeof...(s) - C::count>());
  }
};
/// One part of what composition Op gives.
template <class Op, std::size_t... I> struct part_of {
  using composition = void;
  using complex_result = void;
  static constexpr op_info info = Op::info;
  static constexpr auto compose(auto... s) { return detail::part_at<I...>(Op::compose(s...)); }
};

}  // namespace composed

namespace detail::inline SINTER_TARGET {

/// An expression for each part of a result of structure R, of composition Op.
template <class Op, class R, std::size_t... Path> auto parts_of(const auto&... o) {
  if constexpr (!is_tuple<R>) {
    return apply<composed::part_of<Op, Path...>>(o...);
  } else {
    return [&]<std::size_t... I>(std::index_sequence<I...>) {
      if constexpr (is_pair<R>) return std::pair(parts_of<Op, std::tuple_element_t<I, R>, Path..., I>(o...)...);
      else return std::make_tuple(parts_of<Op, std::tuple_element_t<I, R>, Path..., I>(o...)...);
    }(std::make_index_sequence<std::tuple_size_v<R>>());
  }
}
/// A loop over operands: of one result an expression; of several, tensors by one run, or, of variables, expressions.
template <class Op> auto apply_loop(const auto&... o) {
  using N = applied<Op, decltype(o)...>;
  using R = decltype(N::build(std::declval<cursor&>()));
  if constexpr (!is_tuple<R>) return apply<Op>(o...);
  else if constexpr (has_variable<N>::value) return parts_of<Op, R>(o...);
  else return evaluate_several(apply<Op>(o...));
}

}  // namespace detail::inline SINTER_TARGET

/// carry = init;  for (t = 0; t < steps; ++t) (carry, y[t]) = f(carry, xs[t], constants...);
/// f takes symbols and captures nothing; it returns the carry, or std::pair(carry, y). `init` and `xs` are values or tuples of
/// values; xs is sliced along dim 0, or `steps(n)`, with the step's number in the slice's place, or `reversed(xs)`. A carried value
/// keeps its shape and dtype. Returns the last carry, or std::pair(carry, y), in the structures of what f returns. One value is an
/// expression: the loop and what is computed from it are one statement. Several are tensors, by one run; of variables they are
/// expressions, each a statement that runs the loop: an st::fn, in which all of them are known at once, does so once. Throws shape_error.
/// https://docs.jax.dev/en/latest/_autosummary/jax.lax.scan.html, torch._higher_order_ops.scan
template <class F, class C, class X, class... K>
  requires(!detail::has_symbols<C, X, K...>)
auto scan(F, const C& init, const X& xs, const K&... constants) {
  static_assert(std::is_empty_v<F>, "sinter: scan: the function must not capture; pass what it needs as further operands: scan(f, init, xs, b)");
  if constexpr (!std::is_empty_v<F>) return init;
  else {
    using Op = composed::scan<F, detail::structure_of<C>, detail::structure_of<X>>;
    return std::apply([](const auto&... o) { return detail::apply_loop<Op>(o...); },
                      std::tuple_cat(detail::operands_of_structure(init), detail::operands_of_structure(xs), std::tuple<K...>(constants...)));
  }
}
/// f(operands...) if `truth`, one bool, is true, else g(operands...): one of them runs. Functions of symbols that capture nothing and
/// return values of the same shapes. https://pytorch.org/docs/stable/generated/torch.cond.html
template <class P, class F, class G, class... K> requires(!detail::has_symbols<P, K...>)
auto cond(const P& truth, F, G, const K&... operands) {
  static_assert(std::is_empty_v<F> && std::is_empty_v<G>, "sinter: cond: the functions must not capture; pass what they need as operands: cond(p, f, g, x)");
  if constexpr (!std::is_empty_v<F> || !std::is_empty_v<G>) return truth;
  else return detail::apply_loop<composed::cond<F, G>>(truth, operands...);
}
/// while (goes_on(carry, constants...)) carry = f(carry, constants...). Functions of symbols that capture nothing; the carry keeps its
/// shape and dtype. torch.while_loop, https://docs.jax.dev/en/latest/_autosummary/jax.lax.while_loop.html
template <class W, class F, class C, class... K> requires(!detail::has_symbols<C, K...>)
auto while_loop(W, F, const C& init, const K&... constants) {
  static_assert(std::is_empty_v<W> && std::is_empty_v<F>, "sinter: while_loop: the functions must not capture; pass what they need as further operands");
  using Op = composed::while_loop<W, F, detail::structure_of<C>>;
  return std::apply([](const auto&... o) { return detail::apply_loop<Op>(o...); }, std::tuple_cat(detail::operands_of_structure(init), std::tuple<K...>(constants...)));
}

}  // namespace sinter::inline v0
