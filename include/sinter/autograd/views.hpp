// SPDX-License-Identifier: BSD-3-Clause
// The views of tensor/view.hpp and tensor/copy.hpp for variables and expressions: recorded, differentiable to any order.
// A view shares the variable's elements. Next: tensor/index.hpp for selections.
#pragma once
#include <vector>

#include "hooks.hpp"
#include "in_place.hpp"

namespace sinter::inline v0 {
namespace detail::inline SINTER_TARGET {
/// What is not simply a tensor: a variable, or an expression, which is evaluated first.
template <class X>
concept recorded = is_variable<std::remove_cvref_t<X>> || formula<X>;
}  // namespace detail::inline SINTER_TARGET
inline namespace SINTER_TARGET {

#define SINTER_RECORDED_VIEW(name)                                                                                       \
  template <detail::recorded X, class... A> auto name(X&& x, const A&... args) {                                         \
    if constexpr (detail::formula<X>) return name(eval(x), args...);                                                     \
    else return detail::viewed(x, [=](const auto& t) { return sinter::name(t, args...); });                              \
  }
#define SINTER_RECORDED_VIEW_LIST(name)                                                                                  \
  SINTER_RECORDED_VIEW(name)                                                                                             \
  template <detail::recorded X, std::size_t N> auto name(X&& x, const detail::size_arg (&list)[N]) {                     \
    return name(static_cast<X&&>(x), index_list<static_cast<int>(N)>(list));                                             \
  }
SINTER_RECORDED_VIEW(transpose)
SINTER_RECORDED_VIEW(movedim)
SINTER_RECORDED_VIEW(unsqueeze)
SINTER_RECORDED_VIEW(squeeze)
SINTER_RECORDED_VIEW(select)
SINTER_RECORDED_VIEW(narrow)
SINTER_RECORDED_VIEW(diagonal)
SINTER_RECORDED_VIEW(unfold)
SINTER_RECORDED_VIEW(flatten)
SINTER_RECORDED_VIEW(subview)
SINTER_RECORDED_VIEW_LIST(permute)
SINTER_RECORDED_VIEW_LIST(flip)
SINTER_RECORDED_VIEW_LIST(expand)
SINTER_RECORDED_VIEW_LIST(reshape)
SINTER_RECORDED_VIEW_LIST(view)
#undef SINTER_RECORDED_VIEW_LIST
#undef SINTER_RECORDED_VIEW

/// A copy of the elements, recorded. https://pytorch.org/docs/stable/generated/torch.clone.html
template <class T, class E> variable<T, E> clone(const variable<T, E>& v) { return detail::same_value(v.slot(), clone(v.value())); }
/// v itself where its elements lie row-major without holes, else a recorded copy.
template <class T, class E> variable<T, E> contiguous(const variable<T, E>& v) {
  return v.value().is_contiguous() ? v : detail::same_value(v.slot(), contiguous(v.value()));
}

}  // namespace SINTER_TARGET

template <class T, class E, class D> template <class... A> SINTER_INLINE auto variable<T, E, D>::operator()(A... a) const {
  if constexpr (sizeof...(A) > 0 && ((tensor_like<A> || detail::formula<A>) && ... && true)) return select_elements(*this, a...);
  else return detail::viewed(*this, [=](const auto& t) { return sinter::subview(t, a...); });
}
template <class V, class E, class D> SINTER_INLINE auto variable<V, E, D>::T() const requires(E::rank == 2) {
  return detail::viewed(*this, [](const auto& t) { return t.T(); });
}

namespace detail::inline SINTER_TARGET {
/// part(i) for i below n, as a vector.
template <class F> auto parts_of(int64 n, F part) {
  std::vector<decltype(part(int64{0}))> out(static_cast<std::size_t>(n));
  for (int64 i = 0; i < n; ++i) out[static_cast<std::size_t>(i)] = part(i);
  return out;
}
}  // namespace detail::inline SINTER_TARGET
inline namespace SINTER_TARGET {

/// Parts of `size` indices of dim `dim`, the last one shorter: a vector of views of a tensor or variable. Throws index_error,
/// shape_error. https://pytorch.org/docs/stable/generated/torch.split.html
template <expression X> auto split(const X& x, int64 size, int dim = 0) {
  if constexpr (detail::formula<X>) {
    return split(eval(x), size, dim);
  } else {
    const int d = detail::wrap_dim(dim, X::rank, "split");
    const int64 n = x.size(d);
    if (size <= 0) fail<shape_error>("split: parts of ", size, " indices");
    return detail::parts_of(n ? (n + size - 1) / size : 1, [&](int64 i) { return narrow(x, d, i * size, i * size + size < n ? size : n - i * size); });
  }
}
/// Parts of the given sizes, which add up to dim `dim`.
template <expression X, std::size_t N> auto split(const X& x, const detail::size_arg (&sizes)[N], int dim = 0) {
  if constexpr (detail::formula<X>) {
    return split(eval(x), sizes, dim);
  } else {
    const int d = detail::wrap_dim(dim, X::rank, "split");
    int64 all = 0;
    for (const auto& s : sizes) all += s.value;
    if (all != x.size(d)) fail<shape_error>("split: the sizes add up to ", all, ", but dim ", d, " has ", x.size(d));
    int64 at = 0;
    return detail::parts_of(N, [&](int64 i) {
      at += sizes[i].value;
      return narrow(x, d, at - sizes[i].value, sizes[i].value);
    });
  }
}
/// At most `chunks` equal parts of dim `dim`, the last one shorter. https://pytorch.org/docs/stable/generated/torch.chunk.html
template <expression X> auto chunk(const X& x, int64 chunks, int dim = 0) {
  if constexpr (detail::formula<X>) {
    return chunk(eval(x), chunks, dim);
  } else {
    if (chunks <= 0) fail<shape_error>("chunk: ", chunks, " parts");
    const int64 n = x.size(dim), size = (n + chunks - 1) / chunks;
    return split(x, size ? size : 1, dim);
  }
}
/// a sigmoid(b) for the halves a and b of dim `dim`. Throws shape_error for an odd size. https://arxiv.org/abs/1612.08083
template <expression X> auto glu(const X& x, int dim = -1) {
  if constexpr (detail::formula<X>) {
    return glu(eval(x), dim);
  } else {
    const int d = detail::wrap_dim(dim, X::rank, "glu");
    const int64 half = x.size(d) / 2;
    if (x.size(d) % 2) fail<shape_error>("glu: dim ", d, " has odd size ", x.size(d));
    return narrow(x, d, 0, half) * sigmoid(narrow(x, d, half, half));
  }
}
/// All indices of dim `dim`, each without that dim.
template <expression X> auto unbind(const X& x, int dim = 0) {
  if constexpr (detail::formula<X>) return unbind(eval(x), dim);
  else return detail::parts_of(x.size(dim), [&](int64 i) { return select(x, dim, i); });
}

}  // namespace SINTER_TARGET
}  // namespace sinter::inline v0
