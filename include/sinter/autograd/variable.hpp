// SPDX-License-Identifier: BSD-3-Clause
// variable: a tensor whose uses are recorded, and its gradient. Next: autograd/statement.hpp for what is recorded.
#pragma once
#include "../tensor/assign.hpp"
#include "engine.hpp"

namespace sinter::inline v0 {

namespace detail {

inline namespace SINTER_TARGET {
/// The last handle of a variable goes: its value is freed, its slot when no node reads it.
template <class State> SINTER_NOINLINE void let_go(State* s) {
  s->value = {};
  drop(s);
}
}  // namespace SINTER_TARGET

/// What all handles of one variable share. Nodes hold the slot alone, so an intermediate value is freed with its last
/// handle even while a graph still passes gradients through it.
template <class T, class E, class D> struct variable_state final : grad_slot {
  std::atomic<int64> handles{1};
  tensor<T, E, D> value;
  SINTER_INLINE explicit variable_state(tensor<T, E, D> v) : value(static_cast<tensor<T, E, D>&&>(v)) {
    destroy = &destroy_state<variable_state>;
    type = dtype_of<std::remove_const_t<T>>;
    shape.rank = E::rank;
    for (int d = 0; d < E::rank; ++d) shape[d] = value.sizes()[d];
  }
};

}  // namespace detail

/// A tensor that takes part in differentiation. Copies share value and gradient, as in PyTorch.
template <class V, class E, class D = cpu_t> class variable {
 public:
  using value_type = std::remove_const_t<V>;
  using extents_type = E;
  using device_type = D;
  using expression_tag = void;
  using handle_type = variable;
  static constexpr int rank = E::rank;
  using state = detail::variable_state<V, E, D>;

  variable() = default;
  /// A leaf that requires a gradient (not under no_grad). Shares the tensor's elements.
  SINTER_INLINE variable(const tensor<V, E, D>& t) : variable(t, is_grad_enabled()) {}
  SINTER_INLINE variable(tensor<V, E, D> t, bool requires_grad) : state_(new state(static_cast<tensor<V, E, D>&&>(t))) { state_->requires_grad = requires_grad; }
  SINTER_INLINE variable(const variable& o) noexcept : state_(o.state_) {
    if (state_) state_->handles.fetch_add(1, std::memory_order_relaxed);
  }
  SINTER_INLINE variable(variable&& o) noexcept : state_(o.state_) { o.state_ = nullptr; }
  SINTER_INLINE variable& operator=(const variable& o) noexcept { return *this = variable(o); }
  SINTER_INLINE variable& operator=(variable&& o) noexcept {
    state* t = state_;
    state_ = o.state_, o.state_ = t;
    return *this;
  }
  SINTER_INLINE ~variable() {
    if (state_ && state_->handles.fetch_sub(1, std::memory_order_acq_rel) == 1) detail::let_go(state_);
  }
  /// Evaluates an expression as one recorded statement; one without variables makes a leaf.
  template <detail::formula X, class Arch = native> variable(const X& x);
  SINTER_INLINE const variable& handle() const& { return *this; }
  SINTER_INLINE variable&& handle() && { return static_cast<variable&&>(*this); }

  SINTER_INLINE bool defined() const { return state_ && state_->value.defined(); }
  /// The value as a tensor that nothing records; it shares the elements.
  SINTER_INLINE tensor<V, E, D> detach() const { return value(); }
  SINTER_INLINE const tensor<V, E, D>& value() const {
    if (!state_) [[unlikely]] fail<error>("an undefined variable has no value");
    return state_->value;
  }
  /// Lets all handles of this variable hold the elements of `t`, which has the same shape. Throws shape_error.
  SINTER_INLINE void set_data(const tensor<V, E, D>& t) const {
    if (!(t.sizes() == sizes()))
      fail<shape_error>("set_data: shape ", shape_text{t.sizes().data(), rank}, " is not that of the variable, ", shape_text{sizes().data(), rank});
    state_->value = t;
  }
  /// Sum of what backward() has found so far; undefined before.
  SINTER_INLINE tensor<V, E, D> grad() const {
    if (!state_ || !state_->grad.block) return {};
    index_list<rank> sizes, strides;
    for (int d = 0; d < rank; ++d) sizes[d] = state_->shape[d], strides[d] = state_->grad.strides[d];
    return {state_->grad.block, reinterpret_cast<V*>(state_->grad.data), sizes, strides};
  }
  /// Forgets the gradient; the next backward() allocates a new one.
  SINTER_INLINE void zero_grad() const { if (state_) state_->grad = detail::result{}; }
  SINTER_INLINE bool requires_grad() const { return state_ && state_->requires_grad; }
  /// Switches recording of this leaf on or off. Throws autograd_error on a recorded result.
  template <class Arch = native> const variable& requires_grad_(bool on = true) const {
    if (!is_leaf()) fail<autograd_error, Arch>("requires_grad_: only for leaves; use detach() on the result of a statement");
    state_->requires_grad = on;
    return *this;
  }
  SINTER_INLINE bool is_leaf() const { return !state_ || state_->is_leaf(); }
  /// Keeps the gradient of this intermediate result after backward().
  SINTER_INLINE void retain_grad() const { state_->retain = true; }

  /// d(this)/d(leaves), added to the leaves' grad(). For a result of one element.
  /// Throws autograd_error if it has more, or nothing was recorded.
  template <class Arch = native> void backward(bool retain_graph = false) const {
    if (is_complex_element<V>) fail<autograd_error, Arch>("backward: a complex result needs a gradient to start from: backward(g)");
    if (value().numel() != 1)
      fail<autograd_error, Arch>("backward: a result of shape ", shape_text{value().sizes().data(), rank}, " needs a gradient to start from: backward(g)");
    start_backward<Arch>(nullptr, retain_graph);
  }
  /// The same for any shape, from the given gradient of this result.
  template <class Arch = native> void backward(const tensor<V, E, D>& seed, bool retain_graph = false) const {
    if (!(seed.sizes() == value().sizes()))
      fail<shape_error, Arch>("backward: the gradient's shape ", shape_text{seed.sizes().data(), rank}, " is not that of the result, ",
                              shape_text{value().sizes().data(), rank});
    start_backward<Arch>(&seed, retain_graph);
  }

  static constexpr int dim() { return rank; }
  SINTER_INLINE int64 size(int d) const { return value().size(d); }
  SINTER_INLINE const index_list<rank>& sizes() const { return value().sizes(); }
  SINTER_INLINE const index_list<rank>& strides() const { return value().strides(); }
  SINTER_INLINE int64 numel() const { return value().numel(); }
  SINTER_INLINE value_type item() const { return value().item(); }
  SINTER_INLINE V* data() const { return value().data(); }
  SINTER_INLINE uint64 version() const { return value().version(); }
  /// `v(i, slice(0, 2))` is a recorded view (autograd/views.hpp); with an integer for every dim, one of rank 0.
  template <class... A> auto operator()(A... a) const;
  /// The transposed view of a matrix.
  auto T() const requires(E::rank == 2);
  SINTER_INLINE detail::grad_slot* slot() const { return state_; }

 private:
  template <class Arch> void start_backward(const tensor<V, E, D>* seed, bool retain_graph) const {
    if (!requires_grad()) fail<autograd_error, Arch>("backward: this variable does not require a gradient: nothing was recorded");
    const bool accumulates = is_leaf() || state_->retain;
    if (!accumulates) state_->grad = detail::result{};
    // read where it is, unless it is a gradient to which the statement that reads it adds
    if (seed && !accumulates && !(state_->producer && state_->producer->adds_to(seed->storage_handle()))) {
      detail::result& g = state_->grad;
      g.block = seed->storage_handle(), g.shape = state_->shape;
      g.data = reinterpret_cast<char*>(const_cast<V*>(seed->data()));
      for (int d = 0; d < rank; ++d) g.strides[d] = seed->strides()[d];
      return detail::run_backward<Arch>(*state_, retain_graph);
    }
    const detail::result to = detail::gradient_target<Arch>(*state_);
    V* p = reinterpret_cast<V*>(to.data);
    const int64 n = value().numel();
    if (seed) {
      detail::operand from;
      from.shape = state_->shape;
      for (int d = 0; d < rank; ++d) from.strides[d] = seed->strides()[d];
      detail::sum_into<Arch>(dtype_of<value_type>, reinterpret_cast<const char*>(seed->data()), from.shape, from.strides, to.data, to.shape,
                             to.strides, to.mode == detail::write_accumulate);
    } else {
      for (int64 i = 0; i < n; ++i) p[i] = to.mode == detail::write_accumulate ? static_cast<V>(p[i] + V(1)) : V(1);
    }
    detail::run_backward<Arch>(*state_, retain_graph);
  }

  state* state_ = nullptr;
};

// Only to say what is meant instead.
template <class T, class E, class D, class X> const variable<T, E, D>& operator+=(const variable<T, E, D>& w, X&&) {
  static_assert(detail::never<X>, "sinter: a variable is not changed in place: write its value, `w.detach() += ...;`");
  return w;
}
template <class T, class E, class D, class X> const variable<T, E, D>& operator-=(const variable<T, E, D>& w, X&&) {
  static_assert(detail::never<X>, "sinter: a variable is not changed in place: write its value, `w.detach() -= ...;`");
  return w;
}
template <class T, class E, class D, class X> const variable<T, E, D>& operator*=(const variable<T, E, D>& w, X&&) {
  static_assert(detail::never<X>, "sinter: a variable is not changed in place: write its value, `w.detach() *= ...;`");
  return w;
}
template <class T, class E, class D, class X> const variable<T, E, D>& operator/=(const variable<T, E, D>& w, X&&) {
  static_assert(detail::never<X>, "sinter: a variable is not changed in place: write its value, `w.detach() /= ...;`");
  return w;
}

template <class T, class E, class D> variable(const tensor<T, E, D>&) -> variable<T, E, D>;
template <class Op, class... A> variable(const node<Op, A...>&)
    -> variable<typename detail::lowered<node<Op, A...>>::value_type, typename detail::lowered<node<Op, A...>>::extents_type>;

}  // namespace sinter::inline v0
