// SPDX-License-Identifier: BSD-3-Clause
// The loops of map and row kernels: every memory layout of every operand, every length around the number of lanes,
// broadcasting known only at run time.
#include "../catch.hpp"
#include "../reference.hpp"

namespace st = sinter;
using namespace reference;

namespace {
using f1 = st::tensor<float, st::rank<1>>;
using f2 = st::tensor<float, st::rank<2>>;
using f3 = st::tensor<float, st::rank<3>>;

f3 multiply_add(const f3& a, const f3& b, const f3& c) { return f3(a * b + c); }
f2 row_softmax(const f2& x, int d) { return f2(st::softmax(x, d)); }
f3 softmax3(const f3& x, int d) { return f3(st::softmax(x, d)); }

template <int R> double softmax_at(const sizes<R>& n, sizes<R> i, int d, int seed = 0) {
  double top = -1e30, sum = 0;
  const double own = static_cast<float>(sample(number_of(n, i), seed));
  for (i[d] = 0; i[d] < n[d]; ++i[d]) top = std::max(top, static_cast<double>(static_cast<float>(sample(number_of(n, i), seed))));
  for (i[d] = 0; i[d] < n[d]; ++i[d]) sum += std::exp(static_cast<double>(static_cast<float>(sample(number_of(n, i), seed))) - top);
  return std::exp(own - top) / sum;
}
}  // namespace

