// SPDX-License-Identifier: BSD-3-Clause
// An optimizer of two groups, and what a scheduler makes of their lrs.
#pragma once
#include <vector>

#include <sinter/sinter.hpp>

template <class T> auto two_group_list(const typename T::options_type& o) {
  using group = typename T::param_group;
  auto other = o;
  other.lr = 0.05;
  const sinter::variable<double, sinter::rank<1>> a{sinter::zeros<double>({1})}, b{sinter::zeros<double>({1})};
  return std::vector<group>{{sinter::parameter_list{a}}, {sinter::parameter_list{b}, other}};
}
/// Groups with an lr of 0.5 and of 0.05.
struct two_groups {
  sinter::optim::sgd<double> sgd{two_group_list<sinter::optim::sgd<double>>({.lr = 0.5, .momentum = 0.9}), {.lr = 0.5, .momentum = 0.9}};
};

/// True where get_last_lr() is `expected` (a row per group), from now on and step by step.
template <class Scheduler> bool follows(Scheduler& s, const std::vector<std::vector<double>>& expected) {
  for (std::size_t k = 0; k < expected[0].size(); ++k) {
    if (k) s.step();
    if (s.get_last_lr().size() != expected.size()) return false;
    for (std::size_t i = 0; i < expected.size(); ++i) {
      const double error = s.get_last_lr()[i] - expected[i][k];
      if (!(error < 1e-14 && error > -1e-14)) return false;
    }
  }
  return true;
}
