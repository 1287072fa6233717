#include "net/grpc_server.h"

#include <grpc/support/log.h>
#include <grpcpp/alarm.h>
#include <grpcpp/generic/async_generic_service.h>
#include <grpcpp/grpcpp.h>

#include <atomic>
#include <boost/asio/ip/tcp.hpp>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <protozero/pbf_writer.hpp>
#include <unordered_set>
#include <utility>
#include <vector>

#include "net/inflate.h"
#include "net/percent.h"

namespace tomograph::net {
namespace {

constexpr std::chrono::seconds kStopGrace{5};

/// google.rpc.Status with google.rpc.RetryInfo: clients of OTLP then wait that long.
std::string RetryDetails(const Status& status) {
  constexpr int64_t kRetrySeconds = 1;
  std::string bytes;
  protozero::pbf_writer details(bytes);
  details.add_int32(1, grpc::UNAVAILABLE);
  details.add_string(2, status.message());
  protozero::pbf_writer any(details, 3);
  any.add_string(1, "type.googleapis.com/google.rpc.RetryInfo");
  protozero::pbf_writer retry_info(any, 2);
  protozero::pbf_writer delay(retry_info, 1);
  delay.add_int64(1, kRetrySeconds);
  delay.commit();
  retry_info.commit();
  any.commit();
  return bytes;
}

grpc::Status ToGrpc(const Status& status) {
  switch (status.code()) {
    case StatusCode::kInvalidArgument:
      return {grpc::INVALID_ARGUMENT, status.message()};
    case StatusCode::kUnavailable:
      return {grpc::UNAVAILABLE, status.message(), RetryDetails(status)};
    case StatusCode::kResourceExhausted:
      return {grpc::RESOURCE_EXHAUSTED, status.message()};
    case StatusCode::kNotFound:
      return {grpc::UNIMPLEMENTED, status.message()};
    default:
      return {grpc::INTERNAL, status.message()};
  }
}

/// grpc says "ipv4:127.0.0.1:4711" or "ipv6:%5B::1%5D:4711".
std::string PeerName(const std::string& peer) {
  const std::string decoded = PercentDecode(peer, PlusMeans::kPlus);
  const bool has_scheme = decoded.rfind("ipv4:", 0) == 0 || decoded.rfind("ipv6:", 0) == 0;
  return has_scheme ? decoded.substr(5) : decoded;
}

/// grpc would inflate a message before it looks how large it is; so it is told not to, and hands on
/// the bytes as they came, without its flag. No protobuf message begins with gzip's two bytes.
bool IsGzip(ByteView message) {
  return message.size() >= 2 && message[0] == '\x1f' && message[1] == '\x8b';
}

/// ": reason", since grpc does not say why it cannot listen and the same tried without it does;
/// empty where that is not told either.
std::string WhyNot(const std::string& address, uint16_t port) {
  namespace asio = boost::asio;
  boost::system::error_code error;
  const asio::ip::address ip = asio::ip::make_address(address, error);
  if (error) return {};  // a name: grpc resolves these, and nobody here
  asio::io_context io;
  asio::ip::tcp::acceptor acceptor(io);
  const asio::ip::tcp::endpoint endpoint(ip, port);
  acceptor.open(endpoint.protocol(), error);
  if (!error) acceptor.bind(endpoint, error);
  return error ? ": " + error.message() : std::string();
}

class Call;

/// The calls under way. Shared with each call, since an answer may come when the server has gone.
class Calls {
 public:
  explicit Calls(const GrpcLimits& limits)
      : limit_(static_cast<size_t>(limits.max_calls_in_flight)),
        message_bytes_(static_cast<size_t>(limits.max_message_bytes)) {}

  bool Add(Call* call) {
    std::lock_guard lock(mutex_);
    if (stopping_ || open_.size() >= limit_) return false;
    open_.insert(call);
    return true;
  }
  void Remove(Call* call) {
    std::lock_guard lock(mutex_);
    if (open_.erase(call) > 0) changed_.notify_all();
    std::erase(waiting_, call);
  }
  /// Reads the call's message once there is room for one of the largest size, and refuses it when
  /// nobody who is being read could make that room.
  void Read(Call* call);
  /// A message was read and done with, and its share given back.
  void OnRead();
  /// No new calls; waits for those under way to be answered, then answers for them.
  void Stop();

 private:
  /// Under the lock: the calls that may be read now, and those that are refused.
  struct Next {
    std::vector<Call*> read;
    std::vector<std::function<void()>> refusals;
  };
  Next TakeNext();
  static void Run(const Next& next);

