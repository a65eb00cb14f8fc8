// SPDX-License-Identifier: BSD-3-Clause
// Forward mode as a transform of graphs: how all values of a program move when some of them do. The rules are those of reverse mode.
// Not here: functions of functions (func/func.hpp). Next: expr/vmap.hpp.
#pragma once
#include "adjoint.hpp"

namespace sinter::inline v0::detail::inline SINTER_TARGET {

/// Is x known to be 0 everywhere?
constexpr bool is_zero(sym x) {
  const instruction& i = x.g->at(x.id);
  return i.op == code::expand ? is_zero(x.g->at_sym(i.a)) : x.g->is_literal(x, 0);
}

/// Appends the tangents of instructions 0 .. n - 1, given those of the instructions `primals` in `seeds`, which have the same shapes.
/// Returns the tangent of each, of its shape and dtype, or 0xffff where it is 0.
///
/// An element-wise op's rule is linear in dy, element by element: for y = f(a, b), t_y = rule(dy = t_a).a + rule(dy = t_b).b, where
/// for reductions t_y = sum over the dims of rule(dy = t_x), whose dy may have x's shape as well as y's.
constexpr vec<uint16> forward_mode(graph& g, const vec<uint16>& primals, const vec<uint16>& seeds) {
  const int n = g.size();
  vec<uint16> t(n, 0xffff), shape(n, 0xffff);  // instructions of equal `shape` have equal shapes
  for (int i = 0; i < primals.size(); ++i) t[primals[i]] = seeds[i];
  for (int i = 0; i < n; ++i) {
    const instruction x = g.at(i);
    const op_descr* const op = g.descr(i);
    shape[i] = static_cast<uint16>(i);
    if (x.op == code::cast || x.op == code::index) shape[i] = shape[x.a];
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
