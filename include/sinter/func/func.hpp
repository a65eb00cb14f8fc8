// SPDX-License-Identifier: BSD-3-Clause
// torch.func: grad, vjp, jvp, jacrev, jacfwd, hessian, vmap, as functions of functions. What they return is a function again, of
// tensors, variables, expressions and symbols, so transforms nest: `vmap(grad(f))`, `hessian(f)`. All of it happens when a program
// is built: applied to tensors it is an expression like others, which fuses with what stands around it.
// https://pytorch.org/docs/stable/func.api.html
// Not here: what the transforms are (func/symbols.hpp). Not in the umbrella header.
//
//   auto loss = [](auto w, auto x, auto y) { return st::mse_loss(st::matmul(x, w), y); };
//   st::tensor g = st::func::grad(loss)(w, x, y);                                             // d loss / d w
//   st::tensor each = st::func::vmap(st::func::grad(loss), in_dims<none, 0, 0>)(w, x, y);     // of each sample
//
// Functions are lambdas that capture nothing, st::fn, or transforms; they take real or complex values and return one or a
// std::tuple of them. Inside they name dims as rules do: `sum(x, 1)`.
#pragma once
#include "../expr/node.hpp"
#include "../expr/lower.hpp"
#include "../tensor/several.hpp"
#include "../autograd/statement.hpp"
#include "symbols.hpp"

