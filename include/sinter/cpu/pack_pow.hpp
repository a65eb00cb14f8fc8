// SPDX-License-Identifier: BSD-3-Clause
// pow, whose logarithm needs more bits than its result has, and erf. One-wide packs call the C library.
// Next: pack_trig.hpp.
#pragma once
#include "pack_exp.hpp"

namespace sinter::inline v0 {
namespace detail::inline SINTER_TARGET {

/// A value in two parts, high + low.
template <int N> struct two_doubles {
  pack<double, N> high, low;
};
/// log x of positive x to 65 bits: 2s (1 + z/3 + z^2/5 + ...), s = (m - 1) / (m + 1) and z = s^2 in two parts each.
template <int N> SINTER_INLINE two_doubles<N> precise_log(pack<double, N> x) {
  using P = pack<double, N>;
  auto subnormal = x < 2.2250738585072014e-308;
  log_parts<double, N> parts(select(subnormal, x * P(4503599627370496.0), x));
  P e = select(subnormal, parts.e - P(52), parts.e), m = parts.m;
  P f = exact(m - P(1)), d = exact(m + P(1)), d_low = m - exact(d - P(1)), inverse = P(1) / d;
  P s = exact(f * inverse), s_low = (fma(-s, d, f) - s * d_low) * inverse;
  P z = exact(s * s), z_low = fma(s, s, -z) + P(2) * s * s_low;
  P w = z * polynomial(z, 0.059952149424578678429, 0.05837324331138440065, 0.066681628866503804001, 0.076922783270835050047,
                       0.090909094367443138881, 0.11111111108755313832, 0.14285714285722608885, 0.19999999999999988663);
  constexpr double third = 1.0 / 3, third_low = 1.8503717077085942e-17;
  P t = exact(w + P(third)), t_low = exact(exact(P(third) - t) + w) + P(third_low);
  P u = exact(z * t), u_low = fma(z, t, -u) + (z * t_low + z_low * t);
  s = s + s, s_low = s_low + s_low;
  P v = exact(s * u), v_low = fma(s, u, -v) + (s * u_low + s_low * u);
  P h = exact(s + v), h_low = exact(exact(s - h) + v) + exact(v_low + s_low);
  P a = exact(e * P(6.93147180369123816490e-01)), y = exact(a + h);
  return {y, exact(exact(a - y) + h) + fma(e, P(1.90821492927058770002e-10), h_low)};
}

/// |x|^y from logarithm and exponent; the limits of x = 0 and infinity come through the logarithm's.
template <int N> SINTER_INLINE pack<double, N> power(pack<double, N> x, pack<double, N> y) {
  using P = pack<double, N>;
  auto l = precise_log(x);
  P limit = log_limits(x, l.high);
  auto finite = abs(limit) < 1000.0;
  P product = exact(y * limit);
  P rest = select(finite & (abs(product) < 1000.0), fma(y, limit, -product) + y * l.low, P(0));
  exp_parts<double, N> p(clamp(product, -746, 710), rest);
  return p.value();
}
}  // namespace detail::inline SINTER_TARGET

/// x^y, with the C library's special cases; float 0.5 ulp, double 1.2 ulp
template <class T, int N> SINTER_INLINE pack<T, N> pow(pack<T, N> x, std::type_identity_t<pack<T, N>> y) {
  if constexpr (N == 1) {
    return std::pow(x.r, y.r);
  } else if constexpr (SINTER_HAS_FMA == 0 && sizeof(T) == 8) {
    T v[N], w[N];
    x.store(v);
    y.store(w);
    for (int i = 0; i < N; ++i) v[i] = std::pow(v[i], w[i]);
    return pack<T, N>::load(v);
  } else {
    using P = pack<T, N>;
    P a = abs(x);
    P z;
    if constexpr (sizeof(T) == 4) {  // in double precision, a plain logarithm has bits enough
      auto l = convert<double>(y) * log(convert<double>(a));
      z = convert<float>(exp(l));
    } else {
      z = detail::power(a, y);
    }
    P half = y * T(0.5);
    auto whole = trunc(y) == y, odd = whole & !(trunc(half) == half);
    auto negative = bit_cast<simd::integer<T>>(x) < pack<simd::integer<T>, N>(0);
    z = select(odd, copysign(z, x), z);
    constexpr T nan = static_cast<T>(__builtin_nan("")), infinity = static_cast<T>(__builtin_inf());
    z = select(negative & !whole & (a > T(0)) & (a < infinity), P(nan), z);
    z = select((a == T(1)) & (abs(y) == infinity), P(1), z);
    z = select(is_nan(x) | is_nan(y), P(nan), z);
    return select((x == T(1)) | (y == T(0)), P(1), z);
  }
}

/// The error function: x + x p(x^2) below 1, 1 - e^g(|x|) above. 1.4 ulp; with tables 3.3.
/// Polynomials by N. Juffa (float) and of our own (double).
template <class T, int N> SINTER_INLINE pack<T, N> erf(pack<T, N> x) {
  if constexpr (N == 1) {
    return std::erf(x.r);
  } else {
    using P = pack<T, N>;
    auto a = abs(x);
    if constexpr (detail::has_erf_table<T>) return detail::keep_nan(x, copysign(detail::table_erf(a), x));
    P small, large;
    if constexpr (detail::single<T>) {
      auto s = x * x, t = detail::at_most(a, 4);
      small = fma(detail::polynomial(s, -5.96761703e-4, 4.99119423e-3, -2.67681349e-2, 1.12819925e-1, -3.76125336e-1, 1.28379166e-1), x, x);
      large = detail::polynomial(t, -1.72853470e-5, 3.83197126e-4, -3.88396438e-3, 2.42546219e-2, -1.06777877e-1, -6.34846687e-1, -1.28717512e-1);
      large = fma(large, t, -t);
    } else {
      auto s = x * x, u = detail::at_most(a, 6) - T(1);
      small = fma(detail::polynomial(s, -7.7794723553110297033e-10, 1.3710982580226932195e-8, -1.6206314290219406412e-7, 1.6447131644674386667e-6,
                                     -0.0000149247123083456075, 0.00012055293577257304207, -0.00085483259293277468134, 0.0052239776061187946603,
                                     -0.026866170643111515482, 0.11283791670944185118, -0.37612638903183519552, 0.12837916709551256565), x, x);
      large = detail::polynomial(u, 1.0390910423770848167e-12, -2.8815294138161362671e-11, 3.682447085385747296e-10, -2.864016888712504524e-9,
                                 1.491135012814467687e-8, -5.2037588235190359049e-8, 9.7546817537582597492e-8, 1.4287606755204052365e-7,
                                 -2.0597724363226060154e-6, 9.6089001669656101706e-6, -0.00002715911173852107786, 0.000026277874723896148625,
                                 0.00023732248160083368038, -0.0019779025679432973723, 0.010033825374412350557, -0.041561098041808658489,
                                 -0.84310725635867680704, -2.6389675142347882531, -1.8496055099332482562);
    }
    auto tail = copysign(T(1) - exp(large), x);
    return detail::keep_nan(x, select(a < T(detail::single<T> ? 0.927734375 : 1), small, tail));
  }
}
/// 1 - erf x, accurate in the tail, by the C library.
template <class T, int N> SINTER_INLINE pack<T, N> erfc(pack<T, N> x) {
  return detail::by_lane([](T t) { return std::erfc(t); }, x);
}

}  // namespace sinter::inline v0
