// SPDX-License-Identifier: BSD-3-Clause
// Shape rules: the shape of every instruction from the operands' shapes, by one function, with static extents at
// compile time (-1 where unknown) and with the real ones at run time.
#pragma once
#include "../error.hpp"
#include "program.hpp"
#include "window.hpp"

namespace sinter::inline v0::detail {

/// A shape of run-time rank; an extent of -1 is not known.
struct shape_value {
  int64 e[max_rank] = {};
  int rank = 0;
  SINTER_INLINE constexpr int64 operator[](int i) const { return e[i]; }
  SINTER_INLINE constexpr int64& operator[](int i) { return e[i]; }
  SINTER_INLINE constexpr bool operator==(const shape_value& o) const {
    if (rank != o.rank) return false;
    for (int i = 0; i < rank; ++i)
      if (e[i] != o.e[i]) return false;
    return true;
  }
  SINTER_INLINE constexpr int64 numel() const {
    int64 n = 1;
    for (int i = 0; i < rank; ++i) n *= e[i];
    return n;
  }
};
inline namespace SINTER_TARGET {

/// Run-time numbers of a program, as given by the caller: the dims of an op, or the parameters of a window.
struct dims_slot {
  int32 v[4 * most_window_dims + 1] = {};
  int count = 0;
};

/// run_time_dims + how many slots the instructions of p and of its bodies read, at least n.
constexpr uint32 slots_end(const program_view& p, uint32 n = run_time_dims) {
  for (int i = 0; i < p.size(); ++i) {
    const instruction x = p.at(i);
    const bool dims = x.op == code::reduce || x.op == code::squeeze || x.op == code::unsqueeze || x.reads_shape();
    if (dims && x.b >= n && x.b != bad_dims) n = x.b + 1u;
    if (x.is_loop()) n = slots_end(p.body(i), n);
    if (x.has_two_bodies()) n = slots_end(p.second_body(i), n);
    const scan_mode m = scan_mode::decode(x.c);
    const uint32 slot = x.op != code::scan ? ~0u : m.length == scan_mode::slot ? m.number : m.length == scan_mode::part ? static_cast<uint32>(p.pool(m.number) & 0xffff) : ~0u;
    if (slot != ~0u && run_time_dims + slot >= n) n = run_time_dims + slot + 1;
  }
  return n;
}
/// How many slots program P reads.
template <class P> inline constexpr int slot_count_of = static_cast<int>(slots_end(view_of<P>) - run_time_dims);

/// Mask of the dims that `tag` names in an operand of the given rank; ~0u if one is out of range or twice there.
constexpr uint32 resolve_dims(uint32 tag, int rank, const dims_slot* slots) {
  if (tag < run_time_dims) return tag;
  if (tag == bad_dims) return ~0u;
  if (!slots) return 0;
  const dims_slot& s = slots[tag - run_time_dims];
  uint32 mask = 0;
  for (int i = 0; i < s.count; ++i) {
    const int d = s.v[i] < 0 ? s.v[i] + rank : s.v[i];
    if (d < 0 || d >= rank || mask >> d & 1) return ~0u;
    mask |= 1u << d;
  }
  return mask;
}

/// NumPy broadcasting of two extents: false if they do not fit.
constexpr bool broadcast_into(int64& a, int64 b) {
  if (b == 1 || a == b) return true;
  if (a == 1) { a = b; return true; }
  if (a < 0) { a = b; return true; }
  return b < 0;
}
constexpr bool broadcast_into(shape_value& a, const shape_value& b) {
  if (b.rank > a.rank) {
    const int lead = b.rank - a.rank;
    for (int i = a.rank - 1; i >= 0; --i) a[i + lead] = a[i];
    for (int i = 0; i < lead; ++i) a[i] = 1;
    a.rank = b.rank;
  }
  for (int i = 0; i < b.rank; ++i)
    if (!broadcast_into(a[i + a.rank - b.rank], b[i])) return false;
  return true;
}

/// What went wrong, if anything: the instruction, and how.
struct shape_fault {
  enum kind_t { none, broadcast, dims, inner, rank, empty, window, body, second_body, carry, length, branch, truth } kind = none;
  int at = -1;
  window_fault detail = window_fault::none;
  int64 groups = 1;
};

/// Shape of convolution i.
constexpr shape_fault infer_convolution(const program_view& p, int i, const dims_slot* slots, shape_value* out) {
  const instruction x = p.at(i), window = p.at(x.c);
  const window_face face = window_face::decode(window.c);
  const shape_value &a = out[x.a], &b = out[x.b];
  shape_value& s = out[i];
  if (a.rank != b.rank || a.rank != 2 + face.dims) return {shape_fault::rank, i};
  if (face.like) {
    s = out[window.a];
    return {};
  }
  s.rank = a.rank;
  if (slots) {
    const window_numbers n(slots[window.b - run_time_dims].v, a.rank - 2, b.e);
    const window_fault f = window_extents(face.kind, n, a.e, b.e, s.e);
    return f == window_fault::none ? shape_fault{} : shape_fault{shape_fault::window, i, f, n.groups};
  }
  s[0] = a[0], s[1] = face.kind == window_face::y ? b[0] : -1;
  for (int d = 2; d < s.rank; ++d) s[d] = -1;
  return {};
}

/// The operands of loop i, in order.
template <class F> constexpr void for_loop_operands(const program_view& p, int i, F f) {
  for (int cell = p.at(i).a;; cell = p.at(cell).b) {
    f(static_cast<int>(p.at(cell).a));
    if (!p.at(cell).c) return;
  }
}
/// The steps of loop i; -1: not known. A while_loop has run them: its own "shape" says how many.
constexpr int64 steps_of(const program_view& p, int i, const dims_slot* slots, const shape_value* shapes) {
  if (p.at(i).op == code::cond) return 1;
  if (p.at(i).op == code::while_loop) return shapes[i].rank ? shapes[i][0] : -1;
  const scan_mode m = scan_mode::decode(p.at(i).c);
  if (m.length == scan_mode::literal) return static_cast<int64>(p.pool(m.number));
  if (m.length == scan_mode::slot) return slots ? slots[m.number].v[0] : -1;
  if (m.length == scan_mode::part) {
    const uint64 w = p.pool(m.number);
    const int64 all = slots ? slots[w & 0xffff].v[0] : -1, by = static_cast<int64>(w >> 16 & 0xffffffff);
    return all < 0 ? -1 : w >> 48 & 1 ? all % by : all / by;
  }
  int64 n = -1;
  int k = 0, first = p.body_counts(i).carries;
  for_loop_operands(p, i, [&](int o) {
    if (k++ == first && shapes[o].rank) n = shapes[o][0];
  });
  return n;
}
constexpr shape_fault infer_shapes(const program_view& p, const shape_value* leaves, const dims_slot* slots, shape_value* out, const int64* steps_run = nullptr);
/// The shapes of the operands of loop i's body; false if stacked ones do not fit to each other.
constexpr bool operands_of_body(const program_view& p, int i, const dims_slot* slots, const shape_value* shapes, shape_value* in) {
  const loop_body counts = p.body_counts(i);
  const int64 steps = steps_of(p, i, slots, shapes);
  const auto length = scan_mode::decode(p.at(i).c).length;
  bool fits = steps >= 0 || p.at(i).op != code::scan || length == scan_mode::of_stacked || (length != scan_mode::literal && !slots);
  int k = 0;
  for_loop_operands(p, i, [&](int o) {
    const shape_value& s = shapes[o];
    shape_value& to = in[k];
    if (k < counts.carries || k >= counts.carries + counts.stacked) {
      to = s;
    } else if (s.rank == 0 || (s[0] >= 0 && steps >= 0 && s[0] != steps)) {
      fits = false;
    } else {
      to.rank = s.rank - 1;
      for (int d = 0; d < to.rank; ++d) to[d] = s[d + 1];
    }
    ++k;
  });
  return fits;
}
/// The shapes of the instructions of loop i's body: `body`, of the body's size.
constexpr shape_fault infer_body(const program_view& p, int i, const dims_slot* slots, const shape_value* shapes, shape_value* body) {
  const loop_body counts = p.body_counts(i);
  const program_view b = p.body(i);
  vec<shape_value> in(counts.operand_count() + 1, {});
  if (!operands_of_body(p, i, slots, shapes, &in[0])) return {shape_fault::length, i};
  if (infer_shapes(b, &in[0], slots, body).kind != shape_fault::none) return {shape_fault::body, i};
  if (p.at(i).has_two_bodies()) {
    const program_view other = p.second_body(i);
    vec<shape_value> second(other.size(), {});
    if (infer_shapes(other, &in[0], slots, &second[0]).kind != shape_fault::none) return {shape_fault::second_body, i};
    for (int r = 0; r < other.size(); ++r) {
      if (other.at(r).op != code::output) continue;
      if (p.at(i).op == code::while_loop && second[r].numel() != 1 && second[r].numel() >= 0) return {shape_fault::truth, i};
      for (int q = 0; q < b.size() && p.at(i).op == code::cond; ++q)
        if (b.at(q).op == code::output && b.at(q).b == other.at(r).b) {
          bool same = body[q].rank == second[r].rank;
          for (int d = 0; d < body[q].rank && same; ++d) same = body[q][d] == second[r][d] || body[q][d] < 0 || second[r][d] < 0;
          if (!same) return {shape_fault::branch, i};
        }
    }
    if (p.at(i).op == code::cond && in[0].numel() != 1 && in[0].numel() >= 0) return {shape_fault::truth, i};
  }
  for (int r = 0; r < b.size(); ++r) {
    const instruction x = b.at(r);
    if (x.op != code::output || x.c || x.b >= counts.carries) continue;
    if (body[r].rank != in[x.b].rank) return {shape_fault::carry, i};
    for (int d = 0; d < body[r].rank; ++d)
      if (body[r][d] != in[x.b][d] && body[r][d] >= 0 && in[x.b][d] >= 0) return {shape_fault::carry, i};
  }
  return {};
}
/// The shape of element i: that of the carried operand, or of the body's result, with the steps in front of a slice.
constexpr shape_value shape_of_element(const program_view& p, int i, const dims_slot* slots, const shape_value* shapes) {
  const instruction x = p.at(i);
  const loop_output which = loop_output::decode(x.b);
  const loop_body counts = p.body_counts(x.a);
  shape_value s;
  if (which.kind == loop_output::carry) {
    int k = 0;
    for_loop_operands(p, x.a, [&](int o) {
      if (k++ == which.number) s = shapes[o];
    });
    return s;
  }
  const program_view b = p.body(x.a);
  vec<shape_value> body(b.size(), {});
  infer_body(p, x.a, slots, shapes, &body[0]);
  for (int r = 0; r < b.size(); ++r) {
    if (b.at(r).op != code::output || b.at(r).b != which.result(counts)) continue;
    const shape_value& one = body[r];
    if (which.kind == loop_output::slice) s[s.rank++] = steps_of(p, x.a, slots, shapes);
    for (int d = 0; d < one.rank; ++d) s[s.rank++] = one[d];
  }
  return s;
}

/// Shape of instruction i from those before it. `slots` null: run-time dims are not known.
constexpr shape_fault infer_one(const program_view& p, int i, const shape_value* leaves, const dims_slot* slots, shape_value* out, const int64* steps_run) {
  const instruction x = p.at(i);
  shape_value& s = out[i];
  s = {};
  switch (x.op) {
    case code::leaf: s = leaves[x.a]; return {};
    case code::scalar: case code::literal: case code::extent: case code::list: return {};
    case code::index: case code::cast: case code::window: s = out[x.a]; return {};
    case code::roll:
      s = out[x.a];
      return roll_dim(x) < s.rank ? shape_fault{} : shape_fault{shape_fault::dims, i};
    case code::output:  // summed to a leaf: of its shape
      s = x.c ? leaves[x.c - 1] : out[x.a];
      return {};
    case code::scan: case code::cond: case code::while_loop: {
      if (x.op == code::while_loop) s.rank = 1, s[0] = steps_run ? steps_run[i] : -1;
      vec<shape_value> body(p.body(i).size(), {});
      return infer_body(p, i, slots, out, &body[0]);
    }
    case code::element: s = shape_of_element(p, i, slots, out); return {};
    case code::convolve: return infer_convolution(p, i, slots, out);
    case code::expand: {
      s = out[x.b];
      shape_value both = s;
      return broadcast_into(both, out[x.a]) && (both == s || !slots) ? shape_fault{} : shape_fault{shape_fault::broadcast, i};
    }
    case code::reduce: case code::squeeze: {
      const shape_value in = out[x.a];
      if (x.b >= run_time_dims && x.b != bad_dims && !slots) {
        s.rank = x.rank;
        for (int k = 0; k < s.rank; ++k) s[k] = -1;
        return {};
      }
      const uint32 mask = resolve_dims(x.b, in.rank, slots);
      if (mask == ~0u) return {shape_fault::dims, i};
      for (int k = 0; k < in.rank; ++k) {
        const bool named = mask >> k & 1;
        if (x.op == code::squeeze && named) continue;
        s[s.rank++] = named ? 1 : in[k];
      }
      return {};
    }
    case code::unsqueeze: {
      const shape_value in = out[x.a];
      s.rank = x.rank;
      if (x.b >= run_time_dims && x.b != bad_dims && !slots) {
        for (int k = 0; k < s.rank; ++k) s[k] = -1;
        return {};
      }
      const uint32 mask = resolve_dims(x.b, s.rank, slots);
      if (mask == ~0u) return {shape_fault::dims, i};
      for (int k = 0, j = 0; k < s.rank; ++k) s[k] = mask >> k & 1 ? 1 : in[j++];
      return {};
    }
    case code::contract: {
      const contraction c = contraction::decode(p.pool(x.c));
      int64 extent[8] = {};
      bool known[8] = {};
      auto meet = [&](int label, int64 n) {
        if (!known[label] || extent[label] < 0) extent[label] = n, known[label] = true;
        else if (n >= 0 && extent[label] != n) return false;
        return true;
      };
      for (int k = 0; k < c.rank_a; ++k)
        if (!meet(c.a(k), out[x.a][k])) return {shape_fault::inner, i};
      for (int k = 0; k < c.rank_b; ++k)
        if (!meet(c.b(k), out[x.b][k])) return {shape_fault::inner, i};
      s.rank = c.rank_c;
      for (int k = 0; k < c.rank_c; ++k) s[k] = extent[c.c(k)];
      return {};
    }
    default: break;
  }
  bool fits = true;
  for_operands(x, p.descr(i), [&](uint16 o) { fits = fits && broadcast_into(s, out[o]); });
  return fits ? shape_fault{} : shape_fault{shape_fault::broadcast, i};
}

/// The extents of the three faces of convolution i, once shapes are known.
constexpr window_shape window_shape_of(const program_view& p, int i, const shape_value* shapes, const dims_slot* slots) {
  const instruction x = p.at(i), window = p.at(x.c);
  const int64 *a = shapes[x.a].e, *b = shapes[x.b].e, *c = shapes[i].e;
  const int32* v = slots[window.b - run_time_dims].v;
  const auto face = window_face::decode(window.c).kind;
  const int rank = shapes[i].rank;
  return face == window_face::y ? window_shape(v, rank, a, b, c) : face == window_face::x ? window_shape(v, rank, c, b, a) : window_shape(v, rank, a, c, b);
}

/// Shapes of all instructions. `steps_run`, if given: how often each while_loop has run, -1: not yet.
constexpr shape_fault infer_shapes(const program_view& p, const shape_value* leaves, const dims_slot* slots, shape_value* out, const int64* steps_run) {
  for (int i = 0; i < p.size(); ++i) {
    const shape_fault f = infer_one(p, i, leaves, slots, out, steps_run);
    if (f.kind != shape_fault::none) return f;
  }
  return {};
}

/// Finds a reduction over nothing that has no value there (max), if a result needs it.
constexpr shape_fault find_empty(const program_view& p, const shape_value* shapes) {
  vec<bool> need(p.size(), false);
  for (int i = p.size() - 1; i >= 0; --i) {
    const instruction x = p.at(i);
    if (x.op == code::output) need[i] = shapes[i].numel() > 0;
    if (!need[i] || x.reads_shape()) continue;
    if (x.op == code::reduce && shapes[x.a].numel() == 0) {
      if (p.descr(i)->info.nonempty && shapes[i].numel() > 0) return {shape_fault::empty, i};
      continue;
    }
    if (x.op == code::expand) need[x.a] = true;
    else for_operands(x, p.descr(i), [&](uint16 o) { need[o] = true; });
  }
  return {};
}

/// What is wrong with a convolution of these shapes.
inline std::string window_text(const window_face::kind_t face, window_fault f, int64 groups, const shape_value& from, const shape_value& w) {
  std::string text;
  const auto say = [&](const auto&... parts) { (append(text, parts), ...); };
  switch (f) {
    case window_fault::stride: say("strides must be positive"); break;
    case window_fault::padding: say("padding must be numbers of at least 0, \"same\" or \"valid\""); break;
    case window_fault::dilation: say("dilations must be positive"); break;
    case window_fault::groups: say("groups must be positive, not ", groups); break;
    case window_fault::divide: say("weight ", shape_text{w.e, w.rank}, " has no number of kernels that ", groups, " groups can share equally"); break;
    case window_fault::channels:
      say("weight ", shape_text{w.e, w.rank}, " of ", groups, groups == 1 ? " group" : " groups", " needs an input of ",
          face == window_face::y ? w[1] * groups : w[0], " channels, not of ", from[1], ": ", shape_text{from.e, from.rank});
      break;
    case window_fault::same: say("padding \"same\" is for a stride of 1"); break;
    case window_fault::output_padding: say("output_padding must be at least 0, and smaller than the stride or the dilation"); break;
    case window_fault::kernel:
      say("weight ", shape_text{w.e, w.rank}, " is, dilated, larger than the padded input ", shape_text{from.e, from.rank}, ", or empty");
      break;
    default: say("nothing is left of input ", shape_text{from.e, from.rank}, " under weight ", shape_text{w.e, w.rank}, " and this padding");
  }
  return text;
}

/// Raises the error that `f`, found with these slots, describes, naming the op and its operands' shapes.
template <class Arch = native> [[noreturn]] SINTER_COLD void raise(const program_view& p, shape_fault f, const shape_value* shapes, const dims_slot* slots) {
  const instruction x = p.at(f.at);
  if (f.kind == shape_fault::body || f.kind == shape_fault::second_body) {
    const program_view b = f.kind == shape_fault::body ? p.body(f.at) : p.second_body(f.at);
    vec<shape_value> in(p.body_counts(f.at).operand_count() + 1, {}), inner(b.size(), {});
    operands_of_body(p, f.at, slots, shapes, &in[0]);
    raise<Arch>(b, infer_shapes(b, &in[0], slots, &inner[0]), &inner[0], slots);
  }
  const char* const loop = x.op == code::scan ? "scan" : x.op == code::cond ? "cond" : "while_loop";
  if (f.kind == shape_fault::length) fail<shape_error, Arch>("scan: stacked operands need one number of steps, their first extent, and that is at least 0");
  if (f.kind == shape_fault::carry) fail<shape_error, Arch>(loop, ": a step changes the shape of a carried value: it must return the shape that it was given");
  if (f.kind == shape_fault::branch) fail<shape_error, Arch>("cond: the two branches return different shapes");
  if (f.kind == shape_fault::truth) fail<shape_error, Arch>(loop, ": the condition has not one element");
  const op_descr* d = p.descr(f.at);
  const char* name = d ? d->info.name : x.op == code::contract ? "matmul" : "expression";
  std::string in;
  if (x.op == code::convolve) {
    const window_face::kind_t face = window_face::decode(p.at(x.c).c).kind;
    name = face_name(face, shapes[x.a].rank - 2);
    if (f.kind == shape_fault::window) fail<shape_error, Arch>(name, ": ", window_text(face, f.detail, f.groups, shapes[x.a], shapes[x.b]));
  }
  for_operands(x, d, [&](uint16 o) {
    if (p.at(o).op == code::window) return;
    if (!in.empty()) in += " and ";
    append(in, shape_text{shapes[o].e, shapes[o].rank});
  });
  if (f.kind == shape_fault::dims) fail<index_error, Arch>(name, ": a dim is out of range or named twice for shape ", in);
  if (f.kind == shape_fault::empty) fail<shape_error, Arch>(name, ": no elements along the dims of shape ", in);
  if (f.kind == shape_fault::inner) fail<shape_error, Arch>(name, ": inner extents of ", in, " differ");
  if (f.kind == shape_fault::rank) fail<shape_error, Arch>(name, ": ", in, " are not images [N, C, X...] and kernels [O, C / groups, K...]");
  fail<shape_error, Arch>(name, ": shapes ", in, " do not broadcast");
}

}  // namespace SINTER_TARGET
}  // namespace sinter::inline v0::detail
