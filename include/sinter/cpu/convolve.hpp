// SPDX-License-Identifier: BSD-3-Clause
// Convolutions: each face as matrix products over columns of images, which are packed block by block and never stored as a
// whole. Not here: shapes (expr/window.hpp), the product (gemm.hpp). Next: image.hpp packs, plane.hpp is for groups of one channel.
#pragma once
#include "contract.hpp"
#include "plane.hpp"

namespace sinter::inline v0::detail::inline SINTER_TARGET {

/// C (m x n) = A B for a B (k x n) of columns of images. Calls tile(i0, i1, j0, j1, block) for finished blocks.
template <class T, class Arch, class Tile>
SINTER_HIDDEN void multiply_columns(int64 m, int64 n, int64 k, strided<T> a, const image_columns<T>& columns, const Tile& tile) {
  if constexpr (std::is_floating_point_v<T>) {
    const auto pack = [](const void* context, int64 p, int64 depth, int64 j, int64 count, T* to) {
      pack_columns<T, Arch>(*static_cast<const image_columns<T>*>(context), p, depth, j, count, to, gemm_shape<T>::columns);
    };
    gemm<T, Arch>(m, n, k, {a}, {{}, nullptr, pack, &columns}, gemm_result<T>::receiver(tile));
  } else {  // products of integers read B from memory
    constexpr int64 most = 1024;
    const scratch<T, Arch> b(most * k);
    for (int64 j = 0; j < n; j += most) {
      const int64 count = n - j < most ? n - j : most;
      pack_columns<T, Arch>(columns, 0, k, j, count, b.get(), count);
      gemm<T, Arch>(m, count, k, a.data, a.rows, a.columns, b.get(), count, 1, [&](int64 i0, int64 i1, int64 j0, int64 j1, strided<T> block) { tile(i0, i1, j + j0, j + j1, block); });
    }
  }
}

/// A convolution of elements of T. Calls finished(block_place, block) once for every element of the result, where block is in
/// cache; calls may come from several threads. Bitwise the same for every number of threads.
template <class T, class Arch, class Finished> class convolution {
 public:
  convolution(const window_shape& shape, window_face::kind_t face, const face_memory<T>& a, const face_memory<T>& b, const Finished& finished)
      : s_(shape), face_(face), a_(a), b_(b), finished_(finished) {}

  void run() {
    if (face_ == window_face::w) return s_.in == 1 && s_.out <= few ? kernels_by_dots() : kernels();
    window_phase p;
    for (p.number = 0; p.find(s_, face_); ++p.number) {
      if (p.numel() == 0) continue;
      if (s_.in == 1 && s_.out <= few) by_plane(p);
      else images(p);
    }
  }

 private:
  static constexpr int64 few = 4;                           ///< rows for which a matrix product is not worth its packing
  static constexpr int64 chunk_work = 1 << 19;
  const window_shape& s_;
  window_face::kind_t face_;
  const face_memory<T> &a_, &b_;
  const Finished& finished_;

  template <class F> static void for_units(int64 units, int64 work, F f) {
    const chunking c = fixed_chunks(units, chunk_work / (work + 1) + 1);
    parallel_for<Arch>(c.count, [&](int64 k) {
      for (int64 u = k * c.size; u < (k + 1) * c.size && u < units; ++u) f(u);
    });
  }
  /// Even pieces of [0, n) of at most about `most`, whole tiles.
  static int64 even(int64 n, int64 most) {
    constexpr int64 width = gemm_shape<T>::columns;
    if (most < 2 * width) most = 2 * width;
    const int64 pieces = (n + most - 1) / most, size = (n + pieces - 1) / pieces;
    return (size + width - 1) / width * width;
  }
  bool forward() const { return face_ == window_face::y; }
  int64 rows() const { return forward() ? s_.out : s_.in; }
  int64 sources() const { return forward() ? s_.in : s_.out; }
  block_place place_of(const window_phase& p, int64 group) const {
    block_place to;
    to.first_row = group * rows();
    to.columns[0] = {0, s_.batch, 0, 1};
    for (int d = 0; d < 3; ++d) to.columns[1 + d] = {2 + d, p.box[d], p.first[d], p.step[d]};
    return to;
  }

  /// Faces y and x: rows are channels, columns positions of all images, summed over the channels of the other images and taps.
  void images(const window_phase& p) {
    const int64 taps = p.taps(), depth = sources() * taps, n = s_.batch * p.numel(), m = rows();
    const scratch<T, Arch> room(kernels_fit(p) ? 0 : s_.n.groups * m * depth);
    strided<T> w = kernels_of(p, room.get());
    const int64 next_group = kernels_fit(p) ? s_.out * b_.first : m * depth;
    const image_columns<T> columns = columns_of(a_, p);
    if (int64 step; columns.is_matrix(step)) {  // kernels of extent 1: images are matrices as they are
      for_units(s_.n.groups * s_.batch, m * depth * p.numel(), [&](int64 u) {
        const int64 group = u % s_.n.groups, image = u / s_.n.groups;
        block_place to = place_of(p, group);
        gemm<T, Arch>(m, p.numel(), depth, w.data + group * next_group, w.rows, w.columns, a_.data + image * a_.first + group * sources() * a_.second,
                      a_.second, step, [&](int64 i0, int64 i1, int64 j0, int64 j1, strided<T> block) {
          finish(to, i0, i1, image * p.numel() + j0, image * p.numel() + j1, block);
        });
      });
      return;
    }
    // threads share groups, or the columns of each
    const auto one = [&](int64 group) {
      image_columns<T> mine = columns;
      mine.data += group * sources() * a_.second;
      multiply_columns<T, Arch>(m, n, depth, {w.data + group * next_group, w.rows, w.columns}, mine, [&](int64 i0, int64 i1, int64 j0, int64 j1, strided<T> block) {
        finish(place_of(p, group), i0, i1, j0, j1, block);
      });
    };
    if (s_.n.groups >= 2 * concurrency<Arch>()) for_units(s_.n.groups, m * depth * n, one);
    else for (int64 group = 0; group < s_.n.groups; ++group) one(group);
  }
  void finish(block_place to, int64 i0, int64 i1, int64 j0, int64 j1, strided<T> block) const {
    to.first_row += i0, to.rows = i1 - i0, to.first_column = j0, to.last_column = j1;
    finished_(to, block);
  }

  /// Are kernels a matrix of rows x (channels, taps) as they lie?
  bool kernels_fit(const window_phase&) const {
    if (!forward()) return false;
    int64 step = 0, next = 0;
    for (int d = 3; d >= 0; --d) {
      const int64 extent = d ? s_.w[d - 1] : s_.in, own = d ? b_.step[d - 1] : b_.second;
      if (extent == 1) continue;
      if (!next) step = own, next = own * extent;
      else if (own != next) return false;
      else next *= extent;
    }
    (void)step;
    return true;
  }
  strided<T> kernels_of(const window_phase& p, T* to) const {
    if (kernels_fit(p)) {
      int64 step = 1;
      for (int d = 0; d < 4; ++d)
        if ((d ? s_.w[d - 1] : s_.in) != 1) step = d ? b_.step[d - 1] : b_.second;
      return {b_.data, b_.first, step};
    }
    const int64 m = rows(), k = sources(), depth = k * p.taps();
    T* at = to;
    for (int64 g = 0; g < s_.n.groups; ++g)
      for (int64 i = 0; i < m; ++i)
        for (int64 q = 0; q < k; ++q) {
          const T* from = b_.data + (g * s_.out + (forward() ? i : q)) * b_.first + (forward() ? q : i) * b_.second;
          p.for_taps([&](int64 k0, int64 k1, int64 k2) { *at++ = from[k0 * b_.step[0] + k1 * b_.step[1] + k2 * b_.step[2]]; });
        }
    return {to, depth, 1};
  }

  /// Face w: rows are channels of y, columns are (channels of x, taps), summed over positions of all images.
  void kernels() {
    window_phase p;  // as for face y: which positions of x meet which of y
    p.find(s_, window_face::y);
    const int64 taps = p.taps(), n = s_.in * taps, k = s_.batch * p.numel(), m = s_.out;
    constexpr int64 depth = gemm_shape<T>::depth;
    const int64 size = even(n, 256), blocks = (n + size - 1) / size;
    const image_columns<T> x = columns_of(a_, p), y = plain_columns(b_, s_.y);
    const int64 ld = depth + 16;
    for_units(s_.n.groups * blocks, m * k * size, [&](int64 u) {
      const int64 group = u / blocks, j = u % blocks * size, count = n - j < size ? n - j : size;
      image_columns<T> left = y, right = x;
      left.data += group * s_.out * b_.second, right.data += group * s_.in * a_.second;
      const scratch<T, Arch> sum(m * size), a(m * ld), b(size * ld);
      for (int64 i = 0; i < m * size; ++i) sum.get()[i] = T(0);
      for (int64 q = 0; q < k; q += depth) {
        const int64 deep = k - q < depth ? k - q : depth;
        pack_columns<T, Arch>(left, 0, m, q, deep, a.get(), ld);
        pack_columns<T, Arch>(right, j, count, q, deep, b.get(), ld);
        gemm<T, Arch>(m, count, deep, a.get(), ld, 1, b.get(), 1, ld, sum.get(), size, 1, true);
      }
      finish(kernels_place(group), 0, m, j, j + count, {sum.get(), size, 1});
    });
  }
  block_place kernels_place(int64 group) const {
    block_place to;
    to.row_dim = 0;
    to.first_row = group * s_.out;
    to.columns[0] = {1, s_.in, 0, 1};
    for (int d = 0; d < 3; ++d) to.columns[1 + d] = {2 + d, s_.w[d], 0, 1};
    return to;
  }

  // Groups of one channel: a plane with its border at a time.
  void by_plane(const window_phase& p) {
    const int64 taps = p.taps(), numel = p.numel(), m = rows(), k = sources();
    const padded_plane<T> plane(p);
    const scratch<int64, Arch> taps_at(taps + 1);
    plane.taps_at(taps_at.get());
    for_units(s_.n.groups * s_.batch, m * k * taps * numel, [&](int64 u) {
      const int64 group = u % s_.n.groups, image = u / s_.n.groups;
      const scratch<T, Arch> room(plane.size()), block(m * numel), w(taps + 1);
      for (int64 q = 0; q < k; ++q) {
        plane.fill(a_.data + image * a_.first + (group * k + q) * a_.second, a_.step, room.get());
        for (int64 i = 0; i < m; ++i) {
          const T* kernel = b_.data + (group * s_.out + (forward() ? i : q)) * b_.first;
          T* at = w.get();
          p.for_taps([&](int64 k0, int64 k1, int64 k2) { *at++ = kernel[k0 * b_.step[0] + k1 * b_.step[1] + k2 * b_.step[2]]; });
          plane_sums<T, Arch>(plane, room.get(), taps_at.get(), w.get(), block.get() + i * numel, q > 0);
        }
      }
      finish(place_of(p, group), 0, m, image * numel, (image + 1) * numel, {block.get(), numel, 1});
    });
  }
  void kernels_by_dots() {
    window_phase p;
    p.find(s_, window_face::y);
    const int64 taps = p.taps(), m = s_.out;
    const padded_plane<T> plane(p);
    const scratch<int64, Arch> taps_at(taps + 1);
    plane.taps_at(taps_at.get());
    for_units(s_.n.groups, m * s_.batch * taps * p.numel(), [&](int64 group) {
      const scratch<T, Arch> room(plane.size()), dy(plane.rows_size()), sum(m * taps);
      for (int64 i = 0; i < m * taps; ++i) sum.get()[i] = T(0);
      for (int64 image = 0; image < s_.batch; ++image) {
        plane.fill(a_.data + image * a_.first + group * a_.second, a_.step, room.get());
        for (int64 i = 0; i < m; ++i) {
          plane.copy_rows(b_.data + image * b_.first + (group * m + i) * b_.second, b_.step, dy.get());
          plane_dots<T, Arch>(plane, room.get(), taps_at.get(), dy.get(), sum.get() + i * taps);
        }
      }
      finish(kernels_place(group), 0, m, 0, taps, {sum.get(), taps, 1});
    });
  }
};

class SINTER_HIDDEN convolve_runner : protected contract_runner {
 public:
  template <class T, class Arch> static void convolve_entry(contract_runner& run, const stage_entry& st) {
    static_cast<convolve_runner&>(run).convolve<T, Arch>(st);
  }

