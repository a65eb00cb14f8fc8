// SPDX-License-Identifier: BSD-3-Clause
// Pooling layers over 1 to 3 dims: no parameters, they hold what the functions are called with. Not here: the formulas
// (tensor/pooling.hpp).
#pragma once
#include "../tensor/pooling.hpp"
#include "module.hpp"

namespace sinter::inline v0::nn::inline SINTER_TARGET {

#define SINTER_WINDOW_LAYER(name, N, options_type)                                                                     \
  struct name : module<name> {                                                                                         \
    per_dim<N> kernel_size;                                                                                            \
    options_type<N> options;                                                                                           \
    explicit name(per_dim<N> kernel, const options_type<N>& o = {}) : kernel_size(kernel), options(o) {}               \
    auto members() { return nn::members(); }                                                                           \
    template <expression X> auto forward(const X& x) const { return sinter::name(x, kernel_size, options); }           \
  };
#define SINTER_ADAPTIVE_LAYER(name, N)                                                                                 \
  struct name : module<name> {                                                                                         \
    per_dim<N> output_size;                                                                                            \
    explicit name(per_dim<N> size) : output_size(size) {}                                                              \
    auto members() { return nn::members(); }                                                                           \
    template <expression X> auto forward(const X& x) const { return sinter::name(x, output_size); }                    \
  };
#define SINTER_POOLING_LAYERS(N)                                  \
  SINTER_WINDOW_LAYER(max_pool##N##d, N, max_pool_options)        \
  SINTER_WINDOW_LAYER(avg_pool##N##d, N, avg_pool_options)        \
  SINTER_ADAPTIVE_LAYER(adaptive_max_pool##N##d, N)               \
  SINTER_ADAPTIVE_LAYER(adaptive_avg_pool##N##d, N)

/// max_pool1d, avg_pool1d, adaptive_max_pool1d, adaptive_avg_pool1d as layers: `max_pool1d p{3, {.stride = 2}}`, `adaptive_avg_pool1d p{4}`.
/// https://pytorch.org/docs/stable/generated/torch.nn.MaxPool1d.html
SINTER_POOLING_LAYERS(1)
/// The same over two dims: `max_pool2d p{{3, 2}, {.padding = 1}}`. https://pytorch.org/docs/stable/generated/torch.nn.MaxPool2d.html
SINTER_POOLING_LAYERS(2)
/// The same over three dims. https://pytorch.org/docs/stable/generated/torch.nn.MaxPool3d.html
SINTER_POOLING_LAYERS(3)
#undef SINTER_POOLING_LAYERS
#undef SINTER_ADAPTIVE_LAYER
#undef SINTER_WINDOW_LAYER

}  // namespace sinter::inline v0::nn::inline SINTER_TARGET
