// SPDX-License-Identifier: BSD-3-Clause
// st::grad: gradients as values, and as variables that can be differentiated again. Next: autograd/gradcheck.hpp.
#pragma once
#include "statement.hpp"

namespace sinter::inline v0 {

struct grad_options {
  bool create_graph = false;   ///< the gradients are variables that can be differentiated again
  bool retain_graph = false;   ///< keep what the statements saved (implied by create_graph)
  bool allow_unused = false;   ///< an input that the output does not depend on gives an undefined variable, not an error
};

namespace detail::inline SINTER_TARGET {

/// All slots that a backward walk from `root` can reach, root included.
inline vec<grad_slot*> reachable(grad_slot* root) {
  vec<grad_slot*> all, todo;
  any_variable seen;
  todo.push(root);
  while (todo.size()) {
    grad_slot* s = todo[todo.size() - 1];
    todo.pop();
    if (s->recorded) continue;
    s->recorded = &seen;  // a mark for the time of this walk
    all.push(s);
    if (s->producer)
      for (int i = 0; i < s->producer->input_count(); ++i)
        if (grad_slot* in = s->producer->input(i)) todo.push(in);
  }
  for (int i = 0; i < all.size(); ++i) all[i]->recorded = nullptr;
  return all;
}

/// Walks backward with recorded gradients; the gradient of each slot in `inputs` goes to `out`.
template <class Arch> void run_recorded(const any_variable& seed, grad_slot& root, const vec<grad_slot*>& inputs, vec<any_variable>& out) {
  vec<any_variable*> owned;
  struct cleaner {
    vec<any_variable*>& owned;
    vec<grad_slot*> touched;
    ~cleaner() {
      for (int i = 0; i < touched.size(); ++i) touched[i]->recorded = nullptr;
      for (int i = 0; i < owned.size(); ++i) delete owned[i];
    }
  } clean{owned, {}};
  auto give = [&](grad_slot* s, const any_variable& g) {
    if (s->recorded) {
      *s->recorded = add_recorded<Arch>(*s->recorded, g);
    } else {
      s->recorded = new any_variable(g);
      owned.push(s->recorded);
      clean.touched.push(s);
    }
  };
  give(&root, seed);
  node_queue queue;
  if (root.producer) queue.push(root.producer);
  while (!queue.empty()) {
    node_base* n = queue.pop();
    if (n->spent) fail<autograd_error, Arch>("grad: the saved values of a statement were freed by an earlier backward; pass retain_graph to it");
    const any_variable dy = *n->output->recorded;
    vec<any_variable> g(n->input_count() + 1, {});
    run_node(*n, &g[0], [&] { n->backward_recorded(dy, &g[0]); });
    for (int i = 0; i < n->input_count(); ++i) {
      grad_slot* s = n->input(i);
      if (!s || !g[i].defined()) continue;
      give(s, g[i]);
      if (s->producer) queue.push(s->producer);
    }
  }
  for (int i = 0; i < inputs.size(); ++i)
    if (inputs[i]->recorded) out[i] = *inputs[i]->recorded;
}

template <class Arch, class V> V plain_gradient(grad_slot* s) {
  using T = typename V::value_type;
  using E = typename V::extents_type;
  index_list<E::rank> sizes, strides;
  for (int d = 0; d < E::rank; ++d) sizes[d] = s->shape[d], strides[d] = s->grad.strides[d];
  return V(tensor<T, E>(s->grad.block, reinterpret_cast<T*>(s->grad.data), sizes, strides), false);
}

}  // namespace detail::inline SINTER_TARGET

/// d(output)/d(inputs) for an output of one element, as a tuple of variables of the inputs' shapes. Does not touch the
/// inputs' grad(). With create_graph the gradients are recorded statements themselves: derivatives of any order.
/// Throws autograd_error if nothing was recorded or an input is not used (see grad_options).
/// https://pytorch.org/docs/stable/generated/torch.autograd.grad.html
template <class O, class... V, class Arch = native>
std::tuple<std::remove_cvref_t<V>...> grad(const O& output, const std::tuple<V...>& inputs, grad_options options = {}) {
  static_assert(detail::is_variable<O>, "sinter: grad needs a variable: name the expression first, `st::variable y = ...`");
  if (!output.requires_grad()) fail<autograd_error, Arch>("grad: the output does not require a gradient: nothing was recorded");
  if (is_complex_element<typename O::value_type>) fail<autograd_error, Arch>("grad: the output is complex; make it real first: abs, real, imag");
  if (output.numel() != 1) fail<autograd_error, Arch>("grad: the output has shape ", shape_text{output.sizes().data(), O::rank}, "; reduce it to one element first");
  constexpr int n = sizeof...(V);
  detail::vec<detail::grad_slot*> slots;
  std::apply([&](const auto&... v) { (slots.push(v.slot()), ...); }, inputs);
  detail::vec<detail::any_variable> found(n, {});
  std::tuple<std::remove_cvref_t<V>...> out;
  auto unused = [&](int i) {
    if (!options.allow_unused)
      fail<autograd_error, Arch>("grad: input ", i, " was not used in the output; pass allow_unused to get an undefined gradient");
  };
  if (options.create_graph) {
    auto one = tensor<typename O::value_type, extents<>>(allocate_cpu<Arch>(sizeof(typename O::value_type)), nullptr, {}, {});
    auto* p = static_cast<typename O::value_type*>(one.storage_handle()->data);
    *p = 1;
    detail::operand seed;
    seed.data = reinterpret_cast<char*>(p);
    seed.shape = output.slot()->shape;
    detail::run_recorded<Arch>(detail::any_variable(seed, one.storage_handle(), output.slot()->type, nullptr), *output.slot(), slots, found);
    int i = 0;
    std::apply([&](auto&... v) {
      auto fill = [&]<class W>(W& to) {
        if (found[i].defined()) to = detail::typed<typename W::value_type, typename W::extents_type>(found[i]);
        else unused(i);
        ++i;
      };
      (fill(v), ...);
    }, out);
    return out;
  }
  // the plain walk adds to slots: their own gradients are put aside for its time
  const detail::vec<detail::grad_slot*> all = detail::reachable(output.slot());
  struct aside_t {
    const detail::vec<detail::grad_slot*>& all;
    detail::vec<detail::result> kept;
    detail::vec<bool> retained;
    ~aside_t() {
      for (int i = 0; i < all.size(); ++i) all[i]->grad = kept[i], all[i]->retain = retained[i];
    }
  } aside{all, {}, {}};
  for (int i = 0; i < all.size(); ++i) {
    aside.kept.push(all[i]->grad);
    aside.retained.push(all[i]->retain);
    all[i]->grad = {};
    all[i]->retain = false;
  }
  for (int i = 0; i < slots.size(); ++i) slots[i]->retain = true;
  output.template backward<Arch>(options.retain_graph);
  int i = 0;
  std::apply([&](auto&... v) {
    auto fill = [&]<class W>(W& to) {
      if (slots[i]->grad.block) to = detail::plain_gradient<Arch, W>(slots[i]);
      else unused(i);
      ++i;
    };
    (fill(v), ...);
  }, out);
  for (int k = 0; k < slots.size(); ++k) {
    bool in_walk = false;
    for (int j = 0; j < all.size(); ++j) in_walk = in_walk || all[j] == slots[k];
    if (!in_walk) slots[k]->retain = false;
  }
  return out;
}

/// The same for one input.
template <class O, class T, class E, class D, class Arch = native>
variable<T, E, D> grad(const O& output, const variable<T, E, D>& input, grad_options options = {}) {
  return std::get<0>(grad(output, std::tuple(input), options));
}

}  // namespace sinter::inline v0
