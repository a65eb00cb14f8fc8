// SPDX-License-Identifier: BSD-3-Clause
// The reference evaluator: one instruction after the other, any shapes and strides, results rounded to their dtype.
// For programs that exist at run time only and shapes that a fused kernel cannot take; not fast. Next: cpu/run.hpp.
#pragma once
#include "gemm.hpp"
#include "operand.hpp"
#include "strided.hpp"

namespace sinter::inline v0::detail::inline SINTER_TARGET {

/// v as an element of type T: integers wrap, what is not 0 is true.
template <class T, class W> T element_of(W v) {
  if constexpr (std::is_same_v<T, bool>) return v != W(0);
  else if constexpr (std::is_floating_point_v<W> && std::is_integral_v<T>)
    return static_cast<T>(v >= -0x1p63 && v < 0x1p63 ? static_cast<int64>(v) : std::numeric_limits<int64>::min());
  else return static_cast<T>(static_cast<computed<T>>(v));
}
/// Exact in int64, not in double?
constexpr bool counts(dtype t) { return t == dtype::b8 || is_integral(t); }

/// Where an instruction's value lies: memory of a leaf, its own, or a view of another value's.
struct strided_value {
  char* data = nullptr;
  dtype type = dtype::f32;
  shape_value shape;
  int64 strides[max_rank] = {};  ///< in elements
  storage_ptr block;             ///< none for leaves
};

/// Loops over `shape` with K operands: dims that all cross as one are merged, f(offsets) is called for every row.
template <int K> struct row_loop {
  int rank = 0;
  int64 extent[max_rank] = {1}, strides[K][max_rank] = {};
  bool empty = false;

  row_loop(const shape_value& shape, const int64* const (&by_operand)[K]) {
    for (int d = 0; d < shape.rank; ++d) {
      if (shape[d] == 0) empty = true;
      if (shape[d] == 1) continue;
      bool joins = rank > 0;
      for (int k = 0; k < K && joins; ++k) joins = strides[k][rank - 1] == by_operand[k][d] * shape[d];
      if (!joins) ++rank;
      extent[rank - 1] = joins ? extent[rank - 1] * shape[d] : shape[d];
      for (int k = 0; k < K; ++k) strides[k][rank - 1] = by_operand[k][d];
    }
  }
  int64 row() const { return empty ? 0 : extent[rank ? rank - 1 : 0]; }
  int64 step(int k) const { return rank ? strides[k][rank - 1] : 0; }
  template <class F> void run(F f) const {
    if (empty) return;
    int64 at[max_rank] = {}, offset[K] = {};
    for (;;) {
      f(static_cast<const int64*>(offset));
      int d = rank - 2;
      for (; d >= 0; --d) {
        for (int k = 0; k < K; ++k) offset[k] += strides[k][d];
        if (++at[d] < extent[d]) break;
        for (int k = 0; k < K; ++k) offset[k] -= strides[k][d] * extent[d];
        at[d] = 0;
      }
      if (d < 0) return;
    }
  }
};

template <class Arch> [[noreturn]] SINTER_HIDDEN SINTER_NOINLINE void fail_bounds(int64 index, int64 at, int64 n) {
  fail<index_error, Arch>("class ", index, " (element ", at, " of the target) is out of range for ", n, " classes");
}

template <class Arch> class SINTER_HIDDEN interpreter {
 public:
  interpreter(const program_view& p, const operand* leaves, const dims_slot* slots) : p_(p), leaves_(leaves), slots_(slots) {}

  void run(result* results) {
    const int n = p_.size();
    find_shapes();
    // who reads a value last; 0: nobody. Results are read after everything, as their memory may be a leaf's.
    vec<int> last(n, 0);
    for (int i = n - 1; i >= 0; --i) {
      const instruction x = p_.at(i);
      if (x.op == code::output ? results[x.b].mode != write_skip : last[i] != 0)
        for_values(i, [&](uint16 o) { last[o] = x.op == code::output ? n : last[o] ? last[o] : i; });
    }
    values_ = vec<strided_value>(n, {});
    loops_ = vec<vec<strided_value>>(n, {});
    for (int i = 0; i < n; ++i) {
      if (!last[i]) continue;
      values_[i].shape = shapes_[i], values_[i].type = p_.at(i).type;
      evaluate(i, values_[i]);
      if (p_.at(i).is_op() && p_.descr(i)->info.bounds) require_true(i);
      for_values(i, [&](uint16 o) {
        if (last[o] != i) return;
        values_[o].block = storage_ptr();  // not {}: clang 14 forgets to destroy it
        loops_[o] = vec<strided_value>();
      });
    }
    for (int i = 0; i < n; ++i)
      if (p_.at(i).op == code::output && results[p_.at(i).b].mode != write_skip) deliver(values_[p_.at(i).a], p_.at(i).c, results[p_.at(i).b]);
  }

  /// Evaluates the in_bounds at instruction i and what it reads. Throws index_error for an index out of bounds.
  void look(int i) {
    find_shapes();
    vec<bool> need(i + 1, false);
    need[i] = true;
    for (int k = i; k >= 0; --k)
      if (need[k]) for_values(k, [&](uint16 o) { need[o] = true; });
    values_ = vec<strided_value>(i + 1, {});
    for (int k = 0; k <= i; ++k)
      if (need[k]) values_[k].shape = shapes_[k], values_[k].type = p_.at(k).type, evaluate(k, values_[k]);
    require_true(i);
  }

 private:
  static constexpr int64 block = 256;
  const program_view& p_;
  const operand* leaves_;
  const dims_slot* slots_;
  vec<shape_value> shapes_;
  vec<strided_value> values_;
  vec<vec<strided_value>> loops_;  ///< the results of loops, by instruction
  vec<int64> steps_;               ///< how often while_loops have run

  void find_shapes() {
    vec<shape_value> leaf_shapes(p_.operand_count(), {});
    for (int i = 0; i < p_.operand_count(); ++i) leaf_shapes[i] = leaves_[i].shape;
    shapes_ = vec<shape_value>(p_.size(), {});
    const shape_fault f = infer_shapes(p_, &leaf_shapes[0], slots_, &shapes_[0], steps_.size() ? &steps_[0] : nullptr);
    if (f.kind != shape_fault::none) raise<Arch>(p_, f, &shapes_[0], slots_);
  }
  void require_true(int i) const {
    const strided_value& v = values_[i];
    const auto number = [&](int id, int64 k) {
      int64 out = 0, to[max_rank] = {}, at = 0;
      align(values_[id], v.shape, to);
      for (int d = v.shape.rank - 1; d >= 0; --d) at += k % v.shape[d] * to[d], k /= v.shape[d];
      load(values_[id].type, values_[id].data + at * size_of(values_[id].type), 1, 1, &out);
      return out;
    };
    for (int64 k = 0, n = v.shape.numel(); k < n; ++k)
      if (!v.data[k]) fail_bounds<Arch>(number(p_.at(i).a, k), k, number(p_.at(i).b, k));
  }
  /// f(o) for every instruction whose value, not only its shape, instruction i reads.
  template <class F> void for_values(int i, F f) const {
    const instruction x = p_.at(i);
    if (x.reads_shape() || x.is_source() || x.op == code::list) return;
    if (x.op == code::expand) return f(x.a);
    if (x.op == code::convolve) return f(x.a), f(x.b);
    if (x.is_loop()) return for_loop_operands(p_, i, [&](int o) { f(static_cast<uint16>(o)); });
    for_operands(x, p_.descr(i), f);
  }
  static void row_major(const shape_value& s, int64* strides) {
    int64 step = 1;
    for (int d = s.rank - 1; d >= 0; --d) strides[d] = step, step *= s[d];
  }
  static void allocate(strided_value& v) {
    row_major(v.shape, v.strides);
    v.block = allocate_cpu<Arch>(bytes_for<Arch>(v.shape, size_of(v.type)));
    v.data = static_cast<char*>(v.block->data);
  }
  /// Strides of v in a loop over s: 0 where it is broadcast.
  static void align(const strided_value& v, const shape_value& s, int64* out) {
    const int lead = s.rank - v.shape.rank;
    for (int d = 0; d < s.rank; ++d) out[d] = d < lead || v.shape[d - lead] == 1 ? 0 : v.strides[d - lead];
  }
  static void view(const strided_value& of, strided_value& v) { v.data = of.data, v.block = of.block; }

  template <class W> static void load(dtype t, const char* from, int64 stride, int64 n, W* to) {
    if (std::is_same_v<W, double> && t == dtype::f64 && stride == 1) return void(__builtin_memcpy(to, from, static_cast<std::size_t>(n) * sizeof(W)));
    with_real_type(t, [=]<class T>(T) {
      const T* x = reinterpret_cast<const T*>(from);
      for (int64 i = 0; i < n; ++i) to[i] = element_of<W>(x[i * stride]);
    });
  }
  template <class W> static void store(dtype t, const W* from, char* to, int64 stride, int64 n) {
    if (std::is_same_v<W, double> && t == dtype::f64 && stride == 1) return void(__builtin_memcpy(to, from, static_cast<std::size_t>(n) * sizeof(W)));
    with_real_type(t, [=]<class T>(T) {
      T* y = reinterpret_cast<T*>(to);
      for (int64 i = 0; i < n; ++i) y[i * stride] = element_of<T>(from[i]);
    });
  }
  template <class W> static void fill(strided_value& v, W x) {
    allocate(v);
    store(v.type, &x, v.data, 1, 1);
  }

  void evaluate(int i, strided_value& v) {
    const instruction x = p_.at(i);
    switch (x.op) {
      case code::leaf:
        v.data = leaves_[x.a].data;
        for (int d = 0; d < v.shape.rank; ++d) v.strides[d] = leaves_[x.a].strides[d];
        return;
      case code::scalar: return fill(v, leaves_[x.a].number);
      case code::literal: return fill(v, literal_value(p_.pool(x.a)));
      case code::extent: {
        const shape_value& s = shapes_[x.a];
        const uint32 mask = resolve_dims(x.b, s.rank, slots_);
        int64 n = 1;
        for (int d = 0; d < s.rank; ++d) n *= mask >> d & 1 ? s[d] : 1;
        return fill(v, n);
      }
      case code::index: return positions(x, v);
      case code::expand:
        view(values_[x.a], v);
        return align(values_[x.a], v.shape, v.strides);
      case code::squeeze: case code::unsqueeze: {
        const strided_value& of = values_[x.a];
        const bool removes = x.op == code::squeeze;
        const int rank = removes ? of.shape.rank : v.shape.rank;
        const uint32 mask = resolve_dims(x.b, rank, slots_);
        view(of, v);
        for (int d = 0, own = 0; d < rank; ++d)
          if (!(mask >> d & 1)) { v.strides[removes ? own : d] = of.strides[removes ? d : own]; ++own; }
        return;
      }
      case code::cast: allocate(v); return copy(values_[x.a], v);
      case code::roll: allocate(v); return roll(values_[x.a], roll_dim(x), roll_amount(x), v);
      case code::list: return;
      case code::scan: return scan(i);
      case code::cond: return branch(i);
      case code::while_loop: return while_loop(i);
      case code::element: {
        const strided_value& from = loops_[x.a][loop_output::decode(x.b).result(p_.body_counts(x.a))];
        view(from, v);
        for (int d = 0; d < v.shape.rank; ++d) v.strides[d] = from.strides[d];
        return;
      }
      case code::reduce: return counts(values_[x.a].type) && p_.descr(i)->integer_fold ? reduce(x, p_.descr(i)->integer_fold, v)
                                                                                       : reduce(x, p_.descr(i)->fold, v);
      case code::contract: return contract(x, v);
      case code::convolve: return counts(v.type) ? convolve<int64>(i, v) : convolve<double>(i, v);
      default: {
        const op_descr* op = p_.descr(i);
        const uint16 in[3] = {x.a, op->arity > 1 ? x.b : x.a, op->arity > 2 ? x.c : x.a};
        if (counts(values_[in[op->arity - 1]].type) && op->integer) map_integers(in, op->integer, v);
        else map(in, op->arity, op->values, v);
      }
    }
  }

  /// to = from rolled by `amount` along dim d.
  static void roll(const strided_value& from, int d, int64 amount, const strided_value& to) {
    const int64 n = from.shape[d];
    if (from.shape.numel() == 0) return;
    amount = (amount % n + n) % n;
    strided_value source = from, target = to;
    source.block = target.block = {};
    const auto part = [&](int64 source_at, int64 target_at, int64 count) {
      source.shape[d] = target.shape[d] = count;
      source.data = from.data + source_at * from.strides[d] * size_of(from.type);
      target.data = to.data + target_at * to.strides[d] * size_of(to.type);
      if (count) copy(source, target);
    };
    part(0, amount, n - amount), part(n - amount, 0, amount);
  }
  /// Runs scan i step by step.
  void scan(int i) {
    const loop_body counts = p_.body_counts(i);
    const program_view body = p_.body(i);
    const int64 steps = steps_of(p_, i, slots_, &shapes_[0]);
    const bool reverse = scan_mode::decode(p_.at(i).c).reverse;
    vec<strided_value>& out = loops_[i];
    out = vec<strided_value>(counts.result_count(), {});
    vec<strided_value> in;
    for_loop_operands(p_, i, [&](int o) { in.push(values_[o]); });
    vec<shape_value> inner(body.size(), {});
    infer_body(p_, i, slots_, &shapes_[0], &inner[0]);
    for (int r = 0; r < body.size(); ++r) {
      const instruction x = body.at(r);
      if (x.op != code::output) continue;
      strided_value& v = out[x.b];
      v.type = x.type;
      if (x.b < counts.carries) {
        v.shape = in[x.b].shape;
        allocate(v), copy(in[x.b], v);
        continue;
      }
      const bool stacks = x.b < counts.carries + counts.slices;
      if (stacks) v.shape[v.shape.rank++] = steps;
      for (int d = 0; d < inner[r].rank; ++d) v.shape[v.shape.rank++] = inner[r][d];
      allocate(v);
      if (!stacks) __builtin_memset(v.data, 0, static_cast<std::size_t>(v.shape.numel() * size_of(v.type)));
    }
    vec<operand> operands(counts.operand_count() + 1, {});
    vec<result> results(counts.result_count() + 1, {});
    for (int64 step = 0; step < steps; ++step) {
      const int64 t = reverse ? steps - 1 - step : step;
      for (int k = 0; k < counts.operand_count(); ++k) {
        const strided_value& v = k < counts.carries ? out[k] : in[k];
        operands[k] = operand_of(v);
        if (k >= counts.carries && k < counts.carries + counts.stacked) operands[k] = slice_of(operands[k], v.type, t);
      }
      operands[counts.operand_count()].number = static_cast<double>(t);
      for (int k = 0; k < counts.result_count(); ++k) {
        if (k < counts.carries) results[k] = {};  // made aside
        else if (k < counts.carries + counts.slices) results[k] = result_at(slice_of(operand_of(out[k]), out[k].type, t));
        else results[k] = result_at(operand_of(out[k]), write_accumulate);
      }
      interpreter(body, &operands[0], slots_).run(&results[0]);
      for (int k = 0; k < counts.carries; ++k) {
        strided_value made{results[k].data, out[k].type, results[k].shape, {}, {}};
        for (int d = 0; d < max_rank; ++d) made.strides[d] = results[k].strides[d];
        copy(made, out[k]);
      }
    }
  }
  vec<operand> operands_of_loop(int i) const {
    vec<operand> in;
    for_loop_operands(p_, i, [&](int o) { in.push(operand_of(values_[o])); });
    in.push({});  // the step's number
    return in;
  }
  static operand operand_of(const strided_value& v) {
    operand o;
    o.data = v.data, o.shape = v.shape;
    for (int d = 0; d < max_rank; ++d) o.strides[d] = v.strides[d];
    return o;
  }
  static bool is_true(const strided_value& v) {
    int64 out = 0;
    load(v.type, v.data, 1, 1, &out);
    return out;
  }
  /// A result that a run has allocated.
  static strided_value value_of(const result& r, dtype t) {
    strided_value v{r.data, t, r.shape, {}, r.block};
    for (int d = 0; d < max_rank; ++d) v.strides[d] = r.strides[d];
    return v;
  }
  static dtype result_type(const program_view& p, int number) {
    for (int i = 0; i < p.size(); ++i)
      if (p.at(i).op == code::output && p.at(i).b == number) return p.at(i).type;
    return dtype::f32;
  }
  void branch(int i) {
    const vec<operand> in = operands_of_loop(i);
    const program_view body = is_true(values_[p_.at(p_.at(i).a).a]) ? p_.body(i) : p_.second_body(i);
    const int n = p_.body_counts(i).result_count();
    vec<result> results(n + 1, {});
    interpreter(body, &in[0], slots_).run(&results[0]);
    for (int r = 0; r < n; ++r) loops_[i].push(value_of(results[r], result_type(body, r)));
  }
  void while_loop(int i) {
    const loop_body counts = p_.body_counts(i);
    const program_view body = p_.body(i), test = p_.second_body(i);
    vec<operand> in = operands_of_loop(i);
    vec<strided_value> carried;
    for_loop_operands(p_, i, [&](int o) {
      if (carried.size() < counts.carries) carried.push(values_[o]);
    });
    vec<vec<strided_value>> slices(counts.slices, {});
    int64 steps = 0;
    for (;; ++steps) {
      for (int c = 0; c < counts.carries; ++c) in[c] = operand_of(carried[c]);
      in[counts.operand_count()].number = static_cast<double>(steps);
      result truth;
      interpreter(test, &in[0], slots_).run(&truth);
      if (!is_true(value_of(truth, dtype::b8))) break;
      vec<result> results(counts.result_count() + 1, {});
      interpreter(body, &in[0], slots_).run(&results[0]);
      for (int c = 0; c < counts.carries; ++c) carried[c] = value_of(results[c], result_type(body, c));
      for (int s = 0; s < counts.slices; ++s) slices[s].push(value_of(results[counts.carries + s], result_type(body, counts.carries + s)));
    }
    loops_[i] = carried;
    for (int s = 0; s < counts.slices; ++s) {
      strided_value all;
      all.type = result_type(body, counts.carries + s);
      all.shape[all.shape.rank++] = steps;
      const shape_value one = steps ? slices[s][0].shape : shape_value{};
      for (int d = 0; d < one.rank; ++d) all.shape[all.shape.rank++] = one[d];
      if (!steps) all.shape.rank = 1 + rank_of_result(body, counts.carries + s);
      allocate(all);
      for (int64 t = 0; t < steps; ++t) {
        const operand to = slice_of(operand_of(all), all.type, t);
        strided_value into{to.data, all.type, to.shape, {}, {}};
        for (int d = 0; d < max_rank; ++d) into.strides[d] = to.strides[d];
        copy(slices[s][static_cast<int>(t)], into);
      }
      loops_[i].push(all);
    }
    // what follows has shapes only when it is known how often this ran
    if (!steps_.size()) steps_ = vec<int64>(p_.size(), -1);
    steps_[i] = steps;
    find_shapes();
  }
  static int rank_of_result(const program_view& p, int number) {
    for (int i = 0; i < p.size(); ++i)
      if (p.at(i).op == code::output && p.at(i).b == number) return p.at(i).rank;
    return 0;
  }
  /// to = from, which is broadcast and converted.
  static void copy(const strided_value& from, const strided_value& to) {
    if (counts(from.type)) copy_as<int64>(from, to);
    else copy_as<double>(from, to);
  }
  template <class W> static void copy_as(const strided_value& from, const strided_value& to) {
    int64 own[max_rank];
    align(from, to.shape, own);
    const row_loop<2> loop(to.shape, {own, to.strides});
    loop.run([&](const int64* at) {
      W x[block];
      for (int64 i = 0; i < loop.row(); i += block) {
        const int64 n = loop.row() - i < block ? loop.row() - i : block;
        load(from.type, from.data + (at[0] + i * loop.step(0)) * size_of(from.type), loop.step(0), n, x);
        store(to.type, x, to.data + (at[1] + i * loop.step(1)) * size_of(to.type), loop.step(1), n);
      }
    });
  }

  /// An op of integers, one element at a time.
  void map_integers(const uint16 (&in)[3], int64 (*f)(const int64*), strided_value& v) {
    allocate(v);
    int64 own[3][max_rank];
    for (int k = 0; k < 3; ++k) align(values_[in[k]], v.shape, own[k]);
    const row_loop<4> loop(v.shape, {own[0], own[1], own[2], v.strides});
    loop.run([&](const int64* at) {
      int64 x[3][block], y[block];
      for (int64 i = 0; i < loop.row(); i += block) {
        const int64 n = loop.row() - i < block ? loop.row() - i : block;
        for (int k = 0; k < 3; ++k) {
          const strided_value& o = values_[in[k]];
          load(o.type, o.data + (at[k] + i * loop.step(k)) * size_of(o.type), loop.step(k), n, x[k]);
        }
        for (int64 j = 0; j < n; ++j) {
          const int64 operands[3] = {x[0][j], x[1][j], x[2][j]};
          y[j] = f(operands);
        }
        store(v.type, y, v.data + (at[3] + i * loop.step(3)) * size_of(v.type), loop.step(3), n);
      }
    });
  }
  /// An op in double, a block at a time: from and to memory itself where that holds whole blocks of doubles.
  void map(const uint16 (&in)[3], int arity, void (*f)(const double* const*, double*), strided_value& v) {
    allocate(v);
    int64 own[3][max_rank];
    for (int k = 0; k < 3; ++k) align(values_[in[k]], v.shape, own[k]);
    const row_loop<4> loop(v.shape, {own[0], own[1], own[2], v.strides});
    constexpr int64 B = interpreted_block;
    alignas(64) double room[4][block];
    loop.run([&](const int64* at) {
      for (int k = 0; k < arity; ++k)
        if (loop.step(k) == 0) {
          const strided_value& o = values_[in[k]];
          load(o.type, o.data + at[k] * size_of(o.type), 0, B, room[k]);
        }
      for (int64 i = 0, n = 0; i < loop.row(); i += n) {
        const int64 left = loop.row() - i;
        n = left >= block ? block : left >= B ? left / B * B : left;
        const int64 whole = (n + B - 1) / B * B;
        const double* x[3] = {};
        int64 step[3] = {};
        for (int k = 0; k < arity; ++k) {
          const strided_value& o = values_[in[k]];
          const char* from = o.data + (at[k] + i * loop.step(k)) * size_of(o.type);
          x[k] = room[k], step[k] = B;
          if (loop.step(k) == 0) {
            step[k] = 0;
          } else if (o.type == dtype::f64 && loop.step(k) == 1 && n == whole) {
            x[k] = reinterpret_cast<const double*>(from);
          } else {
            load(o.type, from, loop.step(k), n, room[k]);
            for (int64 j = n; j < whole; ++j) room[k][j] = room[k][n - 1];  // what is computed too much is no other number
          }
        }
        char* to = v.data + (at[3] + i * loop.step(3)) * size_of(v.type);
        const bool straight = v.type == dtype::f64 && loop.step(3) == 1 && n == whole;
        double* y = straight ? reinterpret_cast<double*>(to) : room[3];
        for (int64 j = 0; j < whole; j += B) {
          f(x, y + j);
          for (int k = 0; k < arity; ++k) x[k] += step[k];
        }
        if (!straight) store(v.type, y, to, loop.step(3), n);
      }
    });
  }

  void positions(const instruction& x, strided_value& v) {
    const uint32 mask = resolve_dims(x.b, v.shape.rank, slots_);
    int64 along[max_rank], step = 1;
    for (int d = v.shape.rank - 1; d >= 0; --d) {
      along[d] = mask >> d & 1 ? step : 0;
      if (mask >> d & 1) step *= v.shape[d];
    }
    allocate(v);
    const row_loop<2> loop(v.shape, {along, v.strides});
    loop.run([&](const int64* at) {
      int64* y = reinterpret_cast<int64*>(v.data) + at[1];
      for (int64 i = 0; i < loop.row(); ++i) y[i * loop.step(1)] = at[0] + i * loop.step(0);
    });
  }

  /// Gathers what is reduced to one element, row-major over the reduced dims, and folds it.
  template <class W> void reduce(const instruction& x, W (*fold)(const W*, int64, int64), strided_value& v) {
    const strided_value& from = values_[x.a];
    const uint32 mask = resolve_dims(x.b, from.shape.rank, slots_);
    shape_value kept = from.shape, reduced = from.shape;
    for (int d = 0; d < from.shape.rank; ++d) (mask >> d & 1 ? kept : reduced)[d] = 1;
    int64 own[max_rank];
    align(from, from.shape, own);
    allocate(v);
    const int64 n = reduced.numel();
    const scratch_memory room(n * static_cast<int64>(sizeof(W)));
    W* x_of = reinterpret_cast<W*>(room.data());
    const row_loop<2> outer(kept, {own, v.strides});
    const row_loop<1> inner(reduced, {own});
    outer.run([&](const int64* at) {
      for (int64 i = 0; i < outer.row(); ++i) {
        int64 done = 0;
        inner.run([&](const int64* in) {
          load(from.type, from.data + (at[0] + i * outer.step(0) + in[0]) * size_of(from.type), inner.step(0), inner.row(), x_of + done);
          done += inner.row();
        });
        const W y = fold(x_of, n, 1);
        store(v.type, &y, v.data + (at[1] + i * outer.step(1)) * size_of(v.type), 1, 1);
      }
    });
  }

  /// A label of a contraction: its extent, and its strides in the operands and the result.
  struct label {
    int64 extent = 1, a = 0, b = 0, c = 0;
    bool in_a = false, in_b = false, in_c = false;
  };
  /// Sum of products over the labels that the result lacks: by gemm where there is work for it.
  void contract(const instruction& x, strided_value& v) {
    const strided_value &a = values_[x.a], &b = values_[x.b];
    const contraction c = contraction::decode(p_.pool(x.c));
    allocate(v);
    label labels[8];
    for (int d = 0; d < c.rank_a; ++d) labels[c.a(d)].in_a = true, labels[c.a(d)].extent = a.shape[d], labels[c.a(d)].a += a.strides[d];
    for (int d = 0; d < c.rank_b; ++d) labels[c.b(d)].in_b = true, labels[c.b(d)].extent = b.shape[d], labels[c.b(d)].b += b.strides[d];
    for (int d = 0; d < c.rank_c; ++d) labels[c.c(d)].in_c = true, labels[c.c(d)].c += v.strides[d];
    int64 work = 1;
    for (const label& l : labels) work *= l.extent;
    if (counts(v.type)) return products<int64>(labels, a, b, v);
    if (work >= 1 << 8 && v.type == dtype::f32) return matrices<float>(labels, a, b, v);
    if (work >= 1 << 8 && v.type == dtype::f64) return matrices<double>(labels, a, b, v);
    products<double>(labels, a, b, v);
  }
  template <class W> static void products(const label (&labels)[8], const strided_value& a, const strided_value& b, strided_value& v) {
    shape_value kept, summed;
    int64 strides[5][max_rank] = {};
    for (const label& l : labels) {
      if (l.in_c) strides[0][kept.rank] = l.a, strides[1][kept.rank] = l.b, strides[2][kept.rank] = l.c, kept[kept.rank++] = l.extent;
      else strides[3][summed.rank] = l.a, strides[4][summed.rank] = l.b, summed[summed.rank++] = l.extent;
    }
    const row_loop<3> outer(kept, {strides[0], strides[1], strides[2]});
    const row_loop<2> inner(summed, {strides[3], strides[4]});
    auto at = [](const strided_value& o, int64 offset) { return o.data + offset * size_of(o.type); };
    outer.run([&](const int64* row) {
      for (int64 i = 0; i < outer.row(); ++i) {
        W total = 0;
        inner.run([&](const int64* in) {
          W x[block], y[block];
          for (int64 j = 0; j < inner.row(); j += block) {
            const int64 n = inner.row() - j < block ? inner.row() - j : block;
            load(a.type, at(a, row[0] + i * outer.step(0) + in[0] + j * inner.step(0)), inner.step(0), n, x);
            load(b.type, at(b, row[1] + i * outer.step(1) + in[1] + j * inner.step(1)), inner.step(1), n, y);
            for (int64 k = 0; k < n; ++k) total += x[k] * y[k];
          }
        });
        store(v.type, &total, at(v, row[2] + i * outer.step(2)), 1, 1);
      }
    });
  }
  /// The longest label of each kind makes a matrix product, the others are loops around it.
  template <class T> static void matrices(label (&labels)[8], const strided_value& a, const strided_value& b, strided_value& v) {
    auto take_longest = [&](bool in_a, bool in_b, bool in_c) {
      label* best = nullptr;
      for (label& l : labels)
        if (l.in_a == in_a && l.in_b == in_b && l.in_c == in_c && (!best || l.extent > best->extent)) best = &l;
      const label found = best ? *best : label{};
      if (best) *best = {};
      return found;
    };
    const label m = take_longest(true, false, true), n = take_longest(false, true, true), k = take_longest(true, true, false);
    shape_value rest;
    int64 strides[3][max_rank] = {};
    for (const label& l : labels) strides[0][rest.rank] = l.a, strides[1][rest.rank] = l.b, strides[2][rest.rank] = l.c, rest[rest.rank++] = l.extent;
    const row_loop<3> loop(rest, {strides[0], strides[1], strides[2]});
    __builtin_memset(v.data, 0, static_cast<std::size_t>(v.shape.numel()) * sizeof(T));
    loop.run([&](const int64* at) {
      for (int64 i = 0; i < loop.row(); ++i)
        gemm<T, Arch>(m.extent, n.extent, k.extent, reinterpret_cast<const T*>(a.data) + at[0] + i * loop.step(0), m.a, k.a,
                      reinterpret_cast<const T*>(b.data) + at[1] + i * loop.step(1), k.b, n.b,
                      reinterpret_cast<T*>(v.data) + at[2] + i * loop.step(2), m.c, n.c, true);
    });
  }

  /// v as numbers of type W, row-major.
  template <class W> static void gather(const strided_value& v, W* to) {
    int64 own[max_rank];
    align(v, v.shape, own);
    const row_loop<1> loop(v.shape, {own});
    loop.run([&](const int64* at) {
      load(v.type, v.data + at[0] * size_of(v.type), loop.step(0), loop.row(), to);
      to += loop.row();
    });
  }
  /// One loop for all faces: each product of three elements that meet is part of the sum for the third.
  template <class W> void convolve(int i, strided_value& v) {
    const instruction x = p_.at(i);
    const strided_value &a = values_[x.a], &b = values_[x.b];
    const int64 sizes[3] = {a.shape.numel(), b.shape.numel(), v.shape.numel()};
    const scratch_memory room((sizes[0] + sizes[1] + sizes[2]) * static_cast<int64>(sizeof(W)));
    W* const first = reinterpret_cast<W*>(room.data());
    W *const second = first + sizes[0], *const result = second + sizes[1];
    gather(a, first), gather(b, second);
    for (int64 k = 0; k < sizes[2]; ++k) result[k] = 0;
    const window_shape s = window_shape_of(p_, i, &shapes_[0], slots_);
    const auto face = window_face::decode(p_.at(x.c).c).kind;
    const auto add = [&](W* xs, W* ws, W* ys) {  // the one that is wanted is read, too: it is not constant for two faces of three
      for (int64 image = 0; image < s.batch; ++image)
        for (int64 o = 0; o < s.n.groups * s.out; ++o)
          for (int64 c = 0; c < s.in; ++c) {
            W* const px = xs + (image * s.n.groups * s.in + o / s.out * s.in + c) * s.x[0] * s.x[1] * s.x[2];
            W* const py = ys + (image * s.n.groups * s.out + o) * s.y[0] * s.y[1] * s.y[2];
            W* pw = ws + (o * s.in + c) * s.w[0] * s.w[1] * s.w[2];
            int64 k[3], y[3];
            for (k[0] = 0; k[0] < s.w[0]; ++k[0])
              for (k[1] = 0; k[1] < s.w[1]; ++k[1])
                for (k[2] = 0; k[2] < s.w[2]; ++k[2], ++pw)
                  for (y[0] = 0; y[0] < s.y[0]; ++y[0])
                    for (y[1] = 0; y[1] < s.y[1]; ++y[1])
                      for (y[2] = 0; y[2] < s.y[2]; ++y[2]) {
                        int64 at = 0;
                        bool inside = true;
                        for (int d = 0; d < 3; ++d) {
                          const int64 position = y[d] * s.n.stride[d] + k[d] * s.n.dilation[d] - s.n.padding[d];
                          inside = inside && position >= 0 && position < s.x[d];
                          at = at * s.x[d] + position;
                        }
                        if (!inside) continue;
                        W& to_y = py[(y[0] * s.y[1] + y[1]) * s.y[2] + y[2]];
                        if (face == window_face::y) to_y += px[at] * *pw;
                        else if (face == window_face::x) px[at] += to_y * *pw;
                        else *pw += px[at] * to_y;
                      }
          }
    };
    if (face == window_face::y) add(first, second, result);
    else if (face == window_face::x) add(result, second, first);
    else add(first, result, second);
    allocate(v);
    store(v.type, result, v.data, 1, sizes[2]);
  }

  /// Hands a value over, copies it, or adds it up where the result is smaller or accumulates.
  void deliver(strided_value& v, int summed_to, result& r) {
    if (!r.data) {
      r.shape = summed_to ? leaves_[summed_to - 1].shape : v.shape;
      row_major(r.shape, r.strides);
      // a row-major value of which nobody else needs the memory
      bool whole = !r.complex && v.block && v.data == v.block->data && r.shape == v.shape && v.block.use_count() == 1;
      for (int d = 0; d < v.shape.rank && whole; ++d) whole = v.shape[d] == 1 || v.strides[d] == r.strides[d];
      if (whole) {
        r.block = v.block, r.data = v.data;
        return;
      }
      allocate_result<Arch>(&r, v.type);
      r.mode = write_store;
    }
    if (r.shape == v.shape && r.mode == write_store) {
      strided_value to{r.data, v.type, r.shape, {}, {}};
      for (int d = 0; d < r.shape.rank; ++d) to.strides[d] = r.strides[d];
      return copy(v, to);
    }
    sum_into<Arch>(v.type, v.data, v.shape, v.strides, r.data, r.shape, r.strides, r.mode == write_accumulate);
  }
};

/// Runs program p. Operands and results as for cpu_run.
template <class Arch> SINTER_HIDDEN void interpret(const program_view& p, const operand* leaves, const dims_slot* slots, result* results) {
  interpreter<Arch>(p, leaves, slots).run(results);
}
/// Runs what the outputs of a graph need.
template <class Arch> SINTER_HIDDEN void interpret(const graph& g, const operand* leaves, const dims_slot* slots, result* results) {
  int operands = 0;
  for (int i = 0; i < g.size(); ++i)
    if ((g.at(i).op == code::leaf || g.at(i).op == code::scalar) && g.at(i).a >= operands) operands = g.at(i).a + 1;
  auto run = [&](const auto& flat) {
    if (flat.overflow) return false;
    interpret<Arch>(program_view{flat.words, flat.ops}, leaves, slots, results);
    return true;
  };
  if (!run(flatten<1024>(g, operands)) && !run(flatten<max_instructions>(g, operands)))
    fail<error, Arch>("a program of ", g.size(), " instructions is too long; at most ", max_instructions, " fit");
}

}  // namespace sinter::inline v0::detail::inline SINTER_TARGET
