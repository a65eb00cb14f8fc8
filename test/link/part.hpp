// SPDX-License-Identifier: BSD-3-Clause
// What the differently compiled parts of one program offer each other: tensors in, tensors and variables out.
#pragma once
#include <sinter/sinter.hpp>

#include <string>

namespace st = sinter;
using matrix = st::tensor<float, st::rank<2>>;
using weights = st::variable<float, st::rank<2>>;

struct part {
  const char* name;
  matrix (*make)(st::int64 rows, st::int64 columns);  ///< values that depend on the index only
  matrix (*compute)(const matrix& x);                 ///< an element-wise, a row and a product kernel
  matrix (*gradient)(const matrix& x);                ///< a recorded statement and its backward
  void (*write)(matrix& x);                           ///< in place
  st::int64 (*consume)(matrix x);                     ///< may hold the last handle
  weights (*leaf)(const matrix& x);                   ///< a variable of x's elements
  double (*second)(const weights& w);                 ///< 36 sum(w^3), through a second backward
  double (*train)(st::any_tensor data);               ///< a model, two optimizers, random numbers: the last loss
  std::string (*print)(const matrix& x);              ///< two rows as text, and a view
  matrix (*files)(const matrix& x, const char* path); ///< written and read again
};
