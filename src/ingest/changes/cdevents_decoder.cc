#include "ingest/changes/cdevents_decoder.h"

#include <simdjson.h>

#include <optional>
#include <string>
#include <utility>

#include "ingest/attribute_writer.h"
#include "ingest/changes/artifact.h"
#include "ingest/json_splitter.h"
#include "ingest/tally.h"

namespace tomograph::ingest::changes {
namespace {

using simdjson::dom::array;
using simdjson::dom::element;
using simdjson::dom::object;
using telemetry::Batch;
using telemetry::ChangeKind;
using telemetry::Format;
using telemetry::Reason;

std::string_view TextOf(const object& o, std::string_view key) {
  element value;
  if (o[key].get(value) != simdjson::SUCCESS || !value.is_string()) return {};
  return value.get_string().value_unsafe();
}

std::optional<object> ObjectOf(const object& o, std::string_view key) {
  object inner;
  if (o[key].get(inner) != simdjson::SUCCESS) return std::nullopt;
  return inner;
}

/// "dev.cdevents.service.upgraded.0.2.0": subject "service", predicate "upgraded".
ChangeKind KindOfCdEvent(std::string_view subject, std::string_view predicate) {
  if (subject == "service") {
    if (predicate == "deployed" || predicate == "upgraded" || predicate == "published")
      return ChangeKind::kDeploy;
    if (predicate == "rolledback") return ChangeKind::kRollback;
    if (predicate == "removed") return ChangeKind::kRemove;
  }
  if (subject == "pipelinerun" || subject == "taskrun") return ChangeKind::kPipeline;
  return ChangeKind::kOther;
}

ChangeKind KindOf(std::string_view type) {
  constexpr std::string_view kPrefix = "dev.cdevents.";
  if (type.starts_with(kPrefix)) {
    std::string_view rest = type.substr(kPrefix.size());
    const std::string_view subject = rest.substr(0, rest.find('.'));
    rest.remove_prefix(std::min(subject.size() + 1, rest.size()));
    return KindOfCdEvent(subject, rest.substr(0, rest.find('.')));
  }
  std::string lower(type);
  for (char& c : lower) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  if (lower.find("flag") != std::string::npos) return ChangeKind::kFlag;
  if (lower.find("config") != std::string::npos) return ChangeKind::kConfig;
  return ChangeKind::kOther;
}

std::string_view FirstOf(std::initializer_list<std::string_view> texts) {
  for (const std::string_view text : texts) {
    if (!text.empty()) return text;
  }
  return {};
}

class EventReader {
 public:
  EventReader(const DecodeContext& context, Batch* batch, Tally* tally)
      : context_(context),
        strings_(context.identities->strings),
        events_(batch->events),
        tally_(tally) {}

  /// The envelope is CloudEvents' and the CDEvent its data; a bare CDEvent ({context, subject}) is
  /// read too, and so are the fields that CloudEvents without a CDEvent carry in their data.
  Understood Read(const object& event) {
    Understood said;
    tally_->Received();
    if (const std::optional<Reason> reason = TryToRead(event, &said)) {
      tally_->Lose(*reason);
      said.repaired = said.kept;
    } else {
      tally_->Keep();
    }
    return said;
  }

 private:
  /// Why it is repaired or dropped, if it is.
  std::optional<Reason> TryToRead(const object& event, Understood* said) {
    const std::optional<object> data = ObjectOf(event, "data");
    const object& payload = data ? *data : event;
    const std::optional<object> cd_context = ObjectOf(payload, "context");
    const auto either = [&](std::string_view key) {
      return FirstOf(
          {TextOf(event, key), cd_context ? TextOf(*cd_context, key) : std::string_view()});
    };
    const std::string_view type = either("type");
    const std::string_view id = either("id");
    said->id = id;
    if (type.empty() || id.empty()) {
      said->problem = std::string("it has no ") + (type.empty() ? "type" : "id") +
                      ": a CloudEvent with 'type' and 'id', or a CDEvent with both in 'context', "
                      "is read here";
      return Reason::kMalformed;
    }

    std::optional<Reason> repaired;
    Nanos time = 0;
    const std::string_view time_text =
        FirstOf({TextOf(event, "time"),
                 cd_context ? TextOf(*cd_context, "timestamp") : std::string_view()});
    if (time_text.empty()) {
      time = context_.clock->Now();
      repaired = Reason::kTimeFromObserved;
      said->problem = "it has no time: that of its arrival is taken";
    } else if (const Result<Nanos> parsed = ParseTime(time_text); parsed.ok()) {
      time = *parsed;
    } else {
      said->problem = "its time '" + std::string(time_text) + "' is not RFC 3339";
      return Reason::kBadTime;
    }

    events_.time_ns.push_back(time);
    events_.kind.push_back(KindOf(type));
    events_.id.push_back(Intern(id));
    events_.source.push_back(Intern(either("source")));
    said->kept = true;
    said->time = time;
    said->kind = events_.kind.back();
    ReadSubject(event, payload, said);
    if (said->service.empty()) {
      said->problem +=
          std::string(said->problem.empty() ? "" : "; ") +
          "it names no service, so that it is evidence against none: name it in data.subject.id "
          "(CDEvents), data.service or subject (CloudEvents)";
      if (!repaired) repaired = Reason::kNoSubject;
    }
    const std::optional<Reason> cut = ReadRest(event, payload, type);
    return repaired ? repaired : cut;
  }

