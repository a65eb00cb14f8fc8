// SPDX-License-Identifier: BSD-3-Clause
// Evaluates an expression by the CUDA kernels on emulated blocks, and compares. Used by test/cuda/*.cpp.
#pragma once
#include <algorithm>
#include <cmath>
#include <sinter/sinter.hpp>
#include <vector>

#include "../catch.hpp"
#include "emulated_block.hpp"

namespace st = sinter;
namespace dev = st::detail::device;

/// Evaluates expression x by CUDA kernels on the host.
template <template <class> class Kernels, class X> auto on_device(const X& x) {
  using L = st::detail::lowered<X>;
  using P = typename L::program;
  st::detail::bound_operands<P> host;
  st::detail::bind<st::native>(x, host);
  std::vector<dev::operand> leaves(P::operand_count + 1);
  for (int i = 0; i < P::operand_count; ++i) {
    dev::operand& to = leaves[static_cast<std::size_t>(i)];
    to.data = reinterpret_cast<st::uint64>(host.leaves[i].data), to.number = host.leaves[i].number, to.shape = host.leaves[i].shape;
    std::copy_n(host.leaves[i].strides, st::max_rank, to.strides);
  }
  st::tensor like = x;  // shape and strides
  auto out = st::full_like(like, 77);
  dev::operand result;
  result.data = reinterpret_cast<st::uint64>(out.data());
  result.shape.rank = out.rank;
  for (int d = 0; d < out.rank; ++d) result.shape[d] = out.sizes()[d], result.strides[d] = out.strides()[d];
  dev::run(dev::entry_of<P, Kernels>, dev::emulated_machine, leaves.data(), host.slots, &result)();
  return st::reshape(out, {-1});
}

/// Largest difference, relative to 1 + |value|; NaNs and infinities must be at the same places.
template <class T, class U> double difference(const T& x, const U& like) {
  const auto y = st::reshape(like, {-1});
  double most = 0;
  for (st::int64 i = 0; i < x.numel(); ++i) {
    const double u = static_cast<double>(x(i)), v = static_cast<double>(y(i));
    if (u == v || (u != u && v != v)) continue;
    const double d = std::abs(u - v) / (1 + std::abs(v));
    most = d > most || d != d ? d : most;
  }
  return most;
}
/// The CUDA kernels and the CPU engine agree on an expression; SAME_WIDE: with 64-bit indices too.
#define SAME(...) CHECK(difference(on_device<dev::emulated>(__VA_ARGS__), st::tensor(__VA_ARGS__)) < 2e-6)
#define SAME_WIDE(...) \
  SAME(__VA_ARGS__);   \
  CHECK(difference(on_device<dev::emulated_wide>(__VA_ARGS__), st::tensor(__VA_ARGS__)) < 2e-6)
