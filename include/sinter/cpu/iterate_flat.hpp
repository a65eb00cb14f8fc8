// SPDX-License-Identifier: BSD-3-Clause
// Scans whose steps are element-wise kernels over vectors of one length: no plan, and values in buffers whose margins hold what a
// roll reads beyond the ends. Next: iterate.hpp for all other loops.
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

/// The kernels of a step as what they read and write: places 0, 1, ... are the operands of the body, those behind them the values
/// that kernels write.
template <class B> struct step_form {
  struct input {
    int16 place = 0;
    int roll = 0;  ///< by how much it is rolled
    bool one = false, number = false;
  };
  bool possible = false;
  int places = B::operand_count;
  input inputs[B::size + 1] = {};                     ///< of all stages, one behind the other
  int input_count = 0;
  int16 first_input[schedule_of<B>.count + 1] = {};
  int16 place_of[B::size + 1] = {};                   ///< of written values
  int16 written[B::operand_count + B::size + 1] = {}; ///< the value that is written to a place
  int16 root[B::result_count + 1] = {};               ///< the place of a result of the body
};
/// Adds what stage S reads; false if it is no element-wise kernel over vectors.
template <class B, int S> constexpr bool add_stage(step_form<B>& out) {
  using SP = stage_program<B, S>;
  if (levels_of<SP>.totals || levels_of<SP>.passes) return false;
  int& count = out.input_count;
  out.first_input[S] = static_cast<int16>(count);
  if (count + SP::operand_count > B::size) return false;
  for (int k = 0; k < SP::operand_count; ++k) {
    const stage_input& in = inputs_of<B, S>.v[k];
    typename step_form<B>::input& to = out.inputs[count++];
    if (in.kind == input_kind::number) {
      to.number = true;
      if (B::at(in.id).op != code::scalar) return false;
      continue;
    }
    if (in.kind != input_kind::memory) return false;
    int id = in.id;
    for (bool first = true; B::at(id).op == code::roll && (first || !schedule_of<B>.written[id]); id = B::at(id).a, first = false)
      to.roll += roll_amount(B::at(id));
    const instruction x = B::at(id);
    if (x.rank > 1 || (x.op != code::leaf && !schedule_of<B>.written[id])) return false;
    to.place = x.op == code::leaf ? static_cast<int16>(x.a) : out.place_of[id];
  }
  for (int i = 0; i < SP::size; ++i) {
    const instruction x = SP::at(i);
    if (x.op == code::leaf && x.b == leaf_row) return false;
    if (x.op == code::leaf && x.b == leaf_constant) out.inputs[out.first_input[S] + x.a].one = true;
    if (x.op == code::output && levels_of<SP>.at[x.a] != level::element) return false;
  }
  return true;
}
template <class B, int... S> constexpr bool add_stages(step_form<B>& out, ints<S...>) {
  return (add_stage<B, S>(out) && ... && true);
}
template <class B, int Carries> inline constexpr step_form<B> step_form_of = [] {
  step_form<B> out;
  constexpr auto& plan = schedule_of<B>;
  for (int s = 0; s < plan.count; ++s)
    if (plan.stages[s].kind != kernel_kind::map || plan.stages[s].prologue_of != no_value) return out;
  for (int s = 0; s < plan.count; ++s)
    for (int r = 0; r < plan.stages[s].root_count; ++r) {
      const int v = plan.roots[plan.stages[s].first_root + r];
      if (B::at(v).rank != 1) return out;
      out.written[out.places] = static_cast<int16>(v), out.place_of[v] = static_cast<int16>(out.places++);
    }
  if (!add_stages(out, count_to<schedule_of<B>.count>{})) return out;
  for (int i = 0; i < B::size; ++i) {
    const instruction x = B::at(i);
    if (x.op != code::output) continue;
    const bool is_leaf = B::at(x.a).op == code::leaf;
    if (B::at(x.a).rank != 1 || (!is_leaf && !plan.written[x.a]) || (is_leaf && (x.b < Carries || B::at(x.a).a >= Carries))) return out;
    out.root[x.b] = is_leaf ? static_cast<int16>(B::at(x.a).a) : out.place_of[x.a];
    for (int k = 0; k < i; ++k)  // one value for two carries
      if (B::at(k).op == code::output && B::at(k).a == x.a && B::at(k).b < Carries && x.b < Carries) return out;
  }
  out.possible = true;
  return out;
}();
template <class B, int Carries, int Results> constexpr bool has_step_form() {
  if constexpr (B::reads_parts || bounds_of<B>.count > 0 || Carries == 0 || B::result_count != Results) return false;
  else return step_form_of<B, Carries>.possible;
}

