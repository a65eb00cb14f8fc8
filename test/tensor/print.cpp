// SPDX-License-Identifier: BSD-3-Clause
// Tensors as text.
#include "../catch.hpp"

#include <sinter/tensor/copy.hpp>
#include <sinter/tensor/print.hpp>
#include <sstream>

namespace st = sinter;

TEST_CASE("a matrix prints as in PyTorch") {
  std::ostringstream out;
  out << st::array<float>({{1, 2}, {3, 4}});
  CHECK(out.str() == "tensor([[1.0000, 2.0000],\n        [3.0000, 4.0000]])");
}
TEST_CASE("columns are aligned") {
  CHECK(st::to_string(st::array<float>({{1, -20}, {3, 4}})) ==
        "tensor([[  1.0000, -20.0000],\n        [  3.0000,   4.0000]])");
  CHECK(st::to_string(st::array<st::int64>({1, -10})) == "tensor([  1, -10])");
}
TEST_CASE("a blank line parts the matrices of a 3-d tensor") {
  CHECK(st::to_string(st::array<st::int64>({{{1}}, {{2}}})) == "tensor([[[1]],\n\n        [[2]]])");
}
TEST_CASE("0-d, bool, integers and other dtypes print") {
  CHECK(st::to_string(st::full<float>({}, 2.5)) == "tensor(2.5000)");
  CHECK(st::to_string(st::array({true, false})) == "tensor([ true, false])");
  CHECK(st::to_string(st::array({1, 2})) == "tensor([1, 2], dtype=int32)");
  CHECK(st::to_string(st::full<st::int8>({1}, -3)) == "tensor([-3], dtype=int8)");
  CHECK(st::to_string(st::zeros<double>({1})) == "tensor([0.0000], dtype=float64)");
}
TEST_CASE("complex numbers print as in PyTorch") {
  const auto z = st::array<st::complex64>({st::complex64(1, 2), st::complex64(-0.5, -10)});
  CHECK(st::to_string(z) == "tensor([ 1.0000+2.0000j, -0.5000-10.0000j], dtype=complex64)");
}
TEST_CASE("nan and infinities print by name") {
  CHECK(st::to_string(st::array<float>({1, NAN, -INFINITY})) == "tensor([1.0000,    nan,   -inf])");
}
TEST_CASE("very different magnitudes print in scientific form") {
  CHECK(st::to_string(st::array<float>({1e-6f, 1})) == "tensor([1.0000e-06, 1.0000e+00])");
  CHECK(st::to_string(st::full<double>({}, 1e300)) == "tensor(1.0000e+300, dtype=float64)");
}
TEST_CASE("empty and undefined tensors say so") {
  CHECK(st::to_string(st::zeros<float>({0})) == "tensor([])");
  CHECK(st::to_string(st::zeros<float>({2, 0})) == "tensor([], size=(2, 0))");
  CHECK(st::to_string(st::tensor<float, st::rank<1>>{}) == "tensor(undefined)");
}
TEST_CASE("over 1000 elements only the ends are printed") {
  CHECK(st::to_string(st::arange<st::int64>(1001)) == "tensor([   0,    1,    2, ...,  998,  999, 1000])");
  const auto text = st::to_string(st::zeros<float>({100, 100}));
  CHECK_THAT(text, contains("        ...,\n") && contains("0.0000, ..., 0.0000"));
  CHECK(text.size() < 600);
}
TEST_CASE("long rows are broken") {
  const auto text = st::to_string(st::zeros<float>({20}));
  CHECK(text.find('\n') < 82);
  CHECK_THAT(text, contains(",\n        0.0000"));
}
TEST_CASE("views print as they are indexed") {
  auto t = st::reshape(st::arange<st::int64>(4), {2, 2});
  CHECK(st::to_string(st::flip(t.T(), 0)) == "tensor([[1, 3],\n        [0, 2]])");
}
