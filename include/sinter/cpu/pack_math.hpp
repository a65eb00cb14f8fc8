// SPDX-License-Identifier: BSD-3-Clause
// Functions of packs, found by argument-dependent lookup: exp, log, tanh, ...
// Not here: operators (pack.hpp). Measured errors stand at each function; test/cpu/pack.cpp repeats the sweep.
#pragma once
#include <cmath>

#include "pack_convert.hpp"

namespace sinter::inline v0 {

/// |x|, by clearing the sign bit of floats.
template <class T, int N> SINTER_INLINE pack<T, N> abs(pack<T, N> x) {
  if constexpr (std::is_floating_point_v<T>) {
    using I = simd::integer<T>;
    constexpr I magnitude = static_cast<I>(~(detail::wrap(I(1)) << (8 * sizeof(T) - 1)));
    return bit_cast<T>(detail::map_lanes([](auto v) { return v & static_cast<typename detail::wrapping<I>::type>(magnitude); }, bit_cast<I>(x)));
  } else {
    return select(x < pack<T, N>(0), -x, x);
  }
}

/// NaN lanes, by bits where -Ofast would forget them.
template <class T, int N> SINTER_INLINE pack<bool, N> isnan(pack<T, N> x) {
  if constexpr (!std::is_floating_point_v<T>) {
    return pack<bool, N>(false);
#if defined(__FINITE_MATH_ONLY__) && __FINITE_MATH_ONLY__
  } else {
    using I = simd::integer<T>;
    constexpr I infinity = sizeof(T) == 4 ? I(0x7f800000) : static_cast<I>(int64(0x7ff) << 52);
    return bit_cast<I>(abs(x)) > pack<I, N>(infinity);
#else
  } else {
    return x != x;
#endif
  }
}

/// The larger operand; NaN if either is NaN.
template <class T, int N> SINTER_INLINE pack<T, N> max(pack<T, N> a, std::type_identity_t<pack<T, N>> b) {
  if constexpr (std::is_same_v<T, bool>) return a | b;
  else return select((a > b) | isnan(a), a, b);
}
/// The smaller operand; NaN if either is NaN.
template <class T, int N> SINTER_INLINE pack<T, N> min(pack<T, N> a, std::type_identity_t<pack<T, N>> b) {
  if constexpr (std::is_same_v<T, bool>) return a & b;
  else return select((a < b) | isnan(a), a, b);
}

/// a * b + c, rounded once where the target can.
template <class T, int N> SINTER_INLINE pack<T, N> fma(pack<T, N> a, std::type_identity_t<pack<T, N>> b, std::type_identity_t<pack<T, N>> c) {
  if constexpr (!std::is_floating_point_v<T>) {
    return a * b + c;
  } else if constexpr (N > 1) {
    return detail::map_batches([](auto x, auto y, auto z) { return simd::fma(x, y, z); }, a, b, c);
  } else if constexpr (SINTER_HAS_FMA != 0) {
    if constexpr (sizeof(T) == 4) return __builtin_fmaf(a.r, b.r, c.r);
    else return __builtin_fma(a.r, b.r, c.r);
  } else {
    return a.r * b.r + c.r;
  }
}

#if SINTER_HAS_XSIMD
#define SINTER_PACK_FUNCTION(name, scalar, batch)                                               \
  template <class T, int N> SINTER_INLINE pack<T, N> name(pack<T, N> x) {                       \
    if constexpr (N == 1) return detail::map_batches([](auto v) { return std::scalar(v); }, x); \
    else return detail::map_batches([](auto v) { return xsimd::batch(v); }, x);                 \
  }
#else
#define SINTER_PACK_FUNCTION(name, scalar, batch) \
  template <class T, int N> SINTER_INLINE pack<T, N> name(pack<T, N> x) { return std::scalar(x.r); }
#endif
SINTER_PACK_FUNCTION(sqrt, sqrt, sqrt)
SINTER_PACK_FUNCTION(floor, floor, floor)
SINTER_PACK_FUNCTION(ceil, ceil, ceil)
SINTER_PACK_FUNCTION(trunc, trunc, trunc)
SINTER_PACK_FUNCTION(round, nearbyint, nearbyint)
SINTER_PACK_FUNCTION(exp, exp, exp)
SINTER_PACK_FUNCTION(expm1, expm1, expm1)
SINTER_PACK_FUNCTION(log, log, log)
SINTER_PACK_FUNCTION(log1p, log1p, log1p)
SINTER_PACK_FUNCTION(tanh, tanh, tanh)
SINTER_PACK_FUNCTION(sin, sin, sin)
SINTER_PACK_FUNCTION(cos, cos, cos)
SINTER_PACK_FUNCTION(erf, erf, erf)
#undef SINTER_PACK_FUNCTION
template <class T, int N> SINTER_INLINE pack<T, N> pow(pack<T, N> x, std::type_identity_t<pack<T, N>> y) {
  if constexpr (N == 1) return std::pow(x.r, y.r);
#if SINTER_HAS_XSIMD
  else return detail::map_batches([](auto a, auto b) { return xsimd::pow(a, b); }, x, y);
#endif
}

/// Folds the lanes by a fixed binary tree of f(T, T): lane i with lane i + N/2, and so on.
template <class T, int N, class F> SINTER_INLINE T reduce(pack<T, N> x, F f) {
  T v[N];
  x.store(v);
  for (int n = N; n > 1; n = (n + 1) / 2)
    for (int i = 0; i < n / 2; ++i) v[i] = f(v[i], v[i + (n + 1) / 2]);
  return v[0];
}

}  // namespace sinter::inline v0
