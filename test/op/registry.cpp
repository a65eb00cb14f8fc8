// SPDX-License-Identifier: BSD-3-Clause
// Every op of the registry, none of them named here: accuracy over the float bit patterns, special values, gradients.
#include <sinter/autograd/gradcheck.hpp>
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

namespace st = sinter;

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
  const auto t = st::from_blob(const_cast<float*>(x.data()), {x.size()});
  st::for_each_op(st::unary_ops{}, [&]<class Op>() {
    st::tensor y = st::apply<Op>(t);
    double worst = 0;
    float at = 0;
    for (std::size_t i = 0; i < x.size(); ++i) {
      const double in = x[i], exact = st::detail::descr_of<Op>.value(&in), u = ulp(static_cast<float>(y.data()[i]), exact);
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
  const auto ta = st::from_blob(a.data(), {a.size()}), tb = st::from_blob(b.data(), {b.size()});
  st::for_each_op(st::binary_ops{}, [&]<class Op>() {
    st::tensor y = st::apply<Op>(ta, tb);
    double worst = 0;
    std::size_t at = 0;
    for (std::size_t i = 0; i < a.size(); ++i) {
      const double in[] = {a[i], b[i]}, exact = st::detail::descr_of<Op>.value(in), u = ulp(static_cast<float>(y.data()[i]), exact);
      if (u > worst) worst = u, at = i;
    }
    INFO(Op::info.name << " at " << a[at] << ", " << b[at]);
    CHECK(worst <= 4);
  });
}

TEST_CASE("one-operand ops have right first and second derivatives on their domain") {
  st::for_each_op(st::unary_ops{}, [&]<class Op>() {
    if constexpr (!std::is_same_v<Op, st::op::detach>) {
      auto t = st::linspace<double>(Op::info.samples.low + 0.013, Op::info.samples.high, 9);
      st::variable x = t;
      auto f = [](auto a) { return st::apply<Op>(a) * a; };
      const auto first = st::gradcheck(f, x), second = st::gradgradcheck(f, x);
      INFO(Op::info.name << ": " << first.text << second.text);
      CHECK(first.ok);
      CHECK(second.ok);
    }
  });
}

TEST_CASE("every op has a name of its own") {
  std::vector<std::string> names;
  auto add = [&]<class Op>() { names.push_back(Op::info.name); };
  st::for_each_op(st::unary_ops{}, add);
  st::for_each_op(st::binary_ops{}, add);
  st::for_each_op(st::ternary_ops{}, add);
  st::for_each_op(st::reduction_ops{}, add);
  std::sort(names.begin(), names.end());
  CHECK(std::adjacent_find(names.begin(), names.end()) == names.end());
}
