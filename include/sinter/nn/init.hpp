// SPDX-License-Identifier: BSD-3-Clause
// First values of parameters, with PyTorch's names (torch.nn.init). Written in place; all handles see them.
// Not here: which layer uses which (the layer's reset_parameters). Next: init_matrix.hpp for those with a structure.
// https://pytorch.org/docs/stable/nn.init.html
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

/// The standard normal distribution, P(X < z).
inline double normal_cdf(double z) { return 0.5 * std::erfc(-0.7071067811865476 * z); }
/// The z with normal_cdf(z) = p, for p in [0, 1/2]: a rational start, then two steps of Halley's method. 0 stands for the
/// least p that they can do. Abramowitz and Stegun, Handbook of Mathematical Functions, 26.2.23
inline double normal_quantile(double p) {
  if (!(p > 1e-300)) return -37;
  const double t = std::sqrt(-2 * std::log(p));
  double z = (2.515517 + t * (0.802853 + t * 0.010328)) / (1 + t * (1.432788 + t * (0.189269 + t * 0.001308))) - t;
  for (int i = 0; i < 2; ++i) {
    const double u = (normal_cdf(z) - p) * 2.5066282746310002 * std::exp(z * z / 2);
    z -= u / (1 + z * u / 2);
  }
  return z;
}
}  // namespace detail

/// Uniform in [a, b). Throws error for a > b.
template <class X> void uniform_(const X& x, double a = 0, double b = 1, generator& g = default_generator()) {
  if (!(a <= b)) fail<error>("uniform_: nothing lies between ", a, " and ", b);
  using T = typename X::value_type;
  const T top = std::nextafter(static_cast<T>(b), static_cast<T>(a));
  detail::refill(detail::tensor_in(x), [&](T* p, int64 n) {
    detail::fill_uniform<T, native>(p, n, g.next_key());
    detail::scale_and_shift(p, n, b - a, a);
    for (int64 i = 0; i < n; ++i) p[i] = p[i] > top ? top : p[i];  // rounding may reach b
  });
}
/// Normal, with the given mean and standard deviation. Throws error for a negative deviation.
template <class X> void normal_(const X& x, double mean = 0, double std = 1, generator& g = default_generator()) {
  if (!(std >= 0)) fail<error>("normal_: a standard deviation of ", std);
  const auto& t = detail::tensor_in(x);
  detail::refill(t, [&](auto* p, int64 n) {
    detail::fill_normal<typename X::value_type, native>(p, n, g.next_key());
    detail::scale_and_shift(p, n, std, mean);
  });
}
/// Normal, as if what lies outside [a, b] were drawn again. Throws error unless a < b and std > 0.
/// It takes the quantile of a uniform number between the probabilities of a and b, in the tail where these lose no digits.
template <class X> void trunc_normal_(const X& x, double mean = 0, double std = 1, double a = -2, double b = 2, generator& g = default_generator()) {
  using T = typename X::value_type;
  if (!(a < b)) fail<error>("trunc_normal_: nothing lies between ", a, " and ", b);
  if (!(std > 0)) fail<error>("trunc_normal_: a standard deviation of ", std);
  const bool flip = a - mean > mean - b;  // more of [a, b] lies above the mean: draw the mirror image
  const double low = flip ? (mean - b) / std : (a - mean) / std, high = flip ? (mean - a) / std : (b - mean) / std;
  const double first = detail::normal_cdf(low), last = detail::normal_cdf(high);
  const uint64 key = g.next_key();
  detail::refill(detail::tensor_in(x), [&](T* p, int64 n) {
    for (int64 i = 0; i < n; ++i) {
      const double u = uniform_double(philox_word_pair(key, static_cast<uint64>(i))), q = first + (last - first) * u;
      double z = q <= 0.5 ? detail::normal_quantile(q) : -detail::normal_quantile(1 - q);
      z = z < low ? low : z > high ? high : z;
      const double v = mean + std * (flip ? -z : z);
      p[i] = static_cast<T>(v < a ? a : v > b ? b : v);
    }
  });
}
template <class X> void constant_(const X& x, double value) {
  detail::refill(detail::tensor_in(x), [&](auto* p, int64 n) { for (int64 i = 0; i < n; ++i) p[i] = static_cast<typename X::value_type>(value); });
}
template <class X> void zeros_(const X& x) { constant_(x, 0); }
template <class X> void ones_(const X& x) { constant_(x, 1); }

