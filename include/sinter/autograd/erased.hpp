// SPDX-License-Identifier: BSD-3-Clause
// Variables and functions of variables without their types: what custom functions, gradcheck and the functional derivatives
// have in common, compiled once. Next: function.hpp, gradcheck.hpp, functional.hpp.
#pragma once
#include "../expr/structure.hpp"
#include "../tensor/view.hpp"
#include "grad.hpp"

namespace sinter::inline v0::detail::inline SINTER_TARGET {

template <class X> inline constexpr bool is_array_or_formula = tensor_like<X> || is_variable<std::remove_cvref_t<X>> || formula<X>;

inline any_variable zero_value(dtype t, const shape_value& shape) {
  operand o;
  o.shape = shape;
  row_major_strides(shape, o.strides);
  const int64 bytes = bytes_for(shape, size_of(t));
  const storage_ptr block = allocate_cpu(bytes);
  o.data = static_cast<char*>(block->data);
  __builtin_memset(o.data, 0, static_cast<std::size_t>(bytes));
  return any_variable(o, block, t, nullptr);
}
/// g summed to `shape`, recorded.
inline any_variable summed_to(const any_variable& g, const shape_value& shape) {
  vec<any_variable> in;
  push_parts(in, g);
  graph program;
  for (int i = 0; i < in.size(); ++i) program.output(program.leaf(i, in[i].type, in[i].value.shape.rank), i);
  return record_value<native>(program, in, {}, shape);
}
template <class T, class E, class D> any_variable any_variable_of(const tensor<T, E, D>& t) {
  return t.defined() ? any_variable(operand_of(t), t.storage_handle(), dtype_of<T>, nullptr) : any_variable();
}
template <class T, class E, class D> any_variable any_variable_of(const variable<T, E, D>& v) {
  return v.defined() ? any_variable(operand_of(v.value()), v.value().storage_handle(), dtype_of<T>, v.slot()) : any_variable();
}
template <class T, class E> tensor<T, E> tensor_of_any(const any_variable& v) {
  if (!v.defined()) return {};
  index_list<E::rank> sizes, strides;
  for (int d = 0; d < E::rank; ++d) sizes[d] = v.value.shape[d], strides[d] = v.value.strides[d];
  return {v.block, reinterpret_cast<T*>(v.value.data), sizes, strides};
}
/// A variable for v, connected to where v came from if that is recorded here.
template <class T, class E> variable<T, E> variable_of_any(const any_variable& v) {
  if (!v.defined()) return {};
  return v.slot && v.slot->requires_grad && is_grad_enabled() ? typed<T, E>(v) : variable<T, E>(tensor_of_any<T, E>(v), false);
}

/// d(root)/d(inputs) from the gradient `seed` of the root, of any shape; undefined where the root does not depend on an input.
/// Leaves the slots' own gradients alone. With `create_graph` the gradients are recorded.
inline vec<any_variable> derivatives_of(const any_variable& root, const any_variable& seed, const vec<grad_slot*>& inputs, bool create_graph, bool retain_graph = true) {
  vec<any_variable> out(inputs.size() + 1, {});
  if (!root.slot || !root.slot->requires_grad) return out;
  vec<walk_root> roots;
  roots.push({root.slot, seed});
  grad_options o;
  o.create_graph = create_graph, o.retain_graph = retain_graph, o.allow_unused = true;
  find_gradients<native>(roots, inputs, o, out);
  return out;
}

/// f(in tuple) as values without types: the results of f, which are variables, tensors, expressions or a tuple of such.
class erased_function {
 public:
  template <class F> explicit erased_function(F& f) : context_(&f), call_([](void* c, vec<any_variable>& out) { (*static_cast<F*>(c))(out); }) {}
  vec<any_variable> operator()() const {
    vec<any_variable> out;
    call_(context_, out);
    return out;
  }

 private:
  void* context_;
  void (*call_)(void*, vec<any_variable>&);
};
/// What a function returned, expressions evaluated.
template <class Y> auto evaluated_results(const Y& y) {
  if constexpr (is_tuple<Y>) return std::apply([](const auto&... r) { return std::tuple(evaluated_results(r)...); }, y);
  else if constexpr (formula<Y>) return eval(y);
  else return Y(y);
}
template <class Y> void push_results(const Y& y, vec<any_variable>& out) {
  if constexpr (is_tuple<Y>) std::apply([&](const auto&... r) { (push_results(r, out), ...); }, y);
  else if constexpr (formula<Y>) out.push(any_variable_of(eval(y)));
  else out.push(any_variable_of(y));
}

}  // namespace sinter::inline v0::detail::inline SINTER_TARGET
