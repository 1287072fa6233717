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
  const auto services = static_cast<size_t>(std::count_if(
      picture.entities.begin(), picture.entities.end(),
      [](const auto& entity) { return entity.kind == telemetry::EntityKind::kService; }));
  if (services > 0 && services_ == 0)
    lines->push_back({false, "telemetry arrives: " + std::to_string(services) +
                                 (services == 1 ? " service" : " services") + " so far"});
  services_ = std::max(services_, services);
}

void Journal::TellScrapes(const Picture& picture, std::vector<JournalLine>* lines) {
  for (const ScrapeState& scrape : picture.scrapes) {
    if (scrape.last == 0) continue;
    const auto [told, first] = scrapes_.try_emplace(scrape.url, scrape.up);
    if (!first && told->second == scrape.up) continue;
    told->second = scrape.up;
    if (!scrape.up)
      lines->push_back({true, "scraping " + scrape.job + " fails: " + ErrorOf(scrape)});
    else if (first)
      lines->push_back({false, "scraping " + scrape.job + " works: " + scrape.url});
    else
      lines->push_back({false, "scraping " + scrape.job + " works again: " + scrape.url});
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
