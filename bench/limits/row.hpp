// SPDX-License-Identifier: BSD-3-Clause
// Hand loops over rows and columns; a row stays in L1, or a strip of columns in registers. Row lengths are multiples of 4 * lanes.
#pragma once
#include <cmath>
#include <vector>

#include "map.hpp"

namespace bench::limits {
using std::int64_t;

/// Row-wise softmax: maximum, exp and sum, scale.
inline void softmax_row(const float* x, float* y, int64_t n) {
  const auto larger = [](float a, float b) { return a > b ? a : b; };
  vec m[4] = {load(x), load(x + lanes), load(x + 2 * lanes), load(x + 3 * lanes)};
  for (int64_t j = 4 * lanes; j < n; j += 4 * lanes)
#pragma GCC unroll 4
    for (int k = 0; k < 4; ++k) {
      const vec v = load(x + j + k * lanes);
      m[k] = v > m[k] ? v : m[k];
    }
  m[0] = m[0] > m[1] ? m[0] : m[1], m[2] = m[2] > m[3] ? m[2] : m[3];
  const vec top = all(fold(m[0] > m[2] ? m[0] : m[2], larger));
  vec s[2] = {};
  for (int64_t j = 0; j < n; j += 4 * lanes) {
    const vec a = exp(load(x + j) - top), b = exp(load(x + j + lanes) - top), c = exp(load(x + j + 2 * lanes) - top), d = exp(load(x + j + 3 * lanes) - top);
    store(y + j, a), store(y + j + lanes, b), store(y + j + 2 * lanes, c), store(y + j + 3 * lanes, d);
    s[0] += a + c, s[1] += b + d;
  }
  const vec scale = all(1 / sum(s[0] + s[1]));
  for (int64_t j = 0; j < n; j += lanes) store(y + j, load(y + j) * scale);
}
/// d = y (g - sum(y g)) for y = softmax(x), which is kept in `y`.
inline void softmax_grad_row(const float* x, const float* g, float* y, float* d, int64_t n) {
  softmax_row(x, y, n);
  vec s[2] = {};
  for (int64_t j = 0; j < n; j += 2 * lanes) s[0] += load(y + j) * load(g + j), s[1] += load(y + j + lanes) * load(g + j + lanes);
  const vec dot = all(sum(s[0] + s[1]));
  for (int64_t j = 0; j < n; j += lanes) store(d + j, load(y + j) * (load(g + j) - dot));
}
/// Softmax along dim 0, row by row: maxima and sums of all columns stay in L1. exp is computed twice: it costs less than its stores.
template <bool Stream> void softmax_columns(const float* x, float* y, float* top, float* scale, int64_t rows, int64_t columns) {
  constexpr int64_t block = 8;  // rows at a time, so that maxima and sums are loaded seldom
  for (int64_t j = 0; j < columns; ++j) top[j] = x[j], scale[j] = 0;
  for (int64_t i = 0; i < rows; i += block)
    for (int64_t j = 0; j < columns; j += lanes) {
      vec m = load(top + j);
#pragma GCC unroll 8
      for (int64_t k = i; k < i + block; ++k) {
        const vec v = load(x + k * columns + j);
        m = v > m ? v : m;
      }
      store(top + j, m);
    }
  for (int64_t i = 0; i < rows; i += block)
    for (int64_t j = 0; j < columns; j += lanes) {
      const vec m = load(top + j);
      vec s = load(scale + j);
#pragma GCC unroll 8
      for (int64_t k = i; k < i + block; ++k) s += exp(load(x + k * columns + j) - m);
      store(scale + j, s);
    }
  for (int64_t j = 0; j < columns; ++j) scale[j] = 1 / scale[j];
  for (int64_t i = 0; i < rows; ++i)
    for (int64_t j = 0; j < columns; j += 2 * lanes) {
      const vec a = exp(load(x + i * columns + j) - load(top + j)), b = exp(load(x + i * columns + j + lanes) - load(top + j + lanes));
      put<Stream>(y + i * columns + j, a * load(scale + j)), put<Stream>(y + i * columns + j + lanes, b * load(scale + j + lanes));
    }
}

struct row_moments {
  vec mean, inverse;
};
inline row_moments moments(const float* x, int64_t n) {  // two passes: stable
  vec s[4] = {}, v[4] = {};
  for (int64_t j = 0; j < n; j += 4 * lanes)
#pragma GCC unroll 4
    for (int k = 0; k < 4; ++k) s[k] += load(x + j + k * lanes);
  const vec mean = all(sum(s[0] + s[1] + s[2] + s[3]) / static_cast<float>(n));
  for (int64_t j = 0; j < n; j += 4 * lanes)
#pragma GCC unroll 4
    for (int k = 0; k < 4; ++k) {
      const vec c = load(x + j + k * lanes) - mean;
      v[k] += c * c;
    }
  return {mean, all(1 / std::sqrt(sum(v[0] + v[1] + v[2] + v[3]) / static_cast<float>(n) + 1e-5f))};
}
template <bool Stream> void layer_norm_row(const float* x, const float* w, const float* b, float* y, int64_t n) {
  const auto [mean, inverse] = moments(x, n);
  for (int64_t j = 0; j < n; j += lanes) put<Stream>(y + j, (load(x + j) - mean) * inverse * load(w + j) + load(b + j));
}
/// dx of a row; dw and db are added to.
inline void layer_norm_grad_row(const float* x, const float* w, const float* g, float* dx, float* dw, float* db, int64_t n) {
  const auto [mean, inverse] = moments(x, n);
  vec s = {}, t = {};
  for (int64_t j = 0; j < n; j += lanes) {
    const vec h = (load(x + j) - mean) * inverse, d = load(g + j);
    const vec e = d * load(w + j);
    s += e, t += e * h;
    store(dw + j, load(dw + j) + d * h), store(db + j, load(db + j) + d);
  }
  const vec ms = all(sum(s) / static_cast<float>(n)), mt = all(sum(t) / static_cast<float>(n));
  for (int64_t j = 0; j < n; j += lanes) {
    const vec h = (load(x + j) - mean) * inverse;
    store(dx + j, inverse * (load(g + j) * load(w + j) - ms - h * mt));
  }
}

/// y = x + c * r of one line: c is one number, r a vector of n.
template <bool Stream> void outer_add_line(const float* x, float c, const float* r, float* y, int64_t n) {
  for (int64_t j = 0; j < n; j += lanes) put<Stream>(y + j, load(x + j) + c * load(r + j));
}
/// The sum of each line of n elements, which start every `step` elements.
inline void sum_along(const float* x, float* y, int64_t lines, int64_t n, int64_t step) {
  for (int64_t i = 0; i < lines; ++i, x += step) {
    vec a = {}, b = {}, c = {}, d = {};
    for (int64_t j = 0; j < n; j += 4 * lanes) a += load(x + j), b += load(x + j + lanes), c += load(x + j + 2 * lanes), d += load(x + j + 3 * lanes);
    y[i] = sum((a + b) + (c + d));
  }
}
/// The sum over all lines, element by element: eight lines a pass, so that the sums are loaded seldom.
inline void sum_across(const float* x, float* y, int64_t lines, int64_t n, int64_t step) {
  for (int64_t j = 0; j < n; ++j) y[j] = 0;
  for (int64_t i = 0; i < lines; i += 8, x += 8 * step)
    for (int64_t j = 0; j < n; j += lanes) {
      vec s = load(y + j);
#pragma GCC unroll 8
      for (int k = 0; k < 8; ++k) s += load(x + k * step + j);
      store(y + j, s);
    }
}

}  // namespace bench::limits
