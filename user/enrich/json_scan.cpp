// SPDX-License-Identifier: BSD-2-Clause
#include "enrich/json_scan.h"

#include <algorithm>
#include <cstddef>

namespace tcpdwell {
namespace {

constexpr std::string_view kBlanks = " \t\r\n";

void skip_blanks(std::string_view& text) {
  text.remove_prefix(std::min(text.find_first_not_of(kBlanks), text.size()));
}

/// Bytes of the string that `text` begins with, with its quotes.
std::size_t string_size(std::string_view text) {
  for (std::size_t i = 1; i < text.size(); ++i) {
    if (text[i] == '\\')
      ++i;
    else if (text[i] == '"')
      return i + 1;
  }
  return text.size();
}

/// Bytes of the value that `text` begins with.
std::size_t value_size(std::string_view text) {
  std::size_t depth = 0, i = 0;
  while (i < text.size()) {
    const char c = text[i];
    if (c == '"') {
      i += string_size(text.substr(i));
      if (depth == 0) return i;
      continue;
    }
    if (c == '{' || c == '[') ++depth;
    if ((c == ',' || c == '}' || c == ']') && depth == 0) return i;
    ++i;
    if ((c == '}' || c == ']') && --depth == 0) return i;
  }
  return i;
}

std::string_view take_value(std::string_view& text) {
  skip_blanks(text);
  const std::string_view value = text.substr(0, value_size(text));
  text.remove_prefix(value.size());
  skip_blanks(text);
  return value;
}

/// Takes `c` where it comes next.
bool take(std::string_view& text, char c) {
  skip_blanks(text);
  if (text.empty() || text.front() != c) return false;
  text.remove_prefix(1);
  return true;
}

}  // namespace

void each_member(std::string_view object,
                 const std::function<void(std::string_view, std::string_view)>& visit) {
  if (!take(object, '{')) return;
  do {
    const std::string_view key = take_value(object);
    if (key.size() < 2 || key.front() != '"' || !take(object, ':')) return;
    visit(key.substr(1, key.size() - 2), take_value(object));
  } while (take(object, ','));
}

void each_item(std::string_view list, const std::function<void(std::string_view)>& visit) {
  if (!take(list, '[')) return;
  do {
    const std::string_view value = take_value(list);
    if (value.empty()) return;
    visit(value);
  } while (take(list, ','));
}

std::string json_string(std::string_view value) {
  if (value.size() < 2 || value.front() != '"' || value.back() != '"') return {};
  std::string text;
  for (std::size_t i = 1; i + 1 < value.size(); ++i) {
    if (value[i] != '\\') {
      text += value[i];
      continue;
    }
    const char c = value[++i];
    text += c == '"' || c == '\\' || c == '/' ? c : '?';
    if (c == 'u') i = std::min(i + 4, value.size() - 2);
  }
  return text;
}

}  // namespace tcpdwell
