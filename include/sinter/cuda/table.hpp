// SPDX-License-Identifier: BSD-3-Clause
// What a kernel is told at launch: addresses, steps, extents. Host, nvcc and NVRTC must agree on every byte, so the
// fields have fixed widths and the layout is asserted. Device-clean. Next: cuda/kernel.hpp reads it.
#pragma once
#include "../expr/instruction.hpp"

namespace sinter::inline v0::detail::device {

enum : uint32 { store = 0, accumulate = 1, skip = 2 };  ///< what an output does to its memory

/// One thing that a kernel walks over: input, output, total, or the position along the row.
struct launch_walk {
  uint64 base = 0;                  ///< address of the first element; numbers: the bits of a double; positions: a number
  int64 step[max_rank + 1] = {};    ///< bytes (positions: numbers) to the next index of each kept dim, then of each row dim
  int64 lane = 0;                   ///< the same from thread to thread
  uint32 mode = store;
  uint32 count = 0;                 ///< totals: how many elements a set has
};

/// The loops. Kept dims run over blocks, row dims inside; the last kept dim may be a cut: of the row into parts (maps),
/// or of a kept dim into groups of rows, one a thread.
struct launch_head {
  int32 kept_rank = 0, row_rank = 1;
  int64 extent[max_rank + 1] = {};  ///< kept dims, then row dims
  int64 units = 0;                  ///< product of the kept extents; maps: number of elements
  int64 units_per_block = 1;
  int64 part = 0, part_total = 0;   ///< elements of one part of the cut, and of all; 0: not cut
  int64 sets = 1, set_bytes = 0;    ///< copies of the totals, one a block where blocks would meet
  int32 across = 0;                 ///< 1: a thread has a row; 0: a block has a row
  int32 by_block = 0;               ///< finish: 1: a block has a result element; 0: a thread
};

template <int Walks> struct launch_table {
  launch_head head;
  launch_walk walks[Walks];
};

static_assert(sizeof(launch_walk) == 96 && alignof(launch_walk) == 8);
static_assert(sizeof(launch_head) == 136 && alignof(launch_head) == 8);
static_assert(sizeof(launch_table<320>) <= 32764, "kernel parameters since CUDA 12.1");

}  // namespace sinter::inline v0::detail::device
