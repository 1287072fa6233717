// Runs a fuzz target over every file of the given folders, and over 200 damaged copies of each (up
// to four bytes overwritten, every fourth copy cut short as well, by a fixed seed), without
// libFuzzer.
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include "base/random.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace {
void Run(const std::string& bytes) {
  LLVMFuzzerTestOneInput(reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size());
}
}  // namespace

int main(int argc, char** argv) {
  int files = 0;
  for (int i = 1; i < argc; ++i) {
    for (const auto& entry : std::filesystem::recursive_directory_iterator(argv[i])) {
      if (!entry.is_regular_file()) continue;
      std::ifstream in(entry.path(), std::ios::binary);
      const std::string bytes((std::istreambuf_iterator<char>(in)),
                              std::istreambuf_iterator<char>());
      ++files;
      Run(bytes);
      tomograph::Random random(bytes.size());
      for (int round = 0; round < 200 && !bytes.empty(); ++round) {
        std::string damaged = bytes;
        if (round % 4 == 0) damaged.resize(random.Below(bytes.size()));
        for (uint64_t k = random.Below(4) + 1; k > 0 && !damaged.empty(); --k)
          damaged[random.Below(damaged.size())] = static_cast<char>(random.Next());
        Run(damaged);
      }
    }
  }
  std::printf("%d files replayed\n", files);
  return files > 0 ? 0 : 1;  // an empty corpus tests nothing
}
