// SPDX-License-Identifier: BSD-3-Clause
// The caching host allocator: freed blocks are kept by size and handed out again, so that pages fault once.
// Not here: reference counts. Next: tensor/storage.hpp.
#pragma once
#include <new>

#include "../error.hpp"
#include "counters.hpp"

#if __has_include(<sched.h>)
#include <sched.h>
#endif

#if defined(__SANITIZE_ADDRESS__)
#define SINTER_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SINTER_ASAN 1
#endif
#endif
#ifdef SINTER_ASAN
#include <sanitizer/asan_interface.h>
#endif

namespace sinter::inline v0 {

/// Bytes handed out, bytes taken from the system (handed out or cached), the most ever handed out, and how often
/// the cache had no block.
struct memory_statistics {
  int64 allocated, reserved, peak, misses;
};

namespace detail {

constexpr int64 host_alignment = 64;
constexpr int64 largest_allocation = int64{1} << 47;  // the user address space of today's 64-bit machines

// Held for a few instructions; a waiting thread gives its time slice away, as the holder may have lost the core.
class spin_lock {
 public:
  void lock() {
    for (int tries = 0; flag_.test_and_set(std::memory_order_acquire); ++tries) {
#if __has_include(<sched.h>)
      if (tries > 64) sched_yield();
#endif
    }
  }
  void unlock() { flag_.clear(std::memory_order_release); }

