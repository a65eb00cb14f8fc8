// SPDX-License-Identifier: BSD-3-Clause
// cross_entropy and nll_loss by class numbers: ignored rows, numbers out of range, gradients, in one pass.
#include <sinter/expr/plan.hpp>
#include <sinter/sinter.hpp>

#include "../catch.hpp"
#include "../derivatives.hpp"
#include "../reference.hpp"

namespace st = sinter;
using namespace reference;

namespace {
using classes = st::tensor<int64, st::rank<1>>;
const st::tensor<double, st::rank<2>> x = st::array<double>({{0.5, -1, 2}, {1.5, 0.25, -0.75}, {-2, 1, 0.5}, {0, -0.5, 1.25}});
const st::tensor<double, st::rank<1>> w = st::array<double>({0.5, 1, 2});
const classes known = st::array<int64>({0, 2, 1, 1}), some = st::array<int64>({0, -100, 1, -100}), none = st::full<int64>({4}, -100);

/// The value of f(variable) and its gradient, element by element, are these.
template <class F> void check(F f, double value, std::vector<double> gradient) {
  st::variable v = st::clone(x);
  st::variable y = f(v);
  if (std::isnan(value)) CHECK(std::isnan(y.item()));
  else CHECK(y.item() == Approx(value));
  y.backward();
  for (int64 i = 0; i < 12; ++i) {
    CAPTURE(i);
    CHECK(v.grad()(i / 3, i % 3) == Approx(gradient[static_cast<std::size_t>(i)]).margin(1e-9));
  }
}
}  // namespace

