// SPDX-License-Identifier: BSD-3-Clause
// Complex numbers: ops of several operands, dtypes, shapes, products, reductions, views, selections. Of one: complex_unary.cpp.
#include "complex.hpp"

#include <sinter/tensor/scan.hpp>

#include <cmath>
#include <limits>
#include <vector>

#include "../catch.hpp"
#include "../derivatives.hpp"

namespace st = sinter;
using st::complex128, st::complex64, st::int64;

TEST_CASE("operands of two: complex and complex, complex and real, numbers") {
  const auto a = smooth_points();
  const auto b = st::flip(smooth_points(), {0});
  auto x = st::array<double>({0.5, -1, 2, 3, -0.25});
  const auto check = [](const auto& got, auto want, double tolerance = 1e-14) {
    const st::tensor y = got;
    for (int64 i = 0; i < y.numel(); ++i) {
      const wide w = want(i);
      if (!(std::abs(widen(y(i)) - w) <= tolerance * std::max(1.0L, std::abs(w)))) {
        INFO("element " << i << ": " << widen(y(i)) << " instead of " << w);
        CHECK(false);
        return;
      }
    }
    CHECK(true);
  };
  const auto A = [&](int64 i) { return widen(a(i)); };
  const auto B = [&](int64 i) { return widen(b(i)); };
  const auto X = [&](int64 i) { return widen(x(i)); };
  check(a + b, [&](int64 i) { return A(i) + B(i); });
  check(a - b, [&](int64 i) { return A(i) - B(i); });
  check(a * b, [&](int64 i) { return A(i) * B(i); });
  check(a / b, [&](int64 i) { return A(i) / B(i); });
  check(a + x, [&](int64 i) { return A(i) + X(i); });
  check(x - a, [&](int64 i) { return X(i) - A(i); });
  check(x * a, [&](int64 i) { return X(i) * A(i); });
  check(a / x, [&](int64 i) { return A(i) / X(i); });
  check(x / a, [&](int64 i) { return X(i) / A(i); });
  check(2 - a, [&](int64 i) { return 2.0L - A(i); });
  check(a * std::complex<double>(0, 1), [&](int64 i) { return A(i) * wide(0, 1); });
  check(x + complex128(0, 2), [&](int64 i) { return X(i) + wide(0, 2); });
  check(st::fma(a, b, x), [&](int64 i) { return A(i) * B(i) + X(i); });
  check(st::pow(a, b), [&](int64 i) { return std::pow(A(i), B(i)); });
  check(st::pow(a, 3), [&](int64 i) { return A(i) * A(i) * A(i); });
  check(st::pow(2, a), [&](int64 i) { return std::exp(A(i) * std::log(2.0L)); });
  check(a / complex128(0.3, -2), [&](int64 i) { return A(i) / wide(0.3, -2); });
  check(st::pow(complex128(1.5, 0.5), a), [&](int64 i) { return std::exp(A(i) * std::log(wide(1.5, 0.5))); });  // a number's own log is not rounded to float
  check(st::where(x > 0, a, b), [&](int64 i) { return x(i) > 0 ? A(i) : B(i); });
  check(st::where(x > 0, a, 1), [&](int64 i) { return x(i) > 0 ? A(i) : wide(1); });
  check(st::conj(a) * a, [&](int64 i) { return wide(std::norm(A(i))); });
  check(st::angle(a), [&](int64 i) { return wide(std::arg(A(i))); });
  check(st::sgn(a), [&](int64 i) { return A(i) / std::abs(A(i)); });
  check(st::complex(x, 2 * x), [&](int64 i) { return wide(X(i).real(), 2 * X(i).real()); });
  check(st::polar(x, x), [&](int64 i) { return std::polar(1.0L, X(i).real()) * X(i); });
  check(st::lerp(a, b, 0.25), [&](int64 i) { return A(i) + 0.25L * (B(i) - A(i)); });
  check(st::silu(a), [&](int64 i) { return A(i) / (1.0L + std::exp(-A(i))); });
}

