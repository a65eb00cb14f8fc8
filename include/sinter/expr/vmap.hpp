// SPDX-License-Identifier: BSD-3-Clause
// A graph copied into another, with batch dims put to the values that depend on batched ones: vmap as a transform of graphs.
// With nothing batched it is the plain copy of a function's body. Next: func/func.hpp.
#pragma once
#include "../op/random.hpp"
#include "../op/reduction.hpp"
#include "loop.hpp"

namespace sinter::inline v0 {

/// What a batched function's random ops are: not allowed, of numbers of their own for each sample, or of the same for all.
enum class random_kind : uint8 { error, different, same };

namespace detail::inline SINTER_TARGET {

/// x with its dims in another order: dim k of the result is dim order[k] of x. A product with 1, whose labels say the order.
constexpr sym permute(sym x, const int* order) {
  graph& g = *x.g;
  const instruction in = g.at(x.id);
  if (in.type == dtype::b8) return g.cast(permute(g.cast(x, dtype::u8), order), dtype::b8);  // there are no products of bools
  if (in.rank > 7) return misused(g, misuse::labels);
  contraction c;
  c.rank_a = c.rank_c = in.rank;
  for (int k = 0; k < in.rank; ++k) c.a(k) = static_cast<uint8>(k);
  for (int k = 0; k < in.rank; ++k) c.c(k) = static_cast<uint8>(order[k]);
  return g.contract(x, g.literal(1, in.type, false), c);
}
/// x with dim `from` as dim `to`.
constexpr sym move_dim(sym x, int from, int to) {
  const int rank = rank_of(x);
  if (from == to) return x;
  int order[max_rank] = {};
  for (int k = 0, d = 0; k < rank; ++k) {
    if (k == to) order[k] = from;
    else order[k] = d == from ? ++d : d, ++d;
  }
  return permute(x, order);
}
/// Only to name a shape: that to which x and y broadcast.
constexpr sym joint_shape(sym x, sym y) {
  const sym a = x.g->index(x, {0, 0}), b = x.g->index(y, {0, 0});
  return apply_sym<op::add>(a, b);
}

/// Copies what is asked for from one graph to another. Operands are given first, each as it is there.
/// Batched values have `dims` dims more, in front of all others or, `trailing`, behind them.
class batched_copy {
 public:
  constexpr batched_copy(const graph& from, graph& to, int dims = 0, bool trailing = false, random_kind random = random_kind::error)
      : from_(from), to_(to), map_(from.size(), 0xffff), batched_(from.size(), false), dims_(dims), trailing_(trailing), random_(random) {}

  constexpr void give(int id, sym value, bool batched = false) {
    map_[id] = value.id;
    batched_[id] = batched;
    if (batched && batch_.none()) batch_ = value, batch_rank_ = from_.at(id).rank;
  }
  /// The value is 1 where its dims in `kept` have the position of the batch, in order, else 0; its other dims have extent 1.
  constexpr void give_one_hot(int id, sym value, uint32 kept) {
    give(id, value, true);
    hot_ = id, kept_ = kept;
  }
  constexpr misuse fault() const { return fault_; }
  /// The copy of value `id`; after a fault a value without meaning.
  constexpr sym value(int id) {
    vec<bool> need(id + 1, false);
    need[id] = true;
    for (int i = id; i >= 0; --i)
      if (need[i] && map_[i] == 0xffff) for_operands(from_.at(i), arity(i), [&](uint16 o) { need[o] = true; });
    for (int i = 0; i <= id && fault_ == misuse::none; ++i)
      if (need[i] && map_[i] == 0xffff) copy(i);
    return fault_ == misuse::none ? to_.at_sym(map_[id]) : to_.literal(0, from_.at(id).type, false);
  }
  constexpr bool batched(int id) const { return batched_[id]; }
  /// Gives operands, numbered anew, to a body: leaf k the number[k], batched where on[k].
  constexpr void give_operands(const vec<int>& number, const vec<bool>& on) {
    for (int i = 0; i < from_.size(); ++i) {
      graph::item it = from_[i];
      if (it.ins.op != code::leaf && it.ins.op != code::scalar) continue;
      const bool with_batch = on[it.ins.a];
      it.ins.a = static_cast<uint16>(number[it.ins.a]), it.ins.c = 0;
      if (with_batch) widen(it);
      give(i, to_.add(it), with_batch);
    }
  }
  /// Some batched value, for the extents of the batch, where none is given.
  constexpr void give_batch(sym value, int rank) {
    if (batch_.none()) batch_ = value, batch_rank_ = rank;
  }
  /// An item as that of a batched value.
  constexpr void widen(graph::item& it) const {
    it.ins.rank = static_cast<uint8>(it.ins.rank + dims_);
    if (!trailing_) it.ones = static_cast<uint8>(it.ones << dims_);
    it.tag = 0, it.weak = false;
  }
  /// The same with batch dims, be it batched or not.
  constexpr sym batched_value(int id) {
    const sym x = value(id);
    return fault_ != misuse::none || batched_[id] || !dims_ ? x : spread(id);
  }

