// SPDX-License-Identifier: BSD-3-Clause
#include <sinter/expr/derive.hpp>
#include <sinter/expr/forward_mode.hpp>
#include <sinter/op/registry.hpp>

#include <string>

#include "../catch.hpp"
#include "../graph_values.hpp"

using namespace graph_values;

namespace {

/// The tangent of y, when leaf k moves by v_k, against central differences, and u . (J v) against (J^T u) . v.
void check_tangent(const std::string& name, const std::vector<sizes>& shapes, st::domain in, const builder& build) {
  INFO(name);
  formula f;
  std::vector<st::sym> x, v;
  st::detail::vec<st::uint16> primals, seeds;
  for (std::size_t k = 0; k < shapes.size(); ++k) x.push_back(f.leaf(shapes[k], in.low, in.high, static_cast<int>(k)));
  for (std::size_t k = 0; k < shapes.size(); ++k) {
    v.push_back(f.leaf(shapes[k], -1, 1, 20 + static_cast<int>(k)));
    primals.push(x[k].id), seeds.push(v[k].id);
  }
  const st::sym y = build(f, x);
  const array value = f.value(y);
  const auto t = st::detail::forward_mode(f.g, primals, seeds);
  REQUIRE(t[y.id] != 0xffff);
  const array tangent = f.value(f.g.at_sym(t[y.id]));
  REQUIRE(tangent.shape == value.shape);

  const st::sym u = f.leaf(value.shape, -1, 1, 50);
  st::detail::vec<bool> wanted(f.g.size(), false);
  for (const st::sym leaf : x) wanted[leaf.id] = true;
  st::detail::vec<st::uint16> roots, cotangents;
  roots.push(y.id), cotangents.push(u.id);
  const auto d = st::detail::adjoint(f.g, roots, cotangents, wanted);
  double back = 0, size = 0;
  for (std::size_t k = 0; k < x.size(); ++k) {
    if (d[x[k].id] == 0xffff) continue;
    const auto g = f.value(f.g.at_sym(d[x[k].id])).values;
    back += dot(g, f.leaves[k + shapes.size()].values);
    for (const double e : g) size += std::abs(e);
  }
  CHECK(std::abs(dot(tangent.values, spread(-1, 1, count(value.shape), 50)) - back) <= 1e-12 * (1 + size));

  const double h = 1e-6;
  const auto moved = [&](double by) {
    formula g = f;
    for (std::size_t k = 0; k < shapes.size(); ++k)
      for (std::size_t i = 0; i < g.leaves[k].values.size(); ++i) g.leaves[k].values[i] += by * g.leaves[k + shapes.size()].values[i];
    return g.value(y).values;
  };
  const auto up = moved(h), down = moved(-h);
  for (std::size_t i = 0; i < up.size(); ++i) {
    const double want = (up[i] - down[i]) / (2 * h);
    CHECK(std::abs(tangent.values[i] - want) <= 1e-7 * (1 + std::abs(want)) * (1 + std::abs(value.values[i])));
  }
}
template <class Op> constexpr bool differentiable =
    Op::info.result != st::result_type::boolean && Op::info.result != st::result_type::index && !Op::info.whole && !std::is_same_v<Op, st::op::detach>;
/// Steps do not move at all.
bool steps(const st::op_descr* op) {
  formula f;
  st::detail::vec<st::uint16> primals, seeds;
  const st::sym x[] = {f.leaf({3}, 0.1, 0.9, 1), f.leaf({3}, 0.1, 0.9, 2), f.leaf({3}, 0.1, 0.9, 3)};
  for (const st::sym& leaf : x) primals.push(leaf.id), seeds.push(f.leaf({3}, -1, 1, 4 + leaf.id).id);
  const st::sym y = f.g.apply(op, x, op->arity);
  return st::detail::forward_mode(f.g, primals, seeds)[y.id] == 0xffff;
}

}  // namespace

