// SPDX-License-Identifier: BSD-3-Clause
// Surface expressions: a tree that owns its operands. Its type is the graph; nothing runs until it is evaluated.
// Next: expr/lower.hpp turns the type into a program.
#pragma once
#include <tuple>
#include <type_traits>

#include "../autograd/mode.hpp"
#include "../tensor/tensor.hpp"
#include "complex.hpp"

namespace sinter::inline v0 {

template <class T, class E, class D> class variable;  // autograd/variable.hpp

namespace detail::inline SINTER_TARGET {

template <class T> inline constexpr bool is_variable = false;
template <class T, class E, class D> inline constexpr bool is_variable<variable<T, E, D>> = true;

/// Counts what a tree consumes while it is lowered: operands and run-time dims.
struct cursor {
  graph& g;
  int operands = 0;
  int slots = 0;
};

/// Mask of the static dims of size 1.
template <class E> constexpr uint32 ones_mask() {
  uint32 m = 0;
  for (int i = 0; i < E::rank; ++i)
    if (E::at(i) == 1) m |= 1u << i;
  return m;
}

/// Stands for "whatever the version is".
inline constexpr uint64 any_version = ~uint64{0};

/// A leaf or number is one operand of a program, a complex one two: real and imaginary part.
template <class T> inline constexpr int operands_of = 1;
template <class T> inline constexpr int operands_of<complex_number<T>> = 2;
template <class T, class F> constexpr auto build_parts(F next) {
  if constexpr (operands_of<T> == 2) {
    const sym re = next();
    return complex_sym{re, next()};
  } else {
    return next();
  }
}

/// A tensor or variable as an operand, with its version at the time the expression was built.
template <class H> struct leaf {
  using handle_type = H;
  H handle;
  uint64 version;
  bool recorded = is_variable<H> && is_grad_enabled();  ///< a variable, named where statements are recorded

  explicit leaf(const H& h) : handle(h), version(h.version()) {}
  explicit leaf(H&& h) : handle(static_cast<H&&>(h)), version(handle.version()) {}
  using element_type = typename H::value_type;
  static constexpr int operand_count = operands_of<element_type>;
  static constexpr auto build(cursor& c) {
    static_assert(H::rank <= max_rank, "sinter: tensors in expressions have at most 8 dims");
    c.g.reads_parts = c.g.reads_parts || operand_count == 2;
    return build_parts<element_type>([&] { return c.g.leaf(c.operands++, real_type(dtype_of<element_type>), H::rank, ones_mask<typename H::extents_type>()); });
  }
};

/// A run-time number as an operand: its value is not part of the type.
template <class N> struct number_operand {
  N value;
  static constexpr int operand_count = operands_of<N>;
  static constexpr auto build(cursor& c) {
    return build_parts<N>([&] { return c.g.scalar(c.operands++, real_type(dtype_of<N>)); });
  }
};
/// What a number is held in.
template <number N> struct widest_ { using type = std::conditional_t<std::is_same_v<N, bool>, bool, std::conditional_t<std::is_integral_v<N>, int64, double>>; };
template <complex_scalar N> struct widest_<N> { using type = complex128; };
template <number N> using widest = typename widest_<N>::type;

/// The `axes` that a dims argument stands for, on an operand of the given rank.
template <int N> constexpr axes build_dims(const dims<N>*, cursor& c, int) { return {run_time_dims + static_cast<uint32>(c.slots++), N}; }
template <int N> constexpr axes build_dims(const window_parameters<N>*, cursor& c, int) { return {run_time_dims + static_cast<uint32>(c.slots++), N}; }
constexpr axes build_dims(const step_count*, cursor& c, int) { return {run_time_dims + static_cast<uint32>(c.slots++), 1}; }
template <int... D> constexpr axes build_dims(const dim_t<D...>*, cursor&, int rank) {
  constexpr int d[] = {D...};
  return static_axes(d, sizeof...(D), rank);
}
constexpr axes build_dims(const all_dims_t*, cursor&, int rank) { return {(1u << rank) - 1, rank}; }

template <class X> concept dims_operand = dims_like<X> && !std::is_same_v<X, int>;

/// Builds operand X; dims are relative to the first operand, of the given rank.
template <class X> constexpr auto build_operand(cursor& c, int rank) {
  if constexpr (dims_operand<X>) return build_dims(static_cast<const X*>(nullptr), c, rank);
  else return X::build(c);
}

template <class X, class A> constexpr decltype(auto) as_operand(A&& a);

struct cell_base {
  virtual ~cell_base() = default;
  std::atomic<int> refs{1};
};
/// The value of a named expression, shared by its copies, made at the first use.
class cell_ptr {
 public:
  cell_ptr() = default;
  explicit cell_ptr(cell_base* p) : p_(p) {}
  cell_ptr(const cell_ptr& o) : p_(o.p_) { if (p_) p_->refs.fetch_add(1, std::memory_order_relaxed); }
  cell_ptr(cell_ptr&& o) noexcept : p_(o.p_) { o.p_ = nullptr; }
  cell_ptr& operator=(const cell_ptr& o) noexcept { return *this = cell_ptr(o); }
  cell_ptr& operator=(cell_ptr&& o) noexcept { std::swap(p_, o.p_); return *this; }
  ~cell_ptr() { if (p_) drop(p_); }
  cell_base* get() const { return p_; }

