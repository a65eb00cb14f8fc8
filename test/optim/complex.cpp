// SPDX-License-Identifier: BSD-3-Clause
// Complex parameters: every optimizer steps their parts as if they were real, as PyTorch's do.
#include "../catch.hpp"

#include <sinter/sinter.hpp>

namespace st = sinter;

namespace {
template <class Make> void same_steps(Make make) {
  const auto start = st::array<st::complex64>({st::complex64(1, -2), st::complex64(0.5, 3)});
  st::variable z = st::clone(start);
  st::variable x = st::clone(st::view_as_real(start));
  auto of_complex = make(st::parameter_list{z});
  auto of_real = make(st::parameter_list{x});
  for (int step = 0; step < 5; ++step) {
    of_complex.zero_grad(), of_real.zero_grad();
    st::variable a = st::sum(st::square(st::abs(z * z - 1)));
    st::variable c = st::view_as_complex(x);
    st::variable b = st::sum(st::square(st::abs(c * c - 1)));
    a.backward(), b.backward();
    of_complex.step(), of_real.step();
  }
  for (int i = 0; i < 2; ++i) {
    CHECK(z.detach()(i).re == x.detach()(i, 0));
    CHECK(z.detach()(i).im == x.detach()(i, 1));
    CHECK(z.detach()(i).re != start(i).re);
  }
}
}  // namespace

TEST_CASE("optimizers step the parts of complex parameters") {
  same_steps([](auto p) { return st::optim::sgd{p, {.lr = 0.01, .momentum = 0.9}}; });
  same_steps([](auto p) { return st::optim::adam{p, {.lr = 0.01}}; });
  same_steps([](auto p) { return st::optim::rmsprop{p, {.lr = 0.01}}; });
  same_steps([](auto p) { return st::optim::adagrad{p, {.lr = 0.01}}; });
}

TEST_CASE("gradients of complex parameters are clipped by |z|, as in PyTorch") {
  st::variable z = st::zeros<st::complex64>({2});
  const auto set = [&] {
    z.zero_grad();
    st::variable s = st::sum(st::real(z * st::array<st::complex64>({st::complex64(3, 4), st::complex64(0, 12)})));
    s.backward();
  };
  const st::parameter_list parameters{z};
  set();
  CHECK(st::nn::clip_grad_norm_(parameters, 1.3) == Approx(13));
  CHECK(z.grad()(0).re == Approx(0.3));
  CHECK(z.grad()(1).im == Approx(-1.2));
  set();
  CHECK(st::nn::clip_grad_norm_(parameters, 100, 1) == Approx(17));
  CHECK(st::nn::clip_grad_norm_(parameters, 100, INFINITY) == Approx(12));
}
