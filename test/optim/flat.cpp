// SPDX-License-Identifier: BSD-3-Clause
#include "../catch.hpp"
#include "golden.hpp"

namespace st = sinter;
namespace nn = sinter::nn;

namespace {

auto net() { return nn::sequential{nn::linear<8, 32>{}, nn::tanh{}, nn::dropout{0.1}, nn::linear<32, 3>{}}; }

template <class Model, class Optimizer> double train_step(Model& model, Optimizer& o, const st::tensor<float, st::rank<2>>& x, const st::tensor<st::int64, st::rank<1>>& t) {
  o.zero_grad();
  st::variable loss = st::cross_entropy(model(x), t);
  loss.backward();
  o.step();
  return loss.item();
}

}  // namespace

TEST_CASE("earlier handles see what the optimizer does") {
  nn::linear<3, 2> fc;
  const auto weight = fc.weight;
  st::optim::sgd o{fc.parameters(), {.lr = 1}};
  st::variable loss = st::sum(fc(st::ones({1, 3})));
  const float before = weight.value()(0, 0);
  loss.backward();
  o.step();
  CHECK(weight.value()(0, 0) == Approx(before - 1));
  CHECK(fc.weight.data() == weight.data());
}

TEST_CASE("a step is one kernel, however many parameters there are") {
  auto model = net();
  st::optim::adam o{model.parameters()};
  const auto x = st::randn({16, 8});
  const auto t = st::randint(0, 3, {16});
  train_step(model, o, x, t);
  st::variable loss = st::cross_entropy(model(x), t);
  loss.backward();
  const st::uint64 before = st::counters().launches;
  o.step();
  CHECK(st::counters().launches == before + 1);
}

TEST_CASE("a gradient from before the optimizer counts, and gradients add up until zero_grad") {
  st::variable w = st::ones<double>({3});
  st::variable first = st::sum(w);
  first.backward();
  st::optim::sgd o{st::parameter_list{w}, {.lr = 1}};
  st::variable second = st::sum(2 * w);
  second.backward();
  o.step();
  CHECK(w.value()(1) == -2);
  o.zero_grad();
  CHECK_FALSE(w.grad().defined());
  o.step();
  CHECK(w.value()(1) == -2);
}

TEST_CASE("a parameter that was given other elements is taken back at the next step") {
  st::variable w = st::ones<double>({2});
  st::optim::sgd o{st::parameter_list{w}, {.lr = 1}};
  w.set_data(st::full<double>({2}, 5));
  st::variable loss = st::sum(w);
  loss.backward();
  o.step();
  CHECK(w.value()(0) == 4);
}

TEST_CASE("two optimizers may own one parameter") {
  st::variable w = st::ones<double>({2});
  st::optim::sgd a{st::parameter_list{w}, {.lr = 1}}, b{st::parameter_list{w}, {.lr = 10}};
  st::variable loss = st::sum(w);
  loss.backward();
  a.step();
  CHECK(w.value()(0) == 0);
  b.step();
  CHECK(w.value()(0) == -10);
}

TEST_CASE("options may change between steps") {
  st::variable w = st::ones<double>({1});
  st::optim::sgd o{st::parameter_list{w}, {.lr = 1}};
  st::variable loss = st::sum(w);
  loss.backward();
  o.step();
  o.options.lr = 0.5;
  o.step();
  CHECK(w.value()(0) == -0.5);
}

TEST_CASE("an optimizer without parameters is an error") {
  nn::relu nothing;
  CHECK_THROWS_AS(st::optim::sgd{nothing.parameters()}, st::error);
}

TEST_CASE("a loaded state continues as the saved one would have") {
  st::manual_seed(1);
  auto a = net();
  auto b = a.clone();
  const auto x = st::randn({16, 8});
  const auto t = st::randint(0, 3, {16});
  st::optim::adam oa{a.parameters(), {.lr = 0.01}};
  for (int i = 0; i < 3; ++i) train_step(a, oa, x, t);
  b.load_state_dict(a.state_dict());
  st::optim::adam ob{b.parameters(), {.lr = 0.01}};
  ob.load_state_dict(oa.state_dict());
  CHECK(oa.state_dict().contains("0.exp_avg"));
  const auto key = st::default_generator().state();
  train_step(a, oa, x, t);
  st::default_generator().set_state(key);
  train_step(b, ob, x, t);
  const auto pa = a.parameters(), pb = b.parameters();
  for (std::size_t i = 0; i < pa.size(); ++i)
    CHECK(std::memcmp(pa[i].value().data(), pb[i].value().data(), sizeof(float) * static_cast<std::size_t>(pa[i].numel())) == 0);
}

TEST_CASE("a state of other shapes is refused") {
  st::variable w = st::ones<double>({2}), v = st::ones<double>({3});
  st::optim::adam a{st::parameter_list{w}}, b{st::parameter_list{v}};
  st::variable loss = st::sum(w);
  loss.backward();
  a.step();
  CHECK_THROWS_AS(b.load_state_dict(a.state_dict()), st::shape_error);
}

TEST_CASE("a thousand steps take no memory after the second") {
  st::manual_seed(2);
  auto model = net();
  st::optim::adam o{model.parameters(), {.lr = 0.01}};
  const auto x = st::randn({16, 8});
  const auto t = st::randint(0, 3, {16});
  const double first = train_step(model, o, x, t);
  train_step(model, o, x, t);
  const auto before = st::memory_stats();
  const st::uint64 misses = st::counters().allocator_misses, calls = st::counters().system_allocations;
  double last = 0;
  for (int i = 0; i < 1000; ++i) last = train_step(model, o, x, t);
  const auto after = st::memory_stats();
  CHECK(st::counters().allocator_misses == misses);
  CHECK(st::counters().system_allocations == calls);
  CHECK(after.reserved == before.reserved);
  CHECK(after.allocated == before.allocated);
  CHECK(after.peak == before.peak);
  CHECK(last < first / 2);
}

TEST_CASE("parameters of one optimizer count their versions apart") {
  const st::variable w1 = st::ones<double>({2}), w2 = st::full<double>({2}, 3.0);
  st::optim::sgd o{st::parameter_list{w1, w2}, {.lr = 0.5}};
  const st::variable z = st::sum(w2 * w2);
  {
    const st::no_grad off;
    w1 += 1.0;
  }
  z.backward();
  CHECK(w2.grad()(0) == 6);
  const st::variable again = st::sum(w2 * w2);
  o.step();
  CHECK_THROWS_AS(again.backward(), st::version_error);
}
