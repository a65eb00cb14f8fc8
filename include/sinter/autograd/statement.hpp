// SPDX-License-Identifier: BSD-3-Clause
// One recorded statement: evaluates forward, saves what backward needs, and runs the backward program.
// Not here: which programs these are (derive.hpp), the walk over statements (engine.hpp).
#pragma once
#include "../expr/derive.hpp"
#include "record.hpp"
#include "variable.hpp"

namespace sinter::inline v0 {
namespace detail::inline SINTER_TARGET {

/// Which operands of an expression are variables.
template <class X> struct variable_marks {
  static constexpr void mark(vec<bool>& to) {
    if constexpr (!dims_operand<X>)
      for (int i = 0; i < X::operand_count; ++i) to.push(false);
  }
};
template <class H> struct variable_marks<leaf<H>> {
  static constexpr void mark(vec<bool>& to) {
    for (int i = 0; i < leaf<H>::operand_count; ++i) to.push(is_variable<H>);
  }
};
template <class Op, class... A> struct variable_marks<node<Op, A...>> {
  static constexpr void mark(vec<bool>& to) { (variable_marks<A>::mark(to), ...); }
};

template <uint64... Word> struct mask_words {};
/// The marks of X as words, so that statements of one program and mask share their derivative.
template <class X> struct SINTER_HIDDEN marks_of {
  static constexpr int count = [] { vec<bool> m; variable_marks<X>::mark(m); return m.size(); }();
  static constexpr auto words = [] {
    struct { uint64 v[count / 64 + 1] = {}; } out;
    vec<bool> m;
    variable_marks<X>::mark(m);
    for (int i = 0; i < count; ++i) out.v[i / 64] |= static_cast<uint64>(m[i]) << i % 64;
    return out;
  }();
  template <std::size_t... I> static mask_words<words.v[I]...> make(std::index_sequence<I...>);
  using type = decltype(make(std::make_index_sequence<count / 64 + 1>()));
};

template <class P, uint64... Word> constexpr merged_graph differentiate_program() {
  constexpr uint64 words[] = {Word...};
  vec<bool> marks(P::operand_count, false);
  for (int i = 0; i < P::operand_count; ++i) marks[i] = words[i / 64] >> i % 64 & 1;
  return differentiate(view_of<P>.restore(), P::operand_count, marks);
}
// The order in which rules build instructions is the compiler's at compile time and another at run time: what the two
// must agree on, the numbers of saved values, is made once, at compile time.
template <class P, uint64... Word> struct all_derived {
  template <int Room> static constexpr auto make() {
    struct {
      flat_graph<Room> forward, backward, replay;
      int16 grad_of[P::operand_count + 1] = {};
      bool leaf_read[P::operand_count + 1] = {};
      bool leaf_kept[P::operand_count + 1] = {};
      int saved = 0, saves_results = 0;
      bool overflow = false;
    } out;
    const derivation d = derive(differentiate_program<P, Word...>());
    out.saved = d.saved.size();
    out.saves_results = d.saves_results;
    out.forward = flatten<Room>(d.forward, P::operand_count);
    out.backward = flatten<Room>(d.backward, P::operand_count + P::result_count + out.saved);
    out.replay = flatten<Room>(d.replay, P::operand_count + 2 * P::result_count + out.saved);
    out.overflow = out.forward.overflow || out.backward.overflow || out.replay.overflow;
    for (int i = 0; i < P::operand_count; ++i)
      out.grad_of[i] = d.grad_of[i], out.leaf_read[i] = d.leaf_read[i], out.leaf_kept[i] = d.leaf_read[i] || d.leaf_replayed[i];
    return out;
  }
};

/// What a statement of program P over variables Mask runs.
template <class P, class Mask> struct derived;
template <class P, uint64... Word> requires(P::size > 64) struct derived<P, mask_words<Word...>> {
  // long programs step by step: one constant evaluation has its limits
  static constexpr int merged_size = differentiate_program<P, Word...>().g.size();
  static constexpr frozen_graph<merged_size, P::size> merged{differentiate_program<P, Word...>()};
  template <int Part> struct source {
    template <int Room> static constexpr auto make() {
      const derivation d = derive(merged.thaw(), Part);
      return Part == forward_part    ? flatten<Room>(d.forward, P::operand_count)
             : Part == backward_part ? flatten<Room>(d.backward, P::operand_count + P::result_count + d.saved.size())
                                     : flatten<Room>(d.replay, P::operand_count + 2 * P::result_count + d.saved.size());
    }
  };
  static constexpr auto tables = [] {
    struct {
      int16 grad_of[P::operand_count + 1] = {};
      bool leaf_read[P::operand_count + 1] = {};
      bool leaf_kept[P::operand_count + 1] = {};
      int saved = 0, saves_results = 0;
    } out;
    const derivation d = derive(merged.thaw(), 0);
    out.saved = d.saved.size();
    out.saves_results = d.saves_results;
    for (int i = 0; i < P::operand_count; ++i)
      out.grad_of[i] = d.grad_of[i], out.leaf_read[i] = d.leaf_read[i], out.leaf_kept[i] = d.leaf_read[i] || d.leaf_replayed[i];
    return out;
  }();
  using forward = make_program<source<forward_part>>;
  using backward = make_program<source<backward_part>>;
  static constexpr auto& replay = decltype(choose_flat<source<replay_part>>())::type::value;
  static constexpr program_view replay_view{replay.words, replay.ops};
};
template <class P, uint64... Word> struct derived<P, mask_words<Word...>> {
  static constexpr auto& tables = decltype(choose_flat<all_derived<P, Word...>>())::type::value;
  struct forward_words { static constexpr auto& value = tables.forward; };
  struct backward_words { static constexpr auto& value = tables.backward; };
  using forward = flat_program<forward_words>;
  using backward = flat_program<backward_words>;
  /// The gradients over operands, dy, saved values and the result, for derivatives of derivatives.
  static constexpr program_view replay_view{tables.replay.words, tables.replay.ops};
};

/// A statement's tables and entries, without its types.
struct statement_entry {
  const program_view* program;      ///< as written
  const program_view* replay;       ///< the gradients again, as a function of everything
  const program_entry* backward;
  int operands, results, saved, saves_results;
  const int16* grad_of;
  const bool* leaf_read;
};

template <class Arch> [[noreturn]] SINTER_COLD void fail_inference(const shape_value& s) {
  fail<autograd_error, Arch>("a variable of shape ", shape_text{s.e, s.rank}, " that was made in inference mode cannot be saved for backward: make it under st::no_grad "
                             "instead, or another variable of a clone() of its value");
}
/// A recorded statement. Its types are gone: one class serves all.
template <class Arch> class statement_node final : public node_base {
 public:
  statement_node(const statement_entry& e) : e_(e), values_(e.operands + e.results + e.saved, {}) {}
  ~statement_node() override {
    for (int i = 0; i < e_.operands; ++i) drop(values_[i].slot);
  }

  void keep_slots(const dims_slot* slots, int count) {
    for (int i = 0; i < count; ++i) slots_.push(slots[i]);
  }
  /// Operand i: its shape always, its elements if backward reads them; `slot` if it is a variable that wants a gradient.
  void keep_operand(int i, const operand& o, const storage_ptr& block, grad_slot* slot, element_part part) {
    kept_value& v = values_[i];
    if (block && slot && slot->inference) [[unlikely]] fail_inference<Arch>(o.shape);
    v.value = o, v.part = part;
    if (block) {
      v.block = block.get() == overwritten ? copy_of<Arch>(v.value, type_of(i)) : block;
      v.version = v.now();
    }
    if (slot && slot->requires_grad) {
      slot->refs.fetch_add(1, std::memory_order_relaxed);
      v.slot = slot;
      comes_after(*this, *slot);
    }
  }
  /// Memory that is about to be written: what lies there is saved as a copy.
  const storage* overwritten = nullptr;
  /// Saved value k behind the operands and dy.
  void keep_saved(int k, const result& r) {
    kept_value& v = values_[e_.operands + e_.results + k];
    v.value.data = r.data;
    v.value.shape = r.shape;
    for (int d = 0; d < r.shape.rank; ++d) v.value.strides[d] = r.strides[d];
    v.block = r.block;
    if (r.block) v.version = v.now();
  }

  void backward(backward_walk& w, const operand& dy) override {
    check_versions(w, e_.backward->view);
    scratch_array<operand, 8> leaves(values_.size());
    for (int i = 0; i < values_.size(); ++i) leaves[i] = values_[i].value;
    leaves[e_.operands] = dy;
    for (int r = 0; e_.results == 2 && r < 2; ++r) leaves[e_.operands + r] = part_of(dy, output->type, r);
    vec<result> to(e_.operands + 1, {});
    for (int i = 0; i < e_.operands; ++i) {
      const int k = e_.grad_of[i];
      if (k < 0) continue;
      if (grad_slot* in = values_[i].slot) to[k] = gradient_target<Arch>(w, *in, values_[i].part);
      else to[k].mode = write_skip;
    }
    // kernels may read an operand after they have written: one that is a gradient is copied
    vec<storage_ptr> copies;
    for (int i = 0; i < e_.operands; ++i)
      if (values_[i].block && e_.leaf_read[i] && collects_in(w, *this, values_[i].block)) copies.push(copy_of<Arch>(leaves[i], type_of(i)));
    // one variable as several operands: all of its gradients are added to zeros
    for (int i = 0; i < e_.operands; ++i)
      for (int j = 0; j < i; ++j)
        if (const grad_slot* in = values_[i].slot; in && in == values_[j].slot && e_.grad_of[i] >= 0 && e_.grad_of[j] >= 0 && to[e_.grad_of[j]].mode == write_store) {
          result& r = to[e_.grad_of[j]];
          __builtin_memset(r.data, 0, static_cast<std::size_t>(r.shape.numel() * size_of(in->type)));
          r.mode = write_accumulate;
        }
    cpu_run(*e_.backward, leaves.get(), slots_.size() ? &slots_[0] : nullptr, &to[0]).template run<Arch>();
  }
  void backward_recorded(backward_walk& w, const any_variable& dy, any_variable* out) override {
    check_versions(w, *e_.replay);
    const int n = e_.operands;
    vec<any_variable> in;
    for (int i = 0; i < n; ++i) in.push(any_variable(values_[i].value, values_[i].block, type_of(i), values_[i].slot, values_[i].part));
    push_parts(in, dy);
    const int first = in.size();
    for (int k = 0; k < e_.saved; ++k) in.push(any_variable(values_[first + k].value, values_[first + k].block, saved_type(first + k), nullptr));
    // the results as variables: they are saved where the gradients need them
    for (int r = 0, k = first; r < e_.results; ++r) {
      const element_part part = e_.results == 1 ? element_part::whole : r ? element_part::im : element_part::re;
      in.push(e_.saves_results >> r & 1 ? any_variable(values_[k].value, values_[k].block, real_type(output->type), output, part) : any_variable());
      k += e_.saves_results >> r & 1;
    }
    vec<uint16> wanted;
    vec<shape_value> shapes;
    for (int i = 0; i < n; ++i)
      if (const grad_slot* to = values_[i].slot; to && e_.grad_of[i] >= 0 && w.wants(to)) wanted.push(static_cast<uint16>(i)), shapes.push(to->shape);
    if (!wanted.size()) return;
    vec<uint16> numbers;
    for (int k = 0; k < wanted.size(); ++k) numbers.push(static_cast<uint16>(e_.grad_of[wanted[k]]));
    vec<any_variable> found(wanted.size(), {});
    record<Arch>(results_of(e_.replay->restore(), numbers), in, slots_, &shapes[0], &found[0]);
    for (int k = 0; k < wanted.size(); ++k) out[wanted[k]] = gradient_of_whole(found[k], values_[wanted[k]].part);
  }
  bool release() override {
    bool any = false;
    for (int i = 0; i < values_.size(); ++i) any = any || values_[i].block, values_[i].block = {};
    return any;
  }
  int input_count() const override { return e_.operands; }
  grad_slot* input(int i) const override { return values_[i].slot; }
  void forget(int i) override { values_[i].slot = nullptr; }
  void each_saved(saved_visitor& to) override {
    for (int i = 0; i < values_.size(); ++i)
      if (kept_value& v = values_[i]; i < e_.operands || i >= e_.operands + e_.results)
        to.value(v.value, v.block, v.version, i < e_.operands ? type_of(i) : saved_type(i));
  }
  /// "mul, tanh of [2, 3], [3]"
  void describe(std::string& to) const override {
    describe_ops(to, *e_.program);
    for (int i = 0; i < e_.operands; ++i) append(to, i ? ", " : " of "), append(to, shape_text{values_[i].value.shape.e, values_[i].value.shape.rank});
  }

 private:
  /// Throws if a value that the gradients which w wants are made of, by program p, was written since.
  void check_versions(const backward_walk& w, const program_view& p) const {
    const auto wanted = [&](int result) {
      for (int i = 0; i < e_.operands; ++i)
        if (e_.grad_of[i] == result && values_[i].slot && w.wants(values_[i].slot)) return true;
      return false;
    };
    for (int i = 0; i < values_.size(); ++i) {
      const kept_value& v = values_[i];
      if (v.block && v.now() != v.version && (needs_elements(p, i, wanted) || (i >= e_.operands && needs_elements(e_.backward->view, i, wanted))))
        fail_version<Arch>(*this, i < e_.operands ? i : -1, v.value.shape, v.version, v.now());
    }
  }
  dtype type_of(int operand) const {
    for (int i = 0; i < e_.program->size(); ++i)
      if (e_.program->at(i).op == code::leaf && e_.program->at(i).a == operand) return e_.program->at(i).type;
    return dtype::f64;
  }

  /// The type of saved value i, which the gradients read.
  dtype saved_type(int i) const {
    for (const program_view* p : {&e_.backward->view, e_.replay})
      for (int k = 0; k < p->size(); ++k)
        if (p->at(k).op == code::leaf && p->at(k).a == i) return p->at(k).type;
    return real_type(output->type);
  }

  /// What backward reads: an operand, the gradient of a result (known then), a saved value.
  struct kept_value {
    operand value;
    storage_ptr block;          ///< empty: its elements are not read
    uint64 version = 0;         ///< of the block, when it was saved
    grad_slot* slot = nullptr;  ///< of an operand that wants a gradient; counted
    element_part part = element_part::whole;
    uint64 now() const { return block->version.load(std::memory_order_acquire); }
  };
  const statement_entry& e_;
  vec<kept_value> values_;
  vec<dims_slot> slots_;
};

template <class P, class Mask, class Arch> inline constexpr statement_entry statement_of{
    &view_of<P>, &derived<P, Mask>::replay_view, &entry_of<typename derived<P, Mask>::backward, Arch>, P::operand_count, P::result_count,
    derived<P, Mask>::tables.saved, derived<P, Mask>::tables.saves_results,
    derived<P, Mask>::tables.grad_of, derived<P, Mask>::tables.leaf_read};

template <class H> const storage_ptr& block_of(const leaf<H>& l) { return tensor_of(l.handle).storage_handle(); }
template <class N> storage_ptr block_of(const number_operand<N>&) { return {}; }
/// Null: a constant, as whatever was named where nothing is recorded.
template <class H> grad_slot* slot_of(const leaf<H>& l) {
  if constexpr (is_variable<H>) return l.recorded ? l.handle.slot() : nullptr;
  else return nullptr;
}
template <class N> grad_slot* slot_of(const number_operand<N>&) { return nullptr; }

template <class H> constexpr dtype dtype_of_leaf(const leaf<H>&) { return real_type(dtype_of<typename H::value_type>); }
template <class N> constexpr dtype dtype_of_leaf(const number_operand<N>&) { return dtype::f64; }
/// f(part, number) for the operands of the leaves of x.
template <class X, class F> void for_operands_of(const X& x, F f) {
  int number = 0;
  auto each = [&]<class L>(const L& l) {
    for (int k = 0; k < L::operand_count; ++k) f(l, number++, L::operand_count == 1 ? element_part::whole : k ? element_part::im : element_part::re);
  };
  for_leaves(x, each);
}

/// What the compiler knows of extents of 1, per instruction.
template <class P> struct known_ones {
  struct entry { uint8 ones; uint16 tag; };
  static constexpr auto table = [] {
    struct { entry v[P::size] = {}; bool barrier = false; } out;
    const graph g = view_of<P>.restore();
    for (int i = 0; i < P::size; ++i) {
      out.v[i] = {g[i].ones, g[i].tag};
      out.barrier = out.barrier || g.at(i).op == code::reduce || g.at(i).is_product() || g.at(i).is_loop();
    }
    return out;
  }();
};

/// Does a value that went through a reduction or a product broadcast along a dim of which only the run knows that its
/// extent is 1? The compiled gradient would miss a sum there; such statements are recorded as run-time programs.
template <class P> bool broadcasts_unforeseen(const operand* leaves, const dims_slot* slots) {
  constexpr auto& known = known_ones<P>::table;
  bool ones = false;
  for (int i = 0; i < P::size; ++i)
    if (P::at(i).op == code::leaf) {
      const shape_value& s = leaves[P::at(i).a].shape;
      for (int d = 0; d < s.rank; ++d) ones = ones || (s[d] == 1 && !(known.v[i].ones >> d & 1));
    }
  if (!ones) return false;
  const program_view& p = view_of<P>;
  shape_value in[P::operand_count + 1], all[P::size];
  for (int k = 0; k < P::operand_count; ++k) in[k] = leaves[k].shape;
  if (infer_shapes(p, in, slots, all).kind != shape_fault::none) return false;  // the run raises it
  bool through[P::size] = {};
  for (int i = 0; i < P::size; ++i) {
    const instruction x = P::at(i);
    through[i] = x.op == code::reduce || x.is_product() || x.op == code::element;
    bool unforeseen = false;
    for_operands(x, p.descr(i), [&](uint16 o) {
      through[i] = through[i] || through[o];
      if (!through[o] || !(x.is_op() || x.op == code::expand)) return;
      const int lead = all[i].rank - all[o].rank;
      const uint32 by_tag = known.v[o].tag ? resolve_dims(known.v[o].tag, all[o].rank, slots) : 0;
      for (int d = 0; d < all[o].rank; ++d)
        unforeseen = unforeseen || (all[o][d] == 1 && all[i][d + lead] != 1 && !(known.v[o].ones >> d & 1) && !(by_tag >> d & 1));
    });
    if (unforeseen) return true;
  }
  return false;
}

/// Evaluates an expression over variables and records it. `overwritten`: memory that the result will be written to.
template <class X, class Arch = native> SINTER_HIDDEN auto evaluate_variable(const X& x, const storage* overwritten = nullptr) {
  using L = lowered<X>;
  L::check();
  using P = typename L::program;
  using Dv = derived<P, typename marks_of<X>::type>;
  using F = typename Dv::forward;
  using V = variable<typename L::value_type, typename L::extents_type>;
  if (x.cell().get()) return V(cell_value<X>::of(x));  // named and used: known
  bound_operands<P> ops;
  bind<Arch>(x, ops);
  bool record = false;
  if (is_grad_enabled() && is_differentiable(L::result.type)) {
    auto look = [&](const auto& l) { record = record || (slot_of(l) && slot_of(l)->requires_grad); };
    for_leaves(x, look);
  }
  if constexpr (known_ones<P>::table.barrier) {
    if (record && broadcasts_unforeseen<P>(ops.leaves, ops.slots)) {
      vec<any_variable> in;
      for_operands_of(x, [&](const auto& l, int i, element_part part) {
        any_variable v(ops.leaves[i], block_of(l), dtype_of_leaf(l), slot_of(l), part);
        if (v.slot && v.slot->inference) [[unlikely]] fail_inference<Arch>(v.value.shape);
        if (v.block && v.block.get() == overwritten) v.block = copy_of<Arch>(v.value, v.type);
        in.push(v);
      });
      vec<dims_slot> slots;
      for (int i = 0; i < ops.slot_count; ++i) slots.push(ops.slots[i]);
      shape_value any;
      any.rank = -1;
      return typed<typename L::value_type, typename L::extents_type>(record_value<Arch>(view_of<P>.restore(), in, slots, any));
    }
  }
  result results[F::result_count];
  results[0].complex = L::is_complex;
  for (int k = P::result_count; k < F::result_count; ++k) results[k].mode = record ? write_store : write_skip;
  cpu_run(entry_of<F, Arch>, ops.leaves, ops.slots, results).template run<Arch>();
  result own[P::result_count];
  for (int r = 0; r < P::result_count; ++r) own[r] = results[r];
  V out(take<typename L::value_type, typename L::extents_type>(results[0]), false);
  if (!record) return out;
  auto* n = new statement_node<Arch>(statement_of<P, typename marks_of<X>::type, Arch>);
  attach(n, *out.slot());
  n->overwritten = overwritten;
  n->keep_slots(ops.slots, ops.slot_count);
  for_operands_of(x, [&](const auto& l, int i, element_part part) {
    n->keep_operand(i, ops.leaves[i], Dv::tables.leaf_kept[i] ? block_of(l) : storage_ptr{}, slot_of(l), part);
  });
  int k = 0;
  for (int r = 0; r < P::result_count; ++r)
    if (Dv::tables.saves_results >> r & 1) n->keep_saved(k++, own[r]);
  for (int r = P::result_count; r < F::result_count; ++r) n->keep_saved(k++, results[r]);
  pack_saved(*n);
  return out;
}

/// What a named expression with a barrier becomes at its first use: evaluated once, then kept.
template <class X> struct cell_value {
  static constexpr auto choose() {
    using L = lowered<X>;
    if constexpr (has_variable<X>::value) return type_is<variable<typename L::value_type, typename L::extents_type>>{};
    else return type_is<tensor<typename L::value_type, typename L::extents_type>>{};
  }
  using type = typename decltype(choose())::type;
  struct cell final : cell_base {
    type value;
    bool recorded = is_grad_enabled();
    explicit cell(type v) : value(v) {}
  };
  static const type& of(const X& x) {
    if constexpr (has_variable<X>::value)  // looked at under no_grad: to be recorded now
      if (const auto* known = static_cast<cell*>(x.cell().get()); known && !known->recorded && is_grad_enabled()) x.cell() = cell_ptr();
    if (!x.cell().get()) {
      if constexpr (has_variable<X>::value) x.cell() = cell_ptr(new cell(evaluate_variable(x)));
      else x.cell() = cell_ptr(new cell(evaluate_tensor(x)));
    }
    return static_cast<cell*>(x.cell().get())->value;
  }
};

}  // namespace detail::inline SINTER_TARGET

/// Evaluates an expression: a variable if it holds variables, else a tensor.
template <detail::formula X, class Arch = native> auto eval(const X& x) {
  if constexpr (detail::has_variable<X>::value) return detail::evaluate_variable<X, Arch>(x);
  else return detail::evaluate_tensor<X, Arch>(x);
}

template <class T, class E, class D> template <detail::formula X, class Arch> variable<T, E, D>::variable(const X& x)
    : variable([&] {
        detail::lowered<X>::check();
        if constexpr (!detail::lowered<X>::fits) return variable();
        else if constexpr (detail::has_variable<std::remove_cvref_t<X>>::value) return detail::evaluate_variable<X, Arch>(x);
        else return variable(detail::evaluate_tensor<X, Arch>(x));
      }()) {}

}  // namespace sinter::inline v0
