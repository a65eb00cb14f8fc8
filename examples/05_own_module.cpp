// SPDX-License-Identifier: BSD-3-Clause
// Chapter 5: modules of your own. A struct, its members in one line, a forward; then training, saving, copying.
// Before: 04_own_op.cpp. Next: 06_how_fusion_works.cpp; quickstart.cpp for real data.
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <sinter/io/safetensors.hpp>
#include <sinter/sinter.hpp>

namespace st = sinter;
namespace nn = sinter::nn;

void check(bool right, const char* what) {
  std::printf("  %s %s\n", right ? "ok" : "WRONG", what);
  if (!right) std::exit(1);
}

/// x + scale * f(norm(x)): a residual block. Members are modules, parameters (variables) and buffers (tensors).
template <st::int64 Width> struct block : nn::module<block<Width>> {
  nn::layer_norm<Width> norm;
  nn::linear<Width, 2 * Width> up;
  nn::linear<2 * Width, Width> down;
  st::param<float, Width> scale{st::full<float>(st::shape<Width>, 0.5)};

  auto members() { return nn::members("norm", norm, "up", up, "down", down, "scale", scale); }
  auto forward(auto&& x) { return x + scale * down(st::gelu(up(norm(x)))); }
};

struct net : nn::module<net> {
  nn::linear<2, 16> in;
  block<16> body;
  nn::linear<16, 2> out;

  auto members() { return nn::members("in", in, "body", body, "out", out); }
  auto forward(auto&& x) { return out(body(st::tanh(in(x)))); }
};

int main() {
  st::manual_seed(1);
  net model;

  std::puts("-- Parameters, with PyTorch's names");
  for (const auto& [name, p] : model.named_parameters()) std::printf("  %-18s %4lld\n", name.c_str(), static_cast<long long>(p.numel()));
  check(model.parameters().size() == 11, "eleven parameters in nested modules");

  std::puts("\n-- Training: two interleaved spirals");
  constexpr st::int64 n = 400;
  const auto points = st::empty({n, 2});
  const auto classes = st::empty<st::int64>({n});
  for (st::int64 i = 0; i < n; ++i) {
    const double turn = 0.5 + 2.5 * static_cast<double>(i / 2) / (n / 2), angle = 3.14159265 * (turn + static_cast<double>(i % 2));
    points(i, 0) = static_cast<float>(turn / 3 * std::cos(angle)), points(i, 1) = static_cast<float>(turn / 3 * std::sin(angle));
    classes(i) = i % 2;
  }
  st::optim::adam optimizer{model.parameters(), {.lr = 0.01}};
  double last = 0;
  for (int step = 0; step <= 400; ++step) {
    optimizer.zero_grad();
    st::variable loss = st::cross_entropy(model(points), classes);
    loss.backward();
    optimizer.step();
    last = loss.item();
    if (step % 100 == 0) std::printf("  step %3d: loss %.4f\n", step, last);
  }
  st::tensor right = st::mean(st::argmax(st::detach(model(points)), 1) == classes);
  std::printf("  %.1f %% of the points are right\n", 100 * right.item());
  check(right.item() > 0.95, "the spirals are told apart");

  std::puts("\n-- Saving and loading");
  const std::string path = (std::filesystem::temp_directory_path() / "sinter_05_own_module.safetensors").string();
  st::save_safetensors(path, model.state_dict());
  net fresh;
  fresh.load_state_dict(st::load_safetensors(path));
  std::filesystem::remove(path);
  st::tensor a = st::detach(model(points)), b = st::detach(fresh(points));
  check(st::tensor(st::sum(a != b)).item() == 0, "the loaded model computes the same bits");

  std::puts("\n-- Copying shares, clone copies");
  net same = model, own = model.clone();
  nn::zeros_(model.out.bias);
  check(same.out.bias.value()(0) == 0, "a copy of a module has the same parameters");
  check(own.out.bias.value()(0) != 0, "a clone has its own");
}
