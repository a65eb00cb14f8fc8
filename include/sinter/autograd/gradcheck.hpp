// SPDX-License-Identifier: BSD-3-Clause
// gradcheck and gradgradcheck: derivatives against central finite differences, in double; of both parts of complex numbers.
#pragma once
#include "../tensor/complex.hpp"
#include "../tensor/creation.hpp"
#include "grad.hpp"

namespace sinter::inline v0 {

struct gradcheck_options {
  double eps = 1e-6;    ///< step of the finite differences
  double atol = 1e-5;   ///< |analytical - numerical| <= atol + rtol * |numerical|
  double rtol = 1e-3;
};

/// What a check found: converts to true if all derivatives agree; otherwise `text` says where and by how much.
struct gradcheck_report {
  bool ok = true;
  double worst = 0;   ///< largest |analytical - numerical|
  std::string text;
  explicit operator bool() const { return ok; }
};

namespace detail::inline SINTER_TARGET {

/// A fixed weight for element i, so that every element of a result counts differently.
inline double check_weight(int64 i) { return 0.3 + 0.1 * static_cast<double>((i * 7 + 3) % 11); }

template <class V> auto zero_like(const V& x) {
  auto t = detail::new_tensor<typename V::value_type, typename V::extents_type>(index_list<V::rank>(x.sizes()));
  for (int64 i = 0; i < t.numel(); ++i) t.data()[i] = 0;
  return t;
}

/// sum_i w_i f_i as one number, as a recorded statement. Parts of complex elements count one by one.
template <class V> auto weighted_sum(const V& y) {
  if constexpr (is_complex_element<typename V::value_type>) {
    return weighted_sum(view_as_real(y));
  } else if constexpr (V::rank == 0) {
    return y;
  } else {
    using T = typename V::value_type;
    auto w = detail::new_tensor<T, sinter::rank<V::rank>>(index_list<V::rank>(y.sizes()));
    for (int64 i = 0; i < w.numel(); ++i) w.data()[i] = static_cast<T>(check_weight(i));
    variable s = sum(y * w);
    return s;
  }
}

template <class T, class E> double weighted_sum(const tensor<T, E>& y) {
  if constexpr (is_complex_element<T>) {
    return weighted_sum(view_as_real(contiguous(y)));
  } else {
    const auto c = contiguous(y);
    if (E::rank == 0) return static_cast<double>(c.item());
    double s = 0;
    for (int64 i = 0; i < c.numel(); ++i) s += check_weight(i) * static_cast<double>(c.data()[i]);
    return s;
  }
}
template <class F, class... V> double weighted_value(F& f, const V&... x) {
  no_grad guard;
  variable y = f(x...);
  return weighted_sum(y.detach());
}

/// Compares analytical gradients g of the inputs with differences of `value()`, which re-evaluates after an input changed.
template <class Value, class T, class E>
void compare_gradient(gradcheck_report& report, int number, const tensor<T, E>& data, const tensor<T, E>& g, Value value, const gradcheck_options& o) {
  if constexpr (is_complex_element<T>) return compare_gradient(report, number, view_as_real(data), view_as_real(g), value, o);
  else {
    const auto analytical = contiguous(g);
    index_list<E::rank> at;
    for (int64 i = 0; i < data.numel(); ++i) {
      int64 rest = i, offset = 0;
      for (int d = E::rank - 1; d >= 0; --d) at[d] = rest % data.size(d), rest /= data.size(d), offset += at[d] * data.strides()[d];
      auto* p = data.data() + offset;
      const auto old = *p;
      *p = old + o.eps;
      const double above = value();
      *p = old - o.eps;
      const double below = value();
      *p = old;
      const double numerical = (above - below) / (2 * o.eps), found = analytical.data()[i];
      double error = numerical > found ? numerical - found : found - numerical;
      if (numerical != numerical || found != found) error = numerical != numerical && found != found ? 0 : __builtin_huge_val();
      if (error > report.worst) report.worst = error;
      const double size = numerical < 0 ? -numerical : numerical;
      if (!(error <= o.atol + o.rtol * size)) {
        if (report.ok) {
          append(report.text, "input ");
          append(report.text, number);
          append(report.text, ", element ");
          append(report.text, shape_text{at.data(), E::rank});
          append(report.text, ": analytical ");
          append(report.text, found);
          append(report.text, ", numerical ");
          append(report.text, numerical);
        }
        report.ok = false;
      }
    }
  }
}

}  // namespace detail::inline SINTER_TARGET

/// First derivatives of `f(inputs...)` (a variable or an expression of any shape, of double or complex128) with respect to all inputs,
/// against central differences. https://pytorch.org/docs/stable/generated/torch.autograd.gradcheck.gradcheck.html
template <class F, class... V> gradcheck_report gradcheck(F f, const std::tuple<V...>& inputs, gradcheck_options o = {}) {
  static_assert(((dtype_of<typename V::value_type> == dtype::f64 || dtype_of<typename V::value_type> == dtype::c128) && ...),
                "sinter: gradcheck needs double or complex128 inputs: float differences are noise");
  gradcheck_report report;
  std::apply([&](const V&... x) {
    variable y = f(x...);
    const auto s = detail::weighted_sum(y);
    const auto g = grad(s, inputs, {.retain_graph = true, .allow_unused = true});
    auto value = [&] { return detail::weighted_value(f, x...); };
    int number = 0;
    auto one = [&](const auto& in, const auto& found) {
      detail::compare_gradient(report, number, in.detach(), found.defined() ? found.detach() : detail::zero_like(in), value, o);
      ++number;
    };
    std::apply([&](const auto&... found) { (one(x, found), ...); }, g);
  }, inputs);
  return report;
}
template <class F, class T, class E, class D> gradcheck_report gradcheck(F f, const variable<T, E, D>& x, gradcheck_options o = {}) {
  return gradcheck(f, std::tuple(x), o);
}

/// Second derivatives: gradcheck of the gradient of f, which must be recorded itself (create_graph).
template <class F, class... V> gradcheck_report gradgradcheck(F f, const std::tuple<V...>& inputs, gradcheck_options o = {}) {
  gradcheck_report report;
  std::apply([&](const V&... x) {
    // s(x) = sum over inputs of w . df/dx
    auto first = [&](bool create) {
      variable y = f(x...);
      const auto s = detail::weighted_sum(y);
      return grad(s, inputs, {.create_graph = create, .retain_graph = true, .allow_unused = true});
    };
    variable<double, extents<>> total(detail::new_tensor<double, extents<>>({}), false);
    *total.data() = 0;
    std::apply([&](const auto&... g) {
      auto add = [&](const auto& v) {
        if (!v.defined()) return;
        const auto w = detail::weighted_sum(v);
        variable next = total + w;
        total = next;
      };
      (add(g), ...);
    }, first(true));
    auto value = [&] {
      double s = 0;
      std::apply([&](const auto&... g) {
        auto add = [&](const auto& v) {
          if (v.defined()) s += detail::weighted_sum(v.detach());
        };
        (add(g), ...);
      }, first(false));
      return s;
    };
    if (!total.requires_grad()) return;  // the gradient is constant
    const auto second = grad(total, inputs, {.allow_unused = true});
    int number = 0;
    auto one = [&](const auto& in, const auto& found) {
      detail::compare_gradient(report, number, in.detach(), found.defined() ? found.detach() : detail::zero_like(in), value, o);
      ++number;
    };
    std::apply([&](const auto&... found) { (one(x, found), ...); }, second);
  }, inputs);
  return report;
}
template <class F, class T, class E, class D> gradcheck_report gradgradcheck(F f, const variable<T, E, D>& x, gradcheck_options o = {}) {
  return gradgradcheck(f, std::tuple(x), o);
}

}  // namespace sinter::inline v0
