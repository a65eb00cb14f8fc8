// SPDX-License-Identifier: BSD-3-Clause
#include <sinter/func/func.hpp>
#include <sinter/expr/plan.hpp>
#include <sinter/sinter.hpp>

#include <cmath>
#include <vector>

#include "../catch.hpp"

namespace st = sinter;
using namespace st::func;

namespace {

using values = std::vector<double>;
/// The elements of an expression, row-major, of its program as the interpreter runs it: no kernel is compiled for it.
template <class X> values elements(const X& x) {
  values out;
  if constexpr (st::detail::formula<X>) {
    using L = st::detail::lowered<X>;
    using P = typename L::program;
    L::check();
    st::detail::bound_operands<P> ops;
    st::detail::bind<st::native>(x, ops);
    st::detail::result r[2];
    r[0].complex = L::is_complex;
    st::detail::interpret<st::native>(st::detail::view_of<P>, ops.leaves, ops.slots, r);
    return elements(st::detail::take<typename L::value_type, typename L::extents_type>(r[0]));
  } else {
    const auto rows = st::contiguous(x);
    for (st::int64 i = 0; i < x.numel(); ++i)
      if constexpr (requires { rows.data()->re; }) out.push_back(rows.data()[i].re), out.push_back(rows.data()[i].im);
      else out.push_back(static_cast<double>(rows.data()[i]));
    return out;
  }
}
/// Are all elements as given, to rounding?
void check(const values& got, const values& want) {
  REQUIRE(got.size() == want.size());
  for (std::size_t i = 0; i < got.size(); ++i) {
    INFO("element " << i);
    CHECK(std::abs(got[i] - want[i]) <= 1e-12 * (1 + std::abs(want[i])));
  }
}
template <class X> void check(const X& got, const values& want) { check(elements(got), want); }

/// The results of a transform with several, as expressions: for `elements`.
template <class T, class... X> auto parts(st::func::detail::transform<T>, const X&... x) {
  using N = st::applied<st::composed::transformed<T>, const X&...>;
  return st::func::detail::expressions_of<T, decltype(N::build(std::declval<st::detail::cursor&>()))>(x...);
}

auto vector() { return st::array<double>({0.5, 1.5, -2.0}); }
auto matrix() { return st::array<double>({{1, 2, 3}, {4, 5, 6}}); }
constexpr auto cube = [](auto a) { return a * a * a; };
constexpr auto sum_of_cubes = [](auto a) { return st::sum(a * a * a); };
constexpr auto form = [](auto a, auto m) { return st::matmul(a, st::matmul(m, a)); };  // a^T M a
constexpr auto loss = [](auto w, auto b, auto v, auto x, auto y) { return st::mse_loss(st::matmul(st::tanh(st::linear(x, w, b)), v), y); };
constexpr auto classes = [](auto w, auto x, auto t) { return st::cross_entropy(st::matmul(x, w), t); };

}  // namespace