/// What follows a layer, for calculate_gain; convolutions count as linear.
enum class nonlinearity { linear, sigmoid, tanh, relu, leaky_relu, selu };
/// Which side of a weight keeps its variance: forward (fan_in) or backward (fan_out).
enum class fan_mode { fan_in, fan_out };

/// The factor by which weights before `f` should be larger: 1 for linear and sigmoid, 5/3 for tanh, sqrt(2) for relu, 3/4
/// for selu, sqrt(2 / (1 + slope^2)) for leaky_relu.
inline double calculate_gain(nonlinearity f, double slope = 0.01) {
  switch (f) {
    case nonlinearity::tanh: return 5.0 / 3;
    case nonlinearity::relu: return std::sqrt(2.0);
    case nonlinearity::leaky_relu: return std::sqrt(2 / (1 + slope * slope));
    case nonlinearity::selu: return 0.75;
    default: return 1;
  }
}

namespace detail {
/// gain / sqrt(fan), the deviation of kaiming's weights; 0 where there are none.
template <class X> double kaiming_std(const X& x, double a, fan_mode mode, nonlinearity f) {
  const fans n = fans_of(x);
  return x.numel() ? calculate_gain(f, a) / std::sqrt(mode == fan_mode::fan_in ? n.in : n.out) : 0;
}
}  // namespace detail

/// Uniform in +-gain sqrt(3 / fan), for a weight [out, in, ...] before a leaky relu of slope a (or `f`): gain is
/// calculate_gain(f, a), fan the inputs or, with fan_out, the outputs of an element times the kernel's size.
/// https://arxiv.org/abs/1502.01852
template <class X> void kaiming_uniform_(const X& x, double a = 0, fan_mode mode = fan_mode::fan_in, nonlinearity f = nonlinearity::leaky_relu,
                                         generator& g = default_generator()) {
  const double bound = std::sqrt(3.0) * detail::kaiming_std(x, a, mode, f);
  uniform_(x, -bound, bound, g);
}
template <class X> void kaiming_uniform_(const X& x, double a, generator& g) {
  kaiming_uniform_(x, a, fan_mode::fan_in, nonlinearity::leaky_relu, g);
}
/// Normal with mean 0 and deviation gain / sqrt(fan); see kaiming_uniform_.
template <class X> void kaiming_normal_(const X& x, double a = 0, fan_mode mode = fan_mode::fan_in, nonlinearity f = nonlinearity::leaky_relu,
                                        generator& g = default_generator()) {
  normal_(x, 0, detail::kaiming_std(x, a, mode, f), g);
}

/// Uniform in +-gain sqrt(6 / (in + out)) for a weight [out, in, ...]. https://proceedings.mlr.press/v9/glorot10a.html
template <class X> void xavier_uniform_(const X& x, double gain = 1, generator& g = default_generator()) {
  const detail::fans n = detail::fans_of(x);
  const double bound = std::abs(gain) * std::sqrt(6 / (n.in + n.out));
  uniform_(x, -bound, bound, g);
}
/// Normal with mean 0 and deviation gain sqrt(2 / (in + out)).
template <class X> void xavier_normal_(const X& x, double gain = 1, generator& g = default_generator()) {
  const detail::fans n = detail::fans_of(x);
  normal_(x, 0, gain * std::sqrt(2 / (n.in + n.out)), g);
}

}  // namespace sinter::inline v0::nn::inline SINTER_TARGET
