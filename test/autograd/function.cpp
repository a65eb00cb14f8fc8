// SPDX-License-Identifier: BSD-3-Clause
#include <sinter/autograd/function.hpp>
#include <sinter/autograd/gradcheck.hpp>
#include <sinter/sinter.hpp>

#include <cmath>
#include <vector>

#include "../catch.hpp"
#include "../reference.hpp"

namespace st = sinter;
using reference::close;

namespace {
using line = st::tensor<double, st::rank<1>>;
using matrix = st::tensor<double, st::rank<2>>;
using line_variable = st::variable<double, st::rank<1>>;

struct cube : st::function<cube> {
  static constexpr const char* name = "cube";
  static line forward(st::function_context& ctx, const line& x) {
    ctx.save_for_backward(x);
    return x * x * x;
  }
  static line_variable backward(st::function_context& ctx, const line_variable& dy) {
    const auto x = ctx.saved<double, 1>(0);
    return 3 * x * x * dy;
  }
};
/// exp, which saves its result, and tells what it is asked.
struct my_exp : st::function<my_exp> {
  struct state { int calls = 0; };
  static line forward(auto& ctx, const line& x, double scale) {
    line y = st::exp(x * scale);
    ctx.save_for_backward(y);
    ctx.state.calls = 1;
    CHECK_FALSE(ctx.needs_input_grad(1));
    return y;
  }
  static auto backward(auto& ctx, const line_variable& dy) {
    ctx.state.calls++;
    line_variable g = ctx.template saved<double, 1>(0) * dy * 2.0;
    return std::tuple(g, st::none);
  }
};
/// x and y swapped roles: (x * y, x + y, how many elements).
struct pair_of : st::function<pair_of> {
  static auto forward(st::function_context& ctx, const line& x, const line& y) {
    ctx.save_for_backward(x, y);
    return std::tuple(x * y, x + y, st::full<st::int64>({}, x.numel()));
  }
  static auto backward(st::function_context& ctx, const line_variable& product, const line_variable& sum, const st::variable<st::int64, st::extents<>>& count) {
    REQUIRE(product.defined());
    REQUIRE(sum.defined());
    CHECK(count.item() == 0);
    return std::tuple(product * ctx.saved<double, 1>(1) + sum, product * ctx.saved<double, 1>(0) + sum);
  }
};
/// Which gradients come, without zeros in their place.
struct halves : st::function<halves> {
  static inline bool came[2];
  static auto forward(st::function_context& ctx, const line& x) {
    ctx.set_materialize_grads(false);
    return std::tuple(x * 0.5, x * 0.25);
  }
  static line_variable backward(st::function_context&, const line_variable& a, const line_variable& b) {
    came[0] = a.defined(), came[1] = b.defined();
    if (!a.defined()) return b * 0.25;
    if (!b.defined()) return a * 0.5;
    return a * 0.5 + b * 0.25;
  }
};
struct square_once : st::function<square_once> {
  static constexpr const char* name = "square_once";
  static constexpr bool once_differentiable = true;
  static line forward(st::function_context& ctx, const line& x) {
    ctx.save_for_backward(x);
    return x * x;
  }
  static line backward(st::function_context& ctx, const line& dy) { return 2 * ctx.saved_tensor<double, 1>(0) * dy; }
};
struct fails : st::function<fails> {
  static inline bool forward_fails = false, backward_fails = true;
  static line forward(st::function_context& ctx, const line& x) {
    ctx.save_for_backward(x);
    if (forward_fails) throw 5;
    return x + 0.0;
  }
  static line_variable backward(st::function_context&, const line_variable& dy) {
    if (backward_fails) throw 7;
    return dy;
  }
};
/// A gradient for a row of which the argument has one element a column, and for a scalar.
struct wide_gradient : st::function<wide_gradient> {
  static matrix forward(st::function_context&, const line& x, const st::tensor<double, st::extents<>>& s) { return st::expand(x, {2, x.numel()}) * s; }
  static auto backward(st::function_context&, const st::variable<double, st::rank<2>>& dy) { return std::tuple(dy * 3.0, dy); }
};
struct wrong_shape : st::function<wrong_shape> {
  static line forward(st::function_context&, const line& x) { return st::cat({x, x}); }
  static line_variable backward(st::function_context&, const line_variable& dy) { return dy; }
};
struct in_place : st::function<in_place> {
  static line forward(st::function_context& ctx, const line& x) {
    x.copy_(x * 2);
    ctx.mark_dirty(x);
    return x;
  }
  static line_variable backward(st::function_context&, const line_variable& dy) { return dy * 2; }
};
struct ordered : st::function<ordered> {  // the elements, and which is the largest
  static auto forward(st::function_context& ctx, const line& x) {
    line signs = st::sign(x);
    ctx.mark_non_differentiable(signs);
    return std::tuple(x * 2, signs);
  }
  static line_variable backward(st::function_context&, const line_variable& dy, const line_variable&) { return dy * 2; }
};
line some(st::int64 n = 3) {
  line x = st::zeros<double>({n});
  for (int i = 0; i < n; ++i) x(i) = 0.3 + 0.2 * i;
  return x;
}
}  // namespace

