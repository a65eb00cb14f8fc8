// SPDX-License-Identifier: BSD-3-Clause
// What one core of this machine can do, by loops that do nothing else: multiply-adds in registers, and memory traffic.
// Not here: sinter. The vectors are the compiler's own, so that no library stands between the loop and the limit.
#pragma once
#include <cstdint>
#include <cstring>
#include <fstream>
#include <string>
#include <utility>
#ifdef __AVX__
#include <immintrin.h>
#endif

#include "measure.hpp"

namespace bench {

#if defined(__AVX512F__)
inline constexpr int lanes = 16;
#elif defined(__AVX__)
inline constexpr int lanes = 8;
#else
inline constexpr int lanes = 4;
#endif
typedef float vec __attribute__((vector_size(4 * lanes)));
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

/// 2 * lanes flops per multiply-add, from chains enough to hide its latency.
template <std::size_t... I> void multiply_add(std::int64_t n, std::index_sequence<I...>) {
  vec acc[] = {(vec{} + static_cast<float>(I))...};
  const vec a = vec{} + 0.999f, b = vec{} + 0.001f;
  for (std::int64_t i = 0; i < n; ++i) {
    ((acc[I] = acc[I] * a + b), ...);
#ifdef __x86_64__
    ((void)([&] { asm volatile("" : "+v"(acc[I])); }()), ...);
#endif
  }
  volatile float sink = (acc[I][0] + ...);
  (void)sink;
}

struct machine {
  std::string cpu, compiler, flags;
  double fma_gflops = 0, copy_gbs = 0, stream_gbs = 0;
};

inline std::string cpu_name() {
  std::ifstream in("/proc/cpuinfo");
  for (std::string line; std::getline(in, line);)
    if (line.rfind("model name", 0) == 0) return line.substr(line.find(':') + 2);
  return "unknown";
}

/// Copies n floats, aligned, with plain or streaming stores.
inline void copy_loop(const float* from, float* to, std::int64_t n) {
  for (std::int64_t i = 0; i < n; i += lanes) store(to + i, load(from + i));
}
inline void copy_stream(const float* from, float* to, std::int64_t n) {
  for (std::int64_t i = 0; i < n; i += lanes) stream(to + i, load(from + i));
}

inline constexpr int chains = lanes == 16 ? 24 : 12;
/// The limit of a compute row, measured in its own race: `peak_flops` in registers.
inline constexpr std::int64_t peak_steps = 100000;
inline constexpr double peak_flops = 2.0 * lanes * chains * peak_steps;
inline candidate peak() {
  return {"peak", [] { multiply_add(peak_steps, std::make_index_sequence<chains>()); }};
}

inline machine measure_machine(float* a, float* b, std::int64_t n, int turns) {
  machine m;
  m.cpu = cpu_name();
#ifdef __clang__
  m.compiler = "clang++ " __clang_version__;
#else
  m.compiler = "g++ " __VERSION__;
#endif
#ifdef SINTER_BENCH_FLAGS
  m.flags = SINTER_BENCH_FLAGS;
#endif
  const auto ns = race({peak(),
                        {"copy", [=] { copy_loop(a, b, n); }},
                        {"stream", [=] { copy_stream(a, b, n); }}}, turns);
  m.fma_gflops = peak_flops / ns[0];
  m.copy_gbs = 8.0 * static_cast<double>(n) / ns[1];
  m.stream_gbs = 8.0 * static_cast<double>(n) / ns[2];
  return m;
}

}  // namespace bench
