// SPDX-License-Identifier: BSD-3-Clause
// Losses: compositions with PyTorch's names and defaults (mean over all elements). Device-clean.
#pragma once
#include "normalization.hpp"

namespace sinter::inline v0 {
namespace composed {

/// mean((a - b)^2)
struct mse_loss {
  using composition = void;
  static constexpr op_info info{.name = "mse_loss"};
  static constexpr auto compose(auto a, auto b) {
    auto e = a - b;
    return squeeze(apply<mean>(e * e, all_axes(e)), all_axes(e));
  }
};
/// mean over rows of log sum_j exp(x_j) - x_target; target out of range contributes its logsumexp only
struct cross_entropy {
  using composition = void;
  static constexpr op_info info{.name = "cross_entropy"};
  static constexpr auto compose(auto x, auto target) {
    const axes d{2, 1};  // the classes are dim 1
    auto c = x - detach(reduce_sym<op::max>(x, d));
    auto lse = log(reduce_sym<op::sum>(exp(c), d));
    auto picked = reduce_sym<op::sum>(where(index_along(x, d) == unsqueeze(target, d), c, 0), d);
    auto row = lse - picked;
    return squeeze(apply<mean>(row, all_axes(row)), all_axes(row));
  }
};

}  // namespace composed

/// mean((a - b)^2) over all elements. https://pytorch.org/docs/stable/generated/torch.nn.functional.mse_loss.html
template <class A, class B> requires operands<A, B> constexpr applied<composed::mse_loss, A, B> mse_loss(A&& a, B&& b) {
  return apply<composed::mse_loss>(static_cast<A&&>(a), static_cast<B&&>(b));
}
/// Cross-entropy of logits x [N, C, ...] against int64 class numbers target [N, ...], mean over all rows.
/// https://pytorch.org/docs/stable/generated/torch.nn.functional.cross_entropy.html
template <expression X, expression T> constexpr applied<composed::cross_entropy, X, T> cross_entropy(X&& logits, T&& target) {
  return apply<composed::cross_entropy>(static_cast<X&&>(logits), static_cast<T&&>(target));
}

}  // namespace sinter::inline v0