TEST_CASE("derivatives of operands of two") {
  st::variable a = smooth_points();
  st::variable b = st::clone(st::flip(smooth_points(), {0}));
  st::variable x = st::array<double>({0.5, -1, 2, 3, -0.25});
  check_derivatives([](const auto& u, const auto& v) { return u * v + u / v - v; }, std::tuple(a, b));
  check_rules([](const auto& u, const auto& v) { return u * v + v / u + u / v; }, std::tuple(a, x));
  check_rules([](const auto& u, const auto& v) { return st::pow(u, v); }, std::tuple(a, b));
  check_rules([](const auto& u, const auto& v) { return st::conj(u) * st::abs(v) + st::sgn(u) * st::angle(v); }, std::tuple(a, b));
  check_rules([](const auto& u, const auto& v) { return st::complex(st::real(u), v) * st::polar(v, v); }, std::tuple(a, x));
}

TEST_CASE("the gradient is PyTorch's: dL/d(re) + i dL/d(im)") {
  st::variable z = smooth_points();
  st::variable loss = st::sum(st::square(st::abs(z)));
  loss.backward();
  for (int64 i = 0; i < 5; ++i) {
    CHECK(z.grad()(i).re == Approx(2 * z.detach()(i).re));
    CHECK(z.grad()(i).im == Approx(2 * z.detach()(i).im));
  }
  z.zero_grad();
  st::variable w = z * complex128(2, 3);  // a statement of its own, whose gradient is complex
  w.backward(st::full<complex128>({5}, complex128(1, 1)));
  CHECK(z.grad()(0) == complex128(2 + 3, 2 - 3));  // (1 + i) conj(2 + 3i)
  w = z * z;
  CHECK_THROWS_AS(w.backward(), st::autograd_error);

  st::variable zero = st::zeros<complex128>({2});
  st::variable size = st::sum(st::abs(zero));
  size.backward();
  CHECK(zero.grad()(1) == complex128(0));
}

TEST_CASE("dtypes meet as in PyTorch") {
  const auto c64 = st::zeros<complex64>({2});
  const auto c128 = st::zeros<complex128>({2});
  static_assert(std::is_same_v<decltype(st::tensor(c64 * c128))::value_type, complex128>);
  static_assert(std::is_same_v<decltype(st::tensor(c64 + st::zeros<double>({2})))::value_type, complex128>);
  static_assert(std::is_same_v<decltype(st::tensor(c64 + st::zeros<float>({2})))::value_type, complex64>);
  static_assert(std::is_same_v<decltype(st::tensor(c64 + st::zeros<int64>({2})))::value_type, complex64>);
  static_assert(std::is_same_v<decltype(st::tensor(c64 + st::zeros<st::half>({2})))::value_type, complex64>);
  static_assert(std::is_same_v<decltype(st::tensor(c64 * 2.5))::value_type, complex64>);
  static_assert(std::is_same_v<decltype(st::tensor(c64 * complex128(1, 2)))::value_type, complex64>);
  static_assert(std::is_same_v<decltype(st::tensor(st::zeros<float>({2}) * std::complex<double>(1, 2)))::value_type, complex64>);
  static_assert(std::is_same_v<decltype(st::tensor(st::zeros<double>({2}) * std::complex<float>(1, 2)))::value_type, complex128>);
  static_assert(std::is_same_v<decltype(st::tensor(st::zeros<int64>({2}) * complex64(1, 2)))::value_type, complex64>);
  static_assert(std::is_same_v<decltype(st::tensor(st::zeros<float>({2}) * st::zeros<complex128>(st::shape<>)))::value_type, complex64>);
  static_assert(std::is_same_v<decltype(st::tensor(st::where(c64 == 0, complex64(0, 1), 0)))::value_type, complex64>);
  static_assert(std::is_same_v<decltype(st::tensor(st::abs(c64)))::value_type, float>);
  static_assert(std::is_same_v<decltype(st::tensor(st::angle(c128)))::value_type, double>);
  static_assert(std::is_same_v<decltype(st::tensor(c64 == c128))::value_type, bool>);
  static_assert(std::is_same_v<decltype(st::tensor(st::to<complex128>(st::zeros<int64>({2}))))::value_type, complex128>);
  static_assert(std::is_same_v<decltype(st::tensor(st::complex(st::zeros<float>({2}), st::zeros<float>({2}))))::value_type, complex64>);
}

