// SPDX-License-Identifier: BSD-3-Clause
// A block of CUDA threads as kernels see it, and folds over its threads in a fixed order. Device-clean.
// Tests run the same kernels on the host over a block of their own (test/cuda/emulated_block.hpp).
#pragma once
#include "../config.hpp"
#include "../op/dtype.hpp"

#ifdef __CUDACC__
#define SINTER_UNROLL _Pragma("unroll")
#else
#define SINTER_UNROLL
#endif

namespace sinter::inline v0::detail::device {

inline constexpr int warp = 32;
inline constexpr int most_threads = 512;  ///< of a block, a multiple of the warp

#ifdef __CUDACC__
/// The block that runs this code.
struct cuda_block {
  static SINTER_DEVICE int thread() { return static_cast<int>(threadIdx.x); }
  static SINTER_DEVICE int threads() { return static_cast<int>(blockDim.x); }
  static SINTER_DEVICE int64 number() { return blockIdx.x; }
  static SINTER_DEVICE int64 count() { return gridDim.x; }
  static SINTER_DEVICE void sync() { __syncthreads(); }
  /// Memory that the block shares, for one value a warp.
  template <class S> static SINTER_DEVICE S* shared() {
    __shared__ uint64 room[warp * 4];
    static_assert(sizeof(S) <= 32, "sinter: a reduction's state holds at most 32 bytes");
    return reinterpret_cast<S*>(room);
  }
  /// The value of the thread that is `by` further on in the warp.
  template <class S> static SINTER_DEVICE S down(S s, int by) {
    unsigned words[(sizeof(S) + 3) / 4] = {};
    memcpy(words, &s, sizeof s);
    SINTER_UNROLL
    for (unsigned& w : words) w = __shfl_down_sync(0xffffffffu, w, static_cast<unsigned>(by));
    memcpy(&s, words, sizeof s);
    return s;
  }
};
#endif

/// Merges the states of all threads, by halves in each warp, then warp after warp; every thread gets the result.
/// All threads of the block call it, and they are a multiple of the warp.
template <class Block, class S, class Merge> SINTER_DEVICE S fold_block(S s, Merge merge) {
  SINTER_UNROLL
  for (int by = warp / 2; by > 0; by /= 2) s = merge(s, Block::down(s, by));
  S* room = Block::template shared<S>();
  if (Block::thread() % warp == 0) room[Block::thread() / warp] = s;
  Block::sync();
  s = room[0];
  for (int w = 1; w < Block::threads() / warp; ++w) s = merge(s, room[w]);
  Block::sync();
  return s;
}

}  // namespace sinter::inline v0::detail::device