TEST_CASE("a function with a derivative of its own, to any order") {
  st::variable x = some();
  st::variable y = cube::apply(x);
  y.backward(st::ones<double>({3}));
  CHECK(close(x.grad(), line(3 * some() * some())));
  CHECK(st::gradcheck([](auto v) { return cube::apply(v * 1.5); }, x).ok);
  CHECK(st::gradgradcheck([](auto v) { return cube::apply(v * 1.5); }, x).ok);
  auto first = st::grad(st::variable(st::sum(cube::apply(x))), x, {.create_graph = true});
  auto second = st::grad(st::variable(st::sum(first)), x, {.create_graph = true});
  auto third = st::grad(st::variable(st::sum(second)), x);
  CHECK(close(second.detach(), line(6 * some())));
  CHECK(close(third.detach(), st::full<double>({3}, 6.0)));
}

TEST_CASE("saved results stay connected, numbers pass through, and the state is the function's own") {
  st::variable x = some();
  const auto f = [](auto v) { return my_exp::apply(v, 2.0); };
  CHECK(st::gradcheck(f, x).ok);
  CHECK(st::gradgradcheck(f, x).ok);
}

TEST_CASE("tensors in, tensors out; under no_grad nothing is recorded") {
  line t = cube::apply(some());
  CHECK(t(0) == Approx(0.027));
  st::variable x = some();
  st::no_grad guard;
  CHECK_FALSE(cube::apply(x).requires_grad());
}

TEST_CASE("several results share one node, which runs once, with zeros for what nobody used") {
  st::variable x = some(), y = line(some() * 2);
  auto [p, s, n] = pair_of::apply(x, y);
  CHECK(n.item() == 3);
  CHECK_FALSE(n.requires_grad());
  st::variable both = st::sum(p * p) + st::sum(s);
  both.backward();
  CHECK(close(x.grad(), line(2 * (some() * some() * 2) * (some() * 2) + 1)));
  CHECK(close(y.grad(), line(2 * (some() * some() * 2) * some() + 1)));
  x.zero_grad();
  auto [p2, s2, n2] = pair_of::apply(x, y);
  st::variable(st::sum(p2)).backward();
  CHECK(close(x.grad(), line(some() * 2)));
  const auto f = [](auto a, auto b) {
    auto [u, v, w] = pair_of::apply(a, b);
    return u * v;
  };
  CHECK(st::gradcheck(f, std::tuple(x, y)).ok);
  CHECK(st::gradgradcheck(f, std::tuple(x, y)).ok);
  st::variable twice = st::sum(std::get<0>(pair_of::apply(x, x)));
  x.zero_grad();
  twice.backward();
  CHECK(close(x.grad(), line(2 * some())));
}

