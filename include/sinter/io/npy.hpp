// SPDX-License-Identifier: BSD-3-Clause
// NumPy's .npy files, one tensor each: the headers through xtensor's xnpy, the elements mapped without a copy.
// Costs about a second of compile time, so sinter.hpp does not include it. Next: elements.hpp.
#pragma once
#if __has_include(<xtensor/io/xnpy.hpp>)
#include <xtensor/io/xnpy.hpp>
#elif __has_include(<xtensor/xnpy.hpp>)
#include <xtensor/xnpy.hpp>
#else
#error "sinter: io/npy.hpp needs xtensor 0.24 or newer (Debian: libxtensor-dev)"
#endif

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
                                           {"<f4", dtype::f32}, {"<f8", dtype::f64}};

// xtensor writes to what has these three functions: here, the file that appears whole or not at all.
template <class Arch> struct npy_sink {
  new_file<Arch>& file;
  void write(const char* data, std::streamsize n) { file.write(data, static_cast<std::size_t>(n)); }
  void put(char c) { file.write(&c, 1); }
  npy_sink& operator<<(const std::string& s) {
    file.write(s);
    return *this;
  }
};

struct npy_header {
  std::string descr;
  bool fortran_order = false;
  std::vector<std::size_t> shape;
};

// The header's Python literal. xtensor's parser takes any text for a size, and reads in front of empty strings: what it
// gets here has the three keys, a tuple of digits, and no empty value.
template <class Arch> npy_header parse_npy_header(const std::string& text, const std::string& path) {
  auto bad = [&](const char* why) { fail<io_error, Arch>(path, ": malformed npy header: ", why); };
  if (text.size() < 2 || text.front() != '{' || text.back() != '\n') bad("it is no dictionary");
  for (const char* key : {"'descr':", "'fortran_order':", "'shape':"})
    if (text.find(key) == std::string::npos) bad("a key is missing");
  if (text.find('[') != std::string::npos) fail<io_error, Arch>(path, ": structured npy arrays are not supported");
  const auto open = text.find('('), close = text.find(')');
  if (open == std::string::npos || close == std::string::npos || close < open) bad("the shape is no tuple");
  for (std::size_t i = open + 1, digits = 0; i < close; ++i) {
    if (text[i] >= '0' && text[i] <= '9' ? ++digits > 18 : (digits = 0, text[i] != ',' && text[i] != ' '))
      bad("a size is no number");
  }
  npy_header h;
#if SINTER_HAS_EXCEPTIONS
  try {
    xt::detail::parse_header(text, h.descr, &h.fortran_order, h.shape);
  } catch (const std::runtime_error& e) {
    bad(e.what());
  }
#else
  xt::detail::parse_header(text, h.descr, &h.fortran_order, h.shape);
#endif
  return h;
}

}  // namespace detail::inline SINTER_TARGET

/// Opens a .npy file. The tensor is a read-only view of the mapped file (see load_safetensors); arrays in Fortran order
/// get column-major strides. Throws io_error for what is no npy file, is cut off, is big-endian, or has a dtype other
/// than bool, int8..int64, uint8, float32, float64.
template <class Arch = native> any_tensor load_npy(const std::string& path) {
  const storage_ptr file = map_file<Arch>(path);
  const char* at = static_cast<const char*>(file->data);
  if (file->bytes < 10 || std::memcmp(at, "\x93NUMPY", 6) != 0) fail<io_error, Arch>(path, ": not an npy file");
  const int version = at[6];
  if (version < 1 || version > 3) fail<io_error, Arch>(path, ": npy format version ", version, " is unknown");
  // xtensor 0.24 reads these lengths as signed bytes and fails from 128 on; hence here.
  const int width = version == 1 ? 2 : 4;
  int64 length = 0;
  for (int i = 0; i < width && 8 + i < file->bytes; ++i)
    length |= int64{static_cast<unsigned char>(at[8 + i])} << (8 * i);
  const int64 start = 8 + width + length;
  if (start > file->bytes) fail<io_error, Arch>(path, ": the npy header is cut off");
  const auto header = detail::parse_npy_header<Arch>(std::string(at + 8 + width, at + start), path);

  const detail::npy_dtype* known = nullptr;
  for (const auto& d : detail::npy_dtypes)
    if (d.descr == header.descr || (d.descr[0] == '|' && d.descr.substr(1) == std::string_view(header.descr).substr(1)))
      known = &d;
  if (!known)
    fail<io_error, Arch>(path, ": npy dtype '", header.descr, "' is not supported",
                         header.descr[0] == '>' ? " (big-endian)" : "");

  const int rank = static_cast<int>(header.shape.size());
  if (rank > any_tensor::max_rank)
    fail<io_error, Arch>(path, ": ", rank, " dims; at most ", any_tensor::max_rank, " are supported");
  int64 sizes[any_tensor::max_rank] = {}, strides[any_tensor::max_rank] = {}, step = 1, numel = 1;
  for (int k = 0; k < rank; ++k) {
    const int d = header.fortran_order ? k : rank - 1 - k;
    sizes[d] = static_cast<int64>(header.shape[static_cast<std::size_t>(d)]);
    strides[d] = step;
    numel *= sizes[d] ? 1 : 0;
    if (__builtin_mul_overflow(step, sizes[d] ? sizes[d] : 1, &step))
      fail<io_error, Arch>(path, ": the shape of the npy array overflows");
  }
  int64 bytes = 0;
  if (__builtin_mul_overflow(step * numel, size_of(known->type), &bytes) || bytes > file->bytes - start)
    fail<io_error, Arch>(path, ": ", known->type, " ", shape_text{sizes, rank}, " does not fit in the ",
                         file->bytes - start, " bytes of data; the file is cut off");
  return detail::map_elements<Arch>(file, start, bytes, known->type, rank, sizes, strides, path);
}

/// Writes one tensor as .npy, in row-major order. The file appears whole or not at all (see save_safetensors).
/// Throws io_error: an undefined or device tensor, and what the system says.
template <class Arch = native> void save_npy(const std::string& path, const any_tensor& t) {
  detail::check_writable<Arch>(t, path);
  std::vector<std::size_t> shape(t.sizes(), t.sizes() + t.dim());
  new_file<Arch> file(path);
  detail::npy_sink<Arch> sink{file};
  auto header = [&]<class T>(T) { xt::detail::write_header(sink, xt::detail::build_typestring<T>(), false, shape); };
  switch (t.dtype()) {
    case dtype::b8: header(bool{}); break;
    case dtype::u8: header(uint8{}); break;
    case dtype::i8: header(int8{}); break;
    case dtype::i16: header(int16{}); break;
    case dtype::i32: header(int32{}); break;
    case dtype::i64: header(int64{}); break;
    case dtype::f32: header(float{}); break;
    case dtype::f64: header(double{}); break;
    default: fail<io_error, Arch>(path, ": ", t.dtype(), " is not supported yet");
  }
  detail::write_elements(file, t);  // xtensor's own writer takes memory as it lies, and a full disk for success
  file.commit();
}

}  // namespace sinter::inline v0
