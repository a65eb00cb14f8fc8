// SPDX-License-Identifier: BSD-3-Clause
// Chapter 4: ops of your own. By composition where that will do; as a struct where the gradient or the numerics are to be
// yours. Either way they fuse with everything around them. Before: 03_autograd.cpp. Next: 05_own_module.cpp.
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <sinter/autograd/gradcheck.hpp>
#include <sinter/sinter.hpp>

#include "own_op.hpp"

namespace st = sinter;

void check(bool right, const char* what) {
  std::printf("  %s %s\n", right ? "ok" : "WRONG", what);
  if (!right) std::exit(1);
}

/// x tanh(log(1 + e^x)), by composition: no derivative to write, and x is one value however often it is named.
constexpr st::fn<[](auto x) { return x * tanh(log(1 + exp(x))); }> mish;

int main() {
  const auto x = st::linspace<double>(-4, 4, 101);

  std::puts("-- A composition is an op");
  st::tensor m = mish(x);
  check(std::abs(m(100) - 4 * std::tanh(std::log(1 + std::exp(4.0)))) < 1e-12, "its value");
  st::variable v = x;
  check(st::gradcheck([](auto a) { return mish(a); }, v).ok, "its gradient agrees with finite differences");

  std::puts("\n-- A struct of its own: value and gradient, see own_op.hpp");
  st::tensor y = symlog(x);
  for (int i = 0; i <= 100; ++i)
    if (std::abs(y(i) - std::copysign(std::log1p(std::abs(x(i))), x(i))) > 1e-14) check(false, "its value");
  check(true, "its value");
  check(st::gradcheck([](auto a) { return symlog(a); }, v).ok, "its gradient");
  check(st::gradgradcheck([](auto a) { return symlog(a * a); }, v).ok, "and the gradient's gradient, for which nothing was written");

  std::puts("\n-- It fuses like any other");
  const auto table = st::randn({1000, 64});
  const auto before = static_cast<st::uint64>(st::counters().launches);
  st::tensor s = st::softmax(symlog(3 * table) - 1, 1);
  check(st::counters().launches == before + 1, "softmax(symlog(3 x) - 1) was one kernel");
}
