// SPDX-License-Identifier: BSD-3-Clause
// A block of CUDA threads on the host: one fiber a thread, resumed in turn, so that kernels run without a device.
// It tests arithmetic, indexing and barriers; races between blocks it cannot show. Next: on_device.hpp.
#pragma once
#include <ucontext.h>

#include <cstring>
#include <sinter/cuda/run.hpp>
#include <stdexcept>
#include <vector>

namespace sinter::inline v0::detail::device {

struct emulated_block {
  static int thread() { return thread_; }
  static int threads() { return threads_; }
  static int64 number() { return number_; }
  static int64 count() { return count_; }
  static void sync() { swapcontext(&fibers_[static_cast<std::size_t>(thread_)], &main_); }
  template <class S> static S* shared() { return reinterpret_cast<S*>(room_); }
  template <class S> static S down(S s, int by) {
    std::memcpy(exchange_[thread_], &s, sizeof s);
    sync();
    S other;
    std::memcpy(&other, exchange_[thread_ % warp + by < warp ? thread_ + by : thread_], sizeof s);
    sync();
    return other;
  }

  /// Runs body() in every thread of every block; throws where threads of a block meet different numbers of barriers.
  static void launch(int64 blocks, int threads, void (*body)(const void*), const void* argument) {
    constexpr std::size_t stack = 128 * 1024;
    static std::vector<char> stacks(most_threads * stack);
    body_ = body, argument_ = argument, threads_ = threads, count_ = blocks;
    fibers_.resize(static_cast<std::size_t>(threads));
    for (number_ = 0; number_ < blocks; ++number_) {
      for (std::size_t t = 0; t < fibers_.size(); ++t) {
        getcontext(&fibers_[t]);
        fibers_[t].uc_stack.ss_sp = stacks.data() + t * stack;
        fibers_[t].uc_stack.ss_size = stack;
        fibers_[t].uc_link = &main_;
        makecontext(&fibers_[t], [] { body_(argument_), ++ended_; }, 0);
      }
      for (ended_ = 0; ended_ == 0;)
        for (thread_ = 0; thread_ < threads; ++thread_) swapcontext(&main_, &fibers_[static_cast<std::size_t>(thread_)]);
      if (ended_ != threads) throw std::logic_error("threads of a block met different numbers of barriers");
    }
  }

 private:
  static inline int thread_ = 0, threads_ = 1, ended_ = 0;
  static inline int64 number_ = 0, count_ = 1;
  static inline void (*body_)(const void*) = nullptr;
  static inline const void* argument_ = nullptr;
  static inline std::vector<ucontext_t> fibers_;
  static inline ucontext_t main_;
  alignas(16) static inline char room_[warp * 32];
  alignas(16) static inline char exchange_[most_threads][32];
};

/// The kernels of SP over emulated blocks, with indices of type Index whatever the plan says.
template <class SP, class Index> struct emulated_kernels {
  using K = kernel<SP, emulated_block, Index>;
  using T = typename K::table;
  static void start(entry e, const void* table, int64 blocks, int threads) {
    void (*body)(const void*) = nullptr;
    if constexpr (K::elementwise) {
      body = [](const void* t) { K::map(*static_cast<const T*>(t)); };
    } else {
      if (e == entry::rows) body = [](const void* t) { K::rows(*static_cast<const T*>(t)); };
      if (e == entry::clear) body = [](const void* t) { K::clear(*static_cast<const T*>(t)); };
      if (e == entry::finish) body = [](const void* t) { K::finish(*static_cast<const T*>(t)); };
    }
    emulated_block::launch(blocks, threads, body, table);
  }
  static inline void (*starter)(entry, const void*, int64, int) = &start;
  static constexpr void* value() { return &starter; }
};
template <class SP> using emulated = emulated_kernels<SP, int>;
template <class SP> using emulated_wide = emulated_kernels<SP, int64>;

/// A device of host memory.
inline constexpr machine emulated_machine{
    nullptr, [](void*, int64 bytes) { return reinterpret_cast<uint64>(::operator new(static_cast<std::size_t>(bytes))); },
    [](void*, uint64 address) { ::operator delete(reinterpret_cast<void*>(address)); },
    [](void*, void* kernels, entry e, bool, const void* table, int64, int64 blocks, int threads) {
      (**static_cast<void (**)(entry, const void*, int64, int)>(kernels))(e, table, blocks, threads);
    },
    nullptr};

}  // namespace sinter::inline v0::detail::device
