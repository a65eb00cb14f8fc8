// SPDX-License-Identifier: BSD-3-Clause
// One register and memory, masks and bytes, conversions: by x86's instructions where the compilers' generic code or
// xsimd 8.1 is several times slower or rounds twice, else in plain C++. Next: pack.hpp.
#pragma once
#include "simd.hpp"

#if defined(__AVX__)
#include <immintrin.h>
#endif

namespace sinter::inline v0::simd::inline SINTER_TARGET {

template <class T> requires std::is_arithmetic_v<T> constexpr bool equal(T a, T b) { return a == b; }
template <class T> requires std::is_arithmetic_v<T> constexpr bool less(T a, T b) { return a < b; }
template <class T> requires std::is_arithmetic_v<T> constexpr bool less_equal(T a, T b) { return a <= b; }

#if !SINTER_HAS_XSIMD
template <class T> int load_head(const T*, int);
template <class V, class T> void store_head(V, T*, int);
template <class T> int load_even(const T*);
template <class V, class T> void store_even(V, T*);
template <class V, class T> void stream(V, T*);
template <class E> int load_mask(const bool*);
template <class M> void store_mask(M, bool*);
template <class U, class V> U convert_vector(V);
template <int H, class M> int half_mask(M);
template <class M> int join_masks(M, M);
#else

/// Comparisons; unordered operands compare false. With AVX-512 at -O0, xsimd 8.1's for integers and its select do not compile.
#if defined(__AVX512F__)
template <int Float, int Integer, class T> SINTER_INLINE mask<T> compare(xsimd::batch<T> a, xsimd::batch<T> b) {
  if constexpr (std::is_same_v<T, float>) return mask<T>(_mm512_cmp_ps_mask(a.data, b.data, Float));
  else if constexpr (std::is_same_v<T, double>) return mask<T>(_mm512_cmp_pd_mask(a.data, b.data, Float));
  else if constexpr (sizeof(T) == 4) return mask<T>(_mm512_cmp_epi32_mask(a.data, b.data, Integer));
  else return mask<T>(_mm512_cmp_epi64_mask(a.data, b.data, Integer));
}
template <class T> SINTER_INLINE mask<T> equal(xsimd::batch<T> a, xsimd::batch<T> b) { return compare<_CMP_EQ_OQ, _MM_CMPINT_EQ>(a, b); }
template <class T> SINTER_INLINE mask<T> less(xsimd::batch<T> a, xsimd::batch<T> b) { return compare<_CMP_LT_OQ, _MM_CMPINT_LT>(a, b); }
template <class T> SINTER_INLINE mask<T> less_equal(xsimd::batch<T> a, xsimd::batch<T> b) { return compare<_CMP_LE_OQ, _MM_CMPINT_LE>(a, b); }
/// a where m, else b, bit by bit.
template <class T> SINTER_INLINE batch<T> select(xsimd::batch_bool<T> m, xsimd::batch<T> a, xsimd::batch<T> b) {
  if constexpr (sizeof(T) == 4) return as_batch<T>(_mm512_mask_blend_ps(m.data, (__m512)(b.data), (__m512)(a.data)));
  else return as_batch<T>(_mm512_mask_blend_pd(m.data, (__m512d)(b.data), (__m512d)(a.data)));
}
#else
using xsimd::select;
template <class T> SINTER_INLINE mask<T> equal(xsimd::batch<T> a, xsimd::batch<T> b) { return a == b; }
template <class T> SINTER_INLINE mask<T> less(xsimd::batch<T> a, xsimd::batch<T> b) { return a < b; }
template <class T> SINTER_INLINE mask<T> less_equal(xsimd::batch<T> a, xsimd::batch<T> b) { return a <= b; }
#endif

/// The first `count` elements at p, nothing behind them is touched; count may be negative or beyond the register.
template <class T> SINTER_INLINE batch<T> load_head(const T* p, int count) {
  constexpr int W = width<T>;
  count = count < 0 ? 0 : count > W ? W : count;
#if defined(__AVX512F__)
  if constexpr (W == 16) return as_batch<T>(_mm512_maskz_loadu_ps(static_cast<__mmask16>((1u << count) - 1), p));
  else if constexpr (W == 8) return as_batch<T>(_mm512_maskz_loadu_pd(static_cast<__mmask8>((1u << count) - 1), p));
#elif defined(__AVX2__)
  constexpr int32 head[16] = {-1, -1, -1, -1, -1, -1, -1, -1};
  __m256i m = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(head + 8 - 8 / W * count));
  if constexpr (W == 8) return as_batch<T>(_mm256_maskload_epi32(reinterpret_cast<const int*>(p), m));
  else if constexpr (W == 4) return as_batch<T>(_mm256_maskload_epi64(reinterpret_cast<const long long*>(p), m));
#endif
  T x[W] = {};
  for (int i = 0; i < count; ++i) x[i] = p[i];
  return batch<T>::load_unaligned(x);
}
namespace detail::inline SINTER_TARGET {
/// Of numbers 0 .. W - 1 and, behind them, W - 1 .. 2 W - 2: the even ones.
template <class Sequence> struct evens;
template <int... I> struct evens<std::integer_sequence<int, I...>> : lanes_of<(I < static_cast<int>(sizeof...(I)) / 2 ? 2 * I : 2 * I + 1)...> {};
}  // namespace detail::inline SINTER_TARGET
/// p[0], p[2], ..., p[2 W - 2]: every other number, as parts of complex elements lie. p[2 W - 1] is not touched.
template <class T> SINTER_INLINE batch<T> load_even(const T* p) {
  constexpr int W = width<T>;
  vec<T> a, b;
  __builtin_memcpy(&a, p, sizeof a);
  __builtin_memcpy(&b, p + W - 1, sizeof b);
  return as_batch<T>(detail::evens<std::make_integer_sequence<int, W>>::shuffle(a, b));
}
/// Stores to p[0], p[2], ...; what lies between is not touched.
template <class T> SINTER_INLINE void store_even(xsimd::batch<T> v, T* p) {
  constexpr int W = width<T>;
#if defined(__AVX2__)
  const vec<T> x = as_vec<T>(v), low = detail::pick<W, 0, 1, 2>::shuffle(x, x), high = detail::pick<W, W / 2, 1, 2>::shuffle(x, x);
#if defined(__AVX512F__)
  if constexpr (W == 16) _mm512_mask_storeu_ps(p, 0x5555, (__m512)low), _mm512_mask_storeu_ps(p + W, 0x5555, (__m512)high);
  else _mm512_mask_storeu_pd(p, 0x55, (__m512d)low), _mm512_mask_storeu_pd(p + W, 0x55, (__m512d)high);
#else
  if constexpr (W == 8) {
    const __m256i even = _mm256_setr_epi32(-1, 0, -1, 0, -1, 0, -1, 0);
    _mm256_maskstore_epi32(reinterpret_cast<int*>(p), even, (__m256i)low);
    _mm256_maskstore_epi32(reinterpret_cast<int*>(p + W), even, (__m256i)high);
  } else {
    const __m256i even = _mm256_setr_epi64x(-1, 0, -1, 0);
    _mm256_maskstore_epi64(reinterpret_cast<long long*>(p), even, (__m256i)low);
    _mm256_maskstore_epi64(reinterpret_cast<long long*>(p + W), even, (__m256i)high);
  }
#endif
#else
  T x[W];
  v.store_unaligned(x);
  for (int i = 0; i < W; ++i) p[2 * i] = x[i];
#endif
}
/// Stores the first `count` elements.
template <class T> SINTER_INLINE void store_head(xsimd::batch<T> v, T* p, int count) {
  constexpr int W = width<T>;
  count = count < 0 ? 0 : count > W ? W : count;
#if defined(__AVX512F__)
  if constexpr (W == 16) return _mm512_mask_storeu_ps(p, static_cast<__mmask16>((1u << count) - 1), (__m512)(v.data));
  else if constexpr (W == 8) return _mm512_mask_storeu_pd(p, static_cast<__mmask8>((1u << count) - 1), (__m512d)(v.data));
#elif defined(__AVX2__)
  constexpr int32 head[16] = {-1, -1, -1, -1, -1, -1, -1, -1};
  __m256i m = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(head + 8 - 8 / W * count));
  if constexpr (W == 8) return _mm256_maskstore_epi32(reinterpret_cast<int*>(p), m, (__m256i)(v.data));
  else if constexpr (W == 4) return _mm256_maskstore_epi64(reinterpret_cast<long long*>(p), m, (__m256i)(v.data));
