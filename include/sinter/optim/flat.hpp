// SPDX-License-Identifier: BSD-3-Clause
// Parameters, gradients and state of one group as flat buffers, and one fused pass over them.
// Not here: update rules (sgd.hpp, adam.hpp), groups (optimizer.hpp). Next: optimizer.hpp.
#pragma once
#include <array>

#include "../nn/state_dict.hpp"

namespace sinter::inline v0::optim::inline SINTER_TARGET {

namespace detail {
using namespace sinter::detail;

/// The numbers of the states that a rule reads and writes.
template <class... I> constexpr std::array<int, sizeof...(I)> uses(I... i) { return {i...}; }

/// The program of an update rule: leaves are the parameter, its gradient and the states, then come run-time numbers.
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

/// What an update rule computes in: of complex parameters it sees the parts, as PyTorch's optimizers do.
template <class T> struct numbers_in_ { using type = T; };
template <class T> struct numbers_in_<complex_number<T>> { using type = T; };

/// Parameters of T in one buffer, their gradients in another, `States` more for the rule's memory. The parameters keep
/// their handles: all of them see the buffer from now on. Each has its own step count, as in PyTorch. Values of replicas
/// (nn::replicate), which others share, stay where they are, and are a pass each.
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
      if (!is_shared(i, list_[i].value())) take(i);
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

  /// Runs `Rule`, on the given states, over all parameters with a gradient; `numbers(step)` gives its numbers at the step-th
  /// update. Neighbours of one step count are one pass.
  template <class Rule, class Numbers> void step(const std::array<int, Rule::states>& states, Numbers numbers) {
    for (const int s : states)
      if (!states_[s].defined()) states_[s] = zeros_like(values_);
    for (std::size_t i = 0, end; i < list_.size(); i = end) {
      end = i + 1;
      T* const value = fetch(i);
      if (!value) continue;
      const bool in_buffer = value == values_.data() + first_[i];
      while (in_buffer && end < list_.size() && steps_[end] == steps_[i] && fetch(end) == values_.data() + first_[end]) ++end;
      for (std::size_t k = i; k < end; ++k) ++steps_[k];
      pass<Rule>(states, value, first_[i], in_buffer ? first_[end] - first_[i] : list_[i].numel(), numbers(steps_[i]));
      for (std::size_t k = i; k < end; ++k) list_[k].value().storage_handle()->version.fetch_add(1, std::memory_order_release);
    }
  }

  /// False until a rule used state s, or it was filled or loaded.
  bool has_state(int s) const { return states_[s].defined(); }
  /// Lets state s of all parameters start at `value`; without this, states start at 0.
  void fill_state(int s, double value) { states_[s] = full_like(values_, value); }

