// SPDX-License-Identifier: BSD-2-Clause
#include "aggregate/open_table.h"

#include <iterator>

namespace tcpdwell {

OpenTable::Entry* OpenTable::find(const ConnId& id) {
  if (last_ != nullptr && last_id_ == id) return last_;
  if (size_ == 0) return nullptr;
  return look_up(id);
}

OpenTable::Entry* OpenTable::look_up(const ConnId& id) {
  last_id_ = id;
  last_hash_ = ConnIdHash()(id);
  Part& part = part_of(last_hash_);
  const auto found = part.find(id, last_hash_);
  last_ = found == part.end() ? nullptr : &found.value();
  return last_;
}

OpenTable::Entry& OpenTable::add(const ConnId& id) {
  if (last_ != nullptr && last_id_ == id) return *last_;
  if (Entry* const known = look_up(id)) return *known;
  ++size_;
  last_ = &part_of(last_hash_).try_emplace(id).first.value();
  return *last_;
}

void OpenTable::drop(const ConnId& id, Index Entry::*whose) {
  Entry* const entry = find(id);
  if (entry == nullptr) return;
  entry->*whose = kAbsent;
  if (!unused(*entry)) return;
  part_of(last_hash_).erase(id, last_hash_);
  --size_;
  last_ = nullptr;
}

void OpenTable::drop_all(Index Entry::*whose) {
  for (Part& part : parts_)
    for (auto at = part.begin(); at != part.end();) {
      at.value().*whose = kAbsent;
      const bool goes = unused(at.value());
      size_ -= goes;
      at = goes ? part.erase(at) : std::next(at);
    }
  last_ = nullptr;
}

}  // namespace tcpdwell
