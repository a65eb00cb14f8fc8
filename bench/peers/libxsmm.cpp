// SPDX-License-Identifier: BSD-3-Clause
// libxsmm: kernels generated at run time for one small size. It is column-major: c^T = b^T a^T.
#include <libxsmm.h>

#include "peer.hpp"

namespace bench::peer {

std::string about() { return "libxsmm " LIBXSMM_VERSION ", generated kernels for " + std::string(libxsmm_get_target_arch()); }

solution solve(const problem& p) {
  if (p.kind != "small_gemm" && p.kind != "batched_gemm") return {};
  libxsmm_init();
  const int64 n = p.n[0], count = p.n[1];
  const auto size = static_cast<libxsmm_blasint>(n);
  const float alpha = 1, beta = 0;
  const int flags = LIBXSMM_GEMM_FLAG_NONE, prefetch = LIBXSMM_GEMM_PREFETCH_NONE;
  const libxsmm_smmfunction f = libxsmm_smmdispatch(size, size, size, nullptr, nullptr, nullptr, &alpha, &beta, &flags, &prefetch);
  if (!f) return {};
  const float *a = p.in[0].as(), *b = p.in[1].as();
  float* c = p.out[0].as();
  return {[=] {
    for (int64 i = 0, at = 0; i < count; ++i, at += n * n) f(b + at, a + at, c + at);
  }};
}

}  // namespace bench::peer
