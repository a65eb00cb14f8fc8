// SPDX-License-Identifier: BSD-3-Clause
#include "../catch.hpp"

#include <sinter/sinter.hpp>

namespace st = sinter;
namespace nn = sinter::nn;

namespace {
struct twice {
  auto forward(auto&& x) const { return 2 * static_cast<decltype(x)&&>(x); }
};
template <class X> constexpr int kernels(const X&) { return st::detail::schedule_of<st::detail::program_of<X>>.count; }
}  // namespace

TEST_CASE("sequential has the program of the free functions") {
  nn::sequential mlp{nn::linear<8, 16>{}, nn::relu{}, nn::linear<16, 4>{}};
  const auto x = st::randn({5, 8});
  auto e = mlp(x);
  auto f = st::linear(st::relu(st::linear(x, mlp.get<0>().weight, mlp.get<0>().bias)), mlp.get<2>().weight, mlp.get<2>().bias);
  CHECK(std::is_same_v<st::detail::program_of<decltype(e)>, st::detail::program_of<decltype(f)>>);
  CHECK(kernels(e) == 2);
  st::variable a = e, b = f;
  for (st::int64 i = 0; i < a.numel(); ++i) CHECK(a.data()[i] == b.data()[i]);
}

TEST_CASE("names count the modules, nested ones with dots") {
  nn::sequential m{nn::linear<2, 2>{}, nn::sequential{nn::relu{}, nn::linear<2, 1>{}}};
  std::string names;
  for (const auto& [name, p] : m.named_parameters()) names += name + ' ';
  CHECK(names == "0.weight 0.bias 1.1.weight 1.1.bias ");
}

TEST_CASE("modules of one's own pass through sequential and fuse") {
  nn::sequential m{twice{}, nn::linear<3, 2>{}, twice{}};
  auto e = m(st::ones({1, 3}));
  CHECK(kernels(e) <= 2);
  CHECK(m.parameters().size() == 2);
}

TEST_CASE("a module that is passed in shares its parameters") {
  nn::linear<3, 2> fc;
  nn::sequential m{fc, nn::relu{}};
  CHECK(m.get<0>().weight.data() == fc.weight.data());
}

TEST_CASE("an empty sequential is the identity") {
  nn::sequential<> m;
  auto x = st::ones({2});
  CHECK(m(x).data() == x.data());
}

TEST_CASE("activations are their functions") {
  const auto x = st::randn<double>({3, 4});
  nn::softmax soft{0};
  st::tensor a = nn::gelu{}(x), b = st::gelu(x), c = soft(x), d = st::softmax(x, 0), e = nn::silu{}(x), f = st::silu(x);
  for (st::int64 i = 0; i < 12; ++i) {
    CHECK(a.data()[i] == b.data()[i]);
    CHECK(c.data()[i] == d.data()[i]);
    CHECK(e.data()[i] == f.data()[i]);
  }
}

TEST_CASE("layer_norm starts as PyTorch's") {
  // torch 2.15: torch.nn.functional.layer_norm(x, (3,)) in double
  const double expected[] = {0.0, -1.2247407889290967, 1.2247407889290967, 1.2674929643309851, -0.09053521173792756, -1.176957752593058,
                             -1.3969973412092502, 0.8889983080422503, 0.5079990331670002, -0.33967997475039097, -1.019039924251173, 1.3587198990015639};
  const auto x = st::array<double>({{0.5, -1.0, 2.0}, {1.5, 0.25, -0.75}, {-2.0, 1.0, 0.5}, {0.0, -0.5, 1.25}});
  nn::layer_norm<3, double> norm;
  st::variable y = norm(x);
  for (int i = 0; i < 12; ++i) CHECK(y.data()[i] == Approx(expected[i]).margin(1e-12));
  CHECK(norm.named_parameters()[1].name == "bias");
}
