// SPDX-License-Identifier: BSD-3-Clause
// Catch2, version 2 or 3, under one name. Every test includes this first.
#pragma once
#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_all.hpp>
using Catch::Approx;
#else
#include <catch2/catch.hpp>
#endif

/// `CHECK_THAT(text, contains("part"))`: version 3 renamed the matcher.
inline auto contains(const std::string& part) {
#if __has_include(<catch2/catch_all.hpp>)
  return Catch::Matchers::ContainsSubstring(part);
#else
  return Catch::Matchers::Contains(part);
#endif
}
