// SPDX-License-Identifier: BSD-3-Clause
// Which contractions are one (batched) matrix product of BLAS, and with which arguments. Plain arithmetic, no device.
// What is none of these, cuda/kernel.hpp's product_stage does. Next: kernels/runtime/cublas.cpp calls it.
#pragma once
#include "table.hpp"

namespace sinter::inline v0::detail::device {

/// C = A B as BLAS says it, column-major: C is m x n, `transpose_a`: A is stored k x m.
struct gemm_call {
  int64 m = 1, n = 1, k = 1, batch = 1;
  bool transpose_a = false, transpose_b = false;
  uint64 a = 0, b = 0, c = 0;
  int64 lda = 1, ldb = 1, ldc = 1;                    ///< elements
  int64 batch_a = 0, batch_b = 0, batch_c = 0;
};

/// The call for contraction table t over elements of `size` bytes; false if it is not a matrix product.
inline bool find_gemm(const launch_table<3>& t, int64 size, gemm_call& g) {
  const launch_head& h = t.head;
  int row = -1, column = -1, batch = -1, inner = -1;
  const auto step = [&](int w, int d) { return d < 0 ? 0 : t.walks[w].step[d]; };
  const auto extent = [&](int d) { return d < 0 ? int64{1} : h.extent[d]; };
  for (int d = 0; d < h.kept_rank + h.row_rank; ++d) {
    if (h.extent[d] == 1) continue;
    int& kind = d >= h.kept_rank ? inner : step(0, d) && step(1, d) ? batch : step(0, d) ? row : column;
    if (kind >= 0 || (d >= h.kept_rank && (!step(0, d) || !step(1, d)))) return false;
    kind = d;
  }
  // A matrix of x by y steps: unit along one of them, the other is its leading dimension.
  const auto layout = [&](int64 rows, int64 rows_step, int64 columns, int64 columns_step, bool& transposed, int64& ld) {
    if (rows_step < 0 || columns_step < 0) return false;
    if (rows_step == size || rows == 1) transposed = false, ld = columns == 1 ? rows : columns_step / size;
    else if (columns_step == size || columns == 1) transposed = true, ld = rows_step / size;
    else return false;
    return ld >= (transposed ? columns : rows) && ld > 0 && (columns_step % size == 0 && rows_step % size == 0);
  };
  // Column-major C with rows along `row`; if its unit lies along `column`, compute the transposed product.
  int a = 0, b = 1;
  bool transposed = false;
  if (!layout(extent(row), step(2, row), extent(column), step(2, column), transposed, g.ldc) || transposed) {
    const int other = row;
    row = column, column = other, a = 1, b = 0;
    if (!layout(extent(row), step(2, row), extent(column), step(2, column), transposed, g.ldc) || transposed) return false;
  }
  g.m = extent(row), g.n = extent(column), g.k = extent(inner), g.batch = extent(batch);
  if (!layout(g.m, step(a, row), g.k, step(a, inner), g.transpose_a, g.lda)) return false;
  if (!layout(g.k, step(b, inner), g.n, step(b, column), g.transpose_b, g.ldb)) return false;
  g.a = t.walks[a].base, g.b = t.walks[b].base, g.c = t.walks[2].base;
  g.batch_a = step(a, batch) / size, g.batch_b = step(b, batch) / size, g.batch_c = step(2, batch) / size;
  constexpr int64 most = (int64{1} << 31) - 1;
  return g.m > 0 && g.n > 0 && g.k > 0 && g.batch > 0 && g.m <= most && g.n <= most && g.k <= most && g.lda <= most && g.ldb <= most && g.ldc <= most && g.batch <= most;
}

}  // namespace sinter::inline v0::detail::device
