// SPDX-License-Identifier: BSD-3-Clause
// Packs against scalars: every operation, dtype and lane count; functions against higher precision on a sweep of bits.
#include <sinter/cpu/pack.hpp>

#include <cmath>
#include <cstring>
#include <limits>
#include <type_traits>

#include "../catch.hpp"

namespace st = sinter;
using st::int32, st::int64, st::lanes, st::pack;

namespace {

/// f<T, N>() for every dtype and every lane count that a program may have.
template <class F> void for_all_packs(F f) {
  auto counts = [&]<class T>(T) {
    f.template operator()<T, 1>();
    if constexpr (lanes<double> > 1 && lanes<double> % st::simd::width<T> == 0) f.template operator()<T, lanes<double>>();
    if constexpr (lanes<float> > lanes<double>) f.template operator()<T, lanes<float>>();
    if constexpr (lanes<float> > 1) f.template operator()<T, 2 * lanes<float>>();
  };
  counts(float{}), counts(double{}), counts(int32{}), counts(int64{});
}

template <class T> bool same_bits(T a, T b) { return std::memcmp(&a, &b, sizeof a) == 0; }

template <class T, int N> struct samples {
  T a[N], b[N];
  explicit samples(int seed) {
    for (int i = 0; i < N; ++i) {
      a[i] = static_cast<T>((i * 37 + seed * 11) % 41 - 20);
      b[i] = static_cast<T>((i * 23 + seed * 7) % 37 - 18);
      if (i % 3 == 1) b[i] = a[i];
      if (b[i] == T(0)) b[i] = T(1);
      if constexpr (std::is_floating_point_v<T>) a[i] += static_cast<T>(0.25) * static_cast<T>(i % 5);
    }
  }
};

/// f on packs gives g on every lane.
template <class T, int N, class F, class G> void check_lanes(const char* name, F f, G g) {
  for (int seed = 0; seed < 5; ++seed) {
    samples<T, N> s(seed);
    auto y = f(pack<T, N>::load(s.a), pack<T, N>::load(s.b));
    for (int i = 0; i < N; ++i) {
      INFO(name << " lane " << i << " of " << N << ": " << s.a[i] << ", " << s.b[i]);
      CHECK(y.lane(i) == g(s.a[i], s.b[i]));
    }
  }
}

template <class T> T from_bits(st::simd::integer<T> b) { return __builtin_bit_cast(T, b); }
template <class T> constexpr T nan_of = std::numeric_limits<T>::quiet_NaN();
template <class T> constexpr T inf_of = std::numeric_limits<T>::infinity();

}  // namespace

TEST_CASE("a program's lane count is that of its narrowest dtype", "[pack]") {
  CHECK(lanes<float> == st::simd::width<float>);
  CHECK(lanes<double, float> == lanes<float>);
  CHECK(lanes<double, int64> == st::simd::width<double>);
  CHECK(lanes<bool, double> == lanes<double>);
  CHECK(lanes<bool> == lanes<float>);
#ifdef SINTER_NO_XSIMD
  CHECK(lanes<float> == 1);
#endif
}

