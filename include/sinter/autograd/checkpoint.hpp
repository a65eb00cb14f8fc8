// SPDX-License-Identifier: BSD-3-Clause
// checkpoint: a part of a model that saves nothing for backward, which computes it anew: memory for time.
// As torch.utils.checkpoint with use_reentrant=False. Next: autograd/saved_tensors.hpp, by whose hooks it works.
#pragma once
#include <memory>
#include <tuple>
#include <vector>

#include "../tensor/random.hpp"
#include "erased.hpp"
#include "saved_tensors.hpp"

namespace sinter::inline v0 {

struct checkpoint_options {
  bool preserve_rng_state = true;   ///< the default generator gives the same numbers when f runs again
};

namespace detail::inline SINTER_TARGET {

/// One checkpointed call: counts what its statements would save, and has f run again when the first of it is needed.
struct checkpoint_frame : tensor_hooks {
  checkpoint_options options;
  generator::state_type random = default_generator().state();

  void* pack_value(const any_tensor& t) override {
    auto* n = new int(found_.size());
    found_.push({});
    seen_.push({t.dtype(), shape_of_any(t), t.storage_handle().get(), t.storage_handle() ? version_of(t) : 0});
    return n;
  }
  any_tensor unpack_value(void* v) override {
    const int k = *static_cast<int*>(v);
    const locked here(&lock_);  // walks of several threads meet here
    if (!found_[k].defined()) again();
    any_tensor t = found_[k];
    found_[k] = {};  // early: not held longer than its one reader needs it
    return t;
  }
  void drop_value(void* v) override { delete static_cast<int*>(v); }

 protected:
  /// f once more, recorded.
  virtual void run() = 0;

