// SPDX-License-Identifier: BSD-3-Clause
// A smaller lr when a loss no longer falls. Next: lr_scheduler.hpp for what depends on the epoch only.
#pragma once
#include "lr_scheduler.hpp"

namespace sinter::inline v0::optim::inline SINTER_TARGET {

enum class plateau { min, max };
enum class threshold { rel, abs };
struct reduce_lr_on_plateau_options {
  plateau mode = plateau::min;  ///< a metric that should fall (a loss), or grow (an accuracy)
  double factor = 0.1;
  int64 patience = 10;  ///< bad epochs that are borne
  double threshold = 1e-4;
  optim::threshold threshold_mode = optim::threshold::rel;  ///< better by a part of the best, or by an amount
  int64 cooldown = 0;  ///< epochs after a reduction in which none counts as bad
  per_group min_lr = 0;
  double eps = 1e-8;  ///< smaller changes of lr are not made
};

/// lr <- max(factor lr, min_lr) after more than `patience` epochs in a row without a metric better than the best; one that is
/// not a number is not better. Throws error for a factor of 1 or more. It refers to the optimizer, which has to stay where it is.
/// https://pytorch.org/docs/stable/generated/torch.optim.lr_scheduler.ReduceLROnPlateau.html
class reduce_lr_on_plateau {
 public:
  template <class Optimizer> explicit reduce_lr_on_plateau(Optimizer& o, const reduce_lr_on_plateau_options& options = {}) : groups_(o), o_(options) {
    if (!(o_.factor < 1)) fail<error>("reduce_lr_on_plateau: a factor of ", o_.factor, " reduces nothing");
    o_.min_lr.check("reduce_lr_on_plateau: min_lr", groups_.size());
    best_ = o_.mode == plateau::min ? std::numeric_limits<double>::infinity() : -std::numeric_limits<double>::infinity();
    last_lr_ = groups_.lrs();
  }

  /// After an epoch, with its loss (or whatever is watched).
  void step(double metric) {
    if (better(metric)) {
      best_ = metric, bad_epochs_ = 0;
    } else {
      ++bad_epochs_;
    }
    if (cooldown_ > 0) --cooldown_, bad_epochs_ = 0;
    if (bad_epochs_ > o_.patience) {
      o_.min_lr.check("reduce_lr_on_plateau: min_lr", groups_.size());
      for (std::size_t i = 0; i < groups_.size(); ++i) {
        const double old = groups_[i].lr, least = o_.min_lr[i], lr = old * o_.factor > least ? old * o_.factor : least;
        if (old - lr > o_.eps) groups_[i].lr = lr;
      }
      cooldown_ = o_.cooldown, bad_epochs_ = 0;
    }
    ++last_epoch_;
    last_lr_ = groups_.lrs();
  }
  /// The lr of each group after the last step.
  const std::vector<double>& get_last_lr() const { return last_lr_; }
  int64 last_epoch() const { return last_epoch_; }

  /// "best", "num_bad_epochs", "cooldown_counter", "last_epoch", "_last_lr".
  nn::state_dict state_dict() const {
    nn::state_dict out;
    out.set("best", full<double>({}, best_));
    out.set("num_bad_epochs", full<int64>({}, bad_epochs_));
    out.set("cooldown_counter", full<int64>({}, cooldown_));
    out.set("last_epoch", full<int64>({}, last_epoch_));
    out.set("_last_lr", detail::numbers_tensor(last_lr_));
    return out;
  }
  /// Continues where `from` was taken; load the optimizer's state, too, which has the lr. Throws error for a missing name,
  /// shape_error for what is no single number; nothing has changed then.
  template <class D> void load_state_dict(const D& from) {
    const nn::state_dict d = detail::as_state_dict(from);
    const double best = detail::read_number(d, "best"), bad = detail::read_number(d, "num_bad_epochs");
    const double cooldown = detail::read_number(d, "cooldown_counter"), epoch = detail::read_number(d, "last_epoch");
    last_lr_ = detail::read_numbers(d, "_last_lr");
    best_ = best, bad_epochs_ = static_cast<int64>(bad), cooldown_ = static_cast<int64>(cooldown), last_epoch_ = static_cast<int64>(epoch);
  }

 private:
  bool better(double metric) const {
    const bool relative = o_.threshold_mode == optim::threshold::rel;
    if (o_.mode == plateau::min) return metric < (relative ? best_ * (1 - o_.threshold) : best_ - o_.threshold);
    return metric > (relative ? best_ * (1 + o_.threshold) : best_ + o_.threshold);
  }

  detail::scheduled_groups groups_;
  reduce_lr_on_plateau_options o_;
  double best_;
  int64 bad_epochs_ = 0, cooldown_ = 0, last_epoch_ = 0;
  std::vector<double> last_lr_;
};

}  // namespace sinter::inline v0::optim::inline SINTER_TARGET