 private:
  const graph& from_;
  graph& to_;
  vec<uint16> map_;
  vec<bool> batched_;
  int dims_;
  bool trailing_;
  random_kind random_;
  sym batch_;           ///< some batched value, for the extents of the batch dims
  int batch_rank_ = 0;  ///< its rank without them
  int hot_ = -1;        ///< the one-hot value, and its dims
  uint32 kept_ = 0;
  misuse fault_ = misuse::none;

  constexpr int arity(int i) const { return from_.at(i).is_op() ? from_.descr(i)->arity : 1; }
  constexpr sym at(int i) const { return to_.at_sym(map_[i]); }
  constexpr int rank(int i) const { return from_.at(i).rank; }
  constexpr axes mask(uint32 m) const { return {m, count_bits(m)}; }
  constexpr uint32 dims_mask() const { return (1u << dims_) - 1; }
  /// Batch dims of a batched value of this rank without them, and its other dims.
  constexpr axes batch_axes(int rank) const { return {trailing_ ? dims_mask() << rank : dims_mask(), dims_}; }
  constexpr axes own_axes(int rank) const { return {trailing_ ? (1u << rank) - 1 : ((1u << rank) - 1) << dims_, rank}; }
  /// Dims named in a value without batch dims, in the batched one.
  constexpr uint32 shifted(uint32 tag) const { return trailing_ ? tag : tag << dims_; }

  /// Value i of rank at most `target`, fit to be an operand beside batched values of rank `target`.
  constexpr sym aligned(int i, int target) const {
    const int r = rank(i);
    if (batched_[i]) return trailing_ || r == target ? at(i) : to_.unsqueeze(at(i), mask(((1u << (target - r)) - 1) << dims_));
    return trailing_ && r > 0 ? to_.unsqueeze(at(i), mask(dims_mask() << r)) : at(i);
  }
  /// The value i, which is not batched, for each of the batch.
  constexpr sym spread(int i) {
    const int r = rank(i);
    if (batch_.none()) return fail_with(misuse::dim);
    if (r + dims_ > max_rank) return fail_with(misuse::rank);
    sym b = to_.index(batch_, {0, 0});
    b = to_.squeeze(reduce_sym<op::sum>(b, own_axes(batch_rank_)), own_axes(batch_rank_));  // [batch dims]
    if (!trailing_) b = to_.unsqueeze(b, own_axes(r));
    const sym x = aligned(i, r);
    return to_.expand(x, joint_shape(b, x));
  }
  constexpr sym fail_with(misuse why) {
    fault_ = why;
    return to_.literal(0, dtype::f32, false);
  }

