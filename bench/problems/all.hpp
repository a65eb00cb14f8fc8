// SPDX-License-Identifier: BSD-3-Clause
// Every row, in the order of the table.
#pragma once
#include "autograd.hpp"
#include "contract.hpp"
#include "map.hpp"
#include "optim.hpp"
#include "row.hpp"

namespace bench::problems {

inline std::vector<entry> all() {
  std::vector<entry> rows;
  for (const auto& family : {map(), row(), contract(), optim(), autograd()}) rows.insert(rows.end(), family.begin(), family.end());
  return rows;
}
inline problem make(const std::string& id) {
  for (const entry& e : all())
    if (e.id == id) return e.make();
  return {};
}

}  // namespace bench::problems
