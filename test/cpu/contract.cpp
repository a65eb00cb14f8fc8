// SPDX-License-Identifier: BSD-3-Clause
// Products with batches and several summed labels, small and large: any strides, one or both sides, stored, added, with epilogues,
// and products of static extents. Against double.
#include <sinter/cpu/contract.hpp>

#include <cstring>
#include <vector>

#include "../catch.hpp"
#include "../reference.hpp"
#include "threads.hpp"

namespace st = sinter;
using namespace reference;

namespace {
using f1 = st::tensor<float, st::rank<1>>;
using f2 = st::tensor<float, st::rank<2>>;
using f3 = st::tensor<float, st::rank<3>>;

f3 batched(const f3& a, const f3& b) { return f3(st::matmul(a, b)); }
f3 shared_right(const f3& a, const f2& b) { return f3(st::matmul(a, b)); }
f3 with_epilogue(const f3& a, const f3& b, const f1& bias, const f3& residual) { return f3(st::relu(st::matmul(a, b) + bias) - residual); }
f3 shared_with_epilogue(const f3& a, const f2& b, const f1& bias, const f3& residual) { return f3(st::relu(st::matmul(a, b) + bias) - residual); }

double product_at(const f3& a, auto right, const sizes<3>& i) {
  double s = 0;
  for (int64 k = 0; k < a.size(2); ++k) s += static_cast<double>(at(a, sizes<3>{i[0], i[1], k})) * right(k);
  return s;
}
/// Every product of batches [count, m, k] and [count, k, n] in two layouts.
void check_batch(int64 count, int64 m, int64 n, int64 k, int la, int lb) {
  const auto a = samples<float>(sizes<3>{count, m, k}, layout(la)), b = samples<float>(sizes<3>{count, k, n}, layout(lb), 1);
  const auto w = samples<float>(sizes<2>{k, n}, layout(lb), 2);
  const auto bias = samples<float>(sizes<1>{n}, row_major, 3);
  const auto residual = samples<float>(sizes<3>{count, m, n}, layout((la + lb) % layouts), 4);
  const sizes<3> out{count, m, n};
  const auto both = [&](auto i) { return product_at(a, [&](int64 p) { return at(b, sizes<3>{i[0], p, i[2]}); }, i); };
  const auto one = [&](auto i) { return product_at(a, [&](int64 p) { return at(w, sizes<2>{p, i[2]}); }, i); };
  const auto after = [&](double x, auto i) { return std::max(0.0, x + at(bias, sizes<1>{i[2]})) - at(residual, i); };
  const double ulps = 200 + 4 * static_cast<double>(k);
  CAPTURE(count, m, n, k, la, lb);
  CHECK_ELEMENTS(batched(a, b), out, both, ulps);
  CHECK_ELEMENTS(shared_right(a, w), out, one, ulps);
  CHECK_ELEMENTS(with_epilogue(a, b, bias, residual), out, [&](auto i) { return after(both(i), i); }, ulps);
  CHECK_ELEMENTS(shared_with_epilogue(a, w, bias, residual), out, [&](auto i) { return after(one(i), i); }, ulps);
  auto y = tensor_of<float>(out, layout(la), [](auto) { return 9; });  // into a view
  y.copy_(st::matmul(a, b));
  CHECK_ELEMENTS(y, out, both, ulps);
}

template <class T, int M, int N, int K> void check_fixed() {
  const auto a = st::clone(st::zeros<T>(st::shape<M, K>));
  const auto b = st::clone(st::zeros<T>(st::shape<K, N>));
  for (int64 i = 0; i < M * K; ++i) a.data()[i] = static_cast<T>(sample(i, 0));
  for (int64 i = 0; i < K * N; ++i) b.data()[i] = static_cast<T>(sample(i, 1));
  const auto want = [&](auto i) {
    double s = 0;
    for (int64 k = 0; k < K; ++k) s += static_cast<double>(at(a, sizes<2>{i[0], k})) * static_cast<double>(at(b, sizes<2>{k, i[1]}));
    return s;
  };
  CAPTURE(M, N, K);
  const st::uint64 launches = st::counters().launches, bytes = st::counters().bytes;
  const st::tensor y = st::matmul(a, b);
  CHECK(st::counters().launches == launches + 1);
  CHECK(st::counters().bytes == bytes + sizeof(T) * (M * K + K * N + M * N));
  CHECK_ELEMENTS(y, (sizes<2>{M, N}), want, 500);
  // operands of these extents with holes, or over the result
  st::tensor<T, st::extents<M, K>> transposed(st::tensor<T, st::rank<2>>(st::clone(a.T()).T()));
  CHECK_ELEMENTS(st::tensor(st::matmul(transposed, b)), (sizes<2>{M, N}), want, 500);
  if constexpr (N == K) {
    const auto c = st::clone(a);
    c.copy_(st::matmul(c, b));
    CHECK_ELEMENTS(c, (sizes<2>{M, N}), want, 500);
  }
}
}  // namespace

