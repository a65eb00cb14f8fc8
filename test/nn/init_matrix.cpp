// SPDX-License-Identifier: BSD-3-Clause
#include "../catch.hpp"

#include <sinter/sinter.hpp>

namespace st = sinter;
namespace nn = sinter::nn;

namespace {
/// How far the rows (or columns) of t, as a matrix, are from orthogonal with the given length.
template <class X> double error_of(const X& t, bool by_rows, double length) {
  const st::int64 rows = t.size(0), cols = t.numel() / rows, n = by_rows ? rows : cols, m = by_rows ? cols : rows;
  const auto at = [&](st::int64 v, st::int64 i) { return static_cast<double>(t.data()[by_rows ? v * cols + i : i * cols + v]); };
  double worst = 0;
  for (st::int64 a = 0; a < n; ++a)
    for (st::int64 b = 0; b < n; ++b) {
      double dot = 0;
      for (st::int64 i = 0; i < m; ++i) dot += at(a, i) * at(b, i);
      worst = std::max(worst, std::abs(dot - (a == b ? length * length : 0)));
    }
  return worst;
}
}  // namespace

TEST_CASE("eye_ is the identity, as far as a matrix goes") {
  st::variable w = st::full<float>({2, 3}, 7);
  nn::eye_(w);
  const auto v = w.value();
  CHECK(v(0, 0) == 1);
  CHECK(v(1, 1) == 1);
  st::tensor total = st::sum(v);
  CHECK(total.item() == 2);
}

TEST_CASE("dirac_ hands on the channels of its input") {
  auto line = st::full<float>({4, 2, 3}, 7);
  nn::dirac_(line);
  CHECK(line(0, 0, 1) == 1);
  CHECK(line(1, 1, 1) == 1);
  st::tensor total = st::sum(line);
  CHECK(total.item() == 2);
  auto grouped = st::zeros({4, 2, 3});
  nn::dirac_(grouped, 2);
  CHECK(grouped(2, 0, 1) == 1);
  CHECK(grouped(3, 1, 1) == 1);
  auto plane = st::zeros({2, 3, 4, 5});
  nn::dirac_(plane);
  CHECK(plane(1, 1, 2, 2) == 1);
  auto space = st::zeros({1, 1, 3, 2, 5});
  nn::dirac_(space);
  CHECK(space(0, 0, 1, 1, 2) == 1);
  auto none = st::zeros({0, 3, 3});
  nn::dirac_(none);
  CHECK_THROWS_AS(nn::dirac_(line, 3), st::error);
  CHECK_THROWS_AS(nn::dirac_(line, 0), st::error);
}

TEST_CASE("orthogonal_ has orthonormal rows, or columns where there are more rows") {
  auto wide = st::zeros<double>({30, 50}), tall = st::zeros<double>({50, 30}), square = st::zeros<double>({40, 40});
  nn::orthogonal_(wide);
  nn::orthogonal_(tall, 3);
  nn::orthogonal_(square);
  CHECK(error_of(wide, true, 1) < 1e-14);
  CHECK(error_of(tall, false, 3) < 1e-13);
  CHECK(error_of(square, true, 1) < 1e-14);
  CHECK(error_of(square, false, 1) < 1e-14);
}

TEST_CASE("orthogonal_ of float, of kernels, of views, of nothing") {
  st::variable kernel = st::zeros<float>({8, 4, 3, 3});
  nn::orthogonal_(kernel);
  CHECK(error_of(kernel.value(), true, 1) < 1e-6);
  auto all = st::zeros<double>({6, 20});
  const auto view = all(st::full_extent, st::slice(0, 20, 2));
  nn::orthogonal_(view);
  CHECK(error_of(st::clone(view), true, 1) < 1e-14);
  CHECK(all(3, 1) == 0);
  auto none = st::zeros({0, 5});
  nn::orthogonal_(none);
  CHECK(none.numel() == 0);
}

TEST_CASE("orthogonal_ favours no sign and no direction") {
  st::manual_seed(3);
  double mean = 0, square = 0;
  const int draws = 2000;
  for (int i = 0; i < draws; ++i) {
    auto t = st::zeros<double>({3, 3});
    nn::orthogonal_(t);
    mean += t(2, 2) / draws, square += t(2, 2) * t(2, 2) / draws;
  }
  CHECK(std::abs(mean) < 0.05);
  CHECK(square == Approx(1.0 / 3).epsilon(0.1));
}

TEST_CASE("sparse_ leaves out the same number of elements in each column") {
  auto t = st::full<double>({25, 40}, 7);
  nn::sparse_(t, 0.1, 2);
  double square = 0;
  bool differ = false;
  for (st::int64 c = 0; c < 40; ++c) {
    int zeros = 0;
    for (st::int64 r = 0; r < 25; ++r) {
      zeros += t(r, c) == 0;
      square += t(r, c) * t(r, c);
      differ = differ || (t(r, c) == 0) != (t(r, 0) == 0);
    }
    CHECK(zeros == 3);  // 2.5 rounded up
  }
  CHECK(differ);
  CHECK(square / (22 * 40) == Approx(4).epsilon(0.2));
  CHECK_THROWS_AS(nn::sparse_(t, 1.5), st::error);
  CHECK_THROWS_AS(nn::sparse_(t, 0.5, -1), st::error);
  nn::sparse_(t, 1);
  CHECK(t(7, 7) == 0);
}
