// SPDX-License-Identifier: BSD-3-Clause
// Files for the readers and writers: one mapped into memory, one written aside and renamed into place.
// No format is known here. Next: safetensors.hpp, npy.hpp, csv.hpp; system.hpp for what the system does.
#pragma once
#include <functional>
#include <string_view>
#include <unordered_set>

#include "system.hpp"

namespace sinter::inline v0 {
namespace detail::inline SINTER_TARGET {

template <class Arch = native>
[[noreturn]] SINTER_COLD void file_error(const std::string& path, const char* what, int code = errno) {
  fail<io_error, Arch>(path, ": ", what, ": ", static_cast<const char*>(std::strerror(code)));
}

// A set of names whose code is this target's, as the keys' type is: the linker would merge that of plain strings.
template <class S> struct set_key : S {
  template <class X> requires std::is_convertible_v<const X&, S> set_key(const X& x) : S(x) {}
};
struct set_hash {
  template <class S> std::size_t operator()(const set_key<S>& k) const { return std::hash<S>()(k); }
};
template <class S> using name_set = std::unordered_set<set_key<S>, set_hash>;

// Closes, where no error can matter.
struct descriptor {
  int fd = -1;
  explicit descriptor(int f) : fd(f) {}
  descriptor(const descriptor&) = delete;
  descriptor& operator=(const descriptor&) = delete;
  ~descriptor() {
    if (fd >= 0) system_close(fd);
  }
};

}  // namespace detail::inline SINTER_TARGET

/// The file at `path`, mapped read-only; the mapping ends with the last handle to the block. An empty file has no data.
/// The file must not be truncated while mapped: reading what is gone is a SIGBUS, as with every mapped file. On Windows the
/// block is a copy. Throws io_error when it cannot be opened, is no regular file, or cannot be mapped.
template <class Arch = native> storage_ptr map_file(const std::string& path) {
  detail::descriptor file(detail::system_open(path));
  if (file.fd < 0) detail::file_error<Arch>(path, "cannot open");
  const detail::file_status status = detail::system_status(file.fd);
  if (!status.exists) detail::file_error<Arch>(path, "cannot stat");
  if (!status.regular) fail<io_error, Arch>(path, ": not a regular file");
  storage_ptr block = detail::system_map<Arch>(file.fd, status.bytes);
  if (!block) detail::file_error<Arch>(path, "cannot map");
  return block;
}

/// A file in the making: written aside in the same folder, then renamed over `path` by `commit()`. Until then, and
/// after any error, what was at `path` is untouched and nothing else remains. Errors are io_errors with the system's
/// reason.
template <class Arch = native> class new_file {
 public:
  explicit new_file(const std::string& path) : path_(path) {
    const detail::file_status old = detail::system_status(path);
    if (old.exists && !old.regular) fail<io_error, Arch>(path, ": not a regular file, cannot be replaced");
    if (old.exists) path_ = detail::system_target(path);  // a link stays, what it points to is replaced
    const auto end = detail::folder_end(path_);
    folder_ = end == std::string::npos ? "." : end == 0 ? "/" : path_.substr(0, end);
    for (int n = 0;; ++n) {
      temp_ = folder_ + "/.sinter-" + std::to_string(detail::system_process()) + "-" + std::to_string(n) + ".tmp";
      fd_ = detail::system_create(temp_);
      if (fd_ >= 0) break;
      if (errno != EEXIST || n == 10000) {
        temp_.clear();
        error("cannot create a file in its folder");
      }
    }
    if (old.exists && !detail::system_permissions(fd_, old.mode)) error("cannot set its permissions");
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
    if (!detail::system_sync(fd_)) error("cannot write");
    const int fd = fd_;
    fd_ = -1;
    if (!detail::system_close(fd)) error("cannot write");
    if (!detail::system_replace(temp_, path_)) error("cannot rename into place");
    temp_.clear();
    if (!detail::system_sync_folder(folder_)) error("was written, but its folder cannot be synced");
  }

 private:
  static constexpr std::size_t buffer_limit = 1 << 20;

  void flush() {
    write_now(buffer_.data(), buffer_.size());
    buffer_.clear();
  }
  void write_now(const char* from, std::size_t bytes) {
    while (bytes > 0) {
      const int64 n = detail::system_write(fd_, from, bytes < (std::size_t{1} << 30) ? bytes : std::size_t{1} << 30);
      if (n < 0 && errno == EINTR) continue;
      if (n <= 0) error("cannot write");
      from += n;
      bytes -= static_cast<std::size_t>(n);
    }
  }
  void discard() {
    if (fd_ >= 0) detail::system_close(fd_);
    if (!temp_.empty()) detail::system_remove(temp_);
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
