// SPDX-License-Identifier: BSD-3-Clause
#include <sinter/autograd/checkpoint.hpp>
#include <sinter/autograd/function.hpp>
#include <sinter/sinter.hpp>

#include <vector>

#include <cmath>

#include "../catch.hpp"
#include "../reference.hpp"

namespace st = sinter;
using reference::close;

namespace {
using matrix = st::tensor<double, st::rank<2>>;
using matrix_variable = st::variable<double, st::rank<2>>;

/// A layer of three statements, which counts its runs.
struct layer {
  matrix_variable w;
  int* runs;
  matrix_variable operator()(const matrix_variable& x) const {
    ++*runs;
    matrix_variable h = st::matmul(x, w);
    matrix_variable d = st::dropout(h, 0.25);
    return st::tanh(d) * 1.5;
  }
};
struct net {
  std::vector<layer> layers;
  int runs = 0;
  explicit net(int depth, st::int64 n) {
    for (int i = 0; i < depth; ++i) {
      matrix w = st::randn<double>({n, n});
      w *= 0.3;
      layers.push_back({matrix_variable(w), &runs});
    }
  }
  std::vector<matrix> gradients() const {
    std::vector<matrix> g;
    for (const layer& l : layers) g.push_back(l.w.grad());
    return g;
  }
  void zero_grad() {
    for (const layer& l : layers) l.w.zero_grad();
  }
};
bool same(const std::vector<matrix>& a, const std::vector<matrix>& b) {
  bool all = a.size() == b.size();
  for (std::size_t i = 0; all && i < a.size(); ++i) all = close(a[i], b[i], 0);
  return all;
}
}  // namespace

TEST_CASE("a checkpoint has the same gradients, of arguments and of what f reads, dropout included, and holds less") {
  const st::int64 n = 64;
  net model(4, n);
  matrix values = st::randn<double>({n, n});
  std::vector<matrix> plain;
  matrix dx;
  st::int64 plain_bytes = 0, bytes = 0;
  for (bool checked : {false, true}) {
    st::manual_seed(5);
    model.zero_grad();
    matrix_variable x = values;
    const st::int64 before = st::memory_allocated();
    matrix_variable y = x;
    for (const layer& l : model.layers) y = checked ? st::checkpoint(l, y) : l(y);
    (checked ? bytes : plain_bytes) = st::memory_allocated() - before;
    const auto state = st::default_generator().state();
    y.backward(st::ones<double>({n, n}));
    CHECK(st::default_generator().state() == state);
    if (checked) {
      CHECK(same(model.gradients(), plain));
      CHECK(close(x.grad(), dx, 0));
    } else {
      plain = model.gradients();
      dx = x.grad();
    }
  }
  CHECK(model.runs == 4 + 4 + 4);  // forward twice, and once more in backward
  const st::int64 one = n * n * 8;
  CHECK(plain_bytes > 8 * one);
  CHECK(bytes < 6 * one);  // the results that are arguments of the next
}

TEST_CASE("checkpoint_sequential") {
  net model(6, 8);
  matrix_variable x = st::randn<double>({8, 8});
  const auto gradients = [&](auto forward) {
    st::manual_seed(9);
    model.zero_grad();
    matrix_variable y = forward();
    y.backward(st::ones<double>({8, 8}));
    return model.gradients();
  };
  const auto plain = gradients([&] {
    matrix_variable y = x;
    for (const layer& l : model.layers) y = l(y);
    return y;
  });
  model.runs = 0;
  CHECK(same(gradients([&] { return st::checkpoint_sequential(model.layers, 3, x); }), plain));
  CHECK(model.runs == 6 + 4);
  CHECK(same(gradients([&] { return st::checkpoint_sequential(model.layers, 1, x); }), plain));
  CHECK_THROWS_AS(st::checkpoint_sequential(model.layers, 7, x), st::error);
}

TEST_CASE("checkpoints in checkpoints") {
  net model(4, 8);
  matrix_variable x = st::randn<double>({8, 8});
  const auto half = [&](int first, bool checked, const matrix_variable& v) {
    matrix_variable y = v;
    for (int i = first; i < first + 2; ++i) {
      const layer& l = model.layers[static_cast<std::size_t>(i)];
      y = checked ? st::checkpoint(l, y) : l(y);
    }
    return y;
  };
  const auto gradients = [&](bool checked) {
    st::manual_seed(3);
    model.zero_grad();
    matrix_variable y = x;
    for (int k : {0, 2}) y = checked ? st::checkpoint([&half, k](const matrix_variable& v) { return half(k, true, v); }, y) : half(k, false, y);
    y.backward(st::ones<double>({8, 8}));
    return model.gradients();
  };
  const auto plain = gradients(false);
  CHECK(same(gradients(true), plain));
}

