// SPDX-License-Identifier: BSD-3-Clause
// The tape: slots that hold gradients, nodes that pass them on, and the walk backward. Nothing here recurses: a chain
// of a million statements is walked and destroyed in constant stack. Not here: what a node computes (statement.hpp).
#pragma once
#include "../cpu/operand.hpp"
#include "../tensor/storage.hpp"
#include "mode.hpp"

namespace sinter::inline v0::detail {

// What parts of a program with different flags exchange: fixed layouts, and calls through pointers.
struct node_base;
struct grad_slot;
inline namespace SINTER_TARGET {
void drop(grad_slot* s);
}

/// A variable without its type: value, memory, slot. What derivatives of derivatives are made of.
struct any_variable {
  operand value;
  storage_ptr block;
  dtype type = dtype::f32;
  element_part part = element_part::whole;  ///< which part of the slot's variable `value` is
  grad_slot* slot = nullptr;  ///< counted; null: a constant

  any_variable() = default;
  SINTER_INLINE any_variable(const operand& v, const storage_ptr& b, dtype t, grad_slot* s, element_part p = element_part::whole);
  SINTER_INLINE any_variable(const any_variable& o) : any_variable(o.value, o.block, o.type, o.slot, o.part) {}
  SINTER_INLINE any_variable& operator=(const any_variable& o) { return *this = any_variable(o); }
  SINTER_INLINE any_variable(any_variable&& o) noexcept
      : value(o.value), block(static_cast<storage_ptr&&>(o.block)), type(o.type), part(o.part), slot(o.slot) {
    o.slot = nullptr;
  }
  SINTER_INLINE any_variable& operator=(any_variable&& o) noexcept {
    grad_slot* s = slot;
    slot = o.slot, o.slot = s;
    value = o.value, block = o.block, type = o.type, part = o.part;
    return *this;
  }
  SINTER_INLINE ~any_variable();
  SINTER_INLINE bool defined() const { return static_cast<bool>(block); }
};

/// Where the gradient of one variable is collected. Shared by all handles of the variable and by the nodes that read it.
struct grad_slot {
  std::atomic<int64> refs{1};
  node_base* producer = nullptr;   ///< the statement that made the variable; owned; null for leaves
  bool requires_grad = false;
  bool retain = false;             ///< keep the gradient of a non-leaf, too
  dtype type = dtype::f32;
  shape_value shape;
  result grad;                     ///< `grad.block` empty: no gradient yet
  storage_ptr home;                ///< where an optimizer wants the gradient: row-major at `home_data`; empty: anywhere
  char* home_data = nullptr;
  grad_slot* next_dead = nullptr;  ///< for iterative destruction
  void (*destroy)(grad_slot*) = nullptr;
  any_variable* recorded = nullptr;  ///< the gradient while a recorded walk is under way

  SINTER_INLINE bool is_leaf() const { return producer == nullptr; }
};

/// Sees the values that a node saves for backward.
struct saved_visitor {
  virtual void value(operand& value, storage_ptr& block, uint64& version, dtype type) = 0;
};
/// What hooks made of the values that a node saves (saved_tensors.hpp).
struct packed_values {
  virtual ~packed_values() = default;
  virtual void restore(node_base& n) = 0;   ///< puts them back for the time of a walk
  virtual void put_away(node_base& n) = 0;
};
/// Takes the values that a node has saved.
struct saved_hooks {
  virtual void pack(node_base& n) = 0;
};
/// Looks at a node before and after it ran, or when it threw; `found`: the recorded gradients of its inputs, null in a plain walk.
struct node_watch {
  virtual void before(node_base& n) = 0;
  virtual void after(node_base& n, const any_variable* found) = 0;
  virtual void failed(node_base& n) = 0;
};

/// One recorded statement.
struct node_base {
  int64 number = 0;                ///< 1 + the largest of its inputs'
  bool queued = false;
  bool spent = false;              ///< its saved values are gone
  grad_slot* output = nullptr;     ///< not owned: the slot owns the node
  packed_values* packed = nullptr; ///< in the place of what it saved, if there are hooks; owned