TEST_CASE("batches of small products", "[contract]") {
  for (int64 n : {1, 4, 7, 8, 16, 32})
    for (int64 m : {1, 2, 7, 8, 9, 17})
      for (int64 k : {1, 5, 16}) check_batch(3, m, n, k, row_major, row_major);
  for (int la = 0; la < layouts; ++la)
    for (int lb = 0; lb < layouts; ++lb)
      for (int64 n : {4, 8, 16}) check_batch(5, 9, n, 6, la, lb);
}

TEST_CASE("batches of larger products, extents of 0 and 1", "[contract]") {
  for (int la = 0; la < layouts; ++la) {
    check_batch(3, 33, 40, 70, la, (la + 1) % layouts);
    check_batch(2, 1, 65, 33, la, (la + 2) % layouts);
    check_batch(40, 1, 1, 33, la, la);
    check_batch(1, 31, 16, 1, la, la);
    check_batch(1, 1, 1, 1, la, la);
  }
  for (const auto& n : {std::array<int64, 4>{0, 3, 8, 5}, {3, 0, 8, 5}, {3, 3, 0, 5}, {3, 3, 8, 0}, {1, 3, 16, 0}}) check_batch(n[0], n[1], n[2], n[3], row_major, row_major);
}

TEST_CASE("sums over one, two and three labels, merged or not", "[contract]") {
  const auto check = [](const auto& x0, int64 out) {  // the gradients of linear: dw sums over all dims of x but the last
    constexpr int R = std::remove_cvref_t<decltype(x0)>::rank;
    const int64 in = x0.size(R - 1);
    const auto w0 = samples<float>(sizes<2>{out, in}, row_major, 1);
    sizes<R> n = x0.sizes();
    n[R - 1] = out;
    const auto c = samples<float>(n, row_major, 2);
    st::variable x = x0;
    st::variable w = w0;
    st::variable y = st::sum(st::linear(x, w) * c);
    y.backward();
    CHECK_ELEMENTS(w.grad(), (sizes<2>{out, in}), [&](auto i) {
      double s = 0;
      each(n, [&](auto at_c) {
        auto at_x = at_c;
        at_x[R - 1] = i[1];
        if (at_c[R - 1] == i[0]) s += static_cast<double>(at(c, at_c)) * at(x0, at_x);
      });
      return s;
    }, 4000);
    CHECK_ELEMENTS(x.grad(), x0.sizes(), [&](auto i) {
      double s = 0;
      auto at_c = i;
      for (at_c[R - 1] = 0; at_c[R - 1] < out; ++at_c[R - 1]) s += static_cast<double>(at(c, at_c)) * at(w0, sizes<2>{at_c[R - 1], i[R - 1]});
      return s;
    }, 4000);
  };
  for (int l = 0; l < layouts; ++l) {
    CAPTURE(l);
    for (int64 out : {1, 8, 19}) {
      check(samples<float>(sizes<2>{21, 13}, layout(l)), out);
      check(samples<float>(sizes<3>{5, 7, 16}, layout(l)), out);
      check(samples<float>(sizes<4>{3, 2, 5, 9}, layout(l)), out);
    }
    check(samples<float>(sizes<4>{3, 1, 5, 1}, layout(l)), 4);
  }
}