#endif
  T x[W];
  v.store_unaligned(x);
  for (int i = 0; i < count; ++i) p[i] = x[i];
}

/// Stores past the caches, where p is aligned to the register: for results larger than they are. See stream_end.
template <class T> SINTER_INLINE void stream(xsimd::batch<T> v, T* p) {
#if defined(__AVX512F__)
  _mm512_stream_ps(reinterpret_cast<float*>(p), (__m512)(v.data));
#elif defined(__AVX__)
  _mm256_stream_ps(reinterpret_cast<float*>(p), (__m256)(v.data));
#elif defined(__SSE2__)
  _mm_stream_ps(reinterpret_cast<float*>(p), (__m128)(v.data));
#else
  v.store_unaligned(p);
#endif
}

/// A mask of elements of E from bools, one byte each.
template <class E> SINTER_INLINE mask<E> load_mask(const bool* p) {
  constexpr int W = width<E>;
#if defined(__AVX512F__)
  if constexpr (W == 16) {
    __m512i wide = _mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
    return mask<E>(_mm512_test_epi32_mask(wide, wide));
  } else if constexpr (W == 8) {
    __m512i wide = _mm512_cvtepu8_epi64(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p)));
    return mask<E>(_mm512_test_epi64_mask(wide, wide));
  }
