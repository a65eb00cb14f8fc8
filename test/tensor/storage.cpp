// SPDX-License-Identifier: BSD-3-Clause
// Storage blocks and the allocator behind them: counting, alignment, reuse, exhaustion.
#include "../catch.hpp"

#include <cstdint>
#include <cstring>
#include <sinter/tensor/storage.hpp>
#include <thread>
#include <vector>

namespace st = sinter;

TEST_CASE("a block is freed with its last reference") {
  const auto before = st::memory_stats().allocated;
  {
    auto a = st::allocate_cpu(1000);
    CHECK(a.use_count() == 1);
    auto b = a;
    CHECK(a.use_count() == 2);
    auto c = std::move(b);
    CHECK(a.use_count() == 2);
    CHECK_FALSE(b);
    CHECK(st::memory_stats().allocated > before);
  }
  CHECK(st::memory_stats().allocated == before);
}
TEST_CASE("assigning a block to itself keeps it") {
  auto a = st::allocate_cpu(8);
  auto& same = a;
  a = same;
  CHECK(a.use_count() == 1);
}
TEST_CASE("data are aligned to 64 bytes, also of empty blocks") {
  for (st::int64 bytes : {0, 1, 63, 64, 65, 100000}) {
    auto a = st::allocate_cpu(bytes);
    CHECK(a->bytes == bytes);
    CHECK(reinterpret_cast<std::uintptr_t>(a->data) % 64 == 0);
    std::memset(a->data, 1, static_cast<std::size_t>(bytes));
  }
}
TEST_CASE("the second request of a size does not miss the cache") {
  st::allocate_cpu(123456);
  const st::uint64 misses = st::counters().allocator_misses, calls = st::counters().system_allocations;
  for (int i = 0; i < 10; ++i) st::allocate_cpu(123456);
  st::allocate_cpu(123000);  // the same size class
  CHECK(st::counters().allocator_misses == misses);
  CHECK(st::counters().system_allocations == calls);
}
TEST_CASE("every size fits its class, and classes waste at most a quarter") {
  for (st::int64 n = 0; n < 70000; n += 1 + n / 97) {
    const auto c = st::detail::size_class_of(n);
    REQUIRE(c.bytes >= n);
    REQUIRE(c.bytes == st::detail::class_bytes(c.index));
    if (n > 256) REQUIRE(static_cast<double>(c.bytes) <= 1.25 * static_cast<double>(n) + 64);
  }
  const auto last = st::detail::size_class_of(st::detail::largest_allocation);
  CHECK(last.bytes == st::detail::largest_allocation);
  CHECK(last.index < 4 * 64);
}
TEST_CASE("empty_cache gives unused memory back") {
  st::allocate_cpu(1 << 20);
  CHECK(st::memory_stats().reserved > st::memory_stats().allocated);
  st::empty_cache();
  CHECK(st::memory_stats().reserved == st::memory_stats().allocated);
}
TEST_CASE("peak is the most ever in use") {
  const auto base = st::memory_stats().allocated;
  st::allocate_cpu(5 << 20);
  CHECK(st::memory_stats().peak >= base + (5 << 20));
}
TEST_CASE("impossible sizes are a memory_error") {
  const auto before = st::memory_stats();
  CHECK_THROWS_AS(st::allocate_cpu(-1), st::memory_error);
  CHECK_THROWS_AS(st::host_alloc(-1), st::memory_error);
  CHECK_THROWS_AS(st::allocate_cpu(std::numeric_limits<st::int64>::max()), st::memory_error);
  CHECK(st::memory_stats().allocated == before.allocated);
  CHECK(st::memory_stats().reserved == before.reserved);
}
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
TEST_CASE("exhausted memory is a memory_error that names the size, and nothing is lost") {
  auto keep = st::allocate_cpu(64);
  const auto before = st::memory_stats().allocated;
  CHECK_THROWS_WITH(st::allocate_cpu(st::int64{1} << 46), contains("70368744177728") || contains("bytes requested"));
  CHECK(st::memory_stats().allocated == before);
  CHECK(st::allocate_cpu(64));
}
#endif
TEST_CASE("someone else's memory is dropped once, with the last reference") {
  int drops = 0;
  double memory[4] = {};
  {
    auto a = st::borrow_cpu(memory, sizeof memory, [&](void* p) { drops += p == memory; });
    auto b = a;
    CHECK_FALSE(a->owned);
    CHECK(drops == 0);
  }
  CHECK(drops == 1);
}
TEST_CASE("blocks may be made, shared and dropped by several threads") {
  auto shared = st::allocate_cpu(256);
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([shared, t] {
      for (int i = 0; i < 2000; ++i) {
        auto copy = shared;
        auto own = st::allocate_cpu(64 * (i % 7 + t));
        if (own->bytes > 0) std::memset(own->data, t, static_cast<std::size_t>(own->bytes));
      }
    });
  for (auto& t : threads) t.join();
  CHECK(shared.use_count() == 1);
}
TEST_CASE("counters start over") {
  st::counters().launches += 3;
  ++st::counters().launches;
  CHECK(st::counters().launches >= 4);
  st::counters().reset();
  CHECK(st::counters().launches == 0);
}
