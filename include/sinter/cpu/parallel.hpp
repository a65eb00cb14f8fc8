// SPDX-License-Identifier: BSD-3-Clause
// parallel_for: the one way in which sinter's loops use threads, which belong to the host program.
// Not here: a thread pool. Next: gemm.hpp and the schedules, which cut their work into fixed chunks.
#pragma once
#include <atomic>
#include <exception>
#include <type_traits>

#include "../op/dtype.hpp"
#include "counters.hpp"

#ifdef _OPENMP
#include <omp.h>
#endif

namespace sinter::inline v0 {

/// Who runs chunks: two plain functions and what they need.
struct executor {
  void* context = nullptr;
  /// How many threads would work now; 1 makes the loop a plain one.
  int (*concurrency)(void* context) = nullptr;
  /// Calls body(body_context, i) once for every i in [0, chunks), on any threads in any order, and returns when all ended.
  /// The calls never throw.
  void (*run)(void* context, int64 chunks, void (*body)(void*, int64), void* body_context) = nullptr;
};

/// Runs every loop on the calling thread.
template <class Arch = native> SINTER_HIDDEN executor serial_executor() {
  return {nullptr, [](void*) { return 1; },
          [](void*, int64 chunks, void (*body)(void*, int64), void* context) {
            for (int64 i = 0; i < chunks; ++i) body(context, i);
          }};
}

#ifdef _OPENMP
/// OpenMP with omp_get_max_threads() threads; serial inside a parallel region. Changes no OpenMP setting.
template <class Arch = native> SINTER_HIDDEN executor openmp_executor() {
  return {nullptr, [](void*) { return omp_in_parallel() ? 1 : omp_get_max_threads(); },
          [](void*, int64 chunks, void (*body)(void*, int64), void* context) {
            int64 most = omp_get_max_threads();
            int threads = static_cast<int>(chunks < most ? chunks : most);
#pragma omp parallel for schedule(dynamic) num_threads(threads)
            for (int64 i = 0; i < chunks; ++i) body(context, i);
          }};
}
#endif

namespace detail {
/// The installed executor of this shared object; without functions: the default of each translation unit.
SINTER_HIDDEN inline executor& installed_executor() {
  static constinit executor e{};
  return e;
}
/// Whether this thread is inside a chunk: loops within are plain ones.
SINTER_HIDDEN inline bool& in_chunk() {
  static thread_local constinit bool inside = false;
  return inside;
}
}  // namespace detail

/// Installs `e` for all loops of this shared object; `executor{}` brings the default back: OpenMP in files compiled with
/// it, else serial. Call it while no other thread computes. Returns what was installed.
SINTER_HIDDEN inline executor set_executor(executor e) {
  executor old = detail::installed_executor();
  detail::installed_executor() = e;
  return old;
}

/// Installs an executor until the end of the scope.
class SINTER_HIDDEN executor_guard {
 public:
  explicit executor_guard(executor e) : old_(set_executor(e)) {}
  ~executor_guard() { set_executor(old_); }
  executor_guard(const executor_guard&) = delete;
  executor_guard& operator=(const executor_guard&) = delete;

 private:
  executor old_;
};

/// The executor that a loop started here would use.
template <class Arch = native> SINTER_HIDDEN executor current_executor() {
  executor e = detail::installed_executor();
  if (e.run) return e;
#ifdef _OPENMP
  return openmp_executor<Arch>();
#else
  return serial_executor<Arch>();
#endif
}

/// How many threads a loop started here would use.
template <class Arch = native> SINTER_HIDDEN int concurrency() {
  if (detail::in_chunk()) return 1;
  executor e = current_executor<Arch>();
  return e.concurrency(e.context);
}

/// Calls body(i) for every i in [0, chunks), by the installed executor; loops started inside a chunk are plain ones.
/// The first exception is thrown again here after all chunks ended; chunks that had not begun by then are left out.
template <class Arch = native, class Body> SINTER_HIDDEN void parallel_for(int64 chunks, Body&& body) {
  executor e;
  if (chunks > 1 && !detail::in_chunk()) e = current_executor<Arch>();
  if (!e.run || e.concurrency(e.context) <= 1) {
    for (int64 i = 0; i < chunks; ++i) body(i);
    return;
  }
  struct loop {
    std::remove_reference_t<Body>* body;
    std::atomic<bool> failed{false};
#if SINTER_HAS_EXCEPTIONS
    std::exception_ptr error{};
#endif
  } state{&body};
  e.run(e.context, chunks, [](void* context, int64 i) {
    loop& shared = *static_cast<loop*>(context);
    bool outer = detail::in_chunk();
    detail::in_chunk() = true;
#if SINTER_HAS_EXCEPTIONS
    try {
      if (!shared.failed.load(std::memory_order_relaxed)) (*shared.body)(i);
    } catch (...) {
      if (!shared.failed.exchange(true)) shared.error = std::current_exception();
    }
#else
    (*shared.body)(i);
#endif
    detail::in_chunk() = outer;
  }, &state);
#if SINTER_HAS_EXCEPTIONS
  if (state.error) std::rethrow_exception(state.error);
#endif
}

/// Pieces of [0, n): `count` of them, each `size` long but the last.
struct chunking {
  int64 count, size;
};

/// Cuts [0, n) into pieces of whole grains, at most 1024. Depends on n and grain only, never on the number of threads:
/// what is summed per chunk is bitwise the same for every executor.
constexpr chunking fixed_chunks(int64 n, int64 grain) {
  if (grain < 1) grain = 1;
  if (n <= 0) return {0, grain};
  int64 grains = (n - 1) / grain + 1;
  int64 size = ((grains - 1) / 1024 + 1) * grain;
  return {(n - 1) / size + 1, size};
}

}  // namespace sinter::inline v0
