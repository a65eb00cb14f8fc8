// SPDX-License-Identifier: BSD-3-Clause
// Every unary op of the registry that has a complex form: values against std::complex<long double>, derivatives against finite
// differences.
#include "complex.hpp"

#include <sinter/op/registry.hpp>

#include <cmath>
#include <limits>

#include "../catch.hpp"
#include "../derivatives.hpp"

namespace st = sinter;
using st::int64;

namespace {

// What the ops are, by the standard library. An op with a complex form that is missing here does not compile.
template <class Op> wide expected(wide) = delete;
#define EXPECT_OP(name, value) \
  template <> wide expected<st::op::name>(wide z) { return value; }
EXPECT_OP(neg, -z)
EXPECT_OP(abs, std::abs(z))
EXPECT_OP(exp, std::exp(z))
EXPECT_OP(exp2, std::exp(z * std::log(2.0L)))
EXPECT_OP(expm1, (wide(std::expm1(z.real()) * std::cos(z.imag()) - 2 * std::pow(std::sin(z.imag() / 2), 2.0L), std::exp(z.real()) * std::sin(z.imag()))))
EXPECT_OP(log, std::log(z))
EXPECT_OP(log2, std::log(z) / std::log(2.0L))
EXPECT_OP(log10, std::log10(z))
EXPECT_OP(log1p, std::log(1.0L + z))
EXPECT_OP(sqrt, std::sqrt(z))
EXPECT_OP(rsqrt, 1.0L / std::sqrt(z))
EXPECT_OP(square, z* z)
EXPECT_OP(reciprocal, 1.0L / z)
EXPECT_OP(sin, std::sin(z))
EXPECT_OP(cos, std::cos(z))
EXPECT_OP(tan, std::tan(z))
EXPECT_OP(asin, std::asin(z))
EXPECT_OP(acos, std::acos(z))
EXPECT_OP(atan, std::atan(z))
EXPECT_OP(sinh, std::sinh(z))
EXPECT_OP(cosh, std::cosh(z))
EXPECT_OP(tanh, std::tanh(z))
EXPECT_OP(asinh, std::asinh(z))
EXPECT_OP(acosh, std::acosh(z))
EXPECT_OP(atanh, std::atanh(z))
EXPECT_OP(sigmoid, 1.0L / (1.0L + std::exp(-z)))
EXPECT_OP(detach, z)
#undef EXPECT_OP

/// Every pair of these as re + im i: all quadrants, axes, both sides of each branch cut, small and large.
template <class T> auto plane() {
  const T parts[] = {T(0), T(-0.0), T(1e-3), T(-1e-3), T(0.3), T(-0.3), T(0.75), T(-1), T(1), T(1.5), T(-2.5), T(9), T(-20), T(20)};
  constexpr int n = sizeof parts / sizeof parts[0];
  auto z = st::empty<st::complex_number<T>>({n * n});
  for (int i = 0; i < n * n; ++i) z(i) = {parts[i / n], parts[i % n]};
  return z;
}
template <class Op> constexpr bool numeric_form = st::detail::has_complex_form<Op> && Op::info.result != st::result_type::boolean;

/// Op over the plane within 16 eps of |f(z)|.
template <class Op, class T> void check_values() {
  INFO(Op::info.name);
  const st::tensor z = plane<T>();
  const st::tensor y = st::apply<Op>(z);
  double worst = 0;
  for (int64 i = 0; i < z.numel(); ++i) {
    const auto at = z(i);
    const wide want = expected<Op>(widen(at)), got = widen(y(i));
    if (!std::isfinite(std::abs(want))) continue;
    const auto size = std::max(std::abs(want), static_cast<long double>(std::numeric_limits<T>::min()));
    const double error = static_cast<double>(std::abs(got - want) / size / std::numeric_limits<T>::epsilon());
    if (!(error <= 16)) UNSCOPED_INFO("z = " << at.re << ", " << at.im << ": " << got << " instead of " << want << ", " << error << " eps");
    if (!(error <= worst)) worst = error;
  }
  CHECK(worst <= 16);
}

}  // namespace

TEST_CASE("every unary op with a complex form, over the plane and both sides of its branch cuts") {
  st::for_each_op(st::unary_ops{}, [&]<class Op>() {
    if constexpr (numeric_form<Op>) check_values<Op, double>();
  });
}
TEST_CASE("in float those that are not made of others") {
  st::for_each_op(st::type_list<st::op::exp, st::op::log, st::op::log1p, st::op::sqrt, st::op::reciprocal, st::op::tanh, st::op::asinh, st::op::atanh, st::op::sigmoid>{},
                  []<class Op>() { check_values<Op, float>(); });
}

TEST_CASE("every unary op's first and second derivatives") {
  st::variable z = smooth_points();
  st::for_each_op(st::unary_ops{}, [&]<class Op>() {
    if constexpr (numeric_form<Op> && !std::is_same_v<Op, st::op::detach>) {
      INFO(Op::info.name);
      const auto f = [](const auto& x) { return st::apply<Op>(x); };
      check_rules(f, z);
    }
  });
}
TEST_CASE("kernels of gradients: of parts one by one, of both, of a real result, of a division, of choices") {
  st::variable z = smooth_points();
  st::for_each_op(st::type_list<st::op::neg, st::op::abs, st::op::exp, st::op::reciprocal, st::op::sqrt>{}, [&]<class Op>() {
    INFO(Op::info.name);
    check_derivatives([](const auto& x) { return st::apply<Op>(x); }, z);
  });
}
