// SPDX-License-Identifier: BSD-3-Clause
// The caching host allocator: freed blocks are kept by size and handed out again, so that pages fault once; its statistics;
// and the hook by which the host program gives the memory instead of the system.
// Not here: reference counts. Next: tensor/storage.hpp.
#pragma once
#include <bit>
#include <cstdint>
#include <new>

#include "../error.hpp"
#include "counters.hpp"

#if __has_include(<sched.h>)
#include <sched.h>
#endif
#if defined(__linux__) && __has_include(<sys/mman.h>)
#include <sys/mman.h>
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

/// What the allocator of a shared object did and holds. Bytes are those of blocks, which are up to a quarter larger than the
/// requests; numbers of calls count from the start of the program or from reset_accumulated_memory_stats().
struct memory_statistics {
  int64 allocated;      ///< bytes handed out
  int64 reserved;       ///< bytes taken from the system or the hook: handed out or cached
  int64 peak;           ///< the most bytes handed out at a time
  int64 misses;         ///< requests that the cache had no block for
  int64 peak_reserved;  ///< the most bytes taken at a time
  int64 blocks;         ///< blocks handed out
  int64 allocations;    ///< requests that were served
  int64 frees;          ///< blocks that came back
  int64 hits;           ///< requests that the cache served
  int64 largest;        ///< bytes of the largest request that was served
  int64 retries;        ///< requests for which the cache was emptied
  int64 failures;       ///< requests that ended in memory_error for want of memory
};

/// Where host memory comes from: two plain functions and what they need. Without functions: the system, by operator new.
/// Both may be called by any thread, by several at a time, and must neither throw nor call this library.
/// `context` is borrowed, as a std::pmr::memory_resource is: it must live until another host_allocator is installed and every
/// tensor whose memory came from it is gone.
struct host_allocator {
  void* context = nullptr;
  /// `bytes` bytes, a multiple of 64, at a multiple of `alignment`, which is 64; or null where there are none: then the cache
  /// is emptied, and after a second null memory_error is thrown. Memory at other addresses is memory_error, too.
  void* (*allocate)(void* context, int64 bytes, int64 alignment) = nullptr;
  /// Takes back what `allocate` of the same context returned, with the same numbers.
  void (*deallocate)(void* context, void* memory, int64 bytes, int64 alignment) = nullptr;
  /// Whether freed blocks are kept to be handed out again, and sizes rounded up to classes for that. Without, each request is a
  /// call of `allocate` and each free one of `deallocate`.
  bool caching = true;
};

namespace detail {

constexpr int64 host_alignment = 64;
constexpr int64 system_block_alignment = 2 * host_alignment;  // see from_hook
constexpr int64 huge_page = int64{1} << 21;
constexpr int64 largest_allocation = int64{1} << 47;  // the user address space of today's 64-bit machines

// A thread that waits gives its time slice away: who makes it wait may have lost the core.
inline void let_others_run() {
#if __has_include(<sched.h>)
  sched_yield();
#endif
}

// Held for a few instructions.
class spin_lock {
 public:
  void lock() {
    for (int tries = 0; flag_.test_and_set(std::memory_order_acquire); ++tries)
      if (tries > 64) let_others_run();
  }
  void unlock() { flag_.clear(std::memory_order_release); }

