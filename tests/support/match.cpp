// SPDX-License-Identifier: BSD-2-Clause
#include "support/match.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "support/expected.h"

namespace tcpdwell::test {
namespace {

std::string expected_text(const std::vector<ExpectedLine>& lines) {
  std::vector<Transition> plain(lines.size());
  std::transform(lines.begin(), lines.end(), plain.begin(), [](const ExpectedLine& line) {
    Transition transition;
    transition.from = line.from;
    transition.to = line.to;
    return transition;
  });
  return chain_text(plain);
}

Path expected_path(const std::vector<ExpectedLine>& lines) {
  Path path;
  for (const ExpectedLine& line : lines) path.push(line.to);
  return path;
}

/// connect() chooses its port after the change to SYN_SENT.
bool port_may_be_unknown(const Transition& line) { return line.to == State::SynSent; }

void expect_moment(const Transition& line, const Connection& connection, const SideTruth& truth) {
  const auto within = [&](Stamp stamp) {
    EXPECT_TRUE(stamp.holds(line.mono_ns))
        << line.mono_ns << ", truth " << stamp.before << " to " << stamp.after;
  };
  const bool opens =
      line.from == State::Close || line.from == State::Listen || line.from == State::SynSent;
  if (opens) within({connection.connect.before, truth.established.after});
  if (line.to == State::Established) within(truth.established);
  if (line.from == State::Established) within(truth.left);
  if (line.to == State::LastAck) within(truth.closed);
}

void expect_last(const Transition& line, const std::vector<ExpectedLine>& expected,
                 const Connection& connection) {
  EXPECT_EQ(line.path.to_string(), expected_path(expected).to_string());
  // Handed over to a time-wait socket that nobody follows: not known.
  EXPECT_EQ(line.traffic.has_value(), line.from != State::FinWait2);
  if (line.life_ns) {
    EXPECT_GE(line.mono_ns + kClockSlack, connection.connect.before + *line.life_ns);
  }
}

}  // namespace

std::string chain_text(const std::vector<Transition>& lines) {
  std::string text;
  for (const Transition& line : lines) {
    text.append(text.empty() ? "" : " ").append(name_of(line.from));
    text.append(">").append(name_of(line.to));
  }
  return text;
}

void expect_identity(const Transition& line, const Connection& connection, Side side,
                     std::uint32_t netns) {
  const SideTruth& truth = connection.side(side);
  const Socket& socket = line.socket;
  EXPECT_EQ(socket.id, (ConnId{truth.socket.cookie, 1}));
  EXPECT_EQ(socket.netns, netns);
  EXPECT_EQ(socket.family, truth.socket.family);
  EXPECT_EQ(address_text(socket.family, socket.local),
            address_text(truth.socket.family, truth.socket.local));
  EXPECT_EQ(address_text(socket.family, socket.remote),
            address_text(truth.socket.family, truth.socket.remote));
  if (!port_may_be_unknown(line) || socket.local.port != 0) {
    EXPECT_EQ(socket.local.port, truth.socket.local.port);
  }
  EXPECT_EQ(socket.remote.port, truth.socket.remote.port);
  EXPECT_EQ(socket.owner.pid, static_cast<std::uint32_t>(truth.pid));
  EXPECT_EQ(socket.owner.comm.view(), truth.comm);
  EXPECT_NE(socket.owner.source, OwnerSource::None);
}

void expect_dwell(const Transition& line, const Connection& connection, Side side,
                  std::uint64_t slack) {
  const auto truth = connection.dwell(side, line.from);
  if (!truth || line.dwell.bound != Bound::Exact) return;
  EXPECT_TRUE(truth->holds(line.dwell.ns, slack))
      << name_of(line.from) << " " << line.dwell.ns << " ns, truth " << truth->shortest << " to "
      << truth->longest;
}

void expect_chain(const std::vector<Transition>& lines, const Connection& connection, Side side,
                  std::uint32_t netns) {
  SCOPED_TRACE(describe(connection.script) + (side == Side::Client ? ", client" : ", server"));
  const auto expected = expected_chain(connection.script, side);
  ASSERT_EQ(chain_text(lines), expected_text(expected));
  for (std::size_t i = 0; i < lines.size(); ++i) {
    const Transition& line = lines[i];
    SCOPED_TRACE(expected_text({expected[i]}));
    EXPECT_EQ(line.dwell.bound, expected[i].bound) << name_of(line.dwell.bound);
    EXPECT_EQ(line.reason, expected[i].reason) << name_of(line.reason);
    EXPECT_FALSE(line.gap);
    if (i > 0) {
      EXPECT_EQ(line.from, lines[i - 1].to);
      EXPECT_GE(line.mono_ns, lines[i - 1].mono_ns);
    }
    expect_identity(line, connection, side, netns);
    expect_moment(line, connection, connection.side(side));
    expect_dwell(line, connection, side);
  }
  expect_last(lines.back(), expected, connection);
}

}  // namespace tcpdwell::test
