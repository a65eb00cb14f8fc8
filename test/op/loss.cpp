// SPDX-License-Identifier: BSD-3-Clause
// mse_loss and cross_entropy.
#include "../catch.hpp"
#include "../reference.hpp"

namespace st = sinter;
using namespace reference;

TEST_CASE("mse_loss is the mean of squared differences") {
  const sizes<2> n{6, 19};
  auto a = samples<double>(n), b = samples<double>(n, flipped, 1);
  double s = 0;
  each(n, [&](auto i) { s += std::pow(at(a, i) - at(b, i), 2) / 114; });
  CHECK(st::tensor(st::mse_loss(a, b)).item() == Approx(s));
}
TEST_CASE("cross_entropy of logits against class numbers") {
  for (int64 classes : {1, 2, 10, 16, 37})
    for (int l = 0; l < layouts; ++l) {
      const sizes<2> n{13, classes};
      auto x = samples<double>(n, layout(l));
      auto t = tensor_of<st::int64>(sizes<1>{13}, row_major, [&](auto i) { return static_cast<double>(i[0] * 7 % classes) / 10; });
      double want = 0;
      for (int64 i = 0; i < 13; ++i) {
        double s = 0;
        for (int64 k = 0; k < classes; ++k) s += std::exp(at(x, sizes<2>{i, k}));
        want += (std::log(s) - at(x, sizes<2>{i, i * 7 % classes})) / 13;
      }
      CAPTURE(classes, l);
      CHECK(st::tensor(st::cross_entropy(x, t)).item() == Approx(want).margin(1e-12));
    }
}
TEST_CASE("targets broadcast over further dims") {
  const sizes<3> n{4, 5, 9};
  auto x = samples<float>(n);
  auto t = tensor_of<st::int64>(sizes<2>{4, 9}, row_major, [](auto i) { return static_cast<double>((i[0] + i[1]) % 5) / 10; });
  double want = 0;
  for (int64 i = 0; i < 4; ++i)
    for (int64 j = 0; j < 9; ++j) {
      double s = 0;
      for (int64 k = 0; k < 5; ++k) s += std::exp(static_cast<double>(at(x, sizes<3>{i, k, j})));
      want += (std::log(s) - static_cast<double>(at(x, sizes<3>{i, (i + j) % 5, j}))) / 36;
    }
  CHECK(static_cast<double>(st::tensor(st::cross_entropy(x, t)).item()) == Approx(want).epsilon(1e-5));
}

namespace {
const sizes<2> n{7, 5};
/// log softmax of row i at k.
double log_probability(const st::tensor<double, st::rank<2>>& x, int64 i, int64 k) {
  double s = 0;
  for (int64 j = 0; j < x.size(1); ++j) s += std::exp(x(i, j));
  return x(i, k) - std::log(s);
}
}  // namespace

