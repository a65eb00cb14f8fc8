// SPDX-License-Identifier: BSD-3-Clause
// .npz files: a round trip, NumPy's own bytes, zip64, and malformed archives refused with their reason.
#include "../catch.hpp"

#include <sinter/io/npz.hpp>
#include <map>

#include "folder.hpp"

namespace st = sinter;

namespace {
// numpy 2.4.6: savez(file, w=array([[1,2,3],[4,5,6]], float32), **{'n/\u00fc': array([[7,8]])})
const char* savez =
    "504b03042d0000000000000021007c9cdea2ffffffffffffffff05001400772e6e70790100100098000000000000009800000000000000934e554d5059010076007b2764"
    "65736372273a20273c6634272c2027666f727472616e5f6f72646572273a2046616c73652c20277368617065273a2028322c2033292c207d202020202020202020202020"
    "202020202020202020202020202020202020202020202020202020202020202020202020202020202020202020200a0000803f0000004000004040000080400000a04000"
    "00c040504b03042d000008000000002100e5c93914ffffffffffffffff080014006e2fc3bc2e6e70790100100090000000000000009000000000000000934e554d505901"
    "0076007b276465736372273a20273c6938272c2027666f727472616e5f6f72646572273a2046616c73652c20277368617065273a2028312c2032292c207d202020202020"
    "202020202020202020202020202020202020202020202020202020202020202020202020202020202020202020202020202020200a070000000000000008000000000000"
    "00504b01022d032d0000000000000021007c9cdea29800000098000000050000000000000000000000800100000000772e6e7079504b01022d032d000008000000002100"
    "e5c9391490000000900000000800000000000000000000008001cf0000006e2fc3bc2e6e7079504b0506000000000200020069000000990100000000";
const char* savez_compressed =
    "504b03042d0000000800000021007c9cdea2ffffffffffffffff05001400772e6e707901001000980000000000000058000000000000009bec17ea1b10c9c850c650ad9e"
    "925a9c5ca46ea5a06e9366a2aea3a09e965f54529498179f5f94920a12774bcc294e058a17672416a402f91a463a0ac69a3a0ab50a64032e0686067b060606072002e206"
    "205e00c4071c00504b03042d000008080000002100e5c93914ffffffffffffffff080014006e2fc3bc2e6e70790100100090000000000000004c000000000000009bec17"
    "ea1b10c9c850c650ad9e925a9c5ca46ea5a06e9369a1aea3a09e965f54529498179f5f94920a12774bcc294e058a17672416a402f91a863a0a469a3a0ab50a64032e7606"
    "08e080d200504b01022d032d0000000800000021007c9cdea25800000098000000050000000000000000000000800100000000772e6e7079504b01022d032d0000080800"
    "00002100e5c939144c0000009000000008000000000000000000000080018f0000006e2fc3bc2e6e7079504b0506000000000200020069000000150100000000";

std::string from_hex(const char* text) {
  std::string s;
  for (; *text; text += 2) s += static_cast<char>(std::stoi(std::string(text, 2), nullptr, 16));
  return s;
}
std::string load_error(const std::string& contents) {
  folder dir;
  const std::string path = dir.file("a.npz", contents);
  return io_message([&] { st::load_npz(path); });
}
// What save_npz writes for one float 5 called "x".
std::string small() {
  folder dir;
  st::save_npz(dir / "a.npz", {{"x", st::array<float>({5})}});
  return dir.contents("a.npz");
}
constexpr std::size_t npos = std::string::npos;
const std::string local = "PK\3\4", central = "PK\1\2", record = "PK\5\6";
std::string le(st::uint64 number, int bytes) {
  std::string s;
  for (int i = 0; i < bytes; ++i) s += static_cast<char>(number >> (8 * i) & 255);
  return s;
}
// `number` as `bytes` little-endian bytes, `after` the (last) mark.
std::string patched(std::string file, const std::string& mark, std::size_t after, st::uint64 number, int bytes) {
  const std::size_t at = file.rfind(mark);
  REQUIRE(at != npos);
  return file.replace(at + after, static_cast<std::size_t>(bytes), le(number, bytes));
}
}  // namespace

