// SPDX-License-Identifier: BSD-3-Clause
// Convolutions: every option against plain loops, memory layouts, dtypes, derivatives, fused epilogues, errors, threads.
#include "../cpu/threads.hpp"
#include "../derivatives.hpp"
#include "../reference.hpp"

#include <sinter/expr/plan.hpp>

namespace st = sinter;
using namespace reference;

namespace {

/// Row-major images or kernels of up to three window dims; fewer lead with extents of 1.
struct array {
  int64 size[5] = {1, 1, 1, 1, 1};
  std::vector<double> v;
  int64 numel() const { return size[0] * size[1] * size[2] * size[3] * size[4]; }
  double& at(int64 a, int64 b, const int64* i) { return v[static_cast<std::size_t>((((a * size[1] + b) * size[2] + i[0]) * size[3] + i[1]) * size[4] + i[2])]; }
};
template <class T, class E> array array_of(const st::tensor<T, E>& t) {
  array a;
  for (int d = 0; d < E::rank; ++d) a.size[d < 2 ? d : d + 5 - E::rank] = t.sizes()[d];
  each(t.sizes(), [&](const sizes<E::rank>& i) { a.v.push_back(static_cast<double>(at(t, i))); });
  return a;
}
struct numbers {
  int64 stride[3] = {1, 1, 1}, padding[3] = {}, dilation[3] = {1, 1, 1}, extra[3] = {}, groups = 1;
  template <int N> numbers(const st::conv_options<N>& o) : groups(o.groups) {
    for (int d = 0; d < N; ++d) stride[3 - N + d] = o.stride.v[d], padding[3 - N + d] = o.padding.v[d], dilation[3 - N + d] = o.dilation.v[d];
  }
  template <int N> numbers(const st::conv_transpose_options<N>& o) : numbers(st::conv_options<N>{.stride = o.stride, .dilation = o.dilation, .groups = o.groups}) {
    for (int d = 0; d < N; ++d) padding[3 - N + d] = o.padding.v[d], extra[3 - N + d] = o.output_padding.v[d];
  }
};
/// f(image, channel, x, kernel, its channel, k, channel, y) for all that meet. x: image extents, y: those of the result of a convolution.
template <class F> void meet(const array& x, const array& w, const array& y, const numbers& n, F f) {
  int64 p[3], k[3], q[3];
  for (int64 image = 0; image < x.size[0]; ++image)
    for (int64 o = 0; o < w.size[0]; ++o)
      for (int64 c = 0; c < w.size[1]; ++c)
        for (q[0] = 0; q[0] < y.size[2]; ++q[0])
          for (q[1] = 0; q[1] < y.size[3]; ++q[1])
            for (q[2] = 0; q[2] < y.size[4]; ++q[2])
              for (k[0] = 0; k[0] < w.size[2]; ++k[0])
                for (k[1] = 0; k[1] < w.size[3]; ++k[1])
                  for (k[2] = 0; k[2] < w.size[4]; ++k[2]) {
                    bool inside = true;
                    for (int d = 0; d < 3; ++d) {
                      p[d] = q[d] * n.stride[d] + k[d] * n.dilation[d] - n.padding[d];
                      inside = inside && p[d] >= 0 && p[d] < x.size[2 + d];
                    }
                    if (inside) f(image, o / (w.size[0] / n.groups) * w.size[1] + c, p, o, c, k, q);
                  }
}
array convolved(array x, array w, const numbers& n) {
  array y;
  y.size[0] = x.size[0], y.size[1] = w.size[0];
  for (int d = 0; d < 3; ++d) y.size[2 + d] = (x.size[2 + d] + 2 * n.padding[d] - n.dilation[d] * (w.size[2 + d] - 1) - 1) / n.stride[d] + 1;
  y.v.assign(static_cast<std::size_t>(y.numel()), 0);
  meet(x, w, y, n, [&](int64 i, int64 c, int64* p, int64 o, int64 wc, int64* k, int64* q) { y.at(i, o, q) += x.at(i, c, p) * w.at(o, wc, k); });
  return y;
}
array transposed(array y, array w, const numbers& n) {
  array x;
  x.size[0] = y.size[0], x.size[1] = w.size[1] * n.groups;
  for (int d = 0; d < 3; ++d) x.size[2 + d] = (y.size[2 + d] - 1) * n.stride[d] - 2 * n.padding[d] + n.dilation[d] * (w.size[2 + d] - 1) + n.extra[d] + 1;
  x.v.assign(static_cast<std::size_t>(x.numel()), 0);
  meet(x, w, y, n, [&](int64 i, int64 c, int64* p, int64 o, int64 wc, int64* k, int64* q) { x.at(i, c, p) += y.at(i, o, q) * w.at(o, wc, k); });
  return x;
}
/// Empty if t is `want`, within `tolerance` relative to 1 + |value|.
template <class T, class E> std::string differs(const st::tensor<T, E>& t, const array& want, double tolerance = 1e-12) {
  const array got = array_of(t);
  for (int d = 0; d < 5; ++d)
    if (got.size[d] != want.size[d]) return "size " + std::to_string(d) + " is " + std::to_string(got.size[d]) + ", not " + std::to_string(want.size[d]);
  for (std::size_t i = 0; i < want.v.size(); ++i)
    if (!(std::abs(got.v[i] - want.v[i]) <= tolerance * (1 + std::abs(want.v[i])))) return "element " + std::to_string(i) + " is " + std::to_string(got.v[i]) + ", not " + std::to_string(want.v[i]);
  return "";
}
template <class T> using image = st::tensor<T, st::rank<4>>;
template <class T> image<T> conv(const image<T>& x, const image<T>& w, const st::conv_options<2>& o) { return image<T>(st::conv2d(x, w, o)); }

const std::vector<st::conv_options<2>> grid = {
    {}, {.padding = 1}, {.stride = 2}, {.stride = {2, 3}, .padding = {2, 1}}, {.padding = {0, 3}, .dilation = 2},
    {.stride = 3, .padding = 2, .dilation = {1, 2}}, {.stride = 4, .padding = {3, 0}, .dilation = {3, 1}}, {.stride = {7, 1}}};

}  // namespace

