// SPDX-License-Identifier: BSD-3-Clause
// Recorded linear maps: views, selections and scans of variables, and sums of such (cat, scatter_add). Backward is the
// transposed map, recorded backward the recorded transposed map: derivatives of any order. Next: views.hpp.
#pragma once
#include "../tensor/index_map.hpp"
#include "variable.hpp"

namespace sinter::inline v0::detail::inline SINTER_TARGET {

inline void run_term(const linear_term& term, dtype t, const operand& x, const operand& y) {
  if (y.shape.numel() == 0 || x.shape.numel() == 0) return;
  if (is_complex(t) && term.map->by_parts()) {
    for (int part = 0; part < 2; ++part) run_term(term, real_type(t), part_of(x, t, part), part_of(y, t, part));
    return;
  }
  if (term.transposed) term.map->adjoint(t, x, y);
  else term.map->forward(t, x, y);
}
any_variable record_linear(const linear_term& term, const any_variable& x);

class linear_node final : public node_base {
 public:
  explicit linear_node(const vec<linear_term>& terms) : terms_(terms) {
    for (int i = 0; i < terms_.size(); ++i)
      if (grad_slot* s = terms_[i].slot) {
        s->refs.fetch_add(1, std::memory_order_relaxed);
        comes_after(*this, *s);
      }
  }
  ~linear_node() override {
    for (int i = 0; i < terms_.size(); ++i) drop(terms_[i].slot);
  }
  void backward(const operand& dy) override {
    for (int i = 0; i < terms_.size(); ++i) {
      grad_slot* s = terms_[i].slot;
      if (!s) continue;
      run_term(turned(i), s->type, dy, gradient_sum<native>(*s));
    }
  }
  void backward_recorded(const any_variable& dy, any_variable* to) override {
    for (int i = 0; i < terms_.size(); ++i)
      if (terms_[i].slot) to[i] = record_linear(turned(i), dy);
  }
  bool release() override { return false; }
  int input_count() const override { return terms_.size(); }
  grad_slot* input(int i) const override { return terms_[i].slot; }
  void forget(int i) override { terms_[i].slot = nullptr; }
  void describe(std::string& to) const override { to += "a view, selection or sum of such"; }

