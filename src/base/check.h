// TG_CHECK(condition): a broken invariant of our own code. Prints where and stops the process, in
// release builds too. Never for input: bad input is data and becomes a Status or a ledger entry.
#pragma once

namespace tomograph {
[[noreturn]] void CheckFailed(const char* condition, const char* file, int line);
}

#define TG_CHECK(condition)                          \
  (__builtin_expect(static_cast<bool>(condition), 1) \
       ? static_cast<void>(0)                        \
       : ::tomograph::CheckFailed(#condition, __FILE__, __LINE__))
