// SPDX-License-Identifier: BSD-3-Clause
// Runs the stages of a program on the CPU: shapes, memory for what is written, loops, chunks. One function serves all
// programs; what differs between them are tables and kernel entries. Next: cpu/kernel.hpp for the loops themselves.
#pragma once
#include "../expr/loops.hpp"
#include "gemm.hpp"
#include "interpret.hpp"
#include "kernel.hpp"
#include "operand.hpp"
#include "parallel.hpp"
#include "strided.hpp"

namespace sinter::inline v0::detail::inline SINTER_TARGET {

class cpu_run;

/// A stage as tables and entries: all that the code below needs of its types.
struct stage_entry {
  kernel_kind kind;
  uint16 contract, loop, root_count, input_count, total_count;
  uint32 row_tag;
  const uint16* roots;
  const stage_input* inputs;
  const level* root_levels;
  const bool* input_is_row;
  const stage_total* totals;
  const stage_reduction* reductions;
  int reduction_count;
  int lanes;
  bool plain_product;   ///< the only result is the contraction itself
  bool has_positions;   ///< a row reduction wants to know where its elements are
  void (*run)(const geometry&, const uint64* start, const strip&);
  void (*clear)(char* const* totals, const int64* n);
  void (*merge)(char* const* into, char* const* from, const int64* n);
  void (*finish)(const geometry&, char* const* totals, int64 first, int64 n, const uint64* at, const int64* lane);
  int64 (*total_size)(int k);
  void (*multiply)(cpu_run&, const stage_entry&);  ///< for contract stages
};

/// A program as tables.
struct program_entry {
  program_view view;
  const stage_entry* stages;
  int stage_count;
  const bool* memory;   ///< values that are memory as they are: leaves, and views
  const bool* written;
  const space* spaces;
  /// The reference evaluator, where the shapes of a run may be none that the kernels take.
  void (*interpret)(const operand*, const dims_slot*, result*);
  /// strided.hpp's, where a result may need it: several results of one value, results summed to a leaf's shape.
  void (*sum_into)(dtype, const char*, const shape_value&, const int64*, char*, const shape_value&, const int64*, bool);
};

class SINTER_HIDDEN cpu_run {
 public:
  cpu_run(const program_entry& entry, const operand* leaves, const dims_slot* slots, result* results)
      : e_(entry), p_(entry.view), leaves_(leaves), slots_(slots), results_(results) {}

  template <class Arch> void run() {
    const int n = p_.size();
    shapes_ = vec<shape_value>(n, {});
    memory_ = vec<memory>(n, {});
    vec<shape_value> leaf_shapes(p_.operand_count() + 1, {});
    for (int i = 0; i < p_.operand_count(); ++i) leaf_shapes[i] = leaves_[i].shape;
    const shape_fault f = infer_shapes(p_, &leaf_shapes[0], slots_, &shapes_[0]);
    if (f.kind != shape_fault::none) raise<Arch>(p_, f, &shapes_[0]);
    for (int i = 0; i < p_.operand_count(); ++i)
      if (leaf_shapes[i].numel() == 0) [[unlikely]] {
        const shape_fault empty = find_empty(p_, &shapes_[0]);
        if (empty.kind != shape_fault::none) raise<Arch>(p_, empty, &shapes_[0]);
      }
    loops_ = vec<shape_value>(e_.stage_count, {});
    for (int s = 0; s < e_.stage_count; ++s)
      if (!find_loops(e_.stages[s], e_.spaces, &shapes_[0], slots_, loops_[s])) [[unlikely]] return e_.interpret(leaves_, slots_, results_);
    place<Arch>();
    for (int s = 0; s < e_.stage_count; ++s) {
      const stage_entry& st = e_.stages[s];
      if (idle(st)) continue;
      const traffic t = traffic_of(p_, st, &shapes_[0], [&](int id) { return memory_[id].mode == write_skip; });
      count_launch(t.reads + t.writes);
      if (st.kind == kernel_kind::contract) st.multiply(*this, st);
      else run_loops<Arch>(st);
    }
    deliver<Arch>();
  }
  ~cpu_run() {
    for (int i = 0; i < memory_.size(); ++i)
      if (memory_[i].scratch) host_free(memory_[i].data, memory_[i].bytes);
  }
  cpu_run(const cpu_run&) = delete;
  cpu_run& operator=(const cpu_run&) = delete;

