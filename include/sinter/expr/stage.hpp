// SPDX-License-Identifier: BSD-3-Clause
// The kernels of a program: which inputs and results each stage has, and each stage's own small program, whose type
// names the kernel. Equal stages of different statements are the same type. Next: cpu/run.hpp, cuda/, expr/plan.hpp.
#pragma once
#include "levels.hpp"
#include "schedule.hpp"

namespace sinter::inline v0::detail {

enum class input_kind : uint8 {
  memory,   ///< a leaf, a written value, or a squeezed / unsqueezed view of one
  number,   ///< a run-time number
  extent,   ///< an element count, known when the shapes are
  index,    ///< positions of elements along dims
  product   ///< the contraction of this stage
};
/// What a stage reads: instruction `id` of the whole program, seen from `in`.
struct stage_input {
  uint16 id = 0;
  input_kind kind = input_kind::memory;
  space in = space::full;
};
/// A reduction over other dims than the row's.
struct stage_total {
  uint32 tag = 0;             ///< its dims; static masks counted from the last dim, bit 30 set
  bool in_row_space = false;  ///< the dims are counted without the row's
  bool of_row = false;        ///< its operand is one value a row
};
inline constexpr int max_inputs = 256;

/// A schedule in fixed room.
template <int Size> struct flat_schedule {
  struct entry {
    kernel_kind kind = kernel_kind::map;
    uint16 contract = 0xffff, loop = 0, first_root = 0, root_count = 0;
    uint32 row_tag = 0;
    int16 time = 0;
  };
  entry stages[Size] = {};
  int count = 0;
  uint16 roots[Size] = {};
  bool written[Size] = {};
  int16 ready[Size] = {};   ///< the time from which on a written value can be read
  space spaces[Size] = {};
};

template <class P> inline constexpr auto schedule_of = [] {
  flat_schedule<P::size> out;
  const graph g = view_of<P>.restore();
  const scheduler s(g);
  int at = 0;
  for (int k = 0; k < s.stages.size(); ++k) {
    const stage& from = s.stages[k];
    auto& to = out.stages[out.count++];
    to.kind = from.kind, to.contract = from.contract, to.loop = from.loop, to.row_tag = from.row_tag;
    to.time = static_cast<int16>(2 * from.depth + (from.kind == kernel_kind::contract ? 0 : 1));
    to.first_root = static_cast<uint16>(at);
    to.root_count = static_cast<uint16>(from.roots.size());
    for (int r = 0; r < from.roots.size(); ++r) out.roots[at++] = from.roots[r];
  }
  for (int i = 0; i < P::size; ++i) out.written[i] = s.written[i], out.spaces[i] = s.spaces[i], out.ready[i] = static_cast<int16>(s.ready(i));
  return out;
}();

/// Which shape a view chain bottoms in.
constexpr int view_base(const graph& g, const bool* written, int i) {
  while ((g.at(i).op == code::squeeze || g.at(i).op == code::unsqueeze) && !written[i]) i = g.at(i).a;
  return i;
}

template <int Room> struct extracted {
  flat_graph<Room> flat;
  stage_input inputs[max_inputs];
  int input_count = 0;
  stage_total totals[64] = {};  ///< by their tag in the stage's program, less 2
};

/// Cuts stage `number` out of program P as a graph of its own.
template <class P, int Number, int Room> constexpr extracted<Room> extract() {
  constexpr auto& sched = schedule_of<P>;
  constexpr auto st = sched.stages[Number];
  const graph g = view_of<P>.restore();
  const int n = g.size();
  auto readable = [&](int i) { return sched.written[i] && sched.ready[i] <= st.time; };
  auto is_input = [&](int i) {
    const instruction& x = g.at(i);
    if (x.is_source() || x.op == code::index || x.op == code::extent || st.contract == i) return true;
    if (x.op == code::squeeze || x.op == code::unsqueeze) {
      const int b = view_base(g, sched.written, i);
      if (b != i && (g.at(b).op == code::leaf || readable(b))) return true;
    }
    return readable(i);
  };

  // what is needed, seen from the full space [0] or the row space [1]
  vec<bool> need[2] = {vec<bool>(n, false), vec<bool>(n, false)};
  for (int r = 0; r < st.root_count; ++r) {
    const int root = sched.roots[st.first_root + r];
    need[sched.spaces[root] == space::row][root] = true;
  }
  for (int i = n - 1; i >= 0; --i)
    for (int sp = 0; sp < 2; ++sp) {
      if (!need[sp][i] || is_input(i)) continue;
      const instruction& x = g.at(i);
      switch (x.op) {
        case code::squeeze: need[sched.spaces[x.a] == space::row || sp == 0 ? sched.spaces[x.a] == space::row : 0][x.a] = true; break;
        case code::unsqueeze: need[1][x.a] = true; break;
        case code::expand: need[sp][x.a] = true; break;
        case code::reduce: need[sched.spaces[x.a] == space::row][x.a] = true; break;
        default: for_operands(x, g.descr(i), [&](uint16 o) { need[sp][o] = true; });
      }
    }

  graph out;
  extracted<Room> e;
  vec<uint16> map[2] = {vec<uint16>(n, 0xffff), vec<uint16>(n, 0xffff)};
  int totals = 0;
  auto total_tag = [&](uint32 tag, bool in_row_space) {
    int k = 0;
    while (k < totals && (e.totals[k].tag != tag || e.totals[k].in_row_space != in_row_space)) ++k;
    if (k == totals) e.totals[totals++] = {tag, in_row_space, false};
    return 2 + k;
  };
  const uint32 ones_of_row = st.row_tag >= (1u << 30) ? st.row_tag & ((1u << 30) - 1) : 0;
  for (int i = 0; i < n; ++i)
    for (int sp = 0; sp < 2; ++sp) {
      if (!need[sp][i]) continue;
      const instruction x = g.at(i);
      if (is_input(i)) {
        stage_input in{static_cast<uint16>(i), input_kind::memory, sp ? space::row : space::full};
        if (x.op == code::literal) { map[sp][i] = out.literal(literal_value(g.pool()[x.a]), x.type, false).id; continue; }
        instruction y = graph::make(code::leaf, x.type, 0, e.input_count);
        if (x.op == code::scalar) in.kind = input_kind::number;
        else if (x.op == code::extent) in.kind = input_kind::extent;
        else if (x.op == code::index) in.kind = input_kind::index;
        else if (st.contract == i) in.kind = input_kind::product;
        // how the value varies: 0 by element, 1 by row only, 2 not at all
        int level = leaf_element;
        const uint32 all = (1u << x.rank) - 1;
        if (x.rank == 0 || (g[i].ones & all) == all) level = leaf_constant;
        else if (sp == 1) level = leaf_row;
        else if (st.row_tag && st.row_tag < (1u << 30) && g[i].tag == st.row_tag) level = leaf_row;
        else if (ones_of_row && ((static_cast<uint32>(g[i].ones) << (max_rank - x.rank)) & ones_of_row) == (ones_of_row & (0xffu << (max_rank - x.rank)))) level = leaf_row;
        if (in.kind == input_kind::number || in.kind == input_kind::extent) y.op = code::scalar;
        if (in.kind == input_kind::index) level = leaf_index;
        e.inputs[e.input_count++] = in;
        out.add({y, static_cast<uint8>(y.op == code::leaf ? level : 0)});
        map[sp][i] = static_cast<uint16>(out.size() - 1);
        continue;
      }
      if (x.op == code::squeeze) { const int from = sched.spaces[x.a] == space::row; map[sp][i] = map[from][x.a]; continue; }
      if (x.op == code::unsqueeze) { map[sp][i] = map[1][x.a]; continue; }
      if (x.op == code::expand) { map[sp][i] = map[sp][x.a]; continue; }
      instruction y = x;
      y.rank = 0;
      if (x.op == code::reduce) {
        const int from = sched.spaces[x.a] == space::row;
        const uint32 tag = x.b >= run_time_dims ? x.b : static_cast<uint32>(x.b) << (max_rank - g.at(x.a).rank) | 1u << 30;
        y.a = map[from][x.a];
        y.b = static_cast<uint16>(!from && tag == st.row_tag ? along_row : total_tag(tag, from));
        y.c = static_cast<uint16>(out.op_number(g.descr(i)));
      } else {
        y.a = map[sp][x.a];
        if (x.is_op()) {
          const int k = g.descr(i)->arity;
          if (k > 1) y.b = map[sp][x.b];
          if (k > 2) y.c = map[sp][x.c];
          y.op = static_cast<code>(static_cast<int>(code::first_op) + out.op_number(g.descr(i)));
        }
      }
      map[sp][i] = out.add({y}).id;
    }
  for (int r = 0; r < st.root_count; ++r) {
    const int root = sched.roots[st.first_root + r];
    out.output(out.at_sym(map[sched.spaces[root] == space::row][root]), r);
  }
  e.flat = flatten<Room>(out, e.input_count);

  // number the inputs in the order in which the words name them, so that equal stages are equal words
  stage_input sorted[max_inputs];
  int next = 0;
  uint16 renamed[max_inputs];
  for (auto& v : renamed) v = 0xffff;
  const int size = static_cast<int>(e.flat.words[0] & 0xffff);
  if (!e.flat.overflow)
    for (int i = 0; i < size; ++i) {
      instruction x = instruction::decode(e.flat.words[1 + i]);
      if (x.op != code::leaf && x.op != code::scalar) continue;
      uint16& slot = x.a;
      if (renamed[slot] == 0xffff) renamed[slot] = static_cast<uint16>(next), sorted[next++] = e.inputs[slot];
      slot = renamed[slot];
      e.flat.words[1 + i] = x.encode();
    }
  for (int i = 0; i < next; ++i) e.inputs[i] = sorted[i];
  e.input_count = next;
  e.flat.words[0] = (e.flat.words[0] & ~(uint64{0xffff} << 32)) | static_cast<uint64>(next) << 32;
  return e;
}

template <class P, int Number> struct stage_source {
  template <int Room> static constexpr auto make() { return extract<P, Number, Room>().flat; }
};
template <class P, int Number> using stage_program = make_program<stage_source<P, Number>>;

template <class P, int Number> constexpr auto extract_again() {
  using SP = stage_program<P, Number>;
  constexpr int room = SP::size + SP::pool_size + 1 <= 96 ? 96 : max_instructions / 4;
  return extract<P, Number, room>();
}
/// The inputs of a stage, in the order of its program's operands.
template <int N> struct input_list { stage_input v[N ? N : 1]; };
template <class P, int Number> inline constexpr auto inputs_of = [] {
  constexpr int n = stage_program<P, Number>::operand_count;
  input_list<n> out{};
  const auto e = extract_again<P, Number>();
  for (int i = 0; i < n; ++i) out.v[i] = e.inputs[i];
  return out;
}();

/// The totals of a stage, in the order of levels_of::total_ids.
template <int N> struct total_list { stage_total v[N + 1]; };
template <class P, int Number> inline constexpr auto totals_of = [] {
  using SP = stage_program<P, Number>;
  constexpr auto& lv = levels_of<SP>;
  total_list<lv.totals> out{};
  if constexpr (lv.totals > 0) {
    const auto e = extract_again<P, Number>();
    for (int t = 0; t < lv.totals; ++t) {
      const instruction x = SP::at(lv.total_ids[t]);
      out.v[t] = e.totals[x.b - 2];
      out.v[t].of_row = lv.at[x.a] != level::element;
    }
  }
  return out;
}();

}  // namespace sinter::inline v0::detail
