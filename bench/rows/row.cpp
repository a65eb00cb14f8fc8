// SPDX-License-Identifier: BSD-3-Clause
#include "../problems/row.hpp"

#include <sinter/tensor/scan.hpp>

#include <cstdio>

#include "../measure.hpp"
#include "ours.hpp"

namespace bench::ours {
namespace {

using matrix_t = st::tensor<float, st::rank<2>>;

/// The matrix as it lies: row-major, column-major or with padded rows.
matrix_t laid_out(const array& a, const std::vector<int64>& n) {
  const auto l = problems::layout(n);
  return st::from_blob(a.as(), {n[0], n[1]}, {l.row, l.column});
}

/// Where the mean is 1e6 and the spread 1, one pass over x and x^2 would find no variance at all. A float there is good to 1/32.
double error_at_large_mean() {
  problem p{.id = "stable", .what = ""};
  const array x = p.input({64, 1024}, 1e6 - 1.7, 1e6 + 1.7), w = p.input({1024}, 0.5, 1.5), b = p.input({1024}, -1, 1), y = p.output({64, 1024});
  matrix(y).copy_(st::layer_norm(matrix(x), flat(w), flat(b)));
  return problems::layer_norm_error(x, w, b, y)();
}

/// A gradient in two parts that are timed apart.
template <class Forward, class Backward, class Publish> solution gradient(Forward forward, Backward backward, Publish publish) {
  struct times {
    double forward = 0, backward = 0;
  };
  const auto sum = std::make_shared<times>();
  return {[=] {
            const double start = now_ns(1);
            auto y = forward();
            const double middle = now_ns(1);
            backward(y);
            sum->forward += middle - start, sum->backward += now_ns(1) - middle;
          },
          publish,
          [=] {
            char s[64];
            std::snprintf(s, sizeof s, "backward is %.0f %% of it", 100 * sum->backward / (sum->forward + sum->backward));
            return std::string(s);
          }};
}

}  // namespace

solution row(const problem& p) {
  if (p.kind == "softmax" || p.kind == "softmax0") {
    const auto x = matrix(p.in[0]), y = matrix(p.out[0]);
    const int dim = p.kind == "softmax" ? 1 : 0;
    return {[=] { y.copy_(st::softmax(x, dim)); }};
  }
  if (p.kind == "layer_norm") {
    const double error = error_at_large_mean();
    const auto x = matrix(p.in[0]), y = matrix(p.out[0]);
    const auto w = flat(p.in[1]), b = flat(p.in[2]);
    if (!(error < 0.5)) return {};
    return {[=] { y.copy_(st::layer_norm(x, w, b)); }, {}, [=] {
              char s[64];
              std::snprintf(s, sizeof s, "error %.2f at mean 1e6", error);
              return std::string(s);
            }};
  }
  if (p.kind == "softmax_grad") {
    const st::variable x = matrix(p.in[0]);
    const auto dy = matrix(p.in[1]);
    const array dx = p.out[0];
    return gradient([=] { return x.zero_grad(), st::variable(st::softmax(x, 1)); }, [=](auto& y) { y.backward(dy); }, [=] { publish(x.grad(), dx); });
  }
  if (p.kind == "layer_norm_grad") {
    const st::variable x = matrix(p.in[0]);
    const st::variable w = flat(p.in[1]), b = flat(p.in[2]);
    const auto dy = matrix(p.in[3]);
    const array dx = p.out[0], dw = p.out[1], db = p.out[2];
    return gradient(
        [=] {
          x.zero_grad(), w.zero_grad(), b.zero_grad();
          return st::variable(st::layer_norm(x, w, b));
        },
        [=](auto& y) { y.backward(dy); }, [=] { publish(x.grad(), dx), publish(w.grad(), dw), publish(b.grad(), db); });
  }
  if (p.kind == "outer_add") {
    const auto x = laid_out(p.in[0], p.n), y = laid_out(p.out[0], p.n);
    const matrix_t column = st::from_blob(p.in[1].as(), {p.n[0], 1});
    const auto row = flat(p.in[2]);
    return {[=] { y.copy_(x + column * row); }};
  }
  if (p.kind == "row_sum" || p.kind == "col_sum") {
    const auto x = laid_out(p.in[0], p.n);
    const auto y = flat(p.out[0]);
    const int dim = p.kind == "row_sum" ? 1 : 0;
    return {[=] { y.copy_(st::sum(x, dim)); }};
  }
  if (p.kind == "cumsum") {
    const auto x = matrix(p.in[0]);
    const int dim = static_cast<int>(p.n[2]);
    const auto y = std::make_shared<matrix_t>();
    return {[=] { *y = st::cumsum(x, dim); }, [=, out = p.out[0]] { publish(*y, out); }};
  }
  if (p.kind == "max_pool") {
    const auto& n = p.in[0].sizes;
    const st::tensor<float, st::rank<4>> x = st::from_blob(p.in[0].as(), {n[0], n[1], n[2], n[3]});
    const auto y = std::make_shared<st::tensor<float, st::rank<4>>>();
    return {[=] { *y = st::max_pool2d(x, 3, {.stride = 2, .padding = 1}); }, [=, out = p.out[0]] { publish(*y, out); }};
  }
  if (p.kind == "transpose") {
    const auto x = matrix(p.in[0]), y = matrix(p.out[0]);
    return {[=] { y.copy_(st::transpose(x, 0, 1)); }};
  }
  return {};
}

}  // namespace bench::ours
