// SPDX-License-Identifier: BSD-3-Clause
// Timing: candidates of one row take turns in one run, and the median of each counts. Next: machine.hpp for the limits.
#pragma once
#include <time.h>

#include <algorithm>
#include <functional>
#include <map>
#include <string>
#include <vector>

namespace bench {

/// Time that this thread had a core for: all rows run on one thread, and other programs disturb less so.
inline double now_ns() {
  timespec t;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) * 1e9 + static_cast<double>(t.tv_nsec);
}
inline double median(std::vector<double> v) {
  std::sort(v.begin(), v.end());
  return v.size() % 2 ? v[v.size() / 2] : (v[v.size() / 2 - 1] + v[v.size() / 2]) / 2;
}

struct candidate {
  std::string name;
  std::function<void()> run;
};

/// Median nanoseconds of one call of each candidate: `turns` turns, each of as many calls as take about `turn_ns`.
inline std::vector<double> race(const std::vector<candidate>& all, int turns, double turn_ns = 5e6) {
  std::vector<int> calls;
  for (const candidate& c : all) {
    c.run();  // caches, page faults
    const double start = now_ns();
    c.run();
    calls.push_back(std::clamp(static_cast<int>(turn_ns / (now_ns() - start + 1)), 1, 1000000));
  }
  std::vector<std::vector<double>> ns(all.size());
  for (int turn = 0; turn < turns; ++turn)
    for (std::size_t k = 0; k < all.size(); ++k) {
      const double start = now_ns();
      for (int i = 0; i < calls[k]; ++i) all[k].run();
      ns[k].push_back((now_ns() - start) / calls[k]);
    }
  std::vector<double> out;
  for (const auto& v : ns) out.push_back(median(v));
  return out;
}

/// One line of the table and of bench.json.
struct row {
  std::string id, what;
  double ours_ns = 0, limit_ns = 0;
  std::string limit_kind;
  double bytes = 0, flops = 0, max_error = 0;
  std::map<std::string, double> peers;
};

}  // namespace bench
