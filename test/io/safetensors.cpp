// SPDX-License-Identifier: BSD-3-Clause
// Safetensors files: a round trip, no copies, and every malformed file refused with its reason.
#include "../catch.hpp"

#include <sinter/io/safetensors.hpp>
#include <sinter/tensor/copy.hpp>
#include <map>
#include <sys/resource.h>
#include <csignal>

#include "folder.hpp"

namespace st = sinter;

namespace {
// A file of this header (padded as told) and this many bytes of data.
std::string bytes(const std::string& header, std::size_t data) {
  const std::uint64_t length = header.size();
  std::string s(8, '\0');
  std::memcpy(s.data(), &length, 8);
  return s + header + std::string(data, '\0');
}
std::string load_error(const std::string& contents) {
  folder dir;
  const std::string path = dir.file("w", contents);
  return io_message([&] { st::load_safetensors(path); });
}
template <class T> bool same(const st::any_tensor& t, std::vector<T> expected) {
  return t.dtype() == st::dtype_of<T> && t.numel() == static_cast<st::int64>(expected.size()) &&
         std::memcmp(t.data(), expected.data(), expected.size() * sizeof(T)) == 0;
}
}  // namespace

TEST_CASE("safetensors: tensors of every dtype come back in order, with their metadata") {
  folder dir;
  const std::string path = dir / "w";
  st::save_safetensors(path,
                       {{"u8", st::array<st::uint8>({1, 2, 255})},
                        {"f32", st::array<float>({{1, 2}, {3, 4}})},
                        {"bool", st::array<bool>({true, false})},
                        {"i8", st::array<st::int8>({-128})},
                        {"i16", st::array<st::int16>({-300, 300})},
                        {"i32", st::array<int>({-70000})},
                        {"i64", st::array<st::int64>({1LL << 40})},
                        {"f64", st::array<double>({0.1})},
                        {"f16", st::full<st::half>({3}, st::half(1.5f))},
                        {"bf16", st::full<st::bfloat16>({2}, st::bfloat16(-3.f))},
                        {"c64", st::full<st::complex64>({2}, st::complex64(1, -2))}},
                       {{"format", "pt"}, {"quote \"", "line\n\xc3\xa9"}});
  auto file = st::load_safetensors(path);
  std::string names;
  for (const auto& t : file.tensors) names += t.name + " ";
  CHECK(names == "u8 f32 bool i8 i16 i32 i64 f64 f16 bf16 c64 ");
  CHECK(static_cast<float>(file.at("f16").as<const st::half, 1>()(2)) == 1.5f);
  CHECK(static_cast<float>(file.at("bf16").as<const st::bfloat16, 1>()(1)) == -3);
  CHECK(file.at("c64").as<const st::complex64, 1>()(1) == st::complex64(1, -2));
  CHECK_THROWS_AS(st::save_safetensors(path, {{"c128", st::zeros<st::complex128>({2})}}), st::io_error);  // the format has none
  CHECK(file.metadata ==
        std::vector<st::named<std::string>>{{"format", "pt"}, {"quote \"", "line\n\xc3\xa9"}});
  CHECK(same<st::uint8>(file.at("u8"), {1, 2, 255}));
  CHECK(same<float>(file.at("f32"), {1, 2, 3, 4}));
  CHECK(file.at("f32").as<const float, 2>()(1, 0) == 3.f);
  CHECK(file.at("bool").as<const bool, 1>()(0));
  CHECK(same<st::int8>(file.at("i8"), {-128}));
  CHECK(same<st::int16>(file.at("i16"), {-300, 300}));
  CHECK(same<int>(file.at("i32"), {-70000}));
  CHECK(same<st::int64>(file.at("i64"), {1LL << 40}));
  CHECK(same<double>(file.at("f64"), {0.1}));
  CHECK(file.contains("f64"));
  CHECK_FALSE(file.contains("F64"));
  CHECK_THAT(io_message([&] { file.at("F64"); }), contains("no tensor is called 'F64'"));
  CHECK(dir.entries() == 1);
}

TEST_CASE("safetensors: scalars, empty tensors, and files of nothing") {
  folder dir;
  st::save_safetensors(dir / "a", {{"scalar", st::full<float>(st::shape<>, 7)}, {"none", st::empty<double>({3, 0})}});
  auto a = st::load_safetensors(dir / "a");
  CHECK(a.at("scalar").dim() == 0);
  CHECK(a.at("scalar").as<const float, 0>().item() == 7.f);
  CHECK(a.at("none").size(0) == 3);
  CHECK(a.at("none").numel() == 0);
  st::save_safetensors(dir / "b", std::vector<st::named<st::any_tensor>>{});
  CHECK(st::load_safetensors(dir / "b").tensors.empty());
  CHECK(dir.contents("b") == bytes("{}      ", 0));
}

