// SPDX-License-Identifier: BSD-3-Clause
// Views: other shapes of the same elements, by sizes and strides alone. They share storage and version.
// Not here: anything that copies, except `reshape` where it must (copy.hpp). Next: copy.hpp, creation.hpp.
#pragma once
#include "tensor.hpp"

namespace sinter::inline v0 {

/// Stands for an omitted bound of a slice.
struct none_t {};
inline constexpr none_t none{};
/// The whole of a dim, as `:` in Python.
struct full_extent_t {};
inline constexpr full_extent_t full_extent{};
/// A new dim of size 1.
struct newaxis_t {};
inline constexpr newaxis_t newaxis{};

namespace detail::inline SINTER_TARGET {
struct slice_bound {
  int64 value = 0;
  bool given = false;
  constexpr slice_bound() = default;
  constexpr slice_bound(none_t) {}
  template <integer I> constexpr slice_bound(I i) : value(static_cast<int64>(i)), given(true) {}
};
}  // namespace detail::inline SINTER_TARGET

/// Part of a dim, `start:stop:step` in Python: bounds may be `none`, negative ones count from the end, out-of-range
/// ones are clipped. A negative step walks backwards.
struct slice {
  using bound = detail::slice_bound;
  bound start, stop;
  int64 step;
  constexpr slice(bound first = {}, bound last = {}, bound by = {})
      : start(first), stop(last), step(by.given ? by.value : 1) {}
};

namespace detail::inline SINTER_TARGET {

// What the arguments of t(...) make of the extents: `Out` collects, `In` is what remains.
template <class E> struct tail_of;
template <int64 N, int64... M> struct tail_of<extents<N, M...>> { using type = extents<M...>; };
template <class Out, class In, class... A> struct sliced;
template <int64... O, int64... I> struct sliced<extents<O...>, extents<I...>> { using type = extents<O..., I...>; };
template <int64... O, class In, class... A>
struct sliced<extents<O...>, In, newaxis_t, A...> : sliced<extents<O..., 1>, In, A...> {};
template <int64... O, class In, class... A>
struct sliced<extents<O...>, In, full_extent_t, A...> : sliced<extents<O..., In::at(0)>, typename tail_of<In>::type, A...> {};
template <int64... O, class In, class... A>
struct sliced<extents<O...>, In, slice, A...> : sliced<extents<O..., dyn>, typename tail_of<In>::type, A...> {};
template <int64... O, class In, integer I, class... A>
struct sliced<extents<O...>, In, I, A...> : sliced<extents<O...>, typename tail_of<In>::type, A...> {};

template <class A>
concept index_arg = integer<A> || std::is_same_v<A, slice> || std::is_same_v<A, full_extent_t> || std::is_same_v<A, newaxis_t>;

// Walks over the dims of a tensor and writes those of the view.
template <class Arch, int In, int Out> struct view_cursor {
  const index_list<In>& in_sizes;
  const index_list<In>& in_strides;
  index_list<Out> sizes{}, strides{};
  int64 offset = 0;
  int d = 0, k = 0;

  void keep(int64 size, int64 stride) {
    sizes[k] = size;
    strides[k++] = stride;
  }
  void take(newaxis_t) { keep(1, d < In ? in_strides[d] * in_sizes[d] : 1); }
  void take(full_extent_t) {
    keep(in_sizes[d], in_strides[d]);
    ++d;
  }
  template <integer I> void take(I i) {
    offset += wrap_index<Arch>(static_cast<int64>(i), in_sizes[d], d) * in_strides[d];
    ++d;
  }
  void take(const slice& s) {
    const int64 n = in_sizes[d], step = s.step;
    if (step == 0 || step == std::numeric_limits<int64>::min()) fail<index_error, Arch>("slice: step ", step);
    const int64 low = step > 0 ? 0 : -1, high = step > 0 ? n : n - 1;
    auto clip = [&](slice::bound b, int64 omitted) {
      if (!b.given) return omitted;
      int64 i = b.value < 0 ? b.value + n : b.value;
      return i < low ? low : i > high ? high : i;
    };
    const int64 start = clip(s.start, step > 0 ? low : high), stop = clip(s.stop, step > 0 ? high : low);
    const int64 span = step > 0 ? stop - start : start - stop, stride = step > 0 ? step : -step;
    const int64 size = span <= 0 ? 0 : (span - 1) / stride + 1;
    if (size > 0) offset += start * in_strides[d];
    keep(size, size > 1 ? step * in_strides[d] : in_strides[d]);
    ++d;
  }
  void rest() {
    while (d < In) take(full_extent);
  }
};

template <class T, class E, class D, class O>
tensor<T, O, D> view_as(const tensor<T, E, D>& t, int64 offset, const index_list<O::rank>& sizes,
                        const index_list<O::rank>& strides) {
  return {t.storage_handle(), offset ? t.data() + offset : t.data(), sizes, strides};
}

}  // namespace detail::inline SINTER_TARGET

/// `t(args...)` as a view: an integer takes one index of a dim and drops it, `slice` a part, `full_extent` the whole;
/// `newaxis` adds a dim of size 1; dims not named are kept whole. Static extents survive where nothing cuts them.
/// Throws index_error for an index out of range or a step of 0.
template <class Arch, class T, class E, class D, class... A> auto subview(const tensor<T, E, D>& t, A... args) {
  constexpr bool all_indices = (detail::index_arg<A> && ... && true);
  constexpr bool few_enough = (0 + ... + !std::is_same_v<A, newaxis_t>) <= E::rank;
  static_assert(all_indices, "sinter: an index is an integer, slice, full_extent or newaxis");
  static_assert(few_enough || !all_indices, "sinter: more indices than the tensor has dims");
  if constexpr (all_indices && few_enough) {
    using result = typename detail::sliced<extents<>, E, A...>::type;
    detail::view_cursor<Arch, E::rank, result::rank> c{t.sizes(), t.strides()};
    (c.take(args), ...);
    c.rest();
    return detail::view_as<T, E, D, result>(t, c.offset, c.sizes, c.strides);
  } else {
    return T();
  }
}

/// Dims `d0` and `d1` swapped. Throws index_error.
template <class T, class E, class D> tensor<T, rank<E::rank>, D> transpose(const tensor<T, E, D>& t, int d0, int d1) {
  const int a = detail::wrap_dim(d0, E::rank, "transpose"), b = detail::wrap_dim(d1, E::rank, "transpose");
  auto sizes = t.sizes(), strides = t.strides();
  std::swap(sizes[a], sizes[b]);
  std::swap(strides[a], strides[b]);
  return {t.storage_handle(), t.data(), sizes, strides};
}

/// Dim `i` of the result is dim `dims[i]` of `t`. Throws index_error unless `dims` names every dim once.
template <class T, class E, class D>
tensor<T, rank<E::rank>, D> permute(const tensor<T, E, D>& t, const index_list<E::rank>& dims) {
  index_list<E::rank> sizes, strides;
  bool seen[E::rank + 1] = {};
  for (int i = 0; i < E::rank; ++i) {
    const int d = detail::wrap_dim(dims[i], E::rank, "permute");
    if (seen[d]) fail<index_error>("permute: dim ", d, " occurs twice in ", shape_text{dims.data(), E::rank});
    seen[d] = true;
    sizes[i] = t.sizes()[d];
    strides[i] = t.strides()[d];
  }
  return {t.storage_handle(), t.data(), sizes, strides};
}

/// A dim of size 1 put in at `dim`. Throws index_error.
template <class T, class E, class D> tensor<T, rank<E::rank + 1>, D> unsqueeze(const tensor<T, E, D>& t, int dim) {
  const int at = detail::wrap_dim(dim, E::rank + 1, "unsqueeze");
  index_list<E::rank + 1> sizes, strides;
  for (int i = 0; i <= E::rank; ++i) {
    const int d = i < at ? i : i - 1;
    sizes[i] = i == at ? 1 : t.sizes()[d];
    strides[i] = i != at ? t.strides()[d] : at < E::rank ? t.sizes()[at] * t.strides()[at] : 1;
  }
  return {t.storage_handle(), t.data(), sizes, strides};
}

/// Index `i` of dim `dim`, which is dropped. Throws index_error.
template <class T, class E, class D>
tensor<T, rank<E::rank - 1>, D> select(const tensor<T, E, D>& t, int dim, int64 i) {
  static_assert(E::rank > 0, "sinter: select needs at least one dim");
  const int at = detail::wrap_dim(dim, E::rank, "select");
  const int64 offset = detail::wrap_index(i, t.sizes()[at], at) * t.strides()[at];
  index_list<E::rank - 1> sizes, strides;
  for (int k = 0; k < E::rank - 1; ++k) {
    sizes[k] = t.sizes()[k < at ? k : k + 1];
    strides[k] = t.strides()[k < at ? k : k + 1];
  }
  return {t.storage_handle(), t.data() + offset, sizes, strides};
}

/// Without dim `dim`, which must have size 1. Throws shape_error otherwise, as the rank is part of the type.
template <class T, class E, class D> tensor<T, rank<E::rank - 1>, D> squeeze(const tensor<T, E, D>& t, int dim) {
  const int at = detail::wrap_dim(dim, E::rank, "squeeze");
  if (t.sizes()[at] != 1)
    fail<shape_error>("squeeze: dim ", at, " of sizes ", shape_text{t.sizes().data(), E::rank}, " is not 1");
  return select(t, at, 0);
}

/// Dim `from` moved to place `to`, the others in their order. Throws index_error.
template <class T, class E, class D> tensor<T, rank<E::rank>, D> movedim(const tensor<T, E, D>& t, int from, int to) {
  const int a = detail::wrap_dim(from, E::rank, "movedim"), b = detail::wrap_dim(to, E::rank, "movedim");
  index_list<E::rank> order;
  for (int i = 0, d = 0; i < E::rank; ++i) {
    if (i == b) {
      order[i] = a;
    } else {
      if (d == a) ++d;
      order[i] = d++;
    }
  }
  return permute(t, order);
}

/// The diagonal of dims d0 and d1, as the last dim: elements (i, i + offset). Throws index_error.
/// https://pytorch.org/docs/stable/generated/torch.diagonal.html
template <class T, class E, class D>
tensor<T, rank<E::rank - 1>, D> diagonal(const tensor<T, E, D>& t, int64 offset = 0, int d0 = 0, int d1 = 1) {
  static_assert(E::rank >= 2, "sinter: diagonal needs two dims");
  const int a = detail::wrap_dim(d0, E::rank, "diagonal"), b = detail::wrap_dim(d1, E::rank, "diagonal");
  if (a == b) fail<index_error>("diagonal: both dims are ", a);
  const int64 rows = t.sizes()[a], columns = t.sizes()[b], row = offset < 0 ? -offset : 0, column = offset > 0 ? offset : 0;
  int64 n = rows - row < columns - column ? rows - row : columns - column;
  if (n < 0) n = 0;
  index_list<E::rank - 1> sizes, strides;
  int k = 0;
  for (int d = 0; d < E::rank; ++d)
    if (d != a && d != b) sizes[k] = t.sizes()[d], strides[k++] = t.strides()[d];
  sizes[k] = n, strides[k] = t.strides()[a] + t.strides()[b];
  const int64 at = n ? row * t.strides()[a] + column * t.strides()[b] : 0;
  return {t.storage_handle(), at ? t.data() + at : t.data(), sizes, strides};
}

/// Windows of `size` indices of dim `dim`, `step` apart; what is in a window becomes the last dim. Windows may share elements.
/// Throws index_error. https://pytorch.org/docs/stable/generated/torch.Tensor.unfold.html
template <class T, class E, class D> tensor<T, rank<E::rank + 1>, D> unfold(const tensor<T, E, D>& t, int dim, int64 size, int64 step) {
  static_assert(E::rank > 0, "sinter: unfold needs at least one dim");
  const int at = detail::wrap_dim(dim, E::rank, "unfold");
  const int64 n = t.sizes()[at];
  if (size < 0 || size > n || step <= 0) fail<index_error>("unfold: windows of ", size, ", ", step, " apart, in dim ", at, " of size ", n);
  index_list<E::rank + 1> sizes, strides;
  for (int d = 0; d < E::rank; ++d) sizes[d] = t.sizes()[d], strides[d] = t.strides()[d];
  sizes[at] = (n - size) / step + 1, strides[at] = step * t.strides()[at];
  sizes[E::rank] = size, strides[E::rank] = t.strides()[at];
  return {t.storage_handle(), t.data(), sizes, strides};
}

/// `length` indices of dim `dim` from `start` on. Throws index_error.
template <class T, class E, class D>
tensor<T, rank<E::rank>, D> narrow(const tensor<T, E, D>& t, int dim, int64 start, int64 length) {
  const int at = detail::wrap_dim(dim, E::rank, "narrow");
  const int64 n = t.sizes()[at], first = start < 0 ? start + n : start;
  if (first < 0 || first > n || length < 0 || length > n - first)
    fail<index_error>("narrow: ", length, " from ", start, " does not lie in dim ", at, " of size ", n);
  auto sizes = t.sizes();
  sizes[at] = length;
  const int64 offset = t.numel() == 0 ? 0 : first * t.strides()[at];
  return {t.storage_handle(), length ? t.data() + offset : t.data(), sizes, t.strides()};
}

/// The order of indices reversed in each of `dims`, through negative strides. Throws index_error.
template <class T, class E, class D, int N>
tensor<T, E, D> flip(const tensor<T, E, D>& t, const index_list<N>& dims) {
  auto strides = t.strides();
  bool seen[E::rank + 1] = {};
  int64 offset = 0;
  for (int64 dim : dims) {
    const int d = detail::wrap_dim(dim, E::rank, "flip");
    if (seen[d]) fail<index_error>("flip: dim ", d, " occurs twice");
    seen[d] = true;
    offset += (t.sizes()[d] - 1) * strides[d];
    strides[d] = -strides[d];
  }
  return {t.storage_handle(), t.numel() ? t.data() + offset : t.data(), t.sizes(), strides};
}
template <class T, class E, class D, std::size_t N>
tensor<T, E, D> flip(const tensor<T, E, D>& t, const detail::size_arg (&dims)[N]) {
  return flip(t, index_list<static_cast<int>(N)>(dims));
}
template <class T, class E, class D> tensor<T, E, D> flip(const tensor<T, E, D>& t, int dim) {
  return flip(t, index_list<1>(dim));
}

/// `t` repeated without copying (stride 0) to `sizes`: new dims in front, and dims of size 1. A size of -1 keeps the
/// dim's own. Throws shape_error.
template <class T, class E, class D, int R>
tensor<T, rank<R>, D> expand(const tensor<T, E, D>& t, const index_list<R>& to) {
  static_assert(R >= E::rank, "sinter: expand needs at least as many sizes as the tensor has dims");
  index_list<R> sizes = to, strides;
  for (int i = 0; i < R; ++i) {
    const int d = i - (R - E::rank);
    const int64 own = d < 0 ? 1 : t.sizes()[d];
    if (sizes[i] == -1 && d >= 0) sizes[i] = own;
    if (sizes[i] < 0 || (own != 1 && own != sizes[i]))
      fail<shape_error>("expand: sizes ", shape_text{t.sizes().data(), E::rank}, " do not expand to ",
                        shape_text{to.data(), R});
    strides[i] = d < 0 || own != sizes[i] ? 0 : t.strides()[d];
  }
  if (!detail::countable(sizes)) fail<shape_error>("expand: too many elements in ", shape_text{to.data(), R});
  return {t.storage_handle(), t.data(), sizes, strides};
}
template <class T, class E, class D, std::size_t R>
auto expand(const tensor<T, E, D>& t, const detail::size_arg (&sizes)[R]) {
  return expand(t, index_list<static_cast<int>(R)>(sizes));
}

}  // namespace sinter::inline v0
