// SPDX-License-Identifier: BSD-3-Clause
// sinter on one core against limits that are measured in the same run, and against peers. Outputs are checked against
// double first. bench/run.sh builds and runs it; losses are printed like wins.
#include <sinter/sinter.hpp>

#include <cmath>
#include <cstdio>
#include <cstdlib>

#include "by_hand.hpp"
#include "peers.hpp"

namespace st = sinter;
namespace nn = sinter::nn;
using bench::row;
using matrix = st::tensor<float, st::rank<2>>;

struct options {
  std::string json, only;
  int turns = 30;
  bool wants(const std::string& id) const { return only.empty() || ("," + only + ",").find("," + id + ",") != std::string::npos; }
};

void must(bool right, const char* what) {
  if (right) return;
  std::fprintf(stderr, "bench: wrong result: %s\n", what);
  std::exit(1);
}

row bandwidth(const options& o) {
  constexpr st::int64 n = 1 << 24;
  row r{"axpy", "y = a * b + c, 16M floats", 0, 0, "hand loop", 4.0 * n * 4, 2.0 * n, 0, {}};
  const auto a = st::rand<float>({n}), b = st::rand<float>({n}), c = st::rand<float>({n});
  const auto y = st::empty<float>({n}), z = st::empty<float>({n});
  y.copy_(a * b + c);
  bench::multiply_add_arrays<true>(a.data(), b.data(), c.data(), z.data(), n);
  for (st::int64 i = 0; i < n; ++i) {
    const double want = static_cast<double>(a.data()[i]) * b.data()[i] + c.data()[i];
    r.max_error = std::max(r.max_error, std::abs(y.data()[i] - want));
    must(std::abs(z.data()[i] - want) < 1e-6, "axpy by hand");
  }
  must(r.max_error < 1e-6, "axpy");
  std::vector<bench::candidate> all{
      {"ours", [&] { y.copy_(a * b + c); }},
      {"plain", [&] { bench::multiply_add_arrays<false>(a.data(), b.data(), c.data(), z.data(), n); }},
      {"stream", [&] { bench::multiply_add_arrays<true>(a.data(), b.data(), c.data(), z.data(), n); }}};
  if (bench::eigen::present()) all.push_back({"eigen", [&] { bench::eigen::multiply_add_arrays(a.data(), b.data(), c.data(), z.data(), n); }});
  const auto ns = bench::race(all, o.turns);
  r.ours_ns = ns[0], r.limit_ns = std::min(ns[1], ns[2]);
  if (ns.size() > 3) r.peers["eigen"] = ns[3];
  return r;
}

row softmax(const options& o) {
  constexpr st::int64 rows = 4096, columns = 1024;
  row r{"softmax", "softmax of rows, 4096 x 1024 floats", 0, 0, "hand loop", 2.0 * rows * columns * 4, 0, 0, {}};
  const matrix x = st::randn<float>({rows, columns}), y = st::empty<float>({rows, columns}), z = st::empty<float>({rows, columns});
  y.copy_(st::softmax(x, 1));
  bench::softmax_rows(x.data(), z.data(), rows, columns);
  for (st::int64 i = 0; i < rows; i += 17) {
    const float *p = x.data() + i * columns, *q = y.data() + i * columns, *h = z.data() + i * columns;
    double sum = 0;
    for (st::int64 j = 0; j < columns; ++j) sum += std::exp(static_cast<double>(p[j]));
    for (st::int64 j = 0; j < columns; ++j) {
      const double want = std::exp(static_cast<double>(p[j])) / sum;
      r.max_error = std::max(r.max_error, std::abs(q[j] / want - 1));
      must(std::abs(h[j] / want - 1) < 1e-5, "softmax by hand");
    }
  }
  must(r.max_error < 1e-5, "softmax");
  std::vector<bench::candidate> all{{"ours", [&] { y.copy_(st::softmax(x, 1)); }},
                                    {"hand", [&] { bench::softmax_rows(x.data(), z.data(), rows, columns); }}};
  if (bench::eigen::present()) all.push_back({"eigen", [&] { bench::eigen::softmax_rows(x.data(), z.data(), rows, columns); }});
  const auto ns = bench::race(all, o.turns);
  r.ours_ns = ns[0], r.limit_ns = ns[1];
  if (ns.size() > 2) r.peers["eigen"] = ns[2];
  return r;
}

