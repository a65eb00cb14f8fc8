// SPDX-License-Identifier: BSD-3-Clause
// When and where each value of a program is known, and which values must be written to memory between kernels.
// One pass over the instructions, on values, at compile time; knows no device.
// Next: expr/schedule.hpp groups what is written into kernels.
#pragma once
#include "program.hpp"

namespace sinter::inline v0::detail::inline SINTER_TARGET {

enum class space : uint8 { any, full, row };  ///< where a value lives: not decided, all dims, reduced dims removed

inline constexpr uint16 no_value = 0xffff;

/// A set of operand shapes per value. Shapes that follow from equal sets by broadcasting are equal.
class shape_sets {
 public:
  constexpr shape_sets(int values, int atoms) : words_(atoms / 64 + 1), bits_(values * words_, 0) {}
  constexpr void mark(int i, int atom) { bits_[i * words_ + atom / 64] |= uint64{1} << atom % 64; }
  constexpr void join(int i, const shape_sets& from, int j) {
    for (int w = 0; w < words_; ++w) bits_[i * words_ + w] |= from.bits_[j * words_ + w];
  }
  constexpr void copy(int i, const shape_sets& from, int j) {
    for (int w = 0; w < words_; ++w) bits_[i * words_ + w] = from.bits_[j * words_ + w];
  }
  constexpr bool equal(int i, const shape_sets& other, int j) const {
    for (int w = 0; w < words_; ++w)
      if (bits_[i * words_ + w] != other.bits_[j * words_ + w]) return false;
    return true;
  }
  /// Is the second set part of the first?
  constexpr bool holds(int i, const shape_sets& other, int j) const {
    for (int w = 0; w < words_; ++w)
      if (other.bits_[j * words_ + w] & ~bits_[i * words_ + w]) return false;
    return true;
  }
  /// Is one of the two sets part of the other?
  constexpr bool nested(int i, const shape_sets& other, int j) const {
    return holds(i, other, j) || other.holds(j, *this, i);
  }

 private:
  int words_;
  vec<uint64> bits_;
};

/// How one value is known. A value that waits for something within its kernel is "in flight"; all others can be
/// computed again in any kernel, or read from memory.
struct place {
  int16 depth = 0;            ///< kernels of lower depth have run before
  uint16 total = no_value;    ///< known only after all rows: a reduction over other dims than the row's
  uint16 product = no_value;  ///< in the epilogue of this contraction
  uint32 tag = 0;             ///< waits for reductions along rows: their dims (place_tag), 0: for none
  space in = space::any;
  bool one_a_row = false;     ///< in flight, and one value for the whole row
  bool pure = false;          ///< reductions of one state and numbers only: need not be a row, may be a total
  bool memory = false;        ///< a leaf, or squeezed / unsqueezed memory: read as it is
  uint16 loop = 0;            ///< an instruction whose shape is that of the kernel's loops, as far as that is known

  constexpr bool in_flight() const { return tag || total != no_value || product != no_value; }
};

/// Bit of tags whose dims are static: a mask counted from the last dim, so that operands of different rank agree.
inline constexpr uint32 static_tag = 1u << 30;
constexpr uint32 place_tag(uint32 tag, int rank) {
  return tag >= run_time_dims ? tag : tag << (max_rank - rank) | static_tag;
}

class placement {
 public:
  vec<place> at;
  vec<bool> live;      ///< needed for its value, not only for its shape
  vec<bool> written;   ///< goes to memory, results included
  shape_sets shapes;   ///< of values
  shape_sets loops;    ///< of the loops of their kernels

  constexpr explicit placement(const graph& graph_)
      : at(graph_.size(), {}), live(graph_.size(), false), written(graph_.size(), false), shapes(graph_.size(), count_atoms(graph_)),
        loops(graph_.size(), count_atoms(graph_)), g(graph_), n(graph_.size()) {
    find_shapes();
    find_live();
    for (int i = 0; i < n; ++i)
      if (live[i]) locate(i);
    for (int i = 0; i < n; ++i)
      if (g.at(i).op == code::output) materialise(g.at(i).a);
  }

