// SPDX-License-Identifier: BSD-3-Clause
// What a row asks for: inputs from one deterministic generator, room for outputs, and their error against double. Everybody
// who answers a row (sinter, limits, peers) is asked through this. Not here: the rows themselves, which are in problems/.
#pragma once
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace bench {
using int64 = std::int64_t;

/// Where arrays come from; bench.cpp takes them from sinter's allocator, so that its pages are those of a user's tensors.
using allocator = std::shared_ptr<void> (*)(int64 bytes);
inline allocator& allocate() {
  static allocator from = [](int64 bytes) {
    return std::shared_ptr<void>(std::aligned_alloc(64, static_cast<std::size_t>((bytes + 127) / 64 * 64)), std::free);
  };
  return from;
}

/// A dense array of floats, or of doubles where `wide`.
struct array {
  std::vector<int64> sizes;
  bool wide = false;
  std::shared_ptr<void> memory = {};

  int64 numel() const {
    int64 n = 1;
    for (int64 s : sizes) n *= s;
    return n;
  }
  template <class T = float> T* as() const { return static_cast<T*>(memory.get()); }
  double operator[](int64 i) const { return wide ? as<double>()[i] : static_cast<double>(as()[i]); }
};

/// The i-th number in [0, 1) of stream `seed`: splitmix64 of a counter.
inline double uniform(std::uint64_t seed, int64 i) {
  std::uint64_t z = (seed << 40) + static_cast<std::uint64_t>(i) * 0x9e3779b97f4a7c15u + 0x9e3779b97f4a7c15u;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return static_cast<double>((z ^ (z >> 31)) >> 11) * 0x1p-53;
}

struct problem {
  std::string id, what;
  std::string kind = {};         ///< what the solvers look at, with the numbers `n`: its sizes, as the family in problems/ says
  std::vector<int64> n = {};
  double bytes = 0, flops = 0;   ///< what has to be moved and computed at least
  int threads = 1;
  int64 repeat = 1;              ///< how many statements one run is
  int checked_runs = 1;          ///< error() is asked after so many runs
  double tolerance = 1e-5;
  std::vector<array> in = {}, out = {};
  std::function<double()> error = {};  ///< the largest of `out`, against double; relative as the family says

  array& input(std::vector<int64> sizes, double low, double high, bool wide = false) {
    in.push_back(room(std::move(sizes), wide));
    const array& a = in.back();
    const std::uint64_t seed = in.size();
    for (int64 i = 0; i < a.numel(); ++i) {
      const double v = low + (high - low) * uniform(seed, i);
      if (wide) a.as<double>()[i] = v;
      else a.as()[i] = static_cast<float>(v);
    }
    return in.back();
  }
  /// Outputs start as zeros.
  array& output(std::vector<int64> sizes, bool wide = false) {
    out.push_back(room(std::move(sizes), wide));
    const array& a = out.back();
    for (int64 i = 0; i < a.numel(); ++i)
      if (wide) a.as<double>()[i] = 0;
      else a.as()[i] = 0;
    return out.back();
  }
  static array room(std::vector<int64> sizes, bool wide) {
    array a{std::move(sizes), wide};
    a.memory = allocate()(a.numel() * (wide ? 8 : 4));
    return a;
  }
};

/// An answer: `run` computes the row once (`repeat` statements); `publish` brings the result to `out` where run leaves it elsewhere.
struct solution {
  std::function<void()> run = {}, publish = {};
  std::function<std::string()> remark = {};  ///< what there is to say after the timing
  explicit operator bool() const { return static_cast<bool>(run); }
};

/// Runs it as often as the row says, from zeros, and returns the error.
inline double checked_error(const problem& p, const solution& s) {
  for (int i = 0; i < p.checked_runs; ++i) s.run();
  if (s.publish) s.publish();
  return p.error();
}

/// max |got / want - 1| over a sample, with |want| not below `floor`.
template <class Want> double relative_error(const array& got, int64 step, double floor, Want want) {
  double worst = 0;
  for (int64 i = 0; i < got.numel(); i += step) {
    const double w = want(i), e = std::abs(got[i] - w) / std::max(std::abs(w), floor);
    if (!(e <= worst)) worst = e;  // a NaN stays
  }
  return worst;
}

struct entry {
  std::string id;
  std::function<problem()> make;
};

}  // namespace bench
