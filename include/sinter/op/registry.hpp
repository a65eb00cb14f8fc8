// SPDX-License-Identifier: BSD-3-Clause
// All primitive ops of the library, by family, for tests and tables that go through them. An op is added in one place,
// its struct; its name here makes the tests reach it. Compositions need no entry: they are made of these.
#pragma once
#include "activation.hpp"
#include "reduction.hpp"

namespace sinter::inline v0 {

/// A list of types.
template <class... T> struct type_list { static constexpr int size = sizeof...(T); };

/// Element-wise ops of one operand.
using unary_ops = type_list<op::neg, op::abs, op::exp, op::log, op::sqrt, op::rsqrt, op::tanh, op::sigmoid, op::relu, op::detach>;
/// Element-wise ops of two operands.
using binary_ops = type_list<op::add, op::sub, op::mul, op::div, op::maximum, op::minimum, op::pow, op::eq, op::ne, op::lt, op::le, op::gt, op::ge>;
/// Element-wise ops of three operands.
using ternary_ops = type_list<op::where>;
/// Reductions.
using reduction_ops = type_list<op::sum, op::max, op::argmax>;

/// f.operator()<Op>() for every op of a list.
template <class... Op, class F> constexpr void for_each_op(type_list<Op...>, F f) { (f.template operator()<Op>(), ...); }

}  // namespace sinter::inline v0
