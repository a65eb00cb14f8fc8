// SPDX-License-Identifier: BSD-3-Clause
#include "../vec.hpp"
#include "ours.hpp"

namespace bench::ours {
namespace {

constexpr st::fn<[](auto a, auto b) { return st::matmul(a, b); }> product;

/// Distinct triples whose extents are types.
template <int64 n> solution small_gemm(const problem& p) {
  struct triple {
    st::tensor<float, st::extents<n, n>> a, b, c;
  };
  std::vector<triple> all;
  const int64 size = n * n;
  for (int64 i = 0; i < p.n[1]; ++i) {
    all.push_back({st::empty<float>(st::shape<n, n>), st::empty<float>(st::shape<n, n>), st::empty<float>(st::shape<n, n>)});
    for (int64 j = 0; j < size; ++j) all.back().a.data()[j] = p.in[0].as()[i * size + j], all.back().b.data()[j] = p.in[1].as()[i * size + j];
  }
  const array out = p.out[0];
  return {[=] {
            for (const triple& t : all) {
              product.into(t.c, t.a, t.b);
              barrier();
            }
          },
          [=] {
            for (std::size_t i = 0; i < all.size(); ++i) publish(all[i].c, out, static_cast<int64>(i) * size);
          }};
}

template <class T> solution gemm(const problem& p) {
  const auto a = matrix<T>(p.in[0]), b = matrix<T>(p.in[1]), c = matrix<T>(p.out[0]);
  if (p.n[3]) return {[=] { c.copy_(st::matmul(st::transpose(a, 0, 1), b)); }};
  if (p.n[4]) return {[=] { c.copy_(st::matmul(a, st::transpose(b, 0, 1))); }};
  return {[=] { c.copy_(st::matmul(a, b)); }};
}

}  // namespace

solution contract(const problem& p) {
  if (p.kind == "small_gemm") switch (p.n[0]) {
      case 4: return small_gemm<4>(p);
      case 8: return small_gemm<8>(p);
      case 16: return small_gemm<16>(p);
      case 32: return small_gemm<32>(p);
      case 64: return small_gemm<64>(p);
    }
  if (p.kind == "batched_gemm") {
    const auto a = cube(p.in[0]), b = cube(p.in[1]), c = cube(p.out[0]);
    return {[=] { c.copy_(st::matmul(a, b)); }};
  }
  if (p.kind == "gemm") return p.in[0].wide ? gemm<double>(p) : gemm<float>(p);
  if (p.kind == "gemm_bias_relu") {
    const auto a = matrix(p.in[0]), b = matrix(p.in[1]), c = matrix(p.out[0]);
    const auto bias = flat(p.in[2]);
    return {[=] { c.copy_(st::relu(st::matmul(a, b) + bias)); }};
  }
  if (p.kind == "attention") {
    const auto heads = [&](const array& a) { return st::from_blob(a.as(), {p.n[0], p.n[1], p.n[2], p.n[3]}); };
    const auto q = heads(p.in[0]), k = heads(p.in[1]), v = heads(p.in[2]), y = heads(p.out[0]);
    const float scale = 1 / std::sqrt(static_cast<float>(p.n[3]));
    return {[=] { y.copy_(st::matmul(st::softmax(st::matmul(q, st::transpose(k, -2, -1)) * scale, -1), v)); }};
  }
  if (p.kind == "conv2d") {
    const auto x = st::from_blob(p.in[0].as(), {p.n[0], p.n[1], p.n[3], p.n[3]}), w = st::from_blob(p.in[1].as(), {p.n[2], p.n[1], p.n[4], p.n[4]}),
               y = st::from_blob(p.out[0].as(), {p.n[0], p.n[2], p.n[3], p.n[3]});
    const int padding = static_cast<int>(p.n[5]);
    return {[=] { y.copy_(st::conv2d(x, w, {.padding = padding})); }};
  }
  return {};
}

}  // namespace bench::ours