TEST_CASE("operators work lane by lane", "[pack]") {
  for_all_packs([]<class T, int N>() {
    check_lanes<T, N>("+", [](auto a, auto b) { return a + b; }, [](T a, T b) { return a + b; });
    check_lanes<T, N>("-", [](auto a, auto b) { return a - b; }, [](T a, T b) { return a - b; });
    check_lanes<T, N>("*", [](auto a, auto b) { return a * b; }, [](T a, T b) { return a * b; });
    check_lanes<T, N>("/", [](auto a, auto b) { return a / b; }, [](T a, T b) { return a / b; });
    check_lanes<T, N>("neg", [](auto a, auto) { return -a; }, [](T a, T) { return -a; });
    check_lanes<T, N>("==", [](auto a, auto b) { return a == b; }, [](T a, T b) { return a == b; });
    check_lanes<T, N>("!=", [](auto a, auto b) { return a != b; }, [](T a, T b) { return a != b; });
    check_lanes<T, N>("<", [](auto a, auto b) { return a < b; }, [](T a, T b) { return a < b; });
    check_lanes<T, N>("<=", [](auto a, auto b) { return a <= b; }, [](T a, T b) { return a <= b; });
    check_lanes<T, N>(">", [](auto a, auto b) { return a > b; }, [](T a, T b) { return a > b; });
    check_lanes<T, N>(">=", [](auto a, auto b) { return a >= b; }, [](T a, T b) { return a >= b; });
    check_lanes<T, N>("max", [](auto a, auto b) { return max(a, b); }, [](T a, T b) { return a > b ? a : b; });
    check_lanes<T, N>("min", [](auto a, auto b) { return min(a, b); }, [](T a, T b) { return a < b ? a : b; });
    check_lanes<T, N>("abs", [](auto a, auto) { return abs(a); }, [](T a, T) { return a < T(0) ? -a : a; });
    check_lanes<T, N>("fma", [](auto a, auto b) { return fma(a, b, a); }, [](T a, T b) { return a * b + a; });
    check_lanes<T, N>("scalar", [](auto a, auto) { return 1 - a * 2; }, [](T a, T) { return 1 - a * 2; });
    check_lanes<T, N>("select", [](auto a, auto b) { return select(a < b, a, b); }, [](T a, T b) { return a < b ? a : b; });
    if constexpr (std::is_integral_v<T>) {
      check_lanes<T, N>("&", [](auto a, auto b) { return a & b; }, [](T a, T b) { return a & b; });
      check_lanes<T, N>("|", [](auto a, auto b) { return a | b; }, [](T a, T b) { return a | b; });
      check_lanes<T, N>("^", [](auto a, auto b) { return a ^ b; }, [](T a, T b) { return a ^ b; });
    }
  });
}

TEST_CASE("integers wrap around, and divide without a trap", "[pack]") {
  for_all_packs([]<class T, int N>() {
    if constexpr (std::is_integral_v<T>) {
      using P = pack<T, N>;
      T most = std::numeric_limits<T>::max(), least = std::numeric_limits<T>::min();
      CHECK((P(most) + P(1)).lane(N - 1) == least);
      CHECK((P(most) * P(2)).lane(N - 1) == -2);
      CHECK((P(least) / P(-1)).lane(N - 1) == least);
      CHECK((-P(least)).lane(0) == least);
      (void)(P(1) / P(0)).lane(0);
      CHECK((P(-7) / P(2)).lane(0) == -3);
      CHECK((P(T(1) << (4 * sizeof(T))) * P(T(3) << (4 * sizeof(T) - 4))).lane(N - 1) == T(3) << (8 * sizeof(T) - 4));
    }
  });
}

TEST_CASE("memory: whole, partial, strided", "[pack]") {
  for_all_packs([]<class T, int N>() {
    using P = pack<T, N>;
    T in[4 * N + 4], out[4 * N + 4];
    for (int i = 0; i < 4 * N + 4; ++i) in[i] = static_cast<T>(i + 1);
    for (int count = 0; count <= N; ++count) {
      INFO("count " << count << " of " << N);
      T edge[N + 1] = {};  // partial accesses end exactly at the end of what there is
      T* p = edge + N + 1 - count;
      std::memcpy(p, in, static_cast<std::size_t>(count) * sizeof(T));
      P x = P::load(p, count);
      P g = P::gather(in, 3, count);
      for (int i = 0; i < N; ++i) {
        CHECK(x.lane(i) == (i < count ? in[i] : T(0)));
        CHECK(g.lane(i) == (i < count ? in[3 * i] : T(0)));
      }
      for (T& o : out) o = T(-1);
      P::load(in).store(out + 1, count);
      for (int i = 0; i < N + 2; ++i) CHECK(out[i] == (i >= 1 && i <= count ? in[i - 1] : T(-1)));
      for (T& o : out) o = T(-1);
      P::load(in).scatter(out, 2, count);
      for (int i = 0; i < 2 * N; ++i) CHECK(out[i] == (i % 2 == 0 && i / 2 < count ? in[i / 2] : T(-1)));
    }
    CHECK(P::gather(in + 2 * N, -2).lane(N - 1) == in[2]);
    CHECK(P::gather(in + 5, 0).lane(N - 1) == in[5]);
    P::load(in).scatter(out + 3 * N, -3);
    CHECK(out[3] == in[N - 1]);
    for (int i = 0; i < N; ++i) CHECK(P::iota(T(5)).lane(i) == static_cast<T>(5 + i));
    CHECK(P::splat(T(3)).lane(N - 1) == T(3));
  });
}

