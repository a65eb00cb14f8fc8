// SPDX-License-Identifier: BSD-3-Clause
// Chapter 3: gradients. Variables, statements, backward, and fitting a curve by hand.
// Before: 02_fusion.cpp. Next: 04_own_op.cpp.
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <sinter/sinter.hpp>

namespace st = sinter;

void check(bool right, const char* what) {
  std::printf("  %s %s\n", right ? "ok" : "WRONG", what);
  if (!right) std::exit(1);
}
bool near(double a, double b) { return std::abs(a - b) < 1e-9; }

int main() {
  std::puts("-- A variable is a tensor whose uses are recorded");
  st::variable x = st::array<double>({1, 2, 3});
  st::variable y = st::sum(x * x);                   // one statement: one kernel, one node of the graph
  y.backward();
  check(y.item() == 14, "its value");
  check(x.grad()(2) == 6, "d(sum x^2) / dx = 2x");

  std::puts("\n-- Gradients add up until they are forgotten");
  st::variable again = st::sum(3 * x);
  again.backward();
  check(x.grad()(2) == 9, "2x + 3");
  x.zero_grad();
  check(!x.grad().defined(), "forgotten");

  std::puts("\n-- What is not recorded");
  st::tensor c = x.detach();                         // the elements, as a constant
  st::variable z = st::sum(x * c);
  z.backward();
  check(x.grad()(2) == 3, "a tensor is a constant of differentiation");
  {
    st::no_grad guard;
    st::variable quiet = st::sum(x * x);
    check(!quiet.requires_grad(), "under no_grad nothing is recorded");
  }
  st::tensor value = st::detach(st::sum(x * x));
  check(value.item() == 14, "a detached formula is a tensor again");

  std::puts("\n-- Several statements, and values in between");
  x.zero_grad();
  st::variable h = st::tanh(x);
  h.retain_grad();                                   // else gradients of intermediate values are freed on the way
  st::variable loss = st::mean(h * h);
  loss.backward();
  const double t = std::tanh(1.0);
  check(near(h.grad()(0), 2 * t / 3), "d loss / dh");
  check(near(x.grad()(0), 2 * t / 3 * (1 - t * t)), "d loss / dx, by the chain rule");

  std::puts("\n-- Gradients as values, and their gradients");
  st::variable p = st::array<double>({0.5});
  st::variable cube = st::sum(p * p * p);
  st::variable slope = st::grad(cube, p, {.create_graph = true});
  check(near(slope.item(), 0.75), "d p^3 = 3 p^2");
  st::variable curvature = st::grad(st::variable(st::sum(slope)), p);
  check(near(curvature.item(), 3), "and once more: 6 p");

  std::puts("\n-- Fitting a sine with a cubic by gradient descent");
  const auto s = st::linspace<double>(-3, 3, 200);
  const auto target = st::zeros_like(s);
  for (st::int64 i = 0; i < s.numel(); ++i) target(i) = std::sin(s(i));
  st::variable a = st::zeros<double>({}), b = st::zeros<double>({});
  for (int step = 0; step <= 400; ++step) {
    a.zero_grad(), b.zero_grad();
    st::variable error = st::mse_loss(a * s + b * s * s * s, target);
    error.backward();
    if (step % 100 == 0) std::printf("  step %3d: %.4f s + %.4f s^3, error %.6f\n", step, a.item(), b.item(), error.item());
    a.value() -= 0.02 * a.grad();                    // in place: later statements see the new values
    b.value() -= 0.002 * b.grad();
  }
  st::tensor rest = st::mse_loss(a.detach() * s + b.detach() * s * s * s, target);
  check(rest.item() < 0.01, "the cubic follows the sine");
}
