// SPDX-License-Identifier: BSD-3-Clause
// The kernels of a program: which inputs and results each stage has, and each stage's own small program, whose type
// names the kernel. Equal stages of different statements are the same type. Next: cpu/run.hpp, cuda/, expr/plan.hpp.
#pragma once
#include "levels.hpp"
#include "schedule.hpp"

namespace sinter::inline v0::detail::inline SINTER_TARGET {

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
  uint32 tag = 0;             ///< its dims: place_tag
  bool in_row_space = false;  ///< the dims are counted without the row's
  bool of_row = false;        ///< its operand is one value a row
};
/// A reduction of a stage: what it needs of the loops' shape.
struct stage_reduction {
  uint16 operand = 0;     ///< instruction of the whole program
  uint16 total = 0;       ///< 0: along the row, else 1 + its number among the stage's totals
};
inline constexpr int max_inputs = 256;
inline constexpr int max_reductions = 64;

/// A stage cut out of its program.
template <int Room> struct extracted {
  flat_graph<Room> flat;
  int input_count = 0, reduction_count = 0, total_count = 0;
  bool too_many = false;
  stage_input inputs[Room < max_inputs ? Room : max_inputs];
  stage_total totals[max_reductions];            ///< in the order of levels_of::total_ids
  stage_reduction reductions[max_reductions];
};

