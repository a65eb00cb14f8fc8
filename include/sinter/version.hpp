// SPDX-License-Identifier: BSD-3-Clause
// Which sinter this is, and what the current file is compiled for: the first lines of a bug report.
// Not here: the macros themselves (config.hpp), the letters of the target (target.hpp).
#pragma once
#include <string>

#include "cpu/blas.hpp"
#include "cpu/parallel.hpp"
#include "cpu/simd.hpp"
#include "error.hpp"

namespace sinter::inline v0 {

/// A version's numbers, and the same as text, "0.1.0".
struct version_info {
  int major, minor, patch;
  const char* text;
};

/// The version of these headers, SINTER_VERSION_MAJOR and so on as values: `if (st::version().minor >= 1)`.
constexpr version_info version() { return {SINTER_VERSION_MAJOR, SINTER_VERSION_MINOR, SINTER_VERSION_PATCH, SINTER_VERSION}; }

namespace detail::inline SINTER_TARGET {

#define SINTER_TEXT_(x) #x
#define SINTER_TEXT(x) SINTER_TEXT_(x)

// Instruction sets by what they mean for lanes, the widest first.
enum class vectors { avx512, avx2, avx, sse, neon, none };
constexpr const char* name_of(vectors v) {
  constexpr const char* names[] = {"AVX-512", "AVX2", "AVX", "SSE", "NEON", "none"};
  return names[static_cast<int>(v)];
}
constexpr vectors compiled_vectors() {
#if defined(__AVX512F__)
  return vectors::avx512;
#elif defined(__AVX2__)
  return vectors::avx2;
#elif defined(__AVX__)
  return vectors::avx;
#elif defined(__SSE2__)
  return vectors::sse;
#elif defined(__ARM_NEON)
  return vectors::neon;
#else
  return vectors::none;
#endif
}
// What this machine has; what the file is compiled for where that cannot be asked.
inline vectors machine_vectors() {
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__CUDACC__)
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx512f")) return vectors::avx512;
  if (__builtin_cpu_supports("avx2")) return vectors::avx2;
  if (__builtin_cpu_supports("avx")) return vectors::avx;
#endif
  return compiled_vectors();
}

}  // namespace detail::inline SINTER_TARGET

inline namespace SINTER_TARGET {

/// What the calling file is compiled for, a line each: compiler, target letters, lanes, products, threads, checks, exceptions, CUDA; and
/// a warning where it uses less than this machine has. For people: `std::puts(st::config().c_str())`, as
/// torch.__config__.show().
template <class Arch = native> std::string config() {
  std::string s = "sinter " SINTER_VERSION ", C++";
  auto add = [&](const auto&... parts) { (detail::append(s, parts), ...); };
  add(__cplusplus / 100 % 100, "\n  compiler    ");
#if defined(__clang__)
  add("clang ", __clang_major__, '.', __clang_minor__, '.', __clang_patchlevel__);
#elif defined(__GNUC__)
  add("gcc ", __GNUC__, '.', __GNUC_MINOR__, '.', __GNUC_PATCHLEVEL__);
#else
  add("unknown");
#endif
#ifdef __OPTIMIZE__
  add(", optimised");
#else
  add(", not optimised");
#endif
#if defined(__FAST_MATH__)
  add(", fast maths");
#endif
  add("\n  target      ", SINTER_TEXT(SINTER_TARGET), "\n  lanes       ");
  constexpr auto mine = detail::compiled_vectors();
#if SINTER_HAS_XSIMD
  add("xsimd ", XSIMD_VERSION_MAJOR, '.', XSIMD_VERSION_MINOR, '.', XSIMD_VERSION_PATCH, ", ", detail::name_of(mine), ", ", simd::width<float>,
      " floats");
#else
  add("1 float, without xsimd");
#endif
#ifdef SINTER_CBLAS
  add("\n  products    ", std::string(detail::blas_name()), ", through cblas");
#else
  add("\n  products    sinter's own");
#endif
#ifdef _OPENMP
  const char* who = "OpenMP";
#else
  const char* who = "serial";
#endif
  add("\n  threads     ", concurrency<Arch>(), ", ", detail::installed_executor().run ? "the program's executor" : who);
  add("\n  checks      ", SINTER_CHECKS ? "on" : "off", "\n  exceptions  ", SINTER_HAS_EXCEPTIONS ? "on" : "off", "\n  CUDA        ");
#if defined(__CUDACC__)
  add("compiled by nvcc ", __CUDACC_VER_MAJOR__, '.', __CUDACC_VER_MINOR__);
#else
  add("through NVRTC, where sinter_runtime is linked");
#endif
  add('\n');
  if (const auto machine = detail::machine_vectors(); machine < mine)
    add("  warning: this machine has ", detail::name_of(machine), ", the file is compiled for ", detail::name_of(mine),
        "; -march=native uses what the machine has\n");
  return s;
}

}  // namespace SINTER_TARGET

#undef SINTER_TEXT
#undef SINTER_TEXT_

}  // namespace sinter::inline v0
