// SPDX-License-Identifier: BSD-3-Clause
// saved_tensors_hooks: what becomes of the values that statements save for backward: smaller, or elsewhere.
// Next: autograd/checkpoint.hpp, which computes them anew.
#pragma once
#include "../tensor/any_tensor.hpp"
#include "engine.hpp"

namespace sinter::inline v0 {
namespace detail {
/// Why hooks are forbidden on this thread; null: they are not.
SINTER_HIDDEN inline const char*& hooks_forbidden() {
  static thread_local constinit const char* why = nullptr;
  return why;
}
}  // namespace detail

namespace detail::inline SINTER_TARGET {

/// Statements keep what they save, or `to` takes it, until the end of the scope.
class saved_by_scope {
 public:
  explicit saved_by_scope(saved_hooks* to) : old_(saved_by()) { saved_by() = to; }
  ~saved_by_scope() { saved_by() = old_; }
  saved_by_scope(const saved_by_scope&) = delete;
  saved_by_scope& operator=(const saved_by_scope&) = delete;

 private:
  saved_hooks* old_;
};

/// A pair of hooks, which lives as long as its guard and every value that it packed.
struct tensor_hooks : saved_hooks {
  std::atomic<int64> refs{1};
  virtual ~tensor_hooks() = default;
  virtual void* pack_value(const any_tensor& t) = 0;
  virtual any_tensor unpack_value(void* value) = 0;
  virtual void drop_value(void* value) = 0;
  void pack(node_base& n) override;
};
inline void drop(tensor_hooks* h) {
  if (h && h->refs.fetch_sub(1, std::memory_order_acq_rel) == 1) delete h;
}

/// One value in the hooks' keeping.
class packed_value {
 public:
  packed_value(tensor_hooks& h, const any_tensor& t) : type_(t.dtype()) {
    const saved_by_scope plain(nullptr);  // what a hook computes is not packed itself
    shape_.rank = t.dim();
    for (int d = 0; d < t.dim(); ++d) shape_[d] = t.sizes()[d];
    value_ = h.pack_value(t);
    hooks_ = &h;
    h.refs.fetch_add(1, std::memory_order_relaxed);
  }
  packed_value(const packed_value&) = delete;
  packed_value& operator=(const packed_value&) = delete;
  ~packed_value() {
    hooks_->drop_value(value_);
    drop(hooks_);
  }
  any_tensor unpack() const {
    const saved_by_scope plain(nullptr);
    any_tensor t = hooks_->unpack_value(value_);
    bool same = t.defined() && t.dtype() == type_ && t.dim() == shape_.rank && t.device() < 0;
    for (int d = 0; same && d < shape_.rank; ++d) same = t.sizes()[d] == shape_[d];
    if (!same)
      fail<autograd_error>("saved_tensors_hooks: unpack returned a tensor of ", t.dtype(), " ", shape_text{t.sizes(), t.dim()}, "; packed was one of ", type_, " ",
                           shape_text{shape_.e, shape_.rank});
    return t;
  }

 private:
  tensor_hooks* hooks_ = nullptr;
  void* value_ = nullptr;
  dtype type_;
  shape_value shape_;
};

/// What a node saved, packed: value by value, null where it kept none.
class packed_list final : public packed_values {
 public:
  packed_list() = default;
  packed_list(const packed_list&) = delete;
  packed_list& operator=(const packed_list&) = delete;
  ~packed_list() override {
    for (int i = 0; i < values_.size(); ++i) delete values_[i];
  }
  void take(tensor_hooks& h, node_base& n) {
    struct : saved_visitor {
      packed_list* list;
      tensor_hooks* hooks;
      void value(operand& v, storage_ptr& block, uint64&, dtype t) override {
        list->values_.push(nullptr);
        if (!block) return;
        list->values_[list->values_.size() - 1] = new packed_value(*hooks, any_tensor(block, v.data, t, v.shape.rank, v.shape.e, v.strides));
        block = {}, v.data = nullptr;
      }
    } visitor;
    visitor.list = this, visitor.hooks = &h;
    n.each_saved(visitor);
  }
  void restore(node_base& n) override {
    struct undo {
      packed_list* list;
      node_base* n;
      ~undo() {
        if (list) list->put_away(*n);
      }
    } on_error{this, &n};
    struct : saved_visitor {
      packed_list* list;
      int k = 0;
      void value(operand& v, storage_ptr& block, uint64& version, dtype) override {
        const packed_value* p = list->values_[k++];
        if (!p) return;
        const any_tensor t = p->unpack();
        block = t.storage_handle(), v.data = static_cast<char*>(t.data()), version = block->version.load(std::memory_order_acquire);
        for (int d = 0; d < t.dim(); ++d) v.strides[d] = t.strides()[d];
      }
    } visitor;
    visitor.list = this;
    n.each_saved(visitor);
    on_error.list = nullptr;
  }
  void put_away(node_base& n) override {
    struct : saved_visitor {
      packed_list* list;
      int k = 0;
      void value(operand& v, storage_ptr& block, uint64&, dtype) override {
        if (list->values_[k++]) block = {}, v.data = nullptr;
      }
    } visitor;
    visitor.list = this;
    n.each_saved(visitor);
  }

