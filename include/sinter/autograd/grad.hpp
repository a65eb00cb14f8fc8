// SPDX-License-Identifier: BSD-3-Clause
// st::grad and st::backward from several results: gradients as values, and as variables that can be differentiated again.
// Next: autograd/gradcheck.hpp.
#pragma once
#include "statement.hpp"

namespace sinter::inline v0 {

struct grad_options {
  bool create_graph = false;       ///< the gradients are variables that can be differentiated again
  bool retain_graph = false;       ///< keep what the statements saved (implied by create_graph)
  bool allow_unused = false;       ///< an input that the outputs do not depend on gives an undefined variable, not an error
  bool materialize_grads = false;  ///< such an input gives zeros
};

namespace detail::inline SINTER_TARGET {

/// A result from which a walk starts, and its gradient; undefined: 1.
struct walk_root {
  grad_slot* slot = nullptr;
  any_variable seed;
};

/// Walks backward with recorded gradients.
template <class Arch> void run_recorded(backward_walk& w, const vec<walk_root>& roots) {
  const grad_mode_guard recorded(true);
  const auto give = [&](grad_slot* s, const any_variable& g) {
    walk_entry* const e = w.find(s);
    if (!e || !(e->asked || e->needed)) return;
    e->recorded = e->recorded.defined() ? add_recorded<Arch>(e->recorded, g) : g;
    w.queue(e);
  };
  const auto show = [](walk_entry& e) {
    grad_slot& s = *e.slot;
    if (!s.extras) return;
    if (s.extras->hooks) call_hooks(s, e.recorded, true, false);
    if (!s.retain || s.is_leaf()) return;
    add_to_kept<Arch>(s.extras->kept, gradient_of(e.recorded), s);
  };
  for (int i = 0; i < roots.size(); ++i) give(roots[i].slot, roots[i].seed);
  while (w.size) {
    node_base* const n = w.pop();
    walk_entry& e = *w.find(n->output);
    if (n->spent) [[unlikely]] fail_spent<Arch>();
    show(e);
    vec<any_variable> g(n->input_count() + 1, {});
    run_node(w, *n, &g[0], [&] { n->backward_recorded(w, e.recorded, &g[0]); });
    if (!e.asked) e.recorded = {};
    for (int i = 0; i < n->input_count(); ++i)
      if (grad_slot* s = n->input(i); s && g[i].defined()) give(s, g[i]);
  }
  for (walk_entry* e = w.oldest; e; e = e->next)
    if (e->recorded.defined() && !e->queued) show(*e);
}

/// 1 for a result of one element.
template <class Arch> any_variable unit_seed(const grad_slot& s) {
  gradient one;
  one.data = const_cast<char*>(static_cast<const char*>(unit_of(s.type)));
  own_memory<Arch>(one, s);
  return constant_of(one, s);
}

/// d(roots)/d(inputs): found[i] stays undefined where no root depends on input i.
template <class Arch> SINTER_NOINLINE void find_gradients(vec<walk_root>& roots, const vec<grad_slot*>& inputs, const grad_options& o, vec<any_variable>& found) {
  backward_walk w;
  w.recorded = o.create_graph;
  w.retain_graph = o.retain_graph || o.create_graph;
  vec<grad_slot*> from;
  for (int i = 0; i < roots.size(); ++i) from.push(roots[i].slot);
  ask_for(w, from, inputs);
  if (o.create_graph) {
    for (int i = 0; i < roots.size(); ++i)
      if (!roots[i].seed.defined()) roots[i].seed = unit_seed<Arch>(*roots[i].slot);
    run_recorded<Arch>(w, roots);
  } else {
    for (int i = 0; i < roots.size(); ++i) start_from<Arch>(w, *from[i], gradient_of(roots[i].seed), roots.size() == 1);
    run_backward<Arch>(w);
  }
  for (int i = 0; i < inputs.size(); ++i) {
    walk_entry& e = *w.find(inputs[i]);
    if (o.create_graph) found[i] = e.recorded;
    else if (e.sum.data) found[i] = constant_of(e.sum, *e.slot);
    if (found[i].defined()) continue;
    if (o.materialize_grads) {
      gradient zero;
      __builtin_memset(gradient_target<Arch>(zero, *e.slot).data, 0, static_cast<std::size_t>(e.slot->shape.numel() * size_of(e.slot->type)));
      found[i] = constant_of(zero, *e.slot);
    } else if (!o.allow_unused) {
      fail<autograd_error, Arch>("grad: input ", i, " was not used in the output; pass allow_unused to get an undefined gradient");
    }
  }
}

/// f of a variable, of each of a tuple, or of each in a container of them.
template <class X, class F> void for_variables(X&& x, F f) {
  using B = std::remove_cvref_t<X>;
  if constexpr (is_variable<B>) f(x);
  else if constexpr (requires { std::tuple_size<B>::value; }) std::apply([&](auto&&... v) { (f(v), ...); }, x);
  else for (auto&& v : x) f(v);
}
/// The types of gradients of inputs of type X.
template <class X> struct gradients_of_ { using type = X; };
template <class T, class E, class D> struct gradients_of_<variable<T, E, D>> { using type = variable<T, E, D>; };
template <class... V> struct gradients_of_<std::tuple<V...>> { using type = std::tuple<std::remove_cvref_t<V>...>; };
template <class X> using gradients_of = typename gradients_of_<std::remove_cvref_t<X>>::type;

/// Variables, as one argument.
template <class X> concept variables = is_variable<std::remove_cvref_t<X>> || requires { std::tuple_size<std::remove_cvref_t<X>>::value; } ||
                                       requires(const std::remove_cvref_t<X>& x) { requires is_variable<std::remove_cvref_t<decltype(*x.begin())>>; };
struct no_seeds {};
/// Tensors or variables, as one argument.
template <class X> concept seeds = tensor_like<X> || variables<X> || std::is_same_v<std::remove_cvref_t<X>, no_seeds> ||
                                   requires(const std::remove_cvref_t<X>& x) { requires tensor_like<decltype(*x.begin())>; };

template <class Arch, class O> walk_root root_of(const O& output, const char* who) {
  static_assert(is_variable<O>, "sinter: gradients are taken of variables: name the expression first, `st::variable y = ...`");
  if (!output.requires_grad()) fail<autograd_error, Arch>(who, ": the output does not require a gradient: nothing was recorded");
  return {output.slot(), {}};
}
/// The gradient that the caller gives for output number i: a tensor or variable; an undefined one stands for 1.
template <class Arch, class S> void take_seed(walk_root& to, const S& seed, int i, const char* who) {
  static_assert(tensor_like<S> || is_variable<S>, "sinter: the gradient of an output is a tensor or a variable of the output's shape");
  if (!seed.defined()) return;
  grad_slot* slot = nullptr;
  if constexpr (is_variable<S>) slot = seed.requires_grad() ? seed.slot() : nullptr;
  const auto& t = tensor_of(seed);
  if (dtype_of<typename S::value_type> != to.slot->type)
    fail<dtype_error, Arch>(who, ": the gradient of output ", i, " has elements of ", dtype_of<typename S::value_type>, ", the output of ", to.slot->type);
  to.seed = any_variable(operand_of(t), t.storage_handle(), to.slot->type, slot);
  if (!(to.seed.value.shape == to.slot->shape))
    fail<shape_error, Arch>(who, ": the gradient of output ", i, " has shape ", shape_text{t.sizes().data(), S::rank}, ", the output has ",
                            shape_text{to.slot->shape.e, to.slot->shape.rank});
}
template <class Arch, class O, class S> vec<walk_root> roots_of(const O& outputs, const S& given, const char* who) {
  vec<walk_root> roots;
  for_variables(outputs, [&](const auto& y) { roots.push(root_of<Arch>(y, who)); });
  int count = 0;
  if constexpr (!std::is_same_v<S, no_seeds>) {
    const auto each = [&](const auto& s) {
      if (count < roots.size()) take_seed<Arch>(roots[count], s, count, who);
      ++count;
    };
    if constexpr (tensor_like<S>) each(given);
    else for_variables(given, each);
    if (count != roots.size()) fail<autograd_error, Arch>(who, ": ", count, " gradients were given for ", roots.size(), " outputs");
  }
  if (roots.size() == 0) fail<autograd_error, Arch>(who, ": there are no outputs");
  for (int i = 0; i < roots.size(); ++i) {
    const grad_slot& s = *roots[i].slot;
    if (roots[i].seed.defined()) continue;
    if (is_complex(s.type)) fail<autograd_error, Arch>(who, ": the output is complex; make it real first (abs, real, imag) or give its gradient");
    if (s.shape.numel() != 1)
      fail<autograd_error, Arch>(who, ": the output has shape ", shape_text{s.shape.e, s.shape.rank}, "; reduce it to one element first, or give its gradient");
  }
  return roots;
}

}  // namespace detail::inline SINTER_TARGET
inline namespace SINTER_TARGET {

/// The sum over outputs of `seeds` . d(output)/d(inputs): one walk over all outputs. Outputs, inputs and seeds are each a variable (a
/// seed also a tensor), a tuple or a container of such; the gradients come in the same form as the inputs. A seed has its output's
/// shape; an undefined one stands for 1, for outputs of one element. Computes only what leads to the inputs, and does not touch
/// grad(). An input may be the result of a statement, an output, or given twice. With create_graph the gradients are recorded
/// statements themselves, also as functions of the seeds: derivatives of any order.
/// Throws autograd_error if nothing was recorded or an input is not used (see grad_options).
/// https://pytorch.org/docs/stable/generated/torch.autograd.grad.html
template <detail::variables O, detail::variables I, detail::seeds S, class Arch = native>
detail::gradients_of<I> grad(const O& outputs, const I& inputs, const S& seeds, const grad_options& options = {}) {
  auto roots = detail::roots_of<Arch>(outputs, seeds, "grad");
  detail::vec<detail::grad_slot*> slots;
  detail::for_variables(inputs, [&](const auto& v) {
    if (!v.defined()) fail<autograd_error, Arch>("grad: input ", slots.size(), " is an undefined variable");
    if (!v.requires_grad()) fail<autograd_error, Arch>("grad: input ", slots.size(), " does not require a gradient");
    slots.push(v.slot());
  });
  detail::gradients_of<I> out;
  if constexpr (requires { out.resize(inputs.size()); }) out.resize(inputs.size());
  if (slots.size() == 0) return out;
  detail::vec<detail::any_variable> found(slots.size(), {});
  detail::find_gradients<Arch>(roots, slots, options, found);
  int i = 0;
  detail::for_variables(out, [&]<class W>(W& to) { to = detail::typed<typename W::value_type, typename W::extents_type>(found[i++]); });
  return out;
}
template <detail::variables O, detail::variables I, class Arch = native>
detail::gradients_of<I> grad(const O& outputs, const I& inputs, const grad_options& options = {}) {
  return grad<O, I, detail::no_seeds, Arch>(outputs, inputs, detail::no_seeds{}, options);
}

/// Adds the gradients of the sum over outputs of `seeds` . output to the grad() of the leaves, or of `options.inputs` alone, in one walk.
/// https://pytorch.org/docs/stable/generated/torch.autograd.backward.html
template <detail::variables O, detail::seeds S, class Arch = native> void backward(const O& outputs, const S& seeds, const backward_options& options = {}) {
  const auto roots = detail::roots_of<Arch>(outputs, seeds, "backward");
  detail::vec<detail::grad_slot*> from;
  detail::vec<detail::gradient> start;
  for (int i = 0; i < roots.size(); ++i) from.push(roots[i].slot), start.push(detail::gradient_of(roots[i].seed));
  detail::backward_from<Arch>(from, start, options.inputs.slots(), options.retain_graph);
}
template <detail::variables O, class Arch = native> void backward(const O& outputs, const backward_options& options = {}) {
  backward<O, detail::no_seeds, Arch>(outputs, detail::no_seeds{}, options);
}

}  // namespace SINTER_TARGET
}  // namespace sinter::inline v0
