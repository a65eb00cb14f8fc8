// SPDX-License-Identifier: BSD-3-Clause
// function: a statement with a derivative of your own, as torch.autograd.Function: forward over tensors, backward over the
// gradients of its results. For what no expression says: a solver, a message to another rank, somebody else's code.
// Next: autograd/gradcheck.hpp, which checks it.
#pragma once
#include <memory>

#include "../tensor/any_tensor.hpp"
#include "../tensor/complex.hpp"
#include "erased.hpp"
#include "in_place.hpp"

namespace sinter::inline v0 {
namespace detail::inline SINTER_TARGET {

inline bool same_elements(const operand& a, const operand& b) {
  bool same = a.data == b.data && a.shape == b.shape;
  for (int d = 0; same && d < a.shape.rank; ++d) same = a.shape[d] == 1 || a.strides[d] == b.strides[d];
  return same;
}
/// `dy` as a value that can be kept: it is what w has collected for `slot`, or copied.
inline any_variable kept_gradient(const backward_walk& w, const operand& dy, const grad_slot& slot) {
  if (const gradient* g = collected_so_far(w, slot); g && g->block && g->data == dy.data) return any_variable(dy, g->block, slot.type, nullptr);
  operand own = dy;
  const storage_ptr block = copy_of<native>(own, slot.type);
  return any_variable(own, block, slot.type, nullptr);
}
/// The slot behind which a function of several results stands: its gradient are theirs.
struct joint_slot final : grad_slot {
  explicit joint_slot(int results) : results_(results) { destroy = &destroy_state<joint_slot>; }
  /// Adds g to what walk w has collected for result k; `first`: it has nothing yet.
  void add(const backward_walk& w, int k, const any_variable& g, bool first) {
    any_variable sum;
    {
      const lock alone(*this);
      vec<any_variable>& all = of(w);
      if (first) all = vec<any_variable>(results_, {});  // of a walk that was broken off
      sum = all[k];
    }
    sum = sum.defined() ? add_recorded<native>(sum, g) : g;
    const lock alone(*this);
    of(w)[k] = sum;
  }
  /// What walk w has collected, which forgets it.
  vec<any_variable> taken(const backward_walk& w) {
    const lock alone(*this);
    vec<any_variable> out = static_cast<vec<any_variable>&&>(of(w));
    for (int i = 0; i < walks_.size(); ++i)
      if (walks_[i].w == &w) walks_[i] = walks_[walks_.size() - 1], walks_.pop();
    return out.size() ? out : vec<any_variable>(results_, {});
  }

 private:
  struct collected {
    const backward_walk* w = nullptr;
    vec<any_variable> gradients;
  };
  struct lock {
    joint_slot& s;
    explicit lock(joint_slot& slot) : s(slot) {
      for (bool busy = false; !s.busy_.compare_exchange_weak(busy, true, std::memory_order_acquire, std::memory_order_relaxed); busy = false) let_others_run();
    }
    ~lock() { s.busy_.store(false, std::memory_order_release); }
  };
  vec<any_variable>& of(const backward_walk& w) {
    for (int i = 0; i < walks_.size(); ++i)
      if (walks_[i].w == &w) return walks_[i].gradients;
    walks_.push({&w, vec<any_variable>(results_, {})});
    return walks_[walks_.size() - 1].gradients;
  }
  vec<collected> walks_;
  std::atomic<bool> busy_{false};
  int results_;
};
/// Between result `k` of such a function and the function: brings the gradient, so that the function runs after all of them.
class outlet_node final : public node_base {
 public:
  outlet_node(joint_slot& joint, int k) : joint_(&joint), k_(k) {
    joint.refs.fetch_add(1, std::memory_order_relaxed);
    comes_after(*this, joint);
  }
  ~outlet_node() override { drop(joint_); }
  void backward(backward_walk& w, const operand& dy) override {
    gradient* const mark = collected(w, *joint_);
    if (!mark) return;
    const any_variable g = kept_gradient(w, dy, *output);
    joint_->add(w, k_, g, !mark->data);
    mark->block = g.block, mark->data = g.value.data;  // that there is one
  }
  void backward_recorded(backward_walk& w, const any_variable& dy, any_variable* to) override {
    const walk_entry* const e = w.find(joint_);
    if (!e) return;
    const bool first = !e->recorded.defined();
    if (first) to[0] = dy;
    joint_->add(w, k_, dy, first);
  }
  bool release() override { return false; }
  int input_count() const override { return 1; }
  grad_slot* input(int) const override { return joint_; }
  void forget(int) override { joint_ = nullptr; }
  void describe(std::string& to) const override { to += "a result of a custom function"; }

