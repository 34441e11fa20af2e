// SPDX-License-Identifier: BSD-2-Clause
#include "trace/blocks.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "trace/events.h"

namespace tcpdwell {
namespace {

/// Small enough that a block and its events stay in a processor's cache.
constexpr std::size_t kBlock = 256U << 10;

/// Where the last whole line of `size` bytes ends, after `from`; 0 if there is none.
std::size_t end_of_last_line(const char* bytes, std::size_t from, std::size_t size) {
  const void* newline = size > from ? memrchr(bytes + from, '\n', size - from) : nullptr;
  return newline == nullptr
             ? 0
             : static_cast<std::size_t>(static_cast<const char*>(newline) - bytes) + 1;
}

}  // namespace

bool BlockReader::next(Block& block) {
  block.bytes.resize(kBlock + 1);
  block.size = rest_.copy(block.bytes.data(), rest_.size());
  rest_.clear();
  std::size_t lines_end = 0;
  while (block.size < kBlock) {
    const std::size_t from = block.size, got = read(&block.bytes[from], kBlock - from);
    if (got == 0) break;
    block.size += got;
    if (const std::size_t end = end_of_last_line(block.bytes.data(), from, block.size); end > 0)
      lines_end = end;
    if (first_ && lines_end > 0) break;
  }
  first_ = false;
  block.file_offset = input_.file_offset();
  if (!ended_ && lines_end > 0) {
    rest_.assign(&block.bytes[lines_end], &block.bytes[block.size]);
    block.size = lines_end;
  } else if (!ended_) {
    cut_overlong(block);
  }
  return block.size > 0;
}

std::size_t BlockReader::read(char* to, std::size_t size) {
  if (ended_) return 0;
  const Result<std::size_t> got = input_.read(to, size);
  if (!got) damage_ = got.error().message;
  ended_ = !got || *got == 0;
  return ended_ ? 0 : *got;
}

/// A line that fills a block: enough of it stays to be seen as too long.
void BlockReader::cut_overlong(Block& block) {
  block.size = kMaxLine + 1;
  std::vector<char> chunk(kBlock);
  while (const std::size_t got = read(chunk.data(), chunk.size())) {
    const std::string_view bytes(chunk.data(), got);
    const std::size_t newline = bytes.find('\n');
    if (newline == std::string_view::npos) continue;
    rest_ = bytes.substr(newline + 1);
    return;
  }
}

void ParsedBlock::clear() {
  kinds.clear();
  transitions.clear();
  seeds.clear();
  connections.clear();
  sockets.clear();
  ports.clear();
  losses.clear();
  ends.clear();
  headers.clear();
  first_skipped_why.clear();
}

void BlockParser::parse(Block& block, ParsedBlock& parsed) {
  parsed.clear();
  char* at = block.bytes.data();
  char* const end = at + block.size;
  while (at < end) {
    char* newline = static_cast<char*>(std::memchr(at, '\n', static_cast<std::size_t>(end - at)));
    if (newline == nullptr) newline = end;
    *newline = '\0';
    parsed.kinds.push_back(parse_line(at, static_cast<std::size_t>(newline - at), parsed));
    at = newline + 1;
  }
}

LineKind BlockParser::parse_line(char* line, std::size_t size, ParsedBlock& parsed) {
  if (size == 0) return skip(parsed, "an empty line");
  if (QuickReader::is_connection({line, size})) {
    Connection& connection = parsed.connections.emplace_back();
    if (quick_.connection({line, size}, connection)) return LineKind::Connection;
    parsed.connections.pop_back();
  }
  Transition& transition = parsed.transitions.emplace_back();
  if (quick_.transition({line, size}, transition)) return LineKind::Transition;
  parsed.transitions.pop_back();
  if (size > kMaxLine) return skip(parsed, "longer than any line of a trace");
  const rapidjson::Value* object = json_.object(line, size);
  if (object == nullptr) return skip(parsed, json_.why());
  Fields fields(*object);
  const LineKind kind = parse_fields(fields, parsed);
  return fields.ok() ? kind : skip(parsed, fields.why());
}

LineKind BlockParser::parse_fields(Fields& fields, ParsedBlock& parsed) {
  const auto keep = [&fields](auto& events, auto event, LineKind kind) {
    if (fields.ok()) events.push_back(std::move(event));
    return kind;
  };
  const std::string_view type = fields.text("type");
  if (type == "transition")
    return keep(parsed.transitions, read_transition(fields), LineKind::Transition);
  if (type == "seed") return keep(parsed.seeds, read_seed(fields), LineKind::Seed);
  if (type == "connection")
    return keep(parsed.connections, read_connection(fields), LineKind::Connection);
  if (type == "socket") return keep(parsed.sockets, read_socket(fields), LineKind::Socket);
  if (type == "name") return keep(parsed.names, read_name(fields), LineKind::Name);
  if (type == "ports") return keep(parsed.ports, read_local_ports(fields), LineKind::Ports);
  if (type == "loss") return keep(parsed.losses, read_loss(fields), LineKind::Loss);
  if (type == "header") return keep(parsed.headers, read_header(fields), LineKind::Header);
  if (type != "end") return LineKind::Other;
  const LineKind kind = fields.has("ts") ? LineKind::End : LineKind::UndatedEnd;
  return keep(parsed.ends, read_end(fields, 0), kind);
}

LineKind BlockParser::skip(ParsedBlock& parsed, std::string_view why) {
  if (parsed.first_skipped_why.empty()) parsed.first_skipped_why = why;
  return LineKind::Skipped;
}

}  // namespace tcpdwell
