// For tests: an Audience that keeps what it sees.
#pragma once

#include <vector>

#include "simulate/show/records.h"

namespace tomograph::simulate {

struct KeptRecords : Audience {
  SenderId Enter(const Sender& sender) override {
    senders.push_back(sender);
    return static_cast<SenderId>(senders.size() - 1);
  }
  void See(const SpanRecord& span) override { spans.push_back(span); }
  void See(const SampleRecord& sample) override { samples.push_back(sample); }
  void See(const LogRecord& log) override { logs.push_back(log); }
  void See(const ChangeRecord& change) override { changes.push_back(change); }

  std::vector<Sender> senders;
  std::vector<SpanRecord> spans;
  std::vector<SampleRecord> samples;
  std::vector<LogRecord> logs;
  std::vector<ChangeRecord> changes;
};

}  // namespace tomograph::simulate