 private:
  std::atomic_flag flag_;
};

inline namespace SINTER_TARGET {

// Sizes come in classes: 1, 2, 3, 4 units of 64 bytes, then four steps to each doubling.
struct size_class {
  int index;
  int64 bytes;
};
constexpr size_class size_class_of(int64 bytes) {
  int64 units = bytes <= host_alignment ? 1 : (bytes - 1) / host_alignment + 1;
  if (units <= 4) return {static_cast<int>(units) - 1, units * host_alignment};
  const int doubling = static_cast<int>(std::bit_width(static_cast<uint64>(units - 1))) - 1, shift = doubling - 2;
  const int64 steps = ((units - 1) >> shift) - 3;  // of 1 << shift units, beyond 1 << doubling
  return {4 * (doubling - 1) + static_cast<int>(steps) - 1, (4 + steps) * host_alignment << shift};
}

constexpr int64 class_bytes(int index) {
  if (index < 4) return (index + 1) * host_alignment;
  int doubling = index / 4 + 1;
  return ((int64{1} << doubling) + (index % 4 + 1) * (int64{1} << (doubling - 2))) * host_alignment;
}

}  // namespace SINTER_TARGET
constexpr int size_classes = size_class_of(largest_allocation).index + 1;

struct free_block {
  free_block* next;
};

// Trivially destructible: tensors that live longer than main() still find it.
struct host_pool {
  spin_lock lock;
  bool plain = true;    // freed blocks of the system are cached: no hook, not closed
  bool closed = false;  // the program or shared object is ending: freed blocks go back where they came from
  free_block* free[size_classes] = {};
  int64 allocated = 0, reserved = 0, peak = 0, peak_reserved = 0, largest = 0;
  int64 allocations = 0, frees = 0, misses = 0, retries = 0, failures = 0, older = 0;  // older: in use when these were last reset
  host_allocator hook{};
  spin_lock exchange;            // held while the hook is exchanged
  int turn = 0, callers[2] = {}; // threads that are calling functions of a hook, by the turn when they began: an exchange waits for those before it
};
SINTER_HIDDEN inline host_pool& pool() {
  static constinit host_pool p;
  return p;
}

inline namespace SINTER_TARGET {
// The hook, and a promise: set_allocator does not return before these are gone that may call functions of the hook that it replaced.
class hook_use {
 public:
  hook_use() {
    pool().lock.lock();
    hook = pool().hook, turn_ = pool().turn, ++pool().callers[turn_];
    pool().lock.unlock();
  }
  ~hook_use() {
    pool().lock.lock();
    --pool().callers[turn_];
    pool().lock.unlock();
  }
  hook_use(const hook_use&) = delete;
  hook_use& operator=(const hook_use&) = delete;
  host_allocator hook;

 private:
  int turn_;
};
}  // namespace SINTER_TARGET

// Blocks of the system lie at multiples of 128, blocks of a hook 64 bytes behind one, and in the 64 bytes before them is written
// where they came from: the address tells both apart, and blocks of the system need no such note.
struct hook_note {
  host_allocator from;
  void* memory;  // as the hook gave it
  int64 bytes;   // of the block behind the note
};
static_assert(sizeof(hook_note) <= host_alignment);
constexpr int64 hook_extra = 2 * host_alignment;  // the note, and what lies before it or behind the block
inline bool from_hook(const void* block) { return reinterpret_cast<std::uintptr_t>(block) & host_alignment; }
inline hook_note* note_of(void* block) { return reinterpret_cast<hook_note*>(static_cast<char*>(block) - host_alignment); }

// Large blocks begin on a huge page, and Linux is asked to use those: a page fault for 2 MiB instead of 512.
constexpr std::align_val_t system_alignment(int64 bytes) {
#ifdef MADV_HUGEPAGE
  if (bytes >= huge_page) return std::align_val_t{huge_page};
#endif
  (void)bytes;
  return std::align_val_t{system_block_alignment};
}
SINTER_HIDDEN inline void* system_alloc(int64 bytes) {
  counters().system_allocations += 1;
  void* p = ::operator new(static_cast<std::size_t>(bytes), system_alignment(bytes), std::nothrow);
#ifdef MADV_HUGEPAGE
  if (p && bytes >= huge_page) madvise(p, static_cast<std::size_t>(bytes & -4096), MADV_HUGEPAGE);  // a wish: no matter if refused
#endif
  return p;
}
SINTER_HIDDEN inline void system_free(void* p, int64 bytes) { ::operator delete(p, system_alignment(bytes)); }

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

// A new block of a hook; null if there is none.
template <class Arch> SINTER_HIDDEN void* hook_alloc(const host_allocator& from, int64 bytes) {
  counters().system_allocations += 1;
  void* p = from.allocate(from.context, bytes + hook_extra, host_alignment);
  if (!p) return nullptr;
  if (reinterpret_cast<std::uintptr_t>(p) % host_alignment != 0) [[unlikely]] {
    from.deallocate(from.context, p, bytes + hook_extra, host_alignment);
    fail<memory_error, Arch>("the installed host_allocator returned memory that is not aligned to ", host_alignment, " bytes");
  }
  void* block = static_cast<char*>(p) + (from_hook(p) ? 2 : 1) * host_alignment;
  ::new (note_of(block)) hook_note{from, p, bytes};
  return block;
}

// A block goes back where it came from.
template <class Arch> SINTER_HIDDEN void give_back(void* block, int64 bytes) noexcept {
  mark_used(block, bytes);
  if (!from_hook(block)) return system_free(block, bytes);
  const hook_note note = *note_of(block);
  note.from.deallocate(note.from.context, note.memory, note.bytes + hook_extra, host_alignment);
}

}  // namespace detail

