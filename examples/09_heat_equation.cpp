// SPDX-License-Identifier: BSD-3-Clause
// Chapter 9: gradients through a simulation. Heat spreads over a plate whose conductivity nobody knows; what is known is the
// temperature before and after. The simulation is a loop inside one program, and so is the way back through all its time steps:
// the gradient of the misfit finds the conductivity.
//
//     u_t = div(k(x, y) grad u),  no heat passes the border
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

using field = st::variable<double, st::rank<2>>;   // a number at every point of the plate
using fields = st::tensor<double, st::rank<3>>;    // of several experiments
constexpr int64 side = 32, steps = 40, experiments = 6;
constexpr double dt = 0.2;  // points are 1 apart: stable for k below 1 / (4 dt)

/// f(experiment, x, y) at all points, x and y from 0 to 1.
template <class F> auto at_points(int64 count, F f) {
  const auto t = st::empty<double>({count, side, side});
  for (int64 e = 0; e < count; ++e)
    for (int64 i = 0; i < side; ++i)
      for (int64 j = 0; j < side; ++j) t(e, i, j) = f(static_cast<double>(e), (static_cast<double>(i) + 0.5) / side, (static_cast<double>(j) + 0.5) / side);
  return t;
}
const auto has_right = at_points(1, [](double, double, double y) { return y < 1 - 1.0 / side ? 1.0 : 0.0; })(0);
const auto has_below = at_points(1, [](double, double x, double) { return x < 1 - 1.0 / side ? 1.0 : 0.0; })(0);

/// The temperatures u after so many explicit steps over a plate of conductivity k. Points conduct to their neighbours on the right and
/// below by the mean of both, and not across the border; what flows leaves one point and enters the other.
constexpr st::fn<[](auto u, auto k, auto right_of_it, auto below_it, auto count) {
  const auto to_right = (k + roll(k, -1, 1)) * right_of_it / 2, to_below = (k + roll(k, -1, 0)) * below_it / 2;
  return st::scan([=](auto v, auto) {
    const auto right = to_right * (roll(v, -1, 2) - v), below = to_below * (roll(v, -1, 1) - v);
    return v + dt * (right - roll(right, 1, 2) + below - roll(below, 1, 1));
  }, u, count);
}> diffuse;
auto simulate(const fields& u, const auto& k) { return diffuse(u, k, has_right, has_below, st::steps(steps)); }

int main() {
  std::puts("-- The experiments: waves of heat in several directions, and what became of them");
  constexpr double pi = 3.14159265358979323846;
  const auto truth = at_points(1, [](double, double x, double y) { return 0.6 + 0.3 * std::sin(2 * pi * x) * std::cos(1.5 * pi * y); })(0);
  const auto start = at_points(experiments, [](double e, double x, double y) {
    const double angle = pi * e / experiments;
    return std::cos(5 * pi * (x * std::cos(angle) + y * std::sin(angle)) + e);
  });
  const fields observed = simulate(start, truth);
  double heat = 0;
  for (int64 i = 0; i < start.numel(); ++i) heat += observed.data()[i] - start.data()[i];
  check(std::abs(heat) < 1e-9, "no heat was lost");

  std::puts("\n-- The misfit and its gradient by the logarithm of k, which keeps k positive");
  const field log_k = st::full<double>({side, side}, std::log(0.6));
  const auto misfit = [&] { return st::variable(st::mean(st::square(simulate(start, st::exp(log_k)) - observed))); };
  misfit().backward();
  const auto by_differences = [&](int64 i, int64 j) {
    st::no_grad guard;
    double& p = log_k.data()[i * side + j];
    const double was = p, h = 1e-4;
    p = was + h;
    const double high = misfit().item();
    p = was - h;
    const double low = misfit().item();
    p = was;
    return (high - low) / (2 * h);
  };
  double apart = 0, size = 0;
  for (const auto& [i, j] : {std::pair<int64, int64>(0, 0), {8, 3}, {15, 16}, {24, 31}, {31, 31}}) {
    apart = std::max(apart, std::abs(log_k.grad()(i, j) - by_differences(i, j)));
    size = std::max(size, std::abs(log_k.grad()(i, j)));
  }
  std::printf("  at five points: largest %.3g, differences of misfits within %.1g\n", size, apart);
  check(apart < 1e-5 * size, "the gradient through 40 steps is that of finite differences");

  std::puts("\n-- Finding the conductivity");
  const auto error = [&] {
    double largest = 0;
    for (int64 i = 0; i < side * side; ++i) largest = std::max(largest, std::abs(std::exp(log_k.data()[i]) / truth.data()[i] - 1));
    return largest;
  };
  const double first = error();
  st::parameter_list<double> parameters;
  parameters.add(log_k);
  constexpr int rounds = 150;
  st::optim::adam optimizer{parameters, {.lr = 0.05}};
  for (int round = 0; round <= rounds; ++round) {
    optimizer.options.lr = 0.05 * (1 + std::cos(pi * round / rounds)) / 2;
    optimizer.zero_grad();
    const auto loss = misfit();
    loss.backward();
    optimizer.step();
    if (round % 50 == 0) std::printf("  round %3d: misfit %.3g, largest error of k %.4f\n", round, loss.item(), error());
  }
  std::printf("  k is known within %.2g %% at all points, %.0f %% at first\n", 100 * error(), 100 * first);
  check(error() < 0.05, "the conductivity is found");
}
