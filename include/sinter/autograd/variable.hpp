// SPDX-License-Identifier: BSD-3-Clause
// variable: a tensor whose uses are recorded, and its gradient. Next: autograd/statement.hpp for what is recorded.
#pragma once
#include "../tensor/assign.hpp"
#include "engine.hpp"

namespace sinter::inline v0 {

/// A tensor that takes part in differentiation. Copies share value and gradient, as in PyTorch.
template <class T, class E, class D = cpu_t> class variable {
 public:
  using value_type = std::remove_const_t<T>;
  using extents_type = E;
  using device_type = D;
  using expression_tag = void;
  using handle_type = variable;
  static constexpr int rank = E::rank;

  variable() = default;
  /// A leaf that requires a gradient (not under no_grad). Shares the tensor's elements.
  variable(const tensor<T, E, D>& t) : variable(t, is_grad_enabled()) {}
  variable(const tensor<T, E, D>& t, bool requires_grad) : value_(t), slot_(new detail::grad_slot) {
    slot_->type = dtype_of<value_type>;
    slot_->requires_grad = requires_grad;
    slot_->shape.rank = rank;
    for (int d = 0; d < rank; ++d) slot_->shape[d] = t.sizes()[d];
  }
  /// Evaluates an expression as one recorded statement; one without variables makes a leaf.
  template <detail::formula X, class Arch = native> variable(const X& x);
  /// From the value and slot of a recorded statement.
  variable(tensor<T, E, D>&& t, detail::slot_ptr slot) : value_(static_cast<tensor<T, E, D>&&>(t)), slot_(static_cast<detail::slot_ptr&&>(slot)) {}

  const variable& handle() const& { return *this; }
  variable&& handle() && { return static_cast<variable&&>(*this); }

  bool defined() const { return value_.defined(); }
  /// The value as a tensor that nothing records; it shares the elements.
  const tensor<T, E, D>& detach() const { return value_; }
  /// Sum of what backward() has found so far; undefined before.
  tensor<T, E, D> grad() const {
    if (!slot_ || !slot_->grad.block) return {};
    index_list<rank> sizes, strides;
    for (int d = 0; d < rank; ++d) sizes[d] = slot_->shape[d], strides[d] = slot_->grad.strides[d];
    return {slot_->grad.block, reinterpret_cast<T*>(slot_->grad.data), sizes, strides};
  }
  /// Forgets the gradient; the next backward() allocates a new one.
  void zero_grad() const { if (slot_) slot_->grad = detail::result{}; }
  bool requires_grad() const { return slot_ && slot_->requires_grad; }
  /// Switches recording of this leaf on or off. Throws autograd_error on a recorded result.
  template <class Arch = native> const variable& requires_grad_(bool on = true) const {
    if (!is_leaf()) fail<autograd_error, Arch>("requires_grad_: only for leaves; use detach() on the result of a statement");
    slot_->requires_grad = on;
    return *this;
  }
  bool is_leaf() const { return !slot_ || slot_->is_leaf(); }
  /// Keeps the gradient of this intermediate result after backward().
  void retain_grad() const { slot_->retain = true; }

  /// d(this)/d(leaves), added to the leaves' grad(). For a result of one element.
  /// Throws autograd_error if it has more, or nothing was recorded.
  template <class Arch = native> void backward(bool retain_graph = false) const {
    if (value_.numel() != 1)
      fail<autograd_error, Arch>("backward: a result of shape ", shape_text{value_.sizes().data(), rank}, " needs a gradient to start from: backward(g)");
    start_backward<Arch>(nullptr, retain_graph);
  }
  /// The same for any shape, from the given gradient of this result.
  template <class Arch = native> void backward(const tensor<T, E, D>& seed, bool retain_graph = false) const {
    if (!(seed.sizes() == value_.sizes()))
      fail<shape_error, Arch>("backward: the gradient's shape ", shape_text{seed.sizes().data(), rank}, " is not that of the result, ",
                              shape_text{value_.sizes().data(), rank});
    start_backward<Arch>(&seed, retain_graph);
  }

  static constexpr int dim() { return rank; }
  int64 size(int d) const { return value_.size(d); }
  const index_list<rank>& sizes() const { return value_.sizes(); }
  const index_list<rank>& strides() const { return value_.strides(); }
  int64 numel() const { return value_.numel(); }
  value_type item() const { return value_.item(); }
  T* data() const { return value_.data(); }
  uint64 version() const { return value_.version(); }
  const detail::slot_ptr& slot() const { return slot_; }

 private:
  template <class Arch> void start_backward(const tensor<T, E, D>* seed, bool retain_graph) const {
    if (!requires_grad()) fail<autograd_error, Arch>("backward: this variable does not require a gradient: nothing was recorded");
    const bool accumulates = is_leaf() || slot_->retain;
    if (!accumulates) slot_->grad = detail::result{};
    const detail::result to = detail::gradient_target<Arch>(*slot_.get());
    T* p = reinterpret_cast<T*>(to.data);
    const int64 n = value_.numel();
    if (seed) {
      detail::operand from;
      from.shape = slot_->shape;
      for (int d = 0; d < rank; ++d) from.strides[d] = seed->strides()[d];
      detail::sum_into<Arch>(dtype_of<value_type>, reinterpret_cast<const char*>(seed->data()), from.shape, from.strides, to.data, to.shape,
                             to.strides, to.mode == detail::write_accumulate);
    } else {
      for (int64 i = 0; i < n; ++i) p[i] = to.mode == detail::write_accumulate ? static_cast<T>(p[i] + T(1)) : T(1);
    }
    detail::run_backward<Arch>(*slot_.get(), retain_graph);
  }

  tensor<T, E, D> value_;
  detail::slot_ptr slot_;
};

template <class T, class E, class D> variable(const tensor<T, E, D>&) -> variable<T, E, D>;
template <class Op, class... A> variable(const node<Op, A...>&)
    -> variable<typename detail::lowered<node<Op, A...>>::value_type, typename detail::lowered<node<Op, A...>>::extents_type>;

}  // namespace sinter::inline v0
