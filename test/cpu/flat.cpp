// SPDX-License-Identifier: BSD-3-Clause
// Element-wise statements over whole arrays, which run without a plan: the same values, errors, versions and counts as by the long
// way, and the long way wherever shapes, strides or overlap are none for the short one.
#include <sinter/cpu/flat.hpp>

#include <cstring>
#include <memory>
#include <vector>

#include "../catch.hpp"
#include "../reference.hpp"
#include "threads.hpp"

namespace st = sinter;
using namespace reference;

namespace {
template <class T> using vector = st::tensor<T, st::rank<1>>;
using f1 = vector<float>;
using f2 = st::tensor<float, st::rank<2>>;
constexpr st::fn<[](auto x, auto y) { return x * y - x; }> formula;

/// Bits, because NaN is no reason for doubt.
template <class A, class B> bool same(const A& a, const B& b) {
  bool equal = a.sizes() == b.sizes();
  if (equal)
    each(a.sizes(), [&](auto i) {
      const auto x = at(a, i), y = at(b, i);
      equal = equal && std::memcmp(&x, &y, sizeof x) == 0;
    });
  return equal;
}
struct count {
  st::uint64 launches = st::counters().launches, bytes = st::counters().bytes;
  count since() const { return {st::counters().launches - launches, st::counters().bytes - bytes}; }
  bool operator==(const count&) const = default;
};
/// y = f() and what it counted.
template <class F> auto counted(F f) {
  const count before;
  auto y = f();
  return std::pair(y, before.since());
}
/// Every second element of a larger array: none for the short way.
template <class T> vector<T> holes(const vector<T>& x) {
  return tensor_of<T>(x.sizes(), strided, [&](auto) { return 0.0; }).copy_(x);
}

template <class T> auto combine(const vector<T>& a, const vector<T>& b) {
  if constexpr (std::is_same_v<T, bool>) return vector<bool>(a == b);
  else return vector<T>(st::maximum(a, b) + a);
}
}  // namespace

TEMPLATE_TEST_CASE("results, launches and bytes are those of the long way", "[flat]", float, double, st::int64, st::int32, st::uint8, bool, st::half, st::bfloat16) {
  for (int64 n : {0, 1, 15, 16, 17, 63, 65, 255, 257, 100003}) {
    const auto a = vector<TestType>(samples<TestType>(sizes<1>{n})), b = vector<TestType>(samples<TestType>(sizes<1>{n}, row_major, 1));
    const auto [fast, counts] = counted([&] { return combine(a, b); });
    const auto [slow, counts_of_slow] = counted([&, x = holes(a), y = holes(b)] { return combine(x, y); });
    CAPTURE(n);
    CHECK(same(fast, slow));
    CHECK(counts == counts_of_slow);
    CHECK(counts.launches == (n > 0));
    int64 wrong = 0;
    for (int64 i = 0; i < n; ++i) {
      const TestType x = a(i), y = b(i), got = fast(i);
      if constexpr (std::is_same_v<TestType, bool>) wrong += got != (x == y);
      else if constexpr (std::is_integral_v<TestType>) wrong += got != static_cast<TestType>(std::max(x, y) + x);
      else wrong += !(std::abs(static_cast<double>(got) - (std::max(static_cast<double>(x), static_cast<double>(y)) + static_cast<double>(x))) <= 0.05);
    }
    CHECK(wrong == 0);
  }
}

TEST_CASE("types meet, numbers of any type take part, the number of lanes is one", "[flat]") {
  for (int64 n : {1, 16, 33, 1000}) {
    const auto k = samples<st::int64>(sizes<1>{n}), other = samples<st::int64>(sizes<1>{n}, row_major, 3);
    const auto x = samples<float>(sizes<1>{n}, row_major, 1);
    const auto d = samples<double>(sizes<1>{n}, row_major, 2);
    const auto b = samples<bool>(sizes<1>{n}, row_major, 4);
    const auto mixed = [&](const auto& p, const auto& q, const auto& r, const auto& s) { return vector<double>(st::where(s, p * q + 0.25, r - true) * 3u + st::int64(1)); };
    CAPTURE(n);
    CHECK(same(mixed(k, x, d, b), mixed(holes(k), holes(x), holes(d), holes(b))));
    st::tensor mask = k < other;
    CHECK_ELEMENTS(mask, sizes<1>{n}, [&](auto i) { return at(k, i) < at(other, i); }, 0);
    CHECK_ELEMENTS(f1(st::where(b, k * x + 0.25, 1.f)), sizes<1>{n}, [&](auto i) { return at(b, i) ? static_cast<float>(at(k, i)) * at(x, i) + 0.25f : 1.0f; }, 8);
  }
  auto y = st::zeros<st::int32>({5});
  y.copy_(2.75);
  CHECK(y(4) == 2);
  y.copy_(st::int64(7));
  CHECK(y(0) == 7);
  y += true;
  CHECK(y(3) == 8);
}

