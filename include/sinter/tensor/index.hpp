// SPDX-License-Identifier: BSD-3-Clause
// Elements picked by a tensor of indices. These copy; views by slices are in view.hpp. Next: view.hpp.
#pragma once
#include "copy.hpp"

namespace sinter::inline v0 {
#pragma GCC visibility push(hidden)

/// A copy of `t` with only the indices `index[0], index[1], ...` of dim `dim`, in that order; repeats are allowed.
/// `index` is 1-d and integral. Throws index_error where an index is outside 0..size-1 (negative ones too, as in
/// PyTorch) and for a bad `dim`.
template <class T, class E, class D, class I, class EI, class Arch = native>
tensor<std::remove_const_t<T>, rank<E::rank>, D> index_select(const tensor<T, E, D>& t, int dim,
                                                              const tensor<I, EI, D>& index) {
  static_assert(E::rank > 0, "sinter: index_select needs at least one dim");
  static_assert(detail::integer<std::remove_const_t<I>> && EI::rank == 1,
                "sinter: index_select takes a 1-d tensor of integers; convert or flatten the index");
  using V = std::remove_const_t<T>;
  const int d = detail::wrap_dim(dim, E::rank, "index_select");
  auto sizes = t.sizes();
  const int64 n = sizes[d];
  sizes[d] = index.numel();
  auto out = detail::new_tensor<V, rank<E::rank>, Arch>(sizes);
  auto one = sizes;  // the part of `t` that one index names
  one[d] = 1;
  for (int64 i = 0; i < sizes[d]; ++i) {
    const int64 at = static_cast<int64>(index.data()[i * index.strides()[0]]);
    if (at < 0 || at >= n) [[unlikely]]
      fail<index_error, Arch>("index_select: index ", at, " is out of range for dim ", d, " of size ", n);
    detail::copy_strided<Arch, V>(out.data() + i * out.strides()[d], out.strides(), t.data() + at * t.strides()[d],
                                  t.strides(), one);
  }
  return out;
}

#pragma GCC visibility pop
}  // namespace sinter::inline v0