#elif defined(__AVX2__)
  using bits = typename mask<E>::register_type;
  if constexpr (W == 8) {
    __m256i wide = _mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p)));
    return mask<E>((bits)_mm256_cmpgt_epi32(wide, _mm256_setzero_si256()));
  } else if constexpr (W == 4) {
    int four;
    __builtin_memcpy(&four, p, 4);
    return mask<E>((bits)_mm256_cmpgt_epi64(_mm256_cvtepu8_epi64(_mm_cvtsi32_si128(four)), _mm256_setzero_si256()));
  }
#endif
  integer<E> x[W];
  for (int i = 0; i < W; ++i) x[i] = p[i];
  return as_mask<E>(less(batch<integer<E>>(0), batch<integer<E>>::load_unaligned(x)));
}
/// A mask as bools, one byte each.
template <class E> SINTER_INLINE void store_mask(xsimd::batch_bool<E> m, bool* p) {
  constexpr int W = width<E>;
#if defined(__AVX512F__)
  if constexpr (W == 16) return _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm512_cvtepi32_epi8(_mm512_maskz_set1_epi32(m.data, 1)));
  else if constexpr (W == 8) return _mm_storel_epi64(reinterpret_cast<__m128i*>(p), _mm512_cvtepi64_epi8(_mm512_maskz_set1_epi64(m.data, 1)));
#elif defined(__AVX2__)
  if constexpr (W == 8 || W == 4) {  // bit i goes to byte i: copies of four bits, 7 bits apart, leave each byte its own
    unsigned bits = static_cast<unsigned>(W == 8 ? _mm256_movemask_ps((__m256)(m.data)) : _mm256_movemask_pd((__m256d)(m.data)));
    for (int i = 0; i < W; i += 4) {
      unsigned four = ((bits >> i) & 15) * 0x00204081 & 0x01010101;
      __builtin_memcpy(p + i, &four, 4);
    }
    return;
  }
#endif
  integer<E> x[W];
  select(as_mask<integer<E>>(m), batch<integer<E>>(1), batch<integer<E>>(0)).store_unaligned(x);
  for (int i = 0; i < W; ++i) p[i] = x[i] != 0;
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
#if defined(__AVX512F__)
  if constexpr (n == 8) return mask<float>(_mm512_kunpackb(b.data, a.data));
  else
#endif
  if constexpr (bit_masks) return mask<float>(static_cast<bits>(a.data | static_cast<unsigned>(b.data) << n));
  else return mask<float>((bits)detail::pick<2 * n, 0, 2>::shuffle(as_vec<int32>(a), as_vec<int32>(b)));
}

