// SPDX-License-Identifier: BSD-3-Clause
// Transforms of functions on symbols: a function is called on arguments of its own, in a graph of its own, that graph is
// transformed, and the result is copied to where the function was called. So transforms nest to any depth, and what
// the arguments are outside does not matter to a derivative. Next: func/func.hpp for what is called.
#pragma once
#include "../expr/complex.hpp"
#include "../expr/forward_mode.hpp"
#include "../expr/vmap.hpp"

namespace sinter::inline v0::func::inline SINTER_TARGET {

/// Which arguments a derivative is by: `grad(f, argnums<0, 2>)`.
template <int... I> struct argnums_t {};
template <int... I> inline constexpr argnums_t<I...> argnums{};
/// grad and its kin: f returns the tuple of its result and something more.
struct has_aux_t {};
inline constexpr has_aux_t has_aux{};
/// An argument without a batch dim.
inline constexpr int none = -2147483647 - 1;
/// The batch dim of each argument, or `none`; one number stands for all arguments: `vmap(f, in_dims<none, 0>)`.
template <int... D> struct in_dims_t {};
template <int... D> inline constexpr in_dims_t<D...> in_dims{};
/// Where the batch dim of each result is; one number stands for all.
template <int... D> struct out_dims_t {};
template <int... D> inline constexpr out_dims_t<D...> out_dims{};
/// What random numbers in a batched function are. https://pytorch.org/docs/stable/generated/torch.func.vmap.html
template <random_kind R> struct randomness_t {};
namespace randomness {
inline constexpr randomness_t<random_kind::error> error{};
inline constexpr randomness_t<random_kind::different> different{};
inline constexpr randomness_t<random_kind::same> same{};
}  // namespace randomness

}  // namespace sinter::inline v0::func::inline SINTER_TARGET

