// SPDX-License-Identifier: BSD-3-Clause
// variable: a tensor whose uses are recorded, and its gradient. Next: autograd/statement.hpp for what is recorded.
#pragma once
#include "../tensor/assign.hpp"
#include "engine.hpp"

namespace sinter::inline v0 {

namespace detail {

struct view_record;
struct state_base;
/// What is done with the elements of a variable of unknown type.
struct state_elements {
  void (*release)(state_base*);
  const storage* (*where)(const state_base*, operand& to);
};
/// What all handles of one variable share, without its type. Nodes hold slots alone, so an intermediate value is freed with its
/// last handle even while a graph still passes gradients through it.
struct state_base : grad_slot {
  std::atomic<int64> handles{1};
  grad_slot* current = this;       ///< the slot of the value as it is: another one once a recorded statement wrote it in place; then counted
  view_record* view = nullptr;     ///< owned; null: no view
  bool alias = false;              ///< argument and result of a custom function that returned it as it was: a write would pass the function by
  std::atomic<uint64> history{0};  ///< how often a recorded statement wrote the elements, itself or through a view of it
  const state_elements* elements = nullptr;
};
/// Of which variable's elements a variable is a view.
struct view_record {
  state_base* base = nullptr;      ///< no view itself; the record is one of its handles
  std::atomic<uint64> seen{0};     ///< the history of the base that the view's slot knows
  bool unrecorded = false;         ///< made where nothing was recorded
  std::atomic<bool> busy{false};
  grad_slot* (*slot)(state_base*) = nullptr;  ///< the view's slot, after what was written since
};

inline namespace SINTER_TARGET {
/// The last handle of a variable goes: its value is freed, its slots when no node reads them.
SINTER_NOINLINE inline void let_go(state_base* s) {
  while (s) {
    s->elements->release(s);
    state_base* base = nullptr;
    if (view_record* v = s->view) {
      if (v->base->handles.fetch_sub(1, std::memory_order_acq_rel) == 1) base = v->base;
      s->view = nullptr;
      delete v;
    }
    if (s->current != s) {
      grad_slot* const now = s->current;
      s->current = s;
      drop(now);
    }
    drop(s);
    s = base;
  }
}
}  // namespace SINTER_TARGET

inline namespace SINTER_TARGET {
template <class State> void release_elements(state_base* s) { static_cast<State*>(s)->value = {}; }
template <class State> const storage* place_of_elements(const state_base* s, operand& to) {
  const auto& t = static_cast<const State*>(s)->value;
  to.data = reinterpret_cast<char*>(const_cast<typename State::element_type*>(t.data()));
  to.shape = s->shape;
  for (int d = 0; d < s->shape.rank; ++d) to.strides[d] = t.strides()[d];
  return t.storage_handle().get();
}
template <class State> SINTER_HIDDEN inline constexpr state_elements elements_of{&release_elements<State>, &place_of_elements<State>};
}  // namespace SINTER_TARGET

template <class T, class E, class D> struct variable_state final : state_base {
  using element_type = std::remove_const_t<T>;
  tensor<T, E, D> value;
  SINTER_INLINE explicit variable_state(tensor<T, E, D> v) : value(static_cast<tensor<T, E, D>&&>(v)) {
    destroy = &destroy_state<variable_state>;
    elements = &elements_of<variable_state>;
    type = dtype_of<std::remove_const_t<T>>;
    inference = is_inference_mode_enabled();
    shape.rank = E::rank;
    for (int d = 0; d < E::rank; ++d) shape[d] = value.sizes()[d];
  }
  SINTER_INLINE ~variable_state() {}
};

inline namespace SINTER_TARGET {
template <class T, class E, class D> SINTER_INLINE gradient gradient_of(const tensor<T, E, D>& t) {
  gradient g;
  g.block = t.storage_handle();
  g.data = reinterpret_cast<char*>(const_cast<std::remove_const_t<T>*>(t.data()));
  for (int d = 0; d < E::rank; ++d) g.strides[d] = t.strides()[d];
  return g;
}
/// Walks backward from several roots, where seeds[i] without data stands for 1: towards all leaves, or `inputs` alone.
template <class Arch> SINTER_NOINLINE void backward_from(const vec<grad_slot*>& roots, const vec<gradient>& seeds, const vec<grad_slot*>& inputs, bool retain_graph) {
  backward_walk w;
  w.retain_graph = retain_graph;
  if (inputs.size()) ask_for(w, roots, inputs);
  for (int i = 0; i < roots.size(); ++i) start_from<Arch>(w, *roots[i], seeds[i], roots.size() == 1);
  run_backward<Arch>(w);
  for (walk_entry* e = w.oldest; e; e = e->next) {
    if (!e->asked || !e->sum.data) continue;
    if (e->slot->is_leaf()) {
      accumulate_in_leaf<Arch>(*e);
    } else {
      const bool kept = e->slot->retain;  // then it was added when it was shown
      e->slot->retain = true;
      if (!kept) add_to_kept<Arch>(e->slot->more().kept, e->sum, *e->slot);
    }
  }
}
template <class Arch> void backward_from(grad_slot& root, const gradient& seed, const vec<grad_slot*>& inputs, bool retain_graph) {
  backward_from<Arch>(vec<grad_slot*>(1, &root), vec<gradient>(1, seed), inputs, retain_graph);
}

/// Variables of any types, as slots.
class slot_list {
 public:
  slot_list() = default;
  template <class... T, class... E, class... D> SINTER_INLINE slot_list(const variable<T, E, D>&... v) requires(sizeof...(T) > 0) { (add(v.slot()), ...); }
  slot_list(const slot_list& o) {
    for (int i = 0; i < o.slots_.size(); ++i) add(o.slots_[i]);
  }
  slot_list& operator=(const slot_list&) = delete;
  ~slot_list() {
    for (int i = 0; i < slots_.size(); ++i) drop(slots_[i]);
  }
  void add(grad_slot* s) {
    if (!s) fail<autograd_error>("backward: one of the inputs is an undefined variable");
    if (!s->requires_grad) fail<autograd_error>("backward: one of the inputs does not require a gradient");
    s->refs.fetch_add(1, std::memory_order_relaxed);
    slots_.push(s);
  }
  const vec<grad_slot*>& slots() const { return slots_; }

 private:
  vec<grad_slot*> slots_;
};

}  // namespace SINTER_TARGET
}  // namespace detail

inline namespace SINTER_TARGET {
struct backward_options {
  bool retain_graph = false;        ///< keep what the statements saved, for another backward
  detail::slot_list inputs = {};    ///< `{x, w}`: only these collect gradients, results of statements retain them; empty: all leaves
};
}  // namespace SINTER_TARGET

/// What register_hook returns: remove() ends the calls. Copies stand for the same hook; it needs no handle to live.
class hook_handle {
 public:
  hook_handle() = default;
  SINTER_INLINE explicit hook_handle(detail::hook* h) : hook_(h) {}
  SINTER_INLINE hook_handle(const hook_handle& o) noexcept : hook_(o.hook_) {
    if (hook_) hook_->refs.fetch_add(1, std::memory_order_relaxed);
  }
  SINTER_INLINE hook_handle(hook_handle&& o) noexcept : hook_(o.hook_) { o.hook_ = nullptr; }
  SINTER_INLINE hook_handle& operator=(const hook_handle& o) noexcept { return *this = hook_handle(o); }
  SINTER_INLINE hook_handle& operator=(hook_handle&& o) noexcept {
    detail::hook* h = hook_;
    hook_ = o.hook_, o.hook_ = h;
    return *this;
  }
  SINTER_INLINE ~hook_handle() {
    if (hook_) hook_->drop();
  }
  SINTER_INLINE void remove() const {
    if (!hook_ || !hook_->list) return;
    detail::hook** at = &hook_->list->hooks;
    while (*at != hook_) at = &(*at)->next;
    *at = hook_->next;
    hook_->next = nullptr, hook_->list = nullptr;
    hook_->drop();
  }

