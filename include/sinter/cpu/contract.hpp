// SPDX-License-Identifier: BSD-3-Clause
// Contractions: labels sorted into rows, columns, sums and loops; GEMMs over them; the epilogue on finished blocks. Next: run.hpp.
#pragma once
#include "gemm.hpp"
#include "gemm_small.hpp"
#include "loop.hpp"

namespace sinter::inline v0::detail::inline SINTER_TARGET {

class SINTER_HIDDEN contract_runner : protected loop_runner {
 public:
  template <class T, class Arch> static void contract_entry(contract_runner& run, const stage_entry& st) { run.contract<T, Arch>(st); }

 protected:
  contract_runner(const program_entry& entry, const operand* leaves, const dims_slot* slots, result* results) : loop_runner(entry, leaves, slots, results) {}

 private:
  static constexpr int64 small_work = 1 << 14;  ///< multiply-adds of a product that gemm would take longer to begin than to do
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
    const memory& dest = memory_[st.roots[0]];
    if (out.numel() == 0) return;

    // what the epilogue walks over, which decides with the operands which dims are one
    const int position = st.input_count + st.root_count + st.total_count;
    loop_dims l;
    l.rank = out.rank;
    for (int d = 0; d < l.rank; ++d) l.kept[l.kept_count++] = d, l.extent[d] = out[d];
    walk_table table(st.plain_product ? 0 : position + 1);
    int64 (*const by_dim)[max_rank] = table.by_dim.get();
    if (!st.plain_product) bind(st, l, table.walks.get(), table.numbers.get(), by_dim, nullptr, nullptr);
    // label v goes round inside label w, everywhere?
    auto one = [&](int w, int v) {
      const label &o = labels[w], &i = labels[v];
      if (o.a != i.a * i.extent || o.b != i.b * i.extent || (o.in_c < 0) != (i.in_c < 0)) return false;
      if (o.in_c < 0) return true;
      if (st.plain_product) return dest.strides[o.in_c] == dest.strides[i.in_c] * i.extent;
      for (int q = 0; q <= position; ++q)
        if (!(q < st.input_count && st.inputs[q].kind == input_kind::product) && by_dim[q][o.in_c] != by_dim[q][i.in_c] * i.extent) return false;
      return true;
    };
    for (int w = 0; w < 8; ++w)
      for (int v = 0; v < 8; ++v) {
        label &o = labels[w], &i = labels[v];
        if (v == w || o.in_a != i.in_a || o.in_b != i.in_b || !(o.in_a || o.in_b) || o.extent == 1 || i.extent == 1 || !one(w, v)) continue;
        i.extent *= o.extent, o.extent = 1;
        w = -1;
        break;
      }

    // the longest of each kind goes to the matrix product, the others are loops around it: first those of the result
    int m = -1, n = -1, k = -1, loops[8], loop_count = 0, kept_loops = 0;
    for (int q = 0; q < 8; ++q) {
      const label& w = labels[q];
      if ((!w.in_a && !w.in_b) || w.extent == 1) continue;
      int* kind = w.in_c < 0 && w.in_a && w.in_b ? &k : w.in_c >= 0 && w.in_a && !w.in_b ? &m : w.in_c >= 0 && w.in_b && !w.in_a ? &n : nullptr;
      if (kind && (*kind < 0 || w.extent > labels[*kind].extent)) {
        if (*kind >= 0) loops[loop_count++] = *kind;
        *kind = q;
      } else {
        loops[loop_count++] = q;
      }
    }
    for (int q = 0; q < loop_count; ++q)
      if (labels[loops[q]].in_c >= 0) std::swap(loops[q], loops[kept_loops++]);
    const label none;
    const label &lm = m >= 0 ? labels[m] : none, &ln = n >= 0 ? labels[n] : none, &lk = k >= 0 ? labels[k] : none;
    const bool summed_loops = kept_loops < loop_count;
    int64 products = 1, terms = 1;
    for (int q = 0; q < loop_count; ++q) (q < kept_loops ? products : terms) *= labels[loops[q]].extent;
    const int64 depth = terms ? lk.extent : 0;
    if (!terms) terms = 1;

