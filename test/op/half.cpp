// SPDX-License-Identifier: BSD-3-Clause
// half and bfloat16: every bit pattern, every rounding, every op of the registry; and the small integers, which wrap.
#include <sinter/op/registry.hpp>
#include <sinter/sinter.hpp>

#include <cmath>
#include <limits>
#include <vector>

#include "../catch.hpp"

namespace st = sinter;
using st::bfloat16, st::half, st::int64;

namespace {

/// What the bits mean, by IEEE 754.
double half_of(unsigned bits) {
  const int e = static_cast<int>(bits >> 10 & 31), m = static_cast<int>(bits & 1023);
  const double v = e == 31 ? (m ? std::nan("") : std::numeric_limits<double>::infinity()) : e ? std::ldexp(1024 + m, e - 25) : std::ldexp(m, -24);
  return bits & 0x8000 ? -v : v;
}
template <class H> H of_bits(unsigned bits) {
  H h;
  h.bits = static_cast<st::uint16>(bits);
  return h;
}
/// x of H's neighbours, the one with an even last bit where both are as near.
template <class H> bool is_nearest(H h, double x) {
  const double v = static_cast<double>(static_cast<float>(h));
  if (std::isnan(x) || std::isnan(v)) return std::isnan(x) && std::isnan(v);
  if (std::isinf(v)) {
    const double largest = static_cast<double>(static_cast<float>(of_bits<H>(h.bits - 1u)));
    const double below = static_cast<double>(static_cast<float>(of_bits<H>(h.bits - 2u)));
    return std::isinf(x) || std::abs(x) >= std::abs(largest) + std::abs(largest - below) / 2;
  }
  for (int step : {-1, 1}) {
    const unsigned magnitude = h.bits & 0x7fffu;
    if (magnitude == 0 && step < 0) continue;
    const H other = of_bits<H>(static_cast<unsigned>(static_cast<int>(h.bits) + step));
    const double o = static_cast<double>(static_cast<float>(other));
    if (std::isinf(o) || std::isnan(o)) continue;
    if (std::abs(o - x) < std::abs(v - x) || (std::abs(o - x) == std::abs(v - x) && (h.bits & 1u))) return false;
  }
  return true;
}

}  // namespace

TEST_CASE("every half means what IEEE 754 says, and comes back") {
  int wrong = 0, lost = 0;
  for (unsigned b = 0; b < 65536; ++b) {
    const half h = of_bits<half>(b);
    const double want = half_of(b);
    const float got = h;
    wrong += !(std::isnan(want) ? std::isnan(got) : static_cast<double>(got) == want);
    const half back(got);
    lost += std::isnan(want) ? !std::isnan(static_cast<float>(back)) : back.bits != h.bits;
    const bfloat16 c = of_bits<bfloat16>(b);
    const bfloat16 d(static_cast<float>(c));
    lost += std::isnan(static_cast<float>(c)) ? !std::isnan(static_cast<float>(d)) : c.bits != d.bits;
  }
  CHECK(wrong == 0);
  CHECK(lost == 0);
}
TEST_CASE("floats round to the nearest half and bfloat16, ties to even, in scalars and in kernels") {
  std::vector<float> x;
  for (unsigned b = 0; b < 65535; ++b) {  // halves, what lies between two of them, and a little beside that
    const float u = of_bits<half>(b), v = of_bits<half>(b + 1);
    for (float w : {u, (u + v) / 2, std::nextafter((u + v) / 2, u), std::nextafter((u + v) / 2, v)}) x.push_back(w);
  }
  for (st::uint64 b = 0; b < (st::uint64{1} << 32); b += 30011) x.push_back(__builtin_bit_cast(float, static_cast<st::uint32>(b)));
  for (float v : {65519.99f, 65520.f, -65520.f, 1e38f, 3.4e38f, 2.98e-8f, 2.981e-8f}) x.push_back(v);
  const auto t = st::from_blob(x.data(), {x.size()});
  const st::tensor h = st::to<half>(t);
  const st::tensor b = st::to<bfloat16>(t);
  int wrong = 0, different = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    wrong += !is_nearest(half(x[i]), static_cast<double>(x[i])) + !is_nearest(bfloat16(x[i]), static_cast<double>(x[i]));
    const bool nan = std::isnan(x[i]);
    different += nan ? !std::isnan(static_cast<float>(h.data()[i])) : h.data()[i].bits != half(x[i]).bits;
    different += nan ? !std::isnan(static_cast<float>(b.data()[i])) : b.data()[i].bits != bfloat16(x[i]).bits;
  }
  CHECK(wrong == 0);
  CHECK(different == 0);
}

