// SPDX-License-Identifier: BSD-3-Clause
// The loops of a stage at run time: dims sorted and merged, rows in strips, strips in chunks, totals merged in a fixed order.
// Next: contract.hpp for products, kernel.hpp for what runs inside.
#pragma once
#include "parallel.hpp"
#include "values.hpp"

namespace sinter::inline v0::detail::inline SINTER_TARGET {

class SINTER_HIDDEN loop_runner : protected run_values {
 protected:
  using run_values::run_values;
  static constexpr int64 map_block = 16384;    ///< elements of a map row that make a unit
  static constexpr int64 chunk_work = 65536;   ///< elements that make a chunk

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
  /// A stage's loops, sorted and merged, in chunks.
  struct loop_plan {
    geometry g;
    int64 units = 0, per_chunk = 1;
    bool shared_totals = false;    ///< units meet in a total
    scratch_array<int64> total_n;  ///< elements of each total
    explicit loop_plan(const stage_entry& st) : total_n(st.total_count + 1) {}
  };
  /// A rolled copy of a value, for the time of one stage.
  struct rolled_copy {
    int id;
    int64 bytes;
    char* data;
  };
  vec<rolled_copy> copies_;
  ~loop_runner() {
    forget_rolled();
    for (int s = 0; s < planned_.size(); ++s)
      for (int k = 0; k < planned_[s].size(); ++k) delete planned_[s][k];
  }

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
      walks[k].base = address_of(is_rolled(st, k) ? rolled_source(in.id, own) : strides_of(in.id, own));
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

  // --- operands that are read rolled -------------------------------------------------------------------------------------

  bool writes(const stage_entry& st, int id) const {
    for (int r = 0; r < st.root_count; ++r)
      if (st.roots[r] == id) return true;
    return false;
  }
  /// Is input k read through a roll, from memory that is not rolled?
  bool is_rolled(const stage_entry& st, int k) const {
    const stage_input& in = st.inputs[k];
    return in.kind == input_kind::memory && p_.at(in.id).op == code::roll && (!memory_[in.id].data || writes(st, in.id));
  }
  bool reads_rolled(const stage_entry& st) const {
    for (int k = 0; k < st.input_count; ++k)
      if (is_rolled(st, k)) return true;
    return false;
  }
  /// Element-wise kernels run box by box of the loops, so that no operand wraps around inside; others read rolled copies.
  static bool runs_in_boxes(const stage_entry& st) { return st.kind == kernel_kind::map && st.total_count == 0; }
  /// f(dim, amount) for the rolls of value id, amounts in (0, extent).
  template <class F> void for_rolls(int id, F f) const {
    bool first = true;
    for (; p_.at(id).op == code::roll && (first || !memory_[id].data); id = p_.at(id).a, first = false) {
      const int d = roll_dim(p_.at(id));
      const int64 n = shapes_[id][d], amount = n ? (roll_amount(p_.at(id)) % n + n) % n : 0;
      if (amount) f(d, amount);
    }
  }
  char* rolled_source(int id, int64* strides) const { return strides_of(p_.at(id).a, strides); }

  template <class Arch> void copy_rolled(const stage_entry& st) {
    for (int k = 0; k < st.input_count; ++k) {
      if (!is_rolled(st, k)) continue;
      const int id = st.inputs[k].id;
      const shape_value& s = shapes_[id];
      const int64 size = size_of(p_.at(id).type);
      rolled_copy made{id, bytes_for<Arch>(s, size), nullptr};
      made.data = static_cast<char*>(host_alloc<Arch>(made.bytes));
      copies_.push(made);
      int64 from[max_rank], to[max_rank], shift[max_rank] = {};
      const char* source = rolled_source(id, from);
      for_rolls(id, [&](int d, int64 amount) { shift[d] = amount; });
      row_major(s, to);
      for (int corner = 0; corner < 1 << s.rank; ++corner) {  // every dim in two parts
        shape_value part = s;
        int64 at = 0, source_at = 0;
        for (int d = 0; d < s.rank; ++d) {
          const bool second = corner >> d & 1;
          part[d] = second ? s[d] - shift[d] : shift[d];
          at += (second ? shift[d] : 0) * to[d];
          source_at += (second ? 0 : s[d] - shift[d]) * from[d];
        }
        if (part.numel()) copy_elements<Arch>(size, part, source + source_at * size, from, made.data + at * size, to);
      }
      memory_[id].data = made.data;
      for (int d = 0; d < s.rank; ++d) memory_[id].strides[d] = to[d];
    }
  }
  void forget_rolled() {
    for (; copies_.size(); copies_.pop()) {
      const rolled_copy& c = copies_[copies_.size() - 1];
      memory_[c.id].data = nullptr;
      host_free(c.data, c.bytes);
    }
  }

