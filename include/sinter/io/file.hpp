// SPDX-License-Identifier: BSD-3-Clause
// Files for the readers and writers (POSIX): one mapped into memory, one written aside and renamed into place.
// No format is known here. Next: safetensors.hpp, npy.hpp, csv.hpp.
#pragma once
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string_view>

#include "../tensor/storage.hpp"

namespace sinter::inline v0 {
namespace detail::inline SINTER_TARGET {

template <class Arch = native>
[[noreturn]] SINTER_COLD void file_error(const std::string& path, const char* what, int code = errno) {
  fail<io_error, Arch>(path, ": ", what, ": ", static_cast<const char*>(std::strerror(code)));
}

// Closes, where no error can matter.
struct descriptor {
  int fd = -1;
  explicit descriptor(int f) : fd(f) {}
  descriptor(const descriptor&) = delete;
  descriptor& operator=(const descriptor&) = delete;
  ~descriptor() {
    if (fd >= 0) ::close(fd);
  }
};

struct mapping {
  void* data = nullptr;
  std::size_t bytes = 0;
  mapping() = default;
  mapping(const mapping&) = delete;
  mapping& operator=(const mapping&) = delete;
  ~mapping() {
    if (data) ::munmap(data, bytes);
  }
};

}  // namespace detail::inline SINTER_TARGET

/// The file at `path`, mapped read-only; the mapping ends with the last handle to the block. An empty file has no data.
/// The file must not be truncated while mapped: reading what is gone is a SIGBUS, as with every mapped file.
/// Throws io_error when it cannot be opened, is no regular file, or cannot be mapped.
template <class Arch = native> storage_ptr map_file(const std::string& path) {
  detail::descriptor file(
      ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));  // a pipe without a writer must not block
  if (file.fd < 0) detail::file_error<Arch>(path, "cannot open");
  struct stat info;
  if (::fstat(file.fd, &info) != 0) detail::file_error<Arch>(path, "cannot stat");
  if (!S_ISREG(info.st_mode)) fail<io_error, Arch>(path, ": not a regular file");
  detail::mapping map;
  const auto bytes = static_cast<std::size_t>(info.st_size);
  if (bytes > 0) {
    void* at = ::mmap(nullptr, bytes, PROT_READ, MAP_PRIVATE, file.fd, 0);
    if (at == MAP_FAILED) detail::file_error<Arch>(path, "cannot map");
    map.data = at;
    map.bytes = bytes;
  }
  storage_ptr block = borrow_cpu(map.data, static_cast<int64>(bytes), [bytes](void* at) {
    if (at) ::munmap(at, bytes);
  });
  map.data = nullptr;  // the block owns it now
  return block;
}

/// A file in the making: written aside in the same folder, then renamed over `path` by `commit()`. Until then, and
/// after any error, what was at `path` is untouched and nothing else remains. Errors are io_errors with the system's
/// reason.
template <class Arch = native> class new_file {
 public:
  explicit new_file(const std::string& path) : path_(path) {
    mode_t mode = 0666;
    struct stat info;
    const bool replaces = ::stat(path.c_str(), &info) == 0;
    if (replaces) {
      if (!S_ISREG(info.st_mode)) fail<io_error, Arch>(path, ": not a regular file, cannot be replaced");
      mode = info.st_mode & 07777;
      if (char* real = ::realpath(path.c_str(), nullptr)) {  // a link stays, what it points to is replaced
        path_ = real;
        std::free(real);
      }
    }
    const auto slash = path_.rfind('/');
    folder_ = slash == std::string::npos ? "." : slash == 0 ? "/" : path_.substr(0, slash);
    for (int n = 0;; ++n) {
      temp_ = folder_ + "/.sinter-" + std::to_string(::getpid()) + "-" + std::to_string(n) + ".tmp";
      fd_ = ::open(temp_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
      if (fd_ >= 0) break;
      if (errno != EEXIST || n == 10000) {
        temp_.clear();
        error("cannot create a file in its folder");
      }
    }
    if (replaces && ::fchmod(fd_, mode) != 0 && errno != EPERM) error("cannot set its permissions");
  }
  new_file(const new_file&) = delete;
  new_file& operator=(const new_file&) = delete;
  ~new_file() { discard(); }

  void write(const void* data, std::size_t bytes) {
    const char* from = static_cast<const char*>(data);
    if (buffer_.size() + bytes < buffer_limit) {
      buffer_.append(from, bytes);
      return;
    }
    flush();
    if (bytes >= buffer_limit) write_now(from, bytes);
    else buffer_.append(from, bytes);
  }
  void write(std::string_view text) { write(text.data(), text.size()); }

  /// Everything reaches the disk, then the file takes its name.
  void commit() {
    flush();
    if (::fsync(fd_) != 0) error("cannot write");
    const int fd = fd_;
    fd_ = -1;
    if (::close(fd) != 0) error("cannot write");
    if (::rename(temp_.c_str(), path_.c_str()) != 0) error("cannot rename into place");
    temp_.clear();
    detail::descriptor folder(::open(folder_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    // Some file systems cannot sync folders; their files are as safe as they get.
    if (folder.fd >= 0 && ::fsync(folder.fd) != 0 && errno == EIO)
      error("was written, but its folder cannot be synced");
  }

 private:
  static constexpr std::size_t buffer_limit = 1 << 20;

  void flush() {
    write_now(buffer_.data(), buffer_.size());
    buffer_.clear();
  }
  void write_now(const char* from, std::size_t bytes) {
    while (bytes > 0) {
      const auto n = ::write(fd_, from, bytes < (std::size_t{1} << 30) ? bytes : std::size_t{1} << 30);
      if (n < 0 && errno == EINTR) continue;
      if (n <= 0) error("cannot write");
      from += n;
      bytes -= static_cast<std::size_t>(n);
    }
  }
  void discard() {
    if (fd_ >= 0) ::close(fd_);
    if (!temp_.empty()) ::unlink(temp_.c_str());
    fd_ = -1;
    temp_.clear();
  }
  [[noreturn]] void error(const char* what) {
    const int code = errno;
    discard();  // here, too, for programs without exceptions
    detail::file_error<Arch>(path_, what, code);
  }

  std::string path_, folder_, temp_, buffer_;
  int fd_ = -1;
};

}  // namespace sinter::inline v0
