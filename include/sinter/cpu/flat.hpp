// SPDX-License-Identifier: BSD-3-Clause
// The short way: an element-wise program over arrays of one shape without holes is one loop, with nothing to plan.
// Everything else goes the long way (run.hpp), which takes any shapes and strides.
#pragma once
#include "cache.hpp"
#include "bounds.hpp"
#include "entry.hpp"
#include "parallel.hpp"

namespace sinter::inline v0::detail::inline SINTER_TARGET {

/// Elements of a block of the short way: what a thread takes at a time.
inline constexpr int64 flat_block = 32768;

/// Does a program write a result otherwise than by its kernel: a leaf as it is, a value twice, a sum to a leaf's shape?
template <class P> constexpr bool delivers_late() {
  for (int i = 0; i < P::size; ++i) {
    const instruction x = P::at(i);
    if (x.op != code::output) continue;
    if (x.c || schedule_of<P>.memory[x.a]) return true;
    for (int j = 0; j < i; ++j)
      if (P::at(j).op == code::output && P::at(j).a == x.a) return true;
  }
  return false;
}
/// What an operand of a program is to its only kernel.
struct flat_operand {
  int16 input = -1;        ///< which of the kernel's, -1: none, only its shape counts
  bool one = false;        ///< one element for all
};
/// Can a program run the short way at all: is it one map kernel that reads leaves and numbers, and writes every result once?
template <class P> inline constexpr auto flat_form = [] {
  struct { bool possible = false, constant = false; flat_operand operands[P::operand_count + 1] = {}; int16 output_of[P::result_count + 1] = {}; } out;
  constexpr auto& plan = schedule_of<P>;
  if (plan.count != 1 || plan.stages[0].kind != kernel_kind::map || P::reads_parts || delivers_late<P>() || bounds_of<P>.count) return out;
  using SP = stage_program<P, 0>;
  if (levels_of<SP>.totals || levels_of<SP>.passes) return out;
  for (int k = 0; k < SP::operand_count; ++k) {
    const stage_input& in = inputs_of<P, 0>.v[k];
    const instruction x = P::at(in.id);
    if (!(in.kind == input_kind::memory && x.op == code::leaf) && in.kind != input_kind::number) return out;
    out.operands[x.a].input = static_cast<int16>(k);
  }
  int elements = 0, constants = 0;
  for (int i = 0; i < SP::size; ++i) {
    const instruction x = SP::at(i);
    if (x.op == code::leaf && x.b == leaf_row) return out;
    if (x.op == code::leaf && x.b == leaf_constant)
      for (flat_operand& o : out.operands) o.one = o.one || o.input == x.a;
    if (x.op == code::output) ++(levels_of<SP>.at[x.a] == level::element ? elements : constants);
  }
  if (elements && constants) return out;
  for (int i = 0; i < P::size; ++i)
    if (P::at(i).op == code::output)
      for (int r = 0; r < plan.stages[0].root_count; ++r)
        if (plan.roots[r] == P::at(i).a) out.output_of[P::at(i).b] = static_cast<int16>(r);
  out.possible = true, out.constant = constants > 0;
  return out;
}();

/// The kernel over many elements, in blocks that threads share.
template <class P, class Arch> SINTER_HIDDEN void run_flat_blocks(const uint64* at, const double* numbers, int64 n, bool stream) {
  using K = kernel<stage_program<P, 0>, Arch>;
  // results that the caches cannot hold go past them, unless they are written over what was read
  for (int w = K::first_output; w < K::first_total; ++w) {
    stream = stream && at[w] % 64 == 0;
    for (int k = 0; k < K::first_output; ++k) stream = stream && at[k] != at[w];
  }
  parallel_for<Arch>((n - 1) / flat_block + 1, [&](int64 c) {
    const int64 first = c * flat_block;
    K::flat(at, numbers, first, n - first < flat_block ? n : first + flat_block, stream);
  });
}
/// Runs the only kernel of P over n elements: operand k of the kernel at at[k], result r at at[operands + r]. Known: n, where it is
/// static and so small that no function is called.
template <class P, class Arch, int64 Known = -1> SINTER_INLINE void run_flat(const uint64* at, const double* numbers, int64 n) {
  using SP = stage_program<P, 0>;
  using K = kernel<SP, Arch>;
  constexpr auto bytes_of_all = [](bool constant) {  // of one element of every array, of all single elements
    int64 b = 0;
    for (int i = 0; i < SP::size; ++i)
      if (constant ? SP::at(i).op == code::leaf && SP::at(i).b == leaf_constant
                   : SP::at(i).op == code::output || (SP::at(i).op == code::leaf && SP::at(i).b != leaf_constant))
        b += size_of(SP::at(i).type);
    return b;
  };
  constexpr int64 bytes = bytes_of_all(false), once = bytes_of_all(true);
  ++counters().launches;
  counters().bytes += static_cast<uint64>(n * bytes + once);
  if constexpr (Known >= 0) K::flat_loop(at, numbers, 0, Known, false);
  else if (n <= flat_block) K::flat(at, numbers, 0, n, false);
  else run_flat_blocks<P, Arch>(at, numbers, n, n * bytes > last_level_cache());
}

}  // namespace sinter::inline v0::detail::inline SINTER_TARGET
