// SPDX-License-Identifier: BSD-3-Clause
#include "../catch.hpp"

#include <sinter/sinter.hpp>

namespace st = sinter;
namespace nn = sinter::nn;

namespace {
double share_of_zeros(const st::tensor<float, st::rank<2>>& t) {
  double zeros = 0;
  for (st::int64 i = 0; i < t.numel(); ++i) zeros += t.data()[i] == 0;
  return zeros / static_cast<double>(t.numel());
}
}  // namespace

TEST_CASE("dropout zeroes a share p and scales the rest by 1 / (1 - p)") {
  st::generator g(1);
  const auto x = st::ones({300, 401});
  st::tensor y = st::dropout(x, 0.3, true, g);
  CHECK(share_of_zeros(y) == Approx(0.3).epsilon(0.02));
  for (st::int64 i = 0; i < y.numel(); ++i)
    if (y.data()[i] != 0 && y.data()[i] != Approx(1 / 0.7f)) FAIL("another value");
}

TEST_CASE("element i is kept by word i % 4 of Philox block i / 4, whatever the shape") {
  st::generator g(7), same(7);
  const auto x = st::ones({11, 7, 5});
  st::tensor y = st::dropout(x, 0.5, true, g);
  const auto key = same.next_key();
  for (st::int64 i = 0; i < y.numel(); ++i)
    CHECK((y.data()[i] != 0) == (st::philox_word(key, static_cast<st::uint64>(i)) >= 0x80000000u));
}

TEST_CASE("doubles, strided views and floats drop the same elements") {
  st::generator a(3), b(3), c(3);
  const auto x = st::ones({9, 13});
  st::tensor y = st::dropout(x, 0.4, true, a);
  st::tensor z = st::dropout(st::ones<double>({9, 13}), 0.4, true, b);
  st::tensor t = st::dropout(st::ones({13, 9}).T(), 0.4, true, c);
  for (st::int64 i = 0; i < 9; ++i)
    for (st::int64 j = 0; j < 13; ++j) {
      CHECK((y(i, j) == 0) == (z(i, j) == 0));
      CHECK((y(i, j) == 0) == (t(i, j) == 0));
    }
}

TEST_CASE("an expression drops the same elements each time, two expressions different ones") {
  const auto x = st::ones({20, 20});
  auto e = st::dropout(x);
  st::tensor a = e, b = e, c = st::dropout(x);
  int differ = 0;
  for (st::int64 i = 0; i < 400; ++i) {
    CHECK(a.data()[i] == b.data()[i]);
    differ += a.data()[i] != c.data()[i];
  }
  CHECK(differ > 100);
}

TEST_CASE("backward drops what forward dropped") {
  st::variable x = st::ones({40, 33});
  st::variable y = st::dropout(3 * x, 0.6);
  y.backward(st::ones({40, 33}));
  for (st::int64 i = 0; i < y.numel(); ++i) CHECK(x.grad().data()[i] == Approx(y.data()[i]));
}

TEST_CASE("behind a product too, and no mask is saved") {
  nn::linear<6, 50> fc;
  auto e = st::dropout(fc(st::ones({30, 6})), 0.5);
  using X = decltype(e);
  using D = st::detail::derived<st::detail::program_of<X>, typename st::detail::marks_of<X>::type>;
  for (int i = 0; i < D::backward::size; ++i)
    if (D::backward::at(i).op == st::code::leaf) CHECK(D::backward::at(i).type != st::dtype::b8);
  st::variable y = e;
  st::variable total = st::sum(y);
  total.backward();
  for (st::int64 j = 0; j < 50; ++j) {
    double expected = 0;
    for (st::int64 i = 0; i < 30; ++i) expected += y.value()(i, j) != 0 ? 2 : 0;
    CHECK(fc.bias.grad()(j) == Approx(expected));
  }
}

TEST_CASE("in eval mode dropout is the identity and draws no key") {
  nn::dropout drop{0.9};
  drop.eval();
  const auto x = st::randn({5, 5});
  const auto before = st::default_generator().state();
  st::tensor y = drop(x);
  CHECK(st::default_generator().state() == before);
  for (st::int64 i = 0; i < 25; ++i) CHECK(y.data()[i] == x.data()[i]);
}

TEST_CASE("p = 0 keeps all, p = 1 nothing, forward and backward") {
  st::variable x = st::ones({3, 3});
  st::variable none = st::sum(st::dropout(x, 1));
  none.backward();
  CHECK(none.item() == 0);
  CHECK(x.grad()(1, 1) == 0);
  st::variable all = st::sum(st::dropout(x, 0));
  CHECK(all.item() == 9);
  CHECK_THROWS_AS(st::dropout(x, 1.5), st::error);
}
