// SPDX-License-Identifier: BSD-3-Clause
// Memory of 8- and 16-bit elements as packs of what they are computed in: float for half and bfloat16, int32 for integers.
// For other types a pack's own loads and stores. Next: kernel.hpp.
#pragma once
#if defined(__F16C__) || defined(__AVX512F__)
#include <immintrin.h>
#endif

#include "pack_convert.hpp"

namespace sinter::inline v0::detail::inline SINTER_TARGET {

/// How N elements of type T come from memory and go there.
template <class T, int N> struct packed {
  using pack_type = pack<computed<T>, N>;
  static constexpr bool narrow = !std::is_same_v<T, computed<T>>;

  static SINTER_INLINE pack_type splat(T x) { return pack_type::splat(static_cast<computed<T>>(x)); }
  static SINTER_INLINE pack_type load(const T* p) {
    if constexpr (!narrow) {
      return pack_type::load(p);
    } else if constexpr (N == 1) {
      return pack_type(static_cast<computed<T>>(*p));
    } else {
      computed<T> v[N];
      widen(p, v);
      return pack_type::load(v);
    }
  }
  static SINTER_INLINE pack_type load(const T* p, int count) {
    if constexpr (!narrow) return pack_type::load(p, count);
    else return some(p, 1, count);
  }
  static SINTER_INLINE pack_type gather(const T* p, int64 step) {
    if constexpr (!narrow) return pack_type::gather(p, step);
    else return some(p, step, N);
  }
  static SINTER_INLINE pack_type gather(const T* p, int64 step, int count) {
    if constexpr (!narrow) return pack_type::gather(p, step, count);
    else return some(p, step, count);
  }
  static SINTER_INLINE void store(pack_type x, T* p) {
    if constexpr (!narrow) {
      x.store(p);
    } else {
      computed<T> v[N];
      x.store(v);
      shorten(v, p);
    }
  }
  static SINTER_INLINE void store(pack_type x, T* p, int count) {
    if constexpr (!narrow) {
      x.store(p, count);
    } else {
      computed<T> v[N];
      x.store(v);
      for (int i = 0; i < count; ++i) p[i] = static_cast<T>(v[i]);
    }
  }

 private:
  static SINTER_INLINE pack_type some(const T* p, int64 step, int count) {
    computed<T> v[N] = {};
    for (int i = 0; i < count; ++i) v[i] = static_cast<computed<T>>(p[i * step]);
    return pack_type::load(v);
  }
#if SINTER_HAS_XSIMD
  // Bytes by way of 16 bits: g++ converts to a size twice or half as large by one instruction, others element by element.
  template <class V> static SINTER_INLINE auto by_halves(V v) {
    if constexpr (sizeof(T) == 1) return __builtin_convertvector(v, simd::vec<int16, N>);
    else return v;
  }
#endif
  static SINTER_INLINE void widen(const T* p, computed<T>* v) {
#if SINTER_HAS_XSIMD
    if constexpr (std::is_integral_v<T> || std::is_same_v<T, bfloat16>) {
      using memory_type = std::conditional_t<std::is_integral_v<T>, T, uint16>;
      using register_type = std::conditional_t<std::is_integral_v<T>, computed<T>, uint32>;
      simd::vec<memory_type, N> from;
      __builtin_memcpy(&from, p, sizeof from);
      auto to = __builtin_convertvector(by_halves(from), simd::vec<register_type, N>);
      if constexpr (!std::is_integral_v<T>) to <<= 16;
      __builtin_memcpy(v, &to, sizeof to);
      return;
    }
#endif
    if constexpr (std::is_same_v<T, bfloat16>) {
      for (int i = 0; i < N; ++i) v[i] = __builtin_bit_cast(float, static_cast<uint32>(p[i].bits) << 16);
      return;
    }
#if defined(__AVX512F__)
    if constexpr (std::is_same_v<T, half> && N % 16 == 0) {
      for (int i = 0; i < N; i += 16) _mm512_storeu_ps(v + i, _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p + i))));
      return;
    }
#endif
#if defined(__F16C__)
    if constexpr (std::is_same_v<T, half> && N % 8 == 0) {
      for (int i = 0; i < N; i += 8) _mm256_storeu_ps(v + i, _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p + i))));
      return;
    }
#endif
    for (int i = 0; i < N; ++i) v[i] = static_cast<computed<T>>(p[i]);
  }
  static SINTER_INLINE void shorten(const computed<T>* v, T* p) {
#if SINTER_HAS_XSIMD
    if constexpr (std::is_integral_v<T>) {
      simd::vec<computed<T>, N> from;
      __builtin_memcpy(&from, v, sizeof from);
      const auto to = __builtin_convertvector(__builtin_convertvector(from, simd::vec<int16, N>), simd::vec<T, N>);
      __builtin_memcpy(p, &to, sizeof to);
      return;
    }
    if constexpr (std::is_same_v<T, bfloat16>) {  // bfloat16_bits
      simd::vec<uint32, N> from;
      __builtin_memcpy(&from, v, sizeof from);
      const auto rounded = (from + 0x7fff + (from >> 16 & 1)) >> 16, nan = from >> 16 | 0x40;
      const auto to = __builtin_convertvector((from & 0x7fffffff) > 0x7f800000 ? nan : rounded, simd::vec<uint16, N>);
      __builtin_memcpy(p, &to, sizeof to);
      return;
    }
#endif
#if defined(__AVX512F__)
    if constexpr (std::is_same_v<T, half> && N % 16 == 0) {
      for (int i = 0; i < N; i += 16) _mm256_storeu_si256(reinterpret_cast<__m256i*>(p + i), _mm512_cvtps_ph(_mm512_loadu_ps(v + i), _MM_FROUND_TO_NEAREST_INT));
      return;
    }
#endif
#if defined(__F16C__)
    if constexpr (std::is_same_v<T, half> && N % 8 == 0) {
      for (int i = 0; i < N; i += 8) _mm_storeu_si128(reinterpret_cast<__m128i*>(p + i), _mm256_cvtps_ph(_mm256_loadu_ps(v + i), _MM_FROUND_TO_NEAREST_INT));
      return;
    }
#endif
    for (int i = 0; i < N; ++i) p[i] = static_cast<T>(v[i]);
  }
};

/// x as an element of type T is: rounded to half or bfloat16, wrapped to 8 or 16 bits.
template <class T, int N> SINTER_INLINE pack<computed<T>, N> as_element(pack<computed<T>, N> x) {
  if constexpr (std::is_same_v<T, computed<T>>) {
    return x;
  } else if constexpr (is_floating_element<T>) {
    T v[N];
    packed<T, N>::store(x, v);
    return packed<T, N>::load(v);
  } else if constexpr (N == 1) {
    return pack<int32, N>(static_cast<int32>(static_cast<T>(x.r)));
  } else if constexpr (std::is_same_v<T, uint8>) {
    return x & pack<int32, N>(0xff);
  } else {
    constexpr int bits = 32 - 8 * static_cast<int>(sizeof(T));
    int32 v[N];
    x.store(v);
    for (int i = 0; i < N; ++i) v[i] = static_cast<int32>(static_cast<uint32>(v[i]) << bits) >> bits;
    return pack<int32, N>::load(v);
  }
}

}  // namespace sinter::inline v0::detail::inline SINTER_TARGET
