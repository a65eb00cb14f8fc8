// SPDX-License-Identifier: BSD-3-Clause
// The tape: slots that hold gradients, and the nodes that pass them on. What parts of a program with different flags exchange.
// Destruction does not recurse: a chain of a million statements goes in constant stack. Next: engine.hpp for the walk backward.
#pragma once
#include "../cpu/operand.hpp"
#include "../tensor/storage.hpp"
#include "mode.hpp"

namespace sinter::inline v0::detail {

// What parts of a program with different flags exchange: fixed layouts, and calls through pointers.
struct node_base;
struct grad_slot;
struct slot_extras;
struct backward_walk;
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

/// The elements of a gradient.
struct gradient {
  storage_ptr block;             ///< empty: a constant of the library
  char* data = nullptr;          ///< null: no gradient yet
  int64 strides[max_rank] = {};  ///< in elements
};

/// A function of a user's that sees the gradient of a slot.
struct hook {
  std::atomic<int64> refs{1};
  hook* next = nullptr;
  slot_extras* list = nullptr;  ///< the one that it is in, null: none
  bool after = false;           ///< called once the gradient was added to the leaf's, and not before
  /// May put another gradient in the place of g. In a recorded walk g is one.
  void (*call)(hook& h, grad_slot& s, any_variable& g, bool recorded) = nullptr;
  void (*destroy)(hook* h) = nullptr;
  SINTER_INLINE void drop() {
    if (refs.fetch_sub(1, std::memory_order_acq_rel) == 1) destroy(this);
  }
};
/// What few slots have.
struct slot_extras {
  hook* hooks = nullptr;  ///< in the order in which they were registered; counted
  gradient kept;          ///< of a result that retains its gradient: the sum of all walks'
  SINTER_INLINE ~slot_extras() {
    while (hook* h = hooks) hooks = h->next, h->next = nullptr, h->list = nullptr, h->drop();
  }
};

/// Where the gradient of one variable is collected. Shared by all handles of the variable and by the nodes that read it.
struct grad_slot {
  std::atomic<int64> refs{1};
  node_base* producer = nullptr;   ///< the statement that made the variable; owned; null for leaves
  bool requires_grad = false;
  bool retain = false;             ///< keep the gradient of a non-leaf, too
  bool inference = false;          ///< made in inference mode: cannot be saved for backward
  dtype type = dtype::f32;
  shape_value shape;
  gradient grad;                   ///< of a leaf: the sum of all walks'. Of a result: what the walk that owns `producer` has collected
  std::atomic<const void*> held{nullptr};  ///< a leaf's: the thread that adds to `grad`
  storage_ptr home;                ///< where an optimizer wants the gradient: row-major at `home_data`; empty: anywhere
  char* home_data = nullptr;
  slot_extras* extras = nullptr;   ///< owned; null: no hooks, nothing kept
  grad_slot* next_dead = nullptr;  ///< for iterative destruction; of a leaf, while it is held: the next one that the walk holds
  void (*destroy)(grad_slot*) = nullptr;

  SINTER_INLINE bool is_leaf() const { return producer == nullptr; }
  /// The gradient that the user sees.
  SINTER_INLINE const gradient* shown() const {
    const gradient* g = is_leaf() ? &grad : extras ? &extras->kept : nullptr;
    return g && g->data ? g : nullptr;
  }
  SINTER_INLINE void forget_gradient() {
    if (is_leaf()) grad = gradient{};
    else if (extras) extras->kept = gradient{};
  }
  SINTER_INLINE slot_extras& more() {
    if (!extras) extras = new slot_extras;
    return *extras;
  }
  SINTER_INLINE ~grad_slot() {
    if (extras) delete extras;
  }
};

/// A variable that retains its gradient is another slot's from here on: what it has retained is, too.
inline void retain_instead(grad_slot& old, grad_slot& now) {
  if (!old.retain) return;
  old.retain = false, now.retain = true;
  now.more().kept = static_cast<gradient&&>(old.more().kept);
}

/// A lock that the thread which holds it may take again.
class thread_lock {
 public:
  /// Has this thread it for the first time?
  SINTER_INLINE bool lock() {
    if (owner_.load(std::memory_order_relaxed) == &grad_mode()) return ++depth_, false;
    const void* nobody = nullptr;
    for (int tries = 0; !owner_.compare_exchange_weak(nobody, &grad_mode(), std::memory_order_acquire, std::memory_order_relaxed); nobody = nullptr)
      if (++tries > 64) let_others_run();
    depth_ = 1;
    return true;
  }
  SINTER_INLINE void unlock() {
    if (--depth_ == 0) owner_.store(nullptr, std::memory_order_release);
  }

