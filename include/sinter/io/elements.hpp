// SPDX-License-Identifier: BSD-3-Clause
// A tensor's elements as bytes of a file: mapped in without a copy, written out in row-major order.
// File formats are not known here. Next: safetensors.hpp, npy.hpp.
#pragma once
#include <bit>
#include <memory>

#include "../tensor/any_tensor.hpp"
#include "file.hpp"

namespace sinter::inline v0::detail::inline SINTER_TARGET {

static_assert(std::endian::native == std::endian::little, "sinter: io/ reads and writes little-endian machines only");

/// The elements that start `offset` bytes into a mapped file, which the caller has checked to hold them; read-only.
/// They are copied only where they are not aligned for their type. A bool must be 0 or 1. `what` names file and tensor
/// in errors.
template <class Arch = native>
any_tensor map_elements(const storage_ptr& file, int64 offset, int64 bytes, dtype type, int rank, const int64* sizes,
                        const int64* strides, const std::string& what) {
  char* at = static_cast<char*>(file->data) + offset;
  if (type == dtype::b8)
    for (int64 i = 0; i < bytes; ++i)
      if (static_cast<unsigned char>(at[i]) > 1)
        fail<io_error, Arch>(what, ": element ", i, " of bool is neither 0 nor 1");
  if (reinterpret_cast<std::uintptr_t>(at) % static_cast<std::uintptr_t>(size_of(type)) == 0)
    return any_tensor(file, at, type, rank, sizes, strides, true);
  storage_ptr copy = allocate_cpu<Arch>(bytes);
  std::memcpy(copy->data, at, static_cast<std::size_t>(bytes));
  return any_tensor(copy, copy->data, type, rank, sizes, strides, true);
}

// Elements of `Size` bytes in row-major order, gathered piece by piece.
template <int Size, class Sink> void write_strided(Sink& to, const any_tensor& t) {
  constexpr int64 piece = 4096;
  const auto buffer = std::make_unique<char[]>(piece * Size);
  const int rank = t.dim();
  const char* from = static_cast<const char*>(t.data());
  int64 at[any_tensor::max_rank] = {}, filled = 0;
  for (int64 left = t.numel(); left > 0; --left) {
    std::memcpy(&buffer[static_cast<std::size_t>(filled++ * Size)], from, Size);
    if (filled == piece || left == 1) {
      to.write(buffer.get(), static_cast<std::size_t>(filled * Size));
      filled = 0;
    }
    for (int d = rank - 1; d >= 0; --d) {  // the next index, counted like an odometer
      from += t.strides()[d] * Size;
      if (++at[d] < t.sizes()[d]) break;
      from -= t.sizes()[d] * t.strides()[d] * Size;
      at[d] = 0;
    }
  }
}

inline bool is_row_major(const any_tensor& t) {
  int64 step = 1;
  for (int d = t.dim() - 1; d >= 0; --d) {
    if (t.sizes()[d] != 1 && t.strides()[d] != step) return false;
    step *= t.sizes()[d];
  }
  return true;
}

/// Writes the elements of a host tensor in row-major order, whatever its strides, to a new_file or what else has write().
template <class Sink> void write_elements(Sink& to, const any_tensor& t) {
  if (t.numel() == 0) return;
  if (is_row_major(t)) return to.write(t.data(), static_cast<std::size_t>(t.numel() * size_of(t.dtype())));
  switch (size_of(t.dtype())) {
    case 1: return write_strided<1>(to, t);
    case 2: return write_strided<2>(to, t);
    case 4: return write_strided<4>(to, t);
    case 8: return write_strided<8>(to, t);
    default: return write_strided<16>(to, t);
  }
}

/// Can its elements be written? What is undefined or on a device raises an io_error that names it.
template <class Arch = native> void check_writable(const any_tensor& t, const std::string& what) {
  if (!t.defined()) fail<io_error, Arch>(what, ": the tensor is undefined");
  if (t.device() >= 0) fail<io_error, Arch>(what, ": the tensor lives on a CUDA device; write its .to(st::cpu)");
}

}  // namespace sinter::inline v0::detail::inline SINTER_TARGET