 private:
  static SINTER_NOINLINE void drop(cell_base* p) {
    if (p->refs.fetch_sub(1, std::memory_order_acq_rel) == 1) delete p;
  }
  cell_base* p_ = nullptr;
};

}  // namespace detail::inline SINTER_TARGET

/// `Op` over operands of types A..., which it owns.
template <class Op, class... A> class node {
 public:
  using expression_tag = void;
  using op_type = Op;

  template <class... X> explicit constexpr node(std::in_place_t, X&&... x) : operands_(static_cast<X&&>(x)...) {}

  const std::tuple<A...>& operands() const { return operands_; }
  std::tuple<A...>& operands() { return operands_; }
  detail::cell_ptr& cell() const { return cell_; }

  /// Only to say what is missing.
  template <class Arch = native> void backward(auto&&...) const {
    static_assert(detail::never<Arch>, "sinter: backward() of an expression: name it first: `st::variable y = ...; y.backward();`");
  }
#define SINTER_NO_VALUE_YET "sinter: an expression has no elements yet: name its value first, `st::tensor y = ...;`"
  template <class Arch = native> double item() const {
    static_assert(detail::never<Arch>, SINTER_NO_VALUE_YET);
    return 0;
  }
  template <class Arch = native> int64 size(auto&&...) const {
    static_assert(detail::never<Arch>, SINTER_NO_VALUE_YET);
    return 0;
  }
  template <class Arch = native> double operator()(auto&&...) const {
    static_assert(detail::never<Arch>, SINTER_NO_VALUE_YET);
    return 0;
  }
#undef SINTER_NO_VALUE_YET
  template <class Arch = native> explicit operator bool() const {
    static_assert(detail::never<Arch>, "sinter: an expression has no truth value: evaluate it and take one element, `st::tensor y = ...; if (y.item())`");
    return false;
  }

  /// Appends this tree to a graph.
  static constexpr auto build(detail::cursor& c) { return build(c, std::make_index_sequence<sizeof...(A)>()); }

 private:
  template <std::size_t... I> static constexpr auto build(detail::cursor& c, std::index_sequence<I...>) {
    int rank = -1;  // of the first operand
    auto next = [&]<class X>(const X*) {
      auto s = detail::build_operand<X>(c, rank);
      if constexpr (detail::symbol<decltype(s)>)
        if (rank < 0) rank = rank_of(s);
      return s;
    };
    std::tuple built{next(static_cast<const A*>(nullptr))...};
    (void)next;
    if constexpr (composition<Op>) return Op::compose(std::get<I>(built)...);
    else return detail::apply_primitive<Op>(std::get<I>(built)...);
  }

  std::tuple<A...> operands_;
  mutable detail::cell_ptr cell_;
};

namespace detail::inline SINTER_TARGET {

template <class Op, class... A> inline constexpr bool is_node<node<Op, A...>> = true;

template <class X> struct cell_value;  // autograd-aware, defined in expr/evaluate.hpp: what a named expression becomes

template <class X> constexpr bool holds_barrier();

/// The type in which an argument of type A (a reference type, as deduced) is held.
template <class A> struct held {
  using B = std::remove_cvref_t<A>;
  static constexpr auto choose() {
    if constexpr (number<B>) return type_is<number_operand<widest<B>>>{};
    else if constexpr (is_node<B>) {
      if constexpr (std::is_lvalue_reference_v<A>) {
        if constexpr (holds_barrier<B>()) return type_is<leaf<typename cell_value<B>::type>>{};
        else return type_is<B>{};
      } else {
        return type_is<B>{};
      }
    } else if constexpr (dims_operand<B>) return type_is<B>{};
    else if constexpr (requires { typename B::handle_type; }) return type_is<leaf<typename B::handle_type>>{};
    else return type_is<void>{};  // clang 14 substitutes an operator's result before it looks at the constraint
  }
  using type = typename decltype(choose())::type;
};

template <class A> constexpr decltype(auto) hold(A&& a) {
  using B = std::remove_cvref_t<A>;
  using H = typename held<A&&>::type;
  if constexpr (number<B>) return H{static_cast<widest<B>>(a)};
  else if constexpr (is_node<B>) {
    if constexpr (std::is_same_v<H, B>) return static_cast<A&&>(a);
    else return H(cell_value<B>::of(a));
  } else if constexpr (dims_operand<B>) return static_cast<A&&>(a);
  else return H(static_cast<A&&>(a).handle());
}

template <class Op, class... A> struct applied_<Op, false, A...> {
  using type = node<Op, typename held<A&&>::type...>;
};

}  // namespace detail::inline SINTER_TARGET

template <class Op, class... A> constexpr applied<Op, A...> apply(A&&... a) {
  if constexpr ((detail::symbol<A> || ...)) return detail::apply_sym<Op>(a...);
  else return applied<Op, A...>(std::in_place, detail::hold(static_cast<A&&>(a))...);
}

}  // namespace sinter::inline v0
