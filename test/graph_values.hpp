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

/// Functions with loops and branches: what they are called, the shapes of their operands, how they are built.
struct looped {
  const char* name;
  std::vector<sizes> shapes;
  builder build;
};
inline std::vector<looped> loops() {
  using list = std::vector<st::sym>;
  const auto step = [](auto c, auto x, auto w) { return std::pair(st::tanh(st::matmul(c, w) + x), c * c); };
  return {
      {"roll", {{3, 4}, {4}}, [](formula&, const list& x) { return st::roll(st::sum(st::expand_as(x[1], x[0]) * x[0], 0), 1, 0) * x[1] + st::roll(st::roll(x[0], 2, 1), 1, 0); }},
      {"scan", {{3}, {5, 3}, {3, 3}}, [=](formula&, const list& x) {
         const auto [last, all] = st::scan(step, x[0], x[1], x[2]);
         return last * st::sum(all, 0) + st::sum(all, 0);
       }},
      {"scan, all steps", {{3}, {5, 3}, {3, 3}}, [=](formula&, const list& x) { return st::scan(step, x[0], st::reversed(x[1]), x[2]).second; }},
      {"steps", {{2}, {2}}, [](formula&, const list& x) {
         return std::get<0>(st::scan([](auto c, auto k, auto w) { return std::tuple(std::get<1>(c) * w, std::get<0>(c) + 0.1 * k); }, std::tuple(x[0], x[0] * 0 + 1), st::steps(3), x[1]));
       }},
      {"cond, true", {{2, 3}, {3}}, [](formula& f, const list& x) {
         return st::cond(f.g.cast(f.leaf({}, std::vector<double>{1}), st::dtype::b8), [](auto a, auto b) { return a * b; }, [](auto a, auto) { return st::exp(a); }, x[0], x[1]);
       }},
      {"cond, false", {{2, 3}, {3}}, [](formula& f, const list& x) {
         return st::cond(f.g.cast(f.leaf({}, std::vector<double>{0}), st::dtype::b8), [](auto a, auto b) { return a * b; }, [](auto a, auto) { return st::exp(a); }, x[0], x[1]);
       }},
      {"while", {{2}, {2}}, [](formula& f, const list& x) {
         return std::get<0>(st::while_loop([](auto c, auto) { return std::get<1>(c) < 4; }, [](auto c, auto w) { return std::tuple(std::get<0>(c) * w + 0.1, std::get<1>(c) + 1); },
                                           std::tuple(x[0], f.leaf({}, std::vector<double>{0})), x[1]));
       }},
  };
}

}  // namespace graph_values
