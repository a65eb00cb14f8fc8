// SPDX-License-Identifier: BSD-3-Clause
// Reductions: sum, max, argmax as structs; mean and var as compositions. Device-clean. Next: op/normalization.hpp.
#pragma once
#include "exponential.hpp"

namespace sinter::inline v0 {

/// A state of two parts, for reductions that need more than one number.
template <class A, class B> struct parts {
  A first;
  B second;
};
template <class A, class B> parts(A, B) -> parts<A, B>;

namespace composed {
template <class R> struct reduced;  // result without the reduced dims
template <class R> struct kept;     // reduced dims stay with extent 1
}  // namespace composed

namespace op {

/// The sum; 0 over nothing
struct sum {
  using reduction = void;
  static constexpr op_info info{.name = "sum", .result = result_type::wide, .integers = true};
  static constexpr auto init(lane auto like) { return decltype(like)(0); }
  static constexpr auto push(lane auto s, lane auto x, auto) { return s + x; }
  static constexpr auto merge(lane auto a, lane auto b) { return a + b; }
  static constexpr auto result(lane auto s) { return s; }
  static constexpr auto grad(auto dy, auto, auto x, axes) { return expand_as(dy, x); }
};

/// The position of the largest element along the dims, the first of equals; a NaN counts as largest
struct argmax {
  using reduction = void;
  static constexpr op_info info{.name = "argmax", .result = result_type::index, .discontinuous = true, .nonempty = true, .integers = true};
  using indexed = void;  // push needs the element's position
  template <lane V> static constexpr auto init(V like) { return parts<V, index_lane<V>>{lowest(like), index_lane<V>(-1)}; }
  static constexpr auto push(auto s, lane auto x, auto i) { return better(s, parts{x, i}); }
  static constexpr auto merge(auto a, auto b) { return better(a, b); }
  static constexpr auto result(auto s) { return s.second; }
  static constexpr auto grad(auto, auto, auto, axes) { return no_gradient; }