TEST_CASE("grad: by one argument, by several, with the value, with something more") {
  const auto x = vector();
  check(grad(sum_of_cubes)(x), {0.75, 6.75, 12});
  const auto f = [](auto a, auto b) { return st::sum(a * a * b); };
  check(grad(f, argnums<1>)(x, 2 * x), {0.25, 2.25, 4});
  const auto [da, db] = parts(grad(f, argnums<0, 1>), x, st::ones<double>({3}));
  check(da, {1, 3, -4});
  check(db, {0.25, 2.25, 4});
  auto [value, gradient] = value_and_grad(sum_of_cubes)(x);
  check(value, {-4.5});
  check(gradient, {0.75, 6.75, 12});
  const auto [same_gradient, same_value] = parts(grad_and_value(sum_of_cubes), x);
  check(same_value, {-4.5});
  check(same_gradient, {0.75, 6.75, 12});
  const auto [d, twice] = parts(grad([](auto a) { return std::tuple(st::sum(a * a), 2 * a); }, has_aux), x);
  check(d, {1, 3, -4});
  check(twice, {1, 3, -4});
  const auto [v, g] = parts(value_and_grad([](auto a) { return std::tuple(st::sum(a * a), 2 * a); }, has_aux), x);
  check(std::get<0>(v), {6.5});
  check(std::get<1>(v), {1, 3, -4});
  check(g, {1, 3, -4});
  check(grad([](auto, auto b) { return st::sum(b); })(x, x), {0, 0, 0});  // what is not used
  check(grad([](auto a, auto n) { return a * n; })(st::sum(x), 2.5), {2.5});
  check(grad([](auto a, auto n) { return st::sum(st::pow(a, n)); }, argnums<1>)(st::array<double>({1.0, std::exp(1.0)}), 2.0), {std::exp(2.0)});
}
TEST_CASE("transforms nest to any depth") {
  const auto x = vector();
  const auto m = st::array<double>({{1, 2, 0}, {0, 1, 4}, {5, 0, 1}});
  check(hessian(form)(x, m), {2, 2, 5, 2, 2, 4, 5, 4, 2});
  check(jacrev(jacrev(form))(x, m), {2, 2, 5, 2, 2, 4, 5, 4, 2});
  check(jacfwd(jacfwd(form))(x, m), {2, 2, 5, 2, 2, 4, 5, 4, 2});
  check(jacrev(jacfwd(form))(x, m), {2, 2, 5, 2, 2, 4, 5, 4, 2});
  check(vmap(grad(grad(grad([](auto a) { return st::exp(2 * a); }))))(x), {8 * std::exp(1.0), 8 * std::exp(3.0), 8 * std::exp(-4.0)});
  check(vmap(jacrev(cube))(matrix()), {3, 0, 0, 0, 12, 0, 0, 0, 27, 48, 0, 0, 0, 75, 0, 0, 0, 108});
  check(vmap(hessian(sum_of_cubes))(matrix()), {6, 0, 0, 0, 12, 0, 0, 0, 18, 24, 0, 0, 0, 30, 0, 0, 0, 36});
  check(vmap(vmap([](auto a, auto b) { return a * b; }, in_dims<none, 0>), in_dims<0, none>)(x, st::array<double>({1.0, 2.0})), {0.5, 1, 1.5, 3, -2, -4});
  check(jacfwd(vmap([](auto a) { return st::sum(a * a); }))(matrix()), {2, 4, 6, 0, 0, 0, 0, 0, 0, 8, 10, 12});
  check(grad([](auto a) { return st::sum(vmap(grad([](auto e) { return e * e * e; }))(a)); })(x), {3, 9, -12});
  // in a formula, and fused with it
  check(st::let(x, [](auto a) { return a * grad(sum_of_cubes)(a); }), {0.375, 10.125, -24});
  static_assert(st::detail::schedule_of<st::detail::program_of<decltype(x * grad(sum_of_cubes)(x + 1) + 2)>>.count == 1);
}
TEST_CASE("what arguments are outside does not matter to a derivative") {
  const auto x = vector();
  // by the first argument alone, though the second is made of it, and made again inside
  const auto outer = [](auto a) { return grad([](auto p, auto q) { return st::sum(p * q + st::tanh(p) * 0); })(a, st::tanh(a)); };
  check(st::let(x, outer), {std::tanh(0.5), std::tanh(1.5), std::tanh(-2.0)});
  check(grad([](auto p, auto q) { return st::sum(p * q); })(x, x), {0.5, 1.5, -2});  // one tensor twice
  // d/dx x (d/dy (x + y)) = 1: the inner derivative is not by x
  const auto confused = [](auto a) { return st::sum(a * grad([](auto y, auto b) { return st::sum(b + y); })(a * 0 + 1, a)); };
  check(grad(confused)(x), {1, 1, 1});
  check(hvp(sum_of_cubes, x, x), {1.5, 13.5, 24});
}
TEST_CASE("Jacobians: the result's dims, then the argument's") {
  const auto x = matrix();
  const auto w = st::array<double>({{1, 0, 2}, {0, 3, 1}});
  const auto f = [](auto a, auto b) { return st::sum(a * st::expand_as(b, a), 1) * st::sum(b); };  // [2]
  values by_a, by_b;
  const values b = {0.5, 1.5, -2};
  const auto row = [&](int i) { return x(i, 0) * b[0] + x(i, 1) * b[1] + x(i, 2) * b[2]; };
  for (int i = 0; i < 2; ++i)
    for (int k = 0; k < 2; ++k)
      for (int j = 0; j < 3; ++j) by_a.push_back(i == k ? 0.0 * b[static_cast<std::size_t>(j)] : 0);
  for (int i = 0; i < 2; ++i)
    for (int j = 0; j < 3; ++j) by_b.push_back(row(i));
  check(jacrev(f)(x, vector()), by_a);
  check(jacfwd(f)(x, vector()), by_a);
  check(jacrev(f, argnums<1>)(x, vector()), by_b);
  check(jacfwd(f, argnums<1>)(x, vector()), by_b);
  // x w^T: [2, 3] -> [2, 2]; d y_ij / d x_kl = w_jl where i = k
  values product;
  for (int i = 0; i < 2; ++i)
    for (int j = 0; j < 2; ++j)
      for (int k = 0; k < 2; ++k)
        for (int l = 0; l < 3; ++l) product.push_back(i == k ? w(j, l) : 0);
  const auto linear = [](auto a, auto m) { return st::linear(a, m); };
  check(jacrev(linear)(x, w), product);
  check(jacfwd(linear)(x, w), product);
  const auto [one, two] = parts(jacrev(linear, argnums<0, 1>), x, w);
  check(one, product);
  CHECK(elements(two).size() == 2 * 2 * 2 * 3);
  // dims of extent 1 are no batch: known ones in the type, others at run time; both are dims of the result
  const auto still = st::zeros<double>(st::shape<1, 3>);
  const auto moving = st::zeros<double>({1, 3});
  static_assert(std::is_same_v<st::detail::lowered<decltype(jacrev(cube)(still))>::extents_type, st::extents<1, 3, 1, 3>>);
  check(jacrev(cube)(still + 1), {3, 0, 0, 0, 3, 0, 0, 0, 3});
  check(jacrev(cube)(moving + 1), {3, 0, 0, 0, 3, 0, 0, 0, 3});
  check(jacfwd(cube)(still + 1), {3, 0, 0, 0, 3, 0, 0, 0, 3});
  check(jacrev(linear)(still, w), {1, 0, 2, 0, 3, 1});  // a product with one row
  check(jacfwd(linear)(still, w), {1, 0, 2, 0, 3, 1});
  static_assert(st::detail::schedule_of<st::detail::program_of<decltype(jacrev(linear)(still, w))>>.count == 1);
  static_assert(st::detail::lowered<decltype(jacfwd(linear)(moving, w))>::extents_type::rank == 4);
  // of several results
  const auto [square, total] = parts(jacrev([](auto a) { return std::tuple(a * a, st::sum(a * a)); }), vector());
  check(square, {1, 0, 0, 0, 3, 0, 0, 0, -4});
  check(total, {1, 3, -4});
  const auto pairs = parts(jacrev([](auto a, auto c) { return std::tuple(a * c, a); }, argnums<0, 1>), st::array<double>({1.0, 2.0}), st::array<double>({3.0, 4.0}));
  check(std::get<0>(std::get<0>(pairs)), {3, 0, 0, 4});
  check(std::get<1>(std::get<0>(pairs)), {1, 0, 0, 2});
  check(std::get<1>(std::get<1>(pairs)), {0, 0, 0, 0});
  // of what does not depend on the argument, of no elements, of one number
  check(jacrev([](auto a, auto c) { return c + 0 * st::sum(a) * 0; })(vector(), st::array<double>({1.0, 2.0})), {0, 0, 0, 0, 0, 0});
  check(jacfwd([](auto, auto c) { return c; })(vector(), st::array<double>({1.0, 2.0})), {0, 0, 0, 0, 0, 0});
  check(jacrev([](auto, auto c) { return c; })(vector(), st::array<double>({1.0, 2.0})), {0, 0, 0, 0, 0, 0});
  CHECK(elements(jacrev(cube)(st::zeros<double>({0}))).empty());
  check(jacrev(cube)(st::sum(vector()) + 2), {12});
  check(jacfwd([](auto a) { return a * st::index_along(st::expand_as(a, a), st::axes{0, 0}) + a * a; })(st::sum(vector()) + 2), {4});
}
TEST_CASE("vmap(grad(loss)): the gradient of each sample, as a loop finds it") {
  const auto w = st::randn<double>({4, 3}), v = st::randn<double>({4, 2}), x = st::randn<double>({5, 3}), y = st::randn<double>({5, 2});
  const auto b = st::randn<double>({4});
  const auto one = grad(loss, argnums<0, 1, 2>);
  const auto [gw, gb, gv] = vmap(one, in_dims<none, none, none, 0, 0>)(w, b, v, x, y);
  CHECK(gw.sizes() == st::index_list<3>(5, 4, 3));
  CHECK(gb.sizes() == st::index_list<2>(5, 4));
  for (int i = 0; i < 5; ++i) {
    const auto [dw, db, dv] = parts(one, w, b, v, x(i), y(i));
    check(gw(i), elements(dw));
    check(gb(i), elements(db));
    check(gv(i), elements(dv));
  }
  const auto [dw, db, dv] = parts(one, w, b, v, x, y);  // their mean is the gradient of the batch
  check(st::mean(gw, 0), elements(dw));
  check(st::mean(gv, 0), elements(dv));
}
TEST_CASE("vmap of a class loss: one number a sample; models side by side; a class out of range is an error") {
  const auto w = st::randn<double>({3, 4}), x = st::randn<double>({5, 3});
  const auto models = st::randn<double>({2, 3, 4});
  auto t = st::array<st::int64>({0, 3, 1, 2, 2});
  const auto each = vmap(grad(classes), in_dims<none, 0, 0>)(w, x, t);
  const auto got = elements(each);
  for (int i = 0; i < 5; ++i) check(grad(classes)(w, x(i), st::select(t, 0, i)), values(got.begin() + 12 * i, got.begin() + 12 * (i + 1)));
  const auto side_by_side = elements(vmap(grad(classes), in_dims<0, none, none>)(models, x, t));
  for (int m = 0; m < 2; ++m) check(grad(classes)(models(m), x, t), values(side_by_side.begin() + 12 * m, side_by_side.begin() + 12 * (m + 1)));
  t(1) = 4;
  CHECK_THROWS_AS(st::eval(vmap(grad(classes), in_dims<none, 0, 0>)(w, x, t)), st::index_error);
}
TEST_CASE("vmap: batch dims anywhere, results anywhere, several of them") {
  const auto x = matrix();
  const auto scaled = [](auto a) { return a * st::sum(a); };
  check(vmap(scaled, in_dims<1>)(x), {5, 20, 14, 35, 27, 54});
  check(vmap(scaled, in_dims<-1>, out_dims<1>)(x), {5, 14, 27, 20, 35, 54});
  check(vmap(scaled, in_dims<0>, out_dims<-1>)(x), {6, 60, 12, 75, 18, 90});
  check(vmap(scaled)(x.T()), {5, 20, 14, 35, 27, 54});  // a view
  check(vmap([](auto a, auto b) { return a + b; }, in_dims<0, 1>)(x, x.T()), {2, 4, 6, 8, 10, 12});
  check(vmap([](auto, auto b) { return b * 2; }, in_dims<0, none>)(x, vector()), {1, 3, -4, 1, 3, -4});
  const auto [sums, more] = parts(vmap([](auto a) { return std::tuple(st::sum(a), a + 1); }, in_dims<0>, out_dims<0, 1>), x);
  check(sums, {6, 15});
  check(more, {2, 5, 3, 6, 4, 7});
  CHECK(elements(vmap(scaled)(st::zeros<double>({0, 3}))).empty());
  check(vmap([](auto a) { return st::sum(a); })(st::zeros<double>({2, 0})), {0, 0});
  check(vmap([](auto a) { return a > 2; })(x), {0, 0, 1, 1, 1, 1});
  const auto noise = [](auto a) { return st::apply<st::op::random_bits>(st::index_along(a, st::all_axes(a)), 5, 6) + 0 * a; };
  const auto same = elements(vmap(noise, in_dims<0>, out_dims<0>, randomness::same)(x)), different = elements(vmap(noise, in_dims<0>, out_dims<0>, randomness::different)(x));
  CHECK(values(same.begin(), same.begin() + 3) == values(same.begin() + 3, same.end()));
  CHECK(values(different.begin(), different.begin() + 3) != values(different.begin() + 3, different.end()));
}
TEST_CASE("jvp, vjp, linearize, hvp") {
  namespace d = st::func::detail;
  const auto x = vector();
  const auto m = matrix();
  const auto f = [](auto a, auto b) { return st::matmul(a, b) * st::sum(b); };
  using F = std::remove_const_t<decltype(f)>;
  const auto [y, tangent] = parts(d::transform<d::pushforward<F, 2>>{}, m, x, st::ones<double>({2, 3}), st::ones<double>({3}));
  check(y, {0, 0});
  check(tangent, {(0.5 + 3 - 6) * 3, (2 + 7.5 - 12) * 3});
  const auto [by_m, by_x] = parts(d::transform<d::pullback<F, 2>>{}, m, x + 1, st::array<double>({1.0, 0.0}));
  check(by_m, {4.5, 7.5, -3, 0, 0, 0});
  check(by_x, {3 * 1 + 3.5, 3 * 2 + 3.5, 3 * 3 + 3.5});
  const auto [value, moved] = jvp([](auto a, auto b) { return a * b; }, std::tuple(x, 2 * x), std::tuple(x, x));
  check(value, {0.5, 4.5, 8});
  check(moved, {0.75, 6.75, 12});
  const auto [product, pull] = vjp([](auto a, auto b) { return a * b; }, x, 2 * x);
  check(product, {0.5, 4.5, 8});
  const auto [to_a, to_b] = pull(x);
  check(to_a, {0.5, 4.5, 8});
  check(to_b, {0.25, 2.25, 4});
  const auto [at, move] = linearize(cube, x);
  check(at, {0.125, 3.375, -8});
  check(move(x), {0.375, 10.125, -24});
  const auto square = st::array<double>({{1, 2, 0}, {0, 1, 4}, {5, 0, 1}});
  const auto [by_vector, by_matrix] =
      parts(d::transform<d::element_of<d::pushforward<d::all_gradients<std::remove_const_t<decltype(form)>, 2>, 2>, 1>>{}, x, square, st::ones<double>({3}), st::zeros<double>({3, 3}));
  check(by_vector, {9, 8, 11});
  check(by_matrix, {1, 2, -1.5, 2, 3, -0.5, -1.5, -0.5, -4});
}
TEST_CASE("of variables: expressions that record, to any order") {
  const st::variable x = vector();
  auto [value, gradient] = value_and_grad(sum_of_cubes)(x);
  st::variable both = st::sum(gradient * gradient) + value;  // 9 x^4 + x^3
  both.backward();
  check(x.grad(), {36 * 0.125 + 0.75, 36 * 3.375 + 6.75, -36 * 8 + 12});
}
TEST_CASE("complex values: gradients are PyTorch's, tangents complex") {
  using z = st::complex128;
  const auto x = st::array<z>({z(1, 2), z(-0.5, 3)});
  check(grad([](auto a) { return st::sum(st::real(a * st::conj(a))); })(x), {2, 4, -1, 6});
  check(grad([](auto a) { return st::sum(st::real(a * a)); })(x), {2, -4, -1, -6});
  const auto [y, t] = jvp([](auto a) { return a * a; }, x, x);
  check(y, {-3, 4, -8.75, -3});
  check(t, {-6, 8, -17.5, -6});
  check(vmap([](auto a) { return st::sum(a * a); })(st::array<z>({{z(1, 2), z(0, 1)}, {z(1, 1), z(2, 0)}})), {-4, 4, 4, 2});
}
TEST_CASE("other dtypes and integers beside what is differentiated") {
  const auto x = st::array<float>({1.5f, -2});
  static_assert(std::is_same_v<st::detail::lowered<decltype(hessian(sum_of_cubes)(x))>::value_type, float>);
  check(hessian(sum_of_cubes)(x), {9, 0, 0, -12});
  check(grad([](auto a, auto k) { return st::sum(a * k); })(x, st::array<st::int64>({3, 4})), {3, 4});
  static_assert(std::is_same_v<st::detail::lowered<decltype(grad(sum_of_cubes)(st::ones<st::half>({2})))>::value_type, st::half>);
}
TEST_CASE("shapes that do not fit, and extents of 1 that no type tells of, are errors") {
  const auto x = vector();
  CHECK_THROWS_AS(elements(vmap(grad([](auto a, auto b) { return st::sum(a * b); }), in_dims<0, 0>)(matrix(), st::ones<double>({3, 3}))), st::shape_error);
  CHECK_THROWS_AS(elements(grad([](auto a, auto b) { return st::sum(a * b); })(st::ones<double>({1}), x)), st::shape_error);
  check(grad([](auto a, auto b) { return st::sum(a * b); })(st::ones<double>(st::shape<1>), x), {0});
  CHECK_THROWS_AS(elements(hvp(sum_of_cubes, x, st::ones<double>({2}))), st::shape_error);
  CHECK_THROWS_WITH(vmap([](auto a, auto b) { return a + b; })(st::ones<double>({1, 2}), st::ones<double>({3, 2})), "vmap: argument 0 is a batch of 1, argument 1 of 3");
  CHECK_THROWS_WITH(vmap([](auto a, auto) { return a; }, in_dims<0, 1>)(st::ones<double>({2, 2}), st::ones<double>({2, 3})), "vmap: argument 0 is a batch of 2, argument 1 of 3");
  CHECK_THROWS_WITH(jvp(cube, x, st::ones<double>({1})), "jvp: value 0 has shape [3], its tangent [1]");
  const auto [several, pull_all] = vjp([](auto a) { return std::tuple(std::tuple(a * 2, a * 3), st::sum(a)); }, x);
  check(pull_all(st::ones<double>({3}), st::ones<double>({3}), st::full<double>({}, 1.0)), {6, 6, 6});
  const auto [y, pull] = vjp(cube, x);
  CHECK_THROWS_WITH(pull(st::ones<double>({1})), "vjp: result 0 has shape [3], its cotangent [1]");
}
TEST_CASE("results in tuples keep their structure, in the order of the results, then of the arguments") {
  const auto x = st::array<double>({1.0, 2.0}), y = st::array<double>({3.0, 4.0, 5.0});
  const auto h = hessian([](auto a, auto b) { return st::sum(a * a) * st::sum(b); }, argnums<0, -1>)(x, y);
  CHECK(std::get<1>(std::get<0>(h)).sizes() == st::index_list<2>(2, 3));
  CHECK(std::get<0>(std::get<1>(h)).sizes() == st::index_list<2>(3, 2));
  check(std::get<1>(std::get<0>(h)), {2, 2, 2, 4, 4, 4});
  const auto two = [](auto a, auto b) { return std::tuple(a * st::sum(b), st::sum(a)); };
  const auto forward = jacfwd(two, argnums<0, 1>)(x, y), reverse = jacrev(two, argnums<0, 1>)(x, y);
  CHECK(std::get<1>(std::get<0>(forward)).sizes() == st::index_list<2>(2, 3));
  check(std::get<1>(std::get<0>(forward)), {1, 1, 1, 2, 2, 2});
  check(std::get<1>(std::get<0>(reverse)), {1, 1, 1, 2, 2, 2});
  check(std::get<0>(std::get<1>(forward)), {1, 1});
  const auto nested = vmap([](auto a) { return std::make_tuple(std::tuple(a, 2 * a)); })(x);
  static_assert(std::tuple_size_v<std::remove_const_t<decltype(nested)>> == 1);
  check(std::get<1>(std::get<0>(nested)), {2, 4});
  const auto [d, aux] = grad([](auto a) { return std::tuple(st::sum(a * a), std::tuple(a, 2 * a)); }, has_aux)(x);
  check(d, {2, 4});
  check(std::get<1>(aux), {2, 4});
}
TEST_CASE("loops under transforms run as kernels") {
  const auto x = st::array<double>({0.5, 1.5, -2.0});
  const auto grown = [](auto a) {
    return st::sum(st::while_loop([](auto c, auto) { return st::sum(c * c) < 100; }, [](auto c, auto k) { return c * (1.5 + 0.1 * k); }, a + 1, a));
  };
  const auto value = [](std::vector<double> a) {
    std::vector<double> c = {a[0] + 1, a[1] + 1, a[2] + 1};
    while (c[0] * c[0] + c[1] * c[1] + c[2] * c[2] < 100)
      for (std::size_t i = 0; i < 3; ++i) c[i] *= 1.5 + 0.1 * a[i];
    return c[0] + c[1] + c[2];
  };
  const st::tensor g = grad(grown)(x);
  const st::tensor forward = jacfwd(grown)(x);
  const st::tensor h = hessian(grown)(x);
  const auto [y, tangent] = jvp(grown, x, x);
  for (std::size_t i = 0; i < 3; ++i) {
    std::vector<double> up = {x(0), x(1), x(2)}, down = up;
    up[i] += 1e-6, down[i] -= 1e-6;
    CHECK(g(static_cast<int>(i)) == Approx((value(up) - value(down)) / 2e-6).epsilon(1e-7));
    CHECK(forward(static_cast<int>(i)) == Approx(g(static_cast<int>(i))));
    const st::tensor above = grad(grown)(st::tensor(st::array<double>({up[0], up[1], up[2]}))), below = grad(grown)(st::tensor(st::array<double>({down[0], down[1], down[2]})));
    for (int k = 0; k < 3; ++k) CHECK(h(k, static_cast<int>(i)) == Approx((above(k) - below(k)) / 2e-6).epsilon(1e-5).margin(1e-6));
  }
  CHECK(tangent.item() == Approx(st::tensor(st::sum(g * x)).item()));
  // a scan and a branch
  const auto folded = [](auto a, auto xs) {
    return st::scan([](auto c, auto e) { return st::cond(e > 0, [](auto p, auto q) { return p * q; }, [](auto p, auto q) { return p - q; }, c, e); }, a, xs);
  };
  const auto a = st::full<double>({}, 2.0);
  const st::tensor by_xs = grad(folded, argnums<1>)(a, x);
  CHECK(by_xs(0) == 2 * 1.5);
  CHECK(by_xs(1) == 2 * 0.5);
  CHECK(by_xs(2) == -1);
  const st::tensor each = vmap(grad(folded), in_dims<0, none>)(st::array<double>({1.0, 2.0}), x);
  CHECK(each(1) == 0.75);
  const st::tensor rows = vmap(grad(folded, argnums<1>), in_dims<none, 0>)(a, st::array<double>({{1, 2}, {-1, 2}}));
  CHECK(rows(0, 0) == 4);
  CHECK(rows(1, 0) == -2);
}
TEST_CASE("random numbers in a loop differ from sample to sample, or must be said to") {
  const auto noisy = [](auto a) {
    const auto walk = st::scan([](auto c, auto t) { return c + st::apply<st::op::random_bits>(t + 0 * st::index_along(c, st::all_axes(c)), 5, 6); }, 0.0 * st::sum(a) * 0, st::steps(3));
    return st::sum(a) + walk;
  };
  const auto x = st::ones<double>({2, 2});
  const st::tensor different = vmap(noisy, in_dims<0>, out_dims<0>, randomness::different)(x), same = vmap(noisy, in_dims<0>, out_dims<0>, randomness::same)(x);
  CHECK(different(0) != different(1));
  CHECK(same(0) == same(1));
}
TEST_CASE("bools move their batch dim") {
  const st::tensor t = vmap([](auto a) { return a > 2; }, in_dims<0>, out_dims<1>)(matrix());
  CHECK(t.sizes() == st::index_list<2>(3, 2));
  CHECK_FALSE(t(2, 1) == t(0, 0));
}
