// SPDX-License-Identifier: BSD-3-Clause
// any_tensor: a tensor whose dtype and rank are known at run time only, as files have them.
// Not here: arithmetic; visit it or convert it with as<T, R>(). Next: tensor.hpp.
#pragma once
#include "dispatch.hpp"
#include "tensor.hpp"

namespace sinter::inline v0 {

struct with_complex_t {};
/// `t.visit(f, with_complex)`: f takes complex elements, too.
inline constexpr with_complex_t with_complex{};

/// A handle as `tensor` is one (copying shares the elements), with dtype and a rank of up to 8 as values.
class any_tensor {
 public:
  static constexpr int max_rank = 8;

  any_tensor() = default;
  SINTER_INLINE any_tensor(const any_tensor&) = default;
  SINTER_INLINE any_tensor(any_tensor&&) = default;
  SINTER_INLINE any_tensor& operator=(const any_tensor&) = default;
  SINTER_INLINE any_tensor& operator=(any_tensor&&) = default;
  SINTER_INLINE ~any_tensor() = default;

  /// Shares the elements of `t`.
  template <class T, class E, class D>
  SINTER_INLINE any_tensor(const tensor<T, E, D>& t)
      : block_(t.storage_handle()),
        data_(const_cast<std::remove_const_t<T>*>(t.data())),
        dtype_(dtype_of<T>),
        rank_(E::rank),
        read_only_(std::is_const_v<T>) {
    static_assert(E::rank <= max_rank, "sinter: any_tensor holds up to 8 dims");
    for (int d = 0; d < E::rank; ++d) {
      sizes_[d] = t.sizes()[d];
      strides_[d] = t.strides()[d];
    }
  }

  /// A handle to elements of type `type` at `data` (inside `block`), with `rank` sizes and strides in elements.
  /// Throws shape_error for a rank over 8.
  SINTER_INLINE any_tensor(storage_ptr block, void* data, sinter::dtype type, int rank, const int64* sizes, const int64* strides,
             bool read_only = false)
      : block_(static_cast<storage_ptr&&>(block)), data_(data), dtype_(type), rank_(rank), read_only_(read_only) {
    if (rank < 0 || rank > max_rank) fail<shape_error>("any_tensor: rank ", rank, " is not in 0..8");
    for (int d = 0; d < rank; ++d) {
      sizes_[d] = sizes[d];
      strides_[d] = strides[d];
    }
  }

  SINTER_INLINE bool defined() const noexcept { return static_cast<bool>(block_); }
  SINTER_INLINE sinter::dtype dtype() const noexcept { return dtype_; }
  SINTER_INLINE int dim() const noexcept { return rank_; }
  /// Size of dim `d`; negative dims count from the end. Throws index_error.
  SINTER_INLINE int64 size(int d) const { return sizes_[detail::wrap_dim(d, rank_, "size")]; }
  SINTER_INLINE int64 stride(int d) const { return strides_[detail::wrap_dim(d, rank_, "stride")]; }
  /// The first `dim()` entries count.
  SINTER_INLINE const int64* sizes() const noexcept { return sizes_; }
  SINTER_INLINE const int64* strides() const noexcept { return strides_; }
  SINTER_INLINE int64 numel() const noexcept {
    int64 n = 1;
    for (int d = 0; d < rank_; ++d) n *= sizes_[d];
    return n;
  }
  SINTER_INLINE void* data() const noexcept { return data_; }
  SINTER_INLINE bool read_only() const noexcept { return read_only_; }
  /// -1: the host, otherwise the CUDA device.
  SINTER_INLINE int device() const noexcept { return block_ ? block_->device : -1; }
  SINTER_INLINE const storage_ptr& storage_handle() const noexcept { return block_; }

  /// The same elements as `tensor<T, rank<R>>`. Throws dtype_error, shape_error (another rank) or device_error where
  /// that is not what they are; a read-only one gives `const T` only (dtype_error).
  template <class T, int R, class D = cpu_t> SINTER_INLINE tensor<T, sinter::rank<R>, D> as() const {
    if (dtype_of<T> != dtype_) fail<dtype_error>("as: a tensor of ", dtype_, " is not one of ", dtype_of<T>);
    if (!std::is_const_v<T> && read_only_)
      fail<dtype_error>("as: this tensor of ", dtype_, " is read-only; ask for const elements, or clone it");
    if (R != rank_) fail<shape_error>("as: sizes ", shape_text{sizes_, rank_}, " are not of rank ", R);
    if ((device() >= 0) == std::is_same_v<D, cpu_t>)
      fail<device_error>("as: this tensor lives on ", device() >= 0 ? "a CUDA device" : "the host");
    return typed<T, R, D>();
  }

  /// Calls `f` with the elements as `tensor<const T, rank<R>>`, whatever T and R are, and returns what it returns
  /// (the same type for all). Compiles `f` for every dtype and rank: `f` should be short. Host only (device_error); complex
  /// elements are a dtype_error, unless `f` takes them: `visit(f, with_complex)`.
  template <class F> SINTER_INLINE decltype(auto) visit(F&& f) const {
    check_on_host();
    return detail::with_real_type(dtype_, [&]<class T>(T) -> decltype(auto) { return visit_rank<T>(f); });
  }
  template <class F> SINTER_INLINE decltype(auto) visit(F&& f, with_complex_t) const {
    check_on_host();
    return detail::with_type(dtype_, [&]<class T>(T) -> decltype(auto) { return visit_rank<T>(f); });
  }

 private:
  SINTER_INLINE void check_on_host() const {
    if (device() >= 0) fail<device_error>("visit: this tensor lives on a CUDA device; copy it to the host first");
  }
  template <class T, int R, class D = cpu_t> SINTER_INLINE tensor<T, sinter::rank<R>, D> typed() const {
    index_list<R> sizes, strides;
    for (int d = 0; d < R; ++d) {
      sizes[d] = sizes_[d];
      strides[d] = strides_[d];
    }
    return {block_, static_cast<T*>(data_), sizes, strides};
  }
  template <class T, class F> SINTER_INLINE decltype(auto) visit_rank(F& f) const {
    switch (rank_) {
      case 0: return f(typed<const T, 0>());
      case 1: return f(typed<const T, 1>());
      case 2: return f(typed<const T, 2>());
      case 3: return f(typed<const T, 3>());
      case 4: return f(typed<const T, 4>());
      case 5: return f(typed<const T, 5>());
      case 6: return f(typed<const T, 6>());
      case 7: return f(typed<const T, 7>());
      default: return f(typed<const T, 8>());
    }
  }

  storage_ptr block_;
  void* data_ = nullptr;
  sinter::dtype dtype_ = sinter::dtype::f32;
  int rank_ = 0;
  bool read_only_ = false;
  int64 sizes_[max_rank] = {};
  int64 strides_[max_rank] = {};
};

inline namespace SINTER_TARGET {
/// Something and what it is called: an element of a list of parameters, of a file's tensors, of its metadata.
template <class T> struct named {
  std::string name;
  T value;
  bool operator==(const named&) const = default;
};
}  // namespace SINTER_TARGET

}  // namespace sinter::inline v0
