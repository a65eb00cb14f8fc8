// SPDX-License-Identifier: BSD-3-Clause
// Jacobians, Hessians and their products with vectors, of any function of variables: with statements, views, loops and branches
// in it. As torch.autograd.functional. Not here: transforms of expression functions, which the compiler fuses (func/func.hpp).
#pragma once
#include "erased.hpp"

namespace sinter::inline v0 {
namespace detail::inline SINTER_TARGET {

/// x as row `row` of a value of shape rows' shape + x's shape, zeros elsewhere.
struct row_map final : linear_map {
  int64 row;
  row_map(const shape_value& x, const shape_value& all, int64 number) : linear_map(x, all), row(number) {}
  void forward(dtype t, const operand& x, const operand& y) const override { add(t, x, row_of(y, t)); }
  void adjoint(dtype t, const operand& y, const operand& x) const override { add(t, row_of(y, t), x); }

 private:
  operand row_of(const operand& y, dtype t) const {
    operand o = y;
    const int lead = out.rank - in.rank;
    int64 rest = row, at = 0;
    for (int d = lead - 1; d >= 0; --d) at += rest % out[d] * y.strides[d], rest /= out[d];
    o.data += at * size_of(t);
    o.shape = in;
    for (int d = 0; d < in.rank; ++d) o.strides[d] = y.strides[lead + d];
    return o;
  }
  static void add(dtype t, const operand& from, const operand& to) {
    with_floating_type(t, [&]<class T>(T) {
      sum_strided<T, native>(reinterpret_cast<const T*>(from.data), from.shape, from.strides, reinterpret_cast<T*>(to.data), to.strides);
    });
  }
};
inline shape_value joined(const shape_value& a, const shape_value& b) {
  shape_value s = a;
  for (int d = 0; d < b.rank; ++d) s[s.rank++] = b[d];
  return s;
}

/// The derivatives of some results by some variables.
class differentiation {
 public:
  differentiation(const char* who, bool create_graph, bool strict) : who_(who), create_(create_graph), strict_(strict) {}
  vec<any_variable> inputs, results;

