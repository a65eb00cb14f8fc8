// SPDX-License-Identifier: BSD-3-Clause
// What a loop carries keeps its shape; here a step makes a vector of a number.
// error: a step of a loop must return its carry in the shape that it was given
#include <sinter/sinter.hpp>

namespace st = sinter;

int main() {
  auto rows = st::ones<float>({5, 3});
  st::tensor total = st::scan([](auto sum, auto row) { return sum + row; }, st::zeros<float>({}), rows);
}
