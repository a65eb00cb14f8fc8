// SPDX-License-Identifier: BSD-3-Clause
// Recorded linear maps: views, selections and scans of variables, and sums of such (cat, scatter_add). Backward is the
// transposed map, recorded backward the recorded transposed map: derivatives of any order. Next: views.hpp.
#pragma once
#include "../tensor/index_map.hpp"
#include "variable.hpp"

namespace sinter::inline v0::detail::inline SINTER_TARGET {

inline void run_term(const linear_term& term, dtype t, const operand& x, const operand& y) {
  if (y.shape.numel() == 0 || x.shape.numel() == 0) return;
  if (is_complex(t) && term.map->by_parts() && !term.map->takes_complex()) {
    for (int part = 0; part < 2; ++part) run_term(term, real_type(t), part_of(x, t, part), part_of(y, t, part));
    return;
  }
  if (term.transposed) term.map->adjoint(t, x, y);
  else term.map->forward(t, x, y);
}
any_variable record_linear(const linear_term& term, const any_variable& x);

class linear_node final : public node_base {
 public:
  explicit linear_node(const vec<linear_term>& terms) : terms_(terms) {
    for (int i = 0; i < terms_.size(); ++i)
      if (grad_slot* s = terms_[i].slot) {
        s->refs.fetch_add(1, std::memory_order_relaxed);
        comes_after(*this, *s);
      }
  }
  ~linear_node() override {
    for (int i = 0; i < terms_.size(); ++i) drop(terms_[i].slot);
  }
  void backward(backward_walk& w, const operand& dy) override {
    for (int i = 0; i < terms_.size(); ++i)
      if (grad_slot* s = terms_[i].slot)
        if (const operand to = gradient_sum<native>(w, *s); to.data) run_term(turned(i), s->type, dy, to);
  }
  void backward_recorded(backward_walk& w, const any_variable& dy, any_variable* to) override {
    for (int i = 0; i < terms_.size(); ++i)
      if (terms_[i].slot && w.wants(terms_[i].slot)) to[i] = record_linear(turned(i), dy);
  }
  bool release() override { return false; }
  int input_count() const override { return terms_.size(); }
  grad_slot* input(int i) const override { return terms_[i].slot; }
  void forget(int i) override { terms_[i].slot = nullptr; }
  void describe(std::string& to) const override { to += "a view, selection or sum of such"; }

