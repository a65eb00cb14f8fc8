// SPDX-License-Identifier: BSD-3-Clause
// exp, log and what is made of them: exp2, log10, expm1, log1p, tanh. One-wide packs call the C library. Next: pack_pow.hpp.
// Why not xsimd's: 8.1 gives 0 for exp's subnormal results (double: from -708.4 on) and infinity 0.3 too early, is wrong
// for log of subnormal doubles, up to 68 ulp off in erf and NaN there from 1e154 on; under -Ofast tanh is NaN above 44.
// The errors below are the largest of every 61st float or more and of a million doubles or more, g++, AVX2 and AVX-512.
#pragma once
#include "pack_table.hpp"

namespace sinter::inline v0 {
namespace detail::inline SINTER_TARGET {

/// 2^n for t = rounder + n, where 2^n is a normal number.
template <class T, int N> SINTER_INLINE pack<T, N> power_of_two(pack<T, N> t) {
  using I = simd::integer<T>;
  constexpr I one = __builtin_bit_cast(I, T(1));
  return bit_cast<T>(map_lanes([](auto b) { return b << mantissa_bits<T>; }, bit_cast<I>(t)) + pack<I, N>(one));
}
/// x * 2^floor(n), rounded once; without AVX-512 for integral n.
template <class T, int N> SINTER_INLINE pack<T, N> scale(pack<T, N> x, pack<T, N> n) {
#if defined(__AVX512F__)
  return map_batches([](auto v, auto k) { return simd::scale(v, k); }, x, n);
#else
  constexpr T magic = rounder<T>;  // in two steps: 2^n itself may be out of range
  auto t = exact(fma(n, pack<T, N>(T(0.5)), magic));
  auto rest = exact(n - exact(t - magic));
  return exact(x * power_of_two(t)) * power_of_two(exact(rest + magic));
#endif
}
/// x, or the limit where x is beyond it; NaN stays.
template <class T, int N> SINTER_INLINE pack<T, N> at_most(pack<T, N> x, double limit) {
  return map_batches([](auto v, auto l) { return simd::at_most(v, l); }, x, pack<T, N>(static_cast<T>(limit)));
}
template <class T, int N> SINTER_INLINE pack<T, N> clamp(pack<T, N> x, double low, double high) {
  return map_batches([](auto v, auto l) { return simd::at_least(v, l); }, at_most(x, high), pack<T, N>(static_cast<T>(low)));
}

/// e^(x + low...) or 2^x as 2^n (1 + rest) for integral n or, with tables, as 2^floor(n) power (1 + rest) for n in 16ths.
template <class T, int N, bool Minus1 = false> struct exp_parts {
  pack<T, N> n, rest, power;
  exp_parts() = default;
  template <class... Low> SINTER_INLINE explicit exp_parts(pack<T, N> x, Low... low) {
    constexpr T magic = has_tables ? rounder<T> / 16 : rounder<T>;
    auto t = exact(fma(x, T(1.4426950408889634074), magic));
    n = exact(t - magic);
    // log 2 in two parts: the first one's product with n is exact
    auto r1 = exact(fma(n, T(single<T> ? -0.693359375 : -6.93147180369123816490e-01), x));
    constexpr T second = T(single<T> ? 2.12194440054690583e-4 : -1.90821492927058770002e-10);
    auto r = (fma(n, second, r1) + ... + low);
    if constexpr (has_tables) {
      if constexpr (Minus1)
        rest = r1 + fma(r * r, single<T> ? polynomial(r, 0.0416671559, 0.166669607, 0.5)
                                         : polynomial(r, 0.00019841463826261545, 0.001388906347556763, 0.0083333333329919535, 0.041666666663594247, 0.16666666666666669, 0.5),
                        fma(n, second, look_up(tables<T>::power_low, t)));
      else
        rest = r * (single<T> ? polynomial(r, 0.166668624, 0.500009775, 1)
                              : polynomial(r, 0.0013889034377693012, 0.0083334497245283554, 0.041666666664959766, 0.16666666665301144, 0.5, 1));
      power = look_up(tables<T>::power, t);
    } else {
      rest = remainder_exp(r);
    }
  }
  static SINTER_INLINE exp_parts of_two(pack<T, N> x) {
    exp_parts p;
    if constexpr (has_tables) {
      p.n = map_batches([](auto v) { return simd::sixteenths(v); }, x);
      auto r = map_batches([](auto v, auto nearest) { return simd::above(v, nearest); }, x, p.n);
      p.rest = r * (single<T> ? polynomial(r, 0.0555047616, 0.240231201, 0.693147182)
                              : polynomial(r, 0.00015403691748349177, 0.0013333744375480432, 0.0096181291072344657, 0.055504108660274054,
                                           0.24022650695910072, 0.69314718055994529));
      p.power = look_up(tables<T>::power, exact(p.n + rounder<T> / 16));
    } else {
      x = single<T> ? clamp(x, -151, 129) : clamp(x, -1076, 1025);
      p.n = round(x);
      p.rest = remainder_exp((x - p.n) * T(0.69314718055994530942));
    }
    return p;
  }
  /// e^r - 1 for |r| <= log(2) / 2
  static SINTER_INLINE pack<T, N> remainder_exp(pack<T, N> r) {
    auto q = single<T> ? polynomial(r, 0.000198458813117, 0.00139406684535958, 0.00833338945848509, 0.0416663604286493, 0.166666663697564, 0.500000004426828)
                       : polynomial(r, 2.0875350463292147182e-9, 2.5109024815125682052e-8, 2.7557402699693208542e-7, 2.7557244253094327892e-6,
                                    0.000024801587172330139779, 0.00019841269886074629891, 0.0013888888888962544715, 0.0083333333333216536796,
                                    0.041666666666666508311, 0.16666666666666676548, 0.5);
    return fma(r * r, q, r);
  }
  /// 2^shift times the value
  SINTER_INLINE pack<T, N> value(T shift = 0) const {
    auto m = has_tables ? fma(power, rest, power) : rest + T(1);
    return scale(m, shift == T(0) ? n : n + shift);
  }
  /// 2^(n + shift), with Minus1: the value - 1 is power2() (1 + rest) - 1. n + shift is that of a normal number.
  SINTER_INLINE pack<T, N> power2(T shift = 0) const {
    if constexpr (has_tables) return scale(power, shift == T(0) ? n : n + shift);
    else return power_of_two(exact(n + (rounder<T> + shift)));
  }
};
/// e^x / 2, which overflows later than e^x does, for x >= 0.
template <class T, int N> SINTER_INLINE pack<T, N> half_exp(pack<T, N> x) {
  exp_parts<T, N> p(at_most(x, single<T> ? 90 : 711));
  return p.value(-1);
}
}  // namespace detail::inline SINTER_TARGET

template <class T, int N> SINTER_INLINE pack<T, N> constant(pack<T, N>, double v) { return pack<T, N>(static_cast<T>(v)); }
/// x between -high and high; NaN stays.
template <class T, int N> SINTER_INLINE pack<T, N> within(pack<T, N> x, float high) {
  if constexpr (N == 1) return math::within(x.r, high);
  else return detail::clamp(x, -high, high);
}
template <int N> inline constexpr bool quick_exp<pack<float, N>> = N > 1 && detail::has_tables;

/// e^x; 1.2 ulp
template <class T, int N> SINTER_INLINE pack<T, N> exp(pack<T, N> x) {
  if constexpr (N == 1) {
    return std::exp(x.r);
  } else {
    detail::exp_parts<T, N> p(detail::single<T> ? detail::clamp(x, -104, 89) : detail::clamp(x, -746, 710));
    return detail::keep_nan(x, p.value());
  }
}

/// 2^x; 1.3 ulp
template <class T, int N> SINTER_INLINE pack<T, N> exp2(pack<T, N> x) {
  if constexpr (N == 1) {
    return std::exp2(x.r);
  } else {
    return detail::keep_nan(x, detail::exp_parts<T, N>::of_two(x).value());
  }
}

/// e^x - 1; 1.9 ulp
template <class T, int N> SINTER_INLINE pack<T, N> expm1(pack<T, N> x) {
  if constexpr (N == 1) {
    return std::expm1(x.r);
  } else {
    detail::exp_parts<T, N, true> p(detail::single<T> ? detail::clamp(x, -20, 89) : detail::clamp(x, -40, 710));
    auto half = p.power2(-1);  // 2^n may overflow before y does
    auto y = fma(half, p.rest, half - T(0.5));
    return detail::keep_nan(x, copysign(select(p.n == T(0), p.rest, y + y), x));
  }
}

/// tanh x = t / (t + 2), t = e^(2|x|) - 1; 2.9 ulp, under -Ofast 3.9
template <class T, int N> SINTER_INLINE pack<T, N> tanh(pack<T, N> x) {
  if constexpr (N == 1) {
    return std::tanh(x.r);
  } else {
    auto a = detail::at_most(abs(x), detail::single<T> ? 9.1 : 20);
    detail::exp_parts<T, N, true> p(a + a);
    auto power = p.power2(), t = fma(power, p.rest, detail::exact(power - T(1)));
    return detail::keep_nan(x, copysign(t / (t + T(2)), x));
  }
}

/// 1 / (1 + e^-x) = e^x / (1 + e^x), whose e^x may stop growing where the quotient is 1; 3.1 ulp
template <class T, int N> SINTER_INLINE pack<T, N> sigmoid(pack<T, N> x) {
  if constexpr (N == 1) {
    return math::sigmoid(x.r);
  } else {
    auto e = detail::exp_parts<T, N>(detail::clamp(x, detail::single<T> ? -104 : -746, 40)).value();
    return detail::keep_nan(x, e / (e + T(1)));
  }
}

namespace detail::inline SINTER_TARGET {
/// m in [sqrt(1/2), sqrt(2)) and e with x = m 2^e, for positive normal x.
template <class T, int N> struct log_parts {
  pack<T, N> m, e;
  SINTER_INLINE explicit log_parts(pack<T, N> x) {
    using I = simd::integer<T>;
    constexpr I one = __builtin_bit_cast(I, T(1)), root = __builtin_bit_cast(I, T(0.70710678118654752440));
    constexpr T two_to_mantissa = static_cast<T>(single<T> ? 8388608.0 : 4503599627370496.0);  // its lowest bits are an integer
    constexpr I base = __builtin_bit_cast(I, two_to_mantissa);
    auto bits = bit_cast<I>(x) + pack<I, N>(one - root);
    auto exponent = map_lanes([](auto b) { return b >> mantissa_bits<T>; }, bits);
    e = exact(bit_cast<T>(exponent | pack<I, N>(base))) - (two_to_mantissa + T(single<T> ? 127 : 1023));
    m = bit_cast<T>((bits & pack<I, N>((I(1) << mantissa_bits<T>)-1)) + pack<I, N>(root));
  }
};
/// log(1 + f) + low + e log 2 for f in [sqrt(1/2) - 1, sqrt(2) - 1], by FreeBSD's polynomials in s = f / (2 + f) or, of our own, one in f.
template <class T, int N> SINTER_INLINE pack<T, N> log_sum(pack<T, N> f, pack<T, N> e, pack<T, N> low) {
  constexpr T high2 = static_cast<T>(single<T> ? 6.9313812256e-01 : 6.93147180369123816490e-01);
  constexpr T low2 = static_cast<T>(single<T> ? 9.0580006145e-06 : 1.90821492927058770002e-10);
  if constexpr (without_quotient<T>) {  // f - f^2 / 2 + f^3 p(f) without a quotient; 3.2e-9
    auto p = polynomial(f, 0.0697161183, -0.114797339, 0.116854198, -0.124256872, 0.142490581, -0.166678026, 0.200007156, -0.24999997, 0.333333313);
    return fma(e, pack<T, N>(high2), f + fma(f * f, fma(f, p, pack<T, N>(T(-0.5))), fma(e, pack<T, N>(low2), low)));
  }
  auto s = f / (f + T(2)), z = s * s, h = f * f * T(0.5);
  auto r = z * (single<T> ? polynomial(z, 0.24279078841, 0.28498786688, 0.40000972152, 0.66666662693)
                          : polynomial(z, 1.479819860511658591e-01, 1.531383769920937332e-01, 1.818357216161805012e-01, 2.222219843214978396e-01,
                                       2.857142874366239149e-01, 3.999999999940941908e-01, 6.666666666666735130e-01));
  auto small = fma(s, h + r, fma(e, pack<T, N>(low2), low));
  return fma(e, pack<T, N>(high2), exact(f - exact(h - small)));
}
/// y, or what log gives for x <= 0, infinity and NaN.
template <class T, int N> SINTER_INLINE pack<T, N> log_limits(pack<T, N> x, pack<T, N> y) {
  using I = simd::integer<T>;
  if constexpr (!fast_math) {
    constexpr T infinity = static_cast<T>(__builtin_inf()), nan = static_cast<T>(__builtin_nan(""));
    return select(x > T(0), select(x < infinity, y, x), select(x == T(0), pack<T, N>(-infinity), pack<T, N>(nan)));
  }
  auto bits = bit_cast<I>(x);
  auto fine = (bits > pack<I, N>(0)) & (bits < pack<I, N>(infinity_bits<T>));
  auto zero = bits + bits == pack<I, N>(0);
  auto pole = select(zero, pack<I, N>(infinity_bits<T> | sign_bit<T>), pack<I, N>(infinity_bits<T> | (infinity_bits<T> >> 1)));
  auto limit = select(bits >= pack<I, N>(infinity_bits<T>), bits, pole);
  return bit_cast<T>(select(fine, bit_cast<I>(y), limit));
}
/// A logarithm of x = (1 + f) 2^e: finish(f, e), with the limits of all logarithms.
template <class T, int N, class F> SINTER_INLINE pack<T, N> log_by(pack<T, N> x, F finish) {
  constexpr T smallest = static_cast<T>(single<T> ? 1.17549435e-38 : 2.2250738585072014e-308);
  constexpr T up = static_cast<T>(single<T> ? 8388608.0 : 4503599627370496.0);
  auto subnormal = x < smallest;
  log_parts<T, N> p(select(subnormal, x * up, x));
  auto e = select(subnormal, p.e - T(mantissa_bits<T>), p.e);
  return log_limits(x, finish(exact(p.m - T(1)), e));
}
}  // namespace detail::inline SINTER_TARGET

/// Natural logarithm; 1.5 ulp
template <class T, int N> SINTER_INLINE pack<T, N> log(pack<T, N> x) {
  if constexpr (N == 1) {
    return std::log(x.r);
  } else if constexpr (detail::has_tables) {
    detail::table_log<T, N> l(x);
    return l.log(l.f(), l.e);
  } else {
    return detail::log_by(x, [](auto f, auto e) { return detail::log_sum(f, e, pack<T, N>(T(0))); });
  }
}
/// Logarithm to base 2, exact for powers of 2; 1.9 ulp
template <class T, int N> SINTER_INLINE pack<T, N> log2(pack<T, N> x) {
  constexpr T factor = T(1.4426950408889634074);
  if constexpr (N == 1) {
    return std::log2(x.r);
  } else if constexpr (detail::has_tables) {
    detail::table_log<T, N> l(x);
    pack<T, N> high, low;
    l.log_m(high, low);
    return fma(high, factor, fma(low, factor, l.e - l.borrowed()));
  } else {
    return detail::log_by(x, [](auto f, auto e) { return fma(detail::log_sum(f, pack<T, N>(T(0)), pack<T, N>(T(0))), pack<T, N>(factor), e); });
  }
}
/// Logarithm to base 10; 2 ulp
template <class T, int N> SINTER_INLINE pack<T, N> log10(pack<T, N> x) {
  if constexpr (N == 1) {
    return std::log10(x.r);
  } else {
    constexpr T high = static_cast<T>(detail::single<T> ? 3.0102920532e-01 : 3.01029995663611771306e-01);
    constexpr T low = static_cast<T>(detail::single<T> ? 7.9034151668e-07 : 3.69423907715893078616e-13);
    constexpr T factor = T(0.43429448190325182765), rest = T(detail::single<T> ? -1.0103050052231684e-8 : 1.098319650216765e-17);
    auto finish = [](auto l, auto more, auto e) { return fma(e, pack<T, N>(high), fma(l, pack<T, N>(factor), more + e * low)); };
    if constexpr (detail::has_tables) {
      detail::table_log<T, N> l(x);
      pack<T, N> y, more;
      l.log_m(y, more);
      return finish(y, fma(y, rest, more * factor), l.e - l.borrowed());
    } else {
      return detail::log_by(x, [&](auto f, auto e) { return finish(detail::log_sum(f, pack<T, N>(T(0)), pack<T, N>(T(0))), pack<T, N>(T(0)), e); });
    }
  }
}

/// log(1 + x); 1.5 ulp
template <class T, int N> SINTER_INLINE pack<T, N> log1p(pack<T, N> x) {
  if constexpr (N == 1) {
    return std::log1p(x.r);
  } else {
    auto u = detail::exact(x + T(1));
    auto lost = select(x > T(1), T(1) - detail::exact(u - x), x - detail::exact(u - T(1)));  // of x, or of 1, in u
    if constexpr (detail::has_tables) {
      detail::table_log<T, N> l(u);
      auto f = fma(detail::scale(lost, detail::at_most(l.borrowed() - l.e, 2000)), l.inverse, l.f());
      return select((x == T(0)) | (bit_cast<simd::integer<T>>(x) == detail::infinity_bits<T>), x, l.log(f, l.e));
    } else {
      detail::log_parts<T, N> p(u);
      auto same = p.e == T(0);
      auto y = detail::log_sum(select(same, x, detail::exact(p.m - T(1))), p.e, select(same, pack<T, N>(T(0)), lost / u));
      y = detail::log_limits(u, y);
      return select(x == T(0), x, y);
    }
  }
}
}  // namespace sinter::inline v0
