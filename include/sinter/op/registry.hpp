// SPDX-License-Identifier: BSD-3-Clause
// All primitive ops of the library, by family, for tests and tables that go through them. An op is added in one place,
// its struct; its name here makes the tests reach it. Compositions need no entry: they are made of these.
#pragma once
#include "activation.hpp"
#include "logical.hpp"
#include "reduction.hpp"
#include "rounding.hpp"
#include "special.hpp"
#include "trigonometric.hpp"

namespace sinter::inline v0 {

/// A list of types.
template <class... T> struct type_list { static constexpr int size = sizeof...(T); };

/// Element-wise ops of one operand.
using unary_ops =
    type_list<op::neg, op::abs, op::exp, op::exp2, op::expm1, op::log, op::log2, op::log10, op::log1p, op::sqrt, op::rsqrt, op::square, op::reciprocal,
              op::sin, op::cos, op::tan, op::asin, op::acos, op::atan, op::sinh, op::cosh, op::tanh, op::asinh, op::acosh, op::atanh, op::erf, op::erfc,
              op::sigmoid, op::relu, op::sign, op::floor, op::ceil, op::round, op::trunc, op::frac, op::logical_not, op::isnan, op::isinf,
              op::isfinite, op::detach>;
/// Element-wise ops of two operands.
using binary_ops = type_list<op::add, op::sub, op::mul, op::div, op::maximum, op::minimum, op::clamp_min, op::clamp_max, op::pow, op::hypot, op::atan2,
                             op::fmod, op::remainder, op::eq, op::ne, op::lt, op::le, op::gt, op::ge, op::logical_and, op::logical_or, op::logical_xor>;
/// Element-wise ops of three operands.
using ternary_ops = type_list<op::where, op::clamp, op::fma>;
/// Element-wise ops of integers and bool.
using bitwise_ops = type_list<op::bitwise_and, op::bitwise_or, op::bitwise_xor, op::bitwise_not>;
/// Reductions.
using reduction_ops = type_list<op::sum, op::prod, op::max, op::min, op::amax, op::amin, op::max_of_all, op::min_of_all, op::argmax, op::argmin>;

/// f.operator()<Op>() for every op of a list.
template <class... Op, class F> constexpr void for_each_op(type_list<Op...>, F f) { (f.template operator()<Op>(), ...); }

}  // namespace sinter::inline v0
