// SPDX-License-Identifier: BSD-3-Clause
// The loops of a map or row stage on CUDA threads: cpu/kernel.hpp with one thread a lane. Device-clean: nvcc and NVRTC
// read this very file. Not here: addresses and launches (cuda/launch.hpp). Next: jit/source.hpp.
#pragma once
#include "../expr/levels.hpp"
#include "../op/reduction.hpp"
#include "block.hpp"
#include "table.hpp"

namespace sinter::inline v0::detail::device {

/// One number per value of a stage program, by dtype; constant indices keep them in registers.
template <class SP> struct registers {
  template <dtype T> static constexpr int count = slots_of<SP>.count[static_cast<int>(T)] ? slots_of<SP>.count[static_cast<int>(T)] : 1;
  float f32[count<dtype::f32>];
  double f64[count<dtype::f64>];
  int64 i64[count<dtype::i64>];
  int32 i32[count<dtype::i32>];
  int16 i16[count<dtype::i16>];
  int8 i8[count<dtype::i8>];
  uint8 u8[count<dtype::u8>];
  bool b8[count<dtype::b8>];
  float f16[count<dtype::f16>], bf16[count<dtype::bf16>];  // rounded where they are stored
  template <int I> SINTER_DEVICE auto& get() {
    constexpr dtype t = SP::at(I).type;
    constexpr int s = slots_of<SP>.slot[I];
    if constexpr (t == dtype::f32) return f32[s];
    else if constexpr (t == dtype::f64) return f64[s];
    else if constexpr (t == dtype::i64) return i64[s];
    else if constexpr (t == dtype::i32) return i32[s];
    else if constexpr (t == dtype::i16) return i16[s];
    else if constexpr (t == dtype::i8) return i8[s];
    else if constexpr (t == dtype::u8) return u8[s];
    else if constexpr (t == dtype::f16) return f16[s];
    else if constexpr (t == dtype::bf16) return bf16[s];
    else return b8[s];
  }
};

/// The state of reduction number I of a stage program.
template <int I, class S> struct numbered_state { S value; };
template <int I, class S> SINTER_DEVICE S& state(numbered_state<I, S>& s) { return s.value; }

/// The kernel of stage program SP. Index: int where every offset fits, else int64.
template <class SP, class Block, class Index> struct kernel {
  static constexpr auto& lv = levels_of<SP>;
  static constexpr int inputs = SP::operand_count, outputs = SP::result_count, totals = lv.totals;
  static constexpr int first_output = inputs, first_total = inputs + outputs, position = inputs + outputs + totals;
  static constexpr int walks = position + 1;
  static constexpr bool elementwise = lv.passes == 0 && totals == 0;
  static constexpr int last_pass = lv.passes;  // (device code may read numbers, but no members of lv)
  template <int I> static constexpr int total_at = lv.total_number[I];
  using table = launch_table<walks>;
  using regs = registers<SP>;
  static_assert(!lv.too_deep, "sinter: more than 15 dependent reductions in one row kernel; name an intermediate result");
  static_assert(walks <= 320, "sinter: over 256 operands in one expression; name an intermediate result");

  /// What value I is computed in: float for half and bfloat16. Small integers wrap by being stored as such.
  template <int I> using value_type = cpp_type<is_floating(SP::at(I).type) ? computed_in(SP::at(I).type) : SP::at(I).type>;
  /// What reduction I reduces with, and what it remembers. (Structs, not aliases: NVRTC 13 loses nested aliases.)
  template <int I> struct reduce_ {
    using op = op_at<SP, SP::at(I).c>;
    using operand = value_type<SP::at(I).a>;
    using state = decltype(op::init(operand(0)));
  };
  template <int I> using reduction_at = typename reduce_<I>::op;
  template <int I> using operand_at = typename reduce_<I>::operand;
  template <int I> using state_at = typename reduce_<I>::state;

  static constexpr bool is(int i, code c) { return SP::at(i).op == c; }
  static constexpr bool is_total(int i) { return is(i, code::reduce) && SP::at(i).b != along_row; }
  static constexpr bool is_value(int i) { return !is(i, code::reduce) && !is(i, code::output); }
  static constexpr level of(int i) { return lv.at[SP::at(i).a]; }

  static constexpr auto constants = ids_where<SP>([](int i) { return lv.at[i] == level::constant && is_value(i); });
  template <int Pass> static constexpr auto row_ids =
      ids_where<SP>([](int i) { return lv.at[i] == level::row && lv.after[i] == Pass && is_value(i); });
  template <int Pass> static constexpr auto element_ids = ids_where<SP>([](int i) { return lv.need[Pass][i]; });
  template <int Pass> static constexpr auto pass_reductions =
      ids_where<SP>([](int i) { return is(i, code::reduce) && SP::at(i).b == along_row && lv.after[SP::at(i).a] == Pass; });
  static constexpr auto element_outputs = ids_where<SP>([](int i) { return is(i, code::output) && of(i) == level::element; });
  static constexpr auto row_outputs =
      ids_where<SP>([](int i) { return is(i, code::output) && (of(i) == level::row || of(i) == level::constant); });
  static constexpr auto element_totals = ids_where<SP>([](int i) { return is_total(i) && of(i) == level::element; });
  static constexpr auto row_totals = ids_where<SP>([](int i) { return is_total(i) && of(i) != level::element; });
  static constexpr auto reductions = ids_where<SP>([](int i) { return is(i, code::reduce); });
  static constexpr auto all_totals = ids_where<SP>([](int i) { return is_total(i); });
  static constexpr auto total_ids = ids_where<SP>([](int i) { return lv.at[i] == level::total && is_value(i); });
  static constexpr auto total_outputs = ids_where<SP>([](int i) { return is(i, code::output) && of(i) == level::total; });

  template <class Numbers> struct states_;
  template <int... K> struct states_<ints<K...>> : numbered_state<reductions.v[K], state_at<reductions.v[K]>>... {};
  using states = states_<count_to<reductions.count>>;  ///< of all reductions; what is not used takes no registers
  template <int I> static SINTER_DEVICE state_at<I> nothing() { return reduction_at<I>::init(operand_at<I>(0)); }
  template <int I> static SINTER_DEVICE state_at<I> merge(state_at<I> a, state_at<I> b) { return reduction_at<I>::merge(a, b); }
  template <int I> static SINTER_DEVICE state_at<I> fold(state_at<I> s) {
    return fold_block<Block>(s, [](state_at<I> a, state_at<I> b) { return merge<I>(a, b); });
  }
  template <int I> static SINTER_DEVICE state_at<I> push(state_at<I> s, regs& r, uint64 at) {
    return reduction_at<I>::push(s, r.template get<SP::at(I).a>(), static_cast<int64>(at));
  }
  /// Bytes of one element of total k.
  static constexpr int64 total_size(int k) {
    int64 size = 0;
    for_ids<all_totals>([&]<int I>() { if (lv.total_number[I] == k) size = sizeof(state_at<I>); });
    return size;
  }

  // --- one value -----------------------------------------------------------------------------------------------------

  template <class T> static SINTER_DEVICE T& memory(uint64 address) { return *reinterpret_cast<T*>(address); }
  template <int I> static SINTER_DEVICE void step(regs& r, const uint64* p, const table& t) {
    constexpr instruction x = SP::at(I);
    using T = type_at<SP, I>;
    using V = value_type<I>;
    if constexpr (x.op == code::leaf) {
      if constexpr (x.b == leaf_index) r.template get<I>() = static_cast<T>(p[x.a]);
      else r.template get<I>() = memory<const T>(p[x.a]);
    } else if constexpr (x.op == code::scalar) {
      r.template get<I>() = static_cast<V>(literal_value(t.walks[x.a].base));
    } else if constexpr (x.op == code::literal) {
      r.template get<I>() = static_cast<V>(literal_value(SP::pool(x.a)));
    } else if constexpr (x.op == code::expand) {
      r.template get<I>() = r.template get<x.a>();
    } else if constexpr (x.op == code::cast) {
      const auto v = math::convert<V>(r.template get<x.a>());
      if constexpr (detail::same<T, half> || detail::same<T, bfloat16>) r.template get<I>() = static_cast<T>(v);  // rounded to T
      else r.template get<I>() = v;
    } else if constexpr (x.is_op()) {
      using Op = op_at<SP, x.op_index()>;
      constexpr int arity = arity_of<Op>;
      if constexpr (arity == 1) r.template get<I>() = static_cast<V>(Op::value(r.template get<x.a>()));
      else if constexpr (arity == 2) r.template get<I>() = static_cast<V>(Op::value(r.template get<x.a>(), r.template get<x.b>()));
      else r.template get<I>() = static_cast<V>(Op::value(r.template get<x.a>(), r.template get<x.b>(), r.template get<x.c>()));
    }
  }
  template <int I> static SINTER_DEVICE void write(regs& r, const uint64* p, const table& t) {
    constexpr int w = first_output + SP::at(I).b;
    using T = type_at<SP, I>;
    const T v = static_cast<T>(r.template get<SP::at(I).a>());
    T& to = memory<T>(p[w]);
    if (t.walks[w].mode == store) to = v;
    else if (t.walks[w].mode == accumulate) to = static_cast<T>(static_cast<value_type<I>>(to) + static_cast<value_type<I>>(v));
  }
  static SINTER_DEVICE void set_constants(regs& r, const table& t) {
    uint64 p[walks];
    SINTER_UNROLL
    for (int w = 0; w < walks; ++w) p[w] = t.walks[w].base;
    for_ids<constants>([&]<int I>() { step<I>(r, p, t); });
  }
  static SINTER_DEVICE void advance(uint64* p, const table& t, int d, Index i) {
    SINTER_UNROLL
    for (int w = 0; w < walks; ++w) p[w] += static_cast<uint64>(static_cast<int64>(static_cast<Index>(t.walks[w].step[d]) * i));
  }

  // --- element-wise stages -------------------------------------------------------------------------------------------

  static SINTER_DEVICE void map(const table& t) {
    regs r;
    set_constants(r, t);
    const Index n = static_cast<Index>(t.head.units), jump = static_cast<Index>(Block::count() * Block::threads());
    for (Index e = static_cast<Index>(Block::number() * Block::threads() + Block::thread()); e < n; e += jump) {
      uint64 p[walks];
      SINTER_UNROLL
      for (int w = 0; w < walks; ++w) p[w] = t.walks[w].base;
      Index rest = e;
      for (int d = t.head.kept_rank - 1; d > 0; --d) {
        const Index extent = static_cast<Index>(t.head.extent[d]);
        advance(p, t, d, rest % extent);
        rest /= extent;
      }
      advance(p, t, 0, rest);
      for_ids<element_ids<0>>([&]<int I>() { step<I>(r, p, t); });
      for_ids<element_outputs>([&]<int I>() { write<I>(r, p, t); });
      for_ids<row_outputs>([&]<int I>() { write<I>(r, p, t); });
    }
  }

  // --- row stages, and totals ----------------------------------------------------------------------------------------

  /// What a thread knows of its row.
  struct row_state {
    uint64 p[walks];       ///< its first element
    int64 move[walks];     ///< to its next one
    Index steps;           ///< how many it has
    bool active;           ///< false: a thread beyond the last row, which only keeps step with the others
    bool across;
    uint64 pending[totals ? totals : 1];  ///< where `sums` belong; 0: they are empty
  };

  /// Adds what the block's threads have collected of total I to its place.
  template <int I> static SINTER_DEVICE void flush(row_state& row, states& sums) {
    auto& at = row.pending[total_at<I>];
    if (!at) return;
    auto& sum = state<I>(sums);
    const state_at<I> all = fold<I>(sum);
    if (Block::thread() == 0) memory<state_at<I>>(at) = merge<I>(memory<state_at<I>>(at), all);
    sum = nothing<I>();
    at = 0;
  }
  /// Do the threads of a block share the elements of this total?
  static SINTER_DEVICE bool is_shared(const table& t, int w) { return t.walks[w].lane == 0; }

  template <int Pass> static SINTER_DEVICE void inner(regs& r, row_state& row, uint64* p, const table& t, states& row_sums, states& sums) {
    if constexpr (Pass == last_pass)
      for_ids<element_totals>([&]<int I>() {
        constexpr int w = first_total + total_at<I>;
        if (row.across || !is_shared(t, w)) return;
        if (row.pending[total_at<I>] != p[w]) flush<I>(row, sums);
        row.pending[total_at<I>] = p[w];
      });
    for (Index s = 0; s < row.steps; ++s) {
      for_ids<element_ids<Pass>>([&]<int I>() { step<I>(r, p, t); });
      for_ids<pass_reductions<Pass>>([&]<int I>() {
        auto& sum = state<I>(row_sums);
        sum = push<I>(sum, r, p[position]);
      });
      if constexpr (Pass == last_pass) {
        if (row.active) for_ids<element_outputs>([&]<int I>() { write<I>(r, p, t); });
        for_ids<element_totals>([&]<int I>() {
          constexpr int w = first_total + total_at<I>;
          auto& sum = state<I>(sums);
          if (!is_shared(t, w)) {
            if (row.active) memory<state_at<I>>(p[w]) = merge<I>(memory<state_at<I>>(p[w]), push<I>(nothing<I>(), r, p[position]));
            return;
          }
          if (row.across && row.pending[total_at<I>] != p[w]) {
            flush<I>(row, sums);
            row.pending[total_at<I>] = p[w];
          }
          if (row.active) sum = push<I>(sum, r, p[position]);
        });
      }
      SINTER_UNROLL
      for (int w = 0; w < walks; ++w) p[w] += static_cast<uint64>(row.move[w]);
    }
  }

  template <int Pass> static SINTER_DEVICE void pass(regs& r, row_state& row, const table& t, states& sums) {
    for_ids<row_ids<Pass>>([&]<int I>() { step<I>(r, row.p, t); });
    if constexpr (element_ids<Pass>.count > 0 || pass_reductions<Pass>.count > 0) {
      states row_sums;
      for_ids<pass_reductions<Pass>>([&]<int I>() { state<I>(row_sums) = nothing<I>(); });
      const launch_head& h = t.head;
      Index outer = 1;
      for (int d = 0; d + 1 < h.row_rank; ++d) outer *= static_cast<Index>(h.extent[h.kept_rank + d]);
      for (Index o = 0; o < outer; ++o) {
        uint64 p[walks];
        SINTER_UNROLL
        for (int w = 0; w < walks; ++w) p[w] = row.p[w];
        Index rest = o;
        for (int d = h.kept_rank + h.row_rank - 2; d >= h.kept_rank; --d) {
          const Index extent = static_cast<Index>(h.extent[d]);
          advance(p, t, d, rest % extent);
          rest /= extent;
        }
        inner<Pass>(r, row, p, t, row_sums, sums);
      }
      for_ids<pass_reductions<Pass>>([&]<int I>() {
        state_at<I> s = state<I>(row_sums);
        if (!row.across) s = fold<I>(s);
        r.template get<I>() = static_cast<value_type<I>>(reduction_at<I>::result(s));
      });
    }
  }
  template <int... K> static SINTER_DEVICE void passes(regs& r, row_state& row, const table& t, states& sums, ints<K...>) {
    int done[] = {(pass<K>(r, row, t, sums), 0)...};
    (void)done;
  }

  /// Places the thread at its first element of unit u.
  static SINTER_DEVICE void place(row_state& row, const table& t, Index u) {
    const launch_head& h = t.head;
    SINTER_UNROLL
    for (int w = 0; w < walks; ++w) {
      row.p[w] = t.walks[w].base;
      if (w >= first_total && w < position && h.sets > 1) row.p[w] += static_cast<uint64>(Block::number() * h.set_bytes);
    }
    Index part = 0, rest = u;
    for (int d = h.kept_rank - 1; d >= 0; --d) {
      const Index extent = static_cast<Index>(h.extent[d]), i = rest % extent;
      if (d == h.kept_rank - 1) part = i;
      advance(row.p, t, d, i);
      rest /= extent;
    }
    const int inner = h.kept_rank + h.row_rank - 1;
    Index length = static_cast<Index>(h.extent[inner]), rows = 1;
    if (h.part) {
      const Index left = static_cast<Index>(h.part_total - part * h.part), size = static_cast<Index>(h.part < left ? h.part : left);
      (row.across ? rows : length) = size;
    }
    const Index me = Block::thread(), lane = !row.across || me < rows ? me : rows - 1;
    row.active = !row.across || me < rows;
    row.steps = row.across ? length : me < length ? (length - me + Block::threads() - 1) / Block::threads() : 0;
    SINTER_UNROLL
    for (int w = 0; w < walks; ++w) {
      row.p[w] += static_cast<uint64>(t.walks[w].lane * lane);
      row.move[w] = row.across ? t.walks[w].step[inner] : t.walks[w].lane * Block::threads();
    }
  }

  static SINTER_DEVICE void rows(const table& t) {
    regs r;
    set_constants(r, t);
    row_state row;
    row.across = t.head.across != 0;
    SINTER_UNROLL
    for (uint64& at : row.pending) at = 0;
    states sums;
    for_ids<element_totals>([&]<int I>() { state<I>(sums) = nothing<I>(); });
    const Index first = static_cast<Index>(Block::number() * t.head.units_per_block);
    const Index left = static_cast<Index>(t.head.units) - first, most = static_cast<Index>(t.head.units_per_block);
    const Index last = first + (left < most ? left : most);
    for (Index u = first; u < last; ++u) {
      place(row, t, u);
      passes(r, row, t, sums, count_to<last_pass + 1>{});
      const bool mine = row.across ? row.active : Block::thread() == 0;
      if (mine) for_ids<row_outputs>([&]<int I>() { write<I>(r, row.p, t); });
      for_ids<row_totals>([&]<int I>() {
        constexpr int w = first_total + total_at<I>;
        state_at<I> s = nothing<I>();
        if (mine) s = push<I>(s, r, row.p[position]);
        const bool shared = row.across && is_shared(t, w);
        if (shared) s = fold<I>(s);
        if (shared ? Block::thread() == 0 : mine) memory<state_at<I>>(row.p[w]) = merge<I>(memory<state_at<I>>(row.p[w]), s);
      });
    }
    for_ids<element_totals>([&]<int I>() { flush<I>(row, sums); });
  }

  /// Sets all totals to the state of nothing.
  static SINTER_DEVICE void clear(const table& t) {
    for_ids<all_totals>([&]<int I>() {
      const launch_walk& w = t.walks[first_total + total_at<I>];
      for (int64 e = Block::number() * Block::threads() + Block::thread(); e < w.count * t.head.sets; e += Block::count() * Block::threads())
        memory<state_at<I>>(w.base + static_cast<uint64>(e / w.count * t.head.set_bytes + e % w.count * sizeof(state_at<I>))) = nothing<I>();
    });
  }

  /// Merges the sets of totals in order and computes the results that depend on them: `units` elements of each.
  static SINTER_DEVICE void finish(const table& t) {
    regs r;
    set_constants(r, t);
    const launch_head& h = t.head;
    const bool by_block = h.by_block != 0;
    const int64 jump = by_block ? Block::count() : Block::count() * Block::threads();
    for (int64 e = by_block ? Block::number() : Block::number() * Block::threads() + Block::thread(); e < h.units; e += jump) {
      for_ids<all_totals>([&]<int I>() {
        const launch_walk& w = t.walks[first_total + total_at<I>];
        state_at<I> s = nothing<I>();
        for (int64 k = by_block ? Block::thread() : 0; k < h.sets; k += by_block ? Block::threads() : 1)
          s = merge<I>(s, memory<const state_at<I>>(w.base + static_cast<uint64>(k * h.set_bytes + e % w.count * sizeof(state_at<I>))));
        if (by_block) s = fold<I>(s);
        r.template get<I>() = static_cast<value_type<I>>(reduction_at<I>::result(s));
      });
      uint64 p[walks];
      SINTER_UNROLL
      for (int w = 0; w < walks; ++w) p[w] = t.walks[w].base;
      int64 rest = e;
      for (int d = h.kept_rank - 1; d >= 0; --d) {
        SINTER_UNROLL
        for (int w = first_output; w < first_total; ++w) p[w] += static_cast<uint64>(rest % h.extent[d] * t.walks[w].step[d]);
        rest /= h.extent[d];
      }
      for_ids<total_ids>([&]<int I>() { step<I>(r, p, t); });
      if (!by_block || Block::thread() == 0) for_ids<total_outputs>([&]<int I>() { write<I>(r, p, t); });
    }
  }
};

}  // namespace sinter::inline v0::detail::device
