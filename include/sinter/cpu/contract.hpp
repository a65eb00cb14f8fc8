// SPDX-License-Identifier: BSD-3-Clause
// Contractions: labels sorted into rows, columns, sums and loops; GEMMs over them; prologues block by block as the GEMM packs its
// operands, the epilogue on finished blocks. Next: run.hpp.
#pragma once
#include "gemm_bfloat16.hpp"
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
  static constexpr int64 small_operand = 1 << 13;  ///< elements of an operand that is sooner written than made in blocks

  /// An operand of a product: memory, or what its prologue computes.
  struct factor {
    char* data = nullptr;
    int64 strides[max_rank] = {};
    const stage_entry* prologue = nullptr;
    loop_dims l;           ///< of the prologue: the dims of its value
    walk_table table;
    bool in_blocks = false;

    factor(contract_runner& run, const stage_entry& st, int value)
        : prologue(prologue_of(run.e_.stages, run.e_.stage_count, st.contract, value)), table(prologue ? prologue->input_count + prologue->root_count + 1 : 0) {
      if (!prologue) {
        data = run.strides_of(value, strides);
        return;
      }
      const shape_value& s = run.shapes_[value];
      row_major(s, strides);
      l.rank = s.rank;
      for (int d = 0; d < s.rank; ++d) l.kept[l.kept_count++] = d, l.extent[d] = s[d];
      run.bind(*prologue, l, table.walks.get(), table.numbers.get(), table.by_dim.get(), nullptr, nullptr);
    }
    int walks() const { return prologue ? prologue->input_count : 0; }
    /// Does dim v go round inside dim w in all that the prologue reads?
    bool crosses(int w, int v, int64 extent) const {
      for (int q = 0; q < walks(); ++q)
        if (table.by_dim.get()[q][w] != table.by_dim.get()[q][v] * extent) return false;
      return true;
    }
  };
  /// The memory that a prologue does no more to than to widen it from bfloat16, else -1.
  int widened_of(const factor& f, int value) const {
    const instruction x = p_.at(value);
    const bool plain = f.prologue && x.op == code::cast && p_.at(x.a).type == dtype::bf16 && (e_.memory[x.a] || e_.written[x.a]);
    return plain && f.prologue->input_count == 1 && f.prologue->inputs[0].id == x.a ? x.a : -1;
  }
  /// Runs the prologue over its whole value, which lies at `to` for this product alone: the same run may be executed again.
  template <class Arch> void write(factor& f, int value, char* to) {
    memory& m = memory_[value];
    const memory before = m;
    m.data = f.data = to, m.mode = write_store;
    row_major(shapes_[value], m.strides);
    run_loops<Arch>(*f.prologue);
    m = before;
  }
  /// A stage over a part of its loops: `here` says how long, `first` where it begins; change(walks, by_dim) at last.
  template <class Arch, class F>
  void run_part(const stage_entry& st, const walk_table& table, int walks, loop_dims here, const int64* first, const F& change) {
    walk_table own(walks);
    for (int w = 0; w < walks; ++w) {
      own.walks.get()[w] = table.walks.get()[w];
      for (int d = 0; d < max_rank; ++d) own.by_dim.get()[w][d] = table.by_dim.get()[w][d];
      for (int d = 0; d < here.rank; ++d) own.walks.get()[w].base += static_cast<uint64>(first[d] * own.by_dim.get()[w][d]);
    }
    change(own.walks.get(), own.by_dim.get());
    loop<Arch>(st, here, own.walks.get(), table.numbers.get(), own.by_dim.get());
  }
  /// What gemm_operand::make needs to have a prologue compute a block: dims of rows and columns (-1: none), and the first element.
  struct block_source {
    contract_runner* run;
    const factor* f;
    int rows, columns;
    int64 first[max_rank];
  };
  template <class T, class Arch> static strided<T> make_block(const void* context, int64 i, int64 j, int64 rows, int64 columns, T* room) {
    const block_source& x = *static_cast<const block_source*>(context);
    const stage_entry& st = *x.f->prologue;
    loop_dims here = x.f->l;
    int64 first[max_rank];
    for (int d = 0; d < here.rank; ++d) here.extent[d] = 1, first[d] = x.first[d];
    if (x.rows >= 0) here.extent[x.rows] = rows, first[x.rows] += i;
    if (x.columns >= 0) here.extent[x.columns] = columns, first[x.columns] += j;
    const bool by_columns = x.rows > x.columns;
    const strided<T> to = by_columns ? strided<T>{room, 1, rows + 16} : strided<T>{room, columns + 16, 1};
    x.run->run_part<Arch>(st, x.f->table, st.input_count + st.root_count + 1, here, first, [&](walk* walks, int64 (*by_dim)[max_rank]) {
      const int w = st.input_count;
      walks[w].base = address_of(room), walks[w].mode = write_store;
      for (int d = 0; d < here.rank; ++d) by_dim[w][d] = 0;
      if (x.rows >= 0) by_dim[w][x.rows] = to.rows * static_cast<int64>(sizeof(T));
      if (x.columns >= 0) by_dim[w][x.columns] = to.columns * static_cast<int64>(sizeof(T));
    });
    return to;
  }
  /// The product's operand at `offset`; `from` must live as long as it.
  template <class T, class Arch> gemm_operand<T> operand_at(const factor& f, int64 offset, int rows, int columns, int64 row_stride, int64 column_stride, block_source& from) {
    if (!f.in_blocks) return {{reinterpret_cast<const T*>(f.data) + offset, row_stride, column_stride}};
    from = {this, &f, rows, columns, {}};
    for (int d = 0; d < f.l.rank; ++d)
      if (f.strides[d]) from.first[d] = offset / f.strides[d], offset %= f.strides[d];
    return {{nullptr, row_stride, column_stride}, &make_block<T, Arch>, nullptr, &from};
  }

  template <class T, class Arch> void contract(const stage_entry& st) {
    const instruction x = p_.at(st.contract);
    const contraction c = contraction::decode(p_.pool(x.c));
    const shape_value& out = shapes_[st.contract];
    factor left(*this, st, x.a), right(*this, st, x.b);
    [[maybe_unused]] bool in_bfloat16 = false;
    if constexpr (has_bfloat16_products && std::is_same_v<T, float>)
      if (const int a = widened_of(left, x.a), b = widened_of(right, x.b); a >= 0 && b >= 0) {
        in_bfloat16 = true;
        left.prologue = right.prologue = nullptr;
        left.data = strides_of(a, left.strides), right.data = strides_of(b, right.strides);
      }
    // extents and strides by label, and which dim it is of each: -1 for none
    struct label {
      int64 extent = 1, a = 0, b = 0;
      int in_a = -1, in_b = -1, in_c = -1;
    } labels[8];
    for (int d = 0; d < c.rank_a; ++d) labels[c.a(d)].extent = shapes_[x.a][d], labels[c.a(d)].a = left.strides[d], labels[c.a(d)].in_a = d;
    for (int d = 0; d < c.rank_b; ++d) labels[c.b(d)].extent = shapes_[x.b][d], labels[c.b(d)].b = right.strides[d], labels[c.b(d)].in_b = d;
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
      if (o.in_a >= 0 && !left.crosses(o.in_a, i.in_a, i.extent)) return false;
      if (o.in_b >= 0 && !right.crosses(o.in_b, i.in_b, i.extent)) return false;
      if (o.in_c < 0) return true;
      if (st.plain_product) return dest.strides[o.in_c] == dest.strides[i.in_c] * i.extent;
      for (int q = 0; q <= position; ++q)
        if (!(q < st.input_count && st.inputs[q].kind == input_kind::product) && by_dim[q][o.in_c] != by_dim[q][i.in_c] * i.extent) return false;
      return true;
    };
    for (int w = 0; w < 8; ++w)
      for (int v = 0; v < 8; ++v) {
        label &o = labels[w], &i = labels[v];
        if (v == w || (o.in_a < 0) != (i.in_a < 0) || (o.in_b < 0) != (i.in_b < 0) || (o.in_a < 0 && o.in_b < 0) || o.extent == 1 || i.extent == 1 || !one(w, v)) continue;
        i.extent *= o.extent, o.extent = 1;
        w = -1;
        break;
      }

    // the longest of each kind goes to the matrix product, the others are loops around it: first those of the result
    int m = -1, n = -1, k = -1, loops[8], loop_count = 0, kept_loops = 0;
    for (int q = 0; q < 8; ++q) {
      const label& w = labels[q];
      const bool in_a = w.in_a >= 0, in_b = w.in_b >= 0;
      if ((!in_a && !in_b) || w.extent == 1) continue;
      int* kind = w.in_c < 0 && in_a && in_b ? &k : w.in_c >= 0 && in_a && !in_b ? &m : w.in_c >= 0 && in_b && !in_a ? &n : nullptr;
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

    // a prologue runs in blocks where each of them is made once, else before
    auto room_for = [&](factor& f, int value, bool once) {
      if (!f.prologue) return int64(0);
      for (int q = 0; q < loop_count; ++q) once = once && (&f == &left ? labels[loops[q]].in_a : labels[loops[q]].in_b) >= 0;
      f.in_blocks = once && std::is_floating_point_v<T> && shapes_[value].numel() >= small_operand;
      return f.in_blocks ? int64(0) : bytes_for<Arch>(shapes_[value], static_cast<int64>(sizeof(T)));
    };
    const scratch<char, Arch> left_room(room_for(left, x.a, ln.extent <= gemm_task<T, Arch>::most_columns)), right_room(room_for(right, x.b, true));
    if (left_room.get()) write<Arch>(left, x.a, left_room.get());
    if (right_room.get()) write<Arch>(right, x.b, right_room.get());

    // body(index, offset in a, offset in b) for every product that is a part of the result; threads share them where one is too small to share
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
          body(index, oa, ob);
        }
      };
      if (apart) parallel_for<Arch>(groups, run_group);
      else for (int64 g = 0; g < groups; ++g) run_group(g);
    };
    auto multiply = [&](int64 oa, int64 ob, const gemm_result<T>& to) {
      if constexpr (has_bfloat16_products && std::is_same_v<T, float>)
        if (in_bfloat16) {
          const strided<bfloat16> a{reinterpret_cast<const bfloat16*>(left.data) + oa, lm.a, lk.a}, b{reinterpret_cast<const bfloat16*>(right.data) + ob, lk.b, ln.b};
          return gemm_bfloat16<Arch>(lm.extent, ln.extent, depth, a, b, to);
        }
      block_source from_a, from_b;
      const gemm_operand<T> a = operand_at<T, Arch>(left, oa, lm.in_a, lk.in_a, lm.a, lk.a, from_a);
      const gemm_operand<T> b = operand_at<T, Arch>(right, ob, lk.in_b, ln.in_b, lk.b, ln.b, from_b);
      gemm<T, Arch>(lm.extent, ln.extent, depth, a, b, to);
    };
    auto product = [&](char* data, const int64* strides, bool accumulate) {
      const int64 rows = lm.in_c >= 0 ? strides[lm.in_c] : 0, columns = ln.in_c >= 0 ? strides[ln.in_c] : 0;
      if (!left.in_blocks && !right.in_blocks && !in_bfloat16 && ln.b == 1 && columns == 1 && loop_count == kept_loops && kept_loops <= 1 && work <= small_work && gemm_batch<T, Arch>(ln.extent, 0, small_product<T>{}, 0, 0, 0, false)) {
        const label& batch = kept_loops ? labels[loops[0]] : none;
        const int64 step = batch.in_c >= 0 ? strides[batch.in_c] : 0;
        const T *const a = reinterpret_cast<const T*>(left.data), *const b = reinterpret_cast<const T*>(right.data);
        parallel_for<Arch>((products - 1) / group + 1, [&](int64 g) {
          const int64 first = g * group, count = products - first < group ? products - first : group;
          const small_product<T> one_of{lm.extent, depth, {a + first * batch.a, lm.a, lk.a}, b + first * batch.b, lk.b, reinterpret_cast<T*>(data) + first * step, rows};
          gemm_batch<T, Arch>(ln.extent, count, one_of, batch.a, batch.b, step, accumulate);
        });
        return;
      }
      for_each_product([&](const int64* index, int64 pa, int64 pb) {
        T* to = reinterpret_cast<T*>(data);
        for (int q = 0; q < kept_loops; ++q) to += index[q] * strides[labels[loops[q]].in_c];
        for (int64 i = 0; i < terms; ++i) {
          int64 rest = i, oa = 0, ob = 0;
          for (int q = loop_count - 1; q >= kept_loops; --q) {
            const label& w = labels[loops[q]];
            oa += rest % w.extent * w.a, ob += rest % w.extent * w.b, rest /= w.extent;
          }
          multiply(pa + oa, pb + ob, gemm_result<T>{to, rows, columns, accumulate || i > 0});
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
    for_each_product([&](const int64* index, int64 oa, int64 ob) {
      auto tile = [&](int64 i0, int64 i1, int64 j0, int64 j1, strided<T> block) {
        loop_dims here = l;
        int64 first[max_rank] = {};
        for (int d = 0; d < l.rank; ++d) here.extent[d] = 1;
        for (int q = 0; q < kept_loops; ++q) first[labels[loops[q]].in_c] = index[q];
        if (lm.in_c >= 0) here.extent[lm.in_c] = i1 - i0, first[lm.in_c] = i0;
        if (ln.in_c >= 0) here.extent[ln.in_c] = j1 - j0, first[ln.in_c] = j0;
        run_part<Arch>(st, table, position + 1, here, first, [&](walk* walks, int64 (*dims)[max_rank]) {
          for (int w = 0; w < st.input_count; ++w) {
            if (st.inputs[w].kind != input_kind::product) continue;
            walks[w].base = address_of(block.data);
            if (lm.in_c >= 0) dims[w][lm.in_c] = block.rows * static_cast<int64>(sizeof(T));
            if (ln.in_c >= 0) dims[w][ln.in_c] = block.columns * static_cast<int64>(sizeof(T));
          }
        });
      };
      multiply(oa, ob, gemm_result<T>::receiver(tile));
    });
  }
};

}  // namespace sinter::inline v0::detail::inline SINTER_TARGET
