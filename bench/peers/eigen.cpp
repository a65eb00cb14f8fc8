// SPDX-License-Identifier: BSD-3-Clause
// Eigen on one thread, as its manual would have it: maps, noalias, fixed sizes where the row has them.
#define EIGEN_DONT_PARALLELIZE
#include <Eigen/Dense>

#include "../vec.hpp"
#include "peer.hpp"

namespace bench::peer {
namespace {

using vector = Eigen::Map<Eigen::ArrayXf>;
template <class T> using rows = Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
template <class T> using matrix = Eigen::Map<rows<T>>;
using table = Eigen::Map<Eigen::Array<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>, 0, Eigen::OuterStride<>>;
using columns = Eigen::Map<Eigen::Array<float, Eigen::Dynamic, Eigen::Dynamic>>;

vector flat(const array& a) { return {a.as(), a.numel()}; }
template <class T = float> matrix<T> plain(const array& a) { return {a.as<T>(), a.sizes[0], a.sizes[1]}; }

template <int n> solution small_gemm(const problem& p) {
  using fixed = Eigen::Map<Eigen::Matrix<float, n, n, Eigen::RowMajor>, Eigen::Aligned64>;
  const array a = p.in[0], b = p.in[1], c = p.out[0];
  return {[=, count = p.n[1]] {
    for (int64 i = 0; i < count; ++i) {
      fixed(c.as() + i * n * n).noalias() = fixed(a.as() + i * n * n) * fixed(b.as() + i * n * n);
      barrier();
    }
  }};
}
template <class T> solution gemm(const problem& p) {
  const auto a = plain<T>(p.in[0]), b = plain<T>(p.in[1]);
  auto c = plain<T>(p.out[0]);
  if (p.n[3]) return {[=]() mutable { c.noalias() = a.transpose() * b; }};
  if (p.n[4]) return {[=]() mutable { c.noalias() = a * b.transpose(); }};
  return {[=]() mutable { c.noalias() = a * b; }};
}

solution elements(const problem& p) {
  const auto a = flat(p.in[0]), b = flat(p.in[p.in.size() > 1 ? 1 : 0]), c = flat(p.in[p.in.size() > 2 ? 2 : 0]);
  auto y = flat(p.out[0]);
  const auto n = p.repeat;
  if (p.kind == "muladd") return {[=]() mutable { for (int64 r = 0; r < n; ++r) y = a * b + c, barrier(); }};
  if (p.kind == "muladd16") {
    using fixed = Eigen::Map<Eigen::Array<float, 16, 1>, Eigen::Aligned64>;
    const fixed u(p.in[0].as()), v(p.in[1].as()), w(p.in[2].as());
    fixed z(p.out[0].as());
    return {[=]() mutable { for (int64 r = 0; r < n; ++r) z = u * v + w, barrier(); }};
  }
  if (p.kind == "formula") return {[=]() mutable { y = a * b + c - a / b; }};
  if (p.kind == "mse") return {[=]() mutable { y[0] = (a - b).square().mean(); }};
  if (p.kind == "exp") return {[=]() mutable { y = a.exp(); }};
  if (p.kind == "log") return {[=]() mutable { y = a.log(); }};
  if (p.kind == "tanh") return {[=]() mutable { y = a.tanh(); }};
  if (p.kind == "sigmoid") return {[=]() mutable { y = a.logistic(); }};
  if (p.kind == "gelu") return {[=]() mutable { y = 0.5f * a * (1 + (0.79788456f * (a + 0.044715f * a.cube())).tanh()); }};
  return {};
}
}  // namespace

std::string about() {
  return "Eigen " + std::to_string(EIGEN_WORLD_VERSION) + '.' + std::to_string(EIGEN_MAJOR_VERSION) + '.' + std::to_string(EIGEN_MINOR_VERSION) + ", " SINTER_BENCH_FLAGS ", one thread, " +
         Eigen::SimdInstructionSetsInUse();
}

solution solve(const problem& p) {
  if (p.threads > 1) return {};
  if (p.kind == "small_gemm") switch (p.n[0]) {
      case 4: return small_gemm<4>(p);
      case 8: return small_gemm<8>(p);
      case 16: return small_gemm<16>(p);
      case 32: return small_gemm<32>(p);
      case 64: return small_gemm<64>(p);
    }
  if (p.kind == "batched_gemm") {  // the sizes are the caller's knowledge: a loop of products
    const array a = p.in[0], b = p.in[1], c = p.out[0];
    return {[=, n = p.n[0], count = p.n[1]] {
      for (int64 i = 0, at = 0; i < count; ++i, at += n * n)
        matrix<float>(c.as() + at, n, n).noalias() = matrix<float>(a.as() + at, n, n).lazyProduct(matrix<float>(b.as() + at, n, n));
    }};
  }
  if (p.kind == "gemm") return p.in[0].wide ? gemm<double>(p) : gemm<float>(p);
  if (p.kind == "gemm_bias_relu") {
    const auto a = plain(p.in[0]), b = plain(p.in[1]);
    const auto bias = flat(p.in[2]);
    auto c = plain(p.out[0]);
    return {[=]() mutable {
      c.noalias() = a * b;
      c = (c.array().rowwise() + bias.transpose()).max(0.0f).matrix();
    }};
  }
  if (p.kind == "adam") {
    if (p.n[0] > 1) return {};
    const auto w = flat(p.in[0]), g = flat(p.in[1]);
    auto out = flat(p.out[0]);
    out = w;
    Eigen::ArrayXf m = Eigen::ArrayXf::Zero(p.n[1]), v = m;
    return {[=, t = 0]() mutable {
      ++t;
      m = 0.9f * m + 0.1f * g;
      v = 0.999f * v + 0.001f * g.square();
      out -= static_cast<float>(1e-3 / (1 - std::pow(0.9, t))) * m / (v.sqrt() * static_cast<float>(1 / std::sqrt(1 - std::pow(0.999, t))) + 1e-8f);
    }};
  }
  if (p.n.size() < 2) return elements(p);
  const int64 M = p.n[0], N = p.n[1];
  if (p.kind == "transpose") {
    const auto x = plain(p.in[0]);
    auto y = plain(p.out[0]);
    return {[=]() mutable { y = x.transpose(); }};
  }
  const table x(p.in[0].as(), M, N, Eigen::OuterStride<>(problems::layout(p.n).row));
  const columns xc(p.in[0].as(), M, N);
  const bool column_major = problems::layout(p.n).row == 1;
  if (p.kind == "row_sum" || p.kind == "col_sum") {
    auto y = flat(p.out[0]);
    if (p.kind == "row_sum") return column_major ? solution{[=]() mutable { y = xc.rowwise().sum(); }} : solution{[=]() mutable { y = x.rowwise().sum(); }};
    return column_major ? solution{[=]() mutable { y = xc.colwise().sum().transpose(); }} : solution{[=]() mutable { y = x.colwise().sum().transpose(); }};
  }
  table y(p.out[0].as(), M, N, Eigen::OuterStride<>(problems::layout(p.n).row));
  if (p.kind == "outer_add") {
    const auto column = flat(p.in[1]), row = flat(p.in[2]);
    columns yc(p.out[0].as(), M, N);
    if (column_major) return {[=]() mutable { for (int64 j = 0; j < N; ++j) yc.col(j) = xc.col(j) + column * row[j]; }};
    return {[=]() mutable { for (int64 i = 0; i < M; ++i) y.row(i) = x.row(i) + column[i] * row.transpose(); }};
  }
  if (p.kind == "softmax")
    return {[=]() mutable {
      for (int64 i = 0; i < M; ++i) {
        y.row(i) = (x.row(i) - x.row(i).maxCoeff()).exp();
        y.row(i) *= 1 / y.row(i).sum();
      }
    }};
  if (p.kind == "softmax0") {
    Eigen::Array<float, 1, Eigen::Dynamic> scale(N);
    return {[=]() mutable {
      scale = x.colwise().maxCoeff();
      y = (x.rowwise() - scale).exp();
      scale = y.colwise().sum().inverse();
      y.rowwise() *= scale;
    }};
  }
  if (p.kind == "layer_norm") {
    const auto w = flat(p.in[1]), b = flat(p.in[2]);
    return {[=]() mutable {
      for (int64 i = 0; i < M; ++i) {
        y.row(i) = x.row(i) - x.row(i).mean();
        y.row(i) = y.row(i) * (1 / std::sqrt(y.row(i).square().mean() + 1e-5f)) * w.transpose() + b.transpose();
      }
    }};
  }
  return {};
}

}  // namespace bench::peer
