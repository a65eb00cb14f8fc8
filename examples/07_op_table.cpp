// SPDX-License-Identifier: BSD-3-Clause
// Chapter 7: what there is. Every primitive op as the library describes it to itself; all other functions are composed of
// these. An op of your own (04_own_op.cpp) has the same fields. Its derivative and its formula stand in include/sinter/op/.
#include <sinter/op/complex_form.hpp>
#include <sinter/op/registry.hpp>

#include <cstdio>

namespace st = sinter;

// The dtype of a result, given that of the operands.
const char* rule(st::result_type r) {
  switch (r) {
    case st::result_type::same: return "as the operands";
    case st::result_type::floating: return "floating";
    case st::result_type::boolean: return "bool";
    case st::result_type::index: return "int64";
    case st::result_type::wide: return "wide: integers to int64";
    case st::result_type::second: return "as all but the first";
  }
  return "?";
}

template <class Ops> int print(const char* kind, Ops ops) {
  st::for_each_op(ops, [&]<class Op>() {
    constexpr st::op_info info = Op::info;
    std::printf("%-10s %-12s [%4g, %4g]   %-24s %-14s %-9s %s\n", info.name, kind, info.samples.low, info.samples.high, rule(info.result),
                info.discontinuous ? "discontinuous" : "", info.whole ? "only" : info.integers ? "yes" : "", st::detail::has_complex_form<Op> ? "yes" : "");
  });
  return Ops::size;
}

int main() {
  std::printf("%-10s %-12s %-14s %-24s %-14s %-9s %s\n", "op", "kind", "sampled on", "dtype of the result", "jumps", "integers", "complex");
  int n = print("unary", st::unary_ops{});
  n += print("binary", st::binary_ops{});
  n += print("ternary", st::ternary_ops{});
  n += print("bitwise", st::bitwise_ops{});
  n += print("reduction", st::reduction_ops{});
  std::printf("%d ops\n", n);
}
