// SPDX-License-Identifier: BSD-3-Clause
// Rows of one formula per element, and means of one.
//   muladd {n}: y = a b + c       formula {n}: y = a b + c - a / b       mse {n}: mean of (a - b)^2
//   exp, log, tanh, sigmoid, erf, gelu {n}: gelu is the tanh form
#pragma once
#include "../problem.hpp"

namespace bench::problems {

inline double gelu(double x) { return 0.5 * x * (1 + std::tanh(0.7978845608028654 * (x + 0.044715 * x * x * x))); }

/// `sixteen`: small arrays, a statement so often that its own nanoseconds show.
inline problem sixteen(const char* id, const char* what, const char* kind) {
  problem p{.id = id, .what = what, .kind = kind, .n = {16}, .flops = 32, .repeat = 1000};
  const array a = p.input({16}, -1, 1), b = p.input({16}, -1, 1), c = p.input({16}, -1, 1), y = p.output({16});
  p.error = [=] { return relative_error(y, 1, 1, [&](int64 i) { return a[i] * b[i] + c[i]; }); };
  return p;
}
inline problem unary(const char* id, const char* kind, double low, double high, double (*f)(double)) {
  const int64 n = 1 << 16;
  problem p{.id = id, .what = std::string(kind) + ", 64K floats", .kind = kind, .n = {n}, .bytes = 8.0 * n};
  const array x = p.input({n}, low, high), y = p.output({n});
  p.error = [=] { return relative_error(y, 1, 0.1, [&](int64 i) { return f(x[i]); }); };
  return p;
}
inline problem formula(int threads) {
  const int64 n = 1 << 24;
  problem p{.id = threads > 1 ? "C3t2" : "C3", .what = "y = a * b + c - a / b, 16M floats", .kind = "formula", .n = {n}, .bytes = 16.0 * n, .threads = threads};
  const array a = p.input({n}, -1, 1), b = p.input({n}, 1, 2), c = p.input({n}, -1, 1), y = p.output({n});
  p.error = [=] { return relative_error(y, 7, 1, [&](int64 i) { return a[i] * b[i] + c[i] - a[i] / b[i]; }); };
  return p;
}
inline problem mse(int threads) {
  const int64 n = 1 << 24;
  problem p{.id = threads > 1 ? "C4t2" : "C4", .what = "mean((a - b)^2), 16M floats", .kind = "mse", .n = {n}, .bytes = 8.0 * n, .threads = threads, .tolerance = 1e-3};
  const array a = p.input({n}, -1, 1), b = p.input({n}, -1, 1), y = p.output({1});
  p.error = [=] {
    double s = 0;
    for (int64 i = 0; i < n; ++i) s += (a[i] - b[i]) * (a[i] - b[i]);
    return std::abs(y[0] / (s / static_cast<double>(n)) - 1);
  };
  return p;
}

inline std::vector<entry> map() {
  return {{"C1a", [] { return sixteen("C1a", "y = a * b + c, 16 floats, static extents, in a function", "muladd16"); }},
          {"C1b", [] { return sixteen("C1b", "y = a * b + c, 16 floats, a statement of handles", "muladd"); }},
          {"C2", [] { return unary("C2", "gelu", -6, 6, gelu); }},
          {"C2exp", [] { return unary("C2exp", "exp", -10, 10, std::exp); }},
          {"C2log", [] { return unary("C2log", "log", 1e-3, 100, std::log); }},
          {"C2tanh", [] { return unary("C2tanh", "tanh", -5, 5, std::tanh); }},
          {"C2sigmoid", [] { return unary("C2sigmoid", "sigmoid", -10, 10, [](double x) { return 1 / (1 + std::exp(-x)); }); }},
          {"C2erf", [] { return unary("C2erf", "erf", -4, 4, std::erf); }},
          {"C3", [] { return formula(1); }},
          {"C3t2", [] { return formula(2); }},
          {"C4", [] { return mse(1); }},
          {"C4t2", [] { return mse(2); }}};
}

}  // namespace bench::problems
