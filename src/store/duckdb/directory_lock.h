// One process owns a store's directory. The lock is the kernel's (flock), so a dead owner leaves
// none behind; the pid in the file is for the message only.
#pragma once

#include <string>

#include "base/status.h"

namespace tomograph::store {

class DirectoryLock {
 public:
  /// Makes the directory when it is absent. kFailedPrecondition, naming pid and directory, when it
  /// is owned.
  static Result<DirectoryLock> Acquire(const std::string& directory);
  DirectoryLock(DirectoryLock&& other) noexcept;
  DirectoryLock& operator=(DirectoryLock&& other) noexcept;
  ~DirectoryLock() { Release(); }
  /// Idempotent.
  void Release();

 private:
  explicit DirectoryLock(int fd) : fd_(fd) {}
  int fd_;
};

}  // namespace tomograph::store