 private:
  struct memory {
    char* data = nullptr;
    int64 strides[max_rank] = {};
    int64 bytes = 0;
    uint8 mode = write_skip;
    bool scratch = false;
    bool read = false;  ///< a later stage reads it
  };
  const program_entry& e_;
  const program_view& p_;
  const operand* leaves_;
  const dims_slot* slots_;
  result* results_;
  vec<shape_value> shapes_;
  vec<shape_value> loops_;  ///< of each stage
  vec<memory> memory_;

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
  /// Strides of a fresh result: the order of the first operand of the same shape that has no holes, else row-major.
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
      int64 step = 1, out[max_rank] = {};
      for (int i = s.rank - 1; i >= 0; --i) {
        const int d = order[i];
        if (s[d] != 1 && o.strides[d] != step) return;
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
    }
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
        r.block = allocate_cpu<Arch>(r.shape.numel() * size_of(p_.at(v).type));
        r.data = static_cast<char*>(r.block->data);
      }
      memory& m = memory_[v];
      const bool same = r.shape == shapes_[v] && !e_.memory[v];
      if (same && !m.data && (r.mode == write_store || (uses[v] == 1 && !m.read))) {
        m.data = r.data;
        for (int d = 0; d < r.shape.rank; ++d) m.strides[d] = r.strides[d];
        m.mode = r.mode;
      }
    }
    for (int v = 0; v < p_.size(); ++v) {
      memory& m = memory_[v];
      if (m.data || !e_.written[v] || (!m.read && uses[v] == 0)) continue;
      m.bytes = shapes_[v].numel() * size_of(p_.at(v).type);
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
  bool idle(const stage_entry& st) const {
    for (int r = 0; r < st.root_count; ++r)
      if (memory_[st.roots[r]].mode != write_skip) return false;
    return true;
  }

  // --- loops -------------------------------------------------------------------------------------------------------

  uint32 mask_of_tag(uint32 tag, int rank) const { return resolve_tag(tag, rank, slots_); }
  /// Strides of value `id` along its own dims, in elements, 0 where its extent is 1; data of its base.
  char* strides_of(int id, int64* strides) const {
    const instruction x = p_.at(id);
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

  /// What a stage walks over, before its dims are sorted.
  struct walk_table {
    scratch_array<walk> walks;
    scratch_array<double> numbers;
    scratch_array<int64[max_rank]> by_dim;  ///< bytes to the next index of each of the loop's dims
    explicit walk_table(int n) : walks(n), numbers(n), by_dim(n) {
      for (int w = 0; w < n; ++w) {
        ::new (static_cast<void*>(walks.get() + w)) walk;
        for (int64& step : by_dim[w]) step = 0;
      }
    }
  };
  struct loop_dims {
    int rank = 0;
    int64 extent[max_rank] = {};
    uint32 row_mask = 0;
    int kept[max_rank] = {}, kept_count = 0;
  };
  /// Spreads strides along a value's own dims over the loop's dims.
  static void align(const loop_dims& l, space in, const int64* own, int rank, int64* out) {
    for (int d = 0; d < l.rank; ++d) out[d] = 0;
    for (int i = 0; i < rank; ++i) {
      if (in == space::row) {
        const int k = l.kept_count - rank + i;
        if (k >= 0) out[l.kept[k]] = own[i];
      } else {
        out[l.rank - rank + i] = own[i];
      }
    }
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

  /// Fills walks and numbers; strides along the loop's dims go to by_dim, in bytes.
  void bind(const stage_entry& st, const loop_dims& l, walk* walks, double* numbers, int64 (*by_dim)[max_rank],
            const char* product, const int64* product_strides) const {
    int64 own[max_rank] = {};
    for (int k = 0; k < st.input_count; ++k) {
      const stage_input& in = st.inputs[k];
      const instruction x = p_.at(in.id);
      if (in.kind == input_kind::number || in.kind == input_kind::extent) { numbers[k] = number_of(in); continue; }
      if (in.kind == input_kind::index) {
        const shape_value& s = shapes_[x.a];
        const uint32 mask = resolve_dims(x.b, s.rank, slots_);
        int64 step = 1;
        for (int d = s.rank - 1; d >= 0; --d) {
          own[d] = mask >> d & 1 && s[d] != 1 ? step : 0;
          if (mask >> d & 1) step *= s[d];
        }
        align(l, in.in, own, s.rank, by_dim[k]);
        continue;
      }
      const int64 size = size_of(x.type);
      if (in.kind == input_kind::product) {
        walks[k].base = address_of(product);
        for (int d = 0; d < l.rank; ++d) by_dim[k][d] = product_strides ? product_strides[d] * size : 0;
        continue;
      }
      walks[k].base = address_of(strides_of(in.id, own));
      align(l, in.in, own, shapes_[in.id].rank, by_dim[k]);
      for (int d = 0; d < l.rank; ++d) by_dim[k][d] *= size;
    }
    for (int r = 0; r < st.root_count; ++r) {
      const int v = st.roots[r], w = st.input_count + r;
      const memory& m = memory_[v];
      walks[w].base = address_of(m.data);
      walks[w].mode = m.mode;
      const int64 size = size_of(p_.at(v).type);
      for (int d = 0; d < shapes_[v].rank; ++d) own[d] = shapes_[v][d] == 1 ? 0 : m.strides[d];
      if (st.root_levels[r] != level::total) align(l, e_.spaces[v], own, shapes_[v].rank, by_dim[w]);
      for (int d = 0; d < l.rank; ++d) by_dim[w][d] *= size;
    }
  }

  /// Sorts dims by stride (outermost first) and merges those that all walks cross as one.
  static int collapse(int* dims, int count, int64* extent, int64 (*by_dim)[max_rank], int walks, const int* order_by, int order_count) {
    int n = 0;
    for (int i = 0; i < count; ++i)
      if (extent[dims[i]] != 1) dims[n++] = dims[i];
    auto before = [&](int a, int b) {  // is a further out than b?
      for (int k = 0; k < order_count; ++k) {
        int64 x = by_dim[order_by[k]][a], y = by_dim[order_by[k]][b];
        x = x < 0 ? -x : x, y = y < 0 ? -y : y;
        if (x != y && x && y) return x > y;
      }
      return a < b;
    };
    for (int i = 1; i < n; ++i)
      for (int j = i; j > 0 && before(dims[j], dims[j - 1]); --j) {
        const int t = dims[j];
        dims[j] = dims[j - 1], dims[j - 1] = t;
      }
    int m = 0;
    for (int i = 0; i < n; ++i) {
      bool joins = m > 0;
      for (int w = 0; w < walks && joins; ++w) joins = by_dim[w][dims[m - 1]] == by_dim[w][dims[i]] * extent[dims[i]];
      if (joins) {
        extent[dims[i]] *= extent[dims[m - 1]];
        dims[m - 1] = dims[i];
      } else {
        dims[m++] = dims[i];
      }
    }
    return m;
  }

  template <class Arch> void run_loops(const stage_entry& st, const char* product = nullptr, const int64* product_strides = nullptr) {
    loop_dims l;
    const shape_value& space_shape = loops_[static_cast<int>(&st - e_.stages)];
    l.rank = space_shape.rank;
    l.row_mask = row_mask(st, l.rank);
    for (int d = 0; d < l.rank; ++d) {
      l.extent[d] = space_shape[d];
      if (!(l.row_mask >> d & 1)) l.kept[l.kept_count++] = d;
    }
    walk_table t(st.input_count + st.root_count + st.total_count + 1);
    bind(st, l, t.walks.get(), t.numbers.get(), t.by_dim.get(), product, product_strides);
    loop<Arch>(st, l, t.walks.get(), t.numbers.get(), t.by_dim.get());
  }

  template <class Arch> void loop(const stage_entry& st, loop_dims& l, walk* walks, double* numbers, int64 (*by_dim)[max_rank]) {
    const int position = st.input_count + st.root_count + st.total_count;
    // totals: row-major over the dims that stay
    int64 total_n[max_inputs];
    for (int t = 0; t < st.total_count; ++t) {
      uint32 mask;
      if (st.totals[t].in_row_space) {
        const uint32 m = mask_of_tag(st.totals[t].tag, l.kept_count);
        mask = l.row_mask;
        for (int k = 0; k < l.kept_count; ++k)
          if (m >> k & 1) mask |= 1u << l.kept[k];
      } else {
        mask = mask_of_tag(st.totals[t].tag, l.rank);
        if (st.totals[t].of_row) mask |= l.row_mask;
      }
      int64 step = 1;
      for (int d = l.rank - 1; d >= 0; --d) {
        if (mask >> d & 1) continue;
        by_dim[st.input_count + st.root_count + t][d] = step * st.total_size(t);
        step *= l.extent[d];
      }
      total_n[t] = step;
    }
    if (st.has_positions) {
      int64 step = 1;
      for (int d = l.rank - 1; d >= 0; --d)
        if (l.row_mask >> d & 1) by_dim[position][d] = step, step *= l.extent[d];
    }

    // which walks decide the order of the loops: element-wise results first, then memory inputs
    int order_by[max_walks], order_count = 0;
    for (int r = 0; r < st.root_count; ++r)
      if (st.root_levels[r] == level::element) order_by[order_count++] = st.input_count + r;
    for (int k = 0; k < st.input_count; ++k)
      if (st.inputs[k].kind == input_kind::memory || st.inputs[k].kind == input_kind::product) order_by[order_count++] = k;

    geometry g;
    g.walks = walks, g.numbers = numbers;
    int64 extent[max_rank];
    for (int d = 0; d < l.rank; ++d) extent[d] = l.extent[d];
    int kept[max_rank], row[max_rank], kept_count = 0, row_count = 0;
    bool empty = false, empty_row = false;
    for (int d = 0; d < l.rank; ++d) {
      if (l.row_mask >> d & 1) row[row_count++] = d, empty_row = empty_row || extent[d] == 0;
      else kept[kept_count++] = d, empty = empty || extent[d] == 0;
    }
    kept_count = collapse(kept, kept_count, extent, by_dim, position + 1, order_by, order_count);
    row_count = collapse(row, row_count, extent, by_dim, position + 1, order_by, order_count);
    if (st.kind != kernel_kind::row && kept_count > 0) row[row_count++] = kept[--kept_count];  // map: the innermost dim is the row
    if (empty_row) row_count = 0;

    auto size_at = [&](int w) -> int64 {
      return w < st.input_count ? (st.inputs[w].kind == input_kind::index ? 1 : size_of(p_.at(st.inputs[w].id).type))
             : w < st.input_count + st.root_count ? size_of(p_.at(st.roots[w - st.input_count]).type)
             : w < position ? st.total_size(w - st.input_count - st.root_count) : 1;
    };
    // lanes along the row, or across rows?
    if (st.kind == kernel_kind::row && kept_count > 0 && st.lanes > 1) {
      int along = 0, across = 0;
      const int in = row_count ? row[row_count - 1] : -1, out = kept[kept_count - 1];
      for (int i = 0; i < order_count; ++i) {
        const int w = order_by[i];
        if (w < st.input_count && st.input_is_row[w]) continue;
        if (in >= 0 && by_dim[w][in] == size_at(w)) ++along;
        if (by_dim[w][out] == size_at(w)) ++across;
      }
      g.lanes_along_row = across <= along;
    }
    g.row_rank = row_count ? row_count : 1;
    g.row[0] = empty_row ? 0 : 1;
    for (int i = 0; i < row_count; ++i) g.row[i] = extent[row[i]];
    int64 row_numel = 1;
    for (int i = 0; i < g.row_rank; ++i) row_numel *= g.row[i];
    const int lane_dim = g.lanes_along_row ? (row_count ? row[row_count - 1] : -1) : kept[--kept_count];
    for (int w = 0; w <= position; ++w) {
      for (int i = 0; i < row_count; ++i) walks[w].row[i] = by_dim[w][row[i]];
      for (int i = 0; i < kept_count; ++i) walks[w].kept[i] = by_dim[w][kept[i]];
      walks[w].lane = lane_dim >= 0 ? by_dim[w][lane_dim] / size_at(w) : 0;
    }
    g.kept_rank = kept_count;
    for (int i = 0; i < kept_count; ++i) g.kept[i] = extent[kept[i]];
    int64 unit_work = row_numel;
    if (!g.lanes_along_row) {
      g.part = st.lanes, g.part_total = extent[lane_dim];
      unit_work *= st.lanes;
    } else if (st.kind != kernel_kind::row && g.row[0] > 2 * map_block && g.row_rank == 1) {
      g.part = map_block, g.part_total = g.row[0];
      unit_work = map_block;
    }
    if (g.part) {
      g.kept[g.kept_rank] = (g.part_total + g.part - 1) / g.part;
      for (int w = 0; w <= position; ++w) walks[w].kept[g.kept_rank] = by_dim[w][lane_dim] * g.part;
      ++g.kept_rank;
    }
    int64 units = empty || (st.kind != kernel_kind::row && space_numel(l) == 0) ? 0 : 1;
    for (int i = 0; i < g.kept_rank; ++i) units *= g.kept[i];

    // chunks: fixed by the shape alone
    int64 per_chunk = unit_work >= chunk_work ? 1 : chunk_work / (unit_work ? unit_work : 1);
    bool shared_totals = false;
    for (int t = 0; t < st.total_count; ++t)
      for (int i = 0; i < g.kept_rank; ++i)
        if (g.kept[i] > 1 && walks[st.input_count + st.root_count + t].kept[i] == 0) shared_totals = true;
    if (shared_totals && (units + per_chunk - 1) / per_chunk > 64) per_chunk = (units + 63) / 64;
    const int64 chunks = units ? (units + per_chunk - 1) / per_chunk : 0;

    if (st.total_count == 0) {
      parallel_for<Arch>(chunks, [&](int64 c) {
        const int64 first = c * per_chunk;
        run_units(st, g, first, first + per_chunk < units ? first + per_chunk : units, nullptr);
      });
      return;
    }
    // one set of totals, or one per chunk where chunks would meet in them
    const int64 sets = shared_totals && chunks > 1 ? chunks : 1;
    int64 offset[max_inputs + 1];
    offset[0] = 0;
    for (int t = 0; t < st.total_count; ++t) offset[t + 1] = offset[t] + (total_n[t] * st.total_size(t) + 63) / 64 * 64;
    const int64 set_bytes = offset[st.total_count];
    scratch_memory room(sets * set_bytes);
    auto bases = [&](int64 set, char** to) {
      for (int t = 0; t < st.total_count; ++t) to[t] = room.data() + set * set_bytes + offset[t];
    };
    char* base[max_inputs];
    for (int64 s = 0; s < sets; ++s) bases(s, base), st.clear(base, total_n);
    parallel_for<Arch>(chunks, [&](int64 c) {
      char* mine[max_inputs];
      bases(sets == 1 ? 0 : c, mine);
      const int64 first = c * per_chunk;
      run_units(st, g, first, first + per_chunk < units ? first + per_chunk : units, mine);
    });
    bases(0, base);
    for (int64 s = 1; s < sets; ++s) {
      char* from[max_inputs];
      bases(s, from);
      st.merge(base, from, total_n);
    }
    finish(st, g, base);
  }
  static int64 space_numel(const loop_dims& l) {
    int64 n = 1;
    for (int d = 0; d < l.rank; ++d) n *= l.extent[d];
    return n;
  }

  /// Rows `first` to `last` of all, by strips along the last kept dim.
  static void run_units(const stage_entry& st, const geometry& g, int64 first, int64 last, char* const* totals) {
    const int first_total = st.input_count + st.root_count, walks = first_total + st.total_count + 1, inner = g.kept_rank - 1;
    uint64 start[max_walks];
    const int64 parts = g.part ? g.kept[inner] : 0;
    while (first < last) {
      int64 at[max_rank + 1] = {}, rest = first;
      for (int d = inner; d >= 0; --d) at[d] = rest % g.kept[d], rest /= g.kept[d];
      for (int w = 0; w < walks; ++w) {
        start[w] = w >= first_total && w + 1 < walks ? address_of(totals[w - first_total]) : g.walks[w].base;
        for (int d = 0; d <= inner; ++d) start[w] += static_cast<uint64>(at[d] * g.walks[w].kept[d]);
      }
      strip part{1, g.row[g.row_rank - 1], st.lanes};
      if (inner >= 0) part.rows = g.kept[inner] - at[inner] < last - first ? g.kept[inner] - at[inner] : last - first;
      if (parts) {  // the last part is shorter
        const int64 left = g.part_total - (parts - 1) * g.part;
        const bool short_one = at[inner] == parts - 1;
        if (!short_one && at[inner] + part.rows == parts && left < g.part) --part.rows;
        const int64 size = short_one ? left : g.part;
        if (g.lanes_along_row) part.length = size;
        else part.lanes = static_cast<int>(size);
      }
      st.run(g, start, part);
      first += part.rows;
    }
  }

  /// Writes the results that depend on totals.
  void finish(const stage_entry& st, const geometry& g, char* const* totals) {
    int any = -1;
    for (int r = 0; r < st.root_count; ++r)
      if (st.root_levels[r] == level::total) any = r;
    if (any < 0) return;
    // all have the totals' shape but for dims of extent 1; rows of one call are those that all of them cross evenly
    const shape_value& s = shapes_[st.roots[any]];
    int dims[max_rank], rank = 0;
    for (int d = 0; d < s.rank; ++d)
      if (s[d] != 1) dims[rank++] = d;
    const int64 n = s.numel();
    int64 row = 1;
    uint64 at[max_inputs];
    int64 lane[max_inputs], strides[max_inputs][max_rank];
    for (int r = 0; r < st.root_count; ++r) {
      const memory& m = memory_[st.roots[r]];
      const shape_value& own = shapes_[st.roots[r]];
      for (int d = 0, k = 0; d < own.rank; ++d)
        if (own[d] != 1) strides[r][k++] = m.strides[d];
    }
    auto crosses = [&](int k) {
      for (int r = 0; r < st.root_count; ++r)
        if (st.root_levels[r] == level::total && strides[r][k] != strides[r][rank - 1] * row) return false;
      return true;
    };
    int outer = rank;
    while (outer > 0 && crosses(outer - 1)) row *= s[dims[--outer]];
    for (int64 i = 0; i < n; i += row) {
      for (int r = 0; r < st.root_count; ++r) {
        if (st.root_levels[r] != level::total) continue;
        const memory& m = memory_[st.roots[r]];
        at[r] = address_of(m.data);
        lane[r] = rank ? strides[r][rank - 1] : 1;
        int64 rest = i / row;
        for (int k = outer - 1; k >= 0; --k) at[r] += static_cast<uint64>(rest % s[dims[k]] * strides[r][k] * size_of(p_.at(st.roots[r]).type)), rest /= s[dims[k]];
      }
      st.finish(g, totals, i, row, at, lane);
    }
  }

  // --- contractions ------------------------------------------------------------------------------------------------

  template <class T, class Arch> void contract(const stage_entry& st) {
    const instruction x = p_.at(st.contract);
    const contraction c = contraction::decode(p_.pool(x.c));
    const shape_value& out = shapes_[st.contract];
    int64 sa[max_rank], sb[max_rank];
    const T* a = reinterpret_cast<const T*>(strides_of(x.a, sa));
    const T* b = reinterpret_cast<const T*>(strides_of(x.b, sb));
    // extents and strides by label; in_c: its dim in the result
    struct label {
      int64 extent = 1, a = 0, b = 0;
      int in_c = -1;
      bool in_a = false, in_b = false;
    } labels[8];
    for (int d = 0; d < c.rank_a; ++d) labels[c.a(d)].extent = shapes_[x.a][d], labels[c.a(d)].a += sa[d], labels[c.a(d)].in_a = true;
    for (int d = 0; d < c.rank_b; ++d) labels[c.b(d)].extent = shapes_[x.b][d], labels[c.b(d)].b += sb[d], labels[c.b(d)].in_b = true;
    for (int d = 0; d < c.rank_c; ++d) labels[c.c(d)].in_c = d;
    // the last of each kind goes to the matrix product, the others are loops around it
    int m = -1, n = -1, k = -1, loops[8], loop_count = 0;
    for (int q = 0; q < 8; ++q) {
      const label& w = labels[q];
      if (!w.in_a && !w.in_b) continue;
      int* kind = w.in_c < 0 && w.in_a && w.in_b ? &k : w.in_c >= 0 && w.in_a && !w.in_b ? &m : w.in_c >= 0 && w.in_b && !w.in_a ? &n : nullptr;
      if (kind && (*kind < 0 || w.extent > labels[*kind].extent)) {
        if (*kind >= 0) loops[loop_count++] = *kind;
        *kind = q;
      } else {
        loops[loop_count++] = q;
      }
    }
    const label none;
    const label &lm = m >= 0 ? labels[m] : none, &ln = n >= 0 ? labels[n] : none, &lk = k >= 0 ? labels[k] : none;
    bool summed_loops = false;
    for (int q = 0; q < loop_count; ++q) summed_loops = summed_loops || (labels[loops[q]].in_c < 0 && labels[loops[q]].extent != 1);

    const memory& dest = memory_[st.contract];
    if (out.numel() == 0) return;
    // loops around the matrix product
    int64 index[8] = {};
    auto for_each_loop = [&](auto body) {
      int64 total = 1;
      for (int q = 0; q < loop_count; ++q) total *= labels[loops[q]].extent;
      for (int64 i = 0; i < total; ++i) {
        int64 rest = i, oa = 0, ob = 0;
        bool first = true;
        for (int q = loop_count - 1; q >= 0; --q) {
          const label& w = labels[loops[q]];
          index[q] = rest % w.extent, rest /= w.extent;
          oa += index[q] * w.a, ob += index[q] * w.b;
          if (w.in_c < 0 && index[q]) first = false;
        }
        body(a + oa, b + ob, first);
      }
    };
    auto product = [&](char* data, const int64* strides, bool accumulate) {
      for_each_loop([&](const T* pa, const T* pb, bool first) {
        int64 oc = 0;
        for (int q = 0; q < loop_count; ++q)
          if (labels[loops[q]].in_c >= 0) oc += index[q] * strides[labels[loops[q]].in_c];
        gemm<T, Arch>(lm.extent, ln.extent, lk.extent, pa, lm.a, lk.a, pb, lk.b, ln.b, reinterpret_cast<T*>(data) + oc,
                      lm.in_c >= 0 ? strides[lm.in_c] : 0, ln.in_c >= 0 ? strides[ln.in_c] : 0, accumulate || !first);
      });
    };
    if (st.plain_product) {
      product(dest.data, dest.strides, dest.mode == write_accumulate);
      return;
    }
    if (summed_loops) {  // the epilogue must wait for the whole sum
      int64 strides[max_rank];
      row_major(out, strides);
      scratch_memory room(out.numel() * static_cast<int64>(sizeof(T)));
      product(room.data(), strides, false);
      run_loops<Arch>(st, room.data(), strides);
      return;
    }
    // the epilogue runs on each finished block of rows while it is in cache
    loop_dims l;
    l.rank = out.rank;
    for (int d = 0; d < l.rank; ++d) l.kept[l.kept_count++] = d, l.extent[d] = out[d];
    const int position = st.input_count + st.root_count + st.total_count;
    walk_table table(position + 1);
    walk* const walks = table.walks.get();
    double* const numbers = table.numbers.get();
    int64 (*const by_dim)[max_rank] = table.by_dim.get();
    bind(st, l, walks, numbers, by_dim, nullptr, nullptr);
    for_each_loop([&](const T* pa, const T* pb, bool) {
      auto tile = [&](int64 i0, int64 i1, const T* block, int64 ld) {
        walk_table own(position + 1);
        walk* const part = own.walks.get();
        int64 (*const dims)[max_rank] = own.by_dim.get();
        loop_dims here = l;
        for (int d = 0; d < l.rank; ++d) here.extent[d] = 1;
        if (lm.in_c >= 0) here.extent[lm.in_c] = i1 - i0;
        if (ln.in_c >= 0) here.extent[ln.in_c] = ln.extent;
        for (int w = 0; w <= position; ++w) {
          part[w] = walks[w];
          for (int d = 0; d < max_rank; ++d) dims[w][d] = by_dim[w][d];
          if (w < st.input_count && st.inputs[w].kind == input_kind::product) {
            part[w].base = address_of(block);
            if (lm.in_c >= 0) dims[w][lm.in_c] = ld * static_cast<int64>(sizeof(T));
            if (ln.in_c >= 0) dims[w][ln.in_c] = sizeof(T);
            continue;
          }
          for (int q = 0; q < loop_count; ++q)
            if (labels[loops[q]].in_c >= 0) part[w].base += static_cast<uint64>(index[q] * dims[w][labels[loops[q]].in_c]);
          if (lm.in_c >= 0) part[w].base += static_cast<uint64>(i0 * dims[w][lm.in_c]);
        }
        loop<Arch>(st, here, part, numbers, dims);
      };
      gemm<T, Arch>(lm.extent, ln.extent, lk.extent, pa, lm.a, lk.a, pb, lk.b, ln.b, tile);
    });
  }

 public:
  template <class T, class Arch> static void contract_entry(cpu_run& run, const stage_entry& st) { run.contract<T, Arch>(st); }

 private:
  static constexpr int64 map_block = 16384;    ///< elements of a map row that make a unit
  static constexpr int64 chunk_work = 65536;   ///< elements that make a chunk
};

// --- tables of a program -------------------------------------------------------------------------------------------

template <class P, int S, class Arch> struct stage_tables {
  using SP = stage_program<P, S>;
  using K = kernel<SP, Arch>;
  static constexpr auto st = schedule_of<P>.stages[S];
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
            K::N, st.kind == kernel_kind::contract && st.root_count == 1 && schedule_of<P>.roots[st.first_root] == st.contract,
            levels.positions, &K::run, &K::clear, &K::merge, &K::finish, &total_size, contract_entry()};
  }
  static constexpr auto contract_entry() -> void (*)(cpu_run&, const stage_entry&) {
    if constexpr (st.kind != kernel_kind::contract) return nullptr;
    else return &cpu_run::contract_entry<cpp_type<P::at(st.contract).type>, Arch>;
  }
  static int64 total_size(int k) { return K::total_size(k); }
};

