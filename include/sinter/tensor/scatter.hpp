// SPDX-License-Identifier: BSD-3-Clause
// Selections that are written: scatter, scatter_add, index_add as new tensors and variables; scatter_, masked_fill_ in place.
// t(mask) = value is in index.hpp. Next: join.hpp.
#pragma once
#include "index.hpp"

#pragma GCC visibility push(hidden)
namespace sinter::inline v0 {
namespace detail::inline SINTER_TARGET {
template <class X, class S> void check_source(const X&, const S&) {
  static_assert(std::is_same_v<typename X::value_type, typename S::value_type>, "sinter: source and tensor have different element types");
}
template <class I, class S> void check_as_large(const I& index, const S& src, const char* who) {
  for (int d = 0; d < I::rank; ++d)
    if (src.sizes()[d] < index.sizes()[d])
      fail<shape_error>(who, ": an index of sizes ", shape_text{index.sizes().data(), I::rank}, " for a source of sizes ", shape_text{src.sizes().data(), S::rank});
}
/// The part of src that the index covers.
template <class I, class S> auto covered(const I& index, const S& src) {
  auto part = narrow(src, 0, 0, index.sizes()[0]);
  for (int d = 1; d < I::rank; ++d) part = narrow(part, d, 0, index.sizes()[d]);
  return part;
}
}  // namespace detail::inline SINTER_TARGET
inline namespace SINTER_TARGET {

/// x with x[.., index[.., i, ..], ..] = src[.., i, ..] along `dim`, as a new tensor; of several writes to one place the last counts.
/// https://pytorch.org/docs/stable/generated/torch.scatter.html
template <detail::array_like X, detail::index_tensor I, detail::array_like S> auto scatter(const X& x, int dim, const I& index, const S& src) {
  detail::check_source(x, src);
  detail::check_as_large(index, src, "scatter");
  return detail::scattered<false>(x, detail::covered(index, src), detail::gather_map(x.sizes(), detail::wrap_dim(dim, X::rank, "scatter"), index, "scatter"));
}
/// The same with one number for all.
template <detail::array_like X, detail::index_tensor I, number V> auto scatter(const X& x, int dim, const I& index, V value) {
  return scatter(x, dim, index, full<typename X::value_type>(index.sizes(), static_cast<typename X::value_type>(value)));
}
/// x with src[.., i, ..] added to x[.., index[.., i, ..], ..] along `dim`, as a new tensor.
/// https://pytorch.org/docs/stable/generated/torch.scatter_add.html
template <detail::array_like X, detail::index_tensor I, detail::array_like S> auto scatter_add(const X& x, int dim, const I& index, const S& src) {
  detail::check_source(x, src);
  detail::check_as_large(index, src, "scatter_add");
  return detail::scattered<true>(x, detail::covered(index, src), detail::gather_map(x.sizes(), detail::wrap_dim(dim, X::rank, "scatter_add"), index, "scatter_add"));
}
/// x with the slices of src added to those at `index` (1-d) along `dim`. https://pytorch.org/docs/stable/generated/torch.index_add.html
template <detail::array_like X, detail::index_tensor I, detail::array_like S> auto index_add(const X& x, int dim, const I& index, const S& src) {
  constexpr int R = X::rank;
  detail::check_source(x, src);
  const int d = detail::wrap_dim(dim, R, "index_add");
  index_list<R> sizes = x.sizes();
  sizes[d] = index.numel();
  if (!(src.sizes() == sizes)) fail<shape_error>("index_add: a source of sizes ", shape_text{src.sizes().data(), R}, ", not ", shape_text{sizes.data(), R});
  return detail::scattered<true>(x, src, detail::slices_map(x.sizes(), d, index, "index_add"));
}
/// t[index] = src in place, as scatter.
template <class T, class E, detail::index_tensor I> void scatter_(const tensor<T, E>& t, int dim, const I& index, const tensor<T, rank<E::rank>>& src) {
  detail::check_as_large(index, src, "scatter_");
  const auto m = detail::gather_map(t.sizes(), detail::wrap_dim(dim, E::rank, "scatter_"), index, "scatter_");
  detail::write_selected(t, *m, detail::covered(index, src));
}
/// t where mask = value, in place.
template <class T, class E, expression M, class V> void masked_fill_(const tensor<T, E>& t, M&& mask, V value) {
  t.copy_(where(static_cast<M&&>(mask), value, t));
}

}  // namespace SINTER_TARGET
}  // namespace sinter::inline v0
#pragma GCC visibility pop
