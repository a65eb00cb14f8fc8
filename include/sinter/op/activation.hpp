// SPDX-License-Identifier: BSD-3-Clause
// Activations: relu as a struct, gelu and silu as compositions. Device-clean. Next: op/normalization.hpp.
#pragma once
#include "exponential.hpp"

namespace sinter::inline v0 {
namespace op {

/// max(x, 0); a struct, because its gradient needs the result only
struct relu {
  static constexpr op_info info{.name = "relu", .integers = true};
  static constexpr auto value(lane auto x) {
    using math::select;
    decltype(x) zero(0);
    return select(x <= zero, zero, x);  // NaN stays NaN
  }
  static constexpr auto grad(auto dy, auto y, auto) { return sinter::where(y > 0, dy, 0); }
};

}  // namespace op

namespace composed {

/// x sigmoid(x)
struct silu {
  using composition = void;
  static constexpr op_info info{.name = "silu"};
  static constexpr auto compose(auto x) { return x * sigmoid(x); }
};

/// x Phi(x) with Phi the normal distribution function, in its tanh form:
/// x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) / 2. https://arxiv.org/abs/1606.08415
struct gelu {
  using composition = void;
  static constexpr op_info info{.name = "gelu"};
  static constexpr auto compose(auto x) {
    return 0.5 * x * (1 + tanh(0.7978845608028654 * (x + 0.044715 * x * x * x)));
  }
};

}  // namespace composed

/// max(x, 0)
template <expression X> constexpr applied<op::relu, X> relu(X&& x) { return apply<op::relu>(static_cast<X&&>(x)); }
/// x sigmoid(x)
template <expression X> constexpr applied<composed::silu, X> silu(X&& x) { return apply<composed::silu>(static_cast<X&&>(x)); }
/// GELU in its tanh form, PyTorch's `gelu(x, approximate="tanh")`.
template <expression X> constexpr applied<composed::gelu, X> gelu(X&& x) { return apply<composed::gelu>(static_cast<X&&>(x)); }

}  // namespace sinter::inline v0