  const size_t limit_;
  const size_t message_bytes_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::unordered_set<Call*> open_;
  std::deque<Call*> waiting_;  // for room to be read, in the order of their arrival
  size_t reading_ = 0;
  bool stopping_ = false;
};

/// One call. grpc deletes it (OnDone) only after Finish, which is called exactly once: by the
/// answer, by the end of the last copy of the Reply, or by Stop.
class Call : public grpc::ServerGenericBidiReactor {
 public:
  Call(std::shared_ptr<Calls> calls, grpc::GenericCallbackServerContext* context,
       const GrpcServer::Handler* handler, const GrpcLimits* limits)
      : calls_(std::move(calls)),
        answer_(std::make_shared<Answer>(this)),
        context_(context),
        handler_(handler),
        limits_(limits),
        share_(limits->body_budget) {
    if (!calls_->Add(this)) {
      Refuse(answer_, Status::Unavailable("too many calls under way, try again"));
      return;
    }
    const auto timeout = std::chrono::nanoseconds(limits->read_timeout);
    late_.Set(std::chrono::system_clock::now() +
                  std::chrono::duration_cast<std::chrono::system_clock::duration>(timeout),
              [answer = answer_](bool expired) {
                if (expired) Refuse(answer, Status::Unavailable("no message came in time"));
              });
    calls_->Read(this);
  }

  BodyShare* share() { return &share_; }
  void Read() { StartRead(&request_); }

  void OnReadDone(bool ok) override {
    const std::shared_ptr<Calls> calls = calls_;
    {
      BodyShare share = std::move(share_);  // until the message is done with
      HandleRead(ok, &share);
    }
    calls->OnRead();
  }

  void OnDone() override { delete this; }

  // Both are made under the lock of Calls, while the call is open; they may be run when it no
  // longer is.
  std::function<void()> Refusal(std::string why) {
    return [answer = answer_, why = std::move(why)] { Refuse(answer, Status::Unavailable(why)); };
  }
  std::function<void()> End(std::string why) {
    return
        [answer = answer_, why = std::move(why)] { AnswerOnce(answer, Status::Unavailable(why)); };
  }

 private:
  void HandleRead(bool ok, BodyShare* share) {
    late_.Cancel();
    const std::shared_ptr<Answer> answer = answer_;
    if (answer->given) return;
    if (!ok) return Refuse(answer, Status::InvalidArgument("a call without a message"));
    grpc::Slice slice;
    if (!request_.TrySingleSlice(&slice).ok() && !request_.DumpToSingleSlice(&slice).ok()) {
      return Refuse(answer, Status::InvalidArgument("the message could not be read"));
    }
    // The message goes with this reactor, which may end as soon as the answer is there.
    request_.Clear();
    share->ShrinkTo(slice.size());
    ByteView message(reinterpret_cast<const char*>(slice.begin()), slice.size());
    std::string plain;
    if (IsGzip(message)) {
      Result<std::string> inflated =
          Inflate(message, limits_->max_inflated_bytes,
                  [&](size_t bytes) { return share->GrowTo(message.size() + bytes); });
      if (!inflated.ok()) return Refuse(answer, WhyNotInflated(inflated.status()));
      plain = std::move(*inflated);
      message = plain;
    }
    const auto last_copy = std::make_shared<Unanswered>(answer);
    (*handler_)(context_->method(), PeerName(context_->peer()), message,
                [last_copy](Result<std::string> result) {
                  AnswerOnce(last_copy->answer, std::move(result));
                });
  }

  static Status WhyNotInflated(const Status& status) {
    const bool is_limit = status.retryable() || status.code() == StatusCode::kResourceExhausted;
    return is_limit ? status : Status::InvalidArgument(status.message());
  }

  struct Answer {
    explicit Answer(Call* c) : call(c) {}
    std::atomic<bool> given{false};
    Call* const call;  // alive until given
  };
  struct Unanswered {
    explicit Unanswered(std::shared_ptr<Answer> a) : answer(std::move(a)) {}
    ~Unanswered() { AnswerOnce(answer, Status::Internal("the call was dropped unanswered")); }
    const std::shared_ptr<Answer> answer;
  };

  static void Refuse(const std::shared_ptr<Answer>& answer, const Status& why) {
    if (answer->given.exchange(true)) return;
    Call* const call = answer->call;
    if (call->limits_->on_refused) call->limits_->on_refused(call->context_->method(), why);
    call->Give(why);
  }

  static void AnswerOnce(const std::shared_ptr<Answer>& answer, Result<std::string> result) {
    if (!answer->given.exchange(true)) answer->call->Give(std::move(result));
  }

