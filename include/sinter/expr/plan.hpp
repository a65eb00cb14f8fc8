// SPDX-License-Identifier: BSD-3-Clause
// What would run: st::plan(e) lists the kernels of an expression with their traffic, without running them and without
// a device. Not in the umbrella, as it prints. Next: expr/schedule.hpp for why the kernels are what they are.
#pragma once
#include <cstdio>
#include <iosfwd>
#include <string>
#include <vector>

#include "../op/reduction.hpp"
#include "loops.hpp"
#include "lower.hpp"

namespace sinter::inline v0 {

/// A value that a kernel reads or writes.
struct planned_value {
  std::string name;  ///< "operand 0", "result 0", or the op that made it
  dtype type = dtype::f32;
  std::vector<int64> shape;
};
/// One kernel. `flops` counts one for each op and element, exp and add alike; 2 m n k for a product.
struct planned_kernel {
  kernel_kind kind = kernel_kind::map;
  std::vector<std::string> ops;
  std::vector<planned_value> inputs, outputs;
  int64 reads = 0, writes = 0, flops = 0;  ///< bytes, bytes, operations
  int64 steps = 0;                         ///< of a loop; -1: as many as it takes
  std::vector<planned_kernel> body;        ///< of a loop: the kernels of one step; of a branch: those of both
};

/// The kernels of an expression in the order in which they run.
struct execution_plan {
  std::string name;                     ///< what the expression does, in one word
  std::vector<planned_kernel> kernels;
  std::vector<std::string> notes;       ///< what does not fuse, and why
  bool interpreted = false;             ///< shapes that no kernel takes: the reference evaluator runs them