TEST_CASE("shapes broadcast: parts of different shapes become one") {
  auto z = st::empty<complex64>({3, 1});
  for (int i = 0; i < 3; ++i) z(i, 0) = complex64(static_cast<float>(i), 1);
  auto x = st::arange<float>(4);
  st::tensor sum = z + x, product = x * z, chosen = st::where(x > 1, z, x), pair = st::complex(st::real(z), x);
  for (const auto& y : {sum, product, chosen, pair}) CHECK(y.sizes() == st::index_list<2>(3, 4));
  for (int i = 0; i < 3; ++i)
    for (int j = 0; j < 4; ++j) {
      const float a = static_cast<float>(i), b = static_cast<float>(j);
      CHECK(sum(i, j) == complex64(a + b, 1));
      CHECK(product(i, j) == complex64(a * b, b));
      CHECK(chosen(i, j) == (j > 1 ? complex64(a, 1) : complex64(b, 0)));
      CHECK(pair(i, j) == complex64(a, b));
    }
  st::tensor total = st::sum(z + x, 0);
  CHECK(total(2) == complex64(0 + 1 + 2 + 3 * 2, 3));
  st::tensor one = st::sum(st::zeros<complex64>(st::shape<>) + 3);
  CHECK(one.item() == complex64(3));
  CHECK(st::tensor(st::zeros<complex64>({0, 3}) * z(0)).numel() == 0);
  CHECK(st::tensor(st::sum(st::zeros<complex64>({0, 3}))).item() == complex64(0));
  CHECK_THROWS_AS(st::tensor(st::zeros<complex64>({2}) + st::zeros<float>({3})), st::shape_error);
}

TEST_CASE("products and reductions") {
  auto re = st::randn<double>({2, 5, 7}), im = st::randn<double>({2, 5, 7});
  auto w = st::randn<double>({7, 3});
  st::tensor a = st::complex(re, im);
  st::tensor b = st::complex(w, 2 * w);
  st::tensor c = st::matmul(a, b), d = st::matmul(re, b), e = st::linear(a, st::tensor(st::conj(b)).T());
  for (int n = 0; n < 2; ++n)
    for (int i = 0; i < 5; ++i)
      for (int j = 0; j < 3; ++j) {
        wide s = 0, r = 0, l = 0;
        for (int k = 0; k < 7; ++k) {
          s += widen(a(n, i, k)) * widen(b(k, j));
          r += widen(re(n, i, k)) * widen(b(k, j));
          l += widen(a(n, i, k)) * std::conj(widen(b(k, j)));
        }
        CHECK(std::abs(widen(c(n, i, j)) - s) < 1e-13);
        CHECK(std::abs(widen(d(n, i, j)) - r) < 1e-13);
        CHECK(std::abs(widen(e(n, i, j)) - l) < 1e-13);
      }
  wide total = 0;
  double squares = 0;
  for (int n = 0; n < 2; ++n)
    for (int i = 0; i < 5; ++i)
      for (int k = 0; k < 7; ++k) total += widen(a(n, i, k)), squares += re(n, i, k) * re(n, i, k) + im(n, i, k) * im(n, i, k);
  CHECK(std::abs(widen(st::tensor(st::mean(a)).item()) - total / 70.0L) < 1e-14);
  CHECK(st::tensor(st::norm(a)).item() == Approx(std::sqrt(squares)));
  CHECK(st::tensor(st::var(a)).item() == Approx(static_cast<double>((squares - std::norm(total) / 70) / 69)));
  CHECK(st::tensor(st::count_nonzero(st::complex(st::zeros<float>({4}), st::arange<float>(4)))).item() == 3);

  st::variable u = a(0), v = b;
  const auto f = [](const auto& x, const auto& y) { return st::sum(st::matmul(x, y) * st::matmul(x, y), 0); };
  check_derivatives(f, std::tuple(u, v));
}

