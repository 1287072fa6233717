// Journal: what a person who tails the log of a running Tomograph wants to read there: what changed
// from one Picture to the next. Telemetry arrives; an incident opens, is laid to another cause,
// closes; a target of scraping fails and answers again. Nothing is told twice, nothing of the
// Picture's own past.
//
// Threads: not safe; of the thread that makes the Pictures.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "telemetry/picture.h"

namespace tomograph::engine {

struct JournalLine {
  bool warning = false;
  std::string text;  // one line, without control characters
};

class Journal {
 public:
  /// What `picture` has that the one before had not. While a stored history is replayed nothing is
  /// told: it is older than this run.
  std::vector<JournalLine> Tell(const telemetry::Picture& picture);

 private:
  struct Told {
    std::string leading;  // cause and entity of the first hypothesis
    bool closed = false;
  };
  void TellArrival(const telemetry::Picture& picture, std::vector<JournalLine>* lines);
  void TellScrapes(const telemetry::Picture& picture, std::vector<JournalLine>* lines);
  void TellIncidents(const telemetry::Picture& picture, std::vector<JournalLine>* lines);

  bool began_ = false;    // whether a Picture was seen that is not being replayed
  Nanos earlier_ = 0;     // newest that a service said before that one
  bool arrived_ = false;  // something newer came
  std::vector<std::optional<bool>> scrapes_;  // up, in the Picture's order
  std::map<std::string, Told> incidents_;     // of the last Picture, by id
};

}  // namespace tomograph::engine
