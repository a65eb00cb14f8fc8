// SPDX-License-Identifier: BSD-3-Clause
// First values of parameters, with PyTorch's names (torch.nn.init). Written in place; all handles see them.
// Not here: which layer uses which (the layer's reset_parameters). Next: linear.hpp.
#pragma once
#include "../autograd/statement.hpp"
#include "../tensor/random.hpp"

namespace sinter::inline v0::nn::inline SINTER_TARGET {

namespace detail {
using namespace sinter::detail;

/// f(data, n) fills fresh row-major elements, which then replace those of t.
template <class T, class E, class F> void refill(const tensor<T, E>& t, F f) {
  if (t.is_contiguous()) {
    f(t.data(), t.numel());
  } else {
    const auto fresh = new_tensor<T, E>(t.sizes());
    f(fresh.data(), fresh.numel());
    copy_strided<native, T>(t.data(), t.strides(), fresh.data(), fresh.strides(), t.sizes());
  }
  t.bump_version();
}
template <class T> void scale_and_shift(T* p, int64 n, double scale, double shift) {
  for (int64 i = 0; i < n; ++i) p[i] = static_cast<T>(shift + scale * static_cast<double>(p[i]));
}
template <class T, class E> const tensor<T, E>& tensor_in(const tensor<T, E>& t) { return t; }
template <class T, class E> const tensor<T, E>& tensor_in(const variable<T, E, cpu_t>& v) { return v.value(); }

/// Inputs and outputs of a weight [out, in, kernel...].
struct fans {
  double in, out;
};
template <class X> fans fans_of(const X& x) {
  static_assert(X::rank >= 2, "sinter: kaiming and xavier need a weight [out, in, ...]; use uniform_ or normal_ here");
  double field = 1;
  for (int d = 2; d < X::rank; ++d) field *= static_cast<double>(x.sizes()[d]);
  return {static_cast<double>(x.sizes()[1]) * field, static_cast<double>(x.sizes()[0]) * field};
}
}  // namespace detail

/// Uniform in [a, b).
template <class X> void uniform_(const X& x, double a = 0, double b = 1, generator& g = default_generator()) {
  const auto& t = detail::tensor_in(x);
  detail::refill(t, [&](auto* p, int64 n) {
    detail::fill_uniform<typename X::value_type, native>(p, n, g.next_key());
    detail::scale_and_shift(p, n, b - a, a);
  });
}
/// Normal, with the given mean and standard deviation.
template <class X> void normal_(const X& x, double mean = 0, double std = 1, generator& g = default_generator()) {
  const auto& t = detail::tensor_in(x);
  detail::refill(t, [&](auto* p, int64 n) {
    detail::fill_normal<typename X::value_type, native>(p, n, g.next_key());
    detail::scale_and_shift(p, n, std, mean);
  });
}
template <class X> void constant_(const X& x, double value) {
  detail::refill(detail::tensor_in(x), [&](auto* p, int64 n) { for (int64 i = 0; i < n; ++i) p[i] = static_cast<typename X::value_type>(value); });
}
template <class X> void zeros_(const X& x) { constant_(x, 0); }
template <class X> void ones_(const X& x) { constant_(x, 1); }

/// Uniform in +-sqrt(6 / ((1 + a^2) in)), for a weight [out, in, ...] before a leaky relu of slope a.
/// https://arxiv.org/abs/1502.01852
template <class X> void kaiming_uniform_(const X& x, double a = 0, generator& g = default_generator()) {
  const double bound = std::sqrt(6 / ((1 + a * a) * detail::fans_of(x).in));
  uniform_(x, -bound, bound, g);
}
/// Uniform in +-gain sqrt(6 / (in + out)). https://proceedings.mlr.press/v9/glorot10a.html
template <class X> void xavier_uniform_(const X& x, double gain = 1, generator& g = default_generator()) {
  const detail::fans f = detail::fans_of(x);
  const double bound = gain * std::sqrt(6 / (f.in + f.out));
  uniform_(x, -bound, bound, g);
}

}  // namespace sinter::inline v0::nn::inline SINTER_TARGET
