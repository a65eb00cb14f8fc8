// SPDX-License-Identifier: BSD-3-Clause
// Normalisations as modules, and what they remember.
#include "../catch.hpp"
#include "../reference.hpp"

namespace st = sinter;
namespace nn = st::nn;
using namespace reference;

TEST_CASE("batch_norm in training: by the batch; in use: by what it has seen") {
  const sizes<3> n{4, 3, 5};
  const st::tensor x = 2 * samples<double>(n) + 1;
  nn::batch_norm<3, double> norm;
  st::variable y = norm(x);
  for (int64 c = 0; c < 3; ++c) {
    double mean = 0, var = 0;
    each(n, [&](auto i) { mean += i[1] == c ? x(i[0], c, i[2]) / 20 : 0; });
    each(n, [&](auto i) { var += i[1] == c ? std::pow(x(i[0], c, i[2]) - mean, 2) / 20 : 0; });
    CHECK(y.value()(2, c, 3) == Approx((x(2, c, 3) - mean) / std::sqrt(var + 1e-5)));
    CHECK(norm.running_mean(c) == Approx(0.1 * mean));
    CHECK(norm.running_var(c) == Approx(0.9 + 0.1 * var * 20 / 19));
  }
  CHECK(norm.num_batches_tracked.item() == 1);
  norm.eval();
  st::variable z = norm(x);
  CHECK(z.value()(1, 2, 4) == Approx((x(1, 2, 4) - norm.running_mean(2)) / std::sqrt(norm.running_var(2) + 1e-5)));
  CHECK(norm.num_batches_tracked.item() == 1);
  norm.train();
  CHECK_THROWS_AS(norm(st::zeros<double>({1, 3})), st::shape_error);
  CHECK_THROWS_AS(norm(st::zeros<double>({4, 2})), st::shape_error);
  CHECK(norm.state_dict().size() == 5);
}
TEST_CASE("batch_norm's gradient") {
  const sizes<2> n{6, 3};
  nn::batch_norm<3, double> norm;
  const auto weights = samples<double>(n, row_major, 5);
  auto loss = [&](const st::tensor<double, st::rank<2>>& at) {
    st::variable x = at;
    return st::variable(st::sum(norm(x) * weights)).item();
  };
  const st::tensor x = st::clone(samples<double>(n));
  st::variable v = x;
  st::variable y = st::sum(norm(v) * weights);
  y.backward();
  each(n, [&](auto i) {
    const double kept = x(i[0], i[1]);
    x(i[0], i[1]) = kept + 1e-5;
    const double up = loss(x);
    x(i[0], i[1]) = kept - 1e-5;
    const double down = loss(x);
    x(i[0], i[1]) = kept;
    CHECK(v.grad()(i[0], i[1]) == Approx((up - down) / 2e-5).margin(1e-7));
  });
  CHECK(norm.weight.grad().defined());
}
TEST_CASE("group_norm and rms_norm") {
  const sizes<3> n{2, 4, 3};
  const auto x = samples<double>(n, rotated);
  nn::group_norm<2, 4, double> norm;
  norm.weight.value().copy_(st::array<double>({1, 2, 3, 4}));
  st::variable y = norm(x);
  double mean = 0, var = 0;
  for (int64 c = 2; c < 4; ++c)
    for (int64 k = 0; k < 3; ++k) mean += x(1, c, k) / 6;
  for (int64 c = 2; c < 4; ++c)
    for (int64 k = 0; k < 3; ++k) var += std::pow(x(1, c, k) - mean, 2) / 6;
  CHECK(y.value()(1, 3, 0) == Approx(4 * (x(1, 3, 0) - mean) / std::sqrt(var + 1e-5)));
  nn::rms_norm<3, double> rms;
  st::variable z = rms(x);
  CHECK(z.value()(1, 1, 2) == Approx(x(1, 1, 2) / std::sqrt((x(1, 1, 0) * x(1, 1, 0) + x(1, 1, 1) * x(1, 1, 1) + x(1, 1, 2) * x(1, 1, 2)) / 3 + 1e-6)));
}
TEST_CASE("bilinear and flatten") {
  nn::bilinear<3, 4, 2, double> layer;
  const auto a = samples<double>(sizes<2>{5, 3}), b = samples<double>(sizes<2>{5, 4}, column_major, 1);
  st::variable y = layer(a, b);
  for (int64 o = 0; o < 2; ++o) {
    double s = layer.bias.value()(o);
    for (int64 i = 0; i < 3; ++i)
      for (int64 j = 0; j < 4; ++j) s += a(2, i) * layer.weight.value()(o, i, j) * b(2, j);
    CHECK(y.value()(2, o) == Approx(s));
  }
  st::variable t = st::sum(y);
  t.backward();
  double s = 0;
  for (int64 k = 0; k < 5; ++k) s += a(k, 1) * b(k, 2);
  CHECK(layer.weight.grad()(1, 1, 2) == Approx(s));
  CHECK(layer.bias.grad()(0) == 5);
  CHECK(nn::flatten{}(st::zeros<float>({2, 3, 4})).sizes() == st::index_list<2>(2, 12));
  CHECK(nn::flatten{}(st::zeros<float>({0, 3, 4})).sizes() == st::index_list<2>(0, 12));
}
