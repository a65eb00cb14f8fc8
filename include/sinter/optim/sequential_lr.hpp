// SPDX-License-Identifier: BSD-3-Clause
// Schedulers one after another: a warm-up, then a decay. Next: one_cycle_lr.hpp.
#pragma once
#include "lr_scheduler.hpp"

namespace sinter::inline v0::optim::inline SINTER_TARGET {

/// One scheduler after another: number k from milestone k - 1 on, starting at its epoch 0. It refers to them; their step() is
/// called by this one's only. Throws error where they do not belong together.
/// https://pytorch.org/docs/stable/generated/torch.optim.lr_scheduler.SequentialLR.html
class sequential_lr final : public lr_scheduler {
 public:
  template <class Optimizer> sequential_lr(Optimizer& o, std::vector<lr_scheduler*> schedulers, std::vector<int64> milestones)
      : lr_scheduler(o, -1), schedulers_(std::move(schedulers)), milestones_(std::move(milestones)) {
    if (milestones_.size() + 1 != schedulers_.size())
      fail<error>("sequential_lr: ", schedulers_.size(), " schedulers and ", milestones_.size(), " milestones: one lies between each two schedulers");
    for (std::size_t k = 0; k < milestones_.size(); ++k)
      if (milestones_[k] < (k ? milestones_[k - 1] : 1)) fail<error>("sequential_lr: the milestones do not grow from 1 on");
    for (const auto* s : schedulers_)
      if (!(s->groups() == groups())) fail<error>("sequential_lr: a scheduler is of another optimizer");
    for (std::size_t i = 0; i < groups().size(); ++i) groups()[i].lr = groups()[i].initial_lr.value_or(groups()[i].lr);
    restart(true);
  }
  void step() override {
    const std::size_t before = current();
    ++last_epoch_;
    if (current() == before) now().step();
    else now().restart(false);
    last_lr_ = now().last_lr_;
  }

 private:
  std::size_t current() const {
    std::size_t k = 0;
    while (k < milestones_.size() && milestones_[k] <= last_epoch_) ++k;
    return k;
  }
  lr_scheduler& now() const { return *schedulers_[current()]; }
  void restart(bool initial) override {
    last_epoch_ = 0;
    now().restart(initial);
    last_lr_ = now().last_lr_;
  }
  double next(std::size_t i) override { return lr(i); }
  void save(nn::state_dict& out, const std::string& prefix) const override {
    out.set(prefix + "last_epoch", full<int64>({}, last_epoch_));
    out.set(prefix + "_last_lr", detail::numbers_tensor(last_lr_));
    for (std::size_t k = 0; k < schedulers_.size(); ++k) schedulers_[k]->save(out, prefix + "_schedulers." + std::to_string(k) + '.');
  }
  void load(const nn::state_dict& from, const std::string& prefix, bool write) override {
    const auto epoch = static_cast<int64>(detail::read_number(from, prefix + "last_epoch"));
    auto last = detail::read_numbers(from, prefix + "_last_lr");
    for (std::size_t k = 0; k < schedulers_.size(); ++k) schedulers_[k]->load(from, prefix + "_schedulers." + std::to_string(k) + '.', write);
    if (write) last_epoch_ = epoch, last_lr_.swap(last);
  }
  std::vector<lr_scheduler*> schedulers_;
  std::vector<int64> milestones_;
};

}  // namespace sinter::inline v0::optim::inline SINTER_TARGET
