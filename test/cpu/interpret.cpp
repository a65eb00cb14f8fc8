// SPDX-License-Identifier: BSD-3-Clause
// The reference evaluator: against the fused kernels, plain loops and, through run-time adjoints, finite differences.
#include "../catch.hpp"

#include <cmath>
#include <sinter/cpu/interpret.hpp>
#include <sinter/expr/adjoint.hpp>
#include <sinter/sinter.hpp>
#include <vector>

#include "../reference.hpp"

namespace st = sinter;
using namespace st::detail;
using reference::interpreted, st::int64;

namespace {

/// The elements in row-major order.
template <class T, class E> std::vector<double> elements(const st::tensor<T, E>& t) {
  std::vector<double> out;
  int64 at[8] = {};
  for (int64 i = 0; i < t.numel(); ++i) {
    int64 offset = 0;
    for (int d = 0; d < t.rank; ++d) offset += at[d] * t.strides()[d];
    out.push_back(static_cast<double>(t.data()[offset]));
    for (int d = t.rank - 1; d >= 0 && ++at[d] == t.sizes()[d]; --d) at[d] = 0;
  }
  return out;
}
void check_close(const std::vector<double>& a, const std::vector<double>& b, double tolerance) {
  REQUIRE(a.size() == b.size());
  for (std::size_t i = 0; i < a.size(); ++i) {
    INFO("element " << i);
    if (std::isnan(a[i]) || std::isnan(b[i]) || std::isinf(a[i])) CHECK((std::isnan(a[i]) ? std::isnan(b[i]) : a[i] == b[i]));
    else CHECK(std::abs(a[i] - b[i]) <= tolerance * (1 + std::abs(a[i])));
  }
}
template <class X> void check_fused(const X& x, double tolerance = 2e-6) {
  const st::tensor fused = x;
  const auto plain = interpreted(x);
  for (int d = 0; d < fused.rank; ++d) CHECK(fused.sizes()[d] == plain.sizes()[d]);
  check_close(elements(fused), elements(plain), tolerance);
}

// --- gradients of programs that exist at run time only ---------------------------------------------------------------

struct run_time_program {
  st::graph g;
  std::vector<operand> leaves;

