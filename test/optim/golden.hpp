// SPDX-License-Identifier: BSD-3-Clause
// One small problem for all optimizers: mse_loss(linear(x, w, b), t) in double, five steps. The expected parameters in
// the tests (w row by row, then b) were printed by PyTorch 2.15 on the CPU for the same data.
#pragma once
#include <sinter/sinter.hpp>

struct golden_problem {
  sinter::tensor<double, sinter::rank<2>> x = sinter::array<double>({{0.5, -1.0, 2.0}, {1.5, 0.25, -0.75}, {-2.0, 1.0, 0.5}, {0.0, -0.5, 1.25}});
  sinter::tensor<double, sinter::rank<2>> t = sinter::array<double>({{1.0, 0.0}, {0.5, -1.0}, {-1.0, 2.0}, {0.25, 0.75}});
  sinter::variable<double, sinter::rank<2>> w{sinter::array<double>({{0.1, -0.2, 0.3}, {0.4, 0.5, -0.6}})};
  sinter::variable<double, sinter::rank<1>> b{sinter::array<double>({0.05, -0.1})};

  auto parameters() const { return sinter::parameter_list{w, b}; }

  /// Five steps; true where w and b follow the rows of `expected`. The gradient of b is left out of the first `without`;
  /// `change(k)` may change the optimizer before step k.
  template <class Optimizer> bool follows(Optimizer& o, const double (&expected)[5][8], int without = 0) const {
    return follows(o, expected, without, [](int) {});
  }
  template <class Optimizer, class Change> bool follows(Optimizer& o, const double (&expected)[5][8], int without, Change change) const {
    for (int k = 0; k < 5; ++k) {
      change(k);
      o.zero_grad();
      if (k < without) {
        sinter::variable loss = sinter::mse_loss(sinter::linear(x, w, b.detach()), t);
        loss.backward();
      } else {
        sinter::variable loss = sinter::mse_loss(sinter::linear(x, w, b), t);
        loss.backward();
      }
      o.step();
      for (int i = 0; i < 8; ++i) {
        const double mine = i < 6 ? w.data()[i] : b.data()[i - 6], error = mine - expected[k][i];
        if (!(error < 1e-12 && error > -1e-12)) return false;
      }
    }
    return true;
  }
};
