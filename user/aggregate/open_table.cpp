// SPDX-License-Identifier: BSD-2-Clause
#include "aggregate/open_table.h"

#include <iterator>

namespace tcpdwell {

OpenTable::Entry* OpenTable::find(const ConnId& id) {
  if (last_ != nullptr && last_id_ == id) return last_;
  last_id_ = id;
  last_hash_ = ConnIdHash()(id);
  Part& part = part_of(last_hash_);
  const auto found = part.find(id, last_hash_);
  last_ = found == part.end() ? nullptr : &found.value();
  return last_;
}

OpenTable::Entry& OpenTable::add(const ConnId& id) {
  if (Entry* const known = find(id)) return *known;
  last_ = &part_of(last_hash_).try_emplace(id).first.value();
  return *last_;
}

void OpenTable::drop(const ConnId& id, Index Entry::*whose) {
  Entry* const entry = find(id);
  if (entry == nullptr) return;
  entry->*whose = kAbsent;
  if (!unused(*entry)) return;
  part_of(last_hash_).erase(id, last_hash_);
  last_ = nullptr;
}

void OpenTable::drop_all(Index Entry::*whose) {
  for (Part& part : parts_)
    for (auto at = part.begin(); at != part.end();) {
      at.value().*whose = kAbsent;
      at = unused(at.value()) ? part.erase(at) : std::next(at);
    }
  last_ = nullptr;
}

}  // namespace tcpdwell
