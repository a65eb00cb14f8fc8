// SPDX-License-Identifier: BSD-3-Clause
// Scalar mathematics for one-wide lanes, host and device. Not here: packs (cpu/pack.hpp). Next: the op families.
#pragma once
#include "lane.hpp"

namespace sinter::inline v0::math {

#ifdef __CUDACC__  // NVRTC, and nvcc for both sides
#define SINTER_MATH1(name)                                      \
  SINTER_HD inline float name(float x) { return ::name##f(x); } \
  SINTER_HD inline double name(double x) { return ::name(x); }
#define SINTER_MATH2(name)                                                      \
  SINTER_HD inline float name(float x, float y) { return ::name##f(x, y); }     \
  SINTER_HD inline double name(double x, double y) { return ::name(x, y); }
#else
#define SINTER_MATH1(name)                                            \
  SINTER_HD inline float name(float x) { return __builtin_##name##f(x); } \
  SINTER_HD inline double name(double x) { return __builtin_##name(x); }
#define SINTER_MATH2(name)                                                            \
  SINTER_HD inline float name(float x, float y) { return __builtin_##name##f(x, y); }     \
  SINTER_HD inline double name(double x, double y) { return __builtin_##name(x, y); }
#endif
SINTER_MATH1(exp)
SINTER_MATH1(log)
SINTER_MATH1(sqrt)
SINTER_MATH1(tanh)
SINTER_MATH1(sin)
SINTER_MATH1(cos)
SINTER_MATH1(erf)
SINTER_MATH1(expm1)
SINTER_MATH1(log1p)
SINTER_MATH1(floor)
SINTER_MATH2(pow)
#undef SINTER_MATH1
#undef SINTER_MATH2

template <number T> SINTER_HD constexpr T abs(T x) { return x < T(0) ? T(-x) : x; }
/// By bits under -ffast-math, which believes that there is no NaN.
template <number T> SINTER_HD constexpr bool is_nan([[maybe_unused]] T x) {
#ifdef __FAST_MATH__
  if constexpr (detail::same<T, float>) return (__builtin_bit_cast(uint32, x) & 0x7fffffffu) > 0x7f800000u;
  else if constexpr (detail::same<T, double>) return (__builtin_bit_cast(uint64, x) & 0x7fffffffffffffffu) > 0x7ff0000000000000u;
  else return false;
#else
  return x != x;
#endif
}
/// The larger operand; NaN if either is NaN.
template <number T> SINTER_HD constexpr T max(T a, T b) { return a > b || is_nan(a) ? a : b; }
/// The smaller operand; NaN if either is NaN.
template <number T> SINTER_HD constexpr T min(T a, T b) { return a < b || is_nan(a) ? a : b; }
template <number T> SINTER_HD constexpr T select(bool c, T a, T b) { return c ? a : b; }
/// Element-wise conversion between scalar lanes.
template <number U, number T> SINTER_HD constexpr U convert(T x) {
  if constexpr (detail::same<U, bool>) return x != T(0);
  else return static_cast<U>(x);
}

}  // namespace sinter::inline v0::math

namespace sinter::inline v0 {
/// The value below all others of a scalar lane: -inf, the smallest integer, false.
template <number T> SINTER_HD constexpr T lowest(T) {
  if constexpr (detail::same<T, float>) return __builtin_bit_cast(float, uint32{0xff800000});
  else if constexpr (detail::same<T, double>) return __builtin_bit_cast(double, uint64{0xfff0} << 48);
  else if constexpr (T(-1) > T(0)) return T(0);
  else return static_cast<T>(static_cast<uint64>(1) << (8 * sizeof(T) - 1));
}
}  // namespace sinter::inline v0
