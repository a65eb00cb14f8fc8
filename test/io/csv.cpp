// SPDX-License-Identifier: BSD-3-Clause
// load_csv: what it reads, and that a bad line is named.
#include "../catch.hpp"

#include <sinter/io/csv.hpp>
#include <cmath>

#include "folder.hpp"

namespace st = sinter;

TEST_CASE("csv: a file of numbers becomes a matrix") {
  folder dir;
  auto t = st::load_csv<float>(dir.file("a.csv", "1,2.5,-3e2\n4, 5 ,+6\n"));
  static_assert(std::is_same_v<decltype(t), st::tensor<float, st::rank<2>>>);
  CHECK(t.sizes() == st::index_list<2>{2, 3});
  CHECK(t(0, 1) == 2.5f);
  CHECK(t(0, 2) == -300.f);
  CHECK(t(1, 1) == 5.f);
  CHECK(t(1, 2) == 6.f);
}

TEST_CASE("csv: Windows line ends, blank lines, comments and a missing last line end are no rows") {
  folder dir;
  auto t = st::load_csv<st::int64>(dir.file("a.csv", "# made by hand\r\n1,2\r\n\r\n3,4\r\n\n5,6"));
  CHECK(t.sizes() == st::index_list<2>{3, 2});
  CHECK(t(2, 1) == 6);
}

TEST_CASE("csv: a head line is skipped, another delimiter is taken") {
  folder dir;
  auto t = st::load_csv<double>(dir.file("a.csv", "x;y\n1;2\n"), {.delimiter = ';', .skip_rows = 1});
  CHECK(t(0, 1) == 2.0);
}

TEST_CASE("csv: small types hold numbers, not characters") {
  folder dir;
  CHECK(st::load_csv<st::int8>(dir.file("a.csv", "65,-128\n"))(0, 0) == 65);
  CHECK(st::load_csv<st::uint8>(dir.file("b.csv", "255\n"))(0, 0) == 255);
  CHECK(st::load_csv<bool>(dir.file("c.csv", "1,0\n"))(0, 0));
}

TEST_CASE("csv: floats keep subnormals, infinities and NaN") {
  folder dir;
  auto t = st::load_csv<double>(dir.file("a.csv", "4.9e-324,inf,nan,0.1\n"));
  CHECK(t(0, 0) == std::numeric_limits<double>::denorm_min());
  CHECK(t(0, 1) == std::numeric_limits<double>::infinity());
  CHECK(t(0, 2) != t(0, 2));
  CHECK(t(0, 3) == 0.1);
  CHECK(st::load_csv<float>(dir.file("b.csv", "-1e-50\n"))(0, 0) == 0.f);
  CHECK_THROWS_AS(st::load_csv<float>(dir.file("b.csv", "1e50\n")), st::io_error);
}

TEST_CASE("csv: a ragged file is an error that names the line") {
  folder dir;
  CHECK_THAT(io_message([&] { st::load_csv<float>(dir.file("a.csv", "# c\n1\n2,3,4\n5,6\n")); }),
             contains("a.csv: line 3 has 3 values, line 2 has 1"));
  CHECK_THAT(io_message([&] { st::load_csv<float>(dir.file("b.csv", "1,2,\n")); }),
             contains("line 1 ends with an empty value"));
}

TEST_CASE("csv: what is not a number of the type is an error that names its place") {
  folder dir;
  for (const char* bad : {"x", "12ab", "", "1 2", "--1", "+-1", "0x10"})
    CHECK_THAT(io_message([&] { st::load_csv<float>(dir.file("a.csv", std::string("1,2\n") + bad + ",3\n")); }),
               contains("a.csv: line 2, value 1 is not a float32"));
  CHECK_THAT(io_message([&] { st::load_csv<int>(dir.file("a.csv", "1.5\n")); }), contains("value 1 is not a int32"));
  CHECK_THAT(io_message([&] { st::load_csv<st::uint8>(dir.file("a.csv", "1,256\n")); }),
             contains("value 2 is not a uint8"));
  CHECK_THAT(io_message([&] { st::load_csv<bool>(dir.file("a.csv", "2\n")); }), contains("is not a bool"));
}

TEST_CASE("csv: missing and empty files and folders are errors") {
  folder dir;
  CHECK_THAT(io_message([&] { st::load_csv<float>(dir / "none.csv"); }),
             contains("none.csv: cannot open: No such file"));
  CHECK_THAT(io_message([&] { st::load_csv<float>(dir.file("a.csv", "\n\n")); }), contains("no lines with values"));
  CHECK_THAT(io_message([&] { st::load_csv<float>(dir.file("b.csv", "")); }), contains("no lines with values"));
  CHECK_THAT(io_message([&] { st::load_csv<float>(dir.path.string()); }), contains("not a regular file"));
}

TEST_CASE("csv: the digits of the examples load whole") {
  const char* data = std::getenv("SINTER_TEST_DATA");
  auto t = st::load_csv<float>(std::string(data ? data : "examples/data") + "/digits.csv");
  CHECK(t.sizes() == st::index_list<2>{1797, 65});
  double sum = 0;
  for (st::int64 i = 0; i < 1797; ++i) sum += t(i, 64);
  CHECK(sum == 8070);  // 1797 classes, 0..9
}