  double value() {  // of result 0
    result r;
    r.mode = write_store;
    std::vector<result> all(leaves.size() + 1);
    for (auto& o : all) o.mode = write_skip;
    all[0] = r;
    interpret<st::native>(g, leaves.data(), nullptr, all.data());
    return *reinterpret_cast<double*>(all[0].data);
  }
  /// Result 1 + k for leaf k.
  std::vector<double> gradient(std::size_t k) {
    std::vector<result> all(leaves.size() + 1);
    for (auto& o : all) o.mode = write_skip;
    all[k + 1].mode = write_store;
    interpret<st::native>(g, leaves.data(), nullptr, all.data());
    const int64 n = leaves[k].shape.numel();
    CHECK(all[k + 1].shape == leaves[k].shape);
    const double* d = reinterpret_cast<const double*>(all[k + 1].data);
    return {d, d + n};
  }
};
/// Numbers of the instructions of the first `count` leaves, -1 where the program does not read one.
std::vector<int> leaves_of(const st::graph& g, std::size_t count) {
  std::vector<int> out(count, -1);
  for (int i = 0; i < g.size(); ++i)
    if (g.at(i).op == st::code::leaf && g.at(i).a < count) out[g.at(i).a] = i;
  return out;
}
int root_of(const st::graph& g) {
  for (int i = 0; i < g.size(); ++i)
    if (g.at(i).op == st::code::output && g.at(i).b == 0) return g.at(i).a;
  return -1;
}
/// Appends the gradients of the 0-d value `root`, by leaf; none where it does not depend on one.
std::vector<st::sym> differentiate(st::graph& g, int root, const std::vector<int>& wrt) {
  vec<st::uint16> roots(1, static_cast<st::uint16>(root)), seeds(1, g.literal(1, st::dtype::f64, false).id);
  vec<bool> wanted(g.size(), false);
  for (int i : wrt)
    if (i >= 0) wanted[i] = true;
  const vec<st::uint16> d = adjoint(g, roots, seeds, wanted);
  std::vector<st::sym> out;
  for (int i : wrt) out.push_back(i < 0 || d[i] == 0xffff ? st::sym{} : g.at_sym(d[i]));
  return out;
}
void check_against_differences(run_time_program& gradients, run_time_program& value, std::size_t leaves, double tolerance) {
  for (std::size_t k = 0; k < leaves; ++k) {
    bool has = false;
    for (int i = 0; i < gradients.g.size(); ++i)
      if (gradients.g.at(i).op == st::code::output && gradients.g.at(i).b == k + 1) has = true;
    const int64 n = value.leaves[k].shape.numel();
    const std::vector<double> d = has ? gradients.gradient(k) : std::vector<double>(static_cast<std::size_t>(n), 0.0);
    for (int64 i = 0; i < n; ++i) {
      double& x = reinterpret_cast<double*>(value.leaves[k].data)[i];
      const double was = x, h = 1e-5;
      x = was + h;
      const double high = value.value();
      x = was - h;
      const double low = value.value();
      x = was;
      INFO("leaf " << k << " element " << i);
      CHECK(d[static_cast<std::size_t>(i)] == Approx((high - low) / (2 * h)).epsilon(tolerance).margin(tolerance));
    }
  }
}

/// Copies `from` without its results but for result 0 unless others are made; operands are renumbered.
template <class N, class O> void rewrite(const st::graph& from, st::graph& to, N number, O outputs) {
  vec<st::uint16> map(from.size(), 0xffff);
  for (int i = 0; i < from.size(); ++i) {
    const st::instruction x = from.at(i);
    if (x.op == st::code::output) continue;
    if (x.op == st::code::leaf) map[i] = to.leaf(number(x.a), x.type, x.rank, from[i].ones).id;
    else if (x.op == st::code::scalar) map[i] = to.scalar(number(x.a), x.type, false).id;
    else map[i] = replay(to, from, i, map, 0).id;
  }
  outputs([&](st::sym s) { return to.at_sym(map[s.id]); });
  if (to.size() == 0 || to.at(to.size() - 1).op != st::code::output) to.output(to.at_sym(map[root_of(from)]), 0);
}

/// First and second derivatives of f(leaves...), weighted with random numbers, in double.
template <class F, class... T> void check_derivatives(F f, const T&... t) {
  constexpr std::size_t n = sizeof...(T);
  const auto weights = st::randn<double>(interpreted(f(t...)).sizes());
  const auto loss = st::sum(f(t...) * weights);
  using P = program_of<std::remove_cvref_t<decltype(loss)>>;
  bound_operands<P> in;
  bind<st::native>(loss, in);
  st::uint8 ones[P::operand_count + 1] = {};
  for (int i = 0; i < P::operand_count; ++i)
    for (int d = 0; d < in.leaves[i].shape.rank; ++d)
      if (in.leaves[i].shape[d] == 1) ones[i] = static_cast<st::uint8>(ones[i] | 1 << d);

  // operands are occurrences of tensors: give those of t[k] the number k
  const char* const data[] = {reinterpret_cast<const char*>(t.data())...};
  int number[P::operand_count], count = n;
  run_time_program value;
  for (const auto* p : data)
    for (const auto& o : in.leaves)
      if (o.data == p) { value.leaves.push_back(o); break; }
  REQUIRE(value.leaves.size() == n);
  for (int i = 0; i < P::operand_count; ++i) {
    number[i] = -1;
    for (std::size_t k = 0; k < n; ++k)
      if (in.leaves[i].data == data[k]) number[i] = static_cast<int>(k);
    if (number[i] < 0) number[i] = count++, value.leaves.push_back(in.leaves[i]);
  }
  const st::graph restored = view_of<P>.restore(ones);
  rewrite(restored, value.g, [&](int operand) { return number[operand]; }, [](auto) {});
  run_time_program first = value;
  const auto wrt = leaves_of(first.g, n);
  const auto d = differentiate(first.g, root_of(first.g), wrt);
  for (std::size_t k = 0; k < n; ++k)
    if (!d[k].none()) first.g.output(first.g.at_sym(d[k].id), static_cast<int>(k) + 1, static_cast<int>(k));
  check_against_differences(first, value, n, 1e-6);

  // s = sum over k of <d_k, v_k>; its gradient is the Hessian times v
  run_time_program along = value;
  const auto slopes = differentiate(along.g, root_of(along.g), wrt);
  std::vector<std::vector<double>> directions;
  st::sym s{};
  for (std::size_t k = 0; k < n; ++k) {
    if (slopes[k].none()) continue;
    const st::sym slope = along.g.at_sym(slopes[k].id);
    operand v = value.leaves[k];
    directions.emplace_back();
    for (int64 i = 0; i < v.shape.numel(); ++i) directions.back().push_back(std::sin(static_cast<double>(3 * i + 1)));
    v.data = reinterpret_cast<char*>(directions.back().data());
    const st::sym leaf = along.g.leaf(static_cast<int>(along.leaves.size()), st::dtype::f64, v.shape.rank, ones[k]);
    along.leaves.push_back(v);
    const st::sym term = sum_sym(apply_sym<st::op::mul>(slope, leaf), st::all_axes(leaf));
    const st::sym flat = along.g.squeeze(term, st::all_axes(term));
    s = s.none() ? flat : apply_sym<st::op::add>(s, flat);
  }
  REQUIRE(!s.none());
  const auto dd = differentiate(along.g, s.id, wrt);
  run_time_program slope{{}, along.leaves}, second = slope;
  auto same = [](int operand) { return operand; };
  rewrite(along.g, slope.g, same, [&](auto of) { slope.g.output(of(s), 0); });
  rewrite(along.g, second.g, same, [&](auto of) {
    for (std::size_t k = 0; k < n; ++k)
      if (!dd[k].none()) second.g.output(of(dd[k]), static_cast<int>(k) + 1, static_cast<int>(k));
  });
  check_against_differences(second, slope, n, 1e-5);
}

auto positive(const st::tensor<double, st::rank<2>>& t) {
  for (int64 i = 0; i < t.numel(); ++i) t.data()[i] = 0.3 + std::abs(t.data()[i]);
  return t;
}

}  // namespace

