// SPDX-License-Identifier: BSD-3-Clause
// sinh, cosh and the inverse hyperbolic functions, made of exp and log1p. tanh is in pack_exp.hpp.
#pragma once
#include "pack_exp.hpp"

namespace sinter::inline v0 {
namespace detail::inline SINTER_TARGET {
/// log(x) + log 2, for x so large that x + 1 is x.
template <class T, int N> SINTER_INLINE pack<T, N> log_twice(pack<T, N> x) {
  if constexpr (has_tables) {
    table_log<T, N> l(x);
    return l.log(l.f(), l.e + T(1));
  } else {
    return log_by(x, [](auto f, auto e) { return log_sum(f, e + T(1), pack<T, N>(T(0))); });
  }
}
}  // namespace detail::inline SINTER_TARGET

/// sinh x = (t + t / (t + 1)) / 2 with t = e^|x| - 1; without tables from 1 on e^|x|/2 - 1 / (4 e^|x|/2). 3 ulp
template <class T, int N> SINTER_INLINE pack<T, N> sinh(pack<T, N> x) {
  if constexpr (N == 1) {
    return std::sinh(x.r);
  } else if constexpr (detail::has_tables) {
    auto a = abs(x);
    detail::exp_parts<T, N, true> p(detail::at_most(a, detail::single<T> ? 90 : 711));
    auto h = p.power2(-2), t = fma(h, p.rest, detail::exact(h - T(0.25))), u = detail::at_most(t, 1e30);  // a quarter: 2^n may overflow
    auto y = t + u / fma(u, T(4), T(1));
    return detail::keep_nan(x, select(a < T(1e-8), x, copysign(y + y, x)));
  } else {
    auto a = abs(x), t = expm1(detail::at_most(a, 1)), h = detail::half_exp(a);
    auto y = select(a < T(1), T(0.5) * (t + t / (t + T(1))), h - T(0.25) / h);
    return detail::keep_nan(x, copysign(y, x));
  }
}
/// cosh x = h + 1 / (4 h) with h = e^|x| / 2; 2 ulp
template <class T, int N> SINTER_INLINE pack<T, N> cosh(pack<T, N> x) {
  if constexpr (N == 1) {
    return std::cosh(x.r);
  } else {
    auto h = detail::half_exp(abs(x));
    return detail::keep_nan(x, h + T(0.25) / h);
  }
}
/// asinh x = log1p(|x| + x^2 / (1 + sqrt(1 + x^2))) with the sign of x; 3 ulp
template <class T, int N> SINTER_INLINE pack<T, N> asinh(pack<T, N> x) {
  if constexpr (N == 1) {
    return std::asinh(x.r);
  } else {
    auto a = abs(x), b = detail::at_most(a, 1e8), s = b * b;
    auto y = select(a > T(1e8), detail::log_twice(a), log1p(b + s / (T(1) + sqrt(s + T(1)))));
    return detail::keep_nan(x, copysign(y, x));
  }
}
/// acosh x = log1p(t + sqrt(t (t + 2))) with t = x - 1; NaN below 1. 3 ulp
template <class T, int N> SINTER_INLINE pack<T, N> acosh(pack<T, N> x) {
  if constexpr (N == 1) {
    return std::acosh(x.r);
  } else {
    auto t = detail::at_most(x, 1e8) - T(1);
    auto y = select(x > T(1e8), detail::log_twice(x), log1p(t + sqrt(t * (t + T(2)))));
    return select(x >= T(1), y, pack<T, N>(static_cast<T>(__builtin_nan(""))));
  }
}
/// atanh x = log1p(2 |x| / (1 - |x|)) / 2 with the sign of x; NaN beyond 1. 3 ulp
template <class T, int N> SINTER_INLINE pack<T, N> atanh(pack<T, N> x) {
  if constexpr (N == 1) {
    return std::atanh(x.r);
  } else {
    auto a = abs(x), y = T(0.5) * log1p((a + a) / (T(1) - a));
    return select(a <= T(1), copysign(y, x), pack<T, N>(static_cast<T>(__builtin_nan(""))));
  }
}

}  // namespace sinter::inline v0