 private:
  const graph& g;
  int n;

  static constexpr bool has_own_shape(const instruction& x) {
    return x.op == code::reduce || x.is_product() || x.op == code::squeeze || x.op == code::unsqueeze || x.op == code::element;
  }
  static constexpr int count_atoms(const graph& g) {
    int leaves = 64, own = 0;
    for (int i = 0; i < g.size(); ++i) {
      if (g.at(i).op == code::leaf && g.at(i).a >= leaves) leaves = g.at(i).a + 1;
      own += has_own_shape(g.at(i));
    }
    return leaves + own;
  }
  constexpr void find_shapes() {
    int next = 64;
    for (int i = 0; i < n; ++i)
      if (g.at(i).op == code::leaf && g.at(i).a >= next) next = g.at(i).a + 1;
    for (int i = 0; i < n; ++i) {
      const instruction& x = g.at(i);
      if (x.rank == 0 || x.op == code::literal || x.op == code::scalar || x.op == code::extent || x.op == code::window) continue;
      if (x.op == code::leaf) {
        shapes.mark(i, x.a);
        if (x.c)
          for (int k = 0; k < 64; ++k)
            if (g.pool()[x.c - 1] >> k & 1) shapes.mark(i, k);
      } else if (x.op == code::convolve && window_face::decode(g.at(x.c).c).like) {
        shapes.copy(i, shapes, g.at(x.c).a);
      } else if (has_own_shape(x)) {
        shapes.mark(i, next++);
      } else if (x.op == code::expand) {
        // where `like` is among what a's shape follows from, both have one shape, or the run says that they do not fit
        shapes.copy(i, shapes, g.at(x.a).rank == x.rank && shapes.holds(x.a, shapes, x.b) ? x.a : x.b);
      } else {
        for_operands(x, g.descr(i), [&](uint16 o) { shapes.join(i, shapes, o); });
      }
    }
  }
  /// Operands whose values, not only whose shapes, instruction i needs.
  template <class F> constexpr void for_values(int i, F f) const {
    const instruction& x = g.at(i);
    if (x.reads_shape()) return;
    if (x.op == code::expand || x.op == code::element) return f(x.a);
    if (x.op == code::convolve) return f(x.a), f(x.b);
    for_operands(x, g.descr(i), f);
  }
  constexpr void find_live() {
    for (int i = n - 1; i >= 0; --i) {
      if (g.at(i).op == code::output) live[i] = true;
      if (live[i]) for_values(i, [&](uint16 o) { live[o] = true; });
    }
  }

  constexpr void materialise(int i) {
    if (!at[i].memory) written[i] = true;
  }
  /// Value i as kernels of depth d read it.
  constexpr void read_back(int i, int d) {
    at[i] = {};
    at[i].depth = static_cast<int16>(d);
    at[i].loop = static_cast<uint16>(i);
    loops.copy(i, shapes, i);
  }
  constexpr void locate(int i) {
    const instruction& x = g.at(i);
    switch (x.op) {
      case code::output: break;
      case code::leaf: read_back(i, 0), at[i].memory = true; break;
      case code::literal: case code::scalar: case code::extent: case code::index: read_back(i, 0); break;
      case code::cast:
        at[i] = at[x.a], at[i].memory = false;
        loops.copy(i, loops, x.a);
        if (!at[i].in_flight()) at[i].loop = static_cast<uint16>(i);
        break;
      case code::squeeze: case code::unsqueeze: locate_view(i); break;
      case code::roll:  // of what lies in memory; kernels read it as it is
        if (g.at(x.a).op != code::roll) materialise(x.a);
        read_back(i, at[x.a].depth + (g.at(x.a).op != code::roll && !at[x.a].memory));
        break;
      case code::list:
        materialise(x.a);
        read_back(i, at[x.a].depth + !at[x.a].memory);
        if (x.c && at[x.b].depth > at[i].depth) at[i].depth = at[x.b].depth;
        break;
      case code::scan: case code::cond: case code::while_loop: read_back(i, at[x.a].depth); break;
      case code::element: read_back(i, at[x.a].depth + 1), written[i] = true; break;
      case code::reduce: locate_reduction(i); break;
      case code::contract: case code::convolve:
        materialise(x.a), materialise(x.b);
        read_back(i, 1 + (at[x.a].depth > at[x.b].depth ? at[x.a].depth : at[x.b].depth));
        at[i].product = static_cast<uint16>(i);
        break;
      default: combine(i);
    }
  }

