// SPDX-License-Identifier: BSD-3-Clause
#include "../catch.hpp"

#include <sinter/sinter.hpp>

namespace st = sinter;
namespace nn = sinter::nn;

TEST_CASE("a convolution layer computes what the function does, and names its parameters as PyTorch") {
  nn::conv2d<4, 6> c{{3, 2}, {.stride = 2, .padding = 1, .groups = 2}};
  CHECK(c.weight.sizes() == st::index_list<4>{6, 2, 3, 2});
  const auto names = c.named_parameters();
  REQUIRE(names.size() == 2);
  CHECK(names[0].name == "weight");
  CHECK(names[1].name == "bias");
  const auto x = st::randn<float>({2, 4, 8, 8});
  st::variable y = st::relu(c(x)), z = st::relu(st::conv2d(x, c.weight, c.bias, {.stride = 2, .padding = 1, .groups = 2}));
  CHECK(y.sizes() == st::index_list<4>{2, 6, 4, 5});
  st::tensor same = st::all(y.value() == z.value());
  CHECK(same.item());
  for (st::int64 i = 0; i < c.weight.numel(); ++i) CHECK(std::abs(c.weight.data()[i]) <= 1 / std::sqrt(12.0f));
}
TEST_CASE("a transposed layer undoes the extents of a strided one; one without bias has one parameter") {
  nn::conv1d<2, 4> down{4, {.stride = 2, .padding = 1}};
  nn::conv_transpose1d<4, 2, float, false> up{4, {.stride = 2, .padding = 1}};
  CHECK(up.weight.sizes() == st::index_list<3>{4, 2, 4});
  CHECK(up.named_parameters().size() == 1);
  st::variable y = up(st::tanh(down(st::randn<float>({3, 2, 10}))));
  CHECK(y.sizes() == st::index_list<3>{3, 2, 10});
  st::variable loss = st::sum(y);
  loss.backward();
  CHECK(down.weight.grad().sizes() == down.weight.sizes());
}
TEST_CASE("what is no layer is said when it is made") {
  CHECK_THROWS_AS((nn::conv2d<4, 6>{3, {.groups = 3}}), st::shape_error);
  CHECK_THROWS_AS((nn::conv2d<4, 6>{0}), st::shape_error);
}
