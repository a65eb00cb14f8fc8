// SPDX-License-Identifier: BSD-3-Clause
// Sums one strided array into another: what remains when a result's shape is only known at run time.
// Not here: fused loops (cpu/kernel.hpp).
#pragma once
#include "../expr/shape.hpp"
#include "../tensor/dispatch.hpp"
#include "copy_elements.hpp"

namespace sinter::inline v0::detail::inline SINTER_TARGET {

/// Memory for the length of a scope.
class SINTER_HIDDEN scratch_memory {
 public:
  scratch_memory() = default;
  explicit scratch_memory(int64 bytes) { grow(bytes, 0); }
  ~scratch_memory() {
    if (data_) host_free(data_, bytes_);
  }
  scratch_memory(const scratch_memory&) = delete;
  scratch_memory& operator=(const scratch_memory&) = delete;
  char* data() const { return data_; }
  int64 bytes() const { return bytes_; }
  /// Takes other memory of so many bytes, and the first `kept` bytes along.
  void grow(int64 bytes, int64 kept) {
    char* const data = static_cast<char*>(host_alloc(bytes));
    if (kept) __builtin_memcpy(data, data_, static_cast<std::size_t>(kept));
    if (data_) host_free(data_, bytes_);
    data_ = data, bytes_ = bytes;
  }

 private:
  char* data_ = nullptr;
  int64 bytes_ = 0;
};

/// n elements for the length of a scope, not set: few of them on the stack, many from the allocator.
template <class T, int Few = 16> class SINTER_HIDDEN scratch_array {
 public:
  explicit scratch_array(int n) : bytes_(n > Few ? n * static_cast<int64>(sizeof(T)) : 0), data_(bytes_ ? static_cast<T*>(host_alloc(bytes_)) : reinterpret_cast<T*>(few_)) {}
  ~scratch_array() {
    if (bytes_) host_free(data_, bytes_);
  }
  scratch_array(const scratch_array&) = delete;
  scratch_array& operator=(const scratch_array&) = delete;
  T* get() const { return data_; }
  T& operator[](int i) const { return data_[i]; }

 private:
  int64 bytes_;
  T* data_;
  alignas(T) unsigned char few_[Few * sizeof(T)];
};

template <class T, class Arch> SINTER_KERNEL void sum_strided(const T* from, const shape_value& s, const int64* from_strides, T* to, const int64* to_strides) {
  int64 at[max_rank] = {};
  const int last = s.rank - 1;
  const int64 n = s.rank ? s[last] : 1;
  for (;;) {
    const T* p = from;
    T* q = to;
    for (int d = 0; d < last; ++d) p += at[d] * from_strides[d], q += at[d] * to_strides[d];
    const int64 ps = s.rank ? from_strides[last] : 0, qs = s.rank ? to_strides[last] : 0;
    int64 i = 0;
    if constexpr (std::is_floating_point_v<T>)
      if (constexpr int W = simd::width<T>; ps == 1 && qs == 1)
        for (; i + W <= n; i += W) (pack<T, W>::load(q + i) + pack<T, W>::load(p + i)).store(q + i);
    for (; i < n; ++i) {
      if constexpr (std::is_same_v<T, bool>) q[i * qs] = q[i * qs] || p[i * ps];
      else q[i * qs] = static_cast<T>(static_cast<computed<T>>(q[i * qs]) + static_cast<computed<T>>(p[i * ps]));
    }
    int d = last - 1;
    while (d >= 0 && ++at[d] == s[d]) at[d--] = 0;
    if (d < 0) break;
  }
}

/// to (+)= from, summed over the dims that `to` lacks or has with extent 1. Strides in elements.
template <class Arch> SINTER_HIDDEN void sum_into(dtype t, const char* from, const shape_value& s, const int64* from_strides, char* to, const shape_value& ts,
                                    const int64* to_strides, bool accumulate) {
  if (!accumulate && s == ts) return copy_elements<Arch>(size_of(t), s, from, from_strides, to, to_strides);
  int64 aligned[max_rank] = {};
  const int lead = s.rank - ts.rank;
  for (int d = lead; d < s.rank; ++d) aligned[d] = ts[d - lead] == 1 ? 0 : to_strides[d - lead];
  auto run = [&]<class T>(T*) {
    T* q = reinterpret_cast<T*>(to);
    if (!accumulate) {
      int64 at[max_rank] = {};
      for (int64 i = 0, n = ts.numel(); i < n; ++i) {
        int64 offset = 0;
        for (int d = 0; d < ts.rank; ++d) offset += at[d] * to_strides[d];
        q[offset] = T(0);
        for (int d = ts.rank - 1; d >= 0 && ++at[d] == ts[d]; --d) at[d] = 0;
      }
    }
    if (s.numel()) sum_strided<T, Arch>(reinterpret_cast<const T*>(from), s, from_strides, q, aligned);
  };
  with_type(t, [&]<class T>(T) { run(static_cast<T*>(nullptr)); });
}

}  // namespace sinter::inline v0::detail::inline SINTER_TARGET
