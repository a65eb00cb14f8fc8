// SPDX-License-Identifier: BSD-3-Clause
// The program format: one 64-bit word an instruction. Device-clean: kernels decode the same words.
// Next: expr/graph.hpp builds instructions, expr/program.hpp makes them a type.
#pragma once
#include "../op/lane.hpp"

namespace sinter::inline v0 {

/// What an instruction does. Numbers are part of the format: new codes take a free number, none is reused.
/// From `first_op` on the code is an index into the program's own list of ops.
enum class code : uint16 {
  leaf = 0,       ///< operand a of the program; b: dims of extent 1; c: 1 + pool index of the operands that its shape covers
  scalar = 1,     ///< run-time number: operand a of the program, in the dtype of the instruction
  literal = 2,    ///< the bits in pool[a]
  index = 3,      ///< position of the element along dims b of a's shape
  extent = 4,     ///< number of elements of a along dims b
  expand = 5,     ///< a, broadcast to the shape of b
  cast = 6,       ///< a in another dtype
  reduce = 7,     ///< reduction c (an op index) of a over dims b, which stay with extent 1
  contract = 8,   ///< sum of products of a and b, labels in pool[c]
  squeeze = 9,    ///< a without its dims b (of extent 1)
  unsqueeze = 10, ///< a with dims b of extent 1 put in
  output = 11,    ///< a is result number b; c: 1 + the leaf whose shape it is summed to (0: none)
  window = 12,    ///< no value: how the convolution that reads it runs. a: where its result's shape may come from; b: slot of its parameters; c: window_face
  convolve = 13,  ///< the face that window c says, from the other two faces a and b
  roll = 14,      ///< a, rolled along dim roll_dim by roll_amount (of b and c): y[i] = a[i - amount], indices modulo the extent
  list = 15,      ///< no value: operand a of what reads the list, behind it the list b (c = 1) or nothing (c = 0)
  scan = 16,      ///< a loop over the operands in list a; pool[b]: its body (loop_body); c: scan_mode
  element = 17,   ///< output b (loop_output) of the loop or branch a
  cond = 18,      ///< one of two bodies, once: pool[b] if the first operand of list a is true, else pool[c]
  while_loop = 19,///< a loop over the operands in list a: body pool[b] as long as pool[c], a body of one bool, says so
  // 20 to 31 are kept for: gather, scatter, barrier
  first_op = 32
};

/// One decoded instruction. `a`, `b`, `c` are instruction numbers or the fields that `code` says.
struct instruction {
  code op = code::leaf;
  dtype type = dtype::f32;
  uint8 rank = 0;
  uint16 a = 0, b = 0, c = 0;

  /// The word: op 12 bits | dtype 4 | rank 4 | a, b, c 14 bits each.
  constexpr uint64 encode() const {
    return static_cast<uint64>(op) | static_cast<uint64>(type) << 12 | static_cast<uint64>(rank) << 16 |
           static_cast<uint64>(a) << 20 | static_cast<uint64>(b) << 34 | static_cast<uint64>(c) << 48;
  }
  static constexpr instruction decode(uint64 w) {
    return {static_cast<code>(w & 0xfff), static_cast<dtype>(w >> 12 & 0xf), static_cast<uint8>(w >> 16 & 0xf),
            static_cast<uint16>(w >> 20 & 0x3fff), static_cast<uint16>(w >> 34 & 0x3fff),
            static_cast<uint16>(w >> 48 & 0x3fff)};
  }
  constexpr bool is_op() const { return op >= code::first_op; }
  constexpr int op_index() const { return static_cast<int>(op) - static_cast<int>(code::first_op); }
  /// No operand numbers: leaves, scalars, literals.
  constexpr bool is_source() const { return op <= code::literal; }
  /// Reads only the shape of its operand a.
  constexpr bool reads_shape() const { return op == code::index || op == code::extent || op == code::window; }
  /// Has several results, which `element` instructions name.
  constexpr bool is_loop() const { return op == code::scan || op == code::cond || op == code::while_loop; }
  /// Are b and c bodies?
  constexpr bool has_two_bodies() const { return op == code::cond || op == code::while_loop; }
  /// A product: sums over what its two operands a and b share.
  constexpr bool is_product() const { return op == code::contract || op == code::convolve; }
};

inline constexpr int max_rank = 8;
SINTER_HIDDEN inline constexpr int max_instructions = 1 << 14;
inline constexpr uint32 run_time_dims = 256;  ///< axes tags from here on are slots of run-time dims
inline constexpr uint32 bad_dims = 0x3fff;    ///< the axes tag of static dims that the operand does not have

/// Labels of a contraction, three bits a dim: which of the result's or summed dims each operand dim is.
/// Word: rank of a, b, result (3 bits each), then labels of a, b, result, at most 18 dims in all.
struct contraction {
  uint8 rank_a = 0, rank_b = 0, rank_c = 0;
  uint8 labels[18] = {};

