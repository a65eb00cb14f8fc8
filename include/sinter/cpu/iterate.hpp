// SPDX-License-Identifier: BSD-3-Clause
// Runs a loop of a program: its body is prepared once and run step by step, carried values in two buffers or in the stack that the
// adjoint reads. Not here: what a step computes (run.hpp).
#pragma once
#include "iterate_flat.hpp"
#include "run.hpp"

namespace sinter::inline v0::detail::inline SINTER_TARGET {

/// Memory of a carried value.
template <class Arch> class carry_buffer {
 public:
  carry_buffer() = default;
  void allocate(const shape_value& s, const int64* strides, int64 size) {
    bytes_ = bytes_for<Arch>(s, size);
    if (s.numel())
      for (int d = 0; d < s.rank; ++d) bytes_ += (s[d] - 1) * strides[d] * size;  // at most: strides may have gaps
    data_ = static_cast<char*>(host_alloc<Arch>(bytes_));
  }
  ~carry_buffer() {
    if (data_) host_free(data_, bytes_);
  }
  carry_buffer(const carry_buffer&) = delete;
  carry_buffer& operator=(const carry_buffer&) = delete;
  char* data() const { return data_; }

 private:
  char* data_ = nullptr;
  int64 bytes_ = 0;
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
  int k = 0;
  dtype in_type[operands + 1] = {};
  for_loop_operands(run.program(), Id, [&](int o) { in_type[k] = run.program().at(o).type, in[k++] = run.value(o); });
  for (int r = 0; r < st.root_count; ++r) {
    const int number = loop_output::decode(P::at(st.roots[r]).b).result(counts);
    out[number] = run.value(st.roots[r]), wanted[number] = run.wanted(st.roots[r]);
  }
  if constexpr (has_step_form<B, carries, carries + counts.slices>())
    if (iterate_flat<B, carries, counts.stacked, counts.constants, counts.slices, Arch>(in, out, wanted, steps, reverse)) return;
  const auto slice = [](const operand& o, dtype t, int64 step) {
    operand s = o;
    s.data += step * o.strides[0] * size_of(t);
    --s.shape.rank;
    for (int d = 0; d < s.shape.rank; ++d) s.shape[d] = o.shape[d + 1], s.strides[d] = o.strides[d + 1];
    return s;
  };
  const auto copy = [](dtype t, const operand& from, const operand& to) {
    copy_elements<Arch>(size_of(t), to.shape, from.data, from.strides, to.data, to.strides);
  };

  // a carried value lives in the stack of what steps find or leave, if that is wanted, else in two buffers
  carry_buffer<Arch> buffers[2 * carries + 1];
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
    if (r && from >= 0 && from < steps) return slice(out[r], table.type[c], from);
    row_major_strides(o.shape, o.strides);
    if (r) {  // before the first, behind the last: laid out as the others
      const operand like = slice(out[r], table.type[c], 0);
      for (int d = 0; d < o.shape.rank; ++d) o.strides[d] = like.strides[d];
    }
    o.data = buffers[2 * c + (r ? leaves : turn)].data();
    return o;
  };
  for (int c = 0; c < carries; ++c) {
    current[c] = in[c];
    if (steps == 0) continue;
    const operand like = at_step(c, first, false, 0);
    for (int b = 0; b < 2; ++b) buffers[2 * c + b].allocate(in[c].shape, like.strides, size_of(table.type[c]));
    current[c] = at_step(c, first, false, 0);
    copy(table.type[c], in[c], current[c]);
  }
  for (int r = carries + counts.slices; r < results; ++r)
    if (wanted[r]) {
      static constexpr char zero[16] = {};
      constexpr int64 still[max_rank] = {};
      copy_elements<Arch>(size_of(table.type[r]), out[r].shape, zero, still, out[r].data, out[r].strides);
    }

  operand from[operands + 1];
  result to[results + 1];
  for (int i = carries + counts.stacked; i < operands; ++i) from[i] = in[i];
  cpu_run body(entry_of<B, Arch>, from, run.slots(), to);
  bool fits = true;
  for (int64 s = 0, t = first; s < steps; ++s, t += step) {
    for (int c = 0; c < carries; ++c) {
      from[c] = current[c], next[c] = at_step(c, t, true, static_cast<int>(s + 1) & 1);
      to[c].data = next[c].data;
    }
    for (int i = 0; i < counts.stacked; ++i) from[carries + i] = slice(in[carries + i], in_type[carries + i], t);
    from[operands].number = static_cast<double>(t);
    for (int r = carries; r < carries + counts.slices; ++r)
      if (wanted[r]) to[r].data = slice(out[r], table.type[r], t).data;
    if (s == 0) {
      for (int r = 0; r < results; ++r) {
        const operand like = r < carries ? next[r] : r < carries + counts.slices ? slice(out[r], table.type[r], t) : out[r];
        const int c = r < carries ? -1 : carry_of(r);
        to[r].mode = r >= carries + counts.slices ? write_accumulate : write_store;
        if ((r >= carries && !wanted[r]) || copied[r] || (c >= 0 && stack[c] == r)) to[r].mode = write_skip;
        if (to[r].mode == write_skip) continue;
        to[r].data = like.data, to[r].shape = like.shape;
        for (int d = 0; d < max_rank; ++d) to[r].strides[d] = like.strides[d];
      }
      fits = body.template prepare<Arch>();
      if (fits) body.template execute<Arch>();
      fits = fits && !body.is_ragged();
    } else if (fits) {
      body.template execute_again<Arch>();
    } else {
      cpu_run(entry_of<B, Arch>, from, run.slots(), to).template run<Arch>();
    }
    for (int r = carries; r < carries + counts.slices; ++r)
      if (copied[r]) copy(table.type[r], table.carry_in[r] >= 0 ? current[table.carry_in[r]] : next[table.carry_out[r]], slice(out[r], table.type[r], t));
    for (int c = 0; c < carries; ++c) current[c] = next[c];
  }
  for (int c = 0; c < carries; ++c)
    if (wanted[c]) copy(table.type[c], current[c], out[c]);
}

