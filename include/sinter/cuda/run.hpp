// SPDX-License-Identifier: BSD-3-Clause
// Runs the stages of a program on a device: shapes, memory for what is written, launches. Which device is a table of
// four functions (the driver's, or a test's). Not here: contractions, which are cuBLAS's. Next: cuda/launch.hpp.
#pragma once
#include "../expr/shape.hpp"
#include "../expr/stage.hpp"
#include "kernel.hpp"
#include "launch.hpp"

namespace sinter::inline v0::detail::device {

/// An operand or result of a program: memory of the device, or a number. Strides in elements.
struct operand {
  uint64 data = 0;
  double number = 0;
  shape_value shape;
  int64 strides[max_rank] = {};
  uint32 mode = store;  ///< results
};

struct stage_entry;
/// What a device does for a run, in the order of one stream.
struct machine {
  void* context = nullptr;
  uint64 (*allocate)(void* context, int64 bytes) = nullptr;
  void (*release)(void* context, uint64 address) = nullptr;
  void (*launch)(void* context, const stage_entry&, entry, bool wide, const void* table, int64 bytes, int64 blocks, int threads) = nullptr;
};

/// A stage as tables.
struct stage_entry {
  stage_facts facts;
  uint16 loop, contract;
  uint32 row_tag;
  const uint16* roots;
  const stage_input* in;
  const stage_total* totals;
  void* kernels;  ///< for the machine: where it finds or makes the kernels of this stage
};
struct program_entry {
  program_view view;
  const stage_entry* stages;
  int stage_count;
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
    if (f.kind != shape_fault::none) raise<Arch>(p_, f, &shapes_[0]);
    for (int s = 0; s < e_.stage_count; ++s)
      if (e_.stages[s].facts.kind == kernel_kind::contract) fail<device_error, Arch>("matmul: products do not run on CUDA yet");
    place<Arch>();
    for (int s = 0; s < e_.stage_count; ++s) stage(e_.stages[s]);
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
  vec<shape_value> shapes_;
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
      if (m.data || p_.at(v).op == code::leaf || !(r.shape == shapes_[v]))
        fail<device_error, Arch>("on CUDA a result is a fresh value of its own shape: copies and sums to a leaf's shape are not there yet");
      m.data = r.data, m.mode = r.mode;
      for (int d = 0; d < r.shape.rank; ++d) m.strides[d] = r.strides[d];
    }
    for (int v = 0; v < p_.size(); ++v) {
      memory& m = memory_[v];
      if (m.data || !e_.written[v] || p_.at(v).op == code::leaf) continue;
      m.data = m_.allocate(m_.context, shapes_[v].numel() * size_of(p_.at(v).type));
      row_major(shapes_[v], m.strides);
      m.mode = store, m.scratch = true;
    }
  }

  uint32 mask_of_tag(uint32 tag, int rank) const {
    return tag >= (1u << 30) ? (tag & 0xff) >> (max_rank - rank) : resolve_dims(tag, rank, slots_);
  }
  /// Address and strides, in elements, of value `id`: through squeeze and unsqueeze to what they are views of.
  uint64 strides_of(int id, int64* strides) const {
    const instruction x = p_.at(id);
    if ((x.op == code::squeeze || x.op == code::unsqueeze) && !e_.written[id]) {
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

  void bind(const stage_entry& st, stage_loop& l) const {
    const stage_facts& f = st.facts;
    int64 own[max_rank] = {};
    for (int k = 0; k < f.inputs; ++k) {
      const stage_input& in = st.in[k];
      const instruction x = p_.at(in.id);
      if (in.kind == input_kind::number || in.kind == input_kind::extent) {
        l.walks[k].base = literal_bits(number_of(x));
      } else if (in.kind == input_kind::index) {
        count_steps(shapes_[x.a], resolve_dims(x.b, shapes_[x.a].rank, slots_), own);
        align(l, k, in.in, own, shapes_[x.a].rank, 1);
      } else {
        l.walks[k].base = strides_of(in.id, own);
        l.sizes[k] = static_cast<uint8>(size_of(x.type));
        align(l, k, in.in, own, shapes_[in.id].rank, l.sizes[k]);
      }
    }
    for (int r = 0; r < f.outputs; ++r) {
      const int v = st.roots[r], w = f.inputs + r;
      l.walks[w].base = memory_[v].data;
      l.walks[w].mode = memory_[v].mode;
      l.sizes[w] = static_cast<uint8>(size_of(p_.at(v).type));
      for (int d = 0; d < shapes_[v].rank; ++d) own[d] = shapes_[v][d] == 1 ? 0 : memory_[v].strides[d];
      if (f.output_levels[r] != level::total) align(l, w, e_.spaces[v], own, shapes_[v].rank, l.sizes[w]);
    }
    for (int t = 0; t < f.totals; ++t) {  // row-major over the dims that stay
      const int w = f.inputs + f.outputs + t;
      uint32 mask = 0;
      if (st.totals[t].in_row_space) {
        const uint32 m = mask_of_tag(st.totals[t].tag, l.rank - count_bits(l.row_mask));
        for (int d = 0, k = 0; d < l.rank; ++d) {
          if (l.row_mask >> d & 1) mask |= 1u << d;
          else if (m >> k++ & 1) mask |= 1u << d;
        }
      } else {
        mask = mask_of_tag(st.totals[t].tag, l.rank) | (st.totals[t].of_row ? l.row_mask : 0);
      }
      int64 step = 1;
      for (int d = l.rank - 1; d >= 0; --d) {
        if (mask >> d & 1) continue;
        l.steps[w].v[d] = step * f.total_sizes[t];
        step *= l.extent[d];
      }
      l.walks[w].count = static_cast<uint32>(step);
    }
    if (f.positions) {
      shape_value s;
      s.rank = l.rank;
      for (int d = 0; d < l.rank; ++d) s[d] = l.extent[d];
      count_steps(s, l.row_mask, own);
      for (int d = 0; d < l.rank; ++d) l.steps[f.position()].v[d] = own[d];
    }
  }

  void stage(const stage_entry& st) {
    const stage_facts& f = st.facts;
    bool idle = true;
    for (int r = 0; r < f.outputs; ++r) idle = idle && memory_[st.roots[r]].mode == skip;
    if (idle) return;
    stage_loop l;
    const shape_value& s = shapes_[st.loop];
    l.rank = s.rank;
    for (int d = 0; d < l.rank; ++d) l.extent[d] = s[d];
    l.row_mask = st.row_tag ? mask_of_tag(st.row_tag, l.rank) : 0;
    l.walks = vec<launch_walk>(f.walks(), {});
    l.sizes = vec<uint8>(f.walks(), 0);
    l.steps = vec<stage_loop::by_dim>(f.walks(), {});
    bind(st, l);
    const launch_plan p = planner(f, l).plan();
    if (f.elementwise) return launch(st, entry::map, p.wide, p.head, l, p.blocks, p.threads);
    if (!f.totals) return launch(st, entry::rows, p.wide, p.head, l, p.blocks, p.threads);

    const uint64 room = m_.allocate(m_.context, p.head.sets * p.head.set_bytes);
    uint64 at = room;
    int64 elements = 1;
    for (int t = 0; t < f.totals; ++t) {
      launch_walk& w = l.walks[f.inputs + f.outputs + t];
      w.base = at;
      at += static_cast<uint64>((static_cast<int64>(w.count) * f.total_sizes[t] + 63) / 64 * 64);
      if (w.count > elements) elements = w.count;
    }
    launch(st, entry::clear, false, p.head, l, blocks_for(elements * p.head.sets), 256);
    launch(st, entry::rows, p.wide, p.head, l, p.blocks, p.threads);
    finish(st, p.head, l);
    m_.release(m_.context, room);
  }
  static int64 blocks_for(int64 n) { return n <= 0 ? 0 : n < 256 * 4096 ? (n + 255) / 256 : 4096; }

  /// Results that depend on totals: one loop over their elements.
  void finish(const stage_entry& st, launch_head h, stage_loop& l) {
    const stage_facts& f = st.facts;
    int any = -1;
    for (int r = 0; r < f.outputs; ++r) {
      if (f.output_levels[r] != level::total) continue;
      const int v = st.roots[r];
      any = v;
      int k = 0;
      for (int d = 0; d < shapes_[v].rank; ++d)
        if (shapes_[v][d] != 1) l.walks[f.inputs + r].step[k++] = memory_[v].strides[d] * size_of(p_.at(v).type);
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
    const int walks = st.facts.walks();
    alignas(8) char table[sizeof(launch_table<320>)];
    __builtin_memcpy(table, &h, sizeof h);
    __builtin_memcpy(table + sizeof h, &l.walks[0], static_cast<unsigned>(walks) * sizeof(launch_walk));
    m_.launch(m_.context, st, which, wide, table, static_cast<int64>(sizeof h) + walks * static_cast<int64>(sizeof(launch_walk)), blocks, threads);
  }
};

// --- tables of a program -------------------------------------------------------------------------------------------

/// What a machine needs to find the kernels of stage program SP: `Kernels<SP>::value`.
template <class P, int S, template <class> class Kernels> struct stage_tables {
  using SP = stage_program<P, S>;
  using K = kernel<SP, void, int>;
  static constexpr auto st = schedule_of<P>.stages[S];
  static constexpr auto facts = [] {
    struct {
      level out[SP::result_count + 1] = {};
      bool row[SP::operand_count + 1] = {};
      uint8 sizes[levels_of<SP>.totals + 1] = {};
      bool positions = false;
    } f;
    for (int i = 0; i < SP::size; ++i) {
      const instruction x = SP::at(i);
      if (x.op == code::output) f.out[x.b] = levels_of<SP>.at[x.a];
      if (x.op == code::leaf) f.row[x.a] = x.b == leaf_row || x.b == leaf_constant;
      if (x.op == code::reduce && view_of<SP>.descr(i)->info.result == result_type::index) f.positions = true;
    }
    for (int t = 0; t < levels_of<SP>.totals; ++t) f.sizes[t] = static_cast<uint8>(K::total_size(t));
    return f;
  }();
  static constexpr stage_entry row() {
    return {{st.kind, SP::operand_count, SP::result_count, levels_of<SP>.totals, levels_of<SP>.passes == 0 && levels_of<SP>.totals == 0,
             facts.positions, facts.out, facts.row, facts.sizes},
            st.loop, st.contract, st.row_tag, schedule_of<P>.roots + st.first_root, inputs_of<P, S>.v, totals_of<P, S>.v, Kernels<SP>::value()};
  }
};
template <class P, template <class> class Kernels, int... S> constexpr auto make_stages(ints<S...>) {
  struct { stage_entry v[sizeof...(S) + 1]; } out{{stage_tables<P, S, Kernels>::row()..., {}}};
  return out;
}
template <class P, template <class> class Kernels> inline constexpr auto stages_of = make_stages<P, Kernels>(count_to<schedule_of<P>.count>{});
template <class P, template <class> class Kernels> inline constexpr program_entry entry_of{
    view_of<P>, stages_of<P, Kernels>.v, schedule_of<P>.count, schedule_of<P>.written, schedule_of<P>.spaces};

}  // namespace sinter::inline v0::detail::device
