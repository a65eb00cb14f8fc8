// SPDX-License-Identifier: BSD-3-Clause
// All optimizers on half and bfloat16 parameters: states have the parameters' dtype, a step is computed in float.
#include <cmath>
#include <cstring>

#include <sinter/sinter.hpp>

#include "../catch.hpp"

namespace st = sinter;

namespace {
const double start[5] = {0.1, -0.2, 0.3, 1, 100};
template <class T> st::variable<T, st::rank<1>> parameter() {
  st::variable<T, st::rank<1>> w(st::zeros<T>({5}));
  for (int i = 0; i < 5; ++i) w.data()[i] = T(start[i]);
  return w;
}
template <class W, class O> void step(const W& w, O& o) {
  o.zero_grad();
  st::variable loss = st::sum(w * w * 0.5);
  loss.backward();
  o.step();
}
/// Four steps end where PyTorch's do, but for the last bits: it rounds between the operations of a step, too.
template <class T, class F> void follows(F make, const double (&expected)[5]) {
  const auto w = parameter<T>();
  auto o = make(st::parameter_list{w});
  for (int k = 0; k < 4; ++k) step(w, o);
  const double unit = std::is_same_v<T, st::half> ? std::ldexp(1, -10) : std::ldexp(1, -7);
  for (int i = 0; i < 5; ++i) {
    CAPTURE(i);
    CHECK(static_cast<float>(w.value()(i)) == Approx(expected[i]).margin(2 * unit * std::abs(start[i])).epsilon(0));
  }
  const auto saved = o.state_dict();
  const auto again = parameter<T>();
  again.detach().copy_(w.value());
  auto p = make(st::parameter_list{again});
  p.load_state_dict(saved);
  step(w, o), step(again, p);
  for (int i = 0; i < 5; ++i) CHECK(again.value()(i).bits == w.value()(i).bits);
}
}  // namespace

// printed by PyTorch 2.15
TEST_CASE("sgd on half and bfloat16") {
  const auto make = [](const auto& p) { return st::optim::sgd{p, {.lr = 0.1, .momentum = 0.9, .weight_decay = 0.01}}; };
  follows<st::half>(make, {0.0220947266, -0.0441894531, 0.0662231445, 0.220458984, 22.0625});
  follows<st::bfloat16>(make, {0.0220947266, -0.0441894531, 0.0649414062, 0.220703125, 22.5});
}
TEST_CASE("adam on half and bfloat16") {
  const auto make = [](const auto& p) { return st::optim::adam{p, {.lr = 0.1}}; };
  follows<st::half>(make, {-0.049041748, 0.108398438, -0.0621948242, 0.604003906, 99.5});
  follows<st::bfloat16>(make, {-0.0493164062, 0.108886719, -0.0607910156, 0.6015625, 100});
  follows<st::half>([](const auto& p) { return st::optim::adam{p}; }, {0.0960693359, -0.196044922, 0.296142578, 0.99609375, 100});
  follows<st::bfloat16>([](const auto& p) { return st::optim::adam{p}; }, {0.0961914062, -0.196289062, 0.29296875, 1, 100});
}
TEST_CASE("adamw with amsgrad on half and bfloat16") {
  const auto make = [](const auto& p) { return st::optim::adamw{p, {.lr = 0.01, .amsgrad = true}}; };
  follows<st::half>(make, {0.0603637695, -0.16003418, 0.260009766, 0.9609375, 100});
  follows<st::bfloat16>(make, {0.060546875, -0.161132812, 0.26171875, 0.953125, 100});
}
TEST_CASE("rmsprop on half and bfloat16") {
  const auto make = [](const auto& p) { return st::optim::rmsprop{p, {.lr = 0.01, .momentum = 0.9, .centered = true}}; };
  follows<st::half>(make, {-0.0544128418, 0.183349609, -0.200439453, 0.342773438, 99.25});
  follows<st::bfloat16>(make, {-0.0554199219, 0.18359375, -0.201171875, 0.34375, 100});
  follows<st::half>([](const auto& p) { return st::optim::rmsprop{p, {.lr = 0.01}}; }, {5.96046448e-08, -0.0174102783, 0.080078125, 0.735839844, 99.6875});
}
TEST_CASE("adagrad on half and bfloat16") {
  const auto make = [](const auto& p) { return st::optim::adagrad{p, {.lr = 0.1}}; };
  follows<st::half>(make, {0, -0.0178222656, 0.0806884766, 0.735839844, 99.6875});
  follows<st::bfloat16>(make, {0, -0.0179443359, 0.0815429688, 0.73828125, 100});
}
TEST_CASE("the state of half parameters is half, and a parameter without a slope does not become NaN") {
  const auto w = parameter<st::half>();
  st::optim::adam o{st::parameter_list{w}};
  for (int k = 0; k < 3; ++k) {
    o.zero_grad();
    st::variable loss = st::sum(st::narrow(w, 0, 1, 4)) + 0 * st::sum(w);
    loss.backward();
    o.step();
  }
  CHECK(w.value().data()[0].bits == st::half(0.1f).bits);  // an eps of 1e-8 counts: PyTorch, in half, divides 0 by 0
  CHECK(o.state_dict().at("0.exp_avg").dtype() == st::dtype::f16);
}
TEST_CASE("gradients of half parameters are clipped, and schedules set their rate") {
  const auto w = parameter<st::half>();
  st::optim::sgd o{st::parameter_list{w}, {.lr = 1}};
  st::optim::step_lr schedule{o, 1, 0.5};
  st::variable loss = st::sum(w * 3);
  loss.backward();
  CHECK(static_cast<float>(st::nn::clip_grad_norm_(st::parameter_list{w}, 1.0)) == Approx(3 * std::sqrt(5)).epsilon(1e-3));
  o.step();
  CHECK(static_cast<float>(w.value()(3)) == Approx(1 - 1 / std::sqrt(5)).epsilon(2e-3));
  schedule.step();
  CHECK(o.options.lr == 0.5);
  st::nn::clip_grad_value_(st::parameter_list{w}, 0.25);
  CHECK(static_cast<float>(w.grad()(4)) == 0.25);
}
TEST_CASE("half and bfloat16 are made of any integer") {
  CHECK(static_cast<float>(st::half(st::int64{-7})) == -7);
  CHECK(static_cast<float>(st::bfloat16(7u)) == 7);
  CHECK(static_cast<float>(st::half(true)) == 1);
  CHECK(std::isinf(static_cast<float>(st::half(st::int64{1} << 40))));
}
