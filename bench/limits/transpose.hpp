// SPDX-License-Identifier: BSD-3-Clause
// A transposed copy by hand: 16 x 16 tiles are turned in registers, and a strip of them leaves as whole cache lines.
#pragma once
#include "../vec.hpp"

namespace bench::limits {

/// y[j][i] = x[i][j] of a 16 x 16 tile, in registers; four rounds of exchanging halves.
template <bool Stream> inline void turn_tile(const float* x, std::int64_t xs, float* y, std::int64_t ys) {
#if defined(__AVX512F__)
  __m512 a[16], b[16];
#pragma GCC unroll 16
  for (int i = 0; i < 16; ++i) a[i] = _mm512_loadu_ps(x + i * xs);
#pragma GCC unroll 16
  for (int i = 0; i < 16; i += 2) b[i] = _mm512_unpacklo_ps(a[i], a[i + 1]), b[i + 1] = _mm512_unpackhi_ps(a[i], a[i + 1]);
#pragma GCC unroll 4
  for (int i = 0; i < 16; i += 4) {
    a[i] = _mm512_shuffle_ps(b[i], b[i + 2], 0x44), a[i + 1] = _mm512_shuffle_ps(b[i], b[i + 2], 0xee);
    a[i + 2] = _mm512_shuffle_ps(b[i + 1], b[i + 3], 0x44), a[i + 3] = _mm512_shuffle_ps(b[i + 1], b[i + 3], 0xee);
  }
#pragma GCC unroll 8
  for (int i = 0; i < 8; ++i) {  // a[i + 4 q] holds column i of each quarter of rows 4 q ...
    const int k = i % 4 + i / 4 * 8;
    b[k] = _mm512_shuffle_f32x4(a[k], a[k + 4], 0x88), b[k + 4] = _mm512_shuffle_f32x4(a[k], a[k + 4], 0xdd);
  }
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) {
    const __m512 c[] = {_mm512_shuffle_f32x4(b[i], b[i + 8], 0x88), _mm512_shuffle_f32x4(b[i + 4], b[i + 12], 0x88),
                        _mm512_shuffle_f32x4(b[i], b[i + 8], 0xdd), _mm512_shuffle_f32x4(b[i + 4], b[i + 12], 0xdd)};
    for (int q = 0; q < 4; ++q) {
      if constexpr (Stream) _mm512_stream_ps(y + (4 * q + i) * ys, c[q]);
      else _mm512_storeu_ps(y + (4 * q + i) * ys, c[q]);
    }
  }
#else
  for (int j = 0; j < 16; ++j)
    for (int i = 0; i < 16; ++i) y[j * ys + i] = x[i * xs + j];
#endif
}

/// What tiles leave over: the last n % 16 rows and columns.
inline void transpose_rest(const float* x, float* y, std::int64_t n) {
  const std::int64_t whole = n / 16 * 16;
  for (std::int64_t i = 0; i < n; ++i)
    for (std::int64_t j = i < whole ? whole : 0; j < n; ++j) y[j * n + i] = x[i * n + j];
}
/// n x n: `strip` rows of x at a time, whose tiles go down y.
template <bool Stream> void transpose_rows(const float* x, float* y, std::int64_t n, std::int64_t strip) {
  const std::int64_t whole = n / 16 * 16;
  for (std::int64_t i0 = 0; i0 < whole; i0 += strip)
    for (std::int64_t j = 0; j < whole; j += 16)
      for (std::int64_t i = i0; i < whole && i < i0 + strip; i += 16) turn_tile<Stream>(x + i * n + j, n, y + j * n + i, n);
  transpose_rest(x, y, n);
}
/// `strip` columns of x at a time: x is read in long runs, and `strip` rows of y grow line by line. The faster where rows are not aligned.
template <bool Stream> void transpose_columns(const float* x, float* y, std::int64_t n, std::int64_t strip) {
  const std::int64_t whole = n / 16 * 16;
  for (std::int64_t j0 = 0; j0 < whole; j0 += strip)
    for (std::int64_t i = 0; i < whole; i += 16)
      for (std::int64_t j = j0; j < whole && j < j0 + strip; j += 16) turn_tile<Stream>(x + i * n + j, n, y + j * n + i, n);
  transpose_rest(x, y, n);
}

}  // namespace bench::limits
