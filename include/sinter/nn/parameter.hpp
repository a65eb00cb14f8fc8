// SPDX-License-Identifier: BSD-3-Clause
// parameter<T>: a variable whose extents are known at run time only, so that parameters of all shapes fit one list.
// Not here: where parameters come from (module.hpp). Next: optim/ for what is done with them.
#pragma once
#include <vector>

#include "../autograd/statement.hpp"
#include "../tensor/any_tensor.hpp"

namespace sinter::inline v0::inline SINTER_TARGET {

/// A member of a module that is trained: `st::param<float, 128> scale{st::ones(st::shape<128>)};`. `dyn` is an extent, too.
template <class T, int64... N> using param = variable<T, extents<N...>>;

/// A handle to a variable of T: copies share value and gradient with it, as copies of the variable do.
template <class T> class parameter {
 public:
  template <class E> parameter(const variable<T, E, cpu_t>& v) : table_(&table_of<E>) {
    static_assert(sizeof v == sizeof(void*), "the handle is kept in place");
    ::new (handle_) variable<T, E, cpu_t>(v);
    if (!v.defined()) fail<error>("an undefined variable is no parameter: give it a value first");
  }
  parameter(const parameter& o) : table_(o.table_) { table_->copy(o.handle_, handle_); }
  parameter& operator=(const parameter& o) {
    if (this == &o) return *this;
    table_->destroy(handle_);
    table_ = o.table_;
    table_->copy(o.handle_, handle_);
    return *this;
  }
  ~parameter() { table_->destroy(handle_); }

  /// The elements, without a record; they are the variable's own.
  any_tensor value() const { return table_->value(handle_); }
  /// The gradient; undefined before backward().
  any_tensor grad() const { return table_->grad(handle_); }
  int64 numel() const { return slot()->shape.numel(); }
  bool requires_grad() const { return slot()->requires_grad; }
  void zero_grad() const { slot()->forget_gradient(); }
  /// Lets the variable, through all its handles, hold the row-major elements at `data` in `block`.
  void set_data(const storage_ptr& block, T* data) const { table_->set_data(handle_, block, data); }
  /// What is the same for all handles of one variable, and different for different ones.
  detail::grad_slot* slot() const { return table_->slot(handle_); }

 private:
  struct table {
    void (*copy)(const void*, void*);
    void (*destroy)(void*);
    any_tensor (*value)(const void*);
    any_tensor (*grad)(const void*);
    void (*set_data)(const void*, const storage_ptr&, T*);
    detail::grad_slot* (*slot)(const void*);
  };
  template <class E> static const variable<T, E, cpu_t>& as(const void* p) { return *static_cast<const variable<T, E, cpu_t>*>(p); }
  template <class E> static constexpr table table_of{
      [](const void* from, void* to) { ::new (to) variable<T, E, cpu_t>(as<E>(from)); },
      [](void* p) { static_cast<variable<T, E, cpu_t>*>(p)->~variable(); },
      [](const void* p) { return any_tensor(as<E>(p).value()); },
      [](const void* p) { return any_tensor(as<E>(p).grad()); },
      [](const void* p, const storage_ptr& block, T* data) {
        const auto& v = as<E>(p);
        v.set_data(tensor<T, E>(block, data, v.sizes(), detail::row_major(v.sizes())));
      },
      [](const void* p) { return as<E>(p).slot(); }};

  const table* table_;
  alignas(void*) unsigned char handle_[sizeof(void*)];
};

/// Several parameters of T, each once: what optimizers take. `parameter_list{w, b}` makes one of plain variables.
template <class T> class parameter_list {
 public:
  parameter_list() = default;
  template <class... E> explicit parameter_list(const variable<T, E, cpu_t>&... v) { (add(v), ...); }

  /// Adds a parameter unless it is there already (tied parameters).
  void add(const parameter<T>& p) {
    for (const auto& q : list_)
      if (q.slot() == p.slot()) return;
    list_.push_back(p);
  }
  auto begin() const { return list_.begin(); }
  auto end() const { return list_.end(); }
  std::size_t size() const { return list_.size(); }
  bool empty() const { return list_.empty(); }
  const parameter<T>& operator[](std::size_t i) const { return list_[i]; }
  /// Elements in all of them.
  int64 numel() const {
    int64 n = 0;
    for (const auto& p : list_) n += p.numel();
    return n;
  }

 private:
  std::vector<parameter<T>> list_;
};
template <class T, class... E> parameter_list(const variable<T, E, cpu_t>&...) -> parameter_list<T>;

}  // namespace sinter::inline v0::inline SINTER_TARGET