TEST_CASE("several results, expressions, constants and numbers") {
  matrix values = st::randn<double>({3, 3}), factor = st::randn<double>({3, 3});
  const auto f = [](const auto& x, const auto& t, double s) {
    matrix_variable h = st::exp(x * t);
    return std::tuple(st::variable(h * s), st::tanh(h));
  };
  matrix_variable a = values, b = values;
  auto [u, v] = st::checkpoint(f, a, factor, 2.0);
  st::variable(st::sum(u * v)).backward();
  auto [p, q] = f(b, factor, 2.0);
  st::variable(st::sum(p * q)).backward();
  CHECK(close(a.grad(), b.grad(), 0));
}

TEST_CASE("with retain_graph, f runs again for each walk; second derivatives work") {
  int runs = 0;
  matrix_variable x = st::randn<double>({2, 2});
  const auto f = [&](const matrix_variable& v) {
    ++runs;
    matrix_variable e = st::exp(v);
    return matrix_variable(e * v);
  };
  st::variable y = st::sum(st::checkpoint(f, x));
  y.backward(true);
  matrix first = st::clone(x.grad());
  x.zero_grad();
  y.backward(true);
  CHECK(close(x.grad(), first, 0));
  CHECK(runs == 3);
  auto g = st::grad(y, x, {.create_graph = true});
  auto h = st::grad(st::variable(st::sum(g)), x);
  CHECK(close(h.detach(), matrix(st::exp(x.detach()) * (x.detach() + 2)), 1e-10));
}

TEST_CASE("without recording f simply runs; custom functions are recomputed, too") {
  int runs = 0;
  matrix_variable x = st::randn<double>({2, 2});
  struct square : st::function<square> {
    static matrix forward(st::function_context& ctx, const matrix& v) {
      ctx.save_for_backward(v);
      return v * v;
    }
    static matrix_variable backward(st::function_context& ctx, const matrix_variable& dy) { return 2 * ctx.saved<double, 2>(0) * dy; }
  };
  const auto f = [&](const matrix_variable& v) { return ++runs, square::apply(v * 2); };
  {
    st::no_grad guard;
    CHECK_FALSE(st::checkpoint(f, x).requires_grad());
  }
  matrix_variable y = st::checkpoint(f, x);
  CHECK(runs == 2);
  y.backward(st::ones<double>({2, 2}));
  CHECK(runs == 3);
  CHECK(close(x.grad(), matrix(8 * x.detach())));
}

TEST_CASE("an f that does not do the same again, or whose parameters were changed, is an error") {
  matrix_variable x = st::randn<double>({2, 2}), w = st::randn<double>({2, 2});
  int runs = 0;
  const auto other = [&](const matrix_variable& v) {
    matrix_variable e = st::exp(v);
    if (runs++) e = st::exp(e);
    return matrix_variable(st::tanh(e));
  };
  matrix_variable y = st::checkpoint(other, x);
  CHECK_THROWS_WITH(y.backward(st::ones<double>({2, 2})), Catch::Contains("must do the same"));
  matrix_variable z = st::checkpoint([&](const matrix_variable& v) { return matrix_variable(v * w * v); }, x);
  w.detach() += 1;
  CHECK_THROWS_AS(z.backward(st::ones<double>({2, 2})), st::version_error);
}

TEST_CASE("what f throws passes through, forward and in the second run") {
  matrix_variable x = st::randn<double>({2, 2});
  int runs = 0, fails_at = 0;
  const auto f = [&](const matrix_variable& v) {
    matrix_variable e = st::exp(v);
    if (runs++ == fails_at) throw 3;
    return matrix_variable(st::tanh(e));
  };
  CHECK_THROWS_AS(st::checkpoint(f, x), int);
  runs = 0, fails_at = 1;
  matrix_variable y = st::checkpoint(f, x);
  CHECK_THROWS_AS(y.backward(st::ones<double>({2, 2}), true), int);
  x.zero_grad();
  y.backward(st::ones<double>({2, 2}));
  CHECK(x.grad().defined());
}

TEST_CASE("after a second run that failed, the next one is not mixed with it") {
  const st::variable w = st::full<double>({2}, 0.5);
  int runs = 0;
  const auto f = [&](const auto& v) {
    st::variable<double, st::rank<1>> h = st::sin(v);
    if (++runs == 2) h = st::eval(h * h);
    return st::eval(st::tanh(st::eval(h * h)));
  };
  const st::variable y = st::sum(st::checkpoint(f, w));
  CHECK_THROWS_AS(y.backward(true), st::autograd_error);
  y.backward(true);
  const double s = std::sin(0.5), t = std::tanh(s * s);
  CHECK(w.grad()(0) == Approx((1 - t * t) * 2 * s * std::cos(0.5)));
}