TEST_CASE("products of static extents, with and without a form in registers", "[contract]") {
  check_fixed<float, 1, 1, 1>();
  check_fixed<float, 3, 4, 5>();
  check_fixed<float, 4, 4, 4>();
  check_fixed<float, 7, 7, 7>();
  check_fixed<float, 13, 20, 17>();
  check_fixed<float, 16, 48, 64>();
  check_fixed<float, 64, 64, 64>();
  check_fixed<double, 25, 6, 18>();
  check_fixed<double, 9, 8, 8>();
}

TEST_CASE("operands that are computed while the product packs them", "[contract]") {
  const auto check = [](int64 m, int64 n, int64 k, int la, int lb) {
    const auto x = samples<float>(sizes<2>{m, k}, layout(la)), w = samples<float>(sizes<2>{k, n}, layout(lb), 1);
    const auto row = samples<float>(sizes<1>{k}, row_major, 2);
    const auto column = samples<float>(sizes<2>{k, 1}, row_major, 3);
    const auto shift = samples<float>(sizes<2>{1, n}, row_major, 4);
    const auto left = [&](int64 i, int64 p) { return std::max(0.0, at(x, sizes<2>{i, p}) + static_cast<double>(at(row, sizes<1>{p}))); };
    const auto right = [&](int64 p, int64 j) { return at(w, sizes<2>{p, j}) * static_cast<double>(at(column, sizes<2>{p, 0})) - at(shift, sizes<2>{0, j}); };
    const auto sum = [&](auto a, auto b) {
      return [=](auto i) {
        double s = 0;
        for (int64 p = 0; p < k; ++p) s += a(i[0], p) * b(p, i[1]);
        return s;
      };
    };
    const auto plain_left = [&](int64 i, int64 p) { return static_cast<double>(at(x, sizes<2>{i, p})); };
    const auto plain_right = [&](int64 p, int64 j) { return static_cast<double>(at(w, sizes<2>{p, j})); };
    const double ulps = 400 + 8 * static_cast<double>(k);
    CAPTURE(m, n, k, la, lb);
    const st::uint64 launches = st::counters().launches;
    const f2 y = st::matmul(st::relu(x + row), w);
    CHECK(st::counters().launches == launches + 1);
    CHECK_ELEMENTS(y, (sizes<2>{m, n}), sum(left, plain_right), ulps);
    CHECK_ELEMENTS(f2(st::matmul(x, w * column - shift)), (sizes<2>{m, n}), sum(plain_left, right), ulps);
    const auto both = sum(left, right);
    CHECK_ELEMENTS(f2(st::relu(st::matmul(st::relu(x + row), w * column - shift))), (sizes<2>{m, n}), [&](auto i) { return std::max(0.0, both(i)); }, ulps);
  };
  for (int la = 0; la < layouts; ++la) {
    check(7, 9, 5, la, (la + 3) % layouts);
    check(100, 130, 120, la, (la + 1) % layouts);
  }
  check(1, 90, 400, row_major, column_major);
  check(90, 1, 400, row_major, row_major);
  check(90, 2, 400, column_major, row_major);
  check(3, 200, 700, row_major, row_major);
  check(300, 40, 340, row_major, row_major);
  check(20, 600, 450, row_major, row_major);  // more columns than a block
  check(9000, 1, 1, row_major, row_major);
  for (const auto& n : {std::array<int64, 3>{0, 3, 4}, {3, 0, 4}, {3, 4, 0}}) check(n[0], n[1], n[2], row_major, row_major);
}

