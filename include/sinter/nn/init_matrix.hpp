// SPDX-License-Identifier: BSD-3-Clause
// First values with a structure: identity, Dirac's delta, orthogonal and sparse matrices, with PyTorch's names.
// Not here: independent values (init.hpp). Next: linear.hpp.
// https://pytorch.org/docs/stable/nn.init.html
#pragma once
#include <vector>

#include "init.hpp"

namespace sinter::inline v0::nn::inline SINTER_TARGET {

namespace detail {

/// n vectors of length m >= n, one behind another, made orthonormal in their order. Each is cleared of those before it twice:
/// what rounding leaves after once is gone then.
SINTER_KERNEL inline void orthonormalize(double* v, int64 n, int64 m) {
  const auto dot = [m](const double* a, const double* b) {
    double sum[4] = {};
    int64 i = 0;
    for (; i + 4 <= m; i += 4)
      for (int k = 0; k < 4; ++k) sum[k] += a[i + k] * b[i + k];
    for (; i < m; ++i) sum[0] += a[i] * b[i];
    return (sum[0] + sum[1]) + (sum[2] + sum[3]);
  };
  for (int64 j = 0; j < n; ++j) {
    double* x = v + j * m;
    for (int again = 0; again < 2; ++again)
      for (int64 k = 0; k < j; ++k) {
        const double* q = v + k * m;
        const double part = dot(q, x);
        for (int64 i = 0; i < m; ++i) x[i] -= part * q[i];
      }
    const double scale = 1 / std::sqrt(dot(x, x));
    for (int64 i = 0; i < m; ++i) x[i] *= scale;
  }
}

}  // namespace detail

/// Ones on the diagonal of a matrix, zeros elsewhere.
template <class X> void eye_(const X& x) {
  static_assert(X::rank == 2, "sinter: eye_ is for matrices");
  const int64 cols = x.sizes()[1];
  detail::refill(detail::tensor_in(x), [&](auto* p, int64 n) {
    for (int64 i = 0; i < n; ++i) p[i] = static_cast<typename X::value_type>(i / cols == i % cols);
  });
}

/// A kernel [out, in, ...] of 1 to 3 dims that hands on its input: channel d of each of the groups is channel d of the input, as
/// far as there are both; other elements are 0. Throws error where the groups do not divide out.
template <class X> void dirac_(const X& x, int64 groups = 1) {
  static_assert(X::rank >= 3 && X::rank <= 5, "sinter: dirac_ is for kernels of convolutions, [out, in, ...] with 1 to 3 dims more");
  const int64 out = x.sizes()[0], in = x.sizes()[1];
  if (groups < 1 || out % groups) fail<error>("dirac_: ", groups, " groups do not divide ", out, " channels");
  int64 size = 1, middle = 0;
  for (int d = 2; d < X::rank; ++d) size *= x.sizes()[d], middle = middle * x.sizes()[d] + x.sizes()[d] / 2;
  detail::refill(detail::tensor_in(x), [&](auto* p, int64 n) {
    for (int64 i = 0; i < n; ++i) p[i] = 0;
    for (int64 c = 0; c < out && n; ++c)
      if (const int64 d = c % (out / groups); d < in) p[(c * in + d) * size + middle] = 1;
  });
}

/// gain times a random matrix with orthonormal rows or, where there are more of them, columns, evenly distributed; dims from
/// the second on count as one. By Gram and Schmidt from normal numbers, in double: n^2 m steps for n vectors of length m.
/// https://arxiv.org/abs/1312.6120
template <class X> void orthogonal_(const X& x, double gain = 1, generator& g = default_generator()) {
  static_assert(X::rank >= 2, "sinter: orthogonal_ needs a matrix, or a weight [out, in, ...]");
  using T = typename X::value_type;
  if (x.numel() == 0) return;
  const int64 rows = x.sizes()[0], cols = x.numel() / rows, n = rows < cols ? rows : cols, m = rows < cols ? cols : rows;
  std::vector<double> q(static_cast<std::size_t>(n * m));
  detail::fill_normal<double, native>(q.data(), n * m, g.next_key());
  detail::orthonormalize(q.data(), n, m);
  detail::refill(detail::tensor_in(x), [&](T* p, int64) {
    for (int64 r = 0; r < rows; ++r)
      for (int64 c = 0; c < cols; ++c) p[r * cols + c] = static_cast<T>(gain * q[static_cast<std::size_t>(rows < cols ? r * m + c : c * m + r)]);
  });
}

/// Normal with mean 0 and the deviation std, but for the part `sparsity` of each column, rounded up, which is 0; which rows
/// is drawn. Throws error for a sparsity outside [0, 1] or a negative deviation.
/// https://icml.cc/Conferences/2010/papers/458.pdf
template <class X> void sparse_(const X& x, double sparsity, double std = 0.01, generator& g = default_generator()) {
  static_assert(X::rank == 2, "sinter: sparse_ is for matrices");
  using T = typename X::value_type;
  if (!(sparsity >= 0 && sparsity <= 1)) fail<error>("sparse_: a sparsity of ", sparsity, ", not in [0, 1]");
  normal_(x, 0, std, g);
  const int64 rows = x.sizes()[0], cols = x.sizes()[1], zeros = static_cast<int64>(std::ceil(sparsity * static_cast<double>(rows)));
  const auto& t = detail::tensor_in(x);
  for (int64 c = 0; c < cols; ++c) {
    const auto order = randperm(rows, g);
    for (int64 i = 0; i < zeros; ++i) t.data()[order.data()[i] * t.strides()[0] + c * t.strides()[1]] = T(0);
  }
}

}  // namespace sinter::inline v0::nn::inline SINTER_TARGET
