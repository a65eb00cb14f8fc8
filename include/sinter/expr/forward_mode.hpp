// SPDX-License-Identifier: BSD-3-Clause
// Forward mode as a transform of graphs: how all values of a program move when some of them do. The rules are those of reverse mode.
// Not here: functions of functions (func/func.hpp). Next: expr/vmap.hpp.
#pragma once
#include "adjoint.hpp"
#include "vmap.hpp"

namespace sinter::inline v0::detail::inline SINTER_TARGET {

/// Is x known to be 0 everywhere?
constexpr bool is_zero(sym x) {
  const instruction i = x.g->at(x.id);
  return i.op == code::expand ? is_zero(x.g->at_sym(i.a)) : x.g->is_literal(x, 0);
}

constexpr vec<uint16> forward_mode(graph& g, const vec<uint16>& primals, const vec<uint16>& seeds);

/// The tangents of a loop's results: results of another loop, which carries tangents beside what they belong to.
struct loop_tangents {
  int loop = -1;
  sym made;
  vec<int> number = {};  ///< of result r's tangent among those of its kind, -1: none
};
/// The loop of loop i's tangents, given those of instructions before it; made is none where nothing moves.
constexpr loop_tangents loop_forward(graph& g, int i, const vec<uint16>& t) {
  const instruction x = g.at(i);
  const loop_body counts = loop_body::decode(g.pool()[x.b]);
  const int operands = counts.operand_count(), results = counts.result_count(), bodies = x.op == code::cond ? 2 : 1;
  vec<uint16> in;
  for (int cell = x.a;; cell = g.at(cell).b) {
    in.push(g.at(cell).a);
    if (!g.at(cell).c) break;
  }
  vec<bool> moves(operands + 1, false), result_moves(results, false);
  bool any = false;
  for (int k = 0; k < operands; ++k) moves[k] = t[in[k]] != 0xffff, any = any || moves[k];
  loop_tangents out{i, {}};
  if (!any) return out;
  graph body[2] = {body_of(g, i), graph()};
  if (x.has_two_bodies()) body[1] = body_of(g, i, true);
  for (bool grows = true; grows;) {  // what is carried and moves in any step has a tangent from the first on
    grows = false;
    for (int b = 0; b < bodies; ++b) {
      vec<bool> on(body[b].size(), false);
      for (int k = 0; k < body[b].size(); ++k) {
        const instruction& y = body[b].at(k);
        on[k] = y.op == code::leaf && moves[y.a];
        if (!y.reads_shape()) for_operands(y, body[b].descr(k), [&](uint16 o) { on[k] = on[k] || on[o]; });
        if (!y.is_loop() && y.op != code::list) on[k] = on[k] && is_floating(y.type);
        if (y.op != code::output || !on[k]) continue;
        result_moves[y.b] = true;
        if (y.b < counts.carries && !moves[y.b]) moves[y.b] = grows = true;
      }
    }
  }
  for (int r = 0; r < counts.carries; ++r) result_moves[r] = moves[r];
  // operands of the new body: of each kind the old ones, then the tangents of those that move
  vec<int> number(2 * operands + 2, -1);  // operand k: [k], its tangent: [operands + 1 + k]
  vec<sym> given;
  loop_body grown;
  grown.recompute = counts.recompute;
  const auto take = [&](int from, int to, auto tangent) {
    const int before = given.size();
    for (int k = from; k < to; ++k) number[k] = given.size(), given.push(g.at_sym(in[k]));
    for (int k = from; k < to; ++k)
      if (moves[k]) number[operands + 1 + k] = given.size(), given.push(tangent(k));
    return static_cast<uint16>(given.size() - before);
  };
  const auto tangent_or_zero = [&](int k) { return t[in[k]] == 0xffff ? zero_as(g.at_sym(in[k])) : g.at_sym(t[in[k]]); };
  grown.carries = take(0, counts.carries, tangent_or_zero);
  grown.stacked = take(counts.carries, counts.carries + counts.stacked, tangent_or_zero);
  grown.constants = take(counts.carries + counts.stacked, operands, tangent_or_zero);
  number[operands] = given.size();
  out.number = vec<int>(results, -1);
  int carries = counts.carries, slices = 0, sums = 0;
  for (int r = 0; r < results; ++r)
    if (result_moves[r]) out.number[r] = r < counts.carries ? carries++ : r < counts.carries + counts.slices ? slices++ : sums++;
  grown.slices = static_cast<uint16>(slices), grown.sums = static_cast<uint16>(sums);

  const vec<bool> none(2 * operands + 2, false);
  graph made[2];
  for (int b = 0; b < bodies; ++b) {
    graph m = body[b];
    const int size = m.size();
    vec<uint16> primals, seeds;
    for (int k = 0; k < size; ++k) {
      const instruction y = m.at(k);
      if (y.op != code::leaf || !moves[y.a]) continue;
      primals.push(static_cast<uint16>(k)), seeds.push(m.leaf(operands + 1 + y.a, y.type, y.rank, m[k].ones).id);
    }
    const vec<uint16> inner = forward_mode(m, primals, seeds);
    batched_copy c(m, made[b]);
    c.give_operands(number, none);
    for (int k = 0; k < size; ++k) {
      const instruction y = m.at(k);
      if (y.op != code::output) continue;
      const sym value = c.value(y.a);
      const int summed_to = y.c ? number[y.c - 1] : -1, r = y.b;
      if (r < counts.carries) made[b].output(value, r, summed_to);
      if (!result_moves[r]) continue;
      const int to = out.number[r] + (r < counts.carries ? 0 : grown.carries + (r < counts.carries + counts.slices ? 0 : slices));
      made[b].output(inner[y.a] == 0xffff ? zero_as(value) : c.value(inner[y.a]), to, summed_to);
    }
  }
  int more = x.c;
  if (x.op == code::cond) more = add_body(g, grown, made[1]);
  if (x.op == code::while_loop) {
    graph test;
    batched_copy c(body[1], test);
    c.give_operands(number, none);
    for (int k = 0; k < body[1].size(); ++k)
      if (body[1].at(k).op == code::output) test.output(c.value(body[1].at(k).a), 0);
    loop_body of_test;
    of_test.constants = static_cast<uint16>(grown.operand_count()), of_test.sums = 1;
    more = add_body(g, of_test, test);
  }
  out.made = g.loop(x.op, list_of(g, given), add_body(g, grown, made[0]), more);
  return out;
}

/// Appends the tangents of instructions 0 .. n - 1, given those of the instructions `primals` in `seeds`, which have the same shapes.
/// Returns the tangent of each, of its shape and dtype, or 0xffff where it is 0.
///
/// An element-wise op's rule is linear in dy, element by element: for y = f(a, b), t_y = rule(dy = t_a).a + rule(dy = t_b).b, where
/// for reductions t_y = sum over the dims of rule(dy = t_x), whose dy may have x's shape as well as y's.
constexpr vec<uint16> forward_mode(graph& g, const vec<uint16>& primals, const vec<uint16>& seeds) {
  const int n = g.size();
  vec<uint16> t(n, 0xffff), shape(n, 0xffff);  // instructions of equal `shape` have equal shapes
  vec<loop_tangents> loops;
  for (int i = 0; i < primals.size(); ++i) t[primals[i]] = seeds[i];
  for (int i = 0; i < n; ++i) {
    const instruction x = g.at(i);
    const op_descr* const op = g.descr(i);
    shape[i] = static_cast<uint16>(i);
    if (x.op == code::cast || x.op == code::index || x.op == code::roll) shape[i] = shape[x.a];
    if (x.op == code::expand) shape[i] = shape[x.b];
    if (x.is_op()) {
      uint16 common = 0xffff;
      bool one = true;
      for_operands(x, op->arity, [&](uint16 o) {
        if (g.at(o).rank == 0) return;
        one = one && (common == 0xffff || common == shape[o]);
        common = shape[o];
      });
      if (one && common != 0xffff) shape[i] = common;
    }
    if (x.is_loop()) {
      loops.push(loop_forward(g, i, t));
      continue;
    }
    if (t[i] != 0xffff || !is_floating(x.type)) continue;
    const auto tangent = [&](uint16 o) { return t[o] == 0xffff ? sym{} : g.at_sym(t[o]); };
    const auto add = [](sym a, sym b) { return a.none() ? b : b.none() ? a : apply_sym<op::add>(a, b); };
    sym y;
    switch (x.op) {
      case code::leaf: case code::scalar: case code::literal: case code::index: case code::extent: case code::window: case code::output: break;
      case code::cast:
        if (const sym a = tangent(x.a); !a.none()) y = a;
        break;
      case code::expand:
        if (const sym a = tangent(x.a); !a.none()) y = g.expand(a, g.at_sym(x.b));
        break;
      case code::squeeze:
        if (const sym a = tangent(x.a); !a.none()) y = g.squeeze(a, {x.b, g.at(x.a).rank - x.rank});
        break;
      case code::unsqueeze:
        if (const sym a = tangent(x.a); !a.none()) y = g.unsqueeze(a, {x.b, x.rank - g.at(x.a).rank});
        break;
      case code::reduce: {
        const sym a = tangent(x.a), in = g.at_sym(x.a);
        if (a.none()) break;
        sym out[3];
        op->rule(a, g.at_sym(i), &in, {x.b, 0}, out);
        if (!out[0].none() && !is_zero(out[0])) y = sum_sym(out[0], {x.b, 0});
        break;
      }
      case code::roll:
        if (const sym a = tangent(x.a); !a.none()) y = g.roll(a, roll_dim(x), roll_amount(x));
        break;
      case code::element:
        for (int k = 0; k < loops.size(); ++k) {
          if (loops[k].loop != x.a || loops[k].made.none()) continue;
          const loop_output which = loop_output::decode(x.b);
          const int number = loops[k].number[which.result(loop_body::decode(g.pool()[g.at(x.a).b]))];
          if (number >= 0) y = g.element(loops[k].made, {which.kind, static_cast<uint16>(number)}, x.type, x.rank);
        }
        break;
      case code::list: case code::scan: case code::cond: case code::while_loop: break;
      case code::contract: {
        const contraction s = contraction::decode(g.pool()[x.c]);
        const sym a = tangent(x.a), b = tangent(x.b);
        if (!a.none()) y = g.contract(a, g.at_sym(x.b), s);
        if (!b.none()) y = add(y, g.contract(g.at_sym(x.a), b, s));
        break;
      }
      case code::convolve: {
        const sym a = tangent(x.a), b = tangent(x.b);
        if (!a.none()) y = g.convolve(a, g.at_sym(x.b), g.at_sym(x.c));
        if (!b.none()) y = add(y, g.convolve(g.at_sym(x.a), b, g.at_sym(x.c)));
        break;
      }
      default: {
        const sym in[] = {g.at_sym(x.a), g.at_sym(x.b), g.at_sym(x.c)};
        bool whole = x.rank == 0;  // has it y's shape?
        for (int k = 0; k < op->arity; ++k) {
          const sym a = tangent(in[k].id);
          if (a.none()) continue;
          sym out[3];
          op->rule(a, g.at_sym(i), in, {}, out);
          if (out[k].none() || is_zero(out[k])) continue;
          y = add(y, out[k]);
          whole = whole || shape[in[k].id] == shape[i];
        }
        if (!y.none() && !whole) y = g.expand(y, g.at_sym(i));
      }
    }
    if (!y.none()) t[i] = g.cast(y, x.type).id;
  }
  return t;
}

}  // namespace sinter::inline v0::detail::inline SINTER_TARGET