 private:
  struct seen {
    dtype type;
    shape_value shape;
    const void* block;
    uint64 version;
  };
  /// What the second run saves, in the places of the first one's.
  struct collector final : tensor_hooks {
    checkpoint_frame& frame;
    int count = 0;
    explicit collector(checkpoint_frame& f) : frame(f) {}
    void* pack_value(const any_tensor& t) override {
      frame.take(count++, t);
      return nullptr;
    }
    any_tensor unpack_value(void*) override { return {}; }  // nobody walks through what f recorded again
    void drop_value(void*) override {}
  };
  static shape_value shape_of_any(const any_tensor& t) {
    shape_value s;
    s.rank = t.dim();
    for (int d = 0; d < t.dim(); ++d) s[d] = t.sizes()[d];
    return s;
  }
  static uint64 version_of(const any_tensor& t) { return t.storage_handle()->version.load(std::memory_order_acquire); }
  void take(int k, const any_tensor& t) {
    if (k >= found_.size()) return;  // counted: again() tells
    const seen& first = seen_[k];
    const shape_value s = shape_of_any(t);
    if (t.dtype() != first.type || !(s == first.shape))
      fail<autograd_error>("checkpoint: saved value ", k, " was one of ", first.type, " ", shape_text{first.shape.e, first.shape.rank}, ", and is one of ", t.dtype(), " ",
                           shape_text{s.e, s.rank}, " when the function runs again: it must do the same each time");
    if (t.storage_handle().get() == first.block && version_of(t) != first.version)
      fail<version_error>("checkpoint: a value of shape ", shape_text{s.e, s.rank}, " that the function reads was written in place since (version ", first.version,
                          ", now ", version_of(t), ")");
    if (!found_[k].defined()) found_[k] = t;
  }
  void again() {
    struct restore {
      generator::state_type now = default_generator().state();
      bool on;
      ~restore() {
        if (on) default_generator().set_state(now);
      }
    } back{.on = options.preserve_rng_state};
    if (options.preserve_rng_state) default_generator().set_state(random);
    auto* c = new collector(*this);
    forget();
    struct dropper {
      collector* c;
      bool complete = false;
      ~dropper() {
        if (!complete) c->frame.forget();  // of a run that failed nothing is used
        drop(static_cast<tensor_hooks*>(c));
      }
    } at_end{c};
    const saved_by_scope scope(c);
    const enable_grad on;
    run();
    if (c->count != found_.size())
      fail<autograd_error>("checkpoint: the function saved ", found_.size(), " values for backward, and ", c->count, " when it ran again: it must do the same each time");
    at_end.complete = true;
  }
  void forget() {
    for (int k = 0; k < found_.size(); ++k) found_[k] = {};
  }
  thread_lock lock_;
  vec<any_tensor> found_;
  vec<seen> seen_;
};

/// An argument of a checkpointed function. A variable's value is in the keeping of the checkpoint around this one, if there is one.
template <class X> class checkpoint_argument {
 public:
  explicit checkpoint_argument(const X& x) : x_(x) {}
  const X& get() const { return x_; }

 private:
  X x_;
};
template <class T, class E, class D> class checkpoint_argument<variable<T, E, D>> {
 public:
  explicit checkpoint_argument(const variable<T, E, D>& v) : requires_grad_(v.requires_grad()) {
    auto* hooks = static_cast<tensor_hooks*>(saved_by());
    if (hooks && v.defined()) packed_.reset(new packed_value(*hooks, any_tensor(v.value())));
    else if (v.defined()) value_ = v.value();
  }
  /// The same value: a leaf of the second run.
  variable<T, E, D> get() const {
    if (packed_) return variable<T, E, D>(tensor<T, E, D>(packed_->unpack().template as<T, E::rank, D>()), requires_grad_);
    return value_.defined() ? variable<T, E, D>(value_, requires_grad_) : variable<T, E, D>();
  }

 private:
  bool requires_grad_;
  tensor<T, E, D> value_;
  std::unique_ptr<packed_value> packed_;
};

template <class F, class... A> struct checkpoint_call final : checkpoint_frame {
  F f;
  std::tuple<checkpoint_argument<A>...> arguments;
  checkpoint_call(const F& function, const A&... a) : f(function), arguments(checkpoint_argument<A>(a)...) {}
  void run() override {
    std::apply([&](const auto&... a) { static_cast<void>(evaluated_results(f(a.get()...))); }, arguments);
  }
};

template <class X> decltype(auto) checkpoint_value(X&& x) {
  if constexpr (formula<X>) return eval(x);
  else return std::decay_t<X>(static_cast<X&&>(x));
}
template <class F, class... A> auto run_checkpoint(const checkpoint_options& o, const F& f, const A&... a) {
  using C = checkpoint_call<F, A...>;
  if (!is_grad_enabled()) return evaluated_results(f(a...));
  if (hooks_forbidden()) fail<autograd_error>(hooks_forbidden());
  auto* frame = new C(f, a...);
  struct dropper {
    tensor_hooks* h;
    ~dropper() { drop(h); }
  } at_end{frame};
  frame->options = o;
  const saved_by_scope scope(frame);
  return evaluated_results(f(a...));
}

}  // namespace detail::inline SINTER_TARGET
inline namespace SINTER_TARGET {

/// f(arguments...), of which nothing is kept for backward but the arguments: when backward comes to it, f runs once more, and what
/// its statements save then is freed as soon as it was read. f returns a variable, an expression (which is evaluated) or a std::tuple of such;
/// gradients reach the arguments and whatever else f reads: the parameters of a model. f must do the same each time; the default
/// generator is set back for the second run, so that dropout drops the same elements. Checkpoints may stand in checkpoints.
/// Backward throws autograd_error if f saved other values the second time, version_error if what it reads was written in place since.
/// https://pytorch.org/docs/stable/checkpoint.html
template <class F, class... A> requires(!std::is_same_v<std::remove_cvref_t<F>, checkpoint_options>)
auto checkpoint(const F& f, A&&... arguments) {
  return detail::run_checkpoint(checkpoint_options{}, f, detail::checkpoint_value(static_cast<A&&>(arguments))...);
}
template <class F, class... A> auto checkpoint(const checkpoint_options& options, const F& f, A&&... arguments) {
  return detail::run_checkpoint(options, f, detail::checkpoint_value(static_cast<A&&>(arguments))...);
}

/// x through a list of functions (a std::vector, array or other list of equal ones), in `segments` checkpoints of about the same number
/// of functions; the last segment is not checkpointed, as in PyTorch. Throws error for fewer than one segment or more than functions.
/// https://pytorch.org/docs/stable/checkpoint.html#torch.utils.checkpoint.checkpoint_sequential
template <class L, class X> auto checkpoint_sequential(const L& functions, int segments, const X& x, const checkpoint_options& options = {}) {
  const int64 n = static_cast<int64>(functions.size());
  if (segments < 1 || segments > n) fail<error>("checkpoint_sequential: ", segments, " segments of ", n, " functions");
  const auto run = [&functions](int64 from, int64 to, auto v) {
    for (int64 i = from; i < to; ++i) v = functions[static_cast<std::size_t>(i)](v);
    return v;
  };
  auto v = detail::checkpoint_value(x);
  const int64 each = n / segments;
  int64 at = 0;
  for (; at < each * (segments - 1); at += each) {
    std::vector<typename L::value_type> part;
    for (int64 i = at; i < at + each; ++i) part.push_back(functions[static_cast<std::size_t>(i)]);
    v = checkpoint(options, [part](auto u) {
      for (const auto& f : part) u = f(u);
      return u;
    }, v);
  }
  return run(at, n, v);
}

}  // namespace SINTER_TARGET
}  // namespace sinter::inline v0
