// SPDX-License-Identifier: BSD-3-Clause
#include "../catch.hpp"

#include <sinter/autograd/gradcheck.hpp>
#include <sinter/sinter.hpp>

namespace st = sinter;
namespace nn = sinter::nn;

TEST_CASE("linear computes x weight^T + bias") {
  nn::linear<3, 2> fc;
  fc.weight.value().copy_(st::array<float>({{1, 2, 3}, {-1, 0, 2}}));
  fc.bias.value().copy_(st::array<float>({10, 20}));
  st::variable y = fc(st::array<float>({{1, 0, 0}, {0, 1, 1}}));
  CHECK(y.value()(0, 0) == 11);
  CHECK(y.value()(0, 1) == 19);
  CHECK(y.value()(1, 0) == 15);
  CHECK(y.value()(1, 1) == 22);
}

TEST_CASE("linear takes vectors and batches of any rank") {
  nn::linear<3, 2, double> fc;
  const auto x = st::randn<double>({4, 5, 3});
  st::variable all = fc(x);
  CHECK(all.sizes() == st::index_list<3>{4, 5, 2});
  st::variable one = fc(x(3, 2));
  CHECK(one.sizes() == st::index_list<1>{2});
  CHECK(all.value()(3, 2, 1) == Approx(one.value()(1)));
}

TEST_CASE("linear without bias has one parameter") {
  nn::linear<3, 2, float, false> fc;
  CHECK(fc.named_parameters().size() == 1);
  st::variable y = fc(st::zeros({1, 3}));
  CHECK(y.value()(0, 1) == 0);
}

TEST_CASE("a linear layer with its activation is one contraction") {
  nn::linear<3, 2> fc;
  auto e = st::relu(fc(st::zeros({4, 3})));
  using P = st::detail::program_of<decltype(e)>;
  CHECK(st::detail::schedule_of<P>.count == 1);
}

TEST_CASE("the gradients of linear are those of finite differences") {
  st::variable x = st::randn<double>({4, 3}), w = st::randn<double>({2, 3});
  st::variable b = st::randn<double>({2});
  const auto report = st::gradcheck([](auto i, auto j, auto k) { return st::tanh(st::linear(i, j, k)); }, std::tuple(x, w, b));
  INFO(report.text);
  CHECK(report.ok);
}

TEST_CASE("weights and bias start uniform in +-1/sqrt(In), as in PyTorch") {
  nn::linear<100, 200> fc;
  double low = 1, high = -1, sum = 0;
  for (st::int64 i = 0; i < fc.weight.numel(); ++i) {
    const double v = fc.weight.data()[i];
    low = std::min(low, v), high = std::max(high, v), sum += v;
  }
  CHECK(low >= -0.1);
  CHECK(low < -0.0999);
  CHECK(high <= 0.1);
  CHECK(high > 0.0999);
  CHECK(std::abs(sum / 20000) < 0.002);
}

TEST_CASE("the first values depend on the seed alone") {
  st::generator a(3), b(3), c(4);
  nn::linear<3, 2> x(a), y(b), z(c);
  CHECK(x.weight.value()(1, 2) == y.weight.value()(1, 2));
  CHECK(x.weight.value()(1, 2) != z.weight.value()(1, 2));
}
