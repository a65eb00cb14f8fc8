// SPDX-License-Identifier: BSD-3-Clause
// From a statement's program to two: forward with what backward will need as further results, and backward over
// leaves, the gradient of the result, and what was saved. Values only: no storage, no devices.
#pragma once
#include "adjoint.hpp"
#include "program.hpp"

namespace sinter::inline v0::detail::inline SINTER_TARGET {

/// What the pair of programs agree on.
struct derivation {
  vec<uint16> saved;        ///< instructions of the merged graph that forward saves, in the order of its results 1, 2, ...
  vec<bool> leaf_read;      ///< does backward read the elements of this operand?
  vec<bool> leaf_replayed;  ///< does `replay`?
  vec<int16> grad_of;       ///< result of backward that is the gradient of this operand, -1: none
  graph forward, backward;
  graph replay;             ///< the gradients as a function of everything that they depend on: saved values that are
                            ///< neither the result nor a choice are computed again from the operands
  int saves_results = 0;    ///< bits: which of the statement's own results are saved; they are the first of `saved`
};

/// Which graphs of a derivation are wanted: bits.
inline constexpr int forward_part = 1, backward_part = 2, replay_part = 4, all_parts = 7;

/// Instructions that depend on one of `ids`.
constexpr vec<bool> dependents(const graph& g, const vec<uint16>& ids) {
  vec<bool> on(g.size(), false);
  for (int k = 0; k < ids.size(); ++k) on[ids[k]] = true;
  for (int i = ids[0] + 1; i < g.size(); ++i)
    for_operands(g.at(i), g.descr(i), [&](uint16 o) { on[i] = on[i] || on[o]; });
  return on;
}

/// Copies the instructions marked in `need` from `g` to `to`; those that `map` knows already are taken from there.
/// What is known of a value (dims of extent 1, dtype) is copied with it.
constexpr void copy_marked(const graph& g, const vec<bool>& need, graph& to, vec<uint16>& map) {
  to.reads_parts = g.reads_parts;
  vec<uint16> op(g.ops().size(), 0xffff);
  for (int i = 0; i < g.size(); ++i) {
    if (!need[i] || map[i] != 0xffff) continue;
    graph::item it = g[i];
    instruction& x = it.ins;
    const op_descr* d = g.descr(i);
    if (x.op == code::leaf) {
      x.c = x.c ? static_cast<uint16>(1 + to.pool(g.pool()[x.c - 1])) : uint16{0};
    } else if (x.op == code::literal) {
      x.a = static_cast<uint16>(to.pool(g.pool()[x.a]));
    } else if (x.op != code::scalar) {
      const int n = operands_read(x, x.is_op() ? d->arity : 1);
      x.a = map[x.a];
      if (n > 1) x.b = map[x.b];
      if (n > 2) x.c = map[x.c];
      if (x.op == code::contract) x.c = static_cast<uint16>(to.pool(g.pool()[x.c]));
      if (x.is_loop()) move_body(g, x, [&](const vec<uint64>& run) { return to.pool(run); }, [&](const op_descr* o) { return to.op_number(o); });
      if (x.is_op() || x.op == code::reduce) {
        uint16& number = op[x.is_op() ? x.op_index() : x.c];
        if (number == 0xffff) number = static_cast<uint16>(to.op_number(d));
        if (x.is_op()) x.op = static_cast<code>(static_cast<int>(code::first_op) + number);
        else x.c = number;
      }
    }
    map[i] = to.add_new(it).id;
  }
}

constexpr bool is_elementwise(const graph& g, int i) { return g.at(i).is_op() || g.at(i).op == code::cast; }

/// Instructions whose shapes broadcast into the shape of `id`, element by element.
constexpr vec<bool> broadcasts_into(const graph& g, int id) {
  vec<bool> on(g.size(), false);
  on[id] = true;
  for (int i = id; i >= 0; --i) {
    if (!on[i]) continue;
    if (g.at(i).op == code::expand) on[g.at(i).b] = true;
    else if (is_elementwise(g, i)) for_operands(g.at(i), g.descr(i), [&](uint16 o) { on[o] = true; });
  }
  return on;
}

/// A program and its adjoint in one graph.
struct merged_graph {
  graph g;
  int operands = 0;
  int forward = 0;        ///< instructions of the program; the adjoint's follow
  vec<uint16> roots = {}; ///< the results: one, or the parts of a complex one
  vec<uint16> dys = {};   ///< their gradients, leaves
  vec<bool> wanted = {};  ///< forward instructions whose gradients are asked for
  vec<uint16> d = {};     ///< the gradients of forward instructions, 0xffff: none
};
/// `g` holds one program. `variable[k]`: operand k wants a gradient; `roots`, if given: the outputs from which it comes.
constexpr merged_graph differentiate(graph from, int operand_count, const vec<bool>& variable, const vec<bool>* roots = nullptr) {
  merged_graph out{static_cast<graph&&>(from)};
  graph& g = out.g;
  const int n = out.forward = g.size();
  out.operands = operand_count;
  for (int i = 0; i < n; ++i)
    if (g.at(i).op == code::output && (!roots || (*roots)[g.at(i).b])) out.roots.push(g.at(i).a);  // in order
  out.wanted = vec<bool>(n, false);
  for (int i = 0; i < n; ++i) out.wanted[i] = g.at(i).op == code::leaf && variable[g.at(i).a] && is_floating(g.at(i).type);
  for (int r = 0; r < out.roots.size(); ++r) {
    const int root = out.roots[r];
    out.dys.push(g.leaf(operand_count + r, g.at(root).type, g.at(root).rank, g[root].ones).id);
  }
  out.d = adjoint(g, out.roots, out.dys, out.wanted);
  return out;
}

/// `in_loop`: of a loop's body, where the slices of a while_loop cannot be kept: each step has another number of them.
/// `recompute`: nothing is kept but operands.
constexpr derivation derive(const merged_graph& merged, int parts = all_parts, bool in_loop = false, bool recompute = false) {
  derivation out;
  const graph& g = merged.g;
  const int n = merged.forward, operand_count = merged.operands, results = merged.roots.size();
  const int first_saved = operand_count + results;  // operands of backward: the statement's, the gradients, what is saved
  const vec<bool>& wanted = merged.wanted;
  const vec<uint16>& d = merged.d;
  const int size = g.size();
  const vec<bool> by_dy = dependents(g, merged.dys);
  vec<bool> is_root(size, false), is_dy(size, false);
  for (int r = 0; r < results; ++r) is_root[merged.roots[r]] = is_dy[merged.dys[r]] = true;

  // what backward reads, by value and by shape
  vec<bool> value(size, false), shape(size, false), saved(size, false);
  vec<bool> stored(size, false);  // operands of products: in memory anyway
  for (int i = 0; i < n; ++i) {
    if (g.at(i).is_product()) stored[g.at(i).a] = stored[g.at(i).b] = true;
    if (g.at(i).op == code::list) stored[g.at(i).a] = true;
  }
  auto exact = [&](int i) {  // the same bits when read again
    while (g.at(i).op == code::squeeze || g.at(i).op == code::unsqueeze || g.at(i).op == code::expand || g.at(i).op == code::cast ||
           g.at(i).op == code::roll)
      i = g.at(i).a;
    const code c = g.at(i).op;
    return is_root[i] || stored[i] || g.at(i).is_source() || c == code::reduce || c == code::element || g.at(i).is_product() || c == code::index || c == code::extent;
  };
  // what may have another shape at every step of the loop around: no slices of a stack
  vec<bool> ragged(size, false);
  for (int i = 0; i < size && in_loop; ++i) {
    const instruction& x = g.at(i);
    ragged[i] = x.op == code::element && g.at(x.a).op == code::while_loop && loop_output::decode(x.b).kind == loop_output::slice;
    for_operands(x, g.descr(i), [&](uint16 o) { ragged[i] = ragged[i] || ragged[o]; });
  }
  for (int i = 0; i < n; ++i)
    if (wanted[i] && d[i] != 0xffff) value[d[i]] = true;
  for (int i = size - 1; i >= 0; --i) {
    const instruction& x = g.at(i);
    if (x.is_source()) continue;
    const bool may_save = !recompute && !ragged[i];
    if (value[i]) {
      if (!by_dy[i]) {
        bool keep = is_root[i] || x.op == code::reduce || (x.op == code::element && !(in_loop && g.at(x.a).op == code::while_loop)) || x.is_product() || (stored[i] && is_elementwise(g, i)) ||
                    (in_loop && x.is_op() && g.descr(i)->is_function());
        if (x.is_op() && g.descr(i)->info.discontinuous) {
          bool all_exact = true;
          for_operands(x, g.descr(i), [&](uint16 o) { all_exact = all_exact && exact(o); });
          keep = keep || !all_exact;
        }
        if (keep && may_save) { saved[i] = true; continue; }
      }
      if (x.op == code::expand) value[x.a] = true, shape[x.b] = true;
      else if (x.reads_shape()) shape[x.a] = true;
      else for_operands(x, g.descr(i), [&](uint16 o) { value[o] = true; });
    } else if (shape[i]) {
      if (is_root[i] && !by_dy[i]) { saved[i] = x.is_product() && may_save; if (saved[i]) continue; }
      if (x.op == code::contract && !by_dy[i] && may_save) { saved[i] = true; continue; }
      if (x.op == code::expand) shape[x.b] = true;
      else for_operands(x, g.descr(i), [&](uint16 o) { shape[o] = true; });
    }
  }

  // forward: the results, then what is saved (of the results themselves those first that are)
  vec<bool> need(size, false);
  for (int r = 0; r < results; ++r) {
    const int root = merged.roots[r];
    need[root] = true;
    if (saved[root] && !(r && root == merged.roots[0])) out.saved.push(merged.roots[r]), out.saves_results |= 1 << r;
  }
  for (int i = 0; i < size; ++i)
    if (saved[i]) {
      need[i] = true;
      if (!is_root[i]) out.saved.push(static_cast<uint16>(i));
    }
  for (int i = size - 1; i >= 0; --i)
    if (need[i]) for_operands(g.at(i), g.descr(i), [&](uint16 o) { need[o] = true; });
  if (parts & forward_part) {
    vec<uint16> map(size, 0xffff);
    copy_marked(g, need, out.forward, map);
    for (int r = 0; r < results; ++r) out.forward.output(out.forward.at_sym(map[merged.roots[r]]), r);
    int number = results;
    for (int k = 0; k < out.saved.size(); ++k)
      if (!is_root[out.saved[k]]) out.forward.output(out.forward.at_sym(map[out.saved[k]]), number++);
  }

  // backward: saved values are leaves behind the operands and the gradients
  vec<uint16> back(size, 0xffff);
  vec<bool> mark(size, false);
  for (int r = 0; r < results; ++r) {
    const vec<bool> into = broadcasts_into(g, merged.roots[r]);
    uint64 covers = 0;
    for (int i = 0; i < n; ++i)
      if (into[i] && g.at(i).op == code::leaf && g.at(i).a < 64) covers |= uint64{1} << g.at(i).a;
    for (int k = 0; k < out.saved.size() && first_saved + k < 64; ++k) {
      const vec<bool> from = broadcasts_into(g, out.saved[k]);
      bool all = true;
      for (int i = 0; i < size; ++i) all = all && (!from[i] || into[i] || is_elementwise(g, i) || g.at(i).rank == 0);
      if (all) covers |= uint64{1} << (first_saved + k);
    }
    const int dy = merged.dys[r];
    back[dy] = out.backward.leaf(operand_count + r, g.at(dy).type, g.at(dy).rank, g[dy].ones, covers).id;
  }
  for (int k = 0; k < out.saved.size(); ++k) {
    const int i = out.saved[k];
    // a saved row value is [.., 1]: known to be 1 along the dims it was reduced over
    graph::item it{graph::make(code::leaf, g.at(i).type, g.at(i).rank, first_saved + k)};
    it.ones = g[i].ones, it.tag = g[i].tag;
    back[i] = out.backward.add(it).id;
  }
  // the same from scratch, where derivatives of derivatives are wanted
  vec<bool> again(size, false);
  auto given = [&](int i) { return is_dy[i] || (saved[i] && is_root[i]) || (saved[i] && g.at(i).is_op() && g.descr(i)->info.discontinuous); };
  for (int i = 0; i < n; ++i)
    if (wanted[i] && d[i] != 0xffff) again[d[i]] = true;
  for (int i = size - 1; i >= 0; --i)
    if (again[i] && !given(i)) for_operands(g.at(i), g.descr(i), [&](uint16 o) { again[o] = true; });
  out.leaf_replayed = vec<bool>(operand_count, false);
  for (int i = 0; i < n; ++i)
    if (again[i] && g.at(i).op == code::leaf) out.leaf_replayed[g.at(i).a] = true;
  vec<uint16> anew(size, 0xffff);
  if (parts & replay_part) {
    auto as_leaf = [&](int i, int number) { anew[i] = out.replay.leaf(number, g.at(i).type, g.at(i).rank, g[i].ones).id; };
    for (int r = 0; r < results; ++r) {
      as_leaf(merged.dys[r], operand_count + r);
      const int root = merged.roots[r];
      if (again[root] && saved[root] && !(r && root == merged.roots[0])) as_leaf(root, first_saved + out.saved.size() + r);
    }
    for (int k = 0; k < out.saved.size(); ++k)
      if (again[out.saved[k]] && given(out.saved[k]) && !is_root[out.saved[k]]) as_leaf(out.saved[k], first_saved + k);
    copy_marked(g, again, out.replay, anew);
  }
  out.leaf_read = vec<bool>(operand_count, false);
  out.grad_of = vec<int16>(operand_count, -1);
  for (int i = size - 1; i >= 0; --i) {
    if (saved[i] || is_dy[i]) continue;
    if (g.at(i).op == code::leaf && value[i]) out.leaf_read[g.at(i).a] = true;
    mark[i] = value[i] || shape[i];
  }
  if (parts & backward_part) copy_marked(g, mark, out.backward, back);
  int16 result = 0;
  for (int i = 0; i < n; ++i)
    if (wanted[i] && d[i] != 0xffff) {
      if (parts & backward_part) out.backward.output(out.backward.at_sym(back[d[i]]), result, g.at(i).a);
      if (parts & replay_part) out.replay.output(out.replay.at_sym(anew[d[i]]), result, g.at(i).a);
      out.grad_of[g.at(i).a] = result++;
    }
  return out;
}

/// The adjoint of a branch is a branch: the chosen body's adjoint, which computes what it needs again.
constexpr vec<gradient_share> cond_adjoint(graph& g, int i, const vec<bool>& active, const vec<uint16>& d) {
  const loop_body counts = loop_body::decode(g.pool()[g.at(i).b]);
  vec<sym> operands;
  for (int cell = g.at(i).a;; cell = g.at(cell).b) {
    operands.push(g.at_sym(g.at(cell).a));
    if (!g.at(cell).c) break;
  }
  const int n = operands.size();
  vec<bool> variable(n + 1, false), roots(counts.sums, false);
  for (int k = 0; k < n; ++k) variable[k] = active[operands[k].id] && is_floating(g.at(operands[k].id).type);
  for (int r = 0; r < counts.sums; ++r)
    for (int e = 0; e < d.size(); ++e)
      if (g.at(e).op == code::element && g.at(e).a == i && d[e] != 0xffff && loop_output::decode(g.at(e).b).number == r) roots[r] = true, operands.push(g.at_sym(d[e]));
  if (operands.size() == n) return {};
  loop_body back;
  back.constants = static_cast<uint16>(operands.size());
  int bodies[2] = {};
  for (int b = 0; b < 2; ++b) {
    const merged_graph merged = differentiate(body_of(g, i, b), n, variable, &roots);
    const graph& m = merged.g;
    graph out;
    vec<bool> need(m.size(), false);
    vec<uint16> map(m.size(), 0xffff);
    vec<int> leaf(n, -1);
    for (int k = 0; k < merged.forward; ++k)
      if (m.at(k).op == code::leaf) {
        leaf[m.at(k).a] = k;
        if (merged.wanted[k] && merged.d[k] != 0xffff) need[merged.d[k]] = true;
      }
    for (int k = m.size() - 1; k >= 0; --k)
      if (need[k]) for_operands(m.at(k), m.descr(k), [&](uint16 o) { need[o] = true; });
    copy_marked(m, need, out, map);
    // seeds were numbered in the order of the outputs in the body, the operands are in the order of the results
    int seed = 0;
    vec<int> seeds(n + operands.size(), -1);
    for (int k = 0; k < merged.forward; ++k) {
      if (m.at(k).op != code::output || !roots[m.at(k).b]) continue;
      int at = n;
      for (int r = 0; r < m.at(k).b; ++r) at += roots[r];
      seeds[n + seed++] = at;
    }
    out.renumber([&](int operand) { return operand < n ? operand : seeds[operand]; }, [](const instruction& x) { return x.b; });
    int result = 0;
    for (int k = 0; k < n; ++k) {
      if (!variable[k]) continue;
      const instruction like = g.at(operands[k].id);
      const bool has = leaf[k] >= 0 && merged.wanted[leaf[k]] && merged.d[leaf[k]] != 0xffff;
      out.output(has ? out.at_sym(map[merged.d[leaf[k]]]) : zero_as(out.leaf(k, like.type, like.rank)), result++, k);
    }
    back.sums = static_cast<uint16>(result);
    bodies[b] = add_body(g, back, out);
  }
  const sym branch = g.loop(code::cond, list_of(g, operands), bodies[0], bodies[1]);
  vec<gradient_share> shares;
  for (int k = 0; k < n; ++k) {
    if (!variable[k]) continue;
    const instruction x = g.at(operands[k].id);
    shares.push({operands[k].id, g.element(branch, {loop_output::sum, static_cast<uint16>(shares.size())}, x.type, x.rank)});
  }
  return shares;
}
/// The adjoint of a loop is the loop over its steps in the other order: it carries the gradients of the carried values, reads and
/// writes slices, and sums the gradients of constants. What a step of it needs from the step before, the loop gives as further slices.
constexpr vec<gradient_share> loop_adjoint(graph& g, int i, const vec<bool>& active, const vec<uint16>& d) {
  if (g.at(i).op == code::cond) return cond_adjoint(g, i, active, d);
  const graph body = body_of(g, i);
  const loop_body counts = loop_body::decode(g.pool()[g.at(i).b]);
  const int operands = counts.operand_count(), results = counts.result_count(), carries = counts.carries, step = operands;
  vec<uint16> in, cotangent(results, 0xffff), value(results, 0xffff);
  for (int cell = g.at(i).a;; cell = g.at(cell).b) {
    in.push(g.at(cell).a);
    if (!g.at(cell).c) break;
  }
  bool any = false;
  for (int e = 0; e < d.size(); ++e)
    if (g.at(e).op == code::element && g.at(e).a == i && d[e] != 0xffff) cotangent[loop_output::decode(g.at(e).b).result(counts)] = d[e], any = true;
  if (!any) return {};
  for (int k = 0; k < body.size(); ++k)
    if (body.at(k).op == code::output) value[body.at(k).b] = static_cast<uint16>(k);
  // who wants a gradient: what starts as such, and what becomes such on the way
  vec<bool> variable(operands + 1, false), roots(results, false);
  for (int k = 0; k < operands; ++k) variable[k] = active[in[k]] && is_floating(g.at(in[k]).type);
  for (bool grows = true; grows;) {
    grows = false;
    vec<bool> on(body.size(), false);
    for (int k = 0; k < body.size(); ++k) {
      const instruction& x = body.at(k);
      on[k] = x.op == code::leaf && variable[x.a];
      if (!x.reads_shape()) for_operands(x, body.descr(k), [&](uint16 o) { on[k] = on[k] || on[o]; });
      if (x.op != code::output || x.b >= carries || variable[x.b] || !on[k] || !is_floating(x.type)) continue;
      variable[x.b] = grows = true;
    }
  }
  for (int r = 0; r < results; ++r) roots[r] = r < carries ? variable[r] : cotangent[r] != 0xffff;

  const merged_graph merged = differentiate(body, step + 1, variable, &roots);
  const derivation parts = derive(merged, backward_part, true, counts.recompute);
  const graph& m = merged.g;
  // what the adjoint's body reads of the loop's steps: slices that are there, and new ones
  vec<uint16> slices;
  for (int r = carries; r < carries + counts.slices; ++r) slices.push(body.at(value[r]).a);
  const auto slice_of = [&](int id) {
    for (int s = 0; s < slices.size(); ++s)
      if (slices[s] == id) return s;
    slices.push(static_cast<uint16>(id));
    return slices.size() - 1;
  };
  vec<sym> starts, stacked, constants;
  vec<int> number(step + 1 + results + parts.saved.size() + 1, -1);  // of the operands of parts.backward in the new body
  enum { carried = 0, sliced = 1 << 12, constant = 1 << 13 };        // by kind, till the counts are known
  const auto stack = [&](sym x) { return stacked.push(x), sliced + stacked.size() - 1; };
  const auto residual = [&](int id) {
    const instruction x = m.at(id);
    return stack(g.element(g.at_sym(i), {loop_output::slice, static_cast<uint16>(slice_of(id))}, x.type, x.rank + 1));
  };
  vec<int> gradient_of(operands, -1);  // number of the carried gradient of carried value k
  int root = 0;
  for (int k = 0; k < m.size() && root < merged.roots.size(); ++k) {
    if (m.at(k).op != code::output || !roots[m.at(k).b]) continue;
    const int r = m.at(k).b, dy = step + 1 + root++;
    const sym seed = cotangent[r] == 0xffff ? sym{} : g.at_sym(cotangent[r]);
    if (r < carries) {
      gradient_of[r] = starts.size(), number[dy] = carried + starts.size();
      starts.push(seed.none() ? zero_as(g.at_sym(in[r])) : seed);
    } else if (r < carries + counts.slices) {
      number[dy] = stack(seed);
    } else {
      constants.push(seed), number[dy] = constant + constants.size() - 1;
    }
  }
  vec<bool> present(number.size(), false);
  for (int k = 0; k < parts.backward.size(); ++k) {
    const instruction& x = parts.backward.at(k);
    if (x.op == code::leaf) present[x.a] = true;
    if (x.op == code::output && x.c) present[x.c - 1] = true;
  }
  const auto leaf_of = [&](int operand) {
    for (int k = 0; k < m.size(); ++k)
      if (m.at(k).op == code::leaf && m.at(k).a == operand) return k;
    return -1;
  };
  for (int k = 0; k < operands; ++k) {
    if (!present[k]) continue;
    if (k < carries && !parts.leaf_read[k] && gradient_of[k] >= 0) number[k] = carried + gradient_of[k];  // its shape alone
    else if (k < carries) number[k] = residual(leaf_of(k));
    else if (k < carries + counts.stacked) number[k] = stack(g.at_sym(in[k]));
    else constants.push(g.at_sym(in[k])), number[k] = constant + constants.size() - 1;
  }
  for (int s = 0; s < parts.saved.size(); ++s)
    if (present[step + 1 + merged.roots.size() + s]) number[step + 1 + merged.roots.size() + s] = residual(parts.saved[s]);
  scan_mode mode{scan_mode::of_stacked, true, 0};
  if (g.at(i).op == code::scan) mode = scan_mode::decode(g.at(i).c), mode.reverse = !mode.reverse;
  if (mode.length == scan_mode::of_stacked && stacked.size() == 0)
    g.at(i).op == code::scan ? stack(g.at_sym(in[carries])) : residual(leaf_of(0) >= 0 ? leaf_of(0) : m.at(value[0]).a);

  if (slices.size() > counts.slices) {
    graph forward;
    vec<bool> need(m.size(), false);
    vec<uint16> map(m.size(), 0xffff);
    for (int r = 0; r < results; ++r) need[m.at(value[r]).a] = true;
    for (int s = 0; s < slices.size(); ++s) need[slices[s]] = true;
    for (int k = m.size() - 1; k >= 0; --k)
      if (need[k]) for_operands(m.at(k), m.descr(k), [&](uint16 o) { need[o] = true; });
    copy_marked(m, need, forward, map);
    const int more = slices.size() - counts.slices;
    for (int r = 0; r < results; ++r) {
      const instruction x = m.at(value[r]);
      forward.output(forward.at_sym(map[x.a]), r < carries + counts.slices ? r : r + more, x.c - 1);
    }
    for (int s = counts.slices; s < slices.size(); ++s) forward.output(forward.at_sym(map[slices[s]]), carries + s);
    loop_body grown = counts;
    grown.slices = static_cast<uint16>(slices.size());
    g.set_body(i, add_body(g, grown, forward));
  }

  // the new body: operands renumbered, gradients in the order of carried values, slices, sums
  loop_body back;
  back.carries = static_cast<uint16>(starts.size()), back.stacked = static_cast<uint16>(stacked.size()), back.constants = static_cast<uint16>(constants.size());
  vec<int> result(operands + 1, -1);
  for (int k = 0; k < operands; ++k) {
    if (parts.grad_of[k] < 0) continue;
    if (k < carries) result[k] = gradient_of[k];
    else if (k < carries + counts.stacked) result[k] = back.carries + back.slices++;
  }
  for (int k = carries + counts.stacked; k < operands; ++k)
    if (parts.grad_of[k] >= 0) result[k] = back.carries + back.slices + back.sums++;
  const auto final_number = [&](int operand) {
    if (operand == step) return back.operand_count();
    const int n = number[operand];
    return n >= constant ? back.carries + back.stacked + n - constant : n >= sliced ? back.carries + n - sliced : n;
  };
  graph b = parts.backward;
  b.renumber(final_number, [&](const instruction& x) { return result[x.c - 1]; });
  for (int k = 0; k < carries; ++k)
    if (gradient_of[k] >= 0 && parts.grad_of[k] < 0) {
      const instruction like = m.at(leaf_of(k) >= 0 ? leaf_of(k) : m.at(value[k]).a);
      b.output(zero_as(b.leaf(gradient_of[k], like.type, like.rank)), gradient_of[k]);
    }
  for (int k = 0; k < stacked.size(); ++k) starts.push(stacked[k]);
  for (int k = 0; k < constants.size(); ++k) starts.push(constants[k]);
  const sym loop = g.loop(code::scan, list_of(g, starts), add_body(g, back, b), mode.encode());
  vec<gradient_share> shares;
  for (int k = 0; k < operands; ++k) {
    if (!active[in[k]] || (parts.grad_of[k] < 0 && !(k < carries && gradient_of[k] >= 0))) continue;
    const instruction x = g.at(in[k]);
    const int r = k < carries ? gradient_of[k] : result[k];
    loop_output which{loop_output::carry, static_cast<uint16>(r)};
    if (k >= carries + counts.stacked) which = {loop_output::sum, static_cast<uint16>(r - back.carries - back.slices)};
    else if (k >= carries) which = {loop_output::slice, static_cast<uint16>(r - back.carries)};
    shares.push({in[k], g.element(loop, which, x.type, x.rank)});
  }
  return shares;
}

/// A merged_graph of Size instructions, Forward of them the program's, in arrays, to be kept between constant evaluations:
/// they have their limits (clang: a million steps each).
template <int Size, int Forward> struct frozen_graph {
  graph::item items[Size] = {};
  const op_descr* ops[129] = {};
  uint64 pool[Size] = {};
  int op_count = 0, pool_size = 0, operands = 0, results = 0;
  bool reads_parts = false;
  uint16 roots[2] = {}, dys[2] = {};
  bool wanted[Forward] = {};
  uint16 d[Forward] = {};

  constexpr explicit frozen_graph(const merged_graph& m)
      : op_count(m.g.ops().size()), pool_size(m.g.pool().size()), operands(m.operands), results(m.roots.size()), reads_parts(m.g.reads_parts) {
    for (int r = 0; r < results; ++r) roots[r] = m.roots[r], dys[r] = m.dys[r];
    for (int i = 0; i < Size; ++i) items[i] = m.g[i];
    for (int i = 0; i < op_count; ++i) ops[i] = m.g.ops()[i];
    for (int i = 0; i < pool_size; ++i) pool[i] = m.g.pool()[i];
    for (int i = 0; i < Forward; ++i) wanted[i] = m.wanted[i], d[i] = m.d[i];
  }
  constexpr merged_graph thaw() const {
    merged_graph m{graph(items, Size, ops, op_count, pool, pool_size)};
    m.operands = operands, m.forward = Forward, m.g.reads_parts = reads_parts;
    for (int r = 0; r < results; ++r) m.roots.push(roots[r]), m.dys.push(dys[r]);
    m.wanted = vec<bool>(Forward, false), m.d = vec<uint16>(Forward, 0);
    for (int i = 0; i < Forward; ++i) m.wanted[i] = wanted[i], m.d[i] = d[i];
    return m;
  }
};

}  // namespace sinter::inline v0::detail::inline SINTER_TARGET
