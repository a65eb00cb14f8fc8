// SPDX-License-Identifier: BSD-3-Clause
// Selections by index: gather, masks, index tensors, roll, tril, repeat ... of tensors, variables and expressions. Each is an
// index_map, so all are differentiable to any order. Not here: what writes (scatter.hpp), joins and sorts. Next: scatter.hpp.
#pragma once
#include "index_map.hpp"

#pragma GCC visibility push(hidden)
namespace sinter::inline v0::detail::inline SINTER_TARGET {

/// t's elements become those of `value` that m selects them as; `value` has t's dtype and m's sizes.
/// Throws shape_error where t is expanded: several of its elements are one.
template <class T, class E, class V> void write_selected(const tensor<T, E, cpu_t>& t, const index_map& m, const V& value) {
  if (overlaps_itself(t)) fail<shape_error>("cannot write to a tensor of shape ", shape_text{t.sizes().data(), E::rank}, " that reaches an element twice (expanded)");
  const auto v = value.storage_handle() == t.storage_handle() ? clone(contiguous(value)) : contiguous(value);
  const operand o = operand_of(t);
  const row_major_access<T> to(o);
  m.for_elements([&](int64 i, int64 k) { if (i >= 0) to[i] = v.data()[k]; });
  t.bump_version();
}

/// base, in which what m names was replaced by (or, `add`, increased by) the elements of src.
template <bool Add, class X, class S> auto scattered(const X& base, const S& src, const index_map_ptr& m) {
  using V = typename X::value_type;
  constexpr int R = X::rank;
  tensor<V, rank<R>> value = clone(contiguous(tensor_of(base)));
  const auto from = contiguous(tensor_of(src));
  m->for_elements([&](int64 i, int64 k) {
    if constexpr (Add) add_to(value.data()[i], from.data()[k]);
    else value.data()[i] = from.data()[k];
  });
  if constexpr (tensor_like<X> && tensor_like<S>) {
    return value;
  } else {
    vec<linear_term> terms;
    // without Add base keeps what was not written, and of several writes to one place the last counts
    auto rest = new_map<index_map>(m->in, m->in, value.numel(), 1), last = new_map<index_map>(m->in, m->out, m->rows * m->width, 1);
    for (int64 i = 0; i < rest->rows; ++i) rest->row(i) = -1;
    m->for_elements([&](int64 i, int64 k) { rest->row(i) = k; });  // who wrote it
    m->for_elements([&](int64 i, int64 k) { last->row(k) = Add || rest->row(i) == k ? i : -1; });
    for (int64 i = 0; i < rest->rows; ++i) rest->row(i) = Add || rest->row(i) < 0 ? i : -1;
    if constexpr (!tensor_like<X>) terms.push({rest, false, base.slot()});
    if constexpr (!tensor_like<S>) terms.push({last, true, src.slot()});
    return linear_variable<V, rank<R>>(value, terms);
  }
}
/// What x(mask) and x(index) are for a tensor or variable x: the selected elements, as one of their own; assigning to it writes them
/// into x, recorded if that is a variable. Values: their type.
template <class X, class Values> struct selection : Values {
  selection(const X& x, const index_map_ptr& m) : Values(map_linear<typename Values::extents_type>(x, m)), x_(x), m_(m) {}
  template <class E> requires assignable<E> void operator=(E&& e) && { copy_(static_cast<E&&>(e)); }
  template <class E> requires assignable<E> void copy_(E&& e) {
    mine().copy_(static_cast<E&&>(e));
    write();
  }
#define SINTER_SELECTION_ASSIGN(sign)                                                   \
  template <class E> requires assignable<E> void operator sign##=(E&& e) && {           \
    mine() sign##= static_cast<E&&>(e);                                                 \
    write();                                                                            \
  }
  SINTER_SELECTION_ASSIGN(+) SINTER_SELECTION_ASSIGN(-) SINTER_SELECTION_ASSIGN(*) SINTER_SELECTION_ASSIGN(/)
#undef SINTER_SELECTION_ASSIGN

