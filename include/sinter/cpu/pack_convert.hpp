// SPDX-License-Identifier: BSD-3-Clause
// convert<U>(pack): between all lane types at one lane count, and the bits of floats as integers.
// By the compiler's own vector conversions: xsimd 8.1's are up to 5 times slower. Next: pack_math.hpp.
#pragma once
#include "pack_mask.hpp"

namespace sinter::inline v0 {

/// The bits of a float pack as integers of its width, and back.
template <class U, class T, int N> requires(sizeof(U) == sizeof(T))
SINTER_INLINE pack<U, N> bit_cast(pack<T, N> x) {
  if constexpr (N == 1) {
    return pack<U, 1>(__builtin_bit_cast(U, x.r));
  } else {
    pack<U, N> y;
    detail::unroll<pack<U, N>::registers>([&](int i) { y.r[i] = simd::as_batch<U>(x.r[i].data); });
    return y;
  }
}

/// x as U: bool gives 0 or 1, to bool is x != 0 (NaN is true), floats truncate towards 0 (unspecified outside U's range).
template <class U, class T, int N> SINTER_INLINE pack<U, N> convert(pack<T, N> x) {
  if constexpr (std::is_same_v<U, T>) {
    return x;
  } else if constexpr (std::is_same_v<U, bool>) {
    using I = simd::integer<T>;  // bits: -Ofast believes that there is no NaN
    if constexpr (std::is_floating_point_v<T>) return bit_cast<I>(x) + bit_cast<I>(x) != pack<I, N>(0);
    else return x != pack<T, N>(0);
  } else if constexpr (std::is_same_v<T, bool>) {
    return select(x, pack<U, N>(U(1)), pack<U, N>(U(0)));
  } else if constexpr (N == 1) {
    return pack<U, 1>(static_cast<U>(x.r));
  } else {
    using simd::as_batch, simd::as_vec, simd::convert_vector, simd::half, simd::join, simd::vec;
    pack<U, N> y;
    if constexpr (sizeof(U) == sizeof(T)) {
      detail::unroll<pack<U, N>::registers>([&](int i) { y.r[i] = as_batch<U>(convert_vector<vec<U>>(as_vec<T>(x.r[i]))); });
    } else if constexpr (sizeof(U) > sizeof(T)) {
      detail::unroll<pack<T, N>::registers>([&](int i) {
        auto v = as_vec<T>(x.r[i]);
        y.r[2 * i] = as_batch<U>(convert_vector<vec<U>>(half<0>(v)));
        y.r[2 * i + 1] = as_batch<U>(convert_vector<vec<U>>(half<1>(v)));
      });
    } else {
      using narrow = vec<U, simd::width<T>>;
      detail::unroll<pack<U, N>::registers>([&](int i) {
        y.r[i] = as_batch<U>(join(convert_vector<narrow>(as_vec<T>(x.r[2 * i])), convert_vector<narrow>(as_vec<T>(x.r[2 * i + 1]))));
      });
    }
    return y;
  }
}

}  // namespace sinter::inline v0
