// SPDX-License-Identifier: BSD-3-Clause
// Stages in a row on emulated blocks: totals, losses, contractions, against the CPU engine.
#include "on_device.hpp"

TEST_CASE("totals: all, per column, per row") {
  const auto x = st::randn<float>({130, 70});
  const auto cube = st::randn<double>({7, 40, 33});
  SAME(st::sum(x));
  SAME_WIDE(st::sum(x * x, 0));
  SAME(st::sum(x, 1));
  SAME(st::mean(x));
  SAME(st::max(cube));
  SAME(st::sum(cube, {0, 2}));
  SAME(st::sum(cube, 1));
  SAME(st::sum(st::arange<st::int64>(50000)));
  SAME(st::mean(st::softmax(x, 1) * x, 0));
}
TEST_CASE("cross_entropy on CUDA threads") {
  const auto x = st::randn<float>({50, 10}), wide = st::randn<float>({9, 700});
  const auto ten = st::randint(0, 10, {50}), many = st::randint(0, 700, {9});
  SAME(st::cross_entropy(x, ten));
  SAME(st::cross_entropy(wide, many));
}
TEST_CASE("NaN and empty operands on CUDA threads") {
  auto x = st::randn<float>({4, 40});
  x(2, 7) = st::lowest(0.f) * 0;
  SAME(st::max(x, 1));
  SAME(st::argmax(x, 1));
  const auto none = st::zeros<float>({0, 40}), no_row = st::zeros<float>({3, 0});
  SAME(none + 1);
  SAME(st::sum(none, 0));
  SAME(st::sum(no_row, 1));
  SAME(st::sum(none));
}
TEST_CASE("convolutions and their epilogues on CUDA threads") {
  const auto x = st::randn<float>({2, 4, 7, 6}), w = st::randn<float>({4, 2, 3, 2});
  const auto b = st::randn<float>({4});
  SAME_WIDE(st::relu(st::conv2d(x, w, b, {.stride = {2, 1}, .padding = 1, .dilation = {1, 2}, .groups = 2})));
  SAME(st::conv_transpose2d(x, w, {.stride = {3, 1}, .padding = 1, .output_padding = {2, 0}, .groups = 2}) * 2);
  const auto signal = st::randn<double>({3, 4, 9}), kernel = st::randn<double>({5, 4, 3});
  SAME(st::conv1d(signal, kernel, {.padding = "same"}));
}
TEST_CASE("contractions and their epilogues on CUDA threads") {
  const auto x = st::randn<float>({17, 40}), w = st::randn<float>({40, 23});
  const auto b = st::randn<float>({23}), v = st::randn<float>({40});
  const auto batch = st::randn<double>({3, 9, 40}), other = st::randn<double>({3, 40, 5});
  SAME(st::matmul(x, w));
  SAME(st::relu(st::matmul(x, w) + b));
  SAME(st::matmul(st::matmul(x, w) / 16, st::transpose(w, 0, 1)));
  SAME(st::softmax(st::matmul(x, w), 1));
  SAME(st::matmul(x, v));
  SAME(st::matmul(batch, other) * 2);
}
