// SPDX-License-Identifier: BSD-3-Clause
// Normalisations as modules. Not here: the formulas (op/normalization.hpp). Next: sequential.hpp.
#pragma once
#include "../autograd/views.hpp"
#include "../op/normalization.hpp"
#include "init.hpp"
#include "state_dict.hpp"

namespace sinter::inline v0::nn::inline SINTER_TARGET {

/// (x - mean) / sqrt(var + eps) * weight + bias over the last dim, of N elements; weight [N] starts as 1, bias [N] as 0.
/// https://pytorch.org/docs/stable/generated/torch.nn.LayerNorm.html
template <int64 N, class T = float> struct layer_norm : module<layer_norm<N, T>> {
  param<T, N> weight{ones<T>(shape<N>), true}, bias{zeros<T>(shape<N>), true};
  double eps = 1e-5;

  layer_norm() = default;
  explicit layer_norm(double epsilon) : eps(epsilon) {}
  auto members() { return nn::members("weight", weight, "bias", bias); }
  template <expression X> auto forward(X&& x) const { return sinter::layer_norm(static_cast<X&&>(x), weight, bias, eps); }
};

/// x / sqrt(mean(x^2) + eps) * weight over the last dim, of N elements; weight [N] starts as 1.
/// https://pytorch.org/docs/stable/generated/torch.nn.RMSNorm.html
template <int64 N, class T = float> struct rms_norm : module<rms_norm<N, T>> {
  param<T, N> weight{ones<T>(shape<N>), true};
  double eps = 1e-6;

  rms_norm() = default;
  explicit rms_norm(double epsilon) : eps(epsilon) {}
  auto members() { return nn::members("weight", weight); }
  template <expression X> auto forward(X&& x) const { return sinter::rms_norm(static_cast<X&&>(x), weight, eps); }
};

/// Batch normalisation of x [N, C], [N, C, L] or [N, C, H, W]: PyTorch's BatchNorm1d and BatchNorm2d. In training by the batch's own
/// mean and biased variance, which (the variance unbiased) move the running ones by `momentum`; in use by the running ones.
/// Throws shape_error in training for a single element a channel. https://pytorch.org/docs/stable/generated/torch.nn.BatchNorm2d.html
template <int64 C, class T = float> struct batch_norm : module<batch_norm<C, T>> {
  param<T, C> weight{ones<T>(shape<C>), true}, bias{zeros<T>(shape<C>), true};
  tensor<T, extents<C>> running_mean = zeros<T>(shape<C>), running_var = ones<T>(shape<C>);
  tensor<int64, extents<>> num_batches_tracked = zeros<int64>({});
  double eps = 1e-5, momentum = 0.1;

  batch_norm() = default;
  explicit batch_norm(double epsilon, double m = 0.1) : eps(epsilon), momentum(m) {}
  auto members() {
    return nn::members("weight", weight, "bias", bias, "running_mean", running_mean, "running_var", running_var, "num_batches_tracked", num_batches_tracked);
  }
  template <expression X> auto forward(const X& x) const {
    if constexpr (sinter::detail::formula<X>) {
      return forward(sinter::eval(x));
    } else {
      static_assert(X::rank >= 2, "sinter: batch_norm takes [N, C, ...]");
      if (!this->training) return sinter::eval(sinter::batch_norm(x, running_mean, running_var, weight, bias, eps));
      if (x.size(1) != C) fail<shape_error>("batch_norm: ", x.size(1), " channels, not ", C);
      if (x.numel() <= C) fail<shape_error>("batch_norm: training needs more than one element a channel, got sizes ", shape_text{x.sizes().data(), X::rank});
      {
        no_grad guard;
        const auto rows = reshape(movedim(sinter::detail::tensor_of(x), 1, 0), index_list<2>(C, x.numel() / C));
        running_mean.copy_(running_mean * (1 - momentum) + mean(rows, 1) * momentum);
        running_var.copy_(running_var * (1 - momentum) + var(rows, 1) * momentum);
        num_batches_tracked.copy_(num_batches_tracked + 1);
      }
      return sinter::eval(sinter::batch_norm(x, weight, bias, eps));
    }
  }
};

/// Normalisation of x [N, C, ...] over each of `groups` equal groups of channels, then * weight + bias by channel.
/// https://arxiv.org/abs/1803.08494
template <int64 Groups, int64 C, class T = float> struct group_norm : module<group_norm<Groups, C, T>> {
  static_assert(Groups > 0 && C % Groups == 0, "sinter: group_norm<Groups, C>: C is a multiple of Groups");
  param<T, C> weight{ones<T>(shape<C>), true}, bias{zeros<T>(shape<C>), true};
  double eps = 1e-5;

  group_norm() = default;
  explicit group_norm(double epsilon) : eps(epsilon) {}
  auto members() { return nn::members("weight", weight, "bias", bias); }
  template <expression X> auto forward(const X& x) const {
    if constexpr (sinter::detail::formula<X>) {
      return forward(sinter::eval(x));
    } else {
      static_assert(X::rank >= 2, "sinter: group_norm takes [N, C, ...]");
      if (x.size(1) != C) fail<shape_error>("group_norm: ", x.size(1), " channels, not ", C);
      const int64 n = x.size(0), inner = n ? x.numel() / n / Groups : 0;
      const auto groups = reshape(x, index_list<3>(n, Groups, inner));
      const auto normal = sinter::eval(sinter::layer_norm(groups, eps));
      return sinter::eval(affine(reshape(normal, index_list<X::rank>(x.sizes()))));
    }
  }

 private:
  template <class Y> auto affine(const Y& y) const {
    index_list<Y::rank - 1> sizes;  // [C, 1, ...]
    for (int d = 1; d < Y::rank - 1; ++d) sizes[d] = 1;
    sizes[0] = C;
    return y * reshape(weight, sizes) + reshape(bias, sizes);
  }
};

}  // namespace sinter::inline v0::nn::inline SINTER_TARGET
