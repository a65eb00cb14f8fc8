// SPDX-License-Identifier: BSD-3-Clause
// sum, max, argmax, mean, var over every set of dims of ranks 1 to 4, named in every way, in every memory layout.
#include "../catch.hpp"
#include "../reference.hpp"

namespace st = sinter;
using namespace reference;

namespace {

/// f(values along the dims in `mask`) for the element at index i of the reduced result (reduced dims at 0).
template <int R, class F> double reduced(const sizes<R>& n, sizes<R> i, unsigned mask, F f) {
  std::vector<double> v;
  sizes<R> m;
  for (int d = 0; d < R; ++d) m[d] = mask >> d & 1 ? n[d] : 1;
  each(m, [&](const sizes<R>& k) {
    sizes<R> at = i;
    for (int d = 0; d < R; ++d)
      if (mask >> d & 1) at[d] = k[d];
    v.push_back(static_cast<float>(sample(number_of(n, at), 0)));
  });
  return f(v);
}
double sum_of(const std::vector<double>& v) {
  double s = 0;
  for (double x : v) s += x;
  return s;
}
double max_of(const std::vector<double>& v) { return *std::max_element(v.begin(), v.end()); }
double argmax_of(const std::vector<double>& v) { return static_cast<double>(std::max_element(v.begin(), v.end()) - v.begin()); }
double var_of(const std::vector<double>& v) {
  const double m = sum_of(v) / static_cast<double>(v.size());
  double s = 0;
  for (double x : v) s += (x - m) * (x - m);
  return s / (static_cast<double>(v.size()) - 1);  // NaN for one element
}
template <int R> sizes<R> kept(const sizes<R>& n, unsigned mask) {
  sizes<R> k = n;
  for (int d = 0; d < R; ++d)
    if (mask >> d & 1) k[d] = 1;
  return k;
}
/// Index in the kept result of an index without the reduced dims.
template <int R, int K> sizes<R> widened(const sizes<K>& i, unsigned mask) {
  sizes<R> w{};
  for (int d = 0, k = 0; d < R; ++d) w[d] = mask >> d & 1 || k >= K ? 0 : i[k++];
  return w;
}
template <int R, int K> sizes<K> narrowed(const sizes<R>& n, unsigned mask) {
  sizes<K> s{};
  for (int d = 0, k = 0; d < R; ++d)
    if (!(mask >> d & 1) && k < K) s[k++] = n[d];
  return s;
}

/// All reductions over the dims in Mask, given as a run-time list.
template <int R, unsigned Mask, int... D> void check_dims(const sizes<R>& n, layout l) {
  auto x = samples<float>(n, l);
  constexpr int K = R - static_cast<int>(sizeof...(D));
  const st::dims<static_cast<int>(sizeof...(D))> dims({D...});
  const sizes<R> nk = kept(n, Mask);
  const sizes<K> ns = narrowed<R, K>(n, Mask);
  CAPTURE(R, Mask, l);
  st::tensor sk = st::sum(x, dims, st::keepdim);
  CHECK_ELEMENTS(sk, nk, [&](auto i) { return reduced(n, i, Mask, sum_of); }, 300);
  st::tensor s = st::sum(x, dims);
  CHECK_ELEMENTS(s, ns, [&](auto i) { return reduced(n, widened<R>(i, Mask), Mask, sum_of); }, 300);
  st::tensor m = st::max(x, st::dim<D...>);
  CHECK_ELEMENTS(m, ns, [&](auto i) { return reduced(n, widened<R>(i, Mask), Mask, max_of); }, 0);
  st::tensor am = st::argmax(x, dims);
  CHECK_ELEMENTS(am, ns, [&](auto i) { return reduced(n, widened<R>(i, Mask), Mask, argmax_of); }, 0);
  if constexpr (R < 3) {
    st::tensor v = st::var(x, dims, st::keepdim);
    CHECK_ELEMENTS(v, nk, [&](auto i) { return reduced(n, i, Mask, var_of); }, 60);
  }
}
}  // namespace

