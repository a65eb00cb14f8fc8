// SPDX-License-Identifier: BSD-3-Clause
// tensor: a handle to elements in memory. Copying shares the elements, clone() copies them.
// Not here: slices and reshapes (view.hpp), new tensors (creation.hpp), arithmetic. Next: view.hpp.
#pragma once
#include <initializer_list>

#include "../op/lane.hpp"
#include "extents.hpp"
#include "storage.hpp"

namespace sinter::inline v0 {

struct cpu_t {};
struct cuda_t {};
inline constexpr cpu_t cpu{};
inline constexpr cuda_t cuda{};

namespace detail {
/// In the place of extents: a tensor that was written without a rank, and one made from plain numbers.
struct rank_is_missing : extents<> {};
struct numbers_are_no_tensor : extents<> {};
}  // namespace detail

template <class T, class E = detail::rank_is_missing, class D = cpu_t> class tensor;

template <class Arch = native, class T, class E, class D, class... A>
auto subview(const tensor<T, E, D>& t, A... args);  // view.hpp
inline namespace SINTER_TARGET {
template <class X, class... A> auto select_elements(const X& x, const A&... index);  // index.hpp
}

namespace detail::inline SINTER_TARGET {

template <class T> inline constexpr bool is_element = element<T>;  // a failed concept would be explained at length

template <class T> inline constexpr bool is_tensor = false;
template <class T, class E, class D> inline constexpr bool is_tensor<tensor<T, E, D>> = true;

// A dim as the user gave it (negative ones count from the end) to 0..rank-1.
template <class Arch = native> constexpr int wrap_dim(int64 dim, int rank, const char* who) {
  if (dim < -rank || dim >= rank) [[unlikely]]
    fail<index_error, Arch>(who, ": dim ", dim, " is out of range for a tensor of rank ", rank);
  return static_cast<int>(dim < 0 ? dim + rank : dim);
}
// The same for an index into an extent.
template <class Arch = native> constexpr int64 wrap_index(int64 i, int64 size, int dim) {
  if (i < -size || i >= size) [[unlikely]]
    fail<index_error, Arch>("index ", i, " is out of range for dim ", dim, " of size ", size);
  return i < 0 ? i + size : i;
}

template <int R> constexpr int64 numel_of(const index_list<R>& sizes) {
  int64 n = 1;
  for (int d = 0; d < R; ++d) n *= sizes[d];
  return n;
}

template <class E> void check_extents(const index_list<E::rank>& sizes) {
  for (int d = 0; d < E::rank; ++d)
    if ((E::at(d) >= 0 && sizes[d] != E::at(d)) || (E::at(d) < dyn && sizes[d] > -1 - E::at(d)))
      fail<shape_error>("sizes ", shape_text{sizes.data(), E::rank}, " do not fit the static extent ",
                        E::at(d) >= 0 ? E::at(d) : -1 - E::at(d), " of dim ", d);
}

// Row-major without holes?
template <int R> constexpr bool is_contiguous(const index_list<R>& sizes, const index_list<R>& strides) {
  int64 step = 1;
  bool same = true;
  for (int d = R - 1; d >= 0; --d) {
    if (sizes[d] == 0) return true;
    if (sizes[d] != 1) same = same && strides[d] == step;
    step *= sizes[d];
  }
  return same;
}
// Do the elements fill a block without holes and without overlap, in some order of the dims?
template <int R> constexpr bool is_dense(const index_list<R>& sizes, const index_list<R>& strides) {
  bool seen[R > 0 ? R : 1] = {};
  for (int d = 0; d < R; ++d) {
    if (sizes[d] == 0) return true;
    if (sizes[d] == 1) seen[d] = true;
  }
  int64 next = 1;
  for (bool found = true; found;) {
    found = false;
    for (int d = 0; d < R; ++d)
      if (!seen[d] && strides[d] == next) {
        seen[d] = found = true;
        next *= sizes[d];
        break;
      }
  }
  for (int d = 0; d < R; ++d)
    if (!seen[d]) return false;
  return true;
}

template <class T> inline constexpr bool is_node = false;
/// An expression that is not a handle: something to evaluate.
template <class X>
concept formula = is_node<std::remove_cvref_t<X>>;
/// What may be written into a tensor.
template <class X>
concept assignable = expression<X> || number<X>;

}  // namespace detail::inline SINTER_TARGET

template <class T>
concept tensor_like = detail::is_tensor<std::remove_cvref_t<T>>;

/// `E::rank`-dimensional array of `V` on device `D`. `tensor<const V, ...>` is read-only.
/// A default-constructed tensor is undefined: no storage, sizes 0.
template <class V, class E, class D> class tensor {
  static_assert(!std::is_same_v<E, detail::rank_is_missing>, "sinter: a tensor's type says its rank: st::tensor<float, st::rank<2>>");
  static_assert(!std::is_same_v<E, detail::numbers_are_no_tensor>,
                "sinter: numbers become a tensor by st::array<float>({1, 2, 3}), or st::full<float>({2, 3}, 1)");
  static_assert(detail::is_element<V>, "sinter: a tensor's elements are bool, int8..int64, uint8, float or double");

 public:
  using element_type = V;
  using value_type = std::remove_const_t<V>;
  using extents_type = E;
  using device_type = D;
  using expression_tag = void;
  using handle_type = tensor;
  static constexpr int rank = E::rank;
  using index_type = index_list<rank>;

  constexpr tensor() = default;

  /// Evaluates an expression: one program, fused as `plan` tells. Throws shape_error, stale_expression, memory_error.
  template <detail::formula X, class Arch = native> tensor(const X& x);

  SINTER_INLINE tensor(const tensor&) = default;
  SINTER_INLINE tensor(tensor&&) = default;
  SINTER_INLINE ~tensor() = default;
  /// `y = x` makes y another handle of x's elements.
  SINTER_INLINE tensor& operator=(const tensor&) & = default;
  SINTER_INLINE tensor& operator=(tensor&&) & = default;
  /// `y = e` evaluates e and rebinds y; it reuses y's memory if nobody else holds it and e reads y only where it writes,
  /// so `w = w - lr * g` allocates nothing.
  template <detail::formula X, class Arch = native> tensor& operator=(X&& x) &;
  /// `y(0) = e`, `y(slice(0, 2)) = e`: assignment to a view writes through.
  template <class X, class Arch = native> requires detail::assignable<X> void operator=(X&& x) &&;
  /// Writes e (an expression, tensor or number that broadcasts to this shape) into the elements; all handles see it.
  /// Reading and writing may overlap: the result is as if e were evaluated first. Bumps the version.
  template <class X, class Arch = native> requires detail::assignable<X> const tensor& copy_(X&& x) const;

  /// A handle to elements at `data` (inside `block`), `strides` in elements, any sign.
  SINTER_INLINE tensor(storage_ptr block, V* data, const index_type& sizes, const index_type& strides) noexcept
      : block_(static_cast<storage_ptr&&>(block)), data_(data), sizes_(sizes), strides_(strides) {}

  /// Shares `o`'s elements: read-only from writable, dynamic extents from static ones. Static extents from
  /// dynamic ones need an explicit conversion, which throws shape_error when the sizes differ.
  template <class T2, class E2>
    requires(std::is_same_v<value_type, std::remove_const_t<T2>> && (std::is_const_v<V> || !std::is_const_v<T2>) &&
             !std::is_same_v<tensor, tensor<T2, E2, D>> && detail::extents_fit<E, E2>() > 0)
  SINTER_INLINE explicit(detail::extents_fit<E, E2>() < 2) tensor(const tensor<T2, E2, D>& o)
      : block_(o.storage_handle()), data_(o.data()), sizes_(o.sizes()), strides_(o.strides()) {
    if constexpr (detail::extents_fit<E, E2>() < 2) detail::check_extents<E>(sizes_);
  }

  SINTER_INLINE const tensor& handle() const& { return *this; }
  SINTER_INLINE tensor&& handle() && { return static_cast<tensor&&>(*this); }

  /// Is there storage behind this handle?
  SINTER_INLINE bool defined() const noexcept { return static_cast<bool>(block_); }
  static constexpr int dim() { return rank; }
  static constexpr sinter::dtype dtype() { return dtype_of<V>; }

  /// Size of dim `d`; negative dims count from the end. Throws index_error.
  SINTER_INLINE int64 size(int d) const { return sizes_[detail::wrap_dim(d, rank, "size")]; }
  SINTER_INLINE const index_type& sizes() const noexcept { return sizes_; }
  /// Distance, in elements, to the next index of dim `d`. Throws index_error.
  SINTER_INLINE int64 stride(int d) const { return strides_[detail::wrap_dim(d, rank, "stride")]; }
  SINTER_INLINE const index_type& strides() const noexcept { return strides_; }
  SINTER_INLINE int64 numel() const noexcept { return detail::numel_of(sizes_); }

  /// Address of the first element. Raw access: writing through it does not bump the version.
  SINTER_INLINE V* data() const noexcept { return data_; }

  /// The only element, as a value. Throws shape_error unless numel() == 1.
  template <class Arch = native> value_type item() const requires std::is_same_v<D, cpu_t> {
    if (numel() != 1 || !defined())
      fail<shape_error, Arch>("item: needs a tensor of one element, got sizes ", shape_text{sizes_.data(), rank});
    return *data_;
  }

  /// Row-major without holes?
  SINTER_INLINE bool is_contiguous() const noexcept { return detail::is_contiguous(sizes_, strides_); }
  /// Without holes and overlap in some order of the dims (row-major, column-major, permuted)?
  SINTER_INLINE bool is_dense() const noexcept { return detail::is_dense(sizes_, strides_); }
  /// Does this handle cover a storage that the library owns, all of it and densely?
  SINTER_INLINE bool owns_all() const noexcept {
    return block_ && block_->owned && static_cast<const void*>(data_) == block_->data &&
           numel() * static_cast<int64>(sizeof(V)) == block_->bytes && is_dense();
  }

  SINTER_INLINE const storage_ptr& storage_handle() const noexcept { return block_; }
  /// How many handles share the storage; 0 when undefined.
  SINTER_INLINE int64 use_count() const noexcept { return block_.use_count(); }
  /// How often the storage was written in place, through any handle.
  SINTER_INLINE uint64 version() const noexcept { return block_ ? block_->version.load(std::memory_order_acquire) : 0; }
  /// Not a locked instruction, which would cost more than a small statement: threads that write the same elements at the same
  /// moment may count as one.
  SINTER_INLINE void bump_version() const noexcept {
    if (block_) block_->version.store(block_->version.load(std::memory_order_relaxed) + 1, std::memory_order_release);
  }

  /// `t(i, j)`: with one integer per dim the element itself, `V&`; negative indices count from the end. With fewer,
  /// or with `slice`, `full_extent`, `newaxis` among them, a view (see `subview`). Throws index_error; for elements only
  /// where SINTER_CHECKS is on. Writing an element is raw access and does not bump the version.
  /// `t(mask)` and `t(index, ...)`, with tensors of bool or integers for the leading dims, are selections (index.hpp):
  /// elements of their own, and assigning to them writes into t.
  template <class Arch = native, class... A> decltype(auto) operator()(A... a) const {
    if constexpr (sizeof...(A) > 0 && ((tensor_like<A> || detail::formula<A>) && ... && true)) {
      return select_elements(*this, a...);
    } else if constexpr (sizeof...(A) == rank && (detail::integer<A> && ... && true)) {
      static_assert(std::is_same_v<D, cpu_t>, "sinter: elements of a device tensor are read through .to(st::cpu)");
      return element_at<Arch>(index_type(a...));
    } else {
      return subview<Arch>(*this, a...);
    }
  }

  /// Only to say what is meant instead.
  template <class I> V& operator[](I) const {
    static_assert(detail::never<I>, "sinter: indices stand in parentheses, all of them in one pair: x(i, j), x(i) for a row, x(st::slice(), j)");
    return *data_;
  }
  template <class Arch = native> void backward(auto&&...) const {
    static_assert(detail::never<Arch>, "sinter: backward() of a tensor: only variables record, `st::variable w = ...; st::variable loss = ...; loss.backward();`");
  }
  tensor(std::initializer_list<value_type>) requires std::is_same_v<E, detail::numbers_are_no_tensor> {}
  tensor(value_type) requires std::is_same_v<E, detail::numbers_are_no_tensor> {}

  /// The transposed view of a matrix.
  SINTER_INLINE auto T() const requires(rank == 2) {
    return tensor<V, extents<E::at(1), E::at(0)>, D>(block_, data_, {sizes_[1], sizes_[0]},
                                                                {strides_[1], strides_[0]});
  }

 private:
  template <class Arch> V& element_at(const index_type& at) const {
    int64 offset = 0;
    for (int d = 0; d < rank; ++d) {
#if SINTER_CHECKS
      int64 i = detail::wrap_index<Arch>(at[d], sizes_[d], d);
#else
      int64 i = at[d] < 0 ? at[d] + sizes_[d] : at[d];
#endif
      offset += i * strides_[d];
    }
    return data_[offset];
  }

  storage_ptr block_;
  V* data_ = nullptr;
  index_type sizes_{};
  index_type strides_{};
};

template <number X> tensor(X) -> tensor<X, detail::numbers_are_no_tensor>;
template <number X> tensor(std::initializer_list<X>) -> tensor<X, detail::numbers_are_no_tensor>;

/// Only to say what is missing: print.hpp has the real one for tensors on the host.
template <class Stream, expression X> requires requires(Stream& s) { s.rdbuf(); s.flush(); }
Stream& operator<<(Stream& to, const X&) {
  if constexpr (tensor_like<X>) static_assert(detail::never<X>, "sinter: printing tensors takes #include <sinter/tensor/print.hpp>; on a device, .to(st::cpu) first");
  else if constexpr (detail::is_node<X>) static_assert(detail::never<X>, "sinter: an expression has no value to print yet: `st::tensor y = ...; std::cout << y;`");
  else static_assert(detail::never<X>, "sinter: print a variable's value: `std::cout << w.detach();`");
  return to;
}

}  // namespace sinter::inline v0
