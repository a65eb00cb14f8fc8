// SPDX-License-Identifier: BSD-3-Clause
// New tensors: empty, zeros, ones, full, arange, linspace, eye, from values, around existing memory.
// Not here: random numbers (random.hpp), copies (copy.hpp). Next: copy.hpp.
#pragma once
#include <cmath>
#include <cstring>

#include "tensor.hpp"

namespace sinter::inline v0 {

namespace detail::inline SINTER_TARGET {

template <class S> struct shape_traits;
template <int R> struct shape_traits<index_list<R>> {
  using type = rank<R>;
  static constexpr const index_list<R>& sizes(const index_list<R>& s) { return s; }
};
template <class E> struct shape_traits<shape_tag<E>> {
  static_assert(E::all_static, "sinter: st::shape<...> of a new tensor needs a number for every dim");
  using type = E;
  static constexpr index_list<E::rank> sizes(shape_tag<E>) { return static_sizes<E>(); }
};

template <class S>
concept shape_like = requires { typename shape_traits<S>::type; };
// {} is a shape, too: of rank 0.
using no_dims = index_list<0>;
template <std::size_t R> constexpr index_list<static_cast<int>(R)> sizes_of(const size_arg (&sizes)[R]) {
  return index_list<static_cast<int>(R)>(sizes);
}

// Product of the sizes; throws where a size is negative or the bytes do not fit an int64.
template <class Arch, int R> int64 checked_numel(const index_list<R>& sizes, int64 element_size) {
  for (int64 size : sizes)
    if (size < 0) [[unlikely]]
      fail<shape_error, Arch>("negative size in ", shape_text{sizes.data(), R});
  if (!countable(sizes, std::numeric_limits<int64>::max() / element_size)) [[unlikely]]
    fail<memory_error, Arch>("sizes ", shape_text{sizes.data(), R}, " need more bytes than an address has");
  int64 n = 1;
  for (int64 size : sizes) n *= size;
  return n;
}

#pragma GCC visibility push(hidden)

// Uninitialised; `strides` must be dense.
template <class T, class E, class Arch = native>
tensor<T, E> new_tensor(const index_list<E::rank>& sizes, const index_list<E::rank>& strides) {
  const int64 bytes = checked_numel<Arch>(sizes, sizeof(T)) * static_cast<int64>(sizeof(T));
  storage_ptr block = allocate_cpu<Arch>(bytes);
  T* data = static_cast<T*>(block->data);
  return {static_cast<storage_ptr&&>(block), data, sizes, strides};
}
template <class T, class E, class Arch = native> tensor<T, E> new_tensor(const index_list<E::rank>& sizes) {
  checked_numel<Arch>(sizes, sizeof(T));
  return new_tensor<T, E, Arch>(sizes, row_major(sizes));
}

// data[i] = f(i)
template <class Arch, class T, class F> SINTER_KERNEL void generate(T* data, int64 n, F f) {
  for (int64 i = 0; i < n; ++i) data[i] = f(i);
}
template <class Arch, class T, class E> tensor<T, E> filled(tensor<T, E> t, T value) {
  generate<Arch>(t.data(), t.numel(), [value](int64) { return value; });
  return t;
}
template <class Arch, class T, class E> tensor<T, E> zeroed(tensor<T, E> t) {
  if (t.numel() > 0) std::memset(static_cast<void*>(t.data()), 0, static_cast<std::size_t>(t.numel()) * sizeof(T));
  return t;
}

// Same sizes; same strides where they are dense, so that a column-major tensor stays one.
template <class Arch, class T, class E, class D> auto new_like(const tensor<T, E, D>& t) {
  static_assert(std::is_same_v<D, cpu_t>);
  return new_tensor<std::remove_const_t<T>, E, Arch>(t.sizes(), t.is_dense() ? t.strides() : row_major(t.sizes()));
}

#pragma GCC visibility pop
}  // namespace detail::inline SINTER_TARGET

#pragma GCC visibility push(hidden)

// Every function with sizes takes a braced list of any integers, `{}` (rank 0), an index_list, or `st::shape<...>`.

/// Uninitialised elements, row-major. Throws shape_error (negative size), memory_error.
template <class T = float, detail::shape_like S = detail::no_dims, class Arch = native> auto empty(const S& sizes) {
  return detail::new_tensor<T, typename detail::shape_traits<S>::type, Arch>(detail::shape_traits<S>::sizes(sizes));
}
template <class T = float, std::size_t R, class Arch = native> auto empty(const detail::size_arg (&sizes)[R]) {
  return empty<T, index_list<static_cast<int>(R)>, Arch>(detail::sizes_of(sizes));
}

/// All elements 0 (false).
template <class T = float, detail::shape_like S = detail::no_dims, class Arch = native> auto zeros(const S& sizes) {
  return detail::zeroed<Arch>(empty<T>(sizes));
}
template <class T = float, std::size_t R, class Arch = native> auto zeros(const detail::size_arg (&sizes)[R]) {
  return detail::zeroed<Arch>(empty<T>(sizes));
}

/// All elements `value`, converted to T.
template <class T, detail::shape_like S = detail::no_dims, class V, class Arch = native>
auto full(const S& sizes, V value) {
  return detail::filled<Arch>(empty<T>(sizes), static_cast<T>(value));
}
template <class T, std::size_t R, class V, class Arch = native>
auto full(const detail::size_arg (&sizes)[R], V value) {
  return detail::filled<Arch>(empty<T>(sizes), static_cast<T>(value));
}

/// All elements 1 (true).
template <class T = float, detail::shape_like S = detail::no_dims, class Arch = native> auto ones(const S& sizes) {
  return full<T>(sizes, 1);
}
template <class T = float, std::size_t R, class Arch = native> auto ones(const detail::size_arg (&sizes)[R]) {
  return full<T>(detail::sizes_of(sizes), 1);
}

namespace detail::inline SINTER_TARGET {
template <class T> tensor<T, rank<1>> explain_sizes() {
  static_assert(never<T>, "sinter: sizes are a list, `st::zeros<float>({2, 3})`, or a type, `st::zeros<float>(st::shape<2, 3>)`");
  return {};
}
}  // namespace detail::inline SINTER_TARGET
// Only to say what is meant instead.
template <class T = float, detail::integer... I> requires(sizeof...(I) > 0) auto empty(I...) { return detail::explain_sizes<T>(); }
template <class T = float, detail::integer... I> requires(sizeof...(I) > 0) auto zeros(I...) { return detail::explain_sizes<T>(); }
template <class T = float, detail::integer... I> requires(sizeof...(I) > 0) auto ones(I...) { return detail::explain_sizes<T>(); }

/// New tensors with the sizes and dtype of `t`, and its strides where these are dense.
template <class T, class E, class D, class Arch = native> auto empty_like(const tensor<T, E, D>& t) {
  return detail::new_like<Arch>(t);
}
template <class T, class E, class D, class Arch = native> auto zeros_like(const tensor<T, E, D>& t) {
  return detail::zeroed<Arch>(detail::new_like<Arch>(t));
}
template <class T, class E, class D, class V, class Arch = native> auto full_like(const tensor<T, E, D>& t, V value) {
  return detail::filled<Arch>(detail::new_like<Arch>(t), static_cast<std::remove_const_t<T>>(value));
}
template <class T, class E, class D, class Arch = native> auto ones_like(const tensor<T, E, D>& t) {
  return full_like(t, 1);
}

namespace detail::inline SINTER_TARGET {
// Bounds of ranges: double for floating types, so that a step of 0.1 keeps its digits; else int64.
template <class T> using range_arg = std::conditional_t<is_floating_element<T>, double, int64>;
template <class Arch> int64 range_size(double start, double end, double step) {
  const double n = std::ceil((end - start) / step);
  if (!(step != 0 && n >= 0 && n < 9e18))
    fail<shape_error, Arch>("arange: no range from ", start, " to ", end, " in steps of ", step);
  return static_cast<int64>(n);
}
template <class Arch> int64 range_size(int64 start, int64 end, int64 step) {
  if (step == 0 || (step > 0 ? start > end : start < end))
    fail<shape_error, Arch>("arange: no range from ", start, " to ", end, " in steps of ", step);
  const auto a = static_cast<uint64>(start), b = static_cast<uint64>(end), s = static_cast<uint64>(step);
  const uint64 span = step > 0 ? b - a : a - b, stride = step > 0 ? s : 0 - s;
  const uint64 n = span / stride + (span % stride != 0);
  if (n > static_cast<uint64>(std::numeric_limits<int64>::max())) fail<memory_error, Arch>("arange: ", n, " elements");
  return static_cast<int64>(n);
}
}  // namespace detail::inline SINTER_TARGET

/// start, start + step, ... up to but without `end`. Throws shape_error where the step does not lead to the end.
template <class T, class Arch = native>
tensor<T, rank<1>> arange(detail::range_arg<T> start, detail::range_arg<T> end, detail::range_arg<T> step = 1) {
  const int64 n = detail::range_size<Arch>(start, end, step);
  auto t = empty<T>({n});
  using R = detail::range_arg<T>;
  detail::generate<Arch>(t.data(), n, [=](int64 i) { return static_cast<T>(start + step * static_cast<R>(i)); });
  return t;
}
/// 0, 1, ..., up to but without `end`.
template <class T, class Arch = native> tensor<T, rank<1>> arange(detail::range_arg<T> end) {
  return arange<T, Arch>(0, end, 1);
}

/// `steps` values from `start` to `end`, both included, evenly spaced. Throws shape_error for negative `steps`.
template <class T = float, class Arch = native> tensor<T, rank<1>> linspace(double start, double end, int64 steps) {
  auto t = empty<T>({steps});
  const double step = steps > 1 ? (end - start) / static_cast<double>(steps - 1) : 0;
  detail::generate<Arch>(t.data(), steps, [=](int64 i) {  // from both ends, so that both are met exactly
    return static_cast<T>(i < (steps + 1) / 2 ? start + step * static_cast<double>(i)
                                              : end - step * static_cast<double>(steps - 1 - i));
  });
  return t;
}

/// base^start ... base^end, `steps` values with evenly spaced exponents. Throws shape_error for negative `steps`.
template <class T = float, class Arch = native> tensor<T, rank<1>> logspace(double start, double end, int64 steps, double base = 10) {
  const auto exponents = linspace<double>(start, end, steps);
  auto t = empty<T>({steps});
  for (int64 i = 0; i < steps; ++i) t.data()[i] = static_cast<T>(std::pow(base, exponents.data()[i]));
  return t;
}

/// `n` x `m` zeros with ones on the diagonal; `m` defaults to `n`.
template <class T = float, class Arch = native> tensor<T, rank<2>> eye(int64 n, int64 m) {
  auto t = zeros<T>({n, m});
  for (int64 i = 0; i < n && i < m; ++i) t.data()[i * (m + 1)] = T(1);
  return t;
}
template <class T = float, class Arch = native> tensor<T, rank<2>> eye(int64 n) { return eye<T>(n, n); }

/// A tensor from values, up to four braces deep: `array<float>({{1, 2}, {3, 4}})` has sizes [2, 2].
template <class T, std::size_t N, class Arch = native> tensor<T, rank<1>> array(const T (&v)[N]) {
  auto t = empty<T>({N});
  std::memcpy(t.data(), v, sizeof(v));
  return t;
}
template <class T, std::size_t N, std::size_t M, class Arch = native>
tensor<T, rank<2>> array(const T (&v)[N][M]) {
  auto t = empty<T>({N, M});
  std::memcpy(t.data(), v, sizeof(v));
  return t;
}
template <class T, std::size_t N, std::size_t M, std::size_t K, class Arch = native>
tensor<T, rank<3>> array(const T (&v)[N][M][K]) {
  auto t = empty<T>({N, M, K});
  std::memcpy(t.data(), v, sizeof(v));
  return t;
}
template <class T, std::size_t N, std::size_t M, std::size_t K, std::size_t L, class Arch = native>
tensor<T, rank<4>> array(const T (&v)[N][M][K][L]) {
  auto t = empty<T>({N, M, K, L});
  std::memcpy(t.data(), v, sizeof(v));
  return t;
}

namespace detail::inline SINTER_TARGET {
struct keep_memory {
  void operator()(void*) const {}
};
/// The element type for memory of T: std::complex<float> is complex64.
template <class T> struct element_for_ { using type = T; };
template <class T> requires(foreign_complex<T> && !element<T>) struct element_for_<T> { using type = complex_number<typename T::value_type>; };
template <class T> struct element_for_<const T> { using type = const typename element_for_<T>::type; };
template <class T> using element_for = typename element_for_<T>::type;

template <class V, int R, class F>
tensor<element_for<V>, rank<R>> around(V* memory, const index_list<R>& sizes, const index_list<R>& strides, F drop) {
  using T = element_for<V>;
  static_assert(sizeof(T) == sizeof(V) && alignof(T) <= alignof(V), "sinter: elements of another layout");
  T* p = reinterpret_cast<T*>(memory);
  const int64 n = checked_numel<native>(sizes, sizeof(T));
  int64 low = 0, high = n ? 1 : 0;  // the elements lie in p[low, high)
  for (int d = 0; n && d < R; ++d) (strides[d] < 0 ? low : high) += (sizes[d] - 1) * strides[d];
  auto* first = const_cast<std::remove_const_t<T>*>(p + low);
  return {borrow_cpu(first, (high - low) * static_cast<int64>(sizeof(T)), drop), p, sizes, strides};
}
}  // namespace detail::inline SINTER_TARGET

/// A tensor around memory that belongs to someone else, row-major or with `strides` in elements; read-only for a
/// `const T*`. `drop(void*)` is called with the lowest address when the last handle goes (never where this throws).
template <class T, int R, class F = detail::keep_memory>
auto from_blob(T* p, const index_list<R>& sizes, const index_list<R>& strides, F drop = {}) {
  return detail::around(p, sizes, strides, drop);
}
template <class T, std::size_t R, class F = detail::keep_memory>
auto from_blob(T* p, const detail::size_arg (&sizes)[R], const detail::size_arg (&strides)[R], F drop = {}) {
  return detail::around(p, detail::sizes_of(sizes), detail::sizes_of(strides), drop);
}
template <class T, std::size_t R> auto from_blob(T* p, const detail::size_arg (&sizes)[R]) {
  return detail::around(p, detail::sizes_of(sizes), detail::row_major(detail::sizes_of(sizes)),
                        detail::keep_memory{});
}
template <class T, std::size_t R, class F> requires std::is_invocable_v<F&, void*>
auto from_blob(T* p, const detail::size_arg (&sizes)[R], F drop) {
  return detail::around(p, detail::sizes_of(sizes), detail::row_major(detail::sizes_of(sizes)), drop);
}

/// Only to say what is meant instead.
template <class C, std::size_t R> requires requires(C& c) { c.data(); c.size(); } auto from_blob(C&& c, const detail::size_arg (&)[R], auto&&...) {
  static_assert(detail::never<C>, "sinter: from_blob takes the address of the memory: `st::from_blob(v.data(), {v.size()})`");
  return tensor<std::remove_cvref_t<decltype(*c.data())>, rank<static_cast<int>(R)>>();
}

#pragma GCC visibility pop
}  // namespace sinter::inline v0
