// SPDX-License-Identifier: BSD-3-Clause
// Cuts a program into kernels: map (element-wise), row (element-wise with reductions along a row), contract (a
// product with an element-wise epilogue). Works on values, at compile time; knows no device.
// Next: cpu/run.hpp and cuda/ execute the stages, expr/plan.hpp prints them.
#pragma once
#include "program.hpp"

namespace sinter::inline v0 {

enum class kernel_kind : uint8 { map, row, contract };

namespace detail {

/// One kernel: what it writes. Values are instruction numbers of the scheduled graph.
struct stage {
  kernel_kind kind = kernel_kind::map;
  int16 depth = 0;
  uint16 contract = 0xffff;  ///< the contraction, for contract stages
  uint32 row_tag = 0;        ///< dims reduced along a row (0: none), for row stages
  uint16 loop = 0;           ///< an instruction whose shape is the loop space
  vec<uint16> roots;         ///< values written, in ascending order
};

/// Which operand shapes a value's shape is the broadcast of. Equal sets loop over equal shapes.
struct shape_set {
  uint64 low = 0, high = 0;
  int8 rank = 0;
  constexpr bool operator==(const shape_set&) const = default;
  constexpr void join(const shape_set& o) {
    low |= o.low, high |= o.high;
    if (o.rank > rank) rank = o.rank;
  }
  constexpr void mark(int bit) { (bit % 128 < 64 ? low : high) |= uint64{1} << bit % 64; }
};

enum class space : uint8 { any, full, row };  ///< where a value lives: not decided, all dims, reduced dims removed

class scheduler {
 public:
  vec<stage> stages;
  vec<bool> written;     ///< values that are written to memory by some stage, results included
  vec<space> spaces;
  vec<uint16> maker;     ///< which stage writes a value, 0xffff: none

  constexpr explicit scheduler(const graph& graph_) : g(graph_), n(graph_.size()) {
    written = vec<bool>(n, false);
    spaces = vec<space>(n, space::any);
    depth = vec<int16>(n, 0);
    row = vec<uint32>(n, 0);
    total = vec<bool>(n, false);
    sets = vec<shape_set>(n, {});
    maker = vec<uint16>(n, 0xffff);
    raw = vec<bool>(n, false);
    epilogue = vec<bool>(n, false);
    classify();
    place_contractions();
    group();
  }

  /// A chain of squeeze and unsqueeze on a leaf or a written value.
  constexpr bool is_view(int i) const {
    const int b = base_of(g.at(i).a);
    return g.at(b).op == code::leaf || written[b];
  }
  constexpr int base_of(int i) const {
    while ((g.at(i).op == code::squeeze || g.at(i).op == code::unsqueeze) && !written[i]) i = g.at(i).a;
    return i;
  }
  constexpr bool is_total(int i) const { return total[i]; }
  /// Stages run in order of time: contract stages of depth d at 2d, then map and row stages at 2d + 1. From when on can
  /// a later stage read the written value i? Within one time every stage computes what it needs itself.
  constexpr int ready(int i) const { return 2 * depth[i] + (g.at(i).op == code::contract || epilogue[i] ? 1 : 2); }
  constexpr int time(int root) const { return 2 * depth[root] + (epilogue[root] ? 0 : 1); }

 private:
  const graph& g;
  int n;
  vec<int16> depth;
  vec<uint32> row;       ///< tag of the row reductions that a value depends on within its depth
  vec<bool> total;       ///< a value known only after all rows are done (result of a non-row reduction)
  vec<bool> raw;         ///< contractions whose plain result is written
  vec<bool> epilogue;    ///< values that a contract stage writes besides its product
  vec<shape_set> sets;

  /// Static masks are counted from the last dim, so that operands of different rank agree.
  constexpr uint32 tag_of(int i) const {
    const instruction& x = g.at(i);
    if (x.b >= run_time_dims) return x.b;
    return static_cast<uint32>(x.b) << (max_rank - g.at(x.a).rank) | 1u << 30;
  }
  static constexpr bool single_state(const op_descr* op) { return op->info.result != result_type::index; }

  constexpr void materialise(int i) {
    if (g.at(i).is_source() || written[i]) return;
    if ((g.at(i).op == code::squeeze || g.at(i).op == code::unsqueeze)) {
      const int b = base_of(i);
      if (g.at(b).op == code::leaf) return;
      materialise(b);
      return;
    }
    written[i] = true;
  }

