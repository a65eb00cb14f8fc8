// SPDX-License-Identifier: BSD-3-Clause
#include <sinter/expr/derive.hpp>
#include <sinter/expr/vmap.hpp>
#include <sinter/op/registry.hpp>

#include <algorithm>
#include <string>

#include "../catch.hpp"
#include "../graph_values.hpp"

using namespace graph_values;

namespace {

constexpr int samples = 3;

/// What build(f, operands) is for a batch of 3 samples, its batch dim in front or behind, against the same of each sample.
/// Operand k has the shape shapes[k] in a sample, and is one of each sample where on[k].
void check_batch(const std::string& name, const std::vector<sizes>& shapes, const std::vector<bool>& on, st::domain in, const builder& build,
                 st::random_kind random = st::random_kind::error) {
  const auto values = [&](std::size_t k, int sample) { return spread(in.low, in.high, count(shapes[k]), static_cast<int>(k) + (on[k] ? 10 * sample : 0)); };
  for (const bool trailing : {false, true}) {
    INFO(name << (trailing ? ", batch dim behind" : ", batch dim in front"));
    std::vector<formula> each(samples);
    st::sym y;
    for (int s = 0; s < samples; ++s) {
      std::vector<st::sym> x;
      for (std::size_t k = 0; k < shapes.size(); ++k) x.push_back(each[static_cast<std::size_t>(s)].leaf(shapes[k], values(k, s)));
      y = build(each[static_cast<std::size_t>(s)], x);
    }
    const formula& one = each[0];
    formula batch;
    batch.slots = one.slots;
    st::detail::batched_copy c(one.g, batch.g, 1, trailing, random);
    for (std::size_t k = 0; k < one.leaves.size(); ++k) {
      sizes shape = one.leaves[k].shape;
      std::vector<double> all = one.leaves[k].values;
      const bool batched = k < on.size() && on[k];
      if (batched) {
        shape.insert(trailing ? shape.end() : shape.begin(), samples);
        const std::size_t n = all.size();
        all.resize(samples * n);
        for (int s = 0; s < samples; ++s)
          for (std::size_t i = 0; i < n; ++i)
            all[trailing ? i * samples + static_cast<std::size_t>(s) : static_cast<std::size_t>(s) * n + i] = each[static_cast<std::size_t>(s)].leaves[k].values[i];
      }
      const st::sym to = batch.leaf(shape, all);
      for (int i = 0; i < one.g.size(); ++i)
        if (one.g.at(i).op == st::code::leaf && one.g.at(i).a == static_cast<int>(k)) c.give(i, to, batched);
    }
    const st::sym result = c.batched_value(y.id);
    REQUIRE(c.fault() == st::misuse::none);
    const array got = batch.value(result);
    for (int s = 0; s < samples; ++s) {
      const array want = each[static_cast<std::size_t>(s)].value(st::sym{const_cast<st::graph*>(&each[static_cast<std::size_t>(s)].g), y.id});
      sizes shape = want.shape;
      shape.insert(trailing ? shape.end() : shape.begin(), samples);
      REQUIRE(got.shape == shape);
      for (std::size_t i = 0; i < want.values.size(); ++i) {
        const double a = got.values[trailing ? i * samples + static_cast<std::size_t>(s) : static_cast<std::size_t>(s) * want.values.size() + i];
        INFO("sample " << s << ", element " << i << ": " << a << " for " << want.values[i]);
        CHECK((a == want.values[i] || std::abs(a - want.values[i]) <= 1e-13 * std::abs(want.values[i]) || (std::isnan(a) && std::isnan(want.values[i]))));
      }
    }
  }
}
/// Does the batch of build's value fail, and why?
st::misuse fault_of(const sizes& shape, const std::function<st::sym(formula&, st::sym)>& build) {
  formula f;
  const st::sym x = f.leaf(shape, 0, 1, 1);
  const st::sym y = build(f, x);
  formula batch;
  sizes more = shape;
  more.insert(more.begin(), 2);
  st::detail::batched_copy c(f.g, batch.g, 1);
  c.give(x.id, batch.leaf(more, 0, 1, 1), true);
  c.batched_value(y.id);
  return c.fault();
}
using list = std::vector<bool>;

}  // namespace