TEST_CASE("masks keep to their lanes in every width", "[pack]") {
  for_all_packs([]<class T, int N>() {
    using P = pack<T, N>;
    using M = pack<bool, N>;
    bool in[N + 1], other[N];
    for (int i = 0; i < N; ++i) in[i] = i % 3 == 0 || i == N - 1, other[i] = i % 2 == 0;
    M m = M::load(in), o = M::load(other);
    P index = P::iota(T(0));
    M compared = index > P(T(N / 2));
    M fast = st::head_mask<N>(N / 2 + 1);
    for (int i = 0; i < N; ++i) {
      CHECK(m.lane(i) == in[i]);
      CHECK((m & o).lane(i) == (in[i] && other[i]));
      CHECK((m | o).lane(i) == (in[i] || other[i]));
      CHECK((m ^ o).lane(i) == (in[i] != other[i]));
      CHECK((m == o).lane(i) == (in[i] == other[i]));
      CHECK((!m).lane(i) == !in[i]);
      CHECK(select(m, index, -index).lane(i) == (in[i] ? static_cast<T>(i) : static_cast<T>(-i)));
      CHECK(select(m, o, !o).lane(i) == (in[i] ? other[i] : !other[i]));
      CHECK((compared ^ fast).lane(i));
    }
    for (int count = 0; count <= N; ++count) {
      bool out[N + 1];
      for (bool& b : out) b = true;
      M::load(in, count).store(out);
      for (int i = 0; i < N; ++i) CHECK(out[i] == (i < count && in[i]));
      CHECK(out[N]);
      for (bool& b : out) b = true;
      (!M(true)).store(out, count);
      for (int i = 0; i <= N; ++i) CHECK(out[i] == (i >= count));
      CHECK(any(st::head_mask<N>(count)) == (count > 0));
      CHECK(all(st::head_mask<N>(count)) == (count == N));
    }
    unsigned char bytes[N];
    m.store(reinterpret_cast<bool*>(bytes));
    for (int i = 0; i < N; ++i) CHECK(bytes[i] == (in[i] ? 1 : 0));
  });
}

TEST_CASE("masks of different dtypes combine", "[pack]") {
  constexpr int N = lanes<float>;
  auto f = pack<float, N>::iota(0.f) < 5.f;
  auto d = pack<double, N>::iota(0.) > 1.;
  auto i = pack<int64, N>::iota(0) != pack<int64, N>(3);
  auto y = select(f & d & i, pack<int32, N>(1), pack<int32, N>(0));
  for (int k = 0; k < N; ++k) CHECK(y.lane(k) == (k < 5 && k > 1 && k != 3));
}

