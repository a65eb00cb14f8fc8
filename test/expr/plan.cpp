// SPDX-License-Identifier: BSD-3-Clause
// Plans: the kernels of an expression as the schedule sees them, as text, and as the engine counts them.
#include "../catch.hpp"

#include <sinter/expr/plan.hpp>
#include <sinter/sinter.hpp>
#include <sstream>

namespace st = sinter;

namespace {

/// Runs e and compares what was counted with what was planned.
template <class X> void check_counts(const X& e) {
  const st::execution_plan p = st::plan(e);
  st::counters().reset();
  const st::tensor y = e;
  CHECK(st::counters().launches == static_cast<st::uint64>(p.launches()));
  CHECK(st::counters().bytes == static_cast<st::uint64>(p.bytes()));
  if (!p.interpreted) CHECK(st::plan_of<X>.launches() == p.launches());
}
const auto x = st::randn<float>({64, 64});
const auto w = st::randn<float>({64, 10});
const auto b = st::randn<float>({64});
const auto bias = st::randn<float>({10});

}  // namespace

TEST_CASE("element-wise expressions are one map kernel") {
  const auto p = st::plan(st::tanh(2 * x + b));
  REQUIRE(p.launches() == 1);
  CHECK(p.count(st::kernel_kind::map) == 1);
  CHECK(p.bytes() == (64 * 64 + 64 + 64 * 64) * 4);
  CHECK(p.flops() == 3 * 64 * 64);
  CHECK(p.notes.empty());
}
TEST_CASE("softmax, layer_norm and cross_entropy are one row kernel each") {
  CHECK(st::plan_of<decltype(st::softmax(x, 1))>.rows == 1);
  CHECK(st::plan_of<decltype(st::softmax(x, 0))>.rows == 1);
  CHECK(st::plan_of<decltype(st::layer_norm(x, b, b))>.rows == 1);
  CHECK(st::plan_of<decltype(st::layer_norm(x, b, b))>.launches() == 1);
  CHECK(st::plan(st::cross_entropy(x, st::randint<st::int64>(0, 64, {64}))).launches() == 1);
}
TEST_CASE("bias and activation are a product's epilogue; what reduces the product is a kernel of its own") {
  const auto relu = st::plan(st::relu(st::matmul(x, w) + bias));
  REQUIRE(relu.launches() == 1);
  CHECK(relu.count(st::kernel_kind::contract) == 1);
  CHECK(relu.flops() == 2 * 64 * 64 * 10 + 2 * 64 * 10);
  CHECK(relu.bytes() == (64 * 64 + 64 * 10 + 10 + 64 * 10) * 4);
  const auto p = st::plan(st::softmax(st::matmul(x, w) + bias, 1));
  CHECK((p.count(st::kernel_kind::contract) == 1 && p.count(st::kernel_kind::row) == 1 && p.launches() == 2));
  REQUIRE(p.notes.size() == 1);
  CHECK(p.notes[0] == "add [64, 10] is written to memory, as max needs the whole product");
}
TEST_CASE("a plan lists what its kernels do, read and write") {
  const auto p = st::plan(st::softmax(x, 1));
  const auto& k = p.kernels.at(0);
  CHECK(k.ops == std::vector<std::string>{"max", "sub", "exp", "sum", "share"});
  REQUIRE(k.inputs.size() == 1);
  CHECK((k.inputs[0].name == "operand 0" && k.inputs[0].type == st::dtype::f32));
  CHECK(k.inputs[0].shape == std::vector<st::int64>{64, 64});
  REQUIRE(k.outputs.size() == 1);
  CHECK(k.outputs[0].name == "result 0");
  CHECK((k.reads == 16384 && k.writes == 16384));
}
TEST_CASE("a plan reads as one line a kernel") {
  CHECK(st::to_string(st::plan(st::softmax(x, 1))) ==
        "1 row  softmax: max, sub, exp, sum, share   reads 16.0 KB  writes 16.0 KB  20.5 kflop\n");
  std::ostringstream out;
  out << st::plan<st::cuda_t>(st::matmul(st::exp(x), w));
  CHECK(out.str() ==
        "1 map       exp      reads 16.0 KB  writes 16.0 KB  4.1 kflop\n"
        "2 contract  matmul   reads 18.5 KB  writes 2.5 KB  81.9 kflop\n"
        "in all               reads 34.5 KB  writes 18.5 KB  86.0 kflop\n"
        "! exp [64, 64] is written to memory, as a product reads whole operands\n");
  CHECK(st::to_string(st::plan(st::matmul(st::exp(x), w))) ==  // on the CPU a product computes its operands as it packs them
        "1 contract  exp, matmul   reads 18.5 KB  writes 2.5 KB  86.0 kflop\n");
}
TEST_CASE("planning runs nothing and needs the shapes only") {
  st::counters().reset();
  const st::int64 before = st::memory_stats().allocated;
  st::plan(st::softmax(st::matmul(x, w), 1));
  CHECK(st::counters().launches == 0);
  CHECK(st::memory_stats().allocated == before);
  CHECK_THROWS_AS(st::plan(x + bias), st::shape_error);
}
TEST_CASE("plans agree with what the engine counts") {
  check_counts(x * 2 + b);
  check_counts(st::softmax(x, 0));
  check_counts(st::softmax(st::softmax(x, 0), 1));
  check_counts(x - st::mean(x));
  check_counts(st::sum(x, {0, 1}) * 3);
  check_counts(st::relu(st::matmul(x, w) + bias));
  check_counts(st::matmul(x - 1, st::tanh(w)));
  check_counts(st::layer_norm(st::matmul(st::tanh(st::matmul(x, x)), w), bias, bias));
  check_counts(st::var(st::matmul(x, w), 0));
  check_counts(st::softmax(st::zeros<float>({0, 4}), 1));
}
TEST_CASE("shapes that no kernel takes are planned as interpreted") {
  const auto column = st::randn<float>({64, 1});
  const auto e = st::softmax(column * 1, 1) + b;  // rows of one element meet rows of 64
  CHECK(st::plan(e).interpreted);
  CHECK_THAT(st::to_string(st::plan(e)), contains("reference evaluator"));
  check_counts(e);
}
