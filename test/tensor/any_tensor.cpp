// SPDX-License-Identifier: BSD-3-Clause
// Tensors of run-time dtype and rank.
#include "../catch.hpp"

#include <sinter/tensor/any_tensor.hpp>
#include <sinter/tensor/copy.hpp>

namespace st = sinter;

TEST_CASE("an any_tensor shares the elements it was made from") {
  auto t = st::array<double>({{1, 2, 3}, {4, 5, 6}});
  st::any_tensor a = t.T();
  CHECK(a.dtype() == st::dtype::f64);
  CHECK(a.dim() == 2);
  CHECK(a.size(-1) == 2);
  CHECK(a.stride(0) == 1);
  CHECK(a.numel() == 6);
  a.as<double, 2>()(2, 1) = 60;
  CHECK(t(1, 2) == 60);
  CHECK_THROWS_AS(a.size(2), st::index_error);
}
TEST_CASE("a default-constructed any_tensor is undefined") { CHECK_FALSE(st::any_tensor{}.defined()); }
TEST_CASE("as checks dtype, rank and writability") {
  st::any_tensor a = st::zeros<float>({2, 3});
  CHECK(a.as<const float, 2>().size(1) == 3);
  CHECK_THROWS_WITH((a.as<double, 2>()), contains("float32") && contains("float64"));
  CHECK_THROWS_WITH((a.as<float, 1>()), contains("[2, 3]") && contains("rank 1"));
  CHECK_THROWS_AS((a.as<float, 2, st::cuda_t>()), st::device_error);
  const float memory[2] = {1, 2};
  st::any_tensor r = st::from_blob(memory, {2});
  CHECK(r.read_only());
  CHECK(r.as<const float, 1>()(1) == 2);
  CHECK_THROWS_WITH((r.as<float, 1>()), contains("read-only"));
}
TEST_CASE("visit calls with the typed, read-only view") {
  const auto sum = [](auto t) {
    auto flat = st::flatten(t);
    double s = 0;
    for (st::int64 i = 0; i < flat.numel(); ++i) s += static_cast<double>(flat(i));
    return s + 100 * decltype(t)::rank;
  };
  CHECK(st::any_tensor(st::ones<float>({2, 3})).visit(sum) == 206);
  CHECK(st::any_tensor(st::ones<bool>({3})).visit(sum) == 103);
  CHECK(st::any_tensor(st::full<st::int16>({}, -4)).visit(sum) == -4);
  CHECK(st::any_tensor(st::ones<st::uint8>({1, 1, 1, 1, 1, 1, 1, 2})).visit(sum) == 802);
  const st::any_tensor z = st::full<st::complex64>({3}, st::complex64(1, 2));
  CHECK_THROWS_AS(z.visit(sum), st::dtype_error);
  CHECK(z.visit([](auto t) { return static_cast<int>(sizeof(*t.data())) * decltype(t)::rank; }, st::with_complex) == 8);
}
TEST_CASE("a rank over 8 is a shape_error") {
  st::int64 ones[9] = {1, 1, 1, 1, 1, 1, 1, 1, 1};
  auto block = st::allocate_cpu(4);
  CHECK_THROWS_AS(st::any_tensor(block, block->data, st::dtype::f32, 9, ones, ones), st::shape_error);
  CHECK(st::any_tensor(block, block->data, st::dtype::f32, 8, ones, ones).numel() == 1);
}
