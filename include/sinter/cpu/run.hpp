// SPDX-License-Identifier: BSD-3-Clause
// Runs the stages of a program on the CPU. One function serves all programs; what differs between them are tables and kernel
// entries, made here from a program's type.
#pragma once
#include "bounds.hpp"
#include "convolve.hpp"

namespace sinter::inline v0::detail::inline SINTER_TARGET {

class SINTER_HIDDEN cpu_run : convolve_runner {
 public:
  cpu_run(const program_entry& entry, const operand* leaves, const dims_slot* slots, result* results) : convolve_runner(entry, leaves, slots, results) {}

  template <class Arch> void run();
  /// What depends on shapes and layouts alone. False if the shapes are none that the kernels take: then the results are there.
  template <class Arch> bool prepare() {
    const int n = p_.size();
    shapes_ = vec<shape_value>(n, {});
    memory_ = vec<memory>(n, {});
    for (int s = 0; s < e_.stage_count; ++s)
      if (e_.stages[s].kind == kernel_kind::loop && p_.at(e_.stages[s].contract).op == code::while_loop) [[unlikely]] steps_run_ = vec<int64>(n, -1);
    find_shapes<Arch>();
    for (int i = 0; i < p_.operand_count(); ++i)
      if (leaves_[i].shape.numel() == 0) [[unlikely]] {
        const shape_fault empty = find_empty(p_, &shapes_[0]);
        if (empty.kind != shape_fault::none) raise<Arch>(p_, empty, &shapes_[0], slots_);
      }
    loops_ = vec<shape_value>(e_.stage_count, {});
    for (int s = 0; s < e_.stage_count; ++s)
      if (!find_loops(e_.stages[s], e_.spaces, &shapes_[0], slots_, loops_[s]) && !steps_run_.size()) [[unlikely]] return e_.interpret(leaves_, slots_, results_), false;
    if (e_.check_bounds) e_.check_bounds(leaves_, slots_, &shapes_[0]);
    place<Arch>();
    return true;
  }
  template <class Arch> void execute() {
    for (int s = 0; s < e_.stage_count; ++s)
      if (!idle(e_.stages[s])) run_stage<Arch>(e_.stages[s]);
    deliver<Arch>();
  }
  /// The same again, with operands and results at other places.
  template <class Arch> void execute_again() {
    if (e_.check_bounds) e_.check_bounds(leaves_, slots_, &shapes_[0]);
    if (!again_.known) again_ = steps_of_again();
    for (int k = 0; k < again_.placed.size(); ++k) {
      memory& m = memory_[again_.placed[k]];
      m.data = results_[m.result].data;
    }
    for (int k = 0; k < again_.stages.size(); ++k) {
      const again_stage& a = again_.stages[k];
      const stage_entry& st = e_.stages[a.number];
      if (st.kind == kernel_kind::loop) {
        st.iterate(*this, st);
      } else if (a.whole) {
        run_stage<Arch>(st);
      } else {
        count_launch(a.bytes);
        run_planned<Arch>(a.number);
      }
    }
    if (again_.late) deliver<Arch>();
  }

  /// Runs a program of one kernel over numbers.
  template <class Arch> void run_numbers() {
    const stage_entry& st = e_.stages[0];
    walk walks[2 * numbers_form::most + 1];
    double numbers[numbers_form::most];
    uint64 start[2 * numbers_form::most + 1] = {};
    for (int k = 0; k < st.input_count; ++k) {
      const operand& o = leaves_[e_.numbers.operand[k]];
      walks[k].base = start[k] = address_of(o.data), numbers[k] = o.number;
    }
    for (int r = 0; r < st.root_count; ++r) {
      result& to = results_[e_.numbers.result[r]];
      walk& w = walks[st.input_count + r];
      if (!to.data && to.mode != write_skip) allocate_result<Arch>(&to, p_.at(st.roots[r]).type);
      w.base = start[st.input_count + r] = address_of(to.data), w.mode = to.mode, w.lane = 1;
    }
    geometry g;
    g.row[0] = 1, g.numbers = numbers, g.walks = walks;
    count_launch(e_.numbers.bytes);
    st.run(g, start, strip{1, 1, st.lanes});
  }

