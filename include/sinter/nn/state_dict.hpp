// SPDX-License-Identifier: BSD-3-Clause
// state_dict: a module's parameters and buffers by name, and how they are loaded back. Not here: files; give a state_dict
// to save_safetensors, and what load_safetensors returns to load_state_dict (io/safetensors.hpp). Next: module.hpp.
#pragma once
#include "../tensor/convert.hpp"
#include "module.hpp"

namespace sinter::inline v0::nn::inline SINTER_TARGET {

/// Named tensors in the order of the members. They share the module's elements, as in PyTorch: clone what must stay.
/// https://pytorch.org/docs/stable/generated/torch.nn.Module.html#torch.nn.Module.state_dict
class state_dict {
 public:
  state_dict() = default;
  /// Tied parameters appear under each of their names.
  template <module_like M> explicit state_dict(M& m) {
    detail::for_tensors(m, [&](const std::string& name, auto& x) {
      if constexpr (requires { x.value(); }) entries_.push_back({name, x.value()});
      else entries_.push_back({name, x});
    });
  }

  auto begin() const { return entries_.begin(); }
  auto end() const { return entries_.end(); }
  std::size_t size() const { return entries_.size(); }
  bool contains(const std::string& name) const { return find(name) != nullptr; }
  /// Throws error where nothing has that name.
  const any_tensor& at(const std::string& name) const {
    if (const any_tensor* t = find(name)) return *t;
    fail<error>("state_dict: there is no '", name, "'");
  }
  void set(const std::string& name, const any_tensor& value) {
    if (const any_tensor* t = find(name)) *const_cast<any_tensor*>(t) = value;
    else entries_.push_back({name, value});
  }

 private:
  const any_tensor* find(const std::string& name) const {
    for (const auto& e : entries_)
      if (e.name == name) return &e.value;
    return nullptr;
  }
  std::vector<named<any_tensor>> entries_;
};

namespace detail {

/// The names in a dictionary: pairs (state_dict, std::map), or a file's `tensors`.
template <class D, class F> void for_names(const D& d, F f) {
  if constexpr (requires { d.tensors; }) {
    for (const auto& e : d.tensors) f(e.name);
  } else {
    for (const auto& [name, value] : d) f(name);
  }
}

}  // namespace detail

/// Writes the tensors of `from` (a state_dict, a std::map, what load_safetensors returns) into those of m, through all
/// their handles; other dtypes are converted. Throws shape_error for sizes that differ and, unless strict is false,
/// error for names that are missing or unexpected, naming all of them; nothing has been written then.
/// https://pytorch.org/docs/stable/generated/torch.nn.Module.html#torch.nn.Module.load_state_dict
template <class M, class D> void load_state_dict(M& m, const D& from, bool strict) {
  std::string missing, unexpected, sizes;
  auto quote = [](std::string& list, const std::string& name) { list += (list.empty() ? "\"" : ", \"") + name + '"'; };
  const state_dict mine(m);
  for (const auto& [name, to] : mine) {
    if (!from.contains(name)) {
      quote(missing, name);
    } else if (const any_tensor value(from.at(name)); !sinter::detail::same_shape(to, value)) {
      sizes += "\n  size mismatch for " + name + ": ";
      sinter::detail::append(sizes, shape_text{value.sizes(), value.dim()});
      sizes += " is given, the module has ";
      sinter::detail::append(sizes, shape_text{to.sizes(), to.dim()});
    }
  }
  detail::for_names(from, [&](const std::string& name) {
    if (!mine.contains(name)) quote(unexpected, name);
  });
  std::string text;
  if (strict && !missing.empty()) text += "\n  missing: " + missing;
  if (strict && !unexpected.empty()) text += "\n  unexpected: " + unexpected;
  if (!sizes.empty()) fail<shape_error>("load_state_dict:", text + sizes);
  if (!text.empty()) fail<error>("load_state_dict:", text);

  detail::for_tensors(m, [&]<class X>(const std::string& name, X& x) {
    if (!from.contains(name)) return;
    const any_tensor value(from.at(name));
    const auto write = [&](const auto& to) {
      detail::convert_elements<typename X::value_type>(any_tensor(to), value);
      to.bump_version();
    };
    if constexpr (detail::parameter_like<X>) write(x.value());
    else write(x);
  });
}

}  // namespace sinter::inline v0::nn::inline SINTER_TARGET
