// SPDX-License-Identifier: BSD-3-Clause
// cat and stack, of tensors and of variables. Next: sort.hpp.
#pragma once
#include <initializer_list>
#include <vector>

#include "index.hpp"

#pragma GCC visibility push(hidden)
namespace sinter::inline v0 {
namespace detail::inline SINTER_TARGET {
/// The operands one behind the other along dim d; `item(k)` is operand k of n, a tensor or variable of rank R.
template <class V, int R, class F> auto joined(int64 n, int dim, F item, const char* who) {
  if (n == 0) fail<shape_error>(who, ": no tensors");
  const int d = wrap_dim(dim, R, who);
  index_list<R> sizes = tensor_of(item(0)).sizes();
  for (int64 k = 1; k < n; ++k) {
    const auto& s = tensor_of(item(k)).sizes();
    for (int e = 0; e < R; ++e)
      if (e != d && s[e] != sizes[e]) fail<shape_error>(who, ": sizes ", shape_text{s.data(), R}, " do not continue ", shape_text{sizes.data(), R}, " along dim ", d);
    sizes[d] += s[d];
  }
  auto out = new_tensor<V, rank<R>>(sizes);
  vec<linear_term> terms;
  int64 at = 0;
  for (int64 k = 0; k < n; ++k) {
    const auto& x = item(k);
    const auto& t = tensor_of(x);
    const int64 m = t.sizes()[d], first = at;
    if (t.numel()) copy_strided<native, V>(out.data() + at * out.strides()[d], out.strides(), t.data(), t.strides(), t.sizes());
    at += m;
    if constexpr (!tensor_like<decltype(x)>) {
      auto part = [=](const auto& y) { return narrow(y, d, first, m); };
      terms.push({new_map<view_map<R, R, decltype(part)>>(shape_of(sizes), shape_of(t.sizes()), part), true, x.slot()});
    }
  }
  if constexpr (tensor_like<decltype(item(0))>) return out;
  else return linear_variable<V, rank<R>>(out, terms);
}
}  // namespace detail::inline SINTER_TARGET
inline namespace SINTER_TARGET {

/// The tensors (or variables) one behind the other along `dim`; their other sizes are equal. Throws shape_error.
/// `cat({a, b}, 1)`. https://pytorch.org/docs/stable/generated/torch.cat.html
template <detail::array_like X> auto cat(const std::vector<X>& list, int dim = 0) {
  return detail::joined<typename X::value_type, X::rank>(static_cast<int64>(list.size()), dim, [&](int64 k) -> const X& { return list[static_cast<std::size_t>(k)]; }, "cat");
}
template <detail::array_like X> auto cat(std::initializer_list<X> list, int dim = 0) {
  return detail::joined<typename X::value_type, X::rank>(static_cast<int64>(list.size()), dim, [&](int64 k) -> const X& { return list.begin()[k]; }, "cat");
}
/// The tensors (or variables), of equal sizes, along a new dim `dim`. https://pytorch.org/docs/stable/generated/torch.stack.html
template <detail::array_like X> auto stack(const std::vector<X>& list, int dim = 0) {
  using Y = decltype(unsqueeze(list[0], dim));
  for (const X& x : list)
    if (!(x.sizes() == list[0].sizes())) fail<shape_error>("stack: sizes ", shape_text{x.sizes().data(), X::rank}, " are not ", shape_text{list[0].sizes().data(), X::rank});
  std::vector<Y> parts(list.size());
  for (std::size_t k = 0; k < list.size(); ++k) parts[k] = unsqueeze(list[k], dim);
  return cat(parts, dim < 0 ? dim + X::rank + 1 : dim);
}
template <detail::array_like X> auto stack(std::initializer_list<X> list, int dim = 0) { return stack(std::vector<X>(list), dim); }

}  // namespace SINTER_TARGET
}  // namespace sinter::inline v0
#pragma GCC visibility pop
