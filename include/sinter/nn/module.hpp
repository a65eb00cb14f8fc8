// SPDX-License-Identifier: BSD-3-Clause
// Modules: plain structs with `forward(x)` and one line that lists their members. This file walks over such lists:
// parameters, names, train and eval, copies. Not here: saving and loading (state_dict.hpp). Next: linear.hpp.
//
//   struct net : st::nn::module<net> {
//     st::nn::linear<64, 32> fc1;
//     st::nn::linear<32, 10> fc2;
//     auto members() { return st::nn::members("fc1", fc1, "fc2", fc2); }
//     auto forward(auto&& x) { return fc2(st::relu(fc1(x))); }
//   };
#pragma once
#include <string>

#include "../tensor/copy.hpp"
#include "parameter.hpp"

namespace sinter::inline v0::nn::inline SINTER_TARGET {

/// One entry of a member list.
template <class M> struct member {
  const char* name;
  M& value;
};

namespace detail {
using namespace sinter::detail;

template <class... A, std::size_t... I> auto pair_up(std::index_sequence<I...>, std::tuple<A&...> a) {
  return std::tuple{member<std::remove_reference_t<decltype(std::get<2 * I + 1>(a))>>{std::get<2 * I>(a), std::get<2 * I + 1>(a)}...};
}

/// "0", "1", ...: the names of what has no other.
template <int I> inline constexpr char digits[] = {static_cast<char>('0' + I / 10), static_cast<char>('0' + I % 10), 0};
template <int I> constexpr const char* number_name() {
  static_assert(I < 100, "sinter: a sequential has at most 100 modules");
  return digits<I> + (I < 10);
}

template <class X> concept parameter_like = is_variable<std::remove_const_t<X>>;
template <class X> concept buffer_like = is_tensor<std::remove_const_t<X>>;
template <class X> concept has_members = requires(X& x) { x.members(); };
template <class X> concept range_like = !parameter_like<X> && !buffer_like<X> && !has_members<X> && requires(X& x) { *x.begin(); x.end(); };

}  // namespace detail

template <class Self> struct module;

/// A module: it says what its members are, or has none (nothing beyond what `module<Self>` brings).
template <class M>
concept module_like = detail::has_members<M> || std::is_empty_v<M> ||
                      (std::is_base_of_v<module<M>, M> && sizeof(M) == sizeof(module<M>));

/// The list of a module's members for its `members()`: names as PyTorch's attributes have them, each with the member: a
/// variable (a parameter), a tensor (a buffer), a module, or a range (vector, array) of modules.
template <class... A> auto members(A&&... a) {
  static_assert(sizeof...(A) % 2 == 0, "sinter: members(\"name\", member, ...): a name or a member is missing");
  return detail::pair_up(std::make_index_sequence<sizeof...(A) / 2>(), std::tuple<A&...>(a...));
}

namespace detail {

// Values, as a failed concept would be explained at length.
template <class M> inline constexpr bool is_module = module_like<M>;
template <class M> inline constexpr bool has_parts = parameter_like<M> || buffer_like<M> || range_like<M> || is_module<M>;

template <class M> auto members_of(M& m) {
  static_assert(is_module<M>,
                "sinter: this is no module: a struct with data needs a line `auto members() { return st::nn::members(\"fc1\", fc1); }`");
  if constexpr (has_members<M>) return m.members();
  else return std::tuple<>{};
}

/// f(name, x) for every variable and tensor in m, depth first, with dotted names; g(m) for every module, m first.
template <class M, class F, class G> void walk(M& m, const std::string& prefix, F& f, G& g) {
  if constexpr (parameter_like<M> || buffer_like<M>) {
    f(prefix, m);
  } else {
    const std::string dot = prefix.empty() ? prefix : prefix + '.';
    if constexpr (range_like<M>) {
      int i = 0;
      for (auto& x : m) walk(x, dot + std::to_string(i++), f, g);
    } else {
      g(m);
      std::apply([&](auto... entry) { (walk(entry.value, dot + entry.name, f, g), ...); }, members_of(m));
    }
  }
}
inline constexpr auto no_visit = [](auto&) {};
template <class M, class F> void for_tensors(M& m, F f) { walk(m, {}, f, no_visit); }

/// The dtype of the parameters of M, as a type; void where there are none, and an error where there are two.
template <class... T> struct common_type { using type = void; };
template <class T, class... U> struct common_type<T, U...> {
  using rest = typename common_type<U...>::type;
  static_assert(std::is_void_v<T> || std::is_void_v<rest> || std::is_same_v<T, rest>,
                "sinter: this module has parameters of two dtypes: ask for one of them, parameters<float>()");
  using type = std::conditional_t<std::is_void_v<T>, rest, T>;
};
template <class M> auto parameter_type() {
  if constexpr (parameter_like<M>) return std::type_identity<typename M::value_type>{};
  else if constexpr (buffer_like<M>) return std::type_identity<void>{};
  else if constexpr (range_like<M>) return parameter_type<std::remove_reference_t<decltype(*std::declval<M&>().begin())>>();
  else return []<class... E>(std::type_identity<std::tuple<member<E>...>>) {
    return std::type_identity<typename common_type<typename decltype(parameter_type<E>())::type...>::type>{};
  }(std::type_identity<decltype(members_of(std::declval<M&>()))>{});
}
template <class T, class M> using parameter_type_of = std::conditional_t<std::is_void_v<T>, typename decltype(parameter_type<M>())::type, T>;
template <class T> using or_float = std::conditional_t<std::is_void_v<T>, float, T>;

}  // namespace detail

/// Every parameter of m once, in the order of its members. https://pytorch.org/docs/stable/generated/torch.nn.Module.html
template <class T = void, class M> requires detail::has_parts<M> auto parameters(M& m) {
  using U = detail::or_float<detail::parameter_type_of<T, M>>;
  parameter_list<U> list;
  detail::for_tensors(m, [&](const std::string&, auto& x) {
    if constexpr (detail::parameter_like<std::remove_reference_t<decltype(x)>>)
      if constexpr (std::is_same_v<typename std::remove_reference_t<decltype(x)>::value_type, U>) list.add(x);
  });
  return list;
}

// Only to say what is missing.
template <class T = void, class M> requires(!detail::has_parts<M>) parameter_list<float> parameters(M&) {
  static_assert(detail::never<M>, "sinter: this is no module: a struct with data needs a line `auto members() { return st::nn::members(\"fc1\", fc1); }`");
  return {};
}

/// The same with PyTorch's names: "fc1.weight", in a sequential "0.weight".
template <class T = void, class M> auto named_parameters(M& m) {
  using U = detail::or_float<detail::parameter_type_of<T, M>>;
  std::vector<named<parameter<U>>> list;
  detail::for_tensors(m, [&](const std::string& name, auto& x) {
    if constexpr (detail::parameter_like<std::remove_reference_t<decltype(x)>>)
      if constexpr (std::is_same_v<typename std::remove_reference_t<decltype(x)>::value_type, U>) {
        for (const auto& [other, p] : list)
          if (p.slot() == x.slot()) return;
        list.push_back({name, x});
      }
  });
  return list;
}

/// The tensors of m that are saved but not trained, with their names.
template <class M> std::vector<named<any_tensor>> named_buffers(M& m) {
  std::vector<named<any_tensor>> list;
  detail::for_tensors(m, [&](const std::string& name, auto& x) {
    if constexpr (detail::buffer_like<std::remove_reference_t<decltype(x)>>) list.push_back({name, x});
  });
  return list;
}

/// Switches m and all modules in it to training (dropout drops) or, with false, to use.
template <class M> void train(M& m, bool on = true) {
  auto nothing = [](const std::string&, auto&) {};
  auto set = [on](auto& x) {
    if constexpr (requires { x.training = on; }) x.training = on;
  };
  detail::walk(m, {}, nothing, set);
}
template <class M> void eval(M& m) { train(m, false); }

/// Forgets the gradients of all parameters.
template <class M> void zero_grad(M& m) {
  detail::for_tensors(m, [](const std::string&, auto& x) {
    if constexpr (requires { x.zero_grad(); }) x.zero_grad();
  });
}

namespace detail {
/// A copy of m with other variables, over value(v) for each v, and tensors other(t). What was one variable still is.
template <class M, class V, class T> M copy_with(const M& m, V value, T other) {
  M copy = m;
  std::vector<std::pair<const void*, const void*>> seen;  // slot of the original, handle of its copy
  for_tensors(copy, [&]<class X>(const std::string&, X& x) {
    if (!x.defined()) return;
    if constexpr (parameter_like<X>) {
      for (const auto& [slot, handle] : seen)
        if (slot == x.slot()) return static_cast<void>(x = *static_cast<const X*>(handle));
      seen.emplace_back(x.slot(), &x);
      x = X(value(x), x.requires_grad());
    } else {
      x = other(x);
    }
  });
  return copy;
}
}  // namespace detail

/// A module with parameters and buffers of its own, of the same values; copying a module, as copying a tensor, shares
/// them. Parameters that were one variable still are.
template <class M> M clone(const M& m) {
  return detail::copy_with(m, [](const auto& v) { return sinter::clone(v.value()); }, [](const auto& t) { return sinter::clone(t); });
}

/// A module over the same parameters and buffers, with gradients and counts of versions of its own: for threads that train one
/// model without locks (Hogwild), each its replica by an optimizer of its own. A step of one is seen by all, and is no version error
/// in graphs that others recorded before. Parameters that were one variable still are.
template <class M> M replicate(const M& m) {
  const auto shared = [](const auto& v) {
    const auto t = v.variable_data();
    v.value().storage_handle()->shared.store(true, std::memory_order_relaxed);
    t.storage_handle()->shared.store(true, std::memory_order_relaxed);
    return t;
  };
  return detail::copy_with(m, shared, [](const auto& t) { return t; });
}

class state_dict;  // state_dict.hpp
template <class M, class D> void load_state_dict(M& m, const D& from, bool strict = true);

/// What a module may inherit to have the functions above as its members, and `m(x)` for `m.forward(x)`.
template <class Self> struct module {
  bool training = true;

  template <class... X> auto operator()(X&&... x) { return self().forward(static_cast<X&&>(x)...); }
  template <class... X> auto operator()(X&&... x) const { return self().forward(static_cast<X&&>(x)...); }

  template <class T = void> auto parameters() { return nn::parameters<T>(self()); }
  template <class T = void> auto named_parameters() { return nn::named_parameters<T>(self()); }
  auto named_buffers() { return nn::named_buffers(self()); }
  void train(bool on = true) { nn::train(self(), on); }
  void eval() { nn::train(self(), false); }
  void zero_grad() { nn::zero_grad(self()); }
  Self clone() const { return nn::clone(self()); }
  template <class S = nn::state_dict> S state_dict() { return S(self()); }
  template <class D> void load_state_dict(const D& from, bool strict = true) { nn::load_state_dict(self(), from, strict); }

 private:
  Self& self() { return static_cast<Self&>(*this); }
  const Self& self() const { return static_cast<const Self&>(*this); }
};

}  // namespace sinter::inline v0::nn::inline SINTER_TARGET
