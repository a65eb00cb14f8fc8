// SPDX-License-Identifier: BSD-3-Clause
// A module lists what it is made of.
// error: this is no module: a struct with data needs a line
#include <sinter/sinter.hpp>

namespace st = sinter;

struct net {
  st::nn::linear<3, 2> fc;
  auto forward(const auto& x) const { return fc(x); }
};

int main() {
  net n;
  st::optim::sgd sgd{st::nn::parameters(n), {.lr = 0.1}};
}
