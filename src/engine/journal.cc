#include "engine/journal.h"

#include <algorithm>
#include <utility>

namespace tomograph::engine {
namespace {

using telemetry::Hypothesis;
using telemetry::Incident;
using telemetry::Picture;
using telemetry::ScrapeState;

/// Names and sentences come from telemetry: none may forge a line or drive a terminal.
std::string Plain(std::string text) {
  for (char& c : text)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = ' ';
  return text;
}

std::string ErrorOf(const ScrapeState& scrape) {
  const bool names_it = scrape.error.find(scrape.url) != std::string::npos;
  return names_it ? scrape.error : scrape.url + ": " + scrape.error;
}

std::string LeadingOf(const Incident& incident) {
  if (incident.diagnosis.hypotheses.empty()) return {};
  const Hypothesis& first = incident.diagnosis.hypotheses.front();
  return first.cause + "@" + std::to_string(static_cast<uint64_t>(first.entity));
}

std::string SentenceOf(const Incident& incident) {
  const std::string& summary = incident.diagnosis.summary;
  return summary.empty() ? incident.diagnosis.alert.text : summary;
}

}  // namespace

std::vector<JournalLine> Journal::Tell(const Picture& picture) {
  std::vector<JournalLine> lines;
  if (picture.replaying) return lines;
  TellArrival(picture, &lines);
  TellScrapes(picture, &lines);
  TellIncidents(picture, &lines);
  began_ = true;
  for (JournalLine& line : lines) line.text = Plain(std::move(line.text));
  return lines;
}

void Journal::TellArrival(const Picture& picture, std::vector<JournalLine>* lines) {
  size_t services = 0;
  Nanos newest = 0;
  for (const telemetry::Entity& entity : picture.entities) {
    if (entity.kind != telemetry::EntityKind::kService) continue;
    ++services;
    newest = std::max(newest, entity.last_seen);
  }
  if (!began_) earlier_ = newest;
  if (arrived_ || newest <= earlier_) return;
  arrived_ = true;
  lines->push_back({false, "telemetry arrives: " + std::to_string(services) +
                               (services == 1 ? " service" : " services") + " so far"});
}

void Journal::TellScrapes(const Picture& picture, std::vector<JournalLine>* lines) {
  scrapes_.resize(picture.scrapes.size());
  for (size_t i = 0; i < scrapes_.size(); ++i) {
    const ScrapeState& scrape = picture.scrapes[i];
    std::optional<bool>& told = scrapes_[i];
    if (scrape.last == 0 || told == scrape.up) continue;
    if (!scrape.up)
      lines->push_back({true, "scraping " + scrape.job + " fails: " + ErrorOf(scrape)});
    else
      lines->push_back(
          {false, "scraping " + scrape.job + (told ? " works again: " : " works: ") + scrape.url});
    told = scrape.up;
  }
}

void Journal::TellIncidents(const Picture& picture, std::vector<JournalLine>* lines) {
  std::map<std::string, Told> now;
  for (const Incident& incident : picture.incidents) {
    const Told is{LeadingOf(incident), incident.closed != 0};
    const auto before = incidents_.find(incident.id);
    const bool known = before != incidents_.end();
    now[incident.id] = is;
    // Those of earlier runs are there from the first Picture on.
    if (!known && is.closed && !began_) continue;
    if (!known)
      lines->push_back({true, "incident " + incident.id + " opened: " + SentenceOf(incident)});
    else if (before->second.leading != is.leading && !is.closed)
      lines->push_back({true, "incident " + incident.id + ": " + SentenceOf(incident)});
    if (is.closed && !(known && before->second.closed))
      lines->push_back({false, "incident " + incident.id + " closed"});
  }
  incidents_ = std::move(now);
}

}  // namespace tomograph::engine
