// SPDX-License-Identifier: BSD-3-Clause
// A finished graph as a type: program<ops<...>, words...>. Equal graphs are equal types, so equal kernels.
// Next: expr/schedule.hpp cuts a program into kernels.
#pragma once
#include <utility>

#include "sym.hpp"
#include "words.hpp"

namespace sinter::inline v0 {

namespace detail::inline SINTER_TARGET {

/// A graph in fixed room, fit to become template arguments.
template <int Room> struct flat_graph {
  uint64 words[Room] = {};
  int size = 0;
  const op_descr* ops[129] = {};  ///< ends with a null
  int op_count = 0;
  bool overflow = false;
};

/// A body in a pool: its counts, and its program's words (header, instructions, pool), whose ops are the owner's.
constexpr int body_words(const uint64* body) { return 2 + static_cast<int>(body[1] & 0xffff) + static_cast<int>(body[1] >> 16 & 0xffff); }
/// Gives the ops of the body at word `at`, and of the bodies inside it, other numbers. Loops may share a body: each is `done` once.
template <class F> constexpr void renumber_ops(uint64* words, int at, vec<bool>& done, F number) {
  if (done[at]) return;
  done[at] = true;
  uint64* const body = words + at;
  const int size = static_cast<int>(body[1] & 0xffff);
  for (int i = 0; i < size; ++i) {
    instruction x = instruction::decode(body[2 + i]);
    if (x.is_op()) x.op = static_cast<code>(static_cast<int>(code::first_op) + number(x.op_index()));
    else if (x.op == code::reduce) x.c = static_cast<uint16>(number(x.c));
    else if (!x.is_loop()) continue;
    if (x.is_loop()) renumber_ops(words, at + 2 + size + x.b, done, number);
    if (x.has_two_bodies()) renumber_ops(words, at + 2 + size + x.c, done, number);
    body[2 + i] = x.encode();
  }
}
template <class F> constexpr void renumber_ops(uint64* body, F number) {
  vec<bool> done(body_words(body), false);
  renumber_ops(body, 0, done, number);
}
/// The body at pool index i of g, its ops numbered by `number(op)`.
template <class F> constexpr vec<uint64> copy_body(const graph& g, int i, F number) {
  vec<uint64> run;
  for (int k = 0, n = body_words(&g.pool()[i]); k < n; ++k) run.push(g.pool()[i + k]);
  renumber_ops(&run[0], [&](int op) { return number(g.ops()[op]); });
  return run;
}
/// The pool fields of loop x of g, in another pool: its body, and its number of steps.
template <class Pool, class F> constexpr void move_body(const graph& g, instruction& x, Pool pool, F op_number) {
  if (!x.has_two_bodies()) {  // before the body: the index has fewer bits
    scan_mode mode = scan_mode::decode(x.c);
    if (mode.names_word()) mode.number = static_cast<uint16>(pool(vec<uint64>(1, g.pool()[mode.number])));
    x.c = mode.encode();
  }
  x.b = static_cast<uint16>(pool(copy_body(g, x.b, op_number)));
  if (x.has_two_bodies()) x.c = static_cast<uint16>(pool(copy_body(g, x.c, op_number)));
}

/// Re-emits instruction i of another graph, whose operands have the new numbers `map`.
constexpr sym replay(graph& g, const graph& from, int i, const vec<uint16>& map, uint32 leaf_ones) {
  instruction x = from.at(i);
  const op_descr* op = from.descr(i);
  const uint64 pool_word = x.op == code::literal ? from.pool()[x.a] : x.op == code::contract ? from.pool()[x.c] : 0;
  const sym a = g.at_sym(x.is_source() ? 0 : map[x.a]);
  switch (x.op) {
    case code::leaf: return g.leaf(x.a, x.type, x.rank, leaf_ones);
    case code::scalar: return g.scalar(x.a, x.type, false);
    case code::literal: return g.literal(literal_value(pool_word), x.type, false);
    case code::index: return g.index(a, {x.b, 0});
    case code::extent: return g.extent(a, {x.b, 0}, x.type);
    case code::expand: return g.expand(a, g.at_sym(map[x.b]));
    case code::cast: return g.cast(a, x.type);
    case code::reduce: return g.reduce(op, a, {x.b, 0});
    case code::contract: return g.contract(a, g.at_sym(map[x.b]), contraction::decode(pool_word));
    case code::window: return g.window(a, {x.b, 0}, window_face::decode(x.c));
    case code::convolve: return g.convolve(a, g.at_sym(map[x.b]), g.at_sym(map[x.c]));
    case code::squeeze: return g.squeeze(a, {x.b, g.at(a.id).rank - x.rank});
    case code::unsqueeze: return g.unsqueeze(a, {x.b, x.rank - g.at(a.id).rank});
    case code::roll: return g.roll(a, roll_dim(x), roll_amount(x));
    case code::list: return g.list(a, x.c ? g.at_sym(map[x.b]) : sym{});
    case code::scan: case code::cond: case code::while_loop:
      move_body(from, x, [&](const vec<uint64>& run) { return g.pool(run); }, [&](const op_descr* d) { return g.op_number(d); });
      return g.loop(x.op, a, x.b, x.c);
    case code::element: return g.element(a, loop_output::decode(x.b), x.type, x.rank);
    case code::output: g.output(a, x.b, x.c - 1); return {};
    default: break;
  }
  const sym in[] = {a, op->arity > 1 ? g.at_sym(map[x.b]) : sym{}, op->arity > 2 ? g.at_sym(map[x.c]) : sym{}};
  return g.apply(op, in, op->arity);
}

template <class F> constexpr void for_operands(const instruction& x, const op_descr* op, F f) {
  for_operands(x, x.is_op() ? op->arity : 1, f);
}

/// Lays out what the outputs of g need, in canonical order: depth first from the outputs, so that the numbers
/// depend on the graph alone and not on how it was built.
/// `order_out`, if given, gets g's number of each instruction.
constexpr vec<uint64> words_of(const graph& g, int operand_count, vec<const op_descr*>& ops, vec<uint16>* order_out = nullptr) {
  vec<uint16> order, map(g.size(), 0xffff), stack;
  vec<uint8> seen(g.size(), 0);
  int results = 0;
  for (int i = 0; i < g.size(); ++i)
    if (g.at(i).op == code::output) ++results, stack.push(static_cast<uint16>(i));
  vec<uint16> todo;
  for (int i = stack.size() - 1; i >= 0; --i) todo.push(stack[i]);
  int top = todo.size();
  while (top > 0) {
    const int i = todo[top - 1];
    if (seen[i] == 2) { --top; continue; }
    if (seen[i] == 1) {
      seen[i] = 2;
      map[i] = static_cast<uint16>(order.size());
      order.push(static_cast<uint16>(i));
      --top;
      continue;
    }
    seen[i] = 1;
    uint16 in[3];
    int n = 0;
    for_operands(g.at(i), g.descr(i), [&](uint16 o) { in[n++] = o; });
    for (int k = n - 1; k >= 0; --k)
      if (!seen[in[k]]) {
        if (top < todo.size()) todo[top] = in[k];
        else todo.push(in[k]);
        ++top;
      }
  }
  graph pool_owner;  // for its pool
  const vec<uint64>& pool = pool_owner.pool();
  auto pooled = [&](const auto& w) { return static_cast<uint16>(pool_owner.pool(w)); };
  auto op_number = [&](const op_descr* op) {
    for (int i = 0; i < ops.size(); ++i)
      if (ops[i]->id == op->id && ops[i] == op) return static_cast<uint16>(i);
    ops.push(op);
    return static_cast<uint16>(ops.size() - 1);
  };
  if (order_out) *order_out = order;
  for (int k = 0; k < order.size(); ++k)  // numbers of steps lie in front of all bodies
    if (const instruction& x = g.at(order[k]); x.op == code::scan)
      if (const scan_mode mode = scan_mode::decode(x.c); mode.names_word()) pooled(g.pool()[mode.number]);
  vec<uint64> words(1, 0);
  for (int k = 0; k < order.size(); ++k) {
    const int i = order[k];
    instruction x = g.at(i);
    const op_descr* op = g.descr(i);
    if (x.op == code::leaf) x.b = g[i].ones, x.c = x.c ? static_cast<uint16>(1 + pooled(g.pool()[x.c - 1])) : uint16{0};
    else if (x.op == code::literal) x.a = pooled(g.pool()[x.a]);
    else if (x.op != code::scalar) {
      const int n = operands_read(x, x.is_op() ? op->arity : 1);
      x.a = map[x.a];
      if (n > 1) x.b = map[x.b];
      if (n > 2) x.c = map[x.c];
      if (x.op == code::contract) x.c = pooled(g.pool()[x.c]);
      if (x.op == code::reduce) x.c = op_number(op);
      if (x.is_loop()) move_body(g, x, pooled, op_number);
      if (x.is_op()) {
        x.op = static_cast<code>(static_cast<uint16>(code::first_op) + op_number(op));
      }
    }
    words.push(x.encode());
  }
  for (int i = 0; i < pool.size(); ++i) words.push(pool[i]);
  words[0] = static_cast<uint64>(order.size()) | static_cast<uint64>(pool.size()) << 16 |
                 static_cast<uint64>(operand_count) << 32 | static_cast<uint64>(results) << 48 | static_cast<uint64>(g.reads_parts) << 63;
  return words;
}
template <int Room> constexpr flat_graph<Room> flatten(const graph& g, int operand_count, vec<uint16>* order_out = nullptr) {
  flat_graph<Room> out;
  vec<const op_descr*> ops;
  const vec<uint64> words = words_of(g, operand_count, ops, order_out);
  out.overflow = words.size() > Room;
  if (out.overflow) return out;
  out.size = words.size(), out.op_count = ops.size();
  for (int i = 0; i < out.size; ++i) out.words[i] = words[i];
  for (int i = 0; i < out.op_count; ++i) out.ops[i] = ops[i];
  return out;
}

/// The instructions, pool words and descriptions of a program, for functions that work on values.
struct program_view {
  const uint64* words;
  const op_descr* const* ops;
  constexpr int size() const { return static_cast<int>(words[0] & 0xffff); }
  constexpr int operand_count() const { return static_cast<int>(words[0] >> 32 & 0xffff); }
  constexpr int result_count() const { return static_cast<int>(words[0] >> 48 & 0x7fff); }
  constexpr bool reads_parts() const { return words[0] >> 63; }
  constexpr instruction at(int i) const { return instruction::decode(words[1 + i]); }
#if defined(__GNUC__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Warray-bounds"  // at -O3, g++ 12 follows switches to instructions that the program has not
#endif
  constexpr uint64 pool(int i) const { return words[1 + size() + i]; }
#if defined(__GNUC__)
#pragma GCC diagnostic pop
#endif
  constexpr const op_descr* descr(int i) const {
    const instruction x = at(i);
    return x.op == code::reduce ? ops[x.c] : x.is_op() ? ops[x.op_index()] : nullptr;
  }
  /// The body of loop i, and what it takes and gives.
  constexpr program_view body(int i) const { return {words + 1 + size() + at(i).b + 1, ops}; }
  constexpr program_view second_body(int i) const { return {words + 1 + size() + at(i).c + 1, ops}; }
  constexpr loop_body body_counts(int i) const { return loop_body::decode(pool(at(i).b)); }
  /// The same program as a graph; instruction i keeps its number. `ones`, if given: per operand, the mask of dims
  /// of extent 1 (else the masks in the program).
  constexpr graph restore(const uint8* ones = nullptr) const {
    graph g;
    g.reads_parts = reads_parts();
    int op_count = 0;
    while (ops[op_count]) ++op_count;
    g.restore_tables(ops, op_count, words + 1 + size(), static_cast<int>(words[0] >> 16 & 0xffff));
    for (int i = 0; i < size(); ++i) {
      const instruction x = at(i);
      g.restore(x, x.is_op() ? ops[x.op_index()]->arity : 1, x.op == code::leaf ? (ones ? ones[x.a] : x.b) : 0);
    }
    return g;
  }
};

template <class Ops> struct descr_table;
template <class... Op> struct descr_table<ops<Op...>> {
  static constexpr const op_descr* value[sizeof...(Op) + 1] = {op_entry<Op>::descr..., nullptr};
};
template <class Ops> struct bare_table;
template <class... Op> struct bare_table<ops<Op...>> {
  static constexpr const op_descr* value[sizeof...(Op) + 1] = {&bare_descr_of<Op>..., nullptr};
};
/// A program for run time, without the ops' functions: those would be compiled for it.
template <class P> inline constexpr program_view bare_view_of{P::words, bare_table<typename P::ops_type>::value};
template <class P> inline constexpr program_view view_of{P::words, descr_table<typename P::ops_type>::value};

template <class S, std::size_t... W, std::size_t... O>
auto to_program(std::index_sequence<W...>, std::index_sequence<O...>)
    -> program<ops<op_of<S::value.ops[O]>...>, S::value.words[W]...>;

/// Source::make<Room>() is a constexpr function returning flat_graph<Room>; most programs fit the small room.
template <class Source> struct SINTER_HIDDEN small_flat { static constexpr auto value = Source::template make<96>(); };
template <class Source> struct SINTER_HIDDEN large_flat { static constexpr auto value = Source::template make<max_instructions>(); };
template <class Source> struct SINTER_HIDDEN medium_flat { static constexpr auto value = Source::template make<1024>(); };
template <class S> using flat_program =
    decltype(to_program<S>(std::make_index_sequence<static_cast<std::size_t>(S::value.size)>(),
                           std::make_index_sequence<static_cast<std::size_t>(S::value.op_count)>()));
template <class Source> constexpr auto choose_flat() {
  if constexpr (!small_flat<Source>::value.overflow) return type_is<small_flat<Source>>{};
  else if constexpr (!medium_flat<Source>::value.overflow) return type_is<medium_flat<Source>>{};
  else return type_is<large_flat<Source>>{};
}
template <class Source> using make_program = flat_program<typename decltype(choose_flat<Source>())::type>;

}  // namespace detail::inline SINTER_TARGET
}  // namespace sinter::inline v0
