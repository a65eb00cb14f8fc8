// SPDX-License-Identifier: BSD-3-Clause
// Complex numbers: every op of the registry that has a complex form against std::complex<long double>, and its derivatives
// against finite differences; dtypes, shapes, products, reductions, selections.
#include <sinter/op/registry.hpp>
#include <sinter/sinter.hpp>
#include <sinter/tensor/scan.hpp>

#include <cmath>
#include <complex>
#include <limits>
#include <vector>

#include "../catch.hpp"
#include "../derivatives.hpp"

namespace st = sinter;
using st::complex128, st::complex64, st::int64;
using wide = std::complex<long double>;

namespace {

// What the ops are, by the standard library. An op with a complex form that is missing here does not compile.
template <class Op> wide expected(wide) = delete;
#define EXPECT_OP(name, value) \
  template <> wide expected<st::op::name>(wide z) { return value; }
EXPECT_OP(neg, -z)
EXPECT_OP(abs, std::abs(z))
EXPECT_OP(exp, std::exp(z))
EXPECT_OP(exp2, std::exp(z * std::log(2.0L)))
EXPECT_OP(expm1, (wide(std::expm1(z.real()) * std::cos(z.imag()) - 2 * std::pow(std::sin(z.imag() / 2), 2.0L), std::exp(z.real()) * std::sin(z.imag()))))
EXPECT_OP(log, std::log(z))
EXPECT_OP(log2, std::log(z) / std::log(2.0L))
EXPECT_OP(log10, std::log10(z))
EXPECT_OP(log1p, std::log(1.0L + z))
EXPECT_OP(sqrt, std::sqrt(z))
EXPECT_OP(rsqrt, 1.0L / std::sqrt(z))
EXPECT_OP(square, z* z)
EXPECT_OP(reciprocal, 1.0L / z)
EXPECT_OP(sin, std::sin(z))
EXPECT_OP(cos, std::cos(z))
EXPECT_OP(tan, std::tan(z))
EXPECT_OP(asin, std::asin(z))
EXPECT_OP(acos, std::acos(z))
EXPECT_OP(atan, std::atan(z))
EXPECT_OP(sinh, std::sinh(z))
EXPECT_OP(cosh, std::cosh(z))
EXPECT_OP(tanh, std::tanh(z))
EXPECT_OP(asinh, std::asinh(z))
EXPECT_OP(acosh, std::acosh(z))
EXPECT_OP(atanh, std::atanh(z))
EXPECT_OP(sigmoid, 1.0L / (1.0L + std::exp(-z)))
EXPECT_OP(detach, z)
#undef EXPECT_OP

template <class T> wide widen(T v) { return v; }
template <class T> wide widen(st::complex_number<T> v) { return {v.re, v.im}; }

/// Every pair of these as re + im i: all quadrants, axes, both sides of each branch cut, small and large.
template <class T> auto plane() {
  const T parts[] = {T(0), T(-0.0), T(1e-3), T(-1e-3), T(0.3), T(-0.3), T(0.75), T(-1), T(1), T(1.5), T(-2.5), T(9), T(-20), T(20)};
  constexpr int n = sizeof parts / sizeof parts[0];
  auto z = st::empty<st::complex_number<T>>({n * n});
  for (int i = 0; i < n * n; ++i) z(i) = {parts[i / n], parts[i % n]};
  return z;
}
/// Points where every op is smooth: not on an axis, not on a branch cut.
auto smooth_points() {
  auto z = st::empty<complex128>({5});
  const complex128 at[] = {{0.7, 0.4}, {-0.6, 0.9}, {1.3, -0.8}, {-0.45, -1.2}, {0.2, 1.1}};
  for (int i = 0; i < 5; ++i) z(i) = at[i];
  return z;
}
template <class Op> constexpr bool numeric_form = st::detail::has_complex_form<Op> && Op::info.result != st::result_type::boolean;

template <class T> void check_unary_ops() {
  const auto z = plane<T>();
  st::for_each_op(st::unary_ops{}, [&]<class Op>() {
    if constexpr (numeric_form<Op>) {
      INFO(Op::info.name);
      const st::tensor y = st::apply<Op>(z);
      double worst = 0;
      for (int64 i = 0; i < z.numel(); ++i) {
        const wide want = expected<Op>(widen(z(i))), got = widen(y(i));
        if (!std::isfinite(std::abs(want))) continue;
        const auto size = std::max(std::abs(want), static_cast<long double>(std::numeric_limits<T>::min()));
        const double error = static_cast<double>(std::abs(got - want) / size / std::numeric_limits<T>::epsilon());
        if (!(error <= 16)) UNSCOPED_INFO("z = " << z(i).re << ", " << z(i).im << ": " << got << " instead of " << want << ", " << error << " eps");
        if (!(error <= worst)) worst = error;
      }
      CHECK(worst <= 16);
    }
  });
}

}  // namespace

TEST_CASE("every unary op with a complex form, over the plane and both sides of its branch cuts, within 16 eps of |f(z)|") {
  check_unary_ops<float>();
  check_unary_ops<double>();
}

TEST_CASE("every unary op's first and second derivatives") {
  st::variable z = smooth_points();
  st::for_each_op(st::unary_ops{}, [&]<class Op>() {
    if constexpr (numeric_form<Op> && !std::is_same_v<Op, st::op::detach>) {
      INFO(Op::info.name);
      const auto f = [](const auto& x) { return st::apply<Op>(x); };
      check_derivatives(f, z);
    }
  });
}

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
  check_derivatives([](const auto& u, const auto& v) { return u * v + v / u + u / v; }, std::tuple(a, x));
  check_derivatives([](const auto& u, const auto& v) { return st::pow(u, v); }, std::tuple(a, b));
  check_derivatives([](const auto& u, const auto& v) { return st::conj(u) * st::abs(v) + st::sgn(u) * st::angle(v); }, std::tuple(a, b));
  check_derivatives([](const auto& u, const auto& v) { return st::complex(st::real(u), v) * st::polar(v, v); }, std::tuple(a, x));
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

TEST_CASE("running products, and products, of complex numbers") {
  st::variable z = smooth_points();
  const wide w[] = {widen(z.detach()(0)), widen(z.detach()(1)), widen(z.detach()(2)), widen(z.detach()(3)), widen(z.detach()(4))};
  const st::tensor all = st::prod(z.detach());
  const st::tensor last = st::cumprod(z.detach(), 0);
  CHECK(std::abs(widen(all.item()) - w[0] * w[1] * w[2] * w[3] * w[4]) < 1e-15);
  CHECK(std::abs(widen(last(2)) - w[0] * w[1] * w[2]) < 1e-15);
  CHECK(st::prod(st::zeros<complex64>({2, 0}), 1)(1) == complex64(1));
  const auto f = [](const auto& x) { return st::prod(st::variable(x * x), 0); };
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
