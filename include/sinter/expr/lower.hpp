// SPDX-License-Identifier: BSD-3-Clause
// From a surface expression's type to its program, its dtype and its extents.
// Next: expr/stage.hpp turns a program into kernels.
#pragma once
#include "node.hpp"
#include "shape.hpp"

namespace sinter::inline v0 {
namespace op {
struct detach;
}
namespace detail::inline SINTER_TARGET {

/// Value s as the next result of a program; a complex one is two: real and imaginary part.
constexpr void add_output(graph& g, sym s, int& results) { g.output(s, results++); }
constexpr void add_output(graph& g, complex_sym z, int& results) { g.output(z.re, results++), g.output(z.im, results++); }

template <class X> struct lower_source {
  template <int Room> static constexpr auto make() {
    graph g;
    cursor c{g};
    int results = 0;
    add_output(g, X::build(c), results);
    return flatten<Room>(g, c.operands);
  }
};
/// The program of an expression.
template <class X> using program_of = make_program<lower_source<X>>;

/// Why a transform of functions has no result in P, if one has not.
template <class P> constexpr misuse misuse_of() {
  for (int i = 0; i < P::ops_type::size; ++i)
    if (const misuse why = bare_table<typename P::ops_type>::value[i]->info.reason; why != misuse::none) return why;
  return misuse::none;
}
/// The static extents of the operands of an expression, in order.
template <class X> struct operand_shapes {
  static constexpr void collect(shape_value*&) {}
};
template <class H> struct operand_shapes<leaf<H>> {
  static constexpr void collect(shape_value*& to) {
    using E = typename H::extents_type;
    for (int part = 0; part < leaf<H>::operand_count; ++part, ++to) {
      to->rank = E::rank;
      for (int i = 0; i < E::rank; ++i) to->e[i] = E::at(i) < 0 ? dyn : E::at(i);
    }
  }
};
template <class N> struct operand_shapes<number_operand<N>> {
  static constexpr void collect(shape_value*& to) { to += number_operand<N>::operand_count; }
};
template <class Op, class... A> struct operand_shapes<node<Op, A...>> {
  static constexpr void collect(shape_value*& to) { (operand_shapes<A>::collect(to), ...); }
};

/// Is the value of a node, leaf or number complex?
template <class X> inline constexpr bool is_complex_value = std::is_same_v<decltype(X::build(std::declval<cursor&>())), complex_sym>;

/// No op for integers alone has a floating operand.
template <class P> constexpr bool whole_fits() {
  for (int i = 0; i < P::size; ++i) {
    const op_descr* op = view_of<P>.descr(i);
    const dtype t = P::at(P::at(i).a).type;
    if (op && op->info.whole && !is_integral(t) && t != dtype::b8) return false;
  }
  return true;
}
/// Explains at compile time what does not fit in L::program, whose static shapes are L::result.
template <class L> struct explained {
  /// Explains at compile time what does not fit. Not in the class itself: what follows from a mistake would be errors, too.
  static constexpr void check() {
    using program = typename L::program;
    static_assert(complex_fits<program>(), SINTER_REAL_NEEDED);
    constexpr misuse why = misuse_of<program>();
    static_assert(why != misuse::scalar, "sinter: func: the function to differentiate returns a value with dims: sum it, or take func::jacrev, func::vjp");
    static_assert(why != misuse::floating, "sinter: func: derivatives are of real floating-point results by floating-point arguments; leave others out of argnums");
    static_assert(why != misuse::rank, "sinter: func: a value with its batch dims has more than 8 dims");
    static_assert(why != misuse::labels, "sinter: func: a product with its batch dims has more than 8 different dims, or 7 in one operand");
    static_assert(why != misuse::run_time, "sinter: func: dims of a batched value are known at compile time: st::dim<...>");
    static_assert(why != misuse::window, "sinter: func: vmap of a convolution is not supported: give it the batch as its own batch dim");
    static_assert(why != misuse::random, "sinter: func: vmap of random numbers: say which, vmap(f, in_dims<0>{}, out_dims<0>{}, randomness::different)");
    static_assert(why != misuse::dim, "sinter: func: vmap: an in_dims or out_dims names a dim that the argument or the result has not");
    static_assert(why != misuse::loop, "sinter: func: vmap of a while_loop whose condition differs from sample to sample: let it be of what all share, or scan a number of steps");
    static_assert(why != misuse::step, "sinter: a step of a loop returns what it carries, in the structure that it was given; of a scan also std::pair(carry, y)");
    static_assert(why != misuse::carry, "sinter: a step of a loop returns a floating-point value for what is carried as an integer: start from a floating-point one, or cast");
    static_assert(why != misuse::tangent, "sinter: func: tangents and cotangents have the rank and kind of the values they belong to");
    static_assert(whole_fits<program>(), "sinter: bitwise operations need integer or bool operands");
    static_assert(L::result.fault.kind != shape_fault::broadcast,
                  "sinter: shapes do not broadcast: two static extents differ and neither is 1; transpose, slice or unsqueeze one");
    static_assert(L::result.fault.kind != shape_fault::inner,
                  "sinter: matmul: the inner static extents differ (columns of a, rows of b); transpose one: a.T()");
    static_assert(L::result.fault.kind != shape_fault::rank,
                  "sinter: a convolution of N dims is of an input [batch, channels, N dims] or [channels, N dims] and a weight [out, in / groups, N dims]");
    static_assert(L::result.fault.kind != shape_fault::carry, "sinter: a step of a loop must return its carry in the shape that it was given");
    static_assert(L::result.fault.kind != shape_fault::length, "sinter: scan: a stacked operand has dims, and the first one of all of them is the number of steps");
    static_assert(L::result.fault.kind != shape_fault::branch, "sinter: cond: the two branches return values of different shapes");
    static_assert(L::result.fault.kind != shape_fault::truth, "sinter: a condition is one element");
    static_assert(L::result.fault.kind != shape_fault::body && L::result.fault.kind != shape_fault::second_body,
                  "sinter: static shapes inside the function of a loop or branch do not fit");
    static_assert(L::result.fault.kind != shape_fault::dims,
                  "sinter: dim<...> is out of range for the operand, or named twice: dims are 0 .. rank - 1, or negative from the end; a roll is by less than 2^23");
  }
};

template <class X> struct lowered : explained<lowered<X>> {
  using program = program_of<X>;
  static constexpr bool is_complex = is_complex_value<X>;
  static constexpr struct result_t {
    shape_value shape;
    dtype type = dtype::f32;
    shape_fault fault;
  } result = [] {
    shape_value leaves[program::operand_count + 1] = {}, shapes[program::size + 1] = {};
    shape_value* to = leaves;
    operand_shapes<X>::collect(to);
    result_t r;
    r.fault = infer_shapes(view_of<program>, leaves, nullptr, shapes);
    r.shape = shapes[program::size - 1];
    r.type = program::at(program::size - 1).type;
    if (is_complex) r.type = complex_type(r.type);
    return r;
  }();
  static constexpr bool fits = result.fault.kind == shape_fault::none;
  template <int... I> static extents<result.shape[I]...> make(std::integer_sequence<int, I...>);
  using extents_type = decltype(make(std::make_integer_sequence<int, result.shape.rank>{}));
  using value_type = cpp_type<result.type>;
};

/// Does evaluating X take more than an element-wise loop?
template <class X> constexpr bool holds_barrier() {
  using P = program_of<X>;
  for (int i = 0; i < P::size; ++i)
    if (P::at(i).op == code::reduce || P::at(i).is_product() || P::at(i).is_loop()) return true;
  return false;
}

/// Does X depend on variables? A detached expression does not: `tensor y = detach(f(w))` records nothing.
template <class X> struct has_variable { static constexpr bool value = false; };
template <class H> struct has_variable<leaf<H>> { static constexpr bool value = is_variable<H>; };
template <class Op, class... A> struct has_variable<node<Op, A...>> {
  static constexpr bool value = (has_variable<A>::value || ...);
};
template <class A> struct has_variable<node<op::detach, A>> { static constexpr bool value = false; };

/// f(leaf) for every leaf of a tree, numbers included, in the order of the program's operands.
template <class X, class F> void for_leaves(const X& x, F& f) {
  if constexpr (is_node<X>) std::apply([&](const auto&... a) { (for_leaves(a, f), ...); }, x.operands());
  else if constexpr (!dims_operand<X>) f(x);
}
template <class X, class F> void for_dims(const X& x, F& f) {
  if constexpr (is_node<X>) std::apply([&](const auto&... a) { (for_dims(a, f), ...); }, x.operands());
  else if constexpr (dims_operand<X>) f(x);
}

}  // namespace detail::inline SINTER_TARGET
}  // namespace sinter::inline v0
