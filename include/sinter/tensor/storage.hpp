// SPDX-License-Identifier: BSD-3-Clause
// Storage: a counted block of memory that knows how to free itself. Not here: shapes. Next: tensor.hpp.
#pragma once
#include "../cpu/allocator.hpp"

namespace sinter::inline v0 {

/// A block of memory. One layout under all compiler flags; whoever allocated it also frees it, through `release`,
/// so blocks may travel between shared objects (as long as the one that made them stays loaded).
struct storage {
  std::atomic<int64> refs{1};
  std::atomic<uint64> version{0};  ///< how often the contents were written in place
  void* data = nullptr;
  int64 bytes = 0;
  void (*release)(storage*) = nullptr;  ///< frees data and this block
  void* context = nullptr;              ///< for `release`
  bool owned = true;                    ///< false: the memory is someone else's (from_blob, mapped files)
  std::atomic<bool> shared{false};      ///< other blocks stand for the same memory: values in it are written where they are
  int device = -1;                      ///< -1: the host, otherwise the CUDA device
};

namespace detail::inline SINTER_TARGET {
// Out of line: expressions destroy many handles that they have moved from.
SINTER_NOINLINE inline void drop(storage* s) noexcept {
  // The only holder needs no locked instruction: nobody else can raise the count.
  if (s->refs.load(std::memory_order_acquire) == 1 || s->refs.fetch_sub(1, std::memory_order_acq_rel) == 1) s->release(s);
}
}  // namespace detail::inline SINTER_TARGET

/// A counted reference to a storage block. Copies may be made and dropped by any thread.
class storage_ptr {
 public:
  constexpr storage_ptr() = default;
  /// Takes over the one reference that a new block is born with.
  SINTER_INLINE explicit storage_ptr(storage* s) noexcept : s_(s) {}
  SINTER_INLINE storage_ptr(const storage_ptr& o) noexcept : s_(o.s_) {
    if (s_) s_->refs.fetch_add(1, std::memory_order_relaxed);
  }
  SINTER_INLINE storage_ptr(storage_ptr&& o) noexcept : s_(o.s_) { o.s_ = nullptr; }
  // Two, not one by value: clang 14 never destroys a parameter made from {} inside a template.
  SINTER_INLINE storage_ptr& operator=(const storage_ptr& o) noexcept { return *this = storage_ptr(o); }
  SINTER_INLINE storage_ptr& operator=(storage_ptr&& o) noexcept {
    storage_ptr taken(static_cast<storage_ptr&&>(o));
    storage* mine = s_;
    s_ = taken.s_;
    taken.s_ = mine;
    return *this;
  }
  SINTER_INLINE ~storage_ptr() {
    if (s_) detail::drop(s_);
  }

  storage* get() const noexcept { return s_; }
  storage* operator->() const noexcept { return s_; }
  explicit operator bool() const noexcept { return s_ != nullptr; }
  bool operator==(const storage_ptr& o) const noexcept { return s_ == o.s_; }
  /// How many handles share the block; 0 for none.
  int64 use_count() const noexcept { return s_ ? s_->refs.load(std::memory_order_acquire) : 0; }

 private:
  storage* s_ = nullptr;
};

namespace detail::inline SINTER_TARGET {

// The header takes the first 64 bytes of a block, the data follow.
constexpr int64 storage_header = host_alignment;
static_assert(sizeof(storage) <= storage_header);

template <class Arch> SINTER_HIDDEN void release_cpu(storage* s) {
  int64 bytes = s->bytes + storage_header;
  s->~storage();
  host_free<Arch>(s, bytes);
}

// A block around someone else's memory; `drop(data)` runs when the last handle goes.
template <class F> struct foreign_storage : storage {
  F drop;
  explicit foreign_storage(F f) : drop(static_cast<F&&>(f)) {}
};
template <class F> SINTER_HIDDEN void release_foreign(storage* s) {
  auto* block = static_cast<foreign_storage<F>*>(s);
  block->drop(block->data);
  block->~foreign_storage();
  host_free(block, sizeof(foreign_storage<F>));
}

}  // namespace detail::inline SINTER_TARGET

/// A new host block with `bytes` uninitialised bytes, aligned to 64. Throws memory_error.
template <class Arch = native> SINTER_HIDDEN storage_ptr allocate_cpu(int64 bytes) {
  if (bytes < 0 || bytes > detail::largest_allocation - detail::storage_header) [[unlikely]]
    fail<memory_error, Arch>("cannot allocate ", bytes, " bytes");
  void* memory = host_alloc<Arch>(bytes + detail::storage_header);
  auto* s = ::new (memory) storage;
  s->data = static_cast<char*>(memory) + detail::storage_header;
  s->bytes = bytes;
  s->release = &detail::release_cpu<Arch>;
  return storage_ptr(s);
}

/// A block around `bytes` bytes at `data` that belong to someone else; `drop(data)` is called with the last handle
/// and must not throw. Throws memory_error, and then has not taken over anything.
template <class F> SINTER_HIDDEN storage_ptr borrow_cpu(void* data, int64 bytes, F drop) {
  static_assert(alignof(F) <= detail::host_alignment);
  void* memory = host_alloc(sizeof(detail::foreign_storage<F>));
  auto* s = ::new (memory) detail::foreign_storage<F>(static_cast<F&&>(drop));
  s->data = data;
  s->bytes = bytes;
  s->release = &detail::release_foreign<F>;
  s->owned = false;
  return storage_ptr(s);
}

/// Another block around the same memory, which stays as long as either is there: with a count of versions of its own.
SINTER_HIDDEN inline storage_ptr storage_alias(const storage_ptr& s) {
  if (!s) return {};
  storage_ptr alias = borrow_cpu(s->data, s->bytes, [s](void*) {});
  alias->device = s->device;
  return alias;
}

}  // namespace sinter::inline v0