TEST_CASE("conversions between all dtypes", "[pack]") {
  for_all_packs([]<class T, int N>() {
    auto to = [&]<class U>(U) {
      if constexpr (N == 1 || N % st::simd::width<U> == 0) {
        T in[N];
        for (int i = 0; i < N; ++i) in[i] = static_cast<T>((i % 2 ? -1 : 1) * (i * 1234567 % 8000000));
        if constexpr (std::is_floating_point_v<T>) in[0] = static_cast<T>(-2.75);
        auto y = st::convert<U>(pack<T, N>::load(in));
        for (int i = 0; i < N; ++i) CHECK(y.lane(i) == static_cast<U>(in[i]));
      }
    };
    to(float{}), to(double{}), to(int32{}), to(int64{});
    auto truth = st::convert<bool>(pack<T, N>::iota(T(0)));
    auto number = st::convert<T>(truth);
    for (int i = 0; i < N; ++i) CHECK(truth.lane(i) == (i != 0));
    for (int i = 0; i < N; ++i) CHECK(number.lane(i) == (i != 0 ? T(1) : T(0)));
    if constexpr (std::is_floating_point_v<T>) {
      CHECK(st::convert<bool>(pack<T, N>(nan_of<T>)).lane(0));
      CHECK_FALSE(st::convert<bool>(pack<T, N>(T(-0.0))).lane(0));
      CHECK(st::convert<bool>(pack<T, N>(std::numeric_limits<T>::denorm_min())).lane(N - 1));
    }
    if constexpr (std::is_same_v<T, int64>) {
      int64 big = (int64(1) << 53) + 1;
      CHECK(st::convert<double>(pack<T, N>(big)).lane(0) == static_cast<double>(big));
      CHECK(st::convert<double>(pack<T, N>(-big)).lane(N - 1) == static_cast<double>(-big));
    }
  });
}

TEST_CASE("a reduction depends on the lanes only", "[pack]") {
  for_all_packs([]<class T, int N>() {
    T sum = T(0);
    for (int i = 0; i < N; ++i) sum += static_cast<T>(i + 3);
    CHECK(reduce(pack<T, N>::iota(T(3)), [](T a, T b) { return static_cast<T>(a + b); }) == sum);
    CHECK(reduce(pack<T, N>::iota(T(3)), [](T a, T b) { return a > b ? a : b; }) == static_cast<T>(N + 2));
  });
}

TEST_CASE("max, min and select keep NaN", "[pack]") {
  for_all_packs([]<class T, int N>() {
    if constexpr (std::is_floating_point_v<T>) {
      using P = pack<T, N>;
      P x(nan_of<T>), one(T(1));
      CHECK(all(is_nan(max(x, one)) & is_nan(max(one, x)) & is_nan(min(x, one)) & is_nan(min(one, x))));
      CHECK(all(is_nan(select(is_nan(x), x, one))));
      CHECK_FALSE(any(is_nan(P(inf_of<T>)) | is_nan(one)));
      CHECK(all(x != x));
      CHECK(all(x != one));
      CHECK_FALSE(any((x == x) | (x < one) | (x <= one) | (x > one) | (x >= x)));
      CHECK(max(P(-inf_of<T>), one).lane(0) == T(1));
      CHECK(same_bits(copysign(one, P(T(-0.0))).lane(N - 1), T(-1)));
    }
  });
}

