// SPDX-License-Identifier: BSD-3-Clause
// Version, attributes and the target tag. Not here: anything that computes. Next: error.hpp.
#pragma once

#define SINTER_VERSION_MAJOR 0
#define SINTER_VERSION_MINOR 1
#define SINTER_VERSION_PATCH 0
#define SINTER_VERSION "0.1.0"

// A kernel entry: everything it calls is inlined (so -Og stays near -O2), it is never inlined itself,
// and it is not exported, so that two shared objects never share one.
#if defined(__CUDACC__) || defined(__CUDACC_RTC__)
#define SINTER_KERNEL
#define SINTER_HD __host__ __device__
#define SINTER_DEVICE __device__
#elif defined(__clang__)
#define SINTER_KERNEL __attribute__((flatten, noinline, visibility("hidden")))
#define SINTER_HD
#define SINTER_DEVICE
#elif defined(__GNUC__)  // -Og keeps arrays of registers in memory, 30 times slower: kernels are compiled at -O2
#define SINTER_KERNEL __attribute__((flatten, noinline, visibility("hidden"), optimize("O2")))
#define SINTER_HD
#define SINTER_DEVICE
#else
#define SINTER_KERNEL
#define SINTER_HD
#define SINTER_DEVICE
#endif

// State of one shared object: neither exported nor shared with another one.
#if defined(__GNUC__) && !defined(__CUDACC_RTC__)
#define SINTER_HIDDEN __attribute__((visibility("hidden")))
#else
#define SINTER_HIDDEN
#endif

#if defined(__GNUC__)
#define SINTER_COLD __attribute__((cold, noinline))
#define SINTER_NOINLINE __attribute__((noinline, visibility("hidden")))
#define SINTER_INLINE inline __attribute__((always_inline))
#else
#define SINTER_COLD
#define SINTER_NOINLINE
#define SINTER_INLINE inline
#endif

#if defined(__GNUC__) && !defined(__clang__) && !defined(__OPTIMIZE__) && !defined(SINTER_NO_O0_WARNING) && !defined(__CUDACC__)
#pragma message("sinter: at -O0 kernels run up to 360 times slower; -Og stays close to -O2 (SINTER_NO_O0_WARNING silences this)")
#endif

#ifdef SINTER_NO_EXCEPTIONS
#define SINTER_HAS_EXCEPTIONS 0
#elif defined(__cpp_exceptions)
#define SINTER_HAS_EXCEPTIONS 1
#else
#define SINTER_HAS_EXCEPTIONS 0
#endif

// Index and version checks in element access: on unless NDEBUG, or as the program says.
#ifndef SINTER_CHECKS
#ifdef NDEBUG
#define SINTER_CHECKS 0
#else
#define SINTER_CHECKS 1
#endif
#endif

namespace sinter::inline v0 {

/// What the current translation unit is compiled for, as a type. Every function template that can evaluate
/// takes it as a defaulted parameter, so differently compiled files of one program keep their own code.
template <unsigned Flags> struct target { static constexpr unsigned flags = Flags; };

namespace detail {
/// False, but not before a template is instantiated: for the one static_assert that explains a mistake.
template <class...> inline constexpr bool never = false;

constexpr unsigned target_flags() {
  unsigned f = 0;
#ifdef __AVX512F__
  f |= 1u << 0;
#endif
#ifdef __AVX2__
  f |= 1u << 1;
#endif
#ifdef __AVX__
  f |= 1u << 2;
#endif
#ifdef __FMA__
  f |= 1u << 3;
#endif
#ifdef __SSE4_1__
  f |= 1u << 4;
#endif
#ifdef __ARM_NEON
  f |= 1u << 5;
#endif
#ifdef _OPENMP
  f |= 1u << 8;
#endif
#ifdef __FAST_MATH__
  f |= 1u << 9;
#endif
#if SINTER_HAS_EXCEPTIONS
  f |= 1u << 10;
#endif
#if SINTER_CHECKS
  f |= 1u << 11;
#endif
#ifdef __AVX512DQ__
  f |= 1u << 12;
#endif
#ifdef SINTER_NO_XSIMD
  f |= 1u << 13;
#endif
#ifdef __CUDACC__
  f |= 1u << 14;
#endif
#ifdef __OPTIMIZE__
  f |= 1u << 15;
#endif
  return f;
}
}  // namespace detail
using native = target<detail::target_flags()>;

}  // namespace sinter::inline v0
