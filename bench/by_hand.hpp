// SPDX-License-Identifier: BSD-3-Clause
// What one would write by hand for one of the rows: the limits that are loops.
#pragma once
#include "machine.hpp"

namespace bench {

/// y = a * b + c, with plain or streaming stores.
template <bool Stream> void multiply_add_arrays(const float* a, const float* b, const float* c, float* y, std::int64_t n) {
  for (std::int64_t i = 0; i < n; i += lanes) {
    const vec v = load(a + i) * load(b + i) + load(c + i);
    if constexpr (Stream) stream(y + i, v);
    else store(y + i, v);
  }
}

/// exp(x) for x <= 0, within 2 ulp: 2^k * p(r), r in +-log(2)/2.
inline vec exp_of(vec x) {
  const vec low = vec{} - 87.0f;
  x = x < low ? low : x;
  const vec magic = vec{} + 12582912.0f;  // rounds to an integer in the low bits
  const vec shifted = x * 1.44269504f + magic, k = shifted - magic;
  const vec r = (x - k * 0.693359375f) + k * 2.12194440e-4f;
  vec p = vec{} + 1.9875691500e-4f;
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * r * r + r + 1.0f;
  return p * (vec)(((ivec)shifted << 23) + (127 << 23));
}
template <class F> float fold(vec v, F f) {
  float s = v[0];
  for (int i = 1; i < lanes; ++i) s = f(s, v[i]);
  return s;
}

/// Row-wise softmax: maximum, exp and sum, scale; a row stays in L1. `columns` is a multiple of 4 * lanes.
inline void softmax_rows(const float* x, float* y, std::int64_t rows, std::int64_t columns) {
  for (std::int64_t i = 0; i < rows; ++i, x += columns, y += columns) {
    vec m[4] = {load(x), load(x + lanes), load(x + 2 * lanes), load(x + 3 * lanes)};
    for (std::int64_t j = 4 * lanes; j < columns; j += 4 * lanes) {
      const vec v[4] = {load(x + j), load(x + j + lanes), load(x + j + 2 * lanes), load(x + j + 3 * lanes)};
      m[0] = v[0] > m[0] ? v[0] : m[0], m[1] = v[1] > m[1] ? v[1] : m[1];
      m[2] = v[2] > m[2] ? v[2] : m[2], m[3] = v[3] > m[3] ? v[3] : m[3];
    }
    m[0] = m[0] > m[1] ? m[0] : m[1], m[2] = m[2] > m[3] ? m[2] : m[3];
    const vec top = vec{} + fold(m[0] > m[2] ? m[0] : m[2], [](float a, float b) { return a > b ? a : b; });
    vec s[2] = {};
    for (std::int64_t j = 0; j < columns; j += 2 * lanes) {
      const vec a = exp_of(load(x + j) - top), b = exp_of(load(x + j + lanes) - top);
      store(y + j, a), store(y + j + lanes, b);
      s[0] += a, s[1] += b;
    }
    const vec scale = vec{} + 1 / fold(s[0] + s[1], [](float a, float b) { return a + b; });
    for (std::int64_t j = 0; j < columns; j += lanes) store(y + j, load(y + j) * scale);
  }
}

}  // namespace bench
