// SPDX-License-Identifier: BSD-3-Clause
#include "../catch.hpp"
#include "schedule.hpp"

namespace st = sinter;
namespace optim = sinter::optim;

// The expected lrs of both groups, epoch by epoch, were printed by PyTorch 2.15.

namespace {
constexpr double metrics[] = {1, 0.9, 0.91, 0.92, 0.9, 0.95, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.4};

bool follows(optim::reduce_lr_on_plateau& s, const double (&expected)[2][14]) {
  for (int k = 0; k < 14; ++k) {
    if (k) s.step(metrics[k - 1]);
    for (std::size_t i = 0; i < 2; ++i) {
      const double error = s.get_last_lr()[i] - expected[i][k];
      if (!(error < 1e-15 && error > -1e-15)) return false;
    }
  }
  return true;
}
}  // namespace

TEST_CASE("reduce_lr_on_plateau with patience, cooldown and a floor for each group") {
  two_groups o;
  optim::reduce_lr_on_plateau s{o.sgd, {.patience = 1, .cooldown = 1, .min_lr = {0.01, 0.02}}};
  CHECK(follows(s, {{0.5, 0.5, 0.5, 0.5, 0.05, 0.05, 0.05, 0.05, 0.05, 0.01, 0.01, 0.01, 0.01, 0.01},
                    {0.05, 0.05, 0.05, 0.05, 0.02, 0.02, 0.02, 0.02, 0.02, 0.02, 0.02, 0.02, 0.02, 0.02}}));
}

TEST_CASE("reduce_lr_on_plateau of what should grow, by an amount") {
  two_groups o;
  optim::reduce_lr_on_plateau s{o.sgd, {.mode = optim::plateau::max, .factor = 0.5, .patience = 0, .threshold = 0.05, .threshold_mode = optim::threshold::abs}};
  CHECK(follows(s, {{0.5, 0.5, 0.25, 0.125, 0.0625, 0.03125, 0.015625, 0.0078125, 0.00390625, 0.001953125, 0.0009765625, 0.00048828125, 0.000244140625, 0.0001220703125},
                    {0.05, 0.05, 0.025, 0.0125, 0.00625, 0.003125, 0.0015625, 0.00078125, 0.000390625, 0.0001953125, 9.765625e-05, 4.8828125e-05, 2.44140625e-05, 1.220703125e-05}}));
  CHECK(o.sgd.groups()[1].options.lr == s.get_last_lr()[1]);
}

TEST_CASE("a loss that is not a number counts as a bad epoch") {
  two_groups o;
  optim::reduce_lr_on_plateau s{o.sgd, {.patience = 1}};
  s.step(1);
  s.step(NAN);
  CHECK(o.sgd.options.lr == 0.5);
  s.step(NAN);
  CHECK(o.sgd.options.lr == Approx(0.05));
}

TEST_CASE("a change smaller than eps is not made") {
  two_groups o;
  optim::reduce_lr_on_plateau s{o.sgd, {.patience = 0, .eps = 0.1}};
  s.step(1), s.step(1);
  CHECK(o.sgd.options.lr == Approx(0.05));
  CHECK(o.sgd.groups()[1].options.lr == 0.05);
}

TEST_CASE("a plateau's loaded state continues as the saved one would have") {
  two_groups o, p;
  const optim::reduce_lr_on_plateau_options options{.patience = 2, .cooldown = 1};
  optim::reduce_lr_on_plateau s{o.sgd, options}, t{p.sgd, options};
  s.step(1), s.step(2);
  t.load_state_dict(s.state_dict());
  CHECK(t.last_epoch() == 2);
  for (int k = 0; k < 6; ++k) {
    s.step(2), t.step(2);
    CHECK(t.get_last_lr() == s.get_last_lr());
  }
  CHECK(o.sgd.options.lr == Approx(0.005));
  st::nn::state_dict d = s.state_dict();
  d.set("best", st::zeros({2}));
  CHECK_THROWS_AS(t.load_state_dict(d), st::shape_error);
}

TEST_CASE("reduce_lr_on_plateau refuses a factor of 1, and floors that do not match the groups") {
  two_groups o;
  CHECK_THROWS_AS((optim::reduce_lr_on_plateau{o.sgd, {.factor = 1}}), st::error);
  CHECK_THROWS_AS((optim::reduce_lr_on_plateau{o.sgd, {.min_lr = {1, 2, 3}}}), st::error);
}