TEST_CASE("npz: tensors of every dtype, rank and stride come back in order") {
  folder dir;
  const std::string path = dir / "a.npz";
  st::save_npz(path, {{"f32", st::array<float>({{1, 2}, {3, 4}})},
                      {"turned", st::array<float>({{1, 2}, {3, 4}}).T()},
                      {"bool", st::array<bool>({true, false})},
                      {"u8", st::array<st::uint8>({255})},
                      {"i8", st::array<st::int8>({-128})},
                      {"i16", st::array<st::int16>({-300})},
                      {"i32", st::array<int>({-70000})},
                      {"i64", st::array<st::int64>({1LL << 40})},
                      {"f64", st::full<double>(st::shape<>, 0.1)},
                      {"empty", st::empty<float>({0, 3})}});
  const auto file = st::load_npz(path);
  std::string names;
  for (const auto& t : file.tensors) names += t.name + " ";
  CHECK(names == "f32 turned bool u8 i8 i16 i32 i64 f64 empty ");
  CHECK(file.at("f32").as<const float, 2>()(1, 0) == 3.f);
  CHECK(file.at("turned").as<const float, 2>()(1, 0) == 2.f);
  CHECK(file.at("bool").as<const bool, 1>()(0));
  CHECK(file.at("u8").as<const st::uint8, 1>()(0) == 255);
  CHECK(file.at("i8").as<const st::int8, 1>()(0) == -128);
  CHECK(file.at("i16").as<const st::int16, 1>()(0) == -300);
  CHECK(file.at("i32").as<const int, 1>()(0) == -70000);
  CHECK(file.at("i64").as<const st::int64, 1>()(0) == 1LL << 40);
  CHECK(file.at("f64").as<const double, 0>().item() == 0.1);
  CHECK(file.at("empty").size(1) == 3);
  CHECK_THAT(io_message([&] { file.at("none"); }), contains("no tensor is called 'none'"));
}

TEST_CASE("npz: what save_npz writes is mapped, not copied, and the same every time") {
  folder dir;
  st::save_npz(dir / "a.npz", std::map<std::string, st::any_tensor>{{"a", st::arange<float>(10)}, {"longer name", st::arange<double>(3)}});
  for (const auto& [name, t] : st::load_npz(dir / "a.npz").tensors) {
    CHECK(t.read_only());
    CHECK_FALSE(t.storage_handle()->owned);
    CHECK(reinterpret_cast<std::uintptr_t>(t.data()) % 64 == 0);
  }
  CHECK(small() == small());
}

TEST_CASE("npz: no tensors are an archive, too") {
  folder dir;
  st::save_npz(dir / "a.npz", std::vector<st::named<st::any_tensor>>{});
  CHECK(dir.contents("a.npz") == record + std::string(18, '\0'));
  CHECK(st::load_npz(dir / "a.npz").tensors.empty());
}

TEST_CASE("npz: NumPy's bytes are read, aligned or not") {
  folder dir;
  const auto file = st::load_npz(dir.file("a.npz", from_hex(savez)));
  REQUIRE(file.tensors.size() == 2);
  const auto w = file.at("w").as<const float, 2>();
  CHECK((w(0, 0) == 1.f && w(0, 2) == 3.f && w(1, 0) == 4.f && w(1, 2) == 6.f));
  CHECK(file.at("n/\xc3\xbc").as<const st::int64, 2>()(0, 1) == 8);
  CHECK(reinterpret_cast<std::uintptr_t>(file.at("n/\xc3\xbc").data()) % 8 == 0);
}

#ifdef SINTER_ZLIB
TEST_CASE("npz: compressed members are read with zlib") {
  folder dir;
  const auto file = st::load_npz(dir.file("a.npz", from_hex(savez_compressed)));
  REQUIRE(file.tensors.size() == 2);
  const auto w = file.at("w").as<const float, 2>();
  CHECK((w(0, 0) == 1.f && w(0, 2) == 3.f && w(1, 0) == 4.f && w(1, 2) == 6.f));
  CHECK(file.at("n/\xc3\xbc").as<const st::int64, 2>()(0, 1) == 8);
}

