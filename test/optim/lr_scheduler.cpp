// SPDX-License-Identifier: BSD-3-Clause
#include "../catch.hpp"
#include "schedule.hpp"

namespace st = sinter;
namespace optim = sinter::optim;

// The expected lrs of both groups, epoch by epoch, were printed by PyTorch 2.15.

TEST_CASE("step_lr") {
  two_groups o;
  optim::step_lr s{o.sgd, 3, 0.5};
  CHECK(follows(s, {{0.5, 0.5, 0.5, 0.25, 0.25, 0.25, 0.125, 0.125, 0.125},
             {0.05, 0.05, 0.05, 0.025, 0.025, 0.025, 0.0125, 0.0125, 0.0125}}));
  CHECK(s.last_epoch() == 8);
  CHECK(o.sgd.options.lr == s.get_last_lr()[0]);
}

TEST_CASE("multi_step_lr counts a milestone as often as it is given") {
  two_groups o;
  optim::multi_step_lr s{o.sgd, {2, 5, 5, 7}};
  CHECK(follows(s, {{0.5, 0.5, 0.05, 0.05, 0.05, 0.0005, 0.0005, 5e-05, 5e-05, 5e-05},
             {0.05, 0.05, 0.005, 0.005, 0.005, 5e-05, 5e-05, 5e-06, 5e-06, 5e-06}}));
}

TEST_CASE("constant_lr") {
  two_groups o;
  optim::constant_lr s{o.sgd, 1.0 / 3, 3};
  CHECK(follows(s, {{0.166666666666667, 0.166666666666667, 0.166666666666667, 0.5, 0.5, 0.5},
             {0.0166666666666667, 0.0166666666666667, 0.0166666666666667, 0.05, 0.05, 0.05}}));
}

TEST_CASE("linear_lr warms up") {
  two_groups o;
  optim::linear_lr s{o.sgd};
  CHECK(follows(s, {{0.166666666666667, 0.233333333333333, 0.3, 0.366666666666667, 0.433333333333333, 0.5, 0.5, 0.5},
             {0.0166666666666667, 0.0233333333333333, 0.03, 0.0366666666666667, 0.0433333333333333, 0.05, 0.05, 0.05}}));
}

TEST_CASE("linear_lr goes down, too") {
  two_groups o;
  optim::linear_lr s{o.sgd, 1, 0.25, 4};
  CHECK(follows(s, {{0.5, 0.40625, 0.3125, 0.21875, 0.125, 0.125, 0.125},
             {0.05, 0.040625, 0.03125, 0.021875, 0.0125, 0.0125, 0.0125}}));
}

TEST_CASE("exponential_lr") {
  two_groups o;
  optim::exponential_lr s{o.sgd, 0.9};
  CHECK(follows(s, {{0.5, 0.45, 0.405, 0.3645, 0.32805, 0.295245, 0.2657205},
             {0.05, 0.045, 0.0405, 0.03645, 0.032805, 0.0295245, 0.02657205}}));
}

TEST_CASE("polynomial_lr") {
  two_groups o;
  optim::polynomial_lr s{o.sgd, 4, 2};
  CHECK(follows(s, {{0.5, 0.28125, 0.125, 0.03125, 0, 0, 0},
             {0.05, 0.028125, 0.0125, 0.003125, 0, 0, 0}}));
}

TEST_CASE("cosine_annealing_lr goes down and up again") {
  two_groups o;
  optim::cosine_annealing_lr s{o.sgd, 5, 0.01};
  CHECK(follows(s, {{0.5, 0.453209163621862, 0.330709163621862, 0.179290836378138, 0.0567908363781379, 0.01, 0.0567908363781379, 0.179290836378138, 0.330709163621862, 0.453209163621862, 0.5, 0.453209163621862, 0.330709163621862, 0.179290836378138},
             {0.05, 0.046180339887499, 0.0361803398874989, 0.023819660112501, 0.0138196601125011, 0.01, 0.0138196601125011, 0.0238196601125011, 0.036180339887499, 0.046180339887499, 0.05, 0.046180339887499, 0.036180339887499, 0.0238196601125011}}));
}

TEST_CASE("lambda_lr") {
  two_groups o;
  optim::lambda_lr s{o.sgd, [](st::int64 epoch) { return std::pow(0.95, epoch); }};
  CHECK(follows(s, {{0.5, 0.475, 0.45125, 0.4286875, 0.407253125},
             {0.05, 0.0475, 0.045125, 0.04286875, 0.0407253125}}));
}

