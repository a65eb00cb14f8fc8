// SPDX-License-Identifier: BSD-3-Clause
// DLPack: tensors exchanged with PyTorch, JAX, CuPy, TVM ... in one process, without a copy. The structures are those of
// https://dmlc.github.io/dlpack (version 0.8), whose layout is its contract; a program that includes <dlpack/dlpack.h> too
// exchanges the same pointers.
#pragma once
#include "../tensor/any_tensor.hpp"

namespace sinter::inline v0::dlpack {

struct device {
  int32 type;  ///< 1: CPU, 2: CUDA, 3: CUDA host memory
  int32 id;
};
struct data_type {
  uint8 code;  ///< 0: signed, 1: unsigned, 2: float, 4: bfloat, 5: complex, 6: bool
  uint8 bits;
  uint16 lanes;
};
struct dl_tensor {
  void* data;
  device dev;
  int32 ndim;
  data_type dtype;
  int64* shape;
  int64* strides;  ///< in elements; null: row-major
  uint64 byte_offset;
};
struct managed_tensor {
  dl_tensor tensor;
  void* manager_ctx;
  void (*deleter)(managed_tensor*);
};

}  // namespace sinter::inline v0::dlpack

namespace sinter::inline v0::inline SINTER_TARGET {

namespace dlpack_detail {
inline dlpack::data_type code_of(dtype t) {
  const auto bits = static_cast<uint8>(8 * size_of(t));
  if (t == dtype::b8) return {6, 8, 1};
  if (t == dtype::u8) return {1, 8, 1};
  if (t == dtype::bf16) return {4, 16, 1};
  if (is_complex(t)) return {5, bits, 1};
  return {static_cast<uint8>(is_floating(t) ? 2 : 0), bits, 1};
}
inline dtype dtype_from(dlpack::data_type c) {
  for (int k = 0; k <= static_cast<int>(dtype::c128); ++k) {
    const dlpack::data_type mine = code_of(static_cast<dtype>(k));
    if (mine.code == c.code && mine.bits == c.bits && c.lanes == 1) return static_cast<dtype>(k);
  }
  fail<dtype_error>("from_dlpack: elements of code ", int{c.code}, " with ", int{c.bits}, " bits and ", int{c.lanes}, " lanes are not supported");
}
struct exported {
  dlpack::managed_tensor managed{};
  any_tensor keeps;
  int64 shape[any_tensor::max_rank] = {}, strides[any_tensor::max_rank] = {};
  explicit exported(const any_tensor& t) : keeps(t) {}
};
}  // namespace dlpack_detail

/// t for another library, which calls `deleter` when it is done. The elements are shared and stay alive until then.
/// Throws error for an undefined or read-only tensor.
inline dlpack::managed_tensor* to_dlpack(const any_tensor& t) {
  if (!t.defined()) fail<error>("to_dlpack: an undefined tensor");
  if (t.read_only()) fail<error>("to_dlpack: this tensor is read-only, which DLPack cannot say; clone it");
  auto* out = new dlpack_detail::exported(t);
  for (int d = 0; d < t.dim(); ++d) out->shape[d] = t.sizes()[d], out->strides[d] = t.strides()[d];
  out->managed.tensor = {t.data(), {t.device() < 0 ? 1 : 2, t.device() < 0 ? 0 : t.device()}, t.dim(), dlpack_detail::code_of(t.dtype()), out->shape, out->strides, 0};
  out->managed.manager_ctx = out;
  out->managed.deleter = [](dlpack::managed_tensor* m) { delete static_cast<dlpack_detail::exported*>(m->manager_ctx); };
  return &out->managed;
}

/// The tensor that `from` describes; its deleter is called with the last handle. Takes over `from` unless it throws: dtype_error,
/// shape_error (a rank over 8), device_error (memory that is not the host's).
inline any_tensor from_dlpack(dlpack::managed_tensor* from) {
  const dlpack::dl_tensor& t = from->tensor;
  if (t.dev.type != 1 && t.dev.type != 3) fail<device_error>("from_dlpack: device type ", t.dev.type, " is not the host");
  if (t.ndim < 0 || t.ndim > any_tensor::max_rank) fail<shape_error>("from_dlpack: rank ", t.ndim, " is not in 0..8");
  const dtype type = dlpack_detail::dtype_from(t.dtype);
  int64 strides[any_tensor::max_rank] = {}, step = 1, low = 0, high = 1;
  bool empty = false;
  for (int d = t.ndim - 1; d >= 0; --d) {
    if (t.shape[d] < 0) fail<shape_error>("from_dlpack: size ", t.shape[d], " of dim ", d);
    strides[d] = t.strides ? t.strides[d] : step;
    step *= t.shape[d] > 1 ? t.shape[d] : 1;
    empty = empty || t.shape[d] == 0;
    if (t.shape[d] > 1) (strides[d] < 0 ? low : high) += (t.shape[d] - 1) * strides[d];
  }
  char* data = static_cast<char*>(t.data) + t.byte_offset;
  const int64 size = size_of(type);
  auto release = [from](void*) {
    if (from->deleter) from->deleter(from);
  };
  storage_ptr block = borrow_cpu(empty ? data : data + low * size, empty ? 0 : (high - low) * size, release);
  return {static_cast<storage_ptr&&>(block), data, type, t.ndim, t.shape, strides};
}

}  // namespace sinter::inline v0::inline SINTER_TARGET