  int launches() const { return static_cast<int>(kernels.size()); }
  int count(kernel_kind kind) const {
    int n = 0;
    for (const auto& k : kernels) n += k.kind == kind;
    return n;
  }
  int64 bytes() const {
    int64 n = 0;
    for (const auto& k : kernels) n += k.reads + k.writes;
    return n;
  }
  int64 flops() const {
    int64 n = 0;
    for (const auto& k : kernels) n += k.flops;
    return n;
  }
};

/// How many kernels of each kind on the CPU, known at compile time.
struct plan_counts {
  int maps = 0, rows = 0, contracts = 0, loops = 0;
  constexpr int launches() const { return maps + rows + contracts + loops; }
};

namespace detail::inline SINTER_TARGET {

/// Results that are copied at the end because no kernel writes them in place: views of operands, values that are a
/// result twice.
template <class P> constexpr bool is_copied(int output) {
  const int v = P::at(output).a;
  if (schedule_of<P>.memory[v]) return true;
  for (int i = 0; i < output; ++i)
    if (P::at(i).op == code::output && P::at(i).a == v) return true;
  return false;
}
template <class P> constexpr plan_counts count_kernels() {
  plan_counts c;
  for (int s = 0; s < schedule_of<P>.count; ++s) {
    if (schedule_of<P>.stages[s].prologue_of != no_value) continue;
    const kernel_kind k = schedule_of<P>.stages[s].kind;
    ++(k == kernel_kind::map ? c.maps : k == kernel_kind::row ? c.rows : k == kernel_kind::contract ? c.contracts : c.loops);
  }
  for (int i = 0; i < P::size; ++i)
    if (P::at(i).op == code::output && is_copied<P>(i)) ++c.maps;
  return c;
}

struct plan_tables;
/// A stage, as loops.hpp reads it.
struct plan_stage {
  kernel_kind kind;
  uint16 contract, root_count;
  int input_count, reduction_count;
  uint32 row_tag;
  const uint16* roots;
  const stage_input* inputs;
  const level* root_levels;
  const stage_total* totals;
  const stage_reduction* reductions;
  uint16 prologue_of;
  const plan_tables* bodies[2];  ///< of a loop or branch
};
template <class P, int S> constexpr plan_stage plan_loop_of();
template <class P, int S> struct plan_stage_of {
  using SP = stage_program<P, S>;
  static constexpr auto root_levels = [] {
    struct { level v[SP::result_count + 1] = {}; } out;
    for (int i = 0; i < SP::size; ++i)
      if (SP::at(i).op == code::output) out.v[SP::at(i).b] = levels_of<SP>.at[SP::at(i).a];
    return out;
  }();
  static constexpr plan_stage make() {
    constexpr auto& st = schedule_of<P>.stages[S];
    if constexpr (st.kind == kernel_kind::loop) return plan_loop_of<P, S>();
    else return {st.kind, st.contract, st.root_count, SP::operand_count, stage_source<P, S>::cut.reduction_count, st.row_tag,
            schedule_of<P>.roots + st.first_root, inputs_of<P, S>.v, root_levels.v, totals_of<P, S>.v, reductions_of<P, S>.v, st.prologue_of, {}};
  }
};
/// A program as tables; all that follows works on values.
struct plan_tables {
  program_view view;
  const plan_stage* stages;
  int stage_count;
  const bool *memory, *written;
  const uint16* maker;
  const space* spaces;
};
template <class P, int... S> constexpr auto plan_stages(std::integer_sequence<int, S...>) {
  struct { plan_stage v[sizeof...(S) + 1]; } out{{plan_stage_of<P, S>::make()..., {}}};
  return out;
}
template <class P> inline constexpr auto plan_stages_of = plan_stages<P>(std::make_integer_sequence<int, schedule_of<P>.count>());
template <class P> inline constexpr plan_tables plan_tables_of{view_of<P>, plan_stages_of<P>.v, schedule_of<P>.count, schedule_of<P>.memory,
                                                               schedule_of<P>.written, schedule_of<P>.maker, schedule_of<P>.spaces};
template <class P, int S> constexpr plan_stage plan_loop_of() {
  constexpr auto& st = schedule_of<P>.stages[S];
  plan_stage out{};
  out.kind = st.kind, out.contract = st.contract, out.root_count = st.root_count, out.roots = schedule_of<P>.roots + st.first_root;
  out.prologue_of = no_value;
  out.bodies[0] = &plan_tables_of<body_program<P, st.contract>>;
  if constexpr (P::at(st.contract).has_two_bodies()) out.bodies[1] = &plan_tables_of<body_program<P, st.contract, true>>;
  return out;
}

class planner {
 public:
  /// `prologues`: does the device compute operands of products on their way?
  planner(const plan_tables& t, const shape_value* leaves, const dims_slot* slots, bool prologues)
      : t_(t), p_(t.view), slots_(slots), prologues_(prologues), shapes_(p_.size(), {}) {
    const shape_fault f = infer_shapes(p_, leaves, slots, &shapes_[0]);
    if (f.kind != shape_fault::none) raise(p_, f, &shapes_[0], slots);
    for (int s = 0; s < t.stage_count; ++s) {
      shape_value loop;
      if (!find_loops(t.stages[s], t.spaces, &shapes_[0], slots, loop)) {
        plan.interpreted = true;
        plan.notes.push_back("these shapes fit no kernel: the reference evaluator runs them, slowly");
        return;
      }
    }
    for (int s = 0; s < t.stage_count; ++s)
      if (!is_prologue(s)) add_stage(s);
    for (int i = 0; i < p_.size(); ++i)
      if (p_.at(i).op == code::output) add_copy(i);
    for (int i = 0; i < p_.size(); ++i)
      if (t.written[i] && !is_prologue(t.maker[i])) explain(i);
  }
  execution_plan plan;

 private:
  const plan_tables& t_;
  const program_view& p_;
  const dims_slot* slots_;
  bool prologues_;
  vec<shape_value> shapes_;

  bool is_prologue(int s) const { return prologues_ && t_.stages[s].prologue_of != no_value; }
  std::string name_of_op(int i) const {
    const instruction x = p_.at(i);
    if (const op_descr* d = p_.descr(i)) return d->info.name;
    switch (x.op) {
      case code::cast: return std::string("to ") + name_of(x.type);
      case code::contract: return "matmul";
      case code::convolve: return face_name(window_face::decode(p_.at(x.c).c).kind, shapes_[i].rank - 2);
      case code::index: return "index";
      default: return "";
    }
  }
  bool is_detach(int i) const { return p_.descr(i) == op_entry<op::detach>::descr; }
  bool is_result(int i) const {
    for (int k = 0; k < p_.size(); ++k)
      if (p_.at(k).op == code::output && p_.at(k).a == i) return true;
    return false;
  }
  planned_value value(int i) const {
    planned_value v;
    int base = i;
    while (t_.memory[base] && p_.at(base).op != code::leaf) base = p_.at(base).a;
    v.name = p_.at(base).op == code::leaf ? "operand " + std::to_string(p_.at(base).a) : name_of_op(base);
    for (int k = 0; k < p_.size(); ++k)
      if (p_.at(k).op == code::output && p_.at(k).a == i) v.name = "result " + std::to_string(p_.at(k).b);
    v.type = p_.at(i).type;
    v.shape.assign(shapes_[i].e, shapes_[i].e + shapes_[i].rank);
    return v;
  }
  bool is_input(int i, int stage) const {
    const instruction x = p_.at(i);
    if (t_.written[i] && is_prologue(t_.maker[i]) && t_.stages[t_.maker[i]].prologue_of == t_.stages[stage].contract) return false;
    return x.is_source() || x.op == code::extent || t_.memory[i] || (t_.written[i] && t_.maker[i] < stage);
  }

