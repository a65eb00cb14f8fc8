// SPDX-License-Identifier: BSD-3-Clause
// Device tensors: with a device, what the CPU computes; without one, a clear error.
#include "../catch.hpp"

#include <cstdio>
#include <sinter/cuda/tensor.hpp>
#include <sinter/sinter.hpp>

namespace st = sinter;

namespace {
template <class X, class Y> double difference(const X& device, const Y& host) {
  const st::tensor a = st::to(device, st::cpu);
  const st::tensor most = st::max(st::abs(a - host));
  return static_cast<double>(most.item());
}
}  // namespace

TEST_CASE("without a device, using one says so") {
  if (st::device_count()) return;
  const auto x = st::ones<float>({2, 3});
  CHECK_THROWS_AS(st::to(x, st::cuda), st::device_error);
  CHECK_THROWS_WITH(st::to(x, st::cuda), contains("no CUDA device"));
}
TEST_CASE("expressions on a device") {
  if (!st::device_count()) {
    std::puts("skipped: no CUDA device");
    return;
  }
  const auto x = st::randn<float>({130, 700}), w = st::randn<float>({700, 33});
  const auto b = st::randn<float>({700});
  const auto gx = st::to(x, st::cuda), gw = st::to(w, st::cuda);
  const auto gb = st::to(b, st::cuda);
  using st::detail::device::evaluate;
  CHECK(difference(gx, x) == 0);
  CHECK(difference(evaluate(st::tanh(2 * gx + gb)), st::tanh(2 * x + b)) < 1e-6);
  CHECK(difference(evaluate(st::softmax(gx, 1)), st::softmax(x, 1)) < 1e-6);
  CHECK(difference(evaluate(st::softmax(gx, 0)), st::softmax(x, 0)) < 1e-6);
  CHECK(difference(evaluate(st::layer_norm(gx, gb, gb)), st::layer_norm(x, b, b)) < 1e-4);
  CHECK(difference(evaluate(st::sum(gx, 0)), st::sum(x, 0)) < 1e-3);
  CHECK(difference(evaluate(st::sum(gx, 1)), st::sum(x, 1)) < 1e-3);
  CHECK(difference(evaluate(st::argmax(gx, 1)), st::argmax(x, 1)) == 0);
  const st::tensor z = st::complex(x, st::flip(x, {0}));
  const auto gz = st::to(z, st::cuda);
  CHECK(difference(evaluate(st::exp(gz * st::complex64(0, 1)) / (gz + 3)), st::exp(z * st::complex64(0, 1)) / (z + 3)) < 1e-4);
  CHECK(difference(evaluate(st::sum(gz * st::conj(gz), 1)), st::sum(z * st::conj(z), 1)) < 1e-1);
  CHECK(difference(evaluate(st::matmul(gz, gw)), st::matmul(z, w)) < 1e-3);
  CHECK(difference(evaluate(st::relu(st::matmul(gx, gw))), st::relu(st::matmul(x, w))) < 1e-3);
}
