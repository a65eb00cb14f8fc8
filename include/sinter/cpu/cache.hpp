// SPDX-License-Identifier: BSD-3-Clause
// The size of the last-level cache: results that do not fit there are written past it.
#pragma once
#include <atomic>

#include "../op/dtype.hpp"

#if __has_include(<unistd.h>)
#include <unistd.h>
#endif

namespace sinter::inline v0::detail::inline SINTER_TARGET {

/// Bytes of the last-level cache, as the system tells it, else 32 MiB.
SINTER_HIDDEN inline int64 last_level_cache() {
  static constinit std::atomic<int64> known{0};
  int64 bytes = known.load(std::memory_order_relaxed);
  if (bytes) return bytes;
#ifdef _SC_LEVEL3_CACHE_SIZE
  bytes = sysconf(_SC_LEVEL3_CACHE_SIZE);
#endif
  if (bytes < 1 << 20) bytes = 1 << 25;
  known.store(bytes, std::memory_order_relaxed);
  return bytes;
}

}  // namespace sinter::inline v0::detail::inline SINTER_TARGET