  /// Whoever set Answer::given, once. grpc may delete the call from then on.
  void Give(Result<std::string> result) {
    const std::shared_ptr<Calls> calls = calls_;
    calls->Remove(this);
    if (!result.ok()) return Finish(ToGrpc(result.status()));
    const grpc::Slice slice(result->data(), result->size());
    response_ = grpc::ByteBuffer(&slice, 1);
    StartWriteAndFinish(&response_, grpc::WriteOptions(), grpc::Status::OK);
  }

  const std::shared_ptr<Calls> calls_;
  const std::shared_ptr<Answer> answer_;
  grpc::GenericCallbackServerContext* const context_;
  const GrpcServer::Handler* const handler_;
  const GrpcLimits* const limits_;
  grpc::Alarm late_;
  BodyShare share_;
  grpc::ByteBuffer request_;
  grpc::ByteBuffer response_;
};

void Calls::Read(Call* call) {
  std::unique_lock lock(mutex_);
  waiting_.push_back(call);
  const Next next = TakeNext();
  lock.unlock();
  Run(next);
}

void Calls::OnRead() {
  std::unique_lock lock(mutex_);
  --reading_;
  const Next next = TakeNext();
  lock.unlock();
  Run(next);
}

Calls::Next Calls::TakeNext() {
  Next next;
  while (!waiting_.empty() && waiting_.front()->share()->GrowTo(message_bytes_)) {
    next.read.push_back(waiting_.front());
    waiting_.pop_front();
    ++reading_;
  }
  if (reading_ == 0) {
    for (Call* call : waiting_)
      next.refusals.push_back(call->Refusal("too many bytes of requests are in memory, try again"));
    waiting_.clear();
  }
  return next;
}

void Calls::Run(const Next& next) {
  for (Call* call : next.read) call->Read();
  for (const auto& refuse : next.refusals) refuse();
}

void Calls::Stop() {
  std::vector<std::function<void()>> refusals;
  {
    std::unique_lock lock(mutex_);
    stopping_ = true;
    changed_.wait_for(lock, kStopGrace, [&] { return open_.empty(); });
    for (Call* call : open_) refusals.push_back(call->End("the server is stopping"));
  }
  for (const auto& refuse : refusals) refuse();
}

class GenericServer : public GrpcServer, private grpc::CallbackGenericService {
 public:
  GenericServer(GrpcLimits limits, GrpcServer::Handler handler)
      : limits_(limits), handler_(std::move(handler)), calls_(std::make_shared<Calls>(limits)) {}
  ~GenericServer() override { Stop(); }

  Status Listen(const std::string& address, uint16_t port) {
    const std::string target = address + ":" + std::to_string(port);
    int bound = 0;
    grpc::ServerBuilder builder;
    builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT,
                               0);  // a port that is taken must be an error
    builder.SetMaxReceiveMessageSize(limits_.max_message_bytes);
    builder.AddChannelArgument(GRPC_ARG_ENABLE_PER_MESSAGE_DECOMPRESSION, 0);
    builder.SetCompressionAlgorithmSupportStatus(GRPC_COMPRESS_DEFLATE, false);
    builder.AddListeningPort(target, grpc::InsecureServerCredentials(), &bound);
    builder.RegisterCallbackGenericService(this);
    server_ = builder.BuildAndStart();
    if (server_ == nullptr || bound == 0)
      return Status::Unavailable("cannot listen on " + target + WhyNot(address, port));
    port_ = static_cast<uint16_t>(bound);
    return Status::Ok();
  }

  uint16_t port() const override { return port_; }

  void Stop() override {
    std::lock_guard lock(stop_mutex_);
    if (server_ == nullptr) return;
    calls_->Stop();
    server_->Shutdown(std::chrono::system_clock::now() + kStopGrace);
    server_->Wait();
    server_.reset();
  }

 private:
  grpc::ServerGenericBidiReactor* CreateReactor(
      grpc::GenericCallbackServerContext* context) override {
    return new Call(calls_, context, &handler_, &limits_);
  }

  const GrpcLimits limits_;
  const GrpcServer::Handler handler_;
  const std::shared_ptr<Calls> calls_;
  std::mutex stop_mutex_;
  std::unique_ptr<grpc::Server> server_;
  uint16_t port_ = 0;
};

}  // namespace

Result<std::unique_ptr<GrpcServer>> GrpcServer::Start(const std::string& address, uint16_t port,
                                                      GrpcLimits limits, Handler handler) {
  // What grpc writes to stderr is for its own developers; what matters comes back as a Status.
  gpr_set_log_function([](gpr_log_func_args*) {});
  auto server = std::make_unique<GenericServer>(limits, std::move(handler));
  TG_RETURN_IF_ERROR(server->Listen(address, port));
  return std::unique_ptr<GrpcServer>(std::move(server));
}

}  // namespace tomograph::net
