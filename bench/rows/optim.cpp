// SPDX-License-Identifier: BSD-3-Clause
#include "ours.hpp"

namespace bench::ours {
namespace {

using values = st::tensor<float, st::rank<1>>;

solution adam(const problem& p) {
  struct state {
    std::vector<st::variable<float, st::rank<1>>> parameters;
    std::shared_ptr<st::optim::adam<float>> adam;
  } s;
  st::parameter_list<float> list;
  const int64 each = p.n[1] / p.n[0];
  for (int64 i = 0; i < p.n[0]; ++i) {
    const values w = st::from_blob(p.in[0].as() + i * each, {each});
    s.parameters.emplace_back(st::clone(w));
    list.add(s.parameters.back());
  }
  s.adam = std::make_shared<st::optim::adam<float>>(list, st::optim::adam_options{.lr = 1e-3});
  for (int64 i = 0; i < p.n[0]; ++i) {  // gradients as a user gets them: by backward()
    const values g = st::from_blob(p.in[1].as() + i * each, {each});
    st::variable loss = st::sum(s.parameters[static_cast<std::size_t>(i)] * g);
    loss.backward();
  }
  const array out = p.out[0];
  return {[=] { s.adam->step(); },
          [=] {
            int64 first = 0;
            for (const auto& v : s.parameters) publish(v.value(), out, first), first += v.numel();
          }};
}

/// A network of linear layers whose parameters are the problem's.
template <int64 n> solution train(const problem& p) {
  namespace nn = st::nn;
  using net_t = decltype(nn::sequential{nn::linear<n, n>{}, nn::tanh{}, nn::linear<n, n>{}, nn::tanh{}, nn::linear<n, n>{}});
  struct state {
    net_t net{nn::linear<n, n>{}, nn::tanh{}, nn::linear<n, n>{}, nn::tanh{}, nn::linear<n, n>{}};
    st::optim::adam<float> adam;
    float loss = 0;
    explicit state(const std::vector<array>& from) : adam((fill(net, from), nn::parameters(net)), {.lr = 1e-4}) {}
    static void fill(net_t& net, const std::vector<array>& from) {
      std::size_t k = 2;
      for (const auto& q : nn::parameters(net)) {
        auto* to = static_cast<float*>(q.value().data());
        for (int64 i = 0; i < q.numel(); ++i) to[i] = from[k].as()[i];
        ++k;
      }
    }
  };
  const auto s = std::make_shared<state>(p.in);
  const auto x = matrix(p.in[0]), t = matrix(p.in[1]);
  const array loss = p.out[0], grad = p.out[1];
  return {[=] {
            s->adam.zero_grad();
            auto error = s->net(x) - t;
            st::variable mse = st::mean(error * error);
            mse.backward();
            s->loss = mse.item();
            s->adam.step();
          },
          [=] {
            loss.as()[0] = s->loss;
            int64 k = 0;
            for (const auto& q : nn::parameters(s->net))
              for (int64 i = 0; i < q.numel(); ++i) grad.as()[k++] = static_cast<const float*>(q.grad().data())[i];
          }};
}

}  // namespace

solution optim(const problem& p) {
  if (p.kind == "adam") return adam(p);
  if (p.kind == "train") return train<64>(p);
  return {};
}

}  // namespace bench::ours
