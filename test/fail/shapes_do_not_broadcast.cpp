// SPDX-License-Identifier: BSD-3-Clause
// Static shapes are checked by the compiler.
// error: shapes do not broadcast
#include <sinter/sinter.hpp>

namespace st = sinter;

int main() {
  auto a = st::zeros<float>(st::shape<3, 4>);
  auto b = st::zeros<float>(st::shape<4, 3>);
  st::tensor c = a + b;
}
