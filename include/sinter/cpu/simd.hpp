// SPDX-License-Identifier: BSD-3-Clause
// The one door to xsimd 8.1 to 14: batches, their widths, and registers seen as plain compiler vectors.
// Not here: what x86 does better by its own instructions (simd_x86.hpp), several registers (pack.hpp).
#pragma once
#include <type_traits>
#include <utility>

#include "../op/dtype.hpp"

// All of xsimd costs 0.25 s over <immintrin.h>, <cmath> and <string> (g++ 12, -O2), nearly all of it <complex>,
// <memory> and <algorithm>; its inner headers alone save 0.03 s and are named differently in every version.
#if !defined(SINTER_NO_XSIMD) && !defined(__CUDACC__) && __has_include(<xsimd/xsimd.hpp>)
#if defined(__GNUC__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wall"
#pragma GCC diagnostic ignored "-Wextra"
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wshadow"
#pragma GCC diagnostic ignored "-Wsign-conversion"
#pragma GCC diagnostic ignored "-Wfloat-conversion"
#pragma GCC diagnostic ignored "-Wunused-parameter"
#pragma GCC diagnostic ignored "-Wdeprecated-copy"
#pragma GCC diagnostic ignored "-Wuninitialized"
#ifndef __clang__
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
#endif
#include <xsimd/xsimd.hpp>
#if defined(__GNUC__)
#pragma GCC diagnostic pop
#endif
#ifndef XSIMD_NO_SUPPORTED_ARCHITECTURE
#define SINTER_HAS_XSIMD 1
#endif
#endif
#ifndef SINTER_HAS_XSIMD
#define SINTER_HAS_XSIMD 0
#endif

// Whether a fused multiply-add is one instruction; its emulation would be a slow call.
#if defined(__FMA__) || defined(__ARM_FEATURE_FMA) || defined(__aarch64__)
#define SINTER_HAS_FMA 1
#else
#define SINTER_HAS_FMA 0
#endif

