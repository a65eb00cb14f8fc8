// SPDX-License-Identifier: BSD-3-Clause
// Elements of one tensor written into another whose type is known at run time only. For state, not for arithmetic.
// Next: any_tensor.hpp.
#pragma once
#include "any_tensor.hpp"
#include "dispatch.hpp"

namespace sinter::inline v0::detail::inline SINTER_TARGET {

/// to[i] = from[i] for tensors of one shape, whatever their strides and, in `from`, dtype.
/// Throws dtype_error for complex numbers into real ones.
template <class T, class U> void convert_elements(const any_tensor& to, const any_tensor& from) {
  if constexpr (is_complex_element<U> && !is_complex_element<T>) fail<dtype_error>("elements of ", from.dtype(), " do not fit ", to.dtype());
  else {
    for (int64 i = 0, n = to.numel(); i < n; ++i) {
      int64 rest = i, a = 0, b = 0;
      for (int d = to.dim() - 1; d >= 0; --d) {
        const int64 at = rest % to.sizes()[d];
        rest /= to.sizes()[d];
        a += at * to.strides()[d], b += at * from.strides()[d];
      }
      static_cast<T*>(to.data())[a] = static_cast<T>(static_cast<computed<U>>(static_cast<const U*>(from.data())[b]));
    }
  }
}
template <class T> void convert_elements(const any_tensor& to, const any_tensor& from) {
  with_type(from.dtype(), [&]<class U>(U) { convert_elements<T, U>(to, from); });
}
inline bool same_shape(const any_tensor& a, const any_tensor& b) {
  if (a.dim() != b.dim()) return false;
  for (int d = 0; d < a.dim(); ++d)
    if (a.sizes()[d] != b.sizes()[d]) return false;
  return true;
}

}  // namespace sinter::inline v0::detail::inline SINTER_TARGET
