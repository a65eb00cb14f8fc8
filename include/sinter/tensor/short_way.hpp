// SPDX-License-Identifier: BSD-3-Clause
// Statements that need no plan: element-wise ones over whole arrays (cpu/flat.hpp) and products of small static extents
// (cpu/gemm_small.hpp). A statement tries the short way first; if shapes, strides or overlaps are none for it, evaluate.hpp
// goes the long one, which takes everything and says what is wrong.
#pragma once
#include "../cpu/run.hpp"
#include "../cpu/gemm_small.hpp"
#include "../expr/lower.hpp"

namespace sinter::inline v0::detail::inline SINTER_TARGET {

/// The tensor that a handle holds.
template <class H> const auto& tensor_of(const H& h) {
  if constexpr (is_variable<H>) return h.value();
  else return h;
}

/// Operands that an expression has in a program.
template <class X> inline constexpr int operand_count_of = [] {
  if constexpr (dims_operand<X>) return 0;
  else return X::operand_count;
}();
template <class Op, class... A> inline constexpr int operand_count_of<node<Op, A...>> = (0 + ... + operand_count_of<A>);
constexpr int sum_of_first(const int* counts, std::size_t end) {
  int k = 0;
  for (std::size_t i = 0; i < end; ++i) k += counts[i];
  return k;
}
/// f.operator()<K>(leaf) for every leaf of a tree whose first operand is number K.
template <int K, class X, class F> SINTER_INLINE void for_numbered_leaves(const X& x, F& f) {
  if constexpr (is_node<X>) {
    [&]<std::size_t... I, class... A>(std::index_sequence<I...>, const std::tuple<A...>& operands) {
      constexpr int counts[] = {operand_count_of<A>..., 0};
      (for_numbered_leaves<K + sum_of_first(counts, I)>(std::get<I>(operands), f), ...);
    }(std::make_index_sequence<std::tuple_size_v<std::remove_cvref_t<decltype(x.operands())>>>(), x.operands());
  } else if constexpr (!dims_operand<X>) {
    f.template operator()<K>(x);
  }
}

/// Leaves and results as addresses, as long as all have one shape and no holes. E: the extents of the results.
template <class P, class E, class Arch> struct flat_binding {
  static constexpr bool possible = true;
  static constexpr auto& form = flat_form<P>;
  static constexpr int R = E::rank;
  static constexpr int64 known = [] {  // how many elements, if the types tell
    int64 n = 1;
    for (int d = 0; d < R; ++d) n = E::at(d) < 0 || n < 0 ? -1 : n * E::at(d);
    return n;
  }();
  static constexpr int inputs = stage_program<P, 0>::operand_count;
  uint64 at[inputs + P::result_count];
  double numbers[inputs + 1];
  const int64* sizes = nullptr;
  int64 n = 0;
  bool fits = true;

  template <class T> SINTER_INLINE bool same_shape(const T& t) {
    if constexpr (T::rank != R) {
      return false;
    } else if constexpr (known >= 0) {
      sizes = t.sizes().data(), n = known;
      if constexpr (!std::is_same_v<typename T::extents_type, E>)  // sizes that the type does not tell may be 1, or wrong
        for (int d = 0; d < R; ++d)
          if (t.sizes()[d] != E::at(d)) return false;
      return is_contiguous(static_sizes<E>(), t.strides());
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
    if constexpr (o.one) fits = fits && t.defined() && std::remove_cvref_t<decltype(t)>::rank <= R;
    else fits = fits && t.defined() && same_shape(t);
    if constexpr (o.input >= 0) at[o.input] = address_of(t.data());
  }
  template <int K, class H> SINTER_INLINE void operator()(const leaf<H>& l) { add<K>(l.handle, l.version); }
  template <int K, class N> SINTER_INLINE void operator()(const number_operand<N>& l) {
    if constexpr (form.operands[K].input >= 0) numbers[form.operands[K].input] = static_cast<double>(l.value);
  }
  /// Result number r goes to t.
  template <class T> SINTER_INLINE void result(int r, const T& t) {
    fits = fits && t.defined() && same_shape(t);
    at[inputs + form.output_of[r]] = address_of(t.data());
  }
  SINTER_INLINE bool run() { return ready() && (go(), true); }
  /// Does everything fit, and does no result lie across an operand or another result?
  SINTER_INLINE bool ready() const {
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
      if constexpr (a && a == b && W != V && !one(V) && known > 0) {
        constexpr uint64 span = static_cast<uint64>(known * a);  // apart where the distance is not within (-span, span): one unsigned comparison
        apart = apart && (at[V] - at[W] + (span - 1) >= 2 * span - 1 || (V < inputs && at[W] == at[V]));
      } else if constexpr (a && b && W != V)
        apart = apart && (at[W] + static_cast<uint64>(n * a) <= at[V] || at[V] + static_cast<uint64>((one(V) ? 1 : n) * b) <= at[W] ||
                          (V < inputs && !one(V) && a == b && at[W] == at[V]));
    };
    [&]<int... V>(ints<V...>) {  // lists, as clang folds 256 at the most
      auto row = [&]<int W>() { static_cast<void>(std::initializer_list<int>{(check.template operator()<W, V>(), 0)...}); };
      [&]<int... O>(ints<O...>) { static_cast<void>(std::initializer_list<int>{(row.template operator()<inputs + O>(), 0)...}); }(count_to<P::result_count>{});
    }(count_to<inputs + P::result_count>{});
    return apart;
  }
  SINTER_INLINE void go() const {
    if constexpr (known >= 0 && known <= inlined) run_flat<P, Arch, known>(at, numbers, known);
    else if (n) run_flat<P, Arch>(at, numbers, n);
  }
  /// The sizes of a fresh result; false if there are none yet.
  SINTER_INLINE bool result_sizes(index_list<R>& to) const {
    if (!fits || !sizes) return false;
    for (int d = 0; d < R; ++d) to[d] = sizes[d];
    return true;
  }

 private:
  static constexpr int64 inlined = 256;  ///< elements that are worked off where the statement stands, without a call
};

// --- products of static extents ------------------------------------------------------------------------------------------

/// Is P, whose operands have the given static extents, one product of two small matrices?
template <class P> constexpr auto fixed_form(const shape_value* shapes) {
  struct { bool possible = false; int m = 0, n = 0, k = 0, a = 0, b = 0; } out;
  constexpr auto& plan = schedule_of<P>;
  if constexpr (plan.count == 1 && plan.stages[0].kind == kernel_kind::contract && P::result_count == 1) {
    if (!is_plain_product<P, 0>()) return out;
    const instruction x = P::at(plan.stages[0].contract), a = P::at(x.a), b = P::at(x.b);
    if (x.op != code::contract || a.op != code::leaf || b.op != code::leaf || a.rank != 2 || b.rank != 2 || x.rank != 2 || a.type != x.type || b.type != x.type) return out;
    const contraction c = contraction::decode(P::pool(x.c));
    if (c.a(1) != c.b(0) || c.c(0) != c.a(0) || c.c(1) != c.b(1) || c.a(0) == c.a(1) || c.b(1) == c.a(0)) return out;
    const int64 m = shapes[a.a][0], k = shapes[a.a][1], n = shapes[b.a][1];
    constexpr int64 most = 64;
    const int lanes = x.type == dtype::f32 ? columns_for<float>(n).lanes : x.type == dtype::f64 ? columns_for<double>(n).lanes : 0;
    if (m < 1 || k < 1 || n < 1 || m > most || k > most || n > most || !lanes) return out;
    out = {true, static_cast<int>(m), static_cast<int>(n), static_cast<int>(k), a.a, b.a};
  }
  return out;
}
template <class P, class... X> inline constexpr auto fixed_form_of = [] {
  shape_value shapes[P::operand_count + 1] = {};
  shape_value* to = shapes;
  (operand_shapes<X>::collect(to), ...);
  return fixed_form<P>(shapes);
}();

/// The operands and the result of such a product, as long as they have no holes. `Form` is a fixed_form.
template <const auto& Form, class T, class Arch> struct fixed_binding {
  static constexpr bool possible = true;
  const T *a = nullptr, *b = nullptr;
  T* c = nullptr;
  bool fits = true;

  template <int K, class H> SINTER_INLINE void add(const H& handle, uint64 version) {
    if constexpr (K == Form.a || K == Form.b) {
      const auto& t = tensor_of(handle);
      if (version != any_version && handle.version() != version) fits = false;
      fits = fits && t.defined() && t.is_contiguous();
      if constexpr (K == Form.a) a = t.data();
      if constexpr (K == Form.b) b = t.data();
    }
  }
  template <int K, class H> SINTER_INLINE void operator()(const leaf<H>& l) { add<K>(l.handle, l.version); }
  template <int K, class N> SINTER_INLINE void operator()(const number_operand<N>&) {}
  template <class Y> SINTER_INLINE void result(int, const Y& y) {
    fits = fits && y.is_contiguous() && y.sizes()[0] == Form.m && y.sizes()[1] == Form.n;
    c = y.data();
  }
  SINTER_INLINE bool run() { return ready() && (go(), true); }
  SINTER_INLINE bool ready() const {
    constexpr int64 m = Form.m, n = Form.n, k = Form.k;
    const auto apart = [&](const T* p, int64 count) { return p + count <= c || c + m * n <= p; };
    return fits && apart(a, m * k) && apart(b, k * n);
  }
  SINTER_INLINE void go() const {
    constexpr int64 m = Form.m, n = Form.n, k = Form.k;
    ++counters().launches;
    counters().bytes += static_cast<uint64>((m * k + k * n + m * n) * static_cast<int64>(sizeof(T)));
    gemm_fixed<T, Arch, Form.m, Form.n, Form.k>(a, b, c, false);
  }
  SINTER_INLINE bool result_sizes(index_list<2>& to) const {
    to[0] = Form.m, to[1] = Form.n;
    return fits;
  }
};

/// The short way of program P over operands X..., whose first result has extents E and elements of T.
struct no_short_way { static constexpr bool possible = false; };
template <class P, class E, class T, class Arch, class... X> constexpr auto choose_short_way() {
  if constexpr (!complex_fits<P>() || is_complex_element<T>) return type_is<no_short_way>{};
  else if constexpr (flat_form<P>.possible) return type_is<flat_binding<P, E, Arch>>{};
  else if constexpr (fixed_form_of<P, X...>.possible && std::is_floating_point_v<T>) return type_is<fixed_binding<fixed_form_of<P, X...>, T, Arch>>{};
  else return type_is<no_short_way>{};
}
template <class P, class E, class T, class Arch, class... X> using short_way = typename decltype(choose_short_way<P, E, T, Arch, X...>())::type;

}  // namespace sinter::inline v0::detail::inline SINTER_TARGET
