// SPDX-License-Identifier: BSD-3-Clause
// First and second derivatives of every op, by the registry's samples where there is one operand, against differences.
#include <sinter/autograd/function.hpp>
#include <sinter/autograd/gradcheck.hpp>
#include <sinter/sinter.hpp>

#include "../catch.hpp"

namespace st = sinter;

namespace {
template <class F, class... V> void check(F f, const V&... x) {
  const auto first = st::gradcheck(f, std::tuple(x...));
  INFO(first.text);
  CHECK(first.ok);
  const auto second = st::gradgradcheck(f, std::tuple(x...));
  INFO(second.text);
  CHECK(second.ok);
}
st::variable<double, st::rank<2>> samples(double low, double high) {
  auto t = st::rand<double>({3, 5});
  t.copy_(low + (high - low) * t);
  return t;
}
}  // namespace

namespace {
/// x^2, whose backward is wrong as told.
struct mistaken : st::function<mistaken> {
  static inline enum { right, doubled, one_element, irreproducible, constant, no_zeros } mistake = right;
  static inline int calls = 0;
  static st::tensor<double, st::rank<1>> forward(st::function_context& ctx, const st::tensor<double, st::rank<1>>& x) {
    ctx.save_for_backward(x);
    return x * x;
  }
  static st::variable<double, st::rank<1>> backward(st::function_context& ctx, const st::variable<double, st::rank<1>>& dy) {
    const auto x = mistake == constant ? st::variable(ctx.saved_tensor<double, 1>(0), false) : ctx.saved<double, 1>(0);
    auto factor = st::full<double>({x.numel()}, 2.0);
    if (mistake == doubled) factor *= 2;
    if (mistake == one_element) factor(1) = 2.1;
    if (mistake == irreproducible) factor(0) += 1e-9 * (++calls % 2);
    return x * dy * factor;
  }
};
/// Two results; without zeros in the place of what does not come, backward makes something up.
struct two_results : st::function<two_results> {
  static inline bool makes_up = false;
  static auto forward(st::function_context& ctx, const st::tensor<double, st::rank<1>>& x) {
    ctx.set_materialize_grads(!makes_up);
    return std::tuple(x * 2, x * 3);
  }
  static st::variable<double, st::rank<1>> backward(st::function_context&, const st::variable<double, st::rank<1>>& a, const st::variable<double, st::rank<1>>& b) {
    if (!b.defined()) return a * 2 + 1e-7;
    if (!a.defined()) return b * 3;
    return a * 2 + b * 3;
  }
};
st::variable<double, st::rank<1>> three() { return st::array<double>({0.5, -1.5, 2}); }
const auto square = [](const auto& x) { return mistaken::apply(x); };
}  // namespace

TEST_CASE("a wrong gradient is found in each mode, and the report says where") {
  const auto x = three();
  for (bool fast : {false, true}) {
    INFO(fast);
    const st::gradcheck_options o{.fast_mode = fast};
    mistaken::mistake = mistaken::right;
    CHECK(st::gradcheck(square, x, o).ok);
    CHECK(st::gradgradcheck(square, x, o).ok);
    mistaken::mistake = mistaken::doubled;
    CHECK_FALSE(st::gradcheck(square, x, o));
    mistaken::mistake = mistaken::one_element;
    const auto report = st::gradcheck(square, x, o);
    CHECK_FALSE(report);
    CHECK_THAT(report.text, Catch::Contains("1 of 9 derivatives") && Catch::Contains("output 0, element [1] by input 0, element [1]") &&
                                Catch::Contains("analytical -3.15, numerical -3"));
    CHECK(report.worst == Approx(0.15));
    mistaken::mistake = mistaken::constant;  // right once, but the second derivative is lost
    CHECK(st::gradcheck(square, x, o));
    CHECK_FALSE(st::gradgradcheck(square, x, o));
    mistaken::mistake = mistaken::irreproducible;
    CHECK_THAT(st::gradcheck(square, x, o).text, Catch::Contains("two runs of backward differ"));
    CHECK(st::gradcheck(square, x, {.nondet_tol = 1e-6, .fast_mode = fast}));
    mistaken::mistake = mistaken::right;
  }
}

TEST_CASE("raise_exception turns the report into an error") {
  mistaken::mistake = mistaken::doubled;
  CHECK_THROWS_WITH(st::gradcheck(square, three(), {.raise_exception = true}), Catch::Contains("element [0]"));
  mistaken::mistake = mistaken::right;
}

TEST_CASE("several results, and results without a gradient") {
  const auto f = [](const auto& x) { return two_results::apply(x); };
  two_results::makes_up = false;
  CHECK(st::gradcheck(f, three()));
  two_results::makes_up = true;
  const auto report = st::gradcheck(f, three());
  CHECK_THAT(report.text, Catch::Contains("output 0 and none for the others"));
  CHECK(st::gradcheck(f, three(), {.check_undefined_grad = false}));
}

