// SPDX-License-Identifier: BSD-2-Clause
#include "model/summary.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "util/escape.h"
#include "util/nearest.h"

namespace tcpdwell {
namespace {

/// Indexed with Key.
constexpr std::array<std::string_view, 10> kNames = {
    "state",  "pid",    "comm",  "local-port", "remote-port",
    "remote", "cgroup", "netns", "end",        "path"};

std::optional<Key> parse_key(std::string_view word) {
  const auto found = std::find(kNames.begin(), kNames.end(), word);
  if (found == kNames.end()) return std::nullopt;
  return static_cast<Key>(found - kNames.begin());
}

Error bad_key(std::string_view word, std::string_view what) {
  std::string message = "'" + printable(word) + "' is " + std::string(what) + "; the keys are ";
  for (std::string_view name : kNames) {
    if (name != kNames.front()) message += ", ";
    message += name;
  }
  return Error{Fault::Usage, std::move(message)};
}

bool has(const std::vector<Key>& keys, Key key) {
  return std::find(keys.begin(), keys.end(), key) != keys.end();
}

}  // namespace

std::string_view name_of(Key key) { return kNames[static_cast<std::size_t>(key)]; }

std::vector<std::string> key_words() { return {kNames.begin(), kNames.end()}; }

std::string field_name(Key key) {
  std::string name(name_of(key));
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
}

bool is_number(Key key) {
  return key == Key::Pid || key == Key::LocalPort || key == Key::RemotePort || key == Key::Cgroup ||
         key == Key::Netns;
}

bool whole_connections(const std::vector<Key>& by) {
  return has(by, Key::End) || has(by, Key::Path);
}

std::string_view name_of(Of of) {
  constexpr std::array<std::string_view, 3> kWords = {"state", "life", "accept"};
  return kWords[static_cast<std::size_t>(of)];
}

Result<Of> parse_of(std::string_view text) {
  for (const Of of : {Of::State, Of::Life, Of::Accept})
    if (text == name_of(of)) return of;
  return Error{Fault::Usage,
               fmt::format("\"{}\": expected state, life or accept{}", printable(text),
                           did_you_mean(text, {"state", "life", "accept"}))};
}

Result<std::vector<Key>> parse_keys(std::string_view text, Of of) {
  std::vector<Key> keys;
  for (std::size_t start = 0; start <= text.size();) {
    const std::size_t comma = std::min(text.find(',', start), text.size());
    const std::string_view word = text.substr(start, comma - start);
    const std::optional<Key> key = parse_key(word);
    if (!key) {
      Error error = bad_key(word, "nothing to group by");
      error.message += did_you_mean(word, key_words());
      return error;
    }
    if (has(keys, *key)) return bad_key(word, "named twice");
    keys.push_back(*key);
    start = comma + 1;
  }
  if (of == Of::State && !has(keys, Key::State) && !whole_connections(keys))
    keys.push_back(Key::State);
  return keys;
}

void Summary::name_cgroups(const std::function<std::string(std::uint64_t)>& name_of_cgroup) {
  for (std::size_t i = 0; i < by.size(); ++i) {
    if (by[i] != Key::Cgroup) continue;
    for (Row& row : rows)
      if (const auto id = row.numeric[i])
        if (std::string name = name_of_cgroup(*id); !name.empty()) row.keys[i] = std::move(name);
  }
}

}  // namespace tcpdwell
