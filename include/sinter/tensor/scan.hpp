// SPDX-License-Identifier: BSD-3-Clause
// Running sums and products along a dim. Not here: what is recorded of products (autograd/recurrence.hpp).
#pragma once
#include "../autograd/recurrence.hpp"

#pragma GCC visibility push(hidden)
namespace sinter::inline v0 {
namespace detail::inline SINTER_TARGET {
/// to[i] += the sum of from[0 .. i] along dim d, or of from[i ..] if `back`.
template <class T> void add_running_sums(const operand& from, const operand& to, int d, bool back) {
  const int64 n = from.shape[d], a = from.strides[d], b = to.strides[d];
  for_row_groups<2>(from.shape, d, {from.strides, to.strides}, [&](const int64* at, const int64* step, int rows) {
    running<T> s[row_group] = {};
    for (int64 i = 0; i < n; ++i) {
      const int64 k = back ? n - 1 - i : i;
      const T* p = reinterpret_cast<const T*>(from.data) + at[0] + k * a;
      T* q = reinterpret_cast<T*>(to.data) + at[1] + k * b;
      for (int j = 0; j < rows; ++j) {
        s[j] += static_cast<computed<T>>(p[j * step[0]]);
        T& sum = q[j * step[1]];
        sum = static_cast<T>(static_cast<computed<T>>(sum) + static_cast<computed<T>>(s[j]));  // rounded once
      }
    }
  });
}
struct running_sum_map final : linear_map {
  int dim;
  running_sum_map(const shape_value& s, int d) : linear_map(s, s), dim(d) {}
  void forward(dtype t, const operand& x, const operand& y) const override {
    with_floating_type(t, [&]<class T>(T) { add_running_sums<T>(x, y, dim, false); });
  }
  void adjoint(dtype t, const operand& y, const operand& x) const override {
    with_floating_type(t, [&]<class T>(T) { add_running_sums<T>(y, x, dim, true); });
  }
};
template <class X> concept complex_expression = expression<X> && [] {
  using B = std::remove_cvref_t<X>;
  if constexpr (formula<B>) return is_complex_value<B>;
  else return is_complex_element<typename B::value_type>;
}();
template <class T> using sum_of = std::conditional_t<is_differentiable(dtype_of<T>), T, int64>;
}  // namespace detail::inline SINTER_TARGET
inline namespace SINTER_TARGET {

/// Running sums along `dim`; integers and bool as int64. https://pytorch.org/docs/stable/generated/torch.cumsum.html
template <class T, class E> auto cumsum(const tensor<T, E, cpu_t>& x, int dim) {
  using V = detail::sum_of<std::remove_const_t<T>>;
  static_assert(E::rank > 0, "sinter: cumsum needs at least one dim");
  const int d = detail::wrap_dim(dim, E::rank, "cumsum");
  auto out = zeros<V>(index_list<E::rank>(x.sizes()));
  if constexpr (std::is_same_v<V, std::remove_const_t<T>>) {
    detail::add_running_sums<V>(detail::operand_of(x), detail::operand_of(out), d, false);
  } else {
    auto wide = detail::new_tensor<V, rank<E::rank>>(x.sizes());
    wide.copy_(x);
    detail::add_running_sums<V>(detail::operand_of(wide), detail::operand_of(out), d, false);
  }
  return out;
}
template <class T, class E> auto cumsum(const variable<T, E, cpu_t>& x, int dim) {
  const int d = detail::wrap_dim(dim, E::rank, "cumsum");
  detail::vec<detail::linear_term> terms;
  terms.push({detail::new_map<detail::running_sum_map>(detail::shape_of(x.sizes()), d), false, x.slot()});
  return detail::linear_variable<T, rank<E::rank>>(cumsum(x.value(), d), terms);
}
template <detail::formula X> auto cumsum(const X& x, int dim) { return cumsum(eval(x), dim); }

/// Running products along `dim`; integers and bool as int64. https://pytorch.org/docs/stable/generated/torch.cumprod.html
template <class T, class E> auto cumprod(const tensor<T, E, cpu_t>& x, int dim) {
  using V = detail::sum_of<std::remove_const_t<T>>;
  static_assert(E::rank > 0, "sinter: cumprod needs at least one dim");
  const detail::recurrence product{detail::wrap_dim(dim, E::rank, "cumprod"), false, 1};
  auto out = detail::new_tensor<V, rank<E::rank>>(x.sizes());
  if constexpr (std::is_same_v<V, std::remove_const_t<T>>) {
    detail::run_recurrence<V>(product, detail::operand_of(x), {}, detail::operand_of(out));
  } else {
    out.copy_(x);
    detail::run_recurrence<V>(product, detail::operand_of(out), {}, detail::operand_of(out));
  }
  return out;
}
/// Of a variable: one recorded statement, whose derivatives of any order are right where x is 0, too.
template <class T, class E> auto cumprod(const variable<T, E, cpu_t>& x, int dim) {
  variable out(cumprod(x.value(), dim), false);
  if constexpr (is_differentiable(dtype_of<T>))
    if (x.requires_grad() && is_grad_enabled()) {
      const detail::recurrence product{detail::wrap_dim(dim, E::rank, "cumprod"), false, 1};
      const detail::any_variable in(detail::operand_of(x.value()), x.value().storage_handle(), dtype_of<T>, x.slot());
      const detail::any_variable result(detail::operand_of(out.value()), out.value().storage_handle(), dtype_of<T>, nullptr);
      detail::attach(new detail::recurrence_node(product, in, {}, result), *out.slot());
    }
  return out;
}
template <detail::formula X> auto cumprod(const X& x, int dim) { return cumprod(eval(x), dim); }

/// Product of complex numbers over all elements, or one dim; 1 over nothing. (That of real ones fuses: op/reduction.hpp.)
template <detail::complex_expression X, dims_like D = all_dims_t> auto prod(X&& x, D dim = {}) {
  if constexpr (detail::formula<X>) {
    return prod(eval(x), dim);
  } else if constexpr (std::is_same_v<D, all_dims_t>) {
    return prod(flatten(x), 0);
  } else {
    static_assert(std::is_same_v<D, int>, "sinter: prod of complex numbers takes one dim at a time");
    const int d = detail::wrap_dim(dim, std::remove_cvref_t<X>::rank, "prod");
    using R = decltype(select(cumprod(x, d), d, -1));
    return x.size(d) ? select(cumprod(x, d), d, -1) : R(eval(sum(x, d) + 1));
  }
}

}  // namespace SINTER_TARGET
}  // namespace sinter::inline v0
#pragma GCC visibility pop
