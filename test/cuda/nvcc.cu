// SPDX-License-Identifier: BSD-3-Clause
// The other way to a kernel: nvcc reads the same headers, builds the same programs, and compiles a map and a row stage.
// Runs only as far as there is a device. Needs nothing of cpu/.
#include <cstdio>
#include <sinter/expr/derive.hpp>
#include <sinter/cuda/kernel.hpp>
#include <sinter/cuda/sort.hpp>
#include <sinter/expr/adjoint.hpp>
#include <sinter/expr/stage.hpp>
#include <sinter/op/loss.hpp>

namespace sinter::inline v0 {
template <class Op, class... A> constexpr applied<Op, A...> apply(A&&... a) { return detail::apply_sym<Op>(a...); }
}  // namespace sinter::inline v0

namespace {

using sinter::detail::device::cuda_block, sinter::detail::device::kernel;

/// tanh(2 x + b)
struct map_source {
  template <int Room> static constexpr auto make() {
    sinter::graph g;
    const sinter::sym x = g.leaf(0, sinter::dtype::f32, 2), b = g.leaf(1, sinter::dtype::f32, 1);
    g.output(sinter::tanh(2 * x + b), 0);
    return sinter::detail::flatten<Room>(g, 2);
  }
};
/// softmax over dim 1
struct row_source {
  template <int Room> static constexpr auto make() {
    sinter::graph g;
    g.output(sinter::composed::softmax::compose(g.leaf(0, sinter::dtype::f32, 2), sinter::axes{2, 1}), 0);
    return sinter::detail::flatten<Room>(g, 1);
  }
};
/// 600 instructions, and their adjoint: they lower here, too.
struct chain_source {
  template <int Room> static constexpr auto make() {
    sinter::graph g;
    auto x = g.leaf(0, sinter::dtype::f32, 1), b = g.leaf(1, sinter::dtype::f32, 1), h = x;
    for (int i = 0; i < 200; ++i) h = sinter::tanh(h * b + (i % 2 ? 0.25 : -0.125));
    g.output(h, 0);
    return sinter::detail::flatten<Room>(g, 2);
  }
};
using chain = sinter::detail::make_program<chain_source>;
struct adjoint_source {
  template <int Room> static constexpr auto make() {
    const sinter::detail::vec<bool> variables(2, true);
    const auto d = sinter::detail::derive(sinter::detail::differentiate(sinter::detail::view_of<chain>.restore(), 2, variables), sinter::detail::backward_part);
    return sinter::detail::flatten<Room>(d.backward, 3 + d.saved.size());
  }
};
static_assert(chain::size >= 600 && sinter::detail::make_program<adjoint_source>::size > 1000);

template <class Source> using stage_of = sinter::detail::stage_program<sinter::detail::make_program<Source>, 0>;
using map_kernel = kernel<stage_of<map_source>, cuda_block, int>;
using row_kernel = kernel<stage_of<row_source>, cuda_block, int>;
static_assert(map_kernel::elementwise && !row_kernel::elementwise);

__global__ void __launch_bounds__(256) run_map(const __grid_constant__ map_kernel::table t) { map_kernel::map(t); }
__global__ void __launch_bounds__(512) run_row(const __grid_constant__ row_kernel::table t) { row_kernel::rows(t); }

}  // namespace

int main() {
  int devices = 0;
  if (cudaGetDeviceCount(&devices) != cudaSuccess || devices == 0) {
    std::puts("skipped: no CUDA device");
    return 0;
  }
  constexpr int rows = 3, columns = 100;
  float *x, *y;
  if (cudaMallocManaged(&x, rows * columns * sizeof(float)) || cudaMallocManaged(&y, rows * columns * sizeof(float))) return 1;
  for (int i = 0; i < rows * columns; ++i) x[i] = static_cast<float>(i % 7);
  row_kernel::table t;
  t.head.kept_rank = 1, t.head.extent[0] = t.head.units = rows, t.head.extent[1] = columns;
  for (int w = 0; w < 2; ++w) {
    t.walks[w].base = reinterpret_cast<sinter::uint64>(w ? y : x);
    t.walks[w].step[0] = columns * sizeof(float);
    t.walks[w].step[1] = t.walks[w].lane = sizeof(float);
  }
  run_row<<<rows, 32>>>(t);
  if (cudaDeviceSynchronize() != cudaSuccess) return 1;
  for (int i = 0; i < rows; ++i) {
    float sum = 0;
    for (int j = 0; j < columns; ++j) sum += y[i * columns + j];
    if (sum < 0.9999f || sum > 1.0001f) return 1;
  }
  map_kernel::table m;  // tanh(2 x + x_0..)
  m.head.kept_rank = 1, m.head.extent[0] = m.head.units = columns;
  for (int w = 0; w < 3; ++w) m.walks[w].base = reinterpret_cast<sinter::uint64>(w == 2 ? y : x), m.walks[w].step[0] = sizeof(float);
  run_map<<<1, 256>>>(m);
  if (cudaDeviceSynchronize() != cudaSuccess) return 1;
  for (int j = 0; j < columns; ++j)
    if (y[j] < tanhf(3 * x[j]) - 1e-5f || y[j] > tanhf(3 * x[j]) + 1e-5f) return 1;
  sinter::int64* positions;  // the keys 6 5 4 ... with their old places
  if (cudaMallocManaged(&positions, 7 * sizeof(sinter::int64))) return 1;
  for (int i = 0; i < 7; ++i) x[i] = static_cast<float>(6 - i);
  if (sinter::detail::device::sort(sinter::dtype::f32, reinterpret_cast<sinter::uint64>(x), reinterpret_cast<sinter::uint64>(positions), 7, false)) return 1;
  cudaDeviceSynchronize();
  for (int i = 0; i < 7; ++i)
    if (x[i] != static_cast<float>(i) || positions[i] != 6 - i) return 1;
  std::puts("ok");
  return 0;
}
