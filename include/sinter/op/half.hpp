// SPDX-License-Identifier: BSD-3-Clause
// half and bfloat16: 16 bits in memory, float wherever something is computed. Device-clean. Next: op/dtype.hpp.
#pragma once
#include "integers.hpp"

namespace sinter::inline v0 {

namespace detail::inline SINTER_TARGET {
/// IEEE binary16 of a float: to nearest, ties to even; infinity from 65520 on; a NaN stays one.
SINTER_HD constexpr uint16 half_bits(float x) {
  const uint32 b = __builtin_bit_cast(uint32, x), sign = b >> 16 & 0x8000u, a = b & 0x7fffffffu;
  if (a > 0x7f800000u) return static_cast<uint16>(sign | 0x7e00u | (a >> 13 & 0x3ffu));
  if (a >= 0x477ff000u) return static_cast<uint16>(sign | 0x7c00u);
  if (a < 0x33000001u) return static_cast<uint16>(sign);  // at most half of the smallest subnormal
  if (a < 0x38800000u) {                                  // subnormal: units of 2^-24
    const uint32 shift = 126u - (a >> 23), m = (a & 0x7fffffu) | 0x800000u, q = m >> shift, rest = m & ((1u << shift) - 1), tie = 1u << (shift - 1);
    return static_cast<uint16>(sign | (q + (rest > tie || (rest == tie && (q & 1u)))));
  }
  return static_cast<uint16>(sign | ((a - 0x38000000u + 0xfffu + (a >> 13 & 1u)) >> 13));
}
SINTER_HD constexpr float half_value(uint16 h) {
  const uint32 sign = static_cast<uint32>(h & 0x8000) << 16, a = h & 0x7fffu;
  if (a >= 0x7c00u) return __builtin_bit_cast(float, sign | 0x7f800000u | (a & 0x3ffu) << 13);
  if (a < 0x400u) {  // a 2^-24
    const float v = static_cast<float>(a) * 5.9604644775390625e-8f;
    return sign ? -v : v;
  }
  return __builtin_bit_cast(float, sign | ((a << 13) + 0x38000000u));
}
/// The upper half of a float: to nearest, ties to even; a NaN stays one.
SINTER_HD constexpr uint16 bfloat16_bits(float x) {
  const uint32 b = __builtin_bit_cast(uint32, x);
  if ((b & 0x7fffffffu) > 0x7f800000u) return static_cast<uint16>(b >> 16 | 0x40u);
  return static_cast<uint16>((b + 0x7fffu + (b >> 16 & 1u)) >> 16);
}
SINTER_HD constexpr float bfloat16_value(uint16 h) { return __builtin_bit_cast(float, static_cast<uint32>(h) << 16); }
}  // namespace detail::inline SINTER_TARGET

/// IEEE binary16, 11 bits of precision up to 65504: an element type. It reads and writes as a float.
struct half {
  uint16 bits;
  half() = default;
  SINTER_HD constexpr half(float x) : bits(detail::half_bits(x)) {}
  SINTER_HD constexpr explicit half(double x) : half(static_cast<float>(x)) {}
  template <class N> requires requires(N n) { n % n; }  // integers
  SINTER_HD constexpr explicit half(N x) : half(static_cast<float>(x)) {}
  SINTER_HD constexpr operator float() const { return detail::half_value(bits); }
};
/// The upper half of a float: 8 bits of precision, float's range; an element type.
struct bfloat16 {
  uint16 bits;
  bfloat16() = default;
  SINTER_HD constexpr bfloat16(float x) : bits(detail::bfloat16_bits(x)) {}
  SINTER_HD constexpr explicit bfloat16(double x) : bfloat16(static_cast<float>(x)) {}
  template <class N> requires requires(N n) { n % n; }  // integers
  SINTER_HD constexpr explicit bfloat16(N x) : bfloat16(static_cast<float>(x)) {}
  SINTER_HD constexpr operator float() const { return detail::bfloat16_value(bits); }
};

}  // namespace sinter::inline v0
