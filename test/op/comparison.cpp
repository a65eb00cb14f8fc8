// SPDX-License-Identifier: BSD-3-Clause
// Comparisons and where, NaN included.
#include "../catch.hpp"
#include "../reference.hpp"

namespace st = sinter;
using namespace reference;

TEST_CASE("comparisons give bool") {
  const sizes<1> n{37};
  auto k = samples<st::int64>(n), l = tensor_of<st::int64>(n, row_major, [&](auto i) { return i[0] % 3 ? sample(i[0], 1) : sample(i[0], 0); });
  auto a = [&](auto i) { return at(k, i); };
  auto b = [&](auto i) { return at(l, i); };
  CHECK_ELEMENTS(st::tensor(k == l), n, [&](auto i) { return a(i) == b(i); }, 0);
  CHECK_ELEMENTS(st::tensor(k != l), n, [&](auto i) { return a(i) != b(i); }, 0);
  CHECK_ELEMENTS(st::tensor(k < l), n, [&](auto i) { return a(i) < b(i); }, 0);
  CHECK_ELEMENTS(st::tensor(k <= l), n, [&](auto i) { return a(i) <= b(i); }, 0);
  CHECK_ELEMENTS(st::tensor(k > l), n, [&](auto i) { return a(i) > b(i); }, 0);
  CHECK_ELEMENTS(st::tensor(k >= l), n, [&](auto i) { return a(i) >= b(i); }, 0);
}
TEST_CASE("where broadcasts its three operands") {
  auto c = samples<bool>(sizes<2>{6, 1});
  auto a = samples<double>(sizes<1>{19}, row_major, 1);
  auto b = samples<double>(sizes<2>{6, 19}, column_major, 2);
  CHECK_ELEMENTS(st::tensor(st::where(c, a, b)), sizes<2>{6, 19}, [&](auto i) { return at(c, i) ? at(a, sizes<1>{i[1]}) : at(b, i); }, 0);
  CHECK_ELEMENTS(st::tensor(st::where(b > 0, b, 0)), sizes<2>{6, 19}, [&](auto i) { return std::max(at(b, i), 0.0); }, 0);
}