  constexpr void locate_view(int i) {
    const instruction& x = g.at(i);
    const place& a = at[x.a];
    const bool squeezes = x.op == code::squeeze;
    const uint32 tag = place_tag(x.b, squeezes ? g.at(x.a).rank : x.rank);
    const bool over_row = a.tag == tag && a.product == no_value && (squeezes ? a.in == space::full && a.one_a_row : a.in == space::row);
    if (a.total != no_value || over_row) {
      at[i] = a;
      loops.copy(i, loops, x.a);
      if (a.total == no_value) at[i].in = squeezes ? space::row : space::full;
      return;
    }
    materialise(x.a);
    read_back(i, a.depth + !a.memory);
    at[i].memory = true;
  }

  constexpr bool known_one(int a, uint32 dims) const {
    if (dims >= run_time_dims) return g[a].tag == dims;
    return (g[a].ones & dims) == dims;
  }
  constexpr void locate_reduction(int i) {
    const instruction& x = g.at(i);
    const int a = x.a;
    const op_descr* op = g.descr(i);
    const uint32 tag = place_tag(x.b, g.at(a).rank);
    place p = at[a];
    bool again = p.total != no_value || p.product != no_value || (p.tag && known_one(a, x.b));
    // without a state of one element it has to be a row
    if (!op->single && (p.in == space::row || (p.tag && p.tag != tag))) again = true;
    if (again) {
      materialise(a);
      read_back(i, p.depth + 1);
      loops.copy(i, shapes, a);
      p = at[i], p.loop = static_cast<uint16>(a);
    } else {
      at[i] = p;
      loops.copy(i, loops, a);
    }
    at[i].memory = false;
    at[i].loop = p.loop;
    if (p.in == space::any) at[i].in = space::full;
    const bool all = x.b < run_time_dims && g.at(a).rank > 1 && x.b + 1u == 1u << g.at(a).rank && op->single;
    if (p.in == space::row || (p.tag && p.tag != tag) || (all && !p.tag)) {
      at[i].total = static_cast<uint16>(i);
      at[i].pure = false;
      return;
    }
    at[i].tag = tag;
    at[i].one_a_row = true;
    at[i].pure = !p.tag && op->single;
  }

  constexpr bool same_total(int i, int j) const {
    const instruction &x = g.at(i), &y = g.at(j);
    return i == j || (x.b == y.b && g.at(x.a).rank == g.at(y.a).rank && at[i].in == at[j].in && at[i].tag == at[j].tag && loops.equal(i, loops, j));
  }
  /// A number, or one value for all.
  constexpr bool is_constant(int i) const { return g.at(i).rank == 0 && !at[i].in_flight(); }