TEST_CASE("vmap: every element-wise op, operands of any rank, batched or not") {
  struct layout {
    std::vector<sizes> shapes;
    list on;
  };
  const std::vector<layout> layouts = {{{{2, 3}, {2, 3}, {2, 3}}, {true, true, true}}, {{{3}, {2, 1}, {2, 3}}, {true, true, false}},
                                       {{{3}, {2, 3}, {}}, {true, false, true}},       {{{}, {2, 3}, {3}}, {true, false, false}},
                                       {{{2, 3}, {3}, {}}, {false, true, false}},      {{{}, {}, {}}, {true, false, true}}};
  const auto check_op = [&](const st::op_descr* op, int operands, bool choice) {
    for (const layout& l : layouts) {
      const list on(l.on.begin(), l.on.begin() + operands);
      if (std::find(on.begin(), on.end(), true) == on.end()) continue;
      check_batch(op->info.name, {l.shapes.begin(), l.shapes.begin() + operands}, on, op->info.samples, [=](formula& f, std::vector<st::sym> x) {
        if (choice) x.insert(x.begin(), x[0] > x[1]);
        return f.g.apply(op, x.data(), op->arity);
      });
    }
  };
  auto check = [&]<class Op>() {
    constexpr bool choice = Op::info.result == st::result_type::second;
    constexpr int operands = st::detail::arity_of<Op> - choice;
    check_op(&st::detail::descr_of<Op>, operands, choice);
  };
  st::for_each_op(st::unary_ops{}, check);
  st::for_each_op(st::binary_ops{}, check);
  st::for_each_op(st::ternary_ops{}, check);
}
TEST_CASE("vmap: every reduction over one dim, several and all") {
  st::for_each_op(st::reduction_ops{}, []<class Op>() {
    for (const st::uint32 mask : {1u, 2u, 5u, 7u})
      check_batch(Op::info.name, {{2, 3, 2}}, {true}, Op::info.samples, [mask](formula& f, const std::vector<st::sym>& x) {
        return f.g.reduce(&st::detail::descr_of<Op>, x[0], st::detail::mask_axes(mask));
      });
  });
}
TEST_CASE("vmap: what changes dims, numbers elements, or names a shape") {
  const st::domain in{-2, 2};
  const auto each_way = [&](const char* name, const std::vector<sizes>& shapes, const builder& build) {
    for (int m = 1; m < 1 << shapes.size(); ++m) {
      list on;
      for (std::size_t k = 0; k < shapes.size(); ++k) on.push_back(m >> k & 1);
      check_batch(name, shapes, on, in, build);
    }
  };
  each_way("expand", {{3, 1}, {2, 3, 4}}, [](formula&, const std::vector<st::sym>& x) { return st::expand_as(x[0], x[1]); });
  each_way("expand a number", {{}, {2, 3}}, [](formula&, const std::vector<st::sym>& x) { return st::expand_as(x[0], x[1]) + st::zero_as(x[0]); });
  each_way("unsqueeze", {{3}, {2}}, [](formula&, const std::vector<st::sym>& x) { return st::unsqueeze(x[1], st::axes{2, 1}) * x[0]; });
  each_way("squeeze", {{3, 1}, {3}}, [](formula&, const std::vector<st::sym>& x) { return st::squeeze(x[0], st::axes{2, 1}) + x[1]; });
  each_way("index", {{2, 3}, {3}}, [](formula&, const std::vector<st::sym>& x) { return st::index_along(x[0], st::axes{2, 1}) + st::index_along(x[0], st::axes{3, 2}) * x[1]; });
  each_way("extent", {{2, 3}, {3}}, [](formula&, const std::vector<st::sym>& x) { return st::extent_along(x[0], st::axes{2, 1}) * x[1]; });
  each_way("mean and var", {{2, 3}}, [](formula&, const std::vector<st::sym>& x) { return st::mean(x[0], 1) + st::var(x[0], 1); });
  each_way("softmax", {{2, 3}}, [](formula&, const std::vector<st::sym>& x) { return st::softmax(x[0], 0) + st::logsumexp(x[0], 1, st::keepdim); });
  each_way("cast", {{2, 3}}, [](formula& f, const std::vector<st::sym>& x) { return f.g.cast(f.g.cast(x[0], st::dtype::i32), st::dtype::f64); });
  check_batch("a result without the batch", {{2}, {3}}, {true, false}, in, [](formula&, const std::vector<st::sym>& x) { return st::exp(x[1]); });
  check_batch("nothing but a number", {{2}}, {true}, in, [](formula& f, const std::vector<st::sym>&) { return f.g.literal(2, st::dtype::f64, false); });
}
TEST_CASE("vmap: products, of which one or both operands are batched") {
  const auto each_way = [](const char* name, const std::vector<sizes>& shapes, const builder& build) {
    for (const list& on : {list{true, true}, list{true, false}, list{false, true}}) check_batch(name, shapes, on, {-1, 1}, build);
  };
  const auto matmul = [](formula&, const std::vector<st::sym>& x) { return st::matmul(x[0], x[1]); };
  each_way("matrices", {{3, 4}, {4, 2}}, matmul);
  each_way("a matrix and a vector", {{3, 4}, {4}}, matmul);
  each_way("vectors", {{4}, {4}}, matmul);
  each_way("an outer product", {{4}, {3}}, [](formula& f, const std::vector<st::sym>& x) {
    st::contraction c;
    c.rank_a = 1, c.rank_b = 1, c.rank_c = 2, c.b(0) = 1, c.c(1) = 1;
    const st::sym turned = f.g.contract(x[1], x[0], [&] { auto t = c; t.c(0) = 1, t.c(1) = 0; return t; }());
    return f.g.contract(x[0], x[1], c) * st::exp(turned);
  });
  each_way("batches of matrices", {{2, 3, 4}, {2, 4, 2}}, matmul);
  each_way("linear", {{5, 4}, {3, 4}}, [](formula&, const std::vector<st::sym>& x) { return st::linear(x[0], x[1]); });
  check_batch("a square", {{3, 3}}, {true}, {-1, 1}, [](formula&, const std::vector<st::sym>& x) { return st::matmul(x[0], x[0]); });
}
TEST_CASE("vmap: loops and branches, of which some operands are batched") {
  for (const looped& l : loops())
    for (int m = 1; m < 1 << l.shapes.size(); ++m) {
      list on;
      for (std::size_t k = 0; k < l.shapes.size(); ++k) on.push_back(m >> k & 1);
      check_batch(l.name, l.shapes, on, {-1, 1}, l.build);
    }
  check_batch("a condition of each sample's own", {{}, {2, 3}}, {true, false}, {-1, 1}, [](formula&, const std::vector<st::sym>& x) {
    return st::cond(x[0] > 0, [](auto a, auto b) { return a + b; }, [](auto, auto b) { return st::exp(b); }, x[0], x[1]);
  });
  check_batch("the gradient of a loop", {{3}, {4, 3}, {3, 3}}, {true, true, false}, {-1, 1}, [](formula& f, const std::vector<st::sym>& x) {
    const st::sym loss = st::sum(loops()[1].build(f, x), 0);
    st::detail::vec<bool> wanted(f.g.size(), false);
    wanted[x[2].id] = true;
    st::detail::vec<st::uint16> roots, seeds;
    roots.push(loss.id), seeds.push(f.g.literal(1, st::dtype::f64, false).id);
    return f.g.at_sym(st::detail::adjoint(f.g, roots, seeds, wanted)[x[2].id]);
  });
  CHECK(fault_of({}, [](formula&, st::sym x) { return st::while_loop([](auto c) { return c < 4; }, [](auto c) { return c + 1; }, x); }) == st::misuse::loop);
}
TEST_CASE("vmap of gradients: the gradient of each sample by what all share") {
  check_batch("a loss by its weights", {{4}, {2, 4}, {2}}, {true, false, true}, {-1, 1}, [](formula& f, const std::vector<st::sym>& x) {
    const st::sym loss = st::mse_loss(st::tanh(st::linear(x[0], x[1])), x[2]);
    st::detail::vec<bool> wanted(f.g.size(), false);
    wanted[x[1].id] = true;
    st::detail::vec<st::uint16> roots, seeds;
    roots.push(loss.id), seeds.push(f.g.literal(1, st::dtype::f64, false).id);
    return f.g.at_sym(st::detail::adjoint(f.g, roots, seeds, wanted)[x[1].id]);
  });
}
TEST_CASE("vmap: random numbers are forbidden, the same for all samples, or each sample's own") {
  const auto noise = [](formula& f, const std::vector<st::sym>& x) {
    return st::apply<st::op::random_bits>(st::index_along(x[0], st::all_axes(x[0])), f.g.literal(7, st::dtype::i64), f.g.literal(9, st::dtype::i64)) + 0 * x[0];
  };
  check_batch("the same", {{2, 3}}, {true}, {-1, 1}, noise, st::random_kind::same);
  CHECK(fault_of({2, 3}, [&](formula& f, st::sym x) { return noise(f, std::vector{x}); }) == st::misuse::random);
  for (const bool trailing : {false, true}) {
    formula f, batch, flat;
    const st::sym x = f.leaf({2, 3}, 0, 1, 1), y = noise(f, std::vector{x});
    st::detail::batched_copy c(f.g, batch.g, 1, trailing, st::random_kind::different);
    c.give(x.id, batch.leaf(trailing ? sizes{2, 3, samples} : sizes{samples, 2, 3}, 0, 1, 1), true);
    const st::sym got = c.batched_value(y.id);
    const auto values = batch.value(got).values;
    const auto want = flat.value(noise(flat, std::vector{flat.leaf({samples, 2, 3}, 0, 1, 1)})).values;  // as of one tensor of all
    for (std::size_t i = 0; i < 6; ++i)
      for (std::size_t s = 0; s < samples; ++s) CHECK(values[trailing ? i * samples + s : s * 6 + i] == want[s * 6 + i]);
  }
}
TEST_CASE("vmap: what has no batch says why") {
  CHECK(fault_of({1, 1, 1, 1, 1, 1, 1, 1}, [](formula&, st::sym x) { return x * 2; }) == st::misuse::rank);
  CHECK(fault_of({2, 2, 2, 2, 2, 2}, [](formula&, st::sym x) { return st::matmul(x, x); }) == st::misuse::labels);
  CHECK(fault_of({2, 3}, [](formula& f, st::sym x) {
    f.slots = {{{0}, 1}};
    return st::reduce_sym<st::op::sum>(x, st::axes{st::run_time_dims, 1});
  }) == st::misuse::run_time);
  CHECK(fault_of({1, 2, 4, 4}, [](formula& f, st::sym x) {
    f.slots = {{{1, 1, 0, 0, 1, 1, 0, 0, 1}, 9}};
    return st::convolve_images(x, f.leaf({2, 2, 3, 3}, 0, 1, 2), st::axes{st::run_time_dims, 2}, false);
  }) == st::misuse::window);
  CHECK(fault_of({2, 3}, [](formula&, st::sym x) { return x + 1; }) == st::misuse::none);
}
TEST_CASE("dims in another order") {
  formula f;
  const st::sym x = f.leaf({2, 3, 4}, -1, 1, 3);
  const array moved = f.value(st::detail::move_dim(x, 2, 0)), back = f.value(st::detail::move_dim(st::detail::move_dim(x, 0, 2), 2, 0));
  CHECK(moved.shape == sizes{4, 2, 3});
  for (std::size_t i = 0; i < 2; ++i)
    for (std::size_t j = 0; j < 3; ++j)
      for (std::size_t k = 0; k < 4; ++k) CHECK(moved.values[(k * 2 + i) * 3 + j] == f.leaves[0].values[(i * 3 + j) * 4 + k]);
  CHECK(back.values == f.leaves[0].values);
}