TEST_CASE("a vector reduces to one number") {
  for (int64 n = 1; n <= 40; ++n)
    for (int l = 0; l < layouts; ++l) check_dims<1, 1, 0>(sizes<1>{n}, layout(l));
}
TEST_CASE("every set of dims of a matrix") {
  for (int l = 0; l < layouts; ++l)
    for (sizes<2> n : {sizes<2>{5, 37}, sizes<2>{33, 4}, sizes<2>{1, 19}, sizes<2>{18, 1}}) {
      check_dims<2, 1, 0>(n, layout(l));
      check_dims<2, 2, 1>(n, layout(l));
      check_dims<2, 3, 0, 1>(n, layout(l));
    }
}
TEST_CASE("every set of dims of rank 3") {
  for (int l = 0; l < layouts; ++l) {
    const sizes<3> n{4, 18, 5};
    check_dims<3, 1, 0>(n, layout(l)), check_dims<3, 2, 1>(n, layout(l)), check_dims<3, 4, 2>(n, layout(l));
    check_dims<3, 3, 0, 1>(n, layout(l)), check_dims<3, 5, 0, 2>(n, layout(l)), check_dims<3, 6, 1, 2>(n, layout(l));
    check_dims<3, 7, 0, 1, 2>(n, layout(l));
  }
}
TEST_CASE("sets of dims of rank 4") {
  for (int l = 0; l < layouts; ++l) {
    const sizes<4> n{3, 2, 17, 4};
    check_dims<4, 5, 0, 2>(n, layout(l)), check_dims<4, 10, 1, 3>(n, layout(l)), check_dims<4, 13, 0, 2, 3>(n, layout(l));
  }
}
TEST_CASE("dims are named by an int, a list, dim<>, from the end, or not at all") {
  const sizes<3> n{3, 4, 19};
  auto x = samples<double>(n);
  st::tensor a = st::sum(x, -1), b = st::sum(x, 2), c = st::sum(x, st::dim<2>), d = st::sum(x, st::dim<-1>);
  for (const auto& y : {b, c, d}) CHECK_ELEMENTS(y, sizes<2>{3, 4}, [&](auto i) { return at(a, i); }, 1);
  st::tensor e = st::sum(x, {0, -1}), f = st::sum(x, st::dim<0, 2>);
  CHECK_ELEMENTS(e, sizes<1>{4}, [&](auto i) { return at(f, i); }, 4);
  st::tensor all = st::sum(x);
  st::tensor one_by_one = st::sum(st::sum(st::sum(x, 0), 0), 0);
  CHECK(all.item() == Approx(one_by_one.item()));
  CHECK_THROWS_AS(st::tensor(st::sum(x, 3)), st::index_error);
  CHECK_THROWS_AS(st::tensor(st::sum(x, {1, -2})), st::index_error);
}
TEST_CASE("integers and bool sum as int64") {
  const sizes<2> n{6, 23};
  auto k = samples<st::int64>(n, column_major);
  auto b = samples<bool>(n);
  st::tensor s = st::sum(k, 1);
  st::tensor t = st::sum(b);
  st::tensor m = st::mean(k);
  static_assert(std::is_same_v<decltype(t)::value_type, st::int64>);
  double all = 0, ones = 0;
  each(n, [&](auto i) { all += static_cast<double>(at(k, i)), ones += at(b, i); });
  CHECK_ELEMENTS(s, sizes<1>{6}, [&](auto i) {
    double v = 0;
    for (int64 j = 0; j < 23; ++j) v += static_cast<double>(at(k, sizes<2>{i[0], j}));
    return v;
  }, 0);
  CHECK(t.item() == static_cast<st::int64>(ones));
  CHECK(static_cast<double>(m.item()) == Approx(all / 138));
  auto big = st::full<st::int64>({100}, st::int64(1) << 53);
  CHECK(st::tensor(st::sum(big)).item() == 100 * (st::int64(1) << 53));
}
TEST_CASE("nothing sums to 0, and has no maximum") {
  auto x = st::zeros<float>({3, 0});
  CHECK_ELEMENTS(st::tensor(st::sum(x, 1)), sizes<1>{3}, [](auto) { return 0; }, 0);
  CHECK(st::tensor(st::sum(x)).item() == 0);
  CHECK(st::tensor(st::sum(x, 0)).numel() == 0);
  CHECK(is_nan(st::tensor(st::mean(x)).item()));
  CHECK(st::tensor(st::max(x, 0)).numel() == 0);
  CHECK_THROWS_AS(st::tensor(st::max(x, 1)), st::shape_error);
  CHECK_THROWS_AS(st::tensor(st::argmax(x, 1)), st::shape_error);
  CHECK_THROWS_AS(st::tensor(st::max(x)), st::shape_error);
  CHECK_THROWS_WITH(st::tensor(st::max(x, 1)), contains("max") && contains("[3, 0]"));
}
TEST_CASE("NaN wins a maximum, the first of equals an argmax") {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  for (int64 n : {2, 17, 40})
    for (int64 k = 0; k < n; k += 3) {
      auto x = tensor_of<float>(sizes<1>{n}, row_major, [&](auto i) { return i[0] == k ? nan : 1.0; });
      CHECK(is_nan(st::tensor(st::max(x, 0)).item()));
      CHECK(st::tensor(st::argmax(x, 0)).item() == k);
      auto y = tensor_of<float>(sizes<1>{n}, row_major, [&](auto i) { return i[0] >= k ? 2.0 : 1.0; });
      CHECK(st::tensor(st::argmax(y)).item() == k);
    }
}
TEST_CASE("reductions of reductions") {
  const sizes<3> n{4, 5, 18};
  auto x = samples<double>(n, rotated);
  auto row = [&](int64 a, int64 b) {
    double s = 0;
    for (int64 c = 0; c < 18; ++c) s += at(x, sizes<3>{a, b, c});
    return s;
  };
  st::tensor y = st::max(st::sum(x, 2), 1);
  CHECK_ELEMENTS(y, sizes<1>{4}, [&](auto i) {
    double m = row(i[0], 0);
    for (int64 b = 1; b < 5; ++b) m = std::max(m, row(i[0], b));
    return m;
  }, 60);
  st::tensor k = st::argmax(st::sum(x, 2), 1);
  CHECK_ELEMENTS(k, sizes<1>{4}, [&](auto i) {
    int64 best = 0;
    for (int64 b = 1; b < 5; ++b) best = row(i[0], b) > row(i[0], best) ? b : best;
    return static_cast<double>(best);
  }, 0);
  st::tensor z = st::sum(x - st::mean(x, 2, st::keepdim), 2);
  CHECK_ELEMENTS(z, sizes<2>{4, 5}, [&](auto) { return 0.0; }, 200);
  st::tensor w = st::sum(st::sum(x * x, 2, st::keepdim), 2);
  CHECK_ELEMENTS(w, sizes<2>{4, 5}, [&](auto i) {
    double s = 0;
    for (int64 c = 0; c < 18; ++c) s += at(x, sizes<3>{i[0], i[1], c}) * at(x, sizes<3>{i[0], i[1], c});
    return s;
  }, 60);
  st::tensor whole = x - st::mean(x);
  double mean = 0;
  each(n, [&](auto i) { mean += at(x, i) / 360; });
  CHECK_ELEMENTS(whole, n, [&](auto i) { return at(x, i) - mean; }, 60);
}
TEST_CASE("reductions of different operands meet") {
  const sizes<2> n{6, 19}, m{6, 7};
  auto x = samples<double>(n), y = samples<double>(m, column_major, 1), z = samples<double>(n, strided, 2);
  auto row = [](const auto& t, int64 a) {
    double s = 0;
    for (int64 c = 0; c < t.size(1); ++c) s += at(t, sizes<2>{a, c});
    return s;
  };
  st::tensor a = st::sum(x, 1) + st::sum(y, 1);
  CHECK_ELEMENTS(a, sizes<1>{6}, [&](auto i) { return row(x, i[0]) + row(y, i[0]); }, 60);
  st::tensor b = st::sum(x) * st::sum(y);
  double sx = 0, sy = 0;
  for (int64 i = 0; i < 6; ++i) sx += row(x, i), sy += row(y, i);
  CHECK(b.item() == Approx(sx * sy));
  st::tensor c = y * st::sum(x, 1, st::keepdim);
  CHECK_ELEMENTS(c, m, [&](auto i) { return at(y, i) * row(x, i[0]); }, 60);
  st::tensor d = st::softmax(x, 1) * st::softmax(z, 0);
  st::tensor px = st::softmax(x, 1), pz = st::softmax(z, 0);
  CHECK_ELEMENTS(d, n, [&](auto i) { return at(px, i) * at(pz, i); }, 30);
  st::tensor e = x / st::sum(x * x, 0) + st::max(x, 1, st::keepdim);
  CHECK_ELEMENTS(e, n, [&](auto i) {
    double s = 0, top = -1e9;
    for (int64 r = 0; r < 6; ++r) s += at(x, sizes<2>{r, i[1]}) * at(x, sizes<2>{r, i[1]});
    for (int64 k = 0; k < 19; ++k) top = std::max(top, at(x, sizes<2>{i[0], k}));
    return at(x, i) / s + top;
  }, 60);
  auto v = samples<double>(sizes<1>{6}, row_major, 5);
  st::tensor f = st::sum(x, 1) * v;
  CHECK_ELEMENTS(f, sizes<1>{6}, [&](auto i) { return row(x, i[0]) * at(v, i); }, 60);
  auto w = samples<double>(sizes<2>{4, 6}, row_major, 6);
  st::tensor g = st::sum(x, 1) + w;
  CHECK_ELEMENTS(g, sizes<2>{4, 6}, [&](auto i) { return row(x, i[1]) + at(w, i); }, 60);
}
TEST_CASE("a row that an operand repeats counts once") {
  auto x = samples<double>(sizes<2>{5, 1}), y = samples<double>(sizes<2>{5, 18}, row_major, 1);
  st::tensor a = st::softmax(x, 1) + y;
  CHECK_ELEMENTS(a, sizes<2>{5, 18}, [&](auto i) { return 1 + at(y, i); }, 4);
  st::tensor b = st::sum(x, 1, st::keepdim) * y + x;
  CHECK_ELEMENTS(b, sizes<2>{5, 18}, [&](auto i) { return at(x, i) * at(y, i) + at(x, i); }, 4);
  auto r = samples<double>(sizes<2>{1, 18}, row_major, 2);
  st::tensor c = st::softmax(r, 1) * y;
  st::tensor p = st::softmax(r, 1);
  CHECK_ELEMENTS(c, sizes<2>{5, 18}, [&](auto i) { return at(p, i) * at(y, i); }, 8);
  st::tensor d = (y - st::mean(y, 1, st::keepdim)) * st::sum(st::softmax(r, 1) + 0 * x, 0);
  st::tensor e = st::mean(y, 1, st::keepdim);
  CHECK_ELEMENTS(d, sizes<2>{5, 18}, [&](auto i) { return (at(y, i) - at(e, i)) * 5 * at(p, i); }, 30);
  auto one = samples<double>(sizes<2>{1, 18}, row_major, 3);
  auto many = samples<double>(sizes<1>{7}, row_major, 4);
  st::tensor f = st::sum(one, 1) + many;
  st::tensor s = st::sum(one);
  CHECK_ELEMENTS(f, sizes<1>{7}, [&](auto i) { return s.item() + at(many, i); }, 30);
}
TEST_CASE("sums of large tensors run in chunks") {
  const sizes<2> n{300, 1001};
  auto x = samples<double>(n);
  std::vector<double> rows(300), columns(1001);
  double all = 0;
  each(n, [&](auto i) { rows[static_cast<std::size_t>(i[0])] += at(x, i), columns[static_cast<std::size_t>(i[1])] += at(x, i), all += at(x, i); });
  CHECK_ELEMENTS(st::tensor(st::sum(x, 0)), sizes<1>{1001}, [&](auto i) { return columns[static_cast<std::size_t>(i[0])]; }, 1e4);
  CHECK_ELEMENTS(st::tensor(st::sum(x, 1)), sizes<1>{300}, [&](auto i) { return rows[static_cast<std::size_t>(i[0])]; }, 1e4);
  CHECK(st::tensor(st::sum(x)).item() == Approx(all));
}
TEST_CASE("products, extremes, norms and counts along every dim") {
  const sizes<2> n{6, 7};
  auto x = samples<double>(n, rotated);
  x.data()[3] = 0;
  for (int d = 0; d < 2; ++d) {
    const sizes<1> m{n[1 - d]};
    auto fold = [&](auto i, double first, auto f) {
      double s = first;
      for (int64 k = 0; k < n[d]; ++k) s = f(s, d ? x(i[0], k) : x(k, i[0]));
      return s;
    };
    auto sum = [&](auto i, auto f) { return fold(i, 0, [&](double s, double v) { return s + f(v); }); };
    CAPTURE(d);
    CHECK_ELEMENTS(st::tensor(st::prod(x, d)), m, [&](auto i) { return fold(i, 1, [](double s, double v) { return s * v; }); });
    CHECK_ELEMENTS(st::tensor(st::min(x, d)), m, [&](auto i) { return fold(i, 1e9, [](double s, double v) { return std::min(s, v); }); });
    CHECK_ELEMENTS(st::tensor(st::amax(x, d)), m, [&](auto i) { return fold(i, -1e9, [](double s, double v) { return std::max(s, v); }); });
    CHECK_ELEMENTS(st::tensor(st::norm(x, d)), m, [&](auto i) { return std::sqrt(sum(i, [](double v) { return v * v; })); });
    CHECK_ELEMENTS(st::tensor(st::norm(x, d, 3)), m, [&](auto i) { return std::cbrt(sum(i, [](double v) { return std::abs(v * v * v); })); });
    CHECK_ELEMENTS(st::tensor(st::norm1(x, d)), m, [&](auto i) { return sum(i, [](double v) { return std::abs(v); }); });
    CHECK_ELEMENTS(st::tensor(st::norm_inf(x, d)), m, [&](auto i) { return fold(i, 0, [](double s, double v) { return std::max(s, std::abs(v)); }); });
    CHECK_ELEMENTS(st::tensor(st::logsumexp(x, d)), m, [&](auto i) { return std::log(sum(i, [](double v) { return std::exp(v); })); });
    CHECK_ELEMENTS(st::tensor(st::count_nonzero(x, d)), m, [&](auto i) { return sum(i, [](double v) { return v != 0; }); });
    CHECK_ELEMENTS(st::tensor(st::any(x > 1.9, d)), m, [&](auto i) { return sum(i, [](double v) { return v > 1.9; }) > 0; });
    CHECK_ELEMENTS(st::tensor(st::all(x < 1.9, d)), m, [&](auto i) { return sum(i, [](double v) { return v >= 1.9; }) == 0; });
    CHECK_ELEMENTS(st::tensor(st::std(x, d)), m, [&](auto i) {
      const double k = static_cast<double>(n[d]), mean = sum(i, [](double v) { return v; }) / k;
      return std::sqrt(sum(i, [&](double v) { return (v - mean) * (v - mean); }) / (k - 1));
    });
    CHECK_ELEMENTS(st::tensor(st::argmin(x, d)), m, [&](auto i) {
      int64 best = 0;
      for (int64 k = 1; k < n[d]; ++k)
        if ((d ? x(i[0], k) : x(k, i[0])) < (d ? x(i[0], best) : x(best, i[0]))) best = k;
      return best;
    });
  }
}
TEST_CASE("var_mean and std_mean are both at once") {
  const auto x = samples<double>(sizes<2>{5, 9}, padded);
  const auto [v, m] = st::var_mean(x, 1);
  const auto [s, n] = st::std_mean(x + 1, 0);
  CHECK(st::tensor(v)(2) == Approx(st::tensor(st::var(x, 1))(2)));
  CHECK(st::tensor(m)(4) == Approx(st::tensor(st::mean(x, 1))(4)));
  CHECK(st::tensor(s)(3) == Approx(std::sqrt(st::tensor(st::var(x, 0))(3))));
  CHECK(st::tensor(n)(3) == Approx(1 + st::tensor(st::mean(x, 0))(3)));
}
TEST_CASE("reductions over nothing, of infinities and of zeros") {
  const auto none = st::zeros<double>({0, 3});
  CHECK(st::tensor(st::prod(none, 0))(1) == 1);
  CHECK(st::tensor(st::prod(st::array<int64>({2, 3, 7}), 0)).item() == 42);
  CHECK_FALSE(st::tensor(st::any(none)).item());
  CHECK(st::tensor(st::all(none)).item());
  CHECK_THROWS_AS(st::tensor(st::min(none, 0)), st::shape_error);
  const double inf = std::numeric_limits<double>::infinity();
  CHECK(st::tensor(st::logsumexp(st::array<double>({-inf, -inf}), 0)).item() == -inf);
  CHECK(st::tensor(st::logsumexp(st::array<double>({1, inf}), 0)).item() == inf);
  CHECK(st::tensor(st::logsumexp(st::array<double>({1000, 1000}), 0)).item() == Approx(1000 + std::log(2)));
  CHECK(is_nan(st::tensor(st::min(st::array<double>({1, std::nan(""), -1}), 0)).item()));
  CHECK(st::tensor(st::argmin(st::array<double>({1, std::nan(""), -1}), 0)).item() == 1);
  auto slopes = [](auto f, const st::tensor<double, st::rank<1>>& at) {
    st::variable x = st::clone(at);
    st::variable y = f(x);
    y.backward();
    return x.grad();
  };
  // one zero: only its own derivative is left; two: none
  CHECK_ELEMENTS(slopes([](auto x) { return st::prod(x, 0); }, st::array<double>({2, 0, 3})), (sizes<1>{3}), [](auto i) { return i[0] == 1 ? 6 : 0; });
  CHECK_ELEMENTS(slopes([](auto x) { return st::prod(x, 0); }, st::array<double>({2, 0, 0})), (sizes<1>{3}), [](auto) { return 0; });
  CHECK_ELEMENTS(slopes([](auto x) { return st::norm(x, 0); }, st::array<double>({0, 0})), (sizes<1>{2}), [](auto) { return 0; });
  // equals share amax's gradient, the first has max's
  CHECK_ELEMENTS(slopes([](auto x) { return st::amax(x, 0); }, st::array<double>({5, 1, 5})), (sizes<1>{3}), [](auto i) { return i[0] == 1 ? 0 : 0.5; });
  CHECK_ELEMENTS(slopes([](auto x) { return st::max(x, 0); }, st::array<double>({5, 1, 5})), (sizes<1>{3}), [](auto i) { return i[0] == 0; });
}