 private:
  joint_slot* joint_;
  int k_;
};
/// What a once-differentiable function gives in a recorded walk: a value that must not be differentiated.
class once_node final : public node_base {
 public:
  explicit once_node(const char* name) : name_(name) {}
  ~once_node() override {
    for (int i = 0; i < inputs_.size(); ++i) drop(inputs_[i]);
  }
  void add(grad_slot* s) {
    if (!s || !s->requires_grad) return;
    s->refs.fetch_add(1, std::memory_order_relaxed);
    inputs_.push(s);
    comes_after(*this, *s);
  }
  void backward(backward_walk&, const operand&) override { raise(); }
  void backward_recorded(backward_walk&, const any_variable&, any_variable*) override { raise(); }
  bool release() override { return false; }
  int input_count() const override { return inputs_.size(); }
  grad_slot* input(int i) const override { return inputs_[i]; }
  void forget(int i) override { inputs_[i] = nullptr; }
  void describe(std::string& to) const override { to += name_; }

 private:
  void raise() const { fail<autograd_error>("a second derivative through ", name_, ": its backward is once_differentiable"); }
  const char* name_;
  vec<grad_slot*> inputs_;
};

class function_node;

}  // namespace detail::inline SINTER_TARGET
inline namespace SINTER_TARGET {

/// What forward leaves for backward. If the function has a `struct state`, its context is a function_context_with<state>, with a
/// member `state` for anything else: take it as `auto& ctx`.
class function_context {
 public:
  function_context() = default;
  function_context(const function_context&) = delete;
  function_context& operator=(const function_context&) = delete;

  /// Tensors that backward reads, in the place of those of an earlier call; undefined ones are kept as such. Arguments and results
  /// of forward stay connected with them in second derivatives, other tensors are constants there.
  template <class... V> void save_for_backward(const V&... t) {
    saved_ = {};
    (save(&t, detail::any_variable_of(detail::evaluated(t))), ...);
  }
  /// Saved tensor i, as a variable that derivatives of backward reach. Throws version_error if it was written in place since,
  /// dtype_error or shape_error if it is not of T and rank R, index_error.
  template <class T, int R> variable<T, rank<R>> saved(int i) const { return detail::variable_of_any<T, rank<R>>(saved_value(i, dtype_of<T>, R)); }
  /// Its elements alone.
  template <class T, int R> tensor<T, rank<R>> saved_tensor(int i) const { return detail::tensor_of_any<T, rank<R>>(saved_value(i, dtype_of<T>, R)); }
  int saved_count() const { return saved_.size(); }
  /// Does argument i of forward (counted behind the context) want a gradient?
  bool needs_input_grad(int i) const {
    if (i < 0 || i >= needs_.size()) fail<index_error>("needs_input_grad: no argument ", i, " among ", needs_.size());
    return needs_[i];
  }
  /// These results have no gradient. Results of integers and bool never have.
  template <class... V> void mark_non_differentiable(const V&... result) { (constant_.push(detail::operand_of(result)), ...); }
  /// These arguments were written in place by forward; each must be returned.
  template <class... V> void mark_dirty(const V&... written) { (dirty_.push(detail::operand_of(written)), ...); }
  /// false: backward gets an undefined variable, not zeros, for results that have no gradient.
  void set_materialize_grads(bool on) { materialize_ = on; }

 private:
  friend class detail::function_node;
  struct given {
    const void* place;  ///< of the tensor that forward was given
    detail::any_variable v;
  };
  struct entry {
    detail::any_variable v;
    int argument = -1, result = -1;  ///< which of these it is
    uint64 version = 0;
  };
  void save(const void* place, const detail::any_variable& v) {
    saved_.push({v, -1, -1, 0});
    places_.push(place);
  }
  detail::any_variable saved_value(int i, dtype t, int rank) const;

  detail::vec<given> arguments_;  // while forward runs
  detail::vec<const void*> places_;
  detail::vec<entry> saved_;
  detail::vec<bool> needs_;
  detail::vec<detail::operand> constant_, dirty_;
  bool materialize_ = true;
  detail::function_node* node_ = nullptr;
};
template <class State> class function_context_with : public function_context {
 public:
  State state{};
};

}  // namespace SINTER_TARGET
namespace detail::inline SINTER_TARGET {

/// A recorded call of a custom function, without its types.
class function_node : public node_base {
 public:
  function_node(const char* name, bool once) : name_(name), once_(once) {}
  ~function_node() override {
    for (int i = 0; i < inputs_.size(); ++i) drop(inputs_[i]);
  }
  virtual function_context& context() = 0;
  /// That argument of forward is a tensor at `place`.
  void add_tensor(int argument, const void* place, const any_variable& v) {
    const bool wants = v.slot && v.slot->requires_grad && is_grad_enabled() && is_differentiable(v.type);
    function_context& c = context();
    c.needs_.push(wants);
    c.arguments_.push({place, v});
    numbers_.push(argument);
    inputs_.push(wants ? v.slot : nullptr);
    shapes_.push(v.value.shape);
    types_.push(v.type);
    if (!wants) return;
    v.slot->refs.fetch_add(1, std::memory_order_relaxed);
    comes_after(*this, *v.slot);
    wanted_ = true;
  }
  void add_other() { context().needs_.push(false); }
  bool wanted() const { return wanted_; }
  /// After forward: the results are known, so that what was saved is, too. Whether result k has a gradient: differentiable(k).
  void add_result(const any_variable& v) {
    bool constant = !is_differentiable(v.type);
    const function_context& c = context();
    for (int i = 0; i < c.constant_.size(); ++i) constant = constant || same_elements(c.constant_[i], v.value);
    results_.push(v);
    differentiable_.push(!constant);
  }
  bool differentiable(int k) const { return differentiable_[k]; }
  /// Which tensor argument result k is, and whether forward wrote it.
  struct alias {
    int argument = -1;  ///< -1: none
    bool written = false;
  };
  alias alias_of(int k) const { return aliases_[k]; }
  void finish() {
    function_context& c = context();
    for (int i = 0; i < c.dirty_.size(); ++i) check_dirty(c.dirty_[i]);
    for (int i = 0; i < c.saved_.size(); ++i) {
      function_context::entry& e = c.saved_[i];
      if (!e.v.defined()) continue;
      e.v = any_variable(e.v.value, e.v.block, e.v.type, nullptr);  // who holds two references to a slot destroys it recursively
      bool dirty = false;
      for (int k = 0; k < c.dirty_.size(); ++k) dirty = dirty || same_elements(e.v.value, c.dirty_[k]);
      if (!dirty) e.argument = argument_of(e.v.value, c.places_[i]);
      for (int k = 0; e.argument < 0 && k < results_.size(); ++k)
        if (differentiable_[k] && same_elements(e.v.value, results_[k].value)) e.result = k;
      e.version = e.v.block->version.load(std::memory_order_acquire);
    }
    for (int k = 0; k < results_.size(); ++k) {
      result_shapes_.push(results_[k].value.shape), result_types_.push(results_[k].type);
      int of = -1;
      bool dirty = false;
      for (int i = 0; i < c.arguments_.size(); ++i)
        if (same_elements(c.arguments_[i].v.value, results_[k].value)) of = i;
      for (int i = 0; i < c.dirty_.size(); ++i) dirty = dirty || same_elements(c.dirty_[i], results_[k].value);
      aliases_.push({of, dirty});
    }
    c.arguments_ = {}, c.places_ = {}, c.constant_ = {}, c.dirty_ = {}, results_ = {};
    c.node_ = this;
  }
  /// Makes this node, one of several results, what `slot` comes from as result k.
  void attach_result(joint_slot& joint, int k, grad_slot& slot) { attach(new outlet_node(joint, k), slot); }

