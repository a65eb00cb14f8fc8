// SPDX-License-Identifier: BSD-3-Clause
// Selections by index: gather, masks, index tensors, roll, tril, repeat ... of tensors, variables and expressions; and their
// counterparts that write. Each is an index_map, so all are differentiable to any order. Next: join.hpp, sort.hpp.
#pragma once
#include <algorithm>

#include "../expr/lower.hpp"
#include "linear_map.hpp"

#pragma GCC visibility push(hidden)
namespace sinter::inline v0::detail::inline SINTER_TARGET {

template <class I> concept index_tensor = tensor_like<I> && integer<typename std::remove_cvref_t<I>::value_type> &&
                                          std::is_same_v<typename std::remove_cvref_t<I>::device_type, cpu_t>;
template <class M> concept mask_tensor = tensor_like<M> && std::is_same_v<typename std::remove_cvref_t<M>::value_type, bool>;
/// A tensor or a variable: something with elements.
template <class X> concept array_like = tensor_like<X> || is_variable<std::remove_cvref_t<X>>;
template <class X> const auto& tensor_behind(const X& x) {
  if constexpr (tensor_like<X>) return x;
  else return x.value();
}
using index_map_ptr = std::shared_ptr<const index_map>;

/// The row-major number of an element.
template <int R> int64 number_at(const index_list<R>& sizes, const index_list<R>& at) {
  int64 k = 0;
  for (int d = 0; d < R; ++d) k = k * sizes[d] + at[d];
  return k;
}
/// f(index) for every index, row-major.
template <int R, class F> void for_indices(const index_list<R>& sizes, F f) {
  for (int64 n : sizes)
    if (n == 0) return;
  index_list<R> at;
  for (;;) {
    f(at);
    int d = R - 1;
    while (d >= 0 && ++at[d] == sizes[d]) at[d--] = 0;
    if (d < 0) return;
  }
}
template <int R, int R2> std::shared_ptr<index_map> new_index_map(const index_list<R>& in, const index_list<R2>& out) {
  if (!countable(out, largest_allocation / static_cast<int64>(sizeof(int64)))) fail<shape_error>("too many elements in ", shape_text{out.data(), R2});
  return std::make_shared<index_map>(shape_of(in), shape_of(out));
}
/// Element `at` of the result is element source(at) of the operand, a row-major number or -1 for 0.
template <int R, int R2, class F> index_map_ptr make_index_map(const index_list<R>& in, const index_list<R2>& out, F source) {
  auto m = new_index_map(in, out);
  int64 k = 0;
  for_indices(out, [&](const index_list<R2>& at) { m->from[static_cast<std::size_t>(k++)] = source(at); });
  return m;
}
template <class I, int R> int64 element_at(const I& index, const index_list<R>& at) {
  int64 offset = 0;
  for (int d = 0; d < R; ++d) offset += at[d] * index.strides()[d];
  return static_cast<int64>(index.data()[offset]);
}
inline int64 checked_index(int64 i, int64 n, int dim, const char* who, bool from_the_end = false) {
  if (i < (from_the_end ? -n : 0) || i >= n) [[unlikely]] fail<index_error>(who, ": index ", i, " is out of range for dim ", dim, " of size ", n);
  return i < 0 ? i + n : i;
}

/// The map of gather: out[.., i, ..] = x[.., index[.., i, ..], ..] along dim d.
template <int R, class I> index_map_ptr gather_map(const index_list<R>& sizes, int d, const I& index, const char* who) {
  static_assert(I::rank == R, "sinter: the index has as many dims as the tensor");
  for (int k = 0; k < R; ++k)
    if (k != d && index.sizes()[k] > sizes[k])
      fail<index_error>(who, ": an index of sizes ", shape_text{index.sizes().data(), R}, " for a tensor of sizes ", shape_text{sizes.data(), R});
  return make_index_map(sizes, index.sizes(), [&](index_list<R> at) {
    at[d] = checked_index(element_at(index, at), sizes[d], d, who);
    return number_at(sizes, at);
  });
}
/// Does a tensor of sizes m stand in front of one of sizes n: equal in all of m's dims?
template <int M, int N> void check_leading(const index_list<M>& m, const index_list<N>& n, const char* who) {
  static_assert(M <= N, "sinter: a mask has at most as many dims as the tensor");
  for (int d = 0; d < M; ++d)
    if (m[d] != n[d]) fail<shape_error>(who, ": a mask of sizes ", shape_text{m.data(), M}, " for a tensor of sizes ", shape_text{n.data(), N});
}
/// The map of x[mask]: the places where the mask over the leading dims is true, then the other dims.
template <int N, class M> index_map_ptr mask_map(const index_list<N>& sizes, const M& mask, const char* who) {
  constexpr int R = M::rank;
  check_leading(mask.sizes(), sizes, who);
  int64 count = 0, inner = 1;
  for_indices(mask.sizes(), [&](const index_list<R>& at) { count += element_at(mask, at) != 0; });
  index_list<N - R + 1> out;
  out[0] = count;
  for (int d = R; d < N; ++d) out[d - R + 1] = sizes[d], inner *= sizes[d];
  auto m = new_index_map(sizes, out);
  int64 k = 0, row = 0;
  for_indices(mask.sizes(), [&](const index_list<R>& at) {
    if (element_at(mask, at))
      for (int64 i = 0; i < inner; ++i) m->from[static_cast<std::size_t>(k++)] = row * inner + i;
    ++row;
  });
  return m;
}
/// The map of x[i0, i1, ...]: index tensors over the leading dims, broadcast together, then the other dims.
template <int N, class... I> auto coordinates_map(const index_list<N>& sizes, const I&... index) {
  constexpr int K = sizeof...(I), R = std::max({int(I::rank)...});
  static_assert(K <= N, "sinter: more indices than the tensor has dims");
  index_list<R> common;
  for (int d = 0; d < R; ++d) common[d] = 1;
  auto join = [&](const auto& i) {
    constexpr int r = std::remove_cvref_t<decltype(i)>::rank;
    for (int d = 0; d < r; ++d) {
      int64& c = common[d + R - r];
      if (c == 1) c = i.sizes()[d];
      else if (i.sizes()[d] != 1 && i.sizes()[d] != c) fail<shape_error>("index tensors do not broadcast: sizes ", c, " and ", i.sizes()[d], " in dim ", d + R - r);
    }
  };
  (join(index), ...);
  index_list<R + N - K> out;
  int64 inner = 1;
  for (int d = 0; d < R; ++d) out[d] = common[d];
  for (int d = K; d < N; ++d) out[R + d - K] = sizes[d], inner *= sizes[d];
  auto m = new_index_map(sizes, out);
  int64 k = 0;
  for_indices(common, [&](const index_list<R>& at) {
    int64 row = 0;
    int d = 0;
    auto take = [&](const auto& i) {
      constexpr int r = std::remove_cvref_t<decltype(i)>::rank;
      index_list<r> mine;
      for (int e = 0; e < r; ++e) mine[e] = i.sizes()[e] == 1 ? 0 : at[e + R - r];
      row = row * sizes[d] + checked_index(element_at(i, mine), sizes[d], d, "index", true);
      ++d;
    };
    (take(index), ...);
    for (int64 e = 0; e < inner; ++e) m->from[static_cast<std::size_t>(k++)] = row * inner + e;
  });
  return std::pair<index_map_ptr, std::integral_constant<int, R + N - K>>{m, {}};
}

/// t's elements number m->from[k] become element k of `value`, which has t's dtype and m's sizes.
template <class T, class E, class V> void write_selected(const tensor<T, E, cpu_t>& t, const index_map& m, const V& value) {
  const auto v = contiguous(value);
  const bool dense = t.is_contiguous();
  for (int64 k = 0, n = m.out.numel(); k < n; ++k) {
    int64 at = m.from[static_cast<std::size_t>(k)];
    if (at < 0) continue;
    if (!dense) {
      int64 offset = 0;
      for (int d = E::rank - 1; d >= 0; --d) offset += at % t.sizes()[d] * t.strides()[d], at /= t.sizes()[d];
      at = offset;
    }
    t.data()[at] = v.data()[k];
  }
  t.bump_version();
}

/// What t(mask) and t(index) are: the selected elements, as a tensor of its own; assigning to it writes them into t.
template <class T, class E, int R> struct selection : tensor<std::remove_const_t<T>, rank<R>> {
  using values = tensor<std::remove_const_t<T>, rank<R>>;
  selection(const tensor<T, E, cpu_t>& t, const index_map_ptr& m) : values(map_linear<rank<R>>(t, m)), t_(t), m_(m) {}
  template <class X> requires assignable<X> void operator=(X&& x) && { copy_(static_cast<X&&>(x)); }
  template <class X> requires assignable<X> void copy_(X&& x) {
    mine().copy_(static_cast<X&&>(x));
    write();
  }
#define SINTER_SELECTION_ASSIGN(sign)                                                   \
  template <class X> requires assignable<X> void operator sign##=(X&& x) && {           \
    mine() sign##= static_cast<X&&>(x);                                                 \
    write();                                                                            \
  }
  SINTER_SELECTION_ASSIGN(+) SINTER_SELECTION_ASSIGN(-) SINTER_SELECTION_ASSIGN(*) SINTER_SELECTION_ASSIGN(/)
#undef SINTER_SELECTION_ASSIGN

