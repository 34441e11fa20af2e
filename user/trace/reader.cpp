// SPDX-License-Identifier: BSD-2-Clause
#include "trace/reader.h"

#include <cstdint>
#include <string>
#include <string_view>

#include "trace/events.h"
#include "trace/json.h"
#include "trace/lines.h"

namespace tcpdwell {
namespace {

/// Lines before the header that may be something else: a login message, a prompt.
constexpr std::uint64_t kMaxPreamble = 16;

class Player {
 public:
  Player(const std::string& name, Consumer& consumer) : name_(name), consumer_(consumer) {}

  Result<ReadReport> play(Input& input) {
    LineReader lines(input);
    while (const auto line = lines.next()) {
      ++number_;
      if (Status done = play_line(*line); !done) return done.error();
      if (!report_.has_header && number_ >= kMaxPreamble) break;
    }
    report_.damage = lines.damage();
    if (!report_.has_header) return no_trace();
    return report_;
  }

 private:
  Status play_line(const LineReader::Line& line) {
    if (line.too_long) return skip("longer than any line of a trace");
    const rapidjson::Value* object = json_.object(line.data, line.size);
    if (object == nullptr) return skip(json_.why());
    Fields fields(*object);
    const std::string_view type = fields.text("type");
    if (!fields.ok()) return skip(fields.why());
    return play_object(type, fields);
  }

  Status play_object(std::string_view type, Fields& fields) {
    if (type == "transition") return pass(fields, read_transition(fields), &Consumer::transition);
    if (type == "seed") return pass(fields, read_seed(fields), &Consumer::seed);
    if (type == "loss") return pass(fields, read_loss(fields), &Consumer::loss);
    if (type == "end") return play_end(fields);
    if (type == "header") return play_header(fields);
    return Ok;  // a later version may know more types
  }

  Status play_header(Fields& fields) {
    const Header header = read_header(fields);
    if (fields.ok() && header.schema > kTraceSchema) return too_new(header.schema);
    if (fields.ok()) {
      report_.has_header = true;
      report_.complete = false;
      start_wall_ns_ = header.start_wall_ns;
    }
    return pass(fields, header, &Consumer::header);
  }

  Status play_end(Fields& fields) {
    const TraceEnd end = read_end(fields, start_wall_ns_);
    if (fields.ok()) report_.complete = true;
    return pass(fields, end, &Consumer::end);
  }

  template <class Event>
  Status pass(const Fields& fields, const Event& event, Status (Consumer::*take)(const Event&)) {
    if (!fields.ok()) return skip(fields.why());
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
      why = "line " + std::to_string(report_.first_skipped_line) + ": " + report_.first_skipped_why;
    }
    if (!report_.damage.empty()) why = report_.damage;
    return Error{Fault::Usage, name_ + " is not a tcpdwell trace: " + why};
  }

  Error too_new(int schema) const {
    return Error{Fault::Usage, name_ + " was written by a newer tcpdwell (schema " +
                                   std::to_string(schema) + "); this one reads schema " +
                                   std::to_string(kTraceSchema)};
  }

  const std::string& name_;
  Consumer& consumer_;
  JsonParser json_;
  ReadReport report_;
  std::uint64_t number_ = 0;  ///< of the line, from 1
  std::int64_t start_wall_ns_ = 0;
};

}  // namespace

Result<ReadReport> read_trace(Input& input, const std::string& name, Consumer& consumer) {
  return Player(name, consumer).play(input);
}

}  // namespace tcpdwell
