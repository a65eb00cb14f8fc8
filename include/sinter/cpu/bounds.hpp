// SPDX-License-Identifier: BSD-3-Clause
// Class numbers that a program looks up are looked at before it runs: what op::in_bounds asks for. Next: run.hpp.
#pragma once
#include "interpret.hpp"

namespace sinter::inline v0::detail::inline SINTER_TARGET {

/// How an index of a program is looked at: `leaf` as it lies in memory, or by the interpreter if it is computed from leaves
/// element by element. One that takes a reduction or a product is not looked at: where it is out of bounds, the result is NaN.
struct bounds_check {
  uint16 at = 0;         ///< the in_bounds instruction
  bool in_memory = false;
  uint16 leaf = 0;              ///< instruction
  uint16 like = 0, dims = 0;    ///< the bound is the extent of this instruction along these dims, which the index lacks
  uint16 ignored = 0;           ///< instruction: a number
};
template <class P> inline constexpr auto bounds_of = [] {
  struct { bounds_check v[P::size] = {}; int count = 0; } out;
  const program_view& p = bare_view_of<P>;
  bool any = false;
  for (int k = 0; p.ops[k]; ++k) any = any || p.ops[k]->info.bounds;
  if (!any) return out;
  bool live[P::size] = {}, plain[P::size] = {};
  for (int i = P::size - 1; i >= 0; --i) {
    const instruction x = p.at(i);
    live[i] = live[i] || x.op == code::output;
    if (!live[i] || x.reads_shape()) continue;
    if (x.op == code::expand) live[x.a] = true;
    else for_operands(x, p.descr(i), [&](uint16 o) { live[o] = true; });
  }
  for (int i = 0; i < P::size; ++i) {
    const instruction x = p.at(i);
    plain[i] = x.op != code::reduce && !x.is_product();
    if (!x.reads_shape()) for_operands(x, p.descr(i), [&](uint16 o) { plain[i] = plain[i] && plain[o]; });
    if (!live[i] || !plain[i] || !x.is_op() || !p.descr(i)->info.bounds) continue;
    bounds_check c;
    c.at = static_cast<uint16>(i);
    int leaf = x.a;
    while (p.at(leaf).op == code::squeeze || p.at(leaf).op == code::unsqueeze || (p.at(leaf).op == code::cast && is_integral(p.at(leaf).type))) leaf = p.at(leaf).a;
    const instruction from = p.at(leaf), bound = p.at(x.b), ignored = p.at(x.c);
    if (bound.op != code::extent) continue;
    c.in_memory = from.op == code::leaf && is_integral(from.type) && (ignored.op == code::scalar || ignored.op == code::literal);
    c.leaf = static_cast<uint16>(leaf), c.like = bound.a, c.dims = bound.b, c.ignored = x.c;
    out.v[out.count++] = c;
  }
  return out;
}();

/// Throws index_error for an element of `o` that is neither in [0, n) nor `ignored`.
template <class Arch> SINTER_HIDDEN SINTER_NOINLINE void require_bounds(dtype t, const operand& o, int64 n, int64 ignored) {
  with_real_type(t, [&]<class T>(T) {
    if constexpr (std::is_integral_v<T>) {
      const auto in_bounds = [=](T v) { return (static_cast<uint64>(v) < static_cast<uint64>(n)) | (static_cast<int64>(v) == ignored); };
      const row_loop<1> loop(o.shape, {o.strides});
      int64 before = 0;
      loop.run([&](const int64* at) {
        const T* p = reinterpret_cast<const T*>(o.data) + at[0];
        const int64 step = loop.step(0), count = loop.row();
        bool good = true;
        for (int64 i = 0; i < count; ++i) good &= in_bounds(p[i * step]);
        for (int64 i = 0; !good && i < count; ++i)
          if (!in_bounds(p[i * step])) fail_bounds<Arch>(static_cast<int64>(p[i * step]), before + i, n);
        before += count;
      });
    }
  });
}
/// Throws shape_error unless there is one index for each row of `like` along the dims in `mask`.
template <class Arch> SINTER_HIDDEN SINTER_NOINLINE void check_rows(const shape_value& index, const shape_value& like, uint32 mask) {
  bool same = index.rank == like.rank;
  for (int d = 0; d < like.rank && same; ++d) same = index[d] == (mask >> d & 1 ? 1 : like[d]);
  if (!same) [[unlikely]]
    fail<shape_error, Arch>("class numbers of sizes ", shape_text{index.e, index.rank}, " for values of sizes ", shape_text{like.e, like.rank}, ": one for each row");
}
template <class P, class Arch> SINTER_HIDDEN void check_bounds(const operand* leaves, const dims_slot* slots, const shape_value* shapes) {
  for (int k = 0; k < bounds_of<P>.count; ++k) {
    const bounds_check& c = bounds_of<P>.v[k];
    const shape_value& s = shapes[c.like];
    const uint32 mask = resolve_dims(c.dims, s.rank, slots);
    check_rows<Arch>(shapes[P::at(c.at).a], s, mask);
    if (!c.in_memory) {
      interpreter<Arch>(view_of<P>, leaves, slots).look(c.at);
      continue;
    }
    int64 n = 1;
    for (int d = 0; d < s.rank; ++d) n *= mask >> d & 1 ? s[d] : 1;
    const instruction leaf = P::at(c.leaf), ignored = P::at(c.ignored);
    const double number = ignored.op == code::literal ? literal_value(bare_view_of<P>.pool(ignored.a)) : leaves[ignored.a].number;
    require_bounds<Arch>(leaf.type, leaves[leaf.a], n, static_cast<int64>(number));
  }
}

}  // namespace sinter::inline v0::detail::inline SINTER_TARGET
