// OutputFile: a file that is written from its start to its end, and says when it cannot be: no
// folder, no permission, a full disk. Errors name the path and the system's reason (kIo; a full
// disk kUnavailable). After an error nothing more is written, and the first error stays the answer.
#pragma once

#include <cstdio>
#include <memory>
#include <string>
#include <string_view>

#include "base/status.h"

namespace tomograph::simulate {

class OutputFile {
 public:
  /// Makes or empties it.
  static Result<OutputFile> Open(const std::string& path);

  Status Append(std::string_view bytes);
  /// What was appended is with the system afterwards. Closing twice is closing once.
  Status Close();
  uint64_t bytes() const { return bytes_; }

 private:
  struct Closer {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };
  OutputFile(std::string path, std::FILE* file) : path_(std::move(path)), file_(file) {}
  Status Fail();

  std::string path_;
  std::unique_ptr<std::FILE, Closer> file_;
  uint64_t bytes_ = 0;
  Status status_;
};

/// Writes all of a small file.
Status WriteFile(const std::string& path, std::string_view bytes);

}  // namespace tomograph::simulate
