// SPDX-License-Identifier: BSD-3-Clause
// The first chapter: a network learns to read handwritten digits. Data, model, training, saving, all in one file.
// Next: 01_tensor.cpp, which starts from the beginning.
#include <sinter/sinter.hpp>

#include <sinter/io/csv.hpp>
#include <sinter/io/safetensors.hpp>

#include <cstring>
#include <filesystem>

#include "chart.hpp"
#include "progress.hpp"

namespace st = sinter;
namespace nn = sinter::nn;

struct options {
  st::uint64 seed = 0;
  int epochs = 40;
  std::string data = "examples/data/digits.csv", out = "build";
};

// Images of 8x8 pixels in [0, 1], and the digits that they show.
struct digits {
  st::tensor<float, st::rank<2>> images;    // [N, 64]
  st::tensor<st::int64, st::rank<1>> labels;  // [N]
};

// Rows of `table`, in the given order: 64 values of 0..16, then the digit.
digits pick(const st::tensor<float, st::rank<2>>& table, const st::tensor<st::int64, st::rank<1>>& order) {
  auto rows = st::index_select(table, 0, order);
  digits d{rows(st::full_extent, st::slice(0, 64)) / 16, st::empty<st::int64>({rows.size(0)})};
  d.labels.copy_(rows(st::full_extent, 64));
  return d;
}

// The model: three linear layers. Its type is its structure, so the compiler fuses across the layers.
auto make_model() {
  return nn::sequential{nn::dropout{0.1}, nn::linear<64, 256>{},  nn::relu{},
                        nn::dropout{0.3}, nn::linear<256, 128>{}, nn::relu{},
                        nn::dropout{0.3}, nn::linear<128, 10>{}};
}
using model_type = decltype(make_model());

auto logits(model_type& model, const digits& d) {
  model.eval();
  st::tensor y = st::detach(model(d.images));  // nothing is recorded
  model.train();
  return y;
}

double accuracy(model_type& model, const digits& d) {
  st::tensor right = st::mean(st::argmax(logits(model, d), 1) == d.labels);
  return right.item();
}

struct history {
  std::vector<double> loss, accuracy;
};

history train(model_type& model, const digits& data, const digits& test, int epochs) {
  constexpr st::int64 batch = 64;
  constexpr double rate = 3e-3;
  const st::int64 n = data.labels.numel();
  st::optim::adamw optimizer{model.parameters(), {.lr = rate}};

  history past;
  for (int epoch = 1; epoch <= epochs; ++epoch) {
    progress bar(text("epoch %2d/%d", epoch, epochs), static_cast<double>(n));
    const auto order = st::randperm(n);
    double total = 0;
    for (st::int64 i = 0; i < n; i += batch) {
      const auto rows = order(st::slice(i, i + batch));
      const auto images = st::index_select(data.images, 0, rows);
      const auto labels = st::index_select(data.labels, 0, rows);

      optimizer.zero_grad();
      st::variable loss = st::cross_entropy(model(images), labels);  // one statement, one node of the graph
      loss.backward();
      const double done = (epoch - 1 + static_cast<double>(i) / static_cast<double>(n)) / epochs;
      optimizer.options.lr = rate * (1 + std::cos(3.14159265 * done)) / 2;
      optimizer.step();

      total += loss.item() * static_cast<double>(rows.numel());
      bar.update(static_cast<double>(i), text("loss %.4f", loss.item()));
    }
    const double speed = static_cast<double>(n) / bar.seconds();
    past.loss.push_back(total / static_cast<double>(n));
    past.accuracy.push_back(accuracy(model, test));
    bar.finish(text("loss %.4f  test accuracy %.4f  %6.0f samples/s", past.loss.back(), past.accuracy.back(), speed));
  }
  return past;
}

// Saves the weights, loads them into a fresh model, and checks that it computes the same bits.
bool survives_saving(model_type& model, const digits& test, const std::string& path) {
  st::save_safetensors(path, model.state_dict());
  auto fresh = make_model();
  fresh.load_state_dict(st::load_safetensors(path));
  const auto a = logits(model, test), b = logits(fresh, test);
  const bool same = std::memcmp(a.data(), b.data(), sizeof(float) * static_cast<std::size_t>(a.numel())) == 0;
  std::printf("weights saved to %s and loaded into a fresh model: logits %s\n", path.c_str(), same ? "bit-equal" : "DIFFER");
  return same;
}

options parse(int argc, char** argv);

int main(int argc, char** argv) try {
  const options o = parse(argc, argv);
  std::filesystem::create_directories(o.out);
  const auto table = st::load_csv<float>(o.data);
  const st::int64 n = table.size(0), split = n * 4 / 5;
  std::printf("%lld images of handwritten digits: %lld to learn from, %lld to test\n", static_cast<long long>(n),
              static_cast<long long>(split), static_cast<long long>(n - split));

  st::manual_seed(o.seed);
  const auto order = st::randperm(n);
  const digits data = pick(table, order(st::slice(0, split))), test = pick(table, order(st::slice(split, n)));
  auto model = make_model();
  const history random_split = train(model, data, test, o.epochs);
  if (!survives_saving(model, test, o.out + "/digits.safetensors")) return 1;

  // In the order of the file the test images are by people whose writing the network has never seen.
  std::printf("\nthe same network, tested on writers that it has not seen:\n");
  const auto in_order = st::arange<st::int64>(n);
  const digits known = pick(table, in_order(st::slice(0, split))), strangers = pick(table, in_order(st::slice(split, n)));
  auto second = make_model();
  const history file_order = train(second, known, strangers, o.epochs);

  const std::string picture = o.out + "/quickstart.svg";
  if (chart::write(picture, {{"Training loss", "epoch", "cross-entropy", {{"random split", random_split.loss}, {"unseen writers", file_order.loss}}},
                             {"Test accuracy", "epoch", "accuracy", {{"random split", random_split.accuracy}, {"unseen writers", file_order.accuracy}}}}))
    std::printf("learning curves drawn in %s\n", picture.c_str());
  std::printf("test accuracy on unseen writers %.4f\n", accuracy(second, strangers));
  std::printf("test accuracy %.4f\n", accuracy(model, test));
} catch (const std::exception& e) {
  std::fprintf(stderr, "quickstart: %s\n", e.what());
  return 1;
}

options parse(int argc, char** argv) {
  options o;
  for (int i = 1; i < argc; ++i) {
    const std::string name = argv[i];
    const char* value = i + 1 < argc ? argv[i + 1] : nullptr;
    if (name == "--help") {
      std::puts("usage: quickstart [--seed N] [--epochs N] [--data FILE.csv] [--out FOLDER]\n"
                "Trains a network on handwritten digits; writes its weights and a picture of the learning curves to FOLDER.");
      std::exit(0);
    }
    try {
      if (!value) throw std::invalid_argument(name);
      else if (name == "--seed") o.seed = std::stoull(value);
      else if (name == "--epochs") o.epochs = std::stoi(value);
      else if (name == "--data") o.data = value;
      else if (name == "--out") o.out = value;
      else throw std::invalid_argument(name);
    } catch (const std::exception&) {
      std::fprintf(stderr, "quickstart: %s %s: not understood; see --help\n", name.c_str(), value ? value : "");
      std::exit(2);
    }
    ++i;
  }
  return o;
}