    // body(index, a, b) for every product that is a part of the result; threads share them where one is too small to share
    const int64 work = lm.extent * ln.extent * depth * terms, group = work < 1 << 16 ? (1 << 16) / (work + 1) + 1 : 1;
    auto for_each_product = [&](auto body) {
      const int64 groups = (products - 1) / group + 1;
      const bool apart = groups >= 2 * concurrency<Arch>();
      auto run_group = [&](int64 g) {
        for (int64 i = g * group; i < products && i < (g + 1) * group; ++i) {
          int64 index[8] = {}, rest = i, oa = 0, ob = 0;
          for (int q = kept_loops - 1; q >= 0; --q) {
            const label& w = labels[loops[q]];
            index[q] = rest % w.extent, rest /= w.extent;
            oa += index[q] * w.a, ob += index[q] * w.b;
          }
          body(index, a + oa, b + ob);
        }
      };
      if (apart) parallel_for<Arch>(groups, run_group);
      else for (int64 g = 0; g < groups; ++g) run_group(g);
    };
    auto product = [&](char* data, const int64* strides, bool accumulate) {
      const int64 rows = lm.in_c >= 0 ? strides[lm.in_c] : 0, columns = ln.in_c >= 0 ? strides[ln.in_c] : 0;
      if (ln.b == 1 && columns == 1 && loop_count == kept_loops && kept_loops <= 1 && work <= small_work && gemm_batch<T, Arch>(ln.extent, 0, small_product<T>{}, 0, 0, 0, false)) {
        const label& batch = kept_loops ? labels[loops[0]] : none;
        const int64 step = batch.in_c >= 0 ? strides[batch.in_c] : 0;
        parallel_for<Arch>((products - 1) / group + 1, [&](int64 g) {
          const int64 first = g * group, count = products - first < group ? products - first : group;
          const small_product<T> one_of{lm.extent, depth, {a + first * batch.a, lm.a, lk.a}, b + first * batch.b, lk.b, reinterpret_cast<T*>(data) + first * step, rows};
          gemm_batch<T, Arch>(ln.extent, count, one_of, batch.a, batch.b, step, accumulate);
        });
        return;
      }
      for_each_product([&](const int64* index, const T* pa, const T* pb) {
        T* to = reinterpret_cast<T*>(data);
        for (int q = 0; q < kept_loops; ++q) to += index[q] * strides[labels[loops[q]].in_c];
        for (int64 i = 0; i < terms; ++i) {
          int64 rest = i, oa = 0, ob = 0;
          for (int q = loop_count - 1; q >= kept_loops; --q) {
            const label& w = labels[loops[q]];
            oa += rest % w.extent * w.a, ob += rest % w.extent * w.b, rest /= w.extent;
          }
          gemm<T, Arch>(lm.extent, ln.extent, depth, pa + oa, lm.a, lk.a, pb + ob, lk.b, ln.b, to, rows, columns, accumulate || i > 0);
        }
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
    // the epilogue runs on each finished block while it is in cache
    for_each_product([&](const int64* index, const T* pa, const T* pb) {
      auto tile = [&](int64 i0, int64 i1, int64 j0, int64 j1, strided<T> block) {
        walk_table own(position + 1);
        walk* const part = own.walks.get();
        int64 (*const dims)[max_rank] = own.by_dim.get();
        loop_dims here = l;
        for (int d = 0; d < l.rank; ++d) here.extent[d] = 1;
        if (lm.in_c >= 0) here.extent[lm.in_c] = i1 - i0;
        if (ln.in_c >= 0) here.extent[ln.in_c] = j1 - j0;
        for (int w = 0; w <= position; ++w) {
          part[w] = table.walks[w];
          for (int d = 0; d < max_rank; ++d) dims[w][d] = by_dim[w][d];
          if (w < st.input_count && st.inputs[w].kind == input_kind::product) {
            part[w].base = address_of(block.data);
            if (lm.in_c >= 0) dims[w][lm.in_c] = block.rows * static_cast<int64>(sizeof(T));
            if (ln.in_c >= 0) dims[w][ln.in_c] = block.columns * static_cast<int64>(sizeof(T));
            continue;
          }
          for (int q = 0; q < kept_loops; ++q) part[w].base += static_cast<uint64>(index[q] * dims[w][labels[loops[q]].in_c]);
          if (lm.in_c >= 0) part[w].base += static_cast<uint64>(i0 * dims[w][lm.in_c]);
          if (ln.in_c >= 0) part[w].base += static_cast<uint64>(j0 * dims[w][ln.in_c]);
        }
        loop<Arch>(st, here, part, table.numbers.get(), dims);
      };
      gemm<T, Arch>(lm.extent, ln.extent, depth, pa, lm.a, lk.a, pb, lk.b, ln.b, tile);
    });
  }
};

}  // namespace sinter::inline v0::detail::inline SINTER_TARGET