  void add_stage(int s) {
    const plan_stage& st = t_.stages[s];
    planned_kernel k;
    k.kind = st.kind;
    const traffic moved = traffic_of(p_, t_.stages, prologues_ ? t_.stage_count : 0, st, &shapes_[0], [](int) { return false; });
    k.reads = moved.reads, k.writes = moved.writes;
    if (st.kind == kernel_kind::loop) return add_loop(st, static_cast<planned_kernel&&>(k));
    auto input = [&](int id) { k.inputs.push_back(value(id)); };
    vec<bool> need(p_.size(), false);
    if (st.kind == kernel_kind::contract) {
      for (const int operand : {p_.at(st.contract).a, p_.at(st.contract).b}) {
        const plan_stage* const made = prologue_of(t_.stages, prologues_ ? t_.stage_count : 0, st.contract, operand);
        if (!made) input(operand);
        else need[operand] = true;
        for (int i = 0; made && i < made->input_count; ++i)
          if (made->inputs[i].kind == input_kind::memory) input(made->inputs[i].id);
      }
      need[st.contract] = true;
    }
    for (int i = 0; i < st.input_count; ++i)
      if (st.inputs[i].kind == input_kind::memory) input(st.inputs[i].id);
    for (int r = 0; r < st.root_count; ++r) k.outputs.push_back(value(st.roots[r])), need[st.roots[r]] = true;
    for (int i = p_.size() - 1; i >= 0; --i) {
      if (!need[i] || is_input(i, s) || st.contract == i) continue;
      if (p_.at(i).op == code::expand) need[p_.at(i).a] = true;
      else if (!p_.at(i).reads_shape()) for_operands(p_.at(i), p_.descr(i), [&](uint16 o) { need[o] = true; });
    }
    for (int i = 0; i < p_.size(); ++i) {
      if (!need[i] || is_input(i, s)) continue;
      k.flops += flops_of(i);
      const std::string name = name_of_op(i);
      if (!name.empty() && !is_detach(i)) k.ops.push_back(name);
    }
    plan.kernels.push_back(static_cast<planned_kernel&&>(k));
  }
  void add_loop(const plan_stage& st, planned_kernel k) {
    const int i = st.contract;
    vec<shape_value> in(p_.body_counts(i).operand_count() + 1, {});
    operands_of_body(p_, i, slots_, &shapes_[0], &in[0]);
    k.steps = steps_of(p_, i, slots_, &shapes_[0]);
    k.ops.push_back(p_.at(i).op == code::scan ? "scan" : p_.at(i).op == code::cond ? "cond" : "while_loop");
    for_loop_operands(p_, i, [&](int o) { k.inputs.push_back(value(o)); });
    for (int r = 0; r < st.root_count; ++r) k.outputs.push_back(value(st.roots[r]));
    k.reads = k.writes = 0;  // those of its kernels
    for (const plan_tables* body : st.bodies) {
      if (!body) continue;
      planner inner(*body, &in[0], slots_, prologues_);
      const int64 times = k.steps > 0 ? k.steps : k.steps == 0 ? 0 : 1;
      k.reads += times * sum_of(inner.plan, &planned_kernel::reads), k.writes += times * sum_of(inner.plan, &planned_kernel::writes);
      k.flops += times * inner.plan.flops();
      for (auto& one : inner.plan.kernels) k.body.push_back(static_cast<planned_kernel&&>(one));
      for (auto& note : inner.plan.notes) plan.notes.push_back("in each step, " + note);
      plan.interpreted = plan.interpreted || inner.plan.interpreted;
    }
    plan.kernels.push_back(static_cast<planned_kernel&&>(k));
  }
  static int64 sum_of(const execution_plan& plan, int64 planned_kernel::* what) {
    int64 n = 0;
    for (const auto& k : plan.kernels) n += k.*what;
    return n;
  }
  int64 flops_of(int i) const {
    const instruction x = p_.at(i);
    if (x.op == code::reduce) return shapes_[x.a].numel();
    if (x.is_op()) return is_detach(i) ? 0 : shapes_[i].numel();
    if (x.op == code::convolve) return 2 * window_shape_of(p_, i, &shapes_[0], slots_).products();
    if (x.op != code::contract) return 0;
    const contraction c = contraction::decode(p_.pool(x.c));
    int64 extent[8] = {1, 1, 1, 1, 1, 1, 1, 1}, n = 2;
    for (int d = 0; d < c.rank_a; ++d) extent[c.a(d)] = shapes_[x.a][d];
    for (int d = 0; d < c.rank_b; ++d) extent[c.b(d)] = shapes_[x.b][d];
    for (int64 e : extent) n *= e;
    return n;
  }
  void add_copy(int output) {
    const int v = p_.at(output).a;
    bool copied = t_.memory[v];
    for (int i = 0; i < output; ++i) copied = copied || (p_.at(i).op == code::output && p_.at(i).a == v);
    if (!copied) return;
    planned_kernel k;
    k.ops.push_back("copy");
    k.inputs.push_back(value(v));
    k.outputs.push_back(value(v));
    k.outputs[0].name = "result " + std::to_string(p_.at(output).b);
    k.reads = k.writes = bytes_of(p_, &shapes_[0], v);
    plan.kernels.push_back(static_cast<planned_kernel&&>(k));
  }