namespace {
/// Operand k of an op, of H: samples of the op's domain; the condition of a choice.
template <class Op, class H, std::size_t K> auto operand_of() {
  const double low = Op::info.samples.low, width = Op::info.samples.high - low;
  constexpr bool condition = Op::info.result == st::result_type::second && K == 0;
  constexpr int64 n = 37;
  auto t = st::empty<std::conditional_t<condition, bool, H>>({n});
  for (int64 i = 0; i < n; ++i) {
    const double v = low + width * (0.02 + 0.96 * std::fmod(0.618 * static_cast<double>(i + 1) + 0.3 * static_cast<double>(K), 1.0));
    t.data()[i] = static_cast<typename decltype(t)::value_type>(condition ? v > 0 : v);
  }
  return t;
}
/// Is element i of y Op over elements of H in double, rounded once?
template <class Op, class H, class Y, class... X> void check_element(int64 i, Y y, const X&... x) {
  constexpr bool floating = Op::info.result == st::result_type::same || Op::info.result == st::result_type::floating || Op::info.result == st::result_type::second;
  const double v[] = {static_cast<double>(x.data()[i])...};
  const double want = st::detail::value_of<Op>(v), got = static_cast<double>(y);
  const double unit = std::abs(want) * (std::is_same_v<H, half> ? 0x1p-11 : 0x1p-8);
  CHECK(std::abs(got - want) <= (floating ? 1.01 * unit + 1e-7 : 0));
}
/// By a kernel.
template <class Op, class H, std::size_t... I> void check_kernel(std::index_sequence<I...>) {
  const auto operands = std::make_tuple(operand_of<Op, H, I>()...);
  st::tensor y = std::apply([](const auto&... x) { return st::eval(st::apply<Op>(x...)); }, operands);
  INFO(Op::info.name << " of " << st::name_of(st::dtype_of<H>));
  for (int64 i = 0; i < y.numel(); ++i) check_element<Op, H>(i, y.data()[i], std::get<I>(operands)...);
}
/// By the interpreter, which runs what no kernel is compiled for; and the dtype of the result.
template <class Op, class H, std::size_t... I> void check_interpreted(std::index_sequence<I...>) {
  using st::result_type;
  const auto operands = std::make_tuple(operand_of<Op, H, I>()...);
  st::graph g;
  const st::sym x[] = {g.leaf(static_cast<int>(I), std::get<I>(operands).dtype(), 1)...};
  const st::sym y = g.apply(st::detail::op_entry<Op>::descr, x, sizeof...(I));
  constexpr bool floating = Op::info.result == result_type::same || Op::info.result == result_type::floating || Op::info.result == result_type::second;
  INFO(Op::info.name << " of " << st::name_of(st::dtype_of<H>));
  REQUIRE(g.at(y.id).type == (floating ? st::dtype_of<H> : st::dtype::b8));
  g.output(y, 0);
  st::detail::operand in[sizeof...(I)];
  ((in[I].data = reinterpret_cast<char*>(std::get<I>(operands).data()), in[I].shape.rank = 1, in[I].shape[0] = std::get<I>(operands).numel(), in[I].strides[0] = 1), ...);
  st::detail::result r;
  st::detail::interpret<st::native>(g, in, nullptr, &r);
  for (int64 i = 0; i < in[0].shape[0]; ++i) {
    if constexpr (floating) check_element<Op, H>(i, reinterpret_cast<const H*>(r.data)[i], std::get<I>(operands)...);
    else check_element<Op, H>(i, reinterpret_cast<const bool*>(r.data)[i], std::get<I>(operands)...);
  }
}
/// Op over elements of T is Op over integers, wrapped.
template <class Op, class T, std::size_t... I> void check_wrapped(std::index_sequence<I...>) {
  constexpr int64 n = 256;
  auto make = [&](std::size_t k) {
    auto t = st::empty<T>({n});
    for (int64 i = 0; i < n; ++i) t.data()[i] = static_cast<T>(i * (k ? 37 : 1) * (sizeof(T) > 1 ? 211 : 1) + 5 * static_cast<int64>(k));
    return t;
  };
  const auto operands = std::make_tuple((static_cast<void>(I), make(I))...);
  st::tensor y = std::apply([](const auto&... x) { return st::eval(st::apply<Op>(x...)); }, operands);
  using R = typename decltype(y)::value_type;
  INFO(Op::info.name << " of " << st::name_of(st::dtype_of<T>));
  int wrong = 0;
  for (int64 i = 0; i < n; ++i) {
    const int64 v[] = {static_cast<int64>(std::get<I>(operands).data()[i])...};
    wrong += y.data()[i] != static_cast<R>(st::detail::descr_of<Op>.integer(v));
  }
  CHECK(wrong == 0);
}
}  // namespace