TEST_CASE("a function of lambda_lr may look at the group") {
  two_groups o;
  optim::lambda_lr s{o.sgd, [](st::int64 epoch, std::size_t group) { return group ? 1.0 : 1.0 / static_cast<double>(1 + epoch); }};
  CHECK(follows(s, {{0.5, 0.25, 0.5 / 3}, {0.05, 0.05, 0.05}}));
}

TEST_CASE("two schedulers on one optimizer are chained") {
  two_groups o;
  optim::exponential_lr a{o.sgd, 0.9};
  optim::step_lr b{o.sgd, 2, 0.1};
  const double expected[2][6] = {{0.5, 0.45, 0.0405, 0.03645, 0.0032805, 0.00295245}, {0.05, 0.045, 0.00405, 0.003645, 0.00032805, 0.000295245}};
  for (int k = 1; k < 6; ++k) {
    a.step(), b.step();
    CHECK(o.sgd.options.lr == Approx(expected[0][k]).epsilon(1e-14));
    CHECK(o.sgd.groups()[1].options.lr == Approx(expected[1][k]).epsilon(1e-14));
  }
}

TEST_CASE("schedulers refuse numbers that make no schedule") {
  two_groups o;
  CHECK_THROWS_AS((optim::step_lr{o.sgd, 0}), st::error);
  CHECK_THROWS_AS((optim::linear_lr{o.sgd, 0}), st::error);
  CHECK_THROWS_AS((optim::linear_lr{o.sgd, 0.5, 1.5}), st::error);
  CHECK_THROWS_AS((optim::constant_lr{o.sgd, 2}), st::error);
  CHECK_THROWS_AS((optim::polynomial_lr{o.sgd, 0}), st::error);
  CHECK_THROWS_AS((optim::cosine_annealing_lr{o.sgd, 0}), st::error);
  CHECK(o.sgd.options.lr == 0.5);
}

TEST_CASE("last_epoch goes on from the lr of a loaded optimizer") {
  two_groups o, p;
  CHECK_THROWS_AS((optim::cosine_annealing_lr{p.sgd, 5, 0.01, 3}), st::error);  // it has no initial_lr
  optim::cosine_annealing_lr s{o.sgd, 5, 0.01};
  for (int k = 0; k < 4; ++k) s.step();
  p.sgd.load_state_dict(o.sgd.state_dict());
  optim::cosine_annealing_lr t{p.sgd, 5, 0.01, 3};
  CHECK(t.last_epoch() == 4);
  for (int k = 0; k < 6; ++k) {
    s.step(), t.step();
    CHECK(t.get_last_lr() == s.get_last_lr());
  }
}

TEST_CASE("a scheduler's loaded state continues as the saved one would have") {
  two_groups o, p;
  optim::linear_lr s{o.sgd, 0.1, 1, 5}, t{p.sgd, 0.1, 1, 5};
  s.step(), s.step();
  p.sgd.load_state_dict(o.sgd.state_dict());
  t.load_state_dict(s.state_dict());
  CHECK(t.get_last_lr() == s.get_last_lr());
  s.step(), t.step();
  CHECK(t.get_last_lr() == s.get_last_lr());
  CHECK(t.last_epoch() == 3);
}

TEST_CASE("a state that does not fit changes nothing") {
  two_groups o;
  optim::exponential_lr s{o.sgd, 0.5};
  s.step();
  auto d = s.state_dict();
  d.set("last_epoch", st::full<st::int64>({}, 7));
  d.set("base_lrs", st::zeros<double>({3}));
  CHECK_THROWS_AS(s.load_state_dict(d), st::shape_error);
  CHECK_THROWS_AS(s.load_state_dict(st::nn::state_dict()), st::error);
  CHECK(s.last_epoch() == 1);
}

TEST_CASE("a group that is added later takes part from its lr on") {
  two_groups o;
  optim::exponential_lr s{o.sgd, 0.5};
  s.step();
  st::variable w = st::zeros<double>({1});
  o.sgd.add_param_group(st::parameter_list{w}).options.lr = 8;
  s.step();
  CHECK(s.get_last_lr() == std::vector<double>{0.125, 0.0125, 4});
}

TEST_CASE("the scheduled lr is the one that the step takes") {
  st::variable w = st::zeros<double>({1});
  optim::sgd o{st::parameter_list{w}, {.lr = 1}};
  optim::step_lr s{o, 1, 0.5};
  for (int k = 0; k < 3; ++k) {
    o.zero_grad();
    st::variable loss = st::sum(w);
    loss.backward();
    o.step();
    s.step();
  }
  CHECK(w.value()(0) == -1.75);
}