 protected:
  using contract_runner::contract_runner;

 private:
  template <class T> face_memory<T> face_of(int id) const {
    int64 own[max_rank];
    face_memory<T> f;
    f.data = reinterpret_cast<const T*>(strides_of(id, own));
    f.first = own[0], f.second = own[1];
    const int dims = shapes_[id].rank - 2;
    for (int d = 0; d < dims; ++d) f.step[most_window_dims - dims + d] = own[2 + d];
    return f;
  }

  template <class T, class Arch> void convolve(const stage_entry& st) {
    const instruction x = p_.at(st.contract);
    const shape_value& out = shapes_[st.contract];
    if (out.numel() == 0) return;
    loop_dims l;
    l.rank = out.rank;
    for (int d = 0; d < l.rank; ++d) l.kept[l.kept_count++] = d, l.extent[d] = out[d];
    walk_table table(st.input_count + st.root_count + st.total_count + 1);
    bind(st, l, table.walks.get(), table.numbers.get(), table.by_dim.get(), nullptr, nullptr);
    const window_shape s = window_shape_of(p_, st.contract, &shapes_[0], slots_);
    const auto finished = [&](const block_place& to, strided<T> block) { finish<T, Arch>(st, l, table, to, block); };
    convolution<T, Arch, decltype(finished)>(s, window_face::decode(p_.at(x.c).c).kind, face_of<T>(x.a), face_of<T>(x.b), finished).run();
  }

