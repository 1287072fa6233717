#include "correlate/flows/flow_reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tomograph::correlate {
namespace {

using telemetry::StringId;
using ::testing::SizeIs;

constexpr StringId kX{7}, kY{8}, kZ{9};

void Append(telemetry::FlowBatch* f, StringId from, uint16_t from_port, StringId to,
            uint16_t to_port, float weight = 1) {
  f->start_ns.push_back(kSecond);
  f->end_ns.push_back(2 * kSecond);
  f->source_address.push_back(from);
  f->destination_address.push_back(to);
  f->source_port.push_back(from_port);
  f->destination_port.push_back(to_port);
  f->protocol.push_back(6);
  f->weight.push_back(weight);
  f->resource.push_back(telemetry::kNoResource);
}

std::vector<FlowReader::Connection> Read(const telemetry::FlowBatch& flows,
                                         const FlowReader::Answers& answers) {
  FlowReader reader;
  for (size_t i = 0; i < flows.rows(); ++i) reader.Add(0, flows, i);
  return reader.Take(kSecond, answers);
}

bool Nobody(const FlowReader::End&) { return false; }

TEST(FlowReader, BothDirectionsAndRepeatsAreOneConnection) {
  telemetry::FlowBatch flows;
  Append(&flows, kX, 40000, kY, 8080, 100);
  Append(&flows, kY, 8080, kX, 40000, 100);
  Append(&flows, kX, 40000, kY, 8080, 100);
  const auto connections = Read(flows, Nobody);
  ASSERT_THAT(connections, SizeIs(1));
  EXPECT_EQ(connections[0].server, (FlowReader::End{kY, 8080}));
  EXPECT_EQ(connections[0].records, 3);
  EXPECT_EQ(connections[0].weight, 100) << "one connection, which stands for a hundred";
}

TEST(FlowReader, TheServerIsTheEndThatListens) {
  const auto server = [](StringId x, uint16_t x_port, StringId y, uint16_t y_port,
                         const FlowReader::Answers& answers) {
    telemetry::FlowBatch flows;
    Append(&flows, x, x_port, y, y_port);
    return Read(flows, answers).at(0);
  };
  EXPECT_EQ(server(kX, 443, kY, 2000, Nobody).server.address, kX);
  EXPECT_EQ(server(kX, 9000, kY, 50000, Nobody).server.address, kX);
  EXPECT_EQ(
      server(kX, 443, kY, 50000, [](const auto& e) { return e.port == 50000; }).server.address, kY)
      << "somebody is known to answer there";
  const auto guess = server(kX, 9000, kY, 9001, Nobody);
  EXPECT_EQ(guess.server.address, kX);
  EXPECT_LT(guess.confidence, 0.7);
  telemetry::FlowBatch many;
  for (uint16_t p = 0; p < 5; ++p) Append(&many, kZ, static_cast<uint16_t>(9500 + p), kY, 9900);
  for (const auto& c : Read(many, Nobody)) EXPECT_EQ(c.server, (FlowReader::End{kY, 9900}));
}

TEST(FlowReader, IsBoundedAndKeepsLaterWindows) {
  FlowReader reader(3);
  telemetry::FlowBatch flows;
  for (uint16_t p = 0; p < 5; ++p) Append(&flows, kX, static_cast<uint16_t>(40000 + p), kY, 80);
  for (size_t i = 0; i < flows.rows(); ++i) reader.Add(i == 0 ? 5 * kSecond : 0, flows, i);
  EXPECT_EQ(reader.refused(), 2u);
  EXPECT_THAT(reader.Take(kSecond, Nobody), SizeIs(2));
  EXPECT_EQ(reader.oldest(), 5 * kSecond);
}

}  // namespace
}  // namespace tomograph::correlate
