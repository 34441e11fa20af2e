// SPDX-License-Identifier: BSD-2-Clause
/// A text as every kind of word of the command line, and as a name on its way to each kind of
/// output.
#include <algorithm>
#include <cstdint>
#include <string>

#include "fuzz/require.h"
#include "model/filter.h"
#include "model/state.h"
#include "util/duration.h"
#include "util/escape.h"
#include "util/utf8.h"

using namespace tcpdwell;

namespace {

bool is_one_line_of_text(const std::string& text) {
  return std::none_of(text.begin(), text.end(),
                      [](unsigned char c) { return c < 0x20 || c == 0x7f; });
}

bool is_seen(std::string_view text) {
  while (!text.empty()) {
    const Utf8Char c = first_utf8_char(text);
    if (c.bytes == 0 || is_hidden(c.code)) return false;
    text.remove_prefix(c.bytes);
  }
  return true;
}

/// An error is a sentence for a terminal, whatever the word was.
template <class T>
bool parsed(const Result<T>& result) {
  if (result.ok()) return true;
  TD_REQUIRE(result.error().fault == Fault::Usage);
  TD_REQUIRE(is_one_line_of_text(result.error().message));
  return false;
}

void as_numbers(std::string_view word) {
  if (const auto ns = parse_duration_ns(word); parsed(ns)) TD_REQUIRE(!human_duration(*ns).empty());
  parsed(parse_size_bytes(word));
  if (const auto ns = parse_rfc3339(word)) TD_REQUIRE(parse_rfc3339(rfc3339(*ns)) == ns);
}

void as_filters(std::string_view word) {
  if (const auto block = parse_cidr(word); parsed(block)) {
    TD_REQUIRE(block->prefix_bits <= (block->family == Family::V4 ? 32U : 128U));
    TD_REQUIRE(block->contains(block->family, block->addr));
  }
  if (const auto ports = parse_ports(word); parsed(ports))
    for (const PortRange& range : *ports) TD_REQUIRE(range.first <= range.last);
  if (const auto states = parse_states(word); parsed(states)) TD_REQUIRE(*states != 0);
  parsed(parse_cidrs(word));
  parsed(parse_pids(word));
  parsed(parse_comms(word));
}

void as_names(std::string_view word) {
  if (const auto state = parse_state(word)) TD_REQUIRE(parse_state(name_of(*state)) == state);
  if (const auto bound = parse_bound(word)) TD_REQUIRE(name_of(*bound) == word);
  if (const auto source = parse_owner_source(word)) TD_REQUIRE(name_of(*source) == word);
}

void as_output(std::string_view word) {
  TD_REQUIRE(is_seen(printable(word)));
  const std::string html = html_text(word);
  TD_REQUIRE(is_seen(html) && html.find_first_of("<>\"'") == std::string::npos);
  const std::string field = csv_field(word);
  TD_REQUIRE(field.empty() || std::string("=+-@\t\r\n").find(field.front()) == std::string::npos);
  TD_REQUIRE(field.size() < 2 || field.front() != '"' ||
             std::string("=+-@\t\r\n").find(field[1]) == std::string::npos);
  std::string json;
  append_json_string(json, word);
  TD_REQUIRE(is_seen(json) && json.size() >= 2);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view word(reinterpret_cast<const char*>(data), size);
  as_numbers(word);
  as_filters(word);
  as_names(word);
  as_output(word);
  return 0;
}
