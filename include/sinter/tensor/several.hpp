// SPDX-License-Identifier: BSD-3-Clause
// Expressions with several results, a tuple or a pair of values: one run of one program. Who has them: loops (loop.hpp), transforms of
// functions (func/func.hpp).
#pragma once
#include "../expr/structure.hpp"
#include "assign.hpp"

namespace sinter::inline v0::detail::inline SINTER_TARGET {

/// A program whose value is a tuple or pair, of values or of such.
template <class X> struct results_source {
  static constexpr int operands_before_results(graph& g) {
    cursor c{g};
    int results = 0;
    map_symbols(X::build(c), [&](sym v) { return g.output(v, results++), v; });
    return c.operands;
  }
  template <int Room> static constexpr auto make() {
    graph g;
    const int operands = operands_before_results(g);
    return flatten<Room>(g, operands);
  }
};
template <class X> struct several : explained<several<X>> {
  using program = make_program<results_source<X>>;
  using value = decltype(X::build(std::declval<cursor&>()));
  static constexpr int count = program::result_count;
  static constexpr struct shapes_t {
    shape_value shape[count + 1] = {};
    dtype type[count + 1] = {};
    shape_fault fault;
  } result = [] {
    shape_value leaves[program::operand_count + 1] = {}, shapes[program::size + 1] = {};
    shape_value* to = leaves;
    operand_shapes<X>::collect(to);
    shapes_t r;
    r.fault = infer_shapes(view_of<program>, leaves, nullptr, shapes);
    for (int i = 0; i < program::size; ++i)
      if (const instruction x = program::at(i); x.op == code::output) r.shape[x.b] = shapes[i], r.type[x.b] = x.type;
    return r;
  }();
  template <int K, int... I> static extents<result.shape[K][I]...> extents_at(std::integer_sequence<int, I...>);
  template <int K> using extents_of = decltype(extents_at<K>(std::make_integer_sequence<int, result.shape[K].rank>{}));
};

/// How many symbols are in front of part I of Y.
template <class Y, std::size_t I> inline constexpr int symbols_before = symbols_before<Y, I - 1> + symbols_in<std::tuple_element_t<I - 1, Y>>;
template <class Y> inline constexpr int symbols_before<Y, 0> = 0;
/// Tensors around results K and following, structured as Y is.
template <class S, class Y, int K> struct take_results {
  static void prepare(result* r) { r[K].complex = symbols_in<Y> == 2; }
  static auto take_from(result* r) {
    constexpr dtype t = S::result.type[K];
    return take<cpp_type<symbols_in<Y> == 2 ? complex_type(t) : t>, typename S::template extents_of<K>>(r[K]);
  }
};
template <class S, class Y, int K> requires is_tuple<Y> struct take_results<S, Y, K> {
  using all = std::make_index_sequence<std::tuple_size_v<Y>>;
  template <std::size_t I> using at = take_results<S, std::tuple_element_t<I, Y>, K + symbols_before<Y, I>>;
  static void prepare(result* r) { prepare(r, all()); }
  static auto take_from(result* r) { return take_from(r, all()); }

 private:
  template <std::size_t... I> static void prepare(result* r, std::index_sequence<I...>) { (at<I>::prepare(r), ...); }
  template <std::size_t... I> static auto take_from(result* r, std::index_sequence<I...>) {
    if constexpr (is_pair<Y>) return std::pair(at<I>::take_from(r)...);
    else return std::make_tuple(at<I>::take_from(r)...);
  }
};
/// Runs a program with several results.
template <class X, class Arch = native> SINTER_HIDDEN auto evaluate_several(const X& x) {
  using S = several<X>;
  S::check();
  bound_operands<typename S::program> ops;
  bind<Arch>(x, ops);
  result r[S::count];
  using take_all = take_results<S, typename S::value, 0>;
  take_all::prepare(r);
  cpu_run(entry_of<typename S::program, Arch>, ops.leaves, ops.slots, r).template run<Arch>();
  return take_all::take_from(r);
}

}  // namespace sinter::inline v0::detail::inline SINTER_TARGET
