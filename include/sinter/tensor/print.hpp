// SPDX-License-Identifier: BSD-3-Clause
// Tensors as text, in PyTorch's form. A header of its own, as streams are slow to compile.
// Not here: reading text. Next: tensor.hpp.
#pragma once
#include <algorithm>
#include <cstdio>
#include <cstring>
#include <ostream>
#include <string>

#include "tensor.hpp"

namespace sinter::inline v0 {

namespace detail::inline SINTER_TARGET {

constexpr int print_edge = 3;         // so many at each end of a dim where a tensor is summarised,
constexpr int64 print_all = 1000;     // which it is above this many elements
constexpr int print_line = 80;        // characters in a line

// One layout for all elements of a tensor: fixed or scientific, padded to `width`. Of complex numbers that is the real part,
// and the imaginary one is up to `tail` wide.
struct number_format {
  bool scientific = false;
  int width = 0, tail = 0;
};
inline std::string number_text(bool v, number_format) { return v ? "true" : "false"; }
template <integer T> std::string number_text(T v, number_format) { return std::to_string(v); }
inline std::string number_text(double v, number_format f) {
  const auto bits = [&] {  // std::isnan is always false under -ffast-math
    uint64 b;
    std::memcpy(&b, &v, sizeof b);
    return b;
  }();
  if (bits << 1 >= uint64{0x7FF} << 53)
    return bits << 12 ? "nan" : bits >> 63 ? "-inf" : "inf";
  char text[400];
  std::snprintf(text, sizeof text, f.scientific ? "%.4e" : "%.4f", v);
  return text;
}
template <class T> std::string number_text(complex_number<T> v, number_format f) {
  const std::string re = number_text(static_cast<double>(v.re), f), im = number_text(static_cast<double>(v.im), f);
  return std::string(static_cast<std::size_t>(std::max(0, f.width - static_cast<int>(re.size()))), ' ') + re + (im[0] == '-' ? "" : "+") + im + 'j';
}
template <class T, class F> void for_parts(T v, F& f) { f(static_cast<double>(v)); }
template <class T, class F> void for_parts(complex_number<T> v, F& f) { f(static_cast<double>(v.re)), f(static_cast<double>(v.im)); }
inline bool is_finite(double v) { return number_text(v, {true, 0}).back() <= '9'; }

// Calls f(element) for those that get printed.
template <class T, class F>
void each_printed(const T* p, const int64* sizes, const int64* strides, int rank, bool summary, F&& f) {
  if (rank == 0) return f(*p);
  for (int64 i = 0; i < sizes[0]; ++i) {
    if (summary && sizes[0] > 2 * print_edge && i == print_edge) i = sizes[0] - print_edge;
    each_printed(p + i * strides[0], sizes + 1, strides + 1, rank - 1, summary, f);
  }
}

// The brackets of one dim and all inside; `column` is where the opening one stands.
template <class T>
void print_dim(std::string& out, const T* p, const int64* sizes, const int64* strides, int rank, bool summary,
               int column, number_format format) {
  if (rank == 0) {
    const std::string s = number_text(*p, format);
    out.append(static_cast<std::size_t>(std::max(0, format.width - static_cast<int>(s.size()))), ' ');
    out += s;
    return;
  }
  const std::string next(static_cast<std::size_t>(column) + 1, ' ');
  const std::string line = "," + std::string(static_cast<std::size_t>(rank - 1), '\n') + next;
  const int in_line = std::max(1, (print_line - column - 1) / (format.width + format.tail + 2));
  out += '[';
  int printed = 0;
  for (int64 i = 0; i < sizes[0]; ++i, ++printed) {
    const bool gap = summary && sizes[0] > 2 * print_edge && i == print_edge;
    if (i > 0) out += rank > 1 ? line : printed % in_line ? ", " : ",\n" + next;
    if (gap) {
      i = sizes[0] - print_edge;
      out += rank > 1 ? "..." + line : "..., ";
    }
    print_dim(out, p + i * strides[0], sizes + 1, strides + 1, rank - 1, summary, column + 1, format);
  }
  out += ']';
}

}  // namespace detail::inline SINTER_TARGET

inline namespace SINTER_TARGET {

/// `t` as PyTorch prints it: `tensor([[1.0000, 2.0000],\n        [3.0000, 4.0000]])`. Four decimals, or scientific
/// where the magnitudes differ much; over 1000 elements only the ends of each dim; the dtype where it is not
/// float32, int64 or bool.
template <class T, class E> std::string to_string(const tensor<T, E, cpu_t>& t) {
  if (!t.defined()) return "tensor(undefined)";
  using V = std::remove_const_t<T>;
  constexpr int rank = E::rank;
  const int64* sizes = t.sizes().data();
  const int64* strides = t.strides().data();
  const bool summary = t.numel() > detail::print_all;

  detail::number_format format;
  if constexpr (is_differentiable(dtype_of<T>)) {
    double low = 0, high = 0;
    auto measure = [&](double v) {
      const double a = v < 0 ? -v : v;
      if (a == 0 || !detail::is_finite(a)) return;
      high = std::max(high, a);
      low = low == 0 ? a : std::min(low, a);
    };
    detail::each_printed(t.data(), sizes, strides, rank, summary, [&](V v) { detail::for_parts(v, measure); });
    format.scientific = high > 1e8 || (low > 0 && (low < 1e-4 || high / low > 1e5));
  }
  if (rank > 0)
    detail::each_printed(t.data(), sizes, strides, rank, summary, [&](V v) {
      if constexpr (is_complex_element<V>) {
        const auto size = [&](auto part) { return static_cast<int>(detail::number_text(static_cast<double>(part), format).size()); };
        format.width = std::max(format.width, size(v.re));
        format.tail = std::max(format.tail, size(v.im) + 2);
      } else {
        format.width = std::max(format.width, static_cast<int>(detail::number_text(v, format).size()));
      }
    });

  std::string out = "tensor(";
  if (t.numel() == 0) {
    out += "[]";
    if (rank != 1) {
      std::string list;
      detail::append(list, shape_text{sizes, rank});
      out += ", size=(" + list.substr(1, list.size() - 2) + ")";
    }
  } else {
    detail::print_dim(out, t.data(), sizes, strides, rank, summary, 7, format);
  }
  if (!std::is_same_v<V, float> && !std::is_same_v<V, int64> && !std::is_same_v<V, bool>)
    out += std::string(", dtype=") + name_of(t.dtype());
  return out + ")";
}

/// Writes to_string(t).
template <class Stream, class T, class E> requires std::is_base_of_v<std::ostream, Stream>
Stream& operator<<(Stream& to, const tensor<T, E, cpu_t>& t) {
  to << to_string(t);
  return to;
}

}  // namespace SINTER_TARGET

}  // namespace sinter::inline v0
