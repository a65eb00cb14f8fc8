// SPDX-License-Identifier: BSD-3-Clause
// NumPy's .npy files, one tensor each, the elements mapped without a copy. Many tensors in one file: npz.hpp.
// Not here: structured arrays, Python objects, big-endian numbers. Next: elements.hpp.
// https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
#pragma once
#include <vector>

#include "../tensor/copy.hpp"
#include "elements.hpp"

namespace sinter::inline v0 {
namespace detail::inline SINTER_TARGET {

struct npy_dtype {
  std::string_view descr;
  dtype type;
};
inline constexpr npy_dtype npy_dtypes[] = {{"|b1", dtype::b8},  {"|u1", dtype::u8},  {"|i1", dtype::i8},
                                           {"<i2", dtype::i16}, {"<i4", dtype::i32}, {"<i8", dtype::i64},
                                           {"<f2", dtype::f16}, {"<f4", dtype::f32}, {"<f8", dtype::f64},
                                           {"<c8", dtype::c64}, {"<c16", dtype::c128}};

inline constexpr int64 npy_max_header = 10'000;  // numpy.load's limit, too

struct npy_header {
  std::string_view descr;
  bool fortran_order = false;
  std::vector<int64> shape;
};

// The header is a Python dictionary of three keys: {'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }
template <class Arch> npy_header parse_npy_header(std::string_view text, const std::string& what) {
  auto bad = [&](const char* why) { fail<io_error, Arch>(what, ": malformed npy header: ", why); };
  auto take = [&](std::string_view token) {
    while (text.starts_with(' ')) text.remove_prefix(1);
    if (!text.starts_with(token)) return false;
    text.remove_prefix(token.size());
    return true;
  };
  npy_header h;
  auto descr = [&] {
    if (take("[")) fail<io_error, Arch>(what, ": structured npy arrays are not supported");
    const auto quote = take("'") ? text.find('\'') : std::string_view::npos;
    if (quote == std::string_view::npos) bad("the dtype is no text");
    h.descr = text.substr(0, quote);
    text.remove_prefix(quote + 1);
  };
  auto shape = [&] {
    if (!take("(")) bad("the shape is no tuple");
    for (bool comma = true; !take(")");) {
      int64 size = 0;
      int digits = 0;
      for (; comma && !text.empty() && text[0] >= '0' && text[0] <= '9' && digits < 19; ++digits, text.remove_prefix(1))
        if (digits < 18) size = size * 10 + (text[0] - '0');
      if (digits == 0) bad("a size is no number");
      if (digits > 18) bad("a size is too large");
      h.shape.push_back(size);
      comma = take(",");
      if (!comma && h.shape.size() == 1) bad("the shape is no tuple");
    }
  };
  int seen = 0;
  if (!take("{")) bad("it is no dictionary");
  for (bool comma = true; !take("}");) {
    const int key = !comma ? 0 : take("'descr'") ? 1 : take("'fortran_order'") ? 2 : take("'shape'") ? 4 : 0;
    if (key == 0 || (seen & key)) bad("expected the keys 'descr', 'fortran_order', 'shape', each once");
    seen |= key;
    if (!take(":")) bad("a key has no value");
    if (key == 1) descr();
    else if (key == 4) shape();
    else if (take("True")) h.fortran_order = true;
    else if (!take("False")) bad("fortran_order is neither True nor False");
    comma = take(",");
  }
  if (seen != 7) bad("a key is missing");
  if (!take("\n") || !text.empty()) bad("it does not end with the dictionary");
  return h;
}

// An npy file's text up to its data, padded so that they start at a multiple of 64.
template <class Arch> std::string npy_header_of(const any_tensor& t, const std::string& what) {
  const npy_dtype* known = nullptr;
  for (const auto& d : npy_dtypes)
    if (d.type == t.dtype()) known = &d;
  if (!known) fail<io_error, Arch>(what, ": ", t.dtype(), " is not supported");
  std::string text = "{'descr': '" + std::string(known->descr) + "', 'fortran_order': False, 'shape': (";
  for (int d = 0; d < t.dim(); ++d) text += std::to_string(t.sizes()[d]) + (t.dim() == 1 ? "," : d + 1 < t.dim() ? ", " : "");
  text += "), }";
  text.append(63 - (10 + text.size()) % 64, ' ');
  text += '\n';
  return std::string("\x93NUMPY\x01\0", 8) + static_cast<char>(text.size() & 255) + static_cast<char>(text.size() >> 8) + text;
}

// The npy file that lies in the `size` bytes at `offset` of a block. `what` names it in errors.
template <class Arch> any_tensor read_npy(const storage_ptr& file, int64 offset, int64 size, const std::string& what) {
  const char* at = static_cast<const char*>(file->data) + offset;
  if (size < 10 || std::memcmp(at, "\x93NUMPY", 6) != 0) fail<io_error, Arch>(what, ": not an npy file");
  const int version = static_cast<unsigned char>(at[6]);
  if (version < 1 || version > 3) fail<io_error, Arch>(what, ": npy format version ", version, " is unknown");
  const int width = version == 1 ? 2 : 4;
  int64 length = 0;
  for (int i = 0; i < width && 8 + i < size; ++i) length |= int64{static_cast<unsigned char>(at[8 + i])} << (8 * i);
  const int64 start = 8 + width + length;
  if (start > size) fail<io_error, Arch>(what, ": the npy header is cut off");
  if (length > npy_max_header)
    fail<io_error, Arch>(what, ": an npy header of ", length, " bytes; the limit is ", npy_max_header);
  const auto header = parse_npy_header<Arch>({at + 8 + width, static_cast<std::size_t>(length)}, what);

  const npy_dtype* known = nullptr;
  for (const auto& d : npy_dtypes)
    if (d.descr == header.descr || (d.descr[0] == '|' && header.descr.size() == 3 && header.descr.ends_with(d.descr.substr(1))))
      known = &d;  // of single bytes the order does not matter
  if (!known)
    fail<io_error, Arch>(what, ": npy dtype '", std::string(header.descr), "' is not supported",
                         header.descr.starts_with('>') ? " (big-endian)" : "");

  const int rank = static_cast<int>(header.shape.size());
  if (rank > any_tensor::max_rank)
    fail<io_error, Arch>(what, ": ", rank, " dims; at most ", any_tensor::max_rank, " are supported");
  int64 sizes[any_tensor::max_rank] = {}, strides[any_tensor::max_rank] = {}, step = 1, numel = 1;
  for (int k = 0; k < rank; ++k) {
    const int d = header.fortran_order ? k : rank - 1 - k;
    sizes[d] = header.shape[static_cast<std::size_t>(d)];
    strides[d] = step;
    numel *= sizes[d] ? 1 : 0;
    if (__builtin_mul_overflow(step, sizes[d] ? sizes[d] : 1, &step))
      fail<io_error, Arch>(what, ": the shape of the npy array overflows");
  }
  int64 bytes = 0;
  if (__builtin_mul_overflow(step * numel, size_of(known->type), &bytes) || bytes > size - start)
    fail<io_error, Arch>(what, ": ", known->type, " ", shape_text{sizes, rank}, " does not fit in the ", size - start,
                         " bytes of data; the file is cut off");
  return map_elements<Arch>(file, offset + start, bytes, known->type, rank, sizes, strides, what);
}

}  // namespace detail::inline SINTER_TARGET

/// Opens a .npy file. The tensor is a read-only view of the mapped file (see load_safetensors); arrays in Fortran order
/// get column-major strides. Throws io_error for what is no npy file, is cut off, is big-endian, or has a dtype other
/// than bool, int8..int64, uint8, float16, float32, float64.
template <class Arch = native> any_tensor load_npy(const std::string& path) {
  const storage_ptr file = map_file<Arch>(path);
  return detail::read_npy<Arch>(file, 0, file->bytes, path);
}

/// Writes one tensor as .npy, in row-major order. The file appears whole or not at all (see save_safetensors).
/// Throws io_error: an undefined or device tensor, and what the system says.
template <class Arch = native> void save_npy(const std::string& path, const any_tensor& t) {
  detail::check_writable<Arch>(t, path);
  const std::string header = detail::npy_header_of<Arch>(t, path);
  new_file<Arch> file(path);
  file.write(header);
  detail::write_elements(file, t);
  file.commit();
}

}  // namespace sinter::inline v0