namespace sinter::inline v0::simd::inline SINTER_TARGET {

#if SINTER_HAS_XSIMD
template <class T> using batch = xsimd::batch<T>;
template <class T> using mask = xsimd::batch_bool<T>;
/// Elements of T in one register of this target.
template <class T> inline constexpr int width = static_cast<int>(batch<T>::size);
/// Masks are bits in registers of their own (AVX-512), not all-ones lanes.
inline constexpr bool bit_masks = sizeof(typename mask<float>::register_type) <= 8;
#else
template <class T> inline constexpr int width = 1;
inline constexpr bool bit_masks = false;
#endif

namespace detail::inline SINTER_TARGET {
template <class T> struct integer_of { using type = T; };
template <> struct integer_of<float> { using type = int32; };
template <> struct integer_of<double> { using type = int64; };
}  // namespace detail::inline SINTER_TARGET
/// The signed integer as wide as T.
template <class T> using integer = typename detail::integer_of<T>::type;

#if SINTER_HAS_XSIMD
namespace detail::inline SINTER_TARGET {
template <class T, int N> struct vector_of { typedef T type __attribute__((vector_size(sizeof(T) * N))); };
}  // namespace detail::inline SINTER_TARGET
/// N elements of T as a plain compiler vector: + - * / and __builtin_convertvector cost no template.
template <class T, int N = width<T>> using vec = typename detail::vector_of<T, N>::type;

/// The register of a batch or mask as a plain vector of T, bits unchanged.
template <class T, class B> SINTER_INLINE auto as_vec(B x) {
  return (vec<T, static_cast<int>(sizeof(x) / sizeof(T))>)(x.data);
}
/// A plain vector's bits as a batch of T.
template <class T, class V> SINTER_INLINE batch<T> as_batch(V v) {
  return batch<T>((typename batch<T>::register_type)(v));
}
/// A mask of elements of T as a mask of equally wide elements of U.
template <class U, class T> SINTER_INLINE mask<U> as_mask(xsimd::batch_bool<T> m) {
  return mask<U>((typename mask<U>::register_type)(m.data));
}

namespace detail::inline SINTER_TARGET {
template <int... I> struct lanes_of {
  /// Elements I... of the vector a followed by b.
  template <class V> static SINTER_INLINE auto shuffle(V a, V b) { return __builtin_shufflevector(a, b, I...); }
};
template <int First, int Step, int Repeat, class Sequence> struct pick_;
template <int First, int Step, int Repeat, int... I>
struct pick_<First, Step, Repeat, std::integer_sequence<int, I...>> : lanes_of<(First + I / Repeat * Step)...> {};
/// Count lanes: First, First + Step, ..., each Repeat times.
template <int Count, int First, int Step = 1, int Repeat = 1>
using pick = pick_<First, Step, Repeat, std::make_integer_sequence<int, Count>>;
}  // namespace detail::inline SINTER_TARGET

/// Half H (0 or 1) of a vector.
template <int H, class V> SINTER_INLINE auto half(V v) {
  constexpr int n = static_cast<int>(sizeof(v) / sizeof(v[0])) / 2;
  return detail::pick<n, H * n>::shuffle(v, v);
}
/// Two vectors, one behind the other.
template <class V> SINTER_INLINE auto join(V a, V b) {
  constexpr int n = static_cast<int>(sizeof(a) / sizeof(a[0])) * 2;
  return detail::pick<n, 0>::shuffle(a, b);
}
/// Half H of a[0], b[0], a[1], b[1], ...
template <int H, class V> SINTER_INLINE auto interleave(V a, V b) {
  constexpr int n = static_cast<int>(sizeof(a) / sizeof(a[0]));
  return [&]<int... I>(std::integer_sequence<int, I...>) {
    return detail::lanes_of<(H * n / 2 + I / 2 + I % 2 * n)...>::shuffle(a, b);
  }(std::make_integer_sequence<int, n>{});
}
/// Lane i of the result is lane i + H, cyclically.
template <int H, class V> SINTER_INLINE auto rotate(V v) {
  constexpr int n = static_cast<int>(sizeof(v) / sizeof(v[0]));
  return [&]<int... I>(std::integer_sequence<int, I...>) {
    return detail::lanes_of<((I + H) % n)...>::shuffle(v, v);
  }(std::make_integer_sequence<int, n>{});
}
/// x, opaque to the compiler: it stays in a register, and -Ofast does not calculate through it.
template <class T> SINTER_INLINE batch<T> pin(xsimd::batch<T> x) {
#if defined(__AVX512F__)
  asm("" : "+v"(x.data));
#elif defined(__SSE2__)
  asm("" : "+x"(x.data));
#elif defined(__ARM_NEON)
  asm("" : "+w"(x.data));
#endif
  return x;
}

using xsimd::any, xsimd::isnan;
#if defined(__aarch64__) && !defined(__ARM_FEATURE_SVE)
// By their instructions: on NEON, xsimd 8.1's square root of floats is an estimate, and its rounding turns -0.3 into +0.
#define SINTER_NEON(name, f32, f64)                                                      \
  SINTER_INLINE batch<float> name(xsimd::batch<float> x) { return batch<float>(f32(x.data)); } \
  SINTER_INLINE batch<double> name(xsimd::batch<double> x) { return batch<double>(f64(x.data)); }
SINTER_NEON(sqrt, vsqrtq_f32, vsqrtq_f64)
SINTER_NEON(floor, vrndmq_f32, vrndmq_f64)
SINTER_NEON(ceil, vrndpq_f32, vrndpq_f64)
SINTER_NEON(trunc, vrndq_f32, vrndq_f64)
SINTER_NEON(round, vrndnq_f32, vrndnq_f64)
#undef SINTER_NEON
#else
using xsimd::ceil, xsimd::floor, xsimd::sqrt, xsimd::trunc;
template <class B> SINTER_INLINE B round(B x) { return xsimd::nearbyint(x); }
#endif
#else
// Never called: the names that the code for wide packs mentions.
namespace detail::inline SINTER_TARGET {
template <int Count, int First, int Step = 1, int Repeat = 1> struct pick {
  template <class V> static V shuffle(V, V);
};
}  // namespace detail::inline SINTER_TARGET
template <class T> struct batch;
template <class T> struct mask;
template <class T, int N = 1> using vec = T;
template <class T, class B> int as_vec(B);
template <class T, class V> int as_batch(V);
template <class T, class M> int as_mask(M);
template <int H, class V> int half(V);
template <int H, class V> int interleave(V, V);
template <int H, class V> int rotate(V);
template <class V> int join(V, V);
template <class T> T pin(T);
#define SINTER_UNUSED(name) template <class... X> int name(X...);
SINTER_UNUSED(above) SINTER_UNUSED(sixteenths) SINTER_UNUSED(any) SINTER_UNUSED(ceil) SINTER_UNUSED(floor) SINTER_UNUSED(fma) SINTER_UNUSED(at_least) SINTER_UNUSED(at_most)
SINTER_UNUSED(exponent) SINTER_UNUSED(isnan) SINTER_UNUSED(look_up) SINTER_UNUSED(mantissa) SINTER_UNUSED(round) SINTER_UNUSED(scale) SINTER_UNUSED(select) SINTER_UNUSED(sqrt) SINTER_UNUSED(trunc)
#undef SINTER_UNUSED
#endif

}  // namespace sinter::inline v0::simd::inline SINTER_TARGET

#include "simd_x86.hpp"
