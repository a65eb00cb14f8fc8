// SPDX-License-Identifier: BSD-3-Clause
// Runs the stages of a program on a device: shapes, memory for what is written, launches. Which device is a table of
// three functions (the driver's, or a test's). Next: cuda/launch.hpp decides how, cuda/kernel.hpp is what runs.
#pragma once
#include "../expr/loops.hpp"
#include "convolution.hpp"
#include "launch.hpp"
#include "product.hpp"

namespace sinter::inline v0::detail::device {

/// An operand or result of a program: memory of the device, or a number. Strides in elements.
struct operand {
  uint64 data = 0;
  double number = 0;
  shape_value shape;
  int64 strides[max_rank] = {};
  uint32 mode = store;  ///< results
};

/// What a device does for a run, in the order of one stream.
struct machine {
  void* context = nullptr;
  uint64 (*allocate)(void* context, int64 bytes) = nullptr;
  void (*release)(void* context, uint64 address) = nullptr;
  void (*launch)(void* context, void* kernels, entry, bool wide, const void* table, int64 bytes, int64 blocks, int threads) = nullptr;
  /// A contraction by a library, if it can; may be null.
  bool (*multiply)(void* context, dtype, const launch_table<3>&) = nullptr;
};
/// A program as tables.
struct program_entry {
  program_view view;
  const stage_entry* stages;
  int stage_count;
  const bool* memory;   ///< values that are memory as they are: leaves, and views
  const bool* written;
  const space* spaces;
};

class SINTER_HIDDEN run {
 public:
  run(const program_entry& entry_, const machine& m, const operand* leaves, const dims_slot* slots, operand* results)
      : e_(entry_), p_(entry_.view), m_(m), leaves_(leaves), slots_(slots), results_(results) {}

  /// Results without data get row-major memory from the machine, which is the caller's from then on.
  template <class Arch = native> void operator()() {
    const int n = p_.size();
    shapes_ = vec<shape_value>(n, {});
    memory_ = vec<memory>(n, {});
    vec<shape_value> leaf_shapes(p_.operand_count() + 1, {});
    for (int i = 0; i < p_.operand_count(); ++i) leaf_shapes[i] = leaves_[i].shape;
    const shape_fault f = infer_shapes(p_, &leaf_shapes[0], slots_, &shapes_[0]);
    if (f.kind != shape_fault::none) raise<Arch>(p_, f, &shapes_[0], slots_);
    loops_ = vec<shape_value>(e_.stage_count + 1, {});
    for (int s = 0; s < e_.stage_count; ++s)
      if (!find_loops(e_.stages[s], e_.spaces, &shapes_[0], slots_, loops_[s]))
        fail<device_error, Arch>("on CUDA an operand of these shapes needs its rows repeated; evaluate the parts one by one");
    place<Arch>();
    for (int s = 0; s < e_.stage_count; ++s) stage(e_.stages[s], loops_[s]);
    for (int i = 0; i < n; ++i)
      if (memory_[i].scratch) m_.release(m_.context, memory_[i].data);
  }

 private:
  struct memory {
    uint64 data = 0;
    int64 strides[max_rank] = {};
    uint32 mode = skip;
    bool scratch = false;
  };
  const program_entry& e_;
  const program_view& p_;
  const machine& m_;
  const operand* leaves_;
  const dims_slot* slots_;
  operand* results_;
  vec<shape_value> shapes_, loops_;
  vec<memory> memory_;

  static void row_major(const shape_value& s, int64* strides) {
    int64 step = 1;
    for (int d = s.rank - 1; d >= 0; --d) strides[d] = step, step *= s[d];
  }
  template <class Arch> void place() {
    for (int i = 0; i < p_.size(); ++i) {
      if (p_.at(i).op != code::output) continue;
      const int v = p_.at(i).a;
      operand& r = results_[p_.at(i).b];
      if (r.mode == skip) continue;
      if (!r.data) {
        r.shape = shapes_[v];
        row_major(r.shape, r.strides);
        r.data = m_.allocate(m_.context, r.shape.numel() * size_of(p_.at(v).type));
      }
      memory& m = memory_[v];
      if (m.data || e_.memory[v] || !(r.shape == shapes_[v]))
        fail<device_error, Arch>("on CUDA a result is a fresh value of its own shape: copies and sums to a leaf's shape are not there yet");
      m.data = r.data, m.mode = r.mode;
      for (int d = 0; d < r.shape.rank; ++d) m.strides[d] = r.strides[d];
    }
    for (int v = 0; v < p_.size(); ++v) {
      memory& m = memory_[v];
      if (m.data || !e_.written[v]) continue;
      m.data = m_.allocate(m_.context, shapes_[v].numel() * size_of(p_.at(v).type));
      row_major(shapes_[v], m.strides);
      m.mode = store, m.scratch = true;
    }
  }

