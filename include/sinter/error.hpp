// SPDX-License-Identifier: BSD-3-Clause
// Errors and the one cold function that raises them. Without exceptions a handler is called, then abort.
#pragma once
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <string>

#include "op/dtype.hpp"

namespace sinter::inline v0 {

/// Base of everything sinter throws; `what()` names the operation, shapes, dtypes and devices.
class error : public std::exception {
 public:
  explicit error(std::string text) : text_(static_cast<std::string&&>(text)) {}
  const char* what() const noexcept override { return text_.c_str(); }

 private:
  std::string text_;
};
struct shape_error : error { using error::error; };       ///< shapes that do not fit together
struct dtype_error : error { using error::error; };       ///< an element type that the operation does not take
struct index_error : error { using error::error; };       ///< an index or dim out of range
struct device_error : error { using error::error; };      ///< no device, or operands on different devices
struct io_error : error { using error::error; };          ///< files: missing, malformed, full disk
struct memory_error : error { using error::error; };      ///< memory exhausted
struct autograd_error : error { using error::error; };    ///< backward through what cannot be differentiated
struct version_error : autograd_error { using autograd_error::autograd_error; };  ///< a saved value was written in place
struct stale_expression : error { using error::error; };  ///< a leaf was written between building and evaluating

/// A run-time list of extents, for messages: prints as [2, 3].
struct shape_text {
  const int64* data;
  int rank;
};

namespace detail {
inline namespace SINTER_TARGET {
inline void append(std::string& s, const char* t) { s += t; }
inline void append(std::string& s, const std::string& t) { s += t; }
inline void append(std::string& s, char c) { s += c; }
inline void append(std::string& s, dtype t) { s += name_of(t); }
inline void append(std::string& s, long long v) {  // std::to_string would keep the shared object from unloading
  char text[24];
  std::snprintf(text, sizeof text, "%lld", v);
  s += text;
}
inline void append(std::string& s, double v) {
  char text[32];
  std::snprintf(text, sizeof text, "%g", v);
  s += text;
}
inline void append(std::string& s, shape_text t) {
  s += '[';
  for (int i = 0; i < t.rank; ++i) {
    if (i) s += ", ";
    append(s, static_cast<long long>(t.data[i]));
  }
  s += ']';
}
template <class T> requires std::is_integral_v<T> void append(std::string& s, T v) { append(s, static_cast<long long>(v)); }
}  // namespace SINTER_TARGET

using error_handler = void (*)(const char* what);
SINTER_HIDDEN inline error_handler& handler() {
  static constinit error_handler h = nullptr;
  return h;
}
}  // namespace detail

/// Without exceptions: what to call with the message before abort(). Ignored where exceptions are on.
inline void set_error_handler(detail::error_handler h) { detail::handler() = h; }

/// Raises `E` with the concatenation of `parts` (strings, numbers, dtypes, shape_text).
template <class E, class Arch = native, class... P> [[noreturn]] SINTER_COLD void fail(const P&... parts) {
  std::string s;
  (detail::append(s, parts), ...);
#if SINTER_HAS_EXCEPTIONS
  throw E(static_cast<std::string&&>(s));
#else
  if (detail::handler()) detail::handler()(s.c_str());
  std::fprintf(stderr, "sinter: %s\n", s.c_str());
  std::abort();
#endif
}

}  // namespace sinter::inline v0
