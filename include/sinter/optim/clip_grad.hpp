// SPDX-License-Identifier: BSD-3-Clause
// Gradients kept small between backward() and step(), in place. Next: optimizer.hpp.
#pragma once
#include <cmath>
#include <limits>

#include "../nn/parameter.hpp"

namespace sinter::inline v0::nn::inline SINTER_TARGET {

namespace detail {
using namespace sinter::detail;

/// f(data, n) for the elements of t, in stretches that lie one behind another.
template <class T, class F> void for_stretches(const any_tensor& t, F f) {
  int64 n = 1;
  int d = t.dim();
  for (; d > 0 && (t.strides()[d - 1] == n || t.sizes()[d - 1] == 1); --d) n *= t.sizes()[d - 1];
  int64 count = n ? t.numel() / n : 0;
  for (int64 i = 0; i < count; ++i) {
    int64 rest = i, at = 0;
    for (int k = d - 1; k >= 0; --k) at += rest % t.sizes()[k] * t.strides()[k], rest /= t.sizes()[k];
    f(static_cast<T*>(t.data()) + at, n);
  }
}
/// What norms are of: x itself, or |z|.
template <class T> double magnitude(T x) { return static_cast<double>(x); }
template <class T> double magnitude(complex_number<T> z) { return std::hypot(static_cast<double>(z.re), static_cast<double>(z.im)); }
/// The sum of term(x[i]) in eight running sums, so that additions need not wait for each other.
template <class T, class F> SINTER_KERNEL double sum_of(const T* x, int64 n, F term) {
  double sum[8] = {};
  int64 i = 0;
  for (; i + 8 <= n; i += 8)
    for (int k = 0; k < 8; ++k) sum[k] += term(magnitude(x[i + k]));
  for (; i < n; ++i) sum[i % 8] += term(magnitude(x[i]));
  return ((sum[0] + sum[1]) + (sum[2] + sum[3])) + ((sum[4] + sum[5]) + (sum[6] + sum[7]));
}
/// max |x[i]|, or `so_far` if that is more; NaN wins.
template <class T> SINTER_KERNEL double largest_of(const T* x, int64 n, double so_far) {
  for (int64 i = 0; i < n; ++i) {
    const double a = std::abs(magnitude(x[i]));
    so_far = so_far != so_far || a <= so_far ? so_far : a;
  }
  return so_far;
}
template <class T> SINTER_KERNEL void multiply(T* x, int64 n, computed<T> by) {
  for (int64 i = 0; i < n; ++i) x[i] = static_cast<T>(x[i] * by);
}
template <class T> SINTER_KERNEL void clamp(T* x, int64 n, computed<T> limit) {
  for (int64 i = 0; i < n; ++i) {
    if constexpr (!is_complex_element<T>) {
      const computed<T> v = x[i];
      x[i] = static_cast<T>(v > limit ? limit : v < -limit ? -limit : v);
    }
  }
}
/// f(data, n) over all gradients, which it writes.
template <class T, class F> void change_grads(const parameter_list<T>& parameters, F f) {
  for (const auto& p : parameters)
    if (const any_tensor g = p.grad(); g.defined()) {
      for_stretches<T>(g, f);
      g.storage_handle()->version.fetch_add(1, std::memory_order_acq_rel);
    }
}

}  // namespace detail

/// Scales the gradients of all parameters by min(1, max_norm / (norm + 1e-6)), where norm is the p-norm of all their elements
/// as one vector (p = norm_type; INFINITY: the largest magnitude), and returns norm, summed in double. 0 where no parameter
/// has a gradient. A norm that is not finite spoils the gradients, as in PyTorch; with error_if_nonfinite it throws error
/// and they stay. Throws error for a norm_type of 0 or less.
/// https://pytorch.org/docs/stable/generated/torch.nn.utils.clip_grad_norm_.html
template <class T> double clip_grad_norm_(const parameter_list<T>& parameters, double max_norm, double norm_type = 2, bool error_if_nonfinite = false) {
  if (!(norm_type > 0)) fail<error>("clip_grad_norm_: there is no norm of type ", norm_type);
  const bool largest = norm_type > std::numeric_limits<double>::max();
  double total = 0;
  for (const auto& p : parameters)
    if (const any_tensor g = p.grad(); g.defined())
      detail::for_stretches<T>(g, [&](const T* x, int64 n) {
        if (largest) total = detail::largest_of(x, n, total);
        else if (norm_type == 2) total += detail::sum_of(x, n, [](double v) { return v * v; });
        else if (norm_type == 1) total += detail::sum_of(x, n, [](double v) { return std::abs(v); });
        else total += detail::sum_of(x, n, [=](double v) { return std::pow(std::abs(v), norm_type); });
      });
  if (norm_type == 2) total = std::sqrt(total);
  else if (!largest) total = std::pow(total, 1 / norm_type);
  if (error_if_nonfinite && !(total <= std::numeric_limits<double>::max()))
    fail<error>("clip_grad_norm_: the norm of the gradients is ", total, ": they cannot be clipped");
  const double scale = max_norm / (total + 1e-6);
  if (!(scale >= 1)) detail::change_grads(parameters, [=](T* x, int64 n) { detail::multiply(x, n, static_cast<computed<T>>(scale)); });
  return total;
}

/// Each element of the gradients to the nearest number in [-clip_value, clip_value]; NaN stays. Throws error for a negative
/// clip_value. https://pytorch.org/docs/stable/generated/torch.nn.utils.clip_grad_value_.html
template <class T> void clip_grad_value_(const parameter_list<T>& parameters, double clip_value) {
  static_assert(!is_complex_element<T>, "sinter: complex numbers are not between two: clip_grad_norm_, or the gradients' real and imaginary parts");
  if (!(clip_value >= 0)) fail<error>("clip_grad_value_: nothing is between ", -clip_value, " and ", clip_value);
  detail::change_grads(parameters, [=](T* x, int64 n) { detail::clamp(x, n, static_cast<computed<T>>(clip_value)); });
}

}  // namespace sinter::inline v0::nn::inline SINTER_TARGET