  /// The Jacobians of result k, one an input: of the result's shape + the input's.
  vec<any_variable> jacobian(int k) const {
    const any_variable& y = results[k];
    if (is_complex(y.type)) fail<autograd_error>(who_, ": result ", k, " is complex; take its real and imaginary part as two results");
    const int64 rows = y.value.shape.numel();
    vec<vec<any_variable>> of_row;
    for (int64 i = 0; i < rows; ++i) {
      any_variable seed = zero_value(y.type, y.value.shape);
      set_one(seed, i);
      of_row.push(gradients(k, seed));
    }
    vec<any_variable> out;
    for (int n = 0; n < inputs.size(); ++n) {
      const shape_value& x = inputs[n].value.shape;
      const shape_value all = joined(y.value.shape, x);
      vec<linear_term> terms;
      vec<any_variable> values;
      for (int i = 0; i < of_row.size(); ++i) {
        if (!of_row[i][n].defined()) continue;
        terms.push({new_map<row_map>(x, all, i), false, nullptr});
        values.push(of_row[i][n]);
      }
      out.push(terms.size() ? record_linear(terms, values) : zero_value(inputs[n].type, all));
    }
    return out;
  }
  /// v^T J: the sum over results of their gradients from v.
  vec<any_variable> backward(const vec<any_variable>& v, bool create) const {
    vec<any_variable> sum(inputs.size(), {});
    for (int k = 0; k < results.size(); ++k) {
      const vec<any_variable> g = derivatives_of(results[k], v[k], slots(), create);
      for (int n = 0; n < inputs.size(); ++n)
        if (g[n].defined()) sum[n] = sum[n].defined() ? add_recorded<native>(sum[n], g[n]) : g[n];
    }
    return sum;
  }
  vec<any_variable> vjp(const vec<any_variable>& v) const { return completed(backward(v, create_), inputs); }
  /// J v: backward is linear in what it starts from, and the transpose of that linear map is J.
  vec<any_variable> jvp(const vec<any_variable>& v) const {
    differentiation transpose(who_, create_, strict_);
    vec<any_variable> seeds;
    for (int k = 0; k < results.size(); ++k) seeds.push(leaf_like(results[k]));
    transpose.inputs = seeds;
    vec<any_variable> directions;
    const vec<any_variable> g = backward(seeds, true);
    for (int n = 0; n < inputs.size(); ++n)
      if (g[n].defined()) transpose.results.push(g[n]), directions.push(v[n]);
      else if (strict_) independent(n);
    return completed(transpose.backward(directions, create_), results);
  }
  /// The gradients of the one result, which has one element, as results.
  differentiation gradient() const {
    if (results.size() != 1 || results[0].value.shape.numel() != 1 || is_complex(results[0].type))
      fail<shape_error>(who_, ": the function must return one real number; got ", results.size(), " results, the first of shape ",
                        shape_text{results[0].value.shape.e, results[0].value.shape.rank});
    differentiation d(who_, create_, strict_);
    d.inputs = inputs;
    any_variable one = zero_value(results[0].type, results[0].value.shape);
    set_one(one, 0);
    d.results = derivatives_of(results[0], one, slots(), true);
    d.results.pop();
    for (int n = 0; n < inputs.size(); ++n) {
      const bool constant = !d.results[n].defined() || !d.results[n].slot;
      if (strict_ && !d.results[n].defined()) independent(n);
      if (strict_ && constant) fail<autograd_error>(who_, ": the gradient of input ", n, " is constant: not allowed in strict mode");
      if (!d.results[n].defined()) d.results[n] = zero_value(inputs[n].type, inputs[n].value.shape);
    }
    return d;
  }
  /// The vectors of a product, each of the shape of `like`; none given: 1 for one number.
  vec<any_variable> checked(vec<any_variable> v, const vec<any_variable>& like) const {
    if (!v.size()) {
      if (like.size() != 1 || like[0].value.shape.numel() != 1)
        fail<shape_error>(who_, ": a vector is needed, where there is more than one number: one of shape ", shape_text{like[0].value.shape.e, like[0].value.shape.rank});
      v.push(zero_value(like[0].type, like[0].value.shape));
      set_one(v[0], 0);
    }
    bool same = v.size() == like.size();
    for (int i = 0; same && i < v.size(); ++i) {
      if (!(v[i].value.shape == like[i].value.shape) || v[i].type != like[i].type)
        fail<shape_error>(who_, ": vector ", i, " is one of ", v[i].type, " ", shape_text{v[i].value.shape.e, v[i].value.shape.rank}, ", not of ", like[i].type, " ",
                          shape_text{like[i].value.shape.e, like[i].value.shape.rank});
      if (!create_) v[i] = any_variable(v[i].value, v[i].block, v[i].type, nullptr);
    }
    if (!same) fail<shape_error>(who_, ": ", v.size(), " vectors for ", like.size(), " values");
    return v;
  }