  void backward(backward_walk& w, const operand& dy) override {
    vec<any_variable> dys = results() == 1 && !joint_ ? vec<any_variable>(1, kept_gradient(w, dy, *output)) : joint().taken(w);
    const vec<any_variable> g = gradients(dys, false);
    for (int i = 0; i < inputs_.size(); ++i) {
      if (!inputs_[i] || !g[i].defined()) continue;
      const result to = gradient_target<native>(w, *inputs_[i]);
      if (to.mode == write_skip) continue;
      sum_into<native>(g[i].type, g[i].value.data, g[i].value.shape, g[i].value.strides, to.data, to.shape, to.strides, to.mode == write_accumulate);
    }
  }
  void backward_recorded(backward_walk& w, const any_variable& dy, any_variable* to) override {
    vec<any_variable> dys = joint_ ? joint().taken(w) : vec<any_variable>(1, dy);
    const vec<any_variable> g = gradients(dys, !once_);
    for (int i = 0; i < inputs_.size(); ++i) {
      if (!inputs_[i] || !g[i].defined() || !w.wants(inputs_[i])) continue;
      to[i] = g[i].value.shape == shapes_[i] ? g[i] : summed_to(g[i], shapes_[i]);
      if (!once_) continue;
      auto* n = new once_node(name_);
      for (int k = 0; k < dys.size(); ++k) n->add(dys[k].slot);
      for (int k = 0; k < inputs_.size(); ++k) n->add(inputs_[k]);
      to[i] = produced(n, to[i].value, to[i].block, to[i].type);
    }
  }
  bool release() override {
    bool any = false;
    vec<function_context::entry>& saved = context().saved_;
    for (int i = 0; i < saved.size(); ++i) any = any || saved[i].v.block, saved[i].v.block = {};
    return any;
  }
  int input_count() const override { return inputs_.size(); }
  grad_slot* input(int i) const override { return inputs_[i]; }
  void forget(int i) override { inputs_[i] = nullptr; }
  void each_saved(saved_visitor& to) override {
    vec<function_context::entry>& saved = context().saved_;
    for (int i = 0; i < saved.size(); ++i) to.value(saved[i].v.value, saved[i].v.block, saved[i].version, saved[i].v.type);
  }
  void describe(std::string& to) const override {
    append(to, name_);
    for (int i = 0; i < shapes_.size(); ++i) append(to, i ? ", " : " of "), append(to, shape_text{shapes_[i].e, shapes_[i].rank});
  }
  /// Saved value e as a variable.
  any_variable connected(const function_context::entry& e) {
    if (!is_grad_enabled()) return e.v;
    if (e.argument >= 0) return any_variable(e.v.value, e.v.block, e.v.type, inputs_[e.argument]);
    if (e.result < 0) return e.v;
    if (!joint_) return any_variable(e.v.value, e.v.block, e.v.type, output);
    return produced(new outlet_node(joint(), e.result), e.v.value, e.v.block, e.v.type);
  }
  const char* name() const { return name_; }
  bool joint_ = false;

