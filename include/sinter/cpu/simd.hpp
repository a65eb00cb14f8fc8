// SPDX-License-Identifier: BSD-3-Clause
// The one door to xsimd 8.1 to 14: batches, their widths, and registers seen as plain compiler vectors.
// Not here: arithmetic on several registers. Next: pack.hpp.
#pragma once
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

namespace sinter::inline v0::simd {

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

namespace detail {
template <class T> struct integer_of { using type = T; };
template <> struct integer_of<float> { using type = int32; };
template <> struct integer_of<double> { using type = int64; };
}  // namespace detail
/// The signed integer as wide as T.
template <class T> using integer = typename detail::integer_of<T>::type;

#if SINTER_HAS_XSIMD
namespace detail {
template <class T, int N> struct vector_of { typedef T type __attribute__((vector_size(sizeof(T) * N))); };
}  // namespace detail
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

namespace detail {
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
}  // namespace detail

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
/// Half H of a mask of 4-byte elements, as a mask of 8-byte elements.
template <int H, class M> SINTER_INLINE mask<double> half_mask(M m) {
  constexpr int n = width<double>;
  using bits = typename mask<double>::register_type;
  if constexpr (bit_masks) {
    return mask<double>(static_cast<bits>(m.data >> (H * n)));
  } else {
    auto v = as_vec<int32>(m);
    return mask<double>((bits)detail::pick<2 * n, H * n, 1, 2>::shuffle(v, v));
  }
}
/// Two masks of 8-byte elements as one of 4-byte elements.
template <class M> SINTER_INLINE mask<float> join_masks(M a, M b) {
  constexpr int n = width<double>;
  using bits = typename mask<float>::register_type;
  if constexpr (bit_masks) return mask<float>(static_cast<bits>(a.data | static_cast<unsigned>(b.data) << n));
  else return mask<float>((bits)detail::pick<2 * n, 0, 2>::shuffle(as_vec<int32>(a), as_vec<int32>(b)));
}

/// The first `count` elements at p, nothing behind them is touched; count may be negative or beyond the register.
template <class T> SINTER_INLINE batch<T> load_head(const T* p, int count) {
  constexpr int W = width<T>;
#if defined(__AVX512F__) || defined(__AVX2__)
  count = count < 0 ? 0 : count > W ? W : count;
#endif
#if defined(__AVX512F__)
  if constexpr (bit_masks && W == 16) return as_batch<T>(_mm512_maskz_loadu_ps(static_cast<__mmask16>((1u << count) - 1), p));
  else if constexpr (bit_masks && W == 8) return as_batch<T>(_mm512_maskz_loadu_pd(static_cast<__mmask8>((1u << count) - 1), p));
#elif defined(__AVX2__)
  constexpr int32 head[16] = {-1, -1, -1, -1, -1, -1, -1, -1};
  __m256i m = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(head + 8 - 8 / W * count));
  if constexpr (W == 8) return as_batch<T>(_mm256_maskload_epi32(reinterpret_cast<const int*>(p), m));
  else if constexpr (W == 4) return as_batch<T>(_mm256_maskload_epi64(reinterpret_cast<const long long*>(p), m));
#endif
  T x[W] = {};
  for (int i = 0; i < W && i < count; ++i) x[i] = p[i];
  return batch<T>::load_unaligned(x);
}
/// Stores the first `count` elements.
template <class T> SINTER_INLINE void store_head(batch<T> v, T* p, int count) {
  constexpr int W = width<T>;
#if defined(__AVX512F__) || defined(__AVX2__)
  count = count < 0 ? 0 : count > W ? W : count;
#endif
#if defined(__AVX512F__)
  if constexpr (bit_masks && W == 16) return _mm512_mask_storeu_ps(p, static_cast<__mmask16>((1u << count) - 1), (__m512)(v.data));
  else if constexpr (bit_masks && W == 8) return _mm512_mask_storeu_pd(p, static_cast<__mmask8>((1u << count) - 1), (__m512d)(v.data));
#elif defined(__AVX2__)
  constexpr int32 head[16] = {-1, -1, -1, -1, -1, -1, -1, -1};
  __m256i m = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(head + 8 - 8 / W * count));
  if constexpr (W == 8) return _mm256_maskstore_epi32(reinterpret_cast<int*>(p), m, (__m256i)(v.data));
  else if constexpr (W == 4) return _mm256_maskstore_epi64(reinterpret_cast<long long*>(p), m, (__m256i)(v.data));
#endif
  T x[W];
  v.store_unaligned(x);
  for (int i = 0; i < W && i < count; ++i) p[i] = x[i];
}

#if defined(__AVX512F__)
/// x * 2^n for integral n, rounded once, subnormal results included.
SINTER_INLINE batch<float> scale(batch<float> x, batch<float> n) { return _mm512_scalef_ps(x.data, n.data); }
SINTER_INLINE batch<double> scale(batch<double> x, batch<double> n) { return _mm512_scalef_pd(x.data, n.data); }
// xsimd 8.1 multiplies, rounds and adds here.
SINTER_INLINE batch<float> fma(batch<float> x, batch<float> y, batch<float> z) { return _mm512_fmadd_ps(x.data, y.data, z.data); }
SINTER_INLINE batch<double> fma(batch<double> x, batch<double> y, batch<double> z) { return _mm512_fmadd_pd(x.data, y.data, z.data); }
#else
using xsimd::fma;
#endif

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

using xsimd::any, xsimd::ceil, xsimd::floor, xsimd::isnan, xsimd::max, xsimd::min, xsimd::select, xsimd::sqrt, xsimd::trunc;
template <class B> SINTER_INLINE B round(B x) { return xsimd::nearbyint(x); }
#else
// Never called: the names that the code for wide packs mentions.
template <class T> struct batch;
template <class T> struct mask;
template <class T, int N = 1> using vec = T;
template <class T, class B> int as_vec(B);
template <class T, class V> int as_batch(V);
template <class T, class M> int as_mask(M);
template <int H, class V> int half(V);
template <class V> int join(V, V);
template <int H, class V> int interleave(V, V);
template <int H, class M> int half_mask(M);
template <class M> int join_masks(M, M);
template <class T> T pin(T);
template <class T> int load_head(const T*, int);
template <class V, class T> void store_head(V, T*, int);
template <class V> V scale(V, V);
void any(), ceil(), floor(), fma(), isnan(), max(), min(), select(), sqrt(), trunc(), round();
#endif

}  // namespace sinter::inline v0::simd
