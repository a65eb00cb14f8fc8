// SPDX-License-Identifier: BSD-3-Clause
// A layer's sizes are part of its type.
// error: the sizes of a linear layer are part of its type
#include <sinter/sinter.hpp>

namespace st = sinter;

int main() {
  st::nn::linear fc(784, 10);
}