  constexpr void copy(int i) {
    const instruction x = from_.at(i);
    bool on = false;
    for_operands(x, arity(i), [&](uint16 o) { on = on || batched_[o]; });
    if (x.op == code::list) {  // of a batched loop, its operands themselves are read
      batched_[i] = on;
      map_[i] = on ? uint16{0} : again(i);
      return;
    }
    if (x.op == code::element && batched_[x.a]) return copy_element(i);
    if (x.is_loop() && !on && dims_ && !batch_.none() && draws(from_, i)) {
      if (random_ == random_kind::error) return static_cast<void>(fail_with(misuse::random));
      on = random_ == random_kind::different;
    }
    if (x.is_loop() && on) {
      batched_[i] = true;
      map_[i] = 0;
      return copy_loop(i);
    }
    if (x.op == code::extent) {
      batched_[i] = false;
      map_[i] = on ? to_.extent(at(x.a), mask(shifted(x.b)), x.type).id : again(i);
      if (on && x.b >= run_time_dims) fault_ = misuse::run_time;
      return;
    }
    const bool random = dims_ && !batch_.none() && is_random(from_, i);
    if (random && random_ == random_kind::error) return static_cast<void>(fail_with(misuse::random));
    if (random && random_ == random_kind::different) on = true;
    if (x.is_op() && dims_ && from_.descr(i)->info.bounds && !on) on = bound_of_batched(x);
    batched_[i] = on;
    map_[i] = on ? in_batch(i, random).id : again(i);
  }
  static constexpr bool is_random(const graph& g, int i) { return g.at(i).is_op() && g.descr(i)->id == bare_descr_of<op::random_bits>.id; }
  /// Are there random numbers in instruction i, in a loop's body, too?
  static constexpr bool draws(const graph& g, int i) {
    if (!g.at(i).is_loop()) return is_random(g, i);
    for (int b = 0; b < (g.at(i).has_two_bodies() ? 2 : 1); ++b) {
      const graph body = body_of(g, i, b == 1);
      for (int k = 0; k < body.size(); ++k)
        if (draws(body, k)) return true;
    }
    return false;
  }
  /// An index that is looked up in a batched value is batched, too: there is one for each row.
  constexpr bool bound_of_batched(const instruction& x) const {
    const instruction bound = from_.at(x.b);
    return bound.op == code::extent && batched_[bound.a];
  }
  /// Instruction i over the copies of its operands.
  constexpr uint16 again(int i) {
    graph::item it = from_[i];
    instruction& x = it.ins;
    if (x.op == code::literal) x.a = static_cast<uint16>(to_.pool(from_.pool()[x.a]));
    if (x.is_source()) return to_.add(it).id;
    const op_descr* const d = from_.descr(i);
    const int n = operands_read(x, arity(i));
    if (x.is_loop()) move_body(from_, x, [&](const vec<uint64>& run) { return to_.pool(run); }, [&](const op_descr* op) { return to_.op_number(op); });
    if (x.op == code::contract) x.c = static_cast<uint16>(to_.pool(from_.pool()[x.c]));
    if (x.op == code::reduce) x.c = static_cast<uint16>(to_.op_number(d));
    if (x.is_op()) x.op = static_cast<code>(static_cast<int>(code::first_op) + to_.op_number(d));
    x.a = map_[x.a];
    if (n > 1) x.b = map_[x.b];
    if (n > 2) x.c = map_[x.c];
    return to_.add(it).id;
  }
  /// Instruction i over operands of which one is batched.
  constexpr sym in_batch(int i, bool random) {
    const instruction x = from_.at(i);
    const bool names_dims = x.op == code::index || x.op == code::reduce || x.op == code::squeeze || x.op == code::unsqueeze;
    if (names_dims && x.b >= run_time_dims) return fail_with(misuse::run_time);
    if (x.rank + dims_ > max_rank) return fail_with(misuse::rank);
    switch (x.op) {
      case code::index: return to_.index(at(x.a), mask(shifted(x.b)));
      case code::reduce: return to_.reduce(from_.descr(i), at(x.a), mask(shifted(x.b)));
      case code::squeeze: return to_.squeeze(at(x.a), mask(shifted(x.b)));
      case code::unsqueeze: return to_.unsqueeze(at(x.a), mask(shifted(x.b)));
      case code::cast: return to_.cast(at(x.a), x.type);
      case code::roll: return to_.roll(at(x.a), trailing_ ? roll_dim(x) : roll_dim(x) + dims_, roll_amount(x));
      case code::expand: {
        const sym a = aligned(x.a, x.rank);
        return to_.expand(a, batched_[x.b] ? at(x.b) : joint_shape(a, aligned(x.b, x.rank)));
      }
      case code::contract: return product(i);
      case code::window: case code::convolve: return fail_with(misuse::window);
      default: break;
    }
    const op_descr* const op = from_.descr(i);
    sym in[3];
    for_operands(x, op->arity, [&, k = 0](uint16 o) mutable { in[k++] = aligned(o, x.rank); });
    if (random && random_ == random_kind::different) in[0] = number_of_sample(x.a, in[0]);
    if (op->info.bounds && !batched_[x.a]) in[0] = spread(x.a);
    return to_.apply(op, in, op->arity);
  }
  /// A loop over batched operands: a loop whose body is batched. What it carries is so from the first step on if it is in any.
  struct looped {
    int loop = -1;
    sym made;           ///< none: `results` are the values themselves
    vec<bool> on = {};  ///< which results are batched
    vec<uint16> results = {};  ///< the values
  };
  vec<looped> loops_;

