// SPDX-License-Identifier: BSD-3-Clause
// The arguments for BLAS: a plain column-major product that takes them computes the contraction.
#include "../catch.hpp"

#include <random>
#include <sinter/cuda/gemm.hpp>
#include <vector>

namespace st = sinter;
namespace dev = st::detail::device;

namespace {

using matrix = std::vector<float>;

/// What cublasSgemmStridedBatched is documented to do.
void blas(const dev::gemm_call& g) {
  const auto* a = reinterpret_cast<const float*>(g.a);
  const auto* b = reinterpret_cast<const float*>(g.b);
  auto* c = reinterpret_cast<float*>(g.c);
  for (st::int64 q = 0; q < g.batch; ++q)
    for (st::int64 j = 0; j < g.n; ++j)
      for (st::int64 i = 0; i < g.m; ++i) {
        float s = 0;
        for (st::int64 k = 0; k < g.k; ++k)
          s += a[q * g.batch_a + (g.transpose_a ? k + i * g.lda : i + k * g.lda)] * b[q * g.batch_b + (g.transpose_b ? j + k * g.ldb : k + j * g.ldb)];
        c[q * g.batch_c + i + j * g.ldc] = s;
      }
}
/// Steps, in elements, of one operand for the result's dims (batch, row, column) and the summed one.
struct steps { st::int64 v[4]; };

/// Does BLAS with the arguments found agree with the definition?
bool agrees(st::int64 batch, st::int64 m, st::int64 n, st::int64 k, steps a, steps b, steps c) {
  std::mt19937 random(1);
  matrix x(4000), y(4000), z(4000, -1), want(4000, -1);
  for (float& v : x) v = static_cast<float>(random() % 17) - 8;
  for (float& v : y) v = static_cast<float>(random() % 17) - 8;
  for (st::int64 q = 0; q < batch; ++q)
    for (st::int64 i = 0; i < m; ++i)
      for (st::int64 j = 0; j < n; ++j) {
        float s = 0;
        for (st::int64 p = 0; p < k; ++p)
          s += x[static_cast<std::size_t>(q * a.v[0] + i * a.v[1] + p * a.v[3])] * y[static_cast<std::size_t>(q * b.v[0] + j * b.v[2] + p * b.v[3])];
        want[static_cast<std::size_t>(q * c.v[0] + i * c.v[1] + j * c.v[2])] = s;
      }
  dev::launch_table<3> t;
  t.head.kept_rank = 3, t.head.row_rank = 1;
  const st::int64 extent[] = {batch, m, n, k};
  const float* data[] = {x.data(), y.data(), z.data()};
  const steps* all[] = {&a, &b, &c};
  for (int w = 0; w < 3; ++w) {
    t.walks[w].base = reinterpret_cast<st::uint64>(data[w]);
    for (int d = 0; d < 4; ++d) t.head.extent[d] = extent[d], t.walks[w].step[d] = all[w]->v[d] * 4;
  }
  dev::gemm_call g;
  if (!dev::find_gemm(t, 4, g)) return false;
  blas(g);
  return z == want;
}

}  // namespace

TEST_CASE("row-major, transposed and column-major matrices are BLAS products") {
  const st::int64 m = 5, n = 7, k = 3;
  const steps a{{0, k, 0, 1}}, at{{0, 1, 0, m}}, b{{0, 0, 1, n}}, bt{{0, 0, k, 1}}, c{{0, n, 1, 0}}, ct{{0, 1, m, 0}};
  for (const steps& left : {a, at})
    for (const steps& right : {b, bt})
      for (const steps& out : {c, ct}) CHECK(agrees(1, m, n, k, left, right, out));
}
TEST_CASE("batches, padded rows and vectors are BLAS products") {
  CHECK(agrees(4, 5, 7, 3, {{15, 3, 0, 1}}, {{21, 0, 1, 7}}, {{35, 7, 1, 0}}));
  CHECK(agrees(1, 5, 7, 3, {{0, 10, 0, 1}}, {{0, 0, 1, 9}}, {{0, 20, 1, 0}}));
  CHECK(agrees(1, 1, 7, 3, {{0, 0, 0, 1}}, {{0, 0, 1, 7}}, {{0, 0, 1, 0}}));
  CHECK(agrees(1, 5, 1, 3, {{0, 3, 0, 1}}, {{0, 0, 0, 1}}, {{0, 1, 0, 0}}));
  CHECK(agrees(1, 5, 1, 3, {{0, 1, 0, 5}}, {{0, 0, 0, 2}}, {{0, 3, 0, 0}}));
  CHECK(agrees(1, 5, 7, 1, {{0, 1, 0, 0}}, {{0, 0, 1, 0}}, {{0, 7, 1, 0}}));
}
TEST_CASE("a matrix without a unit stride is no BLAS product") {
  CHECK_FALSE(agrees(1, 5, 7, 3, {{0, 6, 0, 2}}, {{0, 0, 1, 7}}, {{0, 7, 1, 0}}));
  CHECK_FALSE(agrees(1, 5, 7, 3, {{0, -3, 0, 1}}, {{0, 0, 1, 7}}, {{0, 7, 1, 0}}));
}
