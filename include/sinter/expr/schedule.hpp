// SPDX-License-Identifier: BSD-3-Clause
// Cuts a program into kernels: map (element-wise), row (element-wise with reductions along a row), contract (a
// product with an element-wise epilogue), loop (whose body has a schedule of its own). Works on values, at compile time; knows no device.
// Next: expr/stage.hpp makes each kernel a program of its own.
#pragma once
#include "placement.hpp"

namespace sinter::inline v0 {

enum class kernel_kind : uint8 { map, row, contract, loop };

namespace detail::inline SINTER_TARGET {

/// A program's kernels, in the order in which they run.
template <int Size> struct flat_schedule {
  struct entry {
    kernel_kind kind = kernel_kind::map;
    uint16 contract = no_value;  ///< the contraction, for contract stages; the loop, for loop stages
    uint16 loop = 0;             ///< an instruction whose shape is, as far as is known now, the loops'
    uint16 first_root = 0, root_count = 0;  ///< which of `roots` it writes
    uint32 row_tag = 0;          ///< dims reduced along a row (place_tag), 0: none
    uint16 prologue_of = no_value;  ///< a map whose only value this contraction alone reads, once: it may be computed while the product packs it
  };
  entry stages[Size] = {};
  int count = 0;
  uint16 roots[Size] = {};
  bool written[Size] = {};    ///< written to memory by the stage `maker`
  uint16 maker[Size] = {};
  bool memory[Size] = {};     ///< a leaf, or squeezed / unsqueezed memory
  space spaces[Size] = {};
  uint8 ones[Size] = {};      ///< dims known to have extent 1
  uint16 ones_tag[Size] = {}; ///< run-time dims known to have extent 1, 0: none

  /// Is value i in memory before stage `number` runs?
  constexpr bool readable(int i, int number) const { return memory[i] || (written[i] && maker[i] < number); }
};

/// Groups the written values of a placement into stages: one for each contraction with its epilogues; values of one
/// depth with loops of one shape, and at most one set of row dims, share a map or row stage.
template <int Size> constexpr flat_schedule<Size> make_schedule(const graph& g) {
  const placement p(g);
  const int n = g.size();
  struct group {
    int depth = 0, first = 0;
    kernel_kind kind = kernel_kind::map;
    uint16 contract = no_value, loop = 0;
    uint32 row_tag = 0;
  };
  vec<group> groups;
  vec<uint16> group_of(n, no_value);
  for (int r = 0; r < n; ++r) {
    if (!p.written[r]) continue;
    const place& at = p.at[r];
    const uint32 tag = at.pure ? 0 : at.tag;
    int k = 0;
    if (g.at(r).op == code::element) {  // with the others of its loop
      while (k < groups.size() && groups[k].contract != g.at(r).a) ++k;
      if (k == groups.size()) {
        group s;
        s.depth = at.depth - 1, s.first = r, s.kind = kernel_kind::loop, s.contract = g.at(r).a, s.loop = static_cast<uint16>(r);
        groups.push(s);
      }
      group_of[r] = static_cast<uint16>(k);
      continue;
    }
    for (; k < groups.size(); ++k) {
      const group& s = groups[k];
      if (s.contract != at.product || s.depth != at.depth) continue;
      if (at.product != no_value || (p.loops.equal(s.first, p.loops, r) && (!tag || !s.row_tag || tag == s.row_tag))) break;
    }
    // what the kernel of r computes on its way to r is written from there
    if (at.in_flight() && at.product == no_value && r) {
      const vec<bool> way = p.on_the_way(r);
      for (int q = 0; q < r; ++q) {
        const uint16 other = group_of[q];
        if (!way[q] || other == no_value || other == k || groups[other].depth != at.depth || groups[other].contract != no_value) continue;
        if (tag && groups[other].row_tag && tag != groups[other].row_tag) continue;
        if (k == groups.size()) {
          k = other;
          groups[k].first = r, groups[k].loop = at.loop;
        } else {
          for (int v = 0; v < r; ++v)
            if (group_of[v] == other) group_of[v] = static_cast<uint16>(k);
          if (groups[other].row_tag) groups[k].row_tag = groups[other].row_tag, groups[k].kind = kernel_kind::row;
        }
      }
    }
    if (k == groups.size()) {
      group s;
      s.depth = at.depth, s.first = r, s.contract = at.product, s.loop = at.loop;
      if (s.contract != no_value) s.kind = kernel_kind::contract;
      groups.push(s);
    }
    if (tag) groups[k].row_tag = tag, groups[k].kind = kernel_kind::row;
    if (p.shapes.equal(at.loop, p.loops, r)) groups[k].loop = at.loop;
    group_of[r] = static_cast<uint16>(k);
  }

  // groups by depth, their roots side by side
  flat_schedule<Size> out;
  vec<uint16> stage_of(groups.size(), no_value), fill(groups.size(), 0);
  int deepest = 0;
  for (int k = 0; k < groups.size(); ++k) deepest = groups[k].depth > deepest ? groups[k].depth : deepest;
  for (int r = 0; r < n; ++r)
    if (group_of[r] != no_value) ++fill[group_of[r]];
  vec<vec<uint16>> by_depth(deepest + 1, {});
  for (int k = 0; k < groups.size(); ++k) by_depth[groups[k].depth].push(static_cast<uint16>(k));
  int roots = 0;
  for (int d = 0; d <= deepest; ++d)
    for (int j = 0; j < by_depth[d].size(); ++j) {
      const int k = by_depth[d][j];
      const group& s = groups[k];
      if (!fill[k]) continue;
      stage_of[k] = static_cast<uint16>(out.count);
      out.stages[out.count++] = {s.kind, s.contract, s.loop, static_cast<uint16>(roots), 0, s.row_tag};
      roots += fill[k];
    }
  for (int r = 0; r < n; ++r) {
    out.spaces[r] = p.at[r].in, out.memory[r] = p.at[r].memory, out.written[r] = p.written[r];
    out.ones[r] = g[r].ones, out.ones_tag[r] = g[r].tag;
    if (group_of[r] == no_value) continue;
    out.maker[r] = stage_of[group_of[r]];
    auto& s = out.stages[out.maker[r]];
    out.roots[s.first_root + s.root_count++] = static_cast<uint16>(r);
  }
  for (int s = 0; s < out.count; ++s) {
    auto& st = out.stages[s];
    const int root = out.roots[st.first_root];
    if (st.kind == kernel_kind::map && st.root_count == 1 && !p.at[root].in_flight()) st.prologue_of = p.only_product_of(root);
  }
  return out;
}

/// The schedule of a program. (A lambda, because nvcc 13 breaks over the plain call.)
template <class P> inline constexpr auto schedule_of = [] { return make_schedule<P::size>(view_of<P>.restore()); }();

}  // namespace detail::inline SINTER_TARGET
}  // namespace sinter::inline v0
