#include "store/duckdb/directory_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <utility>

namespace tomograph::store {
namespace {

std::string OwnerOf(int fd) {
  char text[32] = {};
  const ssize_t n = pread(fd, text, sizeof text - 1, 0);
  std::string owner(text, n > 0 ? static_cast<size_t>(n) : 0);
  while (!owner.empty() && owner.back() == '\n') owner.pop_back();
  return owner.empty() ? "another process" : "process " + owner;
}

Status SystemError(const std::string& what) {
  const std::string message = what + ": " + std::strerror(errno);
  return errno == ENOSPC ? Status::Unavailable(message) : Status::Io(message);
}

}  // namespace

Result<DirectoryLock> DirectoryLock::Acquire(const std::string& directory) {
  std::error_code error;
  std::filesystem::create_directories(directory, error);
  if (error) return Status::Io("cannot make the directory " + directory + ": " + error.message());
  const std::string path = directory + "/lock";
  const int fd = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (fd < 0) return SystemError("cannot open " + path);
  DirectoryLock lock(fd);
  if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) return SystemError("cannot lock " + path);
    return Status::FailedPrecondition("the directory " + directory + " is owned by " + OwnerOf(fd) +
                                      "; stop it or choose another directory");
  }
  // A full disk may refuse the pid; the lock holds all the same.
  const std::string pid = std::to_string(getpid()) + "\n";
  if (ftruncate(fd, 0) == 0) static_cast<void>(pwrite(fd, pid.data(), pid.size(), 0) > 0);
  return lock;
}

DirectoryLock::DirectoryLock(DirectoryLock&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}

DirectoryLock& DirectoryLock::operator=(DirectoryLock&& other) noexcept {
  std::swap(fd_, other.fd_);
  return *this;
}

void DirectoryLock::Release() {
  if (fd_ >= 0) close(std::exchange(fd_, -1));
}

}  // namespace tomograph::store
