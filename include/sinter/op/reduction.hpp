// SPDX-License-Identifier: BSD-3-Clause
// Reductions: sum, prod, max, min, argmax, argmin as structs; mean, var, norms and others as compositions. Device-clean. Next: op/normalization.hpp.
#pragma once
#include "exponential.hpp"
#include "logical.hpp"

namespace sinter::inline v0 {

/// A state of two parts, for reductions that need more than one number.
template <class A, class B> struct parts {
  A first;
  B second;
};
template <class A, class B> parts(A, B) -> parts<A, B>;

namespace composed {
/// |x|^2
constexpr auto squared_abs(auto x) {
  if constexpr (complex_value<decltype(x)>) return x.re * x.re + x.im * x.im;
  else return x * x;
}
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

/// The product; 1 over nothing
struct prod {
  using reduction = void;
  static constexpr op_info info{.name = "prod", .samples = {0.5, 1.5}, .result = result_type::wide, .integers = true};
  static constexpr auto init(lane auto like) { return decltype(like)(1); }
  static constexpr auto push(lane auto s, lane auto x, auto) { return s * x; }
  static constexpr auto merge(lane auto a, lane auto b) { return a * b; }
  static constexpr auto result(lane auto s) { return s; }
  static constexpr auto grad(auto dy, auto, auto x, axes d) {
    // The product of the other elements, with n zeros among all: `rest`, of all that are not 0, and `last`, the sum of the zeros.
    // It stands for the only 0, or without x for the other of two: nothing here, but something in the next derivative.
    // Derivatives of any order where n <= 1, the first two for any n.
    auto zero = x == 0;
    auto filled = sinter::where(zero, 1, x);
    auto n = reduce_sym<sum>(sinter::where(zero, filled, 0), d);
    auto last = reduce_sym<sum>(sinter::where(zero, x, 0), d);
    auto rest = reduce_sym<prod>(filled, d);
    auto finite = sinter::where(sinter::isinf(rest), 0, rest);  // inf times the 0 would be NaN
    auto of_zeros = expand_as(sinter::where(n == 1, rest, 0), x) + expand_as(sinter::where(n == 2, finite, 0), x) * (expand_as(last, x) - x);
    auto of_others = sinter::where(n == 0, rest, sinter::where(n == 1, finite * last, 0));
    return expand_as(dy, x) * sinter::where(zero, of_zeros, expand_as(of_others, x) / filled);
  }
};

/// The position of the largest element along the dims, the first of equals; a NaN counts as largest
struct argmax {
  using reduction = void;
  static constexpr op_info info{.name = "argmax", .result = result_type::index, .discontinuous = true, .nonempty = true, .integers = true};
  using indexed = void;  // push needs the element's position
  template <lane V> static constexpr auto init(V like) { return parts<V, index_lane<V>>{lowest(like), index_lane<V>(-1)}; }
  static constexpr auto push(auto s, lane auto x, auto i) { return better(s, parts{x, i}, x > s.first); }
  static constexpr auto merge(auto a, auto b) { return better(a, b, b.first > a.first); }
  static constexpr auto result(auto s) { return s.second; }
  static constexpr auto grad(auto, auto, auto, axes) { return no_gradient; }

