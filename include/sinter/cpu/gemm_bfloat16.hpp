// SPDX-License-Identifier: BSD-3-Clause
// Products of bfloat16 matrices, summed in float, by an instruction that takes two terms at a time: with AVX-512 BF16. To gemm.hpp
// such a product is one of matrices of pairs, 32 bits each, which it moves as if they were floats. Not here: CPUs without the
// instruction, for which contract.hpp has both operands converted as they are packed.
#pragma once
#include "gemm.hpp"

namespace sinter::inline v0::detail::inline SINTER_TARGET {

#if defined(__AVX512BF16__) && SINTER_HAS_XSIMD && !defined(__CUDACC__)
inline constexpr bool has_bfloat16_products = true;

/// sum + a[0] b[0] + a[1] b[1] of the pairs in each lane. Subnormal terms count as 0.
/// https://www.intel.com/content/www/us/en/docs/intrinsics-guide/index.html#text=_mm512_dpbf16_ps
struct multiply_add_pairs {
  template <class P> static SINTER_INLINE P apply(P a, P b, P sum) {
    unroll<P::registers>([&](int i) { sum.r[i] = simd::batch<float>(_mm512_dpbf16_ps(sum.r[i].data, (__m512bh)a.r[i].data, (__m512bh)b.r[i].data)); });
    return sum;
  }
};

/// A bfloat16 and the one behind it, as they lie in memory; 0 for null.
SINTER_INLINE float pair_of(const bfloat16* first, const bfloat16* second) {
  return __builtin_bit_cast(float, static_cast<uint32>(first->bits) | static_cast<uint32>(second ? second->bits : 0) << 16);
}
/// A (m x k) in pairs along k, row by row.
inline void pair_rows(int64 m, int64 k, strided<bfloat16> a, float* to, int64 ld) {
  for (int64 i = 0; i < m; ++i)
    for (int64 p = 0; p < k; p += 2) to[i * ld + p / 2] = pair_of(a.at(i, p), p + 1 < k ? a.at(i, p + 1) : nullptr);
}
/// Pairs of what two rows have side by side, or of one row and nothing.
template <class Arch> SINTER_KERNEL void pair_up(const bfloat16* even, const bfloat16* odd, int64 n, float* to) {
  int64 i = 0;
  for (; odd && i + 16 <= n; i += 16) {
    simd::vec<uint16, 16> first, second;
    __builtin_memcpy(&first, even + i, sizeof first);
    __builtin_memcpy(&second, odd + i, sizeof second);
    const auto pairs = __builtin_convertvector(first, simd::vec<uint32, 16>) | __builtin_convertvector(second, simd::vec<uint32, 16>) << 16;
    __builtin_memcpy(to + i, &pairs, sizeof pairs);
  }
  for (; i < n; ++i) to[i] = pair_of(even + i, odd ? odd + i : nullptr);
}
/// A B (k x n) whose rows lie in runs, for gemm_operand::pack.
struct paired_rows {
  strided<bfloat16> b;
  int64 k;
  template <class Arch> void pair(int64 p, int64 j, int64 columns, float* to) const {
    pair_up<Arch>(b.at(2 * p, j), 2 * p + 1 < k ? b.at(2 * p + 1, j) : nullptr, columns, to);
  }
  template <class Arch> static void pack(const void* context, int64 p, int64 depth, int64 j, int64 columns, float* to) {
    constexpr int64 width = gemm_shape<float>::columns;
    for (int64 q = p; q < p + depth; ++q, to += width) {
      static_cast<const paired_rows*>(context)->pair<Arch>(q, j, columns, to);
      for (int64 i = columns; i < width; ++i) to[i] = 0;
    }
  }
};

/// C (m x n) = or += A (m x k) B (k x n) as gemm, of bfloat16 matrices with strides of elements.
template <class Arch = native>
SINTER_HIDDEN void gemm_bfloat16(int64 m, int64 n, int64 k, strided<bfloat16> a, strided<bfloat16> b, const gemm_result<float>& c) {
  if (m <= 0 || n <= 0) return;
  const int64 pairs = (k + 1) / 2;
  // read in place where pairs lie whole in memory, one behind the other
  auto in_place = [&](const bfloat16* data, int64 along, int64 apart) {
    return along == 1 && apart % 2 == 0 && k % 2 == 0 && reinterpret_cast<std::uintptr_t>(data) % 4 == 0;
  };
  const bool left = in_place(a.data, a.columns, a.rows), right = in_place(b.data, b.rows, b.columns), rows = !right && b.columns == 1;
  const scratch<float, Arch> left_room(left ? 0 : m * pairs), right_room(right || rows ? 0 : n * pairs);
  gemm_operand<float> x{{reinterpret_cast<const float*>(a.data), a.rows / 2, 1}}, y{{reinterpret_cast<const float*>(b.data), 1, b.columns / 2}};
  if (!left && a.rows == 1) {
    for (int64 p = 0; p < pairs; ++p) paired_rows{a.transposed(), k}.pair<Arch>(p, 0, m, left_room.get() + p * m);
    x = {{left_room.get(), 1, m}};
  } else if (!left) {
    pair_rows(m, k, a, left_room.get(), pairs);
    x = {{left_room.get(), pairs, 1}};
  }
  const paired_rows source{b, k};
  if (rows) y = {{nullptr, 0, 0}, nullptr, &paired_rows::pack<Arch>, &source};
  else if (!right) pair_rows(n, k, b.transposed(), right_room.get(), pairs), y = {{right_room.get(), 1, pairs}};
  gemm<float, Arch, multiply_add_pairs>(m, n, pairs, x, y, c);
}
#else
inline constexpr bool has_bfloat16_products = false;
template <class Arch = native> void gemm_bfloat16(int64, int64, int64, strided<bfloat16>, strided<bfloat16>, const gemm_result<float>&);  // never called
#endif

}  // namespace sinter::inline v0::detail::inline SINTER_TARGET
