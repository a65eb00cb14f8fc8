// SPDX-License-Identifier: BSD-3-Clause
// Evaluates expressions into tensors: binds leaves, checks versions, runs the program, wraps the result.
// Next: tensor/assign.hpp for y = e, copy_, +=.
#pragma once
#include "creation.hpp"
#include "short_way.hpp"

namespace sinter::inline v0 {
namespace detail::inline SINTER_TARGET {

/// A tensor or variable as it is, the value of an expression.
template <class X> decltype(auto) evaluated(const X& x) {
  if constexpr (formula<X>) return eval(x);
  else return (x);
}

/// The operands of an expression of program P at run time.
template <class P> struct bound_operands {
  operand leaves[P::operand_count + 1];
  dims_slot slots[slot_count_of<P> + 1];
  int count = 0, slot_count = 0;
};

template <class Arch, class H> SINTER_NOINLINE void bind_leaf(const leaf<H>& l, operand* operands) {
  operand& to = operands[0];
  const auto& t = tensor_of(l.handle);
  if (l.version != any_version && l.handle.version() != l.version) [[unlikely]]
    fail<stale_expression, Arch>("an expression over a tensor of shape ", shape_text{t.sizes().data(), t.rank},
                                 " was evaluated after the tensor was written in place (version ", l.version, ", now ",
                                 l.handle.version(), "); evaluate it before, or say st::lazy(e)");
  if (!t.defined()) [[unlikely]] fail<error, Arch>("an undefined tensor is an operand of an expression");
  to.data = reinterpret_cast<char*>(const_cast<typename H::value_type*>(t.data()));
  to.shape.rank = t.rank;
  for (int d = 0; d < t.rank; ++d) to.shape[d] = t.sizes()[d], to.strides[d] = t.strides()[d];
  if constexpr (leaf<H>::operand_count == 2) {
    constexpr dtype type = dtype_of<typename H::value_type>;
    operands[1] = part_of(to, type, 1);
    to = part_of(to, type, 0);
  }
}
template <class Arch, class N> void bind_leaf(const number_operand<N>& l, operand* to) {
  if constexpr (complex_scalar<N>) to[0].number = l.value.real(), to[1].number = l.value.imag();
  else to[0].number = static_cast<double>(l.value);
}

template <class Arch, class X, class P> void bind(const X& x, bound_operands<P>& to) {
  auto leaves = [&]<class L>(const L& l) { bind_leaf<Arch>(l, to.leaves + to.count), to.count += L::operand_count; };
  for_leaves(x, leaves);
  auto dims_ = [&]<class D>(const D& d) {
    if constexpr (requires { d.v; }) {
      if (to.slot_count == slot_count_of<P>) return;  // nothing reads it
      dims_slot& s = to.slots[to.slot_count++];
      s.count = sizeof d.v / sizeof d.v[0];
      for (int i = 0; i < s.count; ++i) s.v[i] = d.v[i];
    }
  };
  for_dims(x, dims_);
}

/// A tensor around a result that the run allocated, for a complex one around its real part.
template <class T, class E> SINTER_NOINLINE tensor<T, E> take(result& r) {
  index_list<E::rank> sizes, strides;
  for (int d = 0; d < E::rank; ++d) sizes[d] = r.shape[d], strides[d] = r.strides[d] ? r.strides[d] / operands_of<T> : 1;
  T* data = static_cast<T*>(r.block->data);
  return {static_cast<storage_ptr&&>(r.block), data, sizes, strides};
}

/// The shape of a program's result. Throws shape_error.
template <class P> shape_value result_shape(const operand* leaves, const dims_slot* slots) {
  shape_value in[P::operand_count + 1], all[P::size];
  for (int i = 0; i < P::operand_count; ++i) in[i] = leaves[i].shape;
  const shape_fault f = infer_shapes(view_of<P>, in, slots, all);
  if (f.kind != shape_fault::none) raise(view_of<P>, f, all, slots);
  return all[P::size - 1];
}

template <class X, class Arch = native> SINTER_HIDDEN auto evaluate_tensor(const X& x) {
  using L = lowered<X>;
  L::check();
  if constexpr (is_node<X>)
    if (x.cell().get()) return tensor<typename L::value_type, typename L::extents_type>(cell_value<X>::of(x));  // named and used: known
  using Y = tensor<typename L::value_type, typename L::extents_type>;
  using S = short_way<typename L::program, typename Y::extents_type, typename Y::value_type, Arch, X>;
  if constexpr (S::possible) {
    S way;
    for_numbered_leaves<0>(x, way);
    if (index_list<Y::rank> sizes; way.result_sizes(sizes)) {
      Y y = new_tensor<typename Y::value_type, typename Y::extents_type, Arch>(sizes);
      way.result(0, y);
      if (way.run()) return y;
    }
  }
  bound_operands<typename L::program> ops;
  bind<Arch>(x, ops);
  result r[2];
  r[0].complex = L::is_complex;
  cpu_run(entry_of<typename L::program, Arch>, ops.leaves, ops.slots, r).template run<Arch>();
  return take<typename L::value_type, typename L::extents_type>(r[0]);
}

}  // namespace detail::inline SINTER_TARGET
}  // namespace sinter::inline v0