  constexpr void classify() {
    for (int i = 0; i < n; ++i) {
      const instruction& x = g.at(i);
      switch (x.op) {
        case code::leaf:
          sets[i].rank = static_cast<int8>(x.rank);
          if (x.rank) sets[i].mark(x.a);
          if (x.c)
            for (int k = 0; k < 64; ++k)
              if (g.pool()[x.c - 1] >> k & 1) sets[i].mark(k);
          break;
        case code::scalar: case code::literal: break;
        case code::extent: depth[i] = 0; break;
        case code::index: inherit(i, x.a); row[i] = 0, total[i] = false; break;
        case code::cast: inherit(i, x.a); break;
        case code::expand:
          combine(i);
          sets[i] = sets[x.b];
          break;
        case code::squeeze: case code::unsqueeze: classify_view(i); break;
        case code::reduce: classify_reduce(i); break;
        case code::contract:
          materialise(x.a), materialise(x.b);
          depth[i] = static_cast<int16>(1 + (depth[x.a] > depth[x.b] ? depth[x.a] : depth[x.b]));
          sets[i].rank = static_cast<int8>(x.rank);
          sets[i].mark(100 + i);
          spaces[i] = space::any;
          break;
        case code::output:
          materialise_result(x.a);
          inherit(i, x.a);
          break;
        default: combine(i);
      }
    }
  }
  constexpr void materialise_result(int i) { written[i] = true; }

  constexpr void inherit(int i, int from) {
    depth[i] = depth[from], row[i] = row[from], total[i] = total[from], sets[i] = sets[from], spaces[i] = spaces[from];
  }
  /// The shape of a value that a later stage reads as an input.
  constexpr shape_set fresh(int i) const {
    if (!row[i] && !total[i] && spaces[i] != space::row) return sets[i];
    shape_set s;
    s.rank = static_cast<int8>(g.at(i).rank);
    if (s.rank) s.mark(100 + i);
    return s;
  }

  constexpr void combine(int i) {
    uint16 in[3];
    int k = 0;
    for_operands(g.at(i), g.descr(i), [&](uint16 o) { in[k++] = o; });
    int16 d = 0;
    for (int j = 0; j < k; ++j) d = depth[in[j]] > d ? depth[in[j]] : d;
    // Do the operands of this depth fit into one kernel?
    uint32 tag = 0;
    bool any_total = false, all_total = true, conflict = false;
    space sp = space::any;
    for (int j = 0; j < k; ++j) {
      const int o = in[j];
      if (g.at(o).rank == 0 && !total[o] && row[o] == 0) continue;
      if (depth[o] < d || g.at(o).op == code::leaf) { all_total = false; continue; }
      if (row[o] && tag && row[o] != tag) conflict = true;
      if (row[o]) tag = row[o];
      if (total[o]) any_total = true;
      else all_total = false;
      if (spaces[o] != space::any) {
        if (sp != space::any && sp != spaces[o]) conflict = true;
        sp = spaces[o];
      }
    }
    if (any_total && !all_total) conflict = true;
    if (any_total && all_total)
      for (int j = 0; j < k; ++j)
        if (total[in[j]] && !(fresh_total(in[j]) == fresh_total(in[total_of(in, k)]))) conflict = true;
    if (conflict) {
      for (int j = 0; j < k; ++j)
        if (depth[in[j]] == d && (row[in[j]] || total[in[j]] || spaces[in[j]] == space::row)) materialise(in[j]);
      ++d;
      for (int j = 0; j < k; ++j) sets[i].join(fresh(in[j]));
      depth[i] = d;
      return;
    }
    depth[i] = d;
    for (int j = 0; j < k; ++j) {
      const int o = in[j];
      if (depth[o] == d && !(written[o] && depth[o] < d)) {
        if (row[o]) row[i] = row[o];
        if (total[o]) total[i] = true;
        if (spaces[o] != space::any) spaces[i] = spaces[o];
        sets[i].join(sets[o]);
      } else {
        sets[i].join(fresh(o));
      }
    }
  }
  constexpr int total_of(const uint16* in, int k) const {
    for (int j = 0; j < k; ++j)
      if (total[in[j]]) return j;
    return 0;
  }
  /// Two totals fit together if they are reduced over the same dims of the same loop.
  constexpr shape_set fresh_total(int i) const {
    while (g.at(i).op != code::reduce) i = total[g.at(i).a] ? g.at(i).a : g.at(i).b;
    shape_set s = sets[g.at(i).a];
    s.mark(static_cast<int>(90 + g.at(i).b % 8));
    return s;
  }

