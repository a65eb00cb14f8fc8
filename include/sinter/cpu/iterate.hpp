// SPDX-License-Identifier: BSD-3-Clause
// Runs a loop of a program: its body is prepared once and run step by step, carried values in two buffers or in the stack that the
// adjoint reads. Not here: what a step computes (run.hpp).
#pragma once
#include "iterate_flat.hpp"
#include "run.hpp"

namespace sinter::inline v0::detail::inline SINTER_TARGET {

/// Memory for elements of a shape and layout; strides may have gaps.
inline void allocate_for(scratch_memory& to, const shape_value& s, const int64* strides, int64 size) {
  int64 last = 0;
  for (int d = 0; d < s.rank && s.numel(); ++d) last += (s[d] - 1) * strides[d];
  bytes_for(s, size);  // throws if no address has so many
  to.grow((last + 1) * size, 0);
}
/// The operands of loop Id, and what they are elements of.
template <int Operands> void bind_loop(const cpu_run& run, int id, operand (&in)[Operands], dtype (&type)[Operands]) {
  int k = 0;
  for_loop_operands(run.program(), id, [&](int o) { type[k] = run.program().at(o).type, in[k++] = run.value(o); });
}
/// A body that runs step by step: planned at the first, unless each step has shapes of its own.
template <class Arch> class SINTER_HIDDEN repeated_run {
 public:
  repeated_run(const program_entry& e, const operand* in, const dims_slot* slots, result* to) : e_(e), in_(in), slots_(slots), to_(to), run_(e, in, slots, to) {}
  void step() {
    if (planned_) return run_.template execute_again<Arch>();
    if (started_) return cpu_run(e_, in_, slots_, to_).template run<Arch>();
    started_ = true;
    if (!run_.template prepare<Arch>()) return;
    run_.template execute<Arch>();
    planned_ = !run_.is_ragged();
  }

 private:
  const program_entry& e_;
  const operand* in_;
  const dims_slot* slots_;
  result* to_;
  cpu_run run_;
  bool started_ = false, planned_ = false;
};

template <class P, int Id, class Arch> void iterate(cpu_run& run, const stage_entry& st) {
  using B = body_program<P, Id>;
  constexpr loop_body counts = view_of<P>.body_counts(Id);
  constexpr int carries = counts.carries, operands = counts.operand_count(), results = counts.result_count();
  constexpr auto& table = body_results<B, carries, results>;
  const int64 steps = steps_of(run.program(), Id, run.slots(), run.shapes());
  const bool reverse = scan_mode::decode(P::at(Id).c).reverse;

  operand in[operands + 1], out[results + 1];
  bool wanted[results + 1] = {};
  dtype in_type[operands + 1] = {};
  bind_loop(run, Id, in, in_type);
  for (int r = 0; r < st.root_count; ++r) {
    const int number = loop_output::decode(P::at(st.roots[r]).b).result(counts);
    out[number] = run.value(st.roots[r]), wanted[number] = run.wanted(st.roots[r]);
  }
  if constexpr (has_step_form<B, carries, carries + counts.slices>())
    if (iterate_flat<B, carries, counts.stacked, counts.constants, counts.slices, Arch>(in, out, wanted, steps, reverse)) return;
  const auto copy = [](dtype t, const operand& from, const operand& to) {
    copy_elements<Arch>(size_of(t), to.shape, from.data, from.strides, to.data, to.strides);
  };

  // a carried value lives in the stack of what steps find or leave, if that is wanted, else in two buffers
  scratch_memory buffers[2 * carries + 1];
  operand current[carries + 1], next[carries + 1];
  int stack[carries + 1] = {};
  bool copied[results + 1] = {};  // slices that are copies of carried values
  const auto carry_of = [](int r) -> int { return table.carry_in[r] >= 0 ? table.carry_in[r] : table.carry_out[r]; };
  for (int r = carries; r < carries + counts.slices; ++r) {
    const int c = carry_of(r);
    if (!wanted[r] || c < 0) continue;
    copied[r] = stack[c] != 0;
    if (!stack[c]) stack[c] = r;
  }
  const int64 first = reverse ? steps - 1 : 0, step = reverse ? -1 : 1;
  const auto at_step = [&](int c, int64 t, bool leaves, int turn) {  // carried value c as step t leaves or finds it
    operand o = in[c];
    const int r = stack[c];
    const int64 from = r && table.carry_in[r] >= 0 ? (leaves ? t + step : t) : (leaves ? t : t - step);
    if (r && from >= 0 && from < steps) return slice_of(out[r], table.type[c], from);
    row_major_strides(o.shape, o.strides);
    if (r) {  // before the first, behind the last: laid out as the others
      const operand like = slice_of(out[r], table.type[c], 0);
      for (int d = 0; d < o.shape.rank; ++d) o.strides[d] = like.strides[d];
    }
    o.data = buffers[2 * c + (r ? leaves : turn)].data();
    return o;
  };
  for (int c = 0; c < carries; ++c) {
    current[c] = in[c];
    if (steps == 0) continue;
    const operand like = at_step(c, first, false, 0);
    for (int b = 0; b < 2; ++b) allocate_for(buffers[2 * c + b], in[c].shape, like.strides, size_of(table.type[c]));
    current[c] = at_step(c, first, false, 0);
    copy(table.type[c], in[c], current[c]);
  }
  for (int r = carries + counts.slices; r < results; ++r)
    if (wanted[r]) clear_elements<Arch>(size_of(table.type[r]), out[r].shape, out[r].data, out[r].strides);

  operand from[operands + 1];
  result to[results + 1];
  for (int i = carries + counts.stacked; i < operands; ++i) from[i] = in[i];
  repeated_run<Arch> body(entry_of<B, Arch>, from, run.slots(), to);
  for (int64 s = 0, t = first; s < steps; ++s, t += step) {
    for (int c = 0; c < carries; ++c) {
      from[c] = current[c], next[c] = at_step(c, t, true, static_cast<int>(s + 1) & 1);
      to[c].data = next[c].data;
    }
    for (int i = 0; i < counts.stacked; ++i) from[carries + i] = slice_of(in[carries + i], in_type[carries + i], t);
    from[operands].number = static_cast<double>(t);
    for (int r = carries; r < carries + counts.slices; ++r)
      if (wanted[r]) to[r].data = slice_of(out[r], table.type[r], t).data;
    for (int r = 0; s == 0 && r < results; ++r) {
      const int c = r < carries ? -1 : carry_of(r);
      if ((r >= carries && !wanted[r]) || copied[r] || (c >= 0 && stack[c] == r)) to[r].mode = write_skip;
      else if (r < carries) to[r] = result_at(next[r]);
      else if (r < carries + counts.slices) to[r] = result_at(slice_of(out[r], table.type[r], t));
      else to[r] = result_at(out[r], write_accumulate);
    }
    body.step();
    for (int r = carries; r < carries + counts.slices; ++r)
      if (copied[r]) copy(table.type[r], table.carry_in[r] >= 0 ? current[table.carry_in[r]] : next[table.carry_out[r]], slice_of(out[r], table.type[r], t));
    for (int c = 0; c < carries; ++c) current[c] = next[c];
  }
  for (int c = 0; c < carries; ++c)
    if (wanted[c]) copy(table.type[c], current[c], out[c]);
}

/// Copies a result to the element that wants it.
template <class Arch> void deliver_element(const cpu_run& run, int element, const operand& from) {
  const operand to = run.value(element);
  copy_elements<Arch>(size_of(run.program().at(element).type), to.shape, from.data, from.strides, to.data, to.strides);
}
/// One element of any dtype but complex, as a condition.
inline bool is_true(dtype t, const char* data) {
  return with_real_type(t, [=]<class T>(T) { return static_cast<bool>(static_cast<computed<T>>(*reinterpret_cast<const T*>(data)) != computed<T>(0)); });
}

template <class P, int Id, class Arch> void run_branch(cpu_run& run, const stage_entry& st) {
  constexpr loop_body counts = view_of<P>.body_counts(Id);
  operand in[counts.operand_count() + 1];
  dtype in_type[counts.operand_count() + 1] = {};
  bind_loop(run, Id, in, in_type);
  result to[counts.sums + 1];
  for (result& r : to) r.mode = write_skip;
  for (int r = 0; r < st.root_count; ++r) {
    if (!run.wanted(st.roots[r])) continue;
    to[loop_output::decode(P::at(st.roots[r]).b).number] = result_at(run.value(st.roots[r]));
  }
  const program_entry& chosen = is_true(in_type[0], in[0].data) ? entry_of<body_program<P, Id>, Arch> : entry_of<body_program<P, Id, true>, Arch>;
  cpu_run(chosen, in, run.slots(), to).template run<Arch>();
}

/// Values of the steps of a loop whose number of steps is not known, one behind the other.
class SINTER_HIDDEN growing_stack {
 public:
  char* push(int64 bytes) {
    if (size_ + bytes > room_.bytes()) room_.grow(2 * room_.bytes() > size_ + bytes ? 2 * room_.bytes() : size_ + bytes, size_);
    return room_.data() + (size_ += bytes) - bytes;
  }
  char* data() const { return room_.data(); }