row gemm(const options& o) {
  constexpr st::int64 n = 1024;
  row r{"gemm", "matmul, 1024 x 1024 x 1024 floats", 0, 0, "FMA peak", 3.0 * n * n * 4, 2.0 * n * n * n, 0, {}};
  const matrix a = st::randn<float>({n, n}), b = st::randn<float>({n, n}), c = st::empty<float>({n, n}), d = st::empty<float>({n, n});
  c.copy_(st::matmul(a, b));
  for (st::int64 i = 0; i < n; i += 61)
    for (st::int64 j = 0; j < n; j += 7) {
      double want = 0, size = 0;
      for (st::int64 k = 0; k < n; ++k) {
        const double term = static_cast<double>(a.data()[i * n + k]) * b.data()[k * n + j];
        want += term, size += std::abs(term);
      }
      r.max_error = std::max(r.max_error, std::abs(c.data()[i * n + j] - want) / size);
    }
  must(r.max_error < 1e-5, "gemm");
  std::vector<bench::candidate> all{{"ours", [&] { c.copy_(st::matmul(a, b)); }}, bench::peak()};
  if (bench::eigen::present()) all.push_back({"eigen", [&] { bench::eigen::gemm(a.data(), b.data(), d.data(), n); }});
  const auto ns = bench::race(all, o.turns);
  r.ours_ns = ns[0], r.limit_ns = ns[1] * r.flops / bench::peak_flops;
  if (ns.size() > 2) r.peers["eigen"] = ns[2];
  return r;
}

// The network of the training row, in double and by plain loops: the mean of (tanh(tanh(x W0 + b0) W1 + b1) W2 + b2 - t)^2.
double loss_in_double(const std::vector<std::vector<double>>& p, const matrix& x, const matrix& t) {
  constexpr std::size_t n = 64;
  double loss = 0;
  for (std::size_t row = 0; row < static_cast<std::size_t>(x.size(0)); ++row) {
    std::vector<double> in(x.data() + row * n, x.data() + (row + 1) * n), out(n);
    for (std::size_t layer = 0; layer < 3; ++layer, in = out)
      for (std::size_t j = 0; j < n; ++j) {
        double s = p[2 * layer + 1][j];
        for (std::size_t k = 0; k < n; ++k) s += in[k] * p[2 * layer][j * n + k];
        out[j] = layer < 2 ? std::tanh(s) : s;
      }
    for (std::size_t j = 0; j < n; ++j) loss += (in[j] - t.data()[row * n + j]) * (in[j] - t.data()[row * n + j]);
  }
  return loss / static_cast<double>(x.numel());
}

row train(const options& o) {
  constexpr st::int64 batch = 64, n = 64;
  row r{"train", "training step: 3 linear layers of 64 x 64, tanh, batch 64, Adam", 0, 0, "FMA peak", 0, 6.0 * 3 * batch * n * n, 0, {}};
  const matrix x = st::randn<float>({batch, n}), t = st::randn<float>({batch, n});
  nn::sequential net{nn::linear<n, n>{}, nn::tanh{}, nn::linear<n, n>{}, nn::tanh{}, nn::linear<n, n>{}};
  st::optim::adam adam{net.parameters(), {.lr = 1e-4}};
  auto differentiate = [&] {
    adam.zero_grad();
    auto error = net(x) - t;
    st::variable loss = st::mean(error * error);
    loss.backward();
    return loss.item();
  };

  // the loss, and its derivative along a fixed direction, against double
  const double ours = differentiate();
  std::vector<std::vector<double>> at, up, down;
  double slope = 0, size = 0;
  int seed = 0;
  for (const auto& p : net.parameters()) {
    std::vector<double> v, above, below;
    const auto* value = static_cast<const float*>(p.value().data());
    const auto* grad = static_cast<const float*>(p.grad().data());
    for (st::int64 i = 0; i < p.numel(); ++i) {
      const double d = std::sin(0.37 * ++seed), h = 1e-5;
      v.push_back(value[i]), above.push_back(value[i] + h * d), below.push_back(value[i] - h * d);
      slope += grad[i] * d, size += std::abs(grad[i] * d);
    }
    at.push_back(v), up.push_back(above), down.push_back(below);
  }
  const double want = (loss_in_double(up, x, t) - loss_in_double(down, x, t)) / 2e-5;
  r.max_error = std::max(std::abs(ours / loss_in_double(at, x, t) - 1), std::abs(slope - want) / size);
  must(r.max_error < 1e-5, "train");

  const auto ns = bench::race({{"ours", [&] {
                                  differentiate();
                                  adam.step();
                                }},
                               bench::peak()}, o.turns);
  r.ours_ns = ns[0], r.limit_ns = ns[1] * r.flops / bench::peak_flops;
  return r;
}