  virtual ~node_base() = default;
  /// Adds this node's share to the gradients of its inputs; `dy` is the gradient of its output.
  virtual void backward(const operand& dy) = 0;
  /// The same as recorded statements: the gradient of input(i) goes to to[i]; it stays undefined if there is none.
  virtual void backward_recorded(const any_variable& dy, any_variable* to) = 0;
  /// Frees what was saved for backward. Was there anything, so that it cannot run again?
  virtual bool release() = 0;
  /// The slots it passes gradients to.
  virtual int input_count() const = 0;
  virtual grad_slot* input(int i) const = 0;  // null: none
  /// Gives up its reference to input(i), without destroying it.
  virtual void forget(int i) = 0;
  /// What it saved for backward.
  virtual void each_saved(saved_visitor&) {}
  /// What it computes, in words.
  virtual void describe(std::string& to) const { to += "a statement"; }
  /// Does it add gradients to this memory?
  SINTER_INLINE bool adds_to(const storage_ptr& block) const {
    for (int i = 0; i < input_count(); ++i)
      if (const grad_slot* s = input(i); s && (s->grad.block == block || s->home == block)) return true;
    return false;
  }
};

inline any_variable::any_variable(const operand& v, const storage_ptr& b, dtype t, grad_slot* s, element_part p)
    : value(v), block(b), type(t), part(p), slot(s) {
  if (slot) slot->refs.fetch_add(1, std::memory_order_relaxed);
}
inline any_variable::~any_variable() { drop(slot); }

inline namespace SINTER_TARGET {

/// Drops one reference; what dies with it dies in a loop, not in a recursion.
inline void drop(grad_slot* s) {
  if (!s || s->refs.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
  s->next_dead = nullptr;
  grad_slot* dead = s;
  while (dead) {
    grad_slot* d = dead;
    dead = d->next_dead;
    if (node_base* n = d->producer) {
      for (int i = 0; i < n->input_count(); ++i)
        if (grad_slot* in = n->input(i)) {
          n->forget(i);
          if (in->refs.fetch_sub(1, std::memory_order_acq_rel) == 1) in->next_dead = dead, dead = in;
        }
      delete n->packed;
      delete n;
    }
    d->destroy(d);
  }
}

/// What a slot's `destroy` does.
template <class Slot> void destroy_state(grad_slot* s) { delete static_cast<Slot*>(s); }

/// n reads what `input` stands for, so it comes after what made that.
inline void comes_after(node_base& n, const grad_slot& input) {
  const int64 after = input.producer ? input.producer->number + 1 : 1;
  if (after > n.number) n.number = after;
}
/// Makes n what produces the value of `slot`, which owns it from now on.
inline void attach(node_base* n, grad_slot& slot) {
  slot.producer = n;
  slot.requires_grad = true;
  n->output = &slot;
}
/// What n has saved goes to the hooks, if there are any.
inline void pack_saved(node_base& n) {
  if (saved_hooks* h = saved_by()) [[unlikely]] h->pack(n);
}
/// The values that hooks packed, back in place.
class unpacked {
 public:
  explicit unpacked(node_base& n) : n_(n) {
    if (n.packed) [[unlikely]] n.packed->restore(n);
  }
  ~unpacked() {
    if (n_.packed) [[unlikely]] n_.packed->put_away(n_);
  }
  unpacked(const unpacked&) = delete;
  unpacked& operator=(const unpacked&) = delete;

 private:
  node_base& n_;
};
/// f(): what n does in a walk, with its saved values in place, and seen by who watches.
template <class F> void run_node(node_base& n, const any_variable* found, F f) {
  struct watched {
    node_watch* w;
    node_base& n;
    ~watched() {
      if (w) [[unlikely]] w->failed(n);
    }
  } watch{watched_by(), n};
  if (watch.w) [[unlikely]] watch.w->before(n);
  {
    const unpacked values(n);
    f();
  }
  node_watch* const w = watch.w;
  watch.w = nullptr;
  if (w) [[unlikely]] w->after(n, found);
}
/// Frees what n saved. Was there anything?
inline bool release_saved(node_base& n) {
  const bool was_packed = n.packed;
  delete n.packed;
  n.packed = nullptr;
  return n.release() || was_packed;
}
/// A value that n produces, with a slot of its own.
inline any_variable produced(node_base* n, const operand& value, const storage_ptr& block, dtype type) {
  auto* slot = new grad_slot;
  slot->destroy = &destroy_state<grad_slot>;
  slot->type = type, slot->shape = value.shape;
  attach(n, *slot);
  any_variable out(value, block, type, slot);
  drop(slot);  // `out` holds it now
  pack_saved(*n);
  return out;
}

/// The gradient buffer of a slot as something that a program writes: its home, or allocated, on the first gradient
/// (store); added to afterwards.
template <class Arch> result gradient_target(grad_slot& s) {
  result r;
  r.shape = s.shape;
  if (!s.grad.block) {
    s.grad.shape = s.shape;
    row_major_strides(s.shape, s.grad.strides);
    s.grad.block = s.home ? s.home : allocate_cpu<Arch>(bytes_for<Arch>(s.shape, size_of(s.type)));
    s.grad.data = s.home ? s.home_data : static_cast<char*>(s.grad.block->data);
    if (s.home) s.home->version.fetch_add(1, std::memory_order_relaxed);  // who read the last gradient there may notice
    r.mode = write_store;
  } else {
    s.grad.block->version.fetch_add(1, std::memory_order_relaxed);
    r.mode = write_accumulate;
  }
  r.data = s.grad.data;
  for (int d = 0; d < s.shape.rank; ++d) r.strides[d] = s.grad.strides[d];
  return r;
}
inline operand gradient_operand(const grad_slot& s) {
  operand o;
  o.data = s.grad.data;
  o.shape = s.shape;
  for (int d = 0; d < s.shape.rank; ++d) o.strides[d] = s.grad.strides[d];
  return o;
}
/// The same to be added to in any case: to zeros at first.
template <class Arch> operand gradient_sum(grad_slot& s) {
  if (gradient_target<Arch>(s).mode == write_store) __builtin_memset(s.grad.data, 0, static_cast<std::size_t>(s.shape.numel() * size_of(s.type)));
  return gradient_operand(s);
}
/// What a program writes for one part of a slot's elements, or for all of them.
template <class Arch> result gradient_target(grad_slot& s, element_part part) {
  if (part == element_part::whole) return gradient_target<Arch>(s);
  const operand sum = part_of(gradient_sum<Arch>(s), s.type, part == element_part::im);
  result r;
  r.data = sum.data, r.shape = sum.shape, r.mode = write_accumulate;
  for (int d = 0; d < s.shape.rank; ++d) r.strides[d] = sum.strides[d];
  return r;
}

/// A heap of nodes, the youngest on top.
class node_queue {
 public:
  void push(node_base* n) {
    if (n->queued) return;
    n->queued = true;
    heap_.push(n);
    for (int i = size_++; i > 0 && older((i - 1) / 2, i); i = (i - 1) / 2) swap(i, (i - 1) / 2);
  }
  node_base* pop() {
    node_base* top = heap_[0];
    heap_[0] = heap_[--size_];
    heap_.pop();
    for (int i = 0;;) {
      int k = 2 * i + 1;
      if (k >= size_) break;
      if (k + 1 < size_ && older(k, k + 1)) ++k;
      if (!older(i, k)) break;
      swap(i, k), i = k;
    }
    top->queued = false;
    return top;
  }
  bool empty() const { return size_ == 0; }
  ~node_queue() {
    for (int i = 0; i < size_; ++i) heap_[i]->queued = false;
  }

 private:
  bool older(int a, int b) const { return heap_[a]->number < heap_[b]->number; }
  void swap(int a, int b) {
    node_base* t = heap_[a];
    heap_[a] = heap_[b], heap_[b] = t;
  }
  vec<node_base*> heap_;
  int size_ = 0;
};

/// After an error in a walk: gradients on their way are forgotten, so that the next walk does not add to them.
struct walk_guard {
  node_queue& queue;
  node_base* now = nullptr;
  static void forget(grad_slot* s) {
    if (s && s->producer && !s->retain) s->grad = result{};
  }
  ~walk_guard() {
    if (!now) return;
    forget(now->output);
    for (int i = 0; i < now->input_count(); ++i) forget(now->input(i));
    while (!queue.empty()) forget(queue.pop()->output);
  }
};

/// Walks backward from a slot whose gradient has been set. Frees gradients of intermediate values and, unless
/// `retain_graph`, what the nodes saved, as it goes.
template <class Arch> void run_backward(grad_slot& root, bool retain_graph) {
  if (!root.producer) return;
  node_queue queue;
  walk_guard guard{queue};
  queue.push(root.producer);
  while (!queue.empty()) {
    node_base* n = guard.now = queue.pop();
    grad_slot& out = *n->output;
    if (n->spent)
      fail<autograd_error, Arch>("backward through the same statement a second time: its saved values were freed by the first; "
                                 "pass retain_graph to the first backward");
    run_node(*n, nullptr, [&] { n->backward(gradient_operand(out)); });
    if (!out.retain) out.grad = result{};
    for (int i = 0; i < n->input_count(); ++i) {
      grad_slot* s = n->input(i);
      if (s && s->producer && s->grad.block) queue.push(s->producer);
    }
    if (!retain_graph) n->spent = release_saved(*n);
    guard.now = nullptr;
  }
}

}  // namespace SINTER_TARGET
}  // namespace sinter::inline v0::detail
