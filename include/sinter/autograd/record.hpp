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
/// g with the outputs `numbers` only, as outputs 0, 1, ...
inline graph results_of(const graph& g, const vec<uint16>& numbers) {
  graph out;
  vec<bool> need(g.size(), false);
  vec<uint16> map(g.size(), 0xffff), root(numbers.size(), 0);
  for (int i = 0; i < g.size(); ++i)
    for (int k = 0; k < numbers.size() && g.at(i).op == code::output; ++k)
      if (g.at(i).b == numbers[k]) need[root[k] = g.at(i).a] = true;
  for (int i = g.size() - 1; i >= 0; --i)
    if (need[i]) for_operands(g.at(i), g.descr(i), [&](uint16 o) { need[o] = true; });
  copy_marked(g, need, out, map);
  for (int k = 0; k < numbers.size(); ++k) out.output(out.at_sym(map[root[k]]), k);
  return out;
}
inline graph result_of(const graph& g, int number) { return results_of(g, vec<uint16>(1, static_cast<uint16>(number))); }
inline uint8 ones_of(const shape_value& s) {
  uint32 m = 0;
  for (int d = 0; d < s.rank; ++d)
    if (s[d] == 1) m |= 1u << d;
  return static_cast<uint8>(m);
}

template <class Arch> void record(const graph& g, const vec<any_variable>& in, const vec<dims_slot>& slots, const shape_value* summed_to, any_variable* out);

/// The names of a program's ops.
template <class P> void describe_ops(std::string& to, const P& p) {
  bool any = false;
  for (int i = 0; i < p.size(); ++i) {
    const code op = p.at(i).op;
    const char* name = op == code::contract ? "matmul" : op == code::convolve ? "convolution" : p.descr(i) ? p.descr(i)->info.name : nullptr;
    if (name) append(to, any ? ", " : ""), append(to, name), any = true;
  }
  if (!any) append(to, "a copy");
}

/// Do those outputs of p for which wanted(number) is true need the elements of operand `leaf`?
template <class P, class F> SINTER_COLD bool needs_elements(const P& p, int leaf, F wanted) {
  vec<bool> needed(p.size(), false);
  for (int i = p.size() - 1; i >= 0; --i) {
    const instruction x = p.at(i);
    if (x.op == code::output ? !wanted(x.b) : !needed[i]) continue;
    if (x.op == code::leaf && x.a == leaf) return true;
    if (x.op == code::expand) needed[x.a] = true;  // of b it reads the shape
    else if (!x.reads_shape()) for_operands(x, p.descr(i), [&](uint16 o) { needed[o] = true; });
  }
  return false;
}

