// SPDX-License-Identifier: BSD-3-Clause
// What all optimizers share: parameters, gradients and state as flat buffers, and one fused pass over them.
// Not here: update rules. Next: sgd.hpp, adam.hpp.
#pragma once
#include "../nn/state_dict.hpp"

namespace sinter::inline v0::optim::inline SINTER_TARGET {

namespace detail {
using namespace sinter::detail;

/// The program of an update rule: leaves are the parameter, its gradient and the state, then come run-time numbers.
/// `Rule::next(p, g, state..., numbers...)` returns `grads(p, state...)`: their new values.
template <class Rule, class T> struct step_source {
  static constexpr int tensors = 2 + Rule::states, numbers = Rule::numbers;
  template <int Room> static constexpr auto make() { return make<Room>(std::make_index_sequence<tensors>(), std::make_index_sequence<numbers>()); }
  template <int Room, std::size_t... I, std::size_t... N> static constexpr auto make(std::index_sequence<I...>, std::index_sequence<N...>) {
    graph g;
    constexpr uint64 same_shape = (uint64{1} << tensors) - 1;
    const auto next = Rule::next(g.leaf(I, dtype_of<T>, 1, 0, same_shape)..., g.scalar(tensors + static_cast<int>(N), dtype::f64)...);
    for (int i = 0; i <= Rule::states; ++i) g.output(next.values[i], i);
    return flatten<Room>(g, tensors + numbers);
  }
};

}  // namespace detail

/// Parameters of T in one buffer, their gradients in another, `States` more for the rule's memory. The parameters keep
/// their handles: all of them see the buffer from now on. Each has its own step count, as in PyTorch.
template <class T, int States> class flat_parameters {
 public:
  explicit flat_parameters(const parameter_list<T>& list) : list_(list), steps_(list.size(), 0) {
    if (list.empty()) fail<error>("an optimizer was given no parameters: does members() list them?");
    constexpr int64 line = 64 / sizeof(T);  // each parameter starts a cache line; the gaps are zeros that stay zeros
    int64 n = 0;
    for (const auto& p : list) first_.push_back(n), n += (p.numel() + line - 1) / line * line;
    first_.push_back(n);
    values_ = zeros<T>({n}), grads_ = zeros<T>({n});
    for (std::size_t i = 0; i < list_.size(); ++i) {
      take(i);
      sinter::detail::grad_slot& slot = *list_[i].slot();
      slot.home = grads_.storage_handle();
      slot.home_data = reinterpret_cast<char*>(grads_.data() + first_[i]);
    }
  }

  /// Forgets the gradients. The next backward() writes them where these were: clone() what must outlive it.
  void zero_grad() {
    for (const auto& p : list_) p.zero_grad();
  }
  const parameter_list<T>& list() const { return list_; }

  /// Runs `Rule` over all parameters with a gradient; `numbers(step)` gives its numbers at the step-th update.
  /// Neighbours of one step count are one pass.
  template <class Rule, class Numbers> void step(Numbers numbers) {
    for (int s = 0; s < Rule::states; ++s)
      if (!states_[s].defined()) states_[s] = zeros_like(values_);
    for (std::size_t i = 0, end; i < list_.size(); i = end) {
      end = i + 1;
      if (!fetch(i)) continue;
      while (end < list_.size() && steps_[end] == steps_[i] && fetch(end)) ++end;
      for (std::size_t k = i; k < end; ++k) ++steps_[k];
      pass<Rule>(first_[i], first_[end] - first_[i], numbers(steps_[i]));
    }
    values_.bump_version();
  }

  /// "0.step", "0.exp_avg", ...: parameters by number, `names` for the states. It shares their elements.
  nn::state_dict state_dict(const char* const* names) const {
    nn::state_dict out;
    for (std::size_t i = 0; i < list_.size(); ++i) {
      const std::string prefix = std::to_string(i) + '.';
      out.set(prefix + "step", full<int64>({}, steps_[i]));
      for (int s = 0; s < States; ++s)
        if (states_[s].defined()) out.set(prefix + names[s], state(i, s));
    }
    return out;
  }
  template <class D> void load_state_dict(const D& from, const char* const* names) {
    for (int s = 0; s < States; ++s)
      if (!states_[s].defined() && from.contains(std::string("0.") + names[s])) states_[s] = zeros_like(values_);
    for (std::size_t i = 0; i < list_.size(); ++i) {  // first look, then write
      const std::string prefix = std::to_string(i) + '.';
      const any_tensor step = from.at(prefix + "step");
      if (step.numel() != 1) fail<shape_error>("load_state_dict: ", prefix, "step is no single number");
      for (int s = 0; s < States; ++s)
        if (states_[s].defined() && !sinter::detail::same_shape(state(i, s), any_tensor(from.at(prefix + names[s]))))
          fail<shape_error>("load_state_dict: the shape of ", prefix, names[s], " is not that of parameter ", i);
    }
    for (std::size_t i = 0; i < list_.size(); ++i) {
      const std::string prefix = std::to_string(i) + '.';
      const auto steps = full<int64>({}, 0);
      sinter::detail::convert_elements<int64>(steps, any_tensor(from.at(prefix + "step")));
      steps_[i] = steps.item();
      for (int s = 0; s < States; ++s)
        if (states_[s].defined()) sinter::detail::convert_elements<T>(state(i, s), any_tensor(from.at(prefix + names[s])));
    }
  }

 private:
  any_tensor shaped(std::size_t i, const tensor<T, rank<1>>& flat) const {
    const any_tensor v = list_[i].value();
    int64 strides[any_tensor::max_rank] = {}, step = 1;
    for (int d = v.dim() - 1; d >= 0; --d) strides[d] = step, step *= v.sizes()[d];
    return {flat.storage_handle(), flat.data() + first_[i], dtype_of<T>, v.dim(), v.sizes(), strides};
  }
  any_tensor state(std::size_t i, int s) const { return shaped(i, states_[s]); }

  /// Moves the values of parameter i into the buffer, behind its handles, and its gradient if it has one.
  void take(std::size_t i) {
    sinter::detail::convert_elements<T>(shaped(i, values_), list_[i].value());
    list_[i].set_data(values_.storage_handle(), values_.data() + first_[i]);
  }
  /// Makes sure that value and gradient of parameter i are in the buffers; false if it has no gradient.
  bool fetch(std::size_t i) {
    const sinter::detail::grad_slot& slot = *list_[i].slot();
    if (!slot.grad.block) return false;
    if (list_[i].value().data() != values_.data() + first_[i]) take(i);  // somebody called set_data
    if (slot.grad.data != reinterpret_cast<char*>(grads_.data() + first_[i])) sinter::detail::convert_elements<T>(shaped(i, grads_), list_[i].grad());
    return true;
  }

  template <class Rule, class Numbers> void pass(int64 first, int64 n, const Numbers& numbers) {
    using source = detail::step_source<Rule, T>;
    using P = sinter::detail::make_program<source>;
    sinter::detail::operand leaves[source::tensors + source::numbers];
    sinter::detail::result to[1 + Rule::states];
    const auto bind = [&](int k, const tensor<T, rank<1>>& t) {
      leaves[k].data = reinterpret_cast<char*>(t.data() + first);
      leaves[k].shape.rank = 1, leaves[k].shape[0] = n, leaves[k].strides[0] = 1;
    };
    bind(0, values_), bind(1, grads_);
    for (int s = 0; s < Rule::states; ++s) bind(2 + s, states_[s]);
    for (int i = 0; i < source::numbers; ++i) leaves[source::tensors + i].number = numbers.v[i];
    for (int r = 0; r <= Rule::states; ++r) {
      const auto& over = leaves[r ? r + 1 : 0];
      to[r].data = over.data, to[r].shape = over.shape, to[r].strides[0] = 1;
    }
    sinter::detail::cpu_run(sinter::detail::entry_of<P, native>, leaves, nullptr, to).template run<native>();
  }

  parameter_list<T> list_;
  std::vector<int64> first_, steps_;
  tensor<T, rank<1>> values_, grads_, states_[States];  // a state is made when a rule first needs it
};

/// The numbers of a rule at one step.
template <class... N> struct numbers_of {
  double v[sizeof...(N) + 1];
};
template <class... N> numbers_of<N...> numbers(N... n) { return {{static_cast<double>(n)...}}; }

}  // namespace sinter::inline v0::optim::inline SINTER_TARGET
