// SPDX-License-Identifier: BSD-3-Clause
// Element types: their codes, C++ types and promotion. Device-clean: read by NVRTC too. Next: op/lane.hpp.
#pragma once
#include "complex.hpp"
#include "half.hpp"

namespace sinter::inline v0 {

/// Code of an element type. The numbers are part of the program format; new types are appended.
enum class dtype : uint8 { b8, u8, i8, i16, i32, i64, f16, bf16, f32, f64, c64, c128 };

inline namespace SINTER_TARGET {
/// Size of one element in bytes.
constexpr int64 size_of(dtype t) {
  constexpr int64 sizes[] = {1, 1, 1, 2, 4, 8, 2, 2, 4, 8, 8, 16};
  return sizes[static_cast<int>(t)];
}
/// PyTorch's name: "float32", "int64", "bool", ...
constexpr const char* name_of(dtype t) {
  constexpr const char* names[] = {"bool",    "uint8",    "int8",    "int16",   "int32",     "int64",
                                   "float16", "bfloat16", "float32", "float64", "complex64", "complex128"};
  return names[static_cast<int>(t)];
}
constexpr bool is_floating(dtype t) { return t >= dtype::f16 && t <= dtype::f64; }
constexpr bool is_complex(dtype t) { return t >= dtype::c64; }
/// What may have a gradient.
constexpr bool is_differentiable(dtype t) { return t >= dtype::f16; }
constexpr bool is_integral(dtype t) { return t >= dtype::u8 && t <= dtype::i64; }

/// The dtype of the real and imaginary parts; other dtypes are their own.
constexpr dtype real_type(dtype t) { return t == dtype::c64 ? dtype::f32 : t == dtype::c128 ? dtype::f64 : t; }
/// The complex dtype whose parts hold t: complex128 for float64, else complex64.
constexpr dtype complex_type(dtype t) { return t == dtype::f64 || t == dtype::c128 ? dtype::c128 : dtype::c64; }

/// PyTorch's promotion of two element types.
constexpr dtype promote(dtype a, dtype b) {
  if (a == b) return a;
  dtype hi = a > b ? a : b, lo = a > b ? b : a;
  if (lo == dtype::u8 && hi == dtype::i8) return dtype::i16;
  if (lo == dtype::f16 && hi == dtype::bf16) return dtype::f32;
  if (hi == dtype::c64 && lo == dtype::f64) return dtype::c128;
  return hi;
}
/// What values of a dtype are computed in: float16 and bfloat16 as float32, integers below 32 bits as int32 (and wrapped).
constexpr dtype computed_in(dtype t) {
  if (t == dtype::f16 || t == dtype::bf16) return dtype::f32;
  return t == dtype::u8 || t == dtype::i8 || t == dtype::i16 ? dtype::i32 : t;
}
}  // namespace SINTER_TARGET

namespace detail::inline SINTER_TARGET {
template <dtype> struct cpp_type_;
template <class> struct dtype_code;
template <class T> struct dtype_code<const T> : dtype_code<T> {};
#define SINTER_DTYPE(code, type)                                   \
  template <> struct cpp_type_<dtype::code> { using type_ = type; }; \
  template <> struct dtype_code<type> { static constexpr dtype value = dtype::code; };
SINTER_DTYPE(b8, bool)
SINTER_DTYPE(u8, uint8)
SINTER_DTYPE(i8, int8)
SINTER_DTYPE(i16, int16)
SINTER_DTYPE(i32, int32)
SINTER_DTYPE(i64, int64)
SINTER_DTYPE(f16, half)
SINTER_DTYPE(bf16, bfloat16)
SINTER_DTYPE(f32, float)
SINTER_DTYPE(f64, double)
SINTER_DTYPE(c64, complex64)
SINTER_DTYPE(c128, complex128)
#undef SINTER_DTYPE
}  // namespace detail::inline SINTER_TARGET

/// The C++ type of a dtype: `cpp_type<dtype::f32>` is `float`.
template <dtype D> using cpp_type = typename detail::cpp_type_<D>::type_;
/// The dtype of a C++ type: `dtype_of<float>` is `dtype::f32`.
template <class T> inline constexpr dtype dtype_of = detail::dtype_code<T>::value;
/// The type that elements of type T are computed in.
template <class T> using computed = cpp_type<computed_in(dtype_of<T>)>;
/// half, bfloat16, float, double
template <class T> inline constexpr bool is_floating_element = is_floating(dtype_of<T>);
/// complex64, complex128
template <class T> inline constexpr bool is_complex_element = is_complex(dtype_of<T>);
/// Types that a tensor may hold.
template <class T>
concept element = requires { detail::dtype_code<T>::value; };

}  // namespace sinter::inline v0
