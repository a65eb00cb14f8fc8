// SPDX-License-Identifier: BSD-3-Clause
// Random tensors: rand, randn, randint, randperm, bernoulli, multinomial, and the generator that hands out keys.
// Not here: the bits themselves (op/philox.hpp). Next: op/philox.hpp.
#pragma once
#include <limits>
#include <memory>

#include "../op/philox.hpp"
#include "copy.hpp"

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
  static_assert(is_floating_element<T> || is_complex_element<T>, "sinter: rand makes floating or complex numbers; randint makes integers");
  if constexpr (is_complex_element<T>) fill_uniform<typename T::value_type, Arch>(&t.data()->re, 2 * t.numel(), g.next_key());
  else fill_uniform<T, Arch>(t.data(), t.numel(), g.next_key());
  return t;
}
template <class T, class E, class Arch> tensor<T, E> normal(tensor<T, E> t, generator& g) {
  static_assert(is_floating_element<T> || is_complex_element<T>, "sinter: randn makes floating or complex numbers");
  if constexpr (is_complex_element<T>) {
    using R = typename T::value_type;
    fill_normal<R, Arch>(&t.data()->re, 2 * t.numel(), g.next_key());
    for (int64 i = 0; i < t.numel(); ++i) t.data()[i] *= static_cast<R>(0.7071067811865476);
  } else {
    fill_normal<T, Arch>(t.data(), t.numel(), g.next_key());
  }
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

/// Uniform in [0, 1): float with 24 random bits, double with 53; both parts of complex numbers.
template <class T = float, detail::shape_like S = detail::no_dims, class Arch = native>
auto rand(const S& sizes, generator& g = default_generator()) {
  return detail::uniform<T, typename detail::shape_traits<S>::type, Arch>(empty<T>(sizes), g);
}
template <class T = float, std::size_t R, class Arch = native>
auto rand(const detail::size_arg (&sizes)[R], generator& g = default_generator()) {
  return detail::uniform<T, rank<R>, Arch>(empty<T>(sizes), g);
}

/// Normally distributed, mean 0 and variance 1; of complex numbers each part has variance 1/2, as in PyTorch.
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

/// Normally distributed around `mean` with standard deviation `std`.
template <class T = float, std::size_t R, class Arch = native>
auto normal(double mean, double std, const detail::size_arg (&sizes)[R], generator& g = default_generator()) {
  auto t = randn<T>(sizes, g);
  for (int64 i = 0; i < t.numel(); ++i) t.data()[i] = static_cast<T>(mean + std * static_cast<double>(t.data()[i]));
  return t;
}
/// rand and randn of t's sizes and dtype.
template <class T, class E, class Arch = native> auto rand_like(const tensor<T, E>& t, generator& g = default_generator()) {
  return detail::uniform<std::remove_const_t<T>, E, Arch>(empty<std::remove_const_t<T>>(t.sizes()), g);
}
template <class T, class E, class Arch = native> auto randn_like(const tensor<T, E>& t, generator& g = default_generator()) {
  return detail::normal<std::remove_const_t<T>, E, Arch>(empty<std::remove_const_t<T>>(t.sizes()), g);
}
/// 1 with probability p, else 0, element by element, as p's dtype. Throws error for a probability outside [0, 1].
/// https://pytorch.org/docs/stable/generated/torch.bernoulli.html
template <class T, class E, class Arch = native> auto bernoulli(const tensor<T, E>& p, generator& g = default_generator()) {
  using V = std::remove_const_t<T>;
  const auto u = rand<double>(p.sizes(), g);
  auto out = detail::new_tensor<V, rank<E::rank>, Arch>(p.sizes());
  const auto rows = contiguous(p);
  for (int64 i = 0; i < out.numel(); ++i) {
    const double q = static_cast<double>(rows.data()[i]);
    if (!(q >= 0 && q <= 1)) fail<error>("bernoulli: probability ", q, " is not in [0, 1]");
    out.data()[i] = static_cast<V>(u.data()[i] < q ? 1 : 0);
  }
  return out;
}
/// `samples` draws of the numbers 0 ... n-1 with probabilities proportional to `weights` (1-d, >= 0), with or without replacement:
/// int64. Throws error for bad weights, or fewer positive ones than draws without replacement.
/// https://pytorch.org/docs/stable/generated/torch.multinomial.html
template <class T, class E, class Arch = native>
tensor<int64, rank<1>> multinomial(const tensor<T, E>& weights, int64 samples, bool replacement = false, generator& g = default_generator()) {
  static_assert(E::rank == 1, "sinter: multinomial takes the weights of one distribution");
  const int64 n = weights.numel();
  std::unique_ptr<double[]> left(new double[static_cast<std::size_t>(n) + 1]);
  double total = 0;
  int64 positive = 0;
  for (int64 i = 0; i < n; ++i) {
    const double w = static_cast<double>(weights.data()[i * weights.strides()[0]]);
    if (!(w >= 0 && w <= std::numeric_limits<double>::max())) fail<error>("multinomial: weight ", w);
    left[static_cast<std::size_t>(i)] = w, total += w, positive += w > 0;
  }
  if (samples > 0 && positive == 0) fail<error>("multinomial: no weight is positive");
  if (!replacement && samples > positive) fail<error>("multinomial: ", samples, " draws without replacement of ", positive, " with a positive weight");
  auto out = empty<int64>({samples});
  const auto u = rand<double>({samples}, g);
  for (int64 k = 0; k < samples; ++k) {
    double at = u.data()[k] * total;
    int64 i = 0, last = -1;
    for (; i < n; ++i) {
      const double w = left[static_cast<std::size_t>(i)];
      if (w <= 0) continue;
      last = i;
      if (at < w) break;
      at -= w;
    }
    out.data()[k] = last;  // rounding may go past the end: the last positive one
    if (!replacement) total -= left[static_cast<std::size_t>(last)], left[static_cast<std::size_t>(last)] = 0;
  }
  return out;
}

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