  /// Adds "0.step", "0.exp_avg", ... to `out`: parameters by number, from `number` on; `names` for the states. They share
  /// their elements.
  void save(nn::state_dict& out, std::size_t number, const char* const* names) const {
    for (std::size_t i = 0; i < list_.size(); ++i) {
      const std::string prefix = std::to_string(number + i) + '.';
      out.set(prefix + "step", full<int64>({}, steps_[i]));
      for (int s = 0; s < States; ++s)
        if (states_[s].defined()) out.set(prefix + names[s], state(i, s));
    }
  }
  /// Throws where `from` could not be loaded: error for a name that is missing, shape_error, dtype_error. The first `always`
  /// states have to be there after the first step; of the others, one that no parameter has there has not started.
  template <class D> void check(const D& from, std::size_t number, const char* const* names, int always) const {
    const any_tensor nothing(empty<T>({0}));  // converting into it finds out whether the dtype can be read
    const auto look = [&](const std::string& name) {
      if (!from.contains(name)) fail<error>("load_state_dict: there is no '", name, "'");
      any_tensor t(from.at(name));
      sinter::detail::convert_elements<T>(nothing, t);
      return t;
    };
    bool stepped = false;
    for (std::size_t i = 0; i < list_.size(); ++i) {
      const any_tensor t = look(std::to_string(number + i) + ".step");
      if (t.numel() != 1) fail<shape_error>("load_state_dict: ", number + i, ".step is no single number");
      stepped = stepped || number_in(t) > 0;
    }
    for (int s = 0; s < States; ++s) {
      if (!(stepped && s < always) && !saved(from, number, names[s])) continue;
      for (std::size_t i = 0; i < list_.size(); ++i) {
        const any_tensor value = list_[i].value(), t = look(std::to_string(number + i) + '.' + names[s]);
        if (!sinter::detail::same_shape(value, t))
          fail<shape_error>("load_state_dict: ", number + i, '.', names[s], " has shape ", shape_text{t.sizes(), t.dim()}, ", the parameter ",
                            shape_text{value.sizes(), value.dim()});
      }
    }
  }
  /// Takes step counts and states from `from`, which check() has accepted.
  template <class D> void load(const D& from, std::size_t number, const char* const* names) {
    for (int s = 0; s < States; ++s)
      if (saved(from, number, names[s]) && !states_[s].defined()) states_[s] = zeros_like(values_);
    for (int s = 0; s < States; ++s)
      if (!saved(from, number, names[s])) states_[s] = {};
    for (std::size_t i = 0; i < list_.size(); ++i) {
      const std::string prefix = std::to_string(number + i) + '.';
      steps_[i] = number_in(any_tensor(from.at(prefix + "step")));
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
  static int64 number_in(const any_tensor& t) {
    int64 v = 0;
    const int64 ones[any_tensor::max_rank] = {1, 1, 1, 1, 1, 1, 1, 1};
    sinter::detail::convert_elements<int64>(any_tensor(storage_ptr(), &v, dtype::i64, t.dim(), ones, ones), t);
    return v;
  }
  template <class D> bool saved(const D& from, std::size_t number, const char* name) const {
    for (std::size_t i = 0; i < list_.size(); ++i)
      if (from.contains(std::to_string(number + i) + '.' + name)) return true;
    return false;
  }

  /// Is v, the value of parameter i, one that others share? Throws error if it cannot be written where it is.
  bool is_shared(std::size_t i, const any_tensor& v) const {
    if (!v.storage_handle()->shared.load(std::memory_order_relaxed)) return false;
    const any_tensor row_major = shaped(i, values_);
    for (int d = 0; d < v.dim(); ++d)
      if (v.sizes()[d] > 1 && v.strides()[d] != row_major.strides()[d]) fail<error>("an optimizer was given a shared parameter whose elements are not contiguous");
    return true;
  }
  /// Moves the values of parameter i into the buffer, behind its handles, and its gradient if it has one.
  void take(std::size_t i) {
    sinter::detail::convert_elements<T>(shaped(i, values_), list_[i].value());
    list_[i].set_data(storage_alias(values_.storage_handle()), values_.data() + first_[i]);  // counts its own versions
  }
  /// Makes sure that the gradient of parameter i is in the buffer, and its value, unless others share it. Where the value lies; null if
  /// there is no gradient.
  T* fetch(std::size_t i) {
    const sinter::detail::grad_slot& slot = *list_[i].slot();
    if (!slot.grad.block) return nullptr;
    const any_tensor now = list_[i].value();
    T* value = static_cast<T*>(now.data());
    if (value != values_.data() + first_[i] && !is_shared(i, now)) take(i), value = values_.data() + first_[i];  // somebody called set_data
    if (slot.grad.data != reinterpret_cast<char*>(grads_.data() + first_[i])) sinter::detail::convert_elements<T>(shaped(i, grads_), list_[i].grad());
    return value;
  }

  /// One pass over n elements at `value`, whose gradients and states are the buffers' from element `first` on.
  template <class Rule, class Numbers> void pass(const std::array<int, Rule::states>& states, T* value, int64 first, int64 n, const Numbers& numbers) {
    using R = typename numbers_in_<T>::type;
    constexpr int64 parts = sizeof(T) / sizeof(R);
    using source = detail::step_source<Rule, R>;
    using P = sinter::detail::make_program<source>;
    using form = sinter::detail::flat_operand;
    constexpr auto& plan = sinter::detail::flat_form<P>;
    static_assert(plan.possible, "sinter: an update rule is one element-wise pass");
    constexpr int inputs = sinter::detail::stage_program<P, 0>::operand_count;
    sinter::uint64 at[inputs + 1 + Rule::states] = {};
    double number_of[inputs + 1] = {};
    const auto put = [&](int operand, T* data) {
      const sinter::uint64 where = sinter::detail::address_of(data);
      const form& o = plan.operands[operand];
      if (o.input >= 0) at[o.input] = where;
      return where;
    };
    at[inputs + plan.output_of[0]] = put(0, value);
    put(1, grads_.data() + first);
    int leaf = 2;
    for (const int s : states) at[inputs + plan.output_of[leaf - 1]] = put(leaf, states_[s].data() + first), ++leaf;
    for (int i = 0; i < source::numbers; ++i)
      if (const form& o = plan.operands[source::tensors + i]; o.input >= 0) number_of[o.input] = numbers.v[i];
    sinter::detail::run_flat<P, native>(at, number_of, parts * n);
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
