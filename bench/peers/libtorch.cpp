// SPDX-License-Identifier: BSD-3-Clause
// libtorch's C++ tensors: inference mode, results written to tensors that are there, threads as the row says. run.sh raises malloc's thresholds,
// without which large tensors fault their pages in again and again.
#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>
#include <c10/core/InferenceMode.h>
#include <torch/version.h>

#include "peer.hpp"

namespace bench::peer {
namespace {
using at::Tensor;

at::TensorOptions type_of(const array& a) { return a.wide ? at::kDouble : at::kFloat; }
Tensor view(const array& a) { return at::from_blob(a.memory.get(), a.sizes, type_of(a)); }
Tensor own(const array& a) { return view(a).clone(); }

/// Recorded gradients: x... are leaves, y = f() is differentiated against dy.
template <class F> solution gradient(std::vector<Tensor> leaves, const Tensor& dy, F f, std::vector<array> to) {
  for (Tensor& t : leaves) t.requires_grad_();
  return {[=] {
            for (const Tensor& t : leaves) t.mutable_grad() = Tensor();
            f(leaves).backward(dy);
          },
          [=] {
            for (std::size_t i = 0; i < to.size(); ++i) view(to[i]).copy_(leaves[i].grad());
          }};
}

/// Multi-tensor Adam, as torch.optim.Adam(foreach=True): in C++ the same list operations.
solution adam(const problem& p) {
  const auto chunks = [&](const Tensor& t) {
    std::vector<Tensor> parts;
    for (const Tensor& c : t.chunk(p.n[0])) parts.push_back(c.clone());
    return parts;
  };
  const auto w = chunks(view(p.in[0])), g = chunks(view(p.in[1]));
  std::vector<Tensor> m, v, largest, steps;
  for (const Tensor& t : w) m.push_back(at::zeros_like(t)), v.push_back(at::zeros_like(t)), steps.push_back(at::zeros({}, at::kFloat));
  const array out = p.out[0];
  return {[=]() mutable {
            for (Tensor& s : steps) s.add_(1);
            at::_fused_adam_(w, g, m, v, largest, steps, 1e-3, 0.9, 0.999, 0, 1e-8, false, false);
          },
          [=] { at::cat_out(*std::make_unique<Tensor>(view(out)), w); }};
}

/// Three layers and Adam, by hand from the recorded tensors, as a C++ user has torch::nn do it.
solution train(const problem& p) {
  const Tensor x = own(p.in[0]), t = own(p.in[1]);
  std::vector<Tensor> w;
  for (std::size_t i = 2; i < p.in.size(); ++i) w.push_back(own(p.in[i]).requires_grad_());
  std::vector<Tensor> m, v, largest, steps;
  for (const Tensor& q : w) m.push_back(at::zeros_like(q)), v.push_back(at::zeros_like(q)), steps.push_back(at::zeros({}, at::kFloat));
  const array loss_out = p.out[0], grad_out = p.out[1];
  const auto loss = std::make_shared<double>();
  return {[=]() mutable {
            for (Tensor& q : w) q.mutable_grad() = Tensor();
            const Tensor h = at::tanh(at::linear(at::tanh(at::linear(x, w[0], w[1])), w[2], w[3]));
            const Tensor mse = at::mse_loss(at::linear(h, w[4], w[5]), t);
            mse.backward();
            *loss = mse.item<float>();
            std::vector<Tensor> g;
            for (Tensor& q : w) g.push_back(q.grad());
            const at::NoGradGuard none;
            for (Tensor& s : steps) s.add_(1);
            at::_fused_adam_(w, g, m, v, largest, steps, 1e-4, 0.9, 0.999, 0, 1e-8, false, false);
          },
          [=] {
            *loss_out.as() = static_cast<float>(*loss);
            std::vector<Tensor> g;
            for (const Tensor& q : w) g.push_back(q.grad().flatten());
            view(grad_out).copy_(at::cat(g));
          }};
}

/// One step of the inner cells, which are periodic from the second step on.
template <class Flux> Tensor advected(const Tensor& start, int64 steps, Flux flux) {
  const int64 inner = start.size(0) - 2;
  const Tensor f = flux(start.narrow(0, 0, inner + 1), start.narrow(0, 1, inner + 1));
  Tensor q = start.narrow(0, 1, inner) + f.narrow(0, 0, inner) - f.narrow(0, 1, inner);
  for (int64 t = 1; t < steps; ++t) {
    const Tensor flow = flux(q, q.roll(-1));
    q = q + flow.roll(1) - flow;
  }
  return 0.1 * (q.sum() + q[0] + q[inner - 1]);
}
/// Rows of recorded statements; bytes that are held are counted by python.py's peers.
solution recorded(const problem& p) {
  std::vector<Tensor> x;
  for (const array& a : p.in) x.push_back(own(a).requires_grad_());
  const auto value = std::make_shared<Tensor>();
  const auto forget = [x] { for (const Tensor& t : x) t.mutable_grad() = Tensor(); };
  const auto out = p.out;
  if (p.kind == "tape") {
    const Tensor a = x[0].detach()[0].clone().requires_grad_(), b = x[1].detach()[0].clone().requires_grad_();
    return {[=, n = p.repeat] {
              a.mutable_grad() = b.mutable_grad() = Tensor();
              for (int64 i = 0; i < n; ++i) (a * b).backward();
            },
            [=] { view(out[0]).copy_(at::stack({a.grad(), b.grad()})); }};
  }
  if (p.kind == "sum_grad")
    return {[=] {
              forget();
              *value = (x[0] * x[1] + x[0].tanh()).sum();
              value->backward();
              *value = value->detach();
            },
            [=] { view(out[0]).copy_(*value), view(out[1]).copy_(x[0].grad()), view(out[2]).copy_(x[1].grad()); }};
  if (p.kind == "lax_wendroff" || p.kind == "toon") {
    constexpr double c = 0.125;
    return {[=, steps = p.n[1], toon = p.kind == "toon"] {
              forget();
              if (toon) advected(x[0], steps, [](const Tensor& l, const Tensor& r) { return ((c * (l / r).log()).exp() - 1) * l * r / (l - r); }).backward();
              else advected(x[0], steps, [](const Tensor& l, const Tensor& r) { return 0.5 * c * (l + r + c * (l - r)); }).backward();
            },
            [=] { view(out[0]).copy_(x[0].grad()); }};
  }
  if (p.kind == "chain")
    return {[=, n = p.repeat] {
              forget();
              Tensor y = x[2];
              for (int64 i = 0; i < n; ++i) y = at::addcmul(x[1], x[0], y);
              y.backward();
              *value = y.detach();
            },
            [=] { view(out[0]).copy_(at::cat({*value, x[0].grad(), x[1].grad()})); }};
  const auto gradient_of = [&](auto f) {
    return solution{[=] {
                      forget();
                      const Tensor y = f(x);
                      y.backward(at::ones_like(y));
                    },
                    [=] { view(out[0]).copy_(x[0].grad()); }};
  };
  if (p.kind == "norm_gelu") return gradient_of([n = p.n[1]](const auto& v) { return at::gelu(at::layer_norm(v[0], {n}, v[1], v[2]), "tanh"); });
  if (p.kind == "linear_relu") return gradient_of([](const auto& v) { return at::relu(at::addmm(v[2], v[0], v[1])); });
  return {};
}

solution elements(const problem& p) {
  Tensor a = own(p.in[0]), b = p.in.size() > 1 ? own(p.in[1]) : a, c = p.in.size() > 2 ? own(p.in[2]) : a, y = own(p.out[0]), t = at::empty_like(y);
  const std::string kind = p.kind == "muladd16" ? "muladd" : p.kind;
  const array out = p.out[0];
  const auto publish = [=] { view(out).copy_(y); };
  const auto infer = [=](auto f) { return solution{[=]() mutable { const c10::InferenceMode on; f(y, t); }, publish}; };
  if (kind == "muladd") return infer([=, n = p.repeat](Tensor& to, Tensor&) { for (int64 i = 0; i < n; ++i) at::addcmul_out(to, c, a, b); });
  if (kind == "formula") return infer([=](Tensor& to, Tensor& other) { at::addcmul_out(to, c, a, b), at::div_out(other, a, b), to.sub_(other); });
  if (kind == "mse") return infer([=](Tensor& to, Tensor&) { to.copy_(at::mse_loss(a, b)); });
  if (kind == "exp") return infer([=](Tensor& to, Tensor&) { at::exp_out(to, a); });
  if (kind == "log") return infer([=](Tensor& to, Tensor&) { at::log_out(to, a); });
  if (kind == "tanh") return infer([=](Tensor& to, Tensor&) { at::tanh_out(to, a); });
  if (kind == "sigmoid") return infer([=](Tensor& to, Tensor&) { at::sigmoid_out(to, a); });
  if (kind == "erf") return infer([=](Tensor& to, Tensor&) { at::erf_out(to, a); });
  if (kind == "gelu") return infer([=](Tensor& to, Tensor&) { at::gelu_out(to, a, "tanh"); });
  return {};
}
}  // namespace

std::string about() {
  return "libtorch " TORCH_VERSION ", AVX level " + at::get_cpu_capability() + ", inference mode, out variants, MALLOC_MMAP_THRESHOLD_ etc. raised";
}

solution solve(const problem& p) {
  at::set_num_threads(p.threads);
  if (p.kind == "adam") return adam(p);
  if (p.kind == "train") return train(p);
  if (solution s = recorded(p)) return s;
  if (p.n.size() < 2 || p.kind == "mse") return elements(p);
  std::vector<Tensor> in;
  for (const array& a : p.in) in.push_back(own(a));
  if (p.kind == "softmax_grad") return gradient({in[0]}, in[1], [](const auto& x) { return at::softmax(x[0], 1); }, p.out);
  if (p.kind == "layer_norm_grad")
    return gradient({in[0], in[1], in[2]}, in[3], [n = p.n[1]](const auto& x) { return at::layer_norm(x[0], {n}, x[1], x[2]); }, p.out);

  const auto y = std::make_shared<Tensor>(own(p.out[0]));
  const array out = p.out[0];
  const auto publish = [=] { view(out).copy_(*y); };
  const auto infer = [=](auto f) { return solution{[=] { const c10::InferenceMode on; f(*y); }, publish}; };
  if (p.kind == "softmax" || p.kind == "softmax0") return infer([x = in[0], d = p.kind == "softmax"](Tensor& to) { at::softmax_out(to, x, d); });
  if (p.kind == "layer_norm") return infer([=, n = p.n[1]](Tensor& to) { to = at::layer_norm(in[0], {n}, in[1], in[2]); });
  if (p.kind == "cumsum") return infer([x = in[0], d = p.n[2]](Tensor& to) { at::cumsum_out(to, x, d); });
  if (p.kind == "max_pool") return infer([x = in[0]](Tensor& to) { to = at::max_pool2d(x, 3, 2, 1); });
  if (p.kind == "transpose") return infer([x = in[0]](Tensor& to) { to.copy_(x.t()); });
  if (p.kind == "outer_add" || p.kind == "row_sum" || p.kind == "col_sum") {
    const auto l = problems::layout(p.n);
    const Tensor x = in[0].as_strided({p.n[0], p.n[1]}, {l.row, l.column});
    if (p.kind != "outer_add") return infer([x, d = p.kind == "row_sum"](Tensor& to) { at::sum_out(to, x, d); });
    const Tensor column = in[1].view({p.n[0], 1}), row = in[2];
    return infer([=, n = p.n](Tensor& to) {
      Tensor laid = to.as_strided({n[0], n[1]}, {l.row, l.column});
      at::addcmul_out(laid, x, column, row);
    });
  }
  if (p.kind == "small_gemm") {
    std::vector<Tensor> a = in[0].unbind(), b = in[1].unbind(), c = y->unbind();
    return {[=]() mutable {
              const c10::InferenceMode on;
              for (std::size_t i = 0; i < a.size(); ++i) at::mm_out(c[i], a[i], b[i]);
            },
            publish};
  }
  if (p.kind == "batched_gemm") return infer([=](Tensor& to) { at::bmm_out(to, in[0], in[1]); });
  if (p.kind == "gemm") {
    const Tensor a = p.n[3] ? in[0].t() : in[0], b = p.n[4] ? in[1].t() : in[1];
    return infer([=](Tensor& to) { at::mm_out(to, a, b); });
  }
  if (p.kind == "gemm_bias_relu") return infer([=](Tensor& to) { at::addmm_out(to, in[2], in[0], in[1]), to.relu_(); });
  if (p.kind == "attention")
    return infer([=](Tensor& to) { to = at::scaled_dot_product_attention(in[0], in[1], in[2]); });
  if (p.kind == "conv2d") return infer([=](Tensor& to) { to = at::conv2d(in[0], in[1], {}, 1, p.n[5]); });
  return {};
}

}  // namespace bench::peer