TEMPLATE_TEST_CASE_SIG("static extents, small and large, by value and into", "[flat]", ((int R, int C), R, C), (1, 1), (16, 16), (16, 17)) {
  const auto shape = st::shape<R, C>;
  auto a = st::zeros<float>(shape), b = st::zeros<float>(shape), y = st::zeros<float>(shape);
  for (int64 i = 0; i < R * C; ++i) a.data()[i] = static_cast<float>(i % 7) - 3, b.data()[i] = static_cast<float>(i % 5);
  const auto expected = [&](auto i) { return at(a, i) * at(b, i) - at(a, i); };
  const count before;
  st::tensor z = a * b - a;
  const count one = before.since();
  CHECK_ELEMENTS(z, (sizes<2>{R, C}), expected, 0);
  CHECK(one == count{1, 16 * R * C});
  const auto version = y.version();
  formula.into(y, a, b);
  CHECK_ELEMENTS(y, (sizes<2>{R, C}), expected, 0);
  CHECK(y.version() == version + 1);
  // what only looks like it: sizes known at run time alone, of one row, a transposed view
  const f2 dynamic = st::clone(b), row = st::ones<float>({1, C}) * 2;
  CHECK_ELEMENTS(st::tensor(dynamic * a - a), (sizes<2>{R, C}), expected, 0);
  CHECK_ELEMENTS(st::tensor(row * a - a), (sizes<2>{R, C}), [&](auto i) { return at(a, i); }, 0);
  formula.into(y, a, row);
  CHECK(same(y, a));
  formula.into(y, a, 3);
  CHECK_ELEMENTS(y, (sizes<2>{R, C}), [&](auto i) { return 2 * at(a, i); }, 0);
  formula.into(a, a, b);
  CHECK(same(a, z));
}

TEST_CASE("sizes that types do not tell may not fit those that they do", "[flat]") {
  const auto three = st::ones<float>(st::shape<3>);
  const f1 one = st::full<float>({1}, 2.f), five = st::ones<float>({5});
  st::tensor y = one * three;
  CHECK_ELEMENTS(y, sizes<1>{3}, [](auto) { return 2; }, 0);
  CHECK_THROWS_AS(st::tensor(five * three), st::shape_error);
  CHECK_THROWS_AS(st::tensor(three * five), st::shape_error);
  auto z = st::zeros<float>(st::shape<3>);
  formula.into(z, one, three);
  CHECK(z(2) == 0);
  CHECK_THROWS_AS(formula.into(z, five, three), st::shape_error);
  CHECK_THROWS_AS(formula.into(five, three, three), st::shape_error);
  // a single element of a higher rank does not broadcast to a lower one
  f1 w = st::zeros<float>({3});
  CHECK_THROWS_AS(w.copy_(st::ones<float>(st::shape<1, 1>) * 2), st::shape_error);
  w.copy_(st::full<float>(st::shape<1>, 4.f) * 2);
  CHECK(w(2) == 8);
}

