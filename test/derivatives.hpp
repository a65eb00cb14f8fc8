// SPDX-License-Identifier: BSD-3-Clause
// First and second derivatives against finite differences, as checks that say where they fail.
#pragma once
#include <sinter/autograd/gradcheck.hpp>

#include "catch.hpp"

/// Checks f's derivatives at `inputs`: variables, a tuple of which f takes.
template <class F, class... V> void check_derivatives(F f, const std::tuple<V...>& inputs) {
  const auto first = sinter::gradcheck(f, inputs), second = sinter::gradgradcheck(f, inputs);
  INFO(first.text << second.text);
  CHECK(first.ok);
  CHECK(second.ok);
}
/// Of one variable, or at a tensor's values.
template <class F, class V> void check_derivatives(F f, const V& x) {
  if constexpr (sinter::tensor_like<V>) check_derivatives(f, std::tuple(sinter::variable(sinter::clone(x))));
  else check_derivatives(f, std::tuple(x));
}
