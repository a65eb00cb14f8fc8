// SPDX-License-Identifier: BSD-3-Clause
// Zip archives, as beyond as npz files need them: members are found in the mapped file and CRC-checked, and written
// uncompressed, each aligned to 64 bytes. Deflated members are read where SINTER_ZLIB is defined (then link with -lz).
// Not here: encryption, archives in parts, extraction to a folder. Next: npz.hpp.
// https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT
#pragma once
#include <algorithm>
#include <vector>

#ifdef SINTER_ZLIB
#if !__has_include(<zlib.h>)
#error "sinter: SINTER_ZLIB needs zlib's header (Debian: zlib1g-dev), and -lz when linking"
#endif
#include <zlib.h>
#define SINTER_HAS_ZLIB true
#else
#define SINTER_HAS_ZLIB false
#endif

#include "file.hpp"
#include "json.hpp"

namespace sinter::inline v0::detail::inline SINTER_TARGET {

// Byte b of a message and k zero bytes after it: what they add to the remainder. Eight bytes go in one step.
struct crc32_table {
  uint32 of[8][256];
  constexpr crc32_table() : of() {
    for (uint32 b = 0; b < 256; ++b) {
      uint32 r = b;
      for (int bit = 0; bit < 8; ++bit) r = r >> 1 ^ (r & 1 ? 0xEDB88320u : 0u);
      of[0][b] = r;
    }
    for (int k = 1; k < 8; ++k)
      for (int b = 0; b < 256; ++b) of[k][b] = of[k - 1][b] >> 8 ^ of[0][of[k - 1][b] & 255];
  }
};
inline constexpr crc32_table crc32_of_byte{};

/// The CRC-32 of zip, gzip and PNG (polynomial 0xEDB88320, ISO 3309). `crc` is that of the bytes before, 0 at the start.
template <class Arch = native> uint32 crc32(uint32 crc, const void* data, std::size_t bytes) {
  const auto& of = crc32_of_byte.of;
  const auto* p = static_cast<const unsigned char*>(data);
  crc = ~crc;
  for (; bytes >= 8; bytes -= 8, p += 8) {
    uint32 low, high;
    std::memcpy(&low, p, 4);
    std::memcpy(&high, p + 4, 4);
    low ^= crc;
    crc = of[7][low & 255] ^ of[6][low >> 8 & 255] ^ of[5][low >> 16 & 255] ^ of[4][low >> 24] ^ of[3][high & 255] ^
          of[2][high >> 8 & 255] ^ of[1][high >> 16 & 255] ^ of[0][high >> 24];
  }
  for (; bytes > 0; --bytes, ++p) crc = of[0][(crc ^ *p) & 255] ^ crc >> 8;
  return ~crc;
}

/// Bytes of a member: in the mapped file, or in memory of its own where they were compressed.
struct zip_member {
  std::string name;
  storage_ptr block;
  int64 offset = 0, bytes = 0;
};

// What the central directory says of a member.
struct zip_entry {
  std::string name;
  uint32 flags = 0, method = 0, crc = 0;
  uint64 packed = 0, bytes = 0, offset = 0;  // offset: of its local header
};

#ifdef SINTER_ZLIB
// Does the deflated text hold exactly `wanted` bytes?
template <class Arch> bool inflate_all(const char* from, uint64 packed, char* to, uint64 wanted) {
  constexpr uint64 piece = uint64{1} << 30;  // zlib counts in 32 bits
  ::z_stream z{};
  if (::inflateInit2(&z, -15) != Z_OK) return false;
  int state = Z_OK;
  unsigned char beyond;  // where a text that is too long would go
  while (state == Z_OK) {
    const uint64 in = packed < piece ? packed : piece, out = wanted < piece ? wanted : piece;
    z.next_in = reinterpret_cast<unsigned char*>(const_cast<char*>(from));
    z.avail_in = static_cast<unsigned>(in);
    z.next_out = out ? reinterpret_cast<unsigned char*>(to) : &beyond;
    z.avail_out = out ? static_cast<unsigned>(out) : 1;
    state = ::inflate(&z, Z_NO_FLUSH);
    from += in - z.avail_in, packed -= in - z.avail_in;
    if (out == 0 && z.avail_out == 0) state = Z_DATA_ERROR;
    if (out > 0) to += out - z.avail_out, wanted -= out - z.avail_out;
  }
  ::inflateEnd(&z);
  return state == Z_STREAM_END && packed == 0 && wanted == 0;
}
#endif

template <class Arch, bool Zlib> struct zip_reader {
  const storage_ptr& file;
  const std::string& path;

  std::string who(const zip_entry& e) const { return path + ": member '" + e.name + "'"; }
  const char* at(uint64 offset) const { return static_cast<const char*>(file->data) + offset; }
  uint64 number(uint64 offset, int bytes) const {
    uint64 v = 0;
    std::memcpy(&v, at(offset), static_cast<std::size_t>(bytes));
    return v;
  }

  std::vector<zip_member> members() const {
    uint64 begin = 0, end = 0, count = 0;
    find_directory(begin, end, count);
    const std::vector<zip_entry> entries = directory(begin, end, count);
    std::vector<zip_member> list;
    std::vector<std::pair<uint64, uint64>> ranges;
    for (const zip_entry& e : entries) {
      const uint64 start = data_of(e, begin);
      ranges.emplace_back(e.offset, start + e.packed);
      list.push_back(member(e, start));
    }
    std::sort(ranges.begin(), ranges.end());
    for (std::size_t i = 1; i < ranges.size(); ++i)
      if (ranges[i].first < ranges[i - 1].second)
        fail<io_error, Arch>(path, ": two members share the bytes from ", ranges[i].first, " on");
    return list;
  }

 private:
  // Bytes begin..end of the file hold the directory.
  void find_directory(uint64& begin, uint64& end, uint64& count) const {
    const auto size = static_cast<uint64>(file->bytes);
    constexpr uint64 record = 22, longest = 0xFFFF;
    if (size < record || std::memcmp(at(0), "PK", 2) != 0) fail<io_error, Arch>(path, ": not a zip file");
    uint64 last = size - record;  // the record ends in a comment of any length
    const uint64 first = last > longest ? last - longest : 0;
    while (number(last, 4) != 0x06054b50 || number(last + 20, 2) != size - record - last) {
      if (last == first) fail<io_error, Arch>(path, ": the zip directory is missing; the file is cut off");
      --last;
    }
    end = last;
    uint64 disks = number(last + 4, 2) | number(last + 6, 2), here = number(last + 8, 2);
    count = number(last + 10, 2);
    uint64 bytes = number(last + 12, 4);
    begin = number(last + 16, 4);
    if (last >= 20 && number(last - 20, 4) == 0x07064b50 && (count == 0xFFFF || bytes == 0xFFFFFFFF || begin == 0xFFFFFFFF)) {
      const uint64 zip64 = number(last - 12, 8);
      if (last < 76 || zip64 > last - 76 || number(zip64, 4) != 0x06064b50)
        fail<io_error, Arch>(path, ": the zip64 directory record is not where the file says");
      end = zip64;
      disks = number(zip64 + 16, 4) | number(zip64 + 20, 4);
      here = number(zip64 + 24, 8);
      count = number(zip64 + 32, 8);
      bytes = number(zip64 + 40, 8);
      begin = number(zip64 + 48, 8);
    }
    if (disks != 0 || here != count) fail<io_error, Arch>(path, ": a zip archive in several parts is not supported");
    if (begin > end || end - begin != bytes)
      fail<io_error, Arch>(path, ": the zip directory is not where the file says; the file is damaged or something was put in front");
  }

  std::vector<zip_entry> directory(uint64 next, uint64 end, uint64 count) const {
    std::vector<zip_entry> entries;
    detail::name_set<std::string> names;
    while (next < end) {
      if (end - next < 46 || number(next, 4) != 0x02014b50)
        fail<io_error, Arch>(path, ": the zip directory is damaged at byte ", next);
      const uint64 name = number(next + 28, 2), extra = number(next + 30, 2), comment = number(next + 32, 2);
      if (end - next - 46 < name + extra + comment)
        fail<io_error, Arch>(path, ": the zip directory is damaged at byte ", next);
      zip_entry e;
      e.name.assign(at(next + 46), name);
      e.flags = static_cast<uint32>(number(next + 8, 2));
      e.method = static_cast<uint32>(number(next + 10, 2));
      e.crc = static_cast<uint32>(number(next + 16, 4));
      e.packed = number(next + 20, 4);
      e.bytes = number(next + 24, 4);
      e.offset = number(next + 42, 4);
      check_name(e);
      wide_numbers(e, next + 46 + name, extra);
      if (!names.insert(e.name).second) fail<io_error, Arch>(who(e), " occurs twice");
      if (e.flags & 0x2041) fail<io_error, Arch>(who(e), " is encrypted");
      if (e.method == 8 && !Zlib)
        fail<io_error, Arch>(who(e), " is compressed: compile with -DSINTER_ZLIB and link with -lz, or write the file uncompressed "
                                     "(numpy.savez instead of numpy.savez_compressed)");
      if (e.method != 0 && e.method != 8) fail<io_error, Arch>(who(e), ": compression method ", e.method, " is not supported");
      entries.push_back(static_cast<zip_entry&&>(e));
      next += 46 + name + extra + comment;
    }
    if (entries.size() != count)
      fail<io_error, Arch>(path, ": the zip directory has ", entries.size(), " members, its record says ", count);
    return entries;
  }

  void check_name(const zip_entry& e) const {
    if (!is_utf8<Arch>(e.name) || e.name.find('\0') != std::string::npos)
      fail<io_error, Arch>(path, ": a member's name is no UTF-8 text");
  }

  // Numbers over 32 bits stand in an extra field, in this order.
  void wide_numbers(zip_entry& e, uint64 next, uint64 left) const {
    bool found = false;
    while (left >= 4) {
      const uint64 id = number(next, 2), size = number(next + 2, 2);
      next += 4, left -= 4;
      if (size > left) break;
      if (id == 1 && !found) {
        found = true;
        uint64 from = next, rest = size;
        for (uint64* v : {&e.bytes, &e.packed, &e.offset})
          if (*v == 0xFFFFFFFF) {
            if (rest < 8) fail<io_error, Arch>(who(e), ": its zip64 field is too short");
            *v = number(from, 8);
            from += 8, rest -= 8;
          }
      }
      next += size, left -= size;
    }
  }

  // Where its bytes start, behind a header of their own that must say the same. All of it lies before `limit`.
  uint64 data_of(const zip_entry& e, uint64 limit) const {
    if (e.offset > limit || limit - e.offset < 30 || number(e.offset, 4) != 0x04034b50)
      fail<io_error, Arch>(who(e), ": its header is not where the zip directory says");
    const uint64 name = number(e.offset + 26, 2), extra = number(e.offset + 28, 2);
    if (limit - e.offset - 30 < name + extra) fail<io_error, Arch>(who(e), " is cut off");
    const uint64 start = e.offset + 30 + name + extra;
    bool same = std::string_view(at(e.offset + 30), name) == e.name && number(e.offset + 8, 2) == e.method;
    if (!(number(e.offset + 6, 2) & 8)) {  // else these numbers follow the data
      const uint64 packed = number(e.offset + 18, 4), bytes = number(e.offset + 22, 4);
      same = same && number(e.offset + 14, 4) == e.crc && (packed == e.packed || packed == 0xFFFFFFFF) &&
             (bytes == e.bytes || bytes == 0xFFFFFFFF);
    }
    if (!same) fail<io_error, Arch>(who(e), ": its header and the zip directory differ");
    if (e.packed > limit - start)
      fail<io_error, Arch>(who(e), " of ", e.packed, " bytes does not fit in the file; the file is cut off");
    return start;
  }

  zip_member member(const zip_entry& e, uint64 start) const {
    zip_member m{e.name, file, static_cast<int64>(start), static_cast<int64>(e.bytes)};
    if (e.method == 0 && e.packed != e.bytes)
      fail<io_error, Arch>(who(e), ": ", e.packed, " bytes are stored for ", e.bytes);
    if (e.method == 8) inflate(m, e, start);
    if (crc32<Arch>(0, static_cast<const char*>(m.block->data) + m.offset, static_cast<std::size_t>(m.bytes)) != e.crc)
      fail<io_error, Arch>(who(e), ": wrong checksum (CRC-32); the file is damaged");
    return m;
  }

  void inflate([[maybe_unused]] zip_member& m, const zip_entry& e, [[maybe_unused]] uint64 start) const {
    if (e.bytes / 1032 > e.packed)  // 258 bytes from two bits is the most: memory is bounded by the file's size
      fail<io_error, Arch>(who(e), ": ", e.bytes, " bytes cannot come from ", e.packed, " compressed ones");
#ifdef SINTER_ZLIB
    m.block = allocate_cpu<Arch>(m.bytes);
    m.offset = 0;
    if (!inflate_all<Arch>(at(start), e.packed, static_cast<char*>(m.block->data), e.bytes))
      fail<io_error, Arch>(who(e), ": its compressed bytes are damaged");
#endif
  }
};

/// The members of the zip archive at `path`, in the directory's order. Throws io_error naming file, member and problem.
template <class Arch = native, bool Zlib = SINTER_HAS_ZLIB> std::vector<zip_member> read_zip(const std::string& path) {
  const storage_ptr file = map_file<Arch>(path);
  return zip_reader<Arch, Zlib>{file, path}.members();
}

/// A zip archive in the making; it appears with commit(), whole. Members are stored as they are.
template <class Arch = native> class zip_writer {
 public:
  explicit zip_writer(const std::string& path) : file_(path) {}

  /// Adds `bytes` bytes: `content(sink)` writes them with sink.write(data, n), and is called twice, first for their checksum.
  template <class F> void add(const std::string& name, uint64 bytes, F&& content) {
    checksum sum;
    content(sum);
    const bool wide = bytes >= 0xFFFFFFFF, beyond = at_ >= 0xFFFFFFFF;  // windows.h takes `far`
    const uint64 plain = 30 + name.size() + (wide ? 20 : 0);
    uint64 padding = (64 - (at_ + plain) % 64) % 64;
    if (padding > 0 && padding < 6) padding += 64;
    std::string local, central;
    put(local, 0x04034b50, 4);
    put(central, 0x02014b50, 4);
    put(central, (3 << 8) | 45, 2);  // written on Unix, as the attributes below
    for (std::string* to : {&local, &central}) {
      put(*to, wide || beyond ? 45 : 20, 2);
      put(*to, 0x800, 2);       // the name is UTF-8
      put(*to, 0, 2);           // stored
      put(*to, 0x00210000, 4);  // 1980-01-01: the same tensors give the same file
      put(*to, sum.crc, 4);
      put(*to, wide ? 0xFFFFFFFF : bytes, 4);
      put(*to, wide ? 0xFFFFFFFF : bytes, 4);
      put(*to, name.size(), 2);
    }
    put(local, (wide ? 20 : 0) + padding, 2);
    local += name;
    if (wide) put(local, 1 | 16 << 16, 4), put(local, bytes, 8), put(local, bytes, 8);
    if (padding > 0) {  // the field that zipalign uses, of two bytes for the alignment and zeros
      put(local, 0xD935, 2), put(local, padding - 4, 2), put(local, 64, 2);
      local.append(padding - 6, '\0');
    }
    const uint64 extra = (wide ? 16u : 0u) + (beyond ? 8u : 0u);
    put(central, extra ? extra + 4 : 0, 2);
    put(central, 0, 2 + 2 + 2);               // no comment, the first disk, internal attributes
    put(central, uint64{0100644} << 16, 4);  // a file that its owner may write and all may read
    put(central, beyond ? 0xFFFFFFFF : at_, 4);
    central += name;
    if (extra) put(central, 1 | extra << 16, 4);
    if (wide) put(central, bytes, 8), put(central, bytes, 8);
    if (beyond) put(central, at_, 8);

    file_.write(local);
    content(file_);
    at_ += local.size() + bytes;
    directory_ += central;
    ++count_;
  }

  /// Writes the directory; everything reaches the disk, then the file takes its name.
  void commit() {
    const uint64 begin = at_, bytes = directory_.size();
    std::string end;
    if (count_ >= 0xFFFF || begin >= 0xFFFFFFFF || bytes >= 0xFFFFFFFF) {
      put(end, 0x06064b50, 4), put(end, 44, 8), put(end, (3 << 8) | 45, 2), put(end, 45, 2), put(end, 0, 8);
      put(end, count_, 8), put(end, count_, 8), put(end, bytes, 8), put(end, begin, 8);
      put(end, 0x07064b50, 4), put(end, 0, 4), put(end, begin + bytes, 8), put(end, 1, 4);
    }
    const auto at_most = [](uint64 v, uint64 limit) { return v < limit ? v : limit; };
    put(end, 0x06054b50, 4), put(end, 0, 4), put(end, at_most(count_, 0xFFFF), 2), put(end, at_most(count_, 0xFFFF), 2);
    put(end, at_most(bytes, 0xFFFFFFFF), 4), put(end, at_most(begin, 0xFFFFFFFF), 4), put(end, 0, 2);
    file_.write(directory_);
    file_.write(end);
    file_.commit();
  }

 private:
  struct checksum {
    uint32 crc = 0;
    void write(const void* data, std::size_t bytes) { crc = crc32<Arch>(crc, data, bytes); }
    void write(std::string_view text) { write(text.data(), text.size()); }
  };
  static void put(std::string& to, uint64 v, int bytes) {
    for (int i = 0; i < bytes; ++i) to += static_cast<char>(v >> (8 * i) & 255);
  }

  new_file<Arch> file_;
  std::string directory_;
  uint64 at_ = 0, count_ = 0;
};

}  // namespace sinter::inline v0::detail::inline SINTER_TARGET