TEST_CASE("real, imag, view_as_real, view_as_complex are views, of variables too") {
  auto z = smooth_points();
  st::real(z)(1) = 9;
  st::imag(z) += 1;
  CHECK(z(1) == complex128(9, 1.9));
  auto pairs = st::view_as_real(z);
  CHECK(pairs.sizes() == st::index_list<2>(5, 2));
  pairs(2, 1) = 7;
  CHECK(st::view_as_complex(pairs)(2).im == 7);
  CHECK(st::view_as_complex(pairs).data() == z.data());
  CHECK(st::real(z(st::slice(0, 5, 2)))(1) == z(2).re);
  CHECK_THROWS_AS(st::view_as_complex(st::zeros<float>({2, 3})), st::shape_error);

  st::variable v = smooth_points();
  const auto f = [](const auto& x) { return st::real(x) * st::imag(x) + st::sum(st::view_as_real(x), 1); };
  const auto g = [](const auto& x) { return st::view_as_complex(st::stack(std::vector{st::variable(st::real(x) * 2), st::variable(st::imag(x) * st::real(x))}, 1)); };
  check_derivatives(f, v);
  check_derivatives(g, v);
}

TEST_CASE("assignment: in place, into slices, over itself, several in one pass") {
  auto z = smooth_points();
  const auto old = st::clone(z);
  auto* data = z.data();
  z = z * complex128(0, 1);
  CHECK(z.data() == data);  // element for element: no new memory
  CHECK(z(0) == complex128(-old(0).im, old(0).re));
  z = st::flip(z, {0}) * 1;
  CHECK(z(4) == complex128(-old(0).im, old(0).re));
  z(st::slice(1, 3)) = st::array<double>({5, 6});
  CHECK(z(2) == complex128(6, 0));
  z(st::slice(0, 4)) = z(st::slice(1, 5)) * 1;  // overlaps
  CHECK(z(1) == complex128(6, 0));
  z += complex128(0, 1);
  CHECK(z(1) == complex128(6, 1));
  auto x = st::zeros<double>({5});
  auto y = st::zeros<complex128>({5});
  st::update(st::to(y, z * 2), st::to(x, st::abs(z)));
  CHECK(y(1) == complex128(12, 2));
  CHECK(x(1) == Approx(std::sqrt(37.0)));
  st::real(z) = st::imag(z) * 1;
  CHECK(z(1) == complex128(1, 1));
}

TEST_CASE("selections and joins of complex tensors and variables") {
  st::variable z = smooth_points();
  const auto index = st::array<int64>({4, 0, 4});
  const auto f = [&](const auto& x) { return st::cat(std::vector{st::index_select(x, 0, index), st::roll(x, {1}, {0}), st::cumsum(x, 0)}); };
  check_derivatives([&](const auto& x) { return f(st::variable(x * x)); }, z);
  st::tensor picked = z.detach()(index);
  CHECK(picked(0) == z.detach()(4));
  auto t = smooth_points();
  t(st::real(t) > 0) = complex128(1, 2);
  CHECK(t(0) == complex128(1, 2));
  CHECK(t(1) == complex128(-0.6, 0.9));
}

TEST_CASE("infinities and zeros as PyTorch has them") {
  const float inf = std::numeric_limits<float>::infinity();
  const auto one = [](complex64 v) { return st::array<complex64>({v}); };
  const auto value = [](const auto& e) { return st::tensor(e)(0); };
  CHECK(value(one({1, 1}) / one({inf, 0})) == complex64(0));
  CHECK(value(st::reciprocal(one({inf, inf}))) == complex64(0));
  CHECK(value(one({1, 1}) / one(0)) == complex64(inf, inf));
  CHECK(value(1 / one(0)).re == inf);
  CHECK(std::abs(widen(value(one({3e38f, 3e38f}) / one({3e38f, 3e38f}))) - 1.0L) < 1e-6);
  CHECK(std::abs(widen(value(one({1e-38f, 1e-38f}) / one({1e-38f, 0}))) - wide(1, 1)) < 1e-6);
  CHECK(value(st::exp(one({100, 0}))) == complex64(inf, 0));
  CHECK(value(st::cosh(one({1000, 0}))) == complex64(inf, 0));
  CHECK(value(st::sin(one({0, 1000}))) == complex64(0, inf));
  CHECK(value(st::real(st::log(one({3e38f, 3e38f})))) == Approx(88.9436));
  CHECK(value(st::pow(one({-2, 0}), 2)) == complex64(4, 0));
  CHECK(value(st::pow(one({-2, 0}), 3)) == complex64(-8, 0));
  CHECK(value(st::pow(one(0), 0)) == complex64(1));
  CHECK(value(st::pow(one(0), 1.5)) == complex64(0));

  st::variable zero = one(0);
  st::variable s = st::sum(st::real(st::sgn(zero))) + st::sum(st::real(st::pow(zero, 1)));
  s.backward();
  CHECK(zero.grad()(0) == complex64(1));  // sgn's is 0
  st::variable small = one({1e-25f, 1e-25f});
  st::variable angle = st::sum(st::angle(small));
  angle.backward();
  CHECK(small.grad()(0).im == Approx(5e24));
}

