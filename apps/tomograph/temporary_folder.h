// TemporaryFolder: where the raw records are while a page is served that has no store of its own;
// removed with it. One whose process was killed stays behind; the next one to be made removes it.
#pragma once

#include <string>

namespace tomograph::app {

class TemporaryFolder {
 public:
  TemporaryFolder() = default;
  ~TemporaryFolder();
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;

  /// Removes those of this user whose owner is gone, then makes a folder. Whose owner lives is told
  /// by a lock, which ends with its process however that ends. Empty when it cannot be made.
  const std::string& Make();

 private:
  std::string path_;
  int lock_ = -1;
};

}  // namespace tomograph::app
