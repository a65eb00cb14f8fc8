// SPDX-License-Identifier: BSD-3-Clause
// Something of every kind to look at in a debugger, which stops in here(). Each `// print NAME: TEXT` line says what
// tools/debug/sinter_gdb.py must show; run.sh reads them.
#include <sinter/sinter.hpp>

namespace st = sinter;

void here() { asm volatile(""); }

int main() {
  auto matrix = st::array<float>({{1, 2.5, -3}, {4, 5, 1e10}});
  auto turned = matrix.T();
  st::tensor<const float, st::rank<2>> constant = matrix;
  auto fixed = st::zeros<st::int64>(st::shape<2, 2>);
  auto flags = st::array<bool>({true, false});
  auto many = st::arange<int>(100);
  auto scalar = st::full<double>(st::shape<>, 0.1);
  auto nothing = st::empty<st::uint8>({0, 3});
  st::tensor<float, st::rank<1>> undefined;
  auto complex = st::array<st::complex64>({st::complex64(1, -2), st::complex64(0.5, 3)});
  st::any_tensor any = turned, none;
  st::variable leaf = st::array<double>({1, 2});
  st::variable loss = st::sum(leaf * leaf);
  loss.backward();
  st::variable constant_leaf(st::array<float>({7}), false);
  st::storage_ptr block = flags.storage_handle(), no_block;
  st::extents<-1, 3, st::at_most<5>> shape;
  st::index_list<2> list = matrix.sizes();
  here();
  return many.size(0) + scalar.dim() + nothing.dim() + list[0] + shape.rank + fixed.dim() + undefined.dim() + any.dim() < 0;
}
// print matrix: tensor float32 [2, 3] {{1, 2.5, -3}, {4, 5, 1e+10}}
// print turned: tensor float32 [3, 2], strides [1, 3] {{1, 4}, {2.5, 5}, {-3, 1e+10}}
// print constant: tensor float32 [2, 3], read-only {{1, 2.5, -3}, {4, 5, 1e+10}}
// print fixed: tensor int64 [2, 2] {{0, 0}, {0, 0}}
// print flags: tensor bool [2] {true, false}
// print many: tensor int32 [100] {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, ...}
// print scalar: tensor float64 [] 0.1
// print nothing: tensor uint8 [0, 3] {}
// print undefined: tensor undefined
// print complex: tensor complex64 [2] {1-2j, 0.5+3j}
// print any: any_tensor float32 [3, 2], strides [1, 3] {{1, 4}, {2.5, 5}, {-3, 1e+10}}
// print none: any_tensor undefined
// print leaf: variable float64 [2] {1, 2}, requires_grad, grad float64 [2] {2, 4}
// print loss: variable float64 [] 5, requires_grad, recorded
// print constant_leaf: variable float32 [1] {7}, no grad required
// print block: storage 2 bytes at 0x
// print no_block: storage none
// print shape: extents [dyn, 3, at_most 5]
// print list: [2, 3]
