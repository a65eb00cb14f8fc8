// SPDX-License-Identifier: BSD-3-Clause
// Sorting on the device: thrust behind one plain function, because thrust costs seconds in every file that includes it.
#include <sinter/cuda/sort.hpp>
#include <thrust/device_ptr.h>
#include <thrust/execution_policy.h>
#include <thrust/sequence.h>
#include <thrust/sort.h>

namespace sinter::inline v0::detail::device {
namespace {

/// NaN counts as largest, as in torch.sort.
struct before {
  template <class T> __device__ bool operator()(T a, T b) const { return a < b || (b != b && a == a); }
};
struct after {
  template <class T> __device__ bool operator()(T a, T b) const { return before()(b, a); }
};
template <class T> int sort_as(uint64 keys, uint64 positions, int64 n, bool descending) {
  const thrust::device_ptr<T> k(reinterpret_cast<T*>(keys));
  const thrust::device_ptr<int64> p(reinterpret_cast<int64*>(positions));
  try {
    thrust::sequence(thrust::device, p, p + n);
    if (descending) thrust::stable_sort_by_key(thrust::device, k, k + n, p, after());
    else thrust::stable_sort_by_key(thrust::device, k, k + n, p, before());
  } catch (...) {
    return 1;
  }
  return 0;
}

}  // namespace

int sort(dtype t, uint64 keys, uint64 positions, int64 n, bool descending) {
  switch (t) {
    case dtype::f32: return sort_as<float>(keys, positions, n, descending);
    case dtype::f64: return sort_as<double>(keys, positions, n, descending);
    case dtype::i64: return sort_as<int64>(keys, positions, n, descending);
    default: return 2;
  }
}

}  // namespace sinter::inline v0::detail::device
