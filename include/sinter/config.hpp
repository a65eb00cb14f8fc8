// SPDX-License-Identifier: BSD-3-Clause
// Version and attributes. Not here: anything that computes. Next: error.hpp.
#pragma once
#include "target.hpp"

#define SINTER_VERSION_MAJOR 0
#define SINTER_VERSION_MINOR 1
#define SINTER_VERSION_PATCH 0
#define SINTER_VERSION "0.1.0"

// State of one shared object: neither exported nor shared with another one. On Windows nothing is exported unasked.
#if defined(__GNUC__) && !defined(_WIN32) && !defined(__CUDACC_RTC__)
#define SINTER_HIDDEN __attribute__((visibility("hidden")))
#else
#define SINTER_HIDDEN
#endif

// A kernel entry: everything it calls is inlined (so -Og stays near -O2), it is never inlined itself,
// and it is not exported, so that two shared objects never share one.
#if defined(__CUDACC__) || defined(__CUDACC_RTC__)
#define SINTER_KERNEL
#define SINTER_HD __host__ __device__
#define SINTER_DEVICE __device__
#elif defined(__clang__)
#define SINTER_KERNEL __attribute__((flatten, noinline)) SINTER_HIDDEN
#define SINTER_HD
#define SINTER_DEVICE
#elif defined(__GNUC__)  // -Og keeps arrays of registers in memory, 30 times slower; into -O2, g++ inlines little that is compiled at -O3
#ifndef SINTER_KERNEL_LEVEL
#define SINTER_KERNEL_LEVEL "O3"
#endif
#define SINTER_KERNEL __attribute__((flatten, noinline, optimize(SINTER_KERNEL_LEVEL))) SINTER_HIDDEN
#define SINTER_HD
#define SINTER_DEVICE
#else
#define SINTER_KERNEL
#define SINTER_HD
#define SINTER_DEVICE
#endif

#if defined(__GNUC__)
#define SINTER_COLD __attribute__((cold, noinline))
#define SINTER_NOINLINE __attribute__((noinline)) SINTER_HIDDEN
#define SINTER_INLINE inline __attribute__((always_inline))
#if defined(__OPTIMIZE__)
#define SINTER_INLINE_LAMBDA __attribute__((always_inline))
#else
#define SINTER_INLINE_LAMBDA  // g++ 12 at -O0 loses values in lambdas that it inlines
#endif
#else
#define SINTER_COLD
#define SINTER_NOINLINE
#define SINTER_INLINE inline
#define SINTER_INLINE_LAMBDA
#endif

#if defined(__GNUC__) && !defined(__clang__) && !defined(__OPTIMIZE__) && !defined(SINTER_NO_O0_WARNING) && !defined(__CUDACC__)
#pragma message("sinter: at -O0 kernels run up to 360 times slower; -Og stays close to -O2 (SINTER_NO_O0_WARNING silences this)")
#endif

namespace sinter::inline v0 {

/// What the current translation unit is compiled for, as a type.
inline namespace SINTER_TARGET {
struct native {};
}  // namespace SINTER_TARGET

namespace detail {
/// False, but not before a template is instantiated: for the one static_assert that explains a mistake.
template <class...> inline constexpr bool never = false;
}  // namespace detail

}  // namespace sinter::inline v0