TEST_CASE("without materialised zeros an unused result gives an undefined gradient") {
  st::variable x = some();
  auto [a, b] = halves::apply(x);
  st::variable(st::sum(b)).backward();
  CHECK_FALSE(halves::came[0]);
  CHECK(halves::came[1]);
  CHECK(close(x.grad(), st::full<double>({3}, 0.25)));
}

TEST_CASE("once_differentiable: a second derivative is an error that names the function") {
  st::variable x = some();
  st::variable y = st::sum(square_once::apply(x));
  auto g = st::grad(y, x, {.create_graph = true});
  CHECK(close(g.detach(), line(2 * some())));
  CHECK_THROWS_WITH(st::grad(st::variable(st::sum(g)), x), Catch::Contains("square_once") && Catch::Contains("second derivative"));
  y.backward();
  CHECK(close(x.grad(), line(2 * some())));
}

TEST_CASE("errors of forward and backward pass through, and the graph stays usable") {
  st::variable x = some();
  fails::forward_fails = true;
  CHECK_THROWS_AS(fails::apply(x), int);
  fails::forward_fails = false, fails::backward_fails = true;
  st::variable h = 2 * x;
  st::variable y = st::sum(fails::apply(h) + h);
  CHECK_THROWS_AS(y.backward(true), int);
  fails::backward_fails = false;
  x.zero_grad();
  y.backward();
  CHECK(close(x.grad(), st::full<double>({3}, 4.0)));
}

TEST_CASE("gradients are summed to the shape of the argument, or a shape_error") {
  st::variable x = some();
  st::variable s = st::full<double>({}, 1.0);
  st::variable y = st::sum(wide_gradient::apply(x, s));
  y.backward(true);
  CHECK(close(x.grad(), st::full<double>({3}, 6.0)));
  CHECK(s.grad().item() == 6);
  CHECK(close(std::get<0>(st::grad(y, std::tuple(x, s), {.create_graph = true})).detach(), st::full<double>({3}, 6.0)));
  st::variable bad = st::sum(wrong_shape::apply(x));
  CHECK_THROWS_WITH(bad.backward(), Catch::Contains("argument 0 has shape [6]") && Catch::Contains("[3]"));
}

TEST_CASE("a saved tensor that was written in place is a version_error") {
  st::variable x = some();
  st::variable y = st::sum(cube::apply(x));
  x.detach() += 1;
  CHECK_THROWS_AS(y.backward(), st::version_error);
}

TEST_CASE("a second backward needs retain_graph") {
  st::variable x = some();
  st::variable y = st::sum(cube::apply(x));
  y.backward();
  CHECK_THROWS_AS(y.backward(), st::autograd_error);
}

TEST_CASE("mark_dirty: a leaf is refused, and what is not returned") {
  st::variable x = some();
  CHECK_THROWS_WITH(in_place::apply(x), Catch::Contains("leaf"));
  st::variable leaf = some();
  st::variable h = leaf * 3;
  st::variable y = st::sum(in_place::apply(h));
  y.backward();
  CHECK(close(leaf.grad(), st::full<double>({3}, 6.0)));
  CHECK(h.detach()(0) == Approx(0.3 * 6));
}

TEST_CASE("mark_non_differentiable") {
  st::variable x = some();
  auto [y, signs] = ordered::apply(x);
  CHECK(y.requires_grad());
  CHECK_FALSE(signs.requires_grad());
  st::variable(st::sum(y * signs)).backward();
  CHECK(close(x.grad(), st::full<double>({3}, 2.0)));
}

TEST_CASE("a chain of many calls is walked and destroyed in constant stack") {
  st::variable x = st::full<double>({1}, 1.0);
  line_variable y = x;
  for (int i = 0; i < 100000; ++i) y = cube::apply(y);
  y.backward(st::ones<double>({1}), true);
  y = {};
  CHECK(x.grad()(0) > 1);
}