template <class P, class Arch, std::size_t... S> constexpr auto make_stages(std::index_sequence<S...>) {
  struct { stage_entry v[sizeof...(S) + 1]; } out{{stage_tables<P, static_cast<int>(S), Arch>::entry()..., {}}};
  return out;
}
template <class P, class Arch> inline constexpr auto stages_of =
    make_stages<P, Arch>(std::make_index_sequence<static_cast<std::size_t>(schedule_of<P>.count)>());
template <class P> constexpr bool delivers() {
  if (P::result_count > 1) return true;
  for (int i = 0; i < P::size; ++i)
    if (P::at(i).op == code::output && (P::at(i).c || schedule_of<P>.memory[P::at(i).a])) return true;
  return false;
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
  program_entry e{bare_view_of<P>, stages_of<P, Arch>.v, schedule_of<P>.count, schedule_of<P>.memory, schedule_of<P>.written, schedule_of<P>.spaces, nullptr, nullptr};
  if constexpr (may_misfit<P>(std::make_index_sequence<static_cast<std::size_t>(schedule_of<P>.count)>())) e.interpret = &interpret_program<P, Arch>;
  if constexpr (delivers<P>()) e.sum_into = &sum_into<Arch>;
  return e;
}();

}  // namespace sinter::inline v0::detail::inline SINTER_TARGET
