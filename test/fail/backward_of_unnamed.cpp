// SPDX-License-Identifier: BSD-3-Clause
// backward() belongs to a variable: the recorded result of a statement.
// error: name it first: `st::variable y = ...; y.backward();`
#include <sinter/sinter.hpp>

namespace st = sinter;

int main() {
  st::variable w = st::ones<float>({3});
  st::sum(w * w).backward();
}
