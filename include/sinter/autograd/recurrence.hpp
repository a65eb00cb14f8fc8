// SPDX-License-Identifier: BSD-3-Clause
// Recorded linear recurrences along a dim, r_k = a_k r_(k-1) + b_k: running products are one, and so is every derivative of
// one, in one pass without a division. Next: tensor/scan.hpp.
#pragma once
#include "linear.hpp"
#include "record.hpp"

namespace sinter::inline v0::detail::inline SINTER_TARGET {

/// r_k = a_k r_(k-1) + b_k for k = 0, 1, ... from r_(-1) = start, or from the end r_k = a_(k+1) r_(k+1) + b_k (`back`): a_k is
/// what lies between k - 1 and k either way, so that one direction is the other one's transpose.
struct recurrence {
  int dim;
  bool back;
  int start;                ///< 0, or 1 in forward direction
  bool conjugate = false;   ///< complex: conj(a_k) for a_k
  recurrence transposed() const { return {dim, !back, 0, !conjugate}; }
};

/// f(offsets of K operands at k = 0, steps between rows, number of rows) for groups of rows along dim d.
inline constexpr int row_group = 16;
template <int K, class F> void for_row_groups(const shape_value& shape, int d, const int64* const (&strides)[K], F f) {
  if (shape.numel() == 0) return;
  shape_value rows = shape;
  rows[d] = 1;
  const row_loop<K> loop(rows, strides);
  int64 step[K];
  for (int k = 0; k < K; ++k) step[k] = loop.step(k);
  // side by side in memory: many; one after the other: as many as hide the latency, for their lines may share a cache set
  const int most = strides[0][d] * strides[0][d] < step[0] * step[0] ? 4 : row_group;
  loop.run([&](const int64* at) {
    for (int64 j = 0; j < loop.row(); j += most) {
      int64 first[K];
      for (int k = 0; k < K; ++k) first[k] = at[k] + j * step[k];
      f(first, step, static_cast<int>(loop.row() - j < most ? loop.row() - j : most));
    }
  });
}
// As in PyTorch, floats run in double.
template <class T> using running = std::conditional_t<is_floating_element<T>, double, std::conditional_t<is_complex_element<T>, complex128, T>>;
template <class T> running<T> conjugate_if(bool on, running<T> v) {
  if constexpr (is_complex_element<T>) return on ? running<T>(v.re, -v.im) : v;
  else return v;
}
/// r from a and b; b without data is 0.
template <class T> void run_recurrence(const recurrence& c, const operand& a, const operand& b, const operand& r) {
  using W = running<T>;
  const int64 n = r.shape[c.dim], da = a.strides[c.dim], db = b.strides[c.dim], dr = r.strides[c.dim];
  const auto value = [](const T& v) { return static_cast<W>(static_cast<computed<T>>(v)); };
  for_row_groups<3>(r.shape, c.dim, {a.strides, b.strides, r.strides}, [&](const int64* at, const int64* step, int rows) {
    W s[row_group];
    for (int j = 0; j < rows; ++j) s[j] = W(c.start);
    for (int64 i = 0; i < n; ++i) {
      const int64 k = c.back ? n - 1 - i : i, link = c.back && i ? k + 1 : k;
      const T* pa = reinterpret_cast<const T*>(a.data) + at[0] + link * da;
      const T* pb = b.data ? reinterpret_cast<const T*>(b.data) + at[1] + k * db : nullptr;
      T* pr = reinterpret_cast<T*>(r.data) + at[2] + k * dr;
      for (int j = 0; j < rows; ++j) {
        W v = W(0);  // not 0 a_k: that is NaN for an infinite a_k
        if constexpr (is_differentiable(dtype_of<T>)) {
          if (i || c.start) v = s[j] * conjugate_if<T>(c.conjugate, value(pa[j * step[0]]));
          if (pb) v += value(pb[j * step[1]]);
        } else {
          v = static_cast<W>(static_cast<uint64>(s[j]) * static_cast<uint64>(pa[j * step[0]]));  // integers wrap
        }
        s[j] = v;
        pr[j * step[2]] = static_cast<T>(static_cast<computed<T>>(v));
      }
    }
  });
}
/// What dr means for a and b: l is dr through the transposed recurrence; db += l, and da_k += conj(f_(k-1)) l_k for the result f
/// of a forward one, l_(k-1) conj(r_k) for that of one from the end. Either may be without data.
template <class T>
void add_recurrence_gradients(const recurrence& c, const operand& a, const operand& r, const operand& dr, const operand& da, const operand& db) {
  using W = running<T>;
  const int d = c.dim;
  const int64 n = r.shape[d], along[] = {a.strides[d], r.strides[d], dr.strides[d], da.strides[d], db.strides[d]};
  const auto value = [](const T& v) { return static_cast<W>(static_cast<computed<T>>(v)); };
  const auto add = [&](T& to, W v) { to = static_cast<T>(static_cast<computed<T>>(value(to) + v)); };
  // conj(a) was what the recurrence read: the gradient is that for conj(a), conjugated
  const auto product = [&](W l, W r_) { return conjugate_if<T>(c.conjugate, l) * conjugate_if<T>(!c.conjugate, r_); };
  for_row_groups<5>(r.shape, d, {a.strides, r.strides, dr.strides, da.strides, db.strides}, [&](const int64* at, const int64* step, int rows) {
    W l[row_group] = {};
    const int64 sa = step[0], sr = step[1], sd = step[2], ta = step[3], tb = step[4];
    for (int64 i = 0; i < n; ++i) {
      const int64 k = c.back ? i : n - 1 - i, link = i ? (c.back ? k : k + 1) : k;
      const T* pa = reinterpret_cast<const T*>(a.data) + at[0] + link * along[0];
      const T* pr = reinterpret_cast<const T*>(r.data) + at[1] + (c.back || k == 0 ? k : k - 1) * along[1];
      const T* pd = reinterpret_cast<const T*>(dr.data) + at[2] + k * along[2];
      T* ga = da.data ? reinterpret_cast<T*>(da.data) + at[3] + k * along[3] : nullptr;
      T* gb = db.data ? reinterpret_cast<T*>(db.data) + at[4] + k * along[4] : nullptr;
      if (ga && c.back && i)
        for (int j = 0; j < rows; ++j) add(ga[j * ta], product(l[j], value(pr[j * sr])));
      for (int j = 0; j < rows; ++j) l[j] = (i ? l[j] * conjugate_if<T>(!c.conjugate, value(pa[j * sa])) : W(0)) + value(pd[j * sd]);
      if (ga && !c.back && k)
        for (int j = 0; j < rows; ++j) add(ga[j * ta], product(l[j], value(pr[j * sr])));
      if (ga && !c.back && !k && c.start)
        for (int j = 0; j < rows; ++j) add(ga[j * ta], conjugate_if<T>(c.conjugate, l[j]));
      if (gb)
        for (int j = 0; j < rows; ++j) add(gb[j * tb], l[j]);
    }
  });
}

/// y_k = x_(k-1) along a dim, y_0 = 0.
struct shift_map final : linear_map {
  int dim;
  shift_map(const shape_value& s, int d) : linear_map(s, s), dim(d) {}
  void forward(dtype t, const operand& x, const operand& y) const override { add(t, x, 0, y, y.strides[dim]); }
  void adjoint(dtype t, const operand& y, const operand& x) const override { add(t, y, y.strides[dim], x, 0); }