 private:
  detail::hook* hook_ = nullptr;
};

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
  /// A leaf that requires a gradient (not under no_grad; integers and bools never do). Shares the tensor's elements.
  SINTER_INLINE variable(const tensor<V, E, D>& t) : variable(t, is_grad_enabled()) {}
  SINTER_INLINE variable(tensor<V, E, D> t, bool requires_grad) : state_(new state(static_cast<tensor<V, E, D>&&>(t))) { state_->requires_grad = requires_grad && is_differentiable(dtype_of<value_type>); }
  SINTER_INLINE variable(const variable& o) noexcept : state_(o.state_) {
    if (state_) state_->handles.fetch_add(1, std::memory_order_relaxed);
  }
  SINTER_INLINE variable(variable&& o) noexcept : state_(o.state_) { o.state_ = nullptr; }
  /// `v = w` makes v another handle of w.
  SINTER_INLINE variable& operator=(const variable& o) & noexcept { return *this = variable(o); }
  SINTER_INLINE variable& operator=(variable&& o) & noexcept {
    state* t = state_;
    state_ = o.state_, o.state_ = t;
    return *this;
  }
  /// `v(0) = e`, `v(slice(0, 2)) = e`: assignment to a view writes through.
  template <class X, class Arch = native> requires detail::assignable<X> void operator=(X&& e) &&;
  /// Writes e (a number, tensor, variable or expression that broadcasts to this shape) into the elements, recorded: handles and views see
  /// it, and statements that saved the elements for backward will notice. Throws autograd_error for a leaf that requires a gradient
  /// (unless under no_grad) and for views of one. https://pytorch.org/docs/stable/generated/torch.Tensor.copy_.html
  template <class X, class Arch = native> requires detail::assignable<X> const variable& copy_(X&& e) const;
  template <number N> const variable& fill_(N n) const { return copy_(n); }
  const variable& zero_() const { return copy_(0); }
  SINTER_INLINE ~variable() {
    if (state_ && state_->handles.fetch_sub(1, std::memory_order_acq_rel) == 1) detail::let_go(state_);
  }
  /// Evaluates an expression as one recorded statement; one without variables makes a leaf.
  template <detail::formula X, class Arch = native> variable(const X& x);
  /// Another handle of the variable whose state this is.
  SINTER_INLINE explicit variable(state* s) noexcept : state_(s) { state_->handles.fetch_add(1, std::memory_order_relaxed); }
  SINTER_INLINE const variable& handle() const& { return *this; }
  SINTER_INLINE variable&& handle() && { return static_cast<variable&&>(*this); }