  /// While_loop `id` has run: what follows it gets its shapes and its memory.
  template <class Arch> void know_steps(int id, int64 steps) {
    steps_run_[id] = steps;
    find_shapes<Arch>();
    for (int s = 0; s < e_.stage_count; ++s)
      if (shape_value loop; find_loops(e_.stages[s], e_.spaces, &shapes_[0], slots_, loop)) loops_[s] = loop;
      else fail<shape_error, Arch>("while_loop: what follows it has shapes that no kernel takes");
    place<Arch>();
  }
  /// Has it a while_loop that leaves slices, as many as it had steps?
  bool is_ragged() const {
    for (int i = 0; i < p_.size(); ++i)
      if (p_.at(i).op == code::element && p_.at(p_.at(i).a).op == code::while_loop && loop_output::decode(p_.at(i).b).kind == loop_output::slice) return true;
    return false;
  }

  /// Runs a stage whose operands are rolled in boxes, or makes rolled copies for it.
  template <class Arch> static bool run_rolled(cpu_run& run, const stage_entry& st) {
    if (runs_in_boxes(st)) return run.run_boxes<Arch>(st), true;
    run.copy_rolled<Arch>(st);
    return false;
  }

  /// Is it small, and without memory of its own?
  bool can_be_kept() const {
    int64 elements = 0;
    for (int i = 0; i < p_.size(); ++i) {
      if (memory_[i].scratch || p_.at(i).is_loop()) return false;
      elements += shapes_[i].numel();
    }
    for (int s = 0; s < e_.stage_count; ++s)
      if (e_.stages[s].kind == kernel_kind::loop || planned_loop::walks_of(e_.stages[s]) > 16) return false;
    return elements <= 65536;
  }

  const program_view& program() const { return p_; }
  const dims_slot* slots() const { return slots_; }
  const shape_value* shapes() const { return &shapes_[0]; }
  /// Value `id`, which is in memory.
  operand value(int id) const {
    operand o;
    o.shape = shapes_[id];
    o.data = strides_of(id, o.strides);
    return o;
  }
  bool wanted(int id) const { return memory_[id].mode != write_skip; }

 private:
  template <class Arch> void find_shapes() {
    vec<shape_value> leaf_shapes(p_.operand_count() + 1, {});
    for (int i = 0; i < p_.operand_count(); ++i) leaf_shapes[i] = leaves_[i].shape;
    const shape_fault f = infer_shapes(p_, &leaf_shapes[0], slots_, &shapes_[0], steps_run_.size() ? &steps_run_[0] : nullptr);
    if (f.kind != shape_fault::none) raise<Arch>(p_, f, &shapes_[0], slots_);
  }
  struct again_stage {
    int number;
    bool whole;   ///< planned anew each time
    int64 bytes;  ///< moved
  };
  /// What there is to do in a further execution.
  struct again_steps {
    bool known = false;
    bool late = false;            ///< are there results that deliver() writes?
    vec<int> placed = {};         ///< values that lie in results
    vec<again_stage> stages = {};
  } again_;
  again_steps steps_of_again() const {
    again_steps to;
    to.known = true;
    for (int v = 0; v < memory_.size(); ++v)
      if (memory_[v].result >= 0) to.placed.push(v);
    for (int s = 0; s < e_.stage_count; ++s) {
      const stage_entry& st = e_.stages[s];
      if (idle(st)) continue;
      const bool whole = st.kind == kernel_kind::contract || (!runs_in_boxes(st) && reads_rolled(st));
      to.stages.push({s, whole, whole || st.kind == kernel_kind::loop ? 0 : bytes_moved(st)});
    }
    for (int i = 0; i < p_.size(); ++i)
      if (p_.at(i).op == code::output) to.late = to.late || (results_[p_.at(i).b].mode != write_skip && memory_[p_.at(i).a].result != p_.at(i).b);
    return to;
  }