TEST_CASE("safetensors: loading copies nothing, and tensors outlive the list and the file's name") {
  folder dir;
  auto big = st::arange<float>(100000);
  st::save_safetensors(dir / "w", {{"byte", st::array<st::uint8>({9})}, {"big", big}});
  st::any_tensor t;
  {
    auto file = st::load_safetensors(dir / "w");
    t = file.at("big");
    CHECK(t.storage_handle() == file.at("byte").storage_handle());
  }
  std::filesystem::remove(dir / "w");
  CHECK_FALSE(t.storage_handle()->owned);
  CHECK(t.read_only());
  CHECK_THROWS_AS((t.as<float, 1>()), st::dtype_error);
  CHECK(t.as<const float, 1>()(99999) == 99999.f);
  CHECK(t.storage_handle().use_count() == 1);
}

TEST_CASE("safetensors: data that are not aligned for their type are copied") {
  folder dir;
  std::string s = bytes(
      R"({"a":{"dtype":"U8","shape":[3],"data_offsets":[0,3]},"b":{"dtype":"F32","shape":[1],"data_offsets":[3,7]}})",
      3);
  const float v = 2.5f;
  s.append(reinterpret_cast<const char*>(&v), 4);
  auto file = st::load_safetensors(dir.file("w", s));
  CHECK(file.at("b").as<const float, 1>()(0) == 2.5f);
  CHECK(reinterpret_cast<std::uintptr_t>(file.at("b").data()) % 4 == 0);
}

TEST_CASE("safetensors: views of any strides are written in row-major order") {
  folder dir;
  auto m = st::array<float>({{1, 2, 3}, {4, 5, 6}});
  auto large = st::reshape(st::arange<st::int16>(3 * 5000), {3, 5000});
  st::save_safetensors(dir / "w", {{"t", m.T()},
                                   {"flip", st::flip(m, 1)},
                                   {"column", m(st::full_extent, 1)},
                                   {"expand", st::expand(st::array<double>({1, 2}), {2, 2})},
                                   {"large", large.T()}});
  auto file = st::load_safetensors(dir / "w");
  CHECK(same<float>(file.at("t"), {1, 4, 2, 5, 3, 6}));
  CHECK(same<float>(file.at("flip"), {3, 2, 1, 6, 5, 4}));
  CHECK(same<float>(file.at("column"), {2, 5}));
  CHECK(same<double>(file.at("expand"), {1, 2, 1, 2}));
  auto t = file.at("large").as<const st::int16, 2>();
  bool equal = true;
  for (int i = 0; i < 5000; ++i)
    for (int j = 0; j < 3; ++j) equal = equal && t(i, j) == large(j, i);
  CHECK(equal);
}

TEST_CASE("safetensors: a std::map is saved, too") {
  folder dir;
  std::map<std::string, st::any_tensor> state{{"w", st::ones<float>({2})}, {"b", st::zeros<float>({1})}};
  st::save_safetensors(dir / "w", state, {{"format", "pt"}});
  CHECK(st::load_safetensors(dir / "w").tensors.front().name == "b");
}

TEST_CASE("safetensors: a malformed file is an error that says what and where") {
  CHECK_THAT(load_error("abc"), contains("3 bytes are too few"));
  CHECK_THAT(load_error(std::string(8, '\xff')), contains("the limit is 100000000"));
  CHECK_THAT(load_error(std::string("\x20\0\0\0\0\0\0\0{}", 10)),
             contains("a header of 32 bytes in a file of 10 bytes"));
  CHECK_THAT(load_error(bytes("", 4)), contains("must start with '{'"));
  CHECK_THAT(load_error(bytes("{}x", 0)), contains("something follows the value"));
  CHECK_THAT(load_error(bytes("{\"a\":", 0)), contains("expected an object"));
  CHECK_THAT(load_error(bytes("{}", 4)), contains("the tensors end at byte 0 of 4 bytes of data"));
  CHECK_THAT(load_error(bytes(R"({"__metadata__":{"a":1}})", 0)), contains("expected a string"));
  CHECK_THAT(load_error(bytes(R"({"__metadata__":{"a":"1","a":"2"}})", 0)), contains("metadata 'a' occurs twice"));

  auto one = [](const std::string& fields, std::size_t data) {
    return load_error(bytes("{\"w\":{" + fields + "}}", data));
  };
  CHECK(one(R"("dtype":"F32","shape":[1],"data_offsets":[0,4])", 4) == "no error");
  CHECK_THAT(one(R"("dtype":"F32","shape":[1])", 4), contains("tensor 'w': data_offsets is missing"));
  CHECK_THAT(one(R"("dtype":"F32","dtype":"F32","shape":[1],"data_offsets":[0,4])", 4),
             contains("'dtype' occurs twice"));
  CHECK_THAT(one(R"("dtype":"C128","shape":[1],"data_offsets":[0,16])", 4),
             contains("tensor 'w': dtype C128 is not supported"));
  CHECK_THAT(one(R"("dtype":"F33","shape":[1],"data_offsets":[0,4])", 4),
             contains("tensor 'w': dtype F33 is not supported"));
  CHECK_THAT(one(R"("dtype":"F32","shape":[-1],"data_offsets":[0,4])", 4), contains("size -1"));
  CHECK_THAT(one(R"("dtype":"F32","shape":[1.0],"data_offsets":[0,4])", 4), contains("not a fraction"));
  CHECK_THAT(one(R"("dtype":"F32","shape":[1,1,1,1,1,1,1,1,1],"data_offsets":[0,4])", 4), contains("more than 8 dims"));
  CHECK_THAT(one(R"("dtype":"F32","shape":[2],"data_offsets":[0,4])", 4),
             contains("tensor 'w' of float32 [2] needs 8 bytes, its data_offsets span 4"));
  CHECK_THAT(one(R"("dtype":"F32","shape":[1],"data_offsets":[0,8])", 4),
             contains("do not lie in the 4 bytes of data"));
  CHECK_THAT(one(R"("dtype":"F32","shape":[1],"data_offsets":[4,0])", 4), contains("data_offsets [4, 0]"));
  CHECK_THAT(one(R"("dtype":"F32","shape":[1],"data_offsets":[0])", 4), contains("two numbers"));
  CHECK_THAT(one(R"("dtype":"F32","shape":[1],"data_offsets":[0,4,4])", 4), contains("two numbers"));
  CHECK_THAT(one(R"("dtype":"F32","shape":[4611686018427387904,4611686018427387904],"data_offsets":[0,4])", 4),
             contains("overflows"));
  CHECK_THAT(one(R"("dtype":"F32","shape":[0,4611686018427387904,4611686018427387904],"data_offsets":[0,0])", 0),
             contains("overflows"));
  CHECK_THAT(one(R"("dtype":"F32","shape":[1],"data_offsets":[0,4],"scale":1)", 4), contains("unknown key 'scale'"));
  CHECK_THAT(one(R"("dtype":"F32","shape":[1],"data_offsets":[4,8])", 8), contains("start at byte 4, after a hole"));
  CHECK_THAT(load_error(bytes(R"({"w":{"dtype":"BOOL","shape":[1],"data_offsets":[0,1]}})", 0) + '\x02'),
             contains("element 0 of bool is neither 0 nor 1"));
}