 protected:
  /// backward of the function, from the gradients of all results to those of all tensors.
  virtual void call(const any_variable* dys, any_variable* to) = 0;

 private:
  int results() const { return result_shapes_.size(); }
  joint_slot& joint() { return *static_cast<joint_slot*>(output); }
  vec<any_variable> gradients(vec<any_variable>& dys, bool recorded) {
    for (int k = 0; k < dys.size(); ++k)
      if (!dys[k].defined() && context().materialize_) dys[k] = zero_value(result_types_[k], result_shapes_[k]);
    vec<any_variable> g(inputs_.size() + 1, {});
    {
      const grad_mode_guard mode(recorded);
      call(&dys[0], &g[0]);
    }
    for (int i = 0; i < inputs_.size(); ++i) {
      if (!inputs_[i] || !g[i].defined()) continue;
      shape_value both = g[i].value.shape;
      if (!broadcast_into(both, shapes_[i]) || !(both == g[i].value.shape))
        fail<shape_error>("backward of ", name_, ": the gradient of argument ", numbers_[i], " has shape ", shape_text{both.e, g[i].value.shape.rank},
                          ", the argument ", shape_text{shapes_[i].e, shapes_[i].rank});
    }
    return g;
  }
  /// Whose argument it is: by the tensor itself, or by its elements if they are one variable's.
  int argument_of(const operand& value, const void* place) {
    const vec<function_context::given>& a = context().arguments_;
    int found = -1, matches = 0;
    for (int i = 0; i < a.size(); ++i) {
      if (a[i].place == place) return i;
      if (!same_elements(a[i].v.value, value) || (matches && inputs_[found] == inputs_[i])) continue;
      found = i, ++matches;
    }
    if (matches > 1)
      fail<autograd_error>(name_, ": save_for_backward: two arguments have these elements; take forward's arguments as `const auto&` and save those");
    return found;
  }
  void check_dirty(const operand& value) {
    const vec<function_context::given>& a = context().arguments_;
    bool argument = false, returned = false;
    for (int i = 0; i < a.size(); ++i)
      if (same_elements(a[i].v.value, value)) {
        argument = true;
        if (inputs_[i] && inputs_[i]->is_leaf()) fail<autograd_error>(name_, ": mark_dirty: argument ", numbers_[i], " is a leaf that requires a gradient; it must not be written in place");
      }
    for (int k = 0; k < results_.size(); ++k) returned = returned || same_elements(results_[k].value, value);
    if (!argument || !returned) fail<autograd_error>(name_, ": mark_dirty: what is written in place is ", argument ? "returned" : "an argument of forward");
  }