/// Element-wise to the plain vector U. g++ 12 cuts widening conversions into quarters of a 512-bit register.
template <class U, class V> SINTER_INLINE U convert_vector(V v) {
#if defined(__AVX512F__)
  using from = std::remove_cvref_t<decltype(v[0])>;
  using to = std::remove_cvref_t<decltype(U{}[0])>;
  if constexpr (sizeof(U) == 64 && sizeof(V) == 32) {
    if constexpr (std::is_same_v<from, float> && std::is_same_v<to, double>) return (U)_mm512_cvtps_pd((__m256)v);
    else if constexpr (std::is_same_v<from, int32> && std::is_same_v<to, double>) return (U)_mm512_cvtepi32_pd((__m256i)v);
    else if constexpr (std::is_same_v<from, int32> && std::is_same_v<to, int64>) return (U)_mm512_cvtepi32_epi64((__m256i)v);
    else return __builtin_convertvector(v, U);
  } else if constexpr (sizeof(U) == 32 && std::is_same_v<from, int64> && std::is_same_v<to, int32>) {
    return (U)_mm512_cvtepi64_epi32((__m512i)v);
  } else
#endif
  {
    return __builtin_convertvector(v, U);
  }
}

#if defined(__AVX512F__)
/// x * 2^floor(n), rounded once, subnormal results included.
SINTER_INLINE batch<float> scale(batch<float> x, batch<float> n) { return _mm512_scalef_ps(x.data, n.data); }
SINTER_INLINE batch<double> scale(batch<double> x, batch<double> n) { return _mm512_scalef_pd(x.data, n.data); }
/// table[i] for the four lowest bits i of each lane.
SINTER_INLINE batch<float> look_up(const float* table, batch<float> i) { return _mm512_permutexvar_ps((__m512i)i.data, _mm512_load_ps(table)); }
SINTER_INLINE batch<double> look_up(const double* table, batch<double> i) {
  return _mm512_permutex2var_pd(_mm512_load_pd(table), (__m512i)i.data, _mm512_load_pd(table + 8));
}
/// floor(log2 |x|), -infinity for 0; x 2^-n in [3/4, 3/2), 1 for infinity, NaN for negative x.
SINTER_INLINE batch<float> exponent(batch<float> x) { return _mm512_getexp_ps(x.data); }
SINTER_INLINE batch<double> exponent(batch<double> x) { return _mm512_getexp_pd(x.data); }
SINTER_INLINE batch<float> mantissa(batch<float> x) { return _mm512_getmant_ps(x.data, _MM_MANT_NORM_p75_1p5, _MM_MANT_SIGN_nan); }
SINTER_INLINE batch<double> mantissa(batch<double> x) { return _mm512_getmant_pd(x.data, _MM_MANT_NORM_p75_1p5, _MM_MANT_SIGN_nan); }
/// The nearest 16th, and what x is above it; 1/16 for infinity and NaN.
SINTER_INLINE batch<float> sixteenths(batch<float> x) { return _mm512_roundscale_ps(x.data, 4 << 4); }
SINTER_INLINE batch<double> sixteenths(batch<double> x) { return _mm512_roundscale_pd(x.data, 4 << 4); }
SINTER_INLINE batch<float> above(batch<float> x, batch<float> n) { return _mm512_min_ps(_mm512_sub_ps(x.data, n.data), _mm512_set1_ps(0.0625f)); }
SINTER_INLINE batch<double> above(batch<double> x, batch<double> n) { return _mm512_min_pd(_mm512_sub_pd(x.data, n.data), _mm512_set1_pd(0.0625)); }
// xsimd 8.1 multiplies, rounds and adds here.
SINTER_INLINE batch<float> fma(batch<float> x, batch<float> y, batch<float> z) { return _mm512_fmadd_ps(x.data, y.data, z.data); }
SINTER_INLINE batch<double> fma(batch<double> x, batch<double> y, batch<double> z) { return _mm512_fmadd_pd(x.data, y.data, z.data); }
/// x, or the limit where x is beyond it; NaN stays, which xsimd's min and max promise no longer from 14 on.
SINTER_INLINE batch<float> at_most(batch<float> x, batch<float> limit) { return _mm512_min_ps(limit.data, x.data); }
SINTER_INLINE batch<double> at_most(batch<double> x, batch<double> limit) { return _mm512_min_pd(limit.data, x.data); }
SINTER_INLINE batch<float> at_least(batch<float> x, batch<float> limit) { return _mm512_max_ps(limit.data, x.data); }
SINTER_INLINE batch<double> at_least(batch<double> x, batch<double> limit) { return _mm512_max_pd(limit.data, x.data); }
#else
// Never called.
template <class... X> int sixteenths(X...);
template <class... X> int above(X...);
#if defined(__AVX2__)
/// table[i] for the four lowest bits i of each lane.
SINTER_INLINE batch<float> look_up(const float* table, batch<float> i) {
  const __m256i k = (__m256i)i.data;
  const __m256 low = _mm256_permutevar8x32_ps(_mm256_load_ps(table), k), high = _mm256_permutevar8x32_ps(_mm256_load_ps(table + 8), k);
  return _mm256_blendv_ps(low, high, (__m256)_mm256_slli_epi32(k, 28));
}
#else
template <class... X> int look_up(X...);
#endif
template <class... X> int exponent(X...);
template <class... X> int mantissa(X...);
#if defined(__AVX__) && defined(__FMA__)
SINTER_INLINE batch<float> fma(batch<float> x, batch<float> y, batch<float> z) { return _mm256_fmadd_ps(x.data, y.data, z.data); }
SINTER_INLINE batch<double> fma(batch<double> x, batch<double> y, batch<double> z) { return _mm256_fmadd_pd(x.data, y.data, z.data); }
#else
using xsimd::fma;
#endif
/// x, or the limit where x is beyond it; NaN stays.
#if defined(__AVX__)
SINTER_INLINE batch<float> at_most(batch<float> x, batch<float> limit) { return _mm256_min_ps(limit.data, x.data); }
SINTER_INLINE batch<double> at_most(batch<double> x, batch<double> limit) { return _mm256_min_pd(limit.data, x.data); }
SINTER_INLINE batch<float> at_least(batch<float> x, batch<float> limit) { return _mm256_max_ps(limit.data, x.data); }
SINTER_INLINE batch<double> at_least(batch<double> x, batch<double> limit) { return _mm256_max_pd(limit.data, x.data); }
#elif defined(__SSE2__)
SINTER_INLINE batch<float> at_most(batch<float> x, batch<float> limit) { return _mm_min_ps(limit.data, x.data); }
SINTER_INLINE batch<double> at_most(batch<double> x, batch<double> limit) { return _mm_min_pd(limit.data, x.data); }
SINTER_INLINE batch<float> at_least(batch<float> x, batch<float> limit) { return _mm_max_ps(limit.data, x.data); }
SINTER_INLINE batch<double> at_least(batch<double> x, batch<double> limit) { return _mm_max_pd(limit.data, x.data); }
#else
template <class T> SINTER_INLINE batch<T> at_most(xsimd::batch<T> x, xsimd::batch<T> limit) { return select(x > limit, limit, x); }
template <class T> SINTER_INLINE batch<T> at_least(xsimd::batch<T> x, xsimd::batch<T> limit) { return select(x < limit, limit, x); }
#endif
#endif