 private:
  linear_term turned(int i) const { return {terms_[i].map, !terms_[i].transposed, nullptr}; }
  vec<linear_term> terms_;
};

/// The sum of what term i makes of x[i], recorded if one of them wants a gradient.
inline any_variable record_linear(const vec<linear_term>& terms, const vec<any_variable>& x) {
  const linear_term& first = terms[0];
  const dtype from = x[0].type, type = first.map->by_parts() ? from : first.transposed ? complex_type(from) : real_type(from);
  operand value;
  value.shape = first.transposed ? first.map->in : first.map->out;
  row_major_strides(value.shape, value.strides);
  const int64 bytes = bytes_for(value.shape, size_of(type));
  storage_ptr block = allocate_cpu(bytes);
  value.data = static_cast<char*>(block->data);
  __builtin_memset(value.data, 0, static_cast<std::size_t>(bytes));
  vec<linear_term> kept;
  for (int i = 0; i < terms.size(); ++i) {
    run_term(terms[i], x[i].type, x[i].value, value);
    if (x[i].slot && x[i].slot->requires_grad && is_grad_enabled()) kept.push({terms[i].map, terms[i].transposed, x[i].slot});
  }
  return kept.size() ? produced(new linear_node(kept), value, block, type) : any_variable(value, block, type, nullptr);
}
inline any_variable record_linear(const linear_term& term, const any_variable& x) { return record_linear(vec<linear_term>(1, term), vec<any_variable>(1, x)); }

/// The parts of complex values, as what a program takes.
inline any_variable part_of(const any_variable& z, element_part part) {
  return any_variable(part_of(z.value, z.type, part == element_part::im), z.block, real_type(z.type), z.slot, part);
}
/// v behind `to`: a complex one as its parts.
inline void push_parts(vec<any_variable>& to, const any_variable& v) {
  if (!is_complex(v.type)) return to.push(v);
  to.push(part_of(v, element_part::re));
  to.push(part_of(v, element_part::im));
}
/// Complex elements of which `part` is as given, the other 0.
inline linear_term embedding_of(const any_variable& v, element_part part) {
  return {new_map<complex_map>(v.value.shape, part), true, nullptr};
}
/// The gradient of one part of a variable as one of the whole.
inline any_variable gradient_of_whole(const any_variable& gradient, element_part part) {
  return part == element_part::whole || !gradient.defined() ? gradient : record_linear(embedding_of(gradient, part), gradient);
}
/// re + im i.
inline any_variable join_parts(const any_variable& re, const any_variable& im) {
  vec<linear_term> terms;
  terms.push(embedding_of(re, element_part::re)), terms.push(embedding_of(im, element_part::im));
  vec<any_variable> parts;
  parts.push(re), parts.push(im);
  return record_linear(terms, parts);
}

/// Copies o's elements and makes it the copy, whose memory is returned.
template <class Arch> storage_ptr copy_of(operand& o, dtype t) {
  const operand from = o;
  const storage_ptr copy = allocate_cpu<Arch>(bytes_for<Arch>(o.shape, size_of(t)));
  row_major_strides(o.shape, o.strides);
  o.data = static_cast<char*>(copy->data);
  copy_elements<Arch>(size_of(t), from.shape, from.data, from.strides, o.data, o.strides);
  return copy;
}

// --- elements that a view shares with its base -----------------------------------------------------------------------------

/// Where a view's elements lie among those of its base: M x is the view of x. By strides, for whatever made the view.
struct place_map final : linear_map {
  int64 base[max_rank] = {}, view[max_rank] = {}, first = 0;  ///< strides, and the distance of the first elements
  place_map(const operand& b, const operand& v, dtype t) : linear_map(b.shape, v.shape), first((v.data - b.data) / size_of(t)) {
    for (int d = 0; d < b.shape.rank; ++d) base[d] = b.strides[d];
    for (int d = 0; d < v.shape.rank; ++d) view[d] = v.strides[d];
  }
  bool takes_complex() const override { return true; }
  void forward(dtype t, const operand& x, const operand& y) const override {
    const laid_out own(*this, t, x);
    add(t, own.part, y);
  }
  void adjoint(dtype t, const operand& y, const operand& x) const override {
    laid_out own(*this, t, x);
    add(t, y, own.part);
    own.write_back();
  }
  /// The view's part of x becomes 0.
  void clear(dtype t, const operand& x) const {
    laid_out own(*this, t, x);
    if (out.numel()) clear_elements<native>(size_of(t), out, own.part.data, own.part.strides);
    own.write_back();
  }
  /// Do x's elements lie as the base's do?
  bool fits(const operand& x) const {
    for (int d = 0; d < in.rank; ++d)
      if (in[d] > 1 && x.strides[d] != base[d]) return false;
    return true;
  }