  constexpr uint8& a(int i) { return labels[i]; }
  constexpr uint8& b(int i) { return labels[rank_a + i]; }
  constexpr uint8& c(int i) { return labels[rank_a + rank_b + i]; }
  constexpr uint8 a(int i) const { return labels[i]; }
  constexpr uint8 b(int i) const { return labels[rank_a + i]; }
  constexpr uint8 c(int i) const { return labels[rank_a + rank_b + i]; }
  constexpr uint64 encode() const {
    uint64 w = rank_a | static_cast<uint64>(rank_b) << 3 | static_cast<uint64>(rank_c) << 6;
    for (int i = 0; i < rank_a + rank_b + rank_c; ++i) w |= static_cast<uint64>(labels[i]) << (9 + 3 * i);
    return w;
  }
  static constexpr contraction decode(uint64 w) {
    contraction r{static_cast<uint8>(w & 7), static_cast<uint8>(w >> 3 & 7), static_cast<uint8>(w >> 6 & 7), {}};
    for (int i = 0; i < r.rank_a + r.rank_b + r.rank_c; ++i) r.labels[i] = static_cast<uint8>(w >> (9 + 3 * i) & 7);
    return r;
  }
};

/// A convolution ties three arrays: images x [N, C, X...], kernels w [O, C / groups, K...] and images y [N, O, Y...], by
/// x position = y position * stride + w position * dilation - padding. Each is a sum of products of the other two: the
/// derivatives of one are the others. Operands are in the order x, w, y without the one that is wanted; y is the first beside w.
struct window_face {
  enum kind_t : uint8 { y = 0, x = 1, w = 2 } kind = y;
  bool like = false;  ///< the result has the shape of the window's operand; else it follows from the operands and the parameters
  uint8 dims = 2;     ///< of X, K and Y
  constexpr uint16 encode() const { return static_cast<uint16>(kind | like << 2 | dims << 3); }
  static constexpr window_face decode(uint16 c) { return {static_cast<kind_t>(c & 3), (c & 4) != 0, static_cast<uint8>(c >> 3)}; }
};

/// A roll's dim, in the low 4 bits of field b, bad_roll_dim if there is none such; its amount, of 24 bits in the rest of b and in c.
inline constexpr int bad_roll_dim = 15, most_rolled = (1 << 23) - 1;
constexpr void encode_roll(instruction& x, int dim, int amount) {
  const uint32 u = static_cast<uint32>(amount + most_rolled);
  x.b = static_cast<uint16>(static_cast<uint32>(dim) | u >> 14 << 4), x.c = static_cast<uint16>(u & 0x3fff);
}
constexpr int roll_dim(const instruction& x) { return x.b & 15; }
constexpr int roll_amount(const instruction& x) { return static_cast<int>(static_cast<uint32>(x.b >> 4) << 14 | x.c) - most_rolled; }

/// What a loop runs a step: a program whose operands are the carried values, slices of the stacked ones, constants, and the
/// step's number; its results are the next carried values, slices of stacked results, and what is summed over the steps. A branch
/// is a loop of one step: constants, of which the condition is the first, and sums.
/// Word in front of the body's program in the pool: five counts of 12 bits, and a flag.
struct loop_body {
  uint16 carries = 0, stacked = 0, constants = 0;  ///< operands, in this order; the step's number is the one behind
  uint16 slices = 0, sums = 0;                     ///< results behind the `carries` carried ones, in this order
  bool recompute = false;                          ///< the adjoint keeps carried values alone, and computes all else of a step again
  constexpr int operand_count() const { return carries + stacked + constants; }
  constexpr int result_count() const { return carries + slices + sums; }
  constexpr uint64 encode() const {
    return carries | static_cast<uint64>(stacked) << 12 | static_cast<uint64>(constants) << 24 | static_cast<uint64>(slices) << 36 |
           static_cast<uint64>(sums) << 48 | static_cast<uint64>(recompute) << 60;
  }
  static constexpr loop_body decode(uint64 w) {
    return {static_cast<uint16>(w & 0xfff), static_cast<uint16>(w >> 12 & 0xfff), static_cast<uint16>(w >> 24 & 0xfff),
            static_cast<uint16>(w >> 36 & 0xfff), static_cast<uint16>(w >> 48 & 0xfff), (w >> 60 & 1) != 0};
  }
};
/// Field b of an element: which kind of result, and its number among them.
struct loop_output {
  enum kind_t : uint8 { carry = 0, slice = 1, sum = 2 } kind = carry;
  uint16 number = 0;
  constexpr uint16 encode() const { return static_cast<uint16>(kind | number << 2); }
  static constexpr loop_output decode(uint16 b) { return {static_cast<kind_t>(b & 3), static_cast<uint16>(b >> 2)}; }
  constexpr int result(const loop_body& body) const { return number + (kind > carry ? body.carries : 0) + (kind > slice ? body.slices : 0); }
};
/// Field c of a scan: in which order it runs, and how many steps.
struct scan_mode {
  /// `part`: the quotient or the remainder of a slot's number
  enum length_t : uint8 { of_stacked = 0, literal = 1, slot = 2, part = 3 } length = of_stacked;
  bool reverse = false;
  uint16 number = 0;  ///< pool index of the number of steps or of the part, or the slot that holds it
  /// Is `number` a pool index? It has 11 bits.
  constexpr bool names_word() const { return length == literal || length == part; }
  /// Word of a part: the slot, what it is divided by (32 bits), whether the remainder is meant.
  static constexpr uint64 part_word(uint32 slot, uint32 by, bool remainder) { return slot | static_cast<uint64>(by) << 16 | static_cast<uint64>(remainder) << 48; }
  constexpr uint16 encode() const { return static_cast<uint16>(length | reverse << 2 | number << 3); }
  static constexpr scan_mode decode(uint16 c) { return {static_cast<length_t>(c & 3), (c >> 2 & 1) != 0, static_cast<uint16>(c >> 3)}; }
};

namespace detail::inline SINTER_TARGET {
/// Bits of a number literal: doubles as they are.
constexpr uint64 literal_bits(double v) { return __builtin_bit_cast(uint64, v); }
constexpr double literal_value(uint64 w) { return __builtin_bit_cast(double, w); }
constexpr int count_bits(uint32 m) {
  int n = 0;
  for (; m; m &= m - 1) ++n;
  return n;
}
}  // namespace detail::inline SINTER_TARGET

}  // namespace sinter::inline v0
