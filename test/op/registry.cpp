// SPDX-License-Identifier: BSD-3-Clause
// Every op of the registry, none of them named here: accuracy over the float bit patterns, special values, gradients.
#include <sinter/op/registry.hpp>
#include <sinter/sinter.hpp>

#include <cmath>
#include <algorithm>
#include <cstring>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include "../catch.hpp"
#include "../reference.hpp"

namespace st = sinter;
using st::int64;

namespace {

/// Every 1,009th bit pattern of a float: all exponents, both signs, subnormals, infinities and NaN among them.
std::vector<float> patterns() {
  std::vector<float> v;
  for (st::uint64 bits = 0; bits < (st::uint64{1} << 32); bits += 1009) {
    const auto b = static_cast<st::uint32>(bits);
    float f;
    std::memcpy(&f, &b, 4);
    v.push_back(f);
  }
  for (float f : {0.f, -0.f, 1.f, -1.f, std::numeric_limits<float>::infinity(), -std::numeric_limits<float>::infinity(),
                  std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::denorm_min(), std::numeric_limits<float>::max(),
                  std::numeric_limits<float>::min()})
    v.push_back(f);
  return v;
}
/// Distance of y from the exact value in units of the last place of the exact value's float.
double ulp(float y, double exact) {
  const float rounded = static_cast<float>(exact);
  if (std::isnan(exact)) return std::isnan(y) ? 0 : 1e9;
  if (std::isinf(rounded) || std::isinf(y)) return y == rounded ? 0 : std::abs(exact) > 3.4e38 && std::abs(y) > 3.39e38 ? 1 : 1e9;
  int e;
  std::frexp(rounded, &e);
  const double unit = std::ldexp(1.0, std::max(e - 24, -149));
  return std::abs(y - exact) / unit;
}
constexpr double ceiling(std::string_view name) {  // 2 for exp, log and roots, 4 for the others that round
  return name == "exp" || name == "log" || name == "sqrt" ? 2 : 4;
}

}  // namespace

TEST_CASE("one-operand ops are within their ceiling over every 1,009th float") {
  const auto x = patterns();
  const auto t = st::from_blob(const_cast<float*>(x.data()), {1, x.size()});  // a matrix, as for the layouts below: one kernel an op
  st::for_each_op(st::unary_ops{}, [&]<class Op>() {
    st::tensor y = st::apply<Op>(t);
    double worst = 0;
    float at = 0;
    for (std::size_t i = 0; i < x.size(); ++i) {
      const double in = x[i], exact = st::detail::value_of<Op>(&in), u = ulp(static_cast<float>(y.data()[i]), exact);
      if (u > worst) worst = u, at = x[i];
    }
    INFO(Op::info.name << " at " << at);
    CHECK(worst <= ceiling(Op::info.name));
  });
}

TEST_CASE("two-operand ops agree with double on float pairs, special values included") {
  std::vector<float> some;
  const auto all = patterns();
  for (std::size_t i = 0; i < all.size(); i += 40009) some.push_back(all[i]);
  some.insert(some.end(), all.end() - 10, all.end());
  std::vector<float> a, b;
  for (float p : some)
    for (float q : some) a.push_back(p), b.push_back(q);
  const auto ta = st::from_blob(a.data(), {1, a.size()}), tb = st::from_blob(b.data(), {1, b.size()});
  st::for_each_op(st::binary_ops{}, [&]<class Op>() {
    st::tensor y = st::apply<Op>(ta, tb);
    double worst = 0;
    std::size_t at = 0;
    for (std::size_t i = 0; i < a.size(); ++i) {
      const double in[] = {a[i], b[i]}, exact = st::detail::value_of<Op>(in), u = ulp(static_cast<float>(y.data()[i]), exact);
      if (u > worst) worst = u, at = i;
    }
    INFO(Op::info.name << " at " << a[at] << ", " << b[at]);
    CHECK(worst <= 4);
  });
}

