// SPDX-License-Identifier: BSD-3-Clause
// NVRTC takes every kind of kernel to machine code, without a device. Where there is no toolkit: "skipped: ...".
#include "../catch.hpp"

#include <chrono>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <sinter/cuda/driver.hpp>
#include <sinter/cuda/nvrtc.hpp>
#include <sinter/sinter.hpp>

#include "my_ops.hpp"

namespace st = sinter;
using st::detail::stage_program, st::detail::schedule_of, st::detail::source_of;

namespace {

bool toolkit(const char* name) {
  if (st::nvrtc_version()) return true;
  std::printf("skipped: %s: no libnvrtc.so here\n", name);
  CHECK(std::getenv("SINTER_REQUIRE_NVRTC") == nullptr);
  return false;
}
/// Machine code starts as an ELF file; says how long it took.
bool compiles(const char* name, const st::detail::cuda_source& s, const char* arch = "sm_90") {
  const auto start = std::chrono::steady_clock::now();
  std::string cubin;
  try {
    cubin = st::compile_cuda(s, arch);
  } catch (const st::error& e) {
    std::printf("%s: %.3000s\n", name, e.what());
    return false;
  }
  const double ms = std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
  std::printf("nvrtc %-28s %s %5.0f ms %7zu bytes\n", name, arch, ms, cubin.size());
  return cubin.size() > 64 && cubin.compare(1, 3, "ELF") == 0;
}
template <class P, int... S> bool compiles_stages(const char* name, st::detail::ints<S...>, const char* arch) {
  return (compiles(name, source_of<stage_program<P, S>>(false), arch) && ...);
}
template <class P> bool compiles_program(const char* name, const char* arch = "sm_90") {
  return compiles_stages<P>(name, st::detail::count_to<schedule_of<P>.count>{}, arch);
}
template <class X> bool compiles_expression(const char* name, const X&, const char* arch = "sm_90") {
  return compiles_program<st::detail::program_of<X>>(name, arch);
}

/// Gradients of sum(f(x) * dy) with respect to all operands of expression X.
template <class X> struct adjoint_source {
  template <int Room> static constexpr auto make() {
    st::graph g;
    st::detail::cursor c{g};
    const st::sym y = X::build(c);
    const st::sym dy = g.leaf(c.operands, g.at(y.id).type, g.at(y.id).rank);
    st::detail::vec<bool> wanted(g.size(), false);
    for (int i = 0; i < g.size(); ++i) wanted[i] = g.at(i).op == st::code::leaf && i != dy.id;
    st::detail::vec<st::uint16> roots, seeds;
    roots.push(y.id), seeds.push(dy.id);
    const auto d = st::detail::adjoint(g, roots, seeds, wanted);
    int results = 0;
    for (int i = 0; i < wanted.size(); ++i)
      if (wanted[i] && d[i] != 0xffff) g.output(g.at_sym(d[i]), results++);
    return st::detail::flatten<Room>(g, c.operands + 1);
  }
};
template <class X> bool compiles_adjoint(const char* name, const X&) {
  return compiles_program<st::detail::make_program<adjoint_source<X>>>(name);
}

/// Every op of a list, on float32, one output each; `where` needs a condition.
template <class... Op> struct every_source {
  template <class O> static constexpr st::sym one(st::sym a, st::sym b) {
    if constexpr (st::detail::same<O, st::op::where>) return st::where(a > b, a, b);
    else if constexpr (st::reduction<O>) return st::reduce_sym<O>(a, {2, 1});
    else if constexpr (st::detail::arity_of<O> == 1) return st::detail::apply_sym<O>(a);
    else return st::detail::apply_sym<O>(a, b);
  }
  template <int Room> static constexpr auto make() {
    st::graph g;
    const st::sym a = g.leaf(0, st::dtype::f32, 2), b = g.leaf(1, st::dtype::f32, 2);
    int n = 0;
    (g.output(one<Op>(a, b), n++), ...);
    return st::detail::flatten<Room>(g, 2);
  }
};
namespace op = st::op;
using every_op = every_source<op::add, op::sub, op::mul, op::div, op::neg, op::maximum, op::minimum, op::abs, op::eq, op::ne, op::lt, op::le, op::gt,
                              op::ge, op::where, op::exp, op::log, op::sqrt, op::rsqrt, op::pow, op::tanh, op::sigmoid, op::relu, op::detach>;
using every_reduction = every_source<op::sum, op::max, op::argmax>;

/// A long chain: 600 instructions.
struct long_source {
  template <int Room> static constexpr auto make() {
    st::graph g;
    st::sym x = g.leaf(0, st::dtype::f32, 1), y = g.leaf(1, st::dtype::f32, 1);
    for (int i = 0; i < 150; ++i) {
      const st::sym t = x * y + (0.001 * i);
      y = i % 10 ? t - y : st::tanh(t);
      x = t;
    }
    g.output(y, 0);
    return st::detail::flatten<Room>(g, 2);
  }
};

}  // namespace

