// SPDX-License-Identifier: BSD-3-Clause
// load_safetensors with any bytes.
#include "fuzz.hpp"

#include <sinter/io/safetensors.hpp>
#include <sinter/tensor/creation.hpp>

void one(const char* path, std::string_view bytes) {
  memory_meter memory;
  try {
    touch(st::load_safetensors(path));
  } catch (const st::io_error&) {
  }
  memory.check(bytes.size(), 64);  // an entry in memory is some 200 bytes, in a file at least 50
}

// The header's length, from where it ends.
void repair(std::uint8_t* data, std::size_t size) {
  std::size_t end = size;
  while (end > 8 && data[end - 1] != '}') --end;
  const st::uint64 length = end > 8 ? end - 8 : 0;
  if (size >= 8) std::memcpy(data, &length, 8);
}

void seeds() {
  seed_of([](const std::string& path) {
    st::save_safetensors(path, {{"a", st::array<float>({{1, 2}, {3, 4}})}, {"b", st::array<bool>({true, false})}, {"c", st::empty<double>({0, 3})}},
                         {{"format", "pt"}, {"\"\n", "\xc3\xa9"}});
  });
  seed_of([](const std::string& path) { st::save_safetensors(path, {{"x", st::full<st::int16>(st::shape<>, 7)}}); });
  seed_of([](const std::string& path) { st::save_safetensors(path, std::vector<st::named<st::any_tensor>>{}); });
}