namespace {

/// A graph over float64 leaves at run time: rules are checked without a kernel being compiled for each.
struct formula {
  st::graph g;
  std::vector<std::vector<double>> leaves;
  st::sym leaf(std::vector<double> v) {
    leaves.push_back(std::move(v));
    return g.leaf(static_cast<int>(leaves.size()) - 1, st::dtype::f64, 1);
  }
  /// The values of x, which has one dim of the leaves' extent.
  std::vector<double> value(st::sym x) const {
    st::graph copy = g;
    copy.output(copy.at_sym(x.id), 0);
    std::vector<st::detail::operand> in(leaves.size());
    for (std::size_t i = 0; i < leaves.size(); ++i) {
      in[i].data = reinterpret_cast<char*>(const_cast<double*>(leaves[i].data()));
      in[i].shape.rank = 1, in[i].shape[0] = static_cast<st::int64>(leaves[i].size()), in[i].strides[0] = 1;
    }
    st::detail::result r;
    st::detail::interpret<st::native>(copy, in.data(), nullptr, &r);
    const auto* p = reinterpret_cast<const double*>(r.data);
    return {p, p + r.shape.numel()};
  }
  /// Gradients of sum(y * weight) towards the first n leaves.
  std::vector<st::sym> gradients(st::sym y, st::sym weight, int n) {
    st::detail::vec<bool> wanted(g.size(), false);
    for (int i = 0; i < g.size(); ++i) wanted[i] = g.at(i).op == st::code::leaf && g.at(i).a < n;
    st::detail::vec<st::uint16> roots, seeds;
    roots.push(y.id);
    seeds.push(weight.id);
    const auto d = st::detail::adjoint(g, roots, seeds, wanted);
    std::vector<st::sym> out(static_cast<std::size_t>(n));
    for (int i = 0; i < wanted.size(); ++i)
      if (wanted[i] && d[i] != 0xffff) out[static_cast<std::size_t>(g.at(i).a)] = g.at_sym(d[i]);
    return out;
  }
};
double dot(const std::vector<double>& a, const std::vector<double>& b) {
  double s = 0;
  for (std::size_t i = 0; i < a.size(); ++i) s += a[i] * b[i % b.size()];
  return s;
}
std::vector<double> spread(double low, double high, int n, int seed) {
  std::vector<double> v;
  for (int i = 0; i < n; ++i) v.push_back(low + (high - low) * (0.013 + 0.97 * std::fmod(0.618033988749895 * (i + 1) + 0.37 * seed, 1.0)));
  return v;
}
/// First and second derivatives of `build(f, operands)` against central differences.
template <class F> void check_rule(const char* name, st::domain in, int arity, F build) {
  constexpr int n = 7;
  formula f;
  std::vector<st::sym> x;
  for (int k = 0; k < arity; ++k) x.push_back(f.leaf(spread(in.low, in.high, n, k)));
  const st::sym y = build(f, x);
  const std::size_t result = f.value(y).size();
  const st::sym weight = f.leaf(spread(-1, 1, static_cast<int>(result), 9));
  const auto first = f.gradients(y, weight, arity);
  // s = sum over operands of <gradient, c>: its gradient is the Hessian times c
  st::sym s;
  for (int k = 0; k < arity; ++k) {
    if (first[static_cast<std::size_t>(k)].none()) continue;
    const st::sym c = f.leaf(spread(-1, 1, n, 20 + k));
    const st::sym t = first[static_cast<std::size_t>(k)] * c;
    s = s.none() ? t : s + t;
  }
  REQUIRE(!s.none());
  const st::sym ones = f.leaf(std::vector<double>(n, 1));
  const auto second = f.gradients(s, ones, arity);
  for (int k = 0; k < arity; ++k)
    for (int i = 0; i < n; ++i) {
      const double kept = f.leaves[static_cast<std::size_t>(k)][static_cast<std::size_t>(i)], h = 1e-5 * (1 + std::abs(kept));
      double& at = f.leaves[static_cast<std::size_t>(k)][static_cast<std::size_t>(i)];
      const auto difference = [&](st::sym of, const std::vector<double>& w) {
        at = kept + h;
        const double up = dot(f.value(of), w);
        at = kept - h;
        const double down = dot(f.value(of), w);
        at = kept;
        return (up - down) / (2 * h);
      };
      const auto element = [&](st::sym g) { return g.none() ? 0.0 : f.value(g)[static_cast<std::size_t>(i)]; };
      const double want1 = difference(y, f.leaves[static_cast<std::size_t>(arity)]), want2 = difference(s, {1});
      const double got1 = element(first[static_cast<std::size_t>(k)]), got2 = element(second[static_cast<std::size_t>(k)]);
      INFO(name << ", operand " << k << " = " << kept);
      CHECK(std::abs(got1 - want1) <= 1e-6 * (1 + std::abs(want1)));
      CHECK(std::abs(got2 - want2) <= 1e-5 * (1 + std::abs(want2)));
    }
}
template <class Op> constexpr bool differentiable = Op::info.result != st::result_type::boolean && Op::info.result != st::result_type::index && !Op::info.whole;

}  // namespace

