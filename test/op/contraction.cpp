// SPDX-License-Identifier: BSD-3-Clause
// matmul: vectors, matrices, batches, any strides, empty extents; with epilogues, beside and inside other products.
#include "../catch.hpp"
#include "../reference.hpp"

namespace st = sinter;
using namespace reference;

namespace {
using d2 = st::tensor<double, st::rank<2>>;
double dot(const d2& a, const d2& b, int64 i, int64 j) {
  double s = 0;
  for (int64 k = 0; k < a.size(1); ++k) s += at(a, sizes<2>{i, k}) * at(b, sizes<2>{k, j});
  return s;
}
d2 product(const d2& a, const d2& b) { return d2(st::matmul(a, b)); }
d2 with_epilogue(const d2& a, const d2& b, const d2& c) { return d2(st::tanh(st::matmul(a, b) * 0.5 + c)); }
}  // namespace

TEST_CASE("matrices of every layout and many sizes") {
  for (auto [m, n, k] : {std::array<int64, 3>{1, 1, 1}, {3, 4, 5}, {17, 9, 33}, {1, 40, 7}, {40, 1, 7}, {13, 25, 1}, {64, 65, 66}})
    for (int la = 0; la < layouts; ++la)
      for (int lb = 0; lb < layouts; ++lb) {
        auto a = samples<double>(sizes<2>{m, k}, layout(la)), b = samples<double>(sizes<2>{k, n}, layout(lb), 1);
        auto c = samples<double>(sizes<2>{m, n}, layout((la + lb) % layouts), 2);
        CAPTURE(m, n, k, la, lb);
        CHECK_ELEMENTS(product(a, b), sizes<2>{m, n}, [&](auto i) { return dot(a, b, i[0], i[1]); }, 200);
        CHECK_ELEMENTS(with_epilogue(a, b, c), sizes<2>{m, n}, [&](auto i) { return std::tanh(dot(a, b, i[0], i[1]) * 0.5 + at(c, i)); }, 200);
      }
}
TEST_CASE("over nothing a product is 0, and its epilogue still runs") {
  auto a = st::zeros<double>({3, 0}), b = st::zeros<double>({0, 4});
  auto c = samples<double>(sizes<2>{3, 4});
  CHECK_ELEMENTS(product(a, b), sizes<2>{3, 4}, [](auto) { return 0; });
  CHECK_ELEMENTS(with_epilogue(a, b, c), sizes<2>{3, 4}, [&](auto i) { return std::tanh(at(c, i)); });
  CHECK(product(st::zeros<double>({0, 5}), st::zeros<double>({5, 4})).sizes() == sizes<2>{0, 4});
  CHECK(product(st::zeros<double>({3, 5}), st::zeros<double>({5, 0})).sizes() == sizes<2>{3, 0});
}
TEST_CASE("vectors are rows on the left and columns on the right") {
  auto m = samples<double>(sizes<2>{5, 19}, column_major);
  auto v = samples<double>(sizes<1>{19}, strided, 1), u = samples<double>(sizes<1>{5}, flipped, 2);
  st::tensor mv = st::matmul(m, v), um = st::matmul(u, m);
  st::tensor vv = st::matmul(v, v);
  CHECK_ELEMENTS(mv, sizes<1>{5}, [&](auto i) {
    double s = 0;
    for (int64 k = 0; k < 19; ++k) s += at(m, sizes<2>{i[0], k}) * at(v, sizes<1>{k});
    return s;
  }, 100);
  CHECK_ELEMENTS(um, sizes<1>{19}, [&](auto i) {
    double s = 0;
    for (int64 k = 0; k < 5; ++k) s += at(m, sizes<2>{k, i[0]}) * at(u, sizes<1>{k});
    return s;
  }, 100);
  double s = 0;
  for (int64 k = 0; k < 19; ++k) s += at(v, sizes<1>{k}) * at(v, sizes<1>{k});
  CHECK(vv.item() == Approx(s));
}
TEST_CASE("leading dims are batches") {
  const sizes<3> na{3, 5, 7}, nb{3, 7, 4};
  for (int l = 0; l < layouts; ++l) {
    auto a = samples<double>(na, layout(l)), b = samples<double>(nb, layout((l + 1) % layouts), 1);
    auto w = samples<double>(sizes<2>{7, 4}, layout(l), 2);
    st::tensor y = st::matmul(a, b), z = st::relu(st::matmul(a, w) + 1);
    auto want = [&](auto i, auto right) {
      double s = 0;
      for (int64 k = 0; k < 7; ++k) s += at(a, sizes<3>{i[0], i[1], k}) * right(k);
      return s;
    };
    CAPTURE(l);
    CHECK_ELEMENTS(y, sizes<3>{3, 5, 4}, [&](auto i) { return want(i, [&](int64 k) { return at(b, sizes<3>{i[0], k, i[2]}); }); }, 100);
    CHECK_ELEMENTS(z, sizes<3>{3, 5, 4}, [&](auto i) { return std::max(0.0, 1 + want(i, [&](int64 k) { return at(w, sizes<2>{k, i[2]}); })); }, 100);
  }
}
TEST_CASE("inner extents that differ are an error that shows both shapes") {
  auto a = samples<double>(sizes<2>{3, 5}), b = samples<double>(sizes<2>{4, 6});
  CHECK_THROWS_WITH(product(a, b), contains("matmul") && contains("[3, 5]") && contains("[4, 6]"));
  CHECK_THROWS_AS(product(a, b), st::shape_error);
}
TEST_CASE("two products in one expression, and products of products") {
  auto a = samples<double>(sizes<2>{9, 18}), b = samples<double>(sizes<2>{18, 7}, column_major, 1);
  auto c = samples<double>(sizes<2>{9, 4}, row_major, 2), d = samples<double>(sizes<2>{4, 7}, strided, 3);
  auto e = samples<double>(sizes<2>{7, 3}, row_major, 4);
  d2 ab = product(a, b), cd = product(c, d);
  st::tensor sum = st::matmul(a, b) + st::matmul(c, d);
  CHECK_ELEMENTS(sum, sizes<2>{9, 7}, [&](auto i) { return at(ab, i) + at(cd, i); }, 100);
  st::tensor gate = st::sigmoid(st::matmul(a, b)) * st::tanh(st::matmul(c, d) + 1) + st::matmul(a, b);
  CHECK_ELEMENTS(gate, sizes<2>{9, 7}, [&](auto i) { return std::tanh(at(cd, i) + 1) / (1 + std::exp(-at(ab, i))) + at(ab, i); }, 100);
  d2 abe = product(ab, e);
  st::tensor chain = st::matmul(st::matmul(a, b), e), deep = st::matmul(st::relu(st::matmul(a, b) - 1), e) * 2;
  CHECK_ELEMENTS(chain, sizes<2>{9, 3}, [&](auto i) { return at(abe, i); }, 200);
  CHECK_ELEMENTS(deep, sizes<2>{9, 3}, [&](auto i) {
    double s = 0;
    for (int64 k = 0; k < 7; ++k) s += std::max(0.0, at(ab, sizes<2>{i[0], k}) - 1) * at(e, sizes<2>{k, i[1]});
    return 2 * s;
  }, 200);
}
TEST_CASE("a product meets reductions and larger shapes") {
  auto a = samples<double>(sizes<2>{9, 18}), b = samples<double>(sizes<2>{18, 7}, row_major, 1);
  d2 ab = product(a, b);
  st::tensor p = st::softmax(st::matmul(a, b) + 1, 1), q = st::softmax(ab, 1);
  CHECK_ELEMENTS(p, sizes<2>{9, 7}, [&](auto i) { return at(q, i); }, 100);
  st::tensor s = st::sum(st::matmul(a, b), 0);
  st::tensor t = st::sum(ab, 0);
  CHECK_ELEMENTS(s, sizes<1>{7}, [&](auto i) { return at(t, i); }, 100);
  auto big = samples<double>(sizes<3>{2, 9, 7}, row_major, 2);
  st::tensor u = st::matmul(a, b) + big;
  CHECK_ELEMENTS(u, sizes<3>{2, 9, 7}, [&](auto i) { return at(ab, sizes<2>{i[1], i[2]}) + at(big, i); }, 100);
  auto one = samples<double>(sizes<2>{1, 18}, row_major, 5);
  auto rows = samples<double>(sizes<2>{6, 7}, row_major, 6);
  st::tensor v = st::matmul(one, b) + rows;  // the product is repeated
  CHECK_ELEMENTS(v, sizes<2>{6, 7}, [&](auto i) { return dot(one, b, 0, i[1]) + at(rows, i); }, 100);
  auto bias = samples<double>(sizes<1>{7}, row_major, 7);
  st::tensor w = st::gelu(st::matmul(a, b) + bias) - st::sum(a, 1, st::keepdim);
  st::tensor g = st::gelu(ab + bias);
  CHECK_ELEMENTS(w, sizes<2>{9, 7}, [&](auto i) {
    double row = 0;
    for (int64 k = 0; k < 18; ++k) row += at(a, sizes<2>{i[0], k});
    return at(g, i) - row;
  }, 100);
}
TEST_CASE("integer matrices") {
  auto a = samples<st::int64>(sizes<2>{5, 9}), b = samples<st::int64>(sizes<2>{9, 6}, column_major, 1);
  st::tensor y = st::matmul(a, b) + 1;
  CHECK_ELEMENTS(y, sizes<2>{5, 6}, [&](auto i) {
    st::int64 s = 1;
    for (int64 k = 0; k < 9; ++k) s += at(a, sizes<2>{i[0], k}) * at(b, sizes<2>{k, i[1]});
    return static_cast<double>(s);
  }, 0);
}
