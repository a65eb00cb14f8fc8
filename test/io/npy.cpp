// SPDX-License-Identifier: BSD-3-Clause
// .npy files: a round trip, NumPy's own bytes, and malformed files refused with their reason.
#include "../catch.hpp"

#include <sinter/io/npy.hpp>
#include <locale>

#include "folder.hpp"

namespace st = sinter;

namespace {
// As numpy.save writes it: the header padded so that the data start at a multiple of 64.
std::string npy(std::string header, const std::string& data, char version = 1) {
  const std::size_t fixed = version == 1 ? 10 : 12;
  header.append(63 - (fixed + header.size()) % 64, ' ');
  header += '\n';
  std::string s = "\x93NUMPY";
  s += version;
  s += '\0';
  for (std::size_t i = 0; i + 8 < fixed; ++i) s += static_cast<char>(header.size() >> (8 * i) & 255);
  return s + header + data;
}
template <class T>
std::string raw(std::vector<T> v) {
  return {reinterpret_cast<const char*>(v.data()), v.size() * sizeof(T)};
}
std::string load_error(const std::string& contents) {
  folder dir;
  const std::string path = dir.file("a.npy", contents);
  return io_message([&] { st::load_npy(path); });
}
template <class T> void round_trip(const T& t) {
  folder dir;
  st::save_npy(dir / "a.npy", t);
  auto back = st::load_npy(dir / "a.npy").as<const typename T::value_type, T::rank>();
  CHECK(back.sizes() == t.sizes());
  const auto plain = st::contiguous(t);
  CHECK(std::memcmp(back.data(), plain.data(), static_cast<std::size_t>(t.numel()) * sizeof(*t.data())) == 0);
}
}  // namespace

TEST_CASE("npy: tensors of every dtype, rank and stride come back") {
  round_trip(st::array<float>({{1, 2, 3}, {4, 5, 6}}));
  round_trip(st::array<float>({{1, 2, 3}, {4, 5, 6}}).T());
  round_trip(st::array<double>({0.1}));
  round_trip(st::full<st::half>({2, 3}, st::half(0.1f)));
  round_trip(st::array<bool>({true, false}));
  round_trip(st::array<st::uint8>({255}));
  round_trip(st::array<st::int8>({-128}));
  round_trip(st::array<st::int16>({-300}));
  round_trip(st::array<int>({-70000}));
  round_trip(st::array<st::int64>({1LL << 40}));
  round_trip(st::full<st::complex64>({2}, st::complex64(1, -2)));
  round_trip(st::full<st::complex128>({2, 3}, st::complex128(0.1, 2)).T());
  round_trip(st::full<float>(st::shape<>, 7));
  round_trip(st::empty<float>({0, 3}));
  round_trip(st::full<float>({1, 1, 2, 1, 1, 1, 1, 3}, 2));
}

TEST_CASE("npy: NumPy's bytes are read, in both orders and all three versions") {
  folder dir;
  const auto data = raw<float>({1, 2, 3, 4, 5, 6});
  auto c = st::load_npy(dir.file("c.npy", npy("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }", data)))
               .as<const float, 2>();
  CHECK(c(1, 0) == 4.f);
  auto f = st::load_npy(dir.file("f.npy", npy("{'descr': '<f4', 'fortran_order': True, 'shape': (2, 3), }", data)))
               .as<const float, 2>();
  CHECK(f(1, 0) == 2.f);
  CHECK(f.strides() == st::index_list<2>{1, 2});
  for (const char version : {char{2}, char{3}})
    CHECK(
        st::load_npy(dir.file("v.npy", npy("{'descr': '<f4', 'fortran_order': False, 'shape': (6,), }", data, version)))
            .as<const float, 1>()(5) == 6.f);
}

TEST_CASE("npy: headers of 128 bytes and more are read") {
  folder dir;
  auto t = st::load_npy(dir.file(
      "a.npy",
      npy("{'descr': '<f4', 'fortran_order': False, 'shape': (1,), }" + std::string(100, ' '), raw<float>({5}))));
  CHECK(t.as<const float, 1>()(0) == 5.f);
}

TEST_CASE("npy: the process' locale does not change what is written or read") {
  struct thousands : std::numpunct<char> {
    char do_thousands_sep() const override { return ','; }
    std::string do_grouping() const override { return "\3"; }
  };
  const std::locale before = std::locale::global(std::locale(std::locale(), new thousands));
  folder dir;
  st::save_npy(dir / "a.npy", st::zeros<float>({1, 12345}));
  const auto t = st::load_npy(dir / "a.npy");
  std::locale::global(before);
  CHECK_THAT(dir.contents("a.npy"), contains("'shape': (1, 12345), }"));
  CHECK((t.dim() == 2 && t.size(1) == 12345));
}

TEST_CASE("npy: loading copies nothing") {
  folder dir;
  st::save_npy(dir / "a.npy", st::arange<float>(10));
  auto t = st::load_npy(dir / "a.npy");
  CHECK(t.read_only());
  CHECK_FALSE(t.storage_handle()->owned);
}

