// SPDX-License-Identifier: BSD-3-Clause
// Options are named, as in PyTorch.
// error: options have names
#include <sinter/sinter.hpp>

namespace st = sinter;

int main() {
  st::nn::linear<3, 2> net;
  st::optim::adam adam{net.parameters(), 1e-3};
}
