// SPDX-License-Identifier: BSD-3-Clause
// Learning rates that change from epoch to epoch, for the groups of any optimizer. Not here: the groups (optimizer.hpp).
// Next: sequential_lr.hpp, one_cycle_lr.hpp, reduce_lr_on_plateau.hpp.
//
//   st::optim::sgd opt{net.parameters(), {.lr = 0.1}};
//   st::optim::step_lr schedule{opt, 30};               // made after the optimizer, which it refers to
//   for (int epoch = 0; epoch < 90; ++epoch) { train(net, opt); schedule.step(); }
//
// As PyTorch's they can be chained: each multiplies or moves the lr that it finds, so several may work on one optimizer.
// https://pytorch.org/docs/stable/optim.html#how-to-adjust-learning-rate
#pragma once
#include <cmath>
#include <limits>

#include "optimizer.hpp"

namespace sinter::inline v0::optim::inline SINTER_TARGET {

namespace detail {

/// The groups of an optimizer of any type, as far as schedulers change them.
class scheduled_groups {
 public:
  struct entry {
    double& lr;
    std::optional<double>& initial_lr;
    double* momentum;  ///< or beta 1; null: the optimizer has neither
  };
  template <class Optimizer> explicit scheduled_groups(Optimizer& o)
      : optimizer_(&o), size_([](const void* p) { return static_cast<const Optimizer*>(p)->groups().size(); }), at_([](void* p, std::size_t i) {
          auto& g = static_cast<Optimizer*>(p)->groups()[i];
          double* momentum = nullptr;
          if constexpr (requires { g.options.betas; }) momentum = &g.options.betas.first;
          else if constexpr (requires { g.options.momentum; }) momentum = &g.options.momentum;
          return entry{g.options.lr, g.initial_lr, momentum};
        }) {}
  std::size_t size() const { return size_(optimizer_); }
  entry operator[](std::size_t i) const { return at_(optimizer_, i); }
  bool operator==(const scheduled_groups& o) const { return optimizer_ == o.optimizer_; }
  std::vector<double> lrs() const {
    std::vector<double> all;
    for (std::size_t i = 0; i < size(); ++i) all.push_back((*this)[i].lr);
    return all;
  }

 private:
  void* optimizer_;
  std::size_t (*size_)(const void*);
  entry (*at_)(void*, std::size_t);
};

// Numbers of a scheduler as the tensors of a state_dict, and back.
inline any_tensor numbers_tensor(const std::vector<double>& v) {
  const auto t = empty<double>({static_cast<int64>(v.size())});
  for (std::size_t i = 0; i < v.size(); ++i) t.data()[i] = v[i];
  return t;
}
inline std::vector<double> read_numbers(const nn::state_dict& from, const std::string& name) {
  const any_tensor t = from.at(name);
  const auto buffer = empty<double>({t.numel()});
  if (t.dim() > 1) fail<shape_error>("load_state_dict: ", name, " has shape ", shape_text{t.sizes(), t.dim()}, ", it should be a list of numbers");
  int64 sizes[1] = {t.numel()}, strides[1] = {t.dim() ? t.strides()[0] : 1};
  convert_elements<double>(buffer, any_tensor(t.storage_handle(), t.data(), t.dtype(), 1, sizes, strides));
  return {buffer.data(), buffer.data() + buffer.numel()};
}
inline double read_number(const nn::state_dict& from, const std::string& name) {
  const auto v = read_numbers(from, name);
  if (v.size() != 1) fail<shape_error>("load_state_dict: ", name, " is no single number");
  return v[0];
}
template <class D> nn::state_dict as_state_dict(const D& from) {
  nn::state_dict d;
  nn::detail::for_names(from, [&](const std::string& name) { d.set(name, any_tensor(from.at(name))); });
  return d;
}

}  // namespace detail

/// One number for all groups (`0.1`), or one for each (`{0.1, 0.01}`).
class per_group {
 public:
  per_group(double v) : v_{v} {}
  per_group(std::initializer_list<double> v) : v_(v) {}
  per_group(std::vector<double> v) : v_(static_cast<std::vector<double>&&>(v)) {}
  /// Throws error unless there is one number, or one for each of `groups`.
  void check(const char* name, std::size_t groups) const {
    if (v_.size() != 1 && v_.size() != groups) fail<error>(name, " has ", v_.size(), " values for ", groups, " groups of parameters");
  }
  double operator[](std::size_t i) const { return v_.size() == 1 ? v_[0] : v_.at(i); }