  /// Address and strides, in elements, of value `id`: through squeeze and unsqueeze to what they are views ost.
  uint64 strides_of(int id, int64* strides) const {
    const instruction x = p_.at(id);
    if (e_.memory[id] && x.op != code::leaf) {
      int64 inner[max_rank];
      const uint64 data = strides_of(x.a, inner);
      const int rank = x.op == code::squeeze ? p_.at(x.a).rank : x.rank;
      const uint32 mask = resolve_dims(x.b, rank, slots_);
      for (int d = 0, j = 0; d < rank; ++d) {
        const bool named = mask >> d & 1;
        if (x.op == code::unsqueeze) strides[d] = named ? 0 : inner[j++];
        else if (!named) strides[j++] = inner[d];
      }
      return data;
    }
    const bool is_leaf = x.op == code::leaf;
    for (int d = 0; d < shapes_[id].rank; ++d)
      strides[d] = shapes_[id][d] == 1 ? 0 : is_leaf ? leaves_[x.a].strides[d] : memory_[id].strides[d];
    return is_leaf ? leaves_[x.a].data : memory_[id].data;
  }
  /// Spreads the steps along a value's own dims over the loop's.
  void align(stage_loop& l, int w, space in, const int64* own, int rank, int64 size) const {
    int kept[max_rank], kept_count = 0;
    for (int d = 0; d < l.rank; ++d)
      if (!(l.row_mask >> d & 1)) kept[kept_count++] = d;
    for (int i = 0; i < rank; ++i) {
      const int k = in == space::row ? kept_count - rank + i : l.rank - rank + i;
      if (k >= 0) l.steps[w].v[in == space::row ? kept[k] : k] = own[i] * size;
    }
  }
  double number_of(const instruction& x) const {
    if (x.op == code::scalar) return leaves_[x.a].number;
    const uint32 mask = resolve_dims(x.b, shapes_[x.a].rank, slots_);
    double n = 1;
    for (int d = 0; d < shapes_[x.a].rank; ++d)
      if (mask >> d & 1) n *= static_cast<double>(shapes_[x.a][d]);
    return n;
  }
  /// Row-major numbers of the elements of `s` along the dims in `mask`.
  static void count_steps(const shape_value& s, uint32 mask, int64* own) {
    int64 step = 1;
    for (int d = s.rank - 1; d >= 0; --d) {
      own[d] = mask >> d & 1 && s[d] != 1 ? step : 0;
      if (mask >> d & 1) step *= s[d];
    }
  }

  void bind(const stage_entry& st, stage_loop& l, const memory& product) const {
    int64 own[max_rank] = {};
    for (int k = 0; k < st.input_count; ++k) {
      const stage_input& in = st.inputs[k];
      const instruction x = p_.at(in.id);
      if (in.kind == input_kind::number || in.kind == input_kind::extent) {
        l.walks[k].base = literal_bits(number_of(x));
      } else if (in.kind == input_kind::index) {
        count_steps(shapes_[x.a], resolve_dims(x.b, shapes_[x.a].rank, slots_), own);
        align(l, k, in.in, own, shapes_[x.a].rank, 1);
      } else if (in.kind == input_kind::product) {
        l.walks[k].base = product.data;
        l.sizes[k] = static_cast<uint8>(size_of(x.type));
        align(l, k, in.in, product.strides, x.rank, l.sizes[k]);
      } else {
        l.walks[k].base = strides_of(in.id, own);
        l.sizes[k] = static_cast<uint8>(size_of(x.type));
        align(l, k, in.in, own, shapes_[in.id].rank, l.sizes[k]);
      }
    }
    for (int r = 0; r < st.root_count; ++r) {
      const int v = st.roots[r], w = st.input_count + r;
      l.walks[w].base = memory_[v].data;
      l.walks[w].mode = v == st.contract && !product.scratch ? skip : memory_[v].mode;
      l.sizes[w] = static_cast<uint8>(size_of(p_.at(v).type));
      for (int d = 0; d < shapes_[v].rank; ++d) own[d] = shapes_[v][d] == 1 ? 0 : memory_[v].strides[d];
      if (st.root_levels[r] != level::total) align(l, w, e_.spaces[v], own, shapes_[v].rank, l.sizes[w]);
    }
    for (int t = 0; t < st.total_count; ++t) {  // row-major over the dims that stay
      const int w = st.first_total() + t;
      uint32 mask = 0;
      if (st.totals[t].in_row_space) {
        const uint32 m = resolve_tag(st.totals[t].tag, l.rank - count_bits(l.row_mask), slots_);
        for (int d = 0, k = 0; d < l.rank; ++d) {
          if (l.row_mask >> d & 1) mask |= 1u << d;
          else if (m >> k++ & 1) mask |= 1u << d;
        }
      } else {
        mask = resolve_tag(st.totals[t].tag, l.rank, slots_) | (st.totals[t].of_row ? l.row_mask : 0);
      }
      int64 step = 1;
      for (int d = l.rank - 1; d >= 0; --d) {
        if (mask >> d & 1) continue;
        l.steps[w].v[d] = step * st.total_sizes[t];
        step *= l.extent[d];
      }
      l.walks[w].count = static_cast<uint32>(step);
    }
    if (st.positions) {
      shape_value s;
      s.rank = l.rank;
      for (int d = 0; d < l.rank; ++d) s[d] = l.extent[d];
      count_steps(s, l.row_mask, own);
      for (int d = 0; d < l.rank; ++d) l.steps[st.position()].v[d] = own[d];
    }
  }

