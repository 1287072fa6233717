// A disk that tests can fill.
#pragma once

#include <sys/mount.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "store/duckdb/test_batches.h"

namespace tomograph::store {

/// A small file system of its own, or nothing when mounting is not permitted here.
class SmallDisk {
 public:
  explicit SmallDisk(const char* size) {
    mounted_ = mount("tmpfs", dir_.path().c_str(), "tmpfs", 0, size) == 0;
  }
  ~SmallDisk() {
    if (mounted_) umount2(dir_.path().c_str(), MNT_DETACH);
  }
  bool mounted() const { return mounted_; }
  const std::string& path() const { return dir_.path(); }
  std::string filler() const { return path() + "/filler"; }

  /// Leaves `bytes` free.
  void FillBut(uintmax_t bytes) const {
    const uintmax_t free = std::filesystem::space(path()).available;
    if (free <= bytes) return;
    std::ofstream file(filler(), std::ios::app | std::ios::binary);
    const std::string block(4096, 'x');
    for (uintmax_t n = free - bytes; n >= block.size() && file; n -= block.size()) file << block;
  }
  void Free() const { std::filesystem::remove(filler()); }

 private:
  TemporaryDirectory dir_;
  bool mounted_ = false;
};

}  // namespace tomograph::store
