// SPDX-License-Identifier: BSD-3-Clause
// load_npz with any bytes, compressed members included where zlib is present.
#include "fuzz.hpp"

#include <sinter/io/npz.hpp>
#include <sinter/tensor/creation.hpp>

namespace {
// Compressed members may become 1032 times as long, see zip.hpp; all others are held to a small bound.
bool has_compressed(std::string_view bytes) {
  for (std::size_t at = 0; (at = bytes.find("PK\1\2", at)) != std::string_view::npos; ++at)
    if (at + 12 <= bytes.size() && bytes[at + 10] == 8) return true;
  return false;
}
}  // namespace

void one(const char* path, std::string_view bytes) {
  memory_meter memory;
  try {
    touch(st::load_npz(path));
  } catch (const st::io_error&) {
  }
  memory.check(bytes.size(), SINTER_HAS_ZLIB && has_compressed(bytes) ? 1300 : 128);
}

namespace {
st::uint64 number(const std::uint8_t* p, int bytes) {
  st::uint64 v = 0;
  std::memcpy(&v, p, static_cast<std::size_t>(bytes));
  return v;
}
}  // namespace

// What is stored has one size, each member's own header says what the directory says, and checksums are right.
void repair(std::uint8_t* data, std::size_t size) {
  for (std::size_t i = 0; i + 46 <= size; ++i) {
    if (std::memcmp(data + i, "PK\1\2", 4) != 0) continue;
    const st::uint64 packed = number(data + i + 20, 4), at = number(data + i + 42, 4);
    const bool stored = number(data + i + 10, 2) == 0;
    if (stored) std::memcpy(data + i + 24, data + i + 20, 4);
    if (at + 30 > size) continue;
    std::memmove(data + at + 8, data + i + 10, 2);
    std::memmove(data + at + 14, data + i + 16, 12);
    const st::uint64 start = at + 30 + number(data + at + 26, 2) + number(data + at + 28, 2);
    if (!stored || start > size || packed > size - start) continue;
    const st::uint32 crc = st::detail::crc32(0, data + start, packed);
    std::memcpy(data + i + 16, &crc, 4);
    std::memcpy(data + at + 14, &crc, 4);
  }
}

void seeds() {
  using list = std::vector<st::named<st::any_tensor>>;
  seed_of([](const std::string& path) { st::save_npz(path, {{"a", st::array<float>({{1, 2, 3}, {4, 5, 6}})}, {"b/c", st::array<bool>({true})}}); });
  seed_of([](const std::string& path) { st::save_npz(path, list{{"x", st::full<double>(st::shape<>, 1)}}); });
  seed_of([](const std::string& path) { st::save_npz(path, list{}); });
  // numpy.savez_compressed(file, w=numpy.float32([1]))
  seed(std::string_view(
      "\120\113\003\004\055\000\000\000\010\000\000\000\041\000\121\066\127\163\377\377\377\377\377\377\377\377\005\000\024\000\167\056\156"
      "\160\171\001\000\020\000\204\000\000\000\000\000\000\000\110\000\000\000\000\000\000\000\233\354\027\352\033\020\311\310\120\306\120"
      "\255\236\222\132\234\134\244\156\245\240\156\223\146\242\256\243\240\236\226\137\124\122\224\230\027\237\137\224\222\012\022\167\113"
      "\314\051\116\005\212\027\147\044\026\244\002\371\032\206\072\232\072\012\265\012\024\000\056\006\206\006\173\000\120\113\001\002\055"
      "\003\055\000\000\000\010\000\000\000\041\000\121\066\127\163\110\000\000\000\204\000\000\000\005\000\000\000\000\000\000\000\000\000"
      "\000\000\200\001\000\000\000\000\167\056\156\160\171\120\113\005\006\000\000\000\000\001\000\001\000\063\000\000\000\177\000\000\000"
      "\000\000", 200));
}