/// A recorded statement over a run-time graph with output 0.
template <class Arch> class graph_node final : public node_base {
 public:
  graph_node(graph g, const vec<any_variable>& in, const vec<dims_slot>& slots) : g_(static_cast<graph&&>(g)), in_(in), slots_(slots), versions_(in.size(), 0) {
    for (int i = 0; i < in_.size(); ++i) {
      if (in_[i].block) versions_[i] = in_[i].block->version.load(std::memory_order_acquire);
      if (in_[i].slot && in_[i].slot->requires_grad) comes_after(*this, *in_[i].slot);
    }
  }
  void backward(backward_walk& w, const operand& dy) override {
    vec<int> inputs;
    const graph b = gradients(w, inputs);
    if (!inputs.size()) return;
    vec<operand> leaves(in_.size() + 1, {});
    vec<storage_ptr> copies;
    for (int i = 0; i < in_.size(); ++i) {
      leaves[i] = in_[i].value;
      if (in_[i].block && adds_to(in_[i].block)) copies.push(copy_of<Arch>(leaves[i], in_[i].type));
    }
    leaves[in_.size()] = dy;
    vec<result> to;
    for (int k = 0; k < inputs.size(); ++k) to.push(gradient_target<Arch>(w, *in_[inputs[k]].slot, in_[inputs[k]].part));
    interpret<Arch>(b, &leaves[0], slots_.size() ? &slots_[0] : nullptr, &to[0]);
  }
  void backward_recorded(backward_walk& w, const any_variable& dy, any_variable* out) override {
    vec<int> inputs;
    const graph b = gradients(w, inputs);
    if (!inputs.size()) return;
    vec<any_variable> all(in_.size() + 1, {});
    for (int i = 0; i < in_.size(); ++i) all[i] = in_[i];
    all[in_.size()] = dy;
    vec<shape_value> shapes;
    for (int k = 0; k < inputs.size(); ++k) shapes.push(in_[inputs[k]].slot->shape);
    vec<any_variable> found(inputs.size(), {});
    record<Arch>(b, all, slots_, &shapes[0], &found[0]);
    for (int k = 0; k < inputs.size(); ++k) out[inputs[k]] = gradient_of_whole(found[k], in_[inputs[k]].part);
  }
  bool release() override {
    bool any = false;
    for (int i = 0; i < in_.size(); ++i) any = any || in_[i].block, in_[i].block = {};
    return any;
  }
  int input_count() const override { return in_.size(); }
  grad_slot* input(int i) const override { return in_[i].slot; }
  void forget(int i) override { in_[i].slot = nullptr; }
  void each_saved(saved_visitor& to) override {
    for (int i = 0; i < in_.size(); ++i) to.value(in_[i].value, in_[i].block, versions_[i], in_[i].type);
  }
  void describe(std::string& to) const override {
    describe_ops(to, g_);
    append(to, " (the derivative of a statement)");
  }

 private:
  /// The gradients of the inputs that want one, as a graph over the inputs and dy: output k is that of inputs[k].
  graph gradients(const backward_walk& w, vec<int>& inputs) const {
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
      wanted[i] = s && s->requires_grad && w.wants(s);
    }
    vec<uint16> roots, seeds;
    roots.push(static_cast<uint16>(root));
    seeds.push(b.leaf(in_.size(), output->type, output->shape.rank, ones_of(output->shape)).id);
    const vec<uint16> d = adjoint(b, roots, seeds, wanted);
    for (int i = 0; i < n; ++i)
      if (wanted[i] && d[i] != 0xffff) {
        inputs.push(b.at(i).a);
        b.output(b.at_sym(d[i]), inputs.size() - 1);
      }
    for (int i = 0; i < in_.size(); ++i)
      if (const uint64 now = in_[i].block ? in_[i].block->version.load(std::memory_order_acquire) : 0; in_[i].block && now != versions_[i])
        if (needs_elements(b, i, [](int) { return true; })) fail_version<Arch>(*this, i, in_[i].value.shape, versions_[i], now);
    return b;
  }

  graph g_;
  vec<any_variable> in_;
  vec<dims_slot> slots_;
  vec<uint64> versions_;
};

