// SPDX-License-Identifier: BSD-3-Clause
// Hooks on the gradients of variables. When they are called: engine.hpp. Next: autograd/in_place.hpp.
#pragma once
#include "linear.hpp"

namespace sinter::inline v0 {
namespace detail::inline SINTER_TARGET {

/// The type of the only parameter of a function that is no template; void: it is one, or takes several.
template <class R, class C, class A> A only_parameter(R (C::*)(A));
template <class R, class C, class A> A only_parameter(R (C::*)(A) const);
template <class R, class A> A only_parameter_of(R (*)(A));
template <class F> struct parameter_of { using type = void; };
template <class F> requires requires { only_parameter(&F::operator()); } struct parameter_of<F> { using type = decltype(only_parameter(&F::operator())); };
template <class F> requires requires(F f) { only_parameter_of(f); } struct parameter_of<F> { using type = decltype(only_parameter_of(std::declval<F>())); };
template <class F> inline constexpr bool takes_variable = is_variable<std::remove_cvref_t<typename parameter_of<F>::type>>;

template <class T, class E> any_variable as_any(const tensor<T, E>& t, grad_slot* slot) {
  return any_variable(operand_of(t), t.storage_handle(), dtype_of<T>, slot);
}

/// f on the gradients of a variable of T with extents E.
template <class F, class T, class E> struct gradient_hook final : hook {
  using gradient_tensor = tensor<T, E>;
  using gradient_variable = variable<T, E>;
  F f;
  explicit gradient_hook(F function) : f(static_cast<F&&>(function)) {
    call = [](hook& h, grad_slot& s, any_variable& g, bool recorded) { static_cast<gradient_hook&>(h).see(s, g, recorded); };
    destroy = [](hook* h) { delete static_cast<gradient_hook*>(h); };
  }

 private:
  static gradient_tensor value_of(const any_variable& g) {
    index_list<E::rank> sizes, strides;
    for (int d = 0; d < E::rank; ++d) sizes[d] = g.value.shape[d], strides[d] = g.value.strides[d];
    return {g.block, reinterpret_cast<T*>(g.value.data), sizes, strides};
  }
  void see(grad_slot& s, any_variable& g, bool recorded) {
    if constexpr (takes_variable<F>) {
      see_as(s, g, recorded ? typed<T, E>(g) : gradient_variable(value_of(g), false), true);
    } else {
      see_as(s, g, value_of(g), !recorded);
    }
  }
  template <class G> void see_as(grad_slot& s, any_variable& g, const G& seen, bool may_replace) {
    using R = decltype(f(seen));
    if constexpr (std::is_void_v<R>) {
      f(seen);
    } else {
      if (!may_replace)
        fail<autograd_error>("a hook that returns a tensor cannot take part in a walk with create_graph: let it take and return a variable, `[](const st::variable<",
                             dtype_of<T>, ", ...>& g)`");
      R r = f(seen);
      if constexpr (formula<R>) replace(s, g, eval(r));
      else replace(s, g, r);
    }
  }
  template <class R> static void replace(grad_slot& s, any_variable& g, const R& r) {
    static_assert(tensor_like<R> || is_variable<R>, "sinter: a hook returns nothing, or what is used in the place of the gradient: a tensor, a variable or an expression");
    static_assert(std::is_same_v<typename R::value_type, T>, "sinter: a hook returns a gradient of the variable's element type");
    if (!r.defined()) return;
    any_variable other;
    if constexpr (is_variable<R>) other = as_any(r.value(), r.requires_grad() ? r.slot() : nullptr);
    else other = as_any(r, nullptr);
    if (!(other.value.shape == s.shape))
      fail<shape_error>("a hook returned a gradient of shape ", shape_text{other.value.shape.e, other.value.shape.rank}, " for a variable of shape ",
                        shape_text{s.shape.e, s.shape.rank});
    g = other;
  }
};
/// f on a leaf, once its gradient has been added to.
template <class F, class T, class E> struct accumulation_hook final : hook {
  F f;
  explicit accumulation_hook(F function) : f(static_cast<F&&>(function)) {
    after = true;
    call = [](hook& h, grad_slot& s, any_variable&, bool) {
      auto* state = static_cast<variable_state<T, E, cpu_t>*>(static_cast<state_base*>(&s));
      if (state->handles.load(std::memory_order_acquire) > 0) static_cast<accumulation_hook&>(h).f(variable<T, E>(state));
    };
    destroy = [](hook* h) { delete static_cast<accumulation_hook*>(h); };
  }
};

/// Adds h, whose reference it takes, behind the hooks of s.
inline hook_handle add_hook(grad_slot& s, hook* h) {
  h->list = &s.more();
  hook** last = &s.extras->hooks;
  while (*last) last = &(*last)->next;
  *last = h;
  h->refs.fetch_add(1, std::memory_order_relaxed);
  return hook_handle(h);
}

}  // namespace detail::inline SINTER_TARGET

template <class V, class E, class D> template <class F> hook_handle variable<V, E, D>::register_hook(F f) const {
  if (!requires_grad()) fail<autograd_error>("register_hook: this variable does not require a gradient");
  return detail::add_hook(*slot(), new detail::gradient_hook<F, V, E>(static_cast<F&&>(f)));
}
template <class V, class E, class D> template <class F> hook_handle variable<V, E, D>::register_post_accumulate_grad_hook(F f) const {
  if (!requires_grad()) fail<autograd_error>("register_post_accumulate_grad_hook: this variable does not require a gradient");
  if (!is_leaf()) fail<autograd_error>("register_post_accumulate_grad_hook: only leaves accumulate gradients; use register_hook on the result of a statement");
  return detail::add_hook(*slot(), new detail::accumulation_hook<F, V, E>(static_cast<F&&>(f)));
}

}  // namespace sinter::inline v0