// A x = b by Gaussian elimination: somebody else's solver, whose adjoint is a solve with the transposed matrix.
namespace {
std::vector<double> eliminate(matrix a, line b) {
  const st::int64 n = b.numel();
  for (st::int64 k = 0; k < n; ++k) {
    st::int64 pivot = k;
    for (st::int64 i = k; i < n; ++i)
      if (std::abs(a(i, k)) > std::abs(a(pivot, k))) pivot = i;
    for (st::int64 j = 0; j < n; ++j) std::swap(a(k, j), a(pivot, j));
    std::swap(b(k), b(pivot));
    for (st::int64 i = k + 1; i < n; ++i) {
      const double f = a(i, k) / a(k, k);
      for (st::int64 j = k; j < n; ++j) a(i, j) -= f * a(k, j);
      b(i) -= f * b(k);
    }
  }
  std::vector<double> x(static_cast<std::size_t>(n));
  for (st::int64 i = n - 1; i >= 0; --i) {
    double s = b(i);
    for (st::int64 j = i + 1; j < n; ++j) s -= a(i, j) * x[static_cast<std::size_t>(j)];
    x[static_cast<std::size_t>(i)] = s / a(i, i);
  }
  return x;
}
struct solve : st::function<solve> {
  static line forward(st::function_context& ctx, const matrix& a, const line& b) {
    const std::vector<double> values = eliminate(st::clone(a), st::clone(b));
    line x = st::zeros<double>({b.numel()});
    for (int i = 0; i < x.numel(); ++i) x(i) = values[static_cast<std::size_t>(i)];
    ctx.save_for_backward(a, x);
    return x;
  }
  /// db = A^-T dx, dA = -db x^T
  static auto backward(st::function_context& ctx, const line_variable& dx) {
    const auto a = ctx.saved<double, 2>(0);
    const auto x = ctx.saved<double, 1>(1);
    line_variable db = solve::apply(a.T(), dx);
    return std::tuple(-(st::unsqueeze(db, 1) * st::unsqueeze(x, 0)), db);
  }
};

/// What MPI_Sendrecv does on a ring, for all ranks of this process: rank r's first and last element go to its neighbours.
struct ring {
  int ranks;
  int messages = 0;
  /// from[r] is what rank r sends to rank r + step; to[r] what it receives.
  void shift(const std::vector<double>& from, std::vector<double>& to, int step) {
    for (int r = 0; r < ranks; ++r) to[static_cast<std::size_t>((r + step + ranks) % ranks)] = from[static_cast<std::size_t>(r)], ++messages;
  }
};
struct halo_add;
/// [ranks, n] with its neighbours' border elements around: [ranks, n + 2].
struct halo_exchange : st::function<halo_exchange> {
  struct state { ring* comm; };
  static matrix forward(auto& ctx, const matrix& x, ring* comm) {
    ctx.state.comm = comm;
    const st::int64 n = x.size(1);
    matrix out = st::zeros<double>({x.size(0), n + 2});
    std::vector<double> first, last;
    for (int r = 0; r < comm->ranks; ++r) first.push_back(x(r, 0)), last.push_back(x(r, n - 1));
    std::vector<double> left(first.size()), right(first.size());
    comm->shift(last, left, 1), comm->shift(first, right, -1);
    for (int r = 0; r < comm->ranks; ++r) {
      for (st::int64 i = 0; i < n; ++i) out(r, i + 1) = x(r, i);
      out(r, 0) = left[static_cast<std::size_t>(r)], out(r, n + 1) = right[static_cast<std::size_t>(r)];
    }
    return out;
  }
  static auto backward(auto& ctx, const st::variable<double, st::rank<2>>& dy) { return apply_adjoint(dy, ctx.state.comm); }
  static st::variable<double, st::rank<2>> apply_adjoint(const st::variable<double, st::rank<2>>& dy, ring* comm);
};
/// The adjoint: halos go back to where they came from, and are added there.
struct halo_add : st::function<halo_add> {
  struct state { ring* comm; };
  static matrix forward(auto& ctx, const matrix& y, ring* comm) {
    ctx.state.comm = comm;
    const st::int64 n = y.size(1) - 2;
    matrix out = st::clone(st::narrow(y, 1, 1, n));
    std::vector<double> left, right;
    for (int r = 0; r < comm->ranks; ++r) left.push_back(y(r, 0)), right.push_back(y(r, n + 1));
    std::vector<double> last(left.size()), first(left.size());
    comm->shift(left, last, -1), comm->shift(right, first, 1);
    for (int r = 0; r < comm->ranks; ++r) out(r, 0) += first[static_cast<std::size_t>(r)], out(r, n - 1) += last[static_cast<std::size_t>(r)];
    return out;
  }
  static auto backward(auto& ctx, const st::variable<double, st::rank<2>>& dx) { return halo_exchange::apply(dx, ctx.state.comm); }
};
st::variable<double, st::rank<2>> halo_exchange::apply_adjoint(const st::variable<double, st::rank<2>>& dy, ring* comm) { return halo_add::apply(dy, comm); }
}  // namespace