  SINTER_INLINE bool defined() const { return state_ && state_->value.defined(); }
  /// The value as a tensor that nothing records; it shares the elements.
  SINTER_INLINE tensor<V, E, D> detach() const { return value(); }
  SINTER_INLINE const tensor<V, E, D>& value() const {
    if (!state_) [[unlikely]] fail<error>("an undefined variable has no value");
    return state_->value;
  }
  /// The same elements with a count of versions of their own: what is written through one no statement over the other takes for a
  /// change. So threads train over shared parameters without locks, each by variables of its own (nn::replicate).
  /// https://docs.pytorch.org/cppdocs/api/classat_1_1_tensor_base.html (variable_data)
  SINTER_INLINE tensor<V, E, D> variable_data() const {
    const tensor<V, E, D>& t = value();
    return {storage_alias(t.storage_handle()), t.data(), t.sizes(), t.strides()};
  }
  /// Lets all handles of this variable hold the elements of `t`, which has the same shape. Throws shape_error.
  SINTER_INLINE void set_data(const tensor<V, E, D>& t) const {
    if (!(t.sizes() == sizes()))
      fail<shape_error>("set_data: shape ", shape_text{t.sizes().data(), rank}, " is not that of the variable, ", shape_text{sizes().data(), rank});
    state_->value = t;
  }
  /// Sum of what backward() has found so far; undefined before.
  SINTER_INLINE tensor<V, E, D> grad() const {
    const detail::grad_slot* const s = slot();
    const detail::gradient* const g = s ? s->shown() : nullptr;
    if (!g) return {};
    index_list<rank> sizes, strides;
    for (int d = 0; d < rank; ++d) sizes[d] = s->shape[d], strides[d] = g->strides[d];
    return {g->block, reinterpret_cast<V*>(g->data), sizes, strides};
  }
  /// Forgets the gradient; the next backward() allocates a new one.
  SINTER_INLINE void zero_grad() const { if (state_) slot()->forget_gradient(); }
  SINTER_INLINE bool requires_grad() const {
    const detail::grad_slot* const s = slot();
    return s && s->requires_grad;
  }
  /// Switches recording of this leaf on or off. Throws autograd_error on a recorded result, and where it was made in inference mode.
  template <class Arch = native> const variable& requires_grad_(bool on = true) const {
    if (!state_) fail<autograd_error, Arch>("requires_grad_: an undefined variable");
    if (on && !is_differentiable(dtype_of<value_type>)) fail<dtype_error, Arch>("requires_grad_: elements of ", dtype_of<value_type>, " have no gradients");
    if (!is_leaf()) fail<autograd_error, Arch>("requires_grad_: only for leaves; use detach() on the result of a statement");
    if (on && is_inference() && !is_inference_mode_enabled())
      fail<autograd_error, Arch>("requires_grad_: this variable was made in inference mode and cannot be recorded outside; make another one of a clone() of its value");
    slot()->requires_grad = on;
    return *this;
  }
  SINTER_INLINE bool is_leaf() const { return !state_ || slot()->is_leaf(); }
  /// Was it made in inference mode?
  SINTER_INLINE bool is_inference() const { return state_ && state_->inference; }
  /// Keeps the gradient of this intermediate result after backward(), as its hooks leave it. Throws autograd_error where none is recorded.
  template <class Arch = native> void retain_grad() const {
    if (!requires_grad()) fail<autograd_error, Arch>("retain_grad: this variable does not require a gradient");
    if (is_leaf()) return;
    slot()->retain = true;
    slot()->more();
  }
  /// Calls f(g) with the gradient g of this variable, a tensor, whenever one has been computed, before it is used any further; what
  /// f returns, unless that is void, is used in its place. Hooks are called in the order in which they were registered. In a recorded walk
  /// (create_graph) f is given a variable, if it takes one; else it may only look. Of a leaf they see the whole gradient of a walk.
  /// Throws autograd_error where no gradient is wanted. https://pytorch.org/docs/stable/generated/torch.Tensor.register_hook.html
  template <class F> hook_handle register_hook(F f) const;
  /// Calls f(v) with this variable, a leaf, whenever a walk has added to its gradient.
  /// https://pytorch.org/docs/stable/generated/torch.Tensor.register_post_accumulate_grad_hook.html
  template <class F> hook_handle register_post_accumulate_grad_hook(F f) const;

