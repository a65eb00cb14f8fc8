// SPDX-License-Identifier: BSD-3-Clause
// The walk backward over the tape: who collects which gradient where, hooks, several walks at a time. Nothing here recurses: a
// chain of a million statements is walked in constant stack. Not here: what a node computes (statement.hpp).
#pragma once
#include "../cpu/strided.hpp"
#include "tape.hpp"

namespace sinter::inline v0::detail {

/// The gradient of one slot in one walk, where the slot itself does not serve.
struct walk_entry {
  grad_slot* slot = nullptr;
  gradient sum;
  any_variable recorded;
  bool asked = false;   ///< wanted as a value
  bool needed = false;  ///< its producer leads to one that is
  bool queued = false;
  walk_entry* next = nullptr;
};

/// One walk backward. It collects gradients in the slots, where it owns their producers, so that a chain of a million
/// statements costs no memory; other walks at the same time through the same statements keep entries of their own. A walk
/// towards given inputs only has entries for all that it may pass through.
struct backward_walk {
  bool selective = false;     ///< towards what is asked for alone, else to all leaves
  bool recorded = false;      ///< gradients are recorded statements
  bool retain_graph = false;
  int size = 0, room = few;   ///< a heap of nodes, the youngest on top
  int entries = 0, table_room = 0;
  static constexpr int few = 8;
  node_base* first[few];
  node_base** heap = first;
  walk_entry** table = nullptr;       ///< by slot
  walk_entry* oldest = nullptr;
  walk_entry* newest = nullptr;
  grad_slot* held = nullptr;          ///< leaves whose gradients the running node adds to, linked
  node_base* running = nullptr;
  gradient* passing = nullptr;        ///< the gradient of the running node's output, if nobody looks at it afterwards

  grad_slot* root = nullptr;          ///< kept for the length of the walk, whatever hooks let go of; counted
  vec<grad_slot*> more_roots;         ///< and others, asked for, too

  SINTER_INLINE void keep(grad_slot* s) {
    s->refs.fetch_add(1, std::memory_order_relaxed);
    if (root) more_roots.push(s);
    else root = s;
  }
  backward_walk() = default;
  backward_walk(const backward_walk&) = delete;
  backward_walk& operator=(const backward_walk&) = delete;
  SINTER_INLINE ~backward_walk() {
    let_leaves_go();
    if (running) done_with(running);
    for (int i = 0; i < size; ++i) done_with(heap[i]);
    if (heap != first) delete[] heap;
    for (walk_entry* e = oldest; e;) {
      walk_entry* const after = e->next;
      delete e;
      e = after;
    }
    delete[] table;
    drop(root);
    for (int i = 0; i < more_roots.size(); ++i) drop(more_roots[i]);
  }

  SINTER_INLINE void push(node_base* n) {
    if (size == room) {
      room *= 2;
      auto** more = new node_base*[static_cast<unsigned>(room)];
      for (int i = 0; i < size; ++i) more[i] = heap[i];
      if (heap != first) delete[] heap;
      heap = more;
    }
    int i = size++;
    while (i > 0) {
      const int up = (i - 1) / 2;
      if (heap[up]->number >= n->number) break;
      heap[i] = heap[up];
      i = up;
    }
    heap[i] = n;
  }
  SINTER_INLINE node_base* pop() {
    node_base* const top = heap[0];
    node_base* const last = heap[--size];
    int i = 0;
    for (;;) {
      int k = 2 * i + 1;
      if (k >= size) break;
      if (k + 1 < size && heap[k]->number < heap[k + 1]->number) ++k;
      if (heap[k]->number <= last->number) break;
      heap[i] = heap[k];
      i = k;
    }
    heap[i] = last;
    return top;
  }
  /// The gradient that it collected in n's slot is no longer needed.
  SINTER_INLINE void done_with(node_base* n) {
    if (n->owner.load(std::memory_order_relaxed) != this) return;
    n->output->grad = gradient{};
    n->owner.store(nullptr, std::memory_order_release);
  }
  SINTER_INLINE void let_leaves_go() {
    while (grad_slot* s = held) {
      held = s->next_dead;
      s->next_dead = nullptr;
      s->held.store(nullptr, std::memory_order_release);
    }
  }
  SINTER_INLINE walk_entry* find(const grad_slot* s) const {
    if (!entries) return nullptr;
    for (unsigned i = place(s);; ++i) {
      walk_entry* const e = table[i & static_cast<unsigned>(table_room - 1)];
      if (!e || e->slot == s) return e;
    }
  }
  /// The entry of s, made if there is none.
  SINTER_INLINE walk_entry* entry(grad_slot* s) {
    if (walk_entry* e = find(s)) return e;
    auto* made = new walk_entry;
    made->slot = s;
    (newest ? newest->next : oldest) = made;
    newest = made;
    if (2 * ++entries > table_room) {
      delete[] table;
      table_room = table_room ? 2 * table_room : 16;
      table = new walk_entry*[static_cast<unsigned>(table_room)]();
      for (walk_entry* e = oldest; e; e = e->next) put(e);
    } else {
      put(made);
    }
    return made;
  }
  SINTER_INLINE void queue(walk_entry* e) {
    if (e->queued || !e->slot->producer || (selective && !e->needed)) return;
    e->queued = true;
    push(e->slot->producer);
  }
  /// Does it want the gradient of s?
  SINTER_INLINE bool wants(const grad_slot* s) const {
    if (!selective) return true;
    const walk_entry* const e = find(s);
    return e && (e->asked || e->needed);
  }

