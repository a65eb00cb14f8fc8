// SPDX-License-Identifier: BSD-3-Clause
// What the real shapes make of a stage: the shape it loops over, if a kernel can take it, and the bytes it moves.
// For cpu/run.hpp, which runs and counts stages, and expr/plan.hpp, which shows them.
#pragma once
#include "shape.hpp"
#include "stage.hpp"

namespace sinter::inline v0::detail::inline SINTER_TARGET {

/// Mask of the dims of a place_tag in a value of the given rank.
constexpr uint32 resolve_tag(uint32 tag, int rank, const dims_slot* slots) {
  return tag >= static_tag ? (tag & 0xff) >> (max_rank - rank) : resolve_dims(tag, rank, slots);
}

/// The shape that a stage loops over. False if the shapes are none that the kernel can take: a row that an operand
/// repeats (extent 1 against N), an epilogue larger than its product.
template <class Stage>
constexpr bool find_loops(const Stage& st, const space* spaces, const shape_value* shapes, const dims_slot* slots, shape_value& s) {
  if (st.kind == kernel_kind::loop) return true;
  if (st.kind == kernel_kind::contract) {
    s = shapes[st.contract];
    for (int r = 0; r < st.root_count; ++r)
      if (!(shapes[st.roots[r]] == s)) return false;
    return true;
  }
  bool fits = true;
  for (int r = 0; r < st.root_count; ++r)
    if (st.root_levels[r] != level::total && spaces[st.roots[r]] != space::row) fits = fits && broadcast_into(s, shapes[st.roots[r]]);
  for (int r = 0; r < st.reduction_count; ++r)
    if (!st.reductions[r].total || !st.totals[st.reductions[r].total - 1].in_row_space)
      fits = fits && broadcast_into(s, shapes[st.reductions[r].operand]);
  if (!fits) return false;
  const uint32 row = st.row_tag ? resolve_tag(st.row_tag, s.rank, slots) : 0;
  shape_value kept, by_row = s;
  for (int d = 0; d < s.rank; ++d)
    if (row >> d & 1) by_row[d] = 1;
    else kept[kept.rank++] = s[d];
  for (int r = 0; r < st.root_count; ++r) {
    if (st.root_levels[r] == level::total) continue;
    const int v = st.roots[r];
    if (!(shapes[v] == (spaces[v] == space::row ? kept : st.root_levels[r] == level::row ? by_row : s))) return false;
  }
  for (int r = 0; r < st.reduction_count; ++r) {
    const shape_value& x = shapes[st.reductions[r].operand];
    if (st.reductions[r].total) {
      const stage_total& t = st.totals[st.reductions[r].total - 1];
      if (!(x == (t.in_row_space ? kept : t.of_row ? by_row : s))) return false;
    } else {
      if (x.rank != s.rank) return false;
      for (int d = 0; d < s.rank; ++d)
        if (row >> d & 1 && x[d] != s[d]) return false;
    }
  }
  return true;
}

/// Bytes that a kernel moves: its inputs once, its results once.
struct traffic {
  int64 reads = 0, writes = 0;
};
constexpr int64 bytes_of(const program_view& p, const shape_value* shapes, int id) {
  return shapes[id].numel() * size_of(p.at(id).type);
}
template <class Stage> constexpr int64 bytes_of_inputs(const program_view& p, const shape_value* shapes, const Stage& st) {
  int64 n = 0;
  for (int k = 0; k < st.input_count; ++k)
    if (st.inputs[k].kind == input_kind::memory) n += bytes_of(p, shapes, st.inputs[k].id);
  return n;
}
/// The stage that computes operand `value` of a contraction as its prologue; null: the operand is memory.
template <class Stage> constexpr const Stage* prologue_of(const Stage* stages, int count, int contract, int value) {
  for (int s = 0; s < count; ++s)
    if (stages[s].prologue_of == contract && stages[s].roots[0] == value) return stages + s;
  return nullptr;
}
/// The traffic of a stage, its prologues' included; results for which skipped(id) holds are not written.
template <class Stage, class F>
constexpr traffic traffic_of(const program_view& p, const Stage* stages, int count, const Stage& st, const shape_value* shapes, F skipped) {
  traffic t;
  if (st.kind == kernel_kind::contract)
    for (const int operand : {p.at(st.contract).a, p.at(st.contract).b}) {
      const Stage* const made = prologue_of(stages, count, st.contract, operand);
      t.reads += made ? bytes_of_inputs(p, shapes, *made) : bytes_of(p, shapes, operand);
    }
  if (st.kind == kernel_kind::loop) for_loop_operands(p, st.contract, [&](int o) { t.reads += bytes_of(p, shapes, o); });
  t.reads += bytes_of_inputs(p, shapes, st);
  for (int r = 0; r < st.root_count; ++r)
    if (!skipped(st.roots[r])) t.writes += bytes_of(p, shapes, st.roots[r]);
  return t;
}

}  // namespace sinter::inline v0::detail::inline SINTER_TARGET
