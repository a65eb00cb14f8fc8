// SPDX-License-Identifier: BSD-3-Clause
// sort, argsort, topk.
#include <sinter/tensor/sort.hpp>

#include <cmath>

#include "../catch.hpp"

namespace st = sinter;
using st::int64;

TEST_CASE("sort keeps equals in order, and puts NaN last") {
  const double nan = std::nan("");
  const st::tensor x = st::array<double>({2, nan, 1, 2, -3, nan});
  const auto up = st::sort(x), down = st::sort(x, 0, true);
  const int64 want_up[] = {4, 2, 0, 3, 1, 5}, want_down[] = {1, 5, 0, 3, 2, 4};
  for (int64 i = 0; i < 6; ++i) {
    CHECK(up.indices(i) == want_up[i]);
    CHECK(down.indices(i) == want_down[i]);
  }
  CHECK(up.values(0) == -3);
  CHECK(std::isnan(up.values(5)));
  const st::tensor m = st::array<int>({{3, 1, 2}, {0, 5, 4}});
  CHECK(st::argsort(m, 0)(0, 0) == 1);
  CHECK(st::sort(m.T(), 0).values(2, 1) == 5);
  CHECK(st::sort(m * 2, 1, true).values(1, 0) == 10);
  CHECK(st::sort(st::zeros<int>({0, 3}), 0).values.numel() == 0);
  CHECK(st::sort(st::array<bool>({true, false})).values(1));
  CHECK_THROWS_AS(st::argsort(m, 2), st::index_error);
}
TEST_CASE("topk") {
  const st::tensor m = st::array<float>({{3, 1, 2}, {0, 5, 4}});
  const auto two = st::topk(m, 2);
  CHECK(two.values.sizes() == st::index_list<2>(2, 2));
  CHECK(two.values(1, 1) == 4);
  CHECK(two.indices(0, 1) == 2);
  CHECK(st::topk(m, 1, 0, false).indices(0, 0) == 1);
  CHECK(st::topk(m, 0).values.numel() == 0);
  CHECK_THROWS_AS(st::topk(m, 4), st::index_error);
  CHECK_THROWS_AS(st::topk(m, -1), st::index_error);
}
