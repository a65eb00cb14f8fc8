// SPDX-License-Identifier: BSD-3-Clause
// Losses: compositions with PyTorch's names and defaults (the mean over all elements). Device-clean.
#pragma once
#include "activation.hpp"
#include "normalization.hpp"

namespace sinter::inline v0 {

/// What a loss does with its elements: `mse_loss(a, b, reduction_kind::sum)`.
namespace reduction_kind {
struct mean_t {};
struct sum_t {};
struct none_t {};
inline constexpr mean_t mean{};
inline constexpr sum_t sum{};
inline constexpr none_t none{};
}  // namespace reduction_kind
template <class R>
concept reduction_tag = detail::same<R, reduction_kind::mean_t> || detail::same<R, reduction_kind::sum_t> || detail::same<R, reduction_kind::none_t>;

/// What cross_entropy and nll_loss do with classes.
struct class_options {
  int64 ignore_index = -100;   ///< rows of this target count for nothing
  double label_smoothing = 0;  ///< (1 - s) of a row's weight goes to its class, s to all classes alike
};

namespace op {
/// Is i in [0, n), or `ignored`? A run on the CPU looks before it starts, and raises index_error for one that is not
struct in_bounds {
  static constexpr op_info info{.name = "in_bounds", .result = result_type::boolean, .discontinuous = true, .integers = true, .bounds = true};
  static constexpr auto value(lane auto i, lane auto n, lane auto ignored) { return (i == ignored) | ((i >= decltype(i)(0)) & (i < n)); }
  static constexpr auto grad(auto, auto, auto, auto, auto) { return no_gradient; }
};
}  // namespace op

namespace composed {

/// All elements of e, their sum, or sum / count.
template <class R> constexpr auto reduced_loss(auto e) {
  if constexpr (detail::same<R, reduction_kind::none_t>) return e;
  else if constexpr (detail::same<R, reduction_kind::sum_t>) return squeeze(reduce_sym<op::sum>(e, all_axes(e)), all_axes(e));
  else return squeeze(apply<mean>(e, all_axes(e)), all_axes(e));
}

/// (a - b)^2
template <class R> struct mse_loss {
  using composition = void;
  static constexpr op_info info{.name = "mse_loss"};
  static constexpr auto compose(auto a, auto b) {
    auto e = a - b;
    return reduced_loss<R>(e * e);
  }
};
/// |a - b|
template <class R> struct l1_loss {
  using composition = void;
  static constexpr op_info info{.name = "l1_loss"};
  static constexpr auto compose(auto a, auto b) { return reduced_loss<R>(abs(a - b)); }
};
/// e^2 / (2 beta) where e = |a - b| < beta, e - beta / 2 beyond
template <class R> struct smooth_l1_loss {
  using composition = void;
  static constexpr op_info info{.name = "smooth_l1_loss"};
  static constexpr auto compose(auto a, auto b, auto beta) {
    auto e = abs(a - b);
    return reduced_loss<R>(where(e < beta, 0.5 * e * e / beta, e - 0.5 * beta));
  }
};
/// e^2 / 2 where e = |a - b| <= delta, delta (e - delta / 2) beyond
template <class R> struct huber_loss {
  using composition = void;
  static constexpr op_info info{.name = "huber_loss"};
  static constexpr auto compose(auto a, auto b, auto delta) {
    auto e = abs(a - b);
    return reduced_loss<R>(where(e <= delta, 0.5 * e * e, delta * (e - 0.5 * delta)));
  }
};
/// -(t log p + (1 - t) log(1 - p)), the logarithms at least -100
template <class R> struct bce {
  using composition = void;
  static constexpr op_info info{.name = "binary_cross_entropy"};
  static constexpr auto compose(auto p, auto t) { return reduced_loss<R>(elements(p, t)); }
  static constexpr auto compose(auto p, auto t, auto weight) { return reduced_loss<R>(weight * elements(p, t)); }

 private:
  static constexpr auto elements(auto p, auto t) { return (t - 1) * clamp_min(log1p(-p), -100) - t * clamp_min(log(p), -100); }
};
/// -(w t log sigmoid(x) + (1 - t) log(1 - sigmoid(x)))
template <class R> struct bce_with_logits {
  using composition = void;
  static constexpr op_info info{.name = "binary_cross_entropy_with_logits"};
  static constexpr auto compose(auto x, auto t) { return reduced_loss<R>((1 - t) * x + apply<op::softplus>(-x)); }
  static constexpr auto compose(auto x, auto t, auto pos_weight) {
    return reduced_loss<R>((1 - t) * x + (1 + (pos_weight - 1) * t) * apply<op::softplus>(-x));
  }
};
/// t (log t - x), 0 where t is 0; x is a logarithm, and t too if `Log`
template <class R, bool Log> struct kl_div {
  using composition = void;
  static constexpr op_info info{.name = "kl_div"};
  static constexpr auto compose(auto x, auto t) {
    if constexpr (Log) {
      return reduced_loss<R>(exp(t) * (t - x));
    } else {
      auto some = t > 0;
      return reduced_loss<R>(where(some, t * log(where(some, t, 1)), where(isnan(t), t, 0)) - t * x);
    }
  }
};

/// The classes are dim 1, or the only one.
constexpr axes class_dim(auto x) { return {rank_of(x) > 1 ? 2u : 1u, 1}; }
/// The element of each row of x that t numbers, 0 for a number out of range.
constexpr auto pick_class(auto x, auto t) { return reduce_sym<op::sum>(where(index_along(x, class_dim(x)) == t, x, 0), class_dim(x)); }
/// -weight_t l_t by class number t, for l = log softmax(x), or x itself; rows of class `ignore` do not count, and the mean is over
/// the weights of the others. One pass over the rows, and one backward.
template <class R, bool FromLogits, bool Weighted, bool Smooth> constexpr auto class_loss(auto x, auto target, auto ignore, auto weight, auto smoothing) {
  const axes d = class_dim(x);
  auto t = x.g->cast(unsqueeze(target, d), dtype::i64);
  auto c = x, rest = x, w = x;  // l = c - rest
  if constexpr (FromLogits) c = x - detach(reduce_sym<op::max>(x, d)), rest = log(reduce_sym<op::sum>(exp(c), d));
  if constexpr (Weighted) w = expand_as(per_channel(weight, x), x);
  auto less = [&](auto sum_of_weights, auto sum_of_c) {  // sum w (rest - c)
    if constexpr (FromLogits && Weighted) return sum_of_weights * rest - sum_of_c;
    else if constexpr (FromLogits) return rest - sum_of_c;
    else return -sum_of_c;
  };
  auto picked = pick_class(c, t), one = extent_along(x, axes{0, 0});
  auto share = one;
  if constexpr (Weighted) share = pick_class(w, t), picked = share * picked;
  auto row = less(share, picked);
  if constexpr (Smooth) {
    auto all = reduce_sym<op::sum>(Weighted ? w * c : c, d);
    if constexpr (!Weighted) all = all / extent_along(x, d);
    auto smooth = less(Weighted ? reduce_sym<op::sum>(w, d) : one, all);
    if constexpr (Weighted) smooth = smooth / extent_along(x, d);
    row = row * (1 - smoothing) + smooth * smoothing;
  }
  auto counts = t != ignore;
  auto fault = where(apply<op::in_bounds>(t, x.g->extent(x, d, dtype::i64), ignore), one - one, __builtin_nan(""));
  row = where(counts, row, 0) + fault;
  if constexpr (!detail::same<R, reduction_kind::mean_t>) return reduced_loss<R>(squeeze(row, d));
  const dtype own = x.g->at(row.id).type, wide = own == dtype::f64 ? own : dtype::f32;  // not to count in half
  auto total = [&](auto v) { return reduce_sym<op::sum>(x.g->cast(v, wide), all_axes(v)); };
  share = where(isnan(picked), share, share);  // share, as something of the row: so both totals come of one pass
  return squeeze(x.g->cast(total(row) / total(where(counts, share, 0)), own), all_axes(row));
}
/// -sum_c weight_c t_c l_c for target probabilities t; the mean is over the rows.
template <class R, bool Weighted> constexpr auto probability_loss(auto l, auto t, auto weight, auto smoothing) {
  const axes d = class_dim(l);
  auto soft = t * (1 - smoothing) + smoothing / extent_along(l, d);
  if constexpr (Weighted) soft = soft * per_channel(weight, l);
  return reduced_loss<R>(squeeze(-reduce_sym<op::sum>(soft * l, d), d));
}
/// nll_loss, or cross_entropy: that of log_softmax(x)
template <class R, bool FromLogits, bool Weighted, bool Smooth> struct class_loss_of {
  using composition = void;
  static constexpr op_info info{.name = FromLogits ? "cross_entropy" : "nll_loss"};
  static constexpr auto compose(auto x, auto target) { return compose(x, target, int64{-100}, x, 0.0); }
  static constexpr auto compose(auto x, auto target, auto ignore) { return compose(x, target, ignore, x, 0.0); }
  static constexpr auto compose(auto x, auto target, auto ignore, auto weight) { return compose(x, target, ignore, weight, 0.0); }
  static constexpr auto compose(auto x, auto target, auto ignore, auto weight, auto smoothing) {
    if (rank_of(target) != rank_of(x) || !is_floating(target.g->at(target.id).type))
      return class_loss<R, FromLogits, Weighted, Smooth>(x, target, ignore, weight, smoothing);
    auto l = x;
    if constexpr (FromLogits) l = log_softmax::compose(x, class_dim(x));
    return probability_loss<R, Weighted>(l, target, weight, smoothing);
  }
};

}  // namespace composed

#define SINTER_LOSS(name)                                                                                                       \
  template <class A, class B, reduction_tag R = reduction_kind::mean_t> requires operands<A, B>                                 \
  constexpr applied<composed::name<R>, A, B> name(A&& input, B&& target, R = {}) {                                              \
    return apply<composed::name<R>>(static_cast<A&&>(input), static_cast<B&&>(target));                                         \
  }
/// mean((a - b)^2) over all elements. https://pytorch.org/docs/stable/generated/torch.nn.functional.mse_loss.html
SINTER_LOSS(mse_loss)
/// mean(|a - b|)
SINTER_LOSS(l1_loss)
#undef SINTER_LOSS
/// Quadratic below beta, linear beyond. https://pytorch.org/docs/stable/generated/torch.nn.functional.smooth_l1_loss.html
template <class A, class B, reduction_tag R = reduction_kind::mean_t> requires operands<A, B>
constexpr applied<composed::smooth_l1_loss<R>, A, B, double> smooth_l1_loss(A&& input, B&& target, R = {}, double beta = 1) {
  return apply<composed::smooth_l1_loss<R>>(static_cast<A&&>(input), static_cast<B&&>(target), double{beta});
}
/// Quadratic up to delta, linear beyond. https://pytorch.org/docs/stable/generated/torch.nn.functional.huber_loss.html
template <class A, class B, reduction_tag R = reduction_kind::mean_t> requires operands<A, B>
constexpr applied<composed::huber_loss<R>, A, B, double> huber_loss(A&& input, B&& target, R = {}, double delta = 1) {
  return apply<composed::huber_loss<R>>(static_cast<A&&>(input), static_cast<B&&>(target), double{delta});
}
/// Cross-entropy of probabilities against targets in [0, 1]; a logarithm below -100 counts as -100.
template <class A, class B, reduction_tag R = reduction_kind::mean_t> requires operands<A, B>
constexpr applied<composed::bce<R>, A, B> binary_cross_entropy(A&& input, B&& target, R = {}) {
  return apply<composed::bce<R>>(static_cast<A&&>(input), static_cast<B&&>(target));
}
/// The same with a weight for each element.
template <class A, class B, class W, reduction_tag R = reduction_kind::mean_t> requires(operands<A, B, W> && !reduction_tag<detail::bare<W>>)
constexpr applied<composed::bce<R>, A, B, W> binary_cross_entropy(A&& input, B&& target, W&& weight, R = {}) {
  return apply<composed::bce<R>>(static_cast<A&&>(input), static_cast<B&&>(target), static_cast<W&&>(weight));
}
/// The same for logits, without overflow.
template <class A, class B, reduction_tag R = reduction_kind::mean_t> requires operands<A, B>
constexpr applied<composed::bce_with_logits<R>, A, B> binary_cross_entropy_with_logits(A&& input, B&& target, R = {}) {
  return apply<composed::bce_with_logits<R>>(static_cast<A&&>(input), static_cast<B&&>(target));
}
/// The same, positive targets weighted.
template <class A, class B, class W, reduction_tag R = reduction_kind::mean_t> requires(operands<A, B, W> && !reduction_tag<detail::bare<W>>)
constexpr applied<composed::bce_with_logits<R>, A, B, W> binary_cross_entropy_with_logits(A&& input, B&& target, W&& pos_weight, R = {}) {
  return apply<composed::bce_with_logits<R>>(static_cast<A&&>(input), static_cast<B&&>(target), static_cast<W&&>(pos_weight));
}
/// `kl_div(x, t, log_target)`: t is a logarithm, too.
struct log_target_t {};
inline constexpr log_target_t log_target{};
/// mean(t (log t - x)) for log probabilities x; divide reduction_kind::sum by the batch for the divergence itself.
template <class A, class B, reduction_tag R = reduction_kind::mean_t> requires operands<A, B>
constexpr applied<composed::kl_div<R, false>, A, B> kl_div(A&& input, B&& target, R = {}) {
  return apply<composed::kl_div<R, false>>(static_cast<A&&>(input), static_cast<B&&>(target));
}
template <class A, class B, reduction_tag R = reduction_kind::mean_t> requires operands<A, B>
constexpr applied<composed::kl_div<R, true>, A, B> kl_div(A&& input, B&& target, log_target_t, R = {}) {
  return apply<composed::kl_div<R, true>>(static_cast<A&&>(input), static_cast<B&&>(target));
}

// Both take class numbers, integers [N, ...] for x [N, C, ...] (or [] for [C]). Rows of class_options::ignore_index, by default
// -100, do not count. A number that is neither that nor in [0, C) raises index_error before a run on the CPU; on a GPU, and where
// the target itself takes a reduction, the loss is NaN.
#define SINTER_CLASS_LOSS(name, logits)                                                                                                  \
  template <expression X, expression T, reduction_tag R = reduction_kind::mean_t>                                                        \
  constexpr applied<composed::class_loss_of<R, logits, false, false>, X, T> name(X&& input, T&& target, R = {}) {                        \
    return apply<composed::class_loss_of<R, logits, false, false>>(static_cast<X&&>(input), static_cast<T&&>(target));                   \
  }                                                                                                                                      \
  template <expression X, expression T, expression W, reduction_tag R = reduction_kind::mean_t>                                          \
  constexpr applied<composed::class_loss_of<R, logits, true, false>, X, T, int64, W> name(X&& input, T&& target, W&& weight, R = {}) {   \
    return apply<composed::class_loss_of<R, logits, true, false>>(static_cast<X&&>(input), static_cast<T&&>(target), int64{-100},        \
                                                                  static_cast<W&&>(weight));                                             \
  }                                                                                                                                      \
  template <expression X, expression T, reduction_tag R = reduction_kind::mean_t>                                                        \
  constexpr applied<composed::class_loss_of<R, logits, false, true>, X, T, int64, int64, double>                                         \
  name(X&& input, T&& target, const class_options& o, R = {}) {                                                                          \
    return apply<composed::class_loss_of<R, logits, false, true>>(static_cast<X&&>(input), static_cast<T&&>(target),                     \
                                                                  int64{o.ignore_index}, int64{1}, double{o.label_smoothing});           \
  }                                                                                                                                      \
  template <expression X, expression T, expression W, reduction_tag R = reduction_kind::mean_t>                                          \
  constexpr applied<composed::class_loss_of<R, logits, true, true>, X, T, int64, W, double>                                              \
  name(X&& input, T&& target, W&& weight, const class_options& o, R = {}) {                                                              \
    return apply<composed::class_loss_of<R, logits, true, true>>(static_cast<X&&>(input), static_cast<T&&>(target),                      \
                                                                 int64{o.ignore_index}, static_cast<W&&>(weight), double{o.label_smoothing}); \
  }
/// Cross-entropy of logits [N, C, ...] against class numbers or, as floats of the logits' shape, probabilities; the mean over
/// rows (by weight). https://pytorch.org/docs/stable/generated/torch.nn.functional.cross_entropy.html
SINTER_CLASS_LOSS(cross_entropy, true)
/// The same for log probabilities. https://pytorch.org/docs/stable/generated/torch.nn.functional.nll_loss.html
SINTER_CLASS_LOSS(nll_loss, false)
#undef SINTER_CLASS_LOSS

}  // namespace sinter::inline v0
