// SPDX-License-Identifier: BSD-3-Clause
// sort, argsort, topk along a dim; the values are selections, so they are differentiable. Next: scan.hpp.
#pragma once
#include <algorithm>

#include "index.hpp"

#pragma GCC visibility push(hidden)
namespace sinter::inline v0 {
inline namespace SINTER_TARGET {

/// What sort and topk return: `auto [values, indices] = sort(x)`.
template <class V, class I> struct sorted {
  V values;
  I indices;
};

}  // namespace SINTER_TARGET
namespace detail::inline SINTER_TARGET {
/// Is a before b in ascending order? NaN is larger than all numbers, as in PyTorch.
template <class T> bool ascends(T a, T b) {
  static_assert(!is_complex_element<T>, "sinter: complex numbers have no order: sort abs(z) or real(z)");
  if constexpr (is_complex_element<T>) {
    return false;
  } else {
    const auto u = static_cast<computed<T>>(a), v = static_cast<computed<T>>(b);
    if constexpr (is_floating_element<T>)
      if (math::is_nan(u) || math::is_nan(v)) return !math::is_nan(u) && math::is_nan(v);
    return u < v;
  }
}
/// The first `count` places of dim d in order, by their positions.
template <class X> tensor<int64, rank<X::rank>> ordered(const X& x, int d, bool descending, int64 count) {
  constexpr int R = X::rank;
  using V = typename X::value_type;
  const int64 n = x.sizes()[d], step = x.strides()[d];
  index_list<R> sizes = x.sizes(), rows = x.sizes();
  sizes[d] = count;
  auto out = new_tensor<int64, rank<R>>(sizes);
  if (out.numel() == 0) return out;
  rows[d] = 1;
  std::unique_ptr<int64[]> order(new int64[static_cast<std::size_t>(n)]);
  for_indices(rows, [&](const index_list<R>& at) {
    const V* from = x.data();
    int64* to = out.data();
    for (int e = 0; e < R; ++e) from += at[e] * x.strides()[e], to += at[e] * out.strides()[e];
    for (int64 i = 0; i < n; ++i) order[static_cast<std::size_t>(i)] = i;
    auto before = [&](int64 a, int64 b) {  // equals in their order
      const V u = from[a * step], v = from[b * step];
      if (descending ? ascends(v, u) : ascends(u, v)) return true;
      return !(descending ? ascends(u, v) : ascends(v, u)) && a < b;
    };
    if (count == n) std::sort(order.get(), order.get() + n, before);
    else std::partial_sort(order.get(), order.get() + count, order.get() + n, before);
    for (int64 i = 0; i < count; ++i) to[i * out.strides()[d]] = order[static_cast<std::size_t>(i)];
  });
  return out;
}
}  // namespace detail::inline SINTER_TARGET
inline namespace SINTER_TARGET {

/// The positions that sort x along `dim`: int64. Equal elements keep their order; NaN is largest.
/// https://pytorch.org/docs/stable/generated/torch.argsort.html
template <detail::array_like X> auto argsort(const X& x, int dim = -1, bool descending = false) {
  static_assert(X::rank > 0, "sinter: argsort needs at least one dim");
  const int d = detail::wrap_dim(dim, X::rank, "argsort");
  return detail::ordered(detail::tensor_of(x), d, descending, x.size(d));
}
/// x sorted along `dim`, and where the elements were. https://pytorch.org/docs/stable/generated/torch.sort.html
template <detail::array_like X> auto sort(const X& x, int dim = -1, bool descending = false) {
  auto indices = argsort(x, dim, descending);
  return sorted<decltype(take_along_dim(x, indices, dim)), decltype(indices)>{take_along_dim(x, indices, dim), indices};
}
/// The k largest (or smallest) elements along `dim` in order, and where they were. Throws index_error for k outside [0, n].
/// https://pytorch.org/docs/stable/generated/torch.topk.html
template <detail::array_like X> auto topk(const X& x, int64 k, int dim = -1, bool largest = true) {
  static_assert(X::rank > 0, "sinter: topk needs at least one dim");
  const int d = detail::wrap_dim(dim, X::rank, "topk");
  if (k < 0 || k > x.size(d)) fail<index_error>("topk: ", k, " of ", x.size(d), " elements of dim ", d);
  auto indices = detail::ordered(detail::tensor_of(x), d, largest, k);
  return sorted<decltype(take_along_dim(x, indices, d)), decltype(indices)>{take_along_dim(x, indices, d), indices};
}
template <detail::formula X, class... A> auto argsort(const X& x, A... args) { return argsort(eval(x), args...); }
template <detail::formula X, class... A> auto sort(const X& x, A... args) { return sort(eval(x), args...); }
template <detail::formula X, class... A> auto topk(const X& x, A... args) { return topk(eval(x), args...); }

}  // namespace SINTER_TARGET
}  // namespace sinter::inline v0
#pragma GCC visibility pop
