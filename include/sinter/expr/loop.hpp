// SPDX-License-Identifier: BSD-3-Clause
// Loops inside programs: st::scan on symbols builds a body, a graph of its own, and one instruction that runs it. Next:
// expr/derive.hpp for the adjoint of a loop, which is a loop, cpu/scan.hpp and cpu/interpret.hpp for how it runs.
#pragma once
#include "misuse.hpp"
#include "program.hpp"
#include "structure.hpp"

namespace sinter::inline v0 {

/// `scan(f, init, steps(200))`: 200 steps; the step's number takes the place of the stacked operand's slice.
constexpr step_count steps(int64 n) { return {{n < 2147483648 ? static_cast<int32>(n) : -1}}; }

/// Stacked operands from the last slice to the first.
template <class X> struct reversed_operands {
  X value;
};
/// `scan(f, init, reversed(xs))`: from the last slice to the first; slices of the stacked result lie where those of xs do.
template <class X> constexpr reversed_operands<X> reversed(X xs) { return {xs}; }

/// Steps of which the adjoint keeps the carry of every `Every`-th one only, and computes those between again.
template <int Every, class X> struct checkpointed_steps {
  X steps;
};
/// `scan(f, init, checkpointed<16>(steps(n)))`: for the gradient, n / 16 + 16 carries are kept instead of n, and each step is computed
/// once more. f returns the carry alone.
template <int Every, class X> constexpr checkpointed_steps<Every, X> checkpointed(X steps) {
  static_assert(Every > 0, "sinter: checkpointed: a positive number of steps");
  return {steps};
}

namespace detail::inline SINTER_TARGET {

/// The same structure of other symbols.
template <class T> struct structure {
  template <class F> static constexpr sym of(F& next) { return next(); }
};
template <class T> requires(same<T, complex_sym> || complex_scalar<T>) struct structure<T> {
  template <class F> static constexpr complex_sym of(F& next) {
    const sym re = next();
    return {re, next()};
  }
};
template <class... A> struct structure<std::tuple<A...>> {
  template <class F> static constexpr auto of(F& next) { return std::tuple<decltype(structure<A>::of(next))...>{structure<A>::of(next)...}; }
};
template <class A, class B> struct structure<std::pair<A, B>> {
  template <class F> static constexpr auto of(F& next) {
    const auto first = structure<A>::of(next);
    return std::pair(first, structure<B>::of(next));
  }
};

/// The symbols that a value or structure of values stands for.
template <class T> using symbols_like = decltype(structure<bare<T>>::of(std::declval<sym (&)()>()));
/// A structure like C of marks: a step did not return one.
template <class C> constexpr auto other_structure(graph& g) {
  auto mark = [&] { return misused(g, misuse::step); };
  return structure<C>::of(mark);
}
/// What a step returned, as the carried values of a loop: in their dtypes.
constexpr void output_carries(graph& body, const vec<sym>& next, const vec<dtype>& types) {
  for (int i = 0; i < next.size(); ++i) {
    const bool loses = is_floating(body.at(next[i].id).type) && !is_floating(types[i]) && !body[next[i].id].weak;
    body.output(body.cast(loses ? misused(body, misuse::carry) : next[i], types[i]), i);
  }
}

template <class T> inline constexpr bool counts_steps = same<T, step_count> || same<T, axes>;

/// The words of a body: its counts and its program, whose ops get g's numbers. For graph::loop.
constexpr int add_body(graph& g, const loop_body& counts, const graph& body) {
  vec<const op_descr*> ops;
  const vec<uint64> program = words_of(body, counts.operand_count() + 1, ops);
  vec<uint64> run(1, counts.encode());
  for (int i = 0; i < program.size(); ++i) run.push(program[i]);
  renumber_ops(&run[0], [&](int op) { return g.op_number(ops[op]); });
  return g.pool(run);
}
/// The body of loop i of g as a graph; of a branch or a while_loop also the second one.
constexpr graph body_of(const graph& g, int i, bool second = false) {
  vec<const op_descr*> ops = g.ops();
  ops.push(nullptr);
  return program_view{&g.pool()[(second ? g.at(i).c : g.at(i).b) + 1], &ops[0]}.restore();
}
constexpr sym list_of(graph& g, const vec<sym>& operands) {
  sym list;
  for (int i = operands.size() - 1; i >= 0; --i) list = g.list(operands[i], list);
  return list;
}

/// f of the operands of a body, of which the first is number `first`: constants of g, in the structures K.
template <class F, class... K, class... C> constexpr auto call_with_constants(const graph& g, graph& body, const vec<sym>& constants, int first, F f, std::tuple<K...>, C... before) {
  int number = 0;
  [[maybe_unused]] auto constant = [&] {
    const int i = number++;
    return body.constant(g, constants[i], first + i);
  };
  const std::tuple k{structure<K>::of(constant)...};
  return std::apply([&](auto... each) { return f(before..., each...); }, k);
}

/// Carried values that are numbers (`weak`) take the dtypes that a step makes of them; one may follow from another.
template <class F> constexpr void find_types(graph& g, vec<sym>& carried, vec<dtype>& types, const vec<bool>& weak, F step) {
  bool changed = false;
  for (int i = 0; i < weak.size(); ++i) changed = changed || weak[i];
  for (int round = 0; changed && round <= weak.size(); ++round) {
    changed = false;
    graph trial;
    vec<sym> made;
    list_symbols(trial, made, step(trial));
    for (int i = 0; i < weak.size(); ++i) {
      const dtype t = trial.at(made[i].id).type;
      if (!weak[i] || (t == types[i] && !g[carried[i].id].weak)) continue;
      changed = changed || t != types[i];
      types[i] = t, carried[i] = g.cast(carried[i], t);
    }
  }
}

/// The body of a scan of function f, and its operands in g.
template <class F, class C, class X, class... K> class scan_builder {
 public:
  constexpr scan_builder(graph& g, F f, C init, X xs, K... constants) : g_(g) {
    list_symbols(g, carried_, init);
    if constexpr (!counts_steps<X>) list_symbols(g, stacked_, xs);
    (list_symbols(g, constants_, constants), ...);
    for (int i = 0; i < carried_.size(); ++i) types_.push(g.at(carried_[i].id).type);
    vec<bool> weak;
    for (int i = 0; i < carried_.size(); ++i) weak.push(g[carried_[i].id].weak);
    const auto step = [&](graph& trial) { return carry_of(run(trial, f, init, xs, constants...)); };
    if constexpr (fits()) find_types(g, carried_, types_, weak, step);
  }
  /// Elements as f gives them: the carried value, or a pair of it and the stacked slices.
  constexpr auto loop(F f, C init, X xs, K... constants, scan_mode mode, bool recompute = false) {
    if constexpr (fits()) return fitting_loop(f, init, xs, constants..., mode, recompute);
    else return other_structure<C>(g_);
  }

 private:
  constexpr auto fitting_loop(F f, C init, X xs, K... constants, scan_mode mode, bool recompute) {
    graph body;
    const auto made = run(body, f, init, xs, constants...);
    using R = decltype(made);
    vec<sym> next, slices;
    list_symbols(body, next, carry_of(made));
    if constexpr (is_pair<bare<R>>) list_symbols(body, slices, made.second);
    loop_body counts;
    counts.carries = static_cast<uint16>(carried_.size()), counts.stacked = static_cast<uint16>(stacked_.size());
    counts.constants = static_cast<uint16>(constants_.size() + lifted_.size()), counts.slices = static_cast<uint16>(slices.size());
    counts.recompute = recompute;
    body.move_scalar(bad_dims, counts.operand_count());
    output_carries(body, next, types_);
    for (int i = 0; i < slices.size(); ++i) body.output(slices[i], next.size() + i);
    vec<sym> operands = carried_;
    for (int i = 0; i < stacked_.size(); ++i) operands.push(stacked_[i]);
    for (int i = 0; i < constants_.size(); ++i) operands.push(constants_[i]);
    for (int i = 0; i < lifted_.size(); ++i) operands.push(lifted_[i]);
    const sym scan = g_.loop(code::scan, list_of(g_, operands), add_body(g_, counts, body), mode.encode());
    int number = 0;
    auto carry = [&] {
      const int i = number++;
      return g_.element(scan, {loop_output::carry, static_cast<uint16>(i)}, types_[i], g_.at(carried_[i].id).rank);
    };
    const auto last = structure<C>::of(carry);
    if constexpr (is_pair<bare<R>>) {
      number = 0;
      auto slice = [&] {
        const int i = number++;
        const instruction& x = body.at(slices[i].id);
        return g_.element(scan, {loop_output::slice, static_cast<uint16>(i)}, x.type, x.rank + 1);
      };
      return std::pair(last, structure<bare<decltype(made.second)>>::of(slice));
    } else {
      return last;
    }
  }
  /// Is what a step returns, or the first of a pair, of the structure that is carried?
  static constexpr bool fits() {
    using R = decltype(std::declval<scan_builder&>().run(std::declval<graph&>(), std::declval<F>(), std::declval<C>(), std::declval<X>(), std::declval<K>()...));
    return same<symbols_like<decltype(carry_of(std::declval<R>()))>, symbols_like<C>>;
  }
  template <class R> static constexpr auto carry_of(const R& made) {
    if constexpr (is_pair<R>) return made.first;
    else return made;
  }
  constexpr auto run(graph& body, F f, C, X xs, K... constants) {
    lifted_ = {};
    body.lift_from(g_, lifted_, carried_.size() + stacked_.size() + constants_.size());
    int number = 0;
    auto carry = [&] {
      const int i = number++;
      const graph::item& it = g_[carried_[i].id];
      graph::item leaf{graph::make(code::leaf, types_[i], it.ins.rank, i)};
      leaf.ones = it.ones, leaf.weak = it.weak;
      return body.add(leaf);
    };
    const auto c = structure<C>::of(carry);
    auto slice = [&] {
      const int i = number++;
      const graph::item& it = g_[stacked_[i - carried_.size()].id];
      return body.leaf(i, it.ins.type, it.ins.rank - 1, static_cast<uint32>(it.ones) >> 1);
    };
    const auto x = [&] {
      if constexpr (counts_steps<X>) {
        return body.scalar(bad_dims, dtype::i64);  // a number of its own, when all operands are known
      } else {
        (void)xs;
        return structure<X>::of(slice);
      }
    }();
    return call_with_constants(g_, body, constants_, carried_.size() + stacked_.size(), f, std::tuple<K...>(constants...), c, x);
  }

  graph& g_;
  vec<sym> carried_, stacked_, constants_, lifted_;
  vec<dtype> types_;
};

constexpr graph* graph_around(sym s) { return s.g; }
constexpr graph* graph_around(complex_sym s) { return s.re.g; }
template <class T> constexpr graph* graph_around(const T&) { return nullptr; }
template <class X> constexpr graph* graph_around(const reversed_operands<X>& x) { return graph_around(x.value); }
template <class... A> constexpr graph* graph_around(const std::tuple<A...>& all) {
  graph* g = nullptr;
  std::apply([&](const auto&... a) { ((g = g ? g : graph_around(a)), ...); }, all);
  return g;
}
template <class T> inline constexpr bool has_symbol = symbol<T>;
template <class X> inline constexpr bool has_symbol<reversed_operands<X>> = has_symbol<X>;
template <class... A> inline constexpr bool has_symbol<std::tuple<A...>> = (has_symbol<A> || ...);
template <class... A> inline constexpr bool has_symbols = (has_symbol<A> || ...);
/// The graph of the innermost body that one of the values belongs to.
template <class... A> constexpr graph& innermost(const A&... a) {
  graph* g = nullptr;
  const auto look = [&](graph* of) {
    if (of && (!g || of->depth() > g->depth())) g = of;
  };
  (look(graph_around(a)), ...);
  return *g;
}

template <class X> inline constexpr int checkpoint_of = 0;
template <int Every, class X> inline constexpr int checkpoint_of<checkpointed_steps<Every, X>> = Every;

template <class F, class C, class X, class... K> constexpr auto scan_symbols(graph& g, F f, C init, X xs, K... constants);
/// Steps in groups of Every: a loop over whole groups, each a loop, and one over the rest. The step's number is carried along.
template <int Every, class F, class C, class X, class... K> constexpr auto scan_groups(graph& g, F f, C init, X xs, K... constants) {
  const auto step = [f](auto c, auto, auto... k) {
    const auto [carry, number] = c;
    const auto next = f(carry, number, k...);
    static_assert(!is_pair<bare<decltype(next)>>, "sinter: the function of a checkpointed scan returns its carry alone");
    return std::tuple(next, number + 1);
  };
  const auto group = [step](auto c, auto, auto... k) {
    return scan_symbols(innermost(std::get<1>(c)), step, c, steps(Every), k...);
  };
  const std::tuple start(init, g.literal(0, dtype::i64, false));
  scan_mode whole, rest;
  if constexpr (same<X, axes>) {
    const uint32 slot = xs.tag - run_time_dims;
    whole = {scan_mode::part, false, static_cast<uint16>(g.pool(scan_mode::part_word(slot, Every, false)))};
    rest = {scan_mode::part, false, static_cast<uint16>(g.pool(scan_mode::part_word(slot, Every, true)))};
  } else {
    const int64 n = xs.v[0];
    whole = {scan_mode::literal, false, static_cast<uint16>(g.pool(static_cast<uint64>(n < 0 ? n : n / Every)))};
    rest = {scan_mode::literal, false, static_cast<uint16>(g.pool(static_cast<uint64>(n < 0 ? n : n % Every)))};
  }
  using S = std::tuple<C, sym>;
  scan_builder<bare<decltype(group)>, S, X, K...> groups(g, group, start, xs, constants...);
  const auto middle = groups.loop(group, start, xs, constants..., whole, true);
  scan_builder<bare<decltype(step)>, bare<decltype(middle)>, X, K...> last(g, step, middle, xs, constants...);
  return std::get<0>(last.loop(step, middle, xs, constants..., rest));
}
template <class F, class C, class X, class... K> constexpr auto scan_in_order(graph& g, bool reverse, F f, C init, X xs, K... constants) {
  scan_builder<F, C, X, K...> b(g, f, init, xs, constants...);
  scan_mode mode{scan_mode::of_stacked, reverse, 0};
  if constexpr (same<X, step_count>) mode = {scan_mode::literal, reverse, static_cast<uint16>(g.pool(static_cast<uint64>(static_cast<int64>(xs.v[0]))))};
  if constexpr (same<X, axes>) mode = {scan_mode::slot, reverse, static_cast<uint16>(xs.tag - run_time_dims)};
  return b.loop(f, init, xs, constants..., mode);
}
template <class F, class C, class X, class... K> constexpr auto scan_symbols(graph& g, F f, C init, X xs, K... constants) {
  if constexpr (checkpoint_of<X> > 0) {
    static_assert(counts_steps<decltype(xs.steps)>, "sinter: checkpointed is of a number of steps: scan(f, init, checkpointed<16>(steps(n)), xs), and f takes slices of xs itself");
    if constexpr (!counts_steps<decltype(xs.steps)>) return init;
    else return scan_groups<checkpoint_of<X>>(g, f, init, xs.steps, constants...);
  } else if constexpr (requires { xs.value; }) {
    return scan_in_order(g, true, f, init, xs.value, constants...);
  } else {
    return scan_in_order(g, false, f, init, xs, constants...);
  }
}

/// One of two bodies.
template <class P, class F, class G, class... K> constexpr auto cond_symbols(graph& g, P truth, F f, G other, K... constants) {
  vec<sym> operands, lifted;
  list_symbols(g, operands, truth);
  vec<sym> given;
  (list_symbols(g, given, constants), ...);
  for (int i = 0; i < given.size(); ++i) operands.push(given[i]);
  graph body[2];
  const int count = operands.size();
  for (graph& b : body) b.lift_from(g, lifted, count);
  const auto first = call_with_constants(g, body[0], given, 1, f, std::tuple<K...>(constants...));
  const auto second = call_with_constants(g, body[1], given, 1, other, std::tuple<K...>(constants...));
  using R = bare<decltype(first)>;
  static_assert(same<R, bare<decltype(second)>>, "sinter: the two branches of a cond return different kinds of values");
  vec<sym> results[2];
  list_symbols(body[0], results[0], first), list_symbols(body[1], results[1], second);
  loop_body counts;
  counts.constants = static_cast<uint16>(count + lifted.size()), counts.sums = static_cast<uint16>(results[0].size());
  vec<dtype> types;
  for (int r = 0; r < counts.sums; ++r) {
    types.push(promote(body[0].at(results[0][r].id).type, body[1].at(results[1][r].id).type));
    for (int b = 0; b < 2; ++b) body[b].output(body[b].cast(results[b][r], types[r]), r);
  }
  for (int i = 0; i < lifted.size(); ++i) operands.push(lifted[i]);
  const int one = add_body(g, counts, body[0]), two = add_body(g, counts, body[1]);
  const sym branch = g.loop(code::cond, list_of(g, operands), one, two);
  int number = 0;
  auto result = [&] {
    const int r = number++;
    return g.element(branch, {loop_output::sum, static_cast<uint16>(r)}, types[r], body[0].at(results[0][r].id).rank);
  };
  return structure<R>::of(result);
}
/// A loop as long as a body of one bool says, whose step returns what it was given.
template <class W, class F, class C, class... K> constexpr auto fitting_while(graph& g, W goes_on, F f, C init, K... constants) {
  vec<sym> operands, lifted, given;
  list_symbols(g, operands, init);
  const int carries = operands.size();
  (list_symbols(g, given, constants), ...);
  for (int i = 0; i < given.size(); ++i) operands.push(given[i]);
  const int count = operands.size();
  vec<dtype> types;
  for (int i = 0; i < carries; ++i) types.push(g.at(operands[i].id).type);
  const auto carried_by = [&](graph& b) {
    int number = 0;
    b.lift_from(g, lifted, count);
    auto carry = [&] {
      const int i = number++;
      graph::item leaf{graph::make(code::leaf, types[i], g.at(operands[i].id).rank, i)};
      leaf.ones = g[operands[i].id].ones, leaf.weak = g[operands[i].id].weak;
      return b.add(leaf);
    };
    return structure<C>::of(carry);
  };
  const auto step = [&](graph& b) { return call_with_constants(g, b, given, carries, f, std::tuple<K...>(constants...), carried_by(b)); };
  vec<bool> weak;
  for (int i = 0; i < carries; ++i) weak.push(g[operands[i].id].weak);
  find_types(g, operands, types, weak, step);
  lifted = {};
  graph body, test;
  const auto next = step(body);
  const auto truth = call_with_constants(g, test, given, carries, goes_on, std::tuple<K...>(constants...), carried_by(test));
  vec<sym> results;
  list_symbols(body, results, next);
  loop_body counts;
  counts.carries = static_cast<uint16>(carries), counts.constants = static_cast<uint16>(count - carries + lifted.size());
  output_carries(body, results, types);
  test.output(test.cast(test.here(as_sym(test, truth)), dtype::b8), 0);
  for (int i = 0; i < lifted.size(); ++i) operands.push(lifted[i]);
  const int one = add_body(g, counts, body);
  loop_body of_test = counts;
  of_test.carries = 0, of_test.constants = static_cast<uint16>(counts.operand_count()), of_test.sums = 1;
  const sym loop = g.loop(code::while_loop, list_of(g, operands), one, add_body(g, of_test, test));
  int number = 0;
  auto carry = [&] {
    const int i = number++;
    return g.element(loop, {loop_output::carry, static_cast<uint16>(i)}, types[i], g.at(operands[i].id).rank);
  };
  return structure<C>::of(carry);
}
template <class W, class F, class C, class... K> constexpr auto while_symbols(graph& g, W goes_on, F f, C init, K... constants) {
  constexpr bool fits = same<symbols_like<decltype(f(std::declval<symbols_like<C>>(), std::declval<symbols_like<K>>()...))>, symbols_like<C>>;
  if constexpr (fits) return fitting_while(g, goes_on, f, init, constants...);
  else return other_structure<C>(g);
}

}  // namespace detail::inline SINTER_TARGET

/// In a function of symbols (st::fn, st::let, a rule): the loop
///     carry = init;  for (t = 0; t < steps; ++t) (carry, y[t]) = f(carry, xs[t], constants...);
/// as one instruction of the program. f returns the carry, or std::pair(carry, y); scan returns the last carry, or the pair of it
/// and the y of all steps, stacked along a new dim 0. `init` and `xs` are values or tuples of values; xs is sliced along dim 0, or
/// `steps(n)`, with the step's number in the slice's place, or `reversed(xs)`. A carried value keeps its shape and dtype.
/// Values that f names from around it are constants of the loop. https://docs.jax.dev/en/latest/_autosummary/jax.lax.scan.html,
/// torch._higher_order_ops.scan
template <class F, class C, class X, class... K> requires detail::has_symbols<C, X, K...> constexpr auto scan(F f, C init, X xs, K... constants) {
  return detail::scan_symbols(detail::innermost(init, xs, constants...), f, init, xs, constants...);
}
/// f(operands...) if `truth`, one bool, is true, else g(operands...): one of them runs. Both return values of the same shapes; where
/// the dtypes differ, their common one. Values that f and g name from around them are operands, too.
/// https://pytorch.org/docs/stable/generated/torch.cond.html
template <class P, class F, class G, class... K> requires detail::has_symbols<P, K...> constexpr auto cond(P truth, F f, G g, K... operands) {
  return detail::cond_symbols(detail::innermost(truth, operands...), truth, f, g, operands...);
}
/// while (goes_on(carry, constants...)) carry = f(carry, constants...); the last carry, which keeps its shape and dtype.
/// torch.while_loop, https://docs.jax.dev/en/latest/_autosummary/jax.lax.while_loop.html
template <class W, class F, class C, class... K> requires detail::has_symbols<C, K...> constexpr auto while_loop(W goes_on, F f, C init, K... constants) {
  return detail::while_symbols(detail::innermost(init, constants...), goes_on, f, init, constants...);
}

/// x rolled along a dim: y[i] = x[i - shift], indices modulo the extent. For stencils with a periodic border; see `shift` for others.
/// |shift| < 2^23, also that of a value rolled several times.
/// https://pytorch.org/docs/stable/generated/torch.roll.html
constexpr sym roll(sym x, int shift, int dim) {
  const int rank = x.g->at(x.id).rank, d = dim < 0 ? dim + rank : dim;
  return x.g->roll(x, d, shift);
}
constexpr complex_sym roll(complex_sym z, int shift, int dim) { return {roll(z.re, shift, dim), roll(z.im, shift, dim)}; }

}  // namespace sinter::inline v0
