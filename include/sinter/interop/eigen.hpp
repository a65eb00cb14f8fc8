// SPDX-License-Identifier: BSD-3-Clause
// Eigen's vectors and matrices as tensors, and tensors as Eigen maps: without a copy.
#pragma once
#include <Eigen/Core>

#include "../tensor/creation.hpp"

namespace sinter::inline v0 {
namespace detail::inline SINTER_TARGET {
template <class T> struct eigen_scalar_ { using type = T; };
template <class T> struct eigen_scalar_<complex_number<T>> { using type = std::complex<T>; };
/// What Eigen calls an element of T.
template <class T> using eigen_scalar = typename eigen_scalar_<std::remove_const_t<T>>::type;
template <class T> auto* eigen_data(T* p) { return reinterpret_cast<std::conditional_t<std::is_const_v<T>, const eigen_scalar<T>, eigen_scalar<T>>*>(p); }
}  // namespace detail::inline SINTER_TARGET
inline namespace SINTER_TARGET {

/// A matrix as an Eigen map that reads and writes the tensor's elements, any strides; the tensor must outlive it.
template <class T, class E> auto as_eigen(const tensor<T, E>& t) requires(E::rank == 2) {
  using M = Eigen::Matrix<detail::eigen_scalar<T>, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
  using stride = Eigen::Stride<Eigen::Dynamic, Eigen::Dynamic>;
  if (t.strides()[0] < 0 || t.strides()[1] < 0) fail<shape_error>("as_eigen: a negative stride; use contiguous()");
  return Eigen::Map<std::conditional_t<std::is_const_v<T>, const M, M>, 0, stride>(detail::eigen_data(t.data()), t.sizes()[0], t.sizes()[1], stride(t.strides()[0], t.strides()[1]));
}
/// A vector as an Eigen map.
template <class T, class E> auto as_eigen(const tensor<T, E>& t) requires(E::rank == 1) {
  using V = Eigen::Matrix<detail::eigen_scalar<T>, Eigen::Dynamic, 1>;
  using stride = Eigen::InnerStride<Eigen::Dynamic>;
  if (t.strides()[0] < 0) fail<shape_error>("as_eigen: a negative stride; use contiguous()");
  return Eigen::Map<std::conditional_t<std::is_const_v<T>, const V, V>, 0, stride>(detail::eigen_data(t.data()), t.sizes()[0], stride(t.strides()[0]));
}
/// A tensor around the elements of an Eigen matrix or map, row- or column-major, which must outlive it.
template <class M> auto from_eigen(M& m) requires requires { m.outerStride(); m.data(); } {
  const auto outer = static_cast<int64>(m.outerStride()), inner = static_cast<int64>(m.innerStride());
  return from_blob(m.data(), index_list<2>(static_cast<int64>(m.rows()), static_cast<int64>(m.cols())),
                   M::IsRowMajor ? index_list<2>(outer, inner) : index_list<2>(inner, outer));
}

}  // namespace SINTER_TARGET
}  // namespace sinter::inline v0
