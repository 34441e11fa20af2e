// SPDX-License-Identifier: BSD-2-Clause
#include "model/event.h"

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstring>
#include <system_error>

#include "model/address.h"
#include "util/duration.h"
#include "util/escape.h"

namespace tcpdwell {
namespace {

/// All of `text` as an unsigned number; nullopt for anything else.
template <class Number>
std::optional<Number> to_number(std::string_view text, int base) {
  Number value = 0;
  const char* end = text.data() + text.size();
  const auto [stop, failure] = std::from_chars(text.data(), end, value, base);
  if (failure != std::errc{} || stop != end) return std::nullopt;
  return value;
}

}  // namespace

Comm::Comm(std::string_view text) {
  const std::string_view name = text.substr(0, std::min(text.find('\0'), bytes.size() - 1));
  std::copy(name.begin(), name.end(), bytes.begin());
}

std::string_view Comm::view() const {
  return {bytes.data(), ::strnlen(bytes.data(), bytes.size())};
}

char* put_conn_id(char* at, const ConnId& id) {
  char* const end = at + kMostConnIdBytes;
  at = std::to_chars(at, end, id.cookie, 16).ptr;
  if (id.use == 1) return at;
  *at++ = '.';
  return std::to_chars(at, end, id.use).ptr;
}

std::string_view name_of(const KernelWord& word) {
  return {word.bytes.data(), strnlen(word.bytes.data(), word.bytes.size())};
}

std::optional<KernelWord> parse_kernel_word(std::string_view text) {
  KernelWord word;
  const auto fits = [](char c) {
    return (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
  };
  if (text.empty() || text.size() > word.bytes.size() ||
      !std::all_of(text.begin(), text.end(), fits))
    return std::nullopt;
  std::copy(text.begin(), text.end(), word.bytes.begin());
  return word;
}

std::string to_string(const ConnId& id) {
  std::array<char, kMostConnIdBytes> text;
  return {text.data(), put_conn_id(text.data(), id)};
}

std::optional<ConnId> parse_conn_id(std::string_view text) {
  const std::size_t dot = text.find('.');
  const auto cookie = to_number<std::uint64_t>(text.substr(0, dot), 16);
  if (!cookie) return std::nullopt;
  if (dot == std::string_view::npos) return ConnId{*cookie, 1};
  const auto use = to_number<std::uint32_t>(text.substr(dot + 1), 10);
  if (!use || *use < 2) return std::nullopt;  // the first use carries no number
  return ConnId{*cookie, *use};
}

std::string address_text(Family family, const Endpoint& endpoint) {
  std::string text;
  append_address(text, family, endpoint);
  return text;
}

std::string endpoint_text(Family family, const Endpoint& endpoint) {
  std::string text;
  append_endpoint(text, family, endpoint);
  return text;
}

void append_endpoint(std::string& out, Family family, const Endpoint& endpoint) {
  append_endpoint(out, family, endpoint, Comm());
}

void unmap(Family& family, Endpoint& local, Endpoint& remote) {
  constexpr std::array<std::uint8_t, 12> kMapped = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  const auto is_mapped = [&](const Endpoint& endpoint) {
    return std::equal(kMapped.begin(), kMapped.end(), endpoint.addr.begin());
  };
  if (family != Family::V6 || !(is_mapped(local) || is_mapped(remote))) return;
  family = Family::V4;
  for (Endpoint* endpoint : {&local, &remote}) {
    std::copy_n(endpoint->addr.begin() + 12, 4, endpoint->addr.begin());
    std::fill(endpoint->addr.begin() + 4, endpoint->addr.end(), std::uint8_t{0});
  }
}

bool is_link_local(Family family, const Endpoint& endpoint) {
  return family == Family::V6 && endpoint.addr[0] == 0xfe && (endpoint.addr[1] & 0xc0U) == 0x80U;
}

std::string address_text(Family family, const Endpoint& endpoint, const Comm& iface) {
  std::string text = address_text(family, endpoint);
  if (const std::string name = printable(iface.view()); !name.empty()) text += '%' + name;
  return text;
}

void append_endpoint(std::string& out, Family family, const Endpoint& endpoint, const Comm& iface) {
  const bool v6 = family == Family::V6;
  if (v6) out += '[';
  append_address(out, family, endpoint);
  if (iface.bytes.front() != '\0') out += '%' + printable(iface.view());
  out += v6 ? "]:" : ":";
  if (endpoint.port == 0)
    out += '*';
  else
    out += std::to_string(endpoint.port);
}

std::string endpoint_text(Family family, const Endpoint& endpoint, const Comm& iface) {
  std::string text;
  append_endpoint(text, family, endpoint, iface);
  return text;
}

std::string local_text(const Socket& socket) {
  return endpoint_text(socket.family, socket.local, socket.iface);
}

std::string remote_text(const Socket& socket) {
  return endpoint_text(socket.family, socket.remote,
                       is_link_local(socket.family, socket.remote) ? socket.iface : Comm());
}

std::string owner_text(const Owner& owner) {
  const std::string comm = printable(owner.comm.view());
  if (owner.pid) return std::to_string(*owner.pid) + '/' + comm;
  return comm.empty() ? "?" : comm;
}

std::string dwell_text(const Dwell& dwell, std::string_view unknown) {
  if (dwell.bound == Bound::Unknown) return std::string(unknown);
  return (dwell.bound == Bound::AtLeast ? ">=" : "") + human_duration(dwell.ns);
}

bool Transition::ends_a_dwell() const {
  const bool request_arrives = from == State::Listen && to == State::SynRecv;
  return from != State::Close && !request_arrives;
}

}  // namespace tcpdwell
