// SPDX-License-Identifier: BSD-3-Clause
#include "../catch.hpp"
#include "schedule.hpp"

namespace st = sinter;
namespace optim = sinter::optim;

// The expected lrs and momenta, step by step, were printed by PyTorch 2.15.

TEST_CASE("one_cycle_lr with momentum, and a maximum for each group") {
  two_groups o;
  optim::one_cycle_lr s{o.sgd, {.max_lr = {1.0, 0.1}, .total_steps = 10}};
  const double momentum[] = {0.95, 0.9, 0.85, 0.854951556604879, 0.868825509907063, 0.888873953302184, 0.911126046697816, 0.931174490092937, 0.945048443395121, 0.95};
  CHECK(o.sgd.options.momentum == Approx(momentum[0]));
  CHECK(follows(s, {{0.04, 0.52, 1, 0.950484632013474, 0.811745653949763, 0.611262021936289, 0.388741978063711, 0.188258346050237, 0.0495193679865263, 4e-06},
                    {0.004, 0.052, 0.1, 0.0950484632013474, 0.0811745653949763, 0.0611262021936289, 0.0388741978063711, 0.0188258346050237, 0.00495193679865263, 4e-07}}));
  optim::one_cycle_lr again{o.sgd, {.max_lr = {1.0, 0.1}, .total_steps = 10}};
  for (int k = 1; k < 10; ++k) {
    again.step();
    CHECK(o.sgd.groups()[1].options.momentum == Approx(momentum[k]).epsilon(1e-14));
  }
}

TEST_CASE("one_cycle_lr in three phases and straight lines cycles Adam's first beta") {
  st::variable w = st::zeros<double>({1});
  optim::adam o{st::parameter_list{w}, {.betas = {0.7, 0.99}}};
  optim::one_cycle_lr s{o, {.max_lr = 1, .epochs = 3, .steps_per_epoch = 4, .pct_start = 0.4, .anneal_strategy = optim::anneal::linear, .base_momentum = 0.8,
                            .max_momentum = 0.9, .div_factor = 10, .final_div_factor = 100, .three_phase = true}};
  const double lr[] = {0.1, 0.336842105263158, 0.573684210526316, 0.810526315789474, 0.952631578947369, 0.715789473684211, 0.478947368421053, 0.242105263157895, 0.0883529411764706, 0.0592352941176471, 0.0301176470588236, 0.001};
  const double beta[] = {0.9, 0.873684210526316, 0.847368421052632, 0.821052631578947, 0.805263157894737, 0.831578947368421, 0.857894736842105, 0.884210526315789, 0.9, 0.9, 0.9, 0.9};
  for (int k = 0; k < 12; ++k) {
    if (k) s.step();
    CHECK(o.options.lr == Approx(lr[k]).epsilon(1e-13));
    CHECK(o.options.betas.first == Approx(beta[k]).epsilon(1e-14));
  }
  CHECK(o.options.betas.second == 0.99);
}

TEST_CASE("the cycle ends with its last step, and nothing changes after it") {
  two_groups o;
  optim::one_cycle_lr s{o.sgd, {.max_lr = 1, .total_steps = 4}};
  for (int k = 0; k < 4; ++k) s.step();
  const double last = o.sgd.options.lr;
  CHECK_THROWS_AS(s.step(), st::error);
  CHECK(o.sgd.options.lr == last);
  CHECK(s.last_epoch() == 4);
}

TEST_CASE("a phase of no length is over at once") {
  two_groups o;
  optim::one_cycle_lr s{o.sgd, {.max_lr = 1, .total_steps = 10, .pct_start = 0.1}};
  CHECK(o.sgd.options.lr == 1);
  s.step();
  CHECK(o.sgd.options.lr < 1);
  CHECK(o.sgd.options.lr > 0.9);
}

TEST_CASE("one_cycle_lr without momentum leaves it alone, and needs none") {
  two_groups o;
  optim::one_cycle_lr s{o.sgd, {.max_lr = 1, .total_steps = 10, .cycle_momentum = false}};
  s.step();
  CHECK(o.sgd.options.momentum == 0.9);
  st::variable w = st::zeros<double>({1});
  optim::adagrad a{st::parameter_list{w}};
  CHECK_THROWS_AS((optim::one_cycle_lr{a, {.max_lr = 1, .total_steps = 10}}), st::error);
  optim::one_cycle_lr t{a, {.max_lr = 1, .total_steps = 10, .cycle_momentum = false}};
  CHECK(a.options.lr == Approx(0.04));
}

TEST_CASE("a cycle continues from its state") {
  two_groups o, p;
  const optim::one_cycle_options options{.max_lr = {1.0, 0.1}, .total_steps = 10};
  optim::one_cycle_lr s{o.sgd, options}, t{p.sgd, options};
  for (int k = 0; k < 4; ++k) s.step();
  p.sgd.load_state_dict(o.sgd.state_dict());
  t.load_state_dict(s.state_dict());
  s.step(), t.step();
  CHECK(t.get_last_lr() == s.get_last_lr());
  CHECK(p.sgd.options.momentum == o.sgd.options.momentum);
}

TEST_CASE("one_cycle_lr refuses what is no cycle") {
  two_groups o;
  CHECK_THROWS_AS((optim::one_cycle_lr{o.sgd, {.max_lr = 1}}), st::error);
  CHECK_THROWS_AS((optim::one_cycle_lr{o.sgd, {.max_lr = 1, .total_steps = -3}}), st::error);
  CHECK_THROWS_AS((optim::one_cycle_lr{o.sgd, {.max_lr = 1, .total_steps = 10, .pct_start = 1.5}}), st::error);
  CHECK_THROWS_AS((optim::one_cycle_lr{o.sgd, {.max_lr = {1, 2, 3}, .total_steps = 10}}), st::error);
  CHECK(o.sgd.options.lr == 0.5);
}