  constexpr void copy_loop(int i) {
    const instruction x = from_.at(i);
    const loop_body counts = loop_body::decode(from_.pool()[x.b]);
    const int operands = counts.operand_count();
    vec<int> in, number(operands + 1, 0);
    vec<bool> on(operands + 1, false);
    for (int cell = x.a;; cell = from_.at(cell).b) {
      on[in.size()] = batched_[from_.at(cell).a];
      in.push(from_.at(cell).a);
      if (!from_.at(cell).c) break;
    }
    for (int k = 0; k <= operands; ++k) number[k] = k;
    const int bodies = x.has_two_bodies() ? 2 : 1;
    graph body[2] = {body_of(from_, i), graph()};
    if (bodies == 2) body[1] = body_of(from_, i, true);  // g++ 12 destroys what a conditional chose between
    spread_carries(body[0], counts, on);
    bool any = false;
    for (int k = 0; k < operands; ++k) any = any || on[k];
    if (!any && x.op == code::cond && operands == 1) return static_cast<void>(fail_with(misuse::random));
    if (!any) on[operands - 1] = true;  // random numbers alone differ: an operand tells the body how many there are
    if (x.op == code::cond && on[0]) return choose_each(i, body, counts, in, on);
    graph made[2];
    looped result{i, {}};
    result.on = vec<bool>(counts.result_count(), false);
    const auto each_output = [](const graph& b, auto f) {
      for (int k = 0; k < b.size(); ++k)
        if (b.at(k).op == code::output) f(b.at(k));
    };
    for (int pass = 0; pass < 2; ++pass)  // first to learn which results are batched
      for (int b = 0; b < bodies && fault_ == misuse::none; ++b) {
        const bool test = x.op == code::while_loop && b == 1;
        made[b] = graph();
        batched_copy c(body[b], made[b], dims_, trailing_, random_);
        c.give_operands(number, on);
        for (int k = 0; k < operands && c.batch_.none(); ++k) {
          if (!on[k]) continue;
          graph::item it = to_[map_[in[k]]];
          const int rank = from_.at(in[k]).rank - (k >= counts.carries && k < counts.carries + counts.stacked);
          it.ins = graph::make(code::leaf, it.ins.type, rank, k), it.ones = 0;
          widen(it);
          c.give_batch(made[b].add(it), rank);
        }
        each_output(body[b], [&](const instruction& y) {
          const bool carry = y.b < counts.carries && !test;
          if (carry && on[y.b]) result.on[y.b] = true;
          const sym one = !test && result.on[y.b] ? c.batched_value(y.a) : c.value(y.a);
          const bool wide = c.batched(y.a) || (!test && result.on[y.b]);
          if (test && c.batched(y.a)) fault_ = misuse::loop;  // each sample would stop at a step of its own
          if (!test) result.on[y.b] = wide;
          const int summed_to = y.c && (!wide || on[y.c - 1]) ? y.c - 1 : -1;
          if (c.fault() == misuse::none) made[b].output(one, y.b, summed_to);
        });
        if (c.fault() != misuse::none) fault_ = c.fault();
      }
    if (fault_ != misuse::none) return;
    vec<sym> given;
    for (int k = 0; k < operands; ++k) {
      sym v = on[k] && !batched_[in[k]] ? spread(in[k]) : at(in[k]);
      if (on[k] && k >= counts.carries && k < counts.carries + counts.stacked && !trailing_) v = move_dim(v, dims_, 0);
      given.push(v);
    }
    if (fault_ != misuse::none) return;
    int more = x.c;
    if (bodies == 2) {
      loop_body of_test = counts;
      if (x.op == code::while_loop) of_test = loop_body::decode(from_.pool()[x.c]);
      more = add_body(to_, of_test, made[1]);
    } else if (scan_mode mode = scan_mode::decode(x.c); mode.length == scan_mode::literal || mode.length == scan_mode::part) {
      mode.number = static_cast<uint16>(to_.pool(from_.pool()[mode.number]));
      more = mode.encode();
    }
    result.made = to_.loop(x.op, list_of(to_, given), add_body(to_, counts, made[0]), more);
    loops_.push(result);
  }
  /// Marks the carried values that become batched on the way.
  constexpr void spread_carries(const graph& body, const loop_body& counts, vec<bool>& on) const {
    for (bool grows = true; grows;) {
      grows = false;
      vec<bool> wide(body.size(), false);
      for (int k = 0; k < body.size(); ++k) {
        const instruction& x = body.at(k);
        wide[k] = (x.op == code::leaf && on[x.a]) || (random_ == random_kind::different && draws(body, k));
        if (x.op != code::extent) for_operands(x, x.is_op() ? body.descr(k)->arity : 1, [&](uint16 o) { wide[k] = wide[k] || wide[o]; });
        if (x.op == code::output && x.b < counts.carries && wide[k] && !on[x.b]) on[x.b] = grows = true;
      }
    }
  }
  /// A branch whose condition is each sample's own: both, and a choice.
  constexpr void choose_each(int i, const graph (&body)[2], const loop_body& counts, const vec<int>& in, const vec<bool>& on) {
    looped result{i, {}};
    result.on = vec<bool>(counts.result_count(), true);
    const sym truth = to_.squeeze(at(in[0]), own_axes(rank(in[0])));
    vec<uint16> values[2] = {vec<uint16>(counts.result_count(), 0), vec<uint16>(counts.result_count(), 0)};
    vec<int> ranks(counts.result_count(), 0);
    for (int b = 0; b < 2; ++b) {
      batched_copy c(body[b], to_, dims_, trailing_, random_);
      for (int k = 0; k < body[b].size(); ++k) {
        const instruction& x = body[b].at(k);
        if (x.op == code::leaf) c.give(k, at(in[x.a]), on[x.a]);
      }
      c.give_batch(at(in[0]), rank(in[0]));
      for (int k = 0; k < body[b].size(); ++k) {
        const instruction& y = body[b].at(k);
        if (y.op == code::output) values[b][y.b] = c.batched_value(y.a).id, ranks[y.b] = y.rank;
      }
      if (c.fault() != misuse::none) fault_ = c.fault();
    }
    if (fault_ != misuse::none) return;
    for (int r = 0; r < counts.result_count(); ++r) {
      const sym each = trailing_ ? truth : to_.unsqueeze(truth, own_axes(ranks[r]));
      result.results.push(apply_sym<op::where>(each, to_.at_sym(values[0][r]), to_.at_sym(values[1][r])).id);
    }
    loops_.push(result);
  }
  constexpr void copy_element(int i) {
    const instruction x = from_.at(i);
    const loop_output which = loop_output::decode(x.b);
    const int r = which.result(loop_body::decode(from_.pool()[from_.at(x.a).b]));
    for (int k = 0; k < loops_.size(); ++k) {
      const looped& l = loops_[k];
      if (l.loop != x.a) continue;
      batched_[i] = l.on[r];
      if (x.rank + dims_ > max_rank && l.on[r]) return static_cast<void>(fail_with(misuse::rank));
      if (l.made.none()) {
        map_[i] = l.results[r];
        return;
      }
      const sym e = to_.element(l.made, which, x.type, x.rank + (l.on[r] ? dims_ : 0));
      map_[i] = (which.kind == loop_output::slice && l.on[r] && !trailing_ ? move_dim(e, 0, dims_) : e).id;
      return;
    }
  }
  /// Element i of sample number s of the batch is element s * (elements of a sample) + i of all.
  constexpr sym number_of_sample(int i, sym x) {
    const sym all = batched_[i] ? at(i) : spread(i);
    const sym sample = to_.index(all, batch_axes(rank(i))), count = to_.extent(all, own_axes(rank(i)), dtype::i64);
    return apply_sym<op::add>(apply_sym<op::mul>(sample, count), x);
  }
  /// A product: the batch dims are one label more each, of the operands that have them and of the result.
  constexpr sym product(int i) {
    const instruction x = from_.at(i);
    const contraction s = contraction::decode(from_.pool()[x.c]);
    if (const sym picked = picked_by_one_hot(x, s); !picked.none()) return picked;
    bool used[8] = {};
    for (int k = 0; k < s.rank_a + s.rank_b + s.rank_c; ++k) used[s.labels[k]] = true;
    uint8 more[max_rank] = {};
    for (int k = 0, label = 0; k < dims_; ++k, ++label) {
      while (label < 8 && used[label]) ++label;
      if (label >= 8) return fail_with(misuse::labels);
      more[k] = static_cast<uint8>(label);
    }
    const int a = s.rank_a + (batched_[x.a] ? dims_ : 0), b = s.rank_b + (batched_[x.b] ? dims_ : 0), c = s.rank_c + dims_;
    if (a > 7 || b > 7 || c > 7 || a + b + c > 18) return fail_with(misuse::labels);
    contraction t;
    t.rank_a = static_cast<uint8>(a), t.rank_b = static_cast<uint8>(b), t.rank_c = static_cast<uint8>(c);
    int to = 0, of = 0;
    const auto labels = [&](int n, bool with) {
      for (int k = 0; with && !trailing_ && k < dims_; ++k) t.labels[to++] = more[k];
      for (int k = 0; k < n; ++k) t.labels[to++] = s.labels[of++];
      for (int k = 0; with && trailing_ && k < dims_; ++k) t.labels[to++] = more[k];
    };
    labels(s.rank_a, batched_[x.a]), labels(s.rank_b, batched_[x.b]), labels(s.rank_c, true);
    if (const sym y = outer_product(x, t); !y.none()) return y;
    return to_.contract(at(x.a), at(x.b), t);
  }
  /// A product that sums nothing, with dims in the result's order: element by element it fuses with what stands around it.
  constexpr sym outer_product(const instruction& x, const contraction& t) {
    uint32 missing[2] = {};  // dims of the result that an operand has not
    for (int side = 0; side < 2; ++side) {
      const int n = side ? t.rank_b : t.rank_a;
      const uint8* const labels = t.labels + (side ? t.rank_a : 0);
      int found = 0;
      for (int k = 0; k < t.rank_c; ++k)
        if (found < n && labels[found] == t.c(k)) ++found;
        else missing[side] |= 1u << k;
      if (found < n) return {};
    }
    return apply_sym<op::mul>(to_.unsqueeze(at(x.a), mask(missing[0])), to_.unsqueeze(at(x.b), mask(missing[1])));
  }
  /// A product with the one-hot value picks elements of the other operand: that operand itself, where all dims in `kept_` are summed.
  /// Its labels for these are those of the batch dims. None: no such product.
  constexpr sym picked_by_one_hot(const instruction& x, const contraction& s) {
    const bool first = x.a == hot_;
    const int other = first ? x.b : x.a, rank_hot = first ? s.rank_a : s.rank_b, rank_other = first ? s.rank_b : s.rank_a;
    if ((!first && x.b != hot_) || batched_[other]) return {};
    const uint8* const hot = s.labels + (first ? 0 : s.rank_a);
    const uint8* const of = s.labels + (first ? s.rank_a : 0);
    const auto has = [](const uint8* labels, int n, int label) {
      for (int k = 0; k < n; ++k)
        if (labels[k] == label) return true;
      return false;
    };
    const uint8* const result = s.labels + s.rank_a + s.rank_b;
    contraction t;
    t.rank_a = static_cast<uint8>(rank_other);
    for (int k = 0; k < rank_other; ++k) t.labels[k] = of[k];
    uint8* const c = t.labels + rank_other;
    int n = 0;
    const auto batch = [&] {
      for (int k = 0; k < rank_hot; ++k)
        if (kept_ >> k & 1) c[n++] = hot[k];
    };
    for (int k = 0; k < rank_hot; ++k)
      if (kept_ >> k & 1 && (has(result, s.rank_c, hot[k]) || !has(of, rank_other, hot[k]) || has(hot, k, hot[k]))) return {};
    if (!trailing_) batch();
    uint32 ones = 0;  // dims of the result that the one-hot value alone has, of extent 1
    for (int k = 0; k < s.rank_c; ++k)
      if (has(of, rank_other, result[k])) c[n++] = result[k];
      else ones |= 1u << k;
    if (trailing_) batch();
    t.rank_c = static_cast<uint8>(n);
    bool whole = n == rank_other;
    for (int k = 0; k < n && whole; ++k) whole = c[k] == of[k];
    const sym picked = whole ? at(other) : to_.contract(at(other), to_.literal(1, x.type, false), t);
    return to_.unsqueeze(to_.cast(picked, x.type), mask(shifted(ones)));
  }
};

}  // namespace detail::inline SINTER_TARGET
}  // namespace sinter::inline v0
