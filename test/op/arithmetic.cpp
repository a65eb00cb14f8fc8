// SPDX-License-Identifier: BSD-3-Clause
// + - * / and their kin: values, promotion, numbers on either side.
#include "../catch.hpp"
#include "../reference.hpp"

namespace st = sinter;
using namespace reference;

TEST_CASE("binary operators, element by element") {
  const sizes<2> n{5, 19};
  auto a = samples<float>(n), b = samples<float>(n, column_major, 1);
  auto x = [&](auto i) { return static_cast<double>(at(a, i)); };
  auto y = [&](auto i) { return static_cast<double>(at(b, i)); };
  CHECK_ELEMENTS(st::tensor(a + b), n, [&](auto i) { return x(i) + y(i); }, 1);
  CHECK_ELEMENTS(st::tensor(a - b), n, [&](auto i) { return x(i) - y(i); }, 1);
  CHECK_ELEMENTS(st::tensor(a * b), n, [&](auto i) { return x(i) * y(i); }, 1);
  CHECK_ELEMENTS(st::tensor(a / b), n, [&](auto i) { return x(i) / y(i); }, 1);
  CHECK_ELEMENTS(st::tensor(-a), n, [&](auto i) { return -x(i); }, 0);
  CHECK_ELEMENTS(st::tensor(st::abs(a)), n, [&](auto i) { return std::abs(x(i)); }, 0);
  CHECK_ELEMENTS(st::tensor(st::maximum(a, b)), n, [&](auto i) { return std::max(x(i), y(i)); }, 0);
  CHECK_ELEMENTS(st::tensor(st::minimum(a, b)), n, [&](auto i) { return std::min(x(i), y(i)); }, 0);
}
TEST_CASE("numbers stand on either side and keep a tensor's dtype") {
  auto a = samples<float>(sizes<1>{19});
  st::tensor y = 2.5 - a / 3;
  static_assert(std::is_same_v<decltype(y)::value_type, float>);
  CHECK_ELEMENTS(y, sizes<1>{19}, [&](auto i) { return 2.5 - static_cast<double>(at(a, i)) / 3; }, 2);
  auto k = samples<st::int64>(sizes<1>{19});
  st::tensor z = k * 0.5;
  static_assert(std::is_same_v<decltype(z)::value_type, float>);
  CHECK_ELEMENTS(z, sizes<1>{19}, [&](auto i) { return 0.5 * static_cast<double>(at(k, i)); }, 0);
}
TEST_CASE("integers divide as floats and wrap at their limits") {
  auto k = samples<st::int64>(sizes<1>{19});
  st::tensor q = k / 4;
  static_assert(std::is_same_v<decltype(q)::value_type, float>);
  CHECK_ELEMENTS(q, sizes<1>{19}, [&](auto i) { return static_cast<double>(at(k, i)) / 4; }, 0);
  auto top = st::full<st::int64>({3}, std::numeric_limits<st::int64>::max());
  CHECK(st::tensor(top + 1)(1) == std::numeric_limits<st::int64>::min());
}
TEST_CASE("shapes that do not broadcast are an error that shows both") {
  auto a = samples<float>(sizes<2>{3, 4}), b = samples<float>(sizes<2>{3, 5});
  CHECK_THROWS_WITH(st::tensor(a + b), contains("add") && contains("[3, 4]") && contains("[3, 5]"));
  CHECK_THROWS_AS(st::tensor(a + b), st::shape_error);
}

TEST_CASE("dtypes meet by PyTorch's rule: dims first, then tensors without dims, then numbers") {
  const auto f = st::ones<float>({2});
  const auto d0 = st::ones<double>(st::shape<>);
  const auto i = st::ones<st::int64>({2});
  const auto i0 = st::ones<st::int64>(st::shape<>);
  const auto b = st::ones<bool>({2});
  const auto h = st::ones<st::half>({2});
  static_assert(std::is_same_v<decltype(st::tensor(f * d0))::value_type, float>);
  static_assert(std::is_same_v<decltype(st::tensor(i * d0))::value_type, double>);
  static_assert(std::is_same_v<decltype(st::tensor(h * d0))::value_type, st::half>);
  static_assert(std::is_same_v<decltype(st::tensor(b + i0))::value_type, st::int64>);
  static_assert(std::is_same_v<decltype(st::tensor(st::ones<int>({2}) + i0))::value_type, int>);
  static_assert(std::is_same_v<decltype(st::tensor(i0 * 0.5))::value_type, float>);
  static_assert(std::is_same_v<decltype(st::tensor(d0 * 0.5))::value_type, double>);
  static_assert(std::is_same_v<decltype(st::tensor(f * st::ones<double>({2})))::value_type, double>);
  static_assert(std::is_same_v<decltype(st::tensor(st::where(b, 1.0, 0)))::value_type, float>);
  static_assert(std::is_same_v<decltype(st::tensor(st::where(b, 1, 0)))::value_type, st::int64>);
  CHECK(st::tensor(f * d0)(1) == 1);
  st::variable w = d0;
  st::variable y = st::sum(f * w);
  y.backward();
  CHECK(w.grad().item() == 2);
}