 private:
  const Values& mine() const { return *this; }
  void write() const {
    if constexpr (is_variable<X>) {
      x_.copy_(scattered<false>(x_, mine(), m_));
    } else {
      static_assert(!std::is_const_v<typename X::element_type>, "sinter: this tensor is read-only");
      write_selected(x_, *m_, mine());
    }
  }
  X x_;
  index_map_ptr m_;
};
template <class X, class T, class E, class D> inline constexpr bool is_variable<selection<X, variable<T, E, D>>> = true;
/// x's elements as m says, for a tensor or a variable.
template <int R, class X> auto selected(const X& x, const index_map_ptr& m) { return map_linear<rank<R>>(x, m); }

}  // namespace sinter::inline v0::detail::inline SINTER_TARGET

namespace sinter::inline v0 {
inline namespace SINTER_TARGET {

/// Evaluates an expression first.
#define SINTER_OF_EXPRESSION(name)                                                                  \
  template <detail::formula X, class... A> auto name(const X& x, const A&... args) { return name(eval(x), args...); }

/// The slices of x at `index` (1-d, integers) along `dim`, in that order. Throws index_error for an index outside [0, n).
/// https://pytorch.org/docs/stable/generated/torch.index_select.html
template <detail::array_like X, detail::index_tensor I> auto index_select(const X& x, int dim, const I& index) {
  constexpr int R = X::rank;
  static_assert(R > 0, "sinter: index_select needs at least one dim");
  static_assert(I::rank == 1, "sinter: index_select takes a 1-d tensor of integers; flatten the index");
  const int d = detail::wrap_dim(dim, R, "index_select");
  if constexpr (tensor_like<X>) {  // of any strides, without a copy of the whole
    using V = typename X::value_type;
    index_list<R> out = x.sizes(), one = x.sizes();  // the result, and the part that one index names
    out[d] = index.numel(), one[d] = 1;
    auto y = detail::new_tensor<V, rank<R>>(out);
    for (int64 i = 0; i < out[d]; ++i) {
      const int64 at = detail::checked_index(detail::element_at(index, index_list<1>(i)), x.sizes()[d], d, "index_select");
      detail::copy_strided<native, V>(y.data() + i * y.strides()[d], y.strides(), x.data() + at * x.strides()[d], x.strides(), one);
    }
    return y;
  } else {
    return detail::selected<R>(x, detail::slices_map(x.sizes(), d, index, "index_select"));
  }
}
SINTER_OF_EXPRESSION(index_select)

/// out[.., i, ..] = x[.., index[.., i, ..], ..] along `dim`; index has x's rank. https://pytorch.org/docs/stable/generated/torch.gather.html
template <detail::array_like X, detail::index_tensor I> auto gather(const X& x, int dim, const I& index) {
  return detail::selected<X::rank>(x, detail::gather_map(x.sizes(), detail::wrap_dim(dim, X::rank, "gather"), index, "gather"));
}
SINTER_OF_EXPRESSION(gather)
/// gather with NumPy's order of arguments; sizes of other dims are equal. What argsort and argmax(x, d, keepdim) give fits.
template <detail::array_like X, detail::index_tensor I> auto take_along_dim(const X& x, const I& index, int dim) {
  return detail::selected<X::rank>(x, detail::gather_map(x.sizes(), detail::wrap_dim(dim, X::rank, "take_along_dim"), index, "take_along_dim"));
}
SINTER_OF_EXPRESSION(take_along_dim)
/// Elements of x by their row-major numbers, in the index's shape. https://pytorch.org/docs/stable/generated/torch.take.html
template <detail::array_like X, detail::index_tensor I> auto take(const X& x, const I& index) {
  const int64 n = x.numel();
  return detail::selected<I::rank>(x, detail::make_index_map(x.sizes(), index.sizes(), [&](const index_list<I::rank>& at) {
    return detail::checked_index(detail::element_at(index, at), n, 0, "take", true);
  }));
}
SINTER_OF_EXPRESSION(take)

/// The elements where `mask` (x's sizes, or those of its leading dims) is true, row-major, in one dim.
/// https://pytorch.org/docs/stable/generated/torch.masked_select.html
template <detail::array_like X, detail::mask_tensor M> auto masked_select(const X& x, const M& mask) {
  return detail::selected<X::rank - M::rank + 1>(x, detail::mask_map(x.sizes(), mask, "masked_select"));
}
SINTER_OF_EXPRESSION(masked_select)
/// x with `value` where `mask` is true; all three broadcast.
template <expression X, expression M, class V> auto masked_fill(X&& x, M&& mask, V&& value) {
  return where(static_cast<M&&>(mask), static_cast<V&&>(value), static_cast<X&&>(x));
}

/// Where x is not 0: int64 [count, rank], row-major. https://pytorch.org/docs/stable/generated/torch.nonzero.html
template <tensor_like X> tensor<int64, rank<2>> nonzero(const X& x) {
  constexpr int R = X::rank;
  auto is_set = [&](const index_list<R>& at) { return detail::element_at(x, at) != typename X::value_type(0); };
  int64 count = 0, k = 0;
  detail::for_indices(x.sizes(), [&](const index_list<R>& at) { count += is_set(at); });
  auto out = empty<int64>({count, R});
  detail::for_indices(x.sizes(), [&](const index_list<R>& at) {
    if (!is_set(at)) return;
    for (int d = 0; d < R; ++d) out.data()[k * R + d] = at[d];
    ++k;
  });
  return out;
}
SINTER_OF_EXPRESSION(nonzero)

/// 1 at class index[..] of a new last dim, else 0: int64 [.., classes]; classes < 0: 1 + the largest index. Throws index_error.
/// https://pytorch.org/docs/stable/generated/torch.nn.functional.one_hot.html
template <detail::index_tensor I> auto one_hot(const I& index, int64 classes = -1) {
  constexpr int R = I::rank;
  int64 largest = -1;
  detail::for_indices(index.sizes(), [&](const index_list<R>& at) {
    const int64 i = detail::element_at(index, at);
    if (i < 0 || (classes >= 0 && i >= classes)) fail<index_error>("one_hot: class ", i, " of ", classes);
    largest = i > largest ? i : largest;
  });
  index_list<R + 1> sizes;
  for (int d = 0; d < R; ++d) sizes[d] = index.sizes()[d];
  sizes[R] = classes >= 0 ? classes : largest + 1;
  auto out = zeros<int64>(sizes);
  int64 row = 0;
  detail::for_indices(index.sizes(), [&](const index_list<R>& at) { out.data()[row++ * sizes[R] + detail::element_at(index, at)] = 1; });
  return out;
}

}  // namespace SINTER_TARGET
namespace detail::inline SINTER_TARGET {
template <bool Lower, class X> auto triangle(const X& x, int64 diagonal) {
  constexpr int R = X::rank;
  static_assert(R >= 2, "sinter: tril and triu need a matrix");
  return selected<R>(x, make_index_map(x.sizes(), x.sizes(), [&](const index_list<R>& at) {
    const int64 above = at[R - 1] - at[R - 2];
    return (Lower ? above <= diagonal : above >= diagonal) ? number_at(x.sizes(), at) : -1;
  }));
}
}  // namespace detail::inline SINTER_TARGET
inline namespace SINTER_TARGET {
/// The elements on and below diagonal number `diagonal` of the last two dims, 0 elsewhere.
template <detail::array_like X> auto tril(const X& x, int64 diagonal = 0) { return detail::triangle<true>(x, diagonal); }
SINTER_OF_EXPRESSION(tril)
/// The elements on and above diagonal number `diagonal` of the last two dims, 0 elsewhere.
template <detail::array_like X> auto triu(const X& x, int64 diagonal = 0) { return detail::triangle<false>(x, diagonal); }
SINTER_OF_EXPRESSION(triu)

/// x repeated times[d] times along each dim; more times than dims repeat along new leading dims.
/// https://pytorch.org/docs/stable/generated/torch.Tensor.repeat.html
template <detail::array_like X, int N> auto repeat(const X& x, const index_list<N>& times) {
  constexpr int R = X::rank;
  static_assert(N >= R, "sinter: repeat needs a count for every dim");
  index_list<N> out;
  for (int d = 0; d < N; ++d) {
    if (times[d] < 0) fail<shape_error>("repeat: ", times[d], " times");
    out[d] = times[d] * (d < N - R ? 1 : x.sizes()[d - (N - R)]);
  }
  return detail::selected<N>(x, detail::make_index_map(x.sizes(), out, [&](const index_list<N>& at) {
    index_list<R> in;
    for (int d = 0; d < R; ++d) in[d] = at[d + N - R] % x.sizes()[d];
    return detail::number_at(x.sizes(), in);
  }));
}
SINTER_OF_EXPRESSION(repeat)
template <expression X, std::size_t N> auto repeat(const X& x, const detail::size_arg (&times)[N]) { return repeat(x, index_list<static_cast<int>(N)>(times)); }
/// repeat, with fewer times than dims allowed: 1 for the leading ones.
template <expression X, std::size_t N> auto tile(const X& x, const detail::size_arg (&times)[N]) {
  if constexpr (detail::formula<X>) {
    return tile(eval(x), times);
  } else {
    constexpr int R = X::rank, n = static_cast<int>(N), M = R > n ? R : n;
    index_list<M> all;
    for (int d = 0; d < M; ++d) all[d] = d < M - n ? 1 : times[d - (M - n)].value;
    return repeat(x, all);
  }
}

/// Element i comes from i - shift along each of the dims, cyclically. https://pytorch.org/docs/stable/generated/torch.roll.html
template <detail::array_like X, int N> auto roll(const X& x, const index_list<N>& shifts, const index_list<N>& dims) {
  constexpr int R = X::rank;
  index_list<R> by;
  for (int k = 0; k < N; ++k) by[detail::wrap_dim(dims[k], R, "roll")] += shifts[k];
  return detail::selected<R>(x, detail::make_index_map(x.sizes(), x.sizes(), [&](index_list<R> at) {
    for (int d = 0; d < R; ++d) {
      const int64 n = x.sizes()[d], i = (at[d] - by[d] % n) % n;
      at[d] = i < 0 ? i + n : i;
    }
    return detail::number_at(x.sizes(), at);
  }));
}
template <expression X> auto roll(const X& x, int64 shift, int dim) {
  if constexpr (detail::formula<X>) return roll(eval(x), shift, dim);
  else return roll(x, index_list<1>(shift), index_list<1>(dim));
}

#undef SINTER_OF_EXPRESSION

/// x(mask) and x(index, ...): see tensor::operator().
template <class X, class... A> auto select_elements(const X& x, const A&... index) {
  if constexpr ((detail::formula<A> || ...)) {
    return select_elements(x, detail::evaluated(index)...);
  } else {
    constexpr bool mask = sizeof...(A) == 1 && (detail::mask_tensor<A> && ...);
    static_assert(mask || (detail::index_tensor<A> && ...), "sinter: an index tensor holds integers, or is one mask of bool");
    auto map = [&] {
      if constexpr (mask) return std::pair<detail::index_map_ptr, std::integral_constant<int, X::rank + 1 - std::max({int(A::rank)...})>>{detail::mask_map(x.sizes(), index..., "mask"), {}};
      else return detail::coordinates_map(x.sizes(), index...);
    }();
    constexpr int R = decltype(map.second)::value;
    using T = typename X::value_type;
    if constexpr (tensor_like<X>) return detail::selection<tensor<typename X::element_type, typename X::extents_type>, tensor<T, rank<R>>>(x, map.first);
    else return detail::selection<variable<T, typename X::extents_type>, variable<T, rank<R>>>(x, map.first);
  }
}

}  // namespace SINTER_TARGET
}  // namespace sinter::inline v0
#pragma GCC visibility pop
