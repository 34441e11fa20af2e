// SPDX-License-Identifier: BSD-2-Clause
/// Bytes as a recipe for events whose keys mean harm, thousands of some kind, through everything
/// that counts them. How much memory that may take is the caller's to limit: scripts/fuzz,
/// driver.cpp.
#include <algorithm>
#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "aggregate/aggregator.h"
#include "aggregate/analyzer.h"
#include "aggregate/open_groups.h"
#include "aggregate/open_table.h"
#include "aggregate/ports.h"
#include "cli/ask_serve.h"
#include "fuzz/require.h"
#include "support/colliding.h"
#include "trace/compress.h"
#include "trace/writer.h"

using namespace tcpdwell;

namespace {

constexpr std::size_t kMostEvents =
    20'000;  // of an input: more than a walk through a table may be long
constexpr std::size_t kMostRows = 1'000;

/// Eight bytes that say which events come next.
struct Recipe {
  std::uint8_t count;  ///< as a power of two
  std::uint8_t keys;   ///< how they are chosen
  std::uint8_t field;  ///< what of the socket they are
  std::uint8_t from, to, role, owner, bits;
};

/// Words that met in one bucket when there was no secret, or in one of a map of some prime size, or
/// are extreme.
std::uint64_t word_of(const Recipe& recipe, const std::vector<std::uint64_t>& packed,
                      std::size_t free, std::uint64_t n) {
  switch (recipe.keys % 6) {
    case 0:
      return flood::free_word(packed, std::min(free, packed.size() - 1), n);
    case 1:
      return (n << 32 | (n ^ 0x1234)) * flood::inverse(flood::kPhi) ^ std::uint64_t{1} << 48;
    case 2:
      return n * 20'753;
    case 3:
      return n << recipe.bits % 64;
    case 4:
      return UINT64_MAX - n;
    default:
      return std::mt19937_64(n + recipe.bits)();
  }
}

std::vector<std::uint64_t> packed_address(const Socket& s) {
  std::vector<std::uint64_t> words(3);
  auto* const bytes = reinterpret_cast<std::uint8_t*>(words.data());
  bytes[0] = static_cast<std::uint8_t>(s.family);
  std::copy(s.remote.addr.begin(), s.remote.addr.end(), bytes + 1);
  return words;
}

Socket socket_of(const Recipe& recipe, std::uint64_t n) {
  Socket s;
  s.id = {n, 1};
  s.netns = 7;
  s.family = recipe.bits % 2 == 0 ? Family::V6 : Family::V4;
  s.local = {{0xfd, 1}, static_cast<std::uint16_t>(recipe.bits % 4 < 2 ? 40'000 : 443)};
  s.remote = {{0xfd}, 7777};
  s.owner.source = static_cast<OwnerSource>(recipe.owner % kOwnerSourceCount);
  const std::uint64_t word = word_of(recipe, packed_address(s), 1, n);
  const auto low = static_cast<std::uint32_t>(word);
  switch (recipe.field % 7) {
    case 0:
      s.id.cookie = word;
      break;
    case 1:
      std::memcpy(s.remote.addr.data() + 7, &word, sizeof word);
      break;
    case 2:
      std::memcpy(s.local.addr.data(), &word, sizeof word);
      s.remote.port = static_cast<std::uint16_t>(word >> 20);
      break;
    case 3:
      std::memcpy(s.owner.comm.bytes.data(), &word, sizeof word);
      break;
    case 4:
      s.owner.pid = low;
      break;
    case 5:
      s.cgroup_id = word;
      break;
    default:
      s.netns = low;
      s.local.port = static_cast<std::uint16_t>(word >> 32);
  }
  return s;
}

Dwell dwell_of(const Recipe& recipe) {
  return {static_cast<Bound>(recipe.bits % kBoundCount), std::uint64_t{1} << recipe.bits % 64};
}

Transition transition_of(const Recipe& recipe, std::uint64_t n) {
  Transition t;
  t.wall_ns = static_cast<std::int64_t>(n) * 1'000'000;
  t.mono_ns = n * 1'000'000;
  t.socket = socket_of(recipe, n);
  t.from = static_cast<State>(recipe.from % kStateCount);
  t.to = static_cast<State>(recipe.to % kStateCount);
  if (t.ends_a_dwell()) t.dwell = dwell_of(recipe);
  t.reason = t.last() ? static_cast<Reason>(recipe.role % kReasonCount) : Reason::None;
  t.path.push(recipe.role % 2 == 0 ? State::SynSent : State::SynRecv);
  return t;
}

Seed seed_of(const Recipe& recipe, std::uint64_t n) {
  Seed seed;
  seed.wall_ns = static_cast<std::int64_t>(n) * 1'000'000;
  seed.socket = socket_of(recipe, n);
  seed.state = static_cast<State>(recipe.to % kStateCount);
  seed.age = dwell_of(recipe);
  return seed;
}

/// All that count, as `report`, `stat`, `top` and `serve` have them.
class Everything {
 public:
  Everything() {
    for (const auto& by :
         std::initializer_list<std::vector<Key>>{{Key::Remote},
                                                 {Key::Comm, Key::Pid},
                                                 {Key::Netns, Key::LocalPort, Key::Cgroup},
                                                 {Key::End, Key::Path}}) {
      AggregatorOptions options;
      options.by = by;
      options.max_rows = kMostRows;
      tables_.push_back(std::make_unique<Aggregator>(options));
    }
    for (const auto& by : std::initializer_list<std::vector<Key>>{{}, {Key::Remote}, {Key::Comm}})
      groups_.push_back(std::make_unique<OpenGroups>(Grouping{by}));
    for (auto& table : tables_) consumers_.push_back(table.get());
    for (auto& groups : groups_) consumers_.push_back(groups.get());
    for (Consumer* one : std::initializer_list<Consumer*>{&table_, &analyzer_})
      consumers_.push_back(one);
    Header header;
    header.host = header.boot_id = "host";
    header.minisockets = "off";
    for (Consumer* one : consumers_) TD_REQUIRE(one->header(header));
  }
  void play(const Recipe& recipe, std::uint64_t n) {
    if (recipe.role % 4 == 3) {
      const Seed seed = seed_of(recipe, n);
      for (Consumer* one : consumers_) TD_REQUIRE(one->seed(seed));
    } else {
      const Transition t = transition_of(recipe, n);
      for (Consumer* one : consumers_) TD_REQUIRE(one->transition(t));
    }
  }
  void look(std::int64_t wall_ns) {
    analyzer_.each_open(wall_ns, [&](const Followed& followed, const Dwell& age) {
      for (auto& groups : groups_) groups->open(followed, age);
    });
    for (auto& groups : groups_) TD_REQUIRE(groups->take().size() <= OpenGroups::kMostRows);
    analyzer_.begin_window(wall_ns);
  }
  void end() {
    for (auto& table : tables_) TD_REQUIRE(table->take_summary(0).rows.size() <= kMostRows);
    table_.take_summary(0);
    TD_REQUIRE(analyzer_.take().ports.size() <= Ports::kMostRows);
  }

 private:
  OpenTable open_;
  Aggregator table_{AggregatorOptions{}, open_};
  Analyzer analyzer_{AnalyzerOptions{}, open_};
  std::vector<std::unique_ptr<Aggregator>> tables_;
  std::vector<std::unique_ptr<OpenGroups>> groups_;
  std::vector<Consumer*> consumers_;
};

/// What `stuck` makes of sockets with such cookies.
void ask(const Recipe& recipe, std::uint64_t first, std::uint64_t count) {
  StringOutput answer;
  TraceWriter writer(answer);
  Header header;
  header.minisockets = "off";
  TD_REQUIRE(writer.header(header));
  for (std::uint64_t n = first; n < first + count; ++n) TD_REQUIRE(writer.seed(seed_of(recipe, n)));
  TD_REQUIRE(writer.end({}));
  const auto input = open_trace_bytes(answer.text);
  const auto known = ServeAnswer::read(*input, "serve");
  if (!known) return;
  for (Seed seed : known->sockets()) known->improve(seed);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Everything everything;
  std::uint64_t played = 0;
  for (std::size_t at = 0; at + sizeof(Recipe) <= size && played < kMostEvents;
       at += sizeof(Recipe)) {
    Recipe recipe;
    std::memcpy(&recipe, data + at, sizeof recipe);
    const std::uint64_t count =
        std::min<std::uint64_t>(std::uint64_t{1} << recipe.count % 15, kMostEvents - played);
    for (std::uint64_t n = 0; n < count; ++n) everything.play(recipe, ++played);
    if (recipe.field % 7 == 0) ask(recipe, played - count, count);
    if (recipe.bits >= 0xf0) everything.look(static_cast<std::int64_t>(played) * 1'000'000);
  }
  everything.end();
  return 0;
}
