// SPDX-License-Identifier: BSD-2-Clause
#include "views/top_states.h"

#include <algorithm>

namespace tcpdwell {

namespace {

bool not_observed(const Summary& summary, std::optional<State> state) {
  return summary.minisockets_off && state && of_minisockets(*state);
}

}  // namespace

void StateHistory::add(const Summary& summary) {
  std::array<const Row*, kStateCount> rows{};
  bool open_known = true;
  for (const Row& row : summary.rows) {
    const auto state = parse_state(row.keys.at(0));
    if (!state) continue;  // a part of ESTABLISHED (kNotAccepted)
    rows[static_cast<std::size_t>(*state)] = &row;
    open_known = open_known && (row.open || not_observed(summary, state));
  }
  for (std::size_t state = 0; state < kStateCount; ++state)
    add(states_[state], rows[state], summary,
        open_known && !not_observed(summary, static_cast<State>(state)));
  for (std::size_t place = 0; place < kLossPlaceCount; ++place) lost_[place] += summary.lost[place];
  last_wall_ns_ = summary.end_wall_ns;
}

void StateHistory::add(Tracked& tracked, const Row* row, const Summary& summary, bool open_known) {
  const std::optional<std::uint64_t> before = tracked.now;
  tracked.now = !open_known      ? std::nullopt
                : row == nullptr ? std::optional<std::uint64_t>(0)
                                 : row->open;
  const std::int64_t lasted_ns = summary.end_wall_ns - summary.start_wall_ns;
  tracked.entries_per_s.reset();
  if (last_wall_ns_ && lasted_ns > 0 && before && tracked.now) {
    // Who is there and was not, and who has left, have all come in. Where lines were lost it may be
    // less than 0.
    const double left = row == nullptr ? 0 : static_cast<double>(row->count());
    const double entered = static_cast<double>(*tracked.now) - static_cast<double>(*before) + left;
    tracked.entries_per_s = std::max(0.0, entered) * 1e9 / static_cast<double>(lasted_ns);
  }
  add_population(tracked, summary.end_wall_ns);
  add_dwells(tracked, row, summary.end_wall_ns);
}

/// A second's bin holds the most there were at its samples; of seconds without a sample it is what
/// the sample after them found.
void StateHistory::add_population(Tracked& tracked, std::int64_t wall_ns) const {
  if (!tracked.now) return tracked.minute.clear();
  const std::uint64_t now = *tracked.now;
  const std::int64_t passed = last_wall_ns_ ? wall_ns / kBinNs - *last_wall_ns_ / kBinNs : 1;
  if (passed <= 0 && !tracked.minute.empty())
    tracked.minute.back() = std::max(tracked.minute.back(), now);
  for (std::int64_t i = 0; i < std::min<std::int64_t>(passed, kBins); ++i)
    tracked.minute.push_back(now);
  while (tracked.minute.size() > kBins) tracked.minute.pop_front();
}

void StateHistory::add_dwells(Tracked& tracked, const Row* row, std::int64_t wall_ns) {
  const std::int64_t number = wall_ns / kWindowNs;
  auto& windows = tracked.windows;
  while (!windows.empty() && windows.front().number + static_cast<std::int64_t>(kWindows) <= number)
    windows.pop_front();
  if (row == nullptr || row->count() == 0) return;
  if (windows.empty() || windows.back().number != number) windows.push_back({number, {}, 0, 0});
  windows.back().dwells.merge(row->exact);
  windows.back().at_least += row->at_least;
  windows.back().unknown += row->unknown;
}

std::vector<StateFigures> StateHistory::figures() const {
  std::vector<StateFigures> all;
  for (const State state : kLifeOrder) {
    if (state == State::Close) continue;
    const Tracked& tracked = states_[static_cast<std::size_t>(state)];
    StateFigures figures;
    figures.state = state;
    figures.now = tracked.now;
    figures.entries_per_s = tracked.entries_per_s;
    for (const Window& window : tracked.windows) {
      figures.dwells.merge(window.dwells);
      figures.at_least += window.at_least;
      figures.unknown += window.unknown;
    }
    figures.minute.assign(tracked.minute.begin(), tracked.minute.end());
    all.push_back(std::move(figures));
  }
  return all;
}

}  // namespace tcpdwell