TEST_CASE("element-wise rows of every length") {
  for (int64 n = 0; n <= 70; ++n) {
    auto a = samples<float>(sizes<1>{n}), b = samples<float>(sizes<1>{n}, row_major, 1);
    f1 y(a * b + 1);
    CAPTURE(n);
    CHECK_ELEMENTS(y, sizes<1>{n}, [&](auto i) { return static_cast<double>(at(a, i)) * at(b, i) + 1; }, 2);
  }
}
TEST_CASE("long rows are cut into parts") {
  for (int64 n : {2 * 16384 - 1, 2 * 16384 + 1, 3 * 16384, 5 * 16384 + 17}) {
    auto a = samples<float>(sizes<1>{n});
    f1 y(a * 2 - 1);
    CHECK_ELEMENTS(y, sizes<1>{n}, [&](auto i) { return 2 * static_cast<double>(at(a, i)) - 1; }, 2);
  }
}
TEST_CASE("every mixture of layouts") {
  const sizes<3> n{3, 5, 18};
  for (int la = 0; la < layouts; ++la)
    for (int lb = 0; lb < layouts; ++lb) {
      auto a = samples<float>(n, layout(la)), b = samples<float>(n, layout(lb), 1), c = samples<float>(n, padded, 2);
      CAPTURE(la, lb);
      CHECK_ELEMENTS(multiply_add(a, b, c), n, [&](auto i) { return static_cast<double>(at(a, i)) * at(b, i) + at(c, i); }, 4);
    }
}
TEST_CASE("a result keeps the stride order of its operands") {
  auto a = samples<float>(sizes<3>{3, 5, 18}, column_major);
  f3 y(a + 1);
  CHECK(y.strides() == a.strides());
  auto b = samples<float>(sizes<3>{3, 5, 18}, rotated);
  CHECK(f3(st::exp(b)).strides() == b.strides());
  auto c = samples<float>(sizes<3>{3, 5, 18}, strided);
  CHECK(f3(c + 1).is_contiguous());
}
TEST_CASE("extents of 1 broadcast at run time, wherever they are") {
  const sizes<3> full{3, 4, 19};
  for (int ma = 0; ma < 8; ++ma)
    for (int mb = 0; mb < 8; ++mb) {
      sizes<3> na = full, nb = full, n = full;
      for (int d = 0; d < 3; ++d) {
        if (ma >> d & 1) na[d] = 1;
        if (mb >> d & 1) nb[d] = 1;
        if (na[d] == 1 && nb[d] == 1) n[d] = 1;
      }
      auto a = samples<float>(na, layout(ma % layouts)), b = samples<float>(nb, layout(mb % layouts), 1);
      CAPTURE(ma, mb);
      CHECK_ELEMENTS(multiply_add(a, b, a), n, [&](auto i) { return static_cast<double>(at(a, i)) * at(b, i) + at(a, i); }, 4);
    }
}
TEST_CASE("expanded operands have stride 0") {
  auto column = samples<float>(sizes<2>{6, 1});
  auto row = samples<float>(sizes<1>{21}, row_major, 1);
  auto a = st::expand(column, {6, 21}), b = st::expand(row, {6, 21});
  f2 y(a * b), z(b - a), same(a + a);
  CHECK_ELEMENTS(y, sizes<2>{6, 21}, [&](auto i) { return static_cast<double>(at(a, i)) * at(b, i); }, 2);
  CHECK_ELEMENTS(z, sizes<2>{6, 21}, [&](auto i) { return static_cast<double>(at(b, i)) - at(a, i); }, 2);
  CHECK_ELEMENTS(same, sizes<2>{6, 21}, [&](auto i) { return 2 * static_cast<double>(at(a, i)); }, 2);
}
TEST_CASE("tensors without elements give tensors without elements") {
  CHECK(f1(samples<float>(sizes<1>{0}) + 1).numel() == 0);
  CHECK(f2(samples<float>(sizes<2>{0, 5}) * samples<float>(sizes<1>{5})).sizes() == sizes<2>{0, 5});
  CHECK(f2(st::softmax(samples<float>(sizes<2>{0, 5}), 1)).sizes() == sizes<2>{0, 5});
  CHECK(f2(st::softmax(samples<float>(sizes<2>{5, 0}), 1)).sizes() == sizes<2>{5, 0});
  CHECK(f2(st::softmax(samples<float>(sizes<2>{5, 0}), 0)).sizes() == sizes<2>{5, 0});
}
TEST_CASE("numbers and tensors without dims") {
  auto s = st::full<double>({}, 3.0);
  st::tensor y = s * 2 + 1;
  CHECK(y.item() == 7);
  auto x = samples<double>(sizes<2>{3, 17});
  st::tensor z = x * s;
  CHECK_ELEMENTS(z, sizes<2>{3, 17}, [&](auto i) { return 3 * at(x, i); }, 1);
}
TEST_CASE("rows of every length, along and across memory") {
  for (int64 n = 1; n <= 40; ++n)
    for (layout l : {row_major, column_major}) {
      CAPTURE(n, l);
      for (int d = 0; d < 2; ++d) {
        const sizes<2> s{d ? 7 : n, d ? n : 7};
        CHECK_ELEMENTS(row_softmax(samples<float>(s, l), d), s, [&](auto i) { return softmax_at(s, i, d); });
        const sizes<2> t{d ? n : 5, d ? 5 : n};  // n rows side by side
        CHECK_ELEMENTS(row_softmax(samples<float>(t, l), d), t, [&](auto i) { return softmax_at(t, i, d); });
      }
    }
}
TEST_CASE("rows in every layout along every dim") {
  const sizes<3> n{5, 19, 6};
  for (int l = 0; l < layouts; ++l)
    for (int d = 0; d < 3; ++d) {
      CAPTURE(l, d);
      CHECK_ELEMENTS(softmax3(samples<float>(n, layout(l)), d), n, [&](auto i) { return softmax_at(n, i, d); });
      CHECK_ELEMENTS(softmax3(samples<float>(n, layout(l)), d - 3), n, [&](auto i) { return softmax_at(n, i, d); });
    }
}
TEST_CASE("a long row") {
  const sizes<2> n{2, 3 * 16384 + 5};
  CHECK_ELEMENTS(row_softmax(samples<float>(n), 1), n, [&, sum = std::vector<double>(2, 0.0)](auto i) mutable {
    double& s = sum[static_cast<std::size_t>(i[0])];
    if (s == 0)
      for (int64 k = 0; k < n[1]; ++k) s += std::exp(sample(number_of(n, sizes<2>{i[0], k}), 0));
    return std::exp(sample(number_of(n, i), 0)) / s;
  }, 40);
}
TEST_CASE("dtypes meet in one loop") {
  const sizes<2> n{4, 21};
  for (int l = 0; l < layouts; ++l) {
    auto k = samples<st::int64>(n, layout(l)), half = samples<st::int64>(n, row_major, 3);
    auto x = samples<float>(n, layout((l + 1) % layouts), 1);
    auto d = samples<double>(n, layout((l + 2) % layouts), 2);
    auto b = samples<bool>(n, layout((l + 3) % layouts), 4);
    CAPTURE(l);
    st::tensor f = k * x;
    static_assert(std::is_same_v<decltype(f)::value_type, float>);
    CHECK_ELEMENTS(f, n, [&](auto i) { return static_cast<double>(at(k, i)) * at(x, i); }, 2);
    st::tensor g = x + d;
    static_assert(std::is_same_v<decltype(g)::value_type, double>);
    CHECK_ELEMENTS(g, n, [&](auto i) { return at(x, i) + at(d, i); }, 1);
    st::tensor w = st::where(b, x, k);
    CHECK_ELEMENTS(w, n, [&](auto i) { return at(b, i) ? static_cast<double>(at(x, i)) : static_cast<double>(at(k, i)); }, 0);
    st::tensor c = st::where(k < half, d, 0) + b;
    CHECK_ELEMENTS(c, n, [&](auto i) { return (at(k, i) < at(half, i) ? at(d, i) : 0) + at(b, i); }, 1);
    st::tensor q = k * half - k;
    static_assert(std::is_same_v<decltype(q)::value_type, st::int64>);
    CHECK_ELEMENTS(q, n, [&](auto i) { return static_cast<double>(at(k, i) * at(half, i) - at(k, i)); }, 0);
    st::tensor m = x > d;
    static_assert(std::is_same_v<decltype(m)::value_type, bool>);
    CHECK_ELEMENTS(m, n, [&](auto i) { return static_cast<double>(at(x, i)) > at(d, i); }, 0);
  }
}
TEST_CASE("NaN and infinities pass through") {
  const double inf = std::numeric_limits<double>::infinity(), nan = std::numeric_limits<double>::quiet_NaN();
  const double v[] = {1, nan, inf, -inf, -0.0, 2};
  auto x = tensor_of<double>(sizes<1>{6}, row_major, [&](auto i) { return v[i[0]]; });
  st::tensor r = st::relu(x), m = st::maximum(x, 1.0);
  CHECK_ELEMENTS(r, sizes<1>{6}, [&](auto i) { return v[i[0]] > 0 || is_nan(v[i[0]]) ? v[i[0]] : 0; }, 0);
  CHECK_ELEMENTS(m, sizes<1>{6}, [&](auto i) { return is_nan(v[i[0]]) ? nan : std::max(v[i[0]], 1.0); }, 0);
  st::tensor top = st::max(x, 0);
  CHECK(is_nan(top.item()));
  st::tensor p = st::softmax(tensor_of<double>(sizes<1>{2}, row_major, [&](auto i) { return i[0] ? -inf : 1.0; }), 0);
  CHECK(p(0) == 1);
  CHECK(p(1) == 0);
}
TEST_CASE("a steady state allocates nothing from the system") {
  auto a = samples<float>(sizes<2>{64, 65});
  auto b = samples<float>(sizes<1>{65});
  for (int i = 0; i < 3; ++i) f2 y(st::softmax(a * b, 0));
  const st::uint64 before = st::counters().system_allocations;
  for (int i = 0; i < 10; ++i) f2 y(st::softmax(a * b, 0));
  CHECK(st::counters().system_allocations == before);
}
