// SPDX-License-Identifier: BSD-2-Clause
/// The tables of the commands, given keys that somebody chose to meet in one bucket.
#include "support/flood.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <random>
#include <string>
#include <unordered_map>
#include <vector>

#include "cli/known.h"
#include "cli/rotate.h"
#include "trace/compress.h"
#include "trace/writer.h"

namespace tcpdwell {
namespace {

using flood::expect_as_random;
using flood::kKeys;

/// An answer of `serve` that tells of these sockets.
std::string answer_of(const std::vector<std::uint64_t>& cookies) {
  StringOutput output;
  TraceWriter writer(output);
  Header header;
  header.start_wall_ns = 1;
  header.minisockets = "off";
  EXPECT_TRUE(writer.header(header));
  for (const std::uint64_t cookie : cookies) {
    Seed seed;
    seed.socket.id = {cookie, 1};
    seed.state = State::Established;
    EXPECT_TRUE(writer.seed(seed));
  }
  TraceEnd end;
  end.wall_ns = 2;
  EXPECT_TRUE(writer.end(end));
  return output.text;
}

TEST(Flood, SocketsThatAServeKnows) {
  std::unordered_map<std::uint64_t, std::size_t> as_large;
  as_large.reserve(kKeys);
  std::mt19937_64 random(1);
  std::vector<std::uint64_t> colliding, others;
  for (std::uint64_t n = 1; n <= kKeys; ++n) {
    colliding.push_back(n * as_large.bucket_count());
    others.push_back(random());
  }
  expect_as_random(answer_of(colliding), answer_of(others), [](const std::string& answer) {
    const auto input = open_trace_bytes(answer);
    const auto known = Known::read(*input, "serve");
    ASSERT_TRUE(known.ok());
    ASSERT_EQ(known->size(), kKeys);
    for (Seed seed : known->sockets()) known->improve(seed);
  });
}

TEST(Flood, ConnectionsOfARecordingThatRotates) {
  std::mt19937_64 random(1);
  std::vector<ConnId> colliding, others;
  for (std::uint32_t n = 1; n <= kKeys; ++n) {
    colliding.push_back({n, 31 * 30'000 - 31 * n});
    others.push_back({random(), 1});
  }
  std::string directory = testing::TempDir() + "tcpdwell-flood-XXXXXX";
  ASSERT_NE(mkdtemp(directory.data()), nullptr);
  expect_as_random(colliding, others, [&](const std::vector<ConnId>& ids) {
    RotateOptions options;
    options.files.path = directory + "/" + std::to_string(getpid()) + ".json";
    options.files.mode = 0600;
    auto trace = RotatingTrace::create(options);
    ASSERT_TRUE(trace.ok());
    for (const ConnId& id : ids) {
      Seed seed;
      seed.socket.id = id;
      ASSERT_TRUE((*trace)->seed(seed));
    }
  });
  std::filesystem::remove_all(directory);
}

}  // namespace
}  // namespace tcpdwell
