// SPDX-License-Identifier: BSD-3-Clause
// Every view and selection of variables: values are those of the tensor's, first and second derivatives those of differences.
#include <sinter/tensor/scan.hpp>
#include <sinter/tensor/sort.hpp>

#include "../catch.hpp"
#include "../derivatives.hpp"
#include "../reference.hpp"

namespace st = sinter;
using namespace reference;

namespace {
/// f of a variable, against f of its tensor, and differentiated twice.
template <class F, class T> void check(const char* name, F f, const T& x) {
  INFO(name);
  st::variable v = st::clone(x);
  st::variable y = f(v);
  const st::tensor t = f(x);
  REQUIRE(y.sizes() == t.sizes());
  CHECK(st::tensor(st::sum(st::abs(y.value() - t))).item() == 0);
  if (y.numel()) CHECK(y.requires_grad());
  check_derivatives([&](auto a) { return st::square(f(a)); }, v);
}
const auto cube = samples<double>(sizes<3>{2, 3, 4});
const auto table = samples<double>(sizes<2>{4, 5}, column_major);
const auto line = samples<double>(sizes<1>{7}, flipped);
}  // namespace

TEST_CASE("views of variables") {
  check("transpose", [](auto x) { return st::transpose(x, 0, -1); }, cube);
  check("permute", [](auto x) { return st::permute(x, {2, 0, 1}); }, cube);
  check("movedim", [](auto x) { return st::movedim(x, 0, 2); }, cube);
  check("unsqueeze", [](auto x) { return st::unsqueeze(x, 1); }, table);
  check("squeeze", [](auto x) { return st::squeeze(st::unsqueeze(x, 1), 1); }, table);
  check("select", [](auto x) { return st::select(x, 1, 2); }, cube);
  check("narrow", [](auto x) { return st::narrow(x, 1, 1, 3); }, table);
  check("flip", [](auto x) { return st::flip(x, {0, 1}); }, table);
  check("expand", [](auto x) { return st::expand(st::unsqueeze(x, 0), {3, 7}); }, line);
  check("diagonal", [](auto x) { return st::diagonal(x, 1); }, table);
  check("diagonal below", [](auto x) { return st::diagonal(x, -1, 2, 0); }, cube);
  check("unfold", [](auto x) { return st::unfold(x, 0, 3, 1); }, line);
  check("reshape", [](auto x) { return st::reshape(x, {2, -1}); }, table);
  check("view", [](auto x) { return st::view(x, {6, 4}); }, cube);
  check("flatten", [](auto x) { return st::flatten(x); }, table);
  check("T", [](auto x) { return x.T(); }, table);
  check("steps", [](auto x) { return x(st::slice(0, 4, 2), st::slice(st::none, st::none, -2)); }, table);
  check("an index", [](auto x) { return x(1); }, table);
  check("newaxis", [](auto x) { return x(st::newaxis, st::full_extent, 2); }, table);
  check("nothing of it", [](auto x) { return st::narrow(x, 0, 0, 0); }, table);
  check("split", [](auto x) { return st::split(x, 2, 1)[2]; }, table);
  check("split by sizes", [](auto x) { return st::split(x, {1, 3}, 0)[1]; }, table);
  check("chunk", [](auto x) { return st::chunk(x, 2, 1)[1]; }, table);
  check("glu", [](auto x) { return st::eval(st::glu(x, 0)); }, table);
  check("unbind", [](auto x) { return st::unbind(x, 1)[3]; }, table);
}
TEST_CASE("selections of variables") {
  const st::tensor places = st::array<int64>({3, 0, 2, 3});
  const st::tensor grid = st::array<int64>({{0, 4, 4}, {1, 0, 2}});
  const st::tensor ends = st::array<int64>({{-1, 0}, {-4, 3}});
  const st::tensor mask = table > 0.3;
  const st::tensor rows = st::array<bool>({true, false, true, true});
  check("index_select", [&](auto x) { return st::index_select(x, 0, places); }, table);
  check("index_select of columns", [&](auto x) { return st::index_select(x, 1, places); }, table);
  check("gather", [&](auto x) { return st::gather(x, 1, grid); }, table);
  check("take", [&](auto x) { return st::take(x, grid); }, table);
  check("masked_select", [&](auto x) { return st::masked_select(x, mask); }, table);
  check("a mask", [&](auto x) { return x(mask); }, table);
  check("a mask of rows", [&](auto x) { return x(rows); }, table);
  check("an index tensor", [&](auto x) { return x(ends); }, table);
  check("index tensors", [&](auto x) { return x(st::unsqueeze(places, 1), st::tensor(st::array<int64>({0, 4}))); }, table);
  check("masked_fill", [&](auto x) { return st::eval(st::masked_fill(x, mask, 7.0)); }, table);
  check("tril", [](auto x) { return st::tril(x, -1); }, table);
  check("triu", [](auto x) { return st::triu(x, 1); }, table);
  check("repeat", [](auto x) { return st::repeat(x, {2, 1, 3}); }, table);
  check("tile", [](auto x) { return st::tile(x, {2}); }, table);
  check("roll", [](auto x) { return st::roll(x, -2, 1); }, table);
  check("cat", [](auto x) { return st::cat({x, x, st::narrow(x, 1, 0, 2)}, 1); }, table);
  check("stack", [](auto x) { return st::stack({x, st::flip(x, 0)}, -1); }, table);
  check("sort", [](auto x) { return st::sort(x, 0, true).values; }, table);
  check("topk", [](auto x) { return st::topk(x, 3, 1, false).values; }, table);
  check("cumsum", [](auto x) { return st::cumsum(x, 1); }, table);
  check("cumprod", [](auto x) { return st::cumprod(x, 0); }, line);
  check("scatter", [&](auto x) { return st::scatter(x, 1, grid, st::narrow(st::narrow(x, 0, 2, 2), 1, 0, 3)); }, table);
  check("scatter_add", [&](auto x) { return st::scatter_add(x, 1, grid, st::narrow(st::narrow(x, 0, 2, 2), 1, 0, 3)); }, table);
  check("index_add", [&](auto x) { return st::index_add(x, 0, places, x); }, table);
}
TEST_CASE("views of variables share their elements, views of expressions evaluate them") {
  st::variable w = st::clone(table);
  st::variable row = w(1);
  CHECK(row.data() == w.data() + w.strides()[0]);
  CHECK_FALSE(row.is_leaf());
  const st::tensor t = st::transpose(table + 1, 0, 1);
  CHECK(t(4, 3) == table(3, 4) + 1);
  st::variable y = st::sum(st::reshape(w * w, {20}));
  y.backward();
  CHECK(w.grad()(2, 3) == 2 * table(2, 3));
  {
    st::no_grad guard;
    CHECK_FALSE(st::variable(w(0)).requires_grad());
  }
  const st::variable i(st::arange<int64>(0, 4), false);
  CHECK(st::flip(i, 0).value()(0) == 3);
}
TEST_CASE("a view's gradient joins what else the variable gets, and reaches the variable through a chain of views") {
  st::variable w = st::clone(table);
  st::variable a = st::transpose(st::narrow(w, 0, 0, 2), 0, 1);
  st::variable y = st::sum(a(0) * 3) + st::sum(w);
  y.backward();
  for (int64 i = 0; i < 4; ++i)
    for (int64 k = 0; k < 5; ++k) CHECK(w.grad()(i, k) == (k == 0 && i < 2 ? 4 : 1));
  st::variable z = st::sum(a);
  z.backward();
  CHECK(w.grad()(0, 0) == 5);
  CHECK_THROWS_AS(z.backward(), st::autograd_error);
}

TEST_CASE("clone and contiguous of a variable are recorded") {
  st::variable v = st::clone(table);
  CHECK(st::contiguous(st::clone(cube)).is_contiguous());
  st::variable c = st::contiguous(v);
  CHECK(c.value().is_contiguous());
  CHECK(c.data() != v.data());
  CHECK(st::contiguous(c).data() == c.data());
  check_derivatives([](const auto& x) { return st::square(st::clone(x)) * st::contiguous(x); }, v);
}
