// SPDX-License-Identifier: BSD-3-Clause
// Complex numbers in formulas: real, imag, conj, angle, complex, polar, and what each op is over complex operands, in terms of
// their parts. Derivatives need no rules: they follow from those of the real ops.
// Branch cuts and accuracy after Kahan, "Branch cuts for complex elementary functions", 1987.
#pragma once
#include "contraction.hpp"
#include "reduction.hpp"
#include "rounding.hpp"
#include "trigonometric.hpp"

namespace sinter::inline v0 {
namespace composed {

/// The real part
struct real {
  using composition = void;
  static constexpr op_info info{.name = "real"};
  static constexpr sym compose(real_value auto x) { return x; }
  static constexpr sym compose(complex_value auto z) { return z.re; }
};
/// The imaginary part
struct imag {
  using composition = void;
  static constexpr op_info info{.name = "imag"};
  static constexpr sym compose(complex_value auto z) { return z.im; }
};
/// re - im i
struct conj {
  using composition = void;
  static constexpr op_info info{.name = "conj"};
  static constexpr sym compose(real_value auto x) { return x; }
  static constexpr complex_sym compose(complex_value auto z) { return {z.re, -z.im}; }
};
/// atan2(im, re); for real x 0, pi where x < 0
struct angle {
  using composition = void;
  static constexpr op_info info{.name = "angle"};
  static constexpr sym compose(real_value auto x) {
    auto f = floating(x);
    return where(isnan(f), f, where(f < 0, 3.141592653589793, 0));
  }
  static constexpr sym compose(complex_value auto z) { return atan2(z.im, z.re); }
};
/// re + im i
struct complex {
  using composition = void;
  using complex_result = void;
  static constexpr op_info info{.name = "complex"};
  static constexpr complex_sym compose(real_value auto re, real_value auto im) { return complex_of_parts(re, im); }
};
/// r cos a + r sin a i
struct polar {
  using composition = void;
  using complex_result = void;
  static constexpr op_info info{.name = "polar"};
  static constexpr complex_sym compose(real_value auto r, real_value auto a) { return complex_of_parts(r * cos(a), r * sin(a)); }
};
/// z / |z|, 0 where z is 0; for real x its sign
struct sgn {
  using composition = void;
  static constexpr op_info info{.name = "sgn"};
  static constexpr sym compose(real_value auto x) { return sign(x); }
  static constexpr complex_sym compose(complex_value auto z) {
    auto r = abs(z), n = where(r == 0, 1, r);
    return {where(r == 0, 0, z.re / n), where(r == 0, 0, z.im / n)};
  }
};

}  // namespace composed

/// An expression that is not a tensor or a variable: of those, real and imag are views (tensor/complex.hpp).
template <class X>
concept unnamed = expression<X> && !requires { typename detail::bare<X>::handle_type; };

/// The real part. https://pytorch.org/docs/stable/generated/torch.real.html
template <unnamed X> constexpr applied<composed::real, X> real(X&& x) { return apply<composed::real>(static_cast<X&&>(x)); }
/// The imaginary part of a complex value. https://pytorch.org/docs/stable/generated/torch.imag.html
template <unnamed X> constexpr applied<composed::imag, X> imag(X&& x) { return apply<composed::imag>(static_cast<X&&>(x)); }
/// The complex conjugate, re - im i. https://pytorch.org/docs/stable/generated/torch.conj.html
template <expression X> constexpr applied<composed::conj, X> conj(X&& x) { return apply<composed::conj>(static_cast<X&&>(x)); }
/// The angle in radians, in [-pi, pi]. https://pytorch.org/docs/stable/generated/torch.angle.html
template <expression X> constexpr applied<composed::angle, X> angle(X&& x) { return apply<composed::angle>(static_cast<X&&>(x)); }
/// z / |z|, 0 at 0; the sign of real x. https://pytorch.org/docs/stable/generated/torch.sgn.html
template <expression X> constexpr applied<composed::sgn, X> sgn(X&& x) { return apply<composed::sgn>(static_cast<X&&>(x)); }
/// re + im i of real values that broadcast. https://pytorch.org/docs/stable/generated/torch.complex.html
template <class A, class B> requires operands<A, B> constexpr applied<composed::complex, A, B> complex(A&& re, B&& im) {
  return apply<composed::complex>(static_cast<A&&>(re), static_cast<B&&>(im));
}
/// r (cos a + i sin a). https://pytorch.org/docs/stable/generated/torch.polar.html
template <class A, class B> requires operands<A, B> constexpr applied<composed::polar, A, B> polar(A&& r, B&& a) {
  return apply<composed::polar>(static_cast<A&&>(r), static_cast<B&&>(a));
}

namespace detail::inline SINTER_TARGET {
/// i z
constexpr complex_sym times_i(complex_value auto z) { return {-z.im, z.re}; }
/// -i z
constexpr complex_sym over_i(complex_value auto z) { return {z.im, -z.re}; }
/// Is the sign bit of x set? -0 counts as negative: which side of a branch cut it is.
constexpr sym is_negative(real_value auto x) { return where(x == 0, 1 / x, x) < 0; }
/// sqrt(1 - z), sqrt(1 + z): what the inverse functions are made of.
constexpr complex_sym root_below(complex_value auto z) { return sqrt(decltype(z){1 - z.re, -z.im}); }
constexpr complex_sym root_above(complex_value auto z) { return sqrt(decltype(z){1 + z.re, z.im}); }
/// r times a sine or cosine f; 0 where f is, also for an r too large for a number.
constexpr sym modulate(real_value auto r, real_value auto f) { return where(isinf(r) & (f == 0), f, r * f); }
}  // namespace detail::inline SINTER_TARGET

// --- arithmetic ----------------------------------------------------------------------------------------------------------

#define SINTER_BY_PARTS(name)                                                                                                     \
  template <> struct complex_form<op::name> {                                                                                     \
    static constexpr complex_sym of(complex_value auto a, complex_value auto b) { return {name(a.re, b.re), name(a.im, b.im)}; }  \
    static constexpr complex_sym of(real_value auto a, complex_value auto b) {                                                    \
      auto re = name(a, b.re), im = name(0, b.im);                                                                                \
      return {re, rank_of(a) ? expand_as(im, re) : im};                                                                           \
    }                                                                                                                             \
    static constexpr complex_sym of(complex_value auto a, real_value auto b) {                                                    \
      auto re = name(a.re, b);                                                                                                    \
      return {re, rank_of(b) ? expand_as(a.im, re) : a.im};                                                                       \
    }                                                                                                                             \
  };
SINTER_BY_PARTS(add)
SINTER_BY_PARTS(sub)
#undef SINTER_BY_PARTS
template <> struct complex_form<op::mul> {
  static constexpr complex_sym of(auto a, auto b) {
    return detail::multiply_parts(a, b, [](auto x, auto y) { return x * y; });
  }
};
template <> struct complex_form<op::div> {
  static constexpr complex_sym of(complex_value auto a, real_value auto b) { return {a.re / b, a.im / b}; }
  static constexpr complex_sym of(complex_value auto a, complex_value auto b) {
    auto d = scaled(b);
    auto re = a.re / d.by, im = a.im / d.by;
    return where(d.by == 0, complex_sym{re, im}, complex_sym{(re * d.z.re + im * d.z.im) / d.norm, (im * d.z.re - re * d.z.im) / d.norm});
  }
  static constexpr complex_sym of(real_value auto a, complex_value auto b) {
    auto d = scaled(b);
    auto x = a / d.by;
    return where(d.by == 0, complex_sym{x, 0 * x}, complex_sym{x * d.z.re / d.norm, -(x * d.z.im) / d.norm});
  }

 private:
  struct divisor {
    sym by;
    complex_sym z;
    sym norm;
  };
  /// b = by z with |z|^2 = norm in [1, 2], for infinite b too: b's own square may overflow. z is 1 where b is 0.
  static constexpr divisor scaled(complex_value auto b) {
    auto by = detach(maximum(abs(b.re), abs(b.im)));
    auto part = [=](auto x, int of_zero) { return where(isinf(x), sign(x), where(by == 0, of_zero, x / where(by == 0, 1, by))); };
    decltype(b) z{part(b.re, 1), part(b.im, 0)};  // a type of the template: clang would take z.re * z.re up where it stands
    return {by, z, z.re * z.re + z.im * z.im};
  }
};
template <> struct complex_form<op::neg> {
  static constexpr complex_sym of(complex_value auto z) { return {-z.re, -z.im}; }
};
template <> struct complex_form<op::abs> {  // the gradient at 0 is 0, as in PyTorch
  static constexpr sym of(complex_value auto z) {
    auto zero = (z.re == 0) & (z.im == 0);
    return where(zero, 0, hypot(where(zero, 1, z.re), z.im));
  }
};
template <> struct complex_form<op::square> {
  static constexpr complex_sym of(complex_value auto z) { return z * z; }
};
template <> struct complex_form<op::reciprocal> {
  static constexpr complex_sym of(complex_value auto z) { return 1 / z; }
};
template <> struct complex_form<op::fma> {
  static constexpr complex_sym of(auto a, auto b, auto c) { return a * b + c; }
};
template <> struct complex_form<op::detach> {
  static constexpr complex_sym of(complex_value auto z) { return {detach(z.re), detach(z.im)}; }
};

// --- comparisons ---------------------------------------------------------------------------------------------------------

template <> struct complex_form<op::eq> {
  static constexpr sym of(complex_value auto a, complex_value auto b) { return (a.re == b.re) & (a.im == b.im); }
  static constexpr sym of(real_value auto a, complex_value auto b) { return (a == b.re) & (b.im == 0); }
  static constexpr sym of(complex_value auto a, real_value auto b) { return of(b, a); }
};
template <> struct complex_form<op::ne> {
  static constexpr sym of(auto a, auto b) { return !complex_form<op::eq>::of(a, b); }
};
template <> struct complex_form<op::where> {
  static constexpr complex_sym of(real_value auto c, complex_value auto a, complex_value auto b) { return {where(c, a.re, b.re), where(c, a.im, b.im)}; }
  static constexpr complex_sym of(real_value auto c, real_value auto a, complex_value auto b) { return level(where(c, a, b.re), where(c, 0, b.im), rank_of(a)); }
  static constexpr complex_sym of(real_value auto c, complex_value auto a, real_value auto b) { return level(where(c, a.re, b), where(c, a.im, 0), rank_of(b)); }

 private:
  static constexpr complex_sym level(real_value auto re, real_value auto im, int rank) { return {re, rank ? expand_as(im, re) : im}; }
};
template <> struct complex_form<op::isnan> {
  static constexpr sym of(complex_value auto z) { return isnan(z.re) | isnan(z.im); }
};
template <> struct complex_form<op::isinf> {
  static constexpr sym of(complex_value auto z) { return isinf(z.re) | isinf(z.im); }
};
template <> struct complex_form<op::isfinite> {
  static constexpr sym of(complex_value auto z) { return isfinite(z.re) & isfinite(z.im); }
};
template <> struct complex_form<op::logical_not> {
  static constexpr sym of(complex_value auto z) { return z == 0; }
};
template <> struct complex_form<op::logical_and> {
  static constexpr sym of(auto a, auto b) { return (a != 0) & (b != 0); }
};
template <> struct complex_form<op::logical_or> {
  static constexpr sym of(auto a, auto b) { return (a != 0) | (b != 0); }
};
template <> struct complex_form<op::logical_xor> {
  static constexpr sym of(auto a, auto b) { return (a != 0) ^ (b != 0); }
};

// --- exp, log, powers ----------------------------------------------------------------------------------------------------

template <> struct complex_form<op::exp> {
  static constexpr complex_sym of(complex_value auto z) {
    auto r = exp(z.re);
    return {detail::modulate(r, cos(z.im)), detail::modulate(r, sin(z.im))};
  }
};
template <> struct complex_form<op::log> {
  static constexpr complex_sym of(complex_value auto z) {
    auto r = hypot(z.re, z.im);
    // near 1 from |z|^2 - 1, whose larger square goes as (a - 1)(a + 1)
    auto near = (r > 0.7) & (r < 1.4);
    auto wide = abs(z.re) >= abs(z.im);
    auto beyond = where(wide, (z.re - 1) * (z.re + 1) + z.im * z.im, (z.im - 1) * (z.im + 1) + z.re * z.re);
    auto large = isinf(r);  // as a number, that is
    auto far = log(where(large, hypot(0.25 * z.re, 0.25 * z.im), r)) + where(large, 1.3862943611198906, 0);
    return {where(near, 0.5 * log1p(where(near, beyond, 0)), far), atan2(z.im, z.re)};
  }
};
template <> struct complex_form<op::exp2> {
  static constexpr complex_sym of(complex_value auto z) { return exp(z * 0.6931471805599453); }
};
template <> struct complex_form<op::log2> {
  static constexpr complex_sym of(complex_value auto z) { return log(z) / 0.6931471805599453; }
};
template <> struct complex_form<op::log10> {
  static constexpr complex_sym of(complex_value auto z) { return log(z) / 2.302585092994046; }
};
template <> struct complex_form<op::expm1> {  // e^x cos y - 1 = (e^x - 1) cos y - 2 sin^2(y/2)
  static constexpr complex_sym of(complex_value auto z) {
    auto s = sin(0.5 * z.im);
    return {expm1(z.re) * cos(z.im) - 2 * s * s, detail::modulate(exp(z.re), sin(z.im))};
  }
};
template <> struct complex_form<op::log1p> {  // near 0 |1 + z|^2 - 1 = x (2 + x) + y^2
  static constexpr complex_sym of(complex_value auto z) {
    auto x = z.re + 1;
    auto near = (abs(z.re) < 0.5) & (abs(z.im) < 0.5);
    auto small = 0.5 * log1p(where(near, z.re * (2 + z.re) + z.im * z.im, 0));
    return {where(near, small, log(hypot(where(near, 1, x), z.im))), atan2(z.im, x)};
  }
};
template <> struct complex_form<op::sqrt> {  // from the half whose square does not cancel; never from |x|, which has no slope at 0
  static constexpr complex_sym of(complex_value auto z) {
    auto right = z.re >= 0;
    auto zero = (z.re == 0) & (z.im == 0);
    auto r = hypot(where(zero, 1, z.re), z.im);
    auto t = where(zero, sqrt(where(zero, z.re, 1)), sqrt(0.5 * r + 0.5 * where(right, z.re, -z.re)));
    auto u = where(zero, z.im, z.im / (2 * where(zero, 1, t)));
    return {where(right, t, where(detail::is_negative(z.im), -u, u)), where(right, u, where(detail::is_negative(z.im), -t, t))};
  }
};
template <> struct complex_form<op::rsqrt> {
  static constexpr complex_sym of(complex_value auto z) { return 1 / sqrt(z); }
};
template <> struct complex_form<op::pow> {  // e^(b log a); 0^0 = 1, 0^b = 0; small whole powers as products
  static constexpr complex_sym of(auto a, auto b) {
    auto zero = a == 0;
    auto l = log(where(zero, 1, as_complex(a)));
    auto general = where(zero, where(b == 0, 1, as_complex(0 * b)), exp(b * l));
    if constexpr (complex_value<decltype(b)>) return general;
    else return where(b == 1, a, where(b == 2, a * a, where(b == 3, a * a * a, general)));  // exact
  }

 private:
  static constexpr complex_sym as_complex(complex_value auto z) { return z; }
  static constexpr complex_sym as_complex(real_value auto x) { return {x, rank_of(x) ? zero_as(x) : x.g->literal(0, x.g->at(x.id).type)}; }
};

// --- trigonometric and hyperbolic ----------------------------------------------------------------------------------------

template <> struct complex_form<op::sinh> {
  static constexpr complex_sym of(complex_value auto z) { return {detail::modulate(sinh(z.re), cos(z.im)), detail::modulate(cosh(z.re), sin(z.im))}; }
};
template <> struct complex_form<op::cosh> {
  static constexpr complex_sym of(complex_value auto z) { return {detail::modulate(cosh(z.re), cos(z.im)), detail::modulate(sinh(z.re), sin(z.im))}; }
};
template <> struct complex_form<op::tanh> {  // (T + i s c (1 - T^2)) / (c^2 + T^2 s^2) with T = tanh x, s = sin y, c = cos y
  static constexpr complex_sym of(complex_value auto z) {
    auto t = tanh(z.re), s = sin(z.im), c = cos(z.im);
    auto n = c * c + t * t * s * s;
    return {t / n, s * c * (1 - t) * (1 + t) / n};
  }
};
template <> struct complex_form<op::sigmoid> {  // by the one of e^z, e^-z that is small
  static constexpr complex_sym of(complex_value auto z) {
    auto left = z.re < 0;
    auto e = exp(where(left, z, -z));
    return where(left, e, 1) / (1 + e);
  }
};
template <> struct complex_form<op::asinh> {
  static constexpr complex_sym of(complex_value auto z) {
    auto a = detail::root_above(detail::times_i(z)), b = detail::root_below(detail::times_i(z));  // sqrt(1 + iz), sqrt(1 - iz)
    return {asinh((a * conj(b)).im), atan2(z.im, (a * b).re)};
  }
};
template <> struct complex_form<op::acosh> {
  static constexpr complex_sym of(complex_value auto z) {
    auto a = sqrt(decltype(z){z.re - 1, z.im}), b = detail::root_above(z);
    return {asinh((conj(a) * b).re), 2 * atan2(a.im, b.re)};
  }
};
template <> struct complex_form<op::atanh> {
  static constexpr complex_sym of(complex_value auto z) {
    auto left = z.re < 0;
    auto x = where(left, -z.re, z.re), y = z.im, below = 1 - x;
    auto re = 0.25 * log1p(4 * x / (below * below + y * y));
    return {where(left, -re, re), 0.5 * atan2(2 * y, below * (1 + x) - y * y)};
  }
};
template <> struct complex_form<op::sin> {
  static constexpr complex_sym of(complex_value auto z) { return detail::over_i(sinh(detail::times_i(z))); }
};
template <> struct complex_form<op::cos> {
  static constexpr complex_sym of(complex_value auto z) { return cosh(detail::times_i(z)); }
};
template <> struct complex_form<op::tan> {
  static constexpr complex_sym of(complex_value auto z) { return detail::over_i(tanh(detail::times_i(z))); }
};
template <> struct complex_form<op::asin> {
  static constexpr complex_sym of(complex_value auto z) { return detail::over_i(asinh(detail::times_i(z))); }
};
template <> struct complex_form<op::acos> {
  static constexpr complex_sym of(complex_value auto z) {
    auto a = detail::root_below(z), b = detail::root_above(z);
    return {2 * atan2(a.re, b.re), asinh((conj(b) * a).im)};
  }
};
template <> struct complex_form<op::atan> {
  static constexpr complex_sym of(complex_value auto z) { return detail::over_i(atanh(detail::times_i(z))); }
};

// --- reductions ----------------------------------------------------------------------------------------------------------

template <> struct complex_form<op::sum> {
  static constexpr complex_sym of(complex_value auto z, axes d) { return {reduce_sym<op::sum>(z.re, d), reduce_sym<op::sum>(z.im, d)}; }
};

}  // namespace sinter::inline v0
