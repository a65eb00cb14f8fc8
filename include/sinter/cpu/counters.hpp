// SPDX-License-Identifier: BSD-3-Clause
// What the library did, counted: kernel launches, bytes moved, system allocations. For tests and benches.
// Not a profiler. Next: allocator.hpp.
#pragma once
#include <atomic>

#include "../op/dtype.hpp"

namespace sinter::inline v0 {

/// A number that any thread may raise. Exact while one thread counts at a time; adding is a plain load and store
/// (no locked instruction), so threads that count at the same moment may lose counts.
class counter {
 public:
  void operator+=(uint64 n) { n_.store(n_.load(std::memory_order_relaxed) + n, std::memory_order_relaxed); }
  void operator++() { *this += 1; }
  void operator=(uint64 n) { n_.store(n, std::memory_order_relaxed); }
  operator uint64() const { return n_.load(std::memory_order_relaxed); }

 private:
  std::atomic<uint64> n_{0};
};

struct counter_values {
  counter launches;            ///< kernels started
  counter bytes;               ///< bytes that kernels read and wrote
  counter system_allocations;  ///< calls of the system's allocator
  counter allocator_misses;    ///< requests that the cache could not serve

  void reset() {
    launches = 0;
    bytes = 0;
    system_allocations = 0;
    allocator_misses = 0;
  }
};

/// The counters of this shared object.
SINTER_HIDDEN inline counter_values& counters() {
  static constinit counter_values values;
  return values;
}

}  // namespace sinter::inline v0
