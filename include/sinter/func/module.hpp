// SPDX-License-Identifier: BSD-3-Clause
// Modules as functions of their parameters: functional_call, and the gradients of each sample of a batch. Not in the umbrella header.
//
//   auto w = st::func::parameters(net);                                                     // a tuple of variables
//   st::variable loss = st::mse_loss(st::func::functional_call(net, w, x), y);
//   auto g = st::grad(loss, w, {.create_graph = true});
//   auto step = [](const auto& p, const auto& d) { return st::eval(p - 0.1 * d); };         // and through the step, too:
//   st::variable after = st::mse_loss(st::func::functional_call(net, st::func::map(step, w, g), x), y);
#pragma once
#include "../autograd/grad.hpp"
#include "../nn/module.hpp"
#include "../tensor/creation.hpp"

namespace sinter::inline v0::func::inline SINTER_TARGET {
namespace detail {
using namespace sinter::detail;

/// References to the variables in m, in the order of its members.
template <class M> auto parameters_in(M& m) {
  using B = std::remove_const_t<M>;
  if constexpr (nn::detail::parameter_like<B>) return std::tie(m);
  else if constexpr (nn::detail::buffer_like<B>) return std::tuple<>();
  else {
    static_assert(!nn::detail::range_like<B>, "sinter: func: a range of modules has no number of parameters that is known at compile time: make them members");
    return std::apply([](auto... entry) { return std::tuple_cat(parameters_in(entry.value)...); }, nn::detail::members_of(m));
  }
}

/// Zeros: as many values like that of s as `count`, one behind the other.
inline any_tensor stack_of(const grad_slot& s, int64 count) {
  int64 sizes[max_rank + 1] = {count}, strides[max_rank + 1] = {s.shape.numel()};
  int64 own[max_rank] = {};
  row_major_strides(s.shape, own);
  for (int d = 0; d < s.shape.rank; ++d) sizes[d + 1] = s.shape[d], strides[d + 1] = own[d];
  const int64 bytes = count * s.shape.numel() * size_of(s.type);
  storage_ptr block = allocate_cpu(bytes);
  void* const data = block->data;
  __builtin_memset(data, 0, static_cast<std::size_t>(bytes));
  return any_tensor(static_cast<storage_ptr&&>(block), data, s.type, s.shape.rank + 1, sizes, strides);
}

}  // namespace detail

/// The parameters of m as a tuple of variables, in the order of its members: handles, which share value and gradient with m.
template <class M> auto parameters(M& m) {
  return std::apply([](const auto&... v) { return std::tuple(v...); }, detail::parameters_in(m));
}

/// The tuple of f(a_i, more_i...): of the elements of tuples of one length.
template <class F, class... A, class... More> auto map(const F& f, const std::tuple<A...>& a, const More&... more) {
  static_assert(((std::tuple_size_v<More> == sizeof...(A)) && ...), "sinter: func::map: tuples of one length");
  return [&]<std::size_t... I>(std::index_sequence<I...>) {
    const auto at = [&]<std::size_t K>(std::integral_constant<std::size_t, K>) { return f(std::get<K>(a), std::get<K>(more)...); };
    return std::tuple(at(std::integral_constant<std::size_t, I>())...);
  }(std::index_sequence_for<A...>());
}

/// m(args...) with other parameters: a tuple as parameters(m) gives it, of variables, tensors or expressions of the same shapes. m itself
/// stays as it is, buffers that forward() writes apart; derivatives reach what was given. Evaluated: forward() may return an expression.
/// Errors at compile time: another number of parameters, other static extents or dtypes. Throws shape_error for other run-time extents.
/// https://pytorch.org/docs/stable/generated/torch.func.functional_call.html
template <class M, class... P, class... X> auto functional_call(const M& m, const std::tuple<P...>& parameters, const X&... args) {
  M with = m;
  auto places = detail::parameters_in(with);
  static_assert(std::tuple_size_v<decltype(places)> == sizeof...(P), "sinter: func::functional_call: one value for each of the module's parameters");
  const auto put = [&]<class V>(V& place, const auto& value) {
    V given(value);
    if (!(given.sizes() == place.sizes()))
      fail<shape_error>("functional_call: a value of shape ", shape_text{given.sizes().data(), V::rank}, " for a parameter of shape ",
                        shape_text{place.sizes().data(), V::rank});
    place = given;
  };
  [&]<std::size_t... I>(std::index_sequence<I...>) { (put(std::get<I>(places), std::get<I>(parameters)), ...); }(std::index_sequence_for<P...>());
  return detail::evaluated(with(args...));
}

/// The gradients of loss(m, x_i, more_i...) by m's parameters for each i, where x_i is x(slice(i, i + 1)): the sample as a batch of one.
/// `loss` returns one real element. For each parameter that requires a gradient its name, and a tensor [N, ...its shape]. Neither m nor its
/// gradients or buffers change; random numbers are each sample's own. Throws shape_error for batches of different sizes.
/// https://pytorch.org/docs/stable/generated/torch.func.vmap.html, per-sample gradients
///
///   auto g = st::func::per_sample_grads(net, [](auto& m, const auto& x, const auto& t) { return st::cross_entropy(m(x), t); }, x, t);
template <class T = void, class M, class L, class X, class... More>
std::vector<named<any_tensor>> per_sample_grads(const M& m, const L& loss, const X& x, const More&... more) {
  static_assert(tensor_like<X> && (tensor_like<More> && ...) && X::rank > 0 && ((More::rank > 0) && ...),
                "sinter: func::per_sample_grads: batches are tensors whose first dim is the batch");
  const int64 count = x.size(0);
  [[maybe_unused]] const auto check = [&](int64 n) {
    if (n != count) fail<shape_error>("per_sample_grads: batches of ", count, " and of ", n, " samples");
  };
  (check(more.size(0)), ...);
  M own = nn::detail::copy_with(m, [](const auto& v) { return v.variable_data(); }, [](const auto& t) { return sinter::clone(t); });
  std::vector<named<any_tensor>> out;
  std::vector<detail::grad_slot*> slots;
  for (const auto& [name, p] : nn::named_parameters<T>(own)) {
    if (!p.requires_grad()) continue;
    out.push_back({name, detail::stack_of(*p.slot(), count)});
    slots.push_back(p.slot());
  }
  const enable_grad on;
  for (int64 i = 0; i < count; ++i) {
    for (std::size_t k = 0; k < slots.size(); ++k) {
      detail::grad_slot& s = *slots[k];
      s.forget_gradient();
      s.home = out[k].value.storage_handle();
      s.home_data = static_cast<char*>(out[k].value.data()) + i * s.shape.numel() * size_of(s.type);
    }
    const variable value = loss(own, x(slice(i, i + 1)), more(slice(i, i + 1))...);
    value.backward();
  }
  return out;
}

}  // namespace sinter::inline v0::func::inline SINTER_TARGET