  int64 bytes_moved(const stage_entry& st) const {
    const traffic t = traffic_of(p_, e_.stages, e_.stage_count, st, &shapes_[0], [&](int id) { return memory_[id].mode == write_skip; });
    return t.reads + t.writes;
  }
  template <class Arch> void run_stage(const stage_entry& st) {
    if (st.kind == kernel_kind::loop) return st.iterate(*this, st);
    count_launch(bytes_moved(st));
    if (e_.run_rolled && reads_rolled(st) && e_.run_rolled(*this, st)) return;
    if (st.kind == kernel_kind::contract) st.multiply(*this, st);
    else run_loops<Arch>(st);
    if (e_.run_rolled) forget_rolled();
  }
};

/// A run with operands and results of its own: what another run of the same program can do at once.
class SINTER_HIDDEN kept_run {
 public:
  kept_run(const program_entry& e, const operand* leaves, const dims_slot* slots, const result* results)
      : e_(e), leaves_(e.view.operand_count() + 1, {}), slots_(e.slot_count + 1, {}), results_(e.view.result_count() + 1, {}),
        run_(e, &leaves_[0], slots ? &slots_[0] : nullptr, &results_[0]), has_slots_(slots) {
    for (int k = 0; k < e.view.operand_count(); ++k) leaves_[k] = leaves[k];
    for (int k = 0; slots && k < e.slot_count; ++k) slots_[k] = slots[k];
    for (int i = 0; i < e.view.size(); ++i)
      if (const instruction x = e.view.at(i); x.op == code::output) {
        results_[x.b] = results[x.b];
        outputs_.push({x.b, results[x.b].data != nullptr, e.view.at(x.a).type});
      }
  }
  /// The first time; false if it is not to be kept. The results are there in any case.
  template <class Arch> bool start(result* results) {
    const bool fits = run_.template prepare<Arch>();
    if (fits) run_.template execute<Arch>();
    hand_over(results);
    return fits && run_.can_be_kept();
  }
  bool matches(const operand* leaves, const dims_slot* slots, const result* results) const {
    if (has_slots_ != (slots != nullptr)) return false;
    for (int k = 0; k < e_.view.operand_count(); ++k) {
      const operand &mine = leaves_[k], &o = leaves[k];
      if (!same_layout(mine.shape, mine.strides, o.shape, o.strides) || (mine.data == nullptr) != (o.data == nullptr)) return false;
    }
    for (int k = 0; slots && k < e_.slot_count; ++k) {
      if (slots_[k].count != slots[k].count) return false;
      for (int i = 0; i < slots[k].count; ++i)
        if (slots_[k].v[i] != slots[k].v[i]) return false;
    }
    for (int k = 0; k < outputs_.size(); ++k) {
      const result &mine = results_[outputs_[k].number], &o = results[outputs_[k].number];
      if (mine.mode != o.mode || outputs_[k].given != (o.data != nullptr)) return false;
      if (o.data && !same_layout(mine.shape, mine.strides, o.shape, o.strides)) return false;
    }
    return true;
  }
  template <class Arch> void again(const operand* leaves, result* results) {
    for (int k = 0; k < e_.view.operand_count(); ++k) leaves_[k].data = leaves[k].data, leaves_[k].number = leaves[k].number;
    for (int k = 0; k < outputs_.size(); ++k) {
      const output& out = outputs_[k];
      result& mine = results_[out.number];
      if (mine.mode == write_skip) continue;
      if (out.given) mine.data = results[out.number].data;
      else allocate_result<Arch>(&mine, out.type);
    }
    run_.template execute_again<Arch>();
    hand_over(results);
  }

