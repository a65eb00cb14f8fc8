// SPDX-License-Identifier: BSD-3-Clause
#include "../vec.hpp"
#include "ours.hpp"

namespace bench::ours {
namespace {

constexpr st::fn<[](auto a, auto b, auto c) { return a * b + c; }> muladd;

template <class F> solution elements(const problem& p, F f) {
  const auto x = flat(p.in[0]), y = flat(p.out[0]);
  return {[=] { y.copy_(f(x)); }};
}

}  // namespace

solution map(const problem& p) {
  const auto repeat = p.repeat;
  if (p.kind == "muladd16") {
    const auto of = [](const array& from) {
      const auto t = st::empty<float>(st::shape<16>);
      for (int64 i = 0; i < 16; ++i) t.data()[i] = from.as()[i];
      return t;
    };
    const auto a = of(p.in[0]), b = of(p.in[1]), c = of(p.in[2]), y = st::empty<float>(st::shape<16>);
    const array out = p.out[0];
    return {[=] {
              for (int64 r = 0; r < repeat; ++r) {
                muladd.into(y, a, b, c);
                barrier();
              }
            },
            [=] { publish(y, out); }};
  }
  if (p.kind == "muladd") {
    const auto a = flat(p.in[0]), b = flat(p.in[1]), c = flat(p.in[2]), y = flat(p.out[0]);
    return {[=] {
      for (int64 r = 0; r < repeat; ++r) {
        y.copy_(a * b + c);
        barrier();
      }
    }};
  }
  if (p.kind == "formula") {
    const auto a = flat(p.in[0]), b = flat(p.in[1]), c = flat(p.in[2]), y = flat(p.out[0]);
    return {[=] { y.copy_(a * b + c - a / b); }};
  }
  if (p.kind == "mse") {
    const auto a = flat(p.in[0]), b = flat(p.in[1]);
    const st::tensor<float, st::rank<0>> y = st::from_blob(p.out[0].as(), st::index_list<0>(), st::index_list<0>());
    return {[=] {
      const auto d = a - b;
      y.copy_(st::mean(d * d));
    }};
  }
  if (p.kind == "exp") return elements(p, [](const auto& x) { return st::exp(x); });
  if (p.kind == "log") return elements(p, [](const auto& x) { return st::log(x); });
  if (p.kind == "tanh") return elements(p, [](const auto& x) { return st::tanh(x); });
  if (p.kind == "sigmoid") return elements(p, [](const auto& x) { return st::sigmoid(x); });
  if (p.kind == "erf") return elements(p, [](const auto& x) { return st::erf(x); });
  if (p.kind == "gelu") return elements(p, [](const auto& x) { return st::gelu(x, st::approximate_tanh); });
  return {};
}

}  // namespace bench::ours