 private:
  std::atomic_flag flag_;
};

// Sizes come in classes: 1, 2, 3, 4 units of 64 bytes, then four steps to each doubling.
struct size_class {
  int index;
  int64 bytes;
};
constexpr size_class size_class_of(int64 bytes) {
  int64 units = bytes <= host_alignment ? 1 : (bytes - 1) / host_alignment + 1;
  if (units <= 4) return {static_cast<int>(units) - 1, units * host_alignment};
  int doubling = 2;
  while ((units - 1) >> (doubling + 1)) ++doubling;
  int64 step = int64{1} << (doubling - 2), first = int64{1} << doubling;
  int64 steps = (units - first + step - 1) / step;
  return {4 * (doubling - 1) + static_cast<int>(steps) - 1, (first + steps * step) * host_alignment};
}

constexpr int64 class_bytes(int index) {
  if (index < 4) return (index + 1) * host_alignment;
  int doubling = index / 4 + 1;
  return ((int64{1} << doubling) + (index % 4 + 1) * (int64{1} << (doubling - 2))) * host_alignment;
}

struct free_block {
  free_block* next;
};

// Trivially destructible: tensors that live longer than main() still find it.
struct host_pool {
  spin_lock lock;
  bool closed = false;  // the program or shared object is ending: freed blocks go back to the system
  free_block* free[4 * 64] = {};
  int64 allocated = 0, reserved = 0, peak = 0, misses = 0;
};
SINTER_HIDDEN inline host_pool& pool() {
  static constinit host_pool p;
  return p;
}

SINTER_HIDDEN inline void system_free(void* p) { ::operator delete(p, std::align_val_t{host_alignment}); }

// Cached memory is poisoned, so that AddressSanitizer sees a use after free although nothing was given back.
inline void mark_free([[maybe_unused]] void* p, [[maybe_unused]] int64 bytes) {
#ifdef SINTER_ASAN
  __asan_poison_memory_region(static_cast<char*>(p) + host_alignment, static_cast<std::size_t>(bytes - host_alignment));
#endif
}
inline void mark_used([[maybe_unused]] void* p, [[maybe_unused]] int64 bytes) {
#ifdef SINTER_ASAN
  __asan_unpoison_memory_region(p, static_cast<std::size_t>(bytes));
#endif
}

}  // namespace detail

/// Gives every cached block back to the system. Blocks in use stay.
template <class Arch = native> SINTER_HIDDEN void empty_cache() {
  detail::host_pool& p = detail::pool();
  for (int index = 0; index < 4 * 64; ++index) {
    p.lock.lock();
    detail::free_block* b = p.free[index];
    p.free[index] = nullptr;
    p.lock.unlock();
    int64 given = 0;
    while (b) {
      detail::free_block* next = b->next;
      int64 bytes = detail::class_bytes(index);
      detail::mark_used(b, bytes);
      detail::system_free(b);
      given += bytes;
      b = next;
    }
    p.lock.lock();
    p.reserved -= given;
    p.lock.unlock();
  }
}

namespace detail {

// At exit or dlclose: later frees no longer cache.
struct SINTER_HIDDEN pool_closer {
  ~pool_closer() {
    pool().lock.lock();
    pool().closed = true;
    pool().lock.unlock();
    empty_cache();
  }
};
SINTER_HIDDEN inline void close_pool_at_exit() { static pool_closer closer; }

// Null when even an emptied cache does not make room.
template <class Arch = native> SINTER_HIDDEN void* system_alloc(int64 bytes) {
  close_pool_at_exit();
  auto n = static_cast<std::size_t>(bytes);
  counters().allocator_misses += 1;
  counters().system_allocations += 1;
  if (void* p = ::operator new(n, std::align_val_t{host_alignment}, std::nothrow)) return p;
  empty_cache<Arch>();
  counters().system_allocations += 1;
  return ::operator new(n, std::align_val_t{host_alignment}, std::nothrow);
}

}  // namespace detail

/// What the allocator of this shared object holds.
inline namespace SINTER_TARGET {
SINTER_HIDDEN inline memory_statistics memory_stats() {
  detail::host_pool& p = detail::pool();
  p.lock.lock();
  memory_statistics s{p.allocated, p.reserved, p.peak, p.misses};
  p.lock.unlock();
  return s;
}
}  // namespace SINTER_TARGET

/// At least `bytes` bytes of uninitialised memory, aligned to 64 bytes. Safe to call from any thread.
/// Throws memory_error when `bytes` is negative, absurd (over 2^47) or not to be had.
template <class Arch = native> SINTER_HIDDEN void* host_alloc(int64 bytes) {
  if (bytes < 0 || bytes > detail::largest_allocation) [[unlikely]]
    fail<memory_error, Arch>("cannot allocate ", bytes, " bytes");
  detail::size_class c = detail::size_class_of(bytes);
  detail::host_pool& p = detail::pool();
  p.lock.lock();
  void* memory = p.free[c.index];
  if (memory) {
    p.free[c.index] = p.free[c.index]->next;
  } else {
    p.lock.unlock();
    memory = detail::system_alloc<Arch>(c.bytes);
    if (!memory) [[unlikely]]
      fail<memory_error, Arch>("out of memory: ", bytes, " bytes requested, ", memory_stats().allocated,
                               " bytes in use by tensors");
    p.lock.lock();
    ++p.misses;
    p.reserved += c.bytes;
  }
  p.allocated += c.bytes;
  if (p.allocated > p.peak) p.peak = p.allocated;
  p.lock.unlock();
  detail::mark_used(memory, bytes);
  return memory;
}

/// Takes back what `host_alloc(bytes)` of the same shared object returned; from any thread. Null is ignored.
template <class Arch = native> SINTER_HIDDEN void host_free(void* memory, int64 bytes) noexcept {
  if (!memory) return;
  detail::size_class c = detail::size_class_of(bytes);
  detail::host_pool& p = detail::pool();
  p.lock.lock();
  p.allocated -= c.bytes;
  bool keep = !p.closed;
  if (keep) {
    auto* b = ::new (memory) detail::free_block{p.free[c.index]};
    p.free[c.index] = b;
    detail::mark_free(b, c.bytes);
  } else {
    p.reserved -= c.bytes;
  }
  p.lock.unlock();
  if (!keep) detail::system_free(memory);
}

}  // namespace sinter::inline v0
