// SPDX-License-Identifier: BSD-3-Clause
// Mapped files, and new files that appear whole or not at all.
#include "../catch.hpp"

#include <sinter/io/file.hpp>
#include <sys/resource.h>
#include <csignal>

#include "folder.hpp"

namespace st = sinter;

namespace {
// Writing fails beyond `bytes` while this lives, as on a full disk.
struct file_size_limit {
  rlimit before{};
  void (*handler)(int);
  explicit file_size_limit(rlim_t bytes) : handler(std::signal(SIGXFSZ, SIG_IGN)) {
    getrlimit(RLIMIT_FSIZE, &before);
    rlimit now = before;
    now.rlim_cur = bytes;
    setrlimit(RLIMIT_FSIZE, &now);
  }
  ~file_size_limit() {
    setrlimit(RLIMIT_FSIZE, &before);
    std::signal(SIGXFSZ, handler);
  }
};
}  // namespace

TEST_CASE("file: a mapped file shows its bytes, and outlives its name") {
  folder dir;
  st::storage_ptr block = st::map_file(dir.file("a", "hello"));
  std::filesystem::remove(dir / "a");
  REQUIRE(block->bytes == 5);
  CHECK(std::string(static_cast<const char*>(block->data), 5) == "hello");
  CHECK_FALSE(block->owned);
  CHECK(st::map_file(dir.file("b", ""))->bytes == 0);
}

TEST_CASE("file: what cannot be mapped is an error with the system's reason") {
  folder dir;
  CHECK_THAT(io_message([&] { st::map_file(dir / "none"); }), contains("none: cannot open: No such file or directory"));
  CHECK_THAT(io_message([&] { st::map_file(dir.path.string()); }), contains("not a regular file"));
  CHECK_THAT(io_message([&] { st::map_file("/dev/null"); }), contains("not a regular file"));
}

TEST_CASE("file: a new file appears with commit, and only then") {
  folder dir;
  {
    st::new_file f(dir / "a");
    f.write("one ");
    f.write(std::string(3 << 20, 'x'));
    CHECK_FALSE(std::filesystem::exists(dir / "a"));
    f.commit();
  }
  CHECK(dir.contents("a") == "one " + std::string(3 << 20, 'x'));
  {
    st::new_file f(dir / "a");
    f.write("never committed");
  }
  CHECK(dir.contents("a").size() == 4 + (3 << 20));
  CHECK(dir.entries() == 1);
}

TEST_CASE("file: replacing keeps permissions and links") {
  folder dir;
  dir.file("real", "old");
  std::filesystem::permissions(dir / "real", std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
  std::filesystem::create_symlink("real", dir / "link");
  st::new_file f(dir / "link");
  f.write("new");
  f.commit();
  CHECK(dir.contents("real") == "new");
  CHECK(std::filesystem::is_symlink(dir / "link"));
  CHECK(std::filesystem::status(dir / "real").permissions() ==
        (std::filesystem::perms::owner_read | std::filesystem::perms::owner_write));
}

TEST_CASE("file: a full disk leaves the old file and nothing else") {
  folder dir;
  dir.file("a", "old");
  std::string message;
  {
    file_size_limit limit(1 << 16);
    message = io_message([&] {
      st::new_file f(dir / "a");
      f.write(std::string(1 << 17, 'x'));
      f.commit();
    });
  }
  CHECK_THAT(message, contains("a: cannot write: File too large"));
  CHECK(dir.contents("a") == "old");
  CHECK(dir.entries() == 1);
}

TEST_CASE("file: a missing folder, a device, a folder of that name, no permission are errors") {
  folder dir;
  CHECK_THAT(io_message([&] { st::new_file f(dir / "no/such/a"); }),
             contains("cannot create a file in its folder: No such file"));
  CHECK_THAT(io_message([&] { st::new_file f("/dev/null"); }), contains("/dev/null: not a regular file"));
  CHECK_THAT(io_message([&] { st::new_file f(dir.path.string()); }), contains("not a regular file"));
  if (::geteuid() != 0) {  // root may write anywhere
    std::filesystem::permissions(dir.path, std::filesystem::perms::owner_read | std::filesystem::perms::owner_exec);
    CHECK_THAT(io_message([&] { st::new_file f(dir / "a"); }), contains("Permission denied"));
  }
}