namespace sinter::inline v0::detail::inline SINTER_TARGET {

template <class... Y> constexpr auto pack_results(const std::tuple<Y...>& y) {
  if constexpr (sizeof...(Y) == 1) return std::get<0>(y);
  else return y;
}

/// A function called on arguments of its own. Dims[k], if not `none`, is the batch dim that argument k has outside.
template <class F, class... X> struct traced {
  graph own;
  vec<sym> outer;     ///< the arguments' real values outside; there, batch dims are in front
  vec<uint16> leaf;   ///< and in the graph
  vec<bool> batched;
  misuse fault = misuse::none;
  std::tuple<X...> x;
  decltype(as_symbols(own, std::apply(F{}, x))) y;

  constexpr explicit traced(X... in) : x{enter(in)...}, y(as_symbols(own, std::apply(F{}, x))) {}
  template <int N> constexpr traced(const int (&dims)[N], X... in) : traced(dims, std::make_index_sequence<sizeof...(X)>(), in...) {}
  traced(const traced&) = delete;

  /// A leaf for a value like the outer x.
  constexpr sym enter(sym v, bool with_batch = false) {
    graph::item it = (*v.g)[v.id];
    const int rank = it.ins.rank - with_batch;
    it.ins = graph::make(code::leaf, it.ins.type, rank, leaf.size());
    if (with_batch) it.ones = static_cast<uint8>(it.ones >> 1), it.tag = 0, it.weak = false;
    const sym s = own.add(it);
    leaf.push(s.id), outer.push(v), batched.push(with_batch);
    return s;
  }
  constexpr complex_sym enter(complex_sym v, bool with_batch = false) {
    const sym re = enter(v.re, with_batch);
    return {re, enter(v.im, with_batch)};
  }
  /// A leaf for a value like v, that a transform makes; its dims in `ones` have extent 1.
  constexpr sym enter_like(sym v, uint32 ones) {
    graph::item it = own[v.id];
    it.ins = graph::make(code::leaf, it.ins.type, it.ins.rank, leaf.size());
    it.weak = false, it.ones = static_cast<uint8>(it.ones | ones);
    const sym s = own.add(it);
    leaf.push(s.id), outer.push({}), batched.push(false);
    return s;
  }
  /// x in v's dtype and shape; a value of another rank is a misuse.
  constexpr sym fitted(sym v, sym to) {
    if (rank_of(v) != rank_of(to)) fault = misuse::tangent;
    v = own.cast(v, own.at(to.id).type);
    return fault == misuse::none ? own.expand(v, to) : v;
  }
  /// Copies from here to g, the arguments given.
  constexpr batched_copy copier(graph& g, int dims = 0, bool trailing = false, random_kind random = random_kind::error) const {
    batched_copy c(own, g, dims, trailing, random);
    for (int k = 0; k < leaf.size(); ++k)
      if (!outer[k].none()) c.give(leaf[k], outer[k], batched[k]);
    return c;
  }
  /// The gradients of the values `roots`, given theirs, by argument I, whose shapes they have.
  template <int I> constexpr auto gradient(const vec<uint16>& d) {
    return map_symbols(std::get<I>(x), [&](sym v) {
      if (!is_floating(own.at(v.id).type)) fault = misuse::floating;
      if (d[v.id] == 0xffff) return zero_as(v);
      const sym found = own.at_sym(d[v.id]);
      const instruction& i = own.at(found.id);
      // what is broadcast along a dim of 1 not known to be one is found out here: it is a sum that is not in the program
      return guarded(rank_of(v) == 0 || (i.op == code::expand && i.b == v.id) ? found : own.expand(found, v));
    });
  }
  /// The tangents of the results, given those of all instructions.
  constexpr auto tangents(const vec<uint16>& t) {
    return map_symbols(y, [&](sym v) { return t[v.id] == 0xffff ? zero_as(v) : guarded(own.at_sym(t[v.id])); });
  }
  /// x, which is NaN where an index in the function is out of bounds: a derivative alone does not ask.
  constexpr sym guarded(sym v) {
    if (!looked_) {
      looked_ = true;
      for (int i = own.size() - 1; i >= 0; --i) {
        if (!own.at(i).is_op() || !own.descr(i)->info.bounds) continue;
        const sym in = own.at_sym(i), sum = sum_sym(apply_sym<op::where>(in, 0.0, __builtin_nan("")), all_axes(in));
        const sym any = own.squeeze(sum, all_axes(in));
        out_of_bounds_ = out_of_bounds_.none() ? any : apply_sym<op::add>(out_of_bounds_, any);
      }
    }
    return out_of_bounds_.none() ? v : apply_sym<op::add>(v, own.cast(out_of_bounds_, own.at(v.id).type));
  }
  template <int... I> constexpr vec<uint16> pull(const vec<uint16>& roots, const vec<uint16>& seeds) {
    vec<bool> wanted(own.size(), false);
    (map_symbols(std::get<I>(x), [&](sym v) { return wanted[v.id] = true, v; }), ...);
    return adjoint(own, roots, seeds, wanted);
  }

 private:
  bool looked_ = false;
  sym out_of_bounds_;
  template <int N, std::size_t... K> constexpr traced(const int (&dims)[N], std::index_sequence<K...>, X... in)
      : x{batch_argument(in, dims[N == 1 ? 0 : K])...}, y(as_symbols(own, std::apply(F{}, x))) {}
  /// The argument with its batch dim d in front.
  template <class V> constexpr V batch_argument(V v, int d) {
    if (d == func::none) return enter(v);
    return enter(each_symbol(v, [&](sym s) {
      const int rank = rank_of(s), at = d < 0 ? d + rank : d;
      if (at < 0 || at >= rank) return fault = misuse::dim, s.g->unsqueeze(s, {1, 1});
      if (at && rank > 7) return fault = misuse::labels, s;
      return move_dim(s, at, 0);
    }), true);
  }
  template <class V, class M> static constexpr V each_symbol(V v, M f) { return map_symbols(v, f); }
};
/// A structure with the marker of a misuse instead of values.
template <class Y> constexpr Y misused_result(graph& g, const Y& y, misuse why) {
  const sym mark = misused(g, why);
  return map_symbols(y, [&](sym) { return mark; });
}
/// Values of a traced function where it was called.
template <class Y> constexpr Y copied_result(graph& g, batched_copy& c, const Y& y, misuse fault) {
  if (fault != misuse::none) return misused_result(g, y, fault);
  const Y out = map_symbols(y, [&](sym x) { return c.batched_value(x.id); });
  return c.fault() == misuse::none ? out : misused_result(g, y, c.fault());
}

/// 1 where the dims of y in `kept` have the position that as many dims more, in front or behind, have; else 0.
constexpr sym one_hot(sym y, uint32 kept, bool trailing) {
  graph& g = *y.g;
  const int rank = rank_of(y), more = count_bits(kept);
  const auto mask = [](int first, int n) { return axes{((1u << n) - 1) << first, n}; };
  const sym like = g.index(y, {0, 0});
  const uint32 dropped = ((1u << rank) - 1) & ~kept;
  sym positions = g.squeeze(like, mask_axes(dropped)), elements = like;
  if (trailing) elements = g.unsqueeze(like, mask(rank, more));
  else positions = g.unsqueeze(positions, mask(more, rank));
  const sym both = joint_shape(positions, elements);
  const sym of = g.index(both, mask(trailing ? rank : 0, more)), at = g.index(both, mask(trailing ? 0 : more, rank));
  return g.cast(apply_sym<op::eq>(of, at), g.at(y.id).type);
}
/// 1 everywhere.
constexpr sym one_as(sym x) {
  const sym one = x.g->literal(1, x.g->at(x.id).type, false);
  return rank_of(x) ? x.g->expand(one, x) : one;
}
/// Dims of instruction v not known to be 1. Products are looked through, too: a graph does not follow their labels.
constexpr uint32 wide_dims(const graph& g, int v) {
  vec<uint32> wide;
  for (int i = 0; i <= v; ++i) {
    const instruction x = g.at(i);
    uint32 ones = g[i].ones, any = 0;
    if (x.op == code::cast || x.op == code::roll) ones |= ~wide[x.a];
    if (x.op == code::expand) ones |= ~wide[x.b];
    if (x.op == code::contract) {
      const contraction s = contraction::decode(g.pool()[x.c]);
      for (int k = 0; k < s.rank_c; ++k) {
        for (int d = 0; d < s.rank_a; ++d) ones |= static_cast<uint32>(s.a(d) == s.c(k) && !(wide[x.a] >> d & 1)) << k;
        for (int d = 0; d < s.rank_b; ++d) ones |= static_cast<uint32>(s.b(d) == s.c(k) && !(wide[x.b] >> d & 1)) << k;
      }
    }
    if (x.is_op()) {
      for_operands(x, g.descr(i)->arity, [&](uint16 o) { any |= wide[o] << (x.rank - g.at(o).rank); });
      ones |= ~any;
    }
    wide.push(((1u << x.rank) - 1) & ~ones);
  }
  return wide[v];
}

template <class X> shape_value shape_of(const X& x) {
  shape_value s;
  s.rank = X::rank;
  for (int d = 0; d < X::rank; ++d) s[d] = x.sizes()[d];
  return s;
}
/// What has no gradient or is one, of a function's result: all of it, or beside what else it returns.
template <bool Aux, class Y> constexpr auto loss_of(const Y& y) {
  if constexpr (Aux) {
    static_assert(is_tuple<Y> && std::tuple_size_v<Y> == 2, "sinter: func: with has_aux the function returns the tuple of its result and one thing more, which may be a tuple");
    return std::get<0>(y);
  } else {
    return y;
  }
}
/// Argument number n of a function of `count`, from the end if it is negative; 0 if there is none.
constexpr int argument_number(int n, std::size_t count) {
  const int c = static_cast<int>(count), at = n < 0 ? n + c : n;
  return at < 0 || at >= c ? 0 : at;
}
constexpr bool has_argument(int n, std::size_t count) { return n < static_cast<int>(count) && n >= -static_cast<int>(count); }
/// How many elements an argument has along its dims, where it is a tensor or a variable: those of expressions are known later.
template <class X> concept has_sizes = requires(const X& x) { x.sizes(); x.handle(); };
/// Throws shape_error for a tangent of another shape than its value.
template <class X, class T> void check_same_shape(const char* who, int i, const X& x, const T& t) {
  if constexpr (has_sizes<X> && has_sizes<T>)
    if (shape_value a = shape_of(x), b = shape_of(t); !(a == b))
      fail<shape_error>(who, ": value ", i, " has shape ", shape_text{a.e, a.rank}, ", its tangent ", shape_text{b.e, b.rank});
}

}  // namespace sinter::inline v0::detail::inline SINTER_TARGET

