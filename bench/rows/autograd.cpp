// SPDX-License-Identifier: BSD-3-Clause
#include <sinter/func/func.hpp>
#include <sinter/tensor/loop.hpp>
#include <sys/resource.h>

#include <cstdio>

#include "../measure.hpp"
#include "ours.hpp"

namespace bench::ours {
namespace {

using numbers = st::variable<double, st::rank<1>>;

template <class T> st::tensor<T, st::rank<0>> scalar(const array& a) { return st::full<T>({}, static_cast<T>(a[0])); }

solution tape(const problem& p) {
  const st::variable a = scalar<float>(p.in[0]), b = scalar<float>(p.in[1]);
  const array out = p.out[0];
  return {[=, n = p.repeat] {
            a.zero_grad(), b.zero_grad();
            for (int64 i = 0; i < n; ++i) {
              st::variable y = a * b;
              y.backward();
            }
          },
          [=] { out.as()[0] = a.grad().item(), out.as()[1] = b.grad().item(); }};
}

/// Value and gradients as one program, forward and backward in one loop.
solution sum_grad(const problem& p) {
  const auto a = flat(p.in[0]), b = flat(p.in[1]);
  const auto value = std::make_shared<float>(0.0f);
  const auto gradients = std::make_shared<std::pair<decltype(flat(p.in[0])), decltype(flat(p.in[0]))>>();
  const array to = p.out[0], da = p.out[1], db = p.out[2];
  return {[=] {
            constexpr auto f = [](auto x, auto y) { return st::sum(x * y + st::tanh(x)); };
            auto [y, by] = st::func::value_and_grad(f, st::func::argnums<0, 1>)(a, b);
            *value = y.item(), *gradients = {std::get<0>(by), std::get<1>(by)};
          },
          [=] { to.as()[0] = *value, publish(gradients->first, da), publish(gradients->second, db); }};
}
solution sum_grad_tape(const problem& p) {
  const st::variable a = flat(p.in[0]), b = flat(p.in[1]);
  const auto value = std::make_shared<float>(0.0f);
  const array to = p.out[0], da = p.out[1], db = p.out[2];
  return {[=] {
            a.zero_grad(), b.zero_grad();
            st::variable y = st::sum(a * b + st::tanh(a));
            y.backward();
            *value = y.item();
          },
          [=] { to.as()[0] = *value, publish(a.grad(), da), publish(b.grad(), db); }};
}

constexpr double courant = 0.125;
struct lax_wendroff {
  static constexpr auto flux(auto l, auto r) { return 0.5 * courant * (l + r + courant * (l - r)); }
};
struct toon {
  static constexpr auto flux(auto l, auto r) { return (exp(courant * log(l / r)) - 1) * l * r / (l - r); }
};
/// After the first step the inner cells are periodic: the rest is one loop over them.
template <class Scheme> solution advection(const problem& p) {
  const numbers start = flat<double>(p.in[0]);
  const int64 inner = p.n[0] - 2, rest = p.n[1] - 1;
  const array out = p.out[0];
  const auto ends = st::full<double>({inner}, 0.1);  // the end cells are copies of inner ones
  ends(0) = ends(-1) = 0.2;
  return {[=] {
            start.zero_grad();
            const numbers f = Scheme::flux(st::narrow(start, 0, 0, inner + 1), st::narrow(start, 0, 1, inner + 1));
            const numbers first = st::narrow(start, 0, 1, inner) + st::narrow(f, 0, 0, inner) - st::narrow(f, 0, 1, inner);
            st::variable total = st::sum(ends * st::scan([](auto q, auto) {
              const auto flow = Scheme::flux(q, roll(q, -1, 0));
              return q + roll(flow, 1, 0) - flow;
            }, first, st::steps(rest)));
            total.backward();
          },
          [=] { publish(start.grad(), out); }};
}

solution chain(const problem& p) {
  const st::variable a = scalar<double>(p.in[0]), b = scalar<double>(p.in[1]), x = scalar<double>(p.in[2]);
  struct times {
    double value = 0, forward = 0, backward = 0, end = 0;
    long before = 0, after = 0;
    int64 held = 0;
  };
  const auto sum = std::make_shared<times>();
  const auto resident = [] {
    rusage u{};
    getrusage(RUSAGE_SELF, &u);
    return u.ru_maxrss;
  };
  const array out = p.out[0];
  return {[=, n = p.repeat] {
            a.zero_grad(), b.zero_grad();
            if (!sum->before) sum->before = resident();
            const double start = now_ns(1);
            auto y = x;
            for (int64 i = 0; i < n; ++i) y = st::eval(a * y + b);
            const double recorded = now_ns(1);
            sum->held = st::memory_allocated();
            y.backward();
            sum->value = y.item();
            const double differentiated = now_ns(1);
            if (!sum->after) sum->after = resident();
            y = {};
            sum->forward += recorded - start, sum->backward += differentiated - recorded, sum->end += now_ns(1) - differentiated;
          },
          [=] { out.as<double>()[0] = sum->value, out.as<double>()[1] = a.grad().item(), out.as<double>()[2] = b.grad().item(); },
          [=, n = static_cast<double>(p.repeat)] {
            char s[160];
            const double all = sum->forward + sum->backward + sum->end;
            std::snprintf(s, sizeof s, "forward %.0f %%, backward %.0f %%, destruction %.0f %%; %.0f bytes a statement, %.0f of them elements", 100 * sum->forward / all,
                          100 * sum->backward / all, 100 * sum->end / all, 1024.0 * static_cast<double>(sum->after - sum->before) / n, static_cast<double>(sum->held) / n);
            return std::string(s);
          }};
}

/// A gradient of f(x, ...), and the bytes that are held between forward and backward beyond the inputs and the result.
template <class F, class... X> solution held(const array& to, F f, const X&... x) {
  const auto bytes = std::make_shared<int64>(0);
  const auto in = std::tuple(x...);
  const auto ones = std::apply([&](const auto&... v) { return st::ones_like(st::eval(f(v...)).value()); }, in);
  return {[=] {
            std::apply([&](const auto&... v) { (v.zero_grad(), ...); }, in);
            const int64 before = st::memory_allocated();
            st::variable y = std::apply([&](const auto&... v) { return st::eval(f(v...)); }, in);
            *bytes = st::memory_allocated() - before - y.numel() * static_cast<int64>(sizeof(float));
            y.backward(ones);
          },
          [=] { publish(std::get<0>(in).grad(), to); },
          [=] { return std::to_string(*bytes) + " bytes held for backward beside inputs and result"; }};
}

solution hessian(const problem& p) {
  const auto x = flat<double>(p.in[0]);
  const auto inside = st::ones<double>({p.n[0]});
  inside(-1) = 0;
  const auto to = matrix<double>(p.out[0]);
  return {[=] {
    constexpr auto rosenbrock = [](auto v, auto on) {
      const auto a = roll(v, -1, 0) - v * v, b = 1 - v;
      return sum(on * (100 * a * a + b * b));
    };
    to.copy_(st::func::hessian(rosenbrock)(x, inside));
  }};
}
solution jacobian(const problem& p) {
  const auto x = flat<double>(p.in[0]);
  const auto w1 = matrix<double>(p.in[1]), w2 = matrix<double>(p.in[2]), to = matrix<double>(p.out[0]);
  return {[=] {
    constexpr auto network = [](auto v, auto u, auto w) { return tanh(matmul(w, tanh(matmul(u, v)))); };
    to.copy_(st::func::jacrev(network)(x, w1, w2));
  }};
}

}  // namespace

solution autograd(const problem& p) {
  if (p.kind == "tape") return tape(p);
  if (p.kind == "sum_grad") return sum_grad(p);
  if (p.kind == "sum_grad_tape") return sum_grad_tape(p);
  if (p.kind == "lax_wendroff") return advection<lax_wendroff>(p);
  if (p.kind == "toon") return advection<toon>(p);
  if (p.kind == "chain") return chain(p);
  if (p.kind == "norm_gelu")
    return held(p.out[0], [](const auto& x, const auto& w, const auto& b) { return st::gelu(st::layer_norm(x, w, b), st::approximate_tanh); }, st::variable(matrix(p.in[0])),
                st::variable(flat(p.in[1])), st::variable(flat(p.in[2])));
  if (p.kind == "linear_relu")
    return held(p.out[0], [](const auto& x, const auto& w, const auto& b) { return st::relu(st::matmul(x, w) + b); }, st::variable(matrix(p.in[0])),
                st::variable(matrix(p.in[1])), st::variable(flat(p.in[2])));
  if (p.kind == "hessian") return hessian(p);
  if (p.kind == "jacobian") return jacobian(p);
  return {};
}

}  // namespace bench::ours
