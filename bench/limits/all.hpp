// SPDX-License-Identifier: BSD-3-Clause
// What one would write by hand for a row; often in two ways, of which the faster is the limit.
// Rows of products have none: the multiply-add peak is theirs.
#pragma once
#include <map>

#include "../problems/row.hpp"
#include "autograd.hpp"
#include "optim.hpp"
#include "row.hpp"
#include "transpose.hpp"

namespace bench::limits {

inline std::vector<solution> map_loops(const problem& p) {
  const int64 n = p.n[0], repeat = p.repeat;
  const int threads = p.threads;
  const float *a = p.in[0].as(), *b = p.in.size() > 1 ? p.in[1].as() : nullptr, *c = p.in.size() > 2 ? p.in[2].as() : nullptr;
  float* y = p.out[0].as();
  if (p.kind == "muladd" || p.kind == "muladd16") return {{[=] { muladd16(a, b, c, y, repeat); }}};
  if (p.kind == "formula")
    return {{[=] { split(n, threads, [=](int64 i, int64 j) { formula<false>(a + i, b + i, c + i, y + i, j - i); }); }},
            {[=] { split(n, threads, [=](int64 i, int64 j) { formula<true>(a + i, b + i, c + i, y + i, j - i); }); }}};
  if (p.kind == "mse") {
    const auto loop = [=](auto squares) {
      return solution{[=] {
        double part[2] = {};
        split(n, threads, [&](int64 i, int64 j) { part[i > 0] = squares(a + i, b + i, j - i); });
        *y = static_cast<float>((part[0] + part[1]) / static_cast<double>(n));
      }};
    };
    return {loop(squares<1>), loop(squares<4>)};
  }
  if (p.kind == "exp") return {{[=] { each(a, y, n, [](vec x) { return exp(x); }); }}};
  if (p.kind == "log") return {{[=] { each(a, y, n, [](vec x) { return log(x); }); }}};
  if (p.kind == "tanh") return {{[=] { each(a, y, n, [](vec x) { return tanh(x); }); }}};
  if (p.kind == "sigmoid") return {{[=] { each(a, y, n, [](vec x) { return sigmoid(x); }); }}};
  if (p.kind == "erf") return {{[=] { each(a, y, n, [](vec x) { return erf(x); }); }}};
  if (p.kind == "gelu") return {{[=] { each(a, y, n, [](vec x) { return gelu(x); }); }}};
  return {};
}

inline std::vector<solution> row_loops(const problem& p) {
  if (p.n.size() < 2) return {};
  const int64 M = p.n[0], N = p.n[1];
  const auto in = [&](std::size_t i) -> const float* { return p.in.size() > i ? p.in[i].as() : nullptr; };
  const float *x = in(0), *b = in(1), *c = in(2), *d = in(3);
  float* y = p.out[0].as();
  const auto rows = [=](auto f) { return solution{[=] { for (int64 i = 0; i < M; ++i) f(i * N); }}; };
  if (p.kind == "softmax") return {rows([=](int64 i) { softmax_row(x + i, y + i, N); })};
  if (p.kind == "softmax0") {
    const array top = problem::room({N}, false), scale = problem::room({N}, false);
    return {{[=] { softmax_columns<false>(x, y, top.as(), scale.as(), M, N); }}, {[=] { softmax_columns<true>(x, y, top.as(), scale.as(), M, N); }}};
  }
  if (p.kind == "softmax_grad") {  // forward, whose result is kept, then backward: what a recorded statement has to do
    const array kept = problem::room({M, N}, false);
    return {rows([=](int64 i) { softmax_grad_row(x + i, b + i, kept.as() + i, y + i, N); })};
  }
  if (p.kind == "layer_norm")
    return {rows([=](int64 i) { layer_norm_row<false>(x + i, b, c, y + i, N); }), rows([=](int64 i) { layer_norm_row<true>(x + i, b, c, y + i, N); })};
  if (p.kind == "layer_norm_grad") {
    float *dw = p.out[1].as(), *db = p.out[2].as();
    return {{[=] {
      for (int64 j = 0; j < N; ++j) dw[j] = db[j] = 0;
      for (int64 i = 0; i < M; ++i) layer_norm_grad_row(x + i * N, b, d + i * N, y + i * N, dw, db, N);
    }}};
  }
  const problems::layout_of l = problems::layout(p.n);
  const bool columns = l.row == 1;
  const int64 lines = columns ? N : M, length = columns ? M : N, step = columns ? l.column : l.row;
  if (p.kind == "outer_add") {
    const float *one = columns ? c : b, *line = columns ? b : c;
    const auto loop = [=](auto put) { return solution{[=] { for (int64 i = 0; i < lines; ++i) put(x + i * step, one[i], line, y + i * step, length); }}; };
    return {loop([](auto... v) { outer_add_line<false>(v...); }), loop([](auto... v) { outer_add_line<true>(v...); })};
  }
  if (p.kind == "row_sum" || p.kind == "col_sum") {
    const bool along = (p.kind == "row_sum") != columns;
    return {{[=] { along ? sum_along(x, y, lines, length, step) : sum_across(x, y, lines, length, step); }}};
  }
  if (p.kind == "cumsum" && p.n[2] == 0) {
    const array sums = problem::room({N}, false);
    return {{[=] {
      float* const s = sums.as();
      for (int64 j = 0; j < N; ++j) s[j] = 0;
      for (int64 i = 0; i < M; ++i)
        for (int64 j = 0; j < N; j += lanes) store(s + j, load(s + j) + load(x + i * N + j)), store(y + i * N + j, load(s + j));
    }}};
  }
  if (p.kind == "transpose") {
    std::vector<solution> all;
    for (const int64 strip : {16, 256}) all.push_back({[=] { transpose_rows<false>(x, y, M, strip); }});
    for (const int64 strip : {128, 256, 512}) all.push_back({[=] { transpose_columns<false>(x, y, M, strip); }});
    if (M % 16 == 0)
      for (const int64 strip : {16, 32, 64, 256}) all.push_back({[=] { transpose_rows<true>(x, y, M, strip); }});
    return all;
  }
  return {};
}

inline std::vector<solution> optim_loops(const problem& p) {
  if (p.kind != "adam") return {};
  const int64 n = p.n[1];
  const array m = problem::room({n}, false), v = problem::room({n}, false), w = p.out[0], from = p.in[0], g = p.in[1];
  for (int64 i = 0; i < n; ++i) w.as()[i] = from.as()[i], m.as()[i] = v.as()[i] = 0;
  const auto step = std::make_shared<int>(0);
  return {{[=] { adam(w.as(), g.as(), m.as(), v.as(), n, ++*step); }}};
}

inline std::vector<solution> autograd_loops(const problem& p) {
  if (p.kind == "sum_grad" || p.kind == "sum_grad_tape") {
    const int64 n = p.n[0];
    const float *a = p.in[0].as(), *b = p.in[1].as();
    float *value = p.out[0].as(), *da = p.out[1].as(), *db = p.out[2].as();
    return {{[=] { *value = static_cast<float>(sum_grad(a, b, da, db, n)); }}};
  }
  const auto scheme = [&]<bool Toon>(std::bool_constant<Toon>) {
    const auto work = std::make_shared<advection<Toon>>(static_cast<int>(p.n[0]), static_cast<int>(p.n[1]));
    const double* start = p.in[0].as<double>();
    double* grad = p.out[0].as<double>();
    return solution{[=] { work->gradient(start, grad); }};
  };
  if (p.kind == "lax_wendroff") return {scheme(std::false_type{})};
  if (p.kind == "toon") return {scheme(std::true_type{})};
  return {};
}

inline std::vector<solution> loops(const problem& p) {
  if (p.flops > 0 && p.repeat == 1) return {};
  if (p.kind == "small_gemm") return {};
  for (auto family : {autograd_loops, optim_loops, map_loops, row_loops})
    if (auto found = family(p); !found.empty()) return found;
  return {};
}

}  // namespace bench::limits