 private:
  void add(dtype t, const operand& from, int64 from_at, const operand& to, int64 to_at) const {
    shape_value s = in;
    if (--s[dim] == 0) return;
    with_floating_type(t, [&]<class T>(T) {
      sum_strided<T, native>(reinterpret_cast<const T*>(from.data) + from_at, s, from.strides, reinterpret_cast<T*>(to.data) + to_at, to.strides);
    });
  }
};
/// f_(k-1), recorded; f_(-1) = start.
inline any_variable recorded_previous(const recurrence& c, const any_variable& f) {
  any_variable p = record_linear({new_map<shift_map>(f.value.shape, c.dim), false, nullptr}, f);
  if (c.start)
    with_differentiable_type(p.type, [&]<class T>(T) {
      for_row_groups<1>(p.value.shape, c.dim, {p.value.strides}, [&](const int64* at, const int64* step, int rows) {
        for (int j = 0; j < rows; ++j) reinterpret_cast<T*>(p.value.data)[at[0] + j * step[0]] = T(computed<T>(1));
      });
    });
  return p;
}
any_variable record_recurrence(const recurrence& c, const any_variable& a, const any_variable& b);

class recurrence_node final : public node_base {
 public:
  /// `b` may be undefined. `r` is the result, without its slot.
  recurrence_node(const recurrence& c, const any_variable& a, const any_variable& b, const any_variable& r) : c_(c), a_(a), b_(b), r_(r) {
    for (int i = 0; i < 2; ++i)
      if (input(i) && input(i)->requires_grad) comes_after(*this, *input(i));
    b_.block = {};
    for (int i = 0; i < 2; ++i) versions_[i] = version(i);
  }
  void backward(backward_walk& w, const operand& dr) override {
    check_versions();
    operand a = a_.value, r = r_.value, to[2];
    storage_ptr copies[2];
    if (a_.block && adds_to(a_.block)) copies[0] = copy_of<native>(a, a_.type);
    if (r_.block && adds_to(r_.block)) copies[1] = copy_of<native>(r, r_.type);
    for (int i = 0; i < 2; ++i)
      if (grad_slot* s = input(i); s && s->requires_grad) to[i] = gradient_sum<native>(w, *s);
    with_differentiable_type(a_.type, [&]<class T>(T) { add_recurrence_gradients<T>(c_, a, r, dr, to[0], to[1]); });
  }
  void backward_recorded(backward_walk& w, const any_variable& dr, any_variable* to) override {
    check_versions();
    const any_variable r(r_.value, r_.block, r_.type, output), l = record_recurrence(c_.transposed(), a_, dr);
    if (a_.slot && a_.slot->requires_grad && w.wants(a_.slot)) {
      const any_variable f = c_.back ? r : recorded_previous(c_, r), g = c_.back ? recorded_previous(c_.transposed(), l) : l;
      const auto product = [](auto x, auto y) { return conj(x) * y; };
      to[0] = c_.conjugate ? record_formula<native>(g, f, product) : record_formula<native>(f, g, product);
    }
    if (b_.slot && b_.slot->requires_grad && w.wants(b_.slot)) to[1] = l;
  }
  bool release() override {
    const bool any = a_.block || r_.block;
    a_.block = {}, r_.block = {};
    return any;
  }
  int input_count() const override { return 2; }
  grad_slot* input(int i) const override { return i ? b_.slot : a_.slot; }
  void forget(int i) override { (i ? b_ : a_).slot = nullptr; }
  void each_saved(saved_visitor& to) override {
    to.value(a_.value, a_.block, versions_[0], a_.type);
    to.value(r_.value, r_.block, versions_[1], r_.type);
  }
  void describe(std::string& to) const override {
    append(to, "a running product of ");
    append(to, shape_text{r_.value.shape.e, r_.value.shape.rank});
  }