TEST_CASE("a linear solver with its adjoint passes gradcheck and gradgradcheck") {
  matrix a = st::array<double>({{4, 1, 0.5}, {0.2, 3, 1}, {1, 0.1, 5}});
  st::variable va = a;
  st::variable b = some();
  line x = solve::apply(a, some());
  CHECK(close(line(st::matmul(a, x)), some(), 1e-12));
  CHECK(st::gradcheck([](auto m, auto v) { return solve::apply(m, v); }, std::tuple(va, b)).ok);
  const auto report = st::gradgradcheck([](auto m, auto v) { return solve::apply(m, v); }, std::tuple(va, b));
  INFO(report.text);
  CHECK(report.ok);
}

TEST_CASE("a halo exchange sends gradients back") {
  ring comm{4};
  st::variable x = st::randn<double>({4, 5});
  const auto smooth = [&](auto v) {
    st::variable h = halo_exchange::apply(v, &comm);
    return st::exp(st::narrow(h, 1, 0, 5) * st::narrow(h, 1, 2, 5));
  };
  CHECK(st::gradcheck(smooth, x).ok);
  CHECK(st::gradgradcheck(smooth, x).ok);
  CHECK(comm.messages > 0);
}

namespace {
struct doubled : st::function<doubled> {
  static auto forward(st::function_context& ctx, const st::tensor<double, st::rank<1>>& x) {
    x.copy_(x * 2);
    ctx.mark_dirty(x);
    return x;
  }
  static auto backward(st::function_context&, const st::variable<double, st::rank<1>>& dy) { return st::eval(dy * 2.0); }
};
struct same : st::function<same> {
  static auto forward(st::function_context&, const st::tensor<double, st::rank<1>>& x) { return x; }
  static auto backward(st::function_context&, const st::variable<double, st::rank<1>>& dy) { return dy; }
};
}  // namespace

TEST_CASE("an argument that forward wrote is the result from then on") {
  const st::variable w = st::ones<double>({2});
  const st::variable<double, st::rank<1>> h = w * 3.0;
  const auto y = doubled::apply(h);
  const st::variable loss = st::sum(h) + st::sum(y);
  loss.backward();
  CHECK(loss.item() == 24);
  CHECK(w.grad()(0) == 12);
  CHECK_THROWS_AS(doubled::apply(st::variable<double, st::rank<1>>(w)(st::slice(0, 1))), st::autograd_error);  // a view of a leaf
}

TEST_CASE("a result that is an argument is not written in place") {
  const st::variable w = st::ones<double>({2});
  const st::variable<double, st::rank<1>> x = w * 3.0;
  const auto y = same::apply(x);
  CHECK_THROWS_WITH(y *= 2.0, Catch::Contains("that a custom function returned as it was given is written in place"));
  CHECK_THROWS_AS(y(st::slice(0, 1)) *= 2.0, st::autograd_error);
  CHECK_THROWS_AS(x *= 2.0, st::autograd_error);
}
