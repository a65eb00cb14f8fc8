// SPDX-License-Identifier: BSD-3-Clause
#include "../catch.hpp"

#include <array>

#include <sinter/sinter.hpp>

namespace st = sinter;
namespace nn = sinter::nn;

namespace {

struct block : nn::module<block> {
  nn::linear<4, 4> fc;
  nn::dropout drop{0.5};
  st::tensor<float, st::rank<1>> seen = st::zeros({4});
  auto members() { return nn::members("fc", fc, "drop", drop, "seen", seen); }
  auto forward(auto&& x) { return drop(st::relu(fc(static_cast<decltype(x)&&>(x)))); }
};
struct net : nn::module<net> {
  std::array<block, 2> blocks;
  nn::sequential<nn::linear<4, 3>, nn::relu> head;
  st::param<float, 3> scale{st::ones(st::shape<3>)};
  auto members() { return nn::members("blocks", blocks, "head", head, "scale", scale); }
  auto forward(auto&& x) { return head(blocks[1](blocks[0](static_cast<decltype(x)&&>(x)))) * scale; }
};
struct tied : nn::module<tied> {
  nn::linear<4, 4> a, b;
  tied() { b.weight = a.weight; }
  auto members() { return nn::members("a", a, "b", b); }
};
struct plain {
  nn::linear<4, 2> fc;
  auto members() { return nn::members("fc", fc); }
  auto forward(auto&& x) const { return fc(static_cast<decltype(x)&&>(x)); }
};

template <class List> std::string names(const List& list) {
  std::string all;
  for (const auto& [name, value] : list) all += (all.empty() ? "" : " ") + name;
  return all;
}

}  // namespace

TEST_CASE("parameters have PyTorch's names, in the order of the members") {
  net n;
  CHECK(names(n.named_parameters()) ==
        "blocks.0.fc.weight blocks.0.fc.bias blocks.1.fc.weight blocks.1.fc.bias head.0.weight head.0.bias scale");
  CHECK(n.parameters().numel() == 2 * 20 + 15 + 3);
}

TEST_CASE("tensors among the members are buffers") {
  net n;
  CHECK(names(n.named_buffers()) == "blocks.0.seen blocks.1.seen");
}

TEST_CASE("a tied parameter is listed once") {
  tied t;
  CHECK(names(t.named_parameters()) == "a.weight a.bias b.bias");
  CHECK(t.parameters().size() == 3);
}

TEST_CASE("train and eval reach every module") {
  net n;
  n.eval();
  CHECK_FALSE(n.training);
  CHECK_FALSE(n.blocks[1].drop.training);
  CHECK_FALSE(n.head.get<1>().training);
  n.train();
  CHECK(n.blocks[0].drop.training);
}

TEST_CASE("calling a module calls forward") {
  plain p;
  net n;
  n.eval();
  auto x = st::randn({5, 4});
  st::variable y = n(x);
  CHECK(y.sizes() == st::index_list<2>{5, 3});
  st::variable z = p.forward(x);
  CHECK(z.sizes() == st::index_list<2>{5, 2});
}

TEST_CASE("a plain struct with members() is a module, through the free functions") {
  plain p;
  CHECK(names(nn::named_parameters(p)) == "fc.weight fc.bias");
  CHECK(nn::state_dict(p).size() == 2);
  nn::eval(p);
  CHECK_FALSE(p.fc.training);
}

TEST_CASE("a copy of a module shares its parameters") {
  plain p;
  plain q = p;
  nn::constant_(p.fc.weight, 7);
  CHECK(q.fc.weight.value()(1, 1) == 7);
}

TEST_CASE("a clone has its own") {
  net n;
  nn::constant_(n.scale, 2);
  net c = n.clone();
  nn::constant_(n.scale, 7);
  n.blocks[0].seen(0) = 1;
  CHECK(c.scale.value()(0) == 2);
  CHECK(c.blocks[0].seen(0) == 0);
  CHECK(c.scale.requires_grad());
}

TEST_CASE("what is tied in a module is tied in its clone") {
  tied t;
  tied c = t.clone();
  CHECK(c.parameters().size() == 3);
  CHECK(c.a.weight.data() == c.b.weight.data());
  CHECK(c.a.weight.data() != t.a.weight.data());
}

TEST_CASE("zero_grad forgets the gradients of all parameters") {
  net n;
  st::variable loss = st::sum(n(st::randn({2, 4})));
  loss.backward();
  CHECK(n.scale.grad().defined());
  n.zero_grad();
  for (const auto& p : n.parameters()) CHECK_FALSE(p.grad().defined());
}
