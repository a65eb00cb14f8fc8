// SPDX-License-Identifier: BSD-3-Clause
// Scans whose step is one element-wise kernel over vectors of one length: no plan, carried values in two buffers whose margins
// hold what a roll reads beyond the ends. Next: iterate.hpp for all other loops.
#pragma once
#include "flat.hpp"

namespace sinter::inline v0::detail::inline SINTER_TARGET {

/// Where the results of a body come from, known at compile time.
template <class B, int Carries, int Results> inline constexpr auto body_results = [] {
  struct {
    int16 carry_in[Results + 1] = {};   ///< a slice that is the carried value as the step found it: which, else -1
    int16 carry_out[Results + 1] = {};  ///< a slice that is a carried value as the step leaves it: which, else -1
    dtype type[Results + 1] = {};
  } out;
  for (int r = 0; r < Results; ++r) out.carry_in[r] = out.carry_out[r] = -1;
  for (int i = 0; i < B::size; ++i) {
    const instruction x = B::at(i);
    if (x.op != code::output) continue;
    out.type[x.b] = x.type;
    if (x.b < Carries || x.c) continue;
    const instruction v = B::at(x.a);
    if (v.op == code::leaf && v.a < Carries) out.carry_in[x.b] = static_cast<int16>(v.a);
    for (int k = 0; k < B::size; ++k)
      if (B::at(k).op == code::output && B::at(k).a == x.a && B::at(k).b < Carries && !B::at(k).c) out.carry_out[x.b] = static_cast<int16>(B::at(k).b);
  }
  return out;
}();

/// What the only kernel of a step reads and writes.
template <int Inputs, int Results> struct step_form {
  bool possible = false;
  int16 operand[Inputs + 1] = {};  ///< of the body, -1: none
  int16 roll[Inputs + 1] = {};     ///< by how much it is rolled
  bool one[Inputs + 1] = {};       ///< one element for all
  bool number[Inputs + 1] = {};
  int16 root[Results + 1] = {};    ///< which result of the kernel a result of the body is; -1: a copy of a carried value
};
/// Is a step of body B, with the given counts, one kernel over vectors?
template <class B, int Carries, int Slices> constexpr auto step_form_of() {
  using SP = stage_program<B, 0>;
  step_form<SP::operand_count, B::result_count> out;
  constexpr auto& plan = schedule_of<B>;
  if (levels_of<SP>.totals || levels_of<SP>.passes || B::result_count != Carries + Slices) return out;
  for (int k = 0; k < SP::operand_count; ++k) {
    const stage_input& in = inputs_of<B, 0>.v[k];
    if (in.kind == input_kind::number) {
      out.operand[k] = static_cast<int16>(B::at(in.id).a), out.number[k] = true;
      continue;
    }
    if (in.kind != input_kind::memory) return out;
    int id = in.id;
    for (; B::at(id).op == code::roll; id = B::at(id).a) out.roll[k] = static_cast<int16>(out.roll[k] + roll_amount(B::at(id).c));
    if (B::at(id).op != code::leaf || B::at(id).rank > 1) return out;
    out.operand[k] = static_cast<int16>(B::at(id).a);
  }
  for (int i = 0; i < SP::size; ++i) {
    const instruction x = SP::at(i);
    if (x.op == code::leaf && x.b == leaf_row) return out;
    if (x.op == code::leaf && x.b == leaf_constant) out.one[x.a] = true;
    if (x.op == code::output && levels_of<SP>.at[x.a] != level::element) return out;
  }
  for (int i = 0; i < B::size; ++i) {
    const instruction x = B::at(i);
    if (x.op != code::output) continue;
    out.root[x.b] = -1;
    if (B::at(x.a).rank != 1) return out;
    for (int r = 0; r < plan.stages[0].root_count; ++r)
      if (plan.roots[r] == x.a) out.root[x.b] = static_cast<int16>(r);
    if (out.root[x.b] < 0 && (x.b < Carries || body_results<B, Carries, B::result_count>.carry_in[x.b] < 0)) return out;
    for (int k = 0; k < i; ++k)  // one value as two results: the second is a copy, of a carried value
      if (B::at(k).op == code::output && B::at(k).a == x.a && (B::at(k).b < Carries) == (x.b < Carries)) return out;
  }
  out.possible = true;
  return out;
}
template <class B, int Carries, int Slices> constexpr bool has_step_form() {
  if constexpr (schedule_of<B>.count != 1 || schedule_of<B>.stages[0].kind != kernel_kind::map || B::reads_parts || bounds_of<B>.count > 0) return false;
  else return step_form_of<B, Carries, Slices>().possible;
}

/// A vector with room for what rolls read beyond its ends.
template <class Arch> class margin_buffer {
 public:
  margin_buffer() = default;
  ~margin_buffer() {
    if (room_) host_free(room_, bytes_);
  }
  margin_buffer(const margin_buffer&) = delete;
  margin_buffer& operator=(const margin_buffer&) = delete;
  void allocate(int64 bytes, int64 low, int64 high) {
    bytes_ = bytes, low_ = low, high_ = high;
    const int64 before = (low + 63) / 64 * 64;  // the vector itself stays aligned
    bytes_ += before + high;
    room_ = static_cast<char*>(host_alloc<Arch>(bytes_));
    data_ = room_ + before, size_ = bytes;
  }
  char* data() const { return data_; }
  void set(const char* from) { __builtin_memcpy(data_, from, static_cast<std::size_t>(size_)); }
  /// Fills the margins from the other ends.
  SINTER_INLINE void close() const {
    if (low_) copy(data_ - low_, data_ + size_ - low_, low_);
    if (high_) copy(data_ + size_, data_, high_);
  }

 private:
  static SINTER_INLINE void copy(char* to, const char* from, int64 n) {
    if (n == 8) __builtin_memcpy(to, from, 8);
    else __builtin_memcpy(to, from, static_cast<std::size_t>(n));
  }
  char *room_ = nullptr, *data_ = nullptr;
  int64 bytes_ = 0, size_ = 0, low_ = 0, high_ = 0;
};

/// Runs the loop if its operands are vectors of one length without holes; false if not, and then nothing has happened. `in`: the
/// operands; `out`: the results, of which those are `wanted`.
template <class B, int Carries, int Stacked, int Constants, int Slices, class Arch>
bool iterate_flat(const operand* in, const operand* out, const bool* wanted, int64 steps, bool reverse) {
  constexpr auto form = step_form_of<B, Carries, Slices>();
  using SP = stage_program<B, 0>;
  using K = kernel<SP, Arch>;
  constexpr int operands = Carries + Stacked + Constants, inputs = SP::operand_count, results = Carries + Slices;
  constexpr auto& table = body_results<B, Carries, results>;
  constexpr auto types = [] {
    struct { dtype v[operands + 1] = {}; bool read[operands + 1] = {}; bool one[operands + 1] = {}; } t;
    for (int i = 0; i < B::size; ++i)
      if (B::at(i).op == code::leaf) t.v[B::at(i).a] = B::at(i).type;
    for (int k = 0; k < inputs; ++k)
      if (!form.number[k]) t.read[form.operand[k]] = true, t.one[form.operand[k]] = form.one[k];
    return t;
  }();
  const int64 n = in[0].shape[0];
  if (in[0].shape.rank != 1 || n == 0 || steps == 0) return false;
  int64 low[operands + 1] = {}, high[operands + 1] = {}, amount[inputs + 1] = {};
  for (int k = 0; k < inputs; ++k) {
    if (form.number[k] || form.one[k]) continue;
    const int64 by = (form.roll[k] % n + n) % n;
    amount[k] = 2 * by > n ? by - n : by;
    const int64 bytes = amount[k] * size_of(types.v[form.operand[k]]);
    if (bytes > low[form.operand[k]]) low[form.operand[k]] = bytes;
    if (-bytes > high[form.operand[k]]) high[form.operand[k]] = -bytes;
  }
  for (int k = 0; k < operands; ++k) {
    const int d = k >= Carries && k < Carries + Stacked;
    if (k >= Carries && !types.read[k]) continue;
    if (types.one[k] ? in[k].shape.rank != d : in[k].shape.rank != 1 + d || in[k].shape[d] != n || (n > 1 && in[k].strides[d] != 1)) return false;
  }
  for (int r = 0; r < results; ++r) {
    const int d = r >= Carries;
    if (wanted[r] && (out[r].shape.rank != 1 + d || out[r].shape[d] != n || (n > 1 && out[r].strides[d] != 1))) return false;
  }

  margin_buffer<Arch> carried[2 * Carries + 1], others[Stacked + Constants + 1], unwanted[Slices + 1];
  for (int c = 0; c < Carries; ++c)
    for (int b = 0; b < 2; ++b) carried[2 * c + b].allocate(n * size_of(table.type[c]), low[c], high[c]);
  for (int c = 0; c < Carries; ++c) carried[2 * c].set(in[c].data), carried[2 * c].close();
  for (int k = Carries; k < operands; ++k) {
    if (!low[k] && !high[k]) continue;
    others[k - Carries].allocate(n * size_of(types.v[k]), low[k], high[k]);
    if (k >= Carries + Stacked) others[k - Carries].set(in[k].data), others[k - Carries].close();
  }
  for (int s = 0; s < Slices; ++s)
    if (!wanted[Carries + s] && form.root[Carries + s] >= 0) unwanted[s].allocate(n * size_of(table.type[Carries + s]), 0, 0);

  uint64 at[K::walks];
  double numbers[inputs + 1];
  int64 turn = 0;
  const int64 first = reverse ? steps - 1 : 0, step = reverse ? -1 : 1;
  for (int64 s = 0, t = first; s < steps; ++s, t += step, turn ^= 1) {
    char* data[operands + 1];
    for (int c = 0; c < Carries; ++c) data[c] = carried[2 * c + turn].data();
    for (int k = Carries; k < operands; ++k) {
      data[k] = in[k].data;
      if (k < Carries + Stacked) data[k] += t * in[k].strides[0] * size_of(types.v[k]);
      if (!low[k] && !high[k]) continue;
      margin_buffer<Arch>& b = others[k - Carries];
      if (k < Carries + Stacked) b.set(data[k]), b.close();
      data[k] = b.data();
    }
    for (int k = 0; k < inputs; ++k) {
      if (form.number[k]) numbers[k] = static_cast<double>(t);
      else at[k] = address_of(data[form.operand[k]] - amount[k] * size_of(types.v[form.operand[k]]));
    }
    for (int r = 0; r < results; ++r) {
      if (form.root[r] < 0) continue;
      if (r < Carries) at[K::first_output + form.root[r]] = address_of(carried[2 * r + (turn ^ 1)].data());
      else if (table.carry_out[r] < 0) at[K::first_output + form.root[r]] = address_of(wanted[r] ? out[r].data + t * out[r].strides[0] * size_of(table.type[r]) : unwanted[r - Carries].data());
    }
    if (n <= flat_block) K::flat(at, numbers, 0, n, false);
    else run_flat_blocks<B, Arch>(at, numbers, n, false);
    for (int c = 0; c < Carries; ++c) carried[2 * c + (turn ^ 1)].close();
    for (int r = Carries; r < results; ++r) {
      const int c = table.carry_in[r] >= 0 ? table.carry_in[r] : table.carry_out[r];
      if (wanted[r] && c >= 0)
        __builtin_memcpy(out[r].data + t * out[r].strides[0] * size_of(table.type[r]), carried[2 * c + (table.carry_in[r] >= 0 ? turn : turn ^ 1)].data(), static_cast<std::size_t>(n * size_of(table.type[r])));
    }
  }
  for (int c = 0; c < Carries; ++c)
    if (wanted[c]) __builtin_memcpy(out[c].data, carried[2 * c + turn].data(), static_cast<std::size_t>(n * size_of(table.type[c])));
  counters().launches += static_cast<uint64>(steps);
  return true;
}

}  // namespace sinter::inline v0::detail::inline SINTER_TARGET