TEST_CASE("npz: damaged compressed members are errors, and take no more memory than they can hold") {
  const std::string whole = from_hex(savez_compressed);
  // In the last member's entry; its local header leaves the sizes to the zip64 field that NumPy always writes there.
  auto with = [&](std::size_t after, st::uint64 number) { return load_error(patched(whole, central, after, number, 4)); };
  CHECK_THAT(with(24, 145), contains("its compressed bytes are damaged"));  // one more than there are
  CHECK_THAT(with(24, 143), contains("its compressed bytes are damaged"));  // one less
  CHECK_THAT(with(24, 0), contains("its compressed bytes are damaged"));
  CHECK_THAT(with(20, 75), contains("its compressed bytes are damaged"));
  CHECK_THAT(with(20, 0), contains("its compressed bytes are damaged"));
  CHECK_THAT(with(24, 4000000000u), contains("4000000000 bytes cannot come from 76 compressed ones"));
  CHECK_THAT(load_error(patched(patched(whole, central, 16, 1, 4), local, 14, 1, 4)), contains("wrong checksum"));
  for (std::size_t n = whole.find(central) - 76; n < whole.find(central); ++n) {
    std::string broken = whole;
    broken[n] = static_cast<char>(~broken[n]);
    INFO("byte " << n);
    CHECK_THAT(load_error(broken), contains("a.npz: member 'n/\xc3\xbc.npy': "));
  }
}
#else
TEST_CASE("npz: compressed members without zlib are an error that says what to do") {
  CHECK_THAT(load_error(from_hex(savez_compressed)),
             contains("member 'w.npy' is compressed: compile with -DSINTER_ZLIB and link with -lz"));
}
#endif

TEST_CASE("npz: zip64 numbers are read, and written where they are needed") {
  // Both sizes and the offset of the only member in zip64 fields, the directory's place in a zip64 record.
  std::string file = small();
  const std::size_t dir_at = file.rfind(central);
  std::string entry = file.substr(dir_at, file.rfind(record) - dir_at);
  const st::uint64 bytes = 128 + 4;
  for (const std::size_t at : {20u, 24u, 42u}) entry.replace(at, 4, le(0xFFFFFFFF, 4));
  entry.replace(30, 2, le(28, 2));
  entry += le(1, 2) + le(24, 2) + le(bytes, 8) + le(bytes, 8) + le(0, 8);
  const std::string zip64 = "PK\6\6" + le(44, 8) + le(45, 2) + le(45, 2) + le(0, 8) + le(1, 8) + le(1, 8) + le(entry.size(), 8) +
                            le(dir_at, 8) + "PK\6\7" + le(0, 4) + le(dir_at + entry.size(), 8) + le(1, 4);
  const std::string last = record + le(0, 4) + le(1, 2) + le(1, 2) + le(0xFFFFFFFF, 4) + le(0xFFFFFFFF, 4) + le(0, 2);
  folder dir;
  CHECK(st::load_npz(dir.file("a.npz", file.substr(0, dir_at) + entry + zip64 + last)).at("x").as<const float, 1>()(0) == 5.f);
  CHECK_THAT(load_error(file.substr(0, dir_at) + entry.substr(0, entry.size() - 8) + zip64 + last),
             contains("the zip64 directory record is not where the file says"));
  CHECK_THAT(load_error(file.substr(0, dir_at) + patched(entry, central, 46 + 5 + 2, 16, 2) + zip64 + last),
             contains("its zip64 field is too short"));
  CHECK_THAT(load_error(file.substr(0, dir_at) + entry + patched(zip64, "PK\6\7", 8, ~st::uint64{0}, 8) + last),
             contains("the zip64 directory record is not where the file says"));

  std::vector<st::named<st::any_tensor>> many;  // more members than 16 bits count
  for (int i = 0; i < 65536; ++i) many.push_back({std::to_string(i), st::any_tensor()});
  for (auto& t : many) t.value = st::empty<float>({0});
  st::save_npz(dir / "many.npz", many);
  const auto back = st::load_npz(dir / "many.npz");
  REQUIRE(back.tensors.size() == 65536);
  CHECK(back.tensors.back().name == "65535");
}

