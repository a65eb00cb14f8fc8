// SPDX-License-Identifier: BSD-3-Clause
// A step returns std::pair of the carry and the slice.
// error: a step of a loop returns what it carries
#include <sinter/func/func.hpp>
#include <sinter/sinter.hpp>

namespace st = sinter;

int main() {
  auto x = st::ones<float>({3});
  st::tensor y = st::scan([](auto c, auto e) { return std::tuple(c + e, e); }, 0.0f, x);
}