 protected:
  template <class S> static constexpr S better(S a, S b, auto beyond) {
    using math::select;
    // b wins if it is beyond a, or first among equals, or the first NaN; an empty state (-1) always loses
    auto larger = beyond | ((b.first != b.first) & (a.first == a.first));
    auto equal = (b.first == a.first) | ((b.first != b.first) & (a.first != a.first));
    auto wins = (b.second >= decltype(b.second)(0)) &
                ((a.second < decltype(a.second)(0)) | larger | (equal & (b.second < a.second)));
    return {select(wins, b.first, a.first), select(wins, b.second, a.second)};
  }
};

/// The position of the smallest element along the dims, the first of equals; a NaN counts as smallest
struct argmin : argmax {
  static constexpr op_info info{.name = "argmin", .result = result_type::index, .discontinuous = true, .nonempty = true, .integers = true};
  template <lane V> static constexpr auto init(V like) { return parts<V, index_lane<V>>{highest(like), index_lane<V>(-1)}; }
  static constexpr auto push(auto s, lane auto x, auto i) { return better(s, parts{x, i}, x < s.first); }
  static constexpr auto merge(auto a, auto b) { return better(a, b, b.first < a.first); }
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

/// The smallest element; NaN wins. The gradient goes to the element that argmin names
struct min {
  using reduction = void;
  static constexpr op_info info{.name = "min", .nonempty = true, .integers = true};
  static constexpr auto init(lane auto like) { return highest(like); }
  static constexpr auto push(lane auto s, lane auto x, auto) {
    using math::min;
    return min(x, s);
  }
  static constexpr auto merge(lane auto a, lane auto b) {
    using math::min;
    return min(a, b);
  }
  static constexpr auto result(lane auto s) { return s; }
  static constexpr auto grad(auto dy, auto, auto x, axes d) {
    return sinter::where(index_along(x, d) == apply<composed::kept<argmin>>(x, d), expand_as(dy, x), 0);
  }
};
/// The largest element; equals share the gradient. As in PyTorch, that of a NaN is NaN
struct amax : max {
  static constexpr op_info info{.name = "amax", .nonempty = true, .integers = true};
  static constexpr auto grad(auto dy, auto y, auto x, axes d) { return shared(dy, x, x == expand_as(y, x), d); }
  /// dy in equal parts for the elements in `hit`; NaN for all if there is none
  static constexpr auto shared(auto dy, auto x, auto hit, axes d) {
    auto part = dy / reduce_sym<sum>(hit, d);
    return sinter::where(hit, expand_as(part, x), expand_as(0 * part, x));
  }
};
/// The smallest element; equals share the gradient. As in PyTorch, that of a NaN is NaN
struct amin : min {
  static constexpr op_info info{.name = "amin", .nonempty = true, .integers = true};
  static constexpr auto grad(auto dy, auto y, auto x, axes d) { return amax::grad(dy, y, x, d); }
};
/// The largest of all elements; equals share the gradient, and so do NaNs
struct max_of_all : max {
  static constexpr op_info info{.name = "max_of_all", .nonempty = true, .integers = true};
  static constexpr auto grad(auto dy, auto y, auto x, axes d) { return amax::shared(dy, x, (x == expand_as(y, x)) | sinter::isnan(x), d); }
};
/// The smallest of all elements; equals share the gradient, and so do NaNs
struct min_of_all : min {
  static constexpr op_info info{.name = "min_of_all", .nonempty = true, .integers = true};
  static constexpr auto grad(auto dy, auto y, auto x, axes d) { return max_of_all::grad(dy, y, x, d); }
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
    return reduce_sym<op::sum>(squared_abs(c), d) / maximum(extent_along(f, d) - correction, 0);
  }
};
/// sqrt var
struct standard_deviation {
  using composition = void;
  static constexpr op_info info{.name = "std"};
  static constexpr auto compose(auto x, axes d) { return sqrt(var::compose(x, d)); }
  static constexpr auto compose(auto x, axes d, auto correction) { return sqrt(var::compose(x, d, correction)); }
};
/// log sum_j e^(x_j), shifted by the maximum
struct logsumexp {
  using composition = void;
  static constexpr op_info info{.name = "logsumexp"};
  static constexpr auto compose(auto x, axes d) {
    auto f = floating(x);
    auto m = detach(reduce_sym<op::max>(f, d));
    auto shift = where(isinf(m), 0, m);
    return log(reduce_sym<op::sum>(exp(f - shift), d)) + shift;
  }
};
/// Is any element not 0? false over nothing
struct any {
  using composition = void;
  static constexpr op_info info{.name = "any"};
  static constexpr auto compose(auto x, axes d) { return reduce_sym<op::sum>(x != 0, d) > 0; }
};
/// Is no element 0? true over nothing
struct all {
  using composition = void;
  static constexpr op_info info{.name = "all"};
  static constexpr auto compose(auto x, axes d) { return reduce_sym<op::sum>(x == 0, d) == 0; }
};
/// How many elements are not 0
struct count_nonzero {
  using composition = void;
  static constexpr op_info info{.name = "count_nonzero"};
  static constexpr auto compose(auto x, axes d) { return reduce_sym<op::sum>(x != 0, d); }
};
/// (sum_j |x_j|^p)^(1/p), p > 0; the gradient at 0 is 0
struct norm {
  using composition = void;
  static constexpr op_info info{.name = "norm"};
  static constexpr auto compose(auto x, axes d) {  // p = 2
    auto f = floating(x);
    auto s = reduce_sym<op::sum>(squared_abs(f), d);
    return where(s == 0, 0, sqrt(where(s == 0, 1, s)));
  }
  static constexpr auto compose(auto x, axes d, auto p) {
    auto s = reduce_sym<op::sum>(pow(abs(floating(x)), p), d);
    return where(s == 0, 0, pow(where(s == 0, 1, s), 1 / p));
  }
};
/// sum_j |x_j|
struct norm1 {
  using composition = void;
  static constexpr op_info info{.name = "norm1"};
  static constexpr auto compose(auto x, axes d) { return reduce_sym<op::sum>(abs(floating(x)), d); }
};
/// max_j |x_j|
struct norm_inf {
  using composition = void;
  static constexpr op_info info{.name = "norm_inf"};
  static constexpr auto compose(auto x, axes d) { return reduce_sym<op::amax>(abs(floating(x)), d); }
};
/// The op of max and min over dims named by D: over all elements, equals share the gradient.
template <class D> struct extremes_over { using max = op::max; using min = op::min; };
template <> struct extremes_over<all_dims_t> { using max = op::max_of_all; using min = op::min_of_all; };
template <class C> struct squeezed {
  using composition = void;
  static constexpr op_info info = C::info;
  static constexpr auto compose(auto x, axes d, auto... more) { return squeeze(C::compose(x, d, more...), d); }
};

}  // namespace composed

// `without` and `with` may depend on D, the type of the dims.
#define SINTER_REDUCTION(name, without, with)                                                                       \
  template <expression X, dims_like D = all_dims_t> constexpr applied<without, X, dims_of<D>> name(X&& x, D d = {}) { \
    return apply<without>(static_cast<X&&>(x), dims_of<D>(d));                                                       \
  }                                                                                                                  \
  template <expression X, dims_like D> constexpr applied<with, X, dims_of<D>> name(X&& x, D d, keepdim_t) {           \
    return apply<with>(static_cast<X&&>(x), dims_of<D>(d));                                                          \
  }                                                                                                                  \
  template <expression X, int N, class D = dims<N>> constexpr applied<without, X, D> name(X&& x, const int (&d)[N]) {  \
    return apply<without>(static_cast<X&&>(x), D(d));                                                                \
  }                                                                                                                  \
  template <expression X, int N, class D = dims<N>> constexpr applied<with, X, D> name(X&& x, const int (&d)[N], keepdim_t) { \
    return apply<with>(static_cast<X&&>(x), D(d));                                                                   \
  }

/// Sum over all elements, one dim, `{0, 2}`, or `dim<1>`; integers and bool sum as int64.
/// `sum(x, 1, keepdim)` keeps the dim with extent 1.
SINTER_REDUCTION(sum, composed::reduced<op::sum>, composed::kept<op::sum>)
/// The largest element along the dims; NaN wins; the gradient goes to the first of equals along dims, and in equal parts to all
/// of them where no dim is named, as in PyTorch.
SINTER_REDUCTION(max, composed::reduced<typename composed::extremes_over<D>::max>, composed::kept<typename composed::extremes_over<D>::max>)
/// The position of the largest element along the dims (row-major over them): int64.
SINTER_REDUCTION(argmax, composed::reduced<op::argmax>, composed::kept<op::argmax>)
/// Mean over the dims; integers as float32. NaN over nothing.
SINTER_REDUCTION(mean, composed::squeezed<composed::mean>, composed::mean)
/// Variance over the dims with Bessel's correction (n - 1), as torch.var; `var(x, d, correction)` for another.
SINTER_REDUCTION(var, composed::squeezed<composed::var>, composed::var)
/// Product over the dims; integers and bool as int64; 1 over nothing.
SINTER_REDUCTION(prod, composed::reduced<op::prod>, composed::kept<op::prod>)
/// The smallest element along the dims; NaN wins; the gradient is that of max.
SINTER_REDUCTION(min, composed::reduced<typename composed::extremes_over<D>::min>, composed::kept<typename composed::extremes_over<D>::min>)
/// The position of the smallest element along the dims (row-major over them): int64.
SINTER_REDUCTION(argmin, composed::reduced<op::argmin>, composed::kept<op::argmin>)
/// The largest element along the dims; equals share the gradient.
SINTER_REDUCTION(amax, composed::reduced<op::amax>, composed::kept<op::amax>)
/// The smallest element along the dims; equals share the gradient.
SINTER_REDUCTION(amin, composed::reduced<op::amin>, composed::kept<op::amin>)
/// Is any element not 0?
SINTER_REDUCTION(any, composed::squeezed<composed::any>, composed::any)
/// Is no element 0?
SINTER_REDUCTION(all, composed::squeezed<composed::all>, composed::all)
/// How many elements are not 0: int64.
SINTER_REDUCTION(count_nonzero, composed::squeezed<composed::count_nonzero>, composed::count_nonzero)
/// Standard deviation with Bessel's correction; `std(x, d, correction)` for another.
SINTER_REDUCTION(std, composed::squeezed<composed::standard_deviation>, composed::standard_deviation)
/// log(sum(exp(x))) without overflow.
SINTER_REDUCTION(logsumexp, composed::squeezed<composed::logsumexp>, composed::logsumexp)
/// The 2-norm sqrt(sum(x^2)); the gradient at 0 is 0. `norm(x, d, p)` for another p > 0.
SINTER_REDUCTION(norm, composed::squeezed<composed::norm>, composed::norm)
/// The 1-norm: sum of absolute values.
SINTER_REDUCTION(norm1, composed::squeezed<composed::norm1>, composed::norm1)
/// The maximum norm: the largest absolute value.
SINTER_REDUCTION(norm_inf, composed::squeezed<composed::norm_inf>, composed::norm_inf)
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
template <expression X, detail::mistaken_dims D> constexpr auto prod(X&& x, const D&, auto...) { return detail::explain_dims(x); }
template <expression X, detail::mistaken_dims D> constexpr auto min(X&& x, const D&, auto...) { return detail::explain_dims(x); }
template <expression X, detail::mistaken_dims D> constexpr auto argmin(X&& x, const D&, auto...) { return detail::explain_dims(x); }
template <expression X, detail::mistaken_dims D> constexpr auto amax(X&& x, const D&, auto...) { return detail::explain_dims(x); }
template <expression X, detail::mistaken_dims D> constexpr auto amin(X&& x, const D&, auto...) { return detail::explain_dims(x); }
template <expression X, detail::mistaken_dims D> constexpr auto std(X&& x, const D&, auto...) { return detail::explain_dims(x); }
template <expression X, detail::mistaken_dims D> constexpr auto norm(X&& x, const D&, auto...) { return detail::explain_dims(x); }
template <expression X, detail::mistaken_dims D> constexpr auto logsumexp(X&& x, const D&, auto...) { return detail::explain_dims(x); }

/// Variance with n - correction in the denominator.
template <expression X, dims_like D, number C> requires(!detail::same<C, bool>) constexpr applied<composed::squeezed<composed::var>, X, dims_of<D>, C>
var(X&& x, D d, C correction) {
  return apply<composed::squeezed<composed::var>>(static_cast<X&&>(x), dims_of<D>(d), correction);
}
/// What var_mean and std_mean return: two formulas, `auto [v, m] = var_mean(x, 1)`.
template <class A, class B> struct moments {
  A spread;
  B mean;
};
/// var(x, d) and mean(x, d). https://pytorch.org/docs/stable/generated/torch.var_mean.html
template <expression X, dims_like D> constexpr auto var_mean(const X& x, D d) {
  return moments<decltype(var(x, d)), decltype(mean(x, d))>{var(x, d), mean(x, d)};
}
/// std(x, d) and mean(x, d).
template <expression X, dims_like D> constexpr auto std_mean(const X& x, D d) {
  return moments<decltype(std(x, d)), decltype(mean(x, d))>{std(x, d), mean(x, d)};
}
/// Standard deviation with n - correction in the denominator.
template <expression X, dims_like D, number C> constexpr applied<composed::squeezed<composed::standard_deviation>, X, dims_of<D>, C>
std(X&& x, D d, C correction) {
  return apply<composed::squeezed<composed::standard_deviation>>(static_cast<X&&>(x), dims_of<D>(d), correction);
}
/// The p-norm (sum |x|^p)^(1/p), p > 0.
template <expression X, dims_like D> constexpr applied<composed::squeezed<composed::norm>, X, dims_of<D>, double> norm(X&& x, D d, double p) {
  return apply<composed::squeezed<composed::norm>>(static_cast<X&&>(x), dims_of<D>(d), double{p});
}
/// x as a constant of differentiation.
template <expression X> constexpr applied<op::detach, X> detach(X&& x) { return apply<op::detach>(static_cast<X&&>(x)); }

}  // namespace sinter::inline v0
