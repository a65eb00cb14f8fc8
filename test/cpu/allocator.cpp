// SPDX-License-Identifier: BSD-3-Clause
// The statistics of the host allocator, and memory that the host program gives: budgets, exchanges, exhaustion.
#include <sinter/sinter.hpp>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>
#include <thread>
#include <vector>

#include "../catch.hpp"

namespace st = sinter;
using st::int64;

namespace {

/// A host program's memory: so many bytes and no more; complains of blocks that are not its own or come back otherwise than they went.
struct budget {
  int64 left, calls = 0, frees = 0, mistakes = 0;
  std::map<void*, int64> blocks{};
  std::mutex mutex{};

  explicit budget(int64 bytes) : left(bytes) {}
  st::host_allocator hook(bool caching = true) {
    return {this,
            [](void* context, int64 bytes, int64 alignment) -> void* {
              auto& b = *static_cast<budget*>(context);
              std::lock_guard hold(b.mutex);
              ++b.calls;
              b.mistakes += bytes <= 0 || bytes % 64 != 0 || alignment != 64;
              if (bytes > b.left) return nullptr;
              b.left -= bytes;
              void* p = std::aligned_alloc(static_cast<std::size_t>(alignment), static_cast<std::size_t>(bytes));
              b.blocks[p] = bytes;
              return p;
            },
            [](void* context, void* p, int64 bytes, int64) {
              auto& b = *static_cast<budget*>(context);
              std::lock_guard hold(b.mutex);
              ++b.frees;
              auto at = b.blocks.find(p);
              if (at == b.blocks.end() || at->second != bytes) ++b.mistakes;
              else b.blocks.erase(at);
              b.left += bytes;
              std::free(p);
            },
            caching};
  }
};

template <class A, class B> bool same(const A& a, const B& b) {
  return a.numel() == b.numel() && std::memcmp(a.data(), b.data(), static_cast<std::size_t>(a.numel()) * sizeof(*a.data())) == 0;
}

constexpr int64 plenty = int64{1} << 40;

}  // namespace