/// Gives every cached block back to the system, or to the hook that it came from. Blocks in use stay.
template <class Arch = native> SINTER_HIDDEN void empty_cache() {
  detail::host_pool& p = detail::pool();
  const detail::hook_use use;
  for (int index = 0; index < detail::size_classes; ++index) {
    p.lock.lock();
    detail::free_block* b = p.free[index];
    p.free[index] = nullptr;
    p.lock.unlock();
    const int64 bytes = detail::class_bytes(index);
    int64 given = 0;
    while (b) {
      detail::free_block* next = b->next;
      detail::give_back<Arch>(b, bytes);
      given += bytes;
      b = next;
    }
    if (given) {
      p.lock.lock();
      p.reserved -= given;
      p.lock.unlock();
    }
  }
}

inline namespace SINTER_TARGET {

/// Takes host memory of this shared object from `a` from now on; `host_allocator{}` is the system again, and
/// `{.caching = false}` the system without a cache. Returns what was installed.
/// Any thread may call it. Blocks always go back to the allocator that they came from, whatever is installed by then: cached
/// ones at once, the others with their tensors. When it returns, the allocator that was installed gets no request any more.
/// Small helpers outside of tensors (shapes, nodes of the graph, texts of errors) stay with operator new.
/// Throws memory_error when one function of `a` is null and the other is not.
SINTER_HIDDEN inline host_allocator set_allocator(host_allocator a) {
  if (!a.allocate != !a.deallocate) fail<memory_error>("set_allocator: `allocate` and `deallocate` come together");
  detail::host_pool& p = detail::pool();
  p.exchange.lock();
  p.lock.lock();
  const host_allocator old = p.hook;
  p.hook = a;
  p.plain = !p.closed && !a.allocate && a.caching;
  p.lock.unlock();
  empty_cache();
  p.lock.lock();  // who begins before this may have taken blocks of the old hook from the cache
  const int turn = p.turn;
  p.turn = 1 - turn;
  p.lock.unlock();
  for (bool wait = true; wait;) {
    p.lock.lock();
    wait = p.callers[turn] != 0;
    p.lock.unlock();
    if (wait) detail::let_others_run();
  }
  p.exchange.unlock();
  return old;
}

/// The host_allocator that is installed.
SINTER_HIDDEN inline host_allocator current_allocator() {
  detail::host_pool& p = detail::pool();
  p.lock.lock();
  const host_allocator a = p.hook;
  p.lock.unlock();
  return a;
}

/// Installs a host_allocator until the end of the scope.
class SINTER_HIDDEN allocator_guard {
 public:
  explicit allocator_guard(host_allocator a) : old_(set_allocator(a)) {}
  ~allocator_guard() { set_allocator(old_); }
  allocator_guard(const allocator_guard&) = delete;
  allocator_guard& operator=(const allocator_guard&) = delete;

 private:
  host_allocator old_;
};

/// What the allocator of this shared object did and holds: torch.cuda.memory_stats for host memory.
SINTER_HIDDEN inline memory_statistics memory_stats() {
  detail::host_pool& p = detail::pool();
  p.lock.lock();
  const memory_statistics s{p.allocated, p.reserved, p.peak, p.misses, p.peak_reserved, p.older + p.allocations - p.frees, p.allocations, p.frees,
                            p.allocations - p.misses, p.largest, p.retries, p.failures};
  p.lock.unlock();
  return s;
}
/// Bytes handed out; bytes taken from the system or the hook; and the most there were of them: as in torch.cuda.
SINTER_HIDDEN inline int64 memory_allocated() { return memory_stats().allocated; }
SINTER_HIDDEN inline int64 memory_reserved() { return memory_stats().reserved; }
SINTER_HIDDEN inline int64 max_memory_allocated() { return memory_stats().peak; }
SINTER_HIDDEN inline int64 max_memory_reserved() { return memory_stats().peak_reserved; }

/// Peaks start again from what is held now, the largest request from none.
SINTER_HIDDEN inline void reset_peak_memory_stats() {
  detail::host_pool& p = detail::pool();
  p.lock.lock();
  p.peak = p.allocated;
  p.peak_reserved = p.reserved;
  p.largest = 0;
  p.lock.unlock();
}
/// Numbers of calls start again from 0, but for blocks in use, which stay counted.
SINTER_HIDDEN inline void reset_accumulated_memory_stats() {
  detail::host_pool& p = detail::pool();
  p.lock.lock();
  p.older += p.allocations - p.frees;
  p.allocations = p.frees = p.misses = p.retries = p.failures = 0;
  p.lock.unlock();
}

}  // namespace SINTER_TARGET

