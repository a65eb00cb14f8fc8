// SPDX-License-Identifier: BSD-3-Clause
// The embedded headers inside the runtime. Not installed. Next: headers.cpp.
#pragma once
#include <sinter/op/dtype.hpp>
#include <string>
#include <vector>

namespace sinter::inline v0::detail {

struct embedded {
  std::string name, text;
};
const std::vector<embedded>& embedded_headers();

inline constexpr uint64 hash_seed = 0xcbf29ce484222325u;
/// FNV-1a of `text`, continued from `h`.
uint64 hash_of(const std::string& text, uint64 h);

}  // namespace sinter::inline v0::detail