TEST_CASE("results without a complex leaf, and parts that are one value or a leaf, differentiated twice") {
  static constexpr st::fn<[](auto x) { auto e = exp(x); return complex(e, e); }> twice;
  static constexpr st::fn<[](auto x) { return complex(x, x * x); }> leaf;
  const auto line = st::array<double>({0.5, -0.25});
  const auto point = st::full<double>(st::shape<>, 0.5);
  const auto f = [](const auto& x) { return st::square(st::abs(st::variable(twice(x)))); };
  const auto g = [](const auto& x) { return st::square(st::abs(st::variable(leaf(x)))); };
  check_derivatives(f, line);
  check_derivatives(f, point);
  check_derivatives(g, line);
  check_derivatives(g, point);
}

TEST_CASE("results keep the stride order of operands; too large ones are an error") {
  const auto z = st::transpose(st::zeros<complex64>({3, 5}), 0, 1);
  CHECK(st::tensor(z * 2).strides() == z.strides());
  const auto a = st::expand(st::zeros<complex128>({1, 1}), {int64{1} << 31, 1}), b = st::expand(st::zeros<complex128>({1, 1}), {1, int64{1} << 30});
  CHECK_THROWS_AS(st::tensor(a + b), st::memory_error);
  const auto c = st::expand(st::zeros<double>({1, 1}), {int64{1} << 31, 1}), d = st::expand(st::zeros<double>({1, 1}), {1, int64{1} << 31});
  CHECK_THROWS_AS(st::tensor(c + d), st::memory_error);
}

TEST_CASE("complex C++ numbers of two precisions") {
  CHECK(complex64(1, 2) + complex128(0.5, 0.25) == complex128(1.5, 2.25));
  static_assert(std::is_convertible_v<complex64, complex128> && !std::is_convertible_v<complex128, complex64>);
  const std::complex<float> s = complex64(1, 2);
  CHECK(complex128(s) == complex128(1, 2));
}

TEST_CASE("running products, and products, of complex numbers") {
  st::variable z = smooth_points();
  const wide w[] = {widen(z.detach()(0)), widen(z.detach()(1)), widen(z.detach()(2)), widen(z.detach()(3)), widen(z.detach()(4))};
  const st::tensor all = st::prod(z.detach());
  const st::tensor last = st::cumprod(z.detach(), 0);
  CHECK(std::abs(widen(all.item()) - w[0] * w[1] * w[2] * w[3] * w[4]) < 1e-15);
  CHECK(std::abs(widen(last(2)) - w[0] * w[1] * w[2]) < 1e-15);
  CHECK(st::prod(st::zeros<complex64>({2, 0}), 1)(1) == complex64(1));
  const auto f = [](const auto& x) { return st::prod(x * x, 0); };
  check_derivatives(f, z);
}

TEST_CASE("a named formula of complex numbers is evaluated once, and recorded") {
  st::variable a = st::complex(st::randn<double>({3, 3}), st::randn<double>({3, 3}));
  auto h = st::matmul(a, a);
  st::variable s = st::sum(st::square(st::abs(h * h + h)));
  s.backward();
  const auto f = [](const auto& x) { return st::sum(st::square(st::abs(st::matmul(x, x) * st::matmul(x, x) + st::matmul(x, x)))); };
  CHECK(st::gradcheck(f, a));
  st::variable again = a.detach();
  st::variable direct = f(again);
  direct.backward();
  for (int i = 0; i < 3; ++i) CHECK(std::abs(widen(a.grad()(i, 1) - again.grad()(i, 1))) < 1e-10);
}
