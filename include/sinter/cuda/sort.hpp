// SPDX-License-Identifier: BSD-3-Clause
// Sorting on the device. Declaration only: kernels/sort.cu, compiled by nvcc.
#pragma once
#include "../op/dtype.hpp"

namespace sinter::inline v0::detail::device {

/// Sorts n keys at address `keys` in place, equal ones in their order, NaN as the largest; `positions` (int64) gets where
/// each was. 0: done; 1: the device failed or is missing; 2: not for this dtype (float32, float64 and int64 are).
int sort(dtype, uint64 keys, uint64 positions, int64 n, bool descending);

}  // namespace sinter::inline v0::detail::device
