// SPDX-License-Identifier: BSD-3-Clause
// Linear maps between tensors, as views, selections and scans are: y += M x, and the transposed x += M^T y, which is their
// derivative. Not here: who records them (autograd/linear.hpp). Next: index_map.hpp, scan.hpp.
#pragma once
#include <memory>
#include <utility>

#include "../cpu/operand.hpp"
#include "../cpu/strided.hpp"
#include "copy.hpp"
#include "dispatch.hpp"

namespace sinter::inline v0::detail {
struct grad_slot;
}
namespace sinter::inline v0::detail::inline SINTER_TARGET {

/// M for run-time shapes and dtypes. Immutable, and shared by all that was recorded with it.
struct linear_map {
  shape_value in, out;
  linear_map(const shape_value& from, const shape_value& to) : in(from), out(to) {}
  virtual ~linear_map() = default;
  linear_map(const linear_map&) = delete;
  linear_map& operator=(const linear_map&) = delete;
  virtual void forward(dtype t, const operand& x, const operand& y) const = 0;  ///< y += M x
  virtual void adjoint(dtype t, const operand& y, const operand& x) const = 0;  ///< x += M^T y
  /// Of complex elements: does M treat the parts alike, so that it is run on each, or is it between complex and real ones?
  virtual bool by_parts() const { return true; }
  /// Does it take complex elements as they are?
  virtual bool takes_complex() const { return false; }
};
using linear_map_ptr = std::shared_ptr<const linear_map>;
/// A map of kind M. (std::make_shared leaves a symbol in a library that keeps it from unloading.)
template <class M, class... A> std::shared_ptr<M> new_map(A&&... a) { return std::shared_ptr<M>(new M(static_cast<A&&>(a)...)); }

/// One summand of a recorded linear statement: M x, or M^T x if `transposed`, of the variable that `slot` belongs to.
struct linear_term {
  linear_map_ptr map;
  bool transposed = false;
  grad_slot* slot = nullptr;  ///< counted by whoever keeps the term
};

template <int R> shape_value shape_of(const index_list<R>& sizes) {
  static_assert(R <= max_rank, "sinter: at most 8 dims");
  shape_value s;
  s.rank = R;
  for (int d = 0; d < R; ++d) s[d] = sizes[d];
  return s;
}
template <class T, class E, class D> operand operand_of(const tensor<T, E, D>& t) {
  operand o;
  o.data = reinterpret_cast<char*>(const_cast<std::remove_const_t<T>*>(t.data()));
  o.shape = shape_of(t.sizes());
  for (int d = 0; d < E::rank; ++d) o.strides[d] = t.strides()[d];
  return o;
}
/// A handle without storage to an operand's elements: for as long as somebody else holds them.
template <class T, int R> tensor<T, rank<R>> borrowed(const operand& o) {
  index_list<R> sizes, strides;
  for (int d = 0; d < R; ++d) sizes[d] = o.shape[d], strides[d] = o.strides[d];
  return {storage_ptr{}, reinterpret_cast<T*>(o.data), sizes, strides};
}
/// to += from, element by element. Several elements of `to` may be one in memory: they collect all.
template <class T, int R> void add_elements(const tensor<T, rank<R>>& to, const tensor<T, rank<R>>& from) {
  if (from.numel() == 0) return;
  const operand a = operand_of(from), b = operand_of(to);
  sum_strided<T, native>(from.data(), a.shape, a.strides, to.data(), b.strides);
}

/// An operand's elements, row-major: where they are or as a copy.
template <class T> class SINTER_HIDDEN row_major_copy {
 public:
  explicit row_major_copy(const operand& o) : data_(reinterpret_cast<T*>(o.data)) {
    int64 strides[max_rank];
    row_major_strides(o.shape, strides);
    bool dense = true;
    for (int d = 0; d < o.shape.rank; ++d) dense = dense && (o.shape[d] == 1 || o.strides[d] == strides[d]);
    if (dense) return;
    block_ = allocate_cpu(bytes_for(o.shape, sizeof(T)));
    data_ = static_cast<T*>(block_->data);
    copy_elements<native>(sizeof(T), o.shape, o.data, o.strides, data_, strides);
  }
  T* get() const { return data_; }
  explicit operator bool() const { return static_cast<bool>(block_); }

 private:
  storage_ptr block_;
  T* data_;
};
/// f(row-major elements of o to be added to).
template <class T, class F> void add_row_major(const operand& o, F f) {
  const row_major_copy<T> own(o);
  f(own.get());
  if (!own) return;
  int64 strides[max_rank];
  row_major_strides(o.shape, strides);
  copy_elements<native>(sizeof(T), o.shape, own.get(), strides, o.data, o.strides);
}
/// to += row-major elements of its shape.
template <class T> void add_from_row_major(const T* from, const operand& to) {
  int64 strides[max_rank];
  row_major_strides(to.shape, strides);
  if (to.shape.numel()) sum_strided<T, native>(from, to.shape, strides, reinterpret_cast<T*>(to.data), to.strides);
}

/// A view: M x is view(x), and x += M^T y is view(x) += y.
template <int R, int R2, class F> struct view_map final : linear_map {
  F view;
  view_map(const shape_value& from, const shape_value& to, F f) : linear_map(from, to), view(static_cast<F&&>(f)) {}
  void forward(dtype t, const operand& x, const operand& y) const override {
    with_floating_type(t, [&]<class T>(T) { add_elements<T, R2>(borrowed<T, R2>(y), tensor<T, rank<R2>>(view(borrowed<T, R>(x)))); });
  }
  void adjoint(dtype t, const operand& y, const operand& x) const override {
    with_floating_type(t, [&]<class T>(T) { add_elements<T, R2>(tensor<T, rank<R2>>(view(borrowed<T, R>(x))), borrowed<T, R2>(y)); });
  }
};

/// Complex elements as real ones: a part, or the whole along a last dim of size 2.
inline operand real_view(const operand& z, dtype t, element_part which) {
  operand o = part_of(z, t, which == element_part::im);
  if (which == element_part::whole) o.strides[o.shape.rank] = 1, o.shape[o.shape.rank++] = 2;
  return o;
}
/// M z is a real view of z.
struct complex_map final : linear_map {
  element_part which;
  complex_map(const shape_value& z, element_part w) : linear_map(z, w == element_part::whole ? paired(z) : z), which(w) {}
  static shape_value paired(shape_value s) {
    s[s.rank++] = 2;
    return s;
  }
  bool by_parts() const override { return false; }
  void forward(dtype t, const operand& z, const operand& y) const override { add(t, real_view(z, t, which), y); }
  void adjoint(dtype t, const operand& y, const operand& z) const override { add(t, y, real_view(z, t, which)); }

 private:
  static void add(dtype t, const operand& from, const operand& to) {
    with_floating_type(real_type(t), [&]<class T>(T) {
      sum_strided<T, native>(reinterpret_cast<const T*>(from.data), from.shape, from.strides, reinterpret_cast<T*>(to.data), to.strides);
    });
  }
};

/// Elements by their row-major number, whatever the strides.
template <class T> struct row_major_access {
  T* data;
  const operand& o;
  bool dense = true;
  explicit row_major_access(const operand& x) : data(reinterpret_cast<T*>(x.data)), o(x) {
    int64 step = 1;
    for (int d = x.shape.rank - 1; d >= 0; --d) {
      dense = dense && (x.shape[d] == 1 || x.strides[d] == step);
      step *= x.shape[d];
    }
  }
  T& operator[](int64 k) const {
    if (dense) return data[k];
    int64 at = 0;
    for (int d = o.shape.rank - 1; d >= 0; --d) at += k % o.shape[d] * o.strides[d], k /= o.shape[d];
    return data[at];
  }
};
template <class T> void add_to(T& to, const T& from) { to = static_cast<T>(static_cast<computed<T>>(to) + static_cast<computed<T>>(from)); }

}  // namespace sinter::inline v0::detail::inline SINTER_TARGET
