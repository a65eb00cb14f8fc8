// SPDX-License-Identifier: BSD-3-Clause
// Activations: relu and softplus as structs, the others as compositions. Device-clean. Next: op/normalization.hpp.
#pragma once
#include "special.hpp"

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
/// log(1 + e^x) = max(x, 0) + log1p(e^-|x|); a struct, because the derivatives of these parts are not those of their sum at 0
struct softplus {
  static constexpr op_info info{.name = "softplus", .samples = {-9, 9}, .result = result_type::floating};
  static SINTER_INLINE constexpr auto value(lane auto x) {
    using math::abs, math::exp, math::log1p, math::select;
    decltype(x) zero(0);
    return select(x > zero, x, zero) + log1p(exp(-abs(x)));
  }
  static constexpr auto grad(auto dy, auto, auto x) { return dy * sinter::sigmoid(x); }
};
/// gelu's tanh form: x (1 + tanh(z)) / 2 = x / (1 + e^(-2z)), z = sqrt(2 / pi) (x + 0.044715 x^3); a struct, because one e^(2z) by
/// powers of 2 is half the work, and has no cancellation for x < 0
struct gelu_tanh {
  static constexpr op_info info{.name = "gelu_tanh", .result = result_type::floating};
  static SINTER_INLINE constexpr auto value(lane auto x) {
    using math::constant, math::exp2, math::fma;
    auto two_to = exp2(x * fma(x * x, constant(x, -0.10294323958002349), constant(x, -2.3022081981443252)));
    return x / (decltype(x)(1) + two_to);
  }
  static constexpr auto grad(auto dy, auto, auto x) {
    auto s = sinter::sigmoid(x * (1.5957691216057308 + 0.07135481627260025 * x * x));
    return dy * (s + x * (s * (1 - s)) * (1.5957691216057308 + 0.21406444881780076 * x * x));
  }
};

}  // namespace op

namespace composed {

/// x sigmoid(x)
struct silu {
  using composition = void;
  static constexpr op_info info{.name = "silu"};
  static constexpr auto compose(auto x) { return x * sigmoid(x); }
};
/// x Phi(x) with Phi the normal distribution function: x (1 + erf(x / sqrt 2)) / 2. https://arxiv.org/abs/1606.08415
struct gelu {
  using composition = void;
  static constexpr op_info info{.name = "gelu"};
  static constexpr auto compose(auto x) { return 0.5 * x * (1 + erf(x * 0.7071067811865476)); }
};
/// log(1 + e^(beta x)) / beta, and x where beta x > threshold
struct softplus {
  using composition = void;
  static constexpr op_info info{.name = "softplus"};
  static constexpr auto compose(auto x, auto beta, auto threshold) {
    auto z = x * beta;
    return where(z > threshold, x, apply<op::softplus>(z) / beta);
  }
};
/// log sigmoid(x) = -log(1 + e^-x)
struct logsigmoid {
  using composition = void;
  static constexpr op_info info{.name = "logsigmoid"};
  static constexpr auto compose(auto x) { return -apply<op::softplus>(-x); }
};
/// x tanh(log(1 + e^x)). https://arxiv.org/abs/1908.08681
struct mish {
  using composition = void;
  static constexpr op_info info{.name = "mish"};
  static constexpr auto compose(auto x) { return x * tanh(apply<op::softplus>(x)); }
};
/// x, or slope x below 0
struct leaky_relu {
  using composition = void;
  static constexpr op_info info{.name = "leaky_relu"};
  static constexpr auto compose(auto x, auto slope) { return where(x > 0, x, slope * x); }
};
/// x, or weight x below 0; the weight is one number or one for each place of dim 1
struct prelu {
  using composition = void;
  static constexpr op_info info{.name = "prelu"};
  static constexpr auto compose(auto x, auto weight) {
    return where(x > 0, x, per_channel(weight, x) * x);
  }
};
/// scale x, or scale alpha (e^x - 1) below 0
struct selu {
  using composition = void;
  static constexpr op_info info{.name = "selu"};
  static constexpr auto compose(auto x) {
    return 1.0507009873554805 * where(x > 0, x, 1.6732632423543772 * expm1(clamp_max(x, 0)));
  }
};
/// x, or alpha (e^x - 1) below 0
struct elu {
  using composition = void;
  static constexpr op_info info{.name = "elu"};
  static constexpr auto compose(auto x, auto alpha) { return where(x > 0, x, alpha * expm1(clamp_max(x, 0))); }
};
/// x, or alpha (e^(x / alpha) - 1) below 0
struct celu {
  using composition = void;
  static constexpr op_info info{.name = "celu"};
  static constexpr auto compose(auto x, auto alpha) { return where(x > 0, x, alpha * expm1(clamp_max(x, 0) / alpha)); }
};
/// x between low and high; its gradient at these is 0, unlike clamp's
struct hardtanh {
  using composition = void;
  static constexpr op_info info{.name = "hardtanh"};
  static constexpr auto compose(auto x, auto low, auto high) { return where(x <= low, low, where(x >= high, high, x)); }
};
/// x / 6 + 1/2 between 0 and 1
struct hardsigmoid {
  using composition = void;
  static constexpr op_info info{.name = "hardsigmoid"};
  static constexpr auto compose(auto x) { return where(x <= -3, 0, where(x >= 3, 1, x / 6 + 0.5)); }
};
/// x hardsigmoid(x). https://arxiv.org/abs/1905.02244
struct hardswish {
  using composition = void;
  static constexpr op_info info{.name = "hardswish"};
  static constexpr auto compose(auto x) { return where(x < -3, 0, where(x <= 3, x * (x + 3) / 6, x)); }
};
/// x / (1 + |x|)
struct softsign {
  using composition = void;
  static constexpr op_info info{.name = "softsign"};
  static constexpr auto compose(auto x) { return x / (1 + abs(x)); }
};

}  // namespace composed

