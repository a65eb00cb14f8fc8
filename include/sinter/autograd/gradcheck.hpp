// SPDX-License-Identifier: BSD-3-Clause
// gradcheck and gradgradcheck: Jacobians by backward against central finite differences, in double; of both parts of complex
// numbers. Next: autograd/functional.hpp for Jacobians as results.
#pragma once
#include "../tensor/complex.hpp"
#include "../tensor/creation.hpp"
#include "../tensor/random.hpp"
#include "erased.hpp"

namespace sinter::inline v0 {

struct gradcheck_options {
  double eps = 1e-6;                  ///< step of the finite differences
  double atol = 1e-5;                 ///< |analytical - numerical| <= atol + rtol * |numerical|
  double rtol = 1e-3;
  double nondet_tol = 0;              ///< how far two runs of backward may differ
  bool raise_exception = false;       ///< autograd_error with the report's text, where PyTorch raises unless told otherwise
  bool check_undefined_grad = true;   ///< of several results, all but one without a gradient: backward takes zeros in their place
  bool fast_mode = false;             ///< one random direction a pair of result and input, not the whole Jacobian
  bool gen_non_contig_grad_outputs = false;  ///< gradgradcheck: gradients of results that are not contiguous
};

/// What a check found: converts to true if all derivatives agree; otherwise `text` says where and by how much.
struct gradcheck_report {
  bool ok = true;
  double worst = 0;   ///< largest |analytical - numerical|
  std::string text;
  explicit operator bool() const { return ok; }
};

namespace detail::inline SINTER_TARGET {

/// The real numbers in a value of double or complex128 elements, by their row-major place: of complex elements both parts.
class numbers_of {
 public:
  explicit numbers_of(const any_variable& v) : v_(&v), parts_(is_complex(v.type) ? 2 : 1) {}
  int64 count() const { return parts_ * v_->value.shape.numel(); }
  double get(int64 i) const {
    const char* p = place(i);
    return real_type(v_->type) == dtype::f64 ? *reinterpret_cast<const double*>(p) : static_cast<double>(*reinterpret_cast<const float*>(p));
  }
  double& at(int64 i) const { return *reinterpret_cast<double*>(place(i)); }
  /// "[1, 2]", "[1, 2] im"
  void name(std::string& to, int64 i) const {
    const shape_value& s = v_->value.shape;
    int64 index[max_rank], rest = i / parts_;
    for (int d = s.rank - 1; d >= 0; --d) index[d] = rest % s[d], rest /= s[d];
    append(to, shape_text{index, s.rank});
    if (parts_ == 2) append(to, i % 2 ? " im" : " re");
  }

 private:
  char* place(int64 i) const {
    const operand& o = v_->value;
    int64 rest = i / parts_, offset = 0;
    for (int d = o.shape.rank - 1; d >= 0; --d) offset += rest % o.shape[d] * o.strides[d], rest /= o.shape[d];
    return o.data + offset * size_of(v_->type) + i % parts_ * size_of(real_type(v_->type));
  }
  const any_variable* v_;
  int parts_;
};

/// One check of a function: its results at the inputs, and what was found.
class derivative_check {
 public:
  derivative_check(const erased_function& f, const vec<any_variable>& inputs, const gradcheck_options& o) : f_(f), in_(inputs), o_(o) {}

  gradcheck_report run() {
    bool any = false;
    for (int i = 0; i < in_.size(); ++i) {
      any = any || wants(i);
      for (int d = 0; wants(i) && d < in_[i].value.shape.rank; ++d)
        if (in_[i].value.strides[d] == 0 && in_[i].value.shape[d] > 1) {
          wrong("input ", i, " has stride 0 in dim ", d, ": its elements overlap, so that they cannot be changed one by one; check a contiguous() copy");
          return finish();
        }
    }
    if (!any) fail<autograd_error>("gradcheck: no input requires a gradient");
    {
      const enable_grad on;
      out_ = f_();
    }
    for (int i = 0; i < in_.size(); ++i) slots_.push(wants(i) ? in_[i].slot : nullptr);
    if (o_.fast_mode) fast();
    else full();
    if (report_.ok && o_.check_undefined_grad && out_.size() > 1) undefined();
    return finish();
  }

