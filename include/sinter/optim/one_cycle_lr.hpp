// SPDX-License-Identifier: BSD-3-Clause
// The 1cycle policy: lr up and down again in one training, momentum the other way. Next: reduce_lr_on_plateau.hpp.
#pragma once
#include "lr_scheduler.hpp"

namespace sinter::inline v0::optim::inline SINTER_TARGET {

enum class anneal { cos, linear };
struct one_cycle_options {
  per_group max_lr;
  int64 total_steps = 0;  ///< or epochs and steps_per_epoch
  int64 epochs = 0, steps_per_epoch = 0;
  double pct_start = 0.3;  ///< the part of the cycle in which lr grows
  anneal anneal_strategy = anneal::cos;
  bool cycle_momentum = true;  ///< momentum, or Adam's first beta, goes the other way
  per_group base_momentum = 0.85, max_momentum = 0.95;
  double div_factor = 25, final_div_factor = 1e4;
  bool three_phase = false;
};

/// One cycle over a whole training, a step() per batch: lr from max_lr / div_factor up to max_lr, then down to
/// max_lr / div_factor / final_div_factor; momentum from max_momentum down to base_momentum and back. With three_phase lr
/// goes back as it came before it falls to the end. Throws error for no length, for options out of range, for
/// cycle_momentum with an optimizer that has none, and for a step after the last.
/// https://arxiv.org/abs/1708.07120, https://pytorch.org/docs/stable/generated/torch.optim.lr_scheduler.OneCycleLR.html
class one_cycle_lr final : public lr_scheduler {
 public:
  template <class Optimizer> one_cycle_lr(Optimizer& o, const one_cycle_options& options, int64 last_epoch = -1)
      : lr_scheduler(o, last_epoch), o_(options), total_(options.total_steps ? options.total_steps : options.epochs * options.steps_per_epoch) {
    if (total_ < 1 || o_.total_steps < 0 || o_.epochs < 0) fail<error>("one_cycle_lr: needs total_steps, or epochs and steps_per_epoch");
    if (!(o_.pct_start >= 0 && o_.pct_start <= 1)) fail<error>("one_cycle_lr: pct_start is ", o_.pct_start, ", not in [0, 1]");
    o_.max_lr.check("one_cycle_lr: max_lr", groups().size());
    o_.base_momentum.check("one_cycle_lr: base_momentum", groups().size());
    o_.max_momentum.check("one_cycle_lr: max_momentum", groups().size());
    if (o_.cycle_momentum && !groups()[0].momentum)
      fail<error>("one_cycle_lr: this optimizer has no momentum or betas to cycle: set cycle_momentum = false");
    for (std::size_t i = 0; i < groups().size() && last_epoch == -1; ++i) groups()[i].initial_lr = o_.max_lr[i] / o_.div_factor;
    start();
  }
  void step() override {
    if (last_epoch() >= total_) fail<error>("one_cycle_lr: the cycle is over after ", total_, " steps");
    o_.max_lr.check("one_cycle_lr: max_lr", groups().size());
    lr_scheduler::step();
  }

 private:
  double annealed(double from, double to, double part) const {
    if (o_.anneal_strategy == anneal::linear) return (to - from) * part + from;
    return to + (from - to) / 2 * (std::cos(3.141592653589793 * part) + 1);
  }
  double next(std::size_t i) override {
    const double low = *groups()[i].initial_lr, top = o_.max_lr[i], least = low / o_.final_div_factor;
    const double most = o_.max_momentum[i], base = o_.base_momentum[i];
    const double n = static_cast<double>(total_), up = o_.pct_start * n - 1, back = 2 * o_.pct_start * n - 2, t = static_cast<double>(last_epoch());
    const auto at = [&](double begin, double end, double lr0, double lr1, double momentum0, double momentum1) {
      const double part = end - begin < 1e-9 ? 1 : (t - begin) / (end - begin);  // phases are steps long, or nothing but rounding
      if (o_.cycle_momentum) *groups()[i].momentum = annealed(momentum0, momentum1, part);
      return annealed(lr0, lr1, part);
    };
    if (t <= up) return at(0, up, low, top, most, base);
    if (!o_.three_phase) return at(up, n - 1, top, least, base, most);
    if (t <= back) return at(up, back, top, low, base, most);
    return at(back, n - 1, low, least, most, most);
  }
  double first(std::size_t i) override { return next(i); }
  one_cycle_options o_;
  int64 total_;
};

}  // namespace sinter::inline v0::optim::inline SINTER_TARGET
