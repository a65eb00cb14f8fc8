// SPDX-License-Identifier: BSD-3-Clause
// Random numbers as element-wise ops: a function of a key and the element's index, so that they fuse, need no memory,
// and are the same in backward. Device-clean. Not here: where keys come from (tensor/random.hpp). Next: nn/dropout.hpp.
#pragma once
#include "arithmetic.hpp"
#include "philox.hpp"

namespace sinter::inline v0 {

namespace math {
/// The 32 random bits of element i under the key `high` 2^32 + `low`, as op/philox.hpp numbers them.
template <number T> SINTER_HD constexpr T random_bits(T i, T low, T high) {
  return static_cast<T>(philox_word(join(static_cast<uint32>(low), static_cast<uint32>(high)), static_cast<uint64>(i)));
}
}  // namespace math

namespace op {

/// 32 random bits for element `index` under a 64-bit key, given in halves because numbers travel as doubles
struct random_bits {
  static constexpr op_info info{.name = "random_bits", .samples = {0, 1000}, .integers = true};
  static constexpr SINTER_INLINE auto value(lane auto index, lane auto low, lane auto high) {
    using math::random_bits;
    return random_bits(index, low, high);
  }
  static constexpr auto grad(auto, auto, auto, auto, auto) { return no_gradient; }
};
/// bits >= threshold; integers are the same bits in backward, so that this choice need not be saved
struct keep {
  static constexpr op_info info{.name = "keep", .result = result_type::boolean, .integers = true};
  static constexpr auto value(lane auto bits, lane auto threshold) { return bits >= threshold; }
  static constexpr auto grad(auto, auto, auto, auto) { return no_gradient; }
};

}  // namespace op

namespace composed {

/// x scale where the element's bits reach the threshold, else 0
struct dropout {
  using composition = void;
  static constexpr op_info info{.name = "dropout"};
  static constexpr auto compose(auto x, auto threshold, auto scale, auto low, auto high) {
    auto bits = apply<op::random_bits>(index_along(x, all_axes(x)), low, high);
    return where(apply<op::keep>(bits, threshold), x * scale, 0);
  }
};

}  // namespace composed
}  // namespace sinter::inline v0
