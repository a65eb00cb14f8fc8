// SPDX-License-Identifier: BSD-3-Clause
// Adam by hand: one pass over parameter, gradient and both means.
#pragma once
#include <cmath>

#include "../vec.hpp"

namespace bench::limits {

inline void adam(float* p, const float* g, float* m, float* v, std::int64_t n, int step) {
  const vec rate = all(static_cast<float>(1e-3 / (1 - std::pow(0.9, step)))), correction = all(static_cast<float>(1 / std::sqrt(1 - std::pow(0.999, step))));
  for (std::int64_t i = 0; i < n; i += lanes) {
    const vec d = load(g + i), mean = load(m + i) + 0.1f * (d - load(m + i)), square = 0.999f * load(v + i) + 0.001f * d * d;
    store(m + i, mean), store(v + i, square);
    store(p + i, load(p + i) - rate * mean / (root(square) * correction + 1e-8f));
  }
}

}  // namespace bench::limits
