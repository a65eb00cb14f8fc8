// SPDX-License-Identifier: BSD-3-Clause
// From the steps of a stage's operands to its launches: which dims run over blocks, which over threads, how many sets
// of totals. Fixed by the shapes alone, so that results do not depend on the device. Host only.
// Next: cuda/table.hpp is what kernels read, cuda/run.hpp finds the steps.
#pragma once
#include "../expr/stage.hpp"
#include "block.hpp"
#include "table.hpp"

namespace sinter::inline v0::detail::device {

/// The kernels of one stage program.
enum class entry : uint8 { map, rows, clear, finish };
constexpr const char* name_of(entry e) {
  constexpr const char* names[] = {"sinter_map", "sinter_rows", "sinter_clear", "sinter_finish"};
  return names[static_cast<int>(e)];
}

/// A stage as tables: all that running it needs of its types.
struct stage_entry {
  kernel_kind kind;
  uint16 contract;
  uint32 row_tag;
  int input_count, root_count, total_count, reduction_count;
  const uint16* roots;
  const stage_input* inputs;
  const stage_total* totals;
  const stage_reduction* reductions;
  const level* root_levels;
  const bool* input_is_row;     ///< inputs that do not vary along the row
  const uint8* total_sizes;     ///< bytes of one element of each total
  bool elementwise;             ///< `map` runs it, else clear, rows, finish
  bool positions;               ///< a row reduction wants to know where its elements are
  void* kernels;                ///< for the machine: where it finds or makes the kernels of this stage
  void* product;                ///< and those of its contraction
  int first_total() const { return input_count + root_count; }
  int position() const { return first_total() + total_count; }
  int walks() const { return position() + 1; }
};

/// A stage in its loop: by_dim[w][d] is what walk w adds for the next index of dim d.
struct stage_loop {
  int rank = 0;
  int64 extent[max_rank] = {};
  uint32 row_mask = 0;
  vec<launch_walk> walks;
  vec<uint8> sizes;                 ///< bytes of an element of each walk; 0: not memory
  struct by_dim { int64 v[max_rank] = {}; };
  vec<by_dim> steps;
};

/// How to launch.
struct launch_plan {
  launch_head head;
  int64 blocks = 0;
  int threads = 0;
  bool wide = false;  ///< 64-bit indices
};

class planner {
 public:
  planner(const stage_entry& stage, stage_loop& loop) : f(stage), l(loop) {}

  launch_plan plan() {
    launch_plan p;
    int kept[max_rank], row[max_rank], kept_count = 0, row_count = 0;
    bool empty_row = false;
    for (int d = 0; d < l.rank; ++d) {
      if (l.row_mask >> d & 1) row[row_count++] = d, empty_row = empty_row || l.extent[d] == 0;
      else kept[kept_count++] = d;
    }
    kept_count = collapse(kept, kept_count);
    row_count = collapse(row, row_count);
    launch_head& h = p.head;
    int lane_dim = -1;
    if (!f.elementwise) {
      if (f.kind != kernel_kind::row && kept_count > 0) row[row_count++] = kept[--kept_count];  // the innermost dim is the row
      if (empty_row) row_count = 0;
      const int inner = row_count ? row[row_count - 1] : -1;
      h.across = kept_count > 0 && threads_across(kept[kept_count - 1], inner, row_count);
      lane_dim = h.across ? kept[--kept_count] : inner;
    }
    h.kept_rank = kept_count;
    h.units = 1;
    for (int i = 0; i < kept_count; ++i) h.extent[i] = l.extent[kept[i]], h.units *= h.extent[i];
    for (int w = 0; w < f.walks(); ++w) {
      for (int i = 0; i < kept_count; ++i) l.walks[w].step[i] = l.steps[w].v[kept[i]];
      l.walks[w].lane = lane_dim >= 0 ? l.steps[w].v[lane_dim] : 0;
    }
    if (f.elementwise) {
      if (!kept_count) h.extent[h.kept_rank++] = 1;
      p.threads = 256;
      p.blocks = at_most((h.units + p.threads - 1) / p.threads, 16384);
      p.wide = too_long(h, 1);
      return p;
    }
    // the cut: rows into groups of a thread each, or a long row of a map into parts
    const int64 length = row_count ? l.extent[row[row_count - 1]] : empty_row ? 0 : 1;
    p.threads = h.across ? 128 : length > 2048 ? most_threads : static_cast<int>((length + 4 * warp - 1) / (4 * warp) * warp);
    if (p.threads < warp) p.threads = warp;
    if (h.across) h.part = p.threads, h.part_total = l.extent[lane_dim];
    else if (f.kind != kernel_kind::row && length > 2 * longest_part) h.part = longest_part, h.part_total = length;
    if (h.part) {
      for (int w = 0; w < f.walks(); ++w) l.walks[w].step[h.kept_rank] = l.steps[w].v[lane_dim] * h.part;
      h.extent[h.kept_rank] = (h.part_total + h.part - 1) / h.part;
      h.units *= h.extent[h.kept_rank++];
    }
    h.row_rank = row_count ? row_count : 1;
    h.extent[h.kept_rank] = length;
    for (int i = 0; i < row_count; ++i) {
      h.extent[h.kept_rank + i] = l.extent[row[i]];
      for (int w = 0; w < f.walks(); ++w) l.walks[w].step[h.kept_rank + i] = l.steps[w].v[row[i]];
    }
    int64 bytes = 0;
    for (int t = 0; t < f.total_count; ++t) bytes += (static_cast<int64>(l.walks[f.first_total() + t].count) * f.total_sizes[t] + 63) / 64 * 64;
    h.set_bytes = bytes;
    if (shared_totals(h)) {
      const int64 room = bytes ? (int64{64} << 20) / bytes : 1;
      const int64 sets = at_most(most_sets, room < 1 ? 1 : room);
      h.units_per_block = (h.units + sets - 1) / sets;
      if (h.units_per_block < 1) h.units_per_block = 1;
    }
    p.blocks = (h.units + h.units_per_block - 1) / h.units_per_block;
    h.sets = shared_totals(h) && p.blocks > 1 ? p.blocks : 1;
    p.wide = too_long(h, h.row_rank);
    return p;
  }