  /// d(this)/d(leaves), added to the leaves' grad(). For a result of one element.
  /// Throws autograd_error if it has more, or nothing was recorded.
  template <class Arch = native> void backward(bool retain_graph = false) const {
    check_backward<Arch>();
    detail::backward_walk w;
    w.retain_graph = retain_graph;
    detail::start_from<Arch>(w, *slot(), {}, true);
    detail::run_backward<Arch>(w);
  }
  template <class Arch = native> void backward(const backward_options& options) const {
    check_backward<Arch>();
    detail::backward_from<Arch>(*slot(), {}, options.inputs.slots(), options.retain_graph);
  }
  /// The same for any shape, from the given gradient of this result.
  template <class Arch = native> void backward(const tensor<V, E, D>& seed, bool retain_graph = false) const { backward<Arch>(seed, backward_options{retain_graph, {}}); }
  template <class Arch = native> void backward(const tensor<V, E, D>& seed, const backward_options& options) const {
    if (!requires_grad()) fail_unrecorded<Arch>();
    if (!(seed.sizes() == value().sizes()))
      fail<shape_error, Arch>("backward: the gradient's shape ", shape_text{seed.sizes().data(), rank}, " is not that of the result, ",
                              shape_text{value().sizes().data(), rank});
    detail::backward_from<Arch>(*slot(), detail::gradient_of(seed), options.inputs.slots(), options.retain_graph);
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
  /// What recorded statements know of it.
  SINTER_INLINE detail::grad_slot* slot() const {
    if (!state_) return nullptr;
    return state_->view ? state_->view->slot(state_) : state_->current;
  }
  SINTER_INLINE state* state_handle() const { return state_; }

 private:
  template <class Arch> [[noreturn]] static void fail_unrecorded() {
    fail<autograd_error, Arch>("backward: this variable does not require a gradient: nothing was recorded");
  }
  template <class Arch> void check_backward() const {
    if (is_complex_element<V>) fail<autograd_error, Arch>("backward: a complex result needs a gradient to start from: backward(g)");
    if (value().numel() != 1)
      fail<autograd_error, Arch>("backward: a result of shape ", shape_text{value().sizes().data(), rank}, " needs a gradient to start from: backward(g)");
    if (!requires_grad()) fail_unrecorded<Arch>();
  }

  state* state_ = nullptr;
};

template <class T, class E, class D> variable(const tensor<T, E, D>&) -> variable<T, E, D>;
template <class Op, class... A> variable(const node<Op, A...>&)
    -> variable<typename detail::lowered<node<Op, A...>>::value_type, typename detail::lowered<node<Op, A...>>::extents_type>;

}  // namespace sinter::inline v0