  /// A loop as it is planned: to be run again with other addresses.
  struct planned_loop {
    walk_table table;
    scratch_array<int64> offset;  ///< bytes from the first element of each walk's value
    loop_plan plan;
    explicit planned_loop(const stage_entry& st) : table(walks_of(st)), offset(walks_of(st)), plan(st) {}
    static int walks_of(const stage_entry& st) { return st.input_count + st.root_count + st.total_count + 1; }
  };
  vec<vec<planned_loop*>> planned_;  ///< by stage, for runs that follow the first one

  /// Runs stage s with the loops planned at its first time.
  template <class Arch> void run_planned(int s) {
    const stage_entry& st = e_.stages[s];
    if (!planned_.size()) planned_ = vec<vec<planned_loop*>>(e_.stage_count, {});
    vec<planned_loop*>& all = planned_[s];
    if (!all.size()) {
      const loop_dims l = dims_of(st);
      for_boxes(st, l, [&](const int64* first, const int64* extent) {
        all.push(new planned_loop(st));
        plan_box(st, l, first, extent, *all[all.size() - 1]);
      });
    }
    for (int k = 0; k < all.size(); ++k) {
      planned_loop& p = *all[k];
      for (int w = 0; w < st.input_count; ++w) {
        const stage_input& in = st.inputs[w];
        if (in.kind == input_kind::memory) p.table.walks[w].base = address_of(data_of(is_rolled(st, w) ? p_.at(in.id).a : in.id)) + static_cast<uint64>(p.offset[w]);
        else if (in.kind == input_kind::number) p.table.numbers[w] = leaves_[p_.at(in.id).a].number;
      }
      for (int r = 0; r < st.root_count; ++r) p.table.walks[st.input_count + r].base = address_of(memory_[st.roots[r]].data) + static_cast<uint64>(p.offset[st.input_count + r]);
      if (st.total_count == 0 && p.plan.units <= p.plan.per_chunk) run_units(st, p.plan.g, 0, p.plan.units, nullptr);
      else run_plan<Arch>(st, p.plan);
    }
  }

  /// f(first, extent) for the boxes of the loops inside which no operand wraps around.
  template <class F> void for_boxes(const stage_entry& st, const loop_dims& l, F f) const {
    vec<int64> cuts[max_rank];
    for (int d = 0; d < l.rank; ++d) cuts[d].push(0), cuts[d].push(l.extent[d]);
    for (int k = 0; k < st.input_count; ++k)
      if (is_rolled(st, k))
        for_rolls(st.inputs[k].id, [&](int d, int64 amount) {
          vec<int64>& c = cuts[l.rank - shapes_[st.inputs[k].id].rank + d];
          int i = c.size();
          for (int j = 0; j < c.size(); ++j)
            if (c[j] == amount) return;
          for (c.push(amount); c[i - 1] > amount; --i) c[i] = c[i - 1], c[i - 1] = amount;
        });
    int64 first[max_rank] = {}, extent[max_rank] = {};
    int at[max_rank] = {};
    for (;;) {
      for (int d = 0; d < l.rank; ++d) first[d] = cuts[d][at[d]], extent[d] = cuts[d][at[d] + 1] - first[d];
      f(static_cast<const int64*>(first), static_cast<const int64*>(extent));
      int d = l.rank - 1;
      for (; d >= 0 && ++at[d] == cuts[d].size() - 1; --d) at[d] = 0;
      if (d < 0) return;
    }
  }
  template <class Arch> void run_boxes(const stage_entry& st) {
    const loop_dims l = dims_of(st);
    for_boxes(st, l, [&](const int64* first, const int64* extent) {
      planned_loop p(st);
      plan_box(st, l, first, extent, p);
      run_plan<Arch>(st, p.plan);
    });
  }
  void plan_box(const stage_entry& st, const loop_dims& l, const int64* first, const int64* extent, planned_loop& p) const {
    walk* const walks = p.table.walks.get();
    bind(st, l, walks, p.table.numbers.get(), p.table.by_dim.get(), nullptr, nullptr);
    for (int w = 0; w < st.input_count + st.root_count; ++w) {
      int64 at[max_rank];
      for (int d = 0; d < l.rank; ++d) at[d] = first[d];
      if (w < st.input_count && is_rolled(st, w))
        for_rolls(st.inputs[w].id, [&](int d, int64 amount) {
          const int own = l.rank - shapes_[st.inputs[w].id].rank + d;
          at[own] += first[own] < amount ? l.extent[own] - amount : -amount;
        });
      int64 offset = 0;
      for (int d = 0; d < l.rank; ++d) offset += at[d] * p.table.by_dim[w][d];
      p.offset[w] = offset;
      walks[w].base += static_cast<uint64>(offset);
    }
    loop_dims box = l;
    for (int d = 0; d < l.rank; ++d) box.extent[d] = extent[d];
    plan_loop(st, box, walks, p.table.numbers.get(), p.table.by_dim.get(), p.plan);
  }