 private:
  const values& mine() const { return *this; }
  void write() const {
    static_assert(!std::is_const_v<T>, "sinter: this tensor is read-only");
    write_selected(t_, *m_, mine());
  }
  tensor<T, E, cpu_t> t_;
  index_map_ptr m_;
};
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
  index_list<R> out = x.sizes(), one = x.sizes();  // the result, and the part that one index names
  out[d] = index.numel(), one[d] = 1;
  if constexpr (tensor_like<X>) {
    using V = typename X::value_type;
    auto y = detail::new_tensor<V, rank<R>>(out);
    for (int64 i = 0; i < out[d]; ++i) {
      const int64 at = detail::checked_index(detail::element_at(index, index_list<1>(i)), x.sizes()[d], d, "index_select");
      detail::copy_strided<native, V>(y.data() + i * y.strides()[d], y.strides(), x.data() + at * x.strides()[d], x.strides(), one);
    }
    return y;
  } else {
    return detail::selected<R>(x, detail::make_index_map(x.sizes(), out, [&](index_list<R> at) {
      at[d] = detail::checked_index(detail::element_at(index, index_list<1>(at[d])), x.sizes()[d], d, "index_select");
      return detail::number_at(x.sizes(), at);
    }));
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

/// x[i0, i1, ...]: index tensors for the leading dims, broadcast together, negative ones from the end; the other dims follow.
template <detail::array_like X, detail::index_tensor... I> requires(sizeof...(I) > 0) auto index(const X& x, const I&... i) {
  auto [map, rank_of_result] = detail::coordinates_map(x.sizes(), i...);
  return detail::selected<decltype(rank_of_result)::value>(x, map);
}
SINTER_OF_EXPRESSION(index)

/// Where x is not 0: int64 [count, rank], row-major. https://pytorch.org/docs/stable/generated/torch.nonzero.html
template <tensor_like X> tensor<int64, rank<2>> nonzero(const X& x) {
  constexpr int R = X::rank;
  auto is_set = [&](const index_list<R>& at) {
    int64 offset = 0;
    for (int d = 0; d < R; ++d) offset += at[d] * x.strides()[d];
    return x.data()[offset] != typename X::value_type(0);
  };
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

// --- writing ---------------------------------------------------------------------------------------------------------

}  // namespace SINTER_TARGET
namespace detail::inline SINTER_TARGET {
/// base, in which what m names was replaced by (or, `add`, increased by) the elements of src.
template <bool Add, class X, class S> auto scattered(const X& base, const S& src, const index_map_ptr& m) {
  using V = typename X::value_type;
  constexpr int R = X::rank;
  tensor<V, rank<R>> value = clone(contiguous(tensor_behind(base)));
  const auto from = contiguous(tensor_behind(src));
  for (int64 k = 0, n = m->out.numel(); k < n; ++k) {
    V& to = value.data()[m->from[static_cast<std::size_t>(k)]];
    to = Add ? static_cast<V>(to + from.data()[k]) : from.data()[k];
  }
  if constexpr (tensor_like<X> && tensor_like<S>) {
    return value;
  } else {
    // base keeps what was not written, of several writes to one place the last counts
    auto rest = std::make_shared<index_map>(m->in, m->in), last = std::make_shared<index_map>(m->in, m->out);
    const int64 n = m->in.numel(), count = m->out.numel();
    std::unique_ptr<int64[]> writer(new int64[static_cast<std::size_t>(n) + 1]);
    for (int64 i = 0; i < n; ++i) writer[static_cast<std::size_t>(i)] = -1;
    for (int64 k = 0; k < count; ++k) writer[static_cast<std::size_t>(m->from[static_cast<std::size_t>(k)])] = k;
    for (int64 i = 0; i < n; ++i) rest->from[static_cast<std::size_t>(i)] = Add || writer[static_cast<std::size_t>(i)] < 0 ? i : -1;
    for (int64 k = 0; k < count; ++k) {
      const int64 to = m->from[static_cast<std::size_t>(k)];
      last->from[static_cast<std::size_t>(k)] = Add || writer[static_cast<std::size_t>(to)] == k ? to : -1;
    }
    vec<linear_term> terms;
    if constexpr (!tensor_like<X>) terms.push({rest, false, base.slot()});
    if constexpr (!tensor_like<S>) terms.push({last, true, src.slot()});
    return linear_variable<V, rank<R>>(value, terms);
  }
}
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
  return detail::scattered<true>(x, src, detail::make_index_map(x.sizes(), sizes, [&](index_list<R> at) {
    at[d] = detail::checked_index(detail::element_at(index, index_list<1>(at[d])), x.sizes()[d], d, "index_add");
    return detail::number_at(x.sizes(), at);
  }));
}
/// t[index] = src (or += src) in place; as scatter and scatter_add.
template <class T, class E, detail::index_tensor I> void scatter_(const tensor<T, E>& t, int dim, const I& index, const tensor<T, rank<E::rank>>& src) {
  detail::check_as_large(index, src, "scatter_");
  const auto m = detail::gather_map(t.sizes(), detail::wrap_dim(dim, E::rank, "scatter_"), index, "scatter_");
  detail::write_selected(t, *m, detail::covered(index, src));
}
/// t where mask = value, in place.
template <class T, class E, expression M, class V> void masked_fill_(const tensor<T, E>& t, M&& mask, V value) {
  t.copy_(where(static_cast<M&&>(mask), value, t));
}

#undef SINTER_OF_EXPRESSION

}  // namespace SINTER_TARGET
namespace detail::inline SINTER_TARGET {
template <class X> decltype(auto) evaluated(const X& x) {
  if constexpr (formula<X>) return eval(x);
  else return (x);
}
}  // namespace detail::inline SINTER_TARGET
inline namespace SINTER_TARGET {
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
    if constexpr (tensor_like<X>) return detail::selection<typename X::element_type, typename X::extents_type, R>(x, map.first);
    else return detail::selected<R>(x, map.first);
  }
}

}  // namespace SINTER_TARGET
}  // namespace sinter::inline v0
#pragma GCC visibility pop