 private:
  std::atomic<const void*> owner_{nullptr};
  int depth_ = 0;
};

/// Holds a lock, if one is given, for the length of a scope.
class locked {
 public:
  SINTER_INLINE explicit locked(thread_lock* l) : lock_(l), first_(l && l->lock()) {}
  SINTER_INLINE ~locked() {
    if (lock_) lock_->unlock();
  }
  locked(const locked&) = delete;
  locked& operator=(const locked&) = delete;
  /// Did this thread not have it before?
  SINTER_INLINE bool first() const { return first_; }
  /// The lock is gone.
  SINTER_INLINE void forget() { lock_ = nullptr; }

 private:
  thread_lock* lock_;
  bool first_;
};

/// Sees the values that a node saves for backward.
struct saved_visitor {
  virtual void value(operand& value, storage_ptr& block, uint64& version, dtype type) = 0;
};
/// What hooks made of the values that a node saves (saved_tensors.hpp).
struct packed_values {
  thread_lock lock;  ///< the values are in place for one thread's walks at a time
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
  virtual void before(const backward_walk& w, node_base& n) = 0;
  virtual void after(const backward_walk& w, node_base& n, const any_variable* found) = 0;
  virtual void failed(node_base& n) = 0;
};

/// One recorded statement.
struct node_base {
  int64 number = 0;                ///< 1 + the largest of its inputs'
  std::atomic<backward_walk*> owner{nullptr};  ///< the walk that collects the gradient of `output` in the slot, if one does
  bool spent = false;              ///< its saved values are gone
  grad_slot* output = nullptr;     ///< not owned: the slot owns the node
  packed_values* packed = nullptr; ///< in the place of what it saved, if there are hooks; owned

  virtual ~node_base() = default;
  /// Adds this node's share to the gradients of its inputs, at gradient_target(w, input); `dy` is the gradient of its output.
  /// Several walks may be in it at a time: it changes nothing of its own.
  virtual void backward(backward_walk& w, const operand& dy) = 0;
  /// The same as recorded statements: the gradient of input(i) goes to to[i]; it stays undefined if there is none or if
  /// w does not want it.
  virtual void backward_recorded(backward_walk& w, const any_variable& dy, any_variable* to) = 0;
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
  /// May it add gradients to this memory? Of results they are nobody else's.
  SINTER_INLINE bool adds_to(const storage_ptr& block) const {
    for (int i = 0; i < input_count(); ++i) {
      grad_slot* const s = input(i);
      if (!s || !s->is_leaf()) continue;
      const void* holder = nullptr;
      const bool taken = s->held.compare_exchange_strong(holder, &grad_mode(), std::memory_order_acquire, std::memory_order_relaxed);
      if (!taken && holder != &grad_mode()) return true;  // another thread is at it
      const bool same = s->grad.block == block || s->home == block;
      if (taken) s->held.store(nullptr, std::memory_order_release);
      if (same) return true;
    }
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

/// Statement n saved a value of shape s, which was written since: its operand number `operand`, or, if that is negative, what it made.
template <class Arch> [[noreturn]] SINTER_COLD void fail_version(const node_base& n, int operand, const shape_value& s, uint64 saved, uint64 now) {
  std::string what, which;
  n.describe(what);
  append(which, operand >= 0 ? "operand " : "a value that it computed");
  if (operand >= 0) append(which, operand);
  const shape_value made = n.output ? n.output->shape : shape_value{};
  fail<version_error, Arch>("backward: statement number ", n.number, " (", what, "), which made a value of shape ", shape_text{made.e, made.rank}, ", saved ", which,
                            ", of shape ", shape_text{s.e, s.rank}, ", at version ", saved, "; it is at version ", now, ": it was written in place since");
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
/// A slot for values of this type and shape; held by who calls.
inline grad_slot* new_slot(dtype type, const shape_value& shape) {
  auto* slot = new grad_slot;
  slot->destroy = &destroy_state<grad_slot>;
  slot->type = type, slot->shape = shape;
  return slot;
}
/// The same for what n produces.
inline grad_slot* new_slot(dtype type, const shape_value& shape, node_base* n) {
  grad_slot* const slot = new_slot(type, shape);
  attach(n, *slot);
  return slot;
}
/// A value that n produces, with a slot of its own.
inline any_variable produced(node_base* n, const operand& value, const storage_ptr& block, dtype type) {
  grad_slot* const slot = new_slot(type, value.shape, n);
  any_variable out(value, block, type, slot);
  drop(slot);  // `out` holds it now
  pack_saved(*n);
  return out;
}

}  // namespace SINTER_TARGET
}  // namespace sinter::inline v0::detail
