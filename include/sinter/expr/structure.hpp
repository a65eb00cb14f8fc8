// SPDX-License-Identifier: BSD-3-Clause
// Values that belong together: a value, a tuple or a pair of such. What functions of symbols take and return. Next: loop.hpp.
#pragma once
#include <tuple>

#include "complex.hpp"

namespace sinter::inline v0::detail::inline SINTER_TARGET {

template <class T> inline constexpr bool is_pair = false;
template <class A, class B> inline constexpr bool is_pair<std::pair<A, B>> = true;
/// A tuple or a pair.
template <class T> inline constexpr bool is_tuple = is_pair<T>;
template <class... T> inline constexpr bool is_tuple<std::tuple<T...>> = true;

/// The real symbols of a symbol, a number, or a tuple of such, in order, as values of g: they may come from around it.
constexpr void list_symbols(graph& g, vec<sym>& to, sym x) { to.push(g.here(x)); }
constexpr void list_symbols(graph& g, vec<sym>& to, complex_sym z) { to.push(g.here(z.re)), to.push(g.here(z.im)); }
template <number N> constexpr void list_symbols(graph& g, vec<sym>& to, N v) { list_symbols(g, to, as_sym(g, v)); }
template <class T> requires is_tuple<T> constexpr void list_symbols(graph& g, vec<sym>& to, const T& all) {
  std::apply([&](const auto&... a) { (list_symbols(g, to, a), ...); }, all);
}
/// The same structure of what f makes of each real symbol.
template <class Y, class M> constexpr auto map_symbols(const Y& y, M f) {
  if constexpr (is_pair<Y>) {
    const auto first = map_symbols(y.first, f);
    return std::pair(first, map_symbols(y.second, f));
  } else if constexpr (is_tuple<Y>) {
    return std::apply([&](const auto&... e) { return std::make_tuple(map_symbols(e, f)...); }, y);
  } else if constexpr (same<Y, complex_sym>) {
    return complex_sym{f(y.re), f(y.im)};
  } else if constexpr (same<Y, sym>) {
    return f(y);
  } else {
    return y;
  }
}
/// The real symbols of a structure, one after the other.
template <class Y> constexpr void list_symbols(const Y& y, vec<sym>& to) {
  map_symbols(y, [&](sym x) { return to.push(x), x; });
}
/// A function's result as symbols: numbers are literals.
template <class Y> constexpr auto as_symbols(graph& g, const Y& y) {
  if constexpr (is_tuple<Y>) return std::apply([&](const auto&... e) { return std::make_tuple(as_symbols(g, e)...); }, y);
  else return as_sym(g, y);
}
/// How many real symbols a structure holds.
template <class Y> inline constexpr int symbols_in = 1;
template <> inline constexpr int symbols_in<complex_sym> = 2;
template <class... Y> inline constexpr int symbols_in<std::tuple<Y...>> = (symbols_in<Y> + ... + 0);
template <class A, class B> inline constexpr int symbols_in<std::pair<A, B>> = symbols_in<A> + symbols_in<B>;

}  // namespace sinter::inline v0::detail::inline SINTER_TARGET
