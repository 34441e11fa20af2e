// SPDX-License-Identifier: BSD-2-Clause
/// The rows of the table being gathered, found by what they are grouped by.
#pragma once

#include <tsl/robin_map.h>

#include <array>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <type_traits>
#include <vector>

#include "model/event.h"
#include "model/summary.h"
#include "model/tally.h"
#include "util/keyed_hash.h"

namespace tcpdwell {

/// What an event says about the row it belongs to.
struct RowSubject {
  const Socket& socket;
  State state;
  Path path = {};  ///< this and the reason matter to rows of whole connections only
  Reason reason = Reason::None;
  bool not_accepted = false;  ///< the part of ESTABLISHED before accept(), a row of its own
};

/// The values a row is grouped by, packed for comparing and hashing. All keys of one table are made
/// of the same kinds of values.
class PackedKey {
 public:
  template <class T>
  void put(const T& value) {
    static_assert(std::has_unique_object_representations_v<T>);
    assert(used_ + sizeof value <= sizeof words_);
    std::memcpy(reinterpret_cast<unsigned char*>(words_.data()) + used_, &value, sizeof value);
    used_ += sizeof value;
  }
  std::size_t hash() const { return keyed_hash(words_.data(), (used_ + 7) / sizeof words_[0]); }
  friend bool operator==(const PackedKey& a, const PackedKey& b) { return a.words_ == b.words_; }

 private:
  std::array<std::uint64_t, 9> words_{};  ///< all ten keys together take 66 bytes
  std::size_t used_ = 0;
};

struct PackedKeyHash {
  std::size_t operator()(const PackedKey& key) const { return key.hash(); }
};

/// Adds what `subject` has for `key`.
void pack(PackedKey& packed, Key key, const RowSubject& subject);
/// The same as Row::keys has it: empty where unknown.
std::string text_of(Key key, const RowSubject& subject);

/// Rows keep their index as long as something is open in them.
class RowTable {
 public:
  using Index = std::uint32_t;
  static constexpr Index kNoRow = UINT32_MAX;

  RowTable(std::vector<Key> by, std::size_t max_rows);

  void count(const RowSubject& subject, const Dwell& dwell);
  /// What was counted elsewhere, in a table by state alone.
  void add(State state, const Tally::OfState& counted, bool open_known);
  void add_not_accepted(const Tally::OfState& counted);

  /// One more is open in the subject's row; returns the row for leave(), kNoRow if there is no
  /// room.
  Index enter(const RowSubject& subject);
  void leave(Index row);
  /// Indices given out by enter() are not coming back.
  void drop_indices() { without_row_ = 0; }
  void zero_open();

  /// The rows with anything in them, in the order of a Summary; counters restart, open stays.
  std::vector<Row> take(bool open_known);
  std::uint64_t take_left_out();

 private:
  struct Slot {
    Row row;
    PackedKey key;
    std::int64_t open = 0;  ///< below 0 for an instant where counters of CPUs were read in turn
    /// False: sockets that entered while there was no room are missing, or none is counted.
    bool open_complete = true;
    bool used = false;
  };

  /// By state alone: the row behind those of the states.
  static constexpr Index kNotAcceptedRow = kStateCount;

  Index find_or_add(const RowSubject& subject);
  Index add(const RowSubject& subject, const PackedKey& key);
  void describe(Row& row, const RowSubject& subject) const;
  std::vector<Index> filled() const;
  bool comes_before(const Row& a, const Row& b) const;
  Row take_row(Index index, bool open_known);
  void release_idle();

  std::vector<Key> by_;
  bool by_state_;  ///< by state alone: a row's index is its state's number, nothing is looked up
  std::size_t max_rows_;
  std::vector<Slot> slots_;
  std::vector<Index> free_;
  tsl::robin_map<PackedKey, Index, PackedKeyHash> index_;
  std::int64_t without_row_ = 0;  ///< open, but entered when there was no room
  std::uint64_t left_out_ = 0;
};

}  // namespace tcpdwell
