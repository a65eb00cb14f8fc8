// SPDX-License-Identifier: BSD-3-Clause
// Reverse mode as a transform of graphs: the adjoint of a program is more instructions of the same graph, merged
// with the forward ones by hash-consing. It knows nothing of kernels, devices or storage.
#pragma once
#include "../op/reduction.hpp"
#include "loop.hpp"
#include "sym.hpp"

namespace sinter::inline v0::detail::inline SINTER_TARGET {

/// Dims as an `axes` of known mask.
constexpr axes mask_axes(uint32 mask) { return {mask, count_bits(mask)}; }

constexpr sym sum_sym(sym x, axes d) { return reduce_sym<op::sum>(x, d); }

/// Brings the gradient `d`, of y's shape, to the shape of y's operand `v` as far as the graph knows it:
/// dims that v lacks or that are known to be 1 are summed.
constexpr sym sum_to_operand(graph& g, sym d, sym v, sym y) {
  const graph::item vi = g[v.id], yi = g[y.id];
  const int lead = yi.ins.rank - vi.ins.rank;
  const uint32 missing = (1u << lead) - 1;
  const uint32 ones = static_cast<uint32>(vi.ones) << lead & ~static_cast<uint32>(yi.ones);
  if (missing | ones) d = sum_sym(d, mask_axes(missing | ones));
  if (missing) d = g.squeeze(d, mask_axes(missing));
  if (vi.tag && vi.tag != yi.tag && vi.ins.rank > 0) d = sum_sym(d, {vi.tag, 0});
  return d;
}

/// A share of the gradient of instruction `of`.
struct gradient_share {
  uint16 of = 0;
  sym value;
};
/// Appends the adjoint of loop i, given the gradients `d` of its elements; returns what its operands get (expr/derive.hpp).
constexpr vec<gradient_share> loop_adjoint(graph& g, int i, const vec<bool>& active, const vec<uint16>& d);

/// Appends the gradients of the values in `roots`, given their cotangents in `seeds`, with respect to the
/// instructions marked in `wanted`. Returns, for each instruction of the forward part, the id of its gradient
/// or 0xffff where there is none.
constexpr vec<uint16> adjoint(graph& g, const vec<uint16>& roots, const vec<uint16>& seeds, const vec<bool>& wanted) {
  const int n = wanted.size();
  vec<bool> active(n, false);
  for (int i = 0; i < n; ++i) {
    const instruction x = g.at(i);
    bool on = wanted[i], number = is_floating(x.type);
    switch (x.op) {
      case code::leaf: case code::scalar: case code::literal: case code::index: case code::extent: case code::window: case code::output: break;
      case code::expand: case code::cast: case code::squeeze: case code::unsqueeze: case code::reduce: case code::roll: case code::element:
        on = on || active[x.a];
        break;
      case code::list: case code::scan: case code::cond: case code::while_loop: on = active[x.a] || (x.op == code::list && x.c && active[x.b]), number = true; break;
      case code::contract: case code::convolve: on = on || active[x.a] || active[x.b]; break;
      default: {
        const int k = g.descr(i)->arity;
        on = on || active[x.a] || (k > 1 && active[x.b]) || (k > 2 && active[x.c]);
      }
    }
    active[i] = on && number;
  }

  vec<uint16> d(n, 0xffff);
  auto give = [&](int to, sym v) {
    if (v.none() || !active[to]) return;
    v = g.cast(v, g.at(to).type);
    d[to] = d[to] == 0xffff ? v.id : apply_sym<op::add>(g.at_sym(d[to]), v).id;
  };
  for (int i = 0; i < roots.size(); ++i)
    if (active[roots[i]]) give(roots[i], g.at_sym(seeds[i]));

  for (int i = n - 1; i >= 0; --i) {
    const instruction x = g.at(i);
    if (x.is_loop()) {
      if (!active[i]) continue;
      const vec<gradient_share> shares = loop_adjoint(g, i, active, d);
      for (int k = 0; k < shares.size(); ++k) give(shares[k].of, shares[k].value);
      continue;
    }
    if (d[i] == 0xffff) continue;
    const sym y = g.at_sym(i), dy = g.at_sym(d[i]);
    switch (x.op) {
      case code::leaf: case code::scalar: case code::literal: case code::index: case code::extent: case code::window: case code::output: break;
      case code::element: case code::list: break;  // with the loop
      case code::roll: give(x.a, g.roll(dy, roll_dim(x), -roll_amount(x))); break;
      case code::cast: give(x.a, dy); break;
      case code::expand: give(x.a, sum_to_operand(g, dy, g.at_sym(x.a), y)); break;
      case code::squeeze:  // a number stays one: it needs no memory
        if (g.at(dy.id).op == code::literal) give(x.a, g.expand(dy, g.at_sym(x.a)));
        else give(x.a, g.unsqueeze(dy, {x.b, g.at(x.a).rank - x.rank}));
        break;
      case code::unsqueeze: give(x.a, g.squeeze(dy, {x.b, x.rank - g.at(x.a).rank})); break;
      case code::reduce: {
        const sym in = g.at_sym(x.a);
        sym out[3];
        g.descr(i)->rule(dy, y, &in, {x.b, 0}, out);
        give(x.a, out[0]);
        break;
      }
      case code::contract: {
        const contraction s = contraction::decode(g.pool()[x.c]);
        contraction da{s.rank_c, s.rank_b, s.rank_a, {}}, db{s.rank_a, s.rank_c, s.rank_b, {}};
        for (int k = 0; k < s.rank_c; ++k) da.a(k) = s.c(k), db.b(k) = s.c(k);
        for (int k = 0; k < s.rank_b; ++k) da.b(k) = s.b(k), db.c(k) = s.b(k);
        for (int k = 0; k < s.rank_a; ++k) da.c(k) = s.a(k), db.a(k) = s.a(k);
        if (active[x.a]) give(x.a, g.contract(dy, g.at_sym(x.b), da));
        if (active[x.b]) give(x.b, g.contract(g.at_sym(x.a), dy, db));
        break;
      }
      case code::convolve: {  // the two other faces, of dy and the other operand
        const instruction window = g.at(x.c);
        const auto face = window_face::decode(window.c).kind;
        const sym a = g.at_sym(x.a), b = g.at_sym(x.b);
        const auto give_face = [&](window_face::kind_t kind, sym p, sym q, sym like) {
          if (active[like.id]) give(like.id, g.convolve(p, q, g.window(like, {window.b, 0}, {kind, true, window_face::decode(window.c).dims})));
        };
        if (face == window_face::y) give_face(window_face::x, dy, b, a), give_face(window_face::w, a, dy, b);
        else if (face == window_face::x) give_face(window_face::y, dy, b, a), give_face(window_face::w, dy, a, b);
        else give_face(window_face::x, b, dy, a), give_face(window_face::y, a, dy, b);
        break;
      }
      default: {
        const op_descr* op = g.descr(i);
        const sym in[] = {g.at_sym(x.a), g.at_sym(x.b), g.at_sym(x.c)};
        sym out[3];
        op->rule(dy, y, in, {}, out);
        for (int k = 0; k < op->arity; ++k)
          if (!out[k].none() && active[in[k].id]) give(in[k].id, sum_to_operand(g, out[k], in[k], y));
      }
    }
  }
  return d;
}

}  // namespace sinter::inline v0::detail::inline SINTER_TARGET
