// SPDX-License-Identifier: BSD-3-Clause
// What this machine can do, by loops that do nothing else: multiply-adds in registers, and memory traffic.
// Not here: sinter. Next: limits/ for what one would write by hand for a row.
#pragma once
#include <fstream>
#include <map>
#include <memory>
#include <utility>
#ifdef _OPENMP
#include <omp.h>
#endif

#include "measure.hpp"
#include "vec.hpp"

namespace bench {

/// f(first, last) on each of `threads` parts of [0, n), cut at whole cache lines.
template <class F> void split(std::int64_t n, int threads, F f) {
#ifdef _OPENMP
  if (threads > 1) {
#pragma omp parallel num_threads(threads)
    {
      const std::int64_t part = (n / omp_get_num_threads() + 63) / 64 * 64, first = part * omp_get_thread_num();
      f(std::min(first, n), omp_get_thread_num() + 1 == omp_get_num_threads() ? n : std::min(first + part, n));
    }
    return;
  }
#endif
  (void)threads;
  f(std::int64_t{0}, n);
}
inline bool has_threads() {
#ifdef _OPENMP
  return true;
#else
  return false;
#endif
}

/// Holds a vector in a register and lets nobody know its value.
template <class V> inline void pin(V& v) {
#ifdef __x86_64__
  asm volatile("" : "+v"(v));
#else
  asm volatile("" : "+m"(v));
#endif
}

/// 2 * lanes flops (double: lanes) per multiply-add, from chains enough to hide its latency.
template <class V, std::size_t... I> void multiply_add(std::int64_t n, std::index_sequence<I...>) {
  using T = std::remove_reference_t<decltype(V{}[0])>;
  V acc[] = {(V{} + static_cast<T>(I))...};
  const V a = V{} + T(0.999), b = V{} + T(0.001);
  for (std::int64_t i = 0; i < n; ++i) {
    ((acc[I] = acc[I] * a + b), ...);
    (pin(acc[I]), ...);
  }
  volatile T sink = (acc[I][0] + ...);
  (void)sink;
}

inline constexpr int chains = lanes == 16 ? 24 : 12;
inline constexpr std::int64_t peak_steps = 100000;
/// The flops of one run of peak(), on each thread.
inline double peak_flops(bool wide) { return (wide ? 1.0 : 2.0) * lanes * chains * static_cast<double>(peak_steps); }
/// The limit of a compute row, measured in its own race.
inline candidate peak(bool wide, int threads) {
  return timed("peak", [=] {
    split(64 * threads, threads, [=](std::int64_t, std::int64_t) {
      if (wide) multiply_add<vec64>(peak_steps, std::make_index_sequence<chains>());
      else multiply_add<vec>(peak_steps, std::make_index_sequence<chains>());
    });
  }, threads);
}

/// Copies with plain or streaming stores; reads; all of arrays that are aligned and far larger than the caches.
template <bool Stream> void copy_loop(const float* from, float* to, std::int64_t n) {
  for (std::int64_t i = 0; i < n; i += lanes) put<Stream>(to + i, load(from + i));
}
/// From four places at a time, which prefetchers like better than one; n is a multiple of 4 * lanes.
inline void read_loop(const float* p, std::int64_t n) {
  vec a = {}, b = {}, c = {}, d = {};
  const std::int64_t part = n / 4;
  for (std::int64_t i = 0; i < part; i += lanes) a += load(p + i), b += load(p + part + i), c += load(p + 2 * part + i), d += load(p + 3 * part + i);
  use(a + b + c + d);
}

struct machine {
  std::string cpu = "unknown", compiler, flags;
  std::map<std::string, double> limits;       ///< "fma_gflops", "fma64_gflops_2" (two threads), ...
  std::map<std::string, std::string> peers;   ///< name: version, build, settings
};

inline std::string cpu_name() {
  std::ifstream in("/proc/cpuinfo");
  for (std::string line; std::getline(in, line);)
    if (line.rfind("model name", 0) == 0) return line.substr(line.find(':') + 2);
  return "unknown";
}

/// a and b are arrays of n floats.
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
  for (int threads = 1; threads <= (has_threads() ? 2 : 1); ++threads) {
    const auto cut = [=](auto loop) { return [=] { split(n, threads, [=](std::int64_t i, std::int64_t j) { loop(a + i, b + i, j - i); }); }; };
    const auto ns = race({peak(false, threads), peak(true, threads),
                          timed("copy", cut([](float* p, float* q, std::int64_t k) { copy_loop<false>(p, q, k); }), threads),
                          timed("stream", cut([](float* p, float* q, std::int64_t k) { copy_loop<true>(p, q, k); }), threads),
                          timed("read", cut([](float* p, float*, std::int64_t k) { read_loop(p, k); }), threads)}, turns);
    const std::string end = threads > 1 ? "_2" : "";
    const double bytes = 4.0 * static_cast<double>(n);
    m.limits["fma_gflops" + end] = threads * peak_flops(false) / ns[0];
    m.limits["fma64_gflops" + end] = threads * peak_flops(true) / ns[1];
    m.limits["copy_gbs" + end] = 2 * bytes / ns[2];
    m.limits["stream_gbs" + end] = 2 * bytes / ns[3];
    m.limits["read_gbs" + end] = bytes / ns[4];
  }
  return m;
}

}  // namespace bench
