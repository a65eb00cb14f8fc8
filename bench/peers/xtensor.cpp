// SPDX-License-Identifier: BSD-3-Clause
// xtensor with xsimd: containers of fixed rank, noalias, immediate reducers.
#ifndef XTENSOR_USE_XSIMD
#define XTENSOR_USE_XSIMD
#endif
#include <xtensor/xadapt.hpp>
#include <xtensor/xfixed.hpp>
#include <xtensor/xmath.hpp>
#include <xtensor/xnoalias.hpp>
#include <xtensor/xsort.hpp>
#include <xtensor/xstrided_view.hpp>
#include <xtensor/xtensor.hpp>
#include <xtensor/xtensor_config.hpp>
#include <xtensor/xview.hpp>

#include "../vec.hpp"
#include "peer.hpp"

namespace bench::peer {
namespace {
using flat_t = xt::xtensor<float, 1>;
using matrix_t = xt::xtensor<float, 2>;

template <class T> std::shared_ptr<T> own(const array& a) {
  auto t = std::make_shared<T>();
  typename T::shape_type shape;
  std::copy(a.sizes.begin(), a.sizes.end(), shape.begin());
  t->resize(shape);
  std::copy(a.as(), a.as() + a.numel(), t->data());
  return t;
}
template <class T> std::function<void()> publish(std::shared_ptr<T> from, const array& to) {
  return [=] { std::copy(from->data(), from->data() + to.numel(), to.as()); };
}

solution elements(const problem& p) {
  const auto a = own<flat_t>(p.in[0]), b = own<flat_t>(p.in[p.in.size() > 1 ? 1 : 0]), c = own<flat_t>(p.in[p.in.size() > 2 ? 2 : 0]), y = own<flat_t>(p.out[0]);
  const auto out = publish(y, p.out[0]);
  if (p.kind == "muladd") return {[=, n = p.repeat] { for (int64 i = 0; i < n; ++i) xt::noalias(*y) = *a * *b + *c, barrier(); }, out};
  if (p.kind == "muladd16") {
    using fixed = xt::xtensor_fixed<float, xt::xshape<16>>;
    const auto to = std::make_shared<fixed>();
    fixed u, v, w;
    std::copy(a->begin(), a->end(), u.begin()), std::copy(b->begin(), b->end(), v.begin()), std::copy(c->begin(), c->end(), w.begin());
    return {[=, n = p.repeat] { for (int64 i = 0; i < n; ++i) xt::noalias(*to) = u * v + w, barrier(); }, publish(to, p.out[0])};
  }
  if (p.kind == "formula") return {[=] { xt::noalias(*y) = *a * *b + *c - *a / *b; }, out};
  if (p.kind == "mse") return {[=] { (*y)(0) = static_cast<float>(xt::mean<double>(xt::square(*a - *b), xt::evaluation_strategy::immediate)()); }, out};
  if (p.kind == "exp") return {[=] { xt::noalias(*y) = xt::exp(*a); }, out};
  if (p.kind == "log") return {[=] { xt::noalias(*y) = xt::log(*a); }, out};
  if (p.kind == "tanh") return {[=] { xt::noalias(*y) = xt::tanh(*a); }, out};
  if (p.kind == "sigmoid") return {[=] { xt::noalias(*y) = 1.0f / (1.0f + xt::exp(-*a)); }, out};
  if (p.kind == "erf") return {[=] { xt::noalias(*y) = xt::erf(*a); }, out};
  if (p.kind == "gelu") return {[=] { xt::noalias(*y) = 0.5f * *a * (1.0f + xt::tanh(0.79788456f * (*a + 0.044715f * *a * *a * *a))); }, out};
  return {};
}
}  // namespace

std::string about() {
  return "xtensor " + std::to_string(XTENSOR_VERSION_MAJOR) + '.' + std::to_string(XTENSOR_VERSION_MINOR) + '.' + std::to_string(XTENSOR_VERSION_PATCH) +
         " with xsimd, " SINTER_BENCH_FLAGS ", one thread";
}

solution solve(const problem& p) {
  if (p.threads > 1) return {};
  if (p.n.size() < 2) return elements(p);
  if (p.n.size() > 2 && p.n[2] != 0) return {};
  if (p.kind == "softmax" || p.kind == "softmax0") {
    const auto x = own<matrix_t>(p.in[0]), y = own<matrix_t>(p.out[0]);
    const std::size_t d = p.kind == "softmax";
    return {[=] {
              constexpr auto now = xt::evaluation_strategy::immediate;
              const matrix_t top = xt::amax(*x, {d}, xt::keep_dims | now);
              xt::noalias(*y) = xt::exp(*x - top);
              const matrix_t scale = 1.0f / xt::sum(*y, {d}, xt::keep_dims | now);
              *y *= scale;
            },
            publish(y, p.out[0])};
  }
  if (p.kind == "outer_add") {
    auto x = own<flat_t>(p.in[0]);
    const auto at = std::make_shared<matrix_t>(std::array<std::size_t, 2>{static_cast<std::size_t>(p.n[0]), static_cast<std::size_t>(p.n[1])});
    const auto column = std::make_shared<matrix_t>(std::array<std::size_t, 2>{static_cast<std::size_t>(p.n[0]), 1});
    std::copy(x->begin(), x->end(), at->begin()), std::copy(p.in[1].as(), p.in[1].as() + p.n[0], column->begin());
    const auto row = own<flat_t>(p.in[2]);
    const auto y = std::make_shared<matrix_t>(*at);
    return {[=] { xt::noalias(*y) = *at + *column * *row; }, publish(y, p.out[0])};
  }
  if (p.kind == "row_sum" || p.kind == "col_sum") {
    const auto at = std::make_shared<matrix_t>(std::array<std::size_t, 2>{static_cast<std::size_t>(p.n[0]), static_cast<std::size_t>(p.n[1])});
    std::copy(p.in[0].as(), p.in[0].as() + p.in[0].numel(), at->begin());
    const auto y = own<flat_t>(p.out[0]);
    const std::size_t d = p.kind == "row_sum";
    return {[=] { xt::noalias(*y) = xt::sum(*at, {d}, xt::evaluation_strategy::immediate); }, publish(y, p.out[0])};
  }
  if (p.kind == "transpose") {
    const auto x = own<matrix_t>(p.in[0]), y = own<matrix_t>(p.out[0]);
    return {[=] { xt::noalias(*y) = xt::transpose(*x); }, publish(y, p.out[0])};
  }
  return {};
}

}  // namespace bench::peer
