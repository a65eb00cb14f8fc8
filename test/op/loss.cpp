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