TEST_CASE("batches of computed operands, shared and own", "[contract]") {
  for (int l : {row_major, rotated, padded}) {
    const int64 count = 3, m = 60, k = 70, n = 50;
    const auto a = samples<float>(sizes<3>{count, m, k}, layout(l)), b = samples<float>(sizes<3>{count, k, n}, layout(l), 1);
    const auto scale = samples<float>(sizes<3>{count, 1, 1}, row_major, 2);
    const auto w = samples<float>(sizes<2>{k, n}, layout(l == rotated ? column_major : row_major), 3);
    const auto term = [&](auto i, auto right) { return product_at(a, right, i) * at(scale, sizes<3>{i[0], 0, 0}); };
    const sizes<3> out{count, m, n};
    CHECK_ELEMENTS(f3(st::matmul(a * scale, b)), out, [&](auto i) { return term(i, [&](int64 p) { return at(b, sizes<3>{i[0], p, i[2]}); }); }, 2000);
    CHECK_ELEMENTS(f3(st::matmul(a * scale, -b)), out, [&](auto i) { return -term(i, [&](int64 p) { return at(b, sizes<3>{i[0], p, i[2]}); }); }, 2000);
    CHECK_ELEMENTS(f3(st::matmul(a * scale, w * 2.f)), out, [&](auto i) { return 2 * term(i, [&](int64 p) { return at(w, sizes<2>{p, i[2]}); }); }, 2000);
  }
}

TEST_CASE("a value that others read too is no part of the product", "[contract]") {
  const auto x = samples<float>(sizes<2>{120, 120}), w = samples<float>(sizes<2>{120, 120}, column_major, 1);
  const auto relu = [&](int64 i, int64 p) { return std::max(0.0, static_cast<double>(at(x, sizes<2>{i, p}))); };
  CHECK_ELEMENTS(f2(st::let(st::relu(x), w, [](auto r, auto right) { return st::matmul(r, right) + r; })), (sizes<2>{120, 120}), [&](auto i) {
    double s = relu(i[0], i[1]);
    for (int64 p = 0; p < 120; ++p) s += relu(i[0], p) * at(w, sizes<2>{p, i[1]});
    return s;
  }, 2000);
  CHECK_ELEMENTS(f2(st::let(st::relu(x), [](auto r) { return st::matmul(r, r); })), (sizes<2>{120, 120}), [&](auto i) {
    double s = 0;
    for (int64 p = 0; p < 120; ++p) s += relu(i[0], p) * relu(p, i[1]);
    return s;
  }, 2000);
  // the operand's memory is the result's
  const auto y = samples<float>(sizes<2>{120, 120});
  y.copy_(st::matmul(st::relu(y), w));
  CHECK_ELEMENTS(y, (sizes<2>{120, 120}), [&](auto i) {
    double s = 0;
    for (int64 p = 0; p < 120; ++p) s += relu(i[0], p) * at(w, sizes<2>{p, i[1]});
    return s;
  }, 2000);
}

TEST_CASE("batches are bitwise the same for every executor", "[contract]") {
  struct { int64 count, m, n, k; } shapes[] = {{400, 9, 16, 12}, {8000, 4, 4, 4}, {300, 17, 8, 20}, {60, 40, 33, 50}, {2, 300, 200, 90}};
  for (auto [count, m, n, k] : shapes)
    for (int l : {row_major, rotated}) {
      const auto a = samples<float>(sizes<3>{count, m, k}, layout(l)), b = samples<float>(sizes<3>{count, k, n}, layout(l), 1);
      const auto bias = samples<float>(sizes<1>{n}, row_major, 3);
      const auto residual = samples<float>(sizes<3>{count, m, n}, row_major, 4);
      const auto run = [&] {
        std::vector<float> all;
        for (const f3& y : {batched(a, b), with_epilogue(a, b, bias, residual)}) each(y.sizes(), [&](auto i) { all.push_back(at(y, i)); });
        return all;
      };
      st::executor_guard serial(st::serial_executor());
      const auto want = run();
      for (int threads : {2, 3}) {
        some_threads own{threads};
        st::executor_guard guard(own.get());
        CAPTURE(count, m, n, k, l, threads);
        CHECK((run() == want));
        CHECK(own.loops > 0);
      }
    }
}