 private:
  bool wants(int i) const { return in_[i].slot && in_[i].slot->requires_grad && real_type(in_[i].type) == dtype::f64; }
  bool differentiable(int k) const { return is_differentiable(out_[k].type) && size_of(real_type(out_[k].type)) >= 4; }
  static int64 count_of(const any_variable& v) { return numbers_of(v).count(); }
  template <class... P> void wrong(const P&... parts) {
    if (report_.ok) report_.text = "gradcheck: ";
    report_.ok = false;
    (append(report_.text, parts), ...);
  }
  gradcheck_report finish() {
    if (!report_.ok && o_.raise_exception) fail<autograd_error>(report_.text);
    return report_;
  }
  /// A gradient of result k that is `value(i)` for its number i, and the gradients of all inputs for it.
  template <class F> vec<any_variable> backward(int k, F value) const {
    any_variable seed = zero_value(out_[k].type, out_[k].value.shape);
    const numbers_of numbers(seed);
    for (int64 i = 0; i < numbers.count(); ++i) {
      if (real_type(seed.type) == dtype::f64) numbers.at(i) = value(i);
      else *reinterpret_cast<float*>(&numbers.at(i)) = static_cast<float>(value(i));
    }
    vec<grad_slot*> wanted;
    for (int i = 0; i < slots_.size(); ++i)
      if (slots_[i]) wanted.push(slots_[i]);
    const vec<any_variable> found = derivatives_of(out_[k], seed, wanted, false);
    vec<any_variable> all(slots_.size() + 1, {});
    for (int i = 0, next = 0; i < slots_.size(); ++i)
      if (slots_[i]) all[i] = found[next++];
    return all;
  }
  /// The numbers of all results with number j of input i moved by `step`.
  vec<any_variable> moved(int i, int64 j, double step) const {
    double& x = numbers_of(in_[i]).at(j);
    const double old = x;
    struct back {
      double& x;
      double old;
      ~back() { x = old; }
    } put_back{x, old};
    x = old + step;
    return values_now();
  }
  /// The results as they are now; some may share the inputs' elements, which will change.
  vec<any_variable> values_now() const {
    const no_grad values;
    vec<any_variable> y = f_();
    for (int k = 0; k < y.size(); ++k) y[k].block = copy_of<native>(y[k].value, y[k].type);
    return y;
  }

  struct mismatch {
    double error, analytical, numerical;
    int output, input;
    int64 i, j;
  };
  static constexpr int shown = 8;
  void compare(double analytical, double numerical, int output, int64 i, int input, int64 j, double atol) {
    ++compared_;
    double error = analytical > numerical ? analytical - numerical : numerical - analytical;
    if (analytical == numerical) error = 0;
    if (error != error) error = __builtin_huge_val();
    if (error > report_.worst) report_.worst = error;
    if (error < __builtin_huge_val() && error <= atol + o_.rtol * (numerical < 0 ? -numerical : numerical)) return;
    ++failed_;
    mismatch m{error, analytical, numerical, output, input, i, j};
    for (int k = 0; k < worst_.size(); ++k)
      if (m.error > worst_[k].error) {
        const mismatch t = worst_[k];
        worst_[k] = m, m = t;
      }
    if (worst_.size() < shown) worst_.push(m);
  }
  void tell() {
    if (!failed_) return;
    wrong(failed_, " of ", compared_, " derivatives differ (atol ", o_.atol, ", rtol ", o_.rtol, "); the worst:");
    for (int k = 0; k < worst_.size(); ++k) {
      const mismatch& m = worst_[k];
      wrong("\n  output ", m.output, ", element ");
      numbers_of(out_[m.output]).name(report_.text, m.i);
      wrong(" by input ", m.input, ", element ");
      numbers_of(in_[m.input]).name(report_.text, m.j);
      wrong(": analytical ", m.analytical, ", numerical ", m.numerical);
    }
  }

