// SPDX-License-Identifier: BSD-3-Clause
// From an op's struct to the builder: its description without a type, and ops applied to symbols.
// Next: expr/adjoint.hpp uses the rules, expr/program.hpp finds the types again.
#pragma once
#include "../op/arithmetic.hpp"
#include "graph.hpp"
#include "words.hpp"

namespace sinter::inline v0 {

/// A composition: `static constexpr auto compose(operands...)` in terms of other ops; it needs no derivative.
template <class Op>
concept composition = requires { typename Op::composition; };
/// A reduction: `init`, `push(state, x, index)`, `merge`, `result`.
template <class Op>
concept reduction = requires { typename Op::reduction; };

namespace detail::inline SINTER_TARGET {

template <class Op, class T> T value_of(const T* x) {
  if constexpr (same<Op, op::where>) return Op::value(x[0] != T(0), x[1], x[2]);
  else if constexpr (arity_of<Op> == 1) return static_cast<T>(Op::value(x[0]));
  else if constexpr (arity_of<Op> == 2) return static_cast<T>(Op::value(x[0], x[1]));
  else return static_cast<T>(Op::value(x[0], x[1], x[2]));
}

/// A loop of known length, so that compilers make vectors of it.
template <class Op> void values_of(const double* const* x, double* y) {
  const double* const a = x[0];
  const double* const b = x[arity_of<Op> > 1];
  const double* const c = x[arity_of<Op> > 2 ? 2 : 0];
  double out[interpreted_block];
  for (int i = 0; i < interpreted_block; ++i) {
    const double in[3] = {a[i], b[i], c[i]};
    out[i] = value_of<Op, double>(in);
  }
  for (int i = 0; i < interpreted_block; ++i) y[i] = out[i];
}

template <class Op, class T> T fold_of(const T* x, int64 n, int64 stride) {
  auto s = Op::init(T{});
  for (int64 i = 0; i < n; ++i) s = Op::push(s, x[i * stride], i);
  return static_cast<T>(Op::result(s));
}

/// Calls `Op::grad` with as many operands as it takes and stores what it returns.
template <class Op> constexpr void rule_of(sym dy, sym y, const sym* x, axes d, sym* out) {
  auto store = [&](auto g) {
    if constexpr (same<decltype(g), sym>) out[0] = g;
    else if constexpr (!same<decltype(g), no_gradient_t>)
      for (int i = 0; i < static_cast<int>(sizeof g.values / sizeof(sym)); ++i) out[i] = g.values[i];
  };
  if constexpr (reduction<Op>) store(Op::grad(dy, y, x[0], d));
  else if constexpr (arity_of<Op> == 1) store(Op::grad(dy, y, x[0]));
  else if constexpr (arity_of<Op> == 2) store(Op::grad(dy, y, x[0], x[1]));
  else store(Op::grad(dy, y, x[0], x[1], x[2]));
}

template <class Op> constexpr uint64 name_hash() {
  uint64 h = 14695981039346656037u;  // FNV-1a
  for (const char* c = __PRETTY_FUNCTION__; *c; ++c) h = (h ^ static_cast<unsigned char>(*c)) * 1099511628211u;
  return h;
}
/// An op without its functions: all that shapes and errors need.
template <class Op> constexpr op_descr describe_bare() {
  op_descr d{};
  d.id = name_hash<Op>();
  d.info = Op::info;
  d.arity = arity_of<Op>;
  d.reduction = reduction<Op>;
  if constexpr (reduction<Op>) d.single = same<decltype(Op::init(double{})), double>;
  return d;
}
template <class Op> constexpr op_descr describe() {
  op_descr d = describe_bare<Op>();
  d.rule = &rule_of<Op>;
  if constexpr (reduction<Op>) {
    d.fold = &fold_of<Op, double>;
    if constexpr (Op::info.integers) d.integer_fold = &fold_of<Op, int64>;
  } else {
    if constexpr (!Op::info.whole) d.values = &values_of<Op>;
    if constexpr (Op::info.integers || Op::info.whole) d.integer = &value_of<Op, int64>;
  }
  return d;
}

template <class Op> SINTER_HIDDEN inline constexpr op_descr descr_of = describe<Op>();
template <class Op> SINTER_HIDDEN inline constexpr op_descr bare_descr_of = describe_bare<Op>();

template <class T> struct type_is { using type = T; };
// The way back from a description to its type. The builder works on values; only its result becomes a type, and
// that result names ops by the address of their description. Applying an op defines a friend function that
// overload resolution finds by that address: a compile-time table from address to type.
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wnon-template-friend"
#endif
#ifdef __NVCC__
#pragma nv_diag_suppress 1301
#endif
template <const op_descr* D> struct op_key { friend constexpr auto op_type(op_key<D>); };
template <class Op> struct op_entry {
  static constexpr const op_descr* descr = &descr_of<Op>;  // first: a rule may apply its own op (where, pow)
  friend constexpr auto op_type(op_key<&descr_of<Op>>) { return type_is<Op>{}; }
};
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic pop
#endif
template <const op_descr* D> using op_of = typename decltype(op_type(op_key<D>{}))::type;

constexpr graph* graph_of(sym s) { return s.g; }
constexpr graph* graph_of(complex_sym s) { return s.re.g; }
template <number N> constexpr graph* graph_of(N) { return nullptr; }
constexpr graph* graph_of(axes) { return nullptr; }
constexpr sym as_sym(graph& g, sym s) { return g.here(s); }
constexpr complex_sym as_sym(graph& g, complex_sym s) { return {g.here(s.re), g.here(s.im)}; }
template <number N> constexpr auto as_sym(graph& g, N v) {
  if constexpr (complex_scalar<N>) return complex_sym{g.literal(v.real(), dtype::f64), g.literal(v.imag(), dtype::f64)};
  else if constexpr (same<N, bool>) return g.literal(v, dtype::b8);
  else if constexpr (requires { requires static_cast<N>(0.5) != N(0); }) return g.literal(v, dtype::f64);
  else return g.literal(static_cast<double>(v), dtype::i64);
}

template <class... A> constexpr graph& common_graph(A... a) {
  graph* g = nullptr;  // the innermost: a loop's body, where it names values from around it
  const auto look = [&](graph* of) {
    if (of && (!g || (of != g && of->depth() > g->depth()))) g = of;
  };
  (look(graph_of(a)), ...);
  return *g;
}
template <class Op, class... A> constexpr auto apply_complex(graph& g, A... a);  // expr/complex.hpp
template <class Op, class... A> constexpr sym apply_primitive(A... a) {
  graph& g = common_graph(a...);
  const sym x[] = {as_sym(g, a)...};
  return g.apply(op_entry<Op>::descr, x, static_cast<int>(sizeof...(A)));
}
template <class Op, class... A> requires any_complex<A...> constexpr auto apply_primitive(A... a) {
  graph& g = common_graph(a...);
  return apply_complex<Op>(g, as_sym(g, a)...);
}
/// Known dims of an operand of the given rank; negative ones count from the end.
constexpr axes static_axes(const int32* d, int n, int rank) {
  axes a{0, n};
  for (int i = 0; i < n; ++i) {
    const int at = d[i] < 0 ? d[i] + rank : d[i];
    if (at < 0 || at >= rank || a.tag >> at & 1) return {bad_dims, n};
    a.tag |= 1u << at;
  }
  return a;
}
/// In a rule dims are known: `sum(x, 1)` of a symbol x reduces a static dim.
template <int N> constexpr axes known_dims(dims<N> d, int rank) { return static_axes(d.v, N, rank); }
template <int... D> constexpr axes known_dims(dim_t<D...>, int rank) {
  const int d[] = {D..., 0};
  return static_axes(d, sizeof...(D), rank);
}
constexpr axes known_dims(all_dims_t, int rank) { return {(1u << rank) - 1, rank}; }
template <class A> constexpr auto in_rule(A a, int rank) {
  if constexpr (requires { known_dims(a, rank); }) return known_dims(a, rank);
  else return a;
}
constexpr int rank_or(sym s, int) { return s.g->at(s.id).rank; }
constexpr int rank_or(complex_sym s, int) { return rank_or(s.re, 0); }
template <class A> constexpr int rank_or(A, int rank) { return rank; }

template <class Op, class... A> constexpr auto apply_sym_deduced(A... a) {
  if constexpr (composition<Op>) {
    int rank = -1;  // of the first symbol
    ((rank = rank < 0 ? rank_or(a, -1) : rank), ...);
    return Op::compose(in_rule(a, rank)...);
  } else {
    return apply_primitive<Op>(a...);
  }
}
template <class A> A some();  // for decltype
// Real operands give real results, which need not be deduced: a rule may apply its own op.
template <class Op, class... A> constexpr sym apply_sym(A... a) { return apply_sym_deduced<Op>(a...); }
template <class Op, class... A> requires may_be_complex<Op, A...> constexpr auto apply_sym(A... a) { return apply_sym_deduced<Op>(a...); }
template <class Op, class... A> struct applied_sym_<Op, true, A...> { using type = decltype(apply_sym<Op>(some<A>()...)); };

}  // namespace detail::inline SINTER_TARGET

template <class R> constexpr sym reduce_sym(sym x, axes d) { return x.g->reduce(detail::op_entry<R>::descr, x, d); }
constexpr int rank_of(sym x) { return x.g->at(x.id).rank; }
constexpr int rank_of(complex_sym z) { return rank_of(z.re); }
/// The labels of torch.matmul: batch dims, then rows and columns; a batch dim of one operand only, or known to be 1 in
/// one of them, belongs to the other.
constexpr sym contract_matmul(sym a, sym b) {
  const int ra = rank_of(a), rb = rank_of(b);
  const int batch_a = ra > 2 ? ra - 2 : 0, batch_b = rb > 2 ? rb - 2 : 0, batch = batch_a > batch_b ? batch_a : batch_b;
  const uint8 row = 0, column = 1, inner = 2;
  contraction c;
  c.rank_a = static_cast<uint8>(ra), c.rank_b = static_cast<uint8>(rb);
  c.rank_c = static_cast<uint8>(batch + (ra > 1) + (rb > 1));
  for (int i = 0; i < batch_a; ++i) c.a(i) = static_cast<uint8>(3 + batch - batch_a + i);
  for (int i = 0; i < batch_b; ++i) c.b(i) = static_cast<uint8>(3 + batch - batch_b + i);
  for (int i = 0; i < batch; ++i) c.c(i) = static_cast<uint8>(3 + i);
  if (ra > 1) c.a(ra - 2) = row, c.c(batch) = row;
  c.a(ra - 1) = inner;
  if (rb > 1) c.b(rb - 2) = inner, c.b(rb - 1) = column, c.c(c.rank_c - 1) = column;
  else c.b(0) = inner;
  return a.g->contract(a, b, c);
}
/// The labels of x [..., inner] with w [column, inner], as torch.nn.functional.linear: the transpose is a matter of labels.
constexpr sym contract_linear(sym x, sym w) {
  const int rank = rank_of(x);
  const uint8 column = 0, inner = 1;
  contraction c;
  c.rank_a = c.rank_c = static_cast<uint8>(rank), c.rank_b = 2;
  for (int i = 0; i + 1 < rank; ++i) c.a(i) = c.c(i) = static_cast<uint8>(2 + i);
  c.a(rank - 1) = c.b(1) = inner;
  c.c(rank - 1) = c.b(0) = column;
  return x.g->contract(x, w, c);
}
/// Images x convolved with kernels w by the parameters in slot d, or the transpose of that. Ranks are checked with the shapes.
constexpr sym convolve_images(sym x, sym w, axes d, bool transposed) {
  return x.g->convolve(x, w, x.g->window(x, d, {transposed ? window_face::x : window_face::y, false, static_cast<uint8>(d.count)}));
}
/// x, integers and bool as float32.
constexpr sym floating(sym x) { return is_floating(x.g->at(x.id).type) ? x : x.g->cast(x, dtype::f32); }
constexpr complex_sym floating(complex_sym z) { return z; }

/// `axes` for one static dim or all dims of a symbol.
constexpr axes all_axes(sym x) {
  const int r = x.g->at(x.id).rank;
  return {(1u << r) - 1, r};
}
constexpr sym unsqueeze(sym x, axes d) { return x.g->unsqueeze(x, d); }
constexpr sym squeeze(sym x, axes d) { return x.g->squeeze(x, d); }
constexpr complex_sym unsqueeze(complex_sym z, axes d) { return detail::each_part(z, [=](sym x) { return unsqueeze(x, d); }); }
constexpr complex_sym squeeze(complex_sym z, axes d) { return detail::each_part(z, [=](sym x) { return squeeze(x, d); }); }
/// x, broadcast to the shape of `like`.
constexpr sym expand_as(sym x, sym like) { return x.g->expand(x, like); }
constexpr sym expand_as(sym x, complex_sym like) { return expand_as(x, like.re); }
constexpr complex_sym expand_as(complex_sym z, auto like) { return detail::each_part(z, [=](sym x) { return expand_as(x, like); }); }
/// 0 everywhere: the gradient of a step function.
constexpr sym zero_as(sym x) {
  const instruction i = x.g->at(x.id);
  const sym zero = x.g->literal(0, i.type, false);
  return i.rank ? x.g->expand(zero, x) : zero;
}
/// Position of each element of x along dims d, row-major over them: int64.
constexpr sym index_along(sym x, axes d) { return x.g->index(x, d); }
constexpr sym index_along(complex_sym z, axes d) { return index_along(z.re, d); }
/// How many elements x has along dims d, as a number of x's dtype.
constexpr sym extent_along(sym x, axes d) {
  dtype t = x.g->at(x.id).type;
  return x.g->extent(x, d, is_floating(t) ? t : dtype::f32);
}
constexpr sym extent_along(complex_sym z, axes d) { return extent_along(z.re, d); }

}  // namespace sinter::inline v0
