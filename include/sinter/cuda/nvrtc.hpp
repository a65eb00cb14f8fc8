// SPDX-License-Identifier: BSD-3-Clause
// Compiling kernels at run time. NVRTC is opened when first needed, so programs need no CUDA toolkit to start.
// Declarations only: link sinter_runtime (kernels/runtime/). Next: cuda/driver.hpp loads and launches.
#pragma once
#include "../jit/source.hpp"

namespace sinter::inline v0 {

/// Version of NVRTC, 1000 * major + 10 * minor; 0 if there is none. Never throws.
int nvrtc_version() noexcept;
/// Machine code (a cubin) of `source` for `arch`, such as "sm_90". Throws device_error, with NVRTC's log if it compiled
/// and refused.
std::string compile_cuda(const detail::cuda_source& source, const char* arch);
/// The same from the disk cache, $XDG_CACHE_HOME/sinter or ~/.cache/sinter, where it was compiled before. Whatever is
/// wrong with the cache, it compiles. `$SINTER_CACHE` names another folder; empty: none.
std::string cached_cubin(const detail::cuda_source& source, const char* arch);

namespace detail {
/// A header of sinter as NVRTC sees it: includes named from the root. Null if it is not embedded.
const std::string* embedded_header(const char* name);
/// Hash of all embedded headers: part of the cache's key.
uint64 embedded_hash();
}  // namespace detail

}  // namespace sinter::inline v0
