// SPDX-License-Identifier: BSD-2-Clause
// The state of the screen, and keys.
#include "views/top.h"

#include <algorithm>

#include "util/utf8.h"

namespace tcpdwell {
namespace {

constexpr std::size_t kLongestFilter = 64;

std::string without_last_character(std::string text) {
  while (!text.empty() && (static_cast<unsigned char>(text.back()) & 0xC0U) == 0x80U)
    text.pop_back();
  if (!text.empty()) text.pop_back();
  return text;
}

}  // namespace

Top::Top(TopOptions options) : options_(std::move(options)) {
  for (const TopTable groups :
       {TopTable::Owners, TopTable::Peers, TopTable::Ports, TopTable::Containers, TopTable::Chosen})
    tables_[static_cast<std::size_t>(groups)].sorted = 1;
  tables_[static_cast<std::size_t>(TopTable::Connections)].sorted = 1;
  if (!options_.by.empty()) shown_ = TopTable::Chosen;
}

void Top::add(const Summary& by_state, const TopSelf& self) {
  history_.add(by_state);
  const double seconds = static_cast<double>(self.uptime_ns - last_self_.uptime_ns) / 1e9;
  const bool first = last_self_.uptime_ns == 0;
  const TopSelf before = std::exchange(last_self_, self);
  if (paused_) return;
  figures_ = history_.figures();
  self_ = self;
  if (first || seconds <= 0) return;
  transitions_per_s_ = static_cast<double>(self.transitions - before.transitions) / seconds;
  cpu_share_ = static_cast<double>(self.cpu_ns - before.cpu_ns) / 1e9 / seconds;
}

TopRequest Top::request() const {
  TopRequest request;
  if (is_groups()) request.grouping = grouping();
  request.findings = shown_ == TopTable::Findings;
  request.connections = shown_ == TopTable::Connections;
  request.path_of = path_of_;
  if (!request.connections) return request;
  static constexpr OpenOrder kOrders[] = {OpenOrder::State, OpenOrder::Age,    OpenOrder::Owner,
                                          OpenOrder::Local, OpenOrder::Remote, OpenOrder::Life};
  request.order = kOrders[table().sorted];
  request.reversed = table().reversed;
  request.within = scope_;
  request.filter = table().filter;
  return request;
}

void Top::show(TopData data) {
  data_ = std::move(data);
  if (path_of_) {
    path_gone_ = !data_.path.has_value();
    if (data_.path) path_ = data_.path;
  }
  arrange();
}

Grouping Top::grouping() const {
  switch (shown_) {
    case TopTable::Owners:
      return {{Key::Pid, Key::Comm}};
    case TopTable::Peers:
      return {{Key::Remote}};
    case TopTable::Containers:
      return {{Key::Cgroup}};
    case TopTable::Chosen:
      return {options_.by};
    default:
      return {};
  }
}

Top::Answer Top::press(const TopKey& key) {
  message_.clear();
  if (typing_) return press_in_filter(key);
  return page_ == Page::Tables ? press_in_table(key) : press_on_page(key);
}

Top::Answer Top::press_in_filter(const TopKey& key) {
  std::string& filter = table().filter;
  switch (key.kind) {
    case Kind::Enter:
      typing_ = false;
      return Answer::Draw;
    case Kind::Escape:
      typing_ = false;
      filter.clear();
      break;
    case Kind::Backspace:
      filter = without_last_character(std::move(filter));
      break;
    case Kind::Text:
      if (filter.size() + key.text.size() <= kLongestFilter) filter += key.text;
      break;
    case Kind::Up:
    case Kind::Down:
      typing_ = false;
      return press_in_table(key);
    default:
      return Answer::Nothing;
  }
  table().chosen = 0;
  table().chosen_name.clear();
  return arranged();
}

/// Which connections there are to choose from is up to whoever follows them.
Top::Answer Top::arranged() {
  arrange();
  return shown_ == TopTable::Connections ? Answer::Gather : Answer::Draw;
}

Top::Answer Top::press_on_page(const TopKey& key) {
  const bool closes = key.kind == Kind::Escape || key.kind == Kind::Enter ||
                      key.kind == Kind::Backspace || key.kind == Kind::Left || key.text == "q" ||
                      key.text == "?" || key.text == "h";
  if (key.text == " ") return press_letter(' ');
  const std::size_t last = page_lines_ - std::min(page_lines_, body_rows_);
  const auto scroll_to = [this, last](std::size_t line) {
    page_first_ = std::min(line, last);
    return Answer::Draw;
  };
  if (key.kind == Kind::Down || key.text == "j") return scroll_to(page_first_ + 1);
  if (key.kind == Kind::Up || key.text == "k")
    return scroll_to(page_first_ - std::min<std::size_t>(page_first_, 1));
  if (key.kind == Kind::PageDown) return scroll_to(page_first_ + body_rows_);
  if (key.kind == Kind::PageUp) return scroll_to(page_first_ - std::min(page_first_, body_rows_));
  if (!closes) return Answer::Nothing;
  page_ = Page::Tables;
  path_of_.reset();
  path_.reset();
  return Answer::Draw;
}

Top::Answer Top::open_page(Page page) {
  page_ = page;
  page_first_ = 0;
  return Answer::Draw;
}

Top::Answer Top::press_in_table(const TopKey& key) {
  const std::size_t row = table().chosen;
  switch (key.kind) {
    case Kind::Up:
      return move_to(row == 0 ? 0 : row - 1);
    case Kind::Down:
      return move_to(row + 1);
    case Kind::PageUp:
      return move_to(row - std::min(row, body_rows_));
    case Kind::PageDown:
      return move_to(row + body_rows_);
    case Kind::Home:
      return move_to(0);
    case Kind::End:
      return move_to(order_.size());
    case Kind::Left:
      return sort_next(-1);
    case Kind::Right:
      return sort_next(1);
    case Kind::Tab:
      return next_table(1);
    case Kind::BackTab:
      return next_table(-1);
    case Kind::Enter:
      return open_chosen();
    case Kind::Escape:
    case Kind::Backspace:
      return leave();
    case Kind::Text:
      return key.text.size() == 1 ? press_letter(key.text[0]) : Answer::Nothing;
    case Kind::Other:
      break;
  }
  return Answer::Nothing;
}

Top::Answer Top::press_letter(char letter) {
  if (letter >= '1' && letter < static_cast<char>('1' + tables()))
    return to_table(static_cast<TopTable>(letter - '1'));
  switch (letter) {
    case ' ':
      paused_ = !paused_;
      if (!paused_) figures_ = history_.figures();
      return paused_ ? Answer::Draw : Answer::Gather;
    case '/':
      typing_ = true;
      return Answer::Draw;
    case '<':
    case ',':
      return sort_next(-1);
    case '>':
    case '.':
      return sort_next(1);
    case 'r':
    case 'I':
      table().reversed = !table().reversed;
      return arranged();
    case 'k':
      return press_in_table({Kind::Up, ""});
    case 'j':
      return press_in_table({Kind::Down, ""});
    case 'g':
      return press_in_table({Kind::Home, ""});
    case 'G':
      return press_in_table({Kind::End, ""});
    case '?':
    case 'h':
      return open_page(Page::Help);
    case 'q':
      return Answer::Quit;
    default:
      return Answer::Nothing;
  }
}

Top::Answer Top::to_table(TopTable table) {
  scope_.reset();
  shown_ = table;
  order_.clear();
  data_.groups.clear();
  data_.connections.clear();
  return Answer::Gather;
}

Top::Answer Top::next_table(int step) {
  const int count = static_cast<int>(tables());
  return to_table(static_cast<TopTable>((static_cast<int>(shown_) + step + count) % count));
}

Top::Answer Top::move_to(std::size_t row) {
  if (order_.empty()) return Answer::Nothing;
  table().chosen = std::min(row, order_.size() - 1);
  table().chosen_name = table().chosen == 0 ? "" : name_of_row(table().chosen);
  return Answer::Draw;
}

Top::Answer Top::sort_next(int step) {
  const int count = static_cast<int>(sortable());
  table().sorted =
      static_cast<std::size_t>((static_cast<int>(table().sorted) + step + count) % count);
  table().reversed = false;
  return arranged();
}

Top::Answer Top::open_chosen() {
  if (table().chosen >= order_.size()) return Answer::Nothing;
  const std::size_t row = order_[table().chosen];
  if (shown_ == TopTable::Findings) {
    finding_ = data_.findings[row];
    return open_page(Page::Finding);
  }
  if (shown_ == TopTable::Connections) {
    path_ = data_.connections[row];
    path_of_ = path_->socket.id;
    path_gone_ = false;
    return open_page(Page::Path);
  }
  TopScope scope{grouping(), data_.groups[row].keys, group_name(data_.groups[row])};
  came_from_ = shown_;
  const Answer answer = to_table(TopTable::Connections);
  scope_ = std::move(scope);
  table().chosen = 0;
  table().chosen_name.clear();
  return answer;
}

/// Back by one step: out of the connections of a row, else the filter goes.
Top::Answer Top::leave() {
  if (scope_) return to_table(came_from_);
  if (table().filter.empty()) return Answer::Nothing;
  table().filter.clear();
  return arranged();
}

}  // namespace tcpdwell
