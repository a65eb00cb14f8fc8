// SPDX-License-Identifier: BSD-3-Clause
// Modules one after the other. Their expressions are passed on as rvalues, so the plan is that of the free functions.
// Next: module.hpp for modules of your own.
#pragma once
#include "module.hpp"

namespace sinter::inline v0::nn::inline SINTER_TARGET {

/// `sequential mlp{linear<784, 128>{}, relu{}, linear<128, 10>{}}`: mlp(x) is the last of the first's. It holds its
/// modules by value (a module that is passed in shares its parameters). Names are "0.weight", "0.bias", "2.weight", ...
/// https://pytorch.org/docs/stable/generated/torch.nn.Sequential.html
template <class... M> struct sequential : module<sequential<M...>> {
  std::tuple<M...> modules;

  sequential() = default;
  explicit sequential(M... m) requires(sizeof...(M) > 0) : modules(static_cast<M&&>(m)...) {}

  /// Module number I.
  template <int I> auto& get() { return std::get<I>(modules); }
  auto members() {
    return [this]<int... I>(std::integer_sequence<int, I...>) {
      return std::tuple{member<M>{detail::number_name<I>(), std::get<I>(modules)}...};
    }(std::make_integer_sequence<int, sizeof...(M)>());
  }
  template <class X> auto forward(X&& x) { return pass<0>(*this, static_cast<X&&>(x)); }
  template <class X> auto forward(X&& x) const { return pass<0>(*this, static_cast<X&&>(x)); }

 private:
  template <std::size_t I, class S, class X> static auto pass(S& s, X&& x) {
    if constexpr (I == sizeof...(M)) return static_cast<std::remove_cvref_t<X>>(static_cast<X&&>(x));
    else return pass<I + 1>(s, std::get<I>(s.modules).forward(static_cast<X&&>(x)));
  }
};
template <class... M> sequential(M...) -> sequential<M...>;

}  // namespace sinter::inline v0::nn::inline SINTER_TARGET
