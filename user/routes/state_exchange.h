// SPDX-License-Identifier: BSD-2-Clause
/// How the thread that answers gets a state of the host from the one that traces it.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "model/live_state.h"

namespace tcpdwell {

/// One part in `share` of a processor's time, over a minute: so that who asks now and then is
/// answered at once, and who asks all the time costs no more.
class SurveyBudget {
 public:
  explicit SurveyBudget(std::uint64_t share)
      : share_(share), most_(static_cast<std::int64_t>(kOverNs / share)), credit_ns_(most_) {}
  bool allows(std::uint64_t now_ns);
  void spend(std::uint64_t cost_ns);
  std::int64_t last_ns() const { return last_ns_; }  ///< what the last one cost

 private:
  static constexpr std::uint64_t kOverNs = 60'000'000'000;

  std::uint64_t share_, credited_ns_ = 0;
  std::int64_t most_, credit_ns_, last_ns_ = 0;
};

/// Between two threads: one asks for a state, the other makes it, at most a few times a second
/// however many ask, and surveys what is open no more often than its own cost allows. Neither waits
/// for the other.
class StateExchange {
 public:
  using State = std::shared_ptr<const LiveState>;

  /// The newest made at `since_ns` (host_clock_ns()) or later; if there is none it is asked for.
  /// While a dear survey goes on, which nobody is to wait for, the one made before it.
  /// With a list in `wish` it is one whose survey lists that.
  State get(std::uint64_t since_ns, const SurveyWish& wish);

  /// What the tracing thread is to do now.
  struct Task {
    bool make = false;               ///< a state, of the last survey and the newest counts
    std::optional<SurveyWish> wish;  ///< before that, or after it where `later`, this survey
    bool later = false;
  };
  Task next(std::uint64_t now_ns);
  void surveyed(const Survey& survey, bool list);
  void put(State state);

 private:
  /// Lists that are kept, being asked for, or being answered from: each is of some megabytes.
  static constexpr std::size_t kMostLists = 3;

  Task choose(std::uint64_t now_ns);
  std::size_t lists_in_use();
  bool is_expected(std::uint64_t now_ns) const;
  bool is_worth_a_wait(std::uint64_t now_ns) const;

  std::mutex mutex_;  ///< held for as long as it takes to copy a pointer
  State newest_;
  std::deque<State> lists_;        ///< the newest last
  std::deque<SurveyWish> wishes_;  ///< for lists, the first to come first
  bool wanted_ = false;
  bool surveying_ = false;                            ///< a dear one
  std::uint64_t asked_ns_ = 0, asked_before_ns_ = 0;  ///< by the newest who asked, and before that
  // Of the thread that makes states.
  std::vector<std::weak_ptr<const LiveState>> lists_made_;
  bool begun_ = false;             ///< the first survey, which nobody has to ask for
  std::uint64_t surveyed_ns_ = 0;  ///< when the last survey was over
  // Lists are asked for more rarely.
  SurveyBudget of_numbers_{50}, of_lists_{8};
};

}  // namespace tcpdwell
