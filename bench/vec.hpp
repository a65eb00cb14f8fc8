// SPDX-License-Identifier: BSD-3-Clause
// The compiler's own vectors, as wide as the machine's registers, for loops that limits are made of: no library stands
// between such a loop and the machine. Next: machine.hpp, limits/.
#pragma once
#include <cstdint>
#include <cstring>
#ifdef __AVX__
#include <immintrin.h>
#endif

namespace bench {

#if defined(__AVX512F__)
inline constexpr int lanes = 16;
#elif defined(__AVX__)
inline constexpr int lanes = 8;
#else
inline constexpr int lanes = 4;
#endif
typedef float vec __attribute__((vector_size(4 * lanes)));
typedef double vec64 __attribute__((vector_size(4 * lanes)));
typedef std::int32_t ivec __attribute__((vector_size(4 * lanes)));

inline vec load(const float* p) {
  vec v;
  std::memcpy(&v, p, sizeof v);
  return v;
}
inline void store(float* p, vec v) { std::memcpy(p, &v, sizeof v); }
inline void stream(float* p, vec v) {  // past the caches; p is aligned
#if defined(__AVX512F__)
  _mm512_stream_ps(p, (__m512)v);
#elif defined(__AVX__)
  _mm256_stream_ps(p, (__m256)v);
#else
  store(p, v);
#endif
}
template <bool Stream> void put(float* p, vec v) {
  if constexpr (Stream) stream(p, v);
  else store(p, v);
}
inline vec all(float x) { return vec{} + x; }
/// A load that no compiler leaves out.
inline void use(vec v) {
#ifdef __x86_64__
  asm volatile("" : : "v"(v));
#else
  volatile float sink = v[0];
  (void)sink;
#endif
}
inline vec root(vec v) {
#if defined(__AVX512F__)
  return (vec)_mm512_sqrt_ps((__m512)v);
#elif defined(__AVX__)
  return (vec)_mm256_sqrt_ps((__m256)v);
#else
  for (int i = 0; i < lanes; ++i) v[i] = __builtin_sqrtf(v[i]);
  return v;
#endif
}
/// The same of doubles.
inline constexpr int lanes64 = lanes / 2;
inline vec64 load64(const double* p) {
  vec64 v;
  std::memcpy(&v, p, sizeof v);
  return v;
}
inline void store64(double* p, vec64 v) { std::memcpy(p, &v, sizeof v); }
inline vec64 root(vec64 v) {
#if defined(__AVX512F__)
  return (vec64)_mm512_sqrt_pd((__m512d)v);
#elif defined(__AVX__)
  return (vec64)_mm256_sqrt_pd((__m256d)v);
#else
  for (int i = 0; i < lanes64; ++i) v[i] = __builtin_sqrt(v[i]);
  return v;
#endif
}

template <class F> float fold(vec v, F f) {
  float s = v[0];
  for (int i = 1; i < lanes; ++i) s = f(s, v[i]);
  return s;
}
inline float sum(vec v) {
#if defined(__AVX512F__)
  return _mm512_reduce_add_ps((__m512)v);
#else
  return fold(v, [](float a, float b) { return a + b; });
#endif
}

/// Keeps the compiler from moving memory accesses across, so that a repeated statement is run as often as it is written.
inline void barrier() { asm volatile("" : : : "memory"); }

}  // namespace bench
