// SPDX-License-Identifier: BSD-2-Clause
/// Keeps the books over the lines of some network namespaces: every connection on its own, checked
/// line by line as they come, and how many lines of each kind there were.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <unordered_map>
#include <vector>

#include "model/event.h"

namespace tcpdwell::test {

/// One entry of a connection: it entered `state` at `mono_ns`.
struct Moment {
  std::uint64_t mono_ns = 0;
  State state = State::Unknown;
};

struct Account {
  std::uint32_t netns = 0;
  std::uint16_t local_port = 0, remote_port = 0;
  State begin = State::Unknown;  ///< before the first line
  std::vector<Moment> moments;
  std::uint64_t exact_ns = 0;  ///< sum of the exact dwells
  bool all_exact = true;
  bool wrong = false;
  Reason end = Reason::None;  ///< of the last line

  bool closed() const { return moments.back().state == State::Close; }
  /// The state it is in, or was in before CLOSE.
  State last_open() const;
  std::uint64_t last_dwell() const;  ///< between the last two lines
  /// It may have been in `state` some time from `from` to `to`; CLOSE is also before its first
  /// line.
  bool may_have_been(State state, std::uint64_t from, std::uint64_t to) const;
};

struct ConnIdHash {
  std::size_t operator()(const ConnId& id) const {
    return std::hash<std::uint64_t>()(id.cookie * 31 + id.use);
  }
};

class Ledger : public Consumer {
 public:
  /// Lines of other namespaces are nobody's business. All owners must be this process.
  explicit Ledger(std::vector<std::uint32_t> namespaces);

  Status transition(const Transition& line) override;
  Status seed(const Seed& seed) override;

  /// Lines of one namespace that `which` is true for, by kind.
  struct Kind {
    State from = State::Unknown, to = State::Unknown;
    Reason reason = Reason::None;
    bool request = false;  ///< a request that came to nothing: there never was a full socket
    auto operator<=>(const Kind&) const = default;
  };
  std::uint64_t count(std::uint32_t netns, const std::function<bool(const Kind&)>& which) const;
  std::uint64_t count(std::uint32_t netns, State from, State to) const;

  using Accounts = std::unordered_map<ConnId, Account, ConnIdHash>;
  const Accounts& accounts() const { return accounts_; }
  std::uint64_t lines() const { return lines_; }
  /// Connections with something wrong about them; the first few things in words.
  std::uint64_t wrong() const { return wrong_; }
  const std::vector<std::string>& complaints() const { return complaints_; }
  /// "ESTABLISHED>CLOSE reset_by_peer 17", all of a namespace.
  std::string kinds_text(std::uint32_t netns) const;

 private:
  void check_first(const Transition& line);
  void check_next(const Transition& line, const Account& account);
  void check_last(const Transition& line, const Account& account);
  void complain(const Transition& line, const std::string& what);

  std::map<std::uint32_t, std::map<Kind, std::uint64_t>> kinds_;
  Accounts accounts_;
  std::uint32_t pid_;
  std::uint64_t lines_ = 0, wrong_ = 0;
  std::vector<std::string> complaints_;
};

}  // namespace tcpdwell::test
