// SPDX-License-Identifier: BSD-3-Clause
// oneDNN: primitives made once. Weights are brought into the layout that it asks for before the timing, as its manual has it.
#include <dnnl.hpp>
#ifdef _OPENMP
#include <omp.h>
#endif

#include "peer.hpp"

namespace bench::peer {
namespace {
using dims = dnnl::memory::dims;
using tag = dnnl::memory::format_tag;
constexpr auto f32 = dnnl::memory::data_type::f32;

struct state {
  dnnl::engine engine{dnnl::engine::kind::cpu, 0};
  dnnl::stream stream{engine};
  dnnl::primitive primitive;
  std::unordered_map<int, dnnl::memory> arguments;

  dnnl::memory wrap(const dnnl::memory::desc& d, const array& a) { return {d, engine, a.memory.get()}; }
  /// The array in the layout that a primitive wants.
  dnnl::memory reordered(const dnnl::memory& from, const dnnl::memory::desc& wanted) {
    if (from.get_desc() == wanted) return from;
    dnnl::memory to(wanted, engine);
    dnnl::reorder(from, to).execute(stream, const_cast<dnnl::memory&>(from), to);
    stream.wait();
    return to;
  }
};

using shared = std::shared_ptr<state>;
solution runs(const shared& s) {
  return {[s] {
    s->primitive.execute(s->stream, s->arguments);
    s->stream.wait();
  }};
}

solution product(const problem& p, bool transposed_a, bool transposed_b, dims batch) {
  const auto s = std::make_shared<state>();
  const bool bias = p.kind == "gemm_bias_relu", one = batch.empty();
  const int64 M = p.n[0], N = one ? p.n[1] : p.n[0], K = one ? p.n[2] : p.n[0];
  const auto with = [&](int64 r, int64 c) {
    dims d = batch;
    d.push_back(r), d.push_back(c);
    return d;
  };
  const auto plain = one ? tag::ab : tag::abc, turned = tag::ba;
  const dnnl::memory::desc a(with(M, K), f32, transposed_a ? turned : plain), b(with(K, N), f32, transposed_b ? turned : plain), c(with(M, N), f32, plain);
  dnnl::primitive_attr attributes;
  if (bias) {
    dnnl::post_ops after;
    after.append_eltwise(1, dnnl::algorithm::eltwise_relu, 0, 0);
    attributes.set_post_ops(after);
  }
  const dnnl::memory::desc v({1, N}, f32, tag::ab);
  const auto what = bias ? dnnl::matmul::desc(a, b, v, c) : dnnl::matmul::desc(a, b, c);
  s->primitive = dnnl::matmul(dnnl::matmul::primitive_desc(what, attributes, s->engine));
  s->arguments = {{DNNL_ARG_SRC, s->wrap(a, p.in[0])}, {DNNL_ARG_WEIGHTS, s->wrap(b, p.in[1])}, {DNNL_ARG_DST, s->wrap(c, p.out[0])}};
  if (bias) s->arguments.insert({DNNL_ARG_BIAS, s->wrap(v, p.in[2])});
  return runs(s);
}

/// Weights and images are in oneDNN's blocks, as between the layers of a network; the result is brought back for the check.
solution conv2d(const problem& p) {
  const auto s = std::make_shared<state>();
  const int64 B = p.n[0], C = p.n[1], O = p.n[2], S = p.n[3], K = p.n[4], P = p.n[5];
  const dnnl::memory::desc any_x({B, C, S, S}, f32, tag::any), any_w({O, C, K, K}, f32, tag::any), any_y({B, O, S, S}, f32, tag::any);
  const dnnl::convolution_forward::primitive_desc d({dnnl::prop_kind::forward_inference, dnnl::algorithm::convolution_direct, any_x, any_w, any_y, {1, 1}, {P, P}, {P, P}}, s->engine);
  s->primitive = dnnl::convolution_forward(d);
  const auto x = s->reordered(s->wrap({{B, C, S, S}, f32, tag::abcd}, p.in[0]), d.src_desc());
  const auto w = s->reordered(s->wrap({{O, C, K, K}, f32, tag::abcd}, p.in[1]), d.weights_desc());
  const dnnl::memory y(d.dst_desc(), s->engine);
  s->arguments = {{DNNL_ARG_SRC, x}, {DNNL_ARG_WEIGHTS, w}, {DNNL_ARG_DST, y}};
  const auto out = s->wrap({{B, O, S, S}, f32, tag::abcd}, p.out[0]);
  solution r = runs(s);
  r.publish = [=]() mutable {
    dnnl::memory from = y, to = out;
    dnnl::reorder(from, to).execute(s->stream, from, to);
    s->stream.wait();
  };
  return r;
}

solution elements(const problem& p, dnnl::algorithm algorithm) {
  const auto s = std::make_shared<state>();
  const dnnl::memory::desc d({p.n[0]}, f32, tag::a);
  s->primitive = dnnl::eltwise_forward(dnnl::eltwise_forward::primitive_desc({dnnl::prop_kind::forward_inference, algorithm, d, 0, 0}, s->engine));
  s->arguments = {{DNNL_ARG_SRC, s->wrap(d, p.in[0])}, {DNNL_ARG_DST, s->wrap(d, p.out[0])}};
  return runs(s);
}

solution rows(const problem& p) {
  const auto s = std::make_shared<state>();
  const dnnl::memory::desc d({p.n[0], p.n[1]}, f32, tag::ab);
  if (p.kind != "layer_norm") {
    s->primitive = dnnl::softmax_forward(dnnl::softmax_forward::primitive_desc({dnnl::prop_kind::forward_inference, d, p.kind == "softmax" ? 1 : 0}, s->engine));
    s->arguments = {{DNNL_ARG_SRC, s->wrap(d, p.in[0])}, {DNNL_ARG_DST, s->wrap(d, p.out[0])}};
    return runs(s);
  }
  const auto flags = dnnl::normalization_flags::use_scale | dnnl::normalization_flags::use_shift;
  const dnnl::memory::desc v({p.n[1]}, f32, tag::a);
  s->primitive = dnnl::layer_normalization_forward(dnnl::layer_normalization_forward::primitive_desc({dnnl::prop_kind::forward_inference, d, 1e-5f, flags}, s->engine));
  s->arguments = {{DNNL_ARG_SRC, s->wrap(d, p.in[0])}, {DNNL_ARG_SCALE, s->wrap(v, p.in[1])}, {DNNL_ARG_SHIFT, s->wrap(v, p.in[2])}, {DNNL_ARG_DST, s->wrap(d, p.out[0])}};
  return runs(s);
}
}  // namespace

std::string about() {
  const auto* v = dnnl_version();
  return "oneDNN " + std::to_string(v->major) + '.' + std::to_string(v->minor) + '.' + std::to_string(v->patch) + ", OpenMP threads as the row, weights and images of conv2d in its own blocks";
}

solution solve(const problem& p) {
#ifdef _OPENMP
  omp_set_num_threads(p.threads);
#endif
  try {
    if (p.kind == "batched_gemm") return product(p, false, false, {p.n[1]});
    if (p.kind == "gemm_bias_relu") return product(p, false, false, {});
    if (p.kind == "gemm" && !p.in[0].wide) return product(p, p.n[3], p.n[4], {});
    if (p.kind == "conv2d") return conv2d(p);
    if (p.kind == "softmax" || p.kind == "softmax0" || p.kind == "layer_norm") return rows(p);
    using a = dnnl::algorithm;
    if (p.kind == "exp") return elements(p, a::eltwise_exp);
    if (p.kind == "log") return elements(p, a::eltwise_log);
    if (p.kind == "tanh") return elements(p, a::eltwise_tanh);
    if (p.kind == "sigmoid") return elements(p, a::eltwise_logistic);
    if (p.kind == "gelu") return elements(p, a::eltwise_gelu_tanh);
  } catch (const dnnl::error& e) {
    std::fprintf(stderr, "onednn: %s: %s\n", p.id.c_str(), e.what());
  }
  return {};
}

}  // namespace bench::peer
