// SPDX-License-Identifier: BSD-3-Clause
// The builder: a hash-consed list of instructions, filled at compile time (and at run time for derivatives of
// any order). Equal instructions are one instruction. Next: expr/sym.hpp gives rules their operators on it.
#pragma once
#include "instruction.hpp"

namespace sinter::inline v0 {

/// So many elements are interpreted at a time.
inline constexpr int interpreted_block = 32;

/// What the builder must know of an op, without its type.
struct op_descr {
  op_info info;
  int arity = 0;
  bool reduction = false;
  uint64 id = 0;       ///< a hash of its type's name; ops of different hash are different (under UBSan GCC compares no addresses)
  bool single = true;  ///< a reduction whose state is one element
  /// The derivative rule: fills out[i] with the gradient of operand i, or leaves it none.
  void (*rule)(sym dy, sym y, const sym* x, axes d, sym* out) = nullptr;
  /// interpreted_block elements, for interpretation; null for reductions.
  void (*values)(const double* const* x, double* y) = nullptr;
  /// One element in integers.
  int64 (*integer)(const int64* x) = nullptr;
  /// A whole reduction of n elements, `stride` apart, for interpretation.
  double (*fold)(const double* x, int64 n, int64 stride) = nullptr;
  int64 (*integer_fold)(const int64* x, int64 n, int64 stride) = nullptr;
  /// exp, log, tanh and the like?
  constexpr bool is_function() const { return arity == 1 && !reduction && info.result == result_type::floating; }
};

namespace detail::inline SINTER_TARGET {

/// A growing array that also works in constant expressions.
template <class T> class vec {
 public:
  constexpr vec() = default;
  constexpr vec(const vec& o) { for (int i = 0; i < o.size_; ++i) push(o[i]); }
  constexpr vec(vec&& o) noexcept : data_(o.data_), size_(o.size_), room_(o.room_) { o.data_ = nullptr, o.size_ = o.room_ = 0; }
  constexpr vec& operator=(const vec& o) { return *this = vec(o); }
  constexpr vec& operator=(vec&& o) noexcept {
    T* d = data_;
    data_ = o.data_, size_ = o.size_, room_ = o.room_;
    o.data_ = d, o.size_ = o.room_ = 0;
    return *this;
  }
  constexpr vec(int n, T value) : data_(new T[static_cast<unsigned>(n > 0 ? n : 1)]()), size_(n), room_(n > 0 ? n : 1) {
    if constexpr (requires { value == T{}; })
      if (value == T{}) return;
    for (int i = 0; i < n; ++i) data_[i] = value;
  }
  constexpr ~vec() { delete[] data_; }
  constexpr void push(T value) {
    if (size_ == room_) {
      room_ = room_ ? 2 * room_ : 16;
      T* d = new T[static_cast<unsigned>(room_)];
      for (int i = 0; i < size_; ++i) d[i] = data_[i];
      delete[] data_;
      data_ = d;
    }
    data_[size_++] = value;
  }
  constexpr void pop() { --size_; }
  constexpr T& operator[](int i) { return data_[i]; }
  constexpr const T& operator[](int i) const { return data_[i]; }
  constexpr int size() const { return size_; }

 private:
  T* data_ = nullptr;
  int size_ = 0, room_ = 0;
};

}  // namespace detail::inline SINTER_TARGET

inline namespace SINTER_TARGET {
class graph {
 public:
  struct item {
    instruction ins;
    uint8 ones = 0;      ///< dims known to have extent 1
    bool weak = false;   ///< a number: yields in promotion
    uint16 tag = 0;      ///< run-time dims known to have extent 1 (their tag), 0: none
    uint16 next = 0xffff;
  };

  bool reads_parts = false;  ///< of complex elements: what kernels should be quick at

  /// This graph is the body of a loop in `outer`: symbols of `outer` that a function of the body names become operands,
  /// listed in `lifted`, the first of which has number `first`.
  constexpr void lift_from(graph& outer, detail::vec<sym>& lifted, int first) { outer_ = &outer, lifted_ = &lifted, first_lifted_ = first; }
  /// x as a value of this graph.
  constexpr sym here(sym x) {
    if (x.g == this || x.none() || !outer_) return x;
    x = outer_->here(x);
    for (int i = 0; i < lifted_->size(); ++i)
      if ((*lifted_)[i].id == x.id) return constant(*outer_, x, first_lifted_ + i);
    if (outer_->at(x.id).op != code::literal) lifted_->push(x);
    return constant(*outer_, x, first_lifted_ + lifted_->size() - 1);
  }
  /// How many loops lie around this graph.
  constexpr int depth() const { return outer_ ? 1 + outer_->depth() : 0; }
  /// Value x of the graph around this one as operand `number`; a literal as itself.
  constexpr sym constant(const graph& outer, sym x, int number) {
    item it = outer[x.id];
    if (it.ins.op == code::literal) return literal(detail::literal_value(outer.pool()[it.ins.a]), it.ins.type, it.weak);
    it.ins = make(code::leaf, it.ins.type, it.ins.rank, number);
    it.tag = 0, it.next = 0xffff;
    return add(it);
  }
  /// Gives operands and outputs other numbers: `operand(number)`, and `result(output)` of an output that is summed to an operand.
  template <class O, class R> constexpr void renumber(O operand, R result) {
    for (int i = 0; i < items_.size(); ++i) {
      instruction& x = items_[i].ins;
      if (x.op == code::leaf && x.c) {
        uint64 covers = 0;
        for (int k = 0; k < 64; ++k)
          if (pool_[x.c - 1] >> k & 1) {
            const int to = operand(k);
            if (to >= 0 && to < 64) covers |= uint64{1} << to;
          }
        x.c = covers ? static_cast<uint16>(1 + pool(covers)) : uint16{0};
      }
      if (x.op == code::leaf || x.op == code::scalar) x.a = static_cast<uint16>(operand(x.a));
      if (x.op == code::output) x.b = static_cast<uint16>(result(x)), x.c = static_cast<uint16>(1 + operand(x.c - 1));
    }
  }
  /// Gives run-time numbers that are operand `from` another operand number.
  constexpr void move_scalar(int from, int to) {
    for (int i = 0; i < items_.size(); ++i)
      if (items_[i].ins.op == code::scalar && items_[i].ins.a == from) items_[i].ins.a = static_cast<uint16>(to);
  }

  constexpr graph() { for (auto& h : heads_) h = 0xffff; }
  /// A finished graph from its parts. To read: what is added to it is not looked up among these.
  constexpr graph(const item* items, int size, const op_descr* const* ops, int op_count, const uint64* pool, int pool_size) : graph() {
    for (int i = 0; i < size; ++i) items_.push(items[i]);
    restore_tables(ops, op_count, pool, pool_size);
  }

  constexpr int size() const { return items_.size(); }
  constexpr const item& operator[](int i) const { return items_[i]; }
  constexpr const instruction& at(int i) const { return items_[i].ins; }
  constexpr const op_descr* descr(int i) const {
    const instruction& x = items_[i].ins;
    return x.op == code::reduce ? ops_[x.c] : x.is_op() ? ops_[x.op_index()] : nullptr;
  }
  constexpr const detail::vec<const op_descr*>& ops() const { return ops_; }
  constexpr const detail::vec<uint64>& pool() const { return pool_; }
  constexpr sym at_sym(int i) { return {this, static_cast<uint16>(i)}; }

  /// Operand `number`. `covers`: operands (bits) whose shapes are known to broadcast into its own.
  constexpr sym leaf(int number, dtype t, int rank, uint32 ones = 0, uint64 covers = 0) {
    item it{make(code::leaf, t, rank, number, 0, covers ? 1 + pool(covers) : 0)};
    it.ones = static_cast<uint8>(ones);
    return add(it);
  }
  /// A run-time number, operand `number` of the program.
  constexpr sym scalar(int number, dtype t, bool weak = true) {
    item it{make(code::scalar, t, 0, number)};
    it.weak = weak;
    return add(it);
  }
  constexpr sym literal(double v, dtype t, bool weak = true) {
    item it{make(code::literal, t, 0, pool(detail::literal_bits(v)))};
    it.weak = weak;
    return add(it);
  }
  constexpr bool is_literal(sym x, double v) const {
    const instruction& i = at(x.id);
    return i.op == code::literal && detail::literal_value(pool_[i.a]) == v;
  }

  /// A literal or run-time number in the dtype `t` it is used in; other values are converted by a cast.
  constexpr sym cast(sym x, dtype t) {
    item it = items_[x.id];
    if (it.ins.type == t) return x;
    if (it.ins.op == code::literal || it.ins.op == code::scalar) {
      it.ins.type = t;
      it.weak = false;
      return add(it);
    }
    it.ins = make(code::cast, t, it.ins.rank, x.id);
    it.weak = false;
    return add(it);
  }
  constexpr sym index(sym like, axes d) { return add_inferred(make(code::index, dtype::i64, at(like.id).rank, like.id, static_cast<int>(d.tag))); }
  /// Number of elements of x along dims d, as a number of dtype t.
  constexpr sym extent(sym x, axes d, dtype t) { return add({make(code::extent, t, 0, x.id, static_cast<int>(d.tag))}); }

  constexpr sym expand(sym x, sym like) {
    x = here(x), like = here(like);
    if (at(like.id).rank == 0 && at(x.id).rank == 0) return x;
    return add_inferred(make(code::expand, at(x.id).type, at(like.id).rank, x.id, like.id));
  }
  constexpr sym reduce(const op_descr* op, sym x, axes d) {
    if (op->info.result == result_type::wide && !is_floating(at(x.id).type)) x = cast(x, dtype::i64);
    if (op->info.result == result_type::floating && !is_floating(at(x.id).type)) x = cast(x, dtype::f32);
    const dtype t = op->info.result == result_type::index ? dtype::i64 : at(x.id).type;
    return add_inferred(make(code::reduce, t, at(x.id).rank, x.id, static_cast<int>(d.tag), op_number(op)));
  }
  constexpr sym squeeze(sym x, axes d) {
    const instruction in = at(x.id);
    if (d.count == 0) return x;
    if (in.op == code::unsqueeze && in.b == d.tag) return at_sym(in.a);
    return add_inferred(make(code::squeeze, in.type, in.rank - d.count, x.id, static_cast<int>(d.tag)));
  }
  constexpr sym unsqueeze(sym x, axes d) {
    const instruction in = at(x.id);
    if (d.count == 0) return x;
    if (in.op == code::squeeze && in.b == d.tag) return at_sym(in.a);
    return add_inferred(make(code::unsqueeze, in.type, in.rank + d.count, x.id, static_cast<int>(d.tag)));
  }
  constexpr sym contract(sym a, sym b, const contraction& labels) {
    a = here(a), b = here(b);
    const dtype t = promote(at(a.id).type, at(b.id).type), in = computed_in(t);  // small types are summed in larger ones
    a = cast(a, in), b = cast(b, in);
    return cast(add({make(code::contract, in, labels.rank_c, a.id, b.id, pool(labels.encode()))}), t);
  }
  /// How the convolution that reads it runs: `face`, by the parameters in slot d; `like`: face.like.
  constexpr sym window(sym like, axes d, window_face face) {
    return add({make(code::window, dtype::i64, at(like.id).rank, like.id, static_cast<int>(d.tag), face.encode())});
  }
  constexpr sym convolve(sym a, sym b, sym window) {
    const dtype t = promote(at(a.id).type, at(b.id).type), in = computed_in(t);
    a = cast(a, in), b = cast(b, in);
    return cast(add({make(code::convolve, in, at(a.id).rank, a.id, b.id, window.id)}), t);
  }
  /// x rolled by `amount` along dim d. Element-wise ops are computed from rolled operands, so that rolls meet leaves.
  constexpr sym roll(sym x, int d, int amount) {
    const item it = items_[x.id];
    const instruction& i = it.ins;
    const auto as_it_is = [&](int dim) {
      instruction rolled = make(code::roll, i.type, i.rank, x.id);
      encode_roll(rolled, dim, dim == bad_roll_dim ? 0 : amount);
      return add_inferred(rolled);
    };
    if (d < 0 || d >= i.rank || amount > most_rolled || amount < -most_rolled) return as_it_is(bad_roll_dim);
    if (amount == 0 || it.ones >> d & 1) return x;
    if (i.op == code::roll && roll_dim(i) == d) return roll(at_sym(i.a), d, amount + roll_amount(i));
    if (i.op == code::roll && roll_dim(i) > d && roll_dim(i) < i.rank)  // in the order of their dims
      return roll(roll(at_sym(i.a), d, amount), roll_dim(i), roll_amount(i));
    if (i.op == code::cast && !computes_functions(x.id)) return cast(roll(at_sym(i.a), d, amount), i.type);
    if (i.is_op() && !computes_functions(x.id)) {
      const op_descr* op = ops_[i.op_index()];
      const uint16 in[] = {i.a, i.b, i.c};
      sym rolled[3];
      for (int k = 0; k < op->arity; ++k) {
        const int own = d - (i.rank - items_[in[k]].ins.rank);
        rolled[k] = own < 0 ? at_sym(in[k]) : roll(at_sym(in[k]), own, amount);
      }
      return apply(op, rolled, op->arity);
    }
    if (i.op == code::expand && i.rank == items_[i.a].ins.rank) {
      const sym a = roll(at_sym(i.a), d, amount);
      return expand(a, at_sym(i.b));
    }
    if (i.op == code::expand && d < i.rank - items_[i.a].ins.rank) return x;
    return as_it_is(d);
  }
  /// Does element-wise value i take functions (exp, log, pow ...), which are better kept than computed twice?
  constexpr bool computes_functions(int id) const {
    detail::vec<bool> on(id + 1, false);
    on[id] = true;
    for (int k = id; k >= 0; --k) {
      const instruction& x = at(k);
      if (!on[k] || !(x.is_op() || x.op == code::cast || x.op == code::expand)) continue;
      const op_descr* op = descr(k);
      if (op && (op->is_function() || op->info.costly)) return true;
      on[x.a] = true;
      if (op && op->arity > 1) on[x.b] = true;
      if (op && op->arity > 2) on[x.c] = true;
    }
    return false;
  }
  /// A list of what a loop reads: `head` in front of `tail`.
  constexpr sym list(sym head, sym tail) { return add({make(code::list, dtype::i64, 0, head.id, tail.none() ? 0 : tail.id, !tail.none())}); }
  /// A loop or branch over a list of operands. `body`: pool index (expr/loop.hpp); `more`: the scan_mode, or a second body.
  constexpr sym loop(code op, sym operands, int body, int more) { return add({make(op, dtype::i64, 0, operands.id, body, more)}); }
  constexpr sym element(sym loop, loop_output which, dtype t, int rank) { return add({make(code::element, t, rank, loop.id, which.encode())}); }
  /// Lets loop i run another body, which has all results of the one before.
  constexpr void set_body(int i, int body) { items_[i].ins.b = static_cast<uint16>(body); }
  constexpr void output(sym x, int number, int summed_to = -1) {
    instruction i = make(code::output, at(x.id).type, at(x.id).rank, x.id, number, summed_to + 1);
    items_.push({i, 0, false, 0, 0xffff});
  }

  /// An element-wise op: promotes its operands, broadcasts, and folds the neutral numbers 0 and 1.
  constexpr sym apply(const op_descr* op, const sym* operands, int n) {
    const bool second = op->info.result == result_type::second;
    sym x[3];
    instruction y;
    bool weak = true, uniform = true;  // mostly, operands have one dtype: constant evaluation is spared the rest
    dtype t = at(operands[second ? 1 : 0].id).type;
    for (int i = 0; i < n; ++i) {
      const item& o = items_[operands[i].id];
      x[i] = operands[i];
      weak = weak && o.weak;
      uniform = uniform && o.ins.type == t;
      if (o.ins.rank > y.rank) y.rank = o.ins.rank;
    }
    if (!uniform) t = common_type(x + second, n - second);
    if (second && t == dtype::f64 && !weak && items_[x[1].id].weak && items_[x[2].id].weak) t = dtype::f32, uniform = false;  // a choice of numbers
    if (op->info.result == result_type::floating && !is_floating(t) && !is_complex(t)) t = dtype::f32, uniform = false;
    if (!uniform) {
      for (int i = second; i < n; ++i) x[i] = cast(x[i], t);
      if (second) x[0] = cast(x[0], dtype::b8);
    }
    y.op = static_cast<code>(static_cast<int>(code::first_op) + op_number(op));
    y.type = op->info.result == result_type::boolean ? dtype::b8 : op->info.result == result_type::index ? dtype::i64 : t;
    y.a = x[0].id;
    if (n > 1) y.b = x[1].id;
    if (n > 2) y.c = x[2].id;
    item it{y};
    it.weak = weak;
    infer(it, n);
    return add(it);
  }

  /// The dtype in which operands meet, by PyTorch's rule: tensors with dims decide; one without dims, and behind it a number,
  /// counts only if it is of a higher kind (bool, integer, floating). https://pytorch.org/docs/stable/tensor_attributes.html
  constexpr dtype common_type(const sym* x, int n) const {
    dtype type[3] = {};
    bool any[3] = {};
    for (int i = 0; i < n; ++i) {
      const item& o = items_[x[i].id];
      const int level = o.weak ? 2 : o.ins.rank == 0 ? 1 : 0;
      type[level] = any[level] ? promote(type[level], o.ins.type) : o.ins.type;
      any[level] = true;
    }
    if (!any[0] && !any[1]) return type[2];
    if (any[2] && is_floating(type[2])) type[2] = dtype::f32;  // the default dtype
    auto meet = [&](int high, int low) {
      if (!any[low]) return type[high];
      if (!any[high]) return type[low];
      if (is_floating(type[high])) return type[high];
      return type[high] == dtype::b8 || is_floating(type[low]) ? promote(type[high], type[low]) : type[high];
    };
    type[1] = meet(1, 2), any[1] = any[1] || any[2];
    return meet(0, 1);
  }

  constexpr int op_number(const op_descr* op) {
    for (int i = 0; i < ops_.size(); ++i)
      if (ops_[i]->id == op->id && ops_[i] == op) return i;
    ops_.push(op);
    return ops_.size() - 1;
  }
  /// Starts a program's copy: its ops and pool under their own numbers.
  constexpr void restore_tables(const op_descr* const* ops, int count, const uint64* pool, int words) {
    for (int i = 0; i < count; ++i) ops_.push(ops[i]);
    for (int i = 0; i < words; ++i) pool_.push(pool[i]);
  }
  constexpr int pool(uint64 w) {
    for (int i = 0; i < pool_.size(); ++i)
      if (pool_[i] == w) return i;
    pool_.push(w);
    return pool_.size() - 1;
  }
  /// The same for a run of words.
  constexpr int pool(const detail::vec<uint64>& run) {
    for (int i = 0; i + run.size() <= pool_.size(); ++i) {
      int k = 0;
      while (k < run.size() && pool_[i + k] == run[k]) ++k;
      if (k == run.size()) return i;
    }
    for (int k = 0; k < run.size(); ++k) pool_.push(run[k]);
    return pool_.size() - run.size();
  }
  constexpr sym add(const item& it) {
    const instruction& x = it.ins;
    const uint32 h = bucket(x);
    for (uint16 i = heads_[h]; i != 0xffff; i = items_[i].next) {
      const instruction& y = items_[i].ins;
      if (y.a == x.a && y.op == x.op && y.b == x.b && y.c == x.c && y.type == x.type && y.rank == x.rank &&
          items_[i].weak == it.weak)
        return at_sym(i);
    }
    return append(it, h);
  }
  /// The same for an instruction that is known to be new.
  constexpr sym add_new(const item& it) { return append(it, bucket(it.ins)); }

  /// Appends instruction x of a program, whose operands are here under their own numbers, as it is.
  constexpr void restore(const instruction& x, int arity, uint32 leaf_ones) {
    item it{x};
    if (x.op == code::leaf) it.ins.b = 0, it.ones = static_cast<uint8>(leaf_ones);
    else infer(it, arity);
    if (x.op == code::output) items_.push(it);
    else add_new(it);
  }

  static constexpr instruction make(code op, dtype t, int rank, int a = 0, int b = 0, int c = 0) {
    return {op, t, static_cast<uint8>(rank), static_cast<uint16>(a), static_cast<uint16>(b), static_cast<uint16>(c)};
  }

 private:
  static constexpr uint32 buckets = 256;  // the top 8 bits of a hash
  static constexpr uint32 bucket(const instruction& x) {
    // multiplied and taken from the top: numbers that advance in step must not meet in few buckets
    return ((static_cast<uint32>(x.op) * 31 + x.a) * 2654435761u + x.b * 2246822519u + x.c * 3266489917u) >> 24;
  }
  constexpr sym add_inferred(const instruction& x) {
    item it{x};
    infer(it, 1);
    return add(it);
  }
  /// What follows about extents of 1 from the operands.
  constexpr void infer(item& it, int arity) const {
    const instruction& x = it.ins;
    switch (x.op) {
      case code::leaf: case code::scalar: case code::literal: case code::extent: case code::contract: case code::window: case code::convolve: case code::output:
      case code::list: case code::scan: case code::cond: case code::while_loop: case code::element: return;
      case code::index: case code::cast: case code::roll: it.ones = items_[x.a].ones, it.tag = items_[x.a].tag; return;
      case code::expand: it.ones = items_[x.b].ones, it.tag = items_[x.b].tag; return;
      case code::reduce:
        it.ones = items_[x.a].ones, it.tag = items_[x.a].tag;
        if (x.b < run_time_dims) it.ones = static_cast<uint8>(it.ones | x.b);
        else it.tag = x.b;
        return;
      case code::squeeze: {
        const item& in = items_[x.a];
        if (x.b >= run_time_dims) return;
        for (int i = 0, j = 0; i < in.ins.rank; ++i)
          if (!(x.b >> i & 1)) it.ones = static_cast<uint8>(it.ones | (in.ones >> i & 1) << j++);
        it.tag = in.tag;
        return;
      }
      case code::unsqueeze: {
        const item& in = items_[x.a];
        if (x.b >= run_time_dims) {
          it.tag = x.b;
          return;
        }
        it.ones = static_cast<uint8>(x.b);
        for (int i = 0, j = 0; i < x.rank; ++i)
          if (!(x.b >> i & 1)) it.ones = static_cast<uint8>(it.ones | (in.ones >> j++ & 1) << i);
        return;
      }
      default: break;
    }
    if (x.rank == 0) return;
    uint32 ones = 0xff;
    bool first = true;
    for (int i = 0; i < arity; ++i) {
      const item& o = items_[i == 0 ? x.a : i == 1 ? x.b : x.c];
      if (o.ins.rank == 0) continue;
      const uint32 lead = static_cast<uint32>(x.rank - o.ins.rank);
      ones &= ((1u << lead) - 1) | static_cast<uint32>(o.ones) << lead;
      it.tag = first ? o.tag : it.tag == o.tag && o.ins.rank == x.rank ? o.tag : uint16{0};
      first = false;
    }
    it.ones = static_cast<uint8>(ones & ((1u << x.rank) - 1));
  }
  constexpr sym append(const item& it, uint32 in_bucket) {
    const int id = items_.size();
    items_.push(it);
    items_[id].next = heads_[in_bucket];
    heads_[in_bucket] = static_cast<uint16>(id);
    return at_sym(id);
  }
  graph* outer_ = nullptr;
  detail::vec<sym>* lifted_ = nullptr;
  int first_lifted_ = 0;
  detail::vec<item> items_;
  detail::vec<const op_descr*> ops_;
  detail::vec<uint64> pool_;
  uint16 heads_[buckets] = {};
};
}  // namespace SINTER_TARGET

}  // namespace sinter::inline v0