  loop_dims dims_of(const stage_entry& st) const {
    loop_dims l;
    const shape_value& space_shape = loops_[static_cast<int>(&st - e_.stages)];
    l.rank = space_shape.rank;
    l.row_mask = row_mask(st, l.rank);
    for (int d = 0; d < l.rank; ++d) {
      l.extent[d] = space_shape[d];
      if (!(l.row_mask >> d & 1)) l.kept[l.kept_count++] = d;
    }
    return l;
  }
  template <class Arch> void run_loops(const stage_entry& st, const char* product = nullptr, const int64* product_strides = nullptr) {
    loop_dims l = dims_of(st);
    walk_table t(st.input_count + st.root_count + st.total_count + 1);
    bind(st, l, t.walks.get(), t.numbers.get(), t.by_dim.get(), product, product_strides);
    loop<Arch>(st, l, t.walks.get(), t.numbers.get(), t.by_dim.get());
  }

  template <class Arch> void loop(const stage_entry& st, loop_dims& l, walk* walks, double* numbers, int64 (*by_dim)[max_rank]) {
    loop_plan p(st);
    plan_loop(st, l, walks, numbers, by_dim, p);
    run_plan<Arch>(st, p);
  }
  void plan_loop(const stage_entry& st, loop_dims& l, walk* walks, double* numbers, int64 (*by_dim)[max_rank], loop_plan& p) const {
    const int position = st.input_count + st.root_count + st.total_count;
    // totals: row-major over the dims that stay
    scratch_array<int64>& total_n = p.total_n;
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

    geometry& g = p.g;
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
      // as many rows as the kernel takes at a time, but parts enough for threads
      const int64 share = extent[lane_dim] / (2 * st.lanes);
      g.part = st.lanes * (share < 1 ? 1 : share < st.groups ? share : st.groups), g.part_total = extent[lane_dim];
      unit_work *= g.part;
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
    int64& per_chunk = p.per_chunk;
    per_chunk = unit_work >= chunk_work ? 1 : chunk_work / (unit_work ? unit_work : 1);
    bool& shared_totals = p.shared_totals;
    for (int t = 0; t < st.total_count; ++t)
      for (int i = 0; i < g.kept_rank; ++i)
        if (g.kept[i] > 1 && walks[st.input_count + st.root_count + t].kept[i] == 0) shared_totals = true;
    if (shared_totals && (units + per_chunk - 1) / per_chunk > 64) per_chunk = (units + 63) / 64;
    p.units = units;
  }
  template <class Arch> void run_plan(const stage_entry& st, const loop_plan& p) {
    const geometry& g = p.g;
    const int64 units = p.units, per_chunk = p.per_chunk, chunks = units ? (units + per_chunk - 1) / per_chunk : 0;
    const int64* const total_n = p.total_n.get();
    const bool shared_totals = p.shared_totals;
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
    int64 set_bytes = offset[st.total_count];
    if (set_bytes % 1024 == 0) set_bytes += 576;  // sets, and the operand's rows, would fall on one set of the cache
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
      strip part{1, g.row[g.row_rank - 1], g.lanes_along_row ? st.lanes : static_cast<int>(g.part)};
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
};

}  // namespace sinter::inline v0::detail::inline SINTER_TARGET