TEST_CASE("npz: a malformed archive is an error that says what") {
  const std::string whole = small();
  CHECK(load_error(whole) == "no error");
  CHECK_THAT(load_error(""), contains("not a zip file"));
  CHECK_THAT(load_error(std::string(100, 'x')), contains("not a zip file"));
  CHECK_THAT(load_error("PK" + std::string(100, 'x')), contains("the zip directory is missing"));
  CHECK_THAT(load_error(whole + "x"), contains("the zip directory is missing"));
  CHECK_THAT(load_error("PK" + whole), contains("something was put in front"));
  auto both = [&](std::size_t after, st::uint64 number, int bytes) {  // in both headers of the member
    return load_error(patched(patched(whole, central, after, number, bytes), local, after - 2, number, bytes));
  };
  auto directory = [&](std::size_t after, st::uint64 number, int bytes) { return load_error(patched(whole, central, after, number, bytes)); };
  auto end = [&](std::size_t after, st::uint64 number, int bytes) { return load_error(patched(whole, record, after, number, bytes)); };
  CHECK_THAT(both(8, 0x801, 2), contains("member 'x.npy' is encrypted"));
  CHECK_THAT(both(10, 12, 2), contains("member 'x.npy': compression method 12 is not supported"));
  CHECK_THAT(both(16, 1, 4), contains("member 'x.npy': wrong checksum (CRC-32)"));
  CHECK_THAT(directory(16, 1, 4), contains("its header and the zip directory differ"));
  CHECK_THAT(directory(46, 'y', 1), contains("member 'y.npy': its header and the zip directory differ"));
  CHECK_THAT(directory(20, 1, 4), contains("its header and the zip directory differ"));
  CHECK_THAT(directory(42, 3, 4), contains("its header is not where the zip directory says"));
  CHECK_THAT(directory(42, 0xFFFFFFF0, 4), contains("its header is not where the zip directory says"));
  CHECK_THAT(directory(0, 0, 4), contains("the zip directory is damaged at byte"));
  CHECK_THAT(directory(28, 0xFFFF, 2), contains("the zip directory is damaged at byte"));
  CHECK_THAT(load_error(patched(patched(whole, central, 20, 1 << 20, 4), local, 18, 1 << 20, 4)), contains("is cut off"));
  CHECK_THAT(load_error(patched(patched(whole, central, 24, 1 << 20, 4), local, 22, 1 << 20, 4)),
             contains("132 bytes are stored for 1048576"));
  CHECK_THAT(load_error(patched(whole, local, 28, 0xFFFF, 2)), contains("member 'x.npy' is cut off"));
  CHECK_THAT(end(8, 2, 2), contains("several parts"));
  CHECK_THAT(end(4, 1, 2), contains("several parts"));
  CHECK_THAT(load_error(patched(patched(whole, record, 8, 2, 2), record, 10, 2, 2)), contains("has 1 members, its record says 2"));
  CHECK_THAT(end(12, 0x7FFFFFFF, 4), contains("the zip directory is not where the file says"));
  CHECK_THAT(end(16, 0xFFFFFFFF, 4), contains("the zip directory is not where the file says"));
  auto renamed = [&](const std::string& name) {
    std::string s = whole;
    for (std::size_t at; (at = s.find("x.npy")) != npos;) s.replace(at, 5, name);
    return load_error(s);
  };
  CHECK_THAT(renamed("x.txt"), contains("member 'x.txt': the members of an npz file are called NAME.npy"));
  CHECK_THAT(renamed(std::string("\0.npy", 5)), contains("a member's name is no UTF-8 text"));
  CHECK_THAT(renamed("\xff.npy"), contains("a member's name is no UTF-8 text"));
}

