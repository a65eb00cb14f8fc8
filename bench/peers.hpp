// SPDX-License-Identifier: BSD-3-Clause
// The same rows by libraries that are installed. `eigen` is empty functions where Eigen is absent (eigen.cpp).
#pragma once
#include <cstdint>

namespace bench::eigen {
bool present();
void multiply_add_arrays(const float* a, const float* b, const float* c, float* y, std::int64_t n);
void softmax_rows(const float* x, float* y, std::int64_t rows, std::int64_t columns);
void gemm(const float* a, const float* b, float* c, std::int64_t n);
}  // namespace bench::eigen
