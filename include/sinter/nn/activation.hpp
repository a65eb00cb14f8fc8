// SPDX-License-Identifier: BSD-3-Clause
// Activations as modules, for sequential: each is its free function. Next: op/activation.hpp, sequential.hpp.
#pragma once
#include "../autograd/views.hpp"
#include "../op/activation.hpp"
#include "../op/normalization.hpp"
#include "module.hpp"

namespace sinter::inline v0::nn::inline SINTER_TARGET {

#define SINTER_ACTIVATION(name)                                                                        \
  /** `sinter::name(x)`, element by element. */                                                        \
  struct name : module<name> {                                                                         \
    template <expression X> auto forward(X&& x) const { return sinter::name(static_cast<X&&>(x)); }    \
  };
SINTER_ACTIVATION(relu)
SINTER_ACTIVATION(tanh)
SINTER_ACTIVATION(sigmoid)
SINTER_ACTIVATION(gelu)
SINTER_ACTIVATION(silu)
SINTER_ACTIVATION(mish)
SINTER_ACTIVATION(selu)
SINTER_ACTIVATION(logsigmoid)
SINTER_ACTIVATION(relu6)
SINTER_ACTIVATION(hardsigmoid)
SINTER_ACTIVATION(hardswish)
SINTER_ACTIVATION(softsign)
#undef SINTER_ACTIVATION

/// gelu in its tanh form.
struct gelu_tanh : module<gelu_tanh> {
  template <expression X> auto forward(X&& x) const { return sinter::gelu(static_cast<X&&>(x), approximate_tanh); }
};

// Activations with one or two numbers, PyTorch's defaults.
#define SINTER_ACTIVATION1(name, number, standard)                                                                 \
  struct name : module<name> {                                                                                     \
    double number = standard;                                                                                      \
    name() = default;                                                                                              \
    explicit name(double v) : number(v) {}                                                                         \
    auto members() { return nn::members(); }                                                                       \
    template <expression X> auto forward(X&& x) const { return sinter::name(static_cast<X&&>(x), number); }        \
  };
#define SINTER_ACTIVATION2(name, first, first_standard, second, second_standard)                                   \
  struct name : module<name> {                                                                                     \
    double first = first_standard, second = second_standard;                                                       \
    name() = default;                                                                                              \
    name(double a, double b) : first(a), second(b) {}                                                              \
    auto members() { return nn::members(); }                                                                       \
    template <expression X> auto forward(X&& x) const { return sinter::name(static_cast<X&&>(x), first, second); } \
  };
SINTER_ACTIVATION1(leaky_relu, negative_slope, 0.01)
SINTER_ACTIVATION1(elu, alpha, 1)
SINTER_ACTIVATION1(celu, alpha, 1)
SINTER_ACTIVATION2(softplus, beta, 1, threshold, 20)
SINTER_ACTIVATION2(hardtanh, min_val, -1, max_val, 1)
#undef SINTER_ACTIVATION1
#undef SINTER_ACTIVATION2

/// x above 0, weight x below; the weight is trained, one number or one a channel. `prelu<C>`
template <int64 N = 1, class T = float> struct prelu : module<prelu<N, T>> {
  param<T, N> weight{full<T>(shape<N>, T(0.25)), true};
  auto members() { return nn::members("weight", weight); }
  template <expression X> auto forward(X&& x) const { return sinter::prelu(static_cast<X&&>(x), weight); }
};

/// log_softmax along dim d, the last one by default.
struct log_softmax : module<log_softmax> {
  int dim = -1;
  log_softmax() = default;
  explicit log_softmax(int d) : dim(d) {}
  auto members() { return nn::members(); }
  template <expression X> auto forward(X&& x) const { return sinter::log_softmax(static_cast<X&&>(x), dim); }
};
/// a sigmoid(b) for the halves of dim d, the last one by default.
struct glu : module<glu> {
  int dim = -1;
  glu() = default;
  explicit glu(int d) : dim(d) {}
  auto members() { return nn::members(); }
  template <expression X> auto forward(const X& x) const { return sinter::glu(x, dim); }
};
/// softmax along dim d, the last one by default.
struct softmax : module<softmax> {
  int dim = -1;
  softmax() = default;
  explicit softmax(int d) : dim(d) {}
  auto members() { return nn::members(); }
  template <expression X> auto forward(X&& x) const { return sinter::softmax(static_cast<X&&>(x), dim); }
};

}  // namespace sinter::inline v0::nn::inline SINTER_TARGET