 private:
  std::vector<double> v_;
};

/// What all schedulers share; refers to the optimizer, which has to stay where it is. They start from the lr that each group
/// has when the first scheduler is made (its initial_lr), and set the lr of epoch 0 at once. With `last_epoch` training goes
/// on after that epoch with the lr that the optimizer has; error where it has no initial_lr, as a loaded one has.
/// https://pytorch.org/docs/stable/generated/torch.optim.lr_scheduler.LRScheduler.html
class lr_scheduler {
 public:
  virtual ~lr_scheduler() = default;
  /// The next epoch (or batch): after the optimizer's steps in this one.
  virtual void step() { go_to(last_epoch_ + 1, false); }
  /// The lr of each group, as this scheduler last set it.
  const std::vector<double>& get_last_lr() const { return last_lr_; }
  /// Where it is: 0 after it was made.
  int64 last_epoch() const { return last_epoch_; }

  /// "last_epoch", "base_lrs", "_last_lr": what changes, without the constants of the constructor. The lr itself is in the
  /// state of the optimizer.
  nn::state_dict state_dict() const {
    nn::state_dict out;
    save(out, "");
    return out;
  }
  /// Continues where `from` was taken, by a scheduler with the same constants; load the optimizer's state, too.
  /// Throws error for a missing name and shape_error for another number of groups; nothing has changed then.
  template <class D> void load_state_dict(const D& from) {
    const nn::state_dict d = detail::as_state_dict(from);
    load(d, "", false), load(d, "", true);  // first look, then write
  }

 protected:
  template <class Optimizer> lr_scheduler(Optimizer& o, int64 last_epoch) : groups_(o), last_epoch_(last_epoch) {}
  /// The last line of each constructor.
  void start() {
    for (std::size_t i = 0; i < groups_.size() && last_epoch_ >= 0; ++i)
      if (!groups_[i].initial_lr) fail<error>("an lr scheduler with last_epoch needs the initial_lr of group ", i, ": load the optimizer's state first");
    initial_ = true;
    go_to(last_epoch_ + 1, false);
    initial_ = false;
  }
  /// Epoch 0; `initial`: of groups whose lr is the initial one.
  virtual void restart(bool initial) {
    initial_ = initial;
    go_to(0, !initial);
    initial_ = false;
  }
  /// The lr of group i at last_epoch(), from the one that it has.
  virtual double next(std::size_t i) = 0;
  /// The lr of group i at epoch 0, whatever it has.
  virtual double first(std::size_t i) { return base_lr(i); }
  virtual void save(nn::state_dict& out, const std::string& prefix) const {
    out.set(prefix + "last_epoch", full<int64>({}, last_epoch_));
    out.set(prefix + "base_lrs", detail::numbers_tensor(base_lrs_));
    out.set(prefix + "_last_lr", detail::numbers_tensor(last_lr_));
  }
  virtual void load(const nn::state_dict& from, const std::string& prefix, bool write) {
    const auto epoch = static_cast<int64>(detail::read_number(from, prefix + "last_epoch"));
    auto base = detail::read_numbers(from, prefix + "base_lrs"), last = detail::read_numbers(from, prefix + "_last_lr");
    if (base.size() != groups_.size() || last.size() != groups_.size())
      fail<shape_error>("load_state_dict: ", base.size(), " lrs for ", groups_.size(), " groups of parameters");
    if (write) last_epoch_ = epoch, base_lrs_.swap(base), last_lr_.swap(last);
  }

  double lr(std::size_t i) const { return groups_[i].lr; }
  double base_lr(std::size_t i) const { return base_lrs_[i]; }
  bool initial() const { return initial_; }  ///< the constructor is making the first step
  const detail::scheduled_groups& groups() const { return groups_; }

