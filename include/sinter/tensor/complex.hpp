// SPDX-License-Identifier: BSD-3-Clause
// Views between complex tensors or variables and real ones: real, imag, view_as_real, view_as_complex. They share the
// elements; those of variables are recorded. Of expressions: op/complex_form.hpp.
#pragma once
#include "../autograd/linear.hpp"

namespace sinter::inline v0 {
namespace detail::inline SINTER_TARGET {

template <class From, class To> using with_constness_of = std::conditional_t<std::is_const_v<From>, const To, To>;
template <class C> using part_type_of = with_constness_of<C, typename std::remove_const_t<C>::value_type>;
template <class T> using complex_type_of = with_constness_of<T, complex_number<std::remove_const_t<T>>>;
template <class X> concept complex_handle = is_complex_element<typename X::value_type>;
template <class X> concept real_handle = requires { typename X::handle_type; } && !complex_handle<X>;

/// A part of z's elements as a tensor.
template <class T, class E, class D> tensor<part_type_of<T>, E, D> part_view(const tensor<T, E, D>& z, int part) {
  index_list<E::rank> strides;
  for (int d = 0; d < E::rank; ++d) strides[d] = 2 * z.strides()[d];
  return {z.storage_handle(), reinterpret_cast<part_type_of<T>*>(z.data()) + part, z.sizes(), strides};
}
/// A view of v's elements, recorded as M or, `transposed`, M^T.
template <class V, class T, class E> auto complex_viewed(const variable<T, E>& v, const V& view, const shape_value& z, element_part which, bool transposed) {
  vec<linear_term> terms;
  terms.push({new_map<complex_map>(z, which), transposed, v.slot()});
  return linear_variable<typename V::element_type, typename V::extents_type>(view, terms);
}

}  // namespace detail::inline SINTER_TARGET
inline namespace SINTER_TARGET {

/// The real parts, a view. https://pytorch.org/docs/stable/generated/torch.real.html
template <class T, class E, class D> requires is_complex_element<T> auto real(const tensor<T, E, D>& z) { return detail::part_view(z, 0); }
/// The imaginary parts, a view. https://pytorch.org/docs/stable/generated/torch.imag.html
template <class T, class E, class D> requires is_complex_element<T> auto imag(const tensor<T, E, D>& z) { return detail::part_view(z, 1); }
template <class T, class E> requires is_complex_element<T> auto real(const variable<T, E>& z) {
  return detail::complex_viewed(z, real(z.value()), detail::shape_of(z.sizes()), detail::element_part::re, false);
}
template <class T, class E> requires is_complex_element<T> auto imag(const variable<T, E>& z) {
  return detail::complex_viewed(z, imag(z.value()), detail::shape_of(z.sizes()), detail::element_part::im, false);
}
/// A real tensor or variable is its real part.
template <detail::real_handle X> X real(const X& x) { return x; }

/// Both parts along a last dim of size 2, a view: [..., 2]. https://pytorch.org/docs/stable/generated/torch.view_as_real.html
template <class T, class E, class D> requires is_complex_element<T> auto view_as_real(const tensor<T, E, D>& z) {
  index_list<E::rank + 1> sizes, strides;
  for (int d = 0; d < E::rank; ++d) sizes[d] = z.sizes()[d], strides[d] = 2 * z.strides()[d];
  sizes[E::rank] = 2, strides[E::rank] = 1;
  using R = detail::part_type_of<T>;
  return tensor<R, rank<E::rank + 1>, D>(z.storage_handle(), reinterpret_cast<R*>(z.data()), sizes, strides);
}
template <class T, class E> requires is_complex_element<T> auto view_as_real(const variable<T, E>& z) {
  return detail::complex_viewed(z, view_as_real(z.value()), detail::shape_of(z.sizes()), detail::element_part::whole, false);
}

/// Pairs along the last dim, which has size 2 and stride 1, as complex numbers, a view. Throws shape_error where the elements
/// do not lie so: take contiguous(x). https://pytorch.org/docs/stable/generated/torch.view_as_complex.html
template <class T, class E, class D> requires(std::is_same_v<std::remove_const_t<T>, float> || std::is_same_v<std::remove_const_t<T>, double>)
auto view_as_complex(const tensor<T, E, D>& x) {
  static_assert(E::rank > 0, "sinter: view_as_complex needs a last dim of size 2");
  constexpr int R = E::rank - 1;
  bool fits = x.sizes()[R] == 2 && x.strides()[R] == 1;
  index_list<R> sizes, strides;
  for (int d = 0; d < R; ++d) {
    sizes[d] = x.sizes()[d], strides[d] = x.strides()[d] / 2;
    fits = fits && (x.strides()[d] % 2 == 0 || sizes[d] < 2);
  }
  if (!fits)
    fail<shape_error>("view_as_complex: needs a last dim of size 2 and stride 1 and even strides before it; got sizes ", shape_text{x.sizes().data(), E::rank},
                      ", strides ", shape_text{x.strides().data(), E::rank});
  using C = detail::complex_type_of<T>;
  return tensor<C, rank<R>, D>(x.storage_handle(), reinterpret_cast<C*>(x.data()), sizes, strides);
}
template <class T, class E> requires(std::is_same_v<T, float> || std::is_same_v<T, double>) auto view_as_complex(const variable<T, E>& x) {
  const auto view = view_as_complex(x.value());
  return detail::complex_viewed(x, view, detail::shape_of(view.sizes()), detail::element_part::whole, true);
}

}  // namespace SINTER_TARGET
}  // namespace sinter::inline v0
