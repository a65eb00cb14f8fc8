// SPDX-License-Identifier: BSD-3-Clause
// Extents: how many dims a tensor has and which of their sizes the compiler knows. Types only, no data.
// Not here: strides and memory. Next: storage.hpp, tensor.hpp.
#pragma once
#include <limits>
#include <type_traits>
#include <utility>

#include "../op/dtype.hpp"

namespace sinter::inline v0 {

/// An extent known only at run time.
inline constexpr int64 dyn = -1;
/// An extent known only at run time, but never over `Max`.
template <int64 Max> inline constexpr int64 at_most = -1 - Max;

/// The sizes of a tensor as a type: each is a number, `dyn` or `at_most<Max>`.
template <int64... N> struct extents {
  static constexpr int rank = sizeof...(N);
  /// The static extent of dim `i`, or a negative number (`dyn`, `at_most`).
  static constexpr int64 at(int i) {
    constexpr int64 n[] = {N..., 0};
    return n[i];
  }
  /// Is every extent a number?
  static constexpr bool all_static = ((N >= 0) && ... && true);
  /// Number of elements where every extent is a number, else `dyn`.
  static constexpr int64 static_numel = all_static ? (N * ... * 1) : dyn;
};

/// A shape as an argument: `st::zeros<double>(st::shape<3, 4>)`.
template <class E> struct shape_tag { using extents_type = E; };
template <int64... N> inline constexpr shape_tag<extents<N...>> shape{};

namespace detail::inline SINTER_TARGET {

template <int R, int64... N> struct all_dynamic : all_dynamic<R - 1, dyn, N...> {};
template <int64... N> struct all_dynamic<0, N...> { using type = extents<N...>; };

template <class I>
concept integer = std::is_integral_v<I> && !std::is_same_v<I, bool>;

// One size in a braced list: any integer, so that {3, n} works for every type of n.
struct size_arg {
  int64 value;
  template <integer I> constexpr size_arg(I i) : value(static_cast<int64>(i)) {}
};

constexpr int64 no_extent = std::numeric_limits<int64>::min();

// NumPy's rule for one dim, `no_extent` where two static extents differ.
constexpr int64 broadcast_extent(int64 a, int64 b) {
  if (a == 1 || a == b) return b;
  if (b == 1) return a;
  if (a >= 0 && b >= 0) return no_extent;
  if (a >= 0 || b >= 0) return a >= 0 ? a : b;
  if (a == dyn || b == dyn) return dyn;
  return a < b ? a : b;  // at_most: the larger bound is the smaller code
}

template <class A, class B> struct broadcast {
  static constexpr int rank = A::rank > B::rank ? A::rank : B::rank;
  static constexpr int64 at(int i) {
    int a = i - (rank - A::rank), b = i - (rank - B::rank);
    return broadcast_extent(a < 0 ? 1 : A::at(a), b < 0 ? 1 : B::at(b));
  }
  static constexpr bool fits() {
    for (int i = 0; i < rank; ++i)
      if (at(i) == no_extent) return false;
    return true;
  }
  static_assert(fits(), "sinter: shapes do not broadcast: two static extents differ and neither is 1; "
                        "transpose, slice or unsqueeze one of the operands");
  template <int... I> static extents<at(I)...> make(std::integer_sequence<int, I...>);
  using type = decltype(make(std::make_integer_sequence<int, rank>{}));
};

// Can a tensor of extent `from` be held as `to`? 0: never, 1: after a look at run time, 2: always.
constexpr int extent_fits(int64 to, int64 from) {
  if (to == dyn || to == from) return 2;
  if (to >= 0 && from >= 0) return 0;
  if (to >= 0) return from == dyn || to <= -1 - from ? 1 : 0;
  if (from >= 0) return from <= -1 - to ? 2 : 0;
  return from != dyn && -1 - from <= -1 - to ? 2 : 1;
}
template <class To, class From> constexpr int extents_fit() {
  if (To::rank != From::rank) return 0;
  int least = 2;
  for (int i = 0; i < To::rank; ++i) {
    int f = extent_fits(To::at(i), From::at(i));
    if (f < least) least = f;
  }
  return least;
}

}  // namespace detail::inline SINTER_TARGET

/// Rank `R`, every extent known at run time only: `rank<2>` is `extents<dyn, dyn>`.
template <int R> using rank = typename detail::all_dynamic<R>::type;

/// NumPy broadcasting of two extents types. A static 1 yields to the other side, a static N > 1 wins over `dyn`;
/// two different static extents are a compile-time error.
template <class A, class B> using broadcast_extents = typename detail::broadcast<A, B>::type;

/// A run-time list of `R` sizes, strides or dims: `index_list<2>{3, n}` takes any mix of integer types.
template <int R> struct index_list {
  int64 v[R > 0 ? R : 1] = {};

  constexpr index_list() = default;
  template <detail::integer... I> requires (R > 0 && sizeof...(I) == R)
  SINTER_INLINE constexpr index_list(I... i) : v{static_cast<int64>(i)...} {}
  SINTER_INLINE explicit constexpr index_list(const detail::size_arg (&list)[R > 0 ? R : 1]) requires (R > 0) {
    for (int i = 0; i < R; ++i) v[i] = list[i].value;
  }

  static constexpr int size() { return R; }
  SINTER_INLINE constexpr int64& operator[](int i) { return v[i]; }
  SINTER_INLINE constexpr const int64& operator[](int i) const { return v[i]; }
  SINTER_INLINE constexpr const int64* data() const { return v; }
  SINTER_INLINE constexpr const int64* begin() const { return v; }
  SINTER_INLINE constexpr const int64* end() const { return v + R; }
  SINTER_INLINE constexpr bool operator==(const index_list& o) const {
    for (int i = 0; i < R; ++i)
      if (v[i] != o.v[i]) return false;
    return true;
  }
};
template <detail::integer... I> index_list(I...) -> index_list<sizeof...(I)>;

namespace detail::inline SINTER_TARGET {

// The sizes of an extents type, 0 where unknown.
template <class E> constexpr index_list<E::rank> static_sizes() {
  index_list<E::rank> s;
  for (int i = 0; i < E::rank; ++i) s[i] = E::at(i) < 0 ? 0 : E::at(i);
  return s;
}

// Is the product of the sizes (those of 0 left out, so that strides fit, too) at most `limit`?
template <int R> constexpr bool countable(const index_list<R>& sizes, int64 limit = std::numeric_limits<int64>::max()) {
  for (int64 size : sizes)
    if (size > 1) limit /= size;
  return limit > 0;
}

// Strides (in elements) of a row-major tensor; extents of 0 count as 1, as in PyTorch.
template <int R> constexpr index_list<R> row_major(const index_list<R>& sizes) {
  index_list<R> s;
  int64 step = 1;
  for (int i = R - 1; i >= 0; --i) {
    s[i] = step;
    if (sizes[i] > 1) step *= sizes[i];
  }
  return s;
}

}  // namespace detail::inline SINTER_TARGET
}  // namespace sinter::inline v0