TEST_CASE("inputs in any layout; those that want no gradient are passed on; overlapping ones are refused") {
  const auto f = [](const auto& x, const auto& t) { return x * t; };
  const auto constant = st::tensor<double, st::rank<1>>(st::array<double>({1, 2, 3}));
  auto wide = st::randn<double>({6});
  const st::variable<double, st::rank<1>> strided(st::tensor<double, st::rank<1>>(wide(st::slice(st::none, st::none, 2))), true), fixed(constant, false);
  CHECK(st::gradcheck(f, std::tuple(strided, fixed)));
  CHECK(st::gradgradcheck(f, std::tuple(strided, fixed), {.gen_non_contig_grad_outputs = true}));
  CHECK_THROWS_WITH(st::gradcheck(f, std::tuple(fixed, fixed)), Catch::Contains("no input requires"));
  const st::variable<double, st::rank<1>> overlapping(st::expand(st::full<double>({1}, 2.0), {3}), true);
  CHECK_THAT(st::gradcheck(f, std::tuple(overlapping, fixed)).text, Catch::Contains("stride 0 in dim 0"));
  const st::variable<double, st::rank<1>> empty(st::zeros<double>({0}), true), none(st::zeros<double>({0}), false);
  CHECK(st::gradcheck(f, std::tuple(empty, none)));
}

TEST_CASE("what does not pass a gradient on must not depend on its input") {
  CHECK_FALSE(st::gradcheck([](const auto& x) { return st::tensor<double, st::rank<1>>(x.detach() * 2); }, three()));
  CHECK(st::gradcheck([](const auto& x) { return st::sign(x); }, three()));
}

TEST_CASE("arithmetic") {
  st::variable a = samples(0.5, 2), b = samples(0.6, 3);
  check([](auto x, auto y) { return x * y - x / y + (-y) * x; }, a, b);
  check([](auto x, auto y) { return st::maximum(x, y) * st::minimum(x, y * y); }, a, b);
  check([](auto x) { return st::abs(x - 1.1) * x; }, a);
}
TEST_CASE("powers and exponentials") {
  st::variable a = samples(0.5, 2), b = samples(0.6, 3);
  check([](auto x, auto y) { return st::pow(x, y); }, a, b);
  check([](auto x) { return st::exp(x) * st::log(x) + st::sqrt(x) * st::rsqrt(x + 1); }, a);
}
TEST_CASE("activations") {
  st::variable a = samples(-2, 2);
  check([](auto x) { return st::tanh(x) * st::sigmoid(x); }, a);
  check([](auto x) { return st::relu(x) * x; }, a);
  check([](auto x) { return st::gelu(x) + st::silu(x); }, a);
}
TEST_CASE("where and comparisons") {
  st::variable a = samples(-2, 2), b = samples(-2, 2);
  check([](auto x, auto y) { return st::where(x > y, x * x * y, st::exp(y) * x); }, a, b);
}
TEST_CASE("reductions") {
  st::variable a = samples(-2, 2);
  check([](auto x) { return st::sum(x * x, 1) * st::mean(x, 1); }, a);
  check([](auto x) { return st::var(x, 0) * st::max(x, 0); }, a);
  check([](auto x) { return st::sum(x) * st::mean(x * x); }, a);
}
TEST_CASE("normalisations and losses") {
  st::variable a = samples(-2, 2);
  st::variable w = st::randn<double>({5}), b = st::randn<double>({5});
  auto t = st::array<st::int64>({4, 0, 2});
  check([](auto x) { return st::softmax(x, 1) * st::log_softmax(x, 0); }, a);
  check([](auto x, auto u, auto v) { return st::layer_norm(x, u, v) * x; }, a, w, b);
  check([&](auto x) { return st::cross_entropy(x, t); }, a);
  check([](auto x) { return st::mse_loss(x, x * x); }, a);
}
TEST_CASE("products") {
  st::variable a = samples(-2, 2), b = samples(-1, 1);
  st::variable v = st::randn<double>({5});
  check([](auto x, auto y) { return st::matmul(st::tanh(x), y); }, a, st::variable<double, st::rank<2>>(st::randn<double>({5, 2})));
  check([](auto x, auto y) { return st::matmul(x, y); }, a, v);
  st::variable p = st::randn<double>({2, 3, 4}), q = st::randn<double>({2, 4, 2});
  check([](auto x, auto y) { return st::matmul(x, y); }, p, q);
}

TEST_CASE("results that share elements with an input are compared as they were") {
  const st::variable x = st::array<double>({{1, 2}, {3, 4}});
  CHECK(st::gradcheck([](const auto& v) { return v; }, x));
  CHECK(st::gradcheck([](const auto& v) { return v.T(); }, x));
  CHECK(st::gradcheck([](const auto& v) { return v(0); }, x));
  CHECK(st::gradcheck([](const auto& v) { return std::tuple(v, st::eval(v * v)); }, x));
  CHECK_FALSE(st::gradcheck([](const auto& v) { return st::variable(v.detach(), true); }, x));
}

TEST_CASE("an infinite difference is no agreement") {
  const st::variable x = st::array<double>({1e-6});
  CHECK_FALSE(st::gradcheck([](const auto& v) { return st::log(v); }, x));
  CHECK_FALSE(st::gradcheck([](const auto& v) { return st::log(v); }, x, {.fast_mode = true}));
}