/// A vector with room for what rolls read beyond its ends.
class SINTER_HIDDEN margin_buffer {
 public:
  void allocate(int64 bytes, int64 low, int64 high) {
    low_ = low, high_ = high, size_ = bytes;
    const int64 before = (low + 63) / 64 * 64;  // the vector itself stays aligned
    room_.grow(before + bytes + high, 0);
    data_ = room_.data() + before;
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
  scratch_memory room_;
  char* data_ = nullptr;
  int64 size_ = 0, low_ = 0, high_ = 0;
};

/// What the kernels of a step ask of each place: its dtype, and whether they read it, as one element, or rolled.
template <class B, int Carries> inline constexpr auto step_places_of = [] {
  constexpr auto& form = step_form_of<B, Carries>;
  constexpr int places = form.places;
  struct { dtype type[places + 1] = {}; bool read[places + 1] = {}, one[places + 1] = {}, rolled[places + 1] = {}; } t;
  for (int i = 0; i < B::size; ++i)
    if (B::at(i).op == code::leaf) t.type[B::at(i).a] = B::at(i).type;
  for (int p = B::operand_count; p < places; ++p) t.type[p] = B::at(form.written[p]).type;
  for (int k = 0; k < form.input_count; ++k)
    if (const auto& i = form.inputs[k]; !i.number) t.read[i.place] = true, t.one[i.place] = i.one, t.rolled[i.place] = t.rolled[i.place] || i.roll != 0;
  return t;
}();

/// Runs the loop if its operands are vectors of one length without holes; false if not, and then nothing has happened. `in`: the
/// operands; `out`: the results, of which those are `wanted`.
template <class B, int Carries, int Stacked, int Constants, int Slices, class Arch>
bool iterate_flat(const operand* in, const operand* out, const bool* wanted, int64 steps, bool reverse) {
  constexpr auto& form = step_form_of<B, Carries>;
  constexpr int operands = Carries + Stacked + Constants, results = Carries + Slices, places = form.places;
  constexpr auto& facts = step_places_of<B, Carries>;
  const int64 n = in[0].shape[0];
  if (in[0].shape.rank != 1 || n == 0 || n > flat_block || steps == 0) return false;
  const auto size = [&](int place) { return static_cast<int64>(size_of(facts.type[place])); };
  int64 low[places + 1] = {}, high[places + 1] = {}, shift[B::size + 1] = {};  // bytes
  for (int k = 0; k < form.input_count; ++k) {
    if (form.inputs[k].number || form.inputs[k].one || !form.inputs[k].roll) continue;
    const int p = form.inputs[k].place;
    const int64 by = (form.inputs[k].roll % n + n) % n;
    shift[k] = (2 * by > n ? by - n : by) * size(p);
    if (shift[k] > low[p]) low[p] = shift[k];
    if (-shift[k] > high[p]) high[p] = -shift[k];
  }
  for (int k = 0; k < operands; ++k) {
    const int d = k >= Carries && k < Carries + Stacked;
    if (k >= Carries && !facts.read[k]) continue;
    if (facts.one[k] ? in[k].shape.rank != d : in[k].shape.rank != 1 + d || in[k].shape[d] != n || (n > 1 && in[k].strides[d] != 1)) return false;
  }
  for (int r = 0; r < results; ++r) {
    const int d = r >= Carries;
    if (wanted[r] && (out[r].shape.rank != 1 + d || out[r].shape[d] != n || (n > 1 && out[r].strides[d] != 1))) return false;
  }

  // carried values in two buffers each, what is written or read rolled in one
  margin_buffer carried[2 * Carries], own[places + 1];
  char* data[places + 1] = {};
  int carry_at[places + 1];
  for (int p = 0; p < places; ++p) carry_at[p] = -1;
  for (int c = 0; c < Carries; ++c) carry_at[form.root[c]] = c;
  for (int c = 0; c < Carries; ++c) {
    const int p = form.root[c];
    for (int b = 0; b < 2; ++b) carried[2 * c + b].allocate(n * size(p), low[c] > low[p] ? low[c] : low[p], high[c] > high[p] ? high[c] : high[p]);
    carried[2 * c].set(in[c].data), carried[2 * c].close();
  }
  int direct[places + 1] = {};  // 1 + the slice that a kernel writes as it is
  for (int r = Carries; r < results; ++r)
    if (const int p = form.root[r]; wanted[r] && p >= B::operand_count && carry_at[p] < 0 && !facts.rolled[p] && !direct[p]) direct[p] = 1 + r;
  for (int p = Carries; p < places; ++p) {
    const bool margins = low[p] || high[p], is_written = p >= B::operand_count;
    if (carry_at[p] >= 0 || direct[p] || (!is_written && !margins)) continue;
    own[p].allocate(n * size(p), low[p], high[p]);
    data[p] = own[p].data();
    if (p >= Carries + Stacked && !is_written) own[p].set(in[p].data), own[p].close();
  }

  const auto slice_of = [&](int r, int64 t) { return out[r].data + t * out[r].strides[0] * size(form.root[r]); };
  const int64 first = reverse ? steps - 1 : 0, step = reverse ? -1 : 1;
  int turn = 0;
  for (int64 s = 0, t = first; s < steps; ++s, t += step, turn ^= 1) {
    for (int c = 0; c < Carries; ++c) data[c] = carried[2 * c + turn].data(), data[form.root[c]] = carried[2 * c + (turn ^ 1)].data();
    for (int k = Carries; k < operands; ++k) {
      char* const at = in[k].data + (k < Carries + Stacked ? t * in[k].strides[0] * size(k) : 0);
      if (!low[k] && !high[k]) data[k] = at;
      else if (k < Carries + Stacked) own[k].set(at), own[k].close();
    }
    for (int p = B::operand_count; p < places; ++p)
      if (direct[p]) data[p] = slice_of(direct[p] - 1, t);
    const auto run_stage = [&]<int S>() {
      using SP = stage_program<B, S>;
      using K = kernel<SP, Arch>;
      constexpr auto& st = schedule_of<B>.stages[S];
      uint64 at[K::walks];
      double numbers[SP::operand_count + 1] = {};
      for (int k = 0; k < SP::operand_count; ++k) {
        const auto& i = form.inputs[form.first_input[S] + k];
        if (i.number) numbers[k] = static_cast<double>(t);
        else at[k] = address_of(data[i.place] - shift[form.first_input[S] + k]);
      }
      for (int r = 0; r < st.root_count; ++r) at[K::first_output + r] = address_of(data[form.place_of[schedule_of<B>.roots[st.first_root + r]]]);
      K::flat(at, numbers, 0, n, false);
      for (int r = 0; r < st.root_count; ++r) {
        const int p = form.place_of[schedule_of<B>.roots[st.first_root + r]];
        if (carry_at[p] >= 0) carried[2 * carry_at[p] + (turn ^ 1)].close();
        else if (low[p] || high[p]) own[p].close();
      }
    };
    [&]<int... S>(ints<S...>) { (run_stage.template operator()<S>(), ...); }(count_to<schedule_of<B>.count>{});
    for (int r = Carries; r < results; ++r)
      if (wanted[r] && direct[form.root[r]] != 1 + r) __builtin_memcpy(slice_of(r, t), data[form.root[r]], static_cast<std::size_t>(n * size(form.root[r])));
  }
  for (int c = 0; c < Carries; ++c)
    if (wanted[c]) __builtin_memcpy(out[c].data, carried[2 * c + turn].data(), static_cast<std::size_t>(n * size(form.root[c])));
  counters().launches += static_cast<uint64>(steps * schedule_of<B>.count);
  return true;
}

}  // namespace sinter::inline v0::detail::inline SINTER_TARGET