  void stage(const stage_entry& st, const shape_value& s) {
    bool idle = true;
    for (int r = 0; r < st.root_count; ++r) idle = idle && memory_[st.roots[r]].mode == skip;
    if (idle) return;
    memory product;  // straight into its result where there is one, else into room of its own
    if (st.kind == kernel_kind::contract) {
      product = memory_[st.contract];
      product.scratch = !product.data || product.mode != store;
      if (product.scratch) {
        row_major(s, product.strides);
        product.data = m_.allocate(m_.context, s.numel() * size_of(p_.at(st.contract).type));
      }
      multiply(st, product);
      if (!product.scratch && st.root_count == 1 && st.roots[0] == st.contract) return;
    }
    stage_loop l;
    l.rank = s.rank;
    for (int d = 0; d < l.rank; ++d) l.extent[d] = s[d];
    l.row_mask = st.row_tag ? resolve_tag(st.row_tag, l.rank, slots_) : 0;
    l.walks = vec<launch_walk>(st.walks(), {});
    l.sizes = vec<uint8>(st.walks(), 0);
    l.steps = vec<stage_loop::by_dim>(st.walks(), {});
    bind(st, l, product);
    const launch_plan p = planner(st, l).plan();
    if (st.elementwise) {
      launch(st, entry::map, p.wide, p.head, l, p.blocks, p.threads);
      if (product.scratch) m_.release(m_.context, product.data);
      return;
    }
    if (!st.total_count) return launch(st, entry::rows, p.wide, p.head, l, p.blocks, p.threads);

    const uint64 room = m_.allocate(m_.context, p.head.sets * p.head.set_bytes);
    uint64 at = room;
    int64 elements = 1;
    for (int t = 0; t < st.total_count; ++t) {
      launch_walk& w = l.walks[st.first_total() + t];
      w.base = at;
      at += static_cast<uint64>((static_cast<int64>(w.count) * st.total_sizes[t] + 63) / 64 * 64);
      if (w.count > elements) elements = w.count;
    }
    launch(st, entry::clear, false, p.head, l, blocks_for(elements * p.head.sets), 256);
    launch(st, entry::rows, p.wide, p.head, l, p.blocks, p.threads);
    finish(st, p.head, l);
    m_.release(m_.context, room);
  }
  /// The contraction of a stage into `to`: result dims are kept, the others are summed.
  void multiply(const stage_entry& st, const memory& to) {
    const instruction x = p_.at(st.contract);
    if (x.op == code::convolve) return convolve(st, to);
    const contraction c = contraction::decode(p_.pool(x.c));
    const int64 size = size_of(x.type);
    int64 own[max_rank], extent[8] = {}, steps[3][8] = {};
    launch_table<3> t;
    t.walks[0].base = strides_of(x.a, own);
    for (int d = 0; d < c.rank_a; ++d) extent[c.a(d)] = shapes_[x.a][d], steps[0][c.a(d)] += own[d] * size;
    t.walks[1].base = strides_of(x.b, own);
    for (int d = 0; d < c.rank_b; ++d) {
      if (extent[c.b(d)] <= 1) extent[c.b(d)] = shapes_[x.b][d];
      steps[1][c.b(d)] += own[d] * size;
    }
    t.walks[2].base = to.data;
    launch_head& h = t.head;
    bool kept[8] = {}, wide = false;
    int rank = 0;
    h.units = 1;
    for (int d = 0; d < c.rank_c; ++d) kept[c.c(d)] = true, steps[2][c.c(d)] = to.strides[d] * size;
    auto add = [&](int label) {
      h.extent[rank] = extent[label];
      for (int w = 0; w < 3; ++w) {
        t.walks[w].step[rank] = steps[w][label];
        wide = wide || extent[label] * (steps[w][label] < 0 ? -steps[w][label] : steps[w][label]) > (int64{1} << 30);
      }
      ++rank;
    };
    for (int d = 0; d < c.rank_c; ++d) add(c.c(d)), h.units *= extent[c.c(d)];
    h.kept_rank = rank;
    for (int label = 0; label < 8; ++label)
      if (!kept[label] && extent[label]) add(label);
    if (rank == h.kept_rank) h.extent[rank++] = 1;
    h.row_rank = rank - h.kept_rank;
    if (m_.multiply && m_.multiply(m_.context, x.type, t)) return;
    const int64 blocks = (h.units + 255) / 256;
    if (blocks > 0) m_.launch(m_.context, st.product, entry::map, wide || h.units > (int64{1} << 30), &t, sizeof t, blocks < 16384 ? blocks : 16384, 256);
  }
  void convolve(const stage_entry& st, const memory& to) {
    const instruction x = p_.at(st.contract);
    const window_shape s = window_shape_of(p_, st.contract, &shapes_[0], slots_);
    const auto face = window_face::decode(p_.at(x.c).c).kind;
    const int64 size = size_of(x.type);
    window_table t;
    t.batch = s.batch, t.groups = s.n.groups, t.in = s.in, t.out = s.out, t.face = face, t.units = shapes_[st.contract].numel();
    int64 largest = t.units;
    for (int d = 0; d < most_window_dims; ++d) {
      t.extent[0][d] = s.x[d], t.extent[1][d] = s.w[d], t.extent[2][d] = s.y[d];
      t.stride[d] = s.n.stride[d], t.dilation[d] = s.n.dilation[d], t.padding[d] = s.n.padding[d];
      for (const int64 reach : {s.n.padding[d], s.w[d] * s.n.dilation[d], s.y[d] * s.n.stride[d], s.x[d]}) largest = reach > largest ? reach : largest;
    }
    const auto set = [&](int which, uint64 base, const int64* own) {
      t.base[which] = base;
      t.step[which][0] = own[0] * size, t.step[which][1] = own[1] * size;
      for (int d = 0; d < s.n.rank; ++d) t.step[which][2 + s.n.at(d)] = own[2 + d] * size;
    };
    int64 own[max_rank];
    const uint64 a = strides_of(x.a, own);
    set(face == window_face::x ? 2 : 0, a, own);
    const uint64 b = strides_of(x.b, own);
    set(face == window_face::w ? 2 : 1, b, own);
    set(face == window_face::y ? 2 : face == window_face::x ? 0 : 1, to.data, to.strides);
    for (int f = 0; f < 3; ++f) {
      const int64 n = t.extent[f][0] * t.extent[f][1] * t.extent[f][2];
      largest = n > largest ? n : largest;
    }
    const int64 blocks = (t.units + 255) / 256;
    if (blocks > 0) m_.launch(m_.context, st.product, entry::map, largest > (int64{1} << 29), &t, sizeof t, blocks < 16384 ? blocks : 16384, 256);
  }
  static int64 blocks_for(int64 n) { return n <= 0 ? 0 : n < 256 * 4096 ? (n + 255) / 256 : 4096; }

