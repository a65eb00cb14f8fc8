// SPDX-License-Identifier: BSD-3-Clause
// Tensors and the arrays of other libraries: the same elements, both ways.
#include <sinter/interop/dlpack.hpp>
#include <sinter/interop/span.hpp>
#if __has_include(<xtensor/xadapt.hpp>) || __has_include(<xtensor/containers/xadapt.hpp>)
#include <sinter/interop/xtensor.hpp>
#define WITH_XTENSOR
#endif
#if __has_include(<Eigen/Core>)
#include <sinter/interop/eigen.hpp>
#define WITH_EIGEN
#endif

#include <array>
#include <complex>
#include <vector>

#include "../catch.hpp"

namespace st = sinter;

TEST_CASE("spans, vectors and arrays") {
  std::vector<double> v{1, 2, 3};
  st::tensor t = st::from_range(v);
  t += 1;
  CHECK(v[2] == 4);
  const std::array<st::int64, 2> a{5, 6};
  st::tensor c = st::from_range(a);
  static_assert(std::is_same_v<decltype(c)::element_type, const st::int64>);
  CHECK(st::tensor(st::sum(c)).item() == 11);
  CHECK(st::from_range(std::span<double>(v).subspan(1)).sizes()[0] == 2);
  std::span<double> s = st::as_span(t);
  s[0] = 9;
  CHECK(v[0] == 9);
  CHECK_THROWS_AS(st::as_span(st::zeros<float>({3, 4}).T()), st::shape_error);
  CHECK(st::as_span(st::zeros<float>({0})).empty());
  std::vector<std::complex<double>> z{{1, 2}, {3, 4}};
  st::tensor complex = st::from_range(z);
  static_assert(std::is_same_v<decltype(complex)::element_type, st::complex128>);
  complex *= std::complex<double>(0, 1);
  CHECK(z[1] == std::complex<double>(-4, 3));
}
TEST_CASE("DLPack: out and in again, any dtype and strides") {
  auto round_trip = []<class T>(T) {
    auto t = st::zeros<T>({3, 4});
    t(1, 2) = static_cast<T>(1);
    {
      st::dlpack::managed_tensor* m = st::to_dlpack(st::any_tensor(t.T()));
      CHECK(m->tensor.ndim == 2);
      CHECK(m->tensor.shape[0] == 4);
      CHECK(m->tensor.strides[1] == 4);
      const auto back = st::from_dlpack(m).as<T, 2>();
      CHECK(static_cast<double>(back(2, 1)) == 1);
      CHECK(back.data() == t.data());
      CHECK(t.use_count() == 2);  // the exported one keeps it
    }
    CHECK(t.use_count() == 1);
  };
  round_trip(float{}), round_trip(double{}), round_trip(bool{}), round_trip(st::int8{}), round_trip(st::uint8{}), round_trip(st::int16{});
  round_trip(st::int32{}), round_trip(st::int64{}), round_trip(st::half{}), round_trip(st::bfloat16{});
  st::dlpack::managed_tensor* z = st::to_dlpack(st::any_tensor(st::full<st::complex64>({2}, st::complex64(1, 2))));
  CHECK(z->tensor.dtype.code == 5);
  CHECK(z->tensor.dtype.bits == 64);
  CHECK(st::from_dlpack(z).as<st::complex64, 1>()(1) == st::complex64(1, 2));
}
TEST_CASE("DLPack from others: no strides, offsets, negative strides, what is not supported") {
  static int deleted = 0;
  float data[6] = {1, 2, 3, 4, 5, 6};
  st::int64 shape[] = {2, 2}, back[] = {-2, 1};
  st::dlpack::managed_tensor m{{data, {1, 0}, 2, {2, 32, 1}, shape, nullptr, 8}, nullptr, [](st::dlpack::managed_tensor*) { ++deleted; }};
  {
    const auto t = st::from_dlpack(&m).as<float, 2>();
    CHECK(t(0, 0) == 3);
    CHECK(t(1, 1) == 6);
    m.tensor.strides = back;
    CHECK(st::from_dlpack(&m).as<float, 2>()(1, 0) == 1);
    CHECK(deleted == 1);
  }
  CHECK(deleted == 2);
  m.tensor.dtype.lanes = 4;
  CHECK_THROWS_AS(st::from_dlpack(&m), st::dtype_error);
  m.tensor.dtype = {2, 32, 1}, m.tensor.dev.type = 2;
  CHECK_THROWS_AS(st::from_dlpack(&m), st::device_error);
  m.tensor.dev.type = 1, m.tensor.ndim = 9;
  CHECK_THROWS_AS(st::from_dlpack(&m), st::shape_error);
  CHECK(deleted == 2);
  CHECK_THROWS_AS(st::to_dlpack(st::any_tensor()), st::error);
}
#ifdef WITH_XTENSOR
TEST_CASE("xtensor's containers and expressions") {
  xt::xtensor<double, 2> x = {{1, 2, 3}, {4, 5, 6}};
  st::tensor t = st::from_xtensor<2>(x);
  t(1, 0) = 40;
  CHECK(x(1, 0) == 40);
  CHECK(st::tensor(st::sum(t, 0))(0) == 41);
  const st::tensor e = st::evaluate_xtensor<2>(x * 2.0 + 1.0);
  CHECK(e(0, 2) == 7);
  auto a = st::as_xtensor(e.T());
  CHECK(a(2, 0) == 7);
  a(0, 0) = -1;
  CHECK(e(0, 0) == -1);
  CHECK_THROWS_AS(st::from_xtensor<1>(x), st::shape_error);
  CHECK_THROWS_AS(st::as_xtensor(st::flip(e, 0)), st::shape_error);
  xt::xtensor<std::complex<float>, 1> z = {{1, 2}, {3, 4}};
  const st::tensor c = st::from_xtensor<1>(z);
  c *= st::complex64(0, 1);
  CHECK(z(1) == std::complex<float>(-4, 3));
  CHECK(st::as_xtensor(c)(0) == std::complex<float>(-2, 1));
  CHECK(st::tensor(st::evaluate_xtensor<1>(z + z))(0) == st::complex64(-4, 2));
}
#endif
#ifdef WITH_EIGEN
TEST_CASE("Eigen's matrices and maps") {
  Eigen::MatrixXd m(2, 3);  // column-major
  m << 1, 2, 3, 4, 5, 6;
  st::tensor t = st::from_eigen(m);
  CHECK(t(1, 0) == 4);
  t(0, 2) = 30;
  CHECK(m(0, 2) == 30);
  auto map = st::as_eigen(t.T());
  CHECK(map(2, 0) == 30);
  CHECK((map * m).trace() == Approx((m.transpose() * m).trace()));
  auto v = st::as_eigen(t(1));
  v *= 2;
  CHECK(m(1, 1) == 10);
  Eigen::MatrixXcd z = Eigen::MatrixXcd::Random(3, 2);
  const st::tensor c = st::from_eigen(z);
  c += st::complex128(0, 1);
  CHECK(c(2, 1) == st::complex128(z(2, 1)));
  CHECK((st::as_eigen(c) - z).norm() == 0);
}
#endif
