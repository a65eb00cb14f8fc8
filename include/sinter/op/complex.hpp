// SPDX-License-Identifier: BSD-3-Clause
// complex64 and complex128: two floats side by side, as std::complex and cuFloatComplex hold them; element types. In
// formulas they are their parts (op/complex_form.hpp). Device-clean. Next: op/dtype.hpp.
#pragma once
#include "integers.hpp"

namespace sinter::inline v0 {

namespace detail {
template <class C> inline constexpr bool is_complex_number = false;
}
/// re + im i. Reads from and writes to any type with real() and imag(), so std::complex needs no cast; an array of
/// std::complex<T> is an array of complex_number<T>. (<complex> itself would bring streams into every file.)
template <class T> struct complex_number {
  using value_type = T;
  T re, im;

  complex_number() = default;
  SINTER_HD SINTER_INLINE constexpr complex_number(T real, T imag) : re(real), im(imag) {}
  template <class N> requires(requires(N n) { static_cast<T>(n); } && !requires(const N& n) { n.real(); })
  SINTER_HD SINTER_INLINE constexpr complex_number(N real) : re(static_cast<T>(real)), im(0) {}
  /// From another precision only upwards, unless asked for.
  template <class C> requires requires(const C& c) { c.real(); c.imag(); }
  SINTER_HD SINTER_INLINE constexpr explicit(detail::is_complex_number<C> && sizeof(C) > 2 * sizeof(T)) complex_number(const C& c) : re(static_cast<T>(c.real())), im(static_cast<T>(c.imag())) {}
  template <class C> requires(!detail::is_complex_number<C> && requires(const C& c) { c.real(); c.imag(); C(T{}, T{}); })
  SINTER_HD SINTER_INLINE constexpr operator C() const { return C(static_cast<typename C::value_type>(re), static_cast<typename C::value_type>(im)); }

  SINTER_HD SINTER_INLINE constexpr T real() const { return re; }
  SINTER_HD SINTER_INLINE constexpr T imag() const { return im; }

  friend SINTER_HD SINTER_INLINE constexpr complex_number operator+(complex_number a, complex_number b) { return {a.re + b.re, a.im + b.im}; }
  friend SINTER_HD SINTER_INLINE constexpr complex_number operator-(complex_number a, complex_number b) { return {a.re - b.re, a.im - b.im}; }
  friend SINTER_HD SINTER_INLINE constexpr complex_number operator-(complex_number a) { return {-a.re, -a.im}; }
  friend SINTER_HD SINTER_INLINE constexpr complex_number operator*(complex_number a, complex_number b) { return {a.re * b.re - a.im * b.im, a.re * b.im + a.im * b.re}; }
  friend SINTER_HD SINTER_INLINE constexpr complex_number operator/(complex_number a, complex_number b) {
    // by the larger part of b: b's square may overflow. Smith, "Algorithm 116: Complex division", CACM 5(8), 1962
    const T c = b.re < 0 ? -b.re : b.re, d = b.im < 0 ? -b.im : b.im;
    if (c >= d) {
      const T r = b.im / b.re, n = b.re + b.im * r;
      return {(a.re + a.im * r) / n, (a.im - a.re * r) / n};
    }
    const T r = b.re / b.im, n = b.re * r + b.im;
    return {(a.re * r + a.im) / n, (a.im * r - a.re) / n};
  }
  friend SINTER_HD SINTER_INLINE constexpr bool operator==(complex_number a, complex_number b) { return a.re == b.re && a.im == b.im; }
  SINTER_HD SINTER_INLINE constexpr complex_number& operator+=(complex_number b) { return *this = *this + b; }
  SINTER_HD SINTER_INLINE constexpr complex_number& operator-=(complex_number b) { return *this = *this - b; }
  SINTER_HD SINTER_INLINE constexpr complex_number& operator*=(complex_number b) { return *this = *this * b; }
  SINTER_HD SINTER_INLINE constexpr complex_number& operator/=(complex_number b) { return *this = *this / b; }
};
namespace detail {
template <class T> inline constexpr bool is_complex_number<complex_number<T>> = true;
}
using complex64 = complex_number<float>;
using complex128 = complex_number<double>;

}  // namespace sinter::inline v0