  const char* name_;
  const bool once_;
  bool wanted_ = false;
  vec<grad_slot*> inputs_;
  vec<int> numbers_;
  vec<shape_value> shapes_, result_shapes_;
  vec<dtype> types_, result_types_;
  vec<any_variable> results_;
  vec<bool> differentiable_;
  vec<alias> aliases_;
};

}  // namespace detail::inline SINTER_TARGET
inline namespace SINTER_TARGET {

inline detail::any_variable function_context::saved_value(int i, dtype t, int rank) const {
  const char* name = node_ ? node_->name() : "a custom function";
  if (i < 0 || i >= saved_.size()) fail<index_error>(name, ": saved: no tensor ", i, " among ", saved_.size());
  const entry& e = saved_[i];
  if (!e.v.defined()) return {};
  if (e.v.type != t) fail<dtype_error>(name, ": saved tensor ", i, " is one of ", e.v.type, ", not of ", t);
  if (e.v.value.shape.rank != rank) fail<shape_error>(name, ": saved tensor ", i, " has shape ", shape_text{e.v.value.shape.e, e.v.value.shape.rank}, ", not rank ", rank);
  if (!node_) return e.v;
  if (const uint64 now = e.v.block->version.load(std::memory_order_acquire); now != e.version)
    fail<version_error>("backward of ", name, ": saved tensor ", i, " of shape ", shape_text{e.v.value.shape.e, rank},
                        " was written in place since (version ", e.version, ", now ", now, ")");
  return node_->connected(e);
}

}  // namespace SINTER_TARGET
namespace detail::inline SINTER_TARGET {

template <class X> inline constexpr bool is_tensor_argument = tensor_like<X> || is_variable<std::remove_cvref_t<X>> || formula<X>;
template <class F> constexpr const char* function_name() {
  if constexpr (requires { F::name; }) return F::name;
  else return "a custom function";
}
template <class F> constexpr bool is_once_differentiable() {
  if constexpr (requires { F::once_differentiable; }) return F::once_differentiable;
  else return false;
}
template <class F> struct context_of { using type = function_context; };
template <class F> requires requires { typename F::state; } struct context_of<F> { using type = function_context_with<typename F::state>; };

/// What forward returned as a tensor.
template <class X> auto result_tensor(const X& x) {
  static_assert(is_tensor_argument<X>, "sinter: forward of a custom function returns a tensor, an expression, or a std::tuple of such");
  if constexpr (formula<X>) return result_tensor(eval(x));
  else if constexpr (is_variable<X>) return x.value();
  else return x;
}
template <class X> auto result_tensors(const X& x) {
  if constexpr (is_tuple<X>) return std::apply([](const auto&... r) { return std::tuple(result_tensor(r)...); }, x);
  else return std::tuple(result_tensor(x));
}
/// A gradient that backward returned, for an argument of T elements.
template <class T, class G> any_variable gradient_value(const G& g) {
  static_assert(is_tensor_argument<G> || std::is_same_v<G, none_t>, "sinter: backward of a custom function returns a gradient for each tensor argument of forward: "
                                                                    "a tensor, variable or expression, or st::none");
  if constexpr (std::is_same_v<G, none_t> || !is_tensor_argument<G>) {
    return {};
  } else if constexpr (formula<G>) {
    return gradient_value<T>(eval(g));
  } else if constexpr (!is_differentiable(dtype_of<T>)) {
    return {};
  } else if constexpr (!std::is_same_v<std::remove_const_t<typename G::value_type>, T>) {
    if (!g.defined()) return {};
    if constexpr (is_complex_element<typename G::value_type> && !is_complex_element<T>) return gradient_value<T>(real(g));
    else return gradient_value<T>(eval(to<T>(g)));
  } else {
    return any_variable_of(g);
  }
}
/// A call of F whose forward takes arguments A (held as they are) and returns tensors R.
template <class F, class A, class R> class call_node;
template <class F, class... A, class... R> class call_node<F, std::tuple<A...>, std::tuple<R...>> final : public function_node {
 public:
  call_node() : function_node(function_name<F>(), is_once_differentiable<F>()) {}
  function_context& context() override { return ctx; }
  typename context_of<F>::type ctx;

 private:
  void call(const any_variable* dys, any_variable* to) override { call(std::index_sequence_for<R...>(), dys, to); }
  template <class T> static auto argument(const any_variable& v) {
    if constexpr (is_once_differentiable<F>()) return tensor_of_any<typename T::value_type, typename T::extents_type>(v);
    else return variable_of_any<typename T::value_type, typename T::extents_type>(v);
  }
  template <std::size_t... I> void call(std::index_sequence<I...>, const any_variable* dys, any_variable* to) {
    const auto found = F::backward(ctx, argument<R>(dys[I])...);
    if constexpr (is_tuple<std::remove_cvref_t<decltype(found)>>) std::apply([&](const auto&... g) { fill(to, g...); }, found);
    else fill(to, found);
  }
  template <class... G> void fill(any_variable* to, const G&... g) {
    constexpr int tensors = (0 + ... + is_tensor_argument<A>), all = sizeof...(A), count = sizeof...(G);
    static_assert(count == tensors || count == all, "sinter: backward of a custom function returns a gradient for each tensor argument of forward, or for each argument, "
                                                    "with st::none for those that are no tensors");
    if constexpr (count == tensors || count == all) {
      const auto each = std::tie(g...);
      int k = 0;
      [&]<std::size_t... I>(std::index_sequence<I...>) { (fill_one<I, count == all>(to, k, each), ...); }(std::index_sequence_for<A...>());
    }
  }
  template <std::size_t I, bool All, class G> static void fill_one(any_variable* to, int& k, const G& each) {
    using X = std::tuple_element_t<I, std::tuple<A...>>;
    if constexpr (is_tensor_argument<X>) {
      constexpr bool tensor_before[] = {is_tensor_argument<A>...};
      constexpr std::size_t place = [&] {
        std::size_t n = 0;
        for (std::size_t i = 0; i < I; ++i) n += tensor_before[i];
        return All ? I : n;
      }();
      to[k++] = gradient_value<typename X::value_type>(std::get<place>(each));
    }
  }
};

/// An argument as it is held for the time of a call: expressions evaluated.
template <class X> decltype(auto) held_argument(X&& x) {
  if constexpr (formula<X>) return eval(x);
  else return std::decay_t<X>(static_cast<X&&>(x));
}
template <class X> const auto& forward_argument(const X& x) {
  if constexpr (is_variable<X>) return x.value();
  else return x;
}

/// Result k of n, which `out` is, and the arguments: one that forward wrote is the result from now on, as the result is it; a result that is
/// an argument as it was is not to be written.
template <class R, class... A> void join_alias(const function_node& n, int k, R& out, const std::tuple<A...>& arguments) {
  const function_node::alias of = n.alias_of(k);
  if (of.argument < 0) return;
  int number = 0;
  const auto look = [&]<class X>(const X& x) {
    if constexpr (is_tensor_argument<X>)
      if (number++ == of.argument) {
        if constexpr (is_variable<X>) {
          if (!of.written) {
            state_base& given = *x.state_handle();
            out.state_handle()->alias = (given.view ? given.view->base : &given)->alias = true;
          } else {
            check_in_place<native>(*x.state_handle(), *x.slot(), out.requires_grad());
            if (out.requires_grad()) record_write(*x.state_handle(), out.slot(), true);
            if constexpr (std::is_same_v<X, R>) out = x;
          }
        }
      }
  };
  std::apply([&](const A&... a) { (look(a), ...); }, arguments);
}
template <class F, class... A> auto call_held(const std::tuple<A...>& arguments) {
  const auto forward = [&](auto& ctx) {
    const no_grad guard;
    return std::apply([&](const A&... a) { return result_tensors(F::forward(ctx, forward_argument(a)...)); }, arguments);
  };
  using R = decltype(forward(std::declval<typename context_of<F>::type&>()));
  using N = call_node<F, std::tuple<A...>, R>;
  constexpr int count = std::tuple_size_v<R>;
  std::unique_ptr<N> node(new N);
  int number = 0;
  const auto list = [&]<class X>(const X& x) {
    if constexpr (is_tensor_argument<X>) node->add_tensor(number, &forward_argument(x), any_variable_of(x));
    else node->add_other();
    ++number;
  };
  std::apply([&](const A&... a) { (list(a), ...); }, arguments);
  const R results = forward(node->ctx);
  std::apply([&](const auto&... r) { (node->add_result(any_variable_of(r)), ...); }, results);
  node->finish();
  if constexpr (!(is_variable<A> || ...)) {
    if constexpr (count == 1) return std::get<0>(results);
    else return results;
  } else {
    auto out = std::apply([](const auto&... r) { return std::tuple(variable<typename std::remove_cvref_t<decltype(r)>::value_type,
                                                                            typename std::remove_cvref_t<decltype(r)>::extents_type>(r, false)...); }, results);
    N* n = node.get();
    bool any = false;
    for (int k = 0; k < count; ++k) any = any || n->differentiable(k);
    if (n->wanted() && any) {
      if constexpr (count == 1) {
        attach(node.release(), *std::get<0>(out).slot());
      } else {
        auto* joint = new joint_slot(count);
        n->joint_ = true;
        attach(node.release(), *joint);
        any_variable owner;
        owner.slot = joint;
        int k = 0;
        const auto connect = [&](const auto& v) {
          if (n->differentiable(k)) n->attach_result(*joint, k, *v.slot());
          ++k;
        };
        std::apply([&](const auto&... v) { (connect(v), ...); }, out);
      }
      pack_saved(*n);
      int k = 0;
      std::apply([&](auto&... v) { (join_alias(*n, k++, v, arguments), ...); }, out);
    }
    if constexpr (count == 1) return std::get<0>(out);
    else return out;
  }
}

}  // namespace detail::inline SINTER_TARGET
inline namespace SINTER_TARGET {

/// A call of custom function F; see `function`.
template <class F, class... A> auto apply_function(A&&... arguments) {
  return detail::call_held<F>(std::tuple<std::remove_cvref_t<decltype(detail::held_argument(static_cast<A&&>(arguments)))>...>(
      detail::held_argument(static_cast<A&&>(arguments))...));
}

/// The base of a function with a derivative of its own:
///
///     struct cube : st::function<cube> {
///       static auto forward(st::function_context& ctx, const auto& x) {       // tensors; nothing is recorded
///         ctx.save_for_backward(x);
///         return x * x * x;                                                   // a tensor or expression, or a std::tuple of such
///       }
///       static auto backward(st::function_context& ctx, const auto& dy) {     // a variable for each result
///         return 3 * ctx.saved<double, 1>(0) * ctx.saved<double, 1>(0) * dy;  // a gradient for each tensor argument, or st::none
///       }
///     };
///     st::variable y = cube::apply(x);
///
/// apply takes variables, tensors (constants), expressions (evaluated first) and whatever else forward takes, which has no gradient. It
/// returns variables, or tensors if no argument was a variable. backward is run with variables, so that it is differentiated itself
/// where derivatives of derivatives are wanted; with a member `static constexpr bool once_differentiable = true` it is run with tensors
/// (saved_tensor gives what was saved), and a second derivative is an autograd_error. A gradient that has a shape to which the
/// argument broadcasts is summed; any other is a shape_error. Errors thrown in forward or backward pass through; the graph stays usable.
/// `static constexpr const char* name` is the function's name in messages.
/// https://pytorch.org/docs/stable/autograd.html#torch.autograd.Function
template <class F> struct function {
  template <class... A> static auto apply(A&&... arguments) { return apply_function<F>(static_cast<A&&>(arguments)...); }
};

}  // namespace SINTER_TARGET
}  // namespace sinter::inline v0
