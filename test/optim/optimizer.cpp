// SPDX-License-Identifier: BSD-3-Clause
#include "../catch.hpp"

#include <map>

#include <sinter/io/safetensors.hpp>

#include "../io/folder.hpp"
#include "golden.hpp"

namespace st = sinter;

namespace {

template <class F> std::string message(F f) {
  try {
    f();
  } catch (const st::error& e) {
    return e.what();
  }
  return "nothing was thrown";
}

/// Two parameters with gradients 1 and 2.
struct pair {
  st::variable<double, st::rank<1>> a{st::ones<double>({3})}, b{st::ones<double>({2})};
  pair() {
    st::variable loss = st::sum(a) + st::sum(2 * b);
    loss.backward();
  }
  st::parameter_list<double> first() const { return st::parameter_list{a}; }
  st::parameter_list<double> second() const { return st::parameter_list{b}; }
  st::parameter_list<double> both() const { return st::parameter_list{a, b}; }
};

}  // namespace

TEST_CASE("groups make PyTorch's steps, each with its own options") {
  golden_problem p;
  const st::optim::sgd_options weights{.lr = 0.05, .momentum = 0.9, .weight_decay = 0.1};
  st::optim::sgd_options biases = weights;
  biases.lr = 0.2, biases.weight_decay = 0;
  st::optim::sgd<double> o{{{st::parameter_list{p.w}}, {st::parameter_list{p.b}, biases}}, weights};
  const double expected[5][8] = {
      {0.13090625, -0.206734375, 0.2863125, 0.30159375, 0.493203125, -0.491765625, 0.03, 0.10375},
      {0.186591098632813, -0.218938557128906, 0.262455363769531, 0.12445091796875, 0.481670971679688, -0.304507346191406, -0.00203105468750001, 0.4338048828125},
      {0.259114203274536, -0.234962356221771, 0.233097411751175, -0.105949271904755, 0.468007079599381, -0.0771874699295043, -0.035057829498291, 0.783290289855957},
      {0.339698142185269, -0.252905945648975, 0.203070149357175, -0.361575328833149, 0.454431016002618, 0.150196014704773, -0.0581720021437931, 1.04609730720829},
      {0.419687582235483, -0.270768643013846, 0.176464752642346, -0.615019952637489, 0.441998320092148, 0.34453777035461, -0.0634622038201748, 1.14405514687806},
  };
  CHECK(p.follows(o, expected));
}

TEST_CASE("the options of a group may change between steps") {
  golden_problem p;
  st::optim::sgd o{st::parameter_list{p.w}, {.lr = 0.05, .momentum = 0.9, .weight_decay = 0.1}};
  auto& biases = o.add_param_group(st::parameter_list{p.b}).options;
  biases.lr = 0.2, biases.weight_decay = 0;
  const double expected[5][8] = {
      {0.13090625, -0.206734375, 0.2863125, 0.30159375, 0.493203125, -0.491765625, 0.03, 0.10375},
      {0.186591098632813, -0.218938557128906, 0.262455363769531, 0.12445091796875, 0.481670971679688, -0.304507346191406, -0.00203105468750001, 0.4338048828125},
      {0.201095719561157, -0.222143316947479, 0.25658377336586, 0.0783708799940491, 0.478938193263626, -0.259043370939026, -0.0121382311553955, 0.542536609771729},
      {0.218347482725546, -0.225977081860677, 0.249919556735, 0.0236127478078679, 0.475926229258936, -0.208099241160103, -0.017860175007165, 0.608820428802495},
      {0.237734971002412, -0.230301407366213, 0.24272412287824, -0.0378838120822056, 0.472728468665327, -0.153754387311829, -0.0203414529490874, 0.643412277457504},
  };
  CHECK(p.follows(o, expected, 0, [&](int k) {
    if (k != 2) return;
    o.options.lr = 0.01;
    o.groups()[1].options.lr = 0.1, o.groups()[1].options.momentum = 0.5;
  }));
}