TEST_CASE("element-wise ops have right first and second derivatives on their domain") {
  auto check = [&]<class Op>() {
    if constexpr (!std::is_same_v<Op, st::op::detach> && differentiable<Op>) {
      constexpr bool choice = Op::info.result == st::result_type::second;  // where: its first operand is a condition
      check_rule(Op::info.name, Op::info.samples, st::detail::arity_of<Op> - choice, [](formula& f, const std::vector<st::sym>& x) {
        std::vector<st::sym> in = x;
        if constexpr (choice) in.insert(in.begin(), x[0] > x[1]);
        return f.g.apply(st::detail::op_entry<Op>::descr, in.data(), st::detail::arity_of<Op>);
      });
    }
  };
  st::for_each_op(st::unary_ops{}, check);
  st::for_each_op(st::binary_ops{}, check);
  st::for_each_op(st::ternary_ops{}, check);
}
TEST_CASE("reductions have right first and second derivatives") {
  st::for_each_op(st::reduction_ops{}, [&]<class Op>() {
    if constexpr (differentiable<Op>)
      check_rule(Op::info.name, Op::info.samples, 1, [](formula& f, const std::vector<st::sym>& x) {
        return f.g.reduce(st::detail::op_entry<Op>::descr, x[0], st::axes{1, 1});
      });
  });
}

namespace {

/// op(operands) as kernels calculate it, in every memory layout, against op's scalar function.
template <class Op, class T, int R, std::size_t... I> void check_layouts(std::index_sequence<I...>) {
  using namespace reference;
  constexpr auto in = Op::info.samples;
  constexpr bool choice = Op::info.result == st::result_type::second;
  auto element = [&](std::size_t k, int64 at) {
    const double v = in.low + (in.high - in.low) * (sample(at, static_cast<int>(k)) + 2) / 4;
    return choice && k == 0 ? static_cast<double>(sample(at, 0) > 0) : std::is_integral_v<T> ? std::round(v) : static_cast<double>(static_cast<T>(v));
  };
  auto exact = [&](const double (&v)[sizeof...(I)]) {
    if constexpr (std::is_integral_v<T>) {
      const int64 n[] = {static_cast<int64>(v[I])...};
      return static_cast<double>(st::detail::descr_of<Op>.integer(n));
    } else {
      return st::detail::value_of<Op>(v);
    }
  };
  std::vector<sizes<R>> shapes;
  if constexpr (R == 0) shapes = {sizes<0>{}};
  else shapes = {sizes<2>{5, 37}, sizes<2>{0, 3}, sizes<2>{4, 0}, sizes<2>{1, 1}, sizes<2>{1, 19}, sizes<2>{19, 1}};
  for (const auto& n : shapes)
    for (int l = 0; l < (R == 0 ? 1 : layouts); ++l) {
      // operand k may have extent 1 along dim k: it is broadcast
      for (int stretched = 0; stretched < (R == 0 ? 1 : static_cast<int>(sizeof...(I))); ++stretched) {
        auto shape_of = [&](std::size_t k) {
          sizes<R> m = n;
          if constexpr (R > 0)
            if (stretched && static_cast<int>(k) == stretched) m[static_cast<int>(k) % R] = 1;
          return m;
        };
        auto make = [&](auto k) {
          using E = std::conditional_t<choice && decltype(k)::value == 0, bool, T>;
          const auto m = shape_of(decltype(k)::value);
          return tensor_of<E, R>(m, static_cast<layout>((l + static_cast<int>(decltype(k)::value)) % layouts), [&](const sizes<R>& i) {
            const double v = element(decltype(k)::value, number_of(m, i));
            return std::is_same_v<E, T> && std::is_integral_v<T> ? v / 10 : v;  // `as` multiplies integers by 10
          });
        };
        const auto operands = std::make_tuple(make(std::integral_constant<std::size_t, I>{})...);
        st::tensor y = std::apply([](const auto&... x) { return st::eval(st::apply<Op>(x...)); }, operands);
        INFO(Op::info.name << " of " << st::name_of(st::dtype_of<T>) << ", layout " << l << ", broadcast " << stretched);
        REQUIRE(y.sizes() == n);
        double worst = 0;
        each(n, [&](const sizes<R>& i) {
          const double v[] = {[&](std::size_t k) {
            sizes<R> at = i;
            const auto m = shape_of(k);
            for (int d = 0; d < R; ++d)
              if (m[d] == 1) at[d] = 0;
            return element(k, number_of(m, at));
          }(I)...};
          const double want = exact(v);
          double got = 0;
          if constexpr (R == 0) got = static_cast<double>(y.item());
          else got = static_cast<double>(y(i[0], i[1]));
          worst = std::max(worst, sizeof(T) == 4 && !std::is_integral_v<T> ? ulp(static_cast<float>(got), want) : got == want ? 0 : std::abs(got - want) / (1e-15 * std::abs(want)));
        });
        CHECK(worst <= 4);
      }
    }
}

}  // namespace