  constexpr void classify_view(int i) {
    const instruction& x = g.at(i);
    const int a = x.a;
    inherit(i, a);
    if (total[a]) return;
    sets[i].rank = static_cast<int8>(x.rank);
    if (is_view(i) && !row[a]) {  // a view of memory
      shape_set s;
      s.rank = static_cast<int8>(x.rank);
      if (x.rank) s.mark(100 + i);
      sets[i] = s;
      spaces[i] = space::any;
      if (g.at(base_of(a)).op != code::leaf && depth[base_of(a)] == depth[i]) ++depth[i];
      return;
    }
    const uint32 tag = x.b >= run_time_dims ? x.b : static_cast<uint32>(x.b) << (max_rank - (x.op == code::squeeze ? g.at(a).rank : x.rank)) | 1u << 30;
    if (row[a] == tag && x.op == code::squeeze && spaces[a] != space::row) { spaces[i] = space::row; sets[i] = sets[a]; return; }
    if (row[a] == tag && x.op == code::unsqueeze && spaces[a] == space::row) { spaces[i] = space::full; sets[i] = sets[a]; return; }
    materialise(a);
    sets[i] = {};
    sets[i].rank = static_cast<int8>(x.rank);
    sets[i].mark(100 + i);
    row[i] = 0, spaces[i] = space::any;
    ++depth[i];
  }

  constexpr void classify_reduce(int i) {
    const int a = g.at(i).a;
    inherit(i, a);
    if (total[a]) {
      materialise(a);
      ++depth[i];
      sets[i] = fresh(a);
      total[i] = false, row[i] = 0, spaces[i] = space::any;
    }
    const uint32 tag = tag_of(i);
    if (spaces[i] == space::row || (row[i] && row[i] != tag)) {
      if (!single_state(g.descr(i))) {  // needs a row of its own
        materialise(a);
        ++depth[i];
        sets[i] = fresh(a);
        spaces[i] = space::full, row[i] = tag;
        return;
      }
      total[i] = true;
      row[i] = 0;
      return;
    }
    row[i] = tag;
    spaces[i] = space::full;
  }

  /// Can a stage at time `t` read value i instead of computing it?
  constexpr bool readable(int i, int t) const { return written[i] && ready(i) <= t && (g.at(i).op != code::contract || raw[i]); }

  /// Marks what the value `r` needs within its own stage at time `t`; counts products of its own depth.
  constexpr vec<bool> needs(int r, int t, bool& reduces, int& contractions, int& contraction_id) const {
    vec<bool> need(n, false);
    need[r] = true;
    reduces = false, contractions = 0;
    for (int i = r; i >= 0; --i) {
      if (!need[i]) continue;
      const instruction& x = g.at(i);
      if (i != r && (x.is_source() || readable(i, t))) continue;
      if (x.op == code::contract) {
        ++contractions, contraction_id = i;
        continue;
      }
      if (x.op == code::reduce) reduces = true;
      if (i != r && (x.op == code::squeeze || x.op == code::unsqueeze) && is_view(i)) {
        const int b = base_of(i);
        if (g.at(b).op == code::contract) reduces = true;  // a view of a product: read it back
        if (g.at(b).op == code::leaf || readable(b, t)) continue;
      }
      if (x.op == code::index || x.op == code::extent) continue;
      if (x.op == code::expand) { need[x.a] = true; continue; }
      for_operands(x, g.descr(i), [&](uint16 o) { need[o] = true; });
    }
    return need;
  }
  constexpr vec<bool> needs(int r) const {
    bool reduces = false;
    int k = 0, id = 0;
    return needs(r, time(r), reduces, k, id);
  }

  constexpr void place_contractions() {
    for (int i = 0; i < n; ++i) {
      if (g.at(i).op == code::contract && written[i]) raw[i] = true;
      // a product that only gives its shape must exist for that
      const instruction& x = g.at(i);
      const int shape_of = x.op == code::index || x.op == code::extent ? x.a : x.op == code::expand ? x.b : -1;
      if (shape_of >= 0) mark_shape(shape_of);
    }
    for (int r = 0; r < n; ++r) {
      if (!written[r] || g.at(r).is_source() || g.at(r).op == code::contract || g.at(r).op == code::output) continue;
      bool reduces = false;
      int k = 0, id = 0;
      needs(r, 2 * depth[r], reduces, k, id);
      if (k == 1 && !reduces && depth[id] == depth[r] && g.at(r).rank == g.at(id).rank) {
        epilogue[r] = true;
        continue;
      }
      // it is not the epilogue of one product: whatever products it needs are written plainly
      const vec<bool> need = needs(r);
      for (int i = 0; i < r; ++i)
        if (need[i] && g.at(i).op == code::contract) raw[i] = written[i] = true;
    }
  }
  constexpr void mark_shape(int i) {
    vec<bool> need(i + 1, false);
    need[i] = true;
    for (int k = i; k >= 0; --k) {
      if (!need[k] || g.at(k).is_source() || written[k]) continue;
      if (g.at(k).op == code::contract) { raw[k] = written[k] = true; continue; }
      if (g.at(k).op == code::expand) { need[g.at(k).b] = true; continue; }
      for_operands(g.at(k), g.descr(k), [&](uint16 o) { need[o] = true; });
    }
  }

