// SPDX-License-Identifier: BSD-3-Clause
// All dims but the first as one: between convolutions and linear layers.
#pragma once
#include "../autograd/views.hpp"
#include "module.hpp"

namespace sinter::inline v0::nn::inline SINTER_TARGET {

/// [N, ...] as [N, the product of the others]. https://pytorch.org/docs/stable/generated/torch.nn.Flatten.html
struct flatten : module<flatten> {
  auto members() { return nn::members(); }
  template <expression X> auto forward(const X& x) const {
    if constexpr (sinter::detail::formula<X>) {
      return forward(sinter::eval(x));
    } else {
      static_assert(X::rank >= 1, "sinter: flatten needs a batch dim");
      int64 inner = 1;
      for (int d = 1; d < X::rank; ++d) inner *= x.sizes()[d];
      return reshape(x, index_list<2>(x.sizes()[0], inner));
    }
  }
};

}  // namespace sinter::inline v0::nn::inline SINTER_TARGET
