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
      if (memory_[i].scratch) host_free(memory_[i].data - memory_[i].before, memory_[i].bytes);
  }
  run_values(const run_values&) = delete;
  run_values& operator=(const run_values&) = delete;

  struct memory {
    char* data = nullptr;
    int64 strides[max_rank] = {};
    int64 bytes = 0, before = 0;  ///< of scratch: all, and those in front of `data`
    uint16 halo = 0;              ///< 1 + the number of its margins among halos_
    uint8 mode = write_skip;
    bool scratch = false;
    bool read = false;  ///< a later stage reads it
  };
  /// Margins of a value that is read rolled: how many elements of each dim lie in front of it, and behind.
  struct halo {
    uint16 value;
    int64 low[max_rank], high[max_rank];
  };
  struct direct {
    uint16 value, result;
  };
  const program_entry& e_;
  const program_view& p_;
  const operand* leaves_;
  const dims_slot* slots_;
  result* results_;
  vec<shape_value> shapes_;
  vec<shape_value> loops_;  ///< of each stage
  vec<memory> memory_;
  vec<halo> halos_;
  vec<direct> direct_;      ///< values that a kernel writes where a result is wanted

  int64 roll_offset(int i, const int64* strides) const {
    const instruction x = p_.at(i);
    const int d = count_bits(x.b - 1u);
    return -shortest_roll(x, shapes_[i][d]) * strides[d];
  }
  /// The amount of roll x, with |amount| <= n / 2.
  static int64 shortest_roll(const instruction& x, int64 n) {
    if (n == 0) return 0;
    const int64 k = (roll_amount(x.c) % n + n) % n;
    return 2 * k > n ? k - n : k;
  }
  /// Which values are read rolled, and how far.
  void find_halos() {
    for (int i = 0; i < p_.size(); ++i) {
      if (p_.at(i).op != code::roll || !memory_[base_of(i)].read) continue;
      memory& m = memory_[base_of(i)];
      if (!m.halo) halos_.push({static_cast<uint16>(base_of(i)), {}, {}}), m.halo = static_cast<uint16>(halos_.size());
      halo& h = halos_[m.halo - 1];
      for (int k = i; p_.at(k).op == code::roll; k = p_.at(k).a) {
        const int d = count_bits(p_.at(k).b - 1u);
        const int64 amount = shortest_roll(p_.at(k), shapes_[k][d]);
        if (amount > h.low[d]) h.low[d] = amount;
        if (-amount > h.high[d]) h.high[d] = -amount;
      }
    }
  }
  /// Fills the margins of a value that is read rolled from its other end, and first its elements if it is an operand.
  template <class Arch> void fill_halo(const halo& h) const {
    const memory& m = memory_[h.value];
    const shape_value& s = shapes_[h.value];
    const instruction x = p_.at(h.value);
    const int64 size = size_of(x.type);
    if (s.numel() == 0) return;
    if (x.op == code::leaf) {
      int64 from[max_rank];
      for (int d = 0; d < s.rank; ++d) from[d] = s[d] == 1 ? 0 : leaves_[x.a].strides[d];
      copy_elements<Arch>(size, s, leaves_[x.a].data, from, m.data, m.strides);
    }
    shape_value slab = s;
    char* origin = m.data;
    for (int d = 0; d < s.rank; ++d) {
      const int64 step = m.strides[d] * size, n = s[d];
      const auto copy = [&](int64 from, int64 to, int64 count) {
        slab[d] = count;
        if (slab.rank == 1) __builtin_memcpy(origin + to * step, origin + from * step, static_cast<std::size_t>(count * size));
        else copy_elements<Arch>(size, slab, origin + from * step, m.strides, origin + to * step, m.strides);
      };
      if (h.low[d]) copy(n - h.low[d], -h.low[d], h.low[d]);
      if (h.high[d]) copy(0, n, h.high[d]);
      slab[d] = n + h.low[d] + h.high[d];  // the next dim's margins take these along
      origin -= h.low[d] * step;
    }
  }

  uint32 row_mask(const stage_entry& st, int rank) const { return st.row_tag ? resolve_tag(st.row_tag, rank, slots_) : 0; }
  static void count_launch(int64 bytes) {
    ++counters().launches;
    counters().bytes += static_cast<uint64>(bytes);
  }
  int base_of(int i) const {
    while (e_.memory[i] && p_.at(i).op != code::leaf) i = p_.at(i).a;
    return i;
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
    for (int s = 0; s < e_.stage_count; ++s) {
      const stage_entry& st = e_.stages[s];
      for (int k = 0; k < st.input_count; ++k)
        if (st.inputs[k].kind == input_kind::memory) memory_[base_of(st.inputs[k].id)].read = true;
      if (st.kind == kernel_kind::contract)
        memory_[base_of(p_.at(st.contract).a)].read = memory_[base_of(p_.at(st.contract).b)].read = true;
      if (st.kind == kernel_kind::loop) for_loop_operands(p_, st.contract, [&](int o) { memory_[base_of(o)].read = true; });
    }
    find_halos();
    for (int s = 0; s < e_.stage_count; ++s)
      if (e_.stages[s].prologue_of != no_value) memory_[e_.stages[s].roots[0]].read = false;
    vec<int> uses(p_.size(), 0);
    for (int i = 0; i < p_.size(); ++i)
      if (p_.at(i).op == code::output && results_[p_.at(i).b].mode != write_skip) {
        ++uses[p_.at(i).a];
        if (e_.memory[p_.at(i).a]) memory_[base_of(p_.at(i).a)].read = true;
      }
    for (int i = 0; i < p_.size(); ++i) {
      if (p_.at(i).op != code::output) continue;
      const int v = p_.at(i).a;
      result& r = results_[p_.at(i).b];
      if (r.mode == write_skip) continue;
      if (!r.data) {  // allocate it
        r.shape = shapes_[v];
        fresh_strides(r.shape, r.strides);
        allocate_result<Arch>(&r, p_.at(v).type);
      }
      memory& m = memory_[v];
      const bool same = r.shape == shapes_[v] && !e_.memory[v] && !m.halo && (p_.at(v).op != code::element || r.mode == write_store);
      if (same && !m.data && (r.mode == write_store || (uses[v] == 1 && !m.read))) {
        m.data = r.data;
        for (int d = 0; d < r.shape.rank; ++d) m.strides[d] = r.strides[d];
        m.mode = r.mode;
        direct_.push({static_cast<uint16>(v), p_.at(i).b});
      }
    }
    for (int v = 0; v < p_.size(); ++v) {
      memory& m = memory_[v];
      if (m.data || (!e_.written[v] && !m.halo) || (!m.read && uses[v] == 0)) continue;
      const int64 size = size_of(p_.at(v).type);
      if (m.halo) {
        const halo& h = halos_[m.halo - 1];
        shape_value with_margins = shapes_[v];
        for (int d = 0; d < with_margins.rank; ++d) with_margins[d] += h.low[d] + h.high[d];
        m.bytes = bytes_for<Arch>(with_margins, size);
        m.data = static_cast<char*>(host_alloc<Arch>(m.bytes));
        row_major(with_margins, m.strides);
        for (int d = 0; d < with_margins.rank; ++d) m.data += h.low[d] * m.strides[d] * size, m.before += h.low[d] * m.strides[d] * size;
      } else {
        m.bytes = bytes_for<Arch>(shapes_[v], size);
        m.data = static_cast<char*>(host_alloc<Arch>(m.bytes));
        fresh_strides(shapes_[v], m.strides);
      }
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
  bool idle(const stage_entry& st) const {
    for (int r = 0; r < st.root_count; ++r)
      if (memory_[st.roots[r]].mode != write_skip) return false;
    return true;
  }

  uint32 mask_of_tag(uint32 tag, int rank) const { return resolve_tag(tag, rank, slots_); }
  /// Strides of value `id` along its own dims, in elements, 0 where its extent is 1; data of its base.
  char* strides_of(int id, int64* strides) const {
    const instruction x = p_.at(id);
    if (x.op == code::roll) {
      char* data = strides_of(x.a, strides);
      return data + roll_offset(id, strides) * size_of(x.type);
    }
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
    const bool is_leaf = x.op == code::leaf && !memory_[id].halo;
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
