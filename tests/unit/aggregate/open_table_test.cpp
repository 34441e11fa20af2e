// SPDX-License-Identifier: BSD-2-Clause
#include "aggregate/open_table.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <iterator>

#include "aggregate/aggregator.h"
#include "aggregate/analyzer.h"

namespace tcpdwell {
namespace {

using Entry = OpenTable::Entry;

TEST(OpenTable, AnEntryStaysAsLongAsOneOfThemFollows) {
  OpenTable table;
  const ConnId id{0x1a2b, 1}, next_use{0x1a2b, 2};
  EXPECT_EQ(table.find(id), nullptr);
  table.add(id).row = 3;
  table.add(id).slot = 7;
  EXPECT_EQ(table.find(next_use), nullptr);
  table.drop(id, &Entry::row);
  ASSERT_NE(table.find(id), nullptr);
  EXPECT_EQ(table.find(id)->row, OpenTable::kAbsent);
  EXPECT_EQ(table.find(id)->slot, 7U);
  table.drop(id, &Entry::slot);
  EXPECT_EQ(table.find(id), nullptr);
  table.drop(id, &Entry::slot);
}

TEST(OpenTable, WhatOneForgetsTheOtherKeeps) {
  OpenTable table;
  for (std::uint32_t i = 0; i < 1000; ++i) {
    Entry& entry = table.add({i, 1});
    if (i % 2 == 0) entry.row = i;
    if (i % 5 == 0) entry.slot = i;
  }
  table.drop_all(&Entry::row);
  for (std::uint32_t i = 0; i < 1000; ++i) {
    const Entry* const entry = table.find({i, 1});
    ASSERT_EQ(entry != nullptr, i % 5 == 0) << i;
    if (entry != nullptr) {
      EXPECT_EQ(entry->slot, i);
    }
  }
  table.drop_all(&Entry::slot);
  for (std::uint32_t i = 0; i < 1000; ++i) ASSERT_EQ(table.find({i, 1}), nullptr) << i;
}

/// Connections that overlap, some without a beginning, some without an end, over two traces.
template <class Play>
void play_lives(Play play) {
  for (const char* const host : {"a", "b"}) {
    Header header;
    header.host = header.boot_id = host;
    play([&](Consumer& to) { return to.header(header); });
    constexpr State kLife[] = {State::Close,     State::SynSent, State::Established,
                               State::CloseWait, State::LastAck, State::Close};
    for (std::uint64_t step = 0; step + 1 < std::size(kLife); ++step)
      for (std::uint64_t n = 1; n <= 300; ++n) {
        if ((step == 0 && n % 7 == 0) || (step == 4 && n % 3 == 0)) continue;
        Transition t;
        t.wall_ns = static_cast<std::int64_t>(step * 1000 + n);
        t.socket.id = {n, 1};
        t.from = kLife[step];
        t.to = kLife[step + 1];
        if (t.ends_a_dwell()) t.dwell = {Bound::Exact, 1000};
        play([&](Consumer& to) { return to.transition(t); });
      }
  }
}

TEST(OpenTable, SharedItTellsWhatTwoOfThemTell) {
  OpenTable shared;
  Aggregator alone({}), beside({}, shared);
  Analyzer analyzer({}), analyzer_beside({}, shared);
  play_lives([&](auto event) {
    for (Consumer* to : {static_cast<Consumer*>(&alone), static_cast<Consumer*>(&analyzer),
                         static_cast<Consumer*>(&beside), static_cast<Consumer*>(&analyzer_beside)})
      ASSERT_TRUE(event(*to));
  });
  EXPECT_EQ(alone.connections(), 600U);
  EXPECT_EQ(beside.connections(), 600U);
  const Summary a = alone.take_summary(6000), b = beside.take_summary(6000);
  ASSERT_EQ(a.rows.size(), b.rows.size());
  for (std::size_t i = 0; i < a.rows.size(); ++i) {
    EXPECT_EQ(a.rows[i].keys, b.rows[i].keys);
    EXPECT_EQ(a.rows[i].count(), b.rows[i].count());
    EXPECT_EQ(a.rows[i].open, b.rows[i].open);
  }
  const Analysis one = analyzer.take(), two = analyzer_beside.take();
  EXPECT_EQ(one.connections, two.connections);
  EXPECT_EQ(one.series.points.size(), two.series.points.size());
  ASSERT_EQ(one.stuck.size(), two.stuck.size());
  for (std::size_t i = 0; i < one.stuck.size(); ++i)
    EXPECT_EQ(one.stuck[i].in_state, two.stuck[i].in_state);
}

}  // namespace
}  // namespace tcpdwell
