// SPDX-License-Identifier: BSD-3-Clause
// A step of gradient descent by hand writes the value.
// error: a variable is not changed in place: write its value, `w.detach() -= ...;`
#include <sinter/sinter.hpp>

namespace st = sinter;

int main() {
  st::variable w = st::ones<float>({3});
  w -= 0.1f * w.grad();
}