TEST_CASE("weights with decay and biases without, as adamw is used") {
  golden_problem p;
  st::optim::adamw o{st::parameter_list{p.w}, {.lr = 0.1, .weight_decay = 0.5}};
  o.add_param_group(st::parameter_list{p.b}).options.weight_decay = 0;
  const double expected[5][8] = {
      {0.19499999840796, -0.289999993535354, 0.185000004102564, 0.280000000518639, 0.375000011636362, -0.47000000047513, -0.049999990000001, -9.81595096871679e-10},
      {0.281548169963543, -0.374386201096151, 0.105519890936784, 0.166332990299253, 0.292764270879942, -0.347539076122949, -0.0554326079842049, 0.0987973483019547},
      {0.355214756637903, -0.449948114122763, 0.0730069454891663, 0.0589977957597065, 0.279343783457096, -0.233099736623132, -0.011118336271335, 0.195172976629574},
      {0.410588189415666, -0.507234785211775, 0.0674016165136232, -0.0418386998335764, 0.303273353613524, -0.127103269020662, 0.0501057244001819, 0.287536198442916},
      {0.443842348332422, -0.533989025540477, 0.0695417060694734, -0.135910665462606, 0.344427639893753, -0.0299908542546989, 0.113457268571665, 0.373864610981002},
  };
  CHECK(p.follows(o, expected));
}

TEST_CASE("an added group starts from the options of the constructor, not from those of today") {
  pair p;
  st::optim::adam o{p.first(), {.lr = 0.1, .eps = 1e-4}};
  o.options.lr = 0.5;
  const auto& added = o.add_param_group(p.second());
  CHECK(added.options.lr == 0.1);
  CHECK(added.options.eps == 1e-4);
  CHECK(added.params().size() == 1);
}

TEST_CASE("all groups are reached by a loop, and zero_grad reaches all groups") {
  pair p;
  st::optim::sgd o{p.first(), {.lr = 1}};
  o.add_param_group(p.second());
  CHECK(o.groups().size() == 2);
  for (auto& g : o.groups()) g.options.lr /= 2;
  CHECK(o.options.lr == 0.5);
  o.step();
  CHECK(p.a.value()(0) == 0.5);
  CHECK(p.b.value()(0) == 0);
  o.zero_grad();
  CHECK_FALSE(p.a.grad().defined());
  CHECK_FALSE(p.b.grad().defined());
  CHECK_THROWS_AS(o.groups()[2], st::index_error);
}

TEST_CASE("groups may come from a vector") {
  pair p;
  const std::vector<st::optim::param_group<double, st::optim::sgd_options>> list{{p.first()}, {p.second(), st::optim::sgd_options{.lr = 0.25}}};
  st::optim::sgd o{list, {.lr = 1}};
  o.step();
  CHECK(p.a.value()(0) == 0);
  CHECK(p.b.value()(0) == 0.5);
}

TEST_CASE("a parameter in two groups is refused, and nothing has moved") {
  pair p;
  const double* where = p.a.data();
  CHECK_THAT(message([&] { st::optim::sgd<double>{{{p.first()}, {p.both()}}}; }), contains("a parameter in two groups"));
  CHECK(p.a.data() == where);
  st::optim::sgd o{p.first()};
  CHECK_THAT(message([&] { o.add_param_group(p.both()); }), contains("a parameter in two groups"));
  CHECK(o.groups().size() == 1);
}

TEST_CASE("no group, an empty group and bad options of a group are refused") {
  pair p;
  CHECK_THROWS_AS((st::optim::adam<double>{std::vector<st::optim::param_group<double, st::optim::adam_options>>{}}), st::error);
  CHECK_THROWS_AS((st::optim::adam<double>{{{p.first()}, {st::parameter_list<double>{}}}}), st::error);
  CHECK_THROWS_AS((st::optim::adam<double>{{{p.first()}, {p.second(), st::optim::adam_options{.lr = -1}}}}), st::error);
  st::optim::adam o{p.first()};
  CHECK_THROWS_AS(o.add_param_group(st::parameter_list<double>{}), st::error);
}