TEST_CASE("NVRTC compiles maps and rows") {
  if (!toolkit("maps and rows")) return;
  const auto x = st::zeros<float>({8, 8});
  const auto w = st::zeros<float>({8});
  const auto t = st::zeros<st::int64>({8});
  CHECK(compiles_expression("tanh(2 x + b)", st::tanh(2 * x + w)));
  CHECK(compiles_expression("tanh(2 x + b)", st::tanh(2 * x + w), "sm_80"));
  CHECK(compiles("tanh(2 x + b), 64-bit", source_of<stage_program<st::detail::program_of<decltype(st::tanh(2 * x + w))>, 0>>(true)));
  CHECK(compiles_expression("softmax", st::softmax(x, 1)));
  CHECK(compiles_expression("softmax", st::softmax(x, 1), "sm_80"));
  CHECK(compiles_expression("layer_norm", st::layer_norm(x, w, w)));
  CHECK(compiles_expression("cross_entropy", st::cross_entropy(x, t)));
  CHECK(compiles_expression("sum over dim 0", st::sum(x, 0)));
  CHECK(compiles_expression("sum over all", st::sum(x)));
  CHECK(compiles_expression("argmax", st::argmax(x, 1)));
  CHECK(compiles_expression("half", st::softmax(st::to<st::half>(x) * st::zeros<st::half>({8}), 1)));
  CHECK(compiles_expression("bfloat16 and int8", st::sum(st::zeros<st::bfloat16>({8}) * st::zeros<st::int8>({8}), 0)));
  CHECK(compiles_expression("ops", st::fma(st::sin(x), st::erfc(x), st::floor(x)) + st::hypot(x, w) % st::atan2(x, w)));
}
TEST_CASE("NVRTC compiles contractions and their epilogues") {
  if (!toolkit("contractions")) return;
  const auto x = st::zeros<float>({8, 8});
  CHECK(compiles("contraction", st::detail::device::product_source<float>(false)));
  CHECK(compiles("contraction, 64-bit", st::detail::device::product_source<double>(true)));
  CHECK(compiles_expression("epilogue", st::relu(st::matmul(x, x))));
  CHECK(compiles("convolution", st::detail::device::convolution_source<float>(false)));
  CHECK(compiles("convolution, 64-bit", st::detail::device::convolution_source<double>(true)));
}
TEST_CASE("NVRTC compiles gradients") {
  if (!toolkit("gradients")) return;
  const auto x = st::zeros<float>({8, 8});
  const auto w = st::zeros<float>({8});
  CHECK(compiles_adjoint("softmax gradient", st::softmax(x, 1)));
  CHECK(compiles_adjoint("layer_norm gradient", st::layer_norm(x, w, w)));
}
/// Dropout: Philox for every element's index.
struct dropout_source {
  template <int Room> static constexpr auto make() {
    st::graph g;
    const st::sym x = g.leaf(0, st::dtype::f32, 2);
    g.output(st::composed::dropout::compose(x, 1 << 30, 2.0, 17, 4), 0);
    return st::detail::flatten<Room>(g, 1);
  }
};
TEST_CASE("NVRTC compiles dropout, its random bits included") {
  if (!toolkit("dropout")) return;
  CHECK(compiles_program<st::detail::make_program<dropout_source>>("dropout"));
}

TEST_CASE("NVRTC compiles every op") {
  if (!toolkit("every op")) return;
  CHECK(compiles_program<st::detail::make_program<every_op>>("every op"));
  CHECK(compiles_program<st::detail::make_program<every_reduction>>("every reduction"));
}
TEST_CASE("NVRTC compiles 600 instructions") {
  if (!toolkit("600 instructions")) return;
  using P = st::detail::make_program<long_source>;
  CHECK(P::size >= 600);
  CHECK(compiles_program<P>("600 instructions"));
}
TEST_CASE("an op of a test's own header reaches NVRTC") {
  if (!toolkit("an op of a test's own header")) return;
  const auto x = st::zeros<float>({8, 8});
  CHECK(compiles_expression("my::smooth", my::smoothed(x)));
  CHECK(compiles_expression("my::norm_max", my::smoothed(x) / my::largest(x, 1)));
  CHECK(compiles_expression("my::stairs", my::stepped(x) * x));
  st::variable v = x;
  using e = decltype(my::stepped(my::smoothed(v)) * v);
  using gradient = st::detail::derived<st::detail::program_of<e>, st::detail::marks_of<e>::type>::backward;
  CHECK(compiles_program<gradient>("their gradient"));
}
TEST_CASE("what NVRTC refuses comes with its log") {
  if (!toolkit("NVRTC's log")) return;
  CHECK_THROWS_WITH(st::compile_cuda({"#error not today\n", {}}, "sm_90"), contains("not today"));
  CHECK_THROWS_AS(st::compile_cuda({"", {}}, "sm_1"), st::device_error);
}
TEST_CASE("machine code is kept in the cache, and a broken entry is compiled again") {
  if (!toolkit("the cache")) return;
  namespace fs = std::filesystem;
  const fs::path folder = fs::temp_directory_path() / ("sinter-cache-" + std::to_string(std::chrono::steady_clock::now().time_since_epoch().count()));
  setenv("SINTER_CACHE", folder.c_str(), 1);
  const auto x = st::zeros<float>({8});
  const auto source = source_of<stage_program<st::detail::program_of<decltype(x + 1)>, 0>>(false);
  const std::string cubin = st::cached_cubin(source, "sm_90");
  REQUIRE(std::distance(fs::directory_iterator(folder), {}) == 1);
  const fs::path file = fs::directory_iterator(folder)->path();
  CHECK(fs::file_size(file) > cubin.size());
  CHECK(st::cached_cubin(source, "sm_90") == cubin);
  fs::resize_file(file, fs::file_size(file) - 7);
  CHECK(st::cached_cubin(source, "sm_90").size() == cubin.size());
  std::fstream(file, std::ios::in | std::ios::out | std::ios::binary).seekp(200) << "damaged";
  CHECK(st::cached_cubin(source, "sm_90").compare(1, 3, "ELF") == 0);
  unsetenv("SINTER_CACHE");
  fs::remove_all(folder);
}
