// SPDX-License-Identifier: BSD-3-Clause
// Random tensors: rand, randn, randint, randperm, and the generator that hands out keys.
// Not here: the bits themselves (op/philox.hpp). Next: op/philox.hpp.
#pragma once
#include "../op/philox.hpp"
#include "creation.hpp"

namespace sinter::inline v0 {

/// A source of keys. Every random tensor draws one 64-bit key and numbers its elements under it, so the values depend
/// only on the seed and on how many keys were drawn before. `next_key` may be called by several threads.
class generator {
 public:
  /// All there is to save and restore.
  struct state_type {
    uint64 seed, offset;
    bool operator==(const state_type&) const = default;
  };

  /// The default seed is PyTorch's.
  explicit generator(uint64 seed = 67280421310721u) : seed_(seed), offset_(0) {}
  generator(const generator& o) : seed_(o.seed()), offset_(o.state().offset) {}
  generator& operator=(const generator& o) {
    set_state(o.state());
    return *this;
  }

  /// Starts over from `seed`.
  void manual_seed(uint64 seed) { set_state({seed, 0}); }
  uint64 seed() const { return seed_.load(std::memory_order_relaxed); }
  state_type state() const { return {seed(), offset_.load(std::memory_order_relaxed)}; }
  void set_state(state_type s) {
    seed_.store(s.seed, std::memory_order_relaxed);
    offset_.store(s.offset, std::memory_order_relaxed);
  }
  /// A fresh key: the first two words of philox({offset, 0, 1}, seed), and offset + 1.
  uint64 next_key() {
    const uint64 n = offset_.fetch_add(1, std::memory_order_relaxed), s = seed();
    const philox_words w = philox({{static_cast<uint32>(n), static_cast<uint32>(n >> 32), 0, 1}},
                                  static_cast<uint32>(s), static_cast<uint32>(s >> 32));
    return join(w[0], w[1]);
  }

