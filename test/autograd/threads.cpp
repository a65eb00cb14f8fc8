// SPDX-License-Identifier: BSD-3-Clause
#include <sinter/autograd/checkpoint.hpp>
#include <sinter/autograd/function.hpp>
#include <sinter/autograd/saved_tensors.hpp>
#include <sinter/nn/nn.hpp>
#include <sinter/optim/optim.hpp>
#include <sinter/sinter.hpp>

#include <mutex>
#include <thread>
#include <vector>

#include "../catch.hpp"

namespace st = sinter;

namespace {
/// work(number) in several threads at once.
template <class F> void in_threads(int count, F work) {
  std::vector<std::thread> threads;
  for (int i = 0; i < count; ++i) threads.emplace_back([=] { work(i); });
  for (auto& t : threads) t.join();
}
struct line : st::nn::module<line> {
  st::nn::linear<2, 1, double> layer;
  auto members() { return st::nn::members("layer", layer); }
  auto forward(const auto& x) const { return layer(x); }
};
}  // namespace

TEST_CASE("threads record and differentiate graphs of their own over shared parameters") {
  const st::variable w = st::array<double>({1, 2, 3});
  constexpr int threads = 4, rounds = 200;
  in_threads(threads, [&](int i) {
    const auto x = st::full<double>({3}, i + 1);
    for (int r = 0; r < rounds; ++r) {
      st::variable h = w * x;
      st::variable y = st::sum(h * h);
      y.backward();
    }
  });
  // sum over threads of rounds 2 w x^2: x = 1 .. 4
  for (int k = 0; k < 3; ++k) CHECK(w.grad()(k) == rounds * 2.0 * (k + 1) * (1 + 4 + 9 + 16));
}

TEST_CASE("several walks through one graph at a time") {
  const st::variable x = st::array<double>({1, 2, 3});
  st::variable h = x;
  for (int i = 0; i < 20; ++i) h = st::eval(h * x);
  const st::variable y = st::sum(h);
  y.backward(true);
  const double one = x.grad()(1);
  x.zero_grad();
  constexpr int threads = 4, rounds = 50;
  in_threads(threads, [&](int) {
    for (int r = 0; r < rounds; ++r) y.backward(true);
  });
  CHECK(x.grad()(1) == threads * rounds * one);
}

TEST_CASE("a step of one thread between another's forward and backward is no version error where each has a replica (Hogwild)") {
  line shared;
  shared.layer.weight.value().copy_(st::array<double>({{1, 2}}));
  const st::tensor x = st::array<double>({{3, 4}});
  const auto loss_of = [&](line& m) { return st::eval(st::sum(m(x)) * st::sum(m.layer.weight * m.layer.weight)); };
  auto mine = st::nn::replicate(shared), other = st::nn::replicate(shared);
  CHECK(mine.layer.weight.data() == shared.layer.weight.data());
  const st::variable loss = loss_of(mine);
  const auto step = [&](line& m) {
    const st::variable l = loss_of(m);
    l.backward();
    const st::no_grad off;
    m.layer.weight.copy_(m.layer.weight - 0.125 * m.layer.weight.grad());
  };
  std::thread(step, std::ref(other)).join();
  CHECK(shared.layer.weight.value()(0, 0) != 1);
  CHECK_FALSE(mine.layer.weight.grad().defined());
  loss.backward();
  CHECK(mine.layer.weight.grad().defined());
  // over one and the same variable it is one
  const st::variable l = loss_of(mine);
  step(mine);
  CHECK_THROWS_AS(l.backward(), st::version_error);
}

TEST_CASE("a replica stays with its model, whatever is rebound or optimized") {
  line model;
  auto other = st::nn::replicate(model);
  st::optim::sgd by{model.parameters(), {.lr = 0.5}};
  CHECK(other.layer.weight.data() == model.layer.weight.data());
  const double before = model.layer.weight.value()(0, 0);
  st::tensor t = model.layer.weight.variable_data();
  t = t * 2.0;
  CHECK(model.layer.weight.value()(0, 0) == before);
  const st::variable loss = st::sum(model.layer.weight);
  loss.backward();
  by.step();
  CHECK(other.layer.weight.value()(0, 0) == before - 0.5);
}

TEST_CASE("threads of replicas train one model") {
  line shared;
  const auto x = st::randn<double>({64, 2});
  const st::tensor y = st::tensor(st::matmul(x, st::array<double>({{2.0}, {-3.0}})) + 0.5);
  std::mutex writes;  // what is read may be written at any time; this test alone lets no two threads do so at once
  in_threads(4, [&](int) {
    auto mine = st::nn::replicate(shared);
    st::optim::sgd by{mine.parameters(), {.lr = 0.05}};
    for (int i = 0; i < 200; ++i) {
      const std::lock_guard lock(writes);
      by.zero_grad();
      const st::variable loss = st::mse_loss(mine(x), y);
      loss.backward();
      by.step();
    }
  });
  CHECK(shared.layer.weight.value()(0, 0) == Approx(2).margin(1e-6));
  CHECK(shared.layer.weight.value()(0, 1) == Approx(-3).margin(1e-6));
  CHECK(shared.layer.bias.value()(0) == Approx(0.5).margin(1e-6));
}

TEST_CASE("several walks at a time through packed values, a checkpoint, and custom functions") {
  struct cubed : st::function<cubed> {
    static auto forward(st::function_context& ctx, const st::tensor<double, st::rank<1>>& x) {
      ctx.save_for_backward(x);
      return st::tensor(x * x * x);
    }
    static auto backward(st::function_context& ctx, const st::variable<double, st::rank<1>>& dy) {
      const auto x = ctx.saved<double, 1>(0);
      return st::eval(3.0 * x * x * dy);
    }
  };
  using numbers = st::variable<double, st::rank<1>>;
  const numbers x = st::full<double>({100}, 0.5);
  numbers h = st::checkpoint([](const numbers& v) {
    const numbers a = st::sin(v), b = a * a;
    return numbers(st::tanh(b * a));
  }, x);
  {
    st::saved_tensors_hooks guard([](const st::any_tensor& t) { return t; }, [](const st::any_tensor& t) { return t; });
    h = st::eval(h * h * x);
  }
  const st::variable y = st::sum(cubed::apply(h));
  y.backward(true);
  const double one = x.grad()(1);
  x.zero_grad();
  constexpr int threads = 4, rounds = 25;
  in_threads(threads, [&](int) {
    for (int r = 0; r < rounds; ++r) y.backward(true);
  });
  CHECK(x.grad()(1) == Approx(threads * rounds * one));
}

TEST_CASE("each thread has modes of its own") {
  const st::no_grad here;
  bool there = false;
  std::thread([&] { there = st::is_grad_enabled(); }).join();
  CHECK(there);
  CHECK_FALSE(st::is_grad_enabled());
}
