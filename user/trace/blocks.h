// SPDX-License-Identifier: BSD-2-Clause
/// Cuts an input into blocks of whole lines, and a block into events. The second needs nothing but
/// the block, so that several can be read at once.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "model/event.h"
#include "model/listing.h"
#include "trace/compress.h"
#include "trace/json.h"
#include "trace/quick.h"

namespace tcpdwell {

/// A line of ours is below 2 KiB; what is longer than this is none.
inline constexpr std::size_t kMaxLine = 64U << 10;

/// Whole lines; the last of the input may lack its newline.
struct Block {
  std::vector<char> bytes;  ///< room for one more than `size`
  std::size_t size = 0;
  std::uint64_t file_offset = 0;  ///< how far the file was read for it, in bytes of the file
};

class BlockReader {
 public:
  explicit BlockReader(Input& input) : input_(input) {}
  /// False at the end. The first block holds what the first read brings: whether this is a trace
  /// can be told from that.
  bool next(Block& block);
  /// Why the input ended early; "" if it did not.
  const std::string& damage() const { return damage_; }

 private:
  /// 0 at the end, and from then on.
  std::size_t read(char* to, std::size_t size);
  void cut_overlong(Block& block);

  Input& input_;
  std::string rest_;  ///< the beginning of a line whose end is in the next block
  std::string damage_;
  bool first_ = true, ended_ = false;
};

/// What a line turned out to be. `Other` is a type that a later version may know.
enum class LineKind : std::uint8_t {
  Transition,
  Seed,
  Connection,
  Socket,
  Ports,
  Name,
  Loss,
  End,
  UndatedEnd,
  Header,
  Other,
  Skipped
};

/// The events of a block: `kinds` has an entry per line, the others hold them kind by kind.
struct ParsedBlock {
  std::vector<LineKind> kinds;
  std::vector<Transition> transitions;
  std::vector<Seed> seeds;
  std::vector<Connection> connections;
  std::vector<Listed> sockets;
  std::vector<LocalPorts> ports;
  std::vector<NamedCgroup> names;
  std::vector<Loss> losses;
  std::vector<TraceEnd> ends;  ///< an undated one is dated as if the trace began at 0
  std::vector<Header> headers;
  std::string first_skipped_why;

  void clear();
};

/// Parses one block after the other, in the same memory.
class BlockParser {
 public:
  /// Overwrites the block's bytes.
  void parse(Block& block, ParsedBlock& parsed);

 private:
  LineKind parse_line(char* line, std::size_t size, ParsedBlock& parsed);
  LineKind parse_fields(Fields& fields, ParsedBlock& parsed);
  LineKind skip(ParsedBlock& parsed, std::string_view why);

  QuickReader quick_;
  JsonParser json_;
};

}  // namespace tcpdwell
