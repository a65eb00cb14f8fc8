// SPDX-License-Identifier: BSD-3-Clause
// xtensor's containers and expressions as tensors, and tensors as xtensor adaptors: without a copy where there are elements.
#pragma once
#include <complex>

#if __has_include(<xtensor/containers/xadapt.hpp>)
#include <xtensor/containers/xadapt.hpp>
#include <xtensor/containers/xtensor.hpp>
#else
#include <xtensor/xadapt.hpp>
#include <xtensor/xtensor.hpp>
#endif

#include "../tensor/creation.hpp"

namespace sinter::inline v0 {
inline namespace SINTER_TARGET {

/// A tensor around the elements of an xtensor of rank R (xt::xtensor<T, R>, or an adaptor), which must outlive it.
template <int R, class X> auto from_xtensor(X& x) requires requires { x.data(); x.strides(); } {
  if (x.dimension() != static_cast<std::size_t>(R)) fail<shape_error>("from_xtensor: rank ", static_cast<int64>(x.dimension()), " is not ", R);
  index_list<R> sizes, strides;
  for (std::size_t d = 0; d < static_cast<std::size_t>(R); ++d) {
    sizes[static_cast<int>(d)] = static_cast<int64>(x.shape()[d]);
    strides[static_cast<int>(d)] = static_cast<int64>(x.strides()[d]);  // 0 where the size is 1
  }
  return from_blob(x.data() + x.data_offset(), sizes, strides);
}
/// The values of an xtensor expression of rank R as a tensor of its own.
template <int R, class X> auto evaluate_xtensor(const xt::xexpression<X>& x) {
  using T = detail::element_for<typename X::value_type>;
  const auto& e = x.derived_cast();
  if (e.dimension() != static_cast<std::size_t>(R)) fail<shape_error>("evaluate_xtensor: rank ", static_cast<int64>(e.dimension()), " is not ", R);
  index_list<R> sizes;
  for (std::size_t d = 0; d < static_cast<std::size_t>(R); ++d) sizes[static_cast<int>(d)] = static_cast<int64>(e.shape()[d]);
  auto t = empty<T>(sizes);
  auto* p = t.data();
  for (const auto& v : e) *p++ = v;  // row-major
  return t;
}

/// The tensor's elements as an xtensor expression that reads and writes them; the tensor must outlive it.
template <class T, class E> auto as_xtensor(const tensor<T, E>& t) {
  constexpr auto R = static_cast<std::size_t>(E::rank);
  std::array<std::size_t, R> sizes;
  std::array<std::ptrdiff_t, R> strides;
  for (std::size_t d = 0; d < R; ++d) {
    sizes[d] = static_cast<std::size_t>(t.sizes()[static_cast<int>(d)]);
    strides[d] = sizes[d] == 1 ? 0 : static_cast<std::ptrdiff_t>(t.strides()[static_cast<int>(d)]);
    if (strides[d] < 0) fail<shape_error>("as_xtensor: a negative stride; use contiguous()");
  }
  std::size_t reach = t.numel() ? 1 : 0;
  for (std::size_t d = 0; d < R && reach; ++d) reach += (sizes[d] - 1) * static_cast<std::size_t>(strides[d]);
  if constexpr (is_complex_element<T>) {
    using C = std::complex<typename std::remove_const_t<T>::value_type>;
    return xt::adapt(reinterpret_cast<std::conditional_t<std::is_const_v<T>, const C, C>*>(t.data()), reach, xt::no_ownership(), sizes, strides);
  } else {
    return xt::adapt(t.data(), reach, xt::no_ownership(), sizes, strides);
  }
}

}  // namespace SINTER_TARGET
}  // namespace sinter::inline v0
