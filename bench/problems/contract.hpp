// SPDX-License-Identifier: BSD-3-Clause
// Rows of sums of products. flops > 0: their limit is the multiply-add peak.
//   small_gemm {n, count}: count distinct products of n x n, extents known to the compiler     batched_gemm {n, count}: one call
//   gemm {M, N, K, kind of A, kind of B}: 1 means the operand lies transposed; doubles where inputs are wide
//   gemm_bias_relu {M, N, K}: relu(a b + bias)
//   attention {batch, heads, length, width}: softmax(q k^T / sqrt(width)) v     conv2d {batch, in, out, size, kernel, padding}
#pragma once
#include "../problem.hpp"

namespace bench::problems {

/// |got - want| against the sum of the products' magnitudes.
inline double product_error(const array& got, int64 i, int64 count, auto a, auto b, double more = 0, bool relu = false) {
  double want = more, size = std::abs(more);
  for (int64 k = 0; k < count; ++k) want += a(k) * b(k), size += std::abs(a(k) * b(k));
  if (relu) want = std::max(want, 0.0);
  const double e = std::abs(got[i] - want) / size;
  return e >= 0 ? e : INFINITY;
}

inline problem batch(std::string id, const char* kind, int64 n, int64 count) {
  const bool each = std::string(kind) == "small_gemm";
  const double size = static_cast<double>(n);
  problem p{.id = id, .what = std::to_string(count) + (each ? " products of static " : " products of ") + std::to_string(n) + " x " + std::to_string(n), .kind = kind,
            .n = {n, count}, .flops = 2 * size * size * size * static_cast<double>(each ? 1 : count), .repeat = each ? count : 1};
  const array a = p.input({count, n, n}, -1, 1), b = p.input({count, n, n}, -1, 1), c = p.output({count, n, n});
  p.error = [=] {
    double worst = 0;
    for (int64 i = 0; i < c.numel(); i += 3) {
      const int64 which = i / (n * n), row = i / n % n, column = i % n;
      worst = std::max(worst, product_error(c, i, n, [&](int64 k) { return a[which * n * n + row * n + k]; }, [&](int64 k) { return b[which * n * n + k * n + column]; }));
    }
    return worst;
  };
  return p;
}

inline problem gemm(std::string id, std::string what, int64 M, int64 N, int64 K, bool wide = false, bool ta = false, bool tb = false, bool relu = false) {
  problem p{.id = id, .what = what, .kind = relu ? "gemm_bias_relu" : "gemm", .n = {M, N, K, ta, tb},
            .bytes = (wide ? 8.0 : 4.0) * static_cast<double>(M * K + K * N + M * N), .flops = 2.0 * static_cast<double>(M * N * K)};
  const array a = p.input(ta ? std::vector{K, M} : std::vector{M, K}, -1, 1, wide), b = p.input(tb ? std::vector{N, K} : std::vector{K, N}, -1, 1, wide);
  const array bias = relu ? p.input({N}, -1, 1) : array{};
  const array c = p.output({M, N}, wide);
  p.error = [=] {
    double worst = 0;
    for (int64 i = 0; i < M * N; i += std::max<int64>(1, M * N / 4001) | 1) {
      const int64 row = i / N, column = i % N;
      worst = std::max(worst, product_error(c, i, K, [&](int64 k) { return a[ta ? k * M + row : row * K + k]; }, [&](int64 k) { return b[tb ? column * K + k : k * N + column]; },
                                            relu ? bias[column] : 0, relu));
    }
    return worst;
  };
  return p;
}

inline problem attention() {
  const int64 B = 8, H = 8, L = 512, D = 64;
  problem p{.id = "C17a", .what = "attention, 8 x 8 heads x 512 x 64", .kind = "attention", .n = {B, H, L, D}, .flops = 4.0 * B * H * L * L * D, .tolerance = 1e-4};
  const array q = p.input({B, H, L, D}, -2, 2), k = p.input({B, H, L, D}, -2, 2), v = p.input({B, H, L, D}, -1, 1), y = p.output({B, H, L, D});
  p.error = [=] {
    double worst = 0;
    for (int64 line = 0; line < B * H * L; line += 997) {
      const int64 head = line / L;
      double score[L], sum = 0;
      for (int64 j = 0; j < L; ++j) {
        double s = 0;
        for (int64 d = 0; d < D; ++d) s += q[line * D + d] * k[(head * L + j) * D + d];
        sum += score[j] = std::exp(s / 8);
      }
      for (int64 d = 0; d < D; ++d) {
        double want = 0;
        for (int64 j = 0; j < L; ++j) want += score[j] / sum * v[(head * L + j) * D + d];
        worst = std::max(worst, std::abs(y[line * D + d] - want));
      }
    }
    return worst;
  };
  return p;
}

inline problem conv2d(const char* id, int64 B) {
  const int64 C = 64, O = 64, S = 56, K = 3, P = 1;
  problem p{.id = id, .what = "conv2d, 64 -> 64, 3 x 3, 56 x 56, batch " + std::to_string(B), .kind = "conv2d", .n = {B, C, O, S, K, P},
            .bytes = 4.0 * static_cast<double>(B * (C + O) * S * S + O * C * K * K), .flops = 2.0 * static_cast<double>(B * O * S * S * C * K * K)};
  const array x = p.input({B, C, S, S}, -1, 1), w = p.input({O, C, K, K}, -1, 1), y = p.output({B, O, S, S});
  p.error = [=] {
    double worst = 0;
    for (int64 i = 0; i < y.numel(); i += 1009) {
      const int64 b = i / (O * S * S), o = i / (S * S) % O, r = i / S % S, s = i % S;
      double want = 0, size = 0;
      for (int64 c = 0; c < C; ++c)
        for (int64 u = 0; u < K; ++u)
          for (int64 v = 0; v < K; ++v) {
            if (r + u - P < 0 || r + u - P >= S || s + v - P < 0 || s + v - P >= S) continue;
            const double term = x[((b * C + c) * S + r + u - P) * S + s + v - P] * w[((o * C + c) * K + u) * K + v];
            want += term, size += std::abs(term);
          }
      worst = std::max(worst, std::abs(y[i] - want) / size);
    }
    return worst;
  };
  return p;
}

inline std::vector<entry> contract() {
  std::vector<entry> all;
  for (const int64 n : {4, 8, 16, 32, 64})
    all.push_back({"C7n" + std::to_string(n), [n] { return batch("C7n" + std::to_string(n), "small_gemm", n, 32); }});
  all.push_back({"C8", [] { return batch("C8", "batched_gemm", 8, 4096); }});
  for (const bool wide : {false, true})
    for (const int64 n : {256, 512, 1024, 2048}) {
      const std::string id = (wide ? "C9d" : "C9f") + std::to_string(n);
      all.push_back({id, [=] { return gemm(id, "matmul, " + std::to_string(n) + "^3 " + (wide ? "doubles" : "floats"), n, n, n, wide); }});
    }
  all.push_back({"C9b", [] { return gemm("C9b", "relu(matmul + bias), 64 x 784 x 128", 64, 128, 784, false, false, false, true); }});
  all.push_back({"C9bare", [] { return gemm("C9bare", "matmul, 64 x 784 x 128", 64, 128, 784); }});
  all.push_back({"C9dw", [] { return gemm("C9dw", "dw = x^T dy, 784 x 64 x 128", 784, 128, 64, false, true, false); }});
  all.push_back({"C9dx", [] { return gemm("C9dx", "dx = dy w^T, 64 x 128 x 784", 64, 784, 128, false, false, true); }});
  all.push_back({"C17a", attention});
  all.push_back({"C17b", [] { return conv2d("C17b", 1); }});
  all.push_back({"C17c", [] { return conv2d("C17c", 8); }});
  return all;
}

}  // namespace bench::problems
