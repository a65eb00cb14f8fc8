// SPDX-License-Identifier: BSD-3-Clause
// Which kernels a program becomes, and that running it launches as many.
#include "../catch.hpp"
#include "../reference.hpp"

namespace st = sinter;
using namespace reference;

namespace {

/// The kinds of an expression's kernels in order: m(ap), r(ow), c(ontract), without what products compute as they pack it.
template <class X> std::string kernels(const X&) {
  constexpr auto& s = st::detail::schedule_of<st::detail::program_of<X>>;
  std::string text;
  for (int k = 0; k < s.count; ++k)
    if (s.stages[k].prologue_of == st::detail::no_value) text += "mrc"[static_cast<int>(s.stages[k].kind)];
  return text;
}
/// The same, after checking that evaluating it launches as many.
template <class X> std::string launched(const X& x) {
  const st::uint64 before = st::counters().launches;
  st::tensor y = x;
  const std::string text = kernels(x);
  CHECK(st::counters().launches - before == text.size());
  return text;
}
auto matrix(int64 m, int64 n) { return samples<float>(sizes<2>{m, n}); }
auto vector(int64 n) { return samples<float>(sizes<1>{n}); }

/// Six instructions a round.
struct long_chain {
  using composition = void;
  static constexpr st::op_info info{.name = "long_chain"};
  static constexpr auto compose(auto x) {
    auto y = x;
    for (int i = 0; i < 100; ++i) y = y * 0.5 + x * (0.001 * i + 0.25);
    return y;
  }
};
}  // namespace

TEST_CASE("element-wise expressions are one map") {
  auto x = matrix(5, 19);
  CHECK(launched(st::tanh(2 * x + vector(19))) == "m");
  CHECK(launched(st::where(x > 0, x, st::exp(x) - 1)) == "m");
}
TEST_CASE("normalisations and losses are one row kernel") {
  auto x = matrix(5, 19);
  CHECK(launched(st::softmax(x, 1)) == "r");
  CHECK(launched(st::softmax(x, st::dim<0>)) == "r");
  CHECK(launched(st::log_softmax(x, 1)) == "r");
  CHECK(launched(st::layer_norm(x, vector(19), vector(19))) == "r");
  CHECK(launched(st::cross_entropy(x, st::zeros<st::int64>({5}))) == "r");
}
TEST_CASE("sums are a map on its way") {
  auto x = matrix(5, 19);
  CHECK(launched(st::mean((x - 1) * (x - 1))) == "m");
  CHECK(launched(st::sum(x * x, 0)) == "m");
  CHECK(launched(st::mse_loss(x, st::tanh(x))) == "m");
  CHECK(launched(st::sum(x, st::dim<1>) / st::sum(x * x, st::dim<1>)) == "m");
}
TEST_CASE("a product takes its epilogue along") {
  auto x = matrix(5, 19), w = matrix(19, 7), v = matrix(7, 3);
  CHECK(launched(st::matmul(x, w)) == "c");
  CHECK(launched(st::gelu(st::matmul(x, w) + vector(7))) == "c");
  CHECK(launched(st::relu(st::matmul(x + 1, w) + vector(7))) == "c");
  CHECK(launched(st::matmul(st::relu(st::matmul(x, w) + vector(7)), v)) == "cc");
  CHECK(launched(st::softmax(st::matmul(x, w) + vector(7), 1)) == "cr");
  CHECK(launched(st::matmul(x, w) + st::matmul(x * 2, w)) == "ccm");
}
TEST_CASE("a classifier is two products and a row") {
  auto x = matrix(5, 19), w1 = matrix(19, 7), w2 = matrix(7, 3);
  CHECK(launched(st::cross_entropy(st::matmul(st::relu(st::matmul(x, w1) + vector(7)), w2) + vector(3), st::zeros<st::int64>({5}))) == "ccr");
}
TEST_CASE("rows over different dims are different kernels") {
  auto x = matrix(5, 19);
  CHECK(launched(st::softmax(x, 1) * st::softmax(x, 0)).size() == 3);
  CHECK(launched(x - st::mean(x)) == "mm");
  CHECK(launched(st::softmax(st::softmax(x, 0), 1)) == "rr");
}
TEST_CASE("equal expressions are one program, equal kernels one stage program") {
  using namespace st::detail;
  auto x = matrix(5, 19), y = matrix(2, 3);
  auto a = x * y + 1, b = y * x + 1;
  static_assert(std::is_same_v<program_of<decltype(a)>, program_of<decltype(b)>>);
  auto c = st::softmax(st::matmul(x, y), 1);
  auto d = st::softmax(x, 1);
  static_assert(std::is_same_v<stage_program<program_of<decltype(c)>, 1>, stage_program<program_of<decltype(d)>, 0>>);
}
TEST_CASE("a program of 600 instructions is one loop") {
  auto x = samples<double>(sizes<1>{37});
  auto e = st::apply<long_chain>(x);
  static_assert(st::detail::program_of<decltype(e)>::size > 400);
  CHECK(launched(e) == "m");
  st::tensor y = e;
  CHECK_ELEMENTS(y, sizes<1>{37}, [&](auto i) {
    double v = at(x, i);
    for (int k = 0; k < 100; ++k) v = v * 0.5 + at(x, i) * (0.001 * k + 0.25);
    return v;
  }, 8);
}