TEST_CASE("cross_entropy is PyTorch's: mean over the rows that count, -100 ignored by default") {
  // printed by PyTorch 2.15
  check([](auto v) { return st::cross_entropy(v, known); }, 1.7388020359813416,
        {-0.206177402, 0.0097781433, 0.1963992586, 0.1796100853, 0.051459151, -0.2310692363, 0.0075147219, -0.099062776, 0.0915480541, 0.0490496761, -0.2202498676, 0.1712001915});
  check([](auto v) { return st::cross_entropy(v, some); }, 1.1229540994997202,
        {-0.4123548039, 0.0195562866, 0.3927985173, 0, 0, 0, 0.0150294438, -0.1981255519, 0.1830961081, 0, 0, 0});
  check([](auto v) { return st::cross_entropy(v, known, st::class_options{.ignore_index = 1}); }, 2.1609919530321906,
        {-0.4123548039, 0.0195562866, 0.3927985173, 0.3592201706, 0.102918302, -0.4621384726, 0, 0, 0, 0, 0, 0});
  check([](auto v) { return st::cross_entropy(v, some, w); }, 0.9168350337805746,
        {-0.2749032026, 0.0130375244, 0.2618656782, 0, 0, 0, 0.0200392584, -0.2641674026, 0.2441281442, 0, 0, 0});
  check([](auto v) { return st::cross_entropy(v, some, w, st::class_options{.label_smoothing = 0.1}); }, 1.022055501435807,
        {-0.2448902963, -0.0074463612, 0.2523366575, 0, 0, 0, 0.0092621349, -0.2130146371, 0.2037525021, 0, 0, 0});
  check([](auto v) { return st::cross_entropy(v, known, st::class_options{.label_smoothing = 0.1}); }, 1.722135369314675,
        {-0.1895107353, 0.00144481, 0.1880659253, 0.171276752, 0.0431258177, -0.2144025696, -0.0008186114, -0.0823961093, 0.0832147207, 0.0407163428, -0.2035832009, 0.1628668582});
  check([](auto v) { return st::cross_entropy(v, some, st::reduction_kind::sum); }, 2.2459081989994405,
        {-0.8247096079, 0.0391125733, 0.7855970346, 0, 0, 0, 0.0300588876, -0.3962511039, 0.3661922163, 0, 0, 0});
  const st::tensor rows = st::cross_entropy(x, some, w, st::class_options{.label_smoothing = 0.1}, st::reduction_kind::none);
  CHECK(rows(0) == Approx(0.9367430681057223));
  CHECK(rows(1) == 0);
  check([](auto v) { return st::nll_loss(st::log_softmax(v, 1), some); }, 1.1229540994997202,
        {-0.4123548039, 0.0195562866, 0.3927985173, 0, 0, 0, 0.0150294438, -0.1981255519, 0.1830961081, 0, 0, 0});
}
TEST_CASE("a loss of which all rows are ignored, or that has none, is NaN; its gradient is 0") {
  const std::vector<double> zeros(12, 0.0);
  check([](auto v) { return st::cross_entropy(v, none); }, std::nan(""), zeros);
  check([](auto v) { return st::cross_entropy(v, none, w); }, std::nan(""), zeros);
  check([](auto v) { return st::nll_loss(v, none); }, std::nan(""), zeros);
  check([](auto v) { return st::cross_entropy(v, none, st::reduction_kind::sum); }, 0, zeros);
  CHECK(std::isnan(st::tensor(st::cross_entropy(st::zeros<double>({0, 3}), st::zeros<int64>({0}))).item()));
  CHECK(std::isnan(st::tensor(st::cross_entropy(st::zeros<double>({3}), st::full<int64>({}, -100))).item()));
}
TEST_CASE("first and second derivatives of class losses with ignored rows") {
  check_rules([](auto v) { return st::cross_entropy(v, some); }, x);
  check_rules([](auto v) { return st::cross_entropy(v, some, w, st::class_options{.label_smoothing = 0.2}); }, x);
  check_rules([](auto v) { return st::nll_loss(v * v, some, w); }, x);
  check_rules([](auto v) { return st::square(st::cross_entropy(v, known, st::reduction_kind::none)); }, x);
}
TEST_CASE("a class out of range is an index_error that names it, before anything runs") {
  const auto bad = [](int64 c) { return classes(st::array<int64>({0, 2, c, 1})); };
  for (int64 c : {3, -1, -99, 1 << 20}) {
    CAPTURE(c);
    CHECK_THROWS_AS(st::tensor(st::cross_entropy(x, bad(c))), st::index_error);
    CHECK_THROWS_AS(st::tensor(st::cross_entropy(x, bad(c), w)), st::index_error);
    CHECK_THROWS_AS(st::tensor(st::cross_entropy(x, bad(c), st::class_options{.label_smoothing = 0.1})), st::index_error);
    CHECK_THROWS_AS(st::tensor(st::nll_loss(x, bad(c), st::reduction_kind::none)), st::index_error);
    st::variable v = st::clone(x);
    CHECK_THROWS_AS(st::variable(st::cross_entropy(v, bad(c))), st::index_error);
    CHECK_THROWS_AS(st::variable(2 * st::cross_entropy(st::tanh(v), bad(c)) + st::sum(v)), st::index_error);
  }
  CHECK_THROWS_WITH(st::tensor(st::cross_entropy(x, bad(7))), contains("class 7 (element 2 of the target) is out of range for 3 classes"));
  CHECK_NOTHROW(st::tensor(st::cross_entropy(x, bad(7), st::class_options{.ignore_index = 7})));
  CHECK_THROWS_AS(st::tensor(st::cross_entropy(x, some, st::class_options{.ignore_index = 1})), st::index_error);  // then -100 is no class
  auto y = st::zeros<double>({});
  CHECK_THROWS_AS(y.copy_(st::cross_entropy(x, bad(3))), st::index_error);
  CHECK(y.item() == 0);
}
TEST_CASE("targets of any integer type and layout, and computed ones, are looked at, too") {
  const auto bytes = st::array<st::uint8>({0, 2, 3, 1});
  CHECK_THROWS_WITH(st::tensor(st::cross_entropy(x, bytes)), contains("class 3 (element 2"));
  CHECK_THROWS_AS(st::tensor(st::cross_entropy(x, st::array<int>({0, 2, -5, 1}))), st::index_error);
  const st::tensor strided = st::array<int64>({{0, 9}, {2, 9}, {1, 9}, {1, 9}});
  CHECK(st::tensor(st::cross_entropy(x, strided(st::full_extent, 0))).item() == Approx(1.7388020359813416));
  CHECK_THROWS_AS(st::tensor(st::cross_entropy(x, strided(st::full_extent, 1))), st::index_error);
  const st::tensor from_one = known + 1;
  CHECK(st::tensor(st::cross_entropy(x, from_one - 1)).item() == Approx(1.7388020359813416));
  CHECK_THROWS_WITH(st::tensor(st::cross_entropy(x, known + 1)), contains("class 3 (element 1"));
  CHECK_THROWS_AS(st::tensor(st::cross_entropy(x, st::to<int64>(st::array<double>({0, 1, 2, 3})))), st::index_error);
  CHECK(std::isfinite(st::tensor(st::cross_entropy(x, st::argmax(x, 1))).item()));
  // one row, one class, images
  st::variable row = st::clone(st::tensor(st::narrow(x, 0, 0, 1)));
  CHECK_THROWS_AS(st::variable(st::cross_entropy(row, st::full<int64>({1}, 3))), st::index_error);
  CHECK_THROWS_AS(st::tensor(st::cross_entropy(st::zeros<double>({3}), st::full<int64>({}, 3))), st::index_error);
  CHECK_THROWS_AS(st::tensor(st::cross_entropy(st::zeros<double>({4, 1}), known)), st::index_error);
  const auto image = samples<float>(sizes<4>{2, 3, 4, 5});
  auto labels = st::randint<int64>(0, 3, {2, 4, 5});
  CHECK_NOTHROW(st::tensor(st::cross_entropy(image, labels)));
  labels(1, 2, 3) = 3;
  CHECK_THROWS_WITH(st::tensor(st::cross_entropy(image, labels)), contains("element 33"));
  labels(1, 2, 3) = -100;
  CHECK_NOTHROW(st::tensor(st::cross_entropy(image, labels)));
}
TEST_CASE("class numbers are one for each row, not broadcast") {
  CHECK_THROWS_AS(st::tensor(st::cross_entropy(x, st::array<int64>({1}))), st::shape_error);
  CHECK_THROWS_AS(st::tensor(st::nll_loss(x, st::array<int64>({0, 1, 2, 0, 1}))), st::shape_error);
  CHECK_THROWS_AS(st::tensor(st::cross_entropy(x, st::zeros<int64>({4, 3}))), st::shape_error);
}
TEST_CASE("a formula that is kept counts the rows of each run") {
  auto t = st::clone(known);
  const auto loss = st::lazy(st::cross_entropy(x, t));
  CHECK(st::tensor(loss).item() == Approx(1.7388020359813416));
  t.copy_(some);
  CHECK(st::tensor(loss).item() == Approx(1.1229540994997202));
  t(0) = 5;
  CHECK_THROWS_AS(st::tensor(loss), st::index_error);
}
TEST_CASE("a class loss of half counts its rows in float") {
  const int64 n = 5000;
  const st::tensor logits = st::full<st::half>({n, 2}, st::half(1.f));
  const auto t = st::zeros<int64>({n});
  CHECK(static_cast<float>(st::tensor(st::cross_entropy(logits, t)).item()) == Approx(std::log(2)).epsilon(1e-3));
  st::variable v = st::clone(logits);
  st::variable y = st::cross_entropy(v, t, st::reduction_kind::sum);
  static_assert(std::is_same_v<decltype(y)::value_type, st::half>);
  st::variable m = st::cross_entropy(v, t);
  m.backward();
  CHECK(static_cast<float>(v.grad()(4999, 1)) == Approx(0.5 / 5000).epsilon(1e-2));
}
TEST_CASE("class losses are one kernel forward and one backward, whatever their options") {
  st::variable v = st::clone(x);
  const auto launches = [&](auto f) {
    st::counters().reset();
    st::variable y = f(v);
    const st::uint64 forward = st::counters().launches;
    y.backward();
    return std::pair<st::uint64, st::uint64>(forward, st::counters().launches - forward);
  };
  const std::pair<st::uint64, st::uint64> one{1, 1};
  CHECK(launches([](auto u) { return st::cross_entropy(u, some); }) == one);
  CHECK(launches([](auto u) { return st::cross_entropy(u, some, st::class_options{.label_smoothing = 0.1}); }) == one);
  CHECK(launches([](auto u) { return st::cross_entropy(u, some, w); }) == one);
  CHECK(launches([](auto u) { return st::nll_loss(u, some); }) == one);
}
