// SPDX-License-Identifier: BSD-3-Clause
// Rows of optimizers and of training.
//   adam {tensors, n}: one step of lr 1e-3 and default betas over n floats in so many equal tensors; out is p
//   train {batch, n}: a step of three layers of n x n with tanh between and Adam; out is the loss of step 1
#pragma once
#include "../problem.hpp"

namespace bench::problems {

inline problem adam(const char* id, int64 tensors) {
  const int64 n = 10'000'000;
  problem p{.id = id, .what = "Adam, 10M parameters in " + std::to_string(tensors) + (tensors > 1 ? " tensors" : " tensor"), .kind = "adam", .n = {tensors, n},
            .bytes = 28.0 * n, .checked_runs = 3};
  const array w = p.input({n}, -1, 1), g = p.input({n}, -1, 1), out = p.output({n});
  p.error = [=] {
    return relative_error(out, 101, 0.01, [&](int64 i) {
      double x = w[i], m = 0, v = 0;
      for (int t = 1; t <= 3; ++t) {
        m = 0.9 * m + 0.1 * g[i], v = 0.999 * v + 0.001 * g[i] * g[i];
        x -= 1e-3 * m / (1 - std::pow(0.9, t)) / (std::sqrt(v / (1 - std::pow(0.999, t))) + 1e-8);
      }
      return x;
    });
  };
  return p;
}

/// in: x, t [batch, n]; then w [n, n] (out, in) and b [n] of each layer. out: the loss before the first step, then its derivative by all
/// parameters in their order.
inline problem train() {
  const int64 batch = 64, n = 64;
  problem p{.id = "train", .what = "training step: 3 layers of 64 x 64, tanh, batch 64, Adam", .kind = "train", .n = {batch, n}, .flops = 18.0 * batch * n * n};
  const array x = p.input({batch, n}, -2, 2), t = p.input({batch, n}, -1, 1);
  std::vector<array> at;
  for (int layer = 0; layer < 3; ++layer) at.push_back(p.input({n, n}, -0.125, 0.125)), at.push_back(p.input({n}, -0.125, 0.125));
  const array loss = p.output({1}), grad = p.output({3 * (n * n + n)});

  // the network by plain loops, with its parameters moved by h along a fixed direction
  const auto moved = [=](double h) {
    std::vector<std::vector<double>> v;
    int64 place = 0;
    for (const array& a : at) {
      v.emplace_back();
      for (int64 i = 0; i < a.numel(); ++i) v.back().push_back(a[i] + h * std::sin(0.37 * static_cast<double>(++place)));
    }
    double sum = 0;
    for (int64 row = 0; row < batch; ++row) {
      std::vector<double> in, next(n);
      for (int64 j = 0; j < n; ++j) in.push_back(x[row * n + j]);
      for (std::size_t layer = 0; layer < 3; ++layer, in = next)
        for (std::size_t j = 0; j < n; ++j) {
          double s = v[2 * layer + 1][j];
          for (std::size_t k = 0; k < n; ++k) s += in[k] * v[2 * layer][j * n + k];
          next[j] = layer < 2 ? std::tanh(s) : s;
        }
      for (int64 j = 0; j < n; ++j) sum += (in[static_cast<std::size_t>(j)] - t[row * n + j]) * (in[static_cast<std::size_t>(j)] - t[row * n + j]);
    }
    return sum / static_cast<double>(batch * n);
  };
  p.error = [=] {
    double slope = 0, size = 0;
    for (int64 i = 0; i < grad.numel(); ++i) {
      const double term = grad[i] * std::sin(0.37 * static_cast<double>(i + 1));
      slope += term, size += std::abs(term);
    }
    return std::max(std::abs(loss[0] / moved(0) - 1), std::abs(slope - (moved(1e-5) - moved(-1e-5)) / 2e-5) / size);
  };
  return p;
}

inline std::vector<entry> optim() {
  return {{"C14a", [] { return adam("C14a", 1); }}, {"C14b", [] { return adam("C14b", 500); }}, {"train", train}};
}

}  // namespace bench::problems