  /// The whole Jacobian, entry by entry.
  void full() {
    int64 rows = 0, columns = 0;
    for (int k = 0; k < out_.size(); ++k) rows += differentiable(k) ? count_of(out_[k]) : 0;
    for (int i = 0; i < in_.size(); ++i) columns += slots_[i] ? count_of(in_[i]) : 0;
    const auto jacobian = new_tensor<double, sinter::rank<2>>({rows, columns});
    int64 row = 0;
    double spread = 0;
    for (int k = 0; k < out_.size(); ++k) {
      if (!differentiable(k)) continue;
      for (int64 i = 0; i < count_of(out_[k]); ++i, ++row) {
        const auto unit = [&](int64 at) { return at == i ? 1.0 : 0.0; };
        const vec<any_variable> g = backward(k, unit), again = backward(k, unit);
        int64 column = 0;
        for (int n = 0; n < in_.size(); ++n)
          for (int64 j = 0; slots_[n] && j < count_of(in_[n]); ++j, ++column) {
            const double a = g[n].defined() ? numbers_of(g[n]).get(j) : 0, b = again[n].defined() ? numbers_of(again[n]).get(j) : 0;
            if (a - b > spread || b - a > spread) spread = a > b ? a - b : b - a;
            jacobian.data()[row * columns + column] = a;
          }
      }
    }
    if (spread > o_.nondet_tol) wrong("two runs of backward differ by ", spread, " (nondet_tol ", o_.nondet_tol, ")\n");
    int64 column = 0;
    for (int n = 0; n < in_.size(); ++n)
      for (int64 j = 0; slots_[n] && j < count_of(in_[n]); ++j, ++column) {
        const vec<any_variable> above = moved(n, j, o_.eps), below = moved(n, j, -o_.eps);
        row = 0;
        for (int k = 0; k < out_.size(); ++k)
          for (int64 i = 0; differentiable(k) && i < count_of(out_[k]); ++i, ++row)
            compare(jacobian.data()[row * columns + column], (numbers_of(above[k]).get(i) - numbers_of(below[k]).get(i)) / (2 * o_.eps), k, i, n, j, o_.atol);
      }
    tell();
  }
  /// v^T J u for a random u for each input and v for each result.
  void fast() {
    generator random(11);
    const auto direction = [&](int64 n) {
      auto u = sinter::rand<double>({n}, random);
      double square = 0;
      for (int64 i = 0; i < n; ++i) square += u.data()[i] * u.data()[i];
      for (int64 i = 0; i < n; ++i) u.data()[i] /= std::sqrt(square);
      return u;
    };
    const auto sum = [](const auto& u) {
      double s = 0;
      for (int64 i = 0; i < u.numel(); ++i) s += u.data()[i];
      return s;
    };
    vec<any_variable> g, again;
    const auto difference = [&](const any_variable& a, const any_variable& b, const auto& u) {
      double s = 0;
      for (int64 j = 0; j < u.numel(); ++j)
        s += u.data()[j] * ((a.defined() ? numbers_of(a).get(j) : 0) - (b.defined() ? numbers_of(b).get(j) : 0));
      return s;
    };
    for (int n = 0; n < in_.size(); ++n) {
      if (!slots_[n] || !count_of(in_[n])) continue;
      const auto u = direction(count_of(in_[n]));
      const vec<any_variable> above = moved_along(n, u, o_.eps), below = moved_along(n, u, -o_.eps);
      for (int k = 0; k < out_.size(); ++k) {
        if (!differentiable(k) || !count_of(out_[k])) continue;
        const auto v = direction(count_of(out_[k]));
        g = backward(k, [&](int64 i) { return v.data()[i]; }), again = backward(k, [&](int64 i) { return v.data()[i]; });
        const double spread = difference(g[n], again[n], u), numerical = difference(above[k], below[k], v) / (2 * o_.eps);
        if (spread > o_.nondet_tol || -spread > o_.nondet_tol) wrong("two runs of backward differ (nondet_tol ", o_.nondet_tol, ")\n");
        compare(difference(g[n], {}, u), numerical, k, 0, n, 0, o_.atol * sum(u) * sum(v));
      }
    }
    if (!failed_) return;
    const mismatch m = worst_[0];
    failed_ = compared_ = 0, worst_ = {};
    full();  // says which entries
    if (report_.ok) wrong("output ", m.output, " by input ", m.input, " along random directions: analytical ", m.analytical, ", numerical ", m.numerical);
  }
  template <class U> vec<any_variable> moved_along(int n, const U& u, double step) const {
    const numbers_of x(in_[n]);
    vec<double> old;
    for (int64 j = 0; j < x.count(); ++j) old.push(x.at(j));
    struct back {
      const numbers_of& x;
      const vec<double>& old;
      ~back() {
        for (int j = 0; j < old.size(); ++j) x.at(j) = old[j];
      }
    } put_back{x, old};
    for (int64 j = 0; j < x.count(); ++j) x.at(j) = old[static_cast<int>(j)] + step * u.data()[j];
    return values_now();
  }
  /// One result with a gradient of zeros, the others without.
  void undefined() {
    for (int k = 0; k < out_.size(); ++k) {
      if (!differentiable(k)) continue;
      const vec<any_variable> g = backward(k, [](int64) { return 0.0; });
      for (int n = 0; n < in_.size(); ++n)
        for (int64 j = 0; g[n].defined() && j < count_of(g[n]); ++j)
          if (numbers_of(g[n]).get(j) != 0) return wrong("with a gradient of zeros for output ", k, " and none for the others, the gradient of input ", n, " is not 0");
    }
  }

