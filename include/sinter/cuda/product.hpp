// SPDX-License-Identifier: BSD-3-Clause
// The contraction that takes any labels and strides: correct first, for what cuBLAS cannot do. Device-clean.
// Next: cuda/gemm.hpp for what it can.
#pragma once
#include "kernel.hpp"

namespace sinter::inline v0::detail::device {

/// A contraction of elements of T, one thread a result: any labels, any strides. Kept dims are the result's, row dims are
/// summed; walks are a, b, result. What cuBLAS can do is left to it.
template <class T> struct product_stage {};
template <class T, class Block, class Index> struct kernel<product_stage<T>, Block, Index> {
  static constexpr bool elementwise = true;
  using table = launch_table<3>;
  static SINTER_DEVICE void step(uint64* p, const table& t, int d, Index i) {
    SINTER_UNROLL
    for (int w = 0; w < 3; ++w) p[w] += static_cast<uint64>(static_cast<int64>(static_cast<Index>(t.walks[w].step[d]) * i));
  }
  static SINTER_DEVICE void map(const table& t) {
    const launch_head& h = t.head;
    const int last = h.kept_rank + h.row_rank - 1;
    Index outer = 1;
    for (int d = h.kept_rank; d < last; ++d) outer *= static_cast<Index>(h.extent[d]);
    const Index n = static_cast<Index>(h.units), jump = static_cast<Index>(Block::count() * Block::threads());
    for (Index e = static_cast<Index>(Block::number() * Block::threads() + Block::thread()); e < n; e += jump) {
      uint64 at[3] = {t.walks[0].base, t.walks[1].base, t.walks[2].base};
      Index rest = e;
      for (int d = h.kept_rank - 1; d >= 0; --d) {
        const Index extent = static_cast<Index>(h.extent[d]);
        step(at, t, d, rest % extent);
        rest /= extent;
      }
      T sum(0);
      for (Index o = 0; o < outer; ++o) {
        uint64 p[3] = {at[0], at[1], at[2]};
        rest = o;
        for (int d = last - 1; d >= h.kept_rank; --d) {
          const Index extent = static_cast<Index>(h.extent[d]);
          step(p, t, d, rest % extent);
          rest /= extent;
        }
        for (Index k = 0; k < static_cast<Index>(h.extent[last]); ++k) {
          sum += *reinterpret_cast<const T*>(p[0]) * *reinterpret_cast<const T*>(p[1]);
          p[0] += static_cast<uint64>(t.walks[0].step[last]), p[1] += static_cast<uint64>(t.walks[1].step[last]);
        }
      }
      *reinterpret_cast<T*>(at[2]) = sum;
    }
  }
};

}  // namespace sinter::inline v0::detail::device
