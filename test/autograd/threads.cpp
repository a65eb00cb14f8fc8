// SPDX-License-Identifier: BSD-3-Clause
#include <sinter/sinter.hpp>

#include <thread>
#include <vector>

#include "../catch.hpp"

namespace st = sinter;

namespace {
/// work(number) in several threads at once.
template <class F> void in_threads(int count, F work) {
  std::vector<std::thread> threads;
  for (int i = 0; i < count; ++i) threads.emplace_back([=] { work(i); });
  for (auto& t : threads) t.join();
}
}  // namespace

TEST_CASE("threads record and differentiate graphs of their own over shared parameters") {
  const st::variable w = st::array<double>({1, 2, 3});
  constexpr int threads = 4, rounds = 200;
  in_threads(threads, [&](int i) {
    const auto x = st::full<double>({3}, i + 1);
    for (int r = 0; r < rounds; ++r) {
      st::variable h = w * x;
      st::variable y = st::sum(h * h);
      y.backward();
    }
  });
  // sum over threads of rounds 2 w x^2: x = 1 .. 4
  for (int k = 0; k < 3; ++k) CHECK(w.grad()(k) == rounds * 2.0 * (k + 1) * (1 + 4 + 9 + 16));
}

TEST_CASE("several walks through one graph at a time") {
  const st::variable x = st::array<double>({1, 2, 3});
  st::variable h = x;
  for (int i = 0; i < 20; ++i) h = st::eval(h * x);
  const st::variable y = st::sum(h);
  y.backward(true);
  const double one = x.grad()(1);
  x.zero_grad();
  constexpr int threads = 4, rounds = 50;
  in_threads(threads, [&](int) {
    for (int r = 0; r < rounds; ++r) y.backward(true);
  });
  CHECK(x.grad()(1) == threads * rounds * one);
}

TEST_CASE("each thread has modes of its own") {
  const st::no_grad here;
  bool there = false;
  std::thread([&] { there = st::is_grad_enabled(); }).join();
  CHECK(there);
  CHECK_FALSE(st::is_grad_enabled());
}
