// SPDX-License-Identifier: BSD-2-Clause
#include "trace/reader.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "trace/blocks.h"
#include "trace/crew.h"
#include "trace/events.h"
#include "trace/json.h"
#include "util/moments.h"

namespace tcpdwell {
namespace {

/// Lines before the header that may be something else: a login message, a prompt.
constexpr std::uint64_t kMaxPreamble = 16;

class Player {
 public:
  Player(const std::string& name, Consumer& consumer) : name_(name), consumer_(consumer) {}

  Result<ReadReport> play(Input& input, const ReadOptions& options) {
    BlockReader blocks(input);
    Crew crew(options.threads);
    for (bool more = true; !gave_up_;) {
      if (Block* const block = more ? crew.free_block() : nullptr) {
        more = blocks.next(*block);
        if (more) crew.submit();
        continue;
      }
      std::uint64_t file_offset = 0;
      const ParsedBlock* const parsed = crew.oldest(file_offset);
      if (parsed == nullptr) break;
      if (Status played = play_block(*parsed); !played) return played.error();
      crew.done();
      if (options.on_progress) options.on_progress(file_offset);
    }
    report_.damage = blocks.damage();
    if (!report_.has_header) return no_trace();
    return report_;
  }

 private:
  Status play_block(const ParsedBlock& block) {
    Places at;
    for (const LineKind kind : block.kinds) {
      ++number_;
      if (Status done = play_line(kind, block, at); !done) return done;
      gave_up_ = !report_.has_header && number_ >= kMaxPreamble;
      if (gave_up_) break;
    }
    return Ok;
  }

  /// The next event of each kind in a block.
  struct Places {
    std::size_t transition = 0, seed = 0, connection = 0, socket = 0, ports = 0, name = 0, loss = 0,
                end = 0, header = 0;
  };

  Status play_line(LineKind kind, const ParsedBlock& block, Places& at) {
    switch (kind) {
      case LineKind::Transition:
        return pass(block.transitions[at.transition++], &Consumer::transition);
      case LineKind::Seed:
        return pass(block.seeds[at.seed++], &Consumer::seed);
      case LineKind::Connection:
        return pass(block.connections[at.connection++], &Consumer::connection);
      case LineKind::Socket:
        return pass(block.sockets[at.socket++], &Consumer::socket);
      case LineKind::Ports:
        return pass(block.ports[at.ports++], &Consumer::local_ports);
      case LineKind::Name:
        return pass(block.names[at.name++], &Consumer::cgroup_name);
      case LineKind::Loss:
        return pass(block.losses[at.loss++], &Consumer::loss);
      case LineKind::End:
        return play_end(block.ends[at.end++]);
      case LineKind::UndatedEnd:
        return play_undated_end(block.ends[at.end++]);
      case LineKind::Header:
        return play_header(block.headers[at.header++]);
      case LineKind::Skipped:
        return skip(block.first_skipped_why);
      case LineKind::Other:
        return Ok;
    }
    return Ok;
  }

  Status play_header(const Header& header) {
    if (header.schema > kTraceSchema) return too_new(header.schema);
    report_.has_header = true;
    report_.complete = false;
    start_wall_ns_ = header.start_wall_ns;
    return pass(header, &Consumer::header);
  }

  Status play_end(const TraceEnd& end) {
    report_.complete = true;
    report_.suspended_ns = saturating_add(report_.suspended_ns, end.suspended_ns);
    return pass(end, &Consumer::end);
  }

  Status play_undated_end(TraceEnd end) {
    if (__builtin_add_overflow(start_wall_ns_, end.duration_ns, &end.wall_ns))
      return skip("\"duration_ns\" is out of range");
    return play_end(end);
  }

  template <class Event>
  Status pass(const Event& event, Status (Consumer::*take)(const Event&)) {
    if (!report_.has_header) return no_trace();
    ++report_.lines;
    return (consumer_.*take)(event);
  }

  Status skip(std::string_view why) {
    if (report_.skipped++ == 0) {
      report_.first_skipped_line = number_;
      report_.first_skipped_why = why;
    }
    return Ok;
  }

  Error no_trace() const {
    std::string why = number_ == 0 ? "it is empty" : "it does not begin with a header line";
    if (report_.skipped > 0) {
      const std::string& what = report_.first_skipped_why;
      const bool is_json = what.starts_with('"') || what == kNoObject;
      why = "line " + std::to_string(report_.first_skipped_line) +
            (is_json ? ": " + what : " is not JSON");
    }
    if (!report_.damage.empty()) why = report_.damage;
    return Error{Fault::Usage, name_ + " is not a tcpdwell trace: " + why +
                                   "; `tcpdwell record -o FILE` makes a trace"};
  }

  Error too_new(int schema) const {
    return Error{Fault::Usage, name_ + " was written by a newer tcpdwell (schema " +
                                   std::to_string(schema) + "); this one reads schema " +
                                   std::to_string(kTraceSchema)};
  }

  const std::string& name_;
  Consumer& consumer_;
  ReadReport report_;
  std::uint64_t number_ = 0;  ///< of the line, from 1
  std::int64_t start_wall_ns_ = 0;
  bool gave_up_ = false;  ///< what was read cannot be a trace
};

/// Keeps the first header, and ends the reading with it.
struct FirstHeader : Consumer {
  Status header(const Header& header) override {
    found = header;
    return Error{Fault::Usage, "enough"};
  }
  Status transition(const Transition&) override { return Ok; }
  std::optional<Header> found;
};

}  // namespace

Result<Header> read_first_header(Input& input, const std::string& name) {
  FirstHeader first;
  const auto read = read_trace(input, name, first);
  if (first.found) return *std::move(first.found);
  return read ? Error{Fault::Usage, name + " has no header"} : read.error();
}

Result<ReadReport> read_trace(Input& input, const std::string& name, Consumer& consumer,
                              const ReadOptions& options) {
  return Player(name, consumer).play(input, options);
}

}  // namespace tcpdwell
