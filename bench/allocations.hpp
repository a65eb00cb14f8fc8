// SPDX-License-Identifier: BSD-3-Clause
// Counts what the program takes from the system's allocator, so that rows can say when they allocate.
#pragma once
#include <cstdint>

namespace bench {
/// Calls of operator new so far.
std::int64_t allocations();
}  // namespace bench
