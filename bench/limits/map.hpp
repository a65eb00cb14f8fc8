// SPDX-License-Identifier: BSD-3-Clause
// Hand loops of one formula per element, on the compiler's vectors. Functions are good to a few ulp of their largest value.
#pragma once
#include "../machine.hpp"

namespace bench::limits {

/// exp(x): 2^k * p(r), r in +-log(2)/2.
inline vec exp(vec x) {
#if defined(__AVX512F__)
  const vec k = (vec)_mm512_roundscale_ps((__m512)(x * 1.44269504f), 0);
#else
  x = x < all(-87.0f) ? all(-87.0f) : x;  // where 2^k is a normal number
  x = x > all(88.0f) ? all(88.0f) : x;
  const vec magic = all(12582912.0f);  // rounds to an integer in the low bits
  const vec shifted = x * 1.44269504f + magic, k = shifted - magic;
#endif
  const vec r = (x - k * 0.693359375f) + k * 2.12194440e-4f;
  vec p = all(1.9875691500e-4f);
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * r * r + r + 1.0f;
#if defined(__AVX512F__)
  return (vec)_mm512_scalef_ps((__m512)p, (__m512)k);
#else
  return p * (vec)(((ivec)shifted << 23) + (127 << 23));
#endif
}
template <int N> vec polynomial(vec x, const float (&c)[N]) {  // c[0] + c[1] x + ...
  vec p = all(c[N - 1]);
#pragma GCC unroll 16
  for (int i = N - 2; i >= 0; --i) p = p * x + c[i];
  return p;
}
/// log(x) of normal x: the exponent, and a polynomial on [sqrt(1/2), sqrt(2)].
inline vec log(vec x) {
  constexpr float c[] = {3.333331090e-01f, -2.500001628e-01f, 2.000220418e-01f, -1.666764372e-01f, 1.421789153e-01f,
                         -1.241126869e-01f, 1.190471213e-01f, -1.164643442e-01f, 6.675271892e-02f};
  const ivec bits = (ivec)x - 0x3f3504f3, exponent = bits >> 23;
  const vec f = (vec)((bits & 0x7fffff) + 0x3f3504f3) - 1.0f;
  return __builtin_convertvector(exponent, vec) * 0.693147181f + (f + f * f * (f * polynomial(f, c) - 0.5f));
}
/// x P(x^2) / Q(x^2), fitted to the relative error.
inline vec tanh(vec x) {
  constexpr float p[] = {9.999999987e-01f, 1.368041624e-01f, 3.868955712e-03f, 2.802012590e-05f, 3.061545679e-08f, -1.222600094e-11f};
  constexpr float q[] = {1.0f, 4.701374832e-01f, 2.724813712e-02f, 3.939738187e-04f, 1.288251326e-06f};
  x = x > all(9.01f) ? all(9.01f) : x;
  x = x < all(-9.01f) ? all(-9.01f) : x;
  const vec s = x * x;
  return x * polynomial(s, p) / polynomial(s, q);
}
inline vec erf(vec x) {
  constexpr float p[] = {1.128379144e+00f, 1.915289695e-01f, 5.287264776e-02f, 3.807262630e-03f, 2.846701192e-04f, 2.026097595e-06f};
  constexpr float q[] = {1.0f, 5.030708092e-01f, 1.145508257e-01f, 1.505327523e-02f, 1.170513498e-03f, 3.783286636e-05f};
  x = x > all(3.95f) ? all(3.95f) : x;
  x = x < all(-3.95f) ? all(-3.95f) : x;
  const vec s = x * x;
  return x * polynomial(s, p) / polynomial(s, q);
}
inline vec sigmoid(vec x) { return 1.0f / (1.0f + exp(-x)); }
inline vec gelu(vec x) { return x * 0.5f * (tanh(x * (0.044715f * 0.797884561f * x * x + 0.797884561f)) + 1.0f); }

template <class F> void each(const float* x, float* y, std::int64_t n, F f) {
  for (std::int64_t i = 0; i < n; i += 4 * lanes) {  // four at a time hide the latency of a polynomial
    const vec a = f(load(x + i)), b = f(load(x + i + lanes)), c = f(load(x + i + 2 * lanes)), d = f(load(x + i + 3 * lanes));
    store(y + i, a), store(y + i + lanes, b), store(y + i + 2 * lanes, c), store(y + i + 3 * lanes, d);
  }
}
template <bool Stream> void formula(const float* a, const float* b, const float* c, float* y, std::int64_t n) {
  for (std::int64_t i = 0; i < n; i += lanes) {
    const vec u = load(a + i), v = load(b + i);
    put<Stream>(y + i, u * v + load(c + i) - u / v);
  }
}
/// Repeats y = a b + c of 16 floats.
inline void muladd16(const float* a, const float* b, const float* c, float* y, std::int64_t repeat) {
  for (std::int64_t r = 0; r < repeat; ++r) {
    for (int i = 0; i < 16; i += lanes) store(y + i, load(a + i) * load(b + i) + load(c + i));
    barrier();
  }
}
/// The sum of (a - b)^2, read from one place or from four (which of them prefetchers like better depends on where a and b lie).
/// Floats are added up for a while only.
template <int Places> double squares(const float* a, const float* b, std::int64_t n) {
  double total = 0;
  const std::int64_t part = n / Places, step = 1 << 14, apart = Places == 1 ? lanes : part, on = Places == 1 ? 4 * lanes : lanes;
  for (std::int64_t first = 0; first < part; first += step) {
    vec s[4] = {};
    for (std::int64_t i = first; i < std::min(first + step, part); i += on)
#pragma GCC unroll 4
      for (int k = 0; k < 4; ++k) {
        const vec d = load(a + k * apart + i) - load(b + k * apart + i);
        s[k] += d * d;
      }
    total += sum(s[0] + s[1] + s[2] + s[3]);
  }
  return total;
}

}  // namespace bench::limits
