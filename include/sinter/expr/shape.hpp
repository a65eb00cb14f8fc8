// SPDX-License-Identifier: BSD-3-Clause
// Shape rules: the shape of every instruction from the operands' shapes, by one function, with static extents at
// compile time (-1 where unknown) and with the real ones at run time.
#pragma once
#include "../error.hpp"
#include "program.hpp"

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

/// Run-time dims of a program: up to eight a slot, as given by the caller.
struct dims_slot {
  int32 v[max_rank] = {};
  int count = 0;
};

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
  enum kind_t { none, broadcast, dims, inner, rank, empty } kind = none;
  int at = -1;
};

/// Shape of instruction i from those before it. `slots` null: run-time dims are not known.
constexpr shape_fault infer_one(const program_view& p, int i, const shape_value* leaves, const dims_slot* slots, shape_value* out) {
  const instruction x = p.at(i);
  shape_value& s = out[i];
  s = {};
  switch (x.op) {
    case code::leaf: s = leaves[x.a]; return {};
    case code::scalar: case code::literal: case code::extent: return {};
    case code::index: case code::cast: case code::output: s = out[x.a]; return {};
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

/// Shapes of all instructions.
constexpr shape_fault infer_shapes(const program_view& p, const shape_value* leaves, const dims_slot* slots, shape_value* out) {
  for (int i = 0; i < p.size(); ++i) {
    const shape_fault f = infer_one(p, i, leaves, slots, out);
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
    if (!need[i] || x.op == code::index || x.op == code::extent) continue;
    if (x.op == code::reduce && shapes[x.a].numel() == 0) {
      if (p.descr(i)->info.nonempty && shapes[i].numel() > 0) return {shape_fault::empty, i};
      continue;
    }
    if (x.op == code::expand) need[x.a] = true;
    else for_operands(x, p.descr(i), [&](uint16 o) { need[o] = true; });
  }
  return {};
}

/// Raises the error that `f` describes, naming the op and its operands' shapes.
template <class Arch = native> [[noreturn]] SINTER_COLD void raise(const program_view& p, shape_fault f, const shape_value* shapes) {
  const instruction x = p.at(f.at);
  const op_descr* d = p.descr(f.at);
  const char* name = d ? d->info.name : x.op == code::contract ? "matmul" : "expression";
  std::string in;
  for_operands(x, d, [&](uint16 o) {
    if (!in.empty()) in += " and ";
    append(in, shape_text{shapes[o].e, shapes[o].rank});
  });
  if (f.kind == shape_fault::dims) fail<index_error, Arch>(name, ": a dim is out of range or named twice for shape ", in);
  if (f.kind == shape_fault::empty) fail<shape_error, Arch>(name, ": no elements along the dims of shape ", in);
  if (f.kind == shape_fault::inner) fail<shape_error, Arch>(name, ": inner extents of ", in, " differ");
  fail<shape_error, Arch>(name, ": shapes ", in, " do not broadcast");
}

}  // namespace SINTER_TARGET
}  // namespace sinter::inline v0::detail
