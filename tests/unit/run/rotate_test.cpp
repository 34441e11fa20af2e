// SPDX-License-Identifier: BSD-2-Clause
#include "run/rotate.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "unit/folder_for_tests.h"
#include "unit/trace/events_for_tests.h"

namespace tcpdwell {
namespace {

constexpr std::int64_t kSecond = 1'000'000'000;
constexpr std::int64_t kStart = 1'767'323'045 * kSecond;  // 2026-01-02T03:04:05Z

std::vector<std::string> names_in(const Folder& folder) {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(folder.path()))
    names.push_back(entry.path().filename());
  std::sort(names.begin(), names.end());
  return names;
}

/// A recording whose time the test sets.
class Recording {
 public:
  explicit Recording(RotateOptions options) {
    options.files.mode = 0600;
    options.files.path = folder.path() + "/t.json";
    options.clocks.wall = [this] { return wall; };
    options.clocks.monotonic = [this] { return monotonic; };
    auto created = RotatingTrace::create(std::move(options));
    if (!created) throw std::runtime_error(created.error().message);
    trace = std::move(created).value();
    Header header = sample_header();
    header.start_wall_ns = wall;
    EXPECT_TRUE(trace->header(header).ok());
  }
  void pass(std::int64_t ns) {
    wall += ns;
    monotonic += ns;
    EXPECT_TRUE(trace->flush().ok());
    if (trace->is_due()) {
      EXPECT_TRUE(trace->open_told(true).ok());
    }
  }
  void tell(std::uint64_t cookie, State from, State to) {
    Transition event = sample_transition();
    event.wall_ns = wall;
    event.mono_ns = static_cast<std::uint64_t>(monotonic);
    event.socket.id.cookie = cookie;
    event.from = from;
    event.to = to;
    EXPECT_TRUE(trace->transition(event).ok());
  }
  /// Ends it well.
  void finish() {
    TraceEnd end;
    end.wall_ns = wall;
    EXPECT_TRUE(trace->end(end).ok());
    EXPECT_TRUE(trace->close().ok());
  }
  std::vector<Event> read(const std::string& name) const {
    auto input = open_trace_file(folder.path() + "/" + name);
    EXPECT_TRUE(input.ok());
    Kept kept;
    const auto report = read_trace(*input.value(), name, kept);
    EXPECT_TRUE(report.ok() && report.value().complete) << name;
    return kept.events;
  }

  Folder folder;
  std::int64_t wall = kStart, monotonic = 1000 * kSecond;
  std::unique_ptr<RotatingTrace> trace;
};

RotateOptions every(std::int64_t seconds) {
  RotateOptions options;
  options.max_age_ns = static_cast<std::uint64_t>(seconds * kSecond);
  return options;
}

template <class T>
std::vector<T> all_of(const std::vector<Event>& events) {
  std::vector<T> found;
  for (const Event& event : events)
    if (const T* one = std::get_if<T>(&event)) found.push_back(*one);
  return found;
}

TEST(Rotate, AFileIsAsOldAsItMayBeAndNoOlder) {
  Recording recording(every(3600));
  recording.pass(3600 * kSecond - 1);
  EXPECT_EQ(names_in(recording.folder),
            std::vector<std::string>{"t-20260102T030405Z-0001.json.part"});
  recording.pass(1);
  EXPECT_EQ(names_in(recording.folder),
            (std::vector<std::string>{"t-20260102T030405Z-0001.json",
                                      "t-20260102T040405Z-0002.json.part"}));
  recording.finish();
  const TraceEnd end = all_of<TraceEnd>(recording.read("t-20260102T030405Z-0001.json")).at(0);
  EXPECT_EQ(end.duration_ns, 3600U * kSecond);
  EXPECT_EQ(end.wall_ns, kStart + 3600 * kSecond);
}

TEST(Rotate, AnOpenConnectionIsInEveryPart) {
  Recording recording(every(10));
  recording.tell(1, State::SynSent, State::Established);
  recording.tell(2, State::SynSent, State::Established);
  recording.pass(4 * kSecond);
  recording.tell(2, State::Established, State::Close);
  for (int i = 0; i < 3; ++i) recording.pass(10 * kSecond);
  recording.finish();
  const auto names = names_in(recording.folder);
  ASSERT_EQ(names.size(), 4U);
  for (std::size_t i = 0; i < names.size(); ++i) {
    const auto events = recording.read(names[i]);
    const auto seeds = all_of<Seed>(events);
    EXPECT_EQ(all_of<TraceEnd>(events).at(0).connections, i == 0 ? 2U : 1U) << names[i];
    ASSERT_EQ(seeds.size(), i == 0 ? 0U : 1U) << names[i];
    if (i == 0) continue;
    EXPECT_EQ(seeds[0].socket.id.cookie, 1U);
    EXPECT_EQ(seeds[0].state, State::Established);
    EXPECT_EQ(seeds[0].age, (Dwell{Bound::Exact, (4 + 10 * i) * kSecond}));
    EXPECT_EQ(seeds[0].wall_ns, all_of<Header>(events).at(0).start_wall_ns);
  }
}

TEST(Rotate, AStepOfTheWallClockIsNoTime) {
  Recording recording(every(10));
  recording.tell(1, State::SynSent, State::Established);
  recording.wall -= 3600 * kSecond;
  recording.pass(9 * kSecond);
  recording.wall += 7200 * kSecond;
  EXPECT_EQ(names_in(recording.folder).size(), 1U);
  recording.pass(kSecond);
  recording.finish();
  const auto names = names_in(recording.folder);
  ASSERT_EQ(names.size(), 2U);
  EXPECT_EQ(all_of<TraceEnd>(recording.read(names[0])).at(0).duration_ns, 10U * kSecond);
  EXPECT_EQ(all_of<Header>(recording.read(names[1])).at(0).start_wall_ns, kStart + 10 * kSecond);
}

TEST(Rotate, TheOldestGo) {
  RotateOptions options = every(10);
  options.files.keep = 2;
  Recording recording(std::move(options));
  for (int i = 0; i < 4; ++i) recording.pass(10 * kSecond);
  EXPECT_EQ(
      names_in(recording.folder),
      (std::vector<std::string>{"t-20260102T030425Z-0003.json", "t-20260102T030435Z-0004.json",
                                "t-20260102T030445Z-0005.json.part"}));
}

TEST(Rotate, WhatTheFlagMayMean) {
  const auto read = [](const std::string& text) {
    RotateOptions options;
    const Status status = parse_rotate(text, options);
    return status ? fmt::format("{} bytes {} ns", options.max_bytes, options.max_age_ns)
                  : fmt::format("{}", static_cast<int>(status.error().fault));
  };
  EXPECT_EQ(read("100M"), "104857600 bytes 0 ns");
  EXPECT_EQ(read("4096"), "4096 bytes 0 ns");
  EXPECT_EQ(read("90s"), "0 bytes 90000000000 ns");
  EXPECT_EQ(read("1h"), "0 bytes 3600000000000 ns");
  for (const char* text :
       {"", "0", "0s", "999ms", "-1h", "h", "1.", "100M ", "1d", "18446744073709551616"})
    EXPECT_EQ(read(text), "2") << text;
}

}  // namespace
}  // namespace tcpdwell