namespace detail {

// At exit or dlclose: later frees no longer cache.
struct SINTER_HIDDEN pool_closer {
  ~pool_closer() {
    pool().lock.lock();
    pool().closed = true;
    pool().plain = false;
    pool().lock.unlock();
    empty_cache();
  }
};
SINTER_HIDDEN inline void close_pool_at_exit() { static pool_closer closer; }

struct sized_block {
  void* memory;
  int64 bytes;
};
// A block that the cache does not have: of `size` bytes, its class, or fewer where nothing is cached. Throws memory_error when
// even an emptied cache does not make room. Without the lock, as the system may take long and a hook may do anything.
template <class Arch> SINTER_HIDDEN SINTER_COLD sized_block new_block(int64 bytes, int64 size) {
  close_pool_at_exit();
  const hook_use use;
  const host_allocator& from = use.hook;
  counters().allocator_misses += 1;
  if (from.allocate && !from.caching) size = bytes <= host_alignment ? host_alignment : (bytes + host_alignment - 1) / host_alignment * host_alignment;
  for (bool again = false;; again = true) {
    if (void* block = from.allocate ? hook_alloc<Arch>(from, size) : system_alloc(size)) return {block, size};
    host_pool& p = pool();
    p.lock.lock();
    ++(again ? p.failures : p.retries);
    const int64 allocated = p.allocated;
    p.lock.unlock();
    if (again)
      fail<memory_error, Arch>("out of memory: ", bytes, " bytes requested", from.allocate ? " of the installed host_allocator, " : ", ", allocated,
                               " bytes in use by tensors");
    empty_cache<Arch>();
  }
}

// Whether a freed block of a hook is kept. Called with the lock.
template <class Arch> SINTER_HIDDEN SINTER_COLD bool keep_block(const hook_note& note) noexcept {
  const host_pool& p = pool();
  return !p.closed && note.from.caching && p.hook.caching && note.from.context == p.hook.context && note.from.allocate == p.hook.allocate &&
         note.from.deallocate == p.hook.deallocate;
}

}  // namespace detail

/// At least `bytes` bytes of uninitialised memory, aligned to 64 bytes. Safe to call from any thread.
/// Throws memory_error when `bytes` is negative, absurd (over 2^47) or not to be had.
template <class Arch = native> SINTER_HIDDEN void* host_alloc(int64 bytes) {
  if (bytes < 0 || bytes > detail::largest_allocation) [[unlikely]]
    fail<memory_error, Arch>("cannot allocate ", bytes, " bytes");
  const detail::size_class c = detail::size_class_of(bytes);
  int64 size = c.bytes;
  detail::host_pool& p = detail::pool();
  p.lock.lock();
  void* memory = p.free[c.index];
  if (memory) [[likely]] {
    p.free[c.index] = p.free[c.index]->next;
  } else {
    p.lock.unlock();
    const detail::sized_block fresh = detail::new_block<Arch>(bytes, size);
    memory = fresh.memory, size = fresh.bytes;
    p.lock.lock();
    ++p.misses;
    p.reserved += size;
    if (p.reserved > p.peak_reserved) p.peak_reserved = p.reserved;
  }
  ++p.allocations;
  p.allocated += size;
  if (p.allocated > p.peak) p.peak = p.allocated;
  if (bytes > p.largest) p.largest = bytes;
  p.lock.unlock();
  detail::mark_used(memory, bytes);
  return memory;
}

/// Takes back what `host_alloc(bytes)` of the same shared object returned; from any thread. Null is ignored.
template <class Arch = native> SINTER_HIDDEN void host_free(void* memory, int64 bytes) noexcept {
  if (!memory) return;
  const detail::size_class c = detail::size_class_of(bytes);
  int64 size = c.bytes;
  detail::host_pool& p = detail::pool();
  p.lock.lock();
  bool keep = p.plain;
  if (detail::from_hook(memory)) [[unlikely]] {
    size = detail::note_of(memory)->bytes;
    keep = detail::keep_block<Arch>(*detail::note_of(memory));
  }
  ++p.frees;
  p.allocated -= size;
  if (keep) [[likely]] {
    auto* b = ::new (memory) detail::free_block{p.free[c.index]};
    p.free[c.index] = b;
    detail::mark_free(b, c.bytes);
  } else {
    p.reserved -= size;
  }
  p.lock.unlock();
  if (!keep) [[unlikely]] detail::give_back<Arch>(memory, size);
}

}  // namespace sinter::inline v0
