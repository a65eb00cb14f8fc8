// SPDX-License-Identifier: BSD-3-Clause
// dropout as a function and as a module. Not here: the random bits (op/random.hpp). Next: sequential.hpp.
#pragma once
#include "../cpu/pack_random.hpp"
#include "../tensor/random.hpp"
#include "module.hpp"

namespace sinter::inline v0 {

namespace detail::inline SINTER_TARGET {
template <class X> using dropped = applied<composed::dropout, X, int64, double, int64, int64>;
template <class X> dropped<X> drop(X&& x, double p, uint64 key) {
  const int64 low = static_cast<int64>(key & 0xFFFFFFFFu), high = static_cast<int64>(key >> 32);
  const int64 threshold = static_cast<int64>(p * 4294967296.0);
  return apply<composed::dropout>(static_cast<X&&>(x), int64{threshold}, p < 1 ? 1 / (1 - p) : 0.0, int64{low}, int64{high});
}
}  // namespace detail::inline SINTER_TARGET

/// Each element becomes 0 with probability p, else x / (1 - p); with training = false x itself. The key is drawn here, so
/// the expression drops the same elements however often it is evaluated, and backward drops them, too; no mask is stored.
/// Throws error unless 0 <= p <= 1. https://pytorch.org/docs/stable/generated/torch.nn.functional.dropout.html
template <expression X>
detail::dropped<X> dropout(X&& x, double p = 0.5, bool training = true, generator& g = default_generator()) {
  if (!(p >= 0 && p <= 1)) fail<error>("dropout: probability ", p, " is not in [0, 1]");
  return detail::drop(static_cast<X&&>(x), training ? p : 0, training ? g.next_key() : 0);
}

namespace nn::inline SINTER_TARGET {

/// dropout while training, else nothing. https://arxiv.org/abs/1207.0580
struct dropout : module<dropout> {
  double p = 0.5;
  dropout() = default;
  explicit dropout(double probability) : p(probability) {}
  auto members() { return nn::members(); }
  template <expression X> auto forward(X&& x) const { return sinter::dropout(static_cast<X&&>(x), p, this->training); }
};

}  // namespace nn::inline SINTER_TARGET
}  // namespace sinter::inline v0