  /// An element-wise value: it joins the kernel of its operands in flight if they fit together; else they are written
  /// and it is computed one depth later.
  constexpr void combine(int i) {
    uint16 in[3] = {};
    int k = 0;
    for_values(i, [&](uint16 o) { in[k++] = o; });
    int d = 0;
    for (int j = 0; j < k; ++j) d = at[in[j]].depth > d ? at[in[j]].depth : d;
    auto flies = [&](int o) { return at[o].in_flight() && at[o].depth == d; };
    for (int j = 0; j < k; ++j)
      if (at[in[j]].in_flight() && !flies(in[j])) materialise(in[j]);

    bool fits = true, flying = false, plain = g.at(i).op == code::expand;
    int flying_rank = 0;
    place m;
    m.one_a_row = m.pure = true;
    for (int j = 0; j < k; ++j) {
      const int o = in[j];
      const place& p = at[o];
      if (!flies(o)) {
        plain = plain || !is_constant(o);
        continue;
      }
      if (flying) fits = fits && m.tag == p.tag && m.product == p.product && m.in == p.in && (m.total == no_value) == (p.total == no_value) &&
                         (m.total == no_value || same_total(m.total, p.total)) &&
                         (m.tag < run_time_dims || m.tag >= static_tag || g.at(m.loop).rank == g.at(p.loop).rank);
      // element by element of the row beside one value a row: the row must be theirs
      m.tag = p.tag, m.product = p.product, m.in = p.in, m.total = p.total, m.loop = p.loop;
      m.one_a_row = m.one_a_row && p.one_a_row, m.pure = m.pure && p.pure;
      flying_rank = g.at(o).rank > flying_rank ? g.at(o).rank : flying_rank;
      flying = true;
    }
    if (!flying) return read_back(i, d);
    if (m.total != no_value && plain) fits = false;
    if (g.at(i).rank > flying_rank && m.total == no_value) fits = false;
    if (fits && m.total == no_value && m.in == space::full) fits = rows_fit(i, in, k, d);
    if (!fits) {
      for (int j = 0; j < k; ++j)
        if (flies(in[j])) materialise(in[j]);
      return read_back(i, d + 1);
    }
    if (plain) m.pure = false, m.one_a_row = m.one_a_row && m.in == space::row;
    m.depth = static_cast<int16>(d);
    at[i] = m;
    for (int j = 0; j < k; ++j)
      if (flies(in[j])) loops.join(i, loops, in[j]);
      else if (m.in != space::row) loops.join(i, shapes, in[j]);
    if (g.at(i).op == code::expand && m.in != space::row) loops.join(i, shapes, g.at(i).b);
    if (m.product == no_value && m.total == no_value && m.in == space::full) at[i].loop = widest(i, in, k, d);
  }
  /// One value a row, reduced over x, meets y: they share a kernel only if x and y are known to have one shape, or to
  /// broadcast to one shape.
  constexpr bool rows_fit(int i, const uint16* in, int k, int d) const {
    for (int j = 0; j < k; ++j) {
      const int row = in[j];
      if (!at[row].in_flight() || at[row].depth != d || !at[row].one_a_row) continue;
      for (int l = 0; l < k; ++l) {
        const int o = in[l];
        if (is_constant(o)) continue;
        const bool flies = at[o].in_flight() && at[o].depth == d;
        if (!loops.nested(row, flies ? loops : shapes, o)) return false;
      }
      if (g.at(i).op == code::expand && !loops.nested(row, shapes, g.at(i).b)) return false;
    }
    return true;
  }
  /// An instruction of the loop's shape: an operand's if its set is all, else this one.
  constexpr uint16 widest(int i, const uint16* in, int k, int d) const {
    for (int j = 0; j < k; ++j) {
      const bool flies = at[in[j]].in_flight() && at[in[j]].depth == d;
      if (flies && loops.equal(i, loops, in[j])) return at[in[j]].loop;
      if (!flies && !is_constant(in[j]) && loops.equal(i, shapes, in[j])) return in[j];
    }
    return static_cast<uint16>(i);
  }

 public:
  // Behind for_values, which clang 14 must have seen.
  /// Values in flight that the kernel which computes `root` computes on the way.
  constexpr vec<bool> on_the_way(int root) const {
    vec<bool> on(n, false);
    on[root] = true;
    for (int i = root; i >= 0; --i)
      if (on[i])
        for_values(i, [&](uint16 o) { on[o] = on[o] || (at[o].in_flight() && at[o].depth == at[root].depth); });
    return on;
  }
  /// The contraction that alone reads value v, as one of its operands; else no_value.
  constexpr uint16 only_product_of(int v) const {
    for (int i = 0; i <= v; ++i)
      if (g.at(i).op == code::roll) return no_value;  // rolled values are not read block by block
    uint16 found = no_value;
    for (int i = v + 1; i < n; ++i) {
      int times = 0;
      for_values(i, [&](uint16 o) { times += o == v; });
      if (times > 1 || (times == 1 && (g.at(i).op != code::contract || found != no_value))) return no_value;
      if (times == 1) found = static_cast<uint16>(i);
    }
    return found;
  }
};

}  // namespace sinter::inline v0::detail::inline SINTER_TARGET