/// Cuts stages out of a program. [0]: values seen from the full space, [1]: from the row space.
template <class P, int Number> class extraction {
 public:
  static constexpr int room = 2 * (P::size + P::pool_size) + 2;

  static constexpr extracted<room> run() {
    extraction e;
    if (st.kind == kernel_kind::loop) {  // its body has stages of its own
      e.e_.flat = flatten<room>(e.out_, 0);
      return e.e_;
    }
    e.find_needed();
    e.copy();
    return e.finish();
  }

 private:
  static constexpr int n = P::size;
  static constexpr const auto& plan = schedule_of<P>;
  static constexpr auto st = plan.stages[Number];
  static constexpr program_view p = view_of<P>;  // a copy: nvcc 13 refuses the reference

  bool need_[2][n] = {};
  uint16 map_[2][n] = {};
  graph out_;
  extracted<room> e_;
  uint32 total_tags_[max_reductions] = {};
  bool total_in_row_[max_reductions] = {};
  int total_kinds_ = 0;
  struct { uint16 reduction; uint16 operand; } found_[max_reductions] = {};

  static constexpr bool is_input(int i) {
    const instruction x = p.at(i);
    return x.is_source() || x.op == code::index || x.op == code::extent || x.op == code::roll || st.contract == i || plan.readable(i, Number);
  }
  static constexpr int seen_from(int i) { return plan.spaces[i] == space::row; }

  constexpr void find_needed() {
    for (int r = 0; r < st.root_count; ++r) {
      const int root = plan.roots[st.first_root + r];
      need_[seen_from(root)][root] = true;
    }
    for (int i = n - 1; i >= 0; --i)
      for (int from = 0; from < 2; ++from) {
        if (!need_[from][i] || is_input(i)) continue;
        const instruction x = p.at(i);
        if (x.op == code::reduce) need_[seen_from(i)][x.a] = true;
        else if (x.op == code::squeeze || x.op == code::unsqueeze) need_[seen_from(x.a)][x.a] = true;
        else if (x.op == code::expand) need_[from][x.a] = true;
        else for_operands(x, p.descr(i), [&](uint16 o) { need_[from][o] = true; });
      }
  }

  /// How an input varies, as far as that is known now.
  static constexpr int variation(int i, int from) {
    const int rank = p.at(i).rank;
    const uint32 all = (1u << rank) - 1, ones = plan.ones[i] & all;
    if (ones == all) return leaf_constant;
    if (from == 1) return leaf_row;
    if (st.row_tag >= static_tag) {
      const uint32 own = 0xffu << (max_rank - rank), row = st.row_tag & own & 0xff;
      return ((ones << (max_rank - rank)) & row) == row ? leaf_row : leaf_element;
    }
    return st.row_tag && plan.ones_tag[i] == st.row_tag ? leaf_row : leaf_element;
  }
  constexpr uint16 input(int i, int from) {
    const instruction x = p.at(i);
    if (x.op == code::literal) return out_.literal(literal_value(p.pool(x.a)), x.type, false).id;
    if (e_.input_count == static_cast<int>(sizeof e_.inputs / sizeof e_.inputs[0])) { e_.too_many = true; return 0; }
    stage_input in{static_cast<uint16>(i), input_kind::memory, from ? space::row : space::full};
    instruction y = graph::make(code::leaf, x.type, 0, e_.input_count);
    int how = variation(i, from);
    if (st.contract == i) in.kind = input_kind::product;
    else if (x.op == code::scalar) in.kind = input_kind::number;
    else if (x.op == code::extent) in.kind = input_kind::extent;
    else if (x.op == code::index) in.kind = input_kind::index, how = leaf_index;
    if (in.kind == input_kind::number || in.kind == input_kind::extent) y.op = code::scalar, how = 0;
    e_.inputs[e_.input_count++] = in;
    out_.add({y, static_cast<uint8>(how)});
    return static_cast<uint16>(out_.size() - 1);
  }
  constexpr uint16 total_kind(uint32 tag, bool in_row_space) {
    int k = 0;
    while (k < total_kinds_ && (total_tags_[k] != tag || total_in_row_[k] != in_row_space)) ++k;
    if (k == max_reductions) { e_.too_many = true; return 0; }
    if (k == total_kinds_) total_tags_[k] = tag, total_in_row_[k] = in_row_space, ++total_kinds_;
    return static_cast<uint16>(along_row + 1 + k);
  }
  constexpr uint16 value(int i, int from) {
    const instruction x = p.at(i);
    if (x.op == code::squeeze || x.op == code::unsqueeze) return map_[seen_from(x.a)][x.a];
    if (x.op == code::expand) {  // one value for many elements becomes one of each
      const uint16 a = map_[from][x.a];
      return variation(i, from) == leaf_element ? out_.add({graph::make(code::expand, x.type, 0, a, a)}).id : a;
    }
    instruction y = x;
    y.rank = 0;
    if (x.op == code::reduce) {
      const int a = seen_from(i);  // its operand's space, unless that is read back
      const uint32 tag = place_tag(x.b, p.at(x.a).rank);
      y.a = map_[a][x.a];
      y.b = !a && tag == st.row_tag ? uint16{along_row} : total_kind(tag, a);
      y.c = static_cast<uint16>(out_.op_number(p.descr(i)));
      const uint16 id = out_.add({y}).id;
      if (e_.reduction_count == max_reductions) e_.too_many = true;
      else found_[e_.reduction_count++] = {id, x.a};
      return id;
    }
    y.a = map_[from][x.a];
    if (x.is_op()) {
      const int arity = p.descr(i)->arity;
      y.b = arity > 1 ? map_[from][x.b] : uint16{0};
      y.c = arity > 2 ? map_[from][x.c] : uint16{0};
      y.op = static_cast<code>(static_cast<int>(code::first_op) + out_.op_number(p.descr(i)));
    }
    return out_.add({y}).id;
  }
  constexpr void copy() {
    for (int i = 0; i < n; ++i)
      for (int from = 0; from < 2; ++from)
        if (need_[from][i]) map_[from][i] = is_input(i) ? input(i, from) : value(i, from);
    for (int r = 0; r < st.root_count; ++r) {
      const int root = plan.roots[st.first_root + r];
      out_.output(out_.at_sym(map_[seen_from(root)][root]), r);
    }
  }

  /// Numbers inputs and kinds of totals in the order in which the words name them, so that equal stages are equal words.
  constexpr extracted<room> finish() {
    vec<uint16> order;
    out_.reads_parts = p.reads_parts();
    e_.flat = flatten<room>(out_, e_.input_count, &order);
    stage_input sorted[sizeof e_.inputs / sizeof e_.inputs[0]];
    vec<uint16> input_number(e_.input_count, no_value), kind_number(total_kinds_, no_value);
    vec<bool> by_element(order.size(), false);
    int inputs = 0, kinds = 0;
    for (int k = 0; k < order.size(); ++k) {
      instruction x = instruction::decode(e_.flat.words[1 + k]);
      if (x.op == code::leaf || x.op == code::scalar) {
        if (input_number[x.a] == no_value) input_number[x.a] = static_cast<uint16>(inputs), sorted[inputs++] = e_.inputs[x.a];
        x.a = input_number[x.a];
        by_element[k] = x.op == code::leaf && x.b != leaf_row && x.b != leaf_constant;
      } else if (x.op == code::reduce) {
        int number = 0;
        if (x.b != along_row) {
          const int kind = x.b - along_row - 1;
          if (kind_number[kind] == no_value) kind_number[kind] = static_cast<uint16>(kinds++);
          x.b = static_cast<uint16>(along_row + 1 + kind_number[kind]);
          e_.totals[e_.total_count++] = {total_tags_[kind], total_in_row_[kind], !by_element[x.a]};
          number = e_.total_count;
        }
        for (int r = 0; r < e_.reduction_count; ++r)
          if (found_[r].reduction == order[k]) e_.reductions[r] = {found_[r].operand, static_cast<uint16>(number)};
      } else if (x.op == code::expand) {
        by_element[k] = true;
      } else if (x.op != code::literal) {
        for_operands(x, out_.descr(order[k]), [&](uint16 o) { by_element[k] = by_element[k] || by_element[o]; });
      }
      e_.flat.words[1 + k] = x.encode();
    }
    for (int i = 0; i < inputs; ++i) e_.inputs[i] = sorted[i];
    e_.input_count = inputs;
    e_.flat.words[0] = (e_.flat.words[0] & ~(uint64{0xffff} << 32)) | static_cast<uint64>(inputs) << 32;
    return e_;
  }
};

