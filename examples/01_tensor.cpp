// SPDX-License-Identifier: BSD-3-Clause
// Chapter 1: tensors. Making them, looking into them, computing with them, and who owns what.
// Next: 02_fusion.cpp for what a line of tensor code really runs.
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <sinter/sinter.hpp>
#include <sinter/tensor/print.hpp>

namespace st = sinter;

void check(bool right, const char* what) {
  std::printf("  %s %s\n", right ? "ok" : "WRONG", what);
  if (!right) std::exit(1);
}

int main() {
  std::puts("-- Making tensors");
  auto a = st::array<float>({{1, 2, 3}, {4, 5, 6}});  // tensor<float, rank<2>>
  auto zero = st::zeros({2, 3});                      // float is the default
  auto steps = st::arange<st::int64>(0, 10, 3);       // 0 3 6 9
  st::manual_seed(0);
  auto noise = st::randn<double>({2, 3});             // the same numbers on every machine
  auto fixed = st::ones(st::shape<2, 3>);             // sizes known to the compiler
  std::cout << "a =\n" << a << "\nsteps = " << steps << "\nnoise =\n" << noise << "\n";
  check(a.size(0) == 2 && a.size(-1) == 3 && a.numel() == 6, "sizes; negative dims count from the end");
  check(a.dim() == 2 && a.dtype() == st::dtype::f32, "rank and dtype");

  std::puts("\n-- Elements and views");
  a(0, 2) = 30;                                            // with all indices: the element itself
  auto column = a(st::full_extent, 1);                     // with fewer, or with slices: a view
  auto last_two = a(st::full_extent, st::slice(-2, st::none));
  auto backwards = steps(st::slice(st::none, st::none, -1));
  column(1) = -5;
  check(a(1, 1) == -5, "a view shows the elements of its tensor");
  check(last_two(0, 1) == 30 && backwards(0) == 9, "negative bounds and steps, as in Python");
  a(1) = zero(0);                                          // assigning to a view writes through
  check(a(1, 0) == 0 && a(1, 2) == 0, "a whole row at once");
  try {
    a(2, 0) = 1;
    check(false, "an index out of range is noticed");
  } catch (const st::index_error& e) {
    std::printf("  ok an index out of range: \"%s\"\n", e.what());
  }

  std::puts("\n-- Arithmetic: nothing runs until a tensor is made of it");
  auto formula = 2 * a + 1;                                // a formula
  st::tensor b = formula;                                  // its value: one loop
  st::tensor row_sums = st::sum(a, 1);
  st::tensor centered = a - st::mean(a, 1, st::keepdim);   // sizes of 1 are repeated (broadcast)
  std::cout << "2 * a + 1 =\n" << b << "\nrows minus their mean =\n" << centered << "\n";
  check(b(0, 2) == 61, "numbers take the tensor's dtype");
  check(row_sums(0) == 33, "sum over a dim");
  check(st::tensor(st::sum(centered)).item() == 0, "sum over everything");
  st::tensor product = st::matmul(a, a.T());
  check(product(0, 0) == 1 + 4 + 900, "matrix product, with a transposed view");
  st::tensor promoted = fixed + noise;
  check(promoted.dtype() == st::dtype::f64, "float and double make double, as in PyTorch");

  std::puts("\n-- Handles: copying shares, clone copies");
  auto same = a;
  auto own = st::clone(a);
  a += 100;                                                // writes through: every handle sees it
  check(same(0, 0) == 101, "a copy of a tensor is the same elements");
  check(own(0, 0) == 1, "a clone is not");
  a = a * 2;                                               // makes a new value for this handle alone
  check(same(0, 0) == 101 && a(0, 0) == 202, "assigning to a name rebinds it");

  std::puts("\n-- Memory of your own");
  double field[4] = {1, 2, 3, 4};                          // rows of a simulation, column-major, anything with strides
  auto view = st::from_blob(field, {2, 2}, {1, 2});
  view.copy_(st::sqrt(view));
  check(field[3] == 2 && view(0, 1) == field[2], "computed in place, nothing was copied");
}
