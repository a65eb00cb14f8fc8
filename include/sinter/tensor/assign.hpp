// SPDX-License-Identifier: BSD-3-Clause
// Assignment: y = e rebinds (and reuses y's memory where nobody can see it), copy_ and += write through, st::update
// writes several tensors in one pass. Next: tensor/evaluate.hpp for how an expression is run.
#pragma once
#include "../expr/fn.hpp"
#include "copy.hpp"
#include "evaluate.hpp"

namespace sinter::inline v0 {
namespace detail::inline SINTER_TARGET {

/// May result 0..n-1 of P be written over operand k while P runs? Only if every stage that reads the operand does so
/// element for element, no stage reads it after the one that writes, and no product reads it.
template <class P> constexpr bool overwritable(int k) {
  constexpr auto& sched = schedule_of<P>;
  int leaf_id = -1;
  for (int i = 0; i < P::size; ++i)
    if (P::at(i).op == code::leaf && P::at(i).a == k) leaf_id = i;
  if (leaf_id < 0) return true;
  int last_read = -1, first_write = sched.count;
  for (int i = 0; i < P::size; ++i) {
    const instruction x = P::at(i);
    if ((x.op == code::squeeze || x.op == code::unsqueeze) && x.a == leaf_id) return false;
    if (x.is_product() && (x.a == leaf_id || x.b == leaf_id)) return false;
    if ((x.op == code::roll || x.op == code::list) && x.a == leaf_id) return false;
    if (x.op == code::output && x.a == leaf_id) return false;
  }
  for (int s = 0; s < sched.count; ++s)
    for (int r = 0; r < sched.stages[s].root_count; ++r) {
      const int root = sched.roots[sched.stages[s].first_root + r];
      for (int i = 0; i < P::size; ++i)
        if (P::at(i).op == code::output && P::at(i).a == root && s < first_write) first_write = s;
      vec<bool> need(P::size, false);
      need[root] = true;
      for (int i = root; i >= 0; --i) {
        if (!need[i] || (i != root && sched.written[i] && sched.maker[i] < s)) continue;
        if (i == leaf_id && sched.stages[s].prologue_of != no_value) return false;  // read while the product is written
        if (i == leaf_id && s > last_read) last_read = s;
        for_operands(P::at(i), view_of<P>.descr(i), [&](uint16 o) { need[o] = true; });
      }
    }
  return last_read <= first_write;
}
template <class P> inline constexpr auto overwritable_of = [] {
  struct { bool v[P::operand_count + 1] = {}; } out;
  for (int k = 0; k < P::operand_count; ++k) out.v[k] = overwritable<P>(k);
  return out;
}();

/// Is P its only operand beside the target's shape, as it is or broadcast? Then which operand?
template <class P> inline constexpr int copied_operand = [] {
  using SP = stage_program<P, 0>;
  if (schedule_of<P>.count != 1 || P::reads_parts || P::result_count != 1 || SP::operand_count != 1 || inputs_of<P, 0>.v[0].kind != input_kind::memory) return -1;
  for (int i = 0; i < SP::size; ++i)
    if (const code op = SP::at(i).op; op != code::leaf && op != code::expand && op != code::output) return -1;
  const instruction x = P::at(inputs_of<P, 0>.v[0].id);
  return x.op == code::leaf ? static_cast<int>(x.a) : -1;
}();
/// y = x, element by element, x broadcast to y's shape. Throws shape_error.
template <class Arch> SINTER_NOINLINE void copy_operand(dtype t, const operand& x, const result& y) {
  shape_value both = y.shape;
  if (!broadcast_into(both, x.shape) || !(both == y.shape)) [[unlikely]]
    fail<shape_error, Arch>("copy_: shapes ", shape_text{x.shape.e, x.shape.rank}, " and ", shape_text{y.shape.e, y.shape.rank}, " do not broadcast");
  int64 strides[max_rank] = {};
  for (int d = 0, lead = y.shape.rank - x.shape.rank; d < x.shape.rank; ++d) strides[lead + d] = x.shape[d] == 1 ? 0 : x.strides[d];
  ++counters().launches;
  counters().bytes += static_cast<uint64>((x.shape.numel() + y.shape.numel()) * size_of(t));
  copy_elements<Arch>(size_of(t), y.shape, x.data, strides, y.data, y.strides);
}

/// Do two handles' elements lie in one storage?
template <class A, class T, class E, class D> bool shares(const leaf<A>& l, const tensor<T, E, D>& y) {
  return tensor_of(l.handle).storage_handle() == y.storage_handle();
}
template <class N, class T, class E, class D> bool shares(const number_operand<N>&, const tensor<T, E, D>&) { return false; }
/// Do they lie across each other in memory, in one storage or in two around the same memory (from_blob)?
template <class A, class B> bool touch(const A& x, const B& y) {
  const auto span = [](const auto& t) {  // lowest and highest byte
    struct { uint64 low, high; } at{address_of(t.data()), address_of(t.data() + 1) - 1};
    for (int d = 0; d < t.rank; ++d) {
      const int64 bytes = (t.sizes()[d] - 1) * t.strides()[d] * static_cast<int64>(sizeof *t.data());
      (bytes < 0 ? at.low : at.high) += static_cast<uint64>(bytes);
    }
    return at;
  };
  const auto a = span(x);
  const auto b = span(y);
  return x.numel() && y.numel() && a.low <= b.high && b.low <= a.high;
}
template <class A, class T, class E, class D> bool touches(const leaf<A>& l, const tensor<T, E, D>& y) { return shares(l, y) || touch(tensor_of(l.handle), y); }
template <class N, class T, class E, class D> bool touches(const number_operand<N>&, const tensor<T, E, D>&) { return false; }
/// Are the operand's elements exactly y's, in the same order?
template <class A, class T, class E, class D> bool same_elements(const leaf<A>& l, const tensor<T, E, D>& y) {
  const auto& x = tensor_of(l.handle);
  if (static_cast<const void*>(x.data()) != y.data() || x.rank != y.rank || dtype_of<typename A::value_type> != dtype_of<T>) return false;
  for (int d = 0; d < y.rank; ++d)
    if (x.sizes()[d] != y.sizes()[d] || (x.sizes()[d] != 1 && x.strides()[d] != y.strides()[d])) return false;
  return true;
}
template <class N, class T, class E, class D> bool same_elements(const number_operand<N>&, const tensor<T, E, D>&) { return false; }
/// May y be written over leaf l, whose operands of P are number k and following?
template <class P, class L, class T, class E, class D> bool may_overwrite(const L& l, int k, const tensor<T, E, D>& y) {
  bool may = same_elements(l, y);
  for (int i = 0; i < L::operand_count; ++i) may = may && overwritable_of<P>.v[k + i];
  return may;
}
template <class T, class E, class D> result result_over(const tensor<T, E, D>& y) {
  result r;
  r.data = reinterpret_cast<char*>(y.data());
  r.shape.rank = y.rank;
  for (int d = 0; d < y.rank; ++d) r.shape[d] = y.sizes()[d], r.strides[d] = y.strides()[d];
  return r;
}

/// y as the results of a program, of which a complex tensor is two; how many.
template <class T, class E, class D> int list_results(const tensor<T, E, D>& y, result* to) {
  to[0] = result_over(y);
  if constexpr (is_complex_element<T>) to[1] = part_of(to[0], dtype_of<T>, 1), to[0] = part_of(to[0], dtype_of<T>, 0);
  return operands_of<T>;
}

/// Several expressions as one program over the shape of the first target, operand 0; each in its target's dtype.
template <class Y, class... X> struct joined_source;
template <class... Y, class... X> struct joined_source<std::tuple<Y...>, X...> {
  template <int Room> static constexpr auto make() {
    graph g;
    cursor c{g};
    const auto shape = leaf<std::tuple_element_t<0, std::tuple<Y...>>>::build(c);
    const std::tuple values{X::build(c)...};
    int results = 0;
    std::apply([&](auto... v) { (add_output(g, expand_as(cast_to<dtype_of<typename Y::value_type>>(v), shape), results), ...); }, values);
    return flatten<Room>(g, c.operands);
  }
};

/// One target of st::update: the tensor and the expression that it becomes.
template <class Y, class X> struct assignment {
  Y target;
  X value;
};

/// Is there an element of y that two indices reach?
template <class T, class E, class D> bool overlaps_itself(const tensor<T, E, D>& y) {
  for (int d = 0; d < y.rank; ++d)
    if (y.sizes()[d] > 1 && y.strides()[d] == 0) return y.numel() > 0;
  return false;
}

template <class Arch, std::size_t... I, class... Y, class... X>
SINTER_HIDDEN void run_update(std::index_sequence<I...>, const assignment<Y, X>&... a) {
  using P = make_program<joined_source<std::tuple<Y...>, X...>>;
  static_assert(complex_fits<P>(), SINTER_REAL_NEEDED);
  static_assert(misuse_of<P>() == misuse::none, "sinter: func: a transform of a function has no result for these arguments; of a tensor initialised by it, the compiler says why");
  using first_type = std::tuple_element_t<0, std::tuple<Y...>>;
  using S = short_way<P, typename first_type::extents_type, typename first_type::value_type, Arch, leaf<first_type>, X...>;
  if constexpr (S::possible) {
    S way;
    int written = 0;
    (way.result(written++, a.target), ...);
    constexpr int counts[] = {operands_of<typename first_type::value_type>, operand_count_of<X>...};
    (for_numbered_leaves<sum_of_first(counts, I + 1)>(a.value, way), ...);
    if (way.run()) return static_cast<void>((a.target.bump_version(), ...));
  }
  bound_operands<P> ops;
  const auto& first = std::get<0>(std::tie(a.target...));
  const leaf like(first);
  bind<Arch>(like, ops);
  const auto same_shape = [&](const auto& y) {
    if (!(result_over(y).shape == result_over(first).shape))
      fail<shape_error, Arch>("update: all targets are written in one pass and need one shape; got ", shape_text{first.sizes().data(), first.rank},
                              " and ", shape_text{y.sizes().data(), y.rank});
  };
  (same_shape(a.target), ...);
  (bind<Arch>(a.value, ops), ...);
  result to[(operands_of<typename Y::value_type> + ...)];
  int results = 0;
  const auto add_results = [&](const auto& y) { results += list_results(y, to + results); };
  (add_results(a.target), ...);
  // where a target's storage is read other than element for element, the value is made aside first
  bool direct[] = {true, (static_cast<void>(a), true)...};
  const auto check = [&](const auto& y, bool& ok) {
    if (overlaps_itself(y)) fail<shape_error, Arch>("cannot write to a tensor of shape ", shape_text{y.sizes().data(), y.rank}, " that reaches an element twice (expanded)");
    int k = 0;
    auto look = [&]<class L>(const L& l) {
      if (k && touches(l, y) && !may_overwrite<P>(l, k, y)) ok = false;
      k += L::operand_count;
    };
    for_leaves(like, look);
    (for_leaves(a.value, look), ...);
  };
  (check(a.target, direct[I + 1]), ...);
  if constexpr (copied_operand<P> > 0)
    if (direct[1]) {
      copy_operand<Arch>(P::at(P::size - 1).type, ops.leaves[copied_operand<P>], to[0]);
      return static_cast<void>((a.target.bump_version(), ...));
    }
  results = 0;
  const auto aside = [&]<class V, class E, class D>(const tensor<V, E, D>&, bool ok) {
    for (int part = 0; part < operands_of<V>; ++part, ++results)
      if (!ok) to[results].data = nullptr;
  };
  (aside(a.target, direct[I + 1]), ...);
  cpu_run(entry_of<P, Arch>, ops.leaves, ops.slots, to).template run<Arch>();
  results = 0;
  const auto finish = [&]<class V, class E, class D>(const tensor<V, E, D>& y, bool ok) {
    result over[operands_of<V>];
    list_results(y, over);
    for (result& r : over) {
      const result& made = to[results++];
      if (!ok) sum_into<Arch>(real_type(dtype_of<V>), made.data, made.shape, made.strides, r.data, r.shape, r.strides, false);
    }
    y.bump_version();
  };
  (finish(a.target, direct[I + 1]), ...);
}

template <class Arch, class T, class E, class D, class X> void write_through(const tensor<T, E, D>& y, X&& x) {
  using H = typename held<X&&>::type;
  constexpr bool read_only = std::is_const_v<T>, records = has_variable<H>::value, loses_parts = is_complex_value<H> && !is_complex_element<T>;
  static_assert(!loses_parts, SINTER_REAL_NEEDED);
  static_assert(!read_only, "sinter: this tensor is read-only, its elements are const: write into a clone() of it");
  static_assert(!records, "sinter: an expression with variables cannot be written into a tensor: name the variable's value with detach()");
  if constexpr (!read_only && !records && !loses_parts)
    run_update<Arch>(std::index_sequence<0>(), assignment<tensor<T, E, D>, H>{y, hold(static_cast<X&&>(x))});
}

/// y = Op(x...) the long way; apart, so that the short one needs no room for it.
template <class Op, class Y, class... X> SINTER_NOINLINE void write_function(const Y& y, const X&... x) { y.copy_(apply<Op>(x...)); }
/// Operand number K of the short way, borrowed.
template <int K, class S, class X> SINTER_INLINE void borrow(S& way, const X& x) {
  if constexpr (number<X>) way.template operator()<K>(number_operand<widest<X>>{static_cast<widest<X>>(x)});
  else way.template add<K>(x, any_version);
}
template <class Op, class Arch, class Y, class... X> SINTER_INLINE bool run_borrowed(const Y& y, const X&... x) {
  using N = applied<Op, const X&...>;
  if constexpr (std::is_const_v<typename Y::element_type> || has_variable<N>::value || (formula<X> || ...)) {
    return false;
  } else {
    using P = make_program<joined_source<std::tuple<Y>, N>>;
    using S = short_way<P, typename Y::extents_type, typename Y::value_type, Arch, leaf<Y>, N>;
    if constexpr (!S::possible) {
      return false;
    } else {
      S way;
      way.result(0, y);
      [&]<std::size_t... I>(std::index_sequence<I...>) { (borrow<static_cast<int>(1 + I)>(way, x), ...); }(std::index_sequence_for<X...>());
      if (!way.ready()) return false;
      y.bump_version();
      way.go();
      return true;
    }
  }
}

}  // namespace detail::inline SINTER_TARGET

template <auto F> template <class Y, class... X> SINTER_INLINE void fn<F>::into(const Y& y, const X&... x) const {
  using Op = composed::function<std::remove_const_t<decltype(F)>>;
  if (!detail::run_borrowed<Op, native>(y, x...)) [[unlikely]] detail::write_function<Op>(y, x...);
}

#define SINTER_NOT_A_TENSOR \
  "sinter: an expression with variables is not a tensor: write `st::variable y = ...`, or detach() its variables"

template <class Op, class... A> tensor(const node<Op, A...>&)
    -> tensor<typename detail::lowered<node<Op, A...>>::value_type, typename detail::lowered<node<Op, A...>>::extents_type>;

template <class V, class E, class D> template <detail::formula X, class Arch> tensor<V, E, D>::tensor(const X& x)
    : tensor([&] {
        detail::lowered<X>::check();
        static_assert(!detail::has_variable<X>::value, SINTER_NOT_A_TENSOR);
        if constexpr (detail::lowered<X>::fits && !detail::has_variable<X>::value) return detail::evaluate_tensor<X, Arch>(x);
        else return tensor();
      }()) {}

template <class V, class E, class D> template <class X, class Arch> requires detail::assignable<X>
const tensor<V, E, D>& tensor<V, E, D>::copy_(X&& x) const {
  detail::write_through<Arch>(*this, static_cast<X&&>(x));
  return *this;
}

template <class V, class E, class D> template <detail::formula X, class Arch> tensor<V, E, D>& tensor<V, E, D>::operator=(X&& x) & {
  using B = std::remove_cvref_t<X>;
  using L = detail::lowered<B>;
  using P = typename L::program;
  L::check();
  static_assert(!detail::has_variable<B>::value, SINTER_NOT_A_TENSOR);
  if constexpr (!L::fits || detail::has_variable<B>::value) return *this;
  if constexpr (!std::is_lvalue_reference_v<X> && std::is_same_v<typename L::value_type, V> && E::rank == L::extents_type::rank) {
    if (owns_all()) {
      detail::bound_operands<P> ops;
      detail::bind<Arch>(x, ops);
      int64 mine = 0;
      int k = 0;
      bool fits = true;
      auto look = [&](const auto& l) {
        if (detail::shares(l, *this)) {
          ++mine;
          fits = fits && detail::may_overwrite<P>(l, k, *this);
        } else {
          fits = fits && !detail::touches(l, *this);
        }
        k += l.operand_count;
      };
      detail::for_leaves(x, look);
      if (mine && fits && use_count() == mine + 1 && detail::result_shape<P>(ops.leaves, ops.slots) == detail::result_over(*this).shape) {
        detail::result r[2];
        detail::list_results(*this, r);
        detail::cpu_run(detail::entry_of<P, Arch>, ops.leaves, ops.slots, r).template run<Arch>();
        bump_version();
        return *this;
      }
    }
  }
  return *this = tensor(detail::evaluate_tensor<B, Arch>(x));
}

#undef SINTER_NOT_A_TENSOR

template <class V, class E, class D> template <class X, class Arch> requires detail::assignable<X> void tensor<V, E, D>::operator=(X&& x) && {
  detail::write_through<Arch>(*this, static_cast<X&&>(x));
}

inline namespace SINTER_TARGET {
#define SINTER_ASSIGN(sign)                                                                                          \
  /** y = y sign x, written through: every handle of y's elements sees it. */                                        \
  template <class V, class E, class D, class X> requires operands<tensor<V, E, D>, X>                                \
  const tensor<V, E, D>& operator sign##=(const tensor<V, E, D>& y, X&& x) {                                         \
    return y.copy_(y sign static_cast<X&&>(x));                                                                      \
  }
SINTER_ASSIGN(+)
SINTER_ASSIGN(-)
SINTER_ASSIGN(*)
SINTER_ASSIGN(/)
#undef SINTER_ASSIGN
}  // namespace SINTER_TARGET

/// `to(y, e)`: for st::update.
template <class T, class E, class D, class X> auto to(const tensor<T, E, D>& y, X&& x) {
  return detail::assignment<tensor<T, E, D>, typename detail::held<X&&>::type>{y, detail::hold(static_cast<X&&>(x))};
}
/// Writes several tensors in one pass over memory: `update(to(m, e1), to(v, e2))`. All values are computed from what
/// the tensors held before. All targets have one shape, to which the values broadcast. Throws shape_error.
template <class... Y, class... X, class Arch = native> void update(const detail::assignment<Y, X>&... a) {
  detail::run_update<Arch>(std::make_index_sequence<sizeof...(Y)>(), a...);
}

}  // namespace sinter::inline v0