namespace sinter::inline v0 {
namespace composed {
/// A transform of a function as one operation.
template <class T> struct transformed {
  using composition = void;
  using complex_result = void;
  static constexpr op_info info{.name = T::name};
  static constexpr auto compose(auto... x) { return T::on(x...); }
};
}  // namespace composed

namespace func::inline SINTER_TARGET {
namespace detail {

/// An expression for each result of T, in T's structure.
template <class T, class Y, class... X> auto expressions_of(const X&... x) {
  if constexpr (is_tuple<Y>)
    return [&]<std::size_t... I>(std::index_sequence<I...>) {
      return std::make_tuple(expressions_of<element_of<T, I>, std::tuple_element_t<I, Y>>(x...)...);
    }(std::make_index_sequence<std::tuple_size_v<Y>>());
  else return apply<composed::transformed<T>>(x...);
}

/// Has a function of so many arguments those by which T is?
template <class T> constexpr bool takes(std::size_t count) {
  if constexpr (requires { T::takes(count); }) return T::takes(count);
  else return true;
}
/// T as a function. Of symbols: symbols. Of tensors, variables and expressions: an expression; where there are several results, a
/// tuple of tensors from one run of one program, or, of variables, a tuple of expressions.
template <class T> struct transform {
  template <class... X> constexpr auto operator()(X&&... x) const {
    if constexpr ((symbol<X> || ...)) {
      return T::on(as_sym(common_graph(x...), x)...);
    } else if constexpr (!takes<T>(sizeof...(X))) {
      static_assert(takes<T>(sizeof...(X)), "sinter: func: argnums names an argument that the function has not");
      return (x, ...);
    } else {
      if constexpr (requires { T::check(x...); }) T::check(x...);
      static_assert(operands<X...>, "sinter: func: arguments are tensors, variables, expressions and numbers, at least one of them no number");
      using N = applied<composed::transformed<T>, X...>;
      using Y = decltype(N::build(std::declval<cursor&>()));
      if constexpr (!is_tuple<Y>) return apply<composed::transformed<T>>(static_cast<X&&>(x)...);
      else if constexpr (has_variable<N>::value) return expressions_of<T, Y>(x...);
      else return evaluate_several(apply<composed::transformed<T>>(static_cast<X&&>(x)...));
    }
  }
};

/// After an error: what needs no second one.
struct first_argument {
  static constexpr const char* name = "fn";
  static constexpr auto on(auto x, auto...) { return x; }
};
template <class F, class T> struct transform_of_ {
  static_assert(std::is_empty_v<F>, "sinter: func: the function must not capture; pass what it needs as arguments");
  using type = std::conditional_t<std::is_empty_v<F>, transform<T>, transform<first_argument>>;
};
/// The transform T of a function F, which captures nothing.
template <class F, class T> using transform_of = typename transform_of_<F, T>::type;
template <class F, class I> struct all_gradients_;
template <class F, std::size_t... I> struct all_gradients_<F, std::index_sequence<I...>> {
  using type = transform<gradient_of<F, argnums_t<static_cast<int>(I)...>, false, with_value::no>>;
};
template <class F, std::size_t N> using all_gradients = typename all_gradients_<F, std::make_index_sequence<N>>::type;

/// `argnums<...>` and `has_aux`, in any order.
template <class O> inline constexpr bool is_argnums = false;
template <int... I> inline constexpr bool is_argnums<argnums_t<I...>> = true;
template <class O> concept grad_option = is_argnums<O> || std::is_same_v<O, has_aux_t>;
template <class... O> struct argnums_among { using type = argnums_t<0>; };
template <class First, class... O> struct argnums_among<First, O...> { using type = std::conditional_t<is_argnums<First>, First, typename argnums_among<O...>::type>; };
template <class F, with_value Value, class... O>
using gradient_by = gradient_of<F, typename argnums_among<O...>::type, (std::is_same_v<O, has_aux_t> || ...), Value>;

/// The shapes of the tensors in a result, one after the other.
template <class Y> void list_shapes(const Y& y, vec<shape_value>& to) {
  if constexpr (is_tuple<Y>) std::apply([&](const auto&... e) { (list_shapes(e, to), ...); }, y);
  else if constexpr (has_sizes<Y>) to.push(shape_of(y));
}
/// What vjp and linearize return beside the value: T of the kept arguments and what it is called with.
template <class T, class... A> struct with_arguments {
  std::tuple<A...> kept;
  vec<shape_value> results = {};  ///< shapes of the values that it is called with; none: not known yet
  template <class... X> constexpr auto operator()(const X&... x) const {
    int i = 0;
    const auto check = [&]<class C>(const C& c) {
      if constexpr (has_sizes<C>)
        if (i < results.size())
          if (const shape_value own = shape_of(c); !(own == results[i]))
            fail<shape_error>("vjp: result ", i, " has shape ", shape_text{results[i].e, results[i].rank}, ", its cotangent ", shape_text{own.e, own.rank});
      ++i;
    };
    if constexpr (!(symbol<X> || ...)) (check(x), ...);
    return std::apply([&](const auto&... a) { return transform<T>{}(a..., x...); }, kept);
  }
};
/// f itself, called as transforms are.
template <class F> struct plain {
  static constexpr const char* name = "fn";
  template <class... X> static constexpr auto on(X... x) { return F{}(x...); }
};
template <class F, class... X> constexpr auto value_of_function(const X&... x) {
  if constexpr ((symbol<X> || ...)) return F{}(x...);
  else {
    auto y = transform_of<F, plain<F>>{}(x...);
    if constexpr (is_tuple<decltype(y)>) return y;
    else if constexpr (has_variable<decltype(y)>::value) return y;
    else return evaluate_tensor(y);
  }
}

}  // namespace detail

/// The gradient of f's result, one value without dims, by argument 0 or by those of `argnums` (a tuple where they are several): a
/// function of f's arguments; `argnums<0, -1>` counts from the end, too. With `has_aux` f returns the tuple of its result and something more, and grad(f) the tuple of the
/// gradient and that. Errors at compile time: a result with dims, derivatives by integers. Throws shape_error where an argument is
/// broadcast along a dim whose extent of 1 its type does not say.
/// https://pytorch.org/docs/stable/generated/torch.func.grad.html
template <class F, class... O> requires(detail::grad_option<O> && ...) constexpr auto grad(F, O...) { return typename detail::transform_of_<F, detail::gradient_by<F, detail::with_value::no, O...>>::type{}; }

/// The tuple of grad(f)'s result and f's, by one program.
/// https://pytorch.org/docs/stable/generated/torch.func.grad_and_value.html
template <class F, class... O> requires(detail::grad_option<O> && ...) constexpr auto grad_and_value(F, O...) { return typename detail::transform_of_<F, detail::gradient_by<F, detail::with_value::after, O...>>::type{}; }
/// The same with f's result in front, as JAX has it.
template <class F, class... O> requires(detail::grad_option<O> && ...) constexpr auto value_and_grad(F, O...) { return typename detail::transform_of_<F, detail::gradient_by<F, detail::with_value::before, O...>>::type{}; }

/// dy/dx of y = f(..., x, ...), shape y's dims then x's, by reverse mode: as many backward passes as y has elements, as one batch.
/// Of a tuple of results: a tuple of what there is for each.
/// https://pytorch.org/docs/stable/generated/torch.func.jacrev.html
template <class F, int... N> constexpr auto jacrev(F, argnums_t<N...>) { return detail::transform_of<F, detail::reverse_jacobian<F, argnums_t<N...>>>{}; }
template <class F> constexpr auto jacrev(F f) { return jacrev(f, argnums<0>); }
/// The same by forward mode: one pass for each element of x, as one batch; for functions with more results than arguments.
/// https://pytorch.org/docs/stable/generated/torch.func.jacfwd.html
template <class F, int... N> constexpr auto jacfwd(F, argnums_t<N...>) { return detail::transform_of<F, detail::forward_jacobian<F, argnums_t<N...>>>{}; }
template <class F> constexpr auto jacfwd(F f) { return jacfwd(f, argnums<0>); }
/// All second derivatives of f: jacfwd(jacrev(f)), shape y's dims, then x's twice.
/// https://pytorch.org/docs/stable/generated/torch.func.hessian.html
template <class F, int... N> constexpr auto hessian(F f, argnums_t<N...> by) { return jacfwd(jacrev(f, by), by); }
template <class F> constexpr auto hessian(F f) { return hessian(f, argnums<0>); }

/// f over a batch: each argument with a batch dim stands for as many arguments without it, each result for as many results. in_dims:
/// the batch dim of each argument, or `none`; out_dims: where the results have it; dim 0 unless told otherwise. `vmap(f, in_dims<none, 0>)`
/// Random numbers in f need a `randomness`. Errors at compile time: a dim that an argument has not, a value of over 8 dims, convolutions.
/// https://pytorch.org/docs/stable/generated/torch.func.vmap.html
template <class F, int... I, int... O, random_kind R> constexpr auto vmap(F, in_dims_t<I...>, out_dims_t<O...>, randomness_t<R>) {
  return detail::transform_of<F, detail::mapped<F, in_dims_t<I...>, out_dims_t<O...>, R>>{};
}
template <class F, int... I, int... O> constexpr auto vmap(F f, in_dims_t<I...> in, out_dims_t<O...> out) { return vmap(f, in, out, randomness::error); }
template <class F, int... I> constexpr auto vmap(F f, in_dims_t<I...> in) { return vmap(f, in, out_dims<0>); }
template <class F> constexpr auto vmap(F f) { return vmap(f, in_dims<0>); }

/// The tuple of f(primals...) and its tangent, given those of the primals; of one argument, or of tuples of them.
/// https://pytorch.org/docs/stable/generated/torch.func.jvp.html
template <class F, class... P, class... T> constexpr auto jvp(F, const std::tuple<P...>& primals, const std::tuple<T...>& tangents) {
  static_assert(sizeof...(P) == sizeof...(T), "sinter: func::jvp: one tangent for each primal");
  return std::apply(detail::transform_of<F, detail::pushforward<F, sizeof...(P)>>{}, std::tuple_cat(primals, tangents));
}
template <class F, class P, class T> requires(!detail::is_tuple<P>) constexpr auto jvp(F f, const P& primal, const T& tangent) {
  return jvp(f, std::tuple(primal), std::tuple(tangent));
}
/// f(primals...) and the function of a cotangent (one for each of f's results) that returns the primals' gradients: a tuple where they
/// are several. The function evaluates f again, in one program with the gradients.
/// https://pytorch.org/docs/stable/generated/torch.func.vjp.html
template <class F, class... P> constexpr auto vjp(F, const P&... primals) {
  auto y = detail::value_of_function<F>(primals...);
  detail::vec<sinter::detail::shape_value> shapes;
  detail::list_shapes(y, shapes);
  return std::pair{y, detail::with_arguments<detail::pullback<F, sizeof...(P)>, P...>{{primals...}, shapes}};
}
/// f(primals...) and the function of the primals' tangents that returns the tangent of the result.
/// https://pytorch.org/docs/stable/generated/torch.func.linearize.html
template <class F, class... P> constexpr auto linearize(F, const P&... primals) {
  using tangent = detail::element_of<detail::pushforward<F, sizeof...(P)>, 1>;
  return std::pair{detail::value_of_function<F>(primals...), detail::with_arguments<tangent, P...>{{primals...}}};
}
/// The Hessian of f times a vector, forward over reverse: the tangent of grad(f) at the primals; of one argument, or of tuples of
/// them (then a tuple). Costs about two gradients.
template <class F, class... P, class... T> constexpr auto hvp(F, const std::tuple<P...>& primals, const std::tuple<T...>& tangents) {
  static_assert(sizeof...(P) == sizeof...(T), "sinter: func::hvp: one tangent for each primal");
  return std::apply(detail::transform_of<F, detail::element_of<detail::pushforward<detail::all_gradients<F, sizeof...(P)>, sizeof...(P)>, 1>>{},
                    std::tuple_cat(primals, tangents));
}
template <class F, class P, class T> requires(!detail::is_tuple<P>) constexpr auto hvp(F f, const P& primal, const T& tangent) {
  return hvp(f, std::tuple(primal), std::tuple(tangent));
}

}  // namespace func::inline SINTER_TARGET
}  // namespace sinter::inline v0