TEST_CASE("operands that are views: padded, transposed, flipped, broadcast at run time", "[flat]") {
  const sizes<2> n{6, 37};
  const auto a = samples<float>(n), target = samples<float>(n, row_major, 2);
  for (int l = 0; l < layouts; ++l) {
    const auto x = samples<float>(n, layout(l)), y = samples<float>(n, layout((l + 2) % layouts), 1);
    const auto want = [&](auto i) { return at(x, i) * at(y, i) - at(a, i); };
    CAPTURE(l);
    CHECK_ELEMENTS(f2(x * y - a), n, want, 8);
    auto z = st::clone(target);
    z.copy_(x * y - a);
    CHECK_ELEMENTS(z, n, want, 8);
    auto view = tensor_of<float>(n, layout(l), [](auto) { return 0; });
    formula.into(view, x, a);
    CHECK_ELEMENTS(view, n, [&](auto i) { return at(x, i) * at(a, i) - at(x, i); }, 8);
  }
  const auto row = samples<float>(sizes<2>{1, 37}, row_major, 3), column = samples<float>(sizes<2>{6, 1}, row_major, 4);
  auto z = st::clone(target);
  z.copy_(row * column - a);
  CHECK_ELEMENTS(z, n, [&](auto i) { return at(row, i) * at(column, i) - at(a, i); }, 8);
  formula.into(z, st::expand(column, {6, 37}), row);
  CHECK_ELEMENTS(z, n, [&](auto i) { return at(row, i) * at(column, i) - at(column, i); }, 8);
  CHECK_THROWS_AS(formula.into(row, a, a), st::shape_error);
  CHECK_THROWS_AS(st::expand(row, {6, 37}).copy_(a * 2), st::shape_error);
}

TEST_CASE("without dims, and one element among many", "[flat]") {
  const auto s = st::full<double>({}, 3.0);
  auto t = st::zeros<double>({});
  t.copy_(s * 2 + 1);
  CHECK(t.item() == 7);
  formula.into(t, t, s);
  CHECK(t.item() == 14);
  const auto x = samples<double>(sizes<1>{19});
  auto y = st::zeros<double>({19});
  formula.into(y, x, s);
  CHECK_ELEMENTS(y, sizes<1>{19}, [&](auto i) { return 2 * at(x, i); }, 1);
  y.copy_(s - 1);
  CHECK(y(18) == 2);
  // the one element is the target's own first, middle or last
  for (int64 k : {0, 7, 18}) {
    auto z = st::clone(x);
    const double first = z(k);
    z *= st::tensor<double, st::extents<>>(z.storage_handle(), z.data() + k, {}, {});
    CHECK_ELEMENTS(z, sizes<1>{19}, [&](auto i) { return at(x, i) * first; }, 1);
  }
}

TEST_CASE("targets over their operands, exactly or shifted", "[flat]") {
  for (int64 n : {1, 16, 17, 100, 3000})
    for (int64 shift : {-17, -16, -1, 0, 1, 5, 16, 2999}) {
      std::vector<float> memory(static_cast<std::size_t>(n + 2 * 3000)), plain;
      for (std::size_t i = 0; i < memory.size(); ++i) memory[i] = static_cast<float>(i % 101);
      plain = memory;
      const std::size_t from = 3000, to = static_cast<std::size_t>(3000 + shift);
      for (int64 i = 0; i < n; ++i) plain[to + static_cast<std::size_t>(i)] = memory[from + static_cast<std::size_t>(i)] * 2 + 1;
      const auto at_once = [&](auto write) {  // by views of one storage, then by two around one memory
        auto room = st::clone(st::from_blob(memory.data(), {static_cast<int64>(memory.size())}));
        write(room(st::slice(3000, 3000 + n)), room(st::slice(3000 + shift, 3000 + shift + n)));
        CHECK(std::equal(plain.begin(), plain.end(), room.data()));
        auto again = memory;
        write(st::from_blob(again.data() + from, {n}), st::from_blob(again.data() + to, {n}));
        CHECK(again == plain);
      };
      CAPTURE(n, shift);
      at_once([](const f1& x, const f1& y) { y.copy_(x * 2 + 1); });
      at_once([](const f1& x, const f1& y) { st::fn<[](auto v) { return v * 2 + 1; }>().into(y, x); });
    }
  // the same bytes as another type
  std::vector<float> memory(40, 1.5f);
  auto f = st::from_blob(memory.data(), {40});
  auto k = st::from_blob(reinterpret_cast<st::int32*>(memory.data()), {40});
  k.copy_(f * 2);
  CHECK(k(39) == 3);
}