  const erased_function& f_;
  const vec<any_variable>& in_;
  const gradcheck_options o_;
  vec<any_variable> out_;
  vec<grad_slot*> slots_;
  vec<mismatch> worst_;
  int64 compared_ = 0, failed_ = 0;
  gradcheck_report report_;
};

/// Checks the function that gives the gradients of f's inputs from those of its results.
inline gradcheck_report check_second(const erased_function& f, const vec<any_variable>& inputs, const gradcheck_options& o) {
  vec<any_variable> all = inputs;
  vec<grad_slot*> slots;
  for (int i = 0; i < inputs.size(); ++i)
    if (inputs[i].slot && inputs[i].slot->requires_grad) slots.push(inputs[i].slot);
  vec<any_variable> results;
  {
    const no_grad values;
    results = f();
  }
  generator random(12);
  vec<int> seeded;
  for (int k = 0; k < results.size(); ++k) {  // a gradient of each result, itself an input
    seeded.push(-1);
    if (!is_differentiable(results[k].type) || real_type(results[k].type) != dtype::f64) continue;
    grad_slot* const slot = new_slot(results[k].type, results[k].value.shape);
    slot->requires_grad = true;
    shape_value wide = slot->shape;
    if (o.gen_non_contig_grad_outputs && wide.rank) wide[wide.rank - 1] *= 2;
    any_variable seed = zero_value(slot->type, wide);
    operand value = seed.value;
    value.shape = slot->shape;
    for (int d = 0; wide.rank && o.gen_non_contig_grad_outputs && d < wide.rank; ++d) value.strides[d] = d == wide.rank - 1 ? 2 : seed.value.strides[d];
    any_variable g(value, seed.block, slot->type, slot);
    drop(slot);
    const numbers_of numbers(g);
    const auto r = sinter::randn<double>({numbers.count()}, random);
    for (int64 i = 0; i < numbers.count(); ++i) numbers.at(i) = r.data()[i];
    seeded[k] = all.size();
    all.push(g);
  }
  auto gradients = [&](vec<any_variable>& out) {
    const bool recorded = is_grad_enabled();
    const enable_grad on;
    const vec<any_variable> y = f();
    vec<any_variable> sum(slots.size() + 1, {});
    for (int k = 0; k < y.size(); ++k) {
      if (seeded[k] < 0) continue;
      const any_variable& seed = all[seeded[k]];
      const vec<any_variable> g = derivatives_of(y[k], recorded ? seed : any_variable(seed.value, seed.block, seed.type, nullptr), slots, recorded);
      for (int i = 0; i < slots.size(); ++i)
        if (g[i].defined()) sum[i] = sum[i].defined() ? add_recorded<native>(sum[i], g[i]) : g[i];
    }
    for (int i = 0; i < slots.size(); ++i) out.push(sum[i].defined() ? sum[i] : zero_value(slots[i]->type, slots[i]->shape));
  };
  const erased_function g(gradients);
  gradcheck_options second = o;
  second.check_undefined_grad = false;
  return derivative_check(g, all, second).run();
}

template <class V> constexpr bool precise() {
  if constexpr (is_variable<V>) return !is_differentiable(dtype_of<typename V::value_type>) || real_type(dtype_of<typename V::value_type>) == dtype::f64;
  else return true;
}
template <class F, class... V> auto check_function(bool second, F& f, const std::tuple<V...>& inputs, const gradcheck_options& o) {
  if constexpr ((precise<V>() && ...)) {
    auto call = [&](vec<any_variable>& out) {
      std::apply([&](const V&... x) {
        const auto& y = f(x...);
        push_results(y, out);
      }, inputs);
    };
    vec<any_variable> all;
    const auto list = [&]<class X>(const X& x) {
      if constexpr (is_array_or_formula<X>) all.push(any_variable_of(x));
    };
    std::apply([&](const V&... x) { (list(x), ...); }, inputs);
    const erased_function function(call);
    return second ? check_second(function, all, o) : derivative_check(function, all, o).run();
  } else {
    return gradcheck_report();
  }
}

}  // namespace detail::inline SINTER_TARGET

#define SINTER_PRECISE "sinter: gradcheck needs double or complex128 inputs: float differences are noise"
/// First derivatives of `f(inputs...)` with respect to all inputs that require a gradient (variables of double or complex128, in
/// any layout; other inputs are passed on), against central differences: every entry of every Jacobian. f returns a variable or an
/// expression of any shape, or a std::tuple of such. Numbers of complex elements are their two parts: a gradient is dL/dre + i dL/dim, as in
/// PyTorch. Also checks that backward gives the same twice, and that results without a gradient count as such with zeros. Gradients have
/// the dtype and shape of their inputs by type. Throws autograd_error if no input requires a gradient, and what f throws.
/// https://pytorch.org/docs/stable/generated/torch.autograd.gradcheck.gradcheck.html
template <class F, class... V> gradcheck_report gradcheck(F f, const std::tuple<V...>& inputs, gradcheck_options o = {}) {
  static_assert((detail::precise<V>() && ...), SINTER_PRECISE);
  return detail::check_function(false, f, inputs, o);
}
template <class F, class T, class E, class D> gradcheck_report gradcheck(F f, const variable<T, E, D>& x, gradcheck_options o = {}) {
  static_assert(detail::precise<variable<T, E, D>>(), SINTER_PRECISE);
  return detail::check_function(false, f, std::tuple(x), o);
}

/// Second derivatives: gradcheck of the gradients of f (which must be recorded themselves), as a function of the inputs and of random
/// gradients of the results. https://pytorch.org/docs/stable/generated/torch.autograd.gradcheck.gradgradcheck.html
template <class F, class... V> gradcheck_report gradgradcheck(F f, const std::tuple<V...>& inputs, gradcheck_options o = {}) {
  static_assert((detail::precise<V>() && ...), SINTER_PRECISE);
  return detail::check_function(true, f, inputs, o);
}
template <class F, class T, class E, class D> gradcheck_report gradgradcheck(F f, const variable<T, E, D>& x, gradcheck_options o = {}) {
  static_assert(detail::precise<variable<T, E, D>>(), SINTER_PRECISE);
  return detail::check_function(true, f, std::tuple(x), o);
}

#undef SINTER_PRECISE

}  // namespace sinter::inline v0
