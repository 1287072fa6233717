// Request: one that an instance of a service has received and not yet answered.
#pragma once

#include "simulate/system/call.h"
#include "simulate/system/requests/settings.h"

namespace tomograph::simulate {

struct Request {
  Call call;
  Nanos began = 0;    // when it had a worker
  uint64_t span = 0;  // 0: it has none yet
  uint32_t instance = 0;
  uint32_t step = 0;     // of its operation, that is next
  uint32_t pending = 0;  // calls that it waits for
  bool fails = false;    // by itself
  Answer answer;
  const CallSettings* failed_call = nullptr;
};

}  // namespace tomograph::simulate
