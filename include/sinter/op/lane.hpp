// SPDX-License-Identifier: BSD-3-Clause
// The contract of an op: what a struct in this folder says about itself, and the concepts that rules use.
// Device-clean: read by NVRTC too. Next: op/arithmetic.hpp for examples, expr/ for how ops compose.
#pragma once
#include "dtype.hpp"

namespace sinter::inline v0 {

namespace detail::inline SINTER_TARGET {
template <class T> struct remove_cvref_ { using type = T; };
template <class T> struct remove_cvref_<const T> { using type = T; };
template <class T> struct remove_cvref_<T&> : remove_cvref_<T> {};
template <class T> struct remove_cvref_<T&&> : remove_cvref_<T> {};
template <class T> using bare = typename remove_cvref_<T>::type;
template <class A, class B> inline constexpr bool same = false;
template <class A> inline constexpr bool same<A, A> = true;

template <class T> inline constexpr bool is_number = false;
#define SINTER_NUMBER(T) template <> inline constexpr bool is_number<T> = true;
SINTER_NUMBER(bool) SINTER_NUMBER(signed char) SINTER_NUMBER(unsigned char) SINTER_NUMBER(short)
SINTER_NUMBER(unsigned short) SINTER_NUMBER(int) SINTER_NUMBER(unsigned) SINTER_NUMBER(long)
SINTER_NUMBER(unsigned long) SINTER_NUMBER(long long) SINTER_NUMBER(unsigned long long)
SINTER_NUMBER(float) SINTER_NUMBER(double) SINTER_NUMBER(complex64) SINTER_NUMBER(complex128)
#undef SINTER_NUMBER
/// std::complex and its like.
template <class X> concept foreign_complex = requires(const X& x) { typename X::value_type; x.real(); x.imag(); requires is_number<typename X::value_type>; X(x.real(), x.imag()); };
}  // namespace detail::inline SINTER_TARGET

/// A plain C++ number, complex ones among them: weak in promotion, as a Python scalar is in PyTorch.
template <class X>
concept number = detail::is_number<detail::bare<X>> || detail::foreign_complex<detail::bare<X>>;
/// A complex C++ number.
template <class X>
concept complex_scalar = number<X> && requires(const detail::bare<X>& x) { x.imag(); };

/// Anything that stands for a tensor value in a formula: a tensor, a variable, a formula, a symbol of a rule.
template <class X>
concept expression = requires { typename detail::bare<X>::expression_tag; };

/// The operands of one op: expressions and numbers, at least one of them an expression.
template <class... X>
concept operands = ((expression<X> || number<X>) && ...) && (expression<X> || ...);

/// What one element is computed in: a scalar, a SIMD pack, or a symbol.
template <class X>
concept lane = !expression<X> || requires { typename detail::bare<X>::symbol_tag; };

/// How the result's dtype follows from the operands' common dtype.
enum class result_type : uint8 {
  same,      ///< the common dtype
  floating,  ///< the common dtype, integers and bool become float32
  boolean,   ///< bool
  index,     ///< int64
  wide,      ///< the common dtype, integers and bool become int64 (sums)
  second     ///< the common dtype of all operands but the first, which is a bool (where)
};

/// Where tests and benches sample an op's operands. It thins samples, it hides nothing.
struct domain {
  double low = -4, high = 4;
};

/// Why a transform of functions (func/func.hpp) has no result.
enum class misuse : uint8 {
  none,
  scalar,    ///< the gradient of a value with dims
  floating,  ///< the derivative by, or of, a value that is not floating
  rank,      ///< more than 8 dims with those of the batch
  labels,    ///< more dims in a product than its labels number
  run_time,  ///< dims known at run time
  window,    ///< a batch of convolutions
  random,    ///< random numbers in a batch
  dim,       ///< a batch dim that the operand or the result has not
  loop,      ///< a while_loop that would end at another step for each of a batch
  tangent,   ///< a tangent or cotangent of other rank than its value
  step,      ///< a step of a loop that returns another structure than it carries
  carry      ///< one that returns a floating-point value for an integer carry
};

/// What an op says about itself.
struct op_info {
  const char* name;
  domain samples = {};
  result_type result = result_type::same;
  /// The value, or a choice made by it, jumps: backward reads what forward chose instead of choosing again.
  bool discontinuous = false;
  /// A reduction without a value over nothing.
  bool nonempty = false;
  /// Defined on integers too.
  bool integers = false;
  /// Defined on integers and bool only.
  bool whole = false;
  /// Asks whether operand 0, an index, is in [0, operand 1) or equal to operand 2, numbers: an error before a run on the CPU.
  bool bounds = false;
  /// Costs more to compute twice than to keep; so do all ops of one operand with a floating result (exp, log, tanh ...).
  bool costly = false;
  /// Not an op but the mark of a misuse, for the compiler to explain.
  misuse reason = misuse::none;
};

inline namespace SINTER_TARGET {
class graph;

/// A value inside a graph, as derivative rules and composites see it. It reads like a number.
struct sym {
  using expression_tag = void;
  using symbol_tag = void;
  graph* g = nullptr;
  uint16 id = 0xffff;
  constexpr bool none() const { return id == 0xffff; }
};
/// A complex value inside a graph: two real ones of one shape and dtype. Graphs themselves know real numbers only.
struct complex_sym {
  using expression_tag = void;
  using symbol_tag = void;
  sym re, im;
};
template <class X> concept real_value = detail::same<X, sym>;
template <class X> concept complex_value = detail::same<X, complex_sym>;
}  // namespace SINTER_TARGET

/// From a rule: this operand has no gradient.
struct no_gradient_t {};
inline constexpr no_gradient_t no_gradient{};

/// What a rule with several operands returns: `return grads(dy * b, dy * a);`
template <int N> struct grads_of { sym values[N]; };
namespace detail::inline SINTER_TARGET {
constexpr sym pick(sym s) { return s; }
constexpr sym pick(no_gradient_t) { return {}; }
}  // namespace detail::inline SINTER_TARGET
template <class... G> constexpr grads_of<static_cast<int>(sizeof...(G))> grads(G... g) { return {{detail::pick(g)...}}; }

namespace detail::inline SINTER_TARGET {
template <class X>
concept symbol = requires { typename bare<X>::symbol_tag; };
template <class Op, bool Symbolic, class... A> struct applied_;  // expr/node.hpp says it for tensors
template <class... A> inline constexpr bool any_complex = ((same<A, complex_sym> || complex_scalar<A>) || ...);
/// May Op over these be complex? Compositions whose result may be without a complex operand say `using complex_result = void`.
template <class Op, class... A> inline constexpr bool may_be_complex = any_complex<A...> || requires { typename Op::complex_result; };
template <class Op, bool MayBeComplex, class... A> struct applied_sym_ { using type = sym; };  // expr/sym.hpp says it for complex ones
template <class Op, class... A> struct applied_<Op, true, A...> : applied_sym_<Op, may_be_complex<Op, bare<A>...>, bare<A>...> {};
}  // namespace detail::inline SINTER_TARGET
/// What `apply` returns: an expression node, or a symbol where an operand is one.
template <class Op, class... A> using applied = typename detail::applied_<Op, (detail::symbol<A> || ...), A...>::type;
/// What Op is over complex operands: `static constexpr auto of(...)` of `complex_value auto` operands, or `real_value auto` ones
/// beside a complex one, all parts of one dtype. Left undefined for an op that complex numbers have not (op/complex_form.hpp);
/// for an op of your own, specialise it.
template <class Op> struct complex_form;
namespace detail::inline SINTER_TARGET {
template <class Op> concept has_complex_form = requires { sizeof(complex_form<Op>); };
/// Both parts of z by f.
template <class F> constexpr complex_sym each_part(complex_sym z, F f) { return {f(z.re), f(z.im)}; }
/// A product of complex or real values from the product of real ones.
template <class A, class B, class M> constexpr complex_sym multiply_parts(A a, B b, M product) {
  if constexpr (real_value<A>) return each_part(b, [&](sym x) { return product(a, x); });
  else if constexpr (real_value<B>) return each_part(a, [&](sym x) { return product(x, b); });
  else return {product(a.re, b.re) - product(a.im, b.im), product(a.re, b.im) + product(a.im, b.re)};
}
}  // namespace detail::inline SINTER_TARGET

/// The public function of an op of one or two operands.
#define SINTER_FUNCTION1(name)                                                    \
  template <expression X> constexpr applied<op::name, X> name(X&& x) { return apply<op::name>(static_cast<X&&>(x)); }
#define SINTER_FUNCTION2(name)                                                                                   \
  template <class A, class B> requires operands<A, B> constexpr applied<op::name, A, B> name(A&& a, B&& b) {     \
    return apply<op::name>(static_cast<A&&>(a), static_cast<B&&>(b));                                            \
  }
#define SINTER_FUNCTION3(name)                                                                                               \
  template <class A, class B, class C> requires operands<A, B, C> constexpr applied<op::name, A, B, C> name(A&& a, B&& b, C&& c) { \
    return apply<op::name>(static_cast<A&&>(a), static_cast<B&&>(b), static_cast<C&&>(c));                                   \
  }
/// Builds the value of `Op` over its operands.
template <class Op, class... A> constexpr applied<Op, A...> apply(A&&... a);

/// A list of dims of a rule: static dims as a mask, or run-time dims known by their slot.
struct axes {
  uint32 tag = 0;    ///< < 256: mask of dims; 256 + k: the dims in slot k of the program
  int32 count = 0;   ///< how many dims
};
struct keepdim_t {};
/// `sum(x, 1, keepdim)`: reduced dims stay, with extent 1.
inline constexpr keepdim_t keepdim{};

/// All dims of the operand.
struct all_dims_t {};
/// Dims known at compile time: `sum(x, dim<1>)`; negative ones count from the end.
template <int... D> struct dim_t {};
template <int... D> inline constexpr dim_t<D...> dim{};
/// N dims known at run time; made from `1` and `{0, 2}` at the call.
template <int N> struct dims {
  int32 v[N];
  constexpr dims(int d) requires(N == 1) : v{d} {}
  constexpr explicit dims(const int (&d)[N]) {
    for (int i = 0; i < N; ++i) v[i] = d[i];
  }
};

/// How the window of a convolution moves over images of N dims: stride, padding, dilation and output_padding of each dim, groups.
/// Numbers of the run, so that all layers of a network are one program.
template <int N> struct window_parameters {
  int32 v[4 * N + 1];
};
/// A number of steps for a loop to run, given when it runs.
struct step_count {
  int32 v[1];
};
/// As a padding: what keeps the extents, dilation * (kernel - 1) / 2 in front.
inline constexpr int32 same_padding = -2147483647;

namespace detail::inline SINTER_TARGET {
template <class D> struct dims_of_;
template <int N> struct dims_of_<window_parameters<N>> { using type = window_parameters<N>; };
template <> struct dims_of_<step_count> { using type = step_count; };
template <> struct dims_of_<int> { using type = dims<1>; };
template <> struct dims_of_<axes> { using type = axes; };
template <> struct dims_of_<all_dims_t> { using type = all_dims_t; };
template <int N> struct dims_of_<dims<N>> { using type = dims<N>; };
template <int... D> struct dims_of_<dim_t<D...>> { using type = dim_t<D...>; };
}  // namespace detail::inline SINTER_TARGET
/// Ways to name dims: an int, `dims`, `dim<...>`, all of them, or a rule's `axes`.
template <class D>
concept dims_like = requires { typename detail::dims_of_<D>::type; };
template <dims_like D> using dims_of = typename detail::dims_of_<D>::type;

/// In a rule: reduction R of x over d, the dims stay with extent 1.
template <class R> constexpr sym reduce_sym(sym x, axes d);
template <class R> constexpr auto reduce_sym(complex_sym x, axes d);

/// In a rule: x in another dtype.
template <dtype To> constexpr auto cast_to(sym x);
template <dtype To> constexpr auto cast_to(complex_sym x);

/// The type of element positions that goes with a lane.
template <class V> struct index_lane_ { using type = int64; };
template <class V> using index_lane = typename index_lane_<V>::type;

}  // namespace sinter::inline v0
