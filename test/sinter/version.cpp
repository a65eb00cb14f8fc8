// SPDX-License-Identifier: BSD-3-Clause
// The version in numbers and as text, and the text about the current file.
#include "../catch.hpp"

#include <sinter/version.hpp>

namespace st = sinter;

TEST_CASE("version: the text is the numbers") {
  static_assert(st::version().major == SINTER_VERSION_MAJOR);
  const st::version_info v = st::version();
  CHECK(v.text == std::to_string(v.major) + "." + std::to_string(v.minor) + "." + std::to_string(v.patch));
}

TEST_CASE("config: says what this file is compiled for, a line each") {
  const std::string text = st::config();
  std::string first = "sinter ";
  (first += st::version().text) += ", C++";
  CHECK(text.starts_with(first));
#if defined(__clang__)
  CHECK_THAT(text, contains("compiler    clang " + std::to_string(__clang_major__) + "."));
#else
  CHECK_THAT(text, contains("compiler    gcc " + std::to_string(__GNUC__) + "."));
#endif
  CHECK_THAT(text, contains("\n  target      target_"));
#if SINTER_HAS_XSIMD
  CHECK_THAT(text, contains("lanes       xsimd " + std::to_string(XSIMD_VERSION_MAJOR) + ".") &&
                       contains(std::to_string(st::simd::width<float>) + " floats"));
#else
  CHECK_THAT(text, contains("1 float, without xsimd"));
#endif
#ifdef SINTER_CBLAS
  CHECK_THAT(text, contains(", through cblas"));
#else
  CHECK_THAT(text, contains("products    sinter's own"));
#endif
  CHECK_THAT(text, contains(SINTER_CHECKS ? "checks      on" : "checks      off"));
  CHECK_THAT(text, contains("exceptions  on"));
  CHECK_THAT(text, contains("CUDA        through NVRTC"));
  CHECK(text.back() == '\n');
}

TEST_CASE("config: names the threads of the installed executor") {
  st::executor three = st::serial_executor();
  three.concurrency = [](void*) { return 3; };
  const st::executor_guard guard(three);
  CHECK_THAT(st::config(), contains("threads     3, the program's executor"));
}

TEST_CASE("config: warns where the machine has wider registers than the file uses") {
  const auto machine = st::detail::machine_vectors(), mine = st::detail::compiled_vectors();
  CHECK((st::config().find("warning: this machine has ") != std::string::npos) == (machine < mine));
}
