// SPDX-License-Identifier: BSD-3-Clause
// Evaluates expressions into tensors: binds leaves, checks versions, runs the program, wraps the result.
// Next: tensor/assign.hpp for y = e, copy_, +=.
#pragma once
#include "../cpu/flat.hpp"
#include "../expr/lower.hpp"

namespace sinter::inline v0 {
namespace detail::inline SINTER_TARGET {

/// The tensor that a handle holds.
template <class H> const auto& tensor_of(const H& h) {
  if constexpr (is_variable<H>) return h.value();
  else return h;
}

/// A tensor or variable as it is, the value of an expression.
template <class X> decltype(auto) evaluated(const X& x) {
  if constexpr (formula<X>) return eval(x);
  else return (x);
}

/// The operands of an expression at run time.
template <int N> struct bound_operands {
  operand leaves[N + 1];
  dims_slot slots[16];
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

template <class Arch, class X, int N> void bind(const X& x, bound_operands<N>& to) {
  auto leaves = [&]<class L>(const L& l) { bind_leaf<Arch>(l, to.leaves + to.count), to.count += L::operand_count; };
  for_leaves(x, leaves);
  auto dims_ = [&]<class D>(const D& d) {
    if constexpr (requires { d.v; }) {
      dims_slot& s = to.slots[to.slot_count++];
      s.count = sizeof d.v / sizeof d.v[0];
      for (int i = 0; i < s.count; ++i) s.v[i] = d.v[i];
    }
  };
  for_dims(x, dims_);
}

// --- the short way of cpu/flat.hpp ------------------------------------------------------------------------------------

/// Operands that an expression has in a program.
template <class X> inline constexpr int operand_count_of = [] {
  if constexpr (dims_operand<X>) return 0;
  else return X::operand_count;
}();
template <class Op, class... A> inline constexpr int operand_count_of<node<Op, A...>> = (0 + ... + operand_count_of<A>);
/// f.operator()<K>(leaf) for every leaf of a tree whose first operand is number K.
template <int K, class X, class F> SINTER_INLINE void for_numbered_leaves(const X& x, F& f) {
  if constexpr (is_node<X>) {
    [&]<std::size_t... I, class... A>(std::index_sequence<I...>, const std::tuple<A...>& operands) {
      constexpr auto first = [](std::size_t end) {
        const int counts[] = {operand_count_of<A>..., 0};
        int k = K;
        for (std::size_t i = 0; i < end; ++i) k += counts[i];
        return k;
      };
      (for_numbered_leaves<first(I)>(std::get<I>(operands), f), ...);
    }(std::make_index_sequence<std::tuple_size_v<std::remove_cvref_t<decltype(x.operands())>>>(), x.operands());
  } else if constexpr (!dims_operand<X>) {
    f.template operator()<K>(x);
  }
}

/// Leaves and results as addresses, as long as all have one shape and no holes. R: the rank of the results.
template <class P, int R, class Arch> struct flat_binding {
  static constexpr auto& form = flat_form<P>;
  static constexpr int inputs = stage_program<P, 0>::operand_count;
  uint64 at[inputs + P::result_count];
  double numbers[inputs + 1];
  const int64* sizes = nullptr;
  int64 n = 0;
  bool fits = true;

  template <class T> SINTER_INLINE bool same_shape(const T& t) {
    if constexpr (T::rank != R) {
      return false;
    } else {
      if (!sizes) {
        sizes = t.sizes().data(), n = numel_of(t.sizes());
      } else {
        for (int d = 0; d < R; ++d)
          if (t.sizes()[d] != sizes[d]) return false;
      }
      return t.is_contiguous();
    }
  }
  /// As operand K, at the version at which it was named.
  template <int K, class H> SINTER_INLINE void add(const H& handle, uint64 version) {
    constexpr flat_operand o = form.operands[K];
    const auto& t = tensor_of(handle);
    if (version != any_version && handle.version() != version) fits = false;  // the long way says what is wrong
    if constexpr (o.one) fits = fits && t.defined();
    else fits = fits && t.defined() && same_shape(t);
    if constexpr (o.input >= 0) at[o.input] = address_of(t.data());
  }
  template <int K, class H> SINTER_INLINE void operator()(const leaf<H>& l) { add<K>(l.handle, l.version); }
  template <int K, class N> SINTER_INLINE void operator()(const number_operand<N>& l) {
    if constexpr (form.operands[K].input >= 0) numbers[form.operands[K].input] = static_cast<double>(l.value);
  }
  /// Result number r goes to t.
  template <class T> SINTER_INLINE void result(int r, const T& t) {
    fits = fits && same_shape(t);
    at[inputs + form.output_of[r]] = address_of(t.data());
  }
  /// Runs if everything fits and no result lies across an operand or another result. False: nothing was done.
  SINTER_INLINE bool run() {
    if (!fits || (form.constant && n != 1)) return false;
    using SP = stage_program<P, 0>;
    constexpr auto size_of_walk = [](int w) {
      for (int i = 0; i < SP::size; ++i)
        if ((SP::at(i).op == code::output && inputs + SP::at(i).b == w) || (SP::at(i).op == code::leaf && SP::at(i).a == w)) return size_of(SP::at(i).type);
      return int64{0};
    };
    constexpr auto one = [](int w) {
      for (const flat_operand& o : form.operands)
        if (o.input == w) return o.one;
      return false;
    };
    bool apart = true;
    auto check = [&]<int W, int V>() {
      constexpr int64 a = size_of_walk(W), b = size_of_walk(V);
      if constexpr (a && b && W != V)
        apart = apart && (at[W] + static_cast<uint64>(n * a) <= at[V] || at[V] + static_cast<uint64>((one(V) ? 1 : n) * b) <= at[W] ||
                          (V < inputs && !one(V) && a == b && at[W] == at[V]));
    };
    [&]<int... V>(ints<V...>) {
      auto row = [&]<int W>() { (check.template operator()<W, V>(), ...); };
      [&]<int... O>(ints<O...>) { (row.template operator()<inputs + O>(), ...); }(count_to<P::result_count>{});
    }(count_to<inputs + P::result_count>{});
    if (!apart) return false;
    if (n) run_flat<P, Arch>(at, numbers, n);
    return true;
  }
};

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
  if (f.kind != shape_fault::none) raise(view_of<P>, f, all);
  return all[P::size - 1];
}

template <class X, class Arch = native> SINTER_HIDDEN auto evaluate_tensor(const X& x) {
  using L = lowered<X>;
  L::check();
  if constexpr (is_node<X>)
    if (x.cell().get()) return tensor<typename L::value_type, typename L::extents_type>(cell_value<X>::of(x));  // named and used: known
  if constexpr (flat_form<typename L::program>.possible) {
    using Y = tensor<typename L::value_type, typename L::extents_type>;
    flat_binding<typename L::program, Y::rank, Arch> flat;
    for_numbered_leaves<0>(x, flat);
    if (flat.fits && flat.sizes) {
      index_list<Y::rank> sizes;
      for (int d = 0; d < Y::rank; ++d) sizes[d] = flat.sizes[d];
      storage_ptr block = allocate_cpu<Arch>(flat.n * static_cast<int64>(sizeof(typename Y::value_type)));
      auto* data = static_cast<typename Y::value_type*>(block->data);
      Y y(static_cast<storage_ptr&&>(block), data, sizes, row_major(sizes));
      flat.result(0, y);
      if (flat.run()) return y;
    }
  }
  bound_operands<L::program::operand_count> ops;
  bind<Arch>(x, ops);
  result r[2];
  r[0].complex = L::is_complex;
  cpu_run(entry_of<typename L::program, Arch>, ops.leaves, ops.slots, r).template run<Arch>();
  return take<typename L::value_type, typename L::extents_type>(r[0]);
}

}  // namespace detail::inline SINTER_TARGET
}  // namespace sinter::inline v0
