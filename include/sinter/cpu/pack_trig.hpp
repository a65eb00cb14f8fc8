// SPDX-License-Identifier: BSD-3-Clause
// sin and cos of packs. Floats are reduced in double precision: xsimd 8.1's reduction loses all bits under -Ofast.
// From |x| = 10^6 on lanes call the C library, as one-wide packs do.
#pragma once
#include "pack_exp.hpp"

namespace sinter::inline v0 {
namespace detail::inline SINTER_TARGET {

/// x = q pi/2 + r with |r| <= pi/4, for |x| < 10^6; `turns` has q in its lowest bits.
template <int N> struct quarter_turns {
  pack<double, N> r;
  pack<int64, N> turns;
  SINTER_INLINE explicit quarter_turns(pack<double, N> x) {
    using P = pack<double, N>;
    constexpr double magic = rounder<double>;
    P t = exact(fma(x, P(0.63661977236758134308), P(magic))), n = exact(t - P(magic));
    turns = bit_cast<int64>(t);
    // pi/2 in pieces of 33 bits: their products with n are exact
    P a = exact(fma(n, P(-1.57079632673412561417), x));
    P step = exact(n * P(6.07710050630396597660e-11)), b = exact(a - step);
    r = b + (exact(exact(a - b) - step) - n * P(2.02226624879595063154e-21));
  }
};

/// sin(x), or cos(x) if Quarters is 1.
template <int Quarters, class T, int N> SINTER_INLINE pack<T, N> sine(pack<T, N> x) {
  quarter_turns<N> q(convert<double>(x));
  auto r = convert<T>(q.r), z = r * r;
  pack<T, N> s, c;
  if constexpr (single<T>) {
    s = polynomial(z, -1.9515295891e-4, 8.3321608736e-3, -1.6666654611e-1);
    c = polynomial(z, 2.443315711809948e-5, -1.388731625493765e-3, 4.166664568298827e-2);
  } else {
    s = polynomial(z, 1.58969099521155010221e-10, -2.50507602534068634195e-08, 2.75573137070700676789e-06, -1.98412698298579493134e-04,
                   8.33333333332248946124e-03, -1.66666666666666324348e-01);
    c = polynomial(z, -1.13596475577881948265e-11, 2.08757232129817482790e-09, -2.75573143513906633035e-07, 2.48015872894767294178e-05,
                   -1.38888888888741095749e-03, 4.16666666666666019037e-02);
  }
  s = fma(r * z, s, r);
  c = fma(z * z, c, fma(z, pack<T, N>(T(-0.5)), pack<T, N>(T(1))));
  using I = pack<int64, N>;
  auto swap = (q.turns & I(1)) != I(0), minus = ((q.turns + I(Quarters)) & I(2)) != I(0);
  auto y = Quarters ? select(swap, s, c) : select(swap, c, s);
  return select(minus, -y, y);
}

template <class T, int N, class Arch = native> SINTER_COLD void call_lanes(T* x, T (*f)(T)) {
  for (int i = 0; i < N; ++i) x[i] = f(x[i]);
}
}  // namespace detail::inline SINTER_TARGET

/// sin x; 1.5 ulp
template <class T, int N> SINTER_INLINE pack<T, N> sin(pack<T, N> x) {
  if constexpr (N == 1) {
    return std::sin(x.r);
  } else {
    if (any(abs(x) >= T(1e6))) [[unlikely]] {
      T v[N];
      x.store(v);
      detail::call_lanes<T, N>(v, [](T t) { return std::sin(t); });
      return pack<T, N>::load(v);
    }
    return detail::keep_nan(x, select(x == T(0), x, detail::sine<0>(x)));
  }
}
/// cos x; 1.5 ulp
template <class T, int N> SINTER_INLINE pack<T, N> cos(pack<T, N> x) {
  if constexpr (N == 1) {
    return std::cos(x.r);
  } else {
    if (any(abs(x) >= T(1e6))) [[unlikely]] {
      T v[N];
      x.store(v);
      detail::call_lanes<T, N>(v, [](T t) { return std::cos(t); });
      return pack<T, N>::load(v);
    }
    return detail::keep_nan(x, detail::sine<1>(x));
  }
}

}  // namespace sinter::inline v0
