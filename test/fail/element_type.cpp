// SPDX-License-Identifier: BSD-3-Clause
// Tensors hold numbers.
// error: a tensor's elements are
#include <sinter/sinter.hpp>
#include <string>

namespace st = sinter;

int main() {
  st::tensor<std::string, st::rank<1>> names;
}
