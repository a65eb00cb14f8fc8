// SPDX-License-Identifier: BSD-3-Clause
// The rank is part of the type.
// error: a tensor's type says its rank: st::tensor<float, st::rank<2>>
#include <sinter/sinter.hpp>

namespace st = sinter;

int main() {
  st::tensor<float> x;
}
