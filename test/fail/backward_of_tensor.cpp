// SPDX-License-Identifier: BSD-3-Clause
// Tensors are constants; variables record.
// error: backward() of a tensor: only variables record
#include <sinter/sinter.hpp>

namespace st = sinter;

int main() {
  auto x = st::ones<float>({3});
  st::tensor loss = st::sum(x * x);
  loss.backward();
}
