// SPDX-License-Identifier: BSD-3-Clause
// One part of a program, compiled several times: -DPART=name and flags of its own. Every part holds the same formulas,
// and uses every layer once, so that a function that is not its own would show.
#include "part.hpp"

#include <sinter/io/safetensors.hpp>
#include <sinter/tensor/print.hpp>

#include <cstdio>
#include <sstream>
#include <string>

namespace {

matrix make(st::int64 rows, st::int64 columns) {
  matrix x = st::empty<float>({rows, columns});
  for (st::int64 i = 0; i < x.numel(); ++i) x.data()[i] = static_cast<float>(i % 97) / 97 - 0.5f;
  return x;
}
matrix compute(const matrix& x) {
  st::tensor p = st::softmax(st::tanh(2 * x + 1), 1);
  return st::matmul(x, p.T()) * 3 - 1;
}
matrix gradient(const matrix& x) {
  st::variable v = st::clone(x);
  st::variable loss = st::sum(st::softmax(v * v, 1) * x);
  loss.backward();
  return v.grad();
}
void write(matrix& x) { x += 1; }
st::int64 consume(matrix x) {
  x = x * 2;
  return x.numel();
}
weights leaf(const matrix& x) { return weights(x, true); }
double second(const weights& w) {  // d/dw of |d/dw sum(w^3)|^2 = d/dw 9 w^4 = 36 w^3, summed
  st::variable loss = st::sum(w * w * w);
  auto [g] = st::grad(loss, std::tie(w), {.create_graph = true});
  st::variable norm = st::sum(g * g);
  norm.backward();
  st::tensor s = st::sum(w.grad());
  return s.item();
}
double train(st::any_tensor data) {
  st::manual_seed(3);
  const st::tensor<const float, st::rank<2>> x = data.as<const float, 2>();
  auto net = st::nn::sequential{st::nn::linear<8, 16>(), st::nn::relu(), st::nn::dropout(0.1), st::nn::linear<16, 3>()};
  st::tensor target = st::randint<st::int64>(0, 3, {x.size(0)});
  st::optim::adamw opt{net.parameters(), {.lr = 1e-2}};
  st::optim::sgd other{net.parameters(), {.lr = 1e-3, .momentum = 0.9}};
  double last = 0;
  for (int i = 0; i < 3; ++i) {
    opt.zero_grad();
    st::variable loss = st::cross_entropy(net(x), target);
    loss.backward();
    opt.step();
    other.step();
    last = loss.item();
  }
  net.eval();
  return last;
}
std::string print(const matrix& x) {
  const st::tensor h = st::to<st::half>(x);
  const st::tensor b = st::softmax(st::to<st::bfloat16>(x) * h, 0);
  const st::tensor i = st::to<st::int8>(x * 10) * st::full<st::uint8>({1, x.size(1)}, 3);
  const st::tensor some = st::cat({st::index_select(x, 0, st::array<st::int64>({1, 0})), st::tril(x)}, 0);
  const st::tensor<double, st::rank<2>> noise = st::randn<double>({x.size(0), x.size(1)});
  std::ostringstream out;
  out << x(st::slice(0, 2), st::slice(0, 3)) << noise.sizes()[1] << h.size(0) << st::tensor(st::sum(i)).item() << some.size(0) << b.size(1) << st::permute(x, {1, 0}).size(0);
  return out.str();
}
matrix files(const matrix& x, const char* path) {
  const std::string base = path;
  st::nn::state_dict d;
  d.set("x", x);
  st::save_safetensors(base + ".safetensors", d);
  const auto back = st::load_safetensors(base + ".safetensors").at("x").as<const float, 2>();
  std::remove((base + ".safetensors").c_str());
  return back * 1;
}

}  // namespace

#define TEXT_(x) #x
#define TEXT(x) TEXT_(x)
extern const part PART;
const part PART{TEXT(PART), make, compute, gradient, write, consume, leaf, second, train, print, files};
