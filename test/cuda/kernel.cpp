// SPDX-License-Identifier: BSD-3-Clause
// The CUDA kernels on emulated blocks against the CPU engine: the same expression, the same numbers.
#include "../catch.hpp"

#include <sinter/sinter.hpp>

#include "emulated_block.hpp"

namespace st = sinter;
namespace dev = st::detail::device;

namespace {

/// Evaluates expression x by CUDA kernels on the host.
template <class X> auto on_device(const X& x, bool wide = false) {
  using L = st::detail::lowered<X>;
  using P = typename L::program;
  st::detail::bound_operands<P::operand_count> host;
  st::detail::bind<st::native>(x, host);
  std::vector<dev::operand> leaves(P::operand_count + 1);
  for (int i = 0; i < P::operand_count; ++i) {
    dev::operand& to = leaves[static_cast<std::size_t>(i)];
    to.data = reinterpret_cast<st::uint64>(host.leaves[i].data), to.number = host.leaves[i].number, to.shape = host.leaves[i].shape;
    std::copy_n(host.leaves[i].strides, st::max_rank, to.strides);
  }
  st::tensor like = x;  // shape and strides
  auto out = st::full_like(like, 77);
  dev::operand result;
  result.data = reinterpret_cast<st::uint64>(out.data());
  result.shape.rank = out.rank;
  for (int d = 0; d < out.rank; ++d) result.shape[d] = out.sizes()[d], result.strides[d] = out.strides()[d];
  dev::run(dev::entry_of<P, dev::emulated>, dev::emulated_machine(&wide), leaves.data(), host.slots, &result)();
  return st::reshape(out, {-1});
}

/// Largest difference, relative to 1 + |value|; NaNs and infinities must be at the same places.
template <class T, class U> double difference(const T& a, const U& b) {
  const auto& x = a;
  auto y = st::reshape(b, {-1});
  double most = 0;
  for (st::int64 i = 0; i < x.numel(); ++i) {
    const double u = static_cast<double>(x(i)), v = static_cast<double>(y(i));
    if (u == v || (u != u && v != v)) continue;
    const double d = std::abs(u - v) / (1 + std::abs(v));
    most = d > most || d != d ? d : most;
  }
  return most;
}
#define SAME(...)                                                     \
  do {                                                                \
    st::tensor cpu = __VA_ARGS__;                                     \
    CHECK(difference(on_device(__VA_ARGS__), cpu) < 2e-6);            \
    CHECK(difference(on_device(__VA_ARGS__, true), cpu) < 2e-6);      \
  } while (false)

}  // namespace

TEST_CASE("element-wise kernels on CUDA threads") {
  const auto x = st::randn<float>({37, 65}), y = st::randn<float>({37, 65});
  const auto b = st::randn<float>({65});
  const auto c = st::randn<float>({37, 1});
  SAME(st::tanh(2 * x + b));
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
  SAME(st::softmax(x, 1));
  SAME(st::log_softmax(3 * x, 1));
  SAME(st::layer_norm(x, w, b));
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
TEST_CASE("totals: all, per column, per row") {
  const auto x = st::randn<float>({130, 70});
  const auto cube = st::randn<double>({7, 40, 33});
  SAME(st::sum(x));
  SAME(st::sum(x * x, 0));
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
TEST_CASE("contractions and their epilogues on CUDA threads") {
  const auto x = st::randn<float>({17, 40}), w = st::randn<float>({40, 23});
  const auto b = st::randn<float>({23}), v = st::randn<float>({40});
  const auto batch = st::randn<double>({3, 9, 40}), other = st::randn<double>({3, 40, 5});
  SAME(st::matmul(x, w));
  SAME(st::relu(st::matmul(x, w) + b));
  SAME(st::matmul(st::matmul(x, w), st::transpose(w, 0, 1)));
  SAME(st::softmax(st::matmul(x, w), 1));
  SAME(st::matmul(x, v));
  SAME(st::matmul(batch, other) * 2);
}
