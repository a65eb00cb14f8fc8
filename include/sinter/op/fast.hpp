// SPDX-License-Identifier: BSD-3-Clause
// tanh, erf and what is made of them with errors of 1e-6 to 3e-6 instead of a few ulp: `st::fast::gelu(x)` where `st::gelu(x)` costs too
// much. About twice as fast without AVX-512, a third with it; there, float's sigmoid, silu and tanh form of gelu are the accurate ones.
// Derivatives are those of the accurate functions. Device-clean, not part of sinter.hpp.
#pragma once
#include "activation.hpp"

namespace sinter::inline v0 {
namespace op {

// Quotients of polynomials in z = x^2 with the smallest largest relative error, by weighted least squares in 120 bits.

/// tanh x within a relative error of 1.6e-6, nowhere beyond 1
struct fast_tanh {
  static constexpr op_info info{.name = "fast_tanh", .samples = {-9, 9}, .result = result_type::floating};
  static SINTER_INLINE constexpr auto value(lane auto x) {
    using math::fma, math::within;
    using L = decltype(x);
    auto a = within(x, 6.8f), z = a * a;
    auto p = fma(fma(fma(L(0.0280509965f), z, L(15.8019733f)), z, L(842.159182f)), z, L(6820.08561f));
    auto q = fma(fma(z + L(145.005023f), z, L(3115.48047f)), z, L(6820.09114f));
    return a * p / q;
  }
  static constexpr auto grad(auto dy, auto y, auto) { return dy * (1 - y * y); }
};
/// erf x within a relative error of 2.8e-6, nowhere beyond 1
struct fast_erf {
  static constexpr op_info info{.name = "fast_erf", .samples = {-3, 3}, .result = result_type::floating};
  static SINTER_INLINE constexpr auto value(lane auto x) {
    using math::fma, math::within;
    using L = decltype(x);
    auto a = within(x, 3.3f), z = a * a;
    auto p = fma(fma(fma(L(0.0804989782f), z, L(4.65774712f)), z, L(16.6972376f)), z, L(121.817707f));
    auto q = fma(fma(z + L(10.2491869f), z, L(50.7852533f)), z, L(107.958298f));
    return a * p / q;
  }
  static constexpr auto grad(auto dy, auto y, auto x) { return erf::grad(dy, y, x); }
};
/// (1 + tanh(x / 2)) / 2 within 8e-7
struct fast_sigmoid {
  static constexpr op_info info{.name = "fast_sigmoid", .samples = {-9, 9}, .result = result_type::floating};
  static SINTER_INLINE constexpr auto value(lane auto x) {
    using L = decltype(x);
    if constexpr (quick_exp<L>) return sigmoid::value(x);
    else return L(0.5f) + L(0.5f) * fast_tanh::value(L(0.5f) * x);
  }
  static constexpr auto grad(auto dy, auto y, auto x) { return sigmoid::grad(dy, y, x); }
};
/// x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) / 2 within 1e-6 |x|
struct fast_gelu_tanh {
  static constexpr op_info info{.name = "fast_gelu_tanh", .result = result_type::floating};
  static SINTER_INLINE constexpr auto value(lane auto x) {
    using math::fma;
    using L = decltype(x);
    if constexpr (quick_exp<L>) {
      return gelu_tanh::value(x);
    } else {
      auto half = L(0.5f) * x;
      return fma(half, fast_tanh::value(x * fma(x * x, L(0.035677408f), L(0.79788456f))), half);
    }
  }
  static constexpr auto grad(auto dy, auto y, auto x) { return gelu_tanh::grad(dy, y, x); }
};

}  // namespace op

namespace composed {
struct fast_silu {
  using composition = void;
  static constexpr op_info info{.name = "fast_silu"};
  static constexpr auto compose(auto x) { return x * apply<op::fast_sigmoid>(x); }
};
struct fast_gelu {
  using composition = void;
  static constexpr op_info info{.name = "fast_gelu"};
  static constexpr auto compose(auto x) {
    auto half = 0.5 * x;
    return half + half * apply<op::fast_erf>(x * 0.7071067811865476);
  }
};
}  // namespace composed

/// The same functions, less accurate and faster.
namespace fast {
/// Hyperbolic tangent; relative error 1.6e-6.
template <expression X> constexpr applied<op::fast_tanh, X> tanh(X&& x) { return apply<op::fast_tanh>(static_cast<X&&>(x)); }
/// The error function; relative error 2.8e-6.
template <expression X> constexpr applied<op::fast_erf, X> erf(X&& x) { return apply<op::fast_erf>(static_cast<X&&>(x)); }
/// 1 / (1 + e^-x); absolute error 8e-7.
template <expression X> constexpr applied<op::fast_sigmoid, X> sigmoid(X&& x) { return apply<op::fast_sigmoid>(static_cast<X&&>(x)); }
/// x sigmoid(x); error 9e-7 |x|.
template <expression X> constexpr applied<composed::fast_silu, X> silu(X&& x) { return apply<composed::fast_silu>(static_cast<X&&>(x)); }
/// GELU with the error function; error 1.5e-6 |x|.
template <expression X> constexpr applied<composed::fast_gelu, X> gelu(X&& x) { return apply<composed::fast_gelu>(static_cast<X&&>(x)); }
/// GELU in its tanh form; error 1e-6 |x|.
template <expression X> constexpr applied<op::fast_gelu_tanh, X> gelu(X&& x, approximate_tanh_t) { return apply<op::fast_gelu_tanh>(static_cast<X&&>(x)); }
}  // namespace fast

}  // namespace sinter::inline v0
