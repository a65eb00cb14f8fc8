// SPDX-License-Identifier: BSD-3-Clause
// Philox4x32-10, the counter-based random numbers of Salmon et al., "Parallel random numbers: as easy as 1, 2, 3"
// (SC 2011). Device-clean. Not here: generators and tensors (tensor/random.hpp). Next: tensor/random.hpp.
//
// The contract of this version: with a 64-bit key, block c is philox({c, 0}, key), four words of 32 bits.
//   one word an element (float):   element i reads word i % 4 of block i / 4;
//   two words (double, integers):  element i reads words 2 (i % 2) and 2 (i % 2) + 1 of block i / 2, low word first;
//   normal numbers:                elements 2k and 2k + 1 share the words that the rules above give to both: the
//                                  first half makes the radius, the second the angle; cos is element 2k, sin 2k + 1.
#pragma once
#include "dtype.hpp"

namespace sinter::inline v0 {

/// Four random words, or the counter that they come from.
struct philox_words {
  uint32 v[4];
  SINTER_HD constexpr uint32 operator[](int i) const { return v[i]; }
};

/// Philox4x32 with 10 rounds: the words of one counter under one key.
SINTER_HD constexpr philox_words philox(philox_words counter, uint32 key0, uint32 key1) {
  uint32 a = counter.v[0], b = counter.v[1], c = counter.v[2], d = counter.v[3];
  for (int round = 0; round < 10; ++round) {
    const uint64 p = uint64{0xD2511F53u} * a, q = uint64{0xCD9E8D57u} * c;
    a = static_cast<uint32>(q >> 32) ^ b ^ key0;
    b = static_cast<uint32>(q);
    c = static_cast<uint32>(p >> 32) ^ d ^ key1;
    d = static_cast<uint32>(p);
    key0 += 0x9E3779B9u;
    key1 += 0xBB67AE85u;
  }
  return {{a, b, c, d}};
}

/// Block `c` of the stream of a 64-bit key.
SINTER_HD constexpr philox_words philox_block(uint64 key, uint64 c) {
  return philox({{static_cast<uint32>(c), static_cast<uint32>(c >> 32), 0, 0}}, static_cast<uint32>(key),
                static_cast<uint32>(key >> 32));
}
/// The 32 bits of element `i`.
SINTER_HD constexpr uint32 philox_word(uint64 key, uint64 i) {
  return philox_block(key, i / 4)[static_cast<int>(i % 4)];
}
/// Two words as 64 bits, low word first.
SINTER_HD constexpr uint64 join(uint32 low, uint32 high) { return uint64{high} << 32 | low; }
/// The 64 bits of element `i`.
SINTER_HD constexpr uint64 philox_word_pair(uint64 key, uint64 i) {
  const philox_words w = philox_block(key, i / 2);
  return i % 2 ? join(w[2], w[3]) : join(w[0], w[1]);
}

/// Uniform in [0, 1): the upper 24 of 32 bits.
SINTER_HD constexpr float uniform_float(uint32 w) { return static_cast<float>(w >> 8) * 0x1p-24f; }
/// Uniform in [0, 1): the upper 53 of 64 bits.
SINTER_HD constexpr double uniform_double(uint64 w) { return static_cast<double>(w >> 11) * 0x1p-53; }
/// Uniform in (0, 1], safe to take the logarithm of. All 32 bits, rounded, so that normal numbers reach 6.66.
SINTER_HD constexpr float uniform_positive(uint32 w) { return (static_cast<float>(w) + 1.0f) * 0x1p-32f; }
/// Uniform in (0, 1]: the upper 53 of 64 bits, plus one.
SINTER_HD constexpr double uniform_positive(uint64 w) { return (static_cast<double>(w >> 11) + 1.0) * 0x1p-53; }

/// Uniform in [0, range): the upper half of w * range. The bias is below range / 2^64.
SINTER_HD constexpr uint64 uniform_below(uint64 w, uint64 range) {
  const uint64 a = w >> 32, b = w & 0xFFFFFFFFu, c = range >> 32, d = range & 0xFFFFFFFFu;
  const uint64 middle = a * d + (b * d >> 32);
  const uint64 rest = b * c + (middle & 0xFFFFFFFFu);
  return a * c + (middle >> 32) + (rest >> 32);
}

}  // namespace sinter::inline v0