  /// A root that is nothing but reductions of one stage with numbers on top.
  constexpr bool only_totals(int r) const {
    vec<bool> need(r + 1, false);
    need[r] = true;
    for (int i = r; i >= 0; --i) {
      if (!need[i]) continue;
      const instruction& x = g.at(i);
      if (x.op == code::reduce) {
        if (!single_state(g.descr(i))) return false;
        continue;
      }
      if (x.op == code::extent || x.op == code::scalar || x.op == code::literal) continue;
      if (x.op == code::leaf || x.op == code::index || x.op == code::contract) return false;
      if (i != r && readable(i, time(r))) return false;
      if (x.op == code::expand) return false;
      for_operands(x, g.descr(i), [&](uint16 o) { need[o] = true; });
    }
    return true;
  }
  /// Does the root need a row reduction inside its kernel, of which tag?
  constexpr uint32 inner_row(int r) const {
    const vec<bool> need = needs(r);
    const bool totals = only_totals(r);
    for (int i = 0; i <= r; ++i) {
      if (!need[i] || g.at(i).op != code::reduce || total[i] || (i != r && readable(i, time(r)))) continue;
      if (totals && top_reduce(r, i)) continue;
      return tag_of(i);
    }
    return 0;
  }
  /// Is reduction i reached from r without passing another reduction?
  constexpr bool top_reduce(int r, int i) const {
    vec<bool> need(r + 1, false);
    need[r] = true;
    for (int k = r; k > i; --k) {
      if (!need[k] || g.at(k).op == code::reduce) continue;
      if (!g.at(k).is_source()) for_operands(g.at(k), g.descr(k), [&](uint16 o) { need[o] = true; });
    }
    if (!need[i]) return false;
    for (int k = r; k > i; --k)  // and not from inside another reduction too
      if (need[k] && g.at(k).op == code::reduce) {
        vec<bool> under(k + 1, false);
        under[k] = true;
        for (int j = k; j > i; --j)
          if (under[j] && !g.at(j).is_source()) for_operands(g.at(j), g.descr(j), [&](uint16 o) { under[o] = true; });
        if (under[i]) return false;
      }
    return true;
  }
  /// The instruction whose shape the kernel of root r loops over.
  constexpr int loop_of(int r) const {
    if (!total[r] && !row[r]) return r;
    const vec<bool> need = needs(r);
    for (int i = 0; i <= r; ++i)  // the first reduction's operand is full-sized
      if (need[i] && g.at(i).op == code::reduce && !(i != r && readable(i, time(r))) && spaces[g.at(i).a] != space::row &&
          !total[g.at(i).a]) {
        int a = g.at(i).a;
        if (spaces[r] == space::full && sets[r] == sets[a] && !total[r] && g.at(r).rank == g.at(a).rank && is_elementwise_full(r)) return r;
        return a;
      }
    return r;
  }
  constexpr bool is_elementwise_full(int r) const { return g.at(r).op != code::reduce && g[r].tag == 0 && g[r].ones == 0; }

  constexpr void group() {
    int16 last = 0;
    for (int i = 0; i < n; ++i) last = depth[i] > last ? depth[i] : last;
    for (int16 d = 0; d <= last; ++d) {
      for (int i = 0; i < n; ++i)
        if (g.at(i).op == code::contract && depth[i] == d) {
          stage s;
          s.kind = kernel_kind::contract;
          s.depth = d;
          s.contract = s.loop = static_cast<uint16>(i);
          if (raw[i]) s.roots.push(static_cast<uint16>(i)), maker[i] = static_cast<uint16>(stages.size());
          stages.push(s);
        }
      for (int r = 0; r < n; ++r) {
        if (!written[r] || depth[r] != d || g.at(r).op == code::contract || g.at(r).op == code::leaf) continue;
        if (epilogue[r]) {
          bool reduces = false;
          int k = 0, id = 0;
          needs(r, time(r), reduces, k, id);
          for (int s = 0; s < stages.size(); ++s)
            if (stages[s].contract == id) stages[s].roots.push(static_cast<uint16>(r)), maker[r] = static_cast<uint16>(s);
          continue;
        }
        const uint32 tag = inner_row(r);
        const int loop = loop_of(r);
        int found = -1;
        for (int s = 0; s < stages.size() && found < 0; ++s)
          if (stages[s].depth == d && stages[s].kind != kernel_kind::contract && sets[stages[s].loop] == sets[loop] &&
              (!tag || !stages[s].row_tag || tag == stages[s].row_tag))
            found = s;
        if (found < 0) {
          stage s;
          s.depth = d;
          s.loop = static_cast<uint16>(loop);
          stages.push(s);
          found = stages.size() - 1;
        }
        if (tag) stages[found].row_tag = tag, stages[found].kind = kernel_kind::row;
        stages[found].roots.push(static_cast<uint16>(r));
        maker[r] = static_cast<uint16>(found);
      }
    }
  }
};

}  // namespace detail
}  // namespace sinter::inline v0
