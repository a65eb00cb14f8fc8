// SPDX-License-Identifier: BSD-3-Clause
#include <sinter/autograd/saved_tensors.hpp>
#include <sinter/sinter.hpp>

#include <cstdio>
#include <vector>

#include "../catch.hpp"
#include "../reference.hpp"

namespace st = sinter;
using reference::close;

namespace {
using matrix = st::tensor<double, st::rank<2>>;
/// tanh(exp(x) * x), in two statements; what it saves is x and two results.
st::variable<double, st::rank<2>> statements(const st::variable<double, st::rank<2>>& x) {
  st::variable e = st::exp(x);
  st::variable y = st::tanh(e * x);
  return y;
}
matrix plain_gradient(const matrix& values) {
  st::variable x = values;
  statements(x).backward(st::ones<double>(values.sizes()));
  return x.grad();
}
st::any_tensor as_float(const st::any_tensor& t) { return st::tensor<float, st::rank<2>>(st::to<float>(t.as<double, 2>())); }
st::any_tensor as_double(const st::any_tensor& t) { return matrix(st::to<double>(t.as<float, 2>())); }
}  // namespace

TEST_CASE("saved values go through pack and come back through unpack") {
  matrix values = st::randn<double>({3, 4});
  st::variable x = values;
  int packed = 0, unpacked = 0;
  st::variable<double, st::rank<2>> y;
  {
    st::saved_tensors_hooks guard([&](const st::any_tensor& t) { return ++packed, t; }, [&](const st::any_tensor& t) { return ++unpacked, t; });
    y = statements(x);
    CHECK(packed > 0);
  }
  statements(x);
  const int before = packed;
  y.backward(st::ones<double>({3, 4}), true);
  CHECK(unpacked == before);
  CHECK(packed == before);
  CHECK(close(x.grad(), plain_gradient(values)));
  y.backward(st::ones<double>({3, 4}));  // a second walk unpacks again
  CHECK(unpacked == 2 * before);
  CHECK_THROWS_AS(y.backward(st::ones<double>({3, 4})), st::autograd_error);
}

TEST_CASE("packed as float, half of the bytes are held between forward and backward") {
  matrix values = st::randn<double>({64, 64});
  st::variable x = values;
  const auto held = [&](auto make) {
    const st::int64 before = st::memory_allocated();
    auto y = make();
    return st::memory_allocated() - before;
  };
  const st::int64 one = 64 * 64 * 8;
  const auto plain = held([&] { return statements(x); });
  CHECK(plain >= 2 * one);  // exp(x), and the result, which is the variable's own value
  CHECK(plain < 3 * one);
  const auto wide = held([&] {
    st::saved_tensors_hooks guard([](const st::any_tensor& t) { return st::clone(t.as<double, 2>()); }, [](const matrix& t) { return t; });
    return statements(x);
  });
  const auto narrow = held([&] {
    st::saved_tensors_hooks guard(as_float, as_double);
    return statements(x);
  });
  CHECK(static_cast<double>(narrow - one) < 0.6 * static_cast<double>(wide - one));
  st::saved_tensors_hooks guard(as_float, as_double);
  auto y = statements(x);
  y.backward(st::ones<double>({64, 64}));
  CHECK(close(x.grad(), plain_gradient(values), 1e-5));
}

TEST_CASE("to a file and back") {
  struct file {
    std::FILE* f = std::tmpfile();
    st::index_list<2> sizes;
    file() = default;
    file(file&& o) noexcept : f(o.f), sizes(o.sizes) { o.f = nullptr; }
    ~file() { if (f) std::fclose(f); }
  };
  matrix values = st::randn<double>({5, 7});
  st::variable x = values;
  st::variable<double, st::rank<2>> y;
  {
    st::saved_tensors_hooks guard(
        [](const st::any_tensor& t) {
          file to;
          const matrix m = st::contiguous(t.as<double, 2>());
          to.sizes = m.sizes();
          std::fwrite(m.data(), sizeof(double), static_cast<std::size_t>(m.numel()), to.f);
          return to;
        },
        [](file& from) {
          std::rewind(from.f);
          matrix m = st::zeros<double>(from.sizes);
          REQUIRE(std::fread(m.data(), sizeof(double), static_cast<std::size_t>(m.numel()), from.f) == static_cast<std::size_t>(m.numel()));
          return m;
        });
    y = statements(x);
  }
  y.backward(st::ones<double>({5, 7}));
  CHECK(close(x.grad(), plain_gradient(values), 0));
}

TEST_CASE("second derivatives through packed values") {
  matrix values = st::randn<double>({2, 2});
  const auto second = [&](bool pack) {
    st::variable x = values;
    const auto same = [](const st::any_tensor& t) { return t; };
    st::variable<double, st::extents<>> y;
    if (pack) {
      st::saved_tensors_hooks guard(same, same);
      y = st::sum(statements(x));
    } else {
      y = st::sum(statements(x));
    }
    auto g = st::grad(y, x, {.create_graph = true});
    st::variable z = st::sum(g * g);
    z.backward();
    return x.grad();
  };
  CHECK(close(second(true), second(false)));
}

TEST_CASE("of nested guards the innermost counts") {
  st::variable x = st::randn<double>({2, 2});
  int outer = 0, inner = 0;
  const auto back = [](const st::any_tensor& t) { return t; };
  st::saved_tensors_hooks a([&](const st::any_tensor& t) { return ++outer, t; }, back);
  {
    st::saved_tensors_hooks b([&](const st::any_tensor& t) { return ++inner, t; }, back);
    statements(x);
  }
  CHECK(outer == 0);
  CHECK(inner > 0);
  statements(x);
  CHECK(outer == inner);
}

TEST_CASE("what unpack returns must be what was packed, and an error leaves the graph usable") {
  matrix values = st::randn<double>({2, 3});
  st::variable x = values;
  bool wrong = true;
  st::variable<double, st::rank<2>> y;
  {
    st::saved_tensors_hooks guard([](const st::any_tensor& t) { return t; },
                                  [&](const st::any_tensor& t) { return wrong ? st::any_tensor(st::zeros<double>({3, 2})) : t; });
    y = statements(x);
  }
  CHECK_THROWS_WITH(y.backward(st::ones<double>({2, 3})), Catch::Contains("[3, 2]") && Catch::Contains("[2, 3]"));
  wrong = false;
  x.zero_grad();
  y.backward(st::ones<double>({2, 3}));
  CHECK(close(x.grad(), plain_gradient(values)));
}

TEST_CASE("hooks can be forbidden") {
  const auto same = [](const st::any_tensor& t) { return t; };
  {
    st::disable_saved_tensors_hooks guard("no hooks here");
    CHECK_THROWS_WITH(st::saved_tensors_hooks(same, same), "no hooks here");
  }
  st::saved_tensors_hooks on(same, same);
  CHECK_THROWS_WITH(st::disable_saved_tensors_hooks("too late"), "too late");
}