  /// The epilogue on a finished block: in boxes of the result, as its columns count over several dims.
  template <class T, class Arch> void finish(const stage_entry& st, const loop_dims& l, const walk_table& table, const block_place& to, strided<T> block) {
    const int walks = st.input_count + st.root_count + st.total_count + 1, missing = 2 + most_window_dims - l.rank;
    int64 (*const by_dim)[max_rank] = table.by_dim.get();
    walk_table own(walks);
    struct merged_dim { int dim; int64 extent, first, step; } dims[4];
    int count = 0;
    int64 fixed[max_rank] = {};  // where the block starts
    fixed[to.row_dim] = to.first_row;
    const auto is_product = [&](int w) { return w < st.input_count && st.inputs[w].kind == input_kind::product; };
    for (const auto& c : to.columns) {
      const int d = c.dim < 2 ? c.dim : c.dim - missing;
      if (c.dim >= 2 && c.dim - 2 < missing) continue;
      fixed[d] = c.first;
      if (c.extent == 1) continue;
      bool joins = count > 0;
      for (int w = 0; w < walks && joins; ++w)
        joins = is_product(w) || by_dim[w][dims[count - 1].dim] * dims[count - 1].step == by_dim[w][d] * c.step * c.extent;
      if (joins) dims[count - 1] = {d, dims[count - 1].extent * c.extent, 0, c.step};
      else dims[count++] = {d, c.extent, 0, c.step};
    }
    const merged_dim none{-1, 1, 0, 1};
    const merged_dim inner = count > 0 ? dims[count - 1] : none, outer = count > 1 ? dims[count - 2] : none;
    for (int64 j = to.first_column; j < to.last_column;) {
      const int64 x = j % inner.extent, y = j / inner.extent % outer.extent, left = to.last_column - j;
      int64 rows = 1, length = inner.extent - x < left ? inner.extent - x : left;
      if (x == 0 && length == inner.extent) rows = left / inner.extent < outer.extent - y ? left / inner.extent : outer.extent - y;
      loop_dims here = l;
      for (int d = 0; d < l.rank; ++d) here.extent[d] = 1;
      here.extent[to.row_dim] = to.rows;
      if (inner.dim >= 0) here.extent[inner.dim] = length;
      if (outer.dim >= 0) here.extent[outer.dim] = rows;
      int64 at[max_rank];
      for (int d = 0; d < l.rank; ++d) at[d] = fixed[d];
      int64 rest = j;
      for (int k = count - 1; k >= 0; --k) at[dims[k].dim] += rest % dims[k].extent * dims[k].step, rest /= dims[k].extent;
      for (int w = 0; w < walks; ++w) {
        walk& mine = own.walks.get()[w] = table.walks.get()[w];
        int64* const steps = own.by_dim.get()[w];
        for (int d = 0; d < max_rank; ++d) steps[d] = by_dim[w][d];
        if (is_product(w)) {
          mine.base = address_of(block.at(0, j - to.first_column));
          constexpr int64 size = sizeof(T);
          steps[to.row_dim] = block.rows * size;
          if (inner.dim >= 0) steps[inner.dim] = block.columns * size;
          if (outer.dim >= 0) steps[outer.dim] = inner.extent * block.columns * size;
          continue;
        }
        for (int d = 0; d < l.rank; ++d) mine.base += static_cast<uint64>(at[d] * by_dim[w][d]);
        if (inner.dim >= 0) steps[inner.dim] *= inner.step;
        if (outer.dim >= 0) steps[outer.dim] *= outer.step;
      }
      loop<Arch>(st, here, own.walks.get(), table.numbers.get(), own.by_dim.get());
      j += rows * length;
    }
  }
};

}  // namespace sinter::inline v0::detail::inline SINTER_TARGET