TEST_CASE("statistics count every request") {
  st::empty_cache();
  st::reset_accumulated_memory_stats();
  st::reset_peak_memory_stats();
  const st::memory_statistics before = st::memory_stats();
  CHECK(before.allocations == 0);
  CHECK(before.reserved == before.allocated);
  void* a = st::host_alloc(1000);
  void* b = st::host_alloc(1000);
  st::host_free(a, 1000);
  a = st::host_alloc(1010);
  st::host_free(b, 1000);
  st::host_free(a, 1010);
  st::memory_statistics s = st::memory_stats();
  CHECK(s.allocations == 3);
  CHECK(s.frees == 3);
  CHECK(s.misses == 2);
  CHECK(s.hits == 1);
  CHECK(s.blocks == before.blocks);
  CHECK(s.largest == 1010);
  CHECK(s.allocated == before.allocated);
  CHECK(s.peak == before.allocated + 2 * 1024);
  CHECK(s.reserved == before.reserved + 2 * 1024);
  CHECK(s.peak_reserved == s.reserved);
  CHECK(s.retries == 0);
  CHECK(s.failures == 0);
  CHECK(st::memory_allocated() == s.allocated);
  CHECK(st::memory_reserved() == s.reserved);
  CHECK(st::max_memory_allocated() == s.peak);
  CHECK(st::max_memory_reserved() == s.peak_reserved);
  st::empty_cache();
  CHECK(st::memory_reserved() == st::memory_allocated());
  st::reset_peak_memory_stats();
  CHECK(st::max_memory_allocated() == st::memory_allocated());
  CHECK(st::max_memory_reserved() == st::memory_reserved());
  CHECK(st::memory_stats().largest == 0);
}
TEST_CASE("blocks in use stay counted when the numbers of calls start over") {
  const int64 before = st::memory_stats().blocks;
  auto x = st::zeros<float>({4});
  CHECK(st::memory_stats().blocks == before + 1);
  st::reset_accumulated_memory_stats();
  CHECK(st::memory_stats().blocks == before + 1);
  x = st::tensor<float, st::rank<1>>();
  CHECK(st::memory_stats().blocks == before);
}
#ifdef MADV_HUGEPAGE
TEST_CASE("large blocks begin on a huge page") {
  st::empty_cache();
  for (int64 bytes : {int64{1} << 21, int64{5'000'000}}) {
    void* p = st::host_alloc(bytes);
    CHECK(reinterpret_cast<std::uintptr_t>(p) % (1 << 21) == 0);
    static_cast<char*>(p)[bytes - 1] = 1;
    st::host_free(p, bytes);
  }
}
#endif
TEST_CASE("the host program gives the memory") {
  budget mine(plenty);
  {
    st::allocator_guard guard(mine.hook());
    CHECK(st::current_allocator().context == &mine);
    auto x = st::ones<float>({100, 100});
    st::tensor y = st::matmul(x, x) + 1;
    CHECK(y(3, 4) == 101);
    CHECK(mine.blocks.size() >= 2);
    CHECK(reinterpret_cast<std::uintptr_t>(x.data()) % 64 == 0);
  }
  CHECK(mine.blocks.empty());
  CHECK(mine.mistakes == 0);
  CHECK(st::current_allocator().allocate == nullptr);
}
TEST_CASE("the cache stands before the host program's memory if that wants it") {
  budget cached(plenty), direct(plenty);
  {
    st::allocator_guard guard(cached.hook());
    for (int i = 0; i < 10; ++i) st::zeros<float>({1000});
    CHECK(cached.calls == 1);
    CHECK(cached.frees == 0);
  }
  CHECK(cached.frees == 1);
  {
    st::allocator_guard guard(direct.hook(false));
    for (int i = 0; i < 10; ++i) st::zeros<float>({1000});
    CHECK(direct.calls == 10);
    CHECK(direct.frees == 10);
    const int64 before = st::memory_allocated();
    void* p = st::host_alloc(10001);
    CHECK(st::memory_allocated() == before + 10048);  // no class, so that an arena sees what is asked for
    st::host_free(p, 10001);
    CHECK(st::memory_reserved() == st::memory_allocated());
  }
  CHECK(cached.mistakes + direct.mistakes == 0);
}
TEST_CASE("the system's memory may go without the cache") {
  st::allocator_guard guard({.caching = false});
  const st::memory_statistics before = st::memory_stats();
  for (int i = 0; i < 3; ++i) st::zeros<float>({1000});
  const st::memory_statistics after = st::memory_stats();
  CHECK(after.misses == before.misses + 3);
  CHECK(after.reserved == after.allocated);
}
TEST_CASE("blocks go back to the allocator that they came from") {
  budget one(plenty), two(plenty);
  const int64 blocks = st::memory_stats().blocks;
  {
    auto system = st::ones<float>({300});
    st::set_allocator(one.hook());
    auto a = st::ones<float>({300});
    st::zeros<float>({300});  // in the cache when the hook goes
    CHECK(one.blocks.size() == 2);
    st::set_allocator(two.hook(false));
    CHECK(one.blocks.size() == 1);
    auto b = st::ones<float>({300});
    CHECK(two.blocks.size() == 1);
    system = a + b;  // the system's block stays, as it is reused, or goes back to the system
    a = st::clone(b);   // the first hook's block goes although the second is installed
    CHECK(one.blocks.empty());
    st::set_allocator({});
    CHECK(same(a, b));
  }
  CHECK(two.blocks.empty());
  CHECK(one.mistakes + two.mistakes == 0);
  CHECK(one.left == plenty);
  CHECK(two.left == plenty);
  CHECK(st::memory_stats().blocks == blocks);
}
TEST_CASE("a block of another allocator is not cached for the one that is installed") {
  budget mine(plenty);
  {
    auto system = st::ones<float>({5000});
    st::allocator_guard guard(mine.hook());
    system = st::tensor<float, st::rank<1>>();
    auto x = st::ones<float>({5000});
    CHECK(mine.blocks.size() == 1);
  }
  CHECK(mine.mistakes == 0);
}
TEST_CASE("an exhausted host program first gets back what is cached") {
  budget mine(1 << 20);
  st::allocator_guard guard(mine.hook());
  st::zeros<float>({150'000});  // 600 kB, cached
  st::reset_accumulated_memory_stats();
  auto x = st::zeros<float>({200'000});  // 800 kB
  CHECK(x.numel() == 200'000);
  CHECK(st::memory_stats().retries == 1);
  CHECK(st::memory_stats().failures == 0);
  CHECK(mine.mistakes == 0);
}
TEST_CASE("an exhausted host program is a memory_error that says how much is in use") {
  budget mine(1 << 20);
  {
    st::allocator_guard guard(mine.hook());
    auto keep = st::zeros<float>({1000});
    const st::memory_statistics before = st::memory_stats();
    CHECK_THROWS_AS(st::zeros<float>({1'000'000}), st::memory_error);
    CHECK_THROWS_WITH(st::zeros<float>({1'000'000}),
                      contains("4000064 bytes requested of the installed host_allocator") && contains(std::to_string(before.allocated) + " bytes in use"));
    const st::memory_statistics after = st::memory_stats();
    CHECK(after.failures == before.failures + 2);
    CHECK(after.blocks == before.blocks);
    CHECK(after.allocated == before.allocated);
    CHECK(st::zeros<float>({1000}).numel() == 1000);
  }
  CHECK(mine.blocks.empty());
  CHECK(mine.mistakes == 0);
}
TEST_CASE("misaligned memory is refused and given back") {
  alignas(64) static char room[4096];
  static int given = 0;
  st::allocator_guard guard({nullptr, [](void*, int64, int64) -> void* { return ++given, room + 32; }, [](void*, void* p, int64, int64) { given -= p == room + 32; }});
  CHECK_THROWS_WITH(st::zeros<float>({4}), contains("not aligned"));
  CHECK(given == 0);
}
TEST_CASE("every multiple of 64 will do") {
  struct stack {
    alignas(128) char room[2][1024];
    int given = 0, mistakes = 0;
    char* at(int i) { return room[i] + 64 * i; }
  } mine;
  {
    st::allocator_guard guard({&mine,
                               [](void* context, int64 bytes, int64 alignment) -> void* {
                                 auto& s = *static_cast<stack*>(context);
                                 s.mistakes += s.given == 2 || bytes > 960 || alignment != 64;
                                 return s.at(s.given++);
                               },
                               [](void* context, void* p, int64, int64) {
                                 auto& s = *static_cast<stack*>(context);
                                 s.mistakes += p != s.at(--s.given);
                               },
                               false});
    auto x = st::full<float>({160}, 1.0f), y = st::full<float>({160}, 2.0f);
    CHECK(mine.given == 2);
    for (auto* t : {&x, &y}) CHECK(reinterpret_cast<std::uintptr_t>(t->data()) % 64 == 0);
    x.copy_(x + y);
    CHECK(x(0) == 3);
    CHECK(x(159) == 3);
    CHECK(y(0) == 2);
  }
  CHECK(mine.given == 0);
  CHECK(mine.mistakes == 0);
}
TEST_CASE("half a host_allocator is refused") {
  CHECK_THROWS_AS(st::set_allocator({nullptr, [](void*, int64, int64) -> void* { return nullptr; }, nullptr}), st::memory_error);
  CHECK(st::current_allocator().allocate == nullptr);
}

// What a program does, with every budget from none to enough: it fails at each place where memory is asked for, once.
namespace {
template <class Body> int failures(Body body) {
  int failed = 0;
  for (int64 bytes = 0;; bytes = bytes < 4096 ? bytes + 64 : bytes + bytes / 64 * 64 / 16 + 64) {
    budget mine(bytes);
    const int64 blocks = st::memory_stats().blocks, allocated = st::memory_allocated();
    bool done = false;
    {
      st::allocator_guard guard(mine.hook(false));
      try {
        body();
        done = true;
      } catch (const st::memory_error&) {
        ++failed;
      }
    }
    REQUIRE(mine.blocks.empty());
    REQUIRE(mine.mistakes == 0);
    REQUIRE(st::memory_stats().blocks == blocks);
    REQUIRE(st::memory_allocated() == allocated);
    if (done) return failed;
    REQUIRE(bytes < 1 << 26);
  }
}
}  // namespace

TEST_CASE("a statement without memory leaves its target as it was") {
  auto x = st::randn<float>({40, 40});
  auto kept = st::clone(x);
  CHECK(failures([&] {
          auto y = st::clone(kept);
          const auto* data = y.data();
          try {
            y = st::softmax(st::matmul(x, x) + 1, 1);
          } catch (...) {
            CHECK(y.data() == data);
            CHECK(same(y, kept));
            throw;
          }
        }) >= 2);
  CHECK(failures([&] {
          auto y = st::clone(kept);
          try {
            y.copy_(st::matmul(x, st::exp(x)));
            y += st::sum(x, 0) * st::matmul(x, x);
          } catch (...) {
            CHECK(y.size(0) == 40);
            throw;
          }
        }) >= 2);
  CHECK(same(x, kept));
}
TEST_CASE("gradients without memory leave parameters as they were, and can be computed again") {
  auto x = st::randn<float>({16, 20});
  st::variable w = st::randn<float>({20, 12});
  auto kept = st::clone(w.detach());
  auto backward = [&] {
    st::variable h = st::tanh(st::matmul(x, w));
    st::variable loss = st::sum(h * h);
    loss.backward();
  };
  backward();
  auto gradient = st::clone(w.grad());
  w.zero_grad();
  CHECK(failures([&] {
          try {
            backward();
          } catch (...) {
            w.zero_grad();
            throw;
          }
          CHECK(same(w.grad(), gradient));
          w.zero_grad();
        }) >= 3);
  CHECK(same(w.detach(), kept));
}
TEST_CASE("an optimizer without memory leaves parameters as they were, and steps when there is some") {
  auto kept = st::randn<float>({30, 3}), target = st::ones<float>({30, 3});
  CHECK(failures([&] {
          st::variable p = st::clone(kept);  // which the optimizer moves into a block of its own
          try {
            st::optim::adam adam{st::parameter_list{p}, {.lr = 1e-2, .amsgrad = true}};
          } catch (...) {
            CHECK(same(p.detach(), kept));
            throw;
          }
          CHECK(same(p.detach(), kept));
        }) >= 2);
  auto train = [&](int64 bytes) {  // the parameters after one step that at first has `bytes` bytes
    budget mine(bytes);
    st::variable p = st::clone(kept);
    st::optim::adam adam{st::parameter_list{p}, {.lr = 1e-2, .amsgrad = true}};
    st::variable loss = st::mse_loss(p, target);
    loss.backward();
    try {
      st::allocator_guard guard(mine.hook(false));
      adam.step();
    } catch (const st::memory_error&) {
      CHECK(same(p.detach(), kept));
      adam.step();
    }
    CHECK(mine.mistakes == 0);
    return st::clone(p.detach());
  };
  auto expected = train(plenty);
  for (int64 bytes : {0, 128, 512, 1024, 2048, 4096}) CHECK(same(train(bytes), expected));
}
TEST_CASE("an allocator that was replaced gets no request any more") {
  struct slow {
    std::atomic<int> inside = 0;
    std::atomic<bool> entered = false;
  } mine;
  bool refused = false;
  std::thread other;
  {
    st::allocator_guard guard({&mine,
                               [](void* context, int64, int64) -> void* {
                                 auto& s = *static_cast<slow*>(context);
                                 ++s.inside;
                                 s.entered = true;
                                 std::this_thread::sleep_for(std::chrono::milliseconds(20));
                                 --s.inside;
                                 return nullptr;
                               },
                               [](void*, void*, int64, int64) {}});
    other = std::thread([&] {
      try {
        st::zeros<float>({100});
      } catch (const st::memory_error&) {
        refused = true;
      }
    });
    while (!mine.entered) std::this_thread::yield();
  }
  CHECK(mine.inside == 0);
  other.join();
  CHECK(refused);
}
TEST_CASE("an allocator that was replaced has got back what another thread took from the cache") {
  struct meeting {
    std::thread::id owner = std::this_thread::get_id();
    std::atomic<int> stage = 0;
    std::atomic<int> inside = 0;
  } mine;
  std::thread other;
  {
    st::allocator_guard guard({&mine, [](void*, int64 bytes, int64 alignment) { return std::aligned_alloc(static_cast<std::size_t>(alignment), static_cast<std::size_t>(bytes)); },
                               [](void* context, void* p, int64, int64) {
                                 auto& m = *static_cast<meeting*>(context);
                                 ++m.inside;
                                 if (std::this_thread::get_id() != m.owner) {
                                   m.stage = 2;
                                   std::this_thread::sleep_for(std::chrono::milliseconds(20));
                                 } else if (m.stage == 0) {
                                   m.stage = 1;
                                   while (m.stage == 1) std::this_thread::yield();
                                 }
                                 std::free(p);
                                 --m.inside;
                               }});
    void *small = st::host_alloc(64), *large = st::host_alloc(4000);
    st::host_free(small, 64), st::host_free(large, 4000);
    other = std::thread([&] {
      while (mine.stage == 0) std::this_thread::yield();
      st::empty_cache();  // of the large block, while the small one is on its way back
    });
  }
  CHECK(mine.inside == 0);
  other.join();
}
TEST_CASE("allocators may be exchanged while other threads compute") {
  budget one(plenty), two(plenty);
  {
    std::vector<std::thread> threads;
    for (int t = 0; t < 3; ++t)
      threads.emplace_back([] {
        for (int i = 0; i < 500; ++i) {
          auto x = st::ones<float>({100 + i % 7});
          x = x + 1;
        }
      });
    for (int i = 0; i < 100; ++i) {
      st::set_allocator(one.hook(i % 2));
      std::this_thread::yield();
      st::set_allocator(two.hook(i % 3 != 0));
      st::set_allocator({});
    }
    for (auto& t : threads) t.join();
    st::empty_cache();
  }
  CHECK(one.blocks.empty());
  CHECK(two.blocks.empty());
  CHECK(one.mistakes + two.mistakes == 0);
}
