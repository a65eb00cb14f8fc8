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
SINTER_HIDDEN inline bool& inference_state() {
  static thread_local constinit bool on = false;
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
/// Sets grad mode until the end of the scope. In inference mode it stays off.
class grad_mode_guard {
 public:
  explicit grad_mode_guard(bool on) : old_(grad_mode()) { grad_mode() = on && !inference_state(); }
  ~grad_mode_guard() { grad_mode() = old_; }
  grad_mode_guard(const grad_mode_guard&) = delete;
  grad_mode_guard& operator=(const grad_mode_guard&) = delete;

 private:
  bool old_;
};
}  // namespace detail

/// Are statements over variables recorded on this thread?
SINTER_HIDDEN inline bool is_grad_enabled() { return detail::grad_mode(); }

/// Is this thread in inference mode?
SINTER_HIDDEN inline bool is_inference_mode_enabled() { return detail::inference_state(); }

/// `st::set_grad_enabled guard(train);`: statements are recorded, or not, until the end of the scope.
/// https://pytorch.org/docs/stable/generated/torch.autograd.grad_mode.set_grad_enabled.html
struct set_grad_enabled : detail::grad_mode_guard {
  explicit set_grad_enabled(bool on) : grad_mode_guard(on) {}
};
/// `st::no_grad guard;`: nothing is recorded until the end of the scope.
struct no_grad : detail::grad_mode_guard {
  no_grad() : grad_mode_guard(false) {}
};
/// `st::enable_grad guard;`: statements are recorded again, inside a no_grad scope.
struct enable_grad : detail::grad_mode_guard {
  enable_grad() : grad_mode_guard(true) {}
};
/// `st::inference_mode guard;`: nothing is recorded until the end of the scope, not even inside of enable_grad, and the variables
/// that are made there can never be: outside, a statement that would save one for backward throws autograd_error, and so does
/// writing one in place. `inference_mode guard(false)` leaves an outer one for the length of its scope.
/// https://pytorch.org/docs/stable/generated/torch.autograd.grad_mode.inference_mode.html
class inference_mode {
 public:
  explicit inference_mode(bool on = true) : inference_(detail::inference_state()), grad_(detail::grad_mode()) {
    detail::grad_mode() = !on && (inference_ || grad_);
    detail::inference_state() = on;
  }
  ~inference_mode() { detail::inference_state() = inference_, detail::grad_mode() = grad_; }
  inference_mode(const inference_mode&) = delete;
  inference_mode& operator=(const inference_mode&) = delete;

 private:
  bool inference_, grad_;
};

}  // namespace sinter::inline v0
