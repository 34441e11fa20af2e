// SPDX-License-Identifier: BSD-2-Clause
/// Connections that began within a trace, apart from those that were there before. Pure.
#pragma once

#include <cstdint>
#include <unordered_set>
#include <vector>

#include "aggregate/row_table.h"
#include "model/conn_id_hash.h"
#include "model/event.h"
#include "model/summary.h"

namespace tcpdwell {

/// Passes on what is not of an older connection, and counts how many were opened and accepted.
class Begun : public Consumer {
 public:
  /// `by`: rows of opened() and accepted(), without what a connection has only later.
  Begun(const std::vector<Key>& by, Consumer& next);

  Status header(const Header& header) override;
  Status transition(const Transition& t) override;
  Status seed(const Seed& seed) override;
  Status connection(const Connection& c) override;
  Status loss(const Loss& loss) override { return next_.loss(loss); }
  Status end(const TraceEnd& end) override { return next_.end(end); }

  const std::vector<Key>& by() const { return by_; }
  std::vector<Row> take_opened() { return opened_.take(false); }
  std::vector<Row> take_accepted() { return accepted_.take(false); }
  std::uint64_t older() const { return older_; }  ///< connections; no listeners

 private:
  const std::vector<Key> by_;
  Consumer& next_;
  RowTable opened_, accepted_;
  std::unordered_set<ConnId, ConnIdHash> old_;
  std::int64_t start_wall_ns_ = 0;
  std::uint64_t older_ = 0;
};

}  // namespace tcpdwell
