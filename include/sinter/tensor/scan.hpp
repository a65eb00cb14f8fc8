// SPDX-License-Identifier: BSD-3-Clause
// Running sums, products, log-sums and extrema along a dim, differentiable to any order. Not here: their loops (cpu/scan.hpp), what
// is recorded of products (autograd/recurrence.hpp).
#pragma once
#include "../autograd/recurrence.hpp"
#include "../cpu/scan.hpp"
#include "../op/logical.hpp"
#include "index.hpp"

#pragma GCC visibility push(hidden)
namespace sinter::inline v0 {
inline namespace SINTER_TARGET {
/// What cummax and cummin return: `auto [values, indices] = cummax(x, 0)`.
template <class V, class I> struct running_extremum {
  V values;
  I indices;
};
}  // namespace SINTER_TARGET
namespace detail::inline SINTER_TARGET {
/// Rows along dim d of row-major elements, each of which is `parts` numbers.
inline scan_shape scan_shape_of(const shape_value& x, int d, int64 parts = 1) {
  scan_shape s{1, x[d], parts};
  for (int k = 0; k < x.rank; ++k) (k < d ? s.outer : s.inner) *= k == d ? 1 : x[k];
  return s;
}
/// Running sums of numbers of type T; transposed, from the end.
template <class T> struct running_sum_map final : linear_map {
  int dim;
  running_sum_map(const shape_value& s, int d) : linear_map(s, s), dim(d) {}
  void forward(dtype, const operand& x, const operand& y) const override { add<false>(x, y); }
  void adjoint(dtype, const operand& y, const operand& x) const override { add<true>(y, x); }

 private:
  template <bool Back> void add(const operand& from, const operand& to) const {
    const row_major_copy<T> x(from);
    const scratch<T, native> y(from.shape.numel());
    scan<scan_sum<T>, Back>(scan_shape_of(from.shape, dim), x.get(), y.get());
    add_from_row_major<T>(y.get(), to);
  }
};
template <class X> concept complex_expression = expression<X> && [] {
  using B = std::remove_cvref_t<X>;
  if constexpr (formula<B>) return is_complex_value<B>;
  else return is_complex_element<typename B::value_type>;
}();
template <class T> using sum_of = std::conditional_t<is_differentiable(dtype_of<T>), T, int64>;

template <class X> int scanned_dim(const X&, int dim, const char* who) {
  static_assert(X::rank > 0, "sinter: a running sum needs at least one dim");
  return wrap_dim(dim, X::rank, who);
}
template <class T, class E> auto running_sums(const tensor<T, E, cpu_t>& x, int d) {
  using V = sum_of<std::remove_const_t<T>>;
  const auto from = contiguous(x);
  auto out = new_tensor<V, rank<E::rank>>(x.sizes());
  const shape_value sizes = shape_of(index_list<E::rank>(x.sizes()));
  if constexpr (is_complex_element<V>) {  // the parts side by side
    using R = decltype(V::re);
    scan<scan_sum<R>, false>(scan_shape_of(sizes, d, 2), reinterpret_cast<const R*>(from.data()), reinterpret_cast<R*>(out.data()));
  } else {
    scan<scan_sum<std::remove_const_t<T>>, false>(scan_shape_of(sizes, d), from.data(), out.data());
  }
  return out;
}
template <class T, class E> auto running_products(const tensor<T, E, cpu_t>& x, int d) {
  using V = sum_of<std::remove_const_t<T>>;
  auto out = new_tensor<V, rank<E::rank>>(x.sizes());
  if constexpr (is_complex_element<V>) {
    run_recurrence<V>({d, false, 1}, operand_of(x), {}, operand_of(out));
  } else {
    const auto from = contiguous(x);
    scan<scan_product<std::remove_const_t<T>>, false>(scan_shape_of(shape_of(index_list<E::rank>(x.sizes())), d), from.data(), out.data());
  }
  return out;
}
template <class T, class E> auto running_log_sums(const tensor<T, E, cpu_t>& x, int d) {
  static_assert(is_floating_element<std::remove_const_t<T>>, "sinter: logcumsumexp takes floating-point numbers: x.to<float>() first");
  const auto from = contiguous(x);
  auto out = new_tensor<std::remove_const_t<T>, rank<E::rank>>(x.sizes());
  scan_log_sums(scan_shape_of(shape_of(index_list<E::rank>(x.sizes())), d), from.data(), out.data());
  return out;
}
template <bool Largest, class X> auto running_extrema(const X& x, int d) {
  using T = typename X::value_type;
  using U = std::conditional_t<std::is_same_v<T, bool>, uint8, T>;
  static_assert(!is_complex_element<T>, "sinter: complex numbers have no order: cummax of abs(z) or real(z)");
  constexpr int R = X::rank;
  const index_list<R> sizes = x.sizes();
  const auto from = contiguous(tensor_of(x));
  auto values = new_tensor<T, rank<R>>(sizes);
  auto indices = new_tensor<int64, rank<R>>(sizes);
  scan_extrema<Largest, U>(scan_shape_of(shape_of(sizes), d), reinterpret_cast<const U*>(from.data()), reinterpret_cast<U*>(values.data()), indices.data());
  if constexpr (is_variable<X>) {
    vec<linear_term> terms;
    if (x.requires_grad() && is_grad_enabled()) terms.push({gather_map(sizes, d, indices, "cummax"), false, x.slot()});
    auto recorded = linear_variable<T, rank<R>>(values, terms);
    return running_extremum<decltype(recorded), decltype(indices)>{recorded, indices};
  } else {
    return running_extremum<decltype(values), decltype(indices)>{values, indices};
  }
}
/// r_k = a_k r_(k-1) + b_k along dim d from r_(-1) = 0, recorded.
template <class T, class E> variable<T, E> recurrence_of(const tensor<T, E>& a, const variable<T, E>& b, int d) {
  const any_variable factors(operand_of(a), a.storage_handle(), dtype_of<T>, nullptr);
  const any_variable terms(operand_of(b.value()), b.value().storage_handle(), dtype_of<T>, b.slot());
  return typed<T, E>(record_recurrence({d, false, 0}, factors, terms));
}
}  // namespace detail::inline SINTER_TARGET
inline namespace SINTER_TARGET {

/// Running sums along `dim`: y_k = x_0 + ... + x_k. Floats are added up in double, integers and bool as int64.
/// https://pytorch.org/docs/stable/generated/torch.cumsum.html
template <expression X> auto cumsum(const X& x, int dim) {
  return detail::with_value_on_cpu(x, [dim](const auto& v) {
    using V = std::remove_cvref_t<decltype(v)>;
    using T = typename V::value_type;
    const int d = detail::scanned_dim(v, dim, "cumsum");
    if constexpr (detail::is_variable<V>) {
      using R = std::conditional_t<is_complex_element<T>, cpp_type<real_type(dtype_of<T>)>, T>;
      detail::vec<detail::linear_term> terms;
      if constexpr (is_differentiable(dtype_of<T>))
        if (v.requires_grad() && is_grad_enabled()) terms.push({detail::new_map<detail::running_sum_map<R>>(detail::shape_of(index_list<V::rank>(v.sizes())), d), false, v.slot()});
      return detail::linear_variable<detail::sum_of<T>, rank<V::rank>>(detail::running_sums(v.value(), d), terms);
    } else {
      return detail::running_sums(v, d);
    }
  });
}

/// Running products along `dim`; integers and bool as int64. Of a variable: one recorded statement, whose derivatives of any order are
/// right where x is 0, too. https://pytorch.org/docs/stable/generated/torch.cumprod.html
template <expression X> auto cumprod(const X& x, int dim) {
  return detail::with_value_on_cpu(x, [dim](const auto& v) {
    using V = std::remove_cvref_t<decltype(v)>;
    using T = typename V::value_type;
    const int d = detail::scanned_dim(v, dim, "cumprod");
    if constexpr (detail::is_variable<V>) {
      variable out(detail::running_products(v.value(), d), false);
      if constexpr (is_differentiable(dtype_of<T>))
        if (v.requires_grad() && is_grad_enabled()) {
          const detail::any_variable in(detail::operand_of(v.value()), v.value().storage_handle(), dtype_of<T>, v.slot());
          const detail::any_variable result(detail::operand_of(out.value()), out.value().storage_handle(), dtype_of<T>, nullptr);
          detail::attach(new detail::recurrence_node({d, false, 1}, in, {}, result), *out.slot());
          detail::pack_saved(*out.slot()->producer);
        }
      return out;
    } else {
      return detail::running_products(v, d);
    }
  });
}

/// log(exp(x_0) + ... + exp(x_k)) along `dim`, without overflow. https://pytorch.org/docs/stable/generated/torch.logcumsumexp.html
template <expression X> auto logcumsumexp(const X& x, int dim) {
  return detail::with_value_on_cpu(x, [dim](const auto& v) {
    using V = std::remove_cvref_t<decltype(v)>;
    const int d = detail::scanned_dim(v, dim, "logcumsumexp");
    if constexpr (detail::is_variable<V>) {
      using T = typename V::value_type;
      using Y = variable<T, rank<V::rank>>;
      const auto y = detail::running_log_sums(v.value(), d);
      if (!v.requires_grad() || !is_grad_enabled()) return Y(y, false);
      // whatever numbers y are, y_k + log of the sum of exp(x_i - y_k), i <= k, is the result: its derivatives are the result's, and with
      // these y all numbers are at most 1
      if (v.numel() == 0) return Y(v * T(1));
      const auto before = clone(y);
      const int64 n = y.size(d);
      if (n > 1) narrow(before, d, 1, n - 1).copy_(narrow(y, d, 0, n - 1));
      const tensor<T, rank<V::rank>> ratio = exp(where(before == y, 0, before - y));
      const tensor<bool, rank<V::rank>> infinite = logical_and(v.value() == y, isinf(y));  // inf - inf is no number
      const Y terms = exp(where(infinite, 0, v - y));
      return Y(y + log(detail::recurrence_of(ratio, terms, d)));
    } else {
      return detail::running_log_sums(v, d);
    }
  });
}

/// The largest element so far along `dim` and where it was, the last of equal ones; NaN is larger than all.
/// https://pytorch.org/docs/stable/generated/torch.cummax.html
template <expression X> auto cummax(const X& x, int dim) {
  return detail::with_value_on_cpu(x, [dim](const auto& v) { return detail::running_extrema<true>(v, detail::scanned_dim(v, dim, "cummax")); });
}
/// The smallest element so far along `dim` and where it was, the last of equal ones; NaN is smaller than all.
/// https://pytorch.org/docs/stable/generated/torch.cummin.html
template <expression X> auto cummin(const X& x, int dim) {
  return detail::with_value_on_cpu(x, [dim](const auto& v) { return detail::running_extrema<false>(v, detail::scanned_dim(v, dim, "cummin")); });
}

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