 private:
  static void add(dtype t, const operand& from, const operand& to) {
    if (from.shape.numel()) sum_into<native>(t, from.data, from.shape, from.strides, to.data, to.shape, to.strides, true);
  }
  /// x as the base lies in memory, and the view's part of it.
  struct laid_out {
    operand x, there, part;
    int64 element;
    storage_ptr block;
    laid_out(const place_map& m, dtype t, const operand& from) : x(from), there(from), element(size_of(t)) {
      if (!m.fits(x) && x.shape.numel()) {
        int64 low = 0, high = 0;
        for (int d = 0; d < m.in.rank; ++d) (m.base[d] < 0 ? low : high) += (m.in[d] - 1) * m.base[d];
        block = allocate_cpu((high - low + 1) * element);
        there.data = static_cast<char*>(block->data) - low * element;
        for (int d = 0; d < m.in.rank; ++d) there.strides[d] = m.base[d];
        copy_elements<native>(static_cast<int>(element), x.shape, x.data, x.strides, there.data, there.strides);
      }
      part.data = there.data + m.first * element;
      part.shape = m.out;
      for (int d = 0; d < m.out.rank; ++d) part.strides[d] = m.view[d];
    }
    void write_back() {
      if (block) copy_elements<native>(static_cast<int>(element), x.shape, there.data, there.strides, x.data, x.strides);
    }
  };
};
/// M x is x with 0 in the place of a view.
struct hole_map final : linear_map {
  std::shared_ptr<const place_map> place;
  explicit hole_map(const std::shared_ptr<const place_map>& p) : linear_map(p->in, p->in), place(p) {}
  bool takes_complex() const override { return true; }
  void forward(dtype t, const operand& x, const operand& y) const override {
    operand own = x;
    const storage_ptr block = copy_of<native>(own, t);
    place->clear(t, own);
    sum_into<native>(t, own.data, own.shape, own.strides, y.data, y.shape, y.strides, true);
  }
  void adjoint(dtype t, const operand& y, const operand& x) const override { forward(t, y, x); }
};
/// M x is x broadcast.
struct broadcast_map final : linear_map {
  using linear_map::linear_map;
  bool takes_complex() const override { return true; }
  void forward(dtype t, const operand& x, const operand& y) const override {
    int64 strides[max_rank] = {};
    for (int d = 0, lead = out.rank - in.rank; d < in.rank; ++d) strides[lead + d] = in[d] == 1 ? 0 : x.strides[d];
    sum_into<native>(t, x.data, out, strides, y.data, out, y.strides, true);
  }
  void adjoint(dtype t, const operand& y, const operand& x) const override { sum_into<native>(t, y.data, out, y.strides, x.data, in, x.strides, true); }
};

/// A value in which the part of a view was replaced: by the value of a slot, or by constants. The gradient of the rest goes to
/// what the value was before, in the same memory where that is possible, so that a result written part by part costs no more
/// than its size.
class replaced_node final : public node_base {
 public:
  replaced_node(const std::shared_ptr<const place_map>& place, grad_slot* before, grad_slot* part) : place_(place), slots_{before, part} {
    for (grad_slot* s : slots_)
      if (s) s->refs.fetch_add(1, std::memory_order_relaxed), comes_after(*this, *s);
  }
  ~replaced_node() override {
    for (grad_slot* s : slots_) drop(s);
  }
  void backward(backward_walk& w, const operand& dy) override {
    const dtype t = output->type;
    if (slots_[1])
      if (const operand to = gradient_sum<native>(w, *slots_[1]); to.data) place_->forward(t, dy, to);
    if (!slots_[0]) return;
    if (place_->fits(dy) && pass_on(w, *slots_[0])) place_->clear(t, dy);
    else if (const operand to = gradient_sum<native>(w, *slots_[0]); to.data) hole_map(place_).forward(t, dy, to);
  }
  void backward_recorded(backward_walk& w, const any_variable& dy, any_variable* to) override {
    if (slots_[0] && w.wants(slots_[0])) to[0] = record_linear({new_map<hole_map>(place_), false, nullptr}, dy);
    if (slots_[1] && w.wants(slots_[1])) to[1] = record_linear({place_, false, nullptr}, dy);
  }
  bool release() override { return false; }
  int input_count() const override { return 2; }
  grad_slot* input(int i) const override { return slots_[i]; }
  void forget(int i) override { slots_[i] = nullptr; }

