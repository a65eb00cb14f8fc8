// SPDX-License-Identifier: BSD-3-Clause
// The JSON reader: what it accepts, what it refuses, and that it says where.
#include "../catch.hpp"

#include <sinter/io/json.hpp>
#include <vector>

namespace st = sinter;

namespace {
std::string read_string(std::string_view text) {
  st::json_reader r(text);
  std::string s = r.string();
  r.end();
  return s;
}
st::int64 read_integer(std::string_view text) {
  st::json_reader r(text);
  const st::int64 v = r.integer();
  r.end();
  return v;
}
template <class F> std::string message(F f) {
  try {
    f();
  } catch (const st::io_error& e) {
    return e.what();
  }
  return "no error";
}
}  // namespace

TEST_CASE("json: an object with nested arrays is read in order") {
  st::json_reader r(R"( {"a" : [1, -2,3], "b":{ }, "c":[] , "d":"x"} )");
  std::string keys;
  std::vector<st::int64> numbers;
  r.object([&](const std::string& key) {
    keys += key;
    if (key == "a" || key == "c") r.array([&] { numbers.push_back(r.integer()); });
    else if (key == "b") r.object([](const std::string&) {});
    else keys += r.string();
  });
  r.end();
  CHECK(keys == "abcdx");
  CHECK(numbers == std::vector<st::int64>{1, -2, 3});
}

TEST_CASE("json: integers reach both ends of int64 and not beyond") {
  CHECK(read_integer("9223372036854775807") == std::numeric_limits<st::int64>::max());
  CHECK(read_integer("-9223372036854775808") == std::numeric_limits<st::int64>::min());
  CHECK(read_integer("0") == 0);
  for (const char* bad : {"9223372036854775808", "-9223372036854775809", "99999999999999999999", "01", "1.0", "1e3",
                          "-", "+1", "", "NaN", "0x10"})
    CHECK_THROWS_AS(read_integer(bad), st::io_error);
}

TEST_CASE("json: escapes and surrogate pairs become UTF-8") {
  CHECK(read_string(R"("\"\\\/\b\f\n\r\t")") == "\"\\/\b\f\n\r\t");
  CHECK(read_string(R"("\u0041\u00e9\u20AC\ud83d\ude00")") == "A\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80");
  CHECK(read_string("\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\"") == "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80");
  for (const char* bad :
       {R"("\x41")", R"("\u12")", R"("\ud83d")", R"("\ud83dA")", R"("\ude00")", R"("open)", "\"a\nb\"", R"("\)"})
    CHECK_THROWS_AS(read_string(bad), st::io_error);
}

TEST_CASE("json: malformed UTF-8 is refused") {
  for (const char* bad : {"\"\x80\"", "\"\xc0\xaf\"", "\"\xe2\x82\"", "\"\xed\xa0\x80\"", "\"\xf5\x80\x80\x80\"",
                          "\"\xf4\x90\x80\x80\"", "\"\xe0\x80\x80\""})
    CHECK_THROWS_AS(read_string(bad), st::io_error);
}

TEST_CASE("json: what is written as a string reads back the same") {
  std::string all;
  for (char c = 1; c < 127; ++c) all += c;
  all += "\xc3\xa9\xf0\x9f\x98\x80";
  all += '\0';
  std::string text;
  st::append_json(text, all);
  CHECK(read_string(text) == all);
}

TEST_CASE("json: broken structure is an error that names the source and the byte") {
  auto read = [](std::string_view text) {
    return message([&] {
      st::json_reader r(text, "w.safetensors");
      r.object([&](const std::string&) { r.integer(); });
      r.end();
    });
  };
  CHECK(read(R"({"a":1})") == "no error");
  CHECK(read(R"({"a" 1})") == "w.safetensors: expected ':' (at byte 5 of the JSON text)");
  CHECK_THAT(read(R"({"a":1,})"), contains("expected a key in quotes (at byte 7"));
  CHECK_THAT(read(R"({"a":1)"), contains("the text ends"));
  CHECK_THAT(read(R"({"a":1}x)"), contains("something follows"));
  CHECK_THAT(read(R"([1])"), contains("expected an object"));
  CHECK_THAT(read(R"({"a":1 "b":2})"), contains("expected ',' or '}'"));
  CHECK_THAT(read(""), contains("expected an object (at byte 0"));
}

TEST_CASE("json: nesting is limited") {
  const std::string deep(100000, '[');
  st::json_reader r(deep);
  struct nest {
    st::json_reader<>& r;
    void operator()() const { r.array(*this); }
  };
  CHECK_THAT(message([&] { nest{r}(); }), contains("nested too deeply (at byte 16"));
}
