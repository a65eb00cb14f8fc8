// SPDX-License-Identifier: BSD-3-Clause
// Rows of statements over rows and columns of a matrix {M, N}.
//   softmax: of rows       softmax0: over dim 0       layer_norm: x, weight, bias, eps 1e-5
//   softmax_grad, layer_norm_grad: the gradient of sum(dy * f(x)); layer_norm_grad gives dx, dweight, dbias
//   outer_add {M, N, layout}: x + col[M, 1] * row[N]     row_sum, col_sum {M, N, layout}
//   transpose: a contiguous copy     cumsum {M, N, dim}: running sums
//   max_pool {M, N, planes}: 3 x 3, stride 2, padding 1, of 64 channels of M x N each
// layout: 0 row-major, 1 column-major, 2 rows of N + 16 elements; outputs of outer_add lie as x does.
#pragma once
#include "../problem.hpp"

namespace bench::problems {

/// Where element (i, j) lies.
struct layout_of {
  int64 row, column, size;
};
inline layout_of layout(const std::vector<int64>& n) {
  if (n.size() < 3 || n[2] == 0) return {n[1], 1, n[0] * n[1]};
  return n[2] == 1 ? layout_of{1, n[0], n[0] * n[1]} : layout_of{n[1] + 16, 1, n[0] * (n[1] + 16)};
}

/// softmax along N of M lines; `across` and `along` are the strides.
inline problem softmax(const char* id, const char* kind, bool rows) {
  const int64 M = 4096, N = 1024, lines = rows ? M : N, length = rows ? N : M, across = rows ? N : 1, along = rows ? 1 : N;
  problem p{.id = id, .what = rows ? "softmax of rows, 4096 x 1024" : "softmax over dim 0, 4096 x 1024", .kind = kind, .n = {M, N}, .bytes = 8.0 * M * N};
  const array x = p.input({M, N}, -3, 3), y = p.output({M, N});
  p.error = [=] {
    double worst = 0;
    for (int64 i = 0; i < lines; i += 17) {
      double sum = 0;
      for (int64 j = 0; j < length; ++j) sum += std::exp(x[i * across + j * along]);
      for (int64 j = 0; j < length; ++j) worst = std::max(worst, std::abs(y[i * across + j * along] * sum / std::exp(x[i * across + j * along]) - 1));
    }
    return worst;
  };
  return p;
}
inline problem softmax_grad() {
  const int64 M = 4096, N = 1024;
  problem p{.id = "C5c", .what = "softmax of rows and its gradient", .kind = "softmax_grad", .n = {M, N}, .bytes = 12.0 * M * N};
  const array x = p.input({M, N}, -3, 3), dy = p.input({M, N}, -1, 1), dx = p.output({M, N});
  p.error = [=] {
    double worst = 0;
    for (int64 i = 0; i < M; i += 17) {
      double sum = 0, dot = 0;
      for (int64 j = i * N; j < (i + 1) * N; ++j) sum += std::exp(x[j]), dot += std::exp(x[j]) * dy[j];
      for (int64 j = i * N; j < (i + 1) * N; ++j) worst = std::max(worst, std::abs(dx[j] * sum / std::exp(x[j]) - (dy[j] - dot / sum)));
    }
    return worst;
  };
  return p;
}

struct moments {
  double mean = 0, inverse = 0;
};
inline moments moments_of(const array& x, int64 first, int64 n) {
  double s = 0, v = 0;
  for (int64 j = first; j < first + n; ++j) s += x[j];
  s /= static_cast<double>(n);
  for (int64 j = first; j < first + n; ++j) v += (x[j] - s) * (x[j] - s);
  return {s, 1 / std::sqrt(v / static_cast<double>(n) + 1e-5)};
}
inline std::function<double()> layer_norm_error(array x, array w, array b, array y) {
  return [=] {
    const int64 N = x.sizes[1];
    double worst = 0;
    for (int64 i = 0; i < x.sizes[0]; i += 17) {
      const moments m = moments_of(x, i * N, N);
      for (int64 j = 0; j < N; ++j) worst = std::max(worst, std::abs(y[i * N + j] - ((x[i * N + j] - m.mean) * m.inverse * w[j] + b[j])));
    }
    return worst;
  };
}
inline problem layer_norm() {
  const int64 M = 4096, N = 1024;
  problem p{.id = "C5b", .what = "layer_norm of rows, 4096 x 1024", .kind = "layer_norm", .n = {M, N}, .bytes = 8.0 * M * N};
  const array x = p.input({M, N}, -1, 3), w = p.input({N}, 0.5, 1.5), b = p.input({N}, -1, 1), y = p.output({M, N});
  p.error = layer_norm_error(x, w, b, y);
  return p;
}
inline problem layer_norm_grad() {
  const int64 M = 4096, N = 1024;
  problem p{.id = "C5d", .what = "layer_norm of rows and its gradients", .kind = "layer_norm_grad", .n = {M, N}, .bytes = 12.0 * M * N, .tolerance = 1e-4};
  const array x = p.input({M, N}, -1, 3), w = p.input({N}, 0.5, 1.5), b = p.input({N}, -1, 1), dy = p.input({M, N}, -1, 1);
  const array dx = p.output({M, N}), dw = p.output({N}), db = p.output({N});
  (void)b;
  p.error = [=] {
    double worst = 0;
    std::vector<double> gw(N), gb(N);
    for (int64 i = 0; i < M; ++i) {
      const moments m = moments_of(x, i * N, N);
      double s = 0, t = 0;
      for (int64 j = 0; j < N; ++j) {
        const double h = (x[i * N + j] - m.mean) * m.inverse, g = dy[i * N + j];
        s += g * w[j], t += g * w[j] * h, gw[static_cast<std::size_t>(j)] += g * h, gb[static_cast<std::size_t>(j)] += g;
      }
      for (int64 j = 0; i % 17 == 0 && j < N; ++j) {
        const double h = (x[i * N + j] - m.mean) * m.inverse;
        worst = std::max(worst, std::abs(dx[i * N + j] - m.inverse * (dy[i * N + j] * w[j] - s / N - h * t / N)));
      }
    }
    for (int64 j = 0; j < N; ++j)
      worst = std::max({worst, std::abs(dw[j] - gw[static_cast<std::size_t>(j)]) / 64, std::abs(db[j] - gb[static_cast<std::size_t>(j)]) / 64});  // sums of 4096
    return worst;
  };
  return p;
}

inline problem outer_add(const char* id, const char* what, int64 where) {
  const int64 M = 4096, N = 1024;
  problem p{.id = id, .what = what, .kind = "outer_add", .n = {M, N, where}, .bytes = 8.0 * M * N};
  const layout_of l = layout(p.n);
  const array x = p.input({l.size}, -1, 1), column = p.input({M}, -1, 1), row = p.input({N}, -1, 1), y = p.output({l.size});
  p.error = [=] {
    double worst = 0;
    for (int64 i = 0; i < M; i += 7)
      for (int64 j = 0; j < N; ++j) worst = std::max(worst, std::abs(y[i * l.row + j * l.column] - (x[i * l.row + j * l.column] + column[i] * row[j])));
    return worst;
  };
  return p;
}
inline problem sums(const char* id, const char* what, bool rows, int64 where) {
  const int64 M = 4096, N = 1024;
  problem p{.id = id, .what = what, .kind = rows ? "row_sum" : "col_sum", .n = {M, N, where}, .bytes = 4.0 * M * N, .tolerance = 1e-4};
  const layout_of l = layout(p.n);
  const array x = p.input({l.size}, 0, 1), y = p.output({rows ? M : N});
  p.error = [=] {
    return relative_error(y, 3, 1, [&](int64 i) {
      double s = 0;
      for (int64 j = 0; j < (rows ? N : M); ++j) s += x[rows ? i * l.row + j * l.column : j * l.row + i * l.column];
      return s;
    });
  };
  return p;
}
inline problem transpose(const char* id, int64 n) {
  problem p{.id = id, .what = "transposed copy, " + std::to_string(n) + "^2", .kind = "transpose", .n = {n, n}, .bytes = 8.0 * static_cast<double>(n * n), .tolerance = 0};
  const array x = p.input({n, n}, -1, 1), y = p.output({n, n});
  p.error = [=] { return relative_error(y, 7, 1, [&](int64 i) { return x[i % n * n + i / n]; }); };
  return p;
}

inline problem cumsum(const char* id, const char* what, int64 dim) {
  const int64 M = 4096, N = 1024, lines = dim ? M : N, length = dim ? N : M, across = dim ? N : 1, along = dim ? 1 : N;
  problem p{.id = id, .what = what, .kind = "cumsum", .n = {M, N, dim}, .bytes = 8.0 * M * N, .tolerance = 1e-4};
  const array x = p.input({M, N}, 0, 1), y = p.output({M, N});
  p.error = [=] {
    double worst = 0;
    for (int64 i = 0; i < lines; i += 17) {
      double sum = 0;
      for (int64 j = 0; j < length; ++j) sum += x[i * across + j * along], worst = std::max(worst, std::abs(y[i * across + j * along] / sum - 1));
    }
    return worst;
  };
  return p;
}
inline problem max_pool() {
  const int64 B = 32, C = 64, H = 56, O = 28;
  problem p{.id = "C17d", .what = "max_pool2d, 3 x 3, stride 2, 32 x 64 x 56 x 56", .kind = "max_pool", .n = {H, H, B}, .bytes = 4.0 * B * C * (H * H + O * O), .tolerance = 0};
  const array x = p.input({B, C, H, H}, -1, 1), y = p.output({B, C, O, O});
  p.error = [=] {
    double worst = 0;
    for (int64 plane = 0; plane < B * C; plane += 17)
      for (int64 i = 0; i < O; ++i)
        for (int64 j = 0; j < O; ++j) {
          double top = -2;
          for (int64 k = std::max<int64>(0, 2 * i - 1); k < 2 * i + 2; ++k)
            for (int64 l = std::max<int64>(0, 2 * j - 1); l < 2 * j + 2; ++l) top = std::max<double>(top, x[(plane * H + k) * H + l]);
          worst = std::max(worst, std::abs(y[(plane * O + i) * O + j] - top));
        }
    return worst;
  };
  return p;
}

inline std::vector<entry> row() {
  return {{"C5a", [] { return softmax("C5a", "softmax", true); }},
          {"C5b", layer_norm},
          {"C5c", softmax_grad},
          {"C5d", layer_norm_grad},
          {"C5e", [] { return softmax("C5e", "softmax0", false); }},
          {"C6a", [] { return transpose("C6a", 4096); }},
          {"C6b", [] { return transpose("C6b", 4095); }},
          {"C6c", [] { return transpose("C6c", 4097); }},
          {"C15a", [] { return outer_add("C15a", "x + col[M, 1] * row[N], 4096 x 1024", 0); }},
          {"C15b", [] { return sums("C15b", "sums of rows, 4096 x 1024", true, 0); }},
          {"C15c", [] { return sums("C15c", "sums of columns, 4096 x 1024", false, 0); }},
          {"C15d", [] { return outer_add("C15d", "x + col[M, 1] * row[N], column-major", 1); }},
          {"C15e", [] { return sums("C15e", "sums of rows, column-major", true, 1); }},
          {"C15f", [] { return sums("C15f", "sums of columns, column-major", false, 1); }},
          {"C15dp", [] { return outer_add("C15dp", "x + col[M, 1] * row[N], padded rows", 2); }},
          {"C15ep", [] { return sums("C15ep", "sums of rows, padded", true, 2); }},
          {"C15fp", [] { return sums("C15fp", "sums of columns, padded", false, 2); }},
          {"C17d", max_pool},
          {"C18a", [] { return cumsum("C18a", "cumsum of rows, 4096 x 1024", 1); }},
          {"C18b", [] { return cumsum("C18b", "cumsum over dim 0, 4096 x 1024", 0); }}};
}

}  // namespace bench::problems
