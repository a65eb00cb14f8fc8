// SPDX-License-Identifier: BSD-3-Clause
// sin, cos, tan and their inverses. Floats are reduced in double precision: xsimd 8.1's reduction loses all bits under -Ofast.
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

/// sin(x), or cos(x) if Quarters is 1, or tan(x) if it is -1.
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
  auto swap = (q.turns & I(1)) != I(0);
  if constexpr (Quarters < 0) return select(swap, -c, s) / select(swap, s, c);
  auto minus = ((q.turns + I(Quarters)) & I(2)) != I(0);
  auto y = Quarters ? select(swap, s, c) : select(swap, c, s);
  return select(minus, -y, y);
}

}  // namespace detail::inline SINTER_TARGET

/// sin x; 1.5 ulp
template <class T, int N> SINTER_INLINE pack<T, N> sin(pack<T, N> x) {
  if constexpr (N == 1) {
    return std::sin(x.r);
  } else {
    if (any(abs(x) >= T(1e6))) [[unlikely]] {
      return detail::by_lane([](T t) { return std::sin(t); }, x);
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
      return detail::by_lane([](T t) { return std::cos(t); }, x);
    }
    return detail::keep_nan(x, detail::sine<1>(x));
  }
}
/// tan x; 2.6 ulp
template <class T, int N> SINTER_INLINE pack<T, N> tan(pack<T, N> x) {
  if constexpr (N == 1) {
    return std::tan(x.r);
  } else {
    if (any(abs(x) >= T(1e6))) [[unlikely]] {
      return detail::by_lane([](T t) { return std::tan(t); }, x);
    }
    return detail::keep_nan(x, select(x == T(0), x, detail::sine<-1>(x)));
  }
}

namespace detail::inline SINTER_TARGET {
/// atan x of x >= 0, by Cephes' rational function after x -> -1/x beyond tan(3 pi/8), (x - 1)/(x + 1) beyond 0.66
template <int N> SINTER_INLINE pack<double, N> atan_positive(pack<double, N> x) {
  using P = pack<double, N>;
  auto far = x > P(2.41421356237309504880), middle = (!far) & (x > P(0.66));
  P r = select(far, P(-1) / x, select(middle, (x - P(1)) / (x + P(1)), x)), z = r * r;
  P p = polynomial(z, -8.750608600031904122785e-1, -1.615753718733365076637e1, -7.500855792314704667340e1, -1.228866684490136173410e2, -6.485021904942025371773e1);
  P q = polynomial(z, 1, 2.485846490142306297962e1, 1.650270098316988542046e2, 4.328810604912902668951e2, 4.853903996359136964868e2, 1.945506571482613964425e2);
  P base = select(far, P(1.5707963267948966192), select(middle, P(0.78539816339744830962), P(0)));
  P low = select(far, P(6.123233995736765886130e-17), select(middle, P(3.061616997868382943065e-17), P(0)));
  return base + (fma(r * z, p / q, r) + low);
}
/// f over doubles; floats are calculated as such, and rounded once.
template <class T, int N, class F, class... P> SINTER_INLINE pack<T, N> in_double(F f, pack<T, N> x, P... more) {
  if constexpr (single<T>) return convert<T>(f(convert<double>(x), convert<double>(more)...));
  else return f(x, more...);
}
}  // namespace detail::inline SINTER_TARGET

/// atan x in [-pi/2, pi/2]; 1.5 ulp
template <class T, int N> SINTER_INLINE pack<T, N> atan(pack<T, N> x) {
  if constexpr (N == 1) return std::atan(x.r);
  else return detail::keep_nan(x, copysign(detail::in_double([](auto a) { return detail::atan_positive(a); }, abs(x)), x));
}
/// asin x = atan(x / sqrt(1 - x^2)); NaN outside [-1, 1]. 3 ulp
template <class T, int N> SINTER_INLINE pack<T, N> asin(pack<T, N> x) {
  if constexpr (N == 1) {
    return std::asin(x.r);
  } else {
    auto y = detail::in_double([](auto a) { return detail::atan_positive(a / sqrt((1.0 - a) * (1.0 + a))); }, abs(x));
    return select(abs(x) <= T(1), copysign(y, x), pack<T, N>(static_cast<T>(__builtin_nan(""))));
  }
}
/// acos x = 2 atan(sqrt((1 - x) / (1 + x))); NaN outside [-1, 1]. 3 ulp
template <class T, int N> SINTER_INLINE pack<T, N> acos(pack<T, N> x) {
  if constexpr (N == 1) {
    return std::acos(x.r);
  } else {
    auto y = detail::in_double([](auto a) { return 2.0 * detail::atan_positive(sqrt((1.0 - a) / (1.0 + a))); }, x);
    return select(abs(x) <= T(1), y, pack<T, N>(static_cast<T>(__builtin_nan(""))));
  }
}
/// The angle of the point (x, y), in [-pi, pi], with the C library's special cases; 3 ulp
template <class T, int N> SINTER_INLINE pack<T, N> atan2(pack<T, N> y, std::type_identity_t<pack<T, N>> x) {
  if constexpr (N == 1) {
    return std::atan2(y.r, x.r);
  } else {
    auto angle = detail::in_double([](auto v, auto u) {
      using P = decltype(v);
      P a = abs(u), b = abs(v), large = max(a, b), small = min(a, b);
      P q = select(large == P(0), P(0), select(small == large, P(1), small / large));  // 0 / 0 and infinity / infinity among them
      P t = detail::atan_positive(q);
      t = select(b > a, P(1.5707963267948966192) - t, t);
      auto left = bit_cast<int64>(u) < pack<int64, N>(0);
      return select(left, P(3.1415926535897932385) - t, t);
    }, y, x);
    return select(is_nan(x) | is_nan(y), pack<T, N>(static_cast<T>(__builtin_nan(""))), copysign(angle, y));
  }
}

}  // namespace sinter::inline v0
