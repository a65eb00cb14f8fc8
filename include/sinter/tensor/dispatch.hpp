// SPDX-License-Identifier: BSD-3-Clause
// From a dtype at run time to code for its C++ type.
#pragma once
#include "../error.hpp"

namespace sinter::inline v0::detail::inline SINTER_TARGET {

/// f(T{}) with the C++ type of t, which is not complex: dtype_error.
template <class F> decltype(auto) with_real_type(dtype t, F f) {
  switch (t) {
    case dtype::b8: return f(bool{});
    case dtype::u8: return f(uint8{});
    case dtype::i8: return f(int8{});
    case dtype::i16: return f(int16{});
    case dtype::i32: return f(int32{});
    case dtype::i64: return f(int64{});
    case dtype::f16: return f(half{});
    case dtype::bf16: return f(bfloat16{});
    case dtype::f64: return f(double{});
    default:
      if (t != dtype::f32) fail<dtype_error>(t, " elements are not supported");
      return f(float{});
  }
}
/// The same for all dtypes.
template <class F> decltype(auto) with_type(dtype t, F f) {
  if (t == dtype::c64) return f(complex64{});
  if (t == dtype::c128) return f(complex128{});
  return with_real_type(t, f);
}
/// The same for half, bfloat16, float, double.
template <class F> void with_floating_type(dtype t, F f) {
  if (!is_floating(t)) fail<dtype_error>("gradients are not supported for ", t);
  switch (t) {
    case dtype::f16: return f(half{});
    case dtype::bf16: return f(bfloat16{});
    case dtype::f64: return f(double{});
    default: return f(float{});
  }
}
/// The same for these and complex numbers.
template <class F> void with_differentiable_type(dtype t, F f) {
  if (t == dtype::c64) return f(complex64{});
  if (t == dtype::c128) return f(complex128{});
  with_floating_type(t, f);
}

}  // namespace sinter::inline v0::detail::inline SINTER_TARGET
