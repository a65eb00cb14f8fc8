// SPDX-License-Identifier: BSD-3-Clause
// Activations as modules, for sequential: each is its free function. Next: op/activation.hpp, sequential.hpp.
#pragma once
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
#undef SINTER_ACTIVATION

/// softmax along dim d, the last one by default.
struct softmax : module<softmax> {
  int dim = -1;
  softmax() = default;
  explicit softmax(int d) : dim(d) {}
  auto members() { return nn::members(); }
  template <expression X> auto forward(X&& x) const { return sinter::softmax(static_cast<X&&>(x), dim); }
};

}  // namespace sinter::inline v0::nn::inline SINTER_TARGET