TEST_CASE("the state of groups is numbered through, and comes back from a file") {
  const folder dir;
  pair p, q;
  st::optim::adam a{p.first(), {.lr = 0.1}}, b{q.first(), {.lr = 3}};
  a.add_param_group(p.second()).options.betas = {0.5, 0.6};
  b.add_param_group(q.second());
  a.step();
  st::save_safetensors(dir / "o.safetensors", a.state_dict());
  b.step();
  b.load_state_dict(st::load_safetensors(dir / "o.safetensors"));
  CHECK(a.state_dict().contains("1.exp_avg_sq"));
  CHECK(a.state_dict().at("1.exp_avg_sq").size(0) == 2);
  CHECK(b.options.lr == 0.1);
  CHECK(b.groups()[1].options.betas.second == 0.6);
  q.a.set_data(st::clone(p.a.value())), q.b.set_data(st::clone(p.b.value()));
  a.step(), b.step();
  CHECK(q.a.value()(2) == p.a.value()(2));
  CHECK(q.b.value()(1) == p.b.value()(1));
}

TEST_CASE("a state without options, or with some, leaves the others alone") {
  pair p, q;
  st::optim::sgd a{p.both(), {.lr = 0.5, .momentum = 0.9}}, b{q.both(), {.lr = 0.25, .momentum = 0.8}};
  a.step();
  std::map<std::string, st::any_tensor> d;
  for (const auto& [name, value] : a.state_dict())
    if (name.rfind("param_groups", 0) != 0) d.emplace(name, value);
  b.load_state_dict(d);
  CHECK(b.options.lr == 0.25);
  d.emplace("param_groups.0.lr", st::full<float>({}, 2));
  b.load_state_dict(d);
  CHECK(b.options.lr == 2);
  CHECK(b.options.momentum == 0.8);
}

TEST_CASE("a state from before the first step makes an optimizer start again") {
  pair p, q;
  st::optim::adam a{p.both(), {.lr = 0.1}}, b{q.both(), {.lr = 0.1}};
  b.step(), b.step();
  b.load_state_dict(a.state_dict());
  CHECK_FALSE(b.state_dict().contains("0.exp_avg"));
  b.step();
  CHECK(q.a.value()(0) == Approx(0.7));
}

TEST_CASE("what does not fit is refused by name, and nothing is lost") {
  pair p, q;
  st::optim::adam a{p.first(), {.lr = 0.1}}, b{q.first(), {.lr = 0.2}};
  a.add_param_group(p.second());
  b.add_param_group(q.second());
  a.step(), b.step(), b.step();
  const double before = b.state_dict().at("0.exp_avg").as<const double, 1>()(0);
  const auto refused = [&](const char* name, const st::any_tensor& value) {
    auto d = a.state_dict();
    d.set(name, value);
    const std::string text = message([&] { b.load_state_dict(d); });
    CHECK(b.options.lr == 0.2);
    CHECK(b.state_dict().at("0.step").as<const st::int64, 0>()() == 2);
    CHECK(b.state_dict().at("0.exp_avg").as<const double, 1>()(0) == before);
    return text;
  };
  CHECK_THAT(refused("1.exp_avg", st::zeros<double>({3})), contains("1.exp_avg has shape [3], the parameter [2]"));
  CHECK_THAT(refused("1.step", st::zeros<double>({3})), contains("1.step is no single number"));
  CHECK_THAT(refused("param_groups.1.params", st::zeros<double>({3})), contains("group 1 has 3 parameters there, 1 in the optimizer"));
  CHECK_THAT(refused("param_groups.1.betas", st::zeros<double>({3})), contains("shape [3] is no pair"));
  CHECK_THAT(refused("param_groups.2.params", st::zeros<double>({1})), contains("the number of parameter groups"));

  std::map<std::string, st::any_tensor> d;
  for (const auto& [name, value] : a.state_dict())
    if (name != "1.exp_avg_sq") d.emplace(name, value);
  CHECK_THAT(message([&] { b.load_state_dict(d); }), contains("there is no '1.exp_avg_sq'"));
  CHECK(b.state_dict().at("0.exp_avg").as<const double, 1>()(0) == before);
}
