// SPDX-License-Identifier: BSD-3-Clause
// Complex numbers in higher precision, and some to test with.
#pragma once
#include <sinter/sinter.hpp>

#include <complex>

using wide = std::complex<long double>;

template <class T> wide widen(T v) { return v; }
template <class T> wide widen(sinter::complex_number<T> v) { return {v.re, v.im}; }

/// Points where every op is smooth: not on an axis, not on a branch cut.
inline auto smooth_points() {
  auto z = sinter::empty<sinter::complex128>({5});
  const sinter::complex128 at[] = {{0.7, 0.4}, {-0.6, 0.9}, {1.3, -0.8}, {-0.45, -1.2}, {0.2, 1.1}};
  for (int i = 0; i < 5; ++i) z(i) = at[i];
  return z;
}