 private:
  linear_term turned(int i) const { return {terms_[i].map, !terms_[i].transposed, nullptr}; }
  vec<linear_term> terms_;
};

/// The sum of what term i makes of x[i], recorded if one of them wants a gradient.
inline any_variable record_linear(const vec<linear_term>& terms, const vec<any_variable>& x) {
  const linear_term& first = terms[0];
  const dtype from = x[0].type, type = first.map->by_parts() ? from : first.transposed ? complex_type(from) : real_type(from);
  operand value;
  value.shape = first.transposed ? first.map->in : first.map->out;
  row_major_strides(value.shape, value.strides);
  const int64 bytes = bytes_for(value.shape, size_of(type));
  storage_ptr block = allocate_cpu(bytes);
  value.data = static_cast<char*>(block->data);
  __builtin_memset(value.data, 0, static_cast<std::size_t>(bytes));
  vec<linear_term> kept;
  for (int i = 0; i < terms.size(); ++i) {
    run_term(terms[i], x[i].type, x[i].value, value);
    if (x[i].slot && x[i].slot->requires_grad && is_grad_enabled()) kept.push({terms[i].map, terms[i].transposed, x[i].slot});
  }
  return kept.size() ? produced(new linear_node(kept), value, block, type) : any_variable(value, block, type, nullptr);
}
inline any_variable record_linear(const linear_term& term, const any_variable& x) { return record_linear(vec<linear_term>(1, term), vec<any_variable>(1, x)); }

/// The parts of complex values, as what a program takes.
inline any_variable part_of(const any_variable& z, element_part part) {
  return any_variable(part_of(z.value, z.type, part == element_part::im), z.block, real_type(z.type), z.slot, part);
}
/// v behind `to`: a complex one as its parts.
inline void push_parts(vec<any_variable>& to, const any_variable& v) {
  if (!is_complex(v.type)) return to.push(v);
  to.push(part_of(v, element_part::re));
  to.push(part_of(v, element_part::im));
}
/// Complex elements of which `part` is as given, the other 0.
inline linear_term embedding_of(const any_variable& v, element_part part) {
  return {new_map<complex_map>(v.value.shape, part), true, nullptr};
}
/// The gradient of one part of a variable as one of the whole.
inline any_variable gradient_of_whole(const any_variable& gradient, element_part part) {
  return part == element_part::whole || !gradient.defined() ? gradient : record_linear(embedding_of(gradient, part), gradient);
}
/// re + im i.
inline any_variable join_parts(const any_variable& re, const any_variable& im) {
  vec<linear_term> terms;
  terms.push(embedding_of(re, element_part::re)), terms.push(embedding_of(im, element_part::im));
  vec<any_variable> parts;
  parts.push(re), parts.push(im);
  return record_linear(terms, parts);
}

/// A variable with this value, recorded as the sum of `terms` if one of them wants a gradient.
template <class T, class E> variable<T, E> linear_variable(const tensor<T, E>& value, const vec<linear_term>& terms) {
  variable<T, E> out(value, false);
  if constexpr (is_differentiable(dtype_of<T>))
    if (is_grad_enabled()) {
      vec<linear_term> kept;
      for (int i = 0; i < terms.size(); ++i)
        if (terms[i].slot && terms[i].slot->requires_grad) kept.push(terms[i]);
      if (kept.size()) attach(new linear_node(kept), *out.slot());
    }
  return out;
}

/// f(x), or f of an expression's value: for statements that are no part of a program.
template <class X, class F> auto with_value_on_cpu(const X& x, F f) {
  if constexpr (symbol<X>) {
    static_assert(never<X>, "sinter: pooling and running sums are statements of their own, not part of st::fn or st::let: pass their value in");
    return x;
  } else if constexpr (formula<X>) {
    return with_value_on_cpu(eval(x), f);
  } else if constexpr (!std::is_same_v<typename X::device_type, cpu_t>) {
    static_assert(never<X>, "sinter: pooling and running sums run on the CPU: x.to(st::cpu) first");
    return x;
  } else {
    return f(x);
  }
}

/// `value`, recorded as the same as that of `slot`.
template <class T, class E> variable<T, E> same_value(grad_slot* slot, const tensor<T, E>& value) {
  const auto same = [](const auto& t) { return t; };
  const shape_value s = shape_of(value.sizes());
  vec<linear_term> terms;
  terms.push({new_map<view_map<E::rank, E::rank, decltype(same)>>(s, s, same), false, slot});
  return linear_variable<T, E>(value, terms);
}
/// A typed variable for a recorded value: the same elements, with a state of its own.
template <class T, class E> variable<T, E> typed(const any_variable& v) {
  if (!v.defined()) return {};
  index_list<E::rank> sizes, strides;
  for (int d = 0; d < E::rank; ++d) sizes[d] = v.value.shape[d], strides[d] = v.value.strides[d];
  return same_value<T, E>(v.slot, tensor<T, E>(v.block, reinterpret_cast<T*>(v.value.data), sizes, strides));
}

/// f(v) as a recorded view: f takes a tensor of any element type and v's rank, and returns a view of it.
template <class T, class E, class F> auto viewed(const variable<T, E>& v, F f) {
  auto value = f(v.value());
  using V = decltype(value);
  vec<linear_term> terms;
  if (v.requires_grad() && is_grad_enabled())
    terms.push({new_map<view_map<E::rank, V::rank, F>>(shape_of(v.sizes()), shape_of(value.sizes()), f), false, v.slot()});
  return linear_variable<T, typename V::extents_type>(value, terms);
}

}  // namespace sinter::inline v0::detail::inline SINTER_TARGET

namespace sinter::inline v0 {
inline namespace SINTER_TARGET {

/// M v, recorded.
template <class Out, class T, class E> variable<T, Out> map_linear(const variable<T, E>& v, const detail::index_map_ptr& m) {
  detail::vec<detail::linear_term> terms;
  terms.push({m, false, v.slot()});
  return detail::linear_variable<T, Out>(map_linear<Out>(v.value(), m), terms);
}

}  // namespace SINTER_TARGET
}  // namespace sinter::inline v0
