// SPDX-License-Identifier: BSD-3-Clause
// index_map: the linear map of all selections, and how masks, index tensors and gather become one. Next: index.hpp.
#pragma once
#include <algorithm>

#include "evaluate.hpp"
#include "linear_map.hpp"

#pragma GCC visibility push(hidden)
namespace sinter::inline v0::detail::inline SINTER_TARGET {

/// A selection of rows of `width` elements that lie side by side: row k of M x is row number from[k] of x, or 0 where that is -1.
struct index_map final : linear_map {
  std::unique_ptr<int64[]> from;
  int64 rows, width;
  index_map(const shape_value& x, const shape_value& y, int64 count, int64 w)
      : linear_map(x, y), from(new int64[static_cast<std::size_t>(count) + 1]), rows(count), width(w) {}

  int64& row(int64 k) { return from.get()[k]; }
  int64 row(int64 k) const { return from.get()[k]; }
  /// f(number of an element of x or -1, number of the element of M x that it is), both row-major.
  template <class F> void for_elements(F f) const {
    for (int64 k = 0; k < rows; ++k)
      for (int64 i = 0, at = row(k); i < width; ++i) f(at < 0 ? -1 : at * width + i, k * width + i);
  }
  void forward(dtype t, const operand& x, const operand& y) const override {
    with_floating_type(t, [&]<class T>(T) {
      row_major_access<T> xs(x), ys(y);
      for_elements([&](int64 i, int64 k) { if (i >= 0) add_to(ys[k], xs[i]); });
    });
  }
  void adjoint(dtype t, const operand& y, const operand& x) const override {
    with_floating_type(t, [&]<class T>(T) {
      row_major_access<T> xs(x), ys(y);
      for_elements([&](int64 i, int64 k) { if (i >= 0) add_to(xs[i], ys[k]); });
    });
  }
};
using index_map_ptr = std::shared_ptr<const index_map>;

template <class I> concept index_tensor = tensor_like<I> && integer<typename std::remove_cvref_t<I>::value_type> &&
                                          std::is_same_v<typename std::remove_cvref_t<I>::device_type, cpu_t>;
template <class M> concept mask_tensor = tensor_like<M> && std::is_same_v<typename std::remove_cvref_t<M>::value_type, bool>;
/// A tensor or a variable: something with elements.
template <class X> concept array_like = tensor_like<X> || is_variable<std::remove_cvref_t<X>>;
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
template <int R, int R2> std::shared_ptr<index_map> new_index_map(const index_list<R>& in, const index_list<R2>& out, int64 rows, int64 width) {
  return new_map<index_map>(shape_of(in), shape_of(out), rows, width);
}
/// Element `at` of the result is element source(at) of the operand, a row-major number or -1 for 0.
template <int R, int R2, class F> index_map_ptr make_index_map(const index_list<R>& in, const index_list<R2>& out, F source) {
  if (!countable(out, largest_allocation / static_cast<int64>(sizeof(int64)))) fail<shape_error>("too many elements in ", shape_text{out.data(), R2});
  auto m = new_index_map(in, out, numel_of(out), 1);
  int64 k = 0;
  for_indices(out, [&](const index_list<R2>& at) { m->row(k++) = source(at); });
  return m;
}
template <class X, int R> auto element_at(const X& x, const index_list<R>& at) {
  int64 offset = 0;
  for (int d = 0; d < R; ++d) offset += at[d] * x.strides()[d];
  return x.data()[offset];
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
/// The map of index_select: out[.., i, ..] = x[.., index[i], ..] along dim d.
template <int R, class I> index_map_ptr slices_map(const index_list<R>& sizes, int d, const I& index, const char* who) {
  static_assert(I::rank == 1, "sinter: the slices of a dim are named by a 1-d tensor of integers; flatten the index");
  const int64 n = sizes[d], count = index.numel();
  int64 outer = 1, inner = 1;
  for (int k = 0; k < R; ++k) (k < d ? outer : k > d ? inner : outer) *= k == d ? 1 : sizes[k];
  index_list<R> out = sizes;
  out[d] = count;
  auto m = new_index_map(sizes, out, outer * count, inner);
  for (int64 i = 0; i < count; ++i) {
    const int64 at = checked_index(element_at(index, index_list<1>(i)), n, d, who);
    for (int64 o = 0; o < outer; ++o) m->row(o * count + i) = o * n + at;
  }
  return m;
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
  auto m = new_index_map(sizes, out, count, inner);
  int64 k = 0, row = 0;
  for_indices(mask.sizes(), [&](const index_list<R>& at) {
    if (element_at(mask, at)) m->row(k++) = row;
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
  auto m = new_index_map(sizes, out, numel_of(common), inner);
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
    m->row(k++) = row;
  });
  return std::pair<index_map_ptr, std::integral_constant<int, R + N - K>>{m, {}};
}

}  // namespace sinter::inline v0::detail::inline SINTER_TARGET

namespace sinter::inline v0 {
inline namespace SINTER_TARGET {

/// M t as a tensor of its own. The same name records it for a variable (autograd/linear.hpp).
template <class Out, class T, class E> tensor<std::remove_const_t<T>, Out> map_linear(const tensor<T, E, cpu_t>& t, const detail::index_map_ptr& m) {
  using V = std::remove_const_t<T>;
  index_list<Out::rank> sizes;
  for (int d = 0; d < Out::rank; ++d) sizes[d] = m->out[d];
  auto y = detail::new_tensor<V, Out>(sizes);
  const auto x = contiguous(t);
  m->for_elements([from = x.data(), to = y.data()](int64 i, int64 k) { to[k] = i < 0 ? V(0) : from[i]; });
  return y;
}

}  // namespace SINTER_TARGET
}  // namespace sinter::inline v0
#pragma GCC visibility pop