 private:
  const stage_entry& f;
  stage_loop& l;
  static constexpr int64 longest_part = 8192, most_sets = 256;
  static int64 at_most(int64 a, int64 b) { return a < b ? a : b; }
  static int64 size(int64 v) { return v < 0 ? -v : v; }

  /// Is dim a further out than b? Results of each element decide, then memory inputs.
  bool before(int a, int b) const {
    for (int pass = 0; pass < 2; ++pass)
      for (int w = pass ? 0 : f.input_count; w < (pass ? f.input_count : f.first_total()); ++w) {
        if (!l.sizes[w] || (!pass && f.root_levels[w - f.input_count] != level::element)) continue;
        const int64 x = size(l.steps[w].v[a]), y = size(l.steps[w].v[b]);
        if (x != y && x && y) return x > y;
      }
    return a < b;
  }
  /// Sorts dims, outermost first, and merges those that all walks cross as one.
  int collapse(int* dims, int count) {
    int n = 0, m = 0;
    for (int i = 0; i < count; ++i)
      if (l.extent[dims[i]] != 1) dims[n++] = dims[i];
    for (int i = 1; i < n; ++i)
      for (int j = i; j > 0 && before(dims[j], dims[j - 1]); --j) {
        const int t = dims[j];
        dims[j] = dims[j - 1], dims[j - 1] = t;
      }
    for (int i = 0; i < n; ++i) {
      bool joins = m > 0;
      for (int w = 0; w < f.walks() && joins; ++w) joins = l.steps[w].v[dims[m - 1]] == l.steps[w].v[dims[i]] * l.extent[dims[i]];
      if (joins) l.extent[dims[i]] *= l.extent[dims[m - 1]], dims[m - 1] = dims[i];
      else dims[m++] = dims[i];
    }
    return m;
  }
  /// Should each thread have a row? Where the unit stride lies across rows, or rows are short.
  bool threads_across(int outer, int inner, int row_count) const {
    int along = 0, across = 0;
    for (int w = 0; w < f.first_total(); ++w) {
      if (!l.sizes[w] || (w < f.input_count ? f.input_is_row[w] : f.root_levels[w - f.input_count] != level::element)) continue;
      if (inner >= 0 && size(l.steps[w].v[inner]) == l.sizes[w]) ++along;
      if (size(l.steps[w].v[outer]) == l.sizes[w]) ++across;
    }
    for (int t = 0; t < f.total_count; ++t)
      if (l.steps[f.first_total() + t].v[outer] == 0) return f.kind == kernel_kind::row && across > along;
    return across > along || (row_count <= 1 && inner >= 0 && l.extent[inner] <= warp && l.extent[outer] >= 4 * warp);
  }
  /// Do units of different blocks meet in an element of a total?
  bool shared_totals(const launch_head& h) const {
    for (int t = 0; t < f.total_count; ++t)
      for (int i = 0; i < h.kept_rank; ++i)
        if (h.extent[i] > 1 && l.walks[f.first_total() + t].step[i] == 0) return true;
    return false;
  }
  bool too_long(const launch_head& h, int row_rank) const {
    constexpr int64 limit = int64{1} << 30;
    int64 row = 1;
    for (int i = 0; i < row_rank; ++i) row *= h.extent[h.kept_rank + i];
    if (h.units > limit || row > limit) return true;
    for (int w = 0; w < f.walks(); ++w)
      for (int i = 0; i < h.kept_rank + row_rank && i <= max_rank; ++i)
        if (h.extent[i] * size(l.walks[w].step[i]) > limit) return true;
    return false;
  }
};

}  // namespace sinter::inline v0::detail::device
