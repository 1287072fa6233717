#include "simulate/write/output_file.h"

#include <cerrno>
#include <cstring>

namespace tomograph::simulate {
namespace {

Status CannotWrite(const std::string& path) {
  const int why = errno;
  const bool full = why == ENOSPC || why == EDQUOT || why == EFBIG;
  return {full ? StatusCode::kUnavailable : StatusCode::kIo,
          "cannot write " + path + ": " + std::strerror(why)};
}

}  // namespace

Result<OutputFile> OutputFile::Open(const std::string& path) {
  std::FILE* file = std::fopen(path.c_str(), "wb");
  if (file == nullptr) return CannotWrite(path);
  return OutputFile(path, file);
}

Status OutputFile::Append(std::string_view bytes) {
  if (!status_.ok() || bytes.empty()) return status_;
  TG_CHECK(file_ != nullptr);
  if (std::fwrite(bytes.data(), 1, bytes.size(), file_.get()) != bytes.size()) return Fail();
  bytes_ += bytes.size();
  return Status::Ok();
}

Status OutputFile::Close() {
  if (file_ == nullptr) return status_;
  if (status_.ok() && std::fflush(file_.get()) != 0) return Fail();
  if (std::fclose(file_.release()) != 0 && status_.ok()) status_ = CannotWrite(path_);
  return status_;
}

Status OutputFile::Fail() {
  status_ = CannotWrite(path_);
  file_.reset();
  return status_;
}

Status WriteFile(const std::string& path, std::string_view bytes) {
  Result<OutputFile> file = OutputFile::Open(path);
  if (!file.ok()) return file.status();
  TG_RETURN_IF_ERROR(file->Append(bytes));
  return file->Close();
}

}  // namespace tomograph::simulate
