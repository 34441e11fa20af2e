// SPDX-License-Identifier: BSD-2-Clause
/// `tcpdwell diff`: two traces side by side.
#include "sinks/diff.h"

#include <fmt/format.h>
#include <unistd.h>

#include <numeric>
#include <thread>

#include "aggregate/aggregator.h"
#include "aggregate/begun.h"
#include "aggregate/compare.h"
#include "aggregate/headline.h"
#include "cli/commands.h"
#include "cli/play_trace.h"
#include "run/pipeline.h"
#include "trace/compress.h"

namespace tcpdwell {
namespace {

/// What is gathered of one side.
struct Side {
  ComparedSide about;
  Summary rows, ends, paths;
  std::vector<Key> opens_by;
  std::vector<Row> opened, accepted;
};

AggregatorOptions options_by(const Filter& filter, std::vector<Key> by) {
  AggregatorOptions options;
  options.by = std::move(by);
  options.states = filter.states;
  options.min_dwell_ns = filter.min_dwell_ns;
  options.open_known = false;
  return options;
}

/// A listening socket that is closed is no connection that ended.
class WithoutListeners : public Tee {
 public:
  using Tee::Tee;
  Status transition(const Transition& t) override {
    return t.last() && t.from == State::Listen ? Status(Ok) : Tee::transition(t);
  }
  Status connection(const Connection& c) override {
    const bool listens = !c.stays.empty() && c.stays.back().state == State::Listen;
    return listens ? Status(Ok) : Tee::connection(c);
  }
};

std::uint64_t sum_of(const std::vector<Row>& rows) {
  return std::accumulate(rows.begin(), rows.end(), std::uint64_t{0},
                         [](std::uint64_t sum, const Row& row) { return sum + row.count(); });
}

Result<Side> read_side(const std::string& name, const RawOptions& raw, const Filter& filter,
                       const std::vector<Key>& by) {
  auto files = expand_globs({name});
  if (!files) return files.error();
  Aggregator rows(options_by(filter, by)), ends(options_by(filter, {Key::End})),
      paths(options_by(filter, {Key::Path}));
  LastMoment last;
  WithoutListeners connections({&ends, &paths});
  Tee tables({&rows, &connections});
  Begun begun(by, tables);
  Tee tee({&begun, &last});
  FilterStage stage(filter, tee);
  Progress progress(*files, !raw.quiet);
  for (const std::string& file : *files) {
    auto flaws = read_file(file, stage, progress);
    if (!flaws) return flaws.error();
    if (raw.quiet) continue;
    for (const std::string& flaw : *flaws) complain(flaw);
  }
  Side side;
  side.rows = rows.take_summary(last.wall_ns());
  side.ends = ends.take_summary(last.wall_ns());
  side.paths = paths.take_summary(last.wall_ns());
  side.opens_by = begun.by();
  side.opened = begun.take_opened();
  side.accepted = begun.take_accepted();
  side.about = {name,           side.rows.start_wall_ns, last.wall_ns(),        0,
                side.rows.lost, sum_of(side.opened),     sum_of(side.accepted), begun.older()};
  side.about.connections = rows.connections() + begun.older();
  return side;
}

Comparison compare(const Side& before, const Side& after) {
  Comparison comparison;
  comparison.before = before.about;
  comparison.after = after.about;
  comparison.by = before.rows.by;
  comparison.rows = compare_rows(before.rows, after.rows);
  comparison.ends = compare_counts(before.ends, after.ends);
  for (ComparedCount& count : compare_counts(before.paths, after.paths)) {
    if (count.before == 0)
      comparison.new_paths.push_back(std::move(count));
    else if (count.after == 0)
      comparison.gone_paths.push_back(std::move(count));
  }
  comparison.opens_by = before.opens_by;
  comparison.opens = compare_opens(before.opened, after.opened, before.accepted, after.accepted);
  comparison.headline = headline_of(comparison);
  return comparison;
}

}  // namespace

Result<int> run_diff(const Invocation& invocation) {
  const RawOptions& raw = invocation.raw;
  const bool text = raw.format == "text", json = raw.format == "json";
  if (!text && !json && raw.format != "html")
    return Error{Fault::Usage, fmt::format("--format {}: expected text, json or html", raw.format)};
  auto choice = parse_filter(raw, Scope::Trace);
  if (!choice) return choice.error();
  auto by = parse_by(raw);
  if (!by) return by.error();
  confine_to_reading(raw);
  auto before = read_side(invocation.before, raw, choice->filter, *by);
  if (!before) return before.error();
  auto after = read_side(invocation.after, raw, choice->filter, *by);
  if (!after) return after.error();
  const Comparison comparison = compare(*before, *after);
  auto out = open_output(raw);
  if (!out) return out.error();
  const int fd = raw.output.empty() ? STDOUT_FILENO : -1;
  const Status status =
      text ? write_diff_text(**out, comparison,
                             {want_colour(raw, fd), false, raw.limit, terminal_columns(fd)})
           : (json ? write_diff_json(**out, comparison) : write_diff_html(**out, comparison));
  if (Status done = finish(**out, status); !done) return done.error();
  return 0;
}

}  // namespace tcpdwell
