// SPDX-License-Identifier: BSD-3-Clause
// Eigen, on one thread, as its manual would have it.
#include "peers.hpp"

#if __has_include(<eigen3/Eigen/Dense>)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#pragma GCC diagnostic ignored "-Wshadow"
#define EIGEN_DONT_PARALLELIZE
#include <eigen3/Eigen/Dense>
#pragma GCC diagnostic pop

namespace bench::eigen {
using array = Eigen::Map<const Eigen::ArrayXf>;
using matrix = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
using table = Eigen::Array<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

bool present() { return true; }
void multiply_add_arrays(const float* a, const float* b, const float* c, float* y, std::int64_t n) {
  Eigen::Map<Eigen::ArrayXf>(y, n) = array(a, n) * array(b, n) + array(c, n);
}
void softmax_rows(const float* x, float* y, std::int64_t rows, std::int64_t columns) {
  const Eigen::Map<const table> in(x, rows, columns);
  Eigen::Map<table> out(y, rows, columns);
  for (std::int64_t i = 0; i < rows; ++i) {
    out.row(i) = (in.row(i) - in.row(i).maxCoeff()).exp();
    out.row(i) *= 1 / out.row(i).sum();
  }
}
void gemm(const float* a, const float* b, float* c, std::int64_t n) {
  Eigen::Map<matrix>(c, n, n).noalias() = Eigen::Map<const matrix>(a, n, n) * Eigen::Map<const matrix>(b, n, n);
}
}  // namespace bench::eigen
#else
namespace bench::eigen {
bool present() { return false; }
void multiply_add_arrays(const float*, const float*, const float*, float*, std::int64_t) {}
void softmax_rows(const float*, float*, std::int64_t, std::int64_t) {}
void gemm(const float*, const float*, float*, std::int64_t) {}
}  // namespace bench::eigen
#endif
