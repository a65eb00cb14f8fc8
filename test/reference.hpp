// SPDX-License-Identifier: BSD-3-Clause
// For tests of evaluation: operands of the same values in many memory layouts, and comparison with a plain function
// of the index in double.
#pragma once
#include <cmath>
#include <string>
#include <vector>

#include <sinter/sinter.hpp>

namespace reference {

using sinter::int64;
template <int R> using sizes = sinter::index_list<R>;

enum layout { row_major, column_major, strided, flipped, rotated, padded, layouts };

/// By bits: -Ofast believes that there is no NaN.
inline bool is_nan(double x) { return (__builtin_bit_cast(unsigned long long, x) & 0x7fffffffffffffffull) > 0x7ff0000000000000ull; }

/// Two tensors of one shape: |a - b| <= tolerance everywhere.
template <class A, class B> bool close(const A& a, const B& b, double tolerance = 1e-12) {
  if (!(a.sizes() == b.sizes())) return false;
  const auto x = contiguous(a);
  const auto y = contiguous(b);
  bool same = true;
  for (int64 i = 0; i < x.numel(); ++i) {
    const double d = static_cast<double>(x.data()[i]) - static_cast<double>(y.data()[i]);
    same = same && d <= tolerance && -d <= tolerance;
  }
  return same;
}
/// Numbers in [-2, 2], different for each element and seed.
inline double sample(int64 k, int seed) {
  const double x = std::sin(static_cast<double>(k + 1) * 12.9898 + seed * 78.233) * 43758.5453;
  return 4 * (x - std::floor(x)) - 2;
}
template <int R> int64 number_of(const sizes<R>& n, const sizes<R>& i) {
  int64 k = 0;
  for (int d = 0; d < R; ++d) k = k * n[d] + i[d];
  return k;
}
/// Calls f(index) for every index, row-major.
template <int R, class F> void each(const sizes<R>& n, F f) {
  sizes<R> i{};
  int64 count = 1;
  for (int d = 0; d < R; ++d) count *= n[d], i[d] = 0;
  for (int64 k = 0; k < count; ++k) {
    f(i);
    for (int d = R - 1; d >= 0 && ++i[d] == n[d]; --d) i[d] = 0;
  }
}
template <class T> T as(double v) {
  if constexpr (std::is_same_v<T, bool>) return v > 0;
  else if constexpr (std::is_integral_v<T>) return static_cast<T>(std::lround(v * 10));
  else return static_cast<T>(v);
}

/// A tensor of f(index) in the given layout.
template <class T, int R, class F> sinter::tensor<T, sinter::rank<R>> tensor_of(const sizes<R>& n, layout l, F f) {
  int order[R + 1];  // outermost first
  for (int d = 0; d < R; ++d) order[d] = l == column_major ? R - 1 - d : l == rotated ? (d + 1) % R : d;
  sizes<R> strides{};
  int64 step = 1, offset = 0;
  for (int k = R - 1; k >= 0; --k) {
    const int d = order[k];
    if (l == strided) step *= 2;
    strides[d] = step;
    step *= n[d] + (l == padded ? 3 : 0);
  }
  if (l == flipped)
    for (int d = 0; d < R; ++d)
      if (n[d] > 0) offset += (n[d] - 1) * strides[d], strides[d] = -strides[d];
  auto block = sinter::zeros<T>({step + 1});
  sinter::tensor<T, sinter::rank<R>> t(block.storage_handle(), block.data() + offset, n, strides);
  each(n, [&](const sizes<R>& i) {
    int64 at = 0;
    for (int d = 0; d < R; ++d) at += i[d] * strides[d];
    t.data()[at] = as<T>(f(i));
  });
  return t;
}
/// A tensor of samples: the same values in every layout.
template <class T, int R> sinter::tensor<T, sinter::rank<R>> samples(const sizes<R>& n, layout l = row_major, int seed = 0) {
  return tensor_of<T>(n, l, [&](const sizes<R>& i) { return sample(number_of(n, i), seed); });
}
template <class T, class E> T at(const sinter::tensor<T, E>& t, const sizes<E::rank>& i) {
  int64 k = 0;
  for (int d = 0; d < E::rank; ++d) k += (t.sizes()[d] == 1 ? 0 : i[d]) * t.strides()[d];
  return t.data()[k];
}

/// Empty if y has the sizes n and y(index) is f(index) within `ulps` of its dtype's precision; else what differs.
template <class T, class E, class F> std::string differs(const sinter::tensor<T, E>& y, const sizes<E::rank>& n, F f, double ulps = 16) {
  std::string text;
  for (int d = 0; d < E::rank; ++d)
    if (y.sizes()[d] != n[d]) return "size of dim " + std::to_string(d) + " is " + std::to_string(y.sizes()[d]) + ", not " + std::to_string(n[d]);
  const double epsilon = std::is_same_v<T, float> ? 6e-8 : std::is_same_v<T, double> ? 1.1e-16 : 0;
  each(n, [&](const sizes<E::rank>& i) {
    if (!text.empty()) return;
    const double want = static_cast<double>(f(i)), got = static_cast<double>(at(y, i));
    if (is_nan(want) ? is_nan(got) : !is_nan(got) && want == got) return;
    if (!is_nan(want) && !is_nan(got) && std::abs(want - got) <= ulps * epsilon * std::max(1.0, std::abs(want))) return;
    text = "at [";
    for (int d = 0; d < E::rank; ++d) text += (d ? ", " : "") + std::to_string(i[d]);
    text += "]: " + std::to_string(got) + ", not " + std::to_string(want);
  });
  return text;
}

/// The value of an expression by the interpreter: no kernel is compiled for it.
template <class X> SINTER_HIDDEN auto interpreted(const X& x) {
  using L = sinter::detail::lowered<X>;
  sinter::detail::bound_operands<typename L::program> in;
  sinter::detail::bind<sinter::native>(x, in);
  sinter::detail::result r;
  sinter::detail::interpret<sinter::native>(sinter::detail::view_of<typename L::program>, in.leaves, in.slots, &r);
  return sinter::detail::take<typename L::value_type, typename L::extents_type>(r);
}

}  // namespace reference

/// Compares a tensor with its sizes and a function of the index.
#define CHECK_ELEMENTS(...) CHECK(reference::differs(__VA_ARGS__) == "")