TEST_CASE("copies as they are between overlapping arrays", "[flat]") {
  for (int64 shift : {-3, -1, 1, 3}) {
    std::vector<float> memory(1000);
    for (std::size_t i = 0; i < memory.size(); ++i) memory[i] = static_cast<float>(i);
    auto x = st::from_blob(memory.data() + 10, {900}), y = st::from_blob(memory.data() + 10 + shift, {900});
    y.copy_(x);
    int wrong = 0;
    for (std::size_t i = 0; i < 900; ++i) wrong += y(static_cast<int64>(i)) != static_cast<float>(i + 10);
    CHECK(wrong == 0);
  }
}

TEST_CASE("two results: each from what all held before", "[flat]") {
  for (int64 n : {1, 16, 100, 70000}) {
    const auto a0 = samples<float>(sizes<1>{n}), b0 = samples<float>(sizes<1>{n}, row_major, 1);
    auto a = st::clone(a0), b = st::clone(b0);
    const count before;
    st::update(st::to(a, a + b), st::to(b, a * b));
    CHECK(before.since() == count{1, static_cast<st::uint64>(24 * n)});
    CHECK_ELEMENTS(a, sizes<1>{n}, [&](auto i) { return at(a0, i) + at(b0, i); }, 0);
    CHECK_ELEMENTS(b, sizes<1>{n}, [&](auto i) { return at(a0, i) * at(b0, i); }, 0);
    a.copy_(a0), b.copy_(b0);
    const auto va = a.version(), vb = b.version();
    st::update(st::to(a, b), st::to(b, a));
    CHECK((same(a, b0) && same(b, a0)));
    CHECK((a.version() == va + 1 && b.version() == vb + 1));
    st::update(st::to(a, a * 2), st::to(b, a * 2));  // one value twice
    CHECK(same(a, b));
    // a target across an operand of the other
    auto room = st::arange<float>(static_cast<double>(n + 1));
    auto low = room(st::slice(0, n)), high = room(st::slice(1, n + 1));
    auto out = st::zeros<float>({n});
    st::update(st::to(high, low * 2), st::to(out, low + high));
    CHECK_ELEMENTS(out, sizes<1>{n}, [&](auto i) { return 2 * i[0] + 1; }, 0);
    CHECK_ELEMENTS(room, sizes<1>{n + 1}, [&](auto i) { return i[0] ? 2 * (i[0] - 1) : 0; }, 0);
  }
  auto a = st::zeros<float>({4}), b = st::zeros<float>({5});
  CHECK_THROWS_AS(st::update(st::to(a, a + 1), st::to(b, b * 2)), st::shape_error);
  CHECK(a(0) == 0);
}

TEST_CASE("what is stale or undefined throws, and nothing is written", "[flat]") {
  auto x = st::ones<float>({20}), y = st::ones<float>({20});
  auto e = x * y - x;
  auto lazy = st::lazy(x * y - x);
  x += 1;
  CHECK_THROWS_AS(f1(e), st::stale_expression);
  CHECK_THROWS_AS(y.copy_(e), st::stale_expression);
  CHECK(y(19) == 1);
  y.copy_(lazy);
  CHECK(y(19) == 0);
  const f1 none;
  f1 target = st::zeros<float>({0});
  CHECK_THROWS_AS(f1(none * 2), st::error);
  CHECK_THROWS_AS(f1(x * none), st::error);
  CHECK_THROWS_AS(target.copy_(none * 2), st::error);
  CHECK_THROWS_AS(formula.into(x, x, none), st::error);
  CHECK_THROWS_AS(formula.into(none, x, x), st::error);
  CHECK_THROWS_AS(formula.into(none, target, target), st::error);
  CHECK_THROWS_AS(none.copy_(2), st::error);
  const st::tensor<float, st::extents<1>> static_none;
  CHECK_THROWS_AS(static_none.copy_(2), st::error);
  CHECK_THROWS_AS(st::tensor(static_none * x), st::error);
  CHECK_THROWS_AS(x.copy_(static_none * 2), st::error);
}