namespace {

/// Distance of `got` from `want` in units of T's last place; infinite where one is NaN, or infinite, without the other.
template <class T, class W> double ulp_distance(T got, W want) {
  T rounded = static_cast<T>(want);
  if (std::isnan(want) || std::isnan(got)) return std::isnan(want) && std::isnan(got) ? 0 : inf_of<double>;
  if (got == rounded) return std::signbit(got) == std::signbit(rounded) || got != T(0) ? 0 : inf_of<double>;
  if (std::isinf(rounded) || std::isinf(got)) {  // half an ulp may lie between the largest number and infinity
    T largest = std::numeric_limits<T>::max();
    return std::abs(got) >= largest && std::abs(rounded) >= largest && std::signbit(got) == std::signbit(rounded) ? 1 : inf_of<double>;
  }
  int exponent;
  std::frexp(want, &exponent);
  if (exponent < std::numeric_limits<T>::min_exponent) exponent = std::numeric_limits<T>::min_exponent;
  return static_cast<double>(std::abs(static_cast<W>(got) - want) / std::ldexp(W(1), exponent - std::numeric_limits<T>::digits));
}

/// Every 1009th bit pattern, and what is special.
template <class T, class F> void sweep(F f) {
  constexpr T special[] = {T(0), T(-0.0), T(1), T(-1), T(0.5), T(-0.5), inf_of<T>, -inf_of<T>, nan_of<T>, std::numeric_limits<T>::denorm_min(),
                           -std::numeric_limits<T>::denorm_min(), std::numeric_limits<T>::min(), std::numeric_limits<T>::max(),
                           std::numeric_limits<T>::lowest(), T(1e-8), T(-1e-8), T(88.5), T(-103.9), T(709.7), T(-745), T(9), T(20), T(1e5)};
  for (T x : special) f(x);
  if constexpr (sizeof(T) == 4) {
    for (st::uint64 u = 0; u < (st::uint64(1) << 32); u += 1009) f(from_bits<float>(static_cast<int32>(static_cast<st::uint32>(u))));
  } else {
    for (st::uint64 u = 0; u < 1000000; ++u) {
      st::uint64 b = u * 0x9E3779B97F4A7C15ull;
      if (u % 2) b = (b & 0x800fffffffffffffull) | (1011 + (b >> 3) % 24) << 52;  // 2^-12 to 2^12, where functions live
      f(from_bits<double>(static_cast<int64>(b)));
    }
  }
}

template <class T, int N, class F, class G> void check_ulp(const char* name, double ceiling, F f, G reference) {
  T x[N], y[N];
  double worst = 0;
  T at = 0;
  int filled = 0;
  auto flush = [&] {
    f(pack<T, N>::load(x)).store(y);
    for (int i = 0; i < filled; ++i) {
      using W = std::conditional_t<sizeof(T) == 4, double, long double>;
      double d = ulp_distance<T, W>(y[i], reference(static_cast<W>(x[i])));
      if (d > worst) worst = d, at = x[i];
    }
    filled = 0;
  };
  for (T& v : x) v = T(1);
  sweep<T>([&](T v) {
    x[filled++] = v;
    if (filled == N) flush();
  });
  flush();
  INFO(name << (sizeof(T) == 4 ? " float" : " double") << ", " << N << " lanes: " << worst << " ulp at " << at);
  CHECK(worst <= ceiling);
}

template <class T, int N> void check_functions() {
  check_ulp<T, N>("exp", 2, [](auto x) { return exp(x); }, [](auto x) { return std::exp(x); });
  check_ulp<T, N>("expm1", 2, [](auto x) { return expm1(x); }, [](auto x) { return std::expm1(x); });
  check_ulp<T, N>("log", 2, [](auto x) { return log(x); }, [](auto x) { return std::log(x); });
  check_ulp<T, N>("log1p", 2, [](auto x) { return log1p(x); }, [](auto x) { return std::log1p(x); });
  check_ulp<T, N>("sqrt", 0.5, [](auto x) { return sqrt(x); }, [](auto x) { return std::sqrt(x); });
  check_ulp<T, N>("tanh", 4, [](auto x) { return tanh(x); }, [](auto x) { return std::tanh(x); });
  check_ulp<T, N>("erf", 4, [](auto x) { return erf(x); }, [](auto x) { return std::erf(x); });
  check_ulp<T, N>("sin", 4, [](auto x) { return sin(x); }, [](auto x) { return std::sin(x); });
  check_ulp<T, N>("cos", 4, [](auto x) { return cos(x); }, [](auto x) { return std::cos(x); });
  check_ulp<T, N>("exp2", 2, [](auto x) { return exp2(x); }, [](auto x) { return std::exp2(x); });
  check_ulp<T, N>("log2", 2, [](auto x) { return log2(x); }, [](auto x) { return std::log2(x); });
  check_ulp<T, N>("log10", 2, [](auto x) { return log10(x); }, [](auto x) { return std::log10(x); });
  check_ulp<T, N>("tan", 4, [](auto x) { return tan(x); }, [](auto x) { return std::tan(x); });
  check_ulp<T, N>("asin", 4, [](auto x) { return asin(x); }, [](auto x) { return std::asin(x); });
  check_ulp<T, N>("acos", 4, [](auto x) { return acos(x); }, [](auto x) { return std::acos(x); });
  check_ulp<T, N>("atan", 4, [](auto x) { return atan(x); }, [](auto x) { return std::atan(x); });
  check_ulp<T, N>("sinh", 4, [](auto x) { return sinh(x); }, [](auto x) { return std::sinh(x); });
  check_ulp<T, N>("cosh", 4, [](auto x) { return cosh(x); }, [](auto x) { return std::cosh(x); });
  check_ulp<T, N>("asinh", 4, [](auto x) { return asinh(x); }, [](auto x) { return std::asinh(x); });
  check_ulp<T, N>("acosh", 4, [](auto x) { return acosh(x); }, [](auto x) { return std::acosh(x); });
  check_ulp<T, N>("atanh", 4, [](auto x) { return atanh(x); }, [](auto x) { return std::atanh(x); });
  check_ulp<T, N>("erfc", 4, [](auto x) { return erfc(x); }, [](auto x) { return std::erfc(x); });
  check_ulp<T, N>("floor", 0, [](auto x) { return floor(x); }, [](auto x) { return std::floor(x); });
  check_ulp<T, N>("ceil", 0, [](auto x) { return ceil(x); }, [](auto x) { return std::ceil(x); });
  check_ulp<T, N>("trunc", 0, [](auto x) { return trunc(x); }, [](auto x) { return std::trunc(x); });
  check_ulp<T, N>("round", 0, [](auto x) { return round(x); }, [](auto x) { return std::nearbyint(x); });
  check_ulp<T, N>("abs", 0, [](auto x) { return abs(x); }, [](auto x) { return std::abs(x); });
}

template <class T, int N> void check_pow() {
  using W = std::conditional_t<sizeof(T) == 4, double, long double>;
  double worst = 0;
  T at[2] = {};
  auto check = [&](T x, T y) {
    double d = ulp_distance<T, W>(pow(pack<T, N>(x), pack<T, N>(y)).lane(N - 1), std::pow(static_cast<W>(x), static_cast<W>(y)));
    if (d > worst) worst = d, at[0] = x, at[1] = y;
  };
  constexpr T special[] = {T(0), T(-0.0), T(1), T(-1), T(2), T(-2), T(0.5), T(3), T(-3), T(-2.5), inf_of<T>, -inf_of<T>, nan_of<T>, T(1e-40), T(-1e-40),
                           T(1e30), T(-1e30), T(1e-30), T(16777217), T(0.99999994), T(1e9), std::numeric_limits<T>::max()};
  for (T x : special)
    for (T y : special) check(x, y);
  constexpr double reach = sizeof(T) == 4 ? 100 : 740;  // of log(x^y), so that results fill the whole range
  for (int64 i = 0; i < 200000; ++i) {
    double u = static_cast<double>(i * 7919 % 200003) / 100001.5 - 1, v = static_cast<double>(i * 104729 % 199999) / 99999.5 - 1;
    T x = static_cast<T>(std::exp(u * (i % 3 == 0 ? 0.3 : i % 3 == 1 ? 5 : reach * 0.8)));
    T y = static_cast<T>(v * reach / (std::abs(std::log(static_cast<double>(x))) + 1e-3));
    if (i % 5 == 0) x = -x, y = std::round(y);
    check(x, y);
  }
  INFO("pow" << (sizeof(T) == 4 ? " float" : " double") << ", " << N << " lanes: " << worst << " ulp at " << at[0] << " ^ " << at[1]);
  CHECK(worst <= 4);
}

}  // namespace

TEST_CASE("float functions stay within their ceilings on every 1009th bit pattern", "[pack]") { check_functions<float, lanes<float>>(); }
TEST_CASE("double functions stay within their ceilings", "[pack]") { check_functions<double, lanes<double>>(); }
TEST_CASE("double functions at float's lane count", "[pack]") { check_functions<double, lanes<float>>(); }
TEST_CASE("one-wide functions stay within their ceilings", "[pack]") { check_functions<float, 1>(); }
TEST_CASE("pow stays within 4 ulp, special cases included", "[pack]") {
  check_pow<float, lanes<float>>();
  check_pow<double, lanes<double>>();
}