TEST_CASE("the reference evaluator agrees with fused element-wise kernels, whatever the strides") {
  const auto a = st::randn<float>({7, 1, 13});
  const auto b = st::randn<float>({5, 13});
  const auto c = st::randn<float>({13, 5}).T();
  check_fused(a + b * c - 2.5);
  check_fused(st::tanh(a) / (1 + st::exp(-b)) + st::sqrt(st::abs(c)));
  check_fused(st::maximum(a, b) * st::minimum(b, c) + st::relu(c) + st::gelu(a) + st::silu(b));
  check_fused(st::where(a > b, st::sigmoid(c), st::log(b * b + 1)), 1e-5);
  check_fused(st::pow(st::abs(a) + 0.5, b) + st::rsqrt(st::abs(c) + 1), 1e-5);
}
TEST_CASE("rows shorter and longer than a block, read where they lie or copied") {
  auto check = [](auto one) {
    using T = decltype(one);
    for (const int64 n : {1, 31, 32, 33, 256, 257, 600}) {
      INFO("rows of " << n);
      const auto a = st::randn<T>({3, 1, n}), b = st::randn<T>({5, n}), c = st::randn<T>({n, 5}).T();
      check_fused(a * b - c / 3, 1e-6);
    }
  };
  check(1.0f), check(1.0);
}
TEST_CASE("comparisons and integers keep their dtype") {
  const auto a = st::randint<int64>(-9, 9, {4, 33});
  const auto b = st::randint<st::int32>(1, 9, {33});
  check_fused(a * b - 3);
  check_fused(a == b);
  check_fused((a < 0) != (b > 4));
  check_fused(a / b);
  check_fused(st::where(a > 0, a, -a));
  static_assert(std::is_same_v<decltype(interpreted(a < b))::value_type, bool>);
}
TEST_CASE("reductions over any dims, of empty and 0-d tensors too") {
  const auto a = st::randn<float>({3, 5, 9});
  check_fused(st::sum(a), 1e-5);
  check_fused(st::sum(a, {0, 2}), 1e-5);
  check_fused(st::max(a, 1, st::keepdim));
  check_fused(st::argmax(a, 0));
  check_fused(st::argmax(st::transpose(a, 0, 2), {0, 2}));
  check_fused(st::mean(a, st::dim<-1>), 1e-5);
  check_fused(st::var(a, 1), 1e-5);
  check_fused(st::sum(st::zeros<float>({0, 4}), 0));
  check_fused(st::sum(st::zeros<float>({4, 0}), 0));
  check_fused(st::full<float>({}, 2.0f) * 3);
  check_fused(st::sum(st::full<float>({}, 2.0f)));
}
TEST_CASE("compositions: softmax, layer_norm, losses") {
  const auto x = st::randn<float>({6, 31});
  const auto w = st::randn<float>({31});
  const auto b = st::randn<float>({31});
  const auto target = st::randint<int64>(0, 31, {6});
  check_fused(st::softmax(x, 1), 1e-5);
  check_fused(st::softmax(x, 0), 1e-5);
  check_fused(st::log_softmax(x, st::dim<1>), 1e-5);
  check_fused(st::layer_norm(x, w, b), 1e-5);
  check_fused(st::mse_loss(x, b), 1e-5);
  check_fused(st::cross_entropy(x, target), 1e-5);
}
TEST_CASE("products small and large, with vectors, batches and views") {
  auto check = [](const auto& x, const auto& y) { check_fused(st::matmul(x, y), 1e-4); };
  check(st::randn<float>({3, 5}), st::randn<float>({5, 7}));
  check(st::randn<float>({40, 50}), st::randn<float>({60, 50}).T());
  check(st::randn<float>({50}), st::randn<float>({50, 7}));
  check(st::randn<double>({64, 50}), st::randn<double>({50}));
  check(st::randn<float>({4, 17, 33}), st::randn<float>({4, 33, 29}));
  check(st::randn<float>({4, 17, 33}), st::randn<float>({33, 29}));
  check(st::randn<float>({0, 5}), st::randn<float>({5, 7}));
  check(st::randn<float>({3, 0}), st::randn<float>({0, 7}));
}
TEST_CASE("convolutions and their transposes") {
  const auto x = st::randn<float>({2, 4, 7, 6}), w = st::randn<float>({4, 2, 3, 2});
  const auto b = st::randn<float>({4});
  check_fused(st::relu(st::conv2d(x, w, b, {.stride = {2, 1}, .padding = 1, .dilation = {1, 2}, .groups = 2})), 1e-5);
  check_fused(st::conv_transpose2d(x, w, {.stride = {2, 1}, .padding = 1, .groups = 2}), 1e-5);
  const auto signal = st::randint<int64>(-9, 9, {3, 20});
  const auto kernel = st::randint<int64>(-9, 9, {2, 3, 4});
  check_fused(st::conv1d(signal, kernel));
}
TEST_CASE("int64 sums and products are exact beyond 2^53") {
  const int64 big = (int64{1} << 53) + 1;
  const auto a = st::array<int64>({big, 2, -big, big});
  CHECK(interpreted(st::sum(a)).data()[0] == big + 2);
  CHECK(interpreted(st::max(a)).data()[0] == big);
  CHECK(interpreted(a * 3).data()[0] == 3 * big);
  CHECK(interpreted(st::matmul(a, st::array<int64>({1, 0, 0, 0}))).data()[0] == big);
}
TEST_CASE("argmax counts row-major over the reduced dims; the first of equals and the first NaN win") {
  const auto a = st::array<float>({{1, 9, 2}, {9, 9, 0}});
  CHECK(interpreted(st::argmax(a)).data()[0] == 1);
  CHECK(interpreted(st::argmax(a.T())).data()[0] == 1);
  a.data()[3] = NAN;
  CHECK(interpreted(st::argmax(a)).data()[0] == 3);
}
TEST_CASE("a result may be added to memory, or summed to a smaller shape") {
  const auto a = st::array<double>({{1, 2}, {3, 4}});
  const auto e = a * 10;
  using P = program_of<std::remove_cvref_t<decltype(e)>>;
  bound_operands<P> in;
  bind<st::native>(e, in);
  double to[2] = {1, 1};
  result r;
  r.data = reinterpret_cast<char*>(to);
  r.shape.rank = 1, r.shape[0] = 2, r.strides[0] = 1;
  r.mode = write_accumulate;
  interpret<st::native>(view_of<P>, in.leaves, in.slots, &r);
  CHECK((to[0] == 41 && to[1] == 61));
  r.mode = write_store;
  interpret<st::native>(view_of<P>, in.leaves, in.slots, &r);
  CHECK((to[0] == 40 && to[1] == 60));
  r.mode = write_skip;
  to[0] = 7;
  interpret<st::native>(view_of<P>, in.leaves, in.slots, &r);
  CHECK(to[0] == 7);
}
TEST_CASE("memory comes back, also when shapes turn out not to fit") {
  const auto a = st::randn<float>({100, 100});
  const auto b = st::randn<float>({99});
  const int64 before = st::memory_stats().allocated;
  CHECK_THROWS_AS(interpreted(st::exp(a) + b), st::shape_error);
  interpreted(st::softmax(a * 2 + 1, 1));
  CHECK(st::memory_stats().allocated == before);
}
TEST_CASE("values are freed when they were read for the last time") {
  const auto a = st::randn<float>({1000, 1000});
  st::empty_cache();
  auto chain = a + 1;
  const auto e = st::exp(-st::abs(st::exp(-st::abs(st::exp(-st::abs(st::exp(-st::abs(chain))))))));
  const int64 before = st::memory_stats().reserved;
  interpreted(e);
  CHECK(st::memory_stats().reserved - before < 4 * 4'000'000 + 1'000'000);
}

