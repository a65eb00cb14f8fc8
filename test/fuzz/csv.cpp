// SPDX-License-Identifier: BSD-3-Clause
// load_csv with any bytes, as four element types in turn: the file's last byte chooses.
#include "fuzz.hpp"

#include <sinter/io/csv.hpp>

void one(const char* path, std::string_view bytes) {
  memory_meter memory;
  const int choice = bytes.empty() ? 0 : bytes.back() & 7;
  const st::csv_options options = choice & 4 ? st::csv_options{.delimiter = ';', .skip_rows = 1, .comment = '%'} : st::csv_options{};
  try {
    switch (choice & 3) {
      case 0: touch(st::load_csv<float>(path, options)); break;
      case 1: touch(st::load_csv<st::int64>(path, options)); break;
      case 2: touch(st::load_csv<bool>(path, options)); break;
      default: touch(st::load_csv<st::int8>(path, options));
    }
  } catch (const st::io_error&) {
  }
  memory.check(bytes.size(), 128);  // two bytes of text are a cell of 16 bytes, in xtensor's growing arrays
}

void repair(std::uint8_t*, std::size_t) {}

void seeds() {
  seed("1,2,3\n4,5,6\n");
  seed("# comment\n 1.5 , -2e10\r\n\n+0.25,nan\n");
  seed("head;line\n1;0\n% no data\n0;1\n4");
  seed("9223372036854775807,-9223372036854775808\n1,2");
  seed("1,0\n0,1\n\n\n2");
}
