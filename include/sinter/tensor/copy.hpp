// SPDX-License-Identifier: BSD-3-Clause
// Copies of elements: clone, contiguous, and reshape, which copies only where strides cannot do it.
// Not here: conversion of element types. Next: creation.hpp, view.hpp.
#pragma once
#include "../cpu/copy_elements.hpp"
#include "creation.hpp"
#include "view.hpp"

namespace sinter::inline v0 {

namespace detail::inline SINTER_TARGET {

// to[i] = from[i] for every index i, each side with its own strides.
template <class Arch, class T, int R>
void copy_strided(T* to, const index_list<R>& to_strides, const T* from, const index_list<R>& from_strides, const index_list<R>& sizes) {
  shape_value s;
  s.rank = R;
  for (int d = 0; d < R; ++d) s[d] = sizes[d];
  copy_elements<Arch>(sizeof(T), s, from, from_strides.data(), to, to_strides.data());
}

// Strides of the same elements with sizes `to`; false where there are none.
template <int A, int B>
bool view_strides(const index_list<A>& sizes, const index_list<A>& strides, const index_list<B>& to,
                  index_list<B>& out) {
  out = row_major(to);
  for (int64 size : sizes)
    if (size == 0) return true;
  int k = B - 1;
  int64 have = 1, want = 1;
  for (int d = A - 1; d >= 0; --d) {
    // Dims d..last form one run of evenly spaced elements: cut it into new dims from the back.
    int last = d;
    have = sizes[d];
    const auto fits = [&](int i) { return sizes[i] == 1 || have == 1 || strides[i] == have * strides[last]; };
    while (d > 0 && fits(d - 1)) {
      if (have == 1) last = d - 1;
      have *= sizes[--d];
    }
    for (want = 1; k >= 0 && (want < have || to[k] == 1); --k) {
      out[k] = want * strides[last];
      want *= to[k];
    }
    if (want != have) return false;
  }
  return true;
}

// One size may be -1: what is left.
template <int R> index_list<R> infer_size(index_list<R> to, int64 numel, const char* who) {
  const index_list<R> given = to;
  int open = -1;
  int64 known = 1;
  bool good = true;
  for (int i = 0; i < R; ++i) {
    if (to[i] == -1 && open < 0) {
      open = i;
    } else {
      good = good && to[i] >= 0;
    }
  }
  good = good && countable(to);
  for (int i = 0; good && i < R; ++i)
    if (i != open) known *= to[i];
  if (good && open >= 0) {
    good = known > 0 && numel % known == 0;
    if (good) to[open] = numel / known;
  } else if (good) {
    good = known == numel;
  }
  if (!good) fail<shape_error>(who, ": ", numel, " elements do not fit sizes ", shape_text{given.data(), R});
  return to;
}

}  // namespace detail::inline SINTER_TARGET

#pragma GCC visibility push(hidden)

/// A copy with elements of its own; dense strides (column-major, permuted) are kept, others become row-major.
template <class T, class E, class D, class Arch = native>
tensor<std::remove_const_t<T>, E, D> clone(const tensor<T, E, D>& t) {
  if (!t.defined()) return {};
  auto copy = detail::new_like<Arch>(t);
  if (t.is_dense()) {
    if (t.numel() > 0) std::memcpy(copy.data(), t.data(), static_cast<std::size_t>(t.numel()) * sizeof(T));
  } else {
    detail::copy_strided<Arch>(copy.data(), copy.strides(), t.data(), t.strides(), t.sizes());
  }
  return copy;
}

/// `t` itself where it is row-major without holes, else a copy that is.
template <class T, class E, class D, class Arch = native> tensor<T, E, D> contiguous(const tensor<T, E, D>& t) {
  if (t.is_contiguous()) return t;
  auto copy = detail::new_tensor<std::remove_const_t<T>, E, Arch>(t.sizes());
  detail::copy_strided<Arch>(copy.data(), copy.strides(), t.data(), t.strides(), t.sizes());
  return copy;
}

/// The same elements in row-major order with other sizes, one of which may be -1. A view where the strides allow it,
/// else a copy. Throws shape_error.
template <class T, class E, class D, int R, class Arch = native>
tensor<T, rank<R>, D> reshape(const tensor<T, E, D>& t, const index_list<R>& sizes) {
  const auto to = detail::infer_size(sizes, t.numel(), "reshape");
  index_list<R> strides;
  if (detail::view_strides(t.sizes(), t.strides(), to, strides)) return {t.storage_handle(), t.data(), to, strides};
  const auto copy = contiguous(t);
  return {copy.storage_handle(), copy.data(), to, detail::row_major(to)};
}
template <class T, class E, class D, std::size_t R, class Arch = native>
auto reshape(const tensor<T, E, D>& t, const detail::size_arg (&sizes)[R]) {
  return reshape(t, detail::sizes_of(sizes));
}

namespace detail::inline SINTER_TARGET {
template <class X> X explain_new_sizes(const X& t) {
  static_assert(never<X>, "sinter: new sizes are a list: `st::reshape(x, {2, 3})`; -1 stands for what is left");
  return t;
}
}  // namespace detail::inline SINTER_TARGET
// Only to say what is meant instead.
template <class T, class E, class D, detail::integer... I> requires(sizeof...(I) > 0)
auto reshape(const tensor<T, E, D>& t, I...) { return detail::explain_new_sizes(t); }
template <class T, class E, class D, detail::integer... I> requires(sizeof...(I) > 0)
auto view(const tensor<T, E, D>& t, I...) { return detail::explain_new_sizes(t); }

/// As `reshape`, but never a copy: throws shape_error where strides cannot express the sizes.
template <class T, class E, class D, int R>
tensor<T, rank<R>, D> view(const tensor<T, E, D>& t, const index_list<R>& sizes) {
  const auto to = detail::infer_size(sizes, t.numel(), "view");
  index_list<R> strides;
  if (!detail::view_strides(t.sizes(), t.strides(), to, strides))
    fail<shape_error>("view: sizes ", shape_text{t.sizes().data(), E::rank}, " with strides ",
                      shape_text{t.strides().data(), E::rank}, " have no view of sizes ", shape_text{to.data(), R},
                      "; use reshape");
  return {t.storage_handle(), t.data(), to, strides};
}
template <class T, class E, class D, std::size_t R>
auto view(const tensor<T, E, D>& t, const detail::size_arg (&sizes)[R]) {
  return view(t, detail::sizes_of(sizes));
}

/// All dims as one. A view where the strides allow it, else a copy.
template <class T, class E, class D, class Arch = native> tensor<T, rank<1>, D> flatten(const tensor<T, E, D>& t) {
  return reshape(t, index_list<1>(t.numel()));
}

#pragma GCC visibility pop
}  // namespace sinter::inline v0
