// SPDX-License-Identifier: BSD-3-Clause
// The device behind a dozen functions: memory, copies, kernels, in the order of one stream. The driver is opened when
// first needed; without one everything but device_count() throws device_error, which says why.
// Declarations only: link sinter_runtime (kernels/runtime/). Next: cuda/tensor.hpp.
#pragma once
#include "../jit/source.hpp"
#include "gemm.hpp"
#include "run.hpp"

namespace sinter::inline v0 {

/// How many CUDA devices there are; 0 without a driver. Never throws.
int device_count() noexcept;
/// "sm_90", ... of the device in use.
const char* device_arch();

namespace detail::device {

/// Memory from the driver's pool, which keeps what is freed. Throws memory_error.
uint64 allocate(int64 bytes);
void release(uint64 address) noexcept;
void to_device(uint64 to, const void* from, int64 bytes);
/// Waits for everything before it.
void to_host(void* to, uint64 from, int64 bytes);
void synchronize();

/// The kernels of one stage program: its source, and what has been loaded of it. One object a program, made by `jit`.
struct stage_kernels {
  cuda_source (*source)(bool wide);
  /// [wide][entry]; set once, under a lock of the runtime.
  void* functions[2][4] = {};
};
/// Compiles, or finds in the cache, loads, and launches.
void launch(stage_kernels&, entry, bool wide, const void* table, int64 bytes, int64 blocks, int threads);

/// A contraction by cuBLAS; false if it is no matrix product of float32 or float64, or there is no cuBLAS.
bool multiply(dtype, const launch_table<3>&);

/// The source of a contraction or convolution: `stage` in cuda/`header`.hpp.
inline cuda_source stage_source_text(const char* header, const char* stage, dtype t, bool wide) {
  return {std::string("#include \"sinter/cuda/") + header + ".hpp\"\nusing K = sinter::detail::device::kernel<sinter::detail::device::" + stage + "<sinter::cpp_type<sinter::dtype(" +
          std::to_string(static_cast<int>(t)) + ")>>, sinter::detail::device::cuda_block, " + (wide ? "sinter::int64" : "int") +
          ">;\n" + "extern \"C\" __global__ void __launch_bounds__(256) sinter_map(const __grid_constant__ K::table t) { K::map(t); }\n", {}};
}
template <class T> cuda_source product_source(bool wide) { return stage_source_text("product", "product_stage", dtype_of<T>, wide); }
template <class T> cuda_source convolution_source(bool wide) { return stage_source_text("convolution", "convolution_stage", dtype_of<T>, wide); }
template <class SP> inline constexpr auto source_for = &source_of<SP>;
template <class T> inline constexpr auto source_for<product_stage<T>> = &product_source<T>;
template <class T> inline constexpr auto source_for<convolution_stage<T>> = &convolution_source<T>;
/// Stage programs by NVRTC.
template <class SP> struct jit {
  SINTER_HIDDEN static inline stage_kernels kernels{source_for<SP>};
  static constexpr void* value() { return &kernels; }
};
/// The driver as a machine for `run`.
inline constexpr machine driver{
    nullptr, [](void*, int64 bytes) { return allocate(bytes); }, [](void*, uint64 address) { release(address); },
    [](void*, void* kernels, entry e, bool wide, const void* table, int64 bytes, int64 blocks, int threads) {
      launch(*static_cast<stage_kernels*>(kernels), e, wide, table, bytes, blocks, threads);
    },
    [](void*, dtype t, const launch_table<3>& table) { return multiply(t, table); }};

}  // namespace detail::device
}  // namespace sinter::inline v0
