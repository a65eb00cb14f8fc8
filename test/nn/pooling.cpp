// SPDX-License-Identifier: BSD-3-Clause
#include <sinter/nn/pooling.hpp>

#include "../catch.hpp"

#include <sinter/sinter.hpp>

namespace st = sinter;
namespace nn = sinter::nn;

TEST_CASE("pooling layers compute what the functions do, between other layers, without parameters") {
  nn::sequential net{nn::conv2d<1, 2>{3, {.padding = 1}}, nn::max_pool2d{3, {.stride = 2, .padding = 1}}, nn::avg_pool2d{{1, 2}}, nn::adaptive_avg_pool2d{{2, st::keep_size}}, nn::flatten{}};
  CHECK(net.parameters().size() == 2);
  st::variable y = net(st::randn<float>({3, 1, 8, 12}));
  CHECK(y.sizes() == st::index_list<2>{3, 2 * 2 * 3});
  st::variable loss = st::sum(y);
  loss.backward();
  CHECK(net.parameters()[0].numel() == 18);
  const st::tensor x = st::reshape(st::arange<float>(6), {1, 6});
  CHECK(nn::max_pool1d{2}(x)(0, 2) == 5);
  CHECK(nn::adaptive_max_pool1d{2}(x)(0, 0) == 2);
  CHECK(nn::avg_pool3d{{1, 1, 2}}(st::reshape(x, {1, 1, 1, 6}))(0, 0, 0, 1) == 2.5);
}
