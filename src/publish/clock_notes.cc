#include "publish/clock_notes.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <set>
#include <utility>

#include "publish/clock_json.h"
#include "publish/json.h"

namespace tomograph::publish {
namespace {

using telemetry::HopClock;
using telemetry::HostClock;
using telemetry::Picture;

struct Note {
  double off_s;
  std::string text;
};

std::string Lasting(double seconds) {
  char text[32];
  const bool long_one = std::abs(seconds) >= 1;
  std::snprintf(text, sizeof(text), "%.3g %s", long_one ? seconds : seconds * 1e3,
                long_one ? "s" : "ms");
  return text;
}

std::string Of(const std::string& host) { return host.empty() ? "a host without a name" : host; }

std::string IsBeyond(const std::string& host, double offset_s, const std::string& other) {
  return Of(host) + " is " + Lasting(std::abs(offset_s)) +
         (offset_s < 0 ? " behind " : " ahead of ") + Of(other);
}

std::string Seconds(Nanos t) { return FormatTime(t / kSecond * kSecond); }

/// `or_other`: what the other clock may have done instead.
std::string Jumped(uint64_t times, const telemetry::ClockStep& last, const std::string& or_other) {
  std::string text = "jumped ";
  if (times > 1) text += std::to_string(times) + " times, last ";
  text += (last.size < 0 ? "back" : "ahead") + or_other + " by " +
          Lasting(std::abs(ToSeconds(last.size)));
  const std::string from = Seconds(last.from), to = Seconds(last.to);
  return text + (from == to ? " at " + from : " between " + from + " and " + to);
}

std::string Jumped(const HostClock& clock) {
  return Jumped(clock.steps.size(), clock.steps.back(), "");
}

std::string Jumped(const HopClock& clock) {
  const char* opposite = clock.last_step.size < 0 ? " ahead," : " back,";
  return Jumped(clock.steps, clock.last_step, ", or " + Of(clock.caller_host) + opposite);
}

Note Told(const HostClock& clock, Nanos watermark) {
  const bool jumped = !clock.steps.empty();
  if (!IsOff(clock, watermark)) return {0, Of(clock.host) + " " + Jumped(clock) + "."};
  const telemetry::ClockSegment& s = clock.segments.back();
  const double offset = ToSeconds(s.offset);
  const Nanos bound = s.BoundAt(s.from + (s.to - s.from) / 2);
  if (clock.is_reference()) {
    const std::string what = jumped ? " " + Jumped(clock) : " jumped";
    return {std::abs(offset), Of(clock.host) + ", which others are measured against," + what +
                                  ": its times since are corrected by " +
                                  Lasting(std::abs(offset)) + "."};
  }
  std::string text = IsBeyond(clock.host, offset, clock.reference_host) + ", give or take " +
                     Lasting(ToSeconds(bound)) + " at most";
  text += s.applied ? ": its times are corrected" : ": too far to correct, its times stand as sent";
  if (jumped) text += "; it " + Jumped(clock);
  return {std::abs(offset), text + "."};
}

/// Beyond what clocks in sync may be, and what its error makes of it.
bool IsHeldOff(const HopClock& clock, Nanos watermark) {
  return HopClockState(clock, watermark) == HopClock::State::kFollowed &&
         std::abs(clock.offset) > telemetry::kHeldInSync &&
         std::abs(clock.offset) > 2 * clock.error;
}

Note Told(const HopClock& clock, bool off, const std::string& service) {
  const std::string as_told = ", as calls to " + service + " without ids tell: a guess that ";
  if (!off) return {0, Of(clock.callee_host) + " " + Jumped(clock) + as_told + "corrects no time."};
  std::string text = IsBeyond(clock.callee_host, clock.offset, clock.caller_host) +
                     " (standard error " + Lasting(clock.error) + ")";
  if (clock.steps > 0) text += " since it " + Jumped(clock);
  return {std::abs(clock.offset), text + as_told + "joins them and corrects no time."};
}

}  // namespace

bool IsOff(const HostClock& clock, Nanos watermark) {
  const std::string_view state = ClockState(clock, watermark);
  if (state != "corrected" && state != "raw") return false;
  const telemetry::ClockSegment& s = clock.segments.back();
  const Nanos bound = s.BoundAt(s.from + (s.to - s.from) / 2);
  return bound != telemetry::kUnknownBound && std::abs(s.offset) > bound;
}

std::vector<std::string> ClockNotes(const Picture& picture) {
  const EntityNames names(picture);
  std::vector<Note> notes;
  for (const HostClock& clock : picture.clocks)
    if (!clock.steps.empty() || IsOff(clock, picture.watermark))
      notes.push_back(Told(clock, picture.watermark));
  std::vector<HopClock> hops = picture.hop_clocks;
  std::stable_sort(hops.begin(), hops.end(), [](const HopClock& a, const HopClock& b) {
    return std::abs(a.offset) > std::abs(b.offset);
  });
  std::set<std::pair<telemetry::EntityId, telemetry::EntityId>> told;  // pairs of hosts
  size_t unknown = 0;
  for (const HopClock& clock : hops) {
    // Of calls that are over nothing is left to tell.
    const bool over = picture.watermark - clock.as_of > telemetry::kClockMemory;
    unknown += !over && HopClockState(clock, picture.watermark) == HopClock::State::kUnknown;
    const bool off = IsHeldOff(clock, picture.watermark);
    if (!off && (over || clock.steps == 0)) continue;
    // Hosts without a name are as many as there are services.
    const bool named = clock.caller != telemetry::kNoEntity && clock.callee != telemetry::kNoEntity;
    if (named && !told.insert({clock.caller, clock.callee}).second) continue;
    notes.push_back(Told(clock, off, names.Name(clock.service)));
  }
  std::stable_sort(notes.begin(), notes.end(),
                   [](const Note& a, const Note& b) { return a.off_s > b.off_s; });
  std::vector<std::string> out;
  for (Note& note : notes) out.push_back(std::move(note.text));
  if (unknown > 0)
    out.push_back("The clocks of " + std::to_string(unknown) + (unknown == 1 ? " pair" : " pairs") +
                  " of hosts, between which calls carry no ids, cannot be told: who sent these "
                  "calls is unknown.");
  return out;
}

}  // namespace tomograph::publish
