// SPDX-License-Identifier: BSD-3-Clause
// The values of a run: their shapes, and where those that are written live. Next: loop.hpp.
#pragma once
#include "entry.hpp"
#include "operand.hpp"
#include "strided.hpp"

namespace sinter::inline v0::detail::inline SINTER_TARGET {

/// What all parts of a run share.
class SINTER_HIDDEN run_values {
 protected:
  run_values(const program_entry& entry, const operand* leaves, const dims_slot* slots, result* results)
      : e_(entry), p_(entry.view), leaves_(leaves), slots_(slots), results_(results) {}
  ~run_values() {
    for (int i = 0; i < memory_.size(); ++i)
      if (memory_[i].scratch) host_free(memory_[i].data, memory_[i].bytes);
  }
  run_values(const run_values&) = delete;
  run_values& operator=(const run_values&) = delete;

  struct memory {
    char* data = nullptr;
    int64 strides[max_rank] = {};
    int64 bytes = 0;
    uint8 mode = write_skip;
    bool scratch = false;
    bool read = false;  ///< a later stage reads it
    int16 result = -1;  ///< which result it is, where it lies in that one's memory
  };
  const program_entry& e_;
  const program_view& p_;
  const operand* leaves_;
  const dims_slot* slots_;
  result* results_;
  vec<shape_value> shapes_;
  vec<int64> steps_run_;    ///< of while_loops
  vec<shape_value> loops_;  ///< of each stage
  vec<memory> memory_;

  uint32 row_mask(const stage_entry& st, int rank) const { return st.row_tag ? resolve_tag(st.row_tag, rank, slots_) : 0; }
  static void count_launch(int64 bytes) {
    ++counters().launches;
    counters().bytes += static_cast<uint64>(bytes);
  }
  /// Is value i that of its operand, seen otherwise: without dims of extent 1, or rolled and not written?
  bool is_view(int i) const {
    const code op = p_.at(i).op;
    return (e_.memory[i] && op != code::leaf) || (op == code::roll && !memory_[i].data);
  }
  void mark_read(int i) {
    for (;; i = p_.at(i).a) {
      memory_[i].read = true;
      if (!is_view(i)) return;
    }
  }
  char* data_of(int i) const {
    while (is_view(i)) i = p_.at(i).a;
    const instruction x = p_.at(i);
    return x.op == code::leaf ? leaves_[x.a].data : memory_[i].data;
  }
  static int64 row_major(const shape_value& s, int64* strides) {
    int64 step = 1;
    for (int d = s.rank - 1; d >= 0; --d) strides[d] = s[d] == 1 ? 0 : step, step *= s[d];
    return step;
  }
  /// Strides of a fresh result: the order of the first operand of the same shape that has no holes (but for the other parts of
  /// complex elements), else row-major.
  void fresh_strides(const shape_value& s, int64* strides) const {
    row_major(s, strides);
    if (s.rank < 2) return;
    for (int k = 0; k < p_.operand_count(); ++k) {
      const operand& o = leaves_[k];
      if (!o.data || !(o.shape == s)) continue;
      int order[max_rank];
      for (int d = 0; d < s.rank; ++d) order[d] = d;
      for (int i = 1; i < s.rank; ++i)
        for (int j = i; j > 0 && o.strides[order[j - 1]] < o.strides[order[j]]; --j) {
          const int t = order[j];
          order[j] = order[j - 1], order[j - 1] = t;
        }
      int64 step = 1, unit = 1, out[max_rank] = {};
      for (int i = s.rank - 1; i >= 0; --i) {
        const int d = order[i];
        if (s[d] == 1) continue;
        if (step == 1 && o.strides[d] == 2 && p_.reads_parts()) unit = 2;
        if (o.strides[d] != step * unit) return;
        out[d] = step;
        step *= s[d];
      }
      for (int d = 0; d < s.rank; ++d) strides[d] = s[d] == 1 ? 0 : out[d];
      return;
    }
  }

