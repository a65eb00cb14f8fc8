// SPDX-License-Identifier: BSD-3-Clause
// How a stage's program runs: what is computed once, per row, per element, per pass, and at the end.
// Shared by the CPU and CUDA kernels. Device-clean: read by NVRTC too. Next: cpu/kernel.hpp, cuda/kernel.hpp.
#pragma once
#include "words.hpp"

namespace sinter::inline v0::detail::inline SINTER_TARGET {

/// How often a value of a stage is computed.
enum class level : uint8 { element, row, constant, total };

template <int Size> struct stage_levels {
  level at[Size] = {};
  uint8 after[Size] = {};    ///< row passes that must be done before this value is known
  int passes = 0;            ///< row reductions run in passes 0 .. passes - 1; pass `passes` stores
  int totals = 0;            ///< reductions over other dims
  uint16 total_ids[Size] = {};
  int8 total_number[Size] = {};
  bool need[16][Size] = {};  ///< element-level values that pass k computes
  bool too_deep = false;
};

template <class SP> inline constexpr auto levels_of = [] {
  stage_levels<SP::size> out;
  const int n = SP::size;
  for (int i = 0; i < n; ++i) {
    const instruction x = SP::at(i);
    switch (x.op) {
      case code::leaf:
        out.at[i] = x.b == leaf_row ? level::row : x.b == leaf_constant ? level::constant : level::element;
        break;
      case code::scalar: case code::literal: out.at[i] = level::constant; break;
      case code::reduce:
        if (x.b == along_row) {
          out.at[i] = level::row;
          out.after[i] = static_cast<uint8>(out.after[x.a] + 1);
          if (out.after[i] > out.passes) out.passes = out.after[i];
        } else {
          out.at[i] = level::total;
          out.total_number[i] = static_cast<int8>(out.totals);
          out.total_ids[out.totals++] = static_cast<uint16>(i);
          out.after[i] = out.after[x.a];
        }
        break;
      case code::expand: out.at[i] = level::element, out.after[i] = out.after[x.a]; break;
      default: {
        level l = level::constant;
        uint8 after = 0;
        for_operands_in<SP>(x, [&](uint16 o) {
          const level k = out.at[o];
          if (k == level::total || l == level::total) l = level::total;
          else if (k < l) l = k;
          after = out.after[o] > after ? out.after[o] : after;
        });
        out.at[i] = l;
        out.after[i] = after;
      }
    }
  }
  if (out.passes > 15) { out.too_deep = true; return out; }
  for (int pass = 0; pass <= out.passes; ++pass) {
    auto& need = out.need[pass];
    for (int i = n - 1; i >= 0; --i) {
      const instruction x = SP::at(i);
      if (x.op == code::output && pass == out.passes && out.at[x.a] == level::element) need[x.a] = true;
      if (x.op == code::reduce && out.at[x.a] == level::element &&
          (x.b == along_row ? out.after[x.a] == pass : pass == out.passes))
        need[x.a] = true;
      if (need[i] && out.at[i] == level::element && x.op != code::leaf)
        for_operands_in<SP>(x, [&](uint16 o) {
          if (out.at[o] == level::element) need[o] = true;
        });
    }
  }
  return out;
}();

/// Where each value of a program lives in its register file: the n-th of its dtype.
template <class SP> inline constexpr auto slots_of = [] {
  struct {
    uint16 slot[SP::size] = {};
    int count[12] = {};
  } out;
  for (int i = 0; i < SP::size; ++i) {
    const instruction x = SP::at(i);
    if (x.op != code::output) out.slot[i] = static_cast<uint16>(out.count[static_cast<int>(x.type)]++);
  }
  return out;
}();

template <class SP, int I> using type_at = cpp_type<SP::at(I).type>;


template <int Size> struct id_list {
  int v[Size ? Size : 1] = {};
  int count = 0;
};
/// Ids for which `keep(i)` holds, in order.
template <class SP, class F> constexpr auto ids_where(F keep) {
  id_list<SP::size> out;
  for (int i = 0; i < SP::size; ++i)
    if (keep(i)) out.v[out.count++] = i;
  return out;
}
/// f.operator()<id>() for each id of `List`, in order, without recursion.
#ifdef __CUDACC__
#pragma nv_exec_check_disable
#endif
template <auto& List, class F, int... K> SINTER_HD constexpr SINTER_INLINE void for_ids(F& f, ints<K...>) {
  int done[] = {0, (f.template operator()<List.v[K]>(), 0)...};
  (void)done;
}
template <auto& List, class F> SINTER_HD constexpr SINTER_INLINE void for_ids(F&& f) { for_ids<List>(f, count_to<List.count>{}); }

}  // namespace sinter::inline v0::detail::inline SINTER_TARGET
