// SPDX-License-Identifier: BSD-3-Clause
// Gradients by hand: one loop forward and backward, and the adjoints of two advection schemes.
#pragma once
#include <cmath>
#include <vector>

#include "map.hpp"

namespace bench::limits {

/// The sum of a b + tanh(a), and its gradients, in one pass.
inline double sum_grad(const float* a, const float* b, float* da, float* db, std::int64_t n) {
  double total = 0;
  for (std::int64_t first = 0; first < n; first += 1 << 14) {
    vec s[2] = {};
    for (std::int64_t i = first; i < std::min(first + (1 << 14), n); i += 2 * lanes)
#pragma GCC unroll 2
      for (int k = 0; k < 2; ++k) {
        const vec x = load(a + i + k * lanes), y = load(b + i + k * lanes), t = tanh(x);
        s[k] += x * y + t;
        store(da + i + k * lanes, y + 1.0f - t * t), store(db + i + k * lanes, x);
      }
    total += sum(s[0] + s[1]);
  }
  return total;
}

/// The gradient of 0.1 sum(q) after `steps` steps by the start. Rows are padded to whole vectors; what lies behind the cells is 1, 2, ...
/// Toon's power 1/8 is three roots.
template <bool Toon> class advection {
 public:
  advection(int cells, int steps) : n_(cells), steps_(steps), row_((cells / lanes64 + 2) * lanes64), kept_(static_cast<std::size_t>(row_ * (steps + 1))), flux_(row()), d_(row()), e_(row()) {}

  void gradient(const double* start, double* grad) {
    constexpr double c = 0.125;
    double *const f = flux_.data(), *const d = d_.data(), *const e = e_.data();
    for (int t = 0; t <= steps_; ++t)
      for (int i = n_; i < row_; ++i) at(t)[i] = i - n_ + 3;
    for (int i = 0; i < n_; ++i) at(0)[i] = start[i];
    for (int t = 0; t < steps_; ++t) {
      const double* const q = at(t);
      double* const to = at(t + 1);
      for (int i = 0; i < n_ - 1; i += lanes64) {
        const vec64 l = load64(q + i), r = load64(q + i + 1);
        if constexpr (Toon) store64(f + i, (root(root(root(l / r))) - 1.0) * l * r / (l - r));
        else store64(f + i, 0.5 * c * (l + r + c * (l - r)));
      }
      for (int i = 1; i < n_ - 1; i += lanes64) store64(to + i, load64(q + i) + load64(f + i - 1) - load64(f + i));
      for (int i = n_; i < row_; ++i) to[i] = i - n_ + 3;
      to[0] = to[n_ - 2], to[n_ - 1] = to[1];
    }
    for (int i = 0; i < row_; ++i) d[i] = i < n_ ? 0.1 : 0;
    for (int t = steps_ - 1; t >= 0; --t) {  // d is that by the row behind step t
      const double* const q = at(t);
      d[n_ - 2] += d[0], d[1] += d[n_ - 1];
      d[0] = d[n_ - 1] = 0;
      // by f_i: d_(i+1) - d_i; by its left cell, which stays, and its right one
      for (int i = 0; i < n_ - 1; i += lanes64) {
        const vec64 df = load64(d + i + 1) - load64(d + i);
        if constexpr (Toon) {
          const vec64 l = load64(q + i), r = load64(q + i + 1), s = root(root(root(l / r))), away = df / (l - r), f0 = (s - 1.0) * l * r / (l - r);
          store64(f + i, away * ((c * s + s - 1.0) * r - f0)), store64(e + i, away * ((s - 1.0 - c * s) * l + f0));
        } else {
          store64(f + i, df * (0.5 * c * (1 + c))), store64(e + i, df * (0.5 * c * (1 - c)));
        }
      }
      f[n_ - 1] = 0;
      double last = 0;
      d[0] += f[0];
      last = e[n_ - 2];
      for (int i = 1; i < n_ - 1; i += lanes64) store64(d + i, load64(d + i) + load64(f + i) + load64(e + i - 1));
      d[n_ - 1] = last;
      for (int i = n_; i < row_; ++i) d[i] = 0;
    }
    for (int i = 0; i < n_; ++i) grad[i] = d[i];
  }

 private:
  std::size_t row() const { return static_cast<std::size_t>(row_); }
  double* at(int t) { return kept_.data() + t * row_; }
  int n_, steps_, row_;
  std::vector<double> kept_, flux_, d_, e_;
};

}  // namespace bench::limits
