// SPDX-License-Identifier: BSD-3-Clause
// pack<bool, N>: a mask that stays in registers, as wide as float's or, where N is too small for that, double's;
// select, and what compares bits. Not here: comparisons (pack_core.hpp). Next: pack_convert.hpp.
#pragma once
#include "pack_core.hpp"

namespace sinter::inline v0 {

#if SINTER_HAS_XSIMD
/// N truth values. In memory a bool is one byte.
template <int N> struct pack<bool, N> : detail::pack_memory<bool, N> {
  using element = std::conditional_t<N % simd::width<float> == 0, float, double>;
  static constexpr int width = simd::width<element>;
  static constexpr int registers = N / width;
  using mask = simd::mask<element>;
  using integer = simd::integer<element>;
  mask r[registers];

  pack() = default;
  SINTER_INLINE pack(bool x) {
    detail::unroll<registers>([&](int i) { r[i] = mask(x); });
  }
  using detail::pack_memory<bool, N>::load;
  using detail::pack_memory<bool, N>::store;
  static SINTER_INLINE pack load(const bool* p) {
    pack y;
    detail::unroll<registers>([&](int i) { y.r[i] = simd::load_mask<element>(p + i * width); });
    return y;
  }
  SINTER_INLINE void store(bool* p) const {
    detail::unroll<registers>([&](int i) { simd::store_mask(r[i], p + i * width); });
  }

  /// From the masks of a pack<T, N>.
  template <class T> static SINTER_INLINE pack from(const simd::mask<T>* m) {
    pack y;
    detail::unroll<registers>([&](int i) {
      if constexpr (sizeof(T) == sizeof(element)) y.r[i] = simd::as_mask<element>(m[i]);
      else y.r[i] = simd::join_masks(simd::as_mask<double>(m[2 * i]), simd::as_mask<double>(m[2 * i + 1]));
    });
    return y;
  }
  /// The mask of register i of a pack<T, N>.
  template <class T> SINTER_INLINE simd::mask<T> of(int i) const {
    if constexpr (sizeof(T) == sizeof(element)) return simd::as_mask<T>(r[i]);
    else return simd::as_mask<T>(i % 2 ? simd::half_mask<1>(r[i / 2]) : simd::half_mask<0>(r[i / 2]));
  }

  friend SINTER_INLINE pack operator&(pack a, pack b) { return bitwise([](auto x, auto y) { return x & y; }, a, b); }
  friend SINTER_INLINE pack operator|(pack a, pack b) { return bitwise([](auto x, auto y) { return x | y; }, a, b); }
  friend SINTER_INLINE pack operator^(pack a, pack b) { return bitwise([](auto x, auto y) { return x ^ y; }, a, b); }
  friend SINTER_INLINE pack operator==(pack a, pack b) { return !(a ^ b); }
  friend SINTER_INLINE pack operator!=(pack a, pack b) { return a ^ b; }
  friend SINTER_INLINE pack operator!(pack a) { return a ^ pack(true); }

 private:
  template <class F> static SINTER_INLINE pack bitwise(F f, pack a, pack b) {
    using bits = typename mask::register_type;
    detail::unroll<registers>([&](int i) {
      if constexpr (simd::bit_masks) a.r[i] = mask(static_cast<bits>(f(a.r[i].data, b.r[i].data)));
      else a.r[i] = mask((bits)f(simd::as_vec<integer>(a.r[i]), simd::as_vec<integer>(b.r[i])));
    });
    return a;
  }
};
#endif

template <> struct pack<bool, 1> : detail::pack_memory<bool, 1> {
  bool r;

  pack() = default;
  SINTER_INLINE pack(bool x) : r(x) {}
  using detail::pack_memory<bool, 1>::load;
  using detail::pack_memory<bool, 1>::store;
  static SINTER_INLINE pack load(const bool* p) { return pack(*p); }
  SINTER_INLINE void store(bool* p) const { *p = r; }
  friend SINTER_INLINE pack operator&(pack a, pack b) { return pack(a.r && b.r); }
  friend SINTER_INLINE pack operator|(pack a, pack b) { return pack(a.r || b.r); }
  friend SINTER_INLINE pack operator^(pack a, pack b) { return pack(a.r != b.r); }
  friend SINTER_INLINE pack operator==(pack a, pack b) { return pack(a.r == b.r); }
  friend SINTER_INLINE pack operator!=(pack a, pack b) { return pack(a.r != b.r); }
  friend SINTER_INLINE pack operator!(pack a) { return pack(!a.r); }
};

/// The first `count` lanes true.
template <int N> SINTER_INLINE pack<bool, N> head_mask(int count) {
  if constexpr (N == 1) {
    return pack<bool, 1>(count > 0);
  } else {
    using I = simd::integer<typename pack<bool, N>::element>;
    return pack<I, N>::iota(0) < pack<I, N>(static_cast<I>(count));
  }
}

/// a where c, else b; both are bits, NaN included.
template <class T, int N> SINTER_INLINE pack<T, N> select(pack<bool, N> c, pack<T, N> a, std::type_identity_t<pack<T, N>> b) {
  if constexpr (std::is_same_v<T, bool>) {
    return (c & a) | (b & !c);
  } else if constexpr (N == 1) {
    return c.r ? a : b;
  } else {
    detail::unroll<pack<T, N>::registers>([&](int i) { a.r[i] = simd::select(c.template of<T>(i), a.r[i], b.r[i]); });
    return a;
  }
}

}  // namespace sinter::inline v0
