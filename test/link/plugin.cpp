// SPDX-License-Identifier: BSD-3-Clause
// A shared library that uses sinter inside; built twice. Its interface is C with pointers to tensors.
#include <sinter/sinter.hpp>

#include <new>

namespace st = sinter;
using vector = st::tensor<float, st::rank<1>>;

extern "C" {
void plugin_make(vector* to) { ::new (to) vector(st::arange<float>(0, 1000)); }
float plugin_consume(vector* from) {
  st::tensor s = st::sum(*from * 2);
  from->~vector();
  return s.item();
}
int plugin_records() { return st::is_grad_enabled(); }
int plugin_ask_without_grad(int (*other)()) {
  st::no_grad guard;
  return st::is_grad_enabled() ? -1 : other();
}
void plugin_seed(unsigned seed) { st::manual_seed(seed); }
float plugin_random() { return st::rand<float>({4})(0); }
unsigned long plugin_launches() { return st::counters().launches; }
float plugin_train() {
  st::variable w = st::ones<float>({8});
  st::variable loss = st::sum(w * w);
  loss.backward();
  return w.grad()(0);
}
int plugin_error() {
  try {
    st::tensor bad = st::ones<float>({2}) + st::ones<float>({3});
  } catch (const st::shape_error&) {
    return 1;
  }
  return 0;
}
}
