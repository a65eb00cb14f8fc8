// SPDX-License-Identifier: BSD-3-Clause
// Tensors on a CUDA device: copies to it and back, and expressions over them. Link sinter_runtime.
// Without a device everything here throws device_error, which says why. Next: cuda/driver.hpp.
#pragma once
#include "../expr/lower.hpp"
#include "../tensor/copy.hpp"
#include "../tensor/evaluate.hpp"
#include "driver.hpp"

namespace sinter::inline v0 {
namespace detail::device {

inline void release_storage(storage* s) {
  release(reinterpret_cast<uint64>(s->data));
  delete s;
}
/// A block of device memory.
inline storage_ptr allocate_storage(int64 bytes) {
  const uint64 address = allocate(bytes);
  auto* s = new storage;
  s->data = reinterpret_cast<void*>(address);
  s->bytes = bytes;
  s->release = &release_storage;
  s->device = 0;
  return storage_ptr(s);
}
inline void copy(operand& to, const detail::operand& from) {
  to.data = reinterpret_cast<uint64>(from.data), to.number = from.number, to.shape = from.shape;
  for (int d = 0; d < max_rank; ++d) to.strides[d] = from.strides[d];
}

/// A fresh device tensor of the value of x, whose leaves are device tensors and numbers.
template <class X, class Arch = native> auto evaluate(const X& x) {
  using L = lowered<X>;
  using P = typename L::program;
  using E = typename L::extents_type;
  using T = typename L::value_type;
  bound_operands<P> host;
  bind<Arch>(x, host);
  operand leaves[P::operand_count + 1], results[2], &result = results[0];
  for (int i = 0; i < P::operand_count; ++i) copy(leaves[i], host.leaves[i]);
  result.shape = result_shape<P>(host.leaves, host.slots);
  index_list<E::rank> sizes, strides;
  for (int d = 0; d < E::rank; ++d) sizes[d] = result.shape[d];
  strides = row_major(sizes);
  for (int d = 0; d < E::rank; ++d) result.strides[d] = strides[d];
  storage_ptr block = allocate_storage(result.shape.numel() * static_cast<int64>(sizeof(T)));
  result.data = reinterpret_cast<uint64>(block->data);
  T* data = static_cast<T*>(block->data);
  if constexpr (L::is_complex) results[1] = part_of(result, dtype_of<T>, 1), result = part_of(result, dtype_of<T>, 0);
  run(entry_of<P, jit>, driver, leaves, host.slots, results).template operator()<Arch>();
  return tensor<T, E, cuda_t>(static_cast<storage_ptr&&>(block), data, sizes, strides);
}

}  // namespace detail::device

/// The same elements on the device, row-major. Throws device_error, memory_error.
template <class T, class E, class Arch = native> tensor<std::remove_const_t<T>, E, cuda_t> to(const tensor<T, E, cpu_t>& t, cuda_t) {
  using V = std::remove_const_t<T>;
  storage_ptr block = detail::device::allocate_storage(t.numel() * static_cast<int64>(sizeof(V)));
  const auto from = contiguous(t);
  detail::device::to_device(reinterpret_cast<uint64>(block->data), from.data(), t.numel() * static_cast<int64>(sizeof(V)));
  V* data = static_cast<V*>(block->data);
  return {static_cast<storage_ptr&&>(block), data, t.sizes(), detail::row_major(t.sizes())};
}
/// The same elements on the host, row-major. Waits for the device.
template <class T, class E, class Arch = native> tensor<std::remove_const_t<T>, E> to(const tensor<T, E, cuda_t>& t, cpu_t) {
  using V = std::remove_const_t<T>;
  if (!t.is_contiguous()) {  // gather first
    if constexpr (E::rank > 0) return to(detail::device::evaluate(detach(t)), cpu);
  }
  storage_ptr block = allocate_cpu<Arch>(t.numel() * static_cast<int64>(sizeof(V)));
  detail::device::to_host(block->data, reinterpret_cast<uint64>(t.data()), t.numel() * static_cast<int64>(sizeof(V)));
  V* data = static_cast<V*>(block->data);
  return {static_cast<storage_ptr&&>(block), data, t.sizes(), detail::row_major(t.sizes())};
}
template <class T, class E> tensor<T, E, cuda_t> to(const tensor<T, E, cuda_t>& t, cuda_t) { return t; }

}  // namespace sinter::inline v0
