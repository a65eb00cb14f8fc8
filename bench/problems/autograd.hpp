// SPDX-License-Identifier: BSD-3-Clause
// Rows of what it costs to record and to differentiate.
//   tape {n}: n times record a * b of two numbers, go backward, add up the gradients, forget it; out is the sums
//   sum_grad {n}: sum(a b + tanh(a)) and its gradients by a and b, which are out behind the value; sum_grad_tape: by a recorded statement
//   lax_wendroff, toon {cells, steps}: 0.1 sum(q) after so many steps of an advection scheme, and its gradient by the start, which is out.
//     f_i = c/2 (l + r + c (l - r)) or (exp(c log(l / r)) - 1) l r / (l - r) for l = q_i, r = q_(i+1), c = 1/8; q_i += f_(i-1) - f_i inside,
//     then q_0 = q_(cells-2), q_(cells-1) = q_1. Hogan, TOMS 40 (2014), https://doi.org/10.1145/2560359
//   chain {n}: x = a x + b, n statements; out is the last x and its derivatives by a and b
//   norm_gelu, linear_relu {rows, n}: out is the gradient by x of the sum of gelu(layer_norm(x)), of relu(x w + b)
//   hessian {n}: of Rosenbrock's function     jacobian {n}: of tanh(w2 tanh(w1 x)), n x n
#pragma once
#include "../problem.hpp"
#include "map.hpp"

