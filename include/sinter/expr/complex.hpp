// SPDX-License-Identifier: BSD-3-Clause
// Complex values in a graph: pairs of real ones, which meet in one dtype. The graph itself, its derivative and its kernels
// know real numbers only; the gradient of the parts is PyTorch's gradient dL/d(re) + i dL/d(im).
// What each op is in terms of the parts: op/complex_form.hpp. Next: expr/node.hpp.
#pragma once
#include "../op/complex_form.hpp"
#include "program.hpp"

namespace sinter::inline v0 {
namespace op {
/// Stands where a program has no meaning for complex numbers; lowered::check() explains it.
struct real_needed {
  static constexpr op_info info{.name = "real_needed"};
  static constexpr auto value(lane auto x) { return x; }
  static constexpr auto grad(auto, auto, auto) { return no_gradient; }
};
}  // namespace op

namespace detail::inline SINTER_TARGET {

/// Is every operation of a program defined for its operands, complex ones among them?
template <class P> constexpr bool complex_fits() {
  for (int i = 0; i < P::ops_type::size; ++i)
    if (descr_table<typename P::ops_type>::value[i]->id == descr_of<op::real_needed>.id) return false;
  return true;
}
#define SINTER_REAL_NEEDED "sinter: complex numbers where real ones are needed: take abs(z), real(z) or imag(z) first"

constexpr void list_parts(vec<sym>& to, sym x) { to.push(x); }
constexpr void list_parts(vec<sym>& to, complex_sym z) { to.push(z.re), to.push(z.im); }
/// The dtype of parts in which values meet: float64 if it takes part, else float32. Numbers alone are float64, as what is made of
/// them meets a tensor later.
template <class... A> constexpr dtype part_type(graph& g, A... a) {
  vec<sym> parts;
  (list_parts(parts, a), ...);
  return g.common_type(&parts[0], parts.size()) == dtype::f64 ? dtype::f64 : dtype::f32;
}
constexpr bool all_numbers(graph& g, const vec<sym>& parts) {
  for (int i = 0; i < parts.size(); ++i)
    if (!g[parts[i].id].weak) return false;
  return true;
}
// Numbers stay numbers: a cast would make them operands like others.
constexpr sym cast_parts(sym x, dtype t) { return (*x.g)[x.id].weak ? x : x.g->cast(x, t); }
constexpr complex_sym cast_parts(complex_sym z, dtype t) { return {cast_parts(z.re, t), cast_parts(z.im, t)}; }

template <class Op, class... A> constexpr auto apply_complex(graph& g, A... a) {
  if constexpr (!has_complex_form<Op>) {
    return apply_primitive<op::real_needed>(g.literal(0, dtype::f32));
  } else if constexpr (Op::info.result == result_type::second) {
    return [&](auto first, auto... rest) {
      vec<sym> condition, choices;
      list_parts(condition, first), (list_parts(choices, rest), ...);
      const bool only_choices = all_numbers(g, choices) && !all_numbers(g, condition);  // are complex64
      const dtype t = only_choices ? dtype::f32 : part_type(g, rest...);
      return complex_form<Op>::of(first, cast_parts(rest, t)...);
    }(a...);
  } else {
    const dtype t = part_type(g, a...);
    return complex_form<Op>::of(cast_parts(a, t)...);
  }
}

}  // namespace detail::inline SINTER_TARGET

/// x in another dtype; real values as complex ones get an imaginary part of 0.
template <dtype To> constexpr auto cast_to(sym x) {
  if constexpr (is_complex(To)) {
    const sym re = x.g->cast(x, real_type(To)), zero = x.g->literal(0, real_type(To), false);
    return complex_sym{re, rank_of(x) ? expand_as(zero, x) : zero};
  } else {
    return x.g->cast(x, To);
  }
}
template <dtype To> constexpr auto cast_to(complex_sym z) {
  if constexpr (is_complex(To)) return detail::each_part(z, [](sym x) { return x.g->cast(x, real_type(To)); });
  else return detail::apply_primitive<op::real_needed>(cast_to<To>(z.re));
}

template <class R> constexpr auto reduce_sym(complex_sym z, axes d) {
  if constexpr (detail::has_complex_form<R>) return complex_form<R>::of(z, d);
  else return detail::apply_primitive<op::real_needed>(reduce_sym<R>(z.re, d));
}

template <class A, class B> requires detail::any_complex<A, B> constexpr complex_sym contract_matmul(A a, B b) {
  return detail::multiply_parts(a, b, [](sym x, sym y) { return contract_matmul(x, y); });
}
template <class A, class B> requires detail::any_complex<A, B> constexpr complex_sym contract_linear(A a, B b) {
  return detail::multiply_parts(a, b, [](sym x, sym y) { return contract_linear(x, y); });
}

template <class A, class B> requires detail::any_complex<A, B> constexpr complex_sym convolve_images(A x, B w, axes d, bool transposed) {
  return detail::multiply_parts(x, w, [=](sym a, sym b) { return convolve_images(a, b, d, transposed); });
}

/// a + b i of real values that broadcast.
template <real_value A, real_value B> constexpr complex_sym complex_of_parts(A a, B b) {
  graph& g = *a.g;
  const dtype t = detail::part_type(g, a, b);
  a = g.cast(a, t), b = g.cast(b, t);
  if (a.id == b.id || (rank_of(a) == 0 && rank_of(b) == 0)) return {a, b};
  const sym shape = a + b;  // of which only the shape is used
  return {expand_as(a, shape), expand_as(b, shape)};
}

}  // namespace sinter::inline v0
