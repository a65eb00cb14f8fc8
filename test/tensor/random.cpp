// SPDX-License-Identifier: BSD-3-Clause
// Random numbers: the published vectors, the contract of the stream, and the distributions.
#include "../catch.hpp"

#include <algorithm>
#include <cmath>
#include <sinter/tensor/random.hpp>
#include <vector>

namespace st = sinter;

TEST_CASE("philox gives the published words") {  // Random123, kat_vectors: philox4x32, 10 rounds
  const auto same = [](st::philox_words a, st::philox_words b) { return std::equal(a.v, a.v + 4, b.v); };
  constexpr st::uint32 f = 0xffffffff;
  CHECK(same(st::philox({{0, 0, 0, 0}}, 0, 0), {{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}}));
  CHECK(same(st::philox({{f, f, f, f}}, f, f), {{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}}));
  CHECK(same(st::philox({{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}}, 0xa4093822, 0x299f31d0),
             {{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}}));
}
TEST_CASE("element i is word i % 4 of block i / 4, doubles take two words") {
  st::generator g(7), same(7);
  auto t = st::rand<float>({11}, g);
  auto d = st::rand<double>({5}, g);
  const auto key = same.next_key(), next = same.next_key();
  CHECK(t(6) == st::uniform_float(st::philox_block(key, 1)[2]));
  CHECK(t(10) == st::uniform_float(st::philox_word(key, 10)));
  CHECK(d(3) == st::uniform_double(st::join(st::philox_block(next, 1)[2], st::philox_block(next, 1)[3])));
  CHECK(d(4) == st::uniform_double(st::philox_word_pair(next, 4)));
}
TEST_CASE("a key is the first two words of its counter") {
  st::generator g(0x123456789abcdef0u);
  g.next_key();
  const auto w = st::philox({{1, 0, 0, 1}}, 0x9abcdef0, 0x12345678);
  CHECK(g.next_key() == st::join(w[0], w[1]));
}
TEST_CASE("seeded values are part of the version's contract") {
  st::generator g(0);
  const auto u = st::rand<float>({3}, g);
  const auto n = st::randn<double>({3}, g);
  const auto i = st::randint(0, 1000, {3}, g);
  const auto p = st::randperm(5, g);
  CHECK(u(0) == 5588030 * 0x1p-24f);
  CHECK(u(1) == 1388950 * 0x1p-24f);
  CHECK(u(2) == 10914146 * 0x1p-24f);
  CHECK(n(0) == Approx(-0.7129396804660061).epsilon(1e-14));
  CHECK(n(1) == Approx(-1.6948265972728371).epsilon(1e-14));
  CHECK(n(2) == Approx(1.1478264208237803).epsilon(1e-14));
  CHECK((i(0) == 804 && i(1) == 525 && i(2) == 949));
  CHECK((p(0) == 0 && p(1) == 2 && p(2) == 3 && p(3) == 4 && p(4) == 1));
}
TEST_CASE("the same seed gives the same numbers, the next draw gives others") {
  st::manual_seed(3);
  auto a = st::rand<float>({8}), b = st::rand<float>({8});
  st::manual_seed(3);
  auto c = st::rand<float>({8});
  CHECK(std::equal(a.data(), a.data() + 8, c.data()));
  CHECK_FALSE(std::equal(a.data(), a.data() + 8, b.data()));
}
TEST_CASE("a prefix does not depend on the length") {
  st::generator a(1), b(1);
  auto x = st::randn<float>({5}, a);
  auto y = st::randn<float>({1000}, b);
  CHECK(std::equal(x.data(), x.data() + 5, y.data()));
}
TEST_CASE("a generator is saved and restored") {
  st::generator g(5);
  st::rand({3}, g);
  const auto saved = g.state();
  const auto x = st::rand<double>({}, g).item();
  st::generator copy;
  copy.set_state(saved);
  CHECK(st::rand<double>({}, copy).item() == x);
  CHECK(copy.state() == g.state());
  CHECK(saved.offset == 1);
}
TEST_CASE("uniform numbers lie in [0, 1)") {
  CHECK(st::uniform_float(0xffffffff) < 1);
  CHECK(st::uniform_double(~st::uint64{0}) < 1);
  CHECK(st::uniform_float(0) == 0);
  CHECK(st::uniform_positive(st::uint32{0}) > 0);
  CHECK(st::uniform_positive(0xffffffffu) == 1);
  CHECK(st::uniform_positive(~st::uint64{0}) == 1);
}
TEMPLATE_TEST_CASE("rand has the moments of a uniform, randn of a normal distribution", "", float, double) {
  st::generator g(11);
  const int n = 100001;
  auto u = st::rand<TestType>({n}, g);
  auto z = st::randn<TestType>({n}, g);
  double mean = 0, square = 0, zmean = 0, zsquare = 0, zpairs = 0;
  for (int i = 0; i < n; ++i) {
    const double a = static_cast<double>(u(i)), b = static_cast<double>(z(i));
    REQUIRE((a >= 0 && a < 1 && std::abs(b) < 7));
    mean += a / n, square += a * a / n, zmean += b / n, zsquare += b * b / n;
    if (i > 0) zpairs += b * static_cast<double>(z(i - 1)) / n;
  }
  CHECK(mean == Approx(0.5).margin(0.005));
  CHECK(square == Approx(1.0 / 3).margin(0.005));
  CHECK(zmean == Approx(0).margin(0.015));
  CHECK(zsquare == Approx(1).margin(0.02));
  CHECK(zpairs == Approx(0).margin(0.015));
}
TEST_CASE("randint covers its range, ends as in PyTorch") {
  st::generator g(2);
  auto t = st::randint(-2, 3, {5000}, g);
  int count[5] = {};
  for (int i = 0; i < 5000; ++i) {
    REQUIRE((t(i) >= -2 && t(i) < 3));
    ++count[t(i) + 2];
  }
  for (int c : count) CHECK(std::abs(c - 1000) < 150);
  CHECK(st::randint<st::uint8>(7, 8, {2}, g)(1) == 7);
  CHECK_THROWS_AS(st::randint(3, 3, {1}), st::index_error);
}
TEST_CASE("randint spans all of int64") {
  const auto low = std::numeric_limits<st::int64>::min(), high = std::numeric_limits<st::int64>::max();
  auto t = st::randint(low, high, {100});
  CHECK(std::any_of(t.data(), t.data() + 100, [](st::int64 v) { return v < 0; }));
  CHECK(std::any_of(t.data(), t.data() + 100, [](st::int64 v) { return v > 0; }));
  CHECK(st::uniform_below(~st::uint64{0}, ~st::uint64{0}) == ~st::uint64{0} - 1);
}
TEST_CASE("randperm holds every number once, and every order occurs") {
  st::generator g(9);
  auto p = st::randperm(100, g);
  std::vector<st::int64> sorted(p.data(), p.data() + 100);
  std::sort(sorted.begin(), sorted.end());
  for (int i = 0; i < 100; ++i) REQUIRE(sorted[static_cast<std::size_t>(i)] == i);
  int count[3][3] = {};
  for (int i = 0; i < 3000; ++i) {
    auto q = st::randperm(3, g);
    for (int k = 0; k < 3; ++k) ++count[k][q(k)];
  }
  for (auto& row : count)
    for (int c : row) CHECK(std::abs(c - 1000) < 150);
  CHECK(st::randperm(0).numel() == 0);
  CHECK(st::randperm(1)(0) == 0);
  CHECK_THROWS_AS(st::randperm(-1), st::shape_error);
}
TEST_CASE("random tensors take every form of sizes") {
  CHECK(st::rand({}).dim() == 0);
  CHECK(st::randn({2, 0}).numel() == 0);
  CHECK(std::is_same_v<decltype(st::randn<double>(st::shape<2, 3>))::extents_type, st::extents<2, 3>>);
}
TEST_CASE("bernoulli, normal and multinomial follow their distributions") {
  st::manual_seed(5);
  const st::tensor p = st::full<float>({200, 100}, 0.3f);
  const st::tensor b = st::bernoulli(p);
  CHECK(st::tensor(st::mean(b)).item() == Approx(0.3).margin(0.015));
  CHECK(st::tensor(st::all((b == 0) | (b == 1))).item());
  CHECK(st::tensor(st::sum(st::bernoulli(st::array<double>({0, 1, 0})))).item() == 1);
  CHECK_THROWS_AS(st::bernoulli(st::array<float>({1.5f})), st::error);
  const st::tensor n = st::normal<double>(3, 2, {20000});
  CHECK(st::tensor(st::mean(n)).item() == Approx(3).margin(0.06));
  CHECK(st::tensor(st::std(n)).item() == Approx(2).margin(0.05));
  const st::tensor w = st::array<double>({1, 0, 3});
  const st::tensor m = st::multinomial(w, 8000, true);
  CHECK(st::tensor(st::count_nonzero(m == 2)).item() == Approx(6000).margin(200));
  CHECK(st::tensor(st::count_nonzero(m == 1)).item() == 0);
  const st::tensor all = st::multinomial(w, 2);
  CHECK(all(0) + all(1) == 2);
  CHECK_THROWS_AS(st::multinomial(w, 3), st::error);
  CHECK_THROWS_AS(st::multinomial(st::array<double>({-1, 2}), 1), st::error);
  CHECK(st::multinomial(w, 0).numel() == 0);
  CHECK(st::rand_like(p).sizes() == p.sizes());
  CHECK(st::logspace<double>(0, 3, 4)(2) == Approx(100));
}
