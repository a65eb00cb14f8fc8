// SPDX-License-Identifier: BSD-3-Clause
#include "../catch.hpp"

#include <sinter/sinter.hpp>

namespace st = sinter;
namespace nn = sinter::nn;

namespace {
struct range {
  double low = 1e9, high = -1e9, mean = 0, square = 0;
  template <class X> explicit range(const X& x) {
    const double n = static_cast<double>(x.numel());
    for (st::int64 i = 0; i < x.numel(); ++i) {
      const double v = x.data()[i];
      low = std::min(low, v), high = std::max(high, v), mean += v / n, square += v * v / n;
    }
  }
};
}  // namespace

TEST_CASE("uniform_ and normal_ fill in place, for all handles, and count as a write") {
  st::variable w = st::zeros({100, 100});
  const auto handle = w.detach();
  const auto before = w.version();
  nn::uniform_(w, 2, 3);
  const range u(handle);
  CHECK(u.low >= 2);
  CHECK(u.high < 3);
  CHECK(u.mean == Approx(2.5).epsilon(0.01));
  nn::normal_(handle, 1, 0.5);
  const range n(w);
  CHECK(n.mean == Approx(1).epsilon(0.03));
  CHECK(n.square == Approx(1.25).epsilon(0.03));
  CHECK(w.version() == before + 2);
}

TEST_CASE("views are filled where they lie") {
  auto t = st::zeros({4, 3});
  nn::ones_(t(st::full_extent, 1));
  CHECK(t(2, 1) == 1);
  CHECK(t(2, 0) == 0);
}

TEST_CASE("kaiming and xavier bounds follow the fans") {
  st::variable w = st::zeros({50, 200});
  nn::kaiming_uniform_(w);
  CHECK(range(w).high == Approx(std::sqrt(6.0 / 200)).epsilon(0.01));
  nn::kaiming_uniform_(w, std::sqrt(5.0));
  CHECK(range(w).low == Approx(-1 / std::sqrt(200.0)).epsilon(0.01));
  nn::xavier_uniform_(w);
  CHECK(range(w).high == Approx(std::sqrt(6.0 / 250)).epsilon(0.01));
}
