// SPDX-License-Identifier: BSD-3-Clause
// Map and row kernels on emulated blocks against the CPU engine: the same expression, the same numbers.
#include "on_device.hpp"

TEST_CASE("element-wise kernels on CUDA threads") {
  const auto x = st::randn<float>({37, 65}), y = st::randn<float>({37, 65});
  const auto b = st::randn<float>({65});
  const auto c = st::randn<float>({37, 1});
  SAME_WIDE(st::tanh(2 * x + b));
  SAME(st::where(x > y, x * c, b - y));
  SAME(st::exp(st::transpose(x, 0, 1)) + st::transpose(y, 0, 1));
  SAME(x == x);
  const auto k = st::arange<st::int64>(24);
  SAME(k * 3 + 1);
  SAME(st::reshape(k, {2, 3, 4}) + st::reshape(k, {4, 3, 2})(st::slice(0, 1), st::slice(), st::slice(0, 1)));
}
TEST_CASE("row kernels: a block has a row") {
  const auto x = st::randn<float>({19, 1000});
  const auto w = st::randn<float>({1000}), b = st::randn<float>({1000});
  SAME_WIDE(st::softmax(x, 1));
  SAME(st::log_softmax(3 * x, 1));
  SAME_WIDE(st::layer_norm(x, w, b));
  SAME(st::argmax(x, 1));
  SAME(st::max(x, 1));
  SAME(st::var(x, 1));
}
TEST_CASE("row kernels: a thread has a row") {
  const auto x = st::randn<float>({300, 5}), t = st::randn<float>({70, 300});
  SAME(st::softmax(x, 1));
  SAME(st::softmax(t, 0));
  SAME(st::argmax(t, 0));
  SAME(st::argmax(x, 1));
  SAME(st::layer_norm(x));
}
