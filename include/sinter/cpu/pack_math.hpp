// SPDX-License-Identifier: BSD-3-Clause
// Functions of packs, found by argument-dependent lookup: abs, max, sqrt, floor, fma ... and reduce over lanes.
// Not here: exp and log (pack_exp.hpp), pow and erf (pack_pow.hpp), sin and cos (pack_trig.hpp).
#pragma once
#include <cmath>

#include "../op/math.hpp"
#include "pack_convert.hpp"

namespace sinter::inline v0 {
namespace detail::inline SINTER_TARGET {
#if defined(__FAST_MATH__)
inline constexpr bool fast_math = true;
#else
inline constexpr bool fast_math = false;
#endif

/// x, rounded here: -Ofast neither reorders nor cancels through it.
template <class T, int N> SINTER_INLINE pack<T, N> exact(pack<T, N> x) {
  if constexpr (fast_math && N > 1) unroll<pack<T, N>::registers>([&](int i) { x.r[i] = simd::pin(x.r[i]); });
  return x;
}
/// The sign bit of T as an integer.
template <class T> inline constexpr simd::integer<T> sign_bit = static_cast<simd::integer<T>>(wrap(simd::integer<T>(1)) << (8 * sizeof(T) - 1));
/// Infinity's bits.
template <class T> inline constexpr simd::integer<T> infinity_bits = __builtin_bit_cast(simd::integer<T>, static_cast<T>(__builtin_inf()));
}  // namespace detail::inline SINTER_TARGET

/// |x|
template <class T, int N> SINTER_INLINE pack<T, N> abs(pack<T, N> x) {
  if constexpr (std::is_floating_point_v<T>) return bit_cast<T>(bit_cast<simd::integer<T>>(x) & pack<simd::integer<T>, N>(~detail::sign_bit<T>));
  else return select(x < pack<T, N>(0), -x, x);
}
/// |x| with the sign of s.
template <class T, int N> SINTER_INLINE pack<T, N> copysign(pack<T, N> x, std::type_identity_t<pack<T, N>> s) {
  using I = simd::integer<T>;
  return bit_cast<T>(bit_cast<I>(abs(x)) | (bit_cast<I>(s) & pack<I, N>(detail::sign_bit<T>)));
}
/// NaN lanes; under -Ofast too.
template <class T, int N> SINTER_INLINE pack<bool, N> is_nan(pack<T, N> x) {
  if constexpr (!std::is_floating_point_v<T>) return pack<bool, N>(false);
  else if constexpr (detail::fast_math) return bit_cast<simd::integer<T>>(abs(x)) > pack<simd::integer<T>, N>(detail::infinity_bits<T>);
  else if constexpr (N == 1) return x != x;
  else return detail::test_lanes([](auto v) { return simd::isnan(v); }, x);
}
/// Infinite lanes, of either sign; under -Ofast too.
template <class T, int N> SINTER_INLINE pack<bool, N> is_inf(pack<T, N> x) {
  if constexpr (!std::is_floating_point_v<T>) return pack<bool, N>(false);
  else return bit_cast<simd::integer<T>>(abs(x)) == pack<simd::integer<T>, N>(detail::infinity_bits<T>);
}
namespace detail::inline SINTER_TARGET {
/// f lane by lane: what has no vector form.
template <class T, int N, class F, class... P> SINTER_INLINE pack<T, N> by_lane(F f, pack<T, N> x, P... more) {
  if constexpr (N == 1) {
    return pack<T, N>(f(x.r, more.r...));
  } else {
    T v[N];
    x.store(v);
    if constexpr (sizeof...(P) == 0) {
      for (int i = 0; i < N; ++i) v[i] = f(v[i]);
    } else {
      T w[N];
      (more.store(w), ...);
      for (int i = 0; i < N; ++i) v[i] = f(v[i], w[i]);
    }
    return pack<T, N>::load(v);
  }
}
/// y, or x where that is NaN: for results that -Ofast may have calculated without regard to NaN.
template <class T, int N> SINTER_INLINE pack<T, N> keep_nan(pack<T, N> x, pack<T, N> y) {
  if constexpr (fast_math) return select(is_nan(x), x, y);
  else return y;
}
}  // namespace detail::inline SINTER_TARGET

/// The larger operand; NaN if either is NaN.
template <class T, int N> SINTER_INLINE pack<T, N> max(pack<T, N> a, std::type_identity_t<pack<T, N>> b) {
  if constexpr (std::is_same_v<T, bool>) return a | b;
  else if constexpr (detail::fast_math && std::is_floating_point_v<T>) return select(is_nan(b) | !(is_nan(a) | (a > b)), b, a);
  else return select((a > b) | is_nan(a), a, b);
}
/// The smaller operand; NaN if either is NaN.
template <class T, int N> SINTER_INLINE pack<T, N> min(pack<T, N> a, std::type_identity_t<pack<T, N>> b) {
  if constexpr (std::is_same_v<T, bool>) return a & b;
  else if constexpr (detail::fast_math && std::is_floating_point_v<T>) return select(is_nan(b) | !(is_nan(a) | (a < b)), b, a);
  else return select((a < b) | is_nan(a), a, b);
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

namespace detail::inline SINTER_TARGET {
#if defined(__SSE2__) && !defined(__SSE4_1__)
inline constexpr bool rounding_loses_sign = true;  // xsimd's emulation rounds -0.0 and -0.3 to +0.0
#else
inline constexpr bool rounding_loses_sign = false;
#endif
}  // namespace detail::inline SINTER_TARGET

// To whole numbers; integers stay.
#define SINTER_PACK_FUNCTION(name, scalar)                                                  \
  template <class T, int N> SINTER_INLINE pack<T, N> name(pack<T, N> x) {                   \
    if constexpr (!std::is_floating_point_v<T>) {                                           \
      return x;                                                                             \
    } else if constexpr (N == 1) {                                                          \
      return std::scalar(x.r);                                                              \
    } else {                                                                                \
      auto y = detail::map_batches([](auto v) { return simd::name(v); }, x);                \
      return detail::rounding_loses_sign ? copysign(y, x) : y;                              \
    }                                                                                       \
  }
SINTER_PACK_FUNCTION(floor, floor)
SINTER_PACK_FUNCTION(ceil, ceil)
SINTER_PACK_FUNCTION(trunc, trunc)
SINTER_PACK_FUNCTION(round, nearbyint)  // halves to even, as torch.round
#undef SINTER_PACK_FUNCTION
template <class T, int N> requires std::is_floating_point_v<T> SINTER_INLINE pack<T, N> sqrt(pack<T, N> x) {
  if constexpr (N == 1) {
    return std::sqrt(x.r);
  } else {
    auto y = detail::map_batches([](auto v) { return simd::sqrt(v); }, x);
    if constexpr (!detail::fast_math) return y;  // clang -Ofast goes by 1 / sqrt: NaN for infinity, 0 for NaN
    else return select(is_nan(x) | (bit_cast<simd::integer<T>>(x) == detail::infinity_bits<T>), x, y);
  }
}

/// sqrt(x^2 + y^2) without overflow on the way; infinity where either is infinite. 2 ulp
template <class T, int N> SINTER_INLINE pack<T, N> hypot(pack<T, N> x, std::type_identity_t<pack<T, N>> y) {
  if constexpr (N == 1) {
    return std::hypot(x.r + T(0), y.r + T(0));  // + 0: a signalling NaN beside an infinity counts as any other, as in wider packs
  } else {
    auto a = abs(x), b = abs(y), m = max(a, b), q = select(m == T(0), m, min(a, b) / m);
    return select(is_inf(x) | is_inf(y), pack<T, N>(static_cast<T>(__builtin_inf())), detail::keep_nan(m, m * sqrt(fma(q, q, T(1)))));
  }
}
/// The remainder of the division rounded to zero, exact; for integers 0 where y is 0.
template <class T, int N> SINTER_INLINE pack<T, N> fmod(pack<T, N> x, std::type_identity_t<pack<T, N>> y) {
  return detail::by_lane([](T a, T b) { return math::fmod(a, b); }, x, y);
}
/// x - y floor(x / y): the remainder with the sign of y.
template <class T, int N> SINTER_INLINE pack<T, N> remainder(pack<T, N> x, std::type_identity_t<pack<T, N>> y) {
  return detail::by_lane([](T a, T b) { return math::remainder(a, b); }, x, y);
}

namespace detail::inline SINTER_TARGET {
/// Folds the first n elements: i with i + n/2, and so on.
template <int n, class T, class F> SINTER_INLINE T fold_tree(T* v, F f) {
  if constexpr (n > 1) {
    each<n / 2>([&](int i) { v[i] = f(v[i], v[i + n / 2]); });
    return fold_tree<n / 2>(v, f);
  } else {
    return v[0];
  }
}
/// The same within a register.
template <int n, class T, int N, class F> SINTER_INLINE pack<T, N> fold_register(pack<T, N> x, F f) {
  if constexpr (n > 1) {
    pack<T, N> y;
    y.r[0] = simd::as_batch<T>(simd::rotate<n / 2>(simd::as_vec<T>(x.r[0])));
    return fold_register<n / 2>(pack<T, N>(f(x, y)), f);
  } else {
    return x;
  }
}
}  // namespace detail::inline SINTER_TARGET

/// Folds the lanes by f: lane i with lane i + N/2, then the first N/2 lanes likewise, and so on: the result depends on
/// the lanes only. f takes scalars or, which is faster, also packs.
template <class T, int N, class F> SINTER_INLINE T reduce(pack<T, N> x, F f) {
  static_assert((N & (N - 1)) == 0, "reduce(pack<T, N>, f): N must be a power of two");
  constexpr int W = simd::width<T>;
  if constexpr (N > 1 && std::is_invocable_v<F, pack<T, W>, pack<T, W>>) {
    pack<T, W> r[N / W];
    detail::each<N / W>([&](int i) { r[i].r[0] = x.r[i]; });
    auto y = detail::fold_register<W>(detail::fold_tree<N / W>(r, f), f);
    T first[W];
    y.store(first);
    return first[0];
  } else {
    T v[N];
    x.store(v);
    return detail::fold_tree<N>(v, f);
  }
}
/// Whether any, or every, lane is true.
template <int N> SINTER_INLINE bool any(pack<bool, N> m) {
  if constexpr (N == 1) {
    return m.r;
  } else {
    bool yes = false;
    detail::unroll<pack<bool, N>::registers>([&](int i) { yes = simd::any(m.r[i]) || yes; });
    return yes;
  }
}
template <int N> SINTER_INLINE bool all(pack<bool, N> m) { return !any(!m); }

}  // namespace sinter::inline v0