  /// Says why value v is written to memory although it is no result.
  void explain(int v) {
    if (is_result(v) || p_.at(v).op == code::element || p_.at(v).op == code::roll) return;
    int reader = -1;
    for (int i = v + 1; i < p_.size() && reader < 0; ++i)
      for_operands(p_.at(i), p_.descr(i), [&](uint16 o) { if (o == v && p_.at(i).op != code::expand && !p_.at(i).reads_shape()) reader = i; });
    if (reader < 0) return;
    const graph g = p_.restore();
    const placement places(g);
    const place& at = places.at[v];
    const code how = p_.at(reader).op;
    int named = v;  // squeeze, detach and the like have no name of interest
    while ((name_of_op(named).empty() || is_detach(named)) && !p_.at(named).is_source()) named = p_.at(named).a;
    std::string text = name_of_op(named);
    append(text, ' ');
    append(text, shape_text{shapes_[v].e, shapes_[v].rank});
    text += " is written to memory, as ";
    if (how == code::contract || how == code::convolve) text += "a product reads whole operands";
    else if (at.product != no_value && how == code::reduce) text += name_of_op(reader) + " needs the whole product";
    else if (at.product != no_value) text += "an epilogue has the shape of its product";
    else if (at.total != no_value) text += "it is known only after the last row";
    else if (how == code::reduce) text += name_of_op(reader) + " is over other dims";
    else if (how == code::squeeze || how == code::unsqueeze) text += "its dims change outside of its rows";
    else text += name_of_op(reader) + " meets it with other rows, or with shapes not known to be the same";
    plan.notes.push_back(static_cast<std::string&&>(text));
  }
};

template <class X> struct leaf_shapes {
  using P = program_of<X>;
  shape_value shapes[P::operand_count + 1];
  dims_slot slots[slot_count_of<P> + 1];

  explicit leaf_shapes(const X& x) {
    int k = 0, s = 0;
    auto leaves = [&](const auto& l) {
      if constexpr (requires { l.handle; }) {
        shapes[k].rank = std::remove_cvref_t<decltype(l.handle)>::rank;
        for (int d = 0; d < shapes[k].rank; ++d) shapes[k][d] = l.handle.sizes()[d];
      }
      ++k;
    };
    for_leaves(x, leaves);
    auto dims_ = [&](const auto& d) {
      if constexpr (requires { d.v; }) {
        if (s == slot_count_of<P>) return;  // nothing reads it
        for (const int32 i : d.v) slots[s].v[slots[s].count++] = i;
        ++s;
      }
    };
    for_dims(x, dims_);
  }
};

inline std::string quantity(int64 n, int64 unit, const char* const (&names)[4]) {
  double v = static_cast<double>(n);
  int k = 0;
  for (; k < 3 && v >= static_cast<double>(unit); ++k) v /= static_cast<double>(unit);
  char text[32];
  std::snprintf(text, sizeof text, k ? "%.1f %s" : "%.0f %s", v, names[k]);
  return text;
}
inline std::string bytes_text(int64 n) { return quantity(n, 1024, {"B", "KB", "MB", "GB"}); }
inline std::string flops_text(int64 n) { return quantity(n, 1000, {"flop", "kflop", "Mflop", "Gflop"}); }

}  // namespace detail::inline SINTER_TARGET

/// The plan of program P (of several results, say) for operands of the given shapes.
template <class P, class D = cpu_t> execution_plan plan_program(const detail::shape_value* leaves, const detail::dims_slot* slots, const char* name = "") {
  execution_plan plan = detail::planner(detail::plan_tables_of<P>, leaves, slots, std::is_same_v<D, cpu_t>).plan;
  plan.name = name;
  return plan;
}

/// What evaluating e would run on device D: kernels with bytes and flops for the shapes of its operands. Runs nothing.
/// Throws shape_error where the shapes do not fit.
template <class D = cpu_t, class Op, class... A> execution_plan plan(const node<Op, A...>& e) {
  using X = node<Op, A...>;
  const detail::leaf_shapes<X> in(e);
  return plan_program<detail::program_of<X>, D>(in.shapes, in.slots, Op::info.name);
}
/// Kernel counts of an expression's type: `static_assert(plan_of<decltype(e)>.rows == 1)`.
template <class X> inline constexpr plan_counts plan_of = detail::count_kernels<detail::program_of<std::remove_cvref_t<X>>>();

/// "map", "row", "contract", "loop"
constexpr const char* name_of(kernel_kind k) { return k == kernel_kind::map ? "map" : k == kernel_kind::row ? "row" : k == kernel_kind::contract ? "contract" : "loop"; }

/// One line a kernel, indented lines for those of a loop's step, the sum where there are several, and a line for each value that
/// does not fuse.
inline std::string to_string(const execution_plan& plan) {
  std::vector<std::string> heads;
  std::vector<const planned_kernel*> kernels;
  std::size_t width = 0, kind_width = 0;
  const auto list_head = [&](const auto& self, const planned_kernel& k, const std::string& number) -> void {
    kernels.push_back(&k);
    const std::string kind = name_of(k.kind);
    kind_width = kind.size() > kind_width ? kind.size() : kind_width;
    heads.push_back(number);
    for (std::size_t i = 0; i < k.body.size(); ++i) self(self, k.body[i], "  " + number + "." + std::to_string(i + 1));
  };
  for (std::size_t i = 0; i < plan.kernels.size(); ++i) list_head(list_head, plan.kernels[i], std::to_string(i + 1));
  for (std::size_t line = 0; line < kernels.size(); ++line) {
    const planned_kernel& k = *kernels[line];
    std::string head = heads[line] + " " + name_of(k.kind);
    head += std::string(kind_width + 2 - std::string(name_of(k.kind)).size(), ' ');
    std::string list;
    bool named = false;  // is the expression's name that of an op in the list?
    for (std::size_t i = 0; i < k.ops.size(); ++i) {
      bool seen = false;
      for (std::size_t j = 0; j < i; ++j) seen = seen || k.ops[j] == k.ops[i];
      named = named || k.ops[i] == plan.name;
      if (!seen) list += (list.empty() ? "" : ", ") + k.ops[i];
    }
    if (k.steps > 0 && k.ops[0] != "cond") list += " of " + std::to_string(k.steps) + (k.steps == 1 ? " step" : " steps");
    if (kernels.size() == 1 && !plan.name.empty() && !named) head += plan.name + ": ";
    heads[line] = head + list;
    width = heads[line].size() > width ? heads[line].size() : width;
  }
  auto amounts = [](int64 reads, int64 writes, int64 flops) {
    return "   reads " + detail::bytes_text(reads) + "  writes " + detail::bytes_text(writes) + "  " + detail::flops_text(flops) + "\n";
  };
  std::string out;
  int64 reads = 0, writes = 0;
  for (std::size_t i = 0; i < heads.size(); ++i) {
    const auto& k = *kernels[i];
    out += heads[i] + std::string(width - heads[i].size(), ' ') + amounts(k.reads, k.writes, k.flops);
  }
  for (const auto& k : plan.kernels) reads += k.reads, writes += k.writes;
  if (plan.kernels.size() > 1) out += "in all" + std::string(width > 6 ? width - 6 : 0, ' ') + amounts(reads, writes, plan.flops());
  for (const auto& n : plan.notes) out += "! " + n + "\n";
  return out;
}
/// Writes to_string(plan).
template <class Traits> std::basic_ostream<char, Traits>& operator<<(std::basic_ostream<char, Traits>& to, const execution_plan& plan) {
  return to << to_string(plan);
}

}  // namespace sinter::inline v0
