// SPDX-License-Identifier: BSD-2-Clause
// The words of filter flags.
#include <arpa/inet.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

#include "model/filter.h"
#include "util/escape.h"
#include "util/nearest.h"
#include "util/number.h"

namespace tcpdwell {
namespace {

Error bad_word(std::string_view word, std::string_view expected) {
  return {Fault::Usage, fmt::format("\"{}\": expected {}", printable(word), expected)};
}

/// Every word of a comma list through `parse_word`; the first error ends it. An empty word is
/// `parse_word`'s to refuse.
template <class T>
Result<std::vector<T>> parse_list(std::string_view text,
                                  Result<T> (*parse_word)(std::string_view)) {
  std::vector<T> values;
  while (true) {
    const std::size_t comma = text.find(',');
    Result<T> value = parse_word(text.substr(0, comma));
    if (!value.ok()) return value.error();
    values.push_back(*value);
    if (comma == std::string_view::npos) return values;
    text.remove_prefix(comma + 1);
  }
}

Result<PortRange> parse_port_range(std::string_view word) {
  const std::size_t dash = word.find('-');
  const auto first = whole_number<std::uint16_t>(word.substr(0, dash));
  const auto last =
      dash == std::string_view::npos ? first : whole_number<std::uint16_t>(word.substr(dash + 1));
  if (!first || !last) return bad_word(word, "a port (0 to 65535) or a range such as 8000-8010");
  if (*first > *last) return bad_word(word, "a range of ports with the lower one first");
  return PortRange{*first, *last};
}

Result<std::uint32_t> parse_pid(std::string_view word) {
  const auto pid = whole_number<std::uint32_t>(word);
  if (!pid || *pid == 0 || *pid > INT32_MAX) return bad_word(word, "a process id");
  return *pid;
}

Result<Comm> parse_comm(std::string_view word) {
  const Comm comm(word);
  if (comm.view().empty()) return bad_word(word, "a process name");
  return comm;
}

Result<State> parse_state_word(std::string_view word) {
  if (const auto state = parse_state(word)) return *state;
  Error error = bad_word(word, "a TCP state, such as ESTABLISHED, close-wait or TIME_WAIT");
  error.message += did_you_mean(word, state_words());
  return error;
}

/// The address alone, as a block of one.
std::optional<Cidr> parse_address(std::string_view text) {
  std::array<char, INET6_ADDRSTRLEN> buffer{};
  const bool has_nul = text.find('\0') != std::string_view::npos;
  if (text.size() >= buffer.size() || has_nul) return std::nullopt;
  std::copy(text.begin(), text.end(), buffer.begin());
  Cidr block;
  if (::inet_pton(AF_INET, buffer.data(), block.addr.data()) == 1) {
    block.prefix_bits = 32;
    return block;
  }
  block = {Family::V6, {}, 128};
  if (::inet_pton(AF_INET6, buffer.data(), block.addr.data()) == 1) return block;
  return std::nullopt;
}

void clear_host_bits(Cidr& block) {
  for (unsigned i = 0; i < block.addr.size(); ++i) {
    const unsigned kept = std::clamp(block.prefix_bits, 8 * i, 8 * i + 8) - 8 * i;
    block.addr[i] &= static_cast<std::uint8_t>(0xff00U >> kept);
  }
}

}  // namespace

Result<Cidr> parse_cidr(std::string_view text) {
  const std::size_t slash = text.find('/');
  auto block = parse_address(text.substr(0, slash));
  if (!block) return bad_word(text, "an address or a block such as 10.0.0.0/8 or 2001:db8::/32");
  if (slash == std::string_view::npos) return *block;
  const auto prefix_bits = whole_number<unsigned>(text.substr(slash + 1));
  if (!prefix_bits || *prefix_bits > block->prefix_bits)
    return bad_word(text, fmt::format("a prefix length of 0 to {}", block->prefix_bits));
  block->prefix_bits = *prefix_bits;
  clear_host_bits(*block);
  return *block;
}

Result<std::vector<PortRange>> parse_ports(std::string_view text) {
  return parse_list(text, parse_port_range);
}

Result<std::vector<Cidr>> parse_cidrs(std::string_view text) {
  return parse_list(text, parse_cidr);
}

Result<std::vector<std::uint32_t>> parse_pids(std::string_view text) {
  return parse_list(text, parse_pid);
}

Result<std::vector<Comm>> parse_comms(std::string_view text) {
  return parse_list(text, parse_comm);
}

Result<StateSet> parse_states(std::string_view text) {
  const auto states = parse_list(text, parse_state_word);
  if (!states.ok()) return states.error();
  StateSet set = 0;
  for (const State state : *states) set |= bit(state);
  return set;
}

}  // namespace tcpdwell
