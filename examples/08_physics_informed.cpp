// SPDX-License-Identifier: BSD-3-Clause
// Chapter 8: derivatives inside the loss. A network learns the solution of a boundary value problem from the equation
// alone, without a single value of the solution:
//
//     -u''(x) = pi^2 sin(pi x)  on (0, 1),   u(0) = u(1) = 0          solved by u(x) = sin(pi x)
//
// u'' is the network's second derivative by its input; training differentiates it a third time, by the parameters.
// https://doi.org/10.1016/j.jcp.2018.10.045
// Before: 07_op_table.cpp. Next: 09_heat_equation.cpp.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <sinter/sinter.hpp>

namespace st = sinter;
namespace nn = sinter::nn;

void check(bool right, const char* what) {
  std::printf("  %s %s\n", right ? "ok" : "WRONG", what);
  if (!right) std::exit(1);
}

constexpr double pi = 3.14159265358979323846;
using column = st::variable<double, st::rank<2>>;

/// The network, and what the boundary asks for: x (1 - x) n(x) is 0 at both ends whatever n is.
struct solution : nn::module<solution> {
  nn::linear<1, 24, double> first;
  nn::linear<24, 24, double> second;
  nn::linear<24, 1, double> last;

  auto members() { return nn::members("first", first, "second", second, "last", last); }
  auto forward(auto&& x) const { return x * (1 - x) * last(st::tanh(second(st::tanh(first(x))))); }
};

/// u at the points x: one statement, whoever asks.
column values(const solution& net, const column& x) { return net(x); }

/// u'' at the points x: rows of u do not see each other, so that the gradient of their sum is each one's own derivative.
column second_derivative(const solution& net, const column& x) {
  const auto derivative = [&](const column& y) { return st::grad(st::variable(st::sum(y)), x, {.create_graph = true}); };
  return derivative(derivative(values(net, x)));
}

/// The largest distance to sin(pi x) on a grid that training has not seen.
double error(const solution& net) {
  st::no_grad guard;
  const column x = st::reshape(st::linspace<double>(0, 1, 101), {101, 1});
  double largest = 0;
  const auto u = values(net, x).detach();
  for (st::int64 i = 0; i < u.numel(); ++i) largest = std::max(largest, std::abs(u(i, 0) - std::sin(pi * x.value()(i, 0))));
  return largest;
}

int main() {
  st::manual_seed(3);
  solution net;
  const auto points = st::reshape(st::linspace<double>(1.0 / 64, 63.0 / 64, 32), {32, 1});
  const st::tensor force = pi * pi * st::sin(pi * points);
  const column x = points;

  std::puts("-- The network's derivatives by its input");
  const column curvature = second_derivative(net, x);
  constexpr double h = 1e-3;
  const auto shifted = [&](double by) { return values(net, st::variable(st::tensor(x.value() + by))).detach(); };
  const auto before = shifted(-h), here = shifted(0), behind = shifted(h);
  double apart = 0;
  for (st::int64 i = 0; i < x.numel(); ++i)
    apart = std::max(apart, std::abs(curvature.value()(i, 0) - (before(i, 0) - 2 * here(i, 0) + behind(i, 0)) / (h * h)));
  check(apart < 1e-4, "u'' agrees with differences of the network's values");
  check(curvature.requires_grad(), "and can be differentiated again");

  std::puts("\n-- Training on the equation");
  const double untrained = error(net);
  st::optim::adam optimizer{net.parameters(), {.lr = 4e-3}};
  constexpr int steps = 600;
  for (int step = 0; step <= steps; ++step) {
    optimizer.options.lr = 4e-3 * (1 + std::cos(pi * step / steps)) / 2;
    optimizer.zero_grad();
    st::variable loss = st::mean(st::square(second_derivative(net, x) + force));  // what the equation leaves over
    loss.backward();
    optimizer.step();
    if (step % 100 == 0) std::printf("  step %3d: mean squared residual %10.6f, error %.6f\n", step, loss.item(), error(net));
  }
  std::printf("  largest error %.2g, %.2g before training\n", error(net), untrained);
  check(error(net) < 2e-3, "the network is the solution, of which it was told nothing but the equation");
}