TEST_CASE("written through: versions go up by one, once", "[flat]") {
  auto x = st::ones<float>({50});
  const auto other = x;
  const auto v = x.version();
  x.copy_(x * 2);
  CHECK(other.version() == v + 1);
  formula.into(x, x, 3);
  CHECK(other.version() == v + 2);
  x(st::slice(0, 10)) = x(st::slice(0, 10)) + 1;
  CHECK(other.version() == v + 3);
  CHECK(other(0) == 5);
  CHECK(other(10) == 4);
  st::update(st::to(x, x + 1), st::to(x(st::slice()), x + 1));
  CHECK(other.version() == v + 5);
}

TEST_CASE("into takes no memory, a fresh result none from the system", "[flat]") {
  const auto a = st::ones<float>({1000}), y = st::zeros<float>({1000});
  const auto s = st::ones<float>(st::shape<4, 4>), t = st::zeros<float>(st::shape<4, 4>);
  for (int i = 0; i < 2; ++i) f1(a * 2 - a);
  const auto holders = a.use_count();
  st::counters().reset();
  for (int i = 0; i < 10; ++i) {
    formula.into(y, a, y);
    formula.into(t, s, 2.f);
    f1 fresh(a * 2 - a);
  }
  CHECK(st::counters().system_allocations == 0);
  CHECK(st::counters().allocator_misses == 0);
  CHECK(st::counters().launches == 30);
  CHECK(a.use_count() == holders);
}

TEST_CASE("bitwise the same for every executor, within the caches and past them", "[flat]") {
  const int64 beyond = std::min<int64>(st::detail::last_level_cache() / 12 + 1000, 5000000);
  for (int64 n : {int64(65537), int64(131072), beyond}) {
    f1 a = st::empty<float>({n}), b = st::empty<float>({n});
    for (int64 i = 0; i < n; ++i) a.data()[i] = static_cast<float>(i % 1009) / 3, b.data()[i] = static_cast<float>(i % 997) / 7;
    const auto run = [&] { return f1(a * b - a); };
    st::executor_guard serial(st::serial_executor());
    const f1 want = run();
    int64 wrong = 0;
    for (int64 i = 0; i < n; i += 7) wrong += !(std::abs(want(i) - (static_cast<double>(a(i)) * b(i) - a(i))) <= 1e-6 * (1 + static_cast<double>(a(i)) * b(i)));
    CHECK(wrong == 0);
    for (int threads : {2, 3}) {
      some_threads own{threads};
      st::executor_guard guard(own.get());
      const f1 got = run();
      CHECK(std::memcmp(got.data(), want.data(), static_cast<std::size_t>(4 * n)) == 0);
      CHECK(own.loops == 1);
    }
  }
}

TEST_CASE("streamed results of any alignment, several at a time", "[flat]") {
  using node = decltype(std::declval<f1>() * std::declval<f1>() - std::declval<f1>());
  using P = st::detail::lowered<node>::program;
  REQUIRE(st::detail::flat_form<P>.possible);
  const int64 n = 3 * st::detail::flat_block + 21;
  std::vector<float> a(static_cast<std::size_t>(n)), b(a), c(a);
  for (std::size_t i = 0; i < a.size(); ++i) a[i] = static_cast<float>(i % 11), b[i] = static_cast<float>(i % 13), c[i] = static_cast<float>(i % 17);
  for (int offset : {0, 1, 4, 16})
    for (bool over : {false, true}) {
      std::vector<float> room(static_cast<std::size_t>(n + 64), -1.f);
      float* y = room.data();
      while (reinterpret_cast<std::uintptr_t>(y) % 64) ++y;
      y += offset;
      if (over) std::copy(a.begin(), a.end(), y);
      const st::uint64 at[] = {st::detail::address_of(over ? y : a.data()), st::detail::address_of(b.data()), st::detail::address_of(c.data()), st::detail::address_of(y)};
      some_threads own{2};
      st::executor_guard guard(own.get());
      st::detail::run_flat_blocks<P, st::native>(at, nullptr, n, true);
      int64 wrong = 0;
      for (int64 i = 0; i < n; ++i) wrong += y[i] != static_cast<float>(i % 11 * (i % 13) - i % 17);
      CHECK(wrong == 0);
      CHECK(y[n] == -1);
    }
}
