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
SINTER_MATH1(exp) SINTER_MATH1(exp2) SINTER_MATH1(expm1)
SINTER_MATH1(log) SINTER_MATH1(log2) SINTER_MATH1(log10) SINTER_MATH1(log1p)
SINTER_MATH1(sqrt)
SINTER_MATH1(sin) SINTER_MATH1(cos) SINTER_MATH1(tan) SINTER_MATH1(asin) SINTER_MATH1(acos) SINTER_MATH1(atan)
SINTER_MATH1(sinh) SINTER_MATH1(cosh) SINTER_MATH1(tanh) SINTER_MATH1(asinh) SINTER_MATH1(acosh) SINTER_MATH1(atanh)
SINTER_MATH1(erf) SINTER_MATH1(erfc)
SINTER_MATH1(floor) SINTER_MATH1(ceil) SINTER_MATH1(trunc) SINTER_MATH1(rint)
SINTER_MATH2(pow) SINTER_MATH2(atan2) SINTER_MATH2(hypot) SINTER_MATH2(fmod)
#undef SINTER_MATH1
#undef SINTER_MATH2

template <class T>
concept whole = number<T> && T(3) / T(2) == T(1);  // integers and bool
/// Whole numbers stay as they are.
template <whole T> SINTER_HD constexpr T floor(T x) { return x; }
template <whole T> SINTER_HD constexpr T ceil(T x) { return x; }
template <whole T> SINTER_HD constexpr T trunc(T x) { return x; }
template <whole T> SINTER_HD constexpr T rint(T x) { return x; }
/// The remainder of the division rounded to zero; 0 where y is 0.
template <whole T> SINTER_HD constexpr T fmod(T x, T y) {
  if constexpr (detail::same<T, bool>) return false;
  else return y == T(0) || y == T(-1) ? T(0) : static_cast<T>(x % y);  // lowest % -1 traps
}
/// x - y floor(x / y): the remainder with the sign of y.
template <number T> SINTER_HD constexpr T remainder(T x, T y) {
  const T r = fmod(x, y);
  return r != T(0) && (r < T(0)) != (y < T(0)) ? static_cast<T>(r + y) : r;
}
/// Rounds halves to even.
template <number T> SINTER_HD constexpr T round(T x) { return rint(x); }
/// a * b + c, rounded once.
#ifdef __CUDACC__
SINTER_HD inline float fma(float a, float b, float c) { return ::fmaf(a, b, c); }
SINTER_HD inline double fma(double a, double b, double c) { return ::fma(a, b, c); }
#else
SINTER_HD inline float fma(float a, float b, float c) { return __builtin_fmaf(a, b, c); }
SINTER_HD inline double fma(double a, double b, double c) { return __builtin_fma(a, b, c); }
#endif
template <whole T> SINTER_HD constexpr T fma(T a, T b, T c) { return static_cast<T>(a * b + c); }

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
/// Infinite, of either sign; by bits, too.
template <number T> SINTER_HD constexpr bool is_inf([[maybe_unused]] T x) {
  if constexpr (detail::same<T, float>) return (__builtin_bit_cast(uint32, x) & 0x7fffffffu) == 0x7f800000u;
  else if constexpr (detail::same<T, double>) return (__builtin_bit_cast(uint64, x) & 0x7fffffffffffffffu) == 0x7ff0000000000000u;
  else return false;
}
/// The larger operand; NaN if either is NaN.
template <number T> SINTER_HD constexpr T max(T a, T b) { return a > b || is_nan(a) ? a : b; }
/// The smaller operand; NaN if either is NaN.
template <number T> SINTER_HD constexpr T min(T a, T b) { return a < b || is_nan(a) ? a : b; }
template <number T> SINTER_HD constexpr T select(bool c, T a, T b) { return c ? a : b; }
/// 1 / (1 + e^-x) = e^x / (1 + e^x), whose e^x may stop growing where the quotient is 1.
template <number T> SINTER_HD inline T sigmoid(T x) {
  const T e = exp(min(x, T(40)));
  return e / (e + T(1));
}
/// v as a lane of x's kind.
template <number T> SINTER_HD constexpr T constant(T, double v) { return static_cast<T>(v); }
/// x between -high and high; NaN stays.
template <number T> SINTER_HD constexpr T within(T x, float high) {
  const T limit = static_cast<T>(high);
  return x > limit ? limit : x < -limit ? -limit : x;
}
/// Element-wise conversion between scalar lanes.
template <number U, number T> SINTER_HD constexpr U convert(T x) {
  if constexpr (detail::same<U, bool>) return x != T(0);
  else return static_cast<U>(x);
}

}  // namespace sinter::inline v0::math

namespace sinter::inline v0 {
/// Is exp of this lane as fast as a quotient of polynomials?
template <class L> inline constexpr bool quick_exp = false;
/// The value below all others of a scalar lane: -inf, the smallest integer, false.
template <number T> SINTER_HD constexpr T lowest(T) {
  if constexpr (detail::same<T, float>) return __builtin_bit_cast(float, uint32{0xff800000});
  else if constexpr (detail::same<T, double>) return __builtin_bit_cast(double, uint64{0xfff0} << 48);
  else if constexpr (T(-1) > T(0)) return T(0);
  else return static_cast<T>(static_cast<uint64>(1) << (8 * sizeof(T) - 1));
}
/// The value above all others of a scalar lane: +inf, the largest integer, true.
template <number T> SINTER_HD constexpr T highest(T) {
  if constexpr (detail::same<T, float>) return __builtin_bit_cast(float, uint32{0x7f800000});
  else if constexpr (detail::same<T, double>) return __builtin_bit_cast(double, uint64{0x7ff0} << 48);
  else if constexpr (detail::same<T, bool>) return true;
  else return static_cast<T>(~lowest(T{}));
}
}  // namespace sinter::inline v0
