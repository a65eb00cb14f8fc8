// SPDX-License-Identifier: BSD-3-Clause
// What all optimizers share: groups of parameters, each with options of its own, and the state of all in one dictionary.
// Not here: update rules (sgd.hpp, adam.hpp), how a step runs (flat.hpp). Next: sgd.hpp for the plainest rule.
#pragma once
#include <optional>

#include "flat.hpp"

namespace sinter::inline v0::optim::inline SINTER_TARGET {

/// An entry of the list that an optimizer is made of: parameters, and their options where these are not the optimizer's.
/// The options replace all of the optimizer's: to change one, copy those and change it, or use add_param_group.
template <class T, class Options> struct param_group {
  parameter_list<T> params;
  std::optional<Options> options = {};
};

/// Decay rates of the two means that Adam takes.
struct adam_betas {
  double first = 0.9, second = 0.999;
};

namespace detail {

inline void not_negative(const char* optimizer, const char* option, double value) {
  if (!(value >= 0)) fail<error>(optimizer, ": ", option, " is ", value, ", but has to be 0 or more");
}

// Options as the tensors of a state_dict, and back.
inline any_tensor option_tensor(double v) { return full<double>({}, v); }
inline any_tensor option_tensor(bool v) { return full<bool>({}, v); }
inline any_tensor option_tensor(adam_betas v) { return array<double>({v.first, v.second}); }
template <class V> void read_option(const any_tensor& from, V& to) {
  const V old = to;
  const any_tensor buffer = option_tensor(old);
  if (!same_shape(buffer, from))
    fail<shape_error>("load_state_dict: an option of shape ", shape_text{from.sizes(), from.dim()}, " is no ", buffer.numel() == 1 ? "number" : "pair");
  if constexpr (std::is_same_v<V, bool>) {
    convert_elements<bool>(buffer, from);
    to = *static_cast<const bool*>(buffer.data());
  } else {
    convert_elements<double>(buffer, from);
    const auto* v = static_cast<const double*>(buffer.data());
    if constexpr (std::is_same_v<V, adam_betas>) to = {v[0], v[1]};
    else to = v[0];
  }
}

}  // namespace detail

/// One group of an optimizer's parameters.
template <class T, class Method> class group {
 public:
  using options_type = typename Method::options;
  options_type options;              ///< may be changed between steps
  std::optional<double> initial_lr;  ///< what lr schedulers start from; the first one sets it

  group(const parameter_list<T>& parameters, const options_type& o) : options(o), flat_(parameters) { Method::start(flat_, o); }
  group(const param_group<T, options_type>& g, const options_type& defaults) : group(g.params, g.options.value_or(defaults)) {}
  const parameter_list<T>& params() const { return flat_.list(); }

 private:
  template <class, class> friend class optimizer;
  flat_parameters<T, Method::states> flat_;
};

/// What sgd, adam, ... have in common. `Method` is one of them: its options and each of them by name, check() of their ranges,
/// the names of its states (the first `always` exist after every first step), start() and step() for one group.
/// The optimizer is its first group, so that `options` means all of an optimizer made from one list.
/// https://pytorch.org/docs/stable/optim.html
template <class T, class Method> class optimizer : public group<T, Method> {
 public:
  using typename group<T, Method>::options_type;
  using param_group = optim::param_group<T, options_type>;

  /// One group. Throws error for an empty list and for options out of their range.
  explicit optimizer(const parameter_list<T>& parameters, const options_type& o = {}) : group<T, Method>(checked(parameters, o), o), defaults_(o) {}
  template <number N> optimizer(const parameter_list<T>& parameters, N) : optimizer(parameters) {
    static_assert(sinter::detail::never<N>, "sinter: options have names: `st::optim::adam opt{net.parameters(), {.lr = 1e-3}}`");
  }
  /// Several groups: `sgd<float> o{{{weights}, {biases, without_decay}}, defaults}`. Throws error as above, for no group,
  /// and for a parameter in two groups.
  explicit optimizer(const std::vector<param_group>& list, const options_type& o = {})
      : group<T, Method>(checked(list, o), o), defaults_(o) {
    for (std::size_t i = 1; i < list.size(); ++i) more_.emplace_back(list[i], o);
  }

  /// One more group, with the options that the optimizer was made with; `add_param_group(biases).options.weight_decay = 0`
  /// changes one. The reference holds until the next group is added. Throws error as the constructor, and adds nothing then.
  group<T, Method>& add_param_group(const parameter_list<T>& parameters) { return add_param_group(parameters, defaults_); }
  group<T, Method>& add_param_group(const parameter_list<T>& parameters, const options_type& o) {
    checked(parameters, o);
    for (const auto& g : groups()) disjoint(g.params(), parameters);
    return more_.emplace_back(parameters, o);
  }
  /// The groups in the order they were added: `groups()[1].options.lr = 0.1`, or a loop over all.
  auto groups() { return range<optimizer, group<T, Method>>{this}; }
  auto groups() const { return range<const optimizer, const group<T, Method>>{this}; }

  /// One update of every parameter that has a gradient, in one pass over the memory of each group.
  void step() {
    for (auto& g : groups()) Method::step(g.flat_, g.options);
  }
  /// Forgets the gradients of all parameters.
  void zero_grad() {
    for (auto& g : groups()) g.flat_.zero_grad();
  }

  /// "0.step", "0.exp_avg", ...: the state of all parameters, numbered through all groups, which shares their elements;
  /// "param_groups.0.lr", ...: the options of the groups.
  /// https://pytorch.org/docs/stable/generated/torch.optim.Optimizer.state_dict.html
  nn::state_dict state_dict() const {
    nn::state_dict out;
    std::size_t number = 0;
    for (const auto& g : groups()) g.flat_.save(out, number, Method::names), number += g.params().size();
    number = 0;
    for (std::size_t i = 0; i < groups().size(); ++i) {
      const auto& g = groups()[i];
      const std::string prefix = prefix_of(i);
      Method::each(g.options, [&](const char* name, auto value) { out.set(prefix + name, detail::option_tensor(value)); });
      if (g.initial_lr) out.set(prefix + "initial_lr", detail::option_tensor(*g.initial_lr));
      const auto last = number + g.params().size();
      out.set(prefix + "params", arange<int64>(static_cast<int64>(number), static_cast<int64>(last)));
      number = last;
    }
    return out;
  }
  /// Continues where `from` (a state_dict, a std::map, what load_safetensors returns) was taken: state and, where it has
  /// them, options. Throws error for a missing name or another number of groups or parameters, shape_error and dtype_error
  /// for elements that do not fit; nothing has changed then.
  template <class D> void load_state_dict(const D& from) {
    std::vector<std::pair<options_type, std::optional<double>>> found;
    const bool with_groups = from.contains(prefix_of(0) + "params");
    if (with_groups && (!from.contains(prefix_of(groups().size() - 1) + "params") || from.contains(prefix_of(groups().size()) + "params")))
      fail<error>("load_state_dict: the number of parameter groups is not that of the optimizer, ", groups().size());
    std::size_t number = 0;
    for (std::size_t i = 0; i < groups().size(); ++i) {
      const auto& g = groups()[i];
      const std::string prefix = prefix_of(i);
      const auto here = static_cast<int64>(g.params().size()), there = with_groups ? any_tensor(from.at(prefix + "params")).numel() : here;
      if (here != there) fail<error>("load_state_dict: group ", i, " has ", there, " parameters there, ", here, " in the optimizer");
      found.emplace_back(g.options, g.initial_lr);
      auto& [o, initial] = found.back();
      const auto read = [&](const char* name, auto& value) {
        if (from.contains(prefix + name)) detail::read_option(any_tensor(from.at(prefix + name)), value);
      };
      Method::each(o, read);
      if (from.contains(prefix + "initial_lr")) read("initial_lr", initial.emplace());
      g.flat_.check(from, number, Method::names, Method::always);
      number += g.params().size();
    }
    number = 0;
    for (std::size_t i = 0; i < groups().size(); ++i) {  // first look, then write
      auto& g = groups()[i];
      g.flat_.load(from, number, Method::names);
      number += g.params().size();
      g.options = found[i].first, g.initial_lr = found[i].second;
    }
  }

 private:
  template <class Optimizer, class Group> struct range {
    Optimizer* o;
    std::size_t size() const { return 1 + o->more_.size(); }
    Group& operator[](std::size_t i) const {
      if (i >= size()) fail<index_error>("groups: there is no group ", i, ", the optimizer has ", size());
      return i ? o->more_[i - 1] : static_cast<Group&>(*o);
    }
    struct iterator {
      Optimizer* o;
      std::size_t i;
      Group& operator*() const { return range{o}[i]; }
      iterator& operator++() { return ++i, *this; }
      bool operator!=(const iterator& other) const { return i != other.i; }
    };
    iterator begin() const { return {o, 0}; }
    iterator end() const { return {o, size()}; }
  };

  static std::string prefix_of(std::size_t i) { return "param_groups." + std::to_string(i) + '.'; }
  static void disjoint(const parameter_list<T>& a, const parameter_list<T>& b) {
    for (const auto& p : a)
      for (const auto& q : b)
        if (p.slot() == q.slot()) fail<error>("an optimizer was given a parameter in two groups");
  }
  // Before anything moves into a buffer.
  static const parameter_list<T>& checked(const parameter_list<T>& parameters, const options_type& o) {
    if (parameters.empty()) fail<error>("an optimizer was given no parameters: does members() list them?");
    Method::check(o);
    return parameters;
  }
  static const param_group& checked(const std::vector<param_group>& list, const options_type& o) {
    if (list.empty()) fail<error>("an optimizer was given no groups of parameters");
    for (std::size_t i = 0; i < list.size(); ++i) {
      checked(list[i].params, list[i].options.value_or(o));
      for (std::size_t k = 0; k < i; ++k) disjoint(list[k].params, list[i].params);
    }
    return list[0];
  }

  options_type defaults_;
  std::vector<group<T, Method>> more_;
};

}  // namespace sinter::inline v0::optim::inline SINTER_TARGET
