// SPDX-License-Identifier: BSD-3-Clause
#include <sinter/func/module.hpp>
#include <sinter/nn/nn.hpp>
#include <sinter/sinter.hpp>

#include "../catch.hpp"

namespace st = sinter;

namespace {
struct net : st::nn::module<net> {
  st::nn::linear<3, 4, double> first;
  st::nn::linear<4, 2, double> second;
  auto members() { return st::nn::members("first", first, "second", second); }
  auto forward(const auto& x) const { return second(st::tanh(first(x))); }
};
struct noisy : st::nn::module<noisy> {
  st::nn::linear<3, 3, double, false> layer;
  st::nn::batch_norm<3, double> norm;
  auto members() { return st::nn::members("layer", layer, "norm", norm); }
  auto forward(const auto& x) { return norm(st::eval(layer(x))); }
};
struct scaled : st::nn::module<scaled> {
  st::variable<double, st::rank<1>> scale = st::array<double>({1, 2});
  auto members() { return st::nn::members("scale", scale); }
  auto forward(const auto& a) const { return a * scale; }
};
/// The largest distance of two elements.
double apart(const auto& a, const auto& b) { return st::tensor(st::amax(st::abs(a - b))).item(); }
constexpr auto loss_of = [](auto& m, const auto& x, const auto& y) { return st::mse_loss(m(x), y); };
}  // namespace

TEST_CASE("the gradients of each sample are those of a batch of one, and their mean that of the batch") {
  net n;
  const auto x = st::randn<double>({5, 3}), y = st::randn<double>({5, 2});
  const auto each = st::func::per_sample_grads(n, loss_of, x, y);
  REQUIRE(each.size() == 4);
  CHECK(each[0].name == "first.weight");
  CHECK(each[3].name == "second.bias");
  CHECK_FALSE(n.first.weight.grad().defined());
  const auto weight = each[0].value.as<double, 3>();
  CHECK(weight.sizes() == st::index_list<3>(5, 4, 3));
  for (int i = 0; i < 5; ++i) {
    st::nn::zero_grad(n);
    const st::variable one = loss_of(n, x(st::slice(i, i + 1)), y(st::slice(i, i + 1)));
    one.backward();
    CHECK(apart(st::tensor(weight(i)), n.first.weight.grad()) < 1e-14);
    CHECK(apart(st::tensor(each[3].value.as<double, 2>()(i)), n.second.bias.grad()) < 1e-14);
  }
  st::nn::zero_grad(n);
  const st::variable all = loss_of(n, x, y);
  all.backward();
  CHECK(apart(st::tensor(st::mean(weight, st::dim<0>)), n.first.weight.grad()) < 1e-14);
}

TEST_CASE("per-sample gradients: frozen, unused and no parameters; no samples; batches that do not fit") {
  net n;
  n.second.weight.requires_grad_(false);
  const auto x = st::randn<double>({2, 3}), y = st::randn<double>({2, 2});
  const auto frozen = st::func::per_sample_grads(n, loss_of, x, y);
  REQUIRE(frozen.size() == 3);
  CHECK(frozen[2].name == "second.bias");
  const auto unused = st::func::per_sample_grads(n, [](auto& m, const auto& a) { return st::sum(m.first(a)); }, x);
  const auto bias = unused[2].value.as<double, 2>();
  CHECK(apart(bias, st::zeros<double>({2, 2})) < 1e-14);
  CHECK(st::func::per_sample_grads(n, loss_of, st::zeros<double>({0, 3}), st::zeros<double>({0, 2}))[0].value.size(0) == 0);
  CHECK_THROWS_WITH(st::func::per_sample_grads(n, loss_of, x, st::zeros<double>({3, 2})), "per_sample_grads: batches of 2 and of 3 samples");
}

TEST_CASE("per-sample gradients leave buffers as they were") {
  noisy n;
  n.eval();
  const st::tensor before = st::clone(n.norm.running_mean);
  const auto x = st::randn<double>({4, 3});
  n.train();
  CHECK(st::func::per_sample_grads(n, [](auto& m, const auto& a) { m.eval(); return st::sum(m(a)); }, x).size() == 3);
  CHECK(apart(n.norm.running_mean, before) < 1e-14);
}

TEST_CASE("functional_call: other parameters for one call, derivatives reach them") {
  net n;
  const auto x = st::randn<double>({5, 3}), y = st::randn<double>({5, 2});
  const auto w = st::func::parameters(n);
  const st::variable same = st::func::functional_call(n, w, x);
  CHECK(apart(same.value(), st::variable(n(x)).value()) < 1e-14);
  // one step of gradient descent inside, and the derivative through it
  const auto after = [&](const auto& p) {
    const st::variable before = st::mse_loss(st::func::functional_call(n, p, x), y);
    const auto g = st::grad(before, p, {.create_graph = true});
    const auto stepped = st::func::map([](const auto& v, const auto& d) { return st::eval(v - 0.1 * d); }, p, g);
    return st::eval(st::mse_loss(st::func::functional_call(n, stepped, x), y));
  };
  const st::variable loss = after(w);
  loss.backward();
  const double h = 1e-5;
  const auto moved = [&](double by) {
    net other = n.clone();
    other.first.weight.value()(1, 2) += by;
    return after(st::func::parameters(other)).item();
  };
  CHECK(n.first.weight.grad()(1, 2) == Approx((moved(h) - moved(-h)) / (2 * h)).epsilon(1e-6));
}

TEST_CASE("functional_call with tensors, and with shapes that are none of the module's") {
  net n;
  const auto x = st::randn<double>({5, 3});
  const auto zero = st::func::map([](const auto& v) { return st::tensor(0 * v.value()); }, st::func::parameters(n));
  CHECK(apart(st::func::functional_call(n, zero, x).value(), st::zeros<double>({5, 2})) < 1e-14);
  scaled m;
  CHECK_THROWS_WITH(st::func::functional_call(m, std::tuple(st::array<double>({1, 2, 3})), x), "functional_call: a value of shape [3] for a parameter of shape [2]");
}
