// SPDX-License-Identifier: BSD-3-Clause
// A floating-point step does not fit what was started as an integer.
// error: a step of a loop returns a floating-point value for what is carried as an integer
#include <sinter/func/func.hpp>
#include <sinter/sinter.hpp>

namespace st = sinter;

int main() {
  auto x = st::ones<float>({3});
  st::tensor y = st::scan([](auto c, auto e) { return c + e; }, st::full<st::int64>({}, 0), x);
}
