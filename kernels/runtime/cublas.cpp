// SPDX-License-Identifier: BSD-3-Clause
// Matrix products by cuBLAS, opened when first needed; without it product_stage computes them.
// https://docs.nvidia.com/cuda/cublas
#include <sinter/cuda/driver.hpp>

#include "library.hpp"

namespace sinter::inline v0::detail::device {
namespace {

struct cublas {
  int (*create)(void** handle) = nullptr;
  int (*single)(void* handle, int transpose_a, int transpose_b, int m, int n, int k, const float* alpha, const void* a, int lda, long long batch_a,
                const void* b, int ldb, long long batch_b, const float* beta, void* c, int ldc, long long batch_c, int batch) = nullptr;
  int (*twofold)(void* handle, int transpose_a, int transpose_b, int m, int n, int k, const double* alpha, const void* a, int lda, long long batch_a,
                 const void* b, int ldb, long long batch_b, const double* beta, void* c, int ldc, long long batch_c, int batch) = nullptr;
  void* handle = nullptr;

  cublas() {
    static constexpr const char* names[] = {"libcublas.so.13", "libcublas.so.12", "libcublas.so"};
    const library l(names);
    const bool found = l.find(create, "cublasCreate_v2") && l.find(single, "cublasSgemmStridedBatched") && l.find(twofold, "cublasDgemmStridedBatched");
    if (!found || create(&handle)) handle = nullptr;
  }
};

}  // namespace

bool multiply(dtype t, const launch_table<3>& table) {
  gemm_call g;
  if ((t != dtype::f32 && t != dtype::f64) || !find_gemm(table, size_of(t), g)) return false;
  static const cublas& c = *new cublas;  // per process, on the default stream; calls of one thread at a time per handle
  if (!c.handle) return false;
  const auto run = [&](auto* gemm, auto one) {
    const decltype(one) zero(0);
    return gemm(c.handle, g.transpose_a, g.transpose_b, static_cast<int>(g.m), static_cast<int>(g.n), static_cast<int>(g.k), &one,
                reinterpret_cast<const void*>(g.a), static_cast<int>(g.lda), g.batch_a, reinterpret_cast<const void*>(g.b), static_cast<int>(g.ldb), g.batch_b,
                &zero, reinterpret_cast<void*>(g.c), static_cast<int>(g.ldc), g.batch_c, static_cast<int>(g.batch));
  };
  return (t == dtype::f32 ? run(c.single, 1.0f) : run(c.twofold, 1.0)) == 0;
}

}  // namespace sinter::inline v0::detail::device