std::string text(const char* format, double a) {
  char s[64];
  std::snprintf(s, sizeof s, format, a);
  return s;
}
std::string time_text(double ns) { return ns < 1e3 ? text("%.0f ns", ns) : ns < 1e6 ? text("%.1f us", ns / 1e3) : text("%.2f ms", ns / 1e6); }

void print(const row& r) {
  std::printf("%-8s %-64s %10s  %5.1f %% of %s (%s)", r.id.c_str(), r.what.c_str(), time_text(r.ours_ns).c_str(), 100 * r.limit_ns / r.ours_ns,
              r.limit_kind.c_str(), time_text(r.limit_ns).c_str());
  if (r.limit_kind == "FMA peak") std::printf("  %.0f GFLOP/s", r.flops / r.ours_ns);
  else std::printf("  %.1f GB/s", r.bytes / r.ours_ns);
  std::printf("  error %.1e", r.max_error);
  for (const auto& [name, ns] : r.peers) std::printf("  %s %s (%.2fx)", name.c_str(), time_text(ns).c_str(), ns / r.ours_ns);
  if (r.ours_ns < 0.95 * r.limit_ns) std::printf("  BEATS ITS LIMIT: a bug in the bench");
  std::printf("\n");
  std::fflush(stdout);
}

void write_json(const options& o, const bench::machine& m, const std::vector<row>& rows) {
  std::FILE* f = std::fopen(o.json.c_str(), "w");
  if (!f) {
    std::fprintf(stderr, "bench: cannot write %s\n", o.json.c_str());
    std::exit(1);
  }
  std::fprintf(f, "{\"machine\": {\"cpu\": \"%s\", \"compiler\": \"%s\", \"flags\": \"%s\", \"threads\": 1, \"fma_gflops\": %.4g, \"copy_gbs\": %.4g, \"stream_gbs\": %.4g},\n\"rows\": [\n",
               m.cpu.c_str(), m.compiler.c_str(), m.flags.c_str(), m.fma_gflops, m.copy_gbs, m.stream_gbs);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const row& r = rows[i];
    std::fprintf(f, "%s{\"id\": \"%s\", \"what\": \"%s\", \"ours_ns\": %.6g, \"limit_ns\": %.6g, \"limit_kind\": \"%s\", \"bytes\": %.10g, \"flops\": %.10g, \"max_error\": %.3g, \"peers\": {",
                 i ? ",\n" : "", r.id.c_str(), r.what.c_str(), r.ours_ns, r.limit_ns, r.limit_kind.c_str(), r.bytes, r.flops, r.max_error);
    bool first = true;
    for (const auto& [name, ns] : r.peers) std::fprintf(f, "%s\"%s\": %.6g", first ? "" : ", ", name.c_str(), ns), first = false;
    std::fprintf(f, "}}");
  }
  std::fprintf(f, "%s]}\n", rows.empty() ? "" : "\n");
  std::fclose(f);
}

options parse(int argc, char** argv) {
  options o;
  for (int i = 1; i < argc; ++i) {
    const std::string name = argv[i];
    if (name == "--quick") o.turns = 5;
    else if (name == "--json" && i + 1 < argc) o.json = argv[++i];
    else if (name == "--only" && i + 1 < argc) o.only = argv[++i];
    else {
      std::puts("usage: bench [--json FILE] [--only axpy,softmax,gemm,train] [--quick]");
      std::exit(name == "--help" ? 0 : 2);
    }
  }
  return o;
}

int main(int argc, char** argv) {
  const options o = parse(argc, argv);
  st::executor_guard one_core(st::serial_executor());
  bench::machine m;
  {
    const auto a = st::ones<float>({1 << 24}), b = st::ones<float>({1 << 24});
    m = bench::measure_machine(a.data(), b.data(), 1 << 24, o.turns);
  }
  std::printf("%s, one core, %s %s\nlimits: %.0f GFLOP/s float multiply-add, %.1f GB/s copying, %.1f GB/s with streaming stores\n\n", m.cpu.c_str(),
              m.compiler.c_str(), m.flags.c_str(), m.fma_gflops, m.copy_gbs, m.stream_gbs);
  std::vector<row> rows;
  auto add = [&](const char* id, auto make) {
    if (!o.wants(id)) return;
    rows.push_back(make());
    print(rows.back());
  };
  add("axpy", [&] { return bandwidth(o); });
  add("softmax", [&] { return softmax(o); });
  add("gemm", [&] { return gemm(o); });
  add("train", [&] { return train(o); });
  if (!o.json.empty()) write_json(o, m, rows);
}