/// max(x, 0)
SINTER_FUNCTION1(relu)

#define SINTER_ACTIVATION(name)                                                             \
  template <expression X> constexpr applied<composed::name, X> name(X&& x) { return apply<composed::name>(static_cast<X&&>(x)); }
/// x sigmoid(x)
SINTER_ACTIVATION(silu)
/// GELU with the error function, as PyTorch's default.
SINTER_ACTIVATION(gelu)
/// log sigmoid(x)
SINTER_ACTIVATION(logsigmoid)
/// x tanh(softplus(x))
SINTER_ACTIVATION(mish)
/// Self-normalising ELU. https://arxiv.org/abs/1706.02515
SINTER_ACTIVATION(selu)
/// max(0, min(1, x / 6 + 1 / 2))
SINTER_ACTIVATION(hardsigmoid)
/// x hardsigmoid(x)
SINTER_ACTIVATION(hardswish)
/// x / (1 + |x|)
SINTER_ACTIVATION(softsign)
#undef SINTER_ACTIVATION

/// `gelu(x, approximate_tanh)` is PyTorch's `gelu(x, approximate="tanh")`.
struct approximate_tanh_t {};
inline constexpr approximate_tanh_t approximate_tanh{};
/// GELU in its tanh form.
template <expression X> constexpr applied<op::gelu_tanh, X> gelu(X&& x, approximate_tanh_t) { return apply<op::gelu_tanh>(static_cast<X&&>(x)); }
/// log(1 + e^(beta x)) / beta, and x itself where beta x > threshold.
template <expression X> constexpr applied<composed::softplus, X, double, double> softplus(X&& x, double beta = 1, double threshold = 20) {
  return apply<composed::softplus>(static_cast<X&&>(x), double{beta}, double{threshold});
}
/// x above 0, negative_slope x below.
template <expression X> constexpr applied<composed::leaky_relu, X, double> leaky_relu(X&& x, double negative_slope = 0.01) {
  return apply<composed::leaky_relu>(static_cast<X&&>(x), double{negative_slope});
}
/// x above 0, weight x below; weight [1], or [C] for x [N, C, ...]. https://arxiv.org/abs/1502.01852
template <expression X, expression W> constexpr applied<composed::prelu, X, W> prelu(X&& x, W&& weight) {
  return apply<composed::prelu>(static_cast<X&&>(x), static_cast<W&&>(weight));
}
/// x above 0, alpha (e^x - 1) below.
template <expression X> constexpr applied<composed::elu, X, double> elu(X&& x, double alpha = 1) {
  return apply<composed::elu>(static_cast<X&&>(x), double{alpha});
}
/// x above 0, alpha (e^(x / alpha) - 1) below.
template <expression X> constexpr applied<composed::celu, X, double> celu(X&& x, double alpha = 1) {
  return apply<composed::celu>(static_cast<X&&>(x), double{alpha});
}
/// x between min_val and max_val.
template <expression X> constexpr applied<composed::hardtanh, X, double, double> hardtanh(X&& x, double min_val = -1, double max_val = 1) {
  return apply<composed::hardtanh>(static_cast<X&&>(x), double{min_val}, double{max_val});
}
/// x between 0 and 6.
template <expression X> constexpr applied<composed::hardtanh, X, double, double> relu6(X&& x) { return hardtanh(static_cast<X&&>(x), 0, 6); }

}  // namespace sinter::inline v0