TEST_CASE("element-wise losses, by their three reductions") {
  const auto a = samples<double>(n), b = samples<double>(n, flipped, 1);
  const st::tensor p = st::sigmoid(a), t = st::sigmoid(b), w = st::abs(a) + 0.5;
  auto check = [&](const char* name, auto none, auto sum, auto mean, auto f) {
    INFO(name);
    CHECK_ELEMENTS(st::tensor(none), n, f, 32);
    double s = 0;
    each(n, [&](auto i) { s += f(i); });
    CHECK(interpreted(sum).item() == Approx(s));  // the mean's kernel but for a division
    CHECK(st::tensor(mean).item() == Approx(s / 35));
  };
  using namespace st::reduction_kind;
  check("l1", st::l1_loss(a, b, none), st::l1_loss(a, b, sum), st::l1_loss(a, b), [&](auto i) { return std::abs(at(a, i) - at(b, i)); });
  check("mse", st::mse_loss(a, b, none), st::mse_loss(a, b, sum), st::mse_loss(a, b), [&](auto i) { return std::pow(at(a, i) - at(b, i), 2); });
  check("smooth l1", st::smooth_l1_loss(a, b, none, 0.7), st::smooth_l1_loss(a, b, sum, 0.7), st::smooth_l1_loss(a, b, mean, 0.7), [&](auto i) {
    const double e = std::abs(at(a, i) - at(b, i));
    return e < 0.7 ? e * e / 1.4 : e - 0.35;
  });
  check("huber", st::huber_loss(a, b, none, 0.7), st::huber_loss(a, b, sum, 0.7), st::huber_loss(a, b, mean, 0.7), [&](auto i) {
    const double e = std::abs(at(a, i) - at(b, i));
    return e <= 0.7 ? e * e / 2 : 0.7 * (e - 0.35);
  });
  auto cross = [&](auto i) { return -at(t, i) * std::log(at(p, i)) - (1 - at(t, i)) * std::log(1 - at(p, i)); };
  check("bce", st::binary_cross_entropy(p, t, none), st::binary_cross_entropy(p, t, sum), st::binary_cross_entropy(p, t), cross);
  check("bce, weighted", st::binary_cross_entropy(p, t, w, none), st::binary_cross_entropy(p, t, w, sum), st::binary_cross_entropy(p, t, w),
        [&](auto i) { return at(w, i) * cross(i); });
  check("bce of logits", st::binary_cross_entropy_with_logits(a, t, none), st::binary_cross_entropy_with_logits(a, t, sum),
        st::binary_cross_entropy_with_logits(a, t), cross);
  check("bce of logits, weighted", st::binary_cross_entropy_with_logits(a, t, w, none), st::binary_cross_entropy_with_logits(a, t, w, sum),
        st::binary_cross_entropy_with_logits(a, t, w),
        [&](auto i) { return -at(w, i) * at(t, i) * std::log(at(p, i)) - (1 - at(t, i)) * std::log(1 - at(p, i)); });
  check("kl_div", st::kl_div(a, t, none), st::kl_div(a, t, sum), st::kl_div(a, t), [&](auto i) { return at(t, i) * (std::log(at(t, i)) - at(a, i)); });
  check("kl_div of logarithms", st::kl_div(a, b, st::log_target, none), st::kl_div(a, b, st::log_target, sum), st::kl_div(a, b, st::log_target),
        [&](auto i) { return std::exp(at(b, i)) * (at(b, i) - at(a, i)); });
}
TEST_CASE("losses of certain predictions stay finite") {
  const st::tensor sure = st::array<double>({0, 1, 0, 1}), t = st::array<double>({0, 1, 1, 0});
  CHECK(st::tensor(st::binary_cross_entropy(sure, t, st::reduction_kind::none))(0) == 0);
  CHECK(st::tensor(st::binary_cross_entropy(sure, t, st::reduction_kind::none))(2) == 100);
  const st::tensor far = st::array<double>({-1000, 1000});
  st::variable x = st::clone(far);
  st::variable y = st::sum(st::binary_cross_entropy_with_logits(x, st::tensor(st::array<double>({0, 0})), st::reduction_kind::none));
  CHECK(y.item() == 1000);
  y.backward();
  CHECK(x.grad()(0) == 0);
  CHECK(x.grad()(1) == 1);
  CHECK(st::tensor(st::kl_div(far, st::tensor(st::array<double>({0, 1})), st::reduction_kind::sum)).item() == -1000);
}
TEST_CASE("cross_entropy with weights, smoothing and ignored classes") {
  const auto x = samples<double>(n, column_major);
  const st::tensor t = st::array<int64>({0, 4, 2, -100, 1, 4, 3});
  const st::tensor known = st::array<int64>({0, 4, 2, 4, 1, 4, 3});
  const st::tensor w = st::array<double>({0.5, 1, 2, 0.25, 1.5});
  auto mean = [&](bool weighted, double smoothing, const st::tensor<int64, st::rank<1>>& classes) {
    double loss = 0, smooth = 0, weights = 0;
    for (int64 i = 0; i < 7; ++i) {
      if (classes(i) == -100) continue;
      const double wi = weighted ? w(classes(i)) : 1;
      loss -= wi * log_probability(x, i, classes(i));
      for (int64 k = 0; k < 5; ++k) smooth -= (weighted ? w(k) : 1) * log_probability(x, i, k);
      weights += wi;
    }
    return ((1 - smoothing) * loss + smoothing / 5 * smooth) / weights;
  };
  CHECK(st::tensor(st::cross_entropy(x, known)).item() == Approx(mean(false, 0, known)));
  CHECK(st::tensor(st::cross_entropy(x, known, w)).item() == Approx(mean(true, 0, known)));
  CHECK(st::tensor(st::cross_entropy(x, t, st::class_options{})).item() == Approx(mean(false, 0, t)));
  CHECK(st::tensor(st::cross_entropy(x, t, w, st::class_options{})).item() == Approx(mean(true, 0, t)));
  CHECK(st::tensor(st::cross_entropy(x, t, {.label_smoothing = 0.1})).item() == Approx(mean(false, 0.1, t)));
  CHECK(st::tensor(st::cross_entropy(x, t, w, {.label_smoothing = 0.1})).item() == Approx(mean(true, 0.1, t)));
  const st::tensor l = st::log_softmax(x, 1);
  CHECK(st::tensor(st::nll_loss(l, known, w)).item() == Approx(mean(true, 0, known)));
  const st::tensor rows = st::cross_entropy(x, known, {.ignore_index = 4}, st::reduction_kind::none);
  CHECK(rows(1) == 0);
  CHECK(rows(2) == Approx(-log_probability(x, 2, 2)));
  // ignored rows have no gradient
  st::variable v = st::clone(x);
  st::variable y = st::cross_entropy(v, t, st::class_options{});
  y.backward();
  for (int64 k = 0; k < 5; ++k) {
    CHECK(v.grad()(3, k) == 0);
    CHECK(v.grad()(2, k) == Approx((std::exp(log_probability(x, 2, k)) - (k == 2)) / 6));
  }
  // one row without a batch
  const st::tensor first = x(0);
  CHECK(st::tensor(st::cross_entropy(first, st::full<int64>({}, 2))).item() == Approx(-log_probability(x, 0, 2)));
}
TEST_CASE("cross_entropy against probabilities") {
  const auto x = samples<double>(n), z = samples<double>(n, strided, 3);
  const st::tensor t = st::softmax(z, 1);
  const st::tensor w = st::array<double>({0.5, 1, 2, 0.25, 1.5});
  double plain = 0, smooth = 0;
  each(n, [&](auto i) {
    plain -= at(t, i) * log_probability(x, i[0], i[1]) / 7;
    smooth -= w(i[1]) * (0.9 * at(t, i) + 0.1 / 5) * log_probability(x, i[0], i[1]) / 7;
  });
  CHECK(st::tensor(st::cross_entropy(x, t)).item() == Approx(plain));
  CHECK(st::tensor(st::cross_entropy(x, t, w, {.label_smoothing = 0.1})).item() == Approx(smooth));
}
