// SPDX-License-Identifier: BSD-3-Clause
// Loops on serial, OpenMP and the test's own executor: every chunk once, exceptions, nesting, chunks that do not depend on threads.
#include <sinter/cpu/parallel.hpp>

#include <stdexcept>
#include <vector>

#include "../catch.hpp"
#include "threads.hpp"

namespace st = sinter;
using st::int64;

TEST_CASE("every chunk runs exactly once, whoever runs it", "[parallel]") {
  some_threads own{3};
  for (st::executor e : {st::executor{}, st::serial_executor(), own.get()}) {
    st::executor_guard guard(e);
    for (int64 n : {0, 1, 2, 1000}) {
      std::vector<std::atomic<int>> ran(static_cast<std::size_t>(n) + 1);
      st::parallel_for(n, [&](int64 i) { ++ran[static_cast<std::size_t>(i)]; });
      for (int64 i = 0; i < n; ++i) CHECK(ran[static_cast<std::size_t>(i)] == 1);
      CHECK(ran.back() == 0);
    }
  }
  CHECK(own.loops == 2);  // none for 0 chunks or 1
}

TEST_CASE("the guard brings the executor before it back", "[parallel]") {
  some_threads outer{2}, inner{2};
  st::executor_guard a(outer.get());
  {
    st::executor_guard b(inner.get());
    CHECK(st::current_executor().context == &inner);
  }
  CHECK(st::current_executor().context == &outer);
}

TEST_CASE("an executor with one thread is not asked to run", "[parallel]") {
  some_threads own{1};
  st::executor_guard guard(own.get());
  int sum = 0;
  st::parallel_for(10, [&](int64 i) { sum += static_cast<int>(i); });
  CHECK(sum == 45);
  CHECK(own.loops == 0);
}

TEST_CASE("a loop inside a chunk is a plain loop", "[parallel]") {
  some_threads own{3};
  st::executor_guard guard(own.get());
  std::atomic<int> count{0};
  st::parallel_for(7, [&](int64) { st::parallel_for(11, [&](int64) { ++count; }); });
  CHECK(count == 77);
  CHECK(own.loops == 1);
  st::parallel_for(2, [&](int64) { ++count; });
  CHECK(own.loops == 2);
}

#if SINTER_HAS_EXCEPTIONS
TEST_CASE("an exception arrives at the caller after all chunks ended", "[parallel]") {
  some_threads own{3};
  for (st::executor e : {st::executor{}, st::serial_executor(), own.get()}) {
    st::executor_guard guard(e);
    std::atomic<int> inside{0};
    auto loop = [&] {
      st::parallel_for(100, [&](int64 i) {
        ++inside;
        if (i == 50) {
          --inside;
          throw std::runtime_error("chunk 50");
        }
        --inside;
      });
    };
    CHECK_THROWS_WITH(loop(), "chunk 50");
    CHECK(inside == 0);
    int after = 0;
    st::parallel_for(1, [&](int64) { ++after; });
    CHECK(after == 1);
  }
}

TEST_CASE("of many exceptions one arrives", "[parallel]") {
  some_threads own{3};
  st::executor_guard guard(own.get());
  CHECK_THROWS_AS(st::parallel_for(20, [](int64) { throw std::logic_error("all fail"); }), std::logic_error);
}
#endif

#ifdef _OPENMP
TEST_CASE("OpenMP is the default, serial inside a parallel region, and keeps its settings", "[parallel]") {
  omp_set_num_threads(2);
  CHECK(st::current_executor().concurrency(nullptr) == 2);
  std::atomic<int> within{0};
#pragma omp parallel num_threads(2)
  within += st::current_executor().concurrency(nullptr);
  CHECK(within == 2);
  st::parallel_for(50, [](int64) {});
  CHECK(omp_get_max_threads() == 2);
}
#endif

TEST_CASE("chunks cover the range and depend on length and grain only", "[parallel]") {
  for (int64 n : {0, 1, 5, 1000, 1001, 123456789})
    for (int64 grain : {0, 1, 7, 64, 100000}) {
      st::chunking c = st::fixed_chunks(n, grain);
      INFO(n << " elements, grain " << grain << ": " << c.count << " of " << c.size);
      CHECK(c.count * c.size >= n);
      CHECK((n == 0 ? c.count == 0 : (c.count - 1) * c.size < n));
      CHECK(c.count <= 1024);
      CHECK(c.size % (grain > 0 ? grain : 1) == 0);
    }
  CHECK(st::fixed_chunks(1000, 64).count == 16);
}

TEST_CASE("a sum over chunks is bitwise the same on any executor", "[parallel]") {
  std::vector<float> x(100003);
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = 1.0f / static_cast<float>(i + 1);
  auto sum = [&] {
    st::chunking c = st::fixed_chunks(static_cast<int64>(x.size()), 1000);
    std::vector<float> part(static_cast<std::size_t>(c.count));
    st::parallel_for(c.count, [&](int64 g) {
      float s = 0;
      for (int64 i = g * c.size; i < (g + 1) * c.size && i < static_cast<int64>(x.size()); ++i) s += x[static_cast<std::size_t>(i)];
      part[static_cast<std::size_t>(g)] = s;
    });
    float s = 0;
    for (float p : part) s += p;
    return s;
  };
  st::executor_guard serial(st::serial_executor());
  float expected = sum();
  for (int threads : {2, 3, 8}) {
    some_threads own{threads};
    st::executor_guard guard(own.get());
    CHECK(sum() == expected);
  }
}