TEST_CASE("npz: a name twice and members that share bytes are errors") {
  folder dir;
  st::save_npz(dir / "a.npz", {{"x", st::array<float>({5})}, {"y", st::array<float>({5})}});
  const std::string two = dir.contents("a.npz");
  std::string twice = two;
  for (std::size_t at; (at = twice.find("y.npy")) != npos;) twice.replace(at, 5, "x.npy");
  CHECK_THAT(load_error(twice), contains("member 'x.npy' occurs twice"));
  // The first member's data reach over all of the second one, the checksum is right.
  const std::size_t begin = two.find("\x93NUMPY"), end = two.find(central);
  const st::uint64 sum = st::detail::crc32(0, two.data() + begin, end - begin);
  std::string over = two;
  for (const std::size_t at : {two.find(local) + 14, two.find(central) + 16})
    over.replace(at, 12, le(sum, 4) + le(end - begin, 4) + le(end - begin, 4));
  CHECK_THAT(load_error(over), contains("two members share the bytes from"));
}

TEST_CASE("npz: what is inside must be an npy file") {
  folder dir;
  st::detail::zip_writer<> zip(dir / "a.npz");
  zip.add("x.npy", 5, [](auto& to) { to.write("hello"); });
  zip.commit();
  CHECK_THAT(io_message([&] { st::load_npz(dir / "a.npz"); }), contains("a.npz: member 'x.npy': not an npy file"));
}

TEST_CASE("npz: every cut-off file and every flipped byte of headers is an error, never a crash") {
  const std::string whole = small();
  std::size_t refused = 0;
  for (std::size_t n = 0; n < whole.size(); ++n) refused += load_error(whole.substr(0, n)) != "no error";
  CHECK(refused == whole.size());
  for (std::size_t n = 0; n < whole.size(); ++n) {
    std::string s = whole;
    s[n] = static_cast<char>(~s[n]);
    load_error(s);  // dates and attributes do not matter; what matters is that it returns
  }
}

TEST_CASE("npz: a damaged element is found by its checksum") {
  std::string whole = small();
  whole[whole.find(central) - 1] ^= 1;
  CHECK_THAT(load_error(whole), contains("member 'x.npy': wrong checksum (CRC-32); the file is damaged"));
}

TEST_CASE("npz: what cannot be saved leaves the old file") {
  folder dir;
  const std::string path = dir.file("a.npz", "old");
  const st::any_tensor one = st::ones<float>({1});
  using list = std::vector<st::named<st::any_tensor>>;
  auto message = [&](const list& l) { return io_message([&] { st::save_npz(path, l); }); };
  CHECK_THAT(message({{"a", one}, {"a", one}}), contains("tensor 'a' occurs twice"));
  CHECK_THAT(message({{"a", st::any_tensor()}}), contains("tensor 'a': the tensor is undefined"));
  CHECK_THAT(message({{"", one}}), contains("a name has 1 to 60000 bytes"));
  CHECK_THAT(message({{"\xff", one}}), contains("not UTF-8"));
  for (const std::string name : {"/a", "..", "a/../../b", "a\\b", "../a"}) CHECK_THAT(message({{name, one}}), contains("a name must not start with '/'"));
  CHECK(message({{"a/b.c/..d", one}}) == "no error");
  dir.file("a.npz", "old");
  CHECK_THAT(io_message([&] { st::save_npz(dir / "no/a.npz", list{{"a", one}}); }), contains("No such file"));
  CHECK(dir.contents("a.npz") == "old");
  CHECK(dir.entries() == 1);
}

TEST_CASE("npz: the checksum is that of zip, gzip and PNG, in one piece or several") {
  const std::string check = "123456789";  // the value all catalogues give
  CHECK(st::detail::crc32(0, check.data(), 9) == 0xCBF43926u);
  std::string text;
  for (int i = 0; i < 1000; ++i) text += static_cast<char>(i * 7);
  for (const std::size_t cut : {0u, 1u, 7u, 8u, 9u, 500u, 1000u})
    CHECK(st::detail::crc32(st::detail::crc32(0, text.data(), cut), text.data() + cut, text.size() - cut) ==
          st::detail::crc32(0, text.data(), text.size()));
}
