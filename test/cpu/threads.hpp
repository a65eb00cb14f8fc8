// SPDX-License-Identifier: BSD-3-Clause
// An executor of the test's own: plain threads that take chunks from the last to the first.
#pragma once
#include <sinter/cpu/parallel.hpp>

#include <atomic>
#include <thread>
#include <vector>

/// `some_threads{3}.get()` runs every loop on three new threads.
struct some_threads {
  int count;
  std::atomic<int> loops{0};

  sinter::executor get() {
    return {this, [](void* self) { return static_cast<some_threads*>(self)->count; },
            [](void* self, sinter::int64 chunks, void (*body)(void*, sinter::int64), void* context) {
              auto& me = *static_cast<some_threads*>(self);
              ++me.loops;
              std::atomic<sinter::int64> left{chunks};
              std::vector<std::thread> threads;
              for (int t = 0; t < me.count; ++t)
                threads.emplace_back([&] {
                  for (sinter::int64 i; (i = --left) >= 0;) body(context, i);
                });
              for (auto& t : threads) t.join();
            }};
  }
};
