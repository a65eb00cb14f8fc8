// SPDX-License-Identifier: BSD-3-Clause
// Whether statements over variables are recorded, per thread. Next: autograd/variable.hpp.
#pragma once
#include "../config.hpp"

namespace sinter::inline v0 {
namespace detail {
SINTER_HIDDEN inline bool& grad_mode() {
  static thread_local constinit bool on = true;
  return on;
}
struct node_watch;
struct saved_hooks;
/// Who looks at the nodes of this thread's walks (anomaly.hpp); null: nobody.
SINTER_HIDDEN inline node_watch*& watched_by() {
  static thread_local constinit node_watch* w = nullptr;
  return w;
}
/// Who keeps what statements of this thread save (saved_tensors.hpp); null: they do.
SINTER_HIDDEN inline saved_hooks*& saved_by() {
  static thread_local constinit saved_hooks* h = nullptr;
  return h;
}
/// Sets grad mode until the end of the scope.
class grad_mode_guard {
 public:
  explicit grad_mode_guard(bool on) : old_(grad_mode()) { grad_mode() = on; }
  ~grad_mode_guard() { grad_mode() = old_; }
  grad_mode_guard(const grad_mode_guard&) = delete;
  grad_mode_guard& operator=(const grad_mode_guard&) = delete;

 private:
  bool old_;
};
}  // namespace detail

/// Are statements over variables recorded on this thread?
SINTER_HIDDEN inline bool is_grad_enabled() { return detail::grad_mode(); }

/// `st::no_grad guard;`: nothing is recorded until the end of the scope.
struct no_grad : detail::grad_mode_guard {
  no_grad() : grad_mode_guard(false) {}
};
/// `st::enable_grad guard;`: statements are recorded again, inside a no_grad scope.
struct enable_grad : detail::grad_mode_guard {
  enable_grad() : grad_mode_guard(true) {}
};

}  // namespace sinter::inline v0
