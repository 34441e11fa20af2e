// SPDX-License-Identifier: BSD-2-Clause
#include "aggregate/open_table.h"

#include <iterator>

namespace tcpdwell {

OpenTable::Entry* OpenTable::find(const ConnId& id) {
  if (last_ != nullptr && last_id_ == id) return last_;
  const auto found = entries_.find(id);
  last_id_ = id;
  last_ = found == entries_.end() ? nullptr : &found.value();
  return last_;
}

OpenTable::Entry& OpenTable::add(const ConnId& id) {
  if (Entry* const known = find(id)) return *known;
  last_ = &entries_.try_emplace(id).first.value();
  return *last_;
}

void OpenTable::drop(const ConnId& id, Index Entry::*whose) {
  Entry* const entry = find(id);
  if (entry == nullptr) return;
  entry->*whose = kAbsent;
  if (!unused(*entry)) return;
  entries_.erase(id);
  last_ = nullptr;
}

void OpenTable::drop_all(Index Entry::*whose) {
  for (auto at = entries_.begin(); at != entries_.end();) {
    at.value().*whose = kAbsent;
    at = unused(at.value()) ? entries_.erase(at) : std::next(at);
  }
  last_ = nullptr;
}

}  // namespace tcpdwell