namespace bench::problems {

/// The largest relative difference between the directional derivatives that `grad` says and those of f, which takes a start.
template <class F> double directional_error(const array& grad, const std::vector<double>& at, F f) {
  double worst = 0;
  for (int k = 0; k < 3; ++k) {
    constexpr double h = 1e-5;
    std::vector<double> high = at, low = at;
    double slope = 0, size = 0;
    for (std::size_t i = 0; i < at.size(); ++i) {
      const double d = std::sin(0.37 * static_cast<double>(i + 1) * (k + 1) + k);
      high[i] += h * d, low[i] -= h * d;
      slope += grad[static_cast<int64>(i)] * d, size += std::abs(grad[static_cast<int64>(i)] * d);
    }
    const double e = std::abs(slope - (f(high) - f(low)) / (2 * h)) / size;
    if (!(e <= worst)) worst = e;
  }
  return worst;
}

inline problem tape() {
  const int64 n = 1000;
  problem p{.id = "A1", .what = "record, backward, add up, destroy: one statement of scalars", .kind = "tape", .n = {n}, .repeat = n, .tolerance = 1e-4};
  const array a = p.input({1}, 0.5, 1), b = p.input({1}, 0.5, 1), out = p.output({2});
  p.error = [=] { return relative_error(out, 1, 1, [&](int64 i) { return static_cast<double>(n) * (i ? a[0] : b[0]); }); };
  return p;
}
inline problem sum_grad(const char* id, const std::string& kind) {
  const int64 n = 1 << 19;
  problem p{.id = id, .what = kind == "sum_grad" ? "sum(a b + tanh(a)), value and gradients, 512K floats" : "the same as a recorded statement, and backward", .kind = kind, .n = {n}, .bytes = 16.0 * n, .tolerance = 1e-4};
  const array a = p.input({n}, -2, 2), b = p.input({n}, -1, 1), value = p.output({1}), da = p.output({n}), db = p.output({n});
  p.error = [=] {
    double s = 0, size = 0;
    for (int64 i = 0; i < n; ++i) s += a[i] * b[i] + std::tanh(a[i]), size += std::abs(a[i] * b[i] + std::tanh(a[i]));
    return std::max({std::abs(value[0] - s) / size, relative_error(da, 1, 0.1, [&](int64 i) { return b[i] + 1 - std::tanh(a[i]) * std::tanh(a[i]); }),
                     relative_error(db, 1, 0.1, [&](int64 i) { return a[i]; })});
  };
  return p;
}
inline double toon_flux(double l, double r, double c) { return (std::exp(c * std::log(l / r)) - 1) * l * r / (l - r); }
inline problem advection(const char* id, const std::string& kind) {
  const int64 cells = 100, steps = 200;
  problem p{.id = id, .what = (kind == "toon" ? "Toon" : "Lax-Wendroff") + std::string(" advection, 100 cells, 200 steps: value and gradient"), .kind = kind, .n = {cells, steps}, .tolerance = 1e-6};
  const array start = p.input({cells}, 0, 1, true), out = p.output({cells}, true);
  for (int64 i = 0; i < cells; ++i) start.as<double>()[i] = 1.5 + 0.5 * std::sin(6.283185307179586 * static_cast<double>(i) / (static_cast<double>(cells) - 1.5));
  p.error = [=] {
    std::vector<double> at(start.as<double>(), start.as<double>() + cells);
    return directional_error(out, at, [&](std::vector<double> q) {
      constexpr double c = 0.125;
      const auto n = q.size();
      std::vector<double> f(n);
      for (int64 t = 0; t < steps; ++t) {
        for (std::size_t i = 0; i + 1 < n; ++i) f[i] = kind == "toon" ? toon_flux(q[i], q[i + 1], c) : 0.5 * c * (q[i] + q[i + 1] + c * (q[i] - q[i + 1]));
        for (std::size_t i = 1; i + 1 < n; ++i) q[i] += f[i - 1] - f[i];
        q[0] = q[n - 2], q[n - 1] = q[1];
      }
      double s = 0;
      for (const double v : q) s += 0.1 * v;
      return s;
    });
  };
  return p;
}
inline problem chain() {
  const int64 n = 1'000'000;
  problem p{.id = "A4", .what = "x = a x + b, a million statements of scalars, one backward", .kind = "chain", .n = {n}, .repeat = n, .tolerance = 1e-8};
  const array a = p.input({1}, 1, 1, true), b = p.input({1}, 0.5, 1, true), x = p.input({1}, 0.5, 1, true), out = p.output({3}, true);
  a.as<double>()[0] = 1 - 1e-6;
  p.error = [=] {
    double v = x[0], by_a = 0, by_b = 0;
    for (int64 i = 0; i < n; ++i) by_a = a[0] * by_a + v, by_b = a[0] * by_b + 1, v = a[0] * v + b[0];
    return relative_error(out, 1, 1, [&](int64 i) { return i == 0 ? v : i == 1 ? by_a : by_b; });
  };
  return p;
}
inline problem norm_gelu() {
  const int64 rows = 512, n = 1024;
  problem p{.id = "A5a", .what = "gelu(layer_norm(x)), 512 x 1024: forward and backward", .kind = "norm_gelu", .n = {rows, n}, .bytes = 16.0 * rows * n, .tolerance = 1e-3};
  const array x = p.input({rows, n}, -2, 2), w = p.input({n}, 0.5, 1.5), b = p.input({n}, -1, 1), out = p.output({rows, n});
  p.error = [=] {
    std::vector<double> at(x.as(), x.as() + n);  // rows do not see each other: one stands for all
    const array grad{{n}, false, out.memory};
    return directional_error(grad, at, [&](const std::vector<double>& v) {
      double mean = 0, square = 0, s = 0;
      for (const double e : v) mean += e / static_cast<double>(n);
      for (const double e : v) square += (e - mean) * (e - mean) / static_cast<double>(n);
      for (int64 i = 0; i < n; ++i) s += gelu((v[static_cast<std::size_t>(i)] - mean) / std::sqrt(square + 1e-5) * w[i] + b[i]);
      return s;
    });
  };
  return p;
}
inline problem linear_relu() {
  const int64 rows = 512, n = 256;
  problem p{.id = "A5b", .what = "relu(x w + b), 512 x 256 x 256: forward and backward", .kind = "linear_relu", .n = {rows, n}, .flops = 6.0 * rows * n * n, .tolerance = 1e-3};
  const array x = p.input({rows, n}, -1, 1), w = p.input({n, n}, -0.1, 0.1), b = p.input({n}, -1, 1), out = p.output({rows, n});
  p.error = [=] {
    double worst = 0;
    std::vector<double> dy(n);
    for (int64 row = 0; row < rows; row += 97) {
      for (int64 j = 0; j < n; ++j) {
        double s = b[j];
        for (int64 k = 0; k < n; ++k) s += x[row * n + k] * w[k * n + j];
        dy[static_cast<std::size_t>(j)] = s > 0;
      }
      for (int64 k = 0; k < n; ++k) {
        double want = 0;
        for (int64 j = 0; j < n; ++j) want += dy[static_cast<std::size_t>(j)] * w[k * n + j];
        const double e = std::abs(out[row * n + k] - want);
        if (!(e <= worst)) worst = e;
      }
    }
    return worst;
  };
  return p;
}
inline problem hessian() {
  const int64 n = 100;
  problem p{.id = "A6a", .what = "Hessian of Rosenbrock's function of 100 numbers", .kind = "hessian", .n = {n}, .tolerance = 1e-10};
  const array x = p.input({n}, -1, 1, true), out = p.output({n, n}, true);
  p.error = [=] {
    return relative_error(out, 1, 1, [&](int64 k) {
      const int64 i = k / n, j = k % n, low = std::min(i, j);
      if (i == j) return (i + 1 < n ? 1200 * x[i] * x[i] - 400 * x[i + 1] + 2 : 0) + (i ? 200 : 0);
      return std::max(i, j) == low + 1 ? -400 * x[low] : 0;
    });
  };
  return p;
}
inline problem jacobian() {
  const int64 n = 100;
  problem p{.id = "A6b", .what = "Jacobian of tanh(w2 tanh(w1 x)), 100 by 100", .kind = "jacobian", .n = {n}, .tolerance = 1e-10};
  const array x = p.input({n}, -1, 1, true), w1 = p.input({n, n}, -0.1, 0.1, true), w2 = p.input({n, n}, -0.1, 0.1, true), out = p.output({n, n}, true);
  p.error = [=] {
    std::vector<double> h, want(static_cast<std::size_t>(n * n), 0);
    for (int64 i = 0; i < n; ++i) {
      double s = 0;
      for (int64 k = 0; k < n; ++k) s += w1[i * n + k] * x[k];
      h.push_back(std::tanh(s));
    }
    for (int64 i = 0; i < n; ++i) {
      double s = 0;
      for (int64 k = 0; k < n; ++k) s += w2[i * n + k] * h[static_cast<std::size_t>(k)];
      for (int64 k = 0; k < n; ++k)
        for (int64 j = 0; j < n; ++j) {
          const double slope = 1 - h[static_cast<std::size_t>(k)] * h[static_cast<std::size_t>(k)];
          want[static_cast<std::size_t>(i * n + j)] += (1 - std::tanh(s) * std::tanh(s)) * w2[i * n + k] * slope * w1[k * n + j];
        }
    }
    return relative_error(out, 1, 0.01, [&](int64 k) { return want[static_cast<std::size_t>(k)]; });
  };
  return p;
}

inline std::vector<entry> autograd() {
  return {{"A1", tape}, {"A2", [] { return sum_grad("A2", "sum_grad"); }}, {"A2t", [] { return sum_grad("A2t", "sum_grad_tape"); }},
          {"A3l", [] { return advection("A3l", "lax_wendroff"); }}, {"A3t", [] { return advection("A3t", "toon"); }},
          {"A5a", norm_gelu}, {"A5b", linear_relu}, {"A6a", hessian}, {"A6b", jacobian}, {"A4", chain}};  // last: it leaves the heap in small pieces
}

}  // namespace bench::problems
