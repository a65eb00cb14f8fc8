// SPDX-License-Identifier: BSD-3-Clause
// Chapter 9: gradients through a simulation. Heat spreads over a plate whose conductivity nobody knows; what is known is the
// temperature afterwards. The gradient of a misfit through all time steps finds the conductivity:
//
//     u_t = div(k(x, y) grad u),  no heat through the border        k at the points, mean of two neighbours in between
//
// Before: 08_physics_informed.cpp.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <sinter/sinter.hpp>

namespace st = sinter;
using st::int64;

void check(bool right, const char* what) {
  std::printf("  %s %s\n", right ? "ok" : "WRONG", what);
  if (!right) std::exit(1);
}

using field = st::variable<double, st::rank<2>>;
constexpr int64 n = 32, steps = 40, experiments = 4;
constexpr double dt = 0.2;  // in units of the grid; stable for k below 1 / (4 dt)

/// The conductivity: positive whatever the parameters are.
field conductivity(const field& p) { return st::exp(p); }

/// Differences between neighbours along dim d, and their transpose: what flows into each point.
auto slope(const field& u, int d) { return st::narrow(u, d, 1, n - 1) - st::narrow(u, d, 0, n - 1); }

/// One explicit step.
field step(const field& u, const field& k) {
}
