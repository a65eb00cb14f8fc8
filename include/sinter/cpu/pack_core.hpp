// SPDX-License-Identifier: BSD-3-Clause
// pack<T, N>: N lanes of T in registers, with memory, arithmetic and comparisons. One program has one N for all its
// dtypes. Not here: masks, conversions, functions. Include pack.hpp, which has them all. Next: pack_mask.hpp.
#pragma once
#include <type_traits>
#include <utility>

#include "simd.hpp"

namespace sinter::inline v0 {

namespace detail::inline SINTER_TARGET {
template <class... T> constexpr int lanes_for() {
  int n = 0;
  auto widen = [&n](int w) { n = w > n ? w : n; };
  auto consider = [&]<class U>(U*) {
    if constexpr (!std::is_same_v<U, bool>) widen(simd::width<U>);
  };
  (consider(static_cast<T*>(nullptr)), ...);
  return n ? n : simd::width<float>;
}
/// Calls f(0) ... f(K - 1), unrolled by index: registers in arrays stay registers at every optimisation level.
template <int K, class F> SINTER_INLINE void unroll(F f) {
  if constexpr (K == 1) f(0);
  else if constexpr (K == 2) f(0), f(1);
  else if constexpr (K == 4) f(0), f(1), f(2), f(3);
  else for (int i = 0; i < K; ++i) f(i);
}
template <class F, int... I> SINTER_INLINE void each(std::integer_sequence<int, I...>, [[maybe_unused]] F f) { (f(I), ...); }
/// The same for any K.
template <int K, class F> SINTER_INLINE void each(F f) { each(std::make_integer_sequence<int, K>{}, f); }
/// Integers wrap, as vectors do; signed scalars would be undefined.
template <class T> struct wrapping { using type = T; };
template <class T> requires std::is_integral_v<T> struct wrapping<T> : std::make_unsigned<T> {};
template <> struct wrapping<bool> { using type = bool; };
template <class T> SINTER_INLINE constexpr auto wrap(T x) { return static_cast<typename wrapping<T>::type>(x); }
}  // namespace detail::inline SINTER_TARGET

inline namespace SINTER_TARGET {
/// Lanes of a program over dtypes T...: those of the narrowest type but bool. 1 without xsimd.
template <class... T> inline constexpr int lanes = detail::lanes_for<T...>();

template <class T, int N> struct pack;
}  // namespace SINTER_TARGET

namespace detail::inline SINTER_TARGET {
/// f over the registers of packs, as plain vectors (wrapping integers), or over the scalars of one-wide packs.
template <class T, int N, class F, class... P> SINTER_INLINE pack<T, N> map_lanes(F f, pack<T, N> a, P... b) {
  if constexpr (N == 1) {
    return pack<T, 1>(static_cast<T>(f(wrap(a.r), wrap(b.r)...)));
  } else {
    using U = typename wrapping<T>::type;
    pack<T, N> y;
    unroll<pack<T, N>::registers>([&](int i) { y.r[i] = simd::as_batch<T>(f(simd::as_vec<U>(a.r[i]), simd::as_vec<U>(b.r[i])...)); });
    return y;
  }
}
/// f over the batches of packs, or over the scalars of one-wide packs.
template <class T, int N, class F, class... P> SINTER_INLINE pack<T, N> map_batches(F f, pack<T, N> a, P... b) {
  if constexpr (N == 1) {
    return pack<T, 1>(static_cast<T>(f(a.r, b.r...)));
  } else {
    pack<T, N> y;
    unroll<pack<T, N>::registers>([&](int i) { y.r[i] = f(a.r[i], b.r[i]...); });
    return y;
  }
}
/// f, a comparison, over the batches or scalars of packs.
template <class T, int N, class F, class... P> SINTER_INLINE pack<bool, N> test_lanes(F f, pack<T, N> a, P... b) {
  if constexpr (N == 1) {
    return pack<bool, N>(f(a.r, b.r...));
  } else {
    simd::mask<T> m[pack<T, N>::registers];
    unroll<pack<T, N>::registers>([&](int i) { m[i] = f(a.r[i], b.r[i]...); });
    return pack<bool, N>::template from<T>(m);
  }
}
/// f(i) for every lane, through memory.
template <class T, int N, class F> SINTER_INLINE pack<T, N> make_lanes(F f) {
  T x[N];
  each<N>([&](int i) { x[i] = f(i); });
  return pack<T, N>::load(x);
}

/// The operators of numeric packs; scalars convert to packs.
template <class T, int N> struct pack_operators {
  using P = pack<T, N>;
  using M = pack<bool, N>;
  friend SINTER_INLINE P operator+(P a, P b) { return map_lanes([](auto x, auto y) { return x + y; }, a, b); }
  friend SINTER_INLINE P operator-(P a, P b) { return map_lanes([](auto x, auto y) { return x - y; }, a, b); }
  friend SINTER_INLINE P operator*(P a, P b) { return map_lanes([](auto x, auto y) { return x * y; }, a, b); }
  friend SINTER_INLINE P operator-(P a) { return map_lanes([](auto x) { return -x; }, a); }
  /// Integers truncate; by zero the lane's result is unspecified, without a trap.
  friend SINTER_INLINE P operator/(P a, P b) {
    if constexpr (std::is_floating_point_v<T>) {
      return map_lanes([](auto x, auto y) { return x / y; }, a, b);
    } else {
      T x[N], y[N];
      a.store(x);
      b.store(y);
      for (int i = 0; i < N; ++i) x[i] = y[i] == -1 ? static_cast<T>(0 - wrap(x[i])) : static_cast<T>(x[i] / (y[i] ? y[i] : 1));
      return P::load(x);
    }
  }
  friend SINTER_INLINE M operator==(P a, P b) { return test_lanes([](auto x, auto y) { return simd::equal(x, y); }, a, b); }
  friend SINTER_INLINE M operator!=(P a, P b) { return !(a == b); }  // NaN != NaN; xsimd 8.1 denies it
  friend SINTER_INLINE M operator<(P a, P b) { return test_lanes([](auto x, auto y) { return simd::less(x, y); }, a, b); }
  friend SINTER_INLINE M operator<=(P a, P b) { return test_lanes([](auto x, auto y) { return simd::less_equal(x, y); }, a, b); }
  friend SINTER_INLINE M operator>(P a, P b) { return b < a; }
  friend SINTER_INLINE M operator>=(P a, P b) { return b <= a; }
  friend SINTER_INLINE P operator&(P a, P b) requires std::is_integral_v<T> { return map_lanes([](auto x, auto y) { return x & y; }, a, b); }
  friend SINTER_INLINE P operator|(P a, P b) requires std::is_integral_v<T> { return map_lanes([](auto x, auto y) { return x | y; }, a, b); }
  friend SINTER_INLINE P operator^(P a, P b) requires std::is_integral_v<T> { return map_lanes([](auto x, auto y) { return x ^ y; }, a, b); }
  friend SINTER_INLINE P& operator+=(P& a, P b) { return a = a + b; }
  friend SINTER_INLINE P& operator-=(P& a, P b) { return a = a - b; }
  friend SINTER_INLINE P& operator*=(P& a, P b) { return a = a * b; }
};

/// What every pack can do with memory, in terms of load(p) and store(p).
template <class T, int N> struct pack_memory {
  using P = pack<T, N>;
  static SINTER_INLINE P splat(T x) { return P(x); }
  /// The first `count` elements; nothing behind them is read, further lanes are 0.
  static SINTER_INLINE P load(const T* p, int count) {
    if constexpr (N == 1 || std::is_same_v<T, bool>) {
      return gather(p, 1, count);
    } else {
      P y;
      unroll<P::registers>([&](int i) { y.r[i] = simd::load_head(p + i * simd::width<T>, count - i * simd::width<T>); });
      return y;
    }
  }
  /// Elements p[0], p[stride], p[2 * stride], ...
  static SINTER_INLINE P gather(const T* p, int64 stride) {
    if constexpr (N > 1 && !std::is_same_v<T, bool>)
      if (stride == 2) {
        P y;
        unroll<P::registers>([&](int i) { y.r[i] = simd::load_even(p + 2 * i * simd::width<T>); });
        return y;
      }
    return make_lanes<T, N>([=](int i) { return p[i * stride]; });
  }
  static SINTER_INLINE P gather(const T* p, int64 stride, int count) {
    T x[N] = {};
    for (int i = 0; i < count; ++i) x[i] = p[i * stride];
    return P::load(x);
  }
  /// start, start + 1, ...
  static SINTER_INLINE P iota(T start) requires(!std::is_same_v<T, bool>) {
    return make_lanes<T, N>([](int i) { return static_cast<T>(i); }) + P(start);
  }

  SINTER_INLINE void store(T* p, int count) const {
    if constexpr (N == 1 || std::is_same_v<T, bool>) {
      scatter(p, 1, count);
    } else {
      unroll<P::registers>([&](int i) {
        constexpr int W = simd::width<T>;
        if (i == 0 || count > i * W) simd::store_head(self().r[i], p + i * W, count - i * W);
      });
    }
  }
  SINTER_INLINE void scatter(T* p, int64 stride, int count = N) const {
    if constexpr (N > 1 && !std::is_same_v<T, bool>)
      if (stride == 2 && count == N) return unroll<P::registers>([&](int i) { simd::store_even(self().r[i], p + 2 * i * simd::width<T>); });
    T x[N];
    self().store(x);
    for (int i = 0; i < count; ++i) p[i * stride] = x[i];
  }
  SINTER_INLINE T lane(int i) const {
    T x[N];
    self().store(x);
    return x[i];
  }

 private:
  SINTER_INLINE const P& self() const { return static_cast<const P&>(*this); }
};
}  // namespace detail::inline SINTER_TARGET

inline namespace SINTER_TARGET {

/// N lanes of T, in registers of this target.
template <class T, int N> struct pack : detail::pack_memory<T, N>, detail::pack_operators<T, N> {
  static_assert(N % simd::width<T> == 0, "pack<T, N>: N must be a multiple of the register width; take N from lanes<T...>");
  static constexpr int registers = N / simd::width<T>;
  simd::batch<T> r[registers];

  pack() = default;
  SINTER_INLINE pack(T x) {
    detail::unroll<registers>([&](int i) { r[i] = simd::batch<T>(x); });
  }
  using detail::pack_memory<T, N>::load;
  using detail::pack_memory<T, N>::store;
  static SINTER_INLINE pack load(const T* p) {
    pack y;
    detail::unroll<registers>([&](int i) { y.r[i] = simd::batch<T>::load_unaligned(p + i * simd::width<T>); });
    return y;
  }
  SINTER_INLINE void store(T* p) const {
    detail::unroll<registers>([&](int i) { r[i].store_unaligned(p + i * simd::width<T>); });
  }
};

/// One lane: a scalar.
template <class T> struct pack<T, 1> : detail::pack_memory<T, 1>, detail::pack_operators<T, 1> {
  T r;

  pack() = default;
  SINTER_INLINE pack(T x) : r(x) {}
  using detail::pack_memory<T, 1>::load;
  using detail::pack_memory<T, 1>::store;
  static SINTER_INLINE pack load(const T* p) { return pack(*p); }
  SINTER_INLINE void store(T* p) const { *p = r; }
};

}  // namespace SINTER_TARGET
}  // namespace sinter::inline v0