 private:
  friend class sequential_lr;
  void go_to(int64 epoch, bool again) {
    last_epoch_ = epoch;
    for (std::size_t i = base_lrs_.size(); i < groups_.size(); ++i) {  // all at first, later those that were added
      const auto g = groups_[i];
      if (!g.initial_lr) g.initial_lr = g.lr;
      base_lrs_.push_back(*g.initial_lr);
    }
    for (std::size_t i = 0; i < groups_.size(); ++i) groups_[i].lr = again ? first(i) : next(i);
    last_lr_ = groups_.lrs();
  }

  detail::scheduled_groups groups_;
  int64 last_epoch_;
  bool initial_ = false;
  std::vector<double> base_lrs_, last_lr_;
};

/// lr <- base f(epoch), or base f(epoch, group) for a function that takes both.
/// https://pytorch.org/docs/stable/generated/torch.optim.lr_scheduler.LambdaLR.html
template <class F> class lambda_lr final : public lr_scheduler {
 public:
  template <class Optimizer> lambda_lr(Optimizer& o, F f, int64 last_epoch = -1) : lr_scheduler(o, last_epoch), f_(f) { start(); }

 private:
  double next(std::size_t i) override {
    if constexpr (std::is_invocable_v<F&, int64, std::size_t>) return base_lr(i) * f_(last_epoch(), i);
    else return base_lr(i) * f_(last_epoch());
  }
  double first(std::size_t i) override { return next(i); }
  F f_;
};

/// lr <- gamma lr every step_size epochs. Throws error for a step_size below 1.
/// https://pytorch.org/docs/stable/generated/torch.optim.lr_scheduler.StepLR.html
class step_lr final : public lr_scheduler {
 public:
  template <class Optimizer> step_lr(Optimizer& o, int64 step_size, double gamma = 0.1, int64 last_epoch = -1)
      : lr_scheduler(o, last_epoch), step_size_(step_size), gamma_(gamma) {
    if (step_size < 1) fail<error>("step_lr: a step_size of ", step_size, " epochs");
    start();
  }

 private:
  double next(std::size_t i) override { return last_epoch() == 0 || last_epoch() % step_size_ ? lr(i) : lr(i) * gamma_; }
  int64 step_size_;
  double gamma_;
};

/// lr <- gamma lr at each of the milestones; at one that is given twice, twice.
/// https://pytorch.org/docs/stable/generated/torch.optim.lr_scheduler.MultiStepLR.html
class multi_step_lr final : public lr_scheduler {
 public:
  template <class Optimizer> multi_step_lr(Optimizer& o, std::vector<int64> milestones, double gamma = 0.1, int64 last_epoch = -1)
      : lr_scheduler(o, last_epoch), milestones_(std::move(milestones)), gamma_(gamma) {
    start();
  }

 private:
  double next(std::size_t i) override {
    int count = 0;
    for (const int64 m : milestones_) count += m == last_epoch();
    return count ? lr(i) * std::pow(gamma_, count) : lr(i);
  }
  std::vector<int64> milestones_;
  double gamma_;
};

/// lr is factor base until epoch total_iters, then base. Throws error for a factor outside (0, 1].
/// https://pytorch.org/docs/stable/generated/torch.optim.lr_scheduler.ConstantLR.html
class constant_lr final : public lr_scheduler {
 public:
  template <class Optimizer> constant_lr(Optimizer& o, double factor = 1.0 / 3, int64 total_iters = 5, int64 last_epoch = -1)
      : lr_scheduler(o, last_epoch), factor_(factor), total_(total_iters) {
    if (!(factor > 0 && factor <= 1)) fail<error>("constant_lr: a factor of ", factor, ", not in (0, 1]");
    start();
  }

 private:
  double next(std::size_t i) override { return last_epoch() == 0 ? lr(i) * factor_ : last_epoch() == total_ ? lr(i) * (1 / factor_) : lr(i); }
  double first(std::size_t i) override { return base_lr(i) * factor_; }
  double factor_;
  int64 total_;
};

/// lr goes in a straight line from start_factor base at epoch 0 to end_factor base at epoch total_iters: a warm-up.
/// Throws error for a start_factor outside (0, 1], an end_factor outside [0, 1], a total_iters below 1.
/// https://pytorch.org/docs/stable/generated/torch.optim.lr_scheduler.LinearLR.html
class linear_lr final : public lr_scheduler {
 public:
  template <class Optimizer>
  linear_lr(Optimizer& o, double start_factor = 1.0 / 3, double end_factor = 1, int64 total_iters = 5, int64 last_epoch = -1)
      : lr_scheduler(o, last_epoch), start_(start_factor), end_(end_factor), total_(total_iters) {
    if (!(start_factor > 0 && start_factor <= 1)) fail<error>("linear_lr: a start_factor of ", start_factor, ", not in (0, 1]");
    if (!(end_factor >= 0 && end_factor <= 1)) fail<error>("linear_lr: an end_factor of ", end_factor, ", not in [0, 1]");
    if (total_iters < 1) fail<error>("linear_lr: total_iters is ", total_iters);
    start();
  }

