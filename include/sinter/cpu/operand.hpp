// SPDX-License-Identifier: BSD-3-Clause
// What goes into a program at run time and what comes out. Next: cpu/run.hpp runs the fused kernels of a program,
// cpu/interpret.hpp runs it instruction by instruction.
#pragma once
#include "../expr/shape.hpp"
#include "../tensor/storage.hpp"

namespace sinter::inline v0::detail {

/// What a kernel does with a result.
enum : uint8 { write_store = 0, write_accumulate = 1, write_skip = 2 };

/// An operand of a program at run time: memory, or a number.
struct operand {
  char* data = nullptr;
  double number = 0;
  shape_value shape;
  int64 strides[max_rank] = {};  ///< in elements
};

/// Where a result goes. Without data the run allocates it (`block`, row-major or in its operands' order).
struct result {
  char* data = nullptr;
  storage_ptr block;
  shape_value shape;
  int64 strides[max_rank] = {};
  uint8 mode = write_store;
  bool complex = false;  ///< without data: allocated as the real part of complex elements, the next result is the imaginary one
};

/// Which numbers of elements are meant: all, or one part of complex ones.
enum class element_part : uint8 { whole, re, im };

inline namespace SINTER_TARGET {
/// Slice i along dim 0 of an operand or result of dtype t.
template <class O> O slice_of(O whole, dtype t, int64 i) {
  whole.data += i * whole.strides[0] * size_of(t);
  --whole.shape.rank;
  for (int d = 0; d < whole.shape.rank; ++d) whole.shape[d] = whole.shape[d + 1], whole.strides[d] = whole.strides[d + 1];
  return whole;
}
/// What is written where o lies.
inline result result_at(const operand& o, uint8 mode = write_store) {
  result r;
  r.data = o.data, r.shape = o.shape, r.mode = mode;
  for (int d = 0; d < max_rank; ++d) r.strides[d] = o.strides[d];
  return r;
}
/// The bytes of elements of a shape. Throws memory_error for more than an address has.
template <class Arch = native> int64 bytes_for(const shape_value& s, int64 element) {
  int64 bytes = element;
  bool empty = false, fits = true;
  for (int d = 0; d < s.rank; ++d) {
    empty = empty || s[d] == 0;
    if (s[d]) fits = !__builtin_mul_overflow(bytes, s[d], &bytes) && fits;
  }
  if (empty) return 0;
  if (!fits) [[unlikely]] fail<memory_error, Arch>("a value of sizes ", shape_text{s.e, s.rank}, " needs more bytes than an address has");
  return bytes;
}
/// Part 0 (real) or 1 (imaginary) of complex elements of dtype t: every other number.
template <class O> O part_of(O whole, dtype t, int part) {
  whole.data += part * size_of(real_type(t));
  for (int d = 0; d < whole.shape.rank; ++d) whole.strides[d] *= 2;
  return whole;
}
/// Memory for r, whose shape and strides are set; for two results if it is complex.
template <class Arch> void allocate_result(result* r, dtype t) {
  r->block = allocate_cpu<Arch>(bytes_for<Arch>(r->shape, size_of(r->complex ? complex_type(t) : t)));
  r->data = static_cast<char*>(r->block->data);
  if (!r->complex) return;
  r->complex = false;
  const result whole = *r;
  for (int part = 0; part < 2; ++part) r[part] = part_of(whole, complex_type(t), part);
}
/// The strides of a fresh row-major value; extents of 0 count as 1.
inline void row_major_strides(const shape_value& s, int64* strides) {
  int64 step = 1;
  for (int d = s.rank - 1; d >= 0; --d) {
    strides[d] = step;
    if (s[d] > 1) step *= s[d];
  }
}
}  // namespace SINTER_TARGET

}  // namespace sinter::inline v0::detail
