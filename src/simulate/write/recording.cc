#include "simulate/write/recording.h"

#include <cstdio>
#include <filesystem>
#include <optional>
#include <utility>

#include "simulate/write/output_file.h"
#include "simulate/write/truth_file.h"

namespace tomograph::simulate {
namespace {

namespace fs = std::filesystem;

// A first line of our own, so that no comment of a scenario's can be taken for a format's.
constexpr std::string_view kScenarioHead = "# The scenario of this recording, as it was read.\n";

/// One signal's files.
class NumberedFiles {
 public:
  NumberedFiles(const fs::path& folder, std::string name, uint64_t file_bytes)
      : folder_(folder), name_(std::move(name)), file_bytes_(file_bytes) {}

  Status Append(const std::string& lines) {
    if (lines.empty()) return Status::Ok();
    if (file_ && file_->bytes() >= file_bytes_) TG_RETURN_IF_ERROR(Close());
    if (!file_) {
      char number[16];
      std::snprintf(number, sizeof number, "-%03u", count_++);
      Result<OutputFile> file = OutputFile::Open(folder_ / (name_ + number + ".jsonl"));
      if (!file.ok()) return file.status();
      file_ = std::move(file).value();
    }
    bytes_ += lines.size();
    return file_->Append(lines);
  }
  Status Close() {
    if (!file_) return Status::Ok();
    const Status status = file_->Close();
    file_.reset();
    return status;
  }
  uint64_t bytes() const { return bytes_; }

 private:
  const fs::path folder_;
  const std::string name_;
  const uint64_t file_bytes_;
  unsigned count_ = 0;
  std::optional<OutputFile> file_;
  uint64_t bytes_ = 0;
};

Status MakeFolder(const fs::path& folder) {
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) return Status::Io("cannot make " + folder.string() + ": " + error.message());
  const bool empty = fs::is_empty(folder, error);
  if (error) return Status::Io("cannot list " + folder.string() + ": " + error.message());
  if (!empty) {
    return Status::FailedPrecondition(folder.string() +
                                      " is not empty: a recording needs a folder of its own");
  }
  fs::create_directory(folder / "truth", error);
  if (error)
    return Status::Io("cannot make " + (folder / "truth").string() + ": " + error.message());
  return Status::Ok();
}

}  // namespace

struct Recording::Impl {
  Impl(const fs::path& where, uint64_t file_bytes)
      : folder(where),
        traces(where, "traces", file_bytes),
        metrics(where, "metrics", file_bytes),
        logs(where, "logs", file_bytes) {}

  Status AppendChanges(const std::string& lines) {
    if (lines.empty()) return Status::Ok();
    if (!changes) {
      Result<OutputFile> file = OutputFile::Open(folder / "changes.jsonl");
      if (!file.ok()) return file.status();
      changes = std::move(file).value();
    }
    return changes->Append(lines);
  }

  const fs::path folder;
  NumberedFiles traces, metrics, logs;
  std::optional<OutputFile> changes;
  std::unique_ptr<TruthFile> truth;
};

Recording::Recording(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Recording::~Recording() = default;

Result<std::unique_ptr<Recording>> Recording::Create(const std::string& folder,
                                                     std::string_view scenario_yaml,
                                                     uint64_t file_bytes) {
  TG_RETURN_IF_ERROR(MakeFolder(folder));
  auto impl = std::make_unique<Impl>(folder, file_bytes);
  const fs::path truth = impl->folder / "truth";
  TG_RETURN_IF_ERROR(
      WriteFile(truth / "scenario.yaml", std::string(kScenarioHead).append(scenario_yaml)));
  Result<std::unique_ptr<TruthFile>> rows = TruthFile::Open(truth / "truth.csv");
  if (!rows.ok()) return rows.status();
  impl->truth = std::move(rows).value();
  return std::unique_ptr<Recording>(new Recording(std::move(impl)));
}

Status Recording::Write(const OtlpJson::Lines& lines) {
  TG_RETURN_IF_ERROR(impl_->traces.Append(lines.traces));
  TG_RETURN_IF_ERROR(impl_->metrics.Append(lines.metrics));
  TG_RETURN_IF_ERROR(impl_->logs.Append(lines.logs));
  TG_RETURN_IF_ERROR(impl_->AppendChanges(lines.changes));
  return impl_->truth->Flush();
}

TruthLog* Recording::truth() { return impl_->truth.get(); }

Status Recording::Finish(const std::vector<TruthFault>& faults, bool impact_known) {
  TG_RETURN_IF_ERROR(impl_->traces.Close());
  TG_RETURN_IF_ERROR(impl_->metrics.Close());
  TG_RETURN_IF_ERROR(impl_->logs.Close());
  if (impl_->changes) TG_RETURN_IF_ERROR(impl_->changes->Close());
  TG_RETURN_IF_ERROR(impl_->truth->Close());
  return WriteFaults(impl_->folder / "truth" / "faults.json", faults, impact_known);
}

uint64_t Recording::bytes() const {
  return impl_->traces.bytes() + impl_->metrics.bytes() + impl_->logs.bytes() +
         (impl_->changes ? impl_->changes->bytes() : 0);
}

}  // namespace tomograph::simulate
