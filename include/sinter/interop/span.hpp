// SPDX-License-Identifier: BSD-3-Clause
// std::span and ranges with data(): as tensors without a copy, and back.
#pragma once
#include <ranges>
#include <span>

#include "../tensor/creation.hpp"

namespace sinter::inline v0 {
inline namespace SINTER_TARGET {

/// A tensor around the elements of a span, vector, array ... which must outlive it; read-only for constant elements.
template <std::ranges::contiguous_range R> requires number<std::ranges::range_value_t<R>> && std::ranges::sized_range<R> && std::is_lvalue_reference_v<R&&>
auto from_range(R&& r) {
  return from_blob(std::ranges::data(r), {static_cast<int64>(std::ranges::size(r))});
}
template <class T, std::size_t N> auto from_range(std::span<T, N> s) { return from_blob(s.data(), {static_cast<int64>(s.size())}); }

/// The elements of a tensor without holes, row-major. Throws shape_error for one with other strides.
template <class T, class E> std::span<T> as_span(const tensor<T, E>& t) {
  if (!t.is_contiguous()) fail<shape_error>("as_span: sizes ", shape_text{t.sizes().data(), E::rank}, " with strides ", shape_text{t.strides().data(), E::rank}, " are not contiguous; use contiguous()");
  return {t.data(), static_cast<std::size_t>(t.numel())};
}

}  // namespace SINTER_TARGET
}  // namespace sinter::inline v0
