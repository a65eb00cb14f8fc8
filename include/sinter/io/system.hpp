// SPDX-License-Identifier: BSD-3-Clause
// The few calls to the system that files need, for POSIX and for Windows, where paths are UTF-8. Errors are left in errno.
// Not here: what is done with them (file.hpp).
#pragma once
#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <string>

#include "../tensor/storage.hpp"

#ifdef _WIN32
#include <io.h>
#include <process.h>
// By hand: windows.h would bring hundreds of macros, min and max among them.
extern "C" {
__declspec(dllimport) int __stdcall MultiByteToWideChar(unsigned, unsigned long, const char*, int, wchar_t*, int);
__declspec(dllimport) int __stdcall MoveFileExW(const wchar_t*, const wchar_t*, unsigned long);
__declspec(dllimport) unsigned long __stdcall GetLastError();
}
#else
#include <sys/mman.h>
#include <unistd.h>
#endif

namespace sinter::inline v0::detail::inline SINTER_TARGET {

/// What stands at a path.
struct file_status {
  bool exists = false, regular = false;
  int64 bytes = 0;
  unsigned mode = 0666;  ///< permissions
};

#ifdef _WIN32

inline std::wstring wide(const std::string& utf8) {
  std::wstring w(utf8.size(), L'\0');
  const int n = MultiByteToWideChar(65001, 0, utf8.data(), static_cast<int>(utf8.size()), w.data(), static_cast<int>(w.size()));
  w.resize(static_cast<std::size_t>(n > 0 ? n : 0));
  return w;
}
inline int system_open(const std::string& path) { return ::_wopen(wide(path).c_str(), _O_RDONLY | _O_BINARY | _O_NOINHERIT); }
inline int system_create(const std::string& path) {
  return ::_wopen(wide(path).c_str(), _O_WRONLY | _O_CREAT | _O_EXCL | _O_BINARY | _O_NOINHERIT, _S_IREAD | _S_IWRITE);
}
inline file_status system_status(int status, const struct ::_stat64& s) {
  if (status != 0) return {};
  return {true, (s.st_mode & _S_IFMT) == _S_IFREG, static_cast<int64>(s.st_size), 0};
}
inline file_status system_status(int fd) {
  struct ::_stat64 s;
  const int status = ::_fstat64(fd, &s);
  return system_status(status, s);
}
inline file_status system_status(const std::string& path) {
  struct ::_stat64 s;
  const int status = ::_wstat64(wide(path).c_str(), &s);
  return system_status(status, s);
}
inline int64 system_write(int fd, const char* from, std::size_t bytes) { return ::_write(fd, from, static_cast<unsigned>(bytes)); }
inline bool system_sync(int fd) { return ::_commit(fd) == 0; }
inline bool system_close(int fd) { return ::_close(fd) == 0; }
inline void system_remove(const std::string& path) { ::_wremove(wide(path).c_str()); }
inline bool system_permissions(int, unsigned) { return true; }
inline std::string system_target(const std::string& path) { return path; }
inline int system_process() { return ::_getpid(); }
/// Lets `from` take the name `to`, on the disk, too.
inline bool system_replace(const std::string& from, const std::string& to) {
  if (MoveFileExW(wide(from).c_str(), wide(to).c_str(), 1 | 8)) return true;  // replace what is there; write through
  errno = GetLastError() == 2 || GetLastError() == 3 ? ENOENT : EACCES;
  return false;
}
inline bool system_sync_folder(const std::string&) { return true; }
inline std::size_t folder_end(const std::string& path) { return path.find_last_of("/\\"); }

/// The bytes of an open file in a block; null with errno where that fails. A copy: Windows lets nobody replace a file that is
/// mapped, so that what was loaded could not be saved again.
template <class Arch> storage_ptr system_map(int fd, int64 bytes) {
  storage_ptr block = allocate_cpu<Arch>(bytes);
  block->owned = false;  // read-only, as if it were mapped
  char* to = static_cast<char*>(block->data);
  for (int64 left = bytes; left > 0;) {
    const int n = ::_read(fd, to, static_cast<unsigned>(left < (1 << 30) ? left : 1 << 30));
    if (n <= 0) {
      if (n == 0) errno = EIO;
      return {};
    }
    to += n, left -= n;
  }
  return block;
}

#else

// Without a wait for the other end, should it be a pipe.
inline int system_open(const std::string& path) { return ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK); }
inline int system_create(const std::string& path) { return ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666); }
inline file_status system_status(int status, const struct ::stat& s) {
  if (status != 0) return {};
  return {true, S_ISREG(s.st_mode), static_cast<int64>(s.st_size), s.st_mode & 07777u};
}
inline file_status system_status(int fd) {
  struct ::stat s;
  const int status = ::fstat(fd, &s);
  return system_status(status, s);
}
inline file_status system_status(const std::string& path) {
  struct ::stat s;
  const int status = ::stat(path.c_str(), &s);
  return system_status(status, s);
}
inline int64 system_write(int fd, const char* from, std::size_t bytes) { return ::write(fd, from, bytes); }
inline bool system_sync(int fd) { return ::fsync(fd) == 0; }
inline bool system_close(int fd) { return ::close(fd) == 0; }
inline void system_remove(const std::string& path) { ::unlink(path.c_str()); }
inline bool system_permissions(int fd, unsigned mode) { return ::fchmod(fd, mode) == 0 || errno == EPERM; }
/// What a link points to, at last.
inline std::string system_target(const std::string& path) {
  std::string target = path;
  if (char* real = ::realpath(path.c_str(), nullptr)) {
    target = real;
    std::free(real);
  }
  return target;
}
inline int system_process() { return ::getpid(); }
inline bool system_replace(const std::string& from, const std::string& to) { return ::rename(from.c_str(), to.c_str()) == 0; }
// Some file systems cannot sync folders; their files are as safe as they get.
inline bool system_sync_folder(const std::string& folder) {
  const int fd = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  const bool failed = fd >= 0 && ::fsync(fd) != 0 && errno == EIO;
  if (fd >= 0) ::close(fd);
  if (failed) errno = EIO;
  return !failed;
}
inline std::size_t folder_end(const std::string& path) { return path.rfind('/'); }

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

/// The bytes of an open file in a block; null with errno where that fails.
template <class Arch> storage_ptr system_map(int fd, int64 size) {
  mapping map;
  const auto bytes = static_cast<std::size_t>(size);
  if (bytes > 0) {
    void* at = ::mmap(nullptr, bytes, PROT_READ, MAP_PRIVATE, fd, 0);
    if (at == MAP_FAILED) return {};
    map.data = at;
    map.bytes = bytes;
  }
  storage_ptr block = borrow_cpu(map.data, size, [bytes](void* at) {
    if (at) ::munmap(at, bytes);
  });
  map.data = nullptr;  // the block owns it now
  return block;
}

#endif

}  // namespace sinter::inline v0::detail::inline SINTER_TARGET