/// The operands of loop Id, behind them the step's number.
template <int Operands> void bind_loop(const cpu_run& run, int id, operand (&in)[Operands]) {
  int k = 0;
  for_loop_operands(run.program(), id, [&](int o) { in[k++] = run.value(o); });
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
  bind_loop(run, Id, in);
  result to[counts.sums + 1];
  for (result& r : to) r.mode = write_skip;
  for (int r = 0; r < st.root_count; ++r) {
    if (!run.wanted(st.roots[r])) continue;
    const operand o = run.value(st.roots[r]);
    result& d = to[loop_output::decode(P::at(st.roots[r]).b).number];
    d.mode = write_store, d.data = o.data, d.shape = o.shape;
    for (int k = 0; k < max_rank; ++k) d.strides[k] = o.strides[k];
  }
  const program_entry& chosen = is_true(P::at(P::at(P::at(Id).a).a).type, in[0].data) ? entry_of<body_program<P, Id>, Arch> : entry_of<body_program<P, Id, true>, Arch>;
  cpu_run(chosen, in, run.slots(), to).template run<Arch>();
}

/// Values of the steps of a loop whose number of steps is not known, one behind the other.
template <class Arch> class growing_stack {
 public:
  growing_stack() = default;
  ~growing_stack() {
    if (data_) host_free(data_, room_);
  }
  growing_stack(const growing_stack&) = delete;
  growing_stack& operator=(const growing_stack&) = delete;
  char* push(int64 bytes) {
    if (size_ + bytes > room_) {
      const int64 room = 2 * room_ > size_ + bytes ? 2 * room_ : size_ + bytes;
      char* const data = static_cast<char*>(host_alloc<Arch>(room));
      if (size_) __builtin_memcpy(data, data_, static_cast<std::size_t>(size_));
      if (data_) host_free(data_, room_);
      data_ = data, room_ = room;
    }
    return data_ + (size_ += bytes) - bytes;
  }
  char* data() const { return data_; }

 private:
  char* data_ = nullptr;
  int64 size_ = 0, room_ = 0;
};

template <class P, int Id, class Arch> void iterate_while(cpu_run& run, const stage_entry& st) {
  using B = body_program<P, Id>;
  using T = body_program<P, Id, true>;
  constexpr loop_body counts = view_of<P>.body_counts(Id);
  constexpr int carries = counts.carries, operands = counts.operand_count(), results = counts.result_count();
  constexpr auto& table = body_results<B, carries, results>;
  operand in[operands + 1];
  bind_loop(run, Id, in);
  bool stacked[results + 1] = {};
  for (int r = 0; r < st.root_count; ++r)
    if (const loop_output which = loop_output::decode(P::at(st.roots[r]).b); which.kind == loop_output::slice) stacked[which.result(counts)] = true;

  carry_buffer<Arch> buffers[2 * carries + 1];
  for (int c = 0; c < carries; ++c) {
    const operand from = in[c];
    row_major_strides(in[c].shape, in[c].strides);
    for (int b = 0; b < 2; ++b) buffers[2 * c + b].allocate(in[c].shape, in[c].strides, size_of(table.type[c]));
    in[c].data = buffers[2 * c].data();
    copy_elements<Arch>(size_of(table.type[c]), in[c].shape, from.data, from.strides, in[c].data, in[c].strides);
  }
  growing_stack<Arch> stacks[counts.slices + 1];
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
  cpu_run test(entry_of<T, Arch>, in, run.slots(), &answer), body(entry_of<B, Arch>, in, run.slots(), to);
  const auto ask = [&](bool again) {
    if (again) test.template execute_again<Arch>();
    else if (test.template prepare<Arch>()) test.template execute<Arch>();
    return truth;
  };
  bool fits = true;
  int64 steps = 0;
  for (; ask(steps > 0); ++steps) {
    for (int c = 0; c < carries; ++c) to[c].data = buffers[2 * c + (steps + 1) % 2].data();
    for (int r = carries; r < results; ++r)
      if (stacked[r]) to[r].data = stacks[r - carries].push(bytes_for<Arch>(to[r].shape, size_of(table.type[r])));
    in[operands].number = static_cast<double>(steps);
    if (steps == 0) {
      fits = body.template prepare<Arch>();
      if (fits) body.template execute<Arch>();
      fits = fits && !body.is_ragged();
    } else if (fits) {
      body.template execute_again<Arch>();
    } else {
      cpu_run(entry_of<B, Arch>, in, run.slots(), to).template run<Arch>();
    }
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
