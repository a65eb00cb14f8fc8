// SPDX-License-Identifier: BSD-3-Clause
#include "../catch.hpp"
#include "schedule.hpp"

namespace st = sinter;
namespace optim = sinter::optim;

// The expected lrs of both groups, epoch by epoch, were printed by PyTorch 2.15.

TEST_CASE("sequential_lr runs one after the other, each from its beginning") {
  two_groups o;
  optim::linear_lr a{o.sgd, 0.1, 1, 3};
  optim::exponential_lr b{o.sgd, 0.5};
  optim::cosine_annealing_lr c{o.sgd, 4};
  optim::sequential_lr s{o.sgd, {&a, &b, &c}, {3, 6}};
  CHECK(follows(s, {{0.05, 0.2, 0.35, 0.5, 0.25, 0.125, 0.5, 0.426776695296637, 0.25, 0.0732233047033631, 0, 0.0732233047033631},
             {0.005, 0.02, 0.035, 0.05, 0.025, 0.0125, 0.05, 0.0426776695296637, 0.025, 0.00732233047033631, 0, 0.00732233047033631}}));
}

TEST_CASE("a sequence may be part of a sequence") {
  two_groups o;
  optim::constant_lr a{o.sgd, 0.5, 100};
  optim::exponential_lr b{o.sgd, 0.1}, c{o.sgd, 0.2};
  optim::sequential_lr inner{o.sgd, {&b, &c}, {2}};
  optim::sequential_lr s{o.sgd, {&a, &inner}, {2}};
  CHECK(follows(s, {{0.25, 0.25, 0.5, 0.05, 0.5, 0.1}, {0.025, 0.025, 0.05, 0.005, 0.05, 0.01}}));
}

TEST_CASE("sequential_lr refuses what does not belong together") {
  two_groups o, other;
  optim::exponential_lr a{o.sgd, 0.5}, b{o.sgd, 0.5}, c{other.sgd, 0.5};
  CHECK_THROWS_AS((optim::sequential_lr{o.sgd, {&a, &b}, {}}), st::error);
  CHECK_THROWS_AS((optim::sequential_lr{o.sgd, {}, {}}), st::error);
  CHECK_THROWS_AS((optim::sequential_lr{o.sgd, {&a, &c}, {3}}), st::error);
  CHECK_THROWS_AS((optim::sequential_lr{o.sgd, {&a, &b, &a}, {3, 2}}), st::error);
}

TEST_CASE("a sequence's loaded state continues as the saved one would have") {
  two_groups o, p;
  optim::linear_lr a{o.sgd, 0.1, 1, 3}, b{p.sgd, 0.1, 1, 3};
  optim::cosine_annealing_lr c{o.sgd, 4}, d{p.sgd, 4};
  optim::sequential_lr s{o.sgd, {&a, &c}, {3}}, t{p.sgd, {&b, &d}, {3}};
  for (int k = 0; k < 5; ++k) s.step();
  p.sgd.load_state_dict(o.sgd.state_dict());
  t.load_state_dict(s.state_dict());
  CHECK(t.get_last_lr() == s.get_last_lr());
  for (int k = 0; k < 5; ++k) {
    s.step(), t.step();
    CHECK(t.get_last_lr() == s.get_last_lr());
    CHECK(p.sgd.options.lr == o.sgd.options.lr);
  }
}
