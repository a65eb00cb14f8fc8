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
  memory.check(bytes.size(), 16);  // a list of sizes takes four times its text
}

// The header's length, from its line's end.
void repair(std::uint8_t* data, std::size_t size) {
  std::size_t end = 10;
  while (end < size && data[end] != '\n') ++end;
  const auto length = static_cast<st::uint16>(end - 9);
  if (size > 10 && data[6] == 1) std::memcpy(data + 8, &length, 2);
}

void seeds() {
  seed_of([](const std::string& path) { st::save_npy(path, st::array<float>({{1, 2, 3}, {4, 5, 6}})); });
  seed_of([](const std::string& path) { st::save_npy(path, st::array<bool>({true})); });
  seed_of([](const std::string& path) { st::save_npy(path, st::full<double>(st::shape<>, 1)); });
  seed_of([](const std::string& path) { st::save_npy(path, st::full<st::uint8>({1, 2, 1, 2, 1, 2, 1, 2}, 3)); });
}
