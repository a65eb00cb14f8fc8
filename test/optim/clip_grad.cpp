// SPDX-License-Identifier: BSD-3-Clause
#include "../catch.hpp"

#include <sinter/sinter.hpp>

namespace st = sinter;
namespace nn = sinter::nn;

namespace {

/// Parameters with the gradients {{3, -4}, {1, 2}} and {-5, 0.5}, or another value for the -5.
template <class T = double> struct problem {
  st::variable<T, st::rank<2>> a{st::zeros<T>({2, 2})};
  st::variable<T, st::rank<1>> b{st::zeros<T>({2})}, unused{st::zeros<T>({3})};
  explicit problem(double odd = -5) {
    const T x = static_cast<T>(odd);
    st::variable loss = st::sum(a * st::array<T>({{3, -4}, {1, 2}})) + st::sum(b * st::array<T>({x, T(0.5)}));
    loss.backward();
  }
  auto parameters() const { return st::parameter_list{a, b, unused}; }
  /// True where the gradients are the expected ones.
  bool has(std::initializer_list<double> expected, double tolerance = 1e-14) const {
    const auto g = a.grad();
    const auto h = b.grad();
    int i = 0;
    for (const double e : expected) {
      const double v = i < 4 ? g.data()[i] : h.data()[i - 4];
      if (!(std::abs(v - e) <= tolerance) && !(std::isnan(v) && std::isnan(e))) return false;
      ++i;
    }
    return true;
  }
};

}  // namespace

// The expected numbers were printed by PyTorch 2.15.
TEST_CASE("clip_grad_norm_ scales all gradients to the norm, and returns what it was") {
  problem p;
  CHECK(nn::clip_grad_norm_(p.parameters(), 1.5) == Approx(7.433034373659253).epsilon(1e-15));
  CHECK(p.has({0.6054054331487284, -0.8072072441983045, 0.2018018110495761, 0.4036036220991522, -1.009009055247881, 0.1009009055247881}));
}

TEST_CASE("clip_grad_norm_ by the 1-norm, the 3-norm and the largest magnitude") {
  problem one, three, largest;
  CHECK(nn::clip_grad_norm_(one.parameters(), 1.5, 1) == Approx(15.5));
  CHECK(one.has({0.2903225619146734, -0.3870967492195646, 0.09677418730489115, 0.1935483746097823, -0.4838709365244558, 0.04838709365244558}));
  CHECK(nn::clip_grad_norm_(three.parameters(), 1.5, 3) == Approx(6.08332812076032).epsilon(1e-14));
  CHECK(three.has({0.7397265396414341, -0.9863020528552455, 0.2465755132138114, 0.4931510264276228, -1.232877566069057, 0.1232877566069057}));
  CHECK(nn::clip_grad_norm_(largest.parameters(), 1.5, INFINITY) == 5);
  CHECK(largest.has({0.8999998200000361, -1.199999760000048, 0.299999940000012, 0.599999880000024, -1.49999970000006, 0.149999970000006}));
}

TEST_CASE("gradients of a smaller norm are left alone to the last bit") {
  problem p;
  CHECK(nn::clip_grad_norm_(p.parameters(), 100) == Approx(7.433034373659253));
  CHECK(p.has({3, -4, 1, 2, -5, 0.5}, 0));
}

TEST_CASE("without gradients the norm is 0") {
  st::variable w = st::ones({3});
  CHECK(nn::clip_grad_norm_(st::parameter_list{w}, 1) == 0);
  CHECK(nn::clip_grad_norm_(st::parameter_list<float>{}, 1) == 0);
  CHECK_FALSE(w.grad().defined());
}

TEST_CASE("gradients in an optimizer's buffer are clipped there, and long ones in whole") {
  st::variable w = st::zeros<float>({3, 1001});
  st::variable b = st::zeros<float>({7});
  st::optim::sgd o{st::parameter_list{w, b}, {.lr = 1}};
  st::variable loss = st::sum(2 * w) + st::sum(2 * b);
  loss.backward();
  CHECK(nn::clip_grad_norm_(st::parameter_list{w, b}, 1) == Approx(2 * std::sqrt(3010.0)));
  o.step();
  CHECK(w.value()(2, 1000) == Approx(-1 / std::sqrt(3010.0)));
  CHECK(b.value()(6) == Approx(-1 / std::sqrt(3010.0)));
}

TEST_CASE("float gradients whose squares overflow are clipped, too") {
  problem<float> p(1e30);
  CHECK(nn::clip_grad_norm_(p.parameters(), 1) == Approx(1e30));
  CHECK(p.b.grad()(0) == Approx(1));
}

TEST_CASE("a norm that is not finite does what PyTorch's does, or is an error that changes nothing") {
  problem infinite(INFINITY), nan(NAN), kept(NAN);
  CHECK_THROWS_AS(nn::clip_grad_norm_(kept.parameters(), 1, 2, true), st::error);
  CHECK_THROWS_AS(nn::clip_grad_norm_(kept.parameters(), 1, INFINITY, true), st::error);
  CHECK(kept.has({3, -4, 1, 2, NAN, 0.5}, 0));
  CHECK(nn::clip_grad_norm_(infinite.parameters(), 1) == INFINITY);
  CHECK(infinite.has({0, 0, 0, 0, NAN, 0}));
  CHECK(std::isnan(nn::clip_grad_norm_(nan.parameters(), 1, INFINITY)));
  CHECK(nan.has({NAN, NAN, NAN, NAN, NAN, NAN}));
}

TEST_CASE("clip_grad_value_ clips each element, and leaves NaN") {
  problem p, nan(NAN);
  nn::clip_grad_value_(p.parameters(), 2.5);
  CHECK(p.has({2.5, -2.5, 1, 2, -2.5, 0.5}, 0));
  nn::clip_grad_value_(nan.parameters(), 1);
  CHECK(nan.has({1, -1, 1, 1, NAN, 0.5}, 0));
}

TEST_CASE("clipping refuses norms that are none and negative limits") {
  problem p;
  CHECK_THROWS_AS(nn::clip_grad_norm_(p.parameters(), 1, 0), st::error);
  CHECK_THROWS_AS(nn::clip_grad_norm_(p.parameters(), 1, NAN), st::error);
  CHECK_THROWS_AS(nn::clip_grad_value_(p.parameters(), -1), st::error);
}

TEST_CASE("clipping counts as a write") {
  problem p;
  const auto before = p.a.grad().version();
  nn::clip_grad_norm_(p.parameters(), 1);
  nn::clip_grad_value_(p.parameters(), 0.1);
  CHECK(p.a.grad().version() == before + 2);
}
