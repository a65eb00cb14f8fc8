// SPDX-License-Identifier: BSD-3-Clause
// The loop of a map or row stage on SIMD lanes: one body per stage program, whatever the strides. Lanes run along
// the row where the unit stride lies there, else across rows. Not here: geometry and memory (cpu/run.hpp).
#pragma once
#include "../expr/stage.hpp"
#include "../op/reduction.hpp"
#include "operand.hpp"
#include "pack.hpp"

namespace sinter::inline v0 {

template <class T, int N> struct index_lane_<pack<T, N>> { using type = pack<int64, N>; };
template <class T, int N> SINTER_INLINE pack<T, N> lowest(pack<T, N>) { return pack<T, N>(lowest(T{})); }

namespace detail {

/// One thing that a kernel walks over: input, output, total, or the position along the row.
struct walk {
  char* base = nullptr;              ///< first element; for positions: the first number
  int64 kept[max_rank + 1] = {};     ///< bytes (positions: numbers) to the next index of each kept dim
  int64 row[max_rank] = {};          ///< the same along the row's dims, the last one innermost
  int64 lane = 0;                    ///< elements from lane to lane
  uint8 mode = 0;                    ///< outputs: store, accumulate, skip
};

inline constexpr int max_walks = 320;

/// A stage's loops at run time. Kept dims run outside, row dims inside; the last kept dim may be a cut of the row into
/// blocks (map stages) or of the lane dim into groups of lanes (rows side by side in memory).
struct geometry {
  int kept_rank = 0, row_rank = 1;
  int64 kept[max_rank + 1] = {};
  int64 row[max_rank] = {};
  bool lanes_along_row = true;
  int64 part = 0;                    ///< elements of one part of the last kept dim's cut, 0: not cut
  int64 part_total = 0;              ///< elements in all parts
  const double* numbers = nullptr;   ///< scalar inputs by operand
  const walk* walks = nullptr;
};

/// The dtypes of a stage's values decide how many lanes it has.
template <class SP> constexpr int lanes_of() {
  bool f64 = false, i64 = false, narrow = false;
  for (int i = 0; i < SP::size; ++i) {
    const dtype t = SP::at(i).type;
    if (t == dtype::f64) f64 = true;
    else if (t == dtype::i64) i64 = true;
    else if (t != dtype::b8) narrow = true;
  }
  return narrow ? lanes<float> : f64 ? lanes<double> : i64 ? lanes<int64> : lanes<float>;
}

/// `Count` packs of T; nothing where a program has no such values.
template <class T, int N, int Count> struct register_file { pack<T, N> v[static_cast<std::size_t>(Count)]; };
template <class T, int N> struct register_file<T, N, 0> {};

/// One pack per value, by dtype; constant indices keep them in registers.
template <class SP, int N> struct registers {
  template <dtype D> using file = register_file<cpp_type<D>, N, slots_of<SP>.count[static_cast<int>(D)]>;
  [[no_unique_address]] file<dtype::f32> f32;
  [[no_unique_address]] file<dtype::f64> f64;
  [[no_unique_address]] file<dtype::i64> i64;
  [[no_unique_address]] file<dtype::i32> i32;
  [[no_unique_address]] file<dtype::b8> b8;
  template <int I> SINTER_INLINE auto& get() {
    constexpr dtype t = SP::at(I).type;
    constexpr int s = slots_of<SP>.slot[I];
    if constexpr (t == dtype::f32) return f32.v[s];
    else if constexpr (t == dtype::f64) return f64.v[s];
    else if constexpr (t == dtype::i64) return i64.v[s];
    else if constexpr (t == dtype::i32) return i32.v[s];
    else return b8.v[s];
  }
};

/// Computes value I from the registers of its operands.
template <class SP, int I, class R> SINTER_INLINE void step(R& r) {
  constexpr instruction x = SP::at(I);
  if constexpr (x.op == code::cast) {
    r.template get<I>() = convert<type_at<SP, I>>(r.template get<x.a>());
  } else if constexpr (x.is_op()) {
    using Op = op_at<SP, x.op_index()>;
    constexpr int arity = arity_of<Op>;
    if constexpr (arity == 1) r.template get<I>() = Op::value(r.template get<x.a>());
    else if constexpr (arity == 2) r.template get<I>() = Op::value(r.template get<x.a>(), r.template get<x.b>());
    else r.template get<I>() = Op::value(r.template get<x.a>(), r.template get<x.b>(), r.template get<x.c>());
  }
}

// --- reductions on lanes -------------------------------------------------------------------------------------------

template <int N, class T> SINTER_INLINE pack<T, N> select_state(pack<bool, N> m, pack<T, N> a, pack<T, N> b) { return select(m, a, b); }
template <int N, class A, class B> SINTER_INLINE parts<A, B> select_state(pack<bool, N> m, parts<A, B> a, parts<A, B> b) {
  return {select(m, a.first, b.first), select(m, a.second, b.second)};
}
template <class T, int N> struct scalar_state { using type = T; };
template <class T, int N, class M> SINTER_INLINE T fold_lanes(pack<T, N> s, int count, M merge) {
  T v[N];
  s.store(v);
  for (int w = N / 2; w; w /= 2)
    for (int i = 0; i < w; ++i)
      if (i + w < count) v[i] = merge(v[i], v[i + w]);
  return v[0];
}
template <class A, class B, int N, class M>
SINTER_INLINE parts<A, B> fold_lanes(parts<pack<A, N>, pack<B, N>> s, int count, M merge) {
  A a[N];
  B b[N];
  s.first.store(a), s.second.store(b);
  for (int w = N / 2; w; w /= 2)
    for (int i = 0; i < w; ++i)
      if (i + w < count) {
        const parts<A, B> m = merge(parts<A, B>{a[i], b[i]}, parts<A, B>{a[i + w], b[i + w]});
        a[i] = m.first, b[i] = m.second;
      }
  return {a[0], b[0]};
}

// --- the kernel ----------------------------------------------------------------------------------------------------

template <class SP, class Arch> struct kernel {
  static constexpr auto& lv = levels_of<SP>;
  static constexpr int N = lanes_of<SP>();
  static constexpr int inputs = SP::operand_count, outputs = SP::result_count, totals = lv.totals;
  static constexpr int first_output = inputs, first_total = inputs + outputs, position = inputs + outputs + totals;
  static constexpr int walks = position + 1;
  using regs = registers<SP, N>;
  template <int I> using reduction_at = op_at<SP, SP::at(I).c>;
  template <int I> using operand_pack = pack<type_at<SP, SP::at(I).a>, N>;
  template <int I> using state_at = decltype(reduction_at<I>::init(operand_pack<I>{}));
  static_assert(!lv.too_deep, "sinter: more than 15 dependent reductions in one row kernel; name an intermediate result");
  static_assert(walks <= max_walks, "sinter: over 256 operands in one expression; name an intermediate result");

  static constexpr auto constants = ids_where<SP>([](int i) { return lv.at[i] == level::constant; });
  template <int Pass> static constexpr auto row_ids =
      ids_where<SP>([](int i) { return lv.at[i] == level::row && lv.after[i] == Pass && SP::at(i).op != code::reduce && SP::at(i).op != code::output; });
  template <int Pass> static constexpr auto element_ids = ids_where<SP>([](int i) { return lv.need[Pass][i]; });
  template <int Pass> static constexpr auto pass_reductions =
      ids_where<SP>([](int i) { return SP::at(i).op == code::reduce && SP::at(i).b == along_row && lv.after[SP::at(i).a] == Pass; });
  static constexpr auto element_outputs = ids_where<SP>([](int i) { return SP::at(i).op == code::output && lv.at[SP::at(i).a] == level::element; });
  static constexpr auto row_outputs = ids_where<SP>([](int i) {
    return SP::at(i).op == code::output && (lv.at[SP::at(i).a] == level::row || lv.at[SP::at(i).a] == level::constant);
  });
  static constexpr auto element_totals = ids_where<SP>([](int i) {
    return SP::at(i).op == code::reduce && SP::at(i).b != along_row && lv.at[SP::at(i).a] == level::element;
  });
  static constexpr auto row_totals = ids_where<SP>([](int i) {
    return SP::at(i).op == code::reduce && SP::at(i).b != along_row && lv.at[SP::at(i).a] != level::element;
  });
  static constexpr auto total_ids = ids_where<SP>([](int i) { return lv.at[i] == level::total && SP::at(i).op != code::reduce && SP::at(i).op != code::output; });
  static constexpr auto total_outputs = ids_where<SP>([](int i) { return SP::at(i).op == code::output && lv.at[SP::at(i).a] == level::total; });

  template <class T> static SINTER_INLINE pack<T, N> load(const char* p, int64 lane, int count) {
    const T* q = reinterpret_cast<const T*>(p);
    if (count == N) [[likely]] {
      if (lane == 1) return pack<T, N>::load(q);
      if (lane == 0) return pack<T, N>::splat(*q);
      return pack<T, N>::gather(q, lane);
    }
    if (lane == 1) return pack<T, N>::load(q, count);
    if (lane == 0) return pack<T, N>::splat(*q);
    return pack<T, N>::gather(q, lane, count);
  }
  static SINTER_INLINE pack<int64, N> positions(const char* p, int64 lane) {
    const int64 first = static_cast<int64>(reinterpret_cast<intptr_t>(p));
    if (lane == 0) return pack<int64, N>::splat(first);
    if (lane == 1) return pack<int64, N>::iota(first);
    return pack<int64, N>::iota(0) * pack<int64, N>::splat(lane) + pack<int64, N>::splat(first);
  }
  template <class T> static SINTER_INLINE void write(char* p, int64 lane, int count, pack<T, N> v, uint8 mode) {
    T* q = reinterpret_cast<T*>(p);
    if (mode == write_accumulate) {
      if constexpr (std::is_same_v<T, bool>) v = v | load<T>(p, lane, count);
      else v = v + load<T>(p, lane, count);
    }
    if (lane == 1) {
      if (count == N) [[likely]] v.store(q);
      else v.store(q, count);
    } else {
      v.scatter(q, lane, count);
    }
  }

  /// Merges a state into a total in memory, lane by lane or folded into one element.
  template <int I> static SINTER_INLINE void merge_total(char* p, int64 lane, int count, state_at<I> s) {
    using R = reduction_at<I>;
    using T = type_at<SP, SP::at(I).a>;
    T* q = reinterpret_cast<T*>(p);
    if (lane == 1 && count == N) {
      R::merge(pack<T, N>::load(q), s).store(q);
    } else if (lane == 0) {
      const T v = fold_lanes(s, count, [](T a, T b) { return static_cast<T>(R::merge(a, b)); });
      *q = static_cast<T>(R::merge(*q, v));
    } else {
      T v[N];
      s.store(v);
      for (int i = 0; i < count; ++i) q[i * lane] = static_cast<T>(R::merge(q[i * lane], v[i]));
    }
  }

  template <auto& List, std::size_t... K> static auto states_for(std::index_sequence<K...>) -> std::tuple<state_at<List.v[K]>...>;
  template <auto& List> using states_of = decltype(states_for<List>(std::make_index_sequence<static_cast<std::size_t>(List.count)>()));
  template <auto& List, int I> static constexpr std::size_t index_in = [] {
    std::size_t k = 0;
    while (List.v[k] != I) ++k;
    return k;
  }();
  template <auto& List> static SINTER_INLINE void reset(states_of<List>& s) {
    for_ids<List>([&]<int I>() { std::get<index_in<List, I>>(s) = reduction_at<I>::init(operand_pack<I>(type_at<SP, SP::at(I).a>(0))); });
  }
  /// push, for the first c lanes only.
  template <int I> static SINTER_INLINE void push(state_at<I>& s, regs& r, const char* at, int64 lane, int c) {
    using R = reduction_at<I>;
    const auto v = r.template get<SP::at(I).a>();
    state_at<I> next;
    if constexpr (requires { typename R::indexed; }) next = R::push(s, v, positions(at, lane));
    else next = R::push(s, v, 0);
    s = c == N ? next : select_state(head_mask<N>(c), next, s);
  }

  using pointers = char* [walks];
  using steps_t = int64[walks];

  /// One innermost loop of a pass: `steps` steps of `count` lanes, pointers moving by `move` bytes.
  /// Fast: count is N and every memory operand has its lanes side by side.
  template <int Pass, bool Fast> static SINTER_INLINE void inner(regs& r, pointers& p, const steps_t& move, const steps_t& lane, const geometry& g,
                                                                 int64 steps, int count, states_of<pass_reductions<Pass>>& states,
                                                                 states_of<element_totals>& sums) {
    const int c = Fast ? N : count;
    for (int64 s = 0; s < steps; ++s) {
      for_ids<element_ids<Pass>>([&]<int I>() {
        constexpr instruction x = SP::at(I);
        if constexpr (x.op == code::leaf) {
          if constexpr (x.b == leaf_index) r.template get<I>() = positions(p[x.a], lane[x.a]);
          else if constexpr (Fast) r.template get<I>() = pack<type_at<SP, I>, N>::load(reinterpret_cast<const type_at<SP, I>*>(p[x.a]));
          else r.template get<I>() = load<type_at<SP, I>>(p[x.a], lane[x.a], c);
        } else {
          step<SP, I>(r);
        }
      });
      for_ids<pass_reductions<Pass>>([&]<int I>() { push<I>(std::get<index_in<pass_reductions<Pass>, I>>(states), r, p[position], lane[position], c); });
      if constexpr (Pass == lv.passes) {
        for_ids<element_outputs>([&]<int I>() {
          constexpr int w = first_output + SP::at(I).b;
          using T = type_at<SP, I>;
          const uint8 mode = g.walks[w].mode;
          if (Fast && mode == write_store) r.template get<SP::at(I).a>().store(reinterpret_cast<T*>(p[w]));
          else if (mode != write_skip) write<T>(p[w], lane[w], c, r.template get<SP::at(I).a>(), mode);
        });
        for_ids<element_totals>([&]<int I>() {
          constexpr int w = first_total + lv.total_number[I];
          auto& sum = std::get<index_in<element_totals, I>>(sums);
          if (move[w] == 0) {
            push<I>(sum, r, p[position], lane[position], c);
          } else {
            state_at<I> one = reduction_at<I>::init(operand_pack<I>(type_at<SP, SP::at(I).a>(0)));
            push<I>(one, r, p[position], lane[position], c);
            merge_total<I>(p[w], lane[w], c, one);
          }
        });
      }
      for (int w = 0; w < walks; ++w) p[w] += move[w];
    }
  }

  /// Are the lanes of all memory operands of this pass side by side, or one value for the whole inner loop?
  template <int Pass> static bool fast(const steps_t& move, const steps_t& lane) {
    bool ok = true;
    for_ids<element_ids<Pass>>([&]<int I>() {
      constexpr instruction x = SP::at(I);
      if constexpr (x.op == code::leaf && x.b != leaf_index) ok = ok && (lane[x.a] == 1 || (lane[x.a] == 0 && move[x.a] == 0));
    });
    if constexpr (Pass == lv.passes)
      for_ids<element_outputs>([&]<int I>() { ok = ok && lane[first_output + SP::at(I).b] == 1; });
    return ok;
  }

  template <int Pass> static SINTER_INLINE void pass(regs& r, const pointers& row, const geometry& g, int64 length, int lanes_here,
                                                     const steps_t& move, const steps_t& lane) {
    // what is known per row by now
    for_ids<row_ids<Pass>>([&]<int I>() {
      constexpr instruction x = SP::at(I);
      if constexpr (x.op == code::leaf) r.template get<I>() = load<type_at<SP, I>>(row[x.a], g.lanes_along_row ? 0 : lane[x.a], g.lanes_along_row ? N : lanes_here);
      else step<SP, I>(r);
    });
    states_of<pass_reductions<Pass>> states;
    reset<pass_reductions<Pass>>(states);
    states_of<element_totals> sums;
    if constexpr (Pass == lv.passes) reset<element_totals>(sums);

    if constexpr (element_ids<Pass>.count > 0 || element_outputs.count > 0) {
      const bool quick = fast<Pass>(move, lane);
      int64 at[max_rank] = {};
      pointers p;
      alignas(64) char splats[Pass <= lv.passes ? walks : 1][N * 8];
      for (;;) {
        for (int w = 0; w < walks; ++w) {
          p[w] = row[w];
          for (int d = 0; d + 1 < g.row_rank; ++d) p[w] += at[d] * g.walks[w].row[d];
        }
        if (g.lanes_along_row) {
          const int64 full = length / N;
          const int tail = static_cast<int>(length % N);
          if (quick && full) {
            char* from[walks];
            for (int w = 0; w < walks; ++w) from[w] = p[w];
            for_ids<element_ids<Pass>>([&]<int I>() {
              constexpr instruction x = SP::at(I);
              if constexpr (x.op == code::leaf && x.b != leaf_index)
                if (lane[x.a] == 0) {
                  pack<type_at<SP, I>, N>::splat(*reinterpret_cast<const type_at<SP, I>*>(p[x.a])).store(reinterpret_cast<type_at<SP, I>*>(splats[x.a]));
                  p[x.a] = splats[x.a];
                }
            });
            inner<Pass, true>(r, p, move, lane, g, full, N, states, sums);
            for (int w = 0; w < walks; ++w) p[w] = from[w] + full * move[w];
          } else {
            inner<Pass, false>(r, p, move, lane, g, full, N, states, sums);
          }
          if (tail) inner<Pass, false>(r, p, move, lane, g, 1, tail, states, sums);
        } else {
          inner<Pass, false>(r, p, move, lane, g, length, lanes_here, states, sums);
        }
        if constexpr (Pass == lv.passes)
          for_ids<element_totals>([&]<int I>() {
            constexpr int w = first_total + lv.total_number[I];
            if (move[w] != 0) return;
            auto& sum = std::get<index_in<element_totals, I>>(sums);
            merge_total<I>(p[w], lane[w], g.lanes_along_row ? N : lanes_here, sum);
            sum = reduction_at<I>::init(operand_pack<I>(type_at<SP, SP::at(I).a>(0)));
          });
        int d = g.row_rank - 2;
        while (d >= 0 && ++at[d] == g.row[d]) at[d--] = 0;
        if (d < 0) break;
      }
    }
    for_ids<pass_reductions<Pass>>([&]<int I>() {
      using R = reduction_at<I>;
      auto& s = std::get<index_in<pass_reductions<Pass>, I>>(states);
      if (g.lanes_along_row) r.template get<I>() = pack<type_at<SP, I>, N>::splat(static_cast<type_at<SP, I>>(R::result(fold_lanes(s, N, [](auto a, auto b) { return R::merge(a, b); }))));
      else r.template get<I>() = R::result(s);
    });
  }

  /// Units first .. last of the kept space; totals go to total_base.
  static SINTER_KERNEL void run(const geometry& g, int64 first, int64 last, char* const* total_base) {
    regs r;
    for_ids<constants>([&]<int I>() {
      constexpr instruction x = SP::at(I);
      using T = type_at<SP, I>;
      if constexpr (x.op == code::scalar) r.template get<I>() = pack<T, N>::splat(static_cast<T>(g.numbers[x.a]));
      else if constexpr (x.op == code::literal) r.template get<I>() = pack<T, N>::splat(static_cast<T>(literal_value(SP::pool(x.a))));
      else if constexpr (x.op == code::leaf) r.template get<I>() = pack<T, N>::splat(*reinterpret_cast<const T*>(g.walks[x.a].base));
      else step<SP, I>(r);
    });
    steps_t move, lane;
    for (int w = 0; w < walks; ++w) {
      lane[w] = g.walks[w].lane;
      move[w] = g.walks[w].row[g.row_rank - 1] * (g.lanes_along_row ? N : 1);
    }
    int64 at[max_rank + 1] = {};
    int64 u = first;
    for (int d = g.kept_rank - 1; d >= 0; --d) at[d] = u % g.kept[d], u /= g.kept[d];
    pointers row;
    for (u = first; u < last; ++u) {
      for (int w = 0; w < walks; ++w) {
        row[w] = w >= first_total && w < position ? total_base[w - first_total] : g.walks[w].base;
        for (int d = 0; d < g.kept_rank; ++d) row[w] += at[d] * g.walks[w].kept[d];
      }
      int64 length = g.row[g.row_rank - 1];
      int here = N;
      if (g.part) {
        const int64 left = g.part_total - at[g.kept_rank - 1] * g.part;
        const int64 size = left < g.part ? left : g.part;
        if (g.lanes_along_row) length = size;
        else here = static_cast<int>(size);
      }
      run_passes(r, row, g, length, here, move, lane, std::make_index_sequence<static_cast<std::size_t>(lv.passes) + 1>());
      const int rows = g.lanes_along_row ? 1 : here;
      for_ids<row_ids<lv.passes + 1>>([&]<int I>() { step<SP, I>(r); });
      for_ids<row_outputs>([&]<int I>() {
        constexpr int w = first_output + SP::at(I).b;
        if (g.walks[w].mode != write_skip) write<type_at<SP, I>>(row[w], lane[w], rows, r.template get<SP::at(I).a>(), g.walks[w].mode);
      });
      for_ids<row_totals>([&]<int I>() {
        constexpr int w = first_total + lv.total_number[I];
        state_at<I> one = reduction_at<I>::init(operand_pack<I>(type_at<SP, SP::at(I).a>(0)));
        push<I>(one, r, row[position], lane[position], rows);
        merge_total<I>(row[w], g.lanes_along_row ? 0 : lane[w], rows, one);
      });
      int d = g.kept_rank - 1;
      while (d >= 0 && ++at[d] == g.kept[d]) at[d--] = 0;
    }
  }
  template <std::size_t... K> static SINTER_INLINE void run_passes(regs& r, const pointers& row, const geometry& g, int64 length, int here,
                                                                   const steps_t& move, const steps_t& lane, std::index_sequence<K...>) {
    int done[] = {(pass<static_cast<int>(K)>(r, row, g, length, here, move, lane), 0)...};
    (void)done;
  }

  /// Sets totals to the value of nothing.
  template <int I> static void clear_total(char* p, int64 n) {
    using T = type_at<SP, SP::at(I).a>;
    T* q = reinterpret_cast<T*>(p);
    const T empty = reduction_at<I>::init(T(0));
    for (int64 i = 0; i < n; ++i) q[i] = empty;
  }
  static void clear(char* const* at, const int64* n) {
    total_loop([&]<int I>() { clear_total<I>(at[lv.total_number[I]], n[lv.total_number[I]]); });
  }
  /// into = merge(into, from), element by element.
  static void merge(char* const* into, char* const* from, const int64* n) {
    total_loop([&]<int I>() {
      using T = type_at<SP, SP::at(I).a>;
      T* a = reinterpret_cast<T*>(into[lv.total_number[I]]);
      const T* b = reinterpret_cast<const T*>(from[lv.total_number[I]]);
      for (int64 i = 0; i < n[lv.total_number[I]]; ++i) a[i] = static_cast<T>(reduction_at<I>::merge(a[i], b[i]));
    });
  }
  static constexpr auto all_totals = ids_where<SP>([](int i) { return SP::at(i).op == code::reduce && SP::at(i).b != along_row; });
  template <class F> static void total_loop(F f) { for_ids<all_totals>(f); }
  /// Bytes of one element of total k.
  static constexpr int64 total_size(int k) { return size_of(SP::at(SP::at(lv.total_ids[k]).a).type); }

  /// Computes results from totals: element i of every output that depends on them, written to at[output].
  static SINTER_KERNEL void finish(const geometry& g, char* const* total_base, int64 i, char* const* at) {
    if constexpr (total_outputs.count > 0) {
      registers<SP, 1> r;
      for_ids<constants>([&]<int I>() {
        constexpr instruction x = SP::at(I);
        using T = type_at<SP, I>;
        if constexpr (x.op == code::scalar) r.template get<I>() = pack<T, 1>(static_cast<T>(g.numbers[x.a]));
        else if constexpr (x.op == code::literal) r.template get<I>() = pack<T, 1>(static_cast<T>(literal_value(SP::pool(x.a))));
        else if constexpr (x.op == code::leaf) r.template get<I>() = pack<T, 1>(*reinterpret_cast<const T*>(g.walks[x.a].base));
        else step<SP, I>(r);
      });
      total_loop([&]<int I>() {
        using R = reduction_at<I>;
        const auto* q = reinterpret_cast<const type_at<SP, SP::at(I).a>*>(total_base[lv.total_number[I]]);
        r.template get<I>() = pack<type_at<SP, I>, 1>(static_cast<type_at<SP, I>>(R::result(q[i])));
      });
      for_ids<total_ids>([&]<int I>() { step<SP, I>(r); });
      for_ids<total_outputs>([&]<int I>() {
        using T = type_at<SP, I>;
        const walk& w = g.walks[first_output + SP::at(I).b];
        T* q = reinterpret_cast<T*>(at[SP::at(I).b]);
        const T v = r.template get<SP::at(I).a>().r;
        if (w.mode == write_store) *q = v;
        else if (w.mode == write_accumulate) *q = static_cast<T>(*q + v);
      });
    }
  }
};

}  // namespace detail
}  // namespace sinter::inline v0