 private:
  uint64 version(int i) const {
    const storage_ptr& block = i ? r_.block : a_.block;
    return block ? block->version.load(std::memory_order_acquire) : 0;
  }
  void check_versions() const {
    for (int i = 0; i < 2; ++i)
      if (version(i) != versions_[i]) fail_version<native>(*this, i ? -1 : 0, r_.value.shape, versions_[i], version(i));
  }
  recurrence c_;
  any_variable a_, b_, r_;
  uint64 versions_[2];
};

inline any_variable record_recurrence(const recurrence& c, const any_variable& a, const any_variable& b) {
  operand r;
  r.shape = a.value.shape;
  row_major_strides(r.shape, r.strides);
  storage_ptr block = allocate_cpu(bytes_for(r.shape, size_of(a.type)));
  r.data = static_cast<char*>(block->data);
  with_differentiable_type(a.type, [&]<class T>(T) { run_recurrence<T>(c, a.value, b.value, r); });
  const auto wants = [](const any_variable& v) { return v.slot && v.slot->requires_grad; };
  const any_variable constant(r, block, a.type, nullptr);
  if (!is_grad_enabled() || !(wants(a) || wants(b))) return constant;
  return produced(new recurrence_node(c, a, b, constant), r, block, a.type);
}

}  // namespace sinter::inline v0::detail::inline SINTER_TARGET