 private:
  [[noreturn]] void independent(int n) const { fail<autograd_error>(who_, ": the results do not depend on input ", n, ": not allowed in strict mode"); }
  vec<grad_slot*> slots() const {
    vec<grad_slot*> s;
    for (int n = 0; n < inputs.size(); ++n) s.push(inputs[n].slot);
    return s;
  }
  vec<any_variable> gradients(int k, const any_variable& seed) const {
    vec<any_variable> g = derivatives_of(results[k], seed, slots(), create_);
    for (int n = 0; n < inputs.size(); ++n)
      if (strict_ && !g[n].defined()) fail<autograd_error>(who_, ": result ", k, " does not depend on input ", n, ": not allowed in strict mode");
    return g;
  }
  /// Zeros where nothing was found.
  vec<any_variable> completed(vec<any_variable> found, const vec<any_variable>& like) const {
    for (int i = 0; i < like.size(); ++i) {
      if (found[i].defined()) continue;
      if (strict_) fail<autograd_error>(who_, ": value ", i, " does not depend on what it is differentiated by: not allowed in strict mode");
      found[i] = zero_value(like[i].type, like[i].value.shape);
    }
    return found;
  }
  static any_variable leaf_like(const any_variable& y) {
    const any_variable zeros = zero_value(y.type, y.value.shape);
    grad_slot* const slot = new_slot(y.type, y.value.shape);
    slot->requires_grad = true;
    any_variable v(zeros.value, zeros.block, y.type, slot);
    drop(slot);
    return v;
  }
  static void set_one(any_variable& v, int64 i) {
    with_differentiable_type(v.type, [&]<class T>(T) { reinterpret_cast<T*>(v.value.data)[i] = T(computed<T>(1)); });
  }
  const char* who_;
  bool create_, strict_;
};

/// An input as a variable that derivatives are taken by: connected with the one given if `keep`.
template <class T, class E, class D> variable<T, E, D> differentiated_input(const variable<T, E, D>& v, bool keep) {
  return keep && v.requires_grad() ? same_value(v.slot(), v.value()) : variable<T, E, D>(v.value(), true);
}
template <class T, class E, class D> variable<T, E, D> differentiated_input(const tensor<T, E, D>& t, bool) { return variable<T, E, D>(t, true); }

template <class X> auto as_tuple(const X& x) {
  if constexpr (is_tuple<X>) return x;
  else return std::tuple<X>(x);
}
template <class X, class E> using variable_over = variable<typename X::value_type, E>;
template <class X> using variable_like = variable<typename X::value_type, typename X::extents_type>;
template <class A, class B> using joined_extents = sinter::rank<A::rank + B::rank>;

/// f(inputs), evaluated, and as values of d.
template <class F, class... V> auto call_differentiated(differentiation& d, const F& f, const std::tuple<V...>& inputs, bool keep) {
  const enable_grad on;
  const auto x = std::apply([&](const V&... v) { return std::tuple(differentiated_input(v, keep)...); }, inputs);
  std::apply([&](const auto&... v) { (d.inputs.push(any_variable_of(v)), ...); }, x);
  auto y = std::apply([&](const auto&... v) { return evaluated_results(f(v...)); }, x);
  push_results(y, d.results);
  return y;
}
template <class... X> vec<any_variable> list_of(const std::tuple<X...>& v) {
  vec<any_variable> out;
  std::apply([&](const X&... x) { (out.push(any_variable_of(x)), ...); }, v);
  return out;
}
/// What a caller gave to multiply with; none if that is nothing.
template <class V> vec<any_variable> list_given(const V& v) {
  if constexpr (std::is_empty_v<V>) return {};
  else return list_of(as_tuple(v));
}
/// Values as variables like those of a tuple.
template <class... X> auto typed_like(const std::tuple<X...>&, const vec<any_variable>& v) {
  return [&]<std::size_t... I>(std::index_sequence<I...>) {
    return std::tuple<variable_like<X>...>(variable_of_any<typename X::value_type, typename X::extents_type>(v[static_cast<int>(I)])...);
  }(std::index_sequence_for<X...>());
}
/// A tuple of one for what was not given as a tuple.
template <class Given, class Tuple> auto as_given(Tuple t) {
  if constexpr (is_tuple<Given>) return t;
  else return std::get<0>(t);
}
/// Jacobians of a result of type Y by inputs X.
template <class Y, class... X> auto typed_jacobians(const std::tuple<X...>&, const vec<any_variable>& j) {
  return [&]<std::size_t... I>(std::index_sequence<I...>) {
    using E = typename Y::extents_type;
    return std::tuple<variable_over<X, joined_extents<E, typename X::extents_type>>...>(
        variable_of_any<typename X::value_type, joined_extents<E, typename X::extents_type>>(j[static_cast<int>(I)])...);
  }(std::index_sequence_for<X...>());
}
template <class Given, class... Y, class X> auto all_jacobians(const differentiation& d, const std::tuple<Y...>&, const X& inputs) {
  return [&]<std::size_t... I>(std::index_sequence<I...>) {
    return std::make_tuple(as_given<Given>(typed_jacobians<Y>(inputs, d.jacobian(static_cast<int>(I))))...);
  }(std::index_sequence_for<Y...>());
}
/// A result as it is returned: not connected with a graph unless that was asked for.
template <class Y> auto returned(const Y& y, bool connected) {
  if constexpr (is_tuple<Y>) return std::apply([&](const auto&... r) { return std::tuple(returned(r, connected)...); }, y);
  else if constexpr (is_variable<Y>) return connected ? y : Y(y.value(), false);
  else return y;
}

}  // namespace detail::inline SINTER_TARGET

namespace autograd::functional {

struct options {
  bool create_graph = false;   ///< results can be differentiated again, by the inputs given, too
  bool strict = false;         ///< a result that does not depend on an input is an error, not zeros
};
struct no_vector {};

inline namespace SINTER_TARGET {

/// d f_i / d x_j for f of variables, at `inputs` (a variable or tensor, or a std::tuple of such): of f's shape + the input's. For a
/// tuple of inputs a tuple of Jacobians, for a tuple of results a tuple of what there is for each. f returns variables or expressions; all
/// inputs are differentiated by, required or not. One walk backward for each element of f.
/// Throws autograd_error in strict mode, and for complex results.
/// https://pytorch.org/docs/stable/generated/torch.autograd.functional.jacobian.html
template <class F, class I> auto jacobian(const F& f, const I& inputs, options o = {}) {
  const auto in = detail::as_tuple(inputs);
  detail::differentiation d("jacobian", o.create_graph, o.strict);
  const auto y = detail::call_differentiated(d, f, in, o.create_graph);
  const detail::grad_mode_guard recorded(o.create_graph);
  return detail::as_given<std::remove_cvref_t<decltype(y)>>(detail::all_jacobians<I>(d, detail::as_tuple(y), in));
}

/// d^2 f / d x_i d x_j for f of one element: of the shapes of both inputs one behind the other. For a tuple of inputs a tuple of
/// tuples. Throws shape_error for more than one element.
/// https://pytorch.org/docs/stable/generated/torch.autograd.functional.hessian.html
template <class F, class I> auto hessian(const F& f, const I& inputs, options o = {}) {
  const auto in = detail::as_tuple(inputs);
  detail::differentiation d("hessian", o.create_graph, o.strict);
  detail::call_differentiated(d, f, in, o.create_graph);
  const detail::differentiation g = d.gradient();
  const detail::grad_mode_guard recorded(o.create_graph);
  return detail::as_given<I>(detail::all_jacobians<I>(g, in, in));
}

/// {f(inputs), v^T J}: v is of f's shapes; not needed for one number.
/// https://pytorch.org/docs/stable/generated/torch.autograd.functional.vjp.html
template <class F, class I, class V = no_vector> auto vjp(const F& f, const I& inputs, const V& v = {}, options o = {}) {
  const auto in = detail::as_tuple(inputs);
  detail::differentiation d("vjp", o.create_graph, o.strict);
  const auto y = detail::call_differentiated(d, f, in, o.create_graph);
  const auto given = detail::list_given(v);
  const detail::grad_mode_guard recorded(o.create_graph);
  auto g = detail::as_given<I>(detail::typed_like(in, d.vjp(d.checked(given, d.results))));
  return std::pair(detail::returned(y, o.create_graph), g);
}

/// {f(inputs), J v}: v is of the inputs' shapes; not needed for one number. Two walks backward, whatever the sizes.
/// https://pytorch.org/docs/stable/generated/torch.autograd.functional.jvp.html
template <class F, class I, class V = no_vector> auto jvp(const F& f, const I& inputs, const V& v = {}, options o = {}) {
  const auto in = detail::as_tuple(inputs);
  detail::differentiation d("jvp", o.create_graph, o.strict);
  const auto y = detail::call_differentiated(d, f, in, o.create_graph);
  const auto given = detail::list_given(v);
  const enable_grad on;
  auto t = detail::returned(detail::as_given<std::remove_cvref_t<decltype(y)>>(detail::typed_like(detail::as_tuple(y), d.jvp(d.checked(given, d.inputs)))), o.create_graph);
  return std::pair(detail::returned(y, o.create_graph), t);
}

/// {f(inputs), H v} for f of one element. https://pytorch.org/docs/stable/generated/torch.autograd.functional.hvp.html
template <class F, class I, class V = no_vector> auto hvp(const F& f, const I& inputs, const V& v = {}, options o = {}) {
  const auto in = detail::as_tuple(inputs);
  detail::differentiation d("hvp", o.create_graph, o.strict);
  const auto y = detail::call_differentiated(d, f, in, o.create_graph);
  const auto given = detail::list_given(v);
  const enable_grad on;
  auto t = detail::returned(detail::as_given<I>(detail::typed_like(in, d.gradient().jvp(d.checked(given, d.inputs)))), o.create_graph);
  return std::pair(detail::returned(y, o.create_graph), t);
}

/// {f(inputs), v^T H} for f of one element: as H v, in one walk less.
/// https://pytorch.org/docs/stable/generated/torch.autograd.functional.vhp.html
template <class F, class I, class V = no_vector> auto vhp(const F& f, const I& inputs, const V& v = {}, options o = {}) {
  const auto in = detail::as_tuple(inputs);
  detail::differentiation d("vhp", o.create_graph, o.strict);
  const auto y = detail::call_differentiated(d, f, in, o.create_graph);
  const auto given = detail::list_given(v);
  const detail::differentiation g = d.gradient();
  const detail::grad_mode_guard recorded(o.create_graph);
  auto t = detail::as_given<I>(detail::typed_like(in, g.vjp(d.checked(given, d.inputs))));
  return std::pair(detail::returned(y, o.create_graph), t);
}

}  // namespace SINTER_TARGET
}  // namespace autograd::functional
}  // namespace sinter::inline v0
