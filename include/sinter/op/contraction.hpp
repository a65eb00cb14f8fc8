// SPDX-License-Identifier: BSD-3-Clause
// Sums of products over shared dims: matmul. Its derivative is two more contractions (expr/adjoint.hpp).
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

}  // namespace composed

/// Matrix product as torch.matmul: [M, K] x [K, N]; vectors [K] count as a row on the left and a column on the right;
/// leading dims are batch dims, equal on both sides or only on one.
/// https://pytorch.org/docs/stable/generated/torch.matmul.html
template <expression A, expression B> constexpr applied<composed::matmul, A, B> matmul(A&& a, B&& b) {
  return apply<composed::matmul>(static_cast<A&&>(a), static_cast<B&&>(b));
}

}  // namespace sinter::inline v0