namespace sinter::inline v0::func::inline SINTER_TARGET {
namespace detail {
using namespace sinter::detail;

enum class with_value : uint8 { no, after, before };

/// The gradients of f's result by arguments N; beside them what else f returns, and its result.
template <class F, class Args, bool Aux, with_value Value> struct gradient_of;
template <class F, int... N, bool Aux, with_value Value> struct gradient_of<F, argnums_t<N...>, Aux, Value> {
  static constexpr const char* name = "grad";
  static constexpr bool takes(std::size_t count) { return (has_argument(N, count) && ...); }
  template <class... X> static constexpr auto on(X... in) {
    return by<argument_number(N, sizeof...(X))...>(in...);
  }

 private:
  template <int... I, class... X> static constexpr auto by(X... in) {
    graph& g = common_graph(in...);
    traced<F, X...> f(in...);
    const auto loss = loss_of<Aux>(f.y);
    vec<sym> value;
    list_symbols(loss, value);
    const instruction i = f.own.at(value[0].id);
    if (i.rank > 0) f.fault = misuse::scalar;
    if (!same<decltype(loss), const sym> || !is_floating(i.type)) f.fault = misuse::floating;
    vec<uint16> roots, seeds;
    roots.push(value[0].id), seeds.push(f.own.literal(1, i.type, false).id);
    const vec<uint16> d = f.template pull<I...>(roots, seeds);
    const auto gradients = pack_results(std::make_tuple(f.template gradient<I>(d)...));
    batched_copy c = f.copier(g);
    const auto finish = [&](const auto& result) { return copied_result(g, c, result, f.fault); };
    if constexpr (Value == with_value::after) return finish(std::make_tuple(gradients, f.y));
    else if constexpr (Value == with_value::before) return finish(std::make_tuple(f.y, gradients));
    else if constexpr (Aux) return finish(std::make_tuple(gradients, std::get<1>(f.y)));
    else return finish(gradients);
  }
};

/// f's result and its tangent, of N arguments and their tangents.
template <class F, std::size_t N> struct pushforward {
  static constexpr const char* name = "jvp";
  template <class... X> static constexpr auto on(X... in) {
    static_assert(sizeof...(X) == 2 * N, "sinter: func::jvp: one tangent for each primal");
    return split(std::make_tuple(in...), std::make_index_sequence<N>());
  }
  /// Throws shape_error where a tangent has not its value's shape.
  template <class... X> static void check(const X&... x) {
    const auto all = std::tie(x...);
    [&]<std::size_t... I>(std::index_sequence<I...>) {
      (check_same_shape("jvp", static_cast<int>(I), std::get<I>(all), std::get<N + I>(all)), ...);
    }(std::make_index_sequence<N>());
  }

 private:
  template <class... X, std::size_t... I> static constexpr auto split(std::tuple<X...> in, std::index_sequence<I...>) {
    graph& g = common_graph(std::get<I>(in)...);
    traced<F, std::tuple_element_t<I, std::tuple<X...>>...> f(std::get<I>(in)...);
    vec<uint16> primals, seeds;
    const auto add = [&]<class P, class T>(P x, T tangent) {
      vec<sym> xs, ts;
      list_symbols(x, xs), list_symbols(f.enter(tangent), ts);
      if (!same<P, T>) f.fault = misuse::tangent;
      for (int k = 0; k < xs.size() && k < ts.size(); ++k) {
        if (!is_floating(f.own.at(xs[k].id).type)) f.fault = misuse::floating;
        primals.push(xs[k].id), seeds.push(f.fitted(ts[k], xs[k]).id);
      }
    };
    (add(std::get<I>(f.x), std::get<N + I>(in)), ...);
    const vec<uint16> t = forward_mode(f.own, primals, seeds);
    const auto tangent = f.tangents(t);
    batched_copy c = f.copier(g);
    return copied_result(g, c, std::make_tuple(f.y, tangent), f.fault);
  }
};
/// One of the results of T.
template <class T, std::size_t I> struct element_of {
  static constexpr const char* name = T::name;
  template <class... X> static constexpr auto on(X... in) { return std::get<I>(T::on(in...)); }
};

/// The gradients of N arguments, of them and a cotangent for each of f's results.
template <class F, std::size_t N> struct pullback {
  static constexpr const char* name = "vjp";
  template <class... X> static constexpr auto on(X... in) {
    return split(std::make_tuple(in...), std::make_index_sequence<N>(), std::make_index_sequence<sizeof...(X) - N>());
  }

 private:
  template <class... X, std::size_t... I, std::size_t... C>
  static constexpr auto split(std::tuple<X...> in, std::index_sequence<I...>, std::index_sequence<C...>) {
    graph& g = common_graph(std::get<I>(in)...);
    traced<F, std::tuple_element_t<I, std::tuple<X...>>...> f(std::get<I>(in)...);
    vec<sym> ys, cts;
    list_symbols(f.y, ys);
    (list_symbols(f.enter(std::get<N + C>(in)), cts), ...);
    vec<uint16> roots, seeds;
    if (ys.size() != cts.size()) f.fault = misuse::tangent;
    for (int k = 0; k < ys.size() && k < cts.size(); ++k) {
      if (!is_floating(f.own.at(ys[k].id).type)) continue;
      roots.push(ys[k].id), seeds.push(f.fitted(cts[k], ys[k]).id);
    }
    const vec<uint16> d = f.template pull<static_cast<int>(I)...>(roots, seeds);
    const auto gradients = pack_results(std::make_tuple(f.template gradient<static_cast<int>(I)>(d)...));
    batched_copy c = f.copier(g);
    return copied_result(g, c, gradients, f.fault);
  }
};

/// Result I of F.
template <class F, std::size_t I> struct result_of_function {
  template <class... X> constexpr auto operator()(X... x) const { return std::get<I>(F{}(x...)); }
};

/// dy/dx by reverse mode: the gradient of each element of y, all as one batch whose dims are y's. Of several results: each one's.
template <class F, class Args> struct reverse_jacobian;
template <class F, int... N> struct reverse_jacobian<F, argnums_t<N...>> {
  static constexpr const char* name = "jacrev";
  static constexpr bool takes(std::size_t count) { return (has_argument(N, count) && ...); }
  template <class... X> static constexpr auto on(X... in) {
    using Y = decltype(std::declval<traced<F, X...>&>().y);
    if constexpr (is_tuple<Y>) {
      return [&]<std::size_t... I>(std::index_sequence<I...>) {
        return std::make_tuple(reverse_jacobian<result_of_function<F, I>, argnums_t<N...>>::on(in...)...);
      }(std::make_index_sequence<std::tuple_size_v<Y>>());
    } else {
      return of_one<argument_number(N, sizeof...(X))...>(in...);
    }
  }

 private:
  template <int... I, class... X> static constexpr auto of_one(X... in) {
    graph& g = common_graph(in...);
    traced<F, X...> f(in...);
    vec<sym> ys;
    list_symbols(f.y, ys);
    const sym y = ys[0];
    const int rank = rank_of(y);
    const uint32 all = (1u << rank) - 1, wide = wide_dims(f.own, y.id);
    const int dims = count_bits(wide);
    if (!same<decltype(f.y), sym> || !is_floating(f.own.at(y.id).type)) f.fault = misuse::floating;
    if (rank + dims > max_rank) f.fault = misuse::rank;
    const sym seed = dims ? f.enter_like(y, all & ~wide) : one_as(y);
    vec<uint16> roots, seeds;
    roots.push(y.id), seeds.push(seed.id);
    const vec<uint16> d = f.template pull<I...>(roots, seeds);
    const auto gradients = pack_results(std::make_tuple(f.template gradient<I>(d)...));
    if (f.fault != misuse::none) return misused_result(g, gradients, f.fault);
    batched_copy c = f.copier(g, dims);
    if (dims) c.give_one_hot(seed.id, one_hot(c.value(y.id), wide, false), wide);
    const auto jacobian = copied_result(g, c, gradients, misuse::none);
    bool fits = true;
    map_symbols(jacobian, [&](sym v) { return fits = fits && rank_of(v) + rank - dims <= max_rank, v; });
    if (!fits) return misused_result(g, jacobian, misuse::rank);
    if (c.fault() != misuse::none) return jacobian;
    return map_symbols(jacobian, [&](sym v) { return g.unsqueeze(v, mask_axes(all & ~wide)); });
  }
};

/// dy/dx by forward mode: the tangent of y for each element of x, all as one batch whose dims, x's, are behind y's.
template <class F, class Args> struct forward_jacobian;
template <class F, int... N> struct forward_jacobian<F, argnums_t<N...>> {
  static constexpr const char* name = "jacfwd";
  static constexpr bool takes(std::size_t count) { return (has_argument(N, count) && ...); }
  template <class... X> static constexpr auto on(X... in) {
    if constexpr (sizeof...(N) == 1) return (by<argument_number(N, sizeof...(X))>(in...), ...);
    else return of_each_result(by<argument_number(N, sizeof...(X))>(in...)...);
  }

 private:
  /// From what there is by each argument, for each result, what there is for each result, by each argument.
  template <class Y, class... More> static constexpr auto of_each_result(const Y& first, const More&... more) {
    if constexpr (is_tuple<Y>)
      return [&]<std::size_t... I>(std::index_sequence<I...>) {
        const auto one = [&]<std::size_t K>(std::integral_constant<std::size_t, K>) { return of_each_result(std::get<K>(first), std::get<K>(more)...); };
        return std::make_tuple(one(std::integral_constant<std::size_t, I>())...);
      }(std::make_index_sequence<std::tuple_size_v<Y>>());
    else return std::make_tuple(first, more...);
  }
  template <int I, class... X> static constexpr auto by(X... in) {
    graph& g = common_graph(in...);
    traced<F, X...> f(in...);
    vec<sym> xs;
    list_symbols(std::get<I>(f.x), xs);
    const sym x = xs[0];
    const int rank = rank_of(x);
    const uint32 all = (1u << rank) - 1, wide = wide_dims(f.own, x.id);
    const int dims = count_bits(wide);
    if (xs.size() > 1 || !is_floating(f.own.at(x.id).type)) f.fault = misuse::floating;
    map_symbols(f.y, [&](sym y) { return f.fault = rank + dims > max_rank || rank_of(y) + rank > max_rank ? misuse::rank : f.fault, y; });
    if (f.fault != misuse::none) return misused_result(g, f.y, f.fault);
    const sym seed = dims ? f.enter_like(x, all & ~wide) : one_as(x);
    vec<uint16> primals, seeds;
    primals.push(x.id), seeds.push(seed.id);
    const vec<uint16> t = forward_mode(f.own, primals, seeds);
    const auto tangent = f.tangents(t);
    batched_copy c = f.copier(g, dims, true);
    if (dims) c.give_one_hot(seed.id, one_hot(c.value(x.id), wide, true), wide);
    const auto jacobian = copied_result(g, c, tangent, misuse::none);
    if (c.fault() != misuse::none) return jacobian;
    return map_symbols(jacobian, [&](sym v) {
      const int of_y = rank_of(v) - dims;
      return g.unsqueeze(v, mask_axes((all & ~wide) << of_y));
    });
  }
};

/// f of each sample of a batch.
template <class F, class In, class Out, random_kind R> struct mapped;
template <class F, int... D, int... O, random_kind R> struct mapped<F, in_dims_t<D...>, out_dims_t<O...>, R> {
  static constexpr const char* name = "vmap";
  template <class... X> static constexpr auto on(X... in) {
    static_assert(sizeof...(D) == 1 || sizeof...(D) == sizeof...(X), "sinter: func::vmap: in_dims has one number for each argument, or one for all");
    static_assert(((D != none) || ...), "sinter: func::vmap: at least one of in_dims is a dim");
    graph& g = common_graph(in...);
    constexpr int dims[] = {D...};
    traced<F, X...> f(dims, in...);
    if (f.fault != misuse::none) return misused_result(g, f.y, f.fault);
    batched_copy c = f.copier(g, 1, false, R);
    return placed(g, copied_result(g, c, f.y, misuse::none), c.fault());
  }
  /// Throws shape_error where arguments have batches of different sizes.
  template <class... X> static void check(const X&... x) {
    constexpr int dims[] = {D...};
    int64 batch = -1;
    int i = 0, of = 0;
    const auto one = [&]<class A>(const A& a) {
      const int d = dims[sizeof...(D) == 1 ? 0 : i];
      if constexpr (has_sizes<A>)
        if (const int at = d < 0 ? d + A::rank : d; d != none && at >= 0 && at < A::rank) {
          if (batch < 0) batch = a.sizes()[at], of = i;
          else if (a.sizes()[at] != batch) fail<shape_error>("vmap: argument ", of, " is a batch of ", batch, ", argument ", i, " of ", a.sizes()[at]);
        }
      ++i;
    };
    (one(x), ...);
  }

 private:
  static constexpr int to[sizeof...(O)] = {O...};
  template <class Y> static constexpr Y placed(graph& g, const Y& y, misuse fault) {
    if (fault != misuse::none) return y;
    if constexpr (is_tuple<Y>) {
      static_assert(sizeof...(O) == 1 || sizeof...(O) == std::tuple_size_v<Y>, "sinter: func::vmap: out_dims has one number for each result, or one for all");
      return [&]<std::size_t... I>(std::index_sequence<I...>) { return Y{moved(g, std::get<I>(y), to[sizeof...(O) == 1 ? 0 : I])...}; }(
          std::make_index_sequence<std::tuple_size_v<Y>>());
    } else {
      return moved(g, y, to[0]);
    }
  }
  template <class Y> static constexpr Y moved(graph& g, const Y& y, int d) {
    return map_symbols(y, [&](sym x) {
      const int rank = rank_of(x), at = d < 0 ? d + rank : d;
      if (at < 0 || at >= rank) return misused(g, misuse::dim);
      if (at && rank > 7) return misused(g, misuse::labels);
      return move_dim(x, 0, at);
    });
  }
};

}  // namespace detail
}  // namespace sinter::inline v0::func::inline SINTER_TARGET