 private:
  scratch_memory room_;
  int64 size_ = 0;
};

template <class P, int Id, class Arch> void iterate_while(cpu_run& run, const stage_entry& st) {
  using B = body_program<P, Id>;
  using T = body_program<P, Id, true>;
  constexpr loop_body counts = view_of<P>.body_counts(Id);
  constexpr int carries = counts.carries, operands = counts.operand_count(), results = counts.result_count();
  constexpr auto& table = body_results<B, carries, results>;
  operand in[operands + 1];
  dtype in_type[operands + 1] = {};
  bind_loop(run, Id, in, in_type);
  bool stacked[results + 1] = {};
  for (int r = 0; r < st.root_count; ++r)
    if (const loop_output which = loop_output::decode(P::at(st.roots[r]).b); which.kind == loop_output::slice) stacked[which.result(counts)] = true;

  scratch_memory buffers[2 * carries + 1];
  for (int c = 0; c < carries; ++c) {
    const operand from = in[c];
    row_major_strides(in[c].shape, in[c].strides);
    for (int b = 0; b < 2; ++b) allocate_for(buffers[2 * c + b], in[c].shape, in[c].strides, size_of(table.type[c]));
    in[c].data = buffers[2 * c].data();
    copy_elements<Arch>(size_of(table.type[c]), in[c].shape, from.data, from.strides, in[c].data, in[c].strides);
  }
  growing_stack stacks[counts.slices + 1];
  vec<shape_value> shapes(B::size, {}), shape_of(results + 1, {});
  infer_body(run.program(), Id, run.slots(), run.shapes(), &shapes[0]);
  for (int i = 0; i < B::size; ++i)
    if (B::at(i).op == code::output) shape_of[B::at(i).b] = shapes[i];

  bool truth = false;
  result answer, to[results + 1];
  answer.data = reinterpret_cast<char*>(&truth);
  for (int i = 0; i < T::size; ++i)
    if (T::at(i).op == code::output) answer.shape.rank = T::at(i).rank;
  for (int d = 0; d < answer.shape.rank; ++d) answer.shape[d] = 1;
  for (int r = 0; r < results; ++r) {
    to[r].shape = shape_of[r];
    row_major_strides(to[r].shape, to[r].strides);
    to[r].mode = r < carries || stacked[r] ? write_store : write_skip;
  }
  repeated_run<Arch> test(entry_of<T, Arch>, in, run.slots(), &answer), body(entry_of<B, Arch>, in, run.slots(), to);
  const auto holds = [&] { return test.step(), truth; };
  int64 steps = 0;
  for (; holds(); ++steps) {
    for (int c = 0; c < carries; ++c) to[c].data = buffers[2 * c + (steps + 1) % 2].data();
    for (int r = carries; r < results; ++r)
      if (stacked[r]) to[r].data = stacks[r - carries].push(bytes_for<Arch>(to[r].shape, size_of(table.type[r])));
    in[operands].number = static_cast<double>(steps);
    body.step();
    for (int c = 0; c < carries; ++c) in[c].data = to[c].data;
  }
  run.template know_steps<Arch>(Id, steps);
  for (int r = 0; r < st.root_count; ++r) {
    if (!run.wanted(st.roots[r])) continue;
    const loop_output which = loop_output::decode(P::at(st.roots[r]).b);
    if (which.kind == loop_output::carry) {
      deliver_element<Arch>(run, st.roots[r], in[which.number]);
      continue;
    }
    operand all;
    all.shape = run.value(st.roots[r]).shape;
    row_major_strides(all.shape, all.strides);
    all.data = stacks[which.number].data();
    if (all.shape.numel()) deliver_element<Arch>(run, st.roots[r], all);
  }
}

}  // namespace sinter::inline v0::detail::inline SINTER_TARGET
