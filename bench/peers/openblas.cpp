// SPDX-License-Identifier: BSD-3-Clause
// OpenBLAS through cblas. run.sh names its kernels (OPENBLAS_CORETYPE), which version 0.3.21 chooses badly on new CPUs.
#include <cblas.h>

#include "../vec.hpp"
#include "peer.hpp"

extern "C" char* openblas_get_corename(void);

namespace bench::peer {
namespace {
void product(bool ta, bool tb, int64 m, int64 n, int64 k, const float* a, const float* b, float* c) {
  cblas_sgemm(CblasRowMajor, ta ? CblasTrans : CblasNoTrans, tb ? CblasTrans : CblasNoTrans, static_cast<int>(m), static_cast<int>(n), static_cast<int>(k), 1, a,
              static_cast<int>(ta ? m : k), b, static_cast<int>(tb ? k : n), 0, c, static_cast<int>(n));
}
void product(bool ta, bool tb, int64 m, int64 n, int64 k, const double* a, const double* b, double* c) {
  cblas_dgemm(CblasRowMajor, ta ? CblasTrans : CblasNoTrans, tb ? CblasTrans : CblasNoTrans, static_cast<int>(m), static_cast<int>(n), static_cast<int>(k), 1, a,
              static_cast<int>(ta ? m : k), b, static_cast<int>(tb ? k : n), 0, c, static_cast<int>(n));
}
}  // namespace

std::string about() {
  std::string s = openblas_get_config();
  while (!s.empty() && s.back() == ' ') s.pop_back();
  return s + ", kernels " + openblas_get_corename() + ", " + std::to_string(openblas_get_num_threads()) + " thread";
}

solution solve(const problem& p) {
  const auto n = p.n;
  if (p.kind == "gemm") {
    const array a = p.in[0], b = p.in[1], c = p.out[0];
    if (a.wide) return {[=] { product(n[3], n[4], n[0], n[1], n[2], a.as<double>(), b.as<double>(), c.as<double>()); }};
    return {[=] { product(n[3], n[4], n[0], n[1], n[2], a.as(), b.as(), c.as()); }};
  }
  if (p.kind == "gemm_bias_relu") {  // a BLAS has no epilogue: a loop after it
    const float *a = p.in[0].as(), *b = p.in[1].as(), *bias = p.in[2].as();
    float* c = p.out[0].as();
    return {[=] {
      product(false, false, n[0], n[1], n[2], a, b, c);
      for (int64 i = 0; i < n[0]; ++i)
        for (int64 j = 0; j < n[1]; j += lanes) {
          const vec v = load(c + i * n[1] + j) + load(bias + j);
          store(c + i * n[1] + j, v > 0.0f ? v : vec{});
        }
    }};
  }
  if (p.kind == "small_gemm" || p.kind == "batched_gemm") {
    const float *a = p.in[0].as(), *b = p.in[1].as();
    float* c = p.out[0].as();
    const int64 size = n[0] * n[0];
    return {[=] {
      for (int64 i = 0; i < n[1]; ++i) product(false, false, n[0], n[0], n[0], a + i * size, b + i * size, c + i * size);
    }};
  }
  if (p.kind == "transpose") {
    const float* x = p.in[0].as();
    float* y = p.out[0].as();
    return {[=] { cblas_somatcopy(CblasRowMajor, CblasTrans, static_cast<blasint>(n[0]), static_cast<blasint>(n[0]), 1, x, static_cast<blasint>(n[0]), y, static_cast<blasint>(n[0])); }};
  }
  return {};
}

}  // namespace bench::peer