TEST_CASE("ops of half and bfloat16 are computed in float and rounded once") {
  auto check = []<class Op>() {
    constexpr auto operands = std::make_index_sequence<st::detail::arity_of<Op>>{};
    check_interpreted<Op, half>(operands);
    check_interpreted<Op, bfloat16>(operands);
  };
  st::for_each_op(st::unary_ops{}, check);
  st::for_each_op(st::binary_ops{}, check);
  st::for_each_op(st::ternary_ops{}, check);
}
// A kernel computes as for float, which every op's is checked for, and differs in what it loads and stores: one op of each number of
// operands and each type of result.
TEST_CASE("kernels of half and bfloat16 compute in float and round once") {
  st::for_each_op(st::type_list<st::op::neg, st::op::exp, st::op::isfinite, st::op::add, st::op::pow, st::op::lt, st::op::where, st::op::fma>{}, []<class Op>() {
    constexpr auto operands = std::make_index_sequence<st::detail::arity_of<Op>>{};
    check_kernel<Op, half>(operands);
    if constexpr (st::detail::arity_of<Op> < 3) check_kernel<Op, bfloat16>(operands);
  });
}
TEST_CASE("ops of small integers wrap around") {
  auto check = [&]<class Op>() {
    if constexpr ((Op::info.integers || Op::info.whole) && Op::info.result != st::result_type::second)
      check_wrapped<Op, st::int8>(std::make_index_sequence<st::detail::arity_of<Op>>{});
  };
  st::for_each_op(st::unary_ops{}, check);
  st::for_each_op(st::binary_ops{}, check);
  st::for_each_op(st::bitwise_ops{}, check);
  // the other dtypes, by ops that need more bits, order, or neither
  st::for_each_op(st::type_list<st::op::add, st::op::mul, st::op::maximum, st::op::lt, st::op::bitwise_xor, st::op::neg>{}, []<class Op>() {
    constexpr auto operands = std::make_index_sequence<st::detail::arity_of<Op>>{};
    check_wrapped<Op, st::uint8>(operands);
    check_wrapped<Op, st::int16>(operands);
  });
}
TEST_CASE("promotion follows PyTorch") {
  auto h = st::ones<half>({2});
  auto b = st::ones<bfloat16>({2});
  auto i8 = st::ones<st::int8>({2});
  auto u8 = st::ones<st::uint8>({2});
  auto i64 = st::ones<int64>({2});
  CHECK(st::tensor(h + b).dtype() == st::dtype::f32);
  CHECK(st::tensor(h + 1.5).dtype() == st::dtype::f16);
  CHECK(st::tensor(h + i64).dtype() == st::dtype::f16);
  CHECK(st::tensor(b * st::ones<float>({2})).dtype() == st::dtype::f32);
  CHECK(st::tensor(h / h).dtype() == st::dtype::f16);
  CHECK(st::tensor(i8 + u8).dtype() == st::dtype::i16);
  CHECK(st::tensor(i8 + 1).dtype() == st::dtype::i8);
  CHECK(st::tensor(u8 + i64).dtype() == st::dtype::i64);
  CHECK(st::tensor(i8 / i8).dtype() == st::dtype::f32);
  CHECK(st::tensor(i8 + 0.5).dtype() == st::dtype::f32);
  CHECK(st::tensor(st::sum(u8)).dtype() == st::dtype::i64);
  CHECK(st::tensor(st::sum(h)).dtype() == st::dtype::f16);
  CHECK(st::tensor(st::exp(i8)).dtype() == st::dtype::f32);
}
TEST_CASE("sums, means, products and gradients of half are accumulated in float") {
  const st::tensor many = st::full<half>({4096}, half(0.1f));
  CHECK(static_cast<double>(static_cast<float>(st::tensor(st::sum(many)).item())) == Approx(409.6).epsilon(0.001));
  CHECK(static_cast<double>(static_cast<float>(st::tensor(st::mean(many * 1000)).item())) == Approx(100).epsilon(0.001));  // the sum alone is over 65504
  const st::tensor a = st::full<half>({3, 2000}, half(0.25f)), b = st::full<half>({2000, 5}, half(0.5f));
  CHECK(static_cast<float>(st::tensor(st::matmul(a, b))(2, 4)) == 250);
  st::variable w = st::full<bfloat16>({64}, bfloat16(0.5f));
  st::variable y = st::sum(st::square(w) * 3);
  y.backward();
  CHECK(w.grad().dtype() == st::dtype::bf16);
  CHECK(static_cast<float>(w.grad()(63)) == 3);
  y = st::sum(w(st::slice(0, 2)));
  y.backward();
  CHECK(static_cast<float>(w.grad()(1)) == 4);
}
