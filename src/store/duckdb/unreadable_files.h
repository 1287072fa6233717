// UnreadableFiles: the Parquet files of the store that are gone or damaged, and why. Readers pass
// over them, so that one bad file costs its own rows and no others. A file stays one of them until
// it expires or the store is opened again. Thread-safe.
#pragma once

#include <map>
#include <mutex>
#include <set>
#include <string>
#include <vector>

namespace tomograph::store {

class UnreadableFiles {
 public:
  void Add(const std::string& path, const std::string& why) {
    std::lock_guard lock(mutex_);
    why_.emplace(path, why);
  }
  bool Has(const std::string& path) const {
    std::lock_guard lock(mutex_);
    return why_.count(path) > 0;
  }
  /// Forgets those that are none of `named`.
  void Keep(const std::vector<std::string>& named) {
    const std::set<std::string> still(named.begin(), named.end());
    std::lock_guard lock(mutex_);
    std::erase_if(why_, [&](const auto& file) { return still.count(file.first) == 0; });
  }
  /// "cold/spans/2026112107.parquet: why"
  std::vector<std::string> All() const {
    std::lock_guard lock(mutex_);
    std::vector<std::string> all;
    for (const auto& [path, why] : why_) all.push_back(path + ": " + why);
    return all;
  }

 private:
  mutable std::mutex mutex_;
  std::map<std::string, std::string> why_;  // by path within the store
};

}  // namespace tomograph::store
