// SPDX-License-Identifier: BSD-3-Clause
// Rows of a table by number. Next: normalization.hpp.
#pragma once
#include "../tensor/index.hpp"
#include "init.hpp"
#include "state_dict.hpp"

#pragma GCC visibility push(hidden)
namespace sinter::inline v0 {
inline namespace SINTER_TARGET {

/// weight[index[..]]: rows of weight [N, D] for an index of any shape, as [.., D]. The row `padding_idx` gets no gradient (-1: all
/// do). Throws index_error. https://pytorch.org/docs/stable/generated/torch.nn.functional.embedding.html
template <detail::index_tensor I, detail::array_like W> auto embedding(const I& index, const W& weight, int64 padding_idx = -1) {
  static_assert(W::rank == 2, "sinter: the weight of an embedding is a matrix");
  constexpr int R = I::rank;
  const auto& table = detail::tensor_of(weight);
  index_list<R + 1> sizes;
  for (int d = 0; d < R; ++d) sizes[d] = index.sizes()[d];
  sizes[R] = table.sizes()[1];
  auto m = detail::new_index_map(table.sizes(), sizes, index.numel(), sizes[R]);
  int64 k = 0;
  detail::for_indices(index.sizes(), [&](const index_list<R>& at) {
    m->row(k++) = detail::checked_index(detail::element_at(index, at), table.sizes()[0], 0, "embedding");
  });
  auto out = map_linear<rank<R + 1>>(table, m);
  if constexpr (tensor_like<W>) {
    return out;
  } else {
    for (int64 i = 0; i < m->rows; ++i)
      if (m->row(i) == padding_idx) m->row(i) = -1;  // read, but without a gradient
    detail::vec<detail::linear_term> terms;
    terms.push({m, false, weight.slot()});
    return detail::linear_variable<typename W::value_type, rank<R + 1>>(out, terms);
  }
}

}  // namespace SINTER_TARGET
}  // namespace sinter::inline v0

namespace sinter::inline v0::nn::inline SINTER_TARGET {

/// A table of N vectors of D numbers, looked up by int64 numbers; weight [N, D] starts as N(0, 1), the row padding_idx as 0.
/// https://pytorch.org/docs/stable/generated/torch.nn.Embedding.html
template <int64 N, int64 D, class T = float> struct embedding : module<embedding<N, D, T>> {
  param<T, N, D> weight{empty<T>(shape<N, D>), true};
  int64 padding_idx = -1;

  embedding() { reset_parameters(); }
  explicit embedding(int64 padding) : padding_idx(padding) {
    if (padding < 0 || padding >= N) fail<index_error>("embedding: padding_idx ", padding, " of ", N, " rows");
    reset_parameters();
  }
  void reset_parameters(generator& g = default_generator()) {
    normal_(weight, 0, 1, g);
    if (padding_idx >= 0) sinter::select(weight.value(), 0, padding_idx).copy_(0);
  }
  auto members() { return nn::members("weight", weight); }
  template <class I> auto forward(const I& index) const { return sinter::embedding(index, weight, padding_idx); }
};

}  // namespace sinter::inline v0::nn::inline SINTER_TARGET
#pragma GCC visibility pop