 private:
  vec<packed_value*> values_;
};
inline void tensor_hooks::pack(node_base& n) {
  if (n.packed) return;
  auto* list = new packed_list;
  n.packed = list;
  list->take(*this, n);
}

template <class Pack, class Unpack> struct user_hooks final : tensor_hooks {
  using value_type = std::remove_cvref_t<decltype(std::declval<Pack&>()(std::declval<const any_tensor&>()))>;
  Pack pack_;
  Unpack unpack_;
  user_hooks(Pack p, Unpack u) : pack_(static_cast<Pack&&>(p)), unpack_(static_cast<Unpack&&>(u)) {}
  void* pack_value(const any_tensor& t) override { return new value_type(pack_(t)); }
  any_tensor unpack_value(void* v) override { return any_tensor(unpack_(*static_cast<value_type*>(v))); }
  void drop_value(void* v) override { delete static_cast<value_type*>(v); }
};

}  // namespace detail::inline SINTER_TARGET
inline namespace SINTER_TARGET {

/// `st::saved_tensors_hooks guard(pack, unpack);`: until the end of the scope, whatever a statement or a custom function of this
/// thread saves for backward goes through `pack(const any_tensor&)`, which returns a value of any type, in the place of the saved
/// tensor; `unpack(value)` returns the tensor (of the same dtype and shape: autograd_error) when backward needs it, each time that
/// it does. Of nested guards the innermost counts. Statements inside of the hooks are not packed. Complex values are packed as
/// their two parts. A packed value has no version: writing it in place is not noticed.
/// Throws autograd_error inside of disable_saved_tensors_hooks.
/// https://pytorch.org/docs/stable/autograd.html#torch.autograd.graph.saved_tensors_hooks
template <class Pack, class Unpack> class saved_tensors_hooks {
 public:
  saved_tensors_hooks(Pack pack, Unpack unpack) : hooks_(make(pack, unpack)), old_(detail::saved_by()) { detail::saved_by() = hooks_; }
  ~saved_tensors_hooks() {
    detail::saved_by() = old_;
    drop(static_cast<detail::tensor_hooks*>(hooks_));
  }
  saved_tensors_hooks(const saved_tensors_hooks&) = delete;
  saved_tensors_hooks& operator=(const saved_tensors_hooks&) = delete;

 private:
  using hooks = detail::user_hooks<Pack, Unpack>;
  static hooks* make(Pack& pack, Unpack& unpack) {
    if (detail::hooks_forbidden()) fail<autograd_error>(detail::hooks_forbidden());
    return new hooks(static_cast<Pack&&>(pack), static_cast<Unpack&&>(unpack));
  }
  hooks* hooks_;
  detail::saved_hooks* old_;
};

/// `st::disable_saved_tensors_hooks guard("not here");`: until the end of the scope hooks throw autograd_error with that text.
/// Throws it itself where hooks are on. https://pytorch.org/docs/stable/autograd.html#torch.autograd.graph.disable_saved_tensors_hooks
class disable_saved_tensors_hooks {
 public:
  explicit disable_saved_tensors_hooks(const char* message) : old_(detail::hooks_forbidden()) {
    if (detail::saved_by()) fail<autograd_error>(message);
    detail::hooks_forbidden() = message;
  }
  ~disable_saved_tensors_hooks() { detail::hooks_forbidden() = old_; }
  disable_saved_tensors_hooks(const disable_saved_tensors_hooks&) = delete;
  disable_saved_tensors_hooks& operator=(const disable_saved_tensors_hooks&) = delete;

 private:
  const char* old_;
};

}  // namespace SINTER_TARGET
}  // namespace sinter::inline v0