  telemetry::StringId Intern(std::string_view text) {
    return strings_.Intern(telemetry::CutText(text, context_.limits.max_text_bytes));
  }

  void ReadSubject(const object& event, const object& payload, Understood* said) {
    const std::optional<object> subject = ObjectOf(payload, "subject");
    const std::optional<object> content = subject ? ObjectOf(*subject, "content") : std::nullopt;
    const std::optional<object> environment =
        content ? ObjectOf(*content, "environment") : std::nullopt;
    const auto in = [](const std::optional<object>& o, std::string_view key) {
      return o ? TextOf(*o, key) : std::string_view();
    };
    const std::string version =
        content ? VersionOfArtifact(TextOf(*content, "artifactId")) : std::string();
    said->service =
        FirstOf({in(subject, "id"), TextOf(payload, "service"), TextOf(event, "subject")});
    said->environment = FirstOf({in(environment, "id"), TextOf(payload, "environment")});
    said->version = FirstOf({version, TextOf(payload, "version")});
    events_.service.push_back(Intern(said->service));
    events_.environment.push_back(Intern(said->environment));
    events_.version.push_back(Intern(said->version));
  }

  std::optional<Reason> ReadRest(const object& event, const object& payload,
                                 std::string_view type) {
    AttributeWriter attributes(&events_.attributes, &strings_, context_.limits);
    attributes.Text("type", type);
    const std::string_view text = FirstOf(
        {TextOf(payload, "text"), TextOf(payload, "message"), TextOf(payload, "description")});
    if (!text.empty()) attributes.Text("text", text);
    element rest;
    if (payload["subject"].get(rest) == simdjson::SUCCESS ||
        event["data"].get(rest) == simdjson::SUCCESS) {
      attributes.Text("data", simdjson::minify(rest), telemetry::ValueType::kJson);
    }
    if (payload["customData"].get(rest) == simdjson::SUCCESS)
      attributes.Text("custom_data", simdjson::minify(rest), telemetry::ValueType::kJson);
    return attributes.EndRow();
  }

  const DecodeContext& context_;
  telemetry::Interner& strings_;
  telemetry::EventBatch& events_;
  Tally* tally_;
};

class LinesDecoder : public StreamDecoder {
 public:
  explicit LinesDecoder(DecodeContext context)
      : context_(std::move(context)),
        objects_(context_.limits.max_record_bytes, ""),
        tally_(context_.ledger, Format::kCdEvents, telemetry::Signal::kEvent) {}

  Status Push(ByteView chunk, const BatchSink& sink) override {
    objects_.Push(chunk, [&](JsonSplitter::Found f, ByteView text) { OnObject(f, text, sink); });
    return Status::Ok();
  }
  Status Finish(const BatchSink& sink) override {
    objects_.Finish([&](JsonSplitter::Found f, ByteView text) { OnObject(f, text, sink); });
    HandOut(sink);
    return Status::Ok();
  }
  DamagedLines TakeDamaged() override { return std::exchange(damaged_, {}); }

 private:
  void OnObject(JsonSplitter::Found found, ByteView text, const BatchSink& sink) {
    if (found == JsonSplitter::Found::kTooLarge)
      return CountLostMessage(context_.ledger, Format::kCdEvents, Reason::kTooLarge);
    object event;
    if (found == JsonSplitter::Found::kDamaged ||
        parser_.parse(text.data(), text.size()).get(event) != simdjson::SUCCESS) {
      damaged_.Add(objects_.line(), "no JSON object");
      return CountLostMessage(context_.ledger, Format::kCdEvents, Reason::kMalformed);
    }
    EventReader(context_, &batch_, &tally_).Read(event);
    tally_.Commit();
    if (batch_.rows() >= context_.limits.rows_per_batch) HandOut(sink);
  }

  void HandOut(const BatchSink& sink) {
    if (batch_.rows() == 0) return;
    batch_.origin.format = Format::kCdEvents;
    batch_.origin.received_ns = context_.clock->Now();
    sink(std::move(batch_));
    batch_ = Batch();
  }

  const DecodeContext context_;
  JsonSplitter objects_;
  DamagedLines damaged_;
  simdjson::dom::parser parser_;
  Tally tally_;
  Batch batch_;
};

}  // namespace

Status DecodeCdEvents(ByteView body, Format format, const DecodeContext& context, Batch* batch,
                      std::vector<Understood>* understood) {
  simdjson::dom::parser parser;
  element root;
  if (parser.parse(body.data(), body.size()).get(root) != simdjson::SUCCESS) {
    CountLostMessage(context.ledger, format, Reason::kMalformed);
    return Status::InvalidArgument("not JSON");
  }
  Tally tally(context.ledger, format, telemetry::Signal::kEvent);
  EventReader reader(context, batch, &tally);
  const auto read_one = [&](const element& item) {
    object event;
    Understood said;
    if (item.get(event) == simdjson::SUCCESS) {
      said = reader.Read(event);
    } else {
      tally.Received();
      tally.Lose(Reason::kMalformed);
      said.problem = "it is not a JSON object";
    }
    if (understood != nullptr) understood->push_back(std::move(said));
  };
  array list;
  if (root.get(list) == simdjson::SUCCESS) {
    for (const element item : list) read_one(item);
  } else {
    read_one(root);
  }
  tally.Commit();
  return Status::Ok();
}

std::unique_ptr<StreamDecoder> NewLinesDecoder(DecodeContext context) {
  return std::make_unique<LinesDecoder>(std::move(context));
}

}  // namespace tomograph::ingest::changes