  /// Decides where every written value lives.
  template <class Arch> void place() {
    const auto is_known = [&](int v) {
      for (int d = 0; d < shapes_[v].rank; ++d)
        if (shapes_[v][d] < 0) return false;
      return true;
    };
    for (int s = 0; s < e_.stage_count; ++s) {
      const stage_entry& st = e_.stages[s];
      for (int k = 0; k < st.input_count; ++k)
        if (st.inputs[k].kind == input_kind::memory) mark_read(st.inputs[k].id);
      if (st.kind == kernel_kind::contract) mark_read(p_.at(st.contract).a), mark_read(p_.at(st.contract).b);
      if (st.kind == kernel_kind::loop) for_loop_operands(p_, st.contract, [&](int o) { mark_read(o); });
    }
    for (int s = 0; s < e_.stage_count; ++s)
      if (e_.stages[s].prologue_of != no_value) memory_[e_.stages[s].roots[0]].read = false;
    vec<int> uses(p_.size(), 0);
    for (int i = 0; i < p_.size(); ++i)
      if (p_.at(i).op == code::output && results_[p_.at(i).b].mode != write_skip) {
        ++uses[p_.at(i).a];
        if (e_.memory[p_.at(i).a]) mark_read(p_.at(i).a);
      }
    for (int i = 0; i < p_.size(); ++i) {
      if (p_.at(i).op != code::output) continue;
      const int v = p_.at(i).a;
      result& r = results_[p_.at(i).b];
      if (r.mode == write_skip || !is_known(v)) continue;
      if (!r.data) {  // allocate it
        r.shape = shapes_[v];
        fresh_strides(r.shape, r.strides);
        allocate_result<Arch>(&r, p_.at(v).type);
      }
      memory& m = memory_[v];
      const bool same = r.shape == shapes_[v] && !e_.memory[v] && (p_.at(v).op != code::element || r.mode == write_store);
      if (same && !m.data && (r.mode == write_store || (uses[v] == 1 && !m.read))) {
        m.data = r.data;
        for (int d = 0; d < r.shape.rank; ++d) m.strides[d] = r.strides[d];
        m.mode = r.mode;
        m.result = static_cast<int16>(p_.at(i).b);
      }
    }
    for (int v = 0; v < p_.size(); ++v) {
      memory& m = memory_[v];
      if (m.data || !e_.written[v] || (!m.read && uses[v] == 0) || !is_known(v)) continue;
      m.bytes = bytes_for<Arch>(shapes_[v], size_of(p_.at(v).type));
      m.data = static_cast<char*>(host_alloc<Arch>(m.bytes));
      fresh_strides(shapes_[v], m.strides);
      m.mode = write_store;
      m.scratch = true;
    }
  }
  /// Results that could not be written in place by a kernel: several results of one value, sums to a leaf's shape.
  template <class Arch> void deliver() {
    for (int i = 0; i < p_.size(); ++i) {
      if (p_.at(i).op != code::output) continue;
      const int v = p_.at(i).a;
      result& r = results_[p_.at(i).b];
      if (r.mode == write_skip) continue;
      if (memory_[v].data == r.data && r.data) continue;
      int64 strides[max_rank];
      const char* from = strides_of(v, strides);
      count_launch(bytes_of(p_, &shapes_[0], v) + r.shape.numel() * size_of(p_.at(v).type));
      e_.sum_into(p_.at(v).type, from, shapes_[v], strides, r.data, r.shape, r.strides, r.mode == write_accumulate);
    }
  }
  /// Does nobody want what the stage writes? Slices of a while_loop get memory when it has run, wanted or not.
  bool idle(const stage_entry& st) const {
    for (int r = 0; r < st.root_count; ++r)
      if (const int v = st.roots[r]; memory_[v].mode != write_skip || (shapes_[v].rank > 0 && shapes_[v][0] < 0 && p_.at(v).op == code::element)) return false;
    return true;
  }

  uint32 mask_of_tag(uint32 tag, int rank) const { return resolve_tag(tag, rank, slots_); }
  /// Strides of value `id` along its own dims, in elements, 0 where its extent is 1; data of its base.
  char* strides_of(int id, int64* strides) const {
    const instruction x = p_.at(id);
    if (x.op == code::roll && !memory_[id].data) return strides_of(x.a, strides);  // who reads it knows
    if (e_.memory[id] && x.op != code::leaf) {
      int64 inner[max_rank];
      char* data = strides_of(x.a, inner);
      const int rank = x.op == code::squeeze ? p_.at(x.a).rank : x.rank;
      const uint32 mask = resolve_dims(x.b, rank, slots_);
      int j = 0;
      for (int d = 0; d < rank; ++d)
        if (x.op == code::squeeze) {
          if (!(mask >> d & 1)) strides[j++] = inner[d];
        } else {
          strides[d] = mask >> d & 1 ? 0 : inner[j++];
        }
      return data;
    }
    const bool is_leaf = x.op == code::leaf;
    for (int d = 0; d < shapes_[id].rank; ++d)
      strides[d] = shapes_[id][d] == 1 ? 0 : is_leaf ? leaves_[x.a].strides[d] : memory_[id].strides[d];
    return is_leaf ? leaves_[x.a].data : memory_[id].data;
  }
  double number_of(const stage_input& in) const {
    const instruction x = p_.at(in.id);
    if (x.op == code::scalar) return leaves_[x.a].number;
    const shape_value& s = shapes_[x.a];
    const uint32 mask = resolve_dims(x.b, s.rank, slots_);
    double n = 1;
    for (int d = 0; d < s.rank; ++d)
      if (mask >> d & 1) n *= static_cast<double>(s[d]);
    return n;
  }
};

}  // namespace sinter::inline v0::detail::inline SINTER_TARGET
