// SPDX-License-Identifier: BSD-3-Clause
// Statements whose program exists at run time only: derivatives of any order, and shapes that fused kernels do not
// take. Evaluated by the interpreter; their gradients are again such statements. Next: autograd/grad.hpp.
#pragma once
#include "../cpu/interpret.hpp"
#include "../expr/derive.hpp"
#include "linear.hpp"

namespace sinter::inline v0::detail::inline SINTER_TARGET {

/// The instructions of g without its outputs.
inline graph without_outputs(const graph& g, vec<uint16>& map) {
  graph out;
  map = vec<uint16>(g.size(), 0xffff);
  vec<bool> all(g.size(), true);
  for (int i = 0; i < g.size(); ++i)
    if (g.at(i).op == code::output) all[i] = false;
  copy_marked(g, all, out, map);
  return out;
}
/// g with output `number` only, as output 0.
inline graph result_of(const graph& g, int number) {
  graph out;
  vec<bool> need(g.size(), false);
  vec<uint16> map(g.size(), 0xffff);
  int root = 0;
  for (int i = 0; i < g.size(); ++i)
    if (g.at(i).op == code::output && g.at(i).b == number) need[root = g.at(i).a] = true;
  for (int i = root; i >= 0; --i)
    if (need[i]) for_operands(g.at(i), g.descr(i), [&](uint16 o) { need[o] = true; });
  copy_marked(g, need, out, map);
  out.output(out.at_sym(map[root]), 0);
  return out;
}
inline uint8 ones_of(const shape_value& s) {
  uint32 m = 0;
  for (int d = 0; d < s.rank; ++d)
    if (s[d] == 1) m |= 1u << d;
  return static_cast<uint8>(m);
}

template <class Arch> any_variable record(graph g, const vec<any_variable>& in, const vec<dims_slot>& slots, const shape_value& summed_to);

/// A recorded statement over a run-time graph with output 0.
template <class Arch> class graph_node final : public node_base {
 public:
  graph_node(graph g, const vec<any_variable>& in, const vec<dims_slot>& slots) : g_(static_cast<graph&&>(g)), in_(in), slots_(slots), versions_(in.size(), 0) {
    for (int i = 0; i < in_.size(); ++i) {
      if (in_[i].block) versions_[i] = in_[i].block->version.load(std::memory_order_acquire);
      if (in_[i].slot && in_[i].slot->requires_grad) comes_after(*this, *in_[i].slot);
    }
  }
  void backward(const operand& dy) override {
    vec<int16> grad_of;
    const graph b = gradients(grad_of);
    vec<operand> leaves(in_.size() + 1, {});
    for (int i = 0; i < in_.size(); ++i) leaves[i] = in_[i].value;
    leaves[in_.size()] = dy;
    for (int i = 0; i < in_.size(); ++i) {  // one at a time: an input may be several operands
      if (grad_of[i] < 0) continue;
      result to = gradient_target<Arch>(*in_[i].slot, in_[i].part);
      interpret<Arch>(result_of(b, grad_of[i]), &leaves[0], slots_.size() ? &slots_[0] : nullptr, &to);
    }
  }
  void backward_recorded(const any_variable& dy, any_variable* out) override {
    vec<int16> grad_of;
    const graph b = gradients(grad_of);
    vec<any_variable> all(in_.size() + 1, {});
    for (int i = 0; i < in_.size(); ++i) all[i] = in_[i];
    all[in_.size()] = dy;
    for (int i = 0; i < in_.size(); ++i)
      if (grad_of[i] >= 0) out[i] = gradient_of_whole(record<Arch>(result_of(b, grad_of[i]), all, slots_, in_[i].slot->shape), in_[i].part);
  }
  bool release() override {
    bool any = false;
    for (int i = 0; i < in_.size(); ++i) any = any || in_[i].block, in_[i].block = {};
    return any;
  }
  int input_count() const override { return in_.size(); }
  grad_slot* input(int i) const override { return in_[i].slot; }
  void forget(int i) override { in_[i].slot = nullptr; }

 private:
  /// The gradients of all inputs that want one, as a graph over the inputs and dy.
  graph gradients(vec<int16>& grad_of) const {
    for (int i = 0; i < in_.size(); ++i)
      if (in_[i].block && in_[i].block->version.load(std::memory_order_acquire) != versions_[i])
        fail<version_error, Arch>("backward: a value of shape ", shape_text{in_[i].value.shape.e, in_[i].value.shape.rank},
                                  " that a statement saved was written in place since");
    vec<uint16> map;
    graph b = without_outputs(g_, map);
    int root = 0;
    for (int i = 0; i < g_.size(); ++i)
      if (g_.at(i).op == code::output) root = map[g_.at(i).a];
    const int n = b.size();
    vec<bool> wanted(n + 1, false);
    for (int i = 0; i < n; ++i) {
      if (b.at(i).op != code::leaf || !is_floating(b.at(i).type)) continue;
      const grad_slot* s = in_[b.at(i).a].slot;
      wanted[i] = s && s->requires_grad;
    }
    vec<uint16> roots, seeds;
    roots.push(static_cast<uint16>(root));
    seeds.push(b.leaf(in_.size(), output->type, output->shape.rank, ones_of(output->shape)).id);
    const vec<uint16> d = adjoint(b, roots, seeds, wanted);
    grad_of = vec<int16>(in_.size(), -1);
    int16 k = 0;
    for (int i = 0; i < n; ++i)
      if (wanted[i] && d[i] != 0xffff) {
        const int operand_number = b.at(i).a;
        b.output(b.at_sym(d[i]), k);
        grad_of[operand_number] = k++;
      }
    return b;
  }

  graph g_;
  vec<any_variable> in_;
  vec<dims_slot> slots_;
  vec<uint64> versions_;
};

/// Evaluates output 0 of g over `in` and records it if an input wants a gradient. The result is summed to `summed_to`.
template <class Arch> any_variable record(graph g, const vec<any_variable>& in, const vec<dims_slot>& slots, const shape_value& summed_to) {
  // exact knowledge of which extents are 1 makes the gradients of broadcasting exact
  vec<uint16> map;
  {
    graph exact;
    map = vec<uint16>(g.size(), 0xffff);
    for (int i = 0; i < g.size(); ++i) {
      const instruction x = g.at(i);
      if (x.op == code::output) { exact.output(exact.at_sym(map[x.a]), x.b); continue; }
      map[i] = replay(exact, g, i, map, x.op == code::leaf ? ones_of(in[x.a].value.shape) : 0).id;
    }
    g = static_cast<graph&&>(exact);
  }
  vec<operand> leaves(in.size() + 1, {});
  bool wants = false;
  for (int i = 0; i < in.size(); ++i) leaves[i] = in[i].value;
  vec<bool> used(in.size(), false);
  dtype type = dtype::f32;
  for (int i = 0; i < g.size(); ++i) {
    if (g.at(i).op == code::leaf) {
      used[g.at(i).a] = true;
      wants = wants || (in[g.at(i).a].slot && in[g.at(i).a].slot->requires_grad);
    }
    if (g.at(i).op == code::scalar) used[g.at(i).a] = true;
    if (g.at(i).op == code::output) type = g.at(i).type;
  }
  result r;
  if (summed_to.rank >= 0) {
    r.shape = summed_to;
    row_major_strides(summed_to, r.strides);
    r.block = allocate_cpu<Arch>(bytes_for<Arch>(summed_to, size_of(type)));
    r.data = static_cast<char*>(r.block->data);
  }
  interpret<Arch>(g, &leaves[0], slots.size() ? &slots[0] : nullptr, &r);
  operand value;
  value.data = r.data, value.shape = r.shape;
  for (int d = 0; d < r.shape.rank; ++d) value.strides[d] = r.strides[d];
  if (!wants || !is_grad_enabled()) return any_variable(value, r.block, type, nullptr);
  vec<any_variable> kept(in.size(), {});
  for (int i = 0; i < in.size(); ++i)
    if (used[i]) kept[i] = in[i];
  return produced(new graph_node<Arch>(static_cast<graph&&>(g), kept, slots), value, r.block, type);
}

/// The value of g, which has one output or the two parts of a complex one, as a recorded statement.
template <class Arch> any_variable record_value(const graph& g, const vec<any_variable>& in, const vec<dims_slot>& slots, const shape_value& summed_to) {
  int results = 0;
  for (int i = 0; i < g.size(); ++i) results += g.at(i).op == code::output;
  const any_variable first = record<Arch>(result_of(g, 0), in, slots, summed_to);
  return results == 1 ? first : join_parts(first, record<Arch>(result_of(g, 1), in, slots, summed_to));
}
/// f(a, b), of a's shape, as a recorded statement.
template <class Arch, class F> any_variable record_formula(const any_variable& a, const any_variable& b, F f) {
  vec<any_variable> in;
  push_parts(in, a), push_parts(in, b);
  graph g;
  int leaves = 0, results = 0;
  auto next = [&](const any_variable& v) { return g.leaf(leaves++, real_type(v.type), v.value.shape.rank); };
  if (is_complex(a.type)) {
    const auto both = [&](const any_variable& v) { const sym re = next(v); return complex_sym{re, next(v)}; };
    const complex_sym x = both(a), y = both(b);
    add_output(g, f(x, y), results);
  } else {
    const sym x = next(a), y = next(b);
    add_output(g, f(x, y), results);
  }
  return record_value<Arch>(g, in, {}, a.value.shape);
}
/// The sum of two gradients.
template <class Arch> any_variable add_recorded(const any_variable& a, const any_variable& b) {
  return record_formula<Arch>(a, b, [](auto x, auto y) { return x + y; });
}

}  // namespace sinter::inline v0::detail::inline SINTER_TARGET