TEST_CASE("safetensors: tensors may not overlap or share a name") {
  auto two = [](const std::string& name, int begin, int end) {
    return load_error(bytes(R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},")" + name +
                                R"(":{"dtype":"U8","shape":[4],"data_offsets":[)" + std::to_string(begin) + "," +
                                std::to_string(end) + "]}}",
                            static_cast<std::size_t>(end)));
  };
  CHECK(two("b", 4, 8) == "no error");
  CHECK_THAT(two("b", 2, 6), contains("tensor 'b': its data start at byte 2, inside another tensor's; expected 4"));
  CHECK_THAT(two("b", 6, 10), contains("tensor 'b': its data start at byte 6, after a hole; expected 4"));
  CHECK_THAT(two("a", 4, 8), contains("tensor 'a' occurs twice"));
}

TEST_CASE("safetensors: every cut-off file is an error, never a crash") {
  folder dir;
  st::save_safetensors(dir / "w", {{"a", st::ones<float>({3})}, {"b", st::ones<st::uint8>({2})}}, {{"k", "v"}});
  const std::string whole = dir.contents("w");
  int refused = 0;
  for (std::size_t n = 0; n < whole.size(); ++n) refused += load_error(whole.substr(0, n)) != "no error";
  CHECK(refused == static_cast<int>(whole.size()));
}

TEST_CASE("safetensors: what cannot be saved leaves the old file") {
  folder dir;
  const std::string path = dir.file("w", "old");
  auto w = st::ones<float>({1});
  CHECK_THAT(io_message([&] {
               st::save_safetensors(path, {{"w", w}, {"w", w}});
             }),
             contains("tensor 'w' occurs twice"));
  CHECK_THAT(io_message([&] { st::save_safetensors(path, {{"__metadata__", w}}); }), contains("the format's own"));
  CHECK_THAT(io_message([&] {
               st::save_safetensors(path, {{"w", st::any_tensor()}});
             }),
             contains("tensor 'w': the tensor is undefined"));
  CHECK_THAT(io_message([&] { st::save_safetensors(path, {{"\xff", w}}); }), contains("is not UTF-8"));
  CHECK_THAT(io_message([&] {
               st::save_safetensors(path, {{"w", w}}, {{"k", "1"}, {"k", "2"}});
             }),
             contains("metadata 'k' occurs twice"));
  CHECK_THAT(io_message([&] {
               st::save_safetensors(dir / "no/w", {{"w", w}});
             }),
             contains("No such file or directory"));

  rlimit before{};
  getrlimit(RLIMIT_FSIZE, &before);
  rlimit tight = before;
  tight.rlim_cur = 1 << 16;
  auto* handler = std::signal(SIGXFSZ, SIG_IGN);
  setrlimit(RLIMIT_FSIZE, &tight);
  const std::string full = io_message([&] { st::save_safetensors(path, {{"w", st::ones<float>({1 << 20})}}); });
  setrlimit(RLIMIT_FSIZE, &before);
  std::signal(SIGXFSZ, handler);
  CHECK_THAT(full, contains("w: cannot write: File too large"));
  CHECK(dir.contents("w") == "old");
  CHECK(dir.entries() == 1);
}