TEST_CASE("forward mode: every element-wise op, operands of one shape and broadcast ones") {
  const std::vector<std::vector<sizes>> layouts = {{{2, 3}, {2, 3}, {2, 3}}, {{3}, {2, 1}, {2, 3}}, {{}, {2, 3}, {3}}, {{2, 3}, {1, 3}, {}}};
  const auto check_op = [&](const st::op_descr* op) {
    const bool choice = op->info.result == st::result_type::second;
    for (const auto& shapes : layouts)
      check_tangent(op->info.name, {shapes.begin(), shapes.begin() + op->arity - choice}, op->info.samples, [=](formula& f, std::vector<st::sym> x) {
        if (choice) x.insert(x.begin(), x[0] > x[1]);
        const st::sym y = f.g.apply(op, x.data(), op->arity);
        // beside something larger that does not move, and summed: its tangent must have its shape
        return st::sum(y + f.leaf({2, 2, 3}, 1, 2, 7), 1) * y;
      });
  };
  auto check = [&]<class Op>() {
    if (differentiable<Op> && !steps(&st::detail::descr_of<Op>)) check_op(&st::detail::descr_of<Op>);
  };
  st::for_each_op(st::unary_ops{}, check);
  st::for_each_op(st::binary_ops{}, check);
  st::for_each_op(st::ternary_ops{}, check);
}
TEST_CASE("forward mode: steps, choices and indices do not move") {
  int without = 0;
  auto look = [&]<class Op>() {
    if (steps(&st::detail::descr_of<Op>)) ++without;
    INFO(Op::info.name);
    if (!differentiable<Op>) CHECK(steps(&st::detail::descr_of<Op>));
  };
  st::for_each_op(st::unary_ops{}, look);
  st::for_each_op(st::binary_ops{}, look);
  CHECK(steps(&st::detail::descr_of<st::op::floor>));
  CHECK(steps(&st::detail::descr_of<st::op::sign>));
  CHECK_FALSE(steps(&st::detail::descr_of<st::op::frac>));
  CHECK(without < 25);
}

