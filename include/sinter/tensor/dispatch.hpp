// SPDX-License-Identifier: BSD-3-Clause
// From a dtype at run time to code for its C++ type.
#pragma once
#include "../error.hpp"

namespace sinter::inline v0::detail::inline SINTER_TARGET {

/// f(T{}) with the C++ type of t. Throws dtype_error for complex numbers.
template <class F> decltype(auto) with_type(dtype t, F f) {
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
/// The same for what can have a gradient.
template <class F> void with_floating_type(dtype t, F f) {
  if (!is_floating(t)) fail<dtype_error>("gradients are not supported for ", t);
  switch (t) {
    case dtype::f16: return f(half{});
    case dtype::bf16: return f(bfloat16{});
    case dtype::f64: return f(double{});
    default: return f(float{});
  }
}

}  // namespace sinter::inline v0::detail::inline SINTER_TARGET
