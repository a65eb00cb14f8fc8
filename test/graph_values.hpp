// SPDX-License-Identifier: BSD-3-Clause
// Graphs over float64 leaves of any shape, built and interpreted at run time: rules and transforms are checked without a kernel being
// compiled for each.
#pragma once
#include <sinter/sinter.hpp>

#include <cmath>
#include <functional>
#include <vector>

#include "catch.hpp"

namespace graph_values {
namespace st = sinter;
using sizes = std::vector<st::int64>;

inline st::int64 count(const sizes& s) {
  st::int64 n = 1;
  for (const st::int64 e : s) n *= e;
  return n;
}
/// n values between low and high in no order.
inline std::vector<double> spread(double low, double high, st::int64 n, int seed) {
  std::vector<double> v;
  for (st::int64 i = 0; i < n; ++i) v.push_back(low + (high - low) * (0.013 + 0.97 * std::fmod(0.618033988749895 * static_cast<double>(i + 1) + 0.37 * seed, 1.0)));
  return v;
}
inline double dot(const std::vector<double>& a, const std::vector<double>& b) {
  REQUIRE(a.size() == b.size());
  double s = 0;
  for (std::size_t i = 0; i < a.size(); ++i) s += a[i] * b[i];
  return s;
}

struct array {
  sizes shape;
  std::vector<double> values;
};
struct formula {
  st::graph g;
  std::vector<array> leaves;
  std::vector<st::detail::dims_slot> slots;

  st::sym leaf(const sizes& shape, std::vector<double> v) {
    leaves.push_back({shape, std::move(v)});
    st::uint32 ones = 0;
    for (std::size_t d = 0; d < shape.size(); ++d) ones |= static_cast<st::uint32>(shape[d] == 1) << d;
    return g.leaf(static_cast<int>(leaves.size()) - 1, st::dtype::f64, static_cast<int>(shape.size()), ones);
  }
  st::sym leaf(const sizes& shape, double low, double high, int seed) { return leaf(shape, spread(low, high, count(shape), seed)); }
  /// The value of x in a graph over these leaves.
  array value(const st::graph& of, st::sym x) const {
    st::graph copy = of;
    copy.output(copy.cast(copy.at_sym(x.id), st::dtype::f64), 0);
    std::vector<st::detail::operand> in(leaves.size());
    for (std::size_t i = 0; i < leaves.size(); ++i) {
      in[i].data = reinterpret_cast<char*>(const_cast<double*>(leaves[i].values.data()));
      in[i].shape.rank = static_cast<int>(leaves[i].shape.size());
      st::int64 step = 1;
      for (int d = in[i].shape.rank - 1; d >= 0; --d) {
        in[i].shape[d] = leaves[i].shape[static_cast<std::size_t>(d)], in[i].strides[d] = step;
        step *= in[i].shape[d];
      }
    }
    st::detail::result r;
    st::detail::interpret<st::native>(copy, in.data(), slots.data(), &r);
    const auto* p = reinterpret_cast<const double*>(r.data);
    array out;
    for (int d = 0; d < r.shape.rank; ++d) out.shape.push_back(r.shape[d]);
    out.values.assign(p, p + r.shape.numel());
    return out;
  }
  array value(st::sym x) const { return value(g, x); }
};

/// How a value comes of operands, in one type: what checks it is compiled once.
using builder = std::function<st::sym(formula&, const std::vector<st::sym>&)>;

}  // namespace graph_values