 private:
  SINTER_INLINE static unsigned place(const grad_slot* s) {
    return static_cast<unsigned>(static_cast<uint64>(__builtin_bit_cast(std::uintptr_t, s)) * 0x9e3779b97f4a7c15u >> 33);
  }
  SINTER_INLINE void put(walk_entry* e) {
    unsigned i = place(e->slot);
    while (table[i & static_cast<unsigned>(table_room - 1)]) ++i;
    table[i & static_cast<unsigned>(table_room - 1)] = e;
  }
};

inline namespace SINTER_TARGET {

/// The values that hooks packed, back in place.
class unpacked {
 public:
  explicit unpacked(node_base& n) : n_(n), packed_(n.packed), here_(packed_ ? &packed_->lock : nullptr) {
    if (here_.first()) [[unlikely]] packed_->restore(n);
  }
  ~unpacked() {
    if (n_.packed != packed_) [[unlikely]] here_.forget();  // a walk in this one has freed them
    else if (here_.first()) [[unlikely]] packed_->put_away(n_);
  }
  unpacked(const unpacked&) = delete;
  unpacked& operator=(const unpacked&) = delete;

 private:
  node_base& n_;
  packed_values* const packed_;
  locked here_;
};
/// f(): what n does in a walk, with its saved values in place, and seen by who watches.
template <class F> void run_node(const backward_walk& walk, node_base& n, const any_variable* found, F f) {
  struct watched {
    node_watch* w;
    node_base& n;
    ~watched() {
      if (w) [[unlikely]] w->failed(n);
    }
  } watch{watched_by(), n};
  if (watch.w) [[unlikely]] watch.w->before(walk, n);
  {
    const unpacked values(n);
    f();
  }
  node_watch* const w = watch.w;
  watch.w = nullptr;
  if (w) [[unlikely]] w->after(walk, n, found);
}
/// Frees what n saved. Was there anything?
inline bool release_saved(node_base& n) {
  const bool was_packed = n.packed;
  delete n.packed;
  n.packed = nullptr;
  return n.release() || was_packed;
}

// --- gradients in memory ---------------------------------------------------------------------------------------------------

inline operand gradient_operand(const gradient& g, const shape_value& shape) {
  operand o;
  o.data = g.data;
  o.shape = shape;
  for (int d = 0; d < shape.rank; ++d) o.strides[d] = g.strides[d];
  return o;
}
/// The gradient g of s as a constant, and a constant as a gradient.
inline any_variable constant_of(const gradient& g, const grad_slot& s) { return any_variable(gradient_operand(g, s.shape), g.block, s.type, nullptr); }
inline gradient gradient_of(const any_variable& v) {
  gradient g;
  g.block = v.block, g.data = v.value.data;
  for (int d = 0; d < v.value.shape.rank; ++d) g.strides[d] = v.value.strides[d];
  return g;
}
/// The gradient g of s as something that a program writes: allocated, or at home, on the first time (store); added to afterwards.
template <class Arch> result gradient_target(gradient& g, const grad_slot& s) {
  result r;
  r.shape = s.shape;
  if (!g.data) {
    const bool home = s.home && &g == &s.grad;
    row_major_strides(s.shape, g.strides);
    g.block = home ? s.home : allocate_cpu<Arch>(bytes_for<Arch>(s.shape, size_of(s.type)));
    g.data = home ? s.home_data : static_cast<char*>(g.block->data);
    if (home) s.home->version.fetch_add(1, std::memory_order_relaxed);  // who read the last gradient there may notice
    r.mode = write_store;
  } else {
    g.block->version.fetch_add(1, std::memory_order_relaxed);
    r.mode = write_accumulate;
  }
  r.data = g.data;
  for (int d = 0; d < s.shape.rank; ++d) r.strides[d] = g.strides[d];
  return r;
}
/// Does each element lie in a place of its own, without holes between?
inline bool is_dense(const gradient& g, const shape_value& s) {
  int64 step = 1;
  uint32 left = 0;
  for (int d = 0; d < s.rank; ++d)
    if (s[d] != 1) left |= 1u << d;
  while (left) {
    int next = -1;
    for (int d = 0; d < s.rank; ++d)
      if (left >> d & 1 && g.strides[d] == step) next = d;
    if (next < 0) return s.numel() == 0;
    step *= s[next], left &= ~(1u << next);
  }
  return true;
}
/// Can the memory of `from` become a gradient that is added to: is it nobody else's?
inline bool can_take_over(const gradient& from, const grad_slot& s) { return from.block.use_count() == 1 && is_dense(from, s.shape); }
/// to += from, both gradients of s.
template <class Arch> void add_gradient(gradient& to, const gradient& from, const grad_slot& s) {
  const result r = gradient_target<Arch>(to, s);
  sum_into<Arch>(s.type, from.data, s.shape, from.strides, r.data, s.shape, r.strides, r.mode == write_accumulate);
}
/// The same where `from` is not needed any more: memory that nobody else holds is taken over.
template <class Arch> void move_gradient(gradient& to, gradient& from, const grad_slot& s) {
  if (!to.data && !(s.home && &to == &s.grad) && can_take_over(from, s)) to = static_cast<gradient&&>(from);
  else add_gradient<Arch>(to, from, s);
}
/// to += from; `to` may be somebody else's memory, too, and then is left alone.
template <class Arch> void add_to_kept(gradient& to, const gradient& from, const grad_slot& s) {
  if (!to.data && can_take_over(from, s)) {  // the walk's own, which it lets go
    to = from;
    return;
  }
  gradient sum;
  if (to.block.use_count() == 1) sum = static_cast<gradient&&>(to);
  else if (to.data) add_gradient<Arch>(sum, to, s);
  add_gradient<Arch>(sum, from, s);
  to = static_cast<gradient&&>(sum);
}
/// Memory of its own for a constant of the library.
template <class Arch> void own_memory(gradient& g, const grad_slot& s) {
  if (g.block || !g.data) return;
  gradient own;
  add_gradient<Arch>(own, g, s);
  g = static_cast<gradient&&>(own);
}

// --- gradients in a walk ---------------------------------------------------------------------------------------------------

/// What tells threads apart.
inline const void* this_thread() { return &grad_mode(); }

/// What w has collected for s so far; null: nothing.
inline const gradient* collected_so_far(const backward_walk& w, const grad_slot& s) {
  const walk_entry* const e = w.find(&s);
  const gradient* g = e ? &e->sum : w.selective ? nullptr : &s.grad;
  return g && g->data ? g : nullptr;
}
/// Does w collect one of n's gradients in this memory? To be asked when it has all of their targets.
inline bool collects_in(const backward_walk& w, const node_base& n, const storage_ptr& block) {
  for (int i = 0; i < n.input_count(); ++i)
    if (const grad_slot* s = n.input(i))
      if (const gradient* g = w.wants(s) ? collected_so_far(w, *s) : nullptr; g && g->block == block) return true;
  return false;
}
/// Where w collects the gradient of s; null: it is not wanted.
inline gradient* collected(backward_walk& w, grad_slot& s) {
  if (w.selective) {
    walk_entry* const e = w.find(&s);
    if (!e || !(e->asked || e->needed)) return nullptr;
    w.queue(e);
    return &e->sum;
  }
  if (!(w.entries && w.find(&s))) {
    if (node_base* n = s.producer) {
      backward_walk* owner = n->owner.load(std::memory_order_relaxed);
      if (owner == &w) return &s.grad;
      if (!owner && n->owner.compare_exchange_strong(owner, &w, std::memory_order_acquire, std::memory_order_relaxed)) {
        w.push(n);
        return &s.grad;
      }
    } else if (!s.requires_grad) {
      return nullptr;
    } else if (!s.extras && !watched_by()) {  // who watches may break the walk off: leaves are added to at its end
      const void* holder = s.held.load(std::memory_order_relaxed);
      if (holder == this_thread()) return &s.grad;
      if (!holder && s.held.compare_exchange_strong(holder, this_thread(), std::memory_order_acquire, std::memory_order_relaxed)) {
        s.next_dead = w.held;
        w.held = &s;
        return &s.grad;
      }
    }
  }
  walk_entry* const e = w.entry(&s);
  w.queue(e);
  return &e->sum;
}
/// The gradient of s, or of one part of its complex elements, as something that a program writes. Mode write_skip: w does not want it.
template <class Arch> result gradient_target(backward_walk& w, grad_slot& s) {
  if (gradient* g = collected(w, s)) return gradient_target<Arch>(*g, s);
  result r;
  r.shape = s.shape;
  r.mode = write_skip;
  return r;
}
/// The same to be added to in any case: to zeros at first. Without data: w does not want it.
template <class Arch> operand gradient_sum(backward_walk& w, grad_slot& s) {
  const result r = gradient_target<Arch>(w, s);
  if (r.mode == write_store) __builtin_memset(r.data, 0, static_cast<std::size_t>(s.shape.numel() * size_of(s.type)));
  operand o;
  o.data = r.data, o.shape = s.shape;
  for (int d = 0; d < s.shape.rank; ++d) o.strides[d] = r.strides[d];
  return o;
}
template <class Arch> result gradient_target(backward_walk& w, grad_slot& s, element_part part) {
  if (part == element_part::whole) return gradient_target<Arch>(w, s);
  const operand whole = gradient_sum<Arch>(w, s);
  result r;
  r.shape = s.shape;
  r.mode = whole.data ? write_accumulate : write_skip;
  if (!whole.data) return r;
  const operand sum = part_of(whole, s.type, part == element_part::im);
  r.data = sum.data, r.shape = sum.shape;
  for (int d = 0; d < s.shape.rank; ++d) r.strides[d] = sum.strides[d];
  return r;
}
/// Passes the running node's gradient on to s as it is, memory and all, so that the node may write into it; false if it cannot:
/// it is somebody else's, too, or s has a gradient already.
inline bool pass_on(backward_walk& w, grad_slot& s) {
  if (!w.passing || !s.producer || w.passing->block.use_count() != 1) return false;
  gradient* const g = collected(w, s);
  if (!g || g->data) return false;
  *g = static_cast<gradient&&>(*w.passing);
  return true;
}

// --- hooks -----------------------------------------------------------------------------------------------------------------

SINTER_NOINLINE inline void call_hooks(grad_slot& s, any_variable& g, bool recorded, bool after) {
  struct list {
    vec<hook*> v;
    ~list() {
      for (int i = 0; i < v.size(); ++i) v[i]->drop();
    }
  } all;  // hooks may remove hooks
  for (hook* h = s.extras->hooks; h; h = h->next)
    if (h->after == after) h->refs.fetch_add(1, std::memory_order_relaxed), all.v.push(h);
  for (int i = 0; i < all.v.size(); ++i)
    if (all.v[i]->list) all.v[i]->call(*all.v[i], s, g, recorded);
}
/// The hooks of s see, and may exchange, its gradient; then it is kept, if s retains it.
template <class Arch> SINTER_NOINLINE void show_gradient(grad_slot& s, gradient& g) {
  own_memory<Arch>(g, s);
  if (s.extras->hooks) {
    any_variable v = constant_of(g, s);
    call_hooks(s, v, false, false);
    g = gradient_of(v);
  }
  if (s.retain && s.producer) add_to_kept<Arch>(s.extras->kept, g, s);
}
/// Adds what an entry has collected to its leaf.
template <class Arch> void accumulate_in_leaf(walk_entry& e) {
  grad_slot& s = *e.slot;
  const bool mine = s.held.load(std::memory_order_relaxed) == this_thread();  // by a walk around this one
  if (!mine) {
    const void* nobody = nullptr;
    for (int tries = 0; !s.held.compare_exchange_weak(nobody, this_thread(), std::memory_order_acquire, std::memory_order_relaxed); nobody = nullptr)
      if (++tries > 64) let_others_run();
  }
  struct unlock {
    grad_slot* s;
    ~unlock() {
      if (s) s->held.store(nullptr, std::memory_order_release);
    }
  };
  {
    const unlock at_end{mine ? nullptr : &s};
    move_gradient<Arch>(s.grad, e.sum, s);
  }
  if (!s.extras) return;
  any_variable none;
  call_hooks(s, none, false, true);
}

// --- the walk --------------------------------------------------------------------------------------------------------------

/// 1 in every dtype that has gradients.
struct unit_elements {
  double f64 = 1;
  float f32 = 1;
  unsigned short f16 = 0x3c00, bf16 = 0x3f80;
};
SINTER_HIDDEN inline constexpr unit_elements units{};
inline const void* unit_of(dtype t) {
  switch (t) {
    case dtype::f64: return &units.f64;
    case dtype::f32: return &units.f32;
    case dtype::f16: return &units.f16;
    case dtype::bf16: return &units.bf16;
    default: fail<dtype_error>("backward: elements of ", t, " have no gradients");
  }
}

/// Gives s, from which w starts, its gradient: `seed`, or 1 if that has no data. `alone`: it is the only one to start from.
template <class Arch> void start_from(backward_walk& w, grad_slot& s, const gradient& seed, bool alone) {
  gradient one;
  if (!seed.data) one.data = const_cast<char*>(static_cast<const char*>(unit_of(s.type)));
  const gradient& from = seed.data ? seed : one;
  if (!w.selective) w.keep(&s);
  gradient* const to = collected(w, s);
  if (!to) return;
  // read where it is, unless it is a gradient to which the statement that reads it adds, or is asked for itself
  const bool seen = w.selective && w.find(&s)->asked;
  if (alone && s.producer && !seen && !(from.block && s.producer->adds_to(from.block))) *to = from;
  else add_gradient<Arch>(*to, from, s);
  w.let_leaves_go();
}

/// Marks what leads from `from` to slots that were asked for, whose producers have numbers from `lowest` on.
inline void mark_needed(backward_walk& w, grad_slot* from, int64 lowest) {
  struct step {
    grad_slot* slot;
    int next;
  };
  if (w.find(from) && w.find(from)->queued) return;
  vec<step> path;
  auto enter = [&](grad_slot* s) {
    w.entry(s)->queued = true;  // visited, as long as nothing is queued
    path.push({s, 0});
  };
  enter(from);
  while (path.size()) {
    step& at = path[path.size() - 1];
    const node_base* n = at.slot->producer;
    walk_entry* const e = w.entry(at.slot);
    if (!n || n->number <= lowest || at.next == n->input_count()) {
      path.pop();
      if (path.size() && (e->asked || e->needed)) w.entry(path[path.size() - 1].slot)->needed = true;
      continue;
    }
    grad_slot* const in = n->input(at.next++);
    if (!in) continue;
    const walk_entry* const known = w.find(in);
    if (!known || !known->queued) enter(in);
    else if (known->asked || known->needed) e->needed = true;
  }
}
/// Lets w walk towards `inputs` alone.
inline void ask_for(backward_walk& w, const vec<grad_slot*>& roots, const vec<grad_slot*>& inputs) {
  w.selective = true;
  int64 lowest = __INT64_MAX__;
  for (int i = 0; i < roots.size(); ++i) w.keep(roots[i]);
  for (int i = 0; i < inputs.size(); ++i) {
    w.keep(inputs[i]);
    w.entry(inputs[i])->asked = true;
    const int64 number = inputs[i]->producer ? inputs[i]->producer->number : 0;
    lowest = number < lowest ? number : lowest;
  }
  for (int i = 0; i < roots.size(); ++i) mark_needed(w, roots[i], lowest);
  for (walk_entry* e = w.oldest; e; e = e->next) e->queued = false;
}

template <class Arch> SINTER_COLD void fail_spent() {
  fail<autograd_error, Arch>("backward through the same statement a second time: its saved values were freed by the first; "
                             "pass retain_graph to the first backward");
}
/// Walks backward from what start_from() was given, to the end. Frees gradients of intermediate values and, unless
/// `retain_graph`, what the nodes saved, as it goes. Entries of what was asked for keep their gradients.
template <class Arch> void run_backward(backward_walk& w) {
  const grad_mode_guard unrecorded(false);
  while (w.size) {
    node_base* const n = w.running = w.pop();
    grad_slot& out = *n->output;
    if (n->spent) [[unlikely]] fail_spent<Arch>();
    walk_entry* const e = n->owner.load(std::memory_order_relaxed) == &w ? nullptr : w.find(&out);
    gradient& g = e ? e->sum : out.grad;
    if (out.extras) [[unlikely]] show_gradient<Arch>(out, g);
    w.passing = e && e->asked ? nullptr : &g;
    run_node(w, *n, nullptr, [&] { n->backward(w, gradient_operand(g, out.shape)); });
    w.let_leaves_go();
    if (!w.retain_graph) n->spent = release_saved(*n);
    if (e && !e->asked) g = gradient{};
    w.done_with(n);
    w.running = nullptr;
  }
  for (walk_entry* e = w.oldest; e; e = e->next) {
    if (!e->sum.data) continue;
    if (e->slot->extras && !e->queued) show_gradient<Arch>(*e->slot, e->sum);
    if (!w.selective && e->slot->is_leaf()) accumulate_in_leaf<Arch>(*e);
  }
}

}  // namespace SINTER_TARGET
}  // namespace sinter::inline v0::detail
