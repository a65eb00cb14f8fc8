// SPDX-License-Identifier: BSD-3-Clause
// detect_anomaly: backward stops at the statement that made the first NaN, and says which it was.
#pragma once
#include <cstdio>
#include <cstring>

#include "engine.hpp"

namespace sinter::inline v0 {
namespace detail::inline SINTER_TARGET {

/// Is this number a NaN? By its bits: fast-math compiles x != x away.
inline bool is_nan_bits(const char* p, dtype t) {
  if (t == dtype::f64) {
    uint64 b;
    std::memcpy(&b, p, sizeof b);
    return (b & 0x7fffffffffffffffu) > 0x7ff0000000000000u;
  }
  if (t == dtype::f32) {
    uint32 b;
    std::memcpy(&b, p, sizeof b);
    return (b & 0x7fffffffu) > 0x7f800000u;
  }
  if (t != dtype::f16 && t != dtype::bf16) return false;
  unsigned short b;
  std::memcpy(&b, p, sizeof b);
  return (b & 0x7fffu) > (t == dtype::f16 ? 0x7c00u : 0x7f80u);
}
inline bool has_nan(const operand& o, dtype t) {
  if (!o.data) return false;
  if (is_complex(t)) return has_nan(part_of(o, t, 0), real_type(t)) || has_nan(part_of(o, t, 1), real_type(t));
  for (int64 i = 0, n = o.shape.numel(); i < n; ++i) {
    int64 rest = i, at = 0;
    for (int d = o.shape.rank - 1; d >= 0; --d) at += rest % o.shape[d] * o.strides[d], rest /= o.shape[d];
    if (is_nan_bits(o.data + at * size_of(t), t)) return true;
  }
  return false;
}

class anomaly_watch final : public node_watch {
 public:
  bool check_nan = true;
  void before(const backward_walk& w, node_base& n) override {
    for (int i = 0; i < n.input_count(); ++i) was_nan_.push(check_nan && collected_nan(w, n.input(i)));
  }
  void after(const backward_walk& w, node_base& n, const any_variable* found) override {
    const int count = n.input_count(), first = was_nan_.size() - count;
    int bad = -1;
    for (int i = 0; check_nan && i < count && bad < 0; ++i) {
      const bool nan = found ? found[i].defined() && has_nan(found[i].value, found[i].type) : !was_nan_[first + i] && collected_nan(w, n.input(i));
      if (nan) bad = i;
    }
    forget(n);
    if (bad < 0) return;
    std::string what;
    n.describe(what);
    fail<autograd_error>("detect_anomaly: backward of statement number ", n.number, " (", what, ") gave NaN for operand ", bad, " of shape ",
                         shape_text{n.input(bad)->shape.e, n.input(bad)->shape.rank});
  }
  void failed(node_base& n) override {
    std::string what;
    n.describe(what);
    std::fprintf(stderr, "sinter: detect_anomaly: an error was raised in backward of statement number %lld (%s)\n", static_cast<long long>(n.number), what.c_str());
    forget(n);
  }

 private:
  static bool collected_nan(const backward_walk& w, const grad_slot* s) {
    const gradient* const g = s ? collected_so_far(w, *s) : nullptr;
    return g && has_nan(gradient_operand(*g, s->shape), s->type);
  }
  void forget(node_base& n) {
    for (int i = 0; i < n.input_count() && was_nan_.size(); ++i) was_nan_.pop();
  }
  vec<bool> was_nan_;
};

}  // namespace detail::inline SINTER_TARGET
inline namespace SINTER_TARGET {

/// `st::set_detect_anomaly guard(true);`: until the end of the scope, walks backward of this thread look at every gradient.
/// The first NaN raises autograd_error, which names the statement whose backward made it: its place in the order of recording, its
/// ops and the shapes of its operands; an error that backward raises itself is followed by the same on stderr. For the search: it
/// reads all gradients once more. `check_nan = false` names the statements of errors only. Costs one look at a flag per statement
/// where it is off. https://pytorch.org/docs/stable/autograd.html#torch.autograd.set_detect_anomaly
class set_detect_anomaly {
 public:
  explicit set_detect_anomaly(bool mode, bool check_nan = true) : old_(detail::watched_by()) {
    watch_.check_nan = check_nan;
    detail::watched_by() = mode ? &watch_ : nullptr;
  }
  ~set_detect_anomaly() { detail::watched_by() = old_; }
  set_detect_anomaly(const set_detect_anomaly&) = delete;
  set_detect_anomaly& operator=(const set_detect_anomaly&) = delete;

 private:
  detail::anomaly_watch watch_;
  detail::node_watch* old_;
};
/// The same, on.
struct detect_anomaly : set_detect_anomaly {
  explicit detect_anomaly(bool check_nan = true) : set_detect_anomaly(true, check_nan) {}
};
inline bool is_anomaly_enabled() { return detail::watched_by() != nullptr; }

}  // namespace SINTER_TARGET
}  // namespace sinter::inline v0