 private:
  double next(std::size_t i) override {
    if (last_epoch() == 0) return lr(i) * start_;
    if (initial() || last_epoch() > total_) return lr(i);
    return lr(i) * (1 + (end_ - start_) / (static_cast<double>(total_) * start_ + static_cast<double>(last_epoch() - 1) * (end_ - start_)));
  }
  double first(std::size_t i) override { return base_lr(i) * start_; }
  double start_, end_;
  int64 total_;
};

/// lr <- gamma lr every epoch. https://pytorch.org/docs/stable/generated/torch.optim.lr_scheduler.ExponentialLR.html
class exponential_lr final : public lr_scheduler {
 public:
  template <class Optimizer> exponential_lr(Optimizer& o, double gamma, int64 last_epoch = -1) : lr_scheduler(o, last_epoch), gamma_(gamma) { start(); }

 private:
  double next(std::size_t i) override { return initial() ? lr(i) : lr(i) * gamma_; }
  double gamma_;
};

/// lr is base (1 - epoch / total_iters)^power, 0 from epoch total_iters on. Throws error for a total_iters below 1.
/// https://pytorch.org/docs/stable/generated/torch.optim.lr_scheduler.PolynomialLR.html
class polynomial_lr final : public lr_scheduler {
 public:
  template <class Optimizer> polynomial_lr(Optimizer& o, int64 total_iters = 5, double power = 1, int64 last_epoch = -1)
      : lr_scheduler(o, last_epoch), total_(total_iters), power_(power) {
    if (total_iters < 1) fail<error>("polynomial_lr: total_iters is ", total_iters);
    start();
  }

 private:
  double next(std::size_t i) override {
    if (initial() || last_epoch() > total_) return lr(i);
    const double n = static_cast<double>(total_), t = static_cast<double>(last_epoch());
    return lr(i) * std::pow((1 - t / n) / (1 - (t - 1) / n), power_);
  }
  int64 total_;
  double power_;
};

/// lr is eta_min + (base - eta_min) (1 + cos(pi epoch / t_max)) / 2: down to eta_min at epoch t_max, and up again.
/// Throws error for a t_max below 1.
/// https://arxiv.org/abs/1608.03983, https://pytorch.org/docs/stable/generated/torch.optim.lr_scheduler.CosineAnnealingLR.html
class cosine_annealing_lr final : public lr_scheduler {
 public:
  template <class Optimizer> cosine_annealing_lr(Optimizer& o, int64 t_max, double eta_min = 0, int64 last_epoch = -1)
      : lr_scheduler(o, last_epoch), t_max_(t_max), eta_min_(eta_min) {
    if (t_max < 1) fail<error>("cosine_annealing_lr: t_max is ", t_max);
    start();
  }

 private:
  double next(std::size_t i) override {
    if (initial()) return lr(i);
    const double pi = 3.141592653589793, n = static_cast<double>(t_max_), t = static_cast<double>(last_epoch());
    if ((last_epoch() - 1 - t_max_) % (2 * t_max_) == 0) return lr(i) + (base_lr(i) - eta_min_) * (1 - std::cos(pi / n)) / 2;  // up from the bottom
    return (1 + std::cos(pi * t / n)) / (1 + std::cos(pi * (t - 1) / n)) * (lr(i) - eta_min_) + eta_min_;
  }
  double first(std::size_t i) override { return eta_min_ + (base_lr(i) - eta_min_); }
  int64 t_max_;
  double eta_min_;
};

}  // namespace sinter::inline v0::optim::inline SINTER_TARGET
