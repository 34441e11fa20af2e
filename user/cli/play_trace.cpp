// SPDX-License-Identifier: BSD-2-Clause
#include "cli/play_trace.h"

#include <fmt/format.h>

#include <thread>

#include "capture/confine.h"
#include "run/pipeline.h"
#include "trace/compress.h"
#include "trace/reader.h"

namespace tcpdwell {
namespace {

std::vector<std::string> flaws_of(const std::string& name, const ReadReport& read) {
  std::vector<std::string> flaws;
  if (read.skipped != 0)
    flaws.push_back(fmt::format(
        "{}: {} line{} not understood and left out, the first at line {}: {}", name, read.skipped,
        read.skipped == 1 ? "" : "s", read.first_skipped_line, read.first_skipped_why));
  if (!read.damage.empty())
    flaws.push_back(fmt::format("{}: {}; what is whole is used", name, read.damage));
  else if (!read.complete)
    flaws.push_back(fmt::format("{}: cut off (no end line); what is there is used", name));
  if (read.suspended_ns != 0)
    flaws.push_back(fmt::format("{}: {}", name, suspended_words(read.suspended_ns)));
  return flaws;
}

}  // namespace

void confine_to_reading(const RawOptions& raw) {
  const Status confined = confine_reading();
  if (!confined && raw.verbose) complain(unconfined_words(confined.error()));
}

std::string shown_name(const std::string& file) { return file == "-" ? "standard input" : file; }

Result<std::vector<std::string>> read_file(const std::string& file, Consumer& consumer,
                                           Progress& progress) {
  auto input = open_trace_file(file);
  if (!input) return input.error();
  const std::string name = shown_name(file);
  auto read = read_trace(**input, name, consumer,
                         {std::thread::hardware_concurrency(), progress.for_file(file)});
  if (!read) return read.error();
  return flaws_of(name, *read);
}

}  // namespace tcpdwell