TEST_CASE("stride, padding, dilation and groups: sums over what a window meets") {
  for (const auto& each_o : grid)
    for (auto [groups, in, out] : {std::array<int64, 3>{1, 3, 5}, {2, 4, 6}, {3, 3, 3}, {2, 2, 12}, {1, 1, 3}, {1, 17, 1}})
      for (auto [kh, kw] : {std::array<int64, 2>{1, 1}, {3, 3}, {2, 4}}) {
        auto o = each_o;
        o.groups = groups;
        auto x = samples<double>(sizes<4>{2, in, 9, 11}), w = samples<double>(sizes<4>{out, in / groups, kh, kw}, row_major, 1);
        CAPTURE(groups, in, out, kh, kw, o.stride.v[0], o.padding.v[0], o.dilation.v[0]);
        if ((o.dilation.v[1] * (kw - 1)) < 11 + 2 * o.padding.v[1]) CHECK(differs(conv(x, w, o), convolved(array_of(x), array_of(w), o)) == "");
      }
}
TEST_CASE("images of one element, kernels as large as the image, empty batches, no channels") {
  auto run = [](sizes<4> x, sizes<4> w, const st::conv_options<2>& o = {}) {
    auto a = samples<double>(x), b = samples<double>(w, row_major, 1);
    CHECK(differs(conv(a, b, o), convolved(array_of(a), array_of(b), o)) == "");
  };
  run({1, 1, 1, 1}, {1, 1, 1, 1});
  run({2, 3, 5, 7}, {4, 3, 5, 7});
  run({2, 3, 5, 7}, {4, 3, 9, 7}, {.padding = {2, 0}});
  run({0, 3, 5, 7}, {4, 3, 3, 3});
  run({2, 0, 5, 7}, {4, 0, 3, 3});
  run({2, 40, 30, 29}, {37, 40, 3, 3}, {.padding = 1});  // many blocks
  run({1, 64, 6, 6}, {70, 64, 1, 1});
  run({3, 20, 4, 4}, {5, 20, 1, 1}, {.stride = 2});
}
TEST_CASE("operands of any layout") {
  for (int l = 0; l < layouts; ++l)
    for (const auto& o : {st::conv_options<2>{.stride = {1, 2}, .padding = 1}, {.groups = 4}}) {
      auto x = samples<double>(sizes<4>{2, 4, 8, 7}, layout(l)), w = samples<double>(sizes<4>{8, 4 / o.groups, 3, 2}, layout((l + 2) % layouts), 1);
      CAPTURE(l);
      CHECK(differs(conv(x, w, o), convolved(array_of(x), array_of(w), o)) == "");
      auto same = samples<double>(sizes<4>{2, 4, 8, 7}, layout(l));  // the result has the order of an operand of its shape
      auto k = samples<double>(sizes<4>{4, 4 / o.groups, 3, 3}, row_major, 1);
      st::tensor y = st::conv2d(x, k, {.padding = 1, .groups = o.groups}) + same;
      auto want = convolved(array_of(x), array_of(k), st::conv_options<2>{.padding = 1, .groups = o.groups});
      const auto more = array_of(same);
      for (std::size_t i = 0; i < want.v.size(); ++i) want.v[i] += more.v[i];
      CHECK(differs(y, want) == "");
    }
}
TEST_CASE("one and three dims, and inputs without a batch dim") {
  auto x1 = samples<double>(sizes<3>{2, 4, 20}), w1 = samples<double>(sizes<3>{6, 2, 5}, row_major, 1);
  const st::conv_options<1> o1{.stride = 2, .padding = 3, .dilation = 2, .groups = 2};
  st::tensor y1 = st::conv1d(x1, w1, o1);
  CHECK(differs(y1, convolved(array_of(x1), array_of(w1), o1)) == "");
  auto x3 = samples<double>(sizes<5>{2, 3, 5, 6, 7}), w3 = samples<double>(sizes<5>{4, 3, 2, 3, 3}, row_major, 1);
  const st::conv_options<3> o3{.stride = {1, 2, 2}, .padding = {1, 0, 2}};
  st::tensor y3 = st::conv3d(x3, w3, o3);
  CHECK(differs(y3, convolved(array_of(x3), array_of(w3), o3)) == "");
  auto one = samples<double>(sizes<2>{4, 20});
  st::tensor y = st::conv1d(one, w1, samples<double>(sizes<1>{6}), o1);
  CHECK(y.sizes() == sizes<2>{6, 9});
  st::tensor z = st::conv1d(st::unsqueeze(one, 0), w1, samples<double>(sizes<1>{6}), o1);
  CHECK_ELEMENTS(y, sizes<2>{6, 9}, [&](auto i) { return at(z, sizes<3>{0, i[0], i[1]}); });
}
TEST_CASE("padding by name") {
  auto x = samples<double>(sizes<4>{1, 2, 7, 6}), w = samples<double>(sizes<4>{3, 2, 3, 4}, row_major, 1);
  CHECK(conv(x, w, {.padding = "valid"}).sizes() == sizes<4>{1, 3, 5, 3});
  const auto y = conv(x, w, {.padding = "same", .dilation = {2, 1}}), wide = conv(x, w, {.padding = 4, .dilation = {2, 1}});
  CHECK_ELEMENTS(y, sizes<4>{1, 3, 7, 6}, [&](auto i) { return at(wide, sizes<4>{0, i[1], i[2] + 2, i[3] + 3}); });
}
TEST_CASE("transposed convolutions") {
  for (auto [groups, in, out] : {std::array<int64, 3>{1, 3, 5}, {2, 4, 6}, {3, 3, 3}})
    for (st::conv_transpose_options<2> o : {st::conv_transpose_options<2>{}, {.stride = 2, .padding = 1, .output_padding = 1}, {.stride = {3, 1}, .padding = {0, 2}, .output_padding = {2, 0}},
                                            {.stride = 4, .dilation = {1, 3}}, {.stride = {1, 2}, .output_padding = {1, 2}, .dilation = {2, 3}}}) {
      o.groups = groups;
      auto x = samples<double>(sizes<4>{2, in, 5, 6}), w = samples<double>(sizes<4>{in, out / groups, 3, 3}, row_major, 1);
      st::tensor y = st::conv_transpose2d(x, w, o);
      CAPTURE(groups, o.stride.v[0], o.dilation.v[0]);
      CHECK(differs(y, transposed(array_of(x), array_of(w), o)) == "");
    }
  auto x = samples<double>(sizes<3>{2, 3, 6}), w = samples<double>(sizes<3>{3, 2, 4}, row_major, 1);
  st::tensor y = st::conv_transpose1d(x, w, {.stride = 3, .padding = 1, .output_padding = 2});
  CHECK(differs(y, transposed(array_of(x), array_of(w), st::conv_transpose_options<1>{.stride = 3, .padding = 1, .output_padding = 2})) == "");
}
TEST_CASE("other dtypes: sums in their own, half in float, integers exact") {
  auto run = []<class T>(T, double tolerance) {
    for (const auto& o : {st::conv_options<2>{.stride = 2, .padding = 1}, {.padding = 1, .groups = 4}}) {
      auto x = samples<T>(sizes<4>{2, 4, 9, 8}), w = samples<T>(sizes<4>{4, 4 / o.groups, 3, 3}, row_major, 1);
      CHECK(differs(conv(x, w, o), convolved(array_of(x), array_of(w), o), tolerance) == "");
    }
  };
  run(1.0f, 1e-5);
  run(st::half(1.0f), 4e-3);
  run(int64{1}, 0);
}
TEST_CASE("bias and activation are the epilogue: one kernel") {
  auto x = samples<double>(sizes<4>{2, 3, 9, 8}), w = samples<double>(sizes<4>{40, 3, 3, 3}, row_major, 1);
  auto b = samples<double>(sizes<1>{40}, row_major, 2);
  const auto relu_conv = [](const auto& u, const auto& v, const auto& s, const st::conv_options<2>& o) { return st::relu(st::conv2d(u, v, s, o)); };
  const auto plan = st::plan(relu_conv(x, w, b, {.stride = 2, .padding = 1}));
  CHECK(plan.launches() == 1);
  CHECK(plan.count(st::kernel_kind::contract) == 1);
  CHECK(to_string(plan).find("conv2d, add, relu") != std::string::npos);
  CHECK(plan.flops() == 2 * 2 * 40 * 5 * 4 * 27 + 2 * 2 * 40 * 5 * 4);
  for (const auto& o : {st::conv_options<2>{.stride = 2, .padding = 1}, {.padding = 2}}) {
    st::tensor y = relu_conv(x, w, b, o);
    auto want = convolved(array_of(x), array_of(w), o);
    for (std::size_t i = 0; i < want.v.size(); ++i)
      want.v[i] = std::max(0.0, want.v[i] + at(b, sizes<1>{static_cast<int64>(i) / (want.size[3] * want.size[4]) % 40}));
    CHECK(differs(y, want) == "");
  }
}
TEST_CASE("whatever the stride, layers are one program") {
  using A = decltype(st::conv2d(image<float>(), image<float>(), {.stride = 2}));
  static_assert(std::is_same_v<A, decltype(st::conv2d(image<float>(), image<float>(), {.padding = "same", .groups = 3}))>);
}
TEST_CASE("first and second derivatives of convolutions") {
  const auto check2 = [](const st::conv_options<2>& o, sizes<4> x, sizes<4> w) {
    check_derivatives([o](const auto& u, const auto& v, const auto& b) { return st::tanh(st::conv2d(u, v, b, o)); },
                      std::tuple(st::variable(samples<double>(x)), st::variable(samples<double>(w, column_major, 1) * 0.3), st::variable(samples<double>(sizes<1>{w[0]}, row_major, 2))));
  };
  check2({.padding = 1}, {2, 2, 3, 4}, {3, 2, 3, 2});
  check2({.stride = {2, 1}, .padding = {2, 0}, .dilation = {1, 2}, .groups = 2}, {1, 4, 4, 5}, {2, 2, 2, 2});
  check2({.stride = 3, .padding = 1, .groups = 3}, {1, 3, 5, 5}, {3, 1, 3, 2});  // some elements meet no window
  check2({.padding = "same"}, {1, 1, 3, 3}, {2, 1, 2, 3});
}
TEST_CASE("first and second derivatives of transposed convolutions, over one and three dims") {
  check_derivatives([](const auto& u, const auto& v) { return st::conv_transpose2d(u, v, {.stride = 2, .padding = 1, .output_padding = {1, 2}, .groups = 2, .dilation = {1, 3}}); },
                    std::tuple(st::variable(samples<double>(sizes<4>{1, 2, 3, 2})), st::variable(samples<double>(sizes<4>{2, 2, 2, 3}, row_major, 1))));
  check_derivatives([](const auto& u, const auto& v) { return st::conv1d(u, v, {.stride = 2}); },
                    std::tuple(st::variable(samples<double>(sizes<2>{2, 6})), st::variable(samples<double>(sizes<3>{2, 2, 3}, row_major, 1))));
}
TEST_CASE("gradients on many blocks are the other two faces") {
  auto x = samples<double>(sizes<4>{3, 20, 14, 15}), w = samples<double>(sizes<4>{24, 10, 3, 3}, row_major, 1);
  for (const auto& o : {st::conv_options<2>{.padding = 1, .groups = 2}, {.stride = {2, 3}, .padding = 2, .dilation = {2, 1}, .groups = 2}}) {
    st::variable vx = x, vw = w;
    st::variable y = st::conv2d(vx, vw, o);
    auto g = samples<double>(y.sizes(), row_major, 2);
    st::variable loss = st::sum(y * g);
    loss.backward();
    auto gx = array_of(x), gw = array_of(w), gy = array_of(g), ax = gx, aw = gw;
    for (double& v : gx.v) v = 0;
    for (double& v : gw.v) v = 0;
    meet(ax, aw, gy, o, [&](int64 i, int64 c, int64* p, int64 k, int64 wc, int64* kp, int64* q) {
      gx.at(i, c, p) += gy.at(i, k, q) * aw.at(k, wc, kp), gw.at(k, wc, kp) += gy.at(i, k, q) * ax.at(i, c, p);
    });
    CHECK(differs(vx.grad(), gx) == "");
    CHECK(differs(vw.grad(), gw, 1e-11) == "");
  }
}
TEST_CASE("bitwise the same on any number of threads") {
  auto x = samples<double>(sizes<4>{4, 24, 20, 21}), w = samples<double>(sizes<4>{24, 24, 3, 3}, row_major, 1), d = samples<double>(sizes<4>{24, 1, 3, 3}, row_major, 2);
  const auto run = [&] {
    st::variable vx = x, vw = w, vd = d;
    st::variable y = st::conv2d(vx, vw, {.padding = 1}), z = st::conv2d(vx, vd, {.padding = 1, .groups = 24});
    st::variable loss = st::sum(y * y) + st::sum(z * z);
    loss.backward();
    return std::array{array_of(y.value()).v, array_of(z.value()).v, array_of(vx.grad()).v, array_of(vw.grad()).v, array_of(vd.grad()).v};
  };
  const auto want = [&] { const st::executor_guard guard(st::serial_executor()); return run(); }();
  for (int count : {2, 5}) {
    some_threads threads{count};
    const st::executor_guard guard(threads.get());
    CHECK((run() == want));
    CHECK(threads.loops > 0);
  }
}
TEST_CASE("what does not fit is said with its shapes") {
  auto x = samples<float>(sizes<4>{1, 3, 5, 5});
  const auto says = [&](sizes<4> w, const st::conv_options<2>& o, auto text) { CHECK_THROWS_WITH(conv(x, samples<float>(w), o), text); };
  says({8, 4, 3, 3}, {}, contains("conv2d") && contains("[8, 4, 3, 3]") && contains("4 channels, not of 3") && contains("[1, 3, 5, 5]"));
  says({8, 1, 3, 3}, {.groups = 3}, contains("3 groups"));
  says({8, 3, 6, 3}, {}, contains("larger than the padded input"));
  says({8, 3, 3, 3}, {.stride = -1}, contains("strides must be positive"));
  says({8, 3, 3, 3}, {.padding = -1}, contains("padding"));
  says({8, 3, 3, 3}, {.padding = "full"}, contains("\"same\" or \"valid\""));
  says({8, 3, 3, 3}, {.dilation = 0}, contains("dilations"));
  says({8, 3, 3, 3}, {.groups = 0}, contains("groups must be positive"));
  says({8, 3, 3, 3}, {.stride = 2, .padding = "same"}, contains("stride of 1"));
  const auto transpose = [&](const st::conv_transpose_options<2>& o) { return image<float>(st::conv_transpose2d(x, samples<float>(sizes<4>{3, 2, 1, 1}), o)); };
  CHECK_THROWS_WITH(transpose({.stride = 2, .output_padding = 2}), contains("conv_transpose2d") && contains("output_padding"));
  CHECK_THROWS_WITH(transpose({.padding = 3}), contains("nothing is left"));
  CHECK_THROWS_AS(transpose({.padding = -1}), st::shape_error);
}
