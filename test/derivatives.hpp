// SPDX-License-Identifier: BSD-3-Clause
// First and second derivatives against finite differences, as checks that say where they fail.
#pragma once
#include <sinter/autograd/gradcheck.hpp>

#include "catch.hpp"

/// The expression x over variables, recorded as a run-time program: rules and values without a kernel being compiled for it.
template <class X> SINTER_HIDDEN auto recorded(const X& x) {
  namespace d = sinter::detail;
  using L = d::lowered<X>;
  using P = typename L::program;
  d::bound_operands<P> ops;
  d::bind<sinter::native>(x, ops);
  d::vec<d::any_variable> in;
  d::for_operands_of(x, [&](const auto& l, int i, d::element_part part) {
    in.push(d::any_variable(ops.leaves[i], d::block_of(l), d::dtype_of_leaf(l), d::slot_of(l), part));
  });
  d::vec<d::dims_slot> slots;
  for (int i = 0; i < ops.slot_count; ++i) slots.push(ops.slots[i]);
  d::shape_value any;
  any.rank = -1;
  return d::typed<typename L::value_type, typename L::extents_type>(d::record_value<sinter::native>(d::view_of<P>.restore(), in, slots, any));
}

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
/// The same of the expression f(inputs...) as a run-time program, where the op's rules are meant and not the kernels of their gradients.
template <class F, class... V> void check_rules(F f, const std::tuple<V...>& inputs) {
  check_derivatives([&](const auto&... x) { return recorded(f(x...)); }, inputs);
}
template <class F, class V> void check_rules(F f, const V& x) {
  check_derivatives([&](const auto& v) { return recorded(f(v)); }, x);
}