TEST_CASE("npy: a malformed file is an error that says what") {
  auto with = [](const std::string& header, std::size_t data = 4) {
    return load_error(npy(header, std::string(data, '\0')));
  };
  CHECK(with("{'descr': '<f4', 'fortran_order': False, 'shape': (1,), }") == "no error");
  CHECK_THAT(load_error("hello"), contains("not an npy file"));
  CHECK_THAT(load_error(std::string("\x93NUMPY\x09\0ab", 10)), contains("version 9"));
  CHECK_THAT(load_error(std::string("\x93NUMPY\x01\0\xff\xff", 10)), contains("header is cut off"));
  CHECK_THAT(load_error(std::string("\x93NUMPY\x02\0\xff\xff", 10)), contains("header is cut off"));
  CHECK_THAT(load_error(std::string("\x93NUMPY\x01\0\0\0", 10)), contains("no dictionary"));
  CHECK_THAT(with("{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }"),
             contains("float32 [2] does not fit in the 4 bytes of data"));
  CHECK_THAT(with("{'descr': '>f4', 'fortran_order': False, 'shape': (1,), }"),
             contains("npy dtype '>f4' is not supported (big-endian)"));
  CHECK_THAT(with("{'descr': '<U8', 'fortran_order': False, 'shape': (1,), }", 8),
             contains("npy dtype '<U8' is not supported"));
  CHECK_THAT(with("{'descr': [('x', '<f4')], 'fortran_order': False, 'shape': (1,), }"), contains("structured"));
  CHECK_THAT(with("{'descr': '<f4', 'fortran_order': Maybe, 'shape': (1,), }"), contains("malformed npy header"));
  CHECK_THAT(with("{'descr': '<f4', 'fortran_order': False, 'shape': (-1,), }"), contains("a size is no number"));
  CHECK_THAT(with("{'descr': '<f4', 'fortran_order': False, 'shape': (x,), }"), contains("a size is no number"));
  CHECK_THAT(with("{'descr': '<f4', 'fortran_order': False, 'shape': (1 2,), }"), contains("the shape is no tuple"));
  CHECK_THAT(with("{'descr': '<f" + std::string(5000, '4') + "', 'fortran_order': False, 'shape': (1,), }"), contains("is not supported"));
  CHECK_THAT(with("{'descr': '', 'fortran_order': False, 'shape': (1,), }"), contains("npy dtype '' is not supported"));
  CHECK_THAT(with("{'descr': 4, 'fortran_order': False, 'shape': (1,), }"), contains("the dtype is no text"));
  CHECK_THAT(with("{'descr': '<f4', 'fortran_order': False, 'shape': (1" + std::string(18, '0') + ",), }"), contains("a size is too large"));
  CHECK_THAT(with("{'descr': '<f4', 'fortran_order': False, 'shape': (1), }"), contains("no tuple"));
  CHECK_THAT(with("{'descr': '<f4', 'fortran_order': False, 'shape': (1,), } 6 'shape': ,-1,)"), contains("does not end with the dictionary"));
  CHECK_THAT(with("{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (1,), }"), contains("each once"));
  CHECK_THAT(with("{'descr': '<f4' 'fortran_order': False, 'shape': (1,), }"), contains("each once"));
  CHECK(with("{'shape': (1,), 'descr': '<f4', 'fortran_order': False}") == "no error");
  CHECK_THAT(with("{'descr': '<f4', 'fortran_order': False, 'shape': (1,), }" + std::string(10000, ' ')), contains("the limit is 10000"));
  CHECK_THAT(with("{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999,99999999999), }"),
             contains("overflows"));
  CHECK_THAT(with("{'descr': '<f4', 'fortran_order': False, 'shape': (1,1,1,1,1,1,1,1,1), }"), contains("9 dims"));
  CHECK_THAT(with("{'descr': '<f4', 'fortran_order': False, 'shape': 1, }"), contains("no tuple"));
  CHECK_THAT(with("{'descr': '<f4', 'shape': (1,), }"), contains("a key is missing"));
  CHECK_THAT(with("{'descr': '|b1', 'fortran_order': False, 'shape': (1,), }") +
                 load_error(npy("{'descr': '|b1', 'fortran_order': False, 'shape': (1,), }", "\x07")),
             contains("neither 0 nor 1"));
}

TEST_CASE("npy: every cut-off file is an error, never a crash") {
  const std::string whole =
      npy("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }", raw<float>({1, 2, 3, 4, 5, 6}));
  int refused = 0;
  for (std::size_t n = 0; n < whole.size(); ++n) refused += load_error(whole.substr(0, n)) != "no error";
  CHECK(refused == static_cast<int>(whole.size()));
}

TEST_CASE("npy: what cannot be saved leaves the old file") {
  folder dir;
  const std::string path = dir.file("a.npy", "old");
  CHECK_THAT(io_message([&] { st::save_npy(path, st::any_tensor()); }), contains("the tensor is undefined"));
  CHECK_THAT(io_message([&] { st::save_npy(dir / "no/a.npy", st::ones<float>({1})); }), contains("No such file"));
  CHECK_THAT(io_message([&] { st::load_npy(dir / "none.npy"); }), contains("none.npy: cannot open: No such file"));
  CHECK(dir.contents("a.npy") == "old");
  CHECK(dir.entries() == 1);
}