 private:
  std::atomic<uint64> seed_, offset_;
};

#pragma GCC visibility push(hidden)

/// The generator that random functions use unless told otherwise; one per shared object.
inline generator& default_generator() {
  static generator g;
  return g;
}
/// Seeds the default generator.
inline void manual_seed(uint64 seed) { default_generator().manual_seed(seed); }

namespace detail::inline SINTER_TARGET {

template <class T, class Arch> SINTER_KERNEL void fill_uniform(T* out, int64 n, uint64 key) {
  constexpr int step = sizeof(T) == 8 ? 2 : 4;
  for (int64 i = 0; i < n; i += step) {
    const philox_words w = philox_block(key, static_cast<uint64>(i / step));
    T block[step];
    for (int k = 0; k < step; ++k)
      if constexpr (step == 4)
        block[k] = uniform_float(w[k]);
      else
        block[k] = uniform_double(join(w[2 * k], w[2 * k + 1]));
    for (int k = 0; k < step && i + k < n; ++k) out[i + k] = block[k];
  }
}

// Box-Muller. Floats are computed in double and rounded once, so they do not depend on the C library's last bits.
template <class T, class Arch> SINTER_KERNEL void fill_normal(T* out, int64 n, uint64 key) {
  for (int64 i = 0; i < n; i += 2) {
    double u, v;
    if constexpr (sizeof(T) == 8) {
      const philox_words w = philox_block(key, static_cast<uint64>(i / 2));
      u = uniform_positive(join(w[0], w[1]));
      v = uniform_double(join(w[2], w[3]));
    } else {
      const philox_words w = philox_block(key, static_cast<uint64>(i / 4));
      u = static_cast<double>(uniform_positive(w[static_cast<int>(i % 4)]));
      v = static_cast<double>(uniform_float(w[static_cast<int>(i % 4) + 1]));
    }
    const double radius = std::sqrt(-2 * std::log(u)), angle = 6.283185307179586 * v;
    out[i] = static_cast<T>(radius * std::cos(angle));
    if (i + 1 < n) out[i + 1] = static_cast<T>(radius * std::sin(angle));
  }
}

template <class T, class E, class Arch> tensor<T, E> uniform(tensor<T, E> t, generator& g) {
  static_assert(std::is_floating_point_v<T>, "sinter: rand makes float or double; randint makes integers");
  fill_uniform<T, Arch>(t.data(), t.numel(), g.next_key());
  return t;
}
template <class T, class E, class Arch> tensor<T, E> normal(tensor<T, E> t, generator& g) {
  static_assert(std::is_floating_point_v<T>, "sinter: randn makes float or double");
  fill_normal<T, Arch>(t.data(), t.numel(), g.next_key());
  return t;
}
template <class T, class E, class Arch> tensor<T, E> integers(tensor<T, E> t, int64 low, int64 high, generator& g) {
  if (low >= high) fail<index_error, Arch>("randint: no integer in [", low, ", ", high, ")");
  const uint64 key = g.next_key(), range = static_cast<uint64>(high) - static_cast<uint64>(low);
  generate<Arch>(t.data(), t.numel(), [=](int64 i) {
    const uint64 r = uniform_below(philox_word_pair(key, static_cast<uint64>(i)), range);
    return static_cast<T>(static_cast<int64>(static_cast<uint64>(low) + r));
  });
  return t;
}

}  // namespace detail::inline SINTER_TARGET

/// Uniform in [0, 1): float with 24 random bits, double with 53.
template <class T = float, detail::shape_like S = detail::no_dims, class Arch = native>
auto rand(const S& sizes, generator& g = default_generator()) {
  return detail::uniform<T, typename detail::shape_traits<S>::type, Arch>(empty<T>(sizes), g);
}
template <class T = float, std::size_t R, class Arch = native>
auto rand(const detail::size_arg (&sizes)[R], generator& g = default_generator()) {
  return detail::uniform<T, rank<R>, Arch>(empty<T>(sizes), g);
}

/// Normally distributed, mean 0 and variance 1.
template <class T = float, detail::shape_like S = detail::no_dims, class Arch = native>
auto randn(const S& sizes, generator& g = default_generator()) {
  return detail::normal<T, typename detail::shape_traits<S>::type, Arch>(empty<T>(sizes), g);
}
template <class T = float, std::size_t R, class Arch = native>
auto randn(const detail::size_arg (&sizes)[R], generator& g = default_generator()) {
  return detail::normal<T, rank<R>, Arch>(empty<T>(sizes), g);
}
// Only to say what is meant instead.
template <class T = float, detail::integer... I> requires(sizeof...(I) > 0) auto rand(I...) { return detail::explain_sizes<T>(); }
template <class T = float, detail::integer... I> requires(sizeof...(I) > 0) auto randn(I...) { return detail::explain_sizes<T>(); }

/// Integers in [low, high), converted to T. Throws index_error where there is none.
template <class T = int64, detail::shape_like S = detail::no_dims, class Arch = native>
auto randint(int64 low, int64 high, const S& sizes, generator& g = default_generator()) {
  return detail::integers<T, typename detail::shape_traits<S>::type, Arch>(empty<T>(sizes), low, high, g);
}
template <class T = int64, std::size_t R, class Arch = native>
auto randint(int64 low, int64 high, const detail::size_arg (&sizes)[R], generator& g = default_generator()) {
  return detail::integers<T, rank<R>, Arch>(empty<T>(sizes), low, high, g);
}

/// 0 ... n-1 in random order, every order as likely as any other (Fisher-Yates with Lemire's unbiased draws).
template <class Arch = native> tensor<int64, rank<1>> randperm(int64 n, generator& g = default_generator()) {
  auto t = arange<int64, Arch>(n);
  const uint64 key = g.next_key();
  uint64 drawn = 0;
  for (int64 i = n - 1; i > 0; --i) {
    const uint64 range = static_cast<uint64>(i) + 1, reject = (0 - range) % range;
    uint64 w = philox_word_pair(key, drawn++);
    while (w * range < reject) w = philox_word_pair(key, drawn++);
    std::swap(t.data()[i], t.data()[uniform_below(w, range)]);
  }
  return t;
}

#pragma GCC visibility pop
}  // namespace sinter::inline v0
