// SPDX-License-Identifier: BSD-3-Clause
#include "../catch.hpp"

#include <map>

#include <sinter/io/safetensors.hpp>
#include <sinter/sinter.hpp>

#include "../io/folder.hpp"

namespace st = sinter;
namespace nn = sinter::nn;

namespace {

nn::sequential<nn::linear<3, 4>, nn::relu, nn::linear<4, 2>> make() { return {}; }

template <class F> std::string message(F f) {
  try {
    f();
  } catch (const st::error& e) {
    return e.what();
  }
  return "nothing was thrown";
}

}  // namespace

TEST_CASE("a state_dict holds the module's elements under PyTorch's names") {
  auto m = make();
  const auto d = m.state_dict();
  std::string names;
  for (const auto& [name, value] : d) names += name + ' ';
  CHECK(names == "0.weight 0.bias 2.weight 2.bias ");  // torch.nn.Sequential(Linear(3, 4), ReLU(), Linear(4, 2)).state_dict()
  CHECK(d.at("0.weight").size(0) == 4);
  CHECK(d.at("0.weight").data() == m.get<0>().weight.data());
  CHECK_THROWS_AS(d.at("1.weight"), st::error);
}

TEST_CASE("load_state_dict writes through the handles of the parameters") {
  auto a = make(), b = make();
  const auto handle = b.get<0>().weight;
  b.load_state_dict(a.state_dict());
  CHECK(handle.value()(2, 1) == a.get<0>().weight.value()(2, 1));
  CHECK(handle.data() != a.get<0>().weight.data());
}

TEST_CASE("what was saved to a file comes back bit by bit") {
  const folder dir;
  auto a = make(), b = make();
  st::save_safetensors(dir / "m.safetensors", a.state_dict());
  b.load_state_dict(st::load_safetensors(dir / "m.safetensors"));
  for (std::size_t i = 0; i < 4; ++i) {
    const auto x = a.parameters()[i].value(), y = b.parameters()[i].value();
    CHECK(std::memcmp(x.data(), y.data(), static_cast<std::size_t>(x.numel()) * sizeof(float)) == 0);
  }
}

TEST_CASE("any map of names will do, and other dtypes are converted") {
  nn::linear<2, 1> m;
  m.load_state_dict(std::map<std::string, st::any_tensor>{{"weight", st::array<double>({{0.5, 2}})}, {"bias", st::array<st::int64>({3})}});
  CHECK(m.weight.value()(0, 1) == 2);
  CHECK(m.bias.value()(0) == 3);
}

TEST_CASE("load_state_dict names all that is missing and unexpected, and writes nothing") {
  nn::linear<2, 1> m;
  nn::constant_(m.bias, 5);
  nn::state_dict d;
  d.set("bias", st::array<float>({1}));
  d.set("gain", st::array<float>({1}));
  const std::string text = message([&] { m.load_state_dict(d); });
  CHECK_THAT(text, contains("missing: \"weight\""));
  CHECK_THAT(text, contains("unexpected: \"gain\""));
  CHECK(m.bias.value()(0) == 5);
}

TEST_CASE("with strict = false what fits is loaded") {
  nn::linear<2, 1> m;
  nn::state_dict d;
  d.set("bias", st::array<float>({1}));
  d.set("gain", st::array<float>({1}));
  m.load_state_dict(d, false);
  CHECK(m.bias.value()(0) == 1);
}

TEST_CASE("load_state_dict refuses another shape, strict or not") {
  nn::linear<2, 1> m;
  auto d = m.state_dict();
  d.set("weight", st::zeros({2, 1}));
  CHECK_THAT(message([&] { m.load_state_dict(d, false); }), contains("size mismatch for weight: [2, 1] is given, the module has [1, 2]"));
  CHECK_THROWS_AS(m.load_state_dict(d), st::shape_error);
}

TEST_CASE("tied parameters are saved under each name") {
  struct pair : nn::module<pair> {
    nn::linear<2, 2> a, b = a;
    auto members() { return nn::members("a", a, "b", b); }
  } m;
  CHECK(m.state_dict().size() == 4);
  CHECK(m.parameters().size() == 2);
}