TEST_CASE("run-time adjoints of element-wise ops, first and second order, with broadcasting") {
  const auto a = st::randn<double>({3, 4});
  const auto b = st::randn<double>({1, 4});
  const auto c = st::randn<double>({3, 1});
  const auto p = positive(st::randn<double>({3, 4}));
  check_derivatives([](auto x, auto y) { return x * y + x / (y * y + 1) - 3 * y; }, a, b);
  check_derivatives([](auto x, auto y, auto z) { return st::exp(x * y) * st::tanh(z - y) + st::sigmoid(x + z); }, a, b, c);
  check_derivatives([](auto x, auto y) { return st::pow(x, y) + st::log(x) * st::sqrt(x) + st::rsqrt(x); }, p, b);
  check_derivatives([](auto x) { return st::pow(x, 3.0) + st::gelu(x) + st::silu(x); }, a);
  check_derivatives([](auto x, auto y) { return st::maximum(x, y) * x + st::minimum(x, y) * st::abs(x) * y; }, a, c);
  check_derivatives([](auto x, auto y) { return st::where(x > y, x * x * y, st::relu(x) * y + st::exp(y)); }, a, b);
}
TEST_CASE("run-time adjoints of reductions, first and second order") {
  const auto a = st::randn<double>({3, 4});
  check_derivatives([](auto x) { return st::sum(x * x * x, st::dim<1>); }, a);
  check_derivatives([](auto x) { return st::max(x, st::dim<0>) * st::mean(x * x, st::dim<0>); }, a);
  check_derivatives([](auto x) { return st::var(x, st::dim<1>); }, a);
  check_derivatives([](auto x) { return st::softmax(x, st::dim<1>); }, a);
  check_derivatives([](auto x) { return st::log_softmax(x, st::dim<0>); }, a);
}
TEST_CASE("run-time adjoints of norms, losses and products, first and second order") {
  const auto x = st::randn<double>({3, 4});
  const auto w = st::randn<double>({4});
  const auto b = st::randn<double>({4});
  check_derivatives([](auto u, auto v, auto s) { return st::layer_norm(u, v, s); }, x, w, b);
  check_derivatives([](auto u, auto v) { return st::mse_loss(u, v) * 1.0; }, x, w);
  const auto target = st::randint<int64>(0, 4, {3});
  check_derivatives([=](auto u) { return st::cross_entropy(u, target) * 1.0; }, x);
  const auto m = st::randn<double>({4, 5});
  const auto bias = st::randn<double>({5});
  check_derivatives([](auto u, auto v, auto s) { return st::tanh(st::matmul(u, v) + s); }, x, m, bias);
  check_derivatives([](auto u, auto v) { return st::matmul(u, v) * st::matmul(u, v); }, x, w);
  check_derivatives([](auto u, auto v) { return st::matmul(u, v); }, st::randn<double>({2, 3, 4}), m);
}
