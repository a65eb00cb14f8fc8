// SPDX-License-Identifier: BSD-3-Clause
// Timing: candidates of one row take turns in one run, and the median of each counts. Next: machine.hpp for the limits.
#pragma once
#include <time.h>

#include <algorithm>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace bench {

/// One thread is timed by the time that this program had a core for, which other programs disturb less; all of the program, so
/// that work given to a helper thread counts. Two threads are timed by the clock on the wall.
inline double now_ns(int threads) {
  timespec t;
  clock_gettime(threads > 1 ? CLOCK_MONOTONIC : CLOCK_PROCESS_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) * 1e9 + static_cast<double>(t.tv_nsec);
}
inline double median(std::vector<double> v) {
  if (v.empty()) return 0;
  std::sort(v.begin(), v.end());
  return v.size() % 2 ? v[v.size() / 2] : (v[v.size() / 2 - 1] + v[v.size() / 2]) / 2;
}

/// Runs `calls` times and says the nanoseconds of one; less than 0 when it could not.
struct candidate {
  std::string name;
  std::function<double(std::int64_t calls)> run;
};

/// Times a function that computes `repeat` times the row's statement.
inline candidate timed(std::string name, std::function<void()> f, int threads, std::int64_t repeat = 1) {
  return {std::move(name), [=](std::int64_t calls) {
            const double start = now_ns(threads);
            for (std::int64_t i = 0; i < calls; ++i) f();
            return (now_ns(threads) - start) / static_cast<double>(calls * repeat);
          }};
}

/// Median nanoseconds of each candidate: `turns` turns, each of as many calls as take about `turn_ns`. `repeat` as in timed().
inline std::vector<double> race(const std::vector<candidate>& all, int turns, std::int64_t repeat = 1, double turn_ns = 5e6) {
  std::vector<std::int64_t> calls;
  for (const candidate& c : all) {
    c.run(1);  // caches, page faults
    const double one = c.run(1) * static_cast<double>(repeat);
    calls.push_back(std::clamp(static_cast<std::int64_t>(turn_ns / (one + 1)), std::int64_t{1}, std::int64_t{1000000}));
  }
  std::vector<std::vector<double>> ns(all.size());
  for (int turn = 0; turn < turns; ++turn)
    for (std::size_t k = 0; k < all.size(); ++k) ns[k].push_back(all[k].run(calls[k]));
  std::vector<double> out;
  for (const auto& v : ns) out.push_back(median(v));
  return out;
}

}  // namespace bench