template <class P, int Number> struct stage_source {
  static constexpr auto cut = extraction<P, Number>::run();
  static_assert(!cut.too_many, "sinter: over 256 operands or 64 reductions in one kernel; name an intermediate result");
  static constexpr auto& value = cut.flat;
};
/// Stage `Number` of program P as a program: what the kernel computes.
template <class P, int Number> using stage_program = flat_program<stage_source<P, Number>>;

/// The body of loop `Id` of program P as a program, or the second one.
template <class P, int Id, bool Second> struct body_source {
  template <int Room> static constexpr auto make() {
    return flatten<Room>((Second ? view_of<P>.second_body(Id) : view_of<P>.body(Id)).restore(), view_of<P>.body_counts(Id).operand_count() + 1);
  }
};
template <class P, int Id, bool Second = false> using body_program = make_program<body_source<P, Id, Second>>;

/// The inputs of a stage, in the order of its program's operands.
template <int N> struct input_list { stage_input v[N ? N : 1]; };
template <class P, int Number> inline constexpr auto inputs_of = [] {
  constexpr auto& cut = stage_source<P, Number>::cut;
  input_list<cut.input_count> out{};
  for (int i = 0; i < cut.input_count; ++i) out.v[i] = cut.inputs[i];
  return out;
}();
/// The totals of a stage, in the order of levels_of::total_ids.
template <int N> struct total_list { stage_total v[N + 1]; };
template <class P, int Number> inline constexpr auto totals_of = [] {
  constexpr auto& cut = stage_source<P, Number>::cut;
  total_list<cut.total_count> out{};
  for (int i = 0; i < cut.total_count; ++i) out.v[i] = cut.totals[i];
  return out;
}();
/// The reductions of a stage.
template <int N> struct reduction_list { stage_reduction v[N + 1]; };
template <class P, int Number> inline constexpr auto reductions_of = [] {
  constexpr auto& cut = stage_source<P, Number>::cut;
  reduction_list<cut.reduction_count> out{};
  for (int i = 0; i < cut.reduction_count; ++i) out.v[i] = cut.reductions[i];
  return out;
}();

}  // namespace sinter::inline v0::detail::inline SINTER_TARGET
