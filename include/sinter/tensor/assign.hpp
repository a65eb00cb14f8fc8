// SPDX-License-Identifier: BSD-3-Clause
// What makes tensors out of expressions: construction and its deduction, st::eval.
#pragma once
#include "evaluate.hpp"

namespace sinter::inline v0 {

template <class Op, class... A> tensor(const node<Op, A...>&)
    -> tensor<typename detail::lowered<node<Op, A...>>::value_type, typename detail::lowered<node<Op, A...>>::extents_type>;

template <class V, class E, class D> template <detail::formula X, class Arch> tensor<V, E, D>::tensor(const X& x)
    : tensor(detail::evaluate_tensor<X, Arch>(x)) {}

}  // namespace sinter::inline v0