TEST_CASE("element-wise ops take any layout, broadcasting, empty and size 1") {
  auto check = [&]<class Op>() {
    constexpr auto operands = std::make_index_sequence<st::detail::arity_of<Op>>{};
    if constexpr (!Op::info.whole) check_layouts<Op, float, 2>(operands);
    if constexpr (Op::info.whole || (Op::info.integers && st::detail::arity_of<Op> == 2)) check_layouts<Op, int64, 2>(operands);
  };
  st::for_each_op(st::unary_ops{}, check);
  st::for_each_op(st::binary_ops{}, check);
  st::for_each_op(st::ternary_ops{}, check);
  st::for_each_op(st::bitwise_ops{}, check);
}
// What follows is no matter of the op: one of each number of operands, and of each type of result.
TEST_CASE("element-wise ops take 0-d operands") {
  st::for_each_op(st::type_list<st::op::neg, st::op::exp, st::op::isnan, st::op::add, st::op::lt, st::op::where, st::op::fma>{}, []<class Op>() {
    check_layouts<Op, float, 0>(std::make_index_sequence<st::detail::arity_of<Op>>{});
  });
}
TEST_CASE("an op may write over what it reads, shifted or turned around") {
  st::for_each_op(st::type_list<st::op::neg, st::op::tanh, st::op::floor>{}, []<class Op>() {
    const auto t = st::linspace<float>(static_cast<float>(Op::info.samples.low), static_cast<float>(Op::info.samples.high), 101);
    const st::tensor want = st::apply<Op>(st::clone(t(st::slice(0, 100))));
    st::tensor shifted = st::clone(t), turned = st::clone(t(st::slice(0, 100)));
    shifted(st::slice(1, 101)) = st::apply<Op>(shifted(st::slice(0, 100)));
    turned(st::slice(st::none, st::none, -1)) = st::apply<Op>(turned);
    INFO(Op::info.name);
    for (int i = 0; i < 100; ++i) {
      CHECK(shifted(i + 1) == want(i));
      CHECK(turned(99 - i) == want(i));
    }
  });
}

TEST_CASE("every op has a name of its own") {
  std::vector<std::string> names;
  auto add = [&]<class Op>() { names.push_back(Op::info.name); };
  st::for_each_op(st::unary_ops{}, add);
  st::for_each_op(st::binary_ops{}, add);
  st::for_each_op(st::ternary_ops{}, add);
  st::for_each_op(st::bitwise_ops{}, add);
  st::for_each_op(st::reduction_ops{}, add);
  std::sort(names.begin(), names.end());
  CHECK(std::adjacent_find(names.begin(), names.end()) == names.end());
}
