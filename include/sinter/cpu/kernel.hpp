// SPDX-License-Identifier: BSD-3-Clause
// The loop of a map or row stage on SIMD lanes: one body per stage program, whatever the strides. Lanes run along
// the row where the unit stride lies there, else across rows. Not here: geometry and memory (cpu/run.hpp).
#pragma once
#include "../expr/stage.hpp"
#include "../op/reduction.hpp"
#include "allocator.hpp"
#include "operand.hpp"
#include "pack.hpp"
#include "pack_narrow.hpp"

namespace sinter::inline v0 {

template <class T, int N> struct index_lane_<pack<T, N>> { using type = pack<int64, N>; };
template <class T, int N> SINTER_INLINE pack<T, N> lowest(pack<T, N>) { return pack<T, N>(lowest(T{})); }
template <class T, int N> SINTER_INLINE pack<T, N> highest(pack<T, N>) { return pack<T, N>(highest(T{})); }

namespace detail::inline SINTER_TARGET {

/// One thing that a kernel walks over: input, output, total, or the position along the row. Addresses are integers, as
/// positions count in elements and start at 0.
struct walk {
  uint64 base = 0;                   ///< first element; for positions: the first number
  int64 kept[max_rank + 1] = {};     ///< bytes (positions: numbers) to the next index of each kept dim
  int64 row[max_rank] = {};          ///< the same along the row's dims, the last one innermost
  int64 lane = 0;                    ///< elements from lane to lane
  uint8 mode = 0;                    ///< outputs: store, accumulate, skip
};
SINTER_INLINE uint64 address_of(const void* p) { return static_cast<uint64>(reinterpret_cast<std::uintptr_t>(p)); }
/// Keeps the compiler from packing addresses into vectors, which then go through memory at every step.
SINTER_INLINE void keep_apart([[maybe_unused]] uint64& a) {
#if defined(__GNUC__)
  asm("" : "+r"(a));
#endif
}
template <class T> SINTER_INLINE T* at_address(uint64 a) { return reinterpret_cast<T*>(static_cast<std::uintptr_t>(a)); }

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
/// What a kernel is called for: rows that follow each other along the last kept dim.
struct strip {
  int64 rows = 1;
  int64 length = 1;   ///< elements of the innermost row dim
  int lanes = 0;      ///< rows side by side, where lanes run across rows
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
  template <dtype D> using file = register_file<cpp_type<computed_in(D)>, N, slots_of<SP>.count[static_cast<int>(D)]>;
  [[no_unique_address]] file<dtype::f32> f32;
  [[no_unique_address]] file<dtype::f64> f64;
  [[no_unique_address]] file<dtype::i64> i64;
  [[no_unique_address]] file<dtype::i32> i32;
  [[no_unique_address]] file<dtype::b8> b8;
  [[no_unique_address]] file<dtype::f16> f16;
  [[no_unique_address]] file<dtype::bf16> bf16;
  [[no_unique_address]] file<dtype::i16> i16;
  [[no_unique_address]] file<dtype::i8> i8;
  [[no_unique_address]] file<dtype::u8> u8;
  template <int I> SINTER_INLINE auto& get() {
    constexpr dtype t = SP::at(I).type;
    constexpr int s = slots_of<SP>.slot[I];
    if constexpr (t == dtype::f32) return f32.v[s];
    else if constexpr (t == dtype::f64) return f64.v[s];
    else if constexpr (t == dtype::i64) return i64.v[s];
    else if constexpr (t == dtype::i32) return i32.v[s];
    else if constexpr (t == dtype::b8) return b8.v[s];
    else if constexpr (t == dtype::f16) return f16.v[s];
    else if constexpr (t == dtype::bf16) return bf16.v[s];
    else if constexpr (t == dtype::i16) return i16.v[s];
    else if constexpr (t == dtype::i8) return i8.v[s];
    else return u8.v[s];
  }
};

/// Computes value I from the registers of its operands.
template <class SP, int I, class R> SINTER_INLINE void step(R& r) {
  constexpr instruction x = SP::at(I);
  if constexpr (x.op == code::cast) {
    r.template get<I>() = as_element<type_at<SP, I>>(convert<computed<type_at<SP, I>>>(r.template get<x.a>()));
  } else if constexpr (x.op == code::expand) {
    r.template get<I>() = r.template get<x.a>();
  } else if constexpr (x.is_op()) {
    using Op = op_at<SP, x.op_index()>;
    constexpr int arity = arity_of<Op>;
    if constexpr (arity == 1) r.template get<I>() = Op::value(r.template get<x.a>());
    else if constexpr (arity == 2) r.template get<I>() = Op::value(r.template get<x.a>(), r.template get<x.b>());
    else r.template get<I>() = Op::value(r.template get<x.a>(), r.template get<x.b>(), r.template get<x.c>());
    // small integers wrap after each op; half and bfloat16 are rounded where they are stored
    if constexpr (x.type == dtype::u8 || x.type == dtype::i8 || x.type == dtype::i16) r.template get<I>() = as_element<type_at<SP, I>>(r.template get<I>());
  }
}

// --- reductions on lanes -------------------------------------------------------------------------------------------

template <int N, class T> SINTER_INLINE pack<T, N> select_state(pack<bool, N> m, pack<T, N> a, pack<T, N> b) { return select(m, a, b); }
template <int N, class A, class B> SINTER_INLINE parts<A, B> select_state(pack<bool, N> m, parts<A, B> a, parts<A, B> b) {
  return {select(m, a.first, b.first), select(m, a.second, b.second)};
}
template <class T, int N, class M> SINTER_INLINE T fold_lanes(pack<T, N> s, M merge) { return reduce(s, merge); }
template <class A, class B, int N, class M>
SINTER_INLINE parts<A, B> fold_lanes(parts<pack<A, N>, pack<B, N>> s, M merge) {
  A a[N];
  B b[N];
  s.first.store(a), s.second.store(b);
  for (int w = N / 2; w; w /= 2)
    for (int i = 0; i < w; ++i) {
      const parts<A, B> m = merge(parts<A, B>{a[i], b[i]}, parts<A, B>{a[i + w], b[i + w]});
      a[i] = m.first, b[i] = m.second;
    }
  return {a[0], b[0]};
}

// --- memory whose lanes do not lie side by side, once per dtype ------------------------------------------------------

/// Can the first lanes of a register be loaded and stored by one instruction?
#if defined(__AVX2__) || defined(__AVX512F__)
template <class T> inline constexpr bool cheap_heads = SINTER_HAS_XSIMD && sizeof(T) >= 4;
#else
template <class T> inline constexpr bool cheap_heads = false;
#endif

/// Are these lanes parts of complex elements, every other number of memory?
template <class T, int N> SINTER_INLINE bool are_parts(int64 lane, int count) { return N > 1 && std::is_floating_point_v<T> && lane == 2 && count == N; }
// Functions of their own for what is rare: the others need no stack then.
template <class Arch, class T, int N> SINTER_NOINLINE pack<computed<T>, N> load_far_apart(uint64 address, int64 lane, int count) {
  using M = packed<T, N>;
  const T* p = at_address<const T>(address);
  if (lane == 1) return count == N ? M::load(p) : M::load(p, count);
  return count == N ? M::gather(p, lane) : M::gather(p, lane, count);
}
template <class Arch, class T, int N> SINTER_NOINLINE pack<computed<T>, N> load_apart(uint64 address, int64 lane, int count) {
  using M = packed<T, N>;
  if (lane == 0) return M::splat(*at_address<const T>(address));
  if (are_parts<T, N>(lane, count)) return M::gather(at_address<const T>(address), 2);
  return load_far_apart<Arch, T, N>(address, lane, count);
}
template <class Arch, class T, int N> SINTER_NOINLINE void store_far_apart(uint64 address, int64 lane, int count, const pack<computed<T>, N>& x, uint8 mode) {
  T* p = at_address<T>(address);
  computed<T> v[N];
  x.store(v);
  for (int i = 0; i < count; ++i, p += lane) {
    if (mode == write_store) *p = static_cast<T>(v[i]);
    else if constexpr (std::is_same_v<T, bool>) *p = *p || v[i];
    else *p = static_cast<T>(wrap(static_cast<computed<T>>(*p)) + wrap(v[i]));
  }
}
template <class Arch, class T, int N> SINTER_NOINLINE void store_apart(uint64 address, int64 lane, int count, const pack<computed<T>, N>& x, uint8 mode) {
  if constexpr (std::is_floating_point_v<T>)
    if (are_parts<T, N>(lane, count)) {
      T* p = at_address<T>(address);
      return (mode == write_store ? x : pack<T, N>::gather(p, 2) + x).scatter(p, 2);
    }
  store_far_apart<Arch, T, N>(address, lane, count, x, mode);
}
template <class Arch, class T, int N, bool Parts = false> SINTER_INLINE pack<computed<T>, N> load_lanes(uint64 p, int64 lane, int count) {
  if constexpr (cheap_heads<T>) {
    if (lane == 1) [[likely]] return count == N ? packed<T, N>::load(at_address<const T>(p)) : packed<T, N>::load(at_address<const T>(p), count);
  } else {
    if (lane == 1 && count == N) [[likely]] return packed<T, N>::load(at_address<const T>(p));
  }
  if constexpr (Parts && std::is_floating_point_v<T>)
    if (are_parts<T, N>(lane, count)) return pack<T, N>::gather(at_address<const T>(p), 2);
  return load_apart<Arch, T, N>(p, lane, count);
}
template <class Arch, class T, int N, bool Parts = false> SINTER_INLINE void store_lanes(uint64 p, int64 lane, int count, pack<computed<T>, N> v, uint8 mode) {
  using M = packed<T, N>;
  if (mode == write_skip) return;
  if constexpr (cheap_heads<T>) {
    if (lane == 1 && mode == write_store) [[likely]] return count == N ? M::store(v, at_address<T>(p)) : M::store(v, at_address<T>(p), count);
  } else {
    if (lane == 1 && count == N && mode == write_store) [[likely]] return M::store(v, at_address<T>(p));
  }
  if constexpr (!std::is_same_v<T, bool>)
    if (lane == 1 && count == N) return M::store(M::load(at_address<const T>(p)) + v, at_address<T>(p));
  if constexpr (Parts && std::is_floating_point_v<T>)
    if (are_parts<T, N>(lane, count) && mode == write_store) return v.scatter(at_address<T>(p), 2);
  store_apart<Arch, T, N>(p, lane, count, v, mode);
}
/// Moves to the next of the rows that make up one row of several dims. False after the last.
template <class Arch> SINTER_NOINLINE bool next_row(const geometry& g, int walks, const uint64* row, int64* at, uint64* p) {
  int d = g.row_rank - 2;
  while (d >= 0 && ++at[d] == g.row[d]) at[d--] = 0;
  if (d < 0) return false;
  for (int w = 0; w < walks; ++w) {
    p[w] = row[w];
    for (int k = 0; k + 1 < g.row_rank; ++k) p[w] += static_cast<uint64>(at[k] * g.walks[w].row[k]);
  }
  return true;
}

// --- the kernel ----------------------------------------------------------------------------------------------------

/// The states of some reductions, found by their number.
template <int I, class S> struct numbered_state { S v; };
template <class... S> struct state_set : S... {};

/// Bytes for the length of a call; none for 0.
template <class Arch> struct kernel_room {
  int64 bytes;
  char* data;
  explicit kernel_room(int64 n) : bytes(n), data(n ? static_cast<char*>(host_alloc<Arch>(n)) : nullptr) {}
  ~kernel_room() {
    if (data) host_free<Arch>(data, bytes);
  }
  kernel_room(const kernel_room&) = delete;
  kernel_room& operator=(const kernel_room&) = delete;
};

template <class SP, class Arch> struct kernel {
  static constexpr auto& lv = levels_of<SP>;
  static constexpr int N = lanes_of<SP>();
  static constexpr int inputs = SP::operand_count, outputs = SP::result_count, totals = lv.totals;
  static constexpr int first_output = inputs, first_total = inputs + outputs, position = inputs + outputs + totals;
  static constexpr int walks = position + 1;
  using regs = registers<SP, N>;
  using addresses = uint64[walks];
  using steps = int64[walks];
  template <int I> using reduction_at = op_at<SP, SP::at(I).c>;
  template <int I> using operand_type = computed<type_at<SP, SP::at(I).a>>;
  template <int I> using operand_pack = pack<operand_type<I>, N>;
  template <int I> using state_at = decltype(reduction_at<I>::init(operand_pack<I>{}));
  static_assert(!lv.too_deep, "sinter: more than 15 dependent reductions in one row kernel; name an intermediate result");
  static_assert(walks <= max_walks, "sinter: over 256 operands in one expression; name an intermediate result");

  static constexpr bool is_output(int i, level l) { return SP::at(i).op == code::output && lv.at[SP::at(i).a] == l; }
  static constexpr bool is_total(int i) { return SP::at(i).op == code::reduce && SP::at(i).b != along_row; }
  static constexpr bool computes(int i) { return SP::at(i).op != code::reduce && SP::at(i).op != code::output; }
  static constexpr auto constants = ids_where<SP>([](int i) { return lv.at[i] == level::constant; });
  static constexpr auto known_ids = ids_where<SP>([](int i) { return SP::at(i).op != code::output && (lv.at[i] == level::constant || lv.at[i] == level::row); });
  template <int Pass> static constexpr auto row_ids = ids_where<SP>([](int i) { return lv.at[i] == level::row && lv.after[i] == Pass && computes(i); });
  template <int Pass> static constexpr auto element_ids = ids_where<SP>([](int i) { return lv.need[Pass][i]; });
  template <int Pass> static constexpr auto pass_reductions =
      ids_where<SP>([](int i) { return SP::at(i).op == code::reduce && SP::at(i).b == along_row && lv.after[SP::at(i).a] == Pass; });
  static constexpr auto element_outputs = ids_where<SP>([](int i) { return is_output(i, level::element); });
  static constexpr auto row_outputs = ids_where<SP>([](int i) { return is_output(i, level::row) || is_output(i, level::constant); });
  static constexpr auto flat_outputs = ids_where<SP>([](int i) { return is_output(i, level::element) || is_output(i, level::constant); });
  static constexpr auto element_totals = ids_where<SP>([](int i) { return is_total(i) && lv.at[SP::at(i).a] == level::element; });
  static constexpr auto row_totals = ids_where<SP>([](int i) { return is_total(i) && lv.at[SP::at(i).a] != level::element; });
  static constexpr auto total_ids = ids_where<SP>([](int i) { return lv.at[i] == level::total && computes(i); });
  static constexpr auto total_outputs = ids_where<SP>([](int i) { return is_output(i, level::total); });
  static constexpr auto all_totals = ids_where<SP>([](int i) { return is_total(i); });

  /// Does anything ask where its elements are?
  static constexpr bool has_positions = [] {
    for (int i = 0; i < SP::size; ++i) {
      const instruction x = SP::at(i);
      if ((x.op == code::leaf && x.b == leaf_index) || (x.op == code::reduce && view_of<SP>.descr(i)->info.result == result_type::index)) return true;
    }
    return false;
  }();

  // --- states --------------------------------------------------------------------------------------------------------

  template <auto& List, int... K> static auto states_for(ints<K...>) -> state_set<numbered_state<List.v[K], state_at<List.v[K]>>...>;
  template <auto& List> using states_of = decltype(states_for<List>(count_to<List.count>{}));
  template <int I, class S> static SINTER_INLINE state_at<I>& state(S& s) { return static_cast<numbered_state<I, state_at<I>>&>(s).v; }
  template <int I> static SINTER_INLINE state_at<I> empty() { return reduction_at<I>::init(operand_pack<I>(operand_type<I>(0))); }
  template <auto& List, class S> static SINTER_INLINE void reset(S& s) {
    for_ids<List>([&]<int I>() { state<I>(s) = empty<I>(); });
  }
  /// Takes in the first `count` lanes.
  template <int I, bool Full> static SINTER_INLINE void push(state_at<I>& s, regs& r, uint64 at, const pack<int64, N>& ramp, int count) {
    using R = reduction_at<I>;
    auto next = [&] {
      if constexpr (requires { typename R::indexed; }) return R::push(s, r.template get<SP::at(I).a>(), pack<int64, N>(static_cast<int64>(at)) + ramp);
      else return R::push(s, r.template get<SP::at(I).a>(), 0);
    };
    if constexpr (Full) {
      s = next();
    } else {
      const auto t = next();
      s = count == N ? t : select_state(head_mask<N>(count), t, s);
    }
  }
  /// Merges a state into a total in memory, lane by lane or all lanes into one element.
  template <int I> static SINTER_INLINE void merge_total(uint64 p, int64 lane, int count, const state_at<I>& s) {
    using R = reduction_at<I>;
    using T = operand_type<I>;
    T* q = at_address<T>(p);
    if (lane == 1 && count == N) return R::merge(pack<T, N>::load(q), s).store(q);
    if (lane == 0 && count == N) {
      *q = static_cast<T>(R::merge(*q, fold_lanes(s, [](auto a, auto b) { return R::merge(a, b); })));
      return;
    }
    T v[N];
    s.store(v);
    for (int i = 0; i < count; ++i) q[i * lane] = static_cast<T>(R::merge(q[i * lane], v[i]));
  }

  // --- one row ---------------------------------------------------------------------------------------------------------

  /// Bytes of an element of each walk; positions count in elements.
  static constexpr auto sizes_of_walks = [] {
    struct { int64 v[walks]; constexpr int64 operator[](int w) const { return v[w]; } } out{};
    for (int64& size : out.v) size = 1;
    for (int i = 0; i < SP::size; ++i) {
      const instruction x = SP::at(i);
      if (x.op == code::leaf && x.b != leaf_index) out.v[x.a] = size_of(x.type);
      if (x.op == code::output) out.v[first_output + x.b] = size_of(x.type);
      if (is_total(i)) out.v[first_total + lv.total_number[i]] = size_of(computed_in(SP::at(x.a).type));
    }
    return out;
  }();

  /// What does not change from row to row.
  struct frame {
    const geometry& g;
    steps move, lane, over;                             ///< bytes from step to step, elements from lane to lane, bytes over all lanes
    pack<int64, N> ramp[has_positions ? walks : 1];     ///< what each lane adds to a position
    bool quick[lv.passes + 1];
    char* room = nullptr;                               ///< for kept values, room_bytes for each
    int64 room_bytes = 0;
  };
  static SINTER_INLINE const pack<int64, N>& ramp_of(const frame& f, int w) { return f.ramp[has_positions ? w : 0]; }

  /// Values of rows, as many rows side by side as there are lanes.
  static constexpr auto row_values = ids_where<SP>([](int i) { return lv.at[i] == level::row && SP::at(i).op != code::output; });
  template <int I> using value_at = pack<computed<type_at<SP, I>>, N>;
  template <int... K> static auto values_for(ints<K...>) -> state_set<numbered_state<row_values.v[K], value_at<row_values.v[K]>>...>;
  using row_set = decltype(values_for(count_to<row_values.count>{}));
  static SINTER_INLINE void keep_row(const regs& r, row_set& to) {
    for_ids<row_values>([&]<int I>() { static_cast<numbered_state<I, value_at<I>>&>(to).v = const_cast<regs&>(r).template get<I>(); });
  }
  static SINTER_INLINE void take_row(regs& r, const row_set& from) {
    for_ids<row_values>([&]<int I>() { r.template get<I>() = static_cast<const numbered_state<I, value_at<I>>&>(from).v; });
  }

  /// Values that cost more to compute than to keep (functions: exp, log, tanh ...) and that several passes ask for: the fast loop
  /// of the first keeps them for the others. `first`: that pass, -1 for all other values; `need`: what a pass then computes or fetches.
  static constexpr auto kept = [] {
    struct { int count = 0; int8 first[SP::size] = {}; int8 number[SP::size] = {}; bool need[lv.passes + 1][SP::size] = {}; } out;
    for (int i = 0; i < SP::size; ++i) {
      const instruction x = SP::at(i);
      out.first[i] = -1;
      int passes = 0, first = -1;
      for (int k = lv.passes; k >= 0; --k)
        if (lv.need[k][i]) ++passes, first = k;
      if (N > 1 && passes > 1 && x.is_op() && view_of<SP>.descr(i)->is_function())
        out.first[i] = static_cast<int8>(first), out.number[i] = static_cast<int8>(out.count++);
    }
    for (int k = 0; k <= lv.passes; ++k)
      for (int i = SP::size - 1; i >= 0; --i) {
        const instruction x = SP::at(i);
        bool& need = out.need[k][i];
        if (x.op == code::output) {
          if (k == lv.passes && lv.at[x.a] == level::element) out.need[k][x.a] = true;
          continue;
        }
        if (x.op == code::reduce) {
          if (lv.at[x.a] == level::element && (x.b == along_row ? lv.after[x.a] == k : k == lv.passes)) out.need[k][x.a] = true;
          continue;
        }
        need = need && lv.need[k][i];
        if (!need || x.op == code::leaf || (out.first[i] >= 0 && out.first[i] < k)) continue;
        for_operands_in<SP>(x, [&](uint16 o) { out.need[k][o] = out.need[k][o] || lv.at[o] == level::element; });
      }
    return out;
  }();
  static constexpr int64 kept_size = [] {
    int64 size = 4;
    for (int i = 0; i < SP::size; ++i)
      if (kept.first[i] >= 0 && size_of(computed_in(SP::at(i).type)) > size) size = size_of(computed_in(SP::at(i).type));
    return size;
  }();
  template <int Pass> static constexpr auto fast_ids = ids_where<SP>([](int i) { return kept.need[Pass][i]; });
  template <int Pass> static constexpr bool is_fetched(int i) { return kept.first[i] >= 0 && kept.first[i] < Pass; }

  /// Which walks the fast loop of a pass goes along; the others stand still.
  template <int Pass> static constexpr auto used = [] {
    struct { bool v[walks] = {}; } out;
    const auto mark = [&](int w) { out.v[w] = true; };
    for (int k = 0; k < fast_ids<Pass>.count; ++k) {
      const int i = fast_ids<Pass>.v[k];
      if (SP::at(i).op == code::leaf && !is_fetched<Pass>(i)) mark(SP::at(i).a);
    }
    if (has_positions) mark(position);
    if (Pass == lv.passes) {
      for (int k = 0; k < element_outputs.count; ++k) mark(first_output + SP::at(element_outputs.v[k]).b);
      for (int k = 0; k < element_totals.count; ++k) mark(first_total + lv.total_number[element_totals.v[k]]);
    }
    return out;
  }();

  /// Registers of a row that one step of the fast loop takes: enough for reductions not to wait for themselves.
  template <int Pass> static constexpr int at_once = [] {
    if (kept.count) return SP::size <= 12 ? 4 : 2;  // the same in all passes, which then keep and fetch the same elements
    int work = pass_reductions<Pass>.count;
    for (int k = 0; k < element_ids<Pass>.count; ++k) work += SP::at(element_ids<Pass>.v[k]).op != code::leaf;
    if (Pass == lv.passes) work += element_totals.count;
    const bool reduces = pass_reductions<Pass>.count || (Pass == lv.passes && element_totals.count);
    return N == 1 || !reduces ? 1 : work <= 4 ? 4 : work <= 12 ? 2 : 1;
  }();

  /// Is output I added to what is in memory?
  template <int I> static SINTER_INLINE bool adds(const frame& f) {
    if constexpr (is_floating(SP::at(I).type)) return f.g.walks[first_output + SP::at(I).b].mode == write_accumulate;
    else return false;
  }
  /// Stores or adds the lanes of output I, side by side.
  /// What is in memory and v: only gradients are added, bool has no sum.
  template <class T, class V> static SINTER_INLINE auto sum_with(V memory, V v) {
    if constexpr (std::is_same_v<T, bool>) return v;
    else return memory + v;
  }
  template <int I, class T> static SINTER_INLINE void store_quick(const frame& f, regs& r, T* to) {
    auto v = r.template get<SP::at(I).a>();
    if (adds<I>(f)) v = sum_with<T>(packed<T, N>::load(to), v);
    packed<T, N>::store(v, to);
  }

  /// What is known before the elements of a row: in registers of its own, a loop is not written back to memory at every step because
  /// somebody else has the registers' address.
  static SINTER_INLINE void take_known(regs& to, const regs& from) {
    for_ids<known_ids>([&]<int I>() SINTER_INLINE_LAMBDA { to.template get<I>() = const_cast<regs&>(from).template get<I>(); });
  }
  /// The innermost loop of a pass where all lanes are there and every memory operand has them side by side along the row:
  /// n steps of at_once registers, each with states of its own.
  /// Kept values of element i of the row lie at room + i elements.
  template <int Pass, class S, class Sums> static SINTER_INLINE void fast(const frame& f, const regs& known, addresses& at, int64 n, S* states_, Sums* sums_, char* room) {
    constexpr int U = at_once<Pass>;
    regs r;
    take_known(r, known);
    addresses p;  // copies: nobody else has their addresses
    S states[U];
    Sums sums[U];
    for (int w = 0; w < walks; ++w) p[w] = at[w];
    each<U>([&](int u) { states[u] = states_[u], sums[u] = sums_[u]; });
    for (int64 s = 0; s < n; ++s) {
      each<U>([&](int u) SINTER_INLINE_LAMBDA {
        for_ids<fast_ids<Pass>>([&]<int I>() SINTER_INLINE_LAMBDA {
          constexpr instruction x = SP::at(I);
          using T = type_at<SP, I>;
          [[maybe_unused]] auto* const keep = reinterpret_cast<computed<T>*>(room + kept.number[I] * f.room_bytes + u * N * kept_size);
          if constexpr (is_fetched<Pass>(I)) r.template get<I>() = pack<computed<T>, N>::load(keep);
          else if constexpr (x.op != code::leaf) {
            step<SP, I>(r);
            if constexpr (kept.first[I] == Pass) r.template get<I>().store(keep);
          }
          else if constexpr (x.b == leaf_index) r.template get<I>() = pack<int64, N>(static_cast<int64>(p[x.a]) + u * f.move[x.a]) + ramp_of(f, x.a);
          else r.template get<I>() = packed<T, N>::load(at_address<const T>(p[x.a]) + u * N);
        });
        for_ids<pass_reductions<Pass>>([&]<int I>() SINTER_INLINE_LAMBDA {
          push<I, true>(state<I>(states[u]), r, p[position] + static_cast<uint64>(u * f.move[position]), ramp_of(f, position), N);
        });
        if constexpr (Pass == lv.passes) {
          for_ids<element_outputs>([&]<int I>() SINTER_INLINE_LAMBDA {
            using T = type_at<SP, I>;
            store_quick<I>(f, r, at_address<T>(p[first_output + SP::at(I).b]) + u * N);
          });
          for_ids<element_totals>([&]<int I>() SINTER_INLINE_LAMBDA {
            constexpr int w = first_total + lv.total_number[I];
            const uint64 where = p[position] + static_cast<uint64>(u * f.move[position]);
            if (f.move[w] == 0) return push<I, true>(state<I>(sums[u]), r, where, ramp_of(f, position), N);
            state_at<I> one = empty<I>();  // other totals, side by side, at the next step
            push<I, true>(one, r, where, ramp_of(f, position), N);
            using R = reduction_at<I>;
            auto* const total = at_address<operand_type<I>>(p[w]) + u * N;
            R::merge(pack<operand_type<I>, N>::load(total), one).store(total);
          });
        }
      });
// Left to themselves, compilers keep more than a few addresses in memory and count through them: up to four times slower.
#if defined(__clang__)
#pragma clang loop unroll(full)
#elif defined(__GNUC__) && !defined(__CUDACC__)
#pragma GCC unroll 64
#endif
      for (int w = 0; w < walks; ++w)
        if (used<Pass>.v[w]) p[w] += static_cast<uint64>(w >= first_output && w < first_total ? U * N * sizes_of_walks[w] : U * f.move[w]), keep_apart(p[w]);
      if constexpr (kept.count > 0) room += U * N * kept_size;
    }
    for (int w = 0; w < walks; ++w)
      if (used<Pass>.v[w]) at[w] = p[w];
    each<U>([&](int u) { states_[u] = states[u], sums_[u] = sums[u]; });
  }
  /// Which walks a pass goes along that fetches nothing.
  template <int Pass> static constexpr auto walked = [] {
    auto out = used<Pass>;
    for (int k = 0; k < element_ids<Pass>.count; ++k)
      if (SP::at(element_ids<Pass>.v[k]).op == code::leaf) out.v[SP::at(element_ids<Pass>.v[k]).a] = true;
    return out;
  }();
  /// The same with any lanes. `rows`: null, or lanes are rows, in `groups` registers of which the last has `last` lanes; states
  /// and values of rows are then those of each register. Quick: all registers are full, and lie side by side in memory.
  template <int Pass, bool Quick, class S, class Sums>
  static SINTER_INLINE void general(const frame& f, regs& r, addresses& p, int64 n, int groups, int last, row_set* rows, S* states, Sums* sums) {
    // some steps for each register of rows, so that what belongs to it is fetched once for all of them
    const int64 at_a_time = rows ? 8 : n;
    for (int64 first = 0; first < n; first += at_a_time) {
      const int64 steps_now = n - first < at_a_time ? n - first : at_a_time;
      addresses o;  // of the register's first lane
      for (int w = 0; w < walks; ++w) o[w] = p[w];
      for (int q = 0; q < groups; ++q) {
        const int count = Quick || q + 1 < groups ? N : last;
        if (rows) take_row(r, rows[q]);
        S mine = states[q];
        addresses at;
        for (int w = 0; w < walks; ++w) at[w] = o[w];
        for (int64 s = 0; s < steps_now; ++s) {
          for_ids<element_ids<Pass>>([&]<int I>() {
            constexpr instruction x = SP::at(I);
            using T = type_at<SP, I>;
            if constexpr (x.op != code::leaf) step<SP, I>(r);
            else if constexpr (x.b == leaf_index) r.template get<I>() = pack<int64, N>(static_cast<int64>(at[x.a])) + ramp_of(f, x.a);
            else if constexpr (Quick) r.template get<I>() = packed<T, N>::load(at_address<const T>(at[x.a]));
            else r.template get<I>() = load_lanes<Arch, T, N, SP::reads_parts>(at[x.a], f.lane[x.a], count);
          });
          for_ids<pass_reductions<Pass>>([&]<int I>() { push<I, Quick>(state<I>(mine), r, at[position], ramp_of(f, position), count); });
          if constexpr (Pass == lv.passes) {
            for_ids<element_outputs>([&]<int I>() {
              constexpr int w = first_output + SP::at(I).b;
              using T = type_at<SP, I>;
              if constexpr (Quick) store_quick<I>(f, r, at_address<T>(at[w]));
              else store_lanes<Arch, T, N, SP::reads_parts>(at[w], f.lane[w], count, r.template get<SP::at(I).a>(), f.g.walks[w].mode);
            });
            for_ids<element_totals>([&]<int I>() {
              constexpr int w = first_total + lv.total_number[I];
              if (f.move[w] == 0 && !rows) return push<I, false>(state<I>(sums[0]), r, at[position], ramp_of(f, position), count);
              state_at<I> one = empty<I>();
              push<I, false>(one, r, at[position], ramp_of(f, position), count);
              merge_total<I>(at[w], f.lane[w], count, one);
            });
          }
          for (int w = 0; w < walks; ++w)
            if (!Quick || walked<Pass>.v[w]) at[w] += static_cast<uint64>(f.move[w]), keep_apart(at[w]);
        }
        states[q] = mine;
        for (int w = 0; w < walks; ++w) o[w] += static_cast<uint64>(f.over[w]);
      }
      for (int w = 0; w < walks; ++w) p[w] += static_cast<uint64>(steps_now * f.move[w]);
    }
  }
  /// Do the lanes of all memory operands of this pass lie side by side, or, along rows, is it one value for the whole inner loop?
  template <int Pass> static SINTER_INLINE bool is_quick(const frame& f) {
    bool ok = true;
    for_ids<element_ids<Pass>>([&]<int I>() {
      constexpr instruction x = SP::at(I);
      if constexpr (x.op == code::leaf && x.b != leaf_index) ok = ok && (f.lane[x.a] == 1 || (f.g.lanes_along_row && f.lane[x.a] == 0 && f.move[x.a] == 0));
    });
    if constexpr (Pass == lv.passes)
      for_ids<element_outputs>([&]<int I>() {
        constexpr int w = first_output + SP::at(I).b;
        ok = ok && f.lane[w] == 1 && (f.g.walks[w].mode == write_store || adds<I>(f));
      });
    if constexpr (Pass == lv.passes)
      for_ids<element_totals>([&]<int I>() {
        constexpr int w = first_total + lv.total_number[I];
        ok = ok && (f.lane[w] == 1 || (f.g.lanes_along_row && f.move[w] == 0));
      });
    return ok;
  }

  /// a = merge(a, b), lane by lane, for the states of `List`.
  template <auto& List, class S> static SINTER_INLINE void merge_states(S& a, const S& b) {
    for_ids<List>([&]<int I>() {
      using R = reduction_at<I>;
      state<I>(a) = R::merge(state<I>(a), state<I>(const_cast<S&>(b)));
    });
  }
  /// Merges states 1 .. U - 1 into state 0 and empties them, as a tree.
  template <auto& List, int U, class S> static SINTER_INLINE void merge_all(S* s) {
    if constexpr (U == 4) merge_states<List>(s[0], s[1]), merge_states<List>(s[2], s[3]), merge_states<List>(s[0], s[2]);
    else if constexpr (U == 2) merge_states<List>(s[0], s[1]);
    each<U - 1>([&](int u) { reset<List>(s[u + 1]); });
  }

  template <int Pass> static constexpr bool has_elements = element_ids<Pass>.count > 0 || (Pass == lv.passes && element_outputs.count > 0);

  /// One pass over one row whose lanes lie along it.
  template <int Pass> static SINTER_INLINE void along(const frame& f, regs& r, const addresses& row, int64 length) {
    for_ids<row_ids<Pass>>([&]<int I>() {  // what is known for the row by now
      constexpr instruction x = SP::at(I);
      using T = type_at<SP, I>;
      if constexpr (x.op != code::leaf) step<SP, I>(r);
      else r.template get<I>() = packed<T, N>::splat(*at_address<const T>(row[x.a]));
    });
    constexpr int U = at_once<Pass>;
    states_of<pass_reductions<Pass>> states[U];
    states_of<element_totals> sums[U];
    each<U>([&](int u) {
      reset<pass_reductions<Pass>>(states[u]);
      if constexpr (Pass == lv.passes) reset<element_totals>(sums[u]);
    });
    if constexpr (has_elements<Pass>) {
      int64 at[max_rank] = {};
      addresses p;
      for (int w = 0; w < walks; ++w) p[w] = row[w];
      char* room = f.room;
      do {
        int64 n = length / N;
        if constexpr (!plain_map)
          if (f.quick[Pass] && n >= U) {
            alignas(64) char splats[inputs + 1][U * N * 8];
            addresses q;
            const int64 taken = n / U * U;
            for (int w = 0; w < walks; ++w) q[w] = p[w], p[w] += static_cast<uint64>(taken * f.move[w]);
            for_ids<element_ids<Pass>>([&]<int I>() {
              constexpr instruction x = SP::at(I);
              using T = type_at<SP, I>;
              if constexpr (x.op == code::leaf && x.b != leaf_index)
                if (f.lane[x.a] == 0) {
                  for (int u = 0; u < U; ++u) packed<T, N>::store(packed<T, N>::splat(*at_address<const T>(q[x.a])), reinterpret_cast<T*>(splats[x.a]) + u * N);
                  q[x.a] = address_of(splats[x.a]);
                }
            });
            // sums of long rows in blocks: what is added up one by one stays short
            if constexpr (pass_reductions<Pass>.count > 0) {
              constexpr int64 block = 1024;
              states_of<pass_reductions<Pass>> part[U];
              for (int64 left = n / U; left > 0; left -= block) {
                each<U>([&](int u) { reset<pass_reductions<Pass>>(part[u]); });
                fast<Pass>(f, r, q, left < block ? left : block, part, sums, room);
                if constexpr (kept.count > 0) room += (left < block ? left : block) * (U * N * kept_size);
                merge_all<pass_reductions<Pass>, U>(part);
                merge_states<pass_reductions<Pass>>(states[0], part[0]);
              }
            } else {
              fast<Pass>(f, r, q, n / U, states, sums, room);
              if constexpr (kept.count > 0) room += taken * (N * kept_size);
            }
            n -= taken;
          }
        // registers, then lanes that are not enough for one: one call, so that it is compiled once
        const int tail = static_cast<int>(length % N);
        for (int part = n ? 0 : 1; part < (tail ? 2 : 1); ++part) general<Pass, false>(f, r, p, part ? 1 : n, 1, part ? tail : N, nullptr, states, sums);
        if constexpr (Pass == lv.passes && element_totals.count > 0) {
          merge_all<element_totals, U>(sums);
          for_ids<element_totals>([&]<int I>() {
            constexpr int w = first_total + lv.total_number[I];
            if (f.move[w] != 0) return;
            merge_total<I>(p[w], f.lane[w], N, state<I>(sums[0]));
            state<I>(sums[0]) = empty<I>();
          });
        }
      } while (f.g.row_rank > 1 && next_row<Arch>(f.g, walks, row, at, p));
    }
    for_ids<pass_reductions<Pass>>([&]<int I>() {
      using R = reduction_at<I>;
      using T = type_at<SP, I>;
      r.template get<I>() = pack<computed<T>, N>::splat(static_cast<computed<T>>(R::result(fold_lanes(state<I>(states[0]), [](auto a, auto b) { return R::merge(a, b); }))));
    });
  }

  /// How many registers of rows side by side are worked on at a time: their states stay in the first cache.
  static constexpr int most_groups = [] {
    const int size = static_cast<int>(sizeof(row_set)) + 16 * N;
    return size * 64 <= 24576 ? 64 : size * 16 <= 24576 ? 16 : size * 4 <= 24576 ? 4 : 1;
  }();
  /// One pass over rows that lie side by side, lane by lane.
  template <int Pass> static SINTER_INLINE void across(const frame& f, regs& r, const addresses& row, int64 length, int groups, int last, row_set* rows) {
    states_of<pass_reductions<Pass>> states[most_groups];
    states_of<element_totals> sums[1];
    for (int q = 0; q < groups; ++q) {
      reset<pass_reductions<Pass>>(states[q]);
      if constexpr (row_ids<Pass>.count > 0) {
        take_row(r, rows[q]);
        for_ids<row_ids<Pass>>([&]<int I>() {
          constexpr instruction x = SP::at(I);
          using T = type_at<SP, I>;
          if constexpr (x.op != code::leaf) step<SP, I>(r);
          else r.template get<I>() = load_lanes<Arch, T, N>(row[x.a] + static_cast<uint64>(q * N * f.lane[x.a]) * sizeof(T), f.lane[x.a], q + 1 == groups ? last : N);
        });
        keep_row(r, rows[q]);
      }
    }
    if constexpr (has_elements<Pass>) {
      int64 at[max_rank] = {};
      addresses p;
      for (int w = 0; w < walks; ++w) p[w] = row[w];
      const int full = !f.quick[Pass] ? 0 : last == N ? groups : groups - 1;
      do {
        addresses q;
        for (int w = 0; w < walks; ++w) q[w] = p[w] + static_cast<uint64>(full * f.over[w]);
        if (full) general<Pass, true>(f, r, p, length, full, N, rows, states, sums);
        if (full < groups) general<Pass, false>(f, r, q, length, groups - full, last, rows + full, states + full, sums);
      } while (f.g.row_rank > 1 && next_row<Arch>(f.g, walks, row, at, p));
    }
    if constexpr (pass_reductions<Pass>.count > 0)
      for (int q = 0; q < groups; ++q)
        for_ids<pass_reductions<Pass>>([&]<int I>() { static_cast<numbered_state<I, value_at<I>>&>(rows[q]).v = reduction_at<I>::result(state<I>(states[q])); });
  }
  /// What is one value a row: results, and its share of totals.
  static SINTER_INLINE void finish_rows(const frame& f, regs& r, const addresses& row, int64 lane_offset, int rows) {
    auto lane_address = [&](int w, int64 size) { return row[w] + static_cast<uint64>(lane_offset * f.lane[w] * size); };
    for_ids<row_outputs>([&]<int I>() {
      constexpr int w = first_output + SP::at(I).b;
      using T = type_at<SP, I>;
      if (f.g.walks[w].mode == write_skip) return;
      const auto value = r.template get<SP::at(I).a>();  // a copy: with its address given away, all registers would live in memory
      store_apart<Arch, T, N>(lane_address(w, sizeof(T)), f.lane[w], rows, value, f.g.walks[w].mode);
    });
    for_ids<row_totals>([&]<int I>() {
      constexpr int w = first_total + lv.total_number[I];
      state_at<I> one = empty<I>();
      push<I, false>(one, r, lane_address(position, 1), ramp_of(f, position), rows);
      merge_total<I>(lane_address(w, sizeof(operand_type<I>)), f.g.lanes_along_row ? 0 : f.lane[w], rows, one);
    });
  }
  template <int... K> static SINTER_INLINE void row_along(const frame& f, regs& r, const addresses& row, int64 length, ints<K...>) {
    int done[] = {(along<K>(f, r, row, length), 0)...};
    (void)done;
    finish_rows(f, r, row, 0, 1);
  }
  template <int... K> static SINTER_INLINE void rows_across(const frame& f, regs& r, const addresses& row, const strip& part, ints<K...>) {
    const int groups = (part.lanes + N - 1) / N, last = part.lanes - (groups - 1) * N;
    row_set rows[most_groups];
    int done[] = {(across<K>(f, r, row, part.length, groups, last, rows), 0)...};
    (void)done;
    for (int q = 0; q < groups; ++q) {
      take_row(r, rows[q]);
      finish_rows(f, r, row, q * N, q + 1 == groups ? last : N);
    }
  }
  /// What does not vary: numbers, and leaves of one element, leaf k at base(k).
  template <class R, class Base> static SINTER_INLINE void compute_constants(const double* numbers, Base base, R& r) {
    for_ids<constants>([&]<int I>() {
      constexpr instruction x = SP::at(I);
      using T = computed<type_at<SP, I>>;
      if constexpr (x.op == code::scalar) r.template get<I>() = pack<T, N>::splat(static_cast<T>(numbers[x.a]));
      else if constexpr (x.op == code::literal) r.template get<I>() = pack<T, N>::splat(static_cast<T>(literal_value(SP::pool(x.a))));
      else if constexpr (x.op == code::leaf) r.template get<I>() = packed<type_at<SP, I>, N>::splat(*at_address<const type_at<SP, I>>(base(x.a)));
      else step<SP, I>(r);
    });
  }

  /// Rows from the addresses in `start` on.
  static SINTER_KERNEL void run(const geometry& g, const uint64* start, const strip& part) {
    regs r;
    compute_constants(g.numbers, [&](int k) { return g.walks[k].base; }, r);
    frame f{g, {}, {}, {}, {}, {}, nullptr, 0};
    for (int w = 0; w < walks; ++w) {
      f.lane[w] = g.walks[w].lane;
      f.over[w] = N * f.lane[w] * sizes_of_walks[w];
      f.move[w] = g.walks[w].row[g.row_rank - 1] * (g.lanes_along_row ? N : 1);
      if constexpr (has_positions) f.ramp[w] = make_lanes<int64, N>([&](int i) { return i * f.lane[w]; });
    }
    set_quick(f, count_to<lv.passes + 1>{});
    if constexpr (kept.count > 0)
      if (g.lanes_along_row) {  // kept by one fast loop for another: all are, or none
        bool all = true;
        for (bool q : f.quick) all = all && q;
        for (bool& q : f.quick) q = all;
        f.room_bytes = all ? kept_size * part.length : 0;
        for (int d = 0; d + 1 < g.row_rank; ++d) f.room_bytes *= g.row[d];
      }
    const kernel_room<Arch> room(kept.count * f.room_bytes);
    f.room = room.data;
    addresses row;
    for (int w = 0; w < walks; ++w) row[w] = start[w];
    int64 rows = part.rows;
    if constexpr (plain_map)
      if (f.quick[0] && g.lanes_along_row) return void(rows_together<1>(f, r, row, rows, part.length));
    if constexpr (sums_columns)
      if (f.quick[0] && g.lanes_along_row && meets_in_columns(f)) rows = rows_together<4>(f, r, row, rows, part.length);
    for (; rows > 0; --rows) {
      if constexpr (lv.passes > 0) {  // only rows are ever worked on side by side
        if (g.lanes_along_row) row_along(f, r, row, part.length, count_to<lv.passes + 1>{});
        else rows_across(f, r, row, part, count_to<lv.passes + 1>{});
      } else {
        row_along(f, r, row, part.length, count_to<lv.passes + 1>{});
      }
      if (g.kept_rank)
        for (int w = 0; w < walks; ++w) row[w] += static_cast<uint64>(g.walks[w].kept[g.kept_rank - 1]);
    }
  }

  // --- maps, and totals by column ----------------------------------------------------------------------------------------

  static constexpr bool without_rows = lv.passes == 0 && !has_positions && row_outputs.count == 0 && row_totals.count == 0 && row_ids<0>.count == 0;
  /// Nothing but results of elements: rows need no states, and are too short to pay for much.
  static constexpr bool plain_map = without_rows && totals == 0;
  /// Rows that are summed into one row, four of them at a time.
  static constexpr bool sums_columns = without_rows && N > 1 && element_totals.count > 0 && element_totals.count == totals;
  static SINTER_INLINE bool meets_in_columns(const frame& f) {
    bool ok = f.g.kept_rank > 0 && f.g.row_rank == 1;
    for (int w = first_total; w < first_total + totals; ++w) ok = ok && f.lane[w] == 1 && f.g.walks[w].kept[f.g.kept_rank - 1] == 0;
    return ok;
  }

  /// Rows by R whose memory operands lie along them or are one value a row, and whose results are stored side by side: `row` moves
  /// behind them. Returns how many are left.
  template <int R> static SINTER_INLINE int64 rows_together(const frame& f, regs& known, addresses& row, int64 rows, int64 length) {
    alignas(64) char splats[inputs + 1][R][N * 8];
    uint64 down[position], across[position];
    for (int w = 0; w < position; ++w) {
      down[w] = f.g.kept_rank ? static_cast<uint64>(f.g.walks[w].kept[f.g.kept_rank - 1]) : 0;
      across[w] = w < inputs && f.lane[w] == 0 ? sizeof splats[0][0] : down[w];
    }
    for (; rows >= R; rows -= R) {
      uint64 p[position];
      for (int w = 0; w < position; ++w) p[w] = row[w], row[w] += R * down[w];
      for_ids<element_ids<0>>([&]<int I>() {
        constexpr instruction x = SP::at(I);
        using T = type_at<SP, I>;
        if constexpr (x.op == code::leaf)
          if (f.lane[x.a] == 0) {
            each<R>([&](int q) {
              packed<T, N>::store(packed<T, N>::splat(*at_address<const T>(p[x.a] + static_cast<uint64>(q) * down[x.a])), reinterpret_cast<T*>(splats[x.a][q]));
            });
            p[x.a] = address_of(splats[x.a]);
          }
      });
      auto elements = [&]<int Full>(ints<Full>, regs& r, int count) SINTER_INLINE_LAMBDA {
        states_of<element_totals> sums;
        reset<element_totals>(sums);
        each<R>([&](int q) SINTER_INLINE_LAMBDA {
          for_ids<element_ids<0>>([&]<int I>() SINTER_INLINE_LAMBDA {
            constexpr instruction x = SP::at(I);
            using T = type_at<SP, I>;
            if constexpr (x.op != code::leaf) step<SP, I>(r);
            else if constexpr (Full) {
              const uint64 at = p[x.a] + static_cast<uint64>(q) * across[x.a];
              if constexpr (R > 1) __builtin_prefetch(at_address<const T>(at + R * down[x.a]));
              r.template get<I>() = packed<T, N>::load(at_address<const T>(at));
            }
            else r.template get<I>() = packed<T, N>::load(at_address<const T>(p[x.a] + static_cast<uint64>(q) * across[x.a]), count);
          });
          for_ids<element_outputs>([&]<int I>() SINTER_INLINE_LAMBDA {
            constexpr int w = first_output + SP::at(I).b;
            using T = type_at<SP, I>;
            T* const to = at_address<T>(p[w] + static_cast<uint64>(q) * down[w]);
            if constexpr (Full) store_quick<I>(f, r, to);
            else if (!adds<I>(f)) packed<T, N>::store(r.template get<SP::at(I).a>(), to, count);
            else packed<T, N>::store(sum_with<T>(packed<T, N>::load(to, count), r.template get<SP::at(I).a>()), to, count);
          });
          for_ids<element_totals>([&]<int I>() { push<I, Full>(state<I>(sums), r, 0, ramp_of(f, position), count); });
        });
        for_ids<element_totals>([&]<int I>() { merge_total<I>(p[first_total + lv.total_number[I]], 1, count, state<I>(sums)); });
      };
      int64 i = 0;
      regs own;
      take_known(own, known);
      for (; i + N <= length; i += N) {
        elements(ints<1>{}, own, N);
#if defined(__clang__)
#pragma clang loop unroll(full)
#elif defined(__GNUC__) && !defined(__CUDACC__)
#pragma GCC unroll 64
#endif
        for (int w = 0; w < position; ++w) p[w] += static_cast<uint64>(w < first_output ? f.move[w] : N * sizes_of_walks[w]), keep_apart(p[w]);
      }
      if (const int tail = static_cast<int>(length - i)) elements(ints<0>{}, known, tail);
    }
    return rows;
  }
  template <int... K> static SINTER_INLINE void set_quick(frame& f, ints<K...>) {
    int done[] = {(f.quick[K] = is_quick<K>(f), 0)...};
    (void)done;
  }

  // --- arrays without holes --------------------------------------------------------------------------------------------

  /// Elements first to last of results and operands that lie side by side in memory, walk w at at[w]. Results for which
  /// `stream` is asked go past the caches.
  static SINTER_INLINE void flat_loop(const uint64* at, const double* numbers, int64 first, int64 last, bool stream) {
    uint64 p[walks];  // a copy: nobody else has its address
    [&]<int... W>(ints<W...>) {  // a list, as clang folds 256 at the most
      const int done[] = {0, (p[W] = at[W], 0)...};
      (void)done;
    }(count_to<first_total>{});
    regs r;
    compute_constants(numbers, [&](int k) { return p[k]; }, r);
    int64 i = first;
    for (; i + N <= last; i += N) flat_step<true>(r, p, i, N, stream);
    if (i < last) flat_step<false>(r, p, i, static_cast<int>(last - i), false);
    if (stream) simd::stream_end();
  }
  template <bool Full> static SINTER_INLINE void flat_step(regs& r, const uint64* p, int64 i, int count, bool stream) {
    for_ids<element_ids<lv.passes>>([&]<int I>() {
      constexpr instruction x = SP::at(I);
      using T = type_at<SP, I>;
      if constexpr (x.op != code::leaf) step<SP, I>(r);
      else if constexpr (Full) r.template get<I>() = packed<T, N>::load(at_address<const T>(p[x.a]) + i);
      else r.template get<I>() = load_lanes<Arch, T, N>(p[x.a] + static_cast<uint64>(i) * sizeof(T), 1, count);
    });
    for_ids<flat_outputs>([&]<int I>() {
      constexpr int w = first_output + SP::at(I).b;
      using T = type_at<SP, I>;
      const auto& y = r.template get<SP::at(I).a>();
      if constexpr (!Full) {
        store_lanes<Arch, T, N>(p[w] + static_cast<uint64>(i) * sizeof(T), 1, count, y, write_store);
      } else {
        if constexpr (N > 1 && sizeof(T) >= 4 && std::is_same_v<T, computed<T>>)
          if (stream) {
            unroll<pack<T, N>::registers>([&](int k) { simd::stream(y.r[k], at_address<T>(p[w]) + i + k * simd::width<T>); });
            return;
          }
        packed<T, N>::store(y, at_address<T>(p[w]) + i);
      }
    });
  }
  static SINTER_KERNEL void flat(const uint64* at, const double* numbers, int64 first, int64 last, bool stream) { flat_loop(at, numbers, first, last, stream); }

  // --- totals ----------------------------------------------------------------------------------------------------------

  /// Sets totals to the value of nothing.
  static void clear(char* const* at, const int64* n) {
    for_ids<all_totals>([&]<int I>() {
      using T = operand_type<I>;
      T* q = reinterpret_cast<T*>(at[lv.total_number[I]]);
      const T empty = reduction_at<I>::init(T(0));
      for (int64 i = 0; i < n[lv.total_number[I]]; ++i) q[i] = empty;
    });
  }
  /// into = merge(into, from), element by element.
  static void merge(char* const* into, char* const* from, const int64* n) {
    for_ids<all_totals>([&]<int I>() {
      using T = operand_type<I>;
      T* a = reinterpret_cast<T*>(into[lv.total_number[I]]);
      const T* b = reinterpret_cast<const T*>(from[lv.total_number[I]]);
      for (int64 i = 0; i < n[lv.total_number[I]]; ++i) a[i] = static_cast<T>(reduction_at<I>::merge(a[i], b[i]));
    });
  }
  /// Bytes of one element of total k.
  static constexpr int64 total_size(int k) { return size_of(computed_in(SP::at(SP::at(lv.total_ids[k]).a).type)); }

  /// Computes n elements of the results that depend on totals, from element `first` on; result k goes to at[k], its
  /// elements lane[k] apart.
  static SINTER_KERNEL void finish(const geometry& g, char* const* total_base, int64 first, int64 n, const uint64* at, const int64* lane) {
    if constexpr (total_outputs.count > 0) {
      regs r;
      compute_constants(g.numbers, [&](int k) { return g.walks[k].base; }, r);
      for (int64 i = 0; i < n; i += N) {
        const int count = static_cast<int>(n - i < N ? n - i : N);
        for_ids<all_totals>([&]<int I>() {
          using T = operand_type<I>;
          r.template get<I>() = reduction_at<I>::result(load_lanes<Arch, T, N>(address_of(total_base[lv.total_number[I]]) + static_cast<uint64>(first + i) * sizeof(T), 1, count));
        });
        for_ids<total_ids>([&]<int I>() { step<SP, I>(r); });
        for_ids<total_outputs>([&]<int I>() {
          constexpr int k = SP::at(I).b;
          using T = type_at<SP, I>;
          store_lanes<Arch, T, N>(at[k] + static_cast<uint64>(i * lane[k]) * sizeof(T), lane[k], count, r.template get<SP::at(I).a>(), g.walks[first_output + k].mode);
        });
      }
    }
  }
};

}  // namespace detail::inline SINTER_TARGET
}  // namespace sinter::inline v0