TEST_CASE("forward mode: every reduction, over one dim, several and all") {
  st::for_each_op(st::reduction_ops{}, []<class Op>() {
    if constexpr (differentiable<Op>)
      for (const st::uint32 mask : {1u, 2u, 5u, 7u})
        check_tangent(Op::info.name, {{2, 3, 2}}, Op::info.samples, [mask](formula& f, const std::vector<st::sym>& x) {
          return f.g.reduce(&st::detail::descr_of<Op>, x[0], st::detail::mask_axes(mask));
        });
  });
  check_tangent("logsumexp", {{3, 4}}, {-4, 4}, [](formula&, const std::vector<st::sym>& x) { return st::logsumexp(x[0], 1); });
  check_tangent("var", {{3, 4}}, {-4, 4}, [](formula&, const std::vector<st::sym>& x) { return st::var(x[0], 0); });
  check_tangent("softmax", {{3, 4}}, {-4, 4}, [](formula&, const std::vector<st::sym>& x) { return st::softmax(x[0], 1) * x[0]; });
  check_tangent("prod with a zero", {{5}}, {0.5, 1.5}, [](formula& f, const std::vector<st::sym>& x) {
    return st::prod(x[0] - f.leaf({5}, {0, 0, f.leaves[0].values[2], 0, 0}), 0);
  });
}
TEST_CASE("forward mode: the tangent of a maximum is that of the element, whatever the others' are") {
  formula f;
  const st::sym x = f.leaf({3}, {1, 5, 2}), v = f.leaf({3}, {INFINITY, 7, NAN});
  st::detail::vec<st::uint16> primals, seeds;
  primals.push(x.id), seeds.push(v.id);
  const st::sym y = st::max(x, 0);
  const auto t = st::detail::forward_mode(f.g, primals, seeds);
  CHECK(f.value(f.g.at_sym(t[y.id])).values == std::vector<double>{7});
}
TEST_CASE("forward mode: products, and what changes dims and dtypes") {
  const auto twice = [](formula&, const std::vector<st::sym>& x) { return st::matmul(x[0], x[1]); };
  check_tangent("matmul", {{3, 4}, {4, 2}}, {-1, 1}, twice);
  check_tangent("batched matmul", {{2, 3, 4}, {4, 2}}, {-1, 1}, twice);
  check_tangent("vectors", {{4}, {4}}, {-1, 1}, twice);
  check_tangent("a square", {{3, 3}}, {-1, 1}, [](formula&, const std::vector<st::sym>& x) { return st::matmul(x[0], x[0]); });
  check_tangent("linear", {{2, 4}, {3, 4}, {3}}, {-1, 1}, [](formula&, const std::vector<st::sym>& x) { return st::tanh(st::linear(x[0], x[1], x[2])); });
  check_tangent("expand", {{3, 1}, {2, 3, 4}}, {-1, 1}, [](formula&, const std::vector<st::sym>& x) { return st::sum(st::expand_as(x[0], x[1]), 2) * st::sum(x[1], 2); });
  check_tangent("unsqueeze", {{3}, {2}}, {-1, 1}, [](formula&, const std::vector<st::sym>& x) { return st::unsqueeze(x[1], st::axes{2, 1}) * x[0]; });
  check_tangent("squeeze", {{3, 1}}, {-1, 1}, [](formula&, const std::vector<st::sym>& x) { return st::exp(st::squeeze(x[0] * x[0], st::axes{2, 1})); });
  formula f;  // through a cast the tangent has the value's dtype; through an integer there is none
  const st::sym x = f.leaf({2}, {1.5, 2.5}), v = f.leaf({2}, {0.25, 4});
  st::detail::vec<st::uint16> primals, seeds;
  primals.push(x.id), seeds.push(v.id);
  const st::sym narrow = f.g.cast(x * x, st::dtype::f32), whole = f.g.cast(f.g.cast(x, st::dtype::i64), st::dtype::f64);
  const auto t = st::detail::forward_mode(f.g, primals, seeds);
  CHECK(f.g.at(t[narrow.id]).type == st::dtype::f32);
  CHECK(f.value(f.g.at_sym(t[narrow.id])).values == std::vector<double>{0.75, 20});
  CHECK(t[whole.id] == 0xffff);
}
TEST_CASE("forward mode: all faces of a convolution") {
  for (const bool transposed : {false, true})
    check_tangent("convolution", {{2, 4, 5, 5}, {4, 2, 3, 2}}, {-1, 1}, [=](formula& f, const std::vector<st::sym>& x) {
      f.slots = {{{2, 1, 1, 0, 1, 2, 0, 0, 2}, 9}};  // strides, paddings, dilations, output paddings, groups
      return st::convolve_images(x[0], x[1], st::axes{st::run_time_dims, 2}, transposed);
    });
}
TEST_CASE("forward mode: loops and branches") {
  for (const looped& l : loops()) check_tangent(l.name, l.shapes, {-1, 1}, l.build);
}
TEST_CASE("forward mode: of the gradient of a loop") {
  const looped l = loops()[1];
  check_tangent(l.name, l.shapes, {-1, 1}, [&](formula& f, const std::vector<st::sym>& x) {
    const st::sym loss = st::sum(l.build(f, x), 0);
    st::detail::vec<bool> wanted(f.g.size(), false);
    wanted[x[2].id] = true;
    st::detail::vec<st::uint16> roots, seeds;
    roots.push(loss.id), seeds.push(f.g.literal(1, st::dtype::f64, false).id);
    return f.g.at_sym(st::detail::adjoint(f.g, roots, seeds, wanted)[x[2].id]);
  });
}
TEST_CASE("forward mode over reverse: the Hessian times a vector") {
  check_tangent("gradient of a loss", {{3, 4}, {2, 4}}, {-1, 1}, [](formula& f, const std::vector<st::sym>& x) {
    const st::sym loss = st::sum(st::exp(st::tanh(st::linear(x[0], x[1]))), {0, 1});
    st::detail::vec<bool> wanted(f.g.size(), false);
    wanted[x[1].id] = true;
    st::detail::vec<st::uint16> roots, seeds;
    roots.push(loss.id), seeds.push(f.g.literal(1, st::dtype::f64, false).id);
    return f.g.at_sym(st::detail::adjoint(f.g, roots, seeds, wanted)[x[1].id]);
  });
}
TEST_CASE("forward mode: the tangent of a product is a sum of products") {
  formula f;
  const st::sym x = f.leaf({2}, 0, 1, 1), v = f.leaf({2}, 0, 1, 2);
  const st::sym y = x * x;
  st::detail::vec<st::uint16> primals, seeds;
  primals.push(x.id), seeds.push(v.id);
  const auto t = st::detail::forward_mode(f.g, primals, seeds);
  CHECK(t[y.id] == (v * x + v * x).id);
}