/// g over `in`, with exact knowledge of which extents are 1: it makes the gradients of broadcasting exact.
inline graph with_known_ones(const graph& g, const vec<any_variable>& in) {
  graph exact;
  vec<uint16> map(g.size(), 0xffff);
  for (int i = 0; i < g.size(); ++i) {
    const instruction x = g.at(i);
    if (x.op == code::output) exact.output(exact.at_sym(map[x.a]), x.b);
    else map[i] = replay(exact, g, i, map, x.op == code::leaf ? ones_of(in[x.a].value.shape) : 0).id;
  }
  return exact;
}
/// g over `in` with the sums that give output k the shape summed_to[k] (rank -1: as it is) where extents of 1 were broadcast:
/// derivatives go through them.
inline graph with_sums(graph g, const vec<any_variable>& in, const vec<dims_slot>& slots, const shape_value* summed_to) {
  vec<shape_value> leaves(in.size() + 1, {});
  bool ones = false;
  for (int i = 0; i < in.size(); ++i) leaves[i] = in[i].value.shape, ones = ones || ones_of(leaves[i]);
  if (!ones) return g;
  vec<const op_descr*> ops;
  const vec<uint64> words = words_of(g, in.size(), ops);
  ops.push(nullptr);
  const program_view p{&words[0], &ops[0]};
  vec<shape_value> shapes(p.size(), {}), of_output(p.result_count(), {});
  if (infer_shapes(p, &leaves[0], slots.size() ? &slots[0] : nullptr, &shapes[0]).kind != shape_fault::none) return g;  // the run raises it
  for (int i = 0; i < p.size(); ++i)
    if (p.at(i).op == code::output) of_output[p.at(i).b] = shapes[p.at(i).a];
  graph out;
  vec<uint16> map(g.size(), 0xffff);
  for (int i = 0; i < g.size(); ++i) {
    const instruction x = g.at(i);
    if (x.op != code::output) {
      map[i] = replay(out, g, i, map, x.op == code::leaf ? g[i].ones : 0).id;
      continue;
    }
    const shape_value &from = of_output[x.b], &to = summed_to[x.b];
    const int lead = from.rank - to.rank;
    uint32 over = 0;
    for (int d = 0; d < from.rank && to.rank >= 0; ++d)
      if (d < lead || (to[d - lead] == 1 && from[d] != 1)) over |= 1u << d;
    sym v = out.at_sym(map[x.a]);
    if (over) v = sum_sym(v, mask_axes(over));
    if (over && lead > 0) v = out.squeeze(v, mask_axes((1u << lead) - 1));
    out.output(v, x.b);
  }
  return out;
}
/// Evaluates all outputs of g over `in` in one run; output k, summed to the shape summed_to[k] (rank -1: as it is), goes to out[k], recorded
/// if one of the inputs that it depends on wants a gradient.
template <class Arch> void record(const graph& g, const vec<any_variable>& in, const vec<dims_slot>& slots, const shape_value* summed_to, any_variable* out) {
  const graph exact = with_sums(with_known_ones(g, in), in, slots, summed_to);
  vec<operand> leaves(in.size() + 1, {});
  for (int i = 0; i < in.size(); ++i) leaves[i] = in[i].value;
  vec<result> results;
  vec<dtype> types;
  for (int i = 0; i < exact.size(); ++i) {
    if (exact.at(i).op != code::output) continue;
    const shape_value& shape = summed_to[results.size()];
    result r;
    if (shape.rank >= 0) {
      r.shape = shape;
      row_major_strides(shape, r.strides);
      r.block = allocate_cpu<Arch>(bytes_for<Arch>(shape, size_of(exact.at(i).type)));
      r.data = static_cast<char*>(r.block->data);
    }
    results.push(r), types.push(exact.at(i).type);
  }
  interpret<Arch>(exact, &leaves[0], slots.size() ? &slots[0] : nullptr, &results[0]);
  for (int k = 0; k < results.size(); ++k) {
    const result& r = results[k];
    operand value;
    value.data = r.data, value.shape = r.shape;
    for (int d = 0; d < r.shape.rank; ++d) value.strides[d] = r.strides[d];
    out[k] = any_variable(value, r.block, types[k], nullptr);
    if (!is_grad_enabled()) continue;
    graph own = result_of(exact, k);
    vec<any_variable> kept(in.size(), {});
    bool wants = false;
    for (int i = 0; i < own.size(); ++i)
      if (own.at(i).op == code::leaf || own.at(i).op == code::scalar) {
        const any_variable& v = kept[own.at(i).a] = in[own.at(i).a];
        wants = wants || (v.slot && v.slot->requires_grad);
      }
    if (wants) out[k] = produced(new graph_node<Arch>(static_cast<graph&&>(own), kept, slots), value, r.block, types[k]);
  }
}

/// The value of g, which has one output or the two parts of a complex one, as a recorded statement.
template <class Arch> any_variable record_value(const graph& g, const vec<any_variable>& in, const vec<dims_slot>& slots, const shape_value& summed_to) {
  const shape_value shapes[] = {summed_to, summed_to};
  int results = 0;
  for (int i = 0; i < g.size(); ++i) results += g.at(i).op == code::output;
  any_variable parts[2];
  record<Arch>(g, in, slots, shapes, parts);
  return results == 1 ? parts[0] : join_parts(parts[0], parts[1]);
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