  /// Results that depend on totals: one loop over their elements.
  void finish(const stage_entry& st, launch_head h, stage_loop& l) {
    int any = -1;
    for (int r = 0; r < st.root_count; ++r) {
      if (st.root_levels[r] != level::total) continue;
      const int v = st.roots[r];
      any = v;
      int k = 0;
      for (int d = 0; d < shapes_[v].rank; ++d)
        if (shapes_[v][d] != 1) l.walks[st.input_count + r].step[k++] = memory_[v].strides[d] * size_of(p_.at(v).type);
    }
    if (any < 0) return;
    h.kept_rank = 0;
    h.units = 1;
    for (int d = 0; d < shapes_[any].rank; ++d)
      if (shapes_[any][d] != 1) h.extent[h.kept_rank++] = shapes_[any][d], h.units *= shapes_[any][d];
    h.by_block = h.units < 1024 && h.sets > 1;
    launch(st, entry::finish, false, h, l, h.by_block ? h.units : blocks_for(h.units), 256);
  }

  void launch(const stage_entry& st, entry which, bool wide, const launch_head& h, const stage_loop& l, int64 blocks, int threads) {
    if (blocks <= 0) return;
    const int walks = st.walks();
    alignas(8) char table[sizeof(launch_table<320>)];
    __builtin_memcpy(table, &h, sizeof h);
    __builtin_memcpy(table + sizeof h, &l.walks[0], static_cast<unsigned>(walks) * sizeof(launch_walk));
    m_.launch(m_.context, st.kernels, which, wide, table, static_cast<int64>(sizeof h) + walks * static_cast<int64>(sizeof(launch_walk)), blocks, threads);
  }
};

// --- tables of a program -------------------------------------------------------------------------------------------

/// `Kernels<SP>::value()` is what a machine needs to find the kernels of stage program SP.
template <class P, int S, template <class> class Kernels> struct stage_tables {
  using SP = stage_program<P, S>;
  using K = kernel<SP, void, int>;
  static constexpr auto st = schedule_of<P>.stages[S];
  static constexpr auto facts = [] {
    struct {
      level root[SP::result_count + 1] = {};
      bool row[SP::operand_count + 1] = {};
      uint8 sizes[levels_of<SP>.totals + 1] = {};
      bool positions = false;
    } f;
    for (int i = 0; i < SP::size; ++i) {
      const instruction x = SP::at(i);
      if (x.op == code::output) f.root[x.b] = levels_of<SP>.at[x.a];
      if (x.op == code::leaf) f.row[x.a] = x.b == leaf_row || x.b == leaf_constant;
      if (x.op == code::reduce && view_of<SP>.descr(i)->info.result == result_type::index) f.positions = true;
    }
    for (int t = 0; t < levels_of<SP>.totals; ++t) f.sizes[t] = static_cast<uint8>(K::total_size(t));
    return f;
  }();
  static constexpr void* product() {
    if constexpr (st.kind != kernel_kind::contract) return nullptr;
    else if constexpr (P::at(st.contract).op == code::convolve) return Kernels<convolution_stage<cpp_type<P::at(st.contract).type>>>::value();
    else return Kernels<product_stage<cpp_type<P::at(st.contract).type>>>::value();
  }
  static constexpr stage_entry row() {
    return {st.kind, st.contract, st.row_tag, SP::operand_count, st.root_count, levels_of<SP>.totals, stage_source<P, S>::cut.reduction_count,
            schedule_of<P>.roots + st.first_root, inputs_of<P, S>.v, totals_of<P, S>.v, reductions_of<P, S>.v, facts.root, facts.row, facts.sizes,
            K::elementwise, facts.positions, Kernels<SP>::value(), product()};
  }
};
template <class P> constexpr bool runs_on_device() {
  for (int i = 0; i < P::size; ++i)
    if (P::at(i).is_loop() || P::at(i).op == code::roll) return false;
  return true;
}
template <class P, int S, template <class> class Kernels> constexpr stage_entry stage_of() {
  static_assert(runs_on_device<P>(), "sinter: loops (scan, cond, while_loop) and rolled operands run on the CPU: x.to(st::cpu) first");
  if constexpr (runs_on_device<P>()) return stage_tables<P, S, Kernels>::row();
  else return {};
}
template <class P, template <class> class Kernels, int... S> constexpr auto make_stages(ints<S...>) {
  struct { stage_entry v[sizeof...(S) + 1]; } out{{stage_of<P, S, Kernels>()..., {}}};
  return out;
}
template <class P, template <class> class Kernels> inline constexpr auto stages_of = make_stages<P, Kernels>(count_to<schedule_of<P>.count>{});
template <class P, template <class> class Kernels> inline constexpr program_entry entry_of{
    view_of<P>, stages_of<P, Kernels>.v, schedule_of<P>.count, schedule_of<P>.memory, schedule_of<P>.written, schedule_of<P>.spaces};

}  // namespace sinter::inline v0::detail::device