 private:
  static bool same_layout(const shape_value& a, const int64* by_a, const shape_value& b, const int64* by_b) {
    if (a.rank != b.rank) return false;
    for (int d = 0; d < a.rank; ++d)
      if (a[d] != b[d] || by_a[d] != by_b[d]) return false;
    return true;
  }
  /// Gives the memory that was allocated to who asked for the results.
  void hand_over(result* results) {
    for (int k = 0; k < outputs_.size(); ++k) {
      result& mine = results_[outputs_[k].number];
      if (outputs_[k].given || mine.mode == write_skip) continue;
      results[outputs_[k].number] = static_cast<result&&>(mine);
      mine.block = storage_ptr();
    }
  }
  const program_entry& e_;
  vec<operand> leaves_;
  vec<dims_slot> slots_;
  vec<result> results_;
  struct output {
    int number;
    bool given;  ///< it lies in the caller's memory
    dtype type;
  };
  vec<output> outputs_;
  cpu_run run_;
  bool has_slots_;
};

template <class Arch> void cpu_run::run() {
  bool once = !e_.kept;
  for (int r = 0, n = p_.result_count(); r < n; ++r) once = once || results_[r].complex;
  if (once) {
    if (prepare<Arch>()) execute<Arch>();
    return;
  }
  if (e_.numbers.possible) return run_numbers<Arch>();
  struct holder {
    std::atomic<kept_run*>& place;
    kept_run* run;
    ~holder() {
      if (run) delete run;
    }
    void put_back() {
      run = place.exchange(run, std::memory_order_acq_rel);
    }
  } mine{*e_.kept, e_.kept->exchange(nullptr, std::memory_order_acq_rel)};
  if (mine.run && mine.run->matches(leaves_, slots_, results_)) {
    mine.run->template again<Arch>(leaves_, results_);
    return mine.put_back();
  }
  if (mine.run) delete mine.run;
  mine.run = new kept_run(e_, leaves_, slots_, results_);
  if (mine.run->template start<Arch>(results_)) mine.put_back();
}

/// The kept run of a program: small, and never deleted, so that nothing is to be done at the end of a program.
template <class P, class Arch> SINTER_HIDDEN inline constinit std::atomic<kept_run*> kept_run_of{nullptr};

// cpu/iterate.hpp
template <class P, int Id, class Arch> void iterate(cpu_run& run, const stage_entry& st);
template <class P, int Id, class Arch> void iterate_while(cpu_run& run, const stage_entry& st);
template <class P, int Id, class Arch> void run_branch(cpu_run& run, const stage_entry& st);

// --- tables of a program -------------------------------------------------------------------------------------------

/// Is the only result of a stage its contraction as it is?
template <class P, int S> constexpr bool is_plain_product() {
  using SP = stage_program<P, S>;
  for (int i = 0; i < SP::size; ++i) {
    const code op = SP::at(i).op;
    if (op != code::leaf && op != code::expand && op != code::output) return false;
  }
  constexpr auto st = schedule_of<P>.stages[S];
  return st.kind == kernel_kind::contract && st.root_count == 1 && SP::operand_count == 1 && inputs_of<P, S>.v[0].kind == input_kind::product;
}

template <class P, int S, class Arch> struct stage_tables {
  using SP = stage_program<P, S>;
  using K = kernel<SP, Arch>;
  static constexpr auto st = schedule_of<P>.stages[S];
  static constexpr stage_entry loop_entry() {
    stage_entry e{};
    e.kind = st.kind, e.contract = st.contract, e.root_count = st.root_count, e.roots = schedule_of<P>.roots + st.first_root;
    constexpr code op = P::at(st.contract).op;
    if constexpr (op == code::scan) e.iterate = &iterate<P, st.contract, Arch>;
    else if constexpr (op == code::cond) e.iterate = &run_branch<P, st.contract, Arch>;
    else e.iterate = &iterate_while<P, st.contract, Arch>;
    e.prologue_of = st.prologue_of;
    return e;
  }
  static constexpr auto levels = [] {
    struct { level root[SP::result_count + 1] = {}; bool row[SP::operand_count + 1] = {}; bool positions = false; } out;
    for (int i = 0; i < SP::size; ++i) {
      const instruction x = SP::at(i);
      if (x.op == code::output) out.root[x.b] = levels_of<SP>.at[x.a];
      if (x.op == code::leaf) out.row[x.a] = x.b == leaf_row || x.b == leaf_constant;
      if (x.op == code::reduce && view_of<SP>.descr(i)->info.result == result_type::index) out.positions = true;
    }
    return out;
  }();
  static constexpr stage_entry entry() {
    return {st.kind, st.contract, st.loop, st.root_count, static_cast<uint16>(SP::operand_count), static_cast<uint16>(levels_of<SP>.totals),
            st.row_tag, schedule_of<P>.roots + st.first_root, inputs_of<P, S>.v, levels.root, levels.row, totals_of<P, S>.v,
            reductions_of<P, S>.v, stage_source<P, S>::cut.reduction_count,
            K::N, K::most_groups, is_plain_product<P, S>(), levels.positions, &K::run, &K::clear, &K::merge, &K::finish, &total_size, contract_entry(), nullptr, st.prologue_of};
  }
  static constexpr auto contract_entry() -> void (*)(contract_runner&, const stage_entry&) {
    if constexpr (st.kind != kernel_kind::contract) return nullptr;
    else if constexpr (P::at(st.contract).op == code::convolve) return &convolve_runner::convolve_entry<cpp_type<P::at(st.contract).type>, Arch>;
    else return &contract_runner::contract_entry<cpp_type<P::at(st.contract).type>, Arch>;
  }
  static int64 total_size(int k) { return K::total_size(k); }
};

template <class P, int S, class Arch> constexpr stage_entry stage_entry_of() {
  if constexpr (schedule_of<P>.stages[S].kind == kernel_kind::loop) return stage_tables<P, S, Arch>::loop_entry();
  else return stage_tables<P, S, Arch>::entry();
}
template <class P, class Arch, std::size_t... S> constexpr auto make_stages(std::index_sequence<S...>) {
  struct { stage_entry v[sizeof...(S) + 1]; } out{{stage_entry_of<P, static_cast<int>(S), Arch>()..., {}}};
  return out;
}
template <class P, class Arch> inline constexpr auto stages_of =
    make_stages<P, Arch>(std::make_index_sequence<static_cast<std::size_t>(schedule_of<P>.count)>());
template <class P> constexpr numbers_form numbers_form_of() {
  numbers_form out;
  constexpr auto& plan = schedule_of<P>;
  constexpr auto& st = plan.stages[0];
  if (plan.count != 1 || st.kind != kernel_kind::map || P::reads_parts || bounds_of<P>.count || P::result_count != st.root_count || st.root_count > numbers_form::most) return out;
  for (int i = 0; i < P::size; ++i)
    if (P::at(i).rank > 0) return out;
  using SP = stage_program<P, 0>;
  if (levels_of<SP>.totals || levels_of<SP>.passes || SP::operand_count > numbers_form::most) return out;
  for (int k = 0; k < SP::operand_count; ++k) {
    const stage_input& in = inputs_of<P, 0>.v[k];
    const instruction x = P::at(in.id);
    if (!(in.kind == input_kind::memory && x.op == code::leaf) && !(in.kind == input_kind::number && x.op == code::scalar)) return out;
    out.operand[k] = static_cast<int16>(x.a), out.bytes += x.op == code::leaf ? size_of(x.type) : 0;
  }
  for (int r = 0; r < st.root_count; ++r) {
    int found = 0;
    const uint16 v = plan.roots[st.first_root + r];
    for (int i = 0; i < P::size; ++i)
      if (P::at(i).op == code::output && P::at(i).a == v) out.result[r] = static_cast<int16>(P::at(i).b), ++found;
    if (found != 1) return out;
    out.bytes += size_of(P::at(v).type);
  }
  out.possible = true;
  return out;
}
template <class P> constexpr bool can_be_kept() {
  for (int i = 0; i < P::size; ++i)
    if (P::at(i).is_loop()) return false;
  return schedule_of<P>.count > 0;
}
template <class P> constexpr bool has_rolls() {
  for (int i = 0; i < P::size; ++i)
    if (P::at(i).op == code::roll) return true;
  return false;
}
template <class P> constexpr bool delivers() {
  if (P::result_count > 1) return true;
  for (int i = 0; i < P::size; ++i)
    if (P::at(i).op == code::output && (P::at(i).c || schedule_of<P>.memory[P::at(i).a] || P::at(P::at(i).a).op == code::element)) return true;
  return has_rolls<P>();
}
/// Are there shapes that the kernels of P do not take? It needs operands that broadcast beside a reduction or product.
template <class P, std::size_t... S> constexpr bool may_misfit(std::index_sequence<S...>) {
  [[maybe_unused]] auto one = [](kernel_kind kind, const auto& cut) {
    if (kind == kernel_kind::contract) return cut.input_count > 1;
    int operands = 0;
    for (int i = 0; i < cut.input_count; ++i) operands += cut.inputs[i].kind == input_kind::memory;
    return cut.reduction_count > 0 && operands > 1;
  };
  bool any = false;
  const bool each[] = {false, one(schedule_of<P>.stages[S].kind, stage_source<P, static_cast<int>(S)>::cut)...};
  for (bool b : each) any = any || b;
  return any;
}
template <class P, class Arch> void interpret_program(const operand* leaves, const dims_slot* slots, result* results) {
  interpret<Arch>(view_of<P>, leaves, slots, results);
}
template <class P, class Arch> inline constexpr program_entry entry_of = [] {
  program_entry e{bare_view_of<P>, stages_of<P, Arch>.v, schedule_of<P>.count, schedule_of<P>.memory, schedule_of<P>.written, schedule_of<P>.spaces, nullptr, nullptr, nullptr, slot_count_of<P>, {}, nullptr, nullptr};
  if constexpr (may_misfit<P>(std::make_index_sequence<static_cast<std::size_t>(schedule_of<P>.count)>())) e.interpret = &interpret_program<P, Arch>;
  if constexpr (schedule_of<P>.count == 1) e.numbers = numbers_form_of<P>();
  if constexpr (can_be_kept<P>()) e.kept = &kept_run_of<P, Arch>;
  if constexpr (has_rolls<P>()) e.run_rolled = &cpu_run::run_rolled<Arch>;
  if constexpr (delivers<P>()) e.sum_into = &sum_into<Arch>;
  if constexpr (bounds_of<P>.count > 0) e.check_bounds = &check_bounds<P, Arch>;
  return e;
}();

}  // namespace sinter::inline v0::detail::inline SINTER_TARGET

#include "iterate.hpp"
