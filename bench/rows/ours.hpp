// SPDX-License-Identifier: BSD-3-Clause
// sinter's answers, as a user would write them; empty where it has none. One file a family, as in problems/.
#pragma once
#include <sinter/sinter.hpp>

#include "../problem.hpp"

namespace bench::ours {
namespace st = sinter;

solution map(const problem&);
solution row(const problem&);
solution contract(const problem&);
solution optim(const problem&);
solution autograd(const problem&);
inline solution solve(const problem& p) {
  for (auto family : {map, row, contract, optim, autograd})
    if (solution s = family(p)) return s;
  return {};
}

/// A tensor around the array, whose memory is from sinter's allocator.
template <class T = float> st::tensor<T, st::rank<1>> flat(const array& a) { return st::from_blob(a.as<T>(), {a.numel()}); }
template <class T = float> st::tensor<T, st::rank<2>> matrix(const array& a) { return st::from_blob(a.as<T>(), {a.sizes[0], a.sizes[1]}); }
template <class T = float> st::tensor<T, st::rank<3>> cube(const array& a) { return st::from_blob(a.as<T>(), {a.sizes[0], a.sizes[1], a.sizes[2]}); }
/// Copies a tensor's elements to an output.
template <class T> void publish(const T& t, const array& to, int64 first = 0) {
  const auto* from = t.data();
  for (int64 i = 0; i < t.numel(); ++i) to.as<std::remove_cvref_t<decltype(*from)>>()[first + i] = from[i];
}

}  // namespace bench::ours
