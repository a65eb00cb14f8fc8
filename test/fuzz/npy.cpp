// SPDX-License-Identifier: BSD-3-Clause
// load_npy with any bytes.
#include "fuzz.hpp"

#include <sinter/io/npy.hpp>
#include <sinter/tensor/creation.hpp>

void one(const char* path, std::string_view bytes) {
  memory_meter memory;
  try {
    touch(st::load_npy(path));
  } catch (const st::io_error&) {
  }
  memory.check(bytes.size(), 128);  // the header's text, a few times over, and a regular expression's states
}

void seeds() {
  seed_of([](const std::string& path) { st::save_npy(path, st::array<float>({{1, 2, 3}, {4, 5, 6}})); });
  seed_of([](const std::string& path) { st::save_npy(path, st::array<bool>({true})); });
  seed_of([](const std::string& path) { st::save_npy(path, st::full<double>(st::shape<>, 1)); });
  seed_of([](const std::string& path) { st::save_npy(path, st::full<st::uint8>({1, 2, 1, 2, 1, 2, 1, 2}, 3)); });
}
