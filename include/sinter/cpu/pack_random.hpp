// SPDX-License-Identifier: BSD-3-Clause
// random_bits of packs: Philox in every lane, or once for four lanes where they are consecutive elements.
// Next: op/random.hpp for what it computes, op/philox.hpp for the numbers.
#pragma once
#ifdef __SSE2__
#include <immintrin.h>
#endif

#include "../op/random.hpp"
#include "pack.hpp"

namespace sinter::inline v0 {

#if SINTER_HAS_XSIMD
namespace detail::inline SINTER_TARGET {
/// The low halves of 64-bit lanes multiplied; what is in the upper halves does not matter.
template <class V> SINTER_INLINE V multiply_low_halves(V a, V b) {
#if defined(__AVX512F__)
  if constexpr (sizeof(V) == 64) return (V)_mm512_maskz_mul_epu32(0xFF, (__m512i)a, (__m512i)b);  // g++ 12 warns of the plain one
#endif
#if defined(__AVX2__)
  if constexpr (sizeof(V) == 32) return (V)_mm256_mul_epu32((__m256i)a, (__m256i)b);
#endif
#if defined(__SSE2__)
  if constexpr (sizeof(V) == 16) return (V)_mm_mul_epu32((__m128i)a, (__m128i)b);
#endif
  return (a & 0xFFFFFFFFu) * (b & 0xFFFFFFFFu);
}

/// The words of philox({block, 0}, key): V is a vector of uint64, whose low halves count.
template <class V> struct philox_lanes {
  V a, b, c, d;
  SINTER_INLINE philox_lanes(V block, V key0, V key1) : a(block), b(block >> 32), c{}, d{} {
    const V m0 = V{} + 0xD2511F53u, m1 = V{} + 0xCD9E8D57u;
    const auto round = [&] {
      const V p = multiply_low_halves(m0, a), q = multiply_low_halves(m1, c);
      a = (q >> 32) ^ b ^ key0, b = q;
      c = (p >> 32) ^ d ^ key1, d = p;
      key0 += 0x9E3779B9u, key1 += 0xBB67AE85u;
    };
    round(), round(), round(), round(), round(), round(), round(), round(), round(), round();
  }
};

/// Words of 4 C consecutive elements, from the one divisible by 4 on, into the registers of a pack.
template <int N> SINTER_INLINE pack<int64, N> consecutive_bits(uint64 first, uint64 key0, uint64 key1) {
  constexpr int C = N / 4, W = simd::width<int64>;
  using V = simd::vec<uint64, C>;
  V block{};
  for (int i = 0; i < C; ++i) block[i] = (first >> 2) + static_cast<uint64>(i);
  const philox_lanes<V> w(block, V{} + key0, V{} + key1);
  const auto ab = simd::join(w.a, w.b), cd = simd::join(w.c, w.d);
  pack<int64, N> y;
  [&]<int... R>(std::integer_sequence<int, R...>) {
    auto fill = [&]<int J, int... L>(std::integer_sequence<int, J>, std::integer_sequence<int, L...>) {
      y.r[J] = simd::as_batch<int64>(simd::detail::lanes_of<((J * W + L) % 4 * C + (J * W + L) / 4)...>::shuffle(ab, cd) & 0xFFFFFFFFu);
    };
    (fill(std::integer_sequence<int, R>(), std::make_integer_sequence<int, W>()), ...);
  }(std::make_integer_sequence<int, N / W>());
  return y;
}
}  // namespace detail::inline SINTER_TARGET
#endif

template <int N> SINTER_INLINE pack<int64, N> random_bits(pack<int64, N> i, pack<int64, N> low, pack<int64, N> high) {
  if constexpr (N == 1) {
    return math::random_bits(i.r, low.r, high.r);
#if SINTER_HAS_XSIMD
  } else {
    if constexpr ((N == 8 || N == 16) && N == 2 * simd::width<int64>) {
      static constexpr int64 counting[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
      const auto first_of = [](const pack<int64, N>& p) { return simd::as_vec<int64>(p.r[0])[0]; };  // lane(0) goes through memory
      const int64 first = first_of(i);
      if (first % 4 == 0 && all(i - pack<int64, N>(first) == pack<int64, N>::load(counting)))
        return detail::consecutive_bits<N>(static_cast<uint64>(first), static_cast<uint64>(first_of(low)), static_cast<uint64>(first_of(high)));
    }
    return detail::map_lanes([](auto x, auto key0, auto key1) {
      const detail::philox_lanes w(x >> 2, key0, key1);
      const auto odd = -(x & 1), upper = -(x >> 1 & 1);
      return ((((w.a & ~odd) | (w.b & odd)) & ~upper) | (((w.c & ~odd) | (w.d & odd)) & upper)) & 0xFFFFFFFFu;
    }, i, low, high);
#endif
  }
}

}  // namespace sinter::inline v0