 private:
  std::shared_ptr<const place_map> place_;
  grad_slot* slots_[2];
};

/// The slot of a view, made anew after a recorded statement wrote the elements.
SINTER_HIDDEN inline grad_slot* slot_of_view(state_base* s) {
  view_record& v = *s->view;
  if (v.seen.load(std::memory_order_acquire) == v.base->history.load(std::memory_order_acquire)) return s->current;
  for (int tries = 0; v.busy.exchange(true, std::memory_order_acquire); ++tries)
    if (tries > 64) let_others_run();
  struct unlock {
    view_record& v;
    ~unlock() { v.busy.store(false, std::memory_order_release); }
  } at_end{v};
  const uint64 now = v.base->history.load(std::memory_order_acquire);
  if (v.seen.load(std::memory_order_acquire) == now) return s->current;
  operand base, view;
  grad_slot* const from = v.base->current;
  if (v.base->elements->where(v.base, base) == s->elements->where(s, view) && from->requires_grad) {
    vec<linear_term> terms;
    terms.push({new_map<place_map>(base, view, s->type), false, from});
    grad_slot* const slot = new_slot(s->type, s->shape, new linear_node(terms));
    retain_instead(*s->current, *slot);
    grad_slot* const old = s->current;
    s->current = slot;
    if (old != s) drop(old);
  }
  v.seen.store(now, std::memory_order_release);
  return s->current;
}
/// `view` shares its elements with `of`.
inline void mark_view(state_base& view, state_base& of) {
  auto* v = new view_record;
  v->base = of.view ? of.view->base : &of;
  v->base->handles.fetch_add(1, std::memory_order_relaxed);
  v->seen.store((of.view ? of.view->seen : of.history).load(std::memory_order_acquire), std::memory_order_relaxed);
  v->unrecorded = !is_grad_enabled() || (of.view && of.view->unrecorded);
  v->slot = &slot_of_view;
  view.view = v;
  view.inference = of.inference;
}

/// A variable with this value, recorded as the sum of `terms` if one of them wants a gradient.
template <class T, class E> variable<T, E> linear_variable(const tensor<T, E>& value, const vec<linear_term>& terms) {
  variable<T, E> out(value, false);
  if constexpr (is_differentiable(dtype_of<T>))
    if (is_grad_enabled()) {
      vec<linear_term> kept;
      for (int i = 0; i < terms.size(); ++i)
        if (terms[i].slot && terms[i].slot->requires_grad) kept.push(terms[i]);
      if (kept.size()) attach(new linear_node(kept), *out.slot());
    }
  return out;
}

/// f(x), or f of an expression's value: for statements that are no part of a program.
template <class X, class F> auto with_value_on_cpu(const X& x, F f) {
  if constexpr (symbol<X>) {
    static_assert(never<X>, "sinter: pooling and running sums are statements of their own, not part of st::fn or st::let: pass their value in");
    return x;
  } else if constexpr (formula<X>) {
    return with_value_on_cpu(eval(x), f);
  } else if constexpr (!std::is_same_v<typename X::device_type, cpu_t>) {
    static_assert(never<X>, "sinter: pooling and running sums run on the CPU: x.to(st::cpu) first");
    return x;
  } else {
    return f(x);
  }
}

/// `value`, recorded as the same as that of `slot`.
template <class T, class E> variable<T, E> same_value(grad_slot* slot, const tensor<T, E>& value) {
  const auto same = [](const auto& t) { return t; };
  const shape_value s = shape_of(value.sizes());
  vec<linear_term> terms;
  terms.push({new_map<view_map<E::rank, E::rank, decltype(same)>>(s, s, same), false, slot});
  return linear_variable<T, E>(value, terms);
}
/// A typed variable for a recorded value: the same elements, with a state of its own.
template <class T, class E> variable<T, E> typed(const any_variable& v) {
  if (!v.defined()) return {};
  index_list<E::rank> sizes, strides;
  for (int d = 0; d < E::rank; ++d) sizes[d] = v.value.shape[d], strides[d] = v.value.strides[d];
  return same_value<T, E>(v.slot, tensor<T, E>(v.block, reinterpret_cast<T*>(v.value.data), sizes, strides));
}

/// f(v) as a recorded view: f takes a tensor of any element type and v's rank, and returns a view of it.
template <class T, class E, class F> auto viewed(const variable<T, E>& v, F f) {
  auto value = f(v.value());
  using V = decltype(value);
  vec<linear_term> terms;
  if (v.requires_grad() && is_grad_enabled())
    terms.push({new_map<view_map<E::rank, V::rank, F>>(shape_of(v.sizes()), shape_of(value.sizes()), f), false, v.slot()});
  auto out = linear_variable<T, typename V::extents_type>(value, terms);
  if (value.storage_handle() == v.value().storage_handle()) mark_view(*out.state_handle(), *v.state_handle());
  return out;
}

}  // namespace sinter::inline v0::detail::inline SINTER_TARGET

namespace sinter::inline v0 {
inline namespace SINTER_TARGET {

/// M v, recorded.
template <class Out, class T, class E> variable<T, Out> map_linear(const variable<T, E>& v, const detail::index_map_ptr& m) {
  detail::vec<detail::linear_term> terms;
  terms.push({m, false, v.slot()});
  return detail::linear_variable<T, Out>(map_linear<Out>(v.value(), m), terms);
}

}  // namespace SINTER_TARGET
}  // namespace sinter::inline v0
