#include "net/http_server.h"

#include <algorithm>
#include <boost/asio/executor_work_guard.hpp>
#include <thread>

#include "net/http_connection.h"

namespace tomograph::net {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

namespace {

class BeastServer : public HttpServer {
 public:
  BeastServer(HttpLimits limits, Handler handler)
      : shared_(std::make_shared<HttpShared>()),
        acceptor_(asio::make_strand(shared_->io)),
        retry_(acceptor_.get_executor()) {
    shared_->limits = limits;
    shared_->handler = std::move(handler);
  }
  ~BeastServer() override { Stop(0); }

  Status Listen(const std::string& address, uint16_t port) {
    error_code error;
    const auto ip = asio::ip::make_address(address == "localhost" ? "127.0.0.1" : address, error);
    if (error) return Status::InvalidArgument("not an address to listen on: " + address);
    const tcp::endpoint endpoint(ip, port);
    acceptor_.open(endpoint.protocol(), error);
    if (!error) acceptor_.set_option(tcp::acceptor::reuse_address(true), error);
    if (!error) acceptor_.bind(endpoint, error);
    if (!error) acceptor_.listen(asio::socket_base::max_listen_connections, error);
    if (!error) port_ = acceptor_.local_endpoint(error).port();
    if (error) {
      return Status::Unavailable("cannot listen on " + address + ":" + std::to_string(port) + ": " +
                                 error.message());
    }
    return Status::Ok();
  }

  void Run(int threads) {
    Accept();
    for (int i = 0; i < std::max(1, threads); ++i) {
      threads_.emplace_back([shared = shared_] { shared->io.run(); });
    }
  }

  uint16_t port() const override { return port_; }

  void Stop(Nanos grace) override {
    std::lock_guard one_at_a_time(stop_mutex_);
    if (threads_.empty()) return;
    {
      std::lock_guard lock(shared_->mutex);
      shared_->stopping = true;
    }
    asio::post(acceptor_.get_executor(), [this] {
      error_code ignored;
      acceptor_.close(ignored);
      retry_.cancel();
    });
    StopConnections(false);
    if (!WaitForConnections(grace)) {
      StopConnections(true);
      WaitForConnections(std::min(grace, 100 * kMillisecond));
    }
    work_.reset();
    shared_->io.stop();
    for (std::thread& thread : threads_) thread.join();
    threads_.clear();
    error_code ignored;
    acceptor_.close(ignored);  // in case the threads ended before they came to it
  }

 private:
  void Accept() {
    acceptor_.async_accept(asio::make_strand(shared_->io),
                           [this](error_code error, tcp::socket socket) {
                             if (!acceptor_.is_open()) return;
                             if (error) return AcceptLater();  // out of file descriptors, mostly
                             Welcome(std::move(socket));
                             Accept();
                           });
  }

  void AcceptLater() {
    retry_.expires_after(std::chrono::milliseconds(100));
    retry_.async_wait([this](error_code error) {
      if (!error && acceptor_.is_open()) Accept();
    });
  }

  void Welcome(tcp::socket socket) {
    error_code ignored;
    socket.set_option(tcp::no_delay(true), ignored);
    const auto connection = std::make_shared<HttpConnection>(shared_.get(), std::move(socket));
    size_t count = 0;
    {
      std::lock_guard lock(shared_->mutex);
      if (shared_->stopping) return;
      shared_->connections.emplace(connection.get(), connection);
      count = shared_->connections.size();
    }
    const size_t limit = shared_->limits.max_connections;
    if (count <= limit) return connection->Start();
    if (count <= limit + kRefusedAtOnce) connection->StartRefusing();
  }

  void StopConnections(bool now) {
    std::vector<std::shared_ptr<HttpConnection>>
        alive;  // let go outside of the lock: they take it too
    {
      std::lock_guard lock(shared_->mutex);
      for (const auto& [raw, weak] : shared_->connections) {
        if (auto connection = weak.lock()) alive.push_back(std::move(connection));
      }
    }
    for (const auto& connection : alive) connection->Stop(now);
  }

  bool WaitForConnections(Nanos longest) {
    std::unique_lock lock(shared_->mutex);
    return shared_->changed.wait_for(lock, std::chrono::nanoseconds(longest),
                                     [&] { return shared_->connections.empty(); });
  }

  static constexpr size_t kRefusedAtOnce = 64;  // that get a 503; beyond, just the end

  std::shared_ptr<HttpShared> shared_;
  tcp::acceptor acceptor_;
  asio::steady_timer retry_;
  asio::executor_work_guard<asio::io_context::executor_type> work_{shared_->io.get_executor()};
  std::vector<std::thread> threads_;
  std::mutex stop_mutex_;
  uint16_t port_ = 0;
};

}  // namespace

Result<std::unique_ptr<HttpServer>> HttpServer::Start(const std::string& address, uint16_t port,
                                                      int threads, HttpLimits limits,
                                                      Handler handler) {
  auto server = std::make_unique<BeastServer>(limits, std::move(handler));
  TG_RETURN_IF_ERROR(server->Listen(address, port));
  server->Run(threads);
  return std::unique_ptr<HttpServer>(std::move(server));
}

}  // namespace tomograph::net
