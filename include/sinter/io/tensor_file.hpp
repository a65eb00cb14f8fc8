// SPDX-License-Identifier: BSD-3-Clause
// What a file of named tensors holds, whatever its format, and what can be written as one.
// Not here: bytes. Next: safetensors.hpp, npz.hpp.
#pragma once
#include <string_view>
#include <vector>

#include "../tensor/any_tensor.hpp"

namespace sinter::inline v0 {

inline namespace SINTER_TARGET {

/// What a file holds, in the file's order.
struct tensor_file {
  std::vector<named<any_tensor>> tensors;
  std::vector<named<std::string>> metadata;

  bool contains(std::string_view name) const { return find(name) != nullptr; }
  /// The tensor of that name. Throws io_error where there is none.
  const any_tensor& at(std::string_view name) const {
    if (const any_tensor* t = find(name)) return *t;
    fail<io_error>("no tensor is called '", std::string(name), "' in this file (it has ", tensors.size(), ")");
  }

 private:
  const any_tensor* find(std::string_view name) const {
    for (const auto& t : tensors)
      if (t.name == name) return &t.value;
    return nullptr;
  }
};

}  // namespace SINTER_TARGET

namespace detail::inline SINTER_TARGET {

/// A state_dict, a std::map, a tensor_file's list: a range of (name, tensor) pairs.
template <class X>
concept named_tensors = requires(const X& t) { t.begin()->second; } || requires(const X& t) { t.begin()->value; };

template <named_tensors X> std::vector<named<any_tensor>> list_of(const X& tensors) {
  std::vector<named<any_tensor>> list;
  for (const auto& [name, value] : tensors) list.push_back({name, any_tensor(value)});
  return list;
}

}  // namespace detail::inline SINTER_TARGET

}  // namespace sinter::inline v0