 private:
  template <class S> static constexpr S better(S a, S b) {
    using math::select;
    // b wins if it is larger, or first among equals, or the first NaN; an empty state (-1) always loses
    auto larger = (b.first > a.first) | ((b.first != b.first) & (a.first == a.first));
    auto equal = (b.first == a.first) | ((b.first != b.first) & (a.first != a.first));
    auto wins = (b.second >= decltype(b.second)(0)) &
                ((a.second < decltype(a.second)(0)) | larger | (equal & (b.second < a.second)));
    return {select(wins, b.first, a.first), select(wins, b.second, a.second)};
  }
};

/// The largest element; NaN wins. The gradient goes to the element that argmax names
struct max {
  using reduction = void;
  static constexpr op_info info{.name = "max", .nonempty = true, .integers = true};
  static constexpr auto init(lane auto like) { return lowest(like); }
  static constexpr auto push(lane auto s, lane auto x, auto) {
    using math::max;
    return max(x, s);
  }
  static constexpr auto merge(lane auto a, lane auto b) {
    using math::max;
    return max(a, b);
  }
  static constexpr auto result(lane auto s) { return s; }
  static constexpr auto grad(auto dy, auto, auto x, axes d) {
    return sinter::where(index_along(x, d) == apply<composed::kept<argmax>>(x, d), expand_as(dy, x), 0);
  }
};

/// x, without a gradient
struct detach {
  static constexpr op_info info{.name = "detach", .integers = true};
  static constexpr auto value(lane auto x) { return x; }
  static constexpr auto grad(auto, auto, auto) { return no_gradient; }
};

}  // namespace op

namespace composed {

template <class R> struct kept {
  using composition = void;
  static constexpr op_info info = R::info;
  static constexpr auto compose(auto x, axes d) { return reduce_sym<R>(x, d); }
};
template <class R> struct reduced {
  using composition = void;
  static constexpr op_info info = R::info;
  static constexpr auto compose(auto x, axes d) { return squeeze(reduce_sym<R>(x, d), d); }
};

/// Sum / number of elements
struct mean {
  using composition = void;
  static constexpr op_info info{.name = "mean"};
  static constexpr auto compose(auto x, axes d) {
    auto f = floating(x);
    return reduce_sym<op::sum>(f, d) / extent_along(f, d);
  }
};
/// Sum of squared distances from the mean / (number of elements - correction); two passes, stable at any mean
struct var {
  using composition = void;
  static constexpr op_info info{.name = "var"};
  static constexpr auto compose(auto x, axes d) { return compose(x, d, 1); }
  static constexpr auto compose(auto x, axes d, auto correction) {
    auto f = floating(x);
    auto c = f - apply<mean>(f, d);
    return reduce_sym<op::sum>(c * c, d) / maximum(extent_along(f, d) - correction, 0);
  }
};
template <class C> struct squeezed {
  using composition = void;
  static constexpr op_info info = C::info;
  static constexpr auto compose(auto x, axes d, auto... more) { return squeeze(C::compose(x, d, more...), d); }
};

}  // namespace composed

#define SINTER_REDUCTION(name, without, with)                                                                       \
  template <expression X, dims_like D = all_dims_t> constexpr applied<without, X, dims_of<D>> name(X&& x, D d = {}) { \
    return apply<without>(static_cast<X&&>(x), dims_of<D>(d));                                                       \
  }                                                                                                                  \
  template <expression X, dims_like D> constexpr applied<with, X, dims_of<D>> name(X&& x, D d, keepdim_t) {           \
    return apply<with>(static_cast<X&&>(x), dims_of<D>(d));                                                          \
  }                                                                                                                  \
  template <expression X, int N> constexpr applied<without, X, dims<N>> name(X&& x, const int (&d)[N]) {              \
    return apply<without>(static_cast<X&&>(x), dims<N>(d));                                                          \
  }                                                                                                                  \
  template <expression X, int N> constexpr applied<with, X, dims<N>> name(X&& x, const int (&d)[N], keepdim_t) {      \
    return apply<with>(static_cast<X&&>(x), dims<N>(d));                                                             \
  }

/// Sum over all elements, one dim, `{0, 2}`, or `dim<1>`; integers and bool sum as int64.
/// `sum(x, 1, keepdim)` keeps the dim with extent 1.
SINTER_REDUCTION(sum, composed::reduced<op::sum>, composed::kept<op::sum>)
/// The largest element along the dims; NaN wins; the gradient goes to the first of equals.
SINTER_REDUCTION(max, composed::reduced<op::max>, composed::kept<op::max>)
/// The position of the largest element along the dims (row-major over them): int64.
SINTER_REDUCTION(argmax, composed::reduced<op::argmax>, composed::kept<op::argmax>)
/// Mean over the dims; integers as float32. NaN over nothing.
SINTER_REDUCTION(mean, composed::squeezed<composed::mean>, composed::mean)
/// Variance over the dims with Bessel's correction (n - 1), as torch.var; `var(x, d, correction)` for another.
SINTER_REDUCTION(var, composed::squeezed<composed::var>, composed::var)
#undef SINTER_REDUCTION

namespace detail::inline SINTER_TARGET {
// Vectors and other run-time lists as dims: a mistake that deserves one sentence instead of all candidates.
template <class D> concept mistaken_dims = !dims_like<D> && !expression<D>;
template <class X> constexpr bare<X> explain_dims(X& x) {
  static_assert(never<X>, "sinter: dims are an int, `{0, 2}` or `st::dim<0, 2>`: how many they are is part of the type");
  return x;
}
template <class B> concept bool_only = same<B, bool>;
template <class X> constexpr bare<X> explain_keepdim(X& x) {
  static_assert(never<X>, "sinter: keepdim is a word here, as its rank is part of a type: `st::sum(x, 1, st::keepdim)`");
  return x;
}
}  // namespace detail::inline SINTER_TARGET
template <expression X, dims_like D, detail::bool_only B> constexpr auto sum(X&& x, D, B) { return detail::explain_keepdim(x); }
template <expression X, dims_like D, detail::bool_only B> constexpr auto max(X&& x, D, B) { return detail::explain_keepdim(x); }
template <expression X, dims_like D, detail::bool_only B> constexpr auto argmax(X&& x, D, B) { return detail::explain_keepdim(x); }
template <expression X, dims_like D, detail::bool_only B> constexpr auto mean(X&& x, D, B) { return detail::explain_keepdim(x); }
template <expression X, dims_like D, detail::bool_only B> constexpr auto var(X&& x, D, B) { return detail::explain_keepdim(x); }
template <expression X, detail::mistaken_dims D> constexpr auto sum(X&& x, const D&, auto...) { return detail::explain_dims(x); }
template <expression X, detail::mistaken_dims D> constexpr auto max(X&& x, const D&, auto...) { return detail::explain_dims(x); }
template <expression X, detail::mistaken_dims D> constexpr auto argmax(X&& x, const D&, auto...) { return detail::explain_dims(x); }
template <expression X, detail::mistaken_dims D> constexpr auto mean(X&& x, const D&, auto...) { return detail::explain_dims(x); }
template <expression X, detail::mistaken_dims D> constexpr auto var(X&& x, const D&, auto...) { return detail::explain_dims(x); }

/// Variance with n - correction in the denominator.
template <expression X, dims_like D, number C> requires(!detail::same<C, bool>) constexpr applied<composed::squeezed<composed::var>, X, dims_of<D>, C>
var(X&& x, D d, C correction) {
  return apply<composed::squeezed<composed::var>>(static_cast<X&&>(x), dims_of<D>(d), correction);
}
/// x as a constant of differentiation.
template <expression X> constexpr applied<op::detach, X> detach(X&& x) { return apply<op::detach>(static_cast<X&&>(x)); }

}  // namespace sinter::inline v0
