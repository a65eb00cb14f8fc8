// SPDX-License-Identifier: BSD-3-Clause
// Sums of products over shared dims: matmul, linear. Their derivatives are two more contractions (expr/adjoint.hpp).
#pragma once
#include "arithmetic.hpp"

namespace sinter::inline v0 {
namespace composed {

/// c_ij = sum_k a_ik b_kj
struct matmul {
  using composition = void;
  static constexpr op_info info{.name = "matmul"};
  static constexpr auto compose(auto a, auto b) { return contract_matmul(a, b); }
};

/// y_ij = sum_k x_ik w_jk + b_j
struct linear {
  using composition = void;
  static constexpr op_info info{.name = "linear"};
  static constexpr auto compose(auto x, auto w) { return contract_linear(x, w); }
  static constexpr auto compose(auto x, auto w, auto b) { return contract_linear(x, w) + b; }
};

}  // namespace composed

/// Matrix product as torch.matmul: [M, K] x [K, N]; vectors [K] count as a row on the left and a column on the right;
/// leading dims are batch dims, equal on both sides or only on one.
/// https://pytorch.org/docs/stable/generated/torch.matmul.html
template <expression A, expression B> constexpr applied<composed::matmul, A, B> matmul(A&& a, B&& b) {
  return apply<composed::matmul>(static_cast<A&&>(a), static_cast<B&&>(b));
}

/// x w^T + b for x [..., In], w [Out, In], b [Out]: one product, without a transposed copy of w.
/// https://pytorch.org/docs/stable/generated/torch.nn.functional.linear.html
template <expression X, expression W, expression B> constexpr applied<composed::linear, X, W, B> linear(X&& x, W&& weight, B&& bias) {
  return apply<composed::linear>(static_cast<X&&>(x), static_cast<W&&>(weight), static_cast<B&&>(bias));
}
/// The same without b.
template <expression X, expression W> constexpr applied<composed::linear, X, W> linear(X&& x, W&& weight) {
  return apply<composed::linear>(static_cast<X&&>(x), static_cast<W&&>(weight));
}

}  // namespace sinter::inline v0
