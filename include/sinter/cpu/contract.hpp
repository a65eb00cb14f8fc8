// SPDX-License-Identifier: BSD-3-Clause
// Contractions: labels sorted into rows, columns, sums and loops; GEMMs over them; the epilogue on finished blocks. Next: run.hpp.
#pragma once
#include "gemm.hpp"
#include "loop.hpp"

namespace sinter::inline v0::detail::inline SINTER_TARGET {

class SINTER_HIDDEN contract_runner : protected loop_runner {
 public:
  template <class T, class Arch> static void contract_entry(contract_runner& run, const stage_entry& st) { run.contract<T, Arch>(st); }

 protected:
  contract_runner(const program_entry& entry, const operand* leaves, const dims_slot* slots, result* results) : loop_runner(entry, leaves, slots, results) {}

 private:
  template <class T, class Arch> void contract(const stage_entry& st) {
    const instruction x = p_.at(st.contract);
    const contraction c = contraction::decode(p_.pool(x.c));
    const shape_value& out = shapes_[st.contract];
    int64 sa[max_rank], sb[max_rank];
    const T* a = reinterpret_cast<const T*>(strides_of(x.a, sa));
    const T* b = reinterpret_cast<const T*>(strides_of(x.b, sb));
    // extents and strides by label; in_c: its dim in the result
    struct label {
      int64 extent = 1, a = 0, b = 0;
      int in_c = -1;
      bool in_a = false, in_b = false;
    } labels[8];
    for (int d = 0; d < c.rank_a; ++d) labels[c.a(d)].extent = shapes_[x.a][d], labels[c.a(d)].a += sa[d], labels[c.a(d)].in_a = true;
    for (int d = 0; d < c.rank_b; ++d) labels[c.b(d)].extent = shapes_[x.b][d], labels[c.b(d)].b += sb[d], labels[c.b(d)].in_b = true;
    for (int d = 0; d < c.rank_c; ++d) labels[c.c(d)].in_c = d;
    // the last of each kind goes to the matrix product, the others are loops around it
    int m = -1, n = -1, k = -1, loops[8], loop_count = 0;
    for (int q = 0; q < 8; ++q) {
      const label& w = labels[q];
      if (!w.in_a && !w.in_b) continue;
      int* kind = w.in_c < 0 && w.in_a && w.in_b ? &k : w.in_c >= 0 && w.in_a && !w.in_b ? &m : w.in_c >= 0 && w.in_b && !w.in_a ? &n : nullptr;
      if (kind && (*kind < 0 || w.extent > labels[*kind].extent)) {
        if (*kind >= 0) loops[loop_count++] = *kind;
        *kind = q;
      } else {
        loops[loop_count++] = q;
      }
    }
    const label none;
    const label &lm = m >= 0 ? labels[m] : none, &ln = n >= 0 ? labels[n] : none, &lk = k >= 0 ? labels[k] : none;
    bool summed_loops = false;
    for (int q = 0; q < loop_count; ++q) summed_loops = summed_loops || (labels[loops[q]].in_c < 0 && labels[loops[q]].extent != 1);

    const memory& dest = memory_[st.contract];
    if (out.numel() == 0) return;
    // loops around the matrix product
    int64 index[8] = {};
    auto for_each_loop = [&](auto body) {
      int64 total = 1;
      for (int q = 0; q < loop_count; ++q) total *= labels[loops[q]].extent;
      for (int64 i = 0; i < total; ++i) {
        int64 rest = i, oa = 0, ob = 0;
        bool first = true;
        for (int q = loop_count - 1; q >= 0; --q) {
          const label& w = labels[loops[q]];
          index[q] = rest % w.extent, rest /= w.extent;
          oa += index[q] * w.a, ob += index[q] * w.b;
          if (w.in_c < 0 && index[q]) first = false;
        }
        body(a + oa, b + ob, first);
      }
    };
    auto product = [&](char* data, const int64* strides, bool accumulate) {
      for_each_loop([&](const T* pa, const T* pb, bool first) {
        int64 oc = 0;
        for (int q = 0; q < loop_count; ++q)
          if (labels[loops[q]].in_c >= 0) oc += index[q] * strides[labels[loops[q]].in_c];
        gemm<T, Arch>(lm.extent, ln.extent, lk.extent, pa, lm.a, lk.a, pb, lk.b, ln.b, reinterpret_cast<T*>(data) + oc,
                      lm.in_c >= 0 ? strides[lm.in_c] : 0, ln.in_c >= 0 ? strides[ln.in_c] : 0, accumulate || !first);
      });
    };
    if (st.plain_product) {
      product(dest.data, dest.strides, dest.mode == write_accumulate);
      return;
    }
    if (summed_loops) {  // the epilogue must wait for the whole sum
      int64 strides[max_rank];
      row_major(out, strides);
      scratch_memory room(out.numel() * static_cast<int64>(sizeof(T)));
      product(room.data(), strides, false);
      run_loops<Arch>(st, room.data(), strides);
      return;
    }
    // the epilogue runs on each finished block of rows while it is in cache
    loop_dims l;
    l.rank = out.rank;
    for (int d = 0; d < l.rank; ++d) l.kept[l.kept_count++] = d, l.extent[d] = out[d];
    const int position = st.input_count + st.root_count + st.total_count;
    walk_table table(position + 1);
    walk* const walks = table.walks.get();
    double* const numbers = table.numbers.get();
    int64 (*const by_dim)[max_rank] = table.by_dim.get();
    bind(st, l, walks, numbers, by_dim, nullptr, nullptr);
    for_each_loop([&](const T* pa, const T* pb, bool) {
      auto tile = [&](int64 i0, int64 i1, const T* block, int64 ld) {
        walk_table own(position + 1);
        walk* const part = own.walks.get();
        int64 (*const dims)[max_rank] = own.by_dim.get();
        loop_dims here = l;
        for (int d = 0; d < l.rank; ++d) here.extent[d] = 1;
        if (lm.in_c >= 0) here.extent[lm.in_c] = i1 - i0;
        if (ln.in_c >= 0) here.extent[ln.in_c] = ln.extent;
        for (int w = 0; w <= position; ++w) {
          part[w] = walks[w];
          for (int d = 0; d < max_rank; ++d) dims[w][d] = by_dim[w][d];
          if (w < st.input_count && st.inputs[w].kind == input_kind::product) {
            part[w].base = address_of(block);
            if (lm.in_c >= 0) dims[w][lm.in_c] = ld * static_cast<int64>(sizeof(T));
            if (ln.in_c >= 0) dims[w][ln.in_c] = sizeof(T);
            continue;
          }
          for (int q = 0; q < loop_count; ++q)
            if (labels[loops[q]].in_c >= 0) part[w].base += static_cast<uint64>(index[q] * dims[w][labels[loops[q]].in_c]);
          if (lm.in_c >= 0) part[w].base += static_cast<uint64>(i0 * dims[w][lm.in_c]);
        }
        loop<Arch>(st, here, part, numbers, dims);
      };
      gemm<T, Arch>(lm.extent, ln.extent, lk.extent, pa, lm.a, lk.a, pb, lk.b, ln.b, tile);
    });
  }
};

}  // namespace sinter::inline v0::detail::inline SINTER_TARGET
