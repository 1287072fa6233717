#include "temporary_folder.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string_view>

namespace tomograph::app {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kPrefix = "tomograph-recording-";
constexpr const char* kOwner = "/owner.lock";
constexpr const char* kUnowned = "/owner.new";

/// Anybody may put something of this name into a folder for all.
bool IsOurFolder(const std::string& path) {
  struct stat status {};
  return lstat(path.c_str(), &status) == 0 && S_ISDIR(status.st_mode) && status.st_uid == geteuid();
}

void RemoveIfAbandoned(const std::string& path) {
  if (!IsOurFolder(path)) return;
  // Without this file it is not ours, or was made just now.
  const int fd = open((path + kOwner).c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW);
  if (fd < 0) return;
  std::error_code error;
  if (flock(fd, LOCK_EX | LOCK_NB) == 0) fs::remove_all(path, error);
  close(fd);
}

void RemoveAbandoned(const fs::path& where) {
  std::error_code error;
  fs::directory_iterator at(where, error);
  for (; !error && at != fs::directory_iterator(); at.increment(error)) {
    if (at->path().filename().string().starts_with(kPrefix)) RemoveIfAbandoned(at->path().string());
  }
}

}  // namespace

TemporaryFolder::~TemporaryFolder() {
  std::error_code error;
  if (!path_.empty()) fs::remove_all(path_, error);
  if (lock_ >= 0) close(lock_);
}

const std::string& TemporaryFolder::Make() {
  std::error_code error;
  const fs::path where = fs::temp_directory_path(error);
  if (error) return path_;
  RemoveAbandoned(where);
  std::string path = where / (std::string(kPrefix) + "XXXXXX");
  if (mkdtemp(path.data()) == nullptr) return path_;
  path_ = path;
  // Locked before it bears its name, so that nobody finds it unlocked while its owner lives.
  lock_ = open((path + kUnowned).c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (lock_ >= 0 && flock(lock_, LOCK_EX | LOCK_NB) == 0)
    static_cast<void>(std::rename((path + kUnowned).c_str(), (path + kOwner).c_str()));
  return path_;
}

}  // namespace tomograph::app
