// SPDX-License-Identifier: BSD-2-Clause
/// `tcpdwell top`: what is on the screen and what keys do to it. Takes figures, gives text with
/// attributes; knows no terminal and no clock.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "model/analysis.h"
#include "model/group.h"
#include "views/canvas.h"
#include "views/columns.h"
#include "views/top_states.h"

namespace tcpdwell {

/// The tables below the states, in the order of their keys 1, 2, …
enum class TopTable : std::uint8_t {
  Owners,
  Peers,
  Ports,
  Containers,
  Findings,
  Connections,
  Chosen
};
inline constexpr std::size_t kTopTables = 7;

struct TopOptions {
  Look look;
  std::uint64_t interval_ns = 1'000'000'000;
  StateSet states = 0;  ///< show these; 0 = all
  std::vector<Key> by;  ///< a table of its own where it is none of the others'
  std::string host;
  /// What to call a cgroup; "" where it is not known. Asked for rows on the screen only.
  std::function<std::string(std::uint64_t id)> cgroup_name;
};

struct TopKey {
  enum class Kind : std::uint8_t {
    Text,
    Up,
    Down,
    Left,
    Right,
    PageUp,
    PageDown,
    Home,
    End,
    Enter,
    Escape,
    Tab,
    BackTab,
    Backspace,
    Other
  };
  Kind kind = Kind::Other;
  std::string text;  ///< of Text: one character
};

/// The connections of one row of another table.
struct TopScope {
  Grouping grouping;
  std::vector<std::string> keys;
  std::string name;
};

/// What has to be gathered for what is on the screen.
struct TopRequest {
  std::optional<Grouping> grouping;  ///< rows of groups
  bool connections = false;
  bool findings = false;  ///< soon; how many there are is on the screen anyway
  OpenOrder order = OpenOrder::Age;
  bool reversed = false;
  std::optional<TopScope> within;
  std::string filter;             ///< of connections, for matches()
  std::optional<ConnId> path_of;  ///< this one, however it would be filtered
};

/// What was gathered.
struct TopData {
  static constexpr std::size_t kMostConnections = 500;

  std::int64_t wall_ns = 0;
  std::uint64_t open = 0;                   ///< connections, listeners aside
  std::array<Dwell, kStateCount> oldest{};  ///< the longest in each state; Unknown where none
  std::vector<Group> groups;
  std::optional<double> counted_s;  ///< seconds over which `began` and `ended` were counted
  std::uint64_t left_out = 0;
  std::vector<ConnectionRow> connections;  ///< the first in the order asked for
  std::uint64_t matching = 0;              ///< all that passed filter and scope
  std::vector<Finding> findings;
  std::optional<ConnectionRow> path;
};

/// What tcpdwell says of itself.
struct TopSelf {
  std::uint64_t transitions = 0;  ///< since the start
  std::uint64_t cpu_ns = 0;       ///< processor time since the start
  std::uint64_t uptime_ns = 0;
  std::uint64_t not_followed = 0;  ///< connections for which there was no room
};

class Top {
 public:
  enum class Answer : std::uint8_t {
    Nothing,
    Draw,
    Gather,  ///< request() has changed
    Quit
  };

  explicit Top(TopOptions options);

  /// An interval has passed. While it is paused, only remembered.
  void add(const Summary& by_state, const TopSelf& self);
  TopRequest request() const;
  /// What request() asked for.
  void show(TopData data);
  bool paused() const { return paused_; }
  /// What was lost until the last add(), in words; "" if nothing.
  std::string losses() const;
  /// Another line for the status, said until the next key: what cannot go to standard error now.
  void tell(std::string message) { message_ = std::move(message); }

  Answer press(const TopKey& key);
  /// Exactly `rows` lines, none wider than `columns`.
  Canvas draw(std::size_t rows, std::size_t columns);

 private:
  using Kind = TopKey::Kind;
  enum class Page : std::uint8_t { Tables, Path, Finding, Help };
  struct TableState {
    std::size_t sorted = 0;
    bool reversed = false;
    std::size_t chosen = 0, first = 0;  ///< row that keys act on, first row on the screen
    std::string chosen_name;  ///< which it is, once a key has moved there: it may move itself
    std::string filter;
  };

  // Keys.
  Answer press_in_filter(const TopKey& key);
  Answer press_on_page(const TopKey& key);
  Answer open_page(Page page);
  Answer press_in_table(const TopKey& key);
  Answer press_letter(char letter);
  Answer to_table(TopTable table);
  Answer next_table(int step);
  Answer move_to(std::size_t row);
  Answer sort_next(int step);
  Answer open_chosen();
  Answer leave();
  Answer arranged();

  // The table that is shown.
  TableState& table() { return tables_[static_cast<std::size_t>(shown_)]; }
  const TableState& table() const { return tables_[static_cast<std::size_t>(shown_)]; }
  bool is_groups() const { return shown_ != TopTable::Findings && shown_ != TopTable::Connections; }
  std::size_t tables() const { return options_.by.empty() ? kTopTables - 1 : kTopTables; }
  Grouping grouping() const;
  std::string title(TopTable table) const;
  const std::vector<Column>& columns() const;
  std::size_t sortable() const;
  bool descending(std::size_t column) const;
  void arrange();  ///< filters, sorts, and finds the chosen row again
  void arrange_groups();
  void arrange_findings();
  bool group_before(const Group& a, const Group& b) const;
  std::string name_of_row(std::size_t place) const;
  std::string group_name(const Group& group) const;
  std::vector<Cell> cells_of_row(std::size_t place) const;
  std::vector<Cell> group_cells(const Group& group) const;
  std::vector<Cell> connection_cells(const ConnectionRow& row) const;
  std::vector<Cell> finding_cells(const Finding& finding) const;

  // Drawing.
  Line status_line(std::size_t columns) const;
  Line brief_states(std::size_t columns) const;
  std::vector<Line> state_lines(std::size_t most, std::size_t columns) const;
  Line tabs_line(std::size_t columns) const;
  Line foot_line(std::size_t columns, Canvas& canvas, std::size_t row) const;
  std::vector<Line> table_lines(std::size_t rows, std::size_t columns);
  std::vector<Line> path_lines(std::size_t columns) const;
  std::vector<Line> finding_lines(std::size_t columns) const;
  std::vector<Line> help_lines(std::size_t columns) const;
  void draw_page(Canvas& canvas, std::size_t rows, std::size_t columns);
  std::string container_of(std::uint64_t cgroup_id) const;

  const TopOptions options_;
  StateHistory history_;
  std::vector<StateFigures> figures_;  ///< as shown
  TopSelf self_, last_self_;
  std::optional<double> transitions_per_s_, cpu_share_;
  TopData data_;
  std::vector<std::size_t> order_;  ///< rows of data_ on the screen, from the first
  bool paused_ = false, typing_ = false;
  std::string message_;
  Page page_ = Page::Tables;
  TopTable shown_ = TopTable::Owners, came_from_ = TopTable::Owners;
  std::array<TableState, kTopTables> tables_;
  std::optional<TopScope> scope_;
  std::optional<ConnId> path_of_;
  std::optional<ConnectionRow> path_;  ///< as last seen
  bool path_gone_ = false;
  std::optional<Finding> finding_;
  std::size_t page_first_ = 0, page_lines_ = 0;  ///< of a page longer than the screen
  std::size_t body_rows_ = 1;                    ///< on the screen, for paging
};

/// Whether a connection has `filter` in what is shown of it, whatever the case.
bool matches(const std::string& filter, const Socket& socket, State state,
             const std::string& container);

}  // namespace tcpdwell
