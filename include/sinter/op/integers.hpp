// SPDX-License-Identifier: BSD-3-Clause
// int8 ... uint64 of this namespace. Device-clean: NVRTC has no <cstdint>.
#pragma once
#include "../config.hpp"

#ifdef __CUDACC_RTC__
namespace sinter::inline v0 {
using int8 = signed char;
using int16 = short;
using int32 = int;
using int64 = long;
using uint8 = unsigned char;
using uint16 = unsigned short;
using uint32 = unsigned;
using uint64 = unsigned long;
}  // namespace sinter::inline v0
#else
#include <cstdint>
namespace sinter::inline v0 {
using int8 = std::int8_t;
using int16 = std::int16_t;
using int32 = std::int32_t;
using int64 = std::int64_t;
using uint8 = std::uint8_t;
using uint16 = std::uint16_t;
using uint32 = std::uint32_t;
using uint64 = std::uint64_t;
}  // namespace sinter::inline v0
#endif
