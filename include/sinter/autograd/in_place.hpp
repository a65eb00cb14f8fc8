// SPDX-License-Identifier: BSD-3-Clause
// Statements that write a variable in place: v += e, v.copy_(e), v(slice) = e. What the variable was before stays with those
// who read it; a write through a view changes what its base is, and a write of the base what its views are (linear.hpp).
// Next: tensor/index.hpp for v(mask) = e.
#pragma once
#include "statement.hpp"

namespace sinter::inline v0 {
namespace detail::inline SINTER_TARGET {

/// May the variable of s, whose slot is `slot`, be written by a statement that is recorded or not?
template <class Arch> SINTER_NOINLINE void check_in_place(const state_base& s, const grad_slot& slot, bool recorded) {
  const shape_text shape{s.shape.e, s.shape.rank};
  if (s.inference && !is_inference_mode_enabled())
    fail<autograd_error, Arch>("in-place update of a variable of shape ", shape, " that was made in inference mode, outside of it: write into a clone() of its value");
  if (!recorded) return;
  if (s.alias || (s.view && s.view->base->alias))
    fail<autograd_error, Arch>("a variable of shape ", shape, " that a custom function returned as it was given is written in place: the function's backward would be passed by; "
                               "return a clone(), or mark_dirty the argument");
  if (s.view && s.view->unrecorded)
    fail<autograd_error, Arch>("a view of shape ", shape, " was made where nothing is recorded (no_grad, inference_mode) and is written in place where statements are: "
                               "make both inside, so that nothing is recorded, or both outside");
  if (!slot.requires_grad) return;
  if (s.view && s.view->base->current->is_leaf())
    fail<autograd_error, Arch>("a view of shape ", shape, " of a leaf variable that requires grad is being used in an in-place operation: write under st::no_grad, or write the "
                               "leaf's value()");
  if (slot.is_leaf())
    fail<autograd_error, Arch>("a leaf variable of shape ", shape, " that requires grad is being used in an in-place operation: write under st::no_grad, or write its value(), "
                               "`w.value() -= ...;`");
}

/// The elements of s are those of `now` from here on, whose reference it takes.
inline void set_current(state_base& s, grad_slot* now) {
  grad_slot* const old = s.current;
  retain_instead(*old, *now);
  s.current = now;
  s.history.fetch_add(1, std::memory_order_acq_rel);
  if (old != &s) drop(old);
}
/// The elements of x became those of `part`, which has x's shape; null: constants. `own`: nobody else reads `part`.
inline void record_write(state_base& x, grad_slot* part, bool own) {
  if (!x.view && part && own) {
    part->refs.fetch_add(1, std::memory_order_relaxed);
    return set_current(x, part);
  }
  state_base& base = x.view ? *x.view->base : x;
  operand whole, written;
  base.elements->where(&base, whole);
  x.elements->where(&x, written);
  grad_slot* const before = base.current->requires_grad ? base.current : nullptr;
  set_current(base, new_slot(base.type, base.shape, new replaced_node(new_map<place_map>(whole, written, base.type), before, part)));
}

/// y, a variable of x's element type, is written into x, and recorded. `temporary`: the caller has no other use for y.
template <class Arch> SINTER_NOINLINE void write_recorded(state_base& x, grad_slot& slot, state_base& y, grad_slot& from, bool temporary) {
  const bool recorded = is_grad_enabled() && (slot.requires_grad || from.requires_grad);
  check_in_place<Arch>(x, slot, recorded);
  if (&x == &y) return;
  operand source;
  result to;
  operand target;
  const storage* const there = y.elements->where(&y, source);
  storage* const here = const_cast<storage*>(x.elements->where(&x, target));
  for (int d = 0; d < target.shape.rank; ++d)
    if (target.shape[d] > 1 && target.strides[d] == 0)
      fail<shape_error, Arch>("cannot write to a variable of shape ", shape_text{target.shape.e, target.shape.rank}, " that reaches an element twice (expanded)");
  storage_ptr copy;
  if (there == here) copy = copy_of<Arch>(source, y.type);
  to.data = target.data, to.shape = target.shape;
  for (int d = 0; d < to.shape.rank; ++d) to.strides[d] = target.strides[d];
  copy_operand<Arch>(x.type, source, to);
  here->version.store(here->version.load(std::memory_order_relaxed) + 1, std::memory_order_release);
  if (!recorded) return;
  if (!from.requires_grad) return record_write(x, nullptr, false);
  const bool same = source.shape == x.shape;
  const bool own = temporary && same && !y.view && y.handles.load(std::memory_order_acquire) == 1 && !from.is_leaf();
  if (own || (same && x.view)) return record_write(x, &from, own);
  vec<linear_term> terms;
  terms.push({new_map<broadcast_map>(source.shape, x.shape), false, &from});
  grad_slot* const part = new_slot(x.type, x.shape, new linear_node(terms));
  record_write(x, part, true);
  drop(part);
}

/// e, of x's element type.
template <class T, class X> decltype(auto) in_type(X&& e) {
  using H = typename held<X&&>::type;
  if constexpr (is_node<H>) {
    if constexpr (std::is_same_v<typename lowered<H>::value_type, T>) return static_cast<X&&>(e);
    else return to<T>(static_cast<X&&>(e));
  } else {
    if constexpr (std::is_same_v<typename std::remove_cvref_t<X>::value_type, T>) return static_cast<X&&>(e);
    else return to<T>(static_cast<X&&>(e));
  }
}
template <class X> inline constexpr bool reads_variables = has_variable<typename held<X&&>::type>::value;

template <class Arch, class T, class E, class D, class X> void write_in_place(const variable<T, E, D>& x, X&& e) {
  state_base& s = *x.state_handle();
  if constexpr (!reads_variables<X>) {
    grad_slot& slot = *x.slot();
    const bool recorded = is_grad_enabled() && slot.requires_grad;
    check_in_place<Arch>(s, slot, recorded);
    x.value().copy_(static_cast<X&&>(e));
    if (recorded) record_write(s, nullptr, false);
  } else {
    const auto write = [&](const auto& y, bool temporary) {
      static_assert(!is_complex_element<typename std::remove_cvref_t<decltype(y)>::value_type> || is_complex_element<T>, SINTER_REAL_NEEDED);
      write_recorded<Arch>(s, *x.slot(), *y.state_handle(), *y.slot(), temporary);
    };
    using S = decltype(in_type<T>(static_cast<X&&>(e)));
    if constexpr (formula<S>) write(evaluate_variable<std::remove_cvref_t<S>, Arch>(in_type<T>(static_cast<X&&>(e)), x.value().storage_handle().get()), true);
    else write(in_type<T>(static_cast<X&&>(e)).handle(), !std::is_lvalue_reference_v<X>);
  }
}

}  // namespace detail::inline SINTER_TARGET

template <class T, class E, class D> template <class X, class Arch> requires detail::assignable<X>
const variable<T, E, D>& variable<T, E, D>::copy_(X&& e) const {
  if (!defined()) fail<error, Arch>("copy_: an undefined variable has no elements to write");
  detail::write_in_place<Arch>(*this, static_cast<X&&>(e));
  return *this;
}
template <class T, class E, class D> template <class X, class Arch> requires detail::assignable<X> void variable<T, E, D>::operator=(X&& e) && {
  copy_(static_cast<X&&>(e));
}

inline namespace SINTER_TARGET {
#define SINTER_ASSIGN(sign)                                                                                             \
  /** v = v sign e, in place and recorded: every handle and view of v's elements sees it. Throws autograd_error for a leaf that \
      requires a gradient, unless under no_grad. */                                                                     \
  template <class T, class E, class D, class X> requires operands<variable<T, E, D>, X>                                 \
  const variable<T, E, D>& operator sign##=(const variable<T, E, D>& v, X&& e) {                                        \
    if constexpr (!detail::reads_variables<X>)                                                                          \
      if (v.defined() && !(is_grad_enabled() && v.requires_grad())) {                                                   \
        detail::check_in_place<native>(*v.state_handle(), *v.slot(), false);                                            \
        v.value() sign##= static_cast<X&&>(e);                                                                          \
        return v;                                                                                                       \
      }                                                                                                                 \
    return v.copy_(v sign static_cast<X&&>(e));                                                                         \
  }
SINTER_ASSIGN(+)
SINTER_ASSIGN(-)
SINTER_ASSIGN(*)
SINTER_ASSIGN(/)
#undef SINTER_ASSIGN

/// v where `mask` = value, in place and recorded.
template <class T, class E, class D, expression M, class V> const variable<T, E, D>& masked_fill_(const variable<T, E, D>& v, M&& mask, V&& value) {
  return v.copy_(where(static_cast<M&&>(mask), static_cast<V&&>(value), v));
}
}  // namespace SINTER_TARGET

}  // namespace sinter::inline v0
