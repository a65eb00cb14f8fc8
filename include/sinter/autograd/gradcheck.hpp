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

/// The weighted sum of f's value as a function of nothing, without f's type: all below is compiled once for inputs of one kind.
class checked_function {
 public:
  using number = variable<double, extents<>>;
  template <class F> explicit checked_function(F& f) : context_(&f), call_([](void* c) -> number { return (*static_cast<F*>(c))(); }) {}
  number operator()() const { return call_(context_); }
  double value() const {
    no_grad guard;
    return call_(context_).item();
  }

 private:
  void* context_;
  number (*call_)(void*);
};

/// Compares the gradient g of input `number` with differences of `value()`, which evaluates f anew after the input changed.
template <class Value, class T, class E>
void compare_gradient(gradcheck_report& report, int number, const tensor<T, E>& data, const tensor<T, E>& g, const Value& value, const gradcheck_options& o) {
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

/// Compares the derivatives of `of` (a recorded number) with differences of `value()`, input by input.
template <class Value, class... V>
void compare_gradients(gradcheck_report& report, const checked_function::number& of, const std::tuple<V...>& inputs, const Value& value, const gradcheck_options& o) {
  const auto g = grad(of, inputs, {.allow_unused = true});
  int number = 0;
  auto one = [&](const auto& in, const auto& found) {
    compare_gradient(report, number, in.detach(), found.defined() ? found.detach() : zeros_like(in.detach()), value, o);
    ++number;
  };
  std::apply([&](const V&... x) { std::apply([&](const auto&... found) { (one(x, found), ...); }, g); }, inputs);
}

template <class... V> gradcheck_report first_derivatives(const checked_function& f, const std::tuple<V...>& inputs, const gradcheck_options& o) {
  gradcheck_report report;
  compare_gradients(report, f(), inputs, [&] { return f.value(); }, o);
  return report;
}
template <class... V> gradcheck_report second_derivatives(const checked_function& f, const std::tuple<V...>& inputs, const gradcheck_options& o) {
  gradcheck_report report;
  // s(x) = sum over inputs of w . df/dx
  auto sum_of_gradients = [&](bool create) {
    checked_function::number total(new_tensor<double, extents<>>({}), false);
    *total.data() = 0;
    auto add = [&](const auto& g) {
      if (!g.defined()) return;
      const auto w = weighted_sum(g);
      variable next = total + w;
      total = next;
    };
    std::apply([&](const auto&... g) { (add(g), ...); }, grad(f(), inputs, {.create_graph = create, .allow_unused = true}));
    return total;
  };
  const auto total = sum_of_gradients(true);
  if (total.requires_grad())  // else the gradient is constant
    compare_gradients(report, total, inputs, [&] { return sum_of_gradients(false).item(); }, o);
  return report;
}
template <class... V> inline constexpr bool precise = ((real_type(dtype_of<typename V::value_type>) == dtype::f64) && ...);
#define SINTER_PRECISE "sinter: gradcheck needs double or complex128 inputs: float differences are noise"
/// f(inputs...) as a checked_function.
template <class F, class... V> auto weighted(F& f, const std::tuple<V...>& inputs) {
  return [&] {
    return std::apply([&](const V&... x) {
      if constexpr (precise<V...>) {
        variable y = f(x...);
        return checked_function::number(weighted_sum(y));
      } else {
        return checked_function::number();
      }
    }, inputs);
  };
}

}  // namespace detail::inline SINTER_TARGET

/// First derivatives of `f(inputs...)` (a variable or an expression of any shape, of double or complex128) with respect to all
/// inputs, against central differences. https://pytorch.org/docs/stable/generated/torch.autograd.gradcheck.gradcheck.html
template <class F, class... V> gradcheck_report gradcheck(F f, const std::tuple<V...>& inputs, gradcheck_options o = {}) {
  static_assert(detail::precise<V...>, SINTER_PRECISE);
  auto number = detail::weighted(f, inputs);
  return detail::first_derivatives(detail::checked_function(number), inputs, o);
}
template <class F, class T, class E, class D> gradcheck_report gradcheck(F f, const variable<T, E, D>& x, gradcheck_options o = {}) {
  return gradcheck(f, std::tuple(x), o);
}

/// Second derivatives: gradcheck of the gradient of f, which must be recorded itself (create_graph).
template <class F, class... V> gradcheck_report gradgradcheck(F f, const std::tuple<V...>& inputs, gradcheck_options o = {}) {
  static_assert(detail::precise<V...>, SINTER_PRECISE);
  auto number = detail::weighted(f, inputs);
  return detail::second_derivatives(detail::checked_function(number), inputs, o);
}
template <class F, class T, class E, class D> gradcheck_report gradgradcheck(F f, const variable<T, E, D>& x, gradcheck_options o = {}) {
  return gradgradcheck(f, std::tuple(x), o);
}
#undef SINTER_PRECISE

}  // namespace sinter::inline v0
