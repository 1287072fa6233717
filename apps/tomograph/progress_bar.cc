#include "progress_bar.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <string>

namespace tomograph::app {

ProgressBar::ProgressBar(bool enabled)
    : enabled_(enabled && isatty(STDERR_FILENO)), clock_(), started_(clock_.Now()) {}

ProgressBar::~ProgressBar() {
  if (shown_) std::fprintf(stderr, "\r\033[K");
}

void ProgressBar::Update(uint64_t done, uint64_t total, double scale, const char* unit) {
  const Nanos now = clock_.Now();
  if (!enabled_ || total == 0 || now - started_ < kSecond / 2 || now - last_ < kSecond / 10) return;
  last_ = now;
  shown_ = true;
  const double share = std::min(1.0, static_cast<double>(done) / static_cast<double>(total));
  constexpr int kWidth = 40;
  const int full = static_cast<int>(share * kWidth);
  std::fprintf(stderr, "\r[%s%s] %3.0f %%  %.1f of %.1f %s",
               std::string(static_cast<size_t>(full), '#').c_str(),
               std::string(static_cast<size_t>(kWidth - full), ' ').c_str(), share * 100,
               static_cast<double>(done) / scale, static_cast<double>(total) / scale, unit);
}

}  // namespace tomograph::app