#endif  // SINTER_HAS_XSIMD

#if SINTER_HAS_XSIMD
/// a * b + c of plain vectors of any number of lanes, rounded once where the target can.
template <class V> SINTER_INLINE V fused(V a, V b, V c) {
  [[maybe_unused]] constexpr bool single = sizeof(a[0]) == 4;
#if defined(__AVX512F__)
  if constexpr (sizeof(V) == 64 && single) return (V)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c);
  else if constexpr (sizeof(V) == 64) return (V)_mm512_fmadd_pd((__m512d)a, (__m512d)b, (__m512d)c);
  else
#endif
#if defined(__FMA__)
  if constexpr (sizeof(V) == 32 && single) return (V)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c);
  else if constexpr (sizeof(V) == 32) return (V)_mm256_fmadd_pd((__m256d)a, (__m256d)b, (__m256d)c);
  else if constexpr (sizeof(V) == 16 && single) return (V)_mm_fmadd_ps((__m128)a, (__m128)b, (__m128)c);
  else if constexpr (sizeof(V) == 16) return (V)_mm_fmadd_pd((__m128d)a, (__m128d)b, (__m128d)c);
  else
#endif
    return a * b + c;
}
#else
template <class V> V fused(V, V, V);
#endif

/// After streaming stores: whoever hears of them from now on sees them.
SINTER_INLINE void stream_end() {
#if SINTER_HAS_XSIMD && defined(__SSE2__)
  _mm_sfence();
#endif
}

}  // namespace sinter::inline v0::simd::inline SINTER_TARGET
