// SPDX-License-Identifier: BSD-2-Clause
// The tables of `top`: what is in a row, and in which order.
#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <string_view>
#include <tuple>

#include "util/duration.h"
#include "util/names.h"
#include "views/top.h"

namespace tcpdwell {
namespace {

enum GroupColumn : std::size_t {
  kName,
  kOpen,
  kStuck,
  kStuckIn,
  kBegan,
  kEnded,
  kEstablished,
  kCloseWait,
  kTimeWait,
  kSyn,
  kFin,
  kListen
};

/// Importance says what a narrow screen keeps.
const std::vector<Column> kGroupColumns = {
    {"", 100, false, 12},   {"OPEN", 90, true, 0},       {"STUCK", 85, true, 0},
    {"IN", 80, false, 0},   {"NEW/s", 70, true, 0},      {"END/s", 65, true, 0},
    {"ESTAB", 50, true, 0}, {"CLOSE_WAIT", 60, true, 0}, {"TIME_WAIT", 55, true, 0},
    {"SYN", 45, true, 0},   {"FIN", 40, true, 0},        {"LISTEN", 30, true, 0}};
const std::vector<Column> kConnectionColumns = {
    {"STATE", 95, false, 0},     {"AGE", 90, true, 0},      {"OWNER", 80, false, 10},
    {"LOCAL", 60, false, 15},    {"REMOTE", 85, false, 15}, {"LIFE", 40, true, 0},
    {"CONTAINER", 30, false, 12}};
const std::vector<Column> kFindingColumns = {{"SEVERITY", 90, false, 0},
                                             {"COUNT", 60, true, 0},
                                             {"WHO", 80, false, 12},
                                             {"WHAT", 100, false, 16}};
constexpr std::size_t kSortableConnections = 6, kSortableFindings = 3;

std::uint64_t open_in(const Group& group, std::initializer_list<State> states) {
  std::uint64_t sum = 0;
  for (const State state : states) sum += group.open[static_cast<std::size_t>(state)];
  return sum;
}

std::uint64_t number_in(const Group& group, std::size_t column) {
  switch (column) {
    case kOpen:
      return group.connections();
    case kStuck:
      return group.stuck.bound == Bound::Unknown ? 0 : group.stuck.ns + 1;
    case kBegan:
      return group.began;
    case kEnded:
      return group.ended;
    case kEstablished:
      return open_in(group, {State::Established});
    case kCloseWait:
      return open_in(group, {State::CloseWait});
    case kTimeWait:
      return open_in(group, {State::TimeWait});
    case kSyn:
      return open_in(group, {State::SynSent, State::SynRecv});
    case kFin:
      return open_in(group, {State::FinWait1, State::FinWait2, State::Closing, State::LastAck});
    case kListen:
      return open_in(group, {State::Listen});
    default:
      return 0;
  }
}

/// Numbers by their value, the rest by letters.
bool key_before(const std::string& a, const std::string& b) {
  const auto digits = [](const std::string& text) {
    return !text.empty() && text.find_first_not_of("0123456789") == std::string::npos;
  };
  if (digits(a) != digits(b)) return digits(a);
  return digits(a) && a.size() != b.size() ? a.size() < b.size() : a < b;
}

bool keys_before(const std::vector<std::string>& a, const std::vector<std::string>& b) {
  return std::lexicographical_compare(a.begin(), a.end(), b.begin(), b.end(), key_before);
}

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

bool contains(std::string_view text, std::string_view part) {
  return part.empty() ||
         std::search(text.begin(), text.end(), part.begin(), part.end(),
                     [](char a, char b) { return lower(a) == lower(b); }) != text.end();
}

std::optional<double> rate_of(std::uint64_t count, const std::optional<double>& seconds) {
  if (!seconds || *seconds <= 0) return std::nullopt;
  return static_cast<double>(count) / *seconds;
}

Style style_of(Severity severity) {
  return entry_of(std::array{Style::Plain, Style::Lingering, Style::Alarm}, severity);
}

}  // namespace

bool matches(const std::string& filter, const Socket& socket, State state,
             const std::string& container) {
  if (filter.empty()) return true;
  // Each on its own: nothing matches across what stands in different columns. The cheap ones first.
  return contains(tcpdwell::name_of(state), filter) || contains(owner_text(socket.owner), filter) ||
         contains(remote_text(socket), filter) || contains(local_text(socket), filter) ||
         contains(container, filter);
}

const std::vector<Column>& Top::columns() const {
  return is_groups()                       ? kGroupColumns
         : shown_ == TopTable::Connections ? kConnectionColumns
                                           : kFindingColumns;
}

std::size_t Top::sortable() const {
  return is_groups()                       ? kGroupColumns.size()
         : shown_ == TopTable::Connections ? kSortableConnections
                                           : kSortableFindings;
}

/// Numbers and durations the largest first, names from A on.
bool Top::descending(std::size_t column) const {
  bool natural = columns()[column].right;
  if (shown_ == TopTable::Findings && column == 0) natural = true;
  return natural != table().reversed;
}

std::string Top::container_of(std::uint64_t cgroup_id) const {
  if (cgroup_id == 0) return std::string(kAbsent);
  const std::string name = options_.cgroup_name ? options_.cgroup_name(cgroup_id) : "";
  return name.empty() ? fmt::format("cgroup {}", cgroup_id) : shown(name, options_.look);
}

std::string Top::group_name(const Group& group) const {
  const auto key = [&](std::size_t i) {
    return group.keys.size() > i ? shown(group.keys[i], options_.look) : "";
  };
  switch (shown_) {
    case TopTable::Owners:
      if (key(0).empty()) return key(1).empty() ? "?" : key(1);
      return key(0) + "/" + key(1);
    case TopTable::Ports:
      return fmt::format("{} {}", key(0).empty() ? "?" : key(0), key(1));
    default:
      break;
  }
  std::string name;
  for (std::size_t i = 0; i < group.keys.size(); ++i) {
    std::string text = key(i);
    if (grouping().by[i] == Key::Cgroup) text = container_of(text.empty() ? 0 : std::stoull(text));
    name += (i == 0 ? "" : " ") + (text.empty() ? "?" : text);
  }
  return name;
}

std::string Top::name_of_row(std::size_t place) const {
  const std::size_t row = order_.at(place);
  if (shown_ == TopTable::Findings)
    return data_.findings[row].kind + " " + data_.findings[row].subject;
  if (shown_ == TopTable::Connections) return to_string(data_.connections[row].socket.id);
  std::string name;
  for (const std::string& key : data_.groups[row].keys) name += key + '\n';
  return name;
}

void Top::arrange() {
  order_.clear();
  if (is_groups()) {
    arrange_groups();
  } else if (shown_ == TopTable::Findings) {
    arrange_findings();
  } else {
    for (std::size_t i = 0; i < data_.connections.size(); ++i) {
      const ConnectionRow& row = data_.connections[i];
      if (matches(table().filter, row.socket, row.state, container_of(row.socket.cgroup_id)))
        order_.push_back(i);
    }
  }
  TableState& state = table();
  if (!state.chosen_name.empty() &&
      !(state.chosen < order_.size() && name_of_row(state.chosen) == state.chosen_name))
    for (std::size_t place = 0; place < order_.size(); ++place)
      if (name_of_row(place) == state.chosen_name) state.chosen = place;
  if (state.chosen >= order_.size()) state.chosen = order_.empty() ? 0 : order_.size() - 1;
}

bool Top::group_before(const Group& a, const Group& b) const {
  const std::size_t column = table().sorted;
  const bool swap = table().reversed;
  if (column != kName && column != kStuckIn) {
    const std::uint64_t left = number_in(a, column), right = number_in(b, column);
    if (left != right) return (left > right) != swap;
  } else if (column == kStuckIn && a.stuck_state != b.stuck_state) {
    return (tcpdwell::name_of(a.stuck_state) < tcpdwell::name_of(b.stuck_state)) != swap;
  }
  // Equal ones keep an order of their own, or the screen would flicker.
  if (shown_ == TopTable::Owners && a.keys.at(1) != b.keys.at(1))
    return (a.keys[1] < b.keys[1]) != (swap && column == kName);
  if (a.keys == b.keys) return false;
  return keys_before(a.keys, b.keys) != (swap && column == kName);
}

void Top::arrange_groups() {
  const std::string& filter = table().filter;
  for (std::size_t i = 0; i < data_.groups.size(); ++i)
    if (filter.empty() || contains(group_name(data_.groups[i]), filter)) order_.push_back(i);
  std::sort(order_.begin(), order_.end(), [this](std::size_t a, std::size_t b) {
    return group_before(data_.groups[a], data_.groups[b]);
  });
}

void Top::arrange_findings() {
  const auto& findings = data_.findings;
  for (std::size_t i = 0; i < findings.size(); ++i)
    if (contains(findings[i].kind + " " + findings[i].subject + " " + findings[i].text,
                 table().filter))
      order_.push_back(i);
  const std::size_t column = table().sorted;
  const bool swap = table().reversed;
  std::stable_sort(order_.begin(), order_.end(), [&](std::size_t a, std::size_t b) {
    const Finding &left = findings[swap ? b : a], &right = findings[swap ? a : b];
    if (column == 1) return left.count > right.count;
    if (column == 2) return left.subject < right.subject;
    return left.severity > right.severity;
  });
}

std::vector<Cell> Top::cells_of_row(std::size_t place) const {
  const std::size_t row = order_[place];
  if (shown_ == TopTable::Findings) return finding_cells(data_.findings[row]);
  if (shown_ == TopTable::Connections) return connection_cells(data_.connections[row]);
  return group_cells(data_.groups[row]);
}

std::vector<Cell> Top::group_cells(const Group& group) const {
  const bool stuck = group.stuck_state != State::Unknown;
  std::vector<Cell> cells = {
      {group_name(group)},
      count_cell(number_in(group, kOpen)),
      {stuck ? dwell_text(group.stuck) : std::string(kAbsent), stuck ? Style::Plain : Style::Dim},
      {std::string(stuck ? tcpdwell::name_of(group.stuck_state) : kAbsent),
       tcpdwell::style_of(stuck ? group.stuck_state : State::Unknown)},
      rate_cell(rate_of(group.began, data_.counted_s)),
      rate_cell(rate_of(group.ended, data_.counted_s))};
  for (const auto& [column, state] : {std::pair{kEstablished, State::Established},
                                      {kCloseWait, State::CloseWait},
                                      {kTimeWait, State::TimeWait},
                                      {kSyn, State::SynSent},
                                      {kFin, State::FinWait1},
                                      {kListen, State::Listen}})
    cells.push_back(count_cell(number_in(group, column), tcpdwell::style_of(state)));
  return cells;
}

std::vector<Cell> Top::connection_cells(const ConnectionRow& row) const {
  const Look& look = options_.look;
  const Socket& socket = row.socket;
  return {{std::string(tcpdwell::name_of(row.state)), tcpdwell::style_of(row.state)},
          {dwell_text(row.in_state)},
          {spelled(owner_text(socket.owner), look)},
          {local_text(socket)},
          {remote_text(socket)},
          {dwell_text(row.life)},
          {container_of(socket.cgroup_id)}};
}

std::vector<Cell> Top::finding_cells(const Finding& finding) const {
  const Look& look = options_.look;
  return {{std::string(name_of(finding.severity)), style_of(finding.severity)},
          {human_count(finding.count)},
          // Of their own making: subject and text are safe already (aggregate/findings.cpp).
          {spelled(finding.subject, look)},
          {spelled(finding.text, look)}};
}

}  // namespace tcpdwell
