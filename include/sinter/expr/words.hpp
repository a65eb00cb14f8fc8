// SPDX-License-Identifier: BSD-3-Clause
// A program as a type: its ops and its words, and what both engines ask of them. Device-clean: read by NVRTC too.
// Not here: how programs are made (expr/program.hpp). Next: expr/levels.hpp.
#pragma once
#include "instruction.hpp"

namespace sinter::inline v0 {

/// The ops that a program uses, in the order of its op indices.
template <class... Op> struct SINTER_HIDDEN ops { static constexpr int size = sizeof...(Op); };

/// words: header (instructions | pool << 16 | operands << 32 | results << 48 | reads complex elements << 63), instructions, pool.
template <class Ops, uint64... Words> struct SINTER_HIDDEN program {
  using ops_type = Ops;
  static constexpr uint64 words[sizeof...(Words)] = {Words...};
  static constexpr int size = static_cast<int>(words[0] & 0xffff);
  static constexpr int pool_size = static_cast<int>(words[0] >> 16 & 0xffff);
  static constexpr int operand_count = static_cast<int>(words[0] >> 32 & 0xffff);
  static constexpr int result_count = static_cast<int>(words[0] >> 48 & 0x7fff);
  /// Does it read parts of complex elements, every other number of memory?
  static constexpr bool reads_parts = words[0] >> 63;
  static constexpr instruction at(int i) { return instruction::decode(words[1 + i]); }
  static constexpr uint64 pool(int i) { return words[1 + size + i]; }
};

namespace detail::inline SINTER_TARGET {

/// Integers 0 .. N - 1 as a pack.
template <int... I> struct ints {};
#if defined(__clang__)
template <class T, T... I> using ints_of_ = ints<I...>;
template <int N> using count_to = __make_integer_seq<ints_of_, int, N>;
#elif defined(__CUDACC_RTC__)  // NVRTC has no builtin for it: halves
template <class A, class B> struct joined_;
template <int... A, int... B> struct joined_<ints<A...>, ints<B...>> { using type = ints<A..., static_cast<int>(sizeof...(A)) + B...>; };
template <int N> struct count_to_ { using type = typename joined_<typename count_to_<N / 2>::type, typename count_to_<N - N / 2>::type>::type; };
template <> struct count_to_<0> { using type = ints<>; };
template <> struct count_to_<1> { using type = ints<0>; };
template <int N> using count_to = typename count_to_<N>::type;
#else
template <int N> struct count_to_ { using type = ints<__integer_pack(N)...>; };
template <int N> using count_to = typename count_to_<N>::type;
#endif

/// Op number I of a program.
template <int I, class Op> struct numbered_op { using type = Op; };
template <class Ops, class Numbers> struct numbered_ops;
template <class... Op, int... I> struct numbered_ops<ops<Op...>, ints<I...>> : numbered_op<I, Op>... {};
template <int I, class Op> numbered_op<I, Op> find_op(const numbered_op<I, Op>&);
template <class P, int I> using op_at =
    typename decltype(find_op<I>(numbered_ops<typename P::ops_type, count_to<P::ops_type::size>>{}))::type;

template <bool Whole> struct probe_ { using type = double; };
template <> struct probe_<true> { using type = int64; };
/// What an op can be called with to learn how many operands it takes.
template <class Op> using probe = typename probe_<Op::info.whole>::type;
/// How many operands `Op::value` takes; reductions have one.
template <class Op> inline constexpr int arity_of = [] {
  if constexpr (requires { typename Op::reduction; }) return 1;
  else if constexpr (requires(probe<Op> x) { Op::value(x); }) return 1;
  else if constexpr (requires(probe<Op> x) { Op::value(x, x); }) return 2;
  else return 3;
}();
template <class Ops> struct arity_table;
template <class... Op> struct arity_table<ops<Op...>> { static constexpr int value[sizeof...(Op) + 1] = {arity_of<Op>..., 0}; };

/// How many of a, b, c are numbers of instructions that x reads, values and shapes alike; `arity` counts for ops only.
constexpr int operands_read(const instruction& x, int arity) {
  if (x.is_source()) return 0;
  if (x.op == code::list) return 1 + x.c;
  return x.op == code::expand || x.op == code::contract ? 2 : x.op == code::convolve ? 3 : x.is_op() ? arity : 1;
}
template <class F> constexpr void for_operands(const instruction& x, int arity, F f) {
  const int n = operands_read(x, arity);
  if (n > 0) f(x.a);
  if (n > 1) f(x.b);
  if (n > 2) f(x.c);
}
template <class P, class F> constexpr void for_operands_in(const instruction& x, F f) {
  for_operands(x, x.is_op() ? arity_table<typename P::ops_type>::value[x.op_index()] : 1, f);
}

/// Field b of a stage's leaf: how the value varies.
inline constexpr int leaf_element = 0;  ///< by element
inline constexpr int leaf_row = 1;      ///< by row only
inline constexpr int leaf_constant = 2; ///< not at all
inline constexpr int leaf_index = 4;    ///< by element, and it is the element's position, not memory
/// Field b of a stage's reduction: 1 for along the row, from 2 on for reductions over other dims.
inline constexpr int along_row = 1;

}  // namespace detail::inline SINTER_TARGET
}  // namespace sinter::inline v0
