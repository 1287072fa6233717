// tomograph_load: full load on a running `tomograph serve`, and what it does to it.
//   tomograph_load PORT SECONDS PID [CONNECTIONS]
// Posts OTLP/HTTP trace requests of 1000 spans as fast as they are answered (429 and 503 are
// retried after what Retry-After says) and prints, every 10 s, the acknowledged spans and the
// server's memory and CPU time.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

#include "base/nanotime.h"
#include "traffic.h"

namespace tomograph {
namespace {

std::atomic<uint64_t> acknowledged{0}, refused{0}, failed{0};
std::atomic<bool> stop{false};

int Connect(uint16_t port) {
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  int one = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  if (connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0) return fd;
  close(fd);
  return -1;
}

bool SendAll(int fd, const char* data, size_t size) {
  while (size > 0) {
    const ssize_t n = send(fd, data, size, MSG_NOSIGNAL);
    if (n <= 0) return false;
    data += n;
    size -= static_cast<size_t>(n);
  }
  return true;
}

// The status of one HTTP answer, whose body is read and left; 0 when the connection broke.
int ReadStatus(int fd, std::string* buffer) {
  for (;;) {
    if (const size_t end = buffer->find("\r\n\r\n"); end != std::string::npos) {
      size_t length = 0;
      if (const char* header = strcasestr(buffer->c_str(), "content-length:"))
        length = std::strtoul(header + 15, nullptr, 10);
      if (buffer->size() >= end + 4 + length) {
        const int status = std::atoi(buffer->c_str() + 9);
        buffer->erase(0, end + 4 + length);
        return status;
      }
    }
    char chunk[4096];
    const ssize_t n = recv(fd, chunk, sizeof chunk, 0);
    if (n <= 0) return 0;
    buffer->append(chunk, static_cast<size_t>(n));
  }
}

void Send(uint16_t port, uint64_t sender) {
  bench::Traffic traffic(125, sender);
  WallClock clock;
  std::string buffer;
  int fd = -1;
  while (!stop) {
    if (fd < 0) {
      buffer.clear();
      fd = Connect(port);
      if (fd < 0) {
        ++failed;
        std::this_thread::sleep_for(std::chrono::milliseconds(200));
        continue;
      }
    }
    const std::string& body = traffic.Next(clock.Now() - 50 * kMillisecond, kMillisecond);
    const std::string head =
        "POST /v1/traces HTTP/1.1\r\nhost: load\r\ncontent-type: "
        "application/x-protobuf\r\ncontent-length: " +
        std::to_string(body.size()) + "\r\n\r\n";
    for (bool again = true; again && !stop;) {
      again = false;
      const int status =
          SendAll(fd, head.data(), head.size()) && SendAll(fd, body.data(), body.size())
              ? ReadStatus(fd, &buffer)
              : 0;
      if (status == 200) {
        acknowledged += static_cast<uint64_t>(traffic.spans());
      } else if (status == 429 || status == 503) {
        ++refused;
        again = true;
        std::this_thread::sleep_for(std::chrono::milliseconds(100));
      } else {
        ++failed;
        close(fd);
        fd = -1;
      }
    }
  }
  if (fd >= 0) close(fd);
}

double ResidentMegabytes(const char* pid) {
  const std::string path = std::string("/proc/") + pid + "/statm";
  long pages = 0, resident = 0;
  if (std::FILE* f = std::fopen(path.c_str(), "r")) {
    if (std::fscanf(f, "%ld %ld", &pages, &resident) != 2) resident = 0;
    std::fclose(f);
  }
  return static_cast<double>(resident) * static_cast<double>(sysconf(_SC_PAGESIZE)) / 1e6;
}

double CpuSeconds(const char* pid) {
  const std::string path = std::string("/proc/") + pid + "/stat";
  unsigned long user = 0, system = 0;
  if (std::FILE* f = std::fopen(path.c_str(), "r")) {
    if (std::fscanf(f, "%*d (%*[^)]) %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user,
                    &system) != 2)
      user = system = 0;
    std::fclose(f);
  }
  return static_cast<double>(user + system) / static_cast<double>(sysconf(_SC_CLK_TCK));
}

}  // namespace
}  // namespace tomograph

int main(int argc, char** argv) {
  using namespace tomograph;  // NOLINT
  if (argc < 4) {
    std::fprintf(stderr, "usage: tomograph_load PORT SECONDS PID [CONNECTIONS]\n");
    return 2;
  }
  const int seconds = std::atoi(argv[2]);
  const int connections = argc > 4 ? std::atoi(argv[4]) : 16;
  const double cpu_before = CpuSeconds(argv[3]);
  const auto begin = std::chrono::steady_clock::now();
  std::vector<std::thread> senders;
  for (int i = 0; i < connections; ++i)
    senders.emplace_back(Send, static_cast<uint16_t>(std::atoi(argv[1])), static_cast<uint64_t>(i));
  double peak = 0;
  const auto print = [&](double at) {
    const double cpu = CpuSeconds(argv[3]) - cpu_before;
    std::printf(
        "%5.0f s  %8.2f M spans acknowledged, %6.0f k/s, %6.0f k per CPU second, %llu refused, "
        "%llu failed, %.0f MB resident (peak %.0f)\n",
        at, static_cast<double>(acknowledged) / 1e6, static_cast<double>(acknowledged) / at / 1e3,
        static_cast<double>(acknowledged) / std::max(cpu, 0.01) / 1e3,
        static_cast<unsigned long long>(refused), static_cast<unsigned long long>(failed),
        ResidentMegabytes(argv[3]), peak);
    std::fflush(stdout);
  };
  for (int s = 1; s <= seconds; ++s) {
    std::this_thread::sleep_until(begin + std::chrono::seconds(s));
    peak = std::max(peak, ResidentMegabytes(argv[3]));
    if (s % 10 == 0 || s == seconds) print(s);
  }
  stop = true;
  for (auto& t : senders) t.join();
  return failed > 0 ? 1 : 0;
}
